// SPDX-License-Identifier: GPL-2.0

//! Netfilter hooks.
//!
//! C header: [`include/linux/netfilter.h`](srctree/include/linux/netfilter.h)
//!
//! A hook owns the packet that it is given and says with its [`Verdict`] what became of it: whoever
//! keeps or sends the packet cannot also give it back, and one that is forgotten is freed.
//!
//! # Examples
//!
//! ```ignore
//! struct Count;
//! impl Hook for Count {
//!     type Owner = Counter;
//!     fn run<'g>(owner: &'g Counter, _: Rcu<'g>, _: &State<'g>, packet: Packet) -> Verdict {
//!         owner.count();
//!         Verdict::Accept(packet)
//!     }
//! }
//! let hooks = Hooks::register(net, owner, [Spec::new::<Count>(Protocol::Ipv4, Point::LocalIn, 0)])?;
//! ```

pub(crate) use super::inet::{
    Point,
    Protocol, //
};

use super::{
    net::{
        Lease,
        Net, //
    },
    rcu::{
        self,
        Rcu, //
    },
    skbuff::Packet,
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::{
    error::to_result,
    prelude::*,
    sync::{Arc, ArcBorrow},
};

/// Priority of source NAT, by which others place themselves.
pub(crate) const PRIORITY_NAT_SRC: i32 = bindings::nf_ip_hook_priorities_NF_IP_PRI_NAT_SRC;
/// Priority of destination NAT.
pub(crate) const PRIORITY_NAT_DST: i32 = bindings::nf_ip_hook_priorities_NF_IP_PRI_NAT_DST;

/// Verdict on a packet.
pub(crate) enum Verdict {
    /// It goes on its way.
    Accept(Packet),
    /// It is dropped.
    Drop(Packet),
    /// The hook kept it, sent it or freed it.
    Stolen,
}

/// The call of a hook.
#[repr(transparent)]
pub(crate) struct State<'g>(bindings::nf_hook_state, PhantomData<&'g ()>);

impl<'g> State<'g> {
    /// The namespace of the packet.
    #[inline(always)]
    pub(crate) fn net(&self) -> &'g Net {
        // SAFETY: Netfilter passes a namespace that lives as long as the call.
        unsafe { Net::from_raw(self.0.net) }
    }
}

/// A function that packets pass.
pub(crate) trait Hook: 'static {
    /// Object that the function works on.
    type Owner: Send + Sync + 'static;

    /// Called for each packet, in softirq or process context; must not sleep.
    fn run<'g>(owner: &'g Self::Owner, rcu: Rcu<'g>, state: &State<'g>, packet: Packet) -> Verdict;
}

/// A hook with its place.
pub(crate) struct Spec<O> {
    operations: bindings::nf_hook_ops,
    _owner: PhantomData<fn(&O)>,
}

impl<O> Spec<O> {
    /// Places `H`; of the hooks of one point, that with the lowest priority is called first.
    pub(crate) fn new<H: Hook<Owner = O>>(protocol: Protocol, point: Point, priority: i32) -> Self {
        Self {
            operations: bindings::nf_hook_ops {
                hook: Some(call::<H>),
                pf: protocol.number(),
                hooknum: point.number(),
                priority,
                ..pin_init::zeroed()
            },
            _owner: PhantomData,
        }
    }
}

/// Hooks registered in a namespace, until this value is dropped.
///
/// # Invariants
///
/// `operations` are registered in the namespace of `lease`, with the address of the object in
/// `owner` as their private pointer.
pub(crate) struct Hooks<O: Send + Sync + 'static> {
    lease: Lease,
    operations: KVec<bindings::nf_hook_ops>,
    owner: Arc<O>,
}

// SAFETY: Registration is serialised by netfilter.
unsafe impl<O: Send + Sync> Send for Hooks<O> {}
// SAFETY: As above; a shared reference gives no more than the namespace, which is shared itself.
unsafe impl<O: Send + Sync> Sync for Hooks<O> {}

impl<O: Send + Sync> Hooks<O> {
    /// Registers hooks. Sleeps.
    ///
    /// The value keeps `owner` alive; one that is stored in its owner must be taken out of it, by
    /// [`Namespaced::stop`](super::net::Namespaced::stop) at the latest, which otherwise waits for
    /// the lease.
    pub(crate) fn register<const N: usize>(
        lease: Lease,
        owner: Arc<O>,
        specs: [Spec<O>; N],
    ) -> Result<Self> {
        let mut operations = KVec::with_capacity(N, GFP_KERNEL)?;
        let owned = Arc::into_raw(owner);
        // SAFETY: From `into_raw` just above.
        let owner = unsafe { Arc::from_raw(owned) };
        for spec in specs {
            let mut operation = spec.operations;
            operation.priv_ = owned.cast_mut().cast();
            operations.push(operation, GFP_KERNEL)?;
        }
        let count = u32::try_from(N)?;
        // SAFETY: The vector stays where it is while registered; the owner lives as long as that.
        to_result(unsafe {
            bindings::nf_register_net_hooks(lease.as_ptr(), operations.as_ptr(), count)
        })?;
        // INVARIANT: Registered just above.
        Ok(Self {
            lease,
            operations,
            owner,
        })
    }

    /// Returns what they work on.
    pub(crate) fn owner(&self) -> &Arc<O> {
        &self.owner
    }

    /// The lease of the namespace that they are registered in.
    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }
}

impl<O: Send + Sync> Drop for Hooks<O> {
    fn drop(&mut self) {
        // SAFETY: Registered by the type invariant, in a namespace that is there by that of the
        // lease.
        unsafe {
            bindings::nf_unregister_net_hooks(
                self.lease.as_ptr(),
                self.operations.as_ptr(),
                self.operations.len() as u32,
            );
        }
        // Packets may still be in a hook, and use the owner.
        rcu::synchronize_expedited();
        // Unregistering has flushed the queues of NFQUEUE. But a packet that was still in one of
        // these hooks, and that it sent on through other hooks, may have been queued after that,
        // with a function of this module to go on with.
        // SAFETY: A live namespace by the type invariant of the lease.
        unsafe { bindings::rust_ipvs_helper_queue_drop(self.lease.as_ptr()) };
        let _ = &self.owner;
    }
}

/// The C hook function of `H`.
///
/// # Safety
///
/// Called by netfilter, with the private pointer that [`Hooks::register`] gave it.
unsafe extern "C" fn call<H: Hook>(
    owner: *mut c_void,
    skb: *mut bindings::sk_buff,
    state: *const bindings::nf_hook_state,
) -> c_uint {
    // SAFETY: The owner is kept alive by `Hooks` until a grace period after the hook is gone.
    let owner = unsafe { ArcBorrow::<H::Owner>::from_raw(owner.cast()) };
    // SAFETY: Netfilter calls hooks under `rcu_read_lock()`, and nothing below outlives the call.
    let rcu = unsafe { Rcu::assume() };
    // SAFETY: Netfilter passes a valid state; `State` is transparent.
    let state = unsafe { &*state.cast::<State<'_>>() };
    // SAFETY: Netfilter passes a packet, which is the hook's until it returns a verdict.
    let packet = unsafe { Packet::from_raw(skb) };
    match H::run(&owner, rcu, state, packet) {
        Verdict::Accept(packet) => {
            packet.into_raw();
            bindings::NF_ACCEPT
        }
        Verdict::Drop(packet) => {
            packet.into_raw();
            bindings::NF_DROP
        }
        Verdict::Stolen => bindings::NF_STOLEN,
    }
}
