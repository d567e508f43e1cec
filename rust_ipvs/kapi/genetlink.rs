// SPDX-License-Identifier: GPL-2.0

//! Generic netlink families.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)
//!
//! A [`GenlFamily`] is a static: a name, a version, a [`Policy`] for each attribute and a table of
//! [`Command`]s. A command names a type whose [`Doit`] answers a single request, a type whose
//! [`Dumpit`] answers a dump, or both. [`GenlFamily::register`] makes the family known to user
//! space until the [`Registration`] is dropped.
//!
//! Handlers get safe types: [`Request`] and [`Dump`] for what was received, [`GenlMessage`] for
//! answers. Attributes are the bytes of their payload, checked against the policy; nested ones are
//! parsed by the handler. A handler fails with an error number and, for the user, a line of text
//! (extended acknowledgment).
//!
//! `kernel::net::netlink` has families that send to multicast groups. It has no handlers of
//! commands, no policies and no answers.
//!
//! # Context
//!
//! Handlers run in process context and may sleep. The family is parallel: handlers run at once on
//! several CPUs, without the lock that other families share, so what they change needs a lock of
//! its own.
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::{
//! #     genetlink::{Command, Doit, Dump, Dumpit, GenlFamily, Policy, Request},
//! #     once::Word,
//! # };
//! # use kernel::ModuleMetadata;
//! # const THIS_MODULE: ThisModule = <crate::LocalModule as ModuleMetadata>::THIS_MODULE;
//! static LIMIT: Word<u32> = Word::new(7);
//! /// Attribute 1: the limit.
//! static POLICY: [Policy; 2] = [Policy::ANY, Policy::U32];
//! static COMMANDS: [Command; 2] = [
//!     Command::new(1).doit::<SetLimit>().admin_perm(),
//!     Command::new(2).dumpit::<Squares>(),
//! ];
//! static FAMILY: GenlFamily =
//!     GenlFamily::new(&THIS_MODULE, c"EXAMPLE", 1, &POLICY, &COMMANDS, &[]);
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
//! # Ok::<(), Error>(())
//! ```

mod buffer;
mod dump;
mod group;
mod message;
mod policy;
mod received;
mod request;

pub(crate) use self::{
    dump::{Dump, Dumpit},
    group::Group,
    message::GenlMessage,
    policy::Policy,
    request::{Doit, Request}, //
};

use crate::{bindings, kapi::once::Word};
use kernel::{error::to_result, prelude::*, types::Opaque};

/// A command of a family: its number, its handlers, and who may send it.
///
/// Built by a chain of calls in a constant.
#[repr(transparent)]
pub(crate) struct Command(bindings::genl_ops);

// SAFETY: A command is not written after it was built. Its pointers are to functions.
unsafe impl Sync for Command {}

impl Command {
    /// Creates a command without a handler. At least one of [`doit`](Self::doit) and
    /// [`dumpit`](Self::dumpit) must follow, or the registration of the family fails.
    pub(crate) const fn new(number: u8) -> Self {
        Self(bindings::genl_ops {
            cmd: number,
            ..pin_init::zeroed()
        })
    }

    /// Makes `T` process requests without `NLM_F_DUMP`.
    pub(crate) const fn doit<T: Doit>(mut self) -> Self {
        self.0.doit = Some(request::doit::<T>);
        self
    }

    /// Makes `T` process requests with `NLM_F_DUMP`.
    pub(crate) const fn dumpit<T: Dumpit>(mut self) -> Self {
        self.0.dumpit = Some(dump::dumpit::<T>);
        self
    }

    /// Requires `CAP_NET_ADMIN` in the initial user namespace. Others get `EPERM` from the core.
    pub(crate) const fn admin_perm(mut self) -> Self {
        self.0.flags |= bindings::GENL_ADMIN_PERM as u8;
        self
    }

    /// Makes the core validate as leniently as before Linux 5.2, for interfaces that are older:
    /// unknown, too long and trailing attributes are accepted, nested ones need no `NLA_F_NESTED`,
    /// reserved header fields are ignored. The attributes of a dump are validated only when its
    /// handler asks for one.
    ///
    /// Commands with a higher number than any liberal one are validated strictly in all respects.
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
/// `policy` points to `maxattr + 1` policies, `ops` to `n_ops` commands and `mcgrps` to `n_mcgrps`
/// groups, all static and never written. All other fields are written by the generic netlink core
/// only, while the family is registered.
pub(crate) struct GenlFamily {
    family: Opaque<bindings::genl_family>,
    /// Number of multicast groups.
    groups: u8,
    /// 1 while the family is registered.
    is_registered: Word<u32>,
}

// SAFETY: After construction only the generic netlink core accesses the structure, under its own
// locks.
unsafe impl Sync for GenlFamily {}

impl GenlFamily {
    /// Creates the description of a family that belongs to `module`.
    ///
    /// `policy` is indexed by attribute number. Its first entry is unused, and its length is one
    /// more than the highest attribute.
    ///
    /// To be evaluated for a `static`: a name of more than 15 bytes, an empty policy, more than 255
    /// commands or groups then fail the build.
    // Evaluated at build time, so a panic fails the build.
    #[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
    pub(crate) const fn new(
        module: &ThisModule,
        name: &CStr,
        version: u32,
        policy: &'static [Policy],
        commands: &'static [Command],
        groups: &'static [Group],
    ) -> Self {
        assert!(!policy.is_empty() && policy.len() <= 1 << 14);
        assert!(commands.len() <= u8::MAX as usize && groups.len() <= u8::MAX as usize);
        let mut family = bindings::genl_family {
            version,
            maxattr: policy.len() as u32 - 1,
            _bitfield_1: kernel::bindings::__BindgenBitfieldUnit::new([NETNSOK_AND_PARALLEL_OPS]),
            policy: policy.as_ptr().cast(),
            ops: commands.as_ptr().cast(),
            n_ops: commands.len() as u8,
            resv_start_op: first_strict(commands),
            module: module.as_ptr(),
            mcgrps: groups.as_ptr().cast(),
            n_mcgrps: groups.len() as u8,
            ..pin_init::zeroed()
        };
        let name = name.to_bytes_with_nul();
        assert!(name.len() <= family.name.len());
        let mut i = 0;
        while i < name.len() {
            family.name[i] = name[i];
            i += 1;
        }
        // INVARIANT: The lengths are those of the slices, which are static and shared, hence never
        // written.
        Self {
            family: Opaque::new(family),
            groups: groups.len() as u8,
            is_registered: Word::new(0),
        }
    }

    /// Returns the structure of C.
    fn as_ptr(&self) -> *mut bindings::genl_family {
        self.family.get()
    }

    /// Returns the number of multicast groups.
    fn groups(&self) -> u8 {
        self.groups
    }

    /// Returns whether the family is registered. If it is unregistered meanwhile, the caller may
    /// learn of it too late.
    fn is_registered(&self) -> bool {
        self.is_registered.load() != 0
    }

    /// Registers the family, for all network namespaces. Process context; sleeps.
    ///
    /// # Errors
    ///
    /// `EEXIST` if a family of that name is registered, `EINVAL` if a command is listed twice or
    /// has no handler.
    pub(crate) fn register(&'static self) -> Result<Registration> {
        // SAFETY: By the type invariants the family is static and complete. A second registration
        // is refused because of the name, before anything in the structure is written.
        to_result(unsafe { bindings::genl_register_family(self.as_ptr()) })?;
        self.is_registered.store(1);
        // INVARIANT: The family was registered just now, and a second registration fails.
        Ok(Registration { family: self })
    }
}

/// The bits `netnsok` and `parallel_ops`, which are the first two of the structure's bit-fields.
/// The setters that bindgen generates are not `const`. C compilers allocate bit-fields from the
/// least significant bit on little-endian machines, and from the most significant one on others.
const NETNSOK_AND_PARALLEL_OPS: u8 = if cfg!(target_endian = "little") {
    0b0000_0011
} else {
    0b1100_0000
};

/// Returns the number after that of the last liberal command (C: `resv_start_op`).
// Evaluated at build time, so a panic fails the build.
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

/// A registered family. Dropping it unregisters the family.
///
/// `drop` waits for requests that are being processed. A dump that was started and not finished
/// holds a reference to the module, so there is none when the registration is dropped because the
/// module is unloaded.
///
/// # Invariants
///
/// `family` is registered, and this is the only `Registration` of it.
pub(crate) struct Registration {
    family: &'static GenlFamily,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.family.is_registered.store(0);
        // SAFETY: By the type invariant the family is registered, and only this call unregisters
        // it.
        unsafe { bindings::genl_unregister_family(self.family.as_ptr()) };
    }
}
