// SPDX-License-Identifier: GPL-2.0

//! Parser of FTP control connections: addresses and ports of data connections (F-5 to F-8, RFC 959
//! and RFC 2428).
//!
//! A client announces where it listens (`PORT`, `EPRT`), or asks where the server listens (`PASV`,
//! `EPSV`), which the server answers (227, 229). Everything else, incomplete lines and port 0 are
//! ignored.

use super::config::{
    AddressFamily,
    Ip, //
};
use super::family::{
    Endpoint,
    Family, //
};
use core::fmt::{
    self,
    Write, //
};

/// Port of FTP control connections. Services at this port take data connections too (V-2).
pub(crate) const FTP_PORT: u16 = 21;

/// Source port of active data connections.
pub(crate) const FTP_DATA_PORT: u16 = 20;

/// The first unprivileged port.
const FIRST_UNPRIVILEGED: u16 = 1024;

/// Format in which a server announces its address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// `227 Entering Passive Mode (a,b,c,d,p,p)`, the answer to `PASV`. IPv4 only.
    Plain,
    /// `229 Entering Extended Passive Mode (|||port|)`, the answer to `EPSV`.
    Extended,
}

/// Command of a client about a data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FtpCommand<F: Family> {
    /// `PASV` or `EPSV`: the server is asked to listen.
    Passive(Mode),
    /// `PORT` or `EPRT`: the client listens at this address and port.
    Active(Endpoint<F>),
}

/// Port that a server announces, and its position in the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    /// The port, which is not 0.
    pub(crate) port: u16,
    /// Range of address and port in the payload: the first byte, and the one after the last.
    pub(crate) place: (usize, usize),
}

/// Address and port in the format of a server's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndpointText {
    bytes: [u8; Self::LEN],
    len: usize,
}

/// Returns the number of a family in `EPRT`, `EPSV` and 229.
const fn number_of<F: Family>() -> u8 {
    match F::FAMILY {
        AddressFamily::V4 => b'1',
        AddressFamily::V6 => b'2',
    }
}

/// Finds a command of the client in its payload (F-5): `PASV` and `EPSV` anywhere, `PORT` and
/// `EPRT` at the beginning only.
pub(crate) fn command<F: Family>(payload: &[u8]) -> Option<FtpCommand<F>> {
    let mut rest = payload;
    while let [_, following @ ..] = rest {
        if F::FAMILY == AddressFamily::V4 && after(rest, b"PASV\r\n").is_some() {
            return Some(FtpCommand::Passive(Mode::Plain));
        }
        match after(rest, b"EPSV") {
            Some([b'\r', _, ..]) => return Some(FtpCommand::Passive(Mode::Extended)),
            Some([b' ', family, b'\r', ..]) if *family == number_of::<F>() => {
                return Some(FtpCommand::Passive(Mode::Extended));
            }
            // `EPSV ALL`, or another family.
            Some([b' ', ..]) => return None,
            _ => {}
        }
        rest = following;
    }
    let (ip, port) = own_port::<F>(payload)?;
    let addr = F::from_ip(ip)?;
    Some(FtpCommand::Active(Endpoint { addr, port }))
}

/// Parses the address and port of `PORT` or `EPRT`.
fn own_port<F: Family>(payload: &[u8]) -> Option<(Ip, u16)> {
    if let (AddressFamily::V4, Some(rest)) = (F::FAMILY, after(payload, b"PORT")) {
        let (ip, port, _) = plain(skip_blanks(rest)?)?;
        return Some((ip, port));
    }
    let rest = skip_blanks(after(payload, b"EPRT")?)?;
    let (ip, port, _) = extended::<F>(rest)?;
    Some((ip?, port))
}

/// Finds a server's answer in its payload (F-7).
pub(crate) fn answer<F: Family>(mode: Mode, payload: &[u8]) -> Option<Announced> {
    let (start, (port, end)) = match mode {
        Mode::Plain if F::FAMILY == AddressFamily::V4 => {
            // The bracket is usual, but not required.
            let words = after(payload, b"227 ")?;
            let skipped = words
                .iter()
                .position(|byte| *byte == b'(' || byte.is_ascii_digit())?;
            let start = words.get(skipped..)?;
            let start = start.strip_prefix(b"(").unwrap_or(start);
            let (_, port, end) = plain(start)?;
            (start, (port, end))
        }
        Mode::Plain => return None,
        Mode::Extended => {
            let words = after(payload, b"229 ")?;
            let bracket = words.iter().position(|byte| *byte == b'(')?;
            let start = words.get(bracket..)?.strip_prefix(b"(")?;
            let (_, port, end) = extended::<F>(start)?;
            (start, (port, end))
        }
    };
    let at = |rest: &[u8]| payload.len().saturating_sub(rest.len());
    Some(Announced {
        port,
        place: (at(start), at(end)),
    })
}

