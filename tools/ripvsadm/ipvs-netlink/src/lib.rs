// SPDX-License-Identifier: GPL-2.0

//! Typed messages of the Linux kernel's IPVS generic-netlink family, and a small client for it.
//!
//! IPVS, the kernel's layer-4 load balancer, is configured through the generic-netlink family
//! `IPVS` (`include/uapi/linux/ip_vs.h`). This crate gives that family types, on top of
//! [`netlink_packet_core`] and [`netlink_packet_generic`], in three layers; use the highest
//! one that fits:
//!
//! 1. [`Client`] sends a request and returns what the kernel answered: synchronous, one socket,
//!    every refusal an [`Error`] that carries the errno and the kernel's own words (extack).
//! 2. [`Service`], [`Destination`], [`Stats`], [`Info`], [`Timeouts`] and [`Daemon`] are what a
//!    person means; each is made from attributes and turned into attributes.
//! 3. [`IpvsMessage`], [`Attribute`], [`ServiceAttr`], [`DestinationAttr`], [`StatsAttr`],
//!    [`DaemonAttr`] are the wire, attribute by attribute, nothing lost: for other transports
//!    (an asynchronous one, a capture file), and for tests of an implementation of the family.
//!
//! Everything multi-byte is in host order in these types, whatever the wire has; addresses are
//! [`std::net`]'s. Nothing here panics on what it receives.
//!
//! # Examples
//!
//! List what is configured:
//!
//! ```no_run
//! use ipvs_netlink::Client;
//!
//! # fn main() -> Result<(), ipvs_netlink::Error> {
//! let mut client = Client::connect()?;
//! for entry in client.services()? {
//!     println!("{} by {}", entry.service.id, entry.service.scheduler);
//!     for server in client.destinations(&entry.service.id)? {
//!         println!("  -> {}", server.destination.id);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Add a service and a real server:
//!
//! ```no_run
//! use ipvs_netlink::{Client, Destination, ForwardMethod, Protocol, Service, ServiceId};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let id = ServiceId::address(Protocol::Tcp, "192.0.2.1".parse()?, 80);
//! let mut client = Client::connect()?;
//! client.add_service(&Service::new(id.clone(), "rr"))?;
//!
//! let mut server = Destination::new("198.51.100.1".parse()?, 80);
//! server.forward = ForwardMethod::Masquerade;
//! client.add_destination(&id, &server)?;
//! # Ok(())
//! # }
//! ```

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod attr;
mod client;
mod command;
mod config;
mod daemon;
mod destination;
mod error;
mod family;
mod message;
mod reply;
mod resolve;
mod service;
mod stats;

pub use client::{Client, SocketTransport, Transport};
pub use command::Command;
pub use config::{Info, Timeouts};
pub use daemon::{Daemon, DaemonAttr, DaemonState};
pub use destination::{
    Destination, DestinationAttr, DestinationEntry, DestinationId, ForwardMethod, Tunnel,
    TunnelFlags, TunnelType,
};
pub use error::{Error, KernelError};
pub use family::{AddressFamily, Protocol};
pub use message::{Attribute, IpvsMessage, FAMILY_NAME, FAMILY_VERSION};
pub use netlink_packet_core::DecodeError;
pub use service::{Netmask, Service, ServiceAttr, ServiceEntry, ServiceFlags, ServiceId};
pub use stats::{Stats, StatsAttr};
