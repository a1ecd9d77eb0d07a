//! A participant: its rights, connections, tracks and subscriptions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::link::Link;
use super::reliable::{Inbox, OwnData};
use super::track::Track;
use crate::domain::id::{LegId, ParticipantId, TrackId, TransportId};
use crate::media::command::MediaKind;
use crate::media::negotiation::{Answering, Offering};
use crate::media::signal::{
    Admission, ConnectionQuality, Layout, LeaveReason, Notice, ParticipantState, ParticipantView,
    Setting, TrackSource,
};

/// A participant.
#[derive(Debug)]
pub struct Member {
    /// The id of the stay.
    pub id: ParticipantId,
    /// What it came in with, kept up to date.
    pub admission: Admission,
    /// Where it is.
    pub state: ParticipantState,
    /// Grows with every change that others are told.
    pub version: u32,
    /// When it joined.
    pub joined_at: DateTime<Utc>,
    /// Its signalling is up.
    pub signal: bool,
    /// Who left while its signalling was lost; bounded by the room's participants.
    pub missed: Vec<Arc<ParticipantView>>,
    /// The connection that the client offers.
    pub publisher: Option<PublisherSide>,
    /// The connection that we offer, in [`Layout::Dual`].
    pub subscriber: Option<SubscriberSide>,
    /// Own tracks.
    pub tracks: BTreeMap<TrackId, Track>,
    /// Who may subscribe to them.
    pub sharing: Sharing,
    /// Tracks of others that its client knows not to be shared with it; live ones only.
    pub withheld: BTreeSet<TrackId>,
    /// What the client asked of others' tracks; for live tracks only.
    pub wishes: BTreeMap<TrackId, Wish>,
    /// Tracks of others that it has or waits for.
    pub subscriptions: BTreeMap<TrackId, Subscription>,
    /// Receiving sections were asked for while so many subscriptions waited.
    pub asked: Option<Waiting>,
    /// What its description says of tracks that were taken from it.
    pub remains: Remains,
    /// Quality that was last told.
    pub quality: Option<ConnectionQuality>,
    /// Until when a resume is to be cut off, on its client's own wish, and whether before a word.
    pub cut_on_resume: Option<(DateTime<Utc>, bool)>,
    /// Reliable data that it was handed.
    pub inbox: Inbox,
    /// Reliable data from it that its session is not done with.
    pub own_data: OwnData,
    /// Sequence number of its last reliable message that was taken; 0 before the first.
    pub last_sequence: u32,
}

/// The connection that the client offers.
#[derive(Debug)]
pub struct PublisherSide {
    /// Its sections.
    pub sections: Answering,
    /// Its transport.
    pub link: Link,
    /// An offer of this number waits for its answer.
    pub answer_due: Option<u32>,
    /// The sections are of our making, and wait for the client to agree.
    pub proposed: bool,
}

/// The connection that we offer.
#[derive(Debug)]
pub struct SubscriberSide {
    /// Its sections.
    pub sections: Offering,
    /// Its transport.
    pub link: Link,
}

/// Who may subscribe to a participant's tracks, by its own will.
#[derive(Clone, Debug)]
pub struct Sharing {
    /// Everybody.
    pub all: bool,
    /// Otherwise these: identity or participant id to tracks (empty: all).
    pub allowed: BTreeMap<String, Vec<TrackId>>,
}

/// What a client asked of one track of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Explicitly subscribed or not.
    pub subscribe: Option<bool>,
    /// How it is shown.
    pub setting: Setting,
}

/// A subscription; without a leg it waits for a section or for the client's answer.
#[derive(Clone, Copy, Debug)]
pub struct Subscription {
    /// Audio or video.
    pub kind: MediaKind,
    /// A section carries it.
    pub placed: bool,
    /// The copy that is forwarded.
    pub leg: Option<LegId>,
}

/// Whether a client that always offers knows of tracks that were taken from it while they go on for
/// others: no message tells, only the answer to its next offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remains {
    /// It knows of all.
    None,
    /// It is to be asked for an offer.
    Untold,
    /// It was asked.
    Asked,
}

/// How many subscriptions wait for a section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Audio.
    pub audios: usize,
    /// Video.
    pub videos: usize,
}

