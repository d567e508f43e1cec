// SPDX-License-Identifier: GPL-2.0

//! Netfilter hooks.
//!
//! C header: [`include/linux/netfilter.h`](srctree/include/linux/netfilter.h)
//!
//! A hook owns the packet that it is called with, and returns a [`Verdict`]. The types exclude the
//! mistakes that C code can make: a packet that was stored, sent or freed cannot be accepted as
//! well, and one that is neither returned nor stored is freed.
//!
//! Hooks run in softirq context for received packets and in process context with bottom halves
//! enabled for locally sent ones, always under `rcu_read_lock()`.
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::{
//! #     net::Lease,
//! #     netfilter::{Hook, Hooks, Point, Protocol, Spec, State, Verdict},
//! #     percpu::PercpuCounters,
//! #     rcu::Rcu,
//! #     skbuff::Packet,
//! # };
//! # use kernel::sync::Arc;
//! struct Counter(PercpuCounters<1>);
//! struct Count;
//!
//! impl Hook for Count {
//!     type Owner = Counter;
//!
//!     fn run<'g>(owner: &'g Counter, _: Rcu<'g>, _: &State<'g>, packet: Packet) -> Verdict {
//!         owner.0.add::<0>(1);
//!         Verdict::Accept(packet)
//!     }
//! }
//!
//! # fn example(lease: Lease, owner: Arc<Counter>) -> Result {
//! let spec = Spec::new::<Count>(Protocol::Ipv4, Point::LocalIn, 0);
//! let hooks = Hooks::register(lease, owner, [spec])?;
//! # Ok(())
//! # }
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
    skbuff::{
        Packet,
        Taken, //
    },
};
use crate::bindings;
use core::marker::PhantomData;
use kernel::{
    error::to_result,
    prelude::*,
    sync::{Arc, ArcBorrow},
};

/// Priority of source NAT (C: `NF_IP_PRI_NAT_SRC`), relative to which others choose theirs.
pub(crate) const PRIORITY_NAT_SRC: i32 = bindings::nf_ip_hook_priorities_NF_IP_PRI_NAT_SRC;
/// Priority of destination NAT (C: `NF_IP_PRI_NAT_DST`).
pub(crate) const PRIORITY_NAT_DST: i32 = bindings::nf_ip_hook_priorities_NF_IP_PRI_NAT_DST;

/// Verdict on a packet.
///
/// A packet in it is the one that the hook was given. Safe code has no other: it gets a [`Packet`]
/// from the call of a hook alone (what is gathered from fragments is the last of them, changed),
/// and cannot leave one for another call, as it is not `Send`, so that no static may hold it.
pub(crate) enum Verdict {
    /// The packet continues with the next hook (C: `NF_ACCEPT`).
    Accept(Packet),
    /// The hook has dropped the packet, and its sender gets `EPERM` if it is of this host (C:
    /// `NF_DROP_REASON()`).
    Drop(Taken),
    /// The hook has kept, sent or dropped the packet (C: `NF_STOLEN`).
    Stolen(Taken),
}

impl Verdict {
    /// Returns the number of the verdict. The core takes an accepted packet back.
    #[inline(always)]
    pub(super) fn into_raw(self) -> c_uint {
        match self {
            Self::Accept(packet) => {
                packet.into_raw();
                bindings::NF_ACCEPT
            }
            // The core takes the error out of the upper bits.
            Self::Drop(_) => bindings::NF_STOLEN | (bindings::EPERM << 16),
            Self::Stolen(_) => bindings::NF_STOLEN,
        }
    }
}

/// Parameters of a call of a hook (C: `struct nf_hook_state`). Valid for the call.
///
/// # Invariants
///
/// A `&State<'g>` is to a state that netfilter passed to a hook; its namespace lives for `'g`.
#[repr(transparent)]
pub(crate) struct State<'g>(bindings::nf_hook_state, PhantomData<&'g ()>);

impl<'g> State<'g> {
    /// Returns the network namespace of the packet.
    #[inline(always)]
    pub(crate) fn net(&self) -> &'g Net {
        // SAFETY: By the type invariant netfilter passed a namespace that lives for `'g`, the time
        // of the call.
        unsafe { Net::from_raw(self.0.net) }
    }
}

/// A hook function.
pub(crate) trait Hook: 'static {
    /// Object that the function works on.
    type Owner: Send + Sync + 'static;

    /// Processes a packet and returns its verdict.
    ///
    /// # Context
    ///
    /// Softirq or process context, in the read-side critical section of `rcu`. Must not sleep. May
    /// run on all CPUs at once.
    fn run<'g>(owner: &'g Self::Owner, rcu: Rcu<'g>, state: &State<'g>, packet: Packet) -> Verdict;
}

/// Description of a hook: function, family, point and priority.
pub(crate) struct Spec<O> {
    /// Complete but for the private pointer, which [`Hooks::register`] fills in.
    operations: bindings::nf_hook_ops,
    _owner: PhantomData<fn(&O)>,
}

