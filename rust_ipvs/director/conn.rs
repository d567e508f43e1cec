// SPDX-License-Identifier: GPL-2.0

//! Connections: which client talks to which destination, and how.
//!
//! # Layout
//!
//! What every packet reads lies in the first 64 bytes of an IPv4 connection: the chain words, the
//! three endpoints, the destination and the state. Of these, a packet writes `last_seen`, once a
//! jiffy at the most, and the others only when the state changes.

mod announced;
pub(crate) mod clock;
pub(crate) mod conntrack;
mod expected;
mod family;
mod no_cport;
mod status;
mod sync_state;
mod synced;
mod table;
pub(crate) mod template;
pub(crate) mod timeouts;

pub(crate) use self::{
    family::InetFamily,
    no_cport::NoCport,
    status::{
        Kind,
        NextState, //
    },
    sync_state::SyncUpdate,
    table::{
        AfQueues,
        Connections, //
    },
    template::Data,
    timeouts::{
        Timeout,
        Timeouts, //
    },
};

use self::{
    expected::Expected,
    status::{
        Account,
        End,
        Status, //
    },
    sync_state::SyncState,
    timeouts::{
        FIRST_TIMEOUT,
        LATER, //
    },
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
    },
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Mark of a template's protocol in its key, so that no packet finds it (C-9): the result is
/// none of the protocols that packets are looked up by.
const TEMPLATE_KEY: u8 = 0xc0;

/// The mark in the key of a connection that was given up, which no packet finds: no protocol that
/// packets are looked up by has the bit, and no template's key.
const GIVEN_UP_KEY: u8 = 0x20;

/// The destination's port that is shown of a template which nobody finds again (P-7).
const INVALID_PORT: u16 = 0xffff;

/// Role of a packet in a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PacketRole {
    /// From the client to the VIP.
    Request,
    /// From the destination, or a VIP that answers for it, to the client.
    Reply,
}

/// A connection. It is found by client and VIP, and with NAT by client and destination too.
///
/// A template is one as well, found by what is left of the client and of the VIP once it is known
/// which connections it is to gather (P-3). It has no packets of its own.
#[repr(C)]
pub(crate) struct Connection<F: InetFamily> {
    pub(crate) links: Links,
    pub(crate) client: Endpoint<F>,
    pub(crate) virt: Endpoint<F>,
    /// Destination to which NAT sends it; with other methods the destination's own, where it is of
    /// this family.
    pub(crate) real: Endpoint<F>,
    /// The protocol; with a mark for a template, and for a connection that was given up.
    key: Word<u8>,
    pub(crate) method: ForwardMethod,
    status: Status,
    pub(crate) destination: RcuArc<Destination>,
    /// Time of the last packet, in jiffies.
    pub(super) last_seen: Word<u32>,
    /// After how many jiffies without a packet the connection ends.
    pub(crate) timeout: Atomic<u32>,
    pub(crate) wheel: WheelLinks,
    /// The template, or the connection, that this connection belongs to.
    control: ControlRef<Connection<F>>,
    /// Data of the persistence engine, of a template.
    data: Option<KBox<Data>>,
    /// State of synchronisation.
    sync: SyncState,
    /// The data connections that it announced, of FTP's control connections.
    expected: Expected,
}

impl_entry! {
    impl<F: InetFamily> TableEntry for Connection<F> {
        slot: Connection::<F>::slot,
        removed: Connection::<F>::ended,
    }
}

const _: () = assert!(size_of::<Connection<V4>>() <= 128);
const _: () = assert!(size_of::<Connection<V6>>() <= 192);
const _: () = assert!(core::mem::offset_of!(Connection<V4>, wheel) <= 64);

impl<F: InetFamily> Connection<F> {
    /// A connection that no packet has passed yet, and that `control` controls.
    #[inline(always)]
    pub(crate) fn new(
        protocol: u8,
        (client, virt, real): (Endpoint<F>, Endpoint<F>, Endpoint<F>),
        destination: RcuArc<Destination>,
        control: ControlRef<Connection<F>>,
    ) -> Self {
        let method = destination.method();
        let status = Status::connection(method != ForwardMethod::MASQ, control.is_some());
        Self {
            links: Links::new(),
            client,
            virt,
            real,
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
            expected: Expected::new(),
        }
    }

    /// A connection to wherever its packets are addressed (S-15). It is bound to the bypass
    /// destination.
    pub(crate) fn bypass(
        protocol: u8,
        ends: (Endpoint<F>, Endpoint<F>, Endpoint<F>),
        bypass_dest: RcuArc<Destination>,
    ) -> Self {
        let mut connection = Self::new(protocol, ends, bypass_dest, ControlRef::none());
        // Nobody has said that no reply passes here.
        connection.status = Status::connection(false, false);
        connection
    }

