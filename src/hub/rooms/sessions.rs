//! The registry of sessions without signalling (WHIP, WHEP): which participant a session's address
//! means. A session is in it as long as its participant is in its room.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::id::ParticipantId;
use crate::domain::refusal::{Refusal, RefusalKind};

/// Sessions at once; a further one is refused until one ends.
pub const SESSIONS_MAX: usize = 4_096;

/// What is kept of a session.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionEntry {
    /// Name of its room.
    pub room: String,
    /// Who it is.
    pub identity: String,
    /// SHA-256 of the token that opened it.
    pub token_hash: [u8; 32],
}

impl std::fmt::Debug for SessionEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionEntry(..)")
    }
}

/// A handle to all sessions; clones share them.
#[derive(Clone, Default)]
pub(super) struct Sessions {
    table: Arc<Mutex<BTreeMap<String, Known>>>,
}

struct Known {
    entry: SessionEntry,
    participant: Option<ParticipantId>,
}

/// A session's place in the registry; dropping it makes the place free.
pub struct Ticket {
    id: String,
    sessions: Sessions,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ticket(..)")
    }
}

impl Ticket {
    /// Says which participant the session is.
    pub fn seat(&self, participant: ParticipantId) {
        self.sessions.with(|table| {
            if let Some(known) = table.get_mut(&self.id) {
                known.participant = Some(participant);
            }
        });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.sessions.with(|table| drop(table.remove(&self.id)));
    }
}

impl Sessions {
    /// A place for a new session.
    ///
    /// # Errors
    /// `session.too_many` at [`SESSIONS_MAX`].
    pub(super) fn reserve(&self, id: &str, entry: SessionEntry) -> Result<Ticket, Refusal> {
        self.with(|table| {
            // Ids are random; one that is taken is as good as a full registry.
            if table.len() >= SESSIONS_MAX || table.contains_key(id) {
                return Err(too_many());
            }
            let known = Known {
                entry,
                participant: None,
            };
            table.insert(id.to_owned(), known);
            Ok(Ticket {
                id: id.to_owned(),
                sessions: self.clone(),
            })
        })
    }

    /// What was given for a session.
    pub(super) fn entry(&self, id: &str) -> Option<SessionEntry> {
        self.with(|table| table.get(id).map(|known| known.entry.clone()))
    }

    /// The room and the participant of a session.
    pub(super) fn place(&self, id: &str) -> Option<(String, ParticipantId)> {
        self.with(|table| {
            let known = table.get(id)?;
            Some((known.entry.room.clone(), known.participant?))
        })
    }

    fn with<R>(&self, work: impl FnOnce(&mut BTreeMap<String, Known>) -> R) -> R {
        work(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn too_many() -> Refusal {
    Refusal::new(
        RefusalKind::Unavailable,
        "session.too_many",
        "推流与播放会话已达上限，请稍后再试。",
        "As many devices and players are connected as this server carries. Please try later.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> SessionEntry {
        SessionEntry {
            room: "r".to_owned(),
            identity: "camera".to_owned(),
            token_hash: [0; 32],
        }
    }

    #[test]
    fn sessions_are_bounded_and_a_dropped_ticket_makes_place() {
        let sessions = Sessions::default();
        let reserve = |number: usize| sessions.reserve(&number.to_string(), entry());
        let mut tickets: Vec<Ticket> = (0..SESSIONS_MAX).map(|n| reserve(n).unwrap()).collect();
        let refused = reserve(SESSIONS_MAX).unwrap_err();
        assert_eq!(refused.code, "session.too_many");
        tickets.pop();
        assert!(reserve(SESSIONS_MAX).is_ok());
    }

    #[test]
    fn a_session_has_no_place_before_it_has_a_participant_and_none_after_its_end() {
        let sessions = Sessions::default();
        let ticket = sessions.reserve("s", entry()).unwrap();
        assert_eq!(sessions.place("s"), None);
        let participant = ParticipantId(uuid::Uuid::from_u128(1));
        ticket.seat(participant);
        assert_eq!(sessions.place("s"), Some(("r".to_owned(), participant)));
        assert!(sessions.reserve("s", entry()).is_err(), "an id names one");
        drop(ticket);
        assert_eq!((sessions.place("s"), sessions.entry("s")), (None, None));
    }
}
