// SPDX-License-Identifier: GPL-2.0

//! Socket options at the level `IPPROTO_IP` that a module implements.
//!
//! C header: [`include/linux/netfilter.h`](srctree/include/linux/netfilter.h)
//!
//! A type implements [`SocketOptions`] for a range of option numbers that no other module uses. The
//! core calls it for any IPv4 socket, in process context, and it may sleep. [`Given`] and [`Asked`]
//! access the user's buffer and check offsets against the length that the user passed.
//!
//! Netlink has replaced this interface for new code. IPVS keeps it for `ipvsadm` without libnl.
//!
//! # Examples
//!
//! ```
//! # use crate::kapi::{
//! #     net::Net,
//! #     once::Word,
//! #     sockopt::{is_admin_of, Asked, Given, Registration, SocketOptions},
//! # };
//! # use core::ops::Range;
//! # use kernel::ModuleMetadata;
//! # const THIS_MODULE: ThisModule = <crate::LocalModule as ModuleMetadata>::THIS_MODULE;
//! static LIMIT: Word<u32> = Word::new(7);
//!
//! struct Limit;
//! impl SocketOptions for Limit {
//!     const SET: Range<u32> = 4000..4001;
//!     const GET: Range<u32> = 4000..4001;
//!
//!     fn set(net: &Net, _: u32, given: &Given) -> Result {
//!         if !is_admin_of(net) {
//!             return Err(EPERM);
//!         }
//!         let mut limit = [0; 4];
//!         given.read(&mut limit)?;
//!         LIMIT.store(u32::from_ne_bytes(limit));
//!         Ok(())
//!     }
//!
//!     fn get(_: &Net, _: u32, asked: &mut Asked<'_>) -> Result {
//!         asked.write(0, &LIMIT.load().to_ne_bytes())
//!     }
//! }
//!
//! let registration = Registration::new::<Limit>(&THIS_MODULE)?;
//! # Ok::<(), Error>(())
//! ```

use super::net::Net;
use crate::bindings;
use core::ops::Range;
use kernel::{
    error::{from_result, to_result},
    prelude::*,
    types::Opaque,
    uaccess::{UserPtr, UserSlice},
};

/// Implementation of socket options.
pub(crate) trait SocketOptions: 'static {
    /// Range of options for `setsockopt()`.
    const SET: Range<u32>;
    /// Range of options for `getsockopt()`.
    const GET: Range<u32>;

    /// Sets an option, for a socket in `net`. Process context; may sleep. Must check permissions
    /// itself.
    fn set(net: &Net, option: u32, given: &Given) -> Result;

    /// Reads an option, for a socket in `net`. Process context; may sleep. Must check permissions
    /// itself.
    fn get(net: &Net, option: u32, asked: &mut Asked<'_>) -> Result;
}

/// Returns `true` if the current process has `CAP_NET_ADMIN` in the user namespace that owns `net`.
pub(crate) fn is_admin_of(net: &Net) -> bool {
    // SAFETY: By the type invariant of `Net` the reference is to a live `struct net`, which keeps
    // its `user_ns` alive.
    unsafe { bindings::ns_capable((*net.as_ptr()).user_ns, bindings::CAP_NET_ADMIN as c_int) }
}

/// Argument of `setsockopt()`.
pub(crate) struct Given {
    from: bindings::sockptr_t,
    length: usize,
}

impl Given {
    /// Returns the length of the argument in bytes.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Copies the first `bytes.len()` bytes of the argument.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the argument is shorter, `EFAULT` if the memory cannot be read.
    pub(crate) fn read(&self, bytes: &mut [u8]) -> Result {
        if bytes.len() > self.length {
            return Err(EINVAL);
        }
        // SAFETY: `bytes` is writable and has that length. The core's pointer is either to user
        // space, which the copy checks, or to kernel memory of at least `self.length` bytes.
        to_result(unsafe {
            bindings::rust_ipvs_helper_copy_from_sockptr(
                bytes.as_mut_ptr().cast(),
                &raw const self.from,
                bytes.len(),
            )
        })
    }
}

/// Argument of `getsockopt()`: the user's buffer, which holds a question and takes the answer.
pub(crate) struct Asked<'a> {
    /// Address of the buffer in user space.
    at: UserPtr,
    /// Length that is reported to the user.
    length: &'a mut c_int,
    /// Length of the buffer in bytes, which the user passed.
    capacity: usize,
}

