// SPDX-License-Identifier: GPL-2.0

//! The table of options, in the order of the manual page.

use ipvs_netlink::{ForwardMethod, Protocol};

use super::{Command, Group, Meaning, Offer, Opt, OptionDef, Spelling, Value, SCHEDULERS};

const SERVICES: &[Command] = &[Command::AddService, Command::EditService];
const SERVERS: &[Command] = &[Command::AddServer, Command::EditServer];
const WITH_SERVER: &[Command] = &[
    Command::AddServer,
    Command::EditServer,
    Command::DeleteServer,
];
const WITH_SERVICE: &[Command] = &[
    Command::AddService,
    Command::EditService,
    Command::DeleteService,
    Command::AddServer,
    Command::EditServer,
    Command::DeleteServer,
    Command::List,
    Command::Zero,
];
const LISTS: &[Command] = &[Command::List];
const LISTS_AND_SAVE: &[Command] = &[Command::List, Command::Save];
const DAEMONS: &[Command] = &[Command::StartDaemon];

const FORWARD: &str = "-g --gatewaying -i --ipip -m --masquerading";
const CHECKSUMS: &str = "--tun-nocsum --tun-csum --tun-remcsum";

/// The flags that `-b` takes.
const SCHEDULER_FLAGS: &[&str] = &[
    "sh-fallback",
    "sh-port",
    "mh-fallback",
    "mh-port",
    "flag-1",
    "flag-2",
    "flag-3",
];

/// Values of the fields that most options leave out.
const PLAIN: OptionDef = OptionDef {
    meaning: Meaning::Sort,
    spelling: Spelling::new(&[], ""),
    value: None,
    group: Group::List,
    commands: &[],
    silent: &[],
    called: "",
    excludes: "",
    brief: "",
    help: "",
    manual: "",
};

pub const OPTIONS: &[OptionDef] = &[
    OptionDef {
        meaning: Meaning::Service(Protocol::Tcp),
        spelling: Spelling::new(&['t'], "tcp-service"),
        value: Value::offered(
            "HOST:PORT",
            r"\fIhost\fR[:\fIport\fR]",
            r"host\:port",
            Offer::Services,
        ),
        group: Group::Services,
        commands: WITH_SERVICE,
        brief: "a TCP service",
        manual: r"A TCP service.
An IPv6 address with a port is written [\fIaddress\fR]:\fIport\fR.
Host and port may be names.
Port 0, or none, is every port, and needs
.BR \-p .",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Service(Protocol::Udp),
        spelling: Spelling::new(&['u'], "udp-service"),
        value: Value::offered(
            "HOST:PORT",
            r"\fIhost\fR[:\fIport\fR]",
            r"host\:port",
            Offer::Services,
        ),
        group: Group::Services,
        commands: WITH_SERVICE,
        brief: "a UDP service",
        manual: "A UDP service.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Service(Protocol::Sctp),
        spelling: Spelling::new(&[], "sctp-service"),
        value: Value::offered(
            "HOST:PORT",
            r"\fIhost\fR[:\fIport\fR]",
            r"host\:port",
            Offer::Services,
        ),
        group: Group::Services,
        commands: WITH_SERVICE,
        brief: "an SCTP service",
        manual: "An SCTP service.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Fwmark,
        spelling: Spelling::new(&['f'], "fwmark-service"),
        value: Value::offered("MARK [-6]", r"\fImark\fR", "mark", Offer::Services),
        group: Group::Services,
        commands: WITH_SERVICE,
        brief: "what carries a firewall mark",
        help: "what carries a firewall mark; -6 for IPv6",
        manual: "Whatever carries a firewall mark, 1 to 4294967295.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Ipv6,
        spelling: Spelling::new(&['6'], "ipv6"),
        group: Group::Services,
        commands: WITH_SERVICE,
        brief: "the mark is for IPv6",
        manual: "The mark before it is for IPv6.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::Scheduler),
        spelling: Spelling::new(&['s'], "scheduler"),
        value: Value::offered("NAME", r"\fIname\fR", "scheduler", Offer::Words(SCHEDULERS)),
        group: Group::Service,
        commands: SERVICES,
        called: "a scheduler",
        brief: "the scheduler",
        manual: "How new connections are spread:",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::Persistent),
        spelling: Spelling::new(&['p'], "persistent"),
        value: Value::optional("[SEC]", r"[\fIseconds\fR]", "seconds"),
        group: Group::Service,
        commands: SERVICES,
        called: "persistence",
        brief: "keep clients with their server",
        help: "keep clients with their server for so long (360)",
        manual: "\
A client stays with its real server until it was silent for so long; 360 where nothing is given.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::Netmask),
        spelling: Spelling::new(&['M'], "netmask"),
        value: Value::free("MASK", r"\fImask\fR", "mask"),
        group: Group::Service,
        commands: SERVICES,
        called: "a netmask",
        brief: "which clients count as one",
        help: "which clients count as one: a mask for IPv4, a prefix length for IPv6",
        manual: "\
Clients that are equal under this mask (IPv4), or in so many first bits (IPv6), count as one
client.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::Engine),
        spelling: Spelling::new(&[], "pe"),
        value: Value::offered("NAME", r"\fIengine\fR", "engine", Offer::Words(&["sip"])),
        group: Group::Service,
        commands: SERVICES,
        called: "a persistence engine",
        brief: "persistence engine",
        help: "persistence engine: sip",
        manual: "\
A persistence engine:
.BR sip .",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::SchedFlags),
        spelling: Spelling::new(&['b'], "sched-flags"),
        value: Value::offered(
            "LIST",
            r"\fIflags\fR",
            "flags",
            Offer::Flags(SCHEDULER_FLAGS),
        ),
        group: Group::Service,
        commands: SERVICES,
        called: "scheduler flags",
        brief: "flags of the scheduler",
        help: "sh-fallback,sh-port / mh-fallback,mh-port / flag-1,flag-2,flag-3",
        manual: r"Flags of the scheduler, with commas between them:
