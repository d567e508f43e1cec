// SPDX-License-Identifier: GPL-2.0

//! The parts of the kernel that the table uses.

use std::{
    cell::{
        Cell,
        RefCell, //
    },
    sync::{
        Mutex,
        RwLock,
        RwLockReadGuard, //
    },
};

type Hook = Box<dyn FnMut(usize)>;
type Callback = unsafe extern "C" fn(*mut bindings::callback_head);

thread_local! {
    /// Number of words that this thread has loaded.
    static LOADS: Cell<usize> = const { Cell::new(0) };
    /// Number of loads when this thread took its lock; `None` if it holds none.
    static LOCKED: Cell<Option<usize>> = const { Cell::new(None) };
    /// Maximum number of loads of this thread under one lock.
    static LONGEST: Cell<usize> = const { Cell::new(0) };
    /// Called before a lock is taken, with its address.
    static BEFORE_LOCK: RefCell<Option<Hook>> = const { RefCell::new(None) };
    /// Nesting of this thread's read-side sections, and the guard of the outermost one.
    static READING: RefCell<(usize, Option<RwLockReadGuard<'static, ()>>)> =
        const { RefCell::new((0, None)) };
}

/// Read-locked by readers, and write-locked by a grace period.
static GRACE: RwLock<()> = RwLock::new(());
static CALLBACKS: Mutex<Vec<(usize, Callback)>> = Mutex::new(Vec::new());

/// Sets a hook that is called before each lock that this thread takes.
pub fn before_locks(hook: impl FnMut(usize) + 'static) {
    BEFORE_LOCK.with(|before| *before.borrow_mut() = Some(Box::new(hook)));
}

/// Returns true if this thread holds a lock.
pub fn is_locked() -> bool {
    LOCKED.get().is_some()
}

/// Returns the number of words that this thread has loaded since the last call: in total, and the
/// maximum under one lock.
pub fn loads() -> (usize, usize) {
    (LOADS.replace(0), LONGEST.replace(0))
}

/// Waits for a grace period and runs the callbacks.
pub fn grace_period() {
    let due = std::mem::take(&mut *CALLBACKS.lock().unwrap());
    drop(GRACE.write().unwrap());
    for (head, callback) in due {
        // SAFETY: The caller of `call_rcu()` promised that it may be called after a grace period.
        unsafe { callback(head as *mut bindings::callback_head) };
    }
}

pub mod bindings {
    #![allow(non_camel_case_types, clippy::missing_safety_doc)]

    use super::*;
    use std::sync::atomic::{
        AtomicBool,
        AtomicUsize,
        Ordering::SeqCst, //
    };

    pub type spinlock_t = AtomicBool;

    #[repr(C)]
    pub struct callback_head([usize; 2]);

    pub unsafe fn rust_ipvs_helper_spin_lock_init(lock: *mut spinlock_t) {
        unsafe { lock.write(AtomicBool::new(false)) }
    }

    pub unsafe fn rust_ipvs_helper_spin_lock_softirq(lock: *mut spinlock_t) -> bool {
        assert!(LOCKED.get().is_none(), "one lock at a time");
        let hook = BEFORE_LOCK.with(|before| before.borrow_mut().take());
        if let Some(mut hook) = hook {
            hook(lock as usize);
            BEFORE_LOCK.with(|before| _ = before.borrow_mut().get_or_insert(hook));
        }
        while unsafe { &*lock }.swap(true, SeqCst) {
            std::thread::yield_now();
        }
        LOCKED.set(Some(LOADS.get()));
        true
    }

    pub unsafe fn rust_ipvs_helper_spin_unlock_softirq(lock: *mut spinlock_t, bh: bool) {
        assert!(bh, "what taking the lock returned");
        let since = LOCKED.take().expect("a lock is held");
        LONGEST.set(LONGEST.get().max(LOADS.get() - since));
        unsafe { &*lock }.store(false, SeqCst);
    }

    pub unsafe fn rust_ipvs_helper_spin_lock_nested(lock: *mut spinlock_t, nesting: i32) {
        assert!(
            LOCKED.get().is_some() && nesting > 0,
            "another lock is held"
        );
        while unsafe { &*lock }.swap(true, SeqCst) {
            std::thread::yield_now();
        }
    }

    pub unsafe fn rust_ipvs_helper_spin_unlock(lock: *mut spinlock_t) {
        assert!(LOCKED.get().is_some(), "another lock is held");
        unsafe { &*lock }.store(false, SeqCst);
    }

    pub unsafe fn rust_ipvs_helper_cond_resched() {
        assert!(LOCKED.get().is_none() && READING.with(|reading| reading.borrow().0 == 0));
        std::thread::yield_now();
    }

    pub unsafe fn rust_ipvs_helper_xchg(word: *mut usize, new: usize) -> usize {
        unsafe { AtomicUsize::from_ptr(word) }.swap(new, SeqCst)
    }

    pub unsafe fn call_rcu(
        head: *mut callback_head,
        callback: Option<unsafe extern "C" fn(*mut callback_head)>,
    ) {
        let callback = (head as usize, callback.unwrap());
        CALLBACKS.lock().unwrap().push(callback);
    }
}

pub mod types {
    use std::{
        cell::UnsafeCell,
        mem::MaybeUninit, //
    };

    #[repr(transparent)]
    pub struct Opaque<T>(UnsafeCell<MaybeUninit<T>>);

    impl<T> Opaque<T> {
        pub const fn uninit() -> Self {
            Self(UnsafeCell::new(MaybeUninit::uninit()))
        }

        pub const fn get(&self) -> *mut T {
            self.0.get().cast()
        }

        pub const fn cast_from(this: *const T) -> *const Self {
            this.cast()
        }
    }
}

/// Types for which all zero bytes are valid.
pub trait Zeroable {}
impl Zeroable for u32 {}
impl Zeroable for usize {}

#[macro_export]
macro_rules! container_of {
    ($field:expr, $container:ty, $name:ident) => {{
        let offset = ::std::mem::offset_of!($container, $name);
        $field.byte_sub(offset).cast::<$container>()
    }};
}

pub mod prelude {
    use std::ops::{
        Deref,
        DerefMut, //
    };

    #[derive(Debug, PartialEq, Eq, Clone, Copy)]
    pub struct Error;
    pub type Result<T = (), E = Error> = std::result::Result<T, E>;
    pub const ENOSPC: Error = Error;
    pub const GFP_KERNEL: u32 = 1;
    pub const __GFP_NOWARN: u32 = 2;

    pub struct KBox<T>(Box<T>);

    impl<T> KBox<T> {
        pub fn new(value: T, _: u32) -> Result<Self> {
            Ok(Self(Box::new(value)))
        }

        pub fn into_raw(this: Self) -> *mut T {
            Box::into_raw(this.0)
        }

        /// # Safety
        ///
        /// As for `Box`.
        pub unsafe fn from_raw(raw: *mut T) -> Self {
            // SAFETY: By the contract of this function.
            Self(unsafe { Box::from_raw(raw) })
        }
    }

    pub struct KVec<T>(Vec<T>);
    pub type KVVec<T> = KVec<T>;

    impl<T> KVec<T> {
        pub fn with_capacity(capacity: usize, _: u32) -> Result<Self> {
            Ok(Self(Vec::with_capacity(capacity)))
        }

        pub fn push(&mut self, value: T, _: u32) -> Result<()> {
            assert!(self.0.len() < self.0.capacity(), "elements do not move");
            self.0.push(value);
            Ok(())
        }

        pub fn from_elem(value: T, count: usize, _: u32) -> Result<Self>
        where
            T: Clone,
        {
            Ok(Self(vec![value; count]))
        }

        pub fn zeroed(count: usize, _: u32) -> Result<Self> {
            // SAFETY: The elements are words, for which zero bytes are valid.
            Ok(Self(
                (0..count).map(|_| unsafe { std::mem::zeroed() }).collect(),
            ))
        }
    }

    impl<T> Deref for KVec<T> {
        type Target = [T];

        fn deref(&self) -> &[T] {
            &self.0
        }
    }

    impl<T> DerefMut for KVec<T> {
        fn deref_mut(&mut self) -> &mut [T] {
            &mut self.0
        }
    }
}

pub mod sync {
    pub mod barrier {
        pub struct Read;

        pub fn smp_mb(_: Read) {
            std::sync::atomic::fence(std::sync::atomic::Ordering::Acquire);
        }
    }

    pub mod atomic {
        use std::{
            cell::UnsafeCell,
            sync::atomic::{
                AtomicI32,
                AtomicIsize,
                AtomicU32,
                AtomicUsize,
                Ordering::SeqCst, //
            },
        };

        pub struct Relaxed;
        pub struct Acquire;
        pub struct Release;

        pub struct Atomic<T>(UnsafeCell<T>);

        // SAFETY: All accesses are atomic.
        unsafe impl<T: Send> Sync for Atomic<T> {}

        impl<T> Atomic<T> {
            pub const fn new(value: T) -> Self {
                Self(UnsafeCell::new(value))
            }
        }

        macro_rules! atomics {
            ($($type:ident $atomic:ident),*) => {
                $(
                    impl Atomic<$type> {
                        fn word(&self) -> &$atomic {
                            // SAFETY: The word lives as long as `self`, and all accesses are
                            // atomic.
                            unsafe { $atomic::from_ptr(self.0.get()) }
                        }

                        pub fn load<O>(&self, _: O) -> $type {
                            self.word().load(SeqCst)
                        }

                        pub fn store<O>(&self, value: $type, _: O) {
                            self.word().store(value, SeqCst)
                        }

                        pub fn add<O>(&self, value: $type, _: O) {
                            self.word().fetch_add(value, SeqCst);
                        }

                        pub fn fetch_add<O>(&self, value: $type, _: O) -> $type {
                            self.word().fetch_add(value, SeqCst)
                        }

                        pub fn fetch_sub<O>(&self, value: $type, _: O) -> $type {
                            self.word().fetch_sub(value, SeqCst)
                        }

                        pub fn cmpxchg<O>(
                            &self,
                            old: $type,
                            new: $type,
                            _: O,
                        ) -> Result<$type, $type> {
                            self.word().compare_exchange(old, new, SeqCst, SeqCst)
                        }
                    }
                )*
            };
        }
        atomics!(i32 AtomicI32, u32 AtomicU32, usize AtomicUsize, isize AtomicIsize);
    }
}

pub mod once {
    use super::LOADS;
    use std::{
        cell::UnsafeCell,
        sync::atomic::{
            fence,
            Ordering, //
        },
    };

    pub trait Single: Copy {}
    impl Single for u32 {}
    impl Single for i32 {}
    impl Single for usize {}

    #[repr(transparent)]
    pub struct Word<T: Single>(UnsafeCell<T>);

    // SAFETY: All accesses are volatile and of the whole word.
    unsafe impl<T: Single + Send> Sync for Word<T> {}

    impl<T: Single> Word<T> {
        pub const fn new(value: T) -> Self {
            Self(UnsafeCell::new(value))
        }

        pub fn load(&self) -> T {
            LOADS.set(LOADS.get() + 1);
            // SAFETY: The pointer is valid. Concurrent accesses are volatile too, as with
            // READ_ONCE().
            unsafe { self.0.get().read_volatile() }
        }

        pub fn store(&self, value: T) {
            // SAFETY: The pointer is valid. Concurrent accesses are volatile too, as with
            // WRITE_ONCE().
            unsafe { self.0.get().write_volatile(value) }
        }

        pub fn publish(&self, value: T) {
            fence(Ordering::Release);
            self.store(value);
        }
    }
}

pub mod rcu {
    use super::{
        GRACE,
        READING, //
    };
    use std::marker::PhantomData;

    #[derive(Clone, Copy)]
    pub struct Rcu<'g>(PhantomData<(&'g (), *const ())>);

    pub fn read<R>(f: impl FnOnce(Rcu<'_>) -> R) -> R {
        READING.with(|reading| {
            let mut reading = reading.borrow_mut();
            if reading.0 == 0 {
                reading.1 = Some(GRACE.read().unwrap());
            }
            reading.0 += 1;
        });
        let result = f(Rcu(PhantomData));
        READING.with(|reading| {
            let mut reading = reading.borrow_mut();
            reading.0 -= 1;
            if reading.0 == 0 {
                reading.1 = None;
            }
        });
        result
    }
}

