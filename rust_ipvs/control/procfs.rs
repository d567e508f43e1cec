// SPDX-License-Identifier: GPL-2.0

//! Files under /proc/net (behaviour.rst 12.1).

use crate::{
    director::{
        BucketCursor,
        Line,
        ListCursor, //
        NetnsIpvs,
    },
    kapi::{
        net::Lease,
        procfs::{
            More,
            Output,
            ProcFile,
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

/// Mode of most files: readable by all.
const MODE: u16 = 0o444;

/// Mode of files whose content takes a pass over all tables: readable by the owner only.
const MODE_OF_STATUS: u16 = 0o440;

/// The files of a namespace.
pub(super) type Entries = [ProcFile<NetnsIpvs>; 7];

/// Creates the files of a namespace.
pub(super) fn entries(lease: &Lease, ipvs: &Arc<NetnsIpvs>) -> Result<Entries> {
    Ok([
        ProcFile::records::<ServicesFile>(lease.clone(), c"ip_vs", MODE, ipvs.clone())?,
        ProcFile::show::<AppsFile>(lease.clone(), c"ip_vs_app", MODE, ipvs.clone())?,
        ProcFile::records::<ConnectionsFile<ConnFile>>(
            lease.clone(),
            c"ip_vs_conn",
            MODE,
            ipvs.clone(),
        )?,
        ProcFile::records::<ConnectionsFile<ConnSyncFile>>(
            lease.clone(),
            c"ip_vs_conn_sync",
            MODE,
            ipvs.clone(),
        )?,
        ProcFile::show::<StatsFile>(lease.clone(), c"ip_vs_stats", MODE, ipvs.clone())?,
        ProcFile::show::<PercpuStatsFile>(
            lease.clone(),
            c"ip_vs_stats_percpu",
            MODE,
            ipvs.clone(),
        )?,
        ProcFile::show::<StatusFile>(lease.clone(), c"ip_vs_status", MODE_OF_STATUS, ipvs.clone())?,
    ])
}

/// ip_vs: services and their destinations (K-2).
struct ServicesFile;

impl Records for ServicesFile {
    type Owner = NetnsIpvs;
    type Cursor = ListCursor;

    fn head(ipvs: &NetnsIpvs, out: &mut Output<'_>) -> fmt::Result {
        let size = usize::try_from(ipvs.table_size()).unwrap_or(usize::MAX);
        write!(out, "{}", ServicesHeader(size))
    }

    fn record(
        ipvs: &NetnsIpvs,
        cursor: &mut ListCursor,
        out: &mut Output<'_>,
    ) -> Result<More, fmt::Error> {
        let follows = ipvs.list(cursor, &mut |line| match line {
            Line::Service(view) => write!(out, "{}", ServiceLine { view, hz: time::HZ }),
            Line::Destination(view) => write!(out, "{}", DestinationLine(view)),
        })?;
        Ok(if follows { More::Follows } else { More::Done })
    }
}

/// ip_vs_app: application helpers (K-10); FTP is the only one.
struct AppsFile;

impl Show for AppsFile {
    type Owner = NetnsIpvs;

    fn show(ipvs: &NetnsIpvs, out: &mut Output<'_>) -> fmt::Result {
        out.write_str("prot port    usecnt name\n")?;
        match ipvs.ftp_helper() {
            Some((port, count)) => {
                writeln!(out, "{:<3}  {port:<7} {count:<6} {:<17}", "TCP", "ftp")
            }
            None => Ok(()),
        }
    }
}

/// Format of the lines of a list of connections.
trait ConnFormat: 'static {
    const HEADER: &'static str;

    fn write(view: &ConnectionView<'_>, out: &mut Output<'_>) -> fmt::Result;
}

/// ip_vs_conn (K-3, K-4).
struct ConnFile;

impl ConnFormat for ConnFile {
    const HEADER: &'static str = CONNECTIONS_HEADER;

    fn write(view: &ConnectionView<'_>, out: &mut Output<'_>) -> fmt::Result {
        write!(out, "{}", ConnectionLine(view))
    }
}

/// ip_vs_conn_sync (K-6).
struct ConnSyncFile;

impl ConnFormat for ConnSyncFile {
    const HEADER: &'static str = ORIGINS_HEADER;

    fn write(view: &ConnectionView<'_>, out: &mut Output<'_>) -> fmt::Result {
        write!(out, "{}", OriginLine(view))
    }
}

/// Connections and templates.
struct ConnectionsFile<T>(PhantomData<T>);

impl<T: ConnFormat> Records for ConnectionsFile<T> {
    type Owner = NetnsIpvs;
    type Cursor = BucketCursor;

    fn head(_: &NetnsIpvs, out: &mut Output<'_>) -> fmt::Result {
        out.write_str(T::HEADER)
    }

    fn record(
        ipvs: &NetnsIpvs,
        cursor: &mut BucketCursor,
        out: &mut Output<'_>,
    ) -> Result<More, fmt::Error> {
        /// Number of buckets between two calls of `cond_resched()`. A large table has long runs of
        /// empty buckets.
        const BATCH: usize = 64;
        loop {
            for _ in 0..BATCH {
                let mut shown = Ok(());
                let mut found = false;
                let is_there = ipvs.connections_in_bucket(cursor, &mut |connection| {
                    found = true;
                    shown = shown.and_then(|()| T::write(connection, out));
                });
                shown?;
                if !is_there {
                    return Ok(More::Done);
                }
                if found {
                    return Ok(More::Follows);
                }
            }
            out.give_way()?;
        }
    }
}

/// ip_vs_stats: totals of the namespace (K-7).
struct StatsFile;

impl Show for StatsFile {
    type Owner = NetnsIpvs;

    fn show(ipvs: &NetnsIpvs, out: &mut Output<'_>) -> fmt::Result {
        let statistics = ipvs.totals();
        out.write_str("   Total Incoming Outgoing         Incoming         Outgoing\n")?;
        out.write_str("   Conns  Packets  Packets            Bytes            Bytes\n")?;
        writeln!(out, "{}\n", Columns::of_counters(&statistics.counters))?;
        out.write_str(" Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n")?;
        writeln!(out, "{}", Columns::of_rates(&statistics.rates))
    }
}

/// ip_vs_stats_percpu: counters of each CPU, and the totals (K-8).
struct PercpuStatsFile;

impl Show for PercpuStatsFile {
    type Owner = NetnsIpvs;

    fn show(ipvs: &NetnsIpvs, out: &mut Output<'_>) -> fmt::Result {
        out.write_str("       Total Incoming Outgoing         Incoming         Outgoing\n")?;
        out.write_str("CPU    Conns  Packets  Packets            Bytes            Bytes\n")?;
        for (cpu, counters) in ipvs.of_cpus() {
            writeln!(out, "{cpu:3X} {}", Columns::of_counters(&counters))?;
        }
        let statistics = ipvs.totals();
        writeln!(out, "  ~ {}\n", Columns::of_counters(&statistics.counters))?;
        out.write_str("     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n")?;
        writeln!(out, "    {}", Columns::of_rates(&statistics.rates))
    }
}

/// ip_vs_status: occupancy of the tables (K-9).
struct StatusFile;

impl Show for StatusFile {
    type Owner = NetnsIpvs;

    fn show(ipvs: &NetnsIpvs, out: &mut Output<'_>) -> fmt::Result {
        write!(out, "{}", ipvs.fill())
    }
}
