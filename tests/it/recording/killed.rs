//! A server that is killed while it records loses at most the open segment.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::binary::{Server, run, text};
use crate::media::client::{Client, Kind, Way};
use crate::media::{FRAME, payload};
use crate::server::Client as Browser;
use crate::waiting::coming;

/// Somebody at a demo server.
async fn signed_in(server: &Server, username: &str) -> Browser {
    let mut browser = Browser::stranger(server.url.clone());
    let answer = browser.log_in(username, "mingtang-demo").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    browser
}

/// A lesson of the teacher that is being held and recorded.
async fn recorded_lesson(teacher: &Browser) -> String {
    let unit = &teacher.me["unit"]["id"];
    let now = chrono::Utc::now();
    let body = json!({
        "title": "录制", "unit_id": unit, "learner_ids": [],
        "starts_at": now, "ends_at": now + chrono::TimeDelta::hours(1),
    });
    let lesson = teacher.post("/api/lessons", body).await;
    assert_eq!(lesson.status, 201, "{lesson:?}");
    let id = lesson.json()["id"].as_str().unwrap().to_owned();
    teacher
        .post(&format!("/api/lessons/{id}/start"), json!({}))
        .await;
    let order = json!({"action": "start"});
    let started = teacher
        .post(&format!("/api/lessons/{id}/recording"), order)
        .await;
    assert_eq!(started.status, 200, "{started:?}");
    id
}

async fn detail(teacher: &Browser) -> Value {
    let listed = teacher.get("/api/recordings").await.json();
    let id = listed["items"][0]["id"].as_str().unwrap().to_owned();
    teacher.get(&format!("/api/recordings/{id}")).await.json()
}

/// Sends until each of two tracks has more entries than it had.
async fn send_until_written(publisher: &Client, teacher: &Browser, number: &mut u16, more: u64) {
    let mut pace = tokio::time::interval(FRAME);
    let sending = async {
        loop {
            for _ in 0..25 {
                pace.tick().await;
                for kind in [Kind::Audio, Kind::Video] {
                    publisher.send(kind, *number, &payload(kind, *number)).await;
                }
                *number += 1;
            }
            let tracks = detail(teacher).await["tracks"].as_array().unwrap().clone();
            let had = |track: &Value| track["entries"].as_u64().unwrap() >= more;
            if tracks.len() == 2 && tracks.iter().all(had) {
                return;
            }
        }
    };
    coming("segments of both tracks", sending).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_goes_on_recording_with_a_gap_and_all_that_was_written_verifies() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Server::start(data.path());
    let teacher = signed_in(&server, "teacher").await;
    let lesson = recorded_lesson(&teacher).await;
    let identity = teacher.me["account_id"].as_str().unwrap().to_owned();
    let address: SocketAddr = server.arguments[1].parse().unwrap();
    let room = format!("lesson-{lesson}");
    let mut number = 0;
    let publisher = Client::join(Way::Udp, address, &room, &identity, true).await;
    send_until_written(&publisher, &teacher, &mut number, 1).await;

    server.child.kill().unwrap();
    server.child.wait().unwrap();
    publisher.leave().await;
    server = Server::start_with(data.path(), server.arguments.clone());
    let verified = run(data.path(), &["recording", "verify"], "");
    assert!(verified.status.success(), "{}", text(&verified.stdout));
    let teacher = signed_in(&server, "teacher").await;
    let publisher = Client::join(Way::Udp, address, &room, &identity, true).await;
    send_until_written(&publisher, &teacher, &mut number, 3).await;
    let detail = detail(&teacher).await;
    assert_eq!(
        detail["incidents"][0]["incident"], "recorder_restarted",
        "{detail}"
    );
    for track in detail["tracks"].as_array().unwrap() {
        let (id, track) = (&detail["id"], &track["id"]);
        let path = format!(
            "/api/recordings/{}/tracks/{}/entries",
            id.as_str().unwrap(),
            track.as_str().unwrap()
        );
        let entries = teacher.get(&path).await.json()["items"]
            .as_array()
            .unwrap()
            .clone();
        let gap = entries
            .iter()
            .find(|entry| entry["gap"] == "recorder_restarted");
        assert!(gap.is_some(), "{entries:?}");
    }
    assert!(server.stop());
    let verified = run(data.path(), &["recording", "verify"], "");
    assert!(verified.status.success(), "{}", text(&verified.stdout));
    let ledger = run(data.path(), &["ledger", "verify"], "");
    assert!(ledger.status.success(), "{}", text(&ledger.stdout));
}
