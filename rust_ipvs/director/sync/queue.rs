// SPDX-License-Identifier: GPL-2.0

//! Send queues: messages on their way from packets to the threads that send them (C: the master's
//! `sync_queue`).
//!
//! A packet adds its entry to the message that its queue is building, which takes a lock for as
//! long as a few hundred bytes are copied. A message that is full, or two seconds old, is the
//! thread's. Its memory comes back, so that who begins the next one need not allocate.

use crate::{
    kapi::{
        bh::BhLock,
        datagram::Datagrams,
        thread::{
            Routine,
            Running,
            WakeFlag, //
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
            SyncMsgBuilder, //
        },
        SyncEntry,
        Version, //
    },
    new_bh_lock, //
};
use core::mem;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Age at which a message is sent that is not full (B-9).
const PATIENCE: u32 = 2 * HZ;
/// Interval at which a thread looks for such a message.
const PERIOD: u32 = HZ;
/// Time for which a thread waits if it can send no more now.
const PAUSE: u32 = HZ / 50;
/// Number of spare messages whose memory is kept.
const SPARE: usize = 8;

/// A message.
struct Message {
    /// The one that was finished before it.
    before: Option<KBox<Message>>,
    /// Time at which it was begun.
    since: u32,
    builder: SyncMsgBuilder<KVec<u8>>,
}

/// A list of messages; the last one is its head.
struct MsgList {
    last: Option<KBox<Message>>,
    length: usize,
}

impl MsgList {
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

    /// Returns the list in the reverse order.
    fn reversed(mut self) -> Self {
        let mut other = Self::EMPTY;
        while let Some(message) = self.pop() {
            other.push(message);
        }
        other
    }
}

impl Drop for MsgList {
    fn drop(&mut self) {
        // One after the other: a long list would be dropped by as many calls within each other.
        while self.pop().is_some() {}
    }
}

/// State of a queue, protected by its lock.
struct Inner {
    /// The message that is being written.
    current: Option<KBox<Message>>,
    /// Those that are to be sent.
    ready: MsgList,
    /// Number of messages that were taken and not sent yet.
    taken: usize,
    spare: MsgList,
}

impl Inner {
    const EMPTY: Self = Self {
        current: None,
        ready: MsgList::EMPTY,
        taken: 0,
        spare: MsgList::EMPTY,
    };

    /// A message whose only entry this is; `None` without memory, or where no message can say it.
    fn begin(&mut self, format: &MsgFormat, entry: &SyncEntry<'_>) -> Option<KBox<Message>> {
        let least = write::least(format.version, entry)?;
        let size = least.max(format.maxlen.into());
        let mut message = match self.spare.pop() {
            Some(mut spare) => {
                let bytes = spare.builder.take_bytes();
                spare.builder =
                    SyncMsgBuilder::new(fitting(bytes, size)?, format.version, format.sync_id)?;
                spare
            }
            None => {
                let builder = SyncMsgBuilder::new(memory(size)?, format.version, format.sync_id)?;
                let message = Message {
                    before: None,
                    since: 0,
                    builder,
                };
                KBox::new(message, GFP_ATOMIC).ok()?
            }
        };
        message.since = time::jiffies32();
        (message.builder.add(entry) == Added::Yes).then_some(message)
    }

    /// Puts the message that is being written among those that are to be sent, if there may be one
    /// more.
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

/// Format of the messages of a daemon.
#[derive(Clone, Copy)]
pub(super) struct MsgFormat {
    pub(super) version: Version,
    pub(super) sync_id: u8,
    /// The longest one, but for a message of one entry that is longer.
    pub(super) maxlen: u16,
}

/// Send queue of one thread, for a part of the connections.
#[pin_data]
pub(super) struct SyncQueue {
    #[pin]
    inner: BhLock<Inner>,
    /// Wakes the thread.
    #[pin]
    wake_flag: WakeFlag,
}

impl SyncQueue {
    /// Creates an empty queue.
    pub(super) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                inner <- new_bh_lock!(Inner::EMPTY),
                wake_flag <- WakeFlag::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Queues `entry` for sending. Drops it if `most` messages are already queued. Any context.
    ///
    /// Returns whether the format can express it.
    pub(super) fn add(&self, format: &MsgFormat, most: usize, entry: &SyncEntry<'_>) -> bool {
        let mut inner = self.inner.lock();
        let was_idle = inner.ready.length == 0;
        if let Some(current) = &mut inner.current {
            if current.builder.version() == format.version {
                match current.builder.add(entry) {
                    Added::Yes => return true,
                    Added::Never => return false,
                    Added::Full => {}
                }
            }
            inner.finish(most);
        }
        let begun = inner.begin(format, entry);
        let can_be_said = begun.is_some();
        inner.current = begun;
        let wakes = was_idle && inner.ready.length != 0;
        drop(inner);
        if wakes {
            self.wake_flag.wake();
        }
        can_be_said
    }

    /// Takes all messages that are ready, oldest first; the error is how many jiffies to wait if
    /// there is none.
    fn take(&self) -> Result<MsgList, u32> {
        let mut inner = self.inner.lock();
        let now = time::jiffies32();
        let age = inner.current.as_ref().map(|m| now.wrapping_sub(m.since));
        if age.is_some_and(|age| age >= PATIENCE) {
            inner.finish(usize::MAX);
        }
        if inner.ready.length == 0 {
            return Err(age.map_or(PERIOD, |age| PATIENCE.saturating_sub(age).max(1)));
        }
        let list = mem::replace(&mut inner.ready, MsgList::EMPTY);
        inner.taken = list.length;
        drop(inner);
        Ok(list.reversed())
    }

    /// Takes back the memory of a message that was sent.
    fn sent(&self, message: KBox<Message>) {
        let mut inner = self.inner.lock();
        inner.taken = inner.taken.saturating_sub(1);
        inner.keep(message);
    }
}

/// Routine of the thread that sends the messages of a queue.
pub(super) struct Sender {
    pub(super) queue: Arc<SyncQueue>,
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
            match self.queue.take() {
                Err(jiffies) => self.queue.wake_flag.wait(running, jiffies),
                Ok(mut list) => {
                    while let Some(message) = list.pop() {
                        if !self.send(running, message.builder.message()) {
                            return;
                        }
                        self.queue.sent(message);
                    }
                }
            }
        }
    }
}
