//! Devices that publish and players that watch without signalling: WHIP (RFC 9725) and WHEP
//! (draft-ietf-wish-whep).
//!
//! A session is opened by the same tokens as a call and under the same rules. Whoever acts on it
//! later shows the token that opened it, however old that is by then, or a fresh one for the same
//! room and identity.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::{Arrival, Call, IceServer};
use crate::domain::entropy::Entropy;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::hub::rooms::{Rooms, SessionEntry, gone};
use crate::media::room::{Described, SessionOffer, Trickled};
use crate::media::signal::{
    ClientDescription, Layout, LeaveReason, Notice, ParticipantKind, RequestRefusal,
};

/// Random bytes of a session's id: nobody guesses one.
const ID_BYTES: usize = 24;

/// Opens and tends sessions.
#[derive(Clone)]
pub struct Sessions {
    /// Who may enter.
    pub call: Arc<Call>,
    /// Where to.
    pub rooms: Rooms,
    /// Chance, for ids.
    pub entropy: Arc<dyn Entropy>,
}

/// What a client came for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Publishing.
    Publish,
    /// Watching: one identity, or everybody.
    Watch(Option<String>),
}

/// A session that began.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Its id, a secret of its client.
    pub id: String,
    /// Names its ICE session.
    pub tag: String,
    /// Our answer, or our own offer.
    pub description: String,
    /// The servers beside ours that the client may reach media by.
    pub ice_servers: Vec<IceServer>,
}

/// What became of an offer.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A session began.
    Opened(Opened),
    /// The offer has nothing in it that this server could carry: here is one of ours, which
    /// [`Sessions::answer`] takes the answer to.
    Countered(Opened),
    /// The offer is sound, and has nothing in it that this server could carry.
    Unacceptable,
    /// The offer has more sections than this server takes.
    TooMuch,
}

impl Sessions {
    /// Takes an offer for a room.
    ///
    /// # Errors
    /// What [`Call::admit`] and [`Rooms::open`] refuse; `session.other_room` when the token is for
    /// another room, `session.not_allowed` when its rights do not suffice, `session.bad_offer`.
    pub async fn open(
        &self,
        token: &str,
        room: &str,
        purpose: Purpose,
        offer: &SessionOffer,
    ) -> Result<Outcome, Refusal> {
        let admission = self.call.admit(token, arrival(purpose)).await?;
        if admission.room != room {
            return Err(other_room());
        }
        let entry = SessionEntry {
            room: admission.room.clone(),
            identity: admission.identity.clone(),
            token_hash: hash(token),
        };
        let id = self.id();
        let notice = self.rooms.open(&id, entry, admission, offer).await?;
        // In the session's name, which every header can carry and which is no person's.
        let ice_servers = self.call.ice_servers(&id);
        let opened = |ours: Described| Opened {
            id,
            tag: ours.tag,
            description: ours.sdp,
            ice_servers,
        };
        if let Notice::SessionAnswer(ours) = notice {
            return Ok(Outcome::Opened(opened(ours)));
        }
        if let Notice::CounterOffer(ours) = notice {
            return Ok(Outcome::Countered(opened(ours)));
        }
        if let Notice::RequestRefused { reason, .. } = notice {
            return refused(reason);
        }
        let is_full = matches!(notice, Notice::Left(LeaveReason::Removed));
        Err(if is_full { full() } else { gone() })
    }

    /// Takes what a client says of its ICE.
    ///
    /// # Errors
    /// `room.gone` when there is no such session; `session.not_yours`, or what is wrong with the
    /// token.
    pub async fn trickle(
        &self,
        token: &str,
        id: &str,
        tag: Option<String>,
        fragment: String,
    ) -> Result<Trickled, Refusal> {
        self.check(token, id)?;
        self.rooms.trickle(id, tag, fragment).await
    }

