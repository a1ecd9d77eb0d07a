//! Working days: Monday to Friday at Beijing time. Public holidays are moved by yearly notice and
//! are not known here, so a due time may come on one, never later than said.

use chrono::{DateTime, Datelike, TimeDelta, Utc, Weekday};

use crate::domain::beijing;

/// The same time of day so many working days later.
pub fn after_workdays(from: DateTime<Utc>, days: u32) -> DateTime<Utc> {
    let mut at = from;
    let mut left = days;
    while left > 0 {
        at += TimeDelta::days(1);
        left -= u32::from(is_workday(at));
    }
    // Whatever is asked for on a Saturday is due on a working day too.
    while !is_workday(at) {
        at += TimeDelta::days(1);
    }
    at
}

fn is_workday(at: DateTime<Utc>) -> bool {
    let weekday = beijing::wall(at).weekday();
    !matches!(weekday, Weekday::Sat | Weekday::Sun)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn weekends_do_not_count() {
        let table = [
            // Monday to Thursday.
            ("2026-11-23T02:00:00Z", 3, "2026-11-26T02:00:00Z"),
            // Thursday to Tuesday.
            ("2026-11-26T02:00:00Z", 3, "2026-12-01T02:00:00Z"),
            // Saturday to Wednesday.
            ("2026-11-28T02:00:00Z", 3, "2026-12-02T02:00:00Z"),
            ("2026-11-28T02:00:00Z", 0, "2026-11-30T02:00:00Z"),
        ];
        for (from, days, wanted) in table {
            assert_eq!(after_workdays(at(from), days), at(wanted), "{from} {days}");
        }
    }

    #[test]
    fn days_are_those_of_beijing() {
        // Friday evening of Greenwich is Saturday morning in Beijing.
        let friday = at("2026-11-27T20:00:00Z");
        assert_eq!(after_workdays(friday, 1), at("2026-11-29T20:00:00Z"));
    }
}
