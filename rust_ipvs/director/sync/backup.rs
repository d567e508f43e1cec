// SPDX-License-Identifier: GPL-2.0

//! A backup: connections that other directors tell of (B-20 to B-27).
//!
//! A connection that was told of is one as any other: bound to the destination that it has in the services here,
//! counted there, found by packets. Whoever says nothing more of it lets it end.

use super::host::SyncHost;
use crate::{
    director::{
        connection::Connection,
        connections::Connections,
        destination::Destination,
        plane::HasAfState,
        stack::InetFamily,
        sync::told::Heard,
        template::{
            self,
            Data,
            Kind, //
        },
        tracking, //
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
        packet::TCP,
        persistence::FTP_PORT,
        sizing,
        sync::{
            flags,
            read::Entries,
            Entry, //
        },
    },
};
use kernel::prelude::*;

/// How long a template stays of which that is not said.
const TEMPLATE_TIMEOUT: u32 = 180 * HZ;
/// The longest time that can be told from the past.
const LONGEST: u32 = i32::MAX as u32;

/// Applies a message of another director, sent with this `sync_id`. Process context.
pub(super) fn apply<H: SyncHost>(host: &H, net: &Net, sync_id: i32, message: &[u8]) {
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

/// What is told, in the words of a family.
struct Tale<'e, F: InetFamily> {
    entry: &'e Entry<'e>,
    /// As it is in the table.
    key: u8,
    client: Endpoint<F>,
    virt: Endpoint<F>,
    real: Endpoint<F>,
    heard: Heard,
}

/// What there is to be done about a tale.
enum Left {
    /// Nothing.
    Done,
    /// It is new here.
    New,
    /// It is known, but where it goes was not when it was made.
    Unbound,
}

