// SPDX-License-Identifier: GPL-2.0

//! Rules of the iptables match `ipvs` (N-7).

/// Length of a rule, in bytes (`struct xt_ipvs_mtinfo`).
pub(crate) const RULE: usize = 40;

/// Test: the packet belongs to a connection (`XT_IPVS_IPVS_PROPERTY`). Every other test implies it.
const BALANCED: u8 = 1;
/// Test: protocol.
const PROTOCOL: u8 = 1 << 1;
/// Test: address of the VIP.
const ADDRESS: u8 = 1 << 2;
/// Test: port of the VIP.
const PORT: u8 = 1 << 3;
/// Test: the packet is in the original direction of its conntrack entry.
const DIRECTION: u8 = 1 << 4;
/// Test: forwarding method.
const METHOD: u8 = 1 << 5;
/// Test: VIP port of the controlling entry, a template or an FTP control connection.
const CONTROL_PORT: u8 = 1 << 6;

/// Address in a rule: 16 bytes in network byte order, of which IPv4 takes the first four.
pub(crate) type Wide = [u8; 16];

/// Properties of a packet that belongs to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Protocol.
    pub(crate) protocol: u8,
    /// Address of the VIP.
    pub(crate) vip: Wide,
    /// Port of the VIP, in host byte order.
    pub(crate) port: u16,
    /// Number of the forwarding method.
    pub(crate) method: u8,
    /// VIP port of the controlling entry, in host byte order.
    pub(crate) control_port: Option<u16>,
    /// True for the reply direction of its conntrack entry; `None` if it has none.
    pub(crate) is_reply: Option<bool>,
}

/// Rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    vip: Wide,
    mask: Wide,
    port: u16,
    protocol: u8,
    method: u8,
    control_port: u16,
    /// Mask of the inverted tests.
    inverted: u8,
    /// Mask of the tests.
    asked: u8,
}

impl Rule {
    /// Parses a rule; `None` if it is incomplete.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (vip, rest) = bytes.split_first_chunk()?;
        let (mask, rest) = rest.split_first_chunk()?;
        let [port_high, port_low, protocol, method, ctl_high, ctl_low, inverted, asked, ..] = *rest
        else {
            return None;
        };
        Some(Self {
            vip: *vip,
            mask: *mask,
            port: u16::from_be_bytes([port_high, port_low]),
            protocol,
            method,
            control_port: u16::from_be_bytes([ctl_high, ctl_low]),
            inverted,
            asked,
        })
    }

    /// Returns the result for a packet if it follows from `is_balanced` alone; `None` if its
    /// properties are needed.
    pub(crate) fn says_of(&self, is_balanced: bool) -> Option<bool> {
        if self.asked == BALANCED {
            return Some(is_balanced != self.is_inverted(BALANCED));
        }
        // A packet that was not balanced never matches, even if tests are inverted.
        (!is_balanced).then_some(false)
    }

    /// Returns true if a balanced packet matches.
    pub(crate) fn says_of_known(&self, known: &Known) -> bool {
        let holds = |question: u8, answer: bool| {
            self.asked & question == 0 || answer != self.is_inverted(question)
        };
        // Without a conntrack entry the test fails, even if it is inverted.
        let direction = match known.is_reply {
            Some(is_reply) => holds(DIRECTION, !is_reply),
            None => self.asked & DIRECTION == 0,
        };
        direction
            && holds(PROTOCOL, known.protocol == self.protocol)
            && holds(ADDRESS, self.is_within(known.vip))
            && holds(PORT, known.port == self.port)
            && holds(METHOD, known.method == self.method)
            && holds(CONTROL_PORT, known.control_port == Some(self.control_port))
    }

    fn is_inverted(&self, question: u8) -> bool {
        self.inverted & question != 0
    }

    /// Returns true if an address equals the rule's under its mask.
    fn is_within(&self, vip: Wide) -> bool {
        let mut pairs = vip.iter().zip(&self.vip).zip(&self.mask);
        pairs.all(|((found, wanted), mask)| (found ^ wanted) & mask == 0)
    }
}

