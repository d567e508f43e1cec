// SPDX-License-Identifier: GPL-2.0

//! Connection tracking.
//!
//! C headers:
//! [`include/net/netfilter/nf_conntrack.h`](srctree/include/net/netfilter/nf_conntrack.h),
//! [`include/net/netfilter/nf_conntrack_core.h`](srctree/include/net/netfilter/nf_conntrack_core.h)
//!
//! Where rules track connections, a packet carries the [`Conntrack`] of its connection. An entry is
//! *confirmed*, which means that others find it, when its first packet leaves this host or is
//! delivered here; until then what it expects of replies can be altered. In a kernel without
//! `CONFIG_NF_CONNTRACK` no packet carries one.
//!
//! # Examples
//!
//! ```ignore
//! if let Some((entry, way)) = packet.entry() {
//!     if !entry.is_confirmed() && way.direction() == Direction::Original {
//!         let reply = entry.tuple(Direction::Reply);
//!         entry.expect_reply(&Tuple { src: server, ..reply });
//!     }
//! }
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
    /// Those of who sent the first.
    Original,
    /// Those of the other.
    Reply,
}

impl CtDirection {
    /// `IP_CT_DIR_*`
    const fn number(self) -> u8 {
        match self {
            Self::Original => 0,
            Self::Reply => 1,
        }
    }
}

/// One end of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// The address; an IPv4 one in the first four bytes, with zeros behind it.
    pub(crate) addr: [u8; 16],
    /// The port, in host order; what ICMP has in its place is not for others to understand.
    pub(crate) port: u16,
}

/// Addresses, ports and protocols of the packets of one direction (C: `nf_conntrack_tuple`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tuple {
    /// The network protocol.
    pub(crate) network: Protocol,
    /// The number of the transport protocol.
    pub(crate) transport: u8,
    /// From where.
    pub(crate) src: End,
    /// Receiver.
    pub(crate) dst: End,
}

/// A tuple as C has it, with ports in network order; helpers/conntrack.c checks that it is so.
#[repr(C)]
#[derive(Clone, Copy)]
struct Raw {
    src: [u8; 16],
    src_port: u16,
    network: u16,
    dst: [u8; 16],
    dst_port: u16,
    transport: u8,
    direction: u8,
}

const _: () = assert!(size_of::<Raw>() == size_of::<bindings::nf_conntrack_tuple>());
const _: () = assert!(align_of::<Raw>() <= align_of::<bindings::nf_conntrack_tuple>());

impl Tuple {
    /// The tuple as C has it, for packets of a direction.
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
        // SAFETY: Both are as large, without padding, and hold bytes for which any value is valid.
        unsafe { core::mem::transmute(raw) }
    }

    /// Returns what C says.
    pub(super) fn from_raw(raw: &bindings::nf_conntrack_tuple) -> Self {
        // SAFETY: As above; the alignment of `Raw` is no larger.
        let raw = unsafe { ptr::from_ref(raw).cast::<Raw>().read() };
        Self {
            network: match u32::from(raw.network) {
                bindings::NFPROTO_IPV6 => Protocol::Ipv6,
                _ => Protocol::Ipv4,
            },
            transport: raw.transport,
            src: End {
                addr: raw.src,
                port: u16::from_be(raw.src_port),
            },
            dst: End {
                addr: raw.dst,
                port: u16::from_be(raw.dst_port),
            },
        }
    }
}

/// Relation of a packet to its tracked connection: `enum ip_conntrack_info`.
#[derive(Clone, Copy)]
pub(crate) struct CtInfo(pub(super) c_uint);

/// From here on, the numbers of `enum ip_conntrack_info` are those of replies: `IP_CT_IS_REPLY`.
const REPLIES: c_uint = 3;

impl CtInfo {
    /// The packet's direction; that of a packet that is related to the connection, as an ICMP error
    /// is, is the direction in which it travels.
    pub(crate) fn direction(self) -> CtDirection {
        if self.0 < REPLIES {
            CtDirection::Original
        } else {
            CtDirection::Reply
        }
    }
}

/// An entry of connection tracking. Whoever has a reference to one has it from a packet, or from
/// [`find`].
///
/// # Invariants
///
/// A `&Conntrack` is to an `nf_conn` that lives at least as long.
#[repr(transparent)]
pub(crate) struct Conntrack(Opaque<bindings::nf_conn>);

