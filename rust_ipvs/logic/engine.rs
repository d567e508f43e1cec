// SPDX-License-Identifier: GPL-2.0

//! Persistence engines: key data of a template in addition to the client address
//! (behaviour.rst 4.1).

use super::packet::UDP;
use super::sip;

/// Persistence engine: extracts the key that replaces the client address (P-24).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Call-ID of SIP.
    Sip,
}

impl Engine {
    /// Finds an engine by its name.
    pub(crate) fn by_name(name: &[u8]) -> Option<Self> {
        (name == Self::Sip.name().as_bytes()).then_some(Self::Sip)
    }

    /// Returns the name by which administrators select it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sip => "sip",
        }
    }

    /// Returns true if it reads packets of the protocol (P-25).
    pub(crate) const fn reads(self, protocol: u8) -> bool {
        match self {
            Self::Sip => protocol == UDP,
        }
    }

    /// Returns the key in a payload, at most 255 bytes, or `None` if there is none.
    pub(crate) fn find(self, payload: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Sip => sip::call_id(payload),
        }
    }
}

#[cfg(any(test, CONFIG_RUST_IPVS_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_RUST_IPVS_KUNIT_TEST,
    crate::kunit_tests(rust_ipvs_engine),
    allow(unsafe_code, unused)
)]
mod tests {
    use super::super::packet::TCP;
    use super::*;

    // P-24, P-25
    #[test]
    fn engines() {
        assert_eq!(Engine::by_name(b"sip"), Some(Engine::Sip));
        for name in [b"".as_slice(), b"SIP", b"si", b"sip ", b"sip\0", b"nosuch"] {
            assert_eq!(Engine::by_name(name), None);
        }
        assert_eq!(Engine::Sip.name(), "sip");
        assert!(Engine::Sip.reads(UDP) && !Engine::Sip.reads(TCP));
        let message = b"ACK x SIP/2.0\r\ni: a@b\r\n";
        assert_eq!(Engine::Sip.find(message), Some(b"a@b".as_slice()));
        assert_eq!(Engine::Sip.find(b""), None);
    }
}
