//! Signalling of a load client: LiveKit's `/rtc/v1`, as the SDKs speak it.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use futures_util::{SinkExt as _, StreamExt as _};
use jsonwebtoken::{EncodingKey, Header};
use livekit_protocol as proto;
use prost::Message as _;
use proto::signal_request::Message as Ask;
use proto::signal_response::Message as Reply;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::client::Remote;

/// Between pings; the server's answer says the same (LiveKit: 5 s).
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// SSRC of the stream that the publisher announces.
pub const PUBLISHER_SSRC: u32 = 0x4d54_0001;
/// Payload type of VP8 in every offer.
pub const VP8_PAYLOAD_TYPE: u8 = 96;

/// What a load client does in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sends one video track.
    Publisher,
    /// Receives it.
    Subscriber,
}

/// Why a load client could not join.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// The socket failed.
    #[error("signalling socket")]
    Socket(#[from] tokio_tungstenite::tungstenite::Error),
    /// The token could not be made.
    #[error("token")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// The server closed before it answered.
    #[error("the server closed the socket before it answered")]
    Closed,
    /// The answer lacks what a client needs.
    #[error("the server's answer lacks {0}")]
    Incomplete(&'static str),
}

/// A signalled client; its socket must be kept by [`Signalling::keep`].
pub struct Signalling {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    offer: Offer,
    offers: u32,
}

/// What a client says of itself in its offers.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What it does.
    pub role: Role,
    /// Its ICE user fragment, unique among the load clients.
    pub ufrag: String,
    /// `a=fingerprint` value of its certificate.
    pub fingerprint: String,
}

impl Signalling {
    /// Joins a plain room with the demo key and waits for the answer to the first offer.
    pub async fn join(
        server: SocketAddr,
        room: &str,
        offer: Offer,
        expires_at: i64,
    ) -> Result<(Self, Remote), SignalError> {
        let token = token(room, &offer.ufrag, expires_at)?;
        let request = URL_SAFE.encode(join_request(&offer).encode_to_vec());
        let url = format!("ws://{server}/rtc/v1?access_token={token}&join_request={request}");
        let (socket, _) = tokio_tungstenite::connect_async(url).await?;
        let mut signalling = Self {
            socket,
            offer,
            offers: 1,
        };
        let remote = signalling.first_answer().await?;
        Ok((signalling, remote))
    }

    /// Answers the server until it closes: pings, and a new offer whenever it asks for one.
    pub async fn keep(mut self) -> Result<(), SignalError> {
        let mut ping = tokio::time::interval(PING_INTERVAL);
        loop {
            tokio::select! {
                _ = ping.tick() => self.send(Ask::Ping(0)).await?,
                frame = self.socket.next() => match frame {
                    Some(frame) => self.reply(frame?).await?,
                    None => return Ok(()),
                },
            }
        }
    }

    async fn reply(&mut self, frame: Frame) -> Result<(), SignalError> {
        let Some(reply) = decode(&frame) else {
            return Ok(());
        };
        if matches!(reply, Reply::MediaSectionsRequirement(_)) {
            self.offers += 1;
            let offer = description(&self.offer, self.offers);
            self.send(Ask::Offer(offer)).await?;
        }
        Ok(())
    }

    async fn first_answer(&mut self) -> Result<Remote, SignalError> {
        while let Some(frame) = self.socket.next().await {
            let frame = frame?;
            match decode(&frame) {
                Some(Reply::Answer(answer)) => return remote(&answer.sdp),
                Some(Reply::Leave(_)) => return Err(SignalError::Closed),
                Some(_) | None => self.reply(frame).await?,
            }
        }
        Err(SignalError::Closed)
    }

    async fn send(&mut self, message: Ask) -> Result<(), SignalError> {
        let request = proto::SignalRequest {
            message: Some(message),
        };
        Ok(self
            .socket
            .send(Frame::Binary(request.encode_to_vec().into()))
            .await?)
    }
}

