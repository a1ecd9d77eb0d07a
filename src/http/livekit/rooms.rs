//! The methods of RoomService: LiveKit's messages to and from [`RoomAdmin`]'s words.

use bytes::Bytes;
use chrono::TimeDelta;
use livekit_protocol as proto;
use prost::Message as _;
use proto::data_packet::{Kind, Value};

use super::{inbound, view};
use crate::domain::id::TrackId;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::hub::rooms::{RoomListing, RoomWish};
use crate::media::command::DataChannel;
use crate::media::signal::Permissions;
use crate::service::call::{Claims, DataMessage, ParticipantChange, RoomAdmin};

/// Makes a room. Of what a request may ask for, tags, playout delay, egress, agents and replay are
/// not done.
pub async fn create(
    admin: &RoomAdmin,
    caller: &Claims,
    request: proto::CreateRoomRequest,
) -> Result<proto::Room, Refusal> {
    let wish = RoomWish {
        empty_timeout: seconds(request.empty_timeout),
        departure_timeout: seconds(request.departure_timeout),
        participants_max: set(usize::try_from(request.max_participants).unwrap_or(usize::MAX)),
        metadata: text(request.metadata),
    };
    let listing = admin.create(caller, &request.name, &wish).await?;
    Ok(room(&listing))
}

/// Lists rooms.
pub async fn list(
    admin: &RoomAdmin,
    caller: &Claims,
    request: proto::ListRoomsRequest,
) -> Result<proto::ListRoomsResponse, Refusal> {
    let listings = admin.list(caller, &request.names).await?;
    Ok(proto::ListRoomsResponse {
        rooms: listings.iter().map(room).collect(),
    })
}

/// Deletes a room.
pub async fn delete(
    admin: &RoomAdmin,
    caller: &Claims,
    request: proto::DeleteRoomRequest,
) -> Result<proto::DeleteRoomResponse, Refusal> {
    admin.delete(caller, &request.room).await?;
    Ok(proto::DeleteRoomResponse {})
}

/// Lists who is in a room.
pub async fn list_participants(
    admin: &RoomAdmin,
    caller: &Claims,
    request: proto::ListParticipantsRequest,
) -> Result<proto::ListParticipantsResponse, Refusal> {
    let views = admin.participants(caller, &request.room).await?;
    Ok(proto::ListParticipantsResponse {
        participants: views.iter().map(view::participant).collect(),
    })
}

/// Shows one participant.
pub async fn get_participant(
    admin: &RoomAdmin,
    caller: &Claims,
    request: proto::RoomParticipantIdentity,
) -> Result<proto::ParticipantInfo, Refusal> {
    let found = admin.participant(caller, &request.room, &request.identity);
    Ok(view::participant(&found.await?))
}

/// Puts somebody out. Their token lives on: whoever minted it decides about the next.
pub async fn remove_participant(
    admin: &RoomAdmin,
    caller: &Claims,
    request: proto::RoomParticipantIdentity,
) -> Result<proto::RemoveParticipantResponse, Refusal> {
    let removed = admin.remove(caller, &request.room, &request.identity);
    removed.await?;
    Ok(proto::RemoveParticipantResponse {})
}

/// Mutes a track.
pub async fn mute_published_track(
    admin: &RoomAdmin,
    caller: &Claims,
    request: proto::MuteRoomTrackRequest,
) -> Result<proto::MuteRoomTrackResponse, Refusal> {
    let track = track_id(&request.track_sid)?;
    let order = (track, request.muted);
    let muted = admin.mute(caller, &request.room, &request.identity, order);
    Ok(proto::MuteRoomTrackResponse {
        track: Some(view::track(&muted.await?, "")),
    })
}

/// Changes a participant's profile and rights.
pub async fn update_participant(
    admin: &RoomAdmin,
    caller: &Claims,
    request: proto::UpdateParticipantRequest,
) -> Result<proto::ParticipantInfo, Refusal> {
    let change = ParticipantChange {
        name: text(request.name),
        metadata: text(request.metadata),
        attributes: request.attributes.into_iter().collect(),
        permissions: request.permission.as_ref().map(permissions),
    };
    let changed = admin.update(caller, &request.room, &request.identity, change);
    Ok(view::participant(&changed.await?))
}

