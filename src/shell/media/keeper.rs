//! A shard that outlives its own panics.
//!
//! What a shard does for one client, one datagram or one order is fenced off: a panic in it costs
//! that client its connection, which it makes anew by itself. Only when it is not known whose part
//! of the state is half done, or ending that client panics too, all clients of the shard lose
//! theirs, and an empty shard goes on at the same port.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::media::command::{Command, Event};
use crate::media::shard::{Lost, Shard, ShardConfig};

/// See the module.
pub(super) struct Keeper {
    shard: Shard,
}

impl Keeper {
    /// Keeps a shard without clients.
    pub(super) fn new(config: ShardConfig) -> Self {
        Self {
            shard: Shard::new(config),
        }
    }

    /// Lets the shard do one thing; `None` when it panicked and was brought in order.
    pub(super) fn run<T>(&mut self, now: Instant, work: impl FnOnce(&mut Shard) -> T) -> Option<T> {
        if let Some(done) = fenced(|| work(&mut self.shard)) {
            return Some(done);
        }
        metrics::counter!("media_panics_total").increment(1);
        match fenced(|| self.shard.recover(now)) {
            Some(Lost::Nobody) => tracing::error!("a panic in the media thread cost nothing"),
            Some(Lost::Client(transport)) => {
                let transport = transport.0;
                tracing::error!(transport, "a panic in the media thread cost one connection");
            }
            Some(Lost::Everybody) | None => self.start_over(now),
        }
        None
    }

    /// The next thing to know.
    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.shard.poll_event()
    }

    /// When the shard has something to do.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.shard.next_timeout()
    }

    /// Says good-bye to whomever it still can, and goes on without clients.
    fn start_over(&mut self, now: Instant) {
        let transports = self.shard.transports();
        for transport in transports.iter().copied() {
            let close = Command::CloseTransport { transport };
            fenced(|| self.shard.handle_command(now, close));
        }
        self.shard.start_over(&transports);
        let connections = transports.len();
        tracing::error!(
            connections,
            "a panic in the media thread cost all connections"
        );
    }
}

/// Runs it; `None` when it panics. What it leaves half done is for the caller to mend.
fn fenced<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}
