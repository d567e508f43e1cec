// SPDX-License-Identifier: GPL-2.0

//! Taking the kernel's datagrams apart: messages, acknowledgements, extended errors.

use std::fmt::Debug;

use netlink_packet_core::{
    DecodeError, ErrorMessage, NetlinkBuffer, NetlinkMessage, NetlinkPayload, NlaBuffer,
    NlasIterator, ParseableParametrized, NLM_F_DUMP_INTR,
};
use netlink_packet_generic::{GenlHeader, GenlMessage};

use crate::attr;

// Flags of NLMSG_ERROR: the request behind the code is cut to its header; attributes follow it.
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;

// Attributes of an extended error (NLMSGERR_ATTR_*).
const ATTR_MSG: u16 = 1;
const ATTR_OFFS: u16 = 2;

const HEADER_LEN: usize = 16;
const ALIGN: usize = 4;

/// An errno and what came with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Positive, or 0 for an acknowledgement.
    pub(crate) errno: i32,
    /// The kernel's own words.
    pub(crate) message: Option<String>,
    /// Where in the request the offending attribute is.
    pub(crate) offset: Option<u32>,
}

/// One message of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply<F> {
    /// Part of the answer.
    Message(F),
    /// The answer is complete; the errno is 0 where it succeeded.
    End(Refusal),
    /// Nothing of interest.
    Ignored,
}

/// What a datagram holds for the request number `sequence`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Datagram<F> {
    /// The messages, in order.
    pub(crate) replies: Vec<Reply<F>>,
    /// The kernel's tables changed while it listed them.
    pub(crate) interrupted: bool,
}

impl<F> Datagram<F>
where
    F: ParseableParametrized<[u8], GenlHeader> + Debug,
{
    /// Takes a datagram apart. Answers to other requests are skipped.
    pub(crate) fn parse(bytes: &[u8], sequence: u32) -> Result<Self, DecodeError> {
        let mut datagram = Datagram {
            replies: Vec::new(),
            interrupted: false,
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let header = NetlinkBuffer::new_checked(rest)?;
            // new_checked() has made sure that the length is within the buffer and not zero.
            let length = header.length() as usize;
            if header.sequence_number() == sequence {
                datagram.interrupted |= header.flags() & NLM_F_DUMP_INTR != 0;
                let message = rest.get(..length).unwrap_or_default();
                datagram.replies.push(reply(message)?);
            }
            rest = rest
                .get(length.next_multiple_of(ALIGN)..)
                .unwrap_or_default();
        }
        Ok(datagram)
    }
}

/// Reads one message.
fn reply<F>(bytes: &[u8]) -> Result<Reply<F>, DecodeError>
where
    F: ParseableParametrized<[u8], GenlHeader> + Debug,
{
    let message = NetlinkMessage::<GenlMessage<F>>::deserialize(bytes)?;
    let flags = message.header.flags;
    Ok(match message.payload {
        NetlinkPayload::InnerMessage(inner) => Reply::Message(inner.payload),
        NetlinkPayload::Error(error) => Reply::End(error_refusal(&error, flags)),
        NetlinkPayload::Done(done) => {
            let errno = done.code.checked_neg().unwrap_or_default();
            Reply::End(refusal(errno, &done.extended_ack))
        }
        NetlinkPayload::Overrun(_) => {
            return Err(DecodeError::from("the kernel lost part of its answer"));
        }
        _ => Reply::Ignored,
    })
}

/// Reads an acknowledgement: behind its code is the request, whole or only its header, and
/// behind that the attributes, each where the flags say so.
fn error_refusal(error: &ErrorMessage, flags: u16) -> Refusal {
    let errno = error.raw_code().checked_neg().unwrap_or_default();
    let request = error.header.as_slice();
    let request_len = match NetlinkBuffer::new_checked(request) {
        Ok(header) if flags & NLM_F_CAPPED == 0 => header.length() as usize,
        _ => HEADER_LEN,
    };
    let attributes = match flags & NLM_F_ACK_TLVS {
        0 => &[][..],
        _ => request
            .get(request_len.next_multiple_of(ALIGN)..)
            .unwrap_or_default(),
    };
    refusal(errno, attributes)
}

