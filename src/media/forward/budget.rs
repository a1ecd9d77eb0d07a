//! What each leg of a client gets of the way to it.

use std::time::{Duration, Instant};

use super::Forwarding;
use crate::domain::id::LegId;
use crate::media::allocation::{Rates, Wish, allocate};
use crate::media::bandwidth::feedback::Feedback;
use crate::media::source::Source;

impl Forwarding {
    /// Takes a client's feedback in; nothing from a client whose packets are not numbered.
    pub fn feedback(
        &mut self,
        now: Instant,
        place: usize,
        feedback: &Feedback<'_>,
        trip: Option<Duration>,
    ) {
        if let Some(downlink) = self.downlinks.get_mut(place).and_then(Option::as_mut) {
            downlink.feedback(now, feedback, trip);
        }
    }

    /// Divides the way to a client among its pictures: sound is not numbered, so the estimate is of
    /// what is left beside it, and sound is never held back. Calls `changed` for each that is held
    /// back or goes on by that.
    pub fn divide(
        &mut self,
        now: Instant,
        place: usize,
        legs: impl Iterator<Item = LegId>,
        mut changed: impl FnMut(LegId, bool),
    ) {
        if self.downlinks.get(place).is_none_or(Option::is_none) {
            return;
        }
        let mut wishes = std::mem::take(&mut self.wishes);
        wishes.clear();
        let mut padding_leg = None;
        for id in legs {
            let Some((source, at)) = self.leg_mut(id) else {
                continue;
            };
            wishes.extend(wish(source, at, &mut padding_leg));
        }
        if let Some(downlink) = self.downlinks.get_mut(place).and_then(Option::as_mut) {
            downlink.padding_leg = padding_leg;
            let budget = downlink.budget(now);
            let wanted = allocate(&mut wishes, budget, downlink.is_settled());
            downlink.want(now, wanted);
            if downlink.needs_pace() {
                self.pacing.add(now, place, downlink);
            }
        }
        for wish in wishes.iter().filter(|wish| wish.granted != wish.before) {
            if let Some((source, at)) = self.leg_mut(wish.leg) {
                if source.legs[at].grant(wish.granted) {
                    changed(wish.leg, wish.granted.is_none());
                }
                source.choose_encoding(at);
            }
        }
        self.wishes = wishes;
    }
}

/// What a picture wants; nothing of sound, and nothing while nobody looks or nothing comes.
fn wish(source: &Source, at: usize, padding_leg: &mut Option<LegId>) -> Option<Wish> {
    let leg = source.legs.get(at)?;
    if !leg.is_open() || !leg.is_numbered() {
        return None;
    }
    *padding_leg = Some(leg.id());
    if leg.is_paused() {
        return None;
    }
    let mut wish = Wish {
        leg: leg.id(),
        priority: leg.priority().max(source.priority),
        highest: leg.highest(),
        rates: <[Rates; _]>::default(),
        before: leg.granted(),
        granted: None,
    };
    for (encoding, rates) in wish.rates.iter_mut().enumerate() {
        *rates = source.rates(encoding, leg.frames_per_second());
    }
    let comes = wish.rates.iter().flatten().any(Option::is_some);
    comes.then_some(wish)
}
