// SPDX-License-Identifier: GPL-2.0

//! Tests of the socket options' structures (O-1 to O-5).

use super::super::config::{
    Counters,
    EngineName,
    Rates, //
};
use super::*;

const ADDRESS: [u8; 4] = [192, 0, 2, 1];

/// A service's structure.
fn service(protocol: u16, port: u16, mark: u32, name: &[u8; 16]) -> Vec<u8> {
    let mut bytes = protocol.to_ne_bytes().to_vec();
    bytes.extend([0xff; 2]);
    bytes.extend(if mark == 0 { ADDRESS } else { [0; 4] });
    bytes.extend(port.to_be_bytes());
    bytes.extend([0xff; 2]);
    bytes.extend(mark.to_ne_bytes());
    bytes.extend(name);
    for word in [5u32, 300, u32::from_ne_bytes([255, 255, 255, 0])] {
        bytes.extend(word.to_ne_bytes());
    }
    assert_eq!(bytes.len(), 44);
    bytes
}

/// A service's and a destination's structure.
fn both(weight: i32, upper: u32, lower: u32, flags: u32) -> Vec<u8> {
    let mut bytes = service(
        6,
        80,
        0,
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    );
    bytes.extend([10, 0, 0, 7, 0x1f, 0x90, 0xff, 0xff]);
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(weight.to_ne_bytes());
    bytes.extend(upper.to_ne_bytes());
    bytes.extend(lower.to_ne_bytes());
    assert_eq!(bytes.len(), 68);
    bytes
}

fn web(key: u16) -> ServiceId {
    ServiceId {
        family: AddressFamily::V4,
        key: ServiceKey::Address {
            protocol: key,
            addr: Ip::V4(ADDRESS),
            port: 80,
        },
    }
}

const RR: &[u8; 16] = b"rr\0garbage\0garba";

fn errno(result: Result<SetRequest, ConfigError>) -> Errno {
    result.unwrap_err().errno
}

// O-3
#[test]
fn services() {
    let spec = ServiceSpec {
        id: web(6),
        scheduler: SchedulerName::new(b"rr").unwrap(),
        engine: None::<EngineName>,
        flags: 5,
        flags_mask: u32::MAX,
        timeout: 300,
        netmask: u32::from_ne_bytes([255, 255, 255, 0]),
        own: OwnOptions::NONE,
    };
    assert_eq!(
        set(1154, &service(6, 80, 0, RR), 250),
        Ok(SetRequest::Add(spec))
    );
    assert_eq!(
        set(1155, &service(6, 80, 0, RR), 250),
        Ok(SetRequest::Edit(spec))
    );
    let deleted = set(1156, &service(132, 80, 0, &[0xff; 16]), 250);
    assert_eq!(deleted, Ok(SetRequest::Delete(web(132))));
    let marked = set(1156, &service(17, 80, 7, RR), 250);
    let id = ServiceId {
        key: ServiceKey::Mark(7),
        ..web(6)
    };
    assert_eq!(marked, Ok(SetRequest::Delete(id)));
}

// O-4
#[test]
fn what_is_wrong_with_a_service() {
    // The scheduler's name is checked before the protocol, which is checked for a mark too.
    assert_eq!(
        errno(set(1154, &service(1, 80, 0, &[b'x'; 16]), 250)),
        Errno::Invalid
    );
    for option in [1154, 1155, 1156, 1167] {
        for protocol in [0, 1, 50, 262] {
            assert_eq!(
                errno(set(option, &service(protocol, 80, 0, RR), 250)),
                Errno::Fault
            );
            assert_eq!(
                errno(set(option, &service(protocol, 0, 7, RR), 250)),
                Errno::Fault
            );
        }
    }
}

// O-2
#[test]
fn lengths_are_exact() {
    let lengths = [
        (1154, 44),
        (1155, 44),
        (1156, 44),
        (1157, 0),
        (1159, 68),
        (1160, 68),
        (1161, 68),
        (1162, 12),
        (1163, 24),
        (1164, 24),
        (1167, 44),
    ];
    let bytes = [both(1, 0, 0, 0), vec![0; 8]].concat();
    for option in FIRST - 2..SET_END + 2 {
        let right = lengths.iter().find(|(known, _)| *known == option);
        for length in 0..bytes.len() {
            let result = set(option, &bytes[..length], 250);
            match right {
                Some((_, right)) if *right == length => {
                    let length_is_fine = result.is_ok() || option == 1154 || option == 1155;
                    assert!(
                        length_is_fine || option == 1162 || option == 1163,
                        "{option}"
                    );
                }
                _ => assert_eq!(errno(result), Errno::Invalid, "{option} of {length} bytes"),
            }
        }
        assert!(set_length(option) <= SET_MAX);
    }
}

