//! Checks: drawn, answered, failed, forged.

use super::super::*;
use super::play::*;
use crate::domain::classroom::check::{Answer, CheckKind};
use crate::domain::classroom::lesson::LessonCommand;
use crate::domain::refusal::Refusal;

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
        round: None,
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
        CheckKind::Question | CheckKind::Face | CheckKind::Action => &Answer::Present,
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
