//! The server under load: a process of its own, so that its CPU time and memory are only its own.
//! It is ours, started for the purpose, or another that runs already.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::signalling::{Backend, Janus, Livekit};

/// How the names of our media threads begin.
const MEDIA_THREAD: &str = "media";
/// Longest wait for the server to become ready.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// Which server is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Peer {
    /// One of our own, started for the purpose.
    Own,
    /// A running server that speaks LiveKit's protocol.
    Livekit,
    /// A running Janus with WebSocket transport and video room.
    Janus,
}

/// Which server is measured, and how it is reached.
#[derive(Clone, Debug, clap::Args)]
pub struct PeerOptions {
    /// The server to measure.
    #[arg(long, value_enum, default_value = "own")]
    pub peer: Peer,
    /// Where a running server listens: ws://host:port.
    #[arg(long, required_if_eq_any([("peer", "livekit"), ("peer", "janus")]))]
    pub url: Option<String>,
    /// Process id of a running server on this machine, for its CPU time and memory.
    #[arg(long, required_if_eq_any([("peer", "livekit"), ("peer", "janus")]))]
    pub pid: Option<u32>,
    /// API key of a running server that speaks LiveKit's protocol.
    #[arg(long, default_value = DEMO_KEY.0)]
    pub key: String,
    /// Its secret.
    #[arg(long, default_value = DEMO_KEY.1)]
    pub secret: String,
}

/// API key of demo servers.
const DEMO_KEY: (&str, &str) = ("devkey", "secret");

/// The server under load.
pub struct Target {
    /// How clients join it.
    pub backend: Backend,
    /// Its accounts.
    pub process: Process,
    _own: Option<ServerProcess>,
}

impl Target {
    /// A server of our own with so many media threads.
    pub fn own(threads: usize) -> std::io::Result<Self> {
        let server = ServerProcess::start(threads)?;
        Ok(Self {
            backend: Backend::Livekit(Livekit {
                url: format!("ws://{}", server.address),
                key: DEMO_KEY.0.to_owned(),
                secret: DEMO_KEY.1.to_owned(),
            }),
            process: Process(server.child.id()),
            _own: Some(server),
        })
    }

    /// The server that the options name.
    pub fn open(options: &PeerOptions) -> std::io::Result<Self> {
        let (Some(url), Some(pid)) = (options.url.clone(), options.pid) else {
            return Self::own(1);
        };
        let backend = match options.peer {
            Peer::Own => return Self::own(1),
            Peer::Livekit => Backend::Livekit(Livekit {
                url,
                key: options.key.clone(),
                secret: options.secret.clone(),
            }),
            Peer::Janus => Backend::Janus(Janus { url }),
        };
        Ok(Self {
            backend,
            process: Process(pid),
            _own: None,
        })
    }
}

/// A running `mingtang serve --demo` with a private data directory; ends when dropped.
struct ServerProcess {
    child: Child,
    data: PathBuf,
    address: SocketAddr,
}

impl ServerProcess {
    /// Starts this very binary as a server and waits until it is ready.
    fn start(threads: usize) -> std::io::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        // Several servers may follow each other, and a data directory is not used twice.
        let name = format!("mingtang-bench-{}-{}", std::process::id(), address.port());
        let data = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&data)?;
        let child = Command::new(std::env::current_exe()?)
            .args(["serve", "--demo", "--listen", &address.to_string()])
            .args(["--media-port", "0"])
            .args(["--media-threads", &threads.to_string()])
            .arg("--data-dir")
            .arg(&data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut server = Self {
            child,
            data,
            address,
        };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> std::io::Result<()> {
        let deadline = Instant::now() + READY_DEADLINE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Err(std::io::Error::other(format!("the server ended: {status}")));
            }
            if is_ready(self.address) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(std::io::Error::other(
            "the server did not become ready within 60 s",
        ))
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let pid = libc::pid_t::try_from(self.child.id()).unwrap_or(0);
        if pid > 0 {
            // SAFETY: the child is ours and not yet waited for, so the id is still its own.
            unsafe { libc::kill(pid, libc::SIGTERM) };
        }
        let deadline = Instant::now() + Duration::from_secs(15);
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(Path::new(&self.data));
    }
}

fn is_ready(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) else {
        return false;
    };
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut status = [0; 12];
    stream
        .set_read_timeout(Some(Duration::from_secs(2)))
        .is_ok()
        && stream.write_all(request.as_bytes()).is_ok()
        && stream.read_exact(&mut status).is_ok()
        && status.ends_with(b" 200")
}

/// The accounts that the kernel keeps of a process.
#[derive(Clone, Copy, Debug)]
pub struct Process(u32);

impl Process {
    /// This very process.
    pub fn own() -> Self {
        Self(std::process::id())
    }

    /// CPU time of all its threads since it started, those that ended among them.
    pub fn cpu_time(self) -> std::io::Result<Duration> {
        let process = libc::pid_t::try_from(self.0).map_err(std::io::Error::other)?;
        let mut clock: libc::clockid_t = 0;
        // SAFETY: the call writes one clock id to a place that outlives it.
        let found = unsafe { libc::clock_getcpuclockid(process, &raw mut clock) };
        if found != 0 {
            return Err(std::io::Error::from_raw_os_error(found));
        }
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the call writes one moment to a place that outlives it.
        if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
        let nanoseconds = time.tv_sec * 1_000_000_000 + time.tv_nsec;
        Ok(Duration::from_nanos(nanoseconds.cast_unsigned()))
    }

    /// CPU time of its media threads, by their names; zero when another server has none.
    pub fn media_cpu_time(self) -> std::io::Result<Duration> {
        Ok(self.media_threads()?.values().sum())
    }

    /// CPU time of each of its media threads.
    pub fn media_threads(self) -> std::io::Result<BTreeMap<String, Duration>> {
        let mut threads = self.threads()?;
        threads.retain(|name, _| name.starts_with(MEDIA_THREAD));
        Ok(threads)
    }

    /// Resident memory, KiB.
    pub fn memory_kib(self) -> std::io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        Ok(resident
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|kib| kib.parse().ok())
            .unwrap_or(0))
    }

    /// CPU time by thread, named `name.id`, from the scheduler's own nanosecond account.
    fn threads(self) -> std::io::Result<BTreeMap<String, Duration>> {
        let mut threads = BTreeMap::new();
        for task in std::fs::read_dir(format!("/proc/{}/task", self.0))? {
            let task = task?.path();
            let name = std::fs::read_to_string(task.join("comm")).unwrap_or_default();
            let account = std::fs::read_to_string(task.join("schedstat")).unwrap_or_default();
            let on_cpu = account
                .split(' ')
                .next()
                .and_then(|nanos| nanos.parse().ok());
            let on_cpu: Duration = Duration::from_nanos(on_cpu.unwrap_or(0));
            let id = task.file_name().unwrap_or_default().to_string_lossy();
            threads.insert(format!("{}.{id}", name.trim()), on_cpu);
        }
        Ok(threads)
    }
}
