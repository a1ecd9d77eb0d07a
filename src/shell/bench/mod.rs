//! Benchmarks of the running server. Every figure comes with its floor of the same minute, because
//! machines are noisy and only ratios travel.

mod client;
mod floor;
mod forward;
mod load;
mod server;
mod signalling;

use std::process::ExitCode;

pub use forward::{ForwardOptions, ForwardReport};

/// What can be measured.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum BenchCommand {
    /// Forwarding from one publisher to many subscribers.
    Forward(ForwardOptions),
}

/// Runs a benchmark and prints its result.
pub fn run(command: &BenchCommand) -> ExitCode {
    match command {
        BenchCommand::Forward(options) => match forward::run(options) {
            Ok(report) => print(&report, options.json),
            Err(error) => {
                eprintln!("bench forward: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

fn print(report: &ForwardReport, json: bool) -> ExitCode {
    match serde_json::to_string(report) {
        Ok(line) if json => println!("{line}"),
        Ok(_) | Err(_) => print!("{report}"),
    }
    ExitCode::SUCCESS
}
