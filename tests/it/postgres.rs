//! The Postgres that tests run on: the one named by `MINGTANG_TEST_DATABASE_URL` (a role that may
//! create databases), or a private cluster in a temporary directory, started once and stopped with
//! the test process. Every test has a database of its own, copied from a migrated template.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::sync_channel;

use mingtang::store::Store;
use sqlx::{Connection, Executor, PgConnection};

struct Server {
    admin_url: String,
    template: String,
}

/// A database that is dropped with this value.
pub struct Database {
    name: String,
    pub url: String,
}

impl Database {
    pub fn create() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = server();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}_{number}", server.template);
        admin(
            &server.admin_url,
            format!("create database {name} template {}", server.template),
        );
        Self {
            url: with_database(&server.admin_url, &name),
            name,
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        admin(
            &server().admin_url,
            format!("drop database if exists {} with (force)", self.name),
        );
    }
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let admin_url = std::env::var("MINGTANG_TEST_DATABASE_URL")
            .ok()
            .filter(|url| !url.is_empty())
            .unwrap_or_else(start_cluster);
        drop_leftovers(&admin_url);
        let template = format!("mingtang_it_{}", std::process::id());
        admin(&admin_url, format!("drop database if exists {template}"));
        admin(&admin_url, format!("create database {template}"));
        let url = with_database(&admin_url, &template);
        elsewhere(async move {
            let store = Store::connect(&url, 1)
                .await
                .expect("connect to the template");
            store.migrate().await.expect("migrate the template");
            store.close().await;
        });
        Server {
            admin_url,
            template,
        }
    })
}

/// Drops databases of test processes that are gone.
fn drop_leftovers(url: &str) {
    let url = url.to_owned();
    elsewhere(async move {
        let mut connection = PgConnection::connect(&url)
            .await
            .expect("connect to Postgres");
        let query = "select datname::text from pg_database where datname like 'mingtang\\_it\\_%'";
        let names: Vec<String> = sqlx::query_scalar(query)
            .fetch_all(&mut connection)
            .await
            .expect("names");
        for name in names {
            let process = name["mingtang_it_".len()..]
                .split('_')
                .next()
                .unwrap_or_default();
            if !Path::new("/proc").join(process).exists() {
                let statement = format!("drop database if exists {name} with (force)");
                let _ = connection
                    .execute(sqlx::query(sqlx::AssertSqlSafe(statement)))
                    .await;
            }
        }
    });
}

fn admin(url: &str, statement: String) {
    let url = url.to_owned();
    elsewhere(async move {
        let mut connection = PgConnection::connect(&url)
            .await
            .expect("connect to Postgres");
        let statement = sqlx::AssertSqlSafe(statement);
        connection
            .execute(sqlx::query(statement))
            .await
            .expect("run an administrative statement");
        connection.close().await.expect("close");
    });
}

/// Runs to its end on a thread with a runtime of its own: the caller may be inside another one.
fn elsewhere(work: impl Future<Output = ()> + Send + 'static) {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(work);
    };
    std::thread::spawn(run).join().expect("the work succeeds");
}

fn with_database(url: &str, name: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, ""), |(a, q)| (a, q));
    let slash = address.rfind('/').expect("a URL with a database");
    let query = if query.is_empty() {
        String::new()
    } else {
        format!("?{query}")
    };
    format!("{}/{name}{query}", &address[..slash])
}

/// Starts a cluster that ends with this process and returns the URL of its database `postgres`.
fn start_cluster() -> String {
    remove_leftovers();
    let directory = std::env::temp_dir().join(format!("mingtang-it-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("a temporary directory");
    let root = is_root();
    if root {
        let done = Command::new("chown")
            .arg("postgres")
            .arg(&directory)
            .status();
        assert!(done.expect("chown").success());
    }
    let data = directory.join("data");
    let done = as_postgres(root, &binary("initdb"))
        .args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-sync",
            "-D",
        ])
        .arg(&data)
        .stdout(Stdio::null())
        .status();
    assert!(done.expect("initdb runs").success(), "initdb");
    run_server(root, data, directory.clone());
    format!(
        "postgres://postgres@localhost/postgres?host={}",
        directory.display()
    )
}

/// Removes clusters of test processes that are gone.
fn remove_leftovers() {
    let entries = std::fs::read_dir(std::env::temp_dir())
        .into_iter()
        .flatten()
        .flatten();
    for entry in entries {
        let name = entry.file_name();
        let process = name
            .to_str()
            .and_then(|name| name.strip_prefix("mingtang-it-"));
        if process.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Runs Postgres under a thread that lives as long as the process: the death signal follows it.
fn run_server(root: bool, data: PathBuf, sockets: PathBuf) {
    let (ready, wait) = sync_channel(1);
    std::thread::spawn(move || {
        let mut child = as_postgres(root, &binary("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&sockets)
            .args([
                "-c",
                "listen_addresses=",
                "-c",
                "fsync=off",
                "-c",
                "max_connections=200",
            ])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("postgres starts");
        let mut log = child.stderr.take().expect("its log");
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = log.read(&mut buffer) {
            seen.extend_from_slice(&buffer[..count]);
            if String::from_utf8_lossy(&seen).contains("ready to accept connections") {
                let _ = ready.try_send(());
                seen.clear();
            }
        }
        let _ = child.wait();
    });
    wait.recv().expect("postgres gets ready");
}

/// Postgres refuses root; `setpriv` also ends the child when its parent ends.
fn as_postgres(root: bool, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if root {
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
    }
    command
        .args(["--pdeathsig=INT", "--"])
        .arg(program)
        .current_dir("/");
    command
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout.starts_with(b"0")
}

fn binary(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let installed = versions.map(|entry| entry.path().join("bin").join(name));
    installed
        .filter(|path| path.exists())
        .max()
        .unwrap_or_else(|| PathBuf::from(name))
}