    /// Takes a player's answer to our own offer.
    ///
    /// # Errors
    /// As [`Self::trickle`]; `session.no_offer` when no offer of ours waits, `session.bad_offer`.
    /// `Ok(false)` when nothing of ours was accepted.
    pub async fn answer(&self, token: &str, id: &str, sdp: String) -> Result<bool, Refusal> {
        self.check(token, id)?;
        match self.rooms.answer(id, sdp).await? {
            None => Ok(true),
            Some(RequestRefusal::NotFound) => Err(no_offer()),
            Some(RequestRefusal::Malformed | RequestRefusal::LimitExceeded) => Err(bad_offer()),
            Some(RequestRefusal::NotAllowed | RequestRefusal::UnsupportedType) => Ok(false),
        }
    }

    /// Ends a session.
    ///
    /// # Errors
    /// As [`Self::trickle`].
    pub async fn end(&self, token: &str, id: &str) -> Result<(), Refusal> {
        self.check(token, id)?;
        self.rooms.end(id).await
    }

    /// Whether a session goes on.
    pub fn is_open(&self, id: &str) -> bool {
        self.rooms.session(id).is_some()
    }

    fn check(&self, token: &str, id: &str) -> Result<(), Refusal> {
        let entry = self.rooms.session(id);
        if entry
            .as_ref()
            .is_some_and(|entry| entry.token_hash == hash(token))
        {
            return Ok(());
        }
        // Strangers do not learn which sessions there are.
        let bearer = self.call.bearer(token)?;
        let entry = entry.ok_or_else(gone)?;
        if (entry.room, entry.identity) == bearer {
            Ok(())
        } else {
            Err(not_yours())
        }
    }

    fn id(&self) -> String {
        let mut bytes = [0; ID_BYTES];
        self.entropy.fill(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

fn arrival(purpose: Purpose) -> Arrival {
    let (kind, auto_subscribe, watches) = match purpose {
        Purpose::Publish => (ParticipantKind::Ingress, false, None),
        Purpose::Watch(whom) => (ParticipantKind::Egress, true, whom),
    };
    Arrival {
        layout: Layout::OneShot,
        kind,
        auto_subscribe,
        watches,
        client: ClientDescription::default(),
        metadata: String::new(),
        attributes: BTreeMap::new(),
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn refused(reason: RequestRefusal) -> Result<Outcome, Refusal> {
    match reason {
        RequestRefusal::UnsupportedType => Ok(Outcome::Unacceptable),
        RequestRefusal::LimitExceeded => Ok(Outcome::TooMuch),
        RequestRefusal::NotAllowed => Err(not_allowed()),
        RequestRefusal::Malformed | RequestRefusal::NotFound => Err(bad_offer()),
    }
}

fn other_room() -> Refusal {
    Refusal::new(
        RefusalKind::Forbidden,
        "session.other_room",
        "凭证属于另一个房间。",
        "The token is for another room.",
    )
}

fn not_allowed() -> Refusal {
    Refusal::new(
        RefusalKind::Forbidden,
        "session.not_allowed",
        "凭证不允许推送或播放所提供的内容。",
        "The token does not allow to publish or watch what is offered.",
    )
}

fn not_yours() -> Refusal {
    Refusal::new(
        RefusalKind::Forbidden,
        "session.not_yours",
        "凭证不属于此会话。",
        "The token does not belong to this session.",
    )
}

fn bad_offer() -> Refusal {
    Refusal::new(
        RefusalKind::Invalid,
        "session.bad_offer",
        "会话描述无法读取。",
        "The session description cannot be read.",
    )
}

fn no_offer() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "session.no_offer",
        "服务器没有等待回应的会话描述。",
        "No offer of the server waits for an answer.",
    )
}

fn full() -> Refusal {
    Refusal::new(
        RefusalKind::Unavailable,
        "session.room_full",
        "房间已满，请稍后再试。",
        "The room is full. Please try later.",
    )
}
