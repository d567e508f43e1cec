// SPDX-License-Identifier: GPL-2.0

//! Options of a service's own ([`OwnOptions`]) in messages.

use super::{
    super::{
        config::{
            ConfigError,
            Errno, //
        },
        own_options::{
            OwnOptions,
            FAST_PATH_MAX, //
        },
    },
    uapi::{
        service_attr,
        service_defaults, //
    },
};
use core::num::NonZero;

/// Options of a service's own in a nest, and which are to be the namespace's again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnEdit {
    given: OwnOptions,
    defaults: Option<u32>,
}

impl OwnEdit {
    /// Reads an attribute. Returns `None` if it is no such option.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a wrong length, a value out of range, or an option that is given twice.
    pub(super) fn add(&mut self, number: u16, payload: &[u8]) -> Option<Result<(), ConfigError>> {
        let given = &mut self.given;
        let number_u32 = payload.try_into().ok().map(u32::from_ne_bytes);
        let number_u8 = payload.try_into().ok().map(u8::from_ne_bytes);
        let (seconds, switch) = (number_u32.map(timeout), number_u8.map(switch));
        let result = match number {
            service_attr::TIMEOUT_TCP => put(&mut given.timeout_tcp, seconds),
            service_attr::TIMEOUT_TCP_FIN => put(&mut given.timeout_tcp_fin, seconds),
            service_attr::TIMEOUT_UDP => put(&mut given.timeout_udp, seconds),
            service_attr::CONNTRACK => put(&mut given.conntrack, switch),
            service_attr::EXPIRE_NODEST => put(&mut given.expire_nodest, switch),
            service_attr::EXPIRE_QUIESCENT => put(&mut given.expire_quiescent, switch),
            service_attr::FAST_PATH => put(&mut given.fast_path, number_u8.map(fast_path)),
            service_attr::DEFAULTS => put(&mut self.defaults, number_u32.map(Ok)),
            _ => return None,
        };
        Some(result)
    }

    /// Checks that no option is both set and reset, and that each reset is of an option.
    ///
    /// # Errors
    ///
    /// `EINVAL`.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let defaults = self.defaults.unwrap_or(0);
        if defaults & !ALL != 0 {
            return Err(invalid(c"\"defaults\" has a flag of no option"));
        }
        if defaults & present(&self.given) != 0 {
            return Err(invalid(
                c"a change both sets an option and resets it by \"defaults\"",
            ));
        }
        Ok(())
    }

    /// Returns the options of a new service.
    ///
    /// # Errors
    ///
    /// `EINVAL` if one is to be reset.
    pub(super) fn of_new(&self) -> Result<OwnOptions, ConfigError> {
        match self.defaults {
            None => Ok(self.given),
            Some(_) => Err(invalid(
                c"a new service has nothing to reset by \"defaults\"",
            )),
        }
    }

    /// Returns the options after the change of a service that has `now`: those that are given, and
    /// of the present ones those that are not reset.
    pub(super) fn of(&self, now: OwnOptions) -> OwnOptions {
        let defaults = self.defaults.unwrap_or(0);
        /// Returns one option after the change.
        fn one<T>(is_reset: bool, given: Option<T>, now: Option<T>) -> Option<T> {
            given.or(now.filter(|_| !is_reset))
        }
        macro_rules! all {
            ($($field:ident: $flag:ident),* $(,)?) => {
                OwnOptions {
                    $($field: one(
                        defaults & service_defaults::$flag != 0,
                        self.given.$field,
                        now.$field,
                    ),)*
                }
            };
        }
        all! {
            timeout_tcp: TIMEOUT_TCP,
            timeout_tcp_fin: TIMEOUT_TCP_FIN,
            timeout_udp: TIMEOUT_UDP,
            conntrack: CONNTRACK,
            expire_nodest: EXPIRE_NODEST,
            expire_quiescent: EXPIRE_QUIESCENT,
            fast_path: FAST_PATH,
        }
    }
}

