// SPDX-License-Identifier: GPL-2.0

//! Sysctl variables under `/proc/sys/net`, one set per network namespace.
//!
//! C header: [`include/linux/sysctl.h`](srctree/include/linux/sysctl.h)
//!
//! A [`SysctlTable`] lists its [`Variable`]s: name, location of the value in the owner, and
//! accepted values. The [`Registration`] holds a reference to the owner, so the values exist as
//! long as the files do, and packets read them where they are used, as plain fields.
//!
//! C code points `ctl_table::data` at the value and lets generic handlers access it. Here one
//! handler reads the value into a local variable, calls the generic one on that, and stores the
//! result: a value that is refused never becomes visible.
//!
//! Files can be written by processes with `CAP_NET_ADMIN` in the user namespace that owns the
//! network namespace.
//!
//! # Errors of writes
//!
//! A value out of range, or of a wrong format, is refused with `EINVAL` by the generic handlers and
//! is not stored. A function given to [`Variable::on_write`] may refuse with an error of its own.
//!
//! # Context
//!
//! Registration and all accesses happen in process context and may sleep. Accesses to one variable
//! may run on several CPUs at once: each stores a whole word, and the last one wins.
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::{
//! #     net::Lease,
//! #     once::Word,
//! #     sysctl::{Registration, SysctlTable, Variable},
//! # };
//! # use kernel::sync::Arc;
//! struct Limits {
//!     low: Word<i32>,
//!     high: Word<i32>,
//! }
//!
//! struct Example;
//! impl SysctlTable for Example {
//!     type Owner = Limits;
//!     const PATH: &'static CStr = c"net/example";
//!     const VARIABLES: &'static [Variable<Limits>] = &[
//!         Variable::new(c"low", |limits: &Limits| &limits.low),
//!         Variable::new(c"high", |limits: &Limits| &limits.high).range(0, 100),
//!     ];
//! }
//!
//! # fn example(lease: Lease, limits: Arc<Limits>) -> Result {
//! let registration = Registration::<Example>::new(lease, limits)?;
//! # Ok(())
//! # }
//! ```

use super::{
    cpus::CpuList,
    net::{
        Lease,
        Net, //
    },
    once::Word, //
};
use crate::bindings;
use core::ptr::{self, NonNull};
use kernel::{
    error::{from_result, to_result},
    prelude::*,
    sync::Arc,
};

/// A directory of sysctl variables.
///
/// Implemented by a type without values, which stands for the directory.
pub(crate) trait SysctlTable: 'static {
    /// Type of the object that has the values.
    type Owner: Send + Sync + 'static;

    /// Path of the directory under `/proc/sys`, without leading and trailing slashes.
    const PATH: &'static CStr;

    /// Variables of the directory.
    const VARIABLES: &'static [Variable<Self::Owner>];
}

/// A sysctl variable, that is, one file.
pub(crate) struct Variable<O: 'static> {
    /// File name.
    name: &'static CStr,
    /// Type and location of the value.
    value: Value<O>,
    /// Accepted minimum and maximum. For [`Value::Number`] only.
    range: (i32, i32),
    /// Function that stores a written value, instead of a plain store. For [`Value::Number`] only.
    write: Option<fn(&O, i32) -> Result>,
    /// Access from user namespaces other than the initial one.
    abroad: Abroad,
}

/// Access to a variable in network namespaces that do not belong to the initial user namespace.
enum Abroad {
    /// Their administrators may write it.
    Writable,
    /// They may read it. Its value affects the whole host.
    ReadOnly,
    /// The file does not exist there.
    Absent,
}

/// Type and location of a variable's value.
enum Value<O: 'static> {
    /// A signed 32-bit integer.
    Number(fn(&O) -> &Word<i32>),
    /// An unsigned integer of the size of a pointer (C: `unsigned long`).
    Long(fn(&O) -> &Word<usize>),
    /// Two integers, and a function that returns `true` if they may be set together.
    Pair(fn(&O) -> &[Word<i32>; 2], fn(i32, i32) -> bool),
    /// A list of CPUs, and a function that is called after it was written.
    Cpus(fn(&O) -> &CpuList, fn(&O) -> Result),
}

