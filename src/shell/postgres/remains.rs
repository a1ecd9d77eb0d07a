//! What a server that died left behind: a postmaster that still runs, or its stale pid file.
//!
//! Whoever calls this holds the data directory's lock, so no other server of ours is alive.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Error;

/// A file that every running postmaster keeps; its first line is the process id.
pub(super) const PID_FILE: &str = "postmaster.pid";
/// How long an orphaned Postgres may take to write everything out (it was told to when its server
/// died).
const STOP_MAX: Duration = Duration::from_secs(20);
/// How long it may take to drop everything.
const ABORT_MAX: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Ends whatever still works in the cluster and removes a stale pid file. A fresh start then
/// replays the log.
pub(super) fn clear(cluster: &Path) -> Result<(), Error> {
    let pid_file = cluster.join(PID_FILE);
    if let Some(pid) = first_pid(&pid_file).filter(|pid| works_in(*pid, cluster)) {
        tracing::warn!(pid, "stopping the Postgres of a server that died");
        signal(pid, libc::SIGINT);
    }
    if !wait_until_empty(cluster, STOP_MAX) {
        for pid in processes_in(cluster) {
            signal(pid, libc::SIGQUIT);
        }
        if !wait_until_empty(cluster, ABORT_MAX)
            && let Some(pid) = processes_in(cluster).first().copied()
        {
            return Err(Error::StillRunning {
                pid,
                path: cluster.to_path_buf(),
            });
        }
    }
    // With nobody in the cluster, the id in the file is some other process's by now.
    match std::fs::remove_file(&pid_file) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::Io {
            doing: format!("remove {PID_FILE}"),
            source,
        }),
    }
}

/// The process id in a pid file.
pub(super) fn first_pid(file: &Path) -> Option<u32> {
    std::fs::read_to_string(file)
        .ok()?
        .lines()
        .next()?
        .trim()
        .parse()
        .ok()
}

/// Sends a signal; a process that is gone is as good as told.
pub(super) fn signal(pid: u32, signal: i32) {
    if let Ok(pid) = i32::try_from(pid)
        && pid > 1
    {
        // SAFETY: the call touches no memory of ours.
        unsafe { libc::kill(pid, signal) };
    }
}

fn wait_until_empty(cluster: &Path, at_most: Duration) -> bool {
    let since = Instant::now();
    while !processes_in(cluster).is_empty() {
        if since.elapsed() > at_most {
            return false;
        }
        std::thread::sleep(LOOK);
    }
    true
}

/// Processes whose working directory is the cluster: every process of a Postgres is such a one.
fn processes_in(cluster: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| works_in(*pid, cluster))
        .collect()
}

fn works_in(pid: u32, cluster: &Path) -> bool {
    let place = |path: &Path| {
        std::fs::metadata(path)
            .ok()
            .map(|meta| (meta.dev(), meta.ino()))
    };
    let here = place(cluster);
    here.is_some() && place(Path::new(&format!("/proc/{pid}/cwd"))) == here
}
