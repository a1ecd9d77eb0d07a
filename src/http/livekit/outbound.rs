//! What a client hears: the room's notices as LiveKit's `SignalResponse`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use livekit_protocol as proto;
use proto::signal_response::Message;

use super::view;
use crate::domain::id::{ParticipantId, TrackId};
use crate::media::signal::{
    ConnectionQuality, Layout, LeaveReason, Notice, ParticipantView, QualityGrade, RequestRefusal,
    Speaker, TrackView, Welcome,
};
use crate::service::call::IceServer;

/// Seconds between a client's pings.
pub const PING_INTERVAL_SECONDS: i32 = 5;
/// A client gives up when it hears nothing for so long, seconds.
pub const PING_TIMEOUT_SECONDS: i32 = 15;
/// Newest signalling protocol that the server speaks.
const PROTOCOL: i32 = 17;
/// The server generation whose behaviour clients may expect; they call no remote procedures below
/// 1.8.0. It says nothing about this product's own version, which `GET /api/server` tells.
const SPOKEN_VERSION: &str = "1.10.0";
/// Codecs that a client may publish before its track is confirmed.
const PUBLISH_CODECS: [&str; 6] = [
    "video/VP8",
    "video/H264",
    "video/VP9",
    "video/AV1",
    "audio/opus",
    "audio/red",
];

/// Translates a notice; `None` for what a client of LiveKit's signalling is not told. A beginning
/// also names `ice_servers`.
pub fn outbound(notice: Notice, ice_servers: impl FnOnce() -> Vec<IceServer>) -> Option<Message> {
    Some(match notice {
        Notice::Joined(welcome) => Message::Join(join(&welcome, ice_servers())),
        Notice::Resumed { last_sequence } => {
            Message::Reconnect(reconnect(last_sequence, ice_servers()))
        }
        Notice::Answer {
            id,
            sdp,
            mid_to_track,
        } => Message::Answer(description("answer", id, sdp, &mid_to_track)),
        Notice::Offer {
            id,
            sdp,
            mid_to_track,
        } => Message::Offer(description("offer", id, sdp, &mid_to_track)),
        Notice::MediaSections { audios, videos } => sections(audios, videos),
        Notice::TrackPublished { cid, track } => published(cid, &track),
        Notice::TrackUnpublished { track } => unpublished(track),
        Notice::Muted { track, muted } => Message::Mute(proto::MuteTrackRequest {
            sid: track.sid(),
            muted,
        }),
        Notice::Participants(views) => update(&views),
        Notice::Speakers(speakers) => Message::SpeakersChanged(proto::SpeakersChanged {
            speakers: speakers.iter().map(speaker).collect(),
        }),
        Notice::Quality(updates) => Message::ConnectionQuality(proto::ConnectionQualityUpdate {
            updates: updates.iter().map(quality).collect(),
        }),
        Notice::StreamHeld {
            participant,
            track,
            held,
        } => stream_state(participant, track, held),
        Notice::LayersWanted {
            track,
            layers,
            codec,
        } => subscribed_quality(track, &layers, codec),
        Notice::TrackSubscribed { track } => Message::TrackSubscribed(proto::TrackSubscribed {
            track_sid: track.sid(),
        }),
        Notice::SubscriptionFailed { track } => subscription_failed(track),
        Notice::SubscriptionAllowed {
            participant,
            track,
            allowed,
        } => subscription_allowed(participant, track, allowed),
        Notice::RoomChanged(room) => Message::RoomUpdate(proto::RoomUpdate {
            room: Some(view::room(&room)),
        }),
        // The first two are for the session itself, the others for clients without signalling.
        Notice::OwnData { .. }
        | Notice::Cut
        | Notice::SessionAnswer(_)
        | Notice::CounterOffer(_)
        | Notice::Trickled(_) => return None,
        Notice::RequestDone { request_id } => done(request_id),
        Notice::RequestRefused {
            request_id,
            reason,
            cid,
        } => refused(request_id, reason, cid),
        Notice::Left(reason) => Message::Leave(leave(reason)),
    })
}

/// The farewell before a socket closes; without one, clients would try to resume.
pub fn leave(reason: LeaveReason) -> proto::LeaveRequest {
    use proto::leave_request::Action;
    let action = match reason {
        LeaveReason::ClientInitiated
        | LeaveReason::DuplicateIdentity
        | LeaveReason::Removed
        | LeaveReason::RoomClosed
        | LeaveReason::Misbehaved => Action::Disconnect,
        LeaveReason::ServerShutdown | LeaveReason::StateMismatch | LeaveReason::ConnectionLost => {
            Action::Reconnect
        }
    };
    proto::LeaveRequest {
        can_reconnect: action == Action::Reconnect,
        reason: view::disconnect_reason(reason).into(),
        action: action.into(),
        regions: None,
    }
}

