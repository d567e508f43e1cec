// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Framing: requests as bytes, and the messages that a datagram of the kernel's consists of.

use crate::attr::{self, attributes};
use crate::decode::DecodeError;
use crate::uapi;

/// The name that the family is registered under.
pub const FAMILY_NAME: &str = "IPVS";

/// The version of the family.
pub const FAMILY_VERSION: u8 = uapi::GENL_VERSION;

// Flags of requests.
pub(crate) const NLM_F_REQUEST: u16 = 0x1;
pub(crate) const NLM_F_ACK: u16 = 0x4;
pub(crate) const NLM_F_DUMP: u16 = 0x300;

/// The flag of an answer whose objects changed while the kernel listed them.
const NLM_F_DUMP_INTR: u16 = 0x10;

// Flags of NLMSG_ERROR: the request behind the code is cut to its header; attributes follow it.
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;

// Types of messages that are no family's.
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;
const NLMSG_MIN_TYPE: u16 = 16;

// Attributes of an extended error (NLMSGERR_ATTR_*).
const ATTR_MSG: u16 = 1;
const ATTR_OFFS: u16 = 2;

const HEADER_LEN: usize = 16;
const GENL_HEADER_LEN: usize = 4;
/// The bytes of a request before its attributes.
pub(crate) const REQUEST_HEADER_LEN: usize = HEADER_LEN + GENL_HEADER_LEN;
const ALIGN: usize = 4;

/// Header of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    /// The family's number.
    pub(crate) family: u16,
    /// The family's version.
    pub(crate) version: u8,
    /// Of the request, without [`NLM_F_REQUEST`].
    pub(crate) flags: u16,
    /// By which the answer is known; the engine's.
    pub(crate) sequence: u32,
    /// The command's number.
    pub(crate) command: u8,
}

/// Adds a request with the attributes that `fill` adds.
pub(crate) fn put_request(out: &mut Vec<u8>, header: Header, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&header.family.to_ne_bytes());
    out.extend_from_slice(&(header.flags | NLM_F_REQUEST).to_ne_bytes());
    out.extend_from_slice(&header.sequence.to_ne_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&[header.command, header.version, 0, 0]);
    fill(out);
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    if let Some(field) = out.get_mut(start..start + 4) {
        field.copy_from_slice(&length.to_ne_bytes());
    }
}

/// Has the request that begins at `start` acknowledged even where it succeeds.
pub(crate) fn want_ack(requests: &mut [u8], start: usize) {
    if let Some([f0, f1]) = requests.get_mut(start + 6..start + 8) {
        let flags = u16::from_ne_bytes([*f0, *f1]) | NLM_F_ACK;
        [*f0, *f1] = flags.to_ne_bytes();
    }
}

/// End of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ending {
    /// Positive, or 0 for success.
    pub(crate) errno: i32,
    /// The kernel's own words.
    pub(crate) message: Option<String>,
    /// Offset of the offending attribute in the request.
    pub(crate) offset: Option<u32>,
}

/// Kind of a message in a datagram.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    /// Part of an answer: the attributes behind the generic-netlink header.
    Attributes(&'a [u8]),
    /// The end of an answer.
    End(Ending),
    /// Nothing of interest.
    Ignored,
}

/// One message of a datagram.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// The request that it answers.
    pub(crate) sequence: u32,
    /// The kernel's tables changed while it listed them.
    pub(crate) interrupted: bool,
    /// Its content.
    pub(crate) content: Content<'a>,
}

/// The messages of a datagram.
pub(crate) struct Messages<'a>(&'a [u8]);

/// Takes a datagram apart.
pub(crate) fn messages(datagram: &[u8]) -> Messages<'_> {
    Messages(datagram)
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.0);
        let Some((header, payload)) = split(bytes) else {
            return Some(Err(DecodeError::new("a message", "has a wrong length")));
        };
        self.0 = bytes
            .get((HEADER_LEN + payload.len()).next_multiple_of(ALIGN)..)
            .unwrap_or_default();
        Some(message(header, payload))
    }
}

