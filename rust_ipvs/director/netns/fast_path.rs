// SPDX-License-Identifier: GPL-2.0

//! Fast path, the part of [`NetnsIpvs`] that has its settings; `epoch.rs` has its state.

use super::NetnsIpvs;
use crate::{
    director::conn::InetFamily,
    kapi::{
        net::Net,
        rcu::Rcu,
        routes::RouteListener, //
    },
};
use kernel::prelude::*;

impl RouteListener for NetnsIpvs {
    fn routes_changed(&self) {
        self.fast_path.changed();
    }
}

impl NetnsIpvs {
    /// Returns whether `fast_path` allows to take packets of a kind now: if it is 1, they would not
    /// pass a hook of others.
    #[inline(always)]
    pub(crate) fn is_free<F: InetFamily>(
        &self,
        rcu: Rcu<'_>,
        net: &Net,
        is_delivered: bool,
    ) -> bool {
        let value = self.settings.fast_path.load();
        self.is_free_at::<F>(value, rcu, net, is_delivered)
    }

    /// [`Self::is_free`] with a value in place of `fast_path`.
    #[inline(always)]
    pub(crate) fn is_free_at<F: InetFamily>(
        &self,
        value: i32,
        rcu: Rcu<'_>,
        net: &Net,
        is_delivered: bool,
    ) -> bool {
        let idle = &self.fast_path.idle;
        match value {
            0 => false,
            1 => {
                let is_free = !net.has_others_on_way(rcu, F::PROTOCOL, is_delivered, self, idle);
                if !is_free {
                    self.fast_path.refused();
                }
                is_free
            }
            _ => true,
        }
    }

    /// Sets `fast_path`.
    pub(crate) fn set_fast_path(&self, value: i32) -> Result {
        self.settings.fast_path.store(value);
        self.fast_path.changed();
        self.fast_path.arrange();
        Ok(())
    }

    /// Returns whether the fast path is to have hooks at devices: while there are other hooks, and
    /// `fast_path`, or a service in its place, has a value above 0.
    pub(crate) fn wants_fast_path(&self) -> bool {
        let config = self.config.lock();
        let has_hooks = config.hooks_v4.is_some() || config.hooks_v6.is_some();
        let is_wanted =
            self.settings.fast_path.load() != 0 || self.v4.has_fast() || self.v6.has_fast();
        is_wanted && config.open && has_hooks
    }
}
