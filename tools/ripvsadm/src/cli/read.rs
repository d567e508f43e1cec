// SPDX-License-Identifier: GPL-2.0

//! From words to a [`Draft`]: each option is recognised, its value read, repetition refused.

use std::ffi::OsString;
use std::net::IpAddr;

use ipvs_netlink::{
    AddressFamily, DaemonState, ForwardMethod, Netmask, Protocol, ServiceId, TunnelType,
};
use lexopt::{Arg, Parser, ValueExt};

use super::value::{self, HostPort, TIMEOUT_MAX};
use super::word::{Item, Verb, Word};
use crate::error::Error;
use crate::names::Lookup;

/// The default persistence timeout, in seconds.
const PERSISTENCE_DEFAULT: u32 = 360;

/// Everything a command line said, before it is known whether it fits together.
#[derive(Debug)]
pub struct Draft {
    /// The command.
    pub verb: Verb,
    /// What was said beside it, in that order.
    pub given: Vec<Item>,
    /// Words that belong to no option.
    pub rest: Vec<String>,
    pub service: Option<ServiceId>,
    pub scheduler: Option<String>,
    pub timeout: Option<u32>,
    /// The text of `-M`; what it means depends on the service.
    pub netmask: Option<String>,
    pub engine: Option<String>,
    pub scheduler_flags: Option<String>,
    pub server: Option<HostPort>,
    pub forward: Option<ForwardMethod>,
    pub weight: Option<u32>,
    pub upper_threshold: Option<u32>,
    pub lower_threshold: Option<u32>,
    pub tunnel_type: Option<TunnelType>,
    pub tunnel_port: Option<u16>,
    pub daemon_state: Option<DaemonState>,
    pub sync_id: Option<u32>,
    pub sync_max_length: Option<u16>,
    pub mcast_interface: Option<String>,
    pub mcast_group: Option<IpAddr>,
    pub mcast_port: Option<u16>,
    pub mcast_ttl: Option<u8>,
}

impl Draft {
    fn new(verb: Verb) -> Self {
        Draft {
            verb,
            given: Vec::new(),
            rest: Vec::new(),
            service: None,
            scheduler: None,
            timeout: None,
            netmask: None,
            engine: None,
            scheduler_flags: None,
            server: None,
            forward: None,
            weight: None,
            upper_threshold: None,
            lower_threshold: None,
            tunnel_type: None,
            tunnel_port: None,
            daemon_state: None,
            sync_id: None,
            sync_max_length: None,
            mcast_interface: None,
            mcast_group: None,
            mcast_port: None,
            mcast_ttl: None,
        }
    }

    /// Whether `item` was said.
    pub fn has(&self, item: Item) -> bool {
        self.given.contains(&item)
    }
}

/// Reads all words.
pub fn read(words: &[OsString], lookup: &dyn Lookup) -> Result<Draft, Error> {
    let mut parser = Parser::from_args(words.iter().cloned());
    let verb = verb(&mut parser)?;
    let mut draft = Draft::new(verb);
    match verb {
        Verb::Help | Verb::Version => return Ok(draft),
        Verb::StartDaemon | Verb::StopDaemon => {
            draft.daemon_state = Some(daemon_state(&mut parser, verb)?);
        }
        _ => {}
    }
    while let Some(arg) = parser.next().map_err(syntax)? {
        if let Arg::Value(word) = arg {
            draft.rest.push(text(word)?);
            continue;
        }
        let spelt = spell(&arg);
        match Word::recognise(&arg) {
            None => {
                return Err(Error::Option(format!(
                    "unknown option {spelt}; see ripvsadm -h"
                )))
            }
            Some(Word::Verb(_)) => {
                return Err(Error::Argument(format!(
                    "{spelt} cannot follow {verb}: one command at a time"
                )))
            }
            Some(Word::Sort) => {}
            Some(Word::Ipv6) => ipv6(&mut draft)?,
            Some(Word::Service(protocol)) => {
                say(&mut draft, Item::Service)?;
                let address = value(&mut parser)?;
                draft.service = Some(service(&address, protocol, lookup)?);
            }
            Some(Word::Fwmark) => {
                say(&mut draft, Item::Service)?;
                let mark = value(&mut parser)?;
                let mark = value::number_u32(&mark, "firewall mark", 1, u32::MAX)?;
                draft.service = Some(ServiceId::fwmark(AddressFamily::Inet, mark));
            }
            Some(Word::Forward(method)) => {
                say(&mut draft, Item::Forward)?;
                draft.forward = Some(method);
            }
            Some(Word::Item(item)) => {
                say(&mut draft, item)?;
                read_item(&mut draft, item, &mut parser, lookup)?;
            }
        }
    }
    Ok(draft)
}

