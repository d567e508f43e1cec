// SPDX-License-Identifier: GPL-2.0

//! What `top` can be asked for.

/// What was asked for beside `top`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Seconds between two looks at the kernel.
    pub delay: u32,
    /// What it is sorted by at first.
    pub key: Key,
    /// How many looks; without end at a terminal, one elsewhere, where it is not said.
    pub count: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            // The kernel makes new rates this often.
            delay: 2,
            key: Key::default(),
            count: None,
        }
    }
}

/// What the rows are sorted by; each but the name is a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Key {
    /// New connections per second.
    #[default]
    Cps,
    /// Packets from clients per second.
    InPps,
    /// Packets to clients per second.
    OutPps,
    /// Bytes from clients per second.
    InBps,
    /// Bytes to clients per second.
    OutBps,
    /// Established connections.
    Active,
    /// All connections since the counters were zeroed.
    Conns,
    /// The name, from the first to the last.
    Name,
}

impl Key {
    /// All of them, in the order of the columns.
    pub const ALL: [Key; 8] = [
        Key::Cps,
        Key::InPps,
        Key::OutPps,
        Key::InBps,
        Key::OutBps,
        Key::Active,
        Key::Conns,
        Key::Name,
    ];

    /// The heading of its column, and how it is called on the command line, in any case.
    pub fn name(self) -> &'static str {
        match self {
            Key::Cps => "CPS",
            Key::InPps => "InPPS",
            Key::OutPps => "OutPPS",
            Key::InBps => "InBPS",
            Key::OutBps => "OutBPS",
            Key::Active => "Active",
            Key::Conns => "Conns",
            Key::Name => "Name",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Key> {
        Key::ALL
            .into_iter()
            .find(|key| key.name().eq_ignore_ascii_case(name))
    }

    /// The one so many places to the right, round about.
    pub fn beside(self, places: usize) -> Key {
        let mut keys = Key::ALL.into_iter().cycle();
        keys.position(|key| key == self);
        keys.nth(places.wrapping_sub(1)).unwrap_or(self)
    }
}
