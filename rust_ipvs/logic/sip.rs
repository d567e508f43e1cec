// SPDX-License-Identifier: GPL-2.0

//! Call-ID of a SIP message, the key of the persistence engine `sip` (P-25, RFC 3261).
//!
//! A message starts with a request or status line. Headers follow, one a line, up to an empty line.
//! A header continues on the next line if that starts with a blank. Lines end with CR LF, or with
//! either alone in old messages (RFC 2543).

/// Length of the longest Call-ID, in bytes.
pub(crate) const CALL_ID_MAX: usize = 255;

/// Finds the Call-ID of a message: the first such header with a valid value.
///
/// Returns `None` if there is none, if it is longer than [`CALL_ID_MAX`], or if the message ends
/// with it, as it may be incomplete then.
pub(crate) fn call_id(message: &[u8]) -> Option<&[u8]> {
    let (_, mut rest) = cut_line(message)?;
    loop {
        let (line, following) = cut_line(rest)?;
        if line.is_empty() {
            // The body follows.
            return None;
        }
        if let Some(value) = after_name(rest).and_then(skip_blanks) {
            if let Some(id) = word_at_word(value) {
                return Some(id);
            }
        }
        rest = following;
    }
}

/// Splits off the first line without its end; `None` if the line does not end.
fn cut_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|&byte| is_end(byte))?;
    let (line, rest) = text.split_at_checked(end)?;
    Some((line, after_end(rest)?))
}

/// Returns the rest after an end of line at the start of `text`.
fn after_end(text: &[u8]) -> Option<&[u8]> {
    match text {
        [b'\r', b'\n', rest @ ..] | [b'\r' | b'\n', rest @ ..] => Some(rest),
        _ => None,
    }
}

/// Returns the rest after the colon of a Call-ID header, in its full or short form.
fn after_name(header: &[u8]) -> Option<&[u8]> {
    const FULL: &[u8] = b"call-id";
    let value = match header.split_at_checked(FULL.len()) {
        Some((name, rest)) if name.eq_ignore_ascii_case(FULL) => rest,
        _ => match header {
            [b'i' | b'I', rest @ ..] => rest,
            _ => return None,
        },
    };
    match skip_blanks(value)? {
        [b':', rest @ ..] => Some(rest),
        _ => None,
    }
}

/// Returns the rest after blanks, including an end of line that a blank follows.
fn skip_blanks(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    loop {
        rest = match rest {
            [b' ' | b'\t', rest @ ..] => rest,
            [b'\r', b'\n', b' ' | b'\t', rest @ ..] | [b'\r' | b'\n', b' ' | b'\t', rest @ ..] => {
                rest
            }
            [b'\r' | b'\n', ..] | [] => return None,
            _ => return Some(rest),
        };
    }
}

/// Parses the value of a Call-ID: a word, or two with an `@` between them, up to the end of line.
fn word_at_word(value: &[u8]) -> Option<&[u8]> {
    let end = value.iter().position(|&byte| is_end(byte))?;
    let id = value.get(..end)?;
    let mut words = id.split(|&byte| byte == b'@');
    let is_word = |word: &[u8]| !word.is_empty() && word.iter().all(|&byte| is_word_byte(byte));
    let correct = is_word(words.next()?) && words.next().is_none_or(is_word);
    (correct && words.next().is_none() && id.len() <= CALL_ID_MAX).then_some(id)
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// Returns true if a byte may be in a `word` (RFC 3261, 25.1).
fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || br#"-.!%*_+`'~()<>:\"/[]?{}"#.contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &[u8] = b"INVITE sip:bob@example.net SIP/2.0\r\n\
        Via: SIP/2.0/UDP 10.0.1.2:5060;branch=z9hG4bK776asdhds\r\n\
        To: Bob <sip:bob@example.net>\r\n\
        Call-ID: a84b4c76e66710@10.0.1.2\r\n\
        CSeq: 314159 INVITE\r\n\
        Content-Length: 0\r\n\r\n";

    fn of(header: &str) -> Option<String> {
        let message = format!("OPTIONS sip:x SIP/2.0\r\n{header}\r\nCSeq: 1 OPTIONS\r\n\r\nbody");
        call_id(message.as_bytes()).map(|id| String::from_utf8(id.to_vec()).unwrap())
    }

    fn is(header: &str, expected: &str) {
        assert_eq!(of(header).as_deref(), Some(expected), "{header:?}");
    }

    // P-25
    #[test]
    fn of_requests_and_responses() {
        assert_eq!(call_id(INVITE), Some(b"a84b4c76e66710@10.0.1.2".as_slice()));
        assert_eq!(
            call_id(b"SIP/2.0 180 Ringing\nCall-ID: 1\n\n"),
            Some(b"1".as_slice())
        );
    }

    // P-25
    #[test]
    fn names_in_all_forms() {
        for header in [
            "Call-ID: x@y",
            "CALL-id:x@y",
            "call-id \t:  x@y",
            "i: x@y",
            "I :x@y",
            "Call-ID:\r\n x@y",
            "Call-ID\r\n\t: \r\n  x@y",
            "Subject: a\r\n  b\r\ni:x@y",
            "Call-ID: bad@\r\nCall-ID: x@y",
        ] {
            is(header, "x@y");
        }
    }

    // P-25
    #[test]
    fn other_headers_are_not_it() {
        for header in [
            "X-Call-ID: x@y",
            " Call-ID: x@y",
            "Call-IDs: x@y",
            "Info: x@y",
            "In-Reply-To: x@y",
            "Subject: Call-ID: x@y",
            "Subject: a\r\n Call-ID: x@y",
            "Call-ID x@y",
            "Call-ID",
            "i",
        ] {
            assert_eq!(of(header), None, "{header:?}");
        }
        // The request line is not a header, nor is the body.
        assert_eq!(call_id(b"Call-ID: x\r\nTo: y\r\n\r\n"), None);
        assert_eq!(call_id(b"BYE x SIP/2.0\r\n\r\nCall-ID: x\r\n"), None);
    }

    // P-25
    #[test]
    fn values_are_words() {
        for value in ["0", "a.b-c", "!%*_+`'~()<>:\\\"/[]?{}", "[::1]@host:5060"] {
            is(&format!("Call-ID: {value}"), value);
        }
        for value in [
            "", "@", "a@", "@b", "a@b@c", "a b", "a@b ", "a;b", "a,b", "a=b", "a&b", "a|b", "a^b",
            "a#b", "a$b", "\u{e9}", "a\0",
        ] {
            assert_eq!(of(&format!("Call-ID: {value}")), None, "{value:?}");
        }
    }

    // P-25
    #[test]
    fn the_longest() {
        let longest = "x".repeat(CALL_ID_MAX);
        is(&format!("Call-ID: {longest}"), &longest);
        assert_eq!(of(&format!("Call-ID: {longest}x")), None);
    }

    // P-25: a Call-ID at the end of a message may be incomplete.
    #[test]
    fn what_is_cut_is_not_taken() {
        let end = INVITE.windows(4).position(|w| w == b"CSeq").unwrap();
        for length in 0..end - 1 {
            assert_eq!(call_id(&INVITE[..length]), None, "{length} bytes");
        }
        assert!(call_id(&INVITE[..end]).is_some());
    }
}
