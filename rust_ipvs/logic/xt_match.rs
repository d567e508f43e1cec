// SPDX-License-Identifier: GPL-2.0

//! The rules of the firewall that ask what the load balancer knows of a packet: iptables' match
//! `ipvs` (N-7).

/// Bytes of a rule (`struct xt_ipvs_mtinfo`).
pub(crate) const RULE: usize = 40;

/// Set if the packet was balanced. All other questions imply this one.
const BALANCED: u8 = 1;
/// Its protocol.
const PROTOCOL: u8 = 1 << 1;
/// The address of the connection's VIP.
const ADDRESS: u8 = 1 << 2;
/// Its port.
const PORT: u8 = 1 << 3;
/// Set if connection tracking has the packet for one of who began, and not for a reply.
const DIRECTION: u8 = 1 << 4;
/// The forward method.
const METHOD: u8 = 1 << 5;
/// The VIP's port of what controls the connection: a template, or the connection that a helper
/// found it by.
const CONTROL_PORT: u8 = 1 << 6;

/// An address as rules have it: 16 bytes, of which one of IPv4 takes the first four.
pub(crate) type Wide = [u8; 16];

/// Properties of a balanced packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// The protocol.
    pub(crate) protocol: u8,
    /// The address of the VIP.
    pub(crate) vip: Wide,
    /// The port of the VIP, in host byte order.
    pub(crate) port: u16,
    /// The number of the forward method.
    pub(crate) method: u8,
    /// The VIP's port of what controls the connection, in host byte order.
    pub(crate) control_port: Option<u16>,
    /// Whether connection tracking has the packet for a reply; `None` where it does not have it.
    pub(crate) is_reply: Option<bool>,
}

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    vip: Wide,
    mask: Wide,
    port: u16,
    protocol: u8,
    method: u8,
    control_port: u16,
    /// Mask of the inverted questions.
    inverted: u8,
    /// Mask of the questions.
    asked: u8,
}

impl Rule {
    /// Reads a rule; `None` where there are too few bytes.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (vip, rest) = bytes.split_first_chunk()?;
        let (mask, rest) = rest.split_first_chunk()?;
        let [port_high, port_low, protocol, method, control_high, control_low, inverted, asked, ..] =
            *rest
        else {
            return None;
        };
        Some(Self {
            vip: *vip,
            mask: *mask,
            port: u16::from_be_bytes([port_high, port_low]),
            protocol,
            method,
            control_port: u16::from_be_bytes([control_high, control_low]),
            inverted,
            asked,
        })
    }

    /// Returns what the rule says of any packet that was balanced, or was not; `None` where that
    /// takes more than this.
    pub(crate) fn says_of(&self, is_balanced: bool) -> Option<bool> {
        if self.asked == BALANCED {
            return Some(is_balanced != self.is_inverted(BALANCED));
        }
        // No answer is inverted for a packet that was not balanced.
        (!is_balanced).then_some(false)
    }

    /// Returns what the rule says of a balanced packet of which so much is known.
    pub(crate) fn says_of_known(&self, known: &Known) -> bool {
        let holds = |question: u8, answer: bool| {
            self.asked & question == 0 || answer != self.is_inverted(question)
        };
        // What tracking does not know is no answer, and so none that could be inverted.
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

    /// Returns whether an address is the rule's, as far as its mask goes.
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
        // With another question, what was not balanced is never meant.
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
