//! What clients say and hear while they are in a room.

use futures_util::SinkExt as _;
use livekit_protocol as proto;
use mingtang::domain::id::TransportId;
use mingtang::media::command::{Command, DataChannel, Event, TransportConfig};
use mingtang::media::room::{Input, RoomFact};
use mingtang::media::signal::LeaveReason;
use prost::Message as _;
use proto::DisconnectReason;
use proto::leave_request::Action;
use proto::request_response::Reason;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Answer;
use tokio_tungstenite::tungstenite::Message;

use super::client::{Client, single};
use super::entry::assert_relay;
use super::server::{Server, start, start_playing};
use crate::waiting::until;

#[tokio::test]
async fn both_keep_alives_are_answered_in_the_clients_own_format() {
    let server = start().await;
    let (mut ann, _) = Client::join(&server, "r", "ann").await;
    ann.say(Request::Ping(1)).await;
    let pong = |answer: &Answer| match answer {
        Answer::Pong(millis) => Some(*millis),
        _ => None,
    };
    assert!(ann.hear_until(pong).await > 0);
    let text = r#"{"pingReq":{"timestamp":"42","rtt":"1"}}"#;
    ann.socket.send(Message::text(text)).await.unwrap();
    use futures_util::StreamExt as _;
    let answer = ann.socket.next().await.unwrap().unwrap();
    let json: serde_json::Value = serde_json::from_str(answer.to_text().unwrap()).unwrap();
    assert_eq!(json["pongResp"]["lastPingTimestamp"], "42");
}

#[tokio::test]
async fn a_track_without_the_right_to_publish_is_refused_by_its_own_id() {
    let server = start().await;
    let token = server.token_with("r", "ann", |rights| rights.publish = false);
    let (mut ann, _) = Client::join_with(&server, &token, None).await;
    ann.say(Request::AddTrack(track("mine", proto::TrackType::Audio)))
        .await;
    let response = ann.hear_until(request_response).await;
    assert_eq!(response.reason(), Reason::NotAllowed);
    assert!(matches!(
        response.request,
        Some(proto::request_response::Request::AddTrack(add)) if add.cid == "mine"
    ));
    ann.say(Request::AddTrack(track("data", proto::TrackType::Data)))
        .await;
    assert_eq!(
        ann.hear_until(request_response).await.reason(),
        Reason::UnsupportedType
    );
}

#[tokio::test]
async fn a_track_is_confirmed_to_its_publisher_with_the_clients_own_id() {
    let server = start().await;
    let (mut ann, _) = Client::join(&server, "r", "ann").await;
    ann.say(Request::AddTrack(track("mine", proto::TrackType::Video)))
        .await;
    let published = ann
        .hear_until(|answer| match answer {
            Answer::TrackPublished(published) => Some(published.clone()),
            _ => None,
        })
        .await;
    assert_eq!(published.cid, "mine");
    assert!(published.track.unwrap().sid.starts_with("TR_"));
}

#[tokio::test]
async fn attributes_reach_the_others_and_the_request_is_confirmed() {
    let server = start().await;
    let (mut ann, _) = Client::join(&server, "r", "ann").await;
    let (mut bob, _) = Client::join(&server, "r", "bob").await;
    ann.say(Request::UpdateMetadata(proto::UpdateParticipantMetadata {
        attributes: [("hand".to_owned(), "1".to_owned())].into(),
        request_id: 5,
        ..Default::default()
    }))
    .await;
    let response = ann.hear_until(request_response).await;
    assert_eq!((response.request_id, response.reason()), (5, Reason::Ok));
    loop {
        let news = bob.news_of("ann").await;
        if news.attributes.get("hand").is_some_and(|hand| hand == "1") {
            break;
        }
    }
}

#[tokio::test]
async fn the_same_identity_again_sends_the_first_away_for_good() {
    let server = start().await;
    let (mut first, _) = Client::join(&server, "r", "ann").await;
    let (_second, join) = Client::join(&server, "r", "ann").await;
    let leave = first.farewell().await;
    assert_eq!(leave.reason(), DisconnectReason::DuplicateIdentity);
    assert_eq!(leave.action(), Action::Disconnect);
    assert!(join.other_participants.is_empty());
}

