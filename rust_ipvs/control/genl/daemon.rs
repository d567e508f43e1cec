// SPDX-License-Identifier: GPL-2.0

//! Commands for synchronisation daemons.

use crate::{
    control::netlink::{
        ipvs,
        ipvs_of_dump,
        WithExtack, //
    },
    kapi::genetlink::{
        Doit,
        Dump,
        Dumpit,
        GenlMessage,
        Request, //
    },
    logic::{
        config::Ip,
        sync::daemon::{
            self,
            Daemon,
            DaemonRole, //
        },
        uapi::{
            cmd_attr,
            command,
            daemon_attr, //
        },
    },
};
use kernel::prelude::*;

/// Returns the nest that describes the daemon of a request.
fn daemon_nest<'a>(request: &Request<'a>) -> Result<&'a [u8]> {
    let nest = request.attribute(cmd_attr::DAEMON);
    nest.ok_or_else(|| request.refuse(EINVAL, c"the request describes no daemon"))
}

/// `NEW_DAEMON` (G-31).
pub(super) struct New;

impl Doit for New {
    fn doit(request: &Request<'_>) -> Result {
        let asked = daemon::of_attributes(daemon_nest(request)?).extack(request)?;
        let ipvs = ipvs(request)?;
        ipvs.check_families_for_daemon().extack(request)?;
        ipvs.start_daemon(request.net(), &asked).extack(request)
    }
}

/// `DEL_DAEMON`.
pub(super) struct Del;

impl Doit for Del {
    fn doit(request: &Request<'_>) -> Result {
        let role = daemon::role_of_attributes(daemon_nest(request)?).extack(request)?;
        ipvs(request)?.stop_daemon(role).extack(request)
    }
}

/// `GET_DAEMON`: running daemons (G-12).
pub(super) struct List;

impl Dumpit for List {
    fn dumpit(dump: &mut Dump<'_>) -> Result {
        let (shown, _) = dump.position();
        let daemons = ipvs_of_dump(dump)?.daemons();
        let roles = [DaemonRole::Master, DaemonRole::Backup];
        for (place, (role, daemon)) in roles.into_iter().zip(daemons).enumerate() {
            if let Some(daemon) = daemon.filter(|_| place >= shown) {
                dump.message(command::NEW_DAEMON, |message| put(message, role, &daemon))?;
            }
            dump.set_position((place.saturating_add(1), 0));
        }
        Ok(())
    }
}

/// Adds a nest that describes a daemon.
fn put(message: &mut GenlMessage<'_>, role: DaemonRole, daemon: &Daemon) -> Result {
    message.nested(cmd_attr::DAEMON, |nest| {
        nest.put_u32(daemon_attr::STATE, role.state())?;
        nest.put_string(daemon_attr::MCAST_IFN, daemon.interface.as_bytes())?;
        nest.put_u32(daemon_attr::SYNC_ID, daemon.sync_id as u32)?;
        nest.put_u16(daemon_attr::SYNC_MAXLEN, daemon.maxlen)?;
        nest.put_u16(daemon_attr::MCAST_PORT, daemon.port)?;
        nest.put_u8(daemon_attr::MCAST_TTL, daemon.ttl)?;
        match &daemon.group {
            Ip::V4(addr) => nest.put_bytes(daemon_attr::MCAST_GROUP, addr),
            Ip::V6(addr) => nest.put_bytes(daemon_attr::MCAST_GROUP6, addr),
        }
    })
}
