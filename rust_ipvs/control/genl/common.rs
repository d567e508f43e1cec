// SPDX-License-Identifier: GPL-2.0

//! What the answers to several commands share: whom a request is for, and how it is refused.

use super::numbers::top;
use crate::{
    director::Director,
    kapi::{
        genetlink::{
            Dump,
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
    sync::Arc, //
};

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
pub(super) trait Told<T> {
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
pub(super) fn director(request: &Request<'_>) -> Result<Arc<Director>> {
    Director::of(request.net()).ok_or_else(|| request.refuse(ENOPROTOOPT, NO_DIRECTOR))
}

/// The director whose things a dump lists.
pub(super) fn director_of_dump(net: &Net) -> Result<Arc<Director>> {
    Director::of(net).ok_or(ENOPROTOOPT)
}

/// The nest of a request that describes a service.
pub(super) fn service_nest<'a>(request: &Request<'a>) -> Result<&'a [u8]> {
    let nest = request.attribute(top::SERVICE);
    nest.ok_or_else(|| request.refuse(EINVAL, c"the request names no service"))
}

/// The service that a request is about, which has to exist.
pub(super) fn existing_service(request: &Request<'_>, director: &Director) -> Result<ServiceId> {
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
pub(super) fn add_messages(
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
pub(super) type Adder<'a> = &'a mut dyn FnMut(&mut Dump<'_>) -> Result;
