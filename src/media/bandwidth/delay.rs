//! Whether the way to a client fills up: the trend of one-way delay
//! (draft-ietf-rmcat-gcc-02 section 5, with a line fitted to the delay instead of a Kalman filter,
//! as browsers do it).

use std::collections::VecDeque;

/// Packets sent within this belong to one group, microseconds.
const BURST_MICROS: i64 = 5_000;

/// Longest group that a burst of arrivals may make, microseconds.
const BURST_LONGEST_MICROS: i64 = 100_000;

/// A step of this size in either clock starts anew, microseconds.
const JUMP_MICROS: i64 = 3_000_000;

/// Groups that the line is fitted to.
const WINDOW: usize = 20;

/// Weight of the past in the smoothed delay.
const SMOOTHING: f64 = 0.9;

/// What a slope is multiplied with before it is compared.
const GAIN: f64 = 4.0;

/// Groups beyond which more evidence adds no weight.
const EVIDENCE_MAX: u32 = 60;

/// How long the trend must stay above the threshold, milliseconds.
const OVERUSE_MILLIS: f64 = 10.0;

/// Bounds of the threshold and where it begins, milliseconds.
const THRESHOLD_MIN: f64 = 6.0;
const THRESHOLD_MAX: f64 = 600.0;
const THRESHOLD_FIRST: f64 = 12.5;

/// How fast the threshold follows the trend up and down, per millisecond.
const THRESHOLD_UP: f64 = 0.0087;
const THRESHOLD_DOWN: f64 = 0.039;

/// A trend that stands out by more than this does not move the threshold, milliseconds.
const THRESHOLD_OUTLIER: f64 = 15.0;

/// What the delay says of the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    /// A queue drains.
    Under,
    /// Nothing changes.
    #[default]
    Normal,
    /// A queue grows.
    Over,
}

/// Packets that left together.
#[derive(Clone, Copy)]
struct Group {
    first_sent: i64,
    last_sent: i64,
    first_arrival: i64,
    last_arrival: i64,
}

/// See the module. Times are microseconds, each side on its own clock.
pub struct DelayTrend {
    current: Option<Group>,
    previous: Option<Group>,
    groups: u32,
    delay: f64,
    smoothed: f64,
    first_arrival: i64,
    window: VecDeque<(f64, f64)>,
    slope_before: f64,
    threshold: f64,
    threshold_at: Option<i64>,
    above_for: f64,
    above: u32,
    usage: Usage,
}

impl Default for DelayTrend {
    fn default() -> Self {
        Self {
            current: None,
            previous: None,
            groups: 0,
            delay: 0.0,
            smoothed: 0.0,
            first_arrival: 0,
            window: VecDeque::with_capacity(WINDOW),
            slope_before: 0.0,
            threshold: THRESHOLD_FIRST,
            threshold_at: None,
            above_for: 0.0,
            above: 0,
            usage: Usage::Normal,
        }
    }
}

impl DelayTrend {
    /// Takes a packet in the order of sending.
    pub fn packet(&mut self, sent: i64, arrival: i64) {
        let Some(current) = &mut self.current else {
            self.current = Some(Group::of(sent, arrival));
            return;
        };
        if sent < current.first_sent {
            return;
        }
        if current.takes(sent, arrival) {
            current.last_sent = current.last_sent.max(sent);
            current.last_arrival = current.last_arrival.max(arrival);
            return;
        }
        let complete = *current;
        self.current = Some(Group::of(sent, arrival));
        if let Some(previous) = self.previous.replace(complete) {
            self.compare(&previous, &complete);
        }
    }