impl<'e, F: InetFamily> Tale<'e, F> {
    fn new(host: &impl SyncHost, entry: &'e Entry<'e>) -> Option<Self> {
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
            heard: Heard {
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

/// How long a connection stays, in jiffies (B-25).
fn timeout(host: &impl SyncHost, entry: &Entry<'_>, state: u8) -> u32 {
    match entry.timeout {
        0 if entry.is_template() => TEMPLATE_TIMEOUT,
        0 => host.timeouts().of(entry.protocol, state),
        seconds => seconds.saturating_mul(HZ).min(LONGEST),
    }
}

impl<H: SyncHost> Backup<'_, H> {
    /// Makes or changes what an entry tells of.
    fn apply<F: HasAfState>(&self, net: &Net, entry: &Entry<'_>) -> Result {
        let tale = Tale::<F>::new(self.0, entry).ok_or(EINVAL)?;
        // What is not known yet here cannot be found by packets.
        if entry.flags & flags::NO_CLIENT_PORT != 0 || tale.method().0 > ForwardMethod::BYPASS.0 {
            return Err(EINVAL);
        }
        let af = self.0.family::<F>();
        af.open(sizing::of_connections(self.0.conn_lfactor()))?;
        let connections = af.connections.as_ref().ok_or(EINVAL)?;
        if entry.is_template() {
            return self.hear_template(net, connections, &tale);
        }
        let left = rcu::read(|rcu| self.update(rcu, net, connections, &tale));
        let destination = match left {
            Left::Done => return Ok(()),
            Left::New => self.server(net, &tale).map(|(destination, _)| destination),
            Left::Unbound => match self.server(net, &tale) {
                Some((destination, _)) => Some(destination),
                // Nothing is new about it.
                None => return Ok(()),
            },
        };
        self.begin(net, connections, &tale, destination)
    }

    /// Takes over what is told of a connection that is known here (B-22, B-23).
    fn update<F: HasAfState>(
        &self,
        rcu: Rcu<'_>,
        net: &Net,
        connections: &Connections<F>,
        tale: &Tale<'_, F>,
    ) -> Left {
        let hash = F::hash(&connections.key, &tale.client, &tale.virt, tale.key);
        let is = |known: &Connection<F>, direction| {
            direction == 0 && known.is_of(tale.key, &tale.client, &tale.virt)
        };
        let Some((known, _)) = connections.table.find(rcu, hash, is) else {
            return Left::New;
        };
        if known.real != tale.real {
            if tale.heard.is_inactive {
                // The end of what another connection has taken the place of.
                return Left::Done;
            }
            tracking::supersede(Some(net), connections, rcu, known);
            return Left::New;
        }
        known.hear(&tale.heard);
        connections.table.rearm(known);
        if known.destination.is_nobodys() {
            Left::Unbound
        } else {
            Left::Done
        }
    }

    /// The destination that a tale speaks of in the services here, and the port of its service (B-24).
    fn server<F: HasAfState>(
        &self,
        net: &Net,
        tale: &Tale<'_, F>,
    ) -> Option<(RcuArc<Destination>, u16)> {
        let found = self.server_at(net, tale, tale.virt.port);
        // A template of FTP has the key of one of all ports.
        let may_be_ftp = tale.entry.is_template() && tale.entry.protocol == TCP;
        if found.is_none() && may_be_ftp && tale.virt.port == 0 {
            return self.server_at(net, tale, FTP_PORT);
        }
        found
    }

    /// As [`server`](Self::server), of the service of a port.
    fn server_at<F: HasAfState>(
        &self,
        net: &Net,
        tale: &Tale<'_, F>,
        port: u16,
    ) -> Option<(RcuArc<Destination>, u16)> {
        let af = self.0.family::<F>();
        let (mark, protocol) = (tale.entry.mark, tale.entry.protocol);
        let virt = Endpoint {
            addr: tale.virt.addr,
            port,
        };
        let service = rcu::read(|rcu| {
            let service = af.service(rcu, net, mark, protocol, &virt)?;
            af.by_id(rcu, &service.id).cloned()
        })?;
        // Its templates say 0 of the server's port (P-3).
        let of_ftp = || match port == FTP_PORT && tale.entry.is_template() {
            true => Some(service.port()),
            false => None,
        };
        let by_port = |port| {
            let addr = F::ip(tale.real.addr);
            service.destination(&DestinationId { addr, port })
        };
        let any_first = mark != 0 && tale.method() != ForwardMethod::MASQ;
        let destination = match any_first {
            true => by_port(0).or_else(|| by_port(tale.real.port)),
            false => by_port(tale.real.port).or_else(|| by_port(0)),
        };
        let destination = destination.or_else(|| of_ftp().and_then(by_port));
        Some((destination?, service.port()))
    }

    /// Begins a connection that is told of; without a destination here it goes where it is told to.
    fn begin<F: HasAfState>(
        &self,
        net: &Net,
        connections: &Connections<F>,
        tale: &Tale<'_, F>,
        destination: Option<RcuArc<Destination>>,
    ) -> Result {
        let af = self.0.family::<F>();
        let method = tale.method();
        let ends = (tale.client, tale.virt, tale.real);
        let connection = match destination {
            Some(destination) => Connection::new(tale.key, ends, destination, ControlRef::none()),
            None if method == ForwardMethod::BYPASS => {
                af.open_nowhere(self.0.counting())?;
                let nowhere = af.nowhere.as_ref().ok_or(ENOMEM)?.clone();
                Connection::bypass(tale.key, ends, nowhere)
            }
            None => {
                let addr = F::ip(tale.real.addr);
                let mut strangers = self.0.daemons().strangers.lock();
                let stranger = strangers.get(self.0.counting(), addr, method)?;
                drop(strangers);
                // What it answers may have to be translated.
                af.senders.add(addr);
                Connection::new(tale.key, ends, stranger, ControlRef::none())
            }
        };
        let connection = connection.synced(tale.heard).tracked(self.0.is_tracked());
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
        let is_twin = |other: &Connection<F>| other.is_of(key, &client, &virt);
        let old = connections.table.find(rcu, hash, |other, direction| {
            direction == 0 && is_twin(other)
        });
        if let Some((old, _)) = old {
            tracking::supersede(Some(net), connections, rcu, old);
        }
        // Where a packet was faster, its connection stays.
        let entered = connections
            .table
            .insert(rcu, connection, (hash, back), is_twin);
        connections.came();
        entered.map(Connection::count).map_err(|_| EEXIST)
    }

    /// Makes or changes a template. One whose server is not known here would be of no use: it is not kept.
    fn hear_template<F: HasAfState>(
        &self,
        net: &Net,
        connections: &Connections<F>,
        tale: &Tale<'_, F>,
    ) -> Result {
        let (destination, port) = self.server(net, tale).ok_or(ENOENT)?;
        let data = match tale.entry.engine {
            Some((name, data)) => {
                Engine::by_name(name).ok_or(ENOENT)?;
                data
            }
            None => &[],
        };
        let kind = match port {
            _ if !data.is_empty() => Kind::Data,
            FTP_PORT if tale.virt.port == 0 => Kind::Ftp,
            _ => Kind::Client,
        };
        let hash = template::hash(
            &connections.key,
            (kind, data),
            tale.key,
            &tale.client,
            &tale.virt,
        );
        let is = |template: &Connection<F>| {
            let client = match kind {
                Kind::Data => template.client,
                _ => tale.client,
            };
            template.is_of(tale.key, &client, &tale.virt)
                && template.is_kind(kind)
                && template.data() == data
        };
        let made = Connection::template(
            tale.entry.protocol,
            (tale.client, tale.virt, tale.real),
            destination,
            (kind, owned(data)?),
            tale.heard.timeout,
        );
        let made = made.synced(tale.heard);
        rcu::read(|rcu| {
            let known = connections
                .table
                .find(rcu, hash, |other, direction| direction == 0 && is(other));
            if let Some((known, _)) = known {
                if known.destination.same(&made.destination) {
                    known.hear(&tale.heard);
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
