// SPDX-License-Identifier: GPL-2.0

//! Network namespaces, and what a module keeps in each.
//!
//! C header: [`include/net/net_namespace.h`](srctree/include/net/net_namespace.h)
//!
//! A module's state per namespace is an `Arc<T>`, made when the namespace or the module comes and
//! let go when either goes. Between [`Namespaced::stop`] and the last drop lies a grace period, so
//! packets that are still in a hook find the state alive.
//!
//! # Examples
//!
//! ```ignore
//! static STATES: Namespaces<State> = Namespaces::new();
//! impl Namespaced for State {
//!     type Shared = ();
//!     fn namespaces() -> &'static Namespaces<Self> { &STATES }
//!     fn new(net: &Net, _: &()) -> Result<Arc<Self>> { … }
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
    ptr, //
};
use kernel::{
    error::{from_result, to_result},
    prelude::*,
    sync::Arc,
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

    /// Whether this is the namespace that the machine booted with.
    pub(crate) fn is_initial(&self) -> bool {
        // SAFETY: A live namespace by the type invariant.
        unsafe { bindings::rust_ipvs_helper_net_is_init(self.as_ptr()) }
    }

    /// The first port that needs no privilege (`net.ipv4.ip_unprivileged_port_start`).
    pub(crate) fn unprivileged_port_start(&self) -> u32 {
        // SAFETY: A live namespace by the type invariant.
        let port = unsafe { bindings::rust_ipvs_helper_unprivileged_port_start(self.as_ptr()) };
        u32::try_from(port).unwrap_or(0)
    }

    /// Whether packets can be sent to an IPv4 address from here: unicast or local.
    pub(crate) fn is_usable_v4(&self, addr: [u8; 4]) -> bool {
        // SAFETY: A live namespace by the type invariant.
        unsafe {
            bindings::rust_ipvs_helper_addr_is_usable_v4(self.as_ptr(), u32::from_ne_bytes(addr))
        }
    }

    /// Whether packets can be sent to an IPv6 address from here: unicast beyond the link, or local.
    pub(crate) fn is_usable_v6(&self, addr: [u8; 16]) -> bool {
        let addr = super::inet::in6(addr);
        // SAFETY: A live namespace by the type invariant; the address is on this stack.
        unsafe { bindings::rust_ipvs_helper_addr_is_usable_v6(self.as_ptr(), &addr) }
    }

    /// Whether an IPv4 address is another host's: neither local, nor of a group, nor a broadcast.
    pub(crate) fn is_unicast_v4(&self, addr: [u8; 4]) -> bool {
        // SAFETY: A live namespace by the type invariant.
        unsafe {
            bindings::rust_ipvs_helper_addr_is_unicast_v4(self.as_ptr(), u32::from_ne_bytes(addr))
        }
    }

    /// Whether an IPv6 address is one of one host, which may be this one.
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
    /// Its first IPv4 address, or where it has none that of another device; all zeroes where there is none.
    pub(crate) addr_v4: [u8; 4],
}

