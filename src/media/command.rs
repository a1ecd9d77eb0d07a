//! What the room half tells the packet half ([`Command`]) and what it hears back ([`Event`]).
//!
//! Commands are small and typed: a media thread never sees a session description. Commands of one
//! transport are handled in the order given; a command that names an unknown id is ignored, because
//! it may cross the event that ended the thing.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::domain::id::{LegId, ShardId, SourceId, TapId, TransportId};

/// An order to a media thread.
#[derive(Clone, Debug)]
pub enum Command {
    /// Makes a transport that waits for the client's first binding request.
    OpenTransport(TransportConfig),
    /// Names the certificates that the client's DTLS may show; DTLS waits for this.
    SetRemote {
        /// The transport.
        transport: TransportId,
        /// SHA-256 fingerprints from the client's session description; never empty.
        fingerprints: Vec<Fingerprint>,
    },
    /// New local ICE credentials; the old ones are answered too until the new ones are first used.
    RestartIce {
        /// The transport.
        transport: TransportId,
        /// The new credentials.
        local: IceCredentials,
    },
    /// Ends a transport with everything on it. DTLS `close_notify` is sent; no event follows.
    CloseTransport {
        /// The transport.
        transport: TransportId,
    },
    /// Expects a published stream on a transport.
    AddSource(SourceConfig),
    /// Forgets a published stream and every leg of it.
    RemoveSource {
        /// The source.
        source: SourceId,
    },
    /// Expects the packets of a source of another shard; [`Command::RemoveSource`] ends it.
    AddMirror(MirrorConfig),
    /// Hands packets of a source over to another shard, or no longer.
    Relay {
        /// The source.
        source: SourceId,
        /// Where it has a mirror.
        to: ShardId,
        /// False ends it.
        on: bool,
    },
    /// Forwards a source to a transport.
    AddLeg(LegConfig),
    /// Stops forwarding.
    RemoveLeg {
        /// The leg.
        leg: LegId,
    },
    /// Holds a leg back, or lets it go on from the next key frame.
    PauseLeg {
        /// The leg.
        leg: LegId,
        /// True holds it back.
        paused: bool,
    },
    /// The highest encoding (index into [`SourceConfig::encodings`]) a leg wants; it switches on a
    /// key frame.
    SelectEncoding {
        /// The leg.
        leg: LegId,
        /// Index into the source's encodings, lowest quality first.
        encoding: u8,
    },
    /// How many pictures a second a leg wants, as far as temporal layers can be left out for that.
    LimitFrameRate {
        /// The leg.
        leg: LegId,
        /// `None` wants all.
        frames_per_second: Option<u8>,
    },
    /// How much a subscriber wants a leg beside its others when not all fit: more is wanted more.
    PrioritizeLeg {
        /// The leg.
        leg: LegId,
        /// See [`LegConfig::priority`].
        priority: u8,
    },
    /// How much everybody wants a source beside others; the higher of this and the leg's own
    /// counts.
    PrioritizeSource {
        /// The source.
        source: SourceId,
        /// See [`LegConfig::priority`].
        priority: u8,
    },
    /// Hands frames of a source to the server itself.
    AddTap(TapConfig),
    /// Ends a tap.
    RemoveTap {
        /// The tap.
        tap: TapId,
    },
    /// A tap of [`TapWant::Stills`] wants one, taken from now on; one of [`TapWant::Everything`]
    /// wants a key frame soon, though nothing is missing.
    WantStill {
        /// The tap.
        tap: TapId,
    },
    /// Sends one message on a data channel; dropped when the channel is not open, or when more than
    /// 1 MiB waits on it (the client is too slow: reliable channels then close the transport).
    SendData {
        /// The transport.
        transport: TransportId,
        /// The channel.
        channel: DataChannel,
        /// At most [`DATA_MESSAGE_BYTES_MAX`] bytes.
        payload: Bytes,
    },
}

/// Largest data channel message taken or sent, bytes (LiveKit's clients send up to 64,000).
pub const DATA_MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// What a media thread reports.
#[derive(Clone, Debug)]
pub enum Event {
    /// DTLS is complete and media may flow.
    TransportConnected {
        /// The transport.
        transport: TransportId,
        /// From the first authenticated binding request to the end of the DTLS handshake.
        setup: Duration,
    },
    /// Nothing authenticated was heard for 5 s; media may come back, by ICE restart or by itself.
    TransportSilent {
        /// The transport.
        transport: TransportId,
    },
    /// A silent transport is heard again.
    TransportHeard {
        /// The transport.
        transport: TransportId,
    },
    /// The transport is gone and all its sources and legs with it.
    TransportClosed {
        /// The transport.
        transport: TransportId,
        /// Why.
        reason: CloseReason,
    },
    /// First authenticated packet of an encoding.
    EncodingStarted {
        /// The source.
        source: SourceId,
        /// Index into the source's encodings.
        encoding: u8,
    },
    /// A leg is held back because the way to its subscriber is too narrow, or goes on.
    LegHeld {
        /// The subscriber's transport.
        transport: TransportId,
        /// The leg.
        leg: LegId,
        /// True holds it back.
        held: bool,
    },
    /// A data channel of the client is open.
    ChannelOpened {
        /// The transport.
        transport: TransportId,
        /// Which.
        channel: DataChannel,
    },
    /// One message from a data channel.
    Data {
        /// The transport.
        transport: TransportId,
        /// Which channel.
        channel: DataChannel,
        /// At most [`DATA_MESSAGE_BYTES_MAX`] bytes.
        payload: Bytes,
    },
    /// Loudest recent levels of one thread's audio sources (RFC 6464), each 400 ms: of those who
    /// speak or stopped within 2 s.
    AudioLevels(Vec<AudioLevel>),
    /// What a transport carried, each 5 s from its connection on.
    Report(TransportReport),
}

