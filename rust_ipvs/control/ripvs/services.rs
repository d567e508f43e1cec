// SPDX-License-Identifier: GPL-2.0

//! `GET_SERVICES`: all services with their destinations, in one dump.

use super::answer;
use crate::{
    control::{
        errno::errno,
        netlink, //
    },
    director::{
        ListCursor,
        NetnsIpvs, //
    },
    kapi::genetlink::{
        Dump,
        Dumpit,
        GenlMessage, //
    },
    logic::{
        config::{
            DestinationView,
            ServiceView, //
        },
        ripvs::{
            self,
            uapi::{
                command,
                msg_attr,
                options, //
            },
        },
    },
};
use kernel::prelude::*;

/// `GET_SERVICES`.
pub(super) struct List;

impl Dumpit for List {
    fn dumpit(dump: &mut Dump<'_>) -> Result {
        let ipvs = netlink::ipvs_of_dump(dump)?;
        ripvs::only(dump.attributes(), &[msg_attr::OPTIONS]).map_err(|error| {
            dump.remark(error.text);
            errno(error.errno)
        })?;
        let wanted = dump.attribute(msg_attr::OPTIONS)?;
        let wanted = wanted.and_then(|bytes| bytes.first_chunk().copied());
        let wanted = wanted.map_or(0, u32::from_ne_bytes);
        if wanted & !options::STATISTICS != 0 {
            dump.remark(c"there is no such option of a dump");
            return Err(EINVAL);
        }
        let has_statistics = wanted & options::STATISTICS != 0;
        let mut cursor = ListCursor::of_words(dump.words());
        loop {
            // Before and after what is read, so that a change in between is told.
            let generation = ipvs.generation();
            dump.set_generation(generation);
            let next = message(dump, &ipvs, cursor, generation, has_statistics);
            dump.set_generation(ipvs.generation());
            match next? {
                Some(next) => {
                    cursor = next;
                    dump.set_words(cursor.to_words());
                }
                None => return Ok(()),
            }
        }
    }
}

/// Adds a message: a service, and as many of its destinations as fit. Returns the position after
/// it; `None` at the end.
///
/// # Errors
///
/// `EMSGSIZE` if not even one destination fits, or the service does not.
fn message(
    dump: &mut Dump<'_>,
    ipvs: &NetnsIpvs,
    cursor: ListCursor,
    generation: u64,
    has_statistics: bool,
) -> Result<Option<ListCursor>> {
    let Some(service) = ipvs.next_service(&cursor, has_statistics) else {
        return Ok(None);
    };
    let mut next = cursor;
    let is_continued = service.is_continued();
    dump.message(command::GET_SERVICES, |message| {
        message.put_u64_aligned(msg_attr::GENERATION, generation, msg_attr::PAD)?;
        put_service(message, service.view(), is_continued, has_statistics)?;
        let mut added = Ok(());
        let mut number = 0u32;
        next = service.destinations(has_statistics, &mut |view| {
            added = put_dest(message, view, has_statistics);
            if added.is_ok() {
                number = number.saturating_add(1);
            }
            added.is_ok()
        });
        // The rest of the destinations comes in the next message.
        match added {
            Err(error) if number == 0 => Err(error),
            _ => Ok(()),
        }
    })?;
    Ok(Some(next))
}

fn put_service(
    message: &mut GenlMessage<'_>,
    view: &ServiceView,
    is_continued: bool,
    has_statistics: bool,
) -> Result {
    message.nested(msg_attr::SERVICE, |nest| match is_continued {
        true => answer::put_service_id(nest, &view.id),
        false => answer::put_service(nest, view, has_statistics),
    })?;
    if is_continued {
        message.put_flag(msg_attr::CONTINUED)?;
    }
    Ok(())
}

fn put_dest(message: &mut GenlMessage<'_>, view: &DestinationView, has_statistics: bool) -> Result {
    message.nested(msg_attr::DEST, |nest| {
        answer::put_dest(nest, view, has_statistics)
    })
}
