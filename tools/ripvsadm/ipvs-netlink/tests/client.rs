// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The client against a kernel of a few scripted datagrams.

use std::collections::VecDeque;
use std::io;

use ipvs_netlink::{
    Change, Client, Command, Daemon, DaemonState, Destination, DestinationEntry, Error, Info,
    Protocol, Service, ServiceEntry, ServiceFlags, ServiceId, Stats, Timeouts, Transport,
};

const FAMILY: u16 = 0x1c;
const MULTI: u16 = 2;
const DUMP_INTR: u16 = 0x10;
const ACK_TLVS: u16 = 0x200;

/// Answers the n-th request with the n-th list of datagrams, after the family look-up.
struct Script {
    answers: VecDeque<Vec<Datagram>>,
    queue: VecDeque<Vec<u8>>,
    sent: Vec<Request>,
    datagrams: usize,
    room: usize,
}

/// Messages of one datagram: type, flags, payload.
type Datagram = Vec<(u16, u16, Vec<u8>)>;

/// A message that was sent: type, flags, payload.
#[derive(Clone, Debug)]
struct Request(u16, u16, Vec<u8>);

impl Script {
    fn new(answers: Vec<Vec<Datagram>>) -> Self {
        let mut answers = VecDeque::from(answers);
        let mut family = vec![1, 2, 0, 0];
        family.extend(tlv(2, b"IPVS\0"));
        family.extend(tlv(1, &FAMILY.to_ne_bytes()));
        family.extend(tlv(9999, &[1, 2, 3]));
        answers.push_front(vec![vec![(0x10, 0, family)], vec![done(0)]]);
        Script {
            answers,
            queue: VecDeque::new(),
            sent: Vec::new(),
            datagrams: 0,
            room: 0,
        }
    }

    /// One that has room for as many answers at once as one likes.
    fn roomy(answers: Vec<Vec<Datagram>>) -> Self {
        Script {
            room: 1 << 20,
            ..Script::new(answers)
        }
    }
}

impl Transport for &mut Script {
    fn send(&mut self, requests: &[u8]) -> io::Result<()> {
        self.datagrams += 1;
        let mut rest = requests;
        while !rest.is_empty() {
            let word = |at: usize| u16::from_ne_bytes([rest[at], rest[at + 1]]);
            let sequence = u32::from_ne_bytes(rest[8..12].try_into().unwrap());
            let (request, behind) =
                rest.split_at(u32::from_ne_bytes(rest[..4].try_into().unwrap()) as usize);
            self.sent
                .push(Request(word(4), word(6), request[16..].to_vec()));
            for datagram in self.answers.pop_front().expect("a request too many") {
                let bytes = datagram
                    .into_iter()
                    .flat_map(|(kind, flags, payload)| message(kind, flags, sequence, &payload))
                    .collect();
                self.queue.push_back(bytes);
            }
            rest = behind;
        }
        Ok(())
    }

    fn receive(&mut self, datagram: &mut Vec<u8>) -> io::Result<()> {
        *datagram = self.queue.pop_front().ok_or(io::ErrorKind::TimedOut)?;
        Ok(())
    }