/// Parses `a,b,c,d,p,p`. Returns the rest too, which must not be empty: otherwise the last number
/// may be incomplete.
fn plain(text: &[u8]) -> Option<(Ip, u16, &[u8])> {
    let mut numbers = [0u8; 6];
    let mut rest = text;
    for (n, number) in numbers.iter_mut().enumerate() {
        if n != 0 {
            rest = rest.strip_prefix(b",")?;
        }
        let (value, following) = decimal(rest, u8::MAX.into())?;
        *number = u8::try_from(value).ok()?;
        rest = following;
    }
    let [a, b, c, d, high, low] = numbers;
    let port = u16::from_be_bytes([high, low]);
    (port != 0 && !rest.is_empty()).then_some((Ip::V4([a, b, c, d]), port, rest))
}

/// Parses `|family|address|port|` or `|||port|`, with any printable delimiter. Returns the rest
/// too.
fn extended<F: Family>(text: &[u8]) -> Option<(Option<Ip>, u16, &[u8])> {
    let [delimiter @ 33..=126, rest @ ..] = text else {
        return None;
    };
    let mut fields = rest.splitn(4, |byte| byte == delimiter);
    let (family, addr, port) = (fields.next()?, fields.next()?, fields.next()?);
    let following = fields.next()?;
    let ip = match (family, addr) {
        ([], []) => None,
        ([family], addr) if *family == number_of::<F>() => Some(address::<F>(addr)?),
        _ => return None,
    };
    let (port, nothing) = decimal(port, u16::MAX.into())?;
    let port = u16::try_from(port).ok()?;
    (port != 0 && nothing.is_empty()).then_some((ip, port, following))
}

/// Parses an address in text form.
fn address<F: Family>(text: &[u8]) -> Option<Ip> {
    let text = core::str::from_utf8(text).ok()?;
    match F::FAMILY {
        AddressFamily::V4 => {
            let addr: core::net::Ipv4Addr = text.parse().ok()?;
            Some(Ip::V4(addr.octets()))
        }
        AddressFamily::V6 => {
            let addr: core::net::Ipv6Addr = text.parse().ok()?;
            Some(Ip::V6(addr.octets()))
        }
    }
}

/// Parses a decimal number of at most `most`. Returns the rest too.
fn decimal(text: &[u8], most: u32) -> Option<(u32, &[u8])> {
    let digits = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(digits)?;
    if digits.is_empty() {
        return None;
    }
    let mut value = 0u32;
    for digit in digits {
        let digit = u32::from(digit.wrapping_sub(b'0'));
        value = value.checked_mul(10)?.checked_add(digit)?;
        if value > most {
            return None;
        }
    }
    Some((value, rest))
}

/// Returns the number of decimal digits of a number.
fn digits(number: u16) -> u32 {
    number.checked_ilog10().unwrap_or(0)
}

/// Returns the `n`-th of 255 substitutes for a port that is taken: an unprivileged port with the
/// same low byte. `None` if `n` gives no such port.
///
/// With `as_long`, [`EndpointText`] has the same length for both ports. A retransmitted segment
/// that names the other one then keeps its length.
pub(crate) fn other_port(port: u16, n: u8, as_long: bool) -> Option<u16> {
    let [high, low] = port.to_be_bytes();
    let other = high.wrapping_add(n);
    let new = u16::from_be_bytes([other, low]);
    let is_as_long = digits(other.into()) == digits(high.into()) && digits(new) == digits(port);
    (new >= FIRST_UNPRIVILEGED && new != port && (!as_long || is_as_long)).then_some(new)
}

/// Returns the rest of `text` after `word`, compared without regard to case.
fn after<'t>(text: &'t [u8], word: &[u8]) -> Option<&'t [u8]> {
    let (start, rest) = text.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}

