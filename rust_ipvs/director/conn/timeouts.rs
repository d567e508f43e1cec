// SPDX-License-Identifier: GPL-2.0

//! Timeouts and names of protocol states (behaviour.rst 7.1 to 7.3).

use super::status::Snapshot;
use crate::{
    director::dest::ConfigHeld,
    kapi::{
        once::Word,
        time::HZ, //
    },
    logic::{
        config,
        packet::{
            SCTP,
            TCP,
            UDP, //
        },
        ripvs::TEMPLATE_STATES,
        sctp,
        tcp,
        udp, //
    },
};

/// Timeout of a connection without packets (C-4), in jiffies.
pub(super) const FIRST_TIMEOUT: u32 = 3 * HZ;

/// Extension of an expired entry that controls others (C-16), in jiffies.
pub(super) const LATER: u32 = 60 * HZ;

/// Bit of a [`Timeout`] that is set while a sync master runs.
///
/// The timeout stored in a connection never has it. So with a sync master each packet finds a
/// difference, and takes the slow path, which queues the connection for sending.
const SYNC_ACTIVE: u32 = 1 << 31;

/// Timeout of a state, with the [`SYNC_ACTIVE`] bit.
#[derive(Clone, Copy)]
pub(crate) struct Timeout(u32);

impl Timeout {
    /// Timeout before the first state: [`FIRST_TIMEOUT`].
    pub(crate) const FIRST: Self = Self(FIRST_TIMEOUT);

    /// Returns the timeout in jiffies; at most `i32::MAX`.
    #[inline(always)]
    pub(crate) const fn jiffies(self) -> u32 {
        self.0 & !SYNC_ACTIVE
    }

    /// Returns whether a sync master runs.
    #[inline(always)]
    pub(crate) const fn is_sync_active(self) -> bool {
        self.0 & SYNC_ACTIVE != 0
    }

    /// Returns whether a packet only has to touch its connection: the connection's timeout `own`,
    /// in jiffies, is the same, and no sync master runs. One comparison.
    #[inline(always)]
    pub(crate) const fn is_settled(self, own: u32) -> bool {
        self.0 == own
    }
}

/// Timeout of a state that an administrator may change while packets read it.
struct TimeoutWord(Word<u32>);

impl TimeoutWord {
    fn new(seconds: u32) -> Self {
        Self(Word::new(jiffies(seconds) & !SYNC_ACTIVE))
    }

    #[inline(always)]
    fn load(&self) -> Timeout {
        Timeout(self.0.load())
    }

    /// Sets the timeout; keeps the bit.
    fn set(&self, _: &mut ConfigHeld, seconds: u32) {
        let bit = self.0.load() & SYNC_ACTIVE;
        self.0.store(jiffies(seconds) & !SYNC_ACTIVE | bit);
    }

    /// Sets the bit; keeps the timeout.
    fn set_sync_active(&self, _: &mut ConfigHeld, is_active: bool) {
        let bit = if is_active { SYNC_ACTIVE } else { 0 };
        self.0.store(self.0.load() & !SYNC_ACTIVE | bit);
    }
}

/// Timeouts of a namespace, and the selection of its TCP state table.
///
/// Writers load and store; they prove with [`ConfigHeld`] that they hold the configuration mutex.
pub(crate) struct Timeouts {
    tcp: [TimeoutWord; tcp::STATES],
    udp: TimeoutWord,
    sctp: [TimeoutWord; sctp::STATES],
    /// 1 while the TCP state table of the `secure_tcp` defense applies (T-5).
    pub(crate) secure: Word<u32>,
}

/// Converts a persistence timeout to jiffies; limited to 99 days, so that differences of jiffies
/// stay positive.
pub(crate) fn persistence(seconds: u32) -> u32 {
    jiffies(seconds).min(i32::MAX as u32)
}

fn jiffies(seconds: u32) -> u32 {
    seconds.saturating_mul(HZ)
}

