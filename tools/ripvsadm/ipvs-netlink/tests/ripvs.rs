// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Differences of the family RIPVS, against a model of the kernel's table.

use std::net::IpAddr;

use ipvs_netlink::ripvs::{
    diff, Change, Drain, DrainOptions, DrainState, Listed, Snapshot, Wanted, WantedDrain,
    WantedService,
};
use ipvs_netlink::{
    AddressFamily, Destination, DestinationEntry, ForwardMethod, Netmask, OwnOptions, Protocol,
    Service, ServiceEntry, ServiceFlags, ServiceId, Stats, Tunnel, TunnelFlags, TunnelType,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

// ---- a model of the kernel's table ----

fn entry(destination: Destination) -> DestinationEntry {
    DestinationEntry {
        destination,
        active_connections: 0,
        inactive_connections: 0,
        persistent_connections: 0,
        drain: None,
        stats: Stats::default(),
    }
}

/// Returns how the kernel lists a service.
fn listed(service: &Service) -> ServiceEntry {
    let mut service = service.clone();
    service.flags = service.flags.with(ServiceFlags::HASHED);
    ServiceEntry {
        service,
        stats: Stats::default(),
    }
}

/// Makes a change as the kernel does, with its errors.
fn make(table: &mut Snapshot, change: &Change) -> Result<(), &'static str> {
    let id = change.service().ok_or("a flush")?;
    let place = table
        .services
        .iter()
        .position(|one| one.service.service.id == *id);
    match (change, place) {
        (Change::AddService(service), None) => table.services.push(Listed {
            service: listed(service),
            destinations: vec![],
        }),
        (Change::AddService(_), Some(_)) => return Err("the service exists"),
        (_, None) => return Err("no such service"),
        (Change::DeleteService(_), Some(place)) => {
            table.services.remove(place);
        }
        (Change::SetService(service), Some(place)) => {
            table.services[place].service = listed(service);
        }
        (_, Some(place)) => {
            let all = &mut table.services[place].destinations;
            let id = change.destination().ok_or("no destination")?;
            let place = all.iter().position(|one| one.destination.id == *id);
            match (change, place) {
                // Newest first.
                (Change::AddDestination(_, server), None) => all.insert(0, entry(server.clone())),
                (Change::SetDestination(_, server), Some(place)) => {
                    all[place].destination = server.clone();
                }
                (Change::DeleteDestination(..), Some(place)) => {
                    all.remove(place);
                }
                _ => return Err("a destination too many or too few"),
            }
        }
    }
    Ok(())
}

/// The table with all changes made.
fn after(table: &Snapshot, changes: &[Change]) -> Snapshot {
    let mut table = table.clone();
    for change in changes {
        make(&mut table, change).unwrap_or_else(|error| panic!("{change}: {error}"));
    }
    table
}

/// Services and destinations in an order that does not depend on how they came.
fn sorted(table: &Snapshot) -> Vec<(String, Vec<String>)> {
    let mut all: Vec<_> = table
        .services
        .iter()
        .map(|one| {
            let mut servers: Vec<String> = one
                .destinations
                .iter()
                .map(|one| format!("{:?}", one.destination))
                .collect();
            servers.sort();
            (format!("{:?}", one.service.service), servers)
        })
        .collect();
    all.sort();
    all
}

fn table(wanted: &Wanted) -> Snapshot {
    let nothing = Snapshot::default();
    after(&nothing, &diff(&nothing, wanted))
}

// ---- configurations ----

fn address() -> impl Strategy<Value = IpAddr> {
    (1u8..4, any::<bool>()).prop_map(|(last, is_v6)| match is_v6 {
        false => IpAddr::from([10, 0, 0, last]),
        true => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(last)]),
    })
}

fn service_id() -> impl Strategy<Value = ServiceId> {
    prop_oneof![
        (address(), 80u16..82).prop_map(|(address, port)| ServiceId::address(
            Protocol::Tcp,
            address,
            port
        )),
        (any::<bool>(), 1u32..3).prop_map(|(is_v6, mark)| {
            let family = match is_v6 {
                true => AddressFamily::Inet6,
                false => AddressFamily::Inet,
            };
            ServiceId::fwmark(family, mark)
        }),
    ]
}

prop_compose! {
    fn own()(
        timeout_tcp in option::of(1u32..3),
        timeout_udp in option::of(1u32..3),
        conntrack in option::of(any::<bool>()),
        fast_path in option::of(0u8..3),
    ) -> OwnOptions {
        OwnOptions {
            timeout_tcp,
            timeout_udp,
            conntrack,
            fast_path,
            ..OwnOptions::default()
        }
    }
}

prop_compose! {
    fn service()(
        id in service_id(),
        scheduler in "rr|wlc",
        persistent in any::<bool>(),
        flags in 0u32..4,
        timeout in 300u32..302,
        engine in any::<bool>(),
        is_host in any::<bool>(),
        own in own(),
    ) -> Service {
        let mut service = Service::new(id, scheduler);
        service.own = own;
        service.flags = ServiceFlags(flags << 3);
        if persistent {
            service.flags = service.flags.with(ServiceFlags::PERSISTENT);
            service.timeout = timeout;
            if !is_host {
                service.netmask = match service.id.family() {
                    AddressFamily::Inet => Netmask::V4([255, 255, 255, 0].into()),
                    AddressFamily::Inet6 => Netmask::V6(64),
                };
            }
            service.persistence_engine = engine.then(|| "sip".to_owned());
        }
        service
    }
}

