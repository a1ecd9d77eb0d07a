//! Making a cluster, and whom it belongs to.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::programs::Programs;
use super::{Error, NAME};
use crate::shell::data_dir::create_private;

/// Bytes of a failed program's output that an error shows.
const OUTPUT_BYTES_MAX: usize = 2_000;

/// As whom the cluster's programs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// As ourselves.
    Same,
    /// We are root, and Postgres refuses root.
    Other {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
}

impl Owner {
    /// The owner of an existing cluster; for a new one ourselves, or the user that root becomes.
    pub(super) fn of(cluster: &Path) -> Result<Self, Error> {
        // SAFETY: the call has no condition and cannot fail.
        let own = unsafe { libc::geteuid() };
        let existing = std::fs::metadata(cluster).ok();
        match existing.map(|cluster| (cluster.uid(), cluster.gid())) {
            Some((uid, gid)) if own == 0 && uid != 0 => Ok(Self::Other { uid, gid }),
            Some((uid, _)) if own != 0 && uid != own => Err(Error::OtherOwner {
                path: cluster.to_path_buf(),
                uid,
            }),
            Some(_) | None if own != 0 => Ok(Self::Same),
            Some(_) | None => unprivileged_user().ok_or(Error::NoUser),
        }
    }

    /// Gives a directory, with everything in it, to this owner.
    fn give(self, path: &Path) -> std::io::Result<()> {
        let Self::Other { uid, gid } = self else {
            return Ok(());
        };
        chown(path, Some(uid), Some(gid))?;
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.give(&entry.path())?;
            } else {
                std::os::unix::fs::lchown(entry.path(), Some(uid), Some(gid))?;
            }
        }
        Ok(())
    }

    /// A command that works on a cluster, as this owner. It knows the cluster as a directory that
    /// it inherits open, which needs no right to enter the directories above. It has a session of
    /// its own, so that a terminal's Ctrl-C is ours alone to handle, and is told to stop when the
    /// thread that starts it dies.
    pub(super) fn command(self, program: &Path, cluster: File) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", "/");
        command
            .env("PGDATA", format!("/proc/self/fd/{}", cluster.as_raw_fd()))
            .current_dir("/");
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
        // SAFETY: between fork and exec only calls that are safe in a signal handler are made.
        // They come after the change of user, which would undo the last of them.
        unsafe {
            command.pre_exec(move || {
                if libc::fcntl(cluster.as_raw_fd(), libc::F_SETFD, 0) != 0
                    || libc::setsid() < 0
                    || libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGINT) != 0
                {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        command
    }
}

/// Makes the cluster, whole or not at all, and our database in it.
pub(super) fn create_if_missing(
    path: &Path,
    programs: &Programs,
    owner: Owner,
) -> Result<(), Error> {
    if path.join("PG_VERSION").exists() {
        if std::fs::metadata(path)
            .map_err(Error::io("see the cluster"))?
            .uid()
            == 0
        {
            owner
                .give(path)
                .map_err(Error::io("hand the cluster to an unprivileged user"))?;
        }
        return Ok(());
    }
    let unfinished = path.with_extension("new");
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished).map_err(Error::io("remove half a cluster"))?;
    }
    create_private(&unfinished).map_err(Error::io("make the cluster's directory"))?;
    owner
        .give(&unfinished)
        .map_err(Error::io("hand the cluster to an unprivileged user"))?;
    let open = || File::open(&unfinished).map_err(Error::io("open the new cluster"));

    let mut initdb = owner.command(&programs.initdb(), open()?);
    initdb.args(["-U", NAME, "--auth=trust", "--encoding=UTF8"]);
    initdb.args(["--locale=C.UTF-8", "--no-instructions"]);
    run("initdb", initdb, b"")?;

    let mut single = owner.command(&programs.postgres(), open()?);
    single.args(["--single", "postgres"]);
    run(
        "postgres --single",
        single,
        format!("create database {NAME}\n").as_bytes(),
    )?;

    if path.exists() {
        // A directory without a cluster in it: an interrupted copy, or made by hand.
        std::fs::remove_dir(path).map_err(Error::io("replace an empty cluster directory"))?;
    }
    std::fs::rename(&unfinished, path).map_err(Error::io("name the new cluster"))
}

fn run(program: &'static str, mut command: Command, input: &[u8]) -> Result<Output, Error> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(Error::io(format!("start {program}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(input)
            .map_err(Error::io(format!("speak to {program}")))?;
    }
    let output = child
        .wait_with_output()
        .map_err(Error::io(format!("wait for {program}")))?;
    if output.status.success() {
        return Ok(output);
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let start = text.floor_char_boundary(text.len().saturating_sub(OUTPUT_BYTES_MAX));
    Err(Error::Program {
        program,
        output: text[start..].to_owned(),
    })
}

/// `postgres` if there is such a user, else `nobody`.
fn unprivileged_user() -> Option<Owner> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    ["postgres", "nobody"].iter().find_map(|name| {
        let fields: Vec<&str> = users
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.first() == Some(name))?;
        let (uid, gid) = (fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
        (uid != 0).then_some(Owner::Other { uid, gid })
    })
}
