//! Face checks with scripted eyes, and time by hand.

use chrono::DateTime;
use proptest::prelude::*;

use super::*;
use crate::domain::face::geometry::Face;
use crate::domain::face::quality::tests::good;
use crate::domain::face::template::tests::at;

const STEP: TimeDelta = TimeDelta::milliseconds(100);

/// A person of this distance from the template who does nothing.
fn person(distance: f32) -> Analysis {
    seen(good(), Some(at(distance)))
}

fn seen(face: Face, similarity: Option<Similarity>) -> Analysis {
    look(vec![face], similarity)
}

fn look(faces: Vec<Face>, similarity: Option<Similarity>) -> Analysis {
    Analysis::Seen(Look {
        faces,
        luminance: 120.0,
        hash: PictureHash([0x5a; 32]),
        similarity,
    })
}

fn turned(yaw: f32) -> Analysis {
    seen(Face { yaw, ..good() }, None)
}

fn plan(action: Option<Action>) -> Plan {
    Plan {
        action,
        eyes: Eyesight::Contours,
        prompted: true,
        earlier: Vec::new(),
    }
}

/// What a check did, with the milliseconds at which it did it.
#[derive(Debug, Default)]
struct Told {
    outputs: Vec<(i64, Output)>,
}

impl Told {
    fn findings(&self) -> Vec<Finding> {
        let of = |output: &Output| match output {
            Output::Finish(finding) => Some(*finding),
            Output::RequestKeyFrame
            | Output::Analyse(_)
            | Output::Forget(_)
            | Output::Show(_)
            | Output::StoreEvidence(_)
            | Output::Postpone => None,
        };
        self.outputs
            .iter()
            .filter_map(|(_, output)| of(output))
            .collect()
    }

    fn has(&self, wanted: Output) -> bool {
        self.outputs.iter().any(|(_, output)| *output == wanted)
    }

    fn times(&self, wanted: Output) -> Vec<i64> {
        let found = self.outputs.iter().filter(|(_, output)| *output == wanted);
        found.map(|(at, _)| *at).collect()
    }
}

/// Runs a check against a camera that answers each request at once; `eyes` says what is seen at
/// that millisecond, or `None` if no key frame comes.
fn run(plan: Plan, mut eyes: impl FnMut(i64) -> Option<Analysis>) -> Told {
    let mut check = FaceCheck::new(plan).expect("the networks can do it");
    let start = DateTime::UNIX_EPOCH;
    let mut told = Told::default();
    let mut now = start;
    let mut inputs = VecDeque::from([Input::Start]);
    while !check.is_over() {
        check.handle(inputs.pop_front().unwrap_or(Input::Tick), now);
        let ms = (now - start).num_milliseconds();
        while let Some(output) = check.poll_output() {
            told.outputs.push((ms, output));
            match output {
                Output::RequestKeyFrame => {
                    if let Some(analysis) = eyes(ms) {
                        inputs.push_back(Input::KeyFrame);
                        let frame = FrameNumber(check.frames);
                        inputs.push_back(Input::Analysed { frame, analysis });
                    }
                }
                Output::Analyse(_)
                | Output::Forget(_)
                | Output::Show(_)
                | Output::StoreEvidence(_)
                | Output::Finish(_)
                | Output::Postpone => {}
            }
        }
        if inputs.is_empty() {
            now = check.next_deadline().unwrap_or(now + STEP).max(now);
        }
        assert!(ms <= 40_000, "a check that does not end: {told:?}");
    }
    told
}

#[test]
fn the_enrolled_person_passes_after_one_burst_of_four_seconds() {
    let told = run(plan(None), |_| Some(person(0.3)));
    assert_eq!(told.findings(), [Finding::Match]);
    assert_eq!(told.times(Output::Finish(Finding::Match)), [4_000]);
    let requests = told.times(Output::RequestKeyFrame);
    assert_eq!(requests, (0..8).map(|n| n * 500).collect::<Vec<_>>());
    assert!(told.has(Output::StoreEvidence(FrameNumber(0))));
}

#[test]
fn somebody_else_is_recorded_after_a_second_burst_only() {
    let told = run(plan(None), |_| Some(person(0.9)));
    assert_eq!(told.findings(), [Finding::Mismatch]);
    assert_eq!(told.times(Output::Finish(Finding::Mismatch)), [8_000]);
    assert!(told.has(Output::Show(Some(Message::NotConfirmed))));
}

#[test]
fn two_bursts_that_disagree_go_to_staff() {
    let told = run(plan(None), |ms| {
        Some(person(if ms < 4_000 { 0.9 } else { 0.3 }))
    });
    assert_eq!(told.findings(), [Finding::Unsure]);
}

#[test]
fn an_unsure_likeness_goes_to_staff() {
    let told = run(plan(None), |_| Some(person(0.55)));
    assert_eq!(told.findings(), [Finding::Unsure]);
}

