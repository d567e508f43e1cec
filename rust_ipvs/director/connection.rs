// SPDX-License-Identifier: GPL-2.0

//! Connections: which client talks to which destination, and how.
//!
//! # Layout
//!
//! What every packet reads lies in the first 64 bytes of an IPv4 connection: the chain words, the three
//! endpoints, the destination and the state. Of these, a packet writes `last_seen`, once a
//! jiffy at the most, and the others only when the state changes.

pub(super) mod announced;
mod synced;

use super::{
    clock,
    destination::Destination,
    stack::Stack,
    sync::told::Told,
    template::{
        Data,
        Kind, //
    },
    timeouts::{
        self,
        FIRST_TIMEOUT,
        LATER, //
    },
};
use crate::{
    impl_entry,
    kapi::{
        once::Word,
        rcu::{
            self,
            Rcu, //
        },
        shared::RcuArc,
        table::{
            Aging,
            Hold,
            Links, //
        },
        time, //
    },
    logic::{
        config::{
            ConnectionView,
            ForwardMethod, //
        },
        defence,
        engine::Engine,
        family::{
            Endpoint,
            V4,
            V6, //
        },
        tcp::{
            self,
            Direction, //
        },
    },
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Where in [`Connection::status`] the protocol's state is.
const STATE: u32 = 0x7f;
/// The helper looks at each packet. Beside the state, where the test whether a packet may change anything sees it.
const HELPED: u32 = 0x80;
/// The connection is in no active state, so its destination counts it as inactive (C-2).
const INACTIVE: u32 = 0x100;
/// No reply has been seen, and none is expected to pass here (C-2, T-2).
const NO_OUTPUT: u32 = 0x200;
/// The entry is a template (SPEC section 4).
const TEMPLATE: u32 = 0x400;
/// A template controls the connection, and has not been assured by it yet (P-15).
const ASSURES: u32 = 0x800;
/// A template whose destination was found to be of no use, which nobody finds again (P-7).
const INVALID: u32 = 0x1000;
/// Connection tracking knows the connection (N-1).
const TRACKED: u32 = 0x8000;
/// The connection ends with its first packet (S-12).
const SINGLE: u32 = 0x1_0000;
/// Where the kind of a template is.
const KIND: u32 = 0x6000;
/// Another director told of the connection (C-2).
const SYNCED: u32 = 0x0800_0000;
/// One packet of the client, of which the highest bits count as many as are few and one more (C-27): so what
/// packets write is written in the first few only.
const REQUEST: u32 = 1 << 28;
/// More than few.
const MANY_REQUESTS: u32 = (defence::FEW as u32 + 1) * REQUEST;

/// The states of a template (P-15).
const TEMPLATE_NONE: u8 = 0;
const TEMPLATE_ASSURED: u8 = 1;

/// What a template's protocol is marked with in its key, so that no packet finds it (C-9): the result is
/// none of the protocols that packets are looked up by.
const TEMPLATE_KEY: u8 = 0xc0;

/// The destination's port that is shown of a template which nobody finds again (P-7).
const INVALID_PORT: u16 = 0xffff;

/// What a packet makes of a connection.
pub(super) struct Next {
    /// The state that follows.
    pub(super) state: u8,
    /// Whether that is one of those in which the connection is an active one (T-6).
    pub(super) active: bool,
    /// Whether the packet shows that the connection is real, to its template (P-15).
    pub(super) assures: bool,
}

/// What a packet is to a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// From the client to the VIP.
    Request,
    /// From the destination, or a VIP that answers for it, to the client.
    Reply,
}

/// A connection. It is found by client and VIP, and with NAT by client and destination too.
///
/// A template is one as well, found by what is left of the client and of the VIP once it is known which
/// connections it is to gather (P-3). It has no packets of its own.
#[repr(C)]
pub(crate) struct Connection<F: Stack> {
    pub(super) links: Links,
    pub(super) client: Endpoint<F>,
    pub(super) virt: Endpoint<F>,
    /// Where NAT sends it; with other methods the destination's own, where it is of this family.
    pub(super) real: Endpoint<F>,
    /// The protocol; for a template, with a mark.
    pub(super) key: u8,
    pub(super) method: ForwardMethod,
    /// State and flags in one word, so that they change together.
    status: Atomic<u32>,
    pub(super) destination: RcuArc<Destination>,
    /// When the last packet came, in jiffies.
    pub(super) last_seen: Word<u32>,
    /// After how many jiffies without a packet the connection ends.
    pub(super) timeout: Word<u32>,
    pub(super) aging: Aging,
    /// The template, or the connection, that this connection belongs to.
    control: Hold<Connection<F>>,
    /// What a persistence engine goes by, of a template.
    data: Option<KBox<Data>>,
    /// What was told to other directors.
    told: Told,
}

