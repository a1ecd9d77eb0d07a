//! What each method of RoomService does to plain rooms, over real sockets and real rooms.

use livekit_protocol as proto;
use mingtang::media::command::{Command, DataChannel, Event};
use mingtang::media::room::RoomFact;
use mingtang::media::signal::{ParticipantState, ParticipantView};
use prost::Message as _;
use proto::DisconnectReason;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Said;
use serde_json::{Value, json};

use super::program::{Answer, PUBLISH, admin, binary, call, done, token, track};
use crate::signalling::client::Client;
use crate::signalling::server::{Server, start};
use crate::waiting::until;

/// The next fact about the life of a room.
async fn life(server: &mut Server) -> (String, &'static str) {
    loop {
        let (room, fact) = server.fact().await;
        match fact {
            RoomFact::Opened(_) => return (room, "opened"),
            RoomFact::Closed { reason: None, .. } => return (room, "idle"),
            RoomFact::Closed { .. } => return (room, "closed"),
            _ => {}
        }
    }
}

fn maker() -> String {
    token(&json!({"roomCreate": true}))
}

/// Somebody who publishes sound and picture; also the ids of both tracks.
async fn publisher(server: &Server, room: &str, identity: &str) -> (Client, Vec<String>) {
    let token = server.token(room, identity);
    let (mut client, _) = Client::join_with(server, &token, None).await;
    for (cid, kind, source) in [
        (
            "mic",
            proto::TrackType::Audio,
            proto::TrackSource::Microphone,
        ),
        ("cam", proto::TrackType::Video, proto::TrackSource::Camera),
    ] {
        client
            .say(Request::AddTrack(track(cid, kind, source)))
            .await;
    }
    client
        .say(Request::Offer(proto::SessionDescription {
            r#type: "offer".to_owned(),
            sdp: PUBLISH.to_owned(),
            id: 1,
            ..Default::default()
        }))
        .await;
    loop {
        let own = client.news_of(identity).await;
        if own.tracks.len() == 2 {
            let sids = own.tracks.into_iter().map(|track| track.sid);
            return (client, sids.collect());
        }
    }
}

#[tokio::test]
async fn a_room_that_was_made_waits_for_people_and_ends_when_its_time_is_over() {
    let mut server = start().await;
    let request = json!({"name": "r", "emptyTimeout": 1, "metadata": "of the room"});
    let made = done(&server, "CreateRoom", &maker(), request).await;
    assert!(made["sid"].as_str().unwrap().starts_with("RM_"));
    assert_eq!(made["emptyTimeout"], 1);
    assert_eq!(life(&mut server).await, ("r".to_owned(), "opened"));
    let list = token(&json!({"roomList": true}));
    let listed = done(&server, "ListRooms", &list, json!({})).await;
    assert_eq!(listed["rooms"], json!([made]));
    assert_eq!(life(&mut server).await, ("r".to_owned(), "idle"));
    assert_eq!(
        done(&server, "ListRooms", &list, json!({})).await,
        json!({})
    );
}

#[tokio::test]
async fn a_made_room_outlasts_its_last_participant_under_the_same_id() {
    let mut server = start().await;
    let request = json!({"name": "r", "departureTimeout": 1, "metadata": "first"});
    let made = done(&server, "CreateRoom", &maker(), request).await;
    let (mut ann, join) = Client::join(&server, "r", "ann").await;
    let room = join.room.unwrap();
    assert_eq!(room.sid, made["sid"].as_str().unwrap());
    assert_eq!(room.metadata, "first");
    let change = json!({"room": "r", "metadata": "second"});
    done(&server, "UpdateRoomMetadata", &admin("r"), change).await;
    ann.say(Request::Leave(proto::LeaveRequest::default()))
        .await;
    ann.farewell().await;
    let (_ann, join) = Client::join(&server, "r", "ann").await;
    let room = join.room.unwrap();
    assert_eq!(room.sid, made["sid"].as_str().unwrap());
    assert_eq!(room.metadata, "second", "what changed meanwhile stays");
    let gone = json!({"room": "r", "identity": "ann"});
    done(&server, "RemoveParticipant", &admin("r"), gone).await;
    assert_eq!(life(&mut server).await.1, "opened");
    assert_eq!(life(&mut server).await.1, "idle");
}

