// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Filters of connections (`RIPVS_FILTER_*`).

use std::net::IpAddr;

use super::uapi::{filter_attr, msg_attr};
use crate::attr;
use crate::family::AddressFamily;

/// An address, or all addresses with a prefix, and a port, as far as they are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// The address, with the number of its first bits that count.
    pub network: Option<(IpAddr, u8)>,
    /// The port.
    pub port: Option<u16>,
}

/// The state of a connection, by number or by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The number in the filter's protocol.
    Number(u8),
    /// The name in `/proc/net/ip_vs_conn`.
    Name(String),
}

/// The connections and templates that have all that is given; by default all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The family of client and VIP.
    pub family: Option<AddressFamily>,
    /// The protocol number; 0 is that of templates of a service by mark.
    pub protocol: Option<u8>,
    /// The client.
    pub client: Endpoints,
    /// The VIP.
    pub vip: Endpoints,
    /// The destination.
    pub server: Endpoints,
    /// The mark of the service; not 0.
    pub mark: Option<u32>,
    /// The state.
    pub state: Option<State>,
    /// The flags ([`super::conn_flags`]) that are set.
    pub flags: u32,
    /// The flags that are not set.
    pub without: u32,
    /// The least number of seconds without a packet.
    pub idle_min: Option<u32>,
    /// The greatest number of seconds without a packet.
    pub idle_max: Option<u32>,
}

impl Filter {
    /// Returns whether it means all connections.
    pub fn is_empty(&self) -> bool {
        *self == Filter::default()
    }

    /// Adds the attribute of a request; none if it means all.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        if !self.is_empty() {
            attr::put_nest(out, msg_attr::FILTER, |out| self.fields(out));
        }
    }

    fn fields(&self, out: &mut Vec<u8>) {
        if let Some(family) = self.family {
            attr::put(out, filter_attr::AF, &u16::from(family).to_ne_bytes());
        }
        if let Some(protocol) = self.protocol {
            let protocol = u16::from(protocol).to_ne_bytes();
            attr::put(out, filter_attr::PROTOCOL, &protocol);
        }
        for (end, address, prefix, port) in [
            (
                &self.client,
                filter_attr::CLIENT_ADDR,
                filter_attr::CLIENT_PREFIX,
                filter_attr::CLIENT_PORT,
            ),
            (
                &self.vip,
                filter_attr::VIP_ADDR,
                filter_attr::VIP_PREFIX,
                filter_attr::VIP_PORT,
            ),
            (
                &self.server,
                filter_attr::SERVER_ADDR,
                filter_attr::SERVER_PREFIX,
                filter_attr::SERVER_PORT,
            ),
        ] {
            if let Some((of, length)) = end.network {
                match of {
                    IpAddr::V4(of) => attr::put(out, address, &of.octets()),
                    IpAddr::V6(of) => attr::put(out, address, &of.octets()),
                }
                attr::put(out, prefix, &[length]);
            }
            if let Some(number) = end.port {
                attr::put(out, port, &number.to_be_bytes());
            }
        }
        match &self.state {
            Some(State::Number(number)) => attr::put(out, filter_attr::STATE, &[*number]),
            Some(State::Name(name)) => attr::put_str(out, filter_attr::STATE_NAME, name),
            None => {}
        }
        let mask = self.flags | self.without;
        for (number, value) in [
            (filter_attr::FWMARK, self.mark),
            (filter_attr::FLAGS, (mask != 0).then_some(self.flags)),
            (filter_attr::FLAGS_MASK, (mask != 0).then_some(mask)),
            (filter_attr::IDLE_MIN, self.idle_min),
            (filter_attr::IDLE_MAX, self.idle_max),
        ] {
            if let Some(value) = value {
                attr::put(out, number, &value.to_ne_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::tests::filled;

    #[test]
    fn all_is_no_attribute() {
        assert_eq!(filled(|out| Filter::default().encode(out)), []);
    }

    #[test]
    fn what_is_given_is_in_the_nest() {
        let filter = Filter {
            family: Some(AddressFamily::Inet),
            protocol: Some(6),
            client: Endpoints {
                network: Some(([10, 0, 0, 0].into(), 8)),
                port: Some(80),
            },
            state: Some(State::Name("CLOSE".to_string())),
            flags: 4,
            without: 1,
            idle_min: Some(7),
            ..Filter::default()
        };
        let expected = filled(|out| {
            attr::put_nest(out, 11, |out| {
                attr::put(out, 1, &2u16.to_ne_bytes());
                attr::put(out, 2, &6u16.to_ne_bytes());
                attr::put(out, 3, &[10, 0, 0, 0]);
                attr::put(out, 4, &[8]);
                attr::put(out, 5, &[0, 80]);
                attr::put(out, 14, b"CLOSE\0");
                attr::put(out, 15, &4u32.to_ne_bytes());
                attr::put(out, 16, &5u32.to_ne_bytes());
                attr::put(out, 17, &7u32.to_ne_bytes());
            });
        });
        assert_eq!(filled(|out| filter.encode(out)), expected);
    }
}
