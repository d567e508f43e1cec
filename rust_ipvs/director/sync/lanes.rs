// SPDX-License-Identifier: GPL-2.0

//! Messages on their way from packets to the threads that send them.
//!
//! A packet adds its entry to the message that its lane is writing, which takes a lock for as long as a few hundred bytes
//! are copied. A message that is full, or two seconds old, is the thread's. Its memory comes back, so that who begins
//! the next one need not allocate.

use crate::{
    kapi::{
        bh::BhLock,
        datagram::Datagrams,
        thread::{
            Routine,
            Running, //
            WakeFlag,
        },
        time::{
            self,
            HZ, //
        },
    },
    logic::sync::{
        write::{
            self,
            Added,
            Draft, //
        },
        Entry,
        Version, //
    },
    new_bh_lock,
};
use core::mem;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// How old a message gets that is not full (B-9).
const PATIENCE: u32 = 2 * HZ;
/// How often a thread looks for such a message.
const PERIOD: u32 = HZ;
/// How long a thread waits that can send no more now.
const PAUSE: u32 = HZ / 50;
/// How many messages' memory is kept.
const SPARE: usize = 8;

/// A message.
struct Message {
    /// The one that was finished before it.
    before: Option<KBox<Message>>,
    /// When it was begun.
    since: u32,
    draft: Draft<KVec<u8>>,
}

/// Messages in a row; the last one is at hand.
struct Row {
    last: Option<KBox<Message>>,
    length: usize,
}

impl Row {
    const EMPTY: Self = Self {
        last: None,
        length: 0,
    };

    fn push(&mut self, mut message: KBox<Message>) {
        message.before = self.last.take();
        self.last = Some(message);
        self.length = self.length.saturating_add(1);
    }

    fn pop(&mut self) -> Option<KBox<Message>> {
        let mut message = self.last.take()?;
        self.last = message.before.take();
        self.length = self.length.saturating_sub(1);
        Some(message)
    }

    /// The row from its other end.
    fn reversed(mut self) -> Self {
        let mut other = Self::EMPTY;
        while let Some(message) = self.pop() {
            other.push(message);
        }
        other
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        // One after the other: a long row would be dropped by as many calls within each other.
        while self.pop().is_some() {}
    }
}

/// What a lane's lock protects.
struct Desk {
    /// The message that is being written.
    current: Option<KBox<Message>>,
    /// Those that are to be sent.
    ready: Row,
    /// How many were taken to be sent, and were not yet.
    taken: usize,
    spare: Row,
}

impl Desk {
    const EMPTY: Self = Self {
        current: None,
        ready: Row::EMPTY,
        taken: 0,
        spare: Row::EMPTY,
    };

    /// A message whose only entry this is; `None` without memory, or where no message can say it.
    fn begin(&mut self, form: &Form, entry: &Entry<'_>) -> Option<KBox<Message>> {
        let least = write::least(form.version, entry)?;
        let size = least.max(form.maxlen.into());
        let mut message = match self.spare.pop() {
            Some(mut spare) => {
                let bytes = spare.draft.take_bytes();
                spare.draft = Draft::new(fitting(bytes, size)?, form.version, form.sync_id)?;
                spare
            }
            None => {
                let draft = Draft::new(memory(size)?, form.version, form.sync_id)?;
                let message = Message {
                    before: None,
                    since: 0,
                    draft,
                };
                KBox::new(message, GFP_ATOMIC).ok()?
            }
        };
        message.since = time::jiffies32();
        (message.draft.add(entry) == Added::Yes).then_some(message)
    }

    /// Puts the message that is being written among those that are to be sent, if there may be one more.
    fn finish(&mut self, most: usize) {
        let Some(message) = self.current.take() else {
            return;
        };
        if self.ready.length.saturating_add(self.taken) < most {
            self.ready.push(message);
        } else {
            self.keep(message);
        }
    }