#[tokio::test]
async fn whoever_is_removed_is_told_so_and_the_others_see_them_go() {
    let mut server = start().await;
    let (mut ann, _) = Client::join(&server, "r", "ann").await;
    let (mut bob, _) = Client::join(&server, "r", "bob").await;
    let identity = "ann".to_owned();
    let reason = LeaveReason::Removed;
    server
        .rooms
        .input("r", Input::Remove { identity, reason })
        .await
        .unwrap();
    assert_eq!(
        ann.farewell().await.reason(),
        DisconnectReason::ParticipantRemoved
    );
    while bob.news_of("ann").await.state() != proto::participant_info::State::Disconnected {}
    assert_eq!(server.rooms.participants("r").await.unwrap().len(), 1);
    loop {
        let (room, fact) = server.fact().await;
        assert_eq!(room, "r");
        if let RoomFact::Left {
            identity, reason, ..
        } = fact
        {
            assert_eq!((identity.as_str(), reason), ("ann", LeaveReason::Removed));
            break;
        }
    }
}

#[tokio::test]
async fn a_room_ends_with_its_last_participant_and_its_transports_with_it() {
    let mut server = start().await;
    let (mut ann, _) = Client::connect(&server, "r", "ann").await;
    ann.say(Request::Leave(proto::LeaveRequest::default()))
        .await;
    assert_eq!(
        ann.farewell().await.reason(),
        DisconnectReason::ClientInitiated
    );
    while !matches!(server.fact().await, (_, RoomFact::Emptied { .. })) {}
    let rooms = &server.rooms;
    until("the room is gone", async || {
        rooms.participants("r").await.is_err()
    })
    .await;
    let commands = server.commands.0.lock().unwrap();
    let opened = commands
        .iter()
        .filter(|c| matches!(c, Command::OpenTransport(_)))
        .count();
    let closed = commands
        .iter()
        .filter(|c| matches!(c, Command::CloseTransport { .. }))
        .count();
    assert_eq!((opened, closed), (1, 1));
}

#[tokio::test]
async fn a_lost_socket_is_resumed_with_the_same_stay_by_its_owner_alone() {
    let server = start().await;
    let (ann, join) = Client::join(&server, "r", "ann").await;
    let (_bob, _) = Client::join(&server, "r", "bob").await;
    let sid = join.participant.unwrap().sid;
    drop(ann);
    let request = proto::JoinRequest {
        reconnect: true,
        participant_sid: sid.clone(),
        ..Default::default()
    };
    let thief = single(&server.token("r", "bob"), &request);
    let elsewhere = single(&server.token("other", "ann"), &request);
    for path in [thief, elsewhere] {
        let mut client = Client::open(&server, &path).await.unwrap();
        let leave = client.farewell().await;
        assert_eq!(leave.reason(), DisconnectReason::StateMismatch);
        assert_eq!(leave.action(), Action::Reconnect);
    }
    let mut ann = Client::open(&server, &single(&server.token("r", "ann"), &request))
        .await
        .unwrap();
    let Some(Answer::Reconnect(reconnect)) = ann.hear().await else {
        panic!("the resume must be answered first of all");
    };
    assert_relay(&reconnect.ice_servers, "ann");
    assert!(!reconnect.server_info.unwrap().version.is_empty());
    assert_eq!(ann.news_of("ann").await.sid, sid);
}

#[tokio::test]
async fn data_of_a_channel_reach_their_receivers_under_the_true_senders_name() {
    let server = start().await;
    let (_ann, join) = Client::connect(&server, "r", "ann").await;
    let (_bob, _) = Client::connect(&server, "r", "bob").await;
    let transports = opened(&server);
    let packet = proto::DataPacket {
        participant_identity: "mallory".to_owned(),
        destination_identities: vec!["bob".to_owned()],
        value: Some(proto::data_packet::Value::User(proto::UserPacket {
            payload: b"hello".to_vec(),
            ..Default::default()
        })),
        ..Default::default()
    };
    bring_up(&server, &transports).await;
    arrives(&server, &transports[0], &packet).await;
    let (transport, received) = next_sent(&server).await;
    assert_eq!(transport, transports[1].transport);
    assert_eq!(received.participant_identity, "ann");
    assert_eq!(received.participant_sid, join.participant.unwrap().sid);
}

