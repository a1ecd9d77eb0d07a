//! Chance that a seed repeats: SplitMix64, good enough for behaviour and nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::entropy::Entropy;

/// A stream of numbers decided by its seed.
pub(super) struct Chance(AtomicU64);

/// Steps of the state; the golden ratio of 64 bits.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Chance {
    /// The stream of one learner.
    pub(super) fn new(seed: u64, learner: u32) -> Self {
        let start = mixed(seed).wrapping_add(u64::from(learner).wrapping_mul(STEP));
        Self(AtomicU64::new(mixed(start)))
    }

    fn next(&self) -> u64 {
        let before = self.0.fetch_add(STEP, Ordering::Relaxed);
        mixed(before.wrapping_add(STEP))
    }

    /// In `[0, 1)`.
    pub(super) fn unit(&self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// In `[from, to)`.
    pub(super) fn between(&self, from: f64, to: f64) -> f64 {
        from + self.unit() * (to - from)
    }

    /// True with this probability.
    pub(super) fn happens(&self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of weighted choices; the last one takes what is left of 1.
    pub(super) fn one_of<T: Copy>(&self, choices: &[(f64, T)], else_it_is: T) -> T {
        let mut unit = self.unit();
        for (share, choice) in choices {
            if unit < *share {
                return *choice;
            }
            unit -= share;
        }
        else_it_is
    }
}

impl Entropy for Chance {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let next = self.next().to_be_bytes();
            chunk.copy_from_slice(&next[..chunk.len()]);
        }
    }
}

fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
