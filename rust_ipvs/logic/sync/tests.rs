// SPDX-License-Identifier: GPL-2.0

//! Messages as C IPVS writes them, byte by byte, and malformed ones.

use super::super::config::Errno;
use super::super::uapi::daemon_attr;
use super::daemon::{self, Daemon, DaemonRequest, DaemonRole};
use super::rate_limit::{should_sync, Rules, Subject, SyncDue};
use super::read::Entries;
use super::write::{least, Added, SyncMsgBuilder};
use super::*;

const WEB: SyncEntry<'static> = SyncEntry {
    protocol: 6,
    flags: 0x81,
    state: 1,
    client: (Ip::V4([10, 0, 1, 1]), 40000),
    virt: (Ip::V4([10, 0, 9, 1]), 80),
    dest: (Ip::V4([10, 0, 2, 11]), 8080),
    mark: 0,
    timeout: 900,
    shifts: None,
    engine: None,
};

const fn v6(last: u8) -> Ip {
    Ip::V6([0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last])
}

const WEB6: SyncEntry<'static> = SyncEntry {
    client: (v6(1), 40000),
    virt: (v6(9), 80),
    dest: (v6(11), 8080),
    ..WEB
};

const SHIFTS: (Shift, Shift) = (
    Shift {
        from: 0x0102_0304,
        delta: 5,
        before: 6,
    },
    Shift {
        from: 7,
        delta: u32::MAX,
        before: 0,
    },
);

/// Returns the entry that a receiver gets.
fn taken<'a>(entry: &SyncEntry<'a>) -> SyncEntry<'a> {
    SyncEntry {
        flags: entry.flags & flags::TAKEN | flags::SYNC,
        ..*entry
    }
}

fn written(version: Version, entries: &[SyncEntry<'_>]) -> Vec<u8> {
    let mut builder = SyncMsgBuilder::new(vec![0xee; 1500], version, 7).unwrap();
    for entry in entries {
        assert_eq!(builder.add(entry), Added::Yes);
    }
    builder.message().to_vec()
}

fn read(message: &[u8]) -> Vec<SyncEntry<'_>> {
    Entries::of(message, 0).map_or(vec![], |entries| entries.collect())
}

