// SPDX-License-Identifier: GPL-2.0

//! TCP flags and connection states (behaviour.rst 7.1).
//!
//! A director observes a connection from outside, and may see one direction only. So the states are
//! not those of RFC 9293. They are inferred from the flags, and select the timeout of the entry.

use super::direction::Direction;

/// Event of a segment for the state machine, the row of [`NORMAL`] (T-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TcpEvent {
    /// SYN: opens.
    Syn = 0,
    /// FIN: closes one direction.
    Fin = 1,
    /// ACK without the others.
    Ack = 2,
    /// RST: closes.
    Rst = 3,
}

/// Flags of a segment that the state machine reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TcpFlags(u8);

impl TcpFlags {
    const FIN: u8 = 0x01;
    const SYN: u8 = 0x02;
    const RST: u8 = 0x04;
    const ACK: u8 = 0x10;

    /// No flags, as for UDP.
    pub(crate) const NONE: Self = Self(0);
    /// ACK only. The segment leaves [`ESTABLISHED`] unchanged in either direction and table.
    pub(crate) const PLAIN: Self = Self(Self::ACK);
    /// SYN only.
    pub(crate) const SYN_ONLY: Self = Self(Self::SYN);
    /// RST only.
    pub(crate) const RST_ONLY: Self = Self(Self::RST);

    /// Takes byte 13 of a TCP header.
    #[inline]
    pub(crate) const fn new(byte: u8) -> Self {
        Self(byte & (Self::FIN | Self::SYN | Self::RST | Self::ACK))
    }

    /// Returns true if SYN is set, with or without ACK (H-12).
    #[inline]
    pub(crate) const fn is_syn(self) -> bool {
        self.0 & Self::SYN != 0
    }

    /// Returns true if ACK is set.
    #[inline]
    pub(crate) const fn is_ack(self) -> bool {
        self.0 & Self::ACK != 0
    }

    /// Returns true if RST is set.
    #[inline]
    pub(crate) const fn is_rst(self) -> bool {
        self.0 & Self::RST != 0
    }

    /// Returns the event of the flags: RST before SYN before FIN before ACK, `None` if none is set
    /// (T-1).
    #[inline]
    pub(crate) const fn event(self) -> Option<TcpEvent> {
        if self.0 == Self::ACK {
            Some(TcpEvent::Ack)
        } else if self.is_rst() {
            Some(TcpEvent::Rst)
        } else if self.is_syn() {
            Some(TcpEvent::Syn)
        } else if self.0 & Self::FIN != 0 {
            Some(TcpEvent::Fin)
        } else if self.is_ack() {
            Some(TcpEvent::Ack)
        } else {
            None
        }
    }
}

/// New, no segment seen.
pub(crate) const NONE: u8 = 0;
/// Open in both directions.
pub(crate) const ESTABLISHED: u8 = 1;
/// The server sent SYN.
pub(crate) const SYN_SENT: u8 = 2;
/// The client sent SYN.
pub(crate) const SYN_RECV: u8 = 3;
/// The server closed first; or the client, if one direction is seen.
pub(crate) const FIN_WAIT: u8 = 4;
/// Closed in both directions.
pub(crate) const TIME_WAIT: u8 = 5;
/// Closed.
pub(crate) const CLOSE: u8 = 6;
/// The client closed first.
pub(crate) const CLOSE_WAIT: u8 = 7;
/// The server closed too; its last ACK is outstanding.
pub(crate) const LAST_ACK: u8 = 8;
/// Expected by another connection (FTP).
pub(crate) const LISTEN: u8 = 9;
/// The client sent SYN while the `secure_tcp` defense is active.
pub(crate) const SYNACK: u8 = 10;
/// Number of states.
pub(crate) const STATES: usize = 11;

/// Next state, by event and state.
type StateTable = [[u8; STATES]; 4];

/// Tables of a defense mode, by direction.
type StateTables = [StateTable; 3];

