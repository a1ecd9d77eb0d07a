//! The hours of a month over HTTP, the files made of them, and what other programs are told.

use std::io::Cursor;
use std::sync::Arc;

use calamine::{Data, Reader as _, Xlsx};
use mingtang::domain::actor::Role;
use mingtang::domain::classroom::hours::Month;
use mingtang::domain::person::PersonKind;
use mingtang::http::App;
use mingtang::service::classroom::redress;
use mingtang::service::setup::{self, NewUser};
use mingtang::service::webhooks::Endpoint;
use mingtang::service::{audit, classroom};
use mingtang::shell::typefaces::Installed;
use mingtang::store;
use serde_json::{Value, json};

use super::class::{Class, actor};
use crate::server::{Client, serve};
use crate::support::World;

const URL: &str = "https://hours.example/hook";
/// The password of [`Class`]'s accounts.
const PASSWORD: &str = "a long demo password";

struct Desk {
    class: Class,
    base: String,
    month: String,
}

impl Desk {
    /// A class that is over.
    async fn open() -> Self {
        let mut world = World::new().await;
        world.context.typefaces = Arc::new(Installed);
        world.context.endpoints = Arc::new(vec![Endpoint {
            number: 1,
            url: URL.to_owned(),
            key: "own".to_owned(),
        }]);
        let mut class = Class::live_in(world).await;
        class.pass(2_000).await;
        classroom::end(&class.context, &class.teacher, class.lesson)
            .await
            .unwrap();
        class.pass(180).await;
        let base = serve(App::new(class.context.clone())).await;
        let month = Month::of(class.context.now()).to_string();
        Self { class, base, month }
    }

    async fn sign_in(&self, username: &str) -> Client {
        let mut client = Client::stranger(self.base.clone());
        let answer = client.log_in(username, PASSWORD).await;
        assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
        client
    }

    fn county(&self) -> String {
        self.class.demo.county.id.to_string()
    }

    async fn standings(&self, officer: &Client) -> Value {
        let path = format!("/api/hours?unit_id={}&month={}", self.county(), self.month);
        officer.get(&path).await.json()
    }

    async fn file(&self, officer: &Client, report: &str, format: &str) -> Vec<u8> {
        let which = format!("unit_id={}&month={}", self.county(), self.month);
        let path = format!("/api/hours/export?{which}&report={report}&format={format}");
        let response = officer
            .request(reqwest::Method::GET, &path)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), 200);
        response.bytes().await.unwrap().to_vec()
    }

    /// An hour that two people add to the first learner's attendance; before and after the second
    /// agrees.
    async fn add_an_hour(&self, officer: &Client) -> (Value, Value) {
        let (context, learner) = (&self.class.context, self.class.demo.learners[0]);
        let attendance = self.class.attendances[&learner];
        let proposed = (3_600, "现场签到表");
        redress::propose(context, &self.class.officer, attendance, proposed)
            .await
            .unwrap();
        let before = of(&self.standings(officer).await, &learner.to_string());
        let own = actor(context, learner).await;
        let view = classroom::attendance(context, &own, attendance)
            .await
            .unwrap();
        let administrator = actor(context, self.class.demo.administrator).await;
        let word = (view.adjustments[0].id, true);
        redress::second(context, &administrator, attendance, word)
            .await
            .unwrap();
        (
            before,
            of(&self.standings(officer).await, &learner.to_string()),
        )
    }

    async fn told(&self) -> Vec<Value> {
        let mut db = self.class.context.store.reader().await.unwrap();
        let waiting = store::webhook::waiting(&mut db, URL, 100).await.unwrap();
        let bodies = waiting.iter();
        bodies
            .map(|one| serde_json::from_str(&one.body).unwrap())
            .collect()
    }
}

fn of(standings: &Value, account: &str) -> Value {
    let items = standings["items"].as_array().unwrap();
    let own = items.iter().find(|one| one["account_id"] == account);
    own.expect("the learner").clone()
}

#[tokio::test]
async fn the_hours_of_a_month_are_measured_by_what_the_nearest_unit_requires() {
    let desk = Desk::open().await;
    let officer = desk.sign_in("officer").await;
    let learner = desk.sign_in("learner1").await;
    let own = learner.get("/api/hours/mine").await.json();
    let credited = own["credited_seconds"].as_u64().unwrap();
    assert!(credited > 1_000, "{own}");
    assert_eq!(
        (&own["required_seconds"], &own["forecast"]),
        (&json!(28_800), &json!("short"))
    );
    let required = json!({
        "unit_id": desk.county(), "month": desk.month, "required_seconds": credited,
    });
    let refused = learner
        .post("/api/hours/requirements", required.clone())
        .await;
    assert_eq!(refused.outcome(), (403, "auth.forbidden".to_owned()));
    let issued = officer.post("/api/hours/requirements", required).await;
    assert_eq!(
        (issued.status.as_u16(), &issued.json()["version"]),
        (201, &json!(1))
    );
    let own = learner.get("/api/hours/mine").await.json();
    assert_eq!(
        (&own["forecast"], &own["requirement_version"]),
        (&json!("reached"), &json!(1))
    );
    let past = json!({"unit_id": desk.county(), "month": "2020-01", "required_seconds": 60});
    let past = officer.post("/api/hours/requirements", past).await;
    assert_eq!(past.outcome(), (409, "hours.past".to_owned()));
    let standings = desk.standings(&officer).await;
    assert_eq!(
        of(&standings, &desk.class.demo.learners[0].to_string())["forecast"],
        "reached"
    );
}

