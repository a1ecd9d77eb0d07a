//! Checks by the face: silent looks, prompts, cameras, exemptions, reviews.

use proptest::prelude::*;

use super::super::*;
use super::play::*;
use crate::domain::classroom::check::{Gesture, Ruling};
use crate::domain::classroom::lesson::LessonCommand;
use crate::domain::face::finding::{Finding, Grounds};
use crate::domain::interval::Interval;

fn by_face() -> ClassroomPolicy {
    let mut figures = ClassroomPolicy::standard().figures().clone();
    figures.face_checks = true;
    ClassroomPolicy::new(figures).unwrap()
}

impl Play {
    fn see(&mut self, finding: Finding) -> Vec<AttendanceFact> {
        let look = self.attendance.look_wanted(self.now).expect("a look");
        let (check, nonce) = (look.check, &look.nonce);
        self.act(&Command::Found {
            check,
            nonce,
            finding,
            grounds: &Grounds::default(),
        })
        .unwrap()
    }

    /// Runs until a look is wanted; answers what asks for an answer.
    fn run_until_look(&mut self) -> Look {
        for _ in 0..7_200 {
            if let Some(look) = self.attendance.look_wanted(self.now) {
                return look;
            }
            self.run(1);
        }
        panic!("no look within two hours");
    }

    /// A look whose check is silent at first.
    fn run_until_silent(&mut self) -> Look {
        loop {
            let look = self.run_until_look();
            if look.silent {
                return look;
            }
            self.see(Finding::Match);
        }
    }

    /// Plays on with somebody before the camera.
    fn run_seen(&mut self, seconds: i64, finding: Finding) {
        for _ in 0..seconds {
            self.run(1);
            if self.attendance.look_wanted(self.now).is_some() {
                self.see(finding);
            }
        }
    }

    fn last(&self) -> Outcome {
        self.attendance.last_outcome().unwrap()
    }
}

fn signed_in(seed: u8) -> Play {
    let mut play = Play::new(seed, by_face(), 60);
    play.run_until_look();
    play.see(Finding::Match);
    assert!(play.attendance.is_signed_in());
    play
}

#[test]
fn a_whole_lesson_by_the_face_is_earned_and_the_seed_proves_kinds_and_gestures() {
    for seed in 1..=6 {
        let mut play = Play::new(seed, by_face(), 60);
        play.run_seen(3_600, Finding::Match);
        play.lesson(&LessonCommand::End);
        play.run_seen(120, Finding::Match);
        let credited = play.statement().credited_s;
        assert!(
            (3_560..=3_600).contains(&credited),
            "seed {seed}: {credited}"
        );
        assert_eq!(verify(&play.facts), Ok(()));
        let causes: Vec<Cause> = play.attendance.checks().iter().map(|c| c.cause).collect();
        assert_eq!(causes.first(), Some(&Cause::SignIn));
        assert_eq!(causes.last(), Some(&Cause::SignOut));
        let mut forged = play.facts.clone();
        let asked = forged.iter_mut().find_map(|fact| {
            if let AttendanceFact::CheckFound { gesture, .. } = fact {
                gesture.as_mut()
            } else {
                None
            }
        });
        if let Some(gesture) = asked {
            *gesture = match gesture {
                Gesture::TurnLeft => Gesture::TurnRight,
                Gesture::TurnRight | Gesture::OpenMouth => Gesture::TurnLeft,
            };
            let differs = verify(&forged);
            assert!(
                matches!(
                    differs,
                    Err(Mismatch::Check {
                        what: "gesture",
                        ..
                    })
                ),
                "{differs:?}"
            );
        }
    }
}

#[test]
fn a_silent_check_that_passes_is_never_shown_and_one_that_does_not_becomes_a_prompt() {
    let mut play = signed_in(3);
    let first = play.run_until_silent();
    assert!(play.attendance.open_check().is_none());
    play.see(Finding::Match);
    assert_eq!(play.last(), Outcome::Passed);
    play.run(1);
    let second = play.run_until_silent();
    assert_ne!(first.nonce, second.nonce);
    play.see(Finding::NotFrontal);
    assert!(
        play.attendance.open_check().is_none(),
        "it is looked at again"
    );
    play.see(Finding::Mismatch);
    let prompt = play.attendance.open_check().unwrap();
    assert_eq!(prompt.deadline, play.now + TimeDelta::seconds(60));
    let shown = play.attendance.look_wanted(play.now).unwrap();
    assert!(!shown.silent && shown.nonce != second.nonce);
    let stale = Command::Found {
        check: shown.check,
        nonce: &second.nonce,
        finding: Finding::Match,
        grounds: &Grounds::default(),
    };
    assert_eq!(play.act(&stale).unwrap(), Vec::new());
    play.see(Finding::Match);
    assert_eq!(play.last(), Outcome::Passed);
}

