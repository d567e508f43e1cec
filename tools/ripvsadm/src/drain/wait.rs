// SPDX-License-Identifier: GPL-2.0

//! Waiting for the end of a drain, with what is left of the connections.

use std::io::{self, IsTerminal, Write};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ipvs_netlink::ripvs::{Drain, DrainState};
use ipvs_netlink::{Client, DestinationEntry, Transport};

use super::{needs_rust, Target};
use crate::error::Error;
use crate::explain;

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(250);

/// The exit codes: not done in time, and called off.
const TIMEOUT: u8 = 3;
const CALLED_OFF: u8 = 4;

/// Waits until a drain is done, for `timeout` seconds at most. Returns the exit code.
///
/// # Errors
/// [`Error::Refused`] if the server is not drained; what keeps it from being looked at.
pub fn wait<T: Transport>(
    client: &mut Client<T>,
    target: &Target,
    timeout: Option<u32>,
) -> Result<u8, Error> {
    let (id, server) = target;
    let name = format!("{server} of {id}");
    let end = timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds.into()));
    let mut progress = Progress::new();
    let mut is_first = true;
    loop {
        let drained = look(client, target)?;
        let drained = drained.and_then(|entry| Some((entry.drain?, entry)));
        match drained {
            None if is_first => {
                return Err(Error::Refused(format!(
                    "the real server {name} is not drained"
                )));
            }
            None => {
                progress.show(&format!("{name}: the drain was called off"))?;
                return progress.end(CALLED_OFF);
            }
            Some((drain, entry)) => {
                progress.show(&format!("{name}: {}", words(&drain, &entry)))?;
                if drain.state.is_done() {
                    return progress.end(0);
                }
            }
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            return progress.end(TIMEOUT);
        }
        is_first = false;
        sleep(PERIOD);
    }
}

/// The real server as it is now; `None` if it is not there.
fn look<T: Transport>(
    client: &mut Client<T>,
    (id, server): &Target,
) -> Result<Option<DestinationEntry>, Error> {
    let snapshot = client.ripvs().map_err(needs_rust)?.snapshot(false);
    let mut services = snapshot.map_err(explain::listing)?.services.into_iter();
    let listed = services.find(|listed| listed.service.service.id == *id);
    let servers = listed.map(|listed| listed.destinations);
    let mut servers = servers.unwrap_or_default().into_iter();
    Ok(servers.find(|entry| entry.destination.id == *server))
}

/// A drain in words.
pub fn words(drain: &Drain, entry: &DestinationEntry) -> String {
    let (active, others) = (entry.active_connections, entry.inactive_connections);
    match drain.state {
        DrainState::Done => "drained: no connection is active".to_owned(),
        DrainState::DoneByDeadline => format!(
            "drained: the deadline has ended {} connections, {} of them by RST",
            drain.ended, drain.reset
        ),
        _ => {
            let left = drain.left.map(|left| format!(", {left} s left"));
            let left = left.unwrap_or_default();
            format!("{active} active connections, {others} others{left}")
        }
    }
}

/// Output: one line that changes, or a line for each change.
struct Progress {
    is_terminal: bool,
    shown: String,
}

impl Progress {
    fn new() -> Self {
        Progress {
            is_terminal: io::stdout().is_terminal(),
            shown: String::new(),
        }
    }

    fn show(&mut self, line: &str) -> Result<(), Error> {
        // The time that is left is no change.
        let part = |line: &str| line.split(", ").take(2).collect::<Vec<_>>().join(", ");
        if self.is_terminal {
            self.write(&format!("\r\x1b[K{line}"))?;
        } else if part(line) != part(&self.shown) {
            self.write(&format!("{line}\n"))?;
        }
        self.shown = line.to_owned();
        Ok(())
    }

    fn write(&self, text: &str) -> Result<(), Error> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        Ok(stdout.flush()?)
    }

    /// Ends the line that changes.
    fn end(&self, code: u8) -> Result<u8, Error> {
        if self.is_terminal {
            self.write("\n")?;
        }
        Ok(code)
    }
}
