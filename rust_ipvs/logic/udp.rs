// SPDX-License-Identifier: GPL-2.0

//! UDP's one state (T-10).

/// The state of every UDP connection.
pub(crate) const NORMAL: u8 = 0;
/// Number of states.
pub(crate) const STATES: usize = 1;

/// The state after a datagram: always the same.
#[inline]
pub(crate) const fn next(_state: u8) -> u8 {
    NORMAL
}

/// Returns whether a connection in a state counts as active: UDP connections never do.
#[inline]
pub(crate) const fn active(_state: u8) -> bool {
    false
}

/// The name of a state, as /proc shows it.
pub(crate) fn name(state: u8) -> &'static str {
    match state {
        NORMAL => "UDP",
        _ => "ERR!",
    }
}

/// Time for which a connection is kept after its last packet, in seconds.
pub(crate) const DEFAULT_TIMEOUTS: [u32; STATES] = [300];

#[cfg(any(test, CONFIG_RUST_IPVS_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_RUST_IPVS_KUNIT_TEST,
    crate::kunit_tests(rust_ipvs_udp),
    allow(unsafe_code, unused)
)]
mod tests {
    use super::*;

    // T-10
    #[test]
    fn one_state() {
        assert_eq!(name(NORMAL), "UDP");
        assert_eq!(name(1), "ERR!");
        assert_eq!(DEFAULT_TIMEOUTS, [300]);
        for state in 0..=255 {
            assert_eq!(next(state), NORMAL);
            assert!(!active(state));
        }
    }
}
