//! One learner in one lesson: presence, checks and what they earn.
//!
//! [`Attendance::decide`] reads the state and says what happens; [`Attendance::apply`] takes it in.
//! The present run of life ([`Attendance::observe`]) is no fact until it closes: the store keeps it
//! as two columns, so that thousands of signs of life are one statement.

mod ask;
mod command;
mod decide;
mod face;
mod fact;
mod review;
mod terms;
mod verify;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

pub use command::{Command, Context};
pub use face::Look;
pub use fact::{AttendanceFact, RecordedFact, ReviewReason};
pub use terms::{CameraSight, PromptLength, Route, Terms};
pub use verify::{Mismatch, verify};

use super::check::{Cause, Check, Ended, Outcome};
use super::credit::{CreditInput, Failure, RULE_VERSION, Reason, Statement, fold};
use super::lesson::Lesson;
use super::policy::ClassroomPolicy;
use super::schedule::Seed;
use super::span::{Span, subtract, total_millis, union};
use crate::domain::id::{AccountId, AttendanceId, CheckId, LessonId, ParticipantId};

/// An attendance as its facts left it, with its secret seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attendance {
    id: AttendanceId,
    lesson: LessonId,
    account: AccountId,
    seed: Seed,
    policy: ClassroomPolicy,
    opened_at: DateTime<Utc>,
    planned_end: DateTime<Utc>,
    phase: Phase,
    device: Option<String>,
    link: Link,
    alive: Vec<Span>,
    #[serde(skip)]
    life: Option<Span>,
    anchors: Vec<DateTime<Utc>>,
    failures: Vec<Failure>,
    unverified: Vec<Span>,
    unverified_since: Option<DateTime<Utc>>,
    pauses: Vec<Span>,
    paused_since: Option<DateTime<Utc>>,
    checks: Vec<Check>,
    next_ordinal: u32,
    owed: Option<Owed>,
    failures_in_row: u32,
    interruptions: u32,
    review: Vec<ReviewReason>,
    #[serde(default)]
    terms: Terms,
    #[serde(default = "first_rule")]
    rule_version: u32,
    #[serde(default)]
    camera: Option<Dark>,
    #[serde(default)]
    dark: Vec<Span>,
}

/// A camera that shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Dark {
    since: DateTime<Utc>,
    sight: CameraSight,
}

/// The rule of attendances whose facts name none.
fn first_rule() -> u32 {
    1
}

/// How far an attendance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub enum Phase {
    /// The lesson goes on.
    Open,
    /// The lesson is over, the last check is open.
    Closing {
        /// When the lesson ended.
        since: DateTime<Utc>,
    },
    /// Nothing more can happen.
    Closed {
        /// When.
        at: DateTime<Utc>,
    },
}

/// What the server sees of the learner's media connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "link")]
pub enum Link {
    /// Never seen.
    Absent,
    /// Up.
    Up {
        /// The stay in the room.
        stay: ParticipantId,
        /// Since when.
        since: DateTime<Utc>,
        /// It was up before and went.
        again: bool,
    },
    /// Gone.
    Down {
        /// Since when.
        since: DateTime<Utc>,
        /// On purpose.
        left: bool,
        /// A [`AttendanceFact::LongAbsence`] was noted.
        noted: bool,
    },
}

impl Link {
    fn down(since: DateTime<Utc>, left: bool) -> Self {
        Link::Down {
            since,
            left,
            noted: false,
        }
    }
}

/// A check that is due outside the drawn schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Owed {
    not_before: DateTime<Utc>,
    #[serde(flatten)]
    cause: Cause,
}

/// Why a stored attendance cannot be folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the first fact of an attendance opens it, under a commitment to this seed")]
pub struct NotOpened;

impl Attendance {
    /// The first fact of an attendance of a running lesson.
    pub fn open(
        attendance: AttendanceId,
        account: AccountId,
        lesson: &Lesson,
        terms: Terms,
        seed: &Seed,
        at: DateTime<Utc>,
    ) -> AttendanceFact {
        AttendanceFact::AttendanceOpened {
            id: attendance,
            lesson: lesson.id(),
            account,
            commitment: seed.commitment(),
            policy: Box::new(lesson.policy().clone()),
            at,
            planned_end: match terms.on_demand {
                true => at,
                false => lesson.plan().ends_at,
            },
            terms,
            rule_version: RULE_VERSION,
        }
    }

