//! How fast media is handed to a learner: never faster than it can be watched.
//!
//! A playback has a clock of its own. It runs with the server's time, at the speed that the course
//! allows, and stands still at the end of what was handed over: whoever pauses gains nothing. What
//! lies beyond the clock and [`AHEAD_MS`] is not handed over, and nothing is skipped: so what was
//! not handed over cannot have been watched.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::interval::{Interval, union};

/// How far ahead of the clock media is handed over, milliseconds: a player's buffer.
pub const AHEAD_MS: u64 = 30_000;
/// A playback goes on so far before the verified position, milliseconds.
pub const RESUME_BACK_MS: u64 = 10_000;
/// The speed of an ordinary clock, percent.
pub const SPEED_PERCENT_MIN: u32 = 100;
/// The fastest speed that a course may allow, percent.
pub const SPEED_PERCENT_MAX: u32 = 200;

/// `[from, to)` of a film, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MediaSpan {
    /// First moment inside.
    pub from_ms: u64,
    /// First moment no longer inside.
    pub to_ms: u64,
}

impl MediaSpan {
    /// Length; 0 when empty.
    pub fn length_ms(&self) -> u64 {
        self.to_ms.saturating_sub(self.from_ms)
    }
}

impl Interval for MediaSpan {
    type Bound = u64;

    fn between(from_ms: u64, to_ms: u64) -> Self {
        Self { from_ms, to_ms }
    }

    fn bounds(&self) -> (u64, u64) {
        (self.from_ms, self.to_ms)
    }
}

/// What was handed over: sorted spans that neither touch nor overlap. As nothing is skipped there
/// is one, unless another version of the rule left more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Served(Vec<MediaSpan>);

impl Served {
    /// Adds a span.
    pub fn add(&mut self, span: MediaSpan) {
        self.0.push(span);
        self.0 = union(&self.0);
    }

    /// Whether all of a span was handed over.
    pub fn covers(&self, span: MediaSpan) -> bool {
        span.to_ms <= span.from_ms
            || self
                .0
                .iter()
                .any(|known| known.from_ms <= span.from_ms && span.to_ms <= known.to_ms)
    }

    /// The end of what was handed over without a gap from the beginning.
    pub fn frontier_ms(&self) -> u64 {
        self.0
            .first()
            .filter(|first| first.from_ms == 0)
            .map_or(0, |first| first.to_ms)
    }

    /// How much media was handed over, each moment counted once.
    pub fn unique_ms(&self) -> u64 {
        self.0.iter().map(MediaSpan::length_ms).sum()
    }

    /// The spans.
    pub fn spans(&self) -> &[MediaSpan] {
        &self.0
    }
}

/// The clock of a playback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    clock_ms: u64,
    at: DateTime<Utc>,
    speed_percent: u32,
}

/// Why a span is not handed over now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// When to ask again, seconds, at least 1; for what lies beyond the next span it is when that
    /// could come at the earliest.
    pub retry_after_s: u64,
}

impl Pace {
    /// The clock of a playback that begins at a position.
    pub fn from(position_ms: u64, speed_percent: u32, now: DateTime<Utc>) -> Self {
        Self {
            clock_ms: position_ms,
            at: now,
            speed_percent: speed_percent.clamp(SPEED_PERCENT_MIN, SPEED_PERCENT_MAX),
        }
    }

    /// Where the clock stands.
    pub fn clock_ms(&self, served: &Served, now: DateTime<Utc>) -> u64 {
        let elapsed = u64::try_from((now - self.at).num_milliseconds()).unwrap_or(0);
        let run = self.clock_ms.saturating_add(self.media_ms(elapsed));
        run.min(served.frontier_ms().max(self.clock_ms))
    }

    /// The clock read anew; call it before what was handed over grows.
    #[must_use]
    pub fn read(&self, served: &Served, now: DateTime<Utc>) -> Self {
        Self {
            clock_ms: self.clock_ms(served, now),
            at: self.at.max(now),
            speed_percent: self.speed_percent,
        }
    }

    /// Media that can be watched in a stretch of real time.
    pub fn media_ms(&self, real_ms: u64) -> u64 {
        real_ms.saturating_mul(u64::from(self.speed_percent)) / 100
    }