/// A farewell that a client asked for.
pub fn simulated_leave(rejoins: bool) -> proto::LeaveRequest {
    use proto::leave_request::Action;
    let action = if rejoins {
        Action::Reconnect
    } else {
        Action::Disconnect
    };
    proto::LeaveRequest {
        can_reconnect: rejoins,
        reason: proto::DisconnectReason::ServerShutdown.into(),
        action: action.into(),
        regions: None,
    }
}

/// The answer to the old keep-alive.
pub fn pong(now_millis: i64) -> Message {
    Message::Pong(now_millis)
}

/// The answer to the keep-alive that carries the client's time.
pub fn pong_response(timestamp: i64, now_millis: i64) -> Message {
    Message::PongResp(proto::Pong {
        last_ping_timestamp: timestamp,
        timestamp: now_millis,
    })
}

/// The refusal of a track whose kind is not carried.
pub fn unsupported(add: proto::AddTrackRequest) -> Message {
    use proto::request_response::{Reason, Request};
    Message::RequestResponse(proto::RequestResponse {
        request_id: 0,
        reason: Reason::UnsupportedType.into(),
        message: "tracks of this kind are not carried".to_owned(),
        request: Some(Request::AddTrack(add)),
    })
}

fn join(welcome: &Welcome, ice_servers: Vec<IceServer>) -> proto::JoinResponse {
    let permissions = &welcome.own.permissions;
    proto::JoinResponse {
        room: Some(view::room(&welcome.room)),
        participant: Some(view::participant(&welcome.own)),
        other_participants: welcome.others.iter().map(view::participant).collect(),
        server_version: SPOKEN_VERSION.to_owned(),
        ice_servers: ice_servers.into_iter().map(ice_server).collect(),
        subscriber_primary: welcome.layout == Layout::Dual && permissions.subscribe,
        ping_timeout: PING_TIMEOUT_SECONDS,
        ping_interval: PING_INTERVAL_SECONDS,
        server_info: Some(server_info()),
        enabled_publish_codecs: PUBLISH_CODECS.map(codec).to_vec(),
        fast_publish: permissions.publish,
        ..Default::default()
    }
}

fn reconnect(last_message_seq: u32, ice_servers: Vec<IceServer>) -> proto::ReconnectResponse {
    proto::ReconnectResponse {
        last_message_seq,
        ice_servers: ice_servers.into_iter().map(ice_server).collect(),
        server_info: Some(server_info()),
        ..Default::default()
    }
}

fn ice_server(server: IceServer) -> proto::IceServer {
    proto::IceServer {
        urls: server.urls,
        username: server.username,
        credential: server.credential,
    }
}

/// Clients refuse a server whose version is empty, and switch features on by it.
fn server_info() -> proto::ServerInfo {
    proto::ServerInfo {
        edition: proto::server_info::Edition::Standard.into(),
        version: SPOKEN_VERSION.to_owned(),
        protocol: PROTOCOL,
        ..Default::default()
    }
}

fn codec(mime: &str) -> proto::Codec {
    proto::Codec {
        mime: mime.to_owned(),
        fmtp_line: String::new(),
    }
}

fn description(
    kind: &str,
    id: u32,
    sdp: String,
    mid_to_track: &BTreeMap<String, TrackId>,
) -> proto::SessionDescription {
    let tracks = mid_to_track
        .iter()
        .map(|(mid, track)| (mid.clone(), track.sid()));
    proto::SessionDescription {
        r#type: kind.to_owned(),
        sdp,
        id,
        mid_to_track_id: tracks.collect::<HashMap<_, _>>(),
    }
}

fn speaker(speaker: &Speaker) -> proto::SpeakerInfo {
    proto::SpeakerInfo {
        sid: speaker.participant.sid(),
        level: speaker.level,
        active: speaker.active,
    }
}

fn sections(num_audios: u32, num_videos: u32) -> Message {
    Message::MediaSectionsRequirement(proto::MediaSectionsRequirement {
        num_audios,
        num_videos,
    })
}

fn published(cid: String, track: &TrackView) -> Message {
    Message::TrackPublished(proto::TrackPublishedResponse {
        track: Some(view::track(track, &cid)),
        cid,
    })
}

fn unpublished(track: TrackId) -> Message {
    Message::TrackUnpublished(proto::TrackUnpublishedResponse {
        track_sid: track.sid(),
    })
}

/// Participants that changed.
pub fn update(views: &[Arc<ParticipantView>]) -> Message {
    Message::Update(proto::ParticipantUpdate {
        participants: views.iter().map(|view| view::participant(view)).collect(),
    })
}

