//! Small actions that a picture of a person cannot do: turning the head, opening the mouth.
//!
//! Turns in the test clips came to 0.17 and more, a flat photo tilted to 30 degrees to 0.10. One
//! that fills the picture and is tilted to 45 degrees came to 0.19: it is the face that must match
//! frontally before and after that stands against it, and a person who looks at the evidence.
//! Blinking does not separate at the rate at which key frames come, so it is not among them.

use serde::{Deserialize, Serialize};

use super::geometry::Face;
use crate::domain::entropy::Entropy;

/// Least turn against the head's own rest.
pub const TURN_MIN: f32 = 0.15;
/// Least rise of the mouth's opening against its own rest.
pub const MOUTH_RISE_MIN: f32 = 0.18;

/// What is asked; a check asks exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Turning the head to the person's own left.
    TurnLeft,
    /// Turning the head to the person's own right.
    TurnRight,
    /// Opening the mouth.
    OpenMouth,
}

impl Action {
    /// All of them.
    pub const ALL: [Action; 3] = [Action::TurnLeft, Action::TurnRight, Action::OpenMouth];

    /// One of them, each as likely as the others.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        // 255 of the 256 values of a byte fall evenly on three.
        for _ in 0..DRAWS_MAX {
            let mut byte = [0];
            entropy.fill(&mut byte);
            if byte[0] < u8::MAX {
                return Self::ALL[usize::from(byte[0] % 3)];
            }
        }
        Action::TurnLeft
    }

    /// Whether the face does it, seen from the rest that was measured before.
    pub fn is_done(self, rest: &Rest, face: &Face) -> bool {
        match self {
            Action::TurnLeft => face.yaw - rest.yaw >= TURN_MIN,
            Action::TurnRight => rest.yaw - face.yaw >= TURN_MIN,
            Action::OpenMouth => match (rest.mouth, face.mouth) {
                (Some(rest), Some(now)) => now - rest >= MOUTH_RISE_MIN,
                (_, None) | (None, _) => false,
            },
        }
    }
}

/// Drawing again ends here; one draw in 256 is drawn again.
const DRAWS_MAX: u32 = 16;

/// How a head is held when nothing is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rest {
    /// Its yaw.
    pub yaw: f32,
    /// The opening of its mouth, where it can be measured.
    pub mouth: Option<f32>,
}

impl Rest {
    /// The middle of several looks; `None` of none.
    pub fn of<'a>(faces: impl Iterator<Item = &'a Face> + Clone) -> Option<Self> {
        let yaw = middle(faces.clone().map(|face| face.yaw).collect())?;
        let mouth = middle(faces.filter_map(|face| face.mouth).collect());
        Some(Self { yaw, mouth })
    }
}

fn middle(mut values: Vec<f32>) -> Option<f32> {
    values.sort_unstable_by(f32::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::domain::face::quality::tests::good;

    fn face(yaw: f32, mouth: Option<f32>) -> Face {
        Face {
            yaw,
            mouth,
            ..good()
        }
    }

    #[test]
    fn an_action_is_done_at_its_bound_and_on_the_side_that_was_asked() {
        let rest = Rest {
            yaw: 0.05,
            mouth: Some(0.10),
        };
        let table = [
            (Action::TurnLeft, face(0.21, None), true),
            (Action::TurnLeft, face(0.19, None), false),
            (Action::TurnLeft, face(-0.30, None), false),
            (Action::TurnRight, face(-0.11, None), true),
            (Action::TurnRight, face(-0.09, None), false),
            (Action::TurnRight, face(0.30, None), false),
            (Action::OpenMouth, face(0.05, Some(0.29)), true),
            (Action::OpenMouth, face(0.05, Some(0.27)), false),
            (Action::OpenMouth, face(0.05, None), false),
            (Action::TurnLeft, face(f32::NAN, None), false),
            (Action::OpenMouth, face(0.05, Some(f32::NAN)), false),
        ];
        for (action, face, done) in table {
            assert_eq!(action.is_done(&rest, &face), done, "{action:?} {face:?}");
        }
    }

    #[test]
    fn a_tilted_photo_does_not_turn() {
        let rest = Rest {
            yaw: 0.0,
            mouth: Some(0.1),
        };
        assert!(!Action::TurnLeft.is_done(&rest, &face(0.10, None)));
        assert!(!Action::TurnRight.is_done(&rest, &face(-0.10, None)));
    }

    #[test]
    fn rest_is_the_middle_look() {
        let faces = [face(0.0, Some(0.3)), face(0.9, None), face(0.1, Some(0.1))];
        let rest = Rest::of(faces.iter()).expect("three looks");
        assert!((rest.yaw - 0.1).abs() < 1e-6);
        assert_eq!(Rest::of([].iter()), None);
    }

    #[test]
    fn each_action_is_as_likely_as_the_others() {
        let counted = Counter(Mutex::new(0));
        let mut counts = [0; 3];
        for _ in 0..255 {
            match Action::draw(&counted) {
                Action::TurnLeft => counts[0] += 1,
                Action::TurnRight => counts[1] += 1,
                Action::OpenMouth => counts[2] += 1,
            }
        }
        assert_eq!(counts, [85; 3]);
    }

    struct Counter(Mutex<u8>);

    impl Entropy for Counter {
        fn fill(&self, bytes: &mut [u8]) {
            let mut next = self.0.lock().expect("one thread");
            for byte in bytes {
                *byte = *next;
                *next = next.wrapping_add(1);
            }
        }
    }
}
