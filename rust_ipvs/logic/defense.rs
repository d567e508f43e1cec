// SPDX-License-Identifier: GPL-2.0

//! The defenses against running out of memory: when they act, and whom they hit (Y-2, S-6, C-26,
//! C-27).

use super::packet::{
    SCTP,
    TCP, //
};
use super::{
    sctp,
    tcp, //
};

/// The mode of a defense that stands by: low memory makes it [`ACTING`].
const AUTO_INACTIVE: i32 = 1;
/// The mode of one that acts until there is memory again.
const AUTO_ACTIVE: i32 = 2;
/// The mode of one that acts whatever there is.
const ALWAYS: i32 = 3;

/// Free memory, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FreePages {
    /// Free, or as good as free.
    pub(crate) available: u64,
    /// With less than this available, memory is low.
    pub(crate) threshold: u64,
}

impl FreePages {
    /// Returns whether the defenses that stand by have to act.
    pub(crate) fn is_low(self) -> bool {
        self.available < self.threshold
    }
}

/// The mode that a defense is in from now on (Y-2).
pub(crate) fn mode(mode: i32, memory: FreePages) -> i32 {
    match mode {
        AUTO_INACTIVE if memory.is_low() => AUTO_ACTIVE,
        AUTO_ACTIVE if !memory.is_low() => AUTO_INACTIVE,
        other => other,
    }
}

/// Returns whether a defense acts in a mode.
pub(crate) fn is_active(mode: i32) -> bool {
    mode >= AUTO_ACTIVE
}

/// Returns which of the packets that would begin a connection is dropped: every how-many-eth, 0 for
/// none.
///
/// The less memory there is, the more are dropped; in the mode that does not ask for memory,
/// `always` says.
pub(crate) fn drop_rate(mode: i32, memory: FreePages, always: i32) -> i32 {
    match mode {
        AUTO_ACTIVE => {
            let missing = memory.threshold.saturating_sub(memory.available);
            let rate = memory.threshold.checked_div(missing).unwrap_or(0);
            i32::try_from(rate).unwrap_or(i32::MAX)
        }
        ALWAYS => always,
        _ => 0,
    }
}

/// Counts down to the packet that is dropped: whether this is it, and what is left (S-6).
pub(crate) fn count_down(rate: i32, left: i32) -> (bool, i32) {
    if rate == 0 {
        return (false, left);
    }
    match left.saturating_sub(1) {
        left @ 1.. => (false, left),
        _ => (true, rate),
    }
}

/// Verdict on a connection that controls no other when entries are dropped (C-26).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DropVerdict {
    /// It stays.
    Keep,
    /// It goes if [`Quotas::takes`] it.
    Test,
    /// It goes.
    Drop,
}

/// Returns what becomes of a connection of a protocol in a state (C-26).
pub(crate) fn verdict(protocol: u8, state: u8) -> DropVerdict {
    match (protocol, state) {
        (TCP, tcp::SYN_RECV | tcp::SYNACK) => DropVerdict::Drop,
        (TCP, tcp::ESTABLISHED) => DropVerdict::Test,
        (SCTP, sctp::INIT1 | sctp::INIT) => DropVerdict::Drop,
        (SCTP, sctp::ESTABLISHED) => DropVerdict::Test,
        (TCP | SCTP, _) => DropVerdict::Keep,
        _ => DropVerdict::Test,
    }
}

/// The most packets of a client with which a connection may be dropped.
pub(crate) const FEW: u8 = 8;
/// For how many seconds a connection must have been idle to be dropped.
pub(crate) const IDLE_SECONDS: u32 = 60;

/// Counts, for each number of packets, down to the connection that is dropped (C-27).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quotas {
    left: [u8; FEW as usize],
}

impl Quotas {
    /// Returns whether a connection is dropped that was idle for so long and of whose client so
    /// many packets came: every n-th of those with n packets.
    pub(crate) fn takes(&mut self, idle_seconds: u32, packets: u8) -> bool {
        if idle_seconds < IDLE_SECONDS {
            return false;
        }
        let place = usize::from(packets).checked_sub(1);
        let Some(left) = place.and_then(|place| self.left.get_mut(place)) else {
            return false;
        };
        match left.saturating_sub(1) {
            0 => {
                *left = packets;
                true
            }
            fewer => {
                *left = fewer;
                false
            }
        }
    }
}

