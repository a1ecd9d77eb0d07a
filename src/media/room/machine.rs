//! The room's state and its way through an input: act, then tell, then negotiate.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::announce::Gone;
use super::member::Member;
use super::policy::{Everybody, Policy};
use super::reliable::Recent;
use super::speakers::Speaking;
use super::timers::Timers;
use super::{Input, Output, RoomConfig, RoomFact};
use crate::domain::id::{ParticipantId, ShardId, SourceId, TapId, TrackId, TransportId};
use crate::media::command::{Command, Event};
use crate::media::signal::{LeaveReason, Notice, ParticipantView, Request, RoomView};

/// A room. One input at a time; then drain [`Room::poll_output`], then ask [`Room::next_deadline`].
#[derive(Debug)]
pub struct Room {
    pub(super) config: RoomConfig,
    /// Where transports go as long as that shard is not busier than others.
    pub(super) home: ShardId,
    pub(super) policy: Arc<dyn Policy>,
    pub(super) metadata: String,
    /// At most the bound of the configuration.
    pub(super) participants_max: usize,
    pub(super) now: DateTime<Utc>,
    /// Apart from the tree, whose nodes are half empty when ids only grow.
    pub(super) members: BTreeMap<ParticipantId, Box<Member>>,
    pub(super) identities: BTreeMap<String, ParticipantId>,
    pub(super) transports: BTreeMap<TransportId, ParticipantId>,
    pub(super) sources: BTreeMap<SourceId, (ParticipantId, TrackId)>,
    pub(super) tracks: BTreeMap<TrackId, ParticipantId>,
    /// What the server itself uses.
    pub(super) taps: BTreeMap<TapId, TrackId>,
    /// Participants with a negotiated track: what a newcomer has to look at.
    pub(super) publishers: BTreeSet<ParticipantId>,
    pub(super) recorders: BTreeSet<ParticipantId>,
    /// The server itself records.
    pub(super) recorded_here: bool,
    pub(super) speaking: BTreeMap<SourceId, Speaking>,
    pub(super) timers: Timers<Timer>,
    /// Whose view changed within this input.
    pub(super) changed: BTreeSet<ParticipantId>,
    /// Whose view changed, to be told to others at the next [`Timer::Quiet`].
    pub(super) quiet: BTreeSet<ParticipantId>,
    pub(super) gone: Vec<Gone>,
    pub(super) gone_quietly: Vec<Gone>,
    /// Whose view was sent with the welcome and need not be repeated to it.
    pub(super) newcomer: Option<ParticipantId>,
    /// Whose connection may need an offer, an answer or sections.
    pub(super) unsettled: BTreeSet<ParticipantId>,
    /// Tracks that are received by others than before, or otherwise.
    pub(super) demanded: BTreeSet<TrackId>,
    /// Reliable data of the last seconds.
    pub(super) recent: Recent,
    pub(super) announced: u64,
    outputs: VecDeque<Output>,
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A newcomer must have connected.
    Connect(ParticipantId),
    /// A participant without transport or signalling is given up.
    Lost(ParticipantId),
    /// A connected participant is active even if its data channels are not open.
    Activate(ParticipantId),
    /// A simulated speech is over.
    Speech(ParticipantId),
    /// Layers that nobody receives any more need not be sent.
    Demand(TrackId),
    /// Presence and quality.
    Tick,
    /// Changes of people who do not publish are told.
    Quiet,
}

impl Room {
    /// An empty room.
    pub fn new(config: RoomConfig) -> Self {
        Self {
            home: config.shards.quietest(),
            policy: Arc::new(Everybody),
            metadata: String::new(),
            participants_max: config.limits.participants_max,
            now: config.created_at,
            members: BTreeMap::new(),
            identities: BTreeMap::new(),
            transports: BTreeMap::new(),
            sources: BTreeMap::new(),
            tracks: BTreeMap::new(),
            taps: BTreeMap::new(),
            publishers: BTreeSet::new(),
            recorders: BTreeSet::new(),
            recorded_here: false,
            speaking: BTreeMap::new(),
            timers: Timers::new(),
            changed: BTreeSet::new(),
            quiet: BTreeSet::new(),
            gone: Vec::new(),
            gone_quietly: Vec::new(),
            newcomer: None,
            unsettled: BTreeSet::new(),
            demanded: BTreeSet::new(),
            recent: Recent::default(),
            announced: 0,
            outputs: VecDeque::new(),
            config,
        }
    }

