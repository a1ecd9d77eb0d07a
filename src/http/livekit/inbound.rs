//! What a client says: LiveKit's `SignalRequest` in the room's own words.

use livekit_protocol as proto;
use prost::Message as _;
use proto::signal_request::Message;

use crate::domain::id::{ParticipantId, TrackId};
use crate::media::command::{Codec, MediaKind};
use crate::media::signal::{AddTrack, Layer, Request, Scenario, Setting, TrackSource};

/// Longest session description taken, bytes.
pub const SDP_BYTES_MAX: usize = 256 * 1024;
/// Longest id that a client gives a track, bytes.
const CID_BYTES_MAX: usize = 256;
/// Longest name of a track or a stream, bytes.
const TRACK_NAME_BYTES_MAX: usize = 256;
/// Most tracks, permissions or attributes in one message; the rest is not heard.
const LIST_MAX: usize = 4_096;
/// Most layers of a track.
const LAYERS_MAX: usize = 3;

/// A client's message, translated.
#[derive(Debug)]
pub enum Inbound {
    /// For the room.
    Request(Request),
    /// The old keep-alive, to be answered with the server's time.
    Ping,
    /// The keep-alive with the client's time, milliseconds.
    PingRequest {
        /// To be echoed.
        timestamp: i64,
    },
    /// A request for a track of a kind that is not carried.
    Unsupported(Box<proto::AddTrackRequest>),
    /// A mishap to be played to the client.
    Simulate(Simulation),
    /// Known and without effect, or from a newer protocol.
    Ignored,
    /// Breaks a bound.
    Malformed,
}

/// A mishap, and who plays it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Simulation {
    /// The room.
    Room(Scenario),
    /// The session: the socket is lost.
    LostSocket,
    /// The session: the server says good-bye, for good or for a new join.
    Farewell {
        /// For a new join.
        rejoins: bool,
    },
    /// Nobody: there is nothing here that could do so.
    NotDone,
}

/// Reads a binary frame.
pub fn from_binary(frame: &[u8]) -> Inbound {
    proto::SignalRequest::decode(frame).map_or(Inbound::Malformed, inbound)
}

/// Reads a text frame: the same message as JSON.
pub fn from_text(frame: &str) -> Inbound {
    serde_json::from_str(frame).map_or(Inbound::Malformed, inbound)
}

/// Translates one message.
#[expect(deprecated, reason = "every message is named, the old ones too")]
pub fn inbound(message: proto::SignalRequest) -> Inbound {
    let Some(message) = message.message else {
        return Inbound::Ignored;
    };
    match message {
        Message::Offer(sdp) => offer(sdp),
        Message::Answer(sdp) => description(sdp, |id, sdp| Request::Answer { id, sdp }),
        Message::AddTrack(add) => add_track(add),
        Message::Mute(mute) => of_track(&mute.sid, |track| Request::Mute {
            track,
            muted: mute.muted,
        }),
        Message::Subscription(update) => Inbound::Request(subscribe(update)),
        Message::TrackSetting(setting) => Inbound::Request(track_setting(&setting)),
        Message::SubscriptionPermission(permission) => {
            Inbound::Request(subscription_permission(permission))
        }
        Message::UpdateMetadata(update) => Inbound::Request(update_metadata(update)),
        Message::SyncState(state) => Inbound::Request(sync(&state)),
        Message::Leave(_) => Inbound::Request(Request::Leave),
        Message::Simulate(wish) => Inbound::Simulate(simulation(wish)),
        Message::Ping(_) => Inbound::Ping,
        Message::PingReq(ping) => Inbound::PingRequest {
            timestamp: ping.timestamp,
        },
        // The server is ICE-lite and learns addresses from binding requests, so candidates of
        // clients tell it nothing. The rest has no effect here.
        Message::Trickle(_)
        | Message::UpdateLayers(_)
        | Message::UpdateAudioTrack(_)
        | Message::UpdateVideoTrack(_)
        | Message::PublishDataTrackRequest(_)
        | Message::UnpublishDataTrackRequest(_)
        | Message::UpdateDataSubscription(_)
        | Message::StoreDataBlobRequest(_)
        | Message::GetDataBlobRequest(_) => Inbound::Ignored,
    }
}

