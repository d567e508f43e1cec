// SPDX-License-Identifier: GPL-2.0

//! Lines of /proc/net/ip_vs, ip_vs_conn and ip_vs_conn_sync (K-2, K-3, K-6).
//!
//! Programs parse these files, so every blank and digit is as in C IPVS. Every line includes its
//! line feed.

use super::config::{
    service_flags,
    ConnectionView,
    Counters,
    DestinationView,
    Ip,
    Rates,
    ServiceKey,
    ServiceView, //
};
use super::packet::{
    ICMP,
    ICMPV6,
    SCTP,
    TCP,
    UDP, //
};
use core::fmt::{
    self,
    Display,
    Formatter, //
};

/// Name of a protocol (T-15).
#[derive(Clone, Copy)]
pub(crate) struct ProtocolName(pub(crate) u16);

impl Display for ProtocolName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = match u8::try_from(self.0) {
            Ok(0) => "IP",
            Ok(ICMP) => "ICMP",
            Ok(TCP) => "TCP",
            Ok(UDP) => "UDP",
            Ok(ICMPV6) => "ICMPv6",
            Ok(SCTP) => "SCTP",
            _ => return write!(f, "IP_{}", self.0),
        };
        f.pad(name)
    }
}

/// Address in the format of these files: IPv4 as one hexadecimal number, IPv6 in full.
struct HexAddress(Ip);

impl Display for HexAddress {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ip::V4(bytes) => write!(f, "{:08X}", u32::from_be_bytes(bytes)),
            Ip::V6(bytes) => {
                let mut colon = "";
                for pair in bytes.chunks_exact(2) {
                    if let [high, low] = pair {
                        write!(f, "{colon}{high:02x}{low:02x}")?;
                    }
                    colon = ":";
                }
                Ok(())
            }
        }
    }
}

/// Address and port in a list of services, with brackets around an IPv6 address.
struct Bracketed(Ip, u16);

impl Display for Bracketed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ip::V4(_) => write!(f, "{}:{:04X}", HexAddress(self.0), self.1),
            Ip::V6(_) => write!(f, "[{}]:{:04X}", HexAddress(self.0), self.1),
        }
    }
}

/// Title line of IPVS's files, with the size of the connection table in buckets (K-2, O-5).
pub(crate) struct Title(pub(crate) usize);

impl Display for Title {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "IP Virtual Server version 1.2.1 (size={})", self.0)
    }
}

/// Header of /proc/net/ip_vs, with the size of the connection table in buckets.
pub(crate) struct ServicesHeader(pub(crate) usize);

impl Display for ServicesHeader {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", Title(self.0))?;
        f.write_str("Prot LocalAddress:Port Scheduler Flags\n")?;
        f.write_str("  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n")
    }
}

/// Line of a service.
pub(crate) struct ServiceLine<'a> {
    /// The service.
    pub(crate) view: &'a ServiceView,
    /// Jiffies per second (`HZ`): the file has the persistence timeout in jiffies.
    pub(crate) hz: u32,
}

impl Display for ServiceLine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let view = self.view;
        let scheduler = view.scheduler.as_str();
        let ops = match view.flags & service_flags::ONEPACKET {
            0 => "",
            _ => "ops ",
        };
        match view.id.key {
            ServiceKey::Mark(mark) => write!(f, "FWM  {mark:08X} {scheduler} {ops}")?,
            ServiceKey::Address {
                protocol,
                addr,
                port,
            } => {
                let protocol = ProtocolName(protocol);
                write!(f, "{protocol}  {} {scheduler} ", Bracketed(addr, port))?;
                // C IPVS does not print it for IPv6, and ends it with a second blank otherwise.
                if let Ip::V4(_) = addr {
                    write!(f, "{ops} ")?;
                }
            }
        }
        if view.flags & service_flags::PERSISTENT != 0 {
            // A 32-bit value printed as a C int.
            let jiffies = view.timeout.wrapping_mul(self.hz) as i32;
            let netmask = u32::from_be(view.netmask);
            write!(f, "persistent {jiffies} {netmask:08X}")?;
        }
        f.write_str("\n")
    }
}

/// Line of a destination, which follows its service's.
pub(crate) struct DestinationLine<'a>(pub(crate) &'a DestinationView);

impl Display for DestinationLine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let DestinationView {
            spec,
            active,
            inactive,
            ..
        } = self.0;
        writeln!(
            f,
            "  -> {}      {:<7} {:<6} {active:<10} {inactive:<10}",
            Bracketed(spec.id.addr, spec.id.port),
            spec.method.name(),
            spec.weight,
        )
    }
}

/// Header of /proc/net/ip_vs_conn.
pub(crate) const CONNECTIONS_HEADER: &str =
    "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n";

/// Line of a connection.
pub(crate) struct ConnectionLine<'a>(pub(crate) &'a ConnectionView<'a>);

