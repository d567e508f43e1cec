// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
// Written by tools/build/uapi.py from Documentation/netlink/specs/ripvs.yaml: change that.

//! Numbers of the generic netlink family `RIPVS`.

// All of them, needed or not.
#![allow(dead_code)]

/// `RIPVS_GENL_VERSION`.
pub(crate) const GENL_VERSION: u8 = 1;

/// Commands (`RIPVS_CMD_*`).
pub(crate) mod command {
    pub(crate) const GET_INFO: u8 = 1;
    pub(crate) const GET_SERVICES: u8 = 2;
    pub(crate) const APPLY: u8 = 3;
    pub(crate) const GET_CONNECTIONS: u8 = 4;
    pub(crate) const DEL_CONNECTIONS: u8 = 5;
    pub(crate) const COUNT_CONNECTIONS: u8 = 6;
    pub(crate) const EVENT: u8 = 7;
    pub(crate) const GET_REASONS: u8 = 10;
    pub(crate) const ZERO_REASONS: u8 = 11;
}

/// Attributes (`RIPVS_ATTR_*`).
pub(crate) mod msg_attr {
    pub(crate) const GENERATION: u16 = 1;
    pub(crate) const SERVICE: u16 = 2;
    pub(crate) const DEST: u16 = 3;
    pub(crate) const CHANGE: u16 = 4;
    pub(crate) const OPTIONS: u16 = 5;
    pub(crate) const CONTINUED: u16 = 6;
    pub(crate) const SERVICES: u16 = 7;
    pub(crate) const CONNECTIONS: u16 = 8;
    pub(crate) const CHANGED: u16 = 9;
    pub(crate) const PAD: u16 = 10;
    pub(crate) const FILTER: u16 = 11;
    pub(crate) const CONNECTION: u16 = 12;
    pub(crate) const DELETED: u16 = 13;
    pub(crate) const HELD: u16 = 14;
    pub(crate) const EVENT: u16 = 20;
    pub(crate) const PID: u16 = 21;
    pub(crate) const TIMEOUTS: u16 = 22;
    pub(crate) const DAEMON: u16 = 23;
    pub(crate) const REASON: u16 = 30;
}

/// Attributes (`RIPVS_REASON_ATTR_*`).
pub(crate) mod reason_attr {
    pub(crate) const ID: u16 = 1;
    pub(crate) const COUNT: u16 = 2;
    pub(crate) const PAD: u16 = 3;
}

/// Attributes (`RIPVS_TIMEOUT_*`).
pub(crate) mod timeouts_attr {
    pub(crate) const TCP: u16 = 1;
    pub(crate) const TCP_FIN: u16 = 2;
    pub(crate) const UDP: u16 = 3;
}

/// Attributes (`RIPVS_FILTER_*`).
pub(crate) mod filter_attr {
    pub(crate) const AF: u16 = 1;
    pub(crate) const PROTOCOL: u16 = 2;
    pub(crate) const CLIENT_ADDR: u16 = 3;
    pub(crate) const CLIENT_PREFIX: u16 = 4;
    pub(crate) const CLIENT_PORT: u16 = 5;
    pub(crate) const VIP_ADDR: u16 = 6;
    pub(crate) const VIP_PREFIX: u16 = 7;
    pub(crate) const VIP_PORT: u16 = 8;
    pub(crate) const SERVER_ADDR: u16 = 9;
    pub(crate) const SERVER_PREFIX: u16 = 10;
    pub(crate) const SERVER_PORT: u16 = 11;
    pub(crate) const FWMARK: u16 = 12;
    pub(crate) const STATE: u16 = 13;
    pub(crate) const STATE_NAME: u16 = 14;
    pub(crate) const FLAGS: u16 = 15;
    pub(crate) const FLAGS_MASK: u16 = 16;
    pub(crate) const IDLE_MIN: u16 = 17;
    pub(crate) const IDLE_MAX: u16 = 18;
}

/// Attributes (`RIPVS_CONN_*`).
pub(crate) mod conn_attr {
    pub(crate) const AF: u16 = 1;
    pub(crate) const PROTOCOL: u16 = 2;
    pub(crate) const CLIENT_ADDR: u16 = 3;
    pub(crate) const CLIENT_PORT: u16 = 4;
    pub(crate) const VIP_ADDR: u16 = 5;
    pub(crate) const VIP_PORT: u16 = 6;
    pub(crate) const SERVER_ADDR: u16 = 7;
    pub(crate) const SERVER_PORT: u16 = 8;
    pub(crate) const FWMARK: u16 = 9;
    pub(crate) const FWD_METHOD: u16 = 10;
    pub(crate) const STATE: u16 = 11;
    pub(crate) const STATE_NAME: u16 = 12;
    pub(crate) const EXPIRES: u16 = 13;
    pub(crate) const IDLE: u16 = 14;
    pub(crate) const FLAGS: u16 = 15;
    pub(crate) const PE_NAME: u16 = 16;
    pub(crate) const PE_DATA: u16 = 17;
}

