//! Rooms, participants and tracks as LiveKit's messages describe them.

use livekit_protocol as proto;

use crate::media::command::MediaKind;
use crate::media::signal::{
    Layer, LeaveReason, ParticipantKind, ParticipantState, ParticipantView, Permissions, RoomView,
    TrackSource, TrackView,
};

/// A room.
pub fn room(view: &RoomView) -> proto::Room {
    proto::Room {
        sid: view.room.sid(),
        name: view.name.clone(),
        creation_time: view.created_at.timestamp(),
        creation_time_ms: view.created_at.timestamp_millis(),
        metadata: view.metadata.clone(),
        num_participants: view.participants,
        num_publishers: view.publishers,
        active_recording: view.is_recorded,
        ..Default::default()
    }
}

/// A participant with the whole list of its tracks.
pub fn participant(view: &ParticipantView) -> proto::ParticipantInfo {
    let attributes = view
        .attributes
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()));
    proto::ParticipantInfo {
        sid: view.participant.sid(),
        identity: view.identity.clone(),
        state: state(view.state).into(),
        tracks: view.tracks.iter().map(|view| track(view, "")).collect(),
        metadata: view.metadata.clone(),
        joined_at: view.joined_at.timestamp(),
        joined_at_ms: view.joined_at.timestamp_millis(),
        name: view.name.clone(),
        version: view.version,
        permission: Some(permission(&view.permissions)),
        is_publisher: !view.tracks.is_empty(),
        kind: participant_kind(view.kind).into(),
        attributes: attributes.collect(),
        disconnect_reason: view
            .left
            .map_or(0, |reason| disconnect_reason(reason).into()),
        client_protocol: view.client.client_protocol,
        capabilities: view.client.capabilities.clone(),
        ..Default::default()
    }
}

/// A track; `cid` is the publisher's own id of it and empty for everybody else.
pub fn track(view: &TrackView, cid: &str) -> proto::TrackInfo {
    #[expect(deprecated, reason = "older clients read the old fields alone")]
    proto::TrackInfo {
        sid: view.track.sid(),
        r#type: kind(view.kind).into(),
        name: view.name.clone(),
        muted: view.muted,
        width: view.width,
        height: view.height,
        simulcast: view.simulcast,
        disable_dtx: view.dtx_disabled,
        source: source(view.source).into(),
        layers: layers(view),
        mime_type: view.mime_type.clone(),
        mid: view.mid.clone(),
        codecs: codecs(view, cid),
        stereo: view.stereo,
        disable_red: view.red_disabled,
        encryption: view.encryption,
        stream: view.stream.clone(),
        audio_features: audio_features(view),
        ..Default::default()
    }
}

/// Why somebody left.
pub fn disconnect_reason(reason: LeaveReason) -> proto::DisconnectReason {
    match reason {
        LeaveReason::ClientInitiated => proto::DisconnectReason::ClientInitiated,
        LeaveReason::DuplicateIdentity => proto::DisconnectReason::DuplicateIdentity,
        LeaveReason::Removed => proto::DisconnectReason::ParticipantRemoved,
        LeaveReason::RoomClosed => proto::DisconnectReason::RoomDeleted,
        LeaveReason::ServerShutdown => proto::DisconnectReason::ServerShutdown,
        LeaveReason::StateMismatch => proto::DisconnectReason::StateMismatch,
        LeaveReason::ConnectionLost => proto::DisconnectReason::ConnectionTimeout,
        LeaveReason::Misbehaved => proto::DisconnectReason::UnknownReason,
    }
}

fn participant_kind(kind: ParticipantKind) -> proto::participant_info::Kind {
    match kind {
        ParticipantKind::Standard => proto::participant_info::Kind::Standard,
        ParticipantKind::Ingress => proto::participant_info::Kind::Ingress,
        ParticipantKind::Egress => proto::participant_info::Kind::Egress,
        ParticipantKind::Sip => proto::participant_info::Kind::Sip,
        ParticipantKind::Agent => proto::participant_info::Kind::Agent,
        ParticipantKind::Connector => proto::participant_info::Kind::Connector,
        ParticipantKind::Bridge => proto::participant_info::Kind::Bridge,
    }
}

fn state(state: ParticipantState) -> proto::participant_info::State {
    match state {
        ParticipantState::Joined => proto::participant_info::State::Joined,
        ParticipantState::Active => proto::participant_info::State::Active,
        ParticipantState::Disconnected => proto::participant_info::State::Disconnected,
    }
}

fn permission(permissions: &Permissions) -> proto::ParticipantPermission {
    let sources = permissions.sources.iter().map(|s| source(*s).into());
    #[expect(deprecated, reason = "clients tell a recorder by the old field")]
    proto::ParticipantPermission {
        can_subscribe: permissions.subscribe,
        can_publish: permissions.publish,
        can_publish_data: permissions.publish_data,
        can_publish_sources: sources.collect(),
        hidden: permissions.hidden,
        recorder: permissions.recorder,
        can_update_metadata: permissions.update_own_metadata,
        ..Default::default()
    }
}

fn kind(kind: MediaKind) -> proto::TrackType {
    match kind {
        MediaKind::Audio => proto::TrackType::Audio,
        MediaKind::Video => proto::TrackType::Video,
    }
}

fn source(source: TrackSource) -> proto::TrackSource {
    match source {
        TrackSource::Unknown => proto::TrackSource::Unknown,
        TrackSource::Camera => proto::TrackSource::Camera,
        TrackSource::Microphone => proto::TrackSource::Microphone,
        TrackSource::ScreenShare => proto::TrackSource::ScreenShare,
        TrackSource::ScreenShareAudio => proto::TrackSource::ScreenShareAudio,
    }
}

fn layers(view: &TrackView) -> Vec<proto::VideoLayer> {
    view.layers
        .iter()
        .zip(0..)
        .map(|(each, index)| layer(each, index))
        .collect()
}

fn layer(layer: &Layer, index: i32) -> proto::VideoLayer {
    proto::VideoLayer {
        quality: i32::from(layer.quality),
        width: layer.width,
        height: layer.height,
        bitrate: layer.bitrate_bps,
        spatial_layer: index,
        rid: layer.rid.clone(),
        ..Default::default()
    }
}

fn codecs(view: &TrackView, cid: &str) -> Vec<proto::SimulcastCodecInfo> {
    use proto::video_layer::Mode;
    let mode = match view.kind {
        MediaKind::Audio => Mode::Unused,
        MediaKind::Video if view.layered => Mode::MultipleSpatialLayersPerStream,
        MediaKind::Video => Mode::OneSpatialLayerPerStream,
    };
    vec![proto::SimulcastCodecInfo {
        mime_type: view.mime_type.clone(),
        mid: view.mid.clone(),
        cid: cid.to_owned(),
        layers: layers(view),
        video_layer_mode: mode.into(),
        ..Default::default()
    }]
}

fn audio_features(view: &TrackView) -> Vec<i32> {
    let features = [
        (view.stereo, proto::AudioTrackFeature::TfStereo),
        (view.dtx_disabled, proto::AudioTrackFeature::TfNoDtx),
    ];
    features
        .iter()
        .filter(|(on, _)| *on)
        .map(|(_, feature)| (*feature).into())
        .collect()
}
