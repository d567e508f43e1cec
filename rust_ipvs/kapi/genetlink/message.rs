// SPDX-License-Identifier: GPL-2.0

//! Messages, attribute by attribute.
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)

use crate::bindings;
use core::{marker::PhantomData, ptr::NonNull};
use kernel::prelude::*;

/// The header of an attribute: its length, which counts the header, and its type, 16 bits each.
const HEADER: usize = size_of::<bindings::nlattr>();
/// Attributes begin at multiples of this.
const ALIGN: usize = bindings::NLA_ALIGNTO as usize;

/// A message being built.
///
/// Each method adds an attribute, and fails with `EMSGSIZE` where it does not fit; the message is
/// then thrown away as a whole. Attributes are written behind the buffer's end, which moves once,
/// when the message is complete: most messages are a handful of stores for each attribute.
///
/// # Invariants
///
/// `at` is followed by `room` bytes, valid for `'a`, that nobody else uses meanwhile and that never
/// move. The first `used` of them, at most `room`, have been written. `at` and `used` are multiples
/// of [`ALIGN`].
pub(crate) struct Message<'a> {
    at: NonNull<u8>,
    room: usize,
    used: usize,
    _buffer: PhantomData<&'a mut [u8]>,
}

#[allow(dead_code, reason = "each user needs some of them")]
impl Message<'_> {
    /// Appends a message of `command` to `skb`, in answer to `info`; nothing on failure.
    ///
    /// # Safety
    ///
    /// `skb` must be valid, linear and used by nobody else, and `info` be that of a request or dump
    /// being answered.
    pub(super) unsafe fn build(
        skb: NonNull<bindings::sk_buff>,
        info: NonNull<bindings::genl_info>,
        flags: c_int,
        command: u8,
        build: impl FnOnce(&mut Message<'_>) -> Result,
    ) -> Result {
        // SAFETY: Valid by the contract of this function.
        let info = unsafe { info.as_ref() };
        let (portid, seq) = (info.snd_portid, info.snd_seq);
        // SAFETY: As above; the core set the family of the request.
        let header = unsafe {
            bindings::genlmsg_put(skb.as_ptr(), portid, seq, info.family, flags, command)
        };
        if header.is_null() {
            return Err(EMSGSIZE);
        }
        // SAFETY: The buffer is valid and linear.
        let (at, room) = unsafe {
            (
                bindings::rust_ipvs_helper_skb_tail(skb.as_ptr()),
                bindings::rust_ipvs_helper_skb_tailroom(skb.as_ptr()),
            )
        };
        // INVARIANT: What is behind the end of the buffer is as unused as the buffer, and where a
        // message's header ends is aligned.
        let mut message = Message {
            at: NonNull::new(at).ok_or(EINVAL)?,
            room: room as usize,
            used: 0,
            _buffer: PhantomData,
        };
        let built = build(&mut message);
        // SAFETY: `header` was put into this very buffer, which has not moved since. What was
        // written fits, and therefore its length in 32 bits.
        unsafe {
            match built {
                Ok(()) => {
                    bindings::skb_put(skb.as_ptr(), message.used as u32);
                    bindings::genlmsg_end(skb.as_ptr(), header);
                }
                Err(_) => bindings::genlmsg_cancel(skb.as_ptr(), header),
            }
        };
        built
    }

    /// Adds an attribute of so many bytes, which `write` writes.
    ///
    /// # Safety
    ///
    /// `write` must write each of `length` bytes from the pointer on that it gets, and none beyond.
    #[inline(always)]
    unsafe fn put(
        &mut self,
        attribute: u16,
        length: usize,
        write: impl FnOnce(NonNull<u8>),
    ) -> Result {
        let total = length.wrapping_add(HEADER);
        let padded = total.wrapping_add(ALIGN.wrapping_sub(1)) & !ALIGN.wrapping_sub(1);
        if length > MAX || padded > self.room.wrapping_sub(self.used) {
            return Err(EMSGSIZE);
        }
        // SAFETY: There is room for the attribute and its padding by the check above and the type
        // invariants, by which it begins aligned for its header, too.
        unsafe {
            let at = self.at.add(self.used);
            at.cast().write(bindings::nlattr {
                nla_len: total as u16,
                nla_type: attribute,
            });
            // Before the payload, which may share its last word.
            at.add(total).write_bytes(0, padded.wrapping_sub(total));
            write(at.add(HEADER));
        }
        // INVARIANT: Written whole, and padded to a multiple.
        self.used = self.used.wrapping_add(padded);
        Ok(())
    }

    /// Adds raw bytes.
    #[inline(always)]
    pub(crate) fn put_bytes(&mut self, attribute: u16, bytes: &[u8]) -> Result {
        let write = |to: NonNull<u8>| {
            // SAFETY: `put` passes a pointer to as much room as there are bytes, which are
            // elsewhere.
            unsafe {
                to.as_ptr()
                    .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
            }
        };
        // SAFETY: All bytes are copied.
        unsafe { self.put(attribute, bytes.len(), write) }
    }

    /// Adds a byte.
    #[inline(always)]
    pub(crate) fn put_u8(&mut self, attribute: u16, value: u8) -> Result {
        self.put_bytes(attribute, &[value])
    }

    /// Adds 16 bits in native order.
    #[inline(always)]
    pub(crate) fn put_u16(&mut self, attribute: u16, value: u16) -> Result {
        self.put_bytes(attribute, &value.to_ne_bytes())
    }

    /// Adds 16 bits in network order.
    #[inline(always)]
    pub(crate) fn put_be16(&mut self, attribute: u16, value: u16) -> Result {
        self.put_bytes(attribute, &value.to_be_bytes())
    }

    /// Adds 32 bits in native order.
    #[inline(always)]
    pub(crate) fn put_u32(&mut self, attribute: u16, value: u32) -> Result {
        self.put_bytes(attribute, &value.to_ne_bytes())
    }

    /// Adds 64 bits in native order, aligned to four bytes like everything else.
    #[inline(always)]
    pub(crate) fn put_u64(&mut self, attribute: u16, value: u64) -> Result {
        self.put_bytes(attribute, &value.to_ne_bytes())
    }

    /// Adds 64 bits in native order, aligned to eight bytes by an empty attribute `pad` before them
    /// on machines that need that.
    #[inline(always)]
    pub(crate) fn put_u64_aligned(&mut self, attribute: u16, value: u64, pad: u16) -> Result {
        if cfg!(not(CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS)) {
            let at = (self.at.as_ptr() as usize).wrapping_add(self.used);
            if at & const { size_of::<u64>().wrapping_sub(1) } == 0 {
                self.put_bytes(pad, &[])?;
            }
        }
        self.put_u64(attribute, value)
    }

    /// Adds a string, which comes without its nul and goes with one.
    pub(crate) fn put_string(&mut self, attribute: u16, text: &[u8]) -> Result {
        let write = |to: NonNull<u8>| {
            // SAFETY: `put` passes a pointer to as much room as the text and its nul take; the text
            // is elsewhere.
            unsafe {
                to.as_ptr()
                    .copy_from_nonoverlapping(text.as_ptr(), text.len());
                to.add(text.len()).write(0);
            }
        };
        // SAFETY: The text is copied, and its nul written.
        unsafe { self.put(attribute, text.len().wrapping_add(1), write) }
    }

    /// Adds an attribute that holds those which `build` adds, without `NLA_F_NESTED`.
    pub(crate) fn nested(
        &mut self,
        attribute: u16,
        build: impl FnOnce(&mut Self) -> Result,
    ) -> Result {
        let start = self.used;
        self.put_bytes(attribute, &[])?;
        let built = build(self).and_then(|()| {
            // It may have outgrown the 16 bits of its length.
            let length = u16::try_from(self.used.wrapping_sub(start)).map_err(|_| EMSGSIZE)?;
            // SAFETY: The header of the nest was written there, and begins with its length.
            unsafe { self.at.add(start).cast().write(length) };
            Ok(())
        });
        if built.is_err() {
            self.used = start;
        }
        built
    }
}

/// The longest payload: the length of an attribute counts its header and has 16 bits.
const MAX: usize = u16::MAX as usize - HEADER;
