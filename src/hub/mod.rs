//! Bounded queues and live registries between tasks and media threads.

pub mod events;
pub mod media;
pub mod rooms;
pub mod taps;
