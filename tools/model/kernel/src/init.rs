// SPDX-License-Identifier: GPL-2.0

//! `kernel::init`: in-place initialisation, as far as it is used.

use std::marker::PhantomData;

/// Initialiser of a `T` in place.
///
/// # Safety
///
/// `init` must initialise a whole `T`, unless it fails.
pub unsafe trait PinInit<T, E = std::convert::Infallible>: Sized {
    /// # Safety
    ///
    /// `slot` must be memory for a `T`.
    unsafe fn init(self, slot: *mut T) -> Result<(), E>;
}

// SAFETY: It writes the whole value.
unsafe impl<T, E> PinInit<T, E> for T {
    unsafe fn init(self, slot: *mut T) -> Result<(), E> {
        // SAFETY: By the contract of this function.
        unsafe { slot.write(self) };
        Ok(())
    }
}

/// Closure that initialises a `T`.
pub struct Closure<F, T>(F, PhantomData<fn(T)>);

// SAFETY: By the contract of `from_closure`.
unsafe impl<T, E, F: FnOnce(*mut T) -> Result<(), E>> PinInit<T, E> for Closure<F, T> {
    unsafe fn init(self, slot: *mut T) -> Result<(), E> {
        (self.0)(slot)
    }
}

/// # Safety
///
/// The closure must write a whole `T`, unless it fails.
pub unsafe fn from_closure<T, E, F: FnOnce(*mut T) -> Result<(), E>>(f: F) -> Closure<F, T> {
    Closure(f, PhantomData)
}

/// `try_pin_init!`, whose last field is initialised in place.
#[macro_export]
macro_rules! try_pin_init {
    (@ $name:ident [$($done:tt)*] $field:ident: $value:expr, $($rest:tt)*) => {
        $crate::try_pin_init!(@ $name [$($done)* ($field, $value)] $($rest)*)
    };
    (@ $name:ident [$(($field:ident, $value:expr))*] $last:ident <- $init:expr $(,)?) => {
        // SAFETY: All fields are written.
        unsafe {
            $crate::init::from_closure(move |slot: *mut $name<_>| {
                $((&raw mut (*slot).$field).write($value);)*
                $crate::init::PinInit::init($init, &raw mut (*slot).$last)?;
                Ok::<(), $crate::error::Error>(())
            })
        }
    };
    ($name:ident { $($fields:tt)* }) => {
        $crate::try_pin_init!(@ $name [] $($fields)*)
    };
}
