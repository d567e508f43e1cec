// SPDX-License-Identifier: GPL-2.0

//! Rate limit: decides when a connection is sent to other directors (B-6 to B-8,
//! `ip_vs_sync_conn_needed()`).
//!
//! Times are in jiffies, of 32 bits, and wrap. A connection stores the time at which it would
//! expire after it was last sent, rounded down to a multiple of four, with the number of retries in
//! the two lowest bits (`cp->sync_endtime`).

use super::super::packet::{
    SCTP,
    TCP, //
};
use super::super::sctp;
use super::super::tcp;

/// Mask of the number of retries.
const RETRIES: u32 = 3;

/// Sysctl settings (behaviour.rst 12.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Number of packets of a period that come first (`sync_threshold`).
    pub(crate) threshold: i32,
    /// Number of packets between two messages; 0 for a single message (`sync_threshold`).
    pub(crate) period: i32,
    /// Time for which an unchanged connection is not sent again, in jiffies; 0 for none
    /// (`sync_refresh_period`).
    pub(crate) refresh: u32,
    /// Number of retries in that time (`sync_retries`).
    pub(crate) retries: u32,
    /// Jiffies per second.
    pub(crate) hz: u32,
}

/// Connection to decide about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) is_template: bool,
    pub(crate) protocol: u8,
    /// Present state.
    pub(crate) state: u8,
    /// State that was last sent.
    pub(crate) synced_state: u8,
    /// Number of packets from the client, this one included.
    pub(crate) packets: u32,
    /// Stored time of the last message, see above; 0 if none was sent.
    pub(crate) ends: u32,
    /// Timeout in jiffies.
    pub(crate) timeout: u32,
}

/// Decision to send the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyncDue {
    /// Time to store in the connection.
    pub(crate) ends: u32,
    /// True if the time is stored and the connection sent even if another CPU stored another time
    /// first.
    pub(crate) forced: bool,
}

/// Returns `None` if a connection in this state is not sent, otherwise true if a change to this
/// state is sent at once.
fn is_sent_at_once(protocol: u8, state: u8) -> Option<bool> {
    match (protocol, state) {
        (TCP, tcp::ESTABLISHED) | (SCTP, sctp::ESTABLISHED) => Some(false),
        (TCP, tcp::FIN_WAIT | tcp::CLOSE | tcp::CLOSE_WAIT | tcp::TIME_WAIT)
        | (
            SCTP,
            sctp::SHUTDOWN_SENT | sctp::SHUTDOWN_RECEIVED | sctp::SHUTDOWN_ACK_SENT | sctp::CLOSED,
        ) => Some(true),
        (TCP | SCTP, _) => None,
        // Protocols with one state, which never changes.
        _ => Some(false),
    }
}

/// Decides at a packet whether to send the connection; `now` is in jiffies.
pub(crate) fn should_sync(rules: &Rules, subject: &Subject, now: u32) -> Option<SyncDue> {
    let mut ends = now.wrapping_add(subject.timeout) & !RETRIES;
    let mut forced = false;
    if !subject.is_template {
        let at_once = is_sent_at_once(subject.protocol, subject.state)?;
        forced = subject.state != subject.synced_state;
        if at_once && forced {
            return Some(SyncDue { ends, forced });
        }
    }
    if rules.refresh != 0 && subject.ends != 0 && is_fresh(rules, subject, ends) {
        ends |= repetition(rules, subject, now)?;
    }
    let by_count = !subject.is_template && !is_turn(rules, subject.packets);
    let once = rules.refresh == 0 && subject.packets as i32 != rules.threshold;
    let skipped = if rules.period > 0 { by_count } else { once };
    if skipped {
        return None;
    }
    Some(SyncDue { ends, forced })
}

/// Returns true if the number of packets is one at which the connection is sent.
fn is_turn(rules: &Rules, packets: u32) -> bool {
    (packets as i32).checked_rem(rules.period) == Some(rules.threshold)
}

/// Returns true if the time that was sent last is close to the present one.
fn is_fresh(rules: &Rules, subject: &Subject, ends: u32) -> bool {
    let apart = (ends.wrapping_sub(subject.ends) as i32).unsigned_abs();
    let least = (subject.timeout / 2).max(rules.hz.saturating_mul(10));
    apart < rules.refresh.min(least)
}

/// Returns the number of the retry that is due, if any.
fn repetition(rules: &Rules, subject: &Subject, now: u32) -> Option<u32> {
    let retries = subject.ends & RETRIES;
    let sent = subject.ends.wrapping_sub(subject.timeout);
    let next = sent.wrapping_add(rules.refresh / 8);
    let is_early = (now.wrapping_sub(next) as i32) < 0;
    (retries < rules.retries && !is_early).then_some(retries.saturating_add(1))
}
