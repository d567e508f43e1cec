// SPDX-License-Identifier: GPL-2.0

//! Generic netlink family `RIPVS`: what the family `IPVS` has no commands for.
//!
//! All commands need `CAP_NET_ADMIN` in the initial user namespace, as those of `IPVS`. They are
//! validated strictly: an unknown attribute is an error, and so is one of a wrong length.

mod answer;
mod apply;
mod connections;
mod event;
mod info;
mod reasons;
mod services;

use crate::{
    kapi::{
        genetlink::{
            Command,
            GenlFamily,
            Group,
            Policy,
            Registration, //
        },
        net::Net,
    },
    logic::ripvs::{
        uapi::{
            command,
            GENL_VERSION, //
        },
        ConfigEvent, //
    },
};
use kernel::{
    prelude::*,
    ModuleMetadata, //
};

/// Top-level attributes by number.
static POLICY: [Policy; 31] = [
    Policy::REFUSED,
    Policy::U64,     // GENERATION
    Policy::NESTED,  // SERVICE
    Policy::REFUSED, // DEST
    Policy::NESTED,  // CHANGE
    Policy::U32,     // OPTIONS
    Policy::REFUSED, // CONTINUED
    Policy::REFUSED, // SERVICES
    Policy::REFUSED, // CONNECTIONS
    Policy::REFUSED, // CHANGED
    Policy::REFUSED, // PAD
    Policy::NESTED,  // FILTER
    Policy::REFUSED, // CONNECTION
    Policy::REFUSED, // DELETED
    Policy::REFUSED, // HELD
    Policy::REFUSED,
    Policy::REFUSED,
    Policy::REFUSED,
    Policy::REFUSED,
    Policy::REFUSED,
    Policy::REFUSED, // EVENT
    Policy::REFUSED, // PID
    Policy::REFUSED, // TIMEOUTS
    Policy::REFUSED, // DAEMON
    Policy::REFUSED,
    Policy::REFUSED,
    Policy::REFUSED,
    Policy::REFUSED,
    Policy::REFUSED,
    Policy::REFUSED,
    Policy::REFUSED, // REASON
];

/// Commands and their handlers. Other commands fail with `EOPNOTSUPP`.
static COMMANDS: [Command; 8] = [
    Command::new(command::GET_INFO)
        .admin_perm()
        .doit::<info::Get>(),
    Command::new(command::GET_SERVICES)
        .admin_perm()
        .dumpit::<services::List>(),
    Command::new(command::APPLY)
        .admin_perm()
        .doit::<apply::Apply>(),
    Command::new(command::GET_CONNECTIONS)
        .admin_perm()
        .dumpit::<connections::List>(),
    Command::new(command::DEL_CONNECTIONS)
        .admin_perm()
        .doit::<connections::Delete>(),
    Command::new(command::COUNT_CONNECTIONS)
        .admin_perm()
        .doit::<connections::Count>(),
    Command::new(command::GET_REASONS)
        .admin_perm()
        .dumpit::<reasons::List>(),
    Command::new(command::ZERO_REASONS)
        .admin_perm()
        .doit::<reasons::ZeroReasons>(),
];

/// Multicast groups. Who may ask for the configuration may also listen to its changes.
static GROUPS: [Group; 1] = [Group::admin(c"config")];

static FAMILY: GenlFamily = GenlFamily::new(
    &<crate::LocalModule as ModuleMetadata>::THIS_MODULE,
    c"RIPVS",
    GENL_VERSION as u32,
    &POLICY,
    &COMMANDS,
    &GROUPS,
);

/// Registers the family, which stays registered until the result is dropped.
pub(super) fn register() -> Result<Registration> {
    FAMILY.register()
}

/// Tells listeners in a namespace of a change, and the generation after it. Process context; may
/// sleep.
pub(crate) fn announce(net: &Net, generation: u64, change: ConfigEvent<'_>) {
    let sent = FAMILY.notify(net, 0, command::EVENT, |message| {
        event::put(message, generation, change)
    });
    // A listener that lost the message learns of it from its socket. Without memory nobody can be
    // told anything.
    sent.ok();
}
