// SPDX-License-Identifier: GPL-2.0

//! Received attributes and the extended acknowledgment, as requests and dumps share them.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)
//!
//! The context is that of the handlers: process context, which may sleep.

use crate::bindings;
use kernel::{
    prelude::*,
    str::CStrExt, //
};

/// Stores `words` in an extended acknowledgment. Does nothing if the sender gets none.
///
/// # Safety
///
/// `extack` must be null or valid for writing.
pub(super) unsafe fn set_extack(extack: *mut bindings::netlink_ext_ack, words: &'static CStr) {
    // SAFETY: The string is static and nul-terminated, and is read during the call only.
    unsafe { bindings::do_trace_netlink_extack(words.as_char_ptr()) };
    if !extack.is_null() {
        // SAFETY: Valid by the contract of this function. The text outlives the acknowledgment,
        // which is sent while the handler's module cannot go away.
        unsafe { (*extack)._msg = words.as_char_ptr() };
    }
}

/// Returns the payload of an attribute.
///
/// # Safety
///
/// `attribute` must point to an attribute that lies, with its whole payload, in memory that nobody
/// writes to for `'a`.
unsafe fn payload<'a>(attribute: *const bindings::nlattr) -> &'a [u8] {
    // SAFETY: Valid by the contract of this function.
    let length = usize::from(unsafe { (*attribute).nla_len });
    let length = length.saturating_sub(size_of::<bindings::nlattr>());
    // SAFETY: The payload follows the header, whose size is a multiple of the alignment of
    // attributes, and lies there whole by the contract of this function.
    unsafe { core::slice::from_raw_parts(attribute.add(1).cast(), length) }
}

/// Returns the payload of attribute `number` of a parsed request; `None` if it was not given or is
/// beyond the family's maximum.
///
/// # Safety
///
/// `info` must be that of a request or dump in progress for `'a`, and its `attrs` either null or an
/// array of as many entries as its family's `maxattr` plus one.
pub(super) unsafe fn parsed<'a>(info: *const bindings::genl_info, number: u16) -> Option<&'a [u8]> {
    // SAFETY: `info` is valid by the contract of this function, and so is the family in it.
    let (attrs, max) = unsafe { ((*info).attrs, (*(*info).family).maxattr) };
    if attrs.is_null() || u32::from(number) > max {
        return None;
    }
    // SAFETY: Within the array, as checked above.
    let attribute = unsafe { *attrs.add(usize::from(number)) };
    if attribute.is_null() {
        return None;
    }
    // SAFETY: The core has checked that the attribute lies within the request, which nobody writes
    // to while it is handled.
    Some(unsafe { payload(attribute) })
}

/// Returns all attributes of a request in the order in which they were sent, as one slice of
/// encoded attributes.
///
/// # Safety
///
/// `info` must be that of a request or dump in progress for `'a`.
pub(super) unsafe fn attributes<'a>(info: *const bindings::genl_info) -> &'a [u8] {
    // SAFETY: `info` is valid by the contract of this function, and the core keeps the request,
    // headers and all, as long as that.
    let (length, header) = unsafe { ((*(*info).nlhdr).nlmsg_len as usize, (*info).genlhdr) };
    let headers =
        const { size_of::<bindings::nlmsghdr>().wrapping_add(size_of::<bindings::genlmsghdr>()) };
    // SAFETY: The core checked that the message holds both headers, and that it is as long as it
    // says. Nobody writes to it while it is handled.
    unsafe { core::slice::from_raw_parts(header.add(1).cast(), length.saturating_sub(headers)) }
}
