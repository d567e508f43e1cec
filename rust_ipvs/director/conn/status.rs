// SPDX-License-Identifier: GPL-2.0

//! Status of a connection: its protocol's state and all flags, in one atomic word.
//!
//! Whatever changes the word returns what is to be accounted for it at the destination or the
//! template; the word itself touches neither. It depends on atomics and on `logic` alone, so that
//! it compiles on the host, where a model checker takes it through all interleavings.
//!
//! # Why counts are exact
//!
//! A destination counts a connection while `COUNTED` is set and `ENDED` is not. [`Status::count`]
//! sets the one, once, and [`Status::end`] the other, once. Each reads, in the same exchange,
//! whether the connection is active, and hands out +1 or -1 for that. A change of `INACTIVE`
//! between the two hands out the difference; before and after them it hands out nothing. All are
//! exchanges of one word, so there is one order of them, and in that order what was handed out sums
//! to 0 when the connection has ended. The destination may add these numbers up in any order.

use crate::logic::{
    defense,
    direction::Direction,
    ftp::Mode,
    sync::flags,
    tcp, //
};
use kernel::sync::atomic::{
    Atomic,
    Full,
    Relaxed, //
};

/// The protocol's state.
const STATE: u32 = 0x7f;
/// The connection is bound to an application helper (C: `cp->app`). Beside the state, where the
/// test whether a packet may change anything sees it.
const HAS_APP: u32 = 0x80;
/// The connection is in no active state, so its destination counts it as inactive (C-2).
const INACTIVE: u32 = 0x100;
/// No reply has been seen, and none is expected to pass here (C-2, T-2).
const NO_OUTPUT: u32 = 0x200;
/// The entry is a template.
const TEMPLATE: u32 = 0x400;
/// A template controls the connection, and has not been assured by it yet (P-15).
const ASSURES: u32 = 0x800;
/// A template whose destination was found to be of no use, which nobody finds again (P-7).
const INVALID: u32 = 0x1000;
/// The [`Kind`] of a template.
const KIND: u32 = 0x6000;
/// Connection tracking knows the connection (N-1).
const TRACKED: u32 = 0x8000;
/// The connection ends with its first packet (S-12).
const OPS: u32 = 0x1_0000;
/// The client's port is not known (C-9).
const NO_CPORT: u32 = 0x2_0000;
/// The destination counts the connection, or did until it ended.
const COUNTED: u32 = 0x4_0000;
/// Form in which the server is to say where it listens, of a control connection: not at all, or in
/// one of two ways.
const MODE: u32 = 0x18_0000;
const PLAIN: u32 = 0x08_0000;
const EXTENDED: u32 = 0x10_0000;
/// The connection has left the table, or did not get into it.
const ENDED: u32 = 0x20_0000;
/// Another director sent the connection (C-2).
const SYNCED: u32 = 0x0800_0000;
/// One packet of the client. The highest bits count as many as are few and one more (C-27), so only
/// the first few packets write the word for that.
const REQUEST: u32 = 1 << 28;
/// The number of the client's packets, at most that in [`MANY_REQUESTS`].
const REQUESTS: u32 = !(REQUEST - 1);
/// More than few.
const MANY_REQUESTS: u32 = (defense::FEW as u32 + 1) * REQUEST;

const _: () = assert!(tcp::STATES <= STATE as usize && STATE & HAS_APP == 0);

/// The states of a template (P-15).
pub(super) const TEMPLATE_NONE: u8 = 0;
const TEMPLATE_ASSURED: u8 = 1;

/// Kind of a template, which is compared besides its key.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    /// Nothing else.
    Client = 0,
    /// That it is one of FTP, whose keys are also those of services of all ports (P-4, Q-4).
    Ftp = 0x2000,
    /// Data that a persistence engine found in the packet, in place of the client (P-26).
    Data = 0x4000,
}

/// State that a packet leads to.
#[derive(Clone, Copy)]
pub(crate) struct NextState {
    /// The state that follows.
    pub(crate) state: u8,
    /// True if that is one of those in which the connection is an active one (T-6).
    pub(crate) active: bool,
    /// True if the packet shows that the connection is real, to its template (P-15).
    pub(crate) assures: bool,
}

/// Accounting that a change of a status asks for; the caller carries it out.
#[must_use]
#[derive(Clone, Copy)]
pub(super) struct Account {
    old: u32,
    new: u32,
}

impl Account {
    /// Returns whether there is nothing to do.
    #[inline(always)]
    pub(super) fn is_nothing(self) -> bool {
        (self.old ^ self.new) & (INACTIVE | ASSURES) == 0
    }

