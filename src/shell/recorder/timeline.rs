//! Wall-clock times of a recording from the monotonic clock, so that a clock that is set in the
//! midst of it neither leaves time out nor makes it twice.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::entropy::Clock;

/// Seconds from 1900 (NTP) to 1970 (Unix).
const NTP_UNIX_SECONDS: i64 = 2_208_988_800;

/// One reading of both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeline {
    wall: DateTime<Utc>,
    origin: Instant,
}

impl Timeline {
    pub(super) fn begin(clock: &dyn Clock) -> Self {
        Self {
            wall: clock.now(),
            origin: Instant::now(),
        }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.at(Instant::now())
    }

    pub(super) fn at(&self, moment: Instant) -> DateTime<Utc> {
        let since = moment.saturating_duration_since(self.origin);
        let before = self.origin.saturating_duration_since(moment);
        let delta = |time| TimeDelta::from_std(time).unwrap_or_default();
        self.wall + delta(since) - delta(before)
    }
}

/// A moment as NTP tells it (RFC 5905 section 6).
pub(super) fn from_ntp(ntp: u64) -> Option<DateTime<Utc>> {
    let seconds = i64::try_from(ntp >> 32).ok()? - NTP_UNIX_SECONDS;
    let nanoseconds = ((ntp & 0xffff_ffff) * 1_000_000_000) >> 32;
    DateTime::from_timestamp(seconds, u32::try_from(nanoseconds).ok()?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::shell::clock::SystemClock;

    #[test]
    fn moments_before_and_after_the_reading_are_told_in_order() {
        let timeline = Timeline::begin(&SystemClock);
        let second = Duration::from_secs(1);
        let (before, after) = (timeline.origin - second, timeline.origin + second);
        assert_eq!(
            timeline.at(after) - timeline.at(before),
            TimeDelta::seconds(2)
        );
    }

    #[test]
    fn a_moment_of_ntp_is_the_same_moment() {
        let at = from_ntp((3_000_000_000_u64 << 32) | (1 << 31)).unwrap();
        assert_eq!(
            at.timestamp_millis(),
            (3_000_000_000 - NTP_UNIX_SECONDS) * 1_000 + 500
        );
    }
}
