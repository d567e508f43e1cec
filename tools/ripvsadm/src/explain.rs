// SPDX-License-Identifier: GPL-2.0

//! Texts for errors of the kernel: the request, the reason, and a remedy.

use std::path::Path;

use ipvs_netlink::{Change, Command, Error as NetlinkError, KernelError};

use crate::error::Error;

/// Remedy if there is no IPVS.
const LOAD: &str = "load it with \"modprobe rust_ipvs\" or \"insmod rust_ipvs.ko\"";

/// A failure to get as far as the kernel's IPVS.
pub fn setup(error: NetlinkError) -> Error {
    Error::Setup(match error {
        NetlinkError::NoFamily => format!("the kernel has no IPVS: {LOAD}"),
        other if other.errno() == Some(libc::EPERM) => permission(),
        other => format!("cannot talk to the kernel's IPVS: {other}"),
    })
}

/// A failure to read what is to be listed.
pub fn listing(error: NetlinkError) -> Error {
    Error::Listing(match error {
        NetlinkError::Kernel(refusal) => refused_listing(&refusal),
        other => other.to_string(),
    })
}

fn refused_listing(refusal: &KernelError) -> String {
    match (refusal.command, refusal.errno) {
        (_, libc::EPERM) => permission(),
        (Some(Command::GetService), libc::ESRCH) => "there is no such service".to_owned(),
        (_, libc::EOPNOTSUPP) => unsupported(refusal),
        _ => refusal.to_string(),
    }
}

/// A failure in the middle of many changes.
pub fn lost(error: NetlinkError) -> Error {
    Error::Listing(format!(
        "{error}: it is not known how much of it was done; see -L -n"
    ))
}

/// A refusal of the change that `change` asked for.
pub fn refusal(error: NetlinkError, change: &Change) -> Error {
    Error::Refused(match &error {
        NetlinkError::Kernel(kernel) => refused_change(kernel, change),
        other => other.to_string(),
    })
}

fn refused_change(kernel: &KernelError, change: &Change) -> String {
    match kernel.errno {
        libc::EPERM => return permission(),
        libc::EOPNOTSUPP => return unsupported(kernel),
        _ => {}
    }
    let target = target(change);
    let attempt = match kernel.command {
        Some(command) => format!("cannot {}", command.describe()),
        None => "cannot do that".to_owned(),
    };
    let remedy = remedy(kernel.errno, change);
    match (&kernel.message, reason(kernel.errno, change)) {
        (Some(words), _) => {
            let names = names(kernel.errno, change);
            format!("{attempt}{target}: {words}{names}{remedy}")
        }
        (None, Some(reason)) => format!("{attempt}{target}: {reason}{remedy}"),
        (None, None) => format!("{attempt}{target}: {}{remedy}", kernel.errno_text()),
    }
}

/// Returns what the change is about.
fn target(change: &Change) -> String {
    match change {
        Change::AddService(service) | Change::EditService(service) => format!(" {}", service.id),
        Change::DeleteService(id) => format!(" {id}"),
        Change::AddDestination(id, server) | Change::EditDestination(id, server) => {
            format!(" {} of {id}", server.id)
        }
        Change::DeleteDestination(id, server) => format!(" {server} of {id}"),
        Change::Zero(Some(id)) => format!(" of {id}"),
        _ => String::new(),
    }
}

/// The names that the kernel did not find, which its own words do not repeat.
fn names(errno: i32, change: &Change) -> String {
    match (errno, change) {
        (libc::ENOENT, Change::AddService(service) | Change::EditService(service)) => {
            let scheduler = format!("-s {}", service.scheduler);
            match &service.persistence_engine {
                Some(engine) => format!(" ({scheduler} --pe {engine})"),
                None => format!(" ({scheduler})"),
            }
        }
        _ => String::new(),
    }
}

/// Returns what the errno means, in case the kernel has no words of its own.
fn reason(errno: i32, change: &Change) -> Option<String> {
    Some(match (errno, change) {
        (libc::EEXIST, Change::AddService(_)) => "it is there already".to_owned(),
        (libc::EEXIST, Change::AddDestination(..)) => "it is there already".to_owned(),
        (libc::EEXIST, Change::StartDaemon(_)) => "one runs already".to_owned(),
        (libc::ESRCH, Change::StopDaemon(_)) => "none runs".to_owned(),
        (libc::ESRCH, _) => "there is no such service".to_owned(),
        (libc::ENOENT, Change::AddService(service) | Change::EditService(service)) => {
            let scheduler = &service.scheduler;
            match &service.persistence_engine {
                Some(engine) => format!(
                    "the kernel has no scheduler \"{scheduler}\" or no persistence engine \
                     \"{engine}\""
                ),
                None => format!("the kernel has no scheduler \"{scheduler}\""),
            }
        }
        (libc::ENOENT, _) => "the service has no such real server".to_owned(),
        (libc::ERANGE, Change::AddDestination(..) | Change::EditDestination(..)) => {
            "the lower threshold (-y) is above the upper (-x)".to_owned()
        }
        (libc::EINVAL, Change::AddDestination(_, server) | Change::EditDestination(_, server)) => {
            format!(
                "the kernel does not take it; is {} a unicast address that the director can reach?",
                server.id.address
            )
        }
        (libc::EAFNOSUPPORT, _) => "the kernel has no IPVS for IPv6".to_owned(),
        (libc::ENODEV, Change::StartDaemon(daemon)) => {
            format!(
                "there is no interface \"{}\" (--mcast-interface)",
                daemon.interface
            )
        }
        _ => return None,
    })
}

