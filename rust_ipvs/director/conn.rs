// SPDX-License-Identifier: GPL-2.0

//! Connections: the table entry (C: `struct ip_vs_conn`), its timeouts, and its conntrack entry.
//!
//! Main types: [`Connection`] is the entry of a connection or template, [`ConnTable`] the hash
//! table of an address family, [`Status`] the state and all flags of a connection in one atomic
//! word, [`Timeouts`](timeouts::Timeouts) the timeouts of the protocol states, and [`InetFamily`]
//! an address family with its kernel services. This folder may use `dest` of the director's
//! folders, and no other.
//!
//! # Layout
//!
//! The first 64 bytes of an IPv4 connection hold all that every packet reads: the chain pointers,
//! the three endpoints, the destination and the status. Of these a packet writes `last_seen`, at
//! most once a jiffy, and the others only when the state changes.

mod app;
pub(crate) mod clock;
pub(crate) mod conntrack;
mod engine_data;
mod facts;
mod family;
mod no_cport;
mod reset;
mod status;
mod sync_state;
mod synced;
mod table;
mod template;
pub(crate) mod timeouts;
mod word_pair;

pub(crate) use self::{
    engine_data::Data,
    family::InetFamily,
    no_cport::NoCport,
    status::{
        Kind,
        NextState, //
    },
    sync_state::SyncUpdate,
    table::{
        AfQueues,
        ConnTable, //
    },
    template::TemplateId,
    timeouts::{
        Timeout,
        Timeouts, //
    },
    word_pair::Stamp,
};

use self::{
    status::{
        Account,
        EndAccount,
        Status, //
    },
    sync_state::SyncState,
    timeouts::{
        FIRST_TIMEOUT,
        LATER, //
    },
    word_pair::WordPair,
};
use crate::{
    director::dest::Destination,
    impl_entry,
    kapi::{
        once::Word,
        rcu::{
            self,
            Rcu, //
        },
        shared::RcuArc,
        table::{
            ControlRef,
            Directions,
            Links,
            WheelLinks, //
        },
        time, //
    },
    logic::{
        config::{
            ConnectionView,
            ForwardMethod, //
        },
        direction::Direction,
        engine::Engine,
        family::{
            Endpoint,
            V4,
            V6, //
        },
        hash::HashKey,
    },
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Bits that are flipped in the protocol of a template's key, so that no packet finds it (C-9): the
/// result is no protocol that packets are looked up by.
const TEMPLATE_KEY: u8 = 0xc0;

/// Bit that is set in the key of an unhashed connection, so that no packet finds it. Neither the
/// protocols that packets are looked up by nor the keys of templates have it.
const GIVEN_UP_KEY: u8 = 0x20;

/// Destination port that is shown for an invalidated template (P-7).
const INVALID_PORT: u16 = 0xffff;

/// Role of a packet in a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PacketRole {
    /// Request from the client to the VIP.
    Request,
    /// Reply to the client, from the destination or from the VIP.
    Reply,
}

/// Endpoints of a connection.
#[derive(Clone, Copy)]
pub(crate) struct ConnTuple<F: InetFamily> {
    pub(crate) client: Endpoint<F>,
    pub(crate) vip: Endpoint<F>,
    /// Address and port that NAT rewrites packets to. With other methods the destination's own, if
    /// it is of this family.
    pub(crate) dest: Endpoint<F>,
}

