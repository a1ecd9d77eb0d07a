//! What arrives of an encoding, over half seconds: bits and pictures, up to each temporal layer.

use std::time::{Duration, Instant};

use crate::media::codec::Insight;
use crate::media::thinning::{TEMPORALS, layer_of};

/// Time over which rates are read.
const WINDOW: Duration = Duration::from_millis(500);

/// What a packet takes on the way beside its payload, bytes: IP, UDP, RTP with extension, seal.
const PACKET_OVERHEAD_BYTES: usize = 20 + 8 + 20 + 16;

/// So much of the pictures that are wanted is enough, because what is counted trembles; the next
/// layer has about twice as many.
const ENOUGH_PERCENT: u64 = 80;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    since: Option<Instant>,
    layers: [Layer; TEMPORALS],
}

/// All up to one temporal layer.
#[derive(Clone, Copy, Debug, Default)]
struct Layer {
    bytes: u64,
    pictures: u64,
    bps: u64,
    pictures_per_1000_seconds: u64,
}

impl Meter {
    /// Counts a packet.
    pub fn take(&mut self, insight: &Insight, payload: usize) {
        for layer in &mut self.layers[usize::from(layer_of(insight))..] {
            layer.bytes += (payload + PACKET_OVERHEAD_BYTES) as u64;
            layer.pictures += u64::from(insight.starts);
        }
    }

    /// Reads the rates when a window is over, and tells so.
    pub fn roll(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let passed = now.saturating_duration_since(since);
        if passed < WINDOW {
            return false;
        }
        self.since = Some(now);
        let passed = (passed.as_millis() as u64).max(1);
        for layer in &mut self.layers {
            layer.roll(passed);
        }
        true
    }

    /// Bit/s up to a temporal layer; 0 before they are measured.
    pub fn bps(&self, temporal: u8) -> u64 {
        let layer = self.layers.get(usize::from(temporal));
        layer.map_or(0, |layer| layer.bps)
    }

    /// Whether about so many pictures come in a second up to a temporal layer.
    pub fn has(&self, temporal: u8, frames_per_second: u8) -> bool {
        let layer = self.layers.get(usize::from(temporal));
        let come = layer.map_or(0, |layer| layer.pictures_per_1000_seconds);
        come >= u64::from(frames_per_second) * 1_000 * ENOUGH_PERCENT / 100
    }
}

impl Layer {
    /// Follows a rise soon, but not the first key frame of it, and a fall slowly: a still screen
    /// takes much again when it moves.
    fn roll(&mut self, milliseconds: u64) {
        let reading = self.bytes * 8_000 / milliseconds;
        self.bps = match reading > self.bps && self.bps > 0 {
            true => u64::midpoint(self.bps, reading),
            false => reading.max((3 * self.bps + reading) / 4),
        };
        let reading = self.pictures * 1_000_000 / milliseconds;
        self.pictures_per_1000_seconds = match self.pictures_per_1000_seconds {
            0 => reading,
            before => (3 * before + reading) / 4,
        };
        (self.bytes, self.pictures) = (0, 0);
    }
}