    /// Whether a span may be handed over: again always, anew when it is the next one and the clock
    /// has come near it.
    ///
    /// # Errors
    /// When it lies ahead, with the time to wait.
    pub fn admit(
        &self,
        served: &Served,
        wanted: MediaSpan,
        now: DateTime<Utc>,
    ) -> Result<(), Ahead> {
        if served.covers(wanted) {
            return Ok(());
        }
        let clock_ms = self.clock_ms(served, now);
        let reach_ms = clock_ms.saturating_add(AHEAD_MS);
        let next = wanted.from_ms <= served.frontier_ms();
        if next && wanted.to_ms <= reach_ms {
            return Ok(());
        }
        let missing_ms = wanted.to_ms.saturating_sub(reach_ms);
        let real_ms = missing_ms.saturating_mul(100) / u64::from(self.speed_percent);
        Err(Ahead {
            retry_after_s: real_ms.div_ceil(1_000).max(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    const START: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn at(ms: i64) -> DateTime<Utc> {
        START + TimeDelta::milliseconds(ms)
    }

    fn segment(number: u64) -> MediaSpan {
        MediaSpan {
            from_ms: number * 4_000,
            to_ms: number * 4_000 + 4_000,
        }
    }

    /// Asks for a segment as the server does, and takes it when it is handed over.
    fn ask(pace: &mut Pace, served: &mut Served, number: u64, now: DateTime<Utc>) -> bool {
        let given = pace.admit(served, segment(number), now).is_ok();
        if given {
            *pace = pace.read(served, now);
            served.add(segment(number));
        }
        given
    }

    #[test]
    fn a_script_at_sixteen_times_gets_real_time_and_thirty_seconds() {
        let (mut pace, mut served) = (Pace::from(0, 100, START), Served::default());
        let mut next = 0;
        // A segment of 4 s every 250 ms is sixteen times real time.
        for step in 0..2_400_i64 {
            let now = at(step * 250);
            if ask(&mut pace, &mut served, next, now) {
                next += 1;
            }
            let most = u64::try_from(step).unwrap() * 250 + AHEAD_MS;
            assert!(served.unique_ms() <= most, "at step {step}");
        }
        // Nor is it held up: all that could be handed over was.
        assert_eq!(served.unique_ms(), (599_750 + AHEAD_MS) / 4_000 * 4_000);
    }

    #[test]
    fn a_wait_says_how_long_it_takes_and_no_longer() {
        let (mut pace, mut served) = (Pace::from(0, 100, START), Served::default());
        for number in 0..7 {
            assert!(ask(&mut pace, &mut served, number, START), "{number}");
        }
        // 28 s are handed over; the next ends at 32 s, 2 s beyond the reach.
        let ahead = pace.admit(&served, segment(7), START).unwrap_err();
        assert_eq!(ahead.retry_after_s, 2);
        assert!(!ask(&mut pace, &mut served, 7, at(1_999)));
        assert!(ask(&mut pace, &mut served, 7, at(2_000)));
    }

    #[test]
    fn a_pause_gains_nothing() {
        let (mut pace, mut served) = (Pace::from(0, 100, START), Served::default());
        let mut next = 0;
        while ask(&mut pace, &mut served, next, START) {
            next += 1;
        }
        let hour = at(3_600_000);
        let before = served.frontier_ms();
        while ask(&mut pace, &mut served, next, hour) {
            next += 1;
        }
        assert!(served.frontier_ms() <= before + AHEAD_MS);
    }

    #[test]
    fn forward_only_inside_what_was_handed_over_and_back_freely() {
        let (mut pace, mut served) = (Pace::from(0, 100, START), Served::default());
        assert!(!ask(&mut pace, &mut served, 1, START), "nothing is skipped");
        assert!(ask(&mut pace, &mut served, 0, START));
        assert!(ask(&mut pace, &mut served, 1, START));
        assert!(!ask(&mut pace, &mut served, 3, START));
        assert!(ask(&mut pace, &mut served, 0, START));
        assert_eq!(served.unique_ms(), 8_000);
    }

    #[test]
    fn a_faster_course_is_handed_over_faster() {
        let (pace, mut served) = (Pace::from(0, 150, START), Served::default());
        served.add(MediaSpan {
            from_ms: 0,
            to_ms: 28_000,
        });
        assert_eq!(pace.clock_ms(&served, at(10_000)), 15_000);
        let reckless = Pace::from(0, 1_600, START);
        assert_eq!(reckless.media_ms(1_000), 2_000);
    }

    proptest! {
        #[test]
        fn nothing_beats_real_time_whatever_is_asked(
            asks in prop::collection::vec((0_u64..40, 0_i64..20_000), 1..200),
            speed in 100_u32..=200,
        ) {
            let (mut pace, mut served) = (Pace::from(0, speed, START), Served::default());
            let mut now = 0;
            for (number, wait) in asks {
                now += wait;
                ask(&mut pace, &mut served, number, at(now));
                let real = u64::try_from(now).unwrap();
                prop_assert!(served.unique_ms() <= real * u64::from(speed) / 100 + AHEAD_MS);
                prop_assert_eq!(served.unique_ms(), served.frontier_ms());
                prop_assert!(served.spans().len() <= 1);
            }
        }

        #[test]
        fn a_moment_handed_over_twice_counts_once(
            spans in prop::collection::vec((0_u64..100, 0_u64..30), 0..40),
        ) {
            let mut served = Served::default();
            let mut moments = std::collections::BTreeSet::new();
            for (from_ms, length) in spans {
                served.add(MediaSpan { from_ms, to_ms: from_ms + length });
                moments.extend(from_ms..from_ms + length);
            }
            prop_assert_eq!(served.unique_ms(), moments.len() as u64);
        }
    }
}