    /// The destination has one active connection more (`true`), or one fewer (`false`).
    pub(super) fn activity(self) -> Option<bool> {
        let changed = (self.old ^ self.new) & INACTIVE != 0;
        let counted = self.old & (COUNTED | ENDED) == COUNTED;
        (changed && counted).then_some(self.new & INACTIVE == 0)
    }

    /// Returns whether the template is to be assured (P-15).
    pub(super) fn assures(self) -> bool {
        (self.old ^ self.new) & ASSURES != 0
    }
}

/// Accounting that the end of a connection asks for.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The destination does not count it, or not any more.
    Uncounted,
    /// The destination has a template fewer.
    Template,
    /// The destination has a connection fewer.
    Counted {
        /// True if that is one of the active ones.
        active: bool,
    },
}

/// A status as it was at one moment.
#[derive(Clone, Copy)]
pub(super) struct Snapshot(u32);

impl Snapshot {
    fn has(self, bit: u32) -> bool {
        self.0 & bit != 0
    }

    /// The number of the protocol's state.
    #[inline(always)]
    pub(super) fn state(self) -> u8 {
        (self.0 & STATE) as u8
    }

    /// Returns whether no reply has been seen and none is expected.
    pub(super) fn is_silent(self) -> bool {
        self.has(NO_OUTPUT)
    }

    /// Returns whether the entry is a template.
    pub(super) fn is_template(self) -> bool {
        self.has(TEMPLATE)
    }

    /// Returns whether the entry is a template of a kind that may be used.
    pub(super) fn is_kind(self, kind: Kind) -> bool {
        self.0 & (TEMPLATE | INVALID | KIND) == TEMPLATE | kind as u32
    }

    /// Returns whether nobody finds the template again (P-7).
    pub(super) fn is_invalid(self) -> bool {
        self.has(INVALID)
    }

    /// Returns whether a connection of the template has shown that it is real (P-15).
    pub(super) fn is_assured(self) -> bool {
        self.is_template() && self.state() == TEMPLATE_ASSURED
    }

    /// Returns whether connection tracking knows the connection (N-1).
    pub(super) fn is_tracked(self) -> bool {
        self.has(TRACKED)
    }

    /// Returns whether the connection ends with its first packet (S-12).
    pub(super) fn is_ops(self) -> bool {
        self.has(OPS)
    }

    /// Returns whether another director sent the connection (K-6).
    pub(super) fn is_synced(self) -> bool {
        self.has(SYNCED)
    }

    /// Returns whether the client's port is not known.
    pub(super) fn is_no_cport(self) -> bool {
        self.has(NO_CPORT)
    }

    /// Returns whether a helper looks at each packet.
    #[inline(always)]
    pub(super) fn has_app(self) -> bool {
        self.has(HAS_APP)
    }

    /// Returns how the server is to say where it listens.
    pub(super) fn mode(self) -> Option<Mode> {
        match self.0 & MODE {
            PLAIN => Some(Mode::Plain),
            EXTENDED => Some(Mode::Extended),
            _ => None,
        }
    }

    /// The number of the client's packets; one more than few for all beyond few (C-27).
    pub(super) fn requests(self) -> u8 {
        (self.0 / REQUEST) as u8
    }

    /// Returns the flags that are sent to other directors.
    pub(super) fn sync_flags(self) -> u32 {
        let has = |bit, flag| if self.has(bit) { flag } else { 0 };
        has(NO_OUTPUT, flags::NO_OUTPUT)
            | has(INACTIVE, flags::INACTIVE)
            | has(TEMPLATE, flags::TEMPLATE)
            | has(SYNCED, flags::SYNC)
            | has(TRACKED, flags::TRACKED)
    }
}

/// The status of a connection.
#[repr(transparent)]
pub(super) struct Status(Atomic<u32>);

/// Before anybody else sees the connection.
impl Status {
    /// A connection whose first packet is handled now: `silent` if no reply is expected, `assures`
    /// if a template controls it.
    #[inline(always)]
    pub(super) fn connection(silent: bool, assures: bool) -> Self {
        let silent = if silent { NO_OUTPUT } else { 0 };
        let assures = if assures { ASSURES } else { 0 };
        let state = u32::from(tcp::NONE);
        Self(Atomic::new(REQUEST | INACTIVE | silent | assures | state))
    }

    /// A template.
    pub(super) fn template(kind: Kind) -> Self {
        let state = u32::from(TEMPLATE_NONE);
        Self(Atomic::new(INACTIVE | TEMPLATE | kind as u32 | state))
    }

    /// A data connection in LISTEN, which has had no packet. The client's port may not be known.
    pub(super) fn expected(is_no_cport: bool) -> Self {
        let port = if is_no_cport { NO_CPORT } else { 0 };
        Self(Atomic::new(INACTIVE | port | u32::from(tcp::LISTEN)))
    }

