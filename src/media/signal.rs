//! What a participant's client asks of a room ([`Request`]) and hears from it ([`Notice`]).
//!
//! This is the room half's own language. `http::livekit` translates LiveKit's protobuf messages to
//! and from it, `service::call` WHIP and WHEP.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::command::{DataChannel, MediaKind};
use super::room::{Policy, Trickled};
use crate::domain::id::{ParticipantId, RoomId, TrackId};

/// How a client's connections are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One connection; the client always offers (LiveKit `/rtc/v1`).
    Single,
    /// A publisher connection offered by the client and a subscriber connection offered by us
    /// (LiveKit `/rtc`).
    Dual,
    /// One connection that the client offers once, by plain HTTP (WHIP, WHEP): no description
    /// follows the answer, and the client hears nothing but answers to its own requests.
    OneShot,
}

/// What a participant is, for others' clients to show it by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParticipantKind {
    /// Somebody at a client.
    #[default]
    Standard,
    /// A device that publishes and does not watch (WHIP).
    Ingress,
    /// A player that watches and does not publish (WHEP).
    Egress,
}

/// One of a client's connections. Only in [`Layout::Dual`] there is more than `Publisher`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Connection {
    /// The client offers.
    Publisher,
    /// We offer.
    Subscriber,
}

/// Who comes in, with what rights; made by `service` from a token and the domain's rules.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Name of the room.
    pub room: String,
    /// Stable name of the participant within the room; a second one replaces the first.
    pub identity: String,
    /// Name that people see; may be empty.
    pub name: String,
    /// Free text of the application.
    pub metadata: String,
    /// Keys and values of the application.
    pub attributes: BTreeMap<String, String>,
    /// What of the profile only the domain changes.
    pub fixed: FixedProfile,
    /// By what policy the room begins when this participant opens it; everybody's without one.
    pub policy: Option<Arc<dyn Policy>>,
    /// What the participant may do.
    pub permissions: Permissions,
    /// Layout of its connections.
    pub layout: Layout,
    /// As what it comes.
    pub kind: ParticipantKind,
    /// Subscribe to everything at once.
    pub auto_subscribe: bool,
    /// The one identity to which the automatic subscription is confined.
    pub watches: Option<String>,
    /// What the client says of itself.
    pub client: ClientDescription,
}

/// What of a participant's profile only the domain changes, whatever its permissions say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FixedProfile {
    /// Name and metadata.
    pub name_and_metadata: bool,
    /// Keys of attributes, whether or not they have a value at present.
    pub attributes: BTreeSet<String>,
}

/// What a client says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientDescription {
    /// LiveKit signalling protocol version.
    pub protocol: i32,
    /// LiveKit client protocol version, mirrored to others.
    pub client_protocol: i32,
    /// LiveKit capability numbers, mirrored to others.
    pub capabilities: Vec<i32>,
    /// Needs a stream id of its own for every received track (Firefox); others get one stream id
    /// for what belongs together, which is what keeps lips and voice in step.
    pub streams_apart: bool,
}

/// What a participant may do. A domain rule made these; no client message widens them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// May publish; and only from `sources` when that is not empty.
    pub publish: bool,
    /// Sources it may publish; empty means any.
    pub sources: Vec<TrackSource>,
    /// May subscribe.
    pub subscribe: bool,
    /// May send data messages.
    pub publish_data: bool,
    /// May change its own name, metadata and attributes.
    pub update_own_metadata: bool,
    /// Not shown to others.
    pub hidden: bool,
    /// Records.
    pub recorder: bool,
}

impl Permissions {
    /// Whether they let a track of this source be published; who is hidden publishes nothing.
    pub fn may_publish(&self, source: TrackSource) -> bool {
        let listed = self.sources.is_empty() || self.sources.contains(&source);
        self.publish && listed && !self.hidden
    }
}

/// What a track shows, LiveKit's closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrackSource {
    /// Not said.
    Unknown,
    /// Camera.
    Camera,
    /// Microphone.
    Microphone,
    /// Screen.
    ScreenShare,
    /// Sound of the screen.
    ScreenShareAudio,
}

