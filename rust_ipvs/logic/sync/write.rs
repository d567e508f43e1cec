// SPDX-License-Identifier: GPL-2.0

//! Builder of sync messages, in a buffer of fixed size.

use super::super::config::Ip;
use super::{
    flags,
    option,
    Shift,
    SyncEntry,
    Version,
    ENTRY_V0,
    ENTRY_V4,
    ENTRY_V6,
    HEAD_V0,
    HEAD_V1,
    LENGTH_MASK,
    SEQUENCES,
    TYPE_V6, //
};
use core::ops::DerefMut;

/// Result of adding an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// The entry is in the message.
    Yes,
    /// The message has no room for it.
    Full,
    /// This version cannot represent it.
    Never,
}

/// Builder of a sync message.
///
/// The buffer always is a valid message of the entries added so far: the header has its length and
/// their number.
#[derive(Debug)]
pub(crate) struct SyncMsgBuilder<B> {
    bytes: B,
    used: usize,
    version: Version,
}

/// Maximum number of entries of a message.
const MOST: u8 = u8::MAX;

/// Returns the length of a message with only this entry, in bytes; `None` if this version cannot
/// represent it.
pub(crate) fn least(version: Version, entry: &SyncEntry<'_>) -> Option<usize> {
    let (head, length) = match version {
        Version::V0 => (HEAD_V0, length_v0(entry)?),
        Version::V1 => (HEAD_V1, length_v1(entry)?),
    };
    Some(head.saturating_add(length))
}

/// Returns the length of an entry of version 0; `None` if version 0 cannot represent it.
fn length_v0(entry: &SyncEntry<'_>) -> Option<usize> {
    if entry.is_v6() {
        return None;
    }
    let sequences = entry.shifts.map_or(0, |_| SEQUENCES);
    Some(ENTRY_V0.saturating_add(sequences))
}

/// Returns the length of an entry of version 1; `None` if the key of its persistence engine is too
/// long.
fn length_v1(entry: &SyncEntry<'_>) -> Option<usize> {
    let bare = if entry.is_v6() { ENTRY_V6 } else { ENTRY_V4 };
    let mut length = bare;
    if entry.shifts.is_some() {
        length = length.saturating_add(option::HEAD + SEQUENCES);
    }
    if let Some((name, data)) = entry.engine {
        let fits = |bytes: &[u8], most| (1..=most).contains(&bytes.len());
        if !fits(name, option::NAME_MAX) || !fits(data, u8::MAX.into()) {
            return None;
        }
        length = length
            .saturating_add(2 * option::HEAD)
            .saturating_add(name.len())
            .saturating_add(data.len());
    }
    Some(length)
}

/// Writes into a buffer from its start; bytes that do not fit are dropped.
struct Writer<'a> {
    rest: &'a mut [u8],
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let rest = core::mem::take(&mut self.rest);
        if let Some((place, rest)) = rest.split_at_mut_checked(bytes.len()) {
            place.copy_from_slice(bytes);
            self.rest = rest;
        }
    }

    fn be16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    fn be32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    fn ip(&mut self, addr: &Ip) {
        match addr {
            Ip::V4(addr) => self.put(addr),
            Ip::V6(addr) => self.put(addr),
        }
    }

    /// Writes an option, whose length the caller has checked to fit a byte.
    fn option(&mut self, kind: u8, bytes: &[u8]) {
        self.put(&[kind, bytes.len() as u8]);
        self.put(bytes);
    }

    /// Writes an entry of version 0. Sequence numbers are in native byte order.
    fn entry_v0(&mut self, entry: &SyncEntry<'_>) {
        self.put(&[0, entry.protocol]);
        for (_, port) in [entry.client, entry.virt, entry.dest] {
            self.be16(port);
        }
        for (addr, _) in [entry.client, entry.virt, entry.dest] {
            self.ip(&addr);
        }
        let shifted = entry.shifts.map_or(0, |_| entry.flags & flags::SEQUENCES);
        self.be16((entry.flags & !flags::SEQUENCES | shifted) as u16);
        self.be16(entry.state);
        if let Some((from_client, to_client)) = entry.shifts {
            self.put(&record(&from_client, u32::to_ne_bytes));
            self.put(&record(&to_client, u32::to_ne_bytes));
        }
    }

    /// Writes an entry of version 1.
    fn entry_v1(&mut self, entry: &SyncEntry<'_>, length: u16) {
        let kind = if entry.is_v6() { TYPE_V6 } else { 0 };
        self.put(&[kind, entry.protocol]);
        self.be16(length & LENGTH_MASK);
        self.be32(entry.flags);
        self.be16(entry.state);
        for (_, port) in [entry.client, entry.virt, entry.dest] {
            self.be16(port);
        }
        self.be32(entry.mark);
        self.be32(entry.timeout);
        for (addr, _) in [entry.client, entry.virt, entry.dest] {
            self.ip(&addr);
        }
        if let Some((from_client, to_client)) = entry.shifts {
            self.put(&[option::SEQUENCES, SEQUENCES as u8]);
            self.put(&record(&from_client, u32::to_be_bytes));
            self.put(&record(&to_client, u32::to_be_bytes));
        }
        if let Some((name, data)) = entry.engine {
            self.option(option::ENGINE_DATA, data);
            self.option(option::ENGINE_NAME, name);
        }
    }
}

