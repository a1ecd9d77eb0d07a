//! How simulated learners behave, and what the eyes would find of them. docs/simulation.md has
//! the same figures with their reasons.

use super::chance::Chance;
use crate::domain::classroom::attendance::Look;
use crate::domain::face::finding::Finding;

/// What kind of learner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Model {
    /// Sits there and answers.
    Honest,
    /// The same, over a network that is cut now and then.
    Flaky,
    /// Signs in and leaves the chair; the device goes on.
    Idle,
    /// Somebody else sits there at some time after the sign-in, and answers everything.
    Proxy,
    /// A program answers, and a looped clip of the learner is the camera.
    Scripted,
}

impl Model {
    /// The model of a learner by number: of ten four are honest, three flaky, one each the rest.
    pub(super) fn of(learner: u32) -> Self {
        match learner % 10 {
            0..=3 => Self::Honest,
            4..=6 => Self::Flaky,
            7 => Self::Idle,
            8 => Self::Proxy,
            _ => Self::Scripted,
        }
    }
}

/// Who or what is before the camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sitter {
    Learner,
    Nobody,
    SomebodyElse,
    Clip,
}

/// What the eyes find; errors of theirs included.
pub(super) fn finding(sitter: Sitter, look: &Look, chance: &Chance) -> Finding {
    match sitter {
        Sitter::Learner if look.gesture.is_some() => chance.one_of(
            &[
                (0.04, Finding::ActionMissing),
                (0.03, Finding::NotFrontal),
                (0.01, Finding::Unsure),
            ],
            Finding::Match,
        ),
        Sitter::Learner => chance.one_of(
            &[
                (0.05, Finding::NotFrontal),
                (0.01, Finding::TooDark),
                (0.01, Finding::NoFace),
                (0.01, Finding::Unsure),
            ],
            Finding::Match,
        ),
        Sitter::Nobody => chance.one_of(&[(0.1, Finding::TooDark)], Finding::NoFace),
        // One burst in two thousand is not told apart well enough to be a mismatch.
        Sitter::SomebodyElse => chance.one_of(
            &[
                (0.000_5, Finding::Unsure),
                (0.05, Finding::NotFrontal),
                (0.02, Finding::ManyFaces),
            ],
            Finding::Mismatch,
        ),
        Sitter::Clip if look.gesture.is_some() => Finding::ActionMissing,
        Sitter::Clip => chance.one_of(&[(0.2, Finding::Match)], Finding::StillPicture),
    }
}

/// When a prompt is answered, in seconds after it opened; never when none.
pub(super) fn answers_after(model: Model, sitter: Sitter, chance: &Chance) -> Option<f64> {
    match (model, sitter) {
        (_, Sitter::Nobody) => None,
        (Model::Scripted, _) => Some(chance.one_of(&[(0.05, 75.0)], 1.0)),
        (Model::Honest | Model::Flaky | Model::Idle | Model::Proxy, _) => {
            // One prompt in five hundred is missed for reasons of life.
            let missed = chance.happens(0.002);
            let slow = chance.happens(0.1);
            let delay = if slow {
                chance.between(20.0, 50.0)
            } else {
                chance.between(2.0, 15.0)
            };
            (!missed).then_some(delay)
        }
    }
}

/// Cuts of the network of a lesson: seconds from its start, and lengths. Rare and seldom long:
/// on average one and a half an hour, of 5 s to 10 min, each factor of length as likely
/// as the next.
pub(super) fn cuts(model: Model, lesson_s: f64, chance: &Chance) -> Vec<(f64, f64)> {
    let mut cuts = Vec::new();
    if model != Model::Flaky {
        return cuts;
    }
    let mut at = 0.0;
    loop {
        at += -(1.0 - chance.unit()).ln() * CUT_GAP_S;
        if at >= lesson_s {
            return cuts;
        }
        let length = 5.0 * 120.0_f64.powf(chance.unit());
        cuts.push((at, length));
        at += length + 1.0;
    }
}

/// Mean time between two cuts.
const CUT_GAP_S: f64 = 2_400.0;
