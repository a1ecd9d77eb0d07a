//! Subscriptions: who has a copy of which track, and the legs that carry them.

use super::Room;
use super::member::{Member, Remains, Subscription, Wish};
use super::track::Track;
use crate::domain::id::{LegId, ParticipantId, TrackId};
use crate::media::command::{CodecMapping, Command, LegConfig, MediaKind};
use crate::media::negotiation::{Local, Outgoing, Taken};
use crate::media::signal::{Notice, Setting, TrackSource};

impl Room {
    /// Whether a participant is to have a track: rights, policy, the publisher's will, its own.
    fn wants(&self, receiver: &Member, publisher: &Member, track: TrackId) -> bool {
        receiver.id != publisher.id
            && receiver.admission.permissions.subscribe
            && receiver.wishes_for(publisher, track)
            && publisher.shares(track, receiver)
            && self.may_have_of(receiver, publisher)
    }

    /// Whether the room lets a participant have tracks of another.
    fn may_have_of(&self, receiver: &Member, publisher: &Member) -> bool {
        !publisher.admission.permissions.hidden
            && self.may_see(receiver, &publisher.admission)
            && self
                .policy
                .may_receive(&receiver.admission, &publisher.admission)
    }

    /// Subscribes or unsubscribes one participant and one track, as things are now.
    pub(super) fn reconcile(&mut self, receiver: ParticipantId, track: TrackId) {
        let Some(publisher) = self.tracks.get(&track).and_then(|id| self.members.get(id)) else {
            return;
        };
        let Some(member) = self.members.get(&receiver) else {
            return;
        };
        let Some(known) = publisher
            .tracks
            .get(&track)
            .filter(|track| track.binding.is_some())
        else {
            return;
        };
        let kind = known.request.kind;
        let wanted = self.wants(member, publisher, track);
        let news = self.sharing_news(member, publisher, track);
        self.tell_sharing(receiver, track, news);
        let Some(member) = self.members.get(&receiver) else {
            return;
        };
        match (wanted, member.subscriptions.contains_key(&track)) {
            (true, false) => self.begin_subscription(receiver, track, kind),
            (false, true) => self.withdraw(receiver, track),
            (true, true) | (false, false) => {}
        }
    }

    /// What a receiver has to hear of a publisher's will: that it may not have a track which it
    /// wishes for, or that it may now. `None` where nothing changed.
    fn sharing_news(
        &self,
        receiver: &Member,
        publisher: &Member,
        track: TrackId,
    ) -> Option<SharingNews> {
        let knows = receiver.withheld.contains(&track);
        let is_plain = publisher.sharing.all && !knows;
        if is_plain || receiver.id == publisher.id || !receiver.listens() {
            return None;
        }
        if !self.may_see(receiver, &publisher.admission) {
            return knows.then_some(SharingNews::Forgotten);
        }
        let wishes = receiver.wishes_for(publisher, track);
        let wishes = wishes && receiver.admission.permissions.subscribe;
        match (publisher.shares(track, receiver), knows) {
            (true, true) => Some(SharingNews::Allowed(publisher.id)),
            (false, false) if wishes => Some(SharingNews::Withheld(publisher.id)),
            (true, false) | (false, _) => None,
        }
    }

    fn tell_sharing(&mut self, receiver: ParticipantId, track: TrackId, news: Option<SharingNews>) {
        let member = self.members.get_mut(&receiver);
        let Some((member, news)) = member.zip(news) else {
            return;
        };
        let (participant, allowed) = match news {
            SharingNews::Withheld(publisher) => (publisher, false),
            SharingNews::Allowed(publisher) => (publisher, true),
            SharingNews::Forgotten => {
                member.withheld.remove(&track);
                return;
            }
        };
        if allowed {
            member.withheld.remove(&track);
        } else {
            member.withheld.insert(track);
        }
        let notice = Notice::SubscriptionAllowed {
            participant,
            track,
            allowed,
        };
        self.tell(receiver, notice);
    }

    /// Reconciles one participant with every negotiated track.
    pub(super) fn reconcile_all(&mut self, receiver: ParticipantId) {
        let publishers = self.publishers.iter().filter_map(|id| self.members.get(id));
        let tracks: Vec<TrackId> = publishers
            .flat_map(|member| member.tracks.keys().copied())
            .collect();
        for track in tracks {
            self.reconcile(receiver, track);
        }
    }

