//! Descriptions to and from clients, and the sections that carry subscriptions.

use super::Room;
use super::link::Link;
use super::member::{PublisherSide, Remains, Waiting};
use crate::domain::id::{ParticipantId, TrackId};
use crate::media::command::{Command, MediaKind, TransportConfig};
use crate::media::negotiation::{Answering, Offered, Outgoing, Taken};
use crate::media::sdp::{SECTIONS_MAX, SdpError};
use crate::media::signal::{Layout, Notice, RequestRefusal};

impl Room {
    /// A client's offer.
    pub(super) fn offered(&mut self, participant: ParticipantId, id: u32, text: &str) {
        let old = self
            .members
            .get_mut(&participant)
            .and_then(|member| member.publisher.take());
        let is_new = old.is_none();
        let mut side = old.unwrap_or_else(|| {
            let local = self.local();
            let link = Link::new(local.transport());
            PublisherSide {
                sections: Answering::new(local),
                link,
                answer_due: None,
                proposed: false,
            }
        });
        let result = side.sections.offer(text);
        if let Ok(offered) = &result {
            side.answer_due = Some(id);
            side.link.has_data = side.sections.carries_data();
            if is_new {
                self.open_publisher(participant, &side);
            } else {
                self.follow_remote(&mut side, offered);
            }
        }
        if let Some(member) = self.members.get_mut(&participant)
            && (result.is_ok() || !is_new)
        {
            member.publisher = Some(side);
        }
        match result {
            Ok(offered) => {
                self.sections_stopped(participant, &offered.stopped);
                for track in offered.homeless {
                    self.lose_section(participant, track);
                }
                self.bind(participant);
                self.unsettled.insert(participant);
            }
            Err(error) => self.refuse_description(participant, error),
        }
    }

    pub(super) fn open_publisher(&mut self, participant: ParticipantId, side: &PublisherSide) {
        let local = side.sections.local();
        self.transports.insert(local.transport(), participant);
        self.command(Command::OpenTransport(TransportConfig {
            transport: local.transport(),
            shard: local.shard(),
            local: local.ice().clone(),
            fingerprints: side.sections.fingerprints().to_vec(),
            open_channels: Vec::new(),
        }));
    }

    /// New certificates or ICE credentials of a client that is known already.
    fn follow_remote(&mut self, side: &mut PublisherSide, offered: &Offered) {
        let transport = side.link.transport;
        if let Some(fingerprints) = offered.fingerprints.clone() {
            self.command(Command::SetRemote {
                transport,
                fingerprints,
            });
        }
        if offered.restarted {
            side.sections.local_mut().restart(&*self.config.entropy);
            let local = side.sections.local().ice().clone();
            self.command(Command::RestartIce { transport, local });
        }
    }

    fn refuse_description(&mut self, participant: ParticipantId, error: SdpError) {
        let refused = Notice::RequestRefused {
            request_id: 0,
            reason: refusal_of(error),
            cid: None,
        };
        self.tell(participant, refused);
    }

    /// A subscription whose section the client took away waits for another.
    fn lose_section(&mut self, participant: ParticipantId, track: TrackId) {
        let Some(member) = self.members.get_mut(&participant) else {
            return;
        };
        let Some(subscription) = member.subscriptions.get_mut(&track) else {
            return;
        };
        subscription.placed = false;
        if let Some(leg) = subscription.leg.take() {
            self.command(Command::RemoveLeg { leg });
        }
    }

    /// A client's answer to our offer.
    pub(super) fn answered(&mut self, participant: ParticipantId, id: u32, text: &str) {
        let Some(member) = self.members.get_mut(&participant) else {
            return;
        };
        if member.admission.layout == Layout::OneShot {
            return self.agreed(participant, text);
        }
        let Some(side) = &mut member.subscriber else {
            return;
        };
        let transport = side.link.transport;
        let answered = match side.sections.answer(id, text) {
            Ok(answered) => answered,
            Err(error) => return self.refuse_description(participant, error),
        };
        if let Some(fingerprints) = answered.fingerprints {
            self.command(Command::SetRemote {
                transport,
                fingerprints,
            });
        }
        for (outgoing, taken) in answered.taken {
            self.start_or_fail(participant, &outgoing, taken);
        }
        for track in answered.refused {
            self.fail_subscription(participant, track);
        }
        self.unsettled.insert(participant);
    }

