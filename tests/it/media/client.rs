//! A client made of the `webrtc` crate's peer connection and LiveKit's single-connection entry.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use crate::waiting::coming;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use chrono::Utc;
use futures_util::{SinkExt as _, StreamExt as _};
use livekit_protocol as proto;
use prost::Message as _;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Answer;
use rtc::ice::network_type::NetworkType;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_OPUS, MIME_TYPE_VP8, MediaEngine,
};
use rtc::rtp;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceCandidateInit,
    RTCSessionDescription, SettingEngineBuilder,
};
use webrtc::runtime::default_runtime;

/// Packets that wait for the test.
const PACKETS_MAX: usize = 1_024;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How a client reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Udp,
    Tcp,
}

/// Sound or picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Audio,
    Video,
}

impl Kind {
    fn codec(self) -> RTCRtpCodecParameters {
        let (mime_type, clock_rate, channels, payload_type) = match self {
            Self::Audio => (MIME_TYPE_OPUS, 48_000, 2, 111),
            Self::Video => (MIME_TYPE_VP8, 90_000, 0, 96),
        };
        RTCRtpCodecParameters {
            rtp_codec: RTCRtpCodec {
                mime_type: mime_type.to_owned(),
                clock_rate,
                channels,
                sdp_fmtp_line: String::new(),
                rtcp_feedback: Vec::new(),
            },
            payload_type,
        }
    }

    fn of(self) -> RtpCodecKind {
        match self {
            Self::Audio => RtpCodecKind::Audio,
            Self::Video => RtpCodecKind::Video,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }

    fn ssrc(self) -> u32 {
        match self {
            Self::Audio => 1_001,
            Self::Video => 1_002,
        }
    }

    fn track(self) -> Arc<TrackLocalStaticRTP> {
        let encoding = RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                ssrc: Some(self.ssrc()),
                ..Default::default()
            },
            codec: self.codec().rtp_codec,
            ..Default::default()
        };
        Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(
            "stream".to_owned(),
            self.name().to_owned(),
            self.name().to_owned(),
            self.of(),
            vec![encoding],
        )))
    }
}

/// A joined client; its signalling goes on by itself.
pub struct Client {
    /// What arrives on remote tracks.
    pub packets: mpsc::Receiver<(Kind, rtp::Packet)>,
    /// The connection, for other kinds of signalling.
    pub connection: Arc<dyn PeerConnection>,
    tracks: Vec<(Kind, Arc<TrackLocalStaticRTP>)>,
    signalling: Option<tokio::task::JoinHandle<()>>,
}

impl Client {
    /// A client that has not spoken to anybody: a publisher has both tracks, who does not publish
    /// wants to receive one of each.
    pub async fn new(publishes: bool) -> Self {
        Self::reaching(Way::Udp, LOCALHOST, publishes).await
    }

    async fn reaching(way: Way, server: IpAddr, publishes: bool) -> Self {
        let (sender, packets) = mpsc::channel(PACKETS_MAX);
        let connection = connection(way, server, sender).await;
        let mut tracks = Vec::new();
        for kind in [Kind::Audio, Kind::Video] {
            if publishes {
                let track = kind.track();
                let local = Arc::clone(&track) as Arc<dyn TrackLocal>;
                connection.add_track(local).await.unwrap();
                tracks.push((kind, track));
            } else {
                receive(&*connection, kind).await;
            }
        }
        Self {
            packets,
            connection,
            tracks,
            signalling: None,
        }
    }

    /// Joins a room as a demo server's key lets in. The client always offers first, so who does
    /// not publish offers to receive.
    pub async fn join(
        way: Way,
        server: SocketAddr,
        room: &str,
        identity: &str,
        publishes: bool,
    ) -> Self {
        let mut client = Self::reaching(way, server.ip(), publishes).await;
        let mut signal = Signal::open(server, &token(room, identity)).await;
        for (kind, _) in &client.tracks {
            signal.announce(*kind).await;
        }
        signal.offer(&*client.connection).await;
        let remote = Arc::clone(&client.connection);
        let negotiation = async move { signal.negotiate(way, &*remote).await };
        client.signalling = Some(tokio::spawn(negotiation));
        client
    }

