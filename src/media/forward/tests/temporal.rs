//! Legs that leave temporal layers out: what they send can be decoded, whatever happens to it.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::media::allocation::Step;
use crate::media::sample::vp8_layer;
use crate::media::sequence::nearest;
use crate::media::thinning::WHOLE;

/// Temporal layers of the pictures that follow each other.
const PATTERN: [u8; 4] = [0, 2, 1, 2];

const MS: Duration = Duration::from_millis(1);

/// Where a packet's payload says what it is: behind descriptor and first byte.
const MARK_AT: usize = 9;

/// A picture as its encoder knows it.
#[derive(Clone, Debug)]
struct Picture {
    layer: u8,
    parts: usize,
    /// Pictures that a decoder needs for it.
    needs: Vec<usize>,
}

/// An encoder of three temporal layers.
struct Encoder {
    chance: Chance,
    pictures: Vec<Picture>,
    /// The newest picture of each layer.
    newest: [Option<usize>; 3],
    sequence: u16,
    base_layer: u8,
    turn: usize,
}

impl Encoder {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let sequence = [5, 65_300, 40_000][chance.below(3)];
        Self {
            chance,
            pictures: Vec::new(),
            newest: [None; 3],
            sequence,
            base_layer: 250,
            turn: 0,
        }
    }

    /// The packets of the next picture.
    fn film(&mut self, key: bool) -> Vec<(u16, Vec<u8>)> {
        if key {
            self.turn = 0;
        }
        let layer = PATTERN[self.turn % 4];
        self.turn += 1;
        let picture = self.pictures.len();
        let upper = usize::from(layer);
        let began = self.newest[upper].is_some_and(|own| Some(own) > self.newest[0]);
        let sync = upper > 0 && (self.newest[upper].is_none() || self.chance.below(3) == 0);
        let needs = match (key, sync) {
            (true, _) => Vec::new(),
            (false, true) => self.newest[0].into_iter().collect(),
            (false, false) => self.newest[..=upper].iter().flatten().copied().collect(),
        };
        assert!(began || !needs.is_empty() || key);
        if key {
            self.newest = [None; 3];
        }
        self.newest[upper] = Some(picture);
        self.base_layer = self.base_layer.wrapping_add(u8::from(layer == 0));
        let parts = 1 + self.chance.below(3);
        self.pictures.push(Picture {
            layer,
            parts,
            needs,
        });
        let packet = |part: usize| {
            let id = picture as u16 & 0x7fff;
            let mut payload = vp8_layer(key && part == 0, id, self.base_layer, layer, sync);
            if part > 0 {
                payload[0] &= !0x10;
            }
            payload.extend_from_slice(&(picture as u32).to_be_bytes());
            payload.push(part as u8);
            let sequence = self.sequence.wrapping_add(part as u16);
            let mut packet = rtp(VP8, sequence, 3_000 * picture as u32, &payload);
            packet[1] |= u8::from(part + 1 == parts) << 7;
            (sequence, packet)
        };
        let packets = (0..parts).map(packet).collect();
        self.sequence = self.sequence.wrapping_add(parts as u16);
        packets
    }
}

/// What one subscriber has of its stream, by extended number.
#[derive(Default)]
struct Viewer {
    packets: BTreeMap<u64, Seen>,
}

impl Viewer {
    fn take(&mut self, seen: Vec<Seen>) {
        for mut packet in seen {
            let repaired = packet.payload_type == 121;
            if repaired {
                packet.sequence = u16::from_be_bytes([packet.payload[0], packet.payload[1]]);
                packet.payload.drain(..2);
            }
            let newest = self.packets.last_key_value().map(|(number, _)| *number);
            let number = nearest(newest.unwrap_or(1 << 20), packet.sequence);
            let before = self.packets.insert(number, packet);
            // One that comes late from the publisher may be asked for before it is sent.
            let twice = before.is_some_and(|before| before.payload_type != 121);
            assert!(repaired || !twice, "number {number} twice");
        }
    }

    /// Numbers that are missing behind the first.
    fn missing(&self) -> Vec<u64> {
        let (Some(first), Some(last)) = (self.packets.keys().next(), self.packets.keys().last())
        else {
            return Vec::new();
        };
        let known = |number: &u64| self.packets.contains_key(number);
        (*first..*last).filter(|number| !known(number)).collect()
    }