/// Makes the error of an invalid request.
const fn invalid(words: &'static core::ffi::CStr) -> ConfigError {
    ConfigError::new(Errno::Invalid, words)
}

/// Flags of all options.
const ALL: u32 = service_defaults::TIMEOUT_TCP
    | service_defaults::TIMEOUT_TCP_FIN
    | service_defaults::TIMEOUT_UDP
    | service_defaults::CONNTRACK
    | service_defaults::EXPIRE_NODEST
    | service_defaults::EXPIRE_QUIESCENT
    | service_defaults::FAST_PATH;

/// Converts a timeout in seconds.
///
/// # Errors
///
/// `EINVAL` for 0, with which `IPVS_CMD_SET_CONFIG` keeps a timeout.
fn timeout(seconds: u32) -> Result<NonZero<u32>, ConfigError> {
    let words = c"a timeout of a service is not 0: leave it out, or reset it by \"defaults\"";
    NonZero::new(seconds).ok_or(invalid(words))
}

/// Converts an option that is on or off.
///
/// # Errors
///
/// `EINVAL` for a value above 1.
fn switch(value: u8) -> Result<bool, ConfigError> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(invalid(
            c"conntrack, expire-nodest and expire-quiescent are 0 or 1",
        )),
    }
}

/// Converts a value of `fast_path`.
///
/// # Errors
///
/// `EINVAL` for a value above [`FAST_PATH_MAX`].
fn fast_path(value: u8) -> Result<u8, ConfigError> {
    match value {
        0..=FAST_PATH_MAX => Ok(value),
        _ => Err(invalid(c"fast-path is 0, 1 or 2")),
    }
}

/// Stores an option; `None` is one of a wrong length.
fn put<T>(field: &mut Option<T>, value: Option<Result<T, ConfigError>>) -> Result<(), ConfigError> {
    if field.is_some() {
        return Err(invalid(c"an attribute is given twice"));
    }
    *field = Some(value.ok_or(invalid(
        c"an option of the service's own has a wrong length",
    ))??);
    Ok(())
}

