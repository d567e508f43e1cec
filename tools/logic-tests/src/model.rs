// SPDX-License-Identifier: GPL-2.0

//! Service without a kernel: destinations in slots, and their scheduler.
//!
//! It calls the logic as the director layer does, in one thread, so that schedulers can be tested
//! and plotted on the host.

use crate::logic::config::{service_flags::SCHED1, DestinationId, Ip};
use crate::logic::family::{Endpoint, V4};
use crate::logic::packet::TCP;
use crate::logic::sched::algorithm::{Candidate, Scratch, Servers, View, EMPTY};
use crate::logic::sched::cycle::{self, Cycle};
use crate::logic::sched::{slots, Flow, Position, Scheduler};
use std::cell::{Cell, RefCell};

/// Clients of the vectors in the specification.
pub(crate) const CLIENTS: [[u8; 4]; 5] = [
    [192, 0, 2, 1],
    [192, 0, 2, 2],
    [192, 0, 2, 3],
    [10, 1, 2, 3],
    [203, 0, 113, 77],
];

/// Destination, whose counts a test sets.
#[derive(Clone, Debug)]
pub struct Server {
    pub(crate) name: char,
    pub(crate) id: DestinationId,
    pub(crate) weight: Cell<i32>,
    pub(crate) last_weight: Cell<i32>,
    pub(crate) overloaded: Cell<bool>,
    pub(crate) available: Cell<bool>,
    pub(crate) active: Cell<i32>,
    pub(crate) total: Cell<i32>,
}

impl Server {
    /// Returns true if it may get new connections.
    pub(crate) fn usable(&self) -> bool {
        self.weight.get() > 0 && !self.overloaded.get()
    }

    /// Returns its load: `active * 256 + total`.
    pub(crate) fn load(&self) -> i64 {
        256 * i64::from(self.active.get()) + i64::from(self.total.get())
    }
}

impl Candidate for Server {
    fn id(&self) -> &DestinationId {
        &self.id
    }

    fn weight(&self) -> i32 {
        self.weight.get()
    }

    fn last_weight(&self) -> i32 {
        self.last_weight.get()
    }

    fn offer(&self) -> i32 {
        match self.overloaded.get() {
            true => -1,
            false => self.weight.get(),
        }
    }

    fn available(&self) -> bool {
        self.available.get()
    }

    fn active(&self) -> i32 {
        self.active.get()
    }

    fn total(&self) -> i32 {
        self.total.get()
    }
}

/// Cache entry of a destination address.
#[derive(Clone, Debug)]
struct Remembered {
    address: Ip,
    /// Newest first; indices of `Service::all`.
    members: Vec<usize>,
    changed: u64,
}

/// Service.
#[derive(Debug)]
pub struct Service {
    pub(crate) scheduler: Scheduler,
    pub(crate) flags: Cell<u32>,
    /// Number of slots that schedulers have read.
    pub(crate) looks: Cell<u64>,
    /// All servers that were ever added.
    all: Vec<Server>,
    /// Indices of `all`.
    slots: Vec<Option<usize>>,
    capacity: usize,
    position: Cell<Position>,
    tree: Vec<Cycle>,
    table: Vec<u32>,
    memory: RefCell<Vec<Remembered>>,
    /// Present time, in seconds.
    pub(crate) now: Cell<u64>,
    pub(crate) expiration: u64,
    random: Cell<u64>,
}

impl Service {
    /// Makes a service without servers.
    pub(crate) fn new(scheduler: &str) -> Self {
        let scheduler = Scheduler::by_name(scheduler.as_bytes()).expect("a scheduler's name");
        let mut service = Self {
            scheduler,
            flags: Cell::new(0),
            looks: Cell::new(0),
            all: Vec::new(),
            slots: Vec::new(),
            capacity: slots::capacity_for(0),
            position: Cell::default(),
            tree: Vec::new(),
            table: vec![EMPTY; scheduler.needs().table],
            memory: RefCell::default(),
            now: Cell::new(0),
            expiration: 100,
            random: Cell::new(0x9e37_79b9_7f4a_7c15),
        };
        service.renumber(service.capacity);
        service.changed(false);
        service
    }

    /// Makes a service and adds servers with these weights, in this order.
    pub(crate) fn of(scheduler: &str, servers: &[(char, i32)]) -> Self {
        let mut service = Self::new(scheduler);
        for (name, weight) in servers {
            service.add(*name, *weight);
        }
        service
    }

