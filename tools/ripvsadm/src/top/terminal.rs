// SPDX-License-Identifier: GPL-2.0

//! The terminal of `top`: keys as they are pressed, a screen of its own, and everything as it was
//! at the end.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use rustix::termios::{tcgetattr, tcgetwinsize, tcsetattr, LocalModes, OptionalActions, Termios};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Another screen, without a cursor; and back.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[2J";
const LEAVE: &[u8] = b"\x1b[?25h\x1b[?1049l";

/// The size of a terminal that does not say, as serial ones.
const SIZE_DEFAULT: (usize, usize) = (80, 24);

/// The terminal, while it is `top`'s.
pub struct Terminal {
    before: Termios,
    ended: Arc<AtomicBool>,
}

impl Terminal {
    /// Takes the terminal of standard input and output.
    ///
    /// # Errors
    /// What keeps it from being one.
    pub fn open() -> io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&ended))?;
        }
        let before = tcgetattr(io::stdin())?;
        let mut keys = before.clone();
        keys.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        tcsetattr(io::stdin(), OptionalActions::Flush, &keys)?;
        let mut terminal = Terminal { before, ended };
        terminal.write(ENTER)?;
        Ok(terminal)
    }

    /// Columns and lines.
    pub fn size(&self) -> (usize, usize) {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (size.ws_col.into(), size.ws_row.into())
            }
            _ => SIZE_DEFAULT,
        }
    }

    /// Writes a screen.
    ///
    /// # Errors
    /// What keeps it from being written.
    pub fn show(&mut self, screen: &str) -> io::Result<()> {
        self.write(screen.as_bytes())
    }

    /// Waits for keys for at most `time`. `None` where the terminal is gone, or a signal said
    /// that it was enough.
    ///
    /// # Errors
    /// What keeps them from being read.
    pub fn wait(&mut self, time: Duration) -> io::Result<Option<Vec<u8>>> {
        let stdin = io::stdin();
        let mut waited = [PollFd::new(&stdin, PollFlags::IN)];
        let time = Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        };
        let ready = match poll(&mut waited, Some(&time)) {
            Err(rustix::io::Errno::INTR) => 0,
            other => other?,
        };
        if self.ended.load(Ordering::Relaxed) {
            return Ok(None);
        }
        if ready == 0 {
            return Ok(Some(Vec::new()));
        }
        let mut bytes = [0; 64];
        // Not by way of the standard library's buffer, of which poll() knows nothing.
        let length = rustix::io::read(&stdin, &mut bytes)?;
        let read = bytes.get(..length).unwrap_or_default();
        Ok(Some(read.to_vec()).filter(|read| !read.is_empty()))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Where it is gone there is nothing to put right.
        let _ = self.write(LEAVE);
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.before);
    }
}
