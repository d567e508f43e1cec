// SPDX-License-Identifier: GPL-2.0

//! Settings of synchronisation.

use crate::{
    kapi::{
        memory,
        once::Word,
        time::HZ, //
    },
    logic::sync::{
        rate_limit::Rules,
        Version, //
    },
};

/// Settings of synchronisation (behaviour.rst 14).
pub(crate) struct SyncSettings {
    /// The format of messages.
    pub(crate) version: Word<i32>,
    /// Number of ports, each with a thread; a power of two.
    pub(crate) ports: Word<i32>,
    /// Mode of synchronisation of persistent services.
    pub(crate) persist_mode: Word<i32>,
    /// Maximum of messages queued for each thread.
    pub(crate) qlen_max: Word<usize>,
    /// The size of the sockets' buffers, where it is above 0.
    pub(crate) sock_size: Word<i32>,
    /// After how many packets a connection is sent, and every how many packets again.
    pub(crate) threshold: [Word<i32>; 2],
    /// After how many seconds an unchanged connection is sent again.
    pub(crate) refresh_period: Word<i32>,
    /// Number of repetitions before.
    pub(crate) retries: Word<i32>,
    /// Set if a backup balances no connections (H-8).
    pub(crate) backup_only: Word<i32>,
}

impl SyncSettings {
    pub(crate) fn new() -> Self {
        Self {
            version: Word::new(1),
            ports: Word::new(1),
            persist_mode: Word::new(0),
            qlen_max: Word::new(memory::free_buffer_pages() / 32),
            sock_size: Word::new(0),
            threshold: [Word::new(3), Word::new(50)],
            refresh_period: Word::new(0),
            retries: Word::new(0),
            backup_only: Word::new(0),
        }
    }
}

impl SyncSettings {
    /// Returns the version of messages to send.
    pub(super) fn version(&self) -> Version {
        match self.version.load() {
            0 => Version::V0,
            _ => Version::V1,
        }
    }

    /// Returns after how many packets a connection is sent.
    pub(super) fn first(&self) -> u32 {
        let [first, _] = &self.threshold;
        u32::try_from(first.load()).unwrap_or(0)
    }

    /// Returns the rules by which connections are sent.
    pub(super) fn rules(&self) -> Rules {
        let [first, period] = &self.threshold;
        Rules {
            threshold: first.load(),
            period: period.load(),
            refresh: (self.refresh_period.load() as u32).wrapping_mul(HZ),
            retries: u32::try_from(self.retries.load()).unwrap_or(0),
            hz: HZ,
        }
    }
}
