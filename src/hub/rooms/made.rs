//! Rooms that somebody made before anybody came: they rest while nobody is in them, as an entry of
//! the registry and nothing more, until their time is over.

use chrono::{DateTime, TimeDelta, Utc};

use super::{JOIN_ATTEMPTS_MAX, Letter, Mailbox, Registry, Rooms, ask, gone, stopping};
use crate::domain::id::RoomId;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::media::room::{Input, RoomFact};
use crate::media::signal::{LeaveReason, RoomView};

/// Made rooms at once, those with people in them included; one more is refused.
pub const MADE_MAX: usize = 4_096;

/// How long a made room waits for its first participant when nobody says otherwise.
const EMPTY_TIMEOUT: TimeDelta = TimeDelta::seconds(300);
/// How long it waits for others after its last one.
const DEPARTURE_TIMEOUT: TimeDelta = TimeDelta::seconds(20);

/// How a made room is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomPlan {
    /// How long it waits for its first participant.
    pub empty_timeout: TimeDelta,
    /// How long it waits for others after its last one.
    pub departure_timeout: TimeDelta,
    /// Most participants at once; `None` leaves it to the server's own bound.
    pub participants_max: Option<usize>,
}

/// What somebody who makes a room asks for; what is `None` stays, or gets its usual value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomWish {
    /// See [`RoomPlan::empty_timeout`].
    pub empty_timeout: Option<TimeDelta>,
    /// See [`RoomPlan::departure_timeout`].
    pub departure_timeout: Option<TimeDelta>,
    /// See [`RoomPlan::participants_max`].
    pub participants_max: Option<usize>,
    /// Free text of the application.
    pub metadata: Option<String>,
}

/// A room and, if it was made, how it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomListing {
    /// The room.
    pub room: RoomView,
    /// How it is kept; `None` for a room that lives as long as somebody is in it.
    pub plan: Option<RoomPlan>,
}

/// A made room that goes on when somebody comes.
#[derive(Clone, Debug)]
pub struct Rested {
    /// The room as it rested.
    pub room: RoomView,
    until: DateTime<Utc>,
}

/// A made room in the registry.
pub(super) struct Made {
    plan: RoomPlan,
    /// `None` while its task runs.
    resting: Option<Rested>,
}

impl Default for RoomPlan {
    fn default() -> Self {
        Self {
            empty_timeout: EMPTY_TIMEOUT,
            departure_timeout: DEPARTURE_TIMEOUT,
            participants_max: None,
        }
    }
}

impl RoomPlan {
    fn with(self, wish: &RoomWish) -> Self {
        Self {
            empty_timeout: wish.empty_timeout.unwrap_or(self.empty_timeout),
            departure_timeout: wish.departure_timeout.unwrap_or(self.departure_timeout),
            participants_max: wish.participants_max.or(self.participants_max),
        }
    }
}

impl RoomWish {
    /// The orders by which a live room learns of the wish.
    fn inputs(&self) -> Vec<Input> {
        let metadata = self.metadata.clone();
        let metadata = metadata.map(|metadata| Input::SetMetadata { metadata });
        let bound = self.participants_max.map(Input::SetParticipantsMax);
        metadata.into_iter().chain(bound).collect()
    }
}

impl Rooms {
    /// Makes a room that exists with nobody in it, or changes how an existing one is kept; `id` is
    /// for a room that is not there yet.
    ///
    /// # Errors
    /// `room.too_many` at [`MADE_MAX`], `room.stopping` while the server stops.
    pub async fn make_room(
        &self,
        name: &str,
        wish: &RoomWish,
        id: RoomId,
        now: DateTime<Utc>,
    ) -> Result<RoomListing, Refusal> {
        for _ in 0..JOIN_ATTEMPTS_MAX {
            let placed = self.with(|registry| registry.place(name, wish, id, now))?;
            let (mailbox, plan) = match placed {
                Placed::New(listing) => {
                    self.tell(name, RoomFact::Opened(listing.room.clone()))
                        .await;
                    return Ok(listing);
                }
                Placed::Resting(listing) => return Ok(listing),
                Placed::Live(mailbox, plan) => (mailbox, plan),
            };
            if let Some(room) = order(&mailbox, wish.inputs()).await {
                let plan = Some(plan);
                return Ok(RoomListing { room, plan });
            }
            // It is just ending; what it leaves behind is met at the next attempt.
            mailbox.mail.closed().await;
        }
        Err(gone())
    }

