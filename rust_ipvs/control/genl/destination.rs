// SPDX-License-Identifier: GPL-2.0

//! Commands for destinations: add, change, delete and list.

use super::{
    answer,
    common::existing_service, //
};
use crate::{
    control::netlink::{
        ipvs,
        ipvs_of_dump,
        WithExtack, //
    },
    director::Shown,
    kapi::genetlink::{
        Doit,
        Dump,
        Dumpit,
        Request, //
    },
    logic::{
        request,
        uapi::{
            cmd_attr,
            command, //
        },
    },
};
use kernel::prelude::*;

/// Returns the nest that describes the destination of a request.
fn destination_nest<'a>(request: &Request<'a>) -> Result<&'a [u8]> {
    let nest = request.attribute(cmd_attr::DEST);
    nest.ok_or_else(|| request.refuse(EINVAL, c"the request names no destination"))
}

/// `NEW_DEST` (G-17).
pub(super) struct New;

impl Doit for New {
    fn doit(request: &Request<'_>) -> Result {
        let ipvs = ipvs(request)?;
        let id = existing_service(request, &ipvs)?;
        let spec = request::destination_spec(destination_nest(request)?, id.family);
        let spec = spec.extack(request)?;
        ipvs.add_destination(request.net(), &id, &spec)
            .extack(request)
    }
}

/// `SET_DEST` (V-14). Tunnel attributes that are absent keep their value.
pub(super) struct Set;

impl Doit for Set {
    fn doit(request: &Request<'_>) -> Result {
        let ipvs = ipvs(request)?;
        let id = existing_service(request, &ipvs)?;
        let change = request::destination_change(destination_nest(request)?, id.family);
        let (spec, tunnel) = change.extack(request)?;
        ipvs.edit_destination(&id, spec, tunnel).extack(request)
    }
}

/// `DEL_DEST` (V-11).
pub(super) struct Del;

impl Doit for Del {
    fn doit(request: &Request<'_>) -> Result {
        let ipvs = ipvs(request)?;
        let id = existing_service(request, &ipvs)?;
        let destination = request::destination_id(destination_nest(request)?, id.family);
        let destination = destination.extack(request)?;
        ipvs.delete_destination(&id, &destination).extack(request)
    }
}

/// `GET_DEST` for all destinations of a service (G-15).
///
/// If the service is unknown or its attributes are invalid, the list is empty and there is no
/// error, as clients that list services and then their destinations rely on it. The extack message
/// names the reason.
pub(super) struct List;

impl Dumpit for List {
    fn dumpit(dump: &mut Dump<'_>) -> Result {
        let ipvs = ipvs_of_dump(dump)?;
        let Ok(nest) = dump.attribute(cmd_attr::SERVICE) else {
            // The netlink core has set the extack message.
            return Ok(());
        };
        let Some(nest) = nest else {
            dump.remark(c"the request names no service");
            return Ok(());
        };
        let id = match request::service_id(nest) {
            Ok(id) if ipvs.service_exists(&id) => id,
            Ok(_) => {
                dump.remark(c"no such service");
                return Ok(());
            }
            Err(error) => {
                dump.remark(error.text);
                return Ok(());
            }
        };
        let from = Shown::of_word(dump.position().0);
        let mut added = Ok(());
        let stopped = ipvs.destinations(&id, from, &mut |view| {
            added = dump.message(command::NEW_DEST, |message| {
                message.nested(cmd_attr::DEST, |nest| answer::put_destination(nest, view))
            });
            added.is_ok()
        });
        if let Some(stopped) = stopped {
            dump.set_position((stopped.to_word(), 0));
        }
        added
    }
}
