//! Simulations: rules played in virtual time, with no server and no network.

use std::process::ExitCode;
use std::thread;

use clap::Args;

use crate::domain::classroom::simulation::{Class, Findings};

/// What can be simulated.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum SimulateCommand {
    /// A class of honest, absent, replaced, scripted and badly connected learners
    Classroom(ClassroomOptions),
}

/// A class.
#[derive(Args, Clone, Debug)]
pub struct ClassroomOptions {
    /// How many learners
    #[arg(long, default_value_t = 10_000, value_parser = learners())]
    learners: u32,
    /// Decides everything that happens
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long the lesson is
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(10..=720))]
    minutes: u32,
    /// Prints one line of JSON
    #[arg(long)]
    json: bool,
}

fn learners() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=100_000)
}

/// Runs a simulation and prints what came of it.
pub fn run(command: &SimulateCommand) -> ExitCode {
    let SimulateCommand::Classroom(options) = command;
    match classroom(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("simulate classroom: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn classroom(options: &ClassroomOptions) -> anyhow::Result<()> {
    let class = Class::new(options.seed, options.minutes)?;
    let findings = played(&class, options.learners);
    if options.json {
        println!("{}", serde_json::to_string(&findings)?);
    } else {
        for (name, value) in rows(&findings) {
            println!("{name:32}{value:>14}");
        }
    }
    Ok(())
}

/// Plays all learners, a share on each processor.
fn played(class: &Class, learners: u32) -> Findings {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = learners
        .div_ceil(u32::try_from(threads).unwrap_or(1))
        .max(1);
    let lived = thread::scope(|scope| {
        let starts = (0..learners).step_by(usize::try_from(share).unwrap_or(usize::MAX));
        let playing: Vec<_> = starts
            .map(|from| {
                let to = from.saturating_add(share).min(learners);
                scope.spawn(move || class.play(from..to))
            })
            .collect();
        let joined = playing.into_iter().map(|one| {
            // It ends early only by a bug of its own.
            one.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        joined.flatten().collect::<Vec<_>>()
    });
    class.findings(&lived)
}

fn rows(findings: &Findings) -> Vec<(&'static str, String)> {
    vec![
        ("seed", findings.seed.to_string()),
        ("learners", findings.learners.to_string()),
        ("minutes", findings.minutes.to_string()),
        ("checks", findings.checks.to_string()),
        ("honest credit ratio", share(findings.honest_credit_ratio)),
        (
            "flaky network credit ratio",
            share(findings.flaky_network_credit_ratio),
        ),
        (
            "idle credit, s, at most",
            findings.idle_credit_seconds_max.to_string(),
        ),
        (
            "proxy credit, s, at most",
            findings.proxy_credit_seconds_max.to_string(),
        ),
        (
            "scripted credit, s, at most",
            findings.scripted_credit_seconds_max.to_string(),
        ),
        (
            "scripted credit ratio",
            share(findings.scripted_credit_ratio),
        ),
        (
            "scripted, for review",
            share(findings.scripted_reviewed_ratio),
        ),
        (
            "longest stretch, s",
            findings.stretch_seconds_max.to_string(),
        ),
        ("schedule, KS p", share(findings.schedule_ks_p)),
        ("disproved", findings.disproved.to_string()),
    ]
}

fn share(value: f64) -> String {
    format!("{value:.4}")
}
