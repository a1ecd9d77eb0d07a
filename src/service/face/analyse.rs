//! One look at one key frame: what a face check is told of it.

use super::picture::Picture;
use super::{Error, FaceEngine};
use crate::domain::face::check::{Analysis, Look};
use crate::domain::face::quality::frontal_face;
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
