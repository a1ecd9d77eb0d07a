//! A reference receiver of one subscribed stream: what the shard may send, and what can be decoded.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::world::*;
use super::super::*;
use super::publisher::{H264, Mark, Publication, Sent, primary_at};
use crate::media::codec::red_rename;
use crate::media::command::{Codec, MediaKind};
use crate::media::sequence::nearest;

pub(super) const VP8_DOWN: u8 = 100;
pub(super) const REPAIR_DOWN: u8 = 101;
pub(super) const OPUS_DOWN: u8 = 109;
pub(super) const RED_DOWN: u8 = 110;
pub(super) const H264_DOWN: u8 = 105;
pub(super) const H264_REPAIR_DOWN: u8 = 106;
pub(super) const VP9_DOWN: u8 = 107;
pub(super) const VP9_REPAIR_DOWN: u8 = 108;

/// Requests for one number, at most.
const ASKS_MAX: u32 = 12;

/// One number of a stream, as it was sent or repaired.
#[derive(Clone, Debug)]
struct Numbered {
    /// What it is; nothing where a number is only filled.
    mark: Option<Mark>,
    timestamp: u32,
    marker: bool,
    entry: bool,
    /// VP8 picture id and TL0PICIDX.
    pictures: Option<(u16, u8)>,
    payload: Vec<u8>,
    repaired: bool,
}

/// See the module.
pub(super) struct Stream {
    pub(super) leg: u64,
    pub(super) source: u64,
    pub(super) ssrc: u32,
    pub(super) encoding: u8,
    pub(super) is_paused: bool,
    /// Its publisher and the way up lose and reorder nothing.
    pub(super) is_clean: bool,
    kind: MediaKind,
    sent: BTreeMap<u64, Numbered>,
    first_live: Option<u64>,
    highest_sent: Option<u64>,
    arrived: BTreeSet<u64>,
    missing: BTreeMap<u64, u32>,
    highest: Option<u64>,
    pub(super) needs_key: bool,
    /// Pictures a second that it wants, if not all.
    pub(super) frames_per_second: Option<u8>,
    /// Encoding and temporal layer of what came last.
    pub(super) recent: Vec<(u8, u8)>,
    /// Pictures that came whole since the last key frame, by encoding and count.
    pictures: BTreeSet<(u8, u32)>,
    /// The picture that comes, and how many packets of it came.
    coming: ((u8, u32), usize),
}

impl Stream {
    pub(super) fn new(config: &LegConfig, kind: MediaKind, is_clean: bool) -> Self {
        Self {
            leg: config.leg.0,
            source: config.source.0,
            ssrc: config.ssrc,
            encoding: config.encoding,
            is_paused: config.paused,
            is_clean,
            kind,
            sent: BTreeMap::new(),
            first_live: None,
            highest_sent: None,
            arrived: BTreeSet::new(),
            missing: BTreeMap::new(),
            highest: None,
            needs_key: false,
            frames_per_second: None,
            recent: Vec::new(),
            pictures: BTreeSet::new(),
            coming: ((0, 0), 0),
        }
    }

    /// Judges what the shard sent, before the way loses any of it; its number.
    pub(super) fn sent(&mut self, seen: &Seen, publication: &Publication) -> Option<u64> {
        let header = &seen.header;
        let codec = codec_of(header.payload_type);
        let repair = matches!(
            header.payload_type,
            REPAIR_DOWN | H264_REPAIR_DOWN | VP9_REPAIR_DOWN
        );
        if repair && seen.payload.is_empty() {
            return None;
        }
        let (sequence, payload) = match repair {
            true => (
                u16::from_be_bytes([seen.payload[0], seen.payload[1]]),
                &seen.payload[2..],
            ),
            false => (header.sequence, &seen.payload[..]),
        };
        assert!(repair || !self.is_paused, "{}: sent while paused", self.leg);
        assert!(repair == (header.ssrc != self.ssrc), "{}", self.leg);
        let reference = self.highest_sent.unwrap_or(1 << 20 | u64::from(sequence));
        let number = nearest(reference, sequence);
        let numbered = self.read(
            codec,
            payload,
            (header.timestamp, header.marker),
            publication,
        );
        if repair {
            assert!(
                Some(number) <= self.highest_sent,
                "{}: repaired before sent",
                self.leg
            );
            if let Some(known) = self.sent.get(&number) {
                let same =
                    known.payload == numbered.payload && known.timestamp == numbered.timestamp;
                assert!(
                    same,
                    "leg {} number {number}: repaired with {:?}, was {:?}",
                    self.leg, numbered.mark, known.mark
                );
            }
            let repaired = Numbered {
                repaired: true,
                ..numbered
            };
            self.sent.entry(number).or_insert(repaired);
        } else {
            self.follow(&numbered, publication);
            self.live(number, numbered);
        }
        self.neighbours(number, publication);
        Some(number)
    }