    /// Reconciles one track with everybody.
    pub(super) fn reconcile_receivers(&mut self, track: TrackId) {
        let receivers: Vec<ParticipantId> = self.members.keys().copied().collect();
        for receiver in receivers {
            self.reconcile(receiver, track);
        }
    }

    /// Reconciles all tracks of one participant with everybody.
    pub(super) fn reconcile_publisher(&mut self, publisher: ParticipantId) {
        let tracks = self
            .members
            .get(&publisher)
            .map(|member| member.tracks.keys().copied());
        let tracks: Vec<TrackId> = tracks.into_iter().flatten().collect();
        for track in tracks {
            self.reconcile_receivers(track);
        }
    }

    /// A client's own choice.
    pub(super) fn subscribe(
        &mut self,
        receiver: ParticipantId,
        tracks: &[TrackId],
        subscribe: bool,
    ) {
        for track in tracks.iter().copied() {
            let publisher = self.tracks.get(&track).and_then(|id| self.members.get(id));
            let member = self.members.get(&receiver);
            let may = member.zip(publisher).is_some_and(|(member, publisher)| {
                member.admission.permissions.subscribe && self.may_have_of(member, publisher)
            });
            if self.tracks.contains_key(&track)
                && let Some(member) = self.members.get_mut(&receiver)
            {
                member.wishes.entry(track).or_default().subscribe = Some(subscribe);
            }
            if subscribe && !may {
                self.tell(receiver, Notice::SubscriptionFailed { track });
            } else {
                self.reconcile(receiver, track);
            }
        }
    }

    fn begin_subscription(&mut self, receiver: ParticipantId, track: TrackId, kind: MediaKind) {
        let subscription = Subscription {
            kind,
            placed: false,
            leg: None,
        };
        if let Some(member) = self.members.get_mut(&receiver) {
            member.subscriptions.insert(track, subscription);
        }
        if let Some(publisher) = self.tracks.get(&track).copied()
            && let Some(known) = self.track_mut(publisher, track)
        {
            known.subscribers.insert(receiver);
        }
        self.unsettled.insert(receiver);
        self.place_in_offer(receiver, track, kind);
    }

    /// On a connection that we offer, a section is ours to make.
    fn place_in_offer(&mut self, receiver: ParticipantId, track: TrackId, kind: MediaKind) {
        if self
            .members
            .get(&receiver)
            .is_none_or(|member| member.subscriber.is_none())
        {
            return;
        }
        let Some(outgoing) = self.outgoing(receiver, track, kind) else {
            return;
        };
        let Some(member) = self.members.get_mut(&receiver) else {
            return;
        };
        let Some(side) = &mut member.subscriber else {
            return;
        };
        if side.sections.attach(kind, outgoing) {
            if let Some(subscription) = member.subscriptions.get_mut(&track) {
                subscription.placed = true;
            }
        } else {
            self.fail_subscription(receiver, track);
        }
    }

    /// Ends a subscription that cannot be; the client is told, and is not tried again until it
    /// asks.
    pub(super) fn fail_subscription(&mut self, receiver: ParticipantId, track: TrackId) {
        self.unsubscribe(receiver, track);
        if let Some(member) = self.members.get_mut(&receiver) {
            member.wishes.entry(track).or_default().subscribe = Some(false);
        }
        self.tell(receiver, Notice::SubscriptionFailed { track });
    }

    /// The stream that carries a track to a receiver, under SSRCs of its own.
    pub(super) fn outgoing(
        &mut self,
        receiver: ParticipantId,
        track: TrackId,
        kind: MediaKind,
    ) -> Option<Outgoing> {
        let publisher = self.members.get(self.tracks.get(&track)?)?;
        let request = &publisher.tracks.get(&track)?.request;
        let (stream, stereo) = (request.stream.clone(), request.stereo);
        let cname = publisher.id.sid();
        let member = self.members.get_mut(&receiver)?;
        let apart = member.admission.client.streams_apart || !is_stream_name(&stream);
        let local: &mut Local = match (&mut member.subscriber, &mut member.publisher) {
            (Some(side), _) => side.sections.local_mut(),
            (None, Some(side)) => side.sections.local_mut(),
            (None, None) => return None,
        };
        let ssrc = local.ssrc();
        let rtx_ssrc = match kind {
            MediaKind::Video => Some(local.ssrc()),
            MediaKind::Audio => None,
        };
        let group = if apart { track.sid() } else { stream };
        Some(Outgoing {
            track,
            stream: format!("{cname}|{group}"),
            cname,
            ssrc,
            rtx_ssrc,
            stereo,
        })
    }

