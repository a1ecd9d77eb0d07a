//! Legs that may not send as fast as packets come, and probes: both are looked at every few
//! milliseconds.

use std::time::{Duration, Instant};

use super::{Forwarding, downlink_of};
use crate::domain::id::LegId;
use crate::media::batch::SendBatch;
use crate::media::downlink::Downlink;
use crate::media::leg::{Arrival, LEG_OVERHEAD_BYTES, Lag, Leg, PADDING_BYTES};
use crate::media::source::Source;

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Which ways have to be looked at, and when.
#[derive(Default)]
pub(super) struct Pacing {
    /// Places of clients, each once.
    places: Vec<usize>,
    at: Option<Instant>,
    is_due: bool,
}

impl Pacing {
    /// Looks at a way from now on.
    pub(super) fn add(&mut self, now: Instant, place: usize, downlink: &mut Downlink) {
        if !std::mem::replace(&mut downlink.is_paced, true) {
            self.places.push(place);
            self.at.get_or_insert(now + PAUSE);
        }
    }

    /// The next [`Forwarding::fill`] looks at all of them.
    pub(super) fn is_due(&self) -> bool {
        self.is_due
    }
}

/// How far a leg came.
enum Progress {
    /// It has caught up.
    Done,
    /// It has to wait for its pace.
    Waits,
    /// The batch is full.
    Full,
}

impl Forwarding {
    /// When [`Self::handle_timeout`] has something to do.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.pacing.at
    }

    /// Lets what waited for its pace go with the next [`Self::fill`].
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.pacing.at.is_some_and(|at| at <= now) {
            self.pacing.at = None;
            self.pacing.is_due = true;
        }
    }

    /// Sends what the pace of each way allows: true when the batch is full.
    pub(super) fn pace(&mut self, now: Instant, batch: &mut SendBatch) -> bool {
        if !self.pacing.is_due {
            return false;
        }
        let mut places = std::mem::take(&mut self.pacing.places);
        let mut full = false;
        for &place in &places {
            full = self.catch_up(now, place, batch) || self.pad(now, place, batch);
            if full {
                break;
            }
        }
        if !full {
            places.retain(|place| self.stays(now, *place));
            self.pacing.is_due = false;
            self.pacing.at = (!places.is_empty()).then_some(now + PAUSE);
        }
        self.pacing.places = places;
        full
    }

    /// Whether a way has to be looked at again.
    fn stays(&mut self, now: Instant, place: usize) -> bool {
        let Some(downlink) = self.downlinks.get_mut(place).and_then(Option::as_mut) else {
            return false;
        };
        if downlink.is_far_behind(now) {
            let legs = std::mem::take(&mut downlink.lagging);
            downlink.caught_up();
            legs.into_iter().for_each(|leg| self.start_over(leg));
            return self.stays(now, place);
        }
        downlink.is_paced = downlink.needs_pace();
        downlink.is_paced
    }

    /// A leg goes on with a key frame.
    fn start_over(&mut self, leg: LegId) {
        if let Some((source, place)) = self.leg_mut(leg) {
            source.legs[place].end_span();
            source.choose_encoding(place);
        }
    }

    fn catch_up(&mut self, now: Instant, place: usize, batch: &mut SendBatch) -> bool {
        let downlink = self.downlinks.get_mut(place).and_then(Option::as_mut);
        let Some(mut legs) = downlink.map(|way| std::mem::take(&mut way.lagging)) else {
            return false;
        };
        let mut full = false;
        legs.retain(|leg| {
            let progress = match full {
                true => Progress::Full,
                false => self.send_on(now, *leg, batch),
            };
            full |= matches!(progress, Progress::Full);
            !matches!(progress, Progress::Done)
        });
        if let Some(downlink) = self.downlinks.get_mut(place).and_then(Option::as_mut) {
            if legs.is_empty() {
                downlink.caught_up();
            }
            downlink.lagging = legs;
        }
        full
    }

    /// Sends a leg's waiting packets as far as its pace goes.
    fn send_on(&mut self, now: Instant, leg: LegId, batch: &mut SendBatch) -> Progress {
        let Some(place) = self.by_leg.get(&leg).copied() else {
            return Progress::Done;
        };
        let Some(source) = self.sources.get_mut(place.source) else {
            return Progress::Done;
        };
        let Source {
            encodings,
            legs,
            pending,
            ..
        } = source;
        let leg = &mut legs[place.leg];
        let Some(downlink) = downlink_of(&mut self.downlinks, leg) else {
            return Progress::Done;
        };
        while let Some(lag) = leg.lag() {
            let encoding = encodings.get(usize::from(lag.encoding));
            let newest = encoding.and_then(|encoding| encoding.newest(lag.epoch));
            let Some(encoding) = encoding.filter(|_| newest >= Some(lag.number)) else {
                leg.set_lag(None);
                break;
            };
            // What fan-out has yet to see would be sent a second time.
            if !downlink.may_send(now) || pending.iter().any(|arrival| Lag::of(arrival) == lag) {
                return Progress::Waits;
            }
            if let Some(found) = encoding.remembered(lag.epoch, lag.number) {
                let Some(room) = batch.room(found.payload.len() + LEG_OVERHEAD_BYTES) else {
                    return Progress::Full;
                };
                let arrival = arrival(now, lag);
                let way = Some(&mut *downlink);
                if let Some(len) = leg.forward(now, &arrival, &found, room, way) {
                    batch.commit(leg.destination(), len);
                }
            }
            advance(leg, lag);
        }
        Progress::Done
    }

    /// Sends the padding that a probe wants: true when the batch is full.
    fn pad(&mut self, now: Instant, place: usize, batch: &mut SendBatch) -> bool {
        loop {
            let downlink = self.downlinks.get_mut(place).and_then(Option::as_mut);
            let Some(downlink) = downlink.filter(|way| way.padding_wanted(now) > 0) else {
                return false;
            };
            let at = downlink.padding_leg.and_then(|leg| self.by_leg.get(&leg));
            let source = at.and_then(|at| Some((self.sources.get_mut(at.source)?, at.leg)));
            let Some((source, leg)) = source else {
                downlink.padding_leg = None;
                return false;
            };
            let leg = &mut source.legs[leg];
            let Some(room) = batch.room(PADDING_BYTES + LEG_OVERHEAD_BYTES) else {
                return true;
            };
            match leg.pad(now, room, downlink) {
                Some(len) => batch.commit(leg.destination(), len),
                None => {
                    downlink.padding_leg = None;
                    return false;
                }
            }
        }
    }
}

fn arrival(now: Instant, lag: Lag) -> Arrival {
    Arrival {
        encoding: lag.encoding,
        epoch: lag.epoch,
        number: lag.number,
        at: now,
    }
}

/// One packet on.
fn advance(leg: &mut Leg, lag: Lag) {
    leg.set_lag(Some(Lag {
        number: lag.number + 1,
        ..lag
    }));
}
