// SPDX-License-Identifier: GPL-2.0

//! Commands about synchronisation daemons, of which there are none yet.
//!
//! What is asked is answered as where no daemon runs; only that one cannot be started differs from
//! the reference.

use super::numbers::{
    daemon,
    top, //
};
use crate::{
    kapi::genetlink::{
        Doit,
        Dump,
        Dumpit,
        Request, //
    },
    logic::nlattr,
};
use kernel::prelude::*;

/// The role of a daemon that sends, and that of one that receives (G-12).
const ROLES: [u32; 2] = [1, 2];

/// The longest name of a network interface.
const INTERFACE_MAX: usize = 15;

/// The nest of a request that describes a daemon.
fn daemon_nest<'a>(request: &Request<'a>) -> Result<&'a [u8]> {
    let nest = request.attribute(top::DAEMON);
    nest.ok_or_else(|| request.refuse(EINVAL, c"the request describes no daemon"))
}

/// A number in a nest.
fn number(nest: &[u8], attribute: u16) -> Option<u32> {
    nlattr::find(nest, attribute).and_then(nlattr::u32)
}

/// `NEW_DAEMON` (G-31).
pub(super) struct New;

impl Doit for New {
    fn doit(request: &Request<'_>) -> Result {
        let nest = daemon_nest(request)?;
        let interface = nlattr::find(nest, daemon::INTERFACE);
        if number(nest, daemon::STATE).is_none()
            || interface
                .and_then(|name| nlattr::string(name, INTERFACE_MAX))
                .is_none()
            || number(nest, daemon::SYNC_ID).is_none()
        {
            return Err(request.refuse(
                EINVAL,
                c"a daemon needs a state, an interface and a synchronisation id",
            ));
        }
        Err(request.refuse(
            EOPNOTSUPP,
            c"connections cannot be synchronised to other directors yet",
        ))
    }
}

/// `DEL_DAEMON`.
pub(super) struct Del;

impl Doit for Del {
    fn doit(request: &Request<'_>) -> Result {
        match number(daemon_nest(request)?, daemon::STATE) {
            Some(role) if ROLES.contains(&role) => {
                Err(request.refuse(ESRCH, c"no daemon of that state runs"))
            }
            _ => Err(request.refuse(
                EINVAL,
                c"the daemon's state is neither master (1) nor backup (2)",
            )),
        }
    }
}

/// `GET_DAEMON`: those that run.
pub(super) struct List;

impl Dumpit for List {
    fn dumpit(_dump: &mut Dump<'_>) -> Result {
        Ok(())
    }
}
