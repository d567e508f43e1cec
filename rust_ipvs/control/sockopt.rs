// SPDX-License-Identifier: GPL-2.0

//! Socket option interface (behaviour.rst 11.3).
//!
//! It needs `CAP_NET_ADMIN` only in the user namespace that owns the network namespace. It reports
//! an error by its number, without text.

use super::errno::{
    errno,
    VERSION, //
};
use crate::{
    director::{
        Bookmark,
        NetnsIpvs,
        Shown, //
    },
    kapi::{
        net::Net,
        sockopt::{
            is_admin_of,
            Asked,
            Given,
            Registration, //
            SocketOptions,
        },
        time,
    },
    logic::{
        config::{
            AddressFamily,
            ConfigError,
            ServiceId,
            TunnelChange, //
        },
        sockopt::{
            self as wire,
            GetRequest,
            SetRequest, //
        },
        sync::daemon::DaemonRole,
    },
};
use core::ops::Range;
use kernel::{
    prelude::*,
    sync::Arc,
    ModuleMetadata, //
};

/// Registers the options, which stay registered until the result is dropped.
pub(super) fn register() -> Result<Registration> {
    Registration::new::<IpvsOptions>(&<crate::LocalModule as ModuleMetadata>::THIS_MODULE)
}

/// Converts an error of a request, and drops its text.
fn number(error: ConfigError) -> Error {
    errno(error.errno)
}

/// Returns the state of a namespace.
///
/// # Errors
///
/// `EPERM` if the caller is not an administrator of it, `ENOPROTOOPT` if it has no state.
fn ipvs(net: &Net) -> Result<Arc<NetnsIpvs>> {
    if !is_admin_of(net) {
        return Err(EPERM);
    }
    NetnsIpvs::of(net).ok_or(ENOPROTOOPT)
}

/// Checks that the service of a request exists, which comes before its other checks.
fn existing(ipvs: &NetnsIpvs, id: &ServiceId) -> Result {
    if ipvs.service_exists(id) {
        Ok(())
    } else {
        Err(ESRCH)
    }
}

/// Socket options of IPVS.
struct IpvsOptions;

impl SocketOptions for IpvsOptions {
    const SET: Range<u32> = wire::FIRST..wire::SET_END;
    const GET: Range<u32> = wire::FIRST..wire::GET_END;

    fn set(net: &Net, option: u32, given: &Given) -> Result {
        let ipvs = ipvs(net)?;
        if given.len() != wire::set_length(option) {
            return Err(EINVAL);
        }
        let mut bytes = [0; wire::SET_MAX];
        let bytes = bytes.get_mut(..given.len()).ok_or(EINVAL)?;
        given.read(bytes)?;
        let what = wire::set(option, bytes, time::HZ).map_err(number)?;
        carry_out(net, &ipvs, what)
    }

    fn get(net: &Net, option: u32, asked: &mut Asked<'_>) -> Result {
        let ipvs = ipvs(net)?;
        let what = GetRequest::of(option).ok_or(EINVAL)?;
        // Request and answer share the caller's buffer. The longest request is that for a service.
        let mut question = [0; wire::SERVICE_ENTRY];
        let question = question.get_mut(..what.least()).ok_or(EINVAL)?;
        asked.read(question)?;
        answer(&ipvs, what, question, asked)
    }
}

/// Carries out a request of `setsockopt()`.
fn carry_out(net: &Net, ipvs: &Arc<NetnsIpvs>, what: SetRequest) -> Result {
    let done = match what {
        SetRequest::Add(spec) => ipvs.add_service(&spec),
        SetRequest::Edit(spec) => ipvs.edit_service(&spec),
        SetRequest::Delete(id) => ipvs.delete_service(&id),
        SetRequest::Flush => ipvs.flush(),
        SetRequest::AddDestination(id, request) => {
            existing(ipvs, &id)?;
            request
                .spec()
                .and_then(|spec| ipvs.add_destination(net, &id, &spec))
        }
        SetRequest::EditDestination(id, request) => {
            existing(ipvs, &id)?;
            request
                .spec()
                .and_then(|spec| ipvs.edit_destination(&id, spec, TunnelChange::default()))
        }
        SetRequest::DeleteDestination(id, destination) => {
            ipvs.delete_destination(&id, &destination)
        }
        SetRequest::Timeouts(tcp, tcp_fin, udp) => {
            ipvs.set_timeouts(tcp, tcp_fin, udp);
            Ok(())
        }
        SetRequest::Zero(id) => ipvs.zero(id.as_ref()),
        SetRequest::StartDaemon(request) => ipvs.start_daemon(net, &request),
        SetRequest::StopDaemon(state) => {
            DaemonRole::of(state).and_then(|role| ipvs.stop_daemon(role))
        }
    };
    done.map_err(number)
}