/// A message from a client.
#[derive(Clone, Debug)]
pub enum Request {
    /// Wants to publish a track; answered by [`Notice::TrackPublished`] or
    /// [`Notice::RequestRefused`].
    AddTrack(AddTrack),
    /// Session description of a connection that the client offers; `id` is echoed.
    Offer {
        /// Client's number of the offer.
        id: u32,
        /// RFC 8866 text, at most 256 KiB.
        sdp: String,
    },
    /// Answer to our offer on the subscriber connection.
    Answer {
        /// Number of our offer, or 0 where the client does not number.
        id: u32,
        /// RFC 8866 text, at most 256 KiB.
        sdp: String,
    },
    /// Mutes or unmutes an own track.
    Mute {
        /// The track.
        track: TrackId,
        /// True mutes.
        muted: bool,
    },
    /// Subscribes to or leaves tracks.
    Subscribe {
        /// The tracks.
        tracks: Vec<TrackId>,
        /// True subscribes.
        subscribe: bool,
    },
    /// Says how tracks are shown (adaptive stream).
    TrackSetting {
        /// The tracks.
        tracks: Vec<TrackId>,
        /// How they are shown.
        setting: Setting,
    },
    /// Says who may subscribe to the own tracks.
    SubscriptionPermission {
        /// Everybody may.
        all: bool,
        /// Otherwise these: identity or participant id, and the tracks (empty: all).
        allowed: Vec<(String, Vec<TrackId>)>,
    },
    /// Changes own name, metadata, attributes (an empty value deletes a key).
    UpdateMetadata {
        /// Echoed in [`Notice::RequestDone`] or [`Notice::RequestRefused`].
        request_id: u32,
        /// New metadata, if not empty.
        metadata: String,
        /// New name, if not empty.
        name: String,
        /// Changed attributes.
        attributes: BTreeMap<String, String>,
    },
    /// Sends data to others; `payload` is already in its final form, with the sender overwritten.
    SendData {
        /// Reliable or lossy.
        channel: DataChannel,
        /// Identities that get it; empty means everybody else.
        to: Vec<String>,
        /// The message.
        payload: Bytes,
    },
    /// The client resumed its signalling and says what it believes (LiveKit `sync_state`).
    Sync {
        /// Tracks it believes to have published.
        published: Vec<TrackId>,
    },
    /// What a client of [`Layout::OneShot`] says of its ICE after its offer: candidates, or new
    /// credentials; answered by [`Notice::Trickled`].
    Trickle {
        /// The tag that it was told last; `None` stands for whichever is in force.
        tag: Option<String>,
        /// RFC 8840 text.
        fragment: String,
    },
    /// Leaves.
    Leave,
}

/// What a client wants to publish.
#[derive(Clone, Debug)]
pub struct AddTrack {
    /// The client's own id of the track, matched with `a=msid`; at most 256 bytes.
    pub cid: String,
    /// Audio or video.
    pub kind: MediaKind,
    /// What it shows.
    pub source: TrackSource,
    /// Name that the application gives it.
    pub name: String,
    /// Largest layer, pixels.
    pub width: u32,
    /// Largest layer, pixels.
    pub height: u32,
    /// Begins muted.
    pub muted: bool,
    /// Layers as the client announces them, lowest first.
    pub layers: Vec<Layer>,
    /// Audio without discontinuous transmission.
    pub dtx_disabled: bool,
    /// Stereo audio.
    pub stereo: bool,
    /// Audio without redundancy.
    pub red_disabled: bool,
    /// Name of the stream group.
    pub stream: String,
    /// LiveKit encryption type number, mirrored to others.
    pub encryption: i32,
}

/// One announced layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// LiveKit quality: 0 low, 1 medium, 2 high.
    pub quality: u8,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Bits per second.
    pub bitrate_bps: u32,
    /// Restriction id, if the client named it.
    pub rid: String,
}

/// How a client shows a track of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Not at all at present.
    pub disabled: bool,
    /// Width and height, pixels (0 is not said), and wanted quality, 0 lowest, which counts when no
    /// size is said; `None` means the best.
    pub shown: Option<(u32, u32, u8)>,
    /// Higher ones come first when not all fit; 0 leaves it to the kind of track.
    pub priority: u8,
}

