// SPDX-License-Identifier: GPL-2.0

//! Transactions: changes of the configuration that are made together, or not at all.
//!
//! Under the configuration mutex, in three steps:
//!
//! 1. [`plan`] applies the changes, in their order, to a description of the services that they
//!    touch, and refuses what cannot be done. A service that is deleted and added again is changed:
//!    its connections and counters stay, and so those of its destinations.
//! 2. [`prepare`] allocates all memory: new services and destinations, the next state of each
//!    service, room in the tables.
//! 3. [`commit`] cannot fail. Each service gets its next state in one step, so that a packet sees
//!    the service before the transaction, or after it.

mod commit;
mod plan;
mod prepare;

use self::{
    plan::TransactionPlan,
    prepare::Transaction, //
};
use crate::{
    director::netns::{
        ConfigState,
        NetnsIpvs, //
    },
    kapi::net::Net,
    logic::{
        config::{
            AddressFamily,
            ConfigError,
            Errno, //
        },
        ripvs::ConfigChange, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Refusal of a transaction.
pub(crate) struct Refused {
    /// The error.
    pub(crate) error: ConfigError,
    /// Number of the change at fault, from 0; `None` if no single one is.
    pub(crate) change: Option<usize>,
}

impl Refused {
    const NO_MEMORY: Self = Self {
        error: ConfigError::NO_MEMORY,
        change: None,
    };
}

impl NetnsIpvs {
    /// Makes all changes, or none. Returns the generation after them.
    ///
    /// # Errors
    ///
    /// `ESTALE` if the generation is not the `expected` one; those of the changes; `ENOMEM`.
    pub(crate) fn apply(
        self: &Arc<Self>,
        net: &Net,
        expected: Option<u64>,
        changes: &[ConfigChange],
    ) -> Result<u64, Refused> {
        let mut config = self.config.lock();
        if !config.open {
            return Err(Refused {
                error: ConfigError::CLOSED,
                change: None,
            });
        }
        if expected.is_some_and(|expected| expected != self.generation.load()) {
            let words = c"the configuration has changed since that generation";
            return Err(Refused {
                error: ConfigError::new(Errno::Stale, words),
                change: None,
            });
        }
        let result = self.apply_locked(net, &mut config, changes);
        let unused_v4 = self.unneeded_hooks(&mut config, AddressFamily::V4);
        let unused_v6 = self.unneeded_hooks(&mut config, AddressFamily::V6);
        let tracking_v4 = self.unneeded_tracking(&mut config, AddressFamily::V4);
        let tracking_v6 = self.unneeded_tracking(&mut config, AddressFamily::V6);
        let generation = self.generation.load();
        drop(config);
        drop((unused_v4, unused_v6, tracking_v4, tracking_v6));
        result.map(|()| generation)
    }

    fn apply_locked(
        self: &Arc<Self>,
        net: &Net,
        config: &mut ConfigState,
        changes: &[ConfigChange],
    ) -> Result<(), Refused> {
        let mut plan = TransactionPlan::new();
        for (number, change) in changes.iter().enumerate() {
            plan.add(self, net, change).map_err(|error| Refused {
                error,
                change: Some(number),
            })?;
        }
        match Transaction::new(self, config, plan) {
            Ok(prepared) => {
                // Before the changes, which listeners are told of with their generation. Nobody
                // else changes anything meanwhile.
                if !changes.is_empty() {
                    self.note_change(config);
                }
                prepared.commit(self, config);
                Ok(())
            }
            Err(_) => Err(Refused::NO_MEMORY),
        }
    }
}