    /// Takes one input; what follows from it waits in [`Room::poll_output`]. Inputs that name
    /// somebody or something that is gone have no effect.
    pub fn handle(&mut self, now: DateTime<Utc>, input: Input) {
        self.now = self.now.max(now);
        self.act(input);
        self.announce();
        while let Some(participant) = self.unsettled.pop_first() {
            self.negotiate(participant);
        }
        while let Some(track) = self.demanded.pop_first() {
            self.weigh_demand(track);
        }
    }

    /// The next thing to be done, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to hand in [`Input::Timeout`].
    pub fn next_deadline(&self) -> Option<DateTime<Utc>> {
        self.timers.next()
    }

    /// Nobody is here.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The room as participants see it.
    pub fn view(&self) -> RoomView {
        let shown = self
            .members
            .values()
            .filter(|m| !m.admission.permissions.hidden && !m.admission.is_servant())
            .count();
        RoomView {
            room: self.config.id,
            name: self.config.name.clone(),
            metadata: self.metadata.clone(),
            created_at: self.config.created_at,
            participants: u32::try_from(shown).unwrap_or(u32::MAX),
            publishers: u32::try_from(self.publishers.len()).unwrap_or(u32::MAX),
            is_recorded: self.is_recorded(),
        }
    }

    /// Everybody, hidden ones included, in the order of their ids.
    pub fn participants(&self) -> Vec<ParticipantView> {
        self.members.values().map(|member| member.view()).collect()
    }

    fn act(&mut self, input: Input) {
        match input {
            Input::Join {
                participant,
                admission,
            } => self.join(participant, *admission),
            Input::Open(opening) => self.open(*opening),
            Input::Request {
                participant,
                request,
            } => self.request(participant, request),
            Input::SignalLost { participant } => self.signal_lost(participant),
            Input::Resume { participant } => self.resume(participant),
            Input::Media(event) => self.media(event),
            Input::Timeout => self.timeout(),
            Input::Remove { identity, reason } => self.remove(&identity, reason),
            Input::SetPermissions {
                identity,
                permissions,
            } => {
                self.set_permissions(&identity, permissions);
            }
            Input::MuteTracks {
                identity,
                except,
                source,
            } => {
                self.mute_tracks(identity.as_deref(), &except, source);
            }
            Input::MuteTrack { track, muted } => self.mute_by_server(track, muted),
            Input::Subscribe {
                identity,
                tracks,
                subscribe,
            } => self.subscribe_for(&identity, &tracks, subscribe),
            Input::SetAttributes {
                identity,
                attributes,
            } => {
                self.set_attributes(&identity, attributes);
            }
            Input::SetProfile {
                identity,
                name,
                metadata,
            } => {
                self.set_profile(&identity, name, metadata);
            }
            Input::SendData {
                channel,
                to,
                payload,
            } => {
                self.send_data(None, channel, &to, &payload);
            }
            Input::SetMetadata { metadata } => self.set_room_metadata(metadata),
            Input::SetParticipantsMax(max) => self.set_participants_max(max),
            Input::Tap(wish) => self.tap(&wish),
            Input::Untap { tap } => self.untap(tap),
            Input::WantStill { tap } => self.want_still(tap),
            Input::SetRecorded(recorded) => self.set_recorded(recorded),
            Input::SetPolicy(policy) => self.set_policy(policy),
            Input::Close { reason } => self.close(reason),
        }
    }

    fn remove(&mut self, identity: &str, reason: LeaveReason) {
        if let Some(participant) = self.identified(identity) {
            self.leave(participant, reason);
        }
    }

    fn subscribe_for(&mut self, identity: &str, tracks: &[TrackId], subscribe: bool) {
        if let Some(participant) = self.identified(identity) {
            self.subscribe(participant, tracks, subscribe);
        }
    }