    /// Forwards a track on a section that the client agreed to.
    pub(super) fn start_leg(&mut self, receiver: ParticipantId, outgoing: &Outgoing, taken: Taken) {
        let track = outgoing.track;
        let leg = self.config.live_ids.leg();
        let Some(publisher) = self.tracks.get(&track).copied() else {
            return;
        };
        let Some(known) = self
            .members
            .get(&publisher)
            .and_then(|m| m.tracks.get(&track))
        else {
            return;
        };
        let Some(member) = self.members.get(&receiver) else {
            return;
        };
        let (Some(binding), Some(link)) = (&known.binding, member.receiving()) else {
            return;
        };
        let wish = member.wishes.get(&track).copied().unwrap_or_default();
        let has_rtx = taken
            .codecs
            .iter()
            .any(|mapping| mapping.rtx_payload_type.is_some());
        let config = LegConfig {
            leg,
            source: binding.source,
            transport: link.transport,
            ssrc: outgoing.ssrc,
            rtx_ssrc: outgoing.rtx_ssrc.filter(|_| has_rtx),
            codecs: taken.codecs,
            extensions: taken.extensions,
            encoding: encoding_of(known, wish),
            priority: priority_of(known, wish),
            paused: known.muted || wish.setting.disabled,
        };
        let is_first = !self.receives_of(member, publisher);
        let is_hidden = member.admission.permissions.hidden;
        self.command(Command::AddLeg(config));
        if wish.setting.frames_per_second > 0 {
            self.command(limit_frame_rate(leg, wish.setting));
        }
        self.demanded.insert(track);
        if is_first {
            self.tell_quality_of(receiver, publisher);
        }
        if let Some(member) = self.members.get_mut(&receiver)
            && let Some(subscription) = member.subscriptions.get_mut(&track)
        {
            subscription.leg = Some(leg);
        }
        if !is_hidden
            && let Some(known) = self.track_mut(publisher, track)
            && !std::mem::replace(&mut known.subscription_told, true)
        {
            self.tell(publisher, Notice::TrackSubscribed { track });
        }
    }

    /// Whether a participant receives any track of a publisher.
    fn receives_of(&self, receiver: &Member, publisher: ParticipantId) -> bool {
        let mut subscriptions = receiver.subscriptions.iter();
        subscriptions.any(|(track, subscription)| {
            subscription.leg.is_some() && self.tracks.get(track) == Some(&publisher)
        })
    }

    /// Whether a receiver's codecs can carry a track.
    pub(super) fn suits(&self, track: TrackId, codecs: &[CodecMapping]) -> bool {
        let publisher = self.tracks.get(&track).and_then(|id| self.members.get(id));
        let known = publisher.and_then(|member| member.tracks.get(&track));
        let binding = known.and_then(|known| known.binding.as_ref());
        binding.is_some_and(|binding| binding.suits(codecs))
    }

    /// Takes a track that goes on away from a receiver.
    fn withdraw(&mut self, receiver: ParticipantId, track: TrackId) {
        self.unsubscribe(receiver, track);
        if let Some(member) = self.members.get_mut(&receiver)
            && member.remains == Remains::None
        {
            member.remains = Remains::Untold;
        }
    }

    /// Takes a track away from a receiver.
    pub(super) fn unsubscribe(&mut self, receiver: ParticipantId, track: TrackId) {
        let Some(member) = self.members.get_mut(&receiver) else {
            return;
        };
        let Some(subscription) = member.subscriptions.remove(&track) else {
            return;
        };
        if let Some(side) = &mut member.subscriber {
            side.sections.detach(track);
        } else if let Some(side) = &mut member.publisher {
            side.sections.detach(track);
            // Its section may serve another that waits.
            member.asked = None;
        }
        if let Some(leg) = subscription.leg {
            self.command(Command::RemoveLeg { leg });
        }
        if let Some(publisher) = self.tracks.get(&track).copied()
            && let Some(known) = self.track_mut(publisher, track)
        {
            known.subscribers.remove(&receiver);
            self.demanded.insert(track);
        }
        self.unsettled.insert(receiver);
    }

