// SPDX-License-Identifier: GPL-2.0

//! Sync messages: parsed entries are compared with those written, and decisions with the rules of
//! the specification.

use crate::exercise;
use crate::logic::config::Ip;
use crate::logic::sync::rate_limit::{should_sync, Rules, Subject, SyncDue};
use crate::logic::sync::read::Entries;
use crate::logic::sync::write::{Added, SyncMsgBuilder};
use crate::logic::sync::{flags, Shift, SyncEntry, Version};
use crate::reference::Random;

/// A random address of a family.
fn ip(random: &mut Random, v4: bool) -> Ip {
    if v4 {
        Ip::V4([10, 0, 0, random.byte()])
    } else {
        let mut addr = [0xfd; 16];
        addr.fill_with(|| random.byte());
        Ip::V6(addr)
    }
}

/// Owned copy of an entry.
struct Owned {
    name: Vec<u8>,
    data: Vec<u8>,
    shifts: Option<(Shift, Shift)>,
}

impl Owned {
    fn new(random: &mut Random) -> Self {
        let mut bytes = |most: usize| {
            let length = 1 + random.below(most);
            random.bytes(length)
        };
        let (name, data) = (bytes(16), bytes(255));
        let mut shift = || Shift {
            from: random.word() as u32,
            delta: random.word() as u32,
            before: random.word() as u32,
        };
        let shifts = (shift(), shift());
        Self {
            name,
            data,
            shifts: random.chance(3).then_some(shifts),
        }
    }

    /// A valid entry.
    fn entry(&self, random: &mut Random) -> SyncEntry<'_> {
        let v4 = random.chance(2);
        let template = random.chance(3);
        let protocol = [6, 17, 132][random.below(3)];
        let states = match protocol {
            _ if template => 2,
            6 => 11,
            132 => 14,
            _ => 1,
        };
        let kind = if template { flags::TEMPLATE } else { 0 };
        let shifted = self.shifts.map_or(0, |_| flags::SEQUENCES);
        let mut end = || (ip(random, v4), random.word() as u16);
        let (client, virt, dest) = (end(), end(), end());
        SyncEntry {
            protocol,
            flags: random.word() as u32 & 0x187 | kind | shifted | flags::SYNC,
            state: random.below(states) as u16,
            client,
            virt,
            dest,
            mark: random.word() as u32,
            timeout: random.word() as u32,
            shifts: self.shifts,
            engine: random.chance(3).then_some((&self.name, &self.data)),
        }
    }
}

/// A message, and the number of its entries.
fn message(random: &mut Random, version: Version) -> (Vec<u8>, usize) {
    let capacity = 64 + random.below(1500);
    let mut builder = SyncMsgBuilder::new(vec![0xee; capacity], version, 1).unwrap();
    let (mut count, mut full) = (0, false);
    while !full {
        let owned = Owned::new(random);
        let entry = owned.entry(random);
        match builder.add(&entry) {
            Added::Yes => {
                count += 1;
                let last = Entries::of(builder.message(), 1).unwrap().last();
                let mut expected = entry;
                if version == Version::V0 {
                    (expected.mark, expected.timeout, expected.engine) = (0, 0, None);
                }
                assert_eq!(last, Some(expected));
            }
            Added::Full => full = true,
            Added::Never => assert_eq!(version, Version::V0),
        }
    }
    (builder.message().to_vec(), count)
}

// B-10 to B-13
#[test]
fn what_is_written_is_read() {
    let mut random = Random::new(11);
    let mut most = 0;
    for _ in 0..if cfg!(miri) { 5 } else { 3000 } {
        for version in [Version::V0, Version::V1] {
            let (message, count) = message(&mut random, version);
            assert_eq!(Entries::of(&message, 1).unwrap().count(), count);
            assert_eq!(exercise::sync_message(&message), count);
            most = most.max(count);
        }
    }
    assert!(most > 20 || cfg!(miri), "{most}");
}

