// SPDX-License-Identifier: GPL-2.0

//! Service of a request.

use crate::{
    control::netlink::WithExtack,
    director::NetnsIpvs,
    kapi::genetlink::Request,
    logic::{
        config::{
            ConfigError,
            ServiceId, //
        },
        request,
        uapi::cmd_attr, //
    },
};
use kernel::prelude::*;

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