impl_entry! {
    impl<F: Stack> Entry for Connection<F> {
        slot: Connection::<F>::slot,
        removed: Connection::<F>::ended,
    }
}

const _: () = assert!(size_of::<Connection<V4>>() <= 128);
const _: () = assert!(size_of::<Connection<V6>>() <= 192);
const _: () = assert!(core::mem::offset_of!(Connection<V4>, aging) <= 64);

impl<F: Stack> Connection<F> {
    /// A connection that no packet has passed yet, and that `control` controls.
    #[inline(always)]
    pub(super) fn new(
        protocol: u8,
        (client, virt, real): (Endpoint<F>, Endpoint<F>, Endpoint<F>),
        destination: RcuArc<Destination>,
        control: Hold<Connection<F>>,
    ) -> Self {
        let method = destination.method();
        let silent = if method == ForwardMethod::MASQ {
            0
        } else {
            NO_OUTPUT
        };
        let assures = if control.is_some() { ASSURES } else { 0 };
        Self {
            links: Links::new(),
            client,
            virt,
            real,
            key: protocol,
            method,
            status: Atomic::new(REQUEST | INACTIVE | silent | assures | u32::from(tcp::NONE)),
            destination,
            last_seen: Word::new(time::jiffies32()),
            timeout: Word::new(FIRST_TIMEOUT),
            aging: Aging::new(),
            control,
            data: None,
            told: Told::new(),
        }
    }

    /// A connection to wherever its packets are addressed (S-15). It is bound to a destination that stands for none.
    pub(super) fn bypass(
        protocol: u8,
        ends: (Endpoint<F>, Endpoint<F>, Endpoint<F>),
        nowhere: RcuArc<Destination>,
    ) -> Self {
        let mut connection = Self::new(protocol, ends, nowhere, Hold::none());
        // Nobody has said that no reply passes here.
        connection.status = Atomic::new(REQUEST | INACTIVE | u32::from(tcp::NONE));
        connection
    }

    /// A template (P-9). Its client and VIP are those of its key, and `timeout` is in jiffies.
    pub(super) fn template(
        protocol: u8,
        (client, virt, real): (Endpoint<F>, Endpoint<F>, Endpoint<F>),
        destination: RcuArc<Destination>,
        (kind, data): (Kind, Option<KBox<Data>>),
        timeout: u32,
    ) -> Self {
        let ends = (client, virt, real);
        let mut template = Self::new(protocol, ends, destination, Hold::none());
        template.key = Self::template_key(protocol);
        template.status = Atomic::new(INACTIVE | TEMPLATE | kind as u32 | u32::from(TEMPLATE_NONE));
        template.timeout = Word::new(timeout);
        template.data = data;
        template
    }

    /// Whether connection tracking knows the connection: it keeps the entries of its packets, and takes its own with it (N-1).
    pub(super) fn is_tracked(&self) -> bool {
        self.status.load(Relaxed) & TRACKED != 0
    }

    /// Leaves the connection to connection tracking too (N-1). Nobody finds it yet.
    #[cold]
    pub(super) fn track(&self) {
        self.set(TRACKED);
    }

    /// What connection tracking knows by this connection's ends is another's from now on (S-19).
    pub(super) fn leave_to_others(&self) {
        self.replace(TRACKED, 0);
    }

    /// The connection as one that ends with its first packet (S-12), and may be known to connection tracking.
    pub(super) fn single(mut self, tracked: bool) -> Self {
        let bits = SINGLE | if tracked { TRACKED } else { 0 };
        self.status = Atomic::new(self.status.load(Relaxed) | bits);
        self
    }

    /// Whether it ends with its first packet.
    pub(super) fn is_single(&self) -> bool {
        self.status.load(Relaxed) & SINGLE != 0
    }

    /// Whether it is a template of a kind that may be used.
    pub(super) fn is_kind(&self, kind: Kind) -> bool {
        self.status.load(Relaxed) & (TEMPLATE | INVALID | KIND) == TEMPLATE | kind as u32
    }

    /// What a persistence engine goes by; nothing where that is the client.
    pub(super) fn data(&self) -> &[u8] {
        self.data.as_ref().map_or(&[], |data| data.found())
    }

    /// The template's destination is of no use: nobody finds the template again (P-7).
    pub(super) fn invalidate(&self) {
        self.set(INVALID);
    }

    /// Sets bits of the status, where they are not set already.
    fn set(&self, bits: u32) {
        self.replace(bits, bits);
    }

