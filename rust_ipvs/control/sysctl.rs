// SPDX-License-Identifier: GPL-2.0

//! /proc/sys/net/ipv4/vs (behaviour.rst 12.2).

use crate::{
    director::NetnsIpvs,
    kapi::{
        net::Lease,
        sysctl::{
            Registration,
            SysctlTable,
            Variable, //
        },
        time,
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Sysctl variables of a namespace.
pub(super) type Variables = Registration<Vs>;

/// Registers the variables of a namespace.
pub(super) fn variables(lease: Lease, ipvs: &Arc<NetnsIpvs>) -> Result<Variables> {
    Registration::new(lease, ipvs.clone())
}

/// Sysctl directory net/ipv4/vs.
pub(super) struct Vs;

/// Defines a variable of `Settings` that accepts any number.
macro_rules! setting {
    ($name:literal, $word:ident) => {
        Variable::new($name, |ipvs: &NetnsIpvs| &ipvs.settings().$word)
    };
}

/// Defines a variable of `Settings::sync`.
macro_rules! sync {
    ($name:literal, $word:ident) => {
        Variable::new($name, |ipvs: &NetnsIpvs| &ipvs.settings().sync.$word)
    };
}

impl SysctlTable for Vs {
    type Owner = NetnsIpvs;

    const PATH: &'static CStr = c"net/ipv4/vs";

    const VARIABLES: &'static [Variable<NetnsIpvs>] = &[
        setting!(c"amemthresh", amemthresh),
        setting!(c"am_droprate", am_droprate),
        setting!(c"cache_bypass", cache_bypass).on_write(NetnsIpvs::set_cache_bypass),
        setting!(c"drop_entry", drop_entry)
            .range(0, 3)
            .on_write(|ipvs, mode| {
                ipvs.set_defense(|settings| &settings.drop_entry, mode);
                Ok(())
            }),
        setting!(c"drop_packet", drop_packet)
            .range(0, 3)
            .on_write(|ipvs, mode| {
                ipvs.set_defense(|settings| &settings.drop_packet, mode);
                Ok(())
            }),
        setting!(c"secure_tcp", secure_tcp)
            .range(0, 3)
            .on_write(|ipvs, mode| {
                ipvs.set_defense(|settings| &settings.secure_tcp, mode);
                Ok(())
            }),
        Variable::cpus(
            c"est_cpulist",
            |ipvs: &NetnsIpvs| &ipvs.settings().est_cpulist,
            NetnsIpvs::est_cpulist_changed,
        )
        .owned_by_host(),
        setting!(c"est_nice", est_nice)
            .range(-20, 19)
            .owned_by_host(),
        setting!(c"run_estimation", run_estimation)
            .on_write(NetnsIpvs::set_run_estimation)
            .owned_by_host(),
        setting!(c"conntrack", conntrack),
        sync!(c"sync_version", version).range(0, 1),
        sync!(c"sync_ports", ports).on_write(set_sync_ports),
        sync!(c"sync_persist_mode", persist_mode),
        Variable::long(c"sync_qlen_max", |ipvs: &NetnsIpvs| {
            &ipvs.settings().sync.qlen_max
        })
        .owned_by_host(),
        sync!(c"sync_sock_size", sock_size).owned_by_host(),
        Variable::pair(
            c"sync_threshold",
            |ipvs: &NetnsIpvs| &ipvs.settings().sync.threshold,
            is_sync_threshold,
        ),
        sync!(c"sync_refresh_period", refresh_period).range(-LONGEST, LONGEST),
        sync!(c"sync_retries", retries).range(0, 3),
        sync!(c"backup_only", backup_only).on_write(NetnsIpvs::set_backup_only),
        setting!(c"conn_max", conn_max).on_write(set_conn_max),
        setting!(c"conn_reuse_mode", conn_reuse_mode),
        setting!(c"expire_nodest_conn", expire_nodest_conn),
        setting!(c"expire_quiescent_template", expire_quiescent_template),
        setting!(c"fast_path", fast_path)
            .range(0, 2)
            .on_write(NetnsIpvs::set_fast_path),
        setting!(c"ignore_tunneled", ignore_tunneled),
        Variable::new(c"lblc_expiration", |ipvs: &NetnsIpvs| {
            &ipvs.settings().expirations.lblc
        })
        .hidden_from_others(),
        Variable::new(c"lblcr_expiration", |ipvs: &NetnsIpvs| {
            &ipvs.settings().expirations.lblcr
        })
        .hidden_from_others(),
        setting!(c"nat_icmp_send", nat_icmp_send),
        setting!(c"pmtu_disc", pmtu_disc),
        setting!(c"schedule_icmp", schedule_icmp),
        setting!(c"sloppy_sctp", sloppy_sctp),
        setting!(c"sloppy_tcp", sloppy_tcp),
        setting!(c"snat_reroute", snat_reroute),
        setting!(c"conn_lfactor", conn_lfactor)
            .range(-8, 8)
            .on_write(NetnsIpvs::set_conn_lfactor)
            .owned_by_host(),
        setting!(c"svc_lfactor", svc_lfactor)
            .range(-8, 8)
            .on_write(NetnsIpvs::set_svc_lfactor)
            .owned_by_host(),
    ];
}

/// Longest time in seconds whose number of jiffies fits a C int.
const LONGEST: i32 = i32::MAX / time::HZ as i32;

/// Sets the number of ports; `EINVAL` unless it is a power of two.
fn set_sync_ports(ipvs: &NetnsIpvs, value: i32) -> Result {
    if value.count_ones() != 1 || value < 1 {
        return Err(EINVAL);
    }
    ipvs.settings().sync.ports.store(value);
    Ok(())
}

/// Returns true if `first` and `period` are valid: a connection is sent at its `first` packet, and
/// then once every `period` packets, or not again if that is 0.
fn is_sync_threshold(first: i32, period: i32) -> bool {
    first >= 0 && period >= 0 && (first < period || period == 0)
}

/// Sets the limit of connections (Y-1). A writer without `CAP_NET_ADMIN` in the initial user
/// namespace cannot exceed the value that one with it set last.
fn set_conn_max(ipvs: &NetnsIpvs, value: i32) -> Result {
    let by_host = crate::kapi::sysctl::writer_is_host_admin();
    ipvs.settings().set_conn_max(value, by_host).ok_or(EINVAL)
}
