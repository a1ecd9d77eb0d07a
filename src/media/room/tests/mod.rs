//! Rooms played by hand: clients that answer as real ones do, and a media half that only watches.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test picks out the few variants that it is about"
)]

mod bench;
mod control;
mod crowd;
mod demand;
mod material;
mod oneshot;
mod policy;
mod property;
mod publishing;
mod reliable;
mod servants;
mod simulate;
mod stay;
mod subscribing;
