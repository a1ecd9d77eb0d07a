//! LiveKit's `/rtc/v1`, as the SDKs speak it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use futures_util::{SinkExt as _, StreamExt as _};
use jsonwebtoken::{EncodingKey, Header};
use livekit_protocol as proto;
use prost::Message as _;
use proto::signal_request::Message as Ask;
use proto::signal_response::Message as Reply;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::sdp::{Flow, Section, remote};
use super::{Joined, Kind, Offer, Published, SignalError, Socket, WISHES_MAX, Wish};
use crate::shell::bench::client::Remote;

/// Between pings; the server's answer says the same (LiveKit: 5 s).
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// A server that speaks LiveKit's protocol.
#[derive(Clone, Debug)]
pub struct Livekit {
    /// `ws://host:port`.
    pub url: String,
    /// API key.
    pub key: String,
    /// Its secret.
    pub secret: String,
}

impl Livekit {
    /// Joins and waits for the answer to the first offer.
    pub async fn join(&self, offer: Offer, expires_at: i64) -> Result<Joined, SignalError> {
        let token = self.token(&offer, expires_at)?;
        let mut line = Line::new(offer);
        let request = URL_SAFE.encode(line.join_request().encode_to_vec());
        let url = format!(
            "{}/rtc/v1?access_token={token}&join_request={request}",
            self.url
        );
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await?;
        let remote = line.first_answer(&mut socket).await?;
        let (wishes, wished) = mpsc::channel(WISHES_MAX);
        tokio::spawn(line.keep(socket, wished));
        Ok(Joined { remote, wishes })
    }

    fn token(&self, offer: &Offer, expires_at: i64) -> Result<String, SignalError> {
        let claims = serde_json::json!({
            "iss": self.key,
            "sub": offer.ufrag,
            "nbf": 0,
            "exp": expires_at,
            "video": { "room": offer.room, "roomJoin": true },
        });
        let key = EncodingKey::from_secret(self.secret.as_bytes());
        Ok(jsonwebtoken::encode(&Header::default(), &claims, &key)?)
    }
}

/// A client's side of the negotiation.
struct Line {
    offer: Offer,
    sections: Vec<Section>,
    offers: u32,
}

impl Line {
    fn new(offer: Offer) -> Self {
        let receiving = |kind| Section {
            kind,
            flow: Flow::Receives,
        };
        let part = &offer.part;
        let audios = std::iter::repeat_n(receiving(Kind::Audio), part.audios);
        let videos = std::iter::repeat_n(receiving(Kind::Video), part.videos);
        let sections = part
            .publishes
            .iter()
            .map(sending)
            .chain(audios)
            .chain(videos);
        Self {
            sections: sections.collect(),
            offer,
            offers: 1,
        }
    }

    fn description(&self) -> proto::SessionDescription {
        proto::SessionDescription {
            r#type: "offer".to_owned(),
            sdp: self.offer.describe(&self.sections, self.offers, "actpass"),
            id: self.offers,
            ..Default::default()
        }
    }

    fn join_request(&self) -> proto::WrappedJoinRequest {
        let join = proto::JoinRequest {
            client_info: Some(proto::ClientInfo {
                protocol: 17,
                ..Default::default()
            }),
            connection_settings: Some(proto::ConnectionSettings {
                auto_subscribe: true,
                ..Default::default()
            }),
            add_track_requests: self.offer.part.publishes.iter().map(add_track).collect(),
            publisher_offer: Some(self.description()),
            ..Default::default()
        };
        proto::WrappedJoinRequest {
            compression: 0,
            join_request: join.encode_to_vec(),
        }
    }

    async fn first_answer(&mut self, socket: &mut Socket) -> Result<Remote, SignalError> {
        while let Some(frame) = socket.next().await {
            match decode(&frame?) {
                Some(Reply::Answer(answer)) => return remote(&answer.sdp),
                Some(Reply::Leave(leave)) => {
                    return Err(SignalError::Refused(format!("{:?}", leave.reason())));
                }
                Some(reply) => self.reply(socket, &reply).await?,
                None => {}
            }
        }
        Err(SignalError::Closed)
    }