/// Writes the columns up to the state, which both lists of connections begin with.
fn common_columns(view: &ConnectionView<'_>, f: &mut Formatter<'_>) -> fmt::Result {
    let ConnectionView {
        protocol,
        client,
        virt,
        dest,
        state,
        ..
    } = view;
    write!(
        f,
        "{:<3} {} {:04X} {} {:04X} {} {:04X} {state:<11}",
        ProtocolName((*protocol).into()),
        HexAddress(client.0),
        client.1,
        HexAddress(virt.0),
        virt.1,
        HexAddress(dest.0),
        dest.1,
    )
}

impl Display for ConnectionLine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        common_columns(self.0, f)?;
        write!(f, " {:7}", self.0.expires)?;
        if let Some((engine, data)) = &self.0.engine {
            // Keys of persistence engines are ASCII.
            let data = core::str::from_utf8(data).unwrap_or("?");
            write!(f, " {engine} {data}")?;
        }
        f.write_str("\n")
    }
}

/// Header of /proc/net/ip_vs_conn_sync.
pub(crate) const ORIGINS_HEADER: &str =
    "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Origin Expires\n";

/// Line of a connection with its origin (K-6).
pub(crate) struct OriginLine<'a>(pub(crate) &'a ConnectionView<'a>);

impl Display for OriginLine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        common_columns(self.0, f)?;
        let origin = if self.0.is_synced { "SYNC" } else { "LOCAL" };
        writeln!(f, " {origin:<6} {:7}", self.0.expires)
    }
}

/// Columns of /proc/net/ip_vs_stats: connections, packets and bytes (K-7).
pub(crate) struct Columns([u64; 5]);

impl Columns {
    /// Takes the values of counters.
    #[inline(always)]
    pub(crate) fn of_counters(of: &Counters) -> Self {
        Self([
            of.conns,
            of.in_packets,
            of.out_packets,
            of.in_bytes,
            of.out_bytes,
        ])
    }

    /// Takes the values of rates.
    #[inline(always)]
    pub(crate) fn of_rates(of: &Rates) -> Self {
        Self([
            of.conns,
            of.in_packets,
            of.out_packets,
            of.in_bytes,
            of.out_bytes,
        ])
    }
}

impl Display for Columns {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let [conns, in_packets, out_packets, in_bytes, out_bytes] = self.0;
        write!(
            f,
            "{conns:8X} {in_packets:8X} {out_packets:8X} {in_bytes:16X} {out_bytes:16X}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::{
        AddressFamily, DestinationId, DestinationSpec, ForwardMethod, SchedulerName, ServiceId,
        Statistics, TunnelSpec,
    };
    use super::super::own_options::OwnOptions;
    use super::*;

    const V6: [u8; 16] = [
        0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xab, 1,
    ];

    fn service(key: ServiceKey, flags: u32) -> ServiceView {
        ServiceView {
            id: ServiceId {
                family: AddressFamily::V4,
                key,
            },
            scheduler: SchedulerName::new(b"rr").unwrap(),
            engine: None,
            flags: flags | service_flags::HASHED,
            timeout: 300,
            netmask: u32::from_ne_bytes([255, 255, 255, 0]),
            own: OwnOptions::NONE,
            destinations: 0,
            statistics: Statistics::default(),
        }
    }

    fn line(key: ServiceKey, flags: u32) -> String {
        let view = &service(key, flags);
        ServiceLine { view, hz: 250 }.to_string()
    }

    const WEB: ServiceKey = ServiceKey::Address {
        protocol: 6,
        addr: Ip::V4([192, 0, 2, 1]),
        port: 80,
    };
    const DNS6: ServiceKey = ServiceKey::Address {
        protocol: 17,
        addr: Ip::V6(V6),
        port: 53,
    };

    // K-2
    #[test]
    fn heads() {
        assert_eq!(
            ServicesHeader(4096).to_string(),
            "IP Virtual Server version 1.2.1 (size=4096)\n\
             Prot LocalAddress:Port Scheduler Flags\n  \
             -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"
        );
    }

    // K-2
    #[test]
    fn services() {
        let ops = service_flags::ONEPACKET;
        let persistent = service_flags::PERSISTENT;
        assert_eq!(line(WEB, 0), "TCP  C0000201:0050 rr  \n");
        assert_eq!(line(WEB, ops), "TCP  C0000201:0050 rr ops  \n");
        assert_eq!(
            line(WEB, persistent),
            "TCP  C0000201:0050 rr  persistent 75000 FFFFFF00\n"
        );
        assert_eq!(
            line(WEB, persistent | ops),
            "TCP  C0000201:0050 rr ops  persistent 75000 FFFFFF00\n"
        );
        let v6 = "UDP  [2001:0db8:0000:0000:0000:0000:0000:ab01]:0035 rr ";
        assert_eq!(line(DNS6, 0), format!("{v6}\n"));
        assert_eq!(line(DNS6, ops), format!("{v6}\n"), "never says ops");
        let mark = ServiceKey::Mark(0xbeef);
        assert_eq!(line(mark, 0), "FWM  0000BEEF rr \n");
        assert_eq!(line(mark, ops), "FWM  0000BEEF rr ops \n");
    }

