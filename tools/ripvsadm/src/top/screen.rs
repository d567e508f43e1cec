// SPDX-License-Identifier: GPL-2.0

//! Screen of `top`: lines of text, with or without colours.

use std::fmt::Write;

use super::options::Key;
use super::state::{Row, State};

/// The width of a column, the blank before it included.
pub const COLUMN: usize = 7;

/// Minimum width of names.
pub const NAME_MIN: usize = 16;

/// Lines that are no rows: two above the headings, the sum, the headings, the keys.
const FRAME: usize = 4;

const KEYS: &str = "q quit  < > sort  d real servers  space pause  arrows, page keys scroll";

pub const BOLD: &str = "\x1b[1m";
pub const REVERSE: &str = "\x1b[7m";
pub const SERVICE: &str = "\x1b[36m";
const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

/// Returns how many rows a screen of `height` lines has.
pub fn room(height: usize) -> usize {
    height.saturating_sub(FRAME).max(1)
}

/// The whole table, for output that is no terminal.
pub fn plain(state: &State) -> String {
    let names = state.all().map(|(row, server)| name(row, server).len());
    let width = names.max().unwrap_or_default().max(NAME_MIN);
    let mut text = format!("{}\n{}\n", summary(state), headings(state.key(), width));
    let (total, _, _) = state.total();
    text.push_str(&line("all services", total, width));
    text.push('\n');
    for (row, server) in state.all() {
        text.push_str(&line(&name(row, server), row, width));
        text.push('\n');
    }
    text
}

/// A screen of `width` and `height`, to be written over the last one.
pub fn paint(state: &State, width: usize, height: usize, coloured: bool) -> String {
    let names = width
        .saturating_sub(COLUMN * (Key::ALL.len() - 1))
        .max(NAME_MIN);
    let (total, _, _) = state.total();
    let mut lines = vec![
        (BOLD, summary(state)),
        (REVERSE, headings(state.key(), names)),
        (BOLD, line("all services", total, names)),
    ];
    for (row, server) in state.rows().take(room(height)) {
        let colour = match (server, row.idle) {
            (false, _) => SERVICE,
            (true, true) => DIM,
            (true, false) => "",
        };
        lines.push((colour, line(&name(row, server), row, names)));
    }
    frame(lines, KEYS, (width, height), coloured)
}

/// Makes a screen of `width` and `height` of lines with their colours; the last one are the keys.
pub fn frame(
    mut lines: Vec<(&str, String)>,
    keys: &str,
    (width, height): (usize, usize),
    coloured: bool,
) -> String {
    lines.resize_with(height.saturating_sub(1), || ("", String::new()));
    lines.push((DIM, keys.to_owned()));

    // From the top left corner, each line to its end.
    let mut screen = "\x1b[H".to_owned();
    for (number, (colour, line)) in lines.iter().enumerate() {
        let end = if number == 0 { "" } else { "\r\n" };
        let line: String = line.chars().take(width).collect();
        let painted = match coloured && !colour.is_empty() {
            true => format!("{end}{colour}{line}{RESET}\x1b[K"),
            false => format!("{end}{line}\x1b[K"),
        };
        screen.push_str(&painted);
    }
    screen.push_str("\x1b[J");
    screen
}

fn summary(state: &State) -> String {
    let (_, services, servers) = state.total();
    let paused = if state.paused() { ", paused" } else { "" };
    format!(
        "ripvsadm top: {services} services, {servers} real servers, by {}{paused}",
        state.key().name()
    )
}

/// The headings; the column that it is sorted by has a mark.
fn headings(key: Key, width: usize) -> String {
    let mut text = format!(
        "{:<width$}",
        if key == Key::Name { "Name*" } else { "Name" }
    );
    for column in columns() {
        let mark = if column == key { "*" } else { "" };
        push(&mut text, &format!("{mark}{}", column.name()));
    }
    text
}

fn columns() -> impl Iterator<Item = Key> {
    Key::ALL.into_iter().filter(|key| *key != Key::Name)
}

