// SPDX-License-Identifier: GPL-2.0

//! Distribution of flows by the keyed hash, over many random keys.
//!
//! Deterministic: keys come from a generator with a fixed seed.

use crate::logic::family::{Endpoint, Family, V4, V6};
use crate::logic::hash::HashKey;
use crate::reference::Random;

fn key(random: &mut Random) -> HashKey {
    HashKey::new(core::array::from_fn(|_| random.word()))
}

fn v4(addr: u32, port: u16) -> Endpoint<V4> {
    Endpoint {
        addr: addr.to_be_bytes(),
        port,
    }
}

fn v6(addr: u128, port: u16) -> Endpoint<V6> {
    Endpoint {
        addr: addr.to_be_bytes(),
        port,
    }
}

/// Sets of flows as a network or an attacker produces them.
type Flows = Vec<(u32, u16, u32, u16, u8)>;

fn sets(n: u32) -> Vec<(&'static str, Flows)> {
    let vip = 0xc000_0201;
    let flows = |flow: &dyn Fn(u32) -> (u32, u16, u32, u16, u8)| (0..n).map(flow).collect();
    vec![
        (
            "consecutive clients",
            flows(&|i| (0x0a00_0000 + i, 40_000, vip, 80, 6)),
        ),
        (
            "consecutive ports",
            flows(&|i| {
                (
                    0x0a00_0000 + i / 64_000,
                    1024 + (i % 64_000) as u16,
                    vip,
                    80,
                    6,
                )
            }),
        ),
        (
            "clients by high bits",
            flows(&|i| (i.reverse_bits(), 40_000, vip, 80, 6)),
        ),
        (
            "client and port in step",
            flows(&|i| (0x0a00_0000 + i, i as u16, vip, 80, 6)),
        ),
        (
            "client against port",
            flows(&|i| (0x0a00_0000 + i, (i as u16).wrapping_neg(), vip, 80, 6)),
        ),
        (
            "client and server in step",
            flows(&|i| (0x0a00_0000 + i, 40_000, 0x0b00_0000 + i, 80, 6)),
        ),
        (
            "client against server",
            flows(&|i| (0x0a00_0000 + i, 40_000, 0x0b00_0000 - i, 80, 6)),
        ),
        (
            "multiples of 257",
            flows(&|i| (i.wrapping_mul(257), 40_000, vip, 80, 6)),
        ),
        (
            "multiples of 65537",
            flows(&|i| (i.wrapping_mul(65_537), 40_000, vip, 80, 6)),
        ),
        (
            "protocols and ports",
            flows(&|i| (0x0a00_0001, (i >> 8) as u16, vip, 80, i as u8)),
        ),
    ]
}

/// Chi-square of a distribution over buckets, divided by its degrees of freedom; 1 on average for a
/// random function.
fn chi_square(hashes: &[u32], bucket: impl Fn(u32) -> usize, buckets: usize) -> f64 {
    let mut counts = vec![0u32; buckets];
    for hash in hashes {
        counts[bucket(*hash)] += 1;
    }
    let expected = hashes.len() as f64 / buckets as f64;
    let sum: f64 = counts
        .iter()
        .map(|count| (f64::from(*count) - expected).powi(2) / expected)
        .sum();
    sum / (buckets - 1) as f64
}

// C-7
#[test]
fn structured_flows_spread_as_if_by_chance() {
    const BITS: u32 = 10;
    let buckets = 1 << BITS;
    let mut random = Random::new(1);
    let keys = 256;
    for (name, flows) in sets(1 << 14) {
        let mut sums = [0.0; 3];
        let mut worst = 0.0f64;
        for _ in 0..keys {
            let key = key(&mut random);
            let hashes: Vec<u32> = flows
                .iter()
                .map(|(a, p, b, q, protocol)| V4::hash(&key, &v4(*a, *p), &v4(*b, *q), *protocol))
                .collect();
            let low = chi_square(&hashes, |h| h as usize % buckets, buckets);
            let high = chi_square(&hashes, |h| (h >> (32 - BITS)) as usize, buckets);
            let middle = chi_square(&hashes, |h| (h >> 11) as usize % buckets, buckets);
            for (sum, value) in sums.iter_mut().zip([low, high, middle]) {
                *sum += value;
                worst = worst.max(value);
            }
        }
        let means = sums.map(|sum| sum / keys as f64);
        println!("{name}: mean chi-square {means:.3?} (chance: 1), worst {worst:.3}");
        // The standard deviation of a random function is 0.044 for one key, and 0.003 for the mean
        // of all.
        assert!(
            means.iter().all(|mean| (0.9..1.05).contains(mean)),
            "{name}: {means:?}"
        );
        assert!(worst < 1.3, "{name}: {worst}");
    }
}

// C-7, M-3: the cost of a look-up is the length of its chain.
#[test]
fn chains_are_short() {
    let n = 1 << 16;
    let mut random = Random::new(2);
    let mut longest = 0;
    for (name, flows) in sets(n as u32) {
        let mut worst = 0;
        for _ in 0..16 {
            let key = key(&mut random);
            let mut chains = vec![0u32; n];
            for (a, p, b, q, protocol) in &flows {
                let hash = V4::hash(&key, &v4(*a, *p), &v4(*b, *q), *protocol);
                chains[hash as usize % n] += 1;
            }
            worst = worst.max(chains.into_iter().max().unwrap());
        }
        println!("{name}: longest chain {worst} of {n} flows in as many buckets");
        longest = longest.max(worst);
    }
    // A random function gives 8 or 9, and 12 with probability 1/100,000.
    assert!(longest <= 12, "{longest}");
}