/// Connection. Its hash keys are client and VIP, and with NAT also client and destination.
///
/// A template is an entry of the same type, without packets of its own. Its key is the part of
/// client and VIP that its connections have in common (P-3).
#[repr(C)]
pub(crate) struct Connection<F: InetFamily> {
    pub(crate) links: Links,
    pub(crate) client: Endpoint<F>,
    pub(crate) vip: Endpoint<F>,
    /// Address and port that NAT rewrites packets to. With other methods the destination's own, if
    /// it is of this family.
    pub(crate) dest: Endpoint<F>,
    /// Protocol; altered for templates and for unhashed connections.
    key: Word<u8>,
    pub(crate) method: ForwardMethod,
    status: Status,
    pub(crate) destination: RcuArc<Destination>,
    /// Time of the last packet, in jiffies.
    pub(super) last_seen: Word<u32>,
    /// Time without a packet after which the connection expires, in jiffies.
    pub(crate) timeout: Atomic<u32>,
    pub(crate) wheel: WheelLinks,
    /// Controlling entry (C: `cp->control`): the template, or FTP's control connection.
    control: ControlRef<Connection<F>>,
    /// Data of the persistence engine; templates only.
    data: Option<KBox<Data>>,
    /// Synchronisation state.
    sync: SyncState,
    /// Expected data connections of FTP's control connections; stamps of the fast path in all
    /// others.
    words: WordPair,
}

impl_entry! {
    impl<F: InetFamily> TableEntry for Connection<F> {
        key: HashKey,
        hash: Connection::<F>::hash,
        slot: Connection::<F>::slot,
        removed: Connection::<F>::ended,
    }
}

const _: () = assert!(size_of::<Connection<V4>>() <= 128);
const _: () = assert!(size_of::<Connection<V6>>() <= 192);
const _: () = assert!(core::mem::offset_of!(Connection<V4>, wheel) <= 64);

impl<F: InetFamily> Connection<F> {
    /// Creates a connection without packets. `control` is its controlling entry.
    #[inline(always)]
    pub(crate) fn new(
        protocol: u8,
        ConnTuple { client, vip, dest }: ConnTuple<F>,
        destination: RcuArc<Destination>,
        control: ControlRef<Connection<F>>,
    ) -> Self {
        let method = destination.method();
        let status = Status::connection(method != ForwardMethod::MASQ, control.is_some());
        Self {
            links: Links::new(),
            client,
            vip,
            dest,
            key: Word::new(protocol),
            method,
            status,
            destination,
            last_seen: Word::new(time::jiffies32()),
            timeout: Atomic::new(FIRST_TIMEOUT),
            wheel: WheelLinks::new(),
            control,
            data: None,
            sync: SyncState::new(),
            words: WordPair::new(),
        }
    }

    /// Creates a `cache_bypass` connection to the packet's own destination address (S-15). It is
    /// bound to the bypass destination.
    pub(crate) fn bypass(
        protocol: u8,
        tuple: ConnTuple<F>,
        bypass_dest: RcuArc<Destination>,
    ) -> Self {
        let mut connection = Self::new(protocol, tuple, bypass_dest, ControlRef::none());
        // Unlike with other methods, replies may pass here: NO_OUTPUT is not set.
        connection.status = Status::connection(false, false);
        connection
    }

    /// Creates a template (P-9) with client and VIP of its key. `timeout` is in jiffies.
    pub(crate) fn template(
        protocol: u8,
        tuple: ConnTuple<F>,
        destination: RcuArc<Destination>,
        (kind, data): (Kind, Option<KBox<Data>>),
        timeout: u32,
    ) -> Self {
        let mut template = Self::new(protocol, tuple, destination, ControlRef::none());
        template.key = Word::new(Self::template_key(protocol));
        template.status = Status::template(kind);
        template.timeout = Atomic::new(timeout);
        template.data = data;
        template
    }

    /// Returns whether the connection uses conntrack: its packets keep their conntrack entries, and
    /// the entry is deleted with the connection (N-1).
    pub(crate) fn is_tracked(&self) -> bool {
        self.status.load().is_tracked()
    }

    /// Sets whether the connection uses conntrack (N-1).
    pub(crate) fn tracked(mut self, tracked: bool) -> Self {
        self.track(tracked);
        self
    }

    /// [`Self::tracked`] in place, without a copy of the connection.
    #[inline(always)]
    pub(crate) fn track(&mut self, tracked: bool) {
        if tracked {
            self.status.track();
        }
    }

    /// Sets whether the connection, which is not in the table yet, uses conntrack.
    pub(crate) fn retrack(&mut self, tracked: bool) {
        match tracked {
            true => self.status.track(),
            false => self.status.untrack(),
        }
    }

