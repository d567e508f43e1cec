// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The client of the family RIPVS, against a kernel of a few scripted datagrams.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;

use ipvs_netlink::ripvs::{Applied, Change, Reason};
use ipvs_netlink::{
    Client, Command, Destination, Error, ForwardMethod, Netmask, Protocol, Service, ServiceId,
    Transport,
};

fn web() -> ServiceId {
    ServiceId::address(Protocol::Tcp, "192.0.2.1".parse().unwrap(), 80)
}

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

/// The attributes that name the service of [`web`].
fn service_id() -> Vec<u8> {
    [
        tlv(1, &2u16.to_ne_bytes()),
        tlv(2, &6u16.to_ne_bytes()),
        tlv(3, &[192, 0, 2, 1]),
        tlv(4, &80u16.to_be_bytes()),
    ]
    .concat()
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
            assert_eq!(error.command, changes[place].command());
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
    assert_eq!(Change::Flush.command(), Some(Command::Flush));
}

fn reason(number: u32, count: u64) -> Vec<u8> {
    let body = [tlv(1, &number.to_ne_bytes()), tlv(2, &count.to_ne_bytes())].concat();
    tlv(30 | 0x8000, &body)
}

#[test]
fn reasons_of_all_and_of_one() {
    let totals = [reason(1, 5), reason(9, 7), reason(4_000, 1)].concat();
    let of_web = [tlv(2 | 0x8000, &service_id()), reason(1, 5)].concat();
    let answers = vec![
        vec![answer(2, totals), answer(2, of_web.clone()), end_of_dump()],
        vec![answer(2, of_web), end_of_dump()],
        vec![done(0, &[])],
        vec![done(libc::ESRCH, &[])],
    ];
    let mut kernel = Kernel::new(2, answers);
    let mut client = Client::with_transport(&mut kernel).unwrap();
    let mut ripvs = client.ripvs().unwrap();
    let all = ripvs.reasons(None).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].service, None);
    let names: Vec<_> = all[0]
        .counts
        .iter()
        .map(|count| (count.reason().map(|reason| reason.name), count.count))
        .collect();
    let wanted = [(Some("no-server"), 5), (Some("drop-packet"), 7), (None, 1)];
    assert_eq!(names, wanted);
    assert_eq!(all[1].service, Some(web()));
    assert_eq!(ripvs.reasons(Some(&web())).unwrap(), all[1..]);
    ripvs.zero_reasons(None).unwrap();
    assert!(ripvs.zero_reasons(Some(&web())).is_err());
    // Both requests for one service name it.
    let named = tlv(2 | 0x8000, &service_id());
    assert_eq!(kernel.sent[1][20..], named);
    assert_eq!(kernel.sent[3][20..], named);
}

#[test]
fn each_reason_has_its_number_and_words() {
    let all = Reason::all();
    for (place, reason) in all.iter().enumerate() {
        assert_eq!(reason.number as usize, place + 1);
        assert!(reason.text.ends_with('.'), "{}", reason.name);
        assert_eq!(Reason::named(reason.name), Some(reason));
    }
    assert_eq!(Reason::numbered(0), None);
}
