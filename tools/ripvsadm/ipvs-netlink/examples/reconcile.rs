// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Keeps a web service as it should be, whoever else changes the table: needs rust_ipvs and root.
//!
//! `cargo run --example reconcile -- 192.0.2.1:80 198.51.100.1:8080 198.51.100.2:8080`

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use ipvs_netlink::ripvs::{diff, Wanted, WantedService};
use ipvs_netlink::{Client, Destination, ForwardMethod, Protocol, Service, ServiceId};

/// A service with its servers.
fn wanted(vip: SocketAddr, servers: &[SocketAddr]) -> WantedService {
    let id = ServiceId::address(Protocol::Tcp, vip.ip(), vip.port());
    let servers = servers.iter().map(|server| Destination {
        forward: ForwardMethod::Masquerade,
        ..Destination::new(server.ip(), server.port())
    });
    WantedService {
        service: Service::new(id, "wlc"),
        destinations: servers.collect(),
    }
}

/// Makes the service what is wanted, and leaves all others as they are. Returns if it was not.
fn reconcile(client: &mut Client, wanted: &WantedService) -> Result<bool, Box<dyn Error>> {
    let mut ripvs = client.ripvs()?;
    let mut now = ripvs.snapshot(false)?;
    now.services
        .retain(|listed| listed.service.service.id == wanted.service.id);
    let wanted = Wanted {
        services: vec![wanted.clone()],
        ..Wanted::default()
    };
    let changes = diff(&now, &wanted);
    if changes.is_empty() {
        return Ok(false);
    }
    match ripvs.apply(Some(now.generation), &changes) {
        Ok(_) => {
            changes.iter().for_each(|change| println!("{change}"));
            Ok(true)
        }
        // Somebody else was faster: the next look shows what is there now.
        Err(refused) if refused.is_stale() => Ok(true),
        Err(refused) => Err(refused.into()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let addresses: Result<Vec<SocketAddr>, _> =
        std::env::args().skip(1).map(|word| word.parse()).collect();
    let addresses = addresses?;
    let (vip, servers) = addresses
        .split_first()
        .ok_or("usage: reconcile VIP:PORT SERVER:PORT...")?;
    let wanted = wanted(*vip, servers);
    let mut client = Client::connect()?;
    loop {
        if !reconcile(&mut client, &wanted)? {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}
