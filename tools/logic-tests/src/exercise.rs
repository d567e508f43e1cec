// SPDX-License-Identifier: GPL-2.0

//! Runs the logic on arbitrary bytes, and checks invariants.
//!
//! A panic here, including failed assertions, is a bug in the logic.

use crate::logic::checksum::SumState;
use crate::logic::config::{
    AddressFamily, ConnectionView, DestinationView, Ip, ServiceKey, ServiceView, Statistics,
};
use crate::logic::direction::Direction;
use crate::logic::family::{Endpoint, Family, Fragment, Header, ParseError, Side, V4, V6};
use crate::logic::hash::HashKey;
use crate::logic::nlattr::{self, Attributes};
use crate::logic::packet::{Transport, SCTP, TCP, UDP};
use crate::logic::persistence::{connection_port, KeyForm, TemplateKey};
use crate::logic::show::{ConnectionLine, DestinationLine, ServiceLine};
use crate::logic::sync::read::Entries;
use crate::logic::sync::write::{self, Added, SyncMsgBuilder};
use crate::logic::sync::Version;
use crate::logic::{defense, ftp, payload, request, ripvs, sctp, sip, sockopt, tcp};
use core::fmt::{self, Write};

/// Depth to which a packet was parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// No valid IP header.
    Refused,
    /// A valid IP header, but no ports.
    Header,
    /// IP header and ports.
    Transport,
}

/// Length of the longest packet; longer ones are truncated.
pub const PACKET_MAX: usize = 512;

/// Parses and rewrites a packet as both families. Returns the depth of the better one.
pub fn packet(data: &[u8]) -> Depth {
    let data = data.get(..PACKET_MAX).unwrap_or(data);
    packet_of::<V4>(data, [10, 1, 2, 3]).max(packet_of::<V6>(data, [0xfd; 16]))
}

fn packet_of<F: Family>(data: &[u8], other: F::Addr) -> Depth {
    let mut buffer = [0; PACKET_MAX];
    let packet = &mut buffer[..data.len()];
    packet.copy_from_slice(data);

    let header = match F::parse(packet) {
        Ok(header) => header,
        Err(error) => {
            asks_for_more(error, data);
            // A packet that cannot be parsed is unchanged.
            let _ = F::dec_ttl(packet, data.len() as u16);
            return Depth::Refused;
        }
    };
    assert!(header.length == 0 || u32::from(header.l4) <= header.length);
    let ip = F::ip(header.src);
    assert_eq!(F::from_ip(ip), Some(header.src));

    wheel::<F>(data, packet, header.l4);
    packet.copy_from_slice(data);

    let to = Endpoint {
        addr: other,
        port: 0xbeef,
    };
    for side in [Side::Source, Side::Destination] {
        for sum in [SumState::Full, SumState::Partial] {
            rewriting::<F>(data, packet, &header, side, &to, sum);
            packet.copy_from_slice(data);
        }
    }

    if header.fragment == Fragment::Later {
        return Depth::Header;
    }
    match Transport::parse(header.protocol, packet, header.l4) {
        Ok(transport) => {
            sctp_port(data, packet, header.protocol, header.l4.into());
            follow::<F>(&header, &transport);
            persist::<F>(&header, &transport);
            Depth::Transport
        }
        Err(error) => {
            let known = matches!(header.protocol, TCP | UDP | SCTP);
            assert_eq!(known, error != ParseError::Malformed);
            asks_for_more(error, data);
            Depth::Header
        }
    }
}

/// Checks that a parser that reports a short packet needs more bytes than there are, as its caller
/// would loop otherwise.
fn asks_for_more(error: ParseError, data: &[u8]) {
    if let ParseError::Short(needed) = error {
        assert!(needed > data.len());
    }
}

/// Decrements the TTL until the packet cannot be forwarded.
fn wheel<F: Family>(data: &[u8], packet: &mut [u8], l4: u16) {
    let mut hops = 0;
    while F::dec_ttl(packet, l4) {
        hops += 1;
    }
    let header = F::parse(packet).map(|header| header.ttl);
    let before = F::parse(data).map_or(0, |header| header.ttl);
    assert_eq!(header, Ok(if before == 0 { 0 } else { 1 }));
    assert_eq!(hops, u32::from(before).saturating_sub(1));
}