impl Conntrack {
    /// Wraps a pointer from C.
    ///
    /// # Safety
    ///
    /// `entry` must be an entry that lives for `'a`.
    pub(super) unsafe fn from_raw<'a>(entry: *mut bindings::nf_conn) -> &'a Self {
        // SAFETY: `Conntrack` is transparent, and by the contract of this function.
        unsafe { &*entry.cast() }
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::nf_conn {
        self.0.get()
    }

    /// Returns whether others find the entry, or found it.
    pub(crate) fn is_confirmed(&self) -> bool {
        // SAFETY: By the type invariant `self` is a live `nf_conn`.
        unsafe { bindings::rust_ipvs_helper_ct_is_confirmed(self.as_ptr()) }
    }

    /// Returns whether nobody finds the entry any more.
    pub(crate) fn is_dying(&self) -> bool {
        // SAFETY: By the type invariant `self` is a live `nf_conn`.
        unsafe { bindings::rust_ipvs_helper_ct_is_dying(self.as_ptr()) }
    }

    /// Returns what the packets of a direction have in common, as they come to this host.
    pub(crate) fn tuple(&self, direction: CtDirection) -> Tuple {
        // SAFETY: By the type invariant `self` is a live `nf_conn`. A tuple changes only before the
        // entry is confirmed, when who has it has it alone.
        Tuple::from_raw(unsafe {
            &*bindings::rust_ipvs_helper_ct_tuple(self.as_ptr(), direction.number())
        })
    }

    /// Says what replies look like as they come to this host. Once the entry is confirmed, nothing
    /// happens.
    pub(crate) fn expect_reply(&self, reply: &Tuple) {
        let raw = reply.to_raw(CtDirection::Reply);
        // SAFETY: By the type invariant `self` is a live `nf_conn`; the tuple is copied.
        unsafe { bindings::rust_ipvs_helper_ct_alter_reply(self.as_ptr(), &raw) }
    }

    /// Makes room for the numbers by which the sequence numbers of a TCP connection may come to
    /// differ between its ends, where it is not there; `false` without memory. The entry must not
    /// be confirmed.
    pub(crate) fn adjusts_sequences(&self) -> bool {
        // SAFETY: By the type invariant `self` is a live `nf_conn`.
        unsafe { bindings::rust_ipvs_helper_ct_add_seqadj(self.as_ptr()) }
    }

    /// Takes the entry out of the table of all, unless somebody did; returns whether this call did.
    /// The connection's next packet begins another.
    pub(crate) fn kill(&self) -> bool {
        // SAFETY: By the type invariant `self` is a live `nf_conn`.
        unsafe { bindings::rust_ipvs_helper_ct_kill(self.as_ptr()) }
    }
}

/// An entry that was found, with a reference to it.
///
/// # Invariants
///
/// The pointer is to an entry of which this value holds a reference.
pub(crate) struct ConntrackRef(NonNull<bindings::nf_conn>);

impl core::ops::Deref for ConntrackRef {
    type Target = Conntrack;

    fn deref(&self) -> &Conntrack {
        // SAFETY: It lives as long as the reference, by the type invariant.
        unsafe { Conntrack::from_raw(self.0.as_ptr()) }
    }
}

impl Drop for ConntrackRef {
    fn drop(&mut self) {
        // SAFETY: The reference is this value's, and is not used after this.
        unsafe { bindings::rust_ipvs_helper_ct_put(self.0.as_ptr()) }
    }
}

/// Finds the confirmed entry of a connection by what the packets of one of its directions have in
/// common, in the default zone. Any context but that of interrupts.
pub(crate) fn find(net: &Net, tuple: &Tuple) -> Option<ConntrackRef> {
    let raw = tuple.to_raw(CtDirection::Original);
    // SAFETY: A live namespace; the tuple is only read.
    let found = unsafe { bindings::rust_ipvs_helper_ct_find_get(net.as_ptr(), &raw) };
    // INVARIANT: A reference was taken for the caller.
    NonNull::new(found).map(ConntrackRef)
}

impl Packet {
    /// Returns whether the packet carries an entry.
    #[inline(always)]
    pub(crate) fn is_tracked(&self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_is_tracked(self.as_ptr()) }
    }

    /// The entry that the packet carries, and what the packet is to its connection.
    pub(crate) fn entry(&self) -> Option<(&Conntrack, CtInfo)> {
        let mut way = 0;
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        let entry = unsafe { bindings::rust_ipvs_helper_skb_ct(self.as_ptr(), &raw mut way) };
        let entry = NonNull::new(entry)?;
        // SAFETY: The packet has a reference to it, which it keeps while it is borrowed.
        Some((unsafe { Conntrack::from_raw(entry.as_ptr()) }, CtInfo(way)))
    }

    /// Takes the packet out of connection tracking for good, where it is in it.
    #[inline(always)]
    pub(crate) fn untrack(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_untrack(self.as_ptr()) }
    }

    /// Takes the packet's entry off it. What the packet becomes is tracked as something new.
    #[inline(always)]
    pub(crate) fn forget_tracking(&mut self) {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_reset_ct(self.as_ptr()) }
    }

    /// Confirms the packet's entry, if it carries one that is not; `false` where the packet must
    /// not go on, as somebody else has a connection of the same kind.
    pub(crate) fn confirm(&mut self) -> bool {
        // SAFETY: By the type invariant this value owns the `sk_buff`, so the pointer is valid.
        unsafe { bindings::rust_ipvs_helper_skb_confirm(self.as_ptr()) }
    }
}

/// Has a namespace track the connections of a network protocol, whatever its rules say, until this
/// value is dropped.
///
/// # Invariants
///
/// This value is one of those who have the namespace of `lease` tracked.
pub(crate) struct Tracking {
    lease: Lease,
    network: Protocol,
}

// SAFETY: Who has a namespace tracked is counted under a mutex.
unsafe impl Send for Tracking {}
// SAFETY: As above; there are no methods on a shared reference.
unsafe impl Sync for Tracking {}

impl Tracking {
    /// Begins to track. Sleeps.
    pub(crate) fn begin(lease: Lease, network: Protocol) -> Result<Self> {
        // SAFETY: A `&Net` is to a live `struct net`, by its type invariant.
        to_result(unsafe {
            bindings::rust_ipvs_helper_ct_netns_get(lease.as_ptr(), network.number())
        })?;
        // INVARIANT: Counted just above.
        Ok(Self { lease, network })
    }
}

impl Drop for Tracking {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this value counts as one user of tracking in the namespace,
        // which lives by the lease.
        unsafe {
            bindings::rust_ipvs_helper_ct_netns_put(self.lease.as_ptr(), self.network.number());
        }
    }
}
