// SPDX-License-Identifier: GPL-2.0

//! Timeout tables and names of protocol states (behaviour.rst 7.1 to 7.3).

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
        sctp,
        tcp,
        udp, //
    },
};

/// The timeout of a connection that no packet has passed yet (C-4), in jiffies.
pub(super) const FIRST_TIMEOUT: u32 = 3 * HZ;

/// Additional time of an entry that controls others when its time is up (C-16).
pub(super) const LATER: u32 = 60 * HZ;

/// The bit of a [`Timeout`] that is set while a sync master runs.
///
/// No connection has it in its own timeout, so each packet finds another timeout than its
/// connection has, and takes the path on which other directors are told.
const SYNC_ACTIVE: u32 = 1 << 31;

/// Timeout of a state, with whether a sync master runs.
#[derive(Clone, Copy)]
pub(crate) struct Timeout(u32);

impl Timeout {
    /// The timeout that belongs to no state: [`FIRST_TIMEOUT`].
    pub(crate) const FIRST: Self = Self(FIRST_TIMEOUT);

    /// The timeout, in jiffies; at most `i32::MAX`.
    #[inline(always)]
    pub(crate) const fn jiffies(self) -> u32 {
        self.0 & !SYNC_ACTIVE
    }

    /// Returns whether a sync master runs.
    #[inline(always)]
    pub(crate) const fn is_sync_active(self) -> bool {
        self.0 & SYNC_ACTIVE != 0
    }

    /// Returns whether a packet has nothing to do beyond touching its connection, whose timeout is
    /// `own` jiffies: that is the same, and no sync master runs. One comparison.
    #[inline(always)]
    pub(crate) const fn is_settled(self, own: u32) -> bool {
        self.0 == own
    }
}

/// Timeout of a state that administrators change while packets read it.
struct TimeoutWord(Word<u32>);

impl TimeoutWord {
    fn new(seconds: u32) -> Self {
        Self(Word::new(jiffies(seconds) & !SYNC_ACTIVE))
    }

    #[inline(always)]
    fn load(&self) -> Timeout {
        Timeout(self.0.load())
    }

    /// Sets the timeout, and leaves the bit.
    fn set(&self, _: &mut ConfigHeld, seconds: u32) {
        let bit = self.0.load() & SYNC_ACTIVE;
        self.0.store(jiffies(seconds) & !SYNC_ACTIVE | bit);
    }

    /// Sets the bit, and leaves the timeout.
    fn set_sync_active(&self, _: &mut ConfigHeld, is_active: bool) {
        let bit = if is_active { SYNC_ACTIVE } else { 0 };
        self.0.store(self.0.load() & !SYNC_ACTIVE | bit);
    }
}

/// The timeouts of a namespace, and by which tables its states change.
///
/// Whoever changes words proves that the configuration mutex is held: a change is a load and a
/// store.
pub(crate) struct Timeouts {
    tcp: [TimeoutWord; tcp::STATES],
    udp: TimeoutWord,
    sctp: [TimeoutWord; sctp::STATES],
    /// 1 while TCP's states follow the tables of the `secure_tcp` defense (T-5).
    pub(crate) secure: Word<u32>,
}

/// A persistence timeout in jiffies, at most what can be told from the past (99 days).
pub(crate) fn persistence(seconds: u32) -> u32 {
    jiffies(seconds).min(i32::MAX as u32)
}

fn jiffies(seconds: u32) -> u32 {
    seconds.saturating_mul(HZ)
}

impl Timeouts {
    /// The defaults (T-3, T-10, T-12).
    pub(crate) fn new() -> Self {
        let [udp] = udp::DEFAULT_TIMEOUTS;
        Self {
            tcp: tcp::DEFAULT_TIMEOUTS.map(TimeoutWord::new),
            udp: TimeoutWord::new(udp),
            sctp: sctp::DEFAULT_TIMEOUTS.map(TimeoutWord::new),
            secure: Word::new(0),
        }
    }

    /// That of established TCP connections.
    #[inline(always)]
    pub(crate) fn established(&self) -> Timeout {
        let [_, established, ..] = &self.tcp;
        established.load()
    }

    /// That of a TCP connection in a state.
    #[inline(always)]
    pub(crate) fn tcp(&self, state: u8) -> Timeout {
        let word = self.tcp.get(usize::from(state));
        word.map_or(Timeout::FIRST, TimeoutWord::load)
    }

    /// That of UDP.
    #[inline(always)]
    pub(crate) fn udp(&self) -> Timeout {
        self.udp.load()
    }

    /// That of an SCTP association in a state.
    pub(crate) fn sctp(&self, state: u8) -> Timeout {
        let word = self.sctp.get(usize::from(state));
        word.map_or(Timeout::FIRST, TimeoutWord::load)
    }

    /// That of a protocol in a state, in jiffies.
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

    /// Says whether a sync master runs.
    pub(crate) fn set_sync_active(&self, held: &mut ConfigHeld, is_active: bool) {
        let words = self.tcp.iter().chain(&self.sctp).chain([&self.udp]);
        for word in words {
            word.set_sync_active(held, is_active);
        }
    }

    /// Those that users may set (G-14).
    pub(crate) fn view(&self) -> config::Timeouts {
        config::Timeouts {
            tcp: self.of(TCP, tcp::ESTABLISHED) / HZ,
            tcp_fin: self.of(TCP, tcp::FIN_WAIT) / HZ,
            udp: self.of(UDP, udp::NORMAL) / HZ,
        }
    }

    /// Sets what is given and not zero, in seconds.
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

/// The name of a state (T-15).
pub(crate) fn name(protocol: u8, state: u8) -> &'static str {
    match protocol {
        TCP => tcp::name(state),
        SCTP => sctp::name(state),
        _ => udp::name(state),
    }
}
