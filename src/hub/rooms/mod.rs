//! The registry of live rooms: joins, resumes and orders find the task that runs a room.
//!
//! A room exists from its first join until its task drops its [`Seat`]; one that somebody made
//! ([`made`]) also before and between. Everybody talks to that task through bounded queues, so that
//! a slow room slows its own callers and nobody else.

mod made;
mod routes;
mod sessions;
mod stay;
mod tapping;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

pub use made::{MADE_MAX, Rest, Rested, RoomListing, RoomPlan, RoomWish};
pub use routes::Routes;
pub use sessions::{SESSIONS_MAX, SessionEntry, Ticket};
pub use stay::{EndedLine, Line, LineError, Stay};
pub use tapping::Tapping;

use self::sessions::Sessions;
use super::taps::TapLines;
use crate::domain::id::ParticipantId;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::media::command::Event;
use crate::media::room::{Input, RoomFact, SessionOffer, TapWish, TrackSight, Trickled};
use crate::media::signal::{
    Admission, LeaveReason, Notice, ParticipantView, Request, RequestRefusal, RoomView, TrackSource,
};

/// Rooms alive at once; a join that would make one more is refused.
pub const ROOMS_MAX: usize = 4_096;
/// Letters to one room that wait; at the bound the sender waits.
pub const MAIL_MAX: usize = 1_024;
/// Open lines (connected clients) of one room; a join beyond is refused.
pub const LINES_MAX: usize = 4_096;
/// Notices to one client that wait; a client that lets them pile up to here loses its stay.
pub const NOTICES_MAX: usize = 1_024;
/// Events of media threads that wait for one room; see [`Routes::route`] for the bound.
pub const EVENTS_MAX: usize = 8_192;
/// Facts of all rooms that wait; at the bound rooms wait, since evidence is never dropped.
pub const FACTS_MAX: usize = 16_384;
/// A join meets a room that is just ending at most so often before it gives up.
const JOIN_ATTEMPTS_MAX: usize = 4;

/// A fact and the name of the room that it happened in.
pub type NamedFact = (String, RoomFact);

/// Starts the task that runs a room; `shell` implements it, because tasks are the shell's.
pub trait Spawn: Send + Sync {
    /// Runs the room of this seat until it is empty, then drops the seat.
    fn start(&self, seat: Seat);
}

/// What reaches a room's task.
#[derive(Debug)]
pub enum Letter {
    /// Somebody admitted comes in.
    Join {
        /// With what rights.
        admission: Box<Admission>,
        /// Where notices go.
        line: Line,
        /// The id given, or why not.
        reply: oneshot::Sender<Result<ParticipantId, Refusal>>,
    },
    /// A client is back on a new socket.
    Resume {
        /// The stay it claims.
        participant: ParticipantId,
        /// The identity that its token proves; must be the stay's.
        identity: String,
        /// Where notices go from now on.
        line: Line,
        /// Done, or why not.
        reply: oneshot::Sender<Result<ParticipantId, Refusal>>,
    },
    /// Somebody admitted comes in without signalling, with an offer.
    Open {
        /// With what rights.
        admission: Box<Admission>,
        /// The client's session description.
        offer: SessionOffer,
        /// The session's place in the registry, to be kept as long as the participant is here.
        ticket: Ticket,
        /// What the room has to say to it.
        reply: oneshot::Sender<Notice>,
    },
    /// A message of a client without signalling, which waits for the room's word on it.
    Ask {
        /// Whose.
        participant: ParticipantId,
        /// What.
        request: Request,
        /// What the room has to say to it.
        reply: oneshot::Sender<Notice>,
    },
    /// A client's message.
    Request {
        /// Whose.
        participant: ParticipantId,
        /// The line it came by; a replaced line is not heard any more.
        line: u64,
        /// What.
        request: Request,
    },
    /// An order from a use case.
    Input(Input),
    /// The server itself wants to see or hear a track.
    Tap {
        /// Which, and what of it.
        wish: TapWish,
        /// Whether it can.
        reply: oneshot::Sender<bool>,
    },
    /// What the server itself can see of a track.
    Sight {
        /// Whose.
        identity: String,
        /// Which.
        source: TrackSource,
        /// What.
        reply: oneshot::Sender<TrackSight>,
    },
    /// Who is here.
    Participants(oneshot::Sender<Vec<ParticipantView>>),
    /// How the room looks.
    View(oneshot::Sender<RoomView>),
}

