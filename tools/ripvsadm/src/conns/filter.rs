// SPDX-License-Identifier: GPL-2.0

//! Filters of connections in words: `client 10.0.0.0/24 proto tcp idle ">60"`.

use std::net::IpAddr;

use ipvs_netlink::ripvs::{conn_flags, Endpoints, Filter, State};
use ipvs_netlink::AddressFamily;

/// The words that begin a condition, for completions and errors.
pub const CONDITIONS: &[&str] = &[
    "client",
    "vip",
    "server",
    "proto",
    "mark",
    "state",
    "templates",
    "connections",
    "idle",
    "flags",
    "without",
    "ipv4",
    "ipv6",
];

/// Names of protocols. `ip` is that of templates of a service by mark.
const PROTOCOLS: [(&str, u8); 4] = [("tcp", 6), ("udp", 17), ("sctp", 132), ("ip", 0)];

/// Names of states, as `/proc/net/ip_vs_conn` has them: TCP's, UDP's, SCTP's, those of templates.
const STATES: [&str; 25] = [
    "NONE",
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "SYNACK",
    "UDP",
    "INIT1",
    "INIT",
    "C-SENT",
    "C-REPLIED",
    "C-WAIT",
    "COOKIE",
    "C-ECHOED",
    "S-SENT",
    "S-RECEIVED",
    "S-ACK-SENT",
    "REJECTED",
    "CLOSED",
    "ASSURED",
];

/// Names of flags. Templates have words of their own.
pub const FLAGS: [(&str, u32); 9] = [
    ("synced", conn_flags::SYNCED),
    ("inactive", conn_flags::INACTIVE),
    ("no-output", conn_flags::NO_OUTPUT),
    ("no-client-port", conn_flags::NO_CLIENT_PORT),
    ("one-packet", conn_flags::ONE_PACKET),
    ("tracked", conn_flags::TRACKED),
    ("unhashed", conn_flags::UNHASHED),
    ("controlled", conn_flags::CONTROLLED),
    ("controls", conn_flags::CONTROLS),
];

/// Reads a filter; an empty one for no words.
///
/// # Errors
/// The word that is wrong, and what would be right.
pub fn parse(words: &[String]) -> Result<Filter, String> {
    let mut filter = Filter::default();
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let mut value = |form: &str| words.next().ok_or_else(|| format!("{word} needs {form}"));
        match word {
            "client" => endpoints(&mut filter.client, word, value(ENDPOINTS)?)?,
            "vip" => endpoints(&mut filter.vip, word, value(ENDPOINTS)?)?,
            "server" => endpoints(&mut filter.server, word, value(ENDPOINTS)?)?,
            "proto" => {
                let text = value("tcp, udp, sctp, ip or a number")?;
                once(&mut filter.protocol, word, protocol(text)?)?;
            }
            "mark" => {
                let text = value("a number")?;
                once(&mut filter.mark, word, mark(text)?)?;
            }
            "state" => {
                let text = value("a name, such as ESTABLISHED")?;
                once(&mut filter.state, word, state(text)?)?;
            }
            "idle" => idle(&mut filter, value("a time, such as \">60\" or \"<5m\"")?)?,
            "templates" => filter.flags |= conn_flags::TEMPLATE,
            "connections" => filter.without |= conn_flags::TEMPLATE,
            "flags" => filter.flags |= flags(word, value("names, such as synced,tracked")?)?,
            "without" => filter.without |= flags(word, value("names, such as synced,tracked")?)?,
            "ipv4" => once(&mut filter.family, "the family", AddressFamily::Inet)?,
            "ipv6" => once(&mut filter.family, "the family", AddressFamily::Inet6)?,
            "older" | "younger" | "age" => {
                return Err(format!(
                    "\"{word}\": the kernel does not keep when a connection began; idle \
                     \">SECONDS\" is the time without a packet"
                ));
            }
            other => {
                let known = CONDITIONS.join(", ");
                return Err(format!("no condition \"{other}\"; there are {known}"));
            }
        }
    }
    check(&filter)?;
    Ok(filter)
}

/// Refuses conditions that contradict each other.
fn check(filter: &Filter) -> Result<(), String> {
    let template = conn_flags::TEMPLATE;
    if filter.flags & filter.without & template != 0 {
        return Err("templates and connections leave nothing; give one, or none for both".into());
    }
    if filter.flags & filter.without != 0 {
        return Err("flags and without name the same flag; give it to one of them".into());
    }
    if matches!((filter.idle_min, filter.idle_max), (Some(least), Some(most)) if least > most) {
        return Err("the idle times leave nothing; the first must be below the second".into());
    }
    let of = |end: &Endpoints| end.network.map(|(address, _)| AddressFamily::of(&address));
    let families = [filter.family, of(&filter.client), of(&filter.vip)];
    let mut families = families.into_iter().flatten();
    let first = families.next();
    match families.all(|other| Some(other) == first) {
        true => Ok(()),
        false => Err("client, vip and family differ; give IPv4 or IPv6 to all of them".into()),
    }
}

