// SPDX-License-Identifier: GPL-2.0

//! [`Flow`]: the properties of a packet that schedulers look at.

use super::super::family::{
    Endpoint,
    Family, //
};

/// A new connection, as schedulers see it.
///
/// For a packet that an ICMP error quotes, which goes from the VIP to the client, `client` is its
/// addressee and so is `addressee`: C IPVS turns the one around and not the other (S-28, D-13,
/// D-14).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow<F: Family> {
    /// The transport protocol.
    pub(crate) protocol: u8,
    /// Endpoint that begins the connection.
    pub(crate) client: Endpoint<F>,
    /// The destination address in the packet's IP header.
    pub(crate) addressee: F::Addr,
}
