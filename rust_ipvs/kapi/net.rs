// SPDX-License-Identifier: GPL-2.0

//! Network namespaces, and what a module keeps in each.
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)
//!
//! A module's state per namespace is an `Arc<T>`, made when the namespace or the module comes and
//! let go when either goes. Between [`Namespaced::stop`] and the last drop lies a grace period, so
//! packets that are still in a hook find the state alive.
//!
//! Whatever is registered in a namespace (hooks, files, variables, sockets) keeps a [`Lease`] of
//! it. A namespace, or the module, is not torn down beyond `stop` before the last lease is gone.
//!
//! # Examples
//!
//! ```ignore
//! static STATES: Namespaces<State> = Namespaces::new();
//! impl Namespaced for State {
//!     type Shared = ();
//!     fn namespaces() -> &'static Namespaces<Self> { &STATES }
//!     fn new(net: &Net, weak_net: &Arc<WeakNet>, _: &()) -> Result<Arc<Self>> { … }
//!     fn stop(this: &Arc<Self>) {}
//! }
//! let registration = STATES.register(())?;
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

/// A network namespace.
///
/// # Invariants
///
/// A `&Net` is to a live `struct net`.
#[repr(transparent)]
pub(crate) struct Net(Opaque<bindings::net>);

// SAFETY: Namespaces are shared by all CPUs; the methods only read what does not change.
unsafe impl Sync for Net {}

impl Net {
    /// Wraps a pointer from C.
    ///
    /// # Safety
    ///
    /// `net` must be a namespace that lives for `'a`.
    #[inline(always)]
    pub(crate) unsafe fn from_raw<'a>(net: *mut bindings::net) -> &'a Self {
        // SAFETY: `Net` is transparent, and by the contract of this function.
        unsafe { &*net.cast() }
    }

    /// The C structure.
    #[inline(always)]
    pub(super) fn as_ptr(&self) -> *mut bindings::net {
        self.0.get()
    }

    /// The namespace that the machine booted with, which never goes.
    pub(crate) fn initial() -> &'static Self {
        // SAFETY: `init_net` is static.
        unsafe { Self::from_raw(&raw mut bindings::init_net) }
    }

    /// Returns whether this is the namespace that the machine booted with.
    pub(crate) fn is_initial(&self) -> bool {
        // SAFETY: By the type invariant `self` is a live `struct net`.
        unsafe { bindings::rust_ipvs_helper_net_is_init(self.as_ptr()) }
    }

    /// The first port that needs no privilege (`net.ipv4.ip_unprivileged_port_start`).
    pub(crate) fn unprivileged_port_start(&self) -> u32 {
        // SAFETY: By the type invariant `self` is a live `struct net`.
        let port = unsafe { bindings::rust_ipvs_helper_unprivileged_port_start(self.as_ptr()) };
        u32::try_from(port).unwrap_or(0)
    }

    /// Returns whether packets can be sent to an IPv4 address from here: unicast or local.
    pub(crate) fn is_usable_v4(&self, addr: [u8; 4]) -> bool {
        // SAFETY: By the type invariant `self` is a live `struct net`.
        unsafe {
            bindings::rust_ipvs_helper_addr_is_usable_v4(self.as_ptr(), u32::from_ne_bytes(addr))
        }
    }

    /// Returns whether packets can be sent to an IPv6 address from here: unicast beyond the link,
    /// or local.
    pub(crate) fn is_usable_v6(&self, addr: [u8; 16]) -> bool {
        let addr = super::inet::in6(addr);
        // SAFETY: A live namespace by the type invariant; the address is on this stack.
        unsafe { bindings::rust_ipvs_helper_addr_is_usable_v6(self.as_ptr(), &addr) }
    }

    /// Returns whether an IPv4 address is another host's: neither local, nor of a group, nor a
    /// broadcast.
    pub(crate) fn is_unicast_v4(&self, addr: [u8; 4]) -> bool {
        // SAFETY: By the type invariant `self` is a live `struct net`.
        unsafe {
            bindings::rust_ipvs_helper_addr_is_unicast_v4(self.as_ptr(), u32::from_ne_bytes(addr))
        }
    }

    /// Returns whether an IPv6 address is one of one host, which may be this one.
    pub(crate) fn is_unicast_v6(&self, addr: [u8; 16]) -> bool {
        let addr = super::inet::in6(addr);
        // SAFETY: The address is on this stack.
        unsafe { bindings::rust_ipvs_helper_addr_is_unicast_v6(&addr) }
    }

    /// Has IPv6 fragments put together before routing, for the rest of the namespace's life.
    pub(crate) fn reassemble_v6(&self) -> bool {
        // SAFETY: A live namespace by the type invariant; process context.
        unsafe { bindings::rust_ipvs_helper_defrag_v6(self.as_ptr()) }
    }
}