fn decode(frame: &Frame) -> Option<Reply> {
    let Frame::Binary(bytes) = frame else {
        return None;
    };
    proto::SignalResponse::decode(bytes.as_ref()).ok()?.message
}

fn join_request(offer: &Offer) -> proto::WrappedJoinRequest {
    let tracks = match offer.role {
        Role::Publisher => vec![proto::AddTrackRequest {
            cid: "load".to_owned(),
            name: "load".to_owned(),
            r#type: proto::TrackType::Video.into(),
            source: proto::TrackSource::Camera.into(),
            width: 1280,
            height: 720,
            ..Default::default()
        }],
        Role::Subscriber => Vec::new(),
    };
    let join = proto::JoinRequest {
        client_info: Some(proto::ClientInfo {
            protocol: 17,
            ..Default::default()
        }),
        connection_settings: Some(proto::ConnectionSettings {
            auto_subscribe: true,
            ..Default::default()
        }),
        add_track_requests: tracks,
        publisher_offer: Some(description(offer, 1)),
        ..Default::default()
    };
    proto::WrappedJoinRequest {
        compression: 0,
        join_request: join.encode_to_vec(),
    }
}

fn description(offer: &Offer, id: u32) -> proto::SessionDescription {
    let Offer {
        role,
        ufrag,
        fingerprint,
    } = offer;
    let pt = VP8_PAYLOAD_TYPE;
    let direction = match role {
        Role::Publisher => format!(
            "a=sendonly\r\na=msid:load load\r\na=ssrc:{PUBLISHER_SSRC} cname:load\r\n\
             a=ssrc:{PUBLISHER_SSRC} msid:load load\r\n"
        ),
        Role::Subscriber => "a=recvonly\r\n".to_owned(),
    };
    let sdp = format!(
        "v=0\r\no=- 1 {id} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         a=msid-semantic: WMS *\r\nm=video 9 UDP/TLS/RTP/SAVPF {pt}\r\nc=IN IP4 0.0.0.0\r\n\
         a=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:{LOAD_PASSWORD}\r\n\
         a=ice-options:trickle\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\n\
         a=mid:0\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:{pt} VP8/90000\r\n\
         a=rtcp-fb:{pt} nack\r\na=rtcp-fb:{pt} nack pli\r\na=rtcp-fb:{pt} ccm fir\r\n{direction}"
    );
    proto::SessionDescription {
        r#type: "offer".to_owned(),
        sdp,
        id,
        ..Default::default()
    }
}

/// ICE password of every load client; the server is ICE-lite and never checks towards it.
const LOAD_PASSWORD: &str = "load-load-load-load-load";

fn remote(sdp: &str) -> Result<Remote, SignalError> {
    let value = |key: &'static str| {
        sdp.lines()
            .find_map(|line| line.strip_prefix(key))
            .map(str::trim)
            .ok_or(SignalError::Incomplete(key))
    };
    let candidate: Vec<&str> = value("a=candidate:")?.split(' ').collect();
    let (Some(host), Some(port)) = (candidate.get(4), candidate.get(5)) else {
        return Err(SignalError::Incomplete("a candidate's address"));
    };
    let address = format!("{host}:{port}").parse();
    Ok(Remote {
        address: address.map_err(|_| SignalError::Incomplete("an IPv4 candidate"))?,
        ufrag: value("a=ice-ufrag:")?.to_owned(),
        pwd: value("a=ice-pwd:")?.to_owned(),
    })
}

fn token(room: &str, identity: &str, expires_at: i64) -> Result<String, SignalError> {
    let claims = serde_json::json!({
        "iss": "devkey",
        "sub": identity,
        "nbf": 0,
        "exp": expires_at,
        "video": { "room": room, "roomJoin": true },
    });
    let key = EncodingKey::from_secret(b"secret");
    Ok(jsonwebtoken::encode(&Header::default(), &claims, &key)?)
}
