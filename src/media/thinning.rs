//! An encoding without the pictures above a temporal layer, numbered as if they had never been:
//! worked out once for each packet, however many legs take it so.
//!
//! A number that is missing when a later one comes is decided about then, for good, because the
//! later one is sent at once: it is kept free unless it can only be of a picture that is left out.
//! When such a packet comes after all and is of a picture to leave out, it goes as an empty packet,
//! so that no receiver waits for it.

use super::codec::Insight;
use super::rewrite::Pictures;
use super::ring::{Packet, RING_PACKETS};

/// Every temporal layer; those from here on are not told apart.
pub const WHOLE: u8 = 2;

/// Numbers of temporal layers to choose from: layer 0, up to layer 1, all.
pub const TEMPORALS: usize = WHOLE as usize + 1;

/// Where a packet is in a thinned encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number; of one that is left out, that of the next.
    pub number: u64,
    /// Pictures left out before its own.
    pub pictures: u16,
    /// It has no number of its own.
    pub is_left_out: bool,
}

impl Place {
    /// The place of a packet where nothing is left out.
    pub fn whole(number: u64) -> Self {
        Self {
            number,
            pictures: 0,
            is_left_out: false,
        }
    }
}

/// The temporal layer of a packet as it counts here; 0 where none is told.
pub fn layer_of(insight: &Insight) -> u8 {
    insight.layer.map_or(0, |layer| layer.id.min(WHOLE))
}

/// An encoding, thinned to each layer below [`WHOLE`].
pub struct Thinnings([Thinning; WHOLE as usize]);

impl Thinnings {
    /// Of an encoding whose first packet is this.
    pub fn new(first: u64) -> Self {
        Self([Thinning::new(first), Thinning::new(first)])
    }

    /// Takes the next packet; those that come late have their place already.
    pub fn take(&mut self, packet: &Packet, payload: &[u8]) {
        let insight = &packet.insight;
        let piece = Piece {
            number: packet.number,
            whole: packet.timestamp,
            count: Pictures::read(packet, payload).picture,
            counted: match (insight.picture_at, insight.picture_wide) {
                (0, _) => 0,
                (_, false) => 0x7f,
                (_, true) => 0x7fff,
            },
            starts: insight.starts,
            ends: packet.marker,
            is_left_out: false,
        };
        for (highest, thinning) in (0..).zip(&mut self.0) {
            thinning.take(Piece {
                is_left_out: layer_of(insight) > highest,
                ..piece
            });
        }
    }

    /// Where a packet is up to a layer; `None` when it is no longer remembered.
    pub fn place(&self, temporal: u8, number: u64) -> Option<Place> {
        match self.0.get(usize::from(temporal)) {
            Some(thinning) => thinning.place(number),
            None => Some(Place::whole(number)),
        }
    }

    /// The packet that has a number up to a layer.
    pub fn number(&self, temporal: u8, thinned: u64) -> Option<u64> {
        match self.0.get(usize::from(temporal)) {
            Some(thinning) => thinning.number(thinned),
            None => Some(thinned),
        }
    }
}

/// A packet, as far as numbering without some needs to know it.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Its number.
    pub number: u64,
    /// What it is a piece of, which is kept or left out as a whole.
    pub whole: u32,
    /// Counts these.
    pub count: u16,
    /// The bits that count; none where nothing is counted.
    pub counted: u16,
    /// It is the first of its whole.
    pub starts: bool,
    /// It is the last.
    pub ends: bool,
    /// It is of what is left out.
    pub is_left_out: bool,
}

/// See the module.
pub struct Thinning {
    first: u64,
    newest: Option<Piece>,
    /// Packets and pictures left out so far.
    packets: u64,
    pictures: u16,
    /// The last places, by number.
    places: Box<[(u64, Place)]>,
    /// The last numbers, by number in the thinned encoding.
    numbers: Box<[u64]>,
}

impl Thinning {
    /// Of what begins with this number.
    pub fn new(first: u64) -> Self {
        Self {
            first,
            newest: None,
            packets: 0,
            pictures: 0,
            places: vec![(0, Place::whole(0)); RING_PACKETS].into_boxed_slice(),
            numbers: vec![0; RING_PACKETS].into_boxed_slice(),
        }
    }

