//! One connection's media sections from our side: what the client sends on each, what we send.
//!
//! [`Answering`] is a connection that the client offers, [`Offering`] one that we offer. Neither
//! knows rooms: a room attaches and detaches [`Outgoing`] streams and reads [`Incoming`] ones.

mod answering;
mod encodings;
mod formats;
mod offering;
#[cfg(test)]
mod tests;

pub use self::answering::{Answering, Offered, STANDING_MAX};
pub use self::encodings::Encodings;
pub use self::formats::TrackOptions;
pub use self::offering::{Answered, Offering};
use super::command::{CodecMapping, ExtensionIds, Fingerprint, IceCredentials, MediaKind};
use super::placement::{ICE_CHARACTERS, Place, letter};
use super::sdp::{Description, Rid, Setup, TransportLines};
use crate::domain::entropy::Entropy;
use crate::domain::id::{ShardId, TrackId, TransportId};

/// Our side of one connection.
#[derive(Debug)]
pub struct Local {
    transport: TransportId,
    session_id: u64,
    session_version: u64,
    ice: IceCredentials,
    fingerprint: Fingerprint,
    place: Place,
    next_ssrc: u32,
}

impl Local {
    /// A side with fresh credentials.
    pub fn new(
        transport: TransportId,
        fingerprint: Fingerprint,
        place: Place,
        entropy: &dyn Entropy,
    ) -> Self {
        let mut random = [0; 12];
        entropy.fill(&mut random);
        let [a, b, c, d, e, f, g, h, i, j, k, l] = random;
        Self {
            transport,
            // RFC 8829 section 5.2.1: a positive number of 63 bits; 53 bits suit every reader.
            session_id: u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 11,
            session_version: 1,
            ice: credentials(transport, place.shard(), entropy),
            fingerprint,
            place,
            next_ssrc: u32::from_be_bytes([i, j, k, l]),
        }
    }

    /// The transport that this side describes.
    pub fn transport(&self) -> TransportId {
        self.transport
    }

    /// The shard that the transport is on.
    pub fn shard(&self) -> ShardId {
        self.place.shard()
    }

    /// Present credentials.
    pub fn ice(&self) -> &IceCredentials {
        &self.ice
    }

    /// Takes new credentials: the next description restarts ICE.
    pub fn restart(&mut self, entropy: &dyn Entropy) {
        self.ice = credentials(self.transport, self.shard(), entropy);
    }

    /// An SSRC never used by us on this transport (they count up from a random one, so that only
    /// 2³² of them could repeat one).
    pub fn ssrc(&mut self) -> u32 {
        self.next_ssrc = self.next_ssrc.wrapping_add(1).max(1);
        self.next_ssrc
    }

    fn lines(&self, setup: Setup) -> TransportLines {
        TransportLines {
            ice: Some(self.ice.clone()),
            fingerprints: vec![self.fingerprint],
            setup: Some(setup),
        }
    }

    /// An empty description of the next version.
    fn description(&mut self) -> Description {
        self.session_version += 1;
        Description {
            session_id: self.session_id,
            session_version: self.session_version,
            ice_lite: true,
            bundle: Vec::new(),
            sections: Vec::new(),
        }
    }
}

/// Fresh credentials; the fragment begins with the shard's letter, and the transport's number makes
/// it unique over the server.
fn credentials(transport: TransportId, shard: ShardId, entropy: &dyn Entropy) -> IceCredentials {
    let mut random = [0; 32];
    entropy.fill(&mut random);
    let (fragment, password) = random.split_at(8);
    IceCredentials {
        ufrag: format!(
            "{}{}{:x}",
            letter(shard),
            ice_characters(fragment),
            transport.0
        ),
        pwd: ice_characters(password),
    }
}

/// `ice-char`s (RFC 8839 section 5.4), six bits from each byte.
fn ice_characters(random: &[u8]) -> String {
    let characters = random
        .iter()
        .map(|byte| ICE_CHARACTERS.get(usize::from(byte & 63)));
    characters.flatten().map(|byte| char::from(*byte)).collect()
}

/// A stream that we send on a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Whose copy it is.
    pub track: TrackId,
    /// Stream id of `a=msid`: `PA_x|camera` or `PA_x|TR_y`.
    pub stream: String,
    /// RTCP canonical name; equal for what belongs to one publisher.
    pub cname: String,
    /// Our SSRC.
    pub ssrc: u32,
    /// Our SSRC of retransmissions, for video.
    pub rtx_ssrc: Option<u32>,
    /// The publisher's audio has two channels.
    pub stereo: bool,
}

/// What a client takes on a section that we send on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Codecs with its payload types, in its order of preference.
    pub codecs: Vec<CodecMapping>,
    /// Header extensions.
    pub extensions: ExtensionIds,
}

/// A stream that the client sends on a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The section.
    pub mid: String,
    /// Audio or video.
    pub kind: MediaKind,
    /// Track id of `a=msid`; may be empty.
    pub cid: String,
    /// Restriction ids as offered; empty for a single stream.
    pub rids: Vec<Rid>,
    /// Announced SSRCs.
    pub ssrcs: Vec<u32>,
    /// Announced groups.
    pub ssrc_groups: Vec<(String, Vec<u32>)>,
    /// Codecs in the order that we answer before anything is known of the track.
    pub codecs: Vec<CodecMapping>,
    /// Negotiated extensions.
    pub extensions: ExtensionIds,
}
