//! Bad clients of signalling beside a room that goes on talking.

use futures_util::SinkExt as _;
use livekit_protocol as proto;
use proto::signal_request::Message as Request;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::signalling::client::{Client, single};
use crate::signalling::server::{Server, start};
use crate::waiting::until;

/// Frames as bytes, each against a rule of RFC 6455; the mask of all is zero.
const BROKEN_FRAMES: [&[u8]; 8] = [
    // A reserved operation, reserved bits, no mask.
    &[0x83, 0x80, 0, 0, 0, 0],
    &[0xf2, 0x80, 0, 0, 0, 0],
    &[0x82, 0x04, 1, 2, 3, 4],
    // A continuation of nothing, a control frame in pieces, a ping that is too long.
    &[0x80, 0x81, 0, 0, 0, 0, 7],
    &[0x09, 0x80, 0, 0, 0, 0],
    &{
        let mut ping = [0; 8 + 126];
        ping[0] = 0x89;
        ping[1] = 0xfe;
        ping[3] = 126;
        ping
    },
    // 2^63 bytes announced, and text that is not UTF-8.
    &[
        0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
    ],
    &[0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28],
];

/// Two people in a room of their own; what one says, the other hears.
struct Pair {
    ann: Client,
    bob: Client,
    said: u32,
}

impl Pair {
    async fn join(server: &Server) -> Self {
        let (ann, _) = Client::join(server, "good", "ann").await;
        let (bob, _) = Client::join(server, "good", "bob").await;
        Self { ann, bob, said: 0 }
    }

    async fn talk(&mut self) {
        self.said += 1;
        let update = proto::UpdateParticipantMetadata {
            metadata: format!("word {}", self.said),
            request_id: self.said,
            ..Default::default()
        };
        self.ann.say(Request::UpdateMetadata(update.clone())).await;
        while self.bob.news_of("ann").await.metadata != update.metadata {}
    }
}

fn token(claims: &Value, secret: &str) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
}

fn claims(room: &str, from: i64, until: i64) -> Value {
    let now = chrono::Utc::now().timestamp();
    json!({"iss": "devkey", "sub": "eve", "nbf": now + from, "exp": now + until,
        "video": {"room": room, "roomJoin": true}})
}

#[tokio::test]
async fn tokens_of_the_wrong_time_key_or_right_open_nothing() {
    let server = start().await;
    let good = claims("r", -10, 600);
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        token(&changed, "secret")
    };
    let signed = token(&good, "secret");
    let payload = signed.split('.').nth(1).unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
    for (what, token, status) in [
        ("expired", token(&claims("r", -600, -300), "secret"), 401),
        (
            "not yet valid",
            token(&claims("r", 300, 600), "secret"),
            401,
        ),
        ("another secret", token(&good, "secre"), 401),
        ("unsigned", unsigned, 401),
        ("an unknown key", with("iss", json!("nobody")), 401),
        ("no end", with("exp", json!(0)), 401),
        ("no grant", with("video", Value::Null), 403),
        ("no right to join", with("video", json!({"room": "r"})), 403),
        ("huge", "x".repeat(20_000), 401),
    ] {
        let request = proto::JoinRequest::default();
        for path in [
            single(&token, &request),
            format!("/rtc?access_token={token}"),
        ] {
            let refused = Client::open(&server, &path).await.err();
            assert_eq!(refused, Some(status), "{what}");
        }
    }
    assert!(
        server.rooms.list().await.is_empty(),
        "no room was made for them"
    );
    let path = single(&signed, &proto::JoinRequest::default());
    assert!(Client::open(&server, &path).await.is_ok());
}

#[tokio::test]
async fn a_token_of_another_room_or_person_resumes_nobodys_stay() {
    let server = start().await;
    let (mut ann, join) = Client::join(&server, "r", "ann").await;
    let sid = join.participant.unwrap().sid;
    for (room, identity) in [("other", "ann"), ("r", "eve"), ("other", "eve")] {
        let token = server.token(room, identity);
        let path = format!("/rtc?access_token={token}&reconnect=1&sid={sid}");
        let mut eve = Client::open(&server, &path).await.unwrap();
        let leave = eve.farewell().await;
        assert_eq!(leave.reason(), proto::DisconnectReason::StateMismatch);
    }
    ann.say(Request::Ping(1)).await;
    let pong = |answer: &proto::signal_response::Message| {
        matches!(answer, proto::signal_response::Message::Pong(_)).then_some(())
    };
    ann.hear_until(pong).await;
    assert_eq!(server.rooms.list().await.len(), 1);
}

#[tokio::test]
async fn frames_against_the_protocol_cost_their_sender_alone() {
    let server = start().await;
    let mut pair = Pair::join(&server).await;
    for frame in BROKEN_FRAMES {
        let mut eve = upgraded(&server).await;
        eve.write_all(frame).await.unwrap();
        pair.talk().await;
        let mut said = Vec::new();
        // The server ends it, in good order or with a reset.
        let _ = eve.read_to_end(&mut said).await;
        assert!(
            said.len() < 8_192,
            "{frame:x?} was answered with {} bytes",
            said.len()
        );
        pair.talk().await;
    }
    assert_eq!(pair.said, 16);
}

/// A socket after its upgrade, as bytes.
async fn upgraded(server: &Server) -> TcpStream {
    let path = format!("/rtc?access_token={}", server.token("bad", "eve"));
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 101");
    stream
}

#[tokio::test]
async fn messages_that_are_too_large_too_many_or_nonsense_cost_their_sender_alone() {
    let server = start().await;
    let mut pair = Pair::join(&server).await;
    let nonsense = |number: u8| match number % 4 {
        0 => Message::binary(vec![number; 300]),
        1 => Message::text("[".repeat(5_000)),
        2 => Message::text(r#"{"offer":{"sdp":7}}"#),
        _ => Message::binary(vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]),
    };
    let floods: [Vec<Message>; 3] = [
        vec![Message::binary(vec![0; 1_300_000])],
        (0..200).map(nonsense).collect(),
        vec![Message::Ping(vec![1; 100].into()); 3_000],
    ];
    for flood in floods {
        let (mut eve, _) = Client::join(&server, "bad", "eve").await;
        let mut ended = false;
        for message in flood {
            // The server stops reading when it has enough.
            ended |= eve.socket.send(message).await.is_err();
            if ended {
                break;
            }
        }
        pair.talk().await;
        while eve.hear().await.is_some() {}
        pair.talk().await;
    }
    until("one room is left", async || {
        server.rooms.list().await.len() <= 1
    })
    .await;
}

#[tokio::test]
async fn offers_of_nonsense_end_in_an_answer_a_farewell_or_silence() {
    let server = start().await;
    let mut pair = Pair::join(&server).await;
    for sdp in [
        "v=0".to_owned(),
        "v=0\r\n".to_owned() + &"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n".repeat(300),
        "m=".repeat(100_000),
        "\0".repeat(50_000),
    ] {
        let (mut eve, _) = Client::join(&server, "bad", "eve").await;
        let offer = proto::SessionDescription {
            r#type: "offer".to_owned(),
            sdp,
            id: 1,
            ..Default::default()
        };
        for request in [Request::Offer(offer.clone()), Request::Answer(offer)] {
            let request = proto::SignalRequest {
                message: Some(request),
            };
            let frame = prost::Message::encode_to_vec(&request);
            let _ = eve.socket.send(Message::binary(frame)).await;
        }
        pair.talk().await;
        let _ = eve.socket.close(None).await;
        while eve.hear().await.is_some() {}
    }
    pair.talk().await;
}