    /// Adds a server: 10.0.0.n, port 80, for the nth letter.
    pub(crate) fn add(&mut self, name: char, weight: i32) {
        let n = (name as u32).wrapping_sub('A' as u32).wrapping_add(1);
        self.add_at(name, [10, 0, (n >> 8) as u8, n as u8], weight);
    }

    /// Adds a server with the given address.
    pub(crate) fn add_at(&mut self, name: char, addr: [u8; 4], weight: i32) {
        if self.slots.len() == self.capacity {
            let capacity = slots::capacity_for(self.count() + 1);
            self.renumber(capacity);
        }
        self.all.push(Server {
            name,
            id: DestinationId {
                addr: Ip::V4(addr),
                port: 80,
            },
            weight: Cell::new(weight),
            last_weight: Cell::new(weight),
            overloaded: Cell::new(false),
            available: Cell::new(true),
            active: Cell::new(0),
            total: Cell::new(0),
        });
        self.slots.push(Some(self.all.len() - 1));
        cycle::set(&mut self.tree, self.slots.len() - 1, weight);
        self.changed(false);
    }

    /// Deletes a server.
    pub(crate) fn remove(&mut self, name: char) {
        let slot = self.slot(name);
        let above = |at: &usize| self.slots[*at].is_some();
        let newer = || (slot + 1..self.slots.len()).find(above);
        let position = self.position.get();
        self.position
            .set(position.removed(slot as u32, || newer().map(|slot| slot as u32)));
        self.named(name).available.set(false);
        self.slots[slot] = None;
        cycle::set(&mut self.tree, slot, 0);
        if slots::is_sparse(self.slots.len(), self.count()) {
            self.renumber(slots::capacity_for(self.count()));
        }
        self.changed(false);
    }

    /// Changes the weight of a server.
    pub(crate) fn edit(&mut self, name: char, weight: i32) {
        let server = self.named(name);
        server.weight.set(weight);
        if weight != 0 {
            server.last_weight.set(weight);
        }
        let slot = self.slot(name);
        cycle::set(&mut self.tree, slot, weight);
        self.changed(true);
    }

    fn slot(&self, name: char) -> usize {
        let is = |number: &Option<usize>| number.is_some_and(|n| self.all[n].name == name);
        self.slots.iter().position(is).expect("a server's name")
    }

    /// Returns a server by its name.
    pub(crate) fn named(&self, name: char) -> &Server {
        &self.all[self.slots[self.slot(name)].expect("a server")]
    }

    /// Returns a server by its name, even if it was deleted.
    pub(crate) fn former(&self, name: char) -> &Server {
        let mut all = self.all.iter();
        all.find(|server| server.name == name)
            .expect("a server's name")
    }

    /// Returns all servers, newest first.
    pub(crate) fn list(&self) -> Vec<&Server> {
        (&self).newest_first().collect()
    }