impl<O> Value<O> {
    /// Returns the size in bytes of the C variable, as `ctl_table::maxlen` needs it.
    fn size(&self) -> usize {
        match self {
            Self::Number(_) | Self::Cpus(..) => size_of::<c_int>(),
            Self::Long(_) => size_of::<c_ulong>(),
            Self::Pair(..) => size_of::<[c_int; 2]>(),
        }
    }
}

impl<O> Variable<O> {
    /// Creates a variable that accepts any 32-bit integer.
    pub(crate) const fn new(name: &'static CStr, value: fn(&O) -> &Word<i32>) -> Self {
        Self::of(name, Value::Number(value))
    }

    /// Creates a variable that accepts any unsigned integer of the size of a pointer.
    pub(crate) const fn long(name: &'static CStr, value: fn(&O) -> &Word<usize>) -> Self {
        Self::of(name, Value::Long(value))
    }

    /// Creates a variable of two integers. Writing fails with `EINVAL` if `go_together` returns
    /// `false` for them.
    pub(crate) const fn pair(
        name: &'static CStr,
        value: fn(&O) -> &[Word<i32>; 2],
        go_together: fn(i32, i32) -> bool,
    ) -> Self {
        Self::of(name, Value::Pair(value, go_together))
    }

    /// Creates a variable that is a list of CPUs. `changed` is called after it was written; its
    /// error becomes that of the write, but the list stays changed.
    pub(crate) const fn cpus(
        name: &'static CStr,
        list: fn(&O) -> &CpuList,
        changed: fn(&O) -> Result,
    ) -> Self {
        Self::of(name, Value::Cpus(list, changed))
    }

    /// Creates a variable without restrictions.
    const fn of(name: &'static CStr, value: Value<O>) -> Self {
        Self {
            name,
            value,
            range: (i32::MIN, i32::MAX),
            write: None,
            abroad: Abroad::Writable,
        }
    }

    /// Restricts a 32-bit integer to `min..=max`. Writing another value fails with `EINVAL`.
    pub(crate) const fn range(mut self, min: i32, max: i32) -> Self {
        self.range = (min, max);
        self
    }

    /// Makes writes call `write` with the new value, which stores it or returns an error. It runs
    /// in the writing process and may sleep.
    pub(crate) const fn on_write(mut self, write: fn(&O, i32) -> Result) -> Self {
        self.write = Some(write);
        self
    }

    /// Makes the variable read-only in network namespaces that do not belong to the initial user
    /// namespace.
    ///
    /// For values that affect the whole host, which the administrator of a container must not
    /// change.
    pub(crate) const fn owned_by_host(mut self) -> Self {
        self.abroad = Abroad::ReadOnly;
        self
    }

    /// Hides the variable in network namespaces that do not belong to the initial user namespace.
    pub(crate) const fn hidden_from_others(mut self) -> Self {
        self.abroad = Abroad::Absent;
        self
    }

    /// Returns the C description of this variable in `net`; `None` if it is hidden there.
    fn describe(&'static self, net: &Net, owner: &O) -> Option<bindings::ctl_table> {
        // SAFETY: By the type invariant of `Net` the reference is to a live `struct net`, whose
        // `user_ns` does not change.
        let of = unsafe { (*net.as_ptr()).user_ns };
        // Like all variables under /proc/sys/net, the files belong to root of the user namespace;
        // the mode is what remains to be decided.
        let mode = if of == &raw mut bindings::init_user_ns {
            0o644
        } else {
            match self.abroad {
                Abroad::Writable => 0o644,
                Abroad::ReadOnly => 0o444,
                Abroad::Absent => return None,
            }
        };
        Some(bindings::ctl_table {
            procname: self.name.as_char_ptr(),
            // Not `data`: the core expects it to point at a value, and warns if that is static data
            // of a module, which all namespaces would share.
            extra1: ptr::from_ref(owner).cast_mut().cast(),
            extra2: ptr::from_ref(self).cast_mut().cast(),
            maxlen: self.value.size() as c_int,
            mode,
            proc_handler: Some(handle::<O>),
            ..pin_init::zeroed()
        })
    }
}

