// SPDX-License-Identifier: GPL-2.0

//! Persistence: new connections of a persistent service follow their client's template
//! (behaviour.rst 4).
//!
//! A template is an entry of the connection table under a key that no packet has. Each of its
//! connections has a `ControlRef` to it, so the template outlives them. Only new connections re-arm
//! the template (P-12): packets of established connections do not touch the template.
//!
//! One template may serve many clients. A new connection reads the template's first cache line,
//! which changes at most once a jiffy, and increments the control count (C: `n_control`) in the
//! second one. It writes nothing else.

use crate::{
    director::{
        conn::{
            timeouts,
            ConnTuple,
            Connection,
            Data,
            InetFamily,
            Kind,
            TemplateId, //
        },
        dest::Destination,
        packet::Context,
        service::{
            Service,
            SvcOptions, //
        },
    },
    kapi::{
        shared::{
            RcuArc,
            RcuRef, //
        },
        skbuff::Packet,
        table::ControlRef, //
    },
    logic::{
        engine::Engine,
        family::Endpoint,
        packet::UDP_LEN,
        persistence::{
            connection_port,
            KeyForm,
            TemplateKey, //
        },
        reason::Reason,
        sched::Flow, //
    },
};
use kernel::prelude::*;

/// Destination that a template gives to a connection.
pub(crate) struct TemplateDest<F: InetFamily> {
    pub(crate) destination: RcuArc<Destination>,
    /// Port at the destination.
    pub(crate) port: u16,
    /// The connection's reference to its template.
    pub(crate) control: ControlRef<Connection<F>>,
}

/// Reasons for not creating a connection.
pub(crate) enum Failure {
    /// No destination is available (P-9).
    NoDestination,
    /// The connection limit is reached, or memory is exhausted (P-13).
    NoRoom(Reason),
}

/// Template to look up.
struct TemplateQuery<'p, F: InetFamily> {
    id: TemplateId<'p, F>,
    key: TemplateKey<F>,
}

/// Finds or creates the template of a new connection (P-1).
#[inline(never)]
pub(super) fn template_for<'g, F: InetFamily>(
    context: &Context<'g, F>,
    service: &'g Service<F>,
    options: &SvcOptions,
    flow: &Flow<F>,
    packet: &mut Packet,
) -> Result<TemplateDest<F>, Failure> {
    let engine = options
        .engine
        .filter(|engine| engine.reads(context.header.protocol));
    let data = match engine {
        Some(engine) => look_into(engine, context, packet),
        None => &[],
    };
    let parties = (context.header.src, context.dst());
    let query = TemplateQuery::new(context, service, options.netmask, parties, data);
    let template = match query.find(context) {
        Some(found) => found,
        None => {
            let chosen = service.choose(context.rcu, flow).and_then(RcuRef::try_get);
            let destination = chosen.ok_or(Failure::NoDestination)?;
            query.create(context, destination, options.timeout)?
        }
    };
    let destination = template.entry.destination.clone();
    let port = connection_port(
        &service.id.key,
        context.transport.dst_port,
        destination.id.port,
    );
    Ok(TemplateDest {
        destination,
        port,
        control: template.control,
    })
}

/// Finds or creates the template for a connection that a real server begins, to the packet's
/// destination address (P-30).
///
/// Invalidates a template with the same key that points to another destination.
pub(super) fn template_for_out<'g, F: InetFamily>(
    context: &Context<'g, F>,
    (service, virt): (&'g Service<F>, Endpoint<F>),
    options: &SvcOptions,
    destination: &RcuArc<Destination>,
    packet: &mut Packet,
) -> Option<ControlRef<Connection<F>>> {
    let data = match options.engine {
        Some(engine) => look_into(engine, context, packet),
        None => &[],
    };
    let parties = (context.header.dst, virt);
    let query = TemplateQuery::new(context, service, options.netmask, parties, data);
    if let Some(found) = query.find(context) {
        if found.entry.destination.same(destination) {
            return Some(found.control);
        }
        found.entry.invalidate();
    }
    let created = query.create(context, destination.clone(), options.timeout);
    created.ok().map(|created| created.control)
}

