// SPDX-License-Identifier: GPL-2.0

//! Backup: connections that other directors send (B-20 to B-27).
//!
//! A received connection is one as any other: bound to the destination that it has in the services
//! here, counted there, found by packets. It ends if no more is received of it.

use super::host::SyncHost;
use crate::{
    director::{
        conn::{
            conntrack,
            template,
            Connection,
            Connections,
            Data,
            InetFamily,
            Kind,
            SyncUpdate, //
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
        table::ControlRef,
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
        sizing,
        sync::{
            flags,
            read::Entries,
            SyncEntry, //
        },
    },
};
use kernel::prelude::*;

/// Timeout of a template whose entry has none, in jiffies.
const TEMPLATE_TIMEOUT: u32 = 180 * HZ;
/// The longest time that can be told from the past.
const LONGEST: u32 = i32::MAX as u32;

/// Applies a message of another director, sent with this `sync_id`. Process context.
pub(crate) fn apply<H: SyncHost>(host: &H, net: &Net, sync_id: i32, message: &[u8]) {
    let backup = Backup(host);
    for entry in Entries::of(message, sync_id).into_iter().flatten() {
        // What cannot be made for want of memory or room may come again.
        let _ = match entry.client.0 {
            Ip::V4(_) => backup.apply::<V4>(net, &entry),
            Ip::V6(_) => backup.apply::<V6>(net, &entry),
        };
    }
}

/// The namespace whose connections messages change.
struct Backup<'a, H: SyncHost>(&'a H);

/// A received sync entry, converted to address family `F`.
struct RxEntry<'e, F: InetFamily> {
    entry: &'e SyncEntry<'e>,
    /// As it is in the table.
    key: u8,
    client: Endpoint<F>,
    virt: Endpoint<F>,
    real: Endpoint<F>,
    update: SyncUpdate,
}

/// Action for a received entry.
enum Action {
    /// Nothing.
    Done,
    /// It is new here.
    New,
    /// It is known, but where it goes was not when it was made.
    Unbound,
}

impl<'e, F: InetFamily> RxEntry<'e, F> {
    fn new(host: &impl SyncHost, entry: &'e SyncEntry<'e>) -> Option<Self> {
        let end = |(addr, port)| {
            let addr = F::from_ip(addr)?;
            Some(Endpoint { addr, port })
        };
        let key = match entry.is_template() {
            true => Connection::<F>::template_key(entry.protocol),
            false => entry.protocol,
        };
        let state = u8::try_from(entry.state).ok()?;
        Some(Self {
            entry,
            key,
            client: end(entry.client)?,
            virt: end(entry.virt)?,
            real: end(entry.dest)?,
            update: SyncUpdate {
                state,
                is_inactive: entry.is_template() || entry.flags & flags::INACTIVE != 0,
                timeout: timeout(host, entry, state),
                packets: host.sync_settings().first(),
            },
        })
    }

    fn method(&self) -> ForwardMethod {
        ForwardMethod((self.entry.flags & flags::METHOD) as u8)
    }
}

