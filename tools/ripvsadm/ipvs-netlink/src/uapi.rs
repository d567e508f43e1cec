// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0
// Written by tools/build/uapi.py from Documentation/netlink/specs/ipvs.yaml: change that.

//! Numbers of the generic netlink family `IPVS`.

// All of them, needed or not.
#![allow(dead_code)]

/// `IPVS_GENL_VERSION`.
pub(crate) const GENL_VERSION: u8 = 1;

/// Room for the name of a scheduler, its terminator included (`IP_VS_SCHEDNAME_MAXLEN`).
pub(crate) const SCHEDNAME_MAXLEN: usize = 16;

/// Most bytes of the name of a persistence engine, without its terminator (`IP_VS_PENAME_MAXLEN`).
pub(crate) const PENAME_MAXLEN: usize = 16;

/// Room for the name of a network device, its terminator included (`IP_VS_IFNAME_MAXLEN`).
pub(crate) const IFNAME_MAXLEN: usize = 16;

/// Commands (`IPVS_CMD_*`).
pub(crate) mod command {
    pub(crate) const NEW_SERVICE: u8 = 1;
    pub(crate) const SET_SERVICE: u8 = 2;
    pub(crate) const DEL_SERVICE: u8 = 3;
    pub(crate) const GET_SERVICE: u8 = 4;
    pub(crate) const NEW_DEST: u8 = 5;
    pub(crate) const SET_DEST: u8 = 6;
    pub(crate) const DEL_DEST: u8 = 7;
    pub(crate) const GET_DEST: u8 = 8;
    pub(crate) const NEW_DAEMON: u8 = 9;
    pub(crate) const DEL_DAEMON: u8 = 10;
    pub(crate) const GET_DAEMON: u8 = 11;
    pub(crate) const SET_CONFIG: u8 = 12;
    pub(crate) const GET_CONFIG: u8 = 13;
    pub(crate) const SET_INFO: u8 = 14;
    pub(crate) const GET_INFO: u8 = 15;
    pub(crate) const ZERO: u8 = 16;
    pub(crate) const FLUSH: u8 = 17;
}

/// Attributes (`IPVS_CMD_ATTR_*`).
pub(crate) mod cmd_attr {
    pub(crate) const SERVICE: u16 = 1;
    pub(crate) const DEST: u16 = 2;
    pub(crate) const DAEMON: u16 = 3;
    pub(crate) const TIMEOUT_TCP: u16 = 4;
    pub(crate) const TIMEOUT_TCP_FIN: u16 = 5;
    pub(crate) const TIMEOUT_UDP: u16 = 6;
}

/// Attributes (`IPVS_SVC_ATTR_*`).
pub(crate) mod svc_attr {
    pub(crate) const AF: u16 = 1;
    pub(crate) const PROTOCOL: u16 = 2;
    pub(crate) const ADDR: u16 = 3;
    pub(crate) const PORT: u16 = 4;
    pub(crate) const FWMARK: u16 = 5;
    pub(crate) const SCHED_NAME: u16 = 6;
    pub(crate) const FLAGS: u16 = 7;
    pub(crate) const TIMEOUT: u16 = 8;
    pub(crate) const NETMASK: u16 = 9;
    pub(crate) const STATS: u16 = 10;
    pub(crate) const PE_NAME: u16 = 11;
    pub(crate) const STATS64: u16 = 12;
}

/// Attributes (`IPVS_DEST_ATTR_*`).
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
    pub(crate) const STATS: u16 = 10;
    pub(crate) const ADDR_FAMILY: u16 = 11;
    pub(crate) const STATS64: u16 = 12;
    pub(crate) const TUN_TYPE: u16 = 13;
    pub(crate) const TUN_PORT: u16 = 14;
    pub(crate) const TUN_FLAGS: u16 = 15;
}

/// Attributes (`IPVS_DAEMON_ATTR_*`).
pub(crate) mod daemon_attr {
    pub(crate) const STATE: u16 = 1;
    pub(crate) const MCAST_IFN: u16 = 2;
    pub(crate) const SYNC_ID: u16 = 3;
    pub(crate) const SYNC_MAXLEN: u16 = 4;
    pub(crate) const MCAST_GROUP: u16 = 5;
    pub(crate) const MCAST_GROUP6: u16 = 6;
    pub(crate) const MCAST_PORT: u16 = 7;
    pub(crate) const MCAST_TTL: u16 = 8;
}

/// Attributes (`IPVS_STATS_ATTR_*`).
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

/// Attributes (`IPVS_INFO_ATTR_*`).
pub(crate) mod info_attr {
    pub(crate) const VERSION: u16 = 1;
    pub(crate) const CONN_TAB_SIZE: u16 = 2;
}

/// Flags (`IP_VS_SVC_F_*`).
pub(crate) mod svc_flags {
    pub(crate) const PERSISTENT: u32 = 0x1;
    pub(crate) const HASHED: u32 = 0x2;
    pub(crate) const ONEPACKET: u32 = 0x4;
    pub(crate) const SCHED1: u32 = 0x8;
    pub(crate) const SCHED2: u32 = 0x10;
    pub(crate) const SCHED3: u32 = 0x20;
}

/// Values (`IP_VS_CONN_F_*`).
pub(crate) mod fwd_method {
    pub(crate) const MASQ: u32 = 0;
    pub(crate) const LOCALNODE: u32 = 1;
    pub(crate) const TUNNEL: u32 = 2;
    pub(crate) const DROUTE: u32 = 3;
    pub(crate) const BYPASS: u32 = 4;
}

/// Values (`IP_VS_CONN_F_TUNNEL_TYPE_*`).
pub(crate) mod tun_type {
    pub(crate) const IPIP: u8 = 0;
    pub(crate) const GUE: u8 = 1;
    pub(crate) const GRE: u8 = 2;
}

/// Flags (`IP_VS_TUNNEL_ENCAP_FLAG_*`).
pub(crate) mod tun_flags {
    pub(crate) const CSUM: u16 = 0x1;
    pub(crate) const REMCSUM: u16 = 0x2;
}

/// Values (`IP_VS_STATE_*`).
pub(crate) mod daemon_state {
    pub(crate) const MASTER: u32 = 1;
    pub(crate) const BACKUP: u32 = 2;
}
