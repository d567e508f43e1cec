// SPDX-License-Identifier: GPL-2.0

//! Tunables under `/proc/sys/net`, one set per network namespace.
//!
//! C header: [`include/linux/sysctl.h`](srctree/include/linux/sysctl.h)
//!
//! A [`SysctlTable`] lists its [`Variable`]s: a name, where its value is found in an owner, and
//! what may be written. The owner is an `Arc` that the [`Registration`] keeps, so values live where
//! their readers want them and are there as long as the files are.
//!
//! Files belong to the owner of the namespace: whoever has `CAP_NET_ADMIN` in its user namespace
//! writes as root does.
//!
//! # Examples
//!
//! ```ignore
//! struct Limits { low: Word<i32>, high: Word<i32> }
//!
//! struct Example;
//! impl Table for Example {
//!     type Owner = Limits;
//!     const PATH: &'static CStr = c"net/example";
//!     const VARIABLES: &'static [Variable<Limits>] = &[
//!         Variable::new(c"low", |limits: &Limits| &limits.low),
//!         Variable::new(c"high", |limits: &Limits| &limits.high).range(0, 100),
//!     ];
//! }
//!
//! let registration = Registration::<Example>::new(lease, limits)?;
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

/// A directory of variables.
pub(crate) trait SysctlTable: 'static {
    /// Object that has the values.
    type Owner: Send + Sync + 'static;

    /// The directory under `/proc/sys`, without a leading or trailing slash.
    const PATH: &'static CStr;

    /// The files in it.
    const VARIABLES: &'static [Variable<Self::Owner>];
}

/// One file.
pub(crate) struct Variable<O: 'static> {
    name: &'static CStr,
    value: Value<O>,
    range: (i32, i32),
    write: Option<fn(&O, i32) -> Result>,
    abroad: Abroad,
}

/// The access to a file in namespaces that belong to another user namespace than the initial one.
enum Abroad {
    /// As everywhere: their administrators write it.
    Writable,
    /// Reading alone: the value is the host's to set.
    ReadOnly,
    /// None: there is no such file.
    Absent,
}

/// Value of a file.
enum Value<O: 'static> {
    /// An integer.
    Number(fn(&O) -> &Word<i32>),
    /// An unsigned integer of the size of a pointer.
    Long(fn(&O) -> &Word<usize>),
    /// Two integers, and which ones go together.
    Pair(fn(&O) -> &[Word<i32>; 2], fn(i32, i32) -> bool),
    /// A list of CPUs, and what is called when it was written.
    Cpus(fn(&O) -> &CpuList, fn(&O) -> Result),
}

impl<O> Value<O> {
    /// Returns how many bytes a C variable of the kind has.
    fn size(&self) -> usize {
        match self {
            Self::Number(_) | Self::Cpus(..) => size_of::<c_int>(),
            Self::Long(_) => size_of::<c_ulong>(),
            Self::Pair(..) => size_of::<[c_int; 2]>(),
        }
    }
}

impl<O> Variable<O> {
    /// A variable that takes any integer.
    pub(crate) const fn new(name: &'static CStr, value: fn(&O) -> &Word<i32>) -> Self {
        Self::of(name, Value::Number(value))
    }

    /// A variable that takes any unsigned integer of the size of a pointer.
    pub(crate) const fn long(name: &'static CStr, value: fn(&O) -> &Word<usize>) -> Self {
        Self::of(name, Value::Long(value))
    }

    /// Two integers; refuses those that `go_together` is false of, with `EINVAL`.
    pub(crate) const fn pair(
        name: &'static CStr,
        value: fn(&O) -> &[Word<i32>; 2],
        go_together: fn(i32, i32) -> bool,
    ) -> Self {
        Self::of(name, Value::Pair(value, go_together))
    }

    /// A list of CPUs; `changed` is called when it was written.
    pub(crate) const fn cpus(
        name: &'static CStr,
        list: fn(&O) -> &CpuList,
        changed: fn(&O) -> Result,
    ) -> Self {
        Self::of(name, Value::Cpus(list, changed))
    }