/// A network device, as it was when it was looked for.
pub(crate) struct Device {
    /// Its number.
    pub(crate) index: i32,
    /// The longest packet that it sends.
    pub(crate) mtu: u32,
    /// Its first IPv4 address, or where it has none that of another device; all zeroes where there
    /// is none.
    pub(crate) addr_v4: [u8; 4],
}

impl Net {
    /// The device of a name.
    pub(crate) fn device(&self, name: &CStr) -> Option<Device> {
        let (mut index, mut mtu, mut addr) = (0, 0, 0);
        let found = super::rcu::read(|_| {
            // SAFETY: A live namespace by the type invariant, under RCU; the results are on this
            // stack.
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

/// A pointer to a network namespace that `pre_exit` clears.
///
/// # Invariants
///
/// - `net` is the address of a namespace, or zero from `pre_exit` on: the namespace lives for a
///   grace period longer at least.
/// - While `leases` is above zero after a lease was taken, `pre_exit` does not return.
pub(crate) struct WeakNet {
    net: Word<usize>,
    leases: Atomic<i32>,
}

impl WeakNet {
    /// Returns the namespace, while its state has not been told to stop.
    pub(crate) fn get<'g>(&self, _rcu: Rcu<'g>) -> Option<&'g Net> {
        // SAFETY: By the type invariant it lives as long as this read-side critical section, if
        // there is one.
        unsafe { (self.net.load() as *const Net).as_ref() }
    }

    /// Takes a lease of the namespace; `None` once its state was told to stop.
    ///
    /// The count comes before the look at `net`, and in `pre_exit` the store to `net` before the
    /// look at the count, with full barriers between both: either this call sees that the namespace
    /// goes, or `pre_exit` sees the lease and waits for it.
    pub(crate) fn lease(self: &Arc<Self>) -> Option<Lease> {
        self.leases.fetch_add(1, Full);
        let net = NonNull::new(self.net.load() as *mut bindings::net);
        match net {
            // INVARIANT: Counted before `net` was seen to be there.
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

    /// Clears the way to the namespace: there are no new leases from now on.
    fn close(&self) {
        self.net.store(0);
    }

    /// Waits until all leases are gone. Process context, after [`close`](Self::close) and after the
    /// state was told to stop, which drops them: there is nothing to wait for unless one was
    /// forgotten.
    fn wait_for_leases(&self) {
        let mut warned = false;
        // Fully ordered after the store in `close`; see `lease`.
        while self.leases.fetch_add(0, Full) != 0 {
            if !warned {
                pr_warn!("a namespace that goes waits for what is registered in it\n");
                warned = true;
            }
            fsleep(Delta::from_millis(10));
        }
    }
}

/// A right to have something registered in a namespace, which lasts until this value is dropped.
///
/// # Invariants
///
/// `net` is a live namespace: `weak_net` counts this lease, and `pre_exit` waits for it.
pub(crate) struct Lease {
    net: NonNull<bindings::net>,
    weak_net: Arc<WeakNet>,
}

// SAFETY: A namespace may be used from any thread.
unsafe impl Send for Lease {}
// SAFETY: A shared lease gives no more than a shared namespace.
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
        // INVARIANT: Counted just now, while `self` keeps the namespace from going.
        Self {
            net: self.net,
            weak_net: self.weak_net.clone(),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // What was done in the namespace before comes before `pre_exit` goes on.
        self.weak_net.leases.fetch_sub(1, Release);
    }
}

/// State that a module keeps per namespace.
pub(crate) trait Namespaced: Send + Sync + Sized + 'static {
    /// State that all namespaces share; made before the first and dropped after the last. States
    /// that queue anything for RCU have one that waits for it when it is dropped, by
    /// [`drain`](super::rcu::drain).
    type Shared: Send + Sync + 'static;

    /// The static that registers this type.
    fn namespaces() -> &'static Namespaces<Self>;

    /// Makes the state of a namespace, in which it may register things by leases of `weak_net`.
    /// Process context.
    fn new(net: &Net, weak_net: &Arc<WeakNet>, shared: &Self::Shared) -> Result<Arc<Self>>;

    /// Called before the state is let go; nothing may come in from outside any more afterwards, and
    /// all leases have to be gone.
    fn stop(this: &Arc<Self>);
}

/// Slot of a kind of state in a namespace; all zeroes before `init`.
///
/// # Invariants
///
/// `own` and `weak_net` are null, or from `Arc::into_raw` and owned by the namespace. `state` is
/// zero or the same address as `own`: what others may find, from the end of `init` until
/// `pre_exit`.
struct NetSlot<T> {
    state: Word<usize>,
    own: *const T,
    weak_net: *const WeakNet,
}

/// The id of a kind of state is not known yet.
const UNKNOWN: i32 = 0;
/// It is known and registered.
const READY: i32 = 1;
/// The registration is about to be undone; a namespace that is made meanwhile does not change that.
const GOING: i32 = 2;

/// A registered kind of state. To be kept in a `static`.
///
/// # Invariants
///
/// `operations`, `id` and `shared` are written only by [`Namespaces::register`], before C code
/// knows of them, and by the drop of its registration, after it forgot them.
pub(crate) struct Namespaces<T: Namespaced> {
    operations: UnsafeCell<bindings::pernet_operations>,
    id: UnsafeCell<c_uint>,
    shared: UnsafeCell<Option<T::Shared>>,
    taken: Atomic<i32>,
    /// [`UNKNOWN`], [`READY`] from when `id` is known, at the first `init`, then [`GOING`].
    ready: Atomic<i32>,
}

// SAFETY: By the type invariant, nothing is written while it is shared.
unsafe impl<T: Namespaced> Sync for Namespaces<T> {}

impl<T: Namespaced> Namespaces<T> {
    /// An unregistered kind.
    pub(crate) const fn new() -> Self {
        Self {
            operations: UnsafeCell::new(pin_init::zeroed()),
            id: UnsafeCell::new(0),
            shared: UnsafeCell::new(None),
            taken: Atomic::new(0),
            ready: Atomic::new(UNKNOWN),
        }
    }

    /// Makes the state of every namespace, now and when one is created later.
    pub(crate) fn register(&'static self, shared: T::Shared) -> Result<NamespacesGuard<T>> {
        if self.taken.cmpxchg(0, 1, Acquire).is_err() {
            return Err(EBUSY);
        }
        // SAFETY: `taken` makes this call the only one, and C code does not know the static yet.
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
        // From here on the guard undoes it.
        let guard = NamespacesGuard {
            namespaces: self,
            registered: false,
        };
        // SAFETY: The operations are static and complete.
        to_result(unsafe { bindings::register_pernet_subsys(self.operations.get()) })?;
        let mut guard = ManuallyDrop::new(guard);
        guard.registered = true;
        Ok(ManuallyDrop::into_inner(guard))
    }

    /// Returns the slot of a namespace.
    ///
    /// # Safety
    ///
    /// `id` must be registered: the caller is one of the pernet operations, or in a read-side
    /// critical section in which it saw `ready`.
    unsafe fn slot(&self, net: &Net) -> *mut NetSlot<T> {
        // SAFETY: `id` was written before `ready` was, and before the operations were called.
        let id = unsafe { *self.id.get() };
        // SAFETY: A live namespace by the type invariant of `Net`; the id is registered.
        unsafe { bindings::rust_ipvs_helper_net_generic(net.as_ptr(), id) }.cast()
    }

    /// Returns the state of a namespace; `None` before it is made, once it goes, and while the kind
    /// is not registered.
    pub(crate) fn get(&self, net: &Net) -> Option<Arc<T>> {
        super::rcu::read(|_| {
            if self.ready.load(Acquire) != READY {
                return None;
            }
            // SAFETY: Seen to be ready in this critical section. When the registration is undone,
            // `ready` is changed first, for good, and a grace period lies between `pre_exit` and
            // `exit` of all namespaces, after which the id and the slots are given up.
            let slot = unsafe { self.slot(net) };
            // SAFETY: Null, or memory of the namespace for as long as the critical section lasts.
            let state = unsafe { slot.as_ref() }?.state.load() as *const T;
            if state.is_null() {
                return None;
            }
            // SAFETY: The word is zero or an `Arc` that the namespace owns until `exit`, a grace
            // period after it was cleared in `pre_exit`. The reference that is made must not
            // consume that one.
            let own = ManuallyDrop::new(unsafe { Arc::from_raw(state) });
            Some(Arc::clone(&own))
        })
    }
}

/// Keeps a kind of state registered.
pub(crate) struct NamespacesGuard<T: Namespaced> {
    namespaces: &'static Namespaces<T>,
    registered: bool,
}

impl<T: Namespaced> Drop for NamespacesGuard<T> {
    fn drop(&mut self) {
        let namespaces = self.namespaces;
        // A grace period lies between this and the end of the slots: see `Namespaces::get`.
        namespaces.ready.store(GOING, Relaxed);
        if self.registered {
            // SAFETY: Registered by `register`; this waits for `exit` in all namespaces.
            unsafe { bindings::unregister_pernet_subsys(namespaces.operations.get()) };
        }
        // SAFETY: C code has forgotten the static, so it is ours again.
        unsafe { *namespaces.shared.get() = None };
        namespaces.ready.store(UNKNOWN, Relaxed);
        namespaces.taken.store(0, Release);
    }
}

/// The C `init` callback of `T`. Process context, under `pernet_ops_rwsem`.
///
/// # Safety
///
/// `net` must be a live namespace, for which `T` is registered.
unsafe extern "C" fn init<T: Namespaced>(net: *mut bindings::net) -> c_int {
    // SAFETY: By the contract of this function.
    let net = unsafe { Net::from_raw(net) };
    let namespaces = T::namespaces();
    from_result(|| {
        // SAFETY: Written before the registration and not until after it.
        let shared = unsafe { &*namespaces.shared.get() };
        // The id was written before the first call of this function.
        let _ = namespaces.ready.cmpxchg(UNKNOWN, READY, Full);
        // INVARIANT: The namespace is there, and `pre_exit` makes the word zero and waits for
        // leases.
        let weak_net = WeakNet {
            net: Word::new(ptr::from_ref(net) as usize),
            leases: Atomic::new(0),
        };
        let weak_net = Arc::new(weak_net, GFP_KERNEL)?;
        let state = T::new(net, &weak_net, shared.as_ref().ok_or(EINVAL)?)?;
        let own = Arc::into_raw(state);
        // SAFETY: The slot was allocated for this namespace, zeroed, and only `state` of it is read
        // by others.
        let slot = unsafe { &mut *namespaces.slot(net) };
        // INVARIANT: Both from `into_raw`. The state is complete before it can be found.
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
    // SAFETY: By the contract of this function.
    let net = unsafe { Net::from_raw(net) };
    // SAFETY: Registered, and the slot was filled by `init`; others read no more than `state`.
    let slot = unsafe { &*T::namespaces().slot(net) };
    // INVARIANT: A grace period follows before `exit`, and before the namespace goes.
    slot.state.store(0);
    // SAFETY: By the type invariant of `Slot`, and `exit` comes later.
    let (own, weak_net) = unsafe { (slot.own.as_ref(), slot.weak_net.as_ref()) };
    let (Some(_), Some(weak_net)) = (own, weak_net) else {
        return;
    };
    weak_net.close();
    // SAFETY: By the type invariant; the reference that is made must not consume the namespace's
    // own.
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
    // SAFETY: By the contract of this function.
    let net = unsafe { Net::from_raw(net) };
    // SAFETY: Registered; nobody reads the slot any more, as a grace period has passed since
    // `pre_exit`.
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
