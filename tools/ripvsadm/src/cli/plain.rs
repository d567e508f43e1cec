// SPDX-License-Identifier: GPL-2.0

//! Plain rules, read directly: `-A` with a scheduler, `-a` with method and weight, as `-S -n` and
//! `export` write nearly all of their lines.
//!
//! A file of rules has tens of thousands of these, and the grammar takes a command line apart with
//! care and at length. Whatever is not written exactly so is left to it, errors among that; what is
//! read here is read as the grammar reads it, which a test compares.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipvs_netlink::{
    AddressFamily, Change, Destination, ForwardMethod, Protocol, Service, ServiceId,
};

/// The greatest weight, as in the grammar.
const WEIGHT_MAX: u32 = i32::MAX.unsigned_abs();

/// Reads a line; `None` if it is for [`parse`](super::parse).
pub fn read(line: &[u8]) -> Option<Change> {
    let (command, rest) = word(line)?;
    match command {
        b"-A" => service(rest).map(Change::AddService),
        b"-a" => {
            let (id, server) = server(rest)?;
            Some(Change::AddDestination(id, server))
        }
        _ => None,
    }
}

/// Splits the first word off, and the space behind it.
fn word(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = line.iter().position(|byte| *byte == b' ');
    let (word, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.get(1..).unwrap_or_default();
    (!word.is_empty()).then_some((word, rest))
}

fn service_id(line: &[u8]) -> Option<(ServiceId, &[u8])> {
    let (option, rest) = word(line)?;
    let protocol = match option {
        b"-t" => Protocol::Tcp,
        b"-u" => Protocol::Udp,
        _ => return None,
    };
    let (text, rest) = word(rest)?;
    let (address, port) = endpoint(text)?;
    // All ports is for persistent services.
    let id = ServiceId::address(protocol, address, port);
    (port != 0).then_some((id, rest))
}

/// `-t ADDRESS:PORT -s SCHEDULER`
fn service(line: &[u8]) -> Option<Service> {
    let (id, rest) = service_id(line)?;
    let (b"-s", rest) = word(rest)? else {
        return None;
    };
    let (scheduler, b"") = word(rest)? else {
        return None;
    };
    let is_plain = scheduler.iter().all(u8::is_ascii_lowercase);
    let name = std::str::from_utf8(scheduler).ok().filter(|_| is_plain)?;
    Some(Service::new(id, name))
}

/// `-t ADDRESS:PORT -r ADDRESS:PORT METHOD -w WEIGHT`
fn server(line: &[u8]) -> Option<(ServiceId, Destination)> {
    let (id, rest) = service_id(line)?;
    let ServiceId::Address { port: at, .. } = id else {
        return None;
    };
    let (b"-r", rest) = word(rest)? else {
        return None;
    };
    let (text, rest) = word(rest)?;
    let (address, port) = endpoint(text)?;
    let (method, rest) = word(rest)?;
    let forward = match method {
        b"-m" => ForwardMethod::Masquerade,
        b"-g" => ForwardMethod::DirectRoute,
        b"-i" => ForwardMethod::Tunnel,
        _ => return None,
    };
    let is_tunnel = forward == ForwardMethod::Tunnel;
    if !is_tunnel && id.family() != AddressFamily::of(&address) {
        return None;
    }
    let (b"-w", rest) = word(rest)? else {
        return None;
    };
    let (weight, b"") = word(rest)? else {
        return None;
    };
    // Without translation the packet keeps the port that the client sent it to.
    let is_translated = forward == ForwardMethod::Masquerade;
    let mut server = Destination::new(address, if is_translated { port } else { at });
    server.forward = forward;
    server.weight = number(weight, WEIGHT_MAX)?;
    Some((id, server))
}

/// A decimal number of at most ten digits, without a sign.
fn number(text: &[u8], max: u32) -> Option<u32> {
    if text.is_empty() || text.len() > 10 {
        return None;
    }
    let mut number = 0u64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    u32::try_from(number).ok().filter(|number| *number <= max)
}

/// `ADDRESS:PORT`, or `[ADDRESS]:PORT` for IPv6.
fn endpoint(text: &[u8]) -> Option<(IpAddr, u16)> {
    let colon = text.iter().rposition(|byte| *byte == b':')?;
    let (host, port) = (text.get(..colon)?, text.get(colon + 1..)?);
    let port = number(port, u16::MAX.into())?;
    let address = match host {
        [b'[', inner @ .., b']'] => {
            let inner = std::str::from_utf8(inner).ok()?;
            inner.parse::<Ipv6Addr>().ok()?.into()
        }
        _ => ipv4(host)?.into(),
    };
    Some((address, u16::try_from(port).ok()?))
}

/// Four decimal numbers. One that begins with a zero may be octal, and is left to the grammar.
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let (mut address, mut octet, mut digits, mut dots) = (0u32, 0u32, 0u32, 0u32);
    for byte in text {
        match byte.wrapping_sub(b'0') {
            digit @ 0..=9 if digits == 0 || octet != 0 => {
                octet = octet * 10 + u32::from(digit);
                digits += 1;
                if octet > 255 {
                    return None;
                }
            }
            _ if *byte == b'.' && digits != 0 && dots < 3 => {
                address = (address << 8) | octet;
                (octet, digits) = (0, 0);
                dots += 1;
            }
            _ => return None,
        }
    }
    (dots == 3 && digits != 0).then(|| Ipv4Addr::from((address << 8) | octet))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parse;
    use crate::model::Action;
    use crate::names::tests::Fixed;
    use crate::restore::words;
    use proptest::sample::select;

    const HOSTS: &[&str] = &[
        "192.0.2.1",
        "10.0.0.255",
        "10.0.0.256",
        "010.0.0.1",
        "10.0.1",
        "0x0a.0.0.1",
        "[2001:db8::1]",
        "[::ffff:192.0.2.1]",
        "[::]",
        "2001:db8::1",
        "[192.0.2.1]",
        "",
    ];

    fn by_grammar(line: &str) -> Option<Change> {
        match parse(&words(line.as_bytes()), &Fixed) {
            Ok(Action::Change(change)) => Some(change),
            _ => None,
        }
    }

    #[test]
    fn plain_rules() {
        for line in [
            "-A -t 192.0.2.1:80 -s rr",
            "-A -u [2001:db8::1]:53 -s wlc",
            "-a -t 192.0.2.1:80 -r 198.51.100.1:8080 -m -w 1",
            "-a -t 192.0.2.1:80 -r 198.51.100.1:8080 -g -w 0",
            "-a -t 192.0.2.1:80 -r 198.51.100.1:80 -i -w 2147483647",
            "-a -t 192.0.2.1:80 -r [2001:db8::2]:80 -i -w 7",
            "-a -u [2001:db8::1]:53 -r [2001:db8::2]:0 -m -w 3",
        ] {
            let read = read(line.as_bytes());
            assert!(read.is_some(), "{line}");
            assert_eq!(read, by_grammar(line), "{line}");
        }
    }

    #[test]
    fn all_else_is_the_grammars() {
        for line in [
            "",
            "-C",
            "# -A -t 192.0.2.1:80 -s rr",
            "-A -t 192.0.2.1:80  -s rr",
            "-A -t 192.0.2.1:80\t-s rr",
            "-A -t 192.0.2.1:80 -s rr\r",
            "-A -t 192.0.2.1:80 -s rr -p 300",
            "-A -t 192.0.2.1:80",
            "-A -t 192.0.2.1:80 -s",
            "-A -t 192.0.2.1:80 -s -p",
            "-A -t 192.0.2.1:http -s rr",
            "-A -t 192.0.2.1:0 -s rr",
            "-A -t 192.0.2.1:65536 -s rr",
            "-A -t 192.0.2.1:+80 -s rr",
            "-A -t 192.0.2.01:80 -s rr",
            "-A -t 192.0.2:80 -s rr",
            "-A -t 192.0.2.1.1:80 -s rr",
            "-A -t 192.0.2.256:80 -s rr",
            "-A -t 2001:db8::1:80 -s rr",
            "-A -t [192.0.2.1]:80 -s rr",
            "-A -f 7 -s rr",
            "-a -t 192.0.2.1:80 -r 198.51.100.1:80 -m",
            "-a -t 192.0.2.1:80 -r 198.51.100.1 -m -w 1",
            "-a -t 192.0.2.1:80 -r 198.51.100.1:80 -m -w -1",
            "-a -t 192.0.2.1:80 -r 198.51.100.1:80 -m -w 2147483648",
            "-a -t 192.0.2.1:80 -r 198.51.100.1:80 -m -w 99999999999999999999",
            "-a -t 192.0.2.1:80 -r 198.51.100.1:80 -m -w 1 -x 5",
            "-a -t 192.0.2.1:80 -r [2001:db8::2]:80 -m -w 1",
            "-e -t 192.0.2.1:80 -r 198.51.100.1:80 -m -w 1",
        ] {
            assert_eq!(read(line.as_bytes()), None, "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_is_what_the_grammar_reads(
            command in select(&["-A", "-a", "-e", "-d"]),
            option in select(&["-t", "-u", "-f"]),
            hosts in [select(HOSTS), select(HOSTS)],
            ports in proptest::array::uniform2(0..70_000u32),
            weight in 0..u64::from(u32::MAX),
            scheduler in select(&["rr", "wlc", "x", "-p", "Rr", ""]),
            method in select(&["-m", "-g", "-i", "-w"]),
            parts in 0..16u8,
        ) {
            let mut line = format!("{command} {option} {}:{}", hosts[0], ports[0]);
            for (bit, words) in [
                format!(" -s {scheduler}"),
                format!(" -r {}:{}", hosts[1], ports[1]),
                format!(" {method}"),
                format!(" -w {weight}"),
            ].iter().enumerate() {
                if (parts >> bit) & 1 != 0 {
                    line.push_str(words);
                }
            }
            if let Some(change) = read(line.as_bytes()) {
                proptest::prop_assert_eq!(Some(change), by_grammar(&line));
            }
        }

        #[test]
        fn no_line_makes_it_panic(
            line in proptest::collection::vec(proptest::num::u8::ANY, 0..80),
        ) {
            let _ = read(&line);
        }
    }
}