#[test]
fn three_judged_tries_each_with_a_new_nonce_fail_and_withhold_back_to_the_last_pass() {
    let mut play = signed_in(5);
    play.run_until_silent();
    play.see(Finding::Mismatch);
    let mut nonces = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let look = play.attendance.look_wanted(play.now).unwrap();
        nonces.insert(look.nonce);
        play.see(Finding::Mismatch);
    }
    assert_eq!(nonces.len(), 3);
    assert_eq!(play.last(), Outcome::FailedMismatch);
    let ladder = play.run_until_look();
    assert!(ladder.gesture.is_some(), "somebody has to do something");
    play.see(Finding::Match);
    let withheld = play.statement();
    let reasons: Vec<_> = withheld.stretches.iter().filter_map(|s| s.reason).collect();
    assert!(reasons.contains(&Reason::FaceMismatch), "{reasons:?}");
    assert_eq!(withheld.credited_s, 0);
}

#[test]
fn pictures_that_cannot_be_judged_name_what_was_wrong_only_when_the_window_ends() {
    let cases = [
        (Finding::TooDark, Outcome::FailedCovered),
        (Finding::NoFace, Outcome::FailedNoFace),
        (Finding::TooSmall, Outcome::FailedNoFace),
        (Finding::NotFrontal, Outcome::FailedNoFace),
        (Finding::NoPicture, Outcome::FailedNoFace),
        (Finding::ManyFaces, Outcome::FailedManyFaces),
        (Finding::ActionMissing, Outcome::FailedLiveness),
    ];
    for (finding, outcome) in cases {
        let mut play = signed_in(7);
        play.run_until_silent();
        play.see(finding);
        play.run(25);
        for _ in 0..2 {
            let shown = play.attendance.look_wanted(play.now).unwrap();
            assert!(!shown.silent, "{finding:?}");
            play.see(finding);
        }
        play.run(65);
        assert_eq!(play.last(), outcome, "{finding:?}");
    }
}

#[test]
fn darkness_after_somebody_else_was_seen_does_not_unsee_him() {
    let mut play = signed_in(7);
    play.run_until_silent();
    play.see(Finding::Mismatch);
    play.see(Finding::Mismatch);
    play.see(Finding::TooDark);
    play.act(&Command::LinkDown {
        stay: Some(stay(1)),
        left: false,
    })
    .unwrap();
    play.run(70);
    assert_eq!(play.last(), Outcome::FailedMismatch);
}

#[test]
fn an_unsure_finding_passes_for_now_and_asks_for_a_review() {
    for finding in [Finding::Unsure, Finding::StillPicture, Finding::Unverified] {
        let mut play = signed_in(2);
        play.run_until_silent();
        play.see(finding);
        assert_eq!(play.last(), Outcome::PassedLowAssurance);
        assert!(play.attendance.needs_review());
    }
}

#[test]
fn a_check_that_nobody_could_look_at_is_drawn_later_and_never_passes() {
    for told in [true, false] {
        let mut play = signed_in(4);
        let look = play.run_until_silent();
        let before = play.attendance.clone();
        if told {
            play.act(&Command::EyesBusy { check: look.check }).unwrap();
        } else {
            play.run(21);
        }
        assert_eq!(play.last(), Outcome::Void);
        assert_eq!(play.attendance.anchors, before.anchors);
        let again = play.run_until_look();
        assert_ne!(again.check, look.check);
        play.see(Finding::Match);
        assert_eq!(play.statement().withheld_s, 0);
    }
}

#[test]
fn lost_camera_packets_interrupt_a_check_and_a_camera_switched_off_fails_it() {
    let cases = [
        (CameraSight::Lost, Outcome::Interrupted),
        (CameraSight::Off, Outcome::FailedNoFace),
    ];
    for (sight, outcome) in cases {
        let mut play = signed_in(6);
        play.run_until_silent();
        play.act(&Command::Camera(sight)).unwrap();
        play.see(Finding::NoPicture);
        play.run(21);
        if play.attendance.open_check().is_some() {
            play.see(Finding::NoPicture);
            play.run(61);
        }
        assert_eq!(play.last(), outcome, "{sight:?}");
    }
}

