// SPDX-License-Identifier: GPL-2.0

//! Reply tuples for connection tracking (behaviour.rst 10).

use super::direction::Direction;
use super::family::{
    Endpoint,
    Family, //
};
use super::packet::{
    ICMP,
    ICMPV6, //
};

/// Address and port in the form of conntrack tuples, for both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AnyEndpoint {
    /// Address in network byte order; IPv4 in the first four bytes, followed by zeros.
    pub(crate) addr: [u8; 16],
    /// Port in host byte order; the corresponding field of an ICMP tuple.
    pub(crate) port: u16,
}

impl AnyEndpoint {
    /// Converts an endpoint of a family.
    pub(crate) fn of<F: Family>(end: &Endpoint<F>) -> Self {
        let mut addr = [0; 16];
        for (to, from) in addr.iter_mut().zip(end.addr.as_ref()) {
            *to = *from;
        }
        Self {
            addr,
            port: end.port,
        }
    }
}

/// State of a packet's conntrack entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryState {
    /// The entry is confirmed (`IPS_CONFIRMED`).
    pub(crate) confirmed: bool,
    /// The entry is being deleted (`IPS_DYING`).
    pub(crate) dying: bool,
    /// The packet is in the original direction.
    pub(crate) original: bool,
}

impl EntryState {
    /// Returns true if the reply tuple may still be changed (N-3).
    pub(crate) fn is_open(self) -> bool {
        self.original && !self.confirmed && !self.dying
    }
}

/// Returns source and destination of the replies to a connection's first packet, as NAT makes them
/// arrive at the director (N-3).
///
/// `expected` is the reply tuple without NAT. The first packet went in `direction`: to the server
/// `real`, which replies from its own address, or from it to a client, which replies to the VIP
/// `virt`.
pub(crate) fn reply(
    expected: (AnyEndpoint, AnyEndpoint),
    transport: u8,
    direction: Direction,
    virt: AnyEndpoint,
    real: AnyEndpoint,
) -> (AnyEndpoint, AnyEndpoint) {
    let (src, dst) = expected;
    let with = |was: AnyEndpoint, now: AnyEndpoint| AnyEndpoint {
        addr: now.addr,
        port: match transport {
            ICMP | ICMPV6 => was.port,
            _ => now.port,
        },
    };
    match direction {
        Direction::Output => (src, with(dst, virt)),
        Direction::Input | Direction::InputOnly => (with(src, real), dst),
    }
}

#[cfg(any(test, CONFIG_RUST_IPVS_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_RUST_IPVS_KUNIT_TEST,
    crate::kunit_tests(rust_ipvs_tracking),
    allow(unsafe_code, unused)
)]
mod tests {
    use super::super::family::{
        V4,
        V6, //
    };
    use super::super::packet::{
        SCTP,
        TCP,
        UDP, //
    };
    use super::*;

    fn v4(last: u8, port: u16) -> AnyEndpoint {
        AnyEndpoint::of::<V4>(&Endpoint {
            addr: [10, 0, 0, last],
            port,
        })
    }

    #[test]
    fn addresses_of_both_families() {
        let mut addr = [0; 16];
        addr[..4].copy_from_slice(&[10, 0, 0, 7]);
        assert_eq!(v4(7, 80), AnyEndpoint { addr, port: 80 });
        let addr = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
        assert_eq!(
            AnyEndpoint::of::<V6>(&Endpoint { addr, port: 9 }),
            AnyEndpoint { addr, port: 9 }
        );
    }

    // N-3
    #[test]
    fn replies_come_from_the_server() {
        let (client, virt, real) = (v4(1, 4000), v4(9, 80), v4(11, 8080));
        for transport in [TCP, UDP, SCTP] {
            let expected = (virt, client);
            let got = reply(expected, transport, Direction::Input, virt, real);
            assert_eq!(got, (real, client));
            let same = reply(expected, transport, Direction::InputOnly, virt, real);
            assert_eq!(same, got);
        }
    }

    // N-3
    #[test]
    fn replies_to_a_server_that_calls_go_to_the_vip() {
        let (client, virt, real) = (v4(1, 4000), v4(9, 80), v4(11, 8080));
        for transport in [TCP, UDP, SCTP] {
            let expected = (client, real);
            let got = reply(expected, transport, Direction::Output, virt, real);
            assert_eq!(got, (client, virt));
        }
    }

    // N-3
    #[test]
    fn what_icmp_has_in_place_of_ports_stays() {
        let (client, virt, real) = (v4(1, 4000), v4(9, 80), v4(11, 8080));
        for transport in [ICMP, ICMPV6] {
            let (src, dst) = reply((virt, client), transport, Direction::Input, virt, real);
            assert_eq!((src, dst), (v4(11, 80), client));
            let (src, dst) = reply((client, real), transport, Direction::Output, virt, real);
            assert_eq!((src, dst), (client, v4(9, 8080)));
        }
    }

    // N-3
    #[test]
    fn only_the_first_packet_of_a_connection_says_what_to_expect() {
        let first = EntryState {
            confirmed: false,
            dying: false,
            original: true,
        };
        assert!(first.is_open());
        for other in [
            EntryState {
                confirmed: true,
                ..first
            },
            EntryState {
                dying: true,
                ..first
            },
            EntryState {
                original: false,
                ..first
            },
        ] {
            assert!(!other.is_open());
        }
    }
}
