// SPDX-License-Identifier: GPL-2.0

//! Tests of the table.

use crate::{
    kapi::{
        once::Word,
        rcu,
        slab::SlabBox,
        table::{
            ControlRef,
            Directions,
            ExpireVerdict,
            Hashed,
            Links,
            Table, //
            TableEntry,
            WheelLinks,
        },
        work::Process,
    },
    kernel_side::{
        before_locks,
        cpus::set as set_cpus,
        grace_period,
        is_locked,
        loads, //
    },
};
use std::{
    cell::RefCell,
    rc::Rc,
    sync::{
        atomic::{
            AtomicBool,
            AtomicU32,
            AtomicUsize,
            Ordering::SeqCst, //
        },
        Arc,
        Mutex, //
    },
};

mod keys;
mod ordered;

/// Serialises the tests, which share the list of RCU callbacks and the counters.
static ALONE: Mutex<()> = Mutex::new(());

/// Number of slots of the wheels.
const SLOTS: u16 = 8;

/// Mark of an object that was not freed.
const ALIVE: u32 = 0x600d_600d;

struct Node {
    links: Links,
    wheel: WheelLinks,
    alive: Word<u32>,
    key: u32,
    /// Hashes with [`FIRST_KEY`], by direction.
    hashes: [AtomicU32; 2],
    slot: Word<u32>,
    removed: Option<Arc<AtomicUsize>>,
}

// SAFETY: The methods return the same fields each time.
unsafe impl TableEntry for Node {
    const WHEEL_OFFSET: usize = std::mem::offset_of!(Node, wheel);
    type Key = u32;

    fn links(&self) -> &Links {
        &self.links
    }

    fn wheel(&self) -> &WheelLinks {
        &self.wheel
    }

    fn hash(&self, direction: usize, key: &u32) -> u32 {
        by(self.hashes[direction].load(SeqCst))(key)
    }

    fn slot(&self) -> u16 {
        assert!(
            is_locked(),
            "a slot that is asked without the lock may pass"
        );
        self.slot.load() as u16
    }

    fn removed(&self) {
        assert!(!is_locked());
        if let Some(removed) = &self.removed {
            removed.fetch_add(1, SeqCst);
        }
    }
}

fn node(key: u32, slot: u32, removed: Option<Arc<AtomicUsize>>) -> SlabBox<Node> {
    SlabBox::new(Node {
        links: Links::new(),
        wheel: WheelLinks::new(),
        alive: Word::new(ALIVE),
        key,
        hashes: [hash(key), back(key)].map(AtomicU32::new),
        slot: Word::new(slot),
        removed,
    })
}

fn table(bits: u32) -> Table<Node> {
    Table::new(bits, SLOTS, FIRST_KEY).unwrap()
}

/// Key of new tables.
const FIRST_KEY: u32 = 0;

/// Returns the function from a key to the hash with it of a node that has `hash` with
/// [`FIRST_KEY`].
fn by(hash: u32) -> impl Fn(&u32) -> u32 + Copy {
    move |key| match *key {
        FIRST_KEY => hash,
        key => (hash ^ key)
            .wrapping_mul(key | 1)
            .rotate_left(11)
            .wrapping_mul(0x85eb_ca6b),
    }
}

/// Inserts a node with the hashes that are given here.
fn insert<'g>(
    table: &'g Table<Node>,
    rcu: rcu::Rcu<'g>,
    node: SlabBox<Node>,
    (first, second): (u32, Option<u32>),
    same: impl Fn(&Node) -> bool,
) -> Result<&'g Node, &'g Node> {
    node.hashes[0].store(first, SeqCst);
    node.hashes[1].store(second.unwrap_or(0), SeqCst);
    let directions = match second {
        Some(_) => Directions::Both,
        None => Directions::One,
    };
    table.insert(rcu, node, Hashed::UNKNOWN, directions, |_, other| {
        same(other)
    })
}

/// Returns the first hash of a key, random in all of its bits.
fn hash(key: u32) -> u32 {
    key.wrapping_mul(0x9e37_79b1).rotate_left(13)
}

/// Returns the second hash of a key.
fn back(key: u32) -> u32 {
    hash(!key)
}

/// Inserts a key by both hashes; returns `false` if it is in the table.
fn put(table: &Table<Node>, key: u32) -> bool {
    rcu::read(|rcu| {
        let hashes = (hash(key), Some(back(key)));
        let entered = insert(table, rcu, node(key, 0, None), hashes, |other| {
            other.key == key
        });
        entered.is_ok()
    })
}