prop_compose! {
    fn destination()(
        address in address(),
        port in 80u16..82,
        forward in 0u32..4,
        weight in 0u32..3,
        upper_threshold in 0u32..2,
        tunnel in 0u8..3,
        tunnel_port in 6080u16..6082,
        flags in 0u16..2,
    ) -> Destination {
        let mut server = Destination::new(address, port);
        server.forward = match forward {
            0 => ForwardMethod::Masquerade,
            1 => ForwardMethod::DirectRoute,
            _ => ForwardMethod::Tunnel,
        };
        server.weight = weight;
        server.upper_threshold = upper_threshold;
        if server.forward == ForwardMethod::Tunnel {
            server.tunnel.kind = tunnel.into();
            if server.tunnel.kind == TunnelType::Gue {
                server.tunnel.port = tunnel_port;
            }
            if server.tunnel.kind != TunnelType::Ipip {
                server.tunnel.flags = TunnelFlags(flags);
            }
        }
        server
    }
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let group =
        (service(), vec(destination(), 0..6)).prop_map(|(service, destinations)| WantedService {
            service,
            destinations,
        });
    vec(group, 0..8).prop_map(|services| Wanted {
        services,
        drains: Vec::new(),
    })
}

/// Returns 0 for what adds, 1 for what changes, 2 for what deletes.
fn rank(change: &Change) -> u8 {
    match change {
        Change::AddService(_) | Change::AddDestination(..) => 0,
        Change::SetService(_) | Change::SetDestination(..) => 1,
        _ => 2,
    }
}

proptest! {
    #[test]
    fn a_difference_makes_what_is_wanted(a in wanted(), b in wanted()) {
        let (now, then) = (table(&a), table(&b));
        let changes = diff(&now, &b);
        prop_assert_eq!(sorted(&after(&now, &changes)), sorted(&then));
        // Each object is changed at most once.
        let mut objects: Vec<_> = changes
            .iter()
            .map(|change| format!("{:?} {:?}", change.service(), change.destination()))
            .collect();
        objects.sort();
        let count = objects.len();
        objects.dedup();
        prop_assert_eq!(objects.len(), count);
        prop_assert!(changes.is_sorted_by_key(rank));
        // What is there already needs nothing.
        prop_assert_eq!(diff(&then, &b), []);
        prop_assert_eq!(diff(&after(&now, &changes), &b), []);
        prop_assert_eq!(diff(&now, &a), []);
    }
}

fn web() -> ServiceId {
    ServiceId::address(Protocol::Tcp, "192.0.2.1".parse().unwrap(), 80)
}

fn one(service: Service, destinations: Vec<Destination>) -> Wanted {
    Wanted {
        services: vec![WantedService {
            service,
            destinations,
        }],
        drains: Vec::new(),
    }
}

#[test]
fn options_without_effect_make_no_difference() {
    let server = |forward| Destination {
        forward,
        ..Destination::new("198.51.100.1".parse().unwrap(), 80)
    };
    let mut now = table(&one(
        Service::new(web(), "rr"),
        vec![server(ForwardMethod::Masquerade)],
    ));
    // What was persistent once.
    now.services[0].service.service.timeout = 300;
    now.services[0].service.service.netmask = Netmask::V4([255, 0, 0, 0].into());
    now.services[0].destinations[0].destination.tunnel = Tunnel {
        kind: TunnelType::Gue,
        port: 6080,
        flags: TunnelFlags(1),
    };
    let wanted = one(
        Service::new(web(), "rr"),
        vec![server(ForwardMethod::Masquerade)],
    );
    assert_eq!(diff(&now, &wanted), []);
    // The kernel found out that it is local.
    now.services[0].destinations[0].destination.forward = ForwardMethod::Local;
    for forward in [
        ForwardMethod::Masquerade,
        ForwardMethod::Tunnel,
        ForwardMethod::DirectRoute,
    ] {
        let wanted = one(Service::new(web(), "rr"), vec![server(forward)]);
        assert_eq!(diff(&now, &wanted), []);
    }
}

#[test]
fn drains_are_begun_changed_and_ended_only_if_mentioned() {
    let service = Service::new(web(), "rr");
    let server = Destination::new("198.51.100.1".parse().unwrap(), 80);
    let listed = |drain: Option<DrainOptions>| {
        let drain = drain.map(|options| Drain {
            options,
            state: DrainState::Waiting,
            left: None,
            ended: 0,
            reset: 0,
        });
        Snapshot {
            generation: 1,
            services: vec![Listed {
                service: listed(&service),
                destinations: vec![DestinationEntry {
                    drain,
                    ..entry(server.clone())
                }],
            }],
        }
    };
    let wanted = |options: Option<Option<DrainOptions>>| Wanted {
        drains: options
            .into_iter()
            .map(|options| WantedDrain {
                service: web(),
                destination: server.id,
                options,
            })
            .collect(),
        ..one(service.clone(), vec![server.clone()])
    };
    let plain = DrainOptions::default();
    let late = DrainOptions {
        deadline: 30,
        ..plain
    };
    let begin = |options| vec![Change::DrainDestination(web(), server.id, options)];
    let end = vec![Change::UndrainDestination(web(), server.id)];
    for (now, want, changes) in [
        (None, None, vec![]),
        (Some(plain), None, vec![]),
        (Some(plain), Some(Some(plain)), vec![]),
        (None, Some(None), vec![]),
        (None, Some(Some(plain)), begin(plain)),
        (Some(plain), Some(Some(late)), begin(late)),
        (Some(late), Some(None), end),
    ] {
        assert_eq!(
            diff(&listed(now), &wanted(want)),
            changes,
            "{now:?} {want:?}"
        );
    }
    // A new server is added before it is drained.
    let empty = Snapshot::default();
    let changes = diff(&empty, &wanted(Some(Some(plain))));
    assert_eq!(changes.len(), 3);
    assert_eq!(changes.last(), begin(plain).last());
}
