//! `mingtang bench churn`: people come and go for minutes, and memory must not.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::load::{Invitation, Load};
use super::participant::Pace;
use super::report::{Report, Row, row};
use super::server::Target;
use super::signalling::Kind;

/// Joins under way at one time.
const IN_FLIGHT: usize = 16;
/// Between two exchanges of a participant for another.
const EXCHANGE_INTERVAL: Duration = Duration::from_millis(250);
/// The teacher publishes anew after so many exchanges.
const EXCHANGES_OF_REPUBLISH: u64 = 20;
/// Churn before memory is first looked at: until caches and the allocator have what they need.
const WARM_UP: Duration = Duration::from_secs(20);
/// Quiet before memory is looked at, with the same people present.
const SETTLING: Duration = Duration::from_secs(3);
const ROOM: &str = "bench-churn";

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct ChurnOptions {
    /// Measured time, minutes.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=120))]
    pub minutes: u64,
    /// Subscribers present at a time.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(2..=500))]
    pub subscribers: u16,
    /// Print one line of JSON instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct ChurnReport {
    /// Measured time, minutes.
    pub minutes: u64,
    /// Subscribers present at a time.
    pub subscribers: u16,
    /// Participants that joined in the measured time; as many left.
    pub joins: u64,
    /// How often the teacher's tracks were ended and published anew.
    pub republished: u64,
    /// Joins that failed.
    pub refused: usize,
    /// Packets that subscribers got per packet sent and subscriber present: below 1 by the time
    /// that joins and new tracks take.
    pub delivered_ratio: f64,
    /// Resident memory of the server at the start, MiB.
    pub memory_mib_start: f64,
    /// The same at the end.
    pub memory_mib_end: f64,
    /// Growth, percent.
    pub memory_growth_percent: f64,
}

/// Runs the measurement.
pub fn run(options: &ChurnOptions) -> anyhow::Result<ChurnReport> {
    let target = Target::own(1)?;
    let mut load = Load::new(target.backend.clone())?;
    let teacher = [
        (Kind::Audio, Pace::SPEECH),
        (Kind::Video, Pace::SMALL_VIDEO),
    ];
    load.join(&Invitation::publisher(ROOM, &teacher), 1, 1)?;
    let learner = Invitation::subscriber(ROOM, 1, 1);
    load.join(&learner, usize::from(options.subscribers), IN_FLIGHT)?;
    load.start_playing();
    let mut churn = Churn::default();
    churn.run(&mut load, &learner, WARM_UP)?;
    load.run(SETTLING)?;
    let start = target.process.memory_kib()?;
    churn = Churn::default();
    let time = Duration::from_secs(60 * options.minutes);
    churn.run(&mut load, &learner, time)?;
    load.run(SETTLING)?;
    let end = target.process.memory_kib()?;
    let (start, end) = (start as f64 / 1024.0, end as f64 / 1024.0);
    let expected = churn.sent as f64 * f64::from(options.subscribers);
    Ok(ChurnReport {
        minutes: options.minutes,
        subscribers: options.subscribers,
        joins: churn.exchanged,
        republished: churn.republished,
        refused: load.refused.len(),
        delivered_ratio: churn.delivered as f64 / expected.max(1.0),
        memory_mib_start: start,
        memory_mib_end: end,
        memory_growth_percent: 100.0 * (end - start) / start,
    })
}

/// What happened so far.
#[derive(Debug, Default)]
struct Churn {
    exchanged: u64,
    republished: u64,
    sent: u64,
    delivered: u64,
}

impl Churn {
    fn run(&mut self, load: &mut Load, learner: &Invitation, time: Duration) -> anyhow::Result<()> {
        let started = Instant::now();
        while started.elapsed() < time {
            let before = load.counts();
            load.run(EXCHANGE_INTERVAL)?;
            let after = load.counts();
            self.sent += after.0.saturating_sub(before.0);
            self.delivered += after.1.saturating_sub(before.1);
            // The teacher, who came first, stays.
            load.dismiss_oldest(1);
            load.invite(learner.clone());
            self.exchanged += 1;
            if self.exchanged.is_multiple_of(EXCHANGES_OF_REPUBLISH) {
                load.republish(0);
                self.republished += 1;
            }
        }
        Ok(())
    }
}

impl Report for ChurnReport {
    fn rows(&self) -> Vec<Row> {
        vec![
            row("minutes", self.minutes as f64, ""),
            row("subscribers at a time", f64::from(self.subscribers), ""),
            row("joined and left", self.joins as f64, ""),
            row("tracks published anew", self.republished as f64, "times"),
            row("refused", self.refused as f64, ""),
            row("delivered", 100.0 * self.delivered_ratio, "%"),
            row("memory at the start", self.memory_mib_start, "MiB"),
            row("memory at the end", self.memory_mib_end, "MiB"),
            row("growth", self.memory_growth_percent, "%"),
        ]
    }
}
