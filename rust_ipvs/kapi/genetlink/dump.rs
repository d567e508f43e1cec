// SPDX-License-Identifier: GPL-2.0

//! Dumps: answers that consist of any number of messages.
//!
//! C header: [`include/linux/netlink.h`](srctree/include/linux/netlink.h)
//!
//! The core provides one buffer after another, as the reader receives them. So a handler is called
//! several times, and must know where to continue. That is the dump's [position](Dump::position).
//!
//! # Context
//!
//! Process context: `sendmsg()` of the request for the first buffer, `recvmsg()` for the others.
//! Handlers may sleep. Handlers of one socket do not run at once; the configuration may change
//! between two calls, so a dump of a table that changes may be inconsistent.

use super::{
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

/// Answers dumps of one command.
pub(crate) trait Dumpit: 'static {
    /// Adds messages, from the dump's position on, until all were added or the buffer is full.
    ///
    /// - `Ok` ends the dump.
    /// - `EMSGSIZE`, which [`Dump::message`] returns if the buffer is full, makes the core call
    ///   this again with an empty buffer; the position must be that of the message that did not
    ///   fit. If not one message fitted, it ends the dump with that error.
    /// - Any other error ends the dump.
    fn dumpit(dump: &mut Dump<'_>) -> Result;
}

/// A call of a dump's handler, with one buffer to fill.
///
/// # Invariants
///
/// For all of `'a`, `cb` is the state of a dump that the core is continuing, `info` is that of its
/// request, `skb` is the buffer to fill, and only this thread uses the three.
pub(crate) struct Dump<'a> {
    skb: NonNull<bindings::sk_buff>,
    cb: NonNull<bindings::netlink_callback>,
    info: NonNull<bindings::genl_info>,
    _dump: PhantomData<&'a bindings::netlink_callback>,
}

impl<'a> Dump<'a> {
    /// Returns the network namespace of the socket that sent the request.
    pub(crate) fn net(&self) -> &'a Net {
        // SAFETY: By the type invariant `info` is valid. The reader's socket holds a reference to
        // its namespace, and is open during the call.
        unsafe { Net::from_raw(bindings::rust_ipvs_helper_genl_info_net(self.info.as_ptr())) }
    }

    /// Returns the payload of attribute `number` of the request, or `None` if it was not given. Of
    /// several, the last one counts.
    ///
    /// # Errors
    ///
    /// For a [liberal](super::Command::liberal) command, whose dumps the core does not validate
    /// before: the error that a single request with these attributes would get.
    pub(crate) fn attribute(&self, number: u16) -> Result<Option<&'a [u8]>> {
        // SAFETY: By the type invariant the pointers are valid while this value lives.
        let info = unsafe { self.info.as_ref() };
        // The core parsed the attributes before it called a strict command's dump.
        if !info.attrs.is_null() {
            // SAFETY: By the type invariant `info` is valid for `'a`. The core allocated `attrs`
            // for the family's `maxattr`, because no `Command` has one of its own.
            return Ok(unsafe { parsed(info, number) });
        }
        // SAFETY: By the type invariant `info` is valid for `'a`, and the core set the family of
        // the request.
        let (attributes, family) = unsafe { (attributes(info), &*info.family) };
        // SAFETY: `attributes` is readable memory of that length, and the family's policy has
        // `maxattr + 1` entries. `extack` is null or valid during the call.
        to_result(unsafe {
            bindings::__nla_validate(
                attributes.as_ptr().cast(),
                c_int::try_from(attributes.len())?,
                c_int::try_from(family.maxattr)?,
                family.policy,
                bindings::netlink_validation_NL_VALIDATE_LIBERAL,
                (*self.cb.as_ptr()).extack,
            )
        })?;
        Ok(last(attributes, number))
    }

    /// Returns all attributes of the request in the order in which they were sent, as one slice of
    /// encoded attributes.
    pub(crate) fn attributes(&self) -> &'a [u8] {
        // SAFETY: By the type invariant `info` is valid for `'a`. The core keeps the request until
        // the dump has ended.
        unsafe { attributes(self.info.as_ptr()) }
    }

    /// Returns the position that [`set_position`](Self::set_position) stored last, zeros in the
    /// first call.
    pub(crate) fn position(&self) -> (usize, usize) {
        let [first, second, ..] = self.words();
        (first, second)
    }

    /// Stores the position where the next call is to continue. It is kept with the dump.
    pub(crate) fn set_position(&mut self, (first, second): (usize, usize)) {
        self.set_words([first, second, 0, 0]);
    }

    /// Returns the position of a dump that needs more than two words, as
    /// [`position`](Self::position) does.
    pub(crate) fn words(&self) -> [usize; 4] {
        // SAFETY: By the type invariant `cb` is valid. The core zeroes `args` and leaves it to
        // handlers, and only `set_words` writes it.
        let [a, b, c, d, ..] = unsafe { self.cb.as_ref().__bindgen_anon_1.args };
        [a, b, c, d].map(|word| word as usize)
    }

    /// Stores the position of a dump that needs more than two words, as
    /// [`set_position`](Self::set_position) does.
    pub(crate) fn set_words(&mut self, words: [usize; 4]) {
        let [a, b, c, d] = words.map(|word| word as c_long);
        // SAFETY: By the type invariant the pointers are valid while this value lives.
        let cb = unsafe { self.cb.as_mut() };
        cb.__bindgen_anon_1.args = [a, b, c, d, 0, 0];
    }

    /// Sets the generation of what the next messages show. If it is another one than that of the
    /// messages before, the reader is told that the dump is not consistent (`NLM_F_DUMP_INTR`).
    pub(crate) fn set_generation(&mut self, generation: u64) {
        // SAFETY: By the type invariant the pointers are valid while this value lives.
        let cb = unsafe { self.cb.as_mut() };
        // 0 would stand for none.
        cb.seq = (generation as u32).max(1);
    }

    /// Returns the flags of a message, and takes note of its generation (C:
    /// `nl_dump_check_consistent()`).
    fn flags(&mut self) -> u32 {
        // SAFETY: By the type invariant the pointers are valid while this value lives.
        let cb = unsafe { self.cb.as_mut() };
        let is_interrupted = cb.prev_seq != 0 && cb.prev_seq != cb.seq;
        cb.prev_seq = cb.seq;
        match is_interrupted {
            true => bindings::NLM_F_MULTI | bindings::NLM_F_DUMP_INTR,
            false => bindings::NLM_F_MULTI,
        }
    }

    /// Sets the extended acknowledgment that the reader gets if the dump ends now, with or without
    /// an error.
    pub(crate) fn remark(&self, words: &'static CStr) {
        // SAFETY: By the type invariant `cb` is valid. Its `extack` is null or is what the core
        // sends when the dump ends.
        unsafe { set_extack((*self.cb.as_ptr()).extack, words) };
    }

    /// Adds a message of `command`, whose attributes `build` adds.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` if the message does not fit in the buffer, and the errors of `build`. The buffer
    /// is unchanged in both cases.
    pub(crate) fn message(
        &mut self,
        command: u8,
        build: impl FnOnce(&mut GenlMessage<'_>) -> Result,
    ) -> Result {
        let flags = self.flags() as c_int;
        // SAFETY: By the type invariant `skb` and `info` are valid, and only this thread uses them.
        // The core allocates linear buffers.
        unsafe { GenlMessage::build(self.skb, self.info, flags, command, build) }
    }
}

