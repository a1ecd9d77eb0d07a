//! Typed ids. Two ids of different kinds never compile in each other's place.
//!
//! Stored ids are UUID version 7 (RFC 9562 section 5.7) made from the server's clock and entropy.
//! Media ids are process-local counters: they name live things and are never stored.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::entropy::Entropy;

/// A version 7 UUID of the given moment.
pub fn uuid_v7(now: DateTime<Utc>, entropy: &dyn Entropy) -> Uuid {
    let mut random = [0; 10];
    entropy.fill(&mut random);
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

macro_rules! stored_ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh id of the given moment.
            pub fn new(now: DateTime<Utc>, entropy: &dyn Entropy) -> Self {
                Self(uuid_v7(now, entropy))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

// Append only: an id's place in this list is how a reader learns that it exists.
stored_ids! {
    /// A node of the five-level unit tree.
    UnitId,
    /// A natural person: subject, officer, teacher, family member.
    PersonId,
    /// A way for a person to sign in.
    AccountId,
    /// An organisation outside the unit tree: prison, court, law firm.
    InstitutionId,
    /// One chain of rotating refresh tokens, from sign-in to sign-out.
    TokenFamilyId,
    /// A live lesson.
    LessonId,
    /// One learner in one lesson.
    AttendanceId,
    /// One check asked of one learner.
    CheckId,
    /// An item of the question bank.
    QuestionId,
    /// A versioned set of numbers that rules read.
    PolicyId,
    /// A chain of facts in the ledger (one per lesson, one for audit).
    StreamId,
    /// One participant's stay in a media room; `PA_…` on the wire.
    ParticipantId,
    /// A published track; `TR_…` on the wire.
    TrackId,
    /// A live media room; `RM_…` on the wire.
    RoomId,
    /// A picture that a finding about a face rests on.
    FacePictureId,
    /// A learner's word against withheld time.
    AppealId,
    /// Seconds that two people add to credit, or take from it.
    AdjustmentId,
    /// An evidence pack that was handed out.
    EvidencePackId,
    /// A message of a lesson's chat.
    MessageId,
    /// A question or a poll put to a whole class.
    RoundId,
    /// A film of the library, from its upload on.
    FilmId,
    /// A course of lessons on demand.
    CourseId,
    /// A film at its place in a course.
    CourseLessonId,
    /// One learner in one lesson of a course.
    ViewingId,
    /// One device that plays a lesson on demand.
    PlaybackId,
    /// A recording of a room's session.
    RecordingId,
    /// One source of one participant in a recording.
    RecordedTrackId,
}

macro_rules! wire_ids {
    ($($name:ident $prefix:literal),+ $(,)?) => {$(
        impl $name {
            /// The LiveKit form: the prefix and 32 lower-case hexadecimal digits.
            pub fn sid(&self) -> String {
                format!(concat!($prefix, "{}"), self.0.simple())
            }

            /// Reads the LiveKit form; anything else is `None`.
            pub fn from_sid(sid: &str) -> Option<Self> {
                let digits = sid.strip_prefix($prefix)?;
                (digits.len() == 32).then(|| digits.parse().ok().map(Self)).flatten()
            }
        }
    )+};
}

wire_ids! {
    ParticipantId "PA_",
    TrackId "TR_",
    RoomId "RM_",
}

macro_rules! live_ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

/// A media thread, counted from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u8);

live_ids! {
    /// One ICE + DTLS association with a client.
    TransportId,
    /// A published media stream at the SFU, with all its layers.
    SourceId,
    /// One subscriber's copy of a source.
    LegId,
    /// One use of a source's frames by the server itself.
    TapId,
}
