//! Which encoding and temporal layer each leg goes to, and what there is to choose from.

use std::time::{Duration, Instant};

use super::Source;
use crate::media::allocation::{Rates, Step};
use crate::media::command::ENCODINGS_MAX;

/// An encoding among several that is silent for this long is taken for switched off.
const LIVE_FOR: Duration = Duration::from_millis(700);

/// A higher encoding of fewer pictures a second than about this is no better than a lower one.
const SMOOTH: u8 = 15;

/// What encodings take before they are measured, lowest quality first, bit/s.
const USUAL_BPS: [u64; ENCODINGS_MAX] = [150_000, 500_000, 1_500_000];

impl Source {
    /// Closes windows: rates are read, and encodings that stopped are no longer chosen.
    pub fn refresh(&mut self, now: Instant) {
        self.gather_key_frame_wishes();
        let mut measured = false;
        for encoding in &mut self.encodings {
            measured |= encoding.meter.roll(now);
        }
        if measured {
            self.limit_frame_rates();
        }
        if self.encodings.len() < 2 {
            return;
        }
        let live = self
            .encodings
            .iter()
            .enumerate()
            .fold(0, |live, (at, encoding)| {
                let heard = encoding
                    .heard_at
                    .is_some_and(|heard| now < heard + LIVE_FOR);
                live | u8::from(heard) << at
            });
        if live != self.live {
            self.live = live;
            self.choose_encodings();
        }
    }

    /// Names every leg its encoding, and asks for the key frames that legs wait for.
    pub fn choose_encodings(&mut self) {
        for place in 0..self.legs.len() {
            self.choose_encoding(place);
        }
    }

    /// The same for one leg, by its place.
    pub fn choose_encoding(&mut self, place: usize) {
        let Some(leg) = self.legs.get_mut(place) else {
            return;
        };
        let wanted = best(self.live, leg.highest_granted(), self.encodings.len());
        let Some(encoding) = self.encodings.get_mut(usize::from(wanted)) else {
            return;
        };
        let granted = leg.temporal_granted(wanted);
        let step = Step {
            encoding: wanted,
            temporal: granted.min(encoding.temporal_for(leg.frames_per_second())),
        };
        if leg.want(step) {
            encoding.key_frames.want();
        }
    }

    /// The rates have changed: legs that want fewer pictures may need another temporal layer.
    fn limit_frame_rates(&mut self) {
        for place in 0..self.legs.len() {
            if self.legs[place].frames_per_second().is_some() {
                self.choose_encoding(place);
            }
        }
    }

    /// What the steps of an encoding that comes take, for a leg that wants no more pictures than
    /// so many in a second; what such an encoding usually takes until it is measured.
    pub fn rates(&self, encoding: usize, frames_per_second: Option<u8>) -> Rates {
        let mut rates = Rates::default();
        let Some(known) = self.encodings.get(encoding) else {
            return rates;
        };
        if self.live >> encoding & 1 == 0 {
            return rates;
        }
        let highest = known.temporal_for(frames_per_second);
        let is_lowest = self.live & ((1 << encoding) - 1) == 0;
        for (temporal, rate) in (0..=highest).zip(&mut rates) {
            let measured = known.meter.bps(temporal);
            let moves = is_lowest || temporal == highest || known.meter.has(temporal, SMOOTH);
            *rate = (measured > 0 && moves && known.has_step(temporal)).then_some(measured);
        }
        let highest = &mut rates[usize::from(highest)];
        *highest = highest.or(USUAL_BPS.get(encoding).copied());
        rates
    }
}

/// The best live encoding up to `highest`, or else the lowest live one; what may come when none is
/// live yet.
fn best(live: u8, highest: u8, count: usize) -> u8 {
    let top = highest.min(u8::try_from(count.saturating_sub(1)).unwrap_or(u8::MAX));
    let lower = (0..=top).rev().find(|at| live >> at & 1 == 1);
    let upper = (top..8).find(|at| live >> at & 1 == 1);
    lower.or(upper).unwrap_or(0)
}
