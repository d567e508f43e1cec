// SPDX-License-Identifier: GPL-2.0

//! [`Flow`]: properties of a packet that schedulers read.

use super::super::family::{
    Endpoint,
    Family, //
};

/// Addresses and protocol of a new connection.
///
/// For the packet in an ICMP error, which goes from the VIP to the client, `client` and `addressee`
/// are both its destination: C IPVS exchanges the former and not the latter (S-28, D-13, D-14).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow<F: Family> {
    /// The transport protocol.
    pub(crate) protocol: u8,
    /// Address and port of the client.
    pub(crate) client: Endpoint<F>,
    /// Destination address in the IP header.
    pub(crate) addressee: F::Addr,
}