    /// Takes everything away from a receiver.
    pub(super) fn end_subscriptions(&mut self, receiver: ParticipantId) {
        let member = self.members.get(&receiver);
        let tracks = member.map(|member| member.subscriptions.keys().copied());
        let tracks: Vec<TrackId> = tracks.into_iter().flatten().collect();
        for track in tracks {
            self.unsubscribe(receiver, track);
        }
    }

    /// How a client shows tracks.
    pub(super) fn track_setting(
        &mut self,
        receiver: ParticipantId,
        tracks: &[TrackId],
        setting: Setting,
    ) {
        for track in tracks.iter().copied() {
            let Some(publisher) = self.tracks.get(&track).and_then(|id| self.members.get(id))
            else {
                continue;
            };
            let Some(known) = publisher.tracks.get(&track) else {
                continue;
            };
            let Some(member) = self.members.get(&receiver) else {
                return;
            };
            let old = member.wishes.get(&track).copied().unwrap_or_default();
            let new = Wish { setting, ..old };
            let leg = member.subscriptions.get(&track).and_then(|known| known.leg);
            let (before, encoding) = (encoding_of(known, old), encoding_of(known, new));
            let priority = priority_of(known, new);
            let reprioritized = priority != priority_of(known, old);
            let paused = known.muted || setting.disabled;
            let was_paused = known.muted || old.setting.disabled;
            if let Some(member) = self.members.get_mut(&receiver) {
                member.wishes.insert(track, new);
            }
            let Some(leg) = leg else { continue };
            if encoding != before {
                self.command(Command::SelectEncoding { leg, encoding });
            }
            if setting.frames_per_second != old.setting.frames_per_second {
                self.command(limit_frame_rate(leg, setting));
            }
            if reprioritized {
                self.command(Command::PrioritizeLeg { leg, priority });
            }
            if paused != was_paused {
                self.command(Command::PauseLeg { leg, paused });
            }
            self.demanded.insert(track);
        }
    }

    /// Holds back or lets go all copies of a track that was muted or unmuted.
    pub(super) fn pause_legs(&mut self, publisher: ParticipantId, track: TrackId) {
        let known = self
            .members
            .get(&publisher)
            .and_then(|m| m.tracks.get(&track));
        let Some(known) = known else { return };
        let muted = known.muted;
        let pausing = known.subscribers.iter().filter_map(|receiver| {
            let member = self.members.get(receiver)?;
            let wish = member.wishes.get(&track);
            let disabled = wish.is_some_and(|wish| wish.setting.disabled);
            let leg = member.subscriptions.get(&track)?.leg?;
            (!disabled).then_some(leg)
        });
        let pausing: Vec<_> = pausing.collect();
        for leg in pausing {
            self.command(Command::PauseLeg { leg, paused: muted });
        }
    }
}

/// See [`Room::sharing_news`].
#[derive(Clone, Copy, Debug)]
enum SharingNews {
    /// The publisher does not share the track with it.
    Withheld(ParticipantId),
    /// The publisher shares it after all.
    Allowed(ParticipantId),
    /// It does not know the publisher any more.
    Forgotten,
}

/// Whether a stream's name can stand in `a=msid` behind the publisher's id (RFC 8830 section 2).
fn is_stream_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= STREAM_NAME_BYTES_MAX && name.chars().all(legal)
}

/// An msid identifier has at most 64 characters, 36 of which are the publisher's.
const STREAM_NAME_BYTES_MAX: usize = 28;

/// The encoding that a wish means.
pub(super) fn encoding_of(track: &Track, wish: Wish) -> u8 {
    let best = (0, 0, u8::MAX);
    let (width, height, quality) = wish.setting.shown.unwrap_or(best);
    let binding = track.binding.as_ref();
    binding.map_or(0, |binding| binding.nearest(width, height, quality))
}

fn limit_frame_rate(leg: LegId, setting: Setting) -> Command {
    let said = setting.frames_per_second;
    Command::LimitFrameRate {
        leg,
        frames_per_second: (said > 0).then_some(said),
    }
}

/// Priority of a shared screen, unless the client says otherwise: a lesson is on it.
const SCREEN_PRIORITY: u8 = 255;
/// Priority of any other picture.
const PICTURE_PRIORITY: u8 = 1;

fn priority_of(track: &Track, wish: Wish) -> u8 {
    match (wish.setting.priority, track.request.source) {
        (0, TrackSource::ScreenShare) => SCREEN_PRIORITY,
        (0, _) => PICTURE_PRIORITY,
        (said, _) => said,
    }
}
