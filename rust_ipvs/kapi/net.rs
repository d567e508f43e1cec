// SPDX-License-Identifier: GPL-2.0

//! Network namespaces, and the state that a module has in each.
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)
//!
//! A module's state per namespace is an `Arc<T>`. It is created when the namespace is created or
//! the module is loaded, and dropped when either goes away. A grace period lies between
//! [`Namespaced::stop`] and the drop of the namespace's own reference, so hooks that are still
//! running find the state alive.
//!
//! Everything that is registered in a namespace (hooks, files, variables, sockets) holds a
//! [`Lease`] of it. The teardown of the namespace, or of the module, waits after `stop` until all
//! leases are gone.
//!
//! The callbacks run in process context under `pernet_ops_rwsem`, in this order: `init`; then, for
//! all namespaces that go away together, `pre_exit`, one grace period, and `exit`.
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::net::{Namespaced, Namespaces, Net, WeakNet};
//! # use kernel::sync::Arc;
//! struct State;
//! static STATES: Namespaces<State> = Namespaces::new();
//!
//! impl Namespaced for State {
//!     type Shared = ();
//!
//!     fn namespaces() -> &'static Namespaces<Self> {
//!         &STATES
//!     }
//!
//!     fn new(net: &Net, weak_net: &Arc<WeakNet>, (): &()) -> Result<Arc<Self>> {
//!         Ok(Arc::new(State, GFP_KERNEL)?)
//!     }
//!
//!     fn stop(this: &Arc<Self>) {}
//! }
//!
//! let registration = STATES.register(())?;
//! # Ok::<(), Error>(())
//! ```

use super::{
    once::Word,
    rcu::Rcu, //
};
use crate::bindings;
use core::{
    cell::UnsafeCell,
    mem::ManuallyDrop,
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    error::{from_result, to_result},
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Full,
            Relaxed,
            Release, //
        },
        Arc, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
    types::Opaque,
};

/// A network namespace (C: `struct net`).
///
/// # Invariants
///
/// A `&Net` is to a `struct net` that is not freed for the lifetime of the reference.
#[repr(transparent)]
pub(crate) struct Net(Opaque<bindings::net>);

// SAFETY: All CPUs share namespaces. The methods read fields that do not change or that C code
// reads without a lock, too.
unsafe impl Sync for Net {}

impl Net {
    /// Creates a reference from a pointer of C code.
    ///
    /// # Safety
    ///
    /// `net` must be the address of a namespace that lives for `'a`.
    #[inline(always)]
    pub(crate) unsafe fn from_raw<'a>(net: *mut bindings::net) -> &'a Self {
        // SAFETY: By the contract of this function the pointer is valid for `'a`, and `Net` is a
        // transparent wrapper.
        // INVARIANT: By the contract of this function the namespace lives for `'a`.
        unsafe { &*net.cast() }
    }

    /// Returns the C structure.
    #[inline(always)]
    pub(super) fn as_ptr(&self) -> *mut bindings::net {
        self.0.get()
    }