/// The command, which comes first.
fn verb(parser: &mut Parser) -> Result<Verb, Error> {
    let Some(arg) = parser.next().map_err(syntax)? else {
        return Err(Error::Syntax("no command; see ripvsadm -h".to_owned()));
    };
    match Word::recognise(&arg) {
        Some(Word::Verb(verb)) => Ok(verb),
        Some(_) => Err(Error::Syntax(format!(
            "{} before the command; a command such as -A, -a or -L comes first, see ripvsadm -h",
            spell(&arg)
        ))),
        None => Err(Error::Syntax(format!(
            "unknown command {}; see ripvsadm -h",
            spell(&arg)
        ))),
    }
}

/// The value of `--start-daemon` and `--stop-daemon`.
fn daemon_state(parser: &mut Parser, verb: Verb) -> Result<DaemonState, Error> {
    match value(parser)?.as_str() {
        "master" => Ok(DaemonState::Master),
        "backup" => Ok(DaemonState::Backup),
        other => Err(Error::Argument(format!(
            "{verb} takes master or backup, not \"{other}\""
        ))),
    }
}

/// Marks an item as said, once.
fn say(draft: &mut Draft, item: Item) -> Result<(), Error> {
    if draft.has(item) {
        return Err(Error::Argument(format!("{item} is given twice")));
    }
    draft.given.push(item);
    Ok(())
}

/// `-6` makes an IPv6 service of the firewall mark before it.
fn ipv6(draft: &mut Draft) -> Result<(), Error> {
    match &mut draft.service {
        Some(ServiceId::Fwmark { family, .. }) => {
            *family = AddressFamily::Inet6;
            Ok(())
        }
        _ => Err(Error::Argument("-6 must follow -f and its mark".to_owned())),
    }
}

/// A service by address.
fn service(text: &str, protocol: Protocol, lookup: &dyn Lookup) -> Result<ServiceId, Error> {
    let HostPort { address, port } = value::host_port(text, "service", lookup)?;
    let port = match port {
        Some(port) => value::port(
            &port,
            &format!("service \"{text}\""),
            Some(protocol),
            lookup,
        )?,
        None => 0,
    };
    Ok(ServiceId::address(protocol, address, port))
}