/// Why a transport ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client said so (DTLS close_notify).
    ClosedByPeer,
    /// Nothing authenticated was heard for 30 s (RFC 7675 consent).
    ConsentExpired,
    /// No connection within 60 s of opening.
    NeverConnected,
    /// The handshake failed: wrong certificate, no common cipher.
    HandshakeFailed,
    /// The client does not read its reliable data.
    DataOverflow,
    /// A fault of ours while the client was being served.
    Broken,
}

/// Level of one audio source over a window of 400 ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AudioLevel {
    /// The source.
    pub source: SourceId,
    /// Loudest smoothed level, in -dBov: 0 is loudest, 127 is silence (RFC 6464 section 3).
    pub level_dbov: u8,
    /// Share of packets in the window louder than -35 dBov, 0 to 1.
    pub active_ratio: f32,
}

/// What a transport carried since its connection; all counters grow only.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TransportReport {
    /// The transport.
    pub transport: TransportId,
    /// Authenticated RTP packets from the client.
    pub packets_in: u64,
    /// Packets the client's streams should have had by sequence number and have not.
    pub packets_in_lost: u64,
    /// RTP packets sent to the client, retransmissions left out.
    pub packets_out: u64,
    /// Packets that the client's receiver reports acknowledge (highest sequence minus lost).
    pub packets_out_delivered: u64,
    /// RTP payload bytes sent.
    pub bytes_out: u64,
    /// Round trip by receiver reports (RFC 3550 section 6.4.1), if known.
    pub round_trip: Option<Duration>,
    /// Time since anything authenticated was heard.
    pub heard_ago: Duration,
}

/// ICE user fragment and password (RFC 8839 section 5.4), both from `ice-char`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceCredentials {
    /// 4 to 256 characters; unique over the server.
    pub ufrag: String,
    /// 22 to 256 characters.
    pub pwd: String,
}

/// SHA-256 of a DER certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprint(..)")
    }
}

/// The three channels of LiveKit's clients, by label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DataChannel {
    /// `_reliable`: ordered, complete.
    Reliable,
    /// `_lossy`: unordered, no retransmission.
    Lossy,
    /// `_data_track`: unordered, no retransmission.
    DataTrack,
}

impl DataChannel {
    /// The channel's label on the wire.
    pub fn label(self) -> &'static str {
        match self {
            Self::Reliable => "_reliable",
            Self::Lossy => "_lossy",
            Self::DataTrack => "_data_track",
        }
    }

    /// The channel of a label; other labels are refused by closing the stream.
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Reliable, Self::Lossy, Self::DataTrack]
            .into_iter()
            .find(|c| c.label() == label)
    }
}

/// A transport to make. The server is ICE-lite, DTLS-passive, and bundles everything.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// Its id.
    pub transport: TransportId,
    /// Where it lives: the shard whose addresses the session description has.
    pub shard: ShardId,
    /// Our credentials, as in the session description.
    pub local: IceCredentials,
    /// The client's certificates if its description is here already; may be empty.
    pub fingerprints: Vec<Fingerprint>,
    /// Channels that we open (v0 subscriber connection); the client opens its own otherwise.
    pub open_channels: Vec<DataChannel>,
}

/// Kind of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaKind {
    /// Opus.
    Audio,
    /// Camera or screen.
    Video,
}

/// A codec that we forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// RFC 7587, 48 kHz.
    Opus,
    /// RFC 2198 around Opus (`audio/red`), 48 kHz.
    Red,
    /// RFC 7741, 90 kHz.
    Vp8,
    /// RFC 6184, packetization-mode 1, 90 kHz.
    H264,
    /// RFC 9628, profile 0, 90 kHz.
    Vp9,
    /// <https://aomediacodec.github.io/av1-rtp-spec/>, profile 0, 90 kHz.
    Av1,
}

/// All of them.
pub const CODECS: [Codec; 6] = [
    Codec::Opus,
    Codec::Red,
    Codec::Vp8,
    Codec::H264,
    Codec::Vp9,
    Codec::Av1,
];