    /// Returns the initial namespace (C: `init_net`), which is never freed.
    pub(crate) fn initial() -> &'static Self {
        // SAFETY: `init_net` is static, so it lives for `'static`.
        unsafe { Self::from_raw(&raw mut bindings::init_net) }
    }

    /// Returns `true` if this is the initial namespace.
    pub(crate) fn is_initial(&self) -> bool {
        // SAFETY: By the type invariant `self` is a live `struct net`.
        unsafe { bindings::rust_ipvs_helper_net_is_init(self.as_ptr()) }
    }

    /// Returns the first port that can be bound without privileges
    /// (`net.ipv4.ip_unprivileged_port_start`).
    pub(crate) fn unprivileged_port_start(&self) -> u32 {
        // SAFETY: By the type invariant `self` is a live `struct net`.
        // Read without a lock, as C code does; an administrator may change it at any time.
        let port = unsafe { bindings::rust_ipvs_helper_unprivileged_port_start(self.as_ptr()) };
        u32::try_from(port).unwrap_or(0)
    }

    /// Returns `true` if the type of an IPv4 address in this namespace is unicast or local, so that
    /// it can be that of a real server. Takes a look-up of the routing tables.
    pub(crate) fn is_usable_v4(&self, addr: [u8; 4]) -> bool {
        // SAFETY: By the type invariant `self` is a live `struct net`.
        unsafe {
            bindings::rust_ipvs_helper_addr_is_usable_v4(self.as_ptr(), u32::from_ne_bytes(addr))
        }
    }

    /// Returns `true` if the type of an IPv6 address is unicast beyond the link, or if the address
    /// is local in this namespace.
    pub(crate) fn is_usable_v6(&self, addr: [u8; 16]) -> bool {
        let addr = super::inet::in6(addr);
        // SAFETY: By the type invariant the namespace is live. The address is on this stack and is
        // read during the call only.
        unsafe { bindings::rust_ipvs_helper_addr_is_usable_v6(self.as_ptr(), &addr) }
    }

    /// Returns `true` if the type of an IPv4 address in this namespace is unicast: neither local,
    /// nor multicast, nor broadcast.
    pub(crate) fn is_unicast_v4(&self, addr: [u8; 4]) -> bool {
        // SAFETY: By the type invariant `self` is a live `struct net`.
        unsafe {
            bindings::rust_ipvs_helper_addr_is_unicast_v4(self.as_ptr(), u32::from_ne_bytes(addr))
        }
    }

    /// Returns `true` if an IPv6 address is unicast. It may be local.
    pub(crate) fn is_unicast_v6(&self, addr: [u8; 16]) -> bool {
        let addr = super::inet::in6(addr);
        // SAFETY: The address is on this stack and is read during the call only.
        unsafe { bindings::rust_ipvs_helper_addr_is_unicast_v6(&addr) }
    }

    /// Enables reassembly of IPv6 fragments before routing, for the rest of the namespace's life
    /// (C: `nf_defrag_ipv6_enable()`). Returns `false` if that fails. Process context.
    pub(crate) fn reassemble_v6(&self) -> bool {
        // SAFETY: By the type invariant the namespace is live. This is process context by the
        // contract of this method, because the call takes a mutex.
        unsafe { bindings::rust_ipvs_helper_defrag_v6(self.as_ptr()) }
    }
}

/// Properties of a network device, as of the time when it was looked up. Holds no reference.
pub(crate) struct Device {
    /// Interface index.
    pub(crate) index: i32,
    /// MTU in bytes.
    pub(crate) mtu: u32,
    /// First IPv4 address of the device or, if it has none, of another one; zeros if there is none
    /// at all. Network order.
    pub(crate) addr_v4: [u8; 4],
}

impl Net {
    /// Looks up a device by name; `None` if there is none. Any context.
    pub(crate) fn device(&self, name: &CStr) -> Option<Device> {
        let (mut index, mut mtu, mut addr) = (0, 0, 0);
        let found = super::rcu::read(|_| {
            // SAFETY: By the type invariant the namespace is live. The device list is read under
            // RCU. `name` is terminated, and the results are on this stack.
            unsafe {
                bindings::rust_ipvs_helper_find_device(
                    self.as_ptr(),
                    name.as_char_ptr(),
                    &mut index,
                    &mut mtu,
                    &mut addr,
                )
            }
        });
        found.then_some(Device {
            index,
            mtu,
            addr_v4: addr.to_ne_bytes(),
        })
    }
}

/// A weak pointer to a network namespace, which `pre_exit` clears.
///
/// State that outlives its namespace, such as a work item of it, has one, because a counted
/// reference to the namespace would keep it from ever going away.
///
/// # Invariants
///
/// - `net` is the address of a namespace, or zero from `pre_exit` on. After it was cleared, the
///   namespace lives for a grace period at least.
/// - `leases` is at least the number of existing leases. `pre_exit` does not return while it is
///   above zero.
pub(crate) struct WeakNet {
    net: Word<usize>,
    leases: Atomic<i32>,
}

