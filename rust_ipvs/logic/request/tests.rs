// SPDX-License-Identifier: GPL-2.0

//! Requests as clients send them, and each kind of invalid one.

use super::super::config::service_flags;
use super::super::uapi::tun_type::GUE;
use super::*;

/// An attribute with padding.
fn attribute(number: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + payload.len()).unwrap();
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(number.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A list of attributes that can be changed one by one.
#[derive(Clone)]
struct Nest(Vec<(u16, Vec<u8>)>);

impl Nest {
    fn with(&self, number: u16, payload: &[u8]) -> Self {
        let mut nest = self.without(number);
        nest.0.push((number, payload.to_vec()));
        nest
    }

    fn without(&self, number: u16) -> Self {
        let kept = self.0.iter().filter(|(n, _)| *n != number);
        Self(kept.cloned().collect())
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|(n, p)| attribute(*n, p)).collect()
    }

    fn service(&self) -> Result<ServiceSpec, Errno> {
        service_spec(&self.bytes()).map_err(|error| error.errno)
    }

    fn service_id(&self) -> Result<ServiceId, Errno> {
        service_id(&self.bytes()).map_err(|error| error.errno)
    }

    fn destination(&self) -> Result<DestinationSpec, Errno> {
        destination_spec(&self.bytes(), AddressFamily::V4).map_err(|error| error.errno)
    }

    fn destination_id(&self) -> Result<DestinationId, Errno> {
        destination_id(&self.bytes(), AddressFamily::V4).map_err(|error| error.errno)
    }
}

/// The service TCP 192.0.2.1:80, rr, as ipvsadm sends it.
fn a_service() -> Nest {
    let flags = [0u32.to_ne_bytes(), u32::MAX.to_ne_bytes()].concat();
    Nest(vec![
        (svc_attr::AF, 2u16.to_ne_bytes().to_vec()),
        (svc_attr::PROTOCOL, 6u16.to_ne_bytes().to_vec()),
        (
            svc_attr::ADDR,
            vec![192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ),
        (svc_attr::PORT, 80u16.to_be_bytes().to_vec()),
        (svc_attr::SCHED_NAME, b"rr\0".to_vec()),
        (svc_attr::FLAGS, flags),
        (svc_attr::TIMEOUT, 0u32.to_ne_bytes().to_vec()),
        (svc_attr::NETMASK, u32::MAX.to_ne_bytes().to_vec()),
    ])
}

/// The destination 198.51.100.7:8080, weight 5, tunnelled.
fn a_destination() -> Nest {
    Nest(vec![
        (dest_attr::ADDR, vec![198, 51, 100, 7]),
        (dest_attr::PORT, 8080u16.to_be_bytes().to_vec()),
        (dest_attr::FWD_METHOD, 2u32.to_ne_bytes().to_vec()),
        (dest_attr::WEIGHT, 5u32.to_ne_bytes().to_vec()),
        (dest_attr::U_THRESH, 100u32.to_ne_bytes().to_vec()),
        (dest_attr::L_THRESH, 50u32.to_ne_bytes().to_vec()),
    ])
}

// G-6, G-7
#[test]
fn a_service_is_read() {
    let spec = a_service().service().unwrap();
    let expected = ServiceSpec {
        id: ServiceId {
            family: AddressFamily::V4,
            key: ServiceKey::Address {
                protocol: 6,
                addr: Ip::V4([192, 0, 2, 1]),
                port: 80,
            },
        },
        scheduler: SchedulerName::new(b"rr").unwrap(),
        engine: None,
        flags: 0,
        flags_mask: u32::MAX,
        timeout: 0,
        netmask: u32::MAX,
        own: OwnOptions::NONE,
    };
    assert_eq!(spec, expected);
    // G-22: a request that identifies a service may have all other attributes.
    assert_eq!(a_service().service_id(), Ok(spec.id));
    let id = Nest(a_service().0[..4].to_vec());
    assert_eq!(id.service_id(), Ok(spec.id));
}

// G-23, G-6
#[test]
fn addresses_may_be_short() {
    let spec = a_service().with(svc_attr::ADDR, &[192, 0, 2, 1]).service();
    assert_eq!(spec, a_service().service());
    let v6 = a_service()
        .with(svc_attr::AF, &10u16.to_ne_bytes())
        .with(svc_attr::ADDR, &[0x20, 0x01])
        .service()
        .unwrap();
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&[0x20, 0x01]);
    let ServiceKey::Address { addr, .. } = v6.id.key else {
        panic!("{v6:?}");
    };
    assert_eq!(addr, Ip::V6(bytes));
    let long = a_service().with(svc_attr::ADDR, &[0; 17]);
    assert_eq!(long.service(), Err(Errno::Invalid));
}

