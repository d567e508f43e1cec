// SPDX-License-Identifier: GPL-2.0

//! Memory: the values stored in each word and the views that may read them, and live regions.

use crate::{
    execution::{
        fail,
        with,
        Execution,
        CALLBACKS,
        FIRST,
        MAIN, //
    },
    view::View,
};
use std::{
    alloc::Layout,
    collections::{BTreeMap, HashMap},
    panic::Location as At,
    rc::Rc,
};

/// Memory order of an access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Relaxed,
    Acquire,
    Release,
    Full,
}

/// Value that was stored in a word.
struct Store {
    value: u64,
    /// View that readers join after a read barrier or through an address dependency.
    view: Rc<View>,
}

/// Word shared between threads.
struct Word {
    region: usize,
    messages: Vec<Store>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Known only to the thread that allocated it.
    Private,
    Shared,
    /// Passed to RCU.
    Retired,
    Freed,
}

/// Allocated region.
pub(crate) struct Region {
    name: String,
    start: usize,
    layout: Layout,
    owner: usize,
    life: Life,
    /// Number of the location that stands for its publication.
    birth: usize,
    view: Rc<View>,
    /// The last access of each thread: the thread and its count of accesses.
    accesses: Vec<(usize, u32)>,
}

/// Locks held at every access to a cell.
struct Cell {
    locks: Vec<usize>,
    /// True if it was accessed without a lock: it must be passed to RCU next.
    bare: bool,
    by: usize,
}

/// Memory of an execution.
#[derive(Default)]
pub(crate) struct Memory {
    words: Vec<Word>,
    by_address: HashMap<usize, usize>,
    regions: Vec<Region>,
    by_start: BTreeMap<usize, usize>,
    cells: HashMap<usize, Cell>,
    /// Numbers of locations that are not words.
    names: HashMap<&'static str, usize>,
}

impl Memory {
    /// Returns the region that contains an address.
    fn region_of(&self, address: usize) -> Option<usize> {
        let (_, &number) = self.by_start.range(..=address).next_back()?;
        let region = &self.regions[number];
        (address < region.start + region.layout.size().max(1)).then_some(number)
    }

    pub(crate) fn new_location(&mut self, region: usize) -> usize {
        self.words.push(Word {
            region,
            messages: Vec::new(),
        });
        self.words.len() - 1
    }

    /// Marks the regions as shared that exist before the threads start.
    pub(crate) fn share_all(&mut self) {
        for region in &mut self.regions {
            if region.life == Life::Private {
                region.life = Life::Shared;
            }
        }
    }

    /// Returns the regions that were not freed.
    pub(crate) fn leaks(&self) -> Vec<&str> {
        let alive = self.regions.iter().filter(|r| r.life != Life::Freed);
        alive.map(|r| r.name.as_str()).collect()
    }

    /// Returns a cell that was accessed without a lock and not passed to RCU afterwards.
    pub(crate) fn bare_cell(&self) -> Option<usize> {
        let bare = self.cells.iter().find(|(_, cell)| cell.bare);
        bare.map(|(&address, _)| address)
    }

    /// Returns all memory to the allocator.
    pub(crate) fn release(&mut self) {
        for region in self.regions.drain(..) {
            // SAFETY: Allocated with this layout, and not used any more.
            unsafe { std::alloc::dealloc(region.start as *mut u8, region.layout) };
        }
    }

    /// Returns the name of an address in a trace.
    pub(crate) fn name(&self, address: usize) -> String {
        match self.region_of(address) {
            Some(number) => {
                let region = &self.regions[number];
                format!("{}+{}", region.name, address - region.start)
            }
            None => format!("{address:#x}"),
        }
    }

    fn value_name(&self, value: u64) -> String {
        match self.region_of(value as usize) {
            Some(_) => self.name(value as usize),
            None => format!("{:#x}", value),
        }
    }
}

