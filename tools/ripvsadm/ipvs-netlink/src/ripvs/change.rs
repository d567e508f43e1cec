// SPDX-License-Identifier: GPL-2.0-only OR MIT OR Apache-2.0

//! Changes that are made together, and their attributes (`RIPVS_CHANGE_ATTR_*`).

use std::fmt;
use std::net::IpAddr;

use super::drain;
use super::uapi::{change_attr, change_op, dest_attr, msg_attr, service_attr};
use crate::attr;
use crate::command::Command;
use crate::destination::{Destination, DestinationId};
use crate::drain::DrainOptions;
use crate::error::Error;
use crate::forward::{ForwardMethod, Tunnel};
use crate::own::OwnEdit;
use crate::service::{Netmask, Service, ServiceFlags, ServiceId};

/// A change of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Adds a service, which must not exist.
    AddService(Service),
    /// Replaces all options of a service.
    SetService(Service),
    /// Replaces the options of a service that the family `IPVS` knows; of its own options (not
    /// those of the [`Service`]) it changes only those that are named.
    EditService(Service, OwnEdit),
    /// Deletes a service with its destinations.
    DeleteService(ServiceId),
    /// Adds a destination, which the service must not have.
    AddDestination(ServiceId, Destination),
    /// Replaces all options of a destination.
    SetDestination(ServiceId, Destination),
    /// Deletes a destination.
    DeleteDestination(ServiceId, DestinationId),
    /// Lets a destination take no new connections, or changes how it is drained.
    DrainDestination(ServiceId, DestinationId, DrainOptions),
    /// Lets a drained destination take new connections again.
    UndrainDestination(ServiceId, DestinationId),
    /// Deletes all services.
    Flush,
}

/// Adds attributes to a message.
type Fill<'a> = &'a dyn Fn(&mut Vec<u8>);

impl Change {
    /// The command of the family `IPVS` for the same change; `None` if it has none.
    pub fn command(&self) -> Option<Command> {
        Some(match self {
            Change::AddService(_) => Command::NewService,
            Change::SetService(_) | Change::EditService(..) => Command::SetService,
            Change::DeleteService(_) => Command::DelService,
            Change::AddDestination(..) => Command::NewDestination,
            Change::SetDestination(..) => Command::SetDestination,
            Change::DeleteDestination(..) => Command::DelDestination,
            Change::DrainDestination(..) | Change::UndrainDestination(..) => return None,
            Change::Flush => Command::Flush,
        })
    }

    /// Returns the service that it is about; `None` for all.
    pub fn service(&self) -> Option<&ServiceId> {
        match self {
            Change::AddService(service)
            | Change::SetService(service)
            | Change::EditService(service, _) => Some(&service.id),
            Change::DeleteService(id)
            | Change::AddDestination(id, _)
            | Change::SetDestination(id, _)
            | Change::DeleteDestination(id, _)
            | Change::DrainDestination(id, ..)
            | Change::UndrainDestination(id, _) => Some(id),
            Change::Flush => None,
        }
    }

    /// Returns the destination that it is about, if it is about one.
    pub fn destination(&self) -> Option<&DestinationId> {
        match self {
            Change::AddDestination(_, server) | Change::SetDestination(_, server) => {
                Some(&server.id)
            }
            Change::DeleteDestination(_, id)
            | Change::DrainDestination(_, id, _)
            | Change::UndrainDestination(_, id) => Some(id),
            _ => None,
        }
    }

