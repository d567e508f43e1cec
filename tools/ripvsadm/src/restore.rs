// SPDX-License-Identifier: GPL-2.0

//! `-R`: the command lines of a file, one after the other.
//!
//! As with ipvsadm, a line that the kernel refuses, or in which an option is unknown or lacks its
//! value, is reported and the next one goes on, a line that is no command line ends it, and the
//! exit code is the last line's. (ipvsadm saves lines that end in an option without its value.)
//!
//! What follows each other is given to the kernel together. Nothing waits for a line that is not
//! there yet: where the next one would have to be read, what was read is done first.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;

use ipvs_netlink::{Change, Client, Transport};

use crate::cli::{self, plain};
use crate::drain;
use crate::error::Error;
use crate::explain;
use crate::model::Action;
use crate::names::System;
use crate::perform::perform;

/// The bytes that are read at a time.
const READ_SIZE: usize = 64 << 10;

/// Runs the lines of `input`, and tells on `complaints` what is wrong with which of them. Returns
/// the exit code.
///
/// # Errors
/// [`Error::Stream`] where there is no reading it.
pub fn restore<T: Transport>(
    input: impl Read,
    client: &mut Client<T>,
    names: &System,
    complaints: &mut dyn Write,
) -> Result<u8, Error> {
    let mut input = BufReader::with_capacity(READ_SIZE, input);
    let mut batch = Batch::default();
    let mut line = Vec::new();
    let mut number = 0;
    let mut code = 0;
    loop {
        line.clear();
        if !input.buffer().contains(&b'\n') {
            batch.run(client, &mut code, complaints)?;
        }
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(code);
        }
        number += 1;
        if let Some(change) = plain::read(line.strip_suffix(b"\n").unwrap_or(&line)) {
            batch.add(change, number);
            continue;
        }
        let words = words(&line);
        if words.is_empty() {
            continue;
        }
        if let Some(wanted) = drain::line(&words, names) {
            batch.run(client, &mut code, complaints)?;
            code = 0;
            if let Err(error) = wanted.and_then(|wanted| drain::perform(client, &wanted)) {
                complain(complaints, number, &error);
                code = error.exit_code();
            }
            continue;
        }
        let parsed = cli::parse(&words, names);
        if let Ok(Action::Change(change)) = parsed {
            batch.add(change, number);
            continue;
        }
        batch.run(client, &mut code, complaints)?;
        let last = matches!(parsed, Ok(Action::Help | Action::Version));
        match parsed.and_then(|action| perform(action, client, names)) {
            Ok(()) => code = 0,
            Err(error @ Error::Option(_)) => {
                complain(complaints, number, &error);
                code = error.exit_code();
            }
            Err(error) => {
                complain(complaints, number, &error);
                return Ok(error.exit_code());
            }
        }
        if last {
            return Ok(code);
        }
    }
}

/// Changes that the kernel has not been asked for yet, and the numbers of their lines.
#[derive(Default)]
struct Batch {
    changes: Vec<Change>,
    lines: Vec<usize>,
}

impl Batch {
    fn add(&mut self, change: Change, line: usize) {
        self.changes.push(change);
        self.lines.push(line);
    }

    /// Applies them; `code` becomes the last one's.
    fn run<T: Transport>(
        &mut self,
        client: &mut Client<T>,
        code: &mut u8,
        complaints: &mut dyn Write,
    ) -> Result<(), Error> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let last = self.changes.len() - 1;
        let refused = client.apply_all(&self.changes).map_err(explain::lost)?;
        *code = 0;
        for (place, error) in refused {
            if let (Some(change), Some(line)) = (self.changes.get(place), self.lines.get(place)) {
                let error = explain::refusal(error, change);
                complain(complaints, *line, &error);
                if place == last {
                    *code = error.exit_code();
                }
            }
        }
        self.changes.clear();
        self.lines.clear();
        Ok(())
    }
}

fn complain(complaints: &mut dyn Write, line: usize, error: &Error) {
    // A failure to write to standard error cannot be reported.
    let _ = writeln!(complaints, "ripvsadm: line {line}: {error}");
}

