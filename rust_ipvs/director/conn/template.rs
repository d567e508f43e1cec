// SPDX-License-Identifier: GPL-2.0

//! Data of templates.

use super::family::InetFamily;
use crate::logic::{
    family::Endpoint,
    hash::HashKey, //
};
use kernel::prelude::*;

pub(crate) use super::status::Kind;

/// Data that a persistence engine found in a packet, of which the first `len` bytes are used
/// (P-27).
pub(crate) struct Data {
    pub(crate) len: u8,
    pub(crate) bytes: [u8; 255],
}

impl Data {
    /// A copy; `None` without memory.
    pub(crate) fn of(found: &[u8]) -> Option<KBox<Self>> {
        let mut data = KBox::new(
            Self {
                len: u8::try_from(found.len()).ok()?,
                bytes: [0; 255],
            },
            GFP_ATOMIC,
        )
        .ok()?;
        data.bytes.get_mut(..found.len())?.copy_from_slice(found);
        Some(data)
    }

    /// The bytes that were found.
    pub(crate) fn found(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or(&[])
    }
}

/// The hash of a template, whose protocol is marked as such.
pub(crate) fn hash<F: InetFamily>(
    hash_key: &HashKey,
    (kind, data): (Kind, &[u8]),
    key: u8,
    client: &Endpoint<F>,
    virt: &Endpoint<F>,
) -> u32 {
    if kind != Kind::Data {
        return F::hash(hash_key, client, virt, key);
    }
    // Whoever sends it.
    let anybody = Endpoint {
        addr: F::UNSPECIFIED,
        port: 0,
    };
    hash_key.bytes(F::hash(hash_key, &anybody, virt, key), data)
}
