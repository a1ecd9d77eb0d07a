//! Rooms in the hand of other programs: what the bearer of an API key's token may see and order.
//!
//! A grant opens a plain room. Over the rooms of sessions the domain's rules stand, whatever a
//! token grants: see [`Custody`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use chrono::TimeDelta;

use super::{
    ATTRIBUTES_BYTES_MAX, ATTRIBUTES_MAX, Call, Claims, Custody, METADATA_BYTES_MAX,
    NAME_BYTES_MAX, VideoGrant, no_such_room, too_large,
};
use crate::domain::entropy::{Clock, Entropy};
use crate::domain::id::{RoomId, TrackId};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::hub::rooms::{RoomListing, RoomWish, Rooms};
use crate::media::command::DataChannel;
use crate::media::room::Input;
use crate::media::signal::{LeaveReason, ParticipantView, Permissions, TrackView};

/// Longest time that a room is kept for people who do not come.
const TIMEOUT_MAX: TimeDelta = TimeDelta::hours(24);
/// Largest data message, bytes: what LiveKit's clients send at most themselves.
const DATA_BYTES_MAX: usize = 64_000;
/// Most receivers or tracks that one order names.
const NAMED_MAX: usize = 4_096;

/// What changes about a participant; what is `None` or empty stays.
#[derive(Clone, Debug, Default)]
pub struct ParticipantChange {
    /// Name that people see.
    pub name: Option<String>,
    /// Free text of the application.
    pub metadata: Option<String>,
    /// Changed keys; an empty value deletes.
    pub attributes: BTreeMap<String, String>,
    /// All rights anew.
    pub permissions: Option<Permissions>,
}

/// Data that the server sends into a room.
#[derive(Clone, Debug)]
pub struct DataMessage {
    /// Reliable or lossy.
    pub channel: DataChannel,
    /// Who gets it, by identity or by the id of the stay; `None` means everybody, an empty list
    /// nobody.
    pub to: Option<Vec<String>>,
    /// Bytes of the application in it.
    pub length: usize,
    /// The message in its final form.
    pub payload: Bytes,
}

/// Makes rooms, looks into them and gives them orders, as far as grants and custody go.
#[derive(Clone)]
pub struct RoomAdmin {
    call: Arc<Call>,
    rooms: Rooms,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for RoomAdmin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RoomAdmin(..)")
    }
}