/// Subscribes a participant to tracks, or ends that.
pub async fn update_subscriptions(
    admin: &RoomAdmin,
    caller: &Claims,
    request: proto::UpdateSubscriptionsRequest,
) -> Result<proto::UpdateSubscriptionsResponse, Refusal> {
    let of_participants = request.participant_tracks.iter();
    let of_participants = of_participants.flat_map(|of| &of.track_sids);
    let sids = request.track_sids.iter().chain(of_participants);
    let tracks: Result<Vec<TrackId>, Refusal> = sids.map(|sid| track_id(sid)).collect();
    let order = (tracks?, request.subscribe);
    let done = admin.subscribe(caller, &request.room, &request.identity, order);
    done.await?;
    Ok(proto::UpdateSubscriptionsResponse {})
}

/// Sends data as the server.
pub async fn send_data(
    admin: &RoomAdmin,
    caller: &Claims,
    request: proto::SendDataRequest,
) -> Result<proto::SendDataResponse, Refusal> {
    let room = request.room.clone();
    let message = data(request);
    admin.send(caller, &room, message).await?;
    Ok(proto::SendDataResponse {})
}

/// Changes a room's metadata; empty ones are set too.
pub async fn update_room_metadata(
    admin: &RoomAdmin,
    caller: &Claims,
    request: proto::UpdateRoomMetadataRequest,
) -> Result<proto::Room, Refusal> {
    let changed = admin.set_metadata(caller, &request.room, request.metadata);
    Ok(room(&changed.await?))
}

fn room(listing: &RoomListing) -> proto::Room {
    let mut room = view::room(&listing.room);
    if let Some(plan) = &listing.plan {
        let whole = |time: TimeDelta| u32::try_from(time.num_seconds()).unwrap_or(u32::MAX);
        room.empty_timeout = whole(plan.empty_timeout);
        room.departure_timeout = whole(plan.departure_timeout);
        let max = plan.participants_max.unwrap_or(0);
        room.max_participants = u32::try_from(max).unwrap_or(u32::MAX);
    }
    room
}

#[expect(deprecated, reason = "older programs name receivers by session id")]
fn data(request: proto::SendDataRequest) -> DataMessage {
    let (kind, channel) = match request.kind() {
        Kind::Reliable => (Kind::Reliable, DataChannel::Reliable),
        Kind::Lossy => (Kind::Lossy, DataChannel::Lossy),
    };
    let mut to = request.destination_identities;
    to.extend(request.destination_sids);
    let length = request.data.len();
    let mut packet = proto::DataPacket {
        value: Some(Value::User(proto::UserPacket {
            payload: request.data,
            topic: request.topic,
            nonce: request.nonce,
            ..Default::default()
        })),
        ..Default::default()
    };
    packet.set_kind(kind);
    DataMessage {
        channel,
        to: (!to.is_empty()).then_some(to),
        length,
        payload: Bytes::from(packet.encode_to_vec()),
    }
}

/// Sources that this version does not know allow nothing; they never widen "these" to "any".
#[expect(deprecated, reason = "older programs mark recorders by the old field")]
fn permissions(permission: &proto::ParticipantPermission) -> Permissions {
    let named = permission.can_publish_sources.iter();
    let known = named.filter_map(|number| proto::TrackSource::try_from(*number).ok());
    let sources: Vec<_> = known.map(inbound::source).collect();
    let none_known = sources.is_empty() && !permission.can_publish_sources.is_empty();
    Permissions {
        publish: permission.can_publish && !none_known,
        sources,
        subscribe: permission.can_subscribe,
        publish_data: permission.can_publish_data,
        update_own_metadata: permission.can_update_metadata,
        hidden: permission.hidden,
        recorder: permission.recorder,
    }
}

/// In LiveKit's messages 0 and the empty text mean "not said".
fn set<T: Default + PartialEq>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}

fn seconds(count: u32) -> Option<TimeDelta> {
    set(count).map(|count| TimeDelta::seconds(count.into()))
}

fn text(text: String) -> Option<String> {
    set(text)
}

fn track_id(sid: &str) -> Result<TrackId, Refusal> {
    TrackId::from_sid(sid).ok_or_else(|| {
        Refusal::new(
            RefusalKind::NotFound,
            "admin.no_such_track",
            "没有这条音视频。",
            "The track does not exist.",
        )
    })
}