#[test]
fn a_covered_camera_stops_time_and_uncovering_costs_the_dark_stretch_alone() {
    let mut play = signed_in(8);
    play.run_seen(400, Finding::Match);
    play.act(&Command::Camera(CameraSight::Covered)).unwrap();
    let clock_ms = play.attendance.clock_ms(&play.lesson, play.now);
    let (from, checks) = (play.now, play.attendance.checks().len());
    play.run(300);
    assert_eq!(play.attendance.clock_ms(&play.lesson, play.now), clock_ms);
    assert_eq!(
        play.attendance.checks().len(),
        checks,
        "none is asked in the dark"
    );
    play.act(&Command::Camera(CameraSight::Clear)).unwrap();
    let to = play.now;
    play.run_until_look();
    assert_eq!(
        play.attendance.running_check().unwrap().cause,
        Cause::Uncovered
    );
    play.see(Finding::Match);
    play.run(5);
    let lost: Vec<Span> = play
        .statement()
        .stretches
        .iter()
        .filter(|s| s.span.to <= to && s.reason.is_some_and(|reason| reason != Reason::TooShort))
        .map(|s| s.span)
        .collect();
    assert_eq!(lost, vec![Span::new(from, to)]);
}

#[test]
fn a_question_passed_by_anybody_anchors_nothing_until_a_look_follows() {
    let mut play = signed_in(1);
    let anchors = play.attendance.anchors.len();
    let question = play.bank[0].clone();
    play.run(5);
    play.act(&Command::AskNow {
        by: STAFF,
        question: Some(&question),
        round: None,
    })
    .unwrap();
    play.answer_right().unwrap();
    assert_eq!(play.attendance.anchors.len(), anchors);
    play.run_until_look();
    assert_eq!(
        play.attendance.running_check().unwrap().cause,
        Cause::Identity
    );
    play.see(Finding::Mismatch);
    assert!(play.attendance.open_check().is_some());
}

#[test]
fn whoever_says_no_is_refused_that_stretch_and_may_go_on_without_a_camera() {
    let mut play = signed_in(9);
    play.run_until_silent();
    play.see(Finding::Mismatch);
    let check = play.attendance.open_check().unwrap().id;
    play.act(&Command::Refuse { by: LEARNER, check }).unwrap();
    assert_eq!(play.last(), Outcome::Refused);
    play.run_until_look();
    play.act(&Command::Exempt { by: STAFF }).unwrap();
    assert_eq!(play.last(), Outcome::Exempt);
    play.run(3_000);
    play.lesson(&LessonCommand::End);
    play.run(120);
    assert_eq!(verify(&play.facts), Ok(()));
    assert!(play.statement().credited_s > 1_000);
    let since = play
        .attendance
        .checks()
        .iter()
        .skip_while(|c| c.outcome() != Some(Outcome::Exempt));
    assert!(since.skip(1).all(|c| !c.kind.shows_identity()));
}

#[test]
fn terms_fixed_at_the_opening_lengthen_prompts_and_free_from_cameras() {
    for (prompts, seconds) in [
        (PromptLength::Usual, 60),
        (PromptLength::Longer, 120),
        (PromptLength::Longest, 180),
    ] {
        let route = Route::CameraFree;
        let mut play = Play::on_terms(
            3,
            by_face(),
            60,
            Terms {
                prompts,
                route,
                on_demand: false,
            },
        );
        let check = play.run_until_prompt();
        assert_eq!((check.deadline - check.asked_at).num_seconds(), seconds);
        assert!(!check.kind.shows_identity());
    }
}

#[test]
fn a_ruling_stands_beside_the_outcome_and_adds_a_result() {
    let mut play = signed_in(5);
    play.run_until_silent();
    play.see(Finding::Mismatch);
    (0..3).for_each(|_| drop(play.see(Finding::Mismatch)));
    let failed = play.attendance.checks().last().unwrap().id;
    play.run_seen(3_000, Finding::Match);
    play.lesson(&LessonCommand::End);
    play.run_seen(120, Finding::Match);
    let before = play.statement();
    let rule = |ruling| Command::Rule {
        by: STAFF,
        check: failed,
        ruling,
    };
    let facts = play.act(&rule(Ruling::Overturned)).unwrap();
    assert!(matches!(facts[..], [_, AttendanceFact::Recomputed { .. }]));
    let after = play.statement();
    assert!(after.credited_s > before.credited_s, "{before:?} {after:?}");
    let check = play
        .attendance
        .checks()
        .iter()
        .find(|c| c.id == failed)
        .unwrap();
    assert_eq!(check.outcome(), Some(Outcome::FailedMismatch));
    assert_eq!(check.ruling, Some(Ruling::Overturned));
    assert_eq!(
        play.act(&rule(Ruling::Upheld)).unwrap_err().code,
        "check.ruled"
    );
}