// O-3, O-4, G-17
#[test]
fn destinations() {
    let id = DestinationId {
        addr: Ip::V4([10, 0, 0, 7]),
        port: 8080,
    };
    let Ok(SetRequest::AddDestination(service, request)) = set(1159, &both(5, 9, 3, 0x1_2003), 250)
    else {
        panic!("no destination");
    };
    assert_eq!(service, web(6));
    let spec = DestinationSpec {
        id,
        method: ForwardMethod::DROUTE,
        weight: 5,
        upper: 9,
        lower: 3,
        tunnel: TunnelSpec::default(),
    };
    assert_eq!(request.spec(), Ok(spec));
    assert_eq!(
        set(1161, &both(5, 9, 3, 0x1_2003), 250),
        Ok(SetRequest::EditDestination(web(6), request))
    );
    assert_eq!(
        set(1160, &both(-1, 1, 3, 0), 250),
        Ok(SetRequest::DeleteDestination(web(6), id))
    );
    for (weight, upper, lower, wanted) in [
        (-1, 0, 0, Errno::Range),
        (0, 1, 2, Errno::Range),
        (0, 1 << 31, 0, Errno::Invalid),
        (i32::MIN, 1 << 31, 0, Errno::Range),
    ] {
        let Ok(SetRequest::AddDestination(_, request)) =
            set(1159, &both(weight, upper, lower, 0), 250)
        else {
            panic!("a destination is not looked at here");
        };
        assert_eq!(request.spec().unwrap_err().errno, wanted);
    }
}

// G-14, O-4
#[test]
fn the_rest() {
    let words = |words: [u32; 3]| words.map(u32::to_ne_bytes).concat();
    let limit = i32::MAX as u32 / 250;
    assert_eq!(
        set(1162, &words([1, 0, limit]), 250),
        Ok(SetRequest::Timeouts(Some(1), None, Some(limit)))
    );
    for wrong in [limit + 1, u32::MAX] {
        assert_eq!(errno(set(1162, &words([wrong, 0, 0]), 250)), Errno::Invalid);
        assert_eq!(errno(set(1162, &words([0, 0, wrong]), 250)), Errno::Invalid);
    }
    assert_eq!(set(1157, &[], 250), Ok(SetRequest::Flush));
    let daemon = |name: &[u8]| [&[1, 0, 0, 0][..], name, &vec![0; 20 - name.len()]].concat();
    let Ok(SetRequest::StartDaemon(request)) = set(1163, &daemon(b"eth0"), 250) else {
        panic!("no daemon");
    };
    assert_eq!(
        (request.state, request.sync_id, request.group),
        (1, 0, None)
    );
    assert_eq!(request.interface.as_bytes(), b"eth0");
    assert_eq!(errno(set(1163, &daemon(b""), 250)), Errno::Invalid);
    assert_eq!(errno(set(1163, &daemon(&[b'x'; 16]), 250)), Errno::Invalid);
    let master = request.settle(Some(DaemonRole::Master), 1500);
    let shown = daemons(&[Some(master), None]);
    assert_eq!(shown[..24], daemon(b"eth0")[..]);
    assert_eq!(shown[24..], [0; 24]);
    let shown = daemons(&[None, Some(master)]);
    assert_eq!((shown[..24].to_vec(), shown[24]), (vec![0; 24], 2));
    let state = u32::from_ne_bytes([1, 0, 0, 0]);
    assert_eq!(
        set(1164, &daemon(b""), 250),
        Ok(SetRequest::StopDaemon(state))
    );
    // Without mark, address and port all services are meant, whatever the protocol.
    let mut all = vec![0; 44];
    assert_eq!(set(1167, &all, 250), Ok(SetRequest::Zero(None)));
    all[0] = 99;
    assert_eq!(set(1167, &all, 250), Ok(SetRequest::Zero(None)));
    all[9] = 80;
    assert_eq!(errno(set(1167, &all, 250)), Errno::Fault);
    assert_eq!(
        set(1167, &service(6, 80, 0, RR), 250),
        Ok(SetRequest::Zero(Some(web(6))))
    );
}

fn word(entry: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(entry[at..at + 4].try_into().unwrap())
}

fn long(entry: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(entry[at..at + 8].try_into().unwrap())
}

const STATISTICS: Statistics = Statistics {
    counters: Counters {
        conns: 0x1_0000_0001,
        in_packets: 2,
        out_packets: 3,
        in_bytes: 0x1_0000_0004,
        out_bytes: 5,
    },
    rates: Rates {
        conns: 6,
        in_packets: 7,
        out_packets: 8,
        in_bytes: 9,
        out_bytes: 10,
    },
};