    /// A packet that was sent before came again, the same to the bit.
    pub(super) fn repeated(&self, sequence: u16) -> Option<(u64, u64)> {
        assert!(
            self.is_audio(),
            "leg {}: repeated without a stream for it",
            self.leg
        );
        let number = nearest(self.highest_sent?, sequence);
        self.sent
            .contains_key(&number)
            .then_some((self.leg, number))
    }

    /// What a picture needs was sent before it, where nothing is lost on the way up.
    fn follow(&mut self, numbered: &Numbered, publication: &Publication) {
        let Some(mark) = numbered.mark else {
            assert!(!self.is_clean, "leg {}: a number is only filled", self.leg);
            return;
        };
        let sent = &publication.sent[&mark];
        self.recent.push((mark.encoding, sent.temporal));
        if numbered.entry {
            self.pictures.clear();
        }
        // Layers in one stream count their pictures together.
        let own = if publication.is_layered() {
            0
        } else {
            mark.encoding
        };
        let picture = (own, sent.picture);
        if self.coming.0 != picture || numbered.entry {
            self.coming = (picture, 0);
        }
        self.coming.1 += 1;
        if self.coming.1 == sent.parts {
            self.pictures.insert(picture);
        }
        let mut needs = sent.needs.iter();
        let whole = needs.all(|needed| self.pictures.contains(&(own, *needed)));
        assert!(
            whole || !self.is_clean,
            "leg {}: {mark:?} needs {:?}",
            self.leg,
            sent.needs
        );
    }

    fn live(&mut self, number: u64, numbered: Numbered) {
        let next = self
            .highest_sent
            .is_none_or(|highest| number == highest + 1);
        assert!(
            next || !self.is_clean,
            "leg {}: a hole before {number}",
            self.leg
        );
        if self.first_live.is_none() {
            assert!(
                numbered.entry,
                "leg {} begins with {:?}",
                self.leg, numbered.mark
            );
            self.first_live = Some(number);
        }
        let before = self.sent.insert(number, numbered);
        let twice = before.filter(|before| !before.repaired);
        let twice = twice.map(|before| before.mark);
        assert_eq!(twice, None, "leg {}: number {number} twice", self.leg);
        self.highest_sent = self.highest_sent.max(Some(number));
    }

    /// Reads a packet and holds it against what was published.
    fn read(
        &self,
        codec: Codec,
        payload: &[u8],
        (timestamp, marker): (u32, bool),
        publication: &Publication,
    ) -> Numbered {
        if payload.is_empty() {
            return Numbered {
                mark: None,
                timestamp,
                marker: false,
                entry: false,
                pictures: None,
                payload: Vec::new(),
                repaired: false,
            };
        }
        let mark = Mark::read(codec, payload);
        assert_eq!(u64::from(mark.source), self.source, "leg {}", self.leg);
        let sent = publication.sent.get(&mark).expect("somebody published it");
        let mut original = &sent.payload[..];
        let (mut plain, mut pictures) = (payload.to_vec(), None);
        match codec {
            Codec::Vp8 => {
                let picture = u16::from_be_bytes([payload[2], payload[3]]) & 0x7fff;
                pictures = Some((picture, payload[4]));
                plain[2..5].copy_from_slice(&original[2..5]);
            }
            Codec::Red => {
                assert!(red_names(payload).all(|name| name == OPUS_DOWN));
                red_rename(&mut plain, OPUS);
            }
            Codec::Opus if publication.codec == Codec::Red => {
                original = &original[primary_at(original)..];
            }
            Codec::Opus | Codec::H264 | Codec::Vp9 | Codec::Av1 => {}
        }
        assert_eq!(plain, original, "leg {}: {mark:?}", self.leg);
        let entry = match codec {
            Codec::Opus | Codec::Red => true,
            Codec::Vp8 => payload[0] & 0x10 != 0 && payload[6] & 1 == 0,
            Codec::H264 => payload[0] == 0x67,
            Codec::Vp9 | Codec::Av1 => sent.is_entry,
        };
        Numbered {
            mark: Some(mark),
            timestamp,
            marker,
            entry,
            pictures,
            payload: payload.to_vec(),
            repaired: false,
        }
    }

    /// A number and those beside it follow each other within a layer, or a key frame begins.
    fn neighbours(&self, number: u64, publication: &Publication) {
        for first in [number.saturating_sub(1), number] {
            let (Some(one), Some(other)) = (self.sent.get(&first), self.sent.get(&(first + 1)))
            else {
                continue;
            };
            let told = format!(
                "leg {} at {first}: {:?}, {:?}",
                self.leg, one.mark, other.mark
            );
            let step = other.timestamp.wrapping_sub(one.timestamp);
            assert!(
                step < 1 << 31,
                "{told}: media time goes back by {}",
                step.wrapping_neg()
            );
            let (Some(mark), Some(next)) = (one.mark, other.mark) else {
                continue;
            };
            let follows = follows(mark, next, publication);
            let originals = (&publication.sent[&mark], &publication.sent[&next]);
            let same_frame = follows && originals.0.clock == originals.1.clock;
            assert!(follows || other.entry, "{told}: no key frame");
            assert_eq!(
                same_frame,
                step == 0,
                "{told}: frames are told by media time"
            );
            assert!(
                !self.is_clean || other.entry || self.is_audio() || one.marker != same_frame,
                "{told}: a picture ends with its marker"
            );
            if let (Some(one), Some(other)) = (one.pictures, other.pictures) {
                let on = (
                    other.0.wrapping_sub(one.0) & 0x7fff,
                    other.1.wrapping_sub(one.1),
                );
                let right = self.is_right_step(on, originals, follows);
                assert!(right, "{told}: pictures on by {on:?}");
            }
        }
    }

