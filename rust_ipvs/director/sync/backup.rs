// SPDX-License-Identifier: GPL-2.0

//! Backup: connections in received sync messages (B-20 to B-27; C: `ip_vs_process_message()`).
//!
//! A received connection is a normal one: it is bound to the destination of a local service if
//! there is one, counted there, and found by packets. It expires unless it is received again.

use super::host::SyncHost;
use crate::{
    director::{
        conn::{
            conntrack,
            ConnTable,
            ConnTuple,
            Connection,
            Data,
            InetFamily,
            Kind,
            SyncUpdate,
            TemplateId, //
        },
        dest::Destination,
        service::HasAfState, //
    },
    kapi::{
        net::Net,
        rcu::{
            self,
            Rcu, //
        },
        shared::RcuArc,
        table::{
            ControlRef,
            Hashed, //
        },
        time::HZ, //
    },
    logic::{
        config::{
            DestinationId,
            ForwardMethod,
            Ip, //
        },
        engine::Engine,
        family::{
            Endpoint,
            V4,
            V6, //
        },
        ftp::FTP_PORT,
        packet::TCP,
        reason::Reason,
        sizing,
        sync::{
            flags,
            read::Entries,
            SyncEntry, //
        },
    },
};
use kernel::prelude::*;

/// Timeout of a template whose entry gives none, in jiffies.
const TEMPLATE_TIMEOUT: u32 = 180 * HZ;
/// Longest timeout in jiffies for which differences of jiffies stay positive.
const LONGEST: u32 = i32::MAX as u32;

/// Applies a sync message that was sent with `sync_id`. Process context.
pub(crate) fn apply<H: SyncHost>(host: &H, net: &Net, sync_id: i32, message: &[u8]) {
    let backup = Backup(host);
    let count = |reason| rcu::read(|rcu| host.reasons().count(rcu, reason));
    let Some(mut entries) = Entries::of(message, sync_id) else {
        return count(Reason::SyncMalformed);
    };
    for entry in entries.by_ref() {
        let applied = match entry.client.0 {
            Ip::V4(_) => backup.apply::<V4>(net, &entry),
            Ip::V6(_) => backup.apply::<V6>(net, &entry),
        };
        // An entry that fails for lack of memory or at the connection limit may be received again.
        if let Err(reason) = applied.map_err(reason_of) {
            reason.into_iter().for_each(count);
        }
    }
    (0..entries.invalid()).for_each(|_| count(Reason::SyncMalformed));
}

/// Returns the reason for which an entry was not taken; `None` if a packet has created its
/// connection meanwhile, which is as good.
fn reason_of(error: Error) -> Option<Reason> {
    match error {
        EEXIST => None,
        ENOENT => Some(Reason::SyncNoServer),
        ENOSPC => Some(Reason::ConnLimit),
        EINVAL => Some(Reason::SyncMalformed),
        _ => Some(Reason::NoMemory),
    }
}

/// Namespace to which received entries are applied.
struct Backup<'a, H: SyncHost>(&'a H);

/// Received sync entry, converted to address family `F`.
struct RxEntry<'e, F: InetFamily> {
    entry: &'e SyncEntry<'e>,
    tuple: ConnTuple<F>,
    update: SyncUpdate,
}

/// Action for a received entry.
enum Action {
    /// None.
    Done,
    /// Create the connection.
    New,
    /// Replace the connection, whose server was not configured when it was created.
    Unbound,
}

impl<'e, F: InetFamily> RxEntry<'e, F> {
    fn new(host: &impl SyncHost, entry: &'e SyncEntry<'e>) -> Option<Self> {
        let end = |(addr, port)| {
            let addr = F::from_ip(addr)?;
            Some(Endpoint { addr, port })
        };
        let state = u8::try_from(entry.state).ok()?;
        Some(Self {
            entry,
            tuple: ConnTuple {
                client: end(entry.client)?,
                vip: end(entry.virt)?,
                dest: end(entry.dest)?,
            },
            update: SyncUpdate {
                state,
                is_inactive: entry.is_template() || entry.flags & flags::INACTIVE != 0,
                timeout: timeout(host, entry, state),
                packets: host.sync_settings().first(),
            },
        })
    }

    /// Returns the state for a connection. If the message has no timeout, it is that of the
    /// connection's service, if this has one of its own.
    fn update_of(&self, connection: &Connection<F>) -> SyncUpdate {
        let own = connection
            .destination
            .own
            .timeout(self.entry.protocol, self.update.state);
        let given = (self.entry.timeout == 0 && !self.entry.is_template()).then_some(own);
        SyncUpdate {
            timeout: given.flatten().unwrap_or(self.update.timeout),
            ..self.update
        }
    }