#[tokio::test]
async fn an_officer_reads_no_hours_beyond_the_own_units() {
    let desk = Desk::open().await;
    let neighbour = NewUser {
        username: "sibling",
        password: PASSWORD,
        name: "邻所长",
        kind: PersonKind::Staff,
        role: Role::UnitOfficer,
        unit: desk.class.demo.sibling.id,
    };
    setup::add_user(&desk.class.context, neighbour)
        .await
        .unwrap();
    let officer = desk.sign_in("sibling").await;
    let county = desk.county();
    for path in ["/api/hours", "/api/hours/ledger", "/api/hours/requirements"] {
        let answer = officer.get(&format!("{path}?unit_id={county}")).await;
        let refused = (404, "unit.not_found".to_owned());
        assert_eq!(answer.outcome(), refused, "{path}");
    }
    let query = format!("unit_id={county}&month=2027-01&report=ledger&format=csv");
    let answer = officer.get(&format!("/api/hours/export?{query}")).await;
    assert_eq!(answer.outcome(), (404, "unit.not_found".to_owned()));
    let own = officer.get("/api/hours").await.json();
    let learner = desk.class.demo.learners[0].to_string();
    let items = own["items"].as_array().unwrap();
    assert!(
        items
            .iter()
            .all(|one| one["account_id"] != learner.as_str())
    );
}

#[tokio::test]
async fn an_hour_that_waits_for_a_second_person_stands_apart_until_the_ledger_names_both() {
    let desk = Desk::open().await;
    let officer = desk.sign_in("officer").await;
    let (before, after) = desk.add_an_hour(&officer).await;
    let seconds = |view: &Value, of: &str| view[of].as_u64().unwrap();
    assert_eq!(seconds(&before, "contested_seconds"), 3_600);
    assert_eq!(seconds(&after, "contested_seconds"), 0);
    assert_eq!(
        seconds(&after, "credited_seconds"),
        seconds(&before, "credited_seconds") + 3_600
    );
    let path = format!(
        "/api/hours/ledger?unit_id={}&month={}",
        desk.county(),
        desk.month
    );
    let ledger = officer.get(&path).await.json();
    let lines = ledger["items"].as_array().unwrap();
    let adjusted = lines.iter().find_map(|line| line["adjustments"].get(0));
    let adjusted = adjusted.expect("an adjustment");
    assert_eq!(adjusted["seconds"], 3_600);
    assert_ne!(adjusted["proposed_by"], adjusted["approved_by"]);
    assert_eq!(ledger["total"], 3);
}

#[tokio::test]
async fn the_ledger_says_the_same_in_csv_and_xlsx_and_the_audit_names_who_took_it() {
    let desk = Desk::open().await;
    let officer = desk.sign_in("officer").await;
    let csv = desk.file(&officer, "ledger", "csv").await;
    let csv = csv
        .strip_prefix("\u{feff}".as_bytes())
        .expect("a byte order mark");
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(csv);
    let records: Vec<Vec<String>> = reader
        .records()
        .map(|record| record.unwrap().iter().map(str::to_owned).collect())
        .collect();
    let xlsx = desk.file(&officer, "ledger", "xlsx").await;
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(xlsx)).unwrap();
    let sheet = workbook.worksheet_range("报表").unwrap();
    let rows: Vec<Vec<String>> = sheet
        .rows()
        .map(|row| row.iter().map(Data::to_string).collect())
        .collect();
    assert_eq!((records.len(), &records), (4, &rows));
    assert_eq!(records[1][2], "社区矫正法");
    for report in ["month", "ledger"] {
        let pdf = desk.file(&officer, report, "pdf").await;
        assert!(pdf.starts_with(b"%PDF-"), "{report}");
    }
    let administrator = actor(&desk.class.context, desk.class.demo.administrator).await;
    let entries = audit::list(&desk.class.context, &administrator, None, 50)
        .await
        .unwrap();
    let exported = entries.iter().filter(|one| one.action == "hours_exported");
    assert_eq!(exported.count(), 4);
}

#[tokio::test]
async fn other_programs_are_told_of_closed_attendances_and_of_changed_credit_without_names() {
    let desk = Desk::open().await;
    let events = |told: &[Value]| -> Vec<String> {
        let names = told.iter().map(|one| one["event"].as_str().unwrap());
        names.map(str::to_owned).collect()
    };
    let closed = desk.told().await;
    assert_eq!(events(&closed), ["attendance_closed"; 3]);
    let officer = desk.sign_in("officer").await;
    desk.add_an_hour(&officer).await;
    let told = desk.told().await;
    assert_eq!(events(&told[3..]), ["credit_changed"]);
    let figures = &told[3]["attendance"];
    assert_eq!(figures["adjusted_seconds"], 3_600);
    let first = closed
        .iter()
        .find(|one| one["attendance"]["id"] == figures["id"]);
    let before = first.unwrap()["attendance"]["credited_seconds"].as_u64();
    assert_eq!(
        figures["credited_seconds"].as_u64(),
        before.map(|s| s + 3_600)
    );
    let members: Vec<&String> = figures.as_object().unwrap().keys().collect();
    assert!(
        members.iter().all(|name| !name.contains("name")),
        "{members:?}"
    );
}
