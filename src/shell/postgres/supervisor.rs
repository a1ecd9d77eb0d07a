//! The thread that keeps the postmaster running.
//!
//! A thread of its own, because the kernel tells the postmaster to stop when the *thread* that
//! started it dies: so it ends with the server, also after `kill -9`.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Error;
use super::cluster::Owner;
use super::programs::Programs;
use super::remains::{self, PID_FILE};
use crate::shell::foundation::whole;

/// How long a start may take; after a crash the log is replayed first.
const START_MAX: Duration = Duration::from_secs(120);
/// How long a stop may take before connections and buffers are dropped (the log keeps everything).
const STOP_MAX: Duration = Duration::from_secs(10);
/// Between two looks at a process.
const LOOK: Duration = Duration::from_millis(10);
/// Pause before a postmaster that died is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// What Postgres says, beside the cluster.
const LOG_FILE: &str = "postgres.log";
/// The log begins anew at a start when it is larger, bytes.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Connections beyond the pool's, for commands beside a running server.
const CONNECTIONS_SPARE: u32 = 10;
/// Line of the pid file that says `ready` (Postgres's `LOCK_FILE_LINE_PM_STATUS`, from 0).
const STATUS_LINE: usize = 7;

/// Keeps a postmaster running until told to stop.
#[derive(Debug)]
pub(super) struct Supervisor {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    pid: AtomicU32,
    stopping: AtomicBool,
}

/// What it takes to start a postmaster.
struct Start {
    cluster: PathBuf,
    program: PathBuf,
    owner: Owner,
    connections_max: u32,
}

impl Supervisor {
    /// Starts the postmaster and waits until it answers.
    pub(super) fn start(
        cluster: &Path,
        programs: &Programs,
        owner: Owner,
        connections_max: u32,
    ) -> Result<Self, Error> {
        let start = Start {
            cluster: cluster.to_path_buf(),
            program: programs.postgres(),
            owner,
            connections_max,
        };
        let shared = Arc::new(Shared::default());
        let (tell, told) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("postgres".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || keep(&start, &shared, &tell)
            })
            .map_err(Error::io("start a thread"))?;
        let supervisor = Self {
            shared,
            thread: Some(thread),
        };
        match told.recv() {
            Ok(Ok(())) => Ok(supervisor),
            Ok(Err(error)) => Err(error),
            Err(gone) => Err(Error::Io {
                doing: "start Postgres".to_owned(),
                source: std::io::Error::other(gone),
            }),
        }
    }

    /// Process id of the postmaster at present.
    pub(super) fn pid(&self) -> u32 {
        self.shared.pid.load(Ordering::SeqCst)
    }

    /// Tells the postmaster to stop and waits for its end.
    pub(super) fn stop(mut self) {
        self.tell_to_stop();
        let since = Instant::now();
        while let Some(thread) = &self.thread {
            if thread.is_finished() {
                break;
            }
            if since.elapsed() > STOP_MAX {
                tracing::warn!("Postgres does not stop in time: it will replay its log");
                remains::signal(self.pid(), libc::SIGQUIT);
                break;
            }
            std::thread::sleep(LOOK);
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that keeps Postgres panicked");
        }
    }

    fn tell_to_stop(&self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        remains::signal(self.pid(), libc::SIGINT);
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.tell_to_stop();
    }
}

/// Runs postmasters one after the other; tells once how the first start went.
fn keep(start: &Start, shared: &Shared, tell: &mpsc::SyncSender<Result<(), Error>>) {
    let mut first = Some(tell);
    loop {
        let started = start.spawn().and_then(|mut child| {
            shared.pid.store(child.id(), Ordering::SeqCst);
            start.wait_until_ready(&mut child, shared).map(|()| child)
        });
        let outcome = match started {
            Ok(mut child) => {
                if let Some(tell) = first.take() {
                    drop(tell.send(Ok(())));
                }
                child
                    .wait()
                    .map(|status| status.to_string())
                    .unwrap_or_else(|e| e.to_string())
            }
            Err(error) => match first.take() {
                Some(tell) => {
                    drop(tell.send(Err(error)));
                    return;
                }
                None => whole(&error),
            },
        };
        shared.pid.store(0, Ordering::SeqCst);
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        tracing::error!(outcome, "Postgres ended by itself and is started again");
        std::thread::sleep(RESTART_PAUSE);
        if let Err(error) = remains::clear(&start.cluster) {
            tracing::error!(
                error = whole(&error),
                "the remains of Postgres cannot be cleared"
            );
        }
    }
}

impl Start {
    fn spawn(&self) -> Result<Child, Error> {
        let folder = File::open(&self.cluster).map_err(Error::io("open the cluster"))?;
        let log = self
            .open_log()
            .map_err(Error::io(format!("open {LOG_FILE}")))?;
        let copy = log
            .try_clone()
            .map_err(Error::io(format!("open {LOG_FILE}")))?;
        let mut command = self.owner.command(&self.program, folder);
        let connections = self.connections_max + CONNECTIONS_SPARE;
        for setting in [
            "listen_addresses=",
            "port=5432",
            "unix_socket_directories=.",
            "unix_socket_permissions=0700",
            &format!("max_connections={connections}"),
            "fsync=on",
            "timezone=UTC",
            "logging_collector=off",
            "log_timezone=UTC",
            // Statements and their values may name persons.
            "log_min_error_statement=panic",
            "log_error_verbosity=terse",
        ] {
            command.args(["-c", setting]);
        }
        command.stdin(Stdio::null()).stdout(log).stderr(copy);
        command.spawn().map_err(Error::io("start postgres"))
    }

    fn log_path(&self) -> PathBuf {
        self.cluster.with_file_name(LOG_FILE)
    }

    fn open_log(&self) -> std::io::Result<File> {
        let path = self.log_path();
        let length = std::fs::metadata(&path).map_or(0, |found| found.len());
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(0o600);
        let log = options.open(&path)?;
        if length > LOG_BYTES_MAX {
            log.set_len(0)?;
        }
        Ok(log)
    }

    fn wait_until_ready(&self, child: &mut Child, shared: &Shared) -> Result<(), Error> {
        let since = Instant::now();
        while !self.is_ready(child.id()) {
            let ended = child
                .try_wait()
                .map_err(Error::io("see whether postgres runs"))?;
            if ended.is_some() || since.elapsed() > START_MAX {
                if ended.is_none() {
                    remains::signal(child.id(), libc::SIGQUIT);
                    child.wait().map_err(Error::io("wait for postgres"))?;
                }
                return Err(Error::Program {
                    program: "postgres",
                    output: self.last_words(),
                });
            }
            if shared.stopping.load(Ordering::SeqCst) {
                remains::signal(child.id(), libc::SIGINT);
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn is_ready(&self, pid: u32) -> bool {
        let file = self.cluster.join(PID_FILE);
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let status = text.lines().nth(STATUS_LINE).unwrap_or_default();
        status.trim() == "ready" && remains::first_pid(&file) == Some(pid)
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }
}