    /// The attendance that a first fact makes, given the seed it commits to.
    pub fn from_first(first: &AttendanceFact, seed: Seed) -> Result<Self, NotOpened> {
        let AttendanceFact::AttendanceOpened {
            id,
            lesson,
            account,
            commitment,
            policy,
            at,
            planned_end,
            terms,
            rule_version,
        } = first
        else {
            return Err(NotOpened);
        };
        if *commitment != seed.commitment() {
            return Err(NotOpened);
        }
        Ok(Self {
            id: *id,
            lesson: *lesson,
            account: *account,
            seed,
            policy: policy.as_ref().clone(),
            opened_at: *at,
            planned_end: *planned_end,
            phase: Phase::Open,
            device: None,
            link: Link::Absent,
            alive: Vec::new(),
            life: None,
            anchors: Vec::new(),
            failures: Vec::new(),
            unverified: Vec::new(),
            unverified_since: None,
            pauses: Vec::new(),
            paused_since: None,
            checks: Vec::new(),
            next_ordinal: 0,
            owed: None,
            failures_in_row: 0,
            interruptions: 0,
            review: Vec::new(),
            terms: *terms,
            rule_version: *rule_version,
            camera: None,
            dark: Vec::new(),
        })
    }

    /// Takes a fact in. A first fact changes nothing here: see [`Attendance::from_first`].
    pub fn apply(&mut self, fact: &AttendanceFact) {
        match fact {
            AttendanceFact::AttendanceOpened { .. }
            | AttendanceFact::AnsweredLate { .. }
            | AttendanceFact::Recomputed { .. } => {}
            AttendanceFact::Entered { device, .. } => self.device = Some(device.clone()),
            AttendanceFact::TakenOver { to_device, at, .. } => {
                self.device = Some(to_device.clone());
                if self.policy.figures().takeover_check && self.is_signed_in() {
                    self.unverified_since = self.unverified_since.or(Some(*at));
                }
            }
            AttendanceFact::SignedIn { at } => self.anchors.push(*at),
            AttendanceFact::LinkUp { stay, at } => {
                let again = self.link != Link::Absent;
                self.link = Link::Up {
                    stay: *stay,
                    since: *at,
                    again,
                };
            }
            AttendanceFact::LinkDown { left, at } => self.link = Link::down(*at, *left),
            AttendanceFact::ServerReturned { at } => self.link = Link::down(*at, false),
            AttendanceFact::Alive(span) => {
                self.alive.push(*span);
                self.alive = union(&self.alive);
                self.life = self.life.filter(|run| run.to > span.to);
            }
            AttendanceFact::CheckAsked(check) => self.asked(check),
            AttendanceFact::CheckPrompted { .. }
            | AttendanceFact::CheckFound { .. }
            | AttendanceFact::CameraSeen { .. }
            | AttendanceFact::Exempted { .. }
            | AttendanceFact::CheckRuled { .. } => self.apply_look(fact),
            AttendanceFact::CheckAnswered {
                check, attempt, at, ..
            } => {
                if let Some(found) = self.check_mut(*check) {
                    found.used = *attempt;
                    found.answered_at = Some(*at);
                }
            }
            AttendanceFact::CheckEnded { check, outcome, at } => self.ended(*check, *outcome, *at),
            AttendanceFact::CheckOwed { not_before, cause } => {
                self.owed = Some(Owed {
                    not_before: *not_before,
                    cause: *cause,
                });
            }
            AttendanceFact::Paused { at } => self.paused_since = Some(*at),
            AttendanceFact::LongAbsence {
                since,
                during_check,
                at,
            } => {
                self.long_absence(*since, *during_check, *at);
            }
            AttendanceFact::ReviewAsked { reason, .. } => self.review.push(*reason),
            AttendanceFact::Closing { at } => self.phase = Phase::Closing { since: *at },
            AttendanceFact::AttendanceClosed { at, .. } => self.phase = Phase::Closed { at: *at },
        }
    }

