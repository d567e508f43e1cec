// SPDX-License-Identifier: GPL-2.0

//! Messages, attribute by attribute.
//!
//! C header: [`include/net/netlink.h`](srctree/include/net/netlink.h)

use crate::bindings;
use core::{marker::PhantomData, ptr::NonNull};
use kernel::{error::to_result, prelude::*};

/// A message being built.
///
/// Each method adds an attribute, and fails with `EMSGSIZE` where it does not fit; the message is
/// then thrown away as a whole.
///
/// # Invariants
///
/// `skb` is a linear buffer that ends in an unfinished message. It is valid for `'a`, nobody else
/// uses it meanwhile, and it is never moved to make room.
pub(crate) struct Message<'a> {
    skb: NonNull<bindings::sk_buff>,
    _skb: PhantomData<&'a mut bindings::sk_buff>,
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
        // INVARIANT: `skb` now ends in the message just begun, and is this function's alone.
        let built = build(&mut Message {
            skb,
            _skb: PhantomData,
        });
        // SAFETY: `header` was put into this very buffer, which has not moved since.
        unsafe {
            match built {
                Ok(()) => bindings::genlmsg_end(skb.as_ptr(), header),
                Err(_) => bindings::genlmsg_cancel(skb.as_ptr(), header),
            }
        };
        built
    }

    /// Adds raw bytes.
    pub(crate) fn put_bytes(&mut self, attribute: u16, bytes: &[u8]) -> Result {
        let length = check(bytes.len())?;
        // SAFETY: `skb` is valid by the type invariant, and the bytes can be read.
        to_result(unsafe {
            bindings::nla_put(
                self.skb.as_ptr(),
                c_int::from(attribute),
                length,
                bytes.as_ptr().cast(),
            )
        })
    }

    /// Adds a byte.
    pub(crate) fn put_u8(&mut self, attribute: u16, value: u8) -> Result {
        self.put_bytes(attribute, &[value])
    }

    /// Adds 16 bits in native order.
    pub(crate) fn put_u16(&mut self, attribute: u16, value: u16) -> Result {
        self.put_bytes(attribute, &value.to_ne_bytes())
    }

    /// Adds 16 bits in network order.
    pub(crate) fn put_be16(&mut self, attribute: u16, value: u16) -> Result {
        self.put_bytes(attribute, &value.to_be_bytes())
    }

    /// Adds 32 bits in native order.
    pub(crate) fn put_u32(&mut self, attribute: u16, value: u32) -> Result {
        self.put_bytes(attribute, &value.to_ne_bytes())
    }

    /// Adds 64 bits in native order, aligned to four bytes like everything else.
    pub(crate) fn put_u64(&mut self, attribute: u16, value: u64) -> Result {
        self.put_bytes(attribute, &value.to_ne_bytes())
    }

    /// Adds 64 bits in native order, aligned to eight bytes by an empty attribute `pad` before them
    /// on machines that need that.
    pub(crate) fn put_u64_aligned(&mut self, attribute: u16, value: u64, pad: u16) -> Result {
        let bytes = value.to_ne_bytes();
        // SAFETY: `skb` is valid by the type invariant, and the bytes can be read.
        to_result(unsafe {
            bindings::nla_put_64bit(
                self.skb.as_ptr(),
                c_int::from(attribute),
                bytes.len() as c_int,
                bytes.as_ptr().cast(),
                c_int::from(pad),
            )
        })
    }

    /// Adds a string, which comes without its nul and goes with one.
    pub(crate) fn put_string(&mut self, attribute: u16, text: &[u8]) -> Result {
        let length = check(text.len().wrapping_add(1))?;
        // SAFETY: `skb` is valid by the type invariant.
        let nla =
            unsafe { bindings::nla_reserve(self.skb.as_ptr(), c_int::from(attribute), length) };
        let nla = NonNull::new(nla).ok_or(EMSGSIZE)?;
        // SAFETY: `nla` is followed by room for the text and its nul, which nobody else uses.
        unsafe {
            let payload: *mut u8 = nla.as_ptr().add(1).cast();
            payload.copy_from_nonoverlapping(text.as_ptr(), text.len());
            payload.add(text.len()).write(0);
        }
        Ok(())
    }

    /// Adds an attribute that holds those which `build` adds, without `NLA_F_NESTED`.
    pub(crate) fn nested(
        &mut self,
        attribute: u16,
        build: impl FnOnce(&mut Self) -> Result,
    ) -> Result {
        // SAFETY: `skb` is valid by the type invariant.
        let start = unsafe {
            bindings::rust_ipvs_helper_nla_nest_start_noflag(
                self.skb.as_ptr(),
                c_int::from(attribute),
            )
        };
        let start = NonNull::new(start).ok_or(EMSGSIZE)?;
        let built = build(self).and_then(|()| {
            // SAFETY: `start` was put into this very buffer, which has not moved since.
            let end = unsafe {
                bindings::rust_ipvs_helper_nla_nest_end_safe(self.skb.as_ptr(), start.as_ptr())
            };
            // It may have outgrown the 16 bits of its length.
            to_result(end)
        });
        if built.is_err() {
            // SAFETY: As above.
            unsafe {
                bindings::rust_ipvs_helper_nla_nest_cancel(self.skb.as_ptr(), start.as_ptr())
            };
        }
        built
    }
}

/// Checks that an attribute can have a payload of so many bytes.
fn check(length: usize) -> Result<c_int> {
    // The length of an attribute counts its header and has 16 bits.
    const MAX: usize = u16::MAX as usize - size_of::<bindings::nlattr>();
    match length {
        0..=MAX => Ok(length as c_int),
        _ => Err(EMSGSIZE),
    }
}
