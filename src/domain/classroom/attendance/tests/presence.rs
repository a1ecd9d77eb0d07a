//! Presence: losses, absences, breaks, devices, crashes.

use super::super::*;
use super::play::*;
use crate::domain::classroom::check::CheckKind;
use crate::domain::classroom::credit::Verdict;
use crate::domain::classroom::lesson::LessonCommand;

#[test]
fn a_loss_seen_by_the_server_interrupts_a_check_and_brings_a_new_one() {
    for gone in [30, 90] {
        let mut play = Play::standard(60);
        play.answers_after_s = None;
        play.run_until_prompt();
        play.act(&Command::LinkDown {
            stay: Some(stay(1)),
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
        stay: Some(stay(1)),
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
            stay: Some(stay(n)),
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
        stay: Some(stay(5)),
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
    assert!(matches!(facts[0], AttendanceFact::TakenOver { .. }));
    assert_eq!(play.attendance.device(), Some("laptop"));
    play.act(&Command::LinkUp { stay: stay(2) }).unwrap();
    let crossed = play
        .act(&Command::LinkDown {
            stay: Some(stay(1)),
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
        round: None,
    };
    play.act(&ask).unwrap();
    let check = play.attendance.open_check().unwrap();
    assert_eq!(check.cause, Cause::Staff { by: STAFF });
    assert_eq!(play.act(&ask).unwrap_err().code, "check.open");
    play.answer_right().unwrap();
    play.act(&Command::LinkDown {
        stay: Some(stay(1)),
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

#[test]
fn whoever_comes_back_after_the_hold_was_away_for_long_even_if_nobody_looked_meanwhile() {
    let mut play = Play::standard(60);
    play.run_until_prompt();
    play.run(100);
    play.act(&Command::LinkDown {
        stay: Some(stay(1)),
        left: false,
    })
    .unwrap();
    let gone = play.now;
    let hold = TimeDelta::seconds(play.attendance.policy().figures().absence_hold_s.into());
    // The database is away: no deadline is looked at, and the return is taken in later.
    play.now = gone + hold;
    let facts = play.act(&Command::LinkUp { stay: stay(2) }).unwrap();
    let noted = AttendanceFact::LongAbsence {
        since: gone,
        during_check: false,
        at: gone + hold,
    };
    assert_eq!(facts.first(), Some(&noted), "{facts:?}");
    assert!(matches!(facts.last(), Some(AttendanceFact::LinkUp { .. })));
}

#[test]
fn an_outage_interrupts_the_prompt_that_it_kept_from_being_answered_and_no_other() {
    let mut play = Play::standard(60);
    play.answers_after_s = None;
    let check = play.run_until_prompt();
    let returned = |since| Command::DatabaseReturned { since };
    play.now = check.closes_at() + TimeDelta::seconds(5);
    let judged_as_ever = play.act(&returned(check.closes_at())).unwrap();
    assert_eq!(judged_as_ever, Vec::new());
    play.act(&returned(check.asked_at)).unwrap();
    assert_eq!(play.outcomes(), vec![Outcome::Interrupted]);
    assert_eq!(play.act(&returned(check.asked_at)).unwrap(), Vec::new());
    play.answers_after_s = Some(5);
    assert_eq!(play.run_until_prompt().cause, Cause::Return);
}
