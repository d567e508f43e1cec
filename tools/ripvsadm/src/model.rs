// SPDX-License-Identifier: GPL-2.0

//! Actions of the command line, and data of listings.

use ipvs_netlink::ripvs::{self, Listed};
use ipvs_netlink::{Change, DestinationEntry, ServiceEntry, ServiceId};

/// One command, complete and checked as far as it can be without the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Anything that the kernel is to do: `-A`, `-E`, `-D`, `-C`, `-a`, `-e`, `-d`, `-Z`, `--set`,
    /// `--start-daemon`, `--stop-daemon`.
    Change(Change),
    /// `-A` and `-E` with options that the family `IPVS` has no attributes for.
    Own(ripvs::Change),
    /// `-R`.
    Restore,
    /// `-S`; without names where `numeric`.
    Save {
        /// `-n`.
        numeric: bool,
    },
    /// `-L`, and the empty command line.
    List(Listing),
    /// `-h`.
    Help,
    /// `-v`.
    Version,
}

/// Subject and format of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The subject.
    pub subject: Subject,
    /// The format.
    pub format: Format,
}

/// Subject of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Services and their real servers: all of them, or one service.
    Table(Option<ServiceId>),
    /// `-c`.
    Connections,
    /// `--timeout`.
    Timeouts,
    /// `--daemon`.
    Daemons,
}

impl Default for Subject {
    fn default() -> Self {
        Subject::Table(None)
    }
}

/// Format of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// The columns of the table.
    pub columns: Columns,
    /// `-n`: addresses and ports as numbers.
    pub numeric: bool,
    /// `--exact`: counters in full.
    pub exact: bool,
    /// Not `--nosort`.
    pub sorted: bool,
    /// `--json`.
    pub json: bool,
    /// `--persistent-conn`, which adds columns to the list of connections.
    pub engine_data: bool,
}

impl Default for Format {
    fn default() -> Self {
        Format {
            columns: Columns::default(),
            numeric: false,
            exact: false,
            sorted: true,
            json: false,
            engine_data: false,
        }
    }
}

/// The columns of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Columns {
    /// Forwarding method, weight and connections.
    #[default]
    Plain,
    /// `--tun-info`.
    Tunnels,
    /// `--stats`.
    Stats,
    /// `--rate`.
    Rate,
    /// `--thresholds`.
    Thresholds,
    /// `--persistent-conn`.
    Persistent,
}

/// A service and its real servers, as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The service.
    pub service: ServiceEntry,
    /// Its real servers.
    pub servers: Vec<DestinationEntry>,
}

impl From<Listed> for Group {
    fn from(listed: Listed) -> Self {
        Group {
            service: listed.service,
            servers: listed.destinations,
        }
    }
}