/// Returns the rest after at least one blank.
fn skip_blanks(text: &[u8]) -> Option<&[u8]> {
    let blanks = text.iter().position(|byte| *byte != b' ')?;
    (blanks != 0).then(|| text.get(blanks..)).flatten()
}

impl EndpointText {
    /// Length of the longest text, `255,255,255,255,255,255`.
    const LEN: usize = 23;

    /// Formats the address and port that replace the server's in an answer (F-8). The 227 format
    /// has no IPv6 address, and the 229 format no address at all.
    pub(crate) fn new(mode: Mode, ip: Ip, port: u16) -> Self {
        let mut text = Self {
            bytes: [0; Self::LEN],
            len: 0,
        };
        let [high, low] = port.to_be_bytes();
        // The buffer holds the longest text.
        let _ = match (mode, ip) {
            (Mode::Plain, Ip::V4([a, b, c, d])) => write!(text, "{a},{b},{c},{d},{high},{low}"),
            _ => write!(text, "|||{port}|"),
        };
        text
    }

    /// Returns the bytes of the text.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

impl Write for EndpointText {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let end = self.len.checked_add(more.len()).ok_or(fmt::Error)?;
        let target = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        target.copy_from_slice(more.as_bytes());
        self.len = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::family::{V4, V6};
    use super::*;

    fn asked<F: Family>(text: &str) -> Option<FtpCommand<F>> {
        command(text.as_bytes())
    }

    fn active<F: Family>(text: &str) -> Option<(F::Addr, u16)> {
        match asked::<F>(text)? {
            FtpCommand::Active(at) => Some((at.addr, at.port)),
            FtpCommand::Passive(_) => None,
        }
    }

    fn passive<F: Family>(text: &str) -> Option<Mode> {
        match asked::<F>(text)? {
            FtpCommand::Passive(mode) => Some(mode),
            FtpCommand::Active(_) => None,
        }
    }

    /// The port and the text to replace.
    fn said<F: Family>(mode: Mode, text: &str) -> Option<(u16, &str)> {
        let announced = answer::<F>(mode, text.as_bytes())?;
        let (start, end) = announced.place;
        Some((announced.port, &text[start..end]))
    }

    // F-5
    #[test]
    fn questions_for_a_port() {
        for text in [
            "PASV\r\n",
            "pasv\r\n",
            "PaSv\r\nRETR x\r\n",
            "TYPE I\r\nPASV\r\n",
        ] {
            assert_eq!(passive::<V4>(text), Some(Mode::Plain), "{text:?}");
            assert_eq!(passive::<V6>(text), None, "{text:?}");
        }
        for text in [
            "EPSV\r\n",
            "epsv\r\n",
            "CWD /\r\nEPSV\r\nRETR x\r\n",
            "PORT 10,0,0,1,4,1\r\nEPSV\r\n",
        ] {
            assert_eq!(passive::<V4>(text), Some(Mode::Extended), "{text:?}");
            assert_eq!(passive::<V6>(text), Some(Mode::Extended), "{text:?}");
        }
        assert_eq!(passive::<V4>("EPSV 1\r\n"), Some(Mode::Extended));
        assert_eq!(passive::<V6>("epsv 2\r"), Some(Mode::Extended));
        // The first command counts.
        assert_eq!(passive::<V4>("PASV\r\nEPSV\r\n"), Some(Mode::Plain));
        assert_eq!(passive::<V4>("EPSV\r\nPASV\r\n"), Some(Mode::Extended));
    }

    // F-5
    #[test]
    fn what_is_no_question() {
        for text in [
            "",
            "P",
            "PASV",
            "PASV\r",
            "PASV\n",
            "PASV \r\n",
            "EPSV",
            "EPSV\r",
            "EPSV\n\n",
            "EPSVX\r\n",
            "EPSV ALL\r\n",
            "EPSV 3\r\n",
            "EPSV 1",
            "EPSV 12\r\n",
            "EPSV  1\r\n",
            "EPSV ALL\r\nPASV\r\n",
            "NOOP\r\n",
        ] {
            assert_eq!(asked::<V4>(text), None, "{text:?}");
            assert_eq!(asked::<V6>(text), None, "{text:?}");
        }
        assert_eq!(asked::<V4>("EPSV 2\r\n"), None);
        assert_eq!(asked::<V6>("EPSV 1\r\n"), None);
    }

