// SPDX-License-Identifier: GPL-2.0

//! Parser of sync messages. They are not authenticated, so any content must be handled.

use super::super::config::Ip;
use super::{
    flags,
    option,
    states,
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
    TEMPLATE_STATES,
    TYPE_V6, //
};

/// Iterator over the valid entries of a message.
///
/// An invalid entry is skipped. An entry of invalid length ends the message (B-12).
#[derive(Clone, Debug)]
pub(crate) struct Entries<'a> {
    rest: &'a [u8],
    left: u8,
    version: Version,
    invalid: u8,
}

impl<'a> Entries<'a> {
    /// Parses the header. Returns `None` if it is invalid, or of another sync ID than `sync_id`,
    /// where 0 accepts all (B-20).
    pub(crate) fn of(message: &'a [u8], sync_id: i32) -> Option<Self> {
        let [first, id, l0, l1] = *message.first_chunk::<HEAD_V0>()?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if length != message.len() || (sync_id != 0 && sync_id != i32::from(id)) {
            return None;
        }
        // To a receiver of version 0 the header of version 1 is that of a message without entries.
        if let (0, Some((&[_, _, _, _, count, 1, 0, 0], rest))) =
            (first, message.split_first_chunk::<HEAD_V1>())
        {
            return Some(Self {
                rest,
                left: count,
                version: Version::V1,
                invalid: 0,
            });
        }
        Some(Self {
            rest: message.get(HEAD_V0..)?,
            left: first,
            version: Version::V0,
            invalid: 0,
        })
    }

    /// Returns the number of invalid entries so far. One of invalid length stands for all after it.
    pub(crate) fn invalid(&self) -> u8 {
        self.invalid
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = SyncEntry<'a>;

    fn next(&mut self) -> Option<SyncEntry<'a>> {
        while let Some(left) = self.left.checked_sub(1) {
            let read = match self.version {
                Version::V0 => entry_v0(self.rest),
                Version::V1 => entry_v1(self.rest),
            };
            let Some((entry, rest)) = read else {
                self.left = 0;
                self.invalid = self.invalid.saturating_add(1);
                return None;
            };
            self.left = left;
            self.rest = rest;
            if let Some(entry) = entry.and_then(checked) {
                return Some(entry);
            }
            self.invalid = self.invalid.saturating_add(1);
        }
        None
    }
}

/// An entry, if it is valid, and the rest; `None` if its length is invalid.
type Read<'a> = Option<(Option<SyncEntry<'a>>, &'a [u8])>;

