// SPDX-License-Identifier: GPL-2.0

//! Building of netlink messages, attribute by attribute.
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)
//!
//! Attributes are encoded here and not by `nla_put()`, which does for each attribute a call, a
//! check and an update of the buffer's end.
//!
//! The context is that of the handlers: process context, which may sleep.

use crate::bindings;
use core::{marker::PhantomData, ptr::NonNull};
use kernel::prelude::*;

/// Size in bytes of an attribute's header: length, which includes the header, and type, 16 bits
/// each.
const HEADER: usize = size_of::<bindings::nlattr>();
/// Alignment of attributes in bytes. Padding is zeroed.
const ALIGN: usize = bindings::NLA_ALIGNTO as usize;

/// A message that is being built.
///
/// Each `put_*` method adds an attribute. It fails with `EMSGSIZE` if the attribute does not fit;
/// the caller passes that on, and the message is discarded as a whole. Attributes are written
/// behind the buffer's end, which is moved once, when the message is complete.
///
/// # Invariants
///
/// - `at` points to `tailroom` bytes that are valid for `'a`, do not move, and are used by nobody
///   else.
/// - The first `used` bytes, at most `tailroom`, have been written.
/// - `at` and `used` are multiples of [`ALIGN`].
pub(crate) struct GenlMessage<'a> {
    /// Start of the attributes: the end of the buffer's data.
    at: NonNull<u8>,
    /// Bytes from `at` to the end of the buffer.
    tailroom: usize,
    /// Bytes of attributes that have been written.
    used: usize,
    _buffer: PhantomData<&'a mut [u8]>,
}