    /// A template (P-9). Its client and VIP are those of its key, and `timeout` is in jiffies.
    pub(crate) fn template(
        protocol: u8,
        (client, virt, real): (Endpoint<F>, Endpoint<F>, Endpoint<F>),
        destination: RcuArc<Destination>,
        (kind, data): (Kind, Option<KBox<Data>>),
        timeout: u32,
    ) -> Self {
        let ends = (client, virt, real);
        let mut template = Self::new(protocol, ends, destination, ControlRef::none());
        template.key = Word::new(Self::template_key(protocol));
        template.status = Status::template(kind);
        template.timeout = Atomic::new(timeout);
        template.data = data;
        template
    }

    /// Returns whether connection tracking knows the connection: it keeps the entries of its
    /// packets, and takes its own with it (N-1).
    pub(crate) fn is_tracked(&self) -> bool {
        self.status.load().is_tracked()
    }

    /// The connection, left to connection tracking too if it is `tracked` (N-1).
    pub(crate) fn tracked(mut self, tracked: bool) -> Self {
        self.track(tracked);
        self
    }

    /// As [`Self::tracked`], where the connection is: to pass it on would be to copy it.
    #[inline(always)]
    pub(crate) fn track(&mut self, tracked: bool) {
        if tracked {
            self.status.track();
        }
    }

    /// Leaves what connection tracking knows by this connection's ends to another from now on
    /// (S-19).
    pub(crate) fn leave_to_others(&self) {
        self.status.untrack();
    }

    /// Makes the connection end with its first packet (S-12).
    pub(crate) fn ops(mut self) -> Self {
        self.status.make_ops();
        self
    }

    /// Returns whether it ends with its first packet.
    pub(crate) fn is_ops(&self) -> bool {
        self.status.load().is_ops()
    }

    /// Returns whether it is a template of a kind that may be used.
    pub(crate) fn is_kind(&self, kind: Kind) -> bool {
        self.status.load().is_kind(kind)
    }

    /// Returns what a persistence engine goes by; nothing where that is the client.
    pub(crate) fn data(&self) -> &[u8] {
        self.data.as_ref().map_or(&[], |data| data.found())
    }

    /// The template's destination is of no use: nobody finds the template again (P-7).
    pub(crate) fn invalidate(&self) {
        self.status.invalidate();
    }

    /// Has no packet find the connection again, and no other connection be its duplicate: the
    /// client begins anew with its port, or its destination is gone (S-19, S-22). It controls
    /// others, so it stays in the table until they have ended. What connection tracking knows by
    /// its ends is another's from now on.
    pub(crate) fn give_up(&self) {
        self.status.untrack();
        // All CPUs that do so store the same. The protocol never changes.
        self.key.store(self.key.load() | GIVEN_UP_KEY);
        self.stay();
    }

    /// Returns whether the connection was given up.
    pub(super) fn is_given_up(&self) -> bool {
        self.key.load() & GIVEN_UP_KEY != 0
    }

    /// Has the timeout be that of the connection's state, `own` jiffies if another packet has not
    /// changed the state meanwhile. `of` says the timeout of a state. Returns whether it is shorter
    /// than before.
    pub(crate) fn settle_timeout(&self, own: u32, of: impl Fn(u8) -> u32) -> bool {
        self.status.settle_timeout(&self.timeout, own, of)
    }

    /// Returns what stands for a protocol in the hash of a template.
    pub(crate) const fn template_key(protocol: u8) -> u8 {
        protocol ^ TEMPLATE_KEY
    }

    /// The protocol; of a template for marked packets `IPPROTO_IP`, 0.
    pub(crate) fn protocol(&self) -> u8 {
        let key = self.key.load() & !GIVEN_UP_KEY;
        if self.is_template() {
            key ^ TEMPLATE_KEY
        } else {
            key
        }
    }

    /// Returns whether a packet of a connection or, with [`Connection::template_key`], of a
    /// template would have the same key.
    pub(crate) fn is_of(&self, key: u8, client: &Endpoint<F>, virt: &Endpoint<F>) -> bool {
        self.key.load() == key && self.client == *client && self.virt == *virt
    }

    /// Returns whether it is a template.
    pub(crate) fn is_template(&self) -> bool {
        self.status.load().is_template()
    }

    /// Returns whether another controls it.
    pub(crate) fn is_controlled(&self) -> bool {
        self.control.is_some()
    }

    /// Returns whether it controls others (C-16).
    pub(crate) fn controls(&self) -> bool {
        self.wheel.n_control() != 0
    }

    /// Its time has passed while it controls others: it gets some more (C-16).
    ///
    /// A template keeps its timeout for the next connection (P-17, and Q-1, which is not so here):
    /// it is as if one had come as much later, or earlier, as the times differ.
    pub(crate) fn stay(&self) {
        let now = time::jiffies32();
        if self.is_template() {
            let ahead = LATER.wrapping_sub(self.timeout.load(Relaxed));
            self.last_seen.store(now.wrapping_add(ahead));
        } else {
            self.timeout.store(LATER, Relaxed);
            self.last_seen.store(now);
        }
    }

