// SPDX-License-Identifier: GPL-2.0

//! Interfaces to administrators: generic netlink, socket options, /proc, sysctl, and rules of
//! iptables.
//!
//! Nothing is decided here. Requests are translated to types of
//! [`logic::config`](crate::logic::config), [`NetnsIpvs`] carries them out, and its results are
//! translated to attributes or lines.

mod errno;
mod genl;
mod netlink;
mod procfs;
mod ripvs;
mod sockopt;
mod sysctl;
mod xt_match;

use crate::{
    director::NetnsIpvs,
    kapi::{
        genetlink,
        modules::{
            Exclusion,
            ExclusionGuard, //
        },
        net::{
            Namespaced,
            Namespaces,
            NamespacesGuard,
            Net, //
            WeakNet,
        },
        xtables,
    },
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

pub(crate) use ripvs::announce;

static FILES: Namespaces<Files> = Namespaces::new();

/// Name of the C module. Loading it beside this one would fail on duplicate /proc entries, and log
/// a warning.
static OTHER: Exclusion = Exclusion::new(c"ip_vs");

/// Registration of all interfaces. Dropping it unregisters them; the states of namespaces must
/// outlive it.
pub(crate) struct Registration {
    // Dropped in this order: no request while the files go, and no files without state.
    _families: [genetlink::Registration; 2],
    _rules: xtables::Registration,
    _options: crate::kapi::sockopt::Registration,
    _files: NamespacesGuard<Files>,
    _alone: ExclusionGuard,
}

impl Registration {
    /// Registers all interfaces. Each namespace must have its state. Process context; may sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY`, with a line in the log, if another IPVS has the netlink family. `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let alone = OTHER.register()?;
        Self::check_alone()?;
        let files = FILES.register(())?;
        let options = sockopt::register()?;
        let rules = xt_match::register()?;
        Ok(Self {
            _families: [genl::register()?, ripvs::register()?],
            _rules: rules,
            _options: options,
            _files: files,
            _alone: alone,
        })
    }

    /// Fails if another IPVS is loaded.
    ///
    /// Creating /proc files that exist already makes the kernel log a warning. So the netlink
    /// family is tried first. It is unregistered again, as it must not answer requests before the
    /// other interfaces exist.
    fn check_alone() -> Result {
        match genl::register() {
            Ok(family) => {
                drop(family);
                Ok(())
            }
            Err(error) if error == EEXIST => {
                pr_err!("IPVS: the netlink family IPVS is taken; unload ip_vs first\n");
                Err(EBUSY)
            }
            Err(error) => Err(error),
        }
    }
}

/// The files of a namespace.
#[pin_data]
struct Files {
    /// `None` after the namespace has stopped.
    #[pin]
    shown: Mutex<Option<(procfs::Entries, sysctl::Variables)>>,
}

impl Namespaced for Files {
    type Shared = ();

    fn namespaces() -> &'static Namespaces<Self> {
        &FILES
    }

    fn new(net: &Net, weak_net: &Arc<WeakNet>, (): &()) -> Result<Arc<Self>> {
        let ipvs = NetnsIpvs::of(net).ok_or(ENODEV)?;
        let lease = weak_net.lease().ok_or(ENODEV)?;
        let shown = (
            procfs::entries(&lease, &ipvs)?,
            sysctl::variables(lease, &ipvs)?,
        );
        Arc::pin_init(
            pin_init!(Self {
                shown <- new_mutex!(Some(shown)),
            }),
            GFP_KERNEL,
        )
    }

    fn stop(this: &Arc<Self>) {
        let shown = this.shown.lock().take();
        // Waits for readers, without the lock.
        drop(shown);
    }
}
