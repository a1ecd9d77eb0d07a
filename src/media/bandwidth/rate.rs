//! The rate that the delay allows: up while the way is free, down at once when a queue grows
//! (draft-ietf-rmcat-gcc-02 section 5.5).

use super::delay::Usage;

/// Kept of what arrived when a queue grows.
const DECREASE: f64 = 0.85;

/// Growth in a second while the capacity is unknown.
const GROWTH_PER_SECOND: f64 = 1.08;

/// A rate that is not used proves nothing: it may exceed what arrives by this only.
const AHEAD_OF_ARRIVED: f64 = 1.5;
const AHEAD_BPS: f64 = 10_000.0;

/// Bits of a packet, by which the rate grows in a round trip close to the known capacity.
const PACKET_BITS: f64 = 9_600.0;

/// Slowest growth close to the known capacity, bit/s in a second.
const GROWTH_BPS_MIN: f64 = 4_000.0;

/// How much a new measurement moves the known capacity.
const CAPACITY_WEIGHT: f64 = 0.05;

/// For so long a probe's word counts, seconds: what arrives lags behind when more is sent because
/// of it, and the first frames of a better picture are a burst.
const PROVEN_SECONDS: f64 = 5.0;

/// A queue that grows for longer than this disproves it, seconds.
const DISPROVED_SECONDS: f64 = 0.35;

/// Time beyond a round trip that a cut has to show its effect, seconds.
const EFFECT_SECONDS: f64 = 0.15;

/// A feedback interval longer than this counts as this, seconds.
const INTERVAL_MAX: f64 = 1.0;

/// See the module; rates in bit/s.
#[derive(Clone, Copy, Debug)]
pub struct DelayRate {
    target: f64,
    /// The capacity where queues began to grow, with its relative variance.
    capacity: Option<(f64, f64)>,
    decreased: bool,
    /// What a probe showed, and how long ago.
    proven: Option<(f64, f64)>,
    /// How long the queue has been growing.
    over_for: f64,
    /// Time since the last cut.
    since_cut: f64,
}

impl DelayRate {
    /// Begins at a rate.
    pub fn new(target: f64) -> Self {
        Self {
            target,
            capacity: None,
            decreased: false,
            proven: None,
            over_for: 0.0,
            since_cut: f64::MAX,
        }
    }

    /// The rate.
    pub fn target(&self) -> f64 {
        self.target
    }

    /// A probe showed that more fits.
    pub fn proven(&mut self, rate: f64) {
        self.target = self.target.max(rate);
        self.proven = Some((rate, 0.0));
    }

    /// Takes the state of the way after a feedback; `arrived` is the rate that the client gets.
    /// Tells whether the rate was cut.
    pub fn update(&mut self, seconds: f64, usage: Usage, arrived: Option<f64>, trip: f64) -> bool {
        let seconds = seconds.min(INTERVAL_MAX);
        self.since_cut += seconds;
        self.proven = self.proven.map(|(rate, age)| (rate, age + seconds));
        self.over_for = match usage {
            Usage::Over => self.over_for + seconds,
            Usage::Under | Usage::Normal => 0.0,
        };
        match usage {
            // What is told within this is of packets from before the cut.
            Usage::Over => self.since_cut > trip + EFFECT_SECONDS && self.decrease(arrived),
            Usage::Under => {
                self.decreased = false;
                false
            }
            Usage::Normal => {
                self.increase(seconds, arrived, trip);
                false
            }
        }
    }

    fn decrease(&mut self, arrived: Option<f64>) -> bool {
        self.proven = self
            .proven
            .filter(|(_, age)| *age < PROVEN_SECONDS && self.over_for < DISPROVED_SECONDS);
        let arrived = arrived.unwrap_or(self.target);
        let arrived = self.proven.map_or(arrived, |(rate, _)| arrived.max(rate));
        let cut = DECREASE * arrived;
        if std::mem::replace(&mut self.decreased, true) && cut >= self.target {
            return false;
        }
        self.note_capacity(arrived);
        let lower = cut < self.target;
        self.target = self.target.min(cut);
        self.since_cut = 0.0;
        lower
    }

    fn increase(&mut self, seconds: f64, arrived: Option<f64>, trip: f64) {
        self.decreased = false;
        if let (Some((capacity, _)), Some(arrived)) = (self.capacity, arrived)
            && arrived > self.ceiling(capacity)
        {
            // The way is wider than it was.
            self.capacity = None;
        }
        let close = self.capacity.is_some_and(|(capacity, _)| {
            self.target > capacity - (self.ceiling(capacity) - capacity)
        });
        let grown = if close {
            let per_second = (PACKET_BITS / (trip + 0.1)).max(GROWTH_BPS_MIN);
            self.target + per_second * seconds
        } else {
            self.target * GROWTH_PER_SECOND.powf(seconds)
        };
        let limit = arrived.map_or(grown, |arrived| AHEAD_OF_ARRIVED * arrived + AHEAD_BPS);
        self.target = self.target.max(grown.min(limit));
        // What arrives while no queue grows is proven.
        self.target = self.target.max(arrived.unwrap_or(0.0));
    }

    /// Three standard deviations above the known capacity.
    fn ceiling(&self, capacity: f64) -> f64 {
        let variance = self.capacity.map_or(0.0, |(_, variance)| variance);
        capacity + 3.0 * (variance * capacity).sqrt()
    }

    fn note_capacity(&mut self, arrived: f64) {
        let Some((capacity, variance)) = self.capacity.filter(|(capacity, _)| {
            let off = self.ceiling(*capacity) - capacity;
            arrived > capacity - off
        }) else {
            self.capacity = Some((arrived, 0.4e3));
            return;
        };
        let moved = (1.0 - CAPACITY_WEIGHT) * capacity + CAPACITY_WEIGHT * arrived;
        let error = (moved - arrived) * (moved - arrived) / moved.max(1.0);
        let variance = (1.0 - CAPACITY_WEIGHT) * variance + CAPACITY_WEIGHT * error;
        self.capacity = Some((moved, variance.clamp(0.4e3, 2.5e3)));
    }
}
