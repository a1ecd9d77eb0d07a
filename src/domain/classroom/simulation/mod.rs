//! A class of learners who behave well and badly, played in virtual time by the real rules.
//!
//! Everything follows from the seed. Learners do not depend on each other, so a caller may play
//! ranges of them side by side. [docs/simulation.md](../../../../docs/simulation.md) describes
//! the behaviours.

mod behaviour;
mod chance;
mod learner;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use uuid::Uuid;

pub use behaviour::Model;

use super::attendance::Attendance;
use super::lesson::{Lesson, LessonCommand, LessonFact, Plan};
use super::policy::ClassroomPolicy;
use super::quiz::{Question, QuestionKind, QuestionOption};
use super::schedule::law::{gap_law, kolmogorov_p};
use super::schedule::{Seed, recompute};
use crate::domain::id::{AccountId, LessonId, QuestionId, UnitId};
use crate::domain::refusal::Refusal;

/// A class to play.
pub struct Class {
    seed: u64,
    lesson: Lesson,
    bank: Vec<Question>,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    changes: Vec<(DateTime<Utc>, LessonCommand)>,
}

/// What came of one learner.
#[derive(Clone, Debug)]
pub struct Lived {
    model: Model,
    credited_s: u64,
    connected_s: u64,
    credited_after_leaving_s: u64,
    stretch_max_s: u64,
    checks: u64,
    reviewed: bool,
    disproved: bool,
    gap_s: Option<f64>,
}

/// What came of a class. Ratios are of seconds credited to seconds connected.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Findings {
    /// The seed.
    pub seed: u64,
    /// Learners.
    pub learners: u64,
    /// Minutes of the lesson.
    pub minutes: u32,
    /// Of honest learners.
    pub honest_credit_ratio: f64,
    /// Of honest learners on a network that is cut now and then.
    pub flaky_network_credit_ratio: f64,
    /// The most that a device without anybody before it earned.
    pub idle_credit_seconds_max: u64,
    /// The most that anybody earned by somebody else in the chair.
    pub proxy_credit_seconds_max: u64,
    /// Probability that the raw gaps come from the stated law.
    pub schedule_ks_p: f64,
    /// The most that a program with a looped clip earned.
    pub scripted_credit_seconds_max: u64,
    /// Of programs with a looped clip.
    pub scripted_credit_ratio: f64,
    /// Share of them that ask for a person's look.
    pub scripted_reviewed_ratio: f64,
    /// The longest credited stretch of anybody.
    pub stretch_seconds_max: u64,
    /// Checks asked.
    pub checks: u64,
    /// Recomputed attendances whose facts contradict their seed.
    pub disproved: u64,
}

/// The longest lesson, minutes.
pub const MINUTES_MAX: u32 = 720;
/// In the middle of a lesson longer than this there is a break.
const BREAK_FROM_MINUTES: u32 = 30;
/// How long it is.
const BREAK: TimeDelta = TimeDelta::minutes(5);

impl Class {
    /// A class of that many minutes by the standard figures with faces. Refuses fewer than one or
    /// more than [`MINUTES_MAX`].
    pub fn new(seed: u64, minutes: u32) -> Result<Self, Refusal> {
        let starts_at = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let ends_at = starts_at + TimeDelta::minutes(i64::from(minutes));
        let mut figures = ClassroomPolicy::standard().figures().clone();
        figures.face_checks = true;
        let plan = Plan {
            title: "simulated".to_owned(),
            starts_at,
            ends_at,
        };
        let policy = ClassroomPolicy::new(figures)?;
        let (id, unit) = (LessonId(Uuid::nil()), UnitId(Uuid::nil()));
        let teacher = AccountId(Uuid::nil());
        let first = Lesson::schedule(id, unit, teacher, plan, policy)?;
        #[expect(clippy::expect_used, reason = "a first fact makes a lesson")]
        let mut lesson = Lesson::from_first(&first).expect("a first fact");
        lesson.apply(&LessonFact::LessonStarted { at: starts_at });
        let middle = starts_at + (ends_at - starts_at) / 2;
        let mut changes = Vec::new();
        if minutes > BREAK_FROM_MINUTES {
            changes.push((middle, LessonCommand::Pause));
            changes.push((middle + BREAK, LessonCommand::Resume));
        }
        changes.push((ends_at, LessonCommand::End));
        Ok(Self {
            seed,
            lesson,
            bank: bank()?,
            starts_at,
            ends_at,
            changes,
        })
    }

