//! Credit: a pure fold over what the server saw. Same input, same statement, under a rule version.
//!
//! Time between two consecutive anchors (sign-in, then every passed check) is a stretch. It earns
//! its moments of life, without breaks and without what the person earned elsewhere at the same
//! moments, when both ends are anchored and no failed check lies inside.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::check::Outcome;
use super::policy::{ClassroomPolicy, PolicyFigures};
use super::span::{Span, split_after, subtract, total_millis, union, within};
use crate::domain::beijing;

/// The version of the rule for attendances opened now. A change of the rule is a new version; an
/// attendance keeps the version it was opened under, and [`fold`] computes all of them.
///
/// 1: stretches between anchors, breaks, life, other lessons, caps, the floor.
/// 2: also hours of the day, and the time in which a camera that must show a face shows nothing.
pub const RULE_VERSION: u32 = 2;

/// What credit is computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct CreditInput {
    /// The version of the rule to compute by.
    pub rule_version: u32,
    /// The sign-in, then the moments of passed checks.
    pub anchors: Vec<DateTime<Utc>>,
    /// Failed checks.
    pub failures: Vec<Failure>,
    /// When the server saw life.
    pub alive: Vec<Span>,
    /// When the lesson paused.
    pub breaks: Vec<Span>,
    /// When the camera showed nothing although it must.
    pub dark: Vec<Span>,
    /// From the return after a long absence to the pass that follows.
    pub unverified: Vec<Span>,
    /// Moments that the same person earned in other lessons.
    pub elsewhere: Vec<Span>,
    /// Seconds that the person earned today in other lessons; for the daily limit.
    pub earned_today_s: u32,
    /// The present, or the end of the attendance.
    pub until: DateTime<Utc>,
    /// Nothing more can happen.
    pub closed: bool,
}

/// A failed check, as credit sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// Why the stretch is withheld.
    pub reason: Reason,
}

/// Whether time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It counts.
    Credited,
    /// It does not, for a reason.
    Withheld,
    /// A pass may still make it count.
    Pending,
}

/// Why time does not count; the web app has the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A check was not answered.
    CheckMissed,
    /// A check was answered wrong, under a policy that minds.
    CheckWrong,
    /// The run of credited time is below the policy's floor.
    TooShort,
    /// No pass followed.
    NoClosingAnchor,
    /// No sign of life.
    NotAlive,
    /// The lesson paused.
    OnBreak,
    /// The person earned these moments in another lesson.
    EarnedElsewhere,
    /// Beyond what a stretch or a day may earn.
    OverCap,
    /// A check found somebody else.
    FaceMismatch,
    /// A check found nobody, more than one face, or no picture.
    FaceNotSeen,
    /// A check did not see the act that it asked for.
    LivenessFailed,
    /// The camera was covered or off.
    CameraCovered,
    /// The learner said no to a check.
    CheckRefused,
    /// Outside the hours of the day in which time counts.
    OutsideHours,
    /// A person decided against the pass that closed the stretch.
    Overturned,
}

impl Reason {
    /// Why a stretch with such a check is withheld.
    pub fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::FailedWrong => Reason::CheckWrong,
            Outcome::FailedMismatch => Reason::FaceMismatch,
            Outcome::FailedNoFace | Outcome::FailedManyFaces => Reason::FaceNotSeen,
            Outcome::FailedLiveness => Reason::LivenessFailed,
            Outcome::FailedCovered => Reason::CameraCovered,
            Outcome::Refused => Reason::CheckRefused,
            Outcome::Passed | Outcome::PassedWrong | Outcome::PassedLowAssurance => {
                Reason::Overturned
            }
            Outcome::Missed | Outcome::Interrupted | Outcome::Exempt | Outcome::Void => {
                Reason::CheckMissed
            }
        }
    }
}

/// A piece of the timeline with one verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stretch {
    /// From and to.
    #[serde(flatten)]
    pub span: Span,
    /// Whole seconds of it.
    pub seconds: u64,
    /// Whether it counts.
    pub verdict: Verdict,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// The result: totals in whole seconds, and the timeline in order of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// [`RULE_VERSION`] of the rule that made it.
    pub rule_version: u32,
    /// Seconds that count.
    pub credited_s: u64,
    /// Seconds of life that were denied; breaks and absences are not among them.
    pub withheld_s: u64,
    /// Seconds that a pass may still make count.
    pub pending_s: u64,
    /// Seconds among [`Statement::credited_s`] that two people added; negative ones they took.
    #[serde(default)]
    pub adjusted_s: i64,
    /// The timeline from sign-in to `until`.
    pub stretches: Vec<Stretch>,
}

