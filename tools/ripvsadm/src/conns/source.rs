// SPDX-License-Identifier: GPL-2.0

//! Connections by filter, from rust_ipvs or from `/proc/net/ip_vs_conn`, which C IPVS has, too.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipvs_netlink::ripvs::{self, conn_flags, Endpoints, Filter, State};
use ipvs_netlink::{AddressFamily, Client, ForwardMethod, Transport};

use crate::connection::{self, Connection, Endpoint};
use crate::error::Error;
use crate::explain;
use crate::fetch;

/// A connection or template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The part that each IPVS shows.
    pub connection: Connection,
    /// The part that only rust_ipvs shows.
    pub more: Option<More>,
}

/// The part of a connection that `/proc/net/ip_vs_conn` does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct More {
    /// The mark of the service, if it is one by mark.
    pub mark: Option<u32>,
    /// The forwarding method.
    pub forward: ForwardMethod,
    /// Seconds since the last packet.
    pub idle: u32,
    /// Flags ([`conn_flags`]).
    pub flags: u32,
}

impl Shown {
    /// Returns whether it is a template.
    pub fn is_template(&self) -> bool {
        match &self.more {
            Some(more) => more.flags & conn_flags::TEMPLATE != 0,
            None => is_template(&self.connection),
        }
    }

    /// Returns the mark of the service, as far as it is known: C IPVS has it in templates only.
    pub fn mark(&self) -> Option<u32> {
        match &self.more {
            Some(more) => more.mark,
            None => connection::mark(&self.connection),
        }
    }
}

/// Calls `each` for each connection that a filter means. Returns `false` if one may have come more
/// than once, as the table got another hash key meanwhile.
///
/// # Errors
/// [`Error::Argument`] for a condition that C IPVS cannot tell; failures to read connections.
pub fn each<T: Transport>(
    client: &mut Client<T>,
    filter: &Filter,
    mut each: impl FnMut(Shown),
) -> Result<bool, Error> {
    match fetch::ripvs(client).map_err(explain::listing)? {
        Some(mut ripvs) => ripvs
            .each_connection(filter, |connection| each(connection.into()))
            .map_err(explain::listing),
        None => {
            of_proc(filter, &mut each)?;
            Ok(true)
        }
    }
}

/// Counts the connections that a filter means.
///
/// # Errors
/// Those of [`each`].
pub fn count<T: Transport>(client: &mut Client<T>, filter: &Filter) -> Result<u32, Error> {
    if let Some(mut ripvs) = fetch::ripvs(client).map_err(explain::listing)? {
        return ripvs.count_connections(filter).map_err(explain::listing);
    }
    let mut count = 0;
    of_proc(filter, &mut |_| count += 1)?;
    Ok(count)
}

impl From<ripvs::Connection> for Shown {
    fn from(found: ripvs::Connection) -> Self {
        of_ripvs(found)
    }
}

/// Converts a connection of rust_ipvs.
fn of_ripvs(found: ripvs::Connection) -> Shown {
    let end = |(address, port): (IpAddr, u16)| Endpoint { address, port };
    let mark = found.mark.unwrap_or(0);
    // As /proc/net/ip_vs_conn has it: a template of a mark has the mark for an address.
    let address = match found.client.0 {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(mark)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(u128::from(mark) << 96)),
    };
    Shown {
        connection: Connection {
            protocol: match found.protocol {
                0 => "IP".to_owned(),
                6 => "TCP".to_owned(),
                17 => "UDP".to_owned(),
                132 => "SCTP".to_owned(),
                other => other.to_string(),
            },
            client: end(found.client),
            virtual_server: found.vip.map_or(Endpoint { address, port: 0 }, end),
            real_server: end(found.server),
            state: found.state_name,
            expires: found.expires,
            engine: found
                .engine
                .map(|(name, key)| (name, String::from_utf8_lossy(&key).into_owned())),
        },
        more: Some(More {
            mark: found.mark,
            forward: found.forward,
            idle: found.idle,
            flags: found.flags,
        }),
    }
}

/// Reads `/proc/net/ip_vs_conn`, and calls `each` for what the filter means.
fn of_proc(filter: &Filter, each: &mut dyn FnMut(Shown)) -> Result<(), Error> {
    can_tell(filter)?;
    let cannot = |error| Error::Listing(format!("cannot read {}: {error}", connection::PATH));
    let file = File::open(connection::PATH).map_err(cannot)?;
    for line in BufReader::new(file).lines().skip(1) {
        let connection = connection::line(&line.map_err(cannot)?).map_err(Error::Listing)?;
        if is_meant(filter, &connection) {
            each(Shown {
                connection,
                more: None,
            });
        }
    }
    Ok(())
}

/// Refuses what `/proc/net/ip_vs_conn` does not show.
fn can_tell(filter: &Filter) -> Result<(), Error> {
    let missing = if filter.idle_min.or(filter.idle_max).is_some() {
        "for how long a connection has been idle"
    } else if (filter.flags | filter.without) & !conn_flags::TEMPLATE != 0 {
        "the flags of a connection"
    } else if filter.mark.is_some() {
        "the mark of a connection"
    } else {
        return Ok(());
    };
    Err(Error::Argument(format!(
        "this IPVS does not show {missing}: that needs the kernel module rust_ipvs"
    )))
}