    /// Adds the attribute to `out`. What has the value that the kernel would take anyway is left
    /// out of what is added.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let (op, service): (u8, Fill<'_>) = match self {
            Change::AddService(service) => {
                (change_op::NEW_SERVICE, &|out| new_service(out, service))
            }
            Change::SetService(service) => (change_op::SET_SERVICE, &|out| {
                set_service(out, service);
                OwnEdit::all(service.own).encode(out);
            }),
            Change::EditService(service, own) => (change_op::SET_SERVICE, &|out| {
                set_service(out, service);
                own.encode(out);
            }),
            Change::DeleteService(id) => (change_op::DEL_SERVICE, &|out| service_id(out, id)),
            Change::AddDestination(id, _) => (change_op::NEW_DEST, &|out| service_id(out, id)),
            Change::SetDestination(id, _) => (change_op::SET_DEST, &|out| service_id(out, id)),
            Change::DeleteDestination(id, _) => (change_op::DEL_DEST, &|out| service_id(out, id)),
            Change::DrainDestination(id, ..) => (change_op::DRAIN_DEST, &|out| service_id(out, id)),
            Change::UndrainDestination(id, _) => {
                (change_op::UNDRAIN_DEST, &|out| service_id(out, id))
            }
            Change::Flush => (change_op::FLUSH, &|_| {}),
        };
        attr::put_nest(out, msg_attr::CHANGE, |out| {
            attr::put(out, change_attr::OP, &[op]);
            if self.service().is_some() {
                attr::put_nest(out, change_attr::SERVICE, service);
            }
            match self {
                Change::AddDestination(_, server) => {
                    attr::put_nest(out, change_attr::DEST, |out| new_destination(out, server));
                }
                Change::SetDestination(_, server) => {
                    attr::put_nest(out, change_attr::DEST, |out| set_destination(out, server));
                }
                Change::DeleteDestination(_, id) | Change::UndrainDestination(_, id) => {
                    attr::put_nest(out, change_attr::DEST, |out| destination_id(out, id));
                }
                Change::DrainDestination(_, id, options) => {
                    attr::put_nest(out, change_attr::DEST, |out| {
                        destination_id(out, id);
                        drain::put(out, options);
                    });
                }
                _ => {}
            }
        });
    }

    /// Checks what the attributes have no room for.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self {
            Change::AddService(service)
            | Change::SetService(service)
            | Change::EditService(service, _) => crate::change::check_names(service),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Change {
    /// `add the service TCP 192.0.2.1:80`, `delete the real server 198.51.100.1:80 of TCP …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.command()) {
            (_, Some(command)) => command.fmt(f)?,
            (Change::DrainDestination(..), None) => f.write_str("drain the real server")?,
            _ => f.write_str("end the drain of the real server")?,
        }
        match (self.destination(), self.service()) {
            (Some(server), Some(id)) => write!(f, " {server} of {id}"),
            (_, Some(id)) => write!(f, " {id}"),
            (_, None) => Ok(()),
        }
    }
}

fn put_address(out: &mut Vec<u8>, number: u16, address: &IpAddr) {
    match address {
        IpAddr::V4(v4) => attr::put(out, number, &v4.octets()),
        IpAddr::V6(v6) => attr::put(out, number, &v6.octets()),
    }
}

/// Adds the attributes that name a service.
pub(super) fn service_id(out: &mut Vec<u8>, id: &ServiceId) {
    attr::put(out, service_attr::AF, &u16::from(id.family()).to_ne_bytes());
    match id {
        ServiceId::Address {
            protocol,
            address,
            port,
        } => {
            let protocol = u16::from(*protocol);
            attr::put(out, service_attr::PROTOCOL, &protocol.to_ne_bytes());
            put_address(out, service_attr::ADDR, address);
            attr::put(out, service_attr::PORT, &port.to_be_bytes());
        }
        ServiceId::Fwmark { mark, .. } => {
            attr::put(out, service_attr::FWMARK, &mark.to_ne_bytes());
        }
    }
}

