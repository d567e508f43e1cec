// SPDX-License-Identifier: GPL-2.0

//! The options of the grammar, and which of them go with which command.

use std::fmt;

use ipvs_netlink::{ForwardMethod, Protocol};
use lexopt::Arg;

/// A command: the first word of every command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    AddService,
    EditService,
    DeleteService,
    Clear,
    Restore,
    Save,
    AddServer,
    EditServer,
    DeleteServer,
    List,
    Zero,
    Set,
    StartDaemon,
    StopDaemon,
    Help,
    Version,
}

/// What may be said beside a command. Each may be said once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    Service,
    Scheduler,
    Persistent,
    Netmask,
    Engine,
    SchedFlags,
    OnePacket,
    Server,
    Forward,
    Weight,
    UpperThreshold,
    LowerThreshold,
    TunnelType,
    TunnelPort,
    TunnelNoChecksum,
    TunnelChecksum,
    TunnelRemoteChecksum,
    Numeric,
    Connection,
    Timeout,
    Daemon,
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    TunnelInfo,
    Exact,
    NoSort,
    Json,
    SyncId,
    SyncMaxLength,
    McastInterface,
    McastGroup,
    McastPort,
    McastTtl,
}

/// An option, recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// A command.
    Verb(Verb),
    /// `-t`, `-u`, `--sctp-service`.
    Service(Protocol),
    /// `-f`.
    Fwmark,
    /// `-6`.
    Ipv6,
    /// `-g`, `-i`, `-m`.
    Forward(ForwardMethod),
    /// `--sort`, which is the default and may be said anywhere.
    Sort,
    /// Any other.
    Item(Item),
}

impl Word {
    /// Recognises an option; `None` where the grammar has no such.
    pub fn recognise(arg: &Arg<'_>) -> Option<Word> {
        use Arg::{Long, Short};
        Some(match arg {
            Short('A') | Long("add-service") => Word::Verb(Verb::AddService),
            Short('E') | Long("edit-service") => Word::Verb(Verb::EditService),
            Short('D') | Long("delete-service") => Word::Verb(Verb::DeleteService),
            Short('C') | Long("clear") => Word::Verb(Verb::Clear),
            Short('R') | Long("restore") => Word::Verb(Verb::Restore),
            Short('S') | Long("save") => Word::Verb(Verb::Save),
            Short('a') | Long("add-server") => Word::Verb(Verb::AddServer),
            Short('e') | Long("edit-server") => Word::Verb(Verb::EditServer),
            Short('d') | Long("delete-server") => Word::Verb(Verb::DeleteServer),
            Short('L' | 'l') | Long("list") => Word::Verb(Verb::List),
            Short('Z') | Long("zero") => Word::Verb(Verb::Zero),
            Long("set") => Word::Verb(Verb::Set),
            Long("start-daemon") => Word::Verb(Verb::StartDaemon),
            Long("stop-daemon") => Word::Verb(Verb::StopDaemon),
            Short('h') | Long("help") => Word::Verb(Verb::Help),
            Short('v') | Long("version") => Word::Verb(Verb::Version),

            Short('t') | Long("tcp-service") => Word::Service(Protocol::Tcp),
            Short('u') | Long("udp-service") => Word::Service(Protocol::Udp),
            Long("sctp-service") => Word::Service(Protocol::Sctp),
            Short('f') | Long("fwmark-service") => Word::Fwmark,
            Short('6') | Long("ipv6") => Word::Ipv6,

            Short('s') | Long("scheduler") => Word::Item(Item::Scheduler),
            Short('p') | Long("persistent") => Word::Item(Item::Persistent),
            Short('M') | Long("netmask") => Word::Item(Item::Netmask),
            Long("pe") => Word::Item(Item::Engine),
            Short('b') | Long("sched-flags") => Word::Item(Item::SchedFlags),
            Short('o') | Long("ops") => Word::Item(Item::OnePacket),

            Short('r') | Long("real-server") => Word::Item(Item::Server),
            Short('g') | Long("gatewaying") => Word::Forward(ForwardMethod::DirectRoute),
            Short('i') | Long("ipip") => Word::Forward(ForwardMethod::Tunnel),
            Short('m') | Long("masquerading") => Word::Forward(ForwardMethod::Masquerade),
            Short('w') | Long("weight") => Word::Item(Item::Weight),
            Short('x') | Long("u-threshold") => Word::Item(Item::UpperThreshold),
            Short('y') | Long("l-threshold") => Word::Item(Item::LowerThreshold),
            Long("tun-type") => Word::Item(Item::TunnelType),
            Long("tun-port") => Word::Item(Item::TunnelPort),
            Long("tun-nocsum") => Word::Item(Item::TunnelNoChecksum),
            Long("tun-csum") => Word::Item(Item::TunnelChecksum),
            Long("tun-remcsum") => Word::Item(Item::TunnelRemoteChecksum),

            Short('n') | Long("numeric") => Word::Item(Item::Numeric),
            Short('c') | Long("connection") => Word::Item(Item::Connection),
            Long("timeout") => Word::Item(Item::Timeout),
            Long("daemon") => Word::Item(Item::Daemon),
            Long("stats") => Word::Item(Item::Stats),
            Long("rate") => Word::Item(Item::Rate),
            Long("thresholds") => Word::Item(Item::Thresholds),
            Long("persistent-conn") => Word::Item(Item::PersistentConn),
            Long("tun-info") => Word::Item(Item::TunnelInfo),
            Long("exact") => Word::Item(Item::Exact),
            Long("nosort") => Word::Item(Item::NoSort),
            Long("json") => Word::Item(Item::Json),
            Long("sort") => Word::Sort,

            Long("syncid") => Word::Item(Item::SyncId),
            Long("sync-maxlen") => Word::Item(Item::SyncMaxLength),
            Long("mcast-interface") => Word::Item(Item::McastInterface),
            Long("mcast-group") => Word::Item(Item::McastGroup),
            Long("mcast-port") => Word::Item(Item::McastPort),
            Long("mcast-ttl") => Word::Item(Item::McastTtl),
            _ => return None,
        })
    }
}

