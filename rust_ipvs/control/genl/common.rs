// SPDX-License-Identifier: GPL-2.0

//! Namespace and service of a request, and its error report.

use crate::{
    control::errno::errno,
    director::NetnsIpvs,
    kapi::genetlink::{
        Dump,
        Request, //
    },
    logic::{
        config::{
            ConfigError,
            ServiceId, //
        },
        request,
        uapi::cmd_attr, //
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
pub(super) fn ipvs_of_dump(dump: &Dump<'_>) -> Result<Arc<NetnsIpvs>> {
    NetnsIpvs::of(dump.net()).ok_or_else(|| {
        dump.remark(NO_IPVS);
        ENOPROTOOPT
    })
}

/// Returns the nest that describes the service of a request.
pub(super) fn service_nest<'a>(request: &Request<'a>) -> Result<&'a [u8]> {
    let nest = request.attribute(cmd_attr::SERVICE);
    nest.ok_or_else(|| request.refuse(EINVAL, c"the request names no service"))
}

/// Returns the identity of the request's service, which must exist.
pub(super) fn existing_service(request: &Request<'_>, ipvs: &NetnsIpvs) -> Result<ServiceId> {
    let id = request::service_id(service_nest(request)?).extack(request)?;
    if ipvs.service_exists(&id) {
        Ok(id)
    } else {
        Err(ConfigError::NO_SERVICE).extack(request)
    }
}
