//! The clock on the wall: days, months and hours are those of Beijing, at any place.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};

/// Beijing is so far ahead of UTC, all year.
const AHEAD: TimeDelta = TimeDelta::hours(8);

/// What a clock on the wall shows at a moment.
pub fn wall(at: DateTime<Utc>) -> NaiveDateTime {
    (at + AHEAD).naive_utc()
}

/// The moment at which a day begins.
pub fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc() - AHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_four_in_the_afternoon_of_utc() {
        let at: DateTime<Utc> = "2026-10-31T16:00:00Z".parse().unwrap();
        assert_eq!(wall(at).to_string(), "2026-11-01 00:00:00");
        assert_eq!(midnight(wall(at).date()), at);
        assert_eq!(
            wall(at - TimeDelta::seconds(1)).to_string(),
            "2026-10-31 23:59:59"
        );
    }
}