.B sh\-fallback
and
.B sh\-port
for sh,
.B mh\-fallback
and
.B mh\-port
for mh,
.B flag\-1
to
.B flag\-3
for any.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::OnePacket),
        spelling: Spelling::new(&['o'], "ops"),
        group: Group::Service,
        commands: SERVICES,
        called: "one-packet scheduling",
        brief: "schedule each packet anew",
        help: "schedule each packet anew (UDP)",
        manual: "Every packet is scheduled anew; for UDP, and marks.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::TimeoutTcp),
        spelling: Spelling::new(&[], "timeout-tcp"),
        value: Value::offered(
            "SEC",
            r"\fIseconds\fR|\fBdefault\fR",
            "seconds",
            Offer::Words(&["default"]),
        ),
        group: Group::Service,
        commands: SERVICES,
        brief: "timeout of idle TCP connections",
        help: "timeout of idle TCP connections, not that of --set; or default",
        manual: "\
Timeout of idle TCP connections of this service, in place of the one that
.B \\-\\-set
sets; with
.B default
that one again.
This option and those below need rust_ipvs.
.B \\-E
leaves what is not given.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::TimeoutTcpFin),
        spelling: Spelling::new(&[], "timeout-tcp-fin"),
        value: Value::offered(
            "SEC",
            r"\fIseconds\fR|\fBdefault\fR",
            "seconds",
            Offer::Words(&["default"]),
        ),
        group: Group::Service,
        commands: SERVICES,
        brief: "timeout of TCP connections after a FIN",
        help: "the same after a FIN",
        manual: "The same after a FIN.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::TimeoutUdp),
        spelling: Spelling::new(&[], "timeout-udp"),
        value: Value::offered(
            "SEC",
            r"\fIseconds\fR|\fBdefault\fR",
            "seconds",
            Offer::Words(&["default"]),
        ),
        group: Group::Service,
        commands: SERVICES,
        brief: "timeout of UDP connections",
        help: "the same of UDP connections",
        manual: "The same of UDP connections.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::Conntrack),
        spelling: Spelling::new(&[], "conntrack"),
        value: Value::offered(
            "0|1",
            r"\fB0\fR|\fB1\fR|\fBdefault\fR",
            "value",
            Offer::Words(&["0", "1", "default"]),
        ),
        group: Group::Service,
        commands: SERVICES,
        brief: "whether new connections use conntrack",
        help: "in place of net.ipv4.vs.conntrack; or default",
        manual: "\
Whether new connections of this service use conntrack, in place of net.ipv4.vs.conntrack.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::ExpireNodest),
        spelling: Spelling::new(&[], "expire-nodest"),
        value: Value::offered(
            "0|1",
            r"\fB0\fR|\fB1\fR|\fBdefault\fR",
            "value",
            Offer::Words(&["0", "1", "default"]),
        ),
        group: Group::Service,
        commands: SERVICES,
        brief: "whether connections end without their server",
        help: "the same for expire_nodest_conn",
        manual: "\
Whether connections end that have lost their real server, in place of
net.ipv4.vs.expire_nodest_conn.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::ExpireQuiescent),
        spelling: Spelling::new(&[], "expire-quiescent"),
        value: Value::offered(
            "0|1",
            r"\fB0\fR|\fB1\fR|\fBdefault\fR",
            "value",
            Offer::Words(&["0", "1", "default"]),
        ),
        group: Group::Service,
        commands: SERVICES,
        brief: "whether clients leave a server of weight 0",
        help: "the same for expire_quiescent_template",
        manual: "\
Whether persistent clients leave a real server of weight 0, in place of
net.ipv4.vs.expire_quiescent_template.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::FastPath),
        spelling: Spelling::new(&[], "fast-path"),
        value: Value::offered(
            "0|1|2",
            r"\fB0\fR|\fB1\fR|\fB2\fR|\fBdefault\fR",
            "value",
            Offer::Words(&["0", "1", "2", "default"]),
        ),
        group: Group::Service,
        commands: SERVICES,
        brief: "whether the fast path takes packets",
        help: "the same for fast_path",
        manual: "\
Whether the fast path takes packets of this service, in place of net.ipv4.vs.fast_path.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::Server),
        spelling: Spelling::new(&['r'], "real-server"),
        value: Value::offered(
            "HOST[:PORT]",
            r"\fIhost\fR[:\fIport\fR]",
            r"host\:port",
            Offer::Hosts,
        ),
        group: Group::Server,
        commands: WITH_SERVER,
        called: "a real server",
        brief: "the real server",
        help: "only -m, and -f services, can use another port",
        manual: r"The real server; the port is the service's where none is given.