    /// Has `bits` in the place of those of the status that `mask` covers, where that is not so already; returns whether it
    /// was this call that changed them.
    fn replace(&self, mask: u32, bits: u32) -> bool {
        let mut now = self.status.load(Relaxed);
        while now & mask != bits {
            match self.status.cmpxchg(now, (now & !mask) | bits, Relaxed) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
        false
    }

    /// What stands for a protocol in the hash of a template.
    pub(super) const fn template_key(protocol: u8) -> u8 {
        protocol ^ TEMPLATE_KEY
    }

    /// The protocol; of a template for marked packets `IPPROTO_IP`, 0.
    pub(super) fn protocol(&self) -> u8 {
        if self.is_template() {
            self.key ^ TEMPLATE_KEY
        } else {
            self.key
        }
    }

    /// Whether a packet of a connection or, with [`Connection::template_key`], of a template would have
    /// the same key.
    pub(super) fn is_of(&self, key: u8, client: &Endpoint<F>, virt: &Endpoint<F>) -> bool {
        self.key == key && self.client == *client && self.virt == *virt
    }

    /// Whether it is a template.
    pub(super) fn is_template(&self) -> bool {
        self.status.load(Relaxed) & TEMPLATE != 0
    }

    /// Whether another controls it.
    pub(super) fn is_controlled(&self) -> bool {
        self.control.is_some()
    }

    /// Whether it controls others (C-16).
    pub(super) fn controls(&self) -> bool {
        self.aging.holds() != 0
    }

    /// Its time has passed while it controls others: it gets some more (C-16).
    ///
    /// A template keeps its timeout for the next connection (P-17, and Q-1, which is not so here): it is as if
    /// one had come as much later, or earlier, as the times differ.
    pub(super) fn stay(&self) {
        let now = time::jiffies32();
        if self.is_template() {
            let ahead = LATER.wrapping_sub(self.timeout.load());
            self.last_seen.store(now.wrapping_add(ahead));
        } else {
            self.timeout.store(LATER);
            self.last_seen.store(now);
        }
    }

    /// A connection came to the template: it stays for its timeout from now on (P-12).
    ///
    /// Returns whether it now ends earlier than its place on the wheel says: it was to stay longer, for
    /// the connections that it controls. Of many connections in a jiffy one writes.
    pub(super) fn refresh(&self) -> bool {
        let before = self.left();
        self.touch();
        before > self.timeout.load() as i32
    }

    /// A connection that the template controls has shown that it is real (P-15).
    ///
    /// Only the first one of a template writes.
    fn assure(&self) {
        self.set(TEMPLATE_ASSURED.into());
    }

    /// Whether a connection has shown that it is real, of those that the template controlled (P-15).
    pub(super) fn is_assured(&self) -> bool {
        self.is_template() && self.state() == TEMPLATE_ASSURED
    }

    /// A packet of the client came to a connection of the template that ended with it (P-11).
    pub(super) fn count_request(&self) {
        let old = self.status.load(Relaxed);
        if old < MANY_REQUESTS {
            // Of two at once one is not counted: that makes few fewer.
            let _ = self.status.cmpxchg(old, old.wrapping_add(REQUEST), Relaxed);
        }
    }

    /// How many packets of the client came; those beyond few are one more than few.
    pub(super) fn requests(&self) -> u8 {
        (self.status.load(Relaxed) / REQUEST) as u8
    }

    /// For how many seconds no packet came.
    pub(super) fn idle_seconds(&self) -> u32 {
        // A template that stayed beyond its time was last seen in the time to come.
        let idle = i64::from(self.timeout.load()).saturating_sub(self.left().into());
        u32::try_from(idle).unwrap_or(0) / time::HZ
    }

    /// The template that controls it; of FTP's data connections, the control connection.
    pub(super) fn control<'g>(&'g self, rcu: Rcu<'g>) -> Option<&'g Self> {
        self.control.get(rcu)
    }

    /// What a packet is to this connection, which was found in a direction of the table.
    ///
    /// A reply is recognised by the destination's endpoint with NAT, and by the VIP's with methods
    /// by which the destination answers in the VIP's name (C-9, C-11).
    #[inline(always)]
    pub(super) fn role(
        &self,
        direction: usize,
        protocol: u8,
        src: &Endpoint<F>,
        dst: &Endpoint<F>,
    ) -> Option<Role> {
        if self.key != protocol {
            return None;
        }
        if direction == 0 {
            if self.client == *src && self.virt == *dst {
                return Some(Role::Request);
            }
            let answers_as_vip = self.method != ForwardMethod::MASQ;
            if answers_as_vip && self.client == *dst && self.virt == *src {
                return Some(Role::Reply);
            }
        } else if self.client == *dst && self.real == *src {
            return Some(Role::Reply);
        }
        None
    }

    /// The number of the protocol's state.
    #[inline(always)]
    pub(super) fn state(&self) -> u8 {
        (self.status.load(Relaxed) & STATE) as u8
    }

    /// Whether no reply has been seen and none is expected.
    pub(super) fn is_silent(&self) -> bool {
        self.status.load(Relaxed) & NO_OUTPUT != 0
    }

    /// Whether a packet that leaves the protocol's `state` as it is changes nothing else either. A request
    /// may not be one that shows the connection to be real, unless it did so before, and a helper has none of either.
    #[inline(always)]
    pub(super) fn is_settled(&self, direction: Direction, state: u8) -> bool {
        let status = self.status.load(Relaxed);
        let same = |bits: u32| status & bits == u32::from(state);
        match direction {
            Direction::Output => same(STATE | HELPED | ASSURES | NO_OUTPUT),
            _ => same(STATE | HELPED) && status >= MANY_REQUESTS,
        }
    }

    /// Counts a client's packet that leaves the protocol's `state` as it is (C-27); `false`, and not counted, where it may
    /// change more than the count.
    #[inline(always)]
    pub(super) fn count_only(&self, direction: Direction, state: u8) -> bool {
        let status = self.status.load(Relaxed);
        if direction != Direction::Input || status & (STATE | HELPED | ASSURES) != u32::from(state)
        {
            return false;
        }
        self.count_request();
        true
    }

    /// Moves the connection to its next state, and the destination's count of active ones with it.
    ///
    /// `next` says, of the direction that holds and the present state, which is next, whether it
    /// is an active one (T-2, T-6), and whether the packet shows that the connection is real (P-15).
    /// The destination is told only where it counts the connection, which `bound` says: the first
    /// packet comes before that, and has been counted.
    #[inline(always)]
    pub(super) fn advance(
        &self,
        bound: bool,
        direction: Direction,
        next: impl Fn(Direction, u8) -> Next,
    ) -> u8 {
        let mut old = self.status.load(Relaxed);
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
            let request = bound && came == Direction::Input && old < MANY_REQUESTS;
            let kept = kept.wrapping_add(if request { REQUEST } else { 0 });
            let new = (kept & !INACTIVE) | inactive | u32::from(next.state);
            if new == old {
                return next.state;
            }
            match self.status.cmpxchg(old, new, Relaxed) {
                Ok(_) => {
                    if (old ^ new) & (INACTIVE | ASSURES) != 0 {
                        self.advanced(old ^ new, bound, next.active);
                    }
                    return next.state;
                }
                Err(other) => old = other,
            }
        }
    }