#[allow(dead_code, reason = "each user needs some of them")]
impl GenlMessage<'_> {
    /// Appends a message of `command` to `skb`, in answer to `info`. `build` adds the attributes;
    /// if it fails, nothing is appended and its error is returned. Fails with `EMSGSIZE` if not
    /// even the headers fit.
    ///
    /// # Safety
    ///
    /// `skb` must be valid, linear and used by nobody else. `info` must be that of a request or
    /// dump that is being processed.
    pub(super) unsafe fn build(
        skb: NonNull<bindings::sk_buff>,
        info: NonNull<bindings::genl_info>,
        flags: c_int,
        command: u8,
        build: impl FnOnce(&mut GenlMessage<'_>) -> Result,
    ) -> Result {
        // SAFETY: By the contract of this function `info` is valid.
        let info = unsafe { info.as_ref() };
        let to = (info.snd_portid, info.snd_seq);
        // SAFETY: As the contract of this function demands of the caller. The core set the family
        // of the request.
        unsafe { Self::append(skb, to, info.family, flags, command, build) }
    }

    /// Appends a message as [`build`](Self::build) does, to a socket and for a request of it; zeros
    /// are for a message that answers none.
    ///
    /// # Safety
    ///
    /// `skb` must be valid, linear and used by nobody else. `family` must be registered.
    pub(super) unsafe fn append(
        skb: NonNull<bindings::sk_buff>,
        (portid, seq): (u32, u32),
        family: *const bindings::genl_family,
        flags: c_int,
        command: u8,
        build: impl FnOnce(&mut GenlMessage<'_>) -> Result,
    ) -> Result {
        // SAFETY: By the contract of this function `skb` is valid and not used by others, and
        // `family` is valid.
        let header =
            unsafe { bindings::genlmsg_put(skb.as_ptr(), portid, seq, family, flags, command) };
        if header.is_null() {
            return Err(EMSGSIZE);
        }
        // SAFETY: By the contract of this function the buffer is valid and linear.
        let (at, tailroom) = unsafe {
            (
                bindings::rust_ipvs_helper_skb_tail(skb.as_ptr()),
                bindings::rust_ipvs_helper_skb_tailroom(skb.as_ptr()),
            )
        };
        // INVARIANT: The tail room belongs to the buffer, which nobody else uses. `genlmsg_put()`
        // aligns the end of the headers.
        let mut message = GenlMessage {
            at: NonNull::new(at).ok_or(EINVAL)?,
            tailroom: tailroom as usize,
            used: 0,
            _buffer: PhantomData,
        };
        // Until the call below, the buffer's own length does not include the attributes.
        let built = build(&mut message);
        // SAFETY: `header` was added to this buffer, which has not moved since. The attributes fit
        // in the tail room, so `used` bytes may be added, and their number fits in 32 bits.
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

    /// Adds an attribute with `length` bytes of payload, which `write` writes.
    ///
    /// # Safety
    ///
    /// `write` must write all of the `length` bytes at the pointer that it is called with, and none
    /// beyond.
    ///
    /// All other methods end up here. It is inlined, so that for a payload of constant size the
    /// compiler emits stores without a loop.
    #[inline(always)]
    unsafe fn put(
        &mut self,
        attribute: u16,
        length: usize,
        write: impl FnOnce(NonNull<u8>),
    ) -> Result {
        // No overflow: `length` is the size of an object in memory, which is at most `isize::MAX`.
        let total = length.wrapping_add(HEADER);
        let padded = total.wrapping_add(ALIGN.wrapping_sub(1)) & !ALIGN.wrapping_sub(1);
        if length > MAX || padded > self.tailroom.wrapping_sub(self.used) {
            return Err(EMSGSIZE);
        }
        // SAFETY: The check above makes sure that the attribute and its padding fit in the room,
        // which is valid by the type invariants. By these the position is aligned for the header,
        // too.
        unsafe {
            let at = self.at.add(self.used);
            at.cast().write(bindings::nlattr {
                nla_len: total as u16,
                nla_type: attribute,
            });
            // The padding is written first, so that the compiler may merge it with the payload's
            // last word.
            at.add(total).write_bytes(0, padded.wrapping_sub(total));
            write(at.add(HEADER));
        }
        // INVARIANT: Header, payload and padding were written, and `padded` is a multiple of
        // `ALIGN`.
        self.used = self.used.wrapping_add(padded);
        Ok(())
    }

    /// Adds an attribute with these bytes as its payload.
    #[inline(always)]
    pub(crate) fn put_bytes(&mut self, attribute: u16, bytes: &[u8]) -> Result {
        let write = |to: NonNull<u8>| {
            // SAFETY: `put` passes a pointer to `bytes.len()` bytes of the buffer. `bytes` cannot
            // overlap them, because nobody else uses the buffer.
            unsafe {
                to.as_ptr()
                    .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len())
            }
        };
        // SAFETY: `write` writes `bytes.len()` bytes.
        unsafe { self.put(attribute, bytes.len(), write) }
    }

    /// Adds an attribute of 8 bits.
    #[inline(always)]
    pub(crate) fn put_u8(&mut self, attribute: u16, value: u8) -> Result {
        self.put_bytes(attribute, &[value])
    }

    /// Adds an attribute of 16 bits in native byte order.
    #[inline(always)]
    pub(crate) fn put_u16(&mut self, attribute: u16, value: u16) -> Result {
        self.put_bytes(attribute, &value.to_ne_bytes())
    }

    /// Adds an attribute of 16 bits in network byte order. `value` is in host order.
    #[inline(always)]
    pub(crate) fn put_be16(&mut self, attribute: u16, value: u16) -> Result {
        self.put_bytes(attribute, &value.to_be_bytes())
    }

    /// Adds an attribute of 32 bits in native byte order.
    #[inline(always)]
    pub(crate) fn put_u32(&mut self, attribute: u16, value: u32) -> Result {
        self.put_bytes(attribute, &value.to_ne_bytes())
    }

    /// Adds an attribute of 64 bits in native byte order. Like all attributes it is aligned to four
    /// bytes; readers copy it.
    #[inline(always)]
    pub(crate) fn put_u64(&mut self, attribute: u16, value: u64) -> Result {
        self.put_bytes(attribute, &value.to_ne_bytes())
    }

    /// Adds an attribute of 64 bits in native byte order whose payload is aligned to eight bytes,
    /// by an empty attribute `pad` before it. On machines with efficient unaligned access neither
    /// is needed (C: `nla_put_u64_64bit()`).
    #[inline(always)]
    pub(crate) fn put_u64_aligned(&mut self, attribute: u16, value: u64, pad: u16) -> Result {
        if cfg!(not(CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS)) {
            // The payload follows the header, so it is aligned to 8 if the header is not. An empty
            // attribute is as long as a header.
            let at = (self.at.as_ptr() as usize).wrapping_add(self.used);
            if at & const { size_of::<u64>().wrapping_sub(1) } == 0 {
                self.put_bytes(pad, &[])?;
            }
        }
        self.put_u64(attribute, value)
    }

    /// Adds an attribute with a string. `text` is without a nul; one is added.
    ///
    /// Readers get the length of the payload, nul included.
    pub(crate) fn put_string(&mut self, attribute: u16, text: &[u8]) -> Result {
        let write = |to: NonNull<u8>| {
            // SAFETY: `put` passes a pointer to `text.len() + 1` bytes of the buffer. `text` cannot
            // overlap them, because nobody else uses the buffer.
            unsafe {
                to.as_ptr()
                    .copy_from_nonoverlapping(text.as_ptr(), text.len());
                to.add(text.len()).write(0);
            }
        };
        // SAFETY: `write` writes the text and its nul.
        unsafe { self.put(attribute, text.len().wrapping_add(1), write) }
    }

    /// Adds a flag: an attribute without payload.
    pub(crate) fn put_flag(&mut self, attribute: u16) -> Result {
        self.put_bytes(attribute, &[])
    }

    /// Adds an attribute that contains those which `build` adds. The type is written without
    /// `NLA_F_NESTED`, as C IPVS does. If `build` fails, the attribute is removed and the error
    /// returned.
    ///
    /// Nesting may be several levels deep; each level writes its own length when it is complete.
    pub(crate) fn nested(
        &mut self,
        attribute: u16,
        build: impl FnOnce(&mut Self) -> Result,
    ) -> Result {
        // The length in the header is written after the nested attributes, when it is known.
        let start = self.used;
        self.put_bytes(attribute, &[])?;
        let built = build(self).and_then(|()| {
            // The length of an attribute has 16 bits, which the nested ones may exceed.
            let length = u16::try_from(self.used.wrapping_sub(start)).map_err(|_| EMSGSIZE)?;
            // SAFETY: `put_bytes` wrote a header at this position, which begins with its length in
            // 16 bits.
            unsafe { self.at.add(start).cast().write(length) };
            Ok(())
        });
        if built.is_err() {
            // Nothing behind `used` is part of the message.
            self.used = start;
        }
        built
    }
}

/// Maximum payload of an attribute in bytes: its length has 16 bits and includes the header.
const MAX: usize = u16::MAX as usize - HEADER;
