//! The rate that loss allows (draft-ietf-rmcat-gcc-02 section 6), on ways that lose anyway too.
//!
//! Loss is a sign of congestion only if sending less loses less. When two cuts did not help as they
//! should have, the loss is the way's own (radio, a bad cable): it is then tolerated, and only what
//! exceeds it counts.

/// Packets that a verdict needs.
const PACKETS_MIN: u32 = 20;

/// Time that a verdict needs, and that a cut has to show its effect, seconds.
const WINDOW_SECONDS: f64 = 0.2;
const EFFECT_SECONDS: f64 = 0.5;

/// Weight of a window of [`WINDOW_SECONDS`] in the loss that is told.
const SMOOTHING: f64 = 0.2;

/// Loss above the tolerated one that cuts the rate, and below which it grows.
const LOSS_HIGH: f64 = 0.10;
const LOSS_LOW: f64 = 0.02;

/// Most loss that is taken for the way's own.
const TOLERATED_MAX: f64 = 0.35;

/// Cuts in a row that must fail before loss is taken for the way's own.
const CUTS_BEFORE_DOUBT: u32 = 2;

/// What is left of the tolerated loss after a second without any.
const FORGIVENESS_PER_SECOND: f64 = 0.9;

/// Loss that was taken for the way's own is put to the test again after so long, seconds.
const RECHECK_SECONDS: f64 = 20.0;

/// Growth of a cut rate in a second.
const GROWTH_PER_SECOND: f64 = 1.25;

/// A cut rate this far above what the delay allows is no limit any more.
const FREE_ABOVE: f64 = 1.5;

/// See the module; rates in bit/s.
#[derive(Clone, Copy, Debug, Default)]
pub struct LossRate {
    limit: Option<f64>,
    lost: u32,
    told: u32,
    seconds: f64,
    since_cut: f64,
    cuts: u32,
    /// Loss and rate before the first of the cuts.
    before_cuts: (f64, f64),
    tolerated: f64,
    tolerated_for: f64,
    smoothed: f64,
}

impl LossRate {
    /// What the rate may not exceed.
    pub fn limit(&self) -> Option<f64> {
        self.limit
    }

    /// Share lost lately.
    pub fn ratio(&self) -> f64 {
        self.smoothed
    }

    /// A probe showed that more fits.
    pub fn proven(&mut self, rate: f64) {
        self.limit = self.limit.map(|limit| limit.max(rate));
    }

    /// Takes what a feedback tells of so many packets; `target` is what the delay allows. Tells
    /// whether the rate was cut.
    pub fn update(&mut self, seconds: f64, lost: u32, told: u32, target: f64, trip: f64) -> bool {
        self.lost += lost;
        self.told += told;
        self.seconds += seconds;
        self.since_cut += seconds;
        if self.told < PACKETS_MIN || self.seconds < WINDOW_SECONDS {
            return false;
        }
        let (window, ratio) = (self.seconds, f64::from(self.lost) / f64::from(self.told));
        (self.lost, self.told, self.seconds) = (0, 0, 0.0);
        // Where few packets come, a window is long, and what was before it is old.
        let kept = (1.0 - SMOOTHING).powf((window / WINDOW_SECONDS).max(1.0));
        self.smoothed = ratio + kept * (self.smoothed - ratio);
        self.tolerated_for += window;
        if self.tolerated_for > RECHECK_SECONDS {
            (self.tolerated, self.tolerated_for) = (0.0, 0.0);
        }
        if ratio > self.tolerated + LOSS_HIGH {
            return self.since_cut > EFFECT_SECONDS + trip && self.cut(ratio, target);
        }
        if ratio < self.tolerated + LOSS_LOW {
            self.cuts = 0;
            self.tolerated *= FORGIVENESS_PER_SECOND.powf(window);
            let grown = self
                .limit
                .map(|limit| limit * GROWTH_PER_SECOND.powf(window));
            self.limit = grown.filter(|limit| *limit < FREE_ABOVE * target);
        }
        false
    }

    fn cut(&mut self, ratio: f64, target: f64) -> bool {
        self.since_cut = 0.0;
        let rate = self.limit.map_or(target, |limit| limit.min(target));
        if self.cuts == 0 {
            self.before_cuts = (ratio, rate);
        }
        if self.cuts >= CUTS_BEFORE_DOUBT && self.is_own(ratio, rate) {
            (self.tolerated, self.tolerated_for) = (ratio.min(TOLERATED_MAX), 0.0);
            self.cuts = 0;
            self.limit = None;
            return false;
        }
        self.cuts += 1;
        self.limit = Some(rate * (1.0 - 0.5 * ratio));
        true
    }

    /// Whether the loss is nearer to what it was before the cuts than to what a full way would lose
    /// of the lower rate.
    fn is_own(&self, ratio: f64, rate: f64) -> bool {
        let (loss_before, rate_before) = self.before_cuts;
        let carried = (1.0 - loss_before) * rate_before;
        let by_congestion = (1.0 - carried / rate.max(1.0)).max(0.0);
        ratio > f64::midpoint(loss_before, by_congestion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_of_long_ago_is_forgotten_where_few_packets_come_too() {
        let mut loss = LossRate::default();
        loss.update(0.2, 6, 20, 1e6, 0.1);
        assert!(loss.ratio() > 0.05);
        for _ in 0..20 {
            loss.update(0.2, 0, 1, 1e6, 0.1);
        }
        assert!(loss.ratio() < 0.005, "{}", loss.ratio());
    }
}