/// Returns the number of `keys` random keys for which two flows share one of 2^10 buckets.
fn meetings<F: Family>(
    random: &mut Random,
    keys: usize,
    one: (&Endpoint<F>, &Endpoint<F>, u8),
    other: (&Endpoint<F>, &Endpoint<F>, u8),
) -> (usize, usize) {
    let mut meet = (0, 0);
    for _ in 0..keys {
        let key = key(random);
        let a = F::hash(&key, one.0, one.1, one.2);
        let b = F::hash(&key, other.0, other.1, other.2);
        meet.0 += usize::from(a % 1024 == b % 1024);
        meet.1 += usize::from(a >> 22 == b >> 22);
    }
    meet
}

/// Checks that collisions are those of a random function, 1/1024 of the keys, within six standard
/// deviations.
fn by_chance(name: &str, keys: usize, (low, high): (usize, usize)) {
    let mean = keys as f64 / 1024.0;
    let limit = 6.0 * mean.sqrt().max(1.0);
    println!("{name}: {low} and {high} of {keys} keys (chance: {mean:.0})");
    for meet in [low, high] {
        assert!(
            (meet as f64 - mean).abs() <= limit,
            "{name}: {meet} of {keys}"
        );
    }
}

// C-7: any two flows collide as with a random function, also those chosen to collide under weaker
// hashes.
#[test]
fn no_two_flows_meet_more_often_than_by_chance() {
    let keys = 1 << 18;
    let mut random = Random::new(3);
    let client = v4(0x0a00_0001, 40_000);
    let vip = v4(0xc000_0201, 80);
    let other = |addr: u32, port: u16| v4(0x0a00_0001 ^ addr, 40_000 ^ port);
    for bit in [0, 1, 7, 15, 16, 23, 30, 31] {
        let meet = meetings(
            &mut random,
            keys,
            (&client, &vip, 6),
            (&other(1 << bit, 0), &vip, 6),
        );
        by_chance(&format!("address bit {bit}"), keys, meet);
    }
    for bit in [0, 7, 8, 15] {
        let meet = meetings(
            &mut random,
            keys,
            (&client, &vip, 6),
            (&other(0, 1 << bit), &vip, 6),
        );
        by_chance(&format!("port bit {bit}"), keys, meet);
    }
    let pairs = [
        (
            "addresses exchanged",
            (v4(1, 7), v4(2, 9), 6),
            (v4(2, 7), v4(1, 9), 6),
        ),
        (
            "ports exchanged",
            (v4(1, 7), v4(2, 9), 6),
            (v4(1, 9), v4(2, 7), 6),
        ),
        (
            "the same sum",
            (v4(1, 7), v4(4, 7), 6),
            (v4(2, 7), v4(3, 7), 6),
        ),
        (
            "the same product",
            (v4(2, 7), v4(6, 7), 6),
            (v4(3, 7), v4(4, 7), 6),
        ),
        (
            "the same difference",
            (v4(1, 7), v4(4, 7), 6),
            (v4(11, 7), v4(14, 7), 6),
        ),
        (
            "protocols",
            (v4(1, 7), v4(2, 9), 6),
            (v4(1, 7), v4(2, 9), 17),
        ),
        (
            "zeros and ones",
            (v4(0, 0), v4(0, 0), 0),
            (v4(!0, !0), v4(!0, !0), 255),
        ),
        (
            "complements",
            (v4(5, 7), v4(9, 9), 6),
            (v4(!5, !7), v4(!9, !9), 6),
        ),
    ];
    for (name, one, two) in &pairs {
        let meet = meetings(
            &mut random,
            keys,
            (&one.0, &one.1, one.2),
            (&two.0, &two.1, two.2),
        );
        by_chance(name, keys, meet);
    }
}

// C-7
#[test]
fn no_two_ipv6_flows_meet_more_often_than_by_chance() {
    let keys = 1 << 17;
    let mut random = Random::new(4);
    let net = 0x2001_0db8_u128 << 96;
    let vip = v6(net | 1, 80);
    let client = v6(net | 2, 40_000);
    for bit in [0, 31, 32, 63, 64, 95, 96, 127] {
        let other = v6(net | 2 ^ (1 << bit), 40_000);
        if other == vip {
            continue;
        }
        let meet = meetings(&mut random, keys, (&client, &vip, 6), (&other, &vip, 6));
        by_chance(&format!("address bit {bit}"), keys, meet);
    }
    // The same words in other positions.
    let words = |a: u128, b: u128, c: u128, d: u128| v6((a << 96) | (b << 64) | (c << 32) | d, 7);
    for (name, other) in [
        ("words 0 and 1 exchanged", words(2, 1, 3, 4)),
        ("words 0 and 2 exchanged", words(3, 2, 1, 4)),
        ("halves exchanged", words(3, 4, 1, 2)),
        ("words turned", words(4, 1, 2, 3)),
    ] {
        let one = words(1, 2, 3, 4);
        let meet = meetings(&mut random, keys, (&one, &vip, 6), (&other, &vip, 6));
        by_chance(name, keys, meet);
    }
}
