//! A program of somebody's with the API key `devkey`, as LiveKit's server SDKs behave on the wire.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use livekit_protocol as proto;
use prost::Message;
use serde_json::{Value, json};

use crate::signalling::server::Server;

/// What the sockets of a publishing browser offer.
pub const PUBLISH: &str = include_str!("../../fixtures/sdp/chromium_publish.sdp");

/// A token of `devkey` with these grants.
pub fn token(grants: &Value) -> String {
    signed("devkey", b"secret", grants)
}

/// A token of a key with these grants, valid for an hour.
pub fn signed(key: &str, secret: &[u8], grants: &Value) -> String {
    let now = chrono::Utc::now().timestamp();
    let claims = json!({"iss": key, "nbf": now - 5, "exp": now + 3_600, "video": grants});
    let secret = EncodingKey::from_secret(secret);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &secret).unwrap()
}

/// The grant over one room.
pub fn admin(room: &str) -> String {
    token(&json!({"roomAdmin": true, "room": room}))
}

/// An answer: its status, and its JSON or nothing.
#[derive(Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub json: Value,
}

impl Answer {
    /// Status and code of an error; an empty code for none.
    pub fn outcome(&self) -> (u16, &str) {
        (self.status, self.json["code"].as_str().unwrap_or_default())
    }
}

/// Calls a method of RoomService in JSON.
pub async fn call(server: &Server, method: &str, token: &str, request: Value) -> Answer {
    let path = format!("/twirp/livekit.RoomService/{method}");
    let http = reqwest::Client::new().post(server.url("http", &path));
    let response = http.bearer_auth(token).json(&request).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    Answer {
        status: response.status().as_u16(),
        json: response.json().await.unwrap(),
    }
}

/// The same as [`call`], which must be answered well.
pub async fn done(server: &Server, method: &str, token: &str, request: Value) -> Value {
    let answer = call(server, method, token, request).await;
    assert_eq!(answer.status, 200, "{method}: {answer:?}");
    answer.json
}

/// Calls a method of RoomService in protobuf; it must be answered well.
pub async fn binary<M: Message + Default>(
    server: &Server,
    method: &str,
    token: &str,
    request: &impl Message,
) -> M {
    let path = format!("/twirp/livekit.RoomService/{method}");
    let http = reqwest::Client::new().post(server.url("http", &path));
    let response = http
        .bearer_auth(token)
        .header("content-type", "application/protobuf")
        .body(request.encode_to_vec())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status().as_u16(), 200, "{method}");
    assert_eq!(response.headers()["content-type"], "application/protobuf");
    M::decode(response.bytes().await.unwrap()).unwrap()
}

/// What a camera or microphone is announced as.
pub fn track(
    cid: &str,
    kind: proto::TrackType,
    source: proto::TrackSource,
) -> proto::AddTrackRequest {
    proto::AddTrackRequest {
        cid: cid.to_owned(),
        name: format!("name of {cid}"),
        r#type: kind.into(),
        source: source.into(),
        width: 640,
        height: 360,
        ..Default::default()
    }
}
