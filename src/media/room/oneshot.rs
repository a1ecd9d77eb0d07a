//! Participants without signalling (WHIP, WHEP): one offer, one answer, and no word after it.
//!
//! What others say by messages follows from the offer here: which tracks a device publishes, and
//! how many a player takes. A player's sections keep their streams for good; the tracks that it
//! watches come and go beneath them.

use chrono::TimeDelta;

use super::link::Link;
use super::machine::Timer;
use super::member::PublisherSide;
use super::sections::refusal_of;
use super::stay::CONNECT_WITHIN;
use super::track::Track;
use super::{Opening, Room};
use crate::domain::id::{ParticipantId, TrackId};
use crate::media::command::{Command, MediaKind};
use crate::media::negotiation::{Answering, Encodings, Incoming, Outgoing, Taken};
use crate::media::sdp::Fragment;
use crate::media::signal::{
    AddTrack, Admission, Layer, LeaveReason, Notice, ParticipantKind, Permissions, RequestRefusal,
    TrackSource,
};

/// What the highest of several layers is taken for, pixels: descriptions do not tell sizes, and
/// receivers that show a small picture are to get a low layer.
const NOMINAL_SIZE: (u32, u32) = (1280, 720);

/// A player that does not answer our offer within this is gone.
const COUNTER_OFFER_VALID: TimeDelta = TimeDelta::seconds(30);

/// Our description for a client without signalling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// RFC 8866 text.
    pub sdp: String,
    /// Names the ICE session; changes when ICE restarts.
    pub tag: String,
}

/// What became of [`crate::media::signal::Request::Trickle`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trickled {
    /// Nothing of ours changes: we learn addresses from connectivity checks.
    Kept,
    /// ICE begins anew, on our side too.
    Restarted {
        /// Our credentials and candidates, RFC 8840 text.
        fragment: String,
        /// The new tag.
        tag: String,
    },
    /// The client speaks of an ICE session that is over.
    Stale,
    /// It speaks of sections that the session does not have, or of no ICE session at all.
    Foreign,
    /// It cannot be read.
    Malformed,
}

impl Room {
    pub(super) fn open(&mut self, opening: Opening) {
        let Opening {
            participant,
            admission,
            offer,
        } = opening;
        let takes_counter = offer.takes_counter
            && admission.kind == ParticipantKind::Egress
            && admission.permissions.subscribe;
        match self.read_offer(participant, &admission, &offer.sdp) {
            Ok((sections, tracks)) => {
                self.join(participant, admission);
                self.begin_session(participant, sections, tracks, false);
            }
            Err(RequestRefusal::UnsupportedType) if takes_counter => {
                let mut sections = Answering::new(self.local());
                sections.propose();
                self.stand(participant, &mut sections);
                self.join(participant, admission);
                self.begin_session(participant, sections, Vec::new(), true);
                let until = self.now + COUNTER_OFFER_VALID;
                self.timers.arm(Timer::Connect(participant), until);
            }
            Err(reason) => {
                let refused = Notice::RequestRefused {
                    request_id: 0,
                    reason,
                    cid: None,
                };
                self.tell_outsider(participant, refused);
                self.tell_outsider(participant, Notice::Left(LeaveReason::Misbehaved));
            }
        }
    }

    /// The sections of an offer, and what a device publishes on them.
    fn read_offer(
        &self,
        participant: ParticipantId,
        admission: &Admission,
        offer: &str,
    ) -> Result<(Answering, Vec<AddTrack>), RequestRefusal> {
        let mut sections = Answering::new(self.local());
        sections.offer(offer).map_err(refusal_of)?;
        sections.decline_data();
        let mut tracks = Vec::new();
        if admission.kind == ParticipantKind::Egress {
            if !admission.permissions.subscribe {
                return Err(RequestRefusal::NotAllowed);
            }
            self.stand(participant, &mut sections);
        } else {
            let mut taken = Vec::new();
            for incoming in sections.incoming() {
                let track = announcement(&sections, &incoming, &taken, &admission.permissions);
                let track = track.ok_or(RequestRefusal::NotAllowed)?;
                taken.push(track.source);
                tracks.push(track);
            }
        }
        let idle = sections.idle(MediaKind::Audio) + sections.idle(MediaKind::Video);
        match (idle, tracks.len()) {
            (0, 0) => Err(RequestRefusal::UnsupportedType),
            (_, many) if many > self.config.limits.tracks_per_participant_max => {
                Err(RequestRefusal::LimitExceeded)
            }
            _ => Ok((sections, tracks)),
        }
    }

    fn stand(&self, participant: ParticipantId, sections: &mut Answering) {
        let id = || TrackId::new(self.now, &*self.config.entropy);
        sections.stand(&participant.sid(), id);
    }