/// Real servers are indented, and those that get nothing new are marked.
fn name(row: &Row, server: bool) -> String {
    match (server, row.idle) {
        (false, _) => row.name.clone(),
        (true, false) => format!("  {}", row.name),
        (true, true) => format!("  {} (0)", row.name),
    }
}

fn line(name: &str, row: &Row, width: usize) -> String {
    let cut: String = name.chars().take(width).collect();
    let mut text = format!("{cut:<width$}");
    for column in columns() {
        push(&mut text, &short(row.number(column)));
    }
    text
}

/// Adds a column.
pub fn push(text: &mut String, word: &str) {
    write!(text, "{word:>COLUMN$}").unwrap_or_default();
}

/// A number in at most six characters: in full, or cut off to thousands, millions and so on.
pub fn short(value: u64) -> String {
    const UNITS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let mut value = value;
    for unit in UNITS {
        if value < 100_000 {
            return format!("{value}{unit}");
        }
        value /= 1000;
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::state::tests::groups;
    use crate::top::state::Pressed;

    fn state() -> State {
        let mut state = State::new(Key::Cps);
        state.update(&groups());
        state
    }

    /// Returns what a terminal would have on it.
    fn shown(painted: &str) -> Vec<String> {
        let mut text = painted.to_owned();
        for code in [
            BOLD, REVERSE, SERVICE, DIM, RESET, "\x1b[H", "\x1b[K", "\x1b[J",
        ] {
            text = text.replace(code, "");
        }
        assert!(!text.contains('\x1b'), "{text:?}");
        text.split("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn numbers_fit() {
        for (value, text) in [
            (0, "0"),
            (99_999, "99999"),
            (100_000, "100k"),
            (99_999_999, "99999k"),
            (100_000_000, "100M"),
            (u64::MAX, "18446P"),
        ] {
            assert_eq!(short(value), text);
            assert!(short(value).len() < COLUMN);
        }
    }

    #[test]
    fn all_of_it_in_plain_text() {
        assert_eq!(
            plain(&state()),
            "\
ripvsadm top: 2 services, 4 real servers, by CPS
Name                    *CPS  InPPS OutPPS  InBPS OutBPS Active  Conns
all services              73      0      0   9200      0     10   7300
TCP 192.0.2.1:443         70      0      0    200      0      1   7000
  198.51.100.1:80         70      0      0      0      0      1      0
  198.51.100.2:80 (0)      0      0      0      0      0      0      0
TCP 192.0.2.1:80           3      0      0   9000      0      9    300
  198.51.100.2:80          2      0      0      0      0      4      0
  198.51.100.1:80          1      0      0      0      0      5      0
"
        );
        assert!(!plain(&state()).contains('\x1b'));
    }

    #[test]
    fn a_screen_is_filled_and_not_more() {
        for (width, height) in [(80, 24), (40, 6), (200, 10), (1, 1), (80, 5)] {
            let lines = shown(&paint(&state(), width, height, true));
            assert_eq!(lines.len(), height.max(1), "{width}x{height}");
            for line in &lines {
                assert!(line.chars().count() <= width, "{width}x{height}: {line}");
            }
        }
        let lines = shown(&paint(&state(), 80, 24, true));
        assert!(lines[3].starts_with("TCP 192.0.2.1:443"), "{lines:?}");
        assert!(lines[23].starts_with("q quit"), "{lines:?}");
        assert_eq!(lines[20], "");
    }

    #[test]
    fn scrolled() {
        let mut state = state();
        state.press(Pressed::End, room(6));
        let lines = shown(&paint(&state, 80, 6, false));
        assert!(lines[3].starts_with("  198.51.100.2:80 "), "{lines:?}");
        assert!(lines[4].starts_with("  198.51.100.1:80 "), "{lines:?}");
    }

    #[test]
    fn colours_only_where_they_may_be() {
        assert!(paint(&state(), 80, 24, true).contains(SERVICE));
        let plain = paint(&state(), 80, 24, false);
        for colour in [BOLD, REVERSE, SERVICE, DIM, RESET] {
            assert!(!plain.contains(colour));
        }
    }
}
