// SPDX-License-Identifier: GPL-2.0

//! Start, stop and dump of the sync daemons (B-1 to B-4, G-31).

use super::{
    daemons::{
        Daemons,
        Started,
        SyncDaemons,
        SyncQueues, //
    },
    host::SyncHost,
    queue::{
        Sender,
        SyncQueue, //
    },
    rx::Receiver, //
};
use crate::{
    kapi::{
        datagram::{
            Datagrams, //
            SocketAddr,
        },
        net::{
            Device,
            Net, //
        },
        rcu::RcuBox,
        thread::{
            Routine,
            Thread, //
        },
    },
    logic::{
        config::{
            ConfigError,
            Errno,
            Ip, //
        },
        sync::daemon::{
            self,
            Daemon,
            DaemonRequest, //
            DaemonRole,
        },
    },
};
use kernel::{
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// Number that distinguishes the thread names of one daemon from those of another.
static GENERATION: Atomic<u32> = Atomic::new(0);

/// Returns the error for a socket that cannot be set up.
fn network(error: Error) -> ConfigError {
    ConfigError::new(
        Errno::Other(error.to_errno()),
        c"the daemon's socket cannot be set up on that interface",
    )
}

/// Maps any error to that for lack of memory, where no other can occur.
fn memory<T>(result: Result<T>) -> Result<T, ConfigError> {
    result.map_err(|_| ConfigError::NO_MEMORY)
}

/// Logs the start of a daemon's thread, as `sync_thread_master()` and `sync_thread_backup()` do.
fn log_start(role: DaemonRole, daemon: &Daemon, id: u16) {
    let word = match role {
        DaemonRole::Master => "MASTER",
        DaemonRole::Backup => "BACKUP",
    };
    let (dev, sync) = (daemon.interface.as_str(), daemon.sync_id);
    pr_info!(
        "IPVS: sync thread started: state = {word}, mcast_ifn = {dev}, syncid = {sync}, id = {id}\n"
    );
}

impl<R: Routine> Started<Thread<R>> {
    /// Stops the threads of a daemon, last one first, and logs it as `stop_sync_thread()` does.
    /// Waits for each thread.
    fn stop(mut self, word: &str) {
        while let Some(thread) = self.threads.pop() {
            pr_info!("IPVS: stopping {word} sync thread {} ...\n", thread.pid());
            drop(thread);
        }
    }
}

/// Returns the multicast address and port of a daemon's thread.
fn address(daemon: &Daemon, thread: u16) -> SocketAddr {
    let port = daemon.port.wrapping_add(thread);
    match daemon.group {
        Ip::V4(addr) => SocketAddr::V4(addr, port),
        Ip::V6(addr) => SocketAddr::V6(addr, port),
    }
}

/// Starts a thread for each of `count` ports, with the routine that `made` returns. On an error the
/// threads that were started are stopped.
fn threads<R: Routine>(
    letter: char,
    count: u16,
    mut made: impl FnMut(u16) -> Result<Arc<R>, ConfigError>,
) -> Result<KVec<Thread<R>>, ConfigError> {
    let generation = GENERATION.fetch_add(1, Relaxed);
    let mut list = memory(KVec::with_capacity(count.into(), GFP_KERNEL).map_err(Into::into))?;
    for id in 0..count {
        let routine = made(id)?;
        let name = CString::try_from_fmt(fmt!("ipvs-{letter}:{generation}:{id}"));
        let thread = memory(name.and_then(|name| Thread::start(routine, &name)))?;
        memory(list.push(thread, GFP_KERNEL).map_err(Into::into))?;
    }
    Ok(list)
}

impl<H: SyncHost> Daemons<H> {
    /// Starts a daemon (G-31).
    pub(crate) fn start(
        &self,
        host: &Arc<H>,
        net: &Net,
        request: &DaemonRequest,
    ) -> Result<(), ConfigError> {
        let role = DaemonRole::of(request.state);
        let mut running = self.running.lock();
        if !running.open {
            return Err(ConfigError::CLOSED);
        }
        if role == Ok(DaemonRole::Backup) {
            // Received connections need the table and its works even without a service.
            memory(host.open_ipv4())?;
        }
        let name = memory(CString::try_from_fmt(fmt!(
            "{}",
            request.interface.as_str()
        )))?;
        let device = net.device(&name).ok_or_else(|| {
            ConfigError::new(Errno::NoDevice, c"there is no interface of that name")
        })?;
        let runs = match role {
            Ok(DaemonRole::Master) => running.master.is_some(),
            Ok(DaemonRole::Backup) => running.backup.is_some(),
            Err(_) => false,
        };
        if runs {
            return Err(ConfigError::new(
                Errno::Exists,
                c"a daemon of that state runs already",
            ));
        }
        let role = role?;
        if running.master.is_none() && running.backup.is_none() {
            running.threads = daemon::threads(host.sync_settings().ports.load());
        }
        let daemon = request.settle(Some(role), device.mtu);
        match role {
            DaemonRole::Master => self.start_master(host, &mut running, &device, daemon)?,
            DaemonRole::Backup => self.start_backup(host, &mut running, &device, daemon)?,
        }
        for id in 0..running.threads {
            log_start(role, &daemon, id);
        }
        Ok(())
    }

    /// Starts a master.
    fn start_master(
        &self,
        host: &H,
        running: &mut SyncDaemons<H>,
        device: &Device,
        daemon: Daemon,
    ) -> Result<(), ConfigError> {
        let count = running.threads;
        let buffer = host.sync_settings().sock_size.load();
        let capacity = KVec::with_capacity(count.into(), GFP_KERNEL);
        let mut queues = memory(capacity.map_err(Into::into))?;
        let threads = threads('m', count, |id| {
            let queue = memory(SyncQueue::new())?;
            memory(queues.push(queue.clone(), GFP_KERNEL).map_err(Into::into))?;
            let to = address(&daemon, id);
            let lease = memory(host.take_lease())?;
            let socket = Datagrams::sender(lease, device, to, daemon.ttl, buffer);
            let socket = socket.map_err(network)?;
            memory(Arc::new(Sender { queue, socket }, GFP_KERNEL).map_err(Into::into))
        })?;
        let queues = SyncQueues {
            queues,
            sync_id: daemon.sync_id as u8,
            maxlen: daemon.maxlen,
        };
        let queues = memory(RcuBox::new(queues, GFP_KERNEL).map_err(Into::into))?;
        self.queues.replace_large(Some(queues));
        running.master = Some(Started { daemon, threads });
        host.set_sync_active(true);
        Ok(())
    }

    /// Starts a backup.
    fn start_backup(
        &self,
        host: &Arc<H>,
        running: &mut SyncDaemons<H>,
        device: &Device,
        daemon: Daemon,
    ) -> Result<(), ConfigError> {
        let count = running.threads;
        let buffer = host.sync_settings().sock_size.load();
        let threads = threads('b', count, |id| {
            let from = address(&daemon, id);
            let lease = memory(host.take_lease())?;
            let socket = Datagrams::receiver(lease, device, from, buffer).map_err(network)?;
            let about = (daemon.sync_id, daemon.maxlen);
            memory(Receiver::new(socket, host.clone(), about))
        })?;
        running.backup = Some(Started { daemon, threads });
        self.hears.store(1);
        if let Err(refusal) = memory(host.backup_changed()) {
            // The request fails, so the daemon must not keep running.
            self.stop_backup(&**host, running);
            return Err(refusal);
        }
        Ok(())
    }

    /// Stops a daemon (G-31).
    pub(crate) fn stop(&self, host: &H, role: DaemonRole) -> Result<(), ConfigError> {
        let mut running = self.running.lock();
        if self.stop_in(host, &mut running, role) {
            Ok(())
        } else {
            Err(ConfigError::new(
                Errno::NoService,
                c"no daemon of that state runs",
            ))
        }
    }

    /// Stops a daemon and waits for its threads. Returns whether there was one.
    fn stop_in(&self, host: &H, running: &mut SyncDaemons<H>, role: DaemonRole) -> bool {
        match role {
            DaemonRole::Master => self.stop_master(host, running),
            DaemonRole::Backup => self.stop_backup(host, running),
        }
    }

    /// Stops the master; returns whether there was one.
    fn stop_master(&self, host: &H, running: &mut SyncDaemons<H>) -> bool {
        let Some(master) = running.master.take() else {
            return false;
        };
        host.set_sync_active(false);
        self.queues.replace_large(None);
        master.stop("master");
        true
    }

    /// Stops the backup; returns whether there was one.
    fn stop_backup(&self, host: &H, running: &mut SyncDaemons<H>) -> bool {
        let Some(backup) = running.backup.take() else {
            return false;
        };
        backup.stop("backup");
        self.hears.store(0);
        self.placeholders.lock().drop_unused();
        // On failure the hooks still handle replies only; the next change tries again.
        host.backup_changed().ok();
        true
    }

    /// Stops all daemons, and prevents further starts.
    pub(crate) fn stop_all(&self, host: &H) {
        let mut running = self.running.lock();
        running.open = false;
        for role in [DaemonRole::Master, DaemonRole::Backup] {
            self.stop_in(host, &mut running, role);
        }
    }

    /// Returns the running daemons: master and backup.
    pub(crate) fn running(&self) -> [Option<Daemon>; 2] {
        let running = self.running.lock();
        let master = running.master.as_ref().map(|started| started.daemon);
        let backup = running.backup.as_ref().map(|started| started.daemon);
        [master, backup]
    }
}