impl RoomAdmin {
    /// Over these rooms, by the keys and rules of `call`.
    pub fn new(
        call: Arc<Call>,
        rooms: Rooms,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            call,
            rooms,
            clock,
            entropy,
        }
    }

    /// What the bearer of a token claims.
    ///
    /// # Errors
    /// `admin.no_token`, `call.bad_token`, `call.expired_token`.
    pub fn caller(&self, token: Option<&str>) -> Result<Claims, Refusal> {
        self.call.claims(token.ok_or_else(no_token)?)
    }

    /// Makes a room, or changes how an existing one is kept. Grant `roomCreate`.
    ///
    /// # Errors
    /// As all others: `admin.no_grant`, `admin.session_room`, `call.no_such_room` and
    /// `call.too_large`; also `admin.timeout` and the bounds of [`Rooms::make_room`].
    pub async fn create(
        &self,
        caller: &Claims,
        room: &str,
        wish: &RoomWish,
    ) -> Result<RoomListing, Refusal> {
        granted(caller, |grant| grant.room_create)?;
        self.check_change(room)?;
        let timeouts = [wish.empty_timeout, wish.departure_timeout];
        if timeouts.iter().flatten().any(|time| *time > TIMEOUT_MAX) {
            return Err(timeout_too_long());
        }
        check_length(wish.metadata.as_deref(), METADATA_BYTES_MAX)?;
        let now = self.clock.now();
        let id = RoomId::new(now, &*self.entropy);
        self.rooms.make_room(room, wish, id, now).await
    }

    /// Rooms by name, all or the named. Grant `roomList`.
    ///
    /// # Errors
    /// See [`Self::create`].
    pub async fn list(
        &self,
        caller: &Claims,
        names: &[String],
    ) -> Result<Vec<RoomListing>, Refusal> {
        granted(caller, |grant| grant.room_list)?;
        let mut listings = if names.is_empty() {
            self.rooms.list().await
        } else {
            check_count(names.len())?;
            let mut listings = Vec::new();
            for name in names.iter().collect::<BTreeSet<_>>() {
                listings.extend(self.rooms.listing(name).await);
            }
            listings
        };
        listings.retain(|listing| self.call.custody(&listing.room.name) != Custody::Sealed);
        Ok(listings)
    }

    /// Ends a room for everybody. Grant `roomCreate`.
    ///
    /// # Errors
    /// See [`Self::create`].
    pub async fn delete(&self, caller: &Claims, room: &str) -> Result<(), Refusal> {
        granted(caller, |grant| grant.room_create)?;
        self.check_change(room)?;
        let closed = self.rooms.close(room, LeaveReason::RoomClosed).await;
        closed.map_err(|_| no_such_room())
    }

    /// Who is in a room. Grant `roomAdmin` of the room, as for everything below.
    ///
    /// # Errors
    /// See [`Self::create`].
    pub async fn participants(
        &self,
        caller: &Claims,
        room: &str,
    ) -> Result<Vec<ParticipantView>, Refusal> {
        self.check_admin(caller, room)?;
        let custody = self.call.custody(room);
        if custody == Custody::Sealed {
            return Err(no_such_room());
        }
        let mut views = self.present(room).await?;
        if custody == Custody::Session {
            views.iter_mut().for_each(strip);
        }
        Ok(views)
    }

    /// One of them.
    ///
    /// # Errors
    /// `admin.no_such_participant`; see [`Self::create`].
    pub async fn participant(
        &self,
        caller: &Claims,
        room: &str,
        identity: &str,
    ) -> Result<ParticipantView, Refusal> {
        let views = self.participants(caller, room).await?;
        named(views, identity)
    }

    /// Puts somebody out; returns when they are gone.
    ///
    /// # Errors
    /// See [`Self::participant`].
    pub async fn remove(&self, caller: &Claims, room: &str, identity: &str) -> Result<(), Refusal> {
        self.check_order(caller, room)?;
        self.find(room, identity).await?;
        let order = Input::Remove {
            identity: identity.to_owned(),
            reason: LeaveReason::Removed,
        };
        self.order(room, order).await?;
        // A room answers in order, so it has done what it was told; or it ended with them.
        let _ = self.rooms.participants(room).await;
        Ok(())
    }

    /// Mutes a track. Nobody's microphone or camera is opened from afar.
    ///
    /// # Errors
    /// `admin.no_such_track`, `admin.unmute`; see [`Self::participant`].
    pub async fn mute(
        &self,
        caller: &Claims,
        room: &str,
        identity: &str,
        (track, muted): (TrackId, bool),
    ) -> Result<TrackView, Refusal> {
        self.check_order(caller, room)?;
        let found = track_of(self.find(room, identity).await?, track)?;
        match (found.muted, muted) {
            (true, false) => return Err(unmute()),
            (true, true) | (false, false) => return Ok(found),
            (false, true) => {}
        }
        self.order(room, Input::MuteTrack { track, muted }).await?;
        track_of(self.find(room, identity).await?, track)
    }

    /// Changes a participant's profile and rights.
    ///
    /// # Errors
    /// See [`Self::participant`].
    pub async fn update(
        &self,
        caller: &Claims,
        room: &str,
        identity: &str,
        change: ParticipantChange,
    ) -> Result<ParticipantView, Refusal> {
        self.check_order(caller, room)?;
        let before = self.find(room, identity).await?;
        check_length(change.name.as_deref(), NAME_BYTES_MAX)?;
        check_length(change.metadata.as_deref(), METADATA_BYTES_MAX)?;
        check_attributes(&before.attributes, &change.attributes)?;
        for order in orders(identity, change) {
            self.order(room, order).await?;
        }
        self.find(room, identity).await
    }

    /// Subscribes a participant to tracks, or ends that, as far as its rights and the publishers'
    /// go.
    ///
    /// # Errors
    /// `admin.no_such_track`; see [`Self::participant`].
    pub async fn subscribe(
        &self,
        caller: &Claims,
        room: &str,
        identity: &str,
        (tracks, subscribe): (Vec<TrackId>, bool),
    ) -> Result<(), Refusal> {
        self.check_order(caller, room)?;
        check_count(tracks.len())?;
        let views = self.present(room).await?;
        let published = views.iter().flat_map(|view| &view.tracks);
        let published: BTreeSet<TrackId> = published.map(|track| track.track).collect();
        let identity = named(views, identity)?.identity;
        if !tracks.iter().all(|track| published.contains(track)) {
            return Err(no_such_track());
        }
        let order = Input::Subscribe {
            identity,
            tracks,
            subscribe,
        };
        self.order(room, order).await
    }

    /// Sends data to participants, as the server. Receivers who are not there get nothing.
    ///
    /// # Errors
    /// See [`Self::create`].
    pub async fn send(
        &self,
        caller: &Claims,
        room: &str,
        message: DataMessage,
    ) -> Result<(), Refusal> {
        self.check_order(caller, room)?;
        if message.length > DATA_BYTES_MAX {
            return Err(too_large());
        }
        let views = self.present(room).await?;
        let to = match message.to {
            None => Vec::new(),
            Some(named) => {
                check_count(named.len())?;
                let to = receivers(&views, &named);
                if to.is_empty() {
                    // An empty list would mean everybody.
                    return Ok(());
                }
                to
            }
        };
        let order = Input::SendData {
            channel: message.channel,
            to,
            payload: message.payload,
        };
        if views.is_empty() {
            return Ok(());
        }
        self.order(room, order).await
    }

    /// Changes a room's metadata.
    ///
    /// # Errors
    /// See [`Self::create`].
    pub async fn set_metadata(
        &self,
        caller: &Claims,
        room: &str,
        metadata: String,
    ) -> Result<RoomListing, Refusal> {
        self.check_order(caller, room)?;
        check_length(Some(&metadata), METADATA_BYTES_MAX)?;
        let changed = self.rooms.set_metadata(room, metadata).await;
        changed.map_err(|_| no_such_room())
    }

    fn check_admin(&self, caller: &Claims, room: &str) -> Result<(), Refusal> {
        granted(caller, |grant| grant.room_admin && grant.room == room)?;
        check_name(room)
    }

    fn check_order(&self, caller: &Claims, room: &str) -> Result<(), Refusal> {
        self.check_admin(caller, room)?;
        self.check_change(room)
    }

    fn check_change(&self, room: &str) -> Result<(), Refusal> {
        check_name(room)?;
        match self.call.custody(room) {
            Custody::Plain => Ok(()),
            Custody::Session => Err(session_room()),
            Custody::Sealed => Err(no_such_room()),
        }
    }

    async fn present(&self, room: &str) -> Result<Vec<ParticipantView>, Refusal> {
        let views = self.rooms.participants(room).await;
        views.map_err(|_| no_such_room())
    }

    async fn find(&self, room: &str, identity: &str) -> Result<ParticipantView, Refusal> {
        named(self.present(room).await?, identity)
    }

    async fn order(&self, room: &str, order: Input) -> Result<(), Refusal> {
        let given = self.rooms.input(room, order).await;
        given.map_err(|_| no_such_room())
    }
}