    fn add(&mut self, bits: u32) {
        self.0.store(self.0.load(Relaxed) | bits, Relaxed);
    }

    /// Leaves the connection to connection tracking too (N-1).
    pub(super) fn track(&mut self) {
        self.add(TRACKED);
    }

    /// Has a helper look at each packet (F-1).
    pub(super) fn set_app(&mut self) {
        self.add(HAS_APP);
    }

    /// Has the connection end with its first packet (S-12).
    pub(super) fn make_ops(&mut self) {
        self.add(OPS);
    }

    /// Has the destination count the connection: in the place of another, which it does not count
    /// any more.
    pub(super) fn inherit_count(&mut self) {
        self.add(COUNTED);
    }

    /// Takes over what another director says of a connection that is new here (B-25).
    pub(super) fn synced(&mut self, state: u8, is_inactive: bool, requests: u32) {
        let kept = self.0.load(Relaxed) & (REQUEST - 1) & !(STATE | INACTIVE);
        let inactive = if is_inactive { INACTIVE } else { 0 };
        let requests = requests.clamp(1, MANY_REQUESTS / REQUEST);
        let requests = match kept & TEMPLATE {
            0 => requests.wrapping_mul(REQUEST),
            _ => 0,
        };
        let status = kept | inactive | SYNCED | requests | u32::from(state);
        self.0.store(status, Relaxed);
    }
}

/// While others see the connection.
impl Status {
    /// The status as it is now.
    #[inline(always)]
    pub(super) fn load(&self) -> Snapshot {
        Snapshot(self.0.load(Relaxed))
    }

