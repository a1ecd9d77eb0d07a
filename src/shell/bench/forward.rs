//! `mingtang bench forward`: one publisher to N subscribers through the real server.

use std::time::Duration;

use serde::Serialize;

use super::load::{Load, Measured};
use super::server::ServerProcess;
use super::signalling::Role;

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct ForwardOptions {
    /// Subscribers of the one publisher.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub subscribers: u16,
    /// Packets per second of the publisher.
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub packets_per_second: u32,
    /// Packets sent at once: 1 spreads them evenly, 8 is a video frame.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub burst: u32,
    /// RTP payload of a packet, bytes.
    #[arg(long, default_value_t = 1200, value_parser = clap::value_parser!(u16).range(64..=1300))]
    pub payload: u16,
    /// Measured time, seconds.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// Print one line of JSON instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct ForwardReport {
    /// Subscribers.
    pub subscribers: u16,
    /// Packets per second that the publisher really sent.
    pub packets_per_second: f64,
    /// CPU time of the whole server process per packet that reached a subscriber, microseconds.
    pub cpu_us_per_packet: f64,
    /// The media threads' part of it, microseconds.
    pub media_cpu_us_per_packet: f64,
    /// CPU microseconds per packet of copying, sealing and sending alone, in the same minute.
    pub floor_us_per_packet: f64,
    /// From the publisher's send to a subscriber's decryption, median, milliseconds.
    pub latency_ms_p50: f64,
    /// The same, 99th percentile.
    pub latency_ms_p99: f64,
    /// From a client's first binding request to the end of its DTLS handshake, median.
    pub setup_ms_p50: f64,
    /// The same, 99th percentile.
    pub setup_ms_p99: f64,
    /// Growth of the server's resident memory per subscriber, from before the first joined.
    pub memory_kib_per_subscriber: f64,
    /// Packets decrypted by subscribers over packets that they should have got.
    pub delivered_ratio: f64,
}

/// Runs the measurement: starts a server, loads it, ends it, measures the floor.
pub fn run(options: &ForwardOptions) -> anyhow::Result<ForwardReport> {
    let server = ServerProcess::start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let mut load = Load::new()?;
    load.join(&runtime, server.address, Role::Publisher, 1)?;
    let memory_before = server.memory_kib()?;
    load.join(
        &runtime,
        server.address,
        Role::Subscriber,
        options.subscribers,
    )?;
    let measured = load.measure(options, &server)?;
    let memory = server.memory_kib()?.saturating_sub(memory_before);
    let setups = load.setups();
    drop(load);
    runtime.shutdown_background();
    drop(server);
    let floor = super::floor::paced(options)?;
    Ok(report(options, &measured, &setups, memory, floor))
}

fn report(
    options: &ForwardOptions,
    measured: &Measured,
    setups: &[Duration],
    memory_kib: u64,
    floor: Duration,
) -> ForwardReport {
    let subscribers = f64::from(options.subscribers);
    let delivered = measured.delivered.max(1) as f64;
    let milliseconds = |sorted: &[Duration], share| 1e3 * percentile(sorted, share).as_secs_f64();
    ForwardReport {
        subscribers: options.subscribers,
        packets_per_second: measured.sent as f64 / measured.elapsed.as_secs_f64(),
        cpu_us_per_packet: 1e6 * measured.cpu.as_secs_f64() / delivered,
        media_cpu_us_per_packet: 1e6 * measured.media_cpu.as_secs_f64() / delivered,
        floor_us_per_packet: 1e6 * floor.as_secs_f64(),
        latency_ms_p50: milliseconds(&measured.latencies, 0.5),
        latency_ms_p99: milliseconds(&measured.latencies, 0.99),
        setup_ms_p50: milliseconds(setups, 0.5),
        setup_ms_p99: milliseconds(setups, 0.99),
        memory_kib_per_subscriber: memory_kib as f64 / subscribers,
        delivered_ratio: measured.delivered as f64 / (measured.sent as f64 * subscribers),
    }
}

/// The value below which `share` of a sorted list lies (nearest rank); zero for an empty list.
fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

impl std::fmt::Display for ForwardReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rows = [
            ("subscribers", f64::from(self.subscribers), ""),
            ("publisher", self.packets_per_second, "packets/s"),
            (
                "server CPU per forwarded packet",
                self.cpu_us_per_packet,
                "µs",
            ),
            ("  of it media threads", self.media_cpu_us_per_packet, "µs"),
            ("  paced floor, same minute", self.floor_us_per_packet, "µs"),
            ("latency p50", self.latency_ms_p50, "ms"),
            ("latency p99", self.latency_ms_p99, "ms"),
            ("set-up p50", self.setup_ms_p50, "ms"),
            ("set-up p99", self.setup_ms_p99, "ms"),
            (
                "memory per subscriber",
                self.memory_kib_per_subscriber,
                "KiB",
            ),
            ("delivered", 100.0 * self.delivered_ratio, "%"),
        ];
        rows.iter()
            .try_for_each(|(name, value, unit)| writeln!(f, "{name:34}{value:>10.2} {unit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let sorted: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&sorted, 0.5), Duration::from_millis(50));
        assert_eq!(percentile(&sorted, 0.99), Duration::from_millis(99));
        assert_eq!(percentile(&sorted, 1.0), Duration::from_millis(100));
        assert_eq!(percentile(&[], 0.5), Duration::ZERO);
    }
}
