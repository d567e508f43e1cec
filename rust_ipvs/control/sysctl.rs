// SPDX-License-Identifier: GPL-2.0

//! /proc/sys/net/ipv4/vs (SPEC 12.2): what the director honours.

use crate::{
    director::Director,
    kapi::{
        net::Net,
        sysctl::{
            Registration,
            Table,
            Variable, //
        },
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// The variables of a namespace.
pub(super) type Variables = Registration<Vs>;

/// Makes the variables of a namespace.
pub(super) fn variables(net: &Net, director: &Arc<Director>) -> Result<Variables> {
    Registration::new(net, director.clone())
}

/// The directory.
pub(super) struct Vs;

/// A variable that is a word of the settings and takes any number.
macro_rules! setting {
    ($name:literal, $word:ident) => {
        Variable::new($name, |director: &Director| &director.settings().$word)
    };
}

impl Table for Vs {
    type Owner = Director;

    const PATH: &'static CStr = c"net/ipv4/vs";

    const VARIABLES: &'static [Variable<Director>] = &[
        setting!(c"amemthresh", amemthresh),
        setting!(c"am_droprate", am_droprate),
        setting!(c"cache_bypass", cache_bypass).on_write(Director::set_cache_bypass),
        setting!(c"drop_entry", drop_entry)
            .range(0, 3)
            .on_write(|director, mode| {
                director.set_defence(|settings| &settings.drop_entry, mode);
                Ok(())
            }),
        setting!(c"drop_packet", drop_packet)
            .range(0, 3)
            .on_write(|director, mode| {
                director.set_defence(|settings| &settings.drop_packet, mode);
                Ok(())
            }),
        setting!(c"secure_tcp", secure_tcp)
            .range(0, 3)
            .on_write(|director, mode| {
                director.set_defence(|settings| &settings.secure_tcp, mode);
                Ok(())
            }),
        Variable::cpus(
            c"est_cpulist",
            |director: &Director| &director.settings().est_cpulist,
            Director::est_cpulist_changed,
        )
        .owned_by_host(),
        setting!(c"est_nice", est_nice)
            .range(-20, 19)
            .owned_by_host(),
        setting!(c"run_estimation", run_estimation)
            .on_write(Director::set_run_estimation)
            .owned_by_host(),
        setting!(c"conn_max", conn_max).on_write(set_conn_max),
        setting!(c"conn_reuse_mode", conn_reuse_mode),
        setting!(c"expire_nodest_conn", expire_nodest_conn),
        setting!(c"expire_quiescent_template", expire_quiescent_template),
        setting!(c"ignore_tunneled", ignore_tunneled),
        Variable::new(c"lblc_expiration", |director: &Director| {
            &director.settings().expirations.lblc
        }),
        Variable::new(c"lblcr_expiration", |director: &Director| {
            &director.settings().expirations.lblcr
        }),
        setting!(c"nat_icmp_send", nat_icmp_send),
        setting!(c"pmtu_disc", pmtu_disc),
        setting!(c"schedule_icmp", schedule_icmp),
        setting!(c"sloppy_sctp", sloppy_sctp),
        setting!(c"sloppy_tcp", sloppy_tcp),
        setting!(c"snat_reroute", snat_reroute),
        setting!(c"conn_lfactor", conn_lfactor)
            .range(-8, 8)
            .owned_by_host(),
        setting!(c"svc_lfactor", svc_lfactor)
            .range(-8, 8)
            .on_write(Director::set_svc_lfactor)
            .owned_by_host(),
    ];
}

/// Sets the limit of connections (Y-1).
fn set_conn_max(director: &Director, value: i32) -> Result {
    let by_host = crate::kapi::sysctl::writer_is_host_admin();
    director
        .settings()
        .set_conn_max(value, by_host)
        .ok_or(EINVAL)
}