    /// Takes the next packet; one that comes late has its place already.
    pub fn take(&mut self, next: Piece) {
        let number = next.number;
        if number < self.first || self.newest.is_some_and(|newest| number <= newest.number) {
            return;
        }
        if let Some(newest) = self.newest {
            if newest.is_left_out && newest.whole != next.whole {
                self.pictures = self.pictures.wrapping_add(1);
            }
            self.decide_missing(&newest, &next);
        }
        self.put(number, next.is_left_out);
        self.newest = Some(next);
    }

    /// Gives what is missing between two packets its places.
    fn decide_missing(&mut self, newest: &Piece, next: &Piece) {
        let between = newest.number + 1..next.number;
        let is_left_out = is_surely_left_out(newest, next);
        let remembered = between.end.saturating_sub(RING_PACKETS as u64);
        if is_left_out && remembered > between.start {
            self.packets += remembered - between.start;
        }
        for missing in between.start.max(remembered)..between.end {
            self.put(missing, is_left_out);
        }
    }

    fn put(&mut self, number: u64, is_left_out: bool) {
        let place = Place {
            number: number - self.packets,
            pictures: self.pictures,
            is_left_out,
        };
        self.places[index(number)] = (number, place);
        match is_left_out {
            true => self.packets += 1,
            false => self.numbers[index(place.number)] = number,
        }
    }

    /// Where a packet is; `None` when it is no longer remembered.
    pub fn place(&self, number: u64) -> Option<Place> {
        if number < self.first {
            return Some(Place::whole(number));
        }
        let (known, place) = self.places[index(number)];
        (known == number).then_some(place)
    }

    fn number(&self, thinned: u64) -> Option<u64> {
        if thinned < self.first {
            return Some(thinned);
        }
        let number = self.numbers[index(thinned)];
        let place = self.place(number)?;
        (place.number == thinned && !place.is_left_out).then_some(number)
    }
}

/// What is missing between two packets can only be of what is left out: there is nothing between
/// the wholes that they are pieces of, and whichever of these it is of is left out.
fn is_surely_left_out(newest: &Piece, next: &Piece) -> bool {
    if newest.whole == next.whole {
        return newest.is_left_out;
    }
    let follows = next.counted != 0 && next.count.wrapping_sub(newest.count) & next.counted == 1;
    let ends = newest.ends || newest.is_left_out;
    let begins = next.starts || next.is_left_out;
    follows && ends && begins && (newest.is_left_out || next.is_left_out)
}

