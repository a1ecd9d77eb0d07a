//! A client of the bare signalling socket.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt as _, StreamExt as _};
use livekit_protocol as proto;
use prost::Message as _;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Answer;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::server::Server;
use crate::waiting::coming;

/// What a browser offers when it joins.
const OFFER: &str = include_str!("../../fixtures/sdp/chromium_join.sdp");

/// An open socket.
pub struct Client {
    /// The socket itself, for frames that no good client sends.
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// The query of a v1 client that sends this join request.
pub fn single(token: &str, request: &proto::JoinRequest) -> String {
    let wrapped = proto::WrappedJoinRequest {
        compression: 0,
        join_request: request.encode_to_vec(),
    };
    let encoded = URL_SAFE_NO_PAD.encode(wrapped.encode_to_vec());
    format!("/rtc/v1?access_token={token}&join_request={encoded}")
}

impl Client {
    /// Opens a socket; a refusal comes back with its status.
    pub async fn open(server: &Server, path: &str) -> Result<Self, u16> {
        match connect_async(server.url("ws", path)).await {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("no answer at all: {error}"),
        }
    }

    /// Joins as a v1 client and hears the welcome.
    pub async fn join(server: &Server, room: &str, identity: &str) -> (Self, proto::JoinResponse) {
        Self::join_with(server, &server.token(room, identity), None).await
    }

    /// Joins as a v1 client that brings a browser's offer along, and hears welcome and answer.
    pub async fn connect(
        server: &Server,
        room: &str,
        identity: &str,
    ) -> (Self, proto::JoinResponse) {
        let token = server.token(room, identity);
        let (mut client, join) = Self::join_with(server, &token, Some(OFFER)).await;
        let answer = client.hear_until(|answer| match answer {
            Answer::Answer(answer) => Some(answer.clone()),
            _ => None,
        });
        assert_eq!(answer.await.id, 1);
        (client, join)
    }

    /// Joins with a token, and an offer perhaps.
    pub async fn join_with(
        server: &Server,
        token: &str,
        offer: Option<&str>,
    ) -> (Self, proto::JoinResponse) {
        let request = proto::JoinRequest {
            client_info: Some(proto::ClientInfo {
                protocol: 17,
                client_protocol: 2,
                capabilities: vec![2],
                ..Default::default()
            }),
            publisher_offer: offer.map(|sdp| proto::SessionDescription {
                r#type: "offer".to_owned(),
                sdp: sdp.to_owned(),
                id: 1,
                ..Default::default()
            }),
            ..Default::default()
        };
        let mut client = Self::open(server, &single(token, &request)).await.unwrap();
        match client.hear().await {
            Some(Answer::Join(join)) => (client, join),
            other => panic!("the welcome was due first, not {other:?}"),
        }
    }

    /// Says something.
    pub async fn say(&mut self, request: Request) {
        let request = proto::SignalRequest {
            message: Some(request),
        };
        let frame = Message::binary(request.encode_to_vec());
        self.socket.send(frame).await.unwrap();
    }

    /// The next message; `None` when the socket is closed.
    pub async fn hear(&mut self) -> Option<Answer> {
        loop {
            match coming("a message of the server", self.socket.next()).await {
                Some(Ok(Message::Binary(bytes))) => {
                    return proto::SignalResponse::decode(bytes).unwrap().message;
                }
                Some(Ok(Message::Text(text))) => {
                    let response: proto::SignalResponse = serde_json::from_str(&text).unwrap();
                    return response.message;
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            }
        }
    }

    /// The next message that the picker takes; others are passed over.
    pub async fn hear_until<T>(&mut self, pick: impl Fn(&Answer) -> Option<T>) -> T {
        loop {
            let answer = self.hear().await.expect("the socket closed before it came");
            if let Some(picked) = pick(&answer) {
                return picked;
            }
        }
    }

    /// The farewell, and that the socket closes after it.
    pub async fn farewell(&mut self) -> proto::LeaveRequest {
        let leave = self
            .hear_until(|answer| match answer {
                Answer::Leave(leave) => Some(leave.clone()),
                _ => None,
            })
            .await;
        assert!(
            self.hear().await.is_none(),
            "nothing comes after the farewell"
        );
        leave
    }

    /// The next news of somebody.
    pub async fn news_of(&mut self, identity: &str) -> proto::ParticipantInfo {
        self.hear_until(|answer| match answer {
            Answer::Update(update) => update
                .participants
                .iter()
                .find(|p| p.identity == identity)
                .cloned(),
            _ => None,
        })
        .await
    }
}
