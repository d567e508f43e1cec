// SPDX-License-Identifier: GPL-2.0

//! `APPLY`: many changes together, or none.

use crate::{
    control::{
        errno::errno,
        netlink::{
            self,
            WithExtack, //
        },
    },
    kapi::{
        genetlink::{
            Doit,
            Request, //
        },
        time,
    },
    logic::ripvs::{
        self,
        uapi::{
            command,
            msg_attr, //
        },
        ConfigChange, //
    },
};
use kernel::prelude::*;

/// Parses the changes of a request. An error tells the sender which attribute is at fault.
fn parse(request: &Request<'_>) -> Result<KVVec<ConfigChange>> {
    let count = ripvs::changes(request.attributes()).count();
    let room = KVVec::with_capacity(count, GFP_KERNEL);
    let mut changes = room.map_err(|_| request.refuse(ENOMEM, c"out of memory"))?;
    for nest in ripvs::changes(request.attributes()) {
        let change = ripvs::change(nest)
            .map_err(|error| request.refuse_at(errno(error.errno), error.text, nest))?;
        // There is room for it.
        changes.push_within_capacity(change).ok();
        time::give_way();
    }
    Ok(changes)
}

/// `APPLY`.
pub(super) struct Apply;

impl Doit for Apply {
    fn doit(request: &Request<'_>) -> Result {
        let attributes = request.attributes();
        ripvs::only(attributes, &[msg_attr::GENERATION, msg_attr::CHANGE]).extack(request)?;
        let expected = ripvs::single(attributes, msg_attr::GENERATION).extack(request)?;
        let expected = expected.and_then(|bytes| bytes.first_chunk().copied());
        let changes = parse(request)?;
        let ipvs = netlink::ipvs(request)?;
        let reply = request.reserve()?;
        let applied = ipvs.apply(request.net(), expected.map(u64::from_ne_bytes), &changes);
        let generation = applied.map_err(|refused| {
            let nest = refused
                .change
                .and_then(|n| ripvs::changes(attributes).nth(n));
            match nest {
                Some(nest) => {
                    request.refuse_at(errno(refused.error.errno), refused.error.text, nest)
                }
                None => request.refuse(errno(refused.error.errno), refused.error.text),
            }
        })?;
        let changed = u32::try_from(changes.len()).unwrap_or(u32::MAX);
        // If the sender has no room for it, the acknowledgment still tells that all was made.
        let sent = reply.send(command::APPLY, |message| {
            message.put_u64_aligned(msg_attr::GENERATION, generation, msg_attr::PAD)?;
            message.put_u32(msg_attr::CHANGED, changed)
        });
        sent.ok();
        Ok(())
    }
}