/// The header of the first message, and its payload.
fn split(bytes: &[u8]) -> Option<(&[u8; HEADER_LEN], &[u8])> {
    let (header, _) = bytes.split_first_chunk::<HEADER_LEN>()?;
    let [l0, l1, l2, l3, ..] = *header;
    let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
    Some((header, bytes.get(HEADER_LEN..length)?))
}

/// Reads one message.
fn message<'a>(header: &[u8; HEADER_LEN], payload: &'a [u8]) -> Result<Message<'a>, DecodeError> {
    let [_, _, _, _, t0, t1, f0, f1, s0, s1, s2, s3, ..] = *header;
    let flags = u16::from_ne_bytes([f0, f1]);
    let content = match u16::from_ne_bytes([t0, t1]) {
        NLMSG_ERROR => {
            let (code, behind) = code(payload)?;
            Content::End(ending(code, words_of_error(behind, flags)))
        }
        NLMSG_DONE if payload.is_empty() => Content::End(Ending::default()),
        NLMSG_DONE => {
            let (code, words) = code(payload)?;
            Content::End(ending(code, words))
        }
        NLMSG_OVERRUN => {
            return Err(DecodeError::new("an answer", "was lost in part"));
        }
        0..NLMSG_MIN_TYPE => Content::Ignored,
        _ => Content::Attributes(
            payload
                .get(GENL_HEADER_LEN..)
                .ok_or(DecodeError::new("an answer", "has no header"))?,
        ),
    };
    Ok(Message {
        sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
        interrupted: flags & NLM_F_DUMP_INTR != 0,
        content,
    })
}

/// The negative errno at the beginning, and what is behind it.
fn code(payload: &[u8]) -> Result<(i32, &[u8]), DecodeError> {
    payload
        .split_first_chunk()
        .map(|(code, rest)| (i32::from_ne_bytes(*code), rest))
        .ok_or(DecodeError::new("an acknowledgement", "has no code"))
}

/// Returns what is behind the request that an error quotes, whole or only its header: the
/// attributes, where the flags say that there are some.
fn words_of_error(behind: &[u8], flags: u16) -> &[u8] {
    if flags & NLM_F_ACK_TLVS == 0 {
        return &[];
    }
    let quoted = match split(behind) {
        Some((_, payload)) if flags & NLM_F_CAPPED == 0 => HEADER_LEN + payload.len(),
        _ => HEADER_LEN,
    };
    behind
        .get(quoted.next_multiple_of(ALIGN)..)
        .unwrap_or_default()
}

