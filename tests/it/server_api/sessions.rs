//! The domain's rules over the grants of API keys.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use livekit_protocol as proto;
use mingtang::domain::id::TransportId;
use mingtang::http::livekit::webhook::Watch;
use mingtang::media::command::{Command, Event};
use mingtang::media::signal::Permissions;
use mingtang::service::call::{Custody, Decision, RoomRules, SessionAdmission};
use mingtang::shell::clock::SystemClock;
use mingtang::shell::entropy::OsEntropy;
use proto::signal_request::Message as Request;
use serde_json::{Value, json};

use super::program::{admin, call, done, token, track};
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
            camera_is_read: false,
            players_shown: true,
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

/// Lets every transport that was opened connect.
async fn connect(server: &Server) {
    let opened: Vec<TransportId> = {
        let commands = server.commands.0.lock().unwrap();
        let opened = commands.iter().filter_map(|command| match command {
            Command::OpenTransport(config) => Some(config.transport),
            _ => None,
        });
        opened.collect()
    };
    for transport in opened {
        let setup = std::time::Duration::ZERO;
        let connected = Event::TransportConnected { transport, setup };
        server.events.send(connected).await.unwrap();
    }
}

/// The events of somebody who comes, publishes and goes.
async fn events(room: &str) -> Vec<Value> {
    let mut server = start_with(Arc::new(Sessions)).await;
    let clock = Arc::new(SystemClock);
    let mut watch = Watch::new(server.call.clone(), clock, Arc::new(OsEntropy));
    let token = server.token(room, "ann");
    let (mut ann, _) = Client::join_with(&server, &token, None).await;
    let mic = track(
        "mic",
        proto::TrackType::Audio,
        proto::TrackSource::Microphone,
    );
    ann.say(Request::AddTrack(mic)).await;
    ann.say(Request::Offer(proto::SessionDescription {
        r#type: "offer".to_owned(),
        sdp: super::program::PUBLISH.to_owned(),
        id: 1,
        ..Default::default()
    }))
    .await;
    while ann.news_of("ann").await.tracks.is_empty() {}
    connect(&server).await;
    while ann.news_of("ann").await.state() != proto::participant_info::State::Active {}
    ann.say(Request::Leave(proto::LeaveRequest::default()))
        .await;
    ann.farewell().await;
    let mut events = Vec::new();
    loop {
        let (name, fact) = server.fact().await;
        let is_last = matches!(fact, mingtang::media::room::RoomFact::Closed { .. });
        let event = watch.note(&name, &fact);
        events.extend(event.map(|event| serde_json::from_str::<Value>(&event.body).unwrap()));
        if is_last {
            return events;
        }
    }
}

#[tokio::test]
async fn events_of_a_plain_room_carry_names_those_of_a_session_none_and_sealed_ones_are_not() {
    let kinds = [
        "room_started",
        "track_published",
        "participant_joined",
        "track_unpublished",
        "participant_left",
        "room_finished",
    ];
    let named = |events: &[Value]| -> Vec<String> {
        let names = events
            .iter()
            .map(|event| event["event"].as_str().unwrap().to_owned());
        names.collect()
    };
    let plain = events("plain").await;
    assert_eq!(named(&plain), kinds);
    assert_eq!(plain[1]["track"]["name"], "name of mic");
    assert_eq!(plain[1]["participant"]["identity"], "ann");
    let joined = &plain[2];
    assert_eq!(joined["participant"]["name"], "name of ann");
    assert_eq!(joined["room"]["numParticipants"], 1);
    assert_eq!(plain[4]["participant"]["state"], "DISCONNECTED");
    assert_eq!(plain[5]["roomEndReason"], "ROOM_END_IDLE_TIMEOUT");
    let sids = plain.iter().map(|event| event["room"]["sid"].clone());
    assert!(sids.clone().all(|sid| sid == plain[0]["room"]["sid"]));
    let session = events("lesson-1").await;
    assert_eq!(named(&session), kinds);
    assert_eq!(session[1]["participant"]["identity"], "ann");
    for event in &session {
        let text = event.to_string();
        assert!(!text.contains("name of") && !text.contains('何'), "{text}");
    }
    assert!(events("talk-1").await.is_empty());
}
