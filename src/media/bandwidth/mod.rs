//! How much a client can be sent: an estimate from its transport-wide feedback (congestion control
//! as in draft-ietf-rmcat-gcc-02), as a component that does no I/O.
//!
//! Call [`Estimator::sent`] for each packet, [`Estimator::feedback`] for each feedback, and ask
//! [`Estimator::target`] what fits. Delay tells first that a queue grows, loss that it overflows,
//! and short probes that more would fit than is sent.

mod delay;
pub mod feedback;
mod loss;
mod probe;
mod rate;
mod sent;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use self::delay::{DelayTrend, Usage};
use self::feedback::{Feedback, TICK_MICROS};
use self::loss::LossRate;
use self::probe::Prober;
use self::rate::DelayRate;
use self::sent::SentLog;

/// The estimate before anything is known, bit/s: a small picture of each of some people.
pub const FIRST_BPS: u64 = 1_200_000;

/// Least estimate, bit/s: enough to ask again.
pub const TARGET_BPS_MIN: u64 = 30_000;
/// Largest estimate, bit/s.
pub const TARGET_BPS_MAX: u64 = 100_000_000;

/// A probe aims at so many times the present estimate, at most.
const PROBE_FACTOR: f64 = 3.0;

/// How long arrivals are counted for one reading of their rate, microseconds, and the weight of a
/// new reading.
const ARRIVED_MICROS: i64 = 150_000;
const ARRIVED_WEIGHT: f64 = 0.6;

/// Feedback that must have come before the estimate is trusted enough to hold streams back.
const FEEDBACKS_MIN: u32 = 4;

/// A packet that takes so much longer than the fastest waited in a queue, whatever the trend says,
/// microseconds: behind a very slow way too few packets come to tell a trend.
const QUEUED_MICROS: i64 = 300_000;

/// How far two clocks may drift apart, microseconds in a second.
const DRIFT_MICROS: f64 = 500.0;

/// Feedback older than this says nothing about the way as it is now, microseconds.
const STALE_MICROS: u64 = 1_000_000;

/// A cut is followed by so long a time in which no probe is sent, microseconds.
const QUIET_AFTER_CUT: u64 = 1_500_000;

/// See the module.
pub struct Estimator {
    origin: Instant,
    log: SentLog,
    trend: DelayTrend,
    by_delay: DelayRate,
    by_loss: LossRate,
    prober: Prober,
    arrived: ArrivedRate,
    reference: Option<i64>,
    feedback_at: Option<u64>,
    feedbacks: u32,
    cut_at: Option<u64>,
    trip: f64,
    /// The least that a packet's arrival by the client's clock was behind its sending by ours.
    fastest: Option<i64>,
}

/// The rate at which the client gets what we send, by its own clock.
#[derive(Clone, Copy, Debug, Default)]
struct ArrivedRate {
    since: Option<i64>,
    bytes: u64,
    bps: Option<f64>,
}

impl Estimator {
    /// An estimator that knows nothing.
    pub fn new(origin: Instant) -> Self {
        Self {
            origin,
            log: SentLog::default(),
            trend: DelayTrend::default(),
            by_delay: DelayRate::new(FIRST_BPS as f64),
            by_loss: LossRate::default(),
            prober: Prober::default(),
            arrived: ArrivedRate::default(),
            reference: None,
            feedback_at: None,
            feedbacks: 0,
            cut_at: None,
            trip: 0.1,
            fastest: None,
        }
    }

    /// What fits, bit/s.
    pub fn target(&self) -> u64 {
        let delay = self.by_delay.target();
        let target = self.by_loss.limit().map_or(delay, |limit| limit.min(delay));
        (target as u64).clamp(TARGET_BPS_MIN, TARGET_BPS_MAX)
    }

    /// Enough is known to hold streams back for it.
    pub fn is_settled(&self) -> bool {
        self.feedbacks >= FEEDBACKS_MIN
    }

    /// Notes a packet about to be sent; its transport-wide number.
    pub fn sent(&mut self, now: Instant, bytes: usize) -> u16 {
        let (now, bytes) = (self.micros(now), bytes.min(usize::from(u16::MAX)) as u16);
        let probe = self.prober.sent(now, bytes);
        self.log.push(now, bytes, probe)
    }