impl Execution {
    /// Allocates memory, which is private to the current thread until it is published.
    pub(crate) fn allocate(&mut self, name: &'static str, layout: Layout) -> *mut u8 {
        let layout = Layout::from_size_align(layout.size().max(16), layout.align().max(16))
            .expect("a layout of the allocator");
        // SAFETY: The size is not zero.
        let memory = unsafe { std::alloc::alloc_zeroed(layout) };
        assert!(!memory.is_null(), "no memory");
        let start = memory as usize;
        let number = self.memory.regions.len();
        let birth = self.memory.new_location(number);
        self.me().seen.raise(birth, 1);
        let of_name = self.memory.names.entry(name).or_default();
        *of_name += 1;
        let region = Region {
            name: format!("{name}#{of_name}"),
            start,
            layout,
            owner: self.current,
            life: Life::Private,
            birth,
            view: Rc::new(self.me().seen.clone()),
            accesses: Vec::new(),
        };
        self.memory.regions.push(region);
        self.memory.by_start.insert(start, number);
        memory
    }

    /// Frees memory. It is returned to the allocator at the end, so that later accesses are found.
    pub(crate) fn free(&mut self, address: usize) -> Result<(), String> {
        let number = self
            .memory
            .region_of(address)
            .ok_or("freed memory that nobody allocated")?;
        let name = self.memory.name(address);
        let region = &mut self.memory.regions[number];
        match region.life {
            Life::Freed => return Err(format!("{name} is freed twice")),
            Life::Retired if self.current != CALLBACKS => {
                return Err(format!(
                    "{name} is freed before its grace period has passed"
                ))
            }
            _ => region.life = Life::Freed,
        }
        let current = self.current;
        for &(thread, count) in &self.memory.regions[number].accesses {
            let clock = self.threads[thread].clock.unwrap_or_default();
            if thread != current && current != MAIN && self.threads[current].seen.get(clock) < count
            {
                let by = self.threads[thread].name;
                return Err(format!(
                    "{name} is freed though {by} need not have finished its last access"
                ));
            }
        }
        self.log(|| format!("frees {name}"), None);
        Ok(())
    }

    /// Passes memory to RCU.
    pub(crate) fn retire(&mut self, address: usize) -> Result<(), String> {
        self.memory.cells.remove(&address);
        let Some(number) = self.memory.region_of(address) else {
            return Ok(());
        };
        let name = self.memory.name(address);
        let region = &mut self.memory.regions[number];
        match region.life {
            Life::Freed | Life::Retired => Err(format!("{name} is given to RCU twice")),
            _ => {
                region.life = Life::Retired;
                Ok(())
            }
        }
    }

    /// Returns true if other threads may reach an address, so that the order of accesses matters.
    pub(crate) fn is_shared(&self, address: usize) -> bool {
        self.memory
            .region_of(address)
            .is_some_and(|number| self.memory.regions[number].life != Life::Private)
    }

    /// Checks that the current thread may access an address. Returns its region, if any.
    pub(crate) fn touch(&mut self, address: usize) -> Result<Option<usize>, String> {
        let Some(number) = self.memory.region_of(address) else {
            return Ok(None);
        };
        let current = self.current;
        let region = &mut self.memory.regions[number];
        if region.life == Life::Freed {
            let name = self.memory.name(address);
            return Err(format!("{name} is touched after it could have been freed"));
        }
        if region.owner != current {
            if region.life == Life::Private {
                region.life = Life::Shared;
            }
            let birth = region.birth;
            let thread = &self.threads[current];
            let known = thread.seen.get(birth) == 1
                || thread
                    .followed
                    .get(&number)
                    .is_some_and(|view| view.get(birth) == 1);
            if !known && current >= FIRST {
                let name = self.memory.name(address);
                return Err(format!(
                    "{name} is touched, but what is in it was not published"
                ));
            }
        }
        let thread = &mut self.threads[current];
        if let (Some(clock), true) = (thread.clock, region.life != Life::Private) {
            thread.accesses += 1;
            let count = thread.accesses;
            thread.seen.raise(clock, count);
            match region.accesses.iter_mut().find(|(by, _)| *by == current) {
                Some(last) => last.1 = count,
                None => region.accesses.push((current, count)),
            }
        }
        Ok(Some(number))
    }