    /// Returns the number of servers.
    pub(crate) fn count(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    fn renumber(&mut self, capacity: usize) {
        let slots = &self.slots;
        let new = |slot: u32| {
            let below = slots.get(..slot as usize)?;
            Some(below.iter().flatten().count() as u32)
        };
        self.position.set(self.position.get().renumbered(new));
        let kept = self.table.iter().map(|slot| new(*slot).unwrap_or(EMPTY));
        self.table = kept.collect();
        self.slots.retain(Option::is_some);
        self.capacity = capacity;
        self.tree = vec![Cycle::default(); cycle::tree_size(capacity)];
        for slot in 0..self.slots.len() {
            let weight = self.all[self.slots[slot].expect("a server")].weight();
            cycle::set(&mut self.tree, slot, weight);
        }
    }

    fn changed(&mut self, edited: bool) {
        let needs = self.scheduler.needs();
        if edited && !needs.edits {
            return;
        }
        let cycle = cycle::whole(&self.tree);
        self.position
            .set(self.scheduler.restart(self.position.get(), cycle));
        if self.count() <= needs.most {
            let mut table = std::mem::take(&mut self.table);
            let mut scratch = vec![Scratch::default(); self.count()];
            self.scheduler.fill::<V4>(&&*self, &mut table, &mut scratch);
            self.table = table;
        }
    }

    /// Returns the scheduler's table with names in place of slots.
    pub(crate) fn owners(&self) -> Vec<Option<char>> {
        let owner = |slot: &u32| Some((&self).server(*slot)?.name);
        self.table.iter().map(owner).collect()
    }

    /// Schedules a connection of a client, from one port to one address.
    pub(crate) fn pick_for(
        &self,
        client: [u8; 4],
        port: u16,
        addressee: [u8; 4],
    ) -> Option<&Server> {
        let flow = Flow::<V4> {
            protocol: TCP,
            client: Endpoint { addr: client, port },
            addressee,
        };
        self.scheduler.pick(&self, &flow)
    }

    /// Schedules a connection, whose client does not matter.
    pub(crate) fn pick(&self) -> Option<&Server> {
        self.pick_for([192, 0, 2, 1], 40000, [198, 51, 100, 1])
    }

    /// Schedules `n` connections. Returns the names, "-" for no destination.
    pub(crate) fn picks(&self, n: usize) -> String {
        (0..n)
            .map(|_| self.pick().map_or('-', |server| server.name))
            .collect()
    }

    /// Schedules a connection of one client to this address of a network of many.
    pub(crate) fn pick_to(&self, address: u8) -> Option<char> {
        let chosen = self.pick_for([10, 9, 9, 9], 1024, [198, 51, 100, address]);
        chosen.map(|server| server.name)
    }

    /// Schedules a connection of each of [`CLIENTS`], all from one port. Returns the names, "-" for
    /// no destination.
    pub(crate) fn picks_of_clients(&self) -> String {
        let name = |client| {
            self.pick_for(client, 40000, [0; 4])
                .map_or('-', |server| server.name)
        };
        CLIENTS.into_iter().map(name).collect()
    }

    /// Sets the active connections of a server, and its other ones to 0.
    pub(crate) fn busy(&self, name: char, active: i32) {
        self.named(name).active.set(active);
        self.named(name).total.set(active);
    }

    /// Sets the scheduler's position to any word.
    pub(crate) fn force(&self, word: u64) {
        self.position.set(Position::of_word(word));
    }

    fn number(&self, server: &Server) -> usize {
        let same = |other: &Server| std::ptr::eq(other, server);
        self.all
            .iter()
            .position(same)
            .expect("a server of this service")
    }
}

/// Change of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Added(char),
    Removed(char),
    Edited(char),
    /// Connections began or ended, or a threshold was crossed.
    Load,
}

/// Returns the seeds of that many runs; two under Miri.
pub(crate) fn seeds(many: u64) -> std::ops::Range<u64> {
    0..if cfg!(miri) { 2 } else { many }
}

/// Checks after each random change that a scheduler chooses the destination that `naive` finds
/// among the usable ones, newest first.
pub(crate) fn chooses_as(scheduler: &str, naive: impl Fn(&[&Server]) -> Option<char>) {
    for seed in seeds(300) {
        shake(scheduler, seed, |service, _| {
            let usable: Vec<_> = service.list().into_iter().filter(|s| s.usable()).collect();
            assert_eq!(service.pick().map(|server| server.name), naive(&usable));
        });
    }
}

/// Returns the first destination with the least load for its weight, by pairwise comparison.
pub(crate) fn least_for_weight(servers: &[&Server], load: impl Fn(&Server) -> i64) -> Option<char> {
    let mut best = servers.first()?;
    for server in servers {
        if load(server) * i64::from(best.weight.get()) < load(best) * i64::from(server.weight.get())
        {
            best = server;
        }
    }
    Some(best.name)
}

/// Returns the first destination with the greatest weight.
pub(crate) fn greatest_weight(servers: &[&Server]) -> Option<char> {
    let greatest = servers.iter().map(|server| server.weight.get()).max();
    let mut servers = servers.iter();
    let found = servers.find(|server| Some(server.weight.get()) == greatest);
    found.map(|server| server.name)
}