impl WeakNet {
    /// Returns the namespace; `None` once `pre_exit` has cleared it. The result is valid for the
    /// read-side critical section.
    pub(crate) fn get<'g>(&self, _rcu: Rcu<'g>) -> Option<&'g Net> {
        // SAFETY: By the type invariant the word is null or the address of a namespace that lives
        // for a grace period after the word is cleared, hence for `'g`.
        unsafe { (self.net.load() as *const Net).as_ref() }
    }

    /// Takes a lease of the namespace. Returns `None` once `pre_exit` has cleared it. Any context.
    ///
    /// # Ordering
    ///
    /// This call increments `leases` before it reads `net`. `pre_exit` clears `net` before it reads
    /// `leases`. There is a full barrier between the two accesses on both sides. So either this
    /// call sees that `net` was cleared, or `pre_exit` sees the lease and waits for it.
    pub(crate) fn lease(self: &Arc<Self>) -> Option<Lease> {
        self.leases.fetch_add(1, Full);
        let net = NonNull::new(self.net.load() as *mut bindings::net);
        match net {
            // INVARIANT: The lease was counted before `net` was seen to be set. By the ordering
            // above, `pre_exit` waits for it, so the namespace is live.
            Some(net) => Some(Lease {
                net,
                weak_net: self.clone(),
            }),
            None => {
                self.leases.fetch_sub(1, Release);
                None
            }
        }
    }

    /// Clears the pointer. No lease can be taken from now on.
    fn close(&self) {
        self.net.store(0);
    }

    /// Waits until all leases are gone. Process context; sleeps in steps of 10 ms.
    ///
    /// Called after [`close`](Self::close) and after the state was told to stop, which drops its
    /// leases. So there is nothing to wait for, unless a lease was forgotten, which is logged.
    fn wait_for_leases(&self) {
        // Sleeping in steps avoids a wait queue in each namespace for a case that does not occur.
        let mut warned = false;
        // The addition of 0 is a fully ordered read, after the store in `close`; see `lease`.
        while self.leases.fetch_add(0, Full) != 0 {
            if !warned {
                pr_warn!("a namespace that goes waits for what is registered in it\n");
                warned = true;
            }
            fsleep(Delta::from_millis(10));
        }
    }
}

/// A right to have something registered in a namespace. The teardown of the namespace waits until
/// it is dropped.
///
/// # Invariants
///
/// `weak_net` counts this lease, so `pre_exit` of the namespace has not returned. Hence `net` is
/// live.
pub(crate) struct Lease {
    net: NonNull<bindings::net>,
    weak_net: Arc<WeakNet>,
}

// SAFETY: A namespace may be used from any thread, and the count is atomic.
unsafe impl Send for Lease {}
// SAFETY: A shared lease gives `&Net`, which may be shared, and clones, which are counted
// atomically.
unsafe impl Sync for Lease {}

impl Deref for Lease {
    type Target = Net;

    fn deref(&self) -> &Net {
        // SAFETY: By the type invariant `self` is a live `struct net`.
        unsafe { Net::from_raw(self.net.as_ptr()) }
    }
}

impl Clone for Lease {
    fn clone(&self) -> Self {
        self.weak_net.leases.fetch_add(1, Relaxed);
        // INVARIANT: Counted just now. `self` is counted as well and keeps `pre_exit` from
        // returning meanwhile.
        Self {
            net: self.net,
            weak_net: self.weak_net.clone(),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Release: what the holder did in the namespace comes before `pre_exit` returns.
        self.weak_net.leases.fetch_sub(1, Release);
    }
}

/// State that a module has in each network namespace.
pub(crate) trait Namespaced: Send + Sync + Sized + 'static {
    /// State that is shared by all namespaces. It is created before the first state and dropped
    /// after the last. If states queue RCU callbacks, its drop must wait for these by
    /// [`drain`](super::rcu::drain).
    type Shared: Send + Sync + 'static;

