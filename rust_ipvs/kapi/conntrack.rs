// SPDX-License-Identifier: GPL-2.0

//! Connection tracking (C: `struct nf_conn`).
//!
//! C headers:
//! [`include/net/netfilter/nf_conntrack.h`](srctree/include/net/netfilter/nf_conntrack.h),
//! [`include/net/netfilter/nf_conntrack_core.h`](srctree/include/net/netfilter/nf_conntrack_core.h)
//!
//! If rules enable connection tracking, a packet carries the [`Conntrack`] entry of its connection.
//! An entry is *confirmed*, that is, inserted in the table in which look-ups find it, when its
//! first packet leaves this host or is delivered locally. Until then its reply tuple can be
//! changed. In a kernel without `CONFIG_NF_CONNTRACK` no packet carries an entry.
//!
//! A load balancer changes addresses outside of NAT's view. It tells connection tracking by
//! [`Conntrack::expect_reply`] what the replies will look like, so that these are found to belong
//! to the entry (C: `ip_vs_update_conntrack()`).
//!
//! # Context
//!
//! Unless stated otherwise, softirq or process context; nothing sleeps.
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::{
//! #     conntrack::{CtDirection, Tuple, TupleEnd},
//! #     skbuff::Packet,
//! # };
//! # fn example(packet: &Packet, server: TupleEnd) {
//! if let Some((entry, info)) = packet.entry() {
//!     if !entry.is_confirmed() && info.direction() == CtDirection::Original {
//!         let reply = entry.tuple(CtDirection::Reply);
//!         entry.expect_reply(&Tuple { src: server, ..reply });
//!     }
//! }
//! # }
//! ```

pub(crate) mod again;
pub(crate) mod related;

use super::{
    inet::Protocol,
    net::{
        Lease,
        Net, //
    },
    skbuff::Packet, //
};
use crate::bindings;
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    error::to_result,
    prelude::*,
    types::Opaque, //
};

/// Direction of packets of a tracked connection (`IP_CT_DIR_*`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CtDirection {
    /// Packets of the end that sent the first packet.
    Original,
    /// Packets of the other end.
    Reply,
}

impl CtDirection {
    /// Returns the C constant, `IP_CT_DIR_*`.
    const fn number(self) -> u8 {
        match self {
            Self::Original => 0,
            Self::Reply => 1,
        }
    }
}

/// One end of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TupleEnd {
    /// Address in network order; an IPv4 one is in the first four bytes, with zeros behind it.
    pub(crate) addr: [u8; 16],
    /// Port in host order. For ICMP it holds type, code or identifier, which are not interpreted
    /// here.
    pub(crate) port: u16,
}

/// Addresses, ports and protocols of the packets of one direction (C: `nf_conntrack_tuple`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tuple {
    /// Network protocol.
    pub(crate) network: Protocol,
    /// Transport protocol number.
    pub(crate) transport: u8,
    /// Sender.
    pub(crate) src: TupleEnd,
    /// Receiver.
    pub(crate) dst: TupleEnd,
}

/// Layout of C's `struct nf_conntrack_tuple`, with ports in network order. Assertions in
/// `helpers/conntrack.c` check each offset.
#[repr(C)]
#[derive(Clone, Copy)]
struct Raw {
    /// Source address.
    src: [u8; 16],
    src_port: u16,
    network: u16,
    dst: [u8; 16],
    dst_port: u16,
    transport: u8,
    /// `IP_CT_DIR_*`; part of the tuple in C.
    direction: u8,
}

// Conversions in both directions are by transmutation.
const _: () = assert!(size_of::<Raw>() == size_of::<bindings::nf_conntrack_tuple>());
const _: () = assert!(align_of::<Raw>() <= align_of::<bindings::nf_conntrack_tuple>());

impl Tuple {
    /// Converts to the C structure, for packets of `direction`.
    pub(super) fn to_raw(self, direction: CtDirection) -> bindings::nf_conntrack_tuple {
        let raw = Raw {
            src: self.src.addr,
            src_port: self.src.port.to_be(),
            network: self.network.number().into(),
            dst: self.dst.addr,
            dst_port: self.dst.port.to_be(),
            transport: self.transport,
            direction: direction.number(),
        };
        // SAFETY: Both types have the same size, which is asserted above, and no padding, and any
        // bytes are valid for their fields.
        unsafe { core::mem::transmute(raw) }
    }

