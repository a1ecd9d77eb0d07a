//! The SFU as state machines that do no I/O: time and datagrams go in, datagrams and events come
//! out.
//!
//! Two halves meet in [`command`]: the *packet* half ([`shard`]) runs on one thread per core and
//! knows transports, sources and legs; the *room* half ([`room`], [`negotiation`], [`sdp`]) runs on
//! ordinary tasks, knows participants, tracks and session descriptions, and drives the packet half
//! by commands.

pub mod allocation;
pub mod bandwidth;
pub mod batch;
pub mod codec;
pub mod command;
pub mod cutter;
pub mod demux;
pub mod dependency;
pub mod downlink;
pub mod forward;
pub mod framing;
pub mod keyframe;
pub mod layered;
pub mod leg;
pub mod matroska;
pub mod nack;
pub mod negotiation;
pub mod outbox;
pub mod peer;
pub mod placement;
pub mod playout;
pub mod remote;
pub mod report;
pub mod rewrite;
pub mod ring;
pub mod room;
pub mod rtcp;
pub mod rtp;
#[cfg(test)]
mod sample;
pub mod sdp;
pub mod sequence;
pub mod shard;
pub mod signal;
pub mod slab;
pub mod source;
pub mod speaker;
pub mod tap;
pub mod thinning;
pub mod transport;
pub mod twcc;