/// Attributes (`RIPVS_SERVICE_*`).
pub(crate) mod service_attr {
    pub(crate) const AF: u16 = 1;
    pub(crate) const PROTOCOL: u16 = 2;
    pub(crate) const ADDR: u16 = 3;
    pub(crate) const PORT: u16 = 4;
    pub(crate) const FWMARK: u16 = 5;
    pub(crate) const SCHED_NAME: u16 = 6;
    pub(crate) const FLAGS: u16 = 7;
    pub(crate) const TIMEOUT: u16 = 8;
    pub(crate) const NETMASK: u16 = 9;
    pub(crate) const PE_NAME: u16 = 11;
    pub(crate) const STATS: u16 = 12;
    pub(crate) const TIMEOUT_TCP: u16 = 20;
    pub(crate) const TIMEOUT_TCP_FIN: u16 = 21;
    pub(crate) const TIMEOUT_UDP: u16 = 22;
    pub(crate) const CONNTRACK: u16 = 23;
    pub(crate) const EXPIRE_NODEST: u16 = 24;
    pub(crate) const EXPIRE_QUIESCENT: u16 = 25;
    pub(crate) const FAST_PATH: u16 = 26;
    pub(crate) const DEFAULTS: u16 = 27;
}

/// Attributes (`RIPVS_DEST_*`).
pub(crate) mod dest_attr {
    pub(crate) const ADDR: u16 = 1;
    pub(crate) const PORT: u16 = 2;
    pub(crate) const FWD_METHOD: u16 = 3;
    pub(crate) const WEIGHT: u16 = 4;
    pub(crate) const U_THRESH: u16 = 5;
    pub(crate) const L_THRESH: u16 = 6;
    pub(crate) const ACTIVE_CONNS: u16 = 7;
    pub(crate) const INACT_CONNS: u16 = 8;
    pub(crate) const PERSIST_CONNS: u16 = 9;
    pub(crate) const STATS: u16 = 12;
    pub(crate) const TUN_TYPE: u16 = 13;
    pub(crate) const TUN_PORT: u16 = 14;
    pub(crate) const TUN_FLAGS: u16 = 15;
    pub(crate) const DRAIN: u16 = 20;
}

/// Attributes (`RIPVS_DRAIN_*`).
pub(crate) mod drain_attr {
    pub(crate) const FLAGS: u16 = 1;
    pub(crate) const DEADLINE: u16 = 2;
    pub(crate) const LEFT: u16 = 3;
    pub(crate) const STATE: u16 = 4;
    pub(crate) const ENDED: u16 = 5;
    pub(crate) const RESET: u16 = 6;
}

/// Attributes (`RIPVS_CHANGE_ATTR_*`).
pub(crate) mod change_attr {
    pub(crate) const OP: u16 = 1;
    pub(crate) const SERVICE: u16 = 2;
    pub(crate) const DEST: u16 = 3;
}

/// Attributes (`RIPVS_STATS_*`).
pub(crate) mod stats_attr {
    pub(crate) const CONNS: u16 = 1;
    pub(crate) const INPKTS: u16 = 2;
    pub(crate) const OUTPKTS: u16 = 3;
    pub(crate) const INBYTES: u16 = 4;
    pub(crate) const OUTBYTES: u16 = 5;
    pub(crate) const CPS: u16 = 6;
    pub(crate) const INPPS: u16 = 7;
    pub(crate) const OUTPPS: u16 = 8;
    pub(crate) const INBPS: u16 = 9;
    pub(crate) const OUTBPS: u16 = 10;
    pub(crate) const PAD: u16 = 11;
}

/// Flags (`RIPVS_OPTION_*`).
pub(crate) mod options {
    pub(crate) const STATISTICS: u32 = 0x1;
    pub(crate) const ALL: u32 = 0x2;
}

/// Flags (`RIPVS_CONN_FLAG_*`).
pub(crate) mod conn_flags {
    pub(crate) const TEMPLATE: u32 = 0x1;
    pub(crate) const SYNCED: u32 = 0x2;
    pub(crate) const INACTIVE: u32 = 0x4;
    pub(crate) const NO_OUTPUT: u32 = 0x8;
    pub(crate) const NO_CLIENT_PORT: u32 = 0x10;
    pub(crate) const ONE_PACKET: u32 = 0x20;
    pub(crate) const TRACKED: u32 = 0x40;
    pub(crate) const UNHASHED: u32 = 0x80;
    pub(crate) const CONTROLLED: u32 = 0x100;
    pub(crate) const CONTROLS: u32 = 0x200;
}

/// Flags (`RIPVS_DEFAULT_*`).
pub(crate) mod service_defaults {
    pub(crate) const TIMEOUT_TCP: u32 = 0x1;
    pub(crate) const TIMEOUT_TCP_FIN: u32 = 0x2;
    pub(crate) const TIMEOUT_UDP: u32 = 0x4;
    pub(crate) const CONNTRACK: u32 = 0x8;
    pub(crate) const EXPIRE_NODEST: u32 = 0x10;
    pub(crate) const EXPIRE_QUIESCENT: u32 = 0x20;
    pub(crate) const FAST_PATH: u32 = 0x40;
}

