// SPDX-License-Identifier: GPL-2.0

//! Direction of a packet in its connection.

/// Direction of a packet, and whether the opposite direction passes the director too (T-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client. Replies pass the director.
    Input = 0,
    /// To the client.
    Output = 1,
    /// From the client. Replies do not pass the director.
    InputOnly = 2,
}
