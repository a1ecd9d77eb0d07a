//! Half-open stretches of server time and their set arithmetic.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use crate::domain::interval::{Interval, subtract, union};

/// `[from, to)`; a span whose end is not after its start holds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// First moment inside.
    pub from: DateTime<Utc>,
    /// First moment no longer inside.
    pub to: DateTime<Utc>,
}

impl Span {
    /// A span of two moments.
    pub fn new(from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        Self { from, to }
    }

    /// Length in milliseconds; 0 when empty.
    pub fn millis(&self) -> u64 {
        u64::try_from((self.to - self.from).num_milliseconds()).unwrap_or(0)
    }

    /// True when the moment lies inside.
    pub fn contains(&self, at: DateTime<Utc>) -> bool {
        self.from <= at && at < self.to
    }
}

impl Interval for Span {
    type Bound = DateTime<Utc>;

    fn between(from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        Self { from, to }
    }

    fn bounds(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        (self.from, self.to)
    }
}

/// The moments of `spans` that lie inside `window`.
pub fn within(spans: &[Span], window: &Span) -> Vec<Span> {
    let clipped: Vec<Span> = spans.iter().map(|span| span.intersect(window)).collect();
    union(&clipped)
}

/// Length of all moments in milliseconds, each counted once.
pub fn total_millis(spans: &[Span]) -> u64 {
    union(spans).iter().map(Span::millis).sum()
}

/// The first `millis` milliseconds of sorted spans, and what follows them.
pub fn split_after(spans: &[Span], millis: u64) -> (Vec<Span>, Vec<Span>) {
    let mut left = i64::try_from(millis).unwrap_or(i64::MAX);
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    for span in union(spans) {
        let length = i64::try_from(span.millis()).unwrap_or(i64::MAX);
        let cut = span.from + TimeDelta::milliseconds(left.min(length));
        head.push(Span::new(span.from, cut));
        tail.push(Span::new(cut, span.to));
        left -= left.min(length);
    }
    head.retain(|span| !span.is_empty());
    tail.retain(|span| !span.is_empty());
    (head, tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: i64, to: i64) -> Span {
        let at = |second| DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap();
        Span::new(at(from), at(to))
    }

    #[test]
    fn touching_and_overlapping_spans_become_one() {
        let merged = union(&[span(5, 9), span(0, 5), span(8, 8), span(20, 21)]);
        assert_eq!(merged, vec![span(0, 9), span(20, 21)]);
    }

    #[test]
    fn holes_cut_spans_into_what_is_left() {
        let left = subtract(
            &[span(0, 10), span(20, 30)],
            &[span(3, 4), span(8, 22), span(29, 40)],
        );
        assert_eq!(left, vec![span(0, 3), span(4, 8), span(22, 29)]);
    }

    #[test]
    fn a_split_keeps_every_moment_exactly_once() {
        let (head, tail) = split_after(&[span(0, 10), span(20, 30)], 12_000);
        assert_eq!(head, vec![span(0, 10), span(20, 22)]);
        assert_eq!(tail, vec![span(22, 30)]);
    }
}
