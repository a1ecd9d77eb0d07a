//! A reference receiver of one subscribed stream: what the shard may send, and what can be decoded.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::world::*;
use super::super::*;
use super::publisher::{H264, Mark, Publication};
use crate::media::command::{Codec, MediaKind};
use crate::media::sequence::nearest;

pub(super) const VP8_DOWN: u8 = 100;
pub(super) const REPAIR_DOWN: u8 = 101;
pub(super) const OPUS_DOWN: u8 = 109;
pub(super) const H264_DOWN: u8 = 105;
pub(super) const H264_REPAIR_DOWN: u8 = 106;

/// Requests for one number, at most.
const ASKS_MAX: u32 = 12;

/// One number of a stream, as it was sent or repaired.
#[derive(Clone, Debug)]
struct Numbered {
    mark: Mark,
    timestamp: u32,
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
    pub(super) recent: Vec<u8>,
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
            recent: Vec::new(),
        }
    }

    /// Judges what the shard sent, before the way loses any of it; its number.
    pub(super) fn sent(&mut self, seen: &Seen, publication: &Publication) -> Option<u64> {
        let header = &seen.header;
        let codec = codec_of(header.payload_type);
        let repair = matches!(header.payload_type, REPAIR_DOWN | H264_REPAIR_DOWN);
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
        let numbered = self.read(codec, payload, header.timestamp, publication);
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
        self.recent.push(numbered.mark.encoding);
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
        timestamp: u32,
        publication: &Publication,
    ) -> Numbered {
        let mark = Mark::read(codec, payload);
        assert_eq!(u64::from(mark.source), self.source, "leg {}", self.leg);
        let (original, _) = publication.sent.get(&mark).expect("somebody published it");
        let (mut plain, mut pictures) = (payload.to_vec(), None);
        if codec == Codec::Vp8 {
            let picture = u16::from_be_bytes([payload[2], payload[3]]) & 0x7fff;
            pictures = Some((picture, payload[4]));
            plain[2..5].copy_from_slice(&original[2..5]);
        }
        assert_eq!(&plain, original, "leg {}: {mark:?}", self.leg);
        let entry = match codec {
            Codec::Opus | Codec::Red => true,
            Codec::Vp8 => payload[0] & 0x10 != 0 && payload[6] & 1 == 0,
            Codec::H264 => payload[0] == 0x67,
        };
        Numbered {
            mark,
            timestamp,
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
            let follows = one.mark.ssrc == other.mark.ssrc
                && other.mark.sequence == one.mark.sequence.wrapping_add(1);
            let originals = (&publication.sent[&one.mark], &publication.sent[&other.mark]);
            let same_frame = follows && originals.0.1 == originals.1.1;
            assert!(follows || other.entry, "{told}: no key frame");
            assert_eq!(
                same_frame,
                step == 0,
                "{told}: frames are told by media time"
            );
            if let (Some(one), Some(other)) = (one.pictures, other.pictures) {
                let on = u16::from(!same_frame);
                let expected = ((one.0 + on) & 0x7fff, one.1.wrapping_add(on as u8));
                assert_eq!(other, expected, "{told}: pictures");
            }
        }
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

fn codec_of(payload_type: u8) -> Codec {
    match payload_type {
        VP8_DOWN | REPAIR_DOWN => Codec::Vp8,
        H264_DOWN | H264_REPAIR_DOWN => Codec::H264,
        OPUS_DOWN => Codec::Opus,
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
