//! How events reach the endpoints of other programs: in order, again and again until accepted, and
//! not for ever.

use chrono::TimeDelta;

/// An event that nobody accepted for so long is given up.
pub const KEPT: TimeDelta = TimeDelta::days(3);
/// Most events that wait at one endpoint; beyond, the oldest are given up, since the newest say
/// how things are.
pub const WAITING_MAX: u32 = 100_000;
/// Most endpoints of a server.
pub const ENDPOINTS_MAX: usize = 8;

/// Before the second attempt; it doubles with every further failure.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(1);
/// Longest pause between attempts.
const PAUSE_MAX: TimeDelta = TimeDelta::minutes(5);
/// Doublings after which the pause has surely reached its bound.
const DOUBLINGS_MAX: u32 = 16;

/// How long to wait after so many failures in a row.
pub fn pause_after(failures: u32) -> TimeDelta {
    let doublings = failures.saturating_sub(1).min(DOUBLINGS_MAX);
    PAUSE_MAX.min(FIRST_PAUSE * (1 << doublings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_a_second_to_five_minutes() {
        let seconds: Vec<i64> = (1..=10).map(|n| pause_after(n).num_seconds()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(pause_after(u32::MAX), PAUSE_MAX);
    }
}