/// The receiving ends of a room. Dropping it takes the room out of the registry, also when its
/// task panics.
#[derive(Debug)]
pub struct Seat {
    /// Name of the room.
    pub name: String,
    /// Number of this incarnation of the room, never used again.
    pub number: u64,
    /// Letters, in order.
    pub mail: mpsc::Receiver<Letter>,
    /// Lines that ended; each line has a place here from its start, so that none is lost.
    pub ended: mpsc::Receiver<EndedLine>,
    /// News from media threads; closed when the room is too far behind to be kept.
    pub events: mpsc::Receiver<Event>,
    /// How the room is kept, if somebody made it.
    pub plan: Option<RoomPlan>,
    /// The room that goes on here, if one rested.
    pub rested: Option<Rested>,
    rooms: Rooms,
}

impl Seat {
    /// The room is empty: one that was made rests, if `rest` says how. False when it ends instead;
    /// a next room of the name begins after this seat is dropped.
    pub fn rest(&self, rest: Option<Rest>) -> bool {
        let (name, number) = (&self.name, self.number);
        self.rooms
            .with(|registry| registry.rest(name, number, rest))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.rooms.unregister(&self.name, self.number);
    }
}

/// A handle to all rooms; clones share them.
#[derive(Clone)]
pub struct Rooms {
    inner: Arc<Inner>,
}

struct Inner {
    spawn: Box<dyn Spawn>,
    registry: Mutex<Registry>,
    sessions: Sessions,
    routes: Routes,
    taps: TapLines,
    facts: mpsc::Sender<NamedFact>,
}

#[derive(Default)]
struct Registry {
    /// Rooms whose tasks run.
    rooms: BTreeMap<String, Mailbox>,
    /// Rooms that somebody made; at most [`MADE_MAX`].
    made: BTreeMap<String, made::Made>,
    numbers: u64,
    closed: bool,
}

/// The sending ends of a room.
#[derive(Clone)]
struct Mailbox {
    number: u64,
    mail: mpsc::Sender<Letter>,
    ended: mpsc::Sender<EndedLine>,
}

impl std::fmt::Debug for Rooms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rooms(..)")
    }
}