/// Rewrites a packet and restores it.
fn rewriting<F: Family>(
    data: &[u8],
    packet: &mut [u8],
    header: &Header<F>,
    side: Side,
    to: &Endpoint<F>,
    sum: SumState,
) {
    if let Err(error) = F::rewrite(packet, header, side, to, sum) {
        asks_for_more(error, data);
        assert_eq!(packet, data, "a rewrite that fails changes nothing");
        return;
    }
    let Ok(changed) = F::parse(packet) else {
        panic!("a rewritten packet cannot be read");
    };
    let (addr, from) = match side {
        Side::Source => (changed.src, header.src),
        Side::Destination => (changed.dst, header.dst),
    };
    assert_eq!(addr, to.addr);
    // The address, and two bytes each of the port and of both checksums.
    let differences = packet.iter().zip(data).filter(|(a, b)| a != b).count();
    assert!(differences <= from.as_ref().len() + 6);

    let mut back = Endpoint {
        addr: from,
        port: 0,
    };
    if header.fragment != Fragment::Later {
        let before = Transport::parse(header.protocol, data, header.l4);
        let after = Transport::parse(header.protocol, packet, header.l4);
        if let (Ok(before), Ok(after)) = (before, after) {
            let (port, from) = match side {
                Side::Source => (after.src_port, before.src_port),
                Side::Destination => (after.dst_port, before.dst_port),
            };
            assert_eq!(port, to.port);
            assert_eq!(before.flags, after.flags);
            back.port = from;
        }
    }
    assert_eq!(F::rewrite(packet, header, side, &back, sum), Ok(()));
    // Everything is restored, except that 0 and 0xffff are equivalent in a checksum, and that the
    // checksum of an IPv4 header with options is recomputed.
    let anew = if F::FAMILY == AddressFamily::V4 && header.l4 > 20 {
        10..12
    } else {
        0..0
    };
    for (i, (a, b)) in packet.iter().zip(data).enumerate() {
        assert!(
            a == b || matches!((a, b), (0, 0xff) | (0xff, 0)) || anew.contains(&i),
            "byte {i}"
        );
    }
}

/// Changes the port of an SCTP packet and restores it.
fn sctp_port(data: &[u8], packet: &mut [u8], protocol: u8, at: usize) {
    if protocol != SCTP {
        return;
    }
    let length = packet.len().saturating_sub(at);
    for side in [Side::Source, Side::Destination] {
        let old = match side {
            Side::Source => [data[at], data[at + 1]],
            Side::Destination => [data[at + 2], data[at + 3]],
        };
        for sum in [SumState::Full, SumState::Partial] {
            for port in [0xbeef, u16::from_be_bytes(old)] {
                assert!(sctp::set_port(&mut packet[at..], side, port, length, sum));
            }
            assert_eq!(packet, data, "there and back");
        }
    }
}

/// Hashes the flow, and applies its events to the state tables.
fn follow<F: Family>(header: &Header<F>, transport: &Transport) {
    let source = Endpoint {
        addr: header.src,
        port: transport.src_port,
    };
    let destination = Endpoint {
        addr: header.dst,
        port: transport.dst_port,
    };
    let key = HashKey::new([0x9e37_79b9_7f4a_7c15; HashKey::WORDS]);
    let there = F::hash(&key, &source, &destination, header.protocol);
    let back = F::hash(&key, &destination, &source, header.protocol);
    assert_eq!(there, back);
    let [state, ..] = there.to_ne_bytes();
    for direction in [Direction::Input, Direction::Output, Direction::InputOnly] {
        for secure in [false, true] {
            let next = tcp::next(secure, direction, transport.flags.event(), state);
            assert!(usize::from(next) < tcp::STATES);
        }
        let next = sctp::next(direction, transport.event, state);
        assert!(usize::from(next) < sctp::STATES);
    }
    let _ = defense::verdict(header.protocol, state);
}

/// Makes the template key of a flow for a service of each kind.
fn persist<F: Family>(header: &Header<F>, transport: &Transport) {
    let virt = Endpoint::<F> {
        addr: header.dst,
        port: transport.dst_port,
    };
    let netmask = u32::from_ne_bytes([header.tos, header.ttl, 0xff, header.protocol]);
    let address = |port| ServiceKey::Address {
        protocol: header.protocol.into(),
        addr: F::ip(header.dst),
        port,
    };
    for service in [
        address(transport.dst_port),
        address(0),
        ServiceKey::Mark(netmask),
    ] {
        let key = TemplateKey::<F>::new(&service, netmask, header.protocol, header.src, virt);
        let again = TemplateKey::<F>::new(&service, netmask, header.protocol, key.client, virt);
        assert_eq!(key, again, "a network's address belongs to the network");
        assert_eq!(key.client().port, 0);
        assert_eq!(key.form == KeyForm::Mark, key.protocol == 0);
        assert!(key.form == KeyForm::Port || key.virt.port == 0);
        let port = connection_port(&service, transport.dst_port, transport.src_port);
        assert!(port == transport.dst_port || port == transport.src_port);
    }
}

