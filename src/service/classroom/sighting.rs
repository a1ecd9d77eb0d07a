//! What a lesson's room saw, as the classroom takes it in and as it waits while the database is
//! away.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::lesson_of_room;
use crate::domain::fact::stored_time;
use crate::domain::id::{AccountId, LessonId, ParticipantId};
use crate::media::room::{Presence, RoomFact};
use crate::media::signal::LeaveReason;

/// Something seen in the room of a lesson; times are the server's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Whose room.
    pub lesson: LessonId,
    /// When, whenever it is taken in.
    pub at: DateTime<Utc>,
    /// What.
    pub seen: Seen,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Seen {
    /// Somebody's media is up.
    Connected {
        /// Who.
        account: AccountId,
        /// The stay in the room.
        stay: ParticipantId,
    },
    /// A stay ended.
    Left {
        /// Whose.
        account: AccountId,
        /// Which.
        stay: ParticipantId,
        /// How.
        how: Leaving,
    },
    /// Who was connected in the last five seconds.
    Present {
        /// At most one of each account.
        present: Vec<Present>,
    },
}

/// How a stay ended, as far as attendance cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leaving {
    /// On purpose, or put out.
    Left,
    /// The connection or the room went.
    Lost,
    /// A newer stay of the same account took its place.
    Replaced,
}

/// One connected account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Present {
    /// Who.
    pub account: AccountId,
    /// The stay in the room.
    pub stay: ParticipantId,
    /// Media reached it, or there was none to be sent.
    pub served: bool,
    /// Round trip, milliseconds; 0 when unknown.
    pub round_trip_ms: u32,
}

impl Sighting {
    /// What a fact of a room tells attendance. `None` for rooms without a lesson, identities that
    /// are no accounts, and facts that it does not care for.
    pub fn of(room: &str, fact: &RoomFact) -> Option<Self> {
        let lesson = lesson_of_room(room)?;
        let (at, seen) = match fact {
            RoomFact::Connected {
                participant,
                identity,
                at,
                ..
            } => {
                let (account, stay) = (identity.parse().ok()?, *participant);
                (at, Seen::Connected { account, stay })
            }
            RoomFact::Left {
                participant,
                identity,
                at,
                reason,
            } => {
                let (account, stay) = (identity.parse().ok()?, *participant);
                let how = leaving(*reason);
                (at, Seen::Left { account, stay, how })
            }
            RoomFact::Presence { at, present } => {
                let connected = present.iter().filter(|one| one.connected);
                let present = connected.filter_map(Present::of).collect();
                (at, Seen::Present { present })
            }
            RoomFact::Opened(_)
            | RoomFact::Closed { .. }
            | RoomFact::Joined { .. }
            | RoomFact::Entered(_)
            | RoomFact::Departed(_)
            | RoomFact::TrackPublished { .. }
            | RoomFact::TrackUnpublished { .. }
            | RoomFact::TrackStarted { .. }
            | RoomFact::TrackStopped { .. }
            | RoomFact::Emptied { .. } => return None,
        };
        let at = stored_time(*at);
        Some(Self { lesson, at, seen })
    }
}

impl Present {
    fn of(one: &Presence) -> Option<Self> {
        let round_trip = one.round_trip.unwrap_or_default();
        Some(Self {
            account: one.identity.parse().ok()?,
            stay: one.participant,
            served: one.acknowledges || one.sent_packets == 0,
            round_trip_ms: u32::try_from(round_trip.as_millis()).unwrap_or(u32::MAX),
        })
    }
}

fn leaving(reason: LeaveReason) -> Leaving {
    match reason {
        LeaveReason::ClientInitiated | LeaveReason::Removed => Leaving::Left,
        LeaveReason::DuplicateIdentity => Leaving::Replaced,
        LeaveReason::RoomClosed
        | LeaveReason::ServerShutdown
        | LeaveReason::StateMismatch
        | LeaveReason::ConnectionLost
        | LeaveReason::Misbehaved => Leaving::Lost,
    }
}