/// Reads the value of an item that has one.
fn read_item(
    draft: &mut Draft,
    item: Item,
    parser: &mut Parser,
    lookup: &dyn Lookup,
) -> Result<(), Error> {
    match item {
        Item::Scheduler => draft.scheduler = Some(value(parser)?),
        Item::Persistent => {
            draft.timeout = Some(match optional_value(parser)? {
                Some(text) => {
                    let seconds = value::number(&text, "persistence timeout", 1, TIMEOUT_MAX)?;
                    u32::try_from(seconds).unwrap_or(PERSISTENCE_DEFAULT)
                }
                None => PERSISTENCE_DEFAULT,
            });
        }
        Item::Netmask => draft.netmask = Some(netmask(&value(parser)?, draft.service.as_ref())?),
        Item::Engine => draft.engine = Some(value(parser)?),
        Item::SchedFlags => draft.scheduler_flags = Some(value(parser)?),
        Item::Server => {
            draft.server = Some(value::host_port(&value(parser)?, "real server", lookup)?);
        }
        Item::Weight => draft.weight = Some(up_to_int(&value(parser)?, "weight")?),
        Item::UpperThreshold => {
            draft.upper_threshold = Some(up_to_int(&value(parser)?, "upper threshold")?);
        }
        Item::LowerThreshold => {
            draft.lower_threshold = Some(up_to_int(&value(parser)?, "lower threshold")?);
        }
        Item::TunnelType => draft.tunnel_type = Some(tunnel_type(&value(parser)?)?),
        Item::TunnelPort => {
            draft.tunnel_port = Some(value::number_u16(
                &value(parser)?,
                "tunnel port",
                1,
                u16::MAX,
            )?);
        }
        Item::SyncId => {
            draft.sync_id = Some(value::number_u32(&value(parser)?, "--syncid", 0, 255)?);
        }
        Item::SyncMaxLength => {
            // The payload that UDP over IPv4 has room for.
            draft.sync_max_length = Some(value::number_u16(
                &value(parser)?,
                "--sync-maxlen",
                1,
                65535 - 20 - 8,
            )?);
        }
        Item::McastInterface => draft.mcast_interface = Some(value(parser)?),
        Item::McastGroup => draft.mcast_group = Some(value::multicast_group(&value(parser)?)?),
        Item::McastPort => {
            draft.mcast_port = Some(value::number_u16(
                &value(parser)?,
                "--mcast-port",
                1,
                u16::MAX,
            )?);
        }
        Item::McastTtl => {
            let ttl = value::number_u16(&value(parser)?, "--mcast-ttl", 1, 255)?;
            draft.mcast_ttl = u8::try_from(ttl).ok();
        }
        // The others have no value.
        _ => {}
    }
    Ok(())
}

/// A mask, checked against the service where that is known already.
fn netmask(text: &str, service: Option<&ServiceId>) -> Result<String, Error> {
    let read = |family| -> Result<Netmask, Error> { value::netmask(text, family) };
    match service {
        Some(service) => read(service.family())?,
        None => read(AddressFamily::Inet).or_else(|_| read(AddressFamily::Inet6))?,
    };
    Ok(text.to_owned())
}

/// A number that the kernel keeps in an `int`.
fn up_to_int(text: &str, what: &str) -> Result<u32, Error> {
    value::number_u32(text, what, 0, i32::MAX.unsigned_abs())
}

fn tunnel_type(text: &str) -> Result<TunnelType, Error> {
    match text {
        "ipip" => Ok(TunnelType::Ipip),
        "gue" => Ok(TunnelType::Gue),
        "gre" => Ok(TunnelType::Gre),
        _ => Err(Error::Argument(format!(
            "tunnel type \"{text}\" is not ipip, gue or gre"
        ))),
    }
}

/// The value that an option must have, even one that looks like an option.
fn value(parser: &mut Parser) -> Result<String, Error> {
    text(parser.value().map_err(syntax)?)
}

/// The value that an option may have: attached to it, or the next word if that is no option.
fn optional_value(parser: &mut Parser) -> Result<Option<String>, Error> {
    if let Some(attached) = parser.optional_value() {
        return text(attached).map(Some);
    }
    let Some(mut words) = parser.try_raw_args() else {
        return Ok(None);
    };
    let is_value = |word: &std::ffi::OsStr| !word.as_encoded_bytes().starts_with(b"-");
    words.next_if(is_value).map(text).transpose()
}

fn text(word: OsString) -> Result<String, Error> {
    word.string()
        .map_err(|_| Error::Argument("an argument is not UTF-8".to_owned()))
}

/// How an option was written.
fn spell(arg: &Arg<'_>) -> String {
    match arg {
        Arg::Short(letter) => format!("-{letter}"),
        Arg::Long(name) => format!("--{name}"),
        Arg::Value(word) => format!("\"{}\"", word.to_string_lossy()),
    }
}

fn syntax(error: lexopt::Error) -> Error {
    let text = match error {
        lexopt::Error::MissingValue {
            option: Some(option),
        } => {
            format!("{option} needs a value")
        }
        lexopt::Error::UnexpectedValue { option, value } => {
            format!(
                "{option} takes no value, but has \"{}\"",
                value.to_string_lossy()
            )
        }
        other => other.to_string(),
    };
    Error::Option(format!("{text}; see ripvsadm -h"))
}
