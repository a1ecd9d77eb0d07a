//! In a lesson's room the lesson's rules decide over devices and players, whatever a token grants.

use chrono::{TimeDelta, Utc};
use mingtang::service::demo;
use serde_json::json;

use super::Server;
use super::client::{offer_of, post};
use crate::media::client::{Client, token_with};
use crate::server::{Client as Person, PASSWORD};

async fn offer(publishes: bool) -> String {
    offer_of(&Client::new(publishes).await).await
}

/// The offer with its picture a second time, as a screen beside the camera would be.
fn with_second_picture(offer: &str) -> String {
    let at = offer.find("m=video").unwrap();
    let (head, picture) = offer.split_at(at);
    let mid = super::client::value(picture, "a=mid:");
    let second = picture
        .replace(&format!("a=mid:{mid}\r\n"), "a=mid:second\r\n")
        .replace("1002", "2002");
    let bundle = super::client::value(head, "a=group:BUNDLE ");
    let head = head.replace(
        &format!("a=group:BUNDLE {bundle}"),
        &format!("a=group:BUNDLE {bundle} second"),
    );
    format!("{head}{picture}{second}")
}

/// A running lesson: its room, and the learner's identity in it.
async fn lesson(server: &Server) -> (String, String) {
    let demo = demo::seed(&server.world.context, PASSWORD).await.unwrap();
    let teacher = sign_in(server, "teacher").await;
    let now = Utc::now();
    let body = json!({
        "title": "法治课", "unit_id": demo.county.id, "learner_ids": [demo.learners[0]],
        "starts_at": now, "ends_at": now + TimeDelta::hours(1),
    });
    let lesson = teacher.post("/api/lessons", body).await.json();
    let id = lesson["id"].as_str().unwrap();
    let path = |order: &str| format!("/api/lessons/{id}/{order}");
    let started = teacher.post(&path("start"), json!({})).await;
    assert_eq!(started.status, 200, "{started:?}");
    let learner = sign_in(server, "learner1").await;
    let joined = learner
        .post(&path("join"), json!({"device_id": "phone"}))
        .await;
    let text = |name: &str| joined.json()[name].as_str().unwrap().to_owned();
    (text("room"), text("identity"))
}

async fn sign_in(server: &Server, username: &str) -> Person {
    let mut person = Person::stranger(server.base.clone());
    let answer = person.log_in(username, PASSWORD).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    person
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lessons_rules_beat_what_a_token_grants_to_a_device_or_a_player() {
    let server = Server::start().await;
    let (room, learner) = lesson(&server).await;
    let (whip, whep) = (format!("/whip/{room}"), format!("/whep/{room}"));
    let grant = |publish: bool| {
        json!({
            "room": room, "roomJoin": true, "canPublish": publish, "canSubscribe": publish,
            "canPublishSources": if publish { json!([]) } else { json!(["screen_share"]) },
        })
    };
    let (one, two) = (offer(true).await, with_second_picture(&offer(true).await));
    let receives = offer(false).await;
    let nobody = uuid::Uuid::nil().to_string();
    for (identity, granted, path, offer, status) in [
        // Learners show themselves and speak, and share no screen.
        (&learner, true, &whip, &one, 201),
        (&learner, true, &whip, &two, 403),
        (&learner, false, &whip, &one, 201),
        (&learner, false, &whep, &receives, 201),
        (&nobody, true, &whip, &one, 404),
        (&nobody, true, &whep, &receives, 404),
    ] {
        let token = token_with(identity, grant(granted));
        let posted = post(&server, path, &token, offer.clone()).await;
        assert_eq!(posted.status, status, "{path} {granted} {posted:?}");
    }
    server.plane.stop();
}
