//! The hours of a month: what is required, what is done, and whether what is planned suffices.
//!
//! Months are those of Beijing. An attendance counts in the month in which its learner entered, as
//! the daily limit does; a lesson that nobody entered yet in the month of its planned start.
//! Withheld time that somebody has still to decide about stands apart: it is not counted, and not
//! hidden either.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Utc};
use serde::Serialize;

use super::credit::{Stretch, Verdict};
use super::redress::Redress;
use super::span::{Span, total_millis, union};
use crate::domain::beijing;
use crate::domain::id::UnitId;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::domain::unit::UnitPath;

/// Required where no unit has issued another figure: eight hours. The law leaves the figure to the
/// places, so units should issue their own.
pub const REQUIRED_S_STANDARD: u32 = 8 * 3_600;
/// More than any month could ask for: 200 hours.
pub const REQUIRED_S_MAX: u32 = 200 * 3_600;
/// Years of which months can be named.
const YEARS: std::ops::RangeInclusive<i32> = 2000..=2199;

/// A month of the calendar in Beijing; it is kept as its first day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month(NaiveDate);

impl Month {
    /// The month of a moment.
    pub fn of(at: DateTime<Utc>) -> Self {
        Self::of_day(beijing::wall(at).date())
    }

    /// The month of a day.
    pub fn of_day(day: NaiveDate) -> Self {
        Self(day.with_day(1).unwrap_or(day))
    }

    /// A month as it is written, `2026-11`. Refuses with `hours.month`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let well_formed = text.len() == 7;
        let day = NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").ok();
        let day = day.filter(|day| well_formed && YEARS.contains(&day.year()));
        day.map(Self).ok_or_else(|| {
            Refusal::new(
                RefusalKind::Invalid,
                "hours.month",
                "月份的格式是 2026-11。",
                "A month is written as 2026-11.",
            )
        })
    }

    /// Its first day.
    pub fn first_day(self) -> NaiveDate {
        self.0
    }

    /// From its first moment to the next month's.
    pub fn span(self) -> Span {
        let next = self.0.checked_add_months(Months::new(1));
        let next = next.unwrap_or(self.0 + Days::new(31));
        Span::new(beijing::midnight(self.0), beijing::midnight(next))
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

/// What a unit requires of its learners and of those below it, from a month on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Who issued it.
    pub unit: UnitId,
    /// Counts up with everything that this unit issues, from 1.
    pub version: u32,
    /// The first month it is for.
    pub from: Month,
    /// Seconds a month.
    pub required_s: u32,
}

impl Requirement {
    /// What follows a unit's versions so far. A month that is over keeps what it had. Refuses with
    /// `hours.required` or `hours.past`.
    pub fn next(
        unit: UnitId,
        versions: u32,
        (from, required_s): (Month, u32),
        now: DateTime<Utc>,
    ) -> Result<Self, Refusal> {
        if required_s > REQUIRED_S_MAX {
            return Err(Refusal::new(
                RefusalKind::Invalid,
                "hours.required",
                "每月学时要求在 0 到 200 小时之间。",
                "A month requires between 0 and 200 hours.",
            ));
        }
        if from < Month::of(now) {
            return Err(Refusal::new(
                RefusalKind::Conflict,
                "hours.past",
                "已经过去的月份不能再改要求。",
                "What a past month required cannot be changed.",
            ));
        }
        Ok(Self {
            unit,
            version: versions + 1,
            from,
            required_s,
        })
    }
}

/// What is required of somebody of a unit in a month: by the nearest unit above that issued
/// anything for it, the newest version. `None` leaves [`REQUIRED_S_STANDARD`].
pub fn in_force<'a>(
    issued: &'a [Requirement],
    path: &UnitPath,
    month: Month,
) -> Option<&'a Requirement> {
    path.ids().iter().rev().find_map(|unit| {
        let own = issued.iter().filter(|one| one.unit == *unit);
        let own = own.filter(|one| one.from <= month);
        own.max_by_key(|one| one.version)
    })
}

/// How a month will end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Forecast {
    /// Even everything that is still planned does not suffice.
    Short,
    /// What is planned suffices, but less is done than the part of the month that is over.
    Behind,
    /// What is planned suffices.
    OnTrack,
    /// Done.
    Reached,
}

