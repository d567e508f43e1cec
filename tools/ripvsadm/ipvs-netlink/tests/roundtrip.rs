// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Properties: whatever is encoded decodes to itself, and no bytes make a decoder panic.

use std::net::IpAddr;

use ipvs_netlink::{
    AddressFamily, Daemon, DaemonState, Destination, DestinationEntry, DestinationId, Info,
    Netmask, OwnOptions, Protocol, Service, ServiceEntry, ServiceFlags, ServiceId, Stats, Timeouts,
    Tunnel, TunnelFlags,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Returns what `fill` adds to an empty buffer.
fn filled(fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    fill(&mut bytes);
    bytes
}

fn name() -> impl Strategy<Value = String> {
    "[a-z0-9_-]{0,15}"
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
        let own = OwnOptions::default();
        Service { id, scheduler, persistence_engine, flags, timeout, netmask, own }
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

prop_compose! {
    fn destination_entry()(
        destination in destination(),
        counts in any::<[u32; 3]>(),
        stats in stats(),
    ) -> DestinationEntry {
        let [active_connections, inactive_connections, persistent_connections] = counts;
        DestinationEntry {
            destination,
            active_connections,
            inactive_connections,
            persistent_connections,
            drain: None,
            stats,
        }
    }
}

/// Makes of bytes all that can be made of them.
fn understand(bytes: &[u8]) {
    let _ = ServiceEntry::decode(bytes);
    let _ = ServiceId::decode(bytes);
    let _ = DestinationEntry::decode(bytes, AddressFamily::Inet);
    let _ = DestinationId::decode(bytes, AddressFamily::Inet6);
    let _ = Daemon::decode(bytes);
    let _ = Stats::decode(bytes);
    let _ = Info::decode(bytes);
    let _ = Timeouts::decode(bytes);
}

proptest! {
    #[test]
    fn services_come_back(service in service(), stats in stats()) {
        let nest = filled(|out| service.id.encode(out));
        prop_assert_eq!(&ServiceId::decode(&nest).unwrap(), &service.id);
        let nest = filled(|out| service.encode(out));
        prop_assert_eq!(&Service::decode(&nest).unwrap(), &service);
        let entry = ServiceEntry { service, stats };
        let nest = filled(|out| entry.encode(out));
        prop_assert_eq!(ServiceEntry::decode(&nest).unwrap(), entry);
    }

    #[test]
    fn destinations_come_back(entry in destination_entry(), family in family()) {
        // The destination's own family wins over the service's.
        let id = entry.destination.id;
        let nest = filled(|out| id.encode(out));
        prop_assert_eq!(DestinationId::decode(&nest, family).unwrap(), id);
        let nest = filled(|out| entry.destination.encode(out));
        prop_assert_eq!(&Destination::decode(&nest, family).unwrap(), &entry.destination);
        let nest = filled(|out| entry.encode(out));
        prop_assert_eq!(DestinationEntry::decode(&nest, family).unwrap(), entry);
    }

    #[test]
    fn daemons_come_back(daemon in daemon()) {
        let nest = filled(|out| daemon.encode(out));
        prop_assert_eq!(Daemon::decode(&nest).unwrap(), daemon);
    }

    #[test]
    fn the_rest_comes_back(values in any::<[u32; 5]>()) {
        let [version, connection_table_size, tcp, tcp_fin, udp] = values;
        let info = Info { version, connection_table_size };
        prop_assert_eq!(Info::decode(&filled(|out| info.encode(out))).unwrap(), info);
        let timeouts = Timeouts { tcp, tcp_fin, udp };
        let answer = filled(|out| timeouts.encode(out));
        prop_assert_eq!(Timeouts::decode(&answer).unwrap(), timeouts);
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in vec(any::<u8>(), 0..400)) {
        understand(&bytes);
    }

    #[test]
    fn no_change_to_a_nest_makes_a_decoder_panic(
        service in service(),
        server in destination_entry(),
        daemon in daemon(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in option::of(any::<prop::sample::Index>()),
    ) {
        for mut bytes in [
            filled(|out| service.encode(out)),
            filled(|out| server.encode(out)),
            filled(|out| daemon.encode(out)),
        ] {
            for (index, value) in &changes {
                let index = index.index(bytes.len());
                bytes[index] = *value;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            understand(&bytes);
        }
    }
}
