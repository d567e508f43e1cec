// SPDX-License-Identifier: GPL-2.0

//! Socket options that a module answers, on any IPv4 socket.
//!
//! C header: [`include/linux/netfilter.h`](srctree/include/linux/netfilter.h)
//!
//! A type implements [`Options`] for a range of options at the level `IPPROTO_IP` that nobody else
//! has. It is called in process context and may sleep. What a user passes is read and written
//! through [`Given`] and [`Asked`], which keep to the length that the user says.
//!
//! # Examples
//!
//! ```ignore
//! struct Limit;
//! impl Options for Limit {
//!     const SET: Range<u32> = 4000..4001;
//!     const GET: Range<u32> = 4000..4001;
//!
//!     fn set(_: &Net, _: u32, given: &Given) -> Result {
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

/// Answers socket options.
pub(crate) trait Options: 'static {
    /// The options that can be set.
    const SET: Range<u32>;
    /// The options that can be asked for.
    const GET: Range<u32>;

    /// Sets an option, for a socket of a namespace.
    fn set(net: &Net, option: u32, given: &Given) -> Result;

    /// Answers what is asked about an option, for a socket of a namespace.
    fn get(net: &Net, option: u32, asked: &mut Asked<'_>) -> Result;
}

/// Returns whether the current process has `CAP_NET_ADMIN` in the user namespace that a network
/// namespace belongs to.
pub(crate) fn is_admin_of(net: &Net) -> bool {
    // SAFETY: A reference to a namespace is valid, and it keeps its user namespace.
    unsafe { bindings::ns_capable((*net.as_ptr()).user_ns, bindings::CAP_NET_ADMIN as c_int) }
}

/// Argument of an option that is set.
pub(crate) struct Given {
    from: bindings::sockptr_t,
    length: usize,
}

impl Given {
    /// Returns how many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Reads the first bytes.
    ///
    /// # Errors
    ///
    /// `EINVAL` where there are fewer, `EFAULT` where they cannot be read.
    pub(crate) fn read(&self, bytes: &mut [u8]) -> Result {
        if bytes.len() > self.length {
            return Err(EINVAL);
        }
        // SAFETY: The bytes may be written. A pointer to user space is checked, and one to the
        // kernel's own memory has as many bytes behind it as came with it.
        to_result(unsafe {
            bindings::rust_ipvs_helper_copy_from_sockptr(
                bytes.as_mut_ptr().cast(),
                &raw const self.from,
                bytes.len(),
            )
        })
    }
}

/// Argument of an option that is read, and the memory for the answer.
pub(crate) struct Asked<'a> {
    at: UserPtr,
    length: &'a mut c_int,
    room: usize,
}

impl Asked<'_> {
    /// Returns how much room there is. It may hold bytes that belong to the question.
    pub(crate) fn len(&self) -> usize {
        self.room
    }

    /// Reads the first bytes.
    ///
    /// # Errors
    ///
    /// `EINVAL` where there are fewer, `EFAULT` where they cannot be read.
    pub(crate) fn read(&self, bytes: &mut [u8]) -> Result {
        if bytes.len() > self.room {
            return Err(EINVAL);
        }
        UserSlice::new(self.at, bytes.len())
            .reader()
            .read_slice(bytes)
    }

    /// Writes some bytes from an offset on.
    ///
    /// # Errors
    ///
    /// `EINVAL` where there is no room, `EFAULT` where they cannot be written.
    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) -> Result {
        let end = offset.checked_add(bytes.len()).ok_or(EINVAL)?;
        if end > self.room {
            return Err(EINVAL);
        }
        UserSlice::new(self.at.wrapping_byte_add(offset), bytes.len())
            .writer()
            .write_slice(bytes)
    }

    /// Says how long the answer is; without that, as long as there is room.
    pub(crate) fn set_len(&mut self, length: usize) -> Result {
        *self.length = c_int::try_from(length)?;
        Ok(())
    }
}

/// Options that are answered; dropping it ends that.
///
/// Nobody is in a callback when `drop` returns, because the module whose options these are has a
/// reference as long.
///
/// # Invariants
///
/// The structure is registered, and stays where it is until it is not.
pub(crate) struct Registration(Pin<KBox<Opaque<bindings::nf_sockopt_ops>>>);

// SAFETY: Options may be unregistered from any thread.
unsafe impl Send for Registration {}
// SAFETY: As above; there are no methods on a shared reference.
unsafe impl Sync for Registration {}

impl Registration {
    /// Has options answered by `T`, which belongs to `module`.
    ///
    /// # Errors
    ///
    /// `EBUSY` where somebody else answers one of them, `ENOMEM`.
    pub(crate) fn new<T: Options>(module: &ThisModule) -> Result<Self> {
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
        // SAFETY: The structure is complete, and pinned.
        to_result(unsafe { bindings::nf_register_sockopt(options.get()) })?;
        // INVARIANT: Registered just now.
        Ok(Self(options))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // SAFETY: Registered by the type invariant, and unregistered nowhere else.
        unsafe { bindings::nf_unregister_sockopt(self.0.get()) };
    }
}

/// The namespace of a socket.
///
/// # Safety
///
/// `sk` must be a socket that stays for `'a`.
unsafe fn namespace<'a>(sk: *mut bindings::sock) -> &'a Net {
    // SAFETY: By the contract of this function; a socket has a reference to its namespace.
    unsafe { Net::from_raw(bindings::rust_ipvs_helper_sock_net(sk)) }
}

/// The C callback that sets options.
///
/// # Safety
///
/// Only for the core, as `nf_sockopt_ops::set`.
unsafe extern "C" fn set<T: Options>(
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

/// The C callback that answers what is asked about options.
///
/// # Safety
///
/// Only for the core, as `nf_sockopt_ops::get`.
unsafe extern "C" fn get<T: Options>(
    sk: *mut bindings::sock,
    option: c_int,
    user: *mut c_void,
    length: *mut c_int,
) -> c_int {
    from_result(|| {
        // SAFETY: The core passes the socket of a system call in progress, and a pointer to its own
        // copy of the length.
        let (net, length) = unsafe { (namespace(sk), &mut *length) };
        let room = usize::try_from(*length).map_err(|_| EINVAL)?;
        let mut asked = Asked {
            at: UserPtr::from_addr(user as usize),
            length,
            room,
        };
        T::get(net, u32::try_from(option)?, &mut asked)?;
        Ok(0)
    })
}