#[tokio::test]
async fn a_room_that_nobody_made_ends_with_its_last_participant() {
    let mut server = start().await;
    let (mut ann, _) = Client::join(&server, "r", "ann").await;
    ann.say(Request::Leave(proto::LeaveRequest::default()))
        .await;
    assert_eq!(life(&mut server).await.1, "opened");
    assert_eq!(life(&mut server).await.1, "idle");
}

#[tokio::test]
async fn no_more_come_in_than_a_made_room_is_for() {
    let server = start().await;
    let request = json!({"name": "r", "maxParticipants": 1});
    done(&server, "CreateRoom", &maker(), request).await;
    let (_ann, _) = Client::join(&server, "r", "ann").await;
    let token = server.token("r", "bob");
    let path = format!("/rtc?access_token={token}");
    let mut bob = Client::open(&server, &path).await.unwrap();
    bob.farewell().await;
    let request = json!({"name": "r", "maxParticipants": 2});
    let made = done(&server, "CreateRoom", &maker(), request).await;
    assert_eq!(
        (&made["maxParticipants"], &made["numParticipants"]),
        (&json!(2), &json!(1))
    );
    Client::join(&server, "r", "bob").await;
}

#[tokio::test]
async fn a_deleted_room_ends_for_everybody_in_it() {
    let mut server = start().await;
    let (mut ann, _) = Client::join(&server, "r", "ann").await;
    assert_eq!(
        done(&server, "DeleteRoom", &maker(), json!({"room": "r"})).await,
        json!({})
    );
    assert_eq!(ann.farewell().await.reason(), DisconnectReason::RoomDeleted);
    assert_eq!(life(&mut server).await.1, "opened");
    assert_eq!(life(&mut server).await.1, "closed");
    let again = call(&server, "DeleteRoom", &maker(), json!({"room": "r"})).await;
    assert_eq!(again.outcome(), (404, "not_found"));
    assert_eq!(again.json["meta"]["reason"], "call.no_such_room");
}

#[tokio::test]
async fn participants_are_shown_with_their_tracks_in_both_formats() {
    let server = start().await;
    let (_ann, sids) = publisher(&server, "r", "ann").await;
    let request = proto::ListParticipantsRequest {
        room: "r".to_owned(),
    };
    let listed: proto::ListParticipantsResponse =
        binary(&server, "ListParticipants", &admin("r"), &request).await;
    let [ann] = listed.participants.as_slice() else {
        panic!("one participant was due, not {listed:?}");
    };
    assert_eq!((ann.name.as_str(), ann.tracks.len()), ("name of ann", 2));
    let request = json!({"room": "r", "identity": "ann"});
    let shown = done(&server, "GetParticipant", &admin("r"), request).await;
    assert_eq!(shown["sid"], ann.sid.as_str());
    assert_eq!(shown["tracks"][0]["sid"], sids[0].as_str());
    let request = json!({"room": "r", "identity": "bob"});
    let absent = call(&server, "GetParticipant", &admin("r"), request).await;
    assert_eq!(absent.outcome(), (404, "not_found"));
}

#[tokio::test]
async fn whoever_is_removed_is_gone_when_the_answer_comes() {
    let server = start().await;
    let (mut ann, _) = Client::join(&server, "r", "ann").await;
    let (_bob, _) = Client::join(&server, "r", "bob").await;
    let request = json!({"room": "r", "identity": "ann"});
    done(&server, "RemoveParticipant", &admin("r"), request.clone()).await;
    let left = done(
        &server,
        "ListParticipants",
        &admin("r"),
        json!({"room": "r"}),
    )
    .await;
    assert_eq!(left["participants"].as_array().unwrap().len(), 1);
    let reason = ann.farewell().await.reason();
    assert_eq!(reason, DisconnectReason::ParticipantRemoved);
    let again = call(&server, "RemoveParticipant", &admin("r"), request).await;
    assert_eq!(again.outcome(), (404, "not_found"));
}

