// SPDX-License-Identifier: GPL-2.0

//! From words to a [`CommandLine`]: each option is recognised, its value read, repetition refused.

use std::ffi::{OsStr, OsString};
use std::net::IpAddr;

use ipvs_netlink::{
    AddressFamily, DaemonState, ForwardMethod, Netmask, OwnEdit, Protocol, ServiceId, TunnelType,
};
use lexopt::{Arg, Parser, ValueExt};

use super::options::{Command, Meaning, Opt, OptionDef, OPTIONS};
use super::own;
use super::subcommand::Subcommand;
use super::value::{self, HostPort, TIMEOUT_MAX};
use crate::error::Error;
use crate::names::Lookup;

/// The default persistence timeout, in seconds.
const PERSISTENCE_DEFAULT: u32 = 360;

/// Everything a command line said, before it is known whether it fits together.
#[derive(Debug)]
pub struct CommandLine {
    /// The command.
    pub command: Command,
    /// Options beside it, in that order.
    pub given: Vec<Opt>,
    /// The first of these that does not go with the command.
    pub stray: Option<Opt>,
    /// Words that belong to no option.
    pub rest: Vec<String>,
    pub service: Option<ServiceId>,
    pub scheduler: Option<String>,
    pub timeout: Option<u32>,
    /// The text of `-M`; what it means depends on the service.
    pub netmask: Option<String>,
    pub engine: Option<String>,
    pub scheduler_flags: Option<String>,
    /// Options in place of the namespace's.
    pub own: OwnEdit,
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

impl CommandLine {
    fn new(command: Command) -> Self {
        CommandLine {
            command,
            given: Vec::new(),
            stray: None,
            rest: Vec::new(),
            service: None,
            scheduler: None,
            timeout: None,
            netmask: None,
            engine: None,
            scheduler_flags: None,
            own: OwnEdit::default(),
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

    /// Returns whether `opt` was said.
    pub fn has(&self, opt: Opt) -> bool {
        self.given.contains(&opt)
    }
}

/// Reads all words.
pub fn read(words: &[OsString], lookup: &dyn Lookup) -> Result<CommandLine, Error> {
    let mut parser = Parser::from_args(words.iter().cloned());
    let command = command(&mut parser)?;
    let mut line = CommandLine::new(command);
    match command {
        Command::Help | Command::Version => return Ok(line),
        Command::StartDaemon | Command::StopDaemon => {
            line.daemon_state = Some(daemon_state(&mut parser, command)?);
        }
        _ => {}
    }
    while let Some(arg) = parser.next().map_err(syntax)? {
        if let Arg::Value(word) = arg {
            line.rest.push(text(word)?);
            continue;
        }
        let Some(def) = OptionDef::find(&arg, OPTIONS) else {
            return Err(unknown(&arg, command));
        };
        if let Some(opt) = def.opt() {
            say(&mut line, opt, def)?;
        }
        match def.meaning {
            Meaning::Sort => {}
            Meaning::Ipv6 => ipv6(&mut line.service)?,
            Meaning::Service(protocol) => {
                let address = value(&mut parser)?;
                line.service = Some(service(&address, protocol, lookup)?);
            }
            Meaning::Fwmark => {
                line.service = Some(fwmark(&value(&mut parser)?)?);
            }
            Meaning::Forward(method) => line.forward = Some(method),
            Meaning::Plain(opt) => read_value(&mut line, opt, &mut parser, lookup)?,
        }
    }
    Ok(line)
}

/// The command, which comes first.
fn command(parser: &mut Parser) -> Result<Command, Error> {
    let Some(arg) = parser.next().map_err(syntax)? else {
        return Err(Error::Syntax("no command; see ripvsadm -h".to_owned()));
    };
    if let Some(command) = Command::recognise(&arg) {
        return Ok(command);
    }
    match OptionDef::find(&arg, OPTIONS) {
        Some(_) => Err(Error::Syntax(format!(
            "{} before the command; a command such as -A, -a or -L comes first, see ripvsadm -h",
            spell(&arg)
        ))),
        // In a file of rules; elsewhere it has been carried out.
        None if matches!(&arg, Arg::Value(word) if is_subcommand(word)) => Err(Error::Syntax(
            format!("{} is a subcommand, and no rule", spell(&arg)),
        )),
        None => Err(Error::Syntax(format!(
            "unknown command {}; see ripvsadm -h",
            spell(&arg)
        ))),
    }
}

fn is_subcommand(word: &OsStr) -> bool {
    word.to_str().and_then(Subcommand::named).is_some()
}

/// The value of `--start-daemon` and `--stop-daemon`.
fn daemon_state(parser: &mut Parser, command: Command) -> Result<DaemonState, Error> {
    match value(parser)?.as_str() {
        "master" => Ok(DaemonState::Master),
        "backup" => Ok(DaemonState::Backup),
        other => Err(Error::Argument(format!(
            "{command} takes master or backup, not \"{other}\""
        ))),
    }
}

/// The error for an option that no table of options has.
fn unknown(arg: &Arg<'_>, command: Command) -> Error {
    let spelt = spell(arg);
    match Command::recognise(arg) {
        Some(_) => Error::Argument(format!(
            "{spelt} cannot follow {command}: one command at a time"
        )),
        None => Error::Option(format!("unknown option {spelt}; see ripvsadm -h")),
    }
}

/// Marks an option as said, once, and the first one that does not go with the command.
fn say(line: &mut CommandLine, opt: Opt, def: &OptionDef) -> Result<(), Error> {
    if line.has(opt) {
        return Err(Error::Argument(format!("{opt} is given twice")));
    }
    line.given.push(opt);
    if line.stray.is_none() && !def.goes_with(line.command) {
        line.stray = Some(opt);
    }
    Ok(())
}

/// `-6` makes an IPv6 service of the firewall mark before it.
pub fn ipv6(service: &mut Option<ServiceId>) -> Result<(), Error> {
    match service {
        Some(ServiceId::Fwmark { family, .. }) => {
            *family = AddressFamily::Inet6;
            Ok(())
        }
        _ => Err(Error::Argument("-6 must follow -f and its mark".to_owned())),
    }
}

/// A service by firewall mark, for IPv4 until `-6` follows.
pub fn fwmark(text: &str) -> Result<ServiceId, Error> {
    let mark = value::number_u32(text, "firewall mark", 1, u32::MAX)?;
    Ok(ServiceId::fwmark(AddressFamily::Inet, mark))
}

/// A service by address.
pub fn service(text: &str, protocol: Protocol, lookup: &dyn Lookup) -> Result<ServiceId, Error> {
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

/// Reads the value of an option that has one.
fn read_value(
    line: &mut CommandLine,
    opt: Opt,
    parser: &mut Parser,
    lookup: &dyn Lookup,
) -> Result<(), Error> {
    match opt {
        Opt::Scheduler => line.scheduler = Some(value(parser)?),
        Opt::Persistent => {
            line.timeout = Some(match optional_value(parser)? {
                Some(text) => {
                    let seconds = value::number(&text, "persistence timeout", 1, TIMEOUT_MAX)?;
                    u32::try_from(seconds).unwrap_or(PERSISTENCE_DEFAULT)
                }
                None => PERSISTENCE_DEFAULT,
            });
        }
        Opt::Netmask => line.netmask = Some(netmask(&value(parser)?, line.service.as_ref())?),
        Opt::Engine => line.engine = Some(value(parser)?),
        Opt::SchedFlags => line.scheduler_flags = Some(value(parser)?),
        Opt::TimeoutTcp
        | Opt::TimeoutTcpFin
        | Opt::TimeoutUdp
        | Opt::Conntrack
        | Opt::ExpireNodest
        | Opt::ExpireQuiescent
        | Opt::FastPath => own::read(&mut line.own, opt, &value(parser)?)?,
        Opt::Server => {
            line.server = Some(value::host_port(&value(parser)?, "real server", lookup)?);
        }
        Opt::Weight => line.weight = Some(up_to_int(&value(parser)?, "weight")?),
        Opt::UpperThreshold => {
            line.upper_threshold = Some(up_to_int(&value(parser)?, "upper threshold")?);
        }
        Opt::LowerThreshold => {
            line.lower_threshold = Some(up_to_int(&value(parser)?, "lower threshold")?);
        }
        Opt::TunnelType => line.tunnel_type = Some(tunnel_type(&value(parser)?)?),
        Opt::TunnelPort => {
            line.tunnel_port = Some(value::number_u16(
                &value(parser)?,
                "tunnel port",
                1,
                u16::MAX,
            )?);
        }
        Opt::SyncId => {
            line.sync_id = Some(value::number_u32(&value(parser)?, "--syncid", 0, 255)?);
        }
        Opt::SyncMaxLength => {
            // The payload that UDP over IPv4 has room for.
            line.sync_max_length = Some(value::number_u16(
                &value(parser)?,
                "--sync-maxlen",
                1,
                65535 - 20 - 8,
            )?);
        }
        Opt::McastInterface => line.mcast_interface = Some(value(parser)?),
        Opt::McastGroup => line.mcast_group = Some(value::multicast_group(&value(parser)?)?),
        Opt::McastPort => {
            line.mcast_port = Some(value::number_u16(
                &value(parser)?,
                "--mcast-port",
                1,
                u16::MAX,
            )?);
        }
        Opt::McastTtl => {
            let ttl = value::number_u16(&value(parser)?, "--mcast-ttl", 1, 255)?;
            line.mcast_ttl = u8::try_from(ttl).ok();
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
    let is_value = |word: &OsStr| !word.as_encoded_bytes().starts_with(b"-");
    words.next_if(is_value).map(text).transpose()
}

fn text(word: OsString) -> Result<String, Error> {
    word.string()
        .map_err(|_| Error::Argument("an argument is not UTF-8".to_owned()))
}

/// Returns how an option was written.
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