    fn room(&self) -> usize {
        self.room
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

fn filled(fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    fill(&mut bytes);
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
    answer(
        Command::NewService,
        &tlv(1, &filled(|out| entry.encode(out))),
    )
}

/// The command of the last request, and its flags.
fn last(script: &Script) -> (u8, u16) {
    let Request(family, flags, payload) = script.sent.last().unwrap();
    assert_eq!(*family, FAMILY);
    (payload[0], *flags)
}

/// The commands after the look-up.
fn commands(script: &Script) -> Vec<u8> {
    script.sent[1..]
        .iter()
        .map(|request| request.2[0])
        .collect()
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
    let foo = Change::AddService(Service::new(web(), "foo"));
    let Err(Error::Kernel(error)) = client.apply(&foo) else {
        panic!("not refused");
    };
    assert_eq!(error.errno, libc::ENOENT);
    assert_eq!(error.command, Some(Command::NewService));
    assert_eq!(error.message.as_deref(), Some("unknown scheduler foo"));
}

/// A destination as the kernel lists it, and the message that lists it.
fn server(port: u16) -> (DestinationEntry, (u16, u16, Vec<u8>)) {
    let entry = DestinationEntry {
        destination: Destination::new("198.51.100.1".parse().unwrap(), port),
        active_connections: 1,
        inactive_connections: 2,
        persistent_connections: 3,
        drain: None,
        stats: Stats::default(),
    };
    let nest = tlv(2, &filled(|out| entry.encode(out)));
    (entry, answer(Command::NewDestination, &nest))
}

#[test]
fn destinations_of_a_service() {
    let (entry, listed) = server(80);
    let mut script = Script::new(vec![vec![vec![listed], vec![end_of_dump()]]]);
    let mut client = Client::with_transport(&mut script).unwrap();
    assert_eq!(client.destinations(&web()).unwrap(), [entry]);
}

#[test]
fn destinations_of_many_services() {
    let services: Vec<ServiceId> = (0..4).map(|port| entry(port).service.id).collect();
    let services: Vec<&ServiceId> = services.iter().collect();
    let expected: Vec<_> = (0..4).map(|port| vec![server(port).0]).collect();
    let whole = |port| vec![vec![server(port).1, end_of_dump()]];

    // All at once, where there is room.
    let mut script = Script::roomy((0..4).map(whole).collect());
    let mut client = Client::with_transport(&mut script).unwrap();
    assert_eq!(client.destinations_of(&services).unwrap(), expected);
    assert_eq!(script.datagrams, 2);

    // One after the other, where there is none.
    let mut script = Script::new((0..4).map(whole).collect());
    let mut client = Client::with_transport(&mut script).unwrap();
    assert_eq!(client.destinations_of(&services).unwrap(), expected);
    assert_eq!(script.datagrams, 5);

    // The second is not done with when the third is asked for: that and the fourth come again.
    let busy = || vec![vec![done(libc::EBUSY)]];
    let mut script = Script::roomy(vec![
        whole(0),
        vec![vec![server(1).1], vec![end_of_dump()]],
        busy(),
        busy(),
        whole(2),
        whole(3),
    ]);
    let mut client = Client::with_transport(&mut script).unwrap();
    assert_eq!(client.destinations_of(&services).unwrap(), expected);
    assert_eq!(script.sent.len(), 7);

    // None is done with when the next is asked for, as with the C implementation.
    let slow = |port| vec![vec![server(port).1], vec![end_of_dump()]];
    let mut script = Script::roomy(vec![
        slow(0),
        busy(),
        busy(),
        busy(),
        slow(1),
        busy(),
        slow(2),
        slow(3),
    ]);
    script.room = 40_000;
    let mut client = Client::with_transport(&mut script).unwrap();
    assert_eq!(client.destinations_of(&services).unwrap(), expected);

    assert!(Client::with_transport(&mut Script::new(vec![]))
        .unwrap()
        .destinations_of(&[])
        .unwrap()
        .is_empty());
}

#[test]
fn one_of_many_lists_fails() {
    let services = [&web(), &web()];
    let torn = {
        let mut torn = server(1).1;
        torn.1 |= DUMP_INTR;
        vec![vec![torn, end_of_dump()]]
    };
    let whole = || vec![vec![server(2).1, end_of_dump()]];
    let mut script = Script::roomy(vec![torn, whole(), whole()]);
    let mut client = Client::with_transport(&mut script).unwrap();
    let (entry, _) = server(2);
    assert_eq!(
        client.destinations_of(&services).unwrap(),
        [vec![entry.clone()], vec![entry]]
    );

    let refused = vec![vec![done(libc::ENOMEM)]];
    let mut script = Script::roomy(vec![whole(), refused]);
    let mut client = Client::with_transport(&mut script).unwrap();
    let error = client.destinations_of(&services).unwrap_err();
    assert_eq!(error.errno(), Some(libc::ENOMEM));

    // Busy with nothing else: that is no reason to ask for ever.
    let mut script = Script::new(vec![vec![vec![done(libc::EBUSY)]]]);
    let mut client = Client::with_transport(&mut script).unwrap();
    let error = client.destinations(&web()).unwrap_err();
    assert_eq!(error.errno(), Some(libc::EBUSY));
}

/// One of each.
fn all_changes() -> Vec<Change> {
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
    vec![
        Change::AddService(Service::new(web(), "rr")),
        Change::EditService(Service::new(web(), "rr")),
        Change::DeleteService(web()),
        Change::AddDestination(web(), server.clone()),
        Change::EditDestination(web(), server.clone()),
        Change::DeleteDestination(web(), server.id),
        Change::StartDaemon(daemon),
        Change::StopDaemon(DaemonState::Master),
        Change::SetTimeouts(Timeouts::default()),
        Change::Zero(None),
        Change::Zero(Some(web())),
        Change::Flush,
    ]
}

const NUMBERS: [u8; 12] = [1, 2, 3, 5, 6, 7, 9, 10, 12, 16, 16, 17];

#[test]
fn every_change_sends_its_command() {
    let mut script = Script::new(vec![vec![vec![done(0)]]; 12]);
    let mut client = Client::with_transport(&mut script).unwrap();
    for change in all_changes() {
        client.apply(&change).unwrap();
    }
    assert_eq!(commands(&script), NUMBERS);
    assert_eq!(last(&script).1, 5, "it wants an acknowledgement");
}

#[test]
fn many_changes_go_at_once() {
    // Only the last one, and what is refused, is answered.
    let mut answers = vec![vec![]; 11];
    answers[4] = vec![vec![done(libc::ENOENT)]];
    answers[7] = vec![vec![done(libc::ESRCH)]];
    answers.push(vec![vec![done(0)]]);
    let mut script = Script::roomy(answers);
    let mut client = Client::with_transport(&mut script).unwrap();
    let refused: Vec<_> = client
        .apply_all(&all_changes())
        .unwrap()
        .into_iter()
        .map(|(place, error)| match error {
            Error::Kernel(error) => (place, error.command, error.errno),
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(
        refused,
        [
            (4, Some(Command::SetDestination), libc::ENOENT),
            (7, Some(Command::DelDaemon), libc::ESRCH)
        ]
    );
    assert_eq!(commands(&script), NUMBERS);
    assert_eq!(script.datagrams, 2);
    let flags: Vec<u16> = script.sent[1..].iter().map(|request| request.1).collect();
    assert_eq!(flags[..11], [1; 11]);
    assert_eq!(flags[11], 5);
}

#[test]
fn changes_that_do_not_fit_at_once() {
    let service = Change::AddService(Service::new(web(), "rr"));
    let changes = vec![service; 3000];
    // Whichever is the last of a datagram is acknowledged; more than that is no harm.
    let mut script = Script::roomy(vec![vec![vec![done(libc::EEXIST)]]; 3000]);
    let mut client = Client::with_transport(&mut script).unwrap();
    let refused = client.apply_all(&changes).unwrap();
    let places: Vec<usize> = refused.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, (0..3000).collect::<Vec<_>>());
    assert!((5..100).contains(&script.datagrams), "{}", script.datagrams);
}

#[test]
fn a_name_that_does_not_fit_among_many() {
    let change = |name: &str| Change::AddService(Service::new(web(), name));
    let changes = [change("rr"), change("sixteen-bytes-xx"), change("wrr")];
    let mut script = Script::roomy(vec![vec![vec![done(0)]], vec![vec![done(libc::EEXIST)]]]);
    let mut client = Client::with_transport(&mut script).unwrap();
    let refused = client.apply_all(&changes).unwrap();
    assert!(matches!(refused[0], (1, Error::BadName { .. })));
    assert!(matches!(refused[1], (2, Error::Kernel(_))));
    assert_eq!(refused.len(), 2);
    assert_eq!(commands(&script), [1, 1]);
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
            vec![answer(Command::SetInfo, &filled(|out| info.encode(out)))],
            vec![done(0)],
        ],
        vec![
            vec![answer(
                Command::SetConfig,
                &filled(|out| timeouts.encode(out)),
            )],
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
        let refused = client.apply(&Change::AddService(Service::new(web(), name)));
        assert!(matches!(refused, Err(Error::BadName { .. })), "{name:?}");
        let service = Service {
            persistence_engine: Some(format!("{name}x")),
            ..Service::new(web(), "rr")
        };
        assert!(matches!(
            client.apply(&Change::EditService(service)),
            Err(Error::BadName { .. })
        ));
    }
    assert_eq!(script.sent.len(), 1, "only the look-up");
}

#[test]
fn noise_is_an_error_and_no_hang() {
    for noise in [vec![1, 1, 0, 0], vec![1], vec![1, 1, 0, 0, 3, 0, 1, 0]] {
        let mut script = Script::new(vec![vec![vec![(FAMILY, 0, noise)]]]);
        let mut client = Client::with_transport(&mut script).unwrap();
        assert!(matches!(client.services(), Err(Error::Decode(_))));
    }

    let mut script = Script::new(vec![vec![]]);
    let mut client = Client::with_transport(&mut script).unwrap();
    assert!(matches!(client.services(), Err(Error::Io(_))));
}
