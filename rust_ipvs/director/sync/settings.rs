// SPDX-License-Identifier: GPL-2.0

//! Settings of the sync daemons.

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

/// Settings of the sync daemons (behaviour.rst 14).
pub(crate) struct SyncSettings {
    /// Version of the message format (`sync_version`).
    pub(crate) version: Word<i32>,
    /// Number of ports, each with a thread (`sync_ports`); a power of two.
    pub(crate) ports: Word<i32>,
    /// Nonzero if only the templates of persistent services are sent (`sync_persist_mode`).
    pub(crate) persist_mode: Word<i32>,
    /// Maximum number of messages queued for each thread (`sync_qlen_max`).
    pub(crate) qlen_max: Word<usize>,
    /// Size of the socket buffers in bytes, if above 0 (`sync_sock_size`).
    pub(crate) sock_size: Word<i32>,
    /// Number of packets after which a connection is sent, and period in packets at which it is
    /// sent again (`sync_threshold`).
    pub(crate) threshold: [Word<i32>; 2],
    /// Time after which an unchanged connection is sent again (`sync_refresh_period`), in seconds.
    pub(crate) refresh_period: Word<i32>,
    /// Number of repetitions in advance (`sync_retries`).
    pub(crate) retries: Word<i32>,
    /// Nonzero if a backup handles replies only (`backup_only`, H-8).
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
    /// Returns the version of the messages to send.
    pub(super) fn version(&self) -> Version {
        match self.version.load() {
            0 => Version::V0,
            _ => Version::V1,
        }
    }

    /// Returns the number of packets after which a connection is sent.
    pub(super) fn first(&self) -> u32 {
        let [first, _] = &self.threshold;
        u32::try_from(first.load()).unwrap_or(0)
    }

    /// Returns the parameters of the rate limit.
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
