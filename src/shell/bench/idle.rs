//! `mingtang bench idle`: what somebody costs who is connected and neither sends nor receives.

use std::time::Duration;

use serde::Serialize;

use super::load::{Invitation, Load};
use super::report::{Report, Row, row};
use super::server::Target;

/// Joins under way at one time.
const IN_FLIGHT: usize = 16;
/// Between the last join and the measurement.
const SETTLING: Duration = Duration::from_secs(3);

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct IdleOptions {
    /// Connected peers.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=4000))]
    pub peers: u16,
    /// Peers of one room.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=4000))]
    pub room_size: u16,
    /// Measured time, seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// Print one line of JSON instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct IdleReport {
    /// Connected peers.
    pub peers: u16,
    /// Peers of one room.
    pub room_size: u16,
    /// Growth of the server's resident memory per peer.
    pub memory_kib_per_peer: f64,
    /// CPU time of the server per peer and second, microseconds: signalling's pings, consent
    /// checks and reports.
    pub cpu_us_per_peer_second: f64,
    /// CPU time of the server per join, milliseconds.
    pub cpu_ms_per_connection: f64,
}

/// Runs the measurement.
pub fn run(options: &IdleOptions) -> anyhow::Result<IdleReport> {
    let target = Target::own(1)?;
    let mut load = Load::new(target.backend.clone())?;
    let memory_before = target.process.memory_kib()?;
    let cpu_before = target.process.cpu_time()?;
    for (room, first) in (0..options.peers)
        .step_by(usize::from(options.room_size))
        .enumerate()
    {
        let mut idler = Invitation::subscriber(&format!("bench-idle-{room}"), 1, 1);
        idler.expected = 0;
        let count = options.room_size.min(options.peers - first);
        load.join(&idler, usize::from(count), IN_FLIGHT)?;
    }
    let joining = target.process.cpu_time()?.saturating_sub(cpu_before);
    load.idle(SETTLING)?;
    let cpu_before = target.process.cpu_time()?;
    load.idle(Duration::from_secs(options.seconds))?;
    let cpu = target.process.cpu_time()?.saturating_sub(cpu_before);
    let memory = target.process.memory_kib()?.saturating_sub(memory_before);
    let peers = f64::from(options.peers);
    Ok(IdleReport {
        peers: options.peers,
        room_size: options.room_size,
        memory_kib_per_peer: memory as f64 / peers,
        cpu_us_per_peer_second: 1e6 * cpu.as_secs_f64() / peers / options.seconds as f64,
        cpu_ms_per_connection: 1e3 * joining.as_secs_f64() / peers,
    })
}

impl Report for IdleReport {
    fn rows(&self) -> Vec<Row> {
        vec![
            row("connected peers", f64::from(self.peers), ""),
            row("peers of one room", f64::from(self.room_size), ""),
            row("memory per peer", self.memory_kib_per_peer, "KiB"),
            row(
                "server CPU per peer and second",
                self.cpu_us_per_peer_second,
                "µs",
            ),
            row("server CPU per join", self.cpu_ms_per_connection, "ms"),
        ]
    }
}