/// The registered variables of one namespace. Dropping it removes the files.
///
/// `drop` waits for accesses that are running. Process context.
///
/// # Invariants
///
/// - `header` was registered with the elements of `_table`, which do not move until it is
///   unregistered.
/// - Each element has the address of the object in `_owner` in `extra1`, and that of its
///   [`Variable`] in `extra2`.
/// - `_lease` keeps the namespace from being torn down before this value is dropped.
///
/// `register_net_sysctl_sz()` keeps pointers to the table, so that is owned here.
pub(crate) struct Registration<T: SysctlTable> {
    header: NonNull<bindings::ctl_table_header>,
    _lease: Lease,
    _table: KVec<bindings::ctl_table>,
    _owner: Arc<T::Owner>,
}

// SAFETY: A table may be unregistered from any thread, and the owner is `Send + Sync`.
unsafe impl<T: SysctlTable> Send for Registration<T> {}
// SAFETY: There are no methods on a shared reference.
unsafe impl<T: SysctlTable> Sync for Registration<T> {}

impl<T: SysctlTable> Registration<T> {
    /// Registers the variables in the namespace of `lease`. Process context; sleeps.
    ///
    /// The result keeps `owner` alive. It must be dropped by
    /// [`Namespaced::stop`](super::net::Namespaced::stop) at the latest, which otherwise waits for
    /// the lease.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, also if a file of one of the names exists; the core does not tell the two apart.
    pub(crate) fn new(lease: Lease, owner: Arc<T::Owner>) -> Result<Self> {
        let mut table = KVec::with_capacity(T::VARIABLES.len(), GFP_KERNEL)?;
        for variable in T::VARIABLES {
            // Within the capacity, so the elements do not move, and no terminating entry is needed:
            // the size is passed.
            if let Some(element) = variable.describe(&lease, &owner) {
                table.push_within_capacity(element).map_err(|_| ENOMEM)?;
            }
        }
        // SAFETY: The namespace is live by the type invariant of `Lease`, and the path is static.
        // The elements of the table are on the heap; they are freed after the header is
        // unregistered, by the type invariant that is established below.
        let header = unsafe {
            bindings::register_net_sysctl_sz(
                lease.as_ptr(),
                T::PATH.as_char_ptr(),
                table.as_mut_ptr(),
                table.len(),
            )
        };
        // INVARIANT: The table was registered just now with elements that `describe` made for this
        // owner. Nothing is pushed after this, so the elements do not move.
        Ok(Self {
            header: NonNull::new(header).ok_or(ENOMEM)?,
            _lease: lease,
            _table: table,
            _owner: owner,
        })
    }
}

impl<T: SysctlTable> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the header is registered, and only this call unregisters
        // it. It waits for callbacks that are running. The table and the owner are dropped after
        // it.
        unsafe { bindings::unregister_net_sysctl_table(self.header.as_ptr()) };
    }
}

/// Returns `true` if the current process has `CAP_NET_ADMIN` in the initial user namespace.
///
/// Used by writes whose effect depends on it. Permission to write at all was checked when the file
/// was opened. Process context.
pub(crate) fn writer_is_host_admin() -> bool {
    // SAFETY: `capable()` reads the credentials of the current process, which this is called for.
    unsafe { bindings::capable(bindings::CAP_NET_ADMIN as c_int) }
}

