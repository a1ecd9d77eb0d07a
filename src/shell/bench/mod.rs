//! Benchmarks of the running server. Every figure comes with its floor of the same minute, because
//! machines are noisy and only ratios travel.

mod answer;
mod capacity;
mod churn;
mod client;
mod faces;
mod feedback;
mod floor;
mod forward;
mod idle;
mod load;
mod meeting;
mod participant;
mod relay;
mod report;
mod server;
mod signalling;
mod storm;

use std::process::ExitCode;

use report::{Report, print};

/// What can be measured. Each starts a server of its own, loads it over loopback, prints a table
/// or one line of JSON, and ends.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum BenchCommand {
    /// Forwarding from one publisher to many subscribers
    Forward(forward::ForwardOptions),
    /// Highest rate of one media thread without loss
    Capacity(capacity::CapacityOptions),
    /// Everybody sends to everybody
    Meeting(meeting::MeetingOptions),
    /// A large class that comes in within a minute, and leaves
    Storm(storm::StormOptions),
    /// People who are connected and silent
    Idle(idle::IdleOptions),
    /// People who come and go for minutes
    Churn(churn::ChurnOptions),
    /// How media threads share one room
    Relay(relay::RelayOptions),
    /// The answer to a client with many media sections that offers one more
    Answer(answer::AnswerOptions),
    /// One look at a face: no server, one core
    Faces(faces::FacesOptions),
}

/// Runs a benchmark and prints its result.
pub fn run(command: &BenchCommand) -> ExitCode {
    let (name, done) = match command {
        BenchCommand::Forward(options) => ("forward", told(forward::run(options), options.json)),
        BenchCommand::Capacity(options) => ("capacity", told(capacity::run(options), options.json)),
        BenchCommand::Meeting(options) => ("meeting", told(meeting::run(options), options.json)),
        BenchCommand::Storm(options) => ("storm", told(storm::run(options), options.json)),
        BenchCommand::Idle(options) => ("idle", told(idle::run(options), options.json)),
        BenchCommand::Churn(options) => ("churn", told(churn::run(options), options.json)),
        BenchCommand::Relay(options) => ("relay", told(relay::run(options), options.json)),
        BenchCommand::Answer(options) => ("answer", told(answer::run(options), options.json)),
        BenchCommand::Faces(options) => ("faces", told(faces::run(options), options.json)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench {name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn told(report: anyhow::Result<impl Report>, json: bool) -> anyhow::Result<()> {
    Ok(print(&report?, json)?)
}