// G-7
#[test]
fn a_mark_wins() {
    let marked = a_service().with(svc_attr::FWMARK, &7u32.to_ne_bytes());
    assert_eq!(marked.service().unwrap().id.key, ServiceKey::Mark(7));
    let bare = marked
        .without(svc_attr::PROTOCOL)
        .without(svc_attr::ADDR)
        .without(svc_attr::PORT);
    assert_eq!(bare.service_id().unwrap().key, ServiceKey::Mark(7));
    let zero = marked.with(svc_attr::FWMARK, &[0; 4]).service_id().unwrap();
    let expected = ServiceKey::Address {
        protocol: 6,
        addr: Ip::V4([0; 4]),
        port: 0,
    };
    assert_eq!(zero.key, expected);
    let ipv6 = bare
        .with(svc_attr::FWMARK, &[0; 4])
        .with(svc_attr::AF, &10u16.to_ne_bytes())
        .service_id()
        .unwrap();
    let expected = ServiceKey::Address {
        protocol: 6,
        addr: Ip::V6([0; 16]),
        port: 0,
    };
    assert_eq!(ipv6.key, expected);
}

// G-7, 11.2
#[test]
fn a_service_needs_its_identity() {
    for missing in [
        svc_attr::AF,
        svc_attr::PROTOCOL,
        svc_attr::ADDR,
        svc_attr::PORT,
    ] {
        let nest = a_service().without(missing);
        assert_eq!(nest.service(), Err(Errno::Invalid));
        assert_eq!(nest.service_id(), Err(Errno::Invalid));
    }
    assert_eq!(Nest(vec![]).service_id(), Err(Errno::Invalid));
}

// G-6
#[test]
fn a_full_service_needs_the_rest() {
    for missing in [
        svc_attr::SCHED_NAME,
        svc_attr::FLAGS,
        svc_attr::TIMEOUT,
        svc_attr::NETMASK,
    ] {
        let nest = a_service().without(missing);
        assert_eq!(nest.service(), Err(Errno::Invalid));
        assert!(nest.service_id().is_ok());
    }
}

// G-7: a missing attribute is reported before an unknown family, and that before the rest.
#[test]
fn unknown_families() {
    for number in [0u16, 1, 3, 9, 11, 0x0200, u16::MAX] {
        let nest = a_service().with(svc_attr::AF, &number.to_ne_bytes());
        assert_eq!(nest.service(), Err(Errno::Family));
        assert_eq!(nest.without(svc_attr::PORT).service(), Err(Errno::Invalid));
        assert_eq!(nest.without(svc_attr::FLAGS).service(), Err(Errno::Family));
    }
}

