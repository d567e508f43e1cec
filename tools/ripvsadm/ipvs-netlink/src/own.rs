// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Options of a service in place of variables of its namespace, which only rust_ipvs has.

use crate::attr;
use crate::decode::DecodeError;
use crate::ripvs::uapi::{service_attr, service_defaults};

/// Options that a service has in place of the namespace's (`net.ipv4.vs.*`, and the timeouts that
/// [`Change::SetTimeouts`](crate::Change::SetTimeouts) sets). `None` is the namespace's value.
///
/// The family `RIPVS` has them, the family `IPVS` neither shows nor changes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OwnOptions {
    /// Seconds that an idle established TCP connection stays; not 0.
    pub timeout_tcp: Option<u32>,
    /// Seconds that a TCP connection stays after a FIN; not 0.
    pub timeout_tcp_fin: Option<u32>,
    /// Seconds that a UDP connection stays after a datagram; not 0.
    pub timeout_udp: Option<u32>,
    /// True if new connections use conntrack (`conntrack`).
    pub conntrack: Option<bool>,
    /// True if connections end that have lost their destination (`expire_nodest_conn`).
    pub expire_nodest: Option<bool>,
    /// True if templates of a destination of weight 0 are not used (`expire_quiescent_template`).
    pub expire_quiescent: Option<bool>,
    /// Value in place of `fast_path`, 0 to 2.
    pub fast_path: Option<u8>,
}

/// Options of a service's own to change; the others stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OwnEdit {
    /// New values.
    pub set: OwnOptions,
    /// Options that are to be the namespace's again.
    pub reset: OwnDefaults,
}

/// Names options of a service's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OwnDefaults(u32);

impl OwnDefaults {
    /// [`OwnOptions::timeout_tcp`].
    pub const TIMEOUT_TCP: Self = Self(service_defaults::TIMEOUT_TCP);
    /// [`OwnOptions::timeout_tcp_fin`].
    pub const TIMEOUT_TCP_FIN: Self = Self(service_defaults::TIMEOUT_TCP_FIN);
    /// [`OwnOptions::timeout_udp`].
    pub const TIMEOUT_UDP: Self = Self(service_defaults::TIMEOUT_UDP);
    /// [`OwnOptions::conntrack`].
    pub const CONNTRACK: Self = Self(service_defaults::CONNTRACK);
    /// [`OwnOptions::expire_nodest`].
    pub const EXPIRE_NODEST: Self = Self(service_defaults::EXPIRE_NODEST);
    /// [`OwnOptions::expire_quiescent`].
    pub const EXPIRE_QUIESCENT: Self = Self(service_defaults::EXPIRE_QUIESCENT);
    /// [`OwnOptions::fast_path`].
    pub const FAST_PATH: Self = Self(service_defaults::FAST_PATH);

    /// These and `other`.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether it names none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl OwnEdit {
    /// The change that leaves a service with these options and no others.
    pub fn all(set: OwnOptions) -> Self {
        OwnEdit {
            set,
            reset: set.absent(),
        }
    }

    /// Returns whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds its attributes to those of a service.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.set.encode(out);
        if !self.reset.is_empty() {
            attr::put(out, service_attr::DEFAULTS, &self.reset.0.to_ne_bytes());
        }
    }
}

impl OwnOptions {
    /// Returns whether all are the namespace's.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Names the options that are the namespace's.
    fn absent(&self) -> OwnDefaults {
        let all = [
            (self.timeout_tcp.is_none(), OwnDefaults::TIMEOUT_TCP),
            (self.timeout_tcp_fin.is_none(), OwnDefaults::TIMEOUT_TCP_FIN),
            (self.timeout_udp.is_none(), OwnDefaults::TIMEOUT_UDP),
            (self.conntrack.is_none(), OwnDefaults::CONNTRACK),
            (self.expire_nodest.is_none(), OwnDefaults::EXPIRE_NODEST),
            (
                self.expire_quiescent.is_none(),
                OwnDefaults::EXPIRE_QUIESCENT,
            ),
            (self.fast_path.is_none(), OwnDefaults::FAST_PATH),
        ];
        let absent = all.into_iter().filter(|(is_absent, _)| *is_absent);
        absent.fold(OwnDefaults::default(), |names, (_, name)| names.with(name))
    }