#[test]
fn what_cannot_be_judged_is_named_and_said() {
    let with = |change: &dyn Fn(&mut Face)| {
        let mut face = good();
        change(&mut face);
        seen(face, None)
    };
    let table = [
        (look(vec![], None), Finding::NoFace, Message::NoFace),
        (
            look(vec![good(), good()], None),
            Finding::ManyFaces,
            Message::ManyFaces,
        ),
        (
            with(&|face| face.quality.luminance = 20.0),
            Finding::TooDark,
            Message::TooDark,
        ),
        (
            with(&|face| face.quality.luminance = 230.0),
            Finding::TooDark,
            Message::TooBright,
        ),
        (
            with(&|face| face.bounds.height = 50.0),
            Finding::TooSmall,
            Message::ComeCloser,
        ),
        (
            with(&|face| face.yaw = 0.4),
            Finding::NotFrontal,
            Message::LookStraight,
        ),
    ];
    for (analysis, finding, message) in table {
        let told = run(plan(None), |_| Some(analysis.clone()));
        assert_eq!(told.findings(), [finding]);
        assert_eq!(told.times(Output::Finish(finding)), [6_000], "{finding:?}");
        assert_eq!(told.times(Output::Show(Some(message))), [0], "{finding:?}");
    }
}

#[test]
fn a_silent_check_says_nothing() {
    let silent = Plan {
        prompted: false,
        ..plan(None)
    };
    let told = run(silent, |_| Some(look(vec![], None)));
    assert_eq!(told.findings(), [Finding::NoFace]);
    let shown = told
        .outputs
        .iter()
        .any(|(_, output)| matches!(output, Output::Show(_)));
    assert!(!shown);
}

#[test]
fn a_camera_that_sends_nothing_is_no_picture() {
    let told = run(plan(None), |_| None);
    assert_eq!(told.findings(), [Finding::NoPicture]);
    let unreadable = run(plan(None), |_| Some(Analysis::Unreadable));
    assert_eq!(unreadable.findings(), [Finding::NoPicture]);
}

#[test]
fn without_networks_a_picture_is_kept_for_staff_and_nothing_passes() {
    for action in [None, Some(Action::TurnLeft)] {
        let blind = Plan {
            eyes: Eyesight::Blind,
            ..plan(action)
        };
        let told = run(blind, |_| Some(person(0.0)));
        assert_eq!(told.findings(), [Finding::Unverified]);
        assert!(told.has(Output::StoreEvidence(FrameNumber(0))));
    }
}

#[test]
fn a_template_of_another_network_is_kept_for_staff() {
    let told = run(plan(None), |_| Some(Analysis::Incomparable));
    assert_eq!(told.findings(), [Finding::Unverified]);
    assert!(told.has(Output::StoreEvidence(FrameNumber(0))));
}

#[test]
fn actions_are_refused_without_landmarks_and_plain_checks_go_on() {
    let faces = |action| Plan {
        eyes: Eyesight::Faces,
        ..plan(action)
    };
    for action in Action::ALL {
        assert_eq!(
            FaceCheck::new(faces(Some(action))).err(),
            Some(ActionUnavailable)
        );
    }
    let told = run(faces(None), |_| Some(person(0.3)));
    assert_eq!(told.findings(), [Finding::Match]);
}

#[test]
fn busy_networks_put_a_check_off_and_never_pass_it() {
    let told = run(plan(None), |_| Some(Analysis::Busy));
    assert!(told.findings().is_empty());
    assert!(told.has(Output::Postpone));
    let after_two = run(plan(None), |ms| {
        Some(if ms < 1_000 {
            person(0.1)
        } else {
            Analysis::Busy
        })
    });
    assert!(after_two.findings().is_empty());
    assert!(after_two.has(Output::Postpone));
}

#[test]
fn an_action_passes_between_two_bursts_of_the_person() {
    let mouth = |open| {
        let mouth = Some(open);
        seen(Face { mouth, ..good() }, Some(at(0.3)))
    };
    let table = [
        (Action::TurnLeft, turned(0.2)),
        (Action::TurnRight, turned(-0.2)),
        (Action::OpenMouth, mouth(0.4)),
    ];
    for (action, doing) in table {
        let told = run(plan(Some(action)), |ms| {
            let now = (5_000..5_400).contains(&ms);
            Some(if now { doing.clone() } else { person(0.3) })
        });
        assert_eq!(told.findings(), [Finding::Match], "{action:?}");
        let asked = Output::Show(Some(Message::asking(action)));
        assert_eq!(told.times(asked), [4_000], "{action:?}");
        assert_eq!(
            told.times(Output::Finish(Finding::Match)),
            [9_000],
            "{action:?}"
        );
    }
}

