//! `mingtang bench relay`: how one room's work is shared by the media threads.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::load::{Invitation, Load};
use super::participant::Pace;
use super::report::{Report, Row, row};
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
    /// Print one line of JSON instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct RelayReport {
    /// Media threads of the server, told by their names.
    pub shards: usize,
    /// Subscribers.
    pub subscribers: u16,
    /// CPU time of the media threads per forwarded packet, microseconds.
    pub media_cpu_us_per_packet: f64,
    /// Each thread's share of their CPU time, warm-up included.
    pub shard_shares: BTreeMap<String, f64>,
    /// The busiest thread's CPU time over the least busy one's; 1 for a single one.
    pub imbalance: f64,
    /// Packets decrypted over packets that subscribers should have got.
    pub delivered_ratio: f64,
}

/// Runs the measurement.
pub fn run(options: &RelayOptions) -> anyhow::Result<RelayReport> {
    let target = Target::own()?;
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
    let mut spent: BTreeMap<String, f64> = after.iter().map(spent).collect();
    let most = spent.values().copied().fold(0.0, f64::max);
    let least = spent.values().copied().fold(f64::INFINITY, f64::min);
    let all: f64 = spent.values().sum();
    spent.values_mut().for_each(|share| *share /= all);
    Ok(RelayReport {
        shards: spent.len(),
        subscribers: options.subscribers,
        media_cpu_us_per_packet: 1e6 * measured.media_cpu.as_secs_f64() / delivered,
        shard_shares: spent,
        imbalance: most / least,
        delivered_ratio: delivered / (measured.sent as f64 * f64::from(options.subscribers)),
    })
}

impl Report for RelayReport {
    fn rows(&self) -> Vec<Row> {
        vec![
            row("subscribers", f64::from(self.subscribers), ""),
            row("media threads", self.shards as f64, ""),
            row(
                "their CPU per forwarded packet",
                self.media_cpu_us_per_packet,
                "µs",
            ),
            row("busiest over least busy", self.imbalance, ""),
            row("delivered", 100.0 * self.delivered_ratio, "%"),
        ]
    }

    fn remark(&self) -> Option<String> {
        if self.shards == 1 {
            return Some("one shard: this server has a single media thread".to_owned());
        }
        let shares = self.shard_shares.iter();
        let lines: Vec<String> = shares
            .map(|(name, share)| format!("  {name:36}{:>12.2} %", 100.0 * share))
            .collect();
        Some(lines.join("\n"))
    }
}