    // K-2
    #[test]
    fn ipv6_netmasks_are_swapped() {
        let mut view = service(DNS6, service_flags::PERSISTENT);
        view.netmask = u32::from_le_bytes([128, 0, 0, 0]);
        let line = ServiceLine {
            view: &view,
            hz: 250,
        };
        if cfg!(target_endian = "little") {
            let line = line.to_string();
            assert!(line.ends_with(" rr persistent 75000 80000000\n"), "{line}");
        }
    }

    // K-2, G-20: seconds times HZ in 32 bits, printed as a C int.
    #[test]
    fn huge_timeouts_wrap() {
        let mut view = service(WEB, service_flags::PERSISTENT);
        view.timeout = u32::MAX;
        let line = ServiceLine {
            view: &view,
            hz: 250,
        };
        assert_eq!(
            line.to_string(),
            "TCP  C0000201:0050 rr  persistent -250 FFFFFF00\n"
        );
    }

    fn destination(addr: Ip, method: ForwardMethod) -> String {
        let view = DestinationView {
            spec: DestinationSpec {
                id: DestinationId { addr, port: 8080 },
                method,
                weight: 10,
                upper: 0,
                lower: 0,
                tunnel: TunnelSpec::default(),
            },
            active: 3,
            inactive: 1_234_567_890,
            persistent: 0,
            drain: None,
            statistics: Statistics::default(),
        };
        DestinationLine(&view).to_string()
    }

    // K-2
    #[test]
    fn destinations() {
        let v4 = Ip::V4([10, 0, 0, 7]);
        assert_eq!(
            destination(v4, ForwardMethod::MASQ),
            "  -> 0A000007:1F90      Masq    10     3          1234567890\n"
        );
        let words = ["Masq", "Local", "Tunnel", "Route", "Masq", "Masq"];
        for (method, word) in (0..).zip(words) {
            let line = destination(v4, ForwardMethod(method));
            assert_eq!(line.split_whitespace().nth(2), Some(word));
        }
        assert_eq!(
            destination(Ip::V6(V6), ForwardMethod::TUNNEL),
            "  -> [2001:0db8:0000:0000:0000:0000:0000:ab01]:1F90      Tunnel  10     3          \
             1234567890\n"
        );
    }

    fn a_connection() -> ConnectionView<'static> {
        ConnectionView {
            protocol: 6,
            client: (Ip::V4([203, 0, 113, 77]), 40000),
            virt: (Ip::V4([192, 0, 2, 1]), 80),
            dest: (Ip::V4([10, 0, 0, 7]), 8080),
            state: "ESTABLISHED",
            expires: 899,
            engine: None,
            is_synced: false,
        }
    }

    // K-3, K-4
    #[test]
    fn connections() {
        let mut view = a_connection();
        let head = CONNECTIONS_HEADER;
        assert!(head.starts_with("Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Exp"));
        assert_eq!(
            ConnectionLine(&view).to_string(),
            "TCP CB00714D 9C40 C0000201 0050 0A000007 1F90 ESTABLISHED     899\n"
        );
        // A template of a service by mark.
        view.protocol = 0;
        view.client.1 = 0;
        view.virt = (Ip::V4([0, 0, 0, 5]), 0);
        view.state = "NONE";
        assert_eq!(
            ConnectionLine(&view).to_string(),
            "IP  CB00714D 0000 00000005 0000 0A000007 1F90 NONE            899\n"
        );
        view.dest.0 = Ip::V6(V6);
        assert_eq!(
            ConnectionLine(&view).to_string(),
            "IP  CB00714D 0000 00000005 0000 2001:0db8:0000:0000:0000:0000:0000:ab01 1F90 \
             NONE            899\n"
        );
    }

    // K-6
    #[test]
    fn origins() {
        let mut view = a_connection();
        (view.protocol, view.virt.1, view.dest.1) = (17, 53, 53);
        (view.state, view.expires) = ("UDP", 300);
        view.engine = Some(("sip", b"not shown"));
        let head = ORIGINS_HEADER;
        assert!(head.ends_with(" DPrt State       Origin Expires\n"));
        assert_eq!(
            OriginLine(&view).to_string(),
            "UDP CB00714D 9C40 C0000201 0035 0A000007 0035 UDP         LOCAL      300\n"
        );
    }

    // K-5, P-28
    #[test]
    fn templates_of_engines() {
        let mut view = a_connection();
        (view.protocol, view.client.1, view.virt.1, view.dest.1) = (17, 0, 5060, 5060);
        (view.state, view.expires) = ("ASSURED", 12);
        view.engine = Some(("sip", b"a84b4c76e66710@host"));
        assert_eq!(
            ConnectionLine(&view).to_string(),
            "UDP CB00714D 0000 C0000201 13C4 0A000007 13C4 ASSURED          12 sip \
             a84b4c76e66710@host\n"
        );
    }

    // T-15
    #[test]
    fn protocols() {
        let names =
            [0, 1, 6, 17, 58, 132, 50, 255, 256, 65535].map(|p| ProtocolName(p).to_string());
        let expected = [
            "IP", "ICMP", "TCP", "UDP", "ICMPv6", "SCTP", "IP_50", "IP_255", "IP_256", "IP_65535",
        ];
        assert_eq!(names, expected);
    }
}
