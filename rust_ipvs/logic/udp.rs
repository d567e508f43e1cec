// SPDX-License-Identifier: GPL-2.0

//! The only state of UDP connections (T-10).

/// State of every UDP connection.
pub(crate) const NORMAL: u8 = 0;
/// Number of states.
pub(crate) const STATES: usize = 1;

/// Returns the state after a datagram, which is always the same.
#[inline]
pub(crate) const fn next(_state: u8) -> u8 {
    NORMAL
}

/// Returns true if a connection in this state counts as active, which UDP connections never do.
#[inline]
pub(crate) const fn active(_state: u8) -> bool {
    false
}

/// Returns the name of a state in /proc.
pub(crate) fn name(state: u8) -> &'static str {
    match state {
        NORMAL => "UDP",
        _ => "ERR!",
    }
}

/// Timeouts by state, in seconds since the last packet.
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
