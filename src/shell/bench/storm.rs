//! `mingtang bench storm`: a large class comes in within a minute, looks on, and leaves.
//!
//! One machine plays both sides, so most of the learners stop listening in the kernel once they
//! got the teacher's sound and picture: the server sends to them all the same. Those that listen
//! on, one in some, tell whether media arrives.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::client::Attention;
use super::load::{Invitation, Load};
use super::participant::Pace;
use super::report::{Report, Row, percentile_ms, row};
use super::server::{Process, Target};
use super::signalling::Kind;

/// One learner in so many listens to the end.
const LISTENER_OF: u32 = 20;
/// Longest a join may take; then the learner counts as refused.
const JOIN_MAX: Duration = Duration::from_secs(30);
/// At the peak.
const STAY: Duration = Duration::from_secs(5);
/// Longest wait for memory to come down after they left.
const LEAVING_MAX: Duration = Duration::from_secs(20);
/// Between two looks at the clock.
const STEP: Duration = Duration::from_millis(20);
const ROOM: &str = "bench-storm";

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct StormOptions {
    /// Learners that join one teacher.
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(1..=3_900))]
    pub subscribers: u32,
    /// Time over which they come, seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// Print one line of JSON instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// What was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StormReport {
    /// Learners that were to join.
    pub subscribers: u32,
    /// Learners that got sound and picture.
    pub joined: usize,
    /// Learners that were turned away, or got no media within 30 s.
    pub refused: usize,
    /// The first reason, if there was one.
    pub refused_because: Option<String>,
    /// From the beginning of signalling until sound and picture flowed, median, milliseconds.
    pub join_ms_p50: f64,
    /// The same, 95th percentile.
    pub join_ms_p95: f64,
    /// The slowest.
    pub join_ms_max: f64,
    /// Learners present when the 95th percentile of joins within a second first passed 1 s: the
    /// limit of this machine; null when it never did.
    pub slow_from: Option<usize>,
    /// CPU cores of the server while they came.
    pub server_cores_joining: f64,
    /// CPU cores of the server when all were there.
    pub server_cores_at_peak: f64,
    /// CPU cores of the load while they came: both together cannot exceed the machine's.
    pub load_cores_joining: f64,
    /// CPU cores of the load when all were there.
    pub load_cores_at_peak: f64,
    /// Packets that listeners got at the peak over those that they should have got.
    pub delivered_ratio_at_peak: f64,
    /// Resident memory of the server before the first came, MiB.
    pub memory_mib_before: f64,
    /// The same when all were there.
    pub memory_mib_peak: f64,
    /// The same after they left.
    pub memory_mib_after: f64,
    /// Growth per learner, KiB.
    pub memory_kib_per_subscriber: f64,
}

/// Runs the measurement.
pub fn run(options: &StormOptions) -> anyhow::Result<StormReport> {
    let target = Target::own(1)?;
    let mut load = Load::new(target.backend.clone())?;
    let teacher = [
        (Kind::Audio, Pace::SPEECH),
        (Kind::Video, Pace::SMALL_VIDEO),
    ];
    load.join(&Invitation::publisher(ROOM, &teacher), 1, 1)?;
    load.start_playing();
    load.run(Duration::from_secs(1))?;
    let mut report = StormReport {
        subscribers: options.subscribers,
        memory_mib_before: mebibytes(target.process)?,
        ..StormReport::default()
    };
    let cores = Cores::new(target.process)?;
    report.slow_from = come_in(&mut load, options)?;
    (report.server_cores_joining, report.load_cores_joining) = cores.so_far()?;
    stay(&mut load, target.process, &mut report)?;
    let missing = load.present().filter(|one| !one.tally.is_whole()).count();
    report.joined = load.joins.len();
    report.refused = load.refused.len() + missing;
    report.refused_because = load.refused.first().cloned();
    report.join_ms_p50 = percentile_ms(&load.joins, 0.5);
    report.join_ms_p95 = percentile_ms(&load.joins, 0.95);
    report.join_ms_max = percentile_ms(&load.joins, 1.0);
    report.memory_mib_peak = mebibytes(target.process)?;
    let grown = report.memory_mib_peak - report.memory_mib_before;
    report.memory_kib_per_subscriber = 1024.0 * grown / f64::from(options.subscribers);
    report.memory_mib_after = leave(&mut load, target.process, report.memory_mib_before)?;
    Ok(report)
}