    const fn of(name: &'static CStr, value: Value<O>) -> Self {
        Self {
            name,
            value,
            range: (i32::MIN, i32::MAX),
            write: None,
            abroad: Abroad::Writable,
        }
    }

    /// Refuses, of integers, what is less than `min` or more than `max`, with `EINVAL`.
    pub(crate) const fn range(mut self, min: i32, max: i32) -> Self {
        self.range = (min, max);
        self
    }

    /// Has `write` store a new value, or refuse it. It may sleep, and runs as the writing process.
    pub(crate) const fn on_write(mut self, write: fn(&O, i32) -> Result) -> Self {
        self.write = Some(write);
        self
    }

    /// Read-only in namespaces that belong to another user namespace than the initial one.
    pub(crate) const fn owned_by_host(mut self) -> Self {
        self.abroad = Abroad::ReadOnly;
        self
    }

    /// Absent in namespaces that belong to another user namespace than the initial one.
    pub(crate) const fn hidden_from_others(mut self) -> Self {
        self.abroad = Abroad::Absent;
        self
    }

    /// The C description of this variable in `net`; `None` if the variable is absent there.
    fn describe(&'static self, net: &Net, owner: &O) -> Option<bindings::ctl_table> {
        // SAFETY: A reference to a namespace is valid.
        let of = unsafe { (*net.as_ptr()).user_ns };
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
            // Not `data`: that is expected to point at a value, and at none of the module's own.
            extra1: ptr::from_ref(owner).cast_mut().cast(),
            extra2: ptr::from_ref(self).cast_mut().cast(),
            maxlen: self.value.size() as c_int,
            mode,
            proc_handler: Some(handle::<O>),
            ..pin_init::zeroed()
        })
    }
}

/// The variables of one namespace; dropping it removes them.
///
/// No access is under way when `drop` returns.
///
/// # Invariants
///
/// `header` was registered with the elements of `_table`, which stay in place until it is
/// unregistered, and each of which names the object in `_owner`. The namespace of `_lease` is not
/// torn down before this value is dropped.
pub(crate) struct Registration<T: SysctlTable> {
    header: NonNull<bindings::ctl_table_header>,
    _lease: Lease,
    _table: KVec<bindings::ctl_table>,
    _owner: Arc<T::Owner>,
}

// SAFETY: A table may be unregistered from any thread.
unsafe impl<T: SysctlTable> Send for Registration<T> {}
// SAFETY: As above; there are no methods on a shared reference.
unsafe impl<T: SysctlTable> Sync for Registration<T> {}

impl<T: SysctlTable> Registration<T> {
    /// Adds the variables to the namespace of `lease`.
    ///
    /// The value keeps `owner` alive. It is to be kept with the state of the namespace, and dropped
    /// by [`Namespaced::stop`](super::net::Namespaced::stop) at the latest, which otherwise waits
    /// for the lease.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, also where a file of such a name exists.
    pub(crate) fn new(lease: Lease, owner: Arc<T::Owner>) -> Result<Self> {
        let mut table = KVec::with_capacity(T::VARIABLES.len(), GFP_KERNEL)?;
        for variable in T::VARIABLES {
            if let Some(element) = variable.describe(&lease, &owner) {
                table.push_within_capacity(element).map_err(|_| ENOMEM)?;
            }
        }
        // SAFETY: The path is static. The table is on the heap, and is dropped after the header by
        // the invariant that is established below.
        let header = unsafe {
            bindings::register_net_sysctl_sz(
                lease.as_ptr(),
                T::PATH.as_char_ptr(),
                table.as_mut_ptr(),
                table.len(),
            )
        };
        // INVARIANT: Registered just now, and nothing is added to the vector, so it does not move.
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
        // SAFETY: Registered by the type invariant, and unregistered nowhere else. This waits for
        // callbacks; the table and the owner are let go after it.
        unsafe { bindings::unregister_net_sysctl_table(self.header.as_ptr()) };
    }
}

/// Returns whether the current process has `CAP_NET_ADMIN` in the initial user namespace.
///
/// For writes whose meaning depends on it; that the process may write at all was checked before.
pub(crate) fn writer_is_host_admin() -> bool {
    // SAFETY: Process context, as all writes are.
    unsafe { bindings::capable(bindings::CAP_NET_ADMIN as c_int) }
}