#[tokio::test]
async fn a_track_is_muted_from_afar_and_never_unmuted() {
    let server = start().await;
    let (mut ann, sids) = publisher(&server, "r", "ann").await;
    let request = |sid: &str, muted: bool| {
        let mut request = json!({"room": "r", "identity": "ann", "trackSid": sid});
        request["muted"] = json!(muted);
        request
    };
    let order = request(&sids[0], true);
    let muted = done(&server, "MutePublishedTrack", &admin("r"), order).await;
    assert_eq!(muted["track"]["muted"], true);
    let heard = ann.hear_until(|said| match said {
        Said::Mute(mute) => Some(mute.clone()),
        _ => None,
    });
    let heard = heard.await;
    assert_eq!((heard.sid.as_str(), heard.muted), (sids[0].as_str(), true));
    for (sid, muted, outcome) in [
        (sids[0].as_str(), false, (412, "failed_precondition")),
        (sids[1].as_str(), false, (200, "")),
        (
            "TR_00000000000000000000000000000000",
            true,
            (404, "not_found"),
        ),
        ("TR_x", true, (404, "not_found")),
    ] {
        let answer = call(
            &server,
            "MutePublishedTrack",
            &admin("r"),
            request(sid, muted),
        )
        .await;
        assert_eq!(answer.outcome(), outcome, "{sid} {muted}");
    }
}

#[tokio::test]
async fn profile_and_rights_change_at_once_and_what_is_not_named_stays() {
    let server = start().await;
    let (mut ann, _) = publisher(&server, "r", "ann").await;
    let request = json!({
        "room": "r", "identity": "ann", "metadata": "m", "attributes": {"a": "1", "b": "2"},
    });
    let changed = done(&server, "UpdateParticipant", &admin("r"), request).await;
    assert_eq!(
        (&changed["name"], &changed["metadata"]),
        (&json!("name of ann"), &json!("m"))
    );
    let rights = json!({"canSubscribe": true, "canPublish": true, "canPublishSources": [2]});
    let request = json!({
        "room": "r", "identity": "ann", "name": "安", "attributes": {"a": ""},
        "permission": rights,
    });
    let changed = done(&server, "UpdateParticipant", &admin("r"), request).await;
    assert_eq!(
        (&changed["name"], &changed["metadata"]),
        (&json!("安"), &json!("m"))
    );
    assert_eq!(changed["attributes"], json!({"b": "2"}));
    let unpublished = ann.hear_until(|said| match said {
        Said::TrackUnpublished(unpublished) => Some(unpublished.track_sid.clone()),
        _ => None,
    });
    unpublished.await;
    let left: Vec<Value> = changed["tracks"].as_array().unwrap().clone();
    assert_eq!(left.len(), 1, "the camera is not allowed any more");
    assert_eq!(left[0]["source"], "MICROPHONE");
}

