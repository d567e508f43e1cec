// SPDX-License-Identifier: GPL-2.0

//! The files under /proc/net (SPEC 12.1).

use crate::{
    director::{
        Bookmark,
        Director,
        Shown, //
    },
    kapi::{
        net::Lease,
        procfs::{
            Entry,
            More,
            Output,
            Records,
            Show, //
        },
        time,
    },
    logic::{
        config::ConnectionView,
        show::{
            Columns,
            ConnectionLine,
            DestinationLine,
            OriginLine,
            ServiceLine,
            ServicesHeader,
            CONNECTIONS_HEADER,
            ORIGINS_HEADER, //
        },
    },
};
use core::{
    fmt::{
        self,
        Write, //
    },
    marker::PhantomData,
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Everybody may read.
const MODE: u16 = 0o444;

/// What costs a look at everything only its owner may.
const MODE_OF_STATUS: u16 = 0o440;

/// The files of a namespace.
pub(super) type Entries = [Entry<Director>; 7];

/// Makes the files of a namespace.
pub(super) fn entries(lease: &Lease, director: &Arc<Director>) -> Result<Entries> {
    Ok([
        Entry::records::<Services>(lease.clone(), c"ip_vs", MODE, director.clone())?,
        Entry::show::<Apps>(lease.clone(), c"ip_vs_app", MODE, director.clone())?,
        Entry::records::<Connections<Plain>>(lease.clone(), c"ip_vs_conn", MODE, director.clone())?,
        Entry::records::<Connections<Origins>>(
            lease.clone(),
            c"ip_vs_conn_sync",
            MODE,
            director.clone(),
        )?,
        Entry::show::<Totals>(lease.clone(), c"ip_vs_stats", MODE, director.clone())?,
        Entry::show::<OfCpus>(lease.clone(), c"ip_vs_stats_percpu", MODE, director.clone())?,
        Entry::show::<Status>(
            lease.clone(),
            c"ip_vs_status",
            MODE_OF_STATUS,
            director.clone(),
        )?,
    ])
}

/// ip_vs: services and their destinations (K-2).
struct Services;

impl Records for Services {
    type Owner = Director;
    type Cursor = Bookmark;

    fn head(director: &Director, out: &mut Output<'_>) -> fmt::Result {
        let size = usize::try_from(director.table_size()).unwrap_or(usize::MAX);
        write!(out, "{}", ServicesHeader(size))
    }

    fn record(
        director: &Director,
        cursor: &mut Bookmark,
        out: &mut Output<'_>,
    ) -> Result<More, fmt::Error> {
        /// Services in a record.
        const BATCH: usize = 16;
        let mut shown = Ok(());
        let mut count = 0usize;
        let stopped = director.services(*cursor, &mut |service| {
            if shown.is_err() || count == BATCH {
                return false;
            }
            count = count.saturating_add(1);
            let line = ServiceLine {
                view: service,
                hz: time::HZ,
            };
            shown = write!(out, "{line}");
            director.destinations(&service.id, Shown::NONE, &mut |destination| {
                shown = shown.and_then(|()| write!(out, "{}", DestinationLine(destination)));
                shown.is_ok()
            });
            true
        });
        shown?;
        match stopped {
            Ok(Some(next)) => {
                *cursor = next;
                Ok(More::Follows)
            }
            // Without memory the rest is not shown.
            Ok(None) | Err(_) => Ok(More::Done),
        }
    }
}

/// ip_vs_app: application helpers (K-10), of which there is one.
struct Apps;

impl Show for Apps {
    type Owner = Director;

    fn show(director: &Director, out: &mut Output<'_>) -> fmt::Result {
        out.write_str("prot port    usecnt name\n")?;
        match director.ftp_helper() {
            Some((port, count)) => {
                writeln!(out, "{:<3}  {port:<7} {count:<6} {:<17}", "TCP", "ftp")
            }
            None => Ok(()),
        }
    }
}

/// How connections are shown.
trait Form: 'static {
    const HEADER: &'static str;

    fn write(view: &ConnectionView<'_>, out: &mut Output<'_>) -> fmt::Result;
}

/// ip_vs_conn (K-3, K-4).
struct Plain;

impl Form for Plain {
    const HEADER: &'static str = CONNECTIONS_HEADER;

    fn write(view: &ConnectionView<'_>, out: &mut Output<'_>) -> fmt::Result {
        write!(out, "{}", ConnectionLine(view))
    }
}

/// ip_vs_conn_sync (K-6).
struct Origins;

impl Form for Origins {
    const HEADER: &'static str = ORIGINS_HEADER;

    fn write(view: &ConnectionView<'_>, out: &mut Output<'_>) -> fmt::Result {
        write!(out, "{}", OriginLine(view))
    }
}

/// Connections and templates.
struct Connections<T>(PhantomData<T>);

impl<T: Form> Records for Connections<T> {
    type Owner = Director;
    /// The bucket to show next.
    type Cursor = usize;

    fn head(_: &Director, out: &mut Output<'_>) -> fmt::Result {
        out.write_str(T::HEADER)
    }

    fn record(
        director: &Director,
        cursor: &mut usize,
        out: &mut Output<'_>,
    ) -> Result<More, fmt::Error> {
        /// Buckets to look through at most before the reader may be asked to yield.
        const BATCH: usize = 64;
        for _ in 0..BATCH {
            let mut shown = Ok(());
            let mut found = false;
            let there = director.connections_in_bucket(*cursor, &mut |connection| {
                found = true;
                shown = shown.and_then(|()| T::write(connection, out));
            });
            shown?;
            if !there {
                return Ok(More::Done);
            }
            *cursor = cursor.saturating_add(1);
            if found {
                break;
            }
        }
        Ok(More::Follows)
    }
}

/// ip_vs_stats: what all services together have counted (K-7).
struct Totals;

impl Show for Totals {
    type Owner = Director;

    fn show(director: &Director, out: &mut Output<'_>) -> fmt::Result {
        let statistics = director.totals();
        out.write_str("   Total Incoming Outgoing         Incoming         Outgoing\n")?;
        out.write_str("   Conns  Packets  Packets            Bytes            Bytes\n")?;
        writeln!(out, "{}\n", Columns::of_counters(&statistics.counters))?;
        out.write_str(" Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n")?;
        writeln!(out, "{}", Columns::of_rates(&statistics.rates))
    }
}

/// ip_vs_stats_percpu: what each CPU has counted, and the totals (K-8).
struct OfCpus;

impl Show for OfCpus {
    type Owner = Director;

    fn show(director: &Director, out: &mut Output<'_>) -> fmt::Result {
        out.write_str("       Total Incoming Outgoing         Incoming         Outgoing\n")?;
        out.write_str("CPU    Conns  Packets  Packets            Bytes            Bytes\n")?;
        // Without memory there are the totals.
        for (cpu, counters) in director.of_cpus().unwrap_or_default() {
            writeln!(out, "{cpu:3X} {}", Columns::of_counters(&counters))?;
        }
        let statistics = director.totals();
        writeln!(out, "  ~ {}\n", Columns::of_counters(&statistics.counters))?;
        out.write_str("     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n")?;
        writeln!(out, "    {}", Columns::of_rates(&statistics.rates))
    }
}

/// ip_vs_status: how full the tables are (K-9).
struct Status;

impl Show for Status {
    type Owner = Director;

    fn show(director: &Director, out: &mut Output<'_>) -> fmt::Result {
        write!(out, "{}", director.fill())
    }
}
