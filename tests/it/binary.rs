//! The program itself: serving, stopping, dying, and the commands beside it.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::waiting::until;
use mingtang::shell::postgres::Postgres;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

/// The program of this build, or another that `MINGTANG_BIN` names.
fn program() -> Command {
    let built = env!("CARGO_BIN_EXE_mingtang").to_owned();
    let mut command = Command::new(std::env::var("MINGTANG_BIN").unwrap_or(built));
    command.env_remove("DATABASE_URL");
    command
}

pub fn run(data_dir: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = program();
    command.args(arguments).arg("--data-dir").arg(data_dir);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("its input");
    // A command that reads nothing may have closed its input.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A demo server; killed with this value unless it has ended.
pub struct Server {
    pub child: Child,
    pub url: String,
    pub arguments: [String; 4],
}

impl Server {
    pub fn start(data_dir: &Path) -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let listen = free.local_addr().expect("its address").to_string();
        drop(free);
        let arguments = [
            "--listen".to_owned(),
            listen,
            "--media-port".to_owned(),
            "0".to_owned(),
        ];
        Self::start_with(data_dir, arguments)
    }

    pub fn start_with(data_dir: &Path, arguments: [String; 4]) -> Self {
        let mut command = program();
        command
            .args(["serve", "--demo"])
            .args(&arguments)
            .arg("--data-dir")
            .arg(data_dir);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let greeted = lines.any(|line| line.is_ok_and(|line| line.contains("Ctrl-C stops")));
        assert!(greeted, "the server ended: {:?}", child.wait());
        let url = format!("http://{}", arguments[1]);
        Self {
            child,
            url,
            arguments,
        }
    }

    async fn status(&self, path: &str) -> u16 {
        let answer = reqwest::get(format!("{}{path}", self.url)).await;
        answer.expect("it answers").status().as_u16()
    }

    /// Tells it to stop; whether it ended well.
    pub fn stop(mut self) -> bool {
        let pid = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(told.expect("kill runs").success());
        self.child.wait().expect("it ends").success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn data_dir() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

#[tokio::test]
async fn a_demo_server_greets_serves_and_stops_when_told() {
    let data = data_dir();
    let server = Server::start(data.path());
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/openapi.json",
        "/api/server",
    ] {
        assert_eq!(server.status(path).await, 200, "{path}");
    }
    let login = serde_json::json!({"username": "teacher", "password": "mingtang-demo"});
    let request = reqwest::Client::new().post(format!("{}/api/auth/login", server.url));
    assert_eq!(
        request
            .json(&login)
            .send()
            .await
            .expect("an answer")
            .status()
            .as_u16(),
        200
    );
    assert!(server.stop(), "the exit code is 0");
    assert!(
        Postgres::running(data.path()).is_none(),
        "its Postgres ended with it"
    );
}

#[tokio::test]
async fn a_second_server_on_the_data_directory_is_refused_by_the_first_ones_number() {
    let data = data_dir();
    let server = Server::start(data.path());
    let second = run(data.path(), &["serve", "--listen", "127.0.0.1:0"], "");
    assert_eq!(second.status.code(), Some(1));
    let said = text(&second.stderr);
    assert!(
        said.contains(&format!("process {}", server.child.id())),
        "{said}"
    );
    assert_eq!(server.status("/readyz").await, 200);
}

#[tokio::test]
async fn a_killed_server_serves_again_on_the_same_ports_and_data() {
    let data = data_dir();
    let mut server = Server::start(data.path());
    for _ in 0..2 {
        server.child.kill().expect("it is killed");
        server.child.wait().expect("it ends");
        server = Server::start_with(data.path(), server.arguments.clone());
        assert_eq!(server.status("/readyz").await, 200);
    }
    let verified = run(data.path(), &["ledger", "verify"], "");
    assert!(verified.status.success(), "{}", text(&verified.stdout));
}

#[tokio::test]
async fn ledger_verify_passes_beside_a_server_and_names_the_row_that_a_hand_edited() {
    let data = data_dir();
    let server = Server::start(data.path());
    let sound = run(data.path(), &["ledger", "verify"], "");
    assert!(sound.status.success() && text(&sound.stdout).contains("is sound"));
    let anchor = data.path().join("keys/ledger.anchor");
    until("the ledger has an anchor", async || anchor.exists()).await;

    let postgres = Postgres::running(data.path()).expect("it runs");
    let mut connection = PgConnection::connect(postgres.url())
        .await
        .expect("it answers");
    // Whoever may edit by hand may take the guard away first.
    let edit = "alter table ledger_fact disable trigger user;
        update ledger_fact set body = replace(body, 'a', 'b') where seq = 3";
    sqlx::raw_sql(edit)
        .execute(&mut connection)
        .await
        .expect("it is edited");
    let edited = run(data.path(), &["ledger", "verify"], "");
    assert_eq!(edited.status.code(), Some(1));
    assert!(
        text(&edited.stdout).contains("fact 3: "),
        "{}",
        text(&edited.stdout)
    );
    let cut = "alter table ledger_checkpoint disable trigger user; delete from ledger_checkpoint";
    sqlx::raw_sql(cut)
        .execute(&mut connection)
        .await
        .expect("it is cut");
    let cut = run(data.path(), &["ledger", "verify"], "");
    let said = text(&cut.stdout);
    assert!(said.contains("the end is cut off"), "{said}");
    drop(server);
}

#[test]
fn the_first_administrator_is_added_on_the_command_line() {
    let data = data_dir();
    let mut arguments = vec!["user", "add", "--username", "root1", "--name", "王局"];
    arguments.extend(["--role", "system_administrator"]);
    let nowhere = run(data.path(), &arguments, "correct horse 12 battery\n");
    assert!(
        text(&nowhere.stderr).contains("--unit-name"),
        "{}",
        text(&nowhere.stderr)
    );

    arguments.extend(["--unit", "320506", "--unit-name", "吴中区司法局"]);
    let weak = run(data.path(), &arguments, "short\n");
    assert_eq!(weak.status.code(), Some(1));
    let added = run(data.path(), &arguments, "correct horse 12 battery\n");
    assert!(added.status.success(), "{}", text(&added.stderr));
    let again = run(data.path(), &arguments, "correct horse 12 battery\n");
    assert_eq!(again.status.code(), Some(1));
}

#[test]
fn demo_refuses_to_serve_other_machines_and_doctor_says_what_to_mend() {
    let data = data_dir();
    let open = run(
        data.path(),
        &["serve", "--demo", "--listen", "0.0.0.0:0"],
        "",
    );
    assert_eq!(open.status.code(), Some(1));
    assert!(text(&open.stderr).contains("loopback"));

    let healthy = run(data.path(), &["doctor", "--listen", "127.0.0.1:0"], "");
    assert!(text(&healthy.stdout).contains("Postgres is installed"));
    let files = [
        "doctor",
        "--listen",
        "127.0.0.1:0",
        "--tls",
        "absent.pem,absent.key",
    ];
    let broken = run(data.path(), &files, "");
    assert_eq!(broken.status.code(), Some(1));
    assert!(text(&broken.stdout).contains("absent.pem"));
}