/// The hours of one person in one month, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// To be done.
    pub required_s: u64,
    /// Done.
    pub credited_s: u64,
    /// Withheld, and still to be decided by people; not among the credited ones.
    pub contested_s: u64,
    /// Planned and still to come.
    pub planned_s: u64,
    /// Required beyond what is done.
    pub missing_s: u64,
    /// Required beyond what is done and planned.
    pub short_s: u64,
    /// How the month will end.
    pub forecast: Forecast,
}

/// Where somebody stands in a month. `planned` may overlap and may have begun: each moment earns
/// once, and only what is to come. Limits of a day are not looked at, so what is short here is
/// short in any case.
pub fn standing(
    required_s: u32,
    (credited_s, contested_s): (u64, u64),
    planned: &[Span],
    month: Month,
    now: DateTime<Utc>,
) -> Standing {
    let ahead = planned
        .iter()
        .map(|span| Span::new(span.from.max(now), span.to));
    let planned_s = total_millis(&ahead.collect::<Vec<_>>()) / 1_000;
    let required_s = u64::from(required_s);
    let missing_s = required_s.saturating_sub(credited_s);
    let short_s = missing_s.saturating_sub(planned_s);
    let whole = month.span();
    let over = Span::new(whole.from, now.clamp(whole.from, whole.to)).millis();
    let keeps_pace = credited_s * whole.millis() >= required_s * over;
    let forecast = match (missing_s, short_s) {
        (0, _) => Forecast::Reached,
        (_, 0) if keeps_pace => Forecast::OnTrack,
        (_, 0) => Forecast::Behind,
        _ => Forecast::Short,
    };
    Standing {
        required_s,
        credited_s,
        contested_s,
        planned_s,
        missing_s,
        short_s,
        forecast,
    }
}

