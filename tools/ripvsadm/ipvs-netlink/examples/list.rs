// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Lists services and destinations, with what they are configured for.
//!
//! `cargo run --example list`, as root.

use ipvs_netlink::{Client, Error};

fn main() -> Result<(), Error> {
    let mut client = Client::connect()?;
    let (major, minor, patch) = client.info()?.version_parts();
    println!("IPVS {major}.{minor}.{patch}");

    let services = client.services()?;
    // All lists at once, rather than one by one.
    let ids: Vec<_> = services.iter().map(|entry| &entry.service.id).collect();
    let lists = client.destinations_of(&ids)?;
    for (entry, servers) in services.iter().zip(lists) {
        println!("{} by {}", entry.service.id, entry.service.scheduler);
        for server in servers {
            let destination = server.destination;
            println!(
                "  {} {:?}, weight {}",
                destination.id, destination.forward, destination.weight
            );
        }
    }
    Ok(())
}
