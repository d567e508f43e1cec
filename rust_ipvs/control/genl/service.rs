// SPDX-License-Identifier: GPL-2.0

//! Commands for services: add, change, delete, list, zero and flush.

use super::{
    answer,
    common::{
        existing_service,
        service_nest, //
    },
};
use crate::{
    control::netlink::{
        ipvs,
        ipvs_of_dump,
        WithExtack, //
    },
    director::Bookmark,
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

/// `NEW_SERVICE` (G-18).
pub(super) struct New;

impl Doit for New {
    fn doit(request: &Request<'_>) -> Result {
        let spec = request::service_spec(service_nest(request)?).extack(request)?;
        let ipvs = ipvs(request)?;
        ipvs.add_service(&spec).extack(request)
    }
}

/// `SET_SERVICE` (V-17, G-19).
pub(super) struct Set;

impl Doit for Set {
    fn doit(request: &Request<'_>) -> Result {
        let spec = request::service_spec(service_nest(request)?).extack(request)?;
        ipvs(request)?.edit_service(&spec).extack(request)
    }
}

/// `DEL_SERVICE` (V-19).
pub(super) struct Del;

impl Doit for Del {
    fn doit(request: &Request<'_>) -> Result {
        let id = request::service_id(service_nest(request)?).extack(request)?;
        ipvs(request)?.delete_service(&id).extack(request)
    }
}

/// `GET_SERVICE` for one service (G-16).
pub(super) struct Get;

impl Doit for Get {
    fn doit(request: &Request<'_>) -> Result {
        let id = request::service_id(service_nest(request)?).extack(request)?;
        let view = ipvs(request)?.service(&id).extack(request)?;
        request.reply(command::NEW_SERVICE, |message| {
            message.nested(cmd_attr::SERVICE, |nest| answer::put_service(nest, &view))
        })
    }
}

/// `GET_SERVICE` for all services (G-15). Attributes of the request are ignored.
pub(super) struct List;

impl Dumpit for List {
    fn dumpit(dump: &mut Dump<'_>) -> Result {
        let ipvs = ipvs_of_dump(dump)?;
        let from = Bookmark::of_words(dump.position());
        let mut added = Ok(());
        let stopped = ipvs.services(from, &mut |view| {
            added = dump.message(command::NEW_SERVICE, |message| {
                message.nested(cmd_attr::SERVICE, |nest| answer::put_service(nest, view))
            });
            added.is_ok()
        });
        if stopped.is_err() {
            dump.remark(c"out of memory");
        }
        if let Some(stopped) = stopped? {
            dump.set_position(stopped.to_words());
        }
        added
    }
}

/// `ZERO`, for one service or for all statistics (E-10).
pub(super) struct Zero;

impl Doit for Zero {
    fn doit(request: &Request<'_>) -> Result {
        let ipvs = ipvs(request)?;
        if request.attribute(cmd_attr::SERVICE).is_none() {
            return ipvs.zero(None).extack(request);
        }
        let id = existing_service(request, &ipvs)?;
        ipvs.zero(Some(&id)).extack(request)
    }
}

/// `FLUSH` (L-11).
pub(super) struct Flush;

impl Doit for Flush {
    fn doit(request: &Request<'_>) -> Result {
        ipvs(request)?.flush().extack(request)
    }
}
