//! The data directory: made on first use, and held by one server at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Name of the file that the server in charge holds locked; it contains the server's process id.
const LOCK_FILE: &str = "lock";
/// A process id has fewer digits.
const PID_BYTES_MAX: u64 = 32;

/// A data directory in our charge. The kernel ends the lock with the process, however it dies.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process serves from it.
    #[error(
        "another mingtang (process {pid}) uses the data directory {path}: \
         stop it, or choose another with --data-dir"
    )]
    InUse {
        /// The other's process id, or a question mark.
        pid: String,
        /// The directory.
        path: PathBuf,
    },
    /// The directory or its lock file cannot be made or opened.
    #[error("cannot use the data directory {path}")]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl DataDir {
    /// Makes the directory if it is missing and takes charge of it.
    pub fn take(path: &Path) -> Result<Self, Error> {
        let io = |source| Error::Io {
            path: path.to_path_buf(),
            source,
        };
        create_private(path).map_err(io)?;
        let path = path.canonicalize().map_err(io)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(LOCK_FILE))
            .map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::InUse {
                    pid: read_pid(&mut lock),
                    path,
                });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        write_pid(&mut lock).map_err(io)?;
        Ok(Self { path, _lock: lock })
    }

    /// The process in charge of a directory, if there is one. Changes nothing.
    pub fn holder(path: &Path) -> Option<String> {
        let mut lock = File::open(path.join(LOCK_FILE)).ok()?;
        match lock.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(read_pid(&mut lock)),
            Ok(()) | Err(TryLockError::Error(_)) => None,
        }
    }

    /// Its absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes a directory, and those above it, for this user alone; an existing one stays as it is.
pub fn create_private(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a new file for this user alone, whole or not at all.
pub fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn read_pid(lock: &mut File) -> String {
    let mut text = String::new();
    match lock.take(PID_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        Ok(_) | Err(_) => "?".to_owned(),
    }
}

fn write_pid(lock: &mut File) -> std::io::Result<()> {
    lock.set_len(0)?;
    lock.seek(SeekFrom::Start(0))?;
    writeln!(lock, "{}", std::process::id())?;
    lock.sync_all()
}
