// SPDX-License-Identifier: GPL-2.0

//! Receiving threads of a backup.

use crate::kapi::{
    datagram::Datagrams,
    net::Net,
    thread::{
        Routine,
        Running, //
    },
    time, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

/// Receiver of sync messages.
pub(crate) trait Listener: Send + Sync + 'static {
    /// Applies a message that was sent with `sync_id`. Process context.
    fn message(&self, net: &Net, sync_id: i32, message: &[u8]);
}

/// Routine of a receiving thread.
#[pin_data]
pub(crate) struct Receiver<L> {
    socket: Datagrams,
    sync_id: i32,
    listener: Arc<L>,
    /// Buffer for a message, used by this thread only.
    #[pin]
    buffer: Mutex<KVVec<u8>>,
}

impl<L: Listener> Receiver<L> {
    /// Creates the routine for a socket and messages of at most `maxlen` bytes.
    pub(super) fn new(
        socket: Datagrams,
        listener: Arc<L>,
        (sync_id, maxlen): (i32, u16),
    ) -> Result<Arc<Self>> {
        let buffer = KVVec::from_elem(0, maxlen.into(), GFP_KERNEL)?;
        Arc::pin_init(
            pin_init!(Self {
                socket,
                sync_id,
                listener,
                buffer <- new_mutex!(buffer),
            }),
            GFP_KERNEL,
        )
    }
}

/// Time to wait after a socket error, in jiffies.
const PAUSE: u32 = time::HZ / 50;

impl<L: Listener> Routine for Receiver<L> {
    fn run(&self, running: &Running) {
        let mut buffer = self.buffer.lock();
        while !running.is_to_stop() {
            match self.socket.receive(&mut buffer) {
                Ok(length) => {
                    let message = buffer.get(..length).unwrap_or(&[]);
                    self.listener
                        .message(self.socket.net(), self.sync_id, message);
                    time::give_way();
                }
                Err(error) if error == EAGAIN => self.socket.wait(running),
                Err(_) => running.rest(PAUSE),
            }
        }
    }
}