    fn start_or_fail(&mut self, participant: ParticipantId, outgoing: &Outgoing, taken: Taken) {
        if self.suits(outgoing.track, &taken.codecs) {
            self.start_leg(participant, outgoing, taken);
        } else {
            self.fail_subscription(participant, outgoing.track);
        }
    }

    /// Says what is due to a client: an answer, an offer, or that it should offer.
    pub(super) fn negotiate(&mut self, participant: ParticipantId) {
        let Some(member) = self
            .members
            .get(&participant)
            .filter(|member| member.signal)
        else {
            return;
        };
        match member.admission.layout {
            Layout::Single => self.negotiate_single(participant),
            Layout::OneShot => self.negotiate_once(participant),
            Layout::Dual => {
                self.answer(participant);
                self.offer(participant);
            }
        }
    }

    fn negotiate_single(&mut self, participant: ParticipantId) {
        let Some(member) = self.members.get_mut(&participant) else {
            return;
        };
        let Some(side) = &member.publisher else {
            return;
        };
        if side.answer_due.is_some() {
            let asked = member.asked.take();
            let placed = self.place_waiting(participant);
            let progress = asked.is_none() || !placed.is_empty() || self.has_room(participant);
            self.answer(participant);
            for (outgoing, taken) in placed {
                self.start_leg(participant, &outgoing, taken);
            }
            if !progress && let Some(member) = self.members.get_mut(&participant) {
                // The client offered no more than before: asking once more would go on for ever.
                member.asked = asked;
            }
        }
        let is_asked = self.ask_for_sections(participant);
        self.ask_to_catch_up(participant, is_asked);
    }

    /// Some section is free, or will be by the answer that is due.
    fn has_room(&self, participant: ParticipantId) -> bool {
        let member = self.members.get(&participant);
        let side = member.and_then(|member| member.publisher.as_ref());
        let (Some(member), Some(side)) = (member, side) else {
            return false;
        };
        let room = |kind| side.sections.free(kind) + side.sections.drained(kind);
        let waiting = member.waiting();
        (waiting.audios > 0 && room(MediaKind::Audio) > 0)
            || (waiting.videos > 0 && room(MediaKind::Video) > 0)
    }

