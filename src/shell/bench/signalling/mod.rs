//! How a load client comes into a room: by LiveKit's signalling, or by Janus's.

mod janus;
mod livekit;
mod sdp;

use tokio::sync::mpsc;

pub use self::janus::Janus;
pub use self::livekit::Livekit;
use super::client::Remote;

/// Payload type of VP8 in every offer.
pub const VP8_PAYLOAD_TYPE: u8 = 96;
/// Payload type of Opus in every offer.
pub const OPUS_PAYLOAD_TYPE: u8 = 111;
/// ICE password of every load client.
pub const LOAD_PASSWORD: &str = "load-load-load-load-load";
/// Wishes that wait for a client's signalling; it takes each at once.
const WISHES_MAX: usize = 4;

/// A signalled client's socket.
type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// Audio or video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Opus.
    Audio,
    /// VP8.
    Video,
}

/// A stream that a client publishes.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// Audio or video.
    pub kind: Kind,
    /// Its SSRC.
    pub ssrc: u32,
}

/// What a client does in the room.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// What it publishes.
    pub publishes: Vec<Published>,
    /// Audio sections that it offers to receive on; more are added when the server asks.
    pub audios: usize,
    /// The same for video.
    pub videos: usize,
    /// Offers retransmissions and transport-wide numbers for what it receives.
    pub feedback: bool,
}

/// What a client says of itself.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Which room.
    pub room: String,
    /// What it does there.
    pub part: Part,
    /// Its ICE user fragment and identity, unique among the load clients.
    pub ufrag: String,
    /// `a=fingerprint` value of its certificate.
    pub fingerprint: String,
}

/// What a client that is in asks of its signalling.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Ends what it publishes and publishes these instead.
    Republish(Vec<Published>),
    /// Leaves.
    Leave,
}

/// A client that is in: where its media goes, and its signalling, which lives until it leaves.
pub struct Joined {
    /// The server.
    pub remote: Remote,
    /// Takes wishes.
    pub wishes: mpsc::Sender<Wish>,
}

/// Why a load client could not join.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// The socket failed.
    #[error("signalling socket")]
    Socket(#[from] Box<tokio_tungstenite::tungstenite::Error>),
    /// The token could not be made.
    #[error("token")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// The server closed before it answered.
    #[error("the server closed the socket before it answered")]
    Closed,
    /// The answer lacks what a client needs.
    #[error("the server's answer lacks {0}")]
    Incomplete(&'static str),
    /// The server said no.
    #[error("the server refused: {0}")]
    Refused(String),
}

impl From<tokio_tungstenite::tungstenite::Error> for SignalError {
    fn from(error: tokio_tungstenite::tungstenite::Error) -> Self {
        Self::Socket(Box::new(error))
    }
}

/// A server that clients can join.
#[derive(Clone, Debug)]
pub enum Backend {
    /// It speaks LiveKit's protocol.
    Livekit(Livekit),
    /// It is Janus with its video room.
    Janus(Janus),
}

impl Backend {
    /// Joins; the client's signalling then lives on in a task of the runtime.
    pub async fn join(&self, offer: Offer, expires_at: i64) -> Result<Joined, SignalError> {
        match self {
            Self::Livekit(server) => server.join(offer, expires_at).await,
            Self::Janus(server) => server.join(offer).await,
        }
    }
}
