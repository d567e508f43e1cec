// SPDX-License-Identifier: GPL-2.0

//! `GET_INFO`: generation, and how much there is.

use crate::{
    control::netlink::{
        self,
        WithExtack, //
    },
    kapi::genetlink::{
        Doit,
        Request, //
    },
    logic::{
        config::AddressFamily,
        ripvs::{
            self,
            uapi::{
                command,
                msg_attr, //
            },
        },
    },
};
use kernel::prelude::*;

/// `GET_INFO`.
pub(super) struct Get;

impl Doit for Get {
    fn doit(request: &Request<'_>) -> Result {
        ripvs::only(request.attributes(), &[]).extack(request)?;
        let ipvs = netlink::ipvs(request)?;
        let services = ipvs
            .count_of(AddressFamily::V4)
            .saturating_add(ipvs.count_of(AddressFamily::V6));
        let connections = u32::try_from(ipvs.connection_count()).unwrap_or(u32::MAX);
        request.reply(command::GET_INFO, |message| {
            let generation = ipvs.generation();
            message.put_u64_aligned(msg_attr::GENERATION, generation, msg_attr::PAD)?;
            message.put_u32(msg_attr::SERVICES, services)?;
            message.put_u32(msg_attr::CONNECTIONS, connections)
        })
    }
}
