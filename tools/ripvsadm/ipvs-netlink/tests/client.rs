// SPDX-License-Identifier: GPL-2.0

//! The client against a kernel of a few scripted datagrams.

use std::collections::VecDeque;
use std::io;

use ipvs_netlink::{
    Client, Command, Daemon, DaemonState, Destination, DestinationEntry, Error, Info, Protocol,
    Service, ServiceEntry, ServiceFlags, ServiceId, Stats, Timeouts, Transport,
};
use netlink_packet_core::{Emitable, NetlinkBuffer};

const FAMILY: u16 = 0x1c;
const MULTI: u16 = 2;
const DUMP_INTR: u16 = 0x10;
const ACK_TLVS: u16 = 0x200;

/// Answers the n-th request with the n-th list of datagrams, after the family look-up.
struct Script {
    answers: VecDeque<Vec<Datagram>>,
    queue: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

/// Messages of one datagram: type, flags, payload.
type Datagram = Vec<(u16, u16, Vec<u8>)>;

impl Script {
    fn new(answers: Vec<Vec<Datagram>>) -> Self {
        let mut answers = VecDeque::from(answers);
        let mut family = vec![1, 2, 0, 0];
        family.extend(tlv(1, &FAMILY.to_ne_bytes()));
        answers.push_front(vec![vec![(0x10, 0, family)], vec![done(0)]]);
        Script {
            answers,
            queue: VecDeque::new(),
            sent: Vec::new(),
        }
    }
}

impl Transport for &mut Script {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        let sequence = NetlinkBuffer::new_checked(request)
            .unwrap()
            .sequence_number();
        self.sent.push(request.to_vec());
        for datagram in self.answers.pop_front().expect("a request too many") {
            let bytes = datagram
                .into_iter()
                .flat_map(|(kind, flags, payload)| message(kind, flags, sequence, &payload))
                .collect();
            self.queue.push_back(bytes);
        }
        Ok(())
    }

    fn receive(&mut self, datagram: &mut Vec<u8>) -> io::Result<()> {
        *datagram = self.queue.pop_front().ok_or(io::ErrorKind::TimedOut)?;
        Ok(())
    }
}

fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(16 + payload.len())
        .unwrap()
        .to_ne_bytes()
        .to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn tlv(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(4 + value.len())
        .unwrap()
        .to_ne_bytes()
        .to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// An acknowledgement, or a refusal, with the header of a request behind it.
fn done(errno: i32) -> (u16, u16, Vec<u8>) {
    let mut payload = (-errno).to_ne_bytes().to_vec();
    payload.extend([0; 16]);
    (2, 0x100, payload)
}

fn end_of_dump() -> (u16, u16, Vec<u8>) {
    (3, MULTI, vec![0; 4])
}

/// A message of the family, attributes already in bytes.
fn answer(command: Command, attributes: &[u8]) -> (u16, u16, Vec<u8>) {
    let mut payload = vec![command.into(), 1, 0, 0];
    payload.extend(attributes);
    (FAMILY, MULTI, payload)
}

fn emit<A: netlink_packet_core::Nla>(attributes: &[A]) -> Vec<u8> {
    let mut bytes = vec![0; attributes.buffer_len()];
    attributes.emit(&mut bytes);
    bytes
}

fn web() -> ServiceId {
    ServiceId::address(Protocol::Tcp, "192.0.2.1".parse().unwrap(), 80)
}

fn entry(port: u16) -> ServiceEntry {
    let id = ServiceId::address(Protocol::Tcp, "192.0.2.1".parse().unwrap(), port);
    ServiceEntry {
        service: Service {
            flags: ServiceFlags::HASHED,
            ..Service::new(id, "rr")
        },
        stats: Stats {
            connections: 3,
            ..Stats::default()
        },
    }
}

fn listed(entry: &ServiceEntry) -> (u16, u16, Vec<u8>) {
    answer(Command::NewService, &tlv(1, &emit(&entry.to_attributes())))
}

/// The command of the last request, and its flags.
fn last(script: &Script) -> (u8, u16) {
    let request = NetlinkBuffer::new_checked(script.sent.last().unwrap()).unwrap();
    assert_eq!(request.message_type(), FAMILY);
    (request.payload()[0], request.flags())
}

#[test]
fn no_family() {
    let mut script = Script::new(vec![]);
    script.answers = VecDeque::from([vec![vec![done(libc::ENOENT)]]]);
    assert!(matches!(
        Client::with_transport(&mut script),
        Err(Error::NoFamily)
    ));
}

#[test]
fn a_refused_family() {
    let mut script = Script::new(vec![]);
    script.answers = VecDeque::from([vec![vec![done(libc::EPERM)]]]);
    let error = Client::with_transport(&mut script).err().unwrap();
    assert_eq!(error.errno(), Some(libc::EPERM));
}

#[test]
fn a_listing_over_several_datagrams() {
    let mut script = Script::new(vec![vec![
        vec![listed(&entry(80)), listed(&entry(81))],
        vec![listed(&entry(82))],
        vec![end_of_dump()],
    ]]);
    let mut client = Client::with_transport(&mut script).unwrap();
    assert_eq!(
        client.services().unwrap(),
        [entry(80), entry(81), entry(82)]
    );
    assert_eq!(last(&script), (Command::GetService.into(), 0x301));
}

#[test]
fn an_empty_listing() {
    let mut script = Script::new(vec![vec![vec![end_of_dump()]]]);
    assert_eq!(
        Client::with_transport(&mut script)
            .unwrap()
            .services()
            .unwrap(),
        []
    );
}

#[test]
fn an_interrupted_listing_is_asked_for_again() {
    let mut torn = listed(&entry(80));
    torn.1 |= DUMP_INTR;
    let mut script = Script::new(vec![
        vec![vec![torn.clone()], vec![end_of_dump()]],
        vec![vec![listed(&entry(81))], vec![end_of_dump()]],
    ]);
    let mut client = Client::with_transport(&mut script).unwrap();
    assert_eq!(client.services().unwrap(), [entry(81)]);

    // But not for ever.
    let torn = vec![vec![torn], vec![end_of_dump()]];
    let mut script = Script::new(vec![torn; 5]);
    let mut client = Client::with_transport(&mut script).unwrap();
    assert!(matches!(client.services(), Err(Error::Unexpected { .. })));
}

#[test]
fn a_listing_that_fails_half_way() {
    let mut failed = end_of_dump();
    failed.2 = (-libc::ENOMEM).to_ne_bytes().to_vec();
    let mut script = Script::new(vec![vec![vec![listed(&entry(80))], vec![failed]]]);
    let error = Client::with_transport(&mut script)
        .unwrap()
        .services()
        .unwrap_err();
    assert_eq!(error.errno(), Some(libc::ENOMEM));
}

#[test]
fn one_service() {
    let mut one = listed(&entry(80));
    one.1 = 0;
    let mut script = Script::new(vec![
        vec![vec![one], vec![done(0)]],
        vec![vec![done(libc::ESRCH)]],
        vec![vec![done(0)]],
    ]);
    let mut client = Client::with_transport(&mut script).unwrap();
    assert_eq!(client.service(&web()).unwrap(), entry(80));
    assert_eq!(
        client.service(&web()).unwrap_err().errno(),
        Some(libc::ESRCH)
    );
    assert!(matches!(
        client.service(&web()),
        Err(Error::Unexpected { .. })
    ));
}

#[test]
fn the_kernels_words() {
    let mut payload = (-libc::ENOENT).to_ne_bytes().to_vec();
    payload.extend([0; 16]);
    payload.extend(tlv(1, b"unknown scheduler foo\0"));
    let mut script = Script::new(vec![vec![vec![(2, ACK_TLVS | 0x100, payload)]]]);
    let mut client = Client::with_transport(&mut script).unwrap();
    let Err(Error::Kernel(error)) = client.add_service(&Service::new(web(), "foo")) else {
        panic!("not refused");
    };
    assert_eq!(error.errno, libc::ENOENT);
    assert_eq!(error.command, Some(Command::NewService));
    assert_eq!(error.message.as_deref(), Some("unknown scheduler foo"));
}

#[test]
fn destinations_of_a_service() {
    let server = DestinationEntry {
        destination: Destination::new("198.51.100.1".parse().unwrap(), 80),
        active_connections: 1,
        inactive_connections: 2,
        persistent_connections: 3,
        stats: Stats::default(),
    };
    let nest = tlv(2, &emit(&server.to_attributes()));
    let mut script = Script::new(vec![vec![
        vec![answer(Command::NewDestination, &nest)],
        vec![end_of_dump()],
    ]]);
    let mut client = Client::with_transport(&mut script).unwrap();
    assert_eq!(client.destinations(&web()).unwrap(), [server]);
}

#[test]
fn every_change_sends_its_command() {
    let mut script = Script::new(vec![vec![vec![done(0)]]; 12]);
    let server = Destination::new("198.51.100.1".parse().unwrap(), 80);
    let daemon = Daemon {
        state: DaemonState::Master,
        interface: "lo".into(),
        sync_id: 1,
        max_length: None,
        group: None,
        port: None,
        ttl: None,
    };
    let mut client = Client::with_transport(&mut script).unwrap();
    client.add_service(&Service::new(web(), "rr")).unwrap();
    client.set_service(&Service::new(web(), "rr")).unwrap();
    client.delete_service(&web()).unwrap();
    client.add_destination(&web(), &server).unwrap();
    client.set_destination(&web(), &server).unwrap();
    client.delete_destination(&web(), &server.id).unwrap();
    client.start_daemon(&daemon).unwrap();
    client.stop_daemon(DaemonState::Master).unwrap();
    client.set_timeouts(&Timeouts::default()).unwrap();
    client.zero(None).unwrap();
    client.zero(Some(&web())).unwrap();
    client.flush().unwrap();

    let commands: Vec<u8> = script.sent[1..]
        .iter()
        .map(|request| NetlinkBuffer::new_checked(request).unwrap().payload()[0])
        .collect();
    assert_eq!(commands, [1, 2, 3, 5, 6, 7, 9, 10, 12, 16, 16, 17]);
    assert_eq!(
        last(&script).1,
        5,
        "a request that wants an acknowledgement"
    );
}

#[test]
fn information_and_timeouts() {
    let info = Info {
        version: 0x010201,
        connection_table_size: 0,
    };
    let timeouts = Timeouts {
        tcp: 900,
        tcp_fin: 120,
        udp: 300,
    };
    let mut script = Script::new(vec![
        vec![
            vec![answer(Command::SetInfo, &emit(&info.to_attributes()))],
            vec![done(0)],
        ],
        vec![
            vec![answer(Command::SetConfig, &emit(&timeouts.to_attributes()))],
            vec![done(0)],
        ],
    ]);
    let mut client = Client::with_transport(&mut script).unwrap();
    assert_eq!(client.info().unwrap(), info);
    assert_eq!(client.timeouts().unwrap(), timeouts);
}

#[test]
fn names_that_do_not_fit_are_not_sent() {
    let mut script = Script::new(vec![]);
    let mut client = Client::with_transport(&mut script).unwrap();
    for name in ["sixteen-bytes-xx", "a\0b", &"x".repeat(100_000)] {
        let refused = client.add_service(&Service::new(web(), name));
        assert!(matches!(refused, Err(Error::BadName { .. })), "{name:?}");
        let service = Service {
            persistence_engine: Some(format!("{name}x")),
            ..Service::new(web(), "rr")
        };
        assert!(matches!(
            client.set_service(&service),
            Err(Error::BadName { .. })
        ));
    }
    assert_eq!(script.sent.len(), 1, "only the look-up");
}

#[test]
fn noise_is_an_error_and_no_hang() {
    let mut script = Script::new(vec![vec![vec![(FAMILY, 0, vec![99, 1, 0, 0])]]]);
    let mut client = Client::with_transport(&mut script).unwrap();
    assert!(matches!(client.services(), Err(Error::Decode(_))));

    let mut script = Script::new(vec![vec![]]);
    let mut client = Client::with_transport(&mut script).unwrap();
    assert!(matches!(client.services(), Err(Error::Io(_))));
}
