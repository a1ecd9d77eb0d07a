//! The eyes: networks that find and compare faces in pictures.
//!
//! Without networks nothing can be compared, and nothing passes: there is no way from [`NoEngine`]
//! to a [`Similarity`].

pub mod analyse;
pub mod capture;
pub mod enrolment;
pub mod eyes;
pub mod manifest;
pub mod networks;
pub mod picture;
#[cfg(test)]
mod tests;

use crate::domain::face::check::Eyesight;
use crate::domain::face::geometry::Face;
use crate::domain::face::keyframe::BadFrame;
use crate::domain::face::template::{Invalid, OtherModel, Recogniser, Similarity, Template};
use picture::Picture;

/// What looks at pictures.
pub trait FaceEngine: Send + Sync {
    /// What networks there are.
    fn models(&self) -> Models<'_>;

    /// Every face in a picture.
    fn detect(&self, picture: &Picture) -> Result<Vec<Face>, Error>;

    /// A face as numbers.
    fn embed(&self, picture: &Picture, face: &Face) -> Result<Template, Error>;

    /// How alike two faces are.
    fn compare(&self, one: &Template, two: &Template) -> Result<Similarity, Error>;
}

/// The networks of an engine.
#[derive(Clone, Copy, Debug)]
pub struct Models<'a> {
    /// What they can see.
    pub eyesight: Eyesight,
    /// What makes templates.
    pub recogniser: Option<&'a Recogniser>,
}

/// Why a picture was not judged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There are no networks.
    #[error("no networks are installed")]
    NoModel,
    /// The picture is not taken.
    #[error(transparent)]
    Frame(#[from] BadFrame),
    /// The template is not of these networks.
    #[error(transparent)]
    OtherModel(#[from] OtherModel),
    /// The network gave no template.
    #[error("the network gave no template")]
    Template(#[from] Invalid),
    /// The network did not run.
    #[error("network {name} failed: {why}")]
    Network {
        /// Its name in the manifest.
        name: String,
        /// What it said.
        why: String,
    },
}

/// A server without networks.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEngine;

impl FaceEngine for NoEngine {
    fn models(&self) -> Models<'_> {
        Models {
            eyesight: Eyesight::Blind,
            recogniser: None,
        }
    }

    fn detect(&self, _: &Picture) -> Result<Vec<Face>, Error> {
        Err(Error::NoModel)
    }

    fn embed(&self, _: &Picture, _: &Face) -> Result<Template, Error> {
        Err(Error::NoModel)
    }

    fn compare(&self, _: &Template, _: &Template) -> Result<Similarity, Error> {
        Err(Error::NoModel)
    }
}