    /// Returns the static by which this type is registered.
    fn namespaces() -> &'static Namespaces<Self>;

    /// Creates the state of a namespace. It may register things in the namespace by leases of
    /// `weak_net`.
    ///
    /// Process context. An error makes the creation of the namespace, or loading the module, fail.
    fn new(net: &Net, weak_net: &Arc<WeakNet>, shared: &Self::Shared) -> Result<Arc<Self>>;

    /// Stops the state before it is dropped: unregisters what it has registered, and drops all
    /// leases.
    ///
    /// Process context; may sleep. [`Namespaces::get`] does not return the state any more, but
    /// others may still have references to it.
    fn stop(this: &Arc<Self>);
}

/// Per-namespace memory of a kind of state, which the core allocates. All zeros before `init`.
///
/// # Invariants
///
/// `own` and `weak_net` are null, or came from `Arc::into_raw` and own that reference for the
/// namespace. `state` is 0 or equal to `own`; it is not 0 from the end of `init` until `pre_exit`.
/// Only `state` is read by other threads.
struct NetSlot<T> {
    state: Word<usize>,
    own: *const T,
    weak_net: *const WeakNet,
}

/// `ready`: the id of the kind is not known, because `init` was not called yet.
const UNKNOWN: i32 = 0;
/// `ready`: the id is known and registered.
const READY: i32 = 1;
/// `ready`: the registration is being undone. An `init` that runs meanwhile does not change that.
const GOING: i32 = 2;

/// A kind of state, to be registered once. Must be a `static`.
///
/// # Invariants
///
/// `operations`, `id` and `shared` are written by [`Namespaces::register`] before C code knows of
/// them, and by the drop of its guard after C code has forgotten them. Between the two nobody
/// writes them, except that the core writes `id` before the first `init`.
pub(crate) struct Namespaces<T: Namespaced> {
    operations: UnsafeCell<bindings::pernet_operations>,
    id: UnsafeCell<c_uint>,
    shared: UnsafeCell<Option<T::Shared>>,
    /// 1 while there is a guard, which makes it the only one.
    taken: Atomic<i32>,
    /// [`UNKNOWN`], [`READY`] from when `id` is known, at the first `init`, then [`GOING`].
    ready: Atomic<i32>,
}

// SAFETY: By the type invariant nothing is written while other threads can read it. `T::Shared` is
// `Send + Sync`.
unsafe impl<T: Namespaced> Sync for Namespaces<T> {}

impl<T: Namespaced> Namespaces<T> {
    /// Creates a kind of state that is not registered.
    pub(crate) const fn new() -> Self {
        // INVARIANT: C code does not know the cells yet, and `register` has not written them.
        Self {
            operations: UnsafeCell::new(pin_init::zeroed()),
            id: UnsafeCell::new(0),
            shared: UnsafeCell::new(None),
            taken: Atomic::new(0),
            ready: Atomic::new(UNKNOWN),
        }
    }

    /// Creates the state of each existing namespace, and from now on of each new one, until the
    /// guard is dropped.
    ///
    /// Process context; sleeps. Fails with `EBUSY` if the kind is registered, or with the first
    /// error of [`Namespaced::new`]; the states that were created are dropped then.
    pub(crate) fn register(&'static self, shared: T::Shared) -> Result<NamespacesGuard<T>> {
        if self.taken.cmpxchg(0, 1, Acquire).is_err() {
            return Err(EBUSY);
        }
        // SAFETY: `taken` excludes other calls, and C code does not know the static yet, so nobody
        // else accesses these cells.
        unsafe {
            *self.shared.get() = Some(shared);
            *self.operations.get() = bindings::pernet_operations {
                init: Some(init::<T>),
                pre_exit: Some(pre_exit::<T>),
                exit: Some(exit::<T>),
                id: self.id.get(),
                size: size_of::<NetSlot<T>>(),
                ..pin_init::zeroed()
            };
        }
        // From here on the drop of the guard undoes this on errors.
        let guard = NamespacesGuard {
            namespaces: self,
            registered: false,
        };
        // SAFETY: The operations are static and complete. `id` and `size` make the core allocate a
        // zeroed `NetSlot<T>` per namespace. The callbacks are those of `T`.
        to_result(unsafe { bindings::register_pernet_subsys(self.operations.get()) })?;
        let mut guard = ManuallyDrop::new(guard);
        guard.registered = true;
        Ok(ManuallyDrop::into_inner(guard))
    }

