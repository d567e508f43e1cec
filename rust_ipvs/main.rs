// SPDX-License-Identifier: GPL-2.0

//! IP Virtual Server (IPVS), a layer-4 load balancer: the module with its aliases and parameters.

#![deny(unsafe_code)]
// A panic in softirq context stops the machine, so operations that may panic are not allowed.
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

#[allow(unsafe_code)]
#[doc(hidden)]
mod bindings;
mod control;
mod director;
#[allow(unsafe_code)]
mod kapi;
mod logic;

use director::{Caches, NetnsIpvs};
use kapi::{
    devices::DeviceNotifierGuard,
    net::{Namespaced, NamespacesGuard},
    reclaim::Reclaimer,
};
use kernel::prelude::*;

module! {
    type: RustIpvs,
    name: "rust_ipvs",
    authors: ["The rust_ipvs developers"],
    description: "IP virtual server in Rust",
    license: "GPL",
    alias: [
        "net-pf-16-proto-16-family-IPVS",
        // Names of C IPVS's modules, so that a request for one loads this module if the kernel does
        // not have it.
        "ip_vs",
        "ipvs",
        "ip_vs_pe_sip",
        "ip_vs_ftp",
        "xt_ipvs",
        "ipt_ipvs",
        "ip6t_ipvs",
        "ip_vs_rr",
        "ip_vs_wrr",
        "ip_vs_lc",
        "ip_vs_wlc",
        "ip_vs_fo",
        "ip_vs_ovf",
        "ip_vs_lblc",
        "ip_vs_lblcr",
        "ip_vs_dh",
        "ip_vs_sh",
        "ip_vs_mh",
        "ip_vs_sed",
        "ip_vs_nq",
        "ip_vs_twos",
    ],
    params: {
        conn_tab_bits: u32 {
            default: 0,
            description: "Bits of the greatest size of a connection table (8 to 27); 0: as needed",
        },
        ftp_port: u16 {
            default: 21,
            description: "TCP port of FTP services that the helper handles; 0: no helper",
        },
        fast_path: i32 {
            default: 1,
            description: "Value that net.ipv4.vs.fast_path has in each namespace at first (0 to 2)",
        },
    },
}

struct RustIpvs {
    // Dropped in this order: the user interfaces first, so that no request uses the rest.
    _control: control::Registration,
    _devices: DeviceNotifierGuard,
    _namespaces: NamespacesGuard<NetnsIpvs>,
    _reclaimer: Reclaimer,
}

impl kernel::Module for RustIpvs {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let reclaimer = Reclaimer::new()?;
        let caches = Caches::new(
            module_parameters::conn_tab_bits.value(),
            module_parameters::ftp_port.value(),
            module_parameters::fast_path.value(),
            control::announce,
        )?;
        let namespaces = NetnsIpvs::namespaces().register(caches)?;
        Ok(Self {
            _control: control::Registration::new()?,
            _devices: NetnsIpvs::devices().register()?,
            _namespaces: namespaces,
            _reclaimer: reclaimer,
        })
    }
}
