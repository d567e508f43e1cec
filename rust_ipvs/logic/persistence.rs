// SPDX-License-Identifier: GPL-2.0

//! Keys of templates (behaviour.rst 4).
//!
//! A template binds a network of clients to a destination. Its key determines its scope: one port
//! of a VIP, the ports of an FTP session, all ports, or all packets with a firewall mark.
//!
//! ```text
//! service     form      protocol     client          virtual          destination
//! VIP:port    Port      packet's     network, 0      VIP, port        its address, its port
//! VIP:21      Ftp       TCP          network, 0      VIP, 0           its address, 0
//! VIP:0       AllPorts  packet's     network, 0      VIP, 0           its address, 0
//! mark        Mark      0            network, 0      mark, 0          its address, 0
//! ```
//!
//! C IPVS uses one key for `Ftp` and `AllPorts`, so a client of a VIP that has both kinds of
//! service may get a destination of the other one (Q-4). Here the form is part of the key.

use super::config::ServiceKey;
use super::family::{
    Endpoint,
    Family, //
};
use super::ftp::FTP_PORT;

/// Scope of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyForm {
    /// One port of a VIP.
    Port = 0,
    /// FTP control connections to a VIP, and the data connections that may belong to them.
    Ftp = 1,
    /// All ports of a VIP for one protocol.
    AllPorts = 2,
    /// All packets with a firewall mark, whatever their protocol.
    Mark = 3,
}

/// Key of a template (P-3). The client's port is always 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TemplateKey<F: Family> {
    /// Its scope.
    pub(crate) form: KeyForm,
    /// Protocol of the packet; 0 for a service by mark.
    pub(crate) protocol: u8,
    /// Network of the client.
    pub(crate) client: F::Addr,
    /// The VIP and, for [`KeyForm::Port`], its port. For a service by mark the mark in the first 32
    /// bits.
    pub(crate) virt: Endpoint<F>,
}

impl<F: Family> TemplateKey<F> {
    /// Makes the key for a packet of a service, whose netmask is as in
    /// [`ServiceSpec`](super::config::ServiceSpec).
    ///
    /// `client` is the packet's source and `virt` its destination. A service by mark has one form
    /// for every port (C IPVS makes an exception of port 0, P-5).
    pub(crate) fn new(
        service: &ServiceKey,
        netmask: u32,
        protocol: u8,
        client: F::Addr,
        virt: Endpoint<F>,
    ) -> Self {
        let whole_vip = Endpoint {
            addr: virt.addr,
            port: 0,
        };
        let (form, protocol, virt) = match *service {
            ServiceKey::Mark(mark) => (
                KeyForm::Mark,
                0,
                Endpoint {
                    addr: F::of_mark(mark),
                    port: 0,
                },
            ),
            ServiceKey::Address { port: FTP_PORT, .. } => (KeyForm::Ftp, protocol, whole_vip),
            ServiceKey::Address { port: 0, .. } => (KeyForm::AllPorts, protocol, whole_vip),
            ServiceKey::Address { .. } => (KeyForm::Port, protocol, virt),
        };
        Self {
            form,
            protocol,
            client: F::masked(client, netmask),
            virt,
        }
    }

    /// Returns the client's address and port as they are in the connection table.
    pub(crate) fn client(&self) -> Endpoint<F> {
        Endpoint {
            addr: self.client,
            port: 0,
        }
    }

    /// Returns the destination port to store in the template, given the destination's own (P-3).
    pub(crate) fn destination_port(&self, port: u16) -> u16 {
        match self.form {
            KeyForm::Port => port,
            _ => 0,
        }
    }
}

/// Returns the destination port of a persistent connection (P-10).
///
/// `port` is the port of the packet, `destination` that of the destination, 0 for any. Only packets
/// to the service's own port are translated; others that the service takes keep their port.
pub(crate) fn connection_port(service: &ServiceKey, port: u16, destination: u16) -> u16 {
    match *service {
        ServiceKey::Address { port: own, .. } if own == port && destination != 0 => destination,
        _ => port,
    }
}

#[cfg(any(test, CONFIG_RUST_IPVS_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_RUST_IPVS_KUNIT_TEST,
    crate::kunit_tests(rust_ipvs_persistence),
    allow(unsafe_code, unused)
)]
mod tests {
    use super::super::config::Ip;
    use super::super::family::{V4, V6};
    use super::*;

    const VIP: [u8; 4] = [192, 0, 2, 1];
    const CLIENT: [u8; 4] = [203, 0, 113, 77];
    const HOST: u32 = u32::MAX;
    const TCP: u8 = 6;
    const UDP: u8 = 17;

    fn at(port: u16) -> ServiceKey {
        ServiceKey::Address {
            protocol: TCP.into(),
            addr: Ip::V4(VIP),
            port,
        }
    }

    fn key(service: ServiceKey, netmask: u32, protocol: u8, port: u16) -> TemplateKey<V4> {
        let virt = Endpoint { addr: VIP, port };
        TemplateKey::new(&service, netmask, protocol, CLIENT, virt)
    }

    fn mask(bytes: [u8; 4]) -> u32 {
        u32::from_ne_bytes(bytes)
    }

