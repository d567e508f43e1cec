// SPDX-License-Identifier: GPL-2.0

//! [`Drain`]: the drain of a destination.
//!
//! A drain is begun, changed and ended under the configuration mutex, which callers prove with
//! [`ConfigHeld`]. Packets read the word alone. A packet that has read it before a change may act
//! by it until the end of its read-side critical section; in the same section it counts the
//! connection that it begins. So who changes the word, waits for a grace period, and then reads the
//! counts, sees all connections that were begun by the old word.

use super::config_lock::ConfigHeld;
use crate::{
    kapi::{
        once::Word,
        time, //
    },
    logic::drain::{
        DrainPhase,
        DrainSpec,
        DrainView,
        DrainWord, //
    },
};

/// Milliseconds of a second.
const SECOND: u64 = 1000;

/// Drain of a destination; all zeroes is none.
pub(super) struct Drain {
    /// A [`DrainWord`].
    word: Word<u32>,
    /// Seconds from the beginning to the deadline; 0 for none.
    seconds: Word<u32>,
    /// Time of the deadline, in milliseconds.
    deadline: Word<u64>,
    /// Number of connections that the deadline has ended, and of those that are told by RST.
    /// Written by the work that ends them, and by the beginning of a drain.
    ended: Word<u32>,
    reset: Word<u32>,
    /// 1 while the destination is in the list of those that are drained.
    listed: Word<u32>,
}

impl Drain {
    /// Creates no drain.
    pub(super) fn none() -> Self {
        Self {
            word: Word::new(DrainWord::NONE.0),
            seconds: Word::new(0),
            deadline: Word::new(0),
            ended: Word::new(0),
            reset: Word::new(0),
            listed: Word::new(0),
        }
    }

    /// Returns the phase and the flags.
    #[inline(always)]
    pub(super) fn word(&self) -> DrainWord {
        DrainWord(self.word.load())
    }

    /// Begins a drain, or begins the present one anew with other options.
    pub(super) fn begin(&self, _: &mut ConfigHeld, spec: &DrainSpec) {
        let length = u64::from(spec.deadline).saturating_mul(SECOND);
        self.seconds.store(spec.deadline);
        self.deadline
            .store(time::milliseconds().saturating_add(length));
        self.ended.store(0);
        self.reset.store(0);
        let word = DrainWord::new(DrainPhase::Open, spec.flags);
        self.word.store(word.0);
    }

    /// Ends the drain. Returns whether there was one.
    pub(super) fn end(&self, _: &mut ConfigHeld) -> bool {
        let was_drained = self.word().is_drained();
        self.word.store(DrainWord::NONE.0);
        was_drained
    }

    /// Changes the phase of a drain, and not its flags.
    pub(super) fn set_phase(&self, _: &mut ConfigHeld, phase: DrainPhase) {
        self.word.store(self.word().at(phase).0);
    }

    /// Returns whether there is a deadline that has passed.
    pub(super) fn is_late(&self) -> bool {
        self.seconds.load() != 0 && time::milliseconds() >= self.deadline.load()
    }

    /// Counts a connection that the deadline has ended. The only caller is the work that ends them,
    /// which never runs on two CPUs at once. If a drain begins anew meanwhile, its count may begin
    /// with one of the last drain.
    pub(super) fn count(&self, is_reset: bool) {
        let plus_one = |word: &Word<u32>| word.store(word.load().saturating_add(1));
        plus_one(&self.ended);
        if is_reset {
            plus_one(&self.reset);
        }
    }

    /// Sets whether the destination is in the list of those that are drained. Returns whether that
    /// is a change.
    pub(super) fn set_listed(&self, _: &mut ConfigHeld, is_listed: bool) -> bool {
        let was_listed = self.listed.load() != 0;
        self.listed.store(is_listed.into());
        was_listed != is_listed
    }

    /// Returns the options, if there is a drain.
    pub(super) fn spec(&self) -> Option<DrainSpec> {
        let word = self.word();
        word.is_drained().then(|| DrainSpec {
            flags: word.flags(),
            deadline: self.seconds.load(),
        })
    }

    /// Returns the drain as it is listed.
    pub(super) fn view(&self) -> Option<DrainView> {
        let spec = self.spec()?;
        let phase = self.word().phase();
        let left = self.deadline.load().saturating_sub(time::milliseconds());
        let left = left.div_ceil(SECOND);
        let has_deadline = spec.deadline != 0 && phase.is_busy();
        Some(DrainView {
            spec,
            phase,
            left: has_deadline.then(|| u32::try_from(left).unwrap_or(u32::MAX)),
            ended: self.ended.load(),
            reset: self.reset.load(),
        })
    }
}