    /// Returns the slot of a namespace; null before the core has allocated it.
    ///
    /// # Safety
    ///
    /// `id` must be registered: the caller is one of the pernet callbacks, or is in a read-side
    /// critical section in which it read [`READY`] from `ready`.
    unsafe fn slot(&self, net: &Net) -> *mut NetSlot<T> {
        // SAFETY: The core wrote `id` before it called the first callback, which is before `ready`
        // was set.
        let id = unsafe { *self.id.get() };
        // SAFETY: By the type invariant of `Net` the namespace is live. By the contract of this
        // function the id is registered.
        unsafe { bindings::rust_ipvs_helper_net_generic(net.as_ptr(), id) }.cast()
    }

    /// Returns the state of a namespace. Returns `None` before it is created, from `pre_exit` on,
    /// and while the kind is not registered. Any context.
    pub(crate) fn get(&self, net: &Net) -> Option<Arc<T>> {
        super::rcu::read(|_| {
            if self.ready.load(Acquire) != READY {
                return None;
            }
            // SAFETY: `ready` was read in this critical section. The drop of the guard changes it
            // first. Then a grace period lies between `pre_exit` and `exit` of all namespaces, and
            // only after `exit` the id and the slots are given up.
            let slot = unsafe { self.slot(net) };
            // SAFETY: The slot is null, or memory of the namespace that is not freed in this
            // critical section. Only `state`, which is atomic, is read.
            let state = unsafe { slot.as_ref() }?.state.load() as *const T;
            if state.is_null() {
                return None;
            }
            // SAFETY: By the type invariant of `NetSlot` the word is 0, which was excluded, or
            // owned by the namespace until `exit`, a grace period after `pre_exit` cleared it.
            // `ManuallyDrop` keeps the namespace's reference from being dropped here.
            let own = ManuallyDrop::new(unsafe { Arc::from_raw(state) });
            Some(Arc::clone(&own))
        })
    }
}

/// Keeps a kind of state registered. Dropping it stops and drops the states of all namespaces.
/// Process context; sleeps.
pub(crate) struct NamespacesGuard<T: Namespaced> {
    namespaces: &'static Namespaces<T>,
    registered: bool,
}

impl<T: Namespaced> Drop for NamespacesGuard<T> {
    fn drop(&mut self) {
        let namespaces = self.namespaces;
        // Before the slots go: a grace period lies between this and the end of the slots; see
        // `Namespaces::get`.
        namespaces.ready.store(GOING, Relaxed);
        if self.registered {
            // SAFETY: `registered` is set after the registration succeeded. The call runs
            // `pre_exit` and `exit` for all namespaces before it returns.
            unsafe { bindings::unregister_pernet_subsys(namespaces.operations.get()) };
        }
        // SAFETY: C code has forgotten the static and `taken` is still set, so nobody else accesses
        // the cell.
        unsafe { *namespaces.shared.get() = None };
        namespaces.ready.store(UNKNOWN, Relaxed);
        namespaces.taken.store(0, Release);
    }
}

