// SPDX-License-Identifier: GPL-2.0

//! `top conns`: groups of connections, kept up to date.

use ipvs_netlink::ripvs::Filter;
use ipvs_netlink::{Client, Transport};

use super::groups::{By, Counts, Groups, Sorted};
use super::screen::{self, BOLD, COLUMN, NAME_MIN, REVERSE};
use super::state::Pressed;
use super::View;
use crate::conns::source;
use crate::error::Error;

/// Number of attempts at a list during which the table gets another hash key.
const TRIES: u8 = 5;

const KEYS: &str = "q quit  < > group by  space pause  arrows, page keys scroll";

/// Headings behind the name.
const COLUMNS: [&str; 5] = ["*Conns", "Share", "Estab", "Idle1m", "Templ"];

/// Everything that is on the screen.
#[derive(Debug)]
pub struct Conns {
    by: By,
    filter: Filter,
    groups: Sorted,
    paused: bool,
    /// True if the groups are those of `by`.
    is_current: bool,
    /// Number of rows above the first one on the screen.
    above: usize,
}

impl Conns {
    /// An empty view of the connections that a filter means.
    pub fn new(by: By, filter: Filter) -> Self {
        Conns {
            by,
            filter,
            groups: Sorted::default(),
            paused: false,
            is_current: true,
            above: 0,
        }
    }

    fn summary(&self) -> String {
        let paused = if self.paused { ", paused" } else { "" };
        format!(
            "ripvsadm top: {} connections, {} {}{paused}",
            self.groups.total.conns,
            self.groups.rows.len(),
            self.by.plural(),
        )
    }

    fn headings(&self, width: usize) -> String {
        let mut name = self.by.name().to_owned();
        // In ASCII.
        if let Some(first) = name.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let mut text = format!("{name:<width$}");
        for column in COLUMNS {
            screen::push(&mut text, column);
        }
        text
    }

    fn line(&self, name: &str, counts: &Counts, width: usize) -> String {
        let cut: String = name.chars().take(width).collect();
        let mut text = format!("{cut:<width$}");
        let share = counts.conns.saturating_mul(100);
        let share = share.checked_div(self.groups.total.conns).unwrap_or(0);
        screen::push(&mut text, &screen::short(counts.conns));
        screen::push(&mut text, &format!("{share}%"));
        for number in [counts.established, counts.idle, counts.templates] {
            screen::push(&mut text, &screen::short(number));
        }
        text
    }
}

impl<T: Transport> View<T> for Conns {
    fn update(&mut self, client: &mut Client<T>) -> Result<(), Error> {
        let by = self.by;
        for _ in 0..TRIES {
            let mut groups = Groups::default();
            if source::each(client, &self.filter, |shown| groups.add(&shown, by))? {
                self.groups = groups.sort();
                self.is_current = true;
                return Ok(());
            }
        }
        Err(Error::Listing(
            "the table kept changing its hash key meanwhile".to_owned(),
        ))
    }

    fn press(&mut self, pressed: Pressed, page: usize) {
        let page = page.max(1);
        match pressed {
            Pressed::Quit | Pressed::Servers => {}
            Pressed::Right | Pressed::Left => {
                let right = pressed == Pressed::Right;
                self.by = self.by.beside(if right { 1 } else { By::ALL.len() - 1 });
                self.is_current = false;
                self.paused = false;
                self.above = 0;
            }
            Pressed::Pause => self.paused = !self.paused,
            Pressed::Up => self.above = self.above.saturating_sub(1),
            Pressed::Down => self.above = self.above.saturating_add(1),
            Pressed::PageUp => self.above = self.above.saturating_sub(page),
            Pressed::PageDown => self.above = self.above.saturating_add(page),
            Pressed::Home => self.above = 0,
            Pressed::End => self.above = usize::MAX,
        }
        let last = self.groups.rows.len().saturating_sub(page);
        self.above = self.above.min(last);
    }

    fn is_paused(&self) -> bool {
        self.paused
    }

    fn is_current(&self) -> bool {
        self.is_current
    }

    fn plain(&self) -> String {
        let names = self.groups.rows.iter().map(|(name, _)| name.len());
        let width = names.max().unwrap_or_default().max(NAME_MIN);
        let mut text = format!("{}\n{}\n", self.summary(), self.headings(width));
        text.push_str(&self.line("all", &self.groups.total, width));
        text.push('\n');
        for (name, counts) in &self.groups.rows {
            text.push_str(&self.line(name, counts, width));
            text.push('\n');
        }
        text
    }

    fn paint(&self, width: usize, height: usize, coloured: bool) -> String {
        let names = width.saturating_sub(COLUMN * COLUMNS.len()).max(NAME_MIN);
        let mut lines = vec![
            (BOLD, self.summary()),
            (REVERSE, self.headings(names)),
            (BOLD, self.line("all", &self.groups.total, names)),
        ];
        let shown = self.groups.rows.iter().skip(self.above);
        let shown = shown.take(screen::room(height));
        lines.extend(shown.map(|(name, counts)| ("", self.line(name, counts, names))));
        screen::frame(lines, KEYS, (width, height), coloured)
    }
}

#[cfg(test)]
mod tests {
    use super::super::groups::tests::sorted;
    use super::*;
    use ipvs_netlink::SocketTransport;

    type Screen = dyn View<SocketTransport>;

    fn conns(by: By) -> Conns {
        Conns {
            groups: sorted(by),
            ..Conns::new(by, Filter::default())
        }
    }

    #[test]
    fn all_of_it_in_plain_text() {
        let view: &Screen = &conns(By::Client);
        assert_eq!(
            view.plain(),
            "\
ripvsadm top: 3 connections, 2 clients
Client           *Conns  Share  Estab Idle1m  Templ
all                   3   100%      1      0      2
203.0.113.5           2    66%      0      0      2
2001:db8:f::1         1    33%      1      0      0
"
        );
        let empty = Conns::new(By::State, Filter::default());
        let view: &Screen = &empty;
        assert!(view.plain().contains("0 connections, 0 states"));
        assert!(view.plain().contains("     0     0%"));
    }

    #[test]
    fn a_screen_is_filled_and_not_more() {
        let conns = conns(By::Service);
        let view: &Screen = &conns;
        for (width, height) in [(80, 24), (30, 5), (1, 1)] {
            let screen = view.paint(width, height, false);
            let lines: Vec<&str> = screen.split("\r\n").collect();
            assert_eq!(lines.len(), height.max(1), "{width}x{height}");
        }
        assert!(view.paint(80, 24, true).contains(REVERSE));
    }

    #[test]
    fn keys() {
        let mut conns = conns(By::Service);
        let view: &mut Screen = &mut conns;
        view.press(Pressed::Down, 2);
        assert!(!view.paint(80, 6, false).contains("192.0.2.1:80 "));
        view.press(Pressed::End, 2);
        assert!(view.paint(80, 6, false).contains("UDP"));
        view.press(Pressed::Pause, 2);
        assert!(view.is_paused() && view.is_current());
        view.press(Pressed::Right, 2);
        assert!(!view.is_paused() && !view.is_current());
        assert_eq!((conns.by, conns.above), (By::State, 0));
    }
}
