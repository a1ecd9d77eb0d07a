//! `mingtang bench forward`: one publisher to N subscribers through the real server.

use std::time::Duration;

use serde::Serialize;

use super::load::{Invitation, Load, Measured};
use super::participant::Pace;
use super::report::{Report, Row, median, percentile, percentile_ms, row};
use super::server::{PeerOptions, Target};
use super::signalling::Kind;

/// Subscribers that join while media flows, to see how soon they get it.
const LATECOMERS: usize = 48;

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
    /// Joins under way at one time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub in_flight: u16,
    /// Every subscriber reports arrivals each 100 ms and asks for 2 % of all packets again; each
    /// run is paired with one without.
    #[arg(long)]
    pub feedback: bool,
    /// Runs; the report is of the median one by CPU time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=15))]
    pub repeat: u8,
    /// The server.
    #[command(flatten)]
    pub peer: PeerOptions,
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
    /// The media threads' part of it, microseconds; zero for servers of other make.
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
    /// From a client's first binding request to its first packet, median, for subscribers that
    /// come while media flows.
    pub setup_to_media_ms_p50: f64,
    /// The same, 99th percentile.
    pub setup_to_media_ms_p99: f64,
    /// CPU time of the server per subscriber while they joined and no media flowed, milliseconds.
    pub cpu_ms_per_connection: f64,
    /// Growth of the server's resident memory per subscriber, from before the first joined.
    pub memory_kib_per_subscriber: f64,
    /// Packets decrypted by subscribers over packets that they should have got.
    pub delivered_ratio: f64,
    /// Retransmissions that subscribers got, over packets delivered.
    pub repaired_ratio: f64,
    /// Subscribers that got transport-wide numbers and reported them, over all.
    pub feedback_ratio: f64,
    /// Median of how much more a packet costs with feedback than in the run just before without,
    /// microseconds; null without `--feedback`.
    pub feedback_extra_us_per_packet: Option<f64>,
    /// Server CPU per packet of each run, microseconds.
    pub cpu_us_per_packet_runs: Vec<f64>,
}

/// Runs the measurement: starts a server, loads it, ends it, measures the floor.
pub fn run(options: &ForwardOptions) -> anyhow::Result<ForwardReport> {
    let mut runs = Vec::new();
    let mut extras = Vec::new();
    for turn in 0..options.repeat {
        let plain = once(options, false, turn)?;
        if options.feedback {
            let fed_back = once(options, true, turn)?;
            extras.push(fed_back.cpu_us_per_packet - plain.cpu_us_per_packet);
            runs.push(fed_back);
        } else {
            runs.push(plain);
        }
    }
    let costs: Vec<f64> = runs.iter().map(|run| run.cpu_us_per_packet).collect();
    let middle = median(&costs);
    let report = runs
        .into_iter()
        .find(|run| run.cpu_us_per_packet.total_cmp(&middle).is_eq());
    let report = report.ok_or_else(|| anyhow::anyhow!("no run"))?;
    Ok(ForwardReport {
        feedback_extra_us_per_packet: options.feedback.then(|| median(&extras)),
        cpu_us_per_packet_runs: costs,
        ..report
    })
}

fn once(options: &ForwardOptions, feedback: bool, turn: u8) -> anyhow::Result<ForwardReport> {
    let target = Target::open(&options.peer)?;
    let mut load = Load::new(target.backend.clone())?;
    let room = format!("bench-{}-{turn}-{feedback}", std::process::id());
    let pace = Pace {
        packets_per_second: options.packets_per_second,
        burst: options.burst,
        payload: options.payload,
    };
    load.join(&Invitation::publisher(&room, &[(Kind::Video, pace)]), 1, 1)?;
    load.setups.clear();
    let memory_before = target.process.memory_kib()?;
    let cpu_before = target.process.cpu_time()?;
    let mut subscriber = Invitation::subscriber(&room, 0, 1);
    subscriber.part.feedback = feedback;
    let (count, in_flight) = (options.subscribers, usize::from(options.in_flight));
    load.join(&subscriber, usize::from(count), in_flight)?;
    let joining = target.process.cpu_time()?.saturating_sub(cpu_before);
    let measured = load.measure(Duration::from_secs(options.seconds), target.process)?;
    let memory = target.process.memory_kib()?.saturating_sub(memory_before);
    let setups = std::mem::take(&mut load.setups);
    let reporting = feedback_ratio(&load, count);
    load.setups_to_media.clear();
    load.start_playing();
    load.join(&subscriber, LATECOMERS, in_flight)?;
    load.play(Duration::from_millis(500))?;
    let to_media = std::mem::take(&mut load.setups_to_media);
    drop(load);
    drop(target);
    let floor = super::floor::paced(options)?;
    let mut report = report(options, &measured, floor);
    report.setup_ms_p50 = percentile_ms(&setups, 0.5);
    report.setup_ms_p99 = percentile_ms(&setups, 0.99);
    report.setup_to_media_ms_p50 = percentile_ms(&to_media, 0.5);
    report.setup_to_media_ms_p99 = percentile_ms(&to_media, 0.99);
    report.cpu_ms_per_connection = 1e3 * joining.as_secs_f64() / f64::from(count);
    report.memory_kib_per_subscriber = memory as f64 / f64::from(count);
    report.feedback_ratio = reporting;
    Ok(report)
}