    /// Returns the word at an address, which is created with the value in memory at the first
    /// access.
    fn word(&mut self, address: usize, region: usize, value: u64) -> usize {
        let number = match self.memory.by_address.get(&address) {
            Some(&number) => number,
            None => {
                let number = self.memory.new_location(region);
                let view = self.memory.regions[region].view.clone();
                self.memory.words[number]
                    .messages
                    .push(Store { value, view });
                self.memory.by_address.insert(address, number);
                number
            }
        };
        // A value read through an address is at least as new as it was when the address was
        // published.
        let thread = &mut self.threads[self.current];
        if let Some(view) = thread.followed.get(&region) {
            let oldest = view.get(number);
            thread.seen.raise(number, oldest);
        }
        number
    }

    /// Joins the writer's view after a read: now, after a barrier, or through the address that was
    /// read.
    fn has_read(&mut self, value: u64, view: &Rc<View>, acquire: bool) {
        let target = self.memory.region_of(value as usize);
        let thread = &mut self.threads[self.current];
        thread.acquired.join(view);
        if acquire {
            thread.seen.join(view);
        }
        if let Some(region) = target {
            thread.followed.entry(region).or_default().join(view);
        }
    }

    /// Records that an address in one region leads to another region, and was written before the
    /// first was published.
    pub(crate) fn follow(&mut self, from: usize, to: usize) {
        let (Some(from), Some(to)) = (self.memory.region_of(from), self.memory.region_of(to))
        else {
            return;
        };
        if self.memory.regions[from].life != Life::Private
            && self.memory.regions[to].life == Life::Private
        {
            self.memory.regions[to].life = Life::Shared;
        }
        let birth = self.memory.regions[from].view.clone();
        let thread = &mut self.threads[self.current];
        let Some(mut view) = thread.followed.get(&from).cloned() else {
            return;
        };
        view.join(&birth);
        thread.followed.entry(to).or_default().join(&view);
    }

    /// Reads a word. `now` is its value in memory.
    pub(crate) fn load(
        &mut self,
        address: usize,
        now: u64,
        order: Order,
        at: &At<'_>,
    ) -> Result<u64, String> {
        let Some(region) = self.touch(address)? else {
            return Ok(now);
        };
        let word = self.word(address, region, now);
        let oldest = self.me().seen.get(word) as usize;
        let newest = self.memory.words[word].messages.len() - 1;
        // The newest value is tried first.
        let number = newest - self.choices.choose(newest - oldest + 1, 8);
        let message = &self.memory.words[word].messages[number];
        let (value, view) = (message.value, message.view.clone());
        self.me().seen.raise(word, number as u32);
        self.has_read(value, &view, order == Order::Acquire);
        if self.trace.is_some() {
            let (name, value) = (self.memory.name(address), self.memory.value_name(value));
            let stale = match newest - number {
                0 => String::new(),
                n => format!(", {n} behind the newest"),
            };
            self.log(|| format!("reads {value} from {name}{stale}"), Some(at));
        }
        Ok(value)
    }

    /// Writes a word; the caller writes it to memory too.
    pub(crate) fn store(
        &mut self,
        address: usize,
        now: u64,
        value: u64,
        order: Order,
        at: &At<'_>,
    ) -> Result<(), String> {
        let Some(region) = self.touch(address)? else {
            return Ok(());
        };
        let word = self.word(address, region, now);
        self.write(word, value, order == Order::Release, None);
        if self.trace.is_some() {
            let (name, value) = (self.memory.name(address), self.memory.value_name(value));
            self.log(|| format!("writes {value} to {name}"), Some(at));
        }
        Ok(())
    }

