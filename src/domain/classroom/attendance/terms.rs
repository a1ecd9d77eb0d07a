//! What is fixed for one learner, and what the camera of a learner sends.

use serde::{Deserialize, Serialize};

use crate::domain::classroom::policy::PolicyFigures;

/// What is asked of a learner otherwise than of others; fixed when the attendance opens, but for
/// an exemption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// How long prompts stay open.
    pub prompts: PromptLength,
    /// By what the learner is known.
    pub route: Route,
    /// A film is watched alone: life is what was shown of it, to the moment, and no end is planned.
    #[serde(default)]
    pub on_demand: bool,
}

/// How long a prompt stays open for a learner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptLength {
    /// As for everybody.
    #[default]
    Usual,
    /// By the first accessibility profile.
    Longer,
    /// By the second.
    Longest,
}

impl PromptLength {
    /// The seconds of a policy.
    pub fn seconds(self, figures: &PolicyFigures) -> u32 {
        match self {
            Self::Usual => figures.prompt_s,
            Self::Longer => figures.prompt_longer_s,
            Self::Longest => figures.prompt_longest_s,
        }
    }
}

/// By what a learner is known where the policy asks for faces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    /// By the face.
    #[default]
    Camera,
    /// By the policy's alternative; nobody is worse off for it.
    CameraFree,
}

/// What the server sees of a camera that must show a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CameraSight {
    /// Pictures.
    Clear,
    /// Pictures with nothing on them.
    Covered,
    /// Switched off or not published.
    Off,
    /// Its packets stopped on the way although it should send.
    Lost,
}
