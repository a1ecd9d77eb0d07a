//! A room: participants, tracks, subscriptions and who may do what, as one state machine.

mod announce;
mod config;
mod control;
mod data;
mod demand;
mod link;
mod machine;
mod member;
mod oneshot;
mod policy;
mod presence;
mod publishing;
mod reliable;
mod sections;
mod simulate;
mod speakers;
mod stay;
mod subscribing;
mod tapping;
#[cfg(test)]
mod tests;
mod timers;
mod track;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};

pub use self::config::{LiveIds, RoomConfig, RoomLimits};
pub use self::machine::Room;
pub use self::oneshot::{Described, Trickled};
pub use self::policy::{Audience, Everybody, Policy, UntilCrowded};
use super::command::{Command, DataChannel, Event, TapWant};
use super::signal::{
    Admission, LeaveReason, Notice, ParticipantView, Permissions, Request, RoomView, TrackSource,
    TrackView,
};
use crate::domain::id::{ParticipantId, TapId, TrackId};

/// What happens to a room.
#[derive(Debug)]
pub enum Input {
    /// Somebody admitted comes in under a fresh id.
    Join {
        /// The id of the stay.
        participant: ParticipantId,
        /// With what rights.
        admission: Box<Admission>,
    },
    /// Somebody admitted with [`super::signal::Layout::OneShot`] comes in under a fresh id with its
    /// one offer; an offer that cannot be carried, or more than the rights allow, lets nobody in.
    Open(Box<Opening>),
    /// A client's message.
    Request {
        /// Whose.
        participant: ParticipantId,
        /// What.
        request: Request,
    },
    /// A client's signalling is lost; its media may live on.
    SignalLost {
        /// Whose.
        participant: ParticipantId,
    },
    /// A client's signalling is back.
    Resume {
        /// Whose.
        participant: ParticipantId,
    },
    /// News from a media thread.
    Media(Event),
    /// A deadline of [`Room::next_deadline`] is reached.
    Timeout,
    /// Somebody who may removes a participant.
    Remove {
        /// Who goes.
        identity: String,
        /// Why.
        reason: LeaveReason,
    },
    /// The domain changed somebody's rights.
    SetPermissions {
        /// Whose.
        identity: String,
        /// The new rights.
        permissions: Permissions,
    },
    /// Somebody who may mutes tracks of a source.
    MuteTracks {
        /// Whose; `None` means everybody's except `except`.
        identity: Option<String>,
        /// Spared, when everybody is muted.
        except: Vec<String>,
        /// Which kind of track.
        source: TrackSource,
    },
    /// The domain changed somebody's attributes.
    SetAttributes {
        /// Whose.
        identity: String,
        /// Changed attributes; an empty value deletes.
        attributes: BTreeMap<String, String>,
    },
    /// Somebody who may mutes or unmutes one track.
    MuteTrack {
        /// The track.
        track: TrackId,
        /// True mutes.
        muted: bool,
    },
    /// Somebody who may changes what a participant subscribes to.
    Subscribe {
        /// Whose subscriptions.
        identity: String,
        /// The tracks.
        tracks: Vec<TrackId>,
        /// True subscribes.
        subscribe: bool,
    },
    /// The domain changed somebody's name or metadata.
    SetProfile {
        /// Whose.
        identity: String,
        /// The new name.
        name: Option<String>,
        /// The new metadata.
        metadata: Option<String>,
    },
    /// The server sends data; `payload` is already in its final form.
    SendData {
        /// Reliable or lossy.
        channel: DataChannel,
        /// Identities that get it; empty means everybody.
        to: Vec<String>,
        /// At most [`super::command::DATA_MESSAGE_BYTES_MAX`] bytes; longer ones are dropped.
        payload: Bytes,
    },
    /// The room's own metadata changed; at most [`RoomLimits::metadata_bytes_max`], cut off there.
    SetMetadata {
        /// The new metadata.
        metadata: String,
    },
    /// How many may be here at once from now on, up to [`RoomLimits::participants_max`]; those who
    /// are here stay.
    SetParticipantsMax(usize),
    /// The server itself wants to see or hear a track; [`Room::is_tapped`] tells whether it can.
    Tap(TapWish),
    /// It does not any more.
    Untap {
        /// The tap.
        tap: TapId,
    },
    /// See [`crate::media::command::Command::WantStill`].
    WantStill {
        /// The tap.
        tap: TapId,
    },
    /// The server itself records, or does not any more; everybody is told.
    SetRecorded(bool),
    /// The domain changed who may receive, see and message whom.
    SetPolicy(Arc<dyn Policy>),
    /// The room ends for everybody.
    Close {
        /// Why.
        reason: LeaveReason,
    },
}

