//! How much a client may say: a bucket that fills with time and empties with every frame.

use chrono::{DateTime, Utc};

/// What a silent client may say at once, in frames.
const BURST: i64 = 1_000;
/// What it may say on, in frames per second.
const PER_SECOND: i64 = 100;
/// A longer frame counts as one more for every so many bytes.
const FRAME_BYTES: usize = 16 * 1024;
/// A frame that cannot be read counts as so many.
const MALFORMED_COST: i64 = 100;
/// Parts of a frame that time is counted in.
const MILLI: i64 = 1_000;

/// A client's allowance.
#[derive(Debug)]
pub struct Allowance {
    milliframes: i64,
    at: DateTime<Utc>,
}

impl Allowance {
    /// A full one.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self {
            milliframes: BURST * MILLI,
            at: now,
        }
    }

    /// Takes a frame of so many bytes out; false when the client says too much.
    pub fn take(&mut self, bytes: usize, now: DateTime<Utc>) -> bool {
        let extra = i64::try_from(bytes / FRAME_BYTES).unwrap_or(i64::MAX / MILLI - 1);
        self.spend(extra + 1, now)
    }

    /// Takes out what a frame costs that cannot be read; false when there were too many.
    pub fn take_malformed(&mut self, now: DateTime<Utc>) -> bool {
        self.spend(MALFORMED_COST, now)
    }

    fn spend(&mut self, frames: i64, now: DateTime<Utc>) -> bool {
        let millis = (now - self.at)
            .num_milliseconds()
            .clamp(0, MILLI * BURST / PER_SECOND);
        self.at = now;
        self.milliframes = (self.milliframes + millis * PER_SECOND).min(BURST * MILLI);
        self.milliframes -= frames.saturating_mul(MILLI);
        self.milliframes >= 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(0, 0).unwrap()
    }

    #[test]
    fn a_burst_is_allowed_once_and_then_the_rate() {
        let mut allowance = Allowance::new(start());
        assert!((0..BURST).all(|_| allowance.take(10, start())));
        assert!(!allowance.take(10, start()));
        let later = start() + TimeDelta::seconds(2);
        assert!((1..2 * PER_SECOND).all(|_| allowance.take(10, later)));
        assert!(!allowance.take(10, later));
    }

    #[test]
    fn long_and_broken_frames_count_more() {
        let mut allowance = Allowance::new(start());
        let long = (0..)
            .take_while(|_| allowance.take(512 * 1024, start()))
            .count();
        assert_eq!(long, 30);
        let mut allowance = Allowance::new(start());
        let broken = (0..)
            .take_while(|_| allowance.take_malformed(start()))
            .count();
        assert_eq!(broken, 10);
    }
}
