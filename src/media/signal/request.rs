//! What a client asks.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::TrackSource;
use crate::domain::id::{ParticipantId, TrackId};
use crate::media::command::{Codec, DataChannel, MediaKind};

/// A message from a client.
#[derive(Clone, Debug)]
pub enum Request {
    /// Wants to publish a track; answered by [`Notice::TrackPublished`] or
    /// [`Notice::RequestRefused`].
    AddTrack(AddTrack),
    /// Session description of a connection that the client offers; `id` is echoed.
    Offer {
        /// Client's number of the offer.
        id: u32,
        /// RFC 8866 text, at most 256 KiB.
        sdp: String,
    },
    /// Answer to our offer: on the subscriber connection, or to [`super::Notice::CounterOffer`],
    /// which is answered by [`super::Notice::RequestDone`] or [`super::Notice::RequestRefused`].
    Answer {
        /// Number of our offer, or 0 where the client does not number.
        id: u32,
        /// RFC 8866 text, at most 256 KiB.
        sdp: String,
    },
    /// Mutes or unmutes an own track.
    Mute {
        /// The track.
        track: TrackId,
        /// True mutes.
        muted: bool,
    },
    /// Subscribes to or leaves tracks.
    Subscribe {
        /// The tracks.
        tracks: Vec<TrackId>,
        /// True subscribes.
        subscribe: bool,
    },
    /// Says how tracks are shown (adaptive stream).
    TrackSetting {
        /// The tracks.
        tracks: Vec<TrackId>,
        /// How they are shown.
        setting: Setting,
    },
    /// Says who may subscribe to the own tracks.
    SubscriptionPermission {
        /// Everybody may.
        all: bool,
        /// Otherwise these: identity or participant id, and the tracks (empty: all).
        allowed: Vec<(String, Vec<TrackId>)>,
    },
    /// Changes own name, metadata, attributes (an empty value deletes a key).
    UpdateMetadata {
        /// Echoed in [`Notice::RequestDone`] or [`Notice::RequestRefused`].
        request_id: u32,
        /// New metadata, if not empty.
        metadata: String,
        /// New name, if not empty.
        name: String,
        /// Changed attributes.
        attributes: BTreeMap<String, String>,
    },
    /// Sends data to others; `payload` is already in its final form, with the sender overwritten.
    SendData {
        /// The [`super::Notice::OwnData`] that this is, if it has a number.
        own: Option<u64>,
        /// Reliable or lossy.
        channel: DataChannel,
        /// Identities that get it; empty means everybody else.
        to: Vec<String>,
        /// The client's own count of its reliable messages, from 1; one that comes again is
        /// dropped. 0 where the client does not count.
        sequence: u32,
        /// The message.
        payload: Bytes,
    },
    /// A [`super::Notice::OwnData`] does not go on.
    DropData {
        /// Its number.
        own: u64,
    },
    /// The client resumed its signalling and says what it believes (LiveKit `sync_state`).
    Sync {
        /// Tracks it believes to have published.
        published: Vec<TrackId>,
        /// Sequence numbers of the last reliable messages that it received, by sender.
        received: Vec<(ParticipantId, u32)>,
    },
    /// What a client of [`Layout::OneShot`] says of its ICE after its offer: candidates, or new
    /// credentials; answered by [`Notice::Trickled`].
    Trickle {
        /// The tag that it was told last; `None` stands for whichever is in force.
        tag: Option<String>,
        /// RFC 8840 text.
        fragment: String,
    },
    /// Wants a mishap played to it; only where the server's owner allows that.
    Simulate(Scenario),
    /// Leaves.
    Leave,
}

/// A mishap that a client may have played to it, to see how it copes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// The client's user seems to speak.
    Speech {
        /// For so long; a minute at most.
        seconds: u32,
    },
    /// The server forgets the client.
    Vanish,
    /// The client's next resume, if it comes soon, is cut off.
    CutOnResume {
        /// Before the server says a word.
        silently: bool,
    },
}

/// What a client wants to publish.
#[derive(Clone, Debug)]
pub struct AddTrack {
    /// The client's own id of the track, matched with `a=msid`; at most 256 bytes.
    pub cid: String,
    /// Audio or video.
    pub kind: MediaKind,
    /// What it shows.
    pub source: TrackSource,
    /// Name that the application gives it.
    pub name: String,
    /// Largest layer, pixels.
    pub width: u32,
    /// Largest layer, pixels.
    pub height: u32,
    /// Begins muted.
    pub muted: bool,
    /// Layers as the client announces them, lowest first.
    pub layers: Vec<Layer>,
    /// The codec that it means to send, where it names one that we know.
    pub codec: Option<Codec>,
    /// Audio without discontinuous transmission.
    pub dtx_disabled: bool,
    /// Stereo audio.
    pub stereo: bool,
    /// Audio without redundancy.
    pub red_disabled: bool,
    /// Name of the stream group.
    pub stream: String,
    /// LiveKit encryption type number, mirrored to others.
    pub encryption: i32,
}

/// One announced layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// LiveKit quality: 0 low, 1 medium, 2 high.
    pub quality: u8,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Bits per second.
    pub bitrate_bps: u32,
    /// Restriction id, if the client named it.
    pub rid: String,
}

/// How a client shows a track of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Not at all at present.
    pub disabled: bool,
    /// Width and height, pixels (0 is not said), and wanted quality, 0 lowest, which counts when no
    /// size is said; `None` means the best.
    pub shown: Option<(u32, u32, u8)>,
    /// Pictures a second that are enough; 0 is not said.
    pub frames_per_second: u8,
    /// Higher ones come first when not all fit; 0 leaves it to the kind of track.
    pub priority: u8,
}