impl Rooms {
    /// No rooms yet; `routes` is shared with whoever receives the media threads' events, `taps`
    /// with whoever delivers their frames, and `facts` is where the rooms' tasks tell theirs.
    pub fn new(
        spawn: Box<dyn Spawn>,
        routes: Routes,
        taps: TapLines,
        facts: mpsc::Sender<NamedFact>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                spawn,
                registry: Mutex::new(Registry::default()),
                sessions: Sessions::default(),
                routes,
                taps,
                facts,
            }),
        }
    }

    /// Comes in, making the room when it is absent.
    ///
    /// # Errors
    /// `room.too_many` and `room.full` at the bounds, `room.stopping` while the server stops, and
    /// whatever the room itself refuses.
    pub async fn join(&self, admission: Admission) -> Result<Stay, Refusal> {
        for _ in 0..JOIN_ATTEMPTS_MAX {
            let mailbox = self.mailbox_or_new(&admission.room)?;
            let (line, open) = stay::open(&mailbox.ended, mailbox.mail.clone())?;
            let (reply, answer) = oneshot::channel();
            let letter = Letter::Join {
                admission: Box::new(admission.clone()),
                line,
                reply,
            };
            if mailbox.mail.send(letter).await.is_ok()
                && let Ok(answered) = answer.await
            {
                return answered.map(|participant| open.stay(participant));
            }
            self.unregister(&admission.room, mailbox.number);
        }
        Err(gone())
    }

    /// Takes up a stay again on a new socket; the old socket is not heard any more.
    ///
    /// # Errors
    /// `room.gone` when the room or the stay is not there or is somebody else's.
    pub async fn resume(
        &self,
        room: &str,
        participant: ParticipantId,
        identity: &str,
    ) -> Result<Stay, Refusal> {
        let mailbox = self.mailbox(room).ok_or_else(gone)?;
        let (line, open) = stay::open(&mailbox.ended, mailbox.mail.clone())?;
        let (reply, answer) = oneshot::channel();
        let letter = Letter::Resume {
            participant,
            identity: identity.to_owned(),
            line,
            reply,
        };
        mailbox.mail.send(letter).await.map_err(|_| gone())?;
        let participant = answer.await.map_err(|_| gone())??;
        Ok(open.stay(participant))
    }

    /// Comes in without signalling, making the room when it is absent; what the room says: an
    /// answer, a refusal or a farewell. `id` names the session from then on, `entry` is kept for
    /// who asks for it.
    ///
    /// # Errors
    /// `session.too_many` at [`SESSIONS_MAX`], otherwise as [`Self::join`].
    pub async fn open(
        &self,
        id: &str,
        entry: SessionEntry,
        admission: Admission,
        offer: &SessionOffer,
    ) -> Result<Notice, Refusal> {
        for _ in 0..JOIN_ATTEMPTS_MAX {
            let ticket = self.inner.sessions.reserve(id, entry.clone())?;
            let mailbox = self.mailbox_or_new(&admission.room)?;
            let (reply, answer) = oneshot::channel();
            let letter = Letter::Open {
                admission: Box::new(admission.clone()),
                offer: offer.clone(),
                ticket,
                reply,
            };
            if mailbox.mail.send(letter).await.is_ok()
                && let Ok(notice) = answer.await
            {
                return Ok(notice);
            }
            self.unregister(&admission.room, mailbox.number);
        }
        Err(gone())
    }

    /// What was given for a session without signalling when it began; `None` once it is over.
    pub fn session(&self, id: &str) -> Option<SessionEntry> {
        self.inner.sessions.entry(id)
    }

    /// What a client without signalling says of its ICE, and what that means.
    ///
    /// # Errors
    /// `room.gone` when the session is over.
    pub async fn trickle(
        &self,
        id: &str,
        tag: Option<String>,
        fragment: String,
    ) -> Result<Trickled, Refusal> {
        let notice = self.ask_of_session(id, Request::Trickle { tag, fragment });
        let Notice::Trickled(news) = notice.await? else {
            return Err(gone());
        };
        Ok(news)
    }

    /// What a client without signalling answers to an offer of the room's own; a refusal of the
    /// room, if it has one.
    ///
    /// # Errors
    /// `room.gone` when the session is over.
    pub async fn answer(&self, id: &str, sdp: String) -> Result<Option<RequestRefusal>, Refusal> {
        let notice = self.ask_of_session(id, Request::Answer { id: 0, sdp });
        let notice = notice.await?;
        if let Notice::RequestRefused { reason, .. } = notice {
            return Ok(Some(reason));
        }
        let done = matches!(notice, Notice::RequestDone { .. });
        if done { Ok(None) } else { Err(gone()) }
    }

    /// Ends a session without signalling; it is over when this returns.
    ///
    /// # Errors
    /// `room.gone` when it is over already.
    pub async fn end(&self, id: &str) -> Result<(), Refusal> {
        self.ask_of_session(id, Request::Leave).await.map(drop)
    }

    async fn ask_of_session(&self, id: &str, request: Request) -> Result<Notice, Refusal> {
        let (room, participant) = self.inner.sessions.place(id).ok_or_else(gone)?;
        let mailbox = self.mailbox(&room).ok_or_else(gone)?;
        let (reply, answer) = oneshot::channel();
        let letter = Letter::Ask {
            participant,
            request,
            reply,
        };
        mailbox.mail.send(letter).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }

    /// Gives a room an order: remove, mute, permissions, attributes, close.
    ///
    /// # Errors
    /// `room.gone` when there is no such room.
    pub async fn input(&self, room: &str, input: Input) -> Result<(), Refusal> {
        let mailbox = self.mailbox(room).ok_or_else(gone)?;
        let letter = Letter::Input(input);
        mailbox.mail.send(letter).await.map_err(|_| gone())
    }

    /// Who is in a room, hidden ones too.
    ///
    /// # Errors
    /// `room.gone` when there is no such room.
    pub async fn participants(&self, room: &str) -> Result<Vec<ParticipantView>, Refusal> {
        if self.with(|registry| registry.is_resting(room)) {
            return Ok(Vec::new());
        }
        let mailbox = self.mailbox(room).ok_or_else(gone)?;
        ask(&mailbox, Letter::Participants).await.ok_or_else(gone)
    }

    /// Names of all rooms whose tasks run, in order.
    pub fn names(&self) -> Vec<String> {
        self.with(|registry| registry.rooms.keys().cloned().collect())
    }

    /// Ends every room and lets none begin any more.
    pub async fn close_all(&self, reason: LeaveReason) {
        let (rested, mailboxes) = self.with(|registry| {
            registry.closed = true;
            let mailboxes: Vec<Mailbox> = registry.rooms.values().cloned().collect();
            (registry.take_rested(), mailboxes)
        });
        for (name, room) in rested {
            let reason = Some(reason);
            self.tell(&name, RoomFact::Closed { room, reason }).await;
        }
        for mailbox in mailboxes {
            // A room whose mailbox is closed has ended by itself.
            let _ = mailbox
                .mail
                .send(Letter::Input(Input::Close { reason }))
                .await;
        }
    }

    /// Waits until every room's task has ended.
    pub async fn all_ended(&self) {
        let mailboxes: Vec<Mailbox> =
            self.with(|registry| registry.rooms.values().cloned().collect());
        for mailbox in mailboxes {
            mailbox.mail.closed().await;
        }
    }

    /// Where events of media threads go.
    pub fn routes(&self) -> &Routes {
        &self.inner.routes
    }

    fn mailbox(&self, room: &str) -> Option<Mailbox> {
        self.with(|registry| registry.rooms.get(room).cloned())
    }

    fn mailbox_or_new(&self, room: &str) -> Result<Mailbox, Refusal> {
        let seat = self.with(|registry| {
            if let Some(mailbox) = registry.rooms.get(room) {
                return Ok((mailbox.clone(), None));
            }
            if registry.closed {
                return Err(stopping());
            }
            if registry.rooms.len() >= ROOMS_MAX {
                return Err(too_many_rooms());
            }
            let (mailbox, seat) = self.make(registry, room);
            Ok((mailbox, Some(seat)))
        });
        let (mailbox, new) = seat?;
        if let Some(seat) = new {
            self.inner.spawn.start(seat);
        }
        Ok(mailbox)
    }

    fn make(&self, registry: &mut Registry, room: &str) -> (Mailbox, Seat) {
        registry.numbers += 1;
        let number = registry.numbers;
        let (mail_sender, mail) = mpsc::channel(MAIL_MAX);
        let (ended_sender, ended) = mpsc::channel(LINES_MAX);
        let (event_sender, events) = mpsc::channel(EVENTS_MAX);
        let mailbox = Mailbox {
            number,
            mail: mail_sender,
            ended: ended_sender,
        };
        registry.rooms.insert(room.to_owned(), mailbox.clone());
        self.inner.routes.add_room(number, event_sender);
        let (plan, rested) = registry.wake(room);
        let seat = Seat {
            name: room.to_owned(),
            number,
            mail,
            ended,
            events,
            plan,
            rested,
            rooms: self.clone(),
        };
        (mailbox, seat)
    }

    fn unregister(&self, room: &str, number: u64) {
        self.with(|registry| registry.forget(room, number));
    }

    fn with<R>(&self, work: impl FnOnce(&mut Registry) -> R) -> R {
        let mut registry = self
            .inner
            .registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        work(&mut registry)
    }
}

async fn ask<T>(mailbox: &Mailbox, letter: fn(oneshot::Sender<T>) -> Letter) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    mailbox.mail.send(letter(reply)).await.ok()?;
    answer.await.ok()
}

/// The room, or the stay in it, does not exist.
pub fn gone() -> Refusal {
    Refusal::new(
        RefusalKind::NotFound,
        "room.gone",
        "房间或参会状态已不存在，请重新进入。",
        "The room, or your place in it, is gone. Please join again.",
    )
}

fn too_many_rooms() -> Refusal {
    Refusal::new(
        RefusalKind::Limited,
        "room.too_many",
        "同时开放的房间已达上限，请稍后再试。",
        "As many rooms are open as this server carries. Please try later.",
    )
}

fn stopping() -> Refusal {
    Refusal::new(
        RefusalKind::Unavailable,
        "room.stopping",
        "服务器正在停止，请稍后再试。",
        "The server is stopping. Please try later.",
    )
}

#[cfg(test)]
mod tests;
