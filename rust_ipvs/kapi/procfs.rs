// SPDX-License-Identifier: GPL-2.0

//! Files under `/proc/net`, one set per network namespace.
//!
//! C header: [`include/linux/proc_fs.h`](srctree/include/linux/proc_fs.h),
//! [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h)
//!
//! A file that fits a page or two is a [`Show`]: it is written as a whole each time it is read. A
//! file of any length is a set of [`Records`]: it is written record by record as its reader goes
//! on, and nothing is held between two reads but a cursor, which each open file has for itself. A
//! record may be a line or a batch of lines, so the cursor can be whatever finds the place again
//! fast.
//!
//! What is shown belongs to an owner, an `Arc` that the [`ProcFile`] keeps as long as the file is
//! there.
//!
//! Both write into an [`Output`], which is a [`core::fmt::Write`]. An error from it says that the
//! buffer is full; it is to be passed on with `?`, and what was written is then written again into
//! a larger one.
//!
//! # Examples
//!
//! ```ignore
//! struct Squares;
//! impl Records for Squares {
//!     type Owner = Limits;
//!     type Cursor = usize;
//!
//!     fn head(_: &Limits, out: &mut Output<'_>) -> fmt::Result {
//!         writeln!(out, "Number Square")
//!     }
//!
//!     fn record(limits: &Limits, n: &mut usize, out: &mut Output<'_>) -> Result<More, fmt::Error> {
//!         writeln!(out, "{} {}", *n, *n * *n)?;
//!         *n += 1;
//!         Ok(if *n < limits.last() { More::Follows } else { More::Done })
//!     }
//! }
//!
//! let file = Entry::records::<Squares>(lease, c"squares", 0o444, limits)?;
//! ```

use super::net::Lease;
use crate::bindings;
use core::{
    fmt::{self, Write},
    marker::PhantomData,
    ptr::{self, NonNull},
};
use kernel::{prelude::*, sync::Arc, types::NotThreadSafe};
use pin_init::Zeroable;

/// Output of a file.
///
/// # Invariants
///
/// `seq` is valid for `'a` and used by this thread only.
pub(crate) struct Output<'a> {
    seq: NonNull<bindings::seq_file>,
    /// A signal came; the read is to end.
    interrupted: bool,
    _seq: PhantomData<&'a mut bindings::seq_file>,
    _not_send: NotThreadSafe,
}

impl Output<'_> {
    /// Adds raw bytes.
    ///
    /// # Errors
    ///
    /// Where the buffer is full.
    pub(crate) fn write_bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        // SAFETY: `seq` is valid by the type invariant, and the bytes can be read.
        match unsafe { bindings::seq_write(self.seq.as_ptr(), bytes.as_ptr().cast(), bytes.len()) }
        {
            0 => Ok(()),
            _ => Err(fmt::Error),
        }
    }

    /// Calls `cond_resched()`, for whoever goes through much that shows nothing: the core does so
    /// for each read only. May sleep.
    ///
    /// # Errors
    ///
    /// If the reader has a signal. Records that are complete are still his.
    pub(crate) fn give_way(&mut self) -> fmt::Result {
        super::time::give_way();
        self.interrupted = kernel::current!().signal_pending();
        if self.interrupted {
            return Err(fmt::Error);
        }
        Ok(())
    }

    /// Returns what a C callback returns for what a Rust one did.
    ///
    /// That the buffer overflowed is no error: the caller sees it and tries again. An error without
    /// an overflow would have it try for ever.
    fn status(&self, shown: fmt::Result) -> c_int {
        // SAFETY: `seq` is valid by the type invariant.
        let seq = unsafe { self.seq.as_ref() };
        match shown {
            // Where nothing was read yet the system call begins anew, or fails with `EINTR`.
            Err(fmt::Error) if self.interrupted => ERESTARTSYS.to_errno(),
            Err(fmt::Error) if seq.count < seq.size => EIO.to_errno(),
            _ => 0,
        }
    }
}

impl Write for Output<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write_bytes(text.as_bytes())
    }
}

/// A file that is written as a whole.
pub(crate) trait Show: 'static {
    /// Object that the file shows.
    type Owner: Send + Sync + 'static;

    /// Writes the file. May sleep.
    fn show(owner: &Self::Owner, out: &mut Output<'_>) -> fmt::Result;
}

/// Tells whether a record was the last one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum More {
    /// There may be another one.
    Follows,
    /// There is none.
    Done,
}

