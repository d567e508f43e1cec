// SPDX-License-Identifier: GPL-2.0

//! [`OwnValues`]: options of a destination's service in place of the namespace's, as packets read
//! them, and whether the destination is available.
//!
//! A connection knows its destination and not its service, which may be gone. So each destination
//! has the options of its service. It keeps those that it had when it, or its service, was deleted,
//! until a service gets it from the trash.
//!
//! # Order
//!
//! One writer at a time: all changes take [`ConfigHeld`]. Each option is in one word, which a
//! packet loads once and without ordering: it finds the option as it was before an edit or as it is
//! after that. No option has a meaning together with another, so a packet that finds one of them
//! changed and another one not yet is handled as if the edit had been two. The flag [`TIMED`] tells
//! where to look for timeouts: with the flag, a timeout that is not stored yet is 0, which is the
//! namespace's; without it, a timeout that is not removed yet is not read. Destinations of a
//! service get an edit one after the other.

use super::config_lock::ConfigHeld;
use crate::{
    kapi::{
        once::Word,
        time::HZ, //
    },
    logic::{
        own_options::OwnOptions,
        packet::{
            TCP,
            UDP, //
        },
        tcp,
        udp, //
    },
};
use core::num::NonZero;

/// The destination is in its service's list.
const AVAILABLE: u32 = 1;
/// The service has timeouts of its own.
const TIMED: u32 = 2;
/// First bit of each other option, which has two bits: 0 for the namespace's, and the value plus 1.
const CONNTRACK: u32 = 2;
const EXPIRE_NODEST: u32 = 4;
const EXPIRE_QUIESCENT: u32 = 6;
const FAST_PATH: u32 = 8;
/// Bits of an option.
const BITS: u32 = 3;

/// Options of the service, and whether the destination is available.
pub(crate) struct OwnValues {
    bits: Word<u32>,
    /// Timeout of established TCP connections in jiffies, 0 for the namespace's.
    tcp: Word<u32>,
    /// The same after a FIN.
    tcp_fin: Word<u32>,
    /// The same of UDP connections.
    udp: Word<u32>,
}

// Each destination has them, whether its service has options of its own or not.
const _: () = assert!(size_of::<OwnValues>() == 16);

/// Returns the bits of an option.
fn option(first: u32, value: Option<u8>) -> u32 {
    let value = value.map_or(0, |value| u32::from(value).saturating_add(1));
    (value & BITS) << first
}

/// Returns the bits of all options but [`AVAILABLE`].
fn bits(own: &OwnOptions) -> u32 {
    let is_timed = own.timeout_tcp.or(own.timeout_tcp_fin).or(own.timeout_udp);
    option(CONNTRACK, own.conntrack.map(u8::from))
        | option(EXPIRE_NODEST, own.expire_nodest.map(u8::from))
        | option(EXPIRE_QUIESCENT, own.expire_quiescent.map(u8::from))
        | option(FAST_PATH, own.fast_path)
        | if is_timed.is_some() { TIMED } else { 0 }
}

/// Converts a timeout to jiffies.
fn jiffies(seconds: Option<NonZero<u32>>) -> u32 {
    // It was checked (`OwnOptions::fits`).
    let jiffies = seconds.map_or(0, |seconds| seconds.get().saturating_mul(HZ));
    jiffies.min(i32::MAX as u32)
}

impl OwnValues {
    /// Creates the values of a destination that is available.
    pub(super) fn new(own: &OwnOptions) -> Self {
        Self {
            bits: Word::new(bits(own) | AVAILABLE),
            tcp: Word::new(jiffies(own.timeout_tcp)),
            tcp_fin: Word::new(jiffies(own.timeout_tcp_fin)),
            udp: Word::new(jiffies(own.timeout_udp)),
        }
    }

    /// Changes the options.
    pub(super) fn set(&self, _: &mut ConfigHeld, own: &OwnOptions) {
        self.tcp.store(jiffies(own.timeout_tcp));
        self.tcp_fin.store(jiffies(own.timeout_tcp_fin));
        self.udp.store(jiffies(own.timeout_udp));
        self.bits.store(bits(own) | self.bits.load() & AVAILABLE);
    }

    /// Sets whether the destination is available.
    pub(super) fn set_available(&self, _: &mut ConfigHeld, is_available: bool) {
        let bit = if is_available { AVAILABLE } else { 0 };
        self.bits.store(self.bits.load() & !AVAILABLE | bit);
    }

    /// Returns whether the destination is available, and its service has no options of its own.
    /// Packets ask nothing else then. One comparison.
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        self.bits.load() == AVAILABLE
    }

    /// Returns whether the destination is available.
    #[inline(always)]
    pub(crate) fn is_available(&self) -> bool {
        self.bits.load() & AVAILABLE != 0
    }

    /// Returns whether the service has timeouts of its own.
    #[inline(always)]
    pub(crate) fn is_timed(&self) -> bool {
        self.bits.load() & TIMED != 0
    }

    /// Returns the service's own timeout of a protocol's state, in jiffies.
    pub(crate) fn timeout(&self, protocol: u8, state: u8) -> Option<u32> {
        let word = match (protocol, state) {
            (TCP, tcp::ESTABLISHED) => &self.tcp,
            (TCP, tcp::FIN_WAIT) => &self.tcp_fin,
            (UDP, udp::NORMAL) => &self.udp,
            _ => return None,
        };
        let own = if self.is_timed() { word.load() } else { 0 };
        (own != 0).then_some(own)
    }

    /// Returns the value of an option, given that of the namespace.
    fn value(&self, first: u32, of_namespace: i32) -> i32 {
        match (self.bits.load() >> first) & BITS {
            0 => of_namespace,
            own => own.wrapping_sub(1) as i32,
        }
    }

    /// Returns whether new connections use conntrack (N-1).
    pub(crate) fn conntrack(&self, of_namespace: bool) -> bool {
        self.value(CONNTRACK, of_namespace.into()) != 0
    }

    /// Returns whether connections end without their destination (S-22, S-23).
    pub(crate) fn expire_nodest(&self, of_namespace: i32) -> bool {
        self.value(EXPIRE_NODEST, of_namespace) != 0
    }

    /// Returns whether templates end if the destination's weight is 0 (P-8).
    pub(crate) fn expire_quiescent(&self, of_namespace: i32) -> bool {
        self.value(EXPIRE_QUIESCENT, of_namespace) != 0
    }

    /// Returns whether the fast path takes packets, as `fast_path` has it.
    pub(crate) fn fast_path(&self, of_namespace: i32) -> i32 {
        self.value(FAST_PATH, of_namespace)
    }
}
