// SPDX-License-Identifier: GPL-2.0

//! The lines of /proc/net/ip_vs and /proc/net/ip_vs_conn (K-2, K-3).
//!
//! Programs read these files, so each blank and each digit is as in the reference. Every line ends with
//! its line feed.

use super::config::{
    service_flags,
    ConnectionView,
    DestinationView,
    Ip,
    ServiceKey,
    ServiceView, //
};
use super::packet::{
    ICMP,
    ICMPV6,
    TCP,
    UDP, //
};
use core::fmt::{
    self,
    Display,
    Formatter, //
};

/// A protocol's name (T-15).
#[derive(Clone, Copy)]
pub(crate) struct Protocol(pub(crate) u16);

impl Display for Protocol {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const SCTP: u8 = 132;
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

/// An address as these files have it: IPv4 as one hexadecimal number, IPv6 in full.
struct Address(Ip);

impl Display for Address {
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

/// An address and a port in a table of services, where IPv6 addresses are in brackets.
struct Bracketed(Ip, u16);

impl Display for Bracketed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ip::V4(_) => write!(f, "{}:{:04X}", Address(self.0), self.1),
            Ip::V6(_) => write!(f, "[{}]:{:04X}", Address(self.0), self.1),
        }
    }
}

/// The head of /proc/net/ip_vs; the number is the connection table's size in buckets.
pub(crate) struct ServicesHeader(pub(crate) usize);

impl Display for ServicesHeader {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "IP Virtual Server version 1.2.1 (size={})", self.0)?;
        f.write_str("Prot LocalAddress:Port Scheduler Flags\n")?;
        f.write_str("  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n")
    }
}

/// A service's line.
pub(crate) struct ServiceLine<'a> {
    /// The service.
    pub(crate) view: &'a ServiceView,
    /// Jiffies in a second: the file shows the persistence timeout in jiffies.
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
                let protocol = Protocol(protocol);
                write!(f, "{protocol}  {} {scheduler} ", Bracketed(addr, port))?;
                // The reference never says it of IPv6.
                if let Ip::V4(_) = addr {
                    f.write_str(ops)?;
                }
            }
        }
        if view.flags & service_flags::PERSISTENT != 0 {
            // Kept in 32 bits and printed signed, as a C int.
            let jiffies = view.timeout.wrapping_mul(self.hz) as i32;
            let netmask = u32::from_be(view.netmask);
            write!(f, "persistent {jiffies} {netmask:08X}")?;
        }
        f.write_str("\n")
    }
}

/// A destination's line, which follows its service's.
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

/// The head of /proc/net/ip_vs_conn.
pub(crate) const CONNECTIONS_HEADER: &str =
    "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n";

/// A connection's line.
pub(crate) struct ConnectionLine<'a>(pub(crate) &'a ConnectionView);

impl Display for ConnectionLine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ConnectionView {
            protocol,
            client,
            virt,
            dest,
            state,
            expires,
        } = self.0;
        writeln!(
            f,
            "{:<3} {} {:04X} {} {:04X} {} {:04X} {state:<11} {expires:7}",
            Protocol((*protocol).into()),
            Address(client.0),
            client.1,
            Address(virt.0),
            virt.1,
            Address(dest.0),
            dest.1,
        )
    }
}
