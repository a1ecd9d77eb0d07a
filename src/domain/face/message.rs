//! What people are told during a check.

use serde::{Deserialize, Serialize};

use super::action::Action;

/// A sentence to the person before the camera; a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// Nobody is in the picture.
    NoFace,
    /// More than one face is.
    ManyFaces,
    /// Too far away.
    ComeCloser,
    /// Too little light, or a covered lens.
    TooDark,
    /// Too much light.
    TooBright,
    /// Turned away, cut off or blurred.
    LookStraight,
    /// No picture comes.
    NoPicture,
    /// The action.
    TurnLeft,
    /// The action.
    TurnRight,
    /// The action.
    OpenMouth,
    /// The same picture at different times.
    StillPicture,
    /// Staff will look.
    NotConfirmed,
}

impl Message {
    /// All of them.
    pub const ALL: [Message; 12] = [
        Message::NoFace,
        Message::ManyFaces,
        Message::ComeCloser,
        Message::TooDark,
        Message::TooBright,
        Message::LookStraight,
        Message::NoPicture,
        Message::TurnLeft,
        Message::TurnRight,
        Message::OpenMouth,
        Message::StillPicture,
        Message::NotConfirmed,
    ];

    /// What asks for an action.
    pub fn asking(action: Action) -> Self {
        match action {
            Action::TurnLeft => Message::TurnLeft,
            Action::TurnRight => Message::TurnRight,
            Action::OpenMouth => Message::OpenMouth,
        }
    }

    /// In Chinese.
    pub fn zh(self) -> &'static str {
        match self {
            Message::NoFace => "看不到您的脸，请坐到摄像头前。",
            Message::ManyFaces => "画面中有不止一张脸。",
            Message::ComeCloser => "请靠近一些。",
            Message::TooDark => "光线太暗。",
            Message::TooBright => "光线太亮。",
            Message::LookStraight => "请正对摄像头，不要遮挡面部。",
            Message::NoPicture => "没有收到画面，请检查摄像头。",
            Message::TurnLeft => "请慢慢向您的左侧转头。",
            Message::TurnRight => "请慢慢向您的右侧转头。",
            Message::OpenMouth => "请张开嘴。",
            Message::StillPicture => "画面没有变化，请检查摄像头。",
            Message::NotConfirmed => "我们未能确认是您本人。工作人员会查看画面，您可以继续。",
        }
    }

    /// In English.
    pub fn en(self) -> &'static str {
        match self {
            Message::NoFace => "We cannot see your face. Please sit in front of the camera.",
            Message::ManyFaces => "More than one face is visible.",
            Message::ComeCloser => "Please come closer.",
            Message::TooDark => "It is too dark.",
            Message::TooBright => "It is too bright.",
            Message::LookStraight => {
                "Please look straight into the camera, with nothing before your face."
            }
            Message::NoPicture => "No picture arrives. Please check your camera.",
            Message::TurnLeft => "Turn your head slowly to your left.",
            Message::TurnRight => "Turn your head slowly to your right.",
            Message::OpenMouth => "Open your mouth.",
            Message::StillPicture => "The picture does not change. Please check your camera.",
            Message::NotConfirmed => {
                "We could not confirm that it is you. A member of staff will look at the \
                 pictures; you can go on."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_message_has_a_sentence_of_its_own_in_both_languages() {
        let zh: BTreeSet<&str> = Message::ALL.into_iter().map(Message::zh).collect();
        let en: BTreeSet<&str> = Message::ALL.into_iter().map(Message::en).collect();
        assert_eq!(
            (zh.len(), en.len()),
            (Message::ALL.len(), Message::ALL.len())
        );
        assert!(zh.iter().all(|text| text.ends_with('。')));
        assert!(en.iter().all(|text| text.ends_with('.')));
    }
}
