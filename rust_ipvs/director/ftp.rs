// SPDX-License-Identifier: GPL-2.0

//! FTP application helper for NAT: rewrites addresses in control connections and creates the
//! expected data connections (behaviour.rst 9; C: `ip_vs_ftp.c`).
//!
//! [`bind`] marks a new control connection, so that only its packets come here, to [`request`] and
//! [`reply`]. A data connection is inserted into the table, and for passive FTP also registered as
//! a conntrack expectation. The server's address in a reply is replaced by the VIP's. This folder
//! may use `conn`, `netns`, `packet` and `service` of the director's folders.

mod app;
mod expect;
mod related;

use crate::{
    director::{
        conn::{
            ConnTuple,
            Connection,
            InetFamily, //
        },
        packet::Context, //
    },
    kapi::skbuff::Packet,
    logic::{
        checksum::SumState,
        config::ForwardMethod,
        family::Endpoint,
        ftp::{
            self,
            Announced,
            EndpointText, //
            FtpCommand,
            Mode,
        },
        packet::TCP,
        payload::{
            self,
            Part, //
        },
        reason::Reason,
        tcp, //
    },
};

/// Binds a new connection of the helper's port to the helper if its method is NAT. Such a
/// connection uses conntrack regardless of the `conntrack` setting (F-1, F-4).
#[cold]
#[inline(never)]
pub(crate) fn bind<F: InetFamily>(connection: &mut Connection<F>) {
    if connection.method == ForwardMethod::MASQ && connection.protocol() == TCP {
        connection.set_app();
        connection.track(true);
    }
}

/// Handles a client's segment (F-5, F-6).
///
/// A PORT or EPRT command with another address than the client's is forwarded without an
/// expectation (FTP bounce attack, RFC 2577): the expected connection would replace that of the
/// other host, and its packets would go to this session's server.
///
/// # Errors
///
/// The reason for which it has to be dropped; the client retransmits it.
#[cold]
#[inline(never)]
pub(crate) fn request<F: InetFamily>(
    context: Context<'_, F>,
    connection: &Connection<F>,
    packet: &mut Packet,
) -> Result<(), Reason> {
    if connection.state() != tcp::ESTABLISHED {
        return Ok(());
    }
    if !packet.pull(packet.len() as usize) {
        return Err(Reason::NoMemory);
    }
    let Some((_, text)) = text(&context, packet) else {
        return Ok(());
    };
    match ftp::command::<F>(text) {
        Some(FtpCommand::Passive(mode)) => connection.set_mode(Some(mode)),
        Some(FtpCommand::Active(client)) => {
            connection.set_mode(None);
            if client.addr == connection.client.addr {
                let before = |at: &Endpoint<F>| Endpoint {
                    addr: at.addr,
                    port: at.port.wrapping_sub(1),
                };
                let tuple = ConnTuple {
                    client,
                    vip: before(&connection.vip),
                    dest: before(&connection.dest),
                };
                return expect::insert(&context, connection, tuple, packet).map(|_| ());
            }
        }
        None => {}
    }
    Ok(())
}

/// Handles a server's segment, after the rewrite of its source to the VIP (F-7, F-8).
///
/// The mode stays set after a reply, as the server may retransmit it. The client's next command
/// changes it.
///
/// # Errors
///
/// The reason for which it has to be dropped.
#[cold]
#[inline(never)]
pub(crate) fn reply<F: InetFamily>(
    context: Context<'_, F>,
    connection: &Connection<F>,
    packet: &mut Packet,
) -> Result<(), Reason> {
    let Some(mode) = connection.mode() else {
        return Ok(());
    };
    if connection.state() != tcp::ESTABLISHED {
        return Ok(());
    }
    if !packet.pull(packet.len() as usize) {
        return Err(Reason::NoMemory);
    }
    let Some((start, text)) = text(&context, packet) else {
        return Ok(());
    };
    let Some(announced) = ftp::answer::<F>(mode, text) else {
        return Ok(());
    };
    // The server's own address, not the one in the reply: the server may not know its public
    // address, and may not announce another host's.
    let at = |addr: F::Addr| Endpoint {
        addr,
        port: announced.port,
    };
    let anybody = Endpoint {
        addr: connection.client.addr,
        port: 0,
    };
    let tuple = ConnTuple {
        client: anybody,
        vip: at(connection.vip.addr),
        dest: at(connection.dest.addr),
    };
    let virt = expect::insert(&context, connection, tuple, packet)?;
    if !rewrite(&context, (mode, virt), start, announced, packet) {
        return Err(Reason::FtpRewrite);
    }
    related::expect(&context, (anybody, virt), packet);
    Ok(())
}

/// Returns a segment's payload and its offset from the IP header, in bytes.
fn text<'p, F: InetFamily>(
    context: &Context<'_, F>,
    packet: &'p Packet,
) -> Option<(usize, &'p [u8])> {
    let bytes = packet.bytes();
    let start = payload::of_tcp(bytes, &context.header)?;
    Some((start, bytes.get(start..)?))
}

/// Replaces the server's address and port in a reply by those of the VIP. Returns `false` if the
/// segment has to be dropped.
fn rewrite<F: InetFamily>(
    context: &Context<'_, F>,
    (mode, virt): (Mode, Endpoint<F>),
    start: usize,
    announced: Announced,
    packet: &mut Packet,
) -> bool {
    let new = EndpointText::new(mode, F::ip(virt.addr), virt.port);
    let new = new.as_bytes();
    let (from, to) = announced.place;
    let part = Part {
        packet: packet.len() as usize,
        start: start.saturating_add(from),
        end: start.saturating_add(to),
    };
    let old = packet.bytes().get(part.start..part.end);
    if old == Some(new) {
        return true;
    }
    let longer = (new.len() as i32).wrapping_sub(old.map_or(0, <[u8]>::len) as i32);
    if longer != 0 && !shift(context, longer, packet) {
        return false;
    }
    let sum = SumState::of(packet.sum_is_partial());
    let extra = usize::try_from(longer).unwrap_or(0);
    let Some(bytes) = packet.writable_with_room(extra) else {
        return false;
    };
    let replaced = payload::replace(bytes, &context.header, part, new, sum);
    packet.sum_changed();
    replaced.is_some_and(|length| packet.set_len(length))
}

/// Records the change of a segment's length in the seqadj extension of its conntrack entry.
fn shift<F: InetFamily>(context: &Context<'_, F>, longer: i32, packet: &Packet) -> bool {
    let at = usize::from(context.header.l4).saturating_add(4);
    let sequence = packet.bytes().get(at..).and_then(<[u8]>::first_chunk);
    let (Some(sequence), Some((entry, way))) = (sequence, packet.entry()) else {
        return false;
    };
    entry.shift_sequence(way, u32::from_be_bytes(*sequence), longer)
}