/// Answers a request of `getsockopt()`.
fn answer(ipvs: &NetnsIpvs, what: GetRequest, question: &[u8], asked: &mut Asked<'_>) -> Result {
    match what {
        GetRequest::Version => version(ipvs, asked),
        GetRequest::Info => {
            let services = ipvs.count_of(AddressFamily::V4);
            let info = wire::info(VERSION, ipvs.table_size(), services);
            asked.write(0, &info)
        }
        GetRequest::Services => {
            let capacity = wire::capacity(what, question, asked.len()).ok_or(EINVAL)?;
            services(ipvs, capacity, asked)
        }
        GetRequest::Service => {
            let view = ipvs.service(&wire::service_id(question));
            let view = view.map_err(number)?;
            asked.write(0, &wire::service_entry(&view).ok_or(ESRCH)?)
        }
        GetRequest::Destinations => {
            let capacity = wire::capacity(what, question, asked.len()).ok_or(EINVAL)?;
            let id = wire::service_id(question);
            existing(ipvs, &id)?;
            destinations(ipvs, &id, capacity, asked)
        }
        GetRequest::Timeouts => asked.write(0, &wire::timeouts(&ipvs.timeouts())),
        GetRequest::Daemons => asked.write(0, &wire::daemons(&ipvs.daemons())),
    }
}

/// Writes the version text with its terminator, and sets its length (O-5).
fn version(ipvs: &NetnsIpvs, asked: &mut Asked<'_>) -> Result {
    let mut text = [0; wire::VERSION];
    let length = wire::version(ipvs.table_size(), &mut text);
    asked.write(0, text.get(..length).ok_or(EINVAL)?)?;
    asked.set_len(length)
}

/// List in the caller's buffer, whose entries are written one after the other.
struct EntryList<'a, 'b> {
    asked: &'a mut Asked<'b>,
    /// Offset of the next entry.
    end: usize,
    /// Number of entries that still fit.
    left: usize,
    written: Result,
}

impl<'a, 'b> EntryList<'a, 'b> {
    /// Starts a list of at most `capacity` entries after a header of `head` bytes.
    fn new(asked: &'a mut Asked<'b>, head: usize, capacity: usize) -> Self {
        Self {
            asked,
            end: head,
            left: capacity,
            written: Ok(()),
        }
    }

    /// Appends an entry, if there is one. Returns false if the list ends here.
    fn add<const N: usize>(&mut self, entry: Option<[u8; N]>) -> bool {
        let Some(entry) = entry else {
            return true;
        };
        if self.left == 0 {
            return false;
        }
        self.written = self.asked.write(self.end, &entry);
        self.end = self.end.saturating_add(N);
        self.left = self.left.saturating_sub(1);
        self.written.is_ok()
    }
}

/// Writes the first services, as many as fit.
fn services(ipvs: &NetnsIpvs, capacity: usize, asked: &mut Asked<'_>) -> Result {
    let mut list = EntryList::new(asked, wire::SERVICES_HEAD, capacity);
    ipvs.services(Bookmark::START, &mut |view| {
        list.add(wire::service_entry(view))
    })?;
    list.written
}

/// Writes the newest destinations of a service, as many as fit.
fn destinations(
    ipvs: &NetnsIpvs,
    id: &ServiceId,
    capacity: usize,
    asked: &mut Asked<'_>,
) -> Result {
    let mut list = EntryList::new(asked, wire::DESTINATIONS_HEAD, capacity);
    ipvs.destinations(id, Shown::NONE, &mut |view| {
        list.add(wire::destination_entry(view))
    });
    list.written
}