    fn request(&mut self, participant: ParticipantId, request: Request) {
        if !self.members.contains_key(&participant) {
            return;
        }
        match request {
            Request::AddTrack(track) => self.add_track(participant, track),
            Request::Offer { id, sdp } => self.offered(participant, id, &sdp),
            Request::Answer { id, sdp } => self.answered(participant, id, &sdp),
            Request::Mute { track, muted } => self.mute_own(participant, track, muted),
            Request::Subscribe { tracks, subscribe } => {
                self.subscribe(participant, &tracks, subscribe);
            }
            Request::TrackSetting { tracks, setting } => {
                self.track_setting(participant, &tracks, setting);
            }
            Request::SubscriptionPermission { all, allowed } => {
                self.share(participant, all, allowed);
            }
            Request::UpdateMetadata {
                request_id,
                metadata,
                name,
                attributes,
            } => {
                self.update_own(participant, request_id, metadata, name, attributes);
            }
            Request::SendData {
                own,
                channel,
                to,
                sequence,
                payload,
            } => {
                if own.is_none_or(|own| self.done_with(participant, own)) {
                    let sender = Some((participant, sequence));
                    self.send_data(sender, channel, &to, &payload);
                }
            }
            Request::DropData { own } => drop(self.done_with(participant, own)),
            Request::Sync {
                published,
                received,
            } => self.synchronise(participant, &published, received),
            Request::Trickle { tag, fragment } => {
                self.trickled(participant, tag.as_deref(), &fragment);
            }
            Request::Simulate(scenario) => self.simulate(participant, scenario),
            Request::Leave => self.leave(participant, LeaveReason::ClientInitiated),
        }
    }

    fn media(&mut self, event: Event) {
        match event {
            Event::TransportConnected { transport, setup } => self.connected(transport, setup),
            Event::TransportSilent { transport } => self.silent(transport, true),
            Event::TransportHeard { transport } => self.silent(transport, false),
            Event::TransportClosed {
                transport,
                reason: _,
            } => self.transport_closed(transport),
            Event::EncodingStarted {
                source,
                encoding: _,
            } => self.started(source),
            Event::ChannelOpened { transport, channel } => self.channel_opened(transport, channel),
            Event::Data {
                transport,
                channel,
                payload,
            } => self.own_data(transport, channel, payload),
            Event::LegHeld {
                transport,
                leg,
                held,
            } => self.leg_held(transport, leg, held),
            Event::AudioLevels(levels) => self.audio_levels(&levels),
            Event::Report(report) => self.reported(report),
        }
    }

    fn timeout(&mut self) {
        while let Some(timer) = self.timers.pop_due(self.now) {
            match timer {
                Timer::Connect(participant) | Timer::Lost(participant) => {
                    self.leave(participant, LeaveReason::ConnectionLost);
                }
                Timer::Activate(participant) => self.activate(participant),
                Timer::Speech(participant) => self.tell_of_speech(participant, false),
                Timer::Demand(track) => self.tell_demand(track),
                Timer::Tick => self.tick(),
                Timer::Quiet => self.announce_quiet(),
            }
        }
    }

    /// Who has an identity.
    pub(super) fn identified(&self, identity: &str) -> Option<ParticipantId> {
        self.identities.get(identity).copied()
    }

    /// Tells a client, if it hears.
    pub(super) fn tell(&mut self, participant: ParticipantId, notice: Notice) {
        if self
            .members
            .get(&participant)
            .is_some_and(|member| member.hears(&notice))
        {
            self.outputs.push_back(Output::Notice {
                participant,
                notice,
            });
        }
    }

    /// Tells a client that is no member: one that is turned away or just left.
    pub(super) fn tell_outsider(&mut self, participant: ParticipantId, notice: Notice) {
        self.outputs.push_back(Output::Notice {
            participant,
            notice,
        });
    }

    pub(super) fn command(&mut self, command: Command) {
        self.outputs.push_back(Output::Media(command));
    }

    pub(super) fn fact(&mut self, fact: RoomFact) {
        self.outputs.push_back(Output::Fact(fact));
    }
}