impl Codec {
    /// RTP clock rate, Hz.
    pub const fn clock_rate_hz(self) -> u32 {
        match self {
            Self::Opus | Self::Red => 48_000,
            Self::Vp8 | Self::H264 | Self::Vp9 | Self::Av1 => 90_000,
        }
    }

    /// Kind of stream it carries.
    pub const fn kind(self) -> MediaKind {
        match self {
            Self::Opus | Self::Red => MediaKind::Audio,
            Self::Vp8 | Self::H264 | Self::Vp9 | Self::Av1 => MediaKind::Video,
        }
    }

    /// One stream of it may carry several spatial layers.
    pub const fn has_layers(self) -> bool {
        matches!(self, Self::Vp9 | Self::Av1)
    }
}

/// Payload types of a codec on one transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodecMapping {
    /// The codec.
    pub codec: Codec,
    /// Its payload type, 0 to 127.
    pub payload_type: u8,
    /// Payload type of its RFC 4588 retransmissions, if negotiated.
    pub rtx_payload_type: Option<u8>,
}

/// Ids of RTP header extensions (RFC 8285) as negotiated on a transport; 1 to 14, or absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`
    pub mid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id`
    pub rid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id`
    pub repaired_rid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level`
    pub audio_level: Option<u8>,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`
    pub transport_cc: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/playout-delay`
    pub playout_delay: Option<u8>,
    /// `https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension`; 1
    /// to 255, because it may need the two-byte form anyway.
    pub dependency: Option<u8>,
}

/// Most encodings of a source.
pub const ENCODINGS_MAX: usize = 3;

/// A published stream to expect.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// Its id.
    pub source: SourceId,
    /// Where it comes in.
    pub transport: TransportId,
    /// Audio or video.
    pub kind: MediaKind,
    /// Media section it belongs to (RFC 9143), at most 16 bytes.
    pub mid: String,
    /// One to [`ENCODINGS_MAX`], lowest quality first.
    pub encodings: Vec<EncodingConfig>,
    /// One stream carries all encodings, the first's, and tells their packets apart by dependency
    /// descriptors.
    pub layered: bool,
    /// Payload types the publisher may use.
    pub codecs: Vec<CodecMapping>,
    /// Header extensions of the publisher's transport.
    pub extensions: ExtensionIds,
}

/// A source of another shard, as far as legs need to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MirrorConfig {
    /// Its id, the same on all shards.
    pub source: SourceId,
    /// Where it comes in.
    pub home: ShardId,
    /// Audio or video.
    pub kind: MediaKind,
    /// One to [`ENCODINGS_MAX`].
    pub encodings: usize,
    /// See [`LegConfig::priority`].
    pub priority: u8,
}

/// One layer of a published stream; its SSRC is announced, or learnt from mid and rid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodingConfig {
    /// RFC 8851 restriction id; `None` for a single stream.
    pub rid: Option<String>,
    /// Announced SSRC, if the description had one.
    pub ssrc: Option<u32>,
    /// Announced SSRC of the retransmissions (`ssrc-group:FID`).
    pub rtx_ssrc: Option<u32>,
}

/// A copy of a source for one subscriber.
#[derive(Clone, Debug)]
pub struct LegConfig {
    /// Its id.
    pub leg: LegId,
    /// What is forwarded.
    pub source: SourceId,
    /// Where to.
    pub transport: TransportId,
    /// Our SSRC, unique on the transport for its whole life.
    pub ssrc: u32,
    /// Our SSRC for retransmissions, when the subscriber negotiated RTX.
    pub rtx_ssrc: Option<u32>,
    /// Payload types the subscriber takes, in its order of preference; a packet of a codec that is
    /// not here is dropped (RED is unpacked to Opus where only Opus is here).
    pub codecs: Vec<CodecMapping>,
    /// Header extensions of the subscriber's transport.
    pub extensions: ExtensionIds,
    /// Highest encoding wanted at first.
    pub encoding: u8,
    /// Of the pictures that do not all fit, those of a higher priority come first.
    pub priority: u8,
    /// Starts held back.
    pub paused: bool,
}

/// A use of a source's frames by the server itself; see [`super::tap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapConfig {
    /// Its id.
    pub tap: TapId,
    /// Whose frames.
    pub source: SourceId,
    /// Which.
    pub want: TapWant,
}

/// Which frames a tap gets, of the best encoding that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapWant {
    /// A key frame for each [`Command::WantStill`].
    Stills,
    /// All.
    Everything,
}

/// Where the packet half can be reached, in order of preference: what goes into candidates (RFC
/// 8839 section 5.1). A server that can be reached has one or the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostCandidates {
    /// Host addresses for UDP.
    pub udp: Vec<SocketAddr>,
    /// Host addresses for TCP, to which clients connect (`tcptype passive`, RFC 6544).
    pub tcp: Vec<SocketAddr>,
}