#[test]
fn the_wrong_side_and_a_late_turn_are_no_action() {
    let wrong = run(plan(Some(Action::TurnLeft)), |ms| {
        Some(if ms == 5_000 {
            turned(-0.4)
        } else {
            person(0.3)
        })
    });
    assert_eq!(wrong.findings(), [Finding::ActionMissing]);
    let late = run(plan(Some(Action::TurnLeft)), |ms| {
        Some(if ms >= 10_000 {
            turned(0.4)
        } else {
            person(0.3)
        })
    });
    assert_eq!(late.findings(), [Finding::ActionMissing]);
    assert_eq!(late.times(Output::Finish(Finding::ActionMissing)), [10_000]);
}

#[test]
fn an_action_before_or_after_which_somebody_else_sits_there_does_not_pass() {
    let acting = |ms: i64, before: f32, after: f32| {
        Some(match ms {
            0..5_000 => person(before),
            5_000 => turned(0.4),
            _ => person(after),
        })
    };
    let before = run(plan(Some(Action::TurnLeft)), |ms| acting(ms, 0.9, 0.1));
    assert_ne!(before.findings(), [Finding::Match]);
    let after = run(plan(Some(Action::TurnLeft)), |ms| acting(ms, 0.1, 0.9));
    assert_eq!(after.findings(), [Finding::Mismatch]);
    let unsure = run(plan(Some(Action::TurnLeft)), |ms| acting(ms, 0.1, 0.55));
    assert_eq!(unsure.findings(), [Finding::Unsure]);
}

#[test]
fn a_picture_of_an_earlier_time_goes_to_staff_and_is_no_failure() {
    let mut near = [0x5a; 32];
    near[0] ^= 0b1111;
    let replayed = Plan {
        earlier: vec![PictureHash(near)],
        ..plan(None)
    };
    let told = run(replayed, |_| Some(person(0.3)));
    assert_eq!(told.findings(), [Finding::StillPicture]);
    assert!(told.has(Output::Show(Some(Message::StillPicture))));
}

#[test]
fn a_learner_who_left_has_no_finding() {
    let mut check = FaceCheck::new(plan(None)).expect("networks");
    check.handle(Input::Start, DateTime::UNIX_EPOCH);
    check.handle(Input::Left, DateTime::UNIX_EPOCH + STEP);
    let outputs: Vec<Output> = std::iter::from_fn(|| check.poll_output()).collect();
    assert_eq!(outputs, [Output::RequestKeyFrame]);
    assert!(check.is_over());
    assert_eq!(check.next_deadline(), None);
}

#[test]
fn an_analysis_that_never_comes_ends_a_check_all_the_same() {
    let mut check = FaceCheck::new(plan(None)).expect("networks");
    let mut now = DateTime::UNIX_EPOCH;
    check.handle(Input::Start, now);
    check.handle(Input::KeyFrame, now);
    while let Some(deadline) = check.next_deadline() {
        now = deadline;
        check.handle(Input::Tick, now);
    }
    assert_eq!((now - DateTime::UNIX_EPOCH).num_seconds(), 8);
    let last = std::iter::from_fn(|| check.poll_output()).last();
    assert_eq!(last, Some(Output::Finish(Finding::NoPicture)));
}

/// Any analysis at all.
fn anything() -> impl Strategy<Value = Option<Analysis>> {
    let face = (
        0.5_f32..1.0,
        40.0_f32..200.0,
        20.0_f32..230.0,
        -0.3_f32..0.3,
    )
        .prop_map(|(score, height, luminance, yaw)| {
            let mut face = Face {
                score,
                yaw,
                ..good()
            };
            face.bounds.height = height;
            face.quality.luminance = luminance;
            face
        });
    let similarity = prop::option::of((0.0_f32..1.0).prop_map(at));
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(Analysis::Busy)),
        1 => Just(Some(Analysis::Unreadable)),
        1 => Just(Some(look(vec![], None))),
        4 => (face, similarity).prop_map(|(face, similarity)| Some(seen(face, similarity))),
        6 => (0.0_f32..1.0).prop_map(|distance| Some(person(distance))),
    ]
}

proptest! {
    #[test]
    fn whatever_is_seen_a_check_ends_once_and_keeps_or_forgets_each_picture_once(
        script in prop::collection::vec(anything(), 1..80),
        action in prop::option::of(prop::sample::select(Action::ALL.to_vec())),
    ) {
        let mut next = script.iter().cycle();
        let told = run(plan(action), |_| next.next().cloned().flatten());
        let ends = told.findings().len() + usize::from(told.has(Output::Postpone));
        prop_assert_eq!(ends, 1);
        for number in 0..100 {
            let frame = FrameNumber(number);
            let forgotten = told.times(Output::Forget(frame)).len();
            let kept = told.times(Output::StoreEvidence(frame)).len();
            prop_assert!(forgotten + kept <= 1);
        }
    }

    #[test]
    fn nobody_but_the_person_passes(
        distances in prop::collection::vec(0.501_f32..1.5, 20),
        action in prop::option::of(prop::sample::select(Action::ALL.to_vec())),
    ) {
        let told = run(plan(action), |ms| Some(person(distances[(ms / 500) as usize % 20])));
        prop_assert!(!told.findings().contains(&Finding::Match));
    }
}