    fn begin_session(
        &mut self,
        participant: ParticipantId,
        sections: Answering,
        tracks: Vec<AddTrack>,
        proposed: bool,
    ) {
        if !self.members.contains_key(&participant) {
            return;
        }
        let link = Link::new(sections.local().transport());
        let side = PublisherSide {
            sections,
            link,
            answer_due: Some(0),
            proposed,
        };
        self.open_publisher(participant, &side);
        if let Some(member) = self.members.get_mut(&participant) {
            member.publisher = Some(side);
        }
        for track in tracks {
            self.add_track(participant, track);
        }
        self.unsettled.insert(participant);
    }

    /// Announces what a device sends and no track stands for: its rights may have come back.
    pub(super) fn announce_again(&mut self, participant: ParticipantId) {
        let Some(member) = self.members.get(&participant) else {
            return;
        };
        let rights = &member.admission.permissions;
        let Some(side) = &member.publisher else {
            return;
        };
        if member.admission.kind != ParticipantKind::Ingress {
            return;
        }
        let bound = |incoming: &Incoming| {
            let mut bindings = member.tracks.values().filter_map(|t| t.binding.as_ref());
            bindings.any(|binding| binding.mid == incoming.mid)
        };
        let sources = member.tracks.values().map(|track| track.request.source);
        let mut taken: Vec<TrackSource> = sources.collect();
        let mut tracks = Vec::new();
        for incoming in side.sections.incoming().filter(|known| !bound(known)) {
            let track = announcement(&side.sections, &incoming, &taken, rights);
            taken.extend(track.as_ref().map(|track| track.source));
            tracks.extend(track);
        }
        for track in tracks {
            self.add_track(participant, track);
        }
    }

    /// Answers the offer, and lets what waits have streams that carry nothing.
    pub(super) fn negotiate_once(&mut self, participant: ParticipantId) {
        let Some(side) = self
            .members
            .get_mut(&participant)
            .and_then(|member| member.publisher.as_mut())
        else {
            return;
        };
        if side.answer_due.take().is_some() {
            let tag = side.sections.local().ice().ufrag.clone();
            let notice = if side.proposed {
                let sdp = side.sections.proposal();
                Notice::CounterOffer(Described { sdp, tag })
            } else {
                let (sdp, _) = side.sections.answer();
                Notice::SessionAnswer(Described { sdp, tag })
            };
            self.tell(participant, notice);
        }
        if self.is_proposed(participant) {
            return;
        }
        for (outgoing, taken) in self.occupy_waiting(participant) {
            self.start_leg(participant, &outgoing, taken);
        }
    }

    fn is_proposed(&self, participant: ParticipantId) -> bool {
        let member = self.members.get(&participant);
        let side = member.and_then(|member| member.publisher.as_ref());
        side.is_some_and(|side| side.proposed)
    }

    /// A player's answer to our own offer.
    pub(super) fn agreed(&mut self, participant: ParticipantId, text: &str) {
        let request_id = 0;
        let notice = match self.agree(participant, text) {
            Ok(()) => Notice::RequestDone { request_id },
            Err(reason) => Notice::RequestRefused {
                request_id,
                reason,
                cid: None,
            },
        };
        self.tell(participant, notice);
    }

    fn agree(&mut self, participant: ParticipantId, text: &str) -> Result<(), RequestRefusal> {
        let member = self.members.get_mut(&participant);
        let side = member.and_then(|member| member.publisher.as_mut());
        let side = side.filter(|side| side.proposed);
        let side = side.ok_or(RequestRefusal::NotFound)?;
        side.sections.agree(text).map_err(refusal_of)?;
        side.proposed = false;
        let transport = side.link.transport;
        let fingerprints = side.sections.fingerprints().to_vec();
        self.command(Command::SetRemote {
            transport,
            fingerprints,
        });
        self.timers
            .arm(Timer::Connect(participant), self.now + CONNECT_WITHIN);
        self.unsettled.insert(participant);
        Ok(())
    }

    fn occupy_waiting(&mut self, participant: ParticipantId) -> Vec<(Outgoing, Taken)> {
        let mut occupied = Vec::new();
        for (track, kind) in self.waiting_tracks(participant) {
            let Some(publisher) = self.tracks.get(&track).copied() else {
                continue;
            };
            let Some(member) = self.members.get_mut(&participant) else {
                break;
            };
            let Some(side) = member.publisher.as_mut() else {
                break;
            };
            let Some((outgoing, taken)) = side.sections.occupy(kind, track, publisher) else {
                continue;
            };
            if let Some(subscription) = member.subscriptions.get_mut(&track) {
                subscription.placed = true;
            }
            if self.suits(track, &taken.codecs) {
                occupied.push((outgoing, taken));
            } else {
                self.fail_subscription(participant, track);
            }
        }
        occupied
    }

