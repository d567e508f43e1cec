// SPDX-License-Identifier: GPL-2.0

//! Files under `/proc/net`, one set per network namespace.
//!
//! C header: [`include/linux/proc_fs.h`](srctree/include/linux/proc_fs.h),
//! [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h)
//!
//! A file of a page or two is a [`Show`]: it is written as a whole for each read. A file of any
//! length is a set of [`Records`]: it is written record by record, and nothing is held between two
//! reads but a cursor, which each open file has. A record may be a line or several, so a type can
//! use a cursor by which it finds the position quickly.
//!
//! The content belongs to an owner, an `Arc` that the [`ProcFile`] holds as long as the file
//! exists.
//!
//! Both kinds write to an [`Output`], which is a [`core::fmt::Write`]. Its error means that the
//! buffer is full. It is to be passed on with `?`; the core then enlarges the buffer, and the same
//! content is written again.
//!
//! `kernel::seq_file::SeqFile` only has formatted output without a result. [`Output`] adds bytes as
//! they are, and tells if the buffer is full, on which the records depend.
//!
//! # Context
//!
//! All callbacks run in process context, in the reading process, and may sleep. They run at once
//! for different open files, and one at a time for each.
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::{
//! #     net::Lease,
//! #     procfs::{More, Output, ProcFile, Records},
//! # };
//! # use core::fmt::{self, Write};
//! # use kernel::sync::Arc;
//! struct Limits {
//!     last: usize,
//! }
//! struct Squares;
//!
//! impl Records for Squares {
//!     type Owner = Limits;
//!     type Cursor = usize;
//!
//!     fn head(_: &Limits, out: &mut Output<'_>) -> fmt::Result {
//!         writeln!(out, "Number Square")
//!     }
//!
//!     fn record(limit: &Limits, n: &mut usize, out: &mut Output<'_>) -> Result<More, fmt::Error> {
//!         writeln!(out, "{} {}", *n, *n * *n)?;
//!         *n += 1;
//!         Ok(if *n < limit.last { More::Follows } else { More::Done })
//!     }
//! }
//!
//! # fn example(lease: Lease, limits: Arc<Limits>) -> Result {
//! let file = ProcFile::records::<Squares>(lease, c"squares", 0o444, limits)?;
//! # Ok(())
//! # }
//! ```

use super::net::Lease;
use crate::bindings::{
    self,
    proc_dir_entry, //
};
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
    /// `true` if a signal is pending, which ends the read.
    interrupted: bool,
    _seq: PhantomData<&'a mut bindings::seq_file>,
    _not_send: NotThreadSafe,
}