/// The words of a line: none for an empty one or a comment, and without the program's name,
/// which may come first.
pub fn words(line: &[u8]) -> Vec<OsString> {
    let words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let mut words = words.peekable();
    if words.peek().is_some_and(|first| first.starts_with(b"#")) {
        return Vec::new();
    }
    words.next_if(|first| matches!(*first, b"ipvsadm" | b"ripvsadm"));
    words
        .map(|word| OsStr::from_bytes(word).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::io;

    /// A kernel that acknowledges, and refuses what has one of these ports in it.
    #[derive(Default)]
    struct Kernel {
        refused: Vec<(u16, i32)>,
        commands: Vec<u8>,
        datagrams: usize,
        answers: VecDeque<Vec<u8>>,
    }

    impl Kernel {
        fn answer(&mut self, request: &[u8]) {
            let sequence = &request[8..12];
            let message = |kind: u16, payload: &[u8]| {
                let mut bytes = (16 + payload.len() as u32).to_ne_bytes().to_vec();
                bytes.extend(kind.to_ne_bytes());
                bytes.extend([0, 0]);
                bytes.extend(sequence);
                bytes.extend([0; 4]);
                bytes.extend(payload);
                bytes
            };
            if request[4..6] == 16u16.to_ne_bytes() {
                let family = [1, 2, 0, 0, 6, 0, 1, 0, 0x1c, 0, 0, 0];
                self.answers.push_back(message(16, &family));
                self.answers.push_back(message(2, &[0; 20]));
                return;
            }
            self.commands.push(request[16]);
            // IPVS_SVC_ATTR_PORT, six bytes long.
            let port = request.windows(6).find(|w| w.starts_with(&[6, 0, 4, 0]));
            let port = port.map(|w| u16::from_be_bytes([w[4], w[5]]));
            let refused = self.refused.iter().find(|(wrong, _)| Some(*wrong) == port);
            let errno = refused.map_or(0, |(_, errno)| *errno);
            if errno != 0 || request[6] & 4 != 0 {
                let mut payload = (-errno).to_ne_bytes().to_vec();
                payload.extend(&request[..16]);
                self.answers.push_back(message(2, &payload));
            }
        }
    }

    impl Transport for &mut Kernel {
        fn send(&mut self, requests: &[u8]) -> io::Result<()> {
            self.datagrams += 1;
            let mut rest = requests;
            while !rest.is_empty() {
                let length = u32::from_ne_bytes(rest[..4].try_into().unwrap());
                let (request, behind) = rest.split_at(length as usize);
                self.answer(request);
                rest = behind;
            }
            Ok(())
        }

        fn receive(&mut self, datagram: &mut Vec<u8>) -> io::Result<()> {
            *datagram = self.answers.pop_front().ok_or(io::ErrorKind::TimedOut)?;
            Ok(())
        }

        fn room(&self) -> usize {
            200_000
        }
    }

    fn run(input: impl Read, kernel: &mut Kernel) -> (u8, String) {
        let mut complaints = Vec::new();
        let mut client = Client::with_transport(kernel).unwrap();
        let code = restore(input, &mut client, &System::default(), &mut complaints).unwrap();
        (code, String::from_utf8(complaints).unwrap())
    }

    fn refusing(refused: &[(u16, i32)]) -> Kernel {
        Kernel {
            refused: refused.to_vec(),
            ..Kernel::default()
        }
    }

    /// Services on ports 1 to `last`, a line each.
    fn services(last: u16) -> String {
        let line = |port| format!("-A -t 192.0.2.1:{port} -s rr\n");
        (1..=last).map(line).collect()
    }

    #[test]
    fn many_lines_go_together() {
        let mut kernel = refusing(&[]);
        let done = run(services(4000).as_bytes(), &mut kernel);
        assert_eq!(done, (0, String::new()));
        assert_eq!(kernel.commands, [1; 4000]);
        assert!(kernel.datagrams < 100, "{}", kernel.datagrams);
    }

    #[test]
    fn a_refused_line_is_named_and_the_next_goes_on() {
        let mut kernel = refusing(&[(900, libc::EEXIST), (901, libc::EPERM)]);
        let (code, complaints) = run(services(1000).as_bytes(), &mut kernel);
        assert_eq!(code, 0);
        let lines: Vec<&str> = complaints.lines().collect();
        assert_eq!(lines.len(), 2, "{complaints}");
        assert_eq!(
            lines[0],
            "ripvsadm: line 900: cannot add the service TCP 192.0.2.1:900: it is there already; \
             change it with -E"
        );
        assert!(lines[1].starts_with("ripvsadm: line 901: no permission"));
        assert_eq!(kernel.commands.len(), 1000);

        // The exit code is the last line's.
        let mut kernel = refusing(&[(1000, libc::EEXIST)]);
        assert_eq!(run(services(1000).as_bytes(), &mut kernel).0, 255);
    }

    #[test]
    fn a_wrong_line_ends_it() {
        for (wrong, code, words) in [
            ("-A -t 192.0.2.1:81 -w x", 2, "weight \"x\""),
            ("nonsense", 255, "nonsense"),
            ("-R", 255, "within itself"),
            ("top", 255, "no rule"),
        ] {
            let text = format!("{}{wrong}\n{}", services(899), services(5));
            let mut kernel = refusing(&[(7, libc::ENOENT)]);
            let (ended, complaints) = run(text.as_bytes(), &mut kernel);
            assert_eq!(ended, code, "{wrong}");
            let lines: Vec<&str> = complaints.lines().collect();
            assert_eq!(lines.len(), 2, "{complaints}");
            assert!(lines[0].starts_with("ripvsadm: line 7: "), "{complaints}");
            assert!(lines[1].starts_with("ripvsadm: line 900: "), "{complaints}");
            assert!(lines[1].contains(words), "{complaints}");
            // What is before it is done, what is behind it is not.
            assert_eq!(kernel.commands.len(), 899, "{wrong}");
        }
    }

    #[test]
    fn a_wrong_option_does_not_keep_the_next_line() {
        for (wrong, words) in [
            ("-A -t 192.0.2.1:81 -s sh -b ", "-b needs a value"),
            ("-A -t 192.0.2.1:81 --nonsense", "--nonsense"),
        ] {
            let text = format!("{}{wrong}\n{}", services(9), services(5));
            let mut kernel = refusing(&[]);
            let (code, complaints) = run(text.as_bytes(), &mut kernel);
            assert_eq!(code, 0, "{wrong}");
            assert!(
                complaints.starts_with("ripvsadm: line 10: "),
                "{complaints}"
            );
            assert!(complaints.contains(words), "{complaints}");
            assert_eq!(complaints.lines().count(), 1, "{complaints}");
            assert_eq!(kernel.commands.len(), 14, "{wrong}");
            let last = format!("{}{wrong}", services(2));
            assert_eq!(run(last.as_bytes(), &mut refusing(&[])).0, 255);
        }
    }

    #[test]
    fn comments_blank_lines_and_other_bytes() {
        let text = b"# -C\n\n  \t\r\n  # x\nipvsadm -C\n ripvsadm\t-C \r\n-C";
        let mut kernel = refusing(&[]);
        assert_eq!(run(&text[..], &mut kernel), (0, String::new()));
        assert_eq!(kernel.commands, [17; 3]);

        let (code, complaints) = run(&b"-C\n-A -t \xff:80\n"[..], &mut refusing(&[]));
        assert_eq!(code, 2);
        assert_eq!(complaints, "ripvsadm: line 2: an argument is not UTF-8\n");
    }

    /// Reader that returns a line at a time, as a terminal does.
    struct Slow<'a>(Vec<&'a str>);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.is_empty() {
                true => Ok(0),
                false => self.0.remove(0).as_bytes().read(buffer),
            }
        }
    }

    #[test]
    fn nothing_waits_for_the_next_line() {
        let mut kernel = refusing(&[]);
        let lines = vec!["-C\n", "-Z\n-Z\n", "-C", "\n", "-Z"];
        assert_eq!(run(Slow(lines), &mut kernel), (0, String::new()));
        assert_eq!(kernel.commands, [17, 16, 16, 17, 16]);
        // The look-up, and then whatever was there.
        assert_eq!(kernel.datagrams, 5);
    }

    fn split(line: &str) -> Vec<String> {
        words(line.as_bytes())
            .into_iter()
            .map(|word| word.into_string().unwrap())
            .collect()
    }

    #[test]
    fn lines() {
        assert_eq!(
            split("-A -t 192.0.2.1:80\t-s  rr \r\n"),
            ["-A", "-t", "192.0.2.1:80", "-s", "rr"]
        );
        assert_eq!(split("ipvsadm -C"), ["-C"]);
        assert_eq!(split("  ripvsadm -C"), ["-C"]);
        for line in ["", "   ", "# -C", "  # -C", "#", "ipvsadm"] {
            assert!(split(line).is_empty(), "{line:?}");
        }
    }
}
