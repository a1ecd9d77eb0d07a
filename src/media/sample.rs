//! Made-up input for the tests of this layer: seeded chance and packets.

pub(crate) mod layers;

use super::rtp::{HEADER_BYTES, write_header};
use super::transport::srtp::{MasterKeys, Profile, Srtp};

/// A seeded generator (splitmix64): the same seed gives the same test.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        println!("seed {seed}");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Up to `len_max` bytes.
    pub(crate) fn bytes(&mut self, len_max: usize) -> Vec<u8> {
        let len = self.below(len_max + 1);
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// Both ends of an encrypted connection: ours, and the client's.
pub(crate) fn connection(seed: u8) -> (Srtp, Srtp) {
    let profile = Profile::Gcm;
    let material: Vec<u8> = (0..profile.keying_material_bytes())
        .map(|at| (at as u8).wrapping_mul(7) ^ seed)
        .collect();
    let end = |we_are_client| {
        let provider = rtc::crypto::default_provider().unwrap();
        let keys = MasterKeys::split(profile, &material, we_are_client).unwrap();
        Srtp::new(provider, &keys).unwrap()
    };
    (end(false), end(true))
}

/// A VP8 payload with a 15-bit picture id and a base layer index.
pub(crate) fn vp8(key: bool, picture: u16, base_layer: u8) -> Vec<u8> {
    vp8_layer(key, picture, base_layer, 0, true)
}

/// The same of a picture in a temporal layer.
pub(crate) fn vp8_layer(key: bool, picture: u16, base_layer: u8, layer: u8, sync: bool) -> Vec<u8> {
    let picture = (picture | 0x8000).to_be_bytes();
    vec![
        0x90,
        0xe0,
        picture[0],
        picture[1],
        base_layer,
        layer << 6 | u8::from(sync) << 5,
        if key { 0x10 } else { 0x11 },
        7,
        7,
    ]
}

/// A packet without extension.
pub(crate) fn rtp(payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_BYTES];
    write_header(&mut bytes, false, payload_type, sequence, timestamp, 77);
    bytes.extend_from_slice(payload);
    bytes
}
