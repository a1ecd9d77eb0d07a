//! Whether a picture can be judged at all: the quality gate.

use super::finding::Finding;
use super::geometry::Face;
use super::message::Message;

/// A second face of this share of the first one's height makes the picture one of several people.
pub const SECOND_HEIGHT_SHARE: f32 = 0.40;
/// Surest score below which a face is not judged.
pub const SCORE_MIN: f32 = 0.80;
/// Least height of a face, pixels.
pub const HEIGHT_PX_MIN: f32 = 70.0;
/// Least mean luminance of a face, and of a picture without one, 0 to 255.
pub const LUMINANCE_MIN: f32 = 40.0;
/// Greatest mean luminance of a face, and of a picture without one, 0 to 255.
pub const LUMINANCE_MAX: f32 = 215.0;
/// Greatest turn of a head that is compared.
pub const YAW_MAX: f32 = 0.12;

/// Why a picture is not judged; it is asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// More than one face.
    ManyFaces,
    /// No face.
    NoFace,
    /// Too dark, or the lens is covered.
    TooDark,
    /// Too bright.
    TooBright,
    /// Too far away.
    TooSmall,
    /// Turned away, cut off, blurred, or partly covered.
    NotFrontal,
}

impl Fault {
    /// What a check finds that met with nothing better.
    pub fn finding(self) -> Finding {
        match self {
            Fault::ManyFaces => Finding::ManyFaces,
            Fault::NoFace => Finding::NoFace,
            Fault::TooDark | Fault::TooBright => Finding::TooDark,
            Fault::TooSmall => Finding::TooSmall,
            Fault::NotFrontal => Finding::NotFrontal,
        }
    }

    /// What the person is told meanwhile.
    pub fn message(self) -> Message {
        match self {
            Fault::ManyFaces => Message::ManyFaces,
            Fault::NoFace => Message::NoFace,
            Fault::TooDark => Message::TooDark,
            Fault::TooBright => Message::TooBright,
            Fault::TooSmall => Message::ComeCloser,
            Fault::NotFrontal => Message::LookStraight,
        }
    }
}

/// The one face of a picture that can be judged, turned or not. `luminance` is the mean of the
/// whole picture: a covered lens shows no face, and is not taken for an empty chair.
pub fn only_face(faces: &[Face], luminance: f32) -> Result<&Face, Fault> {
    let height = |face: &&Face| face.bounds.height;
    let largest = faces
        .iter()
        .max_by(|one, two| height(one).total_cmp(&height(two)));
    let Some(face) = largest else {
        return Err(lit(luminance).err().unwrap_or(Fault::NoFace));
    };
    let second = face.bounds.height * SECOND_HEIGHT_SHARE;
    let people = faces.iter().filter(|face| face.bounds.height >= second);
    if people.count() > 1 {
        return Err(Fault::ManyFaces);
    }
    lit(face.quality.luminance)?;
    // Also refuses what is not a number.
    let at_least = |value: f32, least: f32| value.is_finite() && value >= least;
    if !at_least(face.bounds.height, HEIGHT_PX_MIN) {
        return Err(Fault::TooSmall);
    }
    if !at_least(face.score, SCORE_MIN) || !face.quality.plausible {
        return Err(Fault::NotFrontal);
    }
    Ok(face)
}

/// The one face of a picture that may be compared: it looks into the camera.
pub fn frontal_face(faces: &[Face], luminance: f32) -> Result<&Face, Fault> {
    let face = only_face(faces, luminance)?;
    match face.yaw.is_finite() && face.yaw.abs() <= YAW_MAX {
        true => Ok(face),
        false => Err(Fault::NotFrontal),
    }
}

fn lit(luminance: f32) -> Result<(), Fault> {
    if !luminance.is_finite() || luminance < LUMINANCE_MIN {
        Err(Fault::TooDark)
    } else if luminance > LUMINANCE_MAX {
        Err(Fault::TooBright)
    } else {
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::face::geometry::tests::FRONTAL;
    use crate::domain::face::geometry::{FaceBox, Quality};

    /// A face that everything is right with.
    pub(crate) fn good() -> Face {
        Face {
            bounds: FaceBox {
                left: 180.0,
                top: 150.0,
                width: 140.0,
                height: 190.0,
            },
            score: 0.93,
            landmarks: FRONTAL,
            yaw: 0.0,
            mouth: Some(0.05),
            quality: Quality {
                luminance: 120.0,
                plausible: true,
            },
        }
    }

    fn with(change: impl FnOnce(&mut Face)) -> Face {
        let mut face = good();
        change(&mut face);
        face
    }

    #[test]
    fn a_face_passes_the_gate_at_its_bounds_and_not_beyond() {
        let table: &[(&str, Face, Option<Fault>)] = &[
            ("good", good(), None),
            ("score", with(|face| face.score = 0.80), None),
            (
                "unsure",
                with(|face| face.score = 0.79),
                Some(Fault::NotFrontal),
            ),
            (
                "no score",
                with(|face| face.score = f32::NAN),
                Some(Fault::NotFrontal),
            ),
            ("height", with(|face| face.bounds.height = 70.0), None),
            (
                "far",
                with(|face| face.bounds.height = 69.9),
                Some(Fault::TooSmall),
            ),
            ("dim", with(|face| face.quality.luminance = 40.0), None),
            (
                "dark",
                with(|face| face.quality.luminance = 39.9),
                Some(Fault::TooDark),
            ),
            ("light", with(|face| face.quality.luminance = 215.0), None),
            (
                "glare",
                with(|face| face.quality.luminance = 215.1),
                Some(Fault::TooBright),
            ),
            ("yaw left", with(|face| face.yaw = 0.12), None),
            ("yaw right", with(|face| face.yaw = -0.12), None),
            (
                "turned",
                with(|face| face.yaw = -0.121),
                Some(Fault::NotFrontal),
            ),
            (
                "no yaw",
                with(|face| face.yaw = f32::NAN),
                Some(Fault::NotFrontal),
            ),
            (
                "masked",
                with(|face| face.quality.plausible = false),
                Some(Fault::NotFrontal),
            ),
        ];
        for (name, face, fault) in table {
            let found = frontal_face(std::slice::from_ref(face), 120.0).err();
            assert_eq!(found, *fault, "{name}");
        }
    }

    #[test]
    fn a_second_face_of_two_fifths_of_the_height_refuses_and_a_smaller_one_does_not() {
        let smaller = |share: f32| with(|face| face.bounds.height *= share);
        let found = |share| only_face(&[smaller(share), good()], 120.0).map(|face| face.score);
        assert_eq!(found(0.40).err(), Some(Fault::ManyFaces));
        assert_eq!(found(0.39).err(), None);
    }

    #[test]
    fn a_covered_lens_is_dark_and_not_an_empty_chair() {
        assert_eq!(only_face(&[], 3.0).err(), Some(Fault::TooDark));
        assert_eq!(only_face(&[], 240.0).err(), Some(Fault::TooBright));
        assert_eq!(only_face(&[], 120.0).err(), Some(Fault::NoFace));
    }

    #[test]
    fn a_turned_head_may_be_looked_at_and_is_not_compared() {
        let turned = with(|face| face.yaw = 0.3);
        assert!(only_face(std::slice::from_ref(&turned), 120.0).is_ok());
        assert!(frontal_face(std::slice::from_ref(&turned), 120.0).is_err());
    }
}
