//! Who speaks: levels from media threads, smoothed, with hysteresis, as changes to subscribers.

use std::collections::BTreeMap;

use super::Room;
use crate::domain::id::{ParticipantId, SourceId};
use crate::media::command::AudioLevel;
use crate::media::signal::{Notice, Speaker};

/// Share of a window above -35 dBov from which somebody speaks.
const BEGIN_RATIO: f32 = 0.4;
/// Share below which a speaker has stopped; less than [`BEGIN_RATIO`], so that pauses for breath do
/// not flicker.
const END_RATIO: f32 = 0.2;
/// Weight of the newest window: smoothing over two.
const NEWEST_WEIGHT: f32 = 2.0 / 3.0;
/// Smallest change of a speaker's level that is told.
const LEVEL_STEP: f32 = 0.125;

/// One audio source's recent past.
#[derive(Clone, Copy, Debug, Default)]
pub struct Speaking {
    ratio: f32,
    level: f32,
    active: bool,
    told_level: f32,
}

impl Speaking {
    /// Takes a window in; whether there is something to tell.
    fn hear(&mut self, level: f32, ratio: f32) -> bool {
        self.ratio += (ratio - self.ratio) * NEWEST_WEIGHT;
        self.level += (level - self.level) * NEWEST_WEIGHT;
        let was_active = self.active;
        let threshold = if was_active { END_RATIO } else { BEGIN_RATIO };
        self.active = self.ratio >= threshold;
        let moved = self.active && (self.level - self.told_level).abs() >= LEVEL_STEP;
        if self.active != was_active || moved {
            self.told_level = if self.active { self.level } else { 0.0 };
            return true;
        }
        false
    }

    fn is_over(&self) -> bool {
        !self.active && self.ratio < 0.01
    }
}

impl Room {
    /// Levels of one window of one media thread; a source that is not in it is elsewhere, or was
    /// silent for long.
    pub(super) fn audio_levels(&mut self, levels: &[AudioLevel]) {
        let mut heard: BTreeMap<SourceId, (f32, f32)> = BTreeMap::new();
        for level in levels {
            let muted = self.is_muted(level.source);
            if muted == Some(false) {
                let loudness = loudness(level.level_dbov);
                heard.insert(level.source, (loudness, level.active_ratio));
            }
        }
        let mut changes = Vec::new();
        let mut turned = Vec::new();
        for (source, (level, ratio)) in heard {
            let speaking = self.speaking.entry(source).or_default();
            let was_active = speaking.active;
            if speaking.hear(level, ratio) {
                changes.push((source, *speaking));
            }
            if speaking.active != was_active {
                turned.push((source, speaking.active));
            }
            if speaking.is_over() {
                self.speaking.remove(&source);
            }
        }
        self.tell_speakers(&changes);
        for (source, speaks) in turned {
            if let Some((_, track)) = self.sources.get(&source).copied() {
                self.prioritize_speaker(track, speaks);
            }
        }
    }

    fn is_muted(&self, source: SourceId) -> Option<bool> {
        let (participant, track) = self.sources.get(&source)?;
        let member = self.members.get(participant)?;
        member.tracks.get(track).map(|track| track.muted)
    }

    /// A source that is muted or gone does not speak.
    pub(super) fn stop_speaking(&mut self, source: SourceId) {
        if let Some(speaking) = self.speaking.remove(&source)
            && speaking.active
        {
            self.tell_speakers(&[(source, Speaking::default())]);
            if let Some((_, track)) = self.sources.get(&source).copied() {
                self.prioritize_speaker(track, false);
            }
        }
    }

    /// Tells those who subscribe to a source, and the speaker.
    fn tell_speakers(&mut self, changes: &[(SourceId, Speaking)]) {
        let mut by_receiver: BTreeMap<ParticipantId, Vec<Speaker>> = BTreeMap::new();
        for (source, speaking) in changes {
            let Some((participant, track)) = self.sources.get(source).copied() else {
                continue;
            };
            let speaker = Speaker {
                participant,
                level: speaking.told_level,
                active: speaking.active,
            };
            let member = self.members.get(&participant);
            let Some(track) = member.and_then(|member| member.tracks.get(&track)) else {
                continue;
            };
            for receiver in track.subscribers.iter().chain([&participant]) {
                by_receiver.entry(*receiver).or_default().push(speaker);
            }
        }
        for (receiver, speakers) in by_receiver {
            self.tell(receiver, Notice::Speakers(speakers));
        }
    }
}

/// From -dBov to 0 … 1: amplitude relative to full scale, raised so that speech (about -26 dBov)
/// shows near the middle of a meter.
fn loudness(level_dbov: u8) -> f32 {
    let amplitude = 10_f32.powf(-f32::from(level_dbov.min(127)) / 20.0);
    amplitude.powf(0.25).clamp(0.0, 1.0)
}