/// Translates an offer of the publisher connection.
pub fn offer(description_: proto::SessionDescription) -> Inbound {
    description(description_, |id, sdp| Request::Offer { id, sdp })
}

/// Translates a request to publish.
pub fn add_track(add: proto::AddTrackRequest) -> Inbound {
    let names = [&add.name, &add.stream];
    let long = names.iter().any(|name| name.len() > TRACK_NAME_BYTES_MAX);
    if long || add.cid.is_empty() || add.cid.len() > CID_BYTES_MAX {
        return Inbound::Malformed;
    }
    let kind = match add.r#type() {
        proto::TrackType::Audio => MediaKind::Audio,
        proto::TrackType::Video => MediaKind::Video,
        proto::TrackType::Data => return Inbound::Unsupported(Box::new(add)),
    };
    // A second codec for an existing track.
    if !add.sid.is_empty() {
        return Inbound::Unsupported(Box::new(add));
    }
    let layers = layers(&add);
    let feature = |feature: proto::AudioTrackFeature| add.audio_features().any(|f| f == feature);
    #[expect(deprecated, reason = "older clients say these in the old fields alone")]
    let (dtx_disabled, stereo) = (add.disable_dtx, add.stereo);
    Inbound::Request(Request::AddTrack(AddTrack {
        kind,
        source: source(add.source()),
        width: add.width,
        height: add.height,
        muted: add.muted,
        layers,
        codec: codec(&add),
        dtx_disabled: dtx_disabled || feature(proto::AudioTrackFeature::TfNoDtx),
        stereo: stereo || feature(proto::AudioTrackFeature::TfStereo),
        red_disabled: add.disable_red,
        encryption: add.encryption,
        cid: add.cid,
        name: add.name,
        stream: add.stream,
    }))
}

/// Translates what a resumed client believes.
pub fn sync(state: &proto::SyncState) -> Request {
    let tracks = state
        .publish_tracks
        .iter()
        .filter_map(|published| published.track.as_ref());
    let published = tracks
        .take(LIST_MAX)
        .filter_map(|track| TrackId::from_sid(&track.sid));
    let received = state.datachannel_receive_states.iter().take(LIST_MAX);
    let received = received.filter_map(|of| {
        let sender = ParticipantId::from_sid(&of.publisher_sid)?;
        Some((sender, of.last_seq))
    });
    Request::Sync {
        published: published.collect(),
        received: received.collect(),
    }
}

fn description(
    description: proto::SessionDescription,
    request: fn(u32, String) -> Request,
) -> Inbound {
    if description.sdp.len() > SDP_BYTES_MAX {
        return Inbound::Malformed;
    }
    Inbound::Request(request(description.id, description.sdp))
}

fn of_track(sid: &str, request: impl FnOnce(TrackId) -> Request) -> Inbound {
    match TrackId::from_sid(sid) {
        Some(track) => Inbound::Request(request(track)),
        None => Inbound::Ignored,
    }
}

/// The first of the codecs that are named; the others are a backup.
fn codec(add: &proto::AddTrackRequest) -> Option<Codec> {
    let name = add.simulcast_codecs.first()?.codec.to_ascii_lowercase();
    match name.rsplit('/').next()? {
        "vp8" => Some(Codec::Vp8),
        "h264" => Some(Codec::H264),
        "vp9" => Some(Codec::Vp9),
        "av1" => Some(Codec::Av1),
        _ => None,
    }
}

