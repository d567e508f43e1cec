// SPDX-License-Identifier: GPL-2.0

//! Namespace of a request, and its error report.

use crate::{
    control::errno::errno,
    director::NetnsIpvs,
    kapi::{
        genetlink::Request,
        net::Net, //
    },
    logic::config::ConfigError,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Text for a namespace without state, which is being set up or torn down.
pub(super) const NO_IPVS: &CStr = c"there is no load balancer in this namespace now";

/// Returns the state of a namespace; `None` while it is set up or torn down.
pub(super) fn state(net: &Net) -> Option<Arc<NetnsIpvs>> {
    NetnsIpvs::of(net)
}

/// Reports an error to the sender of a request.
pub(super) fn refuse(request: &Request<'_>, error: ConfigError) -> Error {
    request.refuse(errno(error.errno), error.text)
}
