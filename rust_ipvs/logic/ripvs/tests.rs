// SPDX-License-Identifier: GPL-2.0

//! Changes as they are sent, and whatever else might be.

use super::{
    super::{
        config::{
            AddressFamily,
            ConfigError,
            DestinationId,
            Errno,
            ForwardMethod,
            Ip,
            ServiceId,
            ServiceKey, //
        },
        drain::DrainSpec, //
    },
    uapi::{
        change_attr,
        change_op,
        dest_attr,
        drain_attr,
        drain_flags,
        msg_attr,
        service_attr, //
    },
    *,
};

/// An attribute with padding.
fn attribute(number: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + payload.len()).unwrap();
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(number.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn web() -> Vec<u8> {
    [
        attribute(service_attr::AF, &2u16.to_ne_bytes()),
        attribute(service_attr::PROTOCOL, &6u16.to_ne_bytes()),
        attribute(service_attr::ADDR, &[192, 0, 2, 1]),
        attribute(service_attr::PORT, &80u16.to_be_bytes()),
    ]
    .concat()
}

fn server() -> Vec<u8> {
    [
        attribute(dest_attr::ADDR, &[198, 51, 100, 1]),
        attribute(dest_attr::PORT, &8080u16.to_be_bytes()),
    ]
    .concat()
}

fn nest(op: u8, service: Option<Vec<u8>>, dest: Option<Vec<u8>>) -> Vec<u8> {
    let mut bytes = attribute(change_attr::OP, &[op]);
    bytes.extend(
        service
            .iter()
            .flat_map(|s| attribute(change_attr::SERVICE, s)),
    );
    bytes.extend(dest.iter().flat_map(|d| attribute(change_attr::DEST, d)));
    bytes
}

fn id() -> ServiceId {
    ServiceId {
        family: AddressFamily::V4,
        key: ServiceKey::Address {
            protocol: 6,
            addr: Ip::V4([192, 0, 2, 1]),
            port: 80,
        },
    }
}

const AT: DestinationId = DestinationId {
    addr: Ip::V4([198, 51, 100, 1]),
    port: 8080,
};

#[test]
fn new_services_and_destinations_have_defaults() {
    let service = [web(), attribute(service_attr::SCHED_NAME, b"wlc\0")].concat();
    let sent = change(&nest(change_op::NEW_SERVICE, Some(service), None));
    let Ok(ConfigChange::NewService(spec)) = sent else {
        panic!();
    };
    assert_eq!((spec.id, spec.scheduler.as_bytes()), (id(), &b"wlc"[..]));
    assert_eq!(
        (spec.flags, spec.flags_mask, spec.timeout),
        (0, u32::MAX, 0)
    );
    assert_eq!((spec.netmask, spec.engine), (u32::MAX, None));

    let sent = nest(change_op::NEW_DEST, Some(web()), Some(server()));
    let Ok(ConfigChange::NewDest(of, spec)) = change(&sent) else {
        panic!();
    };
    assert_eq!((of, spec.id, spec.weight), (id(), AT, 1));
    assert_eq!(
        (spec.method, spec.upper, spec.lower),
        (ForwardMethod::MASQ, 0, 0)
    );
}

#[test]
fn what_is_absent_stays() {
    let sent = [
        server(),
        attribute(dest_attr::WEIGHT, &7u32.to_ne_bytes()),
        attribute(dest_attr::TUN_FLAGS, &1u16.to_ne_bytes()),
    ]
    .concat();
    let sent = change(&nest(change_op::SET_DEST, Some(web()), Some(sent)));
    let Ok(ConfigChange::SetDest(_, AT, edit)) = sent else {
        panic!();
    };
    let sent = nest(change_op::NEW_DEST, Some(web()), Some(server()));
    let Ok(ConfigChange::NewDest(_, mut now)) = change(&sent) else {
        panic!();
    };
    (now.method, now.upper) = (ForwardMethod::TUNNEL, 9);
    let after = edit.of(now).unwrap();
    assert_eq!((after.weight, after.tunnel.flags), (7, 1));
    assert_eq!((after.method, after.upper), (ForwardMethod::TUNNEL, 9));

    let sent = [
        web(),
        attribute(service_attr::TIMEOUT, &60u32.to_ne_bytes()),
    ]
    .concat();
    let sent = change(&nest(change_op::SET_SERVICE, Some(sent), None));
    let Ok(ConfigChange::SetService(_, edit)) = sent else {
        panic!();
    };
    let service = [
        web(),
        attribute(service_attr::SCHED_NAME, b"rr\0"),
        attribute(service_attr::PE_NAME, b"sip\0"),
    ]
    .concat();
    let sent = change(&nest(change_op::NEW_SERVICE, Some(service), None));
    let Ok(ConfigChange::NewService(now)) = sent else {
        panic!();
    };
    let after = edit.of(now).unwrap();
    assert_eq!((after.timeout, after.scheduler), (60, now.scheduler));
    assert_eq!(after.engine.unwrap().as_bytes(), b"sip");
}

#[test]
fn an_empty_engine_is_none() {
    let sent = [
        web(),
        attribute(service_attr::SCHED_NAME, b"rr\0"),
        attribute(service_attr::PE_NAME, b"\0"),
    ]
    .concat();
    let Ok(ConfigChange::NewService(spec)) =
        change(&nest(change_op::NEW_SERVICE, Some(sent), None))
    else {
        panic!();
    };
    assert_eq!(spec.engine, None);
}

fn error(op: u8, service: Option<Vec<u8>>, dest: Option<Vec<u8>>) -> ConfigError {
    change(&nest(op, service, dest)).unwrap_err()
}

#[test]
fn a_wrong_number_is_out_of_range() {
    let weight = [
        server(),
        attribute(dest_attr::WEIGHT, &(1u32 << 31).to_ne_bytes()),
    ]
    .concat();
    let sent = error(change_op::NEW_DEST, Some(web()), Some(weight));
    assert_eq!(sent.errno, Errno::Range);
    let family = attribute(service_attr::AF, &1u16.to_ne_bytes());
    let sent = error(change_op::DEL_SERVICE, Some(family), None);
    assert_eq!(sent.errno, Errno::Family);
}

#[test]
fn each_attribute_has_its_length() {
    for number in 0..30 {
        for length in 0..20 {
            let sent = [web(), attribute(number, &vec![1; length])].concat();
            let result = change(&nest(change_op::SET_SERVICE, Some(sent), None));
            let is_right = match number {
                service_attr::FLAGS | service_attr::TIMEOUT | service_attr::NETMASK => length == 4,
                // Some megaseconds fit into INT_MAX jiffies or not, which the caller knows.
                service_attr::TIMEOUT_TCP..=service_attr::TIMEOUT_UDP => length == 4,
                service_attr::CONNTRACK..=service_attr::FAST_PATH => length == 1,
                _ => false,
            };
            assert_eq!(result.is_ok(), is_right, "{number}, {length} bytes");

            let sent = [server(), attribute(number, &vec![1; length])].concat();
            let result = change(&nest(change_op::SET_DEST, Some(web()), Some(sent)));
            let is_right = match number {
                dest_attr::WEIGHT | dest_attr::U_THRESH | dest_attr::L_THRESH => length == 4,
                dest_attr::TUN_TYPE => length == 1,
                dest_attr::TUN_PORT | dest_attr::TUN_FLAGS => length == 2,
                _ => false,
            };
            assert_eq!(result.is_ok(), is_right, "{number}, {length} bytes");
        }
    }
}

#[test]
fn changes_come_in_their_order() {
    let sent = [
        attribute(msg_attr::CHANGE, b"one"),
        attribute(msg_attr::GENERATION, &[0; 8]),
        attribute(msg_attr::CHANGE, b""),
        attribute(msg_attr::CHANGE, b"three"),
    ]
    .concat();
    let found: Vec<_> = changes(&sent).collect();
    assert_eq!(found, [&b"one"[..], b"", b"three"]);
    assert_eq!(single(&sent, msg_attr::GENERATION), Ok(Some(&[0; 8][..])));
    assert_eq!(single(&sent, msg_attr::OPTIONS), Ok(None));
    assert!(single(&sent, msg_attr::CHANGE).is_err());
}

#[test]
fn no_bytes_are_a_change_by_chance() {
    for op in 0..=255 {
        for bytes in [&[][..], &[0], &[1, 0, 0], &[3, 0, 1, 0], &[200, 0, 1, 0]] {
            assert!(change(bytes).is_err());
            let sent = error_or(op, bytes);
            assert!(sent.is_err(), "{op} {bytes:?}");
        }
    }
    assert_eq!(
        change(&nest(change_op::FLUSH, None, None)),
        Ok(ConfigChange::Flush)
    );
}

fn error_or(op: u8, bytes: &[u8]) -> Result<ConfigChange, ConfigError> {
    change(&nest(op, Some(bytes.to_vec()), None))
}

/// A change of a drain with options of the drain, and other bytes of the destination.
fn drain(op: u8, options: Option<&[u8]>, rest: &[u8]) -> Result<ConfigChange, ConfigError> {
    let options = options.map(|options| attribute(dest_attr::DRAIN, options));
    let dest = [server(), options.unwrap_or_default(), rest.to_vec()].concat();
    change(&nest(op, Some(web()), Some(dest)))
}

fn number(attr: u16, value: u32) -> Vec<u8> {
    attribute(attr, &value.to_ne_bytes())
}

#[test]
fn a_drain_has_options() {
    let op = change_op::DRAIN_DEST;
    let is = |flags, deadline| {
        let spec = DrainSpec { flags, deadline };
        Ok(ConfigChange::DrainDest(id(), AT, spec))
    };
    assert_eq!(drain(op, None, b""), is(0, 0));
    assert_eq!(drain(op, Some(b""), b""), is(0, 0));
    let flags = drain_flags::NO_TEMPLATES | drain_flags::RESET;
    let both = [
        number(drain_attr::FLAGS, flags),
        number(drain_attr::DEADLINE, 30),
    ]
    .concat();
    assert_eq!(drain(op, Some(&both), b""), is(flags, 30));
    assert_eq!(
        drain(change_op::UNDRAIN_DEST, None, b""),
        Ok(ConfigChange::UndrainDest(id(), AT))
    );
}

#[test]
fn other_drains_are_refused() {
    let op = change_op::DRAIN_DEST;
    // Unknown flags, a reset without a deadline, what cannot be set, wrong lengths.
    for options in [
        number(drain_attr::FLAGS, 4),
        number(drain_attr::FLAGS, drain_flags::RESET),
        number(drain_attr::LEFT, 1),
        number(drain_attr::STATE, 1),
        number(drain_attr::ENDED, 1),
        number(drain_attr::RESET, 1),
        number(7, 1),
        attribute(drain_attr::DEADLINE, &[1, 0]),
        attribute(drain_attr::FLAGS, &[]),
        [1, 2].to_vec(),
        [
            number(drain_attr::DEADLINE, 1),
            number(drain_attr::DEADLINE, 1),
        ]
        .concat(),
    ] {
        assert!(drain(op, Some(&options), b"").is_err(), "{options:?}");
    }
    let weight = number(dest_attr::WEIGHT, 1);
    for op in [change_op::DRAIN_DEST, change_op::UNDRAIN_DEST] {
        assert!(drain(op, None, &weight).is_err());
        assert!(change(&nest(op, Some(web()), None)).is_err());
        assert!(change(&nest(op, None, Some(server()))).is_err());
    }
    for op in [
        change_op::NEW_DEST,
        change_op::SET_DEST,
        change_op::DEL_DEST,
        change_op::UNDRAIN_DEST,
    ] {
        assert!(drain(op, Some(b""), b"").is_err());
    }
}

#[test]
fn a_request_that_only_names_a_service() {
    let named = |nest: &[u8]| service_only(&attribute(msg_attr::SERVICE, nest));
    let id = named(&web()).unwrap().unwrap();
    assert_eq!(id.family, AddressFamily::V4);
    assert_eq!(service_only(&[]), Ok(None));
    let option = attribute(service_attr::TIMEOUT, &1u32.to_ne_bytes());
    for refused in [
        attribute(msg_attr::SERVICE, &[web(), option].concat()),
        attribute(msg_attr::SERVICE, &[]),
        attribute(msg_attr::SERVICE, &web()[..8]),
        attribute(msg_attr::SERVICE, &web()).repeat(2),
        attribute(msg_attr::CHANGE, &web()),
        [attribute(msg_attr::SERVICE, &web()), vec![1]].concat(),
    ] {
        let error = service_only(&refused).unwrap_err();
        assert_eq!(error.errno, Errno::Invalid, "{error:?}");
    }
    let allowed = [msg_attr::CHANGE, msg_attr::GENERATION];
    assert!(only(&attribute(msg_attr::CHANGE, &[]), &allowed).is_ok());
    assert!(only(&attribute(msg_attr::SERVICE, &[]), &allowed).is_err());
    assert!(only(&[], &[]).is_ok());
}
