//! `mingtang bench relay`: what it costs that one room is spread over two media threads, and how
//! evenly they share its work.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::load::{Invitation, Load};
use super::participant::Pace;
use super::report::{Report, Row, median, row};
use super::server::Target;
use super::signalling::Kind;

/// Joins under way at one time.
const IN_FLIGHT: usize = 16;
/// The publisher's stream.
const PACE: Pace = Pace {
    packets_per_second: 250,
    burst: 1,
    payload: 1_200,
};

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct RelayOptions {
    /// Subscribers of the one publisher.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub subscribers: u16,
    /// Measured time, seconds.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// Pairs of runs, in turns begun by one thread and by two; the report is of the median one by
    /// what two threads cost over one.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=99))]
    pub repeat: u8,
    /// Print one line of JSON instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// What was measured: the same room on one media thread, and spread over two.
#[derive(Clone, Debug, Serialize)]
pub struct RelayReport {
    /// Subscribers.
    pub subscribers: u16,
    /// One thread.
    pub one: Spread,
    /// Two threads.
    pub two: Spread,
    /// CPU time per forwarded packet with two over that with one.
    pub cpu_ratio: f64,
    /// The same of each pair.
    pub cpu_ratio_runs: Vec<f64>,
}

/// One room's work on so many media threads.
#[derive(Clone, Debug, Serialize)]
pub struct Spread {
    /// CPU time of the media threads per forwarded packet, microseconds.
    pub media_cpu_us_per_packet: f64,
    /// Each thread's share of that.
    pub shares: BTreeMap<String, f64>,
    /// The busiest thread's CPU time over the least busy one's; 1 for a single one.
    pub imbalance: f64,
    /// Packets decrypted over packets that subscribers should have got.
    pub delivered_ratio: f64,
}

/// Runs the measurement.
pub fn run(options: &RelayOptions) -> anyhow::Result<RelayReport> {
    let mut pairs = Vec::new();
    for turn in 0..options.repeat {
        pairs.push(pair(options, turn % 2 == 1)?);
    }
    let ratios: Vec<f64> = pairs.iter().map(|pair| pair.cpu_ratio).collect();
    let middle = median(&ratios);
    let report = pairs
        .into_iter()
        .find(|pair| pair.cpu_ratio.total_cmp(&middle).is_eq());
    let report = report.ok_or_else(|| anyhow::anyhow!("no run"))?;
    Ok(RelayReport {
        cpu_ratio_runs: ratios,
        ..report
    })
}

fn pair(options: &RelayOptions, two_first: bool) -> anyhow::Result<RelayReport> {
    let early = two_first.then(|| spread(options, 2)).transpose()?;
    let one = spread(options, 1)?;
    let two = early.map_or_else(|| spread(options, 2), Ok)?;
    Ok(RelayReport {
        subscribers: options.subscribers,
        cpu_ratio: two.media_cpu_us_per_packet / one.media_cpu_us_per_packet,
        cpu_ratio_runs: Vec::new(),
        one,
        two,
    })
}

fn spread(options: &RelayOptions, threads: usize) -> anyhow::Result<Spread> {
    let target = Target::own(threads)?;
    let mut load = Load::new(target.backend.clone())?;
    let room = "bench-relay";
    load.join(&Invitation::publisher(room, &[(Kind::Video, PACE)]), 1, 1)?;
    let subscriber = Invitation::subscriber(room, 0, 1);
    load.join(&subscriber, usize::from(options.subscribers), IN_FLIGHT)?;
    load.play(Duration::from_secs(1))?;
    let before = target.process.media_threads()?;
    let measured = load.measure(Duration::from_secs(options.seconds), target.process)?;
    let after = target.process.media_threads()?;
    let delivered = measured.delivered.max(1) as f64;
    let spent = |(name, cpu): (&String, &Duration)| {
        let earlier = before.get(name).copied().unwrap_or_default();
        (name.clone(), cpu.saturating_sub(earlier).as_secs_f64())
    };
    let mut shares: BTreeMap<String, f64> = after.iter().map(spent).collect();
    let most = shares.values().copied().fold(0.0, f64::max);
    let least = shares.values().copied().fold(f64::INFINITY, f64::min);
    let all: f64 = shares.values().sum();
    shares.values_mut().for_each(|share| *share /= all);
    Ok(Spread {
        media_cpu_us_per_packet: 1e6 * measured.media_cpu.as_secs_f64() / delivered,
        shares,
        imbalance: most / least,
        delivered_ratio: delivered / (measured.sent as f64 * f64::from(options.subscribers)),
    })
}

impl Report for RelayReport {
    fn rows(&self) -> Vec<Row> {
        let cpu = |spread: &Spread| spread.media_cpu_us_per_packet;
        let delivered = |spread: &Spread| 100.0 * spread.delivered_ratio;
        vec![
            row("subscribers", f64::from(self.subscribers), ""),
            row("CPU per packet, one media thread", cpu(&self.one), "µs"),
            row("CPU per packet, two", cpu(&self.two), "µs"),
            row("two over one", self.cpu_ratio, ""),
            row("two: busiest over least busy", self.two.imbalance, ""),
            row("delivered by one", delivered(&self.one), "%"),
            row("delivered by two", delivered(&self.two), "%"),
        ]
    }
}
