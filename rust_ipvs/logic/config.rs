// SPDX-License-Identifier: GPL-2.0

//! Configuration and listings of services, destinations and connections.
//!
//! Everything here is plain data. The control layer fills it from netlink messages and prints it;
//! the director layer takes and returns it. Ports and marks are in host byte order, addresses in
//! network byte order, times in seconds unless a name says otherwise.

use super::{
    drain::DrainView,
    own_options::OwnOptions,
    uapi::{
        fwd_method,
        tun_flags,
        tun_type,
        PENAME_MAXLEN,
        SCHEDNAME_MAXLEN, //
    },
};
use core::ffi::CStr;

/// Address of either family, in network byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ip {
    /// An IPv4 address.
    V4([u8; 4]),
    /// An IPv6 address.
    V6([u8; 16]),
}

impl Ip {
    /// Returns the address family.
    pub(crate) fn family(self) -> AddressFamily {
        match self {
            Self::V4(_) => AddressFamily::V4,
            Self::V6(_) => AddressFamily::V6,
        }
    }
}

/// Address family of a service or destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AddressFamily {
    /// `AF_INET`, 2.
    V4,
    /// `AF_INET6`, 10.
    V6,
}

impl AddressFamily {
    /// Returns the `AF_*` number.
    pub(crate) fn number(self) -> u16 {
        match self {
            Self::V4 => 2,
            Self::V6 => 10,
        }
    }

    /// Returns the minimum MTU, which every link must have, in bytes (RFC 791, RFC 8200).
    #[inline(always)]
    pub(crate) const fn least_mtu(self) -> u32 {
        match self {
            Self::V4 => 68,
            Self::V6 => 1280,
        }
    }
}

/// Key that matches packets to a service (V-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ServiceKey {
    /// Protocol, virtual address and port. Port 0 matches every port.
    Address {
        /// Protocol number. Any is accepted; only TCP, UDP and SCTP match packets (G-21).
        protocol: u16,
        /// The VIP.
        addr: Ip,
        /// The virtual port.
        port: u16,
    },
    /// A firewall mark.
    Mark(u32),
}

/// Identity of a service, unique within a network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ServiceId {
    /// Address family, also of a service by mark.
    pub(crate) family: AddressFamily,
    /// Key that matches packets.
    pub(crate) key: ServiceKey,
}

/// Name of at most `N - 1` bytes, of a scheduler, persistence engine or interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Name<N> {
    /// The empty name.
    pub(crate) const EMPTY: Self = Self {
        bytes: [0; N],
        len: 0,
    };

    /// Makes a name; `None` if it is longer than `N - 1` bytes.
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

    /// Returns the bytes of the name, without terminator.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// Returns the name as text, empty if it is not UTF-8.
    pub(crate) fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or("")
    }
}

/// Name of a scheduler: `IP_VS_SCHEDNAME_MAXLEN` bytes, terminator included.
pub(crate) type SchedulerName = Name<16>;
/// Name of a persistence engine: `IP_VS_PENAME_MAXLEN` bytes and a terminator.
pub(crate) type EngineName = Name<17>;
// rustc 1.85 reports an internal error if closures take types that contain constants.
const _: () = assert!(SCHEDNAME_MAXLEN == 16 && PENAME_MAXLEN + 1 == 17);

/// Service flags of the user interface (G-9). `HASHED` is set on every service that is shown and
/// ignored in requests. `SCHED1` enables the fallback of `sh` and `mh`, `SCHED2` makes them include
/// the client's port.
pub(crate) use super::uapi::svc_flags as service_flags;

/// Configuration of a service, as an administrator adds or edits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServiceSpec {
    /// Identity of the service.
    pub(crate) id: ServiceId,
    /// Scheduler; `none` for a service without one (V-18).
    pub(crate) scheduler: SchedulerName,
    /// Persistence engine, if any.
    pub(crate) engine: Option<EngineName>,
    /// New values of the flags that `flags_mask` selects (G-19).
    pub(crate) flags: u32,
    /// Mask of the flags that change.
    pub(crate) flags_mask: u32,
    /// Persistence timeout in seconds.
    pub(crate) timeout: u32,
    /// IPv4: the mask in network byte order, read as a native integer, as netlink carries it. IPv6:
    /// the prefix length.
    pub(crate) netmask: u32,
    /// Options in place of the namespace's.
    pub(crate) own: OwnOptions,
}

/// Forwarding method, the low three bits of `IPVS_DEST_ATTR_FWD_METHOD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ForwardMethod(pub(crate) u8);

impl ForwardMethod {
    /// Extracts the method from flags (`IP_VS_CONN_F_FWD_MASK`).
    pub(crate) const fn of_bits(bits: u32) -> Self {
        Self((bits & 7) as u8)
    }

    /// NAT (masquerading).
    pub(crate) const MASQ: Self = Self::of_bits(fwd_method::MASQ);
    /// Local delivery on the director.
    pub(crate) const LOCALNODE: Self = Self::of_bits(fwd_method::LOCALNODE);
    /// Tunnel to the destination.
    pub(crate) const TUNNEL: Self = Self::of_bits(fwd_method::TUNNEL);
    /// Direct routing: the packet goes unchanged to the link-layer address of the destination.
    pub(crate) const DROUTE: Self = Self::of_bits(fwd_method::DROUTE);
    /// Bypass: routed by the packet's own destination address.
    pub(crate) const BYPASS: Self = Self::of_bits(fwd_method::BYPASS);

    /// Returns the method's name in /proc/net/ip_vs (K-2). Methods 5 to 7 are shown as NAT.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LOCALNODE => "Local",
            Self::TUNNEL => "Tunnel",
            Self::DROUTE => "Route",
            _ => "Masq",
        }
    }
}

