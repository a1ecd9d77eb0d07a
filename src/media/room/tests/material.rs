//! Who comes to the bench, and what they publish.

use std::collections::BTreeMap;

use super::super::*;
use crate::media::command::MediaKind;
use crate::media::signal::{AddTrack, ClientDescription, FixedProfile, Layout, ParticipantKind};

pub fn rights() -> Permissions {
    Permissions {
        publish: true,
        sources: Vec::new(),
        subscribe: true,
        publish_data: true,
        update_own_metadata: true,
        hidden: false,
        recorder: false,
    }
}

pub fn admission(identity: &str, layout: Layout) -> Admission {
    Admission {
        room: "lesson".to_owned(),
        identity: identity.to_owned(),
        name: String::new(),
        metadata: String::new(),
        attributes: BTreeMap::new(),
        fixed: FixedProfile::default(),
        policy: None,
        permissions: rights(),
        layout,
        kind: ParticipantKind::Standard,
        auto_subscribe: true,
        watches: None,
        client: ClientDescription::default(),
    }
}

pub fn track(cid: &str, source: TrackSource) -> AddTrack {
    let audio = matches!(
        source,
        TrackSource::Microphone | TrackSource::ScreenShareAudio
    );
    AddTrack {
        cid: cid.to_owned(),
        kind: if audio {
            MediaKind::Audio
        } else {
            MediaKind::Video
        },
        source,
        name: cid.to_owned(),
        width: if audio { 0 } else { 1280 },
        height: if audio { 0 } else { 720 },
        muted: false,
        codec: None,
        layers: Vec::new(),
        dtx_disabled: false,
        stereo: false,
        red_disabled: false,
        stream: "camera".to_owned(),
        encryption: 0,
    }
}

pub fn camera(cid: &str) -> AddTrack {
    track(cid, TrackSource::Camera)
}

pub fn microphone(cid: &str) -> AddTrack {
    track(cid, TrackSource::Microphone)
}