#[cfg(any(test, CONFIG_RUST_IPVS_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_RUST_IPVS_KUNIT_TEST,
    crate::kunit_tests(rust_ipvs_defense),
    allow(unsafe_code, unused)
)]
mod tests {
    use super::*;

    const LOW: FreePages = FreePages {
        available: 768,
        threshold: 1024,
    };
    const ENOUGH: FreePages = FreePages {
        available: 1024,
        threshold: 1024,
    };

    // Y-2
    #[test]
    fn modes_follow_memory() {
        for (before, low, enough) in [(0, 0, 0), (1, 2, 1), (2, 2, 1), (3, 3, 3)] {
            assert_eq!(mode(before, LOW), low);
            assert_eq!(mode(before, ENOUGH), enough);
        }
        assert_eq!([0, 1, 2, 3].map(is_active), [false, false, true, true]);
    }

    // Y-2, S-6
    #[test]
    fn rates_follow_what_is_missing() {
        assert_eq!(drop_rate(2, LOW, 10), 4);
        for (available, rate) in [(0, 1), (512, 2), (1023, 1024), (1024, 0), (2000, 0)] {
            let memory = FreePages { available, ..LOW };
            assert_eq!(drop_rate(2, memory, 10), rate);
        }
        assert_eq!(drop_rate(3, ENOUGH, 10), 10);
        assert_eq!(drop_rate(3, LOW, -1), -1);
        for mode in [0, 1] {
            assert_eq!(drop_rate(mode, LOW, 10), 0);
        }
        let all = FreePages {
            available: u64::MAX - 1,
            threshold: u64::MAX,
        };
        assert_eq!(drop_rate(2, all, 10), i32::MAX);
    }

    fn drops(rate: i32) -> [bool; 7] {
        let mut left = 0;
        [(); 7].map(|()| {
            let (drops, next) = count_down(rate, left);
            left = next;
            drops
        })
    }

    // S-6, A-23
    #[test]
    fn every_so_many_eth_is_dropped() {
        assert_eq!(drops(0), [false; 7]);
        assert_eq!(drops(1), [true; 7]);
        assert_eq!(drops(-5), [true; 7]);
        assert_eq!(drops(2), [true, false, true, false, true, false, true]);
        assert_eq!(drops(3), [true, false, false, true, false, false, true]);
        assert_eq!(count_down(3, i32::MIN), (true, 3));
    }

    // C-26
    #[test]
    fn half_open_connections_go_first() {
        for state in 0..=255 {
            let expected = match tcp::name(state) {
                "SYN_RECV" | "SYNACK" => DropVerdict::Drop,
                "ESTABLISHED" => DropVerdict::Test,
                _ => DropVerdict::Keep,
            };
            assert_eq!(verdict(TCP, state), expected);
            let expected = match sctp::name(state) {
                "INIT1" | "INIT" => DropVerdict::Drop,
                "ESTABLISHED" => DropVerdict::Test,
                _ => DropVerdict::Keep,
            };
            assert_eq!(verdict(SCTP, state), expected);
            assert_eq!(verdict(17, state), DropVerdict::Test);
        }
    }

    // C-27
    #[cfg(test)]
    #[test]
    fn those_with_few_packets_are_preferred() {
        let mut quotas = Quotas::default();
        for packets in [0, 9, 10, 255] {
            assert!(!quotas.takes(1000, packets));
        }
        assert!(!quotas.takes(59, 1));
        for packets in 1..=FEW {
            // The first at once, then each n-th.
            let taken = (0..=8 * u32::from(packets)).map(|_| quotas.takes(60, packets));
            let taken: Vec<_> = taken.collect();
            assert_eq!(taken.iter().filter(|taken| **taken).count(), 9);
            assert!(taken[0] && taken[usize::from(packets)]);
        }
    }
}
