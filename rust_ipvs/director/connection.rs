// SPDX-License-Identifier: GPL-2.0

//! Connections: which client talks to which destination, and how.
//!
//! # Layout
//!
//! What every packet reads lies in the first 64 bytes of an IPv4 connection: the chain words, the three
//! endpoints, the destination and the state. Of these, a packet writes `last_seen`, once a
//! jiffy at the most, and the others only when the state changes.

use super::{
    destination::Destination,
    stack::Stack,
    timeouts::{
        self,
        FIRST_TIMEOUT, //
    },
};
use crate::{
    impl_entry,
    kapi::{
        once::Word,
        shared::RcuArc,
        table::{
            Aging,
            Links, //
        },
        time, //
    },
    logic::{
        config::{
            ConnectionView,
            ForwardMethod, //
        },
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
use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// Where in [`Connection::status`] the protocol's state is.
const STATE: u32 = 0xff;
/// The connection is in no active state, so its destination counts it as inactive (C-2).
const INACTIVE: u32 = 0x100;
/// No reply has been seen, and none is expected to pass here (C-2, T-2).
const NO_OUTPUT: u32 = 0x200;

/// What a packet is to a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// From the client to the VIP.
    Request,
    /// From the destination, or a VIP that answers for it, to the client.
    Reply,
}

/// A connection. It is found by client and VIP, and with NAT by client and destination too.
#[repr(C)]
pub(crate) struct Connection<F: Stack> {
    pub(super) links: Links,
    pub(super) client: Endpoint<F>,
    pub(super) virt: Endpoint<F>,
    /// Where NAT sends it; with other methods the destination's own, where it is of this family.
    pub(super) real: Endpoint<F>,
    pub(super) protocol: u8,
    pub(super) method: ForwardMethod,
    /// State and flags in one word, so that they change together.
    status: Atomic<u32>,
    pub(super) destination: RcuArc<Destination>,
    /// When the last packet came, in jiffies.
    pub(super) last_seen: Word<u32>,
    /// After how many jiffies without a packet the connection ends.
    pub(super) timeout: Word<u32>,
    pub(super) aging: Aging,
}

impl_entry! {
    impl<F: Stack> Entry for Connection<F> { removed: Connection::<F>::ended }
}

const _: () = assert!(size_of::<Connection<V4>>() <= 128);
const _: () = assert!(size_of::<Connection<V6>>() <= 192);
const _: () = assert!(core::mem::offset_of!(Connection<V4>, aging) <= 64);

impl<F: Stack> Connection<F> {
    /// A connection that no packet has passed yet.
    pub(super) fn new(
        protocol: u8,
        (client, virt, real): (Endpoint<F>, Endpoint<F>, Endpoint<F>),
        destination: RcuArc<Destination>,
    ) -> Self {
        let method = destination.method();
        let silent = if method == ForwardMethod::MASQ {
            0
        } else {
            NO_OUTPUT
        };
        Self {
            links: Links::new(),
            client,
            virt,
            real,
            protocol,
            method,
            status: Atomic::new(INACTIVE | silent | u32::from(tcp::NONE)),
            destination,
            last_seen: Word::new(time::jiffies32()),
            timeout: Word::new(FIRST_TIMEOUT),
            aging: Aging::new(),
        }
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
        if self.protocol != protocol {
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

    /// Moves the connection to its next state, and the destination's count of active ones with it.
    ///
    /// `next` says, of the direction that holds and the present state, which is next and whether it
    /// is an active one (T-2, T-6). The destination is told only where it counts the connection, which
    /// `bound` says.
    #[inline(always)]
    pub(super) fn advance(
        &self,
        bound: bool,
        direction: Direction,
        next: impl Fn(Direction, u8) -> (u8, bool),
    ) -> u8 {
        let mut old = self.status.load(Relaxed);
        loop {
            let (direction, kept) = match direction {
                Direction::Output => (direction, old & !(STATE | NO_OUTPUT)),
                _ if old & NO_OUTPUT != 0 => (Direction::InputOnly, old & !STATE),
                _ => (direction, old & !STATE),
            };
            let (state, active) = next(direction, (old & STATE) as u8);
            let inactive = if active { 0 } else { INACTIVE };
            let new = (kept & !INACTIVE) | inactive | u32::from(state);
            if new == old {
                return state;
            }
            match self.status.cmpxchg(old, new, Relaxed) {
                Ok(_) => {
                    if (old ^ new) & INACTIVE != 0 && bound {
                        self.destination.activity(active);
                    }
                    return state;
                }
                Err(other) => old = other,
            }
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

    /// The connection has left the table.
    fn ended(&self) {
        self.destination.unbind(self.is_active());
    }

    /// How people see it (K-3, K-4).
    pub(super) fn view(&self) -> ConnectionView {
        let left = u32::try_from(self.left()).unwrap_or(0);
        ConnectionView {
            protocol: self.protocol,
            client: (F::ip(self.client.addr), self.client.port),
            virt: (F::ip(self.virt.addr), self.virt.port),
            dest: (self.destination.id.addr, self.real.port),
            state: timeouts::name(self.protocol, self.state()),
            expires: left / time::HZ,
        }
    }
}