    /// Adds the attributes of those that are there.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for (number, timeout) in [
            (service_attr::TIMEOUT_TCP, self.timeout_tcp),
            (service_attr::TIMEOUT_TCP_FIN, self.timeout_tcp_fin),
            (service_attr::TIMEOUT_UDP, self.timeout_udp),
        ] {
            if let Some(timeout) = timeout {
                attr::put(out, number, &timeout.to_ne_bytes());
            }
        }
        for (number, value) in [
            (service_attr::CONNTRACK, self.conntrack.map(u8::from)),
            (
                service_attr::EXPIRE_NODEST,
                self.expire_nodest.map(u8::from),
            ),
            (
                service_attr::EXPIRE_QUIESCENT,
                self.expire_quiescent.map(u8::from),
            ),
            (service_attr::FAST_PATH, self.fast_path),
        ] {
            if let Some(value) = value {
                attr::put(out, number, &[value]);
            }
        }
    }

    /// Reads an attribute of a service, if it is one of these.
    ///
    /// # Errors
    /// [`DecodeError`] for a wrong length.
    pub(crate) fn read(&mut self, number: u16, payload: &[u8]) -> Result<(), DecodeError> {
        const NAME: &str = "an option of a service (RIPVS_SERVICE_*)";
        let seconds = || attr::read_u32(payload, NAME).map(Some);
        let switch = || attr::read_u8(payload, NAME).map(|value| Some(value != 0));
        match number {
            service_attr::TIMEOUT_TCP => self.timeout_tcp = seconds()?,
            service_attr::TIMEOUT_TCP_FIN => self.timeout_tcp_fin = seconds()?,
            service_attr::TIMEOUT_UDP => self.timeout_udp = seconds()?,
            service_attr::CONNTRACK => self.conntrack = switch()?,
            service_attr::EXPIRE_NODEST => self.expire_nodest = switch()?,
            service_attr::EXPIRE_QUIESCENT => self.expire_quiescent = switch()?,
            service_attr::FAST_PATH => self.fast_path = Some(attr::read_u8(payload, NAME)?),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::attributes;
    use crate::attr::tests::filled;

    fn all() -> OwnOptions {
        OwnOptions {
            timeout_tcp: Some(1),
            timeout_tcp_fin: Some(2),
            timeout_udp: Some(3),
            conntrack: Some(false),
            expire_nodest: Some(true),
            expire_quiescent: Some(false),
            fast_path: Some(2),
        }
    }

    fn read(nest: &[u8]) -> Result<OwnOptions, DecodeError> {
        let mut own = OwnOptions::default();
        for attribute in attributes(nest, "test") {
            let (number, payload) = attribute?;
            own.read(number, payload)?;
        }
        Ok(own)
    }

    #[test]
    fn options_come_back() {
        for own in [all(), OwnOptions::default()] {
            assert_eq!(read(&filled(|out| own.encode(out))).unwrap(), own);
        }
        let short = filled(|out| attr::put(out, service_attr::TIMEOUT_TCP, &[1, 0]));
        assert!(read(&short).is_err());
    }

    #[test]
    fn what_is_not_set_is_reset() {
        assert_eq!(OwnEdit::all(OwnOptions::default()).reset, OwnDefaults(127));
        assert!(OwnEdit::all(all()).reset.is_empty());
        let some = OwnOptions {
            conntrack: None,
            ..all()
        };
        let edit = OwnEdit::all(some);
        assert_eq!(edit.reset, OwnDefaults::CONNTRACK);
        let last = attributes(&filled(|out| edit.encode(out)), "test")
            .map(|attribute| attribute.unwrap().0)
            .last();
        assert_eq!(last, Some(service_attr::DEFAULTS));
        assert!(OwnEdit::default().is_empty() && !edit.is_empty());
    }
}
