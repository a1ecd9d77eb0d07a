//! LiveKit's signalling over real sockets, against real rooms: what clients hear and when.

mod client;
mod entry;
mod server;
mod stay;