/// The C `init` callback of `T`. Process context, under `pernet_ops_rwsem`.
///
/// # Safety
///
/// Must be called by the core for a live namespace, with `T` registered.
unsafe extern "C" fn init<T: Namespaced>(net: *mut bindings::net) -> c_int {
    // SAFETY: By the contract of this function the namespace is live for the call.
    let net = unsafe { Net::from_raw(net) };
    let namespaces = T::namespaces();
    from_result(|| {
        // SAFETY: `register` wrote it before it registered this callback, and it is not written
        // again until the callback is unregistered.
        let shared = unsafe { &*namespaces.shared.get() };
        // The core wrote the id before the first call of this function, so it may be used from now
        // on.
        let _ = namespaces.ready.cmpxchg(UNKNOWN, READY, Full);
        // INVARIANT: The namespace is live, and `pre_exit` will clear the pointer and wait for
        // leases.
        let weak_net = WeakNet {
            net: Word::new(ptr::from_ref(net) as usize),
            leases: Atomic::new(0),
        };
        let weak_net = Arc::new(weak_net, GFP_KERNEL)?;
        // On errors the weak pointer is dropped with its last reference; the slot stays empty.
        let state = T::new(net, &weak_net, shared.as_ref().ok_or(EINVAL)?)?;
        let own = Arc::into_raw(state);
        // SAFETY: The core allocated the slot, zeroed, for this namespace. Other threads read
        // `state` of it only, which is atomic; the callbacks of one namespace do not run at once.
        let slot = unsafe { &mut *namespaces.slot(net) };
        // INVARIANT: Both came from `Arc::into_raw` and are owned by the slot now. The state is
        // complete before its address is published.
        slot.weak_net = Arc::into_raw(weak_net);
        slot.own = own;
        slot.state.publish(own as usize);
        Ok(0)
    })
}

/// The C `pre_exit` callback of `T`. Process context, under `pernet_ops_rwsem`.
///
/// # Safety
///
/// As for [`init`], which must have succeeded.
unsafe extern "C" fn pre_exit<T: Namespaced>(net: *mut bindings::net) {
    // SAFETY: By the contract of this function the namespace is live for the call.
    let net = unsafe { Net::from_raw(net) };
    // SAFETY: The kind is registered, because this is one of its callbacks, and `init` has filled
    // the slot. Other threads read `state` only.
    let slot = unsafe { &*T::namespaces().slot(net) };
    // INVARIANT: The core waits for a grace period between this and `exit`, which drops the
    // reference.
    slot.state.store(0);
    // SAFETY: By the type invariant of `NetSlot` both are null or own a reference, which only
    // `exit` drops; that comes later.
    let (own, weak_net) = unsafe { (slot.own.as_ref(), slot.weak_net.as_ref()) };
    let (Some(_), Some(weak_net)) = (own, weak_net) else {
        return;
    };
    weak_net.close();
    // SAFETY: By the type invariant of `NetSlot` the pointer came from `Arc::into_raw`.
    // `ManuallyDrop` keeps the namespace's reference from being dropped here.
    let own = ManuallyDrop::new(unsafe { Arc::from_raw(slot.own) });
    T::stop(&own);
    weak_net.wait_for_leases();
}

/// The C `exit` callback of `T`. Process context, under `pernet_ops_rwsem`.
///
/// # Safety
///
/// As for [`pre_exit`], which must have been called.
unsafe extern "C" fn exit<T: Namespaced>(net: *mut bindings::net) {
    // SAFETY: By the contract of this function the namespace is live for the call.
    let net = unsafe { Net::from_raw(net) };
    // SAFETY: The kind is registered, because this is one of its callbacks. A grace period has
    // passed since `pre_exit` cleared `state`, so nobody else reads the slot. By its invariants
    // both pointers are null or own a reference, which is dropped once because the slot is emptied.
    unsafe {
        let slot = T::namespaces().slot(net);
        let NetSlot { own, weak_net, .. } = slot.replace(NetSlot {
            state: Word::new(0),
            own: ptr::null(),
            weak_net: ptr::null(),
        });
        if !own.is_null() {
            drop(Arc::from_raw(own));
        }
        if !weak_net.is_null() {
            drop(Arc::from_raw(weak_net));
        }
    }
}