    /// Sends one packet; nothing goes out before the connection stands.
    pub async fn send(&self, kind: Kind, number: u16, payload: &[u8]) {
        let (_, track) = self
            .tracks
            .iter()
            .find(|(known, _)| *known == kind)
            .unwrap();
        let codec = kind.codec();
        let step = codec.rtp_codec.clock_rate / 50;
        let packet = rtp::Packet {
            header: rtp::Header {
                version: 2,
                marker: kind == Kind::Video,
                payload_type: codec.payload_type,
                sequence_number: number,
                timestamp: u32::from(number) * step,
                ssrc: kind.ssrc(),
                ..Default::default()
            },
            payload: Bytes::copy_from_slice(payload),
        };
        // Refused until the description is agreed on.
        let _ = track.write_rtp(packet).await;
    }

    /// Ends media and signalling.
    pub async fn leave(self) {
        self.connection.close().await.unwrap();
        if let Some(signalling) = self.signalling {
            signalling.abort();
        }
    }
}

async fn connection(
    way: Way,
    server: IpAddr,
    packets: mpsc::Sender<(Kind, rtp::Packet)>,
) -> Arc<dyn PeerConnection> {
    let mut engine = MediaEngine::default();
    for kind in [Kind::Audio, Kind::Video] {
        engine.register_codec(kind.codec(), kind.of()).unwrap();
    }
    let own = SocketAddr::new(server, 0);
    let builder = PeerConnectionBuilder::new();
    let builder = match way {
        Way::Udp => builder.with_udp_addrs(vec![own]),
        Way::Tcp => {
            let types = vec![NetworkType::Tcp4, NetworkType::Tcp6];
            let engine = SettingEngineBuilder::new().with_network_types(types);
            builder
                .with_tcp_addrs(vec![own])
                .with_setting_engine(engine.build())
        }
    };
    let connection = builder
        .with_media_engine(engine)
        .with_handler(Arc::new(Ear { packets }))
        .with_runtime(default_runtime().unwrap())
        .build()
        .await
        .unwrap();
    Arc::new(connection)
}

/// Passes on what remote tracks carry.
struct Ear {
    packets: mpsc::Sender<(Kind, rtp::Packet)>,
}

impl PeerConnectionEventHandler for Ear {
    fn on_track<'a, 'b>(
        &'a self,
        track: Arc<dyn TrackRemote>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        let packets = self.packets.clone();
        Box::pin(async move {
            let is_video = track.kind().await == RtpCodecKind::Video;
            let kind = if is_video { Kind::Video } else { Kind::Audio };
            tokio::spawn(async move {
                while let Some(event) = track.poll().await {
                    if let TrackRemoteEvent::OnRtpPacket(packet) = event {
                        // The test may have seen enough.
                        let _ = packets.send((kind, packet)).await;
                    }
                }
            });
        })
    }
}

/// The signalling socket.
struct Signal {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    offers: u32,
}

impl Signal {
    async fn open(server: SocketAddr, token: &str) -> Self {
        let request = proto::JoinRequest {
            client_info: Some(proto::ClientInfo {
                protocol: 17,
                client_protocol: 2,
                ..Default::default()
            }),
            connection_settings: Some(proto::ConnectionSettings {
                auto_subscribe: true,
                ..Default::default()
            }),
            ..Default::default()
        };
        let wrapped = proto::WrappedJoinRequest {
            compression: 0,
            join_request: request.encode_to_vec(),
        };
        let encoded = URL_SAFE_NO_PAD.encode(wrapped.encode_to_vec());
        let path = format!("rtc/v1?access_token={token}&join_request={encoded}");
        let (socket, _) = connect_async(format!("ws://{server}/{path}"))
            .await
            .unwrap();
        Self { socket, offers: 0 }
    }

