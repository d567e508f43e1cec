// SPDX-License-Identifier: GPL-2.0

//! The words in which a service, a destination and a connection are configured and shown.
//!
//! Everything here is plain data: the control room fills it from netlink messages and prints it,
//! the director obeys and answers with it. Ports and marks are in host byte order, addresses are
//! bytes as on the wire, times are whole seconds unless a name says otherwise.

use super::uapi::{
    fwd_method,
    tun_flags,
    tun_type,
    PENAME_MAXLEN,
    SCHEDNAME_MAXLEN, //
};
use core::ffi::CStr;

/// An address of either family, bytes in network order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ip {
    /// An IPv4 address.
    V4([u8; 4]),
    /// An IPv6 address.
    V6([u8; 16]),
}

/// The address families that services and destinations have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AddressFamily {
    /// `AF_INET`, 2.
    V4,
    /// `AF_INET6`, 10.
    V6,
}

/// Key by which packets belong to a service (V-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ServiceKey {
    /// A protocol, a virtual address and a port; port 0 stands for every port.
    Address {
        /// Protocol number; any is accepted, only TCP, UDP and SCTP ever match (G-21).
        protocol: u16,
        /// The VIP.
        addr: Ip,
        /// The virtual port.
        port: u16,
    },
    /// A firewall mark.
    Mark(u32),
}

/// The identity of a service: two services never share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ServiceId {
    /// Address family, also of a marked service.
    pub(crate) family: AddressFamily,
    /// Key by which packets are matched.
    pub(crate) key: ServiceKey,
}

/// A name of at most `N - 1` bytes, as netlink carries it: schedulers, persistence engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Name<N> {
    /// The name without a letter.
    pub(crate) const EMPTY: Self = Self {
        bytes: [0; N],
        len: 0,
    };

    /// Makes a name; `None` where it is longer than `N - 1` bytes.
    pub(crate) fn new(text: &[u8]) -> Option<Self> {
        if text.len() >= N {
            return None;
        }
        let mut bytes = [0; N];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self {
            bytes,
            len: u8::try_from(text.len()).ok()?,
        })
    }

    /// The bytes of the name, without a terminator.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// The name as text; empty where it is not UTF-8.
    pub(crate) fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or("")
    }
}

/// A scheduler's name, `IP_VS_SCHEDNAME_MAXLEN` bytes with the terminator.
pub(crate) type SchedulerName = Name<16>;
/// A persistence engine's name, `IP_VS_PENAME_MAXLEN` bytes with the terminator.
pub(crate) type EngineName = Name<17>;
// rustc 1.85 ends with an internal error if closures take types that constants are part of.
const _: () = assert!(SCHEDNAME_MAXLEN == 16 && PENAME_MAXLEN + 1 == 17);

/// Service flags as user space knows them (G-9). `HASHED` is set on every service that is shown,
/// and ignored in requests; `SCHED1` is the fallback of `sh` and `mh`, `SCHED2` makes them hash the
/// port.
pub(crate) use super::uapi::svc_flags as service_flags;

/// All that a user says of a service when adding or editing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServiceSpec {
    /// The service.
    pub(crate) id: ServiceId,
    /// Scheduler; `none` is a service without one (V-18).
    pub(crate) scheduler: SchedulerName,
    /// Persistence engine, where one is asked for.
    pub(crate) engine: Option<EngineName>,
    /// New values of the flags that `flags_mask` selects (G-19).
    pub(crate) flags: u32,
    /// Mask of the flags to change.
    pub(crate) flags_mask: u32,
    /// Persistence timeout in seconds.
    pub(crate) timeout: u32,
    /// IPv4: the mask, bytes in network order read as a native integer (as netlink carries it);
    /// IPv6: the prefix length.
    pub(crate) netmask: u32,
}

/// Forwarding method (low three bits of `IP_VS_DEST_ATTR_FWD_METHOD`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ForwardMethod(pub(crate) u8);

impl ForwardMethod {
    /// The method among the flags that a user gives.
    pub(crate) const fn of_bits(bits: u32) -> Self {
        Self((bits & 7) as u8)
    }

    /// NAT.
    pub(crate) const MASQ: Self = Self::of_bits(fwd_method::MASQ);
    /// The director itself.
    pub(crate) const LOCALNODE: Self = Self::of_bits(fwd_method::LOCALNODE);
    /// Encapsulated to the destination.
    pub(crate) const TUNNEL: Self = Self::of_bits(fwd_method::TUNNEL);
    /// Direct routing: unchanged to the destination's link address.
    pub(crate) const DROUTE: Self = Self::of_bits(fwd_method::DROUTE);
    /// Routed by the packet's own address, no destination.
    pub(crate) const BYPASS: Self = Self::of_bits(fwd_method::BYPASS);

