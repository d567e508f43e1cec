// SPDX-License-Identifier: GPL-2.0

//! Filters as they are sent, and whatever else might be, against connections.

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

#[derive(Clone, Copy)]
struct Sample {
    protocol: u8,
    client: (Ip, u16),
    vip: Option<(Ip, u16)>,
    server: (Ip, u16),
    mark: Option<u32>,
    state: u8,
    state_name: &'static str,
    flags: u32,
    idle: u32,
}

impl Facts for Sample {
    fn protocol(&self) -> u8 {
        self.protocol
    }
    fn client(&self) -> (Ip, u16) {
        self.client
    }
    fn vip(&self) -> Option<(Ip, u16)> {
        self.vip
    }
    fn server(&self) -> (Ip, u16) {
        self.server
    }
    fn mark(&self) -> Option<u32> {
        self.mark
    }
    fn state(&self) -> u8 {
        self.state
    }
    fn state_name(&self) -> &'static str {
        self.state_name
    }
    fn flags(&self) -> u32 {
        self.flags
    }
    fn idle(&self) -> u32 {
        self.idle
    }
}

const CONNECTION: Sample = Sample {
    protocol: 6,
    client: (Ip::V4([198, 51, 100, 77]), 40000),
    vip: Some((Ip::V4([192, 0, 2, 1]), 80)),
    server: (Ip::V4([203, 0, 113, 5]), 8080),
    mark: None,
    state: 1,
    state_name: "ESTABLISHED",
    flags: conn_flags::TRACKED,
    idle: 20,
};

/// Template of a service by mark.
const TEMPLATE: Sample = Sample {
    protocol: 0,
    client: (Ip::V4([198, 51, 100, 0]), 0),
    vip: None,
    server: (Ip::V4([203, 0, 113, 5]), 0),
    mark: Some(7),
    state: 1,
    state_name: "ASSURED",
    flags: conn_flags::TEMPLATE | conn_flags::INACTIVE,
    idle: 20,
};

/// Returns whether a filter means the connection and the template.
fn means(nest: &[Vec<u8>]) -> (bool, bool) {
    let filter = filter(&nest.concat()).unwrap();
    (filter.matches(&CONNECTION), filter.matches(&TEMPLATE))
}

fn error(nest: &[Vec<u8>]) -> Errno {
    filter(&nest.concat()).unwrap_err().errno
}

fn number(number: u16, value: u32) -> Vec<u8> {
    attribute(number, &value.to_ne_bytes())
}

#[test]
fn an_empty_filter_means_all() {
    assert_eq!(means(&[]), (true, true));
    assert!(filter(&[]).unwrap().has_family(AddressFamily::V6));
}

#[test]
fn each_attribute_selects() {
    use filter_attr::*;
    for (nest, expected) in [
        (attribute(AF, &2u16.to_ne_bytes()), (true, true)),
        (attribute(PROTOCOL, &6u16.to_ne_bytes()), (true, false)),
        (attribute(PROTOCOL, &0u16.to_ne_bytes()), (false, true)),
        (attribute(CLIENT_ADDR, &[198, 51, 100, 77]), (true, false)),
        (attribute(CLIENT_ADDR, &[198, 51, 100, 76]), (false, false)),
        (
            attribute(CLIENT_PORT, &40000u16.to_be_bytes()),
            (true, false),
        ),
        (attribute(VIP_ADDR, &[192, 0, 2, 1]), (true, false)),
        (attribute(VIP_PORT, &80u16.to_be_bytes()), (true, false)),
        (attribute(VIP_PORT, &0u16.to_be_bytes()), (false, false)),
        (attribute(SERVER_ADDR, &[203, 0, 113, 5]), (true, true)),
        (attribute(SERVER_PORT, &0u16.to_be_bytes()), (false, true)),
        (number(FWMARK, 7), (false, true)),
        (attribute(STATE_NAME, b"ESTABLISHED\0"), (true, false)),
        (attribute(STATE_NAME, b"ASSURED\0"), (false, true)),
        (attribute(STATE_NAME, b"C-SENT\0"), (false, false)),
        (number(FLAGS, conn_flags::TEMPLATE), (false, true)),
        (number(FLAGS_MASK, conn_flags::TEMPLATE), (true, false)),
        (number(IDLE_MIN, 20), (true, true)),
        (number(IDLE_MIN, 21), (false, false)),
        (number(IDLE_MAX, 20), (true, true)),
        (number(IDLE_MAX, 19), (false, false)),
    ] {
        assert_eq!(means(&[nest.clone()]), expected, "{nest:?}");
    }
}

