// SPDX-License-Identifier: GPL-2.0

//! Reasons for which a service takes no connection, and counters of reasons by service.

use super::{
    AfState,
    Service, //
};
use crate::{
    director::{
        conn::InetFamily,
        dest::reasons::ReasonCounts, //
        dest::Destination,
    },
    kapi::{
        rcu::{
            self,
            Rcu, //
        },
        shared::RcuRef,
    },
    logic::{
        config::ServiceId,
        reason::Reason,
        sched::no_choice::NoChoice, //
    },
};

/// Destinations that are examined, newest first: a packet that is refused must not take time in
/// proportion to their number.
const EXAMINED: u32 = 256;

impl<F: InetFamily> Service<F> {
    /// Returns the reason for which no destination was chosen.
    #[cold]
    pub(crate) fn no_choice_reason<'g>(&'g self, rcu: Rcu<'g>) -> Reason {
        let options = self.options_at(rcu);
        if options.is_some_and(|options| options.scheduler.is_none()) {
            return Reason::NoScheduler;
        }
        let mut no_choice = NoChoice::new();
        let examine = |destination: RcuRef<'g, Destination>| no_choice.examine(&*destination);
        self.scheduling.some(rcu, u32::MAX, EXAMINED, examine);
        no_choice.reason()
    }

    /// Returns the numbers of reasons; `None` if none was counted.
    pub(crate) fn reason_counts(&self) -> Option<ReasonCounts> {
        rcu::read(|rcu| self.reasons.sums(rcu))
    }
}

impl<F: InetFamily> AfState<F> {
    /// Counts a reason for a service, if it exists.
    #[cold]
    pub(crate) fn count_reason(&self, rcu: Rcu<'_>, id: &ServiceId, reason: Reason) {
        if let Some(service) = self.by_id(rcu, id) {
            service.get().reasons.count(rcu, reason);
        }
    }
}
