//! `mingtang doctor`: looks at what a server needs and says how to mend what is missing.

mod networks;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::service::face::manifest::Role;
use crate::shell::config::{Config, MediaTcp, Tls};
use crate::shell::connections::{self, CONNECTIONS_MAX, OTHER_FILES};
use crate::shell::data_dir::DataDir;
use crate::shell::foundation::whole;
use crate::shell::importer;
use crate::shell::models::{self, State};
use crate::shell::postgres::{self, Postgres};
use crate::shell::tls;
use crate::store::Store;

/// Free space below which recordings of a week may not fit, bytes.
const DISK_BYTES_GOOD: u64 = 10 * 1024 * 1024 * 1024;
/// Free space below which Postgres may stop, bytes.
const DISK_BYTES_MIN: u64 = 1024 * 1024 * 1024;
/// No server of this version runs before this moment (2026-01-01), seconds since 1970.
const CLOCK_SECONDS_MIN: i64 = 1_767_225_600;

/// What one look came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// All is well.
    Ok,
    /// A server runs, with something that a person should know.
    Attention,
    /// A server does not run, or not as configured, until this is mended.
    Mend,
}

/// One line of the report.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was looked at.
    pub subject: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found, and how to mend it.
    pub sentence: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Attention => "attention",
            Verdict::Mend => "MEND",
        };
        write!(f, "{verdict:<10} {:<9} {}", self.subject, self.sentence)
    }
}

fn finding(subject: &'static str, verdict: Verdict, sentence: impl Into<String>) -> Finding {
    Finding {
        subject,
        verdict,
        sentence: sentence.into(),
    }
}

/// Looks at everything. It makes nothing and changes nothing.
pub async fn examine(config: &Config, now: DateTime<Utc>) -> Vec<Finding> {
    let serving = DataDir::holder(&config.data_dir);
    let mut findings = vec![data_directory(&config.data_dir, serving.as_deref())];
    findings.extend(ports(config, serving.is_some()));
    findings.push(networks::addresses(config));
    findings.extend(networks::relays(config, now).await);
    findings.push(database(config).await);
    findings.push(clock(now));
    findings.push(disk(&config.data_dir));
    findings.push(files(connections::files_max()));
    findings.push(certificate(config, now).await);
    findings.push(importer(config));
    findings.push(face_networks(&config.data_dir));
    findings
}

/// A server without networks is whole: it keeps pictures for staff, and says so.
fn face_networks(data_dir: &Path) -> Finding {
    let fetch = "`mingtang models fetch` installs them";
    match models::verify(data_dir) {
        Err(error) => finding("models", Verdict::Mend, whole(&error)),
        Ok(lines) => {
            let with = |state: State| lines.iter().find(|line| line.state == state);
            if let Some(other) = with(State::Other) {
                return finding("models", Verdict::Attention, other.to_string());
            }
            let missing = |role: Role| {
                let known = lines.iter().find(|line| line.role == role);
                known.is_none_or(|line| line.state == State::Missing)
            };
            let state = if missing(Role::Detector) || missing(Role::Recogniser) {
                format!("face check: evidence only, no networks are installed; {fetch}")
            } else if missing(Role::Landmarks) {
                "face check: faces; without a landmark network acts are not asked for".to_owned()
            } else {
                "face check: faces and acts".to_owned()
            };
            finding("models", Verdict::Ok, state)
        }
    }
}

fn data_directory(data_dir: &Path, serving: Option<&str>) -> Finding {
    let shown = data_dir.display();
    match (serving, data_dir.exists()) {
        (Some(pid), _) => finding(
            "data",
            Verdict::Ok,
            format!("process {pid} serves from {shown}"),
        ),
        (None, false) => finding(
            "data",
            Verdict::Ok,
            format!("{shown} will be made at the first start"),
        ),
        (None, true) => match try_to_write(data_dir) {
            Ok(()) => finding("data", Verdict::Ok, format!("{shown} can be written")),
            Err(error) => {
                let mend = format!("{shown} cannot be written ({error}): give it to this user");
                finding("data", Verdict::Mend, mend)
            }
        },
    }
}

fn try_to_write(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(format!("doctor-{}", std::process::id()));
    std::fs::write(&path, b"")?;
    std::fs::remove_file(&path)
}

fn ports(config: &Config, serving: bool) -> Vec<Finding> {
    let told = |subject, name: &str, key: &str, bound: std::io::Result<()>| match bound {
        Ok(()) => finding(subject, Verdict::Ok, format!("{name} is free")),
        Err(_) if serving => finding(
            subject,
            Verdict::Ok,
            format!("{name} is in use, by the running server"),
        ),
        Err(error) => {
            let mend = format!("{name}: {error}. Stop what uses it, or set another {key}");
            finding(subject, Verdict::Mend, mend)
        }
    };
    let http = TcpListener::bind(config.listen).map(drop);
    let mut findings = vec![told(
        "http",
        &format!("TCP {}", config.listen),
        "listen",
        http,
    )];
    if config.media_udp {
        for port in config.media_ports().into_iter().flatten() {
            let media = SocketAddr::new(config.media_listen, port);
            let udp = UdpSocket::bind(media).map(drop);
            findings.push(told("media", &format!("UDP {media}"), "media_port", udp));
        }
    }
    if let MediaTcp::Port(port) = config.media_tcp {
        let address = SocketAddr::new(config.media_listen, port);
        let tcp = TcpListener::bind(address).map(drop);
        let name = format!("TCP {address}");
        findings.push(told("media", &name, "media_tcp_port", tcp));
    }
    findings
}