fn new_service(out: &mut Vec<u8>, service: &Service) {
    service_id(out, &service.id);
    attr::put_str(out, service_attr::SCHED_NAME, &service.scheduler);
    if let Some(engine) = &service.persistence_engine {
        attr::put_str(out, service_attr::PE_NAME, engine);
    }
    if service.flags != ServiceFlags::default() {
        attr::put(out, service_attr::FLAGS, &service.flags.0.to_ne_bytes());
    }
    if service.timeout != 0 {
        attr::put(out, service_attr::TIMEOUT, &service.timeout.to_ne_bytes());
    }
    if service.netmask != Netmask::host(service.id.family()) {
        attr::put(out, service_attr::NETMASK, &service.netmask.to_wire());
    }
    service.own.encode(out);
}

fn set_service(out: &mut Vec<u8>, service: &Service) {
    service_id(out, &service.id);
    attr::put_str(out, service_attr::SCHED_NAME, &service.scheduler);
    // An empty name is no engine.
    let engine = service.persistence_engine.as_deref().unwrap_or_default();
    attr::put_str(out, service_attr::PE_NAME, engine);
    attr::put(out, service_attr::FLAGS, &service.flags.0.to_ne_bytes());
    attr::put(out, service_attr::TIMEOUT, &service.timeout.to_ne_bytes());
    attr::put(out, service_attr::NETMASK, &service.netmask.to_wire());
}

fn destination_id(out: &mut Vec<u8>, id: &DestinationId) {
    put_address(out, dest_attr::ADDR, &id.address);
    attr::put(out, dest_attr::PORT, &id.port.to_be_bytes());
}

fn put_tunnel(out: &mut Vec<u8>, tunnel: &Tunnel) {
    attr::put(out, dest_attr::TUN_TYPE, &[tunnel.kind.into()]);
    attr::put(out, dest_attr::TUN_PORT, &tunnel.port.to_be_bytes());
    attr::put(out, dest_attr::TUN_FLAGS, &tunnel.flags.0.to_ne_bytes());
}

fn new_destination(out: &mut Vec<u8>, server: &Destination) {
    destination_id(out, &server.id);
    let words = [
        (
            dest_attr::FWD_METHOD,
            server.forward.into(),
            ForwardMethod::Masquerade.into(),
        ),
        (dest_attr::WEIGHT, server.weight, 1),
        (dest_attr::U_THRESH, server.upper_threshold, 0),
        (dest_attr::L_THRESH, server.lower_threshold, 0),
    ];
    for (number, value, default) in words {
        if value != default {
            attr::put(out, number, &u32::to_ne_bytes(value));
        }
    }
    if server.tunnel != Tunnel::default() {
        put_tunnel(out, &server.tunnel);
    }
}

