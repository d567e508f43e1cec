// SPDX-License-Identifier: GPL-2.0

//! Persistence engines: key data of a template in addition to the client address (behaviour.rst
//! 4.1).

use super::packet::UDP;
use super::sip;

/// A persistence engine: what tells one client from another in place of its address (P-24).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// SIP's Call-ID.
    Sip,
}

impl Engine {
    /// The engine of a name.
    pub(crate) fn by_name(name: &[u8]) -> Option<Self> {
        (name == Self::Sip.name().as_bytes()).then_some(Self::Sip)
    }

    /// Its name, as users know it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sip => "sip",
        }
    }

    /// Returns whether it looks into packets of a protocol (P-25).
    pub(crate) const fn reads(self, protocol: u8) -> bool {
        match self {
            Self::Sip => protocol == UDP,
        }
    }

    /// Returns what it goes by, at most 255 bytes; `None` where there is no such thing in a
    /// payload.
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
