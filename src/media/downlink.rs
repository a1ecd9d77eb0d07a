//! What the way to one subscriber carries: numbers for its feedback, and a pace that does not fill
//! queues with a burst.

use std::time::{Duration, Instant};

use super::allocation::Budget;
use super::bandwidth::feedback::Feedback;
use super::bandwidth::{Estimator, TARGET_BPS_MAX};
use super::playout::Playout;
use crate::domain::id::LegId;

/// The pace over the estimate: bursts leave faster than they come on average.
const PACE: f64 = 2.5;

/// What may leave at once after a pause: some packets, or what the pace lets go in this time.
const BURST_BYTES_MIN: f64 = 12_000.0;
const BURST_SECONDS: f64 = 0.02;

/// A subscriber that never feeds back for so long although it said that it would is sent all that
/// it wants, as one that does not say so.
const BLIND_AFTER: Duration = Duration::from_secs(3);

/// Share of packets lost from which on repetitions are sent twice.
const LOSS_MUCH: f64 = 0.04;

/// Legs that stay behind for so long go on with a key frame.
const BEHIND_MAX: Duration = Duration::from_secs(1);

/// See the module.
pub struct Downlink {
    /// What its packets say of the delay that its player is to keep.
    pub playout: Playout,
    estimator: Estimator,
    credit_bytes: f64,
    credited_at: Instant,
    began_at: Option<Instant>,
    is_fed_back: bool,
    /// Legs that are behind.
    pub lagging: Vec<LegId>,
    behind_since: Option<Instant>,
    /// A leg that can carry padding.
    pub padding_leg: Option<LegId>,
    /// It is on the list of those that are looked at every few milliseconds.
    pub is_paced: bool,
}

impl Downlink {
    /// A way of which nothing is known.
    pub fn new(now: Instant) -> Self {
        Self {
            playout: Playout::default(),
            estimator: Estimator::new(now),
            credit_bytes: BURST_BYTES_MIN,
            credited_at: now,
            began_at: None,
            is_fed_back: false,
            lagging: Vec::new(),
            behind_since: None,
            padding_leg: None,
            is_paced: false,
        }
    }

    /// Whether a packet may leave now.
    pub fn may_send(&mut self, now: Instant) -> bool {
        if now > self.credited_at {
            let passed = now
                .saturating_duration_since(self.credited_at)
                .as_secs_f64();
            self.credited_at = now;
            let pace = self.pace_bytes();
            let burst = BURST_BYTES_MIN.max(BURST_SECONDS * pace);
            self.credit_bytes = (self.credit_bytes + passed * pace).min(burst);
        }
        self.credit_bytes > 0.0
    }

    /// Whether a retransmission may: it is late already, so it may run into debt, with a limit.
    pub fn may_resend(&mut self, now: Instant) -> bool {
        self.may_send(now) || self.credit_bytes > -BURST_BYTES_MIN
    }

    /// Notes a packet about to leave; its transport-wide number.
    pub fn sent(&mut self, now: Instant, bytes: usize) -> u16 {
        self.began_at.get_or_insert(now);
        self.credit_bytes -= bytes as f64;
        self.estimator.sent(now, bytes)
    }

    /// Takes a feedback in.
    pub fn feedback(&mut self, now: Instant, feedback: &Feedback<'_>, trip: Option<Duration>) {
        self.is_fed_back = true;
        self.estimator.feedback(now, feedback, trip);
        if self.loses_much() {
            self.playout.loses_much(now, trip);
        }
    }

    /// Much of what is sent does not arrive.
    pub fn loses_much(&self) -> bool {
        self.estimator.loss() > LOSS_MUCH
    }

    /// What the way carries. Where much is lost, less than could be sent is well spent: a frame of
    /// many packets is rarely whole there, and a small picture that moves is worth more than a
    /// sharp one that stands.
    pub fn budget(&self, now: Instant) -> Budget {
        let whole = self.rate_bps(now);
        let loss = self.estimator.loss().max(LOSS_MUCH);
        Budget {
            whole,
            kept: (whole as f64 * LOSS_MUCH / loss) as u64,
            may_raise: !self.loses_much(),
        }
    }

    /// Enough is known to hold legs back.
    pub fn is_settled(&self) -> bool {
        self.estimator.is_settled()
    }

    /// Says that so much would be of use, bit/s.
    pub fn want(&mut self, now: Instant, bps: u64) {
        if self.padding_leg.is_some() {
            self.estimator.probe(now, bps);
        }
    }

    /// Bytes of padding wanted now.
    pub fn padding_wanted(&self, now: Instant) -> u32 {
        self.estimator.padding_wanted(now)
    }

    /// Something has to be looked at every few milliseconds.
    pub fn needs_pace(&self) -> bool {
        !self.lagging.is_empty() || self.estimator.is_probing()
    }

    /// Notes a leg that fell behind.
    pub fn lags(&mut self, now: Instant, leg: LegId) {
        self.behind_since.get_or_insert(now);
        if !self.lagging.contains(&leg) {
            self.lagging.push(leg);
        }
    }

    /// Nothing is behind any more.
    pub fn caught_up(&mut self) {
        self.behind_since = None;
    }

    /// What is behind has been so for too long.
    pub fn is_far_behind(&self, now: Instant) -> bool {
        self.behind_since
            .is_some_and(|since| now >= since + BEHIND_MAX)
    }

    fn rate_bps(&self, now: Instant) -> u64 {
        match self.is_blind(now) {
            true => TARGET_BPS_MAX,
            false => self.estimator.target(),
        }
    }

    fn is_blind(&self, now: Instant) -> bool {
        !self.is_fed_back && self.began_at.is_some_and(|at| now >= at + BLIND_AFTER)
    }

    fn pace_bytes(&self) -> f64 {
        PACE * self.rate_bps(self.credited_at) as f64 / 8.0
    }
}
