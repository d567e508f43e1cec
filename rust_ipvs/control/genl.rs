// SPDX-License-Identifier: GPL-2.0

//! The generic netlink family `IPVS` (SPEC section 11).
//!
//! All commands need `CAP_NET_ADMIN` in the initial user namespace (G-2), and all are validated
//! liberally, as clients older than strict validation need it (G-1).

mod answer;
mod config;
mod daemon;
mod destination;
mod numbers;
mod service;

use self::numbers::{
    command,
    top, //
};
use crate::{
    director::Director,
    kapi::{
        genetlink::{
            Command,
            Dump,
            Family,
            Policy,
            Registration,
            Request, //
        },
        net::Net,
    },
    logic::{
        config::{
            Errno,
            Refusal,
            ServiceId, //
        },
        request, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc,
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

/// A command as all of them are.
const fn privileged(number: u8) -> Command {
    Command::new(number).admin_perm().liberal()
}

/// What is answered, and by whom (G-3). Anything else is `EOPNOTSUPP` (G-4).
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

static FAMILY: Family = Family::new(
    &<crate::LocalModule as ModuleMetadata>::THIS_MODULE,
    c"IPVS",
    1,
    &POLICY,
    &COMMANDS,
);

/// Has the family answer.
pub(super) fn register() -> Result<Registration> {
    FAMILY.register()
}

/// The error number of a refusal.
fn error(errno: Errno) -> Error {
    match errno {
        Errno::Invalid => EINVAL,
        Errno::Exists => EEXIST,
        Errno::NoEntry => ENOENT,
        Errno::NoService => ESRCH,
        Errno::Family => EAFNOSUPPORT,
        Errno::Range => ERANGE,
        Errno::NoMemory => ENOMEM,
    }
}

/// Results that a user is told of.
trait Told<T> {
    /// Leaves a refusal's words with the request, and gives its number.
    fn told(self, request: &Request<'_>) -> Result<T>;
}

impl<T> Told<T> for Result<T, Refusal> {
    fn told(self, request: &Request<'_>) -> Result<T> {
        self.map_err(|refusal| request.refuse(error(refusal.errno), refusal.words))
    }
}

/// A namespace without a director is being set up or torn down.
const NO_DIRECTOR: &CStr = c"there is no load balancer in this namespace now";

/// The director that a request is for.
fn director(request: &Request<'_>) -> Result<Arc<Director>> {
    Director::of(request.net()).ok_or_else(|| request.refuse(ENOPROTOOPT, NO_DIRECTOR))
}

/// The director whose things a dump lists.
fn director_of_dump(net: &Net) -> Result<Arc<Director>> {
    Director::of(net).ok_or(ENOPROTOOPT)
}

/// The nest of a request that describes a service.
fn service_nest<'a>(request: &Request<'a>) -> Result<&'a [u8]> {
    let nest = request.attribute(top::SERVICE);
    nest.ok_or_else(|| request.refuse(EINVAL, c"the request names no service"))
}

/// The service that a request is about, which has to exist.
fn existing_service(request: &Request<'_>, director: &Director) -> Result<ServiceId> {
    let id = request::service_id(service_nest(request)?).told(request)?;
    if director.service_exists(&id) {
        Ok(id)
    } else {
        Err(Refusal::NO_SERVICE).told(request)
    }
}

/// Adds to a dump what `each` visits, beginning after the things that earlier messages were about.
///
/// `each` gets the number of those, and a function that adds a message; that returns whether there
/// was room, and must not be called again after `false`.
fn add_messages(
    dump: &mut Dump<'_>,
    each: impl FnOnce(usize, &mut dyn FnMut(Adder<'_>) -> bool),
) -> Result {
    let (from, _) = dump.position();
    let mut count = from;
    let mut added = Ok(());
    each(from, &mut |add| {
        added = add(dump);
        if added.is_ok() {
            count = count.saturating_add(1);
        }
        added.is_ok()
    });
    dump.set_position((count, 0));
    added
}

/// Adds one message to a dump.
type Adder<'a> = &'a mut dyn FnMut(&mut Dump<'_>) -> Result;