impl<O> Spec<O> {
    /// Describes `H` as a hook at `point` for packets of `protocol`. Hooks of one point are called
    /// in ascending order of their priorities.
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

/// Hooks that are registered in a namespace until this value is dropped.
///
/// # Invariants
///
/// `operations` are registered in the namespace of `lease`, and each has the address of the object
/// in `owner` as its private pointer. `owner` holds a reference to that object.
pub(crate) struct Hooks<O: Send + Sync + 'static> {
    lease: Lease,
    operations: KVec<bindings::nf_hook_ops>,
    owner: Arc<O>,
}

// SAFETY: Hooks may be unregistered from any thread: netfilter serialises that with a mutex. The
// owner is `Send + Sync`.
unsafe impl<O: Send + Sync> Send for Hooks<O> {}
// SAFETY: A shared reference gives access to the namespace and the owner only, and both may be
// shared.
unsafe impl<O: Send + Sync> Sync for Hooks<O> {}

impl<O: Send + Sync> Hooks<O> {
    /// Registers hooks in the namespace of `lease`. Process context; sleeps.
    ///
    /// Packets may be in the hooks before this function returns.
    ///
    /// The result keeps `owner` alive. If it is stored in its owner, that is a cycle: it must be
    /// taken out by [`Namespaced::stop`](super::net::Namespaced::stop) at the latest, which
    /// otherwise waits for the lease.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, and those of `nf_register_net_hooks()`. No hook stays registered.
    pub(crate) fn register<const N: usize>(
        lease: Lease,
        owner: Arc<O>,
        specs: [Spec<O>; N],
    ) -> Result<Self> {
        let mut operations = KVec::with_capacity(N, GFP_KERNEL)?;
        let owned = Arc::into_raw(owner);
        // SAFETY: `owned` came from `into_raw` just above, which gave up one reference. It is taken
        // back once; `owned` stays valid while `owner` exists.
        let owner = unsafe { Arc::from_raw(owned) };
        for spec in specs {
            let mut operation = spec.operations;
            operation.priv_ = owned.cast_mut().cast();
            operations.push(operation, GFP_KERNEL)?;
        }
        let count = u32::try_from(N)?;
        // SAFETY: The elements of the vector do not move while registered, because nothing is
        // pushed after this. The owner outlives the registration, because `drop` unregisters before
        // it drops the owner.
        to_result(unsafe {
            bindings::nf_register_net_hooks(lease.as_ptr(), operations.as_ptr(), count)
        })?;
        // INVARIANT: All elements were registered just above, with `owned` as their private
        // pointer.
        Ok(Self {
            lease,
            operations,
            owner,
        })
    }

    /// Returns the object that the hooks are called with.
    pub(crate) fn owner(&self) -> &Arc<O> {
        &self.owner
    }

    /// Returns the lease of the namespace in which the hooks are registered.
    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }
}

impl<O: Send + Sync> Drop for Hooks<O> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant `operations` are registered in this namespace, which is
        // live by the type invariant of `Lease`.
        unsafe {
            bindings::nf_unregister_net_hooks(
                self.lease.as_ptr(),
                self.operations.as_ptr(),
                self.operations.len() as u32,
            );
        }
        // Hooks may still be running on other CPUs and using the owner.
        rcu::synchronize_expedited();
        // Unregistering has flushed the queues of NFQUEUE. But a packet that was in one of these
        // hooks, and that it sent through other hooks, may have been queued after that, with a
        // function of this module as its continuation.
        // SAFETY: By the type invariant of `Lease` the namespace is live.
        unsafe { bindings::rust_ipvs_helper_queue_drop(self.lease.as_ptr()) };
        let _ = &self.owner;
    }
}

/// The C hook function of `H`.
///
/// # Safety
///
/// Must be called by netfilter as a hook, with the private pointer that [`Hooks::register`] set for
/// a hook of `H::Owner`, a packet, and the state of the call.
unsafe extern "C" fn call<H: Hook>(
    owner: *mut c_void,
    skb: *mut bindings::sk_buff,
    state: *const bindings::nf_hook_state,
) -> c_uint {
    // SAFETY: By the contract of this function `owner` came from `Arc::into_raw` in `register`.
    // `Hooks` keeps it alive until a grace period after the hook was unregistered.
    let owner = unsafe { ArcBorrow::<H::Owner>::from_raw(owner.cast()) };
    // SAFETY: Netfilter calls hooks under `rcu_read_lock()`, and neither `rcu` nor what is derived
    // from it outlives the call.
    let rcu = unsafe { Rcu::assume() };
    // SAFETY: Netfilter passes a state that is valid for the call. `State` is a transparent wrapper
    // of it.
    // INVARIANT: Netfilter passes the state, and its namespace lives for the call.
    let state = unsafe { &*state.cast::<State<'_>>() };
    // SAFETY: Netfilter passes a valid packet with a network header, which the hook owns until it
    // returns a verdict.
    let packet = unsafe { Packet::from_raw(skb) };
    H::run(&owner, rcu, state, packet).into_raw()
}
