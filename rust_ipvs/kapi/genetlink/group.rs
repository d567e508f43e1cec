// SPDX-License-Identifier: GPL-2.0

//! Multicast groups: messages that nobody asked for, to all sockets that listen.
//!
//! C header: [`include/net/genetlink.h`](srctree/include/net/genetlink.h)
//!
//! # Context
//!
//! Process context; sending may sleep. A socket whose receive buffer is full loses the message, and
//! its next `recvmsg()` fails with `ENOBUFS`: so a listener learns of each loss.

use super::{
    buffer::Buffer,
    message::GenlMessage,
    GenlFamily, //
};
use crate::{
    bindings,
    kapi::net::Net, //
};
use kernel::prelude::*;

/// `GENL_MCAST_CAP_NET_ADMIN`, a macro that bindgen does not evaluate.
const CAP_NET_ADMIN: u8 = 1;

/// A multicast group of a family: its name, and who may listen.
#[repr(transparent)]
pub(crate) struct Group(bindings::genl_multicast_group);

// SAFETY: A group is not written after it was built. It has no pointers.
unsafe impl Sync for Group {}

impl Group {
    /// Creates a group that sockets with `CAP_NET_ADMIN` in the user namespace of their network
    /// namespace may join.
    ///
    /// To be evaluated for a `static`: a name of more than 15 bytes fails the build.
    // Evaluated at build time, so a panic fails the build.
    #[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
    pub(crate) const fn admin(name: &CStr) -> Self {
        let mut group = bindings::genl_multicast_group {
            flags: CAP_NET_ADMIN,
            ..pin_init::zeroed()
        };
        let name = name.to_bytes_with_nul();
        assert!(name.len() <= group.name.len());
        let mut i = 0;
        while i < name.len() {
            group.name[i] = name[i];
            i += 1;
        }
        Self(group)
    }
}

impl GenlFamily {
    /// Sends a message of `command` to the sockets of a namespace that listen to the group of that
    /// number. `build` adds the attributes; it is not called if nobody listens, or if the family is
    /// not registered.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, those of `build`, `ENOBUFS` if a listener has lost the message, `EINVAL` if there
    /// is no such group.
    pub(crate) fn notify(
        &'static self,
        net: &Net,
        group: u8,
        command: u8,
        build: impl FnOnce(&mut GenlMessage<'_>) -> Result,
    ) -> Result {
        if !self.is_registered() || group >= self.groups() {
            return Ok(());
        }
        // SAFETY: The family is static, and `net` valid. The number of the group was checked. If
        // the family is unregistered meanwhile, the number is that of a group without listeners, or
        // of one of another family.
        let has_listeners = unsafe {
            bindings::rust_ipvs_helper_genl_has_listeners(self.as_ptr(), net.as_ptr(), group.into())
        };
        if has_listeners == 0 {
            return Ok(());
        }
        let skb = Buffer::new()?;
        // SAFETY: `skb` is owned, so nobody else uses it, and a new buffer is linear. The family is
        // static, and was registered above.
        unsafe { GenlMessage::append(skb.as_ptr(), (0, 0), self.as_ptr(), 0, command, build) }?;
        let skb = skb.into_raw();
        // SAFETY: `skb` is a complete message, whose ownership passes to the call. The rest is as
        // above.
        let sent = unsafe {
            bindings::rust_ipvs_helper_genlmsg_multicast_netns(
                self.as_ptr(),
                net.as_ptr(),
                skb,
                group.into(),
            )
        };
        match sent {
            // The last listener has gone meanwhile.
            0 | NOBODY => Ok(()),
            error => Err(Error::from_errno(error)),
        }
    }
}

/// Result of sending to a group without listeners.
const NOBODY: c_int = -(bindings::ESRCH as c_int);
