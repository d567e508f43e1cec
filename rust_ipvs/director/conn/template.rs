// SPDX-License-Identifier: GPL-2.0

//! [`TemplateId`]: identity of a template.

use super::{
    engine_data,
    family::InetFamily,
    Connection,
    Kind, //
};
use crate::logic::{
    family::Endpoint,
    hash::HashKey, //
};

/// Identity of a template (P-3, P-6, P-26).
pub(crate) struct TemplateId<'d, F: InetFamily> {
    /// Protocol; 0 for the template of a firewall mark service.
    pub(crate) protocol: u8,
    pub(crate) kind: Kind,
    pub(crate) client: Endpoint<F>,
    pub(crate) vip: Endpoint<F>,
    /// Data that a persistence engine found in the packet. It replaces the client's address if it
    /// is not empty.
    pub(crate) data: &'d [u8],
}

impl<F: InetFamily> TemplateId<'_, F> {
    /// Returns the template's hash.
    pub(super) fn hash(&self, key: &HashKey) -> u32 {
        let protocol = Connection::<F>::template_key(self.protocol);
        engine_data::hash(key, self.data, protocol, &self.client, &self.vip)
    }

    /// Returns whether an entry is a valid template with this identity.
    pub(super) fn is_of(&self, entry: &Connection<F>) -> bool {
        let client = match self.kind {
            Kind::Data => &entry.client,
            _ => &self.client,
        };
        entry.is_of(
            Connection::<F>::template_key(self.protocol),
            client,
            &self.vip,
        ) && entry.is_kind(self.kind)
            && entry.data() == self.data
    }
}
