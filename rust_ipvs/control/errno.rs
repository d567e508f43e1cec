// SPDX-License-Identifier: GPL-2.0

//! Interface version and errno values, for netlink and socket options.

use crate::logic::config::Errno;
use kernel::prelude::*;

/// Version of the interface, 1.2.1 as in C IPVS (`IP_VS_VERSION_CODE`; G-13, O-5).
pub(super) const VERSION: u32 = 0x01_02_01;

/// Converts an error of a request to a kernel error.
pub(super) fn errno(errno: Errno) -> Error {
    match errno {
        Errno::Invalid => EINVAL,
        Errno::Exists => EEXIST,
        Errno::NoEntry => ENOENT,
        Errno::NoService => ESRCH,
        Errno::Family => EAFNOSUPPORT,
        Errno::Range => ERANGE,
        Errno::NoMemory => ENOMEM,
        Errno::Fault => EFAULT,
        Errno::NoDevice => ENODEV,
        Errno::Closed => ENOPROTOOPT,
        Errno::Stale => ESTALE,
        Errno::Other(number) => Error::from_errno(number),
    }
}
