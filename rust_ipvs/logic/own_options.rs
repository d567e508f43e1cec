// SPDX-License-Identifier: GPL-2.0

//! [`OwnOptions`]: options of a service in place of variables of its namespace.
//!
//! C IPVS has these options for a namespace only (`net.ipv4.vs.*`, `IPVS_CMD_SET_CONFIG`). Here a
//! service may have its own values; one that it does not have is that of the namespace, whenever
//! that is read.

use core::num::NonZero;

/// Options of a service's own; `None` is the namespace's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnOptions {
    /// Timeout of established TCP connections, in seconds.
    pub(crate) timeout_tcp: Option<NonZero<u32>>,
    /// Timeout of TCP connections after a FIN, in seconds.
    pub(crate) timeout_tcp_fin: Option<NonZero<u32>>,
    /// Timeout of UDP connections, in seconds.
    pub(crate) timeout_udp: Option<NonZero<u32>>,
    /// True if new connections use conntrack.
    pub(crate) conntrack: Option<bool>,
    /// True if connections end that have lost their destination (`expire_nodest_conn`).
    pub(crate) expire_nodest: Option<bool>,
    /// True if templates of a destination of weight 0 are not used (`expire_quiescent_template`).
    pub(crate) expire_quiescent: Option<bool>,
    /// Value in place of `fast_path`, at most [`FAST_PATH_MAX`].
    pub(crate) fast_path: Option<u8>,
}

// Each service has one.
const _: () = assert!(size_of::<OwnOptions>() == 20);

/// Largest value of `fast_path`.
pub(crate) const FAST_PATH_MAX: u8 = 2;

impl OwnOptions {
    /// No options of its own.
    pub(crate) const NONE: Self = Self {
        timeout_tcp: None,
        timeout_tcp_fin: None,
        timeout_udp: None,
        conntrack: None,
        expire_nodest: None,
        expire_quiescent: None,
        fast_path: None,
    };

    /// Returns whether `fast_path` is above 0, so that hooks at devices are needed for this service
    /// alone.
    pub(crate) fn wants_fast_path(&self) -> bool {
        self.fast_path.is_some_and(|value| value != 0)
    }

    /// Returns whether all timeouts are at most `INT_MAX` jiffies, the limit that C IPVS has for
    /// those of a namespace (G-14). `hz` is the number of jiffies per second.
    pub(crate) fn fits(&self, hz: u32) -> bool {
        let is_short = |own: NonZero<u32>| own.get().saturating_mul(hz) <= i32::MAX as u32;
        let timeouts = [self.timeout_tcp, self.timeout_tcp_fin, self.timeout_udp];
        timeouts.into_iter().flatten().all(is_short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_fit_into_int_max_jiffies() {
        assert!(OwnOptions::NONE.fits(250));
        for hz in [100, 250, 1000] {
            let most = i32::MAX as u32 / hz;
            for number in 0..3 {
                let with = |seconds: u32| {
                    let at = |n| NonZero::new(seconds).filter(|_| n == number);
                    OwnOptions {
                        timeout_tcp: at(0),
                        timeout_tcp_fin: at(1),
                        timeout_udp: at(2),
                        ..OwnOptions::NONE
                    }
                };
                assert!(with(most).fits(hz) && with(1).fits(hz));
                assert!(!with(most + 1).fits(hz) && !with(u32::MAX).fits(hz));
            }
        }
    }

    #[test]
    fn any_value_above_0_wants_the_fast_path() {
        let with = |fast_path| OwnOptions {
            fast_path,
            ..OwnOptions::NONE
        };
        let wants = [None, Some(0), Some(1), Some(2)].map(|value| with(value).wants_fast_path());
        assert_eq!(wants, [false, false, true, true]);
    }
}