/// A message to a client.
#[derive(Clone, Debug)]
pub enum Notice {
    /// First of all: who and where you are.
    Joined(Box<Welcome>),
    /// First of all after a resume of the signalling.
    Resumed,
    /// Answer to the client's offer.
    Answer {
        /// The offer's number.
        id: u32,
        /// Our description.
        sdp: String,
        /// The whole map of media section to track of others.
        mid_to_track: BTreeMap<String, TrackId>,
    },
    /// Answer to the one offer of a client of [`Layout::OneShot`].
    SessionAnswer {
        /// Our description.
        sdp: String,
        /// Names the ICE session; changes when ICE restarts.
        tag: String,
    },
    /// Answer to [`Request::Trickle`].
    Trickled(Trickled),
    /// Our offer on the subscriber connection.
    Offer {
        /// Our number, from 1.
        id: u32,
        /// Our description.
        sdp: String,
        /// The whole map of media section to track of others.
        mid_to_track: BTreeMap<String, TrackId>,
    },
    /// Please offer again, with so many more receiving sections (both 0 is meant).
    MediaSections {
        /// Missing audio sections.
        audios: u32,
        /// Missing video sections.
        videos: u32,
    },
    /// A track may be published now.
    TrackPublished {
        /// The client's id of it.
        cid: String,
        /// How others see it.
        track: TrackView,
    },
    /// A track was taken away by the server.
    TrackUnpublished {
        /// The track.
        track: TrackId,
    },
    /// The server muted a track.
    Muted {
        /// The track.
        track: TrackId,
        /// True mutes.
        muted: bool,
    },
    /// Participants that changed, oneself among them; each with the whole list of its tracks. What
    /// many observers are told is shared by them.
    Participants(Vec<Arc<ParticipantView>>),
    /// Changes of who speaks.
    Speakers(Vec<Speaker>),
    /// Quality of connections.
    Quality(Vec<ConnectionQuality>),
    /// A track is held back because the way to the client is too narrow, or goes on.
    StreamHeld {
        /// Publisher.
        participant: ParticipantId,
        /// The track.
        track: TrackId,
        /// True holds it back.
        held: bool,
    },
    /// Which layers of an own track anybody receives: the others need not be sent.
    LayersWanted {
        /// The track.
        track: TrackId,
        /// LiveKit quality of each layer, and whether it is wanted.
        layers: Vec<(u8, bool)>,
        /// The codec's name in lower case.
        codec: &'static str,
    },
    /// Somebody subscribed to an own track for the first time.
    TrackSubscribed {
        /// The track.
        track: TrackId,
    },
    /// A subscription could not be made.
    SubscriptionFailed {
        /// The track.
        track: TrackId,
    },
    /// A publisher allowed or forbade a subscription.
    SubscriptionAllowed {
        /// Publisher.
        participant: ParticipantId,
        /// The track.
        track: TrackId,
        /// True allows.
        allowed: bool,
    },
    /// The room's own data changed.
    RoomChanged(RoomView),
    /// Data from the own data channel, for the session to address and send on.
    OwnData {
        /// The channel.
        channel: DataChannel,
        /// The message as the client sent it.
        payload: Bytes,
    },
    /// A request was done.
    RequestDone {
        /// Its number.
        request_id: u32,
    },
    /// A request was refused.
    RequestRefused {
        /// Its number, or 0.
        request_id: u32,
        /// Why.
        reason: RequestRefusal,
        /// For a refused [`Request::AddTrack`]: its cid.
        cid: Option<String>,
    },
    /// The stay is over; the socket closes after this.
    Left(LeaveReason),
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestRefusal {
    /// The permissions say no.
    NotAllowed,
    /// A bound is reached.
    LimitExceeded,
    /// No such thing.
    NotFound,
    /// Not a kind we carry.
    UnsupportedType,
    /// It cannot be read.
    Malformed,
}

/// Why a stay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// The client left.
    ClientInitiated,
    /// The same identity joined again.
    DuplicateIdentity,
    /// Removed by somebody who may.
    Removed,
    /// The room was closed.
    RoomClosed,
    /// The server stops.
    ServerShutdown,
    /// The client's and our state differ: join anew.
    StateMismatch,
    /// It never connected, or its connection is lost for good: join anew.
    ConnectionLost,
    /// It sends what it must not, or does not read.
    Misbehaved,
}

/// What a participant hears first.
#[derive(Clone, Debug)]
pub struct Welcome {
    /// The room.
    pub room: RoomView,
    /// Oneself.
    pub own: ParticipantView,
    /// Everybody else whom one may see.
    pub others: Vec<ParticipantView>,
    /// Layout that was admitted.
    pub layout: Layout,
}

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
    /// Participants that are shown.
    pub participants: u32,
    /// Participants that publish.
    pub publishers: u32,
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
    /// `audio/opus`, `audio/red`, `video/VP8`, `video/H264`; empty until negotiated.
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

/// A change of who speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speaker {
    /// Who.
    pub participant: ParticipantId,
    /// 0 to 1.
    pub level: f32,
    /// Speaks now.
    pub active: bool,
}

/// Quality of one connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConnectionQuality {
    /// Whose.
    pub participant: ParticipantId,
    /// Which.
    pub grade: QualityGrade,
    /// 0 to 5.
    pub score: f32,
}

/// Grades of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QualityGrade {
    /// Bad enough to notice.
    Poor,
    /// Fair.
    Good,
    /// Nothing to complain about.
    Excellent,
    /// Nothing arrives.
    Lost,
}