    /// Keeps the memory of a message.
    fn keep(&mut self, message: KBox<Message>) {
        if self.spare.length < SPARE {
            self.spare.push(message);
        }
    }
}

/// Memory for a message.
fn memory(size: usize) -> Option<KVec<u8>> {
    KVec::from_elem(0, size, GFP_ATOMIC).ok()
}

/// Memory for a message, which may be memory that was one's before.
fn fitting(bytes: KVec<u8>, size: usize) -> Option<KVec<u8>> {
    if bytes.len() == size {
        Some(bytes)
    } else {
        memory(size)
    }
}

/// What messages are like.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub(super) version: Version,
    pub(super) sync_id: u8,
    /// The longest one, but for a message of one entry that is longer.
    pub(super) maxlen: u16,
}

/// A lane: messages of some of the connections.
#[pin_data]
pub(super) struct Lane {
    #[pin]
    desk: BhLock<Desk>,
    /// Wakes the thread.
    #[pin]
    wake_flag: WakeFlag,
}

impl Lane {
    /// A lane without messages.
    pub(super) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                desk <- new_bh_lock!(Desk::EMPTY),
                wake_flag <- WakeFlag::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Has an entry sent, before long; where there is no room for `most` messages, it is not. Any context.
    ///
    /// Returns whether it can be said in this form.
    pub(super) fn add(&self, form: &Form, most: usize, entry: &Entry<'_>) -> bool {
        let mut desk = self.desk.lock();
        let was_idle = desk.ready.length == 0;
        if let Some(current) = &mut desk.current {
            if current.draft.version() == form.version {
                match current.draft.add(entry) {
                    Added::Yes => return true,
                    Added::Never => return false,
                    Added::Full => {}
                }
            }
            desk.finish(most);
        }
        let begun = desk.begin(form, entry);
        let can_be_said = begun.is_some();
        desk.current = begun;
        let wakes = was_idle && desk.ready.length != 0;
        drop(desk);
        if wakes {
            self.wake_flag.wake();
        }
        can_be_said
    }

    /// Takes what is to be sent, the oldest first; where there is nothing, says how long to wait.
    fn take(&self) -> Result<Row, u32> {
        let mut desk = self.desk.lock();
        let now = time::jiffies32();
        let age = desk.current.as_ref().map(|m| now.wrapping_sub(m.since));
        if age.is_some_and(|age| age >= PATIENCE) {
            desk.finish(usize::MAX);
        }
        if desk.ready.length == 0 {
            return Err(age.map_or(PERIOD, |age| PATIENCE.saturating_sub(age).max(1)));
        }
        let row = mem::replace(&mut desk.ready, Row::EMPTY);
        desk.taken = row.length;
        drop(desk);
        Ok(row.reversed())
    }

    /// A message was sent.
    fn sent(&self, message: KBox<Message>) {
        let mut desk = self.desk.lock();
        desk.taken = desk.taken.saturating_sub(1);
        desk.keep(message);
    }
}

/// What the thread of a lane does.
pub(super) struct Sender {
    pub(super) lane: Arc<Lane>,
    pub(super) socket: Datagrams,
}

impl Sender {
    /// Sends a message as soon as that is possible; `false` where the thread is to stop before.
    fn send(&self, running: &Running, message: &[u8]) -> bool {
        loop {
            match self.socket.send(message) {
                Err(error) if error == EAGAIN && !running.is_to_stop() => running.rest(PAUSE),
                // A network that is down now may be up for the next message.
                _ => return !running.is_to_stop(),
            }
        }
    }
}

impl Routine for Sender {
    fn run(&self, running: &Running) {
        while !running.is_to_stop() {
            match self.lane.take() {
                Err(jiffies) => self.lane.wake_flag.wait(running, jiffies),
                Ok(mut row) => {
                    while let Some(message) = row.pop() {
                        if !self.send(running, message.draft.message()) {
                            return;
                        }
                        self.lane.sent(message);
                    }
                }
            }
        }
    }
}
