// SPDX-License-Identifier: GPL-2.0

//! Work that tells listeners of OVERLOAD flags that have changed; see
//! [`Overloads`](crate::director::dest::Overloads).

use super::NetnsIpvs;
use crate::{
    director::{
        conn::InetFamily,
        service::{
            AfState,
            ServicePos, //
        },
    },
    kapi::work::Process,
    logic::ripvs::ConfigEvent,
};

/// Services per run.
const AT_ONCE: u32 = 64;

/// Work that looks for destinations whose OVERLOAD flag is another one than was told.
#[derive(Default)]
pub(super) struct TellOverload {
    /// Position to continue from: whether in the services of IPv6, and at which one. `None` between
    /// two walks.
    at: Option<(bool, ServicePos)>,
    /// Number of changes when the last walk began.
    seen: u32,
}

impl TellOverload {
    /// Looks at the destinations of some services. Returns the delay of the next run, in jiffies.
    ///
    /// A walk sees the changes before its beginning. If there were others meanwhile, however many,
    /// one more walk follows.
    pub(super) fn run(&mut self, ipvs: &NetnsIpvs, _: &Process) -> Option<u32> {
        let changes = ipvs.counting.overloads.changes();
        let (is_v6, from) = match self.at.take() {
            Some(at) => at,
            None if changes == self.seen => return None,
            None => {
                self.seen = changes;
                (false, ServicePos::default())
            }
        };
        let next = match is_v6 {
            false => tell_some(ipvs, &ipvs.v4, from),
            true => tell_some(ipvs, &ipvs.v6, from),
        };
        self.at = match (next, is_v6) {
            (Some(place), _) => Some((is_v6, place)),
            (None, false) => Some((true, ServicePos::default())),
            (None, true) => None,
        };
        Some(0)
    }
}

/// Tells of the destinations of some services. Returns the position to continue from.
fn tell_some<F: InetFamily>(
    ipvs: &NetnsIpvs,
    af: &AfState<F>,
    from: ServicePos,
) -> Option<ServicePos> {
    let mut left = AT_ONCE;
    let next = af.each_paged(from, |_, service| {
        service.each_paged(u32::MAX, |destination| {
            if let Some(is_overloaded) = destination.overload_to_tell() {
                // A destination that was deleted meanwhile is told of, after its deletion.
                let config = &mut *ipvs.config.lock();
                let outline = destination.outline();
                let event = ConfigEvent::Overload(&service.id, &outline, is_overloaded);
                ipvs.announce(config, event);
            }
            true
        });
        left = left.saturating_sub(1);
        left != 0
    });
    // Without memory those that were not reached are told with the next change.
    next.unwrap_or(None)
}
