// SPDX-License-Identifier: GPL-2.0

//! Setup and teardown of [`NetnsIpvs`], with the namespace or with the module.

use super::{
    defrag::Fragments,
    drop_rate::{
        DefenseLock,
        Defenses, //
    },
    epoch::FastPath,
    sysctl::Settings,
    Caches,
    ConfigState,
    NetnsIpvs, //
};
use crate::{
    director::{
        conn::Timeouts,
        dest::reasons::ReasonCounters,
        dest::{
            ConfigHeld,
            Counting,
            RsTable,
            Trash, //
        },
        service::{
            AfState,
            Expirations, //
        },
        sync::Daemons, //
    },
    kapi::{
        ingress::Ports,
        net::{
            Namespaced,
            Namespaces,
            Net,
            WeakNet, //
        },
        once::Word,
        random,
        siphash::HalfSipKey, //
    },
    logic::hash::HashKey, //
};
use core::mem;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::Atomic,
        Arc,
        SetOnce, //
    },
};

static DIRECTORS: Namespaces<NetnsIpvs> = Namespaces::new();

impl NetnsIpvs {
    /// Returns the state of a namespace; `None` during setup and teardown.
    pub(crate) fn of(net: &Net) -> Option<Arc<Self>> {
        DIRECTORS.get(net)
    }
}

impl Namespaced for NetnsIpvs {
    type Shared = Caches;

    fn namespaces() -> &'static Namespaces<Self> {
        &DIRECTORS
    }

    fn new(net: &Net, weak_net: &Arc<WeakNet>, shared: &Caches) -> Result<Arc<Self>> {
        let (v4, v6) = (shared.v4.clone(), shared.v6.clone());
        // The initial namespace has no limit to take over.
        let most = DIRECTORS
            .get(Net::initial())
            .map(|initial| initial.settings.conn_max.load());
        let expirations = Arc::new(Expirations::new(), GFP_KERNEL)?;
        let counting = Counting::new(&shared.counters)?;
        Arc::pin_init(
            pin_init!(Self {
                settings <- Settings::new(net, most, expirations, shared.fast_path),
                timeouts: Timeouts::new(),
                defenses: Defenses::new(),
                v4: AfState::new(v4, shared.most_bits, shared.helper_port),
                v6: AfState::new(v6, shared.most_bits, shared.helper_port),
                rs_table: RsTable::new(),
                counting,
                reasons: ReasonCounters::new(),
                queues: SetOnce::new(),
                nodest: Atomic::new(0),
                fragments: Fragments::new(),
                fast_path: FastPath::new(),
                ports <- Ports::new(),
                outward: HalfSipKey::random(),
                outward_ports: HashKey::new(random::words()),
                weak_net: weak_net.clone(),
                generation: Word::new(0),
                announce: shared.announce,
                daemons <- Daemons::new(),
                config <- new_mutex!(ConfigState {
                    held: ConfigHeld::new(),
                    open: true,
                    hooks_v4: None,
                    hooks_v6: None,
                    tracking: [None, None],
                    reply_only: false,
                    works: KVec::new(),
                    ports_work: None,
                    routes: None,
                    drains: KVVec::new(),
                    serial: 0,
                }),
                trash <- new_mutex!(Trash::new()),
                defense_lock <- new_mutex!(DefenseLock::new()),
            }),
            GFP_KERNEL,
        )
    }

    fn stop(this: &Arc<Self>) {
        let mut config = this.config.lock();
        config.open = false;
        let going = (config.hooks_v4.take(), config.hooks_v6.take());
        let works = mem::take(&mut config.works);
        let ports_work = config.ports_work.take();
        let tracking = mem::take(&mut config.tracking);
        drop(config);
        // The work could open the ports again.
        drop(ports_work);
        let routes = this.config.lock().routes.take();
        drop(routes);
        this.ports.close();
        // Hooks first, so that no packet comes in. The works are dropped without the mutex, which
        // `defragment` takes.
        drop(going);
        this.daemons.stop_all(&**this);
        drop(works);
        let drains = mem::replace(&mut this.config.lock().drains, KVVec::new());
        drop(drains);
        drop(tracking);
        this.flush_for_good();
    }
}