/// Encodes the shift of one direction in a byte order.
fn record(shift: &Shift, order: fn(u32) -> [u8; 4]) -> [u8; SEQUENCES / 2] {
    let mut bytes = [0; SEQUENCES / 2];
    let words = [shift.from, shift.delta, shift.before];
    for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&order(word));
    }
    bytes
}

impl<B: DerefMut<Target = [u8]>> SyncMsgBuilder<B> {
    /// Makes a message without entries in a buffer of its maximum length; `None` if that is shorter
    /// than a header or longer than a datagram.
    pub(crate) fn new(mut bytes: B, version: Version, sync_id: u8) -> Option<Self> {
        let (head, used): (&[u8], _) = match version {
            Version::V0 => (&[0, sync_id, 0, HEAD_V0 as u8], HEAD_V0),
            Version::V1 => (&[0, sync_id, 0, HEAD_V1 as u8, 0, 1, 0, 0], HEAD_V1),
        };
        if u16::try_from(bytes.len()).is_err() {
            return None;
        }
        bytes.get_mut(..used)?.copy_from_slice(head);
        Some(Self {
            bytes,
            used,
            version,
        })
    }

    /// Returns the version of the message.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// Returns the bytes of the message.
    pub(crate) fn message(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or(&[])
    }

    /// Takes the buffer, after which no entry can be added.
    pub(crate) fn take_bytes(&mut self) -> B
    where
        B: Default,
    {
        self.used = 0;
        core::mem::take(&mut self.bytes)
    }

    /// Returns the field of the header with the number of entries.
    fn count(&mut self) -> Option<&mut u8> {
        let at = match self.version {
            Version::V0 => 0,
            Version::V1 => 4,
        };
        self.bytes.get_mut(at)
    }

    /// Adds an entry.
    pub(crate) fn add(&mut self, entry: &SyncEntry<'_>) -> Added {
        let (length, padding) = match self.version {
            Version::V0 => (length_v0(entry), 0),
            Version::V1 => (length_v1(entry), self.used.wrapping_neg() & 3),
        };
        let Some(length) = length else {
            return Added::Never;
        };
        self.add_here(entry, length, padding)
            .map_or(Added::Full, |()| Added::Yes)
    }

    /// Writes an entry of `length` bytes after `padding`; `None` if there is no room.
    fn add_here(&mut self, entry: &SyncEntry<'_>, length: usize, padding: usize) -> Option<()> {
        let begin = self.used.checked_add(padding)?;
        let end = begin.checked_add(length)?;
        let total = u16::try_from(end).ok()?;
        let version = self.version;
        if *self.count()? == MOST {
            return None;
        }
        let place = self.bytes.get_mut(self.used..end)?;
        let mut writer = Writer { rest: place };
        match version {
            Version::V0 => writer.entry_v0(entry),
            Version::V1 => {
                writer.put([0; 3].get(..padding)?);
                writer.entry_v1(entry, length as u16);
            }
        }
        self.bytes
            .get_mut(2..4)?
            .copy_from_slice(&total.to_be_bytes());
        let count = self.count()?;
        *count = count.saturating_add(1);
        self.used = end;
        Some(())
    }
}
