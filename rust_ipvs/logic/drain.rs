// SPDX-License-Identifier: GPL-2.0

//! Drains of destinations: their options, their phases, and the word that packets read.
//!
//! A drained destination takes no new connections. At first clients whose template is there are an
//! exception, unless the drain is told otherwise. Once no connection is active, that ends too, and
//! the drain is done if then still none is.

/// Flag of [`DrainSpec`]: clients whose template is at the destination are scheduled anew.
pub(crate) const NO_TEMPLATES: u32 = 1;
/// Flag of [`DrainSpec`]: at the deadline both ends of TCP connections are told by RST.
pub(crate) const RESET: u32 = 2;

/// Options of a drain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DrainSpec {
    /// [`NO_TEMPLATES`] and [`RESET`].
    pub(crate) flags: u32,
    /// Seconds after which the rest of the connections is ended; 0 for never.
    pub(crate) deadline: u32,
}

/// A drain as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DrainView {
    /// Its options.
    pub(crate) spec: DrainSpec,
    /// Its phase, which is not `None`.
    pub(crate) phase: DrainPhase,
    /// Seconds until the deadline, rounded up; `None` if there is none, or if the drain is done.
    pub(crate) left: Option<u32>,
    /// Number of connections that the deadline has ended.
    pub(crate) ended: u32,
    /// Number of those whose ends are told by RST.
    pub(crate) reset: u32,
}

/// Phase of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DrainPhase {
    /// The destination is not drained.
    None,
    /// It takes connections by templates, unless told otherwise.
    Open,
    /// No connection was active: it takes none by templates either.
    Closed,
    /// The deadline has passed, and connections are being ended.
    Ending,
    /// Done, as no connection was active.
    Done,
    /// Done, as the deadline has ended the connections.
    DoneByDeadline,
}

impl DrainPhase {
    /// Returns the next phase, if the destination is `idle`, and if the deadline has passed.
    ///
    /// Between two calls the caller waits for the packets that have seen the phase before the first
    /// one. So after `Closed` no further connection comes, and `Done` is for good.
    pub(crate) fn next(self, is_idle: bool, is_late: bool) -> Self {
        match self {
            Self::Open | Self::Closed if is_late => Self::Ending,
            Self::Open if is_idle => Self::Closed,
            Self::Closed if is_idle => Self::Done,
            other => other,
        }
    }

    /// Returns whether the drain goes on.
    pub(crate) fn is_busy(self) -> bool {
        matches!(self, Self::Open | Self::Closed | Self::Ending)
    }
}

/// Phase and flags of a drain in one word, which packets read. All zeroes is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DrainWord(pub(crate) u32);

/// Bits of the phase; the flags follow.
const PHASE_BITS: u32 = 8;

impl DrainWord {
    /// The destination is not drained.
    pub(crate) const NONE: Self = Self(0);

    /// Creates the word of a drain with flags of [`DrainSpec`].
    pub(crate) fn new(phase: DrainPhase, flags: u32) -> Self {
        Self(phase as u32 | (flags << PHASE_BITS))
    }

    /// Returns the flags.
    pub(crate) fn flags(self) -> u32 {
        self.0 >> PHASE_BITS
    }

    /// Returns the phase.
    pub(crate) fn phase(self) -> DrainPhase {
        const LIST: [DrainPhase; 6] = [
            DrainPhase::None,
            DrainPhase::Open,
            DrainPhase::Closed,
            DrainPhase::Ending,
            DrainPhase::Done,
            DrainPhase::DoneByDeadline,
        ];
        let number = (self.0 & ((1 << PHASE_BITS) - 1)) as usize;
        LIST.get(number).copied().unwrap_or(DrainPhase::None)
    }

    /// Returns the word with another phase.
    pub(crate) fn at(self, phase: DrainPhase) -> Self {
        Self::new(phase, self.flags())
    }

    /// Returns whether the destination is drained.
    pub(crate) fn is_drained(self) -> bool {
        self != Self::NONE
    }

    /// Returns whether clients whose template is at the destination come to it.
    pub(crate) fn keeps_templates(self) -> bool {
        match self.phase() {
            DrainPhase::None => true,
            DrainPhase::Open => self.flags() & NO_TEMPLATES == 0,
            _ => false,
        }
    }

    /// Returns whether the connections are being ended.
    pub(crate) fn is_ending(self) -> bool {
        self.phase() == DrainPhase::Ending
    }

    /// Returns whether ends of TCP connections are told by RST.
    pub(crate) fn resets(self) -> bool {
        self.flags() & RESET != 0
    }
}

/// Returns whether a destination with so many active connections, and connections in all, is idle.
///
/// UDP's connections are never active (T-6). So a destination of a UDP service has to be without
/// any.
pub(crate) fn is_idle(is_udp: bool, active: i32, total: i32) -> bool {
    match is_udp {
        true => total <= 0,
        false => active <= 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASES: [DrainPhase; 6] = [
        DrainPhase::None,
        DrainPhase::Open,
        DrainPhase::Closed,
        DrainPhase::Ending,
        DrainPhase::Done,
        DrainPhase::DoneByDeadline,
    ];

    #[test]
    fn a_word_has_its_phase_and_its_flags() {
        for phase in PHASES {
            for flags in 0..4 {
                let word = DrainWord::new(phase, flags);
                assert_eq!((word.phase(), word.flags()), (phase, flags));
                for other in PHASES {
                    assert_eq!(word.at(other), DrainWord::new(other, flags));
                }
            }
        }
        assert_eq!(DrainWord::NONE.phase(), DrainPhase::None);
    }

    #[test]
    fn a_drain_closes_before_it_is_done() {
        let open = DrainPhase::Open;
        assert_eq!(open.next(false, false), DrainPhase::Open);
        assert_eq!(open.next(true, false), DrainPhase::Closed);
        assert_eq!(DrainPhase::Closed.next(false, false), DrainPhase::Closed);
        assert_eq!(DrainPhase::Closed.next(true, false), DrainPhase::Done);
        for is_idle in [false, true] {
            assert_eq!(open.next(is_idle, true), DrainPhase::Ending);
            assert_eq!(DrainPhase::Closed.next(is_idle, true), DrainPhase::Ending);
        }
        for phase in PHASES.into_iter().filter(|phase| !phase.is_busy()) {
            assert_eq!(phase.next(true, true), phase);
        }
    }

    #[test]
    fn templates_are_kept_until_the_drain_closes() {
        let keeps = |phase, flags| DrainWord::new(phase, flags).keeps_templates();
        assert!(DrainWord::NONE.keeps_templates());
        assert!(keeps(DrainPhase::Open, RESET));
        assert!(!keeps(DrainPhase::Open, NO_TEMPLATES));
        for phase in PHASES.into_iter().skip(2) {
            assert!(!keeps(phase, 0));
        }
    }

    #[test]
    fn udp_waits_for_all_connections() {
        assert!(is_idle(false, 0, 5) && !is_idle(false, 1, 5));
        assert!(is_idle(true, 0, 0) && !is_idle(true, 0, 1));
        // Concurrent changes of a count may make it negative for a moment.
        assert!(is_idle(false, -1, 5) && is_idle(true, 0, -1));
    }
}
