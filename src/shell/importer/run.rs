//! One run of an outside program within bounds.

use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader, Take};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// Most bytes of what a program says that are read.
const OUTPUT_BYTES_MAX: u64 = 1 << 20;
/// Most bytes of lines that tell of progress, in all.
const PROGRESS_BYTES_MAX: u64 = 256 << 20;
/// Most bytes of what a program complains of that are logged.
const COMPLAINT_BYTES_MAX: u64 = 2_048;
/// Memory that a program may take, bytes: pictures of the largest size and what comes with them.
const MEMORY_BYTES_MAX: u64 = 4 << 30;
/// Largest file that a program may write, bytes; a segment has half a mebibyte.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Open files.
const FILES_MAX: u64 = 64;
/// The last in line for a processor (nice(2)).
const NICENESS: i32 = 19;

/// A program, what it is told, and where it works.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) folder: PathBuf,
    pub(super) bounds: Bounds,
}

/// How long a program may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    processor_seconds: u64,
    time: Duration,
}

impl Bounds {
    /// Of a look.
    pub(super) fn probe() -> Self {
        Self {
            processor_seconds: 30,
            time: Duration::from_secs(120),
        }
    }

    /// Of an import: a busy machine may make it wait long for its processor.
    pub(super) fn cut(processor_seconds: u64) -> Self {
        Self {
            processor_seconds,
            time: Duration::from_secs(processor_seconds * 10),
        }
    }
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Badly,
    OutOfTime,
}

/// A program that runs; killed with this value.
pub(super) struct Running {
    child: Child,
    output: BufReader<Take<ChildStdout>>,
    time: Duration,
}

impl Run {
    /// Runs the program to its end and reads what it says.
    pub(super) async fn output(self) -> io::Result<(ExitStatus, Vec<u8>)> {
        let mut running = self.start()?;
        let mut output = Vec::new();
        let all = async {
            running.output.read_to_end(&mut output).await?;
            running.child.wait().await
        };
        let status = timeout(running.time, all).await;
        Ok((status.map_err(|_| io::ErrorKind::TimedOut)??, output))
    }

    /// Starts the program.
    pub(super) fn start(self) -> io::Result<Running> {
        let mut command = std::process::Command::new(self.program);
        command
            .args(self.arguments)
            .current_dir(self.folder)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let seconds = self.bounds.processor_seconds;
        // SAFETY: the closure calls nothing but system calls, which is allowed between fork and
        // exec.
        unsafe { command.pre_exec(move || confine(seconds)) };
        let mut child = Command::from(command).kill_on_drop(true).spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Running {
            child,
            output: BufReader::new(output.take(PROGRESS_BYTES_MAX.max(OUTPUT_BYTES_MAX))),
            time: self.bounds.time,
        })
    }
}

impl Running {
    /// The next line that it says; none at its end.
    pub(super) async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        let read = timeout(self.time, self.output.read_line(&mut line)).await;
        match read {
            Ok(Ok(0)) | Err(_) => Ok(None),
            Ok(Ok(_)) => Ok(Some(line)),
            // Not what a program that is well says.
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            Ok(Err(error)) => Err(error),
        }
    }

    /// Waits for its end and logs what it complained of.
    pub(super) async fn end(mut self) -> io::Result<Ended> {
        let complaints = self.child.stderr.take();
        let heard = async {
            match complaints {
                Some(complaints) => head(complaints).await,
                None => String::new(),
            }
        };
        let waited = timeout(self.time, async { tokio::join!(self.child.wait(), heard) }).await;
        let Ok((status, complaints)) = waited else {
            return Ok(Ended::OutOfTime);
        };
        let status = status?;
        if !complaints.is_empty() {
            tracing::debug!(%status, complaints, "an import's program complains");
        }
        Ok(match (status.success(), status.signal()) {
            (true, _) => Ended::Well,
            (false, Some(libc::SIGXCPU)) => Ended::OutOfTime,
            (false, Some(_) | None) => Ended::Badly,
        })
    }
}

/// The beginning of what comes; the rest is read and forgotten, so that nobody waits for a reader.
async fn head(mut from: impl AsyncRead + Unpin) -> String {
    let mut first = Vec::new();
    let _ = (&mut from)
        .take(COMPLAINT_BYTES_MAX)
        .read_to_end(&mut first)
        .await;
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&first).into_owned()
}

/// Binds this process, which is about to become the program, to its bounds and to the thread that
/// made it.
fn confine(processor_seconds: u64) -> io::Result<()> {
    let limits = [
        (libc::RLIMIT_CPU, processor_seconds),
        (libc::RLIMIT_AS, MEMORY_BYTES_MAX),
        (libc::RLIMIT_FSIZE, FILE_BYTES_MAX),
        (libc::RLIMIT_NOFILE, FILES_MAX),
        (libc::RLIMIT_CORE, 0),
    ];
    for (resource, most) in limits {
        let limit = libc::rlimit {
            rlim_cur: most,
            rlim_max: most.saturating_add(u64::from(resource == libc::RLIMIT_CPU)),
        };
        // SAFETY: the pointer is to a whole structure that outlives the call.
        if unsafe { libc::setrlimit(resource, &raw const limit) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    // SAFETY: neither call takes a pointer.
    let tied = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // SAFETY: as above. Who may not be nicer is nice enough already.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
    if tied == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, bounds: Bounds) -> Run {
        Run {
            program: "/bin/sh".into(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            folder: std::env::temp_dir(),
            bounds,
        }
    }

    #[tokio::test]
    async fn a_program_is_bounded_and_the_last_in_line() {
        let script =
            "ulimit -t; ulimit -f; ulimit -n; ulimit -c; cut -d ' ' -f 19 /proc/$$/stat; env";
        let (status, output) = shell(script, Bounds::probe()).output().await.unwrap();
        assert!(status.success());
        let output = String::from_utf8(output).unwrap();
        let lines: Vec<&str> = output.lines().take(5).collect();
        assert_eq!(lines, ["30", "131072", "64", "0", "19"]);
        assert!(!output.contains("PATH=/usr/local"), "{output}");
    }

    #[tokio::test]
    async fn a_program_that_computes_for_ever_is_out_of_time() {
        let bounds = Bounds {
            processor_seconds: 1,
            time: Duration::from_secs(600),
        };
        let running = shell("while :; do :; done", bounds).start().unwrap();
        assert_eq!(running.end().await.unwrap(), Ended::OutOfTime);
    }

    #[tokio::test]
    async fn what_it_says_comes_line_by_line_and_a_failure_is_seen() {
        let mut running = shell("echo one; echo oh >&2; exit 3", Bounds::probe())
            .start()
            .unwrap();
        assert_eq!(running.line().await.unwrap().as_deref(), Some("one\n"));
        assert_eq!(running.line().await.unwrap(), None);
        assert_eq!(running.end().await.unwrap(), Ended::Badly);
    }
}
