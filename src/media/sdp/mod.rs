//! Session descriptions (RFC 8866, JSEP's dialect of RFC 8829): one model, a reader and a writer.
//!
//! Only what a bundled, rtcp-muxed WebRTC connection needs is kept; unknown lines are passed over.
//! The reader is bounded and never panics; what [`Description::write`] writes, [`parse`] reads.

mod fragment;
mod parse;
#[cfg(test)]
pub(in crate::media) mod tests;
mod write;

pub use self::fragment::{Fragment, write_fragment};
pub use self::parse::{Head, Outline, mids_are_unique, parse};
use super::command::{Fingerprint, HostCandidates, IceCredentials};

/// Longest description read, bytes: a browser says some 7 kB about each video section, every time.
pub const DESCRIPTION_BYTES_MAX: usize = 1024 * 1024;
/// Most media sections read.
pub const SECTIONS_MAX: usize = 256;
/// Longest mid read, bytes (what an RTP header extension carries in its one-byte form).
pub const MID_BYTES_MAX: usize = 16;
/// Most entries of one list within a section (formats, extensions, SSRCs, …).
pub const LIST_MAX: usize = 128;
/// Longest line read, bytes.
pub const LINE_BYTES_MAX: usize = 8 * 1024;

/// Why a description cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// The text, a line or a list exceeds its bound.
    #[error("session description exceeds a bound")]
    TooLong,
    /// A line that matters is not what RFC 8866 or its attribute's definition says.
    #[error("malformed {0} line")]
    Malformed(&'static str),
    /// A line that must be there is not.
    #[error("missing {0}")]
    Missing(&'static str),
    /// Not a kind of connection that we make: no bundle, no rtcp-mux, or two sections of one mid.
    #[error("unsupported: {0}")]
    Unsupported(&'static str),
}

/// A session description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// Number of the session in `o=`.
    pub session_id: u64,
    /// Version of the session in `o=`.
    pub session_version: u64,
    /// The describer answers connectivity checks only (RFC 8839 section 5.3).
    pub ice_lite: bool,
    /// Mids of the bundle (RFC 9143), the tagged one first.
    pub bundle: Vec<String>,
    /// The media sections, in their eternal order.
    pub sections: Vec<Section>,
}

/// A media section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// What it is for.
    pub kind: SectionKind,
    /// Port 0: refused or ended.
    pub rejected: bool,
    /// Its name, opaque.
    pub mid: String,
    /// Direction from the describer's point of view.
    pub direction: Direction,
    /// Transport of this section, or inherited from the session.
    pub transport: TransportLines,
    /// RTP and RTCP share a port.
    pub rtcp_mux: bool,
    /// Payload types in order of preference, with what is said of each.
    pub formats: Vec<Format>,
    /// RTP header extensions.
    pub extensions: Vec<Extension>,
    /// Stream and track of `a=msid`; the track is empty where it is left out.
    pub msid: Option<(String, String)>,
    /// Restriction ids in the order of `a=simulcast`, or of the `a=rid` lines without it.
    pub rids: Vec<Rid>,
    /// Announced sources with their cname.
    pub ssrcs: Vec<(u32, String)>,
    /// Groups of sources: semantics and members.
    pub ssrc_groups: Vec<(String, Vec<u32>)>,
    /// Host candidates; written, not read (the server is ICE-lite and learns by checks).
    pub candidates: HostCandidates,
    /// Largest data channel message, bytes (RFC 8841 section 6).
    pub message_bytes_max: Option<usize>,
}

/// What a media section is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SectionKind {
    /// RTP audio.
    Audio,
    /// RTP video.
    Video,
    /// Data channels over SCTP over DTLS.
    Data,
    /// Anything else; always refused.
    #[default]
    Other,
}

/// Direction of a section (RFC 8866 section 6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways; also what no line means.
    #[default]
    SendReceive,
    /// The describer sends.
    Send,
    /// The describer receives.
    Receive,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The direction that sends and receives so.
    pub const fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendReceive,
            (true, false) => Self::Send,
            (false, true) => Self::Receive,
            (false, false) => Self::Inactive,
        }
    }

    /// The describer sends.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendReceive | Self::Send)
    }

    /// The describer receives.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendReceive | Self::Receive)
    }
}

/// ICE and DTLS lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransportLines {
    /// `a=ice-ufrag` and `a=ice-pwd`.
    pub ice: Option<IceCredentials>,
    /// SHA-256 certificate fingerprints; those by other hashes are passed over.
    pub fingerprints: Vec<Fingerprint>,
    /// `a=setup` (RFC 8842).
    pub setup: Option<Setup>,
}

/// Role in the DTLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// Either.
    ActPass,
    /// Client.
    Active,
    /// Server.
    Passive,
}

/// A payload type and what the description says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// 0 to 127.
    pub payload_type: u8,
    /// Encoding name of `a=rtpmap`; empty where there is none.
    pub name: String,
    /// Hz.
    pub clock_rate_hz: u32,
    /// Channels of audio, 1 where not said.
    pub channels: u8,
    /// `a=fmtp` without the payload type; empty where there is none.
    pub parameters: String,
    /// `a=rtcp-fb` values, those of payload type `*` included.
    pub feedback: Vec<String>,
}

impl Format {
    /// The value of one `key=value` of the format parameters.
    pub fn parameter(&self, key: &str) -> Option<&str> {
        self.parameters.split(';').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            name.trim().eq_ignore_ascii_case(key).then(|| value.trim())
        })
    }
}

/// A header extension (RFC 8285 section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// 1 to 255.
    pub id: u8,
    /// Its URI.
    pub uri: String,
}

/// A restriction id (RFC 8851).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rid {
    /// At most 16 letters, digits, `-` and `_`.
    pub id: String,
    /// From the describer's point of view: `send` or `recv`.
    pub sends: bool,
}