    /// Converts from the C structure. A network protocol other than IPv6 is taken for IPv4.
    pub(super) fn from_raw(raw: &bindings::nf_conntrack_tuple) -> Self {
        // SAFETY: Both types have the same size, any bytes are valid for the fields of `Raw`, and
        // its alignment is not larger, which is asserted above.
        let raw = unsafe { ptr::from_ref(raw).cast::<Raw>().read() };
        Self {
            network: match u32::from(raw.network) {
                bindings::NFPROTO_IPV6 => Protocol::Ipv6,
                _ => Protocol::Ipv4,
            },
            transport: raw.transport,
            src: TupleEnd {
                addr: raw.src,
                port: u16::from_be(raw.src_port),
            },
            dst: TupleEnd {
                addr: raw.dst,
                port: u16::from_be(raw.dst_port),
            },
        }
    }
}

/// Relation of a packet to its tracked connection (C: `enum ip_conntrack_info`).
#[derive(Clone, Copy)]
pub(crate) struct CtInfo(pub(super) c_uint);

/// First value of `enum ip_conntrack_info` that stands for a reply (C: `IP_CT_IS_REPLY`).
const REPLIES: c_uint = 3;

impl CtInfo {
    /// Returns the packet's direction. For a packet that is related to the connection, such as an
    /// ICMP error, it is the direction in which that travels.
    pub(crate) fn direction(self) -> CtDirection {
        if self.0 < REPLIES {
            CtDirection::Original
        } else {
            CtDirection::Reply
        }
    }
}

/// An entry of connection tracking. References come from a packet, or from [`find`].
///
/// # Invariants
///
/// A `&Conntrack` is to an `nf_conn` that is not freed for the lifetime of the reference.
///
/// There is no public way to create one: entries are created by connection tracking itself.
#[repr(transparent)]
pub(crate) struct Conntrack(Opaque<bindings::nf_conn>);

impl Conntrack {
    /// Creates a reference from a pointer of C code.
    ///
    /// # Safety
    ///
    /// `entry` must be the address of an entry that lives for `'a`.
    pub(super) unsafe fn from_raw<'a>(entry: *mut bindings::nf_conn) -> &'a Self {
        // SAFETY: By the contract of this function the pointer is valid for `'a`, and `Conntrack`
        // is a transparent wrapper.
        unsafe { &*entry.cast() }
    }

    /// Returns the C structure.
    pub(super) fn as_ptr(&self) -> *mut bindings::nf_conn {
        self.0.get()
    }

    /// Returns `true` if the entry was confirmed. It may be dying since.
    pub(crate) fn is_confirmed(&self) -> bool {
        // SAFETY: By the type invariant `self` is a live `nf_conn`.
        unsafe { bindings::rust_ipvs_helper_ct_is_confirmed(self.as_ptr()) }
    }

    /// Returns `true` if the entry was removed from the table, so that look-ups do not find it any
    /// more.
    ///
    /// A packet may carry such an entry. It must not be changed, because no later packet will find
    /// it.
    pub(crate) fn is_dying(&self) -> bool {
        // SAFETY: By the type invariant `self` is a live `nf_conn`.
        unsafe { bindings::rust_ipvs_helper_ct_is_dying(self.as_ptr()) }
    }

    /// Returns the tuple of a direction: addresses and ports of its packets as they arrive at this
    /// host.
    pub(crate) fn tuple(&self, direction: CtDirection) -> Tuple {
        // SAFETY: By the type invariant `self` is a live `nf_conn`. A tuple changes only before the
        // entry is confirmed, when only the CPU that processes its packet has it.
        Tuple::from_raw(unsafe {
            &*bindings::rust_ipvs_helper_ct_tuple(self.as_ptr(), direction.number())
        })
    }

    /// Sets the reply tuple: what replies look like as they arrive at this host (C:
    /// `nf_conntrack_alter_reply()`). Does nothing if the entry is confirmed.
    pub(crate) fn expect_reply(&self, reply: &Tuple) {
        let raw = reply.to_raw(CtDirection::Reply);
        // SAFETY: By the type invariant `self` is a live `nf_conn`. The tuple is on this stack and
        // is copied.
        unsafe { bindings::rust_ipvs_helper_ct_alter_reply(self.as_ptr(), &raw) }
    }

    /// Adds the extension that holds TCP sequence number offsets, unless the entry has it. Returns
    /// `false` if an allocation failed. The entry must not be confirmed, because extensions may
    /// move then.
    pub(crate) fn adjusts_sequences(&self) -> bool {
        // SAFETY: By the type invariant `self` is a live `nf_conn`.
        unsafe { bindings::rust_ipvs_helper_ct_add_seqadj(self.as_ptr()) }
    }

