//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::domain::entropy::Clock;
use crate::service::{classroom, ledger, recording};
use crate::shell::anchor::AnchorFile;
use crate::shell::bench::{self, BenchCommand};
use crate::shell::calibrate;
use crate::shell::clock::SystemClock;
use crate::shell::config::{Config, Refused};
use crate::shell::doctor::{self, Verdict};
use crate::shell::foundation::{self, Foundation};
use crate::shell::memory;
use crate::shell::models::{self, FetchOptions, State};
use crate::shell::serve;
use crate::shell::simulate::{self, SimulateCommand};
use crate::shell::user::{self, AddUser};

/// What every command answers.
type Outcome = Result<ExitCode, Box<dyn std::error::Error>>;

#[derive(Debug, Parser)]
#[command(
    name = "mingtang",
    version,
    about = "Mingtang (明堂): a server for video classrooms"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves until Ctrl-C or SIGTERM
    Serve(Options),
    /// Works on the ledger of evidence
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Works on recordings
    #[command(subcommand)]
    Recording(RecordingCommand),
    /// Works on accounts
    #[command(subcommand)]
    User(UserCommand),
    /// Looks at what a server needs, and says how to mend what is missing
    Doctor(Options),
    /// Networks of the face check: which there are, and installing them
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Plays rules in virtual time
    #[command(subcommand)]
    Simulate(SimulateCommand),
    /// Measures a server started for the purpose
    #[command(subcommand)]
    Bench(BenchCommand),
}

#[derive(Debug, Subcommand)]
enum LedgerCommand {
    /// Checks every hash, link and signature, and says where one breaks
    Verify(Options),
}

#[derive(Debug, Subcommand)]
enum ModelsCommand {
    /// Fetches what is missing, or copies it from a folder, and checks it
    Fetch {
        #[command(flatten)]
        fetch: FetchOptions,
        #[command(flatten)]
        options: Options,
    },
    /// Checks every file against the manifest
    Verify(Options),
    /// Prints how often thresholds err on your own set: a folder of pictures for each person
    Calibrate {
        /// JPEG or lossy WebP pictures in one folder for each consenting person
        set: PathBuf,
        #[command(flatten)]
        options: Options,
    },
}

#[derive(Debug, Subcommand)]
enum RecordingCommand {
    /// Checks every chain and the hash of every file, and says where one breaks
    Verify(Options),
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Adds somebody; reads the password from standard input
    Add {
        #[command(flatten)]
        user: AddUser,
        #[command(flatten)]
        options: Options,
    },
}

/// Options that are keys of the configuration; docs/configuration.md describes all of them.
#[derive(Args, Debug, Default)]
struct Options {
    /// Reads this file instead of mingtang.toml in the data directory
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where database, keys and certificates live
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Uses this Postgres instead of a private one
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Where HTTP is served
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// UDP port of audio and video
    #[arg(long, value_name = "PORT")]
    media_port: Option<String>,
    /// Threads that carry media, each at a port one higher
    #[arg(long, value_name = "N")]
    media_threads: Option<String>,
    /// Whether media may come by UDP: true or false
    #[arg(long, value_name = "BOOL")]
    media_udp: Option<String>,
    /// TCP port of media: shared, off, or a port
    #[arg(long, value_name = "PORT")]
    media_tcp_port: Option<String>,
    /// HTTPS: off, self-signed, or CERTIFICATE,KEY (PEM files)
    #[arg(long, value_name = "TLS")]
    tls: Option<String>,
    /// Serves demo data to this machine
    #[arg(long)]
    demo: bool,
}

impl Options {
    fn config(self) -> Result<Config, Refused> {
        let given = [
            ("data_dir", self.data_dir),
            ("database_url", self.database_url),
            ("listen", self.listen),
            ("media_port", self.media_port),
            ("media_threads", self.media_threads),
            ("media_udp", self.media_udp),
            ("media_tcp_port", self.media_tcp_port),
            ("tls", self.tls),
            ("demo", self.demo.then(|| "true".to_owned())),
        ];
        let given = given
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect();
        Config::load(self.config.as_deref(), given)
    }
}

