// SPDX-License-Identifier: GPL-2.0

//! The host as the checks see it: files of /proc, routes, rules of the firewall.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::process::Command;

use netlink_sys::{protocols::NETLINK_ROUTE, Socket, SocketAddr};

/// Result of a look-up in the kernel's routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// The address is this host's.
    Local,
    /// Packets leave by this device.
    Device(String),
    /// There is none.
    None,
}

/// Sources of facts.
pub trait Host {
    /// Returns a file, or `None` if it cannot be read.
    fn file(&self, path: &str) -> Option<String>;

    /// Returns the names in a folder, sorted.
    fn folder(&self, path: &str) -> Vec<String>;

    /// Looks the route of an address up, as for packets of this host; `None` if that cannot be
    /// told.
    fn route(&mut self, address: IpAddr) -> Option<Route>;

    /// Returns the rules of nftables and iptables, as the programs of these print them.
    fn rules(&self) -> String;
}

/// This host.
#[derive(Default)]
pub struct ThisHost {
    socket: Option<Socket>,
    /// Routes that were looked up.
    known: BTreeMap<IpAddr, Option<Route>>,
}

impl Host for ThisHost {
    fn file(&self, path: &str) -> Option<String> {
        fs::read_to_string(path).ok()
    }

    fn folder(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    fn route(&mut self, address: IpAddr) -> Option<Route> {
        if let Some(known) = self.known.get(&address) {
            return known.clone();
        }
        let found = self.look_up(address).ok().flatten();
        self.known.insert(address, found.clone());
        found
    }

    fn rules(&self) -> String {
        let programs: [(&str, &[&str]); 3] = [
            ("nft", &["-s", "list", "ruleset"]),
            ("iptables-save", &[]),
            ("ip6tables-save", &[]),
        ];
        programs
            .iter()
            .filter_map(|(program, words)| Command::new(program).args(*words).output().ok())
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .collect()
    }
}

const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;
/// The bytes of `struct nlmsghdr`, and of `struct rtmsg`.
const HEADER: usize = 16;
const RTMSG: usize = 12;

impl ThisHost {
    /// Asks the kernel for a route (`RTM_GETROUTE`).
    fn look_up(&mut self, address: IpAddr) -> io::Result<Option<Route>> {
        if self.socket.is_none() {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            self.socket = Some(socket);
        }
        let Some(socket) = &self.socket else {
            return Ok(None);
        };
        socket.send(&request(address), 0)?;
        let (answer, _) = socket.recv_from_full()?;
        Ok(read(&answer, |index| {
            let udp = std::net::UdpSocket::bind("[::]:0")
                .or_else(|_| std::net::UdpSocket::bind("0.0.0.0:0"))
                .ok()?;
            rustix::net::netdevice::index_to_name(&udp, index).ok()
        }))
    }
}

/// The request for the route to an address.
fn request(address: IpAddr) -> Vec<u8> {
    let (family, bytes) = match address {
        IpAddr::V4(v4) => (libc::AF_INET as u8, v4.octets().to_vec()),
        IpAddr::V6(v6) => (libc::AF_INET6 as u8, v6.octets().to_vec()),
    };
    let length = HEADER + RTMSG + 4 + bytes.len();
    let mut message = Vec::with_capacity(length);
    message.extend((length as u32).to_ne_bytes());
    message.extend(RTM_GETROUTE.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([
        family,
        (bytes.len() * 8) as u8,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ]);
    message.extend((4 + bytes.len() as u16).to_ne_bytes());
    message.extend(RTA_DST.to_ne_bytes());
    message.extend(bytes);
    message
}

/// Reads the answer; `name` gives the name of a device.
fn read(answer: &[u8], name: impl Fn(u32) -> Option<String>) -> Option<Route> {
    let u16_at = |at: usize| Some(u16::from_ne_bytes(*answer.get(at..)?.first_chunk()?));
    let u32_at = |at: usize| Some(u32::from_ne_bytes(*answer.get(at..)?.first_chunk()?));
    match u16_at(4)? {
        RTM_NEWROUTE => {}
        NLMSG_ERROR => {
            let errno = -(u32_at(HEADER)? as i32);
            let unreachable = [
                libc::ENETUNREACH,
                libc::EHOSTUNREACH,
                libc::EACCES,
                libc::EINVAL,
            ];
            return unreachable.contains(&errno).then_some(Route::None);
        }
        _ => return None,
    }
    match *answer.get(HEADER + 7)? {
        RTN_LOCAL => return Some(Route::Local),
        RTN_UNICAST => {}
        _ => return Some(Route::None),
    }
    let mut at = HEADER + RTMSG;
    while let (Some(length), Some(kind)) = (u16_at(at), u16_at(at + 2)) {
        if kind == RTA_OIF {
            return name(u32_at(at + 4)?).map(Route::Device);
        }
        at += usize::from(length).max(4).next_multiple_of(4);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_about_routes() {
        let name = |index| (index == 7).then(|| "eth0".to_owned());
        let mut answer = vec![0; HEADER + RTMSG];
        answer[4..6].copy_from_slice(&RTM_NEWROUTE.to_ne_bytes());
        answer[HEADER + 7] = RTN_LOCAL;
        assert_eq!(read(&answer, name), Some(Route::Local));
        answer[HEADER + 7] = RTN_UNICAST;
        assert_eq!(read(&answer, name), None);
        for (kind, number) in [(RTA_DST, 1u32), (RTA_OIF, 7)] {
            answer.extend(8u16.to_ne_bytes());
            answer.extend(kind.to_ne_bytes());
            answer.extend(number.to_ne_bytes());
        }
        assert_eq!(read(&answer, name), Some(Route::Device("eth0".to_owned())));
        // Unreachable, prohibited and blackhole routes.
        answer[HEADER + 7] = 7;
        assert_eq!(read(&answer, name), Some(Route::None));
        answer[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        answer[HEADER..HEADER + 4].copy_from_slice(&(-libc::ENETUNREACH).to_ne_bytes());
        assert_eq!(read(&answer, name), Some(Route::None));
        answer[HEADER..HEADER + 4].copy_from_slice(&(-libc::EPERM).to_ne_bytes());
        assert_eq!(read(&answer, name), None);
        for length in 0..answer.len() {
            // No length of a datagram is trusted.
            let _ = read(&answer[..length], name);
        }
    }

    #[test]
    fn a_request_names_the_address() {
        let message = request("192.0.2.1".parse().unwrap());
        assert_eq!(message.len(), 36);
        assert_eq!(message[HEADER..HEADER + 2], [2, 32]);
        assert_eq!(message[32..], [192, 0, 2, 1]);
        assert_eq!(request("::1".parse().unwrap()).len(), 48);
    }

    #[test]
    fn this_host_has_a_loopback_address() {
        let mut host = ThisHost::default();
        let address = "127.0.0.1".parse().unwrap();
        if let Some(route) = host.route(address) {
            assert_eq!(route, Route::Local);
        }
        assert!(host.file("/no/such/file").is_none());
        assert!(host.folder("/no/such/folder").is_empty());
    }
}
