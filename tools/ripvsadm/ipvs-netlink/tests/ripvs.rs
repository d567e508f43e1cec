// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The family RIPVS: differences, against a model of the kernel's table, and the client, against a
//! kernel of a few scripted datagrams.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;

use ipvs_netlink::ripvs::{diff, Applied, Change, Listed, Snapshot, Wanted, WantedService};
use ipvs_netlink::{
    AddressFamily, Client, Command, Destination, DestinationEntry, Error, ForwardMethod, Netmask,
    Protocol, Service, ServiceEntry, ServiceFlags, ServiceId, Stats, Transport, Tunnel,
    TunnelFlags, TunnelType,
};
use proptest::collection::vec;
use proptest::prelude::*;

// ---- a model of the kernel's table ----

fn entry(destination: Destination) -> DestinationEntry {
    DestinationEntry {
        destination,
        active_connections: 0,
        inactive_connections: 0,
        persistent_connections: 0,
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
    fn service()(
        id in service_id(),
        scheduler in "rr|wlc",
        persistent in any::<bool>(),
        flags in 0u32..4,
        timeout in 300u32..302,
        engine in any::<bool>(),
        is_host in any::<bool>(),
    ) -> Service {
        let mut service = Service::new(id, scheduler);
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
    vec(group, 0..8).prop_map(|services| Wanted { services })
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

// ---- the client ----

const FAMILIES: [(&[u8], u16); 2] = [(b"IPVS\0", 0x1c), (b"RIPVS\0", 0x1d)];

fn tlv(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn message(kind: u16, flags: u16, sequence: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = (16 + payload.len() as u32).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence);
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// An answer: type, flags and payload of each message.
type Answer = Vec<(u16, u16, Vec<u8>)>;

/// Knows the families of that number, and answers each further request with the next answer.
struct Kernel {
    families: usize,
    answers: VecDeque<Answer>,
    queue: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

impl Kernel {
    fn new(families: usize, answers: Vec<Answer>) -> Self {
        Kernel {
            families,
            answers: answers.into(),
            queue: VecDeque::new(),
            sent: Vec::new(),
        }
    }
}

fn done(errno: i32, attributes: &[u8]) -> (u16, u16, Vec<u8>) {
    let mut payload = (-errno).to_ne_bytes().to_vec();
    payload.extend([0; 16]);
    payload.extend(attributes);
    (2, 0x300, payload)
}

fn answer(flags: u16, attributes: Vec<u8>) -> (u16, u16, Vec<u8>) {
    (0x1d, flags, [vec![1, 1, 0, 0], attributes].concat())
}

impl Transport for &mut Kernel {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        let known = FAMILIES.iter().take(self.families);
        let messages = match request[4..6] == 16u16.to_ne_bytes() {
            true => match known
                .into_iter()
                .find(|(name, _)| request[24..].starts_with(name))
            {
                Some((_, number)) => {
                    let number = tlv(1, &number.to_ne_bytes());
                    vec![(16, 0, [vec![1, 2, 0, 0], number].concat()), done(0, &[])]
                }
                None => vec![done(libc::ENOENT, &[])],
            },
            false => {
                self.sent.push(request.to_vec());
                self.answers.pop_front().expect("a request too many")
            }
        };
        for (kind, flags, payload) in messages {
            let bytes = message(kind, flags, &request[8..12], &payload);
            self.queue.push_back(bytes);
        }
        Ok(())
    }

    fn receive(&mut self, datagram: &mut Vec<u8>) -> io::Result<()> {
        *datagram = self.queue.pop_front().ok_or(io::ErrorKind::TimedOut)?;
        Ok(())
    }
}

fn generation(number: u64) -> Vec<u8> {
    tlv(1, &number.to_ne_bytes())
}

fn info(number: u64) -> Answer {
    let rest = [tlv(7, &2u32.to_ne_bytes()), tlv(8, &3u32.to_ne_bytes())];
    let all = [generation(number), rest.concat()].concat();
    vec![answer(0, all), done(0, &[])]
}

/// The attributes of a service, and of destinations.
fn service_nest(last: u8, is_continued: bool) -> Vec<u8> {
    let mut nest = [
        tlv(1, &2u16.to_ne_bytes()),
        tlv(2, &6u16.to_ne_bytes()),
        tlv(3, &[10, 0, 0, last]),
        tlv(4, &80u16.to_be_bytes()),
    ]
    .concat();
    if !is_continued {
        nest.extend(tlv(6, b"rr\0"));
        nest.extend(tlv(7, &3u32.to_ne_bytes()));
        nest.extend(tlv(8, &300u32.to_ne_bytes()));
        nest.extend(tlv(9, &[255, 255, 255, 0]));
        let counters: Vec<u8> = (1u16..=10)
            .flat_map(|n| tlv(n, &u64::from(n).to_ne_bytes()))
            .collect();
        nest.extend(tlv(12, &counters));
    }
    let mut whole = tlv(2, &nest);
    if is_continued {
        whole.extend(tlv(6, &[]));
    }
    whole
}

fn dest_nest(port: u16) -> Vec<u8> {
    let v6: IpAddr = "fd00::1".parse().unwrap();
    let IpAddr::V6(v6) = v6 else { unreachable!() };
    let nest = [
        tlv(1, &v6.octets()),
        tlv(2, &port.to_be_bytes()),
        tlv(3, &2u32.to_ne_bytes()),
        tlv(4, &7u32.to_ne_bytes()),
        tlv(7, &1u32.to_ne_bytes()),
        tlv(13, &[1]),
        tlv(14, &6080u16.to_be_bytes()),
    ];
    tlv(3, &nest.concat())
}

fn end_of_dump() -> (u16, u16, Vec<u8>) {
    (3, 2, vec![0; 4])
}

fn dump(flags: u16) -> Answer {
    let first = [generation(9), service_nest(1, false), dest_nest(1)].concat();
    let more = [generation(9), service_nest(1, true), dest_nest(2)].concat();
    let second = [generation(9), service_nest(2, false)].concat();
    let end = end_of_dump();
    vec![
        answer(2, first),
        answer(2 | flags, more),
        answer(2, second),
        end,
    ]
}

#[test]
fn c_ipvs_has_no_such_family() {
    let mut kernel = Kernel::new(1, vec![]);
    let mut client = Client::with_transport(&mut kernel).unwrap();
    assert!(matches!(client.ripvs(), Err(Error::NoFamily)));
}

#[test]
fn information() {
    let mut kernel = Kernel::new(2, vec![info(5)]);
    let mut client = Client::with_transport(&mut kernel).unwrap();
    let found = client.ripvs().unwrap().info().unwrap();
    assert_eq!(
        (found.generation, found.services, found.connections),
        (5, 2, 3)
    );
}

#[test]
fn a_snapshot() {
    let mut kernel = Kernel::new(2, vec![info(9), dump(0)]);
    let mut client = Client::with_transport(&mut kernel).unwrap();
    let found = client.ripvs().unwrap().snapshot(true).unwrap();
    assert_eq!(found.generation, 9);
    let [first, second] = &found.services[..] else {
        panic!("{found:?}");
    };
    let service = &first.service.service;
    assert_eq!(service.id.to_string(), "TCP 10.0.0.1:80");
    assert_eq!((service.timeout, service.flags.0), (300, 3));
    assert_eq!(service.netmask, Netmask::V4([255, 255, 255, 0].into()));
    assert_eq!(first.service.stats.outgoing_byte_rate, 10);
    let ports: Vec<u16> = first
        .destinations
        .iter()
        .map(|one| one.destination.id.port)
        .collect();
    assert_eq!(ports, [1, 2]);
    let server = &first.destinations[0];
    assert_eq!(
        server.destination.id.address,
        "fd00::1".parse::<IpAddr>().unwrap()
    );
    assert_eq!(server.destination.forward, ForwardMethod::Tunnel);
    assert_eq!(server.destination.tunnel.port, 6080);
    assert_eq!(
        (server.destination.weight, server.active_connections),
        (7, 1)
    );
    assert!(second.destinations.is_empty());
}

#[test]
fn an_interrupted_snapshot_is_repeated() {
    let answers = vec![info(8), dump(0x10), info(9), dump(0)];
    let mut kernel = Kernel::new(2, answers);
    let mut client = Client::with_transport(&mut kernel).unwrap();
    let found = client.ripvs().unwrap().snapshot(false).unwrap();
    assert_eq!((found.generation, found.services.len()), (9, 2));

    // But not for ever.
    let answers = (0..20).flat_map(|_| [info(8), dump(0x10)]).collect();
    let mut kernel = Kernel::new(2, answers);
    let mut client = Client::with_transport(&mut kernel).unwrap();
    let found = client.ripvs().unwrap().snapshot(false);
    assert!(matches!(found, Err(Error::Unexpected { .. })));
}

#[test]
fn an_empty_snapshot_has_a_generation() {
    let mut kernel = Kernel::new(2, vec![info(4), vec![end_of_dump()]]);
    let mut client = Client::with_transport(&mut kernel).unwrap();
    let found = client.ripvs().unwrap().snapshot(false).unwrap();
    assert_eq!((found.generation, found.services.len()), (4, 0));
}

fn three_changes() -> Vec<Change> {
    let server = Destination::new("198.51.100.1".parse().unwrap(), 80);
    vec![
        Change::AddService(Service::new(web(), "rr")),
        Change::AddDestination(web(), server.clone()),
        Change::SetDestination(web(), server),
    ]
}

#[test]
fn changes_are_made_together() {
    let reply = [generation(6), tlv(9, &3u32.to_ne_bytes())].concat();
    let mut kernel = Kernel::new(2, vec![vec![answer(0, reply), done(0, &[])]]);
    let mut client = Client::with_transport(&mut kernel).unwrap();
    let applied = client.ripvs().unwrap().apply(Some(5), &three_changes());
    let expected = Applied {
        generation: 6,
        changed: 3,
    };
    assert_eq!(applied.unwrap(), expected);
    let [request] = &kernel.sent[..] else {
        panic!("more than one request");
    };
    assert_eq!((request[16], request[17]), (3, 1), "command and version");
    assert_eq!(request[20..32], generation(5));
}

#[test]
fn the_change_at_fault() {
    let changes = three_changes();
    let lengths: Vec<u32> = changes
        .iter()
        .map(|change| {
            let mut bytes = Vec::new();
            change.encode(&mut bytes);
            bytes.len() as u32
        })
        .collect();
    for expected in [None, Some(5)] {
        let header = 20 + expected.map_or(0, |_: u64| 12);
        for place in 0..changes.len() {
            let offset = header + lengths[..place].iter().sum::<u32>();
            let words = [tlv(1, b"no\0"), tlv(2, &offset.to_ne_bytes())].concat();
            let mut kernel = Kernel::new(2, vec![vec![done(libc::EEXIST, &words)]]);
            let mut client = Client::with_transport(&mut kernel).unwrap();
            let refused = client.ripvs().unwrap().apply(expected, &changes);
            let refused = refused.unwrap_err();
            assert_eq!(refused.place, Some(place));
            let Error::Kernel(error) = refused.error else {
                panic!("{}", refused.error);
            };
            assert_eq!(error.command, Some(changes[place].command()));
            assert_eq!(error.message.as_deref(), Some("no"));
        }
    }
}

#[test]
fn refusals_that_no_change_is_at_fault_for() {
    let answers = vec![vec![done(libc::ESTALE, &[])], vec![done(libc::EPERM, &[])]];
    let mut kernel = Kernel::new(2, answers);
    let mut client = Client::with_transport(&mut kernel).unwrap();
    let refused = client.ripvs().unwrap().apply(Some(1), &three_changes());
    assert!(refused.unwrap_err().is_stale());
    let refused = client.ripvs().unwrap().apply(Some(1), &three_changes());
    let refused = refused.unwrap_err();
    assert!(!refused.is_stale());
    assert_eq!(
        (refused.place, refused.error.errno()),
        (None, Some(libc::EPERM))
    );

    // A name that does not fit is found before anything is sent.
    let long = Change::AddService(Service::new(web(), "sixteen-bytes-xx"));
    let refused = client.ripvs().unwrap().apply(None, &[Change::Flush, long]);
    let refused = refused.unwrap_err();
    assert_eq!(refused.place, Some(1));
    assert!(matches!(refused.error, Error::BadName { .. }));
    assert_eq!(kernel.sent.len(), 2);
}

#[test]
fn noise_is_an_error() {
    for noise in [
        service_nest(1, true),
        tlv(2, &[1]),
        tlv(3, &tlv(1, &[1, 2, 3])),
    ] {
        let answers = vec![info(1), vec![answer(2, noise), end_of_dump()]];
        let mut kernel = Kernel::new(2, answers);
        let mut client = Client::with_transport(&mut kernel).unwrap();
        let found = client.ripvs().unwrap().snapshot(false);
        assert!(matches!(found, Err(Error::Decode(_))), "{found:?}");
    }
    assert_eq!(Change::Flush.command(), Command::Flush);
}
