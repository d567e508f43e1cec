// SPDX-License-Identifier: GPL-2.0

//! Requests that concern reasons.

use super::{
    super::config::{
        ConfigError,
        ServiceId, //
    },
    change::ServiceEdit,
    fields::{
        each,
        invalid,
        set,
        SvcFields, //
    },
    uapi::msg_attr,
};

/// Parses the attributes of a request that has nothing but a service, and returns its identity;
/// `None` if there is none.
///
/// # Errors
///
/// `EINVAL` if there is another attribute, or if the service has options or is not named;
/// `EAFNOSUPPORT` for an unknown address family.
pub(crate) fn service_only(message: &[u8]) -> Result<Option<ServiceId>, ConfigError> {
    let mut nest = None;
    each(message, |number, payload| match number {
        msg_attr::SERVICE => set(&mut nest, Some(payload), c""),
        _ => Err(invalid(c"the command has no such attribute")),
    })?;
    let Some(nest) = nest else {
        return Ok(None);
    };
    let fields = SvcFields::read(nest)?;
    if ServiceEdit::given(&fields) != ServiceEdit::default() {
        return Err(invalid(
            c"this command takes the name of a service, and no options",
        ));
    }
    fields.id().map(Some)
}

/// Checks that a message has no attributes but those of `allowed`: the policy of the family does
/// not know commands.
///
/// # Errors
///
/// `EINVAL` if it has.
pub(crate) fn only(message: &[u8], allowed: &[u16]) -> Result<(), ConfigError> {
    each(message, |number, _| match allowed.contains(&number) {
        true => Ok(()),
        false => Err(invalid(c"the command has no such attribute")),
    })
}
