// SPDX-License-Identifier: GPL-2.0

//! `GET_REASONS` and `ZERO_REASONS`: why packets were dropped, refused or left untouched.

use super::answer;
use crate::{
    control::{
        errno::errno,
        netlink::{
            self,
            WithExtack, //
        },
    },
    director::{
        Bookmark,
        ReasonCounts, //
    },
    kapi::genetlink::{
        Doit,
        Dump,
        Dumpit,
        GenlMessage,
        Request, //
    },
    logic::{
        config::{
            ConfigError,
            ServiceId, //
        },
        reason::Reason,
        ripvs::{
            self,
            uapi::{
                command,
                msg_attr,
                reason_attr, //
            },
        },
    },
};
use kernel::prelude::*;

/// Adds a message with the reasons of a service, or of the namespace.
fn add(dump: &mut Dump<'_>, id: Option<&ServiceId>, counts: &ReasonCounts) -> Result {
    dump.message(command::GET_REASONS, |message| {
        if let Some(id) = id {
            message.nested(msg_attr::SERVICE, |nest| answer::put_service_id(nest, id))?;
        }
        put(message, counts)
    })
}

/// Adds the reasons that were counted.
fn put(message: &mut GenlMessage<'_>, counts: &ReasonCounts) -> Result {
    for (reason, count) in Reason::ALL.into_iter().zip(counts) {
        if *count != 0 {
            message.nested(msg_attr::REASON, |nest| {
                nest.put_u32(reason_attr::ID, reason as u32)?;
                nest.put_u64_aligned(reason_attr::COUNT, *count, reason_attr::PAD)
            })?;
        }
    }
    Ok(())
}

/// `GET_REASONS`.
pub(super) struct List;

impl Dumpit for List {
    fn dumpit(dump: &mut Dump<'_>) -> Result {
        let remark = |dump: &Dump<'_>, error: ConfigError| {
            dump.remark(error.text);
            errno(error.errno)
        };
        let ipvs = netlink::ipvs_of_dump(dump)?;
        let id = ripvs::service_only(dump.attributes()).map_err(|error| remark(dump, error))?;
        // The last word is 1 after the first message.
        let [first, second, _, is_begun] = dump.words();
        if let Some(id) = id {
            if is_begun == 0 {
                let counts = ipvs.reasons_of(&id).map_err(|error| remark(dump, error))?;
                add(dump, Some(&id), &counts)?;
                dump.set_words([0, 0, 0, 1]);
            }
            return Ok(());
        }
        if is_begun == 0 {
            add(dump, None, &ipvs.reason_totals())?;
            dump.set_words([0, 0, 0, 1]);
        }
        let from = Bookmark::of_words((first, second));
        let mut added = Ok(());
        let stopped = ipvs.service_reasons(from, &mut |id, counts| {
            added = add(dump, Some(id), counts);
            added.is_ok()
        });
        if stopped.is_err() {
            dump.remark(c"out of memory");
        }
        if let Some(stopped) = stopped? {
            let (first, second) = stopped.to_words();
            dump.set_words([first, second, 0, 1]);
        }
        added
    }
}

/// `ZERO_REASONS`.
pub(super) struct ZeroReasons;

impl Doit for ZeroReasons {
    fn doit(request: &Request<'_>) -> Result {
        let id = ripvs::service_only(request.attributes()).extack(request)?;
        let ipvs = netlink::ipvs(request)?;
        ipvs.zero_reasons(id.as_ref()).extack(request)
    }
}
