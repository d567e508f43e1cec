// SPDX-License-Identifier: GPL-2.0

//! Generic netlink families that answer requests and dumps.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)
//!
//! A [`GenlFamily`] is a static: a name, a version, a [`Policy`] for each attribute and a table of
//! [`Command`]s. A command names a type whose [`Doit`] answers a single request, a type whose
//! [`Dumpit`] answers a dump, or both. [`GenlFamily::register`] makes the family known to user
//! space until the [`Registration`] is dropped.
//!
//! Handlers see safe types only: [`Request`] and [`Dump`] for what was asked, [`Message`] for what
//! is answered. Attributes arrive as the bytes of their payload, checked against the policy; what
//! is nested in them is for the handler to walk. A handler refuses with an error number and, for
//! the person at the other end, a line of text (extended acknowledgement).
//!
//! Requests are answered in process context and may sleep. The family is parallel: handlers run
//! concurrently and without the lock that other families share, so what they change needs its own.
//!
//! # Examples
//!
//! ```ignore
//! /// Attribute 1: the limit.
//! static POLICY: [Policy; 2] = [Policy::ANY, Policy::U32];
//! static COMMANDS: [Command; 2] = [
//!     Command::new(1).doit::<SetLimit>().admin_perm(),
//!     Command::new(2).dumpit::<Squares>(),
//! ];
//! static FAMILY: Family = Family::new(&THIS_MODULE, c"EXAMPLE", 1, &POLICY, &COMMANDS);
//!
//! struct SetLimit;
//! impl Doit for SetLimit {
//!     fn doit(request: &Request<'_>) -> Result {
//!         let Some(limit) = request.attribute(1).and_then(|bytes| bytes.first_chunk()) else {
//!             return Err(request.refuse(EINVAL, c"the limit is missing"));
//!         };
//!         LIMIT.store(u32::from_ne_bytes(*limit));
//!         Ok(())
//!     }
//! }
//!
//! struct Squares;
//! impl Dumpit for Squares {
//!     fn dumpit(dump: &mut Dump<'_>) -> Result {
//!         for n in dump.position().0..LIMIT.load() as usize {
//!             dump.message(2, |message| message.put_u64(1, (n * n) as u64))?;
//!             dump.set_position((n + 1, 0));
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let registration = FAMILY.register()?;
//! ```

mod dump;
mod message;
mod policy;
mod received;
mod request;

pub(crate) use self::{
    dump::{Dump, Dumpit},
    message::Message,
    policy::Policy,
    request::{Doit, Request}, //
};

use crate::bindings;
use kernel::{error::to_result, prelude::*, types::Opaque};

/// One command of a family.
///
/// Built by chaining: the number first, then who answers it, then who may ask.
#[repr(transparent)]
pub(crate) struct Command(bindings::genl_ops);

// SAFETY: Nothing ever writes to a command once it is built; the pointers in it are to functions.
unsafe impl Sync for Command {}

impl Command {
    /// A command that nobody answers yet; at least one of [`doit`](Self::doit) and
    /// [`dumpit`](Self::dumpit) must follow, or registering the family fails.
    pub(crate) const fn new(number: u8) -> Self {
        Self(bindings::genl_ops {
            cmd: number,
            ..pin_init::zeroed()
        })
    }

    /// Requests without `NLM_F_DUMP` are answered by `T`.
    pub(crate) const fn doit<T: Doit>(mut self) -> Self {
        self.0.doit = Some(request::doit::<T>);
        self
    }

    /// Requests with `NLM_F_DUMP` are answered by `T`.
    pub(crate) const fn dumpit<T: Dumpit>(mut self) -> Self {
        self.0.dumpit = Some(dump::dumpit::<T>);
        self
    }

    /// Only for those with `CAP_NET_ADMIN` in the initial user namespace; others get `EPERM`.
    pub(crate) const fn admin_perm(mut self) -> Self {
        self.0.flags |= bindings::GENL_ADMIN_PERM as u8;
        self
    }

