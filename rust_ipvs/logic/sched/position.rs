// SPDX-License-Identifier: GPL-2.0

//! [`Position`] of a scheduler in the list of destinations, in one 64-bit word.
//!
//! C IPVS keeps a pointer to the list node that was used last, initially the list's head, and moves
//! it under `svc->sched_lock`. Here it is a slot number. Destinations keep their slots, so the
//! number stays valid while others are added and removed.

/// Position of a scheduler in the list of destinations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// Slot that was used last; `None` is the head of the list, before the newest.
    pub(super) last: Option<u32>,
    /// Current level of `wrr`.
    pub(super) level: u32,
}

impl Position {
    /// Encodes the position.
    pub(crate) fn to_word(self) -> u64 {
        let last = self.last.map_or(0, |slot| slot.wrapping_add(1));
        u64::from(last) | (u64::from(self.level) << 32)
    }

    /// Decodes a position. Every word is valid.
    pub(crate) fn of_word(word: u64) -> Self {
        Self {
            last: (word as u32).checked_sub(1),
            level: (word >> 32) as u32,
        }
    }

    /// Returns the position after the destination in `slot` was removed; `newer` returns the next
    /// slot above that is in use.
    ///
    /// If `slot` was used last, the position moves to its predecessor in the list (D-6, Q-47).
    pub(crate) fn removed(self, slot: u32, newer: impl FnOnce() -> Option<u32>) -> Self {
        match self.last {
            Some(last) if last == slot => Self {
                last: newer(),
                ..self
            },
            _ => self,
        }
    }

    /// Returns the position after the slots were renumbered; `new` maps an old slot to a new one.
    pub(crate) fn renumbered(self, new: impl FnOnce(u32) -> Option<u32>) -> Self {
        Self {
            last: self.last.and_then(new),
            ..self
        }
    }
}

#[cfg(any(test, CONFIG_RUST_IPVS_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_RUST_IPVS_KUNIT_TEST,
    crate::kunit_tests(rust_ipvs_position),
    allow(unsafe_code, unused)
)]
mod tests {
    use super::*;

    #[test]
    fn as_words_and_back() {
        for last in [None, Some(0), Some(1), Some(u32::MAX - 1)] {
            for level in [0, 1, u32::MAX] {
                let position = Position { last, level };
                assert_eq!(Position::of_word(position.to_word()), position);
            }
        }
        assert_eq!(Position::default().to_word(), 0);
        // No slot has this number; the position remains valid.
        let beyond = Position {
            last: Some(u32::MAX),
            level: 7,
        };
        assert_eq!(Position::of_word(beyond.to_word()).last, None);
    }

    //
    #[test]
    fn a_removed_destination_leaves_its_place_to_the_newer() {
        let at = |last| Position { last, level: 3 };
        assert_eq!(at(Some(4)).removed(4, || Some(6)), at(Some(6)));
        assert_eq!(at(Some(4)).removed(4, || None), at(None));
        assert_eq!(at(Some(4)).removed(5, || Some(6)), at(Some(4)));
        assert_eq!(at(None).removed(0, || Some(1)), at(None));
        assert_eq!(
            at(Some(4)).renumbered(|slot| slot.checked_sub(1)),
            at(Some(3))
        );
        assert_eq!(at(None).renumbered(Some), at(None));
    }
}