#[cfg(any(test, CONFIG_RUST_IPVS_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_RUST_IPVS_KUNIT_TEST,
    crate::kunit_tests(rust_ipvs_xt_match),
    allow(unsafe_code, unused)
)]
mod tests {
    use super::*;

    const fn v4(addr: [u8; 4]) -> Wide {
        let [a, b, c, d] = addr;
        [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    }

    const WEB: Known = Known {
        protocol: 6,
        vip: v4([10, 0, 9, 1]),
        port: 80,
        method: 0,
        control_port: None,
        is_reply: Some(false),
    };

    fn rule(asked: u8, inverted: u8) -> Rule {
        let mut bytes = [0; RULE];
        bytes[..4].copy_from_slice(&[10, 0, 9, 1]);
        bytes[16..20].fill(255);
        bytes[32..].copy_from_slice(&[0, 80, 6, 0, 0, 21, inverted, asked]);
        Rule::parse(&bytes).unwrap()
    }

    // N-7
    #[test]
    fn whether_a_packet_was_balanced_needs_no_connection() {
        assert_eq!(rule(BALANCED, 0).says_of(true), Some(true));
        assert_eq!(rule(BALANCED, 0).says_of(false), Some(false));
        assert_eq!(rule(BALANCED, BALANCED).says_of(true), Some(false));
        assert_eq!(rule(BALANCED, BALANCED).says_of(false), Some(true));
        // With another test, a packet that was not balanced never matches.
        for inverted in [0, BALANCED, PORT, 0xff] {
            assert_eq!(rule(BALANCED | PORT, inverted).says_of(false), Some(false));
            assert_eq!(rule(PORT, inverted).says_of(true), None);
        }
    }

    // N-7
    #[test]
    fn each_question_is_answered_and_inverted_alone() {
        let other = Known {
            protocol: 17,
            vip: v4([10, 0, 9, 2]),
            port: 81,
            method: 3,
            control_port: Some(21),
            is_reply: Some(true),
        };
        for (question, web, others) in [
            (PROTOCOL, true, false),
            (ADDRESS, true, false),
            (PORT, true, false),
            (DIRECTION, true, false),
            (METHOD, true, false),
            (CONTROL_PORT, false, true),
        ] {
            for implied in [0, BALANCED] {
                let plain = rule(question | implied, 0);
                let inverted = rule(question | implied, question);
                assert_eq!(plain.says_of_known(&WEB), web);
                assert_eq!(inverted.says_of_known(&WEB), !web);
                assert_eq!(plain.says_of_known(&other), others);
                assert_eq!(inverted.says_of_known(&other), !others);
            }
        }
        let all = rule(0x7f, CONTROL_PORT);
        assert!(all.says_of_known(&WEB));
        assert!(!all.says_of_known(&Known { port: 81, ..WEB }));
    }

    // N-7
    #[test]
    fn untracked_packets_have_no_direction() {
        let untracked = Known {
            is_reply: None,
            ..WEB
        };
        assert!(!rule(DIRECTION, 0).says_of_known(&untracked));
        assert!(!rule(DIRECTION, DIRECTION).says_of_known(&untracked));
        assert!(rule(PORT, 0).says_of_known(&untracked));
    }

    // N-7
    #[test]
    fn a_mask_makes_a_network() {
        let mut network = rule(ADDRESS, 0);
        network.mask = v4([255, 255, 255, 0]);
        let beside = |vip| network.says_of_known(&Known { vip, ..WEB });
        assert!(beside(v4([10, 0, 9, 77])));
        assert!(!beside(v4([10, 0, 8, 1])));
        network.mask = [0; 16];
        assert!(network.says_of_known(&Known {
            vip: [0xfd; 16],
            ..WEB
        }));
    }

    #[test]
    fn short_rules_are_none() {
        for length in 0..RULE {
            assert_eq!(Rule::parse(&[0xff; RULE][..length]), None);
        }
        assert!(Rule::parse(&[0xff; RULE + 8]).is_some());
    }
}
