// SPDX-License-Identifier: GPL-2.0

//! Tests of walks that visit each object once.

use super::*;
use crate::kapi::table::{
    PageCursor, //
    PageResult,
};
use std::collections::HashSet;

/// Continues a walk to its end, and returns the keys that it visits, at most `most` in a call.
/// Calls `between` between two calls.
fn walk(table: &Table<Node>, most: usize, mut between: impl FnMut()) -> (Vec<u32>, u32) {
    let (mut cursor, mut keys) = (PageCursor::START, Vec::new());
    loop {
        let mut left = most;
        let page = rcu::read(|rcu| {
            table.page(
                rcu,
                &mut cursor,
                |node| {
                    assert_eq!(node.alive.load(), ALIVE, "wanted after it was freed");
                    true
                },
                |node| {
                    if left == 0 {
                        return false;
                    }
                    left -= 1;
                    keys.push(node.key);
                    true
                },
            )
        });
        if page == PageResult::End {
            return (keys, cursor.restarts());
        }
        // A position survives as words.
        cursor = PageCursor::of_words(cursor.to_words());
        between();
    }
}

/// Returns how many of the keys below `count` were visited not once.
fn not_once(keys: &[u32], count: u32) -> usize {
    let mut times = vec![0; count as usize];
    for key in keys.iter().filter(|key| **key < count) {
        times[*key as usize] += 1;
    }
    times.iter().filter(|n| **n != 1).count()
}

// A resize between two calls, to more buckets and to fewer.
#[test]
fn each_is_visited_once_whatever_the_size() {
    let _alone = ALONE.lock().unwrap();
    const COUNT: u32 = 3000;
    let table = table(8);
    for key in 0..COUNT {
        assert!(put(&table, key));
    }
    for most in [1, 7, 1000] {
        let mut sizes = [9, 14, 8, 12, 10, 16, 11].into_iter().cycle();
        let (keys, restarts) = walk(&table, most, || {
            table.resize(sizes.next().unwrap()).unwrap();
            grace_period();
        });
        assert_eq!((not_once(&keys, COUNT), restarts), (0, 0), "{most} at once");
        assert_eq!(keys.len(), COUNT as usize);
    }
    table.clear();
    grace_period();
}

// Objects with the same hash, of which some calls of a walk show a part.
#[test]
fn objects_of_one_hash_are_visited_once() {
    let _alone = ALONE.lock().unwrap();
    let table = table(8);
    for key in 0..100 {
        rcu::read(|rcu| {
            let hashes = (0x55 + (key & 1), None);
            assert!(insert(&table, rcu, node(key, 0, None), hashes, |_| false).is_ok());
        });
    }
    let (keys, _) = walk(&table, 3, || {});
    assert_eq!((not_once(&keys, 100), keys.len()), (0, 100));
    table.clear();
    grace_period();
}

// What is visited may be removed, and all of it is.
#[test]
fn objects_may_be_removed_as_they_are_visited() {
    let _alone = ALONE.lock().unwrap();
    let table = table(8);
    for key in 0..1000 {
        assert!(put(&table, key));
    }
    let mut cursor = PageCursor::START;
    while rcu::read(|rcu| {
        let odd = |node: &Node| node.key % 2 == 1;
        table.page(rcu, &mut cursor, odd, |node| table.remove(rcu, node))
    }) != PageResult::End
    {}
    assert_eq!(table.exact_len(), 500);
    assert!((0..1000).all(|key| has(&table, key, 0) == (key % 2 == 0)));
    table.clear();
    grace_period();
}

// Objects that stay are visited once while others come and go and the table is resized; with new
// keys, at least once.
#[test]
fn walks_miss_nothing_while_the_table_changes() {
    let _alone = ALONE.lock().unwrap();
    const STAY: u32 = 2000;
    let rounds = if std::env::var_os("LONG").is_some() {
        2000
    } else {
        10
    };
    for keys_change in [false, true] {
        let table = Arc::new(table(8));
        for key in 0..STAY {
            assert!(put(&table, key));
        }
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for (n, bits) in [10, 8, 12, 8, 9].into_iter().cycle().enumerate() {
                    match keys_change && n % 3 == 0 {
                        true => table.rekey(bits, n as u32 + 1).unwrap(),
                        false => table.resize(bits).unwrap(),
                    }
                    grace_period();
                    if over.load(SeqCst) {
                        break;
                    }
                }
            });
            let walker = scope.spawn(|| {
                for round in 0..rounds {
                    let (keys, restarts) = walk(&table, 50, || {});
                    let seen: HashSet<_> = keys.iter().copied().collect();
                    let missed = (0..STAY).filter(|key| !seen.contains(key)).count();
                    assert_eq!(missed, 0, "round {round}, {restarts} restarts");
                    if restarts == 0 {
                        assert_eq!(not_once(&keys, STAY), 0, "round {round}");
                    }
                    assert!(restarts == 0 || keys_change);
                    // Others come and go.
                    traffic(&table, 1 + round % 2, 200);
                    for n in 136..200 {
                        assert!(take(&table, ((1 + round % 2) << 24) | n));
                    }
                }
            });
            let result = walker.join();
            over.store(true, SeqCst);
            assert!(result.is_ok());
        });
        table.clear();
        grace_period();
    }
}