    /// What the trend says now.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    fn compare(&mut self, previous: &Group, complete: &Group) {
        let sent = complete.last_sent - previous.last_sent;
        let arrival = complete.last_arrival - previous.last_arrival;
        if sent.abs() > JUMP_MICROS || arrival.abs() > JUMP_MICROS {
            *self = Self::default();
            return;
        }
        if arrival < 0 {
            // Groups that overtook each other say nothing of a queue.
            return;
        }
        let sent = sent as f64 / 1e3;
        self.fit(arrival as f64 / 1e3 - sent, complete.last_arrival);
        if let Some(slope) = self.slope() {
            self.judge(slope, sent, complete.last_arrival);
        }
    }

    fn fit(&mut self, longer: f64, arrival: i64) {
        if self.groups == 0 {
            self.first_arrival = arrival;
        }
        self.groups += 1;
        self.delay += longer;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.delay;
        if self.window.len() == WINDOW {
            self.window.pop_front();
        }
        let at = (arrival - self.first_arrival) as f64 / 1e3;
        self.window.push_back((at, self.smoothed));
    }

    /// Least squares over a full window.
    fn slope(&self) -> Option<f64> {
        if self.window.len() < WINDOW {
            return None;
        }
        let count = self.window.len() as f64;
        let (sum_x, sum_y) = self
            .window
            .iter()
            .fold((0.0, 0.0), |(x, y), p| (x + p.0, y + p.1));
        let (mean_x, mean_y) = (sum_x / count, sum_y / count);
        let (above, below) = self
            .window
            .iter()
            .fold((0.0, 0.0), |(above, below), (x, y)| {
                let off = x - mean_x;
                (above + off * (y - mean_y), below + off * off)
            });
        (below > 0.0).then(|| above / below)
    }

    fn judge(&mut self, slope: f64, sent: f64, arrival: i64) {
        let trend = f64::from(self.groups.min(EVIDENCE_MAX)) * slope * GAIN;
        if trend > self.threshold {
            self.above_for += if self.above == 0 { sent / 2.0 } else { sent };
            self.above += 1;
            let lasting = self.above_for > OVERUSE_MILLIS && self.above > 1;
            if lasting && slope >= self.slope_before {
                (self.above_for, self.above) = (0.0, 0);
                self.usage = Usage::Over;
            }
        } else {
            (self.above_for, self.above) = (0.0, 0);
            self.usage = match trend < -self.threshold {
                true => Usage::Under,
                false => Usage::Normal,
            };
        }
        self.slope_before = slope;
        self.adapt(trend.abs(), arrival);
    }

    /// Moves the threshold towards the trend, so that a rival that fills queues does not starve us.
    fn adapt(&mut self, trend: f64, arrival: i64) {
        let before = self.threshold_at.replace(arrival).unwrap_or(arrival);
        if trend > self.threshold + THRESHOLD_OUTLIER {
            return;
        }
        let rate = match trend < self.threshold {
            true => THRESHOLD_DOWN,
            false => THRESHOLD_UP,
        };
        let passed = ((arrival - before) as f64 / 1e3).clamp(0.0, 100.0);
        self.threshold += rate * (trend - self.threshold) * passed;
        self.threshold = self.threshold.clamp(THRESHOLD_MIN, THRESHOLD_MAX);
    }
}

impl Group {
    fn of(sent: i64, arrival: i64) -> Self {
        Self {
            first_sent: sent,
            last_sent: sent,
            first_arrival: arrival,
            last_arrival: arrival,
        }
    }

    /// Left within the burst, or caught up with it in a queue that let all go at once.
    fn takes(&self, sent: i64, arrival: i64) -> bool {
        let (later_sent, later) = (sent - self.last_sent, arrival - self.last_arrival);
        let caught_up = later < later_sent
            && later <= BURST_MICROS
            && arrival - self.first_arrival < BURST_LONGEST_MICROS;
        sent - self.first_sent <= BURST_MICROS || caught_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sample::Chance;

    /// Usages seen while packets leave each 10 ms and the delay grows by `growth` µs with each.
    fn seen(count: i64, growth: i64, mut noise: impl FnMut() -> i64) -> Vec<Usage> {
        let mut trend = DelayTrend::default();
        let mut usages = Vec::new();
        for step in 0..count {
            let sent = step * 10_000;
            trend.packet(sent, sent + 40_000 + step * growth + noise());
            usages.push(trend.usage());
        }
        usages
    }

    #[test]
    fn an_even_way_is_normal_and_so_is_a_noisy_one() {
        assert!(
            seen(500, 0, || 0)
                .iter()
                .all(|usage| *usage == Usage::Normal)
        );
        let mut chance = Chance::new(4);
        let noisy = seen(2_000, 0, || chance.below(3_000) as i64);
        let over = noisy.iter().filter(|usage| **usage == Usage::Over).count();
        assert!(over < 100, "{over} of 2000");
    }

    #[test]
    fn a_growing_queue_is_overuse_within_half_a_second() {
        let usages = seen(60, 2_000, || 0);
        let first = usages.iter().position(|usage| *usage == Usage::Over);
        assert!(first.is_some_and(|step| step < 50), "{first:?}");
    }

    #[test]
    fn a_draining_queue_is_underuse() {
        assert!(seen(60, -2_000, || 0).contains(&Usage::Under));
    }

    #[test]
    fn a_clock_that_jumps_starts_anew() {
        let mut trend = DelayTrend::default();
        for step in 0..100 {
            trend.packet(step * 10_000, step * 10_000);
        }
        for step in 100..300 {
            trend.packet(step * 10_000, step * 10_000 + 60_000_000);
            assert_ne!(trend.usage(), Usage::Over);
        }
    }
}
