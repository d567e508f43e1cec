// SPDX-License-Identifier: GPL-2.0

//! SCTP chunk types and the state table of an association (behaviour.rst 7.3, RFC 9260).
//!
//! As with TCP, the states are inferred from the chunks that pass.

use super::checksum::SumState;
use super::crc32c;
use super::direction::Direction;
use super::family::Side;

/// Length of the common header, in bytes.
const COMMON: usize = 12;
/// Length of a chunk's header, in bytes.
const CHUNK: usize = 4;
/// Common header and header of the first chunk, without which a packet is ignored (S-4).
pub(crate) const SCTP_LEN: usize = COMMON + CHUNK;

/// Event of a packet for the state machine, the row of [`STATES_AFTER`] (T-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SctpEvent {
    /// DATA, and every chunk type that does not change the state.
    Data = 0,
    /// INIT: opens an association.
    Init = 1,
    /// INIT ACK, the answer to INIT.
    InitAck = 2,
    /// COOKIE ECHO, the answer to INIT ACK.
    CookieEcho = 3,
    /// COOKIE ACK, the answer to COOKIE ECHO: the association is open.
    CookieAck = 4,
    /// SHUTDOWN: closes the association.
    Shutdown = 5,
    /// SHUTDOWN ACK, the answer to SHUTDOWN.
    ShutdownAck = 6,
    /// SHUTDOWN COMPLETE, the answer to SHUTDOWN ACK: the association is closed.
    ShutdownComplete = 7,
    /// ERROR.
    Error = 8,
    /// ABORT: ends the association at once.
    Abort = 9,
}

impl SctpEvent {
    /// Returns the event of a chunk type (T-11).
    pub(crate) const fn of_chunk(kind: u8) -> Self {
        match kind {
            1 => Self::Init,
            2 => Self::InitAck,
            6 => Self::Abort,
            7 => Self::Shutdown,
            8 => Self::ShutdownAck,
            9 => Self::Error,
            10 => Self::CookieEcho,
            11 => Self::CookieAck,
            14 => Self::ShutdownComplete,
            _ => Self::Data,
        }
    }
}

/// Events of the chunks of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunks {
    /// Event of the first chunk, which determines if the packet may open an association (H-12,
    /// S-2).
    pub(crate) first: SctpEvent,
    /// Event for the state machine.
    pub(crate) event: SctpEvent,
}

/// Parses the chunks of a packet; `None` if the first one is incomplete.
///
/// `word` returns four bytes at an offset from the common header, if the packet has them. An ABORT
/// after a COOKIE ECHO or a COOKIE ACK is the event of the packet (T-11).
pub(crate) fn chunks(word: impl Fn(usize) -> Option<[u8; CHUNK]>) -> Option<Chunks> {
    let [kind, _, high, low] = word(COMMON)?;
    let first = SctpEvent::of_chunk(kind);
    let length = usize::from(u16::from_be_bytes([high, low]));
    let mut event = first;
    if matches!(first, SctpEvent::CookieEcho | SctpEvent::CookieAck) && length >= CHUNK {
        let padded = length.saturating_add(3) & !3;
        if let Some([6, ..]) = word(COMMON.saturating_add(padded)) {
            event = SctpEvent::Abort;
        }
    }
    Some(Chunks { first, event })
}

/// New, no packet seen.
#[cfg(test)]
pub(crate) const NONE: u8 = 0;
/// The client sent INIT.
pub(crate) const INIT1: u8 = 1;
/// The client sent INIT again.
pub(crate) const INIT: u8 = 2;
/// The server sent INIT ACK.
pub(crate) const COOKIE_SENT: u8 = 3;
/// The client answered with COOKIE ECHO.
pub(crate) const COOKIE_REPLIED: u8 = 4;
/// The server sent INIT and waits for a cookie.
pub(crate) const COOKIE_WAIT: u8 = 5;
/// The client sent its cookie to a server that had sent INIT.
pub(crate) const COOKIE: u8 = 6;
/// The server sent COOKIE ECHO.
pub(crate) const COOKIE_ECHOED: u8 = 7;
/// Established.
pub(crate) const ESTABLISHED: u8 = 8;
/// The server sent SHUTDOWN.
pub(crate) const SHUTDOWN_SENT: u8 = 9;
/// The client sent SHUTDOWN.
pub(crate) const SHUTDOWN_RECEIVED: u8 = 10;
/// The server sent SHUTDOWN ACK; SHUTDOWN COMPLETE is outstanding.
pub(crate) const SHUTDOWN_ACK_SENT: u8 = 11;
/// INIT was answered with ABORT.
pub(crate) const REJECTED: u8 = 12;
/// Closed.
pub(crate) const CLOSED: u8 = 13;
/// Number of states.
pub(crate) const STATES: usize = 14;

