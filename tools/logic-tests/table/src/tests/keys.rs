// SPDX-License-Identifier: GPL-2.0

//! Tests of a table that gets a new key.

use super::*;

/// Inserts objects with one hash, like a client that knows the table's key.
fn attack(table: &Table<Node>, from: u32, count: u32) {
    for key in from..from + count {
        rcu::read(|rcu| {
            let hashes = ((key << 20) | 0x55, Some((key << 20) | 0xaa));
            let entered = insert(table, rcu, node(key, 0, None), hashes, |other| {
                other.key == key
            });
            assert!(entered.is_ok());
        });
    }
}

/// Returns the directions, bit by bit, in which a key of [`attack`] is found.
fn attacked(table: &Table<Node>, key: u32) -> u8 {
    let found = |way: usize| {
        let hash = (key << 20) | [0x55, 0xaa][way];
        rcu::read(|rcu| {
            let is = |node: &Node, seen| {
                assert_eq!(node.alive.load(), ALIVE, "found after it was freed");
                node.key == key && seen == way
            };
            table.find(rcu, by(hash), is).is_some()
        })
    };
    u8::from(found(0)) | (u8::from(found(1)) << 1)
}

/// Returns the maximum number of words that a look-up of one of these keys loads.
fn longest_look_up(table: &Table<Node>, keys: std::ops::Range<u32>) -> usize {
    let looks = keys.map(|key| {
        loads();
        assert_eq!(attacked(table, key), 3, "key {key}");
        loads().0
    });
    looks.max().unwrap_or(0)
}

// If all connections of a client end up in one chain, the table requests a new key once, which
// spreads them.
#[test]
fn a_key_that_is_known_is_replaced() {
    let _alone = ALONE.lock().unwrap();
    const COUNT: u32 = 4000;
    let table = Arc::new(table(12));
    // A chain of a length that chance explains causes no request.
    attack(&table, 0, 64);
    assert!(!table.wants_key());
    attack(&table, 64, COUNT - 64);
    assert!(
        table.wants_key(),
        "a chain of {COUNT} links causes no request for a new key"
    );
    let before = longest_look_up(&table, 0..COUNT);
    assert!(before >= COUNT as usize);
    // A muted table makes no request.
    table.mute();
    attack(&table, COUNT, 100);
    assert!(!table.wants_key());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|reader| {
                let (table, over) = (&table, &over);
                scope.spawn(move || {
                    let mut rounds = 0;
                    while !over.load(SeqCst) || rounds == 0 {
                        for key in (reader..COUNT).step_by(61) {
                            assert_eq!(attacked(table, key), 3, "key {key} while keys change");
                        }
                        rounds += 1;
                    }
                })
            })
            .collect();
        let writer = scope.spawn(|| traffic(&table, 1, 2000));
        table.rekey(12, 0x1234_5677).unwrap();
        over.store(true, SeqCst);
        assert!(readers.into_iter().all(|reader| reader.join().is_ok()));
        assert!(writer.join().is_ok());
    });
    table.unmute();
    let after = longest_look_up(&table, 0..COUNT + 100);
    println!("a look-up loads {before} words before, {after} afterwards, at the most");
    assert!(after < 150, "{after} words");
    assert!(!table.wants_key());
    // Knowledge of the old key does not help any more.
    attack(&table, COUNT + 100, 1000);
    assert!(
        !table.wants_key(),
        "a new key is requested though none is known"
    );
    // All objects are still there, with those that `traffic` left.
    let left: usize = (0..SLOTS).map(|slot| expired(&table, slot).len()).sum();
    assert_eq!(left, COUNT as usize + 1100 + 64);
    grace_period();
}

// An insertion uses the hash of the look-up before it, unless the key has changed meanwhile.
#[test]
fn a_hash_by_an_old_key_is_made_again() {
    let _alone = ALONE.lock().unwrap();
    for changes in [false, true] {
        let table = table(8);
        let looked_up = rcu::read(|rcu| table.look_up(rcu, by(hash(1)), |_, _| None::<()>).err());
        let hashed = looked_up.expect("nothing is there");
        if changes {
            table.rekey(8, 0x1234_5677).unwrap();
        }
        rcu::read(|rcu| {
            let entered = table.insert(rcu, node(1, 0, None), hashed, Directions::Both, |_, _| {
                false
            });
            assert!(entered.is_ok());
        });
        assert!(has(&table, 1, 0) && has(&table, 1, 1), "changes: {changes}");
        drop(table);
        grace_period();
    }
}

// Long chains of a table beyond its load factor, as one of the largest size, cause no request.
#[test]
fn a_full_table_keeps_its_key() {
    let _alone = ALONE.lock().unwrap();
    let table = table(8);
    for key in 0..60_000 {
        assert!(put(&table, key));
    }
    assert!(!table.wants_key());
    drop(table);
    grace_period();
}

// Chains of lengths around the limits of a run get a new key in linear time, without a lock held
// for long.
#[test]
fn nothing_is_lost_when_the_key_changes_whatever_the_length_of_chains() {
    let _alone = ALONE.lock().unwrap();
    for len in [0, 1, 2, 63, 64, 65, 128, 500, 4096, 4160, 20_000] {
        let table = one_chain(len);
        loads();
        table.rekey(8, 0x89ab_cdef).unwrap();
        let (all, longest) = loads();
        assert!(longest <= 100, "{longest} loads under a lock");
        assert!(all <= 4000 + 60 * 2 * len as usize, "{all} loads for {len}");
        for key in 0..len {
            assert_eq!(ways(&table, key), 3, "key {key} of {len}");
        }
        assert_eq!(expired(&table, 0).len(), len as usize);
        assert_eq!(table.exact_len(), 0);
        grace_period();
    }
}

// While the key changes, readers find all present objects and writers insert none twice.
#[test]
fn nobody_misses_what_is_there_while_keys_change() {
    let _alone = ALONE.lock().unwrap();
    const STAY: u32 = 1000;
    let rounds = if std::env::var_os("LONG").is_some() {
        1_000_000
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
            for (key, bits) in (1..).zip([8, 10, 8, 9].into_iter().cycle()) {
                table.rekey(bits, key).unwrap();
                table.resize(bits ^ 1).unwrap();
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
                    assert!(!put(&table, key), "key {key} is there twice");
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