/// Values (`RIPVS_CHANGE_*`).
pub(crate) mod change_op {
    pub(crate) const NEW_SERVICE: u8 = 1;
    pub(crate) const SET_SERVICE: u8 = 2;
    pub(crate) const DEL_SERVICE: u8 = 3;
    pub(crate) const NEW_DEST: u8 = 4;
    pub(crate) const SET_DEST: u8 = 5;
    pub(crate) const DEL_DEST: u8 = 6;
    pub(crate) const FLUSH: u8 = 7;
    pub(crate) const DRAIN_DEST: u8 = 8;
    pub(crate) const UNDRAIN_DEST: u8 = 9;
}

/// Values (`RIPVS_EVENT_*`).
pub(crate) mod event {
    pub(crate) const NEW_SERVICE: u32 = 1;
    pub(crate) const SET_SERVICE: u32 = 2;
    pub(crate) const DEL_SERVICE: u32 = 3;
    pub(crate) const NEW_DEST: u32 = 4;
    pub(crate) const SET_DEST: u32 = 5;
    pub(crate) const DEL_DEST: u32 = 6;
    pub(crate) const FLUSH: u32 = 7;
    pub(crate) const TIMEOUTS: u32 = 8;
    pub(crate) const START_DAEMON: u32 = 9;
    pub(crate) const STOP_DAEMON: u32 = 10;
    pub(crate) const DRAIN: u32 = 11;
    pub(crate) const DRAINED: u32 = 12;
    pub(crate) const UNDRAIN: u32 = 13;
    pub(crate) const OVERLOAD: u32 = 14;
    pub(crate) const OVERLOAD_END: u32 = 15;
}

/// Flags (`RIPVS_DRAIN_FLAG_*`).
pub(crate) mod drain_flags {
    pub(crate) const NO_TEMPLATES: u32 = 0x1;
    pub(crate) const RESET: u32 = 0x2;
}

/// Values (`RIPVS_DRAIN_STATE_*`).
pub(crate) mod drain_state {
    pub(crate) const WAITING: u32 = 1;
    pub(crate) const ENDING: u32 = 2;
    pub(crate) const DONE: u32 = 3;
    pub(crate) const DONE_BY_DEADLINE: u32 = 4;
}

/// Values (`RIPVS_REASON_*`).
pub(crate) mod reason {
    pub(crate) const NO_SERVER: u32 = 1;
    pub(crate) const WEIGHT_ZERO: u32 = 2;
    pub(crate) const OVERLOADED: u32 = 3;
    pub(crate) const NOT_CHOSEN: u32 = 4;
    pub(crate) const NO_SCHEDULER: u32 = 5;
    pub(crate) const NEEDS_PERSISTENCE: u32 = 6;
    pub(crate) const CONN_LIMIT: u32 = 7;
    pub(crate) const NO_MEMORY: u32 = 8;
    pub(crate) const DROP_PACKET: u32 = 9;
    pub(crate) const DROP_ENTRY: u32 = 10;
    pub(crate) const NO_CONNECTION: u32 = 11;
    pub(crate) const LOCAL_REPLY: u32 = 12;
    pub(crate) const FTP_DATA: u32 = 13;
    pub(crate) const NOT_TO_HOST: u32 = 14;
    pub(crate) const BACKUP_ONLY: u32 = 15;
    pub(crate) const SERVER_GONE: u32 = 16;
    pub(crate) const UNEXPECTED_REPLY: u32 = 17;
    pub(crate) const PORT_REUSE: u32 = 18;
    pub(crate) const LOST_RACE: u32 = 19;
    pub(crate) const NO_ROUTE: u32 = 20;
    pub(crate) const NO_ROUTE_FOR_REPLY: u32 = 21;
    pub(crate) const LOOPBACK_SOURCE: u32 = 22;
    pub(crate) const LOOPBACK_SERVER: u32 = 23;
    pub(crate) const LOCAL_SERVER: u32 = 24;
    pub(crate) const TTL_EXCEEDED: u32 = 25;
    pub(crate) const TOO_BIG: u32 = 26;
    pub(crate) const TUNNEL_MTU: u32 = 27;
    pub(crate) const CONNTRACK: u32 = 28;
    pub(crate) const BAD_HEADER: u32 = 29;
    pub(crate) const BAD_ICMP: u32 = 30;
    pub(crate) const ICMP_CHECKSUM: u32 = 31;
    pub(crate) const ICMP_UNDELIVERABLE: u32 = 32;
    pub(crate) const FTP_NO_PORT: u32 = 33;
    pub(crate) const FTP_REWRITE: u32 = 34;
    pub(crate) const SYNC_MALFORMED: u32 = 35;
    pub(crate) const SYNC_NO_SERVER: u32 = 36;
}