/// Takes out what people and applications wrote about a participant; its account id stays.
pub fn strip(view: &mut ParticipantView) {
    view.name.clear();
    view.metadata.clear();
    view.attributes.clear();
    for track in &mut view.tracks {
        track.name.clear();
    }
}

fn granted(caller: &Claims, suffices: impl Fn(&VideoGrant) -> bool) -> Result<(), Refusal> {
    let suffices = caller.video.as_ref().is_some_and(suffices);
    if suffices { Ok(()) } else { Err(no_grant()) }
}

fn check_name(room: &str) -> Result<(), Refusal> {
    if room.is_empty() {
        return Err(no_name());
    }
    check_length(Some(room), NAME_BYTES_MAX)
}

fn check_length(text: Option<&str>, bytes_max: usize) -> Result<(), Refusal> {
    let fits = text.is_none_or(|text| text.len() <= bytes_max);
    if fits { Ok(()) } else { Err(too_large()) }
}

fn check_count(count: usize) -> Result<(), Refusal> {
    if count <= NAMED_MAX {
        Ok(())
    } else {
        Err(too_large())
    }
}

fn check_attributes(
    old: &BTreeMap<String, String>,
    changes: &BTreeMap<String, String>,
) -> Result<(), Refusal> {
    let kept = old.iter().filter(|(key, _)| !changes.contains_key(*key));
    let set = changes.iter().filter(|(_, value)| !value.is_empty());
    let (mut count, mut bytes) = (0, 0);
    for (key, value) in kept.chain(set) {
        count += 1;
        bytes += key.len() + value.len();
    }
    let fits = count <= ATTRIBUTES_MAX && bytes <= ATTRIBUTES_BYTES_MAX;
    if fits { Ok(()) } else { Err(too_large()) }
}

