// SPDX-License-Identifier: GPL-2.0

//! UDP sockets of the kernel, to and from multicast groups.
//!
//! C header: [`include/linux/net.h`](srctree/include/linux/net.h)
//!
//! Process context throughout. The options are those that programs set, by the same names and
//! numbers.

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

/// `AF_INET` and `AF_INET6`.
const FAMILY_V4: u16 = bindings::AF_INET as u16;
const FAMILY_V6: u16 = bindings::AF_INET6 as u16;
/// `IPPROTO_UDP`; also the level of its options.
const UDP: c_int = 17;
/// `SOCK_DGRAM`.
const DATAGRAMS: c_int = 2;

/// Levels and numbers of options.
mod option {
    pub(super) const SOCKET: i32 = 1;
    pub(super) const SO_REUSEADDR: i32 = 2;
    pub(super) const SO_SNDBUF: i32 = 7;
    pub(super) const SO_RCVBUF: i32 = 8;
    pub(super) const SO_BINDTOIFINDEX: i32 = 62;
    pub(super) const IP: i32 = 0;
    pub(super) const IP_MTU_DISCOVER: i32 = 10;
    pub(super) const IP_MULTICAST_IF: i32 = 32;
    pub(super) const IP_MULTICAST_TTL: i32 = 33;
    pub(super) const IP_MULTICAST_LOOP: i32 = 34;
    pub(super) const IP_ADD_MEMBERSHIP: i32 = 35;
    pub(super) const IPV6: i32 = 41;
    pub(super) const IPV6_MULTICAST_IF: i32 = 17;
    pub(super) const IPV6_MULTICAST_HOPS: i32 = 18;
    pub(super) const IPV6_MULTICAST_LOOP: i32 = 19;
    pub(super) const IPV6_ADD_MEMBERSHIP: i32 = 20;
    pub(super) const IPV6_MTU_DISCOVER: i32 = 23;
}

/// Address of a datagram: an IP address, bytes in network order, and a port.
#[derive(Clone, Copy)]
pub(crate) enum Address {
    /// Of IPv4.
    V4([u8; 4], u16),
    /// Of IPv6.
    V6([u8; 16], u16),
}

impl Address {
    fn protocol(self) -> Protocol {
        match self {
            Self::V4(..) => Protocol::Ipv4,
            Self::V6(..) => Protocol::Ipv6,
        }
    }

    /// As C has it.
    fn raw(self) -> RawAddress {
        let mut raw = RawAddress([0; 28]);
        let (family, port, at, addr): (_, _, usize, &[u8]) = match &self {
            Self::V4(addr, port) => (FAMILY_V4, port, 4, addr),
            Self::V6(addr, port) => (FAMILY_V6, port, 8, addr),
        };
        let (family, port) = (family.to_ne_bytes(), port.to_be_bytes());
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

    /// Returns how long it is as C has it.
    fn raw_len(self) -> c_int {
        match self {
            Self::V4(..) => 16,
            Self::V6(..) => 28,
        }
    }
}

/// `struct sockaddr_in` or `struct sockaddr_in6`.
#[repr(C, align(8))]
struct RawAddress([u8; 28]);

/// A UDP socket.
///
/// # Invariants
///
/// `socket` came from `sock_create_kern()`, in the namespace of `lease`, which it does not keep by
/// itself.
pub(crate) struct Datagrams {
    socket: NonNull<bindings::socket>,
    lease: Lease,
    protocol: Protocol,
}

// SAFETY: Sockets are locked where they need to be.
unsafe impl Send for Datagrams {}
// SAFETY: Sockets are locked where they need to be.
unsafe impl Sync for Datagrams {}

impl Datagrams {
    /// Creates a socket.
    fn new(lease: Lease, protocol: Protocol) -> Result<Self> {
        let family = match protocol {
            Protocol::Ipv4 => FAMILY_V4,
            Protocol::Ipv6 => FAMILY_V6,
        };
        let mut socket = core::ptr::null_mut();
        // SAFETY: The namespace is live; the result is on this stack.
        to_result(unsafe {
            bindings::sock_create_kern(lease.as_ptr(), family.into(), DATAGRAMS, UDP, &mut socket)
        })?;
        // INVARIANT: Created just above.
        Ok(Self {
            socket: NonNull::new(socket).ok_or(ENOMEM)?,
            lease,
            protocol,
        })
    }