/// Returns the data that the persistence engine finds in the packet. Returns `None` if it finds
/// none: the template's key is then the client's address (P-25, without the fault in Q-8).
#[cold]
fn look_into<'p, F: InetFamily>(
    engine: Engine,
    context: &Context<'_, F>,
    packet: &'p mut Packet,
) -> &'p [u8] {
    let payload = usize::from(context.header.l4).saturating_add(UDP_LEN);
    if !packet.pull(packet.len() as usize) {
        return &[];
    }
    let payload = packet.bytes().get(payload..).unwrap_or(&[]);
    engine.find(payload).unwrap_or(&[])
}

/// Template with the new connection's reference to it.
struct TemplateRef<'g, F: InetFamily> {
    entry: &'g Connection<F>,
    control: ControlRef<Connection<F>>,
}

impl<'p, F: InetFamily> TemplateQuery<'p, F> {
    fn new(
        context: &Context<'_, F>,
        service: &Service<F>,
        netmask: u32,
        (client, virt): (F::Addr, Endpoint<F>),
        data: &'p [u8],
    ) -> Self {
        let protocol = context.header.protocol;
        let key = TemplateKey::new(&service.id.key, netmask, protocol, client, virt);
        let kind = match key.form {
            _ if !data.is_empty() => Kind::Data,
            KeyForm::Ftp => Kind::Ftp,
            _ => Kind::Client,
        };
        let id = TemplateId {
            protocol: key.protocol,
            kind,
            client: key.client(),
            vip: key.virt,
            data,
        };
        Self { id, key }
    }

    /// Looks up the template and re-arms it. Returns `None` if there is none or its destination is
    /// not available.
    fn find<'g>(&self, context: &Context<'g, F>) -> Option<TemplateRef<'g, F>> {
        let connections = context.connections;
        let entry = connections.find_template(context.rcu, &self.id)?;
        // P-7, P-8: the destination must be available.
        let destination = &entry.destination;
        let quiescent = || {
            let of_namespace = context.ipvs.settings.expire_quiescent_template.load();
            destination.share() == 0
                && (destination.own.expire_quiescent(of_namespace)
                    || !destination.drain_word().keeps_templates())
        };
        if !destination.is_available() || quiescent() {
            entry.invalidate();
            return None;
        }
        // Fails if the template is being removed because its time is up.
        let control = ControlRef::on(entry)?;
        if entry.refresh() {
            connections.rearm(entry);
        }
        Some(TemplateRef { entry, control })
    }

    /// Creates a template. Returns the one of another CPU if that has inserted it first (P-9).
    #[inline(never)]
    fn create<'g>(
        &self,
        context: &Context<'g, F>,
        destination: RcuArc<Destination>,
        timeout: u32,
    ) -> Result<TemplateRef<'g, F>, Failure> {
        if !context.has_room() {
            return Err(Failure::NoRoom(Reason::ConnLimit));
        }
        let no_memory = || Failure::NoRoom(Reason::NoMemory);
        let data = match self.id.data {
            [] => None,
            data => Some(Data::of(data).ok_or_else(no_memory)?),
        };
        let tuple = ConnTuple {
            client: self.id.client,
            vip: self.id.vip,
            dest: Endpoint {
                addr: destination.addr::<F>(),
                port: self.key.destination_port(destination.id.port),
            },
        };
        let template = context.af.slab.alloc(|| {
            let timeout = timeouts::persistence(timeout);
            Connection::template(
                self.id.protocol,
                tuple,
                destination,
                (self.id.kind, data),
                timeout,
            )
        });
        let template = template.map_err(|_| no_memory())?;
        template.destination.bind_template();
        let connections = context.connections;
        let inserted = connections.insert_template(context.rcu, template, &self.id);
        let entry = match inserted {
            Ok(entry) | Err(entry) => entry,
        };
        // Just inserted: it is not removed before the next tick, even with a timeout of 0.
        let control = ControlRef::on(entry).ok_or_else(no_memory)?;
        Ok(TemplateRef { entry, control })
    }
}
