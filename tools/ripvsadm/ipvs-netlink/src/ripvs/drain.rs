// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Drains of destinations on the wire (`RIPVS_DRAIN_*`).

use super::uapi::{dest_attr, drain_attr, drain_flags, drain_state};
use crate::attr::{self, attributes};
use crate::decode::DecodeError;
use crate::drain::{Drain, DrainOptions, DrainState};

/// Adds the nest of options to a destination. Those that the kernel would take anyway are left out.
pub(super) fn put(out: &mut Vec<u8>, options: &DrainOptions) {
    let mut flags = 0;
    if !options.keeps_templates {
        flags |= drain_flags::NO_TEMPLATES;
    }
    if options.resets {
        flags |= drain_flags::RESET;
    }
    attr::put_nest(out, dest_attr::DRAIN, |out| {
        for (number, value) in [
            (drain_attr::FLAGS, flags),
            (drain_attr::DEADLINE, options.deadline),
        ] {
            if value != 0 {
                attr::put(out, number, &u32::to_ne_bytes(value));
            }
        }
    });
}

/// Reads the nest of a destination that is drained.
pub(super) fn read(nest: &[u8]) -> Result<Drain, DecodeError> {
    const NAME: &str = "a drain (RIPVS_DRAIN_*)";
    let (mut flags, mut deadline, mut left, mut state) = (0, 0, None, 0);
    let (mut ended, mut reset) = (0, 0);
    for attribute in attributes(nest, NAME) {
        let (number, payload) = attribute?;
        match number {
            drain_attr::FLAGS => flags = attr::read_u32(payload, NAME)?,
            drain_attr::DEADLINE => deadline = attr::read_u32(payload, NAME)?,
            drain_attr::LEFT => left = Some(attr::read_u32(payload, NAME)?),
            drain_attr::STATE => state = attr::read_u32(payload, NAME)?,
            drain_attr::ENDED => ended = attr::read_u32(payload, NAME)?,
            drain_attr::RESET => reset = attr::read_u32(payload, NAME)?,
            _ => {}
        }
    }
    Ok(Drain {
        options: DrainOptions {
            keeps_templates: flags & drain_flags::NO_TEMPLATES == 0,
            resets: flags & drain_flags::RESET != 0,
            deadline,
        },
        state: match state {
            drain_state::ENDING => DrainState::Ending,
            drain_state::DONE => DrainState::Done,
            drain_state::DONE_BY_DEADLINE => DrainState::DoneByDeadline,
            _ => DrainState::Waiting,
        },
        left,
        ended,
        reset,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::tests::filled;

    fn nest_of(options: &DrainOptions) -> Vec<u8> {
        let bytes = filled(|out| put(out, options));
        let (number, nest) = attributes(&bytes, "test").next().unwrap().unwrap();
        assert_eq!(number, dest_attr::DRAIN);
        nest.to_vec()
    }

    #[test]
    fn options_come_back() {
        assert_eq!(nest_of(&DrainOptions::default()), []);
        for keeps_templates in [false, true] {
            for (resets, deadline) in [(false, 0), (false, 7), (true, 7)] {
                let options = DrainOptions {
                    keeps_templates,
                    resets,
                    deadline,
                };
                assert_eq!(read(&nest_of(&options)).unwrap().options, options);
            }
        }
    }

    #[test]
    fn states() {
        let of = |state: u32| {
            let nest = filled(|out| {
                attr::put(out, drain_attr::STATE, &state.to_ne_bytes());
                attr::put(out, drain_attr::LEFT, &9u32.to_ne_bytes());
                attr::put(out, drain_attr::ENDED, &3u32.to_ne_bytes());
            });
            let drain = read(&nest).unwrap();
            assert_eq!((drain.left, drain.ended, drain.reset), (Some(9), 3, 0));
            drain.state
        };
        assert_eq!(of(1), DrainState::Waiting);
        assert_eq!(of(2), DrainState::Ending);
        assert_eq!(of(3), DrainState::Done);
        assert_eq!(of(4), DrainState::DoneByDeadline);
        assert!(DrainState::Done.is_done() && !DrainState::Ending.is_done());
        assert!(read(&[8, 0, 4, 0]).is_err());
    }
}