#[test]
fn another_device_is_told_of_the_first_and_counts_only_after_a_check() {
    let mut play = Play::standard(60);
    play.run(20);
    assert_eq!(play.attendance.place_elsewhere("laptop"), Some("phone"));
    assert_eq!(play.attendance.place_elsewhere("phone"), None);
    play.answers_after_s = None;
    play.act(&Command::Enter { device: "laptop" }).unwrap();
    let taken = play.now;
    let check = play.run_until_prompt();
    assert_eq!(check.cause, Cause::Takeover);
    play.run(10);
    play.answer_right().unwrap();
    let passed = play.now;
    play.answers_after_s = Some(5);
    play.run(1_200);
    let statement = play.statement();
    let between = Span::new(taken, passed);
    assert!(
        statement
            .credited_spans()
            .iter()
            .all(|s| s.intersect(&between).is_empty())
    );
}

#[test]
fn facts_and_states_stored_before_faces_still_read_and_keep_their_rule() {
    let facts: Vec<AttendanceFact> =
        serde_json::from_str(include_str!("stored/facts.json")).unwrap();
    assert_eq!(verify(&facts), Ok(()));
    let seed = Seed::from_bytes([4; 32]);
    let mut again = Attendance::from_first(&facts[0], seed).unwrap();
    facts.iter().for_each(|fact| again.apply(fact));
    assert_eq!(again.rule_version(), 1);
    let stored: Attendance = serde_json::from_str(include_str!("stored/attendance.json")).unwrap();
    assert_eq!(
        (stored.rule_version(), stored.terms()),
        (1, Terms::default())
    );
    assert_eq!(stored.checks().len(), 2);
}

#[test]
fn outcomes_have_the_names_that_stand_in_the_ledger() {
    let names = [
        (Outcome::Passed, "passed"),
        (Outcome::PassedWrong, "wrong"),
        (Outcome::FailedWrong, "failed_wrong"),
        (Outcome::PassedLowAssurance, "passed_low_assurance"),
        (Outcome::FailedMismatch, "failed_mismatch"),
        (Outcome::FailedNoFace, "failed_no_face"),
        (Outcome::FailedManyFaces, "failed_many_faces"),
        (Outcome::FailedLiveness, "failed_liveness"),
        (Outcome::FailedCovered, "failed_covered"),
        (Outcome::Missed, "missed"),
        (Outcome::Refused, "refused"),
        (Outcome::Interrupted, "interrupted"),
        (Outcome::Exempt, "exempt"),
        (Outcome::Void, "void"),
    ];
    for (outcome, name) in names {
        assert_eq!(serde_json::to_value(outcome).unwrap(), name);
    }
}

fn any_finding() -> impl Strategy<Value = Finding> {
    prop::sample::select(vec![
        Finding::Mismatch,
        Finding::ActionMissing,
        Finding::NoFace,
        Finding::ManyFaces,
        Finding::TooDark,
        Finding::TooSmall,
        Finding::NotFrontal,
        Finding::NoPicture,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn nothing_but_a_pass_earns_and_no_prompt_comes_within_a_minute_of_another(
        seed in 1_u8..200,
        findings in prop::collection::vec(any_finding(), 1..12),
    ) {
        let mut play = signed_in(seed);
        let signed_in = play.now;
        for finding in findings.iter().cycle().take(300) {
            play.run(6);
            if play.attendance.look_wanted(play.now).is_some() {
                play.see(*finding);
            }
        }
        prop_assert_eq!(play.statement().credited_s, 0);
        let anchors = play.attendance.anchors.iter().filter(|at| **at > signed_in);
        prop_assert_eq!(anchors.count(), 0);
        let shown: Vec<&Check> = play.attendance.checks().iter().filter(|c| !c.silent).collect();
        for pair in shown.windows(2) {
            let ended = pair[0].ended.map_or(pair[0].asked_at, |ended| ended.at);
            prop_assert!(pair[1].asked_at >= ended + TimeDelta::seconds(60));
        }
    }
}
