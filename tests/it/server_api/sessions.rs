//! The domain's rules over the grants of API keys.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use livekit_protocol as proto;
use mingtang::media::signal::Permissions;
use mingtang::service::call::{Custody, Decision, RoomRules, SessionAdmission};
use proto::signal_request::Message as Request;
use serde_json::{Value, json};

use super::program::{admin, call, done, token};
use crate::signalling::client::Client;
use crate::signalling::server::{Server, start_with};

/// Everybody may enter lessons, and privileged talk in rooms whose names begin with `talk-`.
struct Sessions;

impl RoomRules for Sessions {
    fn permissions<'a>(&'a self, room: &'a str, identity: &'a str) -> Decision<'a> {
        let session = SessionAdmission {
            permissions: Permissions {
                publish: true,
                sources: Vec::new(),
                subscribe: true,
                publish_data: true,
                update_own_metadata: true,
                hidden: false,
                recorder: false,
            },
            name: format!("何{identity}"),
            attributes: BTreeMap::from([("role".to_owned(), "learner".to_owned())]),
            reserved: BTreeSet::new(),
            policy: None,
        };
        let session = (self.custody(room) != Custody::Plain).then_some(session);
        Box::pin(std::future::ready(Ok(session)))
    }

    fn custody(&self, room: &str) -> Custody {
        match room.split_once('-') {
            Some(("lesson", _)) => Custody::Session,
            Some(("talk", _)) => Custody::Sealed,
            Some(_) | None => Custody::Plain,
        }
    }
}

/// Every order over a room, with the token that grants it.
fn orders(room: &str) -> Vec<(&'static str, String, Value)> {
    let maker = token(&json!({"roomCreate": true}));
    let mut orders = vec![
        (
            "CreateRoom",
            maker.clone(),
            json!({"name": room, "metadata": "x"}),
        ),
        ("DeleteRoom", maker, json!({"room": room})),
    ];
    // Methods pass over fields that are not theirs.
    let track = format!("TR_{}", "0".repeat(32));
    let request = json!({
        "room": room, "identity": "ann", "name": "x", "metadata": "x", "trackSid": track,
    });
    for method in [
        "RemoveParticipant",
        "UpdateParticipant",
        "UpdateSubscriptions",
        "SendData",
        "UpdateRoomMetadata",
        "MutePublishedTrack",
    ] {
        orders.push((method, admin(room), request.clone()));
    }
    orders
}

async fn rooms(server: &Server) -> Vec<String> {
    let list = token(&json!({"roomList": true}));
    let listed = done(server, "ListRooms", &list, json!({})).await;
    let rooms = listed["rooms"].as_array().cloned().unwrap_or_default();
    let names = rooms
        .iter()
        .map(|room| room["name"].as_str().unwrap().to_owned());
    names.collect()
}

#[tokio::test]
async fn a_session_takes_no_orders_from_an_api_key_and_shows_it_accounts_without_words() {
    let server = start_with(Arc::new(Sessions)).await;
    let (_ann, join) = Client::join(&server, "lesson-1", "ann").await;
    assert_eq!(join.participant.unwrap().name, "何ann");
    for (method, token, request) in orders("lesson-1") {
        let answer = call(&server, method, &token, request).await;
        assert_eq!(answer.outcome(), (403, "permission_denied"), "{method}");
        assert_eq!(
            answer.json["meta"]["reason"], "admin.session_room",
            "{method}"
        );
    }
    let request = json!({"room": "lesson-1"});
    let listed = done(&server, "ListParticipants", &admin("lesson-1"), request).await;
    let ann = &listed["participants"][0];
    assert_eq!(ann["identity"], "ann");
    for words in ["name", "metadata", "attributes"] {
        assert!(ann[words].is_null(), "{words}: {ann}");
    }
    let request = json!({"room": "lesson-1", "identity": "ann"});
    let shown = done(&server, "GetParticipant", &admin("lesson-1"), request).await;
    assert!(shown["name"].is_null());
    assert_eq!(rooms(&server).await, ["lesson-1"]);
    let unborn = json!({"name": "lesson-2"});
    let maker = token(&json!({"roomCreate": true}));
    let answer = call(&server, "CreateRoom", &maker, unborn).await;
    assert_eq!(
        answer.outcome(),
        (403, "permission_denied"),
        "no lesson is squatted"
    );
}

#[tokio::test]
async fn privileged_talk_is_as_if_it_were_not_there() {
    let server = start_with(Arc::new(Sessions)).await;
    let (mut ann, _) = Client::join(&server, "talk-1", "ann").await;
    for room in ["talk-1", "talk-2"] {
        for (method, token, request) in orders(room) {
            let answer = call(&server, method, &token, request).await;
            assert_eq!(answer.outcome(), (404, "not_found"), "{method}");
        }
        for method in ["ListParticipants", "GetParticipant"] {
            let request = json!({"room": room, "identity": "ann"});
            let answer = call(&server, method, &admin(room), request).await;
            assert_eq!(answer.outcome(), (404, "not_found"), "{method}");
            assert_eq!(
                answer.json["meta"]["reason"], "call.no_such_room",
                "{method}"
            );
        }
    }
    assert!(rooms(&server).await.is_empty());
    let list = token(&json!({"roomList": true}));
    let named = json!({"names": ["talk-1"]});
    assert_eq!(done(&server, "ListRooms", &list, named).await, json!({}));
    ann.say(Request::Ping(1)).await;
    ann.hear_until(|said| matches!(said, proto::signal_response::Message::Pong(_)).then_some(()))
        .await;
}