    /// Validates as commands did before Linux 5.2, for interfaces older than that: attributes that
    /// are unknown, too long or followed by trailing bytes are let pass, nested ones need not carry
    /// `NLA_F_NESTED`, reserved header fields are not looked at. The attributes of a dump are
    /// checked only when its handler asks for one.
    ///
    /// Commands with a higher number than any such one are validated strictly throughout.
    pub(crate) const fn liberal(mut self) -> Self {
        self.0.validate |= (bindings::genl_validate_flags_GENL_DONT_VALIDATE_STRICT
            | bindings::genl_validate_flags_GENL_DONT_VALIDATE_DUMP)
            as u8;
        self
    }
}

/// A generic netlink family.
///
/// # Invariants
///
/// `policy` points to `maxattr + 1` policies and `ops` to `n_ops` commands, both of static lifetime
/// and never written to. Whatever else is in the structure is only changed by C code while the
/// family is registered.
#[repr(transparent)]
pub(crate) struct GenlFamily(Opaque<bindings::genl_family>);

// SAFETY: All access after construction is by the generic netlink core, under its own locks.
unsafe impl Sync for GenlFamily {}

impl GenlFamily {
    /// Describes a family that belongs to `module`.
    ///
    /// `policy` is indexed by attribute number, so its first entry is unused and its length is one
    /// more than the highest attribute known.
    ///
    /// For use in a static: a name of more than 15 bytes, no policy at all, or more than 255
    /// commands fail the build there.
    // What panics here fails the build.
    #[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
    pub(crate) const fn new(
        module: &ThisModule,
        name: &CStr,
        version: u32,
        policy: &'static [Policy],
        commands: &'static [Command],
    ) -> Self {
        assert!(!policy.is_empty() && policy.len() <= 1 << 14);
        assert!(commands.len() <= u8::MAX as usize);
        let mut family = bindings::genl_family {
            version,
            maxattr: policy.len() as u32 - 1,
            _bitfield_1: kernel::bindings::__BindgenBitfieldUnit::new([NETNSOK_AND_PARALLEL_OPS]),
            policy: policy.as_ptr().cast(),
            ops: commands.as_ptr().cast(),
            n_ops: commands.len() as u8,
            resv_start_op: first_strict(commands),
            module: module.as_ptr(),
            ..pin_init::zeroed()
        };
        let name = name.to_bytes_with_nul();
        assert!(name.len() <= family.name.len());
        let mut i = 0;
        while i < name.len() {
            family.name[i] = name[i];
            i += 1;
        }
        // INVARIANT: The slices are static and shared, hence never written to.
        Self(Opaque::new(family))
    }

    /// Makes the family known to user space, in all network namespaces.
    ///
    /// # Errors
    ///
    /// `EEXIST` where a family of that name is registered, `EINVAL` where a command is listed twice
    /// or answered by nobody.
    pub(crate) fn register(&'static self) -> Result<Registration> {
        // SAFETY: The family is static and complete by its invariants. Registering it a second time
        // is refused by its name before anything in it is touched.
        to_result(unsafe { bindings::genl_register_family(self.0.get()) })?;
        // INVARIANT: Registered just now.
        Ok(Registration { family: self })
    }
}

/// The first two of the bits that begin the structure's bit-fields. The setters that bindgen makes
/// are not `const`; C compilers fill a byte from its least significant bit where bytes begin there.
const NETNSOK_AND_PARALLEL_OPS: u8 = if cfg!(target_endian = "little") {
    0b0000_0011
} else {
    0b1100_0000
};

/// The number after that of the last liberal command, `resv_start_op` of the C structure.
// What panics here fails the build.
#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
const fn first_strict(commands: &[Command]) -> u8 {
    let mut first = 0;
    let mut i = 0;
    while i < commands.len() {
        let command = &commands[i].0;
        if command.validate != 0 && command.cmd >= first {
            first = command.cmd + 1;
        }
        i += 1;
    }
    first
}

/// A registered family; dropping it makes the family unknown again.
///
/// Requests under way have ended when `drop` returns. A dump that a reader began and has not
/// finished keeps a reference to the module instead, so a registration that is dropped because the
/// module is unloaded finds none.
///
/// # Invariants
///
/// `family` is registered, and this is its only registration.
pub(crate) struct Registration {
    family: &'static GenlFamily,
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: Registered by the type invariant, and by nobody unregistered before.
        unsafe { bindings::genl_unregister_family(self.family.0.get()) };
    }
}