    /// Subscriptions without a stream: cameras and microphones before screens, older ones first.
    fn waiting_tracks(&self, participant: ParticipantId) -> Vec<(TrackId, MediaKind)> {
        let member = self.members.get(&participant);
        let known = member.into_iter().flat_map(|member| &member.subscriptions);
        let waiting = known.filter(|(_, subscription)| !subscription.placed);
        let mut ranked: Vec<(u8, u64, TrackId, MediaKind)> = waiting
            .filter_map(|(track, subscription)| {
                let publisher = self.members.get(self.tracks.get(track)?)?;
                let known = publisher.tracks.get(track)?;
                let rank = u8::from(!is_of_a_person(known));
                Some((rank, known.order, *track, subscription.kind))
            })
            .collect();
        ranked.sort_by_key(|(rank, order, _, _)| (*rank, *order));
        let tracks = ranked.into_iter().map(|(_, _, track, kind)| (track, kind));
        tracks.collect()
    }

    /// A client speaks of its ICE.
    pub(super) fn trickled(
        &mut self,
        participant: ParticipantId,
        tag: Option<&str>,
        fragment: &str,
    ) {
        let news = self.take_fragment(participant, tag, fragment);
        self.tell(participant, Notice::Trickled(news));
    }

    fn take_fragment(
        &mut self,
        participant: ParticipantId,
        tag: Option<&str>,
        text: &str,
    ) -> Trickled {
        let Ok(fragment) = Fragment::parse(text) else {
            return Trickled::Malformed;
        };
        let entropy = self.config.entropy.clone();
        let member = self.members.get_mut(&participant);
        let Some(side) = member.and_then(|member| member.publisher.as_mut()) else {
            return Trickled::Foreign;
        };
        let sections = &mut side.sections;
        if tag.is_some_and(|tag| tag != sections.local().ice().ufrag) {
            return Trickled::Stale;
        }
        if !fragment.mids.iter().all(|mid| sections.has_section(mid)) {
            return Trickled::Foreign;
        }
        let restarted = fragment.ice.is_some_and(|ice| sections.restart_remote(ice));
        if !restarted {
            return Trickled::Kept;
        }
        sections.local_mut().restart(&*entropy);
        let local = sections.local().ice().clone();
        let transport = sections.local().transport();
        let restarted = Trickled::Restarted {
            fragment: sections.fragment(),
            tag: local.ufrag.clone(),
        };
        self.command(Command::RestartIce { transport, local });
        restarted
    }
}

fn is_of_a_person(track: &Track) -> bool {
    matches!(
        track.request.source,
        TrackSource::Camera | TrackSource::Microphone
    )
}

/// The track that a section stands for: the first source of its kind that no other section took
/// and that the rights name. `None` where they name none.
fn announcement(
    sections: &Answering,
    incoming: &Incoming,
    taken: &[TrackSource],
    rights: &Permissions,
) -> Option<AddTrack> {
    let sources = match incoming.kind {
        MediaKind::Audio => [TrackSource::Microphone, TrackSource::ScreenShareAudio],
        MediaKind::Video => [TrackSource::Camera, TrackSource::ScreenShare],
    };
    let free = sources.into_iter().filter(|source| !taken.contains(source));
    let mut possible = free.chain([TrackSource::Unknown]);
    let source = possible.find(|source| rights.may_publish(*source))?;
    let stream = match source {
        TrackSource::Camera | TrackSource::Microphone | TrackSource::Unknown => "camera",
        TrackSource::ScreenShare | TrackSource::ScreenShareAudio => "screen_share",
    };
    Some(AddTrack {
        cid: incoming.mid.clone(),
        kind: incoming.kind,
        source,
        name: String::new(),
        width: 0,
        height: 0,
        muted: false,
        layers: layers(incoming),
        codec: None,
        dtx_disabled: false,
        stereo: sections.is_stereo(incoming),
        red_disabled: false,
        stream: stream.to_owned(),
        encryption: 0,
    })
}

/// Several encodings, lowest first, each taken for half of the next.
fn layers(incoming: &Incoming) -> Vec<Layer> {
    let ordered = Encodings::of(incoming, &incoming.codecs, &[]).known;
    if ordered.len() < 2 {
        return Vec::new();
    }
    let (width, height) = NOMINAL_SIZE;
    let named = ordered.into_iter().rev().zip(0_u8..);
    let mut layers: Vec<Layer> = named
        .map(|((config, _), halvings)| Layer {
            quality: 2_u8.saturating_sub(halvings),
            width: width >> halvings,
            height: height >> halvings,
            bitrate_bps: 0,
            rid: config.rid.unwrap_or_default(),
        })
        .collect();
    layers.reverse();
    layers
}
