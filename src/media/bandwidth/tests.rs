//! The estimator against a simulated way: a bottleneck with a queue, its own delay, loss and noise.

use std::collections::VecDeque;

use super::*;
use crate::media::sample::Chance;
use crate::media::transport::testing::origin;
use crate::media::twcc::ArrivalLog;

const MS: Duration = Duration::from_millis(1);

/// A way with one bottleneck, and a client behind it that feeds back each 100 ms.
struct Way {
    capacity_bps: f64,
    queue_bytes: f64,
    /// Longest queue, bytes; what does not fit is lost.
    queue_max: f64,
    delay: Duration,
    noise: Duration,
    loss_percent: usize,
    chance: Chance,
    drained_at: Instant,
    under_way: VecDeque<(Instant, u16)>,
    log: ArrivalLog,
    feedback: VecDeque<(Instant, Vec<u8>)>,
    feedback_at: Instant,
    delivered: u64,
    lost: u64,
    longest_queue: Duration,
}

impl Way {
    fn new(start: Instant, capacity_bps: f64, seed: u64) -> Self {
        Self {
            capacity_bps,
            queue_bytes: 0.0,
            queue_max: 60_000.0,
            delay: 30 * MS,
            noise: Duration::ZERO,
            loss_percent: 0,
            chance: Chance::new(seed),
            drained_at: start,
            under_way: VecDeque::new(),
            log: ArrivalLog::new(start),
            feedback: VecDeque::new(),
            feedback_at: start + 100 * MS,
            delivered: 0,
            lost: 0,
            longest_queue: Duration::ZERO,
        }
    }

    fn send(&mut self, now: Instant, number: u16, bytes: usize) {
        let passed = now.saturating_duration_since(self.drained_at).as_secs_f64();
        self.drained_at = now;
        self.queue_bytes = (self.queue_bytes - passed * self.capacity_bps / 8.0).max(0.0);
        let unlucky = self.chance.below(100) < self.loss_percent;
        if unlucky || self.queue_bytes + bytes as f64 > self.queue_max {
            self.lost += 1;
            return;
        }
        self.queue_bytes += bytes as f64;
        let queued = Duration::from_secs_f64(self.queue_bytes * 8.0 / self.capacity_bps);
        self.longest_queue = self.longest_queue.max(queued);
        let noise = self.noise.as_micros() as usize;
        let noise = Duration::from_micros(self.chance.below(noise + 1) as u64);
        self.delivered += bytes as u64;
        self.under_way
            .push_back((now + queued + self.delay + noise, number));
    }

    fn turn(&mut self, now: Instant, estimator: &mut Estimator) {
        self.under_way.make_contiguous().sort_by_key(|(at, _)| *at);
        while let Some((at, number)) = self.under_way.pop_front_if(|(at, _)| *at <= now) {
            self.log.arrived(at, number);
        }
        if now >= self.feedback_at {
            self.feedback_at = now + 100 * MS;
            let mut out = Vec::new();
            while self.log.write_feedback(&mut out, 1) {
                self.feedback
                    .push_back((now + self.delay, std::mem::take(&mut out)));
            }
        }
        while let Some((_, bytes)) = self.feedback.pop_front_if(|(at, _)| *at <= now) {
            let padding = match bytes[0] & 0x20 {
                0 => 0,
                _ => usize::from(bytes[bytes.len() - 1]),
            };
            let feedback = Feedback::parse(&bytes[12..bytes.len() - padding]).unwrap();
            estimator.feedback(now, &feedback, Some(2 * self.delay));
        }
    }
}

/// A sender that always has something to send, up to `wanted`, and probes for more.
struct Sender {
    estimator: Estimator,
    now: Instant,
    wanted: u64,
    owed: f64,
}

impl Sender {
    fn new(start: Instant, wanted: u64) -> Self {
        Self {
            estimator: Estimator::new(start),
            now: start,
            wanted,
            owed: 0.0,
        }
    }

    fn run(&mut self, way: &mut Way, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += MS;
            let rate = self.estimator.target().min(self.wanted) as f64;
            self.owed += rate / 8e3;
            while self.owed >= 1_200.0 {
                self.owed -= 1_200.0;
                way.send(self.now, self.estimator.sent(self.now, 1_200), 1_200);
            }
            self.estimator.probe(self.now, self.wanted);
            let mut padding = self.estimator.padding_wanted(self.now);
            while padding > 0 {
                way.send(self.now, self.estimator.sent(self.now, 255), 255);
                padding = padding.saturating_sub(255);
            }
            way.turn(self.now, &mut self.estimator);
        }
    }
}

#[test]
fn on_a_wide_way_the_estimate_reaches_what_is_wanted_within_three_seconds() {
    for seed in 1..=5 {
        let start = origin();
        let (mut sender, mut way) = (Sender::new(start, 4_000_000), Way::new(start, 50e6, seed));
        sender.run(&mut way, 3_000 * MS);
        let target = sender.estimator.target();
        assert!(target >= 4_000_000, "seed {seed}: {target}");
        assert_eq!(way.lost, 0, "seed {seed}");
    }
}

