//! Threads for work that computes for long: the runtime's pool of blocking threads.

use crate::service::Workers;

/// Hands work to the blocking threads of the runtime in which it is called.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockingThreads;

impl Workers for BlockingThreads {
    fn run(&self, work: Box<dyn FnOnce() + Send>) {
        drop(tokio::task::spawn_blocking(work));
    }
}