/// Announced layers, lowest first; the newer place wins over the older one.
fn layers(add: &proto::AddTrackRequest) -> Vec<Layer> {
    let newer = add.simulcast_codecs.first().map(|codec| &codec.layers);
    let announced = newer
        .filter(|layers| !layers.is_empty())
        .unwrap_or(&add.layers);
    let carried = announced
        .iter()
        .filter(|l| l.quality() != proto::VideoQuality::Off);
    let mut layers: Vec<Layer> = carried.take(LAYERS_MAX).map(layer).collect();
    layers.sort_by_key(|layer| (layer.quality, layer.width));
    layers
}

fn layer(layer: &proto::VideoLayer) -> Layer {
    let rid = if layer.rid.len() <= 16 {
        layer.rid.clone()
    } else {
        String::new()
    };
    Layer {
        quality: quality(layer.quality()),
        width: layer.width,
        height: layer.height,
        bitrate_bps: layer.bitrate,
        rid,
    }
}

fn quality(quality: proto::VideoQuality) -> u8 {
    match quality {
        proto::VideoQuality::Low | proto::VideoQuality::Off => 0,
        proto::VideoQuality::Medium => 1,
        proto::VideoQuality::High => 2,
    }
}

/// What a track shows.
pub fn source(source: proto::TrackSource) -> TrackSource {
    match source {
        proto::TrackSource::Unknown => TrackSource::Unknown,
        proto::TrackSource::Camera => TrackSource::Camera,
        proto::TrackSource::Microphone => TrackSource::Microphone,
        proto::TrackSource::ScreenShare => TrackSource::ScreenShare,
        proto::TrackSource::ScreenShareAudio => TrackSource::ScreenShareAudio,
    }
}

fn tracks<'a>(sids: impl Iterator<Item = &'a String>) -> Vec<TrackId> {
    sids.take(LIST_MAX)
        .filter_map(|sid| TrackId::from_sid(sid))
        .collect()
}

fn subscribe(update: proto::UpdateSubscription) -> Request {
    let of_participants = update
        .participant_tracks
        .iter()
        .flat_map(|of| &of.track_sids);
    Request::Subscribe {
        tracks: tracks(update.track_sids.iter().chain(of_participants)),
        subscribe: update.subscribe,
    }
}

fn track_setting(setting: &proto::UpdateTrackSettings) -> Request {
    let off = setting.quality() == proto::VideoQuality::Off;
    Request::TrackSetting {
        tracks: tracks(setting.track_sids.iter()),
        setting: Setting {
            disabled: setting.disabled || off,
            shown: Some((setting.width, setting.height, quality(setting.quality()))),
            frames_per_second: u8::try_from(setting.fps).unwrap_or(u8::MAX),
            priority: u8::try_from(setting.priority).unwrap_or(u8::MAX),
        },
    }
}

fn subscription_permission(permission: proto::SubscriptionPermission) -> Request {
    let named = permission.track_permissions.into_iter().take(LIST_MAX);
    let allowed = named.filter_map(|of| {
        let listed = tracks(of.track_sids.iter());
        // An empty list would mean all tracks.
        if listed.is_empty() && !of.all_tracks {
            return None;
        }
        let listed = if of.all_tracks { Vec::new() } else { listed };
        let by_identity = !of.participant_identity.is_empty();
        let whom = if by_identity {
            of.participant_identity
        } else {
            of.participant_sid
        };
        Some((whom, listed))
    });
    Request::SubscriptionPermission {
        all: permission.all_participants,
        allowed: allowed.collect(),
    }
}

