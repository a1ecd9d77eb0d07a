//! A class goes on while its database is away: what the room saw waits in the spool.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use chrono::TimeDelta;
use mingtang::domain::classroom::attendance::Link;
use mingtang::domain::classroom::check::{Answer, Outcome};
use mingtang::domain::classroom::credit::Verdict;
use mingtang::domain::id::{AccountId, AttendanceId};
use mingtang::media::signal::LeaveReason;
use mingtang::service::classroom::view::{AttendanceView, StretchView};
use mingtang::service::{Error, classroom, ledger};
use mingtang::shell::classroom::Attendant;
use mingtang::shell::postgres::Postgres;
use mingtang::shell::spool::SpoolBounds;
use mingtang::store;
use tempfile::TempDir;

use super::class::{Class, actor};
use crate::support::World;

/// Names the data directory for the part of a test that is killed.
const HELD: &str = "MINGTANG_TEST_SPOOL_OF";

/// A class on a Postgres of its own, which can be stopped.
struct Frail {
    class: Class,
    attendant: Attendant,
    postgres: Option<Postgres>,
    folder: TempDir,
}

impl Frail {
    async fn live() -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let (class, attendant, postgres) = frail_class(folder.path()).await;
        Self {
            class,
            attendant,
            postgres: Some(postgres),
            folder,
        }
    }

    fn stop_database(&mut self) {
        self.postgres.take().expect("it runs").stop();
    }

    async fn start_database(&mut self) {
        self.postgres = Some(start(self.folder.path()));
        self.attendant.drain().await.expect("the database is back");
    }

    async fn credited(&self) -> Vec<u64> {
        credited(&self.class).await
    }
}

async fn frail_class(folder: &Path) -> (Class, Attendant, Postgres) {
    let postgres = start(folder);
    let world = World::at(postgres.url()).await;
    world.context.store.migrate().await.expect("a schema");
    let mut class = Class::live_in(world).await;
    let attendant = attendant(&class.context, folder);
    class.attendant = Some(attendant.clone());
    (class, attendant, postgres)
}

fn attendant(context: &mingtang::service::Context, folder: &Path) -> Attendant {
    Attendant::open(context.clone(), folder, SpoolBounds::default()).expect("a spool")
}

fn start(folder: &Path) -> Postgres {
    Postgres::start(folder, 20).expect("Postgres starts")
}

/// The room goes on; browsers and time find no database.
async fn room_alone(class: &Class, seconds: i64) {
    for _ in 0..seconds / 5 {
        class.world.clock.advance(TimeDelta::seconds(5));
        class.presence().await;
    }
}

async fn end(class: &mut Class) {
    classroom::end(&class.context, &class.teacher, class.lesson)
        .await
        .unwrap();
    class.pass(80).await;
}

async fn credited(class: &Class) -> Vec<u64> {
    let mut all = Vec::new();
    for learner in &class.learners {
        let view = view(class, learner.account, class.attendances[&learner.account]).await;
        assert_eq!(view.summary.withheld_seconds, 0);
        all.push(view.summary.credited_seconds);
    }
    all
}

async fn view(class: &Class, account: AccountId, id: AttendanceId) -> AttendanceView {
    let learner = actor(&class.context, account).await;
    classroom::attendance(&class.context, &learner, id)
        .await
        .unwrap()
}

fn code<T>(result: Result<T, Error>) -> &'static str {
    match result {
        Err(Error::Refused(refusal)) => refusal.code,
        Ok(_) | Err(Error::Failed(_)) => "not refused",
    }
}

#[tokio::test]
async fn a_database_away_in_mid_class_changes_nobodys_credit() {
    let mut undisturbed = Class::live().await;
    undisturbed.pass(300 + 240 + 300).await;
    end(&mut undisturbed).await;

    let mut frail = Frail::live().await;
    frail.class.pass(300).await;
    frail.stop_database();
    room_alone(&frail.class, 240).await;
    let start = classroom::pause(
        &frail.class.context,
        &frail.class.teacher,
        frail.class.lesson,
    );
    assert!(start.await.is_err(), "there is no database");
    frail.start_database().await;
    frail.class.pass(300).await;
    end(&mut frail.class).await;
    assert_eq!(frail.credited().await, credited(&undisturbed).await);
    let report = ledger::verify(&frail.class.context, None).await.unwrap();
    assert!(report.is_sound(), "{report:?}");
}

#[tokio::test]
async fn who_leaves_and_comes_back_during_an_outage_loses_just_the_time_between() {
    let mut frail = Frail::live().await;
    let learner = frail.class.demo.learners[0];
    frail.class.pass(300).await;
    frail.stop_database();
    room_alone(&frail.class, 60).await;
    frail
        .class
        .disconnect(learner, LeaveReason::ConnectionLost)
        .await;
    room_alone(&frail.class, 60).await;
    frail.class.connect(learner).await;
    room_alone(&frail.class, 60).await;
    frail.start_database().await;
    frail.class.pass(300).await;
    end(&mut frail.class).await;
    let credited = frail.credited().await;
    assert_eq!(credited[1] - credited[0], 60, "{credited:?}");
}

