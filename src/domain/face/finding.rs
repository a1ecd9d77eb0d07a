//! What one look at a learner's camera found; the rules of the job make an outcome of it.

use serde::{Deserialize, Serialize};

use super::template::ModelId;

/// The result of one try of a face check. A finding is evidence for a person to look at; what it
/// costs is decided elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// It is the enrolled person, and did what was asked where something was asked.
    Match,
    /// It may be the enrolled person: staff look, and the learner goes on meanwhile.
    Unsure,
    /// The picture does not change between different times: staff look.
    StillPicture,
    /// It was compared twice and is somebody else.
    Mismatch,
    /// The enrolled person is there, but did not do what was asked.
    ActionMissing,
    /// Nobody is in the picture.
    NoFace,
    /// More than one face is in the picture.
    ManyFaces,
    /// Too dark, too bright or covered: not judged.
    TooDark,
    /// Too far away: not judged.
    TooSmall,
    /// Turned away, cut off or blurred: not judged.
    NotFrontal,
    /// No picture came although the camera should send: off, or not published.
    NoPicture,
    /// Pictures were kept, but no network is there to compare them: staff look.
    Unverified,
}

/// What a finding rests on, as the ledger keeps it: which network looked, how alike the faces were,
/// and the digests of the pictures that are kept. It carries no biometrics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grounds {
    /// The network that compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
    /// The similarity of the last decision in the measure of that network, ten-thousandths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similarity_e4: Option<i32>,
    /// SHA-256 of each picture kept, lower-case hexadecimal, in the order taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<String>,
}