fn set_destination(out: &mut Vec<u8>, server: &Destination) {
    destination_id(out, &server.id);
    for (number, value) in [
        (dest_attr::FWD_METHOD, server.forward.into()),
        (dest_attr::WEIGHT, server.weight),
        (dest_attr::U_THRESH, server.upper_threshold),
        (dest_attr::L_THRESH, server.lower_threshold),
    ] {
        attr::put(out, number, &u32::to_ne_bytes(value));
    }
    put_tunnel(out, &server.tunnel);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::attributes;
    use crate::attr::tests::filled;
    use crate::family::{AddressFamily, Protocol};
    use crate::own::OwnDefaults;

    fn numbers(nest: &[u8]) -> Vec<u16> {
        let all = attributes(nest, "test").map(Result::unwrap);
        all.map(|(number, _)| number).collect()
    }

    /// The attributes of a change: its kind, those of its service, those of its destination.
    fn parts(change: &Change) -> (u8, Vec<u16>, Vec<u16>) {
        let bytes = filled(|out| change.encode(out));
        let (mut op, mut service, mut dest) = (0, Vec::new(), Vec::new());
        let all: Vec<_> = attributes(&bytes, "test").map(Result::unwrap).collect();
        assert_eq!(all.len(), 1);
        for attribute in attributes(all[0].1, "test") {
            match attribute.unwrap() {
                (change_attr::OP, payload) => op = payload[0],
                (change_attr::SERVICE, nest) => service = numbers(nest),
                (change_attr::DEST, nest) => dest = numbers(nest),
                other => panic!("{other:?}"),
            }
        }
        (op, service, dest)
    }

    #[test]
    fn attributes_of_changes() {
        let id = ServiceId::address(Protocol::Tcp, "192.0.2.1".parse().unwrap(), 80);
        let mark = ServiceId::fwmark(AddressFamily::Inet6, 7);
        let mut server = Destination::new("198.51.100.1".parse().unwrap(), 80);
        let address = vec![1, 2, 3, 4];
        let plain = Service::new(id.clone(), "rr");
        let added = parts(&Change::AddService(plain.clone()));
        assert_eq!(added, (1, vec![1, 2, 3, 4, 6], vec![]));
        let set = parts(&Change::SetService(plain));
        assert_eq!(set, (2, vec![1, 2, 3, 4, 6, 11, 7, 8, 9, 27], vec![]));
        let mut owns = Service::new(id.clone(), "rr");
        owns.own.timeout_udp = Some(9);
        owns.own.fast_path = Some(0);
        let added = parts(&Change::AddService(owns.clone()));
        assert_eq!(added, (1, vec![1, 2, 3, 4, 6, 22, 26], vec![]));
        let set = parts(&Change::SetService(owns.clone()));
        assert_eq!(set.1[9..], [22, 26, 27]);
        let edit = OwnEdit {
            reset: OwnDefaults::CONNTRACK,
            ..OwnEdit::default()
        };
        let set = parts(&Change::EditService(owns, edit));
        assert_eq!(set, (2, vec![1, 2, 3, 4, 6, 11, 7, 8, 9, 27], vec![]));
        let deleted = parts(&Change::DeleteService(mark));
        assert_eq!(deleted, (3, vec![1, 5], vec![]));
        // Direct routing is not what the kernel takes by itself.
        let added = parts(&Change::AddDestination(id.clone(), server.clone()));
        assert_eq!(added, (4, address.clone(), vec![1, 2, 3]));
        server.forward = ForwardMethod::Masquerade;
        let added = parts(&Change::AddDestination(id.clone(), server.clone()));
        assert_eq!(added, (4, address.clone(), vec![1, 2]));
        let set = parts(&Change::SetDestination(id.clone(), server.clone()));
        let all = vec![1, 2, 3, 4, 5, 6, 13, 14, 15];
        assert_eq!(set, (5, address.clone(), all));
        let drain = id.clone();
        let deleted = parts(&Change::DeleteDestination(id, server.id));
        assert_eq!(deleted, (6, address.clone(), vec![1, 2]));
        let options = DrainOptions::default();
        let drained = parts(&Change::DrainDestination(drain.clone(), server.id, options));
        assert_eq!(drained, (8, address.clone(), vec![1, 2, 20]));
        let undrained = parts(&Change::UndrainDestination(drain, server.id));
        assert_eq!(undrained, (9, address, vec![1, 2]));
        assert_eq!(parts(&Change::Flush), (7, vec![], vec![]));
    }

    #[test]
    fn changes_in_words() {
        let id = ServiceId::address(Protocol::Tcp, "192.0.2.1".parse().unwrap(), 80);
        let server = Destination::new("198.51.100.1".parse().unwrap(), 81);
        assert_eq!(
            Change::DeleteDestination(id.clone(), server.id).to_string(),
            "delete the real server 198.51.100.1:81 of TCP 192.0.2.1:80"
        );
        assert_eq!(
            Change::UndrainDestination(id.clone(), server.id).to_string(),
            "end the drain of the real server 198.51.100.1:81 of TCP 192.0.2.1:80"
        );
        assert_eq!(
            Change::DeleteService(id).to_string(),
            "delete the service TCP 192.0.2.1:80"
        );
        assert_eq!(Change::Flush.to_string(), "clear the table");
    }
}