/// Returns true if a key is found in a direction.
fn has(table: &Table<Node>, key: u32, direction: usize) -> bool {
    let hash = if direction == 0 { hash(key) } else { back(key) };
    rcu::read(|rcu| {
        let found = table.find(rcu, by(hash), |node, way| {
            assert_eq!(node.alive.load(), ALIVE, "found after it was freed");
            way == direction && node.key == key
        });
        found.is_some()
    })
}

/// Removes a key from the table.
fn take(table: &Table<Node>, key: u32) -> bool {
    rcu::read(|rcu| {
        let found = table.find(rcu, by(hash(key)), |node, way| way == 0 && node.key == key);
        found.is_some_and(|(node, _)| table.remove(rcu, node))
    })
}

/// Removes the keys in a slot of the wheel, and returns them.
fn expired(table: &Table<Node>, slot: u16) -> Vec<u32> {
    let mut keys = Vec::new();
    for shard in 0..table.shards() {
        let gone = |_: rcu::Rcu<'_>, node: &Node| keys.push(node.key);
        let (mut slots, mut budget) = ([slot].into_iter(), u32::MAX);
        let verdict = |_: &Node| ExpireVerdict::Remove;
        assert!(table.expire(&Process, shard, &mut slots, &mut budget, verdict, gone));
    }
    keys.sort();
    keys
}

// A reply finds a connection by its second hash while another CPU inserts it, and shortens its
// timeout or ends it.
#[test]
fn an_entry_between_its_chains_is_refused_under_its_own_lock() {
    let _alone = ALONE.lock().unwrap();
    for ends in [false, true] {
        let table = Rc::new(table(8));
        // Shard 3 by the first hash, 5 by the second.
        let (first, second) = (0x103, 0x205);
        let locks = Rc::new(RefCell::new(Vec::new()));
        let (seen, within) = (locks.clone(), table.clone());
        before_locks(move |lock| {
            seen.borrow_mut().push(lock);
            let of_insert = seen.borrow().len();
            if of_insert != 2 {
                return;
            }
            // Before the second of its two locks only the second chain contains it.
            let seen = seen.clone();
            rcu::read(|rcu| {
                let (node, direction) = within.find(rcu, by(second), |_, _| true).unwrap();
                assert_eq!((node.key, direction), (7, 1));
                assert!(within.find(rcu, by(first), |_, way| way == 0).is_none());
                assert!(ControlRef::on(node).is_none(), "nobody can hold it yet");
                before_locks(move |lock| seen.borrow_mut().push(lock));
                node.slot.store(2);
                if ends {
                    assert!(!within.remove(rcu, node));
                } else {
                    within.rearm(node);
                }
            });
        });
        rcu::read(|rcu| {
            let hashes = (first, Some(second));
            assert!(insert(&table, rcu, node(7, 6, None), hashes, |_| false).is_ok());
        });
        before_locks(|_| {});
        let locks = locks.borrow();
        assert_eq!(locks.len(), 3);
        assert_eq!(locks[1], locks[2], "the lock of its first hash");
        assert_ne!(locks[0], locks[1]);
        // Its slot when it was linked.
        assert_eq!(expired(&table, 6), []);
        assert_eq!(expired(&table, 2), [7]);
        assert_eq!(table.exact_len(), 0);
        grace_period();
    }
}

#[test]
fn entries_of_other_tables_are_refused() {
    let _alone = ALONE.lock().unwrap();
    let (one, other) = (table(8), table(8));
    assert!(put(&one, 1) && put(&other, 1));
    rcu::read(|rcu| {
        let (node, _) = one.find(rcu, by(hash(1)), |_, way| way == 0).unwrap();
        node.slot.store(3);
        other.rearm(node);
        assert!(!other.remove(rcu, node));
        let outside = self::node(1, 0, None);
        other.rearm(&outside);
        assert!(!other.remove(rcu, &outside));
        one.rearm(node);
    });
    assert_eq!(expired(&one, 3), [1]);
    assert_eq!(expired(&other, 0), [1]);
    grace_period();
}

#[test]
fn a_duplicate_is_left_and_the_newcomer_leaves_no_trace() {
    let _alone = ALONE.lock().unwrap();
    let table = table(8);
    let removed = Arc::new(AtomicUsize::new(0));
    assert!(put(&table, 1));
    rcu::read(|rcu| {
        let newcomer = node(1, 0, Some(removed.clone()));
        let hashes = (hash(1), Some(back(2)));
        let duplicate = insert(&table, rcu, newcomer, hashes, |other| other.key == 1);
        assert_eq!(duplicate.map(|_| ()).map_err(|node| node.key), Err(1));
    });
    assert_eq!((table.exact_len(), removed.load(SeqCst)), (1, 1));
    assert!(has(&table, 1, 0) && has(&table, 1, 1));
    rcu::read(|rcu| assert!(table.find(rcu, by(back(2)), |_, _| true).is_none()));
    drop(table);
    grace_period();
}

