//! How long a subscriber's player is to hold pictures back: long enough for a repetition where
//! packets are lost, not at all where none are (the header extension `playout-delay`,
//! <http://www.webrtc.org/experiments/rtp-hdrext/playout-delay>).
//!
//! A player sets its own delay by how unevenly packets come; what is asked for again it does not
//! count. So where many are lost, each loss makes its picture stand still for a round trip.

use std::time::{Duration, Instant};

/// Bounds of the least delay that is asked for.
const DELAY_MIN: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_millis(250);

/// What is asked for while the round trip is not known.
const DELAY_USUAL: Duration = Duration::from_millis(200);

/// Time beyond the round trip in which a gap is noticed and the answer sent.
const NOTICE: Duration = Duration::from_millis(50);

/// For so long after the last time that much was lost the delay is kept: a delay that comes and
/// goes is worse than either.
const KEPT_FOR: Duration = Duration::from_secs(15);

/// For so long after that, packets say that no delay is wanted any more.
const WITHDRAWN_FOR: Duration = Duration::from_secs(5);

/// What a packet says, units of 10 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayoutDelay {
    /// The least.
    pub min: u16,
    /// The most: never less than what a player takes by itself.
    pub max: u16,
}

/// The most that is ever said, units of 10 ms: players take it for "no bound".
const UNBOUNDED: u16 = 1_000;

/// Whether packets to one client say anything, and what.
#[derive(Clone, Copy, Debug, Default)]
pub struct Playout {
    lost_at: Option<Instant>,
    min: u16,
}

impl Playout {
    /// Much is lost at present, and a repetition takes `trip`.
    pub fn loses_much(&mut self, now: Instant, trip: Option<Duration>) {
        let needed = trip.map_or(DELAY_USUAL, |trip| trip + NOTICE);
        let millis = needed.clamp(DELAY_MIN, DELAY_MAX).as_millis();
        let began = self.said(now).is_some_and(|said| said.min > 0);
        // It grows only while it lasts.
        let before = if began { self.min } else { 0 };
        self.min = before.max((millis / 10) as u16);
        self.lost_at = Some(now);
    }

    /// What a packet says now; mostly nothing.
    pub fn said(&self, now: Instant) -> Option<PlayoutDelay> {
        let since = now.saturating_duration_since(self.lost_at?);
        let min = if since < KEPT_FOR { self.min } else { 0 };
        let max = UNBOUNDED;
        (since < KEPT_FOR + WITHDRAWN_FOR).then_some(PlayoutDelay { min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::transport::testing::origin;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_delay_is_asked_for_while_much_is_lost_and_withdrawn_some_time_after() {
        let start = origin();
        let mut playout = Playout::default();
        assert_eq!(playout.said(start), None);
        playout.loses_much(start, Some(80 * MS));
        let said = |min| Some(PlayoutDelay { min, max: 1_000 });
        assert_eq!(playout.said(start), said(13));
        assert_eq!(playout.said(start + 14_999 * MS), said(13));
        assert_eq!(playout.said(start + 15_000 * MS), said(0));
        assert_eq!(playout.said(start + 20_000 * MS), None);
    }

    #[test]
    fn the_delay_is_bounded_and_only_grows_while_it_lasts() {
        let start = origin();
        let mut playout = Playout::default();
        let mut asked = |at: Duration, trip| {
            playout.loses_much(start + at, trip);
            playout.said(start + at).map(|said| said.min)
        };
        assert_eq!(asked(Duration::ZERO, Some(5 * MS)), Some(10));
        assert_eq!(asked(100 * MS, Some(900 * MS)), Some(25));
        assert_eq!(asked(200 * MS, Some(5 * MS)), Some(25));
        assert_eq!(asked(30_000 * MS, None), Some(20));
    }
}
