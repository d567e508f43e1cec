// SPDX-License-Identifier: GPL-2.0

//! [`SyncQueue`]: sync messages on their way from packets to a sending thread (C: the master's
//! `sync_queue` and `sync_buff`).
//!
//! A packet adds its entry to the message under construction, under a lock that is held while a few
//! hundred bytes are copied. A message that is full, or two seconds old, is passed to the thread.
//! The memory of sent messages is reused, so that packets seldom allocate.

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

/// Age at which an incomplete message is sent, in jiffies (B-9).
const PATIENCE: u32 = 2 * HZ;
/// Interval at which a thread checks for such a message, in jiffies.
const PERIOD: u32 = HZ;
/// Time that a thread waits if the socket is full, in jiffies.
const PAUSE: u32 = HZ / 50;
/// Maximum number of messages kept for reuse.
const SPARE: usize = 8;

/// Sync message.
struct QueuedMsg {
    /// Message that was finished before this one.
    before: Option<KBox<QueuedMsg>>,
    /// Time of its beginning, in jiffies.
    since: u32,
    builder: SyncMsgBuilder<KVec<u8>>,
}

/// List of messages; the last one is its head.
struct MsgList {
    last: Option<KBox<QueuedMsg>>,
    length: usize,
}

impl MsgList {
    const EMPTY: Self = Self {
        last: None,
        length: 0,
    };

    fn push(&mut self, mut message: KBox<QueuedMsg>) {
        message.before = self.last.take();
        self.last = Some(message);
        self.length = self.length.saturating_add(1);
    }

    fn pop(&mut self) -> Option<KBox<QueuedMsg>> {
        let mut message = self.last.take()?;
        self.last = message.before.take();
        self.length = self.length.saturating_sub(1);
        Some(message)
    }

    /// Returns the list in reverse order.
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
        // One at a time: dropping the head would drop the others recursively.
        while self.pop().is_some() {}
    }
}

/// State of a queue, protected by its lock.
struct Inner {
    /// Message under construction.
    current: Option<KBox<QueuedMsg>>,
    /// Messages to send.
    ready: MsgList,
    /// Number of messages that the thread has taken and not sent yet.
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

    /// Creates a message with one entry. Returns `None` without memory, or if the format cannot
    /// express the entry.
    fn begin(&mut self, format: &MsgFormat, entry: &SyncEntry<'_>) -> Option<KBox<QueuedMsg>> {
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
                let message = QueuedMsg {
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

    /// Moves the message under construction to those to send; drops it if there are `most` already.
    fn finish(&mut self, most: usize) {
        let Some(message) = self.current.take() else {
            return;
        };
        if self.ready.length.saturating_add(self.taken) < most {
            self.ready.push(message);
        } else {
            self.reuse(message);
        }
    }

    /// Keeps a message for reuse of its memory.
    fn reuse(&mut self, message: KBox<QueuedMsg>) {
        if self.spare.length < SPARE {
            self.spare.push(message);
        }
    }
}

/// Allocates memory for a message.
fn memory(size: usize) -> Option<KVec<u8>> {
    KVec::from_elem(0, size, GFP_ATOMIC).ok()
}

/// Returns the memory of a former message if its size is right; otherwise allocates.
fn fitting(bytes: KVec<u8>, size: usize) -> Option<KVec<u8>> {
    if bytes.len() == size {
        Some(bytes)
    } else {
        memory(size)
    }
}

/// Format of a daemon's messages.
#[derive(Clone, Copy)]
pub(super) struct MsgFormat {
    pub(super) version: Version,
    pub(super) sync_id: u8,
    /// Maximum length of a message in bytes; a message with a single longer entry may exceed it.
    pub(super) maxlen: u16,
}

/// Send queue of one thread, for some of the connections.
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

    /// Takes all messages to send, oldest first. If there is none, the error is the time to wait,
    /// in jiffies.
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

    /// Returns the memory of a message that was sent.
    fn sent(&self, message: KBox<QueuedMsg>) {
        let mut inner = self.inner.lock();
        inner.taken = inner.taken.saturating_sub(1);
        inner.reuse(message);
    }
}

/// Routine of the thread that sends the messages of a queue.
pub(super) struct Sender {
    pub(super) queue: Arc<SyncQueue>,
    pub(super) socket: Datagrams,
}

impl Sender {
    /// Sends a message, waiting until the socket takes it. Returns `false` if the thread has to
    /// stop before.
    fn send(&self, running: &Running, message: &[u8]) -> bool {
        loop {
            match self.socket.send(message) {
                Err(error) if error == EAGAIN && !running.is_to_stop() => running.rest(PAUSE),
                // On other errors, such as a network that is down, drop this message and go on.
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