impl Net {
    /// The device of a name.
    pub(crate) fn device(&self, name: &CStr) -> Option<Device> {
        let (mut index, mut mtu, mut addr) = (0, 0, 0);
        let found = super::rcu::read(|_| {
            // SAFETY: A live namespace by the type invariant, under RCU; the results are on this stack.
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

/// The namespace that a state is of, for as long as the two belong together.
///
/// # Invariants
///
/// The word is the address of a namespace, or zero from [`Namespaced::stop`] on: the namespace lives for a grace period longer at
/// least.
pub(crate) struct Home(Word<usize>);

impl Home {
    /// The namespace, while its state has not been told to stop.
    pub(crate) fn get<'g>(&self, _rcu: Rcu<'g>) -> Option<&'g Net> {
        // SAFETY: By the type invariant it lives as long as this read-side critical section, if there is one.
        unsafe { (self.0.load() as *const Net).as_ref() }
    }
}

/// State that a module keeps per namespace.
pub(crate) trait Namespaced: Send + Sync + Sized + 'static {
    /// What all namespaces share; made before the first and dropped after the last.
    type Shared: Send + Sync + 'static;

    /// The static that registers this type.
    fn namespaces() -> &'static Namespaces<Self>;

    /// Makes the state of a namespace. Process context.
    fn new(net: &Net, shared: &Self::Shared) -> Result<Arc<Self>>;

    /// Called once, with the namespace that the state is of, before anybody gets at the state.
    fn move_in(_this: &Arc<Self>, _home: Arc<Home>) {}

    /// Called before the state is let go; nothing may come in from outside any more afterwards.
    fn stop(this: &Arc<Self>);
}

/// What a namespace has of a kind of state.
struct Slot<T> {
    state: *const T,
    home: *const Home,
}

/// A registered kind of state. To be kept in a `static`.
///
/// # Invariants
///
/// `operations`, `id` and `shared` are written only by [`Namespaces::register`], before C code knows
/// of them, and by the drop of its registration, after it forgot them.
pub(crate) struct Namespaces<T: Namespaced> {
    operations: UnsafeCell<bindings::pernet_operations>,
    id: UnsafeCell<c_uint>,
    shared: UnsafeCell<Option<T::Shared>>,
    taken: kernel::sync::atomic::Atomic<i32>,
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
            taken: kernel::sync::atomic::Atomic::new(0),
        }
    }

    /// Makes the state of every namespace, now and when one is created later.
    pub(crate) fn register(&'static self, shared: T::Shared) -> Result<NamespacesGuard<T>> {
        use kernel::sync::atomic::Acquire;
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
                size: size_of::<Slot<T>>(),
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

    fn slot(&self, net: &Net) -> *mut Slot<T> {
        // SAFETY: `id` was written by the registration, which is what callers follow on.
        let id = unsafe { *self.id.get() };
        // SAFETY: A live namespace by the type invariant of `Net`; the id is registered.
        unsafe { bindings::rust_ipvs_helper_net_generic(net.as_ptr(), id) }.cast()
    }

    /// The state of a namespace; `None` before it is made and after it is let go.
    pub(crate) fn get(&self, net: &Net) -> Option<Arc<T>> {
        let slot = self.slot(net);
        if slot.is_null() {
            return None;
        }
        // SAFETY: The slot holds null or an `Arc` that the namespace owns. It is emptied in `exit`
        // only, when neither the namespace nor the module can be asked for anything any more.
        let state = unsafe { (*slot).state };
        if state.is_null() {
            return None;
        }
        // SAFETY: As above. The reference that is made must not consume the namespace's own.
        let own = ManuallyDrop::new(unsafe { Arc::from_raw(state) });
        Some(Arc::clone(&own))
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
        if self.registered {
            // SAFETY: Registered by `register`; this waits for `exit` in all namespaces.
            unsafe { bindings::unregister_pernet_subsys(namespaces.operations.get()) };
        }
        // What the states queued for freeing runs code of this module and may use `shared`.
        super::rcu::barrier();
        // SAFETY: C code has forgotten the static, so it is ours again.
        unsafe { *namespaces.shared.get() = None };
        namespaces.taken.store(0, kernel::sync::atomic::Release);
    }
}

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
        // INVARIANT: The namespace is there, and `pre_exit` makes the word zero.
        let home = Arc::new(Home(Word::new(ptr::from_ref(net) as usize)), GFP_KERNEL)?;
        let state = T::new(net, shared.as_ref().ok_or(EINVAL)?)?;
        T::move_in(&state, home.clone());
        let slot = Slot {
            state: Arc::into_raw(state),
            home: Arc::into_raw(home),
        };
        // SAFETY: The slot was allocated for this namespace, zeroed, and nobody asks for it yet.
        unsafe { namespaces.slot(net).write(slot) };
        Ok(0)
    })
}

/// # Safety
///
/// As for [`init`], which must have succeeded.
unsafe extern "C" fn pre_exit<T: Namespaced>(net: *mut bindings::net) {
    // SAFETY: By the contract of this function.
    let net = unsafe { Net::from_raw(net) };
    // SAFETY: The slot was filled by `init`.
    if let Some(home) = unsafe { (*T::namespaces().slot(net)).home.as_ref() } {
        // INVARIANT: A grace period follows before `exit`, and before the namespace goes.
        home.0.store(0);
    }
    if let Some(state) = T::namespaces().get(net) {
        T::stop(&state);
    }
}

/// # Safety
///
/// As for [`pre_exit`], which must have been called.
unsafe extern "C" fn exit<T: Namespaced>(net: *mut bindings::net) {
    // SAFETY: By the contract of this function.
    let net = unsafe { Net::from_raw(net) };
    let slot = T::namespaces().slot(net);
    // SAFETY: The slot holds each `Arc` from `init`; nobody asks for it any more.
    unsafe {
        let Slot { state, home } = slot.replace(Slot {
            state: ptr::null(),
            home: ptr::null(),
        });
        if !state.is_null() {
            drop(Arc::from_raw(state));
        }
        if !home.is_null() {
            drop(Arc::from_raw(home));
        }
    }
}
