//! One learner in one lesson, played second by second.

use uuid::Uuid;

use super::super::*;
use crate::domain::classroom::check::Answer;
use crate::domain::classroom::lesson::{LessonCommand, LessonFact, Plan};
use crate::domain::classroom::quiz::{Question, QuestionKind, QuestionOption};
use crate::domain::entropy::Entropy;
use crate::domain::id::{QuestionId, UnitId};
use crate::domain::refusal::Refusal;

/// Counts up, so that every id differs and every run is the same.
#[derive(Default)]
struct Counting(std::sync::atomic::AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let next = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        bytes.fill(next);
    }
}

pub(super) const LEARNER: AccountId = AccountId(Uuid::from_u128(7));
pub(super) const STAFF: AccountId = AccountId(Uuid::from_u128(8));

pub(super) fn stay(n: u128) -> ParticipantId {
    ParticipantId(Uuid::from_u128(n))
}

/// A lesson with one learner, played by hand: the room reports every five seconds.
pub(super) struct Play {
    pub(super) lesson: Lesson,
    pub(super) attendance: Attendance,
    pub(super) facts: Vec<AttendanceFact>,
    pub(super) bank: Vec<Question>,
    entropy: Counting,
    pub(super) now: DateTime<Utc>,
    /// Whether signs of life come.
    pub(super) alive: bool,
    /// Answers every prompt after so many seconds.
    pub(super) answers_after_s: Option<i64>,
    pub(super) round_trip_ms: u32,
}

impl Play {
    pub(super) fn new(seed: u8, policy: ClassroomPolicy, minutes: i64) -> Self {
        Self::on_terms(seed, policy, minutes, Terms::default())
    }

    pub(super) fn on_terms(seed: u8, policy: ClassroomPolicy, minutes: i64, terms: Terms) -> Self {
        println!("seed {seed} repeated");
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let ends_at = now + TimeDelta::minutes(minutes);
        let plan = Plan {
            title: "Law".into(),
            starts_at: now,
            ends_at,
        };
        let (id, unit) = (LessonId(Uuid::nil()), UnitId(Uuid::nil()));
        let first = Lesson::schedule(id, unit, STAFF, plan, policy).unwrap();
        let mut lesson = Lesson::from_first(&first).unwrap();
        lesson.apply(&LessonFact::LessonStarted { at: now });
        let seed = Seed::from_bytes([seed; 32]);
        let id = AttendanceId(Uuid::from_u128(1));
        let opened = Attendance::open(id, LEARNER, &lesson, terms, &seed, now);
        let mut play = Self {
            attendance: Attendance::from_first(&opened, seed).unwrap(),
            lesson,
            facts: vec![opened],
            bank: bank(),
            entropy: Counting::default(),
            now,
            alive: true,
            answers_after_s: Some(5),
            round_trip_ms: 80,
        };
        play.act(&Command::Enter { device: "phone" }).unwrap();
        play.act(&Command::LinkUp { stay: stay(1) }).unwrap();
        play
    }

    pub(super) fn standard(minutes: i64) -> Self {
        Self::new(1, ClassroomPolicy::standard(), minutes)
    }

    pub(super) fn act(&mut self, command: &Command<'_>) -> Result<Vec<AttendanceFact>, Refusal> {
        let context = Context {
            now: self.now,
            entropy: &self.entropy,
            lesson: &self.lesson,
            bank: &self.bank,
            elsewhere: &[],
            earned_today_s: 0,
            round_trip_ms: self.round_trip_ms,
        };
        let facts = self.attendance.decide(command, &context)?;
        for fact in &facts {
            self.attendance.apply(fact);
        }
        self.facts.extend(facts.clone());
        Ok(facts)
    }

    pub(super) fn lesson(&mut self, command: &LessonCommand) {
        let facts = self.lesson.decide(command, self.now).unwrap();
        facts.iter().for_each(|fact| self.lesson.apply(fact));
    }

    /// Plays second by second.
    pub(super) fn run(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now += TimeDelta::seconds(1);
            let on_the_fifth = self.now.timestamp() % 5 == 0;
            if on_the_fifth && self.alive && matches!(self.attendance.link(), Link::Up { .. }) {
                let window = Span::new(self.now - TimeDelta::seconds(5), self.now);
                self.act(&Command::Alive(window)).unwrap();
                self.attendance.observe(window);
            }
            let due = |play: &Self| play.attendance.next_deadline(&play.lesson, play.now);
            for _ in 0..4 {
                if due(self).is_some_and(|at| at <= self.now) {
                    self.act(&Command::Due).unwrap();
                }
            }
            let waited = self
                .attendance
                .open_check()
                .filter(|c| !c.kind.shows_identity())
                .map(|c| (self.now - c.asked_at).num_seconds());
            if waited.is_some() && waited == self.answers_after_s {
                self.answer_right().unwrap();
            }
        }
    }

    pub(super) fn run_until_prompt(&mut self) -> Check {
        for _ in 0..7_200 {
            if let Some(check) = self.attendance.open_check() {
                return check.clone();
            }
            self.run(1);
        }
        panic!("no prompt within two hours");
    }

    pub(super) fn answer_right(&mut self) -> Result<Vec<AttendanceFact>, Refusal> {
        let check = self.attendance.open_check().unwrap().clone();
        let nonce = self.attendance.open_nonce().unwrap();
        self.answer(LEARNER, &check, &nonce, true)
    }

    pub(super) fn answer(
        &mut self,
        by: AccountId,
        check: &Check,
        nonce: &str,
        right: bool,
    ) -> Result<Vec<AttendanceFact>, Refusal> {
        let draw = check.question.as_ref();
        let question = draw
            .and_then(|d| self.bank.iter().find(|q| q.id() == d.question))
            .cloned();
        let answer = match (&question, draw) {
            (Some(question), Some(draw)) => Answer::Keys(
                question
                    .shown(draw)
                    .into_iter()
                    .filter(|option| (option.text == "right") == right)
                    .take(1)
                    .map(|option| option.key)
                    .collect(),
            ),
            _ => Answer::Present,
        };
        let (check, answer, question) = (check.id, &answer, question.as_ref());
        self.act(&Command::Answer {
            by,
            check,
            nonce,
            answer,
            question,
        })
    }

    pub(super) fn statement(&self) -> Statement {
        self.attendance.statement(&self.lesson, &[], 0, self.now)
    }

    pub(super) fn outcomes(&self) -> Vec<Outcome> {
        self.attendance
            .checks()
            .iter()
            .filter_map(Check::outcome)
            .collect()
    }
}

fn bank() -> Vec<Question> {
    let options = |texts: [&str; 3]| {
        texts
            .map(|t| QuestionOption {
                text: t.into(),
                correct: t == "right",
            })
            .to_vec()
    };
    (1..=3)
        .map(|n| {
            let id = QuestionId(Uuid::from_u128(n));
            let options = options(["right", "wrong", "off"]);
            let unit = UnitId(Uuid::nil());
            Question::new(id, unit, "Which?", QuestionKind::Single, options).unwrap()
        })
        .collect()
}