/// Returns the remedy, if one is known.
fn remedy(errno: i32, change: &Change) -> &'static str {
    match (errno, change) {
        (libc::EEXIST, Change::AddService(_)) => "; change it with -E",
        (libc::EEXIST, Change::AddDestination(..)) => "; change it with -e",
        (libc::EEXIST, Change::StartDaemon(_)) => "; stop it first with --stop-daemon",
        (libc::ESRCH, Change::EditService(_) | Change::AddDestination(..)) => "; add it with -A",
        (libc::ENOENT, Change::EditDestination(..)) => "; add it with -a",
        (libc::ESRCH, Change::DeleteService(_))
        | (libc::ENOENT | libc::ESRCH, Change::DeleteDestination(..)) => "; see -L -n",
        _ => "",
    }
}

fn permission() -> String {
    "no permission: run it as root, in the initial user namespace (CAP_NET_ADMIN)".to_owned()
}

fn unsupported(kernel: &KernelError) -> String {
    let what = kernel.command.map_or("do that", Command::describe);
    let whose = match Path::new("/sys/module/ip_vs").exists() {
        true => " (the C module ip_vs is loaded)",
        false => "",
    };
    match &kernel.message {
        Some(words) => format!("this kernel's IPVS{whose} cannot {what}: {words}"),
        None => format!("this kernel's IPVS{whose} cannot {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipvs_netlink::{Destination, Protocol, Service, ServiceId};

    fn kernel(command: Command, errno: i32, message: Option<&str>) -> NetlinkError {
        NetlinkError::Kernel(KernelError {
            command: Some(command),
            errno,
            message: message.map(str::to_owned),
            offset: None,
        })
    }

    fn web() -> ServiceId {
        ServiceId::address(Protocol::Tcp, "192.0.2.1".parse().unwrap(), 80)
    }

    #[test]
    fn a_kernel_without_ipvs() {
        let error = setup(NetlinkError::NoFamily);
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("insmod rust_ipvs.ko"), "{error}");
    }

    #[test]
    fn no_privilege() {
        let error = setup(kernel(Command::GetInfo, libc::EPERM, None));
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("root"), "{error}");
    }

    #[test]
    fn an_unknown_scheduler() {
        let change = Change::AddService(Service::new(web(), "foo"));
        let error = refusal(kernel(Command::NewService, libc::ENOENT, None), &change);
        assert_eq!(error.exit_code(), 255);
        assert_eq!(
            error.to_string(),
            "cannot add the service TCP 192.0.2.1:80: the kernel has no scheduler \"foo\""
        );
        // The kernel's own words come first.
        let words = Some("no scheduler of that name");
        let error = refusal(kernel(Command::NewService, libc::ENOENT, words), &change);
        assert_eq!(
            error.to_string(),
            "cannot add the service TCP 192.0.2.1:80: no scheduler of that name (-s foo)"
        );
    }

    #[test]
    fn duplicates_and_strangers() {
        let server = Destination::new("198.51.100.1".parse().unwrap(), 80);
        let change = Change::AddDestination(web(), server.clone());
        let error = refusal(kernel(Command::NewDestination, libc::EEXIST, None), &change);
        assert_eq!(
            error.to_string(),
            "cannot add the real server 198.51.100.1:80 of TCP 192.0.2.1:80: it is there \
             already; change it with -e"
        );
        let change = Change::DeleteDestination(web(), server.id);
        let error = refusal(kernel(Command::DelDestination, libc::ESRCH, None), &change);
        assert_eq!(
            error.to_string(),
            "cannot delete the real server 198.51.100.1:80 of TCP 192.0.2.1:80: there is no \
             such service; see -L -n"
        );
    }

    #[test]
    fn what_the_kernel_has_not() {
        let error = listing(kernel(Command::GetDaemon, libc::EOPNOTSUPP, None));
        assert_eq!(
            error.to_string(),
            "this kernel's IPVS cannot list the synchronisation daemons"
        );
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn an_errno_nobody_expected() {
        let error = refusal(kernel(Command::Flush, libc::ENOMEM, None), &Change::Flush);
        assert_eq!(
            error.to_string(),
            "cannot clear the table: Cannot allocate memory"
        );
    }
}
