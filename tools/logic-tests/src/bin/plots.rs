// SPDX-License-Identifier: GPL-2.0

//! Plots how each scheduler distributes 10,000 connections over three servers, one SVG for each.
//!
//! usage: plots FOLDER
//!
//! The schedulers are those of the kernel module, compiled from the same files. Four of five
//! connections are short, the fifth is long. Client addresses are random, and a few of many
//! destination addresses are frequent. The output is the same on each run.

#![allow(dead_code, unused_imports)]

#[path = "../../../../rust_ipvs"]
mod shipped {
    pub(crate) mod logic;
}

use shipped::logic;
#[path = "../model.rs"]
mod model;
// Needed for the unit tests in `logic`, which clippy compiles here too.
#[cfg(test)]
#[path = "../reference.rs"]
mod reference;

use logic::sched::Scheduler;
use model::Service;
use std::fmt::Write;
use std::{env, fs, io, path::Path};

const CONNECTIONS: usize = 10_000;
/// Number of connections between two points of a curve.
const STEP: usize = 100;
const NAMES: [char; 3] = ['A', 'B', 'C'];
const COLOURS: [&str; 3] = ["#1b6ca8", "#d1495b", "#2e7d32"];

/// Pseudo-random numbers with a fixed seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((u128::from(self.0) * u128::from(limit)) >> 64) as u64
    }
}

/// Result of the simulation.
struct Course {
    weights: [i32; 3],
    /// Open connections of each server, at each point.
    open: Vec<[u32; 3]>,
    /// Total number of connections of each server.
    got: [usize; 3],
    refused: usize,
}

/// Returns the weights. For schedulers whose weight is a number of connections they are small
/// enough to be reached.
fn weights(scheduler: Scheduler) -> [i32; 3] {
    match scheduler.name() {
        "ovf" | "lblc" | "lblcr" => [10, 20, 40],
        _ => [1, 2, 4],
    }
}

fn play(scheduler: Scheduler) -> Course {
    let weights = weights(scheduler);
    let mut service = Service::new(scheduler.name());
    for (name, weight) in NAMES.into_iter().zip(weights) {
        service.add(name, weight);
    }
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut course = Course {
        weights,
        open: Vec::new(),
        got: [0; 3],
        refused: 0,
    };
    // End and server of each open connection.
    let mut ends: Vec<(usize, usize)> = Vec::new();
    for now in 0..CONNECTIONS {
        ends.retain(|(end, server)| {
            if *end <= now {
                let server = service.named(NAMES[*server]);
                server.active.set(server.active.get() - 1);
                server.total.set(server.total.get() - 1);
            }
            *end > now
        });
        let client = [172, 16, random.below(256) as u8, random.below(256) as u8];
        let port = 1024 + random.below(60_000) as u16;
        let popularity = random.below(200) * random.below(200) / 200;
        let longest = if random.below(5) == 0 { 500 } else { 20 };
        let length = 1 + random.below(longest) as usize;
        match service.pick_for(client, port, [198, 51, 100, popularity as u8]) {
            None => course.refused += 1,
            Some(server) => {
                server.active.set(server.active.get() + 1);
                server.total.set(server.total.get() + 1);
                let index = NAMES.iter().position(|name| *name == server.name);
                let index = index.expect("one of the three");
                course.got[index] += 1;
                ends.push((now + length, index));
            }
        }
        service.now.set(now as u64 / 100);
        if now % STEP == 0 {
            course
                .open
                .push(NAMES.map(|name| service.named(name).active.get().unsigned_abs()));
        }
    }
    course
}

fn draw(name: &str, course: &Course) -> Result<String, std::fmt::Error> {
    let (left, top, width, height) = (44.0, 30.0, 460.0, 150.0);
    let most = course
        .open
        .iter()
        .flatten()
        .max()
        .copied()
        .unwrap_or(1)
        .max(1);
    let ceiling = most.next_multiple_of(20);
    let mut svg = String::new();
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="680" height="220" font-family="sans-serif" font-size="12">"#
    )?;
    writeln!(svg, "<!-- SPDX-License-Identifier: GPL-2.0 -->")?;
    writeln!(svg, r##"<rect width="680" height="220" fill="#ffffff"/>"##)?;
    writeln!(
        svg,
        r#"<text x="{left}" y="18" font-size="14">{name}: open connections at each server</text>"#
    )?;
    for part in 0..=2u32 {
        let value = ceiling * part / 2;
        let y = top + height - height * f64::from(part) / 2.0;
        writeln!(
            svg,
            r##"<line x1="{left}" y1="{y}" x2="{}" y2="{y}" stroke="#dddddd"/>"##,
            left + width
        )?;
        writeln!(
            svg,
            r#"<text x="{}" y="{}" text-anchor="end">{value}</text>"#,
            left - 6.0,
            y + 4.0
        )?;
    }
    let below = top + height + 18.0;
    writeln!(svg, r#"<text x="{left}" y="{below}">0</text>"#)?;
    writeln!(
        svg,
        r#"<text x="{}" y="{below}" text-anchor="end">10,000 connections</text>"#,
        left + width
    )?;
    for (server, colour) in COLOURS.into_iter().enumerate() {
        let mut points = String::new();
        for (at, open) in course.open.iter().enumerate() {
            let x = left + width * (at * STEP) as f64 / CONNECTIONS as f64;
            let y = top + height - height * f64::from(open[server]) / f64::from(ceiling);
            write!(points, "{x:.1},{y:.1} ")?;
        }
        writeln!(
            svg,
            r#"<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{}"/>"#,
            points.trim_end()
        )?;
        let (y, weight) = (top + 14.0 + 34.0 * server as f64, course.weights[server]);
        let share = course.got[server] as f64 * 100.0 / CONNECTIONS as f64;
        writeln!(
            svg,
            r#"<text x="520" y="{y}" fill="{colour}">weight {weight}</text>"#
        )?;
        writeln!(
            svg,
            r#"<text x="520" y="{}">{share:.1} % of all</text>"#,
            y + 14.0
        )?;
    }
    let refused = course.refused as f64 * 100.0 / CONNECTIONS as f64;
    writeln!(
        svg,
        r#"<text x="520" y="{}">refused: {refused:.1} %</text>"#,
        top + 14.0 + 34.0 * 3.0
    )?;
    writeln!(svg, "</svg>")?;
    Ok(svg)
}

fn main() -> io::Result<()> {
    let folder = env::args().nth(1).expect("usage: plots FOLDER");
    fs::create_dir_all(&folder)?;
    for scheduler in Scheduler::ALL {
        let name = scheduler.name();
        let course = play(*scheduler);
        let svg = draw(name, &course).expect("a string takes everything");
        fs::write(Path::new(&folder).join(format!("{name}.svg")), svg)?;
        println!(
            "{name}: {:?} connections, {} refused",
            course.got, course.refused
        );
    }
    Ok(())
}