/// Returns whether it is a template: these have no port of a client, and states of their own.
fn is_template(connection: &Connection) -> bool {
    connection.client.port == 0 && matches!(connection.state.as_str(), "NONE" | "ASSURED")
}

fn is_meant(filter: &Filter, connection: &Connection) -> bool {
    let of = |family| AddressFamily::of(&connection.client.address) == family;
    let protocol = |number| match connection.protocol.as_str() {
        "IP" => number == 0,
        "TCP" => number == 6,
        "UDP" => number == 17,
        "SCTP" => number == 132,
        _ => false,
    };
    let is_template = is_template(connection);
    let vip = match connection.protocol.as_str() {
        // A mark.
        "IP" => filter.vip == Endpoints::default(),
        _ => is_at(&filter.vip, &connection.virtual_server),
    };
    filter.family.is_none_or(of)
        && filter.protocol.is_none_or(protocol)
        && is_at(&filter.client, &connection.client)
        && vip
        && is_at(&filter.server, &connection.real_server)
        && match &filter.state {
            Some(State::Name(name)) => *name == connection.state,
            Some(State::Number(_)) | None => true,
        }
        && (filter.flags & conn_flags::TEMPLATE == 0 || is_template)
        && (filter.without & conn_flags::TEMPLATE == 0 || !is_template)
}

/// Returns whether an address and a port are those that are meant.
fn is_at(meant: &Endpoints, end: &Endpoint) -> bool {
    let same = |a: u128, b: u128, shift: u32| a.checked_shr(shift) == b.checked_shr(shift);
    let address = meant
        .network
        .is_none_or(|(of, bits)| match (of, end.address) {
            (IpAddr::V4(of), IpAddr::V4(address)) => {
                let shift = 32u32.saturating_sub(bits.into());
                same(of.to_bits().into(), address.to_bits().into(), shift)
            }
            (IpAddr::V6(of), IpAddr::V6(address)) => {
                let shift = 128u32.saturating_sub(bits.into());
                same(of.to_bits(), address.to_bits(), shift)
            }
            _ => false,
        });
    address && meant.port.is_none_or(|port| port == end.port)
}

#[cfg(test)]
mod tests {
    use super::super::filter::parse;
    use super::*;
    use crate::connection::tests::LINES;

    fn places(line: &str) -> Vec<usize> {
        let words: Vec<String> = line.split_whitespace().map(Into::into).collect();
        let filter = parse(&words).unwrap();
        can_tell(&filter).unwrap();
        let connections = connection::parse(LINES).unwrap();
        let meant = connections.iter().enumerate();
        let meant = meant.filter(|(_, connection)| is_meant(&filter, connection));
        meant.map(|(place, _)| place).collect()
    }

    #[test]
    fn what_proc_can_tell() {
        for (line, expected) in [
            ("", vec![0, 1, 2, 3, 4]),
            ("ipv6", vec![3]),
            ("ipv4 proto tcp", vec![0, 2]),
            ("client 203.0.113.5", vec![0, 1, 2, 4]),
            ("client 203.0.113.0/24:55452", vec![0]),
            ("client 0.0.0.0/0", vec![0, 1, 2, 4]),
            ("client ::/0", vec![3]),
            ("vip 192.0.2.1:80", vec![0]),
            ("vip 0.0.0.0/0", vec![0, 1, 2]),
            ("server 198.51.100.0/24", vec![0, 1, 3, 4]),
            ("server 2001:db8::/32", vec![2]),
            ("state SYN_RECV", vec![0, 2]),
            ("templates", vec![1, 4]),
            ("connections", vec![0, 2, 3]),
            ("proto ip", vec![4]),
            ("proto sctp", vec![]),
        ] {
            assert_eq!(places(line), expected, "{line}");
        }
    }

    #[test]
    fn what_proc_cannot_tell() {
        for filter in [
            Filter {
                mark: Some(1),
                ..Filter::default()
            },
            Filter {
                idle_max: Some(1),
                ..Filter::default()
            },
            Filter {
                without: conn_flags::SYNCED,
                ..Filter::default()
            },
        ] {
            let error = can_tell(&filter).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("rust_ipvs"), "{error}");
        }
    }

    #[test]
    fn a_template_of_a_mark_is_as_in_proc() {
        let found = ripvs::Connection {
            protocol: 0,
            client: ([203, 0, 113, 5].into(), 0),
            vip: None,
            server: ([198, 51, 100, 1].into(), 0),
            mark: Some(0x63),
            forward: ForwardMethod::DirectRoute,
            state: 0,
            state_name: "NONE".to_owned(),
            expires: 359,
            idle: 1,
            flags: conn_flags::TEMPLATE,
            engine: None,
        };
        let shown = of_ripvs(found);
        let connections = connection::parse(LINES).unwrap();
        assert_eq!(Some(&shown.connection), connections.last());
        assert!(shown.is_template());
        assert_eq!(shown.mark(), Some(0x63));
    }
}