    /// Everything that was sent can be decoded; the temporal layers that came.
    fn judge(&self, pictures: &[Picture], clean: bool) -> Vec<u8> {
        let mut parts: BTreeMap<usize, BTreeSet<u8>> = BTreeMap::new();
        let (mut before, mut layers): (Option<(usize, u16, u8, u32)>, _) = (None, Vec::new());
        for (number, packet) in &self.packets {
            let step = before.map_or(0, |b| packet.timestamp.wrapping_sub(b.3).cast_signed());
            assert!(step >= 0, "{number}: media time goes back");
            if packet.payload.is_empty() {
                assert!(!clean, "{number} is empty");
                continue;
            }
            let picture = packet.payload[MARK_AT..MARK_AT + 4].try_into().unwrap();
            let picture = u32::from_be_bytes(picture) as usize;
            let id = u16::from_be_bytes([packet.payload[2], packet.payload[3]]) & 0x7fff;
            let base_layer = packet.payload[4];
            let new = before.is_none_or(|before| before.0 != picture);
            if new {
                layers.push(pictures[picture].layer);
            }
            if let Some((earlier, earlier_id, earlier_base, _)) = before {
                let on = id.wrapping_sub(earlier_id) & 0x7fff;
                let right = if clean {
                    on == u16::from(new)
                } else {
                    (on > 0) == new
                };
                assert!(right && on < 50, "{number}: picture id on by {on}");
                assert!(picture >= earlier, "{number}: pictures in order");
                let bases = pictures[earlier + 1..=picture].iter();
                let bases = bases.filter(|picture| picture.layer == 0).count();
                let bases = match new && pictures[picture].needs.is_empty() && clean {
                    // A span that begins with a key frame goes on from the last one sent.
                    true => bases.min(1),
                    false => bases,
                };
                assert_eq!(
                    base_layer.wrapping_sub(earlier_base),
                    bases as u8,
                    "{number}"
                );
            }
            before = Some((picture, id, base_layer, packet.timestamp));
            parts
                .entry(picture)
                .or_default()
                .insert(packet.payload[MARK_AT + 4]);
        }
        let newest = parts.keys().last().copied();
        for (picture, came) in &parts {
            let of = &pictures[*picture];
            assert!(
                came.len() == of.parts || Some(*picture) == newest,
                "{picture} {came:?} {of:?}"
            );
            let needed = of.needs.iter().all(|needed| parts.contains_key(needed));
            assert!(needed, "{picture} needs {:?}", of.needs);
        }
        layers
    }
}

fn target(stage: &mut Stage, leg: u64, temporal: u8) {
    let (source, place) = stage.forwarding.leg_mut(LegId(leg)).unwrap();
    source.legs[place].grant(Some(Step {
        encoding: 0,
        temporal,
    }));
    source.choose_encoding(place);
}

fn stage() -> Stage {
    let mut stage = Stage::new(MediaKind::Video, 1);
    stage.subscribe(1, true);
    stage.subscribe(2, true);
    stage
}

fn publish(stage: &mut Stage, encoder: &mut Encoder, key: bool) {
    for (_, packet) in encoder.film(key) {
        stage.receive(0, false, &packet);
    }
    stage.now += 33 * MS;
}

#[test]
fn pictures_above_the_layer_that_is_wanted_are_left_out_without_a_seam() {
    for temporal in 0..=WHOLE {
        let (mut stage, mut encoder) = (stage(), Encoder::new(41));
        let mut viewer = Viewer::default();
        target(&mut stage, 1, temporal);
        for picture in 0..80 {
            publish(&mut stage, &mut encoder, picture == 0);
            viewer.take(stage.seen(1));
        }
        assert!(viewer.missing().is_empty());
        let layers = viewer.judge(&encoder.pictures, true);
        let expected = (0..80).map(|picture| PATTERN[picture % 4]);
        let expected: Vec<u8> = expected.filter(|layer| *layer <= temporal).collect();
        assert_eq!(layers, expected);
    }
}

#[test]
fn a_layer_is_left_at_once_and_entered_only_where_nothing_before_is_needed() {
    let (mut stage, mut encoder) = (stage(), Encoder::new(42));
    let mut viewer = Viewer::default();
    for picture in 0..400 {
        match picture % 100 {
            30 => target(&mut stage, 1, 0),
            60 => target(&mut stage, 1, WHOLE),
            _ => {}
        }
        publish(&mut stage, &mut encoder, picture == 0);
        viewer.take(stage.seen(1));
    }
    assert!(viewer.missing().is_empty());
    let layers = viewer.judge(&encoder.pictures, true);
    let whole = layers.iter().filter(|layer| **layer == 2).count();
    assert!(
        (100..=140).contains(&whole),
        "{whole} of 200 of the top layer"
    );
}

#[test]
fn a_leg_that_begins_with_few_pictures_begins_with_a_key_frame_as_any_other() {
    let (mut stage, mut encoder) = (stage(), Encoder::new(43));
    let mut viewer = Viewer::default();
    target(&mut stage, 1, 0);
    let mut silent = 0;
    for picture in 0..200 {
        if picture % 50 == 20 {
            let (source, place) = stage.forwarding.leg_mut(LegId(1)).unwrap();
            source.legs[place].end_span();
            source.choose_encoding(place);
            assert!(source.encodings[0].key_frames.is_wanted());
        }
        publish(&mut stage, &mut encoder, picture == 0 || picture % 50 == 33);
        let seen = stage.seen(1);
        silent += usize::from(seen.is_empty());
        viewer.take(seen);
    }
    assert!(viewer.missing().is_empty() && silent > 100);
    viewer.judge(&encoder.pictures, true);
}

