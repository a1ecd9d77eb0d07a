//! One look at one key frame: what a face check is told of it.

use super::picture::Picture;
use super::{Error, FaceEngine};
use crate::domain::face::check::{Analysis, Look};
use crate::domain::face::quality::{Fault, frontal_face};
use crate::domain::face::template::Template;

/// Looks at a VP8 key frame, and compares the one frontal face with the template, if there is one.
pub fn key_frame(
    engine: &dyn FaceEngine,
    template: &Template,
    frame: &[u8],
) -> Result<Analysis, Error> {
    match Picture::of_key_frame(frame) {
        Ok(picture) => analyse(engine, template, &picture),
        Err(_) => Ok(Analysis::Unreadable),
    }
}

/// The same of a picture.
pub fn analyse(
    engine: &dyn FaceEngine,
    template: &Template,
    picture: &Picture,
) -> Result<Analysis, Error> {
    let faces = engine.detect(picture)?;
    let luminance = picture.luminance(None);
    let similarity = match frontal_face(&faces, luminance) {
        Ok(face) => match engine.compare(template, &engine.embed(picture, face)?) {
            Ok(similarity) => Some(similarity),
            Err(Error::OtherModel(_)) => return Ok(Analysis::Incomparable),
            Err(error) => return Err(error),
        },
        Err(_) => None,
    };
    Ok(Analysis::Seen(Look {
        faces,
        luminance,
        hash: picture.hash(),
        similarity,
    }))
}

/// What one key frame is worth for an enrolment.
#[derive(Debug)]
pub enum Portrait {
    /// One frontal face.
    Face {
        /// The detector's score.
        score: f32,
        /// The face as numbers.
        template: Template,
    },
    /// It cannot be used.
    Fault(Fault),
}

/// Looks at a VP8 key frame for an enrolment; `None` of one that cannot be decoded.
pub fn portrait(engine: &dyn FaceEngine, frame: &[u8]) -> Result<Option<Portrait>, Error> {
    let Ok(picture) = Picture::of_key_frame(frame) else {
        return Ok(None);
    };
    let faces = engine.detect(&picture)?;
    Ok(Some(match frontal_face(&faces, picture.luminance(None)) {
        Ok(face) => Portrait::Face {
            score: face.score,
            template: engine.embed(&picture, face)?,
        },
        Err(fault) => Portrait::Fault(fault),
    }))
}