    // F-5, F-6
    #[test]
    fn clients_that_listen() {
        let at = Some(([10, 0, 1, 2], 0x0401));
        for text in [
            "PORT 10,0,1,2,4,1\r\n",
            "port   10,0,1,2,4,1\n",
            "PORT 010,000,1,2,004,1x",
            "EPRT |1|10.0.1.2|1025|\r\n",
            "eprt  !1!10.0.1.2!01025!",
        ] {
            assert_eq!(active::<V4>(text), at, "{text:?}");
            assert_eq!(active::<V6>(text), None, "{text:?}");
        }
        let addr = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        for text in [
            "EPRT |2|2001:db8::1|1025|\r\n",
            "EPRT ~2~2001:0DB8:0::1~1025~\r\n",
        ] {
            assert_eq!(active::<V6>(text), Some((addr, 1025)), "{text:?}");
            assert_eq!(active::<V4>(text), None, "{text:?}");
        }
    }

    // F-5
    #[test]
    fn what_no_client_listens_at() {
        for text in [
            "PORT10,0,1,2,4,1\r\n",
            " PORT 10,0,1,2,4,1\r\n",
            "PORT 256,0,1,2,4,1\r\n",
            "PORT 10,0,1,2,4\r\n",
            "PORT 10,0,1,2,4,1",
            "PORT 10,0,1,2,4,\r\n",
            "PORT 10,,1,2,4,1\r\n",
            "PORT 10, 0,1,2,4,1\r\n",
            "PORT 10.0.1.2,4,1\r\n",
            "PORT -1,0,1,2,4,1\r\n",
            "PORT 10,0,1,2,0,0\r\n",
            "PORT \r\n",
            "PORT",
            "PORT 99999999999999999999,0,1,2,4,1\r\n",
            "NOOP\r\nPORT 10,0,1,2,4,1\r\n",
            "EPRT |1|10.0.1.2|0|\r\n",
            "EPRT |1|10.0.1.2|65536|\r\n",
            "EPRT |1|10.0.1.2|1025",
            "EPRT |1|10.0.1.2|10 25|\r\n",
            "EPRT |1|10.0.1.2!1025|\r\n",
            "EPRT |1|10.0.1|1025|\r\n",
            "EPRT |1||1025|\r\n",
            "EPRT |||1025|\r\n",
            "EPRT |3|10.0.1.2|1025|\r\n",
            "EPRT |11|10.0.1.2|1025|\r\n",
            "EPRT \u{7f}1\u{7f}10.0.1.2\u{7f}1025\u{7f}",
            "EPRT |1|10.0.1.2||\r\n",
            "EPRT |1|::1|1025|\r\n",
            "EPRT |",
            "EPRT ",
            "EPRT|1|10.0.1.2|1025|\r\n",
        ] {
            assert_eq!(asked::<V4>(text), None, "{text:?}");
        }
        for text in [
            "EPRT |2|10.0.1.2|1025|\r\n",
            "EPRT |2|fe80::1%eth0|1025|\r\n",
            "EPRT |2|::g|1025|\r\n",
        ] {
            assert_eq!(asked::<V6>(text), None, "{text:?}");
        }
    }

    // F-7
    #[test]
    fn servers_that_listen() {
        let plain = |text| said::<V4>(Mode::Plain, text);
        let tuple = "10,0,0,9,200,33";
        for text in [
            "227 Entering Passive Mode (10,0,0,9,200,33).\r\n",
            "227 =10,0,0,9,200,33\r\n",
            "227 10,0,0,9,200,33 is it\r\n",
            "227 (10,0,0,9,200,33",
        ] {
            let expected = (!text.ends_with('3')).then_some((200 * 256 + 33, tuple));
            assert_eq!(plain(text), expected, "{text:?}");
            assert_eq!(said::<V6>(Mode::Plain, text), None);
            assert_eq!(said::<V4>(Mode::Extended, text), None);
        }
        for (text, place) in [
            (
                "229 Entering Extended Passive Mode (|||51233|)\r\n",
                "|||51233|",
            ),
            ("229 In 1 moment (!!!51233!", "!!!51233!"),
        ] {
            assert_eq!(
                said::<V4>(Mode::Extended, text),
                Some((51233, place)),
                "{text:?}"
            );
            assert_eq!(
                said::<V6>(Mode::Extended, text),
                Some((51233, place)),
                "{text:?}"
            );
            assert_eq!(plain(text), None);
        }
        assert_eq!(
            said::<V4>(Mode::Extended, "229 x (|1|10.0.0.9|21000|)"),
            Some((21000, "|1|10.0.0.9|21000|"))
        );
        assert_eq!(
            said::<V6>(Mode::Extended, "229 x (|2|fd00::1|21000|)"),
            Some((21000, "|2|fd00::1|21000|"))
        );
    }