async fn database(config: &Config) -> Finding {
    let beside = Postgres::running(&config.data_dir);
    let url = config
        .database_url
        .as_deref()
        .or(beside.as_ref().map(|beside| beside.url()));
    let Some(url) = url else {
        return programs(&config.data_dir);
    };
    let answered = match Store::connect(url, 1).await {
        Ok(store) => store.ping().await.map_err(|error| whole(&error)),
        Err(error) => Err(whole(&error)),
    };
    match answered {
        Ok(()) => finding("database", Verdict::Ok, "Postgres answers"),
        Err(error) => {
            let mend = format!("{error}: see that Postgres runs and database_url is right");
            finding("database", Verdict::Mend, mend)
        }
    }
}

fn programs(data_dir: &Path) -> Finding {
    let version = std::fs::read_to_string(data_dir.join("postgres/PG_VERSION")).ok();
    let version = version.as_deref().map(str::trim);
    match (postgres::find_programs(version), version) {
        (Some(programs), _) => {
            let sentence = format!("Postgres is installed: {}", programs.postgres().display());
            finding("database", Verdict::Ok, sentence)
        }
        (None, Some(version)) => {
            let mend =
                format!("the data needs Postgres {version}: apt-get install postgresql-{version}");
            finding("database", Verdict::Mend, mend)
        }
        (None, None) => {
            let mend = "no Postgres: apt-get install postgresql, or set database_url";
            finding("database", Verdict::Mend, mend)
        }
    }
}

fn clock(now: DateTime<Utc>) -> Finding {
    if now.timestamp() < CLOCK_SECONDS_MIN {
        let mend = format!("the clock says {now}: set it, and install chrony or systemd-timesyncd");
        return finding("clock", Verdict::Mend, mend);
    }
    if is_synchronised() {
        return finding("clock", Verdict::Ok, "synchronised by NTP");
    }
    let advice = "the kernel does not know it to be synchronised: evidence needs true times; \
                  apt-get install chrony (in a container, see the host)";
    finding("clock", Verdict::Attention, advice)
}

fn is_synchronised() -> bool {
    // SAFETY: all zeros is a value of this plain structure, and asks to read only.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a whole structure that outlives the call.
    let result = unsafe { libc::adjtimex(&raw mut state) };
    result >= 0 && result != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0
}

fn disk(data_dir: &Path) -> Finding {
    let place = data_dir
        .ancestors()
        .find(|path| path.exists() || path.as_os_str().is_empty());
    let place = match place {
        Some(path) if !path.as_os_str().is_empty() => path.to_path_buf(),
        Some(_) | None => PathBuf::from("."),
    };
    let Some(free) = free_bytes(&place) else {
        return finding("disk", Verdict::Attention, "the free space cannot be seen");
    };
    let sentence = format!("{} MiB free", free / (1024 * 1024));
    if free < DISK_BYTES_MIN {
        let mend = format!("{sentence}: make space, or move data_dir");
        finding("disk", Verdict::Mend, mend)
    } else if free < DISK_BYTES_GOOD {
        finding(
            "disk",
            Verdict::Attention,
            format!("{sentence}: recordings may fill it"),
        )
    } else {
        finding("disk", Verdict::Ok, sentence)
    }
}

/// Space on the disk of a path that this user may take; none when it cannot be seen.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: all zeros is a value of this plain structure.
    let mut state: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the path ends with a zero, and the pointer is to a whole structure.
    let result = unsafe { libc::statvfs(path.as_ptr(), &raw mut state) };
    (result == 0).then(|| state.f_bavail * state.f_frsize)
}

/// Films are imported by an outside program.
fn importer(config: &Config) -> Finding {
    match importer::find(config.ffmpeg.as_deref()) {
        Some(programs) => {
            let sentence = format!("films are imported by {}", programs.cutter.display());
            finding("ffmpeg", Verdict::Ok, sentence)
        }
        None => {
            let advice = "no ffmpeg with ffprobe beside it: films cannot be uploaded; \
                          apt-get install ffmpeg, or set the key ffmpeg";
            finding("ffmpeg", Verdict::Attention, advice)
        }
    }
}

/// Every connection is an open file.
fn files(max: Option<usize>) -> Finding {
    let wanted = CONNECTIONS_MAX + OTHER_FILES;
    match max {
        Some(files) if files < wanted => finding(
            "files",
            Verdict::Attention,
            format!(
                "a process may open {files} files, which allows {} connections; \
                 raise its hard limit (LimitNOFILE, ulimit -Hn) to {wanted} for large classes",
                files.saturating_sub(OTHER_FILES).max(1)
            ),
        ),
        Some(files) => finding(
            "files",
            Verdict::Ok,
            format!("a process may open {files} files"),
        ),
        None => finding(
            "files",
            Verdict::Attention,
            "the system does not say how many files a process may open",
        ),
    }
}

async fn certificate(config: &Config, now: DateTime<Utc>) -> Finding {
    match &config.tls {
        Tls::Off if config.listen.ip().is_loopback() => {
            finding("tls", Verdict::Ok, "off: this machine's browsers need none")
        }
        Tls::Off => {
            let advice = "off: browsers of other machines give no camera without HTTPS; \
                          set tls, or put a proxy with HTTPS before the server";
            finding("tls", Verdict::Attention, advice)
        }
        Tls::SelfSigned => {
            let advice = "self-signed: every browser asks once whether to trust it";
            finding("tls", Verdict::Ok, advice)
        }
        Tls::Files { .. } => {
            let usable = match tls::identity(config, &config.data_dir, now) {
                Ok(Some(identity)) => tls::server_config(identity).await.map(drop),
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            match usable {
                Ok(()) => finding("tls", Verdict::Ok, "certificate and key fit"),
                Err(error) => finding(
                    "tls",
                    Verdict::Mend,
                    format!("{}: see the key tls", whole(&error)),
                ),
            }
        }
    }
}