/// Identity of a destination within its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DestinationId {
    /// Address of the real server. Its family may differ from the service's (V-10).
    pub(crate) addr: Ip,
    /// Port of the real server; 0 keeps the packet's.
    pub(crate) port: u16,
}

/// Encapsulation of a tunnelled destination (G-10, attributes 13 to 15).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TunnelSpec {
    /// `IP_VS_CONN_F_TUNNEL_TYPE_*`: 0 IPIP, 1 GUE, 2 GRE. Other values are stored and sent as IPIP
    ///
    pub(crate) kind: u8,
    /// UDP port of GUE.
    pub(crate) port: u16,
    /// `IP_VS_TUNNEL_ENCAP_FLAG_*`: 1 checksum, 2 remote checksum.
    pub(crate) flags: u16,
}

/// Change of a destination's encapsulation. Options that are `None` keep their value.
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
    /// Returns the encapsulation after the change.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the result is GUE without a port.
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

/// Encapsulation of tunnelled packets, decoded from [`TunnelSpec`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encapsulation {
    /// IP in IP, also for unknown types.
    Ipip,
    /// Generic UDP encapsulation.
    Gue {
        /// Destination port, in host byte order.
        port: u16,
        /// True if the outer UDP header has a checksum.
        sum: bool,
        /// True if the receiver completes checksums of the inner packet (remote checksum offload).
        remote: bool,
    },
    /// Generic routing encapsulation.
    Gre {
        /// True if the GRE header has a checksum.
        sum: bool,
    },
}

impl TunnelSpec {
    /// Flag for checksums.
    const SUM: u16 = tun_flags::CSUM;
    /// Flag for remote checksum offload, which implies [`Self::SUM`] for GUE.
    const REMOTE: u16 = tun_flags::REMCSUM;

    /// Returns the encapsulation of packets.
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

/// Configuration of a destination, as an administrator adds or edits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DestinationSpec {
    /// Identity of the destination.
    pub(crate) id: DestinationId,
    /// Forwarding method.
    pub(crate) method: ForwardMethod,
    /// Weight; a negative one is rejected.
    pub(crate) weight: i32,
    /// Upper connection threshold; 0 for none.
    pub(crate) upper: u32,
    /// Lower connection threshold; 0 for three quarters of the upper one.
    pub(crate) lower: u32,
    /// Encapsulation.
    pub(crate) tunnel: TunnelSpec,
}

/// Counters of a service, of a destination or of the namespace (E-1).
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

/// Rates per second, as C IPVS defines them (E-7).
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

/// Counters since they were last zeroed, with their rates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statistics {
    /// Counters since they were last zeroed.
    pub(crate) counters: Counters,
    /// Rates per second.
    pub(crate) rates: Rates,
}

/// Service as it is listed.
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
    /// Options in place of the namespace's.
    pub(crate) own: OwnOptions,
    /// Number of its destinations.
    pub(crate) destinations: u32,
    /// Counters and rates.
    pub(crate) statistics: Statistics,
}

/// Destination as it is listed.
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
    /// Its drain; `None` if it is not drained.
    pub(crate) drain: Option<DrainView>,
    /// Counters and rates.
    pub(crate) statistics: Statistics,
}

/// Connection or template as it is listed (K-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionView<'a> {
    /// Protocol number; 0 for a template of a service by mark.
    pub(crate) protocol: u8,
    /// The client's address and port.
    pub(crate) client: (Ip, u16),
    /// The VIP and port; of a template by mark the mark in place of the VIP.
    pub(crate) virt: (Ip, u16),
    /// The real server's address and port.
    pub(crate) dest: (Ip, u16),
    /// Name of the state.
    pub(crate) state: &'static str,
    /// Seconds until it expires; 0 if that has passed.
    pub(crate) expires: u32,
    /// Name of a template's persistence engine, and its key (K-5).
    pub(crate) engine: Option<(&'static str, &'a [u8])>,
    /// True if it was received from another director (K-6).
    pub(crate) is_synced: bool,
}

/// Timeouts that an administrator can set, in seconds (G-14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AdminTimeouts {
    /// Established TCP connections.
    pub(crate) tcp: u32,
    /// TCP connections after a FIN.
    pub(crate) tcp_fin: u32,
    /// UDP.
    pub(crate) udp: u32,
}

/// Errors of requests. The control layer maps them to errno values.
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
    /// `ESTALE`
    Stale,
    /// Another kernel error, a negative errno.
    Other(i32),
}

/// Error of a request: the errno of C IPVS, and the text of the extack message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConfigError {
    /// The error number.
    pub(crate) errno: Errno,
    /// One line without a full stop that names the mistake.
    pub(crate) text: &'static CStr,
}

impl ConfigError {
    /// Makes an error with its text.
    pub(crate) const fn new(errno: Errno, text: &'static CStr) -> Self {
        Self { errno, text }
    }

    /// Memory allocation failed.
    pub(crate) const NO_MEMORY: Self = Self::new(Errno::NoMemory, c"out of memory");
    /// The namespace is being torn down (C: `ip_vs_use_count_inc()` fails).
    pub(crate) const CLOSED: Self = Self::new(
        Errno::Closed,
        c"there is no load balancer in this namespace now",
    );
    /// The service to add exists.
    pub(crate) const SERVICE_EXISTS: Self = Self::new(Errno::Exists, c"the service exists already");
    /// The destination to add exists.
    pub(crate) const DESTINATION_EXISTS: Self =
        Self::new(Errno::Exists, c"the service has that destination already");
    /// The service does not exist.
    pub(crate) const NO_SERVICE: Self = Self::new(Errno::NoService, c"no such service");
    /// The destination does not exist.
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
