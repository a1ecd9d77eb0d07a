//! A published track, from its announcement to its end.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::domain::id::{ParticipantId, SourceId, TapId, TrackId};
use crate::media::command::{Codec, CodecMapping, EncodingConfig, MediaKind};
use crate::media::negotiation::{Encodings, TrackOptions};
use crate::media::signal::{AddTrack, Layer, TrackSource, TrackView};

/// A published track.
#[derive(Debug)]
pub struct Track {
    /// Its id.
    pub id: TrackId,
    /// What the client announced.
    pub request: AddTrack,
    /// When; ids of one millisecond have no order, so `order` breaks ties.
    pub announced_at: DateTime<Utc>,
    /// Grows with every announcement in the room.
    pub order: u64,
    /// Muted now.
    pub muted: bool,
    /// Where it comes in, once negotiated.
    pub binding: Option<Binding>,
    /// A packet of it was seen.
    pub started: bool,
    /// Its publisher was told of the first subscription.
    pub subscription_told: bool,
    /// Who is subscribed, with or without a leg yet.
    pub subscribers: BTreeSet<ParticipantId>,
    /// Uses of it by the server itself.
    pub taps: BTreeSet<TapId>,
    /// The highest layer that its publisher was told to send; `None` in it is none at all.
    pub told_demand: Option<Option<u8>>,
}

/// Where a track comes in.
#[derive(Debug)]
pub struct Binding {
    /// Media section.
    pub mid: String,
    /// The `a=msid` track id it was bound by.
    pub cid: String,
    /// Source at the media thread.
    pub source: SourceId,
    /// Codecs it may come in.
    pub codecs: Vec<Codec>,
    /// Layers, lowest quality first, one per encoding.
    pub layers: Vec<Layer>,
    /// One stream carries them all.
    pub layered: bool,
}

impl Binding {
    /// A binding with layers completed from what is known.
    pub fn new(
        mid: String,
        cid: String,
        source: SourceId,
        codecs: &[CodecMapping],
        encodings: Encodings,
        request: &AddTrack,
    ) -> Self {
        let Encodings { known, layered } = encodings;
        let count = known.len();
        let complete = |(place, (config, layer)): (usize, (EncodingConfig, Layer))| {
            let mut layer = layer;
            if layer.width == 0 {
                // Simulcast layers halve the picture from the highest down.
                let halvings = u32::try_from(count - 1 - place).unwrap_or(0);
                layer.width = request.width >> halvings;
                layer.height = request.height >> halvings;
                layer.quality = u8::try_from(if count == 1 { 2 } else { place }).unwrap_or(2);
            }
            layer.rid = config.rid.unwrap_or_default();
            layer
        };
        Self {
            mid,
            cid,
            source,
            codecs: codecs.iter().map(|mapping| mapping.codec).collect(),
            layers: known.into_iter().enumerate().map(complete).collect(),
            layered,
        }
    }

    /// Whether a receiver of these codecs can take the track; Opus is unpacked from RED.
    pub fn suits(&self, codecs: &[CodecMapping]) -> bool {
        let plain = |codec: Codec| match codec {
            Codec::Red => Codec::Opus,
            Codec::Opus | Codec::Vp8 | Codec::H264 | Codec::Vp9 | Codec::Av1 => codec,
        };
        let main = self.codecs.first().copied().map(plain);
        codecs
            .iter()
            .any(|mapping| Some(plain(mapping.codec)) == main)
    }

    /// The encoding nearest to what a receiver shows: the smallest that is large enough.
    pub fn nearest(&self, width: u32, height: u32, quality: u8) -> u8 {
        let sized = width > 0 && height > 0;
        let enough = |layer: &Layer| {
            if sized {
                layer.width >= width || layer.height >= height
            } else {
                layer.quality >= quality
            }
        };
        let last = self.layers.len().saturating_sub(1);
        let place = self.layers.iter().position(enough).unwrap_or(last);
        u8::try_from(place).unwrap_or(0)
    }
}

impl Track {
    /// Wishes for the answer's formats, where the server reads its publisher's camera or not.
    pub fn options(&self, camera_is_read: bool) -> TrackOptions {
        TrackOptions {
            is_read: camera_is_read && self.request.source == TrackSource::Camera,
            dtx_disabled: self.request.dtx_disabled,
            stereo: self.request.stereo,
            red_disabled: self.request.red_disabled,
            codec: self
                .request
                .codec
                .filter(|codec| codec.kind() == MediaKind::Video),
        }
    }

    /// How others see it.
    pub fn view(&self) -> TrackView {
        let request = &self.request;
        let binding = self.binding.as_ref();
        let codec = binding.and_then(|binding| binding.codecs.first().copied());
        let layers = match (binding, request.kind) {
            (Some(binding), MediaKind::Video) => binding.layers.clone(),
            (None, MediaKind::Video) => request.layers.clone(),
            (_, MediaKind::Audio) => Vec::new(),
        };
        TrackView {
            track: self.id,
            kind: request.kind,
            source: request.source,
            name: request.name.clone(),
            muted: self.muted,
            width: request.width,
            height: request.height,
            simulcast: layers.len() > 1,
            layered: binding.is_some_and(|binding| binding.layered),
            mime_type: codec.map_or("", mime_type).to_owned(),
            mid: binding
                .map(|binding| binding.mid.clone())
                .unwrap_or_default(),
            layers,
            stream: request.stream.clone(),
            dtx_disabled: request.dtx_disabled,
            stereo: request.stereo,
            red_disabled: request.red_disabled,
            encryption: request.encryption,
        }
    }
}

fn mime_type(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "audio/opus",
        Codec::Red => "audio/red",
        Codec::Vp8 => "video/VP8",
        Codec::H264 => "video/H264",
        Codec::Vp9 => "video/VP9",
        Codec::Av1 => "video/AV1",
    }
}
