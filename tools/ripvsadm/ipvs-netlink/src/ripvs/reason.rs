// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Reasons for which packets were dropped, refused or left untouched (`RIPVS_REASON_*`).

use std::fmt;

use super::change::service_id;
use super::reason_table::REASONS;
use super::snapshot::read_service_id;
use super::uapi::{msg_attr, reason_attr};
use crate::attr::{self, attributes};
use crate::decode::DecodeError;
use crate::service::ServiceId;

/// Verdict on a packet, a connection or a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The packet was dropped; its sender was not told.
    Dropped,
    /// The packet was dropped, and its sender got an ICMP error.
    Refused,
    /// The packet passed, though it is one of a service.
    Untouched,
    /// The connection was ended.
    Ended,
    /// The sync message was not taken.
    Ignored,
}

impl Verdict {
    /// Returns the verdict in a word.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Dropped => "dropped",
            Verdict::Refused => "refused",
            Verdict::Untouched => "untouched",
            Verdict::Ended => "ended",
            Verdict::Ignored => "ignored",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A reason that this crate knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The number (`RIPVS_REASON_*`).
    pub number: u32,
    /// The name, in words with dashes.
    pub name: &'static str,
    /// The verdict.
    pub verdict: Verdict,
    /// A sentence that says why, without a capital.
    pub text: &'static str,
}

impl Reason {
    /// Returns all reasons, in the order of their numbers.
    pub fn all() -> &'static [Reason] {
        REASONS
    }

    /// Returns the reason of that name.
    pub fn named(name: &str) -> Option<&'static Reason> {
        REASONS.iter().find(|reason| reason.name == name)
    }

    /// Returns the reason of that number; `None` for one of a newer kernel module.
    pub fn numbered(number: u32) -> Option<&'static Reason> {
        REASONS.iter().find(|reason| reason.number == number)
    }
}

/// Number of packets (connections, messages) of a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonCount {
    /// The number of the reason.
    pub number: u32,
    /// The number of times that it was counted.
    pub count: u64,
}

impl ReasonCount {
    /// Returns the reason; `None` for one of a newer kernel module.
    pub fn reason(&self) -> Option<&'static Reason> {
        Reason::numbered(self.number)
    }
}

/// Reasons of the namespace, or of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons {
    /// The service; `None` for the namespace.
    pub service: Option<ServiceId>,
    /// Those that were counted, in the order of their numbers.
    pub counts: Vec<ReasonCount>,
}

/// Adds the attribute that names a service.
pub(super) fn put_service(out: &mut Vec<u8>, service: Option<&ServiceId>) {
    if let Some(id) = service {
        attr::put_nest(out, msg_attr::SERVICE, |out| service_id(out, id));
    }
}

/// Reads a message of the dump.
pub(super) fn read(answer: &[u8]) -> Result<Reasons, DecodeError> {
    let mut reasons = Reasons::default();
    for attribute in attributes(answer, "reasons of the family RIPVS") {
        match attribute? {
            (msg_attr::SERVICE, nest) => reasons.service = Some(read_service_id(nest)?),
            (msg_attr::REASON, nest) => reasons.counts.push(read_count(nest)?),
            _ => {}
        }
    }
    Ok(reasons)
}

fn read_count(nest: &[u8]) -> Result<ReasonCount, DecodeError> {
    const NAME: &str = "a reason (RIPVS_REASON_ATTR_*)";
    let (mut number, mut count) = (None, None);
    for attribute in attributes(nest, NAME) {
        match attribute? {
            (reason_attr::ID, payload) => number = Some(attr::read_u32(payload, NAME)?),
            (reason_attr::COUNT, payload) => count = Some(attr::read_counter(payload, NAME)?),
            _ => {}
        }
    }
    match (number, count) {
        (Some(number), Some(count)) => Ok(ReasonCount { number, count }),
        _ => Err(DecodeError::new(NAME, "lacks its number or its count")),
    }
}
