// SPDX-License-Identifier: GPL-2.0

//! The values of options: numbers, addresses, masks, flags.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipvs_netlink::{AddressFamily, Netmask, Protocol, ServiceFlags};

use crate::error::Error;
use crate::names::Lookup;

/// The longest timeout that the grammar takes: 31 days, in seconds.
pub const TIMEOUT_MAX: i64 = 31 * 24 * 60 * 60;

/// Reads a decimal number as strtol(3) does, blanks and a sign before it allowed.
fn decimal(text: &str) -> Option<i64> {
    let digits = text.trim_start();
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// Reads a number between two bounds, both included; `what` names it in the error.
pub fn number(text: &str, what: &str, min: i64, max: i64) -> Result<i64, Error> {
    decimal(text)
        .filter(|value| (min..=max).contains(value))
        .ok_or_else(|| {
            Error::Argument(format!(
                "{what} \"{text}\" is not a number from {min} to {max}"
            ))
        })
}

/// As [`number`], for what is 32 bits wide.
pub fn number_u32(text: &str, what: &str, min: u32, max: u32) -> Result<u32, Error> {
    let value = number(text, what, min.into(), max.into())?;
    u32::try_from(value).map_err(|_| Error::Argument(format!("{what} \"{text}\" is too great")))
}

/// As [`number`], for what is 16 bits wide.
pub fn number_u16(text: &str, what: &str, min: u16, max: u16) -> Result<u16, Error> {
    let value = number(text, what, min.into(), max.into())?;
    u16::try_from(value).map_err(|_| Error::Argument(format!("{what} \"{text}\" is too great")))
}

/// A host, and the text behind its colon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// The address, looked up where it was a name.
    pub address: IpAddr,
    /// The port, still in words.
    pub port: Option<String>,
}

/// Reads `address`, `address:port`, `name:port`, `[v6]:port` or `v6`.
pub fn host_port(text: &str, what: &str, lookup: &dyn Lookup) -> Result<HostPort, Error> {
    let wrong = |why: &str| Error::Argument(format!("{what} \"{text}\": {why}"));
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest
            .split_once(']')
            .ok_or_else(|| wrong("\"]\" is missing"))?;
        let port = rest
            .strip_prefix(':')
            .ok_or_else(|| wrong("\":port\" must follow the bracket; leave both off for none"))?;
        let address: Ipv6Addr = host
            .parse()
            .map_err(|_| wrong("only an IPv6 address goes between brackets"))?;
        return Ok(HostPort {
            address: address.into(),
            port: Some(port.to_owned()),
        });
    }
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Ok(HostPort {
            address: address.into(),
            port: None,
        });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.to_owned())),
        None => (text, None),
    };
    if host.is_empty() {
        return Err(wrong("the address is missing"));
    }
    if host.contains([':', '%', '[', ']']) {
        return Err(wrong(
            "not an address; write an IPv6 address and port as [address]:port",
        ));
    }
    let address = match ipv4(host) {
        Some(address) => address.into(),
        None => lookup
            .address(host)
            .ok_or_else(|| wrong("neither an address nor the name of a host"))?,
    };
    Ok(HostPort { address, port })
}

/// Reads a port, by number or by its name in services(5).
pub fn port(
    text: &str,
    what: &str,
    protocol: Option<Protocol>,
    lookup: &dyn Lookup,
) -> Result<u16, Error> {
    if let Some(number) = decimal(text).and_then(|number| u16::try_from(number).ok()) {
        return Ok(number);
    }
    if let Some(number) = protocol.and_then(|protocol| lookup.port(text, protocol)) {
        return Ok(number);
    }
    let known = match protocol {
        Some(protocol) => format!("nor the name of a {protocol} service"),
        None => "and names need the protocol of a service".to_owned(),
    };
    Err(Error::Argument(format!(
        "{what}: port \"{text}\" is not a number to 65535, {known}"
    )))
}

/// Reads an IPv4 address as inet_aton(3) does: one to four numbers, decimal, octal or
/// hexadecimal, of which the last fills what remains.
pub fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = text.split('.').map(ipv4_part).collect::<Option<_>>()?;
    let (last, bytes) = parts.split_last()?;
    // Three bytes at most before the last part, and the last part in the bytes that are left.
    let left = 4usize.checked_sub(bytes.len()).filter(|left| *left > 0)?;
    if left < 4 && last.checked_shr(8 * u32::try_from(left).ok()?)? != 0 {
        return None;
    }
    let mut address = *last;
    for (index, byte) in bytes.iter().enumerate() {
        let byte = u8::try_from(*byte).ok()?;
        address |= u32::from(byte) << (24 - 8 * index);
    }
    Some(Ipv4Addr::from(address))
}