fn check_statistics(entry: &[u8], from: usize) {
    let words = [0, 4, 8, 32, 36, 40, 44, 48].map(|at| word(entry, from + at));
    assert_eq!(words, [1, 2, 3, 6, 7, 8, 9, 10]);
    assert_eq!(
        [16, 24].map(|at| long(entry, from + at)),
        [0x1_0000_0004, 5]
    );
}

// O-3
#[test]
fn services_as_they_are_shown() {
    let mut view = ServiceView {
        id: web(6),
        scheduler: SchedulerName::new(b"fifteen-letters").unwrap(),
        engine: None,
        flags: 3,
        timeout: 300,
        netmask: 77,
        own: OwnOptions::NONE,
        destinations: 4,
        statistics: STATISTICS,
    };
    let entry = service_entry(&view).unwrap();
    // The identity is read back from a listed service.
    assert_eq!(service_id(&entry), web(6));
    assert_eq!(entry[16..32], *b"fifteen-letters\0");
    assert_eq!([32, 36, 40, 44].map(|at| word(&entry, at)), [3, 300, 77, 4]);
    check_statistics(&entry, 48);
    view.id.key = ServiceKey::Mark(7);
    let entry = service_entry(&view).unwrap();
    assert_eq!((entry[0], word(&entry, 4), word(&entry, 12)), (6, 0, 7));
    view.id.family = AddressFamily::V6;
    assert_eq!(service_entry(&view), None);
}

// O-3, O-4
#[test]
fn destinations_as_they_are_shown() {
    let mut view = DestinationView {
        spec: DestinationSpec {
            id: DestinationId {
                addr: Ip::V4([10, 0, 0, 7]),
                port: 8080,
            },
            method: ForwardMethod::MASQ,
            weight: 5,
            upper: 6,
            lower: 7,
            tunnel: TunnelSpec::default(),
        },
        active: 8,
        inactive: 9,
        persistent: 10,
        drain: None,
        statistics: STATISTICS,
    };
    let entry = destination_entry(&view).unwrap();
    assert_eq!(entry[..6], [10, 0, 0, 7, 0x1f, 0x90]);
    let words = [8, 12, 16, 20, 24, 28, 32].map(|at| word(&entry, at));
    assert_eq!(words, [0x100, 5, 6, 7, 8, 9, 10]);
    check_statistics(&entry, 40);
    view.spec.method = ForwardMethod::DROUTE;
    assert_eq!(word(&destination_entry(&view).unwrap(), 8), 0x183);
    view.spec.id.addr = Ip::V6([1; 16]);
    assert_eq!(destination_entry(&view), None);
}

// O-2
#[test]
fn lists_are_as_long_as_they_say() {
    let head = |at: usize, count: u32| {
        let mut head = [0; 24];
        head[at..at + 4].copy_from_slice(&count.to_ne_bytes());
        head
    };
    assert_eq!(capacity(GetRequest::Services, &head(0, 0), 8), Some(0));
    assert_eq!(
        capacity(GetRequest::Services, &head(0, 3), 8 + 3 * 104),
        Some(3)
    );
    assert_eq!(
        capacity(GetRequest::Services, &head(0, 3), 8 + 3 * 104 + 1),
        None
    );
    assert_eq!(
        capacity(GetRequest::Destinations, &head(16, 2), 24 + 2 * 96),
        Some(2)
    );
    assert_eq!(
        capacity(GetRequest::Destinations, &head(16, 2), 24 + 3 * 96),
        None
    );
    assert_eq!(
        capacity(GetRequest::Destinations, &head(16, u32::MAX), 24),
        None
    );
    assert_eq!(capacity(GetRequest::Info, &head(0, 0), 0), None);
}

// O-1, O-2, O-5
#[test]
fn questions() {
    let lengths = [
        (1152, 64),
        (1153, 12),
        (1154, 8),
        (1155, 104),
        (1156, 24),
        (1158, 12),
        (1159, 48),
    ];
    for option in FIRST - 2..GET_END + 2 {
        let least = lengths.iter().find(|(known, _)| *known == option);
        assert_eq!(
            GetRequest::of(option).map(GetRequest::least),
            least.map(|(_, least)| *least)
        );
        assert!(GetRequest::of(option).is_none_or(|get| get.least() <= SERVICE_ENTRY));
    }
    for (size, words) in [(0, "0"), (4096, "4096"), (u32::MAX, "4294967295")] {
        let mut text = [0xff; VERSION];
        let length = version(size, &mut text);
        let wanted = format!("IP Virtual Server version 1.2.1 (size={words})\0");
        assert_eq!(text[..length], *wanted.as_bytes());
    }
    let timeouts = timeouts(&AdminTimeouts {
        tcp: 1,
        tcp_fin: 2,
        udp: 3,
    });
    assert_eq!([0, 4, 8].map(|at| word(&timeouts, at)), [1, 2, 3]);
}
