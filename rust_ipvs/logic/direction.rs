// SPDX-License-Identifier: GPL-2.0

//! Direction of a packet in its connection.

/// Direction of a packet, and whether the other way is seen too (T-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client, both ways pass here.
    Input = 0,
    /// To the client.
    Output = 1,
    /// From the client, the answers go another way.
    InputOnly = 2,
}
