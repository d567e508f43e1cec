// SPDX-License-Identifier: GPL-2.0

//! Single requests and their answers.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)

use super::{
    buffer::Buffer,
    message::GenlMessage,
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
    /// Processes a request. Process context; may sleep, and may run on several CPUs at once.
    ///
    /// The result becomes the acknowledgment: an error is always sent, success if the sender set
    /// `NLM_F_ACK`.
    fn doit(request: &Request<'_>) -> Result;
}

/// A request that is being processed.
///
/// # Invariants
///
/// For all of `'a`, `info` describes a request that the core is processing: its attributes were
/// parsed by the family's policy and are not moved or freed, and only this thread uses it.
pub(crate) struct Request<'a> {
    info: NonNull<bindings::genl_info>,
    _request: PhantomData<&'a bindings::genl_info>,
}

impl<'a> Request<'a> {
    /// Returns the network namespace of the socket that sent the request.
    pub(crate) fn net(&self) -> &'a Net {
        // SAFETY: By the type invariant `info` is valid. The sender's socket holds a reference to
        // its namespace, and is open during the call.
        unsafe { Net::from_raw(bindings::rust_ipvs_helper_genl_info_net(self.info.as_ptr())) }
    }

    /// Returns the payload of attribute `number`, or `None` if it was not given. Of several, the
    /// last one counts.
    pub(crate) fn attribute(&self, number: u16) -> Option<&'a [u8]> {
        // SAFETY: By the type invariant `info` is valid for `'a`. The core allocated `attrs` for
        // the family's `maxattr`, because no `Command` has one of its own.
        unsafe { parsed(self.info.as_ptr(), number) }
    }

    /// Returns all attributes in the order in which they were sent, as one slice of encoded
    /// attributes.
    pub(crate) fn attributes(&self) -> &'a [u8] {
        // SAFETY: By the type invariant the pointers are valid while this value lives.
        unsafe { attributes(self.info.as_ptr()) }
    }

    /// Sets `words` as the extended acknowledgment and returns `error`, for use in `return
    /// Err(request.refuse(…))`.
    ///
    /// `words` is one line without a full stop.
    pub(crate) fn refuse(&self, error: Error, words: &'static CStr) -> Error {
        // SAFETY: By the type invariant `info` is valid. Its `extack` is null or is the
        // acknowledgment that the core is about to send.
        unsafe { set_extack((*self.info.as_ptr()).extack, words) };
        error
    }

    /// As [`refuse`](Self::refuse), and tells the sender the offset of the attribute at fault,
    /// whose payload is `at`.
    pub(crate) fn refuse_at(&self, error: Error, words: &'static CStr, at: &'a [u8]) -> Error {
        let all = self.attributes();
        let offset = (at.as_ptr() as usize).wrapping_sub(all.as_ptr() as usize);
        let header = offset.checked_sub(size_of::<bindings::nlattr>());
        if let Some(attribute) = header.and_then(|header| all.get(header..)) {
            // SAFETY: By the type invariant `info` is valid, and its `extack` null or the
            // acknowledgment that the core is about to send, for which it computes the offset of
            // this pointer in the request. It does not follow the pointer.
            unsafe {
                let extack = (*self.info.as_ptr()).extack;
                if !extack.is_null() {
                    (*extack).bad_attr = attribute.as_ptr().cast();
                }
            }
        }
        self.refuse(error, words)
    }

    /// Sends one message of `command` to the sender of the request. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// Those of `build`, after which nothing is sent; `ENOMEM`; `EMSGSIZE` if the message does not
    /// fit in a page; and those of sending, such as `EAGAIN` if the sender's receive buffer is
    /// full.
    pub(crate) fn reply(
        &self,
        command: u8,
        build: impl FnOnce(&mut GenlMessage<'_>) -> Result,
    ) -> Result {
        self.reserve()?.send(command, build)
    }

    /// Allocates the reply of a request that changes something: before the change, so that one that
    /// was made is not refused for lack of memory. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn reserve(&self) -> Result<Reply<'a>> {
        let skb = Buffer::new().map_err(|error| self.refuse(error, c"out of memory"))?;
        // INVARIANT: That of the request.
        Ok(Reply {
            skb,
            info: self.info,
            _request: PhantomData,
        })
    }
}

/// A reply that is allocated, and not sent yet.
///
/// # Invariants
///
/// `info` is that of a request, as in [`Request`].
pub(crate) struct Reply<'a> {
    skb: Buffer,
    info: NonNull<bindings::genl_info>,
    _request: PhantomData<&'a bindings::genl_info>,
}

impl Reply<'_> {
    /// Sends the reply, whose attributes `build` adds, as a message of `command`.
    ///
    /// # Errors
    ///
    /// Those of [`Request::reply`] but `ENOMEM`.
    pub(crate) fn send(
        self,
        command: u8,
        build: impl FnOnce(&mut GenlMessage<'_>) -> Result,
    ) -> Result {
        // SAFETY: The buffer is owned, so nobody else uses it, and a new one is linear. By the type
        // invariant `info` is valid.
        unsafe { GenlMessage::build(self.skb.as_ptr(), self.info, 0, command, build) }?;

        let skb = self.skb.into_raw();
        // SAFETY: `skb` is a complete message, whose ownership passes to the call. By the type
        // invariant `info` is valid.
        to_result(unsafe { bindings::rust_ipvs_helper_genlmsg_reply(skb, self.info.as_ptr()) })
    }
}

/// The C callback of a command answered by `T`.
///
/// # Safety
///
/// Must be called by the generic netlink core, as `genl_ops::doit`.
pub(super) unsafe extern "C" fn doit<T: Doit>(
    _skb: *mut bindings::sk_buff,
    info: *mut bindings::genl_info,
) -> c_int {
    from_result(|| {
        // INVARIANT: The core passes the description of a request that it has parsed and is
        // processing in this thread.
        let request = Request {
            info: NonNull::new(info).ok_or(EINVAL)?,
            _request: PhantomData,
        };
        T::doit(&request)?;
        Ok(0)
    })
}
