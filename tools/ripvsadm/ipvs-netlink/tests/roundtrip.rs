// SPDX-License-Identifier: GPL-2.0

//! Properties: whatever is encoded decodes to itself, and no bytes make a decoder panic.

use std::net::IpAddr;

use ipvs_netlink::attr::DefaultNla;
use ipvs_netlink::{
    AddressFamily, Attribute, Command, Daemon, DaemonAttr, DaemonState, Destination,
    DestinationAttr, DestinationEntry, IpvsMessage, Netmask, Protocol, Service, ServiceAttr,
    ServiceEntry, ServiceFlags, ServiceId, Stats, StatsAttr, Tunnel, TunnelFlags,
};
use netlink_packet_core::{NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_generic::GenlMessage;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

type Message = NetlinkMessage<GenlMessage<IpvsMessage>>;

/// A message as a request with the family number 0x1c.
fn wrap(message: IpvsMessage) -> Message {
    let mut genl = GenlMessage::from_payload(message);
    genl.set_resolved_family_id(0x1c);
    let mut wrapped =
        NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::InnerMessage(genl));
    wrapped.finalize();
    wrapped
}

fn to_bytes(message: &Message) -> Vec<u8> {
    // Poisoned, so that a byte left unwritten shows.
    let mut bytes = vec![0xa5; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// Over the wire and back.
fn through(command: Command, attribute: Attribute) -> Attribute {
    let message = wrap(IpvsMessage {
        command,
        attributes: vec![attribute],
    });
    let NetlinkPayload::InnerMessage(inner) =
        Message::deserialize(&to_bytes(&message)).unwrap().payload
    else {
        panic!("not a message of the family");
    };
    inner.payload.attributes.into_iter().next().unwrap()
}

fn name() -> impl Strategy<Value = String> {
    "[a-z0-9_-]{0,15}"
}

/// An attribute with a number that nobody has given a meaning.
fn other() -> impl Strategy<Value = DefaultNla> {
    (20..200u16, vec(any::<u8>(), 0..40)).prop_map(|(kind, value)| DefaultNla::new(kind, value))
}

fn stats_attr() -> impl Strategy<Value = StatsAttr> {
    prop_oneof![
        (1..11u16, any::<u32>()).prop_map(|(kind, value)| StatsAttr::Counter32(kind, value)),
        (1..11u16, any::<u64>()).prop_map(|(kind, value)| StatsAttr::Counter64(kind, value)),
        Just(StatsAttr::Other(DefaultNla::new(11, vec![]))),
        other().prop_map(StatsAttr::Other),
    ]
}

fn service_attr() -> impl Strategy<Value = ServiceAttr> {
    prop_oneof![
        any::<u16>().prop_map(ServiceAttr::Family),
        any::<u16>().prop_map(ServiceAttr::Protocol),
        any::<[u8; 16]>().prop_map(ServiceAttr::Address),
        any::<u16>().prop_map(ServiceAttr::Port),
        any::<u32>().prop_map(ServiceAttr::Fwmark),
        name().prop_map(ServiceAttr::Scheduler),
        (any::<u32>(), any::<u32>()).prop_map(|(flags, mask)| ServiceAttr::Flags { flags, mask }),
        any::<u32>().prop_map(ServiceAttr::Timeout),
        any::<[u8; 4]>().prop_map(ServiceAttr::Netmask),
        vec(stats_attr(), 0..12).prop_map(ServiceAttr::Stats),
        name().prop_map(ServiceAttr::PersistenceEngine),
        vec(stats_attr(), 0..12).prop_map(ServiceAttr::Stats64),
        other().prop_map(ServiceAttr::Other),
    ]
}

fn destination_attr() -> impl Strategy<Value = DestinationAttr> {
    prop_oneof![
        any::<[u8; 16]>().prop_map(DestinationAttr::Address),
        any::<u16>().prop_map(DestinationAttr::Port),
        any::<u32>().prop_map(DestinationAttr::Forward),
        any::<u32>().prop_map(DestinationAttr::Weight),
        any::<u32>().prop_map(DestinationAttr::UpperThreshold),
        any::<u32>().prop_map(DestinationAttr::LowerThreshold),
        any::<u32>().prop_map(DestinationAttr::ActiveConnections),
        any::<u32>().prop_map(DestinationAttr::InactiveConnections),
        any::<u32>().prop_map(DestinationAttr::PersistentConnections),
        vec(stats_attr(), 0..12).prop_map(DestinationAttr::Stats),
        any::<u16>().prop_map(DestinationAttr::Family),
        vec(stats_attr(), 0..12).prop_map(DestinationAttr::Stats64),
        any::<u8>().prop_map(DestinationAttr::TunnelType),
        any::<u16>().prop_map(DestinationAttr::TunnelPort),
        any::<u16>().prop_map(DestinationAttr::TunnelFlags),
        other().prop_map(DestinationAttr::Other),
    ]
}

fn daemon_attr() -> impl Strategy<Value = DaemonAttr> {
    prop_oneof![
        any::<u32>().prop_map(DaemonAttr::State),
        name().prop_map(DaemonAttr::Interface),
        any::<u32>().prop_map(DaemonAttr::SyncId),
        any::<u16>().prop_map(DaemonAttr::MaxLength),
        any::<u32>().prop_map(|bits| DaemonAttr::Group4(bits.into())),
        any::<u128>().prop_map(|bits| DaemonAttr::Group6(bits.into())),
        any::<u16>().prop_map(DaemonAttr::Port),
        any::<u8>().prop_map(DaemonAttr::Ttl),
        other().prop_map(DaemonAttr::Other),
    ]
}

fn attribute() -> impl Strategy<Value = Attribute> {
    prop_oneof![
        vec(service_attr(), 0..14).prop_map(Attribute::Service),
        vec(destination_attr(), 0..17).prop_map(Attribute::Destination),
        vec(daemon_attr(), 0..9).prop_map(Attribute::Daemon),
        any::<u32>().prop_map(Attribute::TimeoutTcp),
        any::<u32>().prop_map(Attribute::TimeoutTcpFin),
        any::<u32>().prop_map(Attribute::TimeoutUdp),
        other().prop_map(Attribute::Other),
    ]
}

fn info_attribute() -> impl Strategy<Value = Attribute> {
    prop_oneof![
        any::<u32>().prop_map(Attribute::Version),
        any::<u32>().prop_map(Attribute::ConnectionTableSize),
        other().prop_map(Attribute::Other),
    ]
}

fn message() -> impl Strategy<Value = IpvsMessage> {
    (0..Command::ALL.len()).prop_flat_map(|index| {
        let command = Command::ALL[index];
        let attributes = match command {
            Command::SetInfo => vec(info_attribute(), 0..4).boxed(),
            _ => vec(attribute(), 0..4).boxed(),
        };
        attributes.prop_map(move |attributes| IpvsMessage {
            command,
            attributes,
        })
    })
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
        any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
    ]
}

fn family() -> impl Strategy<Value = AddressFamily> {
    prop_oneof![Just(AddressFamily::Inet), Just(AddressFamily::Inet6)]
}

fn service_id() -> impl Strategy<Value = ServiceId> {
    prop_oneof![
        (any::<u16>(), address(), any::<u16>()).prop_map(|(protocol, address, port)| {
            ServiceId::address(Protocol::from(protocol), address, port)
        }),
        (family(), any::<u32>()).prop_map(|(family, mark)| ServiceId::fwmark(family, mark)),
    ]
}

fn stats() -> impl Strategy<Value = Stats> {
    any::<[u64; 10]>().prop_map(|[a, b, c, d, e, f, g, h, i, j]| Stats {
        connections: a,
        incoming_packets: b,
        outgoing_packets: c,
        incoming_bytes: d,
        outgoing_bytes: e,
        connection_rate: f,
        incoming_packet_rate: g,
        outgoing_packet_rate: h,
        incoming_byte_rate: i,
        outgoing_byte_rate: j,
    })
}

prop_compose! {
    fn service()(
        id in service_id(),
        scheduler in name(),
        persistence_engine in option::of(name()),
        flags in any::<u32>(),
        timeout in any::<u32>(),
        mask in any::<u32>(),
    ) -> Service {
        let netmask = match id.family() {
            AddressFamily::Inet => Netmask::V4(mask.into()),
            AddressFamily::Inet6 => Netmask::V6(mask),
        };
        let flags = ServiceFlags(flags);
        Service { id, scheduler, persistence_engine, flags, timeout, netmask }
    }
}

prop_compose! {
    fn destination()(
        address in address(),
        port in any::<u16>(),
        forward in 0..8u32,
        weight in any::<u32>(),
        upper_threshold in any::<u32>(),
        lower_threshold in any::<u32>(),
        tunnel in any::<(u8, u16, u16)>(),
    ) -> Destination {
        let (kind, tunnel_port, flags) = tunnel;
        Destination {
            forward: forward.into(),
            weight,
            upper_threshold,
            lower_threshold,
            tunnel: Tunnel {
                kind: kind.into(),
                port: tunnel_port,
                flags: TunnelFlags(flags),
            },
            ..Destination::new(address, port)
        }
    }
}

prop_compose! {
    fn daemon()(
        master in any::<bool>(),
        interface in name(),
        sync_id in any::<u32>(),
        max_length in option::of(any::<u16>()),
        group in option::of(address()),
        port in option::of(any::<u16>()),
        ttl in option::of(any::<u8>()),
    ) -> Daemon {
        let state = if master { DaemonState::Master } else { DaemonState::Backup };
        Daemon { state, interface, sync_id, max_length, group, port, ttl }
    }
}

proptest! {
    #[test]
    fn messages_come_back(message in message()) {
        let wrapped = wrap(message);
        prop_assert_eq!(&Message::deserialize(&to_bytes(&wrapped)).unwrap(), &wrapped);
    }

    #[test]
    fn services_come_back(service in service(), stats in stats()) {
        let Attribute::Service(nest) =
            through(Command::SetService, Attribute::Service(service.to_attributes()))
        else {
            panic!("not a service");
        };
        prop_assert_eq!(&Service::from_attributes(&nest).unwrap(), &service);

        let entry = ServiceEntry { service, stats };
        let Attribute::Service(nest) =
            through(Command::NewService, Attribute::Service(entry.to_attributes()))
        else {
            panic!("not a service");
        };
        prop_assert_eq!(&ServiceEntry::from_attributes(&nest).unwrap(), &entry);
    }

    #[test]
    fn destinations_come_back(
        destination in destination(),
        counts in any::<[u32; 3]>(),
        stats in stats(),
        family in family(),
    ) {
        let [active_connections, inactive_connections, persistent_connections] = counts;
        let entry = DestinationEntry {
            destination,
            active_connections,
            inactive_connections,
            persistent_connections,
            stats,
        };
        let Attribute::Destination(nest) =
            through(Command::NewDestination, Attribute::Destination(entry.to_attributes()))
        else {
            panic!("not a destination");
        };
        // The destination's own family wins over the service's.
        prop_assert_eq!(&DestinationEntry::from_attributes(&nest, family).unwrap(), &entry);
    }

    #[test]
    fn daemons_come_back(daemon in daemon()) {
        let Attribute::Daemon(nest) =
            through(Command::NewDaemon, Attribute::Daemon(daemon.to_attributes()))
        else {
            panic!("not a daemon");
        };
        prop_assert_eq!(&Daemon::from_attributes(&nest).unwrap(), &daemon);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = Message::deserialize(&bytes);
    }

    #[test]
    fn no_change_to_a_message_makes_a_decoder_panic(
        message in message(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = to_bytes(&wrap(message));
        for (index, value) in changes {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(message) = Message::deserialize(&bytes) {
            // What can be read can be understood or refused, and written.
            if let NetlinkPayload::InnerMessage(inner) = &message.payload {
                for attribute in &inner.payload.attributes {
                    understand(attribute);
                }
            }
            let _ = to_bytes(&message);
        }
    }
}

/// Makes of an attribute all that can be made of it.
fn understand(attribute: &Attribute) {
    match attribute {
        Attribute::Service(nest) => {
            let _ = ServiceEntry::from_attributes(nest);
        }
        Attribute::Destination(nest) => {
            let _ = DestinationEntry::from_attributes(nest, AddressFamily::Inet);
        }
        Attribute::Daemon(nest) => {
            let _ = Daemon::from_attributes(nest);
        }
        _ => {}
    }
}