    /// One room, live or resting.
    pub async fn listing(&self, name: &str) -> Option<RoomListing> {
        if let Some(listing) = self.with(|registry| registry.resting(name)) {
            return Some(listing);
        }
        let (mailbox, plan) = self.with(|registry| {
            let mailbox = registry.rooms.get(name)?.clone();
            Some((mailbox, registry.plan(name)))
        })?;
        let room = ask(&mailbox, Letter::View).await?;
        Some(RoomListing { room, plan })
    }

    /// All rooms, live and resting, by name.
    pub async fn list(&self) -> Vec<RoomListing> {
        let names: Vec<String> = self.with(|registry| {
            let resting = registry.made.iter().filter(|(_, made)| made.is_resting());
            let resting = resting.map(|(name, _)| name);
            let mut names: Vec<String> = registry.rooms.keys().chain(resting).cloned().collect();
            names.sort_unstable();
            names
        });
        let mut listings = Vec::with_capacity(names.len());
        for name in names {
            listings.extend(self.listing(&name).await);
        }
        listings
    }

    /// Changes a room's metadata.
    ///
    /// # Errors
    /// `room.gone` when there is no such room.
    pub async fn set_metadata(&self, name: &str, metadata: String) -> Result<RoomListing, Refusal> {
        let wish = RoomWish {
            metadata: Some(metadata),
            ..RoomWish::default()
        };
        let rested = self.with(|registry| {
            let made = registry.made.get_mut(name)?;
            made.take_metadata(&wish);
            registry.resting(name)
        });
        if let Some(listing) = rested {
            return Ok(listing);
        }
        let mailbox = self.mailbox(name).ok_or_else(gone)?;
        let room = order(&mailbox, wish.inputs()).await;
        let room = room.ok_or_else(gone)?;
        let plan = self.with(|registry| registry.plan(name));
        Ok(RoomListing { room, plan })
    }

    /// Ends a room, and returns when it is no more.
    ///
    /// # Errors
    /// `room.gone` when there is no such room.
    pub async fn close(&self, name: &str, reason: LeaveReason) -> Result<(), Refusal> {
        let (rested, mailbox) = self.with(|registry| {
            let made = registry.made.remove(name);
            let rested = made.and_then(|made| made.resting);
            (rested, registry.rooms.get(name).cloned())
        });
        if let Some(Rested { room, .. }) = rested {
            let reason = Some(reason);
            self.tell(name, RoomFact::Closed { room, reason }).await;
            return Ok(());
        }
        let mailbox = mailbox.ok_or_else(gone)?;
        let order = Letter::Input(Input::Close { reason });
        mailbox.mail.send(order).await.map_err(|_| gone())?;
        mailbox.mail.closed().await;
        Ok(())
    }

    /// Ends the rooms that rested for their time.
    pub async fn end_rested(&self, now: DateTime<Utc>) {
        let ended = self.with(|registry| registry.take_due(now));
        for (name, room) in ended {
            let reason = None;
            self.tell(&name, RoomFact::Closed { room, reason }).await;
        }
    }

    /// Nobody drains facts any more once the server stops.
    pub(super) async fn tell(&self, name: &str, fact: RoomFact) {
        let _ = self.inner.facts.send((name.to_owned(), fact)).await;
    }
}

/// Gives orders and looks at what came of them; `None` when the room ended before.
async fn order(mailbox: &Mailbox, inputs: Vec<Input>) -> Option<RoomView> {
    for input in inputs {
        mailbox.mail.send(Letter::Input(input)).await.ok()?;
    }
    ask(mailbox, Letter::View).await
}

/// Where a made room was found.
enum Placed {
    New(RoomListing),
    Resting(RoomListing),
    Live(Mailbox, RoomPlan),
}

impl Made {
    fn is_resting(&self) -> bool {
        self.resting.is_some()
    }

    fn listing(&self) -> Option<RoomListing> {
        let room = self.resting.as_ref()?.room.clone();
        let plan = Some(self.plan);
        Some(RoomListing { room, plan })
    }

    fn take_metadata(&mut self, wish: &RoomWish) {
        if let (Some(rested), Some(metadata)) = (&mut self.resting, &wish.metadata) {
            rested.room.metadata.clone_from(metadata);
        }
    }
}