// Growth that was delayed: chains of many thousand entries.
#[test]
fn long_chains_are_moved_in_pieces_and_in_linear_time() {
    let _alone = ALONE.lock().unwrap();
    const LEN: u32 = 20_000;
    // All keys are in one chain of a small array for each direction; few collide in 2^20 buckets.
    let table = table(20);
    for key in 0..LEN {
        rcu::read(|rcu| {
            let hashes = ((key << 8) | 1, Some((key << 8) | 2));
            assert!(insert(&table, rcu, node(key, 0, None), hashes, |_| false).is_ok());
        });
    }
    loads();
    for bits in [8, 16, 9, 20] {
        table.resize(bits).unwrap();
        assert_eq!(table.size(), 1 << bits);
        let (all, longest) = loads();
        println!("to {bits} bits: {all} loads, {longest} under a lock at the most");
        assert!(longest <= 600, "{longest} loads under one lock");
        let buckets = (1 << 20) + 2 * LEN as usize;
        assert!(all <= 24 * buckets, "{all} loads");
        let mut keys = vec![0; LEN as usize];
        table.visit_all(|_, node| keys[node.key as usize] += 1);
        assert!(keys.iter().all(|times| *times == 1));
    }
    drop(table);
    grace_period();
}

/// Makes a small table with a chain of `len` keys in one bucket.
fn one_chain(len: u32) -> Table<Node> {
    // Inserted into many buckets first, which is faster.
    let table = table(if len < 5000 { 14 } else { 20 });
    for key in 0..len {
        rcu::read(|rcu| {
            let hashes = (key << 8, Some(key << 8));
            assert!(insert(&table, rcu, node(key, 0, None), hashes, |_| false).is_ok());
        });
    }
    table.resize(8).unwrap();
    table
}

/// Returns a bit for each direction in which a key of [`one_chain`] is found.
fn ways(table: &Table<Node>, key: u32) -> u8 {
    let mut ways = 0;
    rcu::read(|rcu| {
        while let Some((_, way)) = table.find(rcu, by(key << 8), |node, way| {
            assert_eq!(node.alive.load(), ALIVE, "found after it was freed");
            node.key == key && ways & (1 << way) == 0
        }) {
            ways |= 1 << way;
        }
    });
    ways
}

// Chains of all lengths around the number of entries moved at once.
#[test]
fn nothing_is_lost_whatever_the_length_of_chains() {
    let _alone = ALONE.lock().unwrap();
    for half in [
        0, 1, 2, 31, 32, 33, 63, 64, 65, 500, 2047, 2048, 2080, 35_000,
    ] {
        let table = one_chain(half);
        table.resize(18).unwrap();
        for key in 0..half {
            assert_eq!(ways(&table, key), 3, "key {key} of {half}");
        }
        assert_eq!(expired(&table, 0).len(), half as usize);
        grace_period();
    }
}

// An entry that is only in its second chain is moved by a resize.
#[test]
fn an_entry_between_its_chains_is_moved_with_the_others() {
    let _alone = ALONE.lock().unwrap();
    const KEY: u32 = 1000;
    for later in (0..140).step_by(3) {
        let table = Arc::new(one_chain(70));
        let within = table.clone();
        let locks = RefCell::new(0);
        before_locks(move |_| {
            *locks.borrow_mut() += 1;
            if *locks.borrow() != 2 {
                return;
            }
            for key in KEY + 1..=KEY + later {
                rcu::read(|rcu| {
                    let hashes = (key << 8, None);
                    let entered = insert(&within, rcu, node(key, 0, None), hashes, |_| false);
                    assert!(entered.is_ok());
                });
            }
            std::thread::scope(|scope| scope.spawn(|| within.resize(14)).join().unwrap().unwrap());
        });
        rcu::read(|rcu| {
            let hashes = (KEY << 8, Some(KEY << 8));
            assert!(insert(&table, rcu, node(KEY, 0, None), hashes, |_| false).is_ok());
        });
        before_locks(|_| {});
        assert_eq!(table.size(), 1 << 14);
        assert_eq!(ways(&table, KEY), 3);
        assert_eq!(expired(&table, 0).len(), 71 + later as usize);
        grace_period();
    }
}

