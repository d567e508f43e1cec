// SPDX-License-Identifier: GPL-2.0

//! `ripvsadm top`: the table, or connections in groups, live, those with the most to do first.
//!
//! [`state`] and [`groups`] decide what is shown, [`screen`] and [`conns`] what it looks like, all
//! without a terminal; [`terminal`] knows the terminal and nothing else.

mod conns;
mod groups;
pub mod options;
mod screen;
mod state;
mod terminal;

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use ipvs_netlink::{Client, Transport};

use conns::Conns;
use options::{Options, What};
use state::{Pressed, State};
use terminal::Terminal;

use crate::cli::subcommand::Given;
use crate::error::Error;
use crate::fetch;
use crate::names::System;
use crate::output;

/// A view that is kept up to date.
trait View<T> {
    /// Reads it from the kernel.
    ///
    /// # Errors
    /// Failures to read it.
    fn update(&mut self, client: &mut Client<T>) -> Result<(), Error>;

    /// Executes the command of a key; `page` is the number of rows on the screen.
    fn press(&mut self, pressed: Pressed, page: usize);

    /// Returns whether it is paused.
    fn is_paused(&self) -> bool;

    /// Returns whether it is what keys asked for; else it is updated at once.
    fn is_current(&self) -> bool {
        true
    }

    /// Returns all of it, for output that is no terminal.
    fn plain(&self) -> String;

    /// Returns a screen of `width` and `height`, to be written over the last one.
    fn paint(&self, width: usize, height: usize, coloured: bool) -> String;
}

impl<T: Transport> View<T> for State {
    fn update(&mut self, client: &mut Client<T>) -> Result<(), Error> {
        self.update(&fetch::all(client)?);
        Ok(())
    }

    fn press(&mut self, pressed: Pressed, page: usize) {
        self.press(pressed, page);
    }

    fn is_paused(&self) -> bool {
        self.paused()
    }

    fn plain(&self) -> String {
        screen::plain(self)
    }

    fn paint(&self, width: usize, height: usize, coloured: bool) -> String {
        screen::paint(self, width, height, coloured)
    }
}

/// Carries `ripvsadm top` out.
///
/// # Errors
/// The option that is wrong; what kept the table from being read, or shown.
fn run(given: &Given, _: &System) -> Result<u8, Error> {
    let options = Options::new(given)?;
    let client = &mut fetch::connect()?;
    match &options.what {
        What::Table(key) => top(&options, client, &mut State::new(*key)),
        What::Conns(by, filter) => top(&options, client, &mut Conns::new(*by, filter.clone())),
    }
    .map(|()| 0)
}

/// Shows a view until it is enough.
///
/// # Errors
/// Failures to read or to show it.
fn top<T: Transport>(
    options: &Options,
    client: &mut Client<T>,
    view: &mut impl View<T>,
) -> Result<(), Error> {
    if !options.is_plain && io::stdin().is_terminal() && io::stdout().is_terminal() {
        live(options, client, view)
    } else {
        snapshots(options, client, view)
    }
}

/// Text, for whatever reads it.
fn snapshots<T: Transport>(
    options: &Options,
    client: &mut Client<T>,
    view: &mut impl View<T>,
) -> Result<(), Error> {
    for number in 0..options.count.unwrap_or(1) {
        if number > 0 {
            std::thread::sleep(Duration::from_secs(options.delay.into()));
            output::print("\n", true)?;
        }
        view.update(client)?;
        output::print(&view.plain(), true)?;
    }
    Ok(())
}

/// A screen that is kept up to date.
fn live<T: Transport>(
    options: &Options,
    client: &mut Client<T>,
    view: &mut impl View<T>,
) -> Result<(), Error> {
    let delay = Duration::from_secs(options.delay.into());
    view.update(client)?;
    // From here on nothing may be printed but by the terminal, which ends before an error is told.
    let mut terminal = Terminal::open()?;
    let mut left = options.count;
    loop {
        let (width, height) = terminal.size();
        terminal.show(&view.paint(width, height, output::may_colour()))?;
        left = left.map(|left| left.saturating_sub(1));
        if left == Some(0) || !until_next(view, &mut terminal, delay)? {
            return Ok(());
        }
        if !view.is_paused() {
            view.update(client)?;
        }
    }
}

/// Does what the keys say until it is time for the next look; `false` where it was enough.
fn until_next<T>(
    view: &mut impl View<T>,
    terminal: &mut Terminal,
    delay: Duration,
) -> Result<bool, Error> {
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
            view.press(pressed, page);
        }
        if !view.is_current() {
            return Ok(true);
        }
        if !bytes.is_empty() {
            terminal.show(&view.paint(width, height, output::may_colour()))?;
        }
    }
}