/// Reads one number of an IPv4 address.
fn ipv4_part(text: &str) -> Option<u32> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (text.get(2..)?, 16),
        [b'0', _, ..] => (text.get(1..)?, 8),
        _ => (text, 10),
    };
    if digits.starts_with('+') {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

/// Reads the mask of persistence: an address for IPv4, a prefix length for IPv6.
pub fn netmask(text: &str, family: AddressFamily) -> Result<Netmask, Error> {
    match family {
        AddressFamily::Inet => ipv4(text).map(Netmask::V4).ok_or_else(|| {
            Error::Argument(format!(
                "netmask \"{text}\" is not a mask such as 255.255.255.0"
            ))
        }),
        AddressFamily::Inet6 => match decimal(text).map(u32::try_from) {
            Some(Ok(length @ 1..=128)) => Ok(Netmask::V6(length)),
            _ => Err(Error::Argument(format!(
                "netmask \"{text}\" is not a prefix length from 1 to 128, as IPv6 has"
            ))),
        },
    }
}

/// Reads a multicast group.
pub fn multicast_group(text: &str) -> Result<IpAddr, Error> {
    let address = match text.contains(':') {
        true => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        false => ipv4(text).map(IpAddr::V4),
    };
    address.filter(IpAddr::is_multicast).ok_or_else(|| {
        Error::Argument(format!(
            "--mcast-group \"{text}\" is not a multicast address"
        ))
    })
}

/// Reads the flags of a scheduler: names with commas between them.
pub fn scheduler_flags(text: &str, scheduler: &str) -> Result<ServiceFlags, Error> {
    let mut flags = ServiceFlags::default();
    for name in text.split(',').filter(|name| !name.is_empty()) {
        let (flag, owner) = match name {
            "flag-1" => (ServiceFlags::SCHEDULER_1, None),
            "flag-2" => (ServiceFlags::SCHEDULER_2, None),
            "flag-3" => (ServiceFlags::SCHEDULER_3, None),
            "sh-fallback" => (ServiceFlags::SCHEDULER_1, Some("sh")),
            "sh-port" => (ServiceFlags::SCHEDULER_2, Some("sh")),
            "mh-fallback" => (ServiceFlags::SCHEDULER_1, Some("mh")),
            "mh-port" => (ServiceFlags::SCHEDULER_2, Some("mh")),
            _ => {
                return Err(Error::Argument(format!(
                    "unknown scheduler flag \"{name}\"; there are sh-fallback, sh-port, \
                     mh-fallback, mh-port and flag-1 to flag-3"
                )))
            }
        };
        if let Some(owner) = owner.filter(|owner| *owner != scheduler) {
            return Err(Error::Argument(format!(
                "flag \"{name}\" needs the scheduler {owner}, not {scheduler}"
            )));
        }
        flags = flags.with(flag);
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::tests::Fixed;

    #[test]
    fn numbers_as_strtol_reads_them() {
        for (text, value) in [("5", 5), (" 5", 5), ("+5", 5), ("-1", -1), ("070", 70)] {
            assert_eq!(decimal(text), Some(value), "{text:?}");
        }
        for text in [
            "",
            " ",
            "5x",
            "5 ",
            "0x5",
            "+",
            "--5",
            "99999999999999999999",
            "٣",
        ] {
            assert_eq!(decimal(text), None, "{text:?}");
        }
        assert!(number("7", "weight", 0, 6).is_err());
        assert_eq!(number("6", "weight", 0, 6).unwrap(), 6);
    }

    #[test]
    fn ipv4_as_inet_aton_reads_it() {
        for (text, address) in [
            ("192.0.2.1", "192.0.2.1"),
            ("1.2.3", "1.2.0.3"),
            ("1.2", "1.0.0.2"),
            ("16909060", "1.2.3.4"),
            ("0x1020304", "1.2.3.4"),
            ("010.1.1.1", "8.1.1.1"),
            ("0", "0.0.0.0"),
            ("4294967295", "255.255.255.255"),
            ("0xffffff00", "255.255.255.0"),
            ("255.255", "255.0.0.255"),
            ("1.65535", "1.0.255.255"),
            ("1.16777215", "1.255.255.255"),
        ] {
            assert_eq!(ipv4(text), Some(address.parse().unwrap()), "{text}");
        }
        for text in [
            "",
            ".",
            "1.2.3.4.5",
            "256.1.1.1",
            "1.2.3.256",
            "1.2.65536",
            "1.16777216",
            "4294967296",
            "x",
            "1.2.3.x",
            "-1",
            "+1",
            "0x",
            "09",
            "1..2",
            " 1.2.3.4",
        ] {
            assert_eq!(ipv4(text), None, "{text}");
        }
    }

    #[test]
    fn hosts_and_ports() {
        let read = |text| host_port(text, "service", &Fixed).ok();
        let expected = |address: &str, port: Option<&str>| {
            Some(HostPort {
                address: address.parse().unwrap(),
                port: port.map(str::to_owned),
            })
        };
        assert_eq!(read("192.0.2.1:80"), expected("192.0.2.1", Some("80")));
        assert_eq!(read("192.0.2.1"), expected("192.0.2.1", None));
        assert_eq!(read("192.0.2.1:"), expected("192.0.2.1", Some("")));
        assert_eq!(
            read("[2001:db8::7]:80"),
            expected("2001:db8::7", Some("80"))
        );
        assert_eq!(read("2001:db8::7"), expected("2001:db8::7", None));
        assert_eq!(
            read("web.example.org:http"),
            expected("192.0.2.1", Some("http"))
        );
        assert_eq!(
            read("six.example.org:1"),
            expected("2001:db8::1", Some("1"))
        );
        for text in [
            "",
            ":80",
            "[2001:db8::7]",
            "[2001:db8::7",
            "[2001:db8::7]80",
            "[192.0.2.1]:80",
            "nosuch.example.org",
            "2001:db8::g",
            "fe80::1%lo",
            "[]:80",
            "1:2:3:80",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn ports() {
        let read = |text, protocol| port(text, "service", protocol, &Fixed).ok();
        assert_eq!(read("80", None), Some(80));
        assert_eq!(read(" +70", None), Some(70));
        assert_eq!(read("http", Some(Protocol::Tcp)), Some(80));
        assert_eq!(read("http", Some(Protocol::Udp)), None);
        assert_eq!(read("http", None), None);
        assert_eq!(read("65535", None), Some(65535));
        assert_eq!(read("65536", None), None);
        assert_eq!(read("-1", None), None);
        assert_eq!(read("", Some(Protocol::Tcp)), None);
    }

    #[test]
    fn netmasks() {
        use AddressFamily::{Inet, Inet6};
        assert_eq!(
            netmask("255.255.255.0", Inet).unwrap(),
            Netmask::V4(Ipv4Addr::new(255, 255, 255, 0))
        );
        assert_eq!(
            netmask("24", Inet).unwrap(),
            Netmask::V4(Ipv4Addr::new(0, 0, 0, 24))
        );
        assert_eq!(netmask("64", Inet6).unwrap(), Netmask::V6(64));
        for (text, family) in [
            ("x", Inet),
            ("", Inet),
            ("0", Inet6),
            ("129", Inet6),
            ("255.0.0.0", Inet6),
        ] {
            assert!(netmask(text, family).is_err(), "{text}");
        }
    }

    #[test]
    fn flags_of_schedulers() {
        let read = |text, scheduler| scheduler_flags(text, scheduler).ok().map(|flags| flags.0);
        assert_eq!(read("sh-port,sh-fallback", "sh"), Some(0x18));
        assert_eq!(read("flag-1,flag-3", "rr"), Some(0x28));
        assert_eq!(read("", "rr"), Some(0));
        assert_eq!(read("flag-2,,flag-2", "rr"), Some(0x10));
        assert_eq!(read("sh-port", "mh"), None);
        assert_eq!(read("flag-4", "rr"), None);
    }

    #[test]
    fn groups() {
        assert!(multicast_group("224.0.0.81").is_ok());
        assert!(multicast_group("ff02::5").is_ok());
        for text in ["192.0.2.1", "2001:db8::1", "x", "", "300.1.1.1"] {
            assert!(multicast_group(text).is_err(), "{text}");
        }
    }
}