    /// Stops the use of conntrack: the entry with this connection's addresses now belongs to a new
    /// connection (S-19).
    pub(crate) fn leave_to_others(&self) {
        self.status.untrack();
    }

    /// Marks the connection as an OPS one, which ends with its first packet (S-12).
    pub(crate) fn ops(mut self) -> Self {
        self.status.make_ops();
        self
    }

    /// Returns whether the connection ends with its first packet.
    pub(crate) fn is_ops(&self) -> bool {
        self.status.load().is_ops()
    }

    /// Returns whether the entry is a valid template of the given kind.
    pub(crate) fn is_kind(&self, kind: Kind) -> bool {
        self.status.load().is_kind(kind)
    }

    /// Returns the data of the persistence engine; empty if the template's key is the client's
    /// address.
    pub(crate) fn data(&self) -> &[u8] {
        self.data.as_ref().map_or(&[], |data| data.found())
    }

    /// Invalidates the template, whose destination is not available: no look-up finds it again
    /// (P-7).
    pub(crate) fn invalidate(&self) {
        self.status.invalidate();
    }

    /// Unhashes a connection that controls others: no packet finds it, and another connection may
    /// have the same key. Used if the client reuses its port, or the destination is not available
    /// (S-19, S-22). The entry stays in the table until the controlled connections have ended, and
    /// does not use conntrack any more.
    pub(crate) fn give_up(&self) {
        self.unhash();
        self.extend();
    }

    /// Unhashes a connection as [`Self::give_up`] does, and leaves its expiry time.
    fn unhash(&self) {
        self.status.untrack();
        // The protocol never changes, so concurrent callers store the same value.
        self.key.store(self.key.load() | GIVEN_UP_KEY);
    }

    /// Returns whether the connection was unhashed.
    pub(super) fn is_given_up(&self) -> bool {
        self.key.load() & GIVEN_UP_KEY != 0
    }

    /// Sets the timeout to `own` jiffies, or to that of the present state if another packet has
    /// changed the state meanwhile. `of` returns the timeout of a state. Returns whether the
    /// timeout became shorter.
    pub(crate) fn settle_timeout(&self, own: u32, of: impl Fn(u8) -> u32) -> bool {
        self.status.settle_timeout(&self.timeout, own, of)
    }

    /// Returns the timeout of a state in jiffies: that of the destination's service, or that of the
    /// namespace.
    pub(crate) fn timeout_of(&self, timeouts: &Timeouts, protocol: u8, state: u8) -> u32 {
        let own = self.destination.own.timeout(protocol, state);
        own.unwrap_or_else(|| timeouts.of(protocol, state))
    }

    /// Returns whether the connection has the timeout that its destination's service has for the
    /// present state, if any. `protocol` is that of the connection.
    #[inline(never)]
    pub(crate) fn has_own_timeout(&self, protocol: u8) -> bool {
        let own = self.destination.own.timeout(protocol, self.state());
        own.is_none_or(|own| own == self.timeout.load(Relaxed))
    }

    /// Returns the protocol of a template's key.
    pub(crate) const fn template_key(protocol: u8) -> u8 {
        protocol ^ TEMPLATE_KEY
    }

    /// Returns the part of a key that is hashed: all but the bit of a connection that was given up,
    /// whose hash does not change.
    pub(super) const fn hashed_key(key: u8) -> u8 {
        key & !GIVEN_UP_KEY
    }

    /// Returns the protocol; `IPPROTO_IP` (0) for the template of a firewall mark service.
    pub(crate) fn protocol(&self) -> u8 {
        let key = Self::hashed_key(self.key.load());
        if self.is_template() {
            key ^ TEMPLATE_KEY
        } else {
            key
        }
    }

    /// Returns whether the entry has the given key. For templates, `key` is
    /// [`Connection::template_key`].
    pub(crate) fn is_of(&self, key: u8, client: &Endpoint<F>, vip: &Endpoint<F>) -> bool {
        self.key.load() == key && self.client == *client && self.vip == *vip
    }

