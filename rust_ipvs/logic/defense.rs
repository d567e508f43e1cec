// SPDX-License-Identifier: GPL-2.0

//! Defenses against memory exhaustion: modes, rates and victims (Y-2, S-6, C-26, C-27).

use super::packet::{
    SCTP,
    TCP, //
};
use super::{
    sctp,
    tcp, //
};

/// Mode 1: enabled, not active. Low memory changes it to [`AUTO_ACTIVE`].
const AUTO_INACTIVE: i32 = 1;
/// Mode 2: active until enough memory is free again.
const AUTO_ACTIVE: i32 = 2;
/// Mode 3: always active.
const ALWAYS: i32 = 3;

/// Free memory, in pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FreePages {
    /// Free and reclaimable pages.
    pub(crate) available: u64,
    /// Threshold below which memory is low (`amemthresh`).
    pub(crate) threshold: u64,
}

impl FreePages {
    /// Returns true if memory is low, which activates the defenses of mode 1.
    pub(crate) fn is_low(self) -> bool {
        self.available < self.threshold
    }
}

/// Returns the new mode of a defense (Y-2, `update_defense_level()`).
pub(crate) fn mode(mode: i32, memory: FreePages) -> i32 {
    match mode {
        AUTO_INACTIVE if memory.is_low() => AUTO_ACTIVE,
        AUTO_ACTIVE if !memory.is_low() => AUTO_INACTIVE,
        other => other,
    }
}

/// Returns true if a defense of this mode is active.
pub(crate) fn is_active(mode: i32) -> bool {
    mode >= AUTO_ACTIVE
}

/// Returns the rate at which packets that begin a connection are dropped: every n-th one, or none
/// if 0.
///
/// In mode 2 more are dropped the less memory is free. In mode 3 the rate is `always`.
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

/// Counts down to the next packet to drop (S-6). Returns true if it is this one, and the new count.
pub(crate) fn count_down(rate: i32, left: i32) -> (bool, i32) {
    if rate == 0 {
        return (false, left);
    }
    match left.saturating_sub(1) {
        left @ 1.. => (false, left),
        _ => (true, rate),
    }
}

/// Verdict of `drop_entry` on a connection that controls no other (C-26).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DropVerdict {
    /// The connection stays.
    Keep,
    /// It is dropped if [`Quotas::takes`] returns true.
    Test,
    /// It is dropped.
    Drop,
}

/// Returns the verdict for a connection of a protocol in a state (C-26).
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

/// Maximum number of packets from the client of a connection that may be dropped.
pub(crate) const FEW: u8 = 8;
/// Minimum idle time of a connection that may be dropped, in seconds.
pub(crate) const IDLE_SECONDS: u32 = 60;

/// Countdowns to the next connection to drop, one for each number of packets (C-27,
/// `todrop_entry()`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quotas {
    left: [u8; FEW as usize],
}

impl Quotas {
    /// Returns true if a connection with that idle time and number of packets from its client is
    /// dropped: every n-th of those with n packets.
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
            // The first at once, then every n-th.
            let taken = (0..=8 * u32::from(packets)).map(|_| quotas.takes(60, packets));
            let taken: Vec<_> = taken.collect();
            assert_eq!(taken.iter().filter(|taken| **taken).count(), 9);
            assert!(taken[0] && taken[usize::from(packets)]);
        }
    }
}
