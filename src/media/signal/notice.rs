//! What a client hears.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::{Layout, ParticipantView, RoomView, TrackView};
use crate::domain::id::{ParticipantId, TrackId};
use crate::media::command::DataChannel;
use crate::media::room::{Described, Trickled};

/// A message to a client.
#[derive(Clone, Debug)]
pub enum Notice {
    /// First of all: who and where you are.
    Joined(Box<Welcome>),
    /// First of all after a resume of the signalling.
    Resumed {
        /// Sequence number of the client's last reliable message that arrived, or 0; it sends again
        /// what comes after it.
        last_sequence: u32,
    },
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
    SessionAnswer(Described),
    /// Our own offer to a client of [`Layout::OneShot`] whose offer cannot be served; answered by
    /// [`super::Request::Answer`].
    CounterOffer(Described),
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
        /// Its number, if it is reliable: it is told until [`super::Request::SendData`] or
        /// [`super::Request::DropData`] names it, to the next session too.
        own: Option<u64>,
        /// The channel.
        channel: DataChannel,
        /// Receivers are not told who sent it, because they do not know that the sender is here.
        is_anonymous: bool,
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
    /// The socket goes without a word, as the client wished ([`super::Scenario`]).
    Cut,
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
