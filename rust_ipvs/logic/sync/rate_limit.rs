// SPDX-License-Identifier: GPL-2.0

//! Rate limit: when a connection is sent to other directors (B-6 to B-8).
//!
//! Times are in jiffies, of 32 bits, which wrap around. When a connection was told of is remembered
//! as the time at which it would end if no more packets came: a multiple of four, with the number
//! of repetitions in the two lowest bits.

use super::super::packet::{
    SCTP,
    TCP, //
};
use super::super::sctp;
use super::super::tcp;

/// Bits of the number of repetitions.
const RETRIES: u32 = 3;

/// Settings of administrators (behaviour.rst 12.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Number of packets of a period that come first.
    pub(crate) threshold: i32,
    /// After how many packets a connection is told of again; 0 for none.
    pub(crate) period: i32,
    /// Time for which an unchanged connection is not sent again; 0 for any time.
    pub(crate) refresh: u32,
    /// Number of repetitions in that time.
    pub(crate) retries: u32,
    /// Jiffies in a second.
    pub(crate) hz: u32,
}

/// Connection to decide about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) is_template: bool,
    pub(crate) protocol: u8,
    /// The state now.
    pub(crate) state: u8,
    /// The state that was sent.
    pub(crate) told: u8,
    /// Packets of the client, with this one.
    pub(crate) packets: u32,
    /// Time at which it was sent last, see above; 0 for never.
    pub(crate) ends: u32,
    /// After how long without a packet it ends.
    pub(crate) timeout: u32,
}

/// The connection is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyncDue {
    /// Time to be kept in the connection.
    pub(crate) ends: u32,
    /// Also where another CPU remembers another time first.
    pub(crate) forced: bool,
}

/// Returns whether a connection is told of in a state, and whether it is told of at once when it
/// gets there.
fn tells(protocol: u8, state: u8) -> Option<bool> {
    match (protocol, state) {
        (TCP, tcp::ESTABLISHED) | (SCTP, sctp::ESTABLISHED) => Some(false),
        (TCP, tcp::FIN_WAIT | tcp::CLOSE | tcp::CLOSE_WAIT | tcp::TIME_WAIT)
        | (
            SCTP,
            sctp::SHUTDOWN_SENT | sctp::SHUTDOWN_RECEIVED | sctp::SHUTDOWN_ACK_SENT | sctp::CLOSED,
        ) => Some(true),
        (TCP | SCTP, _) => None,
        // One state, which says nothing.
        _ => Some(false),
    }
}

/// Returns whether to send a connection at a packet, `now`.
pub(crate) fn should_sync(rules: &Rules, subject: &Subject, now: u32) -> Option<SyncDue> {
    let mut ends = now.wrapping_add(subject.timeout) & !RETRIES;
    let mut forced = false;
    if !subject.is_template {
        let at_once = tells(subject.protocol, subject.state)?;
        forced = subject.state != subject.told;
        if at_once && forced {
            return Some(SyncDue { ends, forced });
        }
    }
    if rules.refresh != 0 && subject.ends != 0 && is_fresh(rules, subject, ends) {
        ends |= repetition(rules, subject, now)?;
    }
    let by_count = !subject.is_template && !is_turn(rules, subject.packets);
    let once = rules.refresh == 0 && subject.packets as i32 != rules.threshold;
    if if rules.period > 0 { by_count } else { once } {
        return None;
    }
    Some(SyncDue { ends, forced })
}

/// Returns whether the packet is one of those that a connection is told of at.
fn is_turn(rules: &Rules, packets: u32) -> bool {
    (packets as i32).checked_rem(rules.period) == Some(rules.threshold)
}

/// Returns whether what was told is not much out of date.
fn is_fresh(rules: &Rules, subject: &Subject, ends: u32) -> bool {
    let apart = (ends.wrapping_sub(subject.ends) as i32).unsigned_abs();
    let least = (subject.timeout / 2).max(rules.hz.saturating_mul(10));
    apart < rules.refresh.min(least)
}

/// The number of a repetition, where one is due.
fn repetition(rules: &Rules, subject: &Subject, now: u32) -> Option<u32> {
    let retries = subject.ends & RETRIES;
    let told = subject.ends.wrapping_sub(subject.timeout);
    let next = told.wrapping_add(rules.refresh / 8);
    let is_early = (now.wrapping_sub(next) as i32) < 0;
    (retries < rules.retries && !is_early).then_some(retries.saturating_add(1))
}
