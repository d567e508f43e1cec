// SPDX-License-Identifier: GPL-2.0

//! Data of persistence engines in the keys of templates (P-26, P-27).

use super::family::InetFamily;
use crate::logic::{
    family::Endpoint,
    hash::HashKey, //
};
use kernel::prelude::*;

/// Data that a persistence engine found in a packet; the first `len` bytes are used (P-27).
pub(crate) struct Data {
    pub(crate) len: u8,
    pub(crate) bytes: [u8; 255],
}

impl Data {
    /// Copies the data. Returns `None` if memory is exhausted.
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

    /// Returns the data.
    pub(crate) fn found(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or(&[])
    }
}

/// Returns the hash of an entry. `key` is the protocol, and `data` is empty, but for templates.
pub(super) fn hash<F: InetFamily>(
    hash_key: &HashKey,
    data: &[u8],
    key: u8,
    client: &Endpoint<F>,
    virt: &Endpoint<F>,
) -> u32 {
    if data.is_empty() {
        return F::hash(hash_key, client, virt, key);
    }
    // The client's address is not part of the key.
    let anybody = Endpoint {
        addr: F::UNSPECIFIED,
        port: 0,
    };
    hash_key.bytes(F::hash(hash_key, &anybody, virt, key), data)
}