#[tokio::test]
async fn what_a_client_sends_without_a_socket_goes_on_once_after_its_resume() {
    let server = start().await;
    let (ann, join) = Client::connect(&server, "r", "ann").await;
    let (_bob, _) = Client::connect(&server, "r", "bob").await;
    let transports = opened(&server);
    bring_up(&server, &transports).await;
    arrives(&server, &transports[0], &counted(1)).await;
    assert_eq!(next_sent(&server).await.1.sequence, 1);
    drop(ann);
    for sequence in [2, 3] {
        arrives(&server, &transports[0], &counted(sequence)).await;
    }
    let request = proto::JoinRequest {
        reconnect: true,
        participant_sid: join.participant.unwrap().sid,
        ..Default::default()
    };
    let token = server.token("r", "ann");
    let mut ann = Client::open(&server, &single(&token, &request))
        .await
        .unwrap();
    let Some(Answer::Reconnect(reconnect)) = ann.hear().await else {
        panic!("the resume must be answered first of all");
    };
    // The client sends again what comes after that; nobody gets it twice.
    for sequence in reconnect.last_message_seq + 1..=4 {
        arrives(&server, &transports[0], &counted(sequence)).await;
    }
    for sequence in [2, 3, 4] {
        assert_eq!(next_sent(&server).await.1.sequence, sequence);
    }
}

#[tokio::test]
async fn a_client_is_sent_tokens_of_its_present_rights() {
    let server = start().await;
    let (mut ann, _) = Client::join(&server, "r", "ann").await;
    let refreshed = |answer: &Answer| match answer {
        Answer::RefreshToken(token) => Some(token.clone()),
        _ => None,
    };
    let first = ann.hear_until(refreshed).await;
    let claims = server.call.claims(&first).unwrap();
    assert_eq!(claims.video.unwrap().can_publish, Some(true));
    let (mut ann, _) = Client::join_with(&server, &first, None).await;
    ann.hear_until(refreshed).await;
    let participants = server.rooms.participants("r").await.unwrap();
    let mut permissions = participants[0].permissions.clone();
    permissions.publish = false;
    let identity = "ann".to_owned();
    let order = Input::SetPermissions {
        identity,
        permissions,
    };
    server.rooms.input("r", order).await.unwrap();
    let second = ann.hear_until(refreshed).await;
    let claims = server.call.claims(&second).unwrap();
    assert_eq!(claims.video.unwrap().can_publish, Some(false));
}

#[tokio::test]
async fn mishaps_are_played_by_servers_that_do_so_and_by_no_others() {
    let leave = proto::simulate_scenario::Scenario::ServerLeave(true);
    let wish = proto::SimulateScenario {
        scenario: Some(leave),
    };
    let server = start().await;
    let (mut ann, _) = Client::join(&server, "r", "ann").await;
    ann.say(Request::Simulate(wish)).await;
    ann.say(Request::Ping(1)).await;
    ann.hear_until(|answer| match answer {
        Answer::Pong(_) => Some(()),
        Answer::Leave(_) => panic!("nobody allowed that"),
        _ => None,
    })
    .await;
    let server = start_playing().await;
    let (mut ann, _) = Client::join(&server, "r", "ann").await;
    ann.say(Request::Simulate(wish)).await;
    let leave = ann.farewell().await;
    assert_eq!(leave.reason(), DisconnectReason::ServerShutdown);
    assert_eq!(leave.action(), Action::Disconnect);
}

