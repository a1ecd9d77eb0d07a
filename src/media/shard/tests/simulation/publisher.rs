//! What a simulated client publishes: layers of marked packets, repeated when asked for.

use std::collections::HashMap;

use super::super::world::*;
use super::super::*;
use crate::media::command::{Codec, EncodingConfig, MediaKind};

pub(super) const H264: u8 = 102;
pub(super) const H264_REPAIR: u8 = 103;

/// Bytes of a mark.
const MARK_BYTES: usize = 8;

/// Which packet of which stream a payload was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) source: u8,
    pub(super) encoding: u8,
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
}

impl Mark {
    fn bytes(self) -> [u8; MARK_BYTES] {
        let mut bytes = [self.source, self.encoding, 0, 0, 0, 0, 0, 0];
        bytes[2..6].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes[6..].copy_from_slice(&self.sequence.to_be_bytes());
        bytes
    }

    pub(super) fn read(codec: Codec, payload: &[u8]) -> Self {
        let at = mark_at(codec);
        let bytes = &payload[at..at + MARK_BYTES];
        Self {
            source: bytes[0],
            encoding: bytes[1],
            ssrc: u32::from_be_bytes(bytes[2..6].try_into().unwrap()),
            sequence: u16::from_be_bytes([bytes[6], bytes[7]]),
        }
    }
}

/// Behind what the codec needs.
fn mark_at(codec: Codec) -> usize {
    match codec {
        Codec::Vp8 => 9,
        Codec::H264 => 2,
        Codec::Opus | Codec::Red => 0,
    }
}

/// One layer of a publication.
pub(super) struct Layer {
    rid: &'static [u8],
    pub(super) ssrc: u32,
    pub(super) is_on: bool,
    pub(super) key_due: bool,
    sequence: u16,
    repair_sequence: u16,
    picture: u16,
    base_layer: u8,
}

/// A source as its client sends it.
pub(super) struct Publication {
    pub(super) source: u64,
    pub(super) node: usize,
    pub(super) codec: Codec,
    pub(super) layers: Vec<Layer>,
    /// Payload and media time of what was sent.
    pub(super) sent: HashMap<Mark, (Vec<u8>, u32)>,
    mid: Vec<u8>,
    clock: u32,
}

impl Publication {
    pub(super) fn new(
        source: u64,
        node: usize,
        codec: Codec,
        layers: usize,
        chance: &mut Chance,
    ) -> Self {
        let rids: [&[u8]; 3] = [b"q", b"h", b"f"];
        let layer = |encoding: usize| Layer {
            rid: rids[encoding],
            ssrc: 10_000 * (source as u32 + 1) + encoding as u32,
            is_on: true,
            key_due: true,
            sequence: [7, 65_300, 32_700][chance.below(3)],
            repair_sequence: 1,
            picture: [0, 0x7ff0, 90][chance.below(3)],
            base_layer: chance.next() as u8,
        };
        Self {
            source,
            node,
            codec,
            layers: (0..layers).map(layer).collect(),
            sent: HashMap::new(),
            mid: source.to_string().into_bytes(),
            clock: chance.next() as u32,
        }
    }

    pub(super) fn config(&self) -> SourceConfig {
        let encoding = |layer: &Layer| EncodingConfig {
            rid: (self.layers.len() > 1).then(|| String::from_utf8(layer.rid.to_vec()).unwrap()),
            ..EncodingConfig::default()
        };
        SourceConfig {
            source: SourceId(self.source),
            transport: TransportId(self.node as u64),
            kind: self.codec.kind(),
            mid: String::from_utf8(self.mid.clone()).unwrap(),
            encodings: self.layers.iter().map(encoding).collect(),
            codecs: vec![
                mapping(Codec::Vp8, VP8, Some(VP8_REPAIR)),
                mapping(Codec::H264, H264, Some(H264_REPAIR)),
                mapping(Codec::Opus, OPUS, None),
            ],
            extensions: extensions(),
        }
    }

    fn payload_types(&self) -> (u8, Option<u8>) {
        match self.codec {
            Codec::Vp8 => (VP8, Some(VP8_REPAIR)),
            Codec::H264 => (H264, Some(H264_REPAIR)),
            Codec::Opus | Codec::Red => (OPUS, None),
        }
    }

