// SPDX-License-Identifier: GPL-2.0

//! Parts that the netlink families have in common: namespace of a request, error report,
//! statistics.

use super::errno::errno;
use crate::{
    director::NetnsIpvs,
    kapi::genetlink::{
        Dump,
        GenlMessage,
        Request, //
    },
    logic::{
        config::{
            ConfigError,
            Statistics, //
        },
        uapi::stats_attr, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Results whose errors are reported by extack.
pub(super) trait WithExtack<T> {
    /// Sets the extack message of `request`, and converts the error to an errno.
    fn extack(self, request: &Request<'_>) -> Result<T>;
}

impl<T> WithExtack<T> for Result<T, ConfigError> {
    fn extack(self, request: &Request<'_>) -> Result<T> {
        self.map_err(|error| request.refuse(errno(error.errno), error.text))
    }
}

/// Text for a namespace without state, which is being set up or torn down.
const NO_IPVS: &CStr = c"there is no load balancer in this namespace now";

/// Returns the state of the request's namespace.
///
/// # Errors
///
/// `ENOPROTOOPT` with an extack message if it has none.
pub(super) fn ipvs(request: &Request<'_>) -> Result<Arc<NetnsIpvs>> {
    NetnsIpvs::of(request.net()).ok_or_else(|| request.refuse(ENOPROTOOPT, NO_IPVS))
}

/// Returns the state of the namespace that a dump lists.
///
/// # Errors
///
/// As [`ipvs`].
pub(super) fn ipvs_of_dump(dump: &Dump<'_>) -> Result<Arc<NetnsIpvs>> {
    NetnsIpvs::of(dump.net()).ok_or_else(|| {
        dump.remark(NO_IPVS);
        ENOPROTOOPT
    })
}

/// Adds statistics with 64-bit values. Both families have the same numbers for them.
pub(super) fn put_statistics64(
    message: &mut GenlMessage<'_>,
    attribute: u16,
    of: &Statistics,
) -> Result {
    let (counters, rates) = (&of.counters, &of.rates);
    message.nested(attribute, |nest| {
        for (attribute, value) in [
            (stats_attr::CONNS, counters.conns),
            (stats_attr::INPKTS, counters.in_packets),
            (stats_attr::OUTPKTS, counters.out_packets),
            (stats_attr::INBYTES, counters.in_bytes),
            (stats_attr::OUTBYTES, counters.out_bytes),
            (stats_attr::CPS, rates.conns),
            (stats_attr::INPPS, rates.in_packets),
            (stats_attr::OUTPPS, rates.out_packets),
            (stats_attr::INBPS, rates.in_bytes),
            (stats_attr::OUTBPS, rates.out_bytes),
        ] {
            nest.put_u64_aligned(attribute, value, stats_attr::PAD)?;
        }
        Ok(())
    })
}