/// A file that is written record by record.
pub(crate) trait Records: 'static {
    /// Object that the file shows.
    type Owner: Send + Sync + 'static;

    /// Position of a record. All zeroes is the first one.
    type Cursor: Copy + Zeroable;

    /// Writes what comes before all records.
    fn head(owner: &Self::Owner, out: &mut Output<'_>) -> fmt::Result;

    /// Writes the record at `cursor`, if there is anything to write, and moves the cursor on.
    ///
    /// What it did to the cursor counts only if all of the record found room. May sleep, but must
    /// not hold anything across records.
    fn record(
        owner: &Self::Owner,
        cursor: &mut Self::Cursor,
        out: &mut Output<'_>,
    ) -> Result<More, fmt::Error>;
}

/// A file under `/proc/net` of one namespace; dropping it removes the file.
///
/// Readers have left its callbacks, and have no way back in, when `drop` returns.
///
/// # Invariants
///
/// `parent` is the `/proc/net` of a namespace, in which a file `name` was registered by this value,
/// with the address of the object in `_owner` as its data. By `_lease` the namespace is not torn
/// down before this value is dropped.
pub(crate) struct ProcFile<O: Send + Sync + 'static> {
    _lease: Lease,
    parent: NonNull<bindings::proc_dir_entry>,
    name: &'static CStr,
    _owner: Arc<O>,
}

// SAFETY: Entries may be removed from any thread.
unsafe impl<O: Send + Sync> Send for ProcFile<O> {}
// SAFETY: As above; there are no methods on a shared reference.
unsafe impl<O: Send + Sync> Sync for ProcFile<O> {}

impl<O: Send + Sync> ProcFile<O> {
    /// Adds a file that is written as a whole, with the permission bits `mode`.
    ///
    /// The value keeps `owner` alive. It is to be kept with the state of the namespace, and dropped
    /// by [`Namespaced::stop`](super::net::Namespaced::stop) at the latest, which otherwise waits
    /// for the lease.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, also where a file of that name exists.
    pub(crate) fn show<T: Show<Owner = O>>(
        lease: Lease,
        name: &'static CStr,
        mode: u16,
        owner: Arc<O>,
    ) -> Result<Self> {
        // SAFETY: The callback is static, as is the name, and takes the data that it is given.
        Self::created(lease, name, owner, |parent, data| unsafe {
            bindings::proc_create_net_single(
                name.as_char_ptr(),
                mode,
                parent,
                Some(show::<T>),
                data,
            )
        })
    }

    /// Adds a file that is written record by record, with the permission bits `mode`.
    ///
    /// As for [`show`](Self::show), also in what the value keeps and how long it is kept.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, also where a file of that name exists.
    pub(crate) fn records<T: Records<Owner = O>>(
        lease: Lease,
        name: &'static CStr,
        mode: u16,
        owner: Arc<O>,
    ) -> Result<Self> {
        let size = u32::try_from(size_of::<Reader<T::Cursor>>())?;
        // SAFETY: The callbacks are static, as is the name, and take the data that they are given
        // and files opened with a private area of this size, which begins as `Reader` does.
        Self::created(lease, name, owner, |parent, data| unsafe {
            bindings::proc_create_net_data(
                name.as_char_ptr(),
                mode,
                parent,
                Operations::<T>::TABLE,
                size,
                data,
            )
        })
    }

    fn created(
        lease: Lease,
        name: &'static CStr,
        owner: Arc<O>,
        create: impl FnOnce(*mut bindings::proc_dir_entry, *mut c_void) -> *mut bindings::proc_dir_entry,
    ) -> Result<Self> {
        // SAFETY: A live namespace by the type invariant of the lease.
        let parent = unsafe { (*lease.as_ptr()).proc_net };
        let parent = NonNull::new(parent).ok_or(ENOENT)?;
        let data = ptr::from_ref::<O>(&owner).cast_mut().cast();
        if create(parent.as_ptr(), data).is_null() {
            return Err(ENOMEM);
        }
        // INVARIANT: Registered just now.
        Ok(Self {
            _lease: lease,
            parent,
            name,
            _owner: owner,
        })
    }
}

impl<O: Send + Sync> Drop for ProcFile<O> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the directory is still there, and the file in it. This
        // waits for callbacks; the owner is let go after it.
        unsafe { bindings::remove_proc_entry(self.name.as_char_ptr(), self.parent.as_ptr()) };
    }
}

/// State of an open file of records, in C-allocated memory that starts out as zeroes.
#[repr(C)]
struct Reader<C> {
    /// A reference to the namespace, which C code keeps here.
    _net: bindings::seq_net_private,
    /// The number of the record at `cursor`; 0 stands for the head.
    index: bindings::loff_t,
    /// Position of that record.
    cursor: C,
    /// Position of the record after it, once that one was written.
    next: C,
    /// True if the record just written was the last.
    last: bool,
    /// True if `index` is past the last record.
    ended: bool,
}

/// The C view of a file of records `T`.
struct Operations<T>(PhantomData<T>);

