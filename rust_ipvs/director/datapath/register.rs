// SPDX-License-Identifier: GPL-2.0

//! Hook registration, the part of [`NetnsIpvs`] that registers hooks with the first service of a
//! family, and unregisters them with the last one.

use super::hooks::{
    Forward,
    HookPoint,
    LocalIn,
    LocalOut,
    PacketHook, //
};
use crate::{
    director::{
        netns::{
            ConfigState,
            NetnsIpvs, //
        },
        service::HasAfState, //
    },
    kapi::{
        net::Lease,
        netfilter::{
            Hooks,
            Spec,
            PRIORITY_NAT_DST,
            PRIORITY_NAT_SRC, //
        },
    },
    logic::{
        config::AddressFamily,
        family::{
            V4,
            V6, //
        },
    },
};
use core::mem;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Function that registers the hooks of a family.
type RegisterHooks = fn(Lease, Arc<NetnsIpvs>, bool) -> Result<Hooks<NetnsIpvs>>;

/// Describes the hooks of a family (H-1). Without `TAKES_REQUESTS` they handle replies only (H-8).
fn specs<F: HasAfState, const TAKES_REQUESTS: bool>() -> [Spec<NetnsIpvs>; 3] {
    let (input, output) = (
        PRIORITY_NAT_SRC.wrapping_sub(1),
        PRIORITY_NAT_DST.wrapping_add(1),
    );
    [
        spec::<F, LocalIn, TAKES_REQUESTS>(input),
        spec::<F, LocalOut, TAKES_REQUESTS>(output),
        spec::<F, Forward, TAKES_REQUESTS>(PRIORITY_NAT_SRC),
    ]
}

fn spec<F: HasAfState, P: HookPoint, const TAKES_REQUESTS: bool>(priority: i32) -> Spec<NetnsIpvs> {
    Spec::new::<PacketHook<F, P, TAKES_REQUESTS>>(F::PROTOCOL, P::POINT, priority)
}

/// Registers the hooks of a family (H-2); with `reply_only` those that handle replies only (H-8).
fn register<F: HasAfState>(
    lease: Lease,
    ipvs: Arc<NetnsIpvs>,
    reply_only: bool,
) -> Result<Hooks<NetnsIpvs>> {
    let specs = if reply_only {
        specs::<F, false>()
    } else {
        specs::<F, true>()
    };
    Hooks::register(lease, ipvs, specs)
}

impl NetnsIpvs {
    /// Allocates the state that packets need and registers the hooks, before the first service of a
    /// family is published (H-2).
    pub(crate) fn prepare(
        self: &Arc<Self>,
        config: &mut ConfigState,
        family: AddressFamily,
    ) -> Result {
        self.open_family(config, family)?;
        self.open_fast_path(config)?;
        let (hooks, register): (_, RegisterHooks) = match family {
            AddressFamily::V4 => (&mut config.hooks_v4, register::<V4>),
            AddressFamily::V6 => (&mut config.hooks_v6, register::<V6>),
        };
        if hooks.is_none() {
            *hooks = Some(register(self.lease()?, self.clone(), config.reply_only)?);
            // It waits for the mutex that the caller holds.
            self.fast_path.arrange();
        }
        Ok(())
    }

    /// Replaces the hooks by reply-only ones, or back, as the configuration demands (H-8). The new
    /// hooks are registered before the old ones are unregistered.
    pub(crate) fn fit_hooks(&self) -> Result {
        let mut config = self.config.lock();
        let reply_only = self.handles_replies_only();
        self.fast_path.changed();
        if reply_only == config.reply_only || !config.open {
            return Ok(());
        }
        let again = |old: &Option<Hooks<Self>>, register: RegisterHooks| {
            let again =
                |old: &Hooks<Self>| register(old.lease().clone(), old.owner().clone(), reply_only);
            old.as_ref().map(again).transpose()
        };
        let v4 = again(&config.hooks_v4, register::<V4>)?;
        let v6 = again(&config.hooks_v6, register::<V6>)?;
        config.reply_only = reply_only;
        let old = (
            mem::replace(&mut config.hooks_v4, v4),
            mem::replace(&mut config.hooks_v6, v6),
        );
        drop(config);
        drop(old);
        Ok(())
    }

    /// Prepares for a destination, before it is added: errors about a tunnel arrive in packets of
    /// its own family, which may have no service (I-5).
    pub(crate) fn prepare_dest(
        self: &Arc<Self>,
        config: &mut ConfigState,
        service: AddressFamily,
        destination: AddressFamily,
    ) -> Result {
        match service == destination {
            true => Ok(()),
            false => self.prepare(config, destination),
        }
    }

    /// Returns the hooks of a family without services, to which no tunnel of the other family
    /// leads. The caller drops them after it has released the configuration mutex, as
    /// unregistration waits for RCU readers.
    pub(crate) fn unneeded_hooks(
        &self,
        config: &mut ConfigState,
        family: AddressFamily,
    ) -> Option<Hooks<Self>> {
        if self.rs_table.has_mixed(family) {
            return None;
        }
        let unneeded = match family {
            AddressFamily::V4 if self.v4.count() == 0 => config.hooks_v4.take(),
            AddressFamily::V6 if self.v6.count() == 0 => config.hooks_v6.take(),
            _ => None,
        };
        if unneeded.is_some() {
            self.fast_path.arrange();
        }
        unneeded
    }
}