    /// Takes a feedback in. Nothing that a client can say makes this keep more than it has.
    pub fn feedback(&mut self, now: Instant, feedback: &Feedback<'_>, trip: Option<Duration>) {
        let now = self.micros(now);
        self.trip = trip.map_or(self.trip, |trip| trip.as_secs_f64().clamp(0.0, 2.0));
        let reference = feedback.reference_ticks(self.reference);
        self.reference = Some(reference);
        let (mut told, mut lost, mut newest) = (0, 0, None);
        for (number, arrival) in feedback.packets() {
            match arrival {
                None => {
                    let news = self.log.missed(number);
                    told += u32::from(news);
                    lost += u32::from(news);
                }
                Some(ticks) => {
                    let Some(sent) = self.log.came(now, number) else {
                        continue;
                    };
                    told += u32::from(!sent.was_lost);
                    let came = (reference + ticks) * TICK_MICROS;
                    newest = Some(came - sent.at.cast_signed());
                    self.trend.packet(sent.at.cast_signed(), came);
                    self.arrived.take(came, sent.bytes);
                    if sent.probe != 0 {
                        self.prober.came(sent.probe, sent.at, came, sent.bytes);
                    }
                }
            }
        }
        if told > 0 {
            let queued = newest.is_some_and(|took| self.is_queued(now, took));
            let usage = if queued {
                Usage::Over
            } else {
                self.trend.usage()
            };
            self.decide(now, lost, told, usage);
        }
    }

    /// Whether the newest packet that came waited in a queue: by its arrival, so that neither the
    /// pause between two feedbacks nor their way back counts.
    fn is_queued(&mut self, now: u64, took: i64) -> bool {
        let seconds = self
            .feedback_at
            .map_or(0.0, |at| now.saturating_sub(at) as f64 / 1e6);
        let drift = (DRIFT_MICROS * seconds) as i64;
        let fastest = self
            .fastest
            .map_or(took, |fastest| took.min(fastest + drift));
        self.fastest = Some(fastest);
        took > fastest + QUEUED_MICROS
    }

    /// Asks for a probe, because `wanted` bit/s would be of use.
    pub fn probe(&mut self, now: Instant, wanted: u64) {
        let now = self.micros(now);
        let quiet = self.cut_at.is_some_and(|at| now < at + QUIET_AFTER_CUT);
        let target = self.target() as f64;
        let useful = self.feedbacks > 0 && wanted as f64 > target;
        // Where nothing is sent nothing is heard, and what was said last grows old.
        let fresh = self.feedback_at.is_some_and(|at| now < at + STALE_MICROS);
        let over = fresh && self.trend.usage() == Usage::Over;
        if useful && !quiet && !over {
            let rate = (wanted as f64 * 1.1).min(PROBE_FACTOR * target);
            self.prober.begin(now, rate);
        }
    }

    /// Bytes of padding that a probe wants sent now; 0 when none is under way.
    pub fn padding_wanted(&self, now: Instant) -> u32 {
        self.prober.wanted(self.micros(now))
    }

    /// A probe is being sent: [`Self::padding_wanted`] should be asked every few milliseconds.
    pub fn is_probing(&self) -> bool {
        self.prober.is_sending()
    }

    /// Share of packets lost lately, 0 to 1.
    pub fn loss(&self) -> f64 {
        self.by_loss.ratio()
    }

    fn decide(&mut self, now: u64, lost: u32, told: u32, usage: Usage) {
        let before = self.feedback_at.replace(now);
        let seconds = before.map_or(0.0, |before| now.saturating_sub(before) as f64 / 1e6);
        self.feedbacks = self.feedbacks.saturating_add(1);
        let mut cut = self
            .by_delay
            .update(seconds, usage, self.arrived.bps, self.trip);
        let target = self.by_delay.target();
        cut |= self.by_loss.update(seconds, lost, told, target, self.trip);
        if cut {
            self.cut_at = Some(now);
            self.prober.give_up(now);
        }
        if let Some(rate) = self.prober.verdict(now)
            && usage != Usage::Over
        {
            self.by_delay.proven(rate);
            self.by_loss.proven(rate);
        }
    }

    fn micros(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.origin).as_micros() as u64
    }
}

impl ArrivedRate {
    fn take(&mut self, came: i64, bytes: u16) {
        let since = *self.since.get_or_insert(came);
        let passed = came - since;
        if passed >= ARRIVED_MICROS {
            let reading = 8e6 * self.bytes as f64 / passed as f64;
            self.bps = Some(self.bps.map_or(reading, |before| {
                before + ARRIVED_WEIGHT * (reading - before)
            }));
            (self.since, self.bytes) = (Some(came), 0);
        }
        self.bytes += u64::from(bytes);
    }
}