    /// Returns whether a connection is the same as this one, which must not be a template: of the
    /// same protocol, client and VIP.
    pub(crate) fn is_duplicate(&self, other: &Self) -> bool {
        other.is_of(self.key.load(), &self.client, &self.vip)
    }

    /// Returns whether the entry is a template.
    pub(crate) fn is_template(&self) -> bool {
        self.status.load().is_template()
    }

    /// Returns whether the entry has a controlling entry.
    pub(crate) fn is_controlled(&self) -> bool {
        self.control.is_some()
    }

    /// Returns whether the entry controls others (C: `n_control`; C-16).
    pub(crate) fn controls(&self) -> bool {
        self.wheel.n_control() != 0
    }

    /// Extends the life of an expired entry that controls others by 60 s (C-16).
    ///
    /// A template keeps its `timeout` for the next connection (P-17; C IPVS overwrites it, Q-1). So
    /// `last_seen` is moved by the difference instead, possibly into the future.
    pub(crate) fn extend(&self) {
        let now = time::jiffies32();
        if self.is_template() {
            let ahead = LATER.wrapping_sub(self.timeout.load(Relaxed));
            self.last_seen.store(now.wrapping_add(ahead));
        } else {
            self.timeout.store(LATER, Relaxed);
            self.last_seen.store(now);
        }
    }

    /// Restarts the timer of a template for a new connection (P-12).
    ///
    /// Returns whether the template now expires earlier than its wheel slot says, as it had been
    /// extended for the connections that it controls. Writes at most once a jiffy.
    pub(crate) fn refresh(&self) -> bool {
        let before = self.left();
        self.touch();
        before > self.timeout.load(Relaxed) as i32
    }

    /// Returns whether one of the template's connections has been established
    /// (`IP_VS_CTPL_S_ASSURED`; P-15).
    pub(crate) fn is_assured(&self) -> bool {
        self.status.load().is_assured()
    }

    /// Counts an OPS packet of the client at the template (P-11).
    pub(crate) fn count_request(&self) {
        self.status.count_request();
    }

    /// Returns the number of the client's packets, saturated at `defense::FEW + 1`.
    pub(crate) fn requests(&self) -> u8 {
        self.status.load().requests()
    }

    /// Returns the time since the last packet, in seconds.
    pub(crate) fn idle_seconds(&self) -> u32 {
        // `last_seen` of an extended template may be in the future.
        let idle = i64::from(self.timeout.load(Relaxed)).saturating_sub(self.left().into());
        u32::try_from(idle).unwrap_or(0) / time::HZ
    }

    /// Returns the controlling entry: the template, or FTP's control connection.
    pub(crate) fn control<'g>(&'g self, rcu: Rcu<'g>) -> Option<&'g Self> {
        self.control.get(rcu)
    }

    /// Returns the role of a packet, given the direction in which the table found this entry.
    ///
    /// A reply has the destination's endpoint as its source with NAT, and the VIP's with other
    /// methods (C-9, C-11).
    #[inline(always)]
    pub(crate) fn role(
        &self,
        direction: usize,
        protocol: u8,
        src: &Endpoint<F>,
        dst: &Endpoint<F>,
    ) -> Option<PacketRole> {
        if self.key.load() != protocol {
            return None;
        }
        if direction == 0 {
            if self.client == *src && self.vip == *dst {
                return Some(PacketRole::Request);
            }
            let answers_as_vip = self.method != ForwardMethod::MASQ;
            if answers_as_vip && self.client == *dst && self.vip == *src {
                return Some(PacketRole::Reply);
            }
        } else if self.client == *dst && self.dest == *src {
            return Some(PacketRole::Reply);
        }
        None
    }

    /// Returns the protocol's state.
    #[inline(always)]
    pub(crate) fn state(&self) -> u8 {
        self.status.load().state()
    }