mod short {
    //! Aliases of the states: the two letters of the tables' columns.
    pub(super) use super::{
        CLOSE as CL, CLOSE_WAIT as CW, ESTABLISHED as ES, FIN_WAIT as FW, LAST_ACK as LA,
        LISTEN as LI, SYNACK as SA, SYN_RECV as SR, SYN_SENT as SS, TIME_WAIT as TW,
    };
}
use short::*;

/// Tables without defense (T-4). Columns: NO ES SS SR FW TW CL CW LA LI SA.
#[rustfmt::skip]
static NORMAL: StateTables = [
    [ // Input
        [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR],
        [CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, TW],
        [ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES],
        [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, SR],
    ],
    [ // Output
        [SS, ES, SS, SR, SS, SS, SS, SS, SS, LI, SR],
        [TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW],
        [ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES],
        [CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL],
    ],
    [ // Input only
        [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR],
        [CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW],
        [ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES],
        [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL],
    ],
];

/// Tables of the `secure_tcp` defense (T-4, T-5): a connection is established only when the
/// handshake is complete.
#[rustfmt::skip]
static SECURE: StateTables = [
    [ // Input
        [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SA],
        [CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, SA],
        [ES, ES, SS, SR, FW, TW, CL, CW, CL, LI, SA],
        [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL],
    ],
    [ // Output
        [SS, ES, SS, SA, SS, SS, SS, SS, SS, LI, SA],
        [TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW],
        [ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES],
        [CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL],
    ],
    [ // Input only
        [SA, ES, ES, SR, SA, SA, SA, SA, SA, SA, SA],
        [CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW],
        [ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES],
        [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL],
    ],
];

/// Returns the state after a segment. A segment without event (T-1) and an invalid state give
/// [`CLOSE`].
///
/// `secure` selects the tables of the `secure_tcp` defense (T-5).
#[inline]
pub(crate) fn next(secure: bool, direction: Direction, event: Option<TcpEvent>, state: u8) -> u8 {
    let Some(event) = event else {
        return CLOSE;
    };
    // The most frequent case, in which all tables agree.
    if event == TcpEvent::Ack && state == ESTABLISHED {
        return ESTABLISHED;
    }
    let tables = if secure { &SECURE } else { &NORMAL };
    tables
        .get(direction as usize)
        .and_then(|table| table.get(event as usize))
        .and_then(|row| row.get(usize::from(state)))
        .copied()
        .unwrap_or(CLOSE)
}

/// Returns true if a connection in this state counts as active (T-3, T-6).
#[inline]
pub(crate) const fn active(state: u8) -> bool {
    matches!(state, ESTABLISHED | SYN_SENT | SYN_RECV | SYNACK)
}

/// Returns the name of a state in /proc (T-3).
pub(crate) fn name(state: u8) -> &'static str {
    const NAMES: [&str; STATES] = [
        "NONE",
        "ESTABLISHED",
        "SYN_SENT",
        "SYN_RECV",
        "FIN_WAIT",
        "TIME_WAIT",
        "CLOSE",
        "CLOSE_WAIT",
        "LAST_ACK",
        "LISTEN",
        "SYNACK",
    ];
    NAMES.get(usize::from(state)).copied().unwrap_or("ERR!")
}

/// Timeouts by state, in seconds since the last packet (T-3).
pub(crate) const DEFAULT_TIMEOUTS: [u32; STATES] =
    [2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120];

#[cfg(any(test, CONFIG_RUST_IPVS_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_RUST_IPVS_KUNIT_TEST,
    crate::kunit_tests(rust_ipvs_tcp),
    allow(unsafe_code, unused)
)]
mod tests {
    use super::*;