    /// A socket that sends to a group on a device, with such a time to live, and not to this host.
    /// Where `buffer` is above 0, that is the room for what waits to be sent.
    pub(crate) fn sender(
        lease: Lease,
        device: &Device,
        group: Address,
        ttl: u8,
        buffer: i32,
    ) -> Result<Self> {
        let this = Self::new(lease, group.protocol())?;
        this.set_on(device)?;
        this.set(option::IP_MULTICAST_LOOP, option::IPV6_MULTICAST_LOOP, 0)?;
        this.set(
            option::IP_MULTICAST_TTL,
            option::IPV6_MULTICAST_HOPS,
            ttl.into(),
        )?;
        // Datagrams may be cut on their way: no MTU is asked for.
        this.set(option::IP_MTU_DISCOVER, option::IPV6_MTU_DISCOVER, 0)?;
        if buffer > 0 {
            this.option(option::SOCKET, option::SO_SNDBUF, buffer)?;
        }
        if let Address::V4(..) = group {
            this.bind(Address::V4(device.addr_v4, 0))?;
        }
        let mut raw = group.raw();
        // SAFETY: A live socket by the type invariant; the address is on this stack, and as long as
        // is said.
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

    /// A socket that receives what comes to a group on a device, of which it becomes a member.
    /// Where `buffer` is above 0, that is the room for what waits to be received.
    pub(crate) fn receiver(
        lease: Lease,
        device: &Device,
        group: Address,
        buffer: i32,
    ) -> Result<Self> {
        let this = Self::new(lease, group.protocol())?;
        this.option(option::SOCKET, option::SO_REUSEADDR, 1)?;
        if buffer > 0 {
            this.option(option::SOCKET, option::SO_RCVBUF, buffer)?;
        }
        this.option(option::SOCKET, option::SO_BINDTOIFINDEX, device.index)?;
        this.bind(group)?;
        match group {
            Address::V4(addr, _) => {
                // `struct ip_mreqn`
                this.option_of(
                    option::IP,
                    option::IP_ADD_MEMBERSHIP,
                    &mut [u32::from_ne_bytes(addr), 0, device.index as u32],
                )?;
            }
            Address::V6(addr, _) => {
                // `struct ipv6_mreq`
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

    /// Sets an option to any value.
    fn option_of<T: Copy>(&self, level: c_int, name: c_int, value: &mut T) -> Result {
        // SAFETY: A live socket by the type invariant; the value is on the caller's stack, and as
        // long as is said.
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

    /// Sets an option to a number.
    fn option(&self, level: c_int, name: c_int, value: c_int) -> Result {
        self.option_of(level, name, &mut { value })
    }

    /// Sets the option of the socket's family that is called so with IPv4 and with IPv6.
    fn set(&self, v4: c_int, v6: c_int, value: c_int) -> Result {
        match self.protocol {
            Protocol::Ipv4 => self.option(option::IP, v4, value),
            Protocol::Ipv6 => self.option(option::IPV6, v6, value),
        }
    }

    /// Sends to groups on a device.
    fn set_on(&self, device: &Device) -> Result {
        match self.protocol {
            // `struct ip_mreqn`
            Protocol::Ipv4 => self.option_of(
                option::IP,
                option::IP_MULTICAST_IF,
                &mut [0, 0, device.index],
            ),
            Protocol::Ipv6 => self.option(option::IPV6, option::IPV6_MULTICAST_IF, device.index),
        }
    }

    fn bind(&self, to: Address) -> Result {
        let mut raw = to.raw();
        // SAFETY: A live socket by the type invariant; the address is on this stack, and as long as
        // is said.
        to_result(unsafe {
            bindings::kernel_bind(self.socket.as_ptr(), (&raw mut raw).cast(), to.raw_len())
        })
    }

    /// The namespace of the socket.
    pub(crate) fn net(&self) -> &Net {
        &self.lease
    }

    /// Sends a datagram, without waiting.
    ///
    /// # Errors
    ///
    /// `EAGAIN` where too much waits to be sent; those of the network.
    pub(crate) fn send(&self, datagram: &[u8]) -> Result {
        let mut message = message();
        message.msg_flags = bindings::MSG_DONTWAIT | bindings::MSG_NOSIGNAL;
        let mut part = bindings::kvec {
            iov_base: datagram.as_ptr().cast_mut().cast(),
            iov_len: datagram.len(),
        };
        // SAFETY: A live socket by the type invariant; the bytes are only read.
        let sent = unsafe {
            bindings::kernel_sendmsg(
                self.socket.as_ptr(),
                &mut message,
                &mut part,
                1,
                datagram.len(),
            )
        };
        to_result(sent.min(0))
    }

    /// Receives a datagram, without waiting; returns how many bytes of `room` it has. What is
    /// longer is cut.
    ///
    /// # Errors
    ///
    /// `EAGAIN` where there is none; those of the network.
    pub(crate) fn receive(&self, room: &mut [u8]) -> Result<usize> {
        let mut message = message();
        let mut part = bindings::kvec {
            iov_base: room.as_mut_ptr().cast(),
            iov_len: room.len(),
        };
        // SAFETY: A live socket by the type invariant; as many bytes can be written as are said.
        let received = unsafe {
            bindings::kernel_recvmsg(
                self.socket.as_ptr(),
                &mut message,
                &mut part,
                1,
                room.len(),
                bindings::MSG_DONTWAIT as c_int,
            )
        };
        to_result(received.min(0))?;
        Ok(usize::try_from(received)?)
    }

    /// Waits until there is a datagram, or the thread is to stop.
    pub(crate) fn wait(&self, _: &Running) {
        // SAFETY: A live socket by the type invariant; process context, in a kernel thread, by that
        // of `Running`.
        unsafe { bindings::rust_ipvs_helper_wait_for_datagram(self.socket.as_ptr()) };
    }
}

/// A message that says nothing yet.
fn message() -> bindings::msghdr {
    // SAFETY: All zeroes is how C code has messages begin; no field is of a type that may not be
    // zero.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        // SAFETY: Created by `sock_create_kern()`, by the type invariant, and used no more.
        unsafe { bindings::sock_release(self.socket.as_ptr()) };
    }
}
