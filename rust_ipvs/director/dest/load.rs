// SPDX-License-Identifier: GPL-2.0

//! [`Load`]: connection counts of a destination, its weight, and the OVERLOAD flag (S-24, S-25).

use crate::kapi::once::Word;
use kernel::sync::atomic::{
    Atomic,
    Full,
    Relaxed, //
};

/// Sign bit of `offer`: `IP_VS_DEST_F_OVERLOAD`.
const OVERLOADED: i32 = i32::MIN;

/// Connection counts, with the values that schedulers read together with them.
///
/// # Overload
///
/// The bit and the count of all connections are two words, and binds, unbinds and edits run
/// concurrently on several CPUs. When all of them have returned,
///
/// - the bit is set if the number of connections is at least the upper threshold;
/// - the bit is clear if it is below the lower threshold, or if there is no threshold.
///
/// Between the thresholds the one that was reached last decides, as in C, where a spinlock of the
/// destination protects both (`ip_vs_dest_update_overload()`).
///
/// A CPU that changes the count, or a threshold, does so before a full barrier, and then reads or
/// changes the bit. A CPU that changes the bit does so with a full barrier, and then reads the
/// count and the thresholds once more ([`Load::set_overloaded`]). Of two concurrent calls at least
/// one sees the change of the other, and the one that sees it corrects the bit.
#[repr(align(64))]
pub(crate) struct Load {
    /// Share of new connections, with the overload bit in the sign: schedulers load both at once.
    /// It is the weight, or 0 while the destination is drained.
    offer: Atomic<i32>,
    /// Weight as it was set.
    weight: Word<i32>,
    /// Number of active connections.
    active: Atomic<i32>,
    /// Number of all connections.
    total: Atomic<i32>,
    /// Number of templates.
    persistent: Atomic<i32>,
    /// Number of connections from which on the destination is overloaded; 0 for no limit.
    upper: Word<u32>,
    /// Number of connections below which it is not overloaded any more; 0 for three quarters of
    /// `upper`.
    lower: Word<u32>,
}

impl Load {
    /// Creates counts of zero, with a weight and the thresholds `(upper, lower)`.
    pub(crate) fn new(weight: i32, (upper, lower): (u32, u32)) -> Self {
        Self {
            offer: Atomic::new(weight & !OVERLOADED),
            weight: Word::new(weight & !OVERLOADED),
            active: Atomic::new(0),
            total: Atomic::new(0),
            persistent: Atomic::new(0),
            upper: Word::new(upper),
            lower: Word::new(lower),
        }
    }

    /// Returns the share of new connections with the overload bit in the sign.
    #[inline(always)]
    pub(crate) fn offer(&self) -> i32 {
        self.offer.load(Relaxed)
    }

    /// Returns the share of new connections: the weight, or 0 while the destination is drained.
    #[inline(always)]
    pub(crate) fn share(&self) -> i32 {
        self.offer() & !OVERLOADED
    }

    /// Returns the weight as it was set.
    pub(crate) fn weight(&self) -> i32 {
        self.weight.load()
    }

    /// Returns the overload bit.
    #[inline(always)]
    pub(crate) fn is_overloaded(&self) -> bool {
        self.offer() < 0
    }

    /// Returns the number of active connections.
    #[inline(always)]
    pub(crate) fn active(&self) -> i32 {
        self.active.load(Relaxed)
    }

    /// Returns the number of all connections.
    #[inline(always)]
    pub(crate) fn total(&self) -> i32 {
        self.total.load(Relaxed)
    }

    /// Returns the number of templates.
    pub(crate) fn persistent(&self) -> i32 {
        self.persistent.load(Relaxed)
    }

    /// Returns the upper and the lower threshold as they were set.
    pub(crate) fn thresholds(&self) -> (u32, u32) {
        (self.upper.load(), self.lower.load())
    }

    /// Sets the weight, which is the share of new connections, too, unless the destination
    /// `is_drained`.
    ///
    /// All callers have [`ConfigHeld`](crate::director::dest::ConfigHeld): one at a time.
    pub(crate) fn set_weight(&self, weight: i32, is_drained: bool) {
        self.weight.store(weight & !OVERLOADED);
        self.set(!OVERLOADED, if is_drained { 0 } else { weight });
    }