    /// Removes the entry from the table, so that the connection's next packet creates another.
    /// Returns `false` if it was removed before.
    ///
    /// Packets that carry the entry keep their references to it.
    pub(crate) fn kill(&self) -> bool {
        // SAFETY: By the type invariant `self` is a live `nf_conn`.
        unsafe { bindings::rust_ipvs_helper_ct_kill(self.as_ptr()) }
    }
}

/// A counted reference to an entry, from [`find`].
///
/// # Invariants
///
/// The pointer is to an entry, and this value owns a reference to it.
pub(crate) struct ConntrackRef(NonNull<bindings::nf_conn>);

impl core::ops::Deref for ConntrackRef {
    type Target = Conntrack;

    fn deref(&self) -> &Conntrack {
        // SAFETY: By the type invariant this value owns a reference, which keeps the entry alive
        // while it is borrowed.
        unsafe { Conntrack::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for ConntrackRef {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this value owns the reference, and it is not used
        // afterwards.
        unsafe { bindings::rust_ipvs_helper_ct_put(self.0.as_ptr()) }
    }
}

/// Looks up the confirmed entry that has `tuple` in one of its directions, in the default zone. Any
/// context but hard interrupts.
pub(crate) fn find(net: &Net, tuple: &Tuple) -> Option<ConntrackRef> {
    let raw = tuple.to_raw(CtDirection::Original);
    // SAFETY: By the type invariant of `Net` the namespace is live. The tuple is on this stack and
    // is read during the call only.
    let found = unsafe { bindings::rust_ipvs_helper_ct_find_get(net.as_ptr(), &raw) };
    // INVARIANT: The look-up took a reference for its caller, if it found an entry.
    NonNull::new(found).map(ConntrackRef)
}

impl Packet {
    /// Returns `true` if the packet carries an entry.
    #[inline(always)]
    pub(crate) fn is_tracked(&self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_is_tracked(self.as_ptr()) }
    }

    /// Returns the entry that the packet carries, and the packet's relation to it.
    pub(crate) fn entry(&self) -> Option<(&Conntrack, CtInfo)> {
        // Address and relation share a word of the `sk_buff`; the helper separates them.
        let mut way = 0;
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        let entry = unsafe { bindings::rust_ipvs_helper_skb_ct(self.as_ptr(), &raw mut way) };
        let entry = NonNull::new(entry)?;
        // SAFETY: The packet owns a reference to the entry, and keeps it while it is borrowed:
        // methods that drop it take `&mut self`.
        Some((unsafe { Conntrack::from_raw(entry.as_ptr()) }, CtInfo(way)))
    }

    /// Drops the packet's entry and marks the packet as untracked, so that it gets no other (C:
    /// `IP_CT_UNTRACKED`). Does nothing if the packet carries no entry.
    #[inline(always)]
    pub(crate) fn untrack(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_untrack(self.as_ptr()) }
    }

    /// Drops the packet's entry. The packet may get a new one at the next tracking hook.
    #[inline(always)]
    pub(crate) fn forget_tracking(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_reset_ct(self.as_ptr()) }
    }

    /// Confirms the packet's entry, if it carries one that is not confirmed. Returns `false` if the
    /// packet must be dropped, because another connection with the same tuple was confirmed
    /// meanwhile.
    ///
    /// Normally a hook at the end of the packet's path does this. A packet that leaves by another
    /// path must be confirmed by the caller.
    pub(crate) fn confirm(&mut self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_confirm(self.as_ptr()) }
    }
}

/// Keeps connection tracking of a network protocol enabled in a namespace, with or without rules
/// that need it, until it is dropped.
///
/// # Invariants
///
/// This value counts as one user of the tracking of `network` in the namespace of `lease`.
pub(crate) struct Tracking {
    lease: Lease,
    network: Protocol,
}

// SAFETY: The users of a namespace are counted under a mutex, from any thread.
unsafe impl Send for Tracking {}
// SAFETY: There are no methods on a shared reference.
unsafe impl Sync for Tracking {}

impl Tracking {
    /// Enables tracking (C: `nf_ct_netns_get()`). Process context; sleeps. Fails with the error of
    /// registering the hooks.
    pub(crate) fn begin(lease: Lease, network: Protocol) -> Result<Self> {
        // SAFETY: By the type invariant of `Lease` the namespace is live.
        to_result(unsafe {
            bindings::rust_ipvs_helper_ct_netns_get(lease.as_ptr(), network.number())
        })?;
        // INVARIANT: The call above counted this value as a user.
        Ok(Self { lease, network })
    }
}

impl Drop for Tracking {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this value counts as one user, and only this call gives
        // that up. The namespace is live by the type invariant of `Lease`.
        unsafe {
            bindings::rust_ipvs_helper_ct_netns_put(self.lease.as_ptr(), self.network.number());
        }
    }
}