/// Returns how long a connection stays, in jiffies (B-25).
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
        // What is not known yet here cannot be found by packets.
        if entry.flags & flags::NO_CLIENT_PORT != 0 || rx.method().0 > ForwardMethod::BYPASS.0 {
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
                // Nothing is new about it.
                None => return Ok(()),
            },
        };
        self.begin(net, connections, &rx, destination)
    }

    /// Updates a connection that is known here (B-22, B-23).
    fn apply_to_known<F: HasAfState>(
        &self,
        rcu: Rcu<'_>,
        net: &Net,
        connections: &Connections<F>,
        rx: &RxEntry<'_, F>,
    ) -> Action {
        let hash = F::hash(&connections.key, &rx.client, &rx.virt, rx.key);
        let is = |known: &Connection<F>, direction| {
            direction == 0 && known.is_of(rx.key, &rx.client, &rx.virt)
        };
        let Some((known, _)) = connections.table.find(rcu, hash, is) else {
            return Action::New;
        };
        if known.real != rx.real {
            if rx.update.is_inactive {
                // The end of what another connection has taken the place of.
                return Action::Done;
            }
            conntrack::supersede(Some(net), connections, rcu, known);
            return Action::New;
        }
        known.apply(&rx.update);
        connections.table.rearm(known);
        if known.destination.is_placeholder() {
            Action::Unbound
        } else {
            Action::Done
        }
    }

    /// Returns the destination of a received entry among the services here, and the port of its
    /// service (B-24).
    fn server<F: HasAfState>(
        &self,
        net: &Net,
        rx: &RxEntry<'_, F>,
    ) -> Option<(RcuArc<Destination>, u16)> {
        let found = self.server_at(net, rx, rx.virt.port);
        // A template of FTP has the key of one of all ports.
        let may_be_ftp = rx.entry.is_template() && rx.entry.protocol == TCP;
        if found.is_none() && may_be_ftp && rx.virt.port == 0 {
            return self.server_at(net, rx, FTP_PORT);
        }
        found
    }

    /// As [`server`](Self::server), of the service of a port.
    fn server_at<F: HasAfState>(
        &self,
        net: &Net,
        rx: &RxEntry<'_, F>,
        port: u16,
    ) -> Option<(RcuArc<Destination>, u16)> {
        let af = self.0.family::<F>();
        let (mark, protocol) = (rx.entry.mark, rx.entry.protocol);
        let virt = Endpoint {
            addr: rx.virt.addr,
            port,
        };
        let service = rcu::read(|rcu| {
            let service = af.service(rcu, net, mark, protocol, &virt)?;
            af.by_id(rcu, &service.id).cloned()
        })?;
        // Its templates say 0 of the server's port (P-3).
        let of_ftp = || match port == FTP_PORT && rx.entry.is_template() {
            true => Some(service.port()),
            false => None,
        };
        let by_port = |port| {
            let addr = F::ip(rx.real.addr);
            service.destination(&DestinationId { addr, port })
        };
        let any_first = mark != 0 && rx.method() != ForwardMethod::MASQ;
        let destination = match any_first {
            true => by_port(0).or_else(|| by_port(rx.real.port)),
            false => by_port(rx.real.port).or_else(|| by_port(0)),
        };
        let destination = destination.or_else(|| of_ftp().and_then(by_port));
        Some((destination?, service.port()))
    }

    /// Creates the connection of a received entry; without a destination here it goes where the
    /// entry says.
    fn begin<F: HasAfState>(
        &self,
        net: &Net,
        connections: &Connections<F>,
        rx: &RxEntry<'_, F>,
        destination: Option<RcuArc<Destination>>,
    ) -> Result {
        let af = self.0.family::<F>();
        let method = rx.method();
        let ends = (rx.client, rx.virt, rx.real);
        let connection = match destination {
            Some(destination) => Connection::new(rx.key, ends, destination, ControlRef::none()),
            None if method == ForwardMethod::BYPASS => {
                af.open_bypass_dest(self.0.counting())?;
                let bypass_dest = af.bypass_dest.as_ref().ok_or(ENOMEM)?.clone();
                Connection::bypass(rx.key, ends, bypass_dest)
            }
            None => {
                let addr = F::ip(rx.real.addr);
                let mut placeholders = self.0.daemons().placeholders.lock();
                let placeholder = placeholders.get(self.0.counting(), addr, method)?;
                drop(placeholders);
                // What it answers may have to be translated.
                af.reply_filter.add(addr);
                Connection::new(rx.key, ends, placeholder, ControlRef::none())
            }
        };
        let connection = connection.synced(rx.update).tracked(self.0.is_tracked());
        rcu::read(|rcu| self.enter(rcu, net, connections, connection))
    }

    /// Puts a connection in the table, in place of one that is there.
    fn enter<F: HasAfState>(
        &self,
        rcu: Rcu<'_>,
        net: &Net,
        connections: &Connections<F>,
        connection: Connection<F>,
    ) -> Result {
        if !self.0.may_have_more() {
            return Err(ENOSPC);
        }
        let (key, client, virt) = (connection.protocol(), connection.client, connection.virt);
        let real = connection.real;
        let hash = F::hash(&connections.key, &client, &virt, key);
        let back = (connection.method == ForwardMethod::MASQ)
            .then(|| F::hash(&connections.key, &client, &real, key));
        let connection = self.0.family::<F>().slab.alloc(|| connection)?;
        let is_duplicate = |other: &Connection<F>| other.is_of(key, &client, &virt);
        let old = connections.table.find(rcu, hash, |other, direction| {
            direction == 0 && is_duplicate(other)
        });
        if let Some((old, _)) = old {
            conntrack::supersede(Some(net), connections, rcu, old);
        }
        // Where a packet was faster, its connection stays.
        let entered = connections
            .table
            .insert(rcu, connection, (hash, back), is_duplicate);
        connections.came();
        entered.map(Connection::count).map_err(|_| EEXIST)
    }

    /// Creates or updates a template. One whose server is not known here would be of no use: it is
    /// not kept.
    fn apply_template<F: HasAfState>(
        &self,
        net: &Net,
        connections: &Connections<F>,
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
            FTP_PORT if rx.virt.port == 0 => Kind::Ftp,
            _ => Kind::Client,
        };
        let hash = template::hash(&connections.key, (kind, data), rx.key, &rx.client, &rx.virt);
        let is = |template: &Connection<F>| {
            let client = match kind {
                Kind::Data => template.client,
                _ => rx.client,
            };
            template.is_of(rx.key, &client, &rx.virt)
                && template.is_kind(kind)
                && template.data() == data
        };
        let made = Connection::template(
            rx.entry.protocol,
            (rx.client, rx.virt, rx.real),
            destination,
            (kind, owned(data)?),
            rx.update.timeout,
        );
        let made = made.synced(rx.update);
        rcu::read(|rcu| {
            let known = connections
                .table
                .find(rcu, hash, |other, direction| direction == 0 && is(other));
            if let Some((known, _)) = known {
                if known.destination.same(&made.destination) {
                    known.apply(&rx.update);
                    connections.table.rearm(known);
                    return Ok(());
                }
                // The client goes elsewhere now.
                known.invalidate();
            }
            if !self.0.may_have_more() {
                return Err(ENOSPC);
            }
            let template = self.0.family::<F>().slab.alloc(|| made)?;
            template.destination.bind_template();
            let entered = connections.table.insert(rcu, template, (hash, None), is);
            connections.came();
            entered.map(|_| ()).map_err(|_| EEXIST)
        })
    }
}

/// A copy of what an engine goes by.
fn owned(data: &[u8]) -> Result<Option<KBox<Data>>> {
    match data {
        [] => Ok(None),
        data => Data::of(data).map(Some).ok_or(ENOMEM),
    }
}