#[tokio::test]
async fn what_cannot_be_read_is_passed_over_and_too_much_of_it_ends_the_stay() {
    let server = start().await;
    let (mut ann, _) = Client::join(&server, "r", "ann").await;
    let (mut bob, _) = Client::join(&server, "r", "bob").await;
    for broken in [
        Message::binary(vec![0xff; 64]),
        Message::text("{"),
        Message::text("\u{0}"),
    ] {
        ann.socket.send(broken).await.unwrap();
    }
    ann.say(Request::Ping(1)).await;
    ann.hear_until(|answer| matches!(answer, Answer::Pong(_)).then_some(()))
        .await;
    for _ in 0..20 {
        // The server may have closed already.
        let _ = ann.socket.send(Message::binary(vec![0xff; 64])).await;
    }
    assert_eq!(ann.farewell().await.action(), Action::Disconnect);
    bob.say(Request::Ping(1)).await;
    bob.hear_until(|answer| matches!(answer, Answer::Pong(_)).then_some(()))
        .await;
}

#[tokio::test]
async fn an_oversized_message_ends_the_stay_with_a_farewell() {
    let server = start().await;
    let (mut ann, _) = Client::join(&server, "r", "ann").await;
    // The server does not read all of it.
    let _ = ann
        .socket
        .send(Message::binary(vec![0; 1_200 * 1024]))
        .await;
    assert_eq!(ann.farewell().await.action(), Action::Disconnect);
}

#[tokio::test]
async fn everybody_hears_that_the_server_stops_and_may_come_again() {
    let server = start().await;
    let (mut ann, _) = Client::join(&server, "r", "ann").await;
    server.rooms.close_all(LeaveReason::ServerShutdown).await;
    let leave = ann.farewell().await;
    assert_eq!(leave.reason(), DisconnectReason::ServerShutdown);
    assert_eq!(leave.action(), Action::Reconnect);
}

fn track(cid: &str, kind: proto::TrackType) -> proto::AddTrackRequest {
    proto::AddTrackRequest {
        cid: cid.to_owned(),
        r#type: kind.into(),
        source: proto::TrackSource::Camera.into(),
        ..Default::default()
    }
}

fn request_response(answer: &Answer) -> Option<proto::RequestResponse> {
    match answer {
        Answer::RequestResponse(response) => Some(response.clone()),
        _ => None,
    }
}

fn counted(sequence: u32) -> proto::DataPacket {
    proto::DataPacket {
        sequence,
        value: Some(proto::data_packet::Value::User(proto::UserPacket {
            payload: b"hello".to_vec(),
            ..Default::default()
        })),
        ..Default::default()
    }
}

async fn bring_up(server: &Server, transports: &[TransportConfig]) {
    for config in transports {
        let (transport, setup) = (config.transport, std::time::Duration::ZERO);
        let connected = Event::TransportConnected { transport, setup };
        server.events.send(connected).await.unwrap();
        let channel = DataChannel::Reliable;
        let opened = Event::ChannelOpened { transport, channel };
        server.events.send(opened).await.unwrap();
    }
}

async fn arrives(server: &Server, from: &TransportConfig, packet: &proto::DataPacket) {
    let data = Event::Data {
        transport: from.transport,
        channel: DataChannel::Reliable,
        payload: packet.encode_to_vec().into(),
    };
    server.events.send(data).await.unwrap();
}

/// The next packet that a media thread is handed.
async fn next_sent(server: &Server) -> (TransportId, proto::DataPacket) {
    let mut sent = None;
    until("data are sent on", async || {
        let mut commands = server.commands.0.lock().unwrap();
        let is_data = |command: &Command| matches!(command, Command::SendData { .. });
        let place = commands.iter().position(is_data);
        sent = place.map(|place| commands.remove(place));
        sent.is_some()
    })
    .await;
    let Some(Command::SendData {
        transport, payload, ..
    }) = sent
    else {
        panic!("it was data");
    };
    (transport, proto::DataPacket::decode(payload).unwrap())
}

/// Transports in the order of the joins.
fn opened(server: &Server) -> Vec<TransportConfig> {
    let commands = server.commands.0.lock().unwrap();
    let opened = commands.iter().filter_map(|command| match command {
        Command::OpenTransport(config) => Some(config.clone()),
        _ => None,
    });
    opened.collect()
}
