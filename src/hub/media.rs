//! The way into the media threads: for each a bounded queue of orders, and a knock that wakes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use crate::domain::id::ShardId;
use crate::media::command::Command;
use crate::media::placement::TAPS;

/// Orders waiting for one media thread.
pub const COMMANDS_MAX: usize = 16_384;

/// Data messages are refused beyond this, so that orders about connections always find room.
pub const DATA_WAITING_MAX: usize = COMMANDS_MAX / 2;

const _: () = assert!(DATA_WAITING_MAX < COMMANDS_MAX);

/// Sends orders to one media thread; clones share the queue.
#[derive(Clone)]
pub struct MediaSender {
    commands: SyncSender<Command>,
    waiting: Arc<AtomicUsize>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for MediaSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MediaSender(..)")
    }
}

/// Sends orders to the media threads, to each its own; clones share the queues.
#[derive(Clone, Debug)]
pub struct MediaSenders {
    shards: Arc<[MediaSender]>,
    taps: MediaSender,
}

impl MediaSenders {
    /// By shard, and the way to the taps.
    pub fn new(shards: Vec<MediaSender>, taps: MediaSender) -> Self {
        Self {
            shards: shards.into(),
            taps,
        }
    }

    /// The way to one of them.
    pub fn of(&self, shard: ShardId) -> Option<&MediaSender> {
        match shard {
            TAPS => Some(&self.taps),
            ShardId(place) => self.shards.get(usize::from(place)),
        }
    }
}

/// The thread's end of the queue.
#[derive(Debug)]
pub struct MediaReceiver {
    commands: Receiver<Command>,
    waiting: Arc<AtomicUsize>,
}

/// An order was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaSendError {
    /// Too much waits; nothing was queued.
    #[error("the media thread's queue is full")]
    Full,
    /// The thread has stopped.
    #[error("the media thread has stopped")]
    Stopped,
}

/// A queue; `wake` is called after each order and may not block.
pub fn media_queue(wake: Arc<dyn Fn() + Send + Sync>) -> (MediaSender, MediaReceiver) {
    let (sender, receiver) = sync_channel(COMMANDS_MAX);
    let waiting = Arc::new(AtomicUsize::new(0));
    let sender = MediaSender {
        commands: sender,
        waiting: Arc::clone(&waiting),
        wake,
    };
    let receiver = MediaReceiver {
        commands: receiver,
        waiting,
    };
    (sender, receiver)
}

impl MediaSender {
    /// Queues an order and returns at once; orders of one sender are handled in their order.
    ///
    /// # Errors
    ///
    /// [`MediaSendError::Full`] at [`COMMANDS_MAX`], for data messages at [`DATA_WAITING_MAX`];
    /// [`MediaSendError::Stopped`] when the thread is gone.
    pub fn send(&self, command: Command) -> Result<(), MediaSendError> {
        let is_data = matches!(command, Command::SendData { .. });
        if is_data && self.waiting.load(Ordering::Relaxed) >= DATA_WAITING_MAX {
            return Err(MediaSendError::Full);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let sent = self.commands.try_send(command);
        match sent {
            Ok(()) => {
                (self.wake)();
                Ok(())
            }
            Err(refused) => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                Err(match refused {
                    TrySendError::Full(_) => MediaSendError::Full,
                    TrySendError::Disconnected(_) => MediaSendError::Stopped,
                })
            }
        }
    }
}

impl MediaReceiver {
    /// The next order, if one waits.
    pub fn try_next(&self) -> Option<Command> {
        let command = self.commands.try_recv().ok()?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{LegId, TransportId};
    use crate::media::command::DataChannel;

    fn data() -> Command {
        Command::SendData {
            transport: TransportId(1),
            channel: DataChannel::Lossy,
            payload: bytes::Bytes::new(),
        }
    }

    #[test]
    fn data_leaves_room_for_orders_and_everything_is_bounded() {
        let knocks = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&knocks);
        let wake = move || {
            counted.fetch_add(1, Ordering::Relaxed);
        };
        let (sender, receiver) = media_queue(Arc::new(wake));
        let sent = (0..COMMANDS_MAX)
            .take_while(|_| sender.send(data()).is_ok())
            .count();
        assert_eq!(sent, DATA_WAITING_MAX);
        let leg = LegId(1);
        let more =
            (0..COMMANDS_MAX).take_while(|_| sender.send(Command::RemoveLeg { leg }).is_ok());
        assert_eq!(more.count(), COMMANDS_MAX - DATA_WAITING_MAX);
        assert_eq!(knocks.load(Ordering::Relaxed), COMMANDS_MAX);
        while receiver.try_next().is_some() {}
        assert_eq!(sender.send(data()), Ok(()));
        drop(receiver);
        assert_eq!(sender.send(data()), Err(MediaSendError::Stopped));
    }
}
