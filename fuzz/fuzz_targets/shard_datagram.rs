//! Fuzzes the target `shard_datagram`.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    targets::run("shard_datagram", input);
});
