// SPDX-License-Identifier: GPL-2.0

//! Matches for rules of iptables and ip6tables.
//!
//! C header: [`include/linux/netfilter/x_tables.h`](srctree/include/linux/netfilter/x_tables.h)
//!
//! A rule carries `SIZE` bytes of data from user space, whose layout is agreed on by the match and
//! its plugin of the `iptables` program. A module cannot be unloaded while a rule uses a match of
//! it.
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::{
//! #     inet::Protocol,
//! #     net::Net,
//! #     rcu::Rcu,
//! #     skbuff::Packet,
//! #     xtables::{Match, Registration},
//! # };
//! # use kernel::ModuleMetadata;
//! # const THIS_MODULE: ThisModule = <crate::LocalModule as ModuleMetadata>::THIS_MODULE;
//! struct Even;
//! impl Match for Even {
//!     const NAME: &'static CStr = c"even";
//!     const SIZE: usize = 0;
//!
//!     fn matches(_: Rcu<'_>, _: &Net, _: Protocol, packet: &Packet, _: &[u8]) -> bool {
//!         packet.len() % 2 == 0
//!     }
//! }
//!
//! let registration = Registration::new::<Even>(&THIS_MODULE)?;
//! # Ok::<(), Error>(())
//! ```

use super::{
    inet::Protocol,
    net::Net,
    rcu::Rcu,
    skbuff::Packet, //
};
use crate::bindings;
use core::mem::ManuallyDrop;
use kernel::{
    error::{
        from_result,
        to_result, //
    },
    prelude::*,
    types::Opaque,
};

/// A match.
pub(crate) trait Match: 'static {
    /// Name of the match in rules, at most 28 bytes.
    const NAME: &'static CStr;
    /// Size in bytes of the data of a rule.
    const SIZE: usize;

    /// Returns `true` if `packet` matches the rule whose data is `rule`.
    ///
    /// # Context
    ///
    /// Softirq or process context, in the read-side critical section of `rcu`; must not sleep.
    ///
    /// The packet is borrowed from the caller of the rules, so it cannot be changed.
    fn matches(rcu: Rcu<'_>, net: &Net, protocol: Protocol, packet: &Packet, rule: &[u8]) -> bool;
}

/// A registered match. Dropping it unregisters the match.
///
/// # Invariants
///
/// The structure is registered with x_tables and is pinned until it is unregistered.
pub(crate) struct Registration(Pin<KBox<Opaque<bindings::xt_match>>>);

// SAFETY: Matches may be unregistered from any thread.
unsafe impl Send for Registration {}
// SAFETY: There are no methods on a shared reference.
unsafe impl Sync for Registration {}

impl Registration {
    /// Registers `T`, which belongs to `module`, for rules of IPv4 and IPv6. Process context;
    /// sleeps.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the name is too long, `ENOMEM`.
    pub(crate) fn new<T: Match>(module: &ThisModule) -> Result<Self> {
        let mut info = bindings::xt_match {
            match_: Some(matches::<T>),
            checkentry: Some(check),
            me: module.as_ptr(),
            // Rules are aligned to 8 bytes, so that 32-bit programs use the same layout.
            matchsize: u32::try_from(T::SIZE.next_multiple_of(8))?,
            family: bindings::NFPROTO_UNSPEC as u16,
            ..pin_init::zeroed()
        };
        let name = T::NAME.to_bytes_with_nul();
        let field = info.name.get_mut(..name.len()).ok_or(EINVAL)?;
        for (to, from) in field.iter_mut().zip(name) {
            *to = *from;
        }
        let info = KBox::pin(Opaque::new(info), GFP_KERNEL)?;
        // SAFETY: The structure is complete and pinned, and is unregistered before it is freed.
        to_result(unsafe { bindings::xt_register_match(info.get()) })?;
        // INVARIANT: Registered just now.
        Ok(Self(info))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the structure is registered, and only this call unregisters
        // it.
        unsafe { bindings::xt_unregister_match(self.0.get()) };
    }
}

/// Returns the protocol with the number `number`; `None` for families other than IP.
fn protocol(number: u8) -> Option<Protocol> {
    [Protocol::Ipv4, Protocol::Ipv6]
        .into_iter()
        .find(|protocol| protocol.number() == number)
}

/// The C callback that checks a new rule: refuses families other than IP with `EINVAL`.
///
/// # Safety
///
/// Must be called by x_tables, as `xt_match::checkentry`.
unsafe extern "C" fn check(parameters: *const bindings::xt_mtchk_param) -> c_int {
    from_result(|| {
        // SAFETY: x_tables passes parameters that are valid for the call.
        let family = unsafe { (*parameters).family };
        protocol(family).map(|_| 0).ok_or(EINVAL)
    })
}

/// The C callback that evaluates a rule.
///
/// # Safety
///
/// Must be called by x_tables, as `xt_match::match` of `T`.
unsafe extern "C" fn matches<T: Match>(
    skb: *const bindings::sk_buff,
    parameters: *mut bindings::xt_action_param,
) -> bool {
    // SAFETY: x_tables passes parameters that are valid for the call, with the state of the hook
    // that evaluates the rules, whose namespace is live. The data of a rule has `matchsize` bytes,
    // which is at least `T::SIZE`.
    let (net, family, rule) = unsafe {
        let state = (*parameters).state;
        let rule: *const u8 = (*parameters).__bindgen_anon_2.matchinfo.cast();
        (
            Net::from_raw((*state).net),
            (*state).pf,
            core::slice::from_raw_parts(rule, T::SIZE),
        )
    };
    let Some(protocol) = protocol(family) else {
        return false;
    };
    // SAFETY: Hooks are called under `rcu_read_lock()`, and neither `rcu` nor what is derived from
    // it outlives the call.
    let rcu = unsafe { Rcu::assume() };
    // SAFETY: A packet in a hook is valid and has a network header. It is not owned: `ManuallyDrop`
    // keeps it from being freed, and only a shared reference is passed on, by which it cannot be
    // changed.
    let packet = ManuallyDrop::new(unsafe { Packet::from_raw(skb.cast_mut()) });
    T::matches(rcu, net, protocol, &packet, rule)
}