    /// Plays learners by number.
    pub fn play(&self, learners: std::ops::Range<u32>) -> Vec<Lived> {
        learners.map(|number| learner::live(self, number)).collect()
    }

    /// What came of all that were played, in any order.
    pub fn findings(&self, lived: &[Lived]) -> Findings {
        let most = |model, of: fn(&Lived) -> u64| {
            let those = lived.iter().filter(|one| one.model == model);
            those.map(of).max().unwrap_or(0)
        };
        let scripted = lived.iter().filter(|one| one.model == Model::Scripted);
        let reviewed = scripted.clone().filter(|one| one.reviewed).count();
        let gaps = lived.iter().filter_map(|one| one.gap_s).collect();
        let minutes = (self.ends_at - self.starts_at).num_minutes();
        Findings {
            seed: self.seed,
            learners: lived.len() as u64,
            minutes: u32::try_from(minutes).unwrap_or(0),
            honest_credit_ratio: ratio(lived, Model::Honest),
            flaky_network_credit_ratio: ratio(lived, Model::Flaky),
            idle_credit_seconds_max: most(Model::Idle, |one| one.credited_after_leaving_s),
            proxy_credit_seconds_max: most(Model::Proxy, |one| one.credited_after_leaving_s),
            schedule_ks_p: kolmogorov_p(gaps, |seconds| gap_law(seconds, self.lesson.policy())),
            scripted_credit_seconds_max: most(Model::Scripted, |one| one.credited_s),
            scripted_credit_ratio: ratio(lived, Model::Scripted),
            scripted_reviewed_ratio: reviewed as f64 / scripted.count().max(1) as f64,
            stretch_seconds_max: lived.iter().map(|one| one.stretch_max_s).max().unwrap_or(0),
            checks: lived.iter().map(|one| one.checks).sum(),
            disproved: lived.iter().filter(|one| one.disproved).count() as u64,
        }
    }

    /// Takes into a lesson what happens to it between two moments.
    fn advance(&self, lesson: &mut Lesson, after: DateTime<Utc>, until: DateTime<Utc>) -> bool {
        let due = |at: DateTime<Utc>| after < at && at <= until;
        let mut changed = false;
        for (at, command) in self.changes.iter().filter(|(at, _)| due(*at)) {
            for fact in lesson.decide(command, *at).unwrap_or_default() {
                lesson.apply(&fact);
                changed = true;
            }
        }
        changed
    }

    fn changes_after(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let later = self.changes.iter().map(|(at, _)| *at);
        later.filter(|at| *at > now).min()
    }

    /// The raw gap before the second check: one for each learner, so that none depends on another.
    fn gap_of(&self, attendance: &Attendance) -> Option<f64> {
        let seed = Seed::from_hex(&attendance.revealed_seed()?)?;
        let raw = recompute(&seed, self.lesson.policy(), 1)?;
        Some(raw.gap_ms as f64 / 1_000.0)
    }
}

fn ratio(lived: &[Lived], model: Model) -> f64 {
    let those = lived.iter().filter(|one| one.model == model);
    let (credited, connected) = those.fold((0, 0), |(credited, connected), one| {
        (credited + one.credited_s, connected + one.connected_s)
    });
    credited as f64 / connected.max(1) as f64
}

fn bank() -> Result<Vec<Question>, Refusal> {
    let option = |text: &str, correct| QuestionOption {
        text: text.to_owned(),
        correct,
    };
    let question = |number: u128| {
        let options = vec![option("a", true), option("b", false), option("c", false)];
        let (id, unit) = (QuestionId(Uuid::from_u128(number)), UnitId(Uuid::nil()));
        Question::new(id, unit, "simulated", QuestionKind::Single, options)
    };
    (1..=10).map(question).collect()
}
