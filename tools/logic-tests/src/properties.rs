// SPDX-License-Identifier: GPL-2.0

//! Properties of the logic, on random input and against slow models.

use crate::logic::checksum::SumState;
use crate::logic::config::{AddressFamily, Counters};
use crate::logic::estimator::Estimate;
use crate::logic::family::{Endpoint, Family, Fragment, Header, ParseError, Side, V4, V6};
use crate::logic::hash::HashKey;
use crate::logic::ipip::{self, Outer};
use crate::logic::nlattr::{self, Attributes};
use crate::logic::packet::{TCP, UDP};
use crate::logic::sctp;
use crate::logic::sizing;
#[cfg(not(miri))]
use crate::logic::wheel::{self, WheelSlot};
use crate::reference::{slow_attributes, slow_parse, Packet, Random, SlowParsed};
use proptest::prelude::*;

/// Number of cases for a run of a few seconds; few under Miri.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 4096 },
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Rewrites a correct packet, and compares it with a full computation.
fn rewrites_as_recomputed<F: Family>(packet: &Packet, side: Side, to: Endpoint<F>, partial: bool) {
    let header = F::parse(&packet.bytes).unwrap();
    assert_eq!(usize::from(header.l4), packet.l4);
    let mut expected = packet.clone();
    let (at, from) = match side {
        Side::Source => (0, header.src),
        Side::Destination => (1, header.dst),
    };
    let length = from.as_ref().len();
    let first = if length == 4 { 12 } else { 8 };
    expected.bytes[first + at * length..][..length].copy_from_slice(to.addr.as_ref());
    if matches!(packet.protocol, 6 | 17 | 132) {
        expected.bytes[packet.l4 + 2 * at..][..2].copy_from_slice(&to.port.to_be_bytes());
    }
    let mut rewritten = packet.clone();
    let state = if partial {
        expected.sum_partially();
        rewritten.sum_partially();
        SumState::Partial
    } else {
        expected.sum_up();
        SumState::Full
    };
    let changed = F::rewrite(&mut rewritten.bytes, &header, side, &to, state);
    if !matches!(packet.protocol, 6 | 17) {
        assert_eq!(changed, Err(ParseError::Malformed));
        // For these the address is changed as of a later fragment, and SCTP's port separately.
        let fragment = Fragment::Later;
        let header = Header { fragment, ..header };
        F::rewrite(&mut rewritten.bytes, &header, side, &to, state).unwrap();
        if packet.protocol == 132 {
            let l4 = &mut rewritten.bytes[packet.l4..];
            let length = l4.len();
            assert!(sctp::set_port(l4, side, to.port, length, state));
            if partial {
                // The partial checksum is unchanged.
                let field = packet.l4 + 8;
                assert_eq!(
                    rewritten.bytes[field..field + 4],
                    packet.bytes[field..field + 4]
                );
                rewritten.sum_up();
            }
        }
    }
    assert_eq!(rewritten.bytes, expected.bytes);
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Source), Just(Side::Destination)]
}

/// TCP, UDP, SCTP, and a protocol without ports.
fn protocol() -> impl Strategy<Value = u8> {
    prop_oneof![Just(6u8), Just(17), Just(132), Just(50)]
}

/// Compares the parser with the slow one, on a complete packet.
fn parses_alike<F: Family>(packet: &[u8]) {
    let fast = F::parse(packet).ok().map(|header| SlowParsed {
        src: header.src.as_ref().to_vec(),
        dst: header.dst.as_ref().to_vec(),
        protocol: header.protocol,
        l4: header.l4.into(),
        more_fragments: header.fragment == Fragment::First,
        fragment_offset: u16::from(header.fragment == Fragment::Later),
    });
    whole_addresses_are_those_of_the_header::<F>(packet);
    let slow = slow_parse(packet)
        .filter(|_| packet[0] >> 4 == if F::FAMILY == AddressFamily::V4 { 4 } else { 6 })
        .map(|found| SlowParsed {
            // The parser reports First or Later, without the offset.
            more_fragments: found.more_fragments && found.fragment_offset == 0,
            fragment_offset: found.fragment_offset.min(1),
            ..found
        });
    assert_eq!(fast, slow);
}

/// Packets that are no fragments have their addresses at once, unless IPv6 extension headers
/// follow.
fn whole_addresses_are_those_of_the_header<F: Family>(packet: &[u8]) {
    let Ok(header) = F::parse(packet) else { return };
    let is_whole = matches!(header.protocol, TCP | UDP)
        && header.fragment == Fragment::Whole
        && (F::FAMILY == AddressFamily::V4 || header.l4 == 40);
    let expected = is_whole.then_some((header.src, header.dst));
    assert_eq!(F::whole_addresses(packet), expected);
}

