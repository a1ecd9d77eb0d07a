//! Imports films, one at a time, by ffmpeg: an outside program that reads what strangers sent.
//!
//! A thread of its own starts the programs, because the kernel kills them when the *thread* that
//! started them ends: so they end with the server, however it ends. They run with the least right
//! of way, bounds on time, memory and files, no environment, no network protocols, and arguments
//! that are all our own.

mod programs;
mod run;

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::thread::JoinHandle;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

pub use programs::Programs;
use run::{Bounds, Run};

use crate::domain::library::bounds::import_seconds_max;
use crate::domain::library::cut::{Cut, CutFile, playlist};
use crate::domain::library::film::Unfit;
use crate::domain::library::probe::{Plan, Probe, percent};
use crate::service::library::{self, Job};
use crate::service::{Context, Error, Failure};
use crate::shell::doctor::free_bytes;
use crate::shell::foundation::whole;

/// Before the next look after a failure (Postgres away, disk full).
const FAILURE_PAUSE: Duration = Duration::from_secs(10);
/// Between two looks for work that nobody rang for.
const LOOK: Duration = Duration::from_secs(30);
/// How long an import that is to end may take to do so.
const END_MAX: Duration = Duration::from_secs(3);
/// Space that imports leave free, bytes.
const SPARE_BYTES: u64 = 1 << 30;
/// What all renditions of a second of film take, bytes.
const SECOND_BYTES: u64 = 160 * 1024;
/// Name of the film's file in the folder of an import.
const SOURCE: &str = "source";

/// Imports until it is stopped.
#[derive(Debug)]
pub struct Importer {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Importer {
    /// Brings in order what the last run left, and starts the thread. Without programs films wait.
    ///
    /// # Errors
    /// When the database or the disk fails, or no thread can be started.
    pub async fn start(context: &Context, programs: Option<Programs>) -> Result<Self, Error> {
        let interrupted = library::interrupt_all(context).await?;
        if interrupted > 0 {
            tracing::info!(interrupted, "imports that broke off begin anew");
        }
        library::sweep(context).await?;
        context.library.set_importer(programs.is_some());
        let (stop, stopped) = watch::channel(false);
        let worker = Worker {
            context: context.clone(),
            programs,
            stopped,
        };
        let runtime = Handle::current();
        let thread = std::thread::Builder::new()
            .name("importer".to_owned())
            .spawn(move || runtime.block_on(worker.work()))
            .map_err(|source| Failure::new("start a thread", source))?;
        Ok(Self { stop, thread })
    }

    /// Ends an import that goes on, which then waits for the next start.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let ended = tokio::task::spawn_blocking(move || self.thread.join());
        if timeout(END_MAX, ended).await.is_err() {
            tracing::warn!("an import takes too long to end");
        }
    }
}

struct Worker {
    context: Context,
    programs: Option<Programs>,
    stopped: watch::Receiver<bool>,
}