impl Member {
    /// A participant that just came in.
    pub fn new(id: ParticipantId, admission: Admission, now: DateTime<Utc>, inbox: Inbox) -> Self {
        Self {
            id,
            admission,
            state: ParticipantState::Joined,
            version: 1,
            joined_at: now,
            signal: true,
            missed: Vec::new(),
            publisher: None,
            subscriber: None,
            tracks: BTreeMap::new(),
            sharing: Sharing {
                all: true,
                allowed: BTreeMap::new(),
            },
            withheld: BTreeSet::new(),
            wishes: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            asked: None,
            remains: Remains::None,
            quality: None,
            cut_on_resume: None,
            inbox,
            own_data: OwnData::default(),
            last_sequence: 0,
        }
    }

    /// How others see it; only negotiated tracks are listed.
    pub fn view(&self) -> ParticipantView {
        let tracks = self.tracks.values().filter(|track| track.binding.is_some());
        ParticipantView {
            participant: self.id,
            identity: self.admission.identity.clone(),
            name: self.admission.name.clone(),
            metadata: self.admission.metadata.clone(),
            attributes: self.admission.attributes.clone(),
            state: self.state,
            version: self.version,
            joined_at: self.joined_at,
            permissions: self.admission.permissions.clone(),
            tracks: tracks.map(Track::view).collect(),
            client: self.admission.client.clone(),
            kind: self.admission.kind,
            left: None,
        }
    }

    /// How others see that it is gone.
    pub fn farewell(&self, reason: LeaveReason) -> ParticipantView {
        ParticipantView {
            state: ParticipantState::Disconnected,
            version: self.version + 1,
            tracks: Vec::new(),
            left: Some(reason),
            ..self.view()
        }
    }

    /// May publish a track of this source.
    pub fn may_publish(&self, source: TrackSource) -> bool {
        self.admission.permissions.may_publish(source)
    }

    /// Somebody reads what it is told unasked, and may come back on another connection.
    pub fn listens(&self) -> bool {
        self.signal && self.admission.layout != Layout::OneShot
    }

    /// Whether a notice finds somebody: a client without signalling reads answers alone.
    pub fn hears(&self, notice: &Notice) -> bool {
        let answers = matches!(
            notice,
            Notice::SessionAnswer(_)
                | Notice::CounterOffer(_)
                | Notice::Trickled(_)
                | Notice::RequestDone { .. }
                | Notice::RequestRefused { .. }
        );
        self.listens() || (answers && self.signal)
    }

    /// Lets a receiver have a track of its own.
    pub fn shares(&self, track: TrackId, receiver: &Member) -> bool {
        if self.sharing.all {
            return true;
        }
        let allowed = &self.sharing.allowed;
        let by_identity = allowed.get(&receiver.admission.identity);
        let entry = by_identity.or_else(|| allowed.get(&receiver.id.sid()));
        entry.is_some_and(|tracks| tracks.is_empty() || tracks.contains(&track))
    }

    /// Its client wants a publisher's track: asked for, or by the automatic subscription.
    pub fn wishes_for(&self, publisher: &Member, track: TrackId) -> bool {
        let wish = self.wishes.get(&track).and_then(|wish| wish.subscribe);
        let watched = self.admission.watches.as_ref();
        let watched = watched.is_none_or(|identity| *identity == publisher.admission.identity);
        wish.unwrap_or(self.admission.auto_subscribe && watched)
    }

    /// Some track is negotiated.
    pub fn publishes(&self) -> bool {
        self.tracks.values().any(|track| track.binding.is_some())
    }

    /// Its transports.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        let publisher = self.publisher.as_ref().map(|side| &side.link);
        let subscriber = self.subscriber.as_ref().map(|side| &side.link);
        publisher.into_iter().chain(subscriber)
    }

    /// Its transports.
    pub fn links_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        let publisher = self.publisher.as_mut().map(|side| &mut side.link);
        let subscriber = self.subscriber.as_mut().map(|side| &mut side.link);
        publisher.into_iter().chain(subscriber)
    }

    /// One of its transports.
    pub fn link_mut(&mut self, transport: TransportId) -> Option<&mut Link> {
        self.links_mut().find(|link| link.transport == transport)
    }

    /// The transport on which it receives media and data, if it is there.
    pub fn receiving(&self) -> Option<&Link> {
        match self.admission.layout {
            Layout::Single | Layout::OneShot => self.publisher.as_ref().map(|side| &side.link),
            Layout::Dual => self.subscriber.as_ref().map(|side| &side.link),
        }
    }

    /// How many subscriptions wait for a section.
    pub fn waiting(&self) -> Waiting {
        let mut waiting = Waiting::default();
        for subscription in self.subscriptions.values().filter(|known| !known.placed) {
            match subscription.kind {
                MediaKind::Audio => waiting.audios += 1,
                MediaKind::Video => waiting.videos += 1,
            }
        }
        waiting
    }
}