fn endpoint_v4() -> impl Strategy<Value = Endpoint<V4>> {
    any::<([u8; 4], u16)>().prop_map(|(addr, port)| Endpoint { addr, port })
}

fn endpoint_v6() -> impl Strategy<Value = Endpoint<V6>> {
    any::<([u8; 16], u16)>().prop_map(|(addr, port)| Endpoint { addr, port })
}

proptest! {
    #![proptest_config(config())]

    // T-16, X-12, X-25
    #[test]
    fn ipv4_rewrites_are_as_recomputed(
        seed: u64, protocol in protocol(), side in side(), to in endpoint_v4(), partial: bool,
    ) {
        let packet = Packet::random(&mut Random::new(seed), true, protocol);
        rewrites_as_recomputed(&packet, side, to, partial);
    }

    // T-16, X-12, X-25
    #[test]
    fn ipv6_rewrites_are_as_recomputed(
        seed: u64, protocol in protocol(), side in side(), to in endpoint_v6(), partial: bool,
    ) {
        let packet = Packet::random(&mut Random::new(seed), false, protocol);
        rewrites_as_recomputed(&packet, side, to, partial);
    }

    //
    #[test]
    fn aged_packets_are_as_recomputed(seed: u64, v4: bool, protocol in protocol()) {
        let packet = Packet::random(&mut Random::new(seed), v4, protocol);
        let at = if v4 { 8 } else { 7 };
        let mut expected = packet.clone();
        let mut aged = packet.bytes.clone();
        let l4 = packet.l4 as u16;
        let alive = if v4 { V4::dec_ttl(&mut aged, l4) } else { V6::dec_ttl(&mut aged, l4) };
        prop_assert_eq!(alive, packet.bytes[at] > 1);
        if alive {
            expected.bytes[at] -= 1;
            expected.sum_up();
        }
        prop_assert_eq!(aged, expected.bytes);
    }

    // H-9
    #[test]
    fn parsers_agree_on_packets(
        seed: u64, v4: bool, protocol in protocol(), changes in prop::collection::vec(any::<(u8, u8)>(), 0..4),
    ) {
        let mut packet = Packet::random(&mut Random::new(seed), v4, protocol).bytes;
        for (at, byte) in changes {
            // Mostly within the headers.
            let at = usize::from(at) % packet.len().min(64);
            packet[at] = byte;
        }
        parses_alike::<V4>(&packet);
        parses_alike::<V6>(&packet);
    }

    // H-9
    #[test]
    fn parsers_agree_on_noise(mut packet in prop::collection::vec(any::<u8>(), 40..200), v4: bool) {
        packet[0] = packet[0] & 15 | if v4 { 0x40 } else { 0x60 };
        parses_alike::<V4>(&packet);
        parses_alike::<V6>(&packet);
    }

    // H-9
    #[test]
    fn parsers_agree_on_chains(kinds in prop::collection::vec(0usize..6, 0..16), seed: u64) {
        // Extension headers of all kinds, fragments among them, in any order.
        let kinds: Vec<u8> = kinds.iter().map(|k| [0, 43, 44, 60, 17, 51][*k]).collect();
        let mut random = Random::new(seed);
        let mut packet = vec![0x60, 0, 0, 0, 1, 0, *kinds.first().unwrap_or(&6), 1];
        packet.extend(random.bytes(32));
        for i in 0..kinds.len() {
            let units = if kinds[i] == 44 { 0 } else { random.below(2) };
            packet.extend([*kinds.get(i + 1).unwrap_or(&6), units as u8]);
            // Fragment offsets are mostly 0.
            let rest = random.bytes(6 + 8 * units);
            packet.extend(if random.chance(4) { rest } else { vec![0; 6 + 8 * units] });
        }
        packet.extend([0; 20]);
        parses_alike::<V6>(&packet);
    }

    // S-4: a parser that gets the bytes that it reported as missing does not report more, and
    // returns the result for the whole packet.
    #[test]
    fn what_is_asked_for_is_enough(seed: u64, v4: bool, protocol in protocol()) {
        let packet = Packet::random(&mut Random::new(seed), v4, protocol);
        let whole = packet.bytes.as_slice();
        let mut present = 0;
        for _ in 0..10 {
            let part = &whole[..present];
            let error = if v4 {
                V4::parse(part).map(|h| assert_eq!(Ok(h), V4::parse(whole))).err()
            } else {
                V6::parse(part).map(|h| assert_eq!(Ok(h), V6::parse(whole))).err()
            };
            match error {
                None => break,
                Some(ParseError::Short(needed)) => {
                    prop_assert!(needed > present && needed <= whole.len());
                    present = needed;
                }
                Some(ParseError::Malformed) => prop_assert!(false, "of a correct packet"),
            }
        }
        prop_assert!(present <= packet.l4 && present > 0);
    }

    // M-22
    #[test]
    fn directions_hash_alike(
        words: [u64; HashKey::WORDS], a in endpoint_v4(), b in endpoint_v4(), c in endpoint_v6(), d in endpoint_v6(), protocol: u8,
    ) {
        let key = HashKey::new(words);
        prop_assert_eq!(V4::hash(&key, &a, &b, protocol), V4::hash(&key, &b, &a, protocol));
        prop_assert_eq!(V6::hash(&key, &c, &d, protocol), V6::hash(&key, &d, &c, protocol));
        // The same address on both sides, which differ by their ports only.
        let e = Endpoint { addr: c.addr, port: d.port };
        prop_assert_eq!(V6::hash(&key, &c, &e, protocol), V6::hash(&key, &e, &c, protocol));
    }

    // G-1
    #[test]
    fn attributes_as_by_the_slow_walk(parts in prop::collection::vec((0u16..16, any::<u16>(), prop::collection::vec(any::<u8>(), 0..12)), 0..8), cut: u8) {
        let mut bytes = Vec::new();
        for (lie, number, payload) in parts {
            // One length in sixteen is any number.
            let length = if lie == 0 { number } else { 4 + payload.len() as u16 };
            bytes.extend(length.to_ne_bytes());
            bytes.extend(number.to_ne_bytes());
            bytes.extend(&payload);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes.truncate(bytes.len().saturating_sub(usize::from(cut % 8)));
        let slow = slow_attributes(bytes.clone());
        let fast: Vec<_> = Attributes::new(&bytes).map(|(n, p)| (n, p.to_vec())).collect();
        prop_assert_eq!(&fast, &slow);
        for number in 0..16u16 {
            let last = slow.iter().rev().find(|(n, _)| *n == number).map(|(_, p)| p.as_slice());
            prop_assert_eq!(nlattr::find(&bytes, number), last);
        }
    }

    // G-6: the rules for strings, one by one.
    #[test]
    fn strings_by_the_rules(payload in prop::collection::vec(prop_oneof![Just(0u8), Just(b'x')], 0..10), max in 0usize..9) {
        let zero = payload.iter().take(max + 1).position(|byte| *byte == 0);
        let mut length = payload.len();
        if payload.last() == Some(&0) {
            length -= 1;
        }
        let expected = zero.filter(|_| length <= max).map(|end| &payload[..end]);
        prop_assert_eq!(nlattr::string(&payload, max), expected);
    }

    // C-29, C-31
    #[test]
    fn tables_have_the_size_of_the_specification(
        entries in prop_oneof![0usize..100, 0usize..1 << 28], lfactor in -8i32..=8, bits in 8u32..=27, max in 8u32..=27, changed: bool,
    ) {
        let bits = bits.min(max);
        let mut n = 1u128;
        while n < entries as u128 {
            n *= 2;
        }
        let n = if lfactor < 0 { n << -lfactor } else { n >> lfactor };
        let n = n.clamp(1 << 8, 1 << max);
        let size = 1u128 << bits;
        let expected = if changed || n > size {
            n
        } else if n > size / 16 {
            size
        } else {
            2 * n
        };
        let wanted = sizing::wanted_bits(entries, lfactor, bits, 8, max, changed);
        prop_assert_eq!(1u128 << wanted, expected);

        // Growth is requested exactly if the upper threshold is exceeded.
        let (lower, upper) = sizing::thresholds(bits, lfactor, 8, max);
        prop_assert!(lower <= upper);
        if entries > upper {
            prop_assert!(wanted > bits);
        } else if !changed {
            prop_assert!(wanted <= bits);
        }
        // A smaller table is requested only if the lower threshold was reached.
        if wanted < bits && !changed {
            prop_assert!(entries <= lower);
        }
    }

    //
    #[test]
    fn outer_headers_say_what_they_are_told(
        protocol: u8, tos: u8, ttl: u8, src: [u8; 4], dst: [u8; 4], id: u16, df: bool,
    ) {
        let mut header = [0xff; ipip::V4_LEN];
        Outer { protocol, tos, ttl }.write_v4(&mut header, src, dst, id, df);
        let parsed = V4::parse(&header).unwrap();
        prop_assert_eq!((parsed.src, parsed.dst), (src, dst));
        prop_assert_eq!((parsed.ttl, parsed.protocol), (ttl, protocol));
        prop_assert_eq!(parsed.dont_fragment, df);
        prop_assert_eq!(parsed.tos & 0xfc, tos & 0xfc);
        // The sender fills in the length and the checksum.
        prop_assert_eq!((parsed.length, &header[10..12]), (0, &[0, 0][..]));
    }

    // E-7
    #[test]
    fn steady_rates_are_found_however_they_are_read(
        rate in 0u64..1_000_000, waits in prop::collection::vec(1u64..20_000, 20..60),
    ) {
        // Milliseconds at which the counter is a whole number.
        let mut estimate = Estimate::new(0);
        let mut now = 0;
        for wait in waits {
            now += wait;
            let counters = Counters { conns: rate * now / 1000, out_bytes: rate * now / 1000, ..Counters::default() };
            let rates = estimate.read(now, &counters);
            prop_assert!(rates.conns <= rate + 1);
            prop_assert!(rates.out_bytes <= rate + 1);
        }
        for _ in 0..100 {
            now += 2000;
            let counters = Counters { conns: rate * now / 1000, out_bytes: rate * now / 1000, ..Counters::default() };
            estimate.read(now, &counters);
        }
        let counters = Counters { conns: rate * now / 1000, out_bytes: rate * now / 1000, ..Counters::default() };
        let rates = estimate.read(now, &counters);
        prop_assert!(rates.conns.abs_diff(rate) <= 1, "{} of {}", rates.conns, rate);
        prop_assert!(rates.out_bytes.abs_diff(rate) <= 1, "{} of {}", rates.out_bytes, rate);
    }
}

/// A connection of the wheel property.
#[cfg(not(miri))]
#[derive(Clone, Debug)]
struct Entry {
    deadline: u32,
    moves: u32,
    expired: Option<u32>,
}

// Not under Miri, where hours of ticks take hours.
#[cfg(not(miri))]
proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..config() })]

    // C-16, M-24: entries expire at the tick of their deadline, those inserted late at the next
    // tick, and none before.
    #[test]
    fn the_wheel_is_never_early_and_never_late(
        start in prop_oneof![any::<u32>(), Just(u32::MAX - 100), Just(0)],
        timeouts in prop::collection::vec(prop_oneof![0i64..300, -10i64..4200, 0i64..20_000], 1..60),
        refreshed in prop::collection::vec(any::<(u8, u16)>(), 0..40),
    ) {
        let mut slots: Vec<Vec<usize>> = vec![Vec::new(); wheel::SLOTS];
        let mut entries = Vec::new();
        let mut filed_at = Vec::new();
        for timeout in timeouts {
            let deadline = start.wrapping_add(timeout as u32);
            slots[wheel::place(start, deadline).index()].push(entries.len());
            entries.push(Entry { deadline, moves: 0, expired: None });
            filed_at.push(start);
        }
        for tick in (1..25_000).map(|ahead| start.wrapping_add(ahead)) {
            for slot in wheel::Due::between(tick.wrapping_sub(1), tick) {
                for i in core::mem::take(&mut slots[WheelSlot::index(slot)]) {
                    let entry = &mut entries[i];
                    prop_assert!(filed_at[i] != tick, "not twice in a tick");
                    if (entry.deadline.wrapping_sub(tick) as i32) <= 0 {
                        prop_assert_eq!(entry.expired, None);
                        entry.expired = Some(tick);
                    } else {
                        entry.moves += 1;
                        filed_at[i] = tick;
                        slots[wheel::place(tick, entry.deadline).index()].push(i);
                    }
                }
            }
            // Packets postpone deadlines without access to the wheel, by whole seconds.
            for (which, when) in &refreshed {
                let entry = &mut entries[usize::from(*which) % filed_at.len()];
                let at = start.wrapping_add(u32::from(*when));
                if tick == at && entry.expired.is_none() {
                    entry.deadline = entry.deadline.wrapping_add(100);
                }
            }
            if entries.iter().all(|entry| entry.expired.is_some()) {
                break;
            }
        }
        for entry in entries {
            let late = entry.expired.map(|tick| tick.wrapping_sub(entry.deadline) as i32);
            let past = entry.deadline.wrapping_sub(start) as i32;
            if past <= 0 {
                prop_assert_eq!(late, Some(1 - past));
            } else {
                prop_assert_eq!(late, Some(0));
            }
            // Two for each 1000 s, and one more for each postponement.
            prop_assert!(entry.moves <= 2 * (20_000 / 4000 + 1) + 2 * 40, "{} moves", entry.moves);
        }
    }
}