// B-10, B-11
#[test]
fn version_1_byte_by_byte() {
    let message = written(Version::V1, &[WEB]);
    #[rustfmt::skip]
    let expected = [
        0, 7, 0, 44, 1, 1, 0, 0,
        0, 6, 0, 36, 0, 0, 0, 0x81, 0, 1, 0x9c, 0x40, 0, 80, 0x1f, 0x90, 0, 0, 0, 0, 0, 0, 3, 132,
        10, 0, 1, 1, 10, 0, 9, 1, 10, 0, 2, 11,
    ];
    assert_eq!(message, expected);
    assert_eq!(read(&message), [taken(&WEB)]);
    let message = written(Version::V1, &[WEB6]);
    assert_eq!(message.len(), 80);
    assert_eq!(message[8..12], [1, 6, 0, 72]);
    assert_eq!(
        message[32..48],
        [0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    );
    assert_eq!(read(&message), [taken(&WEB6)]);
}

// B-10, B-13
#[test]
fn version_0_byte_by_byte() {
    let message = written(Version::V0, &[WEB]);
    #[rustfmt::skip]
    let expected = [
        1, 7, 0, 28,
        0, 6, 0x9c, 0x40, 0, 80, 0x1f, 0x90, 10, 0, 1, 1, 10, 0, 9, 1, 10, 0, 2, 11, 0, 0x81, 0, 1,
    ];
    assert_eq!(message, expected);
    // It has no timeout.
    let old = SyncEntry { timeout: 0, ..WEB };
    assert_eq!(read(&message), [taken(&old)]);
    let mut builder = SyncMsgBuilder::new(vec![0; 1500], Version::V0, 0).unwrap();
    assert_eq!(builder.add(&WEB6), Added::Never);
    assert_eq!(builder.message(), [0, 0, 0, 4]);
    let marked = SyncEntry { mark: 5, ..WEB };
    assert_eq!(read(&written(Version::V0, &[marked]))[0].mark, 0);
}

// B-12
#[test]
fn options() {
    let all = SyncEntry {
        flags: 0x0600,
        shifts: Some(SHIFTS),
        engine: Some((b"sip", b"a84b4c76@10.0.1.2")),
        mark: 0xffff_ffff,
        ..WEB
    };
    let message = written(Version::V1, &[all]);
    let options = &message[44..];
    assert_eq!(options[..6], [1, 24, 1, 2, 3, 4]);
    assert_eq!(options[26..28], [2, 17]);
    assert_eq!(options[45..], [3, 3, b's', b'i', b'p']);
    assert_eq!(message.len(), 44 + 26 + 19 + 5);
    assert_eq!(message[10..12], [0, 86]);
    assert_eq!(read(&message), [taken(&all)]);
    // The next entry starts at a multiple of four.
    let message = written(Version::V1, &[all, WEB]);
    assert_eq!(message.len(), 96 + 36);
    assert_eq!(message[94..98], [0, 0, 0, 6]);
    assert_eq!(read(&message), [taken(&all), taken(&WEB)]);
    // In version 0 sequence numbers are in the sender's byte order.
    let message = written(Version::V0, &[all, WEB]);
    assert_eq!(message.len(), 4 + 48 + 24);
    assert_eq!(message[28..32], 0x0102_0304u32.to_ne_bytes());
    let old = read(&message);
    assert_eq!(old[0].shifts, Some(SHIFTS));
    assert_eq!((old[0].engine, old.len()), (None, 2));
    // A record is announced by a flag.
    let none = SyncEntry {
        shifts: None,
        ..all
    };
    assert_eq!(written(Version::V0, &[none]).len(), 28);
}

// B-14
#[test]
fn templates_of_marked_packets() {
    let template = SyncEntry {
        protocol: 0,
        flags: flags::TEMPLATE | flags::INACTIVE,
        client: (Ip::V4([10, 0, 1, 0]), 0),
        virt: (Ip::V4([0, 0, 0, 5]), 0),
        mark: 5,
        ..WEB
    };
    assert_eq!(read(&written(Version::V1, &[template])), [taken(&template)]);
}

#[test]
fn a_message_holds_what_fits() {
    let mut builder = SyncMsgBuilder::new(vec![0; 8 + 2 * 36 + 35], Version::V1, 1).unwrap();
    assert_eq!(builder.version(), Version::V1);
    let added = [(); 4].map(|()| builder.add(&WEB));
    assert_eq!(added, [Added::Yes, Added::Yes, Added::Full, Added::Full]);
    assert_eq!(read(builder.message()).len(), 2);
    assert_eq!(builder.take_bytes()[..5], [0, 1, 0, 80, 2]);
    assert_eq!(builder.add(&WEB), Added::Full);
    assert!(builder.message().is_empty());
    // The number of entries is a byte.
    for version in [Version::V0, Version::V1] {
        let mut builder = SyncMsgBuilder::new(vec![0; 65507], version, 1).unwrap();
        assert!((0..255).all(|_| builder.add(&WEB) == Added::Yes));
        assert_eq!(builder.add(&WEB), Added::Full);
        assert_eq!(read(builder.message()).len(), 255);
    }
    // A length has 16 bits.
    assert!(SyncMsgBuilder::new(vec![0; 65536], Version::V1, 0).is_none());
    assert!(SyncMsgBuilder::new(vec![0; 7], Version::V1, 0).is_none());
    assert!(SyncMsgBuilder::new(vec![0; 3], Version::V0, 0).is_none());
    // A key has at most 255 bytes, an engine's name 16.
    for (name, data, expected) in [
        (1, 255, Some(44 + 4 + 256)),
        (1, 256, None),
        (0, 1, None),
        (1, 0, None),
        (17, 1, None),
        (16, 1, Some(44 + 4 + 17)),
    ] {
        let (name, data) = (vec![b'x'; name], vec![b'y'; data]);
        let entry = SyncEntry {
            engine: Some((&name, &data)),
            ..WEB
        };
        assert_eq!(least(Version::V1, &entry), expected);
        let mut builder = SyncMsgBuilder::new(vec![0; 1500], Version::V1, 0).unwrap();
        let added = if expected.is_some() {
            Added::Yes
        } else {
            Added::Never
        };
        assert_eq!(builder.add(&entry), added);
        assert_eq!(builder.message().len(), expected.unwrap_or(8));
    }
    assert_eq!(least(Version::V0, &WEB), Some(28));
    assert_eq!(least(Version::V0, &WEB6), None);
    assert_eq!(least(Version::V1, &WEB6), Some(80));
}

// B-20
#[test]
fn whose_messages_are_read() {
    let message = written(Version::V1, &[WEB]);
    let of = |id| Entries::of(&message, id).map_or(0, |entries| entries.count());
    assert_eq!([0, 7, 8, 263, -1].map(of), [1, 1, 0, 0, 0]);
    for cut in 0..message.len() {
        assert!(Entries::of(&message[..cut], 0).is_none(), "{cut}");
    }
    let mut longer = message.clone();
    longer.push(0);
    assert!(Entries::of(&longer, 0).is_none());
    // A header that differs from version 1 is that of a version 0 message without entries.
    for (at, byte) in [(5, 2), (6, 1), (7, 1)] {
        let mut other = message.clone();
        other[at] = byte;
        assert_eq!(read(&other), []);
    }
    assert_eq!(read(&[0, 0, 0, 4]), []);
    assert_eq!(read(&[1, 0, 0, 4]), []);
}

/// Returns the number of entries read from a message of two, of which the first was modified.
fn spoiled(at: usize, bytes: &[u8]) -> usize {
    let mut message = written(Version::V1, &[WEB, WEB]);
    message[8 + at..][..bytes.len()].copy_from_slice(bytes);
    read(&message).len()
}

// B-21
#[test]
fn entries_that_are_passed_over() {
    assert_eq!(spoiled(0, &[0, 6]), 2);
    // One-packet scheduling; a template without the client's port.
    assert_eq!(spoiled(4, &[0, 0, 0x20, 0]), 1);
    assert_eq!(spoiled(4, &[0, 0, 0x18, 0]), 1);
    assert_eq!(spoiled(4, &[0, 0, 0x08, 0]), 2);
    // Unknown protocols, and states that a protocol does not have.
    assert_eq!(spoiled(0, &[0, 17]), 1);
    assert_eq!(spoiled(0, &[0, 1]), 1);
    assert_eq!(spoiled(0, &[0, 0]), 1);
    assert_eq!(spoiled(0, &[0, 132]), 2);
    assert_eq!(spoiled(8, &[0, 10]), 2);
    assert_eq!(spoiled(8, &[0, 11]), 1);
    assert_eq!(spoiled(8, &[1, 1]), 1);
    // Those of a template.
    let template = |protocol, state| {
        let entry = SyncEntry {
            protocol,
            state,
            flags: flags::TEMPLATE,
            ..WEB
        };
        read(&written(Version::V1, &[entry])).len()
    };
    assert_eq!(
        [template(0, 1), template(200, 0), template(6, 2)],
        [1, 1, 0]
    );
    let udp = |state| {
        let entry = SyncEntry {
            protocol: 17,
            state,
            ..WEB
        };
        read(&written(Version::V1, &[entry])).len()
    };
    assert_eq!([udp(0), udp(1)], [1, 0]);
    // Flags that a receiver does not take over.
    let all = SyncEntry {
        flags: !(flags::ONE_PACKET | flags::TEMPLATE | flags::SEQUENCES),
        ..WEB
    };
    assert_eq!(read(&written(Version::V1, &[all]))[0].flags, 0x09a7);
}

// B-12, B-20
#[test]
fn entries_that_end_a_message() {
    // Lengths: less than an entry, less than an IPv6 entry, beyond the message; a version; a type.
    for length in [0, 35, 37, 38, 81] {
        assert_eq!(spoiled(2, &[0, length]), 0, "{length}");
    }
    assert_eq!(spoiled(2, &[0x10, 36]), 0);
    assert_eq!(spoiled(0, &[1]), 0);
    assert_eq!(spoiled(0, &[2]), 0);
    // An odd type with bit 0 set is IPv6.
    let mut message = written(Version::V1, &[WEB6, WEB]);
    message[8] = 3;
    assert_eq!(read(&message).len(), 2);
    // A greater number of entries than there are.
    let mut message = written(Version::V1, &[WEB, WEB]);
    message[4] = 9;
    assert_eq!(read(&message).len(), 2);
    message[4] = 1;
    assert_eq!(read(&message).len(), 1);
}

/// Returns the number of entries read from a message of an entry with these options, and another
/// one.
fn with_options(options: &[u8]) -> usize {
    let mut entry = written(Version::V1, &[WEB])[8..].to_vec();
    entry.extend(options);
    let length = u16::try_from(entry.len()).unwrap().to_be_bytes();
    entry[2..4].copy_from_slice(&length);
    entry.resize(entry.len().next_multiple_of(4), 0);
    entry.extend(&written(Version::V1, &[WEB])[8..]);
    let length = u16::try_from(8 + entry.len()).unwrap().to_be_bytes();
    let mut message = vec![0, 7, length[0], length[1], 2, 1, 0, 0];
    message.extend(entry);
    read(&message).len()
}

// B-12
#[test]
fn options_that_are_wrong() {
    let record = |kind: u8| [[kind, 24].as_slice(), &[0; 24]].concat();
    assert_eq!(with_options(&[]), 2);
    assert_eq!(with_options(&record(1)), 2);
    assert_eq!(with_options(&record(0x41)), 2);
    assert_eq!(with_options(&[2, 1, b'x', 3, 1, b'y']), 2);
    // A name alone has no effect; key data alone has no engine.
    assert_eq!(with_options(&[3, 1, b'y']), 2);
    assert_eq!(with_options(&[2, 1, b'x']), 1);
    // Unknown options.
    assert_eq!(with_options(&[0x44, 1, 0]), 2);
    assert_eq!(with_options(&[4, 1, 0]), 1);
    assert_eq!(with_options(&[4, 1, 0, 1, 0]), 1);
    // Lengths.
    for wrong in [
        [2].as_slice(),
        &[2, 0],
        &[2, 2, 0],
        &[1, 23, 0, 0, 0],
        &[0x44, 0],
        &[0x44, 200],
    ] {
        assert_eq!(with_options(wrong), 0, "{wrong:?}");
    }
    let long = [[3, 17].as_slice(), &[b'x'; 17]].concat();
    assert_eq!(with_options(&long), 0);
    let short = [[1, 20].as_slice(), &[0; 20]].concat();
    assert_eq!(with_options(&short), 0);
    // Repeated options.
    assert_eq!(with_options(&[record(1), record(1)].concat()), 0);
    assert_eq!(with_options(&[2, 1, 0, 2, 1, 0, 3, 1, 0]), 0);
    assert_eq!(with_options(&[3, 1, 0, 3, 1, 0]), 0);
}

/// A time as it is stored.
const fn rounded(ends: u32) -> u32 {
    ends & !3
}

const HZ: u32 = 250;
const DEFAULT: Rules = Rules {
    threshold: 3,
    period: 50,
    refresh: 0,
    retries: 0,
    hz: HZ,
};
const ESTABLISHED: Subject = Subject {
    is_template: false,
    protocol: TCP,
    state: 1,
    synced_state: 1,
    packets: 3,
    ends: 0,
    timeout: 900 * HZ,
};

fn is_synced(rules: &Rules, subject: &Subject) -> bool {
    should_sync(rules, subject, 1_000_000).is_some()
}

/// Returns the packets of the first `most` at which a subject is due.
fn turns(rules: &Rules, subject: &Subject, most: u32) -> Vec<u32> {
    let at = |packets| Subject {
        packets,
        ..*subject
    };
    (1..=most).filter(|&n| is_synced(rules, &at(n))).collect()
}

// B-7, B-8
#[test]
fn a_connection_is_sent_each_period_of_packets() {
    assert_eq!(turns(&DEFAULT, &ESTABLISHED, 200), [3, 53, 103, 153]);
    let udp = Subject {
        protocol: UDP,
        state: 0,
        ..ESTABLISHED
    };
    assert_eq!(turns(&DEFAULT, &udp, 60), [3, 53]);
    let once = Rules {
        period: 0,
        ..DEFAULT
    };
    assert_eq!(turns(&once, &ESTABLISHED, 200), [3]);
    let first = Rules {
        threshold: 0,
        period: 2,
        ..DEFAULT
    };
    assert_eq!(turns(&first, &ESTABLISHED, 6), [2, 4, 6]);
    let each = Rules {
        threshold: 0,
        period: 1,
        ..DEFAULT
    };
    assert_eq!(turns(&each, &ESTABLISHED, 3), [1, 2, 3]);
}

// B-6
#[test]
fn a_template_is_sent_with_each_packet() {
    let template = Subject {
        is_template: true,
        protocol: 0,
        state: 0,
        ..ESTABLISHED
    };
    assert_eq!(turns(&DEFAULT, &template, 4), [1, 2, 3, 4]);
    let once = Rules {
        period: 0,
        ..DEFAULT
    };
    assert_eq!(turns(&once, &template, 9), [3]);
}

// B-6
#[test]
fn states_that_are_sent() {
    let of = |protocol, synced_state| {
        move |state| {
            let subject = Subject {
                protocol,
                state,
                synced_state,
                packets: 4,
                ..ESTABLISHED
            };
            is_synced(&DEFAULT, &subject)
        }
    };
    // At once: the states in which a connection is closed.
    let at_once: Vec<u8> = (0..11).filter(|&s| of(TCP, 1)(s)).collect();
    assert_eq!(at_once, [4, 5, 6, 7]);
    let at_once: Vec<u8> = (0..14).filter(|&s| of(SCTP, 8)(s)).collect();
    assert_eq!(at_once, [9, 10, 11, 13]);
    // An unchanged state is not sent at once.
    assert!(!of(TCP, 4)(4) && of(TCP, 4)(5) && !of(SCTP, 9)(9));
    // At its turn only; other states are not sent.
    let turn = |protocol, synced_state: fn(u8) -> u8| {
        move |state: &u8| {
            let subject = Subject {
                protocol,
                state: *state,
                synced_state: synced_state(*state),
                ..ESTABLISHED
            };
            is_synced(&DEFAULT, &subject)
        }
    };
    let sent: Vec<u8> = (0..11).filter(turn(TCP, |s| s)).collect();
    assert_eq!(sent, [1, 4, 5, 6, 7]);
    let sent: Vec<u8> = (0..14).filter(turn(SCTP, |s| s)).collect();
    assert_eq!(sent, [8, 9, 10, 11, 13]);
}

// B-6
#[test]
fn a_refresh_period_holds_back() {
    let now = 1_000_000u32;
    let rules = Rules {
        threshold: 3,
        period: 0,
        refresh: 100 * HZ,
        retries: 2,
        hz: HZ,
    };
    let synced_at = |when: u32, retries: u32| Subject {
        packets: 999,
        ends: rounded(when.wrapping_add(ESTABLISHED.timeout)) | retries,
        ..ESTABLISHED
    };
    let ask = |subject: &Subject| should_sync(&rules, subject, now);
    let fresh = Some(SyncDue {
        ends: now + ESTABLISHED.timeout,
        forced: false,
    });
    // A connection that was never sent, and one that was sent long ago.
    let new = Subject {
        ends: rounded(now),
        ..synced_at(now, 0)
    };
    assert_eq!(ask(&new), fresh);
    assert_eq!(ask(&synced_at(now - 100 * HZ, 0)), fresh);
    // Never sent, whatever the time.
    let never = Subject {
        timeout: 0,
        ends: 0,
        ..new
    };
    assert!(should_sync(&rules, &never, 5).is_some());
    // Sent recently: retried after an eighth of the period, up to the number of retries.
    assert_eq!(ask(&synced_at(now - 12 * HZ, 0)), None);
    let again = ask(&synced_at(now - 13 * HZ, 0)).unwrap();
    assert_eq!(again.ends & 3, 1);
    assert_eq!(ask(&synced_at(now - 13 * HZ, 1)).unwrap().ends & 3, 2);
    assert_eq!(ask(&synced_at(now - 13 * HZ, 2)), None);
    assert_eq!(ask(&synced_at(now - 99 * HZ, 2)), None);
    // A change is sent at once, except to ESTABLISHED.
    let closing = Subject {
        state: 4,
        ..synced_at(now, 2)
    };
    assert!(ask(&closing).unwrap().forced);
    let opened = Subject {
        synced_state: 3,
        ..synced_at(now, 2)
    };
    assert_eq!(ask(&opened), None);
    // A timeout that differs by more than half counts as a change too.
    let sooner = Subject {
        timeout: 120 * HZ,
        ends: rounded(now + 60 * HZ),
        ..synced_at(now, 0)
    };
    assert!(ask(&sooner).is_some());
    // If a period is set, it must be the connection's turn too.
    let both = Rules {
        period: 50,
        ..rules
    };
    assert!(should_sync(&both, &synced_at(now - 100 * HZ, 0), now).is_none());
    let turn = Subject {
        packets: 53,
        ..synced_at(now - 100 * HZ, 0)
    };
    assert!(should_sync(&both, &turn, now).is_some());
    // The clock wraps.
    let subject = Subject {
        packets: 999,
        ends: rounded(0u32.wrapping_sub(50 * HZ).wrapping_add(ESTABLISHED.timeout)) | 2,
        ..ESTABLISHED
    };
    assert_eq!(should_sync(&rules, &subject, 10 * HZ), None);
    assert!(should_sync(&rules, &subject, 60 * HZ).is_some());
}

fn attributes(list: &[(u16, &[u8])]) -> Vec<u8> {
    let mut nest = vec![];
    for (number, payload) in list {
        nest.extend(u16::try_from(4 + payload.len()).unwrap().to_ne_bytes());
        nest.extend(number.to_ne_bytes());
        nest.extend(*payload);
        nest.resize(nest.len().next_multiple_of(4), 0);
    }
    nest
}

const MASTER: [(u16, &[u8]); 3] = [
    (daemon_attr::STATE, &1u32.to_ne_bytes()),
    (daemon_attr::MCAST_IFN, b"eth0\0"),
    (daemon_attr::SYNC_ID, &7u32.to_ne_bytes()),
];

fn request(more: &[(u16, &[u8])]) -> Result<DaemonRequest, ConfigError> {
    daemon::of_attributes(&attributes(&[&MASTER, more].concat()))
}

use super::super::config::ConfigError;

// G-12, G-31
#[test]
fn daemons_by_their_attributes() {
    let plain = request(&[]).unwrap();
    assert_eq!((plain.state, plain.sync_id), (1, 7));
    assert_eq!(plain.interface.as_bytes(), b"eth0");
    let port = 9000u16.to_ne_bytes();
    let all = request(&[
        (daemon_attr::SYNC_MAXLEN, &100u16.to_ne_bytes()),
        (daemon_attr::MCAST_GROUP, &[239, 1, 2, 3]),
        (daemon_attr::MCAST_PORT, &port),
        (daemon_attr::MCAST_TTL, &[9]),
    ]);
    let daemon = all.unwrap().settle(Some(DaemonRole::Master), 9000);
    let expected = Daemon {
        interface: plain.interface,
        sync_id: 7,
        maxlen: 100,
        group: Ip::V4([239, 1, 2, 3]),
        port: 9000,
        ttl: 9,
    };
    assert_eq!(daemon, expected);
    // If both groups are present, the IPv4 one counts.
    let group6 = [0xffu8; 16];
    let both = request(&[
        (daemon_attr::MCAST_GROUP, &[224, 0, 0, 1]),
        (daemon_attr::MCAST_GROUP6, &group6),
    ]);
    assert_eq!(both.unwrap().group, Some(Ip::V4([224, 0, 0, 1])));
    let six = request(&[(daemon_attr::MCAST_GROUP6, &group6)]).unwrap();
    assert_eq!(six.group, Some(Ip::V6(group6)));
    for wrong in [
        (daemon_attr::MCAST_GROUP, [10, 0, 0, 1].as_slice()),
        (daemon_attr::MCAST_GROUP, &[240, 0, 0, 1]),
        (daemon_attr::MCAST_GROUP, &[224, 0, 0]),
        (daemon_attr::MCAST_GROUP6, &[0xfe; 16]),
        (daemon_attr::MCAST_GROUP6, &[0xff; 15]),
        (daemon_attr::MCAST_PORT, &[1]),
        (daemon_attr::SYNC_MAXLEN, &[1]),
        (daemon_attr::MCAST_TTL, &[]),
        (daemon_attr::STATE, &[1, 0, 0]),
        (daemon_attr::MCAST_IFN, b"a-name-of-16-let\0"),
        (daemon_attr::MCAST_IFN, b"eth0"),
    ] {
        assert_eq!(
            request(&[wrong]).unwrap_err().errno,
            Errno::Invalid,
            "{wrong:?}"
        );
    }
    for missing in 0..MASTER.len() {
        let mut less = MASTER.to_vec();
        less.remove(missing);
        let refusal = daemon::of_attributes(&attributes(&less)).unwrap_err();
        assert_eq!(refusal.errno, Errno::Invalid);
    }
    let role = |state: u32| daemon::role_of_attributes(&attributes(&[(1, &state.to_ne_bytes())]));
    assert_eq!(
        (role(1), role(2)),
        (Ok(DaemonRole::Master), Ok(DaemonRole::Backup))
    );
    assert!([0, 3, u32::MAX].iter().all(|&state| role(state).is_err()));
    assert!(daemon::role_of_attributes(&[]).is_err());
    assert_eq!(
        [DaemonRole::Master, DaemonRole::Backup].map(DaemonRole::state),
        [1, 2]
    );
}

// B-1, B-2
#[test]
fn daemons_that_ask_for_little() {
    let plain = request(&[]).unwrap();
    let maxlen = |maxlen, group, role, mtu| {
        let request = DaemonRequest {
            maxlen,
            group,
            ..plain
        };
        request.settle(role, mtu).maxlen
    };
    let (master, backup) = (Some(DaemonRole::Master), Some(DaemonRole::Backup));
    let six = Some(Ip::V6([0xff; 16]));
    assert_eq!(maxlen(0, None, master, 9000), 1472);
    assert_eq!(maxlen(0, six, master, 576), 1452);
    assert_eq!(maxlen(0, None, backup, 9000), 8972);
    assert_eq!(maxlen(0, None, backup, 576), 1472);
    assert_eq!(maxlen(0, six, backup, 70000), 65487);
    assert_eq!(maxlen(1, None, master, 1500), 1);
    assert_eq!(maxlen(1, None, backup, 1500), 1024);
    assert_eq!(maxlen(65535, None, backup, 1500), 65507);
    assert_eq!(maxlen(65535, six, master, 1500), 65487);
    let daemon = plain.settle(master, 1500);
    assert_eq!((daemon.port, daemon.ttl), (8848, 1));
    assert_eq!(daemon.group, Ip::V4([224, 0, 0, 81]));
    let threads = [1, 2, 64, 128, i32::MAX, 0, -1].map(daemon::threads);
    assert_eq!(threads, [1, 2, 64, 64, 64, 1, 1]);
}