impl Verb {
    /// What the command cannot do without.
    pub fn required(self) -> &'static [Item] {
        match self {
            Verb::AddService | Verb::EditService | Verb::DeleteService => &[Item::Service],
            Verb::AddServer | Verb::EditServer | Verb::DeleteServer => {
                &[Item::Service, Item::Server]
            }
            _ => &[],
        }
    }

    /// What may be said beside it and what it requires.
    pub fn optional(self) -> &'static [Item] {
        match self {
            Verb::AddService | Verb::EditService => &[
                Item::Scheduler,
                Item::Persistent,
                Item::Netmask,
                Item::Engine,
                Item::SchedFlags,
                Item::OnePacket,
            ],
            Verb::AddServer | Verb::EditServer => &[
                Item::Forward,
                Item::Weight,
                Item::UpperThreshold,
                Item::LowerThreshold,
                Item::TunnelType,
                Item::TunnelPort,
                Item::TunnelNoChecksum,
                Item::TunnelChecksum,
                Item::TunnelRemoteChecksum,
            ],
            Verb::Save => &[Item::Numeric],
            Verb::List => &[
                Item::Service,
                Item::Numeric,
                Item::Connection,
                Item::Timeout,
                Item::Daemon,
                Item::Stats,
                Item::Rate,
                Item::Thresholds,
                Item::PersistentConn,
                Item::TunnelInfo,
                Item::Exact,
                Item::NoSort,
                Item::Json,
                Item::SyncId,
            ],
            Verb::Zero => &[Item::Service],
            Verb::StartDaemon => &[
                Item::SyncId,
                Item::SyncMaxLength,
                Item::McastInterface,
                Item::McastGroup,
                Item::McastPort,
                Item::McastTtl,
            ],
            Verb::StopDaemon => &[Item::SyncId],
            _ => &[],
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verb::AddService => "-A",
            Verb::EditService => "-E",
            Verb::DeleteService => "-D",
            Verb::Clear => "-C",
            Verb::Restore => "-R",
            Verb::Save => "-S",
            Verb::AddServer => "-a",
            Verb::EditServer => "-e",
            Verb::DeleteServer => "-d",
            Verb::List => "-L",
            Verb::Zero => "-Z",
            Verb::Set => "--set",
            Verb::StartDaemon => "--start-daemon",
            Verb::StopDaemon => "--stop-daemon",
            Verb::Help => "-h",
            Verb::Version => "-v",
        })
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Item::Service => "a service (-t, -u, --sctp-service or -f)",
            Item::Scheduler => "a scheduler (-s)",
            Item::Persistent => "persistence (-p)",
            Item::Netmask => "a netmask (-M)",
            Item::Engine => "a persistence engine (--pe)",
            Item::SchedFlags => "scheduler flags (-b)",
            Item::OnePacket => "one-packet scheduling (-o)",
            Item::Server => "a real server (-r)",
            Item::Forward => "a forwarding method (-g, -i or -m)",
            Item::Weight => "a weight (-w)",
            Item::UpperThreshold => "an upper threshold (-x)",
            Item::LowerThreshold => "a lower threshold (-y)",
            Item::TunnelType => "a tunnel type (--tun-type)",
            Item::TunnelPort => "a tunnel port (--tun-port)",
            Item::TunnelNoChecksum => "--tun-nocsum",
            Item::TunnelChecksum => "--tun-csum",
            Item::TunnelRemoteChecksum => "--tun-remcsum",
            Item::Numeric => "-n",
            Item::Connection => "-c",
            Item::Timeout => "--timeout",
            Item::Daemon => "--daemon",
            Item::Stats => "--stats",
            Item::Rate => "--rate",
            Item::Thresholds => "--thresholds",
            Item::PersistentConn => "--persistent-conn",
            Item::TunnelInfo => "--tun-info",
            Item::Exact => "--exact",
            Item::NoSort => "--nosort",
            Item::Json => "--json",
            Item::SyncId => "--syncid",
            Item::SyncMaxLength => "--sync-maxlen",
            Item::McastInterface => "--mcast-interface",
            Item::McastGroup => "--mcast-group",
            Item::McastPort => "--mcast-port",
            Item::McastTtl => "--mcast-ttl",
        })
    }
}
