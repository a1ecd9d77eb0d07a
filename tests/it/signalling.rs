//! LiveKit's signalling over real sockets, against real rooms: what clients hear and when.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a client waits for one message out of many"
)]

pub mod client;
mod entry;
pub mod server;
mod stay;
