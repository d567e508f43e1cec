// SPDX-License-Identifier: GPL-2.0

//! Generic netlink family `IPVS` (behaviour.rst 11).
//!
//! All commands need `CAP_NET_ADMIN` in the initial user namespace (G-2). All are validated
//! liberally, as clients that predate strict validation need it (G-1).

mod answer;
mod common;
mod config;
mod daemon;
mod destination;
mod service;

use crate::{
    kapi::genetlink::{
        Command,
        GenlFamily,
        Policy,
        Registration, //
    },
    logic::uapi::{
        self,
        command, //
    },
};
use kernel::{
    prelude::*,
    ModuleMetadata, //
};

/// Top-level attributes by number (G-5).
static POLICY: [Policy; 7] = [
    Policy::ANY,
    Policy::NESTED, // SERVICE
    Policy::NESTED, // DEST
    Policy::NESTED, // DAEMON
    Policy::U32,    // TIMEOUT_TCP
    Policy::U32,    // TIMEOUT_TCP_FIN
    Policy::U32,    // TIMEOUT_UDP
];

/// Makes a command with the flags that all of them have.
const fn privileged(number: u8) -> Command {
    Command::new(number).admin_perm().liberal()
}

/// Commands and their handlers (G-3). Other commands fail with `EOPNOTSUPP` (G-4).
static COMMANDS: [Command; 16] = [
    privileged(command::NEW_SERVICE).doit::<service::New>(),
    privileged(command::SET_SERVICE).doit::<service::Set>(),
    privileged(command::DEL_SERVICE).doit::<service::Del>(),
    privileged(command::GET_SERVICE)
        .doit::<service::Get>()
        .dumpit::<service::List>(),
    privileged(command::NEW_DEST).doit::<destination::New>(),
    privileged(command::SET_DEST).doit::<destination::Set>(),
    privileged(command::DEL_DEST).doit::<destination::Del>(),
    privileged(command::GET_DEST).dumpit::<destination::List>(),
    privileged(command::NEW_DAEMON).doit::<daemon::New>(),
    privileged(command::DEL_DAEMON).doit::<daemon::Del>(),
    privileged(command::GET_DAEMON).dumpit::<daemon::List>(),
    privileged(command::SET_CONFIG).doit::<config::Set>(),
    privileged(command::GET_CONFIG).doit::<config::Get>(),
    privileged(command::GET_INFO).doit::<config::Info>(),
    privileged(command::ZERO).doit::<service::Zero>(),
    privileged(command::FLUSH).doit::<service::Flush>(),
];

static FAMILY: GenlFamily = GenlFamily::new(
    &<crate::LocalModule as ModuleMetadata>::THIS_MODULE,
    c"IPVS",
    uapi::GENL_VERSION as u32,
    &POLICY,
    &COMMANDS,
    &[],
);

/// Registers the family, which stays registered until the result is dropped.
pub(super) fn register() -> Result<Registration> {
    FAMILY.register()
}