// 11.2: incorrect lengths.
#[test]
fn short_service_attributes() {
    for (number, least) in [
        (svc_attr::AF, 2),
        (svc_attr::PROTOCOL, 2),
        (svc_attr::PORT, 2),
        (svc_attr::FWMARK, 4),
        (svc_attr::TIMEOUT, 4),
        (svc_attr::NETMASK, 4),
    ] {
        for length in 0..least {
            let nest = a_service().with(number, &vec![1; length]);
            assert_eq!(nest.service(), Err(Errno::Invalid), "{number} {length}");
            assert_eq!(nest.service_id(), Err(Errno::Invalid));
        }
    }
    // G-5: longer ones are accepted.
    let long = [6u16.to_ne_bytes(), [9, 9]].concat();
    let nest = a_service().with(svc_attr::PROTOCOL, &long);
    assert_eq!(nest.service(), a_service().service());
    // An invalid attribute is an error even if a valid one follows.
    let mut twice = Nest(vec![(svc_attr::PORT, vec![1])]);
    twice.0.extend(a_service().0);
    assert_eq!(twice.service(), Err(Errno::Invalid));
    for (length, fine) in [(0, true), (1, false), (3, false), (4, true)] {
        let nest = a_service().with(svc_attr::STATS, &vec![0; length]);
        assert_eq!(nest.service().is_ok(), fine);
    }
}

// G-6
#[test]
fn names() {
    let named = |name: &[u8]| a_service().with(svc_attr::SCHED_NAME, name).service();
    let spec = named(b"123456789012345\0").unwrap();
    assert_eq!(spec.scheduler.as_str(), "123456789012345");
    for wrong in [&b""[..], b"rr", b"1234567890123456\0"] {
        assert_eq!(named(wrong), Err(Errno::Invalid));
    }
    let engine = |name: &[u8]| a_service().with(svc_attr::PE_NAME, name).service();
    let spec = engine(b"1234567890123456\0").unwrap();
    assert_eq!(spec.engine.unwrap().as_str(), "1234567890123456");
    assert_eq!(engine(b"\0").unwrap().engine, None);
    for wrong in [&b""[..], b"sip", b"12345678901234567\0"] {
        assert_eq!(engine(wrong), Err(Errno::Invalid));
    }
}

// G-6, G-9
#[test]
fn flags_may_be_short() {
    let flags = |bytes: &[u8]| {
        let spec = a_service().with(svc_attr::FLAGS, bytes).service();
        spec.map(|spec| (spec.flags, spec.flags_mask))
    };
    let one = service_flags::PERSISTENT.to_ne_bytes();
    assert_eq!(flags(&one), Ok((service_flags::PERSISTENT, 0)));
    assert_eq!(flags(&[]), Ok((0, 0)));
    assert_eq!(flags(&[0; 9]), Err(Errno::Invalid));
    let both = [5u32.to_ne_bytes(), 7u32.to_ne_bytes()].concat();
    assert_eq!(flags(&both), Ok((5, 7)));
}

// 11.2, G-18, G-20
#[test]
fn netmasks() {
    for (family, netmask, fine) in [
        (2u16, 0u32, true),
        (2, u32::MAX, true),
        (10, 0, false),
        (10, 1, true),
        (10, 128, true),
        (10, 129, false),
        (10, u32::MAX, false),
    ] {
        let spec = a_service()
            .with(svc_attr::AF, &family.to_ne_bytes())
            .with(svc_attr::NETMASK, &netmask.to_ne_bytes())
            .service()
            .unwrap();
        let expected = if fine { Ok(()) } else { Err(Errno::Invalid) };
        let checked = check_netmask(&spec).map_err(|error| error.errno);
        assert_eq!(checked, expected, "{family} {netmask}");
    }
}

// G-10
#[test]
fn a_destination_is_read() {
    let spec = a_destination().destination().unwrap();
    let expected = DestinationSpec {
        id: DestinationId {
            addr: Ip::V4([198, 51, 100, 7]),
            port: 8080,
        },
        method: ForwardMethod::TUNNEL,
        weight: 5,
        upper: 100,
        lower: 50,
        tunnel: TunnelSpec::default(),
    };
    assert_eq!(spec, expected);
    assert_eq!(a_destination().destination_id(), Ok(spec.id));
    let tunnel = a_destination()
        .with(dest_attr::TUN_TYPE, &[1])
        .with(dest_attr::TUN_PORT, &6080u16.to_be_bytes())
        .with(dest_attr::TUN_FLAGS, &1u16.to_ne_bytes())
        .destination()
        .unwrap()
        .tunnel;
    let expected = TunnelSpec {
        kind: 1,
        port: 6080,
        flags: 1,
    };
    assert_eq!(tunnel, expected);
}

