//! The server under load: a process of its own, so that its CPU time and memory are only its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for the server to become ready.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// A running `mingtang serve --demo` with a private data directory; ends when dropped.
pub struct ServerProcess {
    child: Child,
    data: PathBuf,
    /// Where HTTP listens.
    pub address: SocketAddr,
}

impl ServerProcess {
    /// Starts this very binary as a server and waits until it is ready.
    pub fn start() -> std::io::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let media_port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
        let data = std::env::temp_dir().join(format!("mingtang-bench-{}", std::process::id()));
        std::fs::create_dir_all(&data)?;
        let child = Command::new(std::env::current_exe()?)
            .args(["serve", "--demo", "--listen", &address.to_string()])
            .args(["--media-port", &media_port.to_string()])
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

    /// CPU time of all its threads since it started.
    pub fn cpu_time(&self) -> std::io::Result<Duration> {
        cpu_time(self.child.id())
    }

    /// CPU time of the threads whose name begins with `prefix`.
    pub fn cpu_time_of(&self, prefix: &str) -> std::io::Result<Duration> {
        cpu_time_of(self.child.id(), |name| name.starts_with(prefix))
    }

    /// Resident memory, KiB.
    pub fn memory_kib(&self) -> std::io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        Ok(resident
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|kib| kib.parse().ok())
            .unwrap_or(0))
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

/// CPU time of a process, from the scheduler's own nanosecond account of each thread.
pub fn cpu_time(process: u32) -> std::io::Result<Duration> {
    cpu_time_of(process, |_| true)
}

fn cpu_time_of(process: u32, counts: impl Fn(&str) -> bool) -> std::io::Result<Duration> {
    let mut nanoseconds = 0;
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let task = task?.path();
        let name = std::fs::read_to_string(task.join("comm")).unwrap_or_default();
        if !counts(name.trim()) {
            continue;
        }
        let account = std::fs::read_to_string(task.join("schedstat")).unwrap_or_default();
        let on_cpu = account
            .split(' ')
            .next()
            .and_then(|field| field.parse::<u64>().ok());
        nanoseconds += on_cpu.unwrap_or(0);
    }
    Ok(Duration::from_nanos(nanoseconds))
}