#[tokio::test]
async fn subscriptions_are_changed_for_somebody_else() {
    let server = start().await;
    let (_ann, sids) = publisher(&server, "r", "ann").await;
    let (_bob, _) = Client::connect(&server, "r", "bob").await;
    let legs = |server: &Server| {
        let commands = server.commands.0.lock().unwrap();
        let (mut added, mut removed) = (0, 0);
        for command in commands.iter() {
            match command {
                Command::AddLeg(_) => added += 1,
                Command::RemoveLeg { .. } => removed += 1,
                _ => {}
            }
        }
        added - removed
    };
    let order = |subscribe: bool| {
        let of = json!([{"participantSid": "PA_x", "trackSids": [sids[1]]}]);
        json!({
            "room": "r", "identity": "bob", "trackSids": [sids[0]], "subscribe": subscribe,
            "participantTracks": of,
        })
    };
    assert_eq!(legs(&server), 2);
    for (subscribe, expected) in [(false, 0), (true, 0)] {
        done(
            &server,
            "UpdateSubscriptions",
            &admin("r"),
            order(subscribe),
        )
        .await;
        done(
            &server,
            "ListParticipants",
            &admin("r"),
            json!({"room": "r"}),
        )
        .await;
        // Subscribing anew waits for the client's next offer.
        assert_eq!(legs(&server), expected, "{subscribe}");
    }
    for (tracks, identity) in [(json!(["TR_x"]), "bob"), (json!([sids[0]]), "eve")] {
        let request = json!({"room": "r", "identity": identity, "trackSids": tracks});
        let refused = call(&server, "UpdateSubscriptions", &admin("r"), request).await;
        assert_eq!(refused.outcome(), (404, "not_found"));
    }
}

/// Data that the rooms sent so far: how many receivers each message had, and the message.
fn sent(server: &Server) -> Vec<(DataChannel, proto::DataPacket)> {
    let commands = std::mem::take(&mut *server.commands.0.lock().unwrap());
    let sent = commands.into_iter().filter_map(|command| match command {
        Command::SendData {
            channel, payload, ..
        } => Some((channel, proto::DataPacket::decode(payload).unwrap())),
        _ => None,
    });
    sent.collect()
}

#[tokio::test]
async fn data_of_the_server_reach_those_who_are_named_and_nobody_for_want_of_a_name() {
    let server = start().await;
    let (_ann, join) = Client::connect(&server, "r", "ann").await;
    let (_bob, _) = Client::connect(&server, "r", "bob").await;
    let ann = join.participant.unwrap().sid;
    let opened: Vec<_> = {
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
        for channel in [DataChannel::Reliable, DataChannel::Lossy] {
            let opened = Event::ChannelOpened { transport, channel };
            server.events.send(opened).await.unwrap();
        }
    }
    // Who is active has open channels.
    let is_active = |view: &ParticipantView| view.state == ParticipantState::Active;
    until("both are active", async || {
        let participants = server.rooms.participants("r").await.unwrap();
        participants.iter().all(is_active)
    })
    .await;
    for (named, receivers) in [
        (json!({}), 2),
        (json!({"destinationIdentities": ["bob", "eve"]}), 1),
        (json!({"destinationSids": [ann]}), 1),
        (json!({"destinationIdentities": ["eve"]}), 0),
        (json!({"kind": "LOSSY", "topic": "t", "nonce": "AQI="}), 2),
    ] {
        let mut request = json!({"room": "r", "data": "aGVsbG8="});
        let more = named.as_object().unwrap().clone();
        request.as_object_mut().unwrap().extend(more);
        done(&server, "SendData", &admin("r"), request).await;
        done(
            &server,
            "ListParticipants",
            &admin("r"),
            json!({"room": "r"}),
        )
        .await;
        let sent = sent(&server);
        assert_eq!(sent.len(), receivers, "{named}");
        for (channel, packet) in sent {
            let lossy = named["kind"] == "LOSSY";
            assert_eq!(channel == DataChannel::Lossy, lossy);
            let Some(proto::data_packet::Value::User(user)) = packet.value else {
                panic!("a user packet was due");
            };
            assert_eq!(user.payload, b"hello");
            assert_eq!(user.topic.as_deref(), lossy.then_some("t"));
        }
    }
}

/// A method that `ann`'s room refuses: how, and what is asked.
type Bad = (&'static str, (u16, &'static str), Value);