#[test]
fn a_bottleneck_is_filled_and_its_queue_stays_short() {
    for (seed, capacity) in [(1, 400e3), (2, 1e6), (3, 3e6)] {
        let start = origin();
        let (mut sender, mut way) = (
            Sender::new(start, 10_000_000),
            Way::new(start, capacity, seed),
        );
        sender.run(&mut way, 10_000 * MS);
        (way.delivered, way.lost, way.longest_queue) = (0, 0, Duration::ZERO);
        sender.run(&mut way, 30_000 * MS);
        let used = way.delivered as f64 * 8.0 / 30.0 / capacity;
        assert!(used > 0.75, "seed {seed}: {used} of {capacity}");
        let queue = way.longest_queue;
        assert!(queue < 600 * MS, "seed {seed}: {queue:?} at {capacity}");
    }
}

#[test]
fn a_way_that_narrows_is_followed_down_within_two_seconds_and_up_again_within_ten() {
    let start = origin();
    let (mut sender, mut way) = (Sender::new(start, 3_000_000), Way::new(start, 3e6, 9));
    sender.run(&mut way, 8_000 * MS);
    assert!(
        sender.estimator.target() > 2_000_000,
        "{}",
        sender.estimator.target()
    );
    way.capacity_bps = 300e3;
    sender.run(&mut way, 2_000 * MS);
    assert!(
        sender.estimator.target() < 400_000,
        "{}",
        sender.estimator.target()
    );
    sender.run(&mut way, 10_000 * MS);
    way.capacity_bps = 3e6;
    sender.run(&mut way, 10_000 * MS);
    assert!(
        sender.estimator.target() > 1_500_000,
        "{}",
        sender.estimator.target()
    );
}

#[test]
fn loss_of_the_way_itself_does_not_starve_the_picture() {
    for seed in 1..=5 {
        let start = origin();
        let (mut sender, mut way) = (Sender::new(start, 1_500_000), Way::new(start, 5e6, seed));
        way.loss_percent = 12;
        way.noise = 20 * MS;
        sender.run(&mut way, 30_000 * MS);
        let target = sender.estimator.target();
        assert!(target > 600_000, "seed {seed}: {target}");
    }
}

#[test]
fn loss_by_congestion_is_answered_even_without_a_queue_to_see() {
    let start = origin();
    let (mut sender, mut way) = (Sender::new(start, 5_000_000), Way::new(start, 1e6, 3));
    // So short a queue drops before it delays.
    way.queue_max = 4_000.0;
    sender.run(&mut way, 20_000 * MS);
    (way.delivered, way.lost) = (0, 0);
    sender.run(&mut way, 20_000 * MS);
    let sent = way.delivered / 1_200 + way.lost;
    let ratio = way.lost as f64 / sent as f64;
    assert!(ratio < 0.25, "{ratio}");
}

#[test]
fn noise_alone_does_not_bring_the_estimate_down() {
    for seed in 1..=5 {
        let start = origin();
        let (mut sender, mut way) = (Sender::new(start, 2_000_000), Way::new(start, 20e6, seed));
        way.noise = 25 * MS;
        sender.run(&mut way, 20_000 * MS);
        let target = sender.estimator.target();
        assert!(target > 1_200_000, "seed {seed}: {target}");
    }
}

#[test]
fn forged_feedback_costs_a_step_a_packet_and_moves_the_estimate_within_its_bounds() {
    let mut chance = Chance::new(6);
    let start = origin();
    let mut estimator = Estimator::new(start);
    for step in 0..20_000 {
        let now = start + step * MS;
        estimator.sent(now, 1_200);
        let body = chance.bytes(80);
        if let Some(feedback) = Feedback::parse(&body) {
            estimator.feedback(now, &feedback, None);
        }
        estimator.probe(now, u64::MAX / 4);
        let target = estimator.target();
        assert!((TARGET_BPS_MIN..=TARGET_BPS_MAX).contains(&target));
    }
}

#[test]
fn a_probe_of_which_nothing_comes_makes_room_for_another() {
    let start = origin();
    let (mut sender, mut way) = (Sender::new(start, 1_000_000), Way::new(start, 20e6, 1));
    sender.run(&mut way, 4_000 * MS);
    let Sender { estimator, now, .. } = &mut sender;
    for _ in 0..10_000 {
        *now += MS;
        estimator.probe(*now, 10_000_000);
        if estimator.is_probing() {
            break;
        }
    }
    while estimator.is_probing() {
        *now += MS;
        estimator.sent(*now, 255);
    }
    *now += 2_000 * MS;
    estimator.probe(*now, 10_000_000);
    *now += 4_000 * MS;
    estimator.probe(*now, 10_000_000);
    assert!(estimator.is_probing());
}

#[test]
fn when_all_is_held_because_a_queue_grew_probes_begin_again() {
    let start = origin();
    let (mut sender, mut way) = (Sender::new(start, 1_000_000), Way::new(start, 3e6, 2));
    sender.run(&mut way, 3_000 * MS);
    way.capacity_bps = 100e3;
    for _ in 0..2_000 {
        sender.run(&mut way, MS);
        if sender.estimator.trend.usage() == Usage::Over {
            break;
        }
    }
    assert_eq!(sender.estimator.trend.usage(), Usage::Over);
    // Nothing is sent any more, so nothing is told.
    let later = sender.now + 5_000 * MS;
    sender.estimator.probe(later, 10_000_000);
    assert!(sender.estimator.is_probing());
}
