// SPDX-License-Identifier: GPL-2.0

//! Counts of a destination's connections, and if there are too many of them (S-24, S-25).

use crate::kapi::once::Word;
use kernel::sync::atomic::{
    Atomic,
    Full,
    Relaxed, //
};

/// The sign of an offer.
const OVERLOADED: i32 = i32::MIN;

/// Counts that connections write, and what schedulers read with them.
///
/// # Overload
///
/// The bit and the count of all connections are two words, and binds, unbinds and edits run at once
/// on several CPUs. When all of them have returned,
///
/// - the bit is set if there are as many connections as the upper threshold says, or more;
/// - the bit is clear if there are fewer than the lower threshold says, or no threshold.
///
/// Between both thresholds the last one of them that was reached decides, as in C, where a lock of
/// the destination holds them together (C: `ip_vs_dest_update_overload()`).
///
/// Each CPU that changes the count, or a threshold, does so before a full barrier, and then reads
/// the bit or changes it. Each that changes the bit does so with a full barrier, and then reads the
/// count and the thresholds once more ([`Load::set_overloaded`]). Of two that coincide at least one
/// sees what the other has changed, and the one that sees it makes the bit agree.
#[repr(align(64))]
pub(crate) struct Load {
    /// The weight, and in the sign the overload bit: schedulers ask for both at once.
    offer: Atomic<i32>,
    /// Connections in an active state.
    active: Atomic<i32>,
    /// All connections.
    total: Atomic<i32>,
    /// Templates.
    persistent: Atomic<i32>,
    /// With so many connections it is overloaded; 0 for no limit.
    upper: Word<u32>,
    /// With fewer connections it is overloaded no more; 0 for three quarters of `upper`.
    lower: Word<u32>,
}

impl Load {
    /// No connections, with a weight and the thresholds `(upper, lower)`.
    pub(crate) fn new(weight: i32, (upper, lower): (u32, u32)) -> Self {
        Self {
            offer: Atomic::new(weight & !OVERLOADED),
            active: Atomic::new(0),
            total: Atomic::new(0),
            persistent: Atomic::new(0),
            upper: Word::new(upper),
            lower: Word::new(lower),
        }
    }

    /// The weight and the overload bit, in the sign.
    #[inline(always)]
    pub(crate) fn offer(&self) -> i32 {
        self.offer.load(Relaxed)
    }

    /// The weight.
    #[inline(always)]
    pub(crate) fn weight(&self) -> i32 {
        self.offer() & !OVERLOADED
    }

    /// Returns the overload bit.
    #[inline(always)]
    pub(crate) fn is_overloaded(&self) -> bool {
        self.offer() < 0
    }

    /// The number of connections in an active state.
    #[inline(always)]
    pub(crate) fn active(&self) -> i32 {
        self.active.load(Relaxed)
    }

    /// The number of all connections.
    #[inline(always)]
    pub(crate) fn total(&self) -> i32 {
        self.total.load(Relaxed)
    }

    /// The number of templates.
    pub(crate) fn persistent(&self) -> i32 {
        self.persistent.load(Relaxed)
    }

    /// The upper and the lower threshold as they were set.
    pub(crate) fn thresholds(&self) -> (u32, u32) {
        (self.upper.load(), self.lower.load())
    }

    /// Sets the weight. The caller holds the configuration mutex.
    pub(crate) fn set_weight(&self, weight: i32) {
        self.set(!OVERLOADED, weight);
    }

    /// Sets the thresholds `(upper, lower)`, and if they differ from what they were, judges anew
    /// (S-25). The caller holds the configuration mutex.
    pub(crate) fn set_thresholds(&self, (upper, lower): (u32, u32)) {
        if self.thresholds() == (upper, lower) {
            return;
        }
        self.upper.store(upper);
        self.lower.store(lower);
        // The barrier of whoever changes a threshold.
        let total = self.total.fetch_add(0, Full);
        if upper != 0 && i64::from(total) >= i64::from(upper) {
            self.set_overloaded(true);
        } else if upper == 0 || i64::from(total) < i64::from(self.effective_lower()) {
            self.set_overloaded(false);
        }
    }

    /// Counts a connection (C-22, S-25).
    #[inline(always)]
    pub(crate) fn bind(&self, active: bool) {
        let total = self.total.fetch_add(1, Full).wrapping_add(1);
        if active {
            self.active.add(1, Relaxed);
        }
        let upper = self.upper.load();
        if upper != 0 && total as u32 == upper {
            self.set_overloaded(true);
        }
    }

    /// Counts a connection no more.
    #[inline(always)]
    pub(crate) fn unbind(&self, active: bool) {
        if active {
            self.active.add(-1, Relaxed);
        }
        let total = self.total.fetch_add(-1, Full).wrapping_sub(1);
        if self.is_overloaded() && i64::from(total) < i64::from(self.effective_lower()) {
            self.set_overloaded(false);
        }
    }

    /// Counts a template (C-22).
    pub(crate) fn bind_template(&self) {
        self.persistent.add(1, Relaxed);
    }

    /// Counts a template no more.
    pub(crate) fn unbind_template(&self) {
        self.persistent.add(-1, Relaxed);
    }

    /// A connection became active, or ceased to be (T-6).
    pub(crate) fn activity(&self, active: bool) {
        self.active.add(if active { 1 } else { -1 }, Relaxed);
    }

    /// The number of connections below which an overloaded destination is chosen again (S-24).
    ///
    /// It is never above `upper`, not even while an edit has changed one of both: an overload that
    /// holds with neither value of the bit would keep [`set_overloaded`](Self::set_overloaded)
    /// busy.
    fn effective_lower(&self) -> u32 {
        let upper = self.upper.load();
        match self.lower.load() {
            0 => upper.saturating_sub(upper / 4),
            lower => lower.min(upper),
        }
    }

    /// Sets or clears the overload bit, and looks once more if the count and the thresholds allow
    /// that: between the caller's look at them and this change others may have changed them, who
    /// saw the bit as it was before. Any context.
    ///
    /// Each further round follows another CPU's change of the count, or an edit.
    #[cold]
    pub(crate) fn set_overloaded(&self, mut overloaded: bool) {
        loop {
            self.set(OVERLOADED, if overloaded { OVERLOADED } else { 0 });
            let (total, upper) = (i64::from(self.total()), self.upper.load());
            let holds = if overloaded {
                upper != 0 && total >= i64::from(self.effective_lower())
            } else {
                upper == 0 || total < i64::from(upper)
            };
            if holds {
                return;
            }
            overloaded = !overloaded;
        }
    }

    /// Changes some of the bits, beside others who change the others. A full barrier.
    #[cold]
    fn set(&self, mask: i32, bits: i32) {
        let mut old = self.offer();
        while let Err(other) = self.offer.cmpxchg(old, (old & !mask) | (bits & mask), Full) {
            old = other;
        }
    }
}
