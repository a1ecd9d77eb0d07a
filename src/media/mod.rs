//! The SFU as state machines that do no I/O: time and datagrams go in, datagrams and events come
//! out.
//!
//! Two halves meet in [`command`]: the *packet* half ([`shard`]) runs on one thread per core and
//! knows transports, sources and legs; the *room* half ([`room`], [`negotiation`], [`sdp`]) runs on
//! ordinary tasks, knows participants, tracks and session descriptions, and drives the packet half
//! by commands.

pub mod command;
pub mod demux;
pub mod negotiation;
pub mod room;
pub mod sdp;
pub mod signal;
pub mod transport;