impl Statement {
    /// The same with what two people added to it or took from it; nobody owes time.
    pub fn adjusted(mut self, seconds: i64) -> Self {
        self.credited_s = self.credited_s.saturating_add_signed(seconds);
        self.adjusted_s = seconds;
        self
    }

    /// The credited moments, for the person's other lessons.
    pub fn credited_spans(&self) -> Vec<Span> {
        let credited = self
            .stretches
            .iter()
            .filter(|s| s.verdict == Verdict::Credited);
        union(&credited.map(|s| s.span).collect::<Vec<_>>())
    }
}

/// Computes the statement.
pub fn fold(input: &CreditInput, policy: &ClassroomPolicy) -> Statement {
    let mut parts = anchored_parts(input, policy);
    hold_back_short_runs(&mut parts, input, policy);
    let mut rows = Vec::new();
    let mut day_ms = policy.figures().day_cap_s.map_or(u64::MAX, |cap_s| {
        u64::from(cap_s.saturating_sub(input.earned_today_s)) * 1_000
    });
    for part in &parts {
        let mut counted = part.counted.clone();
        if part.verdict == Verdict::Credited {
            let (kept, beyond) = split_after(&counted, day_ms);
            day_ms -= total_millis(&kept);
            counted = kept;
            push(&mut rows, &beyond, Verdict::Withheld, Some(Reason::OverCap));
        }
        push(&mut rows, &counted, part.verdict, part.reason);
        for (spans, reason) in &part.lost {
            push(&mut rows, spans, Verdict::Withheld, Some(*reason));
        }
    }
    summed(input.rule_version, rows)
}

/// A stretch between anchors: what may count, and what does not in any case.
struct Part {
    counted: Vec<Span>,
    lost: Vec<(Vec<Span>, Reason)>,
    verdict: Verdict,
    reason: Option<Reason>,
}

fn anchored_parts(input: &CreditInput, policy: &ClassroomPolicy) -> Vec<Part> {
    let mut anchors = input.anchors.clone();
    anchors.retain(|at| *at <= input.until);
    anchors.sort();
    anchors.dedup();
    let ends = anchors.iter().skip(1).map(|at| (*at, true));
    let ends = ends.chain(std::iter::once((input.until, false)));
    anchors
        .iter()
        .zip(ends)
        .map(|(from, (to, anchored))| part(input, policy, Span::new(*from, to), anchored))
        .collect()
}

fn part(input: &CreditInput, policy: &ClassroomPolicy, whole: Span, anchored: bool) -> Part {
    let on_break = within(&input.breaks, &whole);
    let in_lesson = subtract(&[whole], &on_break);
    let (outside, dark) = match input.rule_version {
        0..=1 => (Vec::new(), Vec::new()),
        _ => (outside_hours(&whole, policy.figures()), input.dark.clone()),
    };
    let in_hours = subtract(&in_lesson, &outside);
    let outside = subtract(&in_lesson, &in_hours);
    let dead = subtract(&in_hours, &input.alive);
    let lit = subtract(&subtract(&in_hours, &dead), &dark);
    let dark = subtract(&subtract(&in_hours, &dead), &lit);
    let alive = lit;
    let verified = subtract(&alive, &input.unverified);
    let unverified = subtract(&alive, &verified);
    let own = subtract(&verified, &input.elsewhere);
    let elsewhere = subtract(&verified, &own);
    let (verdict, reason) = verdict_of(input, &whole, anchored);
    let cap_ms = match verdict {
        Verdict::Credited | Verdict::Pending => u64::from(policy.figures().stretch_max_s) * 1_000,
        Verdict::Withheld => u64::MAX,
    };
    let (counted, over) = split_after(&own, cap_ms);
    Part {
        counted,
        lost: vec![
            (on_break, Reason::OnBreak),
            (outside, Reason::OutsideHours),
            (dead, Reason::NotAlive),
            (dark, Reason::CameraCovered),
            (unverified, Reason::NoClosingAnchor),
            (elsewhere, Reason::EarnedElsewhere),
            (over, Reason::OverCap),
        ],
        verdict,
        reason,
    }
}