    /// The word of /proc/net/ip_vs (K-2); methods 5 to 7 print as NAT does.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LOCALNODE => "Local",
            Self::TUNNEL => "Tunnel",
            Self::DROUTE => "Route",
            _ => "Masq",
        }
    }
}

/// The identity of a destination within its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DestinationId {
    /// The real server's address; its family may differ from the service's (V-10).
    pub(crate) addr: Ip,
    /// The real server's port; 0 keeps the client's.
    pub(crate) port: u16,
}

/// Encapsulation of a tunnelled destination (G-10, attributes 13 to 15).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TunnelSpec {
    /// 0 IPIP, 1 GUE, 2 GRE; other values are kept and sent as IPIP.
    pub(crate) kind: u8,
    /// GUE's UDP port.
    pub(crate) port: u16,
    /// 1 checksum, 2 remote checksum.
    pub(crate) flags: u16,
}

/// Change of a destination's encapsulation; options that are not given stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TunnelChange {
    /// As in [`TunnelSpec`].
    pub(crate) kind: Option<u8>,
    /// As in [`TunnelSpec`].
    pub(crate) port: Option<u16>,
    /// As in [`TunnelSpec`].
    pub(crate) flags: Option<u16>,
}

impl TunnelChange {
    /// Returns what the change makes of an encapsulation.
    ///
    /// # Errors
    ///
    /// `EINVAL` where that is GUE without a port.
    pub(crate) fn of(self, now: TunnelSpec) -> Result<TunnelSpec, ConfigError> {
        let tunnel = TunnelSpec {
            kind: self.kind.unwrap_or(now.kind),
            port: self.port.unwrap_or(now.port),
            flags: self.flags.unwrap_or(now.flags),
        };
        if tunnel.kind == tun_type::GUE && tunnel.port == 0 {
            return Err(ConfigError::new(
                Errno::Invalid,
                c"a GUE tunnel needs a port",
            ));
        }
        Ok(tunnel)
    }
}

/// Encapsulation of packets in a tunnel: [`TunnelSpec`] as packets obey it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encapsulation {
    /// In an IP packet; so are those of an unknown kind.
    Ipip,
    /// In UDP, by generic UDP encapsulation.
    Gue {
        /// The port to which the packets go.
        port: u16,
        /// True if they have a UDP checksum.
        sum: bool,
        /// True if the receiver is to complete checksums that a device would.
        remote: bool,
    },
    /// In generic routing encapsulation.
    Gre {
        /// True if the packets have a checksum.
        sum: bool,
    },
}

impl TunnelSpec {
    /// The flag for checksums.
    const SUM: u16 = tun_flags::CSUM;
    /// The flag for checksums that the receiver completes, in packets that have checksums
    /// themselves.
    const REMOTE: u16 = tun_flags::REMCSUM;

    /// Returns how packets travel.
    #[inline(always)]
    pub(crate) fn encapsulation(self) -> Encapsulation {
        match self.kind {
            tun_type::GUE => Encapsulation::Gue {
                port: self.port,
                sum: self.flags & (Self::SUM | Self::REMOTE) != 0,
                remote: self.flags & Self::REMOTE != 0,
            },
            tun_type::GRE => Encapsulation::Gre {
                sum: self.flags & Self::SUM != 0,
            },
            _ => Encapsulation::Ipip,
        }
    }
}

/// All that a user says of a destination when adding or editing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DestinationSpec {
    /// The destination.
    pub(crate) id: DestinationId,
    /// Forward method.
    pub(crate) method: ForwardMethod,
    /// Weight; negative is refused.
    pub(crate) weight: i32,
    /// Upper connection threshold, 0 for none.
    pub(crate) upper: u32,
    /// Lower connection threshold, 0 for three quarters of the upper.
    pub(crate) lower: u32,
    /// Encapsulation.
    pub(crate) tunnel: TunnelSpec,
}

/// Counters of a service, a destination or all of them (E-1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Connections scheduled.
    pub(crate) conns: u64,
    /// Packets from clients.
    pub(crate) in_packets: u64,
    /// Packets to clients.
    pub(crate) out_packets: u64,
    /// Bytes from clients.
    pub(crate) in_bytes: u64,
    /// Bytes to clients.
    pub(crate) out_bytes: u64,
}

/// Rates per second, of C IPVS's meaning (E-7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rates {
    /// Connections.
    pub(crate) conns: u64,
    /// Packets in.
    pub(crate) in_packets: u64,
    /// Packets out.
    pub(crate) out_packets: u64,
    /// Bytes in.
    pub(crate) in_bytes: u64,
    /// Bytes out.
    pub(crate) out_bytes: u64,
}

/// Counters since the last zeroing, with their rates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statistics {
    /// Since the last zeroing.
    pub(crate) counters: Counters,
    /// Per second.
    pub(crate) rates: Rates,
}