Only with
.BR \-m ,
and for marks, it can be another.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Forward(ForwardMethod::DirectRoute),
        spelling: Spelling::new(&['g'], "gatewaying"),
        group: Group::Server,
        commands: SERVERS,
        excludes: FORWARD,
        brief: "direct routing",
        help: "direct routing (the default)",
        manual: "Direct routing (the default).",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Forward(ForwardMethod::Tunnel),
        spelling: Spelling::new(&['i'], "ipip"),
        group: Group::Server,
        commands: SERVERS,
        excludes: FORWARD,
        brief: "tunnelling",
        manual: "Tunnelling.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Forward(ForwardMethod::Masquerade),
        spelling: Spelling::new(&['m'], "masquerading"),
        group: Group::Server,
        commands: SERVERS,
        excludes: FORWARD,
        brief: "network address translation",
        manual: "Network address translation.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::TunnelType),
        spelling: Spelling::new(&[], "tun-type"),
        value: Value::offered(
            "TYPE",
            r"\fBipip\fR|\fBgue\fR|\fBgre\fR",
            "type",
            Offer::Words(&["ipip", "gue", "gre"]),
        ),
        group: Group::Server,
        commands: SERVERS,
        called: "a tunnel type",
        brief: "kind of tunnel",
        help: "ipip (the default), gue or gre",
        manual: "The kind of tunnel; ipip is the default.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::TunnelPort),
        spelling: Spelling::new(&[], "tun-port"),
        value: Value::free("PORT", r"\fIport\fR", "port"),
        group: Group::Server,
        commands: SERVERS,
        called: "a tunnel port",
        brief: "port of a gue tunnel",
        manual: "The port of a gue tunnel, which must have one.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::TunnelNoChecksum),
        spelling: Spelling::new(&[], "tun-nocsum"),
        group: Group::Server,
        commands: SERVERS,
        excludes: CHECKSUMS,
        brief: "no checksum",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::TunnelChecksum),
        spelling: Spelling::new(&[], "tun-csum"),
        group: Group::Server,
        commands: SERVERS,
        excludes: CHECKSUMS,
        brief: "a checksum",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::TunnelRemoteChecksum),
        spelling: Spelling::new(&[], "tun-remcsum"),
        group: Group::Server,
        commands: SERVERS,
        excludes: CHECKSUMS,
        brief: "a remote checksum",
        help: "checksum of gue (all three) and gre (the first two) tunnels",
        manual: "No checksum, a checksum (gue, gre), remote checksum offload (gue).",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::Weight),
        spelling: Spelling::new(&['w'], "weight"),
        value: Value::free("N", r"\fIweight\fR", "weight"),
        group: Group::Server,
        commands: SERVERS,
        called: "a weight",
        brief: "share of new connections",
        help: "share of new connections (1); 0 for none",
        manual: "\
Its share of new connections, 0 to 2147483647; 1 is the default, 0 gets none.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::UpperThreshold),
        spelling: Spelling::new(&['x'], "u-threshold"),
        value: Value::free("N", r"\fIcount\fR", "number"),
        group: Group::Server,
        commands: SERVERS,
        called: "an upper threshold",
        brief: "most connections",
        help: "most connections; 0 for no limit",
        manual: "From so many connections on it gets no new ones; 0 is no limit.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::LowerThreshold),
        spelling: Spelling::new(&['y'], "l-threshold"),
        value: Value::free("N", r"\fIcount\fR", "number"),
        group: Group::Server,
        commands: SERVERS,
        called: "a lower threshold",
        brief: "take new ones again below this",
        manual: "It gets new ones again when it has fewer than these.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::Numeric),
        spelling: Spelling::new(&['n'], "numeric"),
        group: Group::List,
        commands: LISTS_AND_SAVE,
        brief: "numbers instead of names",
        manual: "\
Numbers instead of names of hosts and ports.
No name server is asked.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::Connection),
        spelling: Spelling::new(&['c'], "connection"),
        group: Group::List,
        commands: LISTS,
        brief: "connections",
        manual: "List connections.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::Timeout),
        spelling: Spelling::new(&[], "timeout"),
        group: Group::List,
        commands: LISTS,
        brief: "timeouts",
        manual: "List the timeouts.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::Daemon),
        spelling: Spelling::new(&[], "daemon"),
        group: Group::List,
        commands: LISTS,
        brief: "daemons",
        manual: "List the synchronisation daemons.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::Stats),
        spelling: Spelling::new(&[], "stats"),
        group: Group::List,
        commands: LISTS,
        brief: "totals",
        manual: "Totals: connections, packets and bytes in either direction.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::Rate),
        spelling: Spelling::new(&[], "rate"),
        group: Group::List,
        commands: LISTS,
        brief: "rates",
        manual: "The same per second.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::Exact),
        spelling: Spelling::new(&[], "exact"),
        group: Group::List,
        commands: LISTS,
        brief: "numbers in full",
        manual: "Numbers in full, not in thousands (K), millions (M) and so on.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::Thresholds),
        spelling: Spelling::new(&[], "thresholds"),
        group: Group::List,
        commands: LISTS,
        brief: "thresholds",
        manual: "Upper and lower thresholds.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::PersistentConn),
        spelling: Spelling::new(&[], "persistent-conn"),
        group: Group::List,
        commands: LISTS,
        brief: "persistent connections",
        manual: r"Persistent connections; with