pub mod heap {
    //! Memory of a slab's objects. Its bytes are overwritten when it is freed.

    use std::mem::MaybeUninit;

    /// Allocates memory for a `T`, which is not initialized.
    pub fn allocate<T>() -> *mut T {
        Box::into_raw(Box::<T>::new_uninit()).cast()
    }

    /// Frees the memory of an object.
    ///
    /// # Safety
    ///
    /// The memory is from [`allocate`], and its value has been dropped.
    pub unsafe fn free<T>(memory: *mut T) {
        // SAFETY: By the contract of this function.
        unsafe {
            memory.cast::<u8>().write_bytes(0xdb, size_of::<T>());
            drop(Box::from_raw(memory.cast::<MaybeUninit<T>>()));
        }
    }
}

pub mod cpus {
    use std::sync::atomic::{
        AtomicUsize,
        Ordering::SeqCst, //
    };

    static COUNT: AtomicUsize = AtomicUsize::new(4);

    /// Sets the number of CPUs.
    pub fn set(count: usize) {
        COUNT.store(count, SeqCst);
    }

    pub fn count() -> usize {
        COUNT.load(SeqCst)
    }
}

pub mod siphash {
    pub struct HalfSipKey;

    impl HalfSipKey {
        pub fn hash(&self, word: u32) -> u32 {
            !word
        }
    }
}

pub mod work {
    /// Replacement of the evidence of process context.
    pub struct Process;

    impl Process {
        pub fn give_way(&self) {
            // SAFETY: It checks itself that no lock is held.
            unsafe { super::bindings::rust_ipvs_helper_cond_resched() };
        }
    }
}
