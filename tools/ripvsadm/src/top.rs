// SPDX-License-Identifier: GPL-2.0

//! `ripvsadm top`: the table, live, those with the most to do first.
//!
//! What is shown is decided in [`state`], what it looks like in [`screen`], both without a
//! terminal; [`terminal`] knows the terminal and nothing else.

pub mod options;
mod screen;
mod state;
mod terminal;

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use ipvs_netlink::{Client, Transport};

use options::Options;
use state::{Pressed, State};
use terminal::Terminal;

use crate::cli::subcommand::Given;
use crate::error::Error;
use crate::fetch;
use crate::names::System;
use crate::output;

/// Carries `ripvsadm top` out.
///
/// # Errors
/// The option that is wrong; what kept the table from being read, or shown.
fn run(given: &Given, _: &System) -> Result<u8, Error> {
    let options = Options::new(given)?;
    top(&options, &mut fetch::connect()?).map(|()| 0)
}

/// Shows the table until it is enough.
///
/// # Errors
/// What kept the table from being read, or shown.
fn top<T: Transport>(options: &Options, client: &mut Client<T>) -> Result<(), Error> {
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        live(options, client)
    } else {
        snapshots(options, client)
    }
}

/// Text, for whatever reads it.
fn snapshots<T: Transport>(options: &Options, client: &mut Client<T>) -> Result<(), Error> {
    let mut state = State::new(options.key);
    for number in 0..options.count.unwrap_or(1) {
        if number > 0 {
            std::thread::sleep(Duration::from_secs(options.delay.into()));
            output::print("\n", true)?;
        }
        state.update(&fetch::all(client)?);
        output::print(&screen::plain(&state), true)?;
    }
    Ok(())
}

/// A screen that is kept up to date.
fn live<T: Transport>(options: &Options, client: &mut Client<T>) -> Result<(), Error> {
    let delay = Duration::from_secs(options.delay.into());
    let mut state = State::new(options.key);
    state.update(&fetch::all(client)?);
    // From here on nothing may be printed but by the terminal, which ends before an error is told.
    let mut terminal = Terminal::open()?;
    let mut left = options.count;
    loop {
        let (width, height) = terminal.size();
        terminal.show(&screen::paint(&state, width, height, output::may_colour()))?;
        left = left.map(|left| left.saturating_sub(1));
        if left == Some(0) || !until_next(&mut state, &mut terminal, delay)? {
            return Ok(());
        }
        if !state.paused() {
            state.update(&fetch::all(client)?);
        }
    }
}

/// Does what the keys say until it is time for the next look; `false` where it was enough.
fn until_next(state: &mut State, terminal: &mut Terminal, delay: Duration) -> Result<bool, Error> {
    let next = Instant::now() + delay;
    loop {
        let now = Instant::now();
        if now >= next {
            return Ok(true);
        }
        let Some(bytes) = terminal.wait(next - now)? else {
            return Ok(false);
        };
        let (width, height) = terminal.size();
        let page = screen::room(height);
        for pressed in state::pressed(&bytes) {
            if pressed == Pressed::Quit {
                return Ok(false);
            }
            state.press(pressed, page);
        }
        if !bytes.is_empty() {
            terminal.show(&screen::paint(state, width, height, output::may_colour()))?;
        }
    }
}