impl Asked<'_> {
    /// Returns the length of the user's buffer in bytes.
    pub(crate) fn len(&self) -> usize {
        self.capacity
    }

    /// Copies the first `bytes.len()` bytes of the user's buffer.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the buffer is shorter, `EFAULT` if the memory cannot be read.
    pub(crate) fn read(&self, bytes: &mut [u8]) -> Result {
        if bytes.len() > self.capacity {
            return Err(EINVAL);
        }
        UserSlice::new(self.at, bytes.len())
            .reader()
            .read_slice(bytes)
    }

    /// Writes `bytes` to the user's buffer, at `offset`.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the buffer is too short, `EFAULT` if the memory cannot be written.
    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) -> Result {
        let end = offset.checked_add(bytes.len()).ok_or(EINVAL)?;
        if end > self.capacity {
            return Err(EINVAL);
        }
        UserSlice::new(self.at.wrapping_byte_add(offset), bytes.len())
            .writer()
            .write_slice(bytes)
    }

    /// Sets the length of the answer that is reported to the user. Without a call it is the length
    /// of the buffer.
    pub(crate) fn set_len(&mut self, length: usize) -> Result {
        *self.length = c_int::try_from(length)?;
        Ok(())
    }
}

/// Registered options. Dropping it unregisters them.
///
/// No callback is running when `drop` returns: the core holds a reference to the module during each
/// call.
///
/// # Invariants
///
/// The structure is registered with netfilter and is pinned until it is unregistered.
pub(crate) struct Registration(Pin<KBox<Opaque<bindings::nf_sockopt_ops>>>);

// SAFETY: Options may be unregistered from any thread.
unsafe impl Send for Registration {}
// SAFETY: There are no methods on a shared reference.
unsafe impl Sync for Registration {}

impl Registration {
    /// Registers the options of `T`, which belongs to `module`. Process context; sleeps.
    ///
    /// # Errors
    ///
    /// `EBUSY` if one of the options is registered, `ENOMEM`.
    pub(crate) fn new<T: SocketOptions>(module: &ThisModule) -> Result<Self> {
        let options = bindings::nf_sockopt_ops {
            pf: bindings::PF_INET as u8,
            set_optmin: c_int::try_from(T::SET.start)?,
            set_optmax: c_int::try_from(T::SET.end)?,
            set: Some(set::<T>),
            get_optmin: c_int::try_from(T::GET.start)?,
            get_optmax: c_int::try_from(T::GET.end)?,
            get: Some(get::<T>),
            owner: module.as_ptr(),
            ..pin_init::zeroed()
        };
        let options = KBox::pin(Opaque::new(options), GFP_KERNEL)?;
        // SAFETY: The structure is complete and pinned, and is unregistered before it is freed.
        to_result(unsafe { bindings::nf_register_sockopt(options.get()) })?;
        // INVARIANT: Registered just now.
        Ok(Self(options))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the structure is registered, and only this call unregisters
        // it.
        unsafe { bindings::nf_unregister_sockopt(self.0.get()) };
    }
}

/// Returns the network namespace of a socket.
///
/// # Safety
///
/// `sk` must be a socket that is not freed during `'a`.
unsafe fn namespace<'a>(sk: *mut bindings::sock) -> &'a Net {
    // SAFETY: By the contract of this function `sk` is valid for `'a`, and it holds a reference to
    // its namespace.
    unsafe { Net::from_raw(bindings::rust_ipvs_helper_sock_net(sk)) }
}

/// The C callback that sets options.
///
/// # Safety
///
/// Must be called by netfilter, as `nf_sockopt_ops::set`.
unsafe extern "C" fn set<T: SocketOptions>(
    sk: *mut bindings::sock,
    option: c_int,
    from: bindings::sockptr_t,
    length: c_uint,
) -> c_int {
    from_result(|| {
        // SAFETY: The core passes the socket of a system call in progress.
        let net = unsafe { namespace(sk) };
        let given = Given {
            from,
            length: length as usize,
        };
        T::set(net, u32::try_from(option)?, &given)?;
        Ok(0)
    })
}

/// The C callback that reads options.
///
/// # Safety
///
/// Must be called by netfilter, as `nf_sockopt_ops::get`.
unsafe extern "C" fn get<T: SocketOptions>(
    sk: *mut bindings::sock,
    option: c_int,
    user: *mut c_void,
    length: *mut c_int,
) -> c_int {
    from_result(|| {
        // SAFETY: The core passes the socket of a system call in progress, and a pointer to its own
        // copy of the length.
        let (net, length) = unsafe { (namespace(sk), &mut *length) };
        let capacity = usize::try_from(*length).map_err(|_| EINVAL)?;
        let mut asked = Asked {
            at: UserPtr::from_addr(user as usize),
            length,
            capacity,
        };
        T::get(net, u32::try_from(option)?, &mut asked)?;
        Ok(0)
    })
}
