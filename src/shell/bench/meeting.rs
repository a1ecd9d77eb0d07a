//! `mingtang bench meeting`: everybody sends sound and a small picture to everybody.

use std::time::Duration;

use serde::Serialize;

use super::load::{Invitation, Load};
use super::participant::Pace;
use super::report::{Report, Row, percentile, percentile_ms, row};
use super::server::Target;
use super::signalling::Kind;

/// Sections of each kind that a client offers at first; SDKs do the same.
const SECTIONS: usize = 3;

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct MeetingOptions {
    /// Participants of the meeting.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(2..=50))]
    pub participants: u16,
    /// Measured time, seconds.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// Print one line of JSON instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct MeetingReport {
    /// Participants.
    pub participants: u16,
    /// Streams that were forwarded: two from each to each other.
    pub forwarded_streams: usize,
    /// Packets per second that reached participants.
    pub packets_per_second: f64,
    /// CPU time of the whole server process per forwarded packet, microseconds.
    pub cpu_us_per_packet: f64,
    /// CPU cores that the server took.
    pub cpu_cores: f64,
    /// From a participant's send to another's decryption, median, milliseconds.
    pub latency_ms_p50: f64,
    /// The same, 99th percentile.
    pub latency_ms_p99: f64,
    /// From the beginning of a participant's signalling until it was connected, median; the first
    /// ones wait for nobody.
    pub setup_ms_p50: f64,
    /// CPU time of the server per participant while they joined and no media flowed, the
    /// negotiation of all streams included, milliseconds.
    pub cpu_ms_per_participant: f64,
    /// Growth of the server's resident memory per participant.
    pub memory_kib_per_participant: f64,
    /// Packets decrypted over packets that participants should have got.
    pub delivered_ratio: f64,
}

/// Runs the measurement.
pub fn run(options: &MeetingOptions) -> anyhow::Result<MeetingReport> {
    let target = Target::own(1)?;
    let mut load = Load::new(target.backend.clone())?;
    let others = usize::from(options.participants) - 1;
    let mut invitation = Invitation::publisher(
        "bench-meeting",
        &[
            (Kind::Audio, Pace::SPEECH),
            (Kind::Video, Pace::SMALL_VIDEO),
        ],
    );
    (invitation.part.audios, invitation.part.videos) = (SECTIONS, SECTIONS);
    invitation.expected = 2 * others;
    let memory_before = target.process.memory_kib()?;
    let cpu_before = target.process.cpu_time()?;
    load.join(&invitation, others + 1, 1)?;
    let joining = target.process.cpu_time()?.saturating_sub(cpu_before);
    let measured = load.measure(Duration::from_secs(options.seconds), target.process)?;
    let memory = target.process.memory_kib()?.saturating_sub(memory_before);
    let participants = f64::from(options.participants);
    let delivered = measured.delivered.max(1) as f64;
    let milliseconds = |share| 1e3 * percentile(&measured.latencies, share).as_secs_f64();
    Ok(MeetingReport {
        participants: options.participants,
        forwarded_streams: 2 * others * (others + 1),
        packets_per_second: delivered / measured.elapsed.as_secs_f64(),
        cpu_us_per_packet: 1e6 * measured.cpu.as_secs_f64() / delivered,
        cpu_cores: measured.cpu.as_secs_f64() / measured.elapsed.as_secs_f64(),
        latency_ms_p50: milliseconds(0.5),
        latency_ms_p99: milliseconds(0.99),
        setup_ms_p50: percentile_ms(&load.setups, 0.5),
        cpu_ms_per_participant: 1e3 * joining.as_secs_f64() / participants,
        memory_kib_per_participant: memory as f64 / participants,
        delivered_ratio: delivered / (measured.sent as f64 * others as f64),
    })
}

impl Report for MeetingReport {
    fn rows(&self) -> Vec<Row> {
        vec![
            row("participants", f64::from(self.participants), ""),
            row("forwarded streams", self.forwarded_streams as f64, ""),
            row("forwarded", self.packets_per_second, "packets/s"),
            row(
                "server CPU per forwarded packet",
                self.cpu_us_per_packet,
                "µs",
            ),
            row("server CPU", self.cpu_cores, "cores"),
            row("latency p50", self.latency_ms_p50, "ms"),
            row("latency p99", self.latency_ms_p99, "ms"),
            row("set-up p50", self.setup_ms_p50, "ms"),
            row("server CPU per join", self.cpu_ms_per_participant, "ms"),
            row(
                "memory per participant",
                self.memory_kib_per_participant,
                "KiB",
            ),
            row("delivered", 100.0 * self.delivered_ratio, "%"),
        ]
    }
}
