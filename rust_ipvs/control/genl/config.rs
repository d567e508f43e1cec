// SPDX-License-Identifier: GPL-2.0

//! Commands for timeouts and general information.

use crate::{
    control::{
        errno::VERSION,
        netlink::{
            ipvs,
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
    logic::{
        request,
        uapi::{
            cmd_attr,
            command,
            info_attr, //
        },
    },
};
use kernel::prelude::*;

/// `SET_CONFIG` (G-14).
pub(super) struct Set;

impl Doit for Set {
    fn doit(request: &Request<'_>) -> Result {
        let timeouts = request::timeouts(request.attributes(), time::HZ);
        let (tcp, tcp_fin, udp) = timeouts.extack(request)?;
        ipvs(request)?.set_timeouts(tcp, tcp_fin, udp);
        Ok(())
    }
}

/// `GET_CONFIG` (G-14).
pub(super) struct Get;

impl Doit for Get {
    fn doit(request: &Request<'_>) -> Result {
        let timeouts = ipvs(request)?.timeouts();
        request.reply(command::SET_CONFIG, |message| {
            message.put_u32(cmd_attr::TIMEOUT_TCP, timeouts.tcp)?;
            message.put_u32(cmd_attr::TIMEOUT_TCP_FIN, timeouts.tcp_fin)?;
            message.put_u32(cmd_attr::TIMEOUT_UDP, timeouts.udp)
        })
    }
}

/// `GET_INFO` (G-13).
pub(super) struct Info;

impl Doit for Info {
    fn doit(request: &Request<'_>) -> Result {
        let size = ipvs(request)?.table_size();
        request.reply(command::SET_INFO, |message| {
            message.put_u32(info_attr::VERSION, VERSION)?;
            message.put_u32(info_attr::CONN_TAB_SIZE, size)
        })
    }
}