/// How an import ended that was not simply done.
enum Broken {
    /// The film cannot be imported.
    Unfit(Unfit),
    /// It is not wanted any longer, or the server ends.
    Put,
    /// Something around us failed.
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Broken {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Worker {
    async fn work(mut self) {
        loop {
            let pause = match self.round().await {
                Ok(true) => continue,
                Ok(false) => LOOK,
                Err(error) => {
                    tracing::warn!(error = whole(&error), "imports wait");
                    FAILURE_PAUSE
                }
            };
            let library = self.context.library.clone();
            let rung = async {
                if pause == LOOK {
                    library.work().await;
                } else {
                    std::future::pending::<()>().await;
                }
            };
            let stopped = self.stopped.wait_for(|stopped| *stopped);
            tokio::select! {
                biased;
                _ = stopped => return,
                () = sleep(pause) => {}
                () = rung => {}
            }
        }
    }

    /// Imports the next film; false when there is none.
    async fn round(&self) -> Result<bool, Error> {
        let Some(programs) = &self.programs else {
            return Ok(false);
        };
        if *self.stopped.borrow() {
            return Ok(false);
        }
        library::queue_waiting(&self.context).await?;
        let Some(job) = library::begin(&self.context).await? else {
            return Ok(false);
        };
        tracing::info!(film = %job.film, "an import begins");
        match self.import(programs, &job).await {
            Ok(cut) => {
                library::finish(&self.context, &job, cut).await?;
                tracing::info!(film = %job.film, "an import is done");
                Ok(true)
            }
            Err(Broken::Unfit(reason)) => {
                tracing::info!(film = %job.film, ?reason, "a film cannot be imported");
                library::fail(&self.context, &job, Some(reason)).await?;
                Ok(true)
            }
            Err(Broken::Put) => {
                library::fail(&self.context, &job, None).await?;
                Ok(!*self.stopped.borrow())
            }
            Err(Broken::Failed(error)) => {
                library::fail(&self.context, &job, None).await?;
                Err(error)
            }
        }
    }

    async fn import(&self, programs: &Programs, job: &Job) -> Result<Cut, Broken> {
        let failed = |source| Failure::new("give a film's file to its import", source);
        // A name of our own instead of one that a program could misread.
        std::fs::hard_link(&job.source, job.work.join(SOURCE)).map_err(failed)?;
        let plan = self.look(programs, job).await?;
        let needed = SPARE_BYTES + plan.duration_ms / 1_000 * SECOND_BYTES;
        if free_bytes(&job.work).is_some_and(|free| free < needed) {
            return Err(Failure::new("import a film", "the disk is too full").into());
        }
        self.cut(programs, job, &plan).await?;
        if free_bytes(&job.work).is_some_and(|free| free < SPARE_BYTES / 2) {
            return Err(Failure::new("import a film", "the disk is too full").into());
        }
        std::fs::remove_file(job.work.join(SOURCE)).map_err(failed)?;
        let cut = tied_up(&job.work, &plan).map_err(failed)?;
        cut.ok_or(Broken::Unfit(Unfit::Broken))
    }

    /// What the file is.
    async fn look(&self, programs: &Programs, job: &Job) -> Result<Plan, Broken> {
        let run = Run {
            program: programs.probe.clone(),
            arguments: programs::probe_arguments(SOURCE),
            folder: job.work.clone(),
            bounds: Bounds::probe(),
        };
        let (status, output) = self.output(run).await?;
        let probe = Probe::read(&output).filter(|_| status.success());
        let probe = probe.ok_or(Broken::Unfit(Unfit::NotMedia))?;
        let plan = probe.plan(self.context.library.bounds());
        plan.map_err(Broken::Unfit)
    }

    async fn output(&self, run: Run) -> Result<(ExitStatus, Vec<u8>), Broken> {
        let mut stopped = self.stopped.clone();
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => Err(Broken::Put),
            output = run.output() => output
                .map_err(|source| Failure::new("look into a film", source).into()),
        }
    }

    /// Makes the renditions, and tells how far it is.
    async fn cut(&self, programs: &Programs, job: &Job, plan: &Plan) -> Result<(), Broken> {
        let failed = |source| Failure::new("cut a film", source);
        let seconds = import_seconds_max(plan.duration_ms);
        let run = Run {
            program: programs.cutter.clone(),
            arguments: programs::cut_arguments(SOURCE, plan),
            folder: job.work.clone(),
            bounds: Bounds::cut(seconds),
        };
        let mut running = run.start().map_err(failed)?;
        let mut stopped = self.stopped.clone();
        let mut told = 0;
        loop {
            let line = tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => return Err(Broken::Put),
                line = running.line() => line.map_err(failed)?,
            };
            let Some(line) = line else { break };
            let Some(done) = percent(&line, plan.duration_ms) else {
                continue;
            };
            // A film that is gone is noticed within a percent.
            if done > told {
                told = done;
                if !library::progress(&self.context, job, done).await? {
                    return Err(Broken::Put);
                }
            }
        }
        let ended = running.end().await.map_err(failed)?;
        match ended {
            run::Ended::Well => Ok(()),
            run::Ended::OutOfTime => Err(Broken::Unfit(Unfit::TooCostly)),
            run::Ended::Badly => Err(Broken::Unfit(Unfit::Broken)),
        }
    }
}

/// Puts all files on the disk and says what they are; `None` when something is missing, or much of
/// the film.
fn tied_up(work: &Path, plan: &Plan) -> std::io::Result<Option<Cut>> {
    let mut files: Vec<CutFile> = Vec::new();
    let mut duration_ms = 0;
    for rendition in &plan.renditions {
        let path = work.join(CutFile::Playlist(*rendition).to_string());
        let Ok(text) = std::fs::read_to_string(path) else {
            return Ok(None);
        };
        let (length_ms, segments) = playlist(&text);
        duration_ms = duration_ms.max(length_ms);
        files.extend([CutFile::Playlist(*rendition), CutFile::Opening(*rendition)]);
        files.extend((0..segments).map(|number| CutFile::Segment(*rendition, number)));
    }
    // What breaks off in the middle still becomes playlists.
    if duration_ms < plan.duration_ms / 10 * 9 {
        return Ok(None);
    }
    let mut names: Vec<String> = files.iter().map(CutFile::to_string).collect();
    names.sort();
    let (mut bytes, mut manifest) = (0, String::new());
    for name in &names {
        let Ok(mut file) = std::fs::File::open(work.join(name)) else {
            return Ok(None);
        };
        let mut hasher = Sha256::new();
        bytes += std::io::copy(&mut file, &mut hasher)?;
        file.sync_all()?;
        manifest.push_str(&format!("{name} {:x}\n", hasher.finalize()));
    }
    std::fs::File::open(work)?.sync_all()?;
    Ok(Some(Cut {
        duration_ms,
        renditions: plan.renditions.clone(),
        bytes,
        manifest: format!("{:x}", Sha256::digest(manifest)),
    }))
}

/// Finds the programs that a configuration names, or those on the search path.
pub fn find(configured: Option<&str>) -> Option<Programs> {
    let named = configured.map(PathBuf::from);
    let cutter = match named {
        Some(path) if path.components().count() > 1 => path,
        Some(name) => on_search_path(&name)?,
        None => on_search_path(Path::new("ffmpeg"))?,
    };
    // The two come together.
    let probe = cutter.with_file_name("ffprobe");
    let there = |path: &Path| path.is_file();
    (there(&cutter) && there(&probe)).then_some(Programs { cutter, probe })
}

fn on_search_path(name: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}