/// Sets what may be given once.
fn once<T>(place: &mut Option<T>, word: &str, value: T) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{word} is given twice")),
    }
}

/// The form of addresses and ports.
const ENDPOINTS: &str = "ADDRESS[/BITS][:PORT], [IPV6][/BITS]:PORT or :PORT";

/// Reads an address or a network, and a port.
fn endpoints(place: &mut Endpoints, word: &str, text: &str) -> Result<(), String> {
    if *place != Endpoints::default() {
        return Err(format!("{word} is given twice"));
    }
    let wrong = |why: &str| format!("{word} \"{text}\" {why}; it takes {ENDPOINTS}");
    // What is before the port's colon; IPv6 with a port has brackets.
    let (network, port) = if text.parse::<IpAddr>().is_ok() {
        (text, None)
    } else if let Some((inner, rest)) = text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        let (bits, port) = rest.split_once(':').unwrap_or((rest, ""));
        *place = Endpoints {
            network: Some(network(inner, bits.strip_prefix('/')).map_err(wrong)?),
            port: port_number(Some(port).filter(|port| !port.is_empty())).map_err(wrong)?,
        };
        return Ok(());
    } else {
        match text.rsplit_once(':') {
            // Colons of an IPv6 network come before its slash.
            Some((before, _)) if before.contains(':') && text.contains('/') => (text, None),
            Some((before, port)) => (before, Some(port)),
            None => (text, None),
        }
    };
    let (address, bits) = match network.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (network, None),
    };
    *place = Endpoints {
        network: match address.is_empty() && bits.is_none() && port.is_some() {
            true => None,
            false => Some(self::network(address, bits).map_err(wrong)?),
        },
        port: port_number(port).map_err(wrong)?,
    };
    Ok(())
}

fn network(address: &str, bits: Option<&str>) -> Result<(IpAddr, u8), &'static str> {
    let address: IpAddr = address.parse().map_err(|_| "has no address")?;
    let (most, wrong) = match address {
        IpAddr::V4(_) => (32, "has a prefix length that is none of 0 to 32"),
        IpAddr::V6(_) => (128, "has a prefix length that is none of 0 to 128"),
    };
    let length = match bits {
        None => most,
        Some(text) => text.parse().map_err(|_| wrong)?,
    };
    match length <= most {
        true => Ok((address, length)),
        false => Err(wrong),
    }
}

fn port_number(text: Option<&str>) -> Result<Option<u16>, &'static str> {
    text.map(|text| {
        text.parse()
            .map_err(|_| "has a port that is no number to 65535")
    })
    .transpose()
}

fn protocol(text: &str) -> Result<u8, String> {
    let named = PROTOCOLS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text));
    let number = named.map(|(_, number)| *number);
    number.or_else(|| text.parse().ok()).ok_or_else(|| {
        format!("proto \"{text}\" is none of tcp, udp, sctp, ip, and no number to 255")
    })
}

/// Reads a mark, decimal or hexadecimal.
fn mark(text: &str) -> Result<u32, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    number
        .filter(|mark| *mark != 0)
        .ok_or_else(|| format!("mark \"{text}\" is no number from 1 to 4294967295"))
}

fn state(text: &str) -> Result<State, String> {
    STATES
        .iter()
        .find(|name| name.eq_ignore_ascii_case(text))
        .map(|name| State::Name((*name).to_owned()))
        .ok_or_else(|| {
            let known = STATES.join(", ");
            format!("no state \"{text}\"; there are {known}")
        })
}

fn flags(word: &str, text: &str) -> Result<u32, String> {
    let mut flags = 0;
    for name in text.split(',') {
        let found = FLAGS.iter().find(|(known, _)| *known == name);
        let (_, flag) = found.ok_or_else(|| {
            let known: Vec<&str> = FLAGS.iter().map(|(name, _)| *name).collect();
            format!("{word}: no flag \"{name}\"; there are {}", known.join(", "))
        })?;
        flags |= flag;
    }
    Ok(flags)
}

/// Reads a time without a packet: `>60`, `>=60`, `<5`, `<=5`, `5-60`; with a unit of s, m, h or d.
fn idle(filter: &mut Filter, text: &str) -> Result<(), String> {
    let wrong = || {
        format!(
            "idle \"{text}\" is no time; it takes \">60\", \"<5m\", \">=1h\", \"<=1d\" or 5-60, in \
             quotes for the shell"
        )
    };
    let seconds = |text: &str| seconds(text).ok_or_else(wrong);
    let (least, most) = if let Some(time) = text.strip_prefix(">=") {
        (Some(seconds(time)?), None)
    } else if let Some(time) = text.strip_prefix('>') {
        (Some(seconds(time)?.checked_add(1).ok_or_else(wrong)?), None)
    } else if let Some(time) = text.strip_prefix("<=") {
        (None, Some(seconds(time)?))
    } else if let Some(time) = text.strip_prefix('<') {
        (None, Some(seconds(time)?.checked_sub(1).ok_or_else(wrong)?))
    } else {
        let (least, most) = text.split_once('-').ok_or_else(wrong)?;
        (Some(seconds(least)?), Some(seconds(most)?))
    };
    if let Some(least) = least {
        once(&mut filter.idle_min, "a lower limit of idle", least)?;
    }
    if let Some(most) = most {
        once(&mut filter.idle_max, "an upper limit of idle", most)?;
    }
    Ok(())
}