impl Output<'_> {
    /// Adds raw bytes.
    ///
    /// # Errors
    ///
    /// `fmt::Error` if the buffer is full.
    pub(crate) fn write_bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        // SAFETY: `seq` is valid by the type invariant, and the bytes can be read.
        match unsafe { bindings::seq_write(self.seq.as_ptr(), bytes.as_ptr().cast(), bytes.len()) }
        {
            0 => Ok(()),
            _ => Err(fmt::Error),
        }
    }

    /// Calls `cond_resched()`. For content that takes long to compute and shows little: the core
    /// does it once for each read. May sleep.
    ///
    /// # Errors
    ///
    /// `fmt::Error` if the reader has a pending signal. It still gets the records that are
    /// complete.
    pub(crate) fn give_way(&mut self) -> fmt::Result {
        super::time::give_way();
        self.interrupted = kernel::current!().signal_pending();
        if self.interrupted {
            return Err(fmt::Error);
        }
        Ok(())
    }

    /// Converts the result of a handler to that of a C callback.
    ///
    /// An overflow of the buffer is success for C: the core sees it and repeats the call with a
    /// larger buffer. An error without an overflow becomes `EIO`; as a success it would make the
    /// core repeat the call forever.
    fn status(&self, shown: fmt::Result) -> c_int {
        // SAFETY: `seq` is valid by the type invariant.
        let seq = unsafe { self.seq.as_ref() };
        match shown {
            // If nothing was read yet, the system call is restarted or fails with `EINTR`.
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
    /// Type of the object that has the content.
    type Owner: Send + Sync + 'static;

    /// Writes the whole file. May sleep. May be called several times for one read.
    fn show(owner: &Self::Owner, out: &mut Output<'_>) -> fmt::Result;
}

/// Result of writing a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum More {
    /// There may be more records.
    Follows,
    /// The record was the last one.
    Done,
}

/// A file that is written record by record.
pub(crate) trait Records: 'static {
    /// Type of the object that has the content.
    type Owner: Send + Sync + 'static;

    /// Position of a record. All zeros is that of the first one.
    type Cursor: Copy + Zeroable;

    /// Writes the part of the file before the records.
    fn head(owner: &Self::Owner, out: &mut Output<'_>) -> fmt::Result;

    /// Writes the record at `cursor`, which may be empty, and moves the cursor to the next one.
    ///
    /// The new cursor is used only if the whole record fitted in the buffer; otherwise the call is
    /// repeated with the old one. May sleep, but must not hold locks or references from one record
    /// to the next.
    fn record(
        owner: &Self::Owner,
        cursor: &mut Self::Cursor,
        out: &mut Output<'_>,
    ) -> Result<More, fmt::Error>;
}

/// A file under `/proc/net` of one namespace. Dropping it removes the file.
///
/// `drop` waits for callbacks that are running. Later reads of files that are open fail. Process
/// context.
///
/// # Invariants
///
/// - `parent` is the `/proc/net` of the namespace of `_lease`.
/// - A file `name` was registered in it, with the address of the object in `_owner` as its data.
/// - `_lease` keeps the namespace from being torn down before this value is dropped.
pub(crate) struct ProcFile<O: Send + Sync + 'static> {
    _lease: Lease,
    parent: NonNull<bindings::proc_dir_entry>,
    name: &'static CStr,
    _owner: Arc<O>,
}

// SAFETY: A file may be removed from any thread, and the owner is `Send + Sync`.
unsafe impl<O: Send + Sync> Send for ProcFile<O> {}
// SAFETY: There are no methods on a shared reference.
unsafe impl<O: Send + Sync> Sync for ProcFile<O> {}

