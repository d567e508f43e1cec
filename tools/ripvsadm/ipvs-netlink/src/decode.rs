// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Errors of decoding.

use std::{error, fmt};

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    what: &'static str,
    problem: &'static str,
}

impl DecodeError {
    /// Returns what is wrong, and with what: `problem` is a predicate, such as "is missing".
    pub(crate) const fn new(what: &'static str, problem: &'static str) -> Self {
        DecodeError { what, problem }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.what, self.problem)
    }
}

impl error::Error for DecodeError {}