/// Inserts, finds and removes keys of one thread.
fn traffic(table: &Table<Node>, thread: u32, rounds: u32) {
    let keys = |n: u32| (thread << 24) | n;
    for round in 0..rounds {
        let key = keys(round);
        assert!(put(table, key));
        assert!(
            has(table, key, 0) && has(table, key, 1),
            "a connection that is there"
        );
        if round >= 64 {
            let old = keys(round - 64);
            assert!(has(table, old, 0) && has(table, old, 1), "an older one");
            rcu::read(|rcu| {
                let (node, _) = table
                    .find(rcu, by(back(old)), |node, _| node.key == old)
                    .unwrap();
                node.slot.store(round % u32::from(SLOTS));
                table.rearm(node);
            });
            assert!(take(table, old));
            assert!(
                !has(table, old, 0) && !has(table, old, 1),
                "one that is gone"
            );
        }
    }
}

// Readers find every entry while the table is resized and others are inserted and removed.
#[test]
fn nobody_misses_what_is_there() {
    let _alone = ALONE.lock().unwrap();
    const STAY: u32 = 3000;
    let rounds = if std::env::var_os("LONG").is_some() {
        2_000_000
    } else {
        10_000
    };
    let table = Arc::new(table(8));
    for key in 0..STAY {
        assert!(put(&table, key));
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // 3,000 entries in few buckets make long chains.
            for bits in [10, 8, 12, 8, 9].into_iter().cycle() {
                table.resize(bits).unwrap();
                grace_period();
                if over.load(SeqCst) {
                    break;
                }
            }
        });
        scope.spawn(|| {
            while !over.load(SeqCst) {
                for key in 0..STAY {
                    assert!(has(&table, key, 0) && has(&table, key, 1), "key {key}");
                }
            }
        });
        let busy: Vec<_> = (1..3)
            .map(|thread| {
                let table = table.clone();
                scope.spawn(move || traffic(&table, thread, rounds))
            })
            .collect();
        let results: Vec<_> = busy.into_iter().map(|thread| thread.join()).collect();
        over.store(true, SeqCst);
        assert!(results.iter().all(Result::is_ok));
    });
    assert_eq!(table.exact_len(), STAY as usize + 2 * 64);
    table.clear();
    assert_eq!(table.exact_len(), 0);
    grace_period();
}

// The number of locks is proportional to the number of CPUs, and each has its own cache line.
#[test]
fn each_shard_has_its_own_cache_line() {
    let _alone = ALONE.lock().unwrap();
    for (cpus, want) in [(1, 16), (4, 16), (5, 32), (64, 256), (4096, 256)] {
        set_cpus(cpus);
        let table = table(8);
        let locks = Rc::new(RefCell::new(Vec::new()));
        let seen = locks.clone();
        before_locks(move |lock| seen.borrow_mut().push(lock));
        for key in 0..1024 {
            rcu::read(|rcu| {
                let entered = insert(&table, rcu, node(key, 0, None), (key, None), |_| false);
                assert!(entered.is_ok());
            });
        }
        before_locks(|_| {});
        let mut lines: Vec<_> = locks.borrow().iter().map(|lock| lock / 64).collect();
        assert_eq!(lines.len(), 1024);
        lines.sort();
        lines.dedup();
        assert_eq!(lines.len(), want, "lines of locks for {cpus} CPUs");
    }
    set_cpus(4);
    grace_period();
}

// The count is exact if it sums over the shards, and approximate if it is a single word.
#[test]
fn the_count_is_right_and_nearly_right() {
    let _alone = ALONE.lock().unwrap();
    let table = table(8);
    let about_right = |want: usize| {
        assert_eq!(table.exact_len(), want);
        let (about, slack) = table.about();
        let error = about.abs_diff(want as isize);
        assert!(error <= slack as usize, "{about} is not {want}");
        assert_eq!(slack, 16 * 32);
        about
    };
    assert_eq!(about_right(0), 0);
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let table = &table;
            scope.spawn(move || (0..5000).for_each(|key| assert!(put(table, key * 2 + thread))));
        }
    });
    assert_ne!(about_right(10_000), 0);
    for key in 0..9990 {
        assert!(take(&table, key));
    }
    about_right(10);
    assert!(!put(&table, 9995), "a twin");
    about_right(10);
    assert_eq!(expired(&table, 0).len(), 10);
    about_right(0);
    grace_period();
}