    /// Tables of T-4, columns NO ES SS SR FW TW CL CW LA LI SA.
    const SPEC: &str = "
        normal     INPUT
          syn  SR ES ES SR SR SR SR SR SR SR SR
          fin  CL CW SS TW TW TW CL CW LA LI TW
          ack  ES ES SS ES FW TW CL CW CL LI ES
          rst  CL CL CL SR CL CL CL CL LA LI SR
        normal     OUTPUT
          syn  SS ES SS SR SS SS SS SS SS LI SR
          fin  TW FW SS TW FW TW CL TW LA LI TW
          ack  ES ES SS ES FW TW CL CW LA ES ES
          rst  CL CL SS CL CL TW CL CL CL CL CL
        normal     INPUT-ONLY
          syn  SR ES ES SR SR SR SR SR SR SR SR
          fin  CL FW SS TW FW TW CL CW LA LI TW
          ack  ES ES SS ES FW TW CL CW CL LI ES
          rst  CL CL CL SR CL CL CL CL LA LI CL
        secure_tcp INPUT
          syn  SR ES ES SR SR SR SR SR SR SR SA
          fin  CL CW SS TW TW TW CL CW LA LI SA
          ack  ES ES SS SR FW TW CL CW CL LI SA
          rst  CL CL CL SR CL CL CL CL LA LI CL
        secure_tcp OUTPUT
          syn  SS ES SS SA SS SS SS SS SS LI SA
          fin  TW FW SS TW FW TW CL TW LA LI TW
          ack  ES ES SS ES FW TW CL CW LA ES ES
          rst  CL CL SS CL CL TW CL CL CL CL CL
        secure_tcp INPUT-ONLY
          syn  SA ES ES SR SA SA SA SA SA SA SA
          fin  CL FW SS TW FW TW CL CW LA LI TW
          ack  ES ES SS ES FW TW CL CW CL LI ES
          rst  CL CL CL SR CL CL CL CL LA LI CL
    ";

    fn by_letters(letters: &str) -> u8 {
        let all = "NO ES SS SR FW TW CL CW LA LI SA";
        let place = all.split(' ').position(|state| state == letters);
        u8::try_from(place.unwrap()).unwrap()
    }

    // T-4, which the fast path relies on.
    #[test]
    fn plain_segments_leave_established() {
        for secure in [false, true] {
            for direction in [Direction::Input, Direction::Output, Direction::InputOnly] {
                let event = TcpFlags::PLAIN.event();
                assert_eq!(next(secure, direction, event, ESTABLISHED), ESTABLISHED);
            }
        }
    }