impl Timeouts {
    /// Creates the defaults (T-3, T-10, T-12).
    pub(crate) fn new() -> Self {
        let [udp] = udp::DEFAULT_TIMEOUTS;
        Self {
            tcp: tcp::DEFAULT_TIMEOUTS.map(TimeoutWord::new),
            udp: TimeoutWord::new(udp),
            sctp: sctp::DEFAULT_TIMEOUTS.map(TimeoutWord::new),
            secure: Word::new(0),
        }
    }

    /// Returns the timeout of an established TCP connection.
    #[inline(always)]
    pub(crate) fn established(&self) -> Timeout {
        let [_, established, ..] = &self.tcp;
        established.load()
    }

    /// Returns the timeout of a TCP state.
    #[inline(always)]
    pub(crate) fn tcp(&self, state: u8) -> Timeout {
        let word = self.tcp.get(usize::from(state));
        word.map_or(Timeout::FIRST, TimeoutWord::load)
    }

    /// Returns the timeout of UDP.
    #[inline(always)]
    pub(crate) fn udp(&self) -> Timeout {
        self.udp.load()
    }

    /// Returns the timeout of an SCTP state.
    pub(crate) fn sctp(&self, state: u8) -> Timeout {
        let word = self.sctp.get(usize::from(state));
        word.map_or(Timeout::FIRST, TimeoutWord::load)
    }

    /// Returns the timeout of a protocol's state, in jiffies.
    pub(crate) fn of(&self, protocol: u8, state: u8) -> u32 {
        let timeout = match protocol {
            TCP => self.tcp(state),
            SCTP => self.sctp(state),
            _ => self.udp(),
        };
        timeout.jiffies()
    }

    /// Returns whether a sync master runs.
    pub(crate) fn is_sync_active(&self) -> bool {
        self.udp().is_sync_active()
    }

    /// Sets whether a sync master runs.
    pub(crate) fn set_sync_active(&self, held: &mut ConfigHeld, is_active: bool) {
        let words = self.tcp.iter().chain(&self.sctp).chain([&self.udp]);
        for word in words {
            word.set_sync_active(held, is_active);
        }
    }

    /// Returns the timeouts that `IPVS_CMD_SET_CONFIG` can set (G-14).
    pub(crate) fn view(&self) -> config::AdminTimeouts {
        config::AdminTimeouts {
            tcp: self.of(TCP, tcp::ESTABLISHED) / HZ,
            tcp_fin: self.of(TCP, tcp::FIN_WAIT) / HZ,
            udp: self.of(UDP, udp::NORMAL) / HZ,
        }
    }

    /// Sets the timeouts that are given and not zero, in seconds.
    pub(crate) fn set(
        &self,
        held: &mut ConfigHeld,
        tcp: Option<u32>,
        tcp_fin: Option<u32>,
        udp: Option<u32>,
    ) {
        let mut set = |word: Option<&TimeoutWord>, seconds: Option<u32>| {
            if let (Some(word), Some(seconds @ 1..)) = (word, seconds) {
                word.set(held, seconds);
            }
        };
        set(self.tcp.get(usize::from(tcp::ESTABLISHED)), tcp);
        set(self.tcp.get(usize::from(tcp::FIN_WAIT)), tcp_fin);
        set(Some(&self.udp), udp);
    }
}

/// Returns the name of a state (T-15).
pub(crate) fn name(protocol: u8, state: u8) -> &'static str {
    match protocol {
        TCP => tcp::name(state),
        SCTP => sctp::name(state),
        _ => udp::name(state),
    }
}

/// Returns the name of the state of a connection or template.
pub(super) fn state_name(protocol: u8, status: Snapshot) -> &'static str {
    let [none, assured] = TEMPLATE_STATES;
    match (status.is_template(), status.is_assured()) {
        (false, _) => name(protocol, status.state()),
        (true, false) => none,
        (true, true) => assured,
    }
}
