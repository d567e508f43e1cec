// SPDX-License-Identifier: GPL-2.0

//! /proc/net/ip_vs, ip_vs_conn and ip_vs_stats (SPEC 12.1).

use crate::{
    director::Director,
    kapi::{
        net::Net,
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
        config::{
            Counters,
            Rates, //
        },
        show::{
            ConnectionLine,
            DestinationLine,
            ServiceLine,
            ServicesHeader,
            CONNECTIONS_HEADER, //
        },
    },
};
use core::fmt::{
    self,
    Write, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Everybody may read.
const MODE: u16 = 0o444;

/// The files of a namespace.
pub(super) type Entries = [Entry<Director>; 3];

/// Makes the files of a namespace.
pub(super) fn entries(net: &Net, director: &Arc<Director>) -> Result<Entries> {
    Ok([
        Entry::records::<Services>(net, c"ip_vs", MODE, director.clone())?,
        Entry::records::<Connections>(net, c"ip_vs_conn", MODE, director.clone())?,
        Entry::show::<Totals>(net, c"ip_vs_stats", MODE, director.clone())?,
    ])
}

/// ip_vs: services and their destinations (K-2).
struct Services;

impl Records for Services {
    type Owner = Director;
    /// How many services were shown.
    type Cursor = usize;

    fn head(director: &Director, out: &mut Output<'_>) -> fmt::Result {
        let size = usize::try_from(director.table_size()).unwrap_or(usize::MAX);
        write!(out, "{}", ServicesHeader(size))
    }

    fn record(
        director: &Director,
        cursor: &mut usize,
        out: &mut Output<'_>,
    ) -> Result<More, fmt::Error> {
        /// Services in a record. Finding the next ones means counting those before.
        const BATCH: usize = 16;
        let mut shown = Ok(());
        let mut count = 0usize;
        director.services(*cursor, &mut |service| {
            let line = ServiceLine {
                view: service,
                hz: time::HZ,
            };
            shown = write!(out, "{line}");
            director.destinations(&service.id, 0, &mut |destination| {
                shown = shown.and_then(|()| write!(out, "{}", DestinationLine(destination)));
                shown.is_ok()
            });
            count = count.saturating_add(1);
            shown.is_ok() && count < BATCH
        });
        shown?;
        *cursor = cursor.saturating_add(count);
        Ok(match count {
            BATCH => More::Follows,
            _ => More::Done,
        })
    }
}

/// ip_vs_conn: connections and templates (K-3, K-4).
struct Connections;

impl Records for Connections {
    type Owner = Director;
    /// The bucket to show next.
    type Cursor = usize;

    fn head(_: &Director, out: &mut Output<'_>) -> fmt::Result {
        out.write_str(CONNECTIONS_HEADER)
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
                shown = shown.and_then(|()| write!(out, "{}", ConnectionLine(connection)));
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
        let Counters {
            conns,
            in_packets,
            out_packets,
            in_bytes,
            out_bytes,
        } = statistics.counters;
        out.write_str("   Total Incoming Outgoing         Incoming         Outgoing\n")?;
        out.write_str("   Conns  Packets  Packets            Bytes            Bytes\n")?;
        writeln!(
            out,
            "{conns:8X} {in_packets:8X} {out_packets:8X} {in_bytes:16X} {out_bytes:16X}\n"
        )?;
        let Rates {
            conns,
            in_packets,
            out_packets,
            in_bytes,
            out_bytes,
        } = statistics.rates;
        out.write_str(" Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n")?;
        writeln!(
            out,
            "{conns:8X} {in_packets:8X} {out_packets:8X} {in_bytes:16X} {out_bytes:16X}"
        )
    }
}
