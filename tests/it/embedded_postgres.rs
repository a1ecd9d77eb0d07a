//! The private Postgres: made once, kept over restarts, and whole after every kind of death.

use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::waiting::until;
use mingtang::shell::data_dir::{DataDir, Error};
use mingtang::shell::postgres::Postgres;
use sqlx::{Connection, PgConnection};

/// Names the data directory to the process that [`a_server_to_be_killed`] becomes.
const HELD: &str = "IT_POSTGRES_HELD";
const CONNECTIONS_MAX: u32 = 5;

fn start(data_dir: &Path) -> Postgres {
    Postgres::start(data_dir, CONNECTIONS_MAX).expect("Postgres starts")
}

async fn execute(url: &str, statement: &'static str) {
    let mut connection = PgConnection::connect(url)
        .await
        .expect("it takes connections");
    sqlx::query(statement)
        .execute(&mut connection)
        .await
        .expect(statement);
}

async fn notes(url: &str) -> Vec<String> {
    let mut connection = PgConnection::connect(url)
        .await
        .expect("it takes connections");
    let rows = sqlx::query_scalar("select body from note order by body");
    rows.fetch_all(&mut connection)
        .await
        .expect("the table is there")
}

fn kill(pid: u32) {
    let status = Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(status.expect("kill runs").success());
}

#[tokio::test]
async fn what_is_written_outlives_a_stop_and_a_start() {
    let folder = tempfile::tempdir().expect("a directory");
    let postgres = start(folder.path());
    execute(postgres.url(), "create table note (body text)").await;
    execute(postgres.url(), "insert into note values ('明堂')").await;
    postgres.stop();
    assert!(Postgres::running(folder.path()).is_none());

    let postgres = start(folder.path());
    assert_eq!(notes(postgres.url()).await, ["明堂"]);
    let beside = Postgres::running(folder.path()).expect("another process finds it");
    assert_eq!(notes(beside.url()).await, ["明堂"]);
    postgres.stop();
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_is_reached_all_the_same() {
    let folder = tempfile::tempdir().expect("a directory");
    let deep = folder
        .path()
        .join("long".repeat(20))
        .join("longer".repeat(10));
    std::fs::create_dir_all(&deep).expect("directories");
    let postgres = start(&deep);
    execute(postgres.url(), "select 1").await;
    postgres.stop();
}

#[tokio::test]
async fn a_cluster_may_lie_below_a_directory_that_its_user_cannot_enter() {
    let folder = tempfile::tempdir().expect("a directory");
    let private = Permissions::from_mode(0o700);
    std::fs::set_permissions(folder.path(), private).expect("it is ours");
    let postgres = start(folder.path());
    execute(postgres.url(), "select 1").await;
    postgres.stop();
}

#[test]
fn a_second_server_on_a_data_directory_is_refused_with_the_first_ones_process() {
    let folder = tempfile::tempdir().expect("a directory");
    let first = DataDir::take(folder.path()).expect("the first takes it");
    let refusal = DataDir::take(folder.path()).expect_err("the second does not");
    assert!(matches!(&refusal, Error::InUse { pid, .. } if *pid == std::process::id().to_string()));
    assert!(refusal.to_string().contains("--data-dir"), "{refusal}");
    assert!(DataDir::holder(folder.path()).is_some());
    drop(first);
    assert!(DataDir::holder(folder.path()).is_none());
    DataDir::take(folder.path()).expect("after the first it is free");
}

#[tokio::test]
async fn a_killed_postmaster_is_started_again_with_everything_committed() {
    let folder = tempfile::tempdir().expect("a directory");
    let postgres = start(folder.path());
    execute(postgres.url(), "create table note (body text)").await;
    execute(postgres.url(), "insert into note values ('kept')").await;
    let killed = postgres.pid();
    kill(killed);
    until("another postmaster", async || {
        !matches!(postgres.pid(), 0) && postgres.pid() != killed
    })
    .await;
    until("its socket", async || {
        Postgres::running(folder.path()).is_some()
    })
    .await;
    // The log is being replayed until it answers.
    until("an answer", async || {
        PgConnection::connect(postgres.url()).await.is_ok()
    })
    .await;
    assert_eq!(notes(postgres.url()).await, ["kept"]);
    postgres.stop();
}

#[tokio::test]
async fn after_a_server_is_killed_the_next_start_finds_everything_committed() {
    let folder = tempfile::tempdir().expect("a directory");
    for round in ["one", "two"] {
        let mut server = Command::new(std::env::current_exe().expect("this program"))
            .args([
                "--exact",
                "embedded_postgres::a_server_to_be_killed",
                "--nocapture",
            ])
            .env(HELD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let output = BufReader::new(server.stdout.take().expect("its output"));
        let mut lines = output.lines().map_while(Result::ok);
        assert!(
            lines.any(|line| line.contains("it serves")),
            "round {round}"
        );
        server.kill().expect("it can be killed");
        assert_eq!(server.wait().expect("it ends").signal(), Some(9));

        let held = DataDir::take(folder.path()).expect("its lock died with it");
        let postgres = start(held.path());
        assert!(!notes(postgres.url()).await.is_empty(), "round {round}");
        postgres.stop();
    }
}

/// Run by the test above in a process of its own; without its variable there is nothing to do.
#[tokio::test]
async fn a_server_to_be_killed() {
    let Some(folder) = std::env::var_os(HELD) else {
        return;
    };
    let held = DataDir::take(Path::new(&folder)).expect("the directory is free");
    let postgres = start(held.path());
    execute(
        postgres.url(),
        "create table if not exists note (body text)",
    )
    .await;
    execute(postgres.url(), "insert into note values ('committed')").await;
    println!("it serves");
    std::future::pending::<()>().await;
}

#[test]
fn a_pid_file_that_names_an_unrelated_process_does_not_keep_postgres_from_starting() {
    let folder = tempfile::tempdir().expect("a directory");
    start(folder.path()).stop();
    let stale = format!("{}\n/proc/self/cwd\n", std::process::id());
    std::fs::write(folder.path().join("postgres/postmaster.pid"), stale).expect("it is written");
    start(folder.path()).stop();
}