#[test]
fn a_family_follows_from_client_and_vip() {
    use filter_attr::*;
    for (nest, family) in [
        (attribute(AF, &10u16.to_ne_bytes()), AddressFamily::V6),
        (attribute(CLIENT_ADDR, &[0; 16]), AddressFamily::V6),
        (attribute(VIP_ADDR, &[0; 4]), AddressFamily::V4),
    ] {
        let filter = filter(&nest).unwrap();
        for one in [AddressFamily::V4, AddressFamily::V6] {
            assert_eq!(filter.has_family(one), one == family);
        }
    }
    let server = filter(&attribute(SERVER_ADDR, &[0; 16])).unwrap();
    assert!(
        server.has_family(AddressFamily::V4),
        "a tunnel may lead to the other family"
    );
}

#[test]
fn prefixes_are_of_any_length() {
    use filter_attr::*;
    let net = |bytes: &[u8], length| {
        filter(
            &[
                attribute(CLIENT_ADDR, bytes),
                attribute(CLIENT_PREFIX, &[length]),
            ]
            .concat(),
        )
    };
    for length in 0..=32u8 {
        // The bits after the prefix do not count.
        let filter = net(&[198, 51, 100, 78], length).unwrap();
        assert_eq!(filter.matches(&CONNECTION), length <= 30, "{length}");
    }
    assert!(net(&[0; 4], 33).is_err());
    let mut v6 = CONNECTION;
    v6.client.0 = Ip::V6([0x20; 16]);
    let mut other = [0x20; 16];
    other[15] = 0x21;
    for length in 0..=128u8 {
        let filter = net(&other, length).unwrap();
        assert_eq!(filter.matches(&v6), length < 128, "{length}");
        assert!(!filter.matches(&CONNECTION));
    }
    assert!(net(&[0; 16], 129).is_err());
}

#[test]
fn the_number_of_a_state_is_of_a_connection_or_a_template() {
    use filter_attr::*;
    let state = |protocol: u16, flags| {
        means(&[
            attribute(STATE, &[1]),
            attribute(PROTOCOL, &protocol.to_ne_bytes()),
            number(FLAGS, flags),
        ])
    };
    assert_eq!(state(6, 0), (true, false));
    assert_eq!(state(0, 0), (false, false));
    assert_eq!(state(0, conn_flags::TEMPLATE), (false, true));
}

#[test]
fn each_attribute_has_its_length() {
    use filter_attr::*;
    for n in 0..25 {
        for length in 0..20 {
            let nest = match n {
                CLIENT_PREFIX => vec![attribute(CLIENT_ADDR, &[0; 4])],
                VIP_PREFIX => vec![attribute(VIP_ADDR, &[0; 4])],
                SERVER_PREFIX => vec![attribute(SERVER_ADDR, &[0; 4])],
                STATE => vec![attribute(PROTOCOL, &6u16.to_ne_bytes())],
                _ => vec![],
            };
            let payload = match n {
                AF | PROTOCOL if length == 2 => 2u16.to_ne_bytes().to_vec(),
                STATE_NAME if length == 4 => b"UDP\0".to_vec(),
                _ => vec![1; length],
            };
            let sent = [nest.concat(), attribute(n, &payload)].concat();
            let is_right = match n {
                AF | PROTOCOL | CLIENT_PORT | VIP_PORT | SERVER_PORT => length == 2,
                CLIENT_ADDR | VIP_ADDR | SERVER_ADDR => length == 4 || length == 16,
                CLIENT_PREFIX | VIP_PREFIX | SERVER_PREFIX | STATE => length == 1,
                STATE_NAME | FWMARK | IDLE_MIN | IDLE_MAX => length == 4,
                // 0x01010101 has unknown flags.
                _ => false,
            };
            assert_eq!(filter(&sent).is_ok(), is_right, "{n}, {length} bytes");
            if is_right {
                let twice = [sent, attribute(n, &payload)].concat();
                assert!(filter(&twice).is_err(), "{n} twice");
            }
        }
    }
}

