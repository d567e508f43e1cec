// SPDX-License-Identifier: GPL-2.0

//! `kernel::sync::atomic`.

use engine::Order;
use std::cell::UnsafeCell;

/// Integers that the engine stores in 64 bits.
pub trait Value: Copy + PartialEq {
    fn bits(self) -> u64;
    fn from_bits(bits: u64) -> Self;
    fn wrapping_add(self, other: Self) -> Self;
    fn wrapping_sub(self, other: Self) -> Self;
}

macro_rules! values {
    ($($type:ty),*) => {
        $(impl Value for $type {
            fn bits(self) -> u64 {
                self as u64
            }
            fn from_bits(bits: u64) -> Self {
                bits as Self
            }
            fn wrapping_add(self, other: Self) -> Self {
                <$type>::wrapping_add(self, other)
            }
            fn wrapping_sub(self, other: Self) -> Self {
                <$type>::wrapping_sub(self, other)
            }
        })*
    };
}
values!(u8, u16, u32, i32, u64, i64, usize, isize);

/// Memory order, as a type.
pub trait Ordering {
    const ORDER: Order;
}

/// No ordering.
pub struct Relaxed;
/// Orders the access before later ones.
pub struct Acquire;
/// Orders the access after earlier ones.
pub struct Release;
/// Full barrier.
pub struct Full;

impl Ordering for Relaxed {
    const ORDER: Order = Order::Relaxed;
}
impl Ordering for Acquire {
    const ORDER: Order = Order::Acquire;
}
impl Ordering for Release {
    const ORDER: Order = Order::Release;
}
impl Ordering for Full {
    const ORDER: Order = Order::Full;
}

/// Word shared between threads.
#[repr(transparent)]
pub struct Atomic<T>(UnsafeCell<T>);

// SAFETY: All accesses go through the engine, and one thread runs at a time.
unsafe impl<T: Send> Sync for Atomic<T> {}

impl<T: Value> Atomic<T> {
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    fn address(&self) -> usize {
        self.0.get() as usize
    }

    fn now(&self) -> T {
        // SAFETY: One thread runs at a time.
        unsafe { self.0.get().read() }
    }

    fn write(&self, value: T) {
        // SAFETY: One thread runs at a time.
        unsafe { self.0.get().write(value) }
    }

    #[track_caller]
    pub fn load<O: Ordering>(&self, _: O) -> T {
        T::from_bits(engine::load(self.address(), self.now().bits(), O::ORDER))
    }

    #[track_caller]
    pub fn store<O: Ordering>(&self, value: T, _: O) {
        engine::store(self.address(), self.now().bits(), value.bits(), O::ORDER);
        self.write(value);
    }

    #[track_caller]
    fn modify(&self, order: Order, change: impl Fn(T) -> Option<T>) -> T {
        let bits = |old| change(T::from_bits(old)).map(T::bits);
        let old = engine::modify(self.address(), self.now().bits(), bits, order);
        let old = T::from_bits(old);
        if let Some(new) = change(old) {
            self.write(new);
        }
        old
    }

    #[track_caller]
    pub fn xchg<O: Ordering>(&self, value: T, _: O) -> T {
        self.modify(O::ORDER, |_| Some(value))
    }

    #[track_caller]
    pub fn cmpxchg<O: Ordering>(&self, old: T, new: T, _: O) -> Result<T, T> {
        let found = self.modify(O::ORDER, |now| (now == old).then_some(new));
        if found == old {
            Ok(found)
        } else {
            Err(found)
        }
    }

    #[track_caller]
    pub fn add(&self, value: T, _: Relaxed) {
        self.modify(Order::Relaxed, |now| Some(now.wrapping_add(value)));
    }

    #[track_caller]
    pub fn fetch_add<O: Ordering>(&self, value: T, _: O) -> T {
        self.modify(O::ORDER, |now| Some(now.wrapping_add(value)))
    }

    #[track_caller]
    pub fn fetch_sub<O: Ordering>(&self, value: T, _: O) -> T {
        self.modify(O::ORDER, |now| Some(now.wrapping_sub(value)))
    }
}