/// A service as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServiceView {
    /// The service.
    pub(crate) id: ServiceId,
    /// Scheduler, or `none`.
    pub(crate) scheduler: SchedulerName,
    /// Persistence engine.
    pub(crate) engine: Option<EngineName>,
    /// All flags, `HASHED` among them.
    pub(crate) flags: u32,
    /// Persistence timeout in seconds.
    pub(crate) timeout: u32,
    /// As in [`ServiceSpec`].
    pub(crate) netmask: u32,
    /// Number of its destinations.
    pub(crate) destinations: u32,
    /// Counters and rates.
    pub(crate) statistics: Statistics,
}

/// A destination as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DestinationView {
    /// Its configuration.
    pub(crate) spec: DestinationSpec,
    /// Connections in an active state.
    pub(crate) active: u32,
    /// Other connections.
    pub(crate) inactive: u32,
    /// Templates.
    pub(crate) persistent: u32,
    /// Counters and rates.
    pub(crate) statistics: Statistics,
}

/// A connection or template as it is shown (K-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionView<'a> {
    /// Protocol number; 0 for a template of a marked service.
    pub(crate) protocol: u8,
    /// The client's address and port.
    pub(crate) client: (Ip, u16),
    /// The VIP, or a template's mark, and port.
    pub(crate) virt: (Ip, u16),
    /// The real server's address and port.
    pub(crate) dest: (Ip, u16),
    /// The state's name.
    pub(crate) state: &'static str,
    /// Seconds until it expires, 0 where that has passed.
    pub(crate) expires: u32,
    /// A template's persistence engine by name, and what it goes by (K-5).
    pub(crate) engine: Option<(&'static str, &'a [u8])>,
    /// True if another director sent it (K-6).
    pub(crate) is_synced: bool,
}

/// Timeouts that a user may set, in seconds (G-14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// Established TCP connections.
    pub(crate) tcp: u32,
    /// TCP connections after a FIN.
    pub(crate) tcp_fin: u32,
    /// UDP.
    pub(crate) udp: u32,
}

/// The errors that a request can end with; the control room gives them their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errno {
    /// `EINVAL`
    Invalid,
    /// `EEXIST`
    Exists,
    /// `ENOENT`
    NoEntry,
    /// `ESRCH`
    NoService,
    /// `EAFNOSUPPORT`
    Family,
    /// `ERANGE`
    Range,
    /// `ENOMEM`
    NoMemory,
    /// `EFAULT`
    Fault,
    /// `ENODEV`
    NoDevice,
    /// `ENOPROTOOPT`
    Closed,
    /// Any other error of the kernel: a number below zero.
    Other(i32),
}

/// Error of a request: the errno of C IPVS, and a text for the extack message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConfigError {
    /// The error number.
    pub(crate) errno: Errno,
    /// One line, without a full stop, that names the mistake.
    pub(crate) text: &'static CStr,
}

impl ConfigError {
    /// A refusal with its words.
    pub(crate) const fn new(errno: Errno, text: &'static CStr) -> Self {
        Self { errno, text }
    }

    /// Memory ran out.
    pub(crate) const NO_MEMORY: Self = Self::new(Errno::NoMemory, c"out of memory");
    /// The service asked for does not exist.
    pub(crate) const NO_SERVICE: Self = Self::new(Errno::NoService, c"no such service");
    /// The destination asked for does not exist.
    pub(crate) const NO_DESTINATION: Self =
        Self::new(Errno::NoEntry, c"the service has no such destination");
}

#[cfg(any(test, CONFIG_RUST_IPVS_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_RUST_IPVS_KUNIT_TEST,
    crate::kunit_tests(rust_ipvs_config),
    allow(unsafe_code, unused)
)]
mod tests {
    use super::*;

    // G-6
    #[test]
    fn names_have_room_for_a_terminator() {
        assert_eq!(SchedulerName::new(b"wlc").unwrap().as_str(), "wlc");
        assert_eq!(SchedulerName::new(b"").unwrap().as_bytes(), b"");
        assert!(SchedulerName::new(&[b'x'; 15]).is_some());
        assert!(SchedulerName::new(&[b'x'; 16]).is_none());
        assert!(EngineName::new(&[b'x'; 16]).is_some());
        assert!(EngineName::new(&[b'x'; 17]).is_none());
        assert_eq!(SchedulerName::new(&[0xff]).unwrap().as_str(), "");
    }

    // K-2
    #[test]
    fn methods_have_the_words_of_proc() {
        let names = [0, 1, 2, 3, 4, 5, 6, 7].map(|method| ForwardMethod(method).name());
        let expected = [
            "Masq", "Local", "Tunnel", "Route", "Masq", "Masq", "Masq", "Masq",
        ];
        assert_eq!(names, expected);
    }
}
