//! Published tracks: announcement, binding to a section, mute, end.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::track::{Binding, Track};
use super::{Room, RoomFact};
use crate::domain::id::{ParticipantId, SourceId, TrackId};
use crate::media::command::{Command, SourceConfig};
use crate::media::negotiation::{Encodings, Incoming};
use crate::media::signal::{AddTrack, Notice, RequestRefusal, TrackSource};

/// Longest client track id, bytes.
const CID_BYTES_MAX: usize = 256;
/// Most announced layers.
const LAYERS_MAX: usize = 8;
/// A track that was announced and not offered for so long gives way to a new one.
const ANNOUNCED_FOR: TimeDelta = TimeDelta::seconds(30);

impl Room {
    pub(super) fn add_track(&mut self, participant: ParticipantId, request: AddTrack) {
        let cid = request.cid.clone();
        if let Err(reason) = self.admit_track(participant, &request) {
            let refused = Notice::RequestRefused {
                request_id: 0,
                reason,
                cid: Some(cid),
            };
            self.tell(participant, refused);
            return;
        }
        let id = TrackId::new(self.now, &*self.config.entropy);
        self.announced += 1;
        let (now, order) = (self.now, self.announced);
        let Some(member) = self.members.get_mut(&participant) else {
            return;
        };
        let unbound = |track: &&Track| track.binding.is_none() && track.request.cid == cid;
        let repeated = member.tracks.values().find(unbound).map(Track::view);
        let track = repeated.unwrap_or_else(|| {
            let track = Track {
                id,
                muted: request.muted,
                request,
                announced_at: now,
                order,
                binding: None,
                started: false,
                subscription_told: false,
                taps: BTreeSet::new(),
                told_demand: None,
                subscribers: std::collections::BTreeSet::new(),
            };
            let view = track.view();
            member.tracks.insert(id, track);
            view
        });
        self.tracks.insert(track.track, participant);
        self.tell(participant, Notice::TrackPublished { cid, track });
        self.bind(participant);
    }

    fn admit_track(
        &mut self,
        participant: ParticipantId,
        request: &AddTrack,
    ) -> Result<(), RequestRefusal> {
        let limits = self.config.limits;
        let member = self
            .members
            .get(&participant)
            .ok_or(RequestRefusal::NotFound)?;
        if !member.may_publish(request.source) {
            return Err(RequestRefusal::NotAllowed);
        }
        let too_long = request.cid.len() > CID_BYTES_MAX
            || request.name.len() > limits.name_bytes_max
            || request.stream.len() > limits.name_bytes_max
            || request.layers.len() > LAYERS_MAX
            || request
                .layers
                .iter()
                .any(|layer| layer.rid.len() > CID_BYTES_MAX);
        if too_long {
            return Err(RequestRefusal::LimitExceeded);
        }
        if member.tracks.len() >= limits.tracks_per_participant_max {
            let stale_before = self.now - ANNOUNCED_FOR;
            let stale = |t: &Track| t.binding.is_none() && t.announced_at < stale_before;
            self.end_tracks(participant, stale, false);
        }
        let member = self.members.get(&participant);
        match member.map(|member| member.tracks.len()) {
            Some(count) if count < limits.tracks_per_participant_max => Ok(()),
            Some(_) | None => Err(RequestRefusal::LimitExceeded),
        }
    }