#[tokio::test]
async fn an_absence_that_grew_long_during_an_outage_needs_a_new_check_all_the_same() {
    let mut frail = Frail::live().await;
    let learner = frail.class.demo.learners[0];
    frail.class.pass(300).await;
    frail.stop_database();
    room_alone(&frail.class, 5).await;
    frail
        .class
        .disconnect(learner, LeaveReason::ConnectionLost)
        .await;
    room_alone(&frail.class, 125).await;
    frail.class.connect(learner).await;
    frail.start_database().await;
    let rows = "select kind from ledger_fact where body like '%' || $1 || '%' order by seq";
    let mut hand = frail.class.world.hand().await;
    let kinds: Vec<String> = sqlx::query_scalar(rows)
        .bind(frail.class.attendances[&learner].to_string())
        .fetch_all(&mut hand)
        .await
        .unwrap();
    let last: Vec<&str> = kinds.iter().rev().take(3).map(String::as_str).collect();
    assert_eq!(last, ["link_up", "check_owed", "long_absence"], "{kinds:?}");
}

#[tokio::test]
async fn a_prompt_open_when_the_database_goes_ends_as_interrupted_and_is_held_against_nobody() {
    let mut frail = Frail::live().await;
    let learner = frail.class.demo.learners[0];
    let prompt = frail.class.until_prompt(learner).await;
    frail.stop_database();
    room_alone(&frail.class, 90).await;
    let (context, actor) = (&frail.class.context, &frail.class.learners[0]);
    let (check, nonce) = (prompt.check_id, &prompt.nonce);
    let answered = classroom::answer(context, actor, check, nonce, &Answer::Present).await;
    assert_eq!(
        code(answered),
        "lesson.catching_up",
        "nothing is decided before what was seen earlier is stored"
    );
    frail.start_database().await;
    let row = frail.class.row(learner).await;
    assert_eq!(row.last_outcome, Some(Outcome::Interrupted));
    frail.class.attentive.push(learner);
    frail.class.pass(300).await;
    end(&mut frail.class).await;
    let credited = frail.credited().await;
    assert_eq!(credited[0], credited[1]);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_costs_what_was_seen_of_it_and_holds_up_nobody() {
    let mut class = Class::live().await;
    class.pass(60).await;
    let folder = tempfile::tempdir().expect("a directory");
    class.attendant = Some(attendant(&class.context, folder.path()));
    let mut hand = class.world.hand().await;
    sqlx::query("update attendance set state = '{}' where account_id = $1")
        .bind(class.demo.learners[0].0)
        .execute(&mut hand)
        .await
        .unwrap();
    class
        .disconnect(class.demo.learners[0], LeaveReason::ConnectionLost)
        .await;
    assert!(!class.context.behind.is_set(), "the database is there");
    let other = class.demo.learners[1];
    class.disconnect(other, LeaveReason::ConnectionLost).await;
    let id = class.attendances[&other];
    let mut db = class.context.store.reader().await.unwrap();
    let stored = store::attendance::find(&mut db, id).await.unwrap().unwrap();
    let link = stored.attendance.link();
    assert!(matches!(link, Link::Down { .. }), "{link:?}");
}

#[tokio::test]
async fn a_server_killed_while_its_database_is_away_replays_the_spool_at_the_next_start() {
    let folder = tempfile::tempdir().expect("a directory");
    let mut killed = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "classroom::outage::a_class_to_be_killed"])
        .arg("--nocapture")
        .env(HELD, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let output = BufReader::new(killed.stdout.take().expect("its output"));
    let mut lines = output.lines().map_while(Result::ok);
    let said = lines.find_map(|line| line.split_once("away: ").map(|(_, said)| said.to_owned()));
    let said = said.expect("it comes to the outage");
    killed.kill().expect("it can be killed");
    assert_eq!(killed.wait().expect("it ends").signal(), Some(9));
    // The last write was never finished.
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(folder.path().join("spool/sightings"))
        .expect("the spool");
    file.write_all(&[0, 0, 1, 0, 7, 7]).expect("written");

    let postgres = start(folder.path());
    let world = World::at(postgres.url()).await;
    world.clock.advance(TimeDelta::seconds(300 + 120 + 30));
    let attendant = attendant(&world.context, folder.path());
    assert!(world.context.behind.is_set());
    assert_eq!(attendant.drain().await.expect("taken in"), 120 / 5);
    assert!(!world.context.behind.is_set());
    assert_eq!(attendant.drain().await.expect("nothing waits"), 0);
    assert_eq!(classroom::recover(&world.context).await.unwrap(), 3);
    for attendance in said.split(' ') {
        let (account, id) = attendance
            .split_once('=')
            .expect("an account and its attendance");
        let learner = actor(&world.context, account.parse().unwrap()).await;
        let view = classroom::attendance(&world.context, &learner, id.parse().unwrap())
            .await
            .unwrap();
        let counts = |stretch: &&StretchView| stretch.verdict != Verdict::Withheld;
        let seconds: u64 = view
            .stretches
            .iter()
            .filter(counts)
            .map(|s| s.seconds)
            .sum();
        assert_eq!(
            (seconds, view.summary.withheld_seconds),
            (300 + 120, 0),
            "{view:?}"
        );
    }
    assert!(
        ledger::verify(&world.context, None)
            .await
            .unwrap()
            .is_sound()
    );
    postgres.stop();
}

/// Run by the test above in a process of its own; without its variable there is nothing to do.
#[tokio::test]
async fn a_class_to_be_killed() {
    let Some(folder) = std::env::var_os(HELD) else {
        return;
    };
    let (mut class, _, postgres) = frail_class(Path::new(&folder)).await;
    class.pass(300).await;
    postgres.stop();
    room_alone(&class, 120).await;
    let attendances = class.attendances.iter();
    let said: Vec<String> = attendances
        .map(|(account, id)| format!("{account}={id}"))
        .collect();
    println!("away: {}", said.join(" "));
    std::future::pending::<()>().await;
}