/// Runs the command named on the command line. The exit code is 0 when all is well, 1 when
/// something is not as it should be, 2 when the command line is wrong.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    memory::tune();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("mingtang: cannot start threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli.command)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("mingtang: {}", foundation::whole(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Outcome {
    match command {
        Command::Serve(options) => {
            serve::run(&options.config()?).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::User(UserCommand::Add { user, options }) => add(&options.config()?, &user).await,
        Command::Ledger(LedgerCommand::Verify(options)) => verify(&options.config()?).await,
        Command::Recording(RecordingCommand::Verify(options)) => {
            verify_recordings(&options.config()?).await
        }
        Command::Doctor(options) => examine(&options.config()?).await,
        Command::Models(ModelsCommand::Fetch { fetch, options }) => {
            let data_dir = options.config()?.data_dir;
            Ok(report_models(&models::fetch(&data_dir, &fetch).await?))
        }
        Command::Models(ModelsCommand::Verify(options)) => {
            Ok(report_models(&models::verify(&options.config()?.data_dir)?))
        }
        Command::Models(ModelsCommand::Calibrate { set, options }) => {
            calibrate::run(&options.config()?.data_dir, &set)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Simulate(command) => {
            Ok(tokio::task::spawn_blocking(move || simulate::run(&command)).await?)
        }
        // A load generator has threads and a runtime of its own.
        Command::Bench(command) => {
            Ok(tokio::task::spawn_blocking(move || bench::run(&command)).await?)
        }
    }
}

async fn verify(config: &Config) -> Outcome {
    let foundation = Foundation::beside(config).await?;
    let anchor = AnchorFile::of(&foundation.data_dir).read()?;
    let report = ledger::verify(&foundation.context, anchor).await;
    let draws = classroom::verify_draws(&foundation.context).await;
    foundation.close().await;
    let (report, (recomputed, disproved)) = (report?, draws?);
    for finding in &report.findings {
        println!("{finding}");
    }
    for gap in &report.gaps {
        println!("{gap}");
    }
    for draw in &disproved {
        println!("{draw}");
    }
    if anchor.is_none() && report.checkpoints > 0 {
        println!("There is no anchor beside the keys: nobody knows whether the end is cut off.");
    }
    let counts = format!(
        "{} facts in {} streams, {} signed checkpoints, {} facts not signed yet, \
         {recomputed} schedules recomputed",
        report.facts, report.streams, report.checkpoints, report.unsigned
    );
    if report.is_sound() && disproved.is_empty() {
        println!("The ledger is sound: {counts}.");
        return Ok(ExitCode::SUCCESS);
    }
    let differences = report.findings.len() + report.gaps.len() + disproved.len();
    println!("The ledger is NOT sound: {differences} differences ({counts}).");
    Ok(ExitCode::FAILURE)
}

/// The exit code is 0 when every network is there.
fn report_models(lines: &[models::Line]) -> ExitCode {
    for line in lines {
        println!("{line}");
    }
    let right = |line: &models::Line| match line.state {
        State::Right | State::Installed => true,
        State::Missing | State::Other => false,
    };
    match lines.iter().all(right) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

async fn verify_recordings(config: &Config) -> Outcome {
    let foundation = Foundation::beside(config).await?;
    let report = recording::verify(&foundation.context).await;
    foundation.close().await;
    let report = report?;
    for finding in &report.findings {
        println!("{finding}");
    }
    let counts = format!(
        "{} recordings, {} tracks, {} entries, {} files, {} entries not marked in the ledger yet",
        report.recordings, report.tracks, report.entries, report.files, report.unmarked
    );
    if report.is_sound() {
        println!("The recordings are sound: {counts}.");
        println!("`mingtang ledger verify` says whether the ledger is that marks them.");
        return Ok(ExitCode::SUCCESS);
    }
    let differences = report.findings.len();
    println!("The recordings are NOT sound: {differences} differences ({counts}).");
    Ok(ExitCode::FAILURE)
}

async fn add(config: &Config, new: &AddUser) -> Outcome {
    let password = user::read_password()?;
    let foundation = Foundation::beside(config).await?;
    let added = user::add(&foundation.context, new, &password).await;
    foundation.close().await;
    println!("{} was added to {}.", new.username, added?.name);
    Ok(ExitCode::SUCCESS)
}

async fn examine(config: &Config) -> Outcome {
    let findings = doctor::examine(config, SystemClock.now()).await;
    for finding in &findings {
        println!("{finding}");
    }
    let must_mend = findings
        .iter()
        .any(|finding| finding.verdict == Verdict::Mend);
    Ok(if must_mend {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