/// Searches a Call-ID in a message; returns true if there is one.
pub fn sip_message(data: &[u8]) -> bool {
    let Some(id) = sip::call_id(data) else {
        return false;
    };
    assert!(!id.is_empty() && id.len() <= sip::CALL_ID_MAX);
    assert!(id.iter().all(u8::is_ascii_graphic));
    // The Call-ID is part of the message, at the end of a line, and does not depend on what follows
    // the header.
    let start = id.as_ptr() as usize - data.as_ptr() as usize;
    let end = start + id.len();
    assert_eq!(data.get(start..end), Some(id));
    assert!(matches!(data.get(end), Some(b'\r' | b'\n')));
    assert_eq!(data.get(..end + 1).and_then(sip::call_id), Some(id));
    assert_eq!(data.get(..end).and_then(sip::call_id), None);
    true
}

/// Parses a payload of an FTP control connection, for both families and from both sides. Returns
/// the number of results.
pub fn ftp_segment(data: &[u8]) -> usize {
    usize::from(ftp_segment_of::<V4>(data)) + usize::from(ftp_segment_of::<V6>(data))
}

fn ftp_segment_of<F: Family>(data: &[u8]) -> bool {
    let command = ftp::command::<F>(data);
    if let Some(ftp::FtpCommand::Active(at)) = command {
        assert_ne!(at.port, 0);
    }
    let mut found = command.is_some();
    for mode in [ftp::Mode::Plain, ftp::Mode::Extended] {
        let Some(announced) = ftp::answer::<F>(mode, data) else {
            continue;
        };
        found = true;
        assert_ne!(announced.port, 0);
        let (start, end) = announced.place;
        assert!(4 <= start && start < end && end <= data.len());
        // A truncated payload gives the same result or none.
        for length in [end, end.saturating_sub(1), data.len() / 2] {
            let cut = ftp::answer::<F>(mode, data.get(..length).unwrap_or(data));
            assert!(cut.is_none_or(|cut| cut == announced));
        }
        // The replacement is parsed as the address and port that were formatted.
        let ip = F::ip(F::of_mark((u32::from(announced.port) << 9) | 1));
        let text = ftp::EndpointText::new(mode, ip, announced.port);
        let mut buffer = [0u8; 128];
        let head = data
            .get(start.saturating_sub(64).max(4)..start)
            .unwrap_or(&[]);
        let tail = data.get(end..data.len().min(end + 8)).unwrap_or(&[]);
        let start = 4 + head.len();
        let mut at = 0;
        for piece in [data.get(..4).unwrap_or(&[]), head, text.as_bytes(), tail] {
            buffer[at..at + piece.len()].copy_from_slice(piece);
            at += piece.len();
        }
        if tail.first().is_some_and(|byte| !byte.is_ascii_digit()) {
            let place = (start, start + text.as_bytes().len());
            if let Some(again) = ftp::answer::<F>(mode, &buffer[..at]) {
                assert_eq!((again.port, again.place), (announced.port, place));
            }
        }
    }
    found
}

/// Replaces a part of a packet, chosen by the first bytes, and parses it again.
pub fn replacement(data: &[u8]) {
    if let [start, length, with, rest @ ..] = data {
        let rest = rest.get(..PACKET_MAX).unwrap_or(rest);
        replacement_in::<V4>(rest, *start, *length, *with);
        replacement_in::<V6>(rest, *start, *length, *with);
    }
}

fn replacement_in<F: Family>(data: &[u8], start: u8, length: u8, with: u8) {
    let mut buffer = [0; PACKET_MAX + 256];
    buffer[..data.len()].copy_from_slice(data);
    let Ok(header) = F::parse(data) else {
        return;
    };
    let start = usize::from(start);
    let part = payload::Part {
        packet: data.len(),
        start,
        end: start + usize::from(length),
    };
    let with = &[with; 256][..usize::from(with)];
    let text = payload::replace(&mut buffer, &header, part, with, SumState::Full);
    let Some(after) = text else {
        assert_eq!(&buffer[..data.len()], data);
        return;
    };
    assert_eq!(after, data.len() + with.len() - usize::from(length));
    assert_eq!(&buffer[start..start + with.len()], with);
    assert_eq!(&buffer[start + with.len()..after], &data[part.end..]);
}

/// Counts the bytes written.
struct Counter(usize);

impl Write for Counter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// Returns the length of a line. It contains one line feed, at its end.
fn line(shown: impl fmt::Display) -> usize {
    let mut counter = Counter(0);
    assert!(write!(counter, "{shown}").is_ok());
    counter.0
}