    /// Sets the thresholds `(upper, lower)`, and updates the overload bit if they changed (S-25).
    /// Returns whether the bit may have changed.
    ///
    /// The only caller, [`Destination::edit`](super::Destination::edit), takes
    /// [`ConfigHeld`](crate::director::dest::ConfigHeld): one caller at a time.
    #[must_use]
    pub(crate) fn set_thresholds(&self, (upper, lower): (u32, u32)) -> bool {
        if self.thresholds() == (upper, lower) {
            return false;
        }
        self.upper.store(upper);
        self.lower.store(lower);
        // Full barrier between the change of a threshold and the load of the bit.
        let total = self.total.fetch_add(0, Full);
        if upper != 0 && i64::from(total) >= i64::from(upper) {
            return self.set_overloaded(true);
        }
        if upper == 0 || i64::from(total) < i64::from(self.effective_lower()) {
            return self.set_overloaded(false);
        }
        false
    }

    /// Counts a connection (C-22, S-25). Returns whether the overload bit may have changed.
    #[inline(always)]
    #[must_use]
    pub(crate) fn bind(&self, active: bool) -> bool {
        let total = self.total.fetch_add(1, Full).wrapping_add(1);
        if active {
            self.active.add(1, Relaxed);
        }
        let upper = self.upper.load();
        upper != 0 && total as u32 == upper && self.set_overloaded(true)
    }

    /// Removes a connection from the counts. Returns whether the overload bit may have changed.
    #[inline(always)]
    #[must_use]
    pub(crate) fn unbind(&self, active: bool) -> bool {
        if active {
            self.active.add(-1, Relaxed);
        }
        let total = self.total.fetch_add(-1, Full).wrapping_sub(1);
        self.is_overloaded()
            && i64::from(total) < i64::from(self.effective_lower())
            && self.set_overloaded(false)
    }

    /// Counts a template (C-22).
    pub(crate) fn bind_template(&self) {
        self.persistent.add(1, Relaxed);
    }

    /// Removes a template from the counts.
    pub(crate) fn unbind_template(&self) {
        self.persistent.add(-1, Relaxed);
    }

    /// Counts a connection that became active (`true`) or inactive (`false`) (T-6).
    pub(crate) fn activity(&self, active: bool) {
        self.active.add(if active { 1 } else { -1 }, Relaxed);
    }

    /// Returns the number of connections below which the overload bit is cleared (S-24).
    ///
    /// Never above `upper`, not even between the two stores of an edit: otherwise there might be a
    /// count for which neither value of the bit is right, and
    /// [`set_overloaded`](Self::set_overloaded) would loop.
    fn effective_lower(&self) -> u32 {
        let upper = self.upper.load();
        match self.lower.load() {
            0 => upper.saturating_sub(upper / 4),
            lower => lower.min(upper),
        }
    }

    /// Sets or clears the overload bit, and loads the count and the thresholds again: another CPU
    /// may have changed them after the caller's load, and have seen the old bit. Returns whether
    /// the bit may have changed. Any context.
    ///
    /// Each further round follows another CPU's change of the count, or an edit.
    #[cold]
    fn set_overloaded(&self, mut overloaded: bool) -> bool {
        let mut may_have_changed = false;
        loop {
            let old = self.set(OVERLOADED, if overloaded { OVERLOADED } else { 0 });
            may_have_changed |= (old < 0) != overloaded;
            let (total, upper) = (i64::from(self.total()), self.upper.load());
            let holds = if overloaded {
                upper != 0 && total >= i64::from(self.effective_lower())
            } else {
                upper == 0 || total < i64::from(upper)
            };
            if holds {
                return may_have_changed;
            }
            overloaded = !overloaded;
        }
    }

    /// Replaces the bits in `mask`, atomically with changes of other bits. Returns the old ones. A
    /// full barrier.
    #[cold]
    fn set(&self, mask: i32, bits: i32) -> i32 {
        let mut old = self.offer();
        while let Err(other) = self.offer.cmpxchg(old, (old & !mask) | (bits & mask), Full) {
            old = other;
        }
        old
    }
}