#[test]
fn under_loss_and_reordering_with_changing_layers_everything_sent_can_be_decoded() {
    for seed in 100..160 {
        let (mut stage, mut encoder) = (stage(), Encoder::new(seed));
        let mut chance = Chance::new(seed);
        let mut viewers = [Viewer::default(), Viewer::default()];
        let mut late: Vec<(Instant, u16, Vec<u8>)> = Vec::new();
        let (mut repair, mut newest) = (0, None);
        for picture in 0..300 {
            let ends = picture > 280;
            for (sequence, packet) in encoder.film(picture == 0 || chance.below(90) == 0) {
                match chance.below(12) {
                    0 if picture > 0 && !ends => {
                        let delay = 20 + chance.below(200) as u32;
                        late.push((stage.now + delay * MS, sequence, packet));
                    }
                    _ => {
                        newest = Some(sequence);
                        stage.receive(0, false, &packet);
                    }
                }
            }
            let now = stage.now;
            late.sort_by_key(|(at, _, _)| *at);
            let due = late.partition_point(|(at, _, _)| *at <= now);
            for (_, sequence, packet) in late.drain(..due) {
                // Nobody asks for what he does not know to be missing.
                let is_missed = newest.is_some_and(|n: u16| n.wrapping_sub(sequence) < 1 << 15);
                if !is_missed || chance.below(2) == 0 {
                    newest = if is_missed { newest } else { Some(sequence) };
                    stage.receive(0, false, &packet);
                    continue;
                }
                repair += 1;
                let body = [&sequence.to_be_bytes()[..], &packet[12..]].concat();
                let mut again = rtp(VP8_REPAIR, repair, 0, &body);
                again[1] |= packet[1] & 0x80;
                again[4..8].copy_from_slice(&packet[4..8]);
                stage.receive(0, true, &again);
            }
            for leg in [1, 2] {
                if chance.below(20) == 0 {
                    target(&mut stage, leg, chance.below(3) as u8);
                }
            }
            stage.now += 33 * MS;
            for (leg, seen) in stage.all_seen() {
                // The way down loses too.
                let safe = ends || picture == 0;
                let came = seen.into_iter().filter(|_| safe || chance.below(10) > 0);
                viewers[leg as usize - 1].take(came.collect());
            }
            for (leg, viewer) in (1..).zip(&viewers) {
                for number in viewer.missing() {
                    stage.ask_again(leg, number as u16);
                }
            }
        }
        for (leg, seen) in stage.all_seen() {
            viewers[leg as usize - 1].take(seen);
        }
        for viewer in &viewers {
            assert_eq!(viewer.missing(), [0; 0], "seed {seed}");
            viewer.judge(&encoder.pictures, false);
        }
    }
}

#[test]
fn a_retransmission_within_a_thinned_span_is_the_packet_that_was_sent() {
    let (mut stage, mut encoder) = (stage(), Encoder::new(44));
    target(&mut stage, 1, 0);
    let mut sent: BTreeMap<u16, Seen> = BTreeMap::new();
    for picture in 0..120 {
        if picture == 60 {
            target(&mut stage, 1, WHOLE);
        }
        publish(&mut stage, &mut encoder, picture == 0);
        sent.extend(stage.seen(1).into_iter().map(|seen| (seen.sequence, seen)));
    }
    for (sequence, seen) in &sent {
        assert!(stage.ask_again(1, *sequence));
        let again = stage.seen(1).pop().unwrap();
        assert_eq!(again.payload[..2], sequence.to_be_bytes());
        assert_eq!(again.payload[2..], seen.payload);
        assert_eq!(again.timestamp, seen.timestamp);
    }
}

#[test]
fn a_higher_encoding_is_offered_with_half_its_pictures_only_where_that_still_moves() {
    for (pause, half) in [(33, true), (66, false)] {
        let mut stage = Stage::new(MediaKind::Video, 2);
        let mut encoders = [Encoder::new(45), Encoder::new(46)];
        for picture in 0..60 {
            for (encoding, encoder) in (0..).zip(&mut encoders) {
                for (_, packet) in encoder.film(picture == 0) {
                    stage.receive(encoding, false, &packet);
                }
            }
            stage.now += pause * MS;
            let now = stage.now;
            stage.source().refresh(now);
        }
        let comes = |rates: [Option<u64>; 3]| rates.map(|rate| rate.is_some());
        let source = stage.source();
        assert_eq!(comes(source.rates(0, None)), [true; 3]);
        assert_eq!(comes(source.rates(1, None)), [false, half, true]);
        assert_eq!(comes(source.rates(0, Some(1))), [true, false, false]);
    }
}
