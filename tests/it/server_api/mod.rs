//! LiveKit's server API: rooms in the hand of other programs, and events for them.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a client waits for one message out of many"
)]

pub mod program;
mod room_service;
mod sessions;
mod webhooks;
