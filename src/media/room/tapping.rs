//! Uses of a track by the server itself: they count for its publisher like somebody who looks.

use super::{Room, TapWish, TrackSight};
use crate::domain::id::TapId;
use crate::media::command::{Codec, Command, MediaKind, TapConfig};
use crate::media::signal::TrackSource;

impl Room {
    /// Taps a track; nothing happens when it is not there, has no media yet, or is encrypted for
    /// its receivers alone.
    pub(super) fn tap(&mut self, wish: &TapWish) {
        let publisher = self.identified(&wish.identity);
        let Some(publisher) = publisher.and_then(|id| self.members.get_mut(&id)) else {
            return;
        };
        let known = publisher.tracks.values_mut().find(|track| {
            let is_open = track.request.encryption == 0 && track.binding.is_some();
            track.request.source == wish.source && is_open
        });
        let Some((track, binding)) = known.and_then(|track| {
            track.taps.insert(wish.tap);
            Some((track.id, track.binding.as_ref()?))
        }) else {
            return;
        };
        let config = TapConfig {
            tap: wish.tap,
            source: binding.source,
            want: wish.want,
        };
        self.taps.insert(wish.tap, track);
        self.demanded.insert(track);
        self.command(Command::AddTap(config));
    }

    /// A tap is over.
    pub(super) fn untap(&mut self, tap: TapId) {
        let Some(track) = self.taps.remove(&tap) else {
            return;
        };
        let publisher = self.tracks.get(&track).copied();
        if let Some(known) = publisher.and_then(|publisher| self.track_mut(publisher, track)) {
            known.taps.remove(&tap);
        }
        self.demanded.insert(track);
        self.command(Command::RemoveTap { tap });
    }

    /// A tap wants a picture.
    pub(super) fn want_still(&mut self, tap: TapId) {
        if self.taps.contains_key(&tap) {
            self.command(Command::WantStill { tap });
        }
    }

    /// Whether a tap was taken and its track is there.
    pub fn is_tapped(&self, tap: TapId) -> bool {
        self.taps.contains_key(&tap)
    }

    /// What a tap could see of somebody's track.
    pub fn sight(&self, identity: &str, source: TrackSource) -> TrackSight {
        let publisher = self.identified(identity);
        let publisher = publisher.and_then(|id| self.members.get(&id));
        let mut tracks = publisher
            .into_iter()
            .flat_map(|member| member.tracks.values());
        let known = tracks.find(|track| track.request.source == source);
        let binding = known.and_then(|track| track.binding.as_ref());
        let Some((track, binding)) = known.zip(binding) else {
            return TrackSight::Absent;
        };
        let main = binding.codecs.first();
        let kind = main.map(|codec| codec.kind());
        if track.request.encryption != 0
            || (kind == Some(MediaKind::Video) && main != Some(&Codec::Vp8))
        {
            TrackSight::Unreadable
        } else if track.muted {
            TrackSight::Muted
        } else {
            TrackSight::Open
        }
    }
}
