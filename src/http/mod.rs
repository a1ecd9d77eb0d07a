//! Routes, extractors and the wire formats of clients.

pub mod livekit;
