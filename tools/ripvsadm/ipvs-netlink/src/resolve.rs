// SPDX-License-Identifier: GPL-2.0

//! Asking the generic-netlink controller for a family's number.
//!
//! The types of [`netlink_packet_generic::ctrl`] refuse an answer with an attribute that they do
//! not know; kernels keep adding some, and only one is of interest here.

use netlink_packet_core::{
    DecodeError, Emitable, Nla, NlaBuffer, NlasIterator, Parseable, ParseableParametrized,
};
use netlink_packet_generic::constants::GENL_ID_CTRL;
use netlink_packet_generic::{GenlFamily, GenlHeader};

use crate::attr;

const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

/// A question to the controller, or its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FamilyLookup {
    /// Which number has the family of this name?
    Name(String),
    /// This one; `None` where the answer forgot to say.
    Id(Option<u16>),
}

/// The name attribute of the question.
struct FamilyName<'a>(&'a str);

impl Nla for FamilyName<'_> {
    fn value_len(&self) -> usize {
        attr::string_len(self.0)
    }

    fn kind(&self) -> u16 {
        CTRL_ATTR_FAMILY_NAME
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        attr::write_string(buffer, self.0);
    }
}

impl GenlFamily for FamilyLookup {
    fn family_name() -> &'static str {
        "nlctrl"
    }

    fn family_id(&self) -> u16 {
        GENL_ID_CTRL
    }

    fn command(&self) -> u8 {
        CTRL_CMD_GETFAMILY
    }

    fn version(&self) -> u8 {
        1
    }
}

impl Emitable for FamilyLookup {
    fn buffer_len(&self) -> usize {
        match self {
            FamilyLookup::Name(name) => FamilyName(name).buffer_len(),
            FamilyLookup::Id(_) => 0,
        }
    }

    fn emit(&self, buffer: &mut [u8]) {
        if let FamilyLookup::Name(name) = self {
            FamilyName(name).emit(buffer);
        }
    }
}

/// An attribute of the answer, if it is the number.
struct FamilyId(Option<u16>);

impl<'a> Parseable<NlaBuffer<&'a [u8]>> for FamilyId {
    fn parse(buf: &NlaBuffer<&'a [u8]>) -> Result<Self, DecodeError> {
        match buf.kind() {
            CTRL_ATTR_FAMILY_ID => Ok(FamilyId(Some(attr::read_u16(buf.value())?))),
            _ => Ok(FamilyId(None)),
        }
    }
}

impl ParseableParametrized<[u8], GenlHeader> for FamilyLookup {
    fn parse_with_param(payload: &[u8], _header: GenlHeader) -> Result<Self, DecodeError> {
        let mut id = None;
        for nla in NlasIterator::new(payload) {
            id = id.or(FamilyId::parse(&nla?)?.0);
        }
        Ok(FamilyLookup::Id(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::tests::tlv;

    #[test]
    fn the_question() {
        let question = FamilyLookup::Name("IPVS".into());
        let mut bytes = vec![0xff; question.buffer_len()];
        question.emit(&mut bytes);
        assert_eq!(bytes, tlv(CTRL_ATTR_FAMILY_NAME, b"IPVS\0"));
    }

    #[test]
    fn the_answer_among_strangers() {
        let header = GenlHeader { cmd: 1, version: 2 };
        let mut bytes = tlv(CTRL_ATTR_FAMILY_NAME, b"IPVS\0");
        assert_eq!(
            FamilyLookup::parse_with_param(&bytes, header).unwrap(),
            FamilyLookup::Id(None)
        );
        bytes.extend(tlv(CTRL_ATTR_FAMILY_ID, &0x1cu16.to_ne_bytes()));
        bytes.extend(tlv(9999, &[1, 2, 3]));
        assert_eq!(
            FamilyLookup::parse_with_param(&bytes, header).unwrap(),
            FamilyLookup::Id(Some(0x1c))
        );
    }
}