    /// Matches sections that the client sends on with announced tracks: by the id in `a=msid`;
    /// what is left on both sides by kind, in the order of announcement.
    pub(super) fn bind(&mut self, participant: ParticipantId) {
        let Some(member) = self.members.get(&participant) else {
            return;
        };
        let Some(side) = &member.publisher else {
            return;
        };
        let mut free: Vec<&Track> = member
            .tracks
            .values()
            .filter(|track| track.binding.is_none())
            .collect();
        free.sort_by_key(|track| track.order);
        let mut pairs: Vec<(TrackId, Incoming)> = Vec::new();
        let mut replaced: Vec<TrackId> = Vec::new();
        let mut left: Vec<Incoming> = Vec::new();
        for incoming in side.sections.incoming() {
            let bound = member.tracks.values().find_map(|track| {
                let binding = track.binding.as_ref()?;
                (binding.mid == incoming.mid).then_some((track.id, binding.cid.as_str()))
            });
            let named = free.iter().position(|track| {
                track.request.cid == incoming.cid && track.request.kind == incoming.kind
            });
            match (bound, named) {
                (Some((_, cid)), _) if cid == incoming.cid => {}
                (Some((old, _)), Some(place)) => {
                    replaced.push(old);
                    pairs.push((free.remove(place).id, incoming));
                }
                (None, Some(place)) => pairs.push((free.remove(place).id, incoming)),
                (Some(_), None) => {}
                (None, None) => left.push(incoming),
            }
        }
        for incoming in left {
            let same = |track: &&Track| track.request.kind == incoming.kind;
            if let Some(place) = free.iter().position(same) {
                pairs.push((free.remove(place).id, incoming));
            }
        }
        self.end_tracks(participant, |track| replaced.contains(&track.id), false);
        for (track, incoming) in pairs {
            self.bind_track(participant, track, incoming);
        }
    }

    fn bind_track(&mut self, participant: ParticipantId, track: TrackId, incoming: Incoming) {
        let source = self.config.live_ids.source();
        let Some(member) = self.members.get_mut(&participant) else {
            return;
        };
        let (Some(side), Some(known)) = (&mut member.publisher, member.tracks.get_mut(&track))
        else {
            return;
        };
        let options = known.options(member.admission.fixed.camera_is_read);
        side.sections.set_options(&incoming.mid, options);
        let codecs = side.sections.codecs(&incoming.mid);
        let encodings = Encodings::of(&incoming, &codecs, &known.request.layers);
        let config = SourceConfig {
            source,
            transport: side.link.transport,
            kind: incoming.kind,
            mid: incoming.mid.clone(),
            encodings: encodings.configs().cloned().collect(),
            layered: encodings.layered,
            codecs: codecs.clone(),
            extensions: incoming.extensions,
        };
        let (mid, cid, request) = (incoming.mid, incoming.cid, &known.request);
        known.binding = Some(Binding::new(mid, cid, source, &codecs, encodings, request));
        let view = Box::new(known.view());
        let identity = member.admission.identity.clone();
        self.sources.insert(source, (participant, track));
        self.publishers.insert(participant);
        self.command(Command::AddSource(config));
        self.fact(RoomFact::TrackPublished {
            participant,
            identity,
            track: view,
        });
        self.mark_changed(participant);
        self.reconcile_receivers(track);
    }

    /// The client sends no more on these sections.
    pub(super) fn sections_stopped(&mut self, participant: ParticipantId, mids: &[String]) {
        let on_them = |track: &Track| {
            let binding = track.binding.as_ref();
            binding.is_some_and(|binding| mids.contains(&binding.mid))
        };
        self.end_tracks(participant, on_them, false);
    }

    /// Ends the tracks of somebody that a test picks; `by_server` tells the publisher.
    pub(super) fn end_tracks(
        &mut self,
        participant: ParticipantId,
        picks: impl Fn(&Track) -> bool,
        by_server: bool,
    ) {
        let Some(member) = self.members.get(&participant) else {
            return;
        };
        let tracks = member.tracks.values().filter(|track| picks(track));
        let tracks: Vec<TrackId> = tracks.map(|track| track.id).collect();
        for track in tracks {
            self.end_track(participant, track);
            if by_server {
                self.tell(participant, Notice::TrackUnpublished { track });
            }
        }
    }