/// Applies random changes to a service, and calls `look` after each.
pub(crate) fn shake(scheduler: &str, seed: u64, mut look: impl FnMut(&Service, Change)) {
    let mut word = seed.wrapping_mul(2).wrapping_add(1);
    let mut below = |limit: usize| {
        word ^= word >> 12;
        word ^= word << 25;
        word ^= word >> 27;
        ((word.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as usize * limit) >> 32
    };
    let mut service = Service::new(scheduler);
    // Weights with and without a common divisor.
    let (unit, top) = ([1, 1, 10, 100][below(4)], [2, 5, 11][below(3)]);
    let mut next = 'A';
    for _ in 0..if cfg!(miri) { 20 } else { 120 } {
        let weight = unit * below(top) as i32;
        let count = service.count();
        let name = service
            .list()
            .get(below(count.max(1)))
            .map(|server| server.name);
        let change = match (below(12), name) {
            (0..=2, _) | (_, None) => {
                service.add(next, weight);
                next = char::from_u32(next as u32 + 1).expect("a letter");
                Change::Added(service.list()[0].name)
            }
            (3, Some(name)) => {
                service.remove(name);
                Change::Removed(name)
            }
            (4, Some(name)) => {
                service.edit(name, weight);
                Change::Edited(name)
            }
            (_, Some(name)) => {
                let server = service.named(name);
                server.active.set(below(4) as i32);
                server
                    .total
                    .set(server.active.get() + below(3) as i32 * 200);
                server.overloaded.set(below(6) == 0);
                service.now.set(service.now.get() + below(60) as u64);
                Change::Load
            }
        };
        look(&service, change);
    }
}

impl<'a> Servers for &'a Service {
    type Server = &'a Server;

    fn slots(&self) -> u32 {
        self.slots.len() as u32
    }

    fn server(&self, slot: u32) -> Option<&'a Server> {
        self.looks.set(self.looks.get() + 1);
        let number = (*self.slots.get(slot as usize)?)?;
        Some(&self.all[number])
    }
}

impl View for &Service {
    type LblcEntry = usize;

    fn position(&self) -> Position {
        self.position.get()
    }

    fn move_to(&self, position: Position) {
        self.position.set(position);
    }

    fn exchange(&self, old: Position, new: Position) -> Result<(), Position> {
        assert_eq!(self.position.get(), old);
        self.position.set(new);
        Ok(())
    }

    fn cycle(&self) -> Cycle {
        cycle::whole(&self.tree)
    }

    fn table(&self) -> &[u32] {
        &self.table
    }

    fn flags(&self) -> u32 {
        self.flags.get()
    }

    fn random(&self, limit: u64) -> u64 {
        let mut word = self.random.get();
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        self.random.set(word);
        ((u128::from(word) * u128::from(limit)) >> 64) as u64
    }

    fn recall(&self, address: Ip) -> Option<usize> {
        let memory = self.memory.borrow();
        memory.iter().position(|entry| entry.address == address)
    }

    fn members(&self, entry: usize) -> impl Iterator<Item = Self::Server> {
        let members = self.memory.borrow()[entry].members.clone();
        members.into_iter().map(|number| &self.all[number])
    }

    fn is_expired(&self, entry: usize) -> bool {
        let entry = &self.memory.borrow()[entry];
        entry.members.len() > 1 && self.now.get() > entry.changed + self.expiration
    }

    fn remember(&self, address: Ip, entry: Option<usize>, server: Self::Server, beside: bool) {
        let (number, changed) = (self.number(server), self.now.get());
        let mut memory = self.memory.borrow_mut();
        match entry.map(|entry| &mut memory[entry]) {
            Some(entry) if entry.members.contains(&number) => {}
            Some(entry) => {
                entry.members.truncate(if beside { usize::MAX } else { 0 });
                entry.members.insert(0, number);
                entry.changed = changed;
            }
            None => memory.push(Remembered {
                address,
                members: vec![number],
                changed,
            }),
        }
    }

    fn evict(&self, entry: usize, server: Self::Server) {
        let number = self.number(server);
        let entry = &mut self.memory.borrow_mut()[entry];
        entry.members.retain(|member| *member != number);
        entry.changed = self.now.get();
    }
}

/// Checks that a hashing scheduler with the fallback reads each slot once if no server is usable,
/// and not once for each hash that it would try.
pub fn nobody_is_found_at_once(scheduler: &str) {
    let mut service = Service::of(scheduler, &[('A', 3), ('B', 2), ('C', 1)]);
    service.flags.set(SCHED1);
    service.edit('A', 0);
    service.edit('B', 0);
    service.named('C').overloaded.set(true);
    service.looks.set(0);
    assert_eq!(service.picks_of_clients(), "-----");
    // For each of five clients one read of its own, and one of each slot.
    let slots = u64::from((&service).slots());
    assert!(
        service.looks.get() <= 5 * (1 + slots),
        "{}",
        service.looks.get()
    );
    service.named('C').overloaded.set(false);
    assert_eq!(service.picks_of_clients(), "CCCCC");
}
