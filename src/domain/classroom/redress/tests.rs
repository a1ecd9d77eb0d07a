//! Appeals and adjustments, played by hand.

use std::sync::atomic::{AtomicU8, Ordering};

use super::*;
use crate::domain::classroom::credit::Reason;
use crate::domain::classroom::policy::ClassroomPolicy;

/// Counts, so that every id is another.
#[derive(Default)]
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
    }
}

/// A Monday in Beijing.
fn at(hour: i64) -> DateTime<Utc> {
    let start: DateTime<Utc> = "2026-11-23T01:00:00Z".parse().expect("a time");
    start + TimeDelta::hours(hour)
}

fn account(number: u128) -> AccountId {
    AccountId(uuid::Uuid::from_u128(number))
}

const LEARNER: u128 = 1;
const OFFICER: u128 = 2;
const SECOND: u128 = 3;
const TEACHER: u128 = 4;

fn decider(number: u128) -> Decider {
    Decider {
        account: account(number),
        has_a_hand: number == TEACHER,
    }
}

fn stretch(from_minute: i64, minutes: i64) -> Stretch {
    let from = at(0) + TimeDelta::minutes(from_minute);
    Stretch {
        span: Span::new(from, from + TimeDelta::minutes(minutes)),
        seconds: u64::try_from(minutes * 60).expect("a length"),
        verdict: Verdict::Withheld,
        reason: Some(Reason::CheckMissed),
    }
}

/// Redress as it goes on, with everything that happened.
struct Case {
    redress: Redress,
    chance: Counting,
    policy: ClassroomPolicy,
    facts: Vec<RedressFact>,
}

impl Case {
    fn new() -> Self {
        let attendance = AttendanceId(uuid::Uuid::from_u128(9));
        Self {
            redress: Redress::none(attendance, account(LEARNER)),
            chance: Counting::default(),
            policy: ClassroomPolicy::standard(),
            facts: Vec::new(),
        }
    }

    fn act(
        &mut self,
        command: &RedressCommand<'_>,
        now: DateTime<Utc>,
    ) -> Result<(), &'static str> {
        let figures = self.policy.figures();
        let happened = self.redress.decide(command, figures, now, &self.chance);
        let happened = happened.map_err(|refusal| refusal.code)?;
        for one in &happened {
            self.redress.apply(one);
        }
        self.facts.extend(happened.into_iter().map(|one| one.fact));
        Ok(())
    }

    fn appeal(&mut self, stretch: Stretch, now: DateTime<Utc>) -> Result<AppealId, &'static str> {
        let command = RedressCommand::Appeal {
            by: account(LEARNER),
            stretch,
            text: "当时网络断了",
            closed_at: Some(at(1)),
        };
        self.act(&command, now)?;
        Ok(self.redress.appeals().last().expect("filed").id)
    }

    fn decide(&mut self, who: u128, appeal: AppealId, by_checks: bool) -> Result<(), &'static str> {
        let command = RedressCommand::Decide {
            by: decider(who),
            appeal,
            upheld: true,
            reason: "日志显示断线",
            by_checks,
        };
        self.act(&command, at(20))
    }

    fn second(&mut self, who: u128, approved: bool) -> Result<(), &'static str> {
        let waiting = self.redress.adjustments().last().expect("proposed").id;
        let command = RedressCommand::Second {
            by: decider(who),
            adjustment: waiting,
            approved,
        };
        self.act(&command, at(21))
    }
}

#[test]
fn an_appeal_is_taken_for_72_hours_after_class_and_is_due_in_three_working_days() {
    let mut case = Case::new();
    case.appeal(stretch(0, 9), at(73)).expect("72 hours later");
    let due = case.redress.appeals()[0].due_at;
    // Thursday to Tuesday.
    assert_eq!(due - at(73), TimeDelta::days(5));
    assert_eq!(case.appeal(stretch(20, 9), at(74)), Err("appeal.late"));
}

#[test]
fn nobody_appeals_for_somebody_else_against_credit_or_twice() {
    let mut case = Case::new();
    let command = RedressCommand::Appeal {
        by: account(OFFICER),
        stretch: stretch(0, 9),
        text: "他说的",
        closed_at: None,
    };
    assert_eq!(case.act(&command, at(2)), Err("appeal.unknown"));
    let credited = Stretch {
        verdict: Verdict::Credited,
        reason: None,
        ..stretch(0, 9)
    };
    assert_eq!(case.appeal(credited, at(2)), Err("appeal.not_withheld"));
    let first = case.appeal(stretch(0, 9), at(2)).expect("filed");
    assert_eq!(case.appeal(stretch(8, 9), at(2)), Err("appeal.already"));
    let withdraw = |by: u128| RedressCommand::Withdraw {
        by: account(by),
        appeal: first,
    };
    assert_eq!(case.act(&withdraw(OFFICER), at(3)), Err("appeal.unknown"));
    case.act(&withdraw(LEARNER), at(3)).expect("taken back");
    case.appeal(stretch(8, 9), at(4)).expect("filed anew");
}

