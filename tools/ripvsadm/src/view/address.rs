// SPDX-License-Identifier: GPL-2.0

//! Addresses with ports, and flags, as text.

use std::fmt::Write;
use std::net::IpAddr;

use ipvs_netlink::{ForwardMethod, Protocol, ServiceFlags};

use super::cell;
use crate::names::Names;

/// Maximum columns of an address with its port in a listing.
const CELL_MAX: usize = 59;

/// The width of the column; IPv4 keeps to it, IPv6 moves what follows.
pub const COLUMN: usize = 28;

/// `host:port` or `[host]:port`, by names where there are some, in full.
pub fn full_address(
    address: IpAddr,
    port: u16,
    protocol: Option<Protocol>,
    names: &dyn Names,
) -> String {
    let mut text = String::new();
    push_address(&mut text, address, port, protocol, names);
    text
}

/// Appends the same.
fn push_address(
    text: &mut String,
    address: IpAddr,
    port: u16,
    protocol: Option<Protocol>,
    names: &dyn Names,
) {
    let (open, close) = match address {
        IpAddr::V4(_) => ("", ":"),
        IpAddr::V6(_) => ("[", "]:"),
    };
    text.push_str(open);
    match (names.host(address), address) {
        (Some(name), _) => text.push_str(&name),
        (None, IpAddr::V4(address)) => cell::ipv4(text, address),
        (None, IpAddr::V6(address)) => push(text, format_args!("{address}")),
    }
    text.push_str(close);
    match names.port(port, protocol) {
        Some(name) => text.push_str(&name),
        None => cell::number(text, port.into()),
    }
}

/// Appends to a string, which cannot fail.
fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).unwrap_or_default();
}

/// Appends [`column`], filled up to the width of the column.
pub fn push_column(
    text: &mut String,
    address: IpAddr,
    port: u16,
    protocol: Option<Protocol>,
    names: &dyn Names,
) {
    let start = text.len();
    push_address(text, address, port, protocol, names);
    let limit = match address {
        IpAddr::V4(_) => COLUMN,
        IpAddr::V6(_) => CELL_MAX,
    };
    // Where the bytes fit, the characters do.
    if text.len() - start > COLUMN {
        let whole = text.split_off(start);
        let cut = cut(whole, limit);
        push(text, format_args!("{cut:<COLUMN$}"));
    } else {
        let columns = text.get(start..).map_or(0, |cell| cell.chars().count());
        cell::blanks(text, COLUMN - columns);
    }
}

/// The same, cut to [`CELL_MAX`] columns.
pub fn shortened(
    address: IpAddr,
    port: u16,
    protocol: Option<Protocol>,
    names: &dyn Names,
) -> String {
    cut(full_address(address, port, protocol, names), CELL_MAX)
}

/// The same, cut to the width of its column where it is an IPv4 address.
pub fn column(address: IpAddr, port: u16, protocol: Option<Protocol>, names: &dyn Names) -> String {
    let text = shortened(address, port, protocol, names);
    match address {
        IpAddr::V4(_) => cut(text, COLUMN),
        IpAddr::V6(_) => text,
    }
}

fn cut(mut text: String, limit: usize) -> String {
    if text.len() <= limit {
        return text;
    }
    if let Some((end, _)) = text.char_indices().nth(limit) {
        text.truncate(end);
    }
    text
}

/// The names of a scheduler's flags, with commas between them; empty where none is set. The third
/// flag of sh and mh means nothing and has no name.
pub fn flag_names(flags: ServiceFlags, scheduler: &str) -> String {
    let names: &[(ServiceFlags, &str)] = match scheduler {
        "sh" => &[
            (ServiceFlags::SCHEDULER_1, "sh-fallback"),
            (ServiceFlags::SCHEDULER_2, "sh-port"),
        ],
        "mh" => &[
            (ServiceFlags::SCHEDULER_1, "mh-fallback"),
            (ServiceFlags::SCHEDULER_2, "mh-port"),
        ],
        _ => &[
            (ServiceFlags::SCHEDULER_1, "flag-1"),
            (ServiceFlags::SCHEDULER_2, "flag-2"),
            (ServiceFlags::SCHEDULER_3, "flag-3"),
        ],
    };
    let set: Vec<&str> = names
        .iter()
        .filter(|(flag, _)| flags.contains(*flag))
        .map(|(_, name)| *name)
        .collect();
    set.join(",")
}

/// The name of a forwarding method, for programs.
pub fn forward_name(method: ForwardMethod) -> &'static str {
    match method {
        ForwardMethod::Masquerade => "masquerade",
        ForwardMethod::Local => "local",
        ForwardMethod::Tunnel => "tunnel",
        ForwardMethod::DirectRoute => "direct-route",
        ForwardMethod::Bypass => "bypass",
        ForwardMethod::Other(_) => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::tests::Fixed;
    use crate::names::Numeric;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_and_names() {
        let tcp = Some(Protocol::Tcp);
        assert_eq!(column(ip("192.0.2.1"), 80, tcp, &Numeric), "192.0.2.1:80");
        assert_eq!(
            column(ip("192.0.2.1"), 80, tcp, &Fixed),
            "web.example.org:http"
        );
        assert_eq!(
            column(ip("192.0.2.1"), 80, None, &Fixed),
            "web.example.org:80"
        );
        assert_eq!(
            column(ip("2001:db8::1"), 53, tcp, &Fixed),
            "[six.example.org]:domain"
        );
        assert_eq!(
            column(ip("2001:db8::2"), 81, tcp, &Fixed),
            "[2001:db8::2]:81"
        );
    }

    #[test]
    fn long_names_are_cut_except_for_restoring() {
        let long = ip("198.51.100.9");
        assert_eq!(
            column(long, 80, None, &Fixed),
            "a-real-server-with-quite-a-l"
        );
        assert_eq!(
            shortened(long, 80, None, &Fixed),
            "a-real-server-with-quite-a-long-name.example.org:80"
        );
        let longer = ip("2001:db8::9");
        let text = column(longer, 80, None, &Fixed);
        assert_eq!(
            text,
            "[a-real-server-with-a-name-longer-than-any-column.example.o"
        );
        assert_eq!(text.len(), 59);
        assert!(full_address(longer, 80, None, &Fixed).ends_with(".org]:80"));
    }

    #[test]
    fn flags() {
        let both = ServiceFlags::SCHEDULER_1.with(ServiceFlags::SCHEDULER_2);
        assert_eq!(flag_names(both, "sh"), "sh-fallback,sh-port");
        assert_eq!(flag_names(both, "mh"), "mh-fallback,mh-port");
        assert_eq!(flag_names(both, "rr"), "flag-1,flag-2");
        assert_eq!(flag_names(ServiceFlags::SCHEDULER_3, "sh"), "");
        assert_eq!(flag_names(ServiceFlags::SCHEDULER_3, "rr"), "flag-3");
        assert_eq!(flag_names(ServiceFlags::PERSISTENT, "sh"), "");
    }
}