    // F-7
    #[test]
    fn what_no_server_listens_at() {
        for text in [
            "",
            "227",
            "227 ",
            "227-(10,0,0,9,200,33)\r\n",
            "227 Mode 1 (10,0,0,9,200,33)\r\n",
            "227 ((10,0,0,9,200,33)\r\n",
            "227 (10,0,0,9,0,0)\r\n",
            "227 (10,0,0,9,256,1)\r\n",
            "227 (10,0,0,9)\r\n",
            "227 ()\r\n",
            "220-\r\n227 (10,0,0,9,200,33)\r\n",
            "228 (10,0,0,9,200,33)\r\n",
        ] {
            assert_eq!(said::<V4>(Mode::Plain, text), None, "{text:?}");
        }
        for text in [
            "229",
            "229 |||51233|\r\n",
            "229 (|||51233",
            "229 (|||51233)",
            "229 (|||0|)",
            "229 (|||70000|)",
            "229 (||51233|)",
            "229 ((|||51233|)",
            "229 (",
            "229 (|2|10.0.0.9|51233|)",
            "229 (|1|10.0.0|51233|)",
            "229 (| | |51233|)",
        ] {
            assert_eq!(said::<V4>(Mode::Extended, text), None, "{text:?}");
        }
        assert_eq!(said::<V6>(Mode::Extended, "229 (|1|10.0.0.9|51233|)"), None);
    }

    // F-5, F-7: data that ends within a number is ignored, as the number may be incomplete.
    #[test]
    fn what_is_cut_is_not_taken() {
        let port = "PORT 10,0,1,2,4,123\r\n";
        for length in 0..port.len() - 2 {
            assert_eq!(asked::<V4>(&port[..length]), None, "{length} bytes");
        }
        let eprt = "EPRT |2|fd00::12|1025|";
        for length in 0..eprt.len() {
            assert_eq!(asked::<V6>(&eprt[..length]), None, "{length} bytes");
        }
        let reply = "229 Entering (|||51233|)\r\n";
        for length in 0..reply.len() - 3 {
            assert_eq!(
                said::<V4>(Mode::Extended, &reply[..length]),
                None,
                "{length} bytes"
            );
        }
    }

    // F-8
    #[test]
    fn texts() {
        let text = |mode, ip, port| EndpointText::new(mode, ip, port).as_bytes().to_vec();
        let longest = Ip::V4([255; 4]);
        assert_eq!(
            text(Mode::Plain, longest, 0xffff),
            b"255,255,255,255,255,255"
        );
        assert_eq!(
            text(Mode::Plain, Ip::V4([192, 0, 2, 1]), 0x1234),
            b"192,0,2,1,18,52"
        );
        assert_eq!(text(Mode::Extended, longest, 65535), b"|||65535|");
        assert_eq!(text(Mode::Extended, Ip::V6([0xff; 16]), 1), b"|||1|");
    }

    // F-7, F-8
    #[test]
    fn other_ports_are_said_in_as_many_bytes() {
        let length = |mode, port| {
            EndpointText::new(mode, Ip::V4([10, 0, 9, 1]), port)
                .as_bytes()
                .len()
        };
        for port in (1..=u16::MAX).step_by(7).chain([20, 1024, 40001, u16::MAX]) {
            let mut others = Vec::new();
            for n in 0..=u8::MAX {
                let Some(other) = other_port(port, n, true) else {
                    continue;
                };
                assert!(other >= 1024 && other != port && other as u8 == port as u8);
                for mode in [Mode::Plain, Mode::Extended] {
                    assert_eq!(length(mode, other), length(mode, port), "{port} {other}");
                }
                others.push(other);
            }
            others.sort_unstable();
            others.dedup();
            // The ports that servers choose for passive connections have many substitutes.
            assert!(
                port < 32768 || others.len() > 90,
                "{port}: {}",
                others.len()
            );
        }
        // The port of an active data connection is not announced.
        let any = (0..=u8::MAX).filter_map(|n| other_port(20, n, false));
        assert_eq!(any.count(), 252);
    }
}