/// Clears the flags that a receiver does not take over; `None` if the entry is inconsistent (B-21).
fn checked(entry: SyncEntry<'_>) -> Option<SyncEntry<'_>> {
    let has = |bits: u32| entry.flags & bits == bits;
    if has(flags::ONE_PACKET) || has(flags::TEMPLATE | flags::NO_CLIENT_PORT) {
        return None;
    }
    let states = match entry.is_template() {
        true => TEMPLATE_STATES,
        false => states(entry.protocol)?,
    };
    if usize::from(entry.state) >= states {
        return None;
    }
    Some(SyncEntry {
        flags: entry.flags & flags::TAKEN | flags::SYNC,
        ..entry
    })
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Returns one of three addresses.
fn ip(addresses: &[u8], which: usize, is_v6: bool) -> Option<Ip> {
    if is_v6 {
        let of = addresses.get(which.checked_mul(16)?..)?;
        Some(Ip::V6(*of.first_chunk()?))
    } else {
        let of = addresses.get(which.checked_mul(4)?..)?;
        Some(Ip::V4(*of.first_chunk()?))
    }
}

/// Parses a record of sequence numbers.
fn shifts(record: &[u8], order: fn([u8; 4]) -> u32) -> Option<(Shift, Shift)> {
    let record = record.first_chunk::<SEQUENCES>()?;
    let word = |at: usize| Some(order(*record.get(at..)?.first_chunk()?));
    let shift = |at: usize| {
        Some(Shift {
            from: word(at)?,
            delta: word(at.checked_add(4)?)?,
            before: word(at.checked_add(8)?)?,
        })
    };
    Some((shift(0)?, shift(SEQUENCES / 2)?))
}

/// Parses an entry of version 0.
fn entry_v0(bytes: &[u8]) -> Read<'_> {
    let (body, rest) = bytes.split_at_checked(ENTRY_V0)?;
    let addresses = body.get(8..20)?;
    let given = u32::from(be16(body, 20)?);
    let (record, rest) = match given & flags::SEQUENCES {
        0 => (None, rest),
        _ => {
            let (record, rest) = rest.split_at_checked(SEQUENCES)?;
            (shifts(record, u32::from_ne_bytes), rest)
        }
    };
    let entry = SyncEntry {
        protocol: *body.get(1)?,
        flags: given,
        state: be16(body, 22)?,
        client: (ip(addresses, 0, false)?, be16(body, 2)?),
        virt: (ip(addresses, 1, false)?, be16(body, 4)?),
        dest: (ip(addresses, 2, false)?, be16(body, 6)?),
        mark: 0,
        timeout: 0,
        shifts: record,
        engine: None,
    };
    Some((Some(entry), rest))
}

/// Parses an entry of version 1.
fn entry_v1(bytes: &[u8]) -> Read<'_> {
    // No entry is shorter than an IPv4 entry.
    let least = bytes.get(..ENTRY_V4)?;
    let word = be16(least, 2)?;
    if word & !LENGTH_MASK != 0 {
        return None;
    }
    let length = usize::from(word);
    let whole = bytes.get(..length)?;
    let is_v6 = match *least.first()? {
        kind if kind & TYPE_V6 != 0 => true,
        0 => false,
        _ => return None,
    };
    let bare = if is_v6 { ENTRY_V6 } else { ENTRY_V4 };
    let (body, options) = whole.split_at_checked(bare)?;
    let options = read_options(options)?;
    // The last entry may lack its padding.
    let rest = bytes
        .get(length.checked_next_multiple_of(4)?..)
        .unwrap_or(&[]);
    let Some(options) = options else {
        return Some((None, rest));
    };
    let addresses = body.get(24..)?;
    let entry = SyncEntry {
        protocol: *body.get(1)?,
        flags: be32(body, 4)?,
        state: be16(body, 8)?,
        client: (ip(addresses, 0, is_v6)?, be16(body, 10)?),
        virt: (ip(addresses, 1, is_v6)?, be16(body, 12)?),
        dest: (ip(addresses, 2, is_v6)?, be16(body, 14)?),
        mark: be32(body, 16)?,
        timeout: be32(body, 20)?,
        shifts: options.shifts,
        engine: options.engine(),
    };
    // Key data is useless without the name of its engine.
    let is_known = options.data.is_none() || options.name.is_some();
    Some((is_known.then_some(entry), rest))
}

/// The options of an entry.
#[derive(Default)]
struct EntryOptions<'a> {
    shifts: Option<(Shift, Shift)>,
    data: Option<&'a [u8]>,
    name: Option<&'a [u8]>,
}

impl<'a> EntryOptions<'a> {
    fn engine(&self) -> Option<(&'a [u8], &'a [u8])> {
        self.name.zip(self.data)
    }
}

/// Parses options. Returns `None` if a length is invalid or an option is repeated, and `Some(None)`
/// if a mandatory option is unknown (B-12).
fn read_options(mut bytes: &[u8]) -> Option<Option<EntryOptions<'_>>> {
    let mut options = EntryOptions::default();
    let mut is_understood = true;
    while let Some((&kind, after)) = bytes.split_first() {
        let (&length, after) = after.split_first()?;
        let (value, rest) = after.split_at_checked(length.into())?;
        if value.is_empty() {
            return None;
        }
        bytes = rest;
        match kind & !option::OPTIONAL {
            option::SEQUENCES => {
                if options.shifts.is_some() || value.len() != SEQUENCES {
                    return None;
                }
                options.shifts = shifts(value, u32::from_be_bytes);
            }
            option::ENGINE_DATA => take(&mut options.data, value)?,
            option::ENGINE_NAME if value.len() > option::NAME_MAX => return None,
            option::ENGINE_NAME => take(&mut options.name, value)?,
            _ if kind & option::OPTIONAL != 0 => {}
            _ => {
                // The rest is still checked. The whole entry is skipped then.
                is_understood = false;
                break;
            }
        }
    }
    Some(is_understood.then_some(options))
}

/// Sets an option; `None` if it is already set.
fn take<'a>(place: &mut Option<&'a [u8]>, value: &'a [u8]) -> Option<()> {
    match place.replace(value) {
        None => Some(()),
        Some(_) => None,
    }
}
