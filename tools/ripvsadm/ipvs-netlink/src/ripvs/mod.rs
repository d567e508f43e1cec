// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The family `RIPVS` of rust_ipvs: the whole configuration at once, and changes of it that are
//! made together or not at all.
//!
//! C IPVS does not have it: [`Client::ripvs`](crate::Client::ripvs) is then
//! [`Error::NoFamily`](crate::Error::NoFamily).
//!
//! ```no_run
//! use ipvs_netlink::ripvs::{diff, Wanted};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let wanted = Wanted::default();
//! let mut client = ipvs_netlink::Client::connect()?;
//! let mut ripvs = client.ripvs()?;
//! let now = ripvs.snapshot(false)?;
//! let changes = diff(&now, &wanted);
//! ripvs.apply(Some(now.generation), &changes)?;
//! # Ok(())
//! # }
//! ```

mod change;
mod client;
pub mod conn_flags;
mod conns;
mod diff;
mod drain;
mod event;
mod filter;
mod listener;
mod reason;
mod reason_table;
mod snapshot;
pub(crate) mod uapi;

pub use crate::drain::{Drain, DrainOptions, DrainState};
pub use change::Change;
pub use client::{Applied, Client, Info, Refused};
pub use conns::{Connection, Deleted};
pub use diff::{diff, Wanted, WantedDrain, WantedService};
pub use event::{Event, EventKind};
pub use filter::{Endpoints, Filter, State};
pub use listener::{Heard, Listener};
pub use reason::{Reason, ReasonCount, Reasons, Verdict};
pub use snapshot::{Listed, Snapshot};

/// The name that the family is registered under.
pub const FAMILY_NAME: &str = "RIPVS";

/// The version of the family.
pub const FAMILY_VERSION: u8 = uapi::GENL_VERSION;