    /// A connection came to the template: it stays for its timeout from now on (P-12).
    ///
    /// Returns whether it now ends earlier than its place on the wheel says: it was to stay longer,
    /// for the connections that it controls. Of many connections in a jiffy one writes.
    pub(crate) fn refresh(&self) -> bool {
        let before = self.left();
        self.touch();
        before > self.timeout.load(Relaxed) as i32
    }

    /// Returns whether a connection has shown that it is real, of those that the template
    /// controlled (P-15).
    pub(crate) fn is_assured(&self) -> bool {
        self.status.load().is_assured()
    }

    /// A packet of the client came to a connection of the template that ended with it (P-11).
    pub(crate) fn count_request(&self) {
        self.status.count_request();
    }

    /// Returns how many packets of the client came; those beyond few are one more than few.
    pub(crate) fn requests(&self) -> u8 {
        self.status.load().requests()
    }

    /// For how many seconds no packet came.
    pub(crate) fn idle_seconds(&self) -> u32 {
        // A template that stayed beyond its time was last seen in the time to come.
        let idle = i64::from(self.timeout.load(Relaxed)).saturating_sub(self.left().into());
        u32::try_from(idle).unwrap_or(0) / time::HZ
    }

    /// The template that controls it; of FTP's data connections, the control connection.
    pub(crate) fn control<'g>(&'g self, rcu: Rcu<'g>) -> Option<&'g Self> {
        self.control.get(rcu)
    }

    /// Returns what a packet is to this connection, which was found in a direction of the table.
    ///
    /// A reply is recognised by the destination's endpoint with NAT, and by the VIP's with methods
    /// by which the destination answers in the VIP's name (C-9, C-11).
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
            if self.client == *src && self.virt == *dst {
                return Some(PacketRole::Request);
            }
            let answers_as_vip = self.method != ForwardMethod::MASQ;
            if answers_as_vip && self.client == *dst && self.virt == *src {
                return Some(PacketRole::Reply);
            }
        } else if self.client == *dst && self.real == *src {
            return Some(PacketRole::Reply);
        }
        None
    }

    /// The number of the protocol's state.
    #[inline(always)]
    pub(crate) fn state(&self) -> u8 {
        self.status.load().state()
    }

    /// Returns whether no reply has been seen and none is expected.
    pub(crate) fn is_silent(&self) -> bool {
        self.status.load().is_silent()
    }

    /// Returns whether a packet that leaves the protocol's `state` as it is changes nothing but the
    /// number of the client's packets (C-27), in which it is counted then.
    #[inline(always)]
    pub(crate) fn count_only(&self, direction: Direction, state: u8) -> bool {
        self.status.count_only(direction, state)
    }

    /// Moves the connection to its next state, and the destination's count of active ones with it,
    /// if it counts the connection.
    ///
    /// `next` says, of the direction that holds and the present state, which is next, whether it
    /// is an active one (T-2, T-6), and whether the packet shows that the connection is real
    /// (P-15).
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

    /// Carries out what a change of the status asks for.
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

    /// Has the destination count the connection (C-22).
    #[inline(always)]
    pub(crate) fn count(&self) {
        if let Some(active) = self.status.count() {
            self.destination.bind(active);
        }
    }

    /// A packet passed, now.
    #[inline(always)]
    pub(crate) fn touch(&self) {
        self.last_seen.update(time::jiffies32());
    }

    /// Jiffies until the connection ends if no packet comes; negative where that has passed.
    pub(crate) fn left(&self) -> i32 {
        let idle = time::jiffies32().wrapping_sub(self.last_seen.load());
        self.timeout.load(Relaxed).wrapping_sub(idle) as i32
    }

    /// The slot of the wheel for when the connection ends if no packet comes.
    fn slot(&self) -> u16 {
        clock::slot(self.left())
    }

    /// The connection has left the table, or did not get into it.
    fn ended(&self) {
        match self.status.end() {
            End::Template => self.destination.unbind_template(),
            End::Counted { active } => self.destination.unbind(active),
            End::Uncounted => {}
        }
        if self.has_app() {
            self.destination.counted.count_app(false);
        }
        self.control.release();
    }

    /// Returns it as administrators see it (K-3, K-4).
    pub(crate) fn view(&self) -> ConnectionView<'_> {
        let left = u32::try_from(self.left()).unwrap_or(0);
        let status = self.status.load();
        let state = match (status.is_template(), status.is_assured()) {
            (false, _) => timeouts::name(self.protocol(), status.state()),
            (true, false) => "NONE",
            (true, true) => "ASSURED",
        };
        let port = match status.is_invalid() {
            false => self.real.port,
            true => INVALID_PORT,
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
            is_synced: status.is_synced(),
        }
    }
}