    /// Takes in a sign of life that is no fact yet; a window that does not reach the present run
    /// starts a new one. [`Command::Alive`] says first which run thereby closes.
    pub fn observe(&mut self, window: Span) {
        let joined = self.life.filter(|run| self.reaches(run, &window));
        let from = joined.map_or(window.from, |run| run.from.min(window.from));
        let to = joined.map_or(window.to, |run| run.to.max(window.to));
        self.life = Some(Span::new(from, to));
    }

    /// Puts back the present run as the store kept it.
    pub fn restore_life(&mut self, life: Option<Span>) {
        self.life = life;
    }

    /// The present run of life.
    pub fn life(&self) -> Option<Span> {
        self.life
    }

    /// Its id.
    pub fn id(&self) -> AttendanceId {
        self.id
    }

    /// Of which lesson.
    pub fn lesson(&self) -> LessonId {
        self.lesson
    }

    /// Whose.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// When it opened.
    pub fn opened_at(&self) -> DateTime<Utc> {
        self.opened_at
    }

    /// The figures in force.
    pub fn policy(&self) -> &ClassroomPolicy {
        &self.policy
    }

    /// The version of the rule of its credit.
    pub fn rule_version(&self) -> u32 {
        self.rule_version
    }

    /// What is fixed for this learner.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// The media connection.
    pub fn link(&self) -> Link {
        self.link
    }