/// Adds to an errno what its attributes tell. They are a courtesy: what cannot be read of them
/// is left out rather than hiding the errno.
fn refusal(errno: i32, attributes: &[u8]) -> Refusal {
    let mut refusal = Refusal {
        errno,
        ..Refusal::default()
    };
    for nla in NlasIterator::new(attributes).map_while(|nla: Result<NlaBuffer<&[u8]>, _>| nla.ok())
    {
        match nla.kind() {
            ATTR_MSG => {
                refusal.message = attr::read_string(nla.value())
                    .ok()
                    .filter(|s| !s.is_empty());
            }
            ATTR_OFFS => refusal.offset = attr::read_u32(nla.value()).ok(),
            _ => {}
        }
    }
    refusal
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::IpvsMessage;

    /// A netlink message from its parts, for tests elsewhere in the crate.
    pub(crate) fn raw(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER_LEN + payload.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
        bytes
    }

    /// An attribute from its parts, for tests elsewhere in the crate.
    pub(crate) fn tlv(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(4 + value.len())
            .unwrap()
            .to_ne_bytes()
            .to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
        bytes
    }

    fn parse(bytes: &[u8]) -> Result<Datagram<IpvsMessage>, DecodeError> {
        Datagram::parse(bytes, 7)
    }

    fn end(bytes: &[u8]) -> Refusal {
        match parse(bytes).unwrap().replies.as_slice() {
            [Reply::End(refusal)] => refusal.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn words_behind_a_whole_request() {
        let request = raw(0x1c, 5, 7, &[1, 1, 0, 0, 9, 9, 9, 9, 9]);
        let mut payload = (-libc::ENOENT).to_ne_bytes().to_vec();
        payload.extend(&request);
        payload.extend(tlv(ATTR_MSG, b"unknown scheduler\0"));
        payload.extend(tlv(ATTR_OFFS, &44u32.to_ne_bytes()));
        let refusal = end(&raw(2, NLM_F_ACK_TLVS, 7, &payload));
        assert_eq!(refusal.errno, libc::ENOENT);
        assert_eq!(refusal.message.as_deref(), Some("unknown scheduler"));
        assert_eq!(refusal.offset, Some(44));

        // The same bytes without the flag are the request's, not words.
        assert_eq!(end(&raw(2, 0, 7, &payload)).message, None);
    }

    #[test]
    fn words_behind_a_capped_request() {
        let request = raw(0x1c, 5, 7, &[0; 100]);
        let mut payload = (-libc::EEXIST).to_ne_bytes().to_vec();
        payload.extend(&request[..HEADER_LEN]);
        payload.extend(tlv(ATTR_MSG, b"exists\0"));
        let refusal = end(&raw(2, NLM_F_ACK_TLVS | NLM_F_CAPPED, 7, &payload));
        assert_eq!(refusal.errno, libc::EEXIST);
        assert_eq!(refusal.message.as_deref(), Some("exists"));
    }

    #[test]
    fn words_at_the_end_of_a_dump() {
        let mut payload = (-libc::ENOMEM).to_ne_bytes().to_vec();
        payload.extend(tlv(ATTR_MSG, b"no room\0"));
        let refusal = end(&raw(3, 2, 7, &payload));
        assert_eq!(refusal.errno, libc::ENOMEM);
        assert_eq!(refusal.message.as_deref(), Some("no room"));
        assert_eq!(end(&raw(3, 2, 7, &[])).errno, 0);
    }

    #[test]
    fn other_requests_are_skipped() {
        let mut bytes = raw(2, 0, 6, &(-1i32).to_ne_bytes());
        bytes.extend(raw(2, 0, 7, &0i32.to_ne_bytes()));
        assert_eq!(end(&bytes), Refusal::default());
    }

    #[test]
    fn interruption_is_seen() {
        let flags = NLM_F_DUMP_INTR | 2;
        assert!(parse(&raw(3, flags, 7, &[0; 4])).unwrap().interrupted);
        assert!(!parse(&raw(3, 2, 7, &[0; 4])).unwrap().interrupted);
        assert!(!parse(&raw(3, flags, 8, &[0; 4])).unwrap().interrupted);
    }

    #[test]
    fn odd_ends() {
        assert!(parse(&[1, 2, 3]).is_err());
        assert!(parse(&[0; 16]).is_err());
        assert!(parse(&raw(2, 0, 7, &[1, 2])).is_err());
        assert!(parse(&raw(4, 0, 7, &[])).is_err());
        assert_eq!(parse(&raw(1, 0, 7, &[])).unwrap().replies, [Reply::Ignored]);
        // An errno without a positive counterpart.
        assert_eq!(end(&raw(2, 0, 7, &i32::MIN.to_ne_bytes())).errno, 0);
    }

    proptest::proptest! {
        #[test]
        fn no_datagram_makes_it_panic(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        ) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_payload_makes_it_panic(
            kind in 0..32u16,
            flags in proptest::num::u16::ANY,
            payload in proptest::collection::vec(proptest::num::u8::ANY, 0..100),
        ) {
            let _ = parse(&raw(kind, flags, 7, &payload));
        }
    }
}
