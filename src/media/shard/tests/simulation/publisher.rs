//! What a simulated client publishes: layers of marked packets, repeated when asked for.

use std::collections::HashMap;
use std::rc::Rc;

use super::super::world::*;
use super::super::*;
use crate::media::codec::Insight;
use crate::media::command::{Codec, EncodingConfig, MediaKind};
use crate::media::rtp::Header;
use crate::media::sample::layers::{Encoder, Layer as Frames, write};
use crate::media::sample::vp8_layer;

pub(super) const H264: u8 = 102;
pub(super) const H264_REPAIR: u8 = 103;
const RED: u8 = 63;
pub(super) const VP9: u8 = 98;
const VP9_REPAIR: u8 = 99;

/// Temporal layers of VP8 pictures that follow each other.
const PATTERN: [u8; 4] = [0, 2, 1, 2];

/// One in so many frames is followed by a packet of padding.
const PADDING_RARITY: usize = 15;

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
        let at = mark_at(codec, payload);
        let bytes = &payload[at..at + MARK_BYTES];
        Self {
            source: bytes[0],
            encoding: bytes[1],
            ssrc: u32::from_be_bytes(bytes[2..6].try_into().unwrap()),
            sequence: u16::from_be_bytes([bytes[6], bytes[7]]),
        }
    }
}

/// Behind what the codec needs; in redundant audio, in the primary block.
fn mark_at(codec: Codec, payload: &[u8]) -> usize {
    match codec {
        Codec::Vp8 => 9,
        Codec::H264 => 2,
        Codec::Vp9 | Codec::Av1 => 1,
        Codec::Opus => 0,
        Codec::Red => primary_at(payload),
    }
}

/// Where the primary block of redundant audio begins.
pub(super) fn primary_at(payload: &[u8]) -> usize {
    usize::from(Insight::of(Codec::Red, payload).primary_at)
}

/// Redundant audio of one older block, or none, and the newest.
fn red(older: &[u8], newest: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    if !older.is_empty() {
        let [_, a, b, c] = (960 << 10 | older.len() as u32).to_be_bytes();
        payload.extend_from_slice(&[0x80 | OPUS, a, b, c]);
    }
    payload.push(OPUS);
    payload.extend_from_slice(older);
    payload.extend_from_slice(newest);
    payload
}

/// A packet as it was published.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) payload: Vec<u8>,
    /// Media time.
    pub(super) clock: u32,
    /// Which of the pictures of its layer, counted on for ever.
    pub(super) picture: u32,
    /// The temporal layer.
    pub(super) temporal: u8,
    /// `TL0PICIDX`.
    pub(super) base_layer: u8,
    /// Pictures that a decoder needs for it.
    pub(super) needs: Rc<[u32]>,
    /// Packets of its picture, or of its layer's part of it.
    pub(super) parts: usize,
    /// A decoder can begin with it, where the payload does not say so.
    pub(super) is_entry: bool,
    descriptor: Vec<u8>,
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
    /// Pictures so far, the newest of each temporal layer, and the place in the pattern.
    count: u32,
    newest: [Option<u32>; 3],
    turn: usize,
    /// The last sound.
    older: Vec<u8>,
}

/// One picture, or sound.
struct Frame {
    key: bool,
    temporal: u8,
    sync: bool,
    needs: Rc<[u32]>,
}

impl Layer {
    /// What the encoder makes next.
    fn next_frame(&mut self, codec: Codec, key: bool, chance: &mut Chance) -> Frame {
        self.count += 1;
        self.picture = self.picture.wrapping_add(1) & 0x7fff;
        if codec != Codec::Vp8 {
            let needs = Rc::new([]);
            let (temporal, sync) = (0, false);
            return Frame {
                key,
                temporal,
                sync,
                needs,
            };
        }
        if key {
            (self.turn, self.newest) = (0, [None; 3]);
        }
        let temporal = PATTERN[self.turn % 4];
        self.turn += 1;
        let upper = usize::from(temporal);
        let sync = upper > 0 && (self.newest[upper].is_none() || chance.below(3) == 0);
        let needed = if sync { 0..=0 } else { 0..=upper };
        let needs = self.newest[needed].iter().flatten().copied().collect();
        self.newest[upper] = Some(self.count);
        self.base_layer = self.base_layer.wrapping_add(u8::from(temporal == 0));
        Frame {
            key,
            temporal,
            sync,
            needs,
        }
    }
}