    /// The status has changed in some bits.
    #[inline(never)]
    fn advanced(&self, changed: u32, bound: bool, active: bool) {
        if changed & INACTIVE != 0 && bound {
            self.destination.activity(active);
        }
        if changed & ASSURES != 0 {
            rcu::read(|rcu| {
                if let Some(template) = self.control.get(rcu) {
                    template.assure();
                }
            });
        }
    }

    /// Whether the destination counts the connection as an active one.
    pub(super) fn is_active(&self) -> bool {
        self.status.load(Relaxed) & INACTIVE == 0
    }

    /// A packet passed, now.
    #[inline(always)]
    pub(super) fn touch(&self) {
        self.last_seen.update(time::jiffies32());
    }

    /// Jiffies until the connection ends if no packet comes; negative where that has passed.
    pub(super) fn left(&self) -> i32 {
        let idle = time::jiffies32().wrapping_sub(self.last_seen.load());
        self.timeout.load().wrapping_sub(idle) as i32
    }

    /// The slot of the wheel for when the connection ends if no packet comes.
    fn slot(&self) -> u16 {
        clock::slot(self.left())
    }

    /// The connection has left the table, or did not get into it.
    fn ended(&self) {
        if self.is_template() {
            self.destination.unbind_template();
        } else if self.has_place() {
            self.destination.unbind(self.is_active());
        }
        self.control.release();
    }

    /// How people see it (K-3, K-4).
    pub(super) fn view(&self) -> ConnectionView<'_> {
        let left = u32::try_from(self.left()).unwrap_or(0);
        let state = match (self.is_template(), self.state()) {
            (false, state) => timeouts::name(self.key, state),
            (true, TEMPLATE_NONE) => "NONE",
            (true, _) => "ASSURED",
        };
        let port = match self.status.load(Relaxed) & INVALID {
            0 => self.real.port,
            _ => INVALID_PORT,
        };
        ConnectionView {
            protocol: self.protocol(),
            client: (F::ip(self.client.addr), self.client.port),
            virt: (F::ip(self.virt.addr), self.virt.port),
            dest: (self.destination.id.addr, port),
            state,
            expires: left / time::HZ,
            engine: self
                .data
                .as_ref()
                .map(|data| (Engine::Sip.name(), data.found())),
            is_synced: self.is_synced(),
        }
    }
}
