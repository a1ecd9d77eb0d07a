//! Rooms, participants and tracks as others see them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{ClientDescription, Layer, LeaveReason, ParticipantKind, Permissions, TrackSource};
use crate::domain::id::{ParticipantId, RoomId, TrackId};
use crate::media::command::MediaKind;

/// A room as participants see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomView {
    /// Its id.
    pub room: RoomId,
    /// Its name.
    pub name: String,
    /// Free text of the application.
    pub metadata: String,
    /// When it opened.
    pub created_at: DateTime<Utc>,
    /// Participants that are shown, without those who serve them
    /// ([`super::Admission::is_servant`]).
    pub participants: u32,
    /// Participants that publish.
    pub publishers: u32,
    /// Somebody here records, perhaps hidden.
    pub is_recorded: bool,
}

/// Where a participant is in its stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParticipantState {
    /// Signalling is up.
    Joined,
    /// Media is up.
    Active,
    /// Gone.
    Disconnected,
}

/// A participant as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParticipantView {
    /// Its id.
    pub participant: ParticipantId,
    /// Its identity.
    pub identity: String,
    /// Its name.
    pub name: String,
    /// Free text of the application.
    pub metadata: String,
    /// Keys and values of the application.
    pub attributes: BTreeMap<String, String>,
    /// Where it is.
    pub state: ParticipantState,
    /// Grows with every change.
    pub version: u32,
    /// When it joined.
    pub joined_at: DateTime<Utc>,
    /// Its rights.
    pub permissions: Permissions,
    /// All its tracks.
    pub tracks: Vec<TrackView>,
    /// What its client says of itself.
    pub client: ClientDescription,
    /// What it is.
    pub kind: ParticipantKind,
    /// Why it left, once it did.
    pub left: Option<LeaveReason>,
}

/// A track as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackView {
    /// Its id.
    pub track: TrackId,
    /// Audio or video.
    pub kind: MediaKind,
    /// What it shows.
    pub source: TrackSource,
    /// Name.
    pub name: String,
    /// Muted.
    pub muted: bool,
    /// Largest layer, pixels.
    pub width: u32,
    /// Largest layer, pixels.
    pub height: u32,
    /// More than one encoding.
    pub simulcast: bool,
    /// One stream carries all layers.
    pub layered: bool,
    /// `audio/opus`, `audio/red`, `video/VP8`, `video/H264`, `video/VP9`, `video/AV1`; empty until
    /// negotiated.
    pub mime_type: String,
    /// Media section at the publisher.
    pub mid: String,
    /// Layers.
    pub layers: Vec<Layer>,
    /// Name of the stream group.
    pub stream: String,
    /// Audio without discontinuous transmission.
    pub dtx_disabled: bool,
    /// Stereo audio.
    pub stereo: bool,
    /// Audio without redundancy.
    pub red_disabled: bool,
    /// LiveKit encryption type number.
    pub encryption: i32,
}