    /// Puts waiting subscriptions on free sections, audio first.
    fn place_waiting(&mut self, participant: ParticipantId) -> Vec<(Outgoing, Taken)> {
        let mut placed = Vec::new();
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let Some(member) = self.members.get(&participant) else {
                break;
            };
            let waiting = member.subscriptions.iter();
            let waiting = waiting.filter(|(_, known)| !known.placed && known.kind == kind);
            let waiting: Vec<TrackId> = waiting.map(|(track, _)| *track).collect();
            for track in waiting {
                if !self.has_free(participant, kind) {
                    break;
                }
                placed.extend(self.place(participant, track, kind));
            }
        }
        placed
    }

    fn has_free(&self, participant: ParticipantId, kind: MediaKind) -> bool {
        let member = self.members.get(&participant);
        let side = member.and_then(|member| member.publisher.as_ref());
        side.is_some_and(|side| side.sections.free(kind) > 0)
    }

    fn place(
        &mut self,
        participant: ParticipantId,
        track: TrackId,
        kind: MediaKind,
    ) -> Option<(Outgoing, Taken)> {
        let outgoing = self.outgoing(participant, track, kind)?;
        let member = self.members.get_mut(&participant)?;
        let side = member.publisher.as_mut()?;
        let (_, taken) = side.sections.attach(kind, outgoing.clone())?;
        if let Some(subscription) = member.subscriptions.get_mut(&track) {
            subscription.placed = true;
        }
        if !self.suits(track, &taken.codecs) {
            self.fail_subscription(participant, track);
            return None;
        }
        Some((outgoing, taken))
    }

    fn answer(&mut self, participant: ParticipantId) {
        let Some(member) = self.members.get_mut(&participant) else {
            return;
        };
        let Some(side) = &mut member.publisher else {
            return;
        };
        if let Some(id) = side.answer_due.take() {
            let (sdp, own_map) = side.sections.answer();
            // Clients keep one map and replace it by every description's: an answer on the one
            // connection must not wipe out what the other carries.
            let other = member.subscriber.as_ref().map(|side| side.sections.map());
            member.remains = Remains::None;
            let answer = Notice::Answer {
                id,
                sdp,
                mid_to_track: other.unwrap_or(own_map),
            };
            self.tell(participant, answer);
        }
    }

    fn offer(&mut self, participant: ParticipantId) {
        let member = self.members.get_mut(&participant);
        let Some(side) = member.and_then(|member| member.subscriber.as_mut()) else {
            return;
        };
        if let Some((id, sdp, mid_to_track)) = side.sections.offer() {
            let offer = Notice::Offer {
                id,
                sdp,
                mid_to_track,
            };
            self.tell(participant, offer);
        }
    }

    /// Asks the client to offer the sections that waiting subscriptions need, unless it was asked
    /// for as many already; whether it was asked now.
    fn ask_for_sections(&mut self, participant: ParticipantId) -> bool {
        let Some(member) = self.members.get_mut(&participant) else {
            return false;
        };
        let waiting = member.waiting();
        if waiting == Waiting::default() {
            member.asked = None;
            return false;
        }
        let enough =
            |asked: &Waiting| asked.audios >= waiting.audios && asked.videos >= waiting.videos;
        if member.asked.as_ref().is_some_and(enough) {
            return false;
        }
        let Some(side) = &member.publisher else {
            return false;
        };
        let sections = &side.sections;
        let left = SECTIONS_MAX.saturating_sub(sections.sections());
        let missing = |waiting: usize, kind: MediaKind| {
            let there = sections.free(kind) + sections.drained(kind);
            waiting.saturating_sub(there)
        };
        let audios = missing(waiting.audios, MediaKind::Audio).min(left);
        let videos = missing(waiting.videos, MediaKind::Video).min(left - audios);
        member.asked = Some(waiting);
        let there = |waiting: usize, kind: MediaKind| {
            waiting > 0 && sections.free(kind) + sections.drained(kind) > 0
        };
        let gains = audios + videos > 0
            || there(waiting.audios, MediaKind::Audio)
            || there(waiting.videos, MediaKind::Video);
        if !gains {
            // The description is full: what waits gets its turn when something ends.
            return false;
        }
        let sections = Notice::MediaSections {
            audios: u32::try_from(audios).unwrap_or(u32::MAX),
            videos: u32::try_from(videos).unwrap_or(u32::MAX),
        };
        self.tell(participant, sections);
        true
    }

    /// Lets the client see by an answer which tracks it has no more, once.
    fn ask_to_catch_up(&mut self, participant: ParticipantId, is_asked: bool) {
        let member = self.members.get_mut(&participant);
        let Some(member) = member.filter(|member| member.remains == Remains::Untold) else {
            return;
        };
        member.remains = Remains::Asked;
        if !is_asked {
            let (audios, videos) = (0, 0);
            self.tell(participant, Notice::MediaSections { audios, videos });
        }
    }
}

/// What is wrong with a description, in the words of refusals.
pub(super) fn refusal_of(error: SdpError) -> RequestRefusal {
    match error {
        SdpError::TooLong => RequestRefusal::LimitExceeded,
        SdpError::Malformed(_) | SdpError::Missing(_) => RequestRefusal::Malformed,
        SdpError::Unsupported(_) => RequestRefusal::UnsupportedType,
    }
}
