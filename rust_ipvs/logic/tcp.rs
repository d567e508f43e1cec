// SPDX-License-Identifier: GPL-2.0

//! TCP's flags and the states that a balancer sees a connection in (behaviour.rst 7.1).
//!
//! A balancer follows a connection from outside, and may see one direction only. So the states are
//! not those of RFC 9293: they are what its flags give away, and choose how long to remember it.

use super::direction::Direction;

/// Event that a segment is to the state, the rows of [`NORMAL`] (T-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Opens.
    Syn = 0,
    /// Closes one way.
    Fin = 1,
    /// Goes on.
    Ack = 2,
    /// Ends.
    Rst = 3,
}

/// The flags of a segment that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TcpFlags(u8);

impl TcpFlags {
    const FIN: u8 = 0x01;
    const SYN: u8 = 0x02;
    const RST: u8 = 0x04;
    const ACK: u8 = 0x10;

    /// No flag, as of UDP.
    pub(crate) const NONE: Self = Self(0);
    /// A segment that neither begins nor ends anything. It leaves [`ESTABLISHED`] as it is,
    /// whatever its direction and whichever the tables.
    pub(crate) const PLAIN: Self = Self(Self::ACK);
    /// SYN and no other.
    pub(crate) const SYN_ONLY: Self = Self(Self::SYN);
    /// RST and no other.
    pub(crate) const RST_ONLY: Self = Self(Self::RST);

    /// Takes byte 13 of a TCP header.
    #[inline]
    pub(crate) const fn new(byte: u8) -> Self {
        Self(byte & (Self::FIN | Self::SYN | Self::RST | Self::ACK))
    }

    /// Returns whether SYN is set; ACK may be, too (H-12).
    #[inline]
    pub(crate) const fn is_syn(self) -> bool {
        self.0 & Self::SYN != 0
    }

    /// Returns whether ACK is set.
    #[inline]
    pub(crate) const fn is_ack(self) -> bool {
        self.0 & Self::ACK != 0
    }

    /// Returns whether RST is set.
    #[inline]
    pub(crate) const fn is_rst(self) -> bool {
        self.0 & Self::RST != 0
    }

    /// Returns what the segment means: RST before SYN before FIN before ACK, `None` without any
    /// (T-1).
    #[inline]
    pub(crate) const fn event(self) -> Option<Event> {
        if self.0 == Self::ACK {
            Some(Event::Ack)
        } else if self.is_rst() {
            Some(Event::Rst)
        } else if self.is_syn() {
            Some(Event::Syn)
        } else if self.0 & Self::FIN != 0 {
            Some(Event::Fin)
        } else if self.is_ack() {
            Some(Event::Ack)
        } else {
            None
        }
    }
}

/// New, nothing seen.
pub(crate) const NONE: u8 = 0;
/// Open both ways.
pub(crate) const ESTABLISHED: u8 = 1;
/// The server side opened.
pub(crate) const SYN_SENT: u8 = 2;
/// The client opened.
pub(crate) const SYN_RECV: u8 = 3;
/// The server, or with one direction seen the client, closed first.
pub(crate) const FIN_WAIT: u8 = 4;
/// Closed both ways.
pub(crate) const TIME_WAIT: u8 = 5;
/// Over.
pub(crate) const CLOSE: u8 = 6;
/// The client closed first.
pub(crate) const CLOSE_WAIT: u8 = 7;
/// The server closed too, one acknowledgement is missing.
pub(crate) const LAST_ACK: u8 = 8;
/// Expected, announced by another connection (FTP).
pub(crate) const LISTEN: u8 = 9;
/// The client opened, under the `secure_tcp` defense.
pub(crate) const SYNACK: u8 = 10;
/// Number of states.
pub(crate) const STATES: usize = 11;

/// The next state, by event and state.
type StateTable = [[u8; STATES]; 4];

/// The tables of a defense mode, by direction.
type StateTables = [StateTable; 3];

mod short {
    //! The states by the two letters of the tables.
    pub(super) use super::{
        CLOSE as CL, CLOSE_WAIT as CW, ESTABLISHED as ES, FIN_WAIT as FW, LAST_ACK as LA,
        LISTEN as LI, SYNACK as SA, SYN_RECV as SR, SYN_SENT as SS, TIME_WAIT as TW,
    };
}
use short::*;

/// The tables as they are without a defense (T-4). Columns: NO ES SS SR FW TW CL CW LA LI SA.
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

/// The tables under the `secure_tcp` defense (T-4, T-5): a SYN's sender has to show that it can
/// receive.
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

/// The state after a segment; a segment without any event closes (T-1), as does a state there is
/// none of.
///
/// `secure` chooses the tables of the `secure_tcp` defense (T-5).
#[inline]
pub(crate) fn next(secure: bool, direction: Direction, event: Option<Event>, state: u8) -> u8 {
    let Some(event) = event else {
        return CLOSE;
    };
    // Most segments are of this kind, and all tables agree about them.
    if event == Event::Ack && state == ESTABLISHED {
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

/// Returns whether a connection in a state counts as active (T-3, T-6).
#[inline]
pub(crate) const fn active(state: u8) -> bool {
    matches!(state, ESTABLISHED | SYN_SENT | SYN_RECV | SYNACK)
}

/// The name of a state, as /proc shows it (T-3).
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

/// Time for which a connection is kept after its last packet, in seconds, by state (T-3).
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

    /// The tables of T-4, columns NO ES SS SR FW TW CL CW LA LI SA.
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

    // T-4: what a packet's fast path relies on.
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
                "syn" => Event::Syn,
                "fin" => Event::Fin,
                "ack" => Event::Ack,
                "rst" => Event::Rst,
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
                Some(Event::Rst)
            } else if byte & 2 != 0 {
                Some(Event::Syn)
            } else if byte & 1 != 0 {
                Some(Event::Fin)
            } else if byte & 16 != 0 {
                Some(Event::Ack)
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
            for event in [Event::Syn, Event::Fin, Event::Ack, Event::Rst] {
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
        assert_eq!(next(false, InputOnly, Some(Event::Syn), FIN_WAIT), SYN_RECV);
    }
}
