// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! The way to the kernel: a socket, or what a test has instead.

use std::io;

use netlink_sys::protocols::NETLINK_GENERIC;
use netlink_sys::{Socket, SocketAddr};
use rustix::net::sockopt;

/// Carries requests to the kernel and its datagrams back.
///
/// [`SocketTransport`] does; a test may have another.
pub trait Transport {
    /// Sends one datagram, of one or more requests.
    ///
    /// # Errors
    /// What kept it from being sent.
    fn send(&mut self, requests: &[u8]) -> io::Result<()>;

    /// Waits for the next datagram and puts all of it into `datagram`, instead of what was there.
    ///
    /// # Errors
    /// What kept it from being received, in particular that datagrams were lost.
    fn receive(&mut self, datagram: &mut Vec<u8>) -> io::Result<()>;

    /// As [`Transport::receive`], with a buffer for the largest datagrams that the kernel makes of
    /// a dump, 32 KiB: it makes them as large as the largest buffer that was offered to it.
    ///
    /// # Errors
    /// As [`Transport::receive`].
    fn receive_large(&mut self, datagram: &mut Vec<u8>) -> io::Result<()> {
        self.receive(datagram)
    }

    /// The bytes, with the kernel's own for each datagram, that answers may have while nobody
    /// receives them. With 0 there is one request at a time.
    fn room(&self) -> usize {
        0
    }
}

/// A generic-netlink socket.
#[derive(Debug)]
pub struct SocketTransport {
    socket: Socket,
    room: usize,
    /// Bytes of the longest message that the send buffer is known to take.
    longest: usize,
}

impl SocketTransport {
    /// The size of the buffer, which the kernel takes for the size of datagrams: with its own
    /// data behind them these fill eight kibibytes of its memory.
    const DATAGRAM: usize = 7872;

    /// As much as the kernel puts into a datagram of a dump.
    const LARGE_DATAGRAM: usize = 32 << 10;

    /// The bytes of a message that every kernel's default send buffer takes.
    const SEND_BUFFER_MIN: usize = 64 << 10;

    /// The receive buffer to ask for; the kernel gives as much as net.core.rmem_max allows.
    const RECEIVE_BUFFER: libc::c_int = 1 << 20;

    /// Opens the socket and asks for extended errors, which old kernels do not have.
    ///
    /// # Errors
    /// What kept it from being opened.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        for refused in [socket.set_ext_ack(true), socket.set_cap_ack(true)] {
            if let Err(error) = refused {
                if error.raw_os_error() != Some(libc::ENOPROTOOPT) {
                    return Err(error);
                }
            }
        }
        socket.set_rx_buf_sz(Self::RECEIVE_BUFFER)?;
        // What is left over covers that the kernel counts more than the bytes.
        let room = socket.get_rx_buf_sz()? / 2;
        Ok(SocketTransport {
            socket,
            room,
            longest: Self::SEND_BUFFER_MIN,
        })
    }

    /// Listens to a multicast group.
    pub(crate) fn join(&self, group: u32) -> io::Result<()> {
        self.socket.add_membership(group)
    }

    /// Has the send buffer take a message of that many bytes. The administrator may exceed
    /// net.core.wmem_max; for others it is the limit, and the message is refused if it is longer.
    fn make_room(&mut self, length: usize) -> io::Result<()> {
        if length <= self.longest {
            return Ok(());
        }
        // The kernel doubles it, which covers what it counts beside the bytes.
        if sockopt::set_socket_send_buffer_size_force(&self.socket, length).is_err() {
            sockopt::set_socket_send_buffer_size(&self.socket, length)?;
        }
        self.longest = length;
        Ok(())
    }

    /// Receives a datagram into a buffer of `size` bytes.
    fn receive_into(&mut self, datagram: &mut Vec<u8>, size: usize) -> io::Result<()> {
        datagram.clear();
        datagram.reserve_exact(size);
        let length = loop {
            match self.socket.recv(datagram, libc::MSG_TRUNC) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => break other?,
            }
        };
        match length > datagram.len() {
            true => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "datagram too long",
            )),
            false => Ok(()),
        }
    }
}

impl Transport for SocketTransport {
    fn send(&mut self, requests: &[u8]) -> io::Result<()> {
        self.make_room(requests.len())?;
        match self.socket.send(requests, 0)? {
            sent if sent == requests.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    fn receive(&mut self, datagram: &mut Vec<u8>) -> io::Result<()> {
        self.receive_into(datagram, Self::DATAGRAM)
    }

    fn receive_large(&mut self, datagram: &mut Vec<u8>) -> io::Result<()> {
        self.receive_into(datagram, Self::LARGE_DATAGRAM)
    }

    fn room(&self) -> usize {
        self.room
    }
}