fn stream_state(participant: ParticipantId, track: TrackId, held: bool) -> Message {
    let state = match held {
        true => proto::StreamState::Paused,
        false => proto::StreamState::Active,
    };
    Message::StreamStateUpdate(proto::StreamStateUpdate {
        stream_states: vec![proto::StreamStateInfo {
            participant_sid: participant.sid(),
            track_sid: track.sid(),
            state: state.into(),
        }],
    })
}

fn subscribed_quality(track: TrackId, layers: &[(u8, bool)], codec: &str) -> Message {
    let quality = |(quality, enabled): &(u8, bool)| proto::SubscribedQuality {
        quality: i32::from(*quality),
        enabled: *enabled,
    };
    let qualities: Vec<proto::SubscribedQuality> = layers.iter().map(quality).collect();
    Message::SubscribedQualityUpdate(proto::SubscribedQualityUpdate {
        track_sid: track.sid(),
        subscribed_codecs: vec![proto::SubscribedCodec {
            codec: codec.to_owned(),
            qualities: qualities.clone(),
        }],
        // Older clients read this one.
        #[expect(deprecated, reason = "older clients read it")]
        subscribed_qualities: qualities,
    })
}

fn quality(quality: &ConnectionQuality) -> proto::ConnectionQualityInfo {
    let grade = match quality.grade {
        QualityGrade::Poor => proto::ConnectionQuality::Poor,
        QualityGrade::Good => proto::ConnectionQuality::Good,
        QualityGrade::Excellent => proto::ConnectionQuality::Excellent,
        QualityGrade::Lost => proto::ConnectionQuality::Lost,
    };
    proto::ConnectionQualityInfo {
        participant_sid: quality.participant.sid(),
        quality: grade.into(),
        score: quality.score,
    }
}

fn subscription_allowed(participant: ParticipantId, track: TrackId, allowed: bool) -> Message {
    Message::SubscriptionPermissionUpdate(proto::SubscriptionPermissionUpdate {
        participant_sid: participant.sid(),
        track_sid: track.sid(),
        allowed,
    })
}

fn subscription_failed(track: TrackId) -> Message {
    Message::SubscriptionResponse(proto::SubscriptionResponse {
        track_sid: track.sid(),
        err: proto::SubscriptionError::SeTrackNotfound.into(),
    })
}

fn done(request_id: u32) -> Message {
    Message::RequestResponse(proto::RequestResponse {
        request_id,
        reason: proto::request_response::Reason::Ok.into(),
        ..Default::default()
    })
}

fn refused(request_id: u32, reason: RequestRefusal, cid: Option<String>) -> Message {
    use proto::request_response::{Reason, Request};
    let (reason, message) = match reason {
        RequestRefusal::NotAllowed => (Reason::NotAllowed, "not allowed"),
        RequestRefusal::LimitExceeded => (Reason::LimitExceeded, "limit exceeded"),
        RequestRefusal::NotFound => (Reason::NotFound, "not found"),
        RequestRefusal::UnsupportedType => (Reason::UnsupportedType, "type not supported"),
        RequestRefusal::Malformed => (Reason::UnsupportedType, "cannot be read"),
    };
    let request = cid.map(|cid| {
        Request::AddTrack(proto::AddTrackRequest {
            cid,
            ..Default::default()
        })
    });
    Message::RequestResponse(proto::RequestResponse {
        request_id,
        reason: reason.into(),
        message: message.to_owned(),
        request,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::leave_request::Action;

    #[test]
    fn only_reasons_that_a_new_join_can_mend_ask_for_one() {
        let actions = [
            (LeaveReason::DuplicateIdentity, Action::Disconnect),
            (LeaveReason::Removed, Action::Disconnect),
            (LeaveReason::StateMismatch, Action::Reconnect),
            (LeaveReason::ServerShutdown, Action::Reconnect),
        ];
        for (reason, action) in actions {
            let leave = leave(reason);
            assert_eq!(leave.action(), action, "{reason:?}");
            assert_eq!(leave.can_reconnect, action == Action::Reconnect);
        }
    }

    #[test]
    fn a_refused_track_is_named_by_the_clients_own_id() {
        let notice = Notice::RequestRefused {
            request_id: 0,
            reason: RequestRefusal::NotAllowed,
            cid: Some("c".to_owned()),
        };
        match outbound(notice, Vec::new) {
            Some(Message::RequestResponse(response)) => match response.request {
                Some(proto::request_response::Request::AddTrack(add)) => assert_eq!(add.cid, "c"),
                other => panic!("the refused request was due, not {other:?}"),
            },
            other => panic!("a response was due, not {other:?}"),
        }
    }
}