/// Seconds of one attendance that people have still to decide about: stretches under appeal,
/// stretches withheld for a failed check that waits for a reviewer (`waiting`, when each was
/// decided by the machine), each moment once, and what a second person has still to approve.
pub fn contested_s(
    redress: Option<&Redress>,
    stretches: &[Stretch],
    waiting: &[DateTime<Utc>],
) -> u64 {
    let appealed = redress.into_iter().flat_map(Redress::open_appeals);
    let mut spans: Vec<Span> = appealed.map(|appeal| appeal.stretch.span).collect();
    let withheld = stretches.iter().filter(|one| {
        let holds = |at: &DateTime<Utc>| one.span.from < *at && *at <= one.span.to;
        one.verdict == Verdict::Withheld && waiting.iter().any(holds)
    });
    spans.extend(withheld.map(|one| one.span));
    let proposed = redress.into_iter().flat_map(Redress::waiting_adjustments);
    let proposed: u64 = proposed
        .map(|adjustment| u64::try_from(adjustment.seconds).unwrap_or(0))
        .sum();
    total_millis(&union(&spans)) / 1_000 + proposed
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;
    use crate::domain::classroom::credit::Reason;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn unit(number: u128) -> UnitId {
        UnitId(Uuid::from_u128(number))
    }

    fn november() -> Month {
        Month::parse("2026-11").unwrap()
    }

    fn hours(from: &str, count: i64) -> Span {
        Span::new(at(from), at(from) + TimeDelta::hours(count))
    }

    #[test]
    fn months_begin_and_end_at_midnight_in_beijing() {
        assert_eq!(Month::of(at("2026-10-31T15:59:59Z")).to_string(), "2026-10");
        assert_eq!(Month::of(at("2026-10-31T16:00:00Z")), november());
        let span = november().span();
        assert_eq!(span.from, at("2026-10-31T16:00:00Z"));
        assert_eq!(span.to, at("2026-11-30T16:00:00Z"));
        let december = Month::parse("2026-12").unwrap().span();
        assert_eq!(december.to, at("2026-12-31T16:00:00Z"));
    }

    #[test]
    fn february_has_its_leap_day() {
        let days = |text| Month::parse(text).unwrap().span().millis() / 86_400_000;
        assert_eq!((days("2027-02"), days("2028-02")), (28, 29));
        assert_eq!(
            Month::of(at("2028-02-29T15:59:00Z")),
            Month::parse("2028-02").unwrap()
        );
    }

    #[test]
    fn what_is_no_month_is_refused() {
        for text in [
            "2026-13", "2026-1", "2026-00", "", "26-11", "2026-011", "9999-01",
        ] {
            assert_eq!(
                Month::parse(text).unwrap_err().code,
                "hours.month",
                "{text}"
            );
        }
    }

    #[test]
    fn the_nearest_unit_decides_by_its_newest_version_that_is_in_force() {
        let issue = |number, version, from, required_s| Requirement {
            unit: unit(number),
            version,
            from: Month::parse(from).unwrap(),
            required_s,
        };
        let issued = [
            issue(1, 1, "2026-01", 100),
            issue(2, 1, "2026-01", 200),
            issue(2, 2, "2026-12", 300),
            issue(9, 1, "2026-01", 900),
        ];
        let path = UnitPath::from_ids(vec![unit(1), unit(2), unit(3)]).unwrap();
        let required = |month: &str| {
            let month = Month::parse(month).unwrap();
            in_force(&issued, &path, month).map(|one| one.required_s)
        };
        assert_eq!(required("2026-11"), Some(200));
        assert_eq!(required("2026-12"), Some(300));
        assert_eq!(required("2025-12"), None);
    }

    #[test]
    fn a_past_month_keeps_its_requirement() {
        let now = at("2026-11-15T00:00:00Z");
        let issue = |from: &str, required_s| {
            let from = Month::parse(from).unwrap();
            Requirement::next(unit(1), 4, (from, required_s), now)
        };
        assert_eq!(issue("2026-11", 60).unwrap().version, 5);
        assert_eq!(issue("2026-10", 60).unwrap_err().code, "hours.past");
        let too_much = issue("2026-12", REQUIRED_S_MAX + 1);
        assert_eq!(too_much.unwrap_err().code, "hours.required");
    }

    #[test]
    fn the_forecast_counts_what_is_still_to_come_and_each_moment_once() {
        let now = at("2026-11-16T00:00:00Z");
        let planned = [
            hours("2026-11-20T01:00:00Z", 2),
            // At the same time as the one before.
            hours("2026-11-20T02:00:00Z", 2),
            // Half of it is over.
            Span::new(at("2026-11-15T23:00:00Z"), at("2026-11-16T01:00:00Z")),
            hours("2026-11-02T01:00:00Z", 2),
        ];
        let stands = |credited_s| standing(8 * 3_600, (credited_s, 0), &planned, november(), now);
        assert_eq!(stands(0).planned_s, 4 * 3_600);
        let short = stands(3 * 3_600);
        assert_eq!((short.forecast, short.short_s), (Forecast::Short, 3_600));
        assert_eq!(stands(4 * 3_600).forecast, Forecast::Behind);
        assert_eq!(stands(5 * 3_600).forecast, Forecast::OnTrack);
        assert_eq!(stands(8 * 3_600).forecast, Forecast::Reached);
        assert_eq!(stands(9 * 3_600).missing_s, 0);
    }

    #[test]
    fn contested_time_is_never_counted() {
        let now = at("2026-12-05T00:00:00Z");
        let stands = standing(3_600, (0, 3_600), &[], november(), now);
        assert_eq!((stands.forecast, stands.short_s), (Forecast::Short, 3_600));
        assert_eq!(stands.contested_s, 3_600);
    }

    #[test]
    fn a_stretch_withheld_for_a_check_under_review_is_contested_and_others_are_not() {
        let stretch = |from: &str, verdict| Stretch {
            span: hours(from, 1),
            seconds: 3_600,
            verdict,
            reason: Some(Reason::FaceMismatch),
        };
        let stretches = [
            stretch("2026-11-01T00:00:00Z", Verdict::Credited),
            stretch("2026-11-01T01:00:00Z", Verdict::Withheld),
            stretch("2026-11-01T02:00:00Z", Verdict::Withheld),
        ];
        let waiting = [at("2026-11-01T02:00:00Z"), at("2026-11-01T00:30:00Z")];
        assert_eq!(contested_s(None, &stretches, &waiting), 3_600);
        assert_eq!(contested_s(None, &stretches, &[]), 0);
    }
}