/// Adds to a code what its attributes tell. They are a courtesy: what cannot be read of them is
/// left out rather than hiding the errno.
fn ending(code: i32, words: &[u8]) -> Ending {
    let mut ending = Ending {
        errno: code.checked_neg().unwrap_or_default(),
        ..Ending::default()
    };
    for (number, payload) in attributes(words, "an error").map_while(Result::ok) {
        match number {
            ATTR_MSG => {
                let text = attr::read_str(payload, "an error").unwrap_or_default();
                ending.message = Some(text.to_owned()).filter(|text| !text.is_empty());
            }
            ATTR_OFFS => ending.offset = attr::read_u32(payload, "an error").ok(),
            _ => {}
        }
    }
    ending
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::tests::filled;
    use crate::attr::{put, put_str};

    /// A message from its parts.
    fn raw(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER_LEN + payload.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(7u32.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
        bytes
    }

    fn only(bytes: &[u8]) -> Result<Message<'_>, DecodeError> {
        let mut all = messages(bytes);
        let first = all.next().unwrap();
        assert!(all.next().is_none());
        first
    }

    fn end(bytes: &[u8]) -> Ending {
        match only(bytes).unwrap().content {
            Content::End(ending) => ending,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request() {
        let header = Header {
            version: FAMILY_VERSION,
            family: 0x1c,
            flags: NLM_F_ACK,
            sequence: 7,
            command: 16,
        };
        let bytes = filled(|out| put_request(out, header, |out| put(out, 4, &[1, 2, 3, 4])));
        let payload = [16, 1, 0, 0, 8, 0, 4, 0, 1, 2, 3, 4];
        assert_eq!(bytes, raw(0x1c, 5, &payload));
        let header = Header { flags: 0, ..header };
        let mut late = filled(|out| put_request(out, header, |out| put(out, 4, &[1, 2, 3, 4])));
        want_ack(&mut late, 0);
        assert_eq!(late, bytes);
        let message = only(&bytes).unwrap();
        assert_eq!((message.sequence, message.interrupted), (7, false));
        assert_eq!(message.content, Content::Attributes(&payload[4..]));
    }

    #[test]
    fn several_messages() {
        let mut bytes = raw(0x1c, 2, &[1, 1, 0, 0, 9]);
        bytes.extend(raw(1, 0, &[]));
        bytes.extend(raw(3, 2, &[]));
        let contents: Vec<_> = messages(&bytes).map(|m| m.unwrap().content).collect();
        assert_eq!(
            contents,
            [
                Content::Attributes(&[9]),
                Content::Ignored,
                Content::End(Ending::default())
            ]
        );
    }

    #[test]
    fn words_behind_a_whole_request() {
        let request = raw(0x1c, 5, &[1, 1, 0, 0, 9, 9, 9, 9, 9]);
        let mut payload = (-libc::ENOENT).to_ne_bytes().to_vec();
        payload.extend(&request);
        put_str(&mut payload, ATTR_MSG, "unknown scheduler");
        put(&mut payload, ATTR_OFFS, &44u32.to_ne_bytes());
        let ending = end(&raw(2, NLM_F_ACK_TLVS, &payload));
        assert_eq!(ending.errno, libc::ENOENT);
        assert_eq!(ending.message.as_deref(), Some("unknown scheduler"));
        assert_eq!(ending.offset, Some(44));

        // The same bytes without the flag are the request's, not words.
        assert_eq!(end(&raw(2, 0, &payload)).message, None);
    }

    #[test]
    fn words_behind_a_capped_request() {
        let request = raw(0x1c, 5, &[0; 100]);
        let mut payload = (-libc::EEXIST).to_ne_bytes().to_vec();
        payload.extend(&request[..HEADER_LEN]);
        put_str(&mut payload, ATTR_MSG, "exists");
        let ending = end(&raw(2, NLM_F_ACK_TLVS | NLM_F_CAPPED, &payload));
        assert_eq!(ending.errno, libc::EEXIST);
        assert_eq!(ending.message.as_deref(), Some("exists"));
    }

    #[test]
    fn words_at_the_end_of_a_dump() {
        let mut payload = (-libc::ENOMEM).to_ne_bytes().to_vec();
        put_str(&mut payload, ATTR_MSG, "no room");
        let ending = end(&raw(3, 2, &payload));
        assert_eq!(ending.errno, libc::ENOMEM);
        assert_eq!(ending.message.as_deref(), Some("no room"));
        assert_eq!(end(&raw(3, 2, &[])).errno, 0);
    }

    #[test]
    fn interruption_is_seen() {
        let interrupted = |flags| only(&raw(3, flags, &[0; 4])).unwrap().interrupted;
        assert!(interrupted(NLM_F_DUMP_INTR | 2));
        assert!(!interrupted(2));
    }

    #[test]
    fn odd_ends() {
        for bytes in [
            vec![1, 2, 3],
            vec![0; 16],
            raw(2, 0, &[1, 2]),
            raw(3, 0, &[1, 2]),
            raw(4, 0, &[]),
            raw(0x1c, 0, &[1]),
        ] {
            assert!(only(&bytes).is_err(), "{bytes:?}");
        }
        // An errno without a positive counterpart.
        assert_eq!(end(&raw(2, 0, &i32::MIN.to_ne_bytes())).errno, 0);
    }

    proptest::proptest! {
        #[test]
        fn no_datagram_makes_it_panic(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        ) {
            let _ = messages(&bytes).count();
        }

        #[test]
        fn no_payload_makes_it_panic(
            kind in 0..32u16,
            flags in proptest::num::u16::ANY,
            payload in proptest::collection::vec(proptest::num::u8::ANY, 0..100),
        ) {
            let _ = messages(&raw(kind, flags, &payload)).count();
        }
    }
}