    fn write(&mut self, word: usize, value: u64, release: bool, before: Option<Rc<View>>) {
        let region = self.memory.words[word].region;
        if self.memory.regions[region].life != Life::Private {
            self.me().quiet = false;
        }
        let number = self.memory.words[word].messages.len() as u32;
        let thread = &mut self.threads[self.current];
        thread.seen.raise(word, number);
        let mut view = if release {
            thread.seen.clone()
        } else {
            thread.released.clone()
        };
        view.raise(word, number);
        if let Some(before) = before {
            view.join(&before);
        }
        let view = Rc::new(view);
        self.memory.words[word].messages.push(Store { value, view });
        let publishes = self.memory.region_of(value as usize);
        if let Some(target) = publishes {
            let shared = self.memory.regions[region].life != Life::Private;
            let target = &mut self.memory.regions[target];
            if shared && target.life == Life::Private {
                target.life = Life::Shared;
            }
        }
    }

    /// Reads and writes a word atomically. `change` returns the new value, if any. Returns the old
    /// one.
    pub(crate) fn modify(
        &mut self,
        address: usize,
        now: u64,
        change: impl FnOnce(u64) -> Option<u64>,
        order: Order,
        at: &At<'_>,
    ) -> Result<u64, String> {
        let Some(region) = self.touch(address)? else {
            return Ok(now);
        };
        let word = self.word(address, region, now);
        let newest = self.memory.words[word].messages.len() - 1;
        let message = &self.memory.words[word].messages[newest];
        let (old, view) = (message.value, message.view.clone());
        let new = change(old);
        // It reads the newest value, even if it fails.
        self.me().quiet = false;
        if new.is_some() && order == Order::Full {
            self.full_fence();
        }
        self.me().seen.raise(word, newest as u32);
        let acquire = new.is_some() && matches!(order, Order::Acquire | Order::Full);
        self.has_read(old, &view, acquire);
        if let Some(new) = new {
            let release = matches!(order, Order::Release | Order::Full);
            self.write(word, new, release, Some(view));
            if order == Order::Full {
                self.full_fence();
            }
        }
        if self.trace.is_some() {
            let name = self.memory.name(address);
            let old = self.memory.value_name(old);
            let new = new.map_or("nothing".into(), |new| self.memory.value_name(new));
            self.log(|| format!("exchanges {old} in {name} for {new}"), Some(at));
        }
        Ok(old)
    }

    /// Checks an access to a cell without a lock of its own.
    pub(crate) fn plain(&mut self, address: usize, at: &At<'_>) -> Result<(), String> {
        if self.touch(address)?.is_none() || !self.is_shared(address) || self.current == CALLBACKS {
            return Ok(());
        }
        let name = self.memory.name(address);
        self.log(|| format!("accesses the cell {name}"), Some(at));
        let current = self.current;
        let held = self.threads[current].locks.clone();
        let Some(cell) = self.memory.cells.get_mut(&address) else {
            let cell = Cell {
                bare: held.is_empty(),
                locks: held,
                by: current,
            };
            self.memory.cells.insert(address, cell);
            return Ok(());
        };
        if cell.bare && cell.by != current {
            return Err(format!(
                "the cell {name} was accessed without a lock before"
            ));
        }
        cell.by = current;
        if held.is_empty() {
            cell.bare = true;
            return Ok(());
        }
        cell.bare = false;
        let names = |locks: &[usize], memory: &Memory| {
            let names: Vec<_> = locks.iter().map(|&lock| memory.name(lock)).collect();
            names.join(" and ")
        };
        let before = cell.locks.clone();
        if before.is_empty() {
            cell.locks = held;
            return Ok(());
        }
        cell.locks.retain(|lock| held.contains(lock));
        if cell.locks.is_empty() {
            let (before, held) = (names(&before, &self.memory), names(&held, &self.memory));
            return Err(format!(
                "the cell {name} is accessed under the lock {held}, and was under {before} before"
            ));
        }
        Ok(())
    }

    /// Fails the execution with the error. In an RCU callback, which must not unwind, the failure
    /// is raised later.
    pub(crate) fn or_fail<T>(result: Option<Result<T, String>>) -> Option<T> {
        match result? {
            Ok(value) => Some(value),
            Err(words) => {
                if with(|x| x.current) != Some(CALLBACKS) && !std::thread::panicking() {
                    fail(&words);
                }
                let _ = with(|x| x.fails(&words));
                None
            }
        }
    }
}