fn orders(identity: &str, change: ParticipantChange) -> Vec<Input> {
    let identity = || identity.to_owned();
    let mut orders = Vec::new();
    if change.name.is_some() || change.metadata.is_some() {
        orders.push(Input::SetProfile {
            identity: identity(),
            name: change.name,
            metadata: change.metadata,
        });
    }
    if !change.attributes.is_empty() {
        orders.push(Input::SetAttributes {
            identity: identity(),
            attributes: change.attributes,
        });
    }
    orders.extend(change.permissions.map(|permissions| Input::SetPermissions {
        identity: identity(),
        permissions,
    }));
    orders
}

fn named(views: Vec<ParticipantView>, identity: &str) -> Result<ParticipantView, Refusal> {
    let mut views = views.into_iter();
    let found = views.find(|view| view.identity == identity);
    found.ok_or_else(no_such_participant)
}

fn track_of(view: ParticipantView, track: TrackId) -> Result<TrackView, Refusal> {
    let mut tracks = view.tracks.into_iter();
    let found = tracks.find(|known| known.track == track);
    found.ok_or_else(no_such_track)
}

/// Identities of those who are named and there.
fn receivers(views: &[ParticipantView], named: &[String]) -> Vec<String> {
    let named: BTreeSet<&str> = named.iter().map(String::as_str).collect();
    let picked = views.iter().filter(|view| {
        named.contains(view.identity.as_str()) || named.contains(view.participant.sid().as_str())
    });
    picked.map(|view| view.identity.clone()).collect()
}

fn no_token() -> Refusal {
    Refusal::new(
        RefusalKind::Unauthenticated,
        "admin.no_token",
        "缺少访问凭证。",
        "A token is missing: Authorization must be Bearer and a token.",
    )
}

fn no_grant() -> Refusal {
    Refusal::new(
        RefusalKind::Forbidden,
        "admin.no_grant",
        "凭证没有授予此操作的权限。",
        "The token does not grant this.",
    )
}

fn session_room() -> Refusal {
    Refusal::new(
        RefusalKind::Forbidden,
        "admin.session_room",
        "该房间属于业务会话，只能由有权限的人员通过业务接口操作。",
        "The room belongs to a session: named people change it, through the session's own API.",
    )
}

fn no_name() -> Refusal {
    Refusal::new(
        RefusalKind::Invalid,
        "admin.no_name",
        "没有写明房间名。",
        "No room is named.",
    )
}

fn timeout_too_long() -> Refusal {
    Refusal::new(
        RefusalKind::Invalid,
        "admin.timeout",
        "空房间最长保留 24 小时。",
        "A room is kept for at most 86400 seconds without people.",
    )
}

fn no_such_participant() -> Refusal {
    Refusal::new(
        RefusalKind::NotFound,
        "admin.no_such_participant",
        "房间里没有这个人。",
        "The participant does not exist.",
    )
}

fn no_such_track() -> Refusal {
    Refusal::new(
        RefusalKind::NotFound,
        "admin.no_such_track",
        "没有这条音视频。",
        "The track does not exist.",
    )
}

fn unmute() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "admin.unmute",
        "不能从远端打开别人的麦克风或摄像头。",
        "Nobody's microphone or camera is opened from afar; ask them to unmute.",
    )
}
