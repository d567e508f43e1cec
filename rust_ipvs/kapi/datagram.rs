// SPDX-License-Identifier: GPL-2.0

//! Kernel UDP sockets that send to, and receive from, multicast groups.
//!
//! C header: [`include/linux/net.h`](srctree/include/linux/net.h)
//!
//! The sync daemons exchange connection state with them. C IPVS sets the fields of `struct
//! inet_sock` and joins groups by internal functions; here the options of `setsockopt()` are set,
//! whose names and numbers are stable.
//!
//! # Context
//!
//! Process context throughout: creating sockets and setting options sleep, sending and receiving
//! take the socket's lock.
//!
//! # Lifetime
//!
//! A kernel socket does not keep its namespace from going away. [`Datagrams`] holds a [`Lease`], so
//! the teardown of the namespace waits until the socket is closed.

use super::{
    inet::Protocol,
    net::{
        Device,
        Lease,
        Net, //
    },
    thread::Running,
};
use crate::bindings;
use core::{
    mem::MaybeUninit,
    ptr::NonNull, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// Address families, as `sa_family` and the socket calls take them.
const FAMILY_V4: u16 = bindings::AF_INET as u16;
const FAMILY_V6: u16 = bindings::AF_INET6 as u16;
/// `IPPROTO_UDP`.
const UDP: c_int = 17;
/// Socket type `SOCK_DGRAM`.
const DATAGRAMS: c_int = 2;

/// Levels and numbers of socket options, from `include/uapi/asm-generic/socket.h`,
/// `include/uapi/linux/in.h` and `in6.h`.
mod option {
    /// Level `SOL_SOCKET`.
    pub(super) const SOCKET: i32 = 1;
    /// Allows several sockets to bind to the same address and port.
    pub(super) const SO_REUSEADDR: i32 = 2;
    /// Size of the send buffer in bytes. The kernel doubles it and limits it by
    /// `net.core.wmem_max`.
    pub(super) const SO_SNDBUF: i32 = 7;
    /// Size of the receive buffer in bytes. The kernel doubles it and limits it by
    /// `net.core.rmem_max`.
    pub(super) const SO_RCVBUF: i32 = 8;
    /// Interface index of the only device to receive from.
    pub(super) const SO_BINDTOIFINDEX: i32 = 62;
    /// Level `IPPROTO_IP`.
    pub(super) const IP: i32 = 0;
    /// Path MTU discovery; 0 allows fragmentation.
    pub(super) const IP_MTU_DISCOVER: i32 = 10;
    /// Device that multicast datagrams are sent on.
    pub(super) const IP_MULTICAST_IF: i32 = 32;
    /// TTL of multicast datagrams.
    pub(super) const IP_MULTICAST_TTL: i32 = 33;
    /// 1 if local receivers get a copy of multicast datagrams.
    pub(super) const IP_MULTICAST_LOOP: i32 = 34;
    /// Joins a group on a device.
    pub(super) const IP_ADD_MEMBERSHIP: i32 = 35;
    /// Level `IPPROTO_IPV6`.
    pub(super) const IPV6: i32 = 41;
    /// Device that multicast datagrams are sent on.
    pub(super) const IPV6_MULTICAST_IF: i32 = 17;
    /// Hop limit of multicast datagrams.
    pub(super) const IPV6_MULTICAST_HOPS: i32 = 18;
    /// 1 if local receivers get a copy of multicast datagrams.
    pub(super) const IPV6_MULTICAST_LOOP: i32 = 19;
    /// Joins a group on a device.
    pub(super) const IPV6_ADD_MEMBERSHIP: i32 = 20;
    /// Path MTU discovery; 0 allows fragmentation.
    pub(super) const IPV6_MTU_DISCOVER: i32 = 23;
}

/// Socket address: an IP address in network order and a port in host order.
#[derive(Clone, Copy)]
pub(crate) enum SocketAddr {
    /// IPv4 address and port.
    V4([u8; 4], u16),
    /// IPv6 address and port. The scope is that of the device that the socket is bound to.
    V6([u8; 16], u16),
}

impl SocketAddr {
    /// Returns the protocol of the address.
    fn protocol(self) -> Protocol {
        match self {
            Self::V4(..) => Protocol::Ipv4,
            Self::V6(..) => Protocol::Ipv6,
        }
    }

    /// Returns the address as `struct sockaddr_in` or `struct sockaddr_in6`, with zeros in all
    /// other fields.
    fn raw(self) -> RawAddress {
        // Larger than an IPv4 address needs. The length that is passed with it tells which one it
        // is.
        let mut raw = RawAddress([0; 28]);
        let (family, port, at, addr): (_, _, usize, &[u8]) = match &self {
            Self::V4(addr, port) => (FAMILY_V4, port, 4, addr),
            Self::V6(addr, port) => (FAMILY_V6, port, 8, addr),
        };
        let (family, port) = (family.to_ne_bytes(), port.to_be_bytes());
        // Family at offset 0, port at 2. The address follows at 4 (IPv4), or at 8 behind the flow
        // label (IPv6).
        let fields = [(0, family.as_slice()), (2, &port), (at, addr)];
        for (at, bytes) in fields {
            let place = raw
                .0
                .get_mut(at..)
                .and_then(|rest| rest.get_mut(..bytes.len()));
            if let Some(place) = place {
                place.copy_from_slice(bytes);
            }
        }
        raw
    }

    /// Returns the size in bytes of the C structure of the address's family.
    /// The stack compares it with what the family in the structure needs.
    fn raw_len(self) -> c_int {
        match self {
            Self::V4(..) => 16,
            Self::V6(..) => 28,
        }
    }
}

/// Memory for a `struct sockaddr_in` or a `struct sockaddr_in6`, whichever is larger.
///
/// Aligned to 8 bytes, at least as strictly as either of the C structures.
#[repr(C, align(8))]
struct RawAddress([u8; 28]);

/// A kernel UDP socket. Dropping it closes the socket.
///
/// # Invariants
///
/// `socket` came from `sock_create_kern()`, in the namespace of `lease`, and this value owns it.
///
/// It is either a sender or a receiver: [`Datagrams::sender`] and [`Datagrams::receiver`] set
/// different options.
pub(crate) struct Datagrams {
    /// The C socket.
    socket: NonNull<bindings::socket>,
    /// Keeps the namespace from being torn down while the socket exists.
    lease: Lease,
    /// Address family, which selects the options.
    protocol: Protocol,
}

// SAFETY: A socket may be used and released in any thread; its functions take the socket's lock.
unsafe impl Send for Datagrams {}
// SAFETY: Sending and receiving by several threads at once is allowed; the functions take the
// socket's lock.
unsafe impl Sync for Datagrams {}

impl Datagrams {
    /// Creates an unbound socket in the namespace of `lease`. Fails with the error of
    /// `sock_create_kern()`.
    ///
    /// The socket has no file descriptor and no owner process, so no user can reach it.
    fn new(lease: Lease, protocol: Protocol) -> Result<Self> {
        let family = match protocol {
            Protocol::Ipv4 => FAMILY_V4,
            Protocol::Ipv6 => FAMILY_V6,
        };
        let mut socket = core::ptr::null_mut();
        // SAFETY: By the type invariant of `Lease` the namespace is live. The result is on this
        // stack and is written during the call only.
        to_result(unsafe {
            bindings::sock_create_kern(lease.as_ptr(), family.into(), DATAGRAMS, UDP, &mut socket)
        })?;
        // INVARIANT: The socket was created just above, and nobody else has it.
        Ok(Self {
            socket: NonNull::new(socket).ok_or(ENOMEM)?,
            lease,
            protocol,
        })
    }

    /// Creates a socket that sends to `group` on `device`, with the TTL or hop limit `ttl`, and
    /// without a copy for local receivers. If `buffer` is above 0, it is the size of the send
    /// buffer in bytes (`SO_SNDBUF`).
    ///
    /// Process context; sleeps. Fails with the error of the step that fails; the socket is closed
    /// then.
    pub(crate) fn sender(
        lease: Lease,
        device: &Device,
        group: SocketAddr,
        ttl: u8,
        buffer: i32,
    ) -> Result<Self> {
        let this = Self::new(lease, group.protocol())?;
        // Each step below sets one option. The socket is not shared yet, so their order is free.
        this.set_on(device)?;
        // A daemon of the same host that receives from the group must not get its own messages
        // back.
        this.set(option::IP_MULTICAST_LOOP, option::IPV6_MULTICAST_LOOP, 0)?;
        this.set(
            option::IP_MULTICAST_TTL,
            option::IPV6_MULTICAST_HOPS,
            ttl.into(),
        )?;
        // Allow fragmentation: `IP_PMTUDISC_DONT` is 0. The size of messages is derived from the
        // device's MTU, but a router may have a smaller one.
        this.set(option::IP_MTU_DISCOVER, option::IPV6_MTU_DISCOVER, 0)?;
        if buffer > 0 {
            this.option(option::SOCKET, option::SO_SNDBUF, buffer)?;
        }
        // The source address is the device's. For IPv6 the stack selects one of the device's link.
        if let SocketAddr::V4(..) = group {
            this.bind(SocketAddr::V4(device.addr_v4, 0))?;
        }
        let mut raw = group.raw();
        // SAFETY: By the type invariant the socket is live. The address is on this stack, has
        // `raw_len()` bytes, and is read during the call only.
        to_result(unsafe {
            bindings::kernel_connect(
                this.socket.as_ptr(),
                (&raw mut raw).cast(),
                group.raw_len(),
                0,
            )
        })?;
        Ok(this)
    }

    /// Creates a socket that receives what is sent to `group` on `device`, by joining the group. If
    /// `buffer` is above 0, it is the size of the receive buffer in bytes (`SO_RCVBUF`).
    ///
    /// Process context; sleeps. Fails with the error of the step that fails; the socket is closed
    /// then, which leaves the group.
    pub(crate) fn receiver(
        lease: Lease,
        device: &Device,
        group: SocketAddr,
        buffer: i32,
    ) -> Result<Self> {
        let this = Self::new(lease, group.protocol())?;
        // Several daemons of one host may receive from one group and port.
        this.option(option::SOCKET, option::SO_REUSEADDR, 1)?;
        if buffer > 0 {
            this.option(option::SOCKET, option::SO_RCVBUF, buffer)?;
        }
        // Without this, datagrams of other devices that joined the group would arrive, too.
        this.option(option::SOCKET, option::SO_BINDTOIFINDEX, device.index)?;
        // Bound to the group's own address, the socket receives datagrams to that group only.
        this.bind(group)?;
        match group {
            SocketAddr::V4(addr, _) => {
                // `struct ip_mreqn`: group, local address (none), interface index.
                this.option_of(
                    option::IP,
                    option::IP_ADD_MEMBERSHIP,
                    &mut [u32::from_ne_bytes(addr), 0, device.index as u32],
                )?;
            }
            SocketAddr::V6(addr, _) => {
                // `struct ipv6_mreq`: four words of group address, and the interface index.
                let mut request = [0u32; 5];
                for (word, bytes) in request.iter_mut().zip(addr.chunks_exact(4)) {
                    *word = u32::from_ne_bytes(bytes.first_chunk().copied().unwrap_or_default());
                }
                if let Some(last) = request.last_mut() {
                    *last = device.index as u32;
                }
                this.option_of(option::IPV6, option::IPV6_ADD_MEMBERSHIP, &mut request)?;
            }
        }
        Ok(this)
    }

    /// Sets a socket option to a value of type `T`, as `setsockopt()` does. Fails with the error of
    /// that.
    fn option_of<T: Copy>(&self, level: c_int, name: c_int, value: &mut T) -> Result {
        // SAFETY: By the type invariant the socket is live. The value is exclusively borrowed for
        // the call and has `size_of::<T>()` bytes.
        to_result(unsafe {
            bindings::rust_ipvs_helper_sock_option(
                self.socket.as_ptr(),
                level,
                name,
                core::ptr::from_mut(value).cast(),
                size_of::<T>() as c_int,
            )
        })
    }

    /// Sets a socket option to an integer.
    fn option(&self, level: c_int, name: c_int, value: c_int) -> Result {
        self.option_of(level, name, &mut { value })
    }

    /// Sets option `v4` or `v6`, depending on the socket's family, to an integer. The level is that
    /// of the family.
    fn set(&self, v4: c_int, v6: c_int, value: c_int) -> Result {
        match self.protocol {
            Protocol::Ipv4 => self.option(option::IP, v4, value),
            Protocol::Ipv6 => self.option(option::IPV6, v6, value),
        }
    }

    /// Selects the device that multicast datagrams are sent on.
    ///
    /// Without it, the routing table selects the device by the group's address.
    fn set_on(&self, device: &Device) -> Result {
        match self.protocol {
            // `struct ip_mreqn`: group (none), local address (none), interface index.
            Protocol::Ipv4 => self.option_of(
                option::IP,
                option::IP_MULTICAST_IF,
                &mut [0, 0, device.index],
            ),
            Protocol::Ipv6 => self.option(option::IPV6, option::IPV6_MULTICAST_IF, device.index),
        }
    }

    /// Binds the socket to a local address and port; port 0 lets the stack select one.
    fn bind(&self, to: SocketAddr) -> Result {
        let mut raw = to.raw();
        // SAFETY: By the type invariant the socket is live. The address is on this stack, has
        // `raw_len()` bytes, and is read during the call only.
        to_result(unsafe {
            bindings::kernel_bind(self.socket.as_ptr(), (&raw mut raw).cast(), to.raw_len())
        })
    }

    /// Returns the network namespace of the socket.
    pub(crate) fn net(&self) -> &Net {
        &self.lease
    }

    /// Sends a datagram to the group. Does not wait for room in the send buffer.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if the send buffer is full, or an error of the network.
    pub(crate) fn send(&self, datagram: &[u8]) -> Result {
        // No wait for memory of the send buffer, and no SIGPIPE, which a kernel thread cannot
        // handle.
        let mut message = message();
        message.msg_flags = bindings::MSG_DONTWAIT | bindings::MSG_NOSIGNAL;
        let mut part = bindings::kvec {
            iov_base: datagram.as_ptr().cast_mut().cast(),
            iov_len: datagram.len(),
        };
        // SAFETY: By the type invariant the socket is live. `part` describes `datagram`, which is
        // read only, although C declares the pointer as mutable.
        let sent = unsafe {
            bindings::kernel_sendmsg(
                self.socket.as_ptr(),
                &mut message,
                &mut part,
                1,
                datagram.len(),
            )
        };
        // A datagram is sent as a whole, so a result that is not negative is its length.
        to_result(sent.min(0))
    }

    /// Receives a datagram into `buffer` and returns its length in bytes. Does not wait for one. A
    /// longer datagram is truncated to `buffer`.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if none is queued, or an error of the network.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> Result<usize> {
        let mut message = message();
        let mut part = bindings::kvec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: buffer.len(),
        };
        // SAFETY: By the type invariant the socket is live. `part` describes `buffer`, which is
        // exclusively borrowed for the call.
        let received = unsafe {
            bindings::kernel_recvmsg(
                self.socket.as_ptr(),
                &mut message,
                &mut part,
                1,
                buffer.len(),
                bindings::MSG_DONTWAIT as c_int,
            )
        };
        to_result(received.min(0))?;
        Ok(usize::try_from(received)?)
    }

    /// Sleeps until a datagram is queued or the thread is to stop.
    ///
    /// May return without a datagram, so callers loop over [`receive`](Self::receive), which fails
    /// with `EAGAIN` then.
    pub(crate) fn wait(&self, _: &Running) {
        // SAFETY: By the type invariant the socket is live. By the type invariant of `Running` this
        // is process context in a kernel thread, as `kthread_should_stop()` requires.
        unsafe { bindings::rust_ipvs_helper_wait_for_datagram(self.socket.as_ptr()) };
    }
}

/// Returns a `struct msghdr` without address, data and flags.
fn message() -> bindings::msghdr {
    // SAFETY: All fields are integers, or pointers that may be null, so all zeros are a valid
    // value. C code initialises this structure the same way.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

// Closing leaves the group and frees datagrams that are still queued.
impl Drop for Datagrams {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this value owns the socket, which came from
        // `sock_create_kern()`. It is not used afterwards. The namespace is live: the lease is
        // dropped after this.
        unsafe { bindings::sock_release(self.socket.as_ptr()) };
    }
}
