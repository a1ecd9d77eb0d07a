//! Keeping units and people: what is kept, what is refused, what the audit stream tells.

use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{Client, PASSWORD, Server};

async fn person(client: &Client, username: &str) -> Value {
    let people = client.get(&format!("/api/people?q={username}")).await;
    people.item("username", username)
}

#[tokio::test]
async fn units_are_listed_from_the_top_of_what_one_works_for() {
    let server = Server::start().await;
    let names = |value: Value| {
        let items = value["items"].as_array().unwrap().clone();
        items
            .iter()
            .map(|unit| unit["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let officer = server.sign_in("officer").await;
    let seen = names(officer.get("/api/units").await.json());
    assert_eq!(seen, ["吴中区司法局", "木渎司法所", "甪直司法所"]);
    let seen = names(server.sign_in("admin").await.get("/api/units").await.json());
    assert_eq!((seen.len(), seen[0].as_str()), (6, "司法部"));
}

#[tokio::test]
async fn a_unit_is_added_below_ones_own_and_codes_stay_unique() {
    let server = Server::start().await;
    let officer = server.sign_in("officer").await;
    let (county, township) = (server.demo.county.id, server.demo.township.id);
    let new = json!({"parent_id": county, "name": " 胥口司法所 ", "code": "320506105"});
    let added = officer.post("/api/units", new.clone()).await;
    assert_eq!(
        (added.status.as_u16(), &added.json()["name"]),
        (201, &json!("胥口司法所"))
    );
    assert_eq!(added.json()["level"], 5);
    let again = officer.post("/api/units", new).await;
    assert_eq!(again.outcome(), (409, "unit.code_taken".into()));
    let same_name = json!({"parent_id": county, "name": "胥口司法所", "code": "1"});
    let same_name = officer.post("/api/units", same_name).await;
    assert_eq!(same_name.outcome(), (409, "unit.name_taken".into()));
    let village = json!({"parent_id": township, "name": "村", "code": "2"});
    assert_eq!(
        officer.post("/api/units", village).await.code(),
        "unit.too_deep"
    );
    let above = server.demo.county.parent_id;
    let above = json!({"parent_id": above, "name": "别的区", "code": "3"});
    assert_eq!(
        officer.post("/api/units", above).await.outcome(),
        (404, "unit.not_found".into())
    );
    let path = format!("/api/units/{}", added.json()["id"].as_str().unwrap());
    let renamed = officer
        .patch(&path, json!({"name": "胥口镇司法所"}))
        .await
        .json();
    assert_eq!(
        (&renamed["name"], &renamed["code"]),
        (&json!("胥口镇司法所"), &json!("320506105"))
    );
}

#[tokio::test]
async fn a_person_is_added_with_an_account_and_can_sign_in() {
    let server = Server::start().await;
    let officer = server.sign_in("officer").await;
    let new = json!({"name": "何秋实", "unit_id": server.demo.township.id, "kind": "subject",
        "username": "hqs", "password": PASSWORD, "role": "learner"});
    let added = officer.post("/api/people", new.clone()).await;
    assert_eq!(added.status, 201, "{added:?}");
    assert_eq!(added.json()["roles"][0]["role"], "learner");
    let learner = server.sign_in("hqs").await;
    assert_eq!(learner.me["may"], json!([]));
    let mut again = new.clone();
    again["username"] = json!("HQS");
    let again = officer.post("/api/people", again).await;
    assert_eq!(again.outcome(), (409, "person.username_taken".into()));
    let before = officer.get("/api/people").await.json()["total"].clone();
    assert_eq!(before, 6, "the refused person was not half added");
    for (field, value, code) in [
        ("role", json!("teacher"), "person.subject_role"),
        ("password", json!("short"), "person.password"),
        ("username", Value::Null, "person.half_an_account"),
        ("name", json!(" "), "person.name"),
        ("kind", json!("robot"), "request.malformed"),
    ] {
        let mut bad = new.clone();
        bad["username"] = json!("other");
        bad[field] = value;
        assert_eq!(officer.post("/api/people", bad).await.code(), code);
    }
}

#[tokio::test]
async fn people_are_found_by_unit_role_and_text_and_only_where_one_works() {
    let server = Server::start().await;
    let officer = server.sign_in("officer").await;
    let total = async |query: &str| {
        let people = officer.get(&format!("/api/people?{query}")).await;
        people.json()["total"]
            .as_u64()
            .unwrap_or_else(|| panic!("{people:?}"))
    };
    assert_eq!(total("").await, 5, "the administrator stands above");
    assert_eq!(total("role=learner").await, 3);
    assert_eq!(
        total(&format!("unit_id={}", server.demo.township.id)).await,
        3
    );
    assert_eq!(
        total(&format!("unit_id={}", server.demo.sibling.id)).await,
        0
    );
    assert_eq!(total("q=LEARNER").await, 3);
    assert_eq!(total("q=%E5%91%A8").await, 1, "周");
    assert_eq!(total("q=%25").await, 0, "a per cent sign is only itself");
    assert_eq!(total("page=2&page_size=2").await, 5);
    let page = officer.get("/api/people?page=3&page_size=2").await.json();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        officer.get("/api/people?page_size=201").await.code(),
        "request.page"
    );
    assert_eq!(
        officer.get("/api/people?page=x").await.code(),
        "request.malformed"
    );
}

#[tokio::test]
async fn roles_are_given_and_taken_within_ones_reach() {
    let server = Server::start().await;
    let officer = server.sign_in("officer").await;
    let teacher = person(&officer, "teacher").await;
    let path = format!("/api/people/{}/roles", teacher["id"].as_str().unwrap());
    let role = |role: &str, unit| json!({"role": role, "unit_id": unit});
    let county = server.demo.county.id;
    let given = officer
        .post(&path, role("unit_officer", server.demo.township.id))
        .await;
    assert_eq!(given.json()["roles"].as_array().unwrap().len(), 2);
    let twice = officer
        .post(&path, role("unit_officer", server.demo.township.id))
        .await;
    assert_eq!(twice.json()["roles"].as_array().unwrap().len(), 2);
    let refused = officer
        .post(&path, role("system_administrator", county))
        .await;
    assert_eq!(refused.outcome(), (403, "auth.forbidden".into()));
    let taken = officer
        .call(Method::DELETE, &path, role("teacher", county))
        .await;
    assert_eq!(taken.json()["roles"][0]["role"], "unit_officer");
    let own = format!(
        "/api/people/{}/roles",
        officer.me["person_id"].as_str().unwrap()
    );
    let own = officer
        .call(Method::DELETE, &own, role("unit_officer", county))
        .await;
    assert_eq!(own.outcome(), (409, "person.own_account".into()));
}

#[tokio::test]
async fn nobody_takes_over_an_account_that_stands_above_them() {
    let server = Server::start().await;
    let (admin, officer) = (
        server.sign_in("admin").await,
        server.sign_in("officer").await,
    );
    let new = json!({"name": "高处", "unit_id": server.demo.county.id, "kind": "staff",
        "username": "higher", "password": PASSWORD, "role": "system_administrator"});
    let id = admin.post("/api/people", new).await.json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let reset = format!("/api/people/{id}/password");
    let reset = officer
        .post(&reset, json!({"new_password": "mine from now on"}))
        .await;
    assert_eq!(reset.outcome(), (403, "auth.forbidden".into()));
    let bar = officer
        .patch(&format!("/api/people/{id}"), json!({"disabled": true}))
        .await;
    assert_eq!(bar.outcome(), (403, "auth.forbidden".into()));
    let above = admin.me["person_id"].as_str().unwrap();
    let unseen = officer
        .patch(&format!("/api/people/{above}"), json!({"name": "x"}))
        .await;
    assert_eq!(unseen.outcome(), (404, "person.not_found".into()));
}

#[tokio::test]
async fn a_reset_password_ends_all_sessions_of_its_owner() {
    let server = Server::start().await;
    let officer = server.sign_in("officer").await;
    let mut learner = server.sign_in("learner3").await;
    let path = format!(
        "/api/people/{}/password",
        learner.me["person_id"].as_str().unwrap()
    );
    let reset = officer
        .post(&path, json!({"new_password": "another phrase"}))
        .await;
    assert_eq!(reset.status, 204);
    assert_eq!(learner.get("/api/me").await.status, 401);
    assert_eq!(
        learner.log_in("learner3", "another phrase").await.status,
        200
    );
}

#[tokio::test]
async fn the_audit_stream_names_who_did_what_to_whom_and_pages_backwards() {
    let server = Server::start().await;
    let admin = server.sign_in("admin").await;
    server.stranger().log_in("officer", "a guess at it").await;
    server.stranger().log_in("nobody", "a guess at it").await;
    let learner = person(&admin, "learner1").await;
    let path = format!("/api/people/{}", learner["id"].as_str().unwrap());
    admin.patch(&path, json!({"disabled": true})).await;
    let audit = admin.get("/api/audit").await;
    let barred = audit.item("action", "account_disabled");
    assert_eq!(
        (&barred["actor"], &barred["subject"]),
        (&json!("顾明远"), &json!("周子安"))
    );
    let failed = audit.json()["items"].as_array().unwrap().clone();
    let failed: Vec<_> = failed
        .iter()
        .filter(|fact| fact["action"] == "sign_in_failed")
        .collect();
    let subjects: Vec<_> = failed.iter().map(|fact| &fact["subject"]).collect();
    assert_eq!(subjects, [&Value::Null, &json!("沈若兰")]);
    let newest = audit.json()["items"][0]["seq"].as_u64().unwrap();
    let older = admin
        .get(&format!("/api/audit?before={newest}&limit=2"))
        .await
        .json();
    let seqs: Vec<_> = older["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fact| fact["seq"].as_u64())
        .collect();
    assert_eq!(seqs, [Some(newest - 1), Some(newest - 2)]);
    assert!(
        mingtang::service::ledger::verify(&server.world.context, None)
            .await
            .unwrap()
            .is_sound()
    );
}

#[tokio::test]
async fn demo_data_is_seeded_once() {
    let server = Server::start().await;
    let again = mingtang::service::demo::seed(&server.world.context, PASSWORD)
        .await
        .unwrap();
    assert_eq!(again.learners, server.demo.learners);
    let admin = server.sign_in("admin").await;
    assert_eq!(admin.get("/api/people").await.json()["total"], 6);
}
