// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Typed messages of the Linux kernel's IPVS generic-netlink family, and a small client for it.
//!
//! IPVS, the kernel's layer-4 load balancer, is configured through the generic-netlink family
//! `IPVS` (`include/uapi/linux/ip_vs.h`). This crate gives that family types:
//!
//! - [`Client`] reads the configuration and makes [`Change`]s to it: synchronous, one socket,
//!   every refusal an [`Error`] that carries the errno and the kernel's own words (extack). Many
//!   changes, and many lists, go in one system call.
//! - [`Service`], [`Destination`], [`Stats`], [`Info`], [`Timeouts`] and [`Daemon`] are what a
//!   person means. Each has `encode` and `decode`, to and from the attributes of the wire: for
//!   other transports (an asynchronous one, a capture file), and for tests of an implementation
//!   of the family.
//! - [`ripvs`] is the family `RIPVS`, which only rust_ipvs has: the whole configuration at once,
//!   and changes that are made together or not at all.
//!
//! Everything multi-byte is in host order in these types, whatever the wire has; addresses are
//! [`std::net`]'s. Nothing here panics on what it receives. What is decoded may hold numbers that
//! this crate has no name for; what is encoded is sent as it is, and judged by the kernel.
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
//! Add a service and a real server, and see what the kernel says to it:
//!
//! ```no_run
//! use ipvs_netlink::{Change, Client, Destination, ForwardMethod, Protocol, Service, ServiceId};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let web = ServiceId::address(Protocol::Tcp, "192.0.2.1".parse()?, 80);
//! let mut server = Destination::new("198.51.100.1".parse()?, 80);
//! server.forward = ForwardMethod::Masquerade;
//!
//! let changes = [
//!     Change::AddService(Service::new(web.clone(), "rr")),
//!     Change::AddDestination(web, server),
//! ];
//! for (place, why) in Client::connect()?.apply_all(&changes)? {
//!     println!("{:?}: {why}", changes[place]);
//! }
//! # Ok(())
//! # }
//! ```

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod attr;
mod change;
mod client;
mod command;
mod config;
mod daemon;
mod decode;
mod destination;
mod drain;
mod engine;
mod error;
mod family;
mod forward;
mod message;
mod own;
pub mod ripvs;
mod service;
mod stats;
mod transport;
mod uapi;

pub use change::Change;
pub use client::Client;
pub use command::Command;
pub use config::{Info, Timeouts};
pub use daemon::{Daemon, DaemonState};
pub use decode::DecodeError;
pub use destination::{Destination, DestinationEntry, DestinationId};
pub use error::{Error, KernelError};
pub use family::{AddressFamily, Protocol};
pub use forward::{ForwardMethod, Tunnel, TunnelFlags, TunnelType};
pub use message::{FAMILY_NAME, FAMILY_VERSION};
pub use own::{OwnDefaults, OwnEdit, OwnOptions};
pub use service::{Netmask, Service, ServiceEntry, ServiceFlags, ServiceId};
pub use stats::Stats;
pub use transport::{SocketTransport, Transport};