.BR \-c ,
the persistence engine's data.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::TunnelInfo),
        spelling: Spelling::new(&[], "tun-info"),
        group: Group::List,
        commands: LISTS,
        brief: "tunnels",
        manual: "Tunnels.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::NoSort),
        spelling: Spelling::new(&[], "nosort"),
        group: Group::List,
        commands: LISTS,
        brief: "in the kernel's order",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Sort,
        spelling: Spelling::new(&[], "sort"),
        group: Group::List,
        commands: LISTS,
        brief: "sorted",
        manual: "\
The kernel's order, or (the default) by mark, family, protocol, address and port.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::Json),
        spelling: Spelling::new(&[], "json"),
        group: Group::List,
        commands: LISTS,
        brief: "all of it for programs",
        help: "all of it for programs: numbers in full, rates a second",
        manual: "\
Everything about what is listed, as a JSON object: counters in full, rates per second, numbers for
names.
Documentation/ripvsadm.rst has the shapes.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::McastInterface),
        spelling: Spelling::new(&[], "mcast-interface"),
        value: Value::offered("NAME (eth0)", r"\fIname\fR", "interface", Offer::Interfaces),
        group: Group::Daemon,
        commands: DAEMONS,
        brief: "the interface",
        manual: "The interface; eth0 is the default.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::SyncId),
        spelling: Spelling::new(&[], "syncid"),
        value: Value::free("N (0)", r"\fIid\fR", "number"),
        group: Group::Daemon,
        commands: DAEMONS,
        silent: &[Command::List, Command::StopDaemon],
        brief: "identity",
        manual: "0 to 255; a backup with 0 (the default) takes everybody's messages.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::SyncMaxLength),
        spelling: Spelling::new(&[], "sync-maxlen"),
        value: Value::free("BYTES", r"\fIbytes\fR", "bytes"),
        group: Group::Daemon,
        commands: DAEMONS,
        brief: "longest message",
        manual: "The greatest length of a message.",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::McastGroup),
        spelling: Spelling::new(&[], "mcast-group"),
        value: Value::free("ADDRESS", r"\fIaddress\fR", "address"),
        group: Group::Daemon,
        commands: DAEMONS,
        brief: "group",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::McastPort),
        spelling: Spelling::new(&[], "mcast-port"),
        value: Value::free("PORT", r"\fIport\fR", "port"),
        group: Group::Daemon,
        commands: DAEMONS,
        brief: "port",
        ..PLAIN
    },
    OptionDef {
        meaning: Meaning::Plain(Opt::McastTtl),
        spelling: Spelling::new(&[], "mcast-ttl"),
        value: Value::free("N", r"\fIttl\fR", "hops"),
        group: Group::Daemon,
        commands: DAEMONS,
        brief: "how far",
        manual: "Where messages go to, and how far.",
        ..PLAIN
    },
];