/// Invites learners evenly over the time; how many were there when joins became slow.
fn come_in(load: &mut Load, options: &StormOptions) -> anyhow::Result<Option<usize>> {
    let time = Duration::from_secs(options.seconds);
    let (started, mut invited, mut slow_from) = (Instant::now(), 0, None);
    let (mut second, mut seen) = (started, 0);
    while invited < options.subscribers || load.under_way() > 0 {
        if started.elapsed() > time + JOIN_MAX {
            break;
        }
        let share = started.elapsed().as_secs_f64() / time.as_secs_f64();
        let due = (share * f64::from(options.subscribers)) as u32;
        while invited < due.min(options.subscribers) {
            let mut learner = Invitation::subscriber(ROOM, 1, 1);
            if !invited.is_multiple_of(LISTENER_OF) {
                learner.attention = Attention::Deaf;
            }
            load.invite(learner);
            invited += 1;
        }
        load.run(STEP)?;
        if second.elapsed() >= Duration::from_secs(1) {
            let p95 = percentile_ms(&load.joins[seen..], 0.95);
            if slow_from.is_none() && p95 > 1e3 {
                slow_from = Some(load.joins.len());
            }
            (second, seen) = (Instant::now(), load.joins.len());
        }
    }
    Ok(slow_from)
}

/// Looks at the peak.
fn stay(load: &mut Load, server: Process, report: &mut StormReport) -> anyhow::Result<()> {
    let cores = Cores::new(server)?;
    let listening = |load: &Load| -> (u64, u64) {
        let listeners = load.present().filter(|one| one.listens());
        listeners.fold((0, 0), |(count, got), one| {
            (count + 1, got + one.tally.packets)
        })
    };
    let (listeners, before) = listening(load);
    let sent_before = load.counts().0;
    load.run(STAY)?;
    let sent = load.counts().0 - sent_before;
    let (_, after) = listening(load);
    (report.server_cores_at_peak, report.load_cores_at_peak) = cores.so_far()?;
    let expected = (sent * listeners).max(1);
    report.delivered_ratio_at_peak = (after - before) as f64 / expected as f64;
    Ok(())
}

/// Lets all leave, and waits until the server's memory comes down to what it was, or for some
/// seconds; what it then has, MiB.
fn leave(load: &mut Load, server: Process, before: f64) -> anyhow::Result<f64> {
    load.dismiss_all();
    let started = Instant::now();
    let mut least = mebibytes(server)?;
    while started.elapsed() < LEAVING_MAX && least > before {
        load.idle(Duration::from_secs(1))?;
        least = mebibytes(server)?;
    }
    Ok(least)
}

fn mebibytes(server: Process) -> std::io::Result<f64> {
    Ok(server.memory_kib()? as f64 / 1024.0)
}

/// CPU cores that server and load take.
struct Cores {
    server: Process,
    started: Instant,
    spent: (Duration, Duration),
}

impl Cores {
    fn new(server: Process) -> std::io::Result<Self> {
        Ok(Self {
            server,
            started: Instant::now(),
            spent: (server.cpu_time()?, Process::own().cpu_time()?),
        })
    }

    fn so_far(&self) -> std::io::Result<(f64, f64)> {
        let elapsed = self.started.elapsed().as_secs_f64();
        let server = self.server.cpu_time()?.saturating_sub(self.spent.0);
        let load = Process::own().cpu_time()?.saturating_sub(self.spent.1);
        Ok((server.as_secs_f64() / elapsed, load.as_secs_f64() / elapsed))
    }
}

impl Report for StormReport {
    fn rows(&self) -> Vec<Row> {
        vec![
            row("learners", f64::from(self.subscribers), ""),
            row("joined", self.joined as f64, ""),
            row("refused", self.refused as f64, ""),
            row("join p50", self.join_ms_p50, "ms"),
            row("join p95", self.join_ms_p95, "ms"),
            row("join max", self.join_ms_max, "ms"),
            row(
                "server CPU while they came",
                self.server_cores_joining,
                "cores",
            ),
            row("load CPU while they came", self.load_cores_joining, "cores"),
            row("server CPU at the peak", self.server_cores_at_peak, "cores"),
            row("load CPU at the peak", self.load_cores_at_peak, "cores"),
            row(
                "delivered at the peak",
                100.0 * self.delivered_ratio_at_peak,
                "%",
            ),
            row("memory before", self.memory_mib_before, "MiB"),
            row("memory at the peak", self.memory_mib_peak, "MiB"),
            row("memory after they left", self.memory_mib_after, "MiB"),
            row("memory per learner", self.memory_kib_per_subscriber, "KiB"),
        ]
    }

    fn remark(&self) -> Option<String> {
        let limit = match self.slow_from {
            Some(present) => format!("joins took more than a second from {present} learners on"),
            None => "no limit met: joins took less than a second throughout".to_owned(),
        };
        let reason = self.refused_because.as_ref();
        let refusal = reason.map_or_else(String::new, |reason| format!("; refused: {reason}"));
        Some(limit + &refusal)
    }
}