// Days and hours are those of Beijing, at any place.
fn outside_hours(whole: &Span, figures: &PolicyFigures) -> Vec<Span> {
    let (from, to) = (figures.hours_from, figures.hours_to);
    if from.is_none() && to.is_none() {
        return Vec::new();
    }
    let mut allowed = Vec::new();
    let hours = |count: u32| TimeDelta::hours(i64::from(count));
    let mut day = beijing::midnight(beijing::wall(whole.from).date());
    while day < whole.to {
        let span = Span::new(
            day + hours(from.unwrap_or(0)),
            day + hours(to.unwrap_or(24)),
        );
        allowed.push(span);
        day += TimeDelta::days(1);
    }
    subtract(&[*whole], &allowed)
}

fn verdict_of(input: &CreditInput, whole: &Span, anchored: bool) -> (Verdict, Option<Reason>) {
    let inside = |failure: &&Failure| whole.from < failure.at && failure.at <= whole.to;
    let first = input
        .failures
        .iter()
        .filter(inside)
        .min_by_key(|failure| failure.at);
    match first {
        Some(failure) => (Verdict::Withheld, Some(failure.reason)),
        None if anchored => (Verdict::Credited, None),
        None if input.closed => (Verdict::Withheld, Some(Reason::NoClosingAnchor)),
        None => (Verdict::Pending, None),
    }
}

// A run that may still grow is pending; one that cannot is too short.
fn hold_back_short_runs(parts: &mut [Part], input: &CreditInput, policy: &ClassroomPolicy) {
    let floor_ms = u64::from(policy.figures().floor_s) * 1_000;
    let mut start = 0;
    while start < parts.len() {
        let run = parts[start..]
            .iter()
            .take_while(|part| part.verdict == Verdict::Credited)
            .count();
        let end = start + run;
        let earned_ms: u64 = parts[start..end]
            .iter()
            .map(|p| total_millis(&p.counted))
            .sum();
        let may_grow = !input.closed && parts.get(end).is_some_and(|next| next.reason.is_none());
        if earned_ms < floor_ms {
            for part in &mut parts[start..end] {
                (part.verdict, part.reason) = if may_grow {
                    (Verdict::Pending, Some(Reason::TooShort))
                } else {
                    (Verdict::Withheld, Some(Reason::TooShort))
                };
            }
        }
        start = end + 1;
    }
}

fn push(rows: &mut Vec<Stretch>, spans: &[Span], verdict: Verdict, reason: Option<Reason>) {
    // What is shorter than a millisecond comes of cutting by them, and is nothing to be told of.
    let told = spans.iter().filter(|span| span.millis() > 0);
    rows.extend(told.map(|span| Stretch {
        span: *span,
        seconds: span.millis() / 1_000,
        verdict,
        reason,
    }));
}

fn summed(rule_version: u32, mut rows: Vec<Stretch>) -> Statement {
    rows.sort();
    let seconds = |counts: &dyn Fn(&Stretch) -> bool| {
        let counted = rows.iter().filter(|row| counts(row));
        counted.map(|row| row.span.millis()).sum::<u64>() / 1_000
    };
    Statement {
        rule_version,
        credited_s: seconds(&|row| row.verdict == Verdict::Credited),
        withheld_s: seconds(&|row| row.verdict == Verdict::Withheld && is_denied(row)),
        pending_s: seconds(&|row| row.verdict == Verdict::Pending),
        adjusted_s: 0,
        stretches: rows,
    }
}

fn is_denied(row: &Stretch) -> bool {
    match row.reason {
        None | Some(Reason::NotAlive | Reason::OnBreak) => false,
        Some(
            Reason::CheckMissed
            | Reason::CheckWrong
            | Reason::TooShort
            | Reason::NoClosingAnchor
            | Reason::EarnedElsewhere
            | Reason::OverCap
            | Reason::FaceMismatch
            | Reason::FaceNotSeen
            | Reason::LivenessFailed
            | Reason::CameraCovered
            | Reason::CheckRefused
            | Reason::OutsideHours
            | Reason::Overturned,
        ) => true,
    }
}

#[cfg(test)]
mod tests;
