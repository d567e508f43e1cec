// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Prints every second how many connections each service has been given, until it is stopped.
//!
//! `cargo run --example watch`, as root.

use std::thread::sleep;
use std::time::Duration;

use ipvs_netlink::{Client, Error};

fn main() -> Result<(), Error> {
    let mut client = Client::connect()?;
    loop {
        for entry in client.services()? {
            let stats = entry.stats;
            println!(
                "{}: {} connections, {} per second",
                entry.service.id, stats.connections, stats.connection_rate
            );
        }
        sleep(Duration::from_secs(1));
    }
}
