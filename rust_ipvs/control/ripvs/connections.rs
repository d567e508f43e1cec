// SPDX-License-Identifier: GPL-2.0

//! `GET_CONNECTIONS`, `DEL_CONNECTIONS` and `COUNT_CONNECTIONS`: connections by a filter.

use super::answer;
use crate::{
    control::{
        errno::errno,
        netlink::{
            self,
            WithExtack, //
        },
    },
    director::ConnCursor,
    kapi::genetlink::{
        Doit,
        Dump,
        Dumpit,
        Request, //
    },
    logic::ripvs::{
        self,
        uapi::{
            command,
            msg_attr, //
        },
    },
};
use kernel::prelude::*;

/// `GET_CONNECTIONS`.
pub(super) struct List;

impl Dumpit for List {
    fn dumpit(dump: &mut Dump<'_>) -> Result {
        let ipvs = netlink::ipvs_of_dump(dump)?;
        let filter = ripvs::selection(dump.attributes()).map_err(|error| {
            dump.remark(error.text);
            errno(error.errno)
        })?;
        let mut cursor = ConnCursor::of_words(dump.words());
        let mut added = Ok(());
        dump.set_generation(cursor.generation());
        ipvs.select(&mut cursor, &filter, &mut |connection| {
            added = dump.message(command::GET_CONNECTIONS, |message| {
                message.nested(msg_attr::CONNECTION, |nest| {
                    answer::put_connection(nest, connection)
                })
            });
            added.is_ok()
        });
        dump.set_words(cursor.to_words());
        // If the walk began anew, the next message tells so, or the end of the dump.
        dump.set_generation(cursor.generation());
        added
    }
}

/// `DEL_CONNECTIONS`.
pub(super) struct Delete;

impl Doit for Delete {
    fn doit(request: &Request<'_>) -> Result {
        let filter = ripvs::deletion(request.attributes());
        let filter = filter.extack(request)?;
        let ipvs = netlink::ipvs(request)?;
        let reply = request.reserve()?;
        let done = ipvs.delete_selected(request.net(), &filter);
        // If the sender has no room for it, the acknowledgment still tells that they went.
        let sent = reply.send(command::DEL_CONNECTIONS, |message| {
            message.put_u32(msg_attr::DELETED, done.deleted)?;
            message.put_u32(msg_attr::HELD, done.held)
        });
        sent.ok();
        Ok(())
    }
}

/// `COUNT_CONNECTIONS`.
pub(super) struct Count;

impl Doit for Count {
    fn doit(request: &Request<'_>) -> Result {
        let filter = ripvs::selection(request.attributes());
        let filter = filter.extack(request)?;
        let ipvs = netlink::ipvs(request)?;
        let count = ipvs.count_selected(&filter);
        request.reply(command::COUNT_CONNECTIONS, |message| {
            message.put_u32(msg_attr::CONNECTIONS, count)
        })
    }
}