impl<T: Records> Operations<T> {
    const TABLE: &'static bindings::seq_operations = &bindings::seq_operations {
        start: Some(Self::start),
        stop: Some(Self::stop),
        next: Some(Self::next),
        show: Some(Self::show),
    };

    /// The reader's state.
    ///
    /// # Safety
    ///
    /// `seq` must be that of an open file of records `T`, used by no other thread for `'a`.
    unsafe fn reader<'a>(seq: *mut bindings::seq_file) -> &'a mut Reader<T::Cursor> {
        // SAFETY: By the contract of this function, and as the private area was created large
        // enough and zeroed, which is valid for each of its fields.
        unsafe { &mut *(*seq).private.cast() }
    }

    /// Begins a read at record `*position`. What is returned is not looked at but for being null.
    ///
    /// # Safety
    ///
    /// Only for the seq_file core, on files of records `T`.
    unsafe extern "C" fn start(
        seq: *mut bindings::seq_file,
        position: *mut bindings::loff_t,
    ) -> *mut c_void {
        // SAFETY: By the contract of this function.
        let (reader, position) = unsafe { (Self::reader(seq), *position) };
        if position == 0 {
            reader.index = 0;
            reader.cursor = pin_init::zeroed();
            reader.ended = false;
        } else if reader.ended || position != reader.index {
            // Reads go on where the last one stopped, or start over.
            return ptr::null_mut();
        }
        ptr::from_mut(reader).cast()
    }

    /// Moves on to the next record.
    ///
    /// # Safety
    ///
    /// As for [`start`](Self::start).
    unsafe extern "C" fn next(
        seq: *mut bindings::seq_file,
        token: *mut c_void,
        position: *mut bindings::loff_t,
    ) -> *mut c_void {
        // SAFETY: By the contract of `start`.
        let (reader, position) = unsafe { (Self::reader(seq), &mut *position) };
        *position = position.wrapping_add(1);
        if reader.index != 0 {
            reader.cursor = reader.next;
            reader.ended = reader.last;
        }
        reader.index = *position;
        if reader.ended {
            ptr::null_mut()
        } else {
            token
        }
    }

    /// Ends a read; nothing is held.
    ///
    /// # Safety
    ///
    /// As for [`start`](Self::start).
    unsafe extern "C" fn stop(_seq: *mut bindings::seq_file, _token: *mut c_void) {}

    /// Writes a record.
    ///
    /// # Safety
    ///
    /// As for [`start`](Self::start).
    unsafe extern "C" fn show(seq: *mut bindings::seq_file, _token: *mut c_void) -> c_int {
        // SAFETY: By the contract of `start`. The data is the owner, by the invariant of
        // `ProcFile`, which keeps it until callbacks have returned.
        let (reader, owner) = unsafe { (Self::reader(seq), owner::<T::Owner>(seq)) };
        let Some(seq) = NonNull::new(seq) else {
            return EINVAL.to_errno();
        };
        // INVARIANT: The core passes the file that it is reading.
        let mut out = Output {
            seq,
            interrupted: false,
            _seq: PhantomData,
            _not_send: NotThreadSafe,
        };
        if reader.index == 0 {
            let shown = T::head(owner, &mut out);
            return out.status(shown);
        }
        let mut cursor = reader.cursor;
        let shown = T::record(owner, &mut cursor, &mut out).map(|more| {
            reader.next = cursor;
            reader.last = more == More::Done;
        });
        out.status(shown)
    }
}

/// The owner of an open file.
///
/// # Safety
///
/// `seq` must be an open file of an [`ProcFile`] of owner `O`, and `'a` end with the callback.
unsafe fn owner<'a, O>(seq: *mut bindings::seq_file) -> &'a O {
    // SAFETY: By the contract of this function.
    unsafe { &*bindings::rust_ipvs_helper_seq_file_data(seq).cast() }
}

/// The C callback of a file that `T` writes as a whole.
///
/// # Safety
///
/// Only for the seq_file core, for files made by `proc_create_net_single()`.
unsafe extern "C" fn show<T: Show>(seq: *mut bindings::seq_file, _data: *mut c_void) -> c_int {
    // SAFETY: By the contract of this function. The data is the owner, by the invariant of
    // `ProcFile`, which keeps it until callbacks have returned.
    let owner = unsafe { owner::<T::Owner>(seq) };
    let Some(seq) = NonNull::new(seq) else {
        return EINVAL.to_errno();
    };
    // INVARIANT: The core passes the file that it is reading.
    let mut out = Output {
        seq,
        interrupted: false,
        _seq: PhantomData,
        _not_send: NotThreadSafe,
    };
    let shown = T::show(owner, &mut out);
    out.status(shown)
}