/// A source as its client sends it.
pub(super) struct Publication {
    pub(super) source: u64,
    pub(super) node: usize,
    pub(super) codec: Codec,
    pub(super) layers: Vec<Layer>,
    /// What was sent.
    pub(super) sent: HashMap<Mark, Sent>,
    /// Media time of packets without payload, by SSRC and number.
    padding: HashMap<(u32, u16), u32>,
    mid: Vec<u8>,
    clock: u32,
    /// What makes all layers in one stream, the first layer's.
    encoder: Option<Encoder>,
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
            count: 0,
            newest: [None; 3],
            turn: 0,
            older: Vec::new(),
        };
        Self {
            source,
            node,
            codec,
            layers: (0..layers).map(layer).collect(),
            sent: HashMap::new(),
            padding: HashMap::new(),
            mid: source.to_string().into_bytes(),
            clock: chance.next() as u32,
            encoder: codec.has_layers().then(|| {
                let is_key_only = chance.below(3) > 0;
                Encoder::new(
                    layers as u8,
                    3,
                    is_key_only,
                    u32::from(chance.next() as u16),
                )
            }),
        }
    }

    /// All layers come in one stream.
    pub(super) fn is_layered(&self) -> bool {
        self.encoder.is_some()
    }

    /// Spatial layers that come in the one stream.
    fn spatials(&self) -> usize {
        self.layers.iter().take_while(|layer| layer.is_on).count()
    }

    pub(super) fn config(&self) -> SourceConfig {
        let simulcast = self.layers.len() > 1 && !self.is_layered();
        let encoding = |layer: &Layer| EncodingConfig {
            rid: simulcast.then(|| String::from_utf8(layer.rid.to_vec()).unwrap()),
            ..EncodingConfig::default()
        };
        SourceConfig {
            source: SourceId(self.source),
            transport: TransportId(self.node as u64),
            kind: self.codec.kind(),
            mid: String::from_utf8(self.mid.clone()).unwrap(),
            encodings: self.layers.iter().map(encoding).collect(),
            layered: self.is_layered(),
            codecs: vec![
                mapping(Codec::Vp8, VP8, Some(VP8_REPAIR)),
                mapping(Codec::H264, H264, Some(H264_REPAIR)),
                mapping(Codec::Vp9, VP9, Some(VP9_REPAIR)),
                mapping(Codec::Opus, OPUS, None),
                mapping(Codec::Red, RED, None),
            ],
            extensions: extensions(),
        }
    }

    fn payload_types(&self) -> (u8, Option<u8>) {
        match self.codec {
            Codec::Vp8 => (VP8, Some(VP8_REPAIR)),
            Codec::H264 => (H264, Some(H264_REPAIR)),
            Codec::Vp9 | Codec::Av1 => (VP9, Some(VP9_REPAIR)),
            Codec::Opus => (OPUS, None),
            Codec::Red => (RED, None),
        }
    }

    /// The packets of one moment: a frame of each layer that is on.
    pub(super) fn film(&mut self, ticks: u32, chance: &mut Chance) -> Vec<Vec<u8>> {
        self.clock = self.clock.wrapping_add(ticks);
        if self.is_layered() {
            return self.film_layers(chance);
        }
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
            let frame = self.layers[encoding].next_frame(self.codec, key, chance);
            for part in 0..parts {
                out.push(self.packet(encoding, &frame, (part, parts), chance));
            }
            if video && chance.below(PADDING_RARITY) == 0 {
                out.push(self.pad(encoding));
            }
        }
        out
    }

    /// The same of layers in one stream.
    fn film_layers(&mut self, chance: &mut Chance) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        let top = self.spatials();
        if let Some(encoder) = self.encoder.as_mut().filter(|_| top > 0) {
            encoder.limit(top as u8);
            let key = std::mem::take(&mut self.layers[0].key_due);
            for (spatial, frame) in encoder.picture(key).into_iter().enumerate() {
                let parts = 1 + chance.below(2 + spatial);
                for part in 0..parts {
                    out.push(self.layer_packet(&frame, (part, parts), spatial + 1 == top, chance));
                }
            }
            if chance.below(PADDING_RARITY) == 0 {
                out.push(self.pad(0));
            }
        }
        out
    }

    fn layer_packet(
        &mut self,
        frame: &Frames,
        (part, parts): (usize, usize),
        is_top: bool,
        chance: &mut Chance,
    ) -> Vec<u8> {
        let mut descriptor = frame.descriptor.clone();
        (descriptor.starts, descriptor.ends) = (part == 0, part + 1 == parts);
        if part > 0 {
            (descriptor.structure, descriptor.active) = (None, None);
        }
        let structure = &self.encoder.as_ref().unwrap().structure;
        let (spatial, temporal) = (descriptor.frame.spatial, descriptor.frame.temporal);
        let layer = &mut self.layers[0];
        let mark = Mark {
            source: self.source as u8,
            encoding: spatial,
            ssrc: layer.ssrc,
            sequence: layer.sequence,
        };
        layer.sequence = layer.sequence.wrapping_add(1);
        let mut payload = vec![0];
        payload.extend_from_slice(&mark.bytes());
        let filling = [60, 300, 900][usize::from(spatial)] + chance.below(100);
        payload.resize(payload.len() + filling, chance.next() as u8);
        let sent = Sent {
            payload: payload.clone(),
            clock: self.clock,
            picture: frame.count,
            temporal,
            base_layer: 0,
            needs: frame.needs.as_slice().into(),
            parts,
            is_entry: frame.is_key && part == 0,
            descriptor: write(&descriptor, structure),
        };
        let told = sent.descriptor.clone();
        self.sent.insert(mark, sent);
        let ends = is_top && part + 1 == parts;
        let plain = self.plain(0, VP9, mark.ssrc, mark.sequence, ends, self.clock, &payload);
        describe(&plain, &told)
    }

    /// A packet without payload, as a probe may send it on the stream itself.
    fn pad(&mut self, encoding: usize) -> Vec<u8> {
        let (payload_type, clock) = (self.payload_types().0, self.clock);
        let layer = &mut self.layers[encoding];
        let (ssrc, sequence) = (layer.ssrc, layer.sequence);
        layer.sequence = sequence.wrapping_add(1);
        self.padding.insert((ssrc, sequence), clock);
        let padding = [0, 0, 0, 4];
        let mut plain = self.plain(
            encoding,
            payload_type,
            ssrc,
            sequence,
            false,
            clock,
            &padding,
        );
        plain[0] |= 0x20;
        plain
    }

    /// Whether a number may be missing downstream: of padding, or of an upper temporal layer. Of
    /// layers in one stream any may; what needs them may not come then.
    pub(super) fn is_skippable(&self, mark: &Mark) -> bool {
        let upper = self.sent.get(mark).is_some_and(|sent| sent.temporal > 0);
        self.is_layered() || upper || self.padding.contains_key(&(mark.ssrc, mark.sequence))
    }

    fn packet(
        &mut self,
        encoding: usize,
        frame: &Frame,
        (part, parts): (usize, usize),
        chance: &mut Chance,
    ) -> Vec<u8> {
        let (first, last) = (part == 0, part + 1 == parts);
        let key = frame.key;
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
            Codec::Vp8 => vp8_layer(
                key && first,
                layer.picture,
                layer.base_layer,
                frame.temporal,
                frame.sync,
            ),
            Codec::H264 if key && first => vec![0x67, 1],
            Codec::H264 if key => vec![0x7c, 0x05],
            Codec::H264 => vec![0x61, 1],
            Codec::Opus | Codec::Red | Codec::Vp9 | Codec::Av1 => Vec::new(),
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
        if codec == Codec::Red {
            let older = std::mem::replace(&mut layer.older, payload);
            payload = red(&older, &layer.older);
        }
        let sent = Sent {
            payload: payload.clone(),
            clock,
            picture: layer.count,
            temporal: frame.temporal,
            base_layer: layer.base_layer,
            needs: Rc::clone(&frame.needs),
            parts,
            is_entry: false,
            descriptor: Vec::new(),
        };
        let plain = self.plain(
            encoding,
            payload_type,
            mark.ssrc,
            mark.sequence,
            last,
            clock,
            &payload,
        );
        self.sent.insert(mark, sent);
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
        let mark = |encoding| Mark {
            source: self.source as u8,
            encoding,
            ssrc,
            sequence,
        };
        let own = encoding as u8;
        let marks = if self.is_layered() {
            0..3
        } else {
            own..own + 1
        };
        let sent = marks.map(mark).find_map(|mark| self.sent.get(&mark));
        let (payload, clock, told) = match sent {
            Some(sent) => (sent.payload.clone(), sent.clock, sent.descriptor.clone()),
            None => (
                Vec::new(),
                *self.padding.get(&(ssrc, sequence))?,
                Vec::new(),
            ),
        };
        let layer = &mut self.layers[encoding];
        let number = layer.repair_sequence;
        layer.repair_sequence += 1;
        let body = [&sequence.to_be_bytes()[..], &payload].concat();
        let plain = self.plain(encoding, repair, ssrc + 5_000, number, false, clock, &body);
        Some(describe(&plain, &told))
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
        if self.is_layered() {
            let top = self.spatials().checked_sub(1)?;
            return Some(highest.min(top as u8));
        }
        let on = |encoding: &usize| self.layers[*encoding].is_on;
        let top = usize::from(highest).min(self.layers.len() - 1);
        let lower = (0..=top).rev().find(on);
        let found = lower.or_else(|| (top..self.layers.len()).find(on))?;
        Some(found as u8)
    }
}

/// A packet with its extensions and a dependency descriptor; the same without one.
fn describe(plain: &[u8], descriptor: &[u8]) -> Vec<u8> {
    if descriptor.is_empty() {
        return plain.to_vec();
    }
    let header = Header::parse(plain).unwrap();
    let known = [MID, RID].map(|id| (id, header.extension(plain, id).unwrap_or_default()));
    let extensions = [known[0], known[1], (DEPENDENCY, descriptor)];
    let payload = &plain[header.payload_start..header.payload_end];
    let (ssrc, sequence) = (header.ssrc, header.sequence);
    let mut described = packet(header.payload_type, ssrc, sequence, &extensions, payload);
    described[..8].copy_from_slice(&plain[..8]);
    described
}