// G-10
#[test]
fn methods_are_three_bits() {
    for method in [0u32, 1, 2, 3, 4, 5, 6, 7, 8, 0x103, u32::MAX] {
        let nest = a_destination().with(dest_attr::FWD_METHOD, &method.to_ne_bytes());
        let expected = ForwardMethod((method & 7) as u8);
        assert_eq!(nest.destination().unwrap().method, expected);
    }
}

// 11.2
#[test]
fn a_destination_needs_its_attributes() {
    for missing in [dest_attr::ADDR, dest_attr::PORT] {
        let nest = a_destination().without(missing);
        assert_eq!(nest.destination(), Err(Errno::Invalid));
        assert_eq!(nest.destination_id(), Err(Errno::Invalid));
    }
    for missing in [
        dest_attr::FWD_METHOD,
        dest_attr::WEIGHT,
        dest_attr::U_THRESH,
        dest_attr::L_THRESH,
    ] {
        let nest = a_destination().without(missing);
        assert_eq!(nest.destination(), Err(Errno::Invalid));
        assert!(nest.destination_id().is_ok());
    }
}

// 11.2: incorrect lengths.
#[test]
fn short_destination_attributes() {
    for (number, least) in [
        (dest_attr::PORT, 2),
        (dest_attr::FWD_METHOD, 4),
        (dest_attr::WEIGHT, 4),
        (dest_attr::U_THRESH, 4),
        (dest_attr::L_THRESH, 4),
        (dest_attr::ACTIVE_CONNS, 4),
        (dest_attr::INACT_CONNS, 4),
        (dest_attr::PERSIST_CONNS, 4),
        (dest_attr::ADDR_FAMILY, 2),
        (dest_attr::TUN_TYPE, 1),
        (dest_attr::TUN_PORT, 2),
        (dest_attr::TUN_FLAGS, 2),
    ] {
        for length in 0..least {
            let nest = a_destination().with(number, &vec![0; length]);
            assert_eq!(nest.destination(), Err(Errno::Invalid), "{number} {length}");
            assert_eq!(nest.destination_id(), Err(Errno::Invalid));
        }
        assert!(a_destination()
            .with(number, &vec![0; least])
            .destination_id()
            .is_ok());
    }
    let nest = a_destination().with(dest_attr::ADDR, &[0; 17]);
    assert_eq!(nest.destination(), Err(Errno::Invalid));
    let nest = a_destination().with(dest_attr::STATS, &[0; 2]);
    assert_eq!(nest.destination(), Err(Errno::Invalid));
}

// G-10, V-10
#[test]
fn families_of_destinations() {
    let of = |number: u16| a_destination().with(dest_attr::ADDR_FAMILY, &number.to_ne_bytes());
    assert_eq!(of(0).destination(), a_destination().destination());
    assert_eq!(of(2).destination(), a_destination().destination());
    let other = of(10).destination().unwrap();
    assert!(matches!(other.id.addr, Ip::V6(_)));
    for method in [0u32, 1, 3, 4] {
        let nest = of(10).with(dest_attr::FWD_METHOD, &method.to_ne_bytes());
        assert_eq!(nest.destination(), Err(Errno::Invalid));
        // Deletion is always allowed.
        assert!(nest.destination_id().is_ok());
    }
    assert_eq!(of(7).destination(), Err(Errno::Family));
    assert_eq!(of(7).destination_id(), Err(Errno::Family));
}