impl Registry {
    fn place(
        &mut self,
        name: &str,
        wish: &RoomWish,
        id: RoomId,
        now: DateTime<Utc>,
    ) -> Result<Placed, Refusal> {
        if self.closed {
            return Err(stopping());
        }
        if !self.made.contains_key(name) && self.made.len() >= MADE_MAX {
            return Err(too_many_made());
        }
        if let Some(mailbox) = self.rooms.get(name).cloned() {
            let made = self.made.entry(name.to_owned()).or_insert(Made {
                plan: RoomPlan::default(),
                resting: None,
            });
            made.plan = made.plan.with(wish);
            return Ok(Placed::Live(mailbox, made.plan));
        }
        if let Some(made) = self.made.get_mut(name) {
            made.plan = made.plan.with(wish);
            made.take_metadata(wish);
            return made.listing().map(Placed::Resting).ok_or_else(gone);
        }
        let plan = RoomPlan::default().with(wish);
        let room = RoomView {
            room: id,
            name: name.to_owned(),
            metadata: wish.metadata.clone().unwrap_or_default(),
            created_at: now,
            participants: 0,
            publishers: 0,
            is_recorded: false,
        };
        let until = now + plan.empty_timeout;
        let resting = Some(Rested {
            room: room.clone(),
            until,
        });
        self.made.insert(name.to_owned(), Made { plan, resting });
        let plan = Some(plan);
        Ok(Placed::New(RoomListing { room, plan }))
    }

    fn plan(&self, name: &str) -> Option<RoomPlan> {
        self.made.get(name).map(|made| made.plan)
    }

    pub(super) fn is_resting(&self, name: &str) -> bool {
        self.made.get(name).is_some_and(Made::is_resting)
    }

    fn resting(&self, name: &str) -> Option<RoomListing> {
        self.made.get(name)?.listing()
    }

    /// What a room's task begins with.
    pub(super) fn wake(&mut self, name: &str) -> (Option<RoomPlan>, Option<Rested>) {
        let made = self.made.get_mut(name);
        made.map_or((None, None), |made| (Some(made.plan), made.resting.take()))
    }

    /// Lays a made room to rest in place of its task, whose letters nobody hears any more. False
    /// when the room is none of these, or is to end; its entry then stays until its seat is
    /// dropped, so that what is told of its end comes before what is told of a next one.
    pub(super) fn rest(&mut self, name: &str, number: u64, rest: Option<Rest>) -> bool {
        if self.rooms.get(name).is_none_or(|m| m.number != number) {
            return false;
        }
        let rest = rest.filter(|_| !self.closed);
        match (self.made.get_mut(name), rest) {
            (Some(made), Some(rest)) => {
                let until = match (rest.woken, rest.was_visited) {
                    (Some(woken), false) => woken.until,
                    (None, _) | (_, true) => rest.now + made.plan.departure_timeout,
                };
                let room = rest.room;
                made.resting = Some(Rested { room, until });
                self.rooms.remove(name);
                true
            }
            (Some(_), None) => {
                self.made.remove(name);
                false
            }
            (None, _) => false,
        }
    }

    /// A task is gone; a made room that it did not lay to rest goes with it.
    pub(super) fn forget(&mut self, name: &str, number: u64) {
        if self.rooms.get(name).is_some_and(|m| m.number == number) {
            self.rooms.remove(name);
            self.made.remove(name);
        }
    }

    fn take_due(&mut self, now: DateTime<Utc>) -> Vec<(String, RoomView)> {
        self.take_where(|rested| rested.until <= now)
    }

    pub(super) fn take_rested(&mut self) -> Vec<(String, RoomView)> {
        self.take_where(|_| true)
    }

    fn take_where(&mut self, picks: impl Fn(&Rested) -> bool) -> Vec<(String, RoomView)> {
        let picked = |made: &mut Made| made.resting.as_ref().is_some_and(&picks);
        let taken = self.made.extract_if(.., |_, made| picked(made));
        let taken = taken.filter_map(|(name, made)| Some((name, made.resting?.room)));
        taken.collect()
    }
}

/// How a room's task ends.
#[derive(Debug)]
pub struct Rest {
    /// The present moment.
    pub now: DateTime<Utc>,
    /// The room's last view.
    pub room: RoomView,
    /// What it began with.
    pub woken: Option<Rested>,
    /// Whether anybody came in; if not, the room goes on waiting as before.
    pub was_visited: bool,
}

fn too_many_made() -> Refusal {
    Refusal::new(
        RefusalKind::Limited,
        "room.too_many",
        "预先建立的房间已达上限，请先删除不用的房间。",
        "As many rooms were made as this server keeps. Delete some that are not needed.",
    )
}
