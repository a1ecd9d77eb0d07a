//! The private Postgres of a server without `database_url`: made, started, kept and stopped here.
//!
//! Its programs are the machine's. It answers on a socket in its own directory, which nobody else
//! may enter, so it asks for no password. Its programs get their directory open, by inheritance: so
//! it may lie below directories that their user must not enter, such as root's home.

mod cluster;
mod programs;
mod remains;
mod supervisor;

use std::fs::File;
use std::path::{Path, PathBuf};

use cluster::Owner;
use programs::Programs;
use supervisor::Supervisor;

pub use programs::find as find_programs;

/// Name of the cluster's directory within the data directory.
const FOLDER: &str = "postgres";
/// Longest path of a Unix socket, bytes, without the terminating zero (`sockaddr_un`).
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// File name of the socket within its directory.
const SOCKET_NAME: &str = ".s.PGSQL.5432";
/// The superuser and the database, both ours alone.
const NAME: &str = "mingtang";

/// A running private Postgres. Call [`Postgres::stop`] when done; a dropped one is told to stop and
/// not waited for.
#[derive(Debug)]
pub struct Postgres {
    supervisor: Supervisor,
    url: String,
    _folder: File,
}

/// Why there is no private Postgres.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No programs of a fitting version.
    #[error(
        "no PostgreSQL{} is installed: apt-get install postgresql, or set database_url",
        wanted.as_ref().map(|version| format!(" {version}")).unwrap_or_default()
    )]
    NotInstalled {
        /// Major version of an existing cluster.
        wanted: Option<String>,
    },
    /// The cluster belongs to a user that we cannot act as.
    #[error("{path} belongs to another user (uid {uid}): start the server as that user or as root")]
    OtherOwner {
        /// The cluster.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// No user that Postgres accepts; it refuses root.
    #[error("PostgreSQL refuses to run as root, and there is no user postgres or nobody")]
    NoUser,
    /// Processes of an earlier server hold the cluster and do not end.
    #[error("an earlier PostgreSQL (process {pid}) still uses {path} and does not stop")]
    StillRunning {
        /// One of them.
        pid: u32,
        /// The cluster.
        path: PathBuf,
    },
    /// A program failed; what it said last.
    #[error("{program} failed: {output}")]
    Program {
        /// Its name.
        program: &'static str,
        /// End of its output.
        output: String,
    },
    /// Files, processes.
    #[error("cannot {doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why not.
        source: std::io::Error,
    },
}

impl Error {
    fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

impl Postgres {
    /// Starts the cluster of a data directory that we are in charge of, and makes it on first use.
    /// Blocks until it answers: some tenths of a second, seconds on first use or after a crash.
    pub fn start(data_dir: &Path, connections_max: u32) -> Result<Self, Error> {
        let path = data_dir.join(FOLDER);
        let programs = Programs::for_cluster(&path)?;
        let owner = Owner::of(&path)?;
        cluster::create_if_missing(&path, &programs, owner)?;
        remains::clear(&path)?;
        let folder = File::open(&path).map_err(Error::io("open the cluster"))?;
        let url = url(&path, &folder);
        let supervisor = Supervisor::start(&path, &programs, owner, connections_max)?;
        Ok(Self {
            supervisor,
            url,
            _folder: folder,
        })
    }

    /// The URL that reaches a server's cluster from another process of the same user, if one runs.
    pub fn running(data_dir: &Path) -> Option<RunningPostgres> {
        let path = data_dir.join(FOLDER);
        let folder = File::open(&path).ok()?;
        let url = url(&path, &folder);
        std::os::unix::net::UnixStream::connect(socket_folder(&path, &folder).join(SOCKET_NAME))
            .ok()
            .map(|_| RunningPostgres {
                url,
                _folder: folder,
            })
    }

    /// Where it answers; valid as long as this value lives.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Process id of the postmaster.
    pub fn pid(&self) -> u32 {
        self.supervisor.pid()
    }

    /// Ends all its connections, writes everything out and waits for the end.
    pub fn stop(self) {
        self.supervisor.stop();
    }
}

/// The private Postgres of another, running server.
#[derive(Debug)]
pub struct RunningPostgres {
    url: String,
    _folder: File,
}

impl RunningPostgres {
    /// Where it answers; valid as long as this value lives.
    pub fn url(&self) -> &str {
        &self.url
    }
}

fn url(path: &Path, folder: &File) -> String {
    let host = socket_folder(path, folder);
    let host: String = host
        .to_string_lossy()
        .bytes()
        .map(percent_encoded)
        .collect();
    format!("postgres://{NAME}@localhost/{NAME}?host={host}")
}

/// The cluster's path, or a short name of the open directory where that is too long for a socket.
fn socket_folder(path: &Path, folder: &File) -> PathBuf {
    use std::os::fd::AsRawFd;
    let length = path.join(SOCKET_NAME).as_os_str().len();
    if length <= SOCKET_PATH_BYTES_MAX {
        path.to_path_buf()
    } else {
        PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd()))
    }
}

fn percent_encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}
