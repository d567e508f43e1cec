// SPDX-License-Identifier: GPL-2.0

//! Matches: questions about packets that rules of iptables and ip6tables may ask.
//!
//! C header: [`include/linux/netfilter/x_tables.h`](srctree/include/linux/netfilter/x_tables.h)
//!
//! A rule comes from user space as some bytes, whose meaning is between the match and its part in
//! `iptables`. A module with a match cannot go while a rule uses it.
//!
//! # Examples
//!
//! ```ignore
//! struct Even;
//! impl Match for Even {
//!     const NAME: &'static CStr = c"even";
//!     const SIZE: usize = 0;
//!
//!     fn matches(_: Rcu<'_>, _: &Net, _: Protocol, packet: &Packet, _: &[u8]) -> bool {
//!         packet.len() % 2 == 0
//!     }
//! }
//! let registration = Registration::new::<Even>(&THIS_MODULE)?;
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

/// A question that rules ask.
pub(crate) trait Match: 'static {
    /// Name of the match in rules.
    const NAME: &'static CStr;
    /// Bytes of a rule.
    const SIZE: usize;

    /// Answers a rule about a packet. Any context; must not sleep.
    ///
    /// The packet belongs to somebody else, and is behind its network header.
    fn matches(rcu: Rcu<'_>, net: &Net, protocol: Protocol, packet: &Packet, rule: &[u8]) -> bool;
}

/// A match that rules may use; dropping it ends that.
///
/// # Invariants
///
/// The structure is registered, and stays where it is until it is not.
pub(crate) struct Registration(Pin<KBox<Opaque<bindings::xt_match>>>);

// SAFETY: Matches may be unregistered from any thread.
unsafe impl Send for Registration {}
// SAFETY: As above; there are no methods on a shared reference.
unsafe impl Sync for Registration {}

impl Registration {
    /// Offers `T`, which belongs to `module`, for rules about IPv4 and IPv6.
    ///
    /// # Errors
    ///
    /// `EINVAL` where the name is too long, `ENOMEM`.
    pub(crate) fn new<T: Match>(module: &ThisModule) -> Result<Self> {
        let mut info = bindings::xt_match {
            match_: Some(matches::<T>),
            checkentry: Some(check),
            me: module.as_ptr(),
            // Rules are laid out for the largest word.
            matchsize: u32::try_from(T::SIZE.next_multiple_of(8))?,
            family: bindings::NFPROTO_UNSPEC as u16,
            ..pin_init::zeroed()
        };
        let name = T::NAME.to_bytes_with_nul();
        let room = info.name.get_mut(..name.len()).ok_or(EINVAL)?;
        for (to, from) in room.iter_mut().zip(name) {
            *to = *from;
        }
        let info = KBox::pin(Opaque::new(info), GFP_KERNEL)?;
        // SAFETY: The structure is complete, and pinned.
        to_result(unsafe { bindings::xt_register_match(info.get()) })?;
        // INVARIANT: Registered just now.
        Ok(Self(info))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: Registered by the type invariant, and unregistered nowhere else.
        unsafe { bindings::xt_unregister_match(self.0.get()) };
    }
}

/// The family of a number; `None` for those that are not of IP.
fn protocol(number: u8) -> Option<Protocol> {
    [Protocol::Ipv4, Protocol::Ipv6]
        .into_iter()
        .find(|protocol| protocol.number() == number)
}

/// The C callback that looks at a new rule.
///
/// # Safety
///
/// Only for x_tables, as `xt_match::checkentry`.
unsafe extern "C" fn check(parameters: *const bindings::xt_mtchk_param) -> c_int {
    from_result(|| {
        // SAFETY: x_tables passes valid parameters.
        let family = unsafe { (*parameters).family };
        protocol(family).map(|_| 0).ok_or(EINVAL)
    })
}

/// The C callback that answers a rule.
///
/// # Safety
///
/// Only for x_tables, as `xt_match::match` of `T`.
unsafe extern "C" fn matches<T: Match>(
    skb: *const bindings::sk_buff,
    parameters: *mut bindings::xt_action_param,
) -> bool {
    // SAFETY: x_tables passes valid parameters, of a hook that is being called: its state is valid,
    // and names a namespace that lives as long as the call.
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
    // SAFETY: Hooks are called under `rcu_read_lock()`, and nothing below outlives the call.
    let rcu = unsafe { Rcu::assume() };
    // SAFETY: A packet in a hook has a network header. It is not ours: it is neither dropped here,
    // nor can a shared reference change it.
    let packet = ManuallyDrop::new(unsafe { Packet::from_raw(skb.cast_mut()) });
    T::matches(rcu, net, protocol, &packet, rule)
}
