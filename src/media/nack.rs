//! Gaps in a published stream (RFC 4585 section 6.2.1): what is missing, and when to ask for it.

use std::time::{Duration, Instant};

/// A packet is first asked for this long after the gap is seen: reordering mends most gaps.
pub const FIRST_ASK: Duration = Duration::from_millis(20);

/// Longest pause between two requests for one packet.
const PAUSE_MAX: Duration = Duration::from_millis(160);

/// Requests for one packet, at most.
pub const ASKS_MAX: u8 = 10;

/// A packet is given up this long after the gap is seen.
pub const GIVE_UP: Duration = Duration::from_secs(1);

/// Missing packets that are tracked; a larger gap is a new start, not a loss.
pub const MISSING_MAX: usize = 256;

#[derive(Clone, Copy, Debug)]
struct Missing {
    extended: u64,
    since: Instant,
    ask_at: Instant,
    asked: u8,
}

/// What to do about a stream's gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GapOutcome {
    /// Packets were given up: a decoder needs a key frame.
    pub given_up: bool,
}

/// The missing packets of one stream, in rising order.
#[derive(Debug, Default)]
pub struct GapTracker {
    missing: Vec<Missing>,
    highest: Option<u64>,
}

impl GapTracker {
    /// Takes note of a packet that came; tells when the gap before it is too large to be mended.
    pub fn arrived(&mut self, now: Instant, extended: u64) -> GapOutcome {
        let Some(highest) = self.highest else {
            self.highest = Some(extended);
            return GapOutcome::default();
        };
        if extended <= highest {
            if let Ok(at) = self.missing.binary_search_by_key(&extended, |m| m.extended) {
                self.missing.remove(at);
            }
            return GapOutcome::default();
        }
        self.highest = Some(extended);
        let gap = usize::try_from(extended - highest - 1).unwrap_or(usize::MAX);
        if gap > MISSING_MAX.saturating_sub(self.missing.len()) {
            self.missing.clear();
            return GapOutcome { given_up: true };
        }
        self.missing
            .extend((highest + 1..extended).map(|extended| Missing {
                extended,
                since: now,
                ask_at: now + FIRST_ASK,
                asked: 0,
            }));
        GapOutcome::default()
    }

    /// Appends the numbers to ask for now, in rising order.
    pub fn due(&mut self, now: Instant, ask: &mut Vec<u64>) -> GapOutcome {
        let before = self.missing.len();
        self.missing
            .retain(|m| now < m.since + GIVE_UP && (m.asked < ASKS_MAX || now < m.ask_at));
        for missing in self.missing.iter_mut().filter(|m| m.ask_at <= now) {
            ask.push(missing.extended);
            missing.asked += 1;
            let pause = FIRST_ASK * 2_u32.pow(u32::from(missing.asked.min(3)));
            missing.ask_at = now + pause.min(PAUSE_MAX);
        }
        GapOutcome {
            given_up: self.missing.len() < before,
        }
    }

    /// When to call [`Self::due`] next.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.missing
            .iter()
            .map(|m| m.ask_at.min(m.since + GIVE_UP))
            .min()
    }

    /// Another stream follows.
    pub fn restart(&mut self) {
        self.missing.clear();
        self.highest = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::transport::testing::origin;

    fn asked(tracker: &mut GapTracker, now: Instant) -> Vec<u64> {
        let mut ask = Vec::new();
        tracker.due(now, &mut ask);
        ask
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_gap_is_asked_for_after_20_ms_and_again_with_growing_pauses() {
        let start = origin();
        let mut tracker = GapTracker::default();
        tracker.arrived(start, 100);
        tracker.arrived(start, 103);
        assert_eq!(tracker.next_timeout(), Some(start + 20 * MS));
        assert!(asked(&mut tracker, start + 19 * MS).is_empty());
        assert_eq!(asked(&mut tracker, start + 20 * MS), [101, 102]);
        assert!(asked(&mut tracker, start + 59 * MS).is_empty());
        assert_eq!(asked(&mut tracker, start + 60 * MS), [101, 102]);
        tracker.arrived(start + 61 * MS, 101);
        assert_eq!(asked(&mut tracker, start + 140 * MS), [102]);
    }

    #[test]
    fn reordering_within_20_ms_asks_for_nothing() {
        let start = origin();
        let mut tracker = GapTracker::default();
        for extended in [10, 12, 11, 14, 13] {
            tracker.arrived(start, extended);
        }
        assert_eq!(tracker.next_timeout(), None);
        assert!(asked(&mut tracker, start + GIVE_UP).is_empty());
    }

    #[test]
    fn a_packet_is_asked_for_at_most_ten_times_within_a_second() {
        let start = origin();
        let mut tracker = GapTracker::default();
        tracker.arrived(start, 1);
        tracker.arrived(start, 3);
        let mut count = 0;
        let mut given_up = 0;
        for step in 0..2_000 {
            let mut ask = Vec::new();
            given_up += u32::from(tracker.due(start + step * MS, &mut ask).given_up);
            count += ask.len();
        }
        assert!((5..=usize::from(ASKS_MAX)).contains(&count), "{count}");
        assert_eq!(given_up, 1);
        assert_eq!(tracker.next_timeout(), None);
    }

    #[test]
    fn a_gap_too_large_to_mend_is_given_up_at_once() {
        let start = origin();
        let mut tracker = GapTracker::default();
        tracker.arrived(start, 1);
        assert!(!tracker.arrived(start, 200).given_up);
        assert!(tracker.arrived(start, 1_000).given_up);
        assert!(asked(&mut tracker, start + 30 * MS).is_empty());
        assert!(tracker.arrived(start, u64::MAX).given_up);
    }
}
