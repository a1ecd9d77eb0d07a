//! Janus's video room over its WebSocket interface: the room has one publisher.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::sdp::{Flow, Section, remote};
use super::{Joined, Offer, SignalError, Socket, WISHES_MAX, Wish};

/// Janus ends a session that says nothing for 60 s.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// Longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How Janus says that a publisher is not, or not yet, there.
const NO_SUCH_FEED: &str = "No such feed";
/// Between two questions for a publisher that is not yet there.
const FEED_PAUSE: Duration = Duration::from_millis(50);
/// Such questions at most.
const FEED_ASKED_MAX: u32 = 40;
/// Room numbers, so that JSON carries them exactly.
const ROOMS: u64 = 1 << 50;
/// The publisher's id in it.
const PUBLISHER: u64 = 1;
/// Janus caps a publisher at this rate by REMB, bit/s: higher than any load.
const BITRATE_BPS_MAX: u64 = 1_000_000_000;

/// A Janus with WebSocket transport and video room plugin.
#[derive(Clone, Debug)]
pub struct Janus {
    /// `ws://host:port`.
    pub url: String,
}

impl Janus {
    /// Joins as publisher or as subscriber of the publisher.
    pub async fn join(&self, offer: Offer) -> Result<Joined, SignalError> {
        let mut request = self.url.as_str().into_client_request()?;
        let protocol = HeaderValue::from_static("janus-protocol");
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocol);
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        let mut line = Line {
            socket,
            session: None,
            handle: None,
            asked: 0,
        };
        line.session = line.created(json!({ "janus": "create" })).await?;
        let plugin = json!({ "janus": "attach", "plugin": "janus.plugin.videoroom" });
        line.handle = line.created(plugin).await?;
        let sdp = if offer.part.publishes.is_empty() {
            line.subscribe(&offer).await?
        } else {
            line.publish(&offer).await?
        };
        let (wishes, wished) = mpsc::channel(WISHES_MAX);
        let remote = remote(&sdp)?;
        tokio::spawn(line.keep(wished));
        Ok(Joined { remote, wishes })
    }
}

struct Line {
    socket: Socket,
    session: Option<u64>,
    handle: Option<u64>,
    asked: u64,
}

impl Line {
    async fn created(&mut self, request: Value) -> Result<Option<u64>, SignalError> {
        let reply = self.ask(request).await?;
        let id = reply["data"]["id"].as_u64();
        id.map(Some).ok_or(SignalError::Incomplete("an id"))
    }

    /// Opens the room and publishes into it; the server's answer.
    async fn publish(&mut self, offer: &Offer) -> Result<String, SignalError> {
        let room = json!({
            "request": "create", "room": number(offer), "publishers": 1, "videocodec": "vp8",
            "bitrate": BITRATE_BPS_MAX, "transport_wide_cc_ext": true,
        });
        self.message(room, None).await?;
        let join = json!({
            "request": "join", "ptype": "publisher", "room": number(offer), "id": PUBLISHER,
        });
        self.message(join, None).await?;
        let sections = offer.part.publishes.iter().map(|stream| Section {
            kind: stream.kind,
            flow: Flow::Sends {
                ssrc: stream.ssrc,
                cid: format!("load-{}", stream.ssrc),
            },
        });
        let sections: Vec<Section> = sections.collect();
        let jsep = json!({ "type": "offer", "sdp": offer.describe(&sections, 1, "active") });
        let reply = self
            .message(json!({ "request": "publish" }), Some(jsep))
            .await?;
        description(&reply)
    }

    /// Takes the publisher's streams; the server's offer, which is answered.
    async fn subscribe(&mut self, offer: &Offer) -> Result<String, SignalError> {
        let join = json!({
            "request": "join", "ptype": "subscriber", "room": number(offer),
            "streams": [{ "feed": PUBLISHER }],
        });
        let mut asked = 0;
        let attached = loop {
            match self.message(join.clone(), None).await {
                // Janus needs a moment more than the publisher to see that it is connected.
                Err(SignalError::Refused(reason))
                    if reason.starts_with(NO_SUCH_FEED) && asked < FEED_ASKED_MAX =>
                {
                    asked += 1;
                    tokio::time::sleep(FEED_PAUSE).await;
                }
                attached => break attached?,
            }
        };
        let offered = description(&attached)?;
        let jsep = json!({ "type": "answer", "sdp": offer.answer(&offered) });
        self.message(json!({ "request": "start" }), Some(jsep))
            .await?;
        Ok(offered)
    }

    async fn message(&mut self, body: Value, jsep: Option<Value>) -> Result<Value, SignalError> {
        let mut request = json!({ "janus": "message", "body": body });
        if let Some(jsep) = jsep {
            request["jsep"] = jsep;
        }
        self.ask(request).await
    }

    /// Sends a request and waits for what is more than its acknowledgement.
    async fn ask(&mut self, request: Value) -> Result<Value, SignalError> {
        let transaction = self.send(request).await?;
        let reply = tokio::time::timeout(ANSWER_MAX, self.reply(&transaction)).await;
        let reply = reply.map_err(|_| SignalError::Closed)??;
        let said = &reply["plugindata"]["data"]["error"];
        let error = said.as_str().or_else(|| reply["error"]["reason"].as_str());
        match error {
            Some(error) => Err(SignalError::Refused(error.to_owned())),
            None => Ok(reply),
        }
    }

    async fn send(&mut self, mut request: Value) -> Result<String, SignalError> {
        self.asked += 1;
        let transaction = self.asked.to_string();
        request["transaction"] = json!(transaction);
        if let Some(session) = self.session {
            request["session_id"] = json!(session);
        }
        if let Some(handle) = self.handle {
            request["handle_id"] = json!(handle);
        }
        self.socket
            .send(Frame::Text(request.to_string().into()))
            .await?;
        Ok(transaction)
    }

    async fn reply(&mut self, transaction: &str) -> Result<Value, SignalError> {
        while let Some(frame) = self.socket.next().await {
            let Frame::Text(text) = frame? else {
                continue;
            };
            let reply: Value = serde_json::from_str(&text).unwrap_or_default();
            if reply["transaction"] == transaction && reply["janus"] != "ack" {
                return Ok(reply);
            }
        }
        Err(SignalError::Closed)
    }

    /// Keeps the session until the server closes or the client leaves.
    async fn keep(mut self, mut wishes: mpsc::Receiver<Wish>) -> Result<(), SignalError> {
        let mut alive = tokio::time::interval(KEEP_ALIVE_INTERVAL);
        self.handle = None;
        loop {
            tokio::select! {
                _ = alive.tick() => {
                    self.send(json!({ "janus": "keepalive" })).await?;
                }
                frame = self.socket.next() => match frame {
                    Some(frame) => drop(frame?),
                    None => return Ok(()),
                },
                wish = wishes.recv() => match wish {
                    // Only our own server is churned.
                    Some(Wish::Republish(_)) => {}
                    Some(Wish::Leave) | None => {
                        self.send(json!({ "janus": "destroy" })).await?;
                        return Ok(self.socket.close(None).await?);
                    }
                },
            }
        }
    }
}

/// Janus's rooms have numbers.
fn number(offer: &Offer) -> u64 {
    let mix = |sum: u64, byte: u8| (sum * 31 + u64::from(byte)) % ROOMS;
    offer.room.bytes().fold(1, mix)
}

fn description(reply: &Value) -> Result<String, SignalError> {
    let sdp = reply["jsep"]["sdp"].as_str();
    sdp.map(str::to_owned)
        .ok_or(SignalError::Incomplete("a description"))
}