/// The C callback of all variables of owner `O`: reads or writes one.
///
/// # Safety
///
/// Only for the sysctl core, as `ctl_table::proc_handler` of an element that [`Variable::describe`]
/// made.
unsafe extern "C" fn handle<O: 'static>(
    table: *const bindings::ctl_table,
    write: c_int,
    buffer: *mut c_void,
    length: *mut usize,
    position: *mut bindings::loff_t,
) -> c_int {
    from_result(|| {
        // SAFETY: By the contract of this function.
        let table = unsafe { &*table };
        // SAFETY: As `describe` set them: an owner of this very type that the registration keeps
        // until callbacks have returned, and a static.
        let (owner, variable) = unsafe {
            (
                &*table.extra1.cast::<O>(),
                &*table.extra2.cast::<Variable<O>>(),
            )
        };
        let word = match variable.value {
            Value::Number(word) => word(owner),
            Value::Long(word) => {
                let word = word(owner);
                let mut value = word.load();
                let local = copied(table, (&raw mut value).cast());
                // SAFETY: The integer outlives the call; the other arguments are the core's.
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
                // SAFETY: The integers, of which `maxlen` says how many there are, outlive the
                // call; the other arguments are the core's.
                to_result(unsafe {
                    bindings::proc_dointvec(&raw const local, write, buffer, length, position)
                })?;
                if write != 0 {
                    let [first, second] = values;
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
                // SAFETY: By the contract of this function.
                unsafe { handle_cpus(list(owner), write != 0, buffer, length, position)? };
                if write != 0 {
                    changed(owner)?;
                }
                return Ok(0);
            }
        };

        let before = word.load();
        let mut value: c_int = before;
        let (mut min, mut max) = variable.range;
        let local = bindings::ctl_table {
            extra1: (&raw mut min).cast(),
            extra2: (&raw mut max).cast(),
            ..copied(table, (&raw mut value).cast())
        };
        // SAFETY: `position` is valid by the contract of this function.
        let at_start = unsafe { *position } == 0;
        // SAFETY: The integers that `local` points at outlive the call; the other arguments are
        // what the core passed for the same purpose.
        to_result(unsafe {
            bindings::proc_dointvec_minmax(&raw const local, write, buffer, length, position)
        })?;
        // What is written behind the start of the file is ignored, unless an old setting says
        // otherwise.
        if write != 0 && (at_start || value != before) {
            match variable.write {
                Some(write) => write(owner, value)?,
                None => word.store(value),
            }
        }
        Ok(0)
    })
}

/// A description like `table` of a value elsewhere, without a range.
fn copied(table: &bindings::ctl_table, data: *mut c_void) -> bindings::ctl_table {
    bindings::ctl_table {
        data,
        maxlen: table.maxlen,
        mode: table.mode,
        ..pin_init::zeroed()
    }
}

/// Reads or writes a list of CPUs.
///
/// # Safety
///
/// The last three arguments must be those of the sysctl core to a handler that reads or writes, as
/// `write` says.
unsafe fn handle_cpus(
    list: &CpuList,
    write: bool,
    buffer: *mut c_void,
    length: *mut usize,
    position: *mut bindings::loff_t,
) -> Result {
    // SAFETY: The core passes pointers to both.
    let (length, position) = unsafe { (&mut *length, &mut *position) };
    if write {
        // SAFETY: What is written is in kernel memory, and the core terminates it.
        list.parse(unsafe { CStr::from_char_ptr(buffer.cast()) })?;
    } else if *length == 0 || *position != 0 {
        // All is read at once.
        *length = 0;
    } else {
        // SAFETY: The core's buffer has a byte more than is asked for.
        let text = unsafe {
            core::slice::from_raw_parts_mut(buffer.cast::<u8>(), length.saturating_add(1))
        };
        *length = list.print(text);
    }
    *position = position.saturating_add(bindings::loff_t::try_from(*length)?);
    Ok(())
}