fn feedback_ratio(load: &Load, subscribers: u16) -> f64 {
    let reports = load.present().filter(|one| {
        let feedback = one.tally.feedback.as_ref();
        feedback.is_some_and(|feedback| feedback.reported_times > 0)
    });
    reports.count() as f64 / f64::from(subscribers)
}

/// What the measured stretch itself shows.
fn report(options: &ForwardOptions, measured: &Measured, floor: Duration) -> ForwardReport {
    let delivered = measured.delivered.max(1) as f64;
    let expected = measured.sent as f64 * f64::from(options.subscribers);
    let milliseconds = |share| 1e3 * percentile(&measured.latencies, share).as_secs_f64();
    ForwardReport {
        subscribers: options.subscribers,
        packets_per_second: measured.sent as f64 / measured.elapsed.as_secs_f64(),
        cpu_us_per_packet: 1e6 * measured.cpu.as_secs_f64() / delivered,
        media_cpu_us_per_packet: 1e6 * measured.media_cpu.as_secs_f64() / delivered,
        floor_us_per_packet: 1e6 * floor.as_secs_f64(),
        latency_ms_p50: milliseconds(0.5),
        latency_ms_p99: milliseconds(0.99),
        setup_ms_p50: 0.0,
        setup_ms_p99: 0.0,
        setup_to_media_ms_p50: 0.0,
        setup_to_media_ms_p99: 0.0,
        cpu_ms_per_connection: 0.0,
        memory_kib_per_subscriber: 0.0,
        delivered_ratio: measured.delivered as f64 / expected,
        repaired_ratio: measured.repairs as f64 / delivered,
        feedback_ratio: 0.0,
        feedback_extra_us_per_packet: None,
        cpu_us_per_packet_runs: Vec::new(),
    }
}

impl Report for ForwardReport {
    fn rows(&self) -> Vec<Row> {
        let mut rows = vec![
            row("subscribers", f64::from(self.subscribers), ""),
            row("publisher", self.packets_per_second, "packets/s"),
            row(
                "server CPU per forwarded packet",
                self.cpu_us_per_packet,
                "µs",
            ),
            row("  of it media threads", self.media_cpu_us_per_packet, "µs"),
            row("  paced floor, same minute", self.floor_us_per_packet, "µs"),
            row("latency p50", self.latency_ms_p50, "ms"),
            row("latency p99", self.latency_ms_p99, "ms"),
            row("set-up p50", self.setup_ms_p50, "ms"),
            row("set-up p99", self.setup_ms_p99, "ms"),
            row("set-up to media p50", self.setup_to_media_ms_p50, "ms"),
            row("set-up to media p99", self.setup_to_media_ms_p99, "ms"),
            row(
                "server CPU per connection",
                self.cpu_ms_per_connection,
                "ms",
            ),
            row(
                "memory per subscriber",
                self.memory_kib_per_subscriber,
                "KiB",
            ),
            row("delivered", 100.0 * self.delivered_ratio, "%"),
        ];
        if let Some(extra) = self.feedback_extra_us_per_packet {
            rows.push(row("retransmitted", 100.0 * self.repaired_ratio, "%"));
            rows.push(row(
                "subscribers that report",
                100.0 * self.feedback_ratio,
                "%",
            ));
            rows.push(row("more by feedback", extra, "µs"));
        }
        rows
    }
}