#[test]
fn the_teacher_and_the_learner_decide_no_appeal() {
    let mut case = Case::new();
    let appeal = case.appeal(stretch(0, 9), at(2)).expect("filed");
    for who in [TEACHER, LEARNER] {
        assert_eq!(case.decide(who, appeal, true), Err("appeal.own"));
    }
    case.decide(OFFICER, appeal, true).expect("decided");
    assert_eq!(case.decide(OFFICER, appeal, true), Err("appeal.ended"));
    assert!(case.redress.adjustments().is_empty());
}

#[test]
fn an_upheld_appeal_that_no_check_explains_needs_a_second_person() {
    let mut case = Case::new();
    let appeal = case.appeal(stretch(0, 9), at(2)).expect("filed");
    case.decide(OFFICER, appeal, false).expect("decided");
    assert_eq!(case.redress.adjusted_s(), 0);
    assert_eq!(case.second(OFFICER, true), Err("adjustment.same_person"));
    assert_eq!(case.second(LEARNER, true), Err("appeal.own"));
    case.second(SECOND, true).expect("agreed");
    assert_eq!(case.redress.adjusted_s(), 540);
    assert_eq!(case.second(SECOND, false), Err("adjustment.ended"));
}

#[test]
fn an_adjustment_changes_nothing_until_two_people_agree() {
    let mut case = Case::new();
    let propose = |seconds: i64| RedressCommand::Propose {
        by: decider(OFFICER),
        seconds,
        reason: "现场签到表",
    };
    for seconds in [0, ADJUSTMENT_S_MAX + 1, -ADJUSTMENT_S_MAX - 1] {
        assert_eq!(
            case.act(&propose(seconds), at(5)),
            Err("adjustment.seconds")
        );
    }
    case.act(&propose(3_600), at(5)).expect("proposed");
    case.second(SECOND, false).expect("refused");
    assert_eq!(case.redress.adjusted_s(), 0);
    case.act(&propose(3_600), at(6)).expect("proposed");
    // Whoever proposed may take it back.
    case.second(OFFICER, false).expect("taken back");
    case.act(&propose(-600), at(7)).expect("proposed");
    case.second(SECOND, true).expect("agreed");
    assert_eq!(case.redress.adjusted_s(), -600);
}

#[test]
fn an_appeal_that_nobody_decides_in_time_escalates_once() {
    let mut case = Case::new();
    case.appeal(stretch(0, 9), at(2)).expect("filed");
    let due = case.redress.next_deadline().expect("a deadline");
    let early = due - TimeDelta::seconds(1);
    case.act(&RedressCommand::Due, early).expect("nothing");
    assert_eq!(case.facts.len(), 1);
    case.act(&RedressCommand::Due, due).expect("escalated");
    case.act(&RedressCommand::Due, due).expect("once");
    assert_eq!(case.facts.len(), 2);
    assert_eq!(case.redress.next_deadline(), None);
    assert_eq!(case.redress.open_appeals().count(), 1);
}

#[test]
fn words_are_bounded_and_the_ledger_has_their_digest_alone() {
    let mut case = Case::new();
    let long = "长".repeat(TEXT_CHARS_MAX + 1);
    for text in ["  ", long.as_str()] {
        let command = RedressCommand::Appeal {
            by: account(LEARNER),
            stretch: stretch(0, 9),
            text,
            closed_at: None,
        };
        assert_eq!(case.act(&command, at(2)), Err("appeal.text"));
    }
    let appeal = case.appeal(stretch(0, 9), at(2)).expect("filed");
    case.decide(OFFICER, appeal, false).expect("decided");
    let ledger = serde_json::to_string(&case.facts).expect("written");
    assert!(!ledger.contains("网络") && !ledger.contains("日志"));
    assert_eq!(case.redress.appeals()[0].text, "当时网络断了");
}

#[test]
fn stored_redress_is_read_again_as_it_was() {
    let mut case = Case::new();
    let appeal = case.appeal(stretch(0, 9), at(2)).expect("filed");
    case.decide(OFFICER, appeal, false).expect("decided");
    case.second(SECOND, true).expect("agreed");
    let text = serde_json::to_string(&case.redress).expect("written");
    let read: Redress = serde_json::from_str(&text).expect("read");
    assert_eq!(read, case.redress);
}