    /// The device that has the place.
    pub fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }

    /// Where the learner is now, for a device that would take the place.
    pub fn place_elsewhere(&self, device: &str) -> Option<&str> {
        let here = matches!(self.link, Link::Up { .. });
        self.device().filter(|held| here && *held != device)
    }

    /// SHA-256 of the seed.
    pub fn commitment(&self) -> String {
        self.seed.commitment()
    }

    /// The seed, once the attendance is closed.
    pub fn revealed_seed(&self) -> Option<String> {
        match self.phase {
            Phase::Closed { .. } => Some(self.seed.reveal()),
            Phase::Open | Phase::Closing { .. } => None,
        }
    }

    /// All checks in the order asked.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The check that is going on, whether the learner knows of it or not; there is at most one.
    pub fn running_check(&self) -> Option<&Check> {
        self.checks.last().filter(|check| check.is_open())
    }

    /// The open prompt; there is at most one.
    pub fn open_check(&self) -> Option<&Check> {
        self.running_check().filter(|check| !check.silent)
    }

    /// The nonce that the open prompt waits for now.
    pub fn open_nonce(&self) -> Option<String> {
        let check = self.open_check()?;
        Some(self.seed.nonce(check.number, check.used))
    }

    /// How the last finished check ended.
    pub fn last_outcome(&self) -> Option<Outcome> {
        self.checks.iter().rev().find_map(Check::outcome)
    }

    /// A human should look.
    pub fn needs_review(&self) -> bool {
        !self.review.is_empty()
    }

    /// The checks that a person is to decide about: those that passed only for now, and the
    /// failures of an attendance that a human should look at.
    pub fn waiting_checks(&self) -> impl Iterator<Item = &Check> {
        let open = self.checks.iter().filter(|check| check.ruling.is_none());
        open.filter(|check| {
            let outcome = check.outcome();
            let failed = outcome.is_some_and(Outcome::is_failure);
            outcome == Some(Outcome::PassedLowAssurance) || (failed && self.needs_review())
        })
    }

    /// The lesson pauses for this learner.
    pub fn is_paused(&self) -> bool {
        self.paused_since.is_some()
    }

    /// True once the first anchor is set.
    pub fn is_signed_in(&self) -> bool {
        !self.anchors.is_empty()
    }

    /// True when the last sign of life is recent enough.
    pub fn is_alive(&self, now: DateTime<Utc>) -> bool {
        let window = seconds(self.policy.figures().alive_window_s);
        self.life.is_some_and(|run| now - run.to <= window)
    }

    /// The learner's clock: milliseconds of life outside breaks and pauses, whatever they earn.
    pub fn clock_ms(&self, lesson: &Lesson, now: DateTime<Utc>) -> u64 {
        total_millis(&subtract(&self.all_life(), &self.stopped(lesson, now)))
    }

    /// What the facts earn by now.
    pub fn statement(
        &self,
        lesson: &Lesson,
        elsewhere: &[Span],
        earned_today_s: u32,
        now: DateTime<Utc>,
    ) -> Statement {
        let end = lesson.ended_at().map_or(now, |end| end.min(now));
        let closed = matches!(self.phase, Phase::Closed { .. });
        let mut unverified = self.unverified.clone();
        unverified.extend(self.unverified_since.map(|since| Span::new(since, end)));
        let input = CreditInput {
            rule_version: self.rule_version,
            anchors: self.anchors.iter().map(|at| (*at).min(end)).collect(),
            failures: self
                .failures
                .iter()
                .map(|failure| Failure {
                    at: failure.at.min(end),
                    ..*failure
                })
                .collect(),
            alive: self.all_life(),
            breaks: lesson.breaks_until(now),
            dark: self.dark_until(now),
            unverified,
            elsewhere: elsewhere.to_vec(),
            earned_today_s,
            until: end,
            closed,
        };
        fold(&input, &self.policy)
    }

    fn all_life(&self) -> Vec<Span> {
        let mut all = self.alive.clone();
        all.extend(self.life);
        union(&all)
    }

    fn stopped(&self, lesson: &Lesson, now: DateTime<Utc>) -> Vec<Span> {
        let mut stopped = lesson.breaks_until(now);
        stopped.extend(self.dark_until(now));
        stopped.extend(
            self.anchors
                .first()
                .map(|at| Span::new(self.opened_at, *at)),
        );
        stopped.extend(&self.pauses);
        stopped.extend(self.paused_since.map(|since| Span::new(since, now)));
        stopped
    }

    fn reaches(&self, run: &Span, window: &Span) -> bool {
        let most = match self.terms.on_demand {
            true => TimeDelta::zero(),
            false => seconds(self.policy.figures().alive_window_s),
        };
        window.from - run.to <= most && window.to >= run.from
    }

    fn check_mut(&mut self, id: CheckId) -> Option<&mut Check> {
        self.checks.iter_mut().rev().find(|check| check.id == id)
    }

    fn asked(&mut self, check: &Check) {
        match check.cause {
            Cause::Scheduled { ordinal, .. } => self.next_ordinal = ordinal + 1,
            Cause::Ladder { .. }
            | Cause::Return
            | Cause::SignIn
            | Cause::Identity
            | Cause::Uncovered
            | Cause::Takeover => self.owed = None,
            Cause::Closing | Cause::SignOut | Cause::Staff { .. } => {}
        }
        self.checks.push(check.clone());
    }

    fn ended(&mut self, id: CheckId, outcome: Outcome, at: DateTime<Utc>) {
        let Some(check) = self.check_mut(id) else {
            return;
        };
        check.ended = Some(Ended { outcome, at });
        let (cause, kind) = (check.cause, check.kind);
        let answered_at = check.answered_at.unwrap_or(at);
        if outcome.is_pass() && self.is_anchor(kind) {
            self.passed(answered_at);
        }
        if outcome.is_failure() && cause != Cause::SignOut {
            self.failures_in_row += 1;
            self.failures.push(Failure {
                at,
                reason: Reason::of(outcome),
            });
        }
        if outcome == Outcome::Interrupted {
            self.interruptions += 1;
        }
    }

    fn passed(&mut self, at: DateTime<Utc>) {
        self.anchors.push(at);
        self.failures_in_row = 0;
        self.owed = None;
        if let Some(since) = self.unverified_since.take() {
            self.unverified.push(Span::new(since, at));
        }
        if let Some(since) = self.paused_since.take() {
            self.pauses.push(Span::new(since, at));
        }
    }

    fn long_absence(&mut self, since: DateTime<Utc>, during_check: bool, at: DateTime<Utc>) {
        if let Link::Down { noted, .. } = &mut self.link {
            *noted = true;
        }
        self.unverified_since = self.unverified_since.or(Some(since));
        if during_check {
            self.failures.push(Failure {
                at,
                reason: Reason::NoClosingAnchor,
            });
        }
    }
}

fn seconds(count: u32) -> TimeDelta {
    TimeDelta::seconds(i64::from(count))
}

fn millis(count: u64) -> TimeDelta {
    TimeDelta::milliseconds(i64::try_from(count).unwrap_or(i64::MAX / 2))
}

#[cfg(test)]
mod tests;