/// A track that the server itself wants to see or hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapWish {
    /// The id of the tap, never used before.
    pub tap: TapId,
    /// Whose.
    pub identity: String,
    /// Which kind of track.
    pub source: TrackSource,
    /// What of it.
    pub want: TapWant,
}

/// What the server itself can see of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackSight {
    /// It is not published, or has no media yet.
    Absent,
    /// Its publisher, or somebody of the staff, has turned it off.
    Muted,
    /// It is encrypted for its receivers alone, or its pictures are not VP8.
    Unreadable,
    /// It should send.
    Open,
}

/// Somebody who comes in without signalling.
#[derive(Debug)]
pub struct Opening {
    /// The id of the stay.
    pub participant: ParticipantId,
    /// With what rights.
    pub admission: Admission,
    /// The client's session description.
    pub offer: SessionOffer,
}

/// The one offer of a client without signalling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOffer {
    /// RFC 8866 text.
    pub sdp: String,
    /// A player that is content with an offer of ours where its own cannot be served.
    pub takes_counter: bool,
}

/// What a room wants done.
#[derive(Debug)]
pub enum Output {
    /// Tell a client.
    Notice {
        /// Whom.
        participant: ParticipantId,
        /// What.
        notice: Notice,
    },
    /// Tell the media threads.
    Media(Command),
    /// Tell the use cases.
    Fact(RoomFact),
}

/// What the rest of the server learns from a room; times are the server's.
#[derive(Clone, Debug, PartialEq)]
pub enum RoomFact {
    /// The room exists from now on, perhaps with nobody in it.
    Opened(RoomView),
    /// The room is no more.
    Closed {
        /// Its last view.
        room: RoomView,
        /// The order that ended it; `None` when it ended because nobody was in it.
        reason: Option<LeaveReason>,
    },
    /// Somebody's signalling is up.
    Joined {
        /// The stay.
        participant: ParticipantId,
        /// Who.
        identity: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// Somebody's media is up.
    Connected {
        /// The stay.
        participant: ParticipantId,
        /// Who.
        identity: String,
        /// When.
        at: DateTime<Utc>,
        /// ICE and DTLS.
        setup: Duration,
    },
    /// Somebody is gone.
    Left {
        /// The stay.
        participant: ParticipantId,
        /// Who.
        identity: String,
        /// When.
        at: DateTime<Utc>,
        /// Why.
        reason: LeaveReason,
    },
    /// Others may hear and see somebody from now on.
    Entered(Box<ParticipantView>),
    /// Somebody who had entered is gone.
    Departed(Box<ParticipantView>),
    /// Others see a track in its publisher's list from now on.
    TrackPublished {
        /// Whose stay.
        participant: ParticipantId,
        /// Whose.
        identity: String,
        /// The track.
        track: Box<TrackView>,
    },
    /// Others see a track no more.
    TrackUnpublished {
        /// Whose stay.
        participant: ParticipantId,
        /// Whose.
        identity: String,
        /// Its last view.
        track: Box<TrackView>,
    },
    /// First packet of a track.
    TrackStarted {
        /// Who.
        identity: String,
        /// The track.
        track: TrackId,
        /// What it shows.
        source: TrackSource,
        /// When.
        at: DateTime<Utc>,
    },
    /// A track is gone or muted.
    TrackStopped {
        /// Who.
        identity: String,
        /// The track.
        track: TrackId,
        /// What it showed.
        source: TrackSource,
        /// When.
        at: DateTime<Utc>,
    },
    /// What each connected participant received, every 5 s.
    Presence {
        /// When.
        at: DateTime<Utc>,
        /// One per connected participant, by identity.
        present: Vec<Presence>,
    },
    /// The last participant is gone.
    Emptied {
        /// When.
        at: DateTime<Utc>,
    },
}

/// What the SFU saw of one participant since the last [`RoomFact::Presence`].
#[derive(Clone, Debug, PartialEq)]
pub struct Presence {
    /// Who.
    pub identity: String,
    /// The stay.
    pub participant: ParticipantId,
    /// Its transport is up and was heard within 5 s.
    pub connected: bool,
    /// Media packets that its receiver reports acknowledge in this window.
    pub delivered_packets: u64,
    /// They acknowledge any in this window or the one before: where there is only sound, reports
    /// are up to 7.5 s apart.
    pub acknowledges: bool,
    /// Media packets sent to it in this window.
    pub sent_packets: u64,
    /// Media packets received from it in this window.
    pub received_packets: u64,
    /// Round trip, if known.
    pub round_trip: Option<Duration>,
}
