// SPDX-License-Identifier: GPL-2.0

//! Single requests, and their answers.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)

use super::{
    message::Message,
    received::{
        attributes,
        parsed,
        set_extack, //
    },
};
use crate::{bindings, kapi::net::Net};
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{
    error::{from_result, to_result},
    prelude::*,
};

/// Answers requests of one command.
pub(crate) trait Doit: 'static {
    /// Does what `request` asks.
    ///
    /// The value returned becomes the acknowledgement: an error is always sent, success where the
    /// sender asked to hear of it.
    fn doit(request: &Request<'_>) -> Result;
}

/// A request that waits for its answer.
///
/// # Invariants
///
/// `info` describes a request that the core is handling for all of `'a`: its attributes have been
/// parsed by the family's policy and stay in place, and only this thread uses it.
pub(crate) struct Request<'a> {
    info: NonNull<bindings::genl_info>,
    _request: PhantomData<&'a bindings::genl_info>,
}

impl<'a> Request<'a> {
    /// The network namespace of the socket that the request came from.
    pub(crate) fn net(&self) -> &'a Net {
        // SAFETY: `info` is valid by the type invariant. The sender's socket holds a reference to
        // its namespace, and it waits for the answer.
        unsafe { Net::from_raw(bindings::rust_ipvs_helper_genl_info_net(self.info.as_ptr())) }
    }

    /// The payload of the attribute `number`; the last one where it was given several times.
    pub(crate) fn attribute(&self, number: u16) -> Option<&'a [u8]> {
        // SAFETY: By the type invariant; the core parses with the family's `maxattr` because no
        // `Command` has one of its own.
        unsafe { parsed(self.info.as_ptr(), number) }
    }

    /// All attributes as they came, one after the other.
    pub(crate) fn attributes(&self) -> &'a [u8] {
        // SAFETY: By the type invariant the pointers are valid while this value lives.
        unsafe { attributes(self.info.as_ptr()) }
    }

    /// Leaves `words` for the sender to read, and hands `error` back to be returned.
    ///
    /// The words are one line, without a full stop.
    pub(crate) fn refuse(&self, error: Error, words: &'static CStr) -> Error {
        // SAFETY: The core sets `extack` to null or to the acknowledgement it is about to send.
        unsafe { set_extack((*self.info.as_ptr()).extack, words) };
        error
    }

    /// Sends one message of `command` to the sender.
    ///
    /// # Errors
    ///
    /// Those of `build`, after which nothing is sent; `ENOMEM`; `EMSGSIZE` where the message
    /// outgrows a page; and what sending gives, such as `EAGAIN` where the sender does not read.
    pub(crate) fn reply(
        &self,
        command: u8,
        build: impl FnOnce(&mut Message<'_>) -> Result,
    ) -> Result {
        // SAFETY: Has no requirement but to be allowed to sleep, as handlers are.
        let skb =
            unsafe { bindings::genlmsg_new(bindings::GENLMSG_DEFAULT_SIZE, bindings::GFP_KERNEL) };
        let skb = NonNull::new(skb).ok_or_else(|| self.refuse(ENOMEM, c"out of memory"))?;
        let skb = Buffer(skb);
        // SAFETY: The buffer is owned and so not used by others; `info` is valid by the type
        // invariant.
        unsafe { Message::build(skb.0, self.info, 0, command, build) }?;

        let skb = skb.into_raw();
        // SAFETY: `skb` is a complete message, the ownership of which passes on here; `info` is
        // valid by the type invariant.
        to_result(unsafe { bindings::rust_ipvs_helper_genlmsg_reply(skb, self.info.as_ptr()) })
    }
}

/// A message buffer that nobody has been sent yet.
///
/// # Invariants
///
/// Owns the `sk_buff`.
struct Buffer(NonNull<bindings::sk_buff>);

impl Buffer {
    fn into_raw(self) -> *mut bindings::sk_buff {
        core::mem::ManuallyDrop::new(self).0.as_ptr()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: Owned by the type invariant.
        unsafe { bindings::nlmsg_free(self.0.as_ptr()) };
    }
}

/// The C callback of a command answered by `T`.
///
/// # Safety
///
/// Only for the generic netlink core, as `genl_ops::doit`.
pub(super) unsafe extern "C" fn doit<T: Doit>(
    _skb: *mut bindings::sk_buff,
    info: *mut bindings::genl_info,
) -> c_int {
    from_result(|| {
        // INVARIANT: The core passes the description of the request it is handling.
        let request = Request {
            info: NonNull::new(info).ok_or(EINVAL)?,
            _request: PhantomData,
        };
        T::doit(&request)?;
        Ok(0)
    })
}