fn index(number: u64) -> usize {
    number as usize % RING_PACKETS
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::media::command::Codec;
    use crate::media::sample::{Chance, vp8_layer};

    /// Packets of pictures in the pattern 0 2 1 2, by number.
    fn film(chance: &mut Chance, first: u64, pictures: u16) -> Vec<(Packet, Vec<u8>)> {
        let mut out = Vec::new();
        for picture in 0..pictures {
            let layer = [0, 2, 1, 2][usize::from(picture % 4)];
            let parts = 1 + chance.below(3);
            for part in 0..parts {
                let key = picture == 0;
                let mut payload = vp8_layer(key && part == 0, picture, 0, layer, false);
                if part > 0 {
                    payload[0] &= !0x10;
                }
                let packet = Packet {
                    number: first + out.len() as u64,
                    timestamp: 3_000 * u32::from(picture),
                    marker: part + 1 == parts,
                    codec: Codec::Vp8,
                    insight: Insight::of(Codec::Vp8, &payload),
                };
                out.push((packet, payload));
            }
        }
        out
    }

    #[test]
    fn what_is_kept_is_numbered_without_a_gap_and_found_again() {
        let mut chance = Chance::new(31);
        let film = film(&mut chance, 70_000, 200);
        let mut thinnings = Thinnings::new(70_000);
        let mut next = [70_000; 2];
        for (packet, payload) in &film {
            thinnings.take(packet, payload);
            for (temporal, next) in (0..).zip(&mut next) {
                let place = thinnings.place(temporal, packet.number).unwrap();
                assert_eq!(place.number, *next);
                assert_eq!(place.is_left_out, layer_of(&packet.insight) > temporal);
                if !place.is_left_out {
                    assert_eq!(thinnings.number(temporal, *next), Some(packet.number));
                    *next += 1;
                }
            }
            let whole = thinnings.place(WHOLE, packet.number);
            assert_eq!(whole, Some(Place::whole(packet.number)));
        }
    }

    #[test]
    fn pictures_are_counted_once_however_many_packets_they_have() {
        let mut chance = Chance::new(32);
        let mut thinnings = Thinnings::new(5);
        for (packet, payload) in film(&mut chance, 5, 100) {
            thinnings.take(&packet, &payload);
            let picture = Pictures::read(&packet, &payload).picture;
            let before = |temporal| thinnings.place(temporal, packet.number).unwrap().pictures;
            assert_eq!(before(0), picture - picture.div_ceil(4));
            assert_eq!(before(1), picture - picture.div_ceil(2));
        }
    }

    #[test]
    fn a_place_once_given_stays_and_no_two_kept_packets_share_one() {
        for seed in 0..200 {
            let mut chance = Chance::new(seed);
            let film = film(&mut chance, 100_000, 80);
            let mut thinnings = Thinnings::new(100_000);
            let mut given: BTreeMap<(u8, u64), Place> = BTreeMap::new();
            let mut late = Vec::new();
            for (packet, payload) in &film {
                match chance.below(5) {
                    0 if packet.number > 100_000 => late.push((packet, payload)),
                    _ => thinnings.take(packet, payload),
                }
                if chance.below(4) == 0 && !late.is_empty() {
                    let (packet, payload) = late.swap_remove(chance.below(late.len()));
                    thinnings.take(packet, payload);
                }
                for number in 100_000..=packet.number {
                    for temporal in 0..WHOLE {
                        let Some(place) = thinnings.place(temporal, number) else {
                            continue;
                        };
                        let before = given.insert((temporal, number), place);
                        assert!(before.is_none_or(|before| before == place));
                    }
                }
            }
            for temporal in 0..WHOLE {
                let of = given.iter().filter(|((of, _), _)| *of == temporal);
                let kept = of.filter(|(_, place)| !place.is_left_out);
                let numbers: Vec<u64> = kept.map(|(_, place)| place.number).collect();
                let expected: Vec<u64> = (100_000..100_000 + numbers.len() as u64).collect();
                assert_eq!(numbers, expected, "seed {seed}");
            }
        }
    }

    #[test]
    fn a_gap_within_pictures_to_leave_out_keeps_no_number_free() {
        let mut chance = Chance::new(33);
        let film = film(&mut chance, 100, 400);
        let mut thinnings = Thinnings::new(100);
        let mut missing = 0;
        for (at, (packet, payload)) in film.iter().enumerate() {
            let left_out = layer_of(&packet.insight) > 0;
            let within = left_out && !packet.insight.starts && !packet.marker;
            if within && film[at - 1].0.timestamp == packet.timestamp {
                missing += 1;
                continue;
            }
            thinnings.take(packet, payload);
            let place = thinnings.place(0, packet.number).unwrap();
            let kept = film[..at].iter().filter(|(p, _)| layer_of(&p.insight) == 0);
            assert_eq!(place.number, 100 + kept.count() as u64);
        }
        assert!(missing > 20, "{missing}");
    }

    #[test]
    fn a_gap_larger_than_what_is_remembered_costs_no_more_than_that() {
        let mut chance = Chance::new(34);
        let film = film(&mut chance, 10, 2);
        let mut thinnings = Thinnings::new(10);
        let (first, payload) = &film[0];
        thinnings.take(first, payload);
        let far = Packet {
            number: 1 << 40,
            ..*first
        };
        thinnings.take(&far, payload);
        assert_eq!(thinnings.place(0, far.number).unwrap().number, far.number);
        assert_eq!(thinnings.place(0, 11), None);
        assert_eq!(thinnings.number(0, 11), None);
    }
}
