// SPDX-License-Identifier: GPL-2.0

//! The nest of a drain, as an administrator sends it.

use super::{
    super::{
        config::ConfigError,
        drain::{
            self,
            DrainPhase,
            DrainSpec, //
        },
    },
    fields::{
        each,
        invalid,
        set,
        u32, //
    },
    uapi::{
        drain_attr,
        drain_flags,
        drain_state, //
    },
};

/// Flags that are known.
const FLAGS: u32 = drain::NO_TEMPLATES | drain::RESET;

const _: () = assert!(drain::NO_TEMPLATES == drain_flags::NO_TEMPLATES);
const _: () = assert!(drain::RESET == drain_flags::RESET);

/// Returns the number by which a phase is shown (`RIPVS_DRAIN_STATE_*`); 0 for no drain.
pub(crate) fn state(phase: DrainPhase) -> u32 {
    match phase {
        DrainPhase::None => 0,
        DrainPhase::Open | DrainPhase::Closed => drain_state::WAITING,
        DrainPhase::Ending => drain_state::ENDING,
        DrainPhase::Done => drain_state::DONE,
        DrainPhase::DoneByDeadline => drain_state::DONE_BY_DEADLINE,
    }
}

/// Parses the options of a drain.
///
/// # Errors
///
/// `EINVAL` if an attribute is unknown, of a wrong length or given twice, for an unknown flag, and
/// for `RESET` without a deadline.
pub(super) fn read(nest: &[u8]) -> Result<DrainSpec, ConfigError> {
    let (mut flags, mut deadline) = (None, None);
    each(nest, |number, payload| match number {
        drain_attr::FLAGS => set(
            &mut flags,
            u32(payload),
            c"the drain's flags do not have 4 bytes",
        ),
        drain_attr::DEADLINE => set(
            &mut deadline,
            u32(payload),
            c"the drain's deadline does not have 4 bytes",
        ),
        drain_attr::LEFT | drain_attr::STATE | drain_attr::ENDED | drain_attr::RESET => {
            Err(invalid(c"the state of a drain cannot be set"))
        }
        _ => Err(invalid(c"a drain has no such attribute")),
    })?;
    let spec = DrainSpec {
        flags: flags.unwrap_or(0),
        deadline: deadline.unwrap_or(0),
    };
    if spec.flags & !FLAGS != 0 {
        return Err(invalid(c"there is no such flag of a drain"));
    }
    if spec.flags & drain::RESET != 0 && spec.deadline == 0 {
        return Err(invalid(
            c"only a deadline ends connections: without one there are none to reset",
        ));
    }
    Ok(spec)
}
