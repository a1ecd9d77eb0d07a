//! Which layers of a track anybody receives, told to its publisher, so that a phone does not encode
//! and send what nobody looks at; and what a client is told of tracks that do not fit.

use chrono::TimeDelta;

use super::Room;
use super::machine::Timer;
use super::subscribing::encoding_of;
use crate::domain::id::{LegId, TrackId, TransportId};
use crate::media::command::{Codec, Command, MediaKind};
use crate::media::signal::Notice;

/// A layer that nobody wants is still sent for so long: somebody often wants it again at once.
const LOWER_AFTER: TimeDelta = TimeDelta::seconds(5);

/// Priority of a picture whose publisher speaks.
const SPEAKER_PRIORITY: u8 = 128;

impl Room {
    /// More is told at once, less after a while.
    pub(super) fn weigh_demand(&mut self, track: TrackId) {
        let Some((demand, told)) = self.demand(track) else {
            self.timers.disarm(Timer::Demand(track));
            return;
        };
        if demand == told {
            self.timers.disarm(Timer::Demand(track));
        } else if demand > told {
            self.tell_demand(track);
        } else {
            self.timers
                .arm_once(Timer::Demand(track), self.now + LOWER_AFTER);
        }
    }

    /// Tells a publisher what is wanted of a track now.
    pub(super) fn tell_demand(&mut self, track: TrackId) {
        self.timers.disarm(Timer::Demand(track));
        let (Some((demand, told)), Some(publisher)) =
            (self.demand(track), self.tracks.get(&track).copied())
        else {
            return;
        };
        if demand == told {
            return;
        }
        let Some(known) = self.track_mut(publisher, track) else {
            return;
        };
        known.told_demand = Some(demand);
        let Some(binding) = &known.binding else {
            return;
        };
        let wanted = |place: u8| demand.is_some_and(|highest| place <= highest);
        let layers = (0..).zip(&binding.layers);
        let layers = layers.map(|(place, layer): (u8, _)| (layer.quality, wanted(place)));
        let codec = match binding.codecs.first() {
            Some(Codec::H264) => "h264",
            Some(Codec::Vp9) => "vp9",
            Some(Codec::Av1) => "av1",
            Some(Codec::Vp8 | Codec::Opus | Codec::Red) | None => "vp8",
        };
        let notice = Notice::LayersWanted {
            track,
            layers: layers.collect(),
            codec,
        };
        self.tell(publisher, notice);
    }

    /// The highest layer that anybody receives, and what its publisher was told; `None` for what
    /// has no layers.
    fn demand(&self, track: TrackId) -> Option<(Option<u8>, Option<u8>)> {
        let publisher = self.members.get(self.tracks.get(&track)?)?;
        let known = publisher.tracks.get(&track)?;
        let binding = known.binding.as_ref()?;
        if known.request.kind != MediaKind::Video {
            return None;
        }
        let demands = known.subscribers.iter().filter_map(|receiver| {
            let member = self.members.get(receiver)?;
            member.subscriptions.get(&track)?.leg?;
            let wish = member.wishes.get(&track).copied().unwrap_or_default();
            (!wish.setting.disabled).then(|| encoding_of(known, wish))
        });
        let all = u8::try_from(binding.layers.len().saturating_sub(1)).ok();
        let demand = if known.taps.is_empty() {
            demands.max()
        } else {
            all
        };
        Some((demand, known.told_demand.unwrap_or(all)))
    }

    /// A leg is held back because the way to its subscriber is too narrow, or goes on.
    pub(super) fn leg_held(&mut self, transport: TransportId, leg: LegId, held: bool) {
        let Some(member) = self.member_of(transport) else {
            return;
        };
        let receiver = member.id;
        let of_leg = member
            .subscriptions
            .iter()
            .find(|(_, known)| known.leg == Some(leg));
        let Some(track) = of_leg.map(|(track, _)| *track) else {
            return;
        };
        if let Some(participant) = self.tracks.get(&track).copied() {
            let notice = Notice::StreamHeld {
                participant,
                track,
                held,
            };
            self.tell(receiver, notice);
        }
    }

    /// The pictures of somebody who begins or ceases to speak come before others, or with them.
    pub(super) fn prioritize_speaker(&mut self, track: TrackId, speaks: bool) {
        let publisher = self.tracks.get(&track).and_then(|id| self.members.get(id));
        let tracks = publisher
            .into_iter()
            .flat_map(|member| member.tracks.values());
        let pictures = tracks.filter(|known| known.request.kind == MediaKind::Video);
        let sources = pictures.filter_map(|known| Some(known.binding.as_ref()?.source));
        let priority = if speaks { SPEAKER_PRIORITY } else { 0 };
        for source in sources.collect::<Vec<_>>() {
            self.command(Command::PrioritizeSource { source, priority });
        }
    }
}
