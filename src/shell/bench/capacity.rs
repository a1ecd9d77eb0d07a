//! `mingtang bench capacity`: how many packets one media thread forwards before any is lost.

use std::time::Duration;

use serde::Serialize;

use super::client::Attention;
use super::load::{Invitation, Load};
use super::participant::Pace;
use super::report::{Report, Row, row};
use super::server::Target;
use super::signalling::Kind;

/// Joins under way at one time.
const IN_FLIGHT: usize = 16;
/// The first rate, forwarded packets per second.
const FIRST_RATE: f64 = 40_000.0;
/// How much faster each step is than the one before.
const STEP: f64 = 1.15;
/// Steps at most: the last would be 1.4 million packets per second.
const STEPS_MAX: usize = 26;
/// One lost packet in so many ends the ascent.
const LOSS_MAX: f64 = 1e-4;
/// A publisher that sends less than this share of its plan is the limit, and not the server.
const KEPT_PACE: f64 = 0.97;
/// One subscriber in so many decrypts; the others read headers.
const WHOLE_OF: u16 = 10;

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct CapacityOptions {
    /// Subscribers of the one publisher.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(10..=1000))]
    pub subscribers: u16,
    /// Packets sent at once: 1 spreads them evenly, 8 is a video frame.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub burst: u32,
    /// RTP payload of a packet, bytes.
    #[arg(long, default_value_t = 1200, value_parser = clap::value_parser!(u16).range(64..=1300))]
    pub payload: u16,
    /// Time of each step, seconds.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub seconds: u64,
    /// Print one line of JSON instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// One rate.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Step {
    /// Packets per second that should have reached subscribers.
    pub packets_per_second: f64,
    /// Share of them that did not.
    pub loss: f64,
    /// CPU time of the media threads over the time.
    pub media_cores: f64,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct CapacityReport {
    /// Subscribers.
    pub subscribers: u16,
    /// Highest rate with less than one packet in 10,000 lost.
    pub pps_per_core_without_loss: f64,
    /// CPU cores of the media thread at that rate.
    pub media_cores: f64,
    /// What a whole core would carry at the cost of that step.
    pub pps_by_cost: f64,
    /// What ended the ascent: `loss`, `load` (the publisher could not keep the pace) or `steps`.
    pub ended_by: &'static str,
    /// All rates, in order.
    pub steps: Vec<Step>,
}

/// Runs the measurement.
pub fn run(options: &CapacityOptions) -> anyhow::Result<CapacityReport> {
    let target = Target::own(1)?;
    let mut load = Load::new(target.backend.clone())?;
    let room = "bench-capacity";
    let pace = |rate: f64| Pace {
        packets_per_second: (rate / f64::from(options.subscribers)) as u32,
        burst: options.burst,
        payload: options.payload,
    };
    let publisher = Invitation::publisher(room, &[(Kind::Video, pace(FIRST_RATE))]);
    load.join(&publisher, 1, 1)?;
    let mut subscriber = Invitation::subscriber(room, 0, 1);
    let whole = options.subscribers / WHOLE_OF;
    load.join(&subscriber, usize::from(whole), IN_FLIGHT)?;
    subscriber.attention = Attention::Headers;
    let readers = usize::from(options.subscribers - whole);
    load.join(&subscriber, readers, IN_FLIGHT)?;
    let (mut rate, mut steps, mut ended_by) = (FIRST_RATE, Vec::new(), "steps");
    while steps.len() < STEPS_MAX {
        load.set_pace(pace(rate));
        let measured = load.measure(Duration::from_secs(options.seconds), target.process)?;
        let elapsed = measured.elapsed.as_secs_f64();
        let expected = measured.sent as f64 * f64::from(options.subscribers);
        let step = Step {
            packets_per_second: expected / elapsed,
            loss: 1.0 - (measured.delivered as f64 / expected).min(1.0),
            media_cores: measured.media_cpu.as_secs_f64() / elapsed,
        };
        if step.packets_per_second < KEPT_PACE * rate {
            ended_by = "load";
            break;
        }
        steps.push(step);
        if step.loss > LOSS_MAX {
            ended_by = "loss";
            break;
        }
        rate *= STEP;
    }
    let best = steps.iter().rev().find(|step| step.loss <= LOSS_MAX);
    let best = best.ok_or_else(|| anyhow::anyhow!("packets were lost at the lowest rate"))?;
    Ok(CapacityReport {
        subscribers: options.subscribers,
        pps_per_core_without_loss: best.packets_per_second,
        media_cores: best.media_cores,
        pps_by_cost: best.packets_per_second / best.media_cores,
        ended_by,
        steps: steps.clone(),
    })
}

impl Report for CapacityReport {
    fn rows(&self) -> Vec<Row> {
        vec![
            row("subscribers", f64::from(self.subscribers), ""),
            row("without loss", self.pps_per_core_without_loss, "packets/s"),
            row("media thread at that rate", self.media_cores, "cores"),
            row("a whole core at that cost", self.pps_by_cost, "packets/s"),
        ]
    }

    fn remark(&self) -> Option<String> {
        let steps = self.steps.iter().map(|step| {
            format!(
                "  {:>10.0} packets/s {:>9.4} % lost {:>6.2} cores",
                step.packets_per_second,
                100.0 * step.loss,
                step.media_cores
            )
        });
        let steps: Vec<String> = steps.collect();
        Some(format!("ended by {}\n{}", self.ended_by, steps.join("\n")))
    }
}