    /// Returns whether no reply has been seen and none is expected (`IP_VS_CONN_F_NOOUTPUT`).
    pub(crate) fn is_silent(&self) -> bool {
        self.status.load().is_silent()
    }

    /// Returns whether a packet that leaves the protocol in `state` changes nothing but the number
    /// of the client's packets (C-27), and counts it in that case.
    #[inline(always)]
    pub(crate) fn count_only(&self, direction: Direction, state: u8) -> bool {
        self.status.count_only(direction, state)
    }

    /// Changes to the next state, and corrects the destination's number of active connections if
    /// the destination counts this one.
    ///
    /// `next` maps the direction that applies and the present state to the next state (T-2, T-6,
    /// P-15).
    #[inline(always)]
    pub(crate) fn advance(
        &self,
        direction: Direction,
        next: impl Fn(Direction, u8) -> NextState,
    ) -> u8 {
        let (state, account) = self.status.advance(direction, next);
        if !account.is_nothing() {
            self.account(account);
        }
        state
    }

    /// Carries out the accounting of a status change.
    #[inline(never)]
    fn account(&self, account: Account) {
        if let Some(active) = account.activity() {
            self.destination.activity(active);
        }
        if account.assures() {
            rcu::read(|rcu| {
                if let Some(template) = self.control.get(rcu) {
                    template.status.assure();
                }
            });
        }
    }

    /// Counts the connection at the destination (C-22).
    #[inline(always)]
    pub(crate) fn count(&self) {
        if let Some(active) = self.status.count() {
            self.destination.bind(active);
        }
    }

    /// Sets `last_seen` to the present.
    #[inline(always)]
    pub(crate) fn touch(&self) {
        self.last_seen.update(time::jiffies32());
    }

    /// Returns the time in jiffies until the connection expires; negative if that has passed.
    pub(crate) fn left(&self) -> i32 {
        let idle = time::jiffies32().wrapping_sub(self.last_seen.load());
        self.timeout.load(Relaxed).wrapping_sub(idle) as i32
    }

    /// Returns the hash of the connection in a direction: of client and VIP, or of client and the
    /// address that NAT sends it to.
    #[inline(always)]
    fn hash(&self, direction: usize, key: &HashKey) -> u32 {
        let protocol = Self::hashed_key(self.key.load());
        if direction != 0 {
            return F::hash(key, &self.client, &self.dest, protocol);
        }
        engine_data::hash(key, self.data(), protocol, &self.client, &self.vip)
    }

    /// Returns the directions in which the connection can be looked up.
    pub(crate) fn directions(&self) -> Directions {
        match self.method == ForwardMethod::MASQ && !self.is_template() {
            true => Directions::Both,
            false => Directions::One,
        }
    }

    /// Returns the wheel slot of the expiry time.
    fn slot(&self) -> u16 {
        clock::slot(self.left())
    }

    /// Ends the accounting of a connection that was removed from the table or not inserted.
    fn ended(&self) {
        match self.status.end() {
            EndAccount::Template => self.destination.unbind_template(),
            EndAccount::Counted { active } => self.destination.unbind(active),
            EndAccount::Uncounted => {}
        }
        if self.has_app() {
            self.destination.counted.count_app(false);
        }
        self.control.release();
    }

    /// Returns the connection in the form in which it is dumped (K-3, K-4).
    pub(crate) fn view(&self) -> ConnectionView<'_> {
        let left = u32::try_from(self.left()).unwrap_or(0);
        let status = self.status.load();
        let state = timeouts::state_name(self.protocol(), status);
        let port = match status.is_invalid() {
            false => self.dest.port,
            true => INVALID_PORT,
        };
        ConnectionView {
            protocol: self.protocol(),
            client: (F::ip(self.client.addr), self.client.port),
            virt: (F::ip(self.vip.addr), self.vip.port),
            dest: (self.destination.id.addr, port),
            state,
            expires: left / time::HZ,
            engine: self
                .data
                .as_ref()
                .map(|data| (Engine::Sip.name(), data.found())),
            is_synced: status.is_synced(),
        }
    }
}