/// Returns the payload of the last attribute `number` in a sequence of attributes, as the core's
/// parser would select it.
///
/// Stops at the first header whose length is impossible, so no length that a user gave is trusted.
fn last(mut attributes: &[u8], number: u16) -> Option<&[u8]> {
    let mut found = None;
    while let Some((header, _)) = attributes.split_first_chunk::<4>() {
        let [l0, l1, t0, t1] = *header;
        // Length, which includes the header, then type, in native order.
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let kind = u16::from_ne_bytes([t0, t1]) & bindings::NLA_TYPE_MASK as u16;
        if length < header.len() || length > attributes.len() {
            break;
        }
        if kind == number {
            found = attributes.get(header.len()..length);
        }
        // The next attribute begins at a multiple of the alignment; the last one may lack its
        // padding.
        let padding = (bindings::NLA_ALIGNTO as usize).wrapping_sub(1);
        let next = length.wrapping_add(padding) & !padding;
        attributes = attributes.get(next..).unwrap_or(&[]);
    }
    found
}

/// The C callback of a command whose dumps are answered by `T`.
///
/// # Safety
///
/// Only for the generic netlink core, as `genl_ops::dumpit`.
pub(super) unsafe extern "C" fn dumpit<T: Dumpit>(
    skb: *mut bindings::sk_buff,
    cb: *mut bindings::netlink_callback,
) -> c_int {
    from_result(|| {
        let cb = NonNull::new(cb).ok_or(EINVAL)?;
        // SAFETY: The core passes the state of the dump, whose `data` generic netlink has set to
        // its own description of the request. The field's address is computed without reading it.
        let info = unsafe {
            let dump: *mut bindings::genl_dumpit_info = cb.as_ref().data.cast();
            &raw mut (*dump).info
        };
        // INVARIANT: The core passes the state, the buffer and the request of a dump, and does not
        // use them elsewhere during the call.
        T::dumpit(&mut Dump {
            skb: NonNull::new(skb).ok_or(EINVAL)?,
            cb,
            info: NonNull::new(info).ok_or(EINVAL)?,
            _dump: PhantomData,
        })?;
        // 0 means that the dump is complete. With the length, the core would call once more to
        // learn that.
        Ok(0)
    })
}
