//! What happens in rooms, as LiveKit's webhook events.

use std::collections::BTreeMap;
use std::sync::Arc;

use livekit_protocol as proto;
use proto::RoomEndReason;

use super::view;
use crate::domain::entropy::{Clock, Entropy};
use crate::domain::id::{ParticipantId, uuid_v7};
use crate::hub::rooms::{MADE_MAX, ROOMS_MAX};
use crate::media::room::RoomFact;
use crate::media::signal::{LeaveReason, ParticipantView, RoomView, TrackView};
use crate::service::call::{Call, Custody, strip};
use crate::service::webhooks::Event;

/// Rooms that are remembered; of one beyond, events tell no more than the name.
const REMEMBERED_MAX: usize = ROOMS_MAX + MADE_MAX;

/// Turns the facts of rooms into events, under the custody of each room: of a session's room they
/// tell which accounts came and went and no words about people, of a sealed one nothing.
pub struct Watch {
    call: Arc<Call>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    rooms: BTreeMap<String, RoomView>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch(..)")
    }
}

impl Watch {
    /// Nothing seen yet.
    pub fn new(call: Arc<Call>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            call,
            clock,
            entropy,
            rooms: BTreeMap::new(),
        }
    }

    /// The event of a fact, if it has one. Facts of one room come in order.
    pub fn note(&mut self, name: &str, fact: &RoomFact) -> Option<Event> {
        let custody = self.call.custody(name);
        let mut event = self.event(name, fact, custody)?;
        if custody == Custody::Sealed {
            return None;
        }
        let now = self.clock.now();
        let id = uuid_v7(now, &*self.entropy);
        event.id = format!("EV_{}", id.simple());
        event.created_at = now.timestamp();
        let body = serde_json::to_string(&event).ok()?;
        Some(Event { id, body })
    }

    fn event(
        &mut self,
        name: &str,
        fact: &RoomFact,
        custody: Custody,
    ) -> Option<proto::WebhookEvent> {
        Some(match fact {
            RoomFact::Opened(room) => {
                self.remember(name, room);
                of_room("room_started", room)
            }
            RoomFact::Closed { room, reason } => {
                self.forget(name, room);
                let mut event = of_room("room_finished", room);
                event.set_room_end_reason(end_reason(*reason));
                event
            }
            RoomFact::Entered(view) => {
                let room = self.room(name, 1);
                of_participant("participant_joined", room, view, custody)
            }
            RoomFact::Departed(view) => {
                let room = self.room(name, -1);
                of_participant("participant_left", room, view, custody)
            }
            RoomFact::TrackPublished {
                participant,
                identity,
                track,
            } => {
                let whose = (*participant, identity.as_str());
                of_track("track_published", self.room(name, 0), whose, track, custody)
            }
            RoomFact::TrackUnpublished {
                participant,
                identity,
                track,
            } => {
                let whose = (*participant, identity.as_str());
                let room = self.room(name, 0);
                of_track("track_unpublished", room, whose, track, custody)
            }
            RoomFact::Joined { .. }
            | RoomFact::Connected { .. }
            | RoomFact::Left { .. }
            | RoomFact::TrackStarted { .. }
            | RoomFact::TrackStopped { .. }
            | RoomFact::Presence { .. }
            | RoomFact::Emptied { .. } => return None,
        })
    }

    fn remember(&mut self, name: &str, room: &RoomView) {
        if self.rooms.len() < REMEMBERED_MAX || self.rooms.contains_key(name) {
            self.rooms.insert(name.to_owned(), room.clone());
        }
    }

    /// A room that broke may be told of after the next of its name has opened.
    fn forget(&mut self, name: &str, room: &RoomView) {
        if self.rooms.get(name).is_some_and(|it| it.room == room.room) {
            self.rooms.remove(name);
        }
    }

    /// A room after so many came in.
    fn room(&mut self, name: &str, came: i32) -> proto::Room {
        match self.rooms.get_mut(name) {
            Some(room) => {
                room.participants = room.participants.saturating_add_signed(came);
                view::room(room)
            }
            None => proto::Room {
                name: name.to_owned(),
                ..Default::default()
            },
        }
    }
}

fn of_room(event: &str, room: &RoomView) -> proto::WebhookEvent {
    proto::WebhookEvent {
        event: event.to_owned(),
        room: Some(view::room(room)),
        ..Default::default()
    }
}

fn of_participant(
    event: &str,
    room: proto::Room,
    view: &ParticipantView,
    custody: Custody,
) -> proto::WebhookEvent {
    let mut view = view.clone();
    if custody == Custody::Session {
        strip(&mut view);
    }
    proto::WebhookEvent {
        event: event.to_owned(),
        room: Some(room),
        participant: Some(view::participant(&view)),
        ..Default::default()
    }
}

fn of_track(
    event: &str,
    room: proto::Room,
    (participant, identity): (ParticipantId, &str),
    track: &TrackView,
    custody: Custody,
) -> proto::WebhookEvent {
    let mut track = view::track(track, "");
    if custody == Custody::Session {
        track.name.clear();
    }
    proto::WebhookEvent {
        event: event.to_owned(),
        room: Some(room),
        participant: Some(proto::ParticipantInfo {
            sid: participant.sid(),
            identity: identity.to_owned(),
            ..Default::default()
        }),
        track: Some(track),
        ..Default::default()
    }
}

fn end_reason(reason: Option<LeaveReason>) -> RoomEndReason {
    match reason {
        None => RoomEndReason::RoomEndIdleTimeout,
        Some(LeaveReason::RoomClosed) => RoomEndReason::RoomEndApiDelete,
        Some(LeaveReason::ServerShutdown) => RoomEndReason::RoomEndServerShutdown,
        Some(
            LeaveReason::ClientInitiated
            | LeaveReason::DuplicateIdentity
            | LeaveReason::Removed
            | LeaveReason::StateMismatch
            | LeaveReason::ConnectionLost
            | LeaveReason::Misbehaved,
        ) => RoomEndReason::RoomEndUnknown,
    }
}