/// Parses a netlink message as each kind of request. Returns the number of those accepted.
pub fn message(data: &[u8]) -> usize {
    let mut taken = 0;
    let mut bytes = 0;
    for (number, payload) in Attributes::new(data) {
        bytes += 4 + payload.len();
        assert!(nlattr::find(data, number).is_some());
        // A nest is a message too.
        taken += requests(payload);
    }
    assert!(bytes <= data.len());
    let _ = request::timeouts(data, 250);
    let _ = request::timeouts(data, 0);
    sockopt(data);
    for nest in ripvs::changes(data) {
        taken += usize::from(ripvs::change(nest).is_ok());
    }
    let _ = ripvs::single(data, 1);
    let _ = (ripvs::selection(data), ripvs::deletion(data));
    taken + usize::from(ripvs::change(data).is_ok()) + requests(data)
}

/// Parses bytes as the structure of each socket option. Returns the number of options accepted.
pub fn sockopt(data: &[u8]) -> usize {
    let mut taken = 0;
    for option in sockopt::FIRST - 1..=sockopt::SET_END {
        let length = sockopt::set_length(option).min(data.len());
        let set = sockopt::set(option, &data[..length], 250);
        taken += usize::from(set.is_ok());
        if let Ok(sockopt::SetRequest::AddDestination(_, request)) = set {
            let _ = request.spec();
        }
        if let Some(get) = sockopt::GetRequest::of(option) {
            let _ = sockopt::capacity(get, data, data.len());
        }
    }
    let _ = sockopt::service_id(data);
    taken
}

fn requests(nest: &[u8]) -> usize {
    let mut taken = 0;
    let id = request::service_id(nest);
    if let Ok(spec) = request::service_spec(nest) {
        assert_eq!(id, Ok(spec.id));
        let _ = request::check_netmask(&spec);
        let view = ServiceView {
            id: spec.id,
            scheduler: spec.scheduler,
            engine: spec.engine,
            flags: spec.flags,
            timeout: spec.timeout,
            netmask: spec.netmask,
            own: spec.own,
            destinations: 0,
            statistics: Statistics::default(),
        };
        assert!(
            line(ServiceLine {
                view: &view,
                hz: 250
            }) < 128
        );
        if let ServiceKey::Address { addr, .. } = spec.id.key {
            let v4 = matches!(addr, Ip::V4(_));
            assert_eq!(v4, spec.id.family == AddressFamily::V4);
        }
        taken += 1;
    }
    for family in [AddressFamily::V4, AddressFamily::V6] {
        let id = request::destination_id(nest, family);
        if let Ok(spec) = request::destination_spec(nest, family) {
            assert_eq!(id, Ok(spec.id));
            assert!(spec.weight >= 0 && spec.lower <= spec.upper);
            let view = DestinationView {
                spec,
                active: spec.upper,
                inactive: spec.lower,
                persistent: 0,
                drain: None,
                statistics: Statistics::default(),
            };
            assert!(line(DestinationLine(&view)) < 128);
            let view = ConnectionView {
                protocol: spec.tunnel.kind,
                client: (spec.id.addr, spec.id.port),
                virt: (spec.id.addr, spec.id.port),
                dest: (spec.id.addr, spec.id.port),
                state: tcp::name(spec.tunnel.kind),
                expires: spec.upper,
                engine: None,
                is_synced: spec.weight & 1 != 0,
            };
            assert!(line(ConnectionLine(&view)) < 192);
            taken += 1;
        }
    }
    taken
}

/// Parses bytes as a sync message. Its entries are written and parsed again, with equal results.
/// Returns the number of entries.
pub fn sync_message(data: &[u8]) -> usize {
    let mut count = 0;
    for entry in Entries::of(data, 0).into_iter().flatten() {
        count += 1;
        for version in [Version::V0, Version::V1] {
            let mut message = [0; 1024];
            let mut builder = SyncMsgBuilder::new(message.as_mut_slice(), version, 1).unwrap();
            let added = builder.add(&entry);
            let length = builder.message().len();
            assert_eq!(added == Added::Yes, length > 8);
            assert_eq!(
                write::least(version, &entry),
                (added == Added::Yes).then_some(length)
            );
            let again = Entries::of(builder.message(), 1).and_then(|mut entries| entries.next());
            match (added, version) {
                (Added::Yes, Version::V1) => assert_eq!(again, Some(entry)),
                (Added::Yes, Version::V0) => {
                    assert_eq!(again.map(|e| e.client), Some(entry.client));
                }
                _ => assert_eq!(again, None),
            }
        }
    }
    assert!(count <= 255);
    count
}
