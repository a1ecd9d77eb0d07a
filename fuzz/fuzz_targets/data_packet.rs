//! Fuzzes the target `data_packet`.
#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    targets::run("data_packet", input);
});