    /// Has `bits` in the place of those that `mask` covers, if that is not so already; returns
    /// whether it was this call that changed them.
    fn replace(&self, mask: u32, bits: u32) -> bool {
        let mut now = self.0.load(Relaxed);
        while now & mask != bits {
            match self.0.cmpxchg(now, (now & !mask) | bits, Relaxed) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
        false
    }

    /// Takes the connection from connection tracking: what that knows by its ends is another's now
    /// (S-19).
    pub(super) fn untrack(&self) {
        self.replace(TRACKED, 0);
    }

    /// Has nobody find the template again (P-7).
    pub(super) fn invalidate(&self) {
        self.replace(INVALID, INVALID);
    }

    /// Assures a template (P-15). Only the first call for a template writes.
    pub(super) fn assure(&self) {
        self.replace(STATE, TEMPLATE_ASSURED.into());
    }

    /// Takes note of how the server is to say where it listens.
    pub(super) fn set_mode(&self, mode: Option<Mode>) {
        let mode = match mode {
            None => 0,
            Some(Mode::Plain) => PLAIN,
            Some(Mode::Extended) => EXTENDED,
        };
        self.replace(MODE, mode);
    }

    /// Counts a packet of the client, up to one more than few (C-27).
    pub(super) fn count_request(&self) {
        let old = self.0.load(Relaxed);
        if old < MANY_REQUESTS {
            self.count_from(old);
        }
    }

    /// Counts a packet of the client if the status is still `old`, which has not counted many.
    #[inline(always)]
    fn count_from(&self, old: u32) {
        // Of two at once one is not counted: that makes few fewer.
        let _ = self.0.cmpxchg(old, old.wrapping_add(REQUEST), Relaxed);
    }

    /// Returns whether a packet that leaves the protocol's `state` as it is changes nothing but the
    /// number of the client's packets (C-27), in which it is counted then.
    ///
    /// A request may not be one that shows the connection to be real, unless it did so before, and
    /// a helper has none of either.
    #[inline(always)]
    pub(super) fn count_only(&self, direction: Direction, state: u8) -> bool {
        let (old, state) = (self.0.load(Relaxed), u32::from(state));
        if direction == Direction::Output {
            return old & (STATE | HAS_APP | ASSURES | NO_OUTPUT) == state;
        }
        // One comparison for most packets: nothing is counted beyond `MANY_REQUESTS`.
        if old & (STATE | HAS_APP | REQUESTS) == state | MANY_REQUESTS {
            return true;
        }
        if direction != Direction::Input || old & (STATE | HAS_APP | ASSURES) != state {
            return false;
        }
        self.count_from(old);
        true
    }

    /// Moves to the next state; returns that, and what is to be accounted.
    ///
    /// `next` says, of the direction that holds and the present state, which is next, whether it is
    /// an active one (T-2, T-6), and whether the packet shows that the connection is real (P-15). A
    /// packet of the client is counted (C-27), except the first, which comes before the destination
    /// counts the connection and was counted when that was made.
    #[inline(always)]
    pub(super) fn advance(
        &self,
        direction: Direction,
        next: impl Fn(Direction, u8) -> NextState,
    ) -> (u8, Account) {
        let mut old = self.0.load(Relaxed);
        let came = direction;
        loop {
            let (direction, kept) = match direction {
                Direction::Output => (direction, old & !(STATE | NO_OUTPUT)),
                _ if old & NO_OUTPUT != 0 => (Direction::InputOnly, old & !STATE),
                _ => (direction, old & !STATE),
            };
            let next = next(direction, (old & STATE) as u8);
            let inactive = if next.active { 0 } else { INACTIVE };
            let kept = if next.assures { kept & !ASSURES } else { kept };
            let request = came == Direction::Input && old & COUNTED != 0 && old < MANY_REQUESTS;
            let kept = kept.wrapping_add(if request { REQUEST } else { 0 });
            let new = (kept & !INACTIVE) | inactive | u32::from(next.state);
            if new == old {
                return (next.state, Account { old, new });
            }
            // Fully ordered, for `settle_timeout`.
            match self.0.cmpxchg(old, new, Full) {
                Ok(_) => return (next.state, Account { old, new }),
                Err(other) => old = other,
            }
        }
    }

    /// Stores `own`, the timeout of the state that a packet found or led to, in `timeout`, unless
    /// another packet has changed the state meanwhile: then the timeout of that state, which `of`
    /// says. Returns whether a shorter timeout took the place of a longer one.
    ///
    /// When all packets have been handled, the timeout is that of the state. Let A and B be two
    /// calls, of which B's packet changed the state last, and A's timeout be the one that stays. A
    /// stored it after B stored its own, which B did after its change of the state, by fully
    /// ordered exchanges all. So A's look at the state, after its store, sees B's change, and A
    /// stores again. A packet that changes the state but finds its timeout in place has loaded that
    /// after its change, so whoever overwrites it does so later, and sees the change too.
    pub(super) fn settle_timeout(
        &self,
        timeout: &Atomic<u32>,
        mut own: u32,
        of: impl Fn(u8) -> u32,
    ) -> bool {
        let mut is_shorter = false;
        loop {
            is_shorter |= own < timeout.xchg(own, Full);
            let right = of(self.load().state());
            if right == own {
                return is_shorter;
            }
            own = right;
        }
    }

    /// Applies an update from another director (B-23, B-25). A template stays inactive.
    pub(super) fn apply(&self, state: u8, is_inactive: bool) -> Account {
        let mut old = self.0.load(Relaxed);
        loop {
            let inactive = match (old & TEMPLATE != 0, is_inactive) {
                (false, false) => 0,
                _ => INACTIVE,
            };
            let new = old & !(STATE | INACTIVE) | inactive | u32::from(state);
            match self.0.cmpxchg(old, new, Relaxed) {
                Ok(_) => return Account { old, new },
                Err(other) => old = other,
            }
        }
    }

    /// Has the destination count the connection; returns whether that is an active one. `None`, and
    /// the destination does not count it, if it is counted already or has ended.
    #[must_use]
    pub(super) fn count(&self) -> Option<bool> {
        let mut old = self.0.load(Relaxed);
        while old & (COUNTED | ENDED) == 0 {
            match self.0.cmpxchg(old, old | COUNTED, Relaxed) {
                Ok(_) => return Some(old & INACTIVE == 0),
                Err(other) => old = other,
            }
        }
        None
    }

    /// Passes its count at the destination on to another connection, which is inactive; `None` if
    /// it has none, or not any more.
    #[must_use]
    pub(super) fn release_count(&self) -> Option<Account> {
        let mut old = self.0.load(Relaxed);
        while old & (COUNTED | ENDED) == COUNTED {
            let new = old & !COUNTED | INACTIVE;
            match self.0.cmpxchg(old, new, Relaxed) {
                Ok(_) => return Some(Account { old, new }),
                Err(other) => old = other,
            }
        }
        None
    }

    /// Ends the connection. Of all calls one returns what the destination counted.
    pub(super) fn end(&self) -> End {
        let mut old = self.0.load(Relaxed);
        while old & ENDED == 0 {
            match self.0.cmpxchg(old, old | ENDED, Full) {
                Ok(_) if old & TEMPLATE != 0 => return End::Template,
                Ok(_) if old & COUNTED != 0 => {
                    let active = old & INACTIVE == 0;
                    return End::Counted { active };
                }
                Ok(_) => return End::Uncounted,
                Err(other) => old = other,
            }
        }
        End::Uncounted
    }
}
