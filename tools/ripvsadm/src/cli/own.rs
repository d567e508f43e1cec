// SPDX-License-Identifier: GPL-2.0

//! Values of options that a service has in place of the namespace's.

use ipvs_netlink::{OwnDefaults, OwnEdit};

use super::options::Opt;
use super::value::{self, TIMEOUT_MAX};
use crate::error::Error;

/// The value by which an option is the namespace's again.
const DEFAULT: &str = "default";

/// Reads a number of at most `max`, or `default`, which is `None`.
fn number(text: &str, opt: Opt, min: u32, max: u32) -> Result<Option<u32>, Error> {
    if text == DEFAULT {
        return Ok(None);
    }
    let read = value::number_u32(text, &opt.to_string(), min, max);
    read.map(Some).map_err(|_| {
        Error::Argument(format!(
            "{opt} takes a number from {min} to {max}, or \"{DEFAULT}\", not \"{text}\""
        ))
    })
}

fn seconds(text: &str, opt: Opt) -> Result<Option<u32>, Error> {
    number(text, opt, 1, u32::try_from(TIMEOUT_MAX).unwrap_or(u32::MAX))
}

fn switch(text: &str, opt: Opt) -> Result<Option<bool>, Error> {
    Ok(number(text, opt, 0, 1)?.map(|value| value != 0))
}

/// Reads the value of an option, which has not been given before.
///
/// # Errors
/// [`Error::Argument`] for a value that is neither in range nor `default`.
pub fn read(own: &mut OwnEdit, opt: Opt, text: &str) -> Result<(), Error> {
    let set = &mut own.set;
    let name = match opt {
        Opt::TimeoutTcp => {
            set.timeout_tcp = seconds(text, opt)?;
            OwnDefaults::TIMEOUT_TCP
        }
        Opt::TimeoutTcpFin => {
            set.timeout_tcp_fin = seconds(text, opt)?;
            OwnDefaults::TIMEOUT_TCP_FIN
        }
        Opt::TimeoutUdp => {
            set.timeout_udp = seconds(text, opt)?;
            OwnDefaults::TIMEOUT_UDP
        }
        Opt::Conntrack => {
            set.conntrack = switch(text, opt)?;
            OwnDefaults::CONNTRACK
        }
        Opt::ExpireNodest => {
            set.expire_nodest = switch(text, opt)?;
            OwnDefaults::EXPIRE_NODEST
        }
        Opt::ExpireQuiescent => {
            set.expire_quiescent = switch(text, opt)?;
            OwnDefaults::EXPIRE_QUIESCENT
        }
        _ => {
            let value = number(text, opt, 0, 2)?;
            set.fast_path = value.and_then(|value| u8::try_from(value).ok());
            OwnDefaults::FAST_PATH
        }
    };
    if text == DEFAULT {
        own.reset = own.reset.with(name);
    }
    Ok(())
}