    /// The packets of one moment: a frame of each layer that is on.
    pub(super) fn film(&mut self, ticks: u32, chance: &mut Chance) -> Vec<Vec<u8>> {
        self.clock = self.clock.wrapping_add(ticks);
        let mut out = Vec::new();
        for encoding in 0..self.layers.len() {
            if !self.layers[encoding].is_on {
                continue;
            }
            let video = self.codec.kind() == MediaKind::Video;
            let key = video && std::mem::take(&mut self.layers[encoding].key_due);
            let parts = match (video, key) {
                (false, _) => 1,
                (true, false) => 1 + chance.below(1 + encoding),
                (true, true) => 3 + 4 * encoding,
            };
            for part in 0..parts {
                let last = part + 1 == parts;
                out.push(self.packet(encoding, key, part == 0, last, chance));
            }
            let layer = &mut self.layers[encoding];
            layer.picture = layer.picture.wrapping_add(1) & 0x7fff;
            layer.base_layer = layer.base_layer.wrapping_add(1);
        }
        out
    }

    fn packet(
        &mut self,
        encoding: usize,
        key: bool,
        first: bool,
        last: bool,
        chance: &mut Chance,
    ) -> Vec<u8> {
        let (source, codec, clock) = (self.source as u8, self.codec, self.clock);
        let payload_type = self.payload_types().0;
        let layer = &mut self.layers[encoding];
        let mark = Mark {
            source,
            encoding: encoding as u8,
            ssrc: layer.ssrc,
            sequence: layer.sequence,
        };
        layer.sequence = layer.sequence.wrapping_add(1);
        let mut payload = match codec {
            Codec::Vp8 => vp8(key && first, layer.picture, layer.base_layer),
            Codec::H264 if key && first => vec![0x67, 1],
            Codec::H264 if key => vec![0x7c, 0x05],
            Codec::H264 => vec![0x61, 1],
            Codec::Opus | Codec::Red => Vec::new(),
        };
        if codec == Codec::Vp8 && !first {
            payload[0] &= !0x10;
        }
        payload.extend_from_slice(&mark.bytes());
        let filling = match codec.kind() {
            MediaKind::Audio => 40,
            MediaKind::Video => [60, 300, 900][encoding] + chance.below(100),
        };
        payload.resize(payload.len() + filling, chance.next() as u8);
        let plain = self.plain(
            encoding,
            payload_type,
            mark.ssrc,
            mark.sequence,
            last,
            clock,
            &payload,
        );
        self.sent.insert(mark, (payload, clock));
        plain
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a header")]
    fn plain(
        &self,
        encoding: usize,
        payload_type: u8,
        ssrc: u32,
        sequence: u16,
        marker: bool,
        timestamp: u32,
        payload: &[u8],
    ) -> Vec<u8> {
        let rid = self.layers[encoding].rid;
        let extensions: [(u8, &[u8]); 2] = [(MID, &self.mid), (RID, rid)];
        let mut plain = packet(payload_type, ssrc, sequence, &extensions, payload);
        plain[4..8].copy_from_slice(&timestamp.to_be_bytes());
        plain[1] |= u8::from(marker) << 7;
        plain
    }

    /// Repeats a packet on the layer's retransmission stream.
    pub(super) fn repeat(&mut self, ssrc: u32, sequence: u16) -> Option<Vec<u8>> {
        let repair = self.payload_types().1?;
        let encoding = self.layers.iter().position(|layer| layer.ssrc == ssrc)?;
        let mark = Mark {
            source: self.source as u8,
            encoding: encoding as u8,
            ssrc,
            sequence,
        };
        let (payload, clock) = self.sent.get(&mark)?.clone();
        let layer = &mut self.layers[encoding];
        let number = layer.repair_sequence;
        layer.repair_sequence += 1;
        let body = [&sequence.to_be_bytes()[..], &payload].concat();
        Some(self.plain(encoding, repair, ssrc + 5_000, number, false, clock, &body))
    }

    /// Goes on under other stream numbers, as an encoder that was made anew.
    pub(super) fn begin_anew(&mut self, chance: &mut Chance) {
        for layer in &mut self.layers {
            layer.ssrc += 10;
            layer.sequence = chance.next() as u16;
            layer.repair_sequence = 1;
            layer.picture = chance.next() as u16 & 0x7fff;
            layer.key_due = chance.below(2) == 0;
        }
        self.clock = chance.next() as u32;
    }

    /// What a subscriber of up to an encoding is to get.
    pub(super) fn best(&self, highest: u8) -> Option<u8> {
        let on = |encoding: &usize| self.layers[*encoding].is_on;
        let top = usize::from(highest).min(self.layers.len() - 1);
        let lower = (0..=top).rev().find(on);
        let found = lower.or_else(|| (top..self.layers.len()).find(on))?;
        Some(found as u8)
    }
}
