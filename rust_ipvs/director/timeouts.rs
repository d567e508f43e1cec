// SPDX-License-Identifier: GPL-2.0

//! How long a connection stays in each state, and what the states are called (SPEC 7.1 to 7.3).

use crate::{
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

/// How much longer an entry stays that controls others when its time is up (C-16).
pub(super) const LATER: u32 = 60 * HZ;

/// The bit of a timeout that says that packets are watched: no connection has it in its own, so that each packet finds
/// another timeout than its connection has, and does what few do.
pub(super) const WATCHED: u32 = 1 << 31;

/// The timeouts of a namespace, in jiffies, and by which tables its states change.
pub(super) struct Timeouts {
    tcp: [Word<u32>; tcp::STATES],
    pub(super) udp: Word<u32>,
    sctp: [Word<u32>; sctp::STATES],
    /// 1 while TCP's states follow the tables of the `secure_tcp` defence (T-5).
    pub(super) secure: Word<u32>,
}

/// A persistence timeout in jiffies, at most what can be told from the past (99 days).
pub(super) fn persistence(seconds: u32) -> u32 {
    jiffies(seconds).min(i32::MAX as u32)
}

fn jiffies(seconds: u32) -> u32 {
    seconds.saturating_mul(HZ)
}

impl Timeouts {
    /// The defaults (T-3, T-10, T-12).
    pub(super) fn new() -> Self {
        let [udp] = udp::DEFAULT_TIMEOUTS;
        Self {
            tcp: tcp::DEFAULT_TIMEOUTS.map(|seconds| Word::new(jiffies(seconds))),
            udp: Word::new(jiffies(udp)),
            sctp: sctp::DEFAULT_TIMEOUTS.map(|seconds| Word::new(jiffies(seconds))),
            secure: Word::new(0),
        }
    }

    /// That of established TCP connections.
    #[inline(always)]
    pub(super) fn established(&self) -> &Word<u32> {
        let [_, established, ..] = &self.tcp;
        established
    }

    #[inline(always)]
    pub(super) fn tcp(&self, state: u8) -> Option<&Word<u32>> {
        self.tcp.get(usize::from(state))
    }

    pub(super) fn sctp(&self, state: u8) -> Option<&Word<u32>> {
        self.sctp.get(usize::from(state))
    }

    /// That of a protocol in a state.
    pub(super) fn of(&self, protocol: u8, state: u8) -> u32 {
        let word = match protocol {
            TCP => self.tcp(state),
            SCTP => self.sctp(state),
            _ => Some(&self.udp),
        };
        word.map_or(FIRST_TIMEOUT, |word| word.load() & !WATCHED)
    }

    /// Whether packets are watched.
    pub(super) fn is_watched(&self) -> bool {
        self.udp.load() & WATCHED != 0
    }

    /// Says whether packets are watched. The caller holds the director's mutex.
    pub(super) fn set_watched(&self, watched: bool) {
        let bit = if watched { WATCHED } else { 0 };
        let words = self.tcp.iter().chain(&self.sctp).chain([&self.udp]);
        for word in words {
            word.store(word.load() & !WATCHED | bit);
        }
    }

    /// Those that users may set (G-14).
    pub(super) fn view(&self) -> config::Timeouts {
        config::Timeouts {
            tcp: self.of(TCP, tcp::ESTABLISHED) / HZ,
            tcp_fin: self.of(TCP, tcp::FIN_WAIT) / HZ,
            udp: self.of(UDP, udp::NORMAL) / HZ,
        }
    }

    /// Sets what is given and not zero, in seconds. The caller holds the director's mutex.
    pub(super) fn set(&self, tcp: Option<u32>, tcp_fin: Option<u32>, udp: Option<u32>) {
        let set = |word: Option<&Word<u32>>, seconds: Option<u32>| {
            if let (Some(word), Some(seconds @ 1..)) = (word, seconds) {
                let bit = word.load() & WATCHED;
                word.store(jiffies(seconds) & !WATCHED | bit);
            }
        };
        set(self.tcp(tcp::ESTABLISHED), tcp);
        set(self.tcp(tcp::FIN_WAIT), tcp_fin);
        set(Some(&self.udp), udp);
    }
}

/// The name of a state (T-15).
pub(super) fn name(protocol: u8, state: u8) -> &'static str {
    match protocol {
        TCP => tcp::name(state),
        SCTP => sctp::name(state),
        _ => udp::name(state),
    }
}