    // P-3
    #[test]
    fn one_port() {
        let key = key(at(80), HOST, TCP, 80);
        assert_eq!(
            (key.form, key.protocol, key.client),
            (KeyForm::Port, TCP, CLIENT)
        );
        assert_eq!((key.virt.addr, key.virt.port), (VIP, 80));
        assert_eq!(key.client().port, 0);
        assert_eq!(key.destination_port(8080), 8080);
        assert_eq!(key.destination_port(0), 0);
    }

    // P-3, V-2
    #[test]
    fn ftp_has_one_key_for_control_and_data() {
        let control = key(at(21), HOST, TCP, 21);
        assert_eq!((control.form, control.protocol), (KeyForm::Ftp, TCP));
        assert_eq!((control.virt.addr, control.virt.port), (VIP, 0));
        assert_eq!(control.destination_port(2121), 0);
        for port in [20, 1024, 50000] {
            assert_eq!(key(at(21), HOST, TCP, port), control);
        }
    }

    // P-3
    #[test]
    fn all_ports_of_a_protocol() {
        let one = key(at(0), HOST, TCP, 80);
        assert_eq!((one.form, one.virt.port), (KeyForm::AllPorts, 0));
        assert_eq!(key(at(0), HOST, TCP, 65535), one);
        assert_eq!(key(at(0), HOST, TCP, 0), one);
        assert_ne!(key(at(0), HOST, UDP, 80), one);
        assert_eq!(one.destination_port(80), 0);
    }

    // P-4, Q-4
    #[test]
    fn ftp_and_all_ports_do_not_meet() {
        let (ftp, all) = (key(at(21), HOST, TCP, 21), key(at(0), HOST, TCP, 21));
        // Their fields are equal, their forms differ.
        assert_eq!(
            (ftp.protocol, ftp.client, ftp.virt),
            (all.protocol, all.client, all.virt)
        );
        assert_ne!(ftp, all);
    }

    // P-3, P-5
    #[test]
    fn marks_gather_protocols_addresses_and_ports() {
        let service = ServiceKey::Mark(0x0102_0304);
        let one = key(service, HOST, TCP, 80);
        assert_eq!((one.form, one.protocol), (KeyForm::Mark, 0));
        assert_eq!((one.virt.addr, one.virt.port), ([1, 2, 3, 4], 0));
        assert_eq!(one.destination_port(8080), 0);
        for (protocol, port) in [(TCP, 443), (UDP, 53), (TCP, 0)] {
            assert_eq!(key(service, HOST, protocol, port), one);
        }
        let elsewhere = Endpoint {
            addr: [192, 0, 2, 99],
            port: 80,
        };
        assert_eq!(
            TemplateKey::<V4>::new(&service, HOST, TCP, CLIENT, elsewhere),
            one
        );
        assert_ne!(key(ServiceKey::Mark(5), HOST, TCP, 80), one);
        let virt = Endpoint {
            addr: [0; 16],
            port: 80,
        };
        let six = TemplateKey::<V6>::new(&service, 128, TCP, [7; 16], virt);
        let mut addr = [0; 16];
        addr[..4].copy_from_slice(&[1, 2, 3, 4]);
        assert_eq!((six.virt.addr, six.client), (addr, [7; 16]));
    }

    // P-2
    #[test]
    fn ipv4_netmasks() {
        for (netmask, network) in [
            ([255, 255, 255, 255], [203, 0, 113, 77]),
            ([255, 255, 255, 0], [203, 0, 113, 0]),
            ([255, 255, 255, 192], [203, 0, 113, 64]),
            ([255, 255, 0, 0], [203, 0, 0, 0]),
            // Any mask is taken, also one with holes.
            ([0, 0, 0, 255], [0, 0, 0, 77]),
            ([0, 0, 0, 0], [0, 0, 0, 0]),
        ] {
            assert_eq!(key(at(80), mask(netmask), TCP, 80).client, network);
        }
    }

    // P-2
    #[test]
    fn ipv6_prefixes() {
        let client = [0xff; 16];
        let of = |netmask| {
            let virt = Endpoint {
                addr: [0; 16],
                port: 80,
            };
            TemplateKey::<V6>::new(&at(80), netmask, TCP, client, virt).client
        };
        assert_eq!(of(128), client);
        assert_eq!(u128::from_be_bytes(of(64)), u128::from(u64::MAX) << 64);
        assert_eq!(
            u128::from_be_bytes(of(61)),
            (u128::from(u64::MAX) << 64) & (u128::MAX << 67)
        );
        assert_eq!(u128::from_be_bytes(of(1)), 1 << 127);
        assert_eq!(u128::from_be_bytes(of(127)), u128::MAX << 1);
        // Configuration rejects these; none may cause a panic.
        assert_eq!(of(0), [0; 16]);
        assert_eq!(of(129), client);
        assert_eq!(of(u32::MAX), client);
    }

    // P-10, Q-5
    #[test]
    fn ports_at_the_destination() {
        assert_eq!(connection_port(&at(80), 80, 8080), 8080);
        assert_eq!(connection_port(&at(80), 80, 0), 80);
        assert_eq!(connection_port(&at(21), 21, 2121), 2121);
        assert_eq!(connection_port(&at(21), 40000, 2121), 40000);
        assert_eq!(connection_port(&at(0), 443, 8080), 443);
        assert_eq!(connection_port(&ServiceKey::Mark(7), 443, 8080), 443);
        assert_eq!(connection_port(&ServiceKey::Mark(7), 0, 8080), 0);
    }
}