impl<O: Send + Sync> ProcFile<O> {
    /// Creates a file that is written as a whole, with the permission bits `mode`. Process context;
    /// sleeps.
    ///
    /// The result keeps `owner` alive. It must be dropped by
    /// [`Namespaced::stop`](super::net::Namespaced::stop) at the latest, which otherwise waits for
    /// the lease.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, also if a file of that name exists; the core does not tell the two apart.
    pub(crate) fn show<T: Show<Owner = O>>(
        lease: Lease,
        name: &'static CStr,
        mode: u16,
        owner: Arc<O>,
    ) -> Result<Self> {
        // SAFETY: `name` and the callback are static. The callback takes the data that `created`
        // passes, the address of an `O`.
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

    /// Creates a file that is written record by record, with the permission bits `mode`. Process
    /// context; sleeps.
    ///
    /// The lifetime is as for [`show`](Self::show).
    ///
    /// # Errors
    ///
    /// `ENOMEM`, also if a file of that name exists.
    pub(crate) fn records<T: Records<Owner = O>>(
        lease: Lease,
        name: &'static CStr,
        mode: u16,
        owner: Arc<O>,
    ) -> Result<Self> {
        let size = u32::try_from(size_of::<Reader<T::Cursor>>())?;
        // SAFETY: `name` and the callbacks are static. The callbacks take the data that `created`
        // passes, and open files whose private area has this size and begins with a
        // `seq_net_private`, as `Reader` does.
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

    /// Creates a file by `create`, which is called with `/proc/net` of the namespace and the data
    /// of the file.
    fn created(
        lease: Lease,
        name: &'static CStr,
        owner: Arc<O>,
        create: impl FnOnce(*mut proc_dir_entry, *mut c_void) -> *mut proc_dir_entry,
    ) -> Result<Self> {
        // SAFETY: By the type invariant of `Lease` the namespace is live.
        let parent = unsafe { (*lease.as_ptr()).proc_net };
        let parent = NonNull::new(parent).ok_or(ENOENT)?;
        let data = ptr::from_ref::<O>(&owner).cast_mut().cast();
        if create(parent.as_ptr(), data).is_null() {
            return Err(ENOMEM);
        }
        // INVARIANT: The file was registered just now, in `parent` and with the address of the
        // owner.
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
        // SAFETY: By the type invariant the directory exists, because the namespace is live, and so
        // does the file in it. The call waits for callbacks; the owner is dropped after it.
        unsafe { bindings::remove_proc_entry(self.name.as_char_ptr(), self.parent.as_ptr()) };
    }
}

/// State of an open file of records, in memory that the core allocates and zeroes.
#[repr(C)]
struct Reader<C> {
    /// Reference to the namespace, which the core accesses. Must be first.
    _net: bindings::seq_net_private,
    /// Number of the record at `cursor`; 0 is the head.
    index: bindings::loff_t,
    /// Position of the current record.
    cursor: C,
    /// Position of the next record, valid once the current one was written.
    next: C,
    /// `true` if the record that was just written is the last one.
    last: bool,
    /// `true` if `index` is beyond the last record.
    ended: bool,
}

/// The C callbacks of a file of records `T`.
struct Operations<T>(PhantomData<T>);

impl<T: Records> Operations<T> {
    const TABLE: &'static bindings::seq_operations = &bindings::seq_operations {
        start: Some(Self::start),
        stop: Some(Self::stop),
        next: Some(Self::next),
        show: Some(Self::show),
    };

    /// Returns the state of an open file.
    ///
    /// # Safety
    ///
    /// `seq` must be that of an open file of records `T`, used by no other thread for `'a`.
    unsafe fn reader<'a>(seq: *mut bindings::seq_file) -> &'a mut Reader<T::Cursor> {
        // SAFETY: By the contract of this function `seq` is open and used by this thread only. Its
        // private area was created with the size of a `Reader` and zeroed, which is valid for each
        // of its fields.
        unsafe { &mut *(*seq).private.cast() }
    }

    /// Begins a read at record `*position`. The core checks the result for null only, which means
    /// the end of the file.
    ///
    /// # Safety
    ///
    /// Must be called by the seq_file core, for a file of records `T`.
    unsafe extern "C" fn start(
        seq: *mut bindings::seq_file,
        position: *mut bindings::loff_t,
    ) -> *mut c_void {
        // SAFETY: By the contract of this function `seq` is such a file, which the core has locked,
        // and `position` is valid.
        let (reader, position) = unsafe { (Self::reader(seq), *position) };
        if position == 0 {
            reader.index = 0;
            reader.cursor = pin_init::zeroed();
            reader.ended = false;
        } else if reader.ended || position != reader.index {
            // A read continues where the last one stopped, or starts at 0. Other positions, by
            // `pread()` or `lseek()`, are the end of the file.
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
        // SAFETY: By the contract of `start` `seq` is a file of records `T`, which the core has
        // locked, and `position` is valid.
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

    /// Ends a read. Nothing is held, so there is nothing to release.
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
        // SAFETY: By the contract of `start` `seq` is a file of records `T`, which the core has
        // locked. By the type invariant of `ProcFile` its data is the owner, which is kept until
        // callbacks have returned.
        let (reader, owner) = unsafe { (Self::reader(seq), owner::<T::Owner>(seq)) };
        let Some(seq) = NonNull::new(seq) else {
            return EINVAL.to_errno();
        };
        // INVARIANT: The core passes a file that it has locked for this thread.
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

/// Returns the owner of an open file.
///
/// # Safety
///
/// `seq` must be an open file of an [`ProcFile`] of owner `O`, and `'a` end with the callback.
unsafe fn owner<'a, O>(seq: *mut bindings::seq_file) -> &'a O {
    // SAFETY: By the contract of this function the file's data is the address of an `O`, which the
    // `ProcFile` keeps alive until callbacks have returned.
    unsafe { &*bindings::rust_ipvs_helper_seq_file_data(seq).cast() }
}

/// The C callback of a file that `T` writes as a whole.
///
/// # Safety
///
/// Must be called by the seq_file core, for a file of `T` that `proc_create_net_single()` created.
unsafe extern "C" fn show<T: Show>(seq: *mut bindings::seq_file, _data: *mut c_void) -> c_int {
    // SAFETY: By the contract of this function `seq` is a file of `T`. By the type invariant of
    // `ProcFile` its data is the owner, which is kept until callbacks have returned.
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