fn bad_requests() -> Vec<Bad> {
    let long = "x".repeat(300);
    let huge = "x".repeat(20_000);
    let data = |length: usize| json!({"room": "r", "data": "A".repeat(length)});
    let ann = |field: &str, value: Value| {
        let mut request = json!({"room": "r", "identity": "ann"});
        request[field] = value;
        request
    };
    let (create, update) = ("CreateRoom", "UpdateParticipant");
    let (invalid, malformed) = ((400, "invalid_argument"), (400, "malformed"));
    let (unimplemented, absent) = ((501, "unimplemented"), (404, "not_found"));
    let named = |field: &str, value: Value| {
        let mut request = json!({"name": "made"});
        request[field] = value;
        request
    };
    vec![
        (create, invalid, json!({})),
        (create, invalid, named("name", json!(long))),
        (create, invalid, named("metadata", json!(huge))),
        (create, invalid, named("emptyTimeout", json!(90_000))),
        (create, malformed, named("emptyTimeout", json!(-1))),
        (create, malformed, named("name", json!(5))),
        (create, malformed, json!([])),
        ("UpdateRoomMetadata", invalid, ann("metadata", json!(huge))),
        (update, invalid, ann("name", json!(long))),
        (update, invalid, ann("metadata", json!(huge))),
        (update, invalid, ann("attributes", json!({"a": huge}))),
        (update, absent, ann("identity", json!("eve"))),
        ("SendData", invalid, data(100_000)),
        ("SendData", malformed, data(300_000)),
        ("SendData", malformed, ann("data", json!("*"))),
        ("MoveParticipant", unimplemented, json!({})),
        ("PerformRpc", unimplemented, json!({})),
        ("Nothing", (404, "bad_route"), json!({})),
    ]
}

#[tokio::test]
async fn bad_input_is_refused_with_twirps_code_for_it_and_harms_nobody() {
    let server = start().await;
    let (_ann, _) = Client::join(&server, "r", "ann").await;
    let grants = json!({"roomCreate": true, "roomAdmin": true, "room": "r"});
    for (method, outcome, request) in bad_requests() {
        let answer = call(&server, method, &token(&grants), request).await;
        assert_eq!(answer.outcome(), outcome, "{method}: {answer:?}");
    }
    let request = json!({"room": "none"});
    let answer = call(&server, "ListParticipants", &admin("none"), request).await;
    assert_eq!(answer.outcome(), (404, "not_found"));
    assert_eq!(server.rooms.list().await.len(), 1);
    Client::join(&server, "r", "bob").await;
}

async fn raw(server: &Server, method: reqwest::Method, path: &str, kind: &str) -> Answer {
    let request = reqwest::Client::new().request(method, server.url("http", path));
    let request = request
        .bearer_auth(maker())
        .header("content-type", kind)
        .body(vec![0xff; 40]);
    let response = request.send().await.unwrap();
    Answer {
        status: response.status().as_u16(),
        json: response.json().await.unwrap(),
    }
}

#[tokio::test]
async fn what_is_no_call_is_a_bad_route_and_what_is_no_message_is_malformed() {
    use reqwest::Method;
    let server = start().await;
    let create = "/twirp/livekit.RoomService/CreateRoom";
    let egress = "/twirp/livekit.Egress/ListEgress";
    for (method, path, kind, outcome) in [
        (Method::GET, create, "application/json", (404, "bad_route")),
        (Method::PUT, create, "application/json", (404, "bad_route")),
        (Method::POST, create, "text/plain", (404, "bad_route")),
        (
            Method::POST,
            create,
            "application/protobuf",
            (400, "malformed"),
        ),
        (
            Method::POST,
            create,
            "Application/JSON; charset=UTF-8",
            (400, "malformed"),
        ),
        (
            Method::POST,
            egress,
            "application/protobuf",
            (501, "unimplemented"),
        ),
        (
            Method::POST,
            "/twirp/other.Service/Do",
            "application/json",
            (404, "bad_route"),
        ),
        (
            Method::POST,
            "/twirp/x",
            "application/json",
            (404, "bad_route"),
        ),
        (
            Method::POST,
            "/twirp/a/b/c",
            "application/json",
            (404, "bad_route"),
        ),
    ] {
        let answer = raw(&server, method.clone(), path, kind).await;
        assert_eq!(answer.outcome(), outcome, "{method} {path} {kind}");
    }
}