/// Next state, by event and state.
type StateTable = [[u8; STATES]; 10];

mod short {
    //! Aliases of the states: the two letters of the tables' columns.
    pub(super) use super::{
        CLOSED as CL, COOKIE as CO, COOKIE_ECHOED as CE, COOKIE_REPLIED as CR, COOKIE_SENT as CS,
        COOKIE_WAIT as CW, ESTABLISHED as ES, INIT as IN, INIT1 as I1, REJECTED as RJ,
        SHUTDOWN_ACK_SENT as SA, SHUTDOWN_RECEIVED as SR, SHUTDOWN_SENT as SS,
    };
}
use short::*;

/// Next states, by direction (T-13). Columns: NO I1 IN CS CR CW CO CE ES SS SR SA RJ CL.
#[rustfmt::skip]
static STATES_AFTER: [StateTable; 3] = [
    [ // Input
        [ES, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
        [I1, IN, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, IN, IN],
        [CW, CW, CW, CS, CR, CO, CO, CE, ES, SS, SR, SA, RJ, CL],
        [CR, IN, IN, CR, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
        [ES, I1, IN, CS, CR, CW, CO, ES, ES, SS, SR, SA, RJ, CL],
        [SR, I1, IN, CS, CR, CW, CO, CE, SR, SS, SR, SA, RJ, CL],
        [CL, IN, IN, CS, CR, CW, CO, CE, ES, CL, SR, CL, RJ, CL],
        [CL, CL, CL, CS, CR, CW, CO, CE, ES, SS, SR, CL, RJ, CL],
        [CL, I1, IN, CS, CR, CW, CO, CL, ES, SS, SR, SA, RJ, CL],
        [CL, CL, CL, CL, CL, RJ, CL, CL, CL, CL, CL, CL, CL, CL],
    ],
    [ // Output
        [ES, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
        [CW, CW, CW, CW, CW, CW, CW, CW, ES, CW, CW, CW, CW, CW],
        [CS, CS, CS, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
        [CE, CE, CE, CE, CE, CE, CE, CE, ES, SS, SR, SA, RJ, CL],
        [ES, ES, ES, ES, ES, ES, ES, ES, ES, SS, SR, SA, RJ, CL],
        [SS, SS, SS, SS, SS, SS, SS, SS, SS, SS, SR, SA, RJ, CL],
        [SA, SA, SA, SA, SA, CW, CO, CE, ES, SA, SA, SA, RJ, CL],
        [CL, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
        [CL, CL, CL, CL, CL, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
        [CL, RJ, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL],
    ],
    [ // Input only
        [ES, I1, IN, CS, CR, ES, CO, CE, ES, SS, SR, SA, RJ, CL],
        [I1, IN, IN, IN, IN, IN, CO, CE, ES, SS, SR, SA, IN, IN],
        [CE, CE, CE, CE, CE, CE, CO, CE, ES, SS, SR, SA, RJ, CL],
        [ES, ES, ES, ES, ES, ES, CO, CE, ES, SS, SR, SA, RJ, CL],
        [ES, I1, IN, ES, ES, CW, ES, ES, ES, SS, SR, SA, RJ, CL],
        [SR, I1, IN, CS, CR, CW, CO, CE, SR, SS, SR, SA, RJ, CL],
        [CL, IN, IN, CS, CR, CW, CO, CE, CL, CL, SR, CL, RJ, CL],
        [CL, CL, CL, CL, CL, CW, CO, CE, ES, SS, CL, CL, RJ, CL],
        [CL, I1, IN, CS, CR, CW, CO, CE, ES, SS, SR, SA, RJ, CL],
        [CL, CL, CL, CL, CL, RJ, CL, CL, CL, CL, CL, CL, CL, CL],
    ],
];

/// Returns the state after a packet. An invalid state becomes [`CLOSED`].
pub(crate) fn next(direction: Direction, event: SctpEvent, state: u8) -> u8 {
    STATES_AFTER
        .get(direction as usize)
        .and_then(|table| table.get(event as usize))
        .and_then(|row| row.get(usize::from(state)))
        .copied()
        .unwrap_or(CLOSED)
}

/// Returns true if an association in this state counts as active (T-12).
pub(crate) const fn active(state: u8) -> bool {
    state == ESTABLISHED
}

/// Returns the name of a state in /proc (T-12).
pub(crate) fn name(state: u8) -> &'static str {
    const NAMES: [&str; STATES] = [
        "NONE",
        "INIT1",
        "INIT",
        "C-SENT",
        "C-REPLIED",
        "C-WAIT",
        "COOKIE",
        "C-ECHOED",
        "ESTABLISHED",
        "S-SENT",
        "S-RECEIVED",
        "S-ACK-SENT",
        "REJECTED",
        "CLOSED",
    ];
    NAMES.get(usize::from(state)).copied().unwrap_or("ERR!")
}

/// Timeouts by state, in seconds since the last packet (T-12).
pub(crate) const DEFAULT_TIMEOUTS: [u32; STATES] =
    [2, 4, 61, 61, 61, 61, 61, 61, 900, 61, 61, 61, 4, 61];

/// Writes a port and updates the checksum (T-19).
///
/// `l4` begins with the common header of a packet with `length` bytes from there on. A checksum
/// that the device computes ([`SumState::Partial`]) is unchanged. Returns `false` and changes
/// nothing if the header is incomplete or longer than `length`.
///
/// The checksum, a CRC32c, is updated and not recomputed: only the header is read, and a damaged
/// packet keeps an incorrect checksum.
pub(crate) fn set_port(l4: &mut [u8], side: Side, port: u16, length: usize, sum: SumState) -> bool {
    let Some(behind) = length.checked_sub(COMMON) else {
        return false;
    };
    let Some([s0, s1, d0, d1, _, _, _, _, c0, c1, c2, c3]) = l4.first_chunk_mut::<COMMON>() else {
        return false;
    };
    let before = [*s0, *s1, *d0, *d1];
    let new = port.to_be_bytes();
    match side {
        Side::Source => [*s0, *s1] = new,
        Side::Destination => [*d0, *d1] = new,
    }
    if sum == SumState::Full {
        let change = u32::from_le_bytes(before) ^ u32::from_le_bytes([*s0, *s1, *d0, *d1]);
        // Eight more bytes of the header follow the ports.
        let change = crc32c::change(change.to_le_bytes(), behind.saturating_add(8));
        let sum = u32::from_le_bytes([*c0, *c1, *c2, *c3]) ^ change;
        [*c0, *c1, *c2, *c3] = sum.to_le_bytes();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables of T-13, columns NO I1 IN CS CR CW CO CE ES SS SR SA RJ CL.
    const SPEC: &str = "
        INPUT
          d    ES I1 IN CS CR CW CO CE ES SS SR SA RJ CL
          i    I1 IN IN CS CR CW CO CE ES SS SR SA IN IN
          i_a  CW CW CW CS CR CO CO CE ES SS SR SA RJ CL
          c_e  CR IN IN CR CR CW CO CE ES SS SR SA RJ CL
          c_a  ES I1 IN CS CR CW CO ES ES SS SR SA RJ CL
          s    SR I1 IN CS CR CW CO CE SR SS SR SA RJ CL
          s_a  CL IN IN CS CR CW CO CE ES CL SR CL RJ CL
          s_c  CL CL CL CS CR CW CO CE ES SS SR CL RJ CL
          err  CL I1 IN CS CR CW CO CL ES SS SR SA RJ CL
          ab   CL CL CL CL CL RJ CL CL CL CL CL CL CL CL
        OUTPUT
          d    ES I1 IN CS CR CW CO CE ES SS SR SA RJ CL
          i    CW CW CW CW CW CW CW CW ES CW CW CW CW CW
          i_a  CS CS CS CS CR CW CO CE ES SS SR SA RJ CL
          c_e  CE CE CE CE CE CE CE CE ES SS SR SA RJ CL
          c_a  ES ES ES ES ES ES ES ES ES SS SR SA RJ CL
          s    SS SS SS SS SS SS SS SS SS SS SR SA RJ CL
          s_a  SA SA SA SA SA CW CO CE ES SA SA SA RJ CL
          s_c  CL I1 IN CS CR CW CO CE ES SS SR SA RJ CL
          err  CL CL CL CL CL CW CO CE ES SS SR SA RJ CL
          ab   CL RJ CL CL CL CL CL CL CL CL CL CL CL CL
        INPUT-ONLY
          d    ES I1 IN CS CR ES CO CE ES SS SR SA RJ CL
          i    I1 IN IN IN IN IN CO CE ES SS SR SA IN IN
          i_a  CE CE CE CE CE CE CO CE ES SS SR SA RJ CL
          c_e  ES ES ES ES ES ES CO CE ES SS SR SA RJ CL
          c_a  ES I1 IN ES ES CW ES ES ES SS SR SA RJ CL
          s    SR I1 IN CS CR CW CO CE SR SS SR SA RJ CL
          s_a  CL IN IN CS CR CW CO CE CL CL SR CL RJ CL
          s_c  CL CL CL CL CL CW CO CE ES SS CL CL RJ CL
          err  CL I1 IN CS CR CW CO CE ES SS SR SA RJ CL
          ab   CL CL CL CL CL RJ CL CL CL CL CL CL CL CL
    ";

    // T-13
    #[test]
    fn tables_are_those_of_the_specification() {
        let letters = "NO I1 IN CS CR CW CO CE ES SS SR SA RJ CL";
        let by_letters = |two: &str| letters.split(' ').position(|state| state == two).unwrap();
        let events = [
            "d", "i", "i_a", "c_e", "c_a", "s", "s_a", "s_c", "err", "ab",
        ];
        let kinds = [0, 1, 2, 10, 11, 7, 8, 14, 9, 6];
        let mut direction = None;
        let mut rows = 0;
        for line in SPEC.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<_> = line.split_whitespace().collect();
            let Some(event) = events.iter().position(|event| *event == words[0]) else {
                direction = Some(match words[0] {
                    "INPUT" => Direction::Input,
                    "OUTPUT" => Direction::Output,
                    "INPUT-ONLY" => Direction::InputOnly,
                    other => panic!("{other}"),
                });
                continue;
            };
            assert_eq!(words.len(), 1 + STATES);
            for (state, letters) in (0u8..).zip(&words[1..]) {
                let event = SctpEvent::of_chunk(kinds[event]);
                assert_eq!(
                    usize::from(next(direction.unwrap(), event, state)),
                    by_letters(letters),
                    "{direction:?}, {event:?}, {}",
                    name(state)
                );
            }
            rows += 1;
        }
        assert_eq!(rows, 30);
    }

    // T-12
    #[test]
    fn states_as_listed() {
        let listed = [
            (NONE, "NONE", 2),
            (INIT1, "INIT1", 4),
            (INIT, "INIT", 61),
            (COOKIE_SENT, "C-SENT", 61),
            (COOKIE_REPLIED, "C-REPLIED", 61),
            (COOKIE_WAIT, "C-WAIT", 61),
            (COOKIE, "COOKIE", 61),
            (COOKIE_ECHOED, "C-ECHOED", 61),
            (ESTABLISHED, "ESTABLISHED", 900),
            (SHUTDOWN_SENT, "S-SENT", 61),
            (SHUTDOWN_RECEIVED, "S-RECEIVED", 61),
            (SHUTDOWN_ACK_SENT, "S-ACK-SENT", 61),
            (REJECTED, "REJECTED", 4),
            (CLOSED, "CLOSED", 61),
        ];
        for (number, (state, named, timeout)) in (0..).zip(listed) {
            assert_eq!(state, number);
            assert_eq!(name(state), named);
            assert_eq!(DEFAULT_TIMEOUTS[usize::from(state)], timeout);
            assert_eq!(active(state), state == ESTABLISHED);
        }
        for state in STATES as u8..=255 {
            assert_eq!(next(Direction::Input, SctpEvent::Data, state), CLOSED);
            assert_eq!(name(state), "ERR!");
        }
    }

    // T-11
    #[test]
    fn chunk_types() {
        for kind in [0, 3, 4, 5, 12, 13, 15, 63, 128, 192, 255] {
            assert_eq!(SctpEvent::of_chunk(kind), SctpEvent::Data, "{kind}");
        }
    }

    /// A packet with chunks of a type, a declared length and an actual length.
    fn packet(parts: &[(u8, u16, usize)]) -> Vec<u8> {
        let mut bytes = vec![0x9c, 0x40, 0x00, 0x50, 1, 2, 3, 4, 0, 0, 0, 0];
        for (kind, length, present) in parts {
            let mut chunk = vec![*kind, 0];
            chunk.extend(length.to_be_bytes());
            chunk.resize(*present, 0);
            bytes.extend(chunk);
        }
        bytes
    }

    // T-11
    #[test]
    fn an_abort_behind_a_cookie_counts() {
        let read = |bytes: &[u8]| chunks(|at| bytes.get(at..)?.first_chunk().copied());
        let event = |parts: &[_]| read(&packet(parts)).unwrap().event;
        for (kind, cookie) in [(10, SctpEvent::CookieEcho), (11, SctpEvent::CookieAck)] {
            assert_eq!(event(&[(kind, 4, 4)]), cookie);
            assert_eq!(event(&[(kind, 4, 4), (6, 4, 4)]), SctpEvent::Abort);
            // Chunks begin at multiples of four bytes.
            assert_eq!(event(&[(kind, 5, 8), (6, 4, 4)]), SctpEvent::Abort);
            assert_eq!(event(&[(kind, 5, 5), (6, 4, 4)]), cookie);
            assert_eq!(event(&[(kind, 4, 4), (0, 16, 16), (6, 4, 4)]), cookie);
            // An invalid length ends the parsing.
            for length in 0..4 {
                assert_eq!(event(&[(kind, length, 4), (6, 4, 4)]), cookie);
            }
            assert_eq!(event(&[(kind, 0xffff, 4), (6, 4, 4)]), cookie);
            assert_eq!(
                read(&packet(&[(kind, 4, 4), (6, 4, 4)])).unwrap().first,
                cookie
            );
        }
        assert_eq!(event(&[(0, 16, 16), (6, 4, 4)]), SctpEvent::Data);
        assert_eq!(event(&[(1, 20, 20), (6, 4, 4)]), SctpEvent::Init);
        assert_eq!(event(&[(6, 4, 4)]), SctpEvent::Abort);
        for present in 0..SCTP_LEN {
            assert_eq!(read(&packet(&[(1, 4, 4)])[..present]), None);
        }
    }

    fn sum_up(packet: &mut [u8]) {
        packet[8..12].fill(0);
        let sum = crc32c::tests::of(packet);
        packet[8..12].copy_from_slice(&sum.to_le_bytes());
    }

    // T-19
    #[test]
    fn ports_are_as_recomputed() {
        let lengths = [12, 13, 16, 100, 1480, 65_515];
        for length in lengths.into_iter().take(if cfg!(miri) { 4 } else { 6 }) {
            let mut packet: Vec<u8> = (0..length).map(|n| (n * 7 + n / 251) as u8).collect();
            sum_up(&mut packet);
            for (side, port) in [
                (Side::Source, 0),
                (Side::Destination, 0xffff),
                (Side::Destination, 80),
                (Side::Source, 0x1234),
            ] {
                let mut expected = packet.clone();
                let at = if side == Side::Source { 0 } else { 2 };
                expected[at..at + 2].copy_from_slice(&u16::to_be_bytes(port));
                let mut partial = packet.clone();
                assert!(set_port(
                    &mut partial,
                    side,
                    port,
                    length,
                    SumState::Partial
                ));
                assert_eq!(partial, expected);
                // An incorrect checksum stays incorrect by the same difference.
                let mut damaged = packet.clone();
                damaged[9] ^= 0x40;
                sum_up(&mut expected);
                assert!(set_port(
                    &mut packet[..12],
                    side,
                    port,
                    length,
                    SumState::Full
                ));
                assert_eq!(packet, expected, "{length} bytes");
                assert!(set_port(&mut damaged, side, port, length, SumState::Full));
                expected[9] ^= 0x40;
                assert_eq!(damaged, expected);
            }
        }
        for length in 0..12 {
            let mut short = vec![0; length];
            assert!(!set_port(&mut short, Side::Source, 1, 12, SumState::Full));
            assert!(!set_port(
                &mut [0; 12],
                Side::Source,
                1,
                length,
                SumState::Full
            ));
        }
    }

    fn walk(steps: &[(Direction, u8, &str)]) {
        let mut state = NONE;
        for (direction, kind, expected) in steps {
            state = next(*direction, SctpEvent::of_chunk(*kind), state);
            assert_eq!(name(state), *expected);
        }
    }

    // T-13
    #[test]
    fn associations() {
        use Direction::{Input, InputOnly, Output};
        walk(&[
            (Input, 1, "INIT1"),
            (Output, 2, "C-SENT"),
            (Input, 10, "C-REPLIED"),
            (Output, 11, "ESTABLISHED"),
            (Input, 0, "ESTABLISHED"),
            (Input, 7, "S-RECEIVED"),
            (Output, 8, "S-ACK-SENT"),
            (Input, 14, "CLOSED"),
        ]);
        walk(&[
            (InputOnly, 1, "INIT1"),
            (InputOnly, 10, "ESTABLISHED"),
            (InputOnly, 7, "S-RECEIVED"),
            (InputOnly, 14, "CLOSED"),
        ]);
    }
}