    /// Picture id and TL0PICIDX go on by one from picture to picture and from base layer to base
    /// layer. A picture that came too late to be left out leaves its id free.
    fn is_right_step(&self, on: (u16, u8), originals: (&Sent, &Sent), follows: bool) -> bool {
        let (one, other) = originals;
        if !follows {
            return on == (1, 1);
        }
        let pictures = (other.picture - one.picture) as u16;
        let least = pictures.min(1);
        let most = if self.is_clean { least } else { pictures };
        (least..=most).contains(&on.0) && on.1 == other.base_layer.wrapping_sub(one.base_layer)
    }

    /// A packet that the way did not lose.
    pub(super) fn arrived(&mut self, number: u64) {
        if let Some(highest) = self.highest.filter(|highest| number > *highest) {
            self.missing
                .extend((highest + 1..number).map(|lost| (lost, 0)));
        }
        self.highest = self.highest.max(Some(number));
        self.missing.remove(&number);
        self.arrived.insert(number);
    }

    /// The numbers to ask for now.
    pub(super) fn ask(&mut self) -> Vec<u64> {
        if self.missing.values().any(|asks| *asks >= ASKS_MAX) {
            self.missing.retain(|_, asks| *asks < ASKS_MAX);
            self.needs_key = true;
        }
        self.missing.values_mut().for_each(|asks| *asks += 1);
        self.missing.keys().copied().collect()
    }

    /// What came can be decoded up to its end: everything is there from a key frame on.
    pub(super) fn is_decodable(&self) -> bool {
        self.highest == self.highest_sent && self.is_continuous()
    }

    /// The same of what is known to have been sent.
    pub(super) fn is_continuous(&self) -> bool {
        let Some(mut number) = self.highest else {
            return true;
        };
        while self.arrived.contains(&number) {
            if self.sent[&number].entry {
                return true;
            }
            number -= 1;
        }
        false
    }

    pub(super) fn state(&self) -> String {
        let missing: Vec<_> = self.missing.iter().take(5).collect();
        let newest = self.sent.last_key_value().map(|(n, p)| (n, p.mark));
        let Self {
            leg,
            source,
            encoding,
            is_paused,
            ..
        } = self;
        let of = format!("leg {leg} of {source} up to {encoding} paused {is_paused}");
        format!(
            "{of} {newest:?} came {:?} missing {missing:?}",
            self.highest
        )
    }

    pub(super) fn is_audio(&self) -> bool {
        self.kind == MediaKind::Audio
    }
}

/// One packet is what comes next after another, with nothing between but what may be left out.
fn follows(one: Mark, other: Mark, publication: &Publication) -> bool {
    let distance = other.sequence.wrapping_sub(one.sequence);
    let between = |step| Mark {
        sequence: one.sequence.wrapping_add(step),
        ..one
    };
    one.ssrc == other.ssrc
        && (1..1_000).contains(&distance)
        && (1..distance).all(|step| publication.is_skippable(&between(step)))
}

/// Payload types that the blocks of redundant audio name.
fn red_names(payload: &[u8]) -> impl Iterator<Item = u8> {
    let older = payload[0] & 0x80 != 0;
    let last = older.then(|| payload[4]);
    std::iter::once(payload[0])
        .chain(last)
        .map(|name| name & 0x7f)
}

fn codec_of(payload_type: u8) -> Codec {
    match payload_type {
        VP8_DOWN | REPAIR_DOWN => Codec::Vp8,
        H264_DOWN | H264_REPAIR_DOWN => Codec::H264,
        VP9_DOWN | VP9_REPAIR_DOWN => Codec::Vp9,
        OPUS_DOWN => Codec::Opus,
        RED_DOWN => Codec::Red,
        other => panic!("payload type {other} was not agreed on; {H264} is the publisher's"),
    }
}

/// The streams of one client by both of their SSRCs, and those that ended.
#[derive(Default)]
pub(super) struct Streams {
    pub(super) live: BTreeMap<u64, Stream>,
    pub(super) by_ssrc: HashMap<u32, u64>,
}

impl Streams {
    pub(super) fn add(&mut self, stream: Stream, repair: u32) {
        self.by_ssrc.insert(stream.ssrc, stream.leg);
        self.by_ssrc.insert(repair, stream.leg);
        self.live.insert(stream.leg, stream);
    }

    pub(super) fn end(&mut self, leg: u64) {
        self.live.remove(&leg);
        self.by_ssrc.retain(|_, known| *known != leg);
    }
}