    fn method(&self) -> ForwardMethod {
        ForwardMethod((self.entry.flags & flags::METHOD) as u8)
    }
}

/// Returns the timeout of a received connection, in jiffies (B-25).
fn timeout(host: &impl SyncHost, entry: &SyncEntry<'_>, state: u8) -> u32 {
    match entry.timeout {
        0 if entry.is_template() => TEMPLATE_TIMEOUT,
        0 => host.timeouts().of(entry.protocol, state),
        seconds => seconds.saturating_mul(HZ).min(LONGEST),
    }
}

impl<H: SyncHost> Backup<'_, H> {
    /// Creates or updates the connection of a received entry.
    fn apply<F: HasAfState>(&self, net: &Net, entry: &SyncEntry<'_>) -> Result {
        let rx = RxEntry::<F>::new(self.0, entry).ok_or(EINVAL)?;
        // Without the client's port no packet finds the connection before the master sends the
        // port.
        if entry.flags & flags::NO_CLIENT_PORT != 0 {
            return Ok(());
        }
        if rx.method().0 > ForwardMethod::BYPASS.0 {
            return Err(EINVAL);
        }
        let af = self.0.family::<F>();
        af.open(sizing::of_connections(self.0.conn_lfactor()))?;
        let connections = af.connections.as_ref().ok_or(EINVAL)?;
        if entry.is_template() {
            return self.apply_template(net, connections, &rx);
        }
        let action = rcu::read(|rcu| self.apply_to_known(rcu, net, connections, &rx));
        let destination = match action {
            Action::Done => return Ok(()),
            Action::New => self.server(net, &rx).map(|(destination, _)| destination),
            Action::Unbound => match self.server(net, &rx) {
                Some((destination, _)) => Some(destination),
                // The server is still not configured.
                None => return Ok(()),
            },
        };
        self.begin(net, connections, &rx, destination)
    }

    /// Updates the connection of an entry if there is one (B-22, B-23).
    fn apply_to_known<F: HasAfState>(
        &self,
        rcu: Rcu<'_>,
        net: &Net,
        connections: &ConnTable<F>,
        rx: &RxEntry<'_, F>,
    ) -> Action {
        let ConnTuple { client, vip, dest } = &rx.tuple;
        let Some(known) = connections.find(rcu, rx.entry.protocol, client, vip) else {
            return Action::New;
        };
        if known.dest != *dest {
            if rx.update.is_inactive {
                // The entry is about an older connection with the same client and VIP.
                return Action::Done;
            }
            conntrack::supersede(Some(net), connections, rcu, known);
            return Action::New;
        }
        known.apply(&rx.update_of(known));
        connections.rearm(known);
        if known.destination.is_placeholder() {
            Action::Unbound
        } else {
            Action::Done
        }
    }

    /// Returns the local destination of a received entry, and the port of its service (B-24).
    fn server<F: HasAfState>(
        &self,
        net: &Net,
        rx: &RxEntry<'_, F>,
    ) -> Option<(RcuArc<Destination>, u16)> {
        let found = self.server_at(net, rx, rx.tuple.vip.port);
        // A template of FTP has the key of one of a service of port 0.
        let may_be_ftp = rx.entry.is_template() && rx.entry.protocol == TCP;
        if found.is_none() && may_be_ftp && rx.tuple.vip.port == 0 {
            return self.server_at(net, rx, FTP_PORT);
        }
        found
    }

    /// [`server`](Self::server) for the service of a given port.
    fn server_at<F: HasAfState>(
        &self,
        net: &Net,
        rx: &RxEntry<'_, F>,
        port: u16,
    ) -> Option<(RcuArc<Destination>, u16)> {
        let af = self.0.family::<F>();
        let (mark, protocol) = (rx.entry.mark, rx.entry.protocol);
        let virt = Endpoint {
            addr: rx.tuple.vip.addr,
            port,
        };
        let service = rcu::read(|rcu| {
            let service = af.service(rcu, net, mark, protocol, &virt)?;
            af.by_id(rcu, &service.id)?.try_get()
        })?;
        // Templates of a service of port 0 have server port 0 (P-3).
        let of_ftp = || match port == FTP_PORT && rx.entry.is_template() {
            true => Some(service.port()),
            false => None,
        };
        let by_port = |port| {
            let addr = F::ip(rx.tuple.dest.addr);
            service.destination(&DestinationId { addr, port })
        };
        let any_first = mark != 0 && rx.method() != ForwardMethod::MASQ;
        let destination = match any_first {
            true => by_port(0).or_else(|| by_port(rx.tuple.dest.port)),
            false => by_port(rx.tuple.dest.port).or_else(|| by_port(0)),
        };
        let destination = destination.or_else(|| of_ftp().and_then(by_port));
        Some((destination?, service.port()))
    }

    /// Creates the connection of a received entry. Without a local destination it is bound to a
    /// placeholder for the entry's server.
    fn begin<F: HasAfState>(
        &self,
        net: &Net,
        connections: &ConnTable<F>,
        rx: &RxEntry<'_, F>,
        destination: Option<RcuArc<Destination>>,
    ) -> Result {
        let af = self.0.family::<F>();
        let method = rx.method();
        let (protocol, tuple) = (rx.entry.protocol, rx.tuple);
        let connection = match destination {
            Some(destination) => Connection::new(protocol, tuple, destination, ControlRef::none()),
            None if method == ForwardMethod::BYPASS => {
                af.open_bypass_dest(self.0.counting())?;
                let bypass_dest = af.bypass_dest.as_ref().ok_or(ENOMEM)?.clone();
                Connection::bypass(protocol, tuple, bypass_dest)
            }
            None => {
                let addr = F::ip(rx.tuple.dest.addr);
                let mut placeholders = self.0.daemons().placeholders.lock();
                let placeholder = placeholders.get(self.0.counting(), addr, method)?;
                drop(placeholders);
                // The server's replies may have to be translated, and there may be no service yet.
                af.reply_filter.add(addr);
                af.vip_filter.add(F::ip(tuple.vip.addr));
                Connection::new(protocol, tuple, placeholder, ControlRef::none())
            }
        };
        let tracked = connection.destination.own.conntrack(self.0.is_tracked());
        let update = rx.update_of(&connection);
        let connection = connection.synced(update).tracked(tracked);
        rcu::read(|rcu| self.enter(rcu, net, connections, connection))
    }

    /// Inserts a connection in place of a present one.
    fn enter<F: HasAfState>(
        &self,
        rcu: Rcu<'_>,
        net: &Net,
        connections: &ConnTable<F>,
        connection: Connection<F>,
    ) -> Result {
        if !self.0.may_have_more() {
            return Err(ENOSPC);
        }
        let connection = self.0.family::<F>().slab.alloc(|| connection)?;
        let protocol = connection.protocol();
        if let Some(old) = connections.find(rcu, protocol, &connection.client, &connection.vip) {
            conntrack::supersede(Some(net), connections, rcu, old);
        }
        // If a packet has created the connection meanwhile, that one stays.
        let inserted = connections.insert(rcu, connection, Hashed::UNKNOWN);
        inserted.map(Connection::count).map_err(|_| EEXIST)
    }

    /// Creates or updates a template. Ignores one without a local destination, which could not be
    /// used.
    fn apply_template<F: HasAfState>(
        &self,
        net: &Net,
        connections: &ConnTable<F>,
        rx: &RxEntry<'_, F>,
    ) -> Result {
        let (destination, port) = self.server(net, rx).ok_or(ENOENT)?;
        let data = match rx.entry.engine {
            Some((name, data)) => {
                Engine::by_name(name).ok_or(ENOENT)?;
                data
            }
            None => &[],
        };
        let kind = match port {
            _ if !data.is_empty() => Kind::Data,
            FTP_PORT if rx.tuple.vip.port == 0 => Kind::Ftp,
            _ => Kind::Client,
        };
        let id = TemplateId {
            protocol: rx.entry.protocol,
            kind,
            client: rx.tuple.client,
            vip: rx.tuple.vip,
            data,
        };
        let made = Connection::template(
            rx.entry.protocol,
            rx.tuple,
            destination,
            (kind, owned(data)?),
            rx.update.timeout,
        );
        let made = made.synced(rx.update);
        rcu::read(|rcu| {
            if let Some(known) = connections.find_template(rcu, &id) {
                if known.destination.same(&made.destination) {
                    known.apply(&rx.update);
                    connections.rearm(known);
                    return Ok(());
                }
                // The master's template has another destination.
                known.invalidate();
            }
            if !self.0.may_have_more() {
                return Err(ENOSPC);
            }
            let template = self.0.family::<F>().slab.alloc(|| made)?;
            template.destination.bind_template();
            let inserted = connections.insert_template(rcu, template, &id);
            inserted.map(|_| ()).map_err(|_| EEXIST)
        })
    }
}

/// Copies the data of a persistence engine.
fn owned(data: &[u8]) -> Result<Option<KBox<Data>>> {
    match data {
        [] => Ok(None),
        data => Data::of(data).map(Some).ok_or(ENOMEM),
    }
}