/// The C callback that reads or writes a variable of an owner of type `O`. Process context.
///
/// # Safety
///
/// Must be called by the sysctl core, as `ctl_table::proc_handler` of an element that
/// [`Variable::describe`] made for an `O`, and that is registered.
unsafe extern "C" fn handle<O: 'static>(
    table: *const bindings::ctl_table,
    write: c_int,
    buffer: *mut c_void,
    length: *mut usize,
    position: *mut bindings::loff_t,
) -> c_int {
    from_result(|| {
        // SAFETY: By the contract of this function the element is registered, hence valid.
        let table = unsafe { &*table };
        // SAFETY: `describe` set `extra1` to an owner of type `O`, which the registration keeps
        // alive until callbacks have returned, and `extra2` to a static variable of such an owner.
        let (owner, variable) = unsafe {
            (
                &*table.extra1.cast::<O>(),
                &*table.extra2.cast::<Variable<O>>(),
            )
        };
        // All kinds but the plain integer are handled in their arms and return there.
        let word = match variable.value {
            Value::Number(word) => word(owner),
            Value::Long(word) => {
                let word = word(owner);
                // A local copy: a write that fails half way leaves the variable as it is.
                let mut value = word.load();
                let local = copied(table, (&raw mut value).cast());
                // SAFETY: `local` points at `value`, which outlives the call. The other arguments
                // are what the core passed for the same purpose.
                to_result(unsafe {
                    bindings::proc_doulongvec_minmax(
                        &raw const local,
                        write,
                        buffer,
                        length,
                        position,
                    )
                })?;
                if write != 0 {
                    word.store(value);
                }
                return Ok(0);
            }
            Value::Pair(words, go_together) => {
                let words = words(owner);
                let mut values = words.each_ref().map(Word::load);
                let local = copied(table, values.as_mut_ptr().cast());
                // SAFETY: `local` points at `values`, which outlives the call; its `maxlen` is the
                // size of both. The other arguments are what the core passed for the same purpose.
                to_result(unsafe {
                    bindings::proc_dointvec(&raw const local, write, buffer, length, position)
                })?;
                if write != 0 {
                    let [first, second] = values;
                    // Both words are stored or none, but not at once: a reader may see the new
                    // first with the old second one.
                    if !go_together(first, second) {
                        return Err(EINVAL);
                    }
                    for (word, value) in words.iter().zip(values) {
                        word.store(value);
                    }
                }
                return Ok(0);
            }
            Value::Cpus(list, changed) => {
                // SAFETY: The arguments are those of the sysctl core, by the contract of this
                // function.
                unsafe { handle_cpus(list(owner), write != 0, buffer, length, position)? };
                if write != 0 {
                    changed(owner)?;
                }
                return Ok(0);
            }
        };

        // A plain integer, with its range.
        let before = word.load();
        let mut value: c_int = before;
        let (mut min, mut max) = variable.range;
        let local = bindings::ctl_table {
            extra1: (&raw mut min).cast(),
            extra2: (&raw mut max).cast(),
            ..copied(table, (&raw mut value).cast())
        };
        // SAFETY: By the contract of this function `position` is valid for reads.
        let at_start = unsafe { *position } == 0;
        // SAFETY: `local` points at `value`, `min` and `max`, which outlive the call. The other
        // arguments are what the core passed for the same purpose.
        to_result(unsafe {
            bindings::proc_dointvec_minmax(&raw const local, write, buffer, length, position)
        })?;
        // The core ignores a write that does not begin at the start of the file, unless
        // `kernel.sysctl_writes_strict` is changed. Then the value is unchanged and nothing is to
        // be stored.
        if write != 0 && (at_start || value != before) {
            match variable.write {
                Some(write) => write(owner, value)?,
                None => word.store(value),
            }
        }
        Ok(0)
    })
}

/// Returns a copy of `table` for the value at `data`, without a range.
///
/// The generic handlers take all they need from the description: address, size and mode.
fn copied(table: &bindings::ctl_table, data: *mut c_void) -> bindings::ctl_table {
    bindings::ctl_table {
        data,
        maxlen: table.maxlen,
        mode: table.mode,
        ..pin_init::zeroed()
    }
}

/// Reads or writes a list of CPUs. Fails with an error of [`CpuList::parse`].
///
/// # Safety
///
/// The last three arguments must be those of the sysctl core to a handler that writes, if `write`
/// is `true`, or reads.
unsafe fn handle_cpus(
    list: &CpuList,
    write: bool,
    buffer: *mut c_void,
    length: *mut usize,
    position: *mut bindings::loff_t,
) -> Result {
    // SAFETY: By the contract of this function both pointers are valid and not used by others
    // during the call.
    let (length, position) = unsafe { (&mut *length, &mut *position) };
    if write {
        // SAFETY: The core has copied the written text to kernel memory and terminated it.
        list.parse(unsafe { CStr::from_char_ptr(buffer.cast()) })?;
    } else if *length == 0 || *position != 0 {
        // The list is read at once. A second read, at an offset, is at the end of the file.
        *length = 0;
    } else {
        // SAFETY: The core's buffer has `*length + 1` bytes, zeroed, and nobody else uses it during
        // the call.
        let text = unsafe {
            core::slice::from_raw_parts_mut(buffer.cast::<u8>(), length.saturating_add(1))
        };
        *length = list.print(text);
    }
    *position = position.saturating_add(bindings::loff_t::try_from(*length)?);
    Ok(())
}
