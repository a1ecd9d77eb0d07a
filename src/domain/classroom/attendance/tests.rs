use uuid::Uuid;

use super::*;
use crate::domain::classroom::check::{Answer, CheckKind};
use crate::domain::classroom::credit::Verdict;
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

const LEARNER: AccountId = AccountId(Uuid::from_u128(7));
const STAFF: AccountId = AccountId(Uuid::from_u128(8));

fn stay(n: u128) -> ParticipantId {
    ParticipantId(Uuid::from_u128(n))
}

/// A lesson with one learner, played by hand: the room reports every five seconds.
struct Play {
    lesson: Lesson,
    attendance: Attendance,
    facts: Vec<AttendanceFact>,
    bank: Vec<Question>,
    entropy: Counting,
    now: DateTime<Utc>,
    /// Whether signs of life come.
    alive: bool,
    /// Answers every prompt after so many seconds.
    answers_after_s: Option<i64>,
    round_trip_ms: u32,
}

impl Play {
    fn new(seed: u8, policy: ClassroomPolicy, minutes: i64) -> Self {
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
        let opened = Attendance::open(id, LEARNER, &lesson, &seed, now);
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

    fn standard(minutes: i64) -> Self {
        Self::new(1, ClassroomPolicy::standard(), minutes)
    }

    fn act(&mut self, command: &Command<'_>) -> Result<Vec<AttendanceFact>, Refusal> {
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

    fn lesson(&mut self, command: &LessonCommand) {
        let facts = self.lesson.decide(command, self.now).unwrap();
        facts.iter().for_each(|fact| self.lesson.apply(fact));
    }

    /// Plays second by second.
    fn run(&mut self, seconds: i64) {
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
                .map(|c| (self.now - c.asked_at).num_seconds());
            if waited.is_some() && waited == self.answers_after_s {
                self.answer_right().unwrap();
            }
        }
    }

    fn run_until_prompt(&mut self) -> Check {
        for _ in 0..7_200 {
            if let Some(check) = self.attendance.open_check() {
                return check.clone();
            }
            self.run(1);
        }
        panic!("no prompt within two hours");
    }

    fn answer_right(&mut self) -> Result<Vec<AttendanceFact>, Refusal> {
        let check = self.attendance.open_check().unwrap().clone();
        let nonce = self.attendance.open_nonce().unwrap();
        self.answer(LEARNER, &check, &nonce, true)
    }

    fn answer(
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

    fn statement(&self) -> Statement {
        self.attendance.statement(&self.lesson, &[], 0, self.now)
    }

    fn outcomes(&self) -> Vec<Outcome> {
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

#[test]
fn an_attentive_learner_earns_the_whole_lesson_and_the_seed_proves_every_check() {
    for seed in 1..=8 {
        let mut play = Play::new(seed, ClassroomPolicy::standard(), 60);
        play.run(3_600);
        play.lesson(&LessonCommand::End);
        play.run(90);
        let credited = play.statement().credited_s;
        assert!(
            (3_580..=3_600).contains(&credited),
            "seed {seed}: {credited}"
        );
        assert!(
            play.outcomes()
                .iter()
                .all(|outcome| *outcome == Outcome::Passed)
        );
        let kinds: Vec<_> = play
            .attendance
            .checks()
            .iter()
            .map(|check| check.kind)
            .collect();
        assert!(kinds.contains(&CheckKind::Question) && kinds.contains(&CheckKind::Presence));
        assert_eq!(verify(&play.facts), Ok(()));
        let last_share = play.attendance.planned_end - TimeDelta::seconds(360);
        assert!(
            play.attendance
                .checks()
                .iter()
                .any(|c| c.asked_at >= last_share && c.cause != Cause::SignOut),
            "seed {seed}"
        );
        assert!(play.attendance.revealed_seed().is_some());
    }
}

#[test]
fn the_facts_alone_give_the_attendance_back() {
    let mut play = Play::standard(40);
    play.run(2_500);
    let seed = Seed::from_bytes([1; 32]);
    let mut again = Attendance::from_first(&play.facts[0], seed).unwrap();
    play.facts.iter().for_each(|fact| again.apply(fact));
    again.restore_life(play.attendance.life());
    assert_eq!(again, play.attendance);
    let text = serde_json::to_string(&play.facts).unwrap();
    assert_eq!(
        serde_json::from_str::<Vec<AttendanceFact>>(&text).unwrap(),
        play.facts
    );
    let text = serde_json::to_string(&again).unwrap();
    let mut stored: Attendance = serde_json::from_str(&text).unwrap();
    stored.restore_life(again.life());
    assert_eq!(stored, again);
}

#[test]
fn an_edited_check_time_does_not_survive_recomputation() {
    let mut play = Play::standard(20);
    play.run(1_200);
    assert_eq!(verify(&play.facts), Err(Mismatch::NotClosed));
    play.lesson(&LessonCommand::End);
    play.run(90);
    let mut edited = play.facts.clone();
    for fact in &mut edited {
        if let AttendanceFact::CheckAsked(check) = fact
            && let Cause::Scheduled { due_clock_ms, .. } = &mut check.cause
        {
            *due_clock_ms -= 1_000;
        }
    }
    assert_eq!(
        verify(&edited),
        Err(Mismatch::Check {
            number: 0,
            what: "time"
        })
    );
    let dropped = play.facts.iter().filter(|fact| {
        !matches!(fact, AttendanceFact::CheckAsked(c)
            if matches!(c.cause, Cause::Scheduled { ordinal: 0, .. }))
    });
    let dropped: Vec<_> = dropped.cloned().collect();
    assert_eq!(
        verify(&dropped),
        Err(Mismatch::Check {
            number: 1,
            what: "order"
        })
    );
}

#[test]
fn failed_checks_climb_the_ladder_to_a_pause_and_a_review() {
    let mut play = Play::standard(60);
    play.run_until_prompt();
    play.run(10);
    play.answers_after_s = None;
    let passed = play.attendance.checks()[0].answered_at.unwrap();
    let first = play.run_until_prompt();
    play.run(61);
    assert_eq!(play.attendance.last_outcome(), Some(Outcome::Missed));
    let second = play.run_until_prompt();
    let gap = (second.asked_at - first.closes_at()).num_seconds();
    assert!((60..=181).contains(&gap), "{gap}");
    assert_eq!(second.cause, Cause::Ladder { failures: 1 });
    play.run(62);
    assert!(play.attendance.is_paused() && !play.attendance.needs_review());
    let clock_ms = play.attendance.clock_ms(&play.lesson, play.now);
    play.run_until_prompt();
    play.run(62);
    assert!(play.attendance.needs_review());
    assert_eq!(play.attendance.clock_ms(&play.lesson, play.now), clock_ms);
    play.run_until_prompt();
    play.answer_right().unwrap();
    assert!(!play.attendance.is_paused());
    let lost = play.statement();
    let withheld = lost
        .stretches
        .iter()
        .filter(|s| s.reason == Some(Reason::CheckMissed));
    assert_eq!(withheld.map(|s| s.span.from).min(), Some(passed));
    play.answers_after_s = Some(3);
    let before = play.statement().credited_s;
    play.run(1_300);
    assert!(play.statement().credited_s > before + 200);
}

#[test]
fn a_wrong_answer_shows_presence_unless_the_policy_minds() {
    for minds in [false, true] {
        let mut figures = ClassroomPolicy::standard().figures().clone();
        figures.wrong_is_present = !minds;
        let mut play = Play::new(2, ClassroomPolicy::new(figures).unwrap(), 60);
        play.answers_after_s = None;
        let mut check = play.run_until_prompt();
        if check.kind == CheckKind::Presence {
            play.answer_right().unwrap();
            check = play.run_until_prompt();
        }
        let nonce = play.attendance.open_nonce().unwrap();
        play.answer(LEARNER, &check, &nonce, false).unwrap();
        let expected = if minds {
            Outcome::FailedWrong
        } else {
            Outcome::PassedWrong
        };
        assert_eq!(play.attendance.last_outcome(), Some(expected));
    }
}

#[test]
fn a_second_try_needs_a_new_nonce_and_the_last_answer_counts() {
    let mut figures = ClassroomPolicy::standard().figures().clone();
    figures.question_attempts = 3;
    let mut play = Play::new(2, ClassroomPolicy::new(figures).unwrap(), 60);
    play.answers_after_s = None;
    play.run(10);
    let question = play.bank[0].clone();
    play.act(&Command::AskNow {
        by: STAFF,
        question: Some(&question),
    })
    .unwrap();
    let check = play.attendance.open_check().unwrap().clone();
    let first = play.attendance.open_nonce().unwrap();
    play.answer(LEARNER, &check, &first, false).unwrap();
    assert_eq!(play.attendance.open_check().unwrap().attempts_left(), 2);
    let replayed = play.answer(LEARNER, &check, &first, true).unwrap_err();
    assert_eq!(replayed.code, "check.nonce");
    play.answer_right().unwrap();
    assert_eq!(play.attendance.last_outcome(), Some(Outcome::Passed));
}

#[test]
fn forged_answers_change_nothing() {
    let mut play = Play::standard(60);
    play.answers_after_s = None;
    let check = play.run_until_prompt();
    let nonce = play.attendance.open_nonce().unwrap();
    let before = play.attendance.clone();
    let code = |result: Result<Vec<AttendanceFact>, Refusal>| result.unwrap_err().code;
    assert_eq!(
        code(play.answer(STAFF, &check, &nonce, true)),
        "check.unknown"
    );
    assert_eq!(
        code(play.answer(LEARNER, &check, "guess", true)),
        "check.nonce"
    );
    let other = Answer::Keys(vec!["a".into()]);
    let wrong_kind = match check.kind {
        CheckKind::Presence => &other,
        CheckKind::Question => &Answer::Present,
    };
    let id = check.id;
    let forged = Command::Answer {
        by: LEARNER,
        check: id,
        nonce: &nonce,
        answer: wrong_kind,
        question: None,
    };
    assert_eq!(code(play.act(&forged)), "answer.kind");
    assert_eq!(play.attendance, before);
    play.answer(LEARNER, &check, &nonce, true).unwrap();
    assert_eq!(
        code(play.answer(LEARNER, &check, &nonce, true)),
        "check.answered"
    );
}

#[test]
fn a_late_answer_is_kept_as_late_and_only_the_measured_round_trip_is_granted() {
    let mut play = Play::standard(60);
    play.answers_after_s = None;
    play.round_trip_ms = 60_000;
    let check = play.run_until_prompt();
    assert_eq!(check.allowance_ms, 2_000);
    let nonce = play.attendance.open_nonce().unwrap();
    play.now = check.deadline + TimeDelta::milliseconds(2_001);
    let late = play.answer(LEARNER, &check, &nonce, true).unwrap();
    assert!(matches!(
        late[..],
        [AttendanceFact::AnsweredLate {
            late_by_ms: 2_001,
            ..
        }]
    ));
    play.act(&Command::Due).unwrap();
    assert_eq!(play.attendance.last_outcome(), Some(Outcome::Missed));
    let mut play = Play::standard(60);
    play.answers_after_s = None;
    play.round_trip_ms = 300;
    let check = play.run_until_prompt();
    play.now = check.deadline + TimeDelta::milliseconds(300);
    play.answer_right().unwrap();
    assert_eq!(play.attendance.last_outcome(), Some(Outcome::Passed));
}

#[test]
fn a_loss_seen_by_the_server_interrupts_a_check_and_brings_a_new_one() {
    for gone in [30, 90] {
        let mut play = Play::standard(60);
        play.answers_after_s = None;
        play.run_until_prompt();
        play.act(&Command::LinkDown {
            stay: stay(1),
            left: false,
        })
        .unwrap();
        play.run(gone);
        play.act(&Command::LinkUp { stay: stay(2) }).unwrap();
        play.run(62);
        assert_eq!(play.outcomes(), vec![Outcome::Interrupted], "gone {gone} s");
        let again = play.run_until_prompt();
        assert_eq!(again.cause, Cause::Return);
        play.answer_right().unwrap();
        let statement = play.statement();
        assert_eq!(statement.withheld_s, 0, "{statement:?}");
    }
}

#[test]
fn a_long_absence_counts_nothing_until_a_new_check_and_misses_none() {
    let mut play = Play::standard(120);
    play.run_until_prompt();
    play.run(100);
    let before = play.statement();
    play.act(&Command::LinkDown {
        stay: stay(1),
        left: false,
    })
    .unwrap();
    play.run(2_400);
    assert!(!play.outcomes().contains(&Outcome::Missed));
    play.answers_after_s = None;
    play.act(&Command::LinkUp { stay: stay(2) }).unwrap();
    let back = play.now;
    let check = play.run_until_prompt();
    assert_eq!(check.cause, Cause::Return);
    assert!((30..=31).contains(&(check.asked_at - back).num_seconds()));
    play.run(20);
    play.answer_right().unwrap();
    let after = play.statement();
    let unverified = after
        .stretches
        .iter()
        .filter(|s| s.span.from >= back && s.verdict == Verdict::Credited)
        .count();
    assert_eq!(unverified, 0);
    let kept = before.credited_s + before.pending_s;
    assert!(
        after.credited_s + after.pending_s >= kept - 5,
        "{before:?} {after:?}"
    );
}

#[test]
fn cutting_the_line_at_every_check_asks_for_a_review_and_earns_nothing() {
    let mut play = Play::standard(120);
    play.answers_after_s = None;
    for n in 1..=4 {
        play.run_until_prompt();
        play.act(&Command::LinkDown {
            stay: stay(n),
            left: false,
        })
        .unwrap();
        play.run(65);
        play.act(&Command::LinkUp { stay: stay(n + 1) }).unwrap();
    }
    assert!(play.attendance.needs_review());
    assert_eq!(play.statement().credited_s, 0);
    play.run_until_prompt();
    play.act(&Command::LinkDown {
        stay: stay(5),
        left: true,
    })
    .unwrap();
    play.run(300);
    let lost = play.statement();
    assert_eq!(lost.pending_s, 0, "{lost:?}");
}

#[test]
fn a_break_holds_checks_back_and_voids_an_open_one() {
    let mut play = Play::standard(120);
    play.answers_after_s = None;
    play.run_until_prompt();
    play.lesson(&LessonCommand::Pause);
    play.run(600);
    assert_eq!(play.outcomes(), vec![Outcome::Void]);
    play.lesson(&LessonCommand::Resume);
    let resumed = play.now;
    let again = play.run_until_prompt();
    assert_eq!(again.cause, Cause::Return);
    assert!((again.asked_at - resumed).num_seconds() <= 181);
    play.answer_right().unwrap();
    assert_eq!(play.statement().withheld_s, 0);
}

#[test]
fn after_a_crash_the_open_check_is_interrupted_and_fifteen_seconds_are_lost_at_most() {
    let mut play = Play::standard(60);
    play.answers_after_s = None;
    let before = play.run_until_prompt().clock_ms;
    play.run(3);
    let stored = play.attendance.life();
    play.now += TimeDelta::seconds(20);
    play.attendance.restore_life(stored);
    play.act(&Command::Recover).unwrap();
    assert_eq!(play.outcomes(), vec![Outcome::Interrupted]);
    play.run(10);
    play.act(&Command::LinkUp { stay: stay(2) }).unwrap();
    play.run_until_prompt();
    play.answer_right().unwrap();
    let statement = play.statement();
    assert_eq!(statement.withheld_s, 0, "{statement:?}");
    let clock_ms = play.attendance.clock_ms(&play.lesson, play.now);
    assert!(clock_ms + 15_000 >= before);
}

#[test]
fn the_later_device_takes_over_and_the_older_stay_says_nothing_more() {
    let mut play = Play::standard(60);
    play.run(20);
    let facts = play.act(&Command::Enter { device: "laptop" }).unwrap();
    assert!(matches!(facts[..], [AttendanceFact::TakenOver { .. }]));
    assert_eq!(play.attendance.device(), Some("laptop"));
    play.act(&Command::LinkUp { stay: stay(2) }).unwrap();
    let crossed = play
        .act(&Command::LinkDown {
            stay: stay(1),
            left: false,
        })
        .unwrap();
    assert!(crossed.is_empty());
    assert!(matches!(play.attendance.link(), Link::Up { .. }));
}

#[test]
fn staff_asks_once_at_a_time_and_only_who_is_there() {
    let mut play = Play::standard(60);
    play.run(10);
    play.answers_after_s = None;
    let ask = Command::AskNow {
        by: STAFF,
        question: None,
    };
    play.act(&ask).unwrap();
    let check = play.attendance.open_check().unwrap();
    assert_eq!(check.cause, Cause::Staff { by: STAFF });
    assert_eq!(play.act(&ask).unwrap_err().code, "check.open");
    play.answer_right().unwrap();
    play.act(&Command::LinkDown {
        stay: stay(1),
        left: true,
    })
    .unwrap();
    assert_eq!(play.act(&ask).unwrap_err().code, "check.absent");
}

#[test]
fn the_sign_out_closes_the_last_stretch_and_ignoring_it_costs_only_that() {
    for taps in [true, false] {
        let mut play = Play::standard(60);
        play.run(1_000);
        play.answers_after_s = taps.then_some(4);
        if !taps && play.attendance.open_check().is_some() {
            play.answer_right().unwrap();
        }
        let before = play.statement();
        play.lesson(&LessonCommand::End);
        play.run(70);
        let after = play.statement();
        assert!(matches!(play.attendance.phase(), Phase::Closed { .. }));
        let gained = after.credited_s - before.credited_s;
        assert_eq!(gained > 0, taps, "{before:?} {after:?}");
        assert!(
            after
                .stretches
                .iter()
                .all(|s| s.reason != Some(Reason::CheckMissed))
        );
    }
}

#[test]
fn without_signs_of_life_the_clock_stands_and_nothing_is_drawn() {
    let mut play = Play::standard(60);
    play.run(20);
    play.alive = false;
    let clock_ms = play.attendance.clock_ms(&play.lesson, play.now);
    play.run(1_500);
    assert_eq!(play.attendance.clock_ms(&play.lesson, play.now), clock_ms);
    assert!(play.attendance.checks().is_empty());
}

#[test]
fn an_empty_bank_leaves_presence_checks() {
    let mut play = Play::standard(60);
    play.bank.clear();
    play.run(3_000);
    assert!(
        play.attendance
            .checks()
            .iter()
            .all(|check| check.kind == CheckKind::Presence)
    );
    assert!(play.attendance.checks().len() >= 3);
}