fn simulation(wish: proto::SimulateScenario) -> Simulation {
    use proto::simulate_scenario::Scenario as Wish;
    match wish.scenario {
        Some(Wish::SpeakerUpdate(seconds)) => {
            let seconds = u32::try_from(seconds).unwrap_or(0);
            Simulation::Room(Scenario::Speech { seconds })
        }
        Some(Wish::NodeFailure(_)) => Simulation::Room(Scenario::Vanish),
        // There is no other node to go to: the client comes back to this one.
        Some(Wish::Migration(_)) => Simulation::LostSocket,
        Some(Wish::ServerLeave(_)) => Simulation::Farewell { rejoins: false },
        Some(Wish::LeaveRequestFullReconnect(_)) => Simulation::Farewell { rejoins: true },
        Some(Wish::DisconnectSignalOnResume(_)) => {
            Simulation::Room(Scenario::CutOnResume { silently: false })
        }
        Some(Wish::DisconnectSignalOnResumeNoMessages(_)) => {
            Simulation::Room(Scenario::CutOnResume { silently: true })
        }
        Some(Wish::SwitchCandidateProtocol(_) | Wish::SubscriberBandwidth(_)) | None => {
            Simulation::NotDone
        }
    }
}

fn update_metadata(update: proto::UpdateParticipantMetadata) -> Request {
    Request::UpdateMetadata {
        request_id: update.request_id,
        metadata: update.metadata,
        name: update.name,
        attributes: update.attributes.into_iter().take(LIST_MAX).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(message: Message) -> Inbound {
        inbound(proto::SignalRequest {
            message: Some(message),
        })
    }

    fn track() -> TrackId {
        TrackId(uuid::Uuid::from_u128(7))
    }

    fn video_track() -> proto::AddTrackRequest {
        proto::AddTrackRequest {
            cid: "c".to_owned(),
            r#type: proto::TrackType::Video.into(),
            source: proto::TrackSource::ScreenShare.into(),
            ..Default::default()
        }
    }

    fn video_layer(quality: proto::VideoQuality, rid: &str) -> proto::VideoLayer {
        proto::VideoLayer {
            quality: quality.into(),
            rid: rid.to_owned(),
            ..Default::default()
        }
    }

    fn added(add: proto::AddTrackRequest) -> AddTrack {
        let inbound = add_track(add);
        let Inbound::Request(Request::AddTrack(add)) = inbound else {
            panic!("a track was due, not {inbound:?}");
        };
        add
    }

    #[test]
    fn layers_are_ordered_by_quality_whatever_order_the_client_lists_them_in() {
        let codec = proto::SimulcastCodec {
            layers: vec![
                video_layer(proto::VideoQuality::Medium, "h"),
                video_layer(proto::VideoQuality::Low, "q"),
            ],
            ..Default::default()
        };
        let add = added(proto::AddTrackRequest {
            simulcast_codecs: vec![codec],
            ..video_track()
        });
        let rids: Vec<&str> = add.layers.iter().map(|layer| layer.rid.as_str()).collect();
        assert_eq!(rids, ["q", "h"]);
        assert_eq!(add.source, TrackSource::ScreenShare);
    }

    #[test]
    fn the_first_codec_is_the_one_that_the_client_means_to_send() {
        for (name, expected) in [
            ("vp9", Some(Codec::Vp9)),
            ("video/AV1", Some(Codec::Av1)),
            ("h264", Some(Codec::H264)),
            ("h265", None),
            ("", None),
        ] {
            let named = [name, "vp8"].map(|codec| proto::SimulcastCodec {
                codec: codec.to_owned(),
                ..Default::default()
            });
            let add = added(proto::AddTrackRequest {
                simulcast_codecs: named.to_vec(),
                ..video_track()
            });
            assert_eq!(add.codec, expected, "{name}");
        }
    }

    #[test]
    fn audio_features_are_read_from_old_and_new_fields() {
        let add = added(proto::AddTrackRequest {
            cid: "c".to_owned(),
            audio_features: vec![proto::AudioTrackFeature::TfNoDtx.into()],
            ..Default::default()
        });
        assert!(add.dtx_disabled && !add.stereo);
        #[expect(deprecated, reason = "the old field is what is tested")]
        let old = proto::AddTrackRequest {
            cid: "c".to_owned(),
            stereo: true,
            ..Default::default()
        };
        assert!(added(old).stereo);
    }

    #[test]
    fn oversized_descriptions_and_nameless_tracks_are_malformed() {
        let sdp = "x".repeat(SDP_BYTES_MAX + 1);
        let long = proto::SessionDescription {
            sdp,
            ..Default::default()
        };
        assert!(matches!(request(Message::Offer(long)), Inbound::Malformed));
        let nameless = proto::AddTrackRequest {
            cid: String::new(),
            ..video_track()
        };
        assert!(matches!(add_track(nameless), Inbound::Malformed));
    }

    #[test]
    fn a_permission_for_no_track_does_not_become_one_for_all() {
        let permission = |all_tracks, sids: Vec<String>| proto::TrackPermission {
            participant_identity: "ann".to_owned(),
            all_tracks,
            track_sids: sids,
            ..Default::default()
        };
        let translated = subscription_permission(proto::SubscriptionPermission {
            all_participants: false,
            track_permissions: vec![
                permission(false, Vec::new()),
                permission(false, vec!["nonsense".to_owned()]),
                permission(true, Vec::new()),
                permission(false, vec![track().sid()]),
            ],
        });
        let Request::SubscriptionPermission { allowed, .. } = translated else {
            panic!("a permission was due, not {translated:?}");
        };
        let ann = "ann".to_owned();
        assert_eq!(allowed, [(ann.clone(), Vec::new()), (ann, vec![track()])]);
    }

    #[test]
    fn tracks_of_all_lists_are_subscribed_and_unknown_sids_left_out() {
        let translated = request(Message::Subscription(proto::UpdateSubscription {
            track_sids: vec!["TR_x".to_owned(), track().sid()],
            subscribe: true,
            participant_tracks: vec![proto::ParticipantTracks {
                participant_sid: String::new(),
                track_sids: vec![track().sid()],
            }],
        }));
        let Inbound::Request(Request::Subscribe { tracks, subscribe }) = translated else {
            panic!("a subscription was due, not {translated:?}");
        };
        assert!(subscribe);
        assert_eq!(tracks, [track(), track()]);
    }

    #[test]
    fn mishaps_are_played_by_the_room_or_the_session_or_by_nobody() {
        use proto::simulate_scenario::Scenario as Wish;
        let speech = Scenario::Speech { seconds: 0 };
        let silent_cut = Scenario::CutOnResume { silently: true };
        let wishes = [
            (Wish::SpeakerUpdate(-1), Simulation::Room(speech)),
            (Wish::NodeFailure(true), Simulation::Room(Scenario::Vanish)),
            (Wish::Migration(true), Simulation::LostSocket),
            (
                Wish::DisconnectSignalOnResumeNoMessages(true),
                Simulation::Room(silent_cut),
            ),
            (Wish::SubscriberBandwidth(1), Simulation::NotDone),
        ];
        for (wish, expected) in wishes {
            let scenario = Some(wish);
            let read = request(Message::Simulate(proto::SimulateScenario { scenario }));
            assert!(matches!(read, Inbound::Simulate(found) if found == expected));
        }
    }

    #[test]
    fn a_resumed_client_says_what_it_published_and_received() {
        let sender = ParticipantId(uuid::Uuid::from_u128(3));
        let state = |publisher_sid: String, last_seq| proto::DataChannelReceiveState {
            publisher_sid,
            last_seq,
        };
        let translated = sync(&proto::SyncState {
            datachannel_receive_states: vec![state(sender.sid(), 9), state("x".to_owned(), 1)],
            ..Default::default()
        });
        let Request::Sync { received, .. } = translated else {
            panic!("a state was due, not {translated:?}");
        };
        assert_eq!(received, [(sender, 9)]);
    }

    #[test]
    fn messages_of_a_newer_protocol_are_ignored() {
        assert!(matches!(
            inbound(proto::SignalRequest::default()),
            Inbound::Ignored
        ));
    }
}