/// Returns the flags of the options that are there.
fn present(options: &OwnOptions) -> u32 {
    let flags = [
        (options.timeout_tcp.is_some(), service_defaults::TIMEOUT_TCP),
        (
            options.timeout_tcp_fin.is_some(),
            service_defaults::TIMEOUT_TCP_FIN,
        ),
        (options.timeout_udp.is_some(), service_defaults::TIMEOUT_UDP),
        (options.conntrack.is_some(), service_defaults::CONNTRACK),
        (
            options.expire_nodest.is_some(),
            service_defaults::EXPIRE_NODEST,
        ),
        (
            options.expire_quiescent.is_some(),
            service_defaults::EXPIRE_QUIESCENT,
        ),
        (options.fast_path.is_some(), service_defaults::FAST_PATH),
    ];
    let there = flags.into_iter().filter(|(is_there, _)| *is_there);
    there.fold(0, |all, (_, flag)| all | flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(attributes: &[(u16, &[u8])]) -> Result<OwnEdit, ConfigError> {
        let mut edit = OwnEdit::default();
        for (number, payload) in attributes {
            edit.add(*number, payload).unwrap()?;
        }
        edit.check().map(|()| edit)
    }

    fn reset(flags: u32) -> Result<OwnEdit, ConfigError> {
        edit(&[(service_attr::DEFAULTS, &flags.to_ne_bytes())])
    }

    /// Returns options with all values.
    fn all() -> OwnOptions {
        OwnOptions {
            timeout_tcp: NonZero::new(1),
            timeout_tcp_fin: NonZero::new(2),
            timeout_udp: NonZero::new(3),
            conntrack: Some(false),
            expire_nodest: Some(true),
            expire_quiescent: Some(false),
            fast_path: Some(0),
        }
    }

    #[test]
    fn all_are_read() {
        let sent = edit(&[
            (service_attr::TIMEOUT_TCP, &1u32.to_ne_bytes()),
            (service_attr::TIMEOUT_TCP_FIN, &2u32.to_ne_bytes()),
            (service_attr::TIMEOUT_UDP, &3u32.to_ne_bytes()),
            (service_attr::CONNTRACK, &[0]),
            (service_attr::EXPIRE_NODEST, &[1]),
            (service_attr::EXPIRE_QUIESCENT, &[0]),
            (service_attr::FAST_PATH, &[0]),
        ]);
        let sent = sent.unwrap();
        assert_eq!(sent.of_new(), Ok(all()));
        assert_eq!(sent.of(OwnOptions::default()), all());
        assert!(reset(ALL).unwrap().of_new().is_err());
        assert!(OwnEdit::default().add(service_attr::STATS, &[]).is_none());
    }

    #[test]
    fn each_flag_resets_one_option() {
        assert_eq!((present(&all()), ALL), (ALL, 127));
        for bit in 0..7 {
            let flag = 1 << bit;
            let after = reset(flag).unwrap().of(all());
            assert_eq!(present(&after), ALL & !flag, "{bit}");
            for (given, is_right) in [(all(), false), (after, true)] {
                let both = OwnEdit {
                    given,
                    defaults: Some(flag),
                };
                assert_eq!(both.check().is_ok(), is_right, "{bit}");
                assert!(!is_right || both.of(all()) == after, "{bit}");
            }
        }
        assert_eq!(reset(ALL).unwrap().of(all()), OwnOptions::default());
        for bit in 7..32 {
            assert!(reset(1 << bit).is_err(), "{bit}");
        }
    }

    #[test]
    fn what_is_absent_stays() {
        let sent = edit(&[
            (service_attr::TIMEOUT_UDP, &9u32.to_ne_bytes()),
            (service_attr::FAST_PATH, &[2]),
        ]);
        let after = OwnOptions {
            timeout_udp: NonZero::new(9),
            fast_path: Some(2),
            ..all()
        };
        assert_eq!(sent.unwrap().of(all()), after);
        assert_eq!(OwnEdit::default().of(all()), all());
    }

    #[test]
    fn each_has_its_range_and_length() {
        for number in service_attr::TIMEOUT_TCP..=service_attr::TIMEOUT_UDP {
            for (seconds, is_right) in [(0, false), (1, true), (u32::MAX, true)] {
                let sent = edit(&[(number, &seconds.to_ne_bytes())]);
                assert_eq!(sent.is_ok(), is_right, "{number} {seconds}");
            }
        }
        for value in 0..=255 {
            for number in [
                service_attr::CONNTRACK,
                service_attr::EXPIRE_NODEST,
                service_attr::EXPIRE_QUIESCENT,
            ] {
                assert_eq!(edit(&[(number, &[value])]).is_ok(), value < 2, "{number}");
            }
            let sent = edit(&[(service_attr::FAST_PATH, &[value])]);
            assert_eq!(sent.is_ok(), value <= FAST_PATH_MAX, "{value}");
        }
        for number in service_attr::TIMEOUT_TCP..=service_attr::DEFAULTS {
            for length in 0..9 {
                let sent = edit(&[(number, &vec![1; length])]);
                let right = match number {
                    service_attr::CONNTRACK..=service_attr::FAST_PATH => 1,
                    _ => 4,
                };
                // 0x01010101 has flags of no option.
                let is_right = length == right && number != service_attr::DEFAULTS;
                assert_eq!(sent.is_ok(), is_right, "{number} {length}");
            }
            let one: &[u8] = match number {
                service_attr::CONNTRACK..=service_attr::FAST_PATH => &[1],
                _ => &[1, 0, 0, 0],
            };
            assert!(edit(&[(number, one)]).is_ok() || cfg!(target_endian = "big"));
            assert!(edit(&[(number, one), (number, one)]).is_err(), "{number}");
        }
    }
}
