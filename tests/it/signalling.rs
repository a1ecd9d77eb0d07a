//! LiveKit's signalling over real sockets, against real rooms: what clients hear and when.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a client waits for one message out of many"
)]

mod client;
mod entry;
mod server;
mod stay;
