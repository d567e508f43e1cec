// SPDX-License-Identifier: GPL-2.0

//! ICMP errors about tunnels, as the sender of the inner packet gets them (RFC 2473, section 8;
//! I-5).

use super::{
    super::config::AddressFamily,
    Message,
    FRAGMENTATION_NEEDED,
    TIME_EXCEEDED,
    UNREACHABLE, //
};

/// Code of [`UNREACHABLE`]: host unreachable.
const HOST: u8 = 1;
/// Code of [`UNREACHABLE`]: communication administratively prohibited (RFC 1812).
const PROHIBITED: u8 = 13;
/// Codes of [`UNREACHABLE`] with the same meaning for a network and for a host (RFC 1122).
const PROHIBITED_BEFORE: [u8; 2] = [9, 10];

/// ICMPv6 type: destination unreachable.
const V6_UNREACHABLE: u8 = 1;
/// Code of [`V6_UNREACHABLE`]: communication administratively prohibited.
const V6_PROHIBITED: u8 = 1;
/// Code of [`V6_UNREACHABLE`]: address unreachable.
const V6_ADDRESS: u8 = 3;
/// ICMPv6 type: packet too big.
const V6_TOO_BIG: u8 = 2;
/// ICMPv6 type: time exceeded.
const V6_TIME_EXCEEDED: u8 = 3;

/// Returns the path MTU in bytes that an error about a packet of a family reports, or `None` if it
/// is another error.
pub(crate) fn path_mtu(outer: AddressFamily, message: &Message) -> Option<u32> {
    match (outer, message.kind, message.code) {
        (AddressFamily::V4, UNREACHABLE, FRAGMENTATION_NEEDED) => Some(message.info & 0xffff),
        (AddressFamily::V6, V6_TOO_BIG, _) => Some(message.info),
        _ => None,
    }
}

/// Returns the error that reports a path MTU of the tunnel to the sender of the inner packet.
/// `mtu` is that of the outer packets, of which `headers` bytes precede the inner packet.
pub(crate) fn too_big(inner: AddressFamily, mtu: u32, headers: u32) -> Message {
    let (rest, least) = (mtu.saturating_sub(headers), inner.least_mtu());
    match inner {
        AddressFamily::V4 => Message {
            kind: UNREACHABLE,
            code: FRAGMENTATION_NEEDED,
            // A tunnel that leaves less than any network must carry is reported as it is.
            info: if rest > least { rest } else { mtu },
        },
        AddressFamily::V6 => Message {
            kind: V6_TOO_BIG,
            code: 0,
            // The sender need not cut packets any smaller.
            info: rest.max(least),
        },
    }
}

/// Returns the error for the sender of the inner packet, given one about the outer packet that does
/// not concern its size; `None` if it means nothing to that sender.
pub(crate) fn relay(
    outer: AddressFamily,
    inner: AddressFamily,
    message: &Message,
) -> Option<Message> {
    use AddressFamily::{
        V4,
        V6, //
    };
    let Message { kind, code, .. } = *message;
    let (kind, code) = match (outer, inner) {
        (V4, V4) => return Some(*message),
        (V6, V6) => match kind {
            V6_UNREACHABLE | V6_TIME_EXCEEDED => (kind, code),
            _ => return None,
        },
        (V6, V4) => match (kind, code) {
            (V6_UNREACHABLE, V6_PROHIBITED) => (UNREACHABLE, PROHIBITED),
            (V6_UNREACHABLE, _) => (UNREACHABLE, HOST),
            (V6_TIME_EXCEEDED, code) => (TIME_EXCEEDED, code),
            _ => return None,
        },
        (V4, V6) => match (kind, code) {
            (UNREACHABLE, PROHIBITED) => (V6_UNREACHABLE, V6_PROHIBITED),
            (UNREACHABLE, code) if PROHIBITED_BEFORE.contains(&code) => {
                (V6_UNREACHABLE, V6_PROHIBITED)
            }
            (UNREACHABLE, _) => (V6_UNREACHABLE, V6_ADDRESS),
            (TIME_EXCEEDED, code) => (V6_TIME_EXCEEDED, code),
            _ => return None,
        },
    };
    Some(Message {
        kind,
        code,
        info: 0,
    })
}

#[cfg(any(test, CONFIG_RUST_IPVS_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_RUST_IPVS_KUNIT_TEST,
    crate::kunit_tests(rust_ipvs_icmp_relay),
    allow(unsafe_code, unused)
)]
mod tests {
    use super::{
        AddressFamily::{
            V4,
            V6, //
        },
        *,
    };

    fn message(kind: u8, code: u8, info: u32) -> Message {
        Message { kind, code, info }
    }

    // I-5
    #[test]
    fn sizes() {
        assert_eq!(path_mtu(V4, &message(3, 4, 0xabcd_0578)), Some(1400));
        assert_eq!(path_mtu(V4, &message(3, 1, 1400)), None);
        assert_eq!(path_mtu(V4, &message(2, 0, 1400)), None);
        assert_eq!(path_mtu(V6, &message(2, 0, 70_000)), Some(70_000));
        assert_eq!(path_mtu(V6, &message(3, 4, 1400)), None);

        assert_eq!(too_big(V4, 1400, 20), message(3, 4, 1380));
        assert_eq!(too_big(V4, 1400, 40), message(3, 4, 1360));
        assert_eq!(too_big(V4, 88, 20), message(3, 4, 88));
        assert_eq!(too_big(V4, 89, 20), message(3, 4, 69));
        assert_eq!(too_big(V4, 0, 20), message(3, 4, 0));
        assert_eq!(too_big(V6, 1400, 40), message(2, 0, 1360));
        assert_eq!(too_big(V6, 1280, 40), message(2, 0, 1280));
        assert_eq!(too_big(V6, 0, u32::MAX), message(2, 0, 1280));
    }

    // I-5
    #[test]
    fn other_errors() {
        for (outer, inner, given, expected) in [
            (V4, V4, message(4, 0, 7), Some(message(4, 0, 7))),
            (V4, V4, message(11, 1, 0), Some(message(11, 1, 0))),
            (V6, V6, message(1, 5, 9), Some(message(1, 5, 0))),
            (V6, V6, message(3, 0, 0), Some(message(3, 0, 0))),
            (V6, V6, message(4, 1, 40), None),
            (V6, V4, message(1, 0, 0), Some(message(3, 1, 0))),
            (V6, V4, message(1, 1, 0), Some(message(3, 13, 0))),
            (V6, V4, message(3, 0, 0), Some(message(11, 0, 0))),
            (V6, V4, message(4, 0, 0), None),
            (V4, V6, message(3, 1, 0), Some(message(1, 3, 0))),
            (V4, V6, message(3, 10, 0), Some(message(1, 1, 0))),
            (V4, V6, message(3, 13, 0), Some(message(1, 1, 0))),
            (V4, V6, message(11, 0, 0), Some(message(3, 0, 0))),
            (V4, V6, message(4, 0, 0), None),
        ] {
            let found = relay(outer, inner, &given);
            assert_eq!(found, expected);
        }
    }
}