    // T-4, T-5
    #[cfg(test)]
    #[test]
    fn tables_are_those_of_the_specification() {
        let mut table = None;
        let mut rows = 0;
        for line in SPEC.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<_> = line.split_whitespace().collect();
            let event = match words[0] {
                "normal" | "secure_tcp" => {
                    let direction = match words[1] {
                        "INPUT" => Direction::Input,
                        "OUTPUT" => Direction::Output,
                        "INPUT-ONLY" => Direction::InputOnly,
                        other => panic!("{other}"),
                    };
                    table = Some((words[0] == "secure_tcp", direction));
                    continue;
                }
                "syn" => TcpEvent::Syn,
                "fin" => TcpEvent::Fin,
                "ack" => TcpEvent::Ack,
                "rst" => TcpEvent::Rst,
                other => panic!("{other}"),
            };
            let (secure, direction) = table.unwrap();
            assert_eq!(words.len(), 1 + STATES);
            for (state, letters) in (0u8..).zip(&words[1..]) {
                assert_eq!(
                    next(secure, direction, Some(event), state),
                    by_letters(letters),
                    "secure {secure}, {direction:?}, {event:?}, {}",
                    name(state)
                );
            }
            rows += 1;
        }
        assert_eq!(rows, 24);
    }

    // T-1
    #[test]
    fn rst_goes_before_syn_before_fin_before_ack() {
        for byte in 0..=255 {
            let expected = if byte & 4 != 0 {
                Some(TcpEvent::Rst)
            } else if byte & 2 != 0 {
                Some(TcpEvent::Syn)
            } else if byte & 1 != 0 {
                Some(TcpEvent::Fin)
            } else if byte & 16 != 0 {
                Some(TcpEvent::Ack)
            } else {
                None
            };
            let flags = TcpFlags::new(byte);
            assert_eq!(flags.event(), expected);
            assert_eq!(flags.is_syn(), byte & 2 != 0);
            assert_eq!(flags.is_ack(), byte & 16 != 0);
            assert_eq!(flags.is_rst(), byte & 4 != 0);
        }
    }

    // T-1
    #[test]
    fn no_flag_or_no_state_closes() {
        for state in 0..=255 {
            assert_eq!(next(false, Direction::Input, None, state), CLOSE);
        }
        for state in STATES as u8..=255 {
            for event in [TcpEvent::Syn, TcpEvent::Fin, TcpEvent::Ack, TcpEvent::Rst] {
                assert_eq!(next(true, Direction::Output, Some(event), state), CLOSE);
            }
            assert_eq!(name(state), "ERR!");
            assert!(!active(state));
        }
    }

    // T-3, T-6
    #[test]
    fn states_as_listed() {
        let listed = [
            (NONE, "NONE", 2, false),
            (ESTABLISHED, "ESTABLISHED", 900, true),
            (SYN_SENT, "SYN_SENT", 120, true),
            (SYN_RECV, "SYN_RECV", 60, true),
            (FIN_WAIT, "FIN_WAIT", 120, false),
            (TIME_WAIT, "TIME_WAIT", 120, false),
            (CLOSE, "CLOSE", 10, false),
            (CLOSE_WAIT, "CLOSE_WAIT", 60, false),
            (LAST_ACK, "LAST_ACK", 30, false),
            (LISTEN, "LISTEN", 120, false),
            (SYNACK, "SYNACK", 120, true),
        ];
        for (number, (state, named, timeout, counts)) in (0..).zip(listed) {
            assert_eq!(state, number);
            assert_eq!(name(state), named);
            assert_eq!(DEFAULT_TIMEOUTS[usize::from(state)], timeout);
            assert_eq!(active(state), counts);
        }
    }

    fn walk(steps: &[(Direction, u8, u8)]) {
        let mut state = NONE;
        for (direction, flags, expected) in steps {
            state = next(false, *direction, TcpFlags::new(*flags).event(), state);
            assert_eq!(name(state), name(*expected));
        }
    }

    const SYN: u8 = 0x02;
    const ACK: u8 = 0x10;
    const FIN: u8 = 0x11;
    const RST: u8 = 0x14;

    //
    #[cfg(test)]
    #[test]
    fn nat_connections() {
        use Direction::{Input, Output};
        let open = [
            (Input, SYN, SYN_RECV),
            (Output, SYN | ACK, SYN_RECV),
            (Input, ACK, ESTABLISHED),
        ];
        walk(&open);
        let client_closes = [
            (Input, FIN, CLOSE_WAIT),
            (Output, FIN, TIME_WAIT),
            (Input, ACK, TIME_WAIT),
        ];
        walk(&[&open[..], &client_closes[..]].concat());
        let server_closes = [(Output, FIN, FIN_WAIT), (Input, FIN, TIME_WAIT)];
        walk(&[&open[..], &server_closes[..]].concat());
    }

    //
    #[test]
    fn direct_routing_connections() {
        use Direction::InputOnly;
        walk(&[
            (InputOnly, SYN, SYN_RECV),
            (InputOnly, ACK, ESTABLISHED),
            (InputOnly, FIN, FIN_WAIT),
            (InputOnly, ACK, FIN_WAIT),
            (InputOnly, RST, CLOSE),
        ]);
        assert_eq!(
            next(false, InputOnly, Some(TcpEvent::Syn), FIN_WAIT),
            SYN_RECV
        );
    }
}