    fn end_track(&mut self, participant: ParticipantId, track: TrackId) {
        let Some(known) = self
            .members
            .get(&participant)
            .and_then(|m| m.tracks.get(&track))
        else {
            return;
        };
        for subscriber in known.subscribers.clone() {
            self.unsubscribe(subscriber, track);
        }
        for member in self.members.values_mut() {
            member.wishes.remove(&track);
            member.withheld.remove(&track);
        }
        self.tracks.remove(&track);
        self.taps.retain(|_, of| *of != track);
        self.demanded.insert(track);
        let member = self.members.get_mut(&participant);
        let Some(member) = member else { return };
        let ended = member.tracks.remove(&track);
        let publishes = member.publishes();
        let identity = member.admission.identity.clone();
        if !publishes {
            self.publishers.remove(&participant);
        }
        let view = ended.as_ref().map(|ended| Box::new(ended.view()));
        let Some((ended, binding)) = ended.and_then(|mut t| t.binding.take().map(|b| (t, b)))
        else {
            return;
        };
        self.stop_speaking(binding.source);
        self.sources.remove(&binding.source);
        self.command(Command::RemoveSource {
            source: binding.source,
        });
        if ended.started && !ended.muted {
            self.fact(RoomFact::TrackStopped {
                identity: identity.clone(),
                track,
                source: ended.request.source,
                at: self.now,
            });
        }
        if let Some(track) = view {
            self.fact(RoomFact::TrackUnpublished {
                participant,
                identity,
                track,
            });
        }
        self.mark_changed(participant);
    }

    /// A packet of a source was seen for the first time (or of another encoding of it).
    pub(super) fn started(&mut self, source: SourceId) {
        let Some((participant, track)) = self.sources.get(&source).copied() else {
            return;
        };
        let Some(known) = self.track_mut(participant, track) else {
            return;
        };
        if !known.started {
            known.started = true;
            if !known.muted {
                self.track_fact(participant, track);
            }
        }
    }

    pub(super) fn mute_own(&mut self, participant: ParticipantId, track: TrackId, muted: bool) {
        if self.tracks.get(&track) == Some(&participant) {
            self.set_muted(participant, track, muted);
        } else {
            let refused = Notice::RequestRefused {
                request_id: 0,
                reason: RequestRefusal::NotFound,
                cid: None,
            };
            self.tell(participant, refused);
        }
    }

    pub(super) fn mute_by_server(&mut self, track: TrackId, muted: bool) {
        if let Some(participant) = self.tracks.get(&track).copied()
            && self.set_muted(participant, track, muted)
        {
            self.tell(participant, Notice::Muted { track, muted });
        }
    }

    pub(super) fn mute_tracks(
        &mut self,
        identity: Option<&str>,
        except: &[String],
        source: TrackSource,
    ) {
        let picked = self.members.values().filter(|member| {
            let own = &member.admission.identity;
            identity.map_or_else(|| !except.contains(own), |identity| identity == own)
        });
        let tracks = picked.flat_map(|member| member.tracks.values());
        let of_source = tracks.filter(|track| track.request.source == source);
        let tracks: Vec<TrackId> = of_source.map(|track| track.id).collect();
        for track in tracks {
            self.mute_by_server(track, true);
        }
    }

    fn set_muted(&mut self, participant: ParticipantId, track: TrackId, muted: bool) -> bool {
        let Some(known) = self.track_mut(participant, track) else {
            return false;
        };
        if known.muted == muted {
            return false;
        }
        known.muted = muted;
        let (started, binding) = (known.started, known.binding.as_ref());
        let source = binding.map(|binding| binding.source);
        if started {
            self.track_fact(participant, track);
        }
        if let Some(source) = source.filter(|_| muted) {
            self.stop_speaking(source);
        }
        self.pause_legs(participant, track);
        self.mark_changed(participant);
        true
    }

    /// Tells the use cases that a started track is to be seen or not.
    fn track_fact(&mut self, participant: ParticipantId, track: TrackId) {
        let at = self.now;
        let Some(member) = self.members.get(&participant) else {
            return;
        };
        let identity = member.admission.identity.clone();
        let Some(known) = member.tracks.get(&track) else {
            return;
        };
        let source = known.request.source;
        self.fact(if known.muted {
            RoomFact::TrackStopped {
                identity,
                track,
                source,
                at,
            }
        } else {
            RoomFact::TrackStarted {
                identity,
                track,
                source,
                at,
            }
        });
    }

    pub(super) fn track_mut(
        &mut self,
        participant: ParticipantId,
        track: TrackId,
    ) -> Option<&mut Track> {
        self.members.get_mut(&participant)?.tracks.get_mut(&track)
    }
}
