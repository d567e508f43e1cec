// SPDX-License-Identifier: GPL-2.0

//! [`Status`]: protocol state and flags of a connection in one atomic word.
//!
//! Functions that change the word return the accounting that the caller has to do at the
//! destination or template. The file depends on atomics and on `logic` only, so that it compiles on
//! the host, where a model checker runs it through all interleavings.
//!
//! # Counts are exact
//!
//! A destination counts a connection while `COUNTED` is set and `ENDED` is not. [`Status::count`]
//! sets `COUNTED` once, and [`Status::end`] sets `ENDED` once. Each reads in the same exchange
//! whether the connection is active, and returns +1 or -1 for that. A change of `INACTIVE` between
//! the two returns the difference; a change before or after them returns nothing. All are exchanges
//! of one word, so they have one total order, in which the returned values sum to 0 when the
//! connection has ended. The destination may add the values in any order.

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

/// Declares the fields of the word, from bit `hi` down to bit `lo`, as masks. It does not compile
/// if two fields have a common bit.
///
/// The notation is that of `bitfield!` of the kernel crate. That macro does not compile on the
/// host, gives one field at a time, where functions below compare several at once, and does not
/// check that fields have no common bit.
macro_rules! layout {
    ($($(#[$doc:meta])* $hi:literal:$lo:literal $field:ident;)*) => {
        $($(#[$doc])* const $field: u32 = (u32::MAX >> (31 - $hi)) & (u32::MAX << $lo);)*

        const _: () = assert!(
            (0 $(| $field)*).count_ones() == 0 $(+ $field.count_ones())*,
            "a bit belongs to one field"
        );
    };
}

layout! {
    /// Protocol state.
    6:0 STATE;
    /// The connection is bound to an application helper (C: `cp->app`). The bit is next to the
    /// state, so that [`Status::count_only`] tests both in one comparison.
    7:7 HAS_APP;
    /// The connection is in no active state; the destination counts it as inactive (C-2).
    8:8 INACTIVE;
    /// No reply has been seen, and none is expected to pass here (C-2, T-2).
    9:9 NO_OUTPUT;
    /// The entry is a template.
    10:10 TEMPLATE;
    /// The connection has a template and has not set it to assured yet (P-15).
    11:11 ASSURES;
    /// The template is invalid, as its destination was not available; no look-up finds it (P-7).
    12:12 INVALID;
    /// [`Kind`] of a template.
    14:13 KIND;
    /// The connection uses conntrack (N-1).
    15:15 TRACKED;
    /// The connection ends with its first packet (OPS, S-12).
    16:16 OPS;
    /// The client's port is unknown (C-9).
    17:17 NO_CPORT;
    /// The destination counts the connection, or did until it ended.
    18:18 COUNTED;
    /// Form of the server's reply with its address, for a control connection: 0 if it is not set,
    /// [`PLAIN`] (PASV) or [`EXTENDED`] (EPSV).
    20:19 MODE;
    /// The connection was removed from the table, or not inserted.
    21:21 ENDED;
    /// The connection was reset: its packets are answered by RST.
    22:22 RESET;
    /// The connection was received by synchronisation (C-2).
    27:27 SYNCED;
    /// Number of the client's packets, saturated at [`MANY_REQUESTS`] (C-27), so that only the
    /// first few packets write the word for it. In the highest bits, so that functions compare the
    /// whole word.
    31:28 REQUESTS;
}

/// PASV, in [`MODE`].
const PLAIN: u32 = 1 << MODE.trailing_zeros();
/// EPSV, in [`MODE`].
const EXTENDED: u32 = 2 << MODE.trailing_zeros();
/// One packet, in [`REQUESTS`].
const REQUEST: u32 = 1 << REQUESTS.trailing_zeros();
/// One more than [`defense::FEW`], in [`REQUESTS`].
const MANY_REQUESTS: u32 = (defense::FEW as u32 + 1) * REQUEST;

const _: () = assert!(tcp::STATES <= STATE as usize && MANY_REQUESTS <= REQUESTS);

/// States of a template (P-15).
pub(super) const TEMPLATE_NONE: u8 = 0;
const TEMPLATE_ASSURED: u8 = 1;

/// Kind of a template, compared in addition to its key. The values are those of [`KIND`].
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    /// Client address.
    Client = 0,
    /// Client address, of an FTP service: its keys are also those of services of port 0 (P-4, Q-4).
    Ftp = 1 << KIND.trailing_zeros(),
    /// Data that a persistence engine found in the packet (P-26).
    Data = 2 << KIND.trailing_zeros(),
}

/// State that a packet leads to.
#[derive(Clone, Copy)]
pub(crate) struct NextState {
    /// Next state.
    pub(crate) state: u8,
    /// True if the connection is active in that state (T-6).
    pub(crate) active: bool,
    /// True if the packet shows the connection to be established, which assures its template
    /// (P-15).
    pub(crate) assures: bool,
}

/// Accounting that a status change demands; the caller carries it out.
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

    /// Returns the change of the destination's active connections: one more (`true`), or one fewer
    /// (`false`).
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

/// Accounting that the end of a connection demands.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndAccount {
    /// None: the destination does not count it, or not any more.
    Uncounted,
    /// The destination has one template fewer.
    Template,
    /// The destination has one connection fewer.
    Counted {
        /// True if it was an active one.
        active: bool,
    },
}

/// Value of a status at one moment.
#[derive(Clone, Copy)]
pub(super) struct Snapshot(u32);

impl Snapshot {
    fn has(self, bit: u32) -> bool {
        self.0 & bit != 0
    }

    /// Returns the protocol's state.
    #[inline(always)]
    pub(super) fn state(self) -> u8 {
        (self.0 & STATE) as u8
    }

    /// Returns whether no reply has been seen and none is expected.
    pub(super) fn is_silent(self) -> bool {
        self.has(NO_OUTPUT)
    }

    /// Returns whether the connection is in no active state.
    pub(super) fn is_inactive(self) -> bool {
        self.has(INACTIVE)
    }

    /// Returns whether the entry is a template.
    pub(super) fn is_template(self) -> bool {
        self.has(TEMPLATE)
    }

    /// Returns whether the entry is a valid template of the given kind.
    pub(super) fn is_kind(self, kind: Kind) -> bool {
        self.0 & (TEMPLATE | INVALID | KIND) == TEMPLATE | kind as u32
    }

    /// Returns whether the template was invalidated (P-7).
    pub(super) fn is_invalid(self) -> bool {
        self.has(INVALID)
    }

    /// Returns whether one of the template's connections has been established (P-15).
    pub(super) fn is_assured(self) -> bool {
        self.is_template() && self.state() == TEMPLATE_ASSURED
    }

    /// Returns whether the connection uses conntrack (N-1).
    pub(super) fn is_tracked(self) -> bool {
        self.has(TRACKED)
    }

    /// Returns whether the connection ends with its first packet (S-12).
    pub(super) fn is_ops(self) -> bool {
        self.has(OPS)
    }

    /// Returns whether the connection was received by synchronisation (K-6).
    pub(super) fn is_synced(self) -> bool {
        self.has(SYNCED)
    }

    /// Returns whether the client's port is unknown.
    pub(super) fn is_no_cport(self) -> bool {
        self.has(NO_CPORT)
    }

    /// Returns whether the connection is bound to an application helper.
    #[inline(always)]
    pub(super) fn has_app(self) -> bool {
        self.has(HAS_APP)
    }

    /// Returns whether a TCP segment is not merely followed: the connection is bound to an
    /// application helper, or was reset.
    #[inline(always)]
    pub(super) fn is_special(self) -> bool {
        self.has(HAS_APP | RESET)
    }

    /// Returns whether the connection was reset.
    pub(super) fn is_reset(self) -> bool {
        self.has(RESET)
    }

    /// Returns the form of the server's reply with its address.
    pub(super) fn mode(self) -> Option<Mode> {
        match self.0 & MODE {
            PLAIN => Some(Mode::Plain),
            EXTENDED => Some(Mode::Extended),
            _ => None,
        }
    }

    /// Returns the number of the client's packets, saturated at `defense::FEW + 1` (C-27).
    pub(super) fn requests(self) -> u8 {
        (self.0 / REQUEST) as u8
    }

    /// Returns the flags for a sync message.
    pub(super) fn sync_flags(self) -> u32 {
        let has = |bit, flag| if self.has(bit) { flag } else { 0 };
        has(NO_OUTPUT, flags::NO_OUTPUT)
            | has(INACTIVE, flags::INACTIVE)
            | has(TEMPLATE, flags::TEMPLATE)
            | has(SYNCED, flags::SYNC)
            | has(TRACKED, flags::TRACKED)
    }
}

/// Status of a connection.
#[repr(transparent)]
pub(super) struct Status(Atomic<u32>);

/// Functions for a connection that is not in the table yet.
impl Status {
    /// Creates the status of a connection whose first packet is being handled: `silent` if no reply
    /// is expected, `assures` if it has a template.
    #[inline(always)]
    pub(super) fn connection(silent: bool, assures: bool) -> Self {
        let silent = if silent { NO_OUTPUT } else { 0 };
        let assures = if assures { ASSURES } else { 0 };
        let state = u32::from(tcp::NONE);
        Self(Atomic::new(REQUEST | INACTIVE | silent | assures | state))
    }

    /// Creates the status of a template.
    pub(super) fn template(kind: Kind) -> Self {
        let state = u32::from(TEMPLATE_NONE);
        Self(Atomic::new(INACTIVE | TEMPLATE | kind as u32 | state))
    }

    /// Creates the status of an expected data connection: in LISTEN, without packets.
    pub(super) fn expected(is_no_cport: bool) -> Self {
        let port = if is_no_cport { NO_CPORT } else { 0 };
        Self(Atomic::new(INACTIVE | port | u32::from(tcp::LISTEN)))
    }

    fn add(&mut self, bits: u32) {
        self.0.store(self.0.load(Relaxed) | bits, Relaxed);
    }

    /// Marks the connection as one that uses conntrack (N-1).
    pub(super) fn track(&mut self) {
        self.add(TRACKED);
    }

    /// Marks the connection as bound to an application helper (F-1).
    pub(super) fn set_app(&mut self) {
        self.add(HAS_APP);
    }

    /// Marks the connection as one that ends with its first packet (S-12).
    pub(super) fn make_ops(&mut self) {
        self.add(OPS);
    }

    /// Takes the destination's count over from the connection that this one replaces.
    pub(super) fn inherit_count(&mut self) {
        self.add(COUNTED);
    }

    /// Sets the values that a sync message gives for a new connection (B-25).
    pub(super) fn synced(&mut self, state: u8, is_inactive: bool, requests: u32) {
        let kept = self.0.load(Relaxed) & !(REQUESTS | STATE | INACTIVE);
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

/// Functions that other CPUs may call concurrently.
impl Status {
    /// Returns the present value.
    #[inline(always)]
    pub(super) fn load(&self) -> Snapshot {
        Snapshot(self.0.load(Relaxed))
    }

    /// Replaces the bits in `mask` by `bits`. Returns false if they already have that value.
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

    /// Stops the use of conntrack: the entry with this connection's addresses belongs to another
    /// one (S-19).
    pub(super) fn untrack(&self) {
        self.replace(TRACKED, 0);
    }

    /// Invalidates the template (P-7).
    pub(super) fn invalidate(&self) {
        self.replace(INVALID, INVALID);
    }

    /// Sets a template to assured (P-15). Only the first call for a template writes.
    pub(super) fn assure(&self) {
        self.replace(STATE, TEMPLATE_ASSURED.into());
    }

    /// Sets the form of the server's reply with its address.
    pub(super) fn set_mode(&self, mode: Option<Mode>) {
        let mode = match mode {
            None => 0,
            Some(Mode::Plain) => PLAIN,
            Some(Mode::Extended) => EXTENDED,
        };
        self.replace(MODE, mode);
    }

    /// Counts a packet of the client, up to [`MANY_REQUESTS`] (C-27).
    pub(super) fn count_request(&self) {
        let old = self.0.load(Relaxed);
        if old < MANY_REQUESTS {
            self.count_from(old);
        }
    }

    /// Counts a packet of the client if the status is still `old`, which is below
    /// [`MANY_REQUESTS`].
    #[inline(always)]
    fn count_from(&self, old: u32) {
        // Of two concurrent packets one is not counted, which errs on the side of few.
        let _ = self.0.cmpxchg(old, old.wrapping_add(REQUEST), Relaxed);
    }

    /// Returns whether a packet that leaves the protocol in `state` changes nothing but the number
    /// of the client's packets (C-27), and counts it in that case.
    ///
    /// False if the connection is bound to a helper, and for a request that would assure the
    /// template.
    #[inline(always)]
    pub(super) fn count_only(&self, direction: Direction, state: u8) -> bool {
        let (old, state) = (self.0.load(Relaxed), u32::from(state));
        if direction == Direction::Output {
            return old & (STATE | HAS_APP | ASSURES | NO_OUTPUT) == state;
        }
        // One comparison for most packets: the count is saturated.
        if old & (STATE | HAS_APP | REQUESTS) == state | MANY_REQUESTS {
            return true;
        }
        if direction != Direction::Input || old & (STATE | HAS_APP | ASSURES) != state {
            return false;
        }
        self.count_from(old);
        true
    }

    /// Changes to the next state. Returns that, and the accounting.
    ///
    /// `next` maps the direction that applies and the present state to the next state, whether that
    /// is active (T-2, T-6), and whether the packet shows the connection to be established (P-15).
    /// A packet of the client is counted (C-27), except the first one, which was counted when the
    /// connection was created.
    #[inline(always)]
    pub(super) fn advance(
        &self,
        direction: Direction,
        next: impl Fn(Direction, u8) -> NextState,
    ) -> (u8, Account) {
        let mut old = self.0.load(Relaxed);
        let packet_direction = direction;
        loop {
            let (direction, kept) = match direction {
                Direction::Output => (direction, old & !(STATE | NO_OUTPUT)),
                _ if old & NO_OUTPUT != 0 => (Direction::InputOnly, old & !STATE),
                _ => (direction, old & !STATE),
            };
            let next = next(direction, (old & STATE) as u8);
            let inactive = if next.active { 0 } else { INACTIVE };
            let kept = if next.assures { kept & !ASSURES } else { kept };
            let request =
                packet_direction == Direction::Input && old & COUNTED != 0 && old < MANY_REQUESTS;
            let kept = kept.wrapping_add(if request { REQUEST } else { 0 });
            let new = (kept & !INACTIVE) | inactive | u32::from(next.state);
            if new == old {
                return (next.state, Account { old, new });
            }
            // Fully ordered; `settle_timeout` relies on it.
            match self.0.cmpxchg(old, new, Full) {
                Ok(_) => return (next.state, Account { old, new }),
                Err(other) => old = other,
            }
        }
    }

    /// Stores `own`, the timeout of the state that a packet found or led to, in `timeout`. If
    /// another packet has changed the state meanwhile, stores the timeout of that state, which `of`
    /// returns. Returns whether a shorter timeout replaced a longer one.
    ///
    /// When all packets have been handled, the timeout is that of the state. Let A and B be two
    /// calls, of which B's packet changed the state last, and let A's timeout be the one that
    /// remains. A stored it after B stored its own, which B did after its change of the state; all
    /// of these are fully ordered exchanges. So A's load of the state, after its store, sees B's
    /// change, and A stores again. A packet that changes the state but finds its timeout already
    /// stored has loaded that after its change, so any call that overwrites it does so later, and
    /// sees the change too.
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

    /// Applies a sync message to a connection in the table (B-23, B-25). A template stays inactive,
    /// and a connection that was reset is left alone.
    pub(super) fn apply(&self, state: u8, is_inactive: bool) -> Account {
        let mut old = self.0.load(Relaxed);
        loop {
            if old & RESET != 0 {
                return Account { old, new: old };
            }
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

    /// Marks a TCP connection as reset, and closes it. Returns the accounting, or `None` if it was
    /// marked before, or has ended.
    ///
    /// Nothing takes it back to ESTABLISHED: of a segment only one that was on its way meanwhile
    /// changes the state, which is CLOSE, and from there SYN alone leads elsewhere. A segment after
    /// that finds the mark.
    pub(super) fn reset(&self) -> Option<Account> {
        let mut old = self.0.load(Relaxed);
        while old & (RESET | ENDED) == 0 {
            let new = old & !STATE | RESET | INACTIVE | u32::from(tcp::CLOSE);
            match self.0.cmpxchg(old, new, Relaxed) {
                Ok(_) => return Some(Account { old, new }),
                Err(other) => old = other,
            }
        }
        None
    }

    /// Marks the connection as counted. Returns whether it is active, or `None` if it was already
    /// marked or has ended; the caller then must not count it.
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

    /// Passes the destination's count on to another connection, which is inactive. Returns `None`
    /// if there is none to pass on.
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

    /// Marks the connection as ended. Of all calls exactly one returns the destination's count.
    pub(super) fn end(&self) -> EndAccount {
        let mut old = self.0.load(Relaxed);
        while old & ENDED == 0 {
            match self.0.cmpxchg(old, old | ENDED, Full) {
                Ok(_) if old & TEMPLATE != 0 => return EndAccount::Template,
                Ok(_) if old & COUNTED != 0 => {
                    let active = old & INACTIVE == 0;
                    return EndAccount::Counted { active };
                }
                Ok(_) => return EndAccount::Uncounted,
                Err(other) => old = other,
            }
        }
        EndAccount::Uncounted
    }
}