// 11.2, S-27
#[test]
fn numbers_of_destinations() {
    let with = |number, value: u32| a_destination().with(number, &value.to_ne_bytes());
    let most = i32::MAX as u32;
    let weight = |value| with(dest_attr::WEIGHT, value).destination();
    assert_eq!(weight(0).unwrap().weight, 0);
    assert_eq!(weight(most).unwrap().weight, i32::MAX);
    assert_eq!(weight(most + 1), Err(Errno::Range));
    assert_eq!(weight(u32::MAX), Err(Errno::Range));

    let lower = |value| with(dest_attr::L_THRESH, value).destination();
    assert!(lower(100).is_ok());
    assert_eq!(lower(101), Err(Errno::Range));
    let no_upper = with(dest_attr::U_THRESH, 0);
    assert_eq!(no_upper.destination(), Err(Errno::Range));

    let upper = |value| with(dest_attr::U_THRESH, value).destination();
    assert_eq!(upper(most).unwrap().upper, most);
    assert_eq!(upper(most + 1), Err(Errno::Invalid));

    let gue = a_destination().with(dest_attr::TUN_TYPE, &[GUE]);
    assert_eq!(gue.destination(), Err(Errno::Invalid));
    assert!(gue.with(dest_attr::TUN_PORT, &[0, 1]).destination().is_ok());
}

// G-17
#[test]
fn the_order_of_checks() {
    let mut nest = a_destination()
        .with(dest_attr::ADDR_FAMILY, &7u16.to_ne_bytes())
        .with(dest_attr::FWD_METHOD, &0u32.to_ne_bytes())
        .with(dest_attr::WEIGHT, &u32::MAX.to_ne_bytes())
        .with(dest_attr::L_THRESH, &u32::MAX.to_ne_bytes())
        .with(dest_attr::U_THRESH, &(u32::MAX - 1).to_ne_bytes())
        .with(dest_attr::TUN_TYPE, &[GUE]);
    let mut said = Vec::new();
    for (number, payload) in [
        (dest_attr::ADDR_FAMILY, &10u16.to_ne_bytes()[..]),
        (dest_attr::FWD_METHOD, &2u32.to_ne_bytes()),
        (dest_attr::WEIGHT, &1u32.to_ne_bytes()),
        (dest_attr::L_THRESH, &1u32.to_ne_bytes()),
        (dest_attr::U_THRESH, &1u32.to_ne_bytes()),
        (dest_attr::TUN_PORT, &[1, 1]),
    ] {
        said.push(nest.destination().unwrap_err());
        nest = nest.with(number, payload);
    }
    let expected = [
        Errno::Family,
        Errno::Invalid,
        Errno::Range,
        Errno::Range,
        Errno::Invalid,
        Errno::Invalid,
    ];
    assert_eq!(said, expected);
    assert!(nest.destination().is_ok());
}

// G-14, G-5
#[test]
fn timeouts_of_the_family() {
    let read = |attributes: &[(u16, &[u8])]| {
        let bytes: Vec<u8> = attributes
            .iter()
            .flat_map(|(n, p)| attribute(*n, p))
            .collect();
        timeouts(&bytes, 250).map_err(|error| error.errno)
    };
    let seconds = |value: u32| value.to_ne_bytes();
    assert_eq!(read(&[]), Ok((None, None, None)));
    assert_eq!(
        read(&[(4, &seconds(900)), (5, &seconds(0)), (6, &seconds(1))]),
        Ok((Some(900), None, Some(1)))
    );
    let most = i32::MAX as u32 / 250;
    assert_eq!(read(&[(5, &seconds(most))]), Ok((None, Some(most), None)));
    for wrong in [most + 1, i32::MAX as u32, u32::MAX] {
        for number in 4..=6 {
            assert_eq!(read(&[(number, &seconds(wrong))]), Err(Errno::Invalid));
        }
    }
    assert_eq!(read(&[(6, &[1, 2, 3])]), Err(Errno::Range));
}

/// The texts are one line each: not empty, no full stop.
#[test]
fn refusals_have_words() {
    let family = a_service().with(svc_attr::AF, &[1, 0]);
    for error in [
        service_id(&[]).unwrap_err(),
        service_id(&family.bytes()).unwrap_err(),
        destination_id(&[], AddressFamily::V6).unwrap_err(),
    ] {
        let words = error.text.to_str().unwrap();
        assert!(words.len() > 10 && !words.ends_with('.'), "{words}");
    }
}