/// Reads a number of seconds, with a unit if there is one.
fn seconds(text: &str) -> Option<u32> {
    const UNITS: [(char, u32); 4] = [('s', 1), ('m', 60), ('h', 3600), ('d', 86400)];
    let unit = UNITS.iter().find(|(letter, _)| text.ends_with(*letter));
    let (digits, unit) = match unit {
        Some((letter, unit)) => (text.strip_suffix(*letter)?, *unit),
        None => (text, 1),
    };
    // parse() takes a sign.
    let digits = Some(digits).filter(|d| d.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse::<u32>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Filter, String> {
        let words: Vec<String> = line.split_whitespace().map(Into::into).collect();
        parse(&words)
    }

    fn end(network: Option<(&str, u8)>, port: Option<u16>) -> Endpoints {
        Endpoints {
            network: network.map(|(address, bits)| (address.parse().unwrap(), bits)),
            port,
        }
    }

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("10.0.0.1", end(Some(("10.0.0.1", 32)), None)),
            ("10.0.0.0/24", end(Some(("10.0.0.0", 24)), None)),
            ("10.0.0.1:80", end(Some(("10.0.0.1", 32)), Some(80))),
            ("10.0.0.0/8:80", end(Some(("10.0.0.0", 8)), Some(80))),
            (":80", end(None, Some(80))),
            ("fd00::1", end(Some(("fd00::1", 128)), None)),
            ("fd00::/64", end(Some(("fd00::", 64)), None)),
            ("[fd00::1]:80", end(Some(("fd00::1", 128)), Some(80))),
            ("[fd00::]/64:80", end(Some(("fd00::", 64)), Some(80))),
            ("[fd00::]/64", end(Some(("fd00::", 64)), None)),
        ] {
            assert_eq!(read(&format!("client {text}")).unwrap().client, expected);
            assert_eq!(read(&format!("vip {text}")).unwrap().vip, expected);
            assert_eq!(read(&format!("server {text}")).unwrap().server, expected);
        }
    }

    #[test]
    fn conditions() {
        assert!(read("").unwrap().is_empty());
        let filter = read(
            "client 10.0.0.0/24 proto TCP mark 0x10 state established connections idle >60 \
             idle <1h flags synced,controls without inactive ipv4",
        );
        let expected = Filter {
            family: Some(AddressFamily::Inet),
            protocol: Some(6),
            client: end(Some(("10.0.0.0", 24)), None),
            mark: Some(16),
            state: Some(State::Name("ESTABLISHED".into())),
            flags: conn_flags::SYNCED | conn_flags::CONTROLS,
            without: conn_flags::TEMPLATE | conn_flags::INACTIVE,
            idle_min: Some(61),
            idle_max: Some(3599),
            ..Filter::default()
        };
        assert_eq!(filter, Ok(expected));
        let range = read("templates idle 5-2m").unwrap();
        assert_eq!((range.idle_min, range.idle_max), (Some(5), Some(120)));
        assert_eq!(range.flags, conn_flags::TEMPLATE);
        for name in STATES {
            assert!(read(&format!("state {name}")).is_ok());
        }
    }

    #[test]
    fn mistakes() {
        for (line, word) in [
            ("foo", "there are client, vip"),
            ("client", "ADDRESS"),
            ("client x", "has no address"),
            ("client 10.0.0.0/33", "0 to 32"),
            ("client fd00::/129", "0 to 128"),
            ("client 10.0.0.0/x", "0 to 32"),
            ("client 10.0.0.1:99999", "65535"),
            ("client [fd00::1", "has no address"),
            ("client /24", "has no address"),
            ("client :", "65535"),
            ("client 10.0.0.1 client 10.0.0.2", "twice"),
            ("client 10.0.0.1 vip fd00::1", "differ"),
            ("ipv6 vip 10.0.0.1", "differ"),
            ("ipv4 ipv6", "twice"),
            ("proto xyz", "tcp, udp, sctp"),
            ("proto 256", "255"),
            ("mark 0", "from 1"),
            ("mark -1", "from 1"),
            ("state OPEN", "ESTABLISHED"),
            ("idle 60", ">60"),
            ("idle >x", "no time"),
            ("idle >+5", "no time"),
            ("idle <0", "no time"),
            ("idle >9999999h", "no time"),
            ("idle 60-5", "leave nothing"),
            ("idle >5 idle >6", "twice"),
            ("flags x", "synced"),
            ("flags synced without synced", "same flag"),
            ("templates connections", "leave nothing"),
            ("older 60", "does not keep when"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(word), "{line}: {error}");
            assert!(!error.contains('\n'), "{line}");
        }
    }
}
