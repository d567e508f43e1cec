// SPDX-License-Identifier: GPL-2.0

//! Dumps: answers of as many messages as it takes.
//!
//! C header: [`include/linux/netlink.h`](srctree/include/linux/netlink.h)
//!
//! The core hands out one buffer after the other as the reader empties them, so a handler is called
//! several times and has to know where it stopped. That is the dump's [position](Dump::position).

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

/// Answers dumps of one command.
pub(crate) trait Dumpit: 'static {
    /// Adds messages from the dump's position on.
    ///
    /// `Ok` says that there is nothing more and ends the dump. `EMSGSIZE`, which
    /// [`Dump::message`] returns when the buffer is full, has this called again with an empty one;
    /// the position must then be that of the message that did not fit. It ends the dump with an
    /// error only where not one message fitted. Any other error ends the dump.
    fn dumpit(dump: &mut Dump<'_>) -> Result;
}

/// One buffer's worth of a dump.
///
/// # Invariants
///
/// `cb` is the state of a dump that the core is continuing for all of `'a`, `info` is that of the
/// request which began it, `skb` is the buffer to fill, and only this thread uses the three.
pub(crate) struct Dump<'a> {
    skb: NonNull<bindings::sk_buff>,
    cb: NonNull<bindings::netlink_callback>,
    info: NonNull<bindings::genl_info>,
    _dump: PhantomData<&'a bindings::netlink_callback>,
}

impl<'a> Dump<'a> {
    /// The network namespace of the socket that the request came from.
    pub(crate) fn net(&self) -> &'a Net {
        // SAFETY: `info` is valid by the type invariant. The reader's socket holds a reference to
        // its namespace, and it is the reader who continues the dump.
        unsafe { Net::from_raw(bindings::rust_ipvs_helper_genl_info_net(self.info.as_ptr())) }
    }

    /// The payload of the attribute `number` of the request; the last one where it was given
    /// several times.
    ///
    /// # Errors
    ///
    /// For a [liberal](super::Command::liberal) command, which the core does not check before: what
    /// a single request of such attributes would have been refused with.
    pub(crate) fn attribute(&self, number: u16) -> Result<Option<&'a [u8]>> {
        // SAFETY: By the type invariant the pointers are valid while this value lives.
        let info = unsafe { self.info.as_ref() };
        if !info.attrs.is_null() {
            // SAFETY: By the type invariant; the core parses with the family's `maxattr` because no
            // `Command` has one of its own.
            return Ok(unsafe { parsed(info, number) });
        }
        // SAFETY: By the type invariant; the core set the family of the request.
        let (attributes, family) = unsafe { (attributes(info), &*info.family) };
        // SAFETY: The bytes can be read, and the family's policy has `maxattr` and one entries.
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

    /// Returns where to go on: what [`set_position`](Self::set_position) said last, zeroes at
    /// first.
    pub(crate) fn position(&self) -> (usize, usize) {
        // SAFETY: Valid by the type invariant. The core leaves `args` to handlers, all zero at
        // first, and only ever sees this type write to them.
        let [first, second, ..] = unsafe { self.cb.as_ref().__bindgen_anon_1.args };
        (first as usize, second as usize)
    }

    /// Remembers where to go on, for as long as the dump lasts.
    pub(crate) fn set_position(&mut self, (first, second): (usize, usize)) {
        // SAFETY: By the type invariant the pointers are valid while this value lives.
        let cb = unsafe { self.cb.as_mut() };
        cb.__bindgen_anon_1.args = [first as c_long, second as c_long, 0, 0, 0, 0];
    }

    /// Leaves `words` for the reader, should the dump end now, well or badly.
    pub(crate) fn remark(&self, words: &'static CStr) {
        // SAFETY: The core sets `extack` to null or to what it sends when the dump ends.
        unsafe { set_extack((*self.cb.as_ptr()).extack, words) };
    }

    /// Adds a message of `command`.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` where the buffer has no room for it, and those of `build`. What was built is
    /// taken back in both cases.
    pub(crate) fn message(
        &mut self,
        command: u8,
        build: impl FnOnce(&mut Message<'_>) -> Result,
    ) -> Result {
        let flags = bindings::NLM_F_MULTI as c_int;
        // SAFETY: By the type invariant the pointers are valid while this value lives.
        unsafe { Message::build(self.skb, self.info, flags, command, build) }
    }
}

/// The payload of the last attribute `number`, as the core's own parser chooses it.
fn last(mut attributes: &[u8], number: u16) -> Option<&[u8]> {
    let mut found = None;
    while let Some((header, _)) = attributes.split_first_chunk::<4>() {
        let [l0, l1, t0, t1] = *header;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let kind = u16::from_ne_bytes([t0, t1]) & bindings::NLA_TYPE_MASK as u16;
        if length < header.len() || length > attributes.len() {
            break;
        }
        if kind == number {
            found = attributes.get(header.len()..length);
        }
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
        // SAFETY: The core passes the state of the dump, in which generic netlink keeps its own
        // description of the request.
        let info = unsafe {
            let dump: *mut bindings::genl_dumpit_info = cb.as_ref().data.cast();
            &raw mut (*dump).info
        };
        // INVARIANT: As passed by the core.
        T::dumpit(&mut Dump {
            skb: NonNull::new(skb).ok_or(EINVAL)?,
            cb,
            info: NonNull::new(info).ok_or(EINVAL)?,
            _dump: PhantomData,
        })?;
        // Zero, not the length: the core need not come back to hear that this was all.
        Ok(0)
    })
}
