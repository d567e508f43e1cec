// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Drains of destinations, which only rust_ipvs has.

/// Options of a drain, which lets a destination take no new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainOptions {
    /// Clients whose persistence template is at the destination come to it until no connection is
    /// active.
    pub keeps_templates: bool,
    /// At the deadline both ends of TCP connections are told by RST.
    pub resets: bool,
    /// Seconds after which the rest of the connections is ended; 0 for never.
    pub deadline: u32,
}

impl Default for DrainOptions {
    fn default() -> Self {
        DrainOptions {
            keeps_templates: true,
            resets: false,
            deadline: 0,
        }
    }
}

/// A drain as the kernel lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Its options.
    pub options: DrainOptions,
    /// Its state.
    pub state: DrainState,
    /// Seconds until the deadline, if there is one and it has not passed.
    pub left: Option<u32>,
    /// Number of connections that the deadline has ended.
    pub ended: u32,
    /// Number of those whose ends are told by RST.
    pub reset: u32,
}

/// The state of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DrainState {
    /// Connections are active.
    Waiting,
    /// The deadline has passed, and connections are being ended.
    Ending,
    /// Done, as no connection was active.
    Done,
    /// Done, as the deadline has ended the connections.
    DoneByDeadline,
}

impl DrainState {
    /// Returns whether the drain is done.
    pub fn is_done(self) -> bool {
        matches!(self, DrainState::Done | DrainState::DoneByDeadline)
    }
}