// B-12, B-20, B-21
#[test]
fn broken_messages() {
    let mut random = Random::new(12);
    let (mut read, mut lost) = (0, 0);
    for _ in 0..if cfg!(miri) { 20 } else { 100_000 } {
        let version = [Version::V0, Version::V1][random.below(2)];
        let (mut bytes, count) = message(&mut random, version);
        for _ in 0..1 + random.below(4) {
            let at = random.below(bytes.len());
            bytes[at] = match random.below(3) {
                0 => random.byte(),
                1 => bytes[at] ^ (1 << random.below(8)),
                _ => [0, 0xff, 1, 2, 3, 0x41][random.below(6)],
            };
        }
        if random.chance(8) {
            let length = random.below(bytes.len() + 1);
            bytes.truncate(length);
            // The length is correct, so that the following entries are parsed.
            if let [_, _, high, low, ..] = bytes.as_mut_slice() {
                [*high, *low] = (length as u16).to_be_bytes();
            }
        }
        let now = exercise::sync_message(&bytes);
        read += now;
        lost += count.saturating_sub(now);
    }
    // Both happen often enough for the run to be meaningful.
    assert!(
        cfg!(miri) || (read > 100_000 && lost > 100_000),
        "{read} {lost}"
    );
}

/// Rules of B-6 and B-7, in numbers that do not wrap.
fn slow(rules: &Rules, subject: &Subject, now: i64) -> bool {
    let mut forced = false;
    if !subject.is_template {
        let (synced_state, at_once): (&[u8], &[u8]) = match subject.protocol {
            6 => (&[1, 4, 5, 6, 7], &[4, 5, 6, 7]),
            132 => (&[8, 9, 10, 11, 13], &[9, 10, 11, 13]),
            _ => (&[0], &[]),
        };
        if !synced_state.contains(&subject.state) {
            return false;
        }
        forced = subject.state != subject.synced_state;
        if forced && at_once.contains(&subject.state) {
            return true;
        }
    }
    let _ = forced;
    let timeout = i64::from(subject.timeout);
    let ends = (now + timeout) / 4 * 4;
    let last = i64::from(subject.ends);
    let refresh = i64::from(rules.refresh);
    if refresh > 0 {
        let near = refresh.min((timeout / 2).max(10 * i64::from(rules.hz)));
        if (ends - last).abs() < near {
            let retries = last % 4;
            let elapsed = now - (last - timeout);
            if retries >= i64::from(rules.retries) || elapsed < refresh / 8 {
                return false;
            }
        }
    }
    if rules.period > 0 {
        subject.is_template || subject.packets % rules.period as u32 == rules.threshold as u32
    } else {
        refresh > 0 || subject.packets == rules.threshold as u32
    }
}

// B-6, B-7
#[test]
fn who_is_due() {
    let mut random = Random::new(13);
    let mut yes = 0;
    let runs = if cfg!(miri) { 100 } else { 300_000 };
    for _ in 0..runs {
        let period = [0, 1, 2, 50][random.below(4)];
        let rules = Rules {
            threshold: random.below(period.max(5)) as i32 % period.max(1) as i32,
            period: period as i32,
            refresh: [0, 250, 2500, 25_000][random.below(4)],
            retries: random.below(4) as u32,
            hz: 250,
        };
        let now = 10_000_000 + random.below(1000) as u32;
        let timeout = [0, 750, 30_000, 225_000][random.below(4)];
        let subject = Subject {
            is_template: random.chance(4),
            protocol: [6, 17, 132][random.below(3)],
            state: random.below(14) as u8,
            synced_state: random.below(14) as u8,
            packets: random.below(60) as u32,
            ends: now + timeout - random.below(30_000) as u32,
            timeout,
        };
        let subject = match subject.protocol {
            17 => Subject {
                state: 0,
                synced_state: 0,
                ..subject
            },
            6 => Subject {
                state: subject.state % 11,
                ..subject
            },
            _ => subject,
        };
        let got = should_sync(&rules, &subject, now);
        assert_eq!(
            got.is_some(),
            slow(&rules, &subject, now.into()),
            "{rules:?} {subject:?} {now}"
        );
        if let Some(SyncDue { ends, .. }) = got {
            yes += 1;
            assert!(ends / 4 == (now + timeout) / 4);
        }
    }
    assert!((runs / 20..runs / 4 * 3).contains(&yes), "{yes} of {runs}");
}