    /// Answers the server until it closes or the client leaves: pings, and a new offer whenever
    /// there are sections to add.
    async fn keep(
        mut self,
        mut socket: Socket,
        mut wishes: mpsc::Receiver<Wish>,
    ) -> Result<(), SignalError> {
        let mut ping = tokio::time::interval(PING_INTERVAL);
        loop {
            tokio::select! {
                _ = ping.tick() => send(&mut socket, Ask::Ping(0)).await?,
                frame = socket.next() => match frame {
                    Some(frame) => if let Some(reply) = decode(&frame?) {
                        self.reply(&mut socket, &reply).await?;
                    },
                    None => return Ok(()),
                },
                wish = wishes.recv() => match wish {
                    Some(Wish::Republish(streams)) => self.republish(&mut socket, &streams).await?,
                    Some(Wish::Leave) | None => return leave(socket).await,
                },
            }
        }
    }

    async fn reply(&mut self, socket: &mut Socket, reply: &Reply) -> Result<(), SignalError> {
        let Reply::MediaSectionsRequirement(needed) = reply else {
            return Ok(());
        };
        for (kind, count) in [
            (Kind::Audio, needed.num_audios),
            (Kind::Video, needed.num_videos),
        ] {
            self.sections.extend((0..count).map(|_| Section {
                kind,
                flow: Flow::Receives,
            }));
        }
        self.renegotiate(socket).await
    }

    async fn republish(
        &mut self,
        socket: &mut Socket,
        streams: &[Published],
    ) -> Result<(), SignalError> {
        let sends = |section: &&mut Section| matches!(section.flow, Flow::Sends { .. });
        for section in self.sections.iter_mut().filter(sends) {
            section.flow = Flow::Idle;
        }
        self.renegotiate(socket).await?;
        for stream in streams {
            send(socket, Ask::AddTrack(add_track(stream))).await?;
            let idle = |section: &&mut Section| {
                section.kind == stream.kind && matches!(section.flow, Flow::Idle)
            };
            match self.sections.iter_mut().find(idle) {
                Some(section) => *section = sending(stream),
                None => self.sections.push(sending(stream)),
            }
        }
        self.renegotiate(socket).await
    }

    async fn renegotiate(&mut self, socket: &mut Socket) -> Result<(), SignalError> {
        self.offers += 1;
        let offer = self.description();
        send(socket, Ask::Offer(offer)).await
    }
}

/// The name of a track is its SSRC.
fn cid(stream: &Published) -> String {
    format!("load-{}", stream.ssrc)
}

fn sending(stream: &Published) -> Section {
    Section {
        kind: stream.kind,
        flow: Flow::Sends {
            ssrc: stream.ssrc,
            cid: cid(stream),
        },
    }
}

fn add_track(stream: &Published) -> proto::AddTrackRequest {
    let (kind, source, (width, height)) = match stream.kind {
        Kind::Audio => (
            proto::TrackType::Audio,
            proto::TrackSource::Microphone,
            (0, 0),
        ),
        Kind::Video => (
            proto::TrackType::Video,
            proto::TrackSource::Camera,
            (1280, 720),
        ),
    };
    proto::AddTrackRequest {
        cid: cid(stream),
        name: cid(stream),
        r#type: kind.into(),
        source: source.into(),
        width,
        height,
        ..Default::default()
    }
}

async fn leave(mut socket: Socket) -> Result<(), SignalError> {
    send(&mut socket, Ask::Leave(proto::LeaveRequest::default())).await?;
    Ok(socket.close(None).await?)
}

async fn send(socket: &mut Socket, message: Ask) -> Result<(), SignalError> {
    let request = proto::SignalRequest {
        message: Some(message),
    };
    let frame = Frame::Binary(request.encode_to_vec().into());
    Ok(socket.send(frame).await?)
}

fn decode(frame: &Frame) -> Option<Reply> {
    let Frame::Binary(bytes) = frame else {
        return None;
    };
    proto::SignalResponse::decode(bytes.as_ref()).ok()?.message
}