#[test]
fn contradictions_are_refused() {
    use filter_attr::*;
    for nest in [
        vec![
            attribute(AF, &10u16.to_ne_bytes()),
            attribute(CLIENT_ADDR, &[1; 4]),
        ],
        vec![
            attribute(VIP_ADDR, &[1; 16]),
            attribute(CLIENT_ADDR, &[1; 4]),
        ],
        vec![attribute(CLIENT_PREFIX, &[8])],
        vec![attribute(PROTOCOL, &256u16.to_ne_bytes())],
        vec![number(FWMARK, 0)],
        vec![attribute(STATE, &[1])],
        vec![
            attribute(STATE, &[1]),
            attribute(PROTOCOL, &6u16.to_ne_bytes()),
            attribute(STATE_NAME, b"CLOSE\0"),
        ],
        vec![attribute(STATE_NAME, b"closed\0")],
        vec![attribute(STATE_NAME, b"\0")],
        vec![attribute(STATE_NAME, b"CLOSE")],
        vec![number(FLAGS, 1 << 30)],
        vec![number(FLAGS, 3), number(FLAGS_MASK, 1)],
        vec![number(IDLE_MIN, 5), number(IDLE_MAX, 4)],
        vec![vec![1, 0, 0, 0]],
        vec![vec![9]],
    ] {
        assert_eq!(error(&nest), Errno::Invalid, "{nest:?}");
    }
    assert_eq!(error(&[attribute(AF, &1u16.to_ne_bytes())]), Errno::Family);
}

#[test]
fn requests_have_a_filter_and_nothing_else() {
    let tcp = attribute(filter_attr::PROTOCOL, &6u16.to_ne_bytes());
    let with = |nest: &[u8]| attribute(msg_attr::FILTER, nest);
    assert_eq!(selection(&[]), Ok(Filter::default()));
    assert_eq!(selection(&with(&[])), Ok(Filter::default()));
    assert_eq!(selection(&with(&tcp)), filter(&tcp));
    assert!(selection(&[with(&tcp), with(&tcp)].concat()).is_err());
    let all = number(msg_attr::OPTIONS, options::ALL);
    assert!(selection(&all).is_err());
    assert!(selection(&[with(&tcp), vec![1]].concat()).is_err());
}

#[test]
fn a_deletion_of_all_is_meant() {
    let tcp = attribute(filter_attr::PROTOCOL, &6u16.to_ne_bytes());
    let with = |nest: &[u8]| attribute(msg_attr::FILTER, nest);
    let options = |value| number(msg_attr::OPTIONS, value);
    assert!(deletion(&[]).is_err());
    assert!(deletion(&with(&[])).is_err());
    assert!(deletion(&options(0)).is_err());
    assert_eq!(deletion(&options(options::ALL)), Ok(Filter::default()));
    assert_eq!(deletion(&with(&tcp)), filter(&tcp));
    assert!(deletion(&[with(&tcp), options(options::ALL)].concat()).is_err());
    assert!(deletion(&[with(&tcp), options(options::STATISTICS)].concat()).is_err());
    assert!(deletion(&[with(&tcp), attribute(msg_attr::OPTIONS, &[2])].concat()).is_err());
    assert!(deletion(&[with(&tcp), number(99, 0)].concat()).is_err());
}