    async fn announce(&mut self, kind: Kind) {
        let (r#type, source) = match kind {
            Kind::Audio => (proto::TrackType::Audio, proto::TrackSource::Microphone),
            Kind::Video => (proto::TrackType::Video, proto::TrackSource::Camera),
        };
        let request = proto::AddTrackRequest {
            cid: kind.name().to_owned(),
            name: kind.name().to_owned(),
            r#type: r#type.into(),
            source: source.into(),
            width: 16,
            height: 16,
            ..Default::default()
        };
        self.say(Request::AddTrack(request)).await;
    }

    async fn offer(&mut self, connection: &dyn PeerConnection) {
        let offer = connection.create_offer(None).await.unwrap();
        let sdp = offer.sdp.clone();
        connection.set_local_description(offer).await.unwrap();
        self.offers += 1;
        let offer = proto::SessionDescription {
            r#type: "offer".to_owned(),
            sdp,
            id: self.offers,
            ..Default::default()
        };
        self.say(Request::Offer(offer)).await;
    }

    /// Takes answers, and offers again as often as the server wants more sections.
    async fn negotiate(mut self, way: Way, connection: &dyn PeerConnection) {
        let mut told = way == Way::Udp;
        while let Some(answer) = self.hear().await {
            match answer {
                Answer::Answer(answer) => {
                    let passive = passive_candidate(&answer.sdp);
                    let answer = RTCSessionDescription::answer(answer.sdp).unwrap();
                    connection.set_remote_description(answer).await.unwrap();
                    if !std::mem::replace(&mut told, true) {
                        connection.add_ice_candidate(passive).await.unwrap();
                    }
                }
                Answer::MediaSectionsRequirement(wanted) => {
                    for (kind, count) in [
                        (Kind::Audio, wanted.num_audios),
                        (Kind::Video, wanted.num_videos),
                    ] {
                        for _ in 0..count {
                            receive(connection, kind).await;
                        }
                    }
                    self.offer(connection).await;
                }
                Answer::RequestResponse(refused) => panic!("refused: {refused:?}"),
                _ => {}
            }
        }
    }

    async fn say(&mut self, request: Request) {
        let request = proto::SignalRequest {
            message: Some(request),
        };
        let frame = Message::binary(request.encode_to_vec());
        self.socket.send(frame).await.unwrap();
    }

    async fn hear(&mut self) -> Option<Answer> {
        loop {
            match coming("a message of the server", self.socket.next()).await? {
                Ok(Message::Binary(bytes)) => {
                    let response = proto::SignalResponse::decode(bytes).unwrap();
                    return response.message;
                }
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

/// The server's candidate for TCP; this client connects to what it is told apart from descriptions.
fn passive_candidate(sdp: &str) -> RTCIceCandidateInit {
    let mut lines = sdp.lines().filter_map(|line| line.strip_prefix("a="));
    let passive = lines.find(|line| line.ends_with("tcptype passive"));
    RTCIceCandidateInit {
        candidate: passive.unwrap_or_default().to_owned(),
        ..Default::default()
    }
}

async fn receive(connection: &dyn PeerConnection, kind: Kind) {
    let init = RTCRtpTransceiverInit {
        direction: RTCRtpTransceiverDirection::Recvonly,
        ..Default::default()
    };
    connection
        .add_transceiver_from_kind(kind.of(), Some(init))
        .await
        .unwrap();
}

/// A token by the key of demo servers.
pub fn token(room: &str, identity: &str) -> String {
    token_with(
        identity,
        serde_json::json!({"room": room, "roomJoin": true}),
    )
}

/// A token with this grant, by the key of demo servers.
pub fn token_with(identity: &str, grant: serde_json::Value) -> String {
    let claims = serde_json::json!({
        "iss": "devkey",
        "sub": identity,
        "exp": Utc::now().timestamp() + 600,
        "video": grant,
    });
    let key = jsonwebtoken::EncodingKey::from_secret(b"secret");
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}
