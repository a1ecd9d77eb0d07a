//! Streams of every mode, taken apart.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::media::command::Codec;
use crate::media::sample::Chance;
use crate::media::sample::layers::{Encoder, write};
use crate::media::thinning::WHOLE;

/// A packet with its descriptor, and what it is for the test.
struct Film {
    packet: Packet,
    descriptor: Vec<u8>,
    spatial: u8,
    temporal: u8,
    count: u32,
    needs: Vec<u32>,
    is_last_of_frame: bool,
}

/// Pictures of one to three packets a layer, numbered from `first`.
fn film(encoder: &mut Encoder, chance: &mut Chance, first: u64, pictures: u32) -> Vec<Film> {
    let mut out: Vec<Film> = Vec::new();
    for picture in 0..pictures {
        let layers = encoder.picture(picture % 40 == 0);
        let top = layers.len() - 1;
        for (spatial, layer) in layers.into_iter().enumerate() {
            let parts = 1 + chance.below(3);
            for part in 0..parts {
                let (starts, ends) = (part == 0, part + 1 == parts);
                let mut descriptor = layer.descriptor.clone();
                (descriptor.starts, descriptor.ends) = (starts, ends);
                if !starts {
                    (descriptor.structure, descriptor.active) = (None, None);
                }
                let frame = &descriptor.frame;
                out.push(Film {
                    packet: Packet {
                        number: first + out.len() as u64,
                        timestamp: 3_000 * picture,
                        marker: ends && spatial == top,
                        codec: Codec::Vp9,
                        insight: Insight::default(),
                    },
                    spatial: frame.spatial,
                    temporal: frame.temporal,
                    count: layer.count,
                    needs: layer.needs.clone(),
                    is_last_of_frame: ends,
                    descriptor: write(&descriptor, &encoder.structure),
                });
            }
        }
    }
    out
}

fn modes() -> impl Iterator<Item = (u8, u8, bool)> {
    (1..=3).flat_map(|s| (1..=3).flat_map(move |t| [(s, t, false), (s, t, true)]))
}

#[test]
fn each_encoding_of_every_mode_has_all_that_it_needs_and_no_gap_and_ends_its_pictures() {
    let mut chance = Chance::new(51);
    for (spatials, temporals, key_only) in modes() {
        let mut encoder = Encoder::new(spatials, temporals, key_only, 65_400);
        let count = usize::from(spatials);
        let mut layered = Layered::new(count);
        let mut next = vec![1_000; count];
        let mut whole: Vec<BTreeSet<u32>> = vec![BTreeSet::new(); count];
        let mut last: Vec<Option<Packet>> = vec![None; count];
        for film in film(&mut encoder, &mut chance, 1_000, 120) {
            let parts = layered.take(&film.packet, Some(&film.descriptor)).unwrap();
            for (encoding, part) in parts.parts.iter().enumerate() {
                let Some(part) = part else { continue };
                let packet = part.packet;
                assert!(!part.is_empty && usize::from(film.spatial) <= encoding);
                assert_eq!(packet.insight.lends, usize::from(film.spatial) < encoding);
                assert_eq!(packet.number, next[encoding]);
                next[encoding] += 1;
                if packet.insight.entry {
                    whole[encoding].clear();
                }
                let has = |needed: &u32| whole[encoding].contains(needed);
                assert!(film.needs.iter().all(has), "{encoding}: {:?}", film.needs);
                if film.is_last_of_frame {
                    whole[encoding].insert(film.count);
                }
                if let Some(before) = last[encoding].replace(packet) {
                    let same = before.timestamp == packet.timestamp;
                    assert_eq!(before.marker, !same);
                    assert_eq!(packet.insight.starts, !same);
                }
                let layer = packet.insight.layer.unwrap();
                assert_eq!(layer.id, film.temporal);
            }
        }
        assert!(next.iter().all(|next| *next > 1_120));
    }
}

#[test]
fn who_goes_up_where_a_picture_opens_the_way_has_all_that_is_needed() {
    let mut chance = Chance::new(52);
    for (spatials, temporals, key_only) in modes() {
        let mut encoder = Encoder::new(spatials, temporals, key_only, 9);
        let mut layered = Layered::new(usize::from(spatials));
        let top = usize::from(spatials) - 1;
        let mut taken: BTreeSet<u32> = BTreeSet::new();
        let mut temporal = WHOLE;
        let mut ups = 0;
        for film in film(&mut encoder, &mut chance, 1, 400) {
            let parts = layered.take(&film.packet, Some(&film.descriptor)).unwrap();
            let Some(part) = parts.parts[top] else {
                continue;
            };
            let insight = part.packet.insight;
            let layer = insight.layer.unwrap();
            if insight.entry {
                taken.clear();
            }
            if insight.starts && chance.below(6) == 0 {
                temporal = chance.below(3).min(usize::from(temporal)) as u8;
            } else if layer.id <= temporal && layer.opens > temporal && chance.below(4) == 0 {
                temporal = layer.opens;
                ups += 1;
            }
            if layer.id <= temporal {
                assert!(film.needs.iter().all(|needed| taken.contains(needed)));
                taken.insert(film.count);
            }
        }
        assert!(
            ups > 5 || temporals == 1,
            "{spatials} {temporals} {key_only}"
        );
    }
}

#[test]
fn under_loss_and_reordering_no_two_packets_share_a_number_and_a_place_once_given_stays() {
    for seed in 0..100 {
        let mut chance = Chance::new(seed);
        let spatials = 1 + chance.below(3) as u8;
        let mut encoder = Encoder::new(spatials, 3, chance.below(2) == 0, 65_530);
        let mut layered = Layered::new(usize::from(spatials));
        let film = film(&mut encoder, &mut chance, 50_000, 60);
        let mut numbers: BTreeMap<(usize, u64), u64> = BTreeMap::new();
        let mut late: Vec<&Film> = Vec::new();
        let mut take = |film: &Film| {
            let Ok(parts) = layered.take(&film.packet, Some(&film.descriptor)) else {
                return;
            };
            for (encoding, part) in parts.parts.iter().enumerate() {
                if let Some(part) = part {
                    let number = film.packet.number;
                    let before = numbers.insert((encoding, part.packet.number), number);
                    assert!(before.is_none_or(|before| before == number), "seed {seed}");
                    let is_above = usize::from(film.spatial) > encoding;
                    assert!(part.is_empty || !is_above);
                }
            }
        };
        for film in &film {
            match chance.below(5) {
                0 if film.packet.number > 50_000 => late.push(film),
                _ => take(film),
            }
            if chance.below(4) == 0 && !late.is_empty() {
                take(late.swap_remove(chance.below(late.len())));
            }
        }
    }
}

#[test]
fn a_packet_whose_structure_is_unknown_asks_for_a_key_frame_and_one_before_it_does_not() {
    let mut chance = Chance::new(53);
    let mut encoder = Encoder::new(2, 1, true, 1);
    let film = film(&mut encoder, &mut chance, 10, 45);
    let mut layered = Layered::new(2);
    let later = film.iter().filter(|film| film.packet.number > 12);
    let key = film.iter().rposition(|film| film.needs.is_empty()).unwrap();
    for film in later.take(5) {
        let found = layered.take(&film.packet, Some(&film.descriptor));
        assert_eq!(found, Err(Lost::Untold));
    }
    let start = film[..=key].iter().rev().take_while(|f| f.needs.is_empty());
    let start = key + 1 - start.count();
    let parts = layered
        .take(&film[start].packet, Some(&film[start].descriptor))
        .unwrap();
    assert_eq!(parts.live, Some(0b11));
    assert!(parts.parts[0].unwrap().packet.insight.entry);
    let strange = [0x80 | 60, 0, 0];
    let before = Packet {
        number: 11,
        ..film[0].packet
    };
    assert_eq!(layered.take(&before, Some(&strange)), Err(Lost::Late));
}

#[test]
fn layers_that_stop_are_told_at_once() {
    let mut chance = Chance::new(54);
    let mut encoder = Encoder::new(3, 3, true, 1);
    let mut layered = Layered::new(3);
    let mut live = Vec::new();
    let mut number = 1;
    for top in [3, 1, 2] {
        encoder.limit(top);
        let film = film(&mut encoder, &mut chance, number, 5);
        number += film.len() as u64;
        for film in film {
            let parts = layered.take(&film.packet, Some(&film.descriptor)).unwrap();
            live.extend(parts.live);
        }
    }
    assert_eq!(live, [0b111, 0b1, 0b11]);
}

#[test]
fn fewer_encodings_than_layers_take_the_highest_and_more_are_not_there() {
    let mut chance = Chance::new(55);
    for (count, expected) in [(1, vec![3]), (2, vec![1, 3])] {
        let mut encoder = Encoder::new(3, 1, false, 1);
        let mut layered = Layered::new(count);
        let mut layers = vec![BTreeSet::new(); count];
        for film in film(&mut encoder, &mut chance, 1, 20) {
            let parts = layered.take(&film.packet, Some(&film.descriptor)).unwrap();
            for (encoding, part) in parts.parts.iter().enumerate() {
                part.iter()
                    .for_each(|_| _ = layers[encoding].insert(film.spatial));
            }
        }
        let found: Vec<usize> = layers.iter().map(BTreeSet::len).collect();
        assert_eq!(found, expected);
    }
    let mut encoder = Encoder::new(1, 3, false, 1);
    let mut layered = Layered::new(3);
    for film in film(&mut encoder, &mut chance, 1, 20) {
        let parts = layered.take(&film.packet, Some(&film.descriptor)).unwrap();
        assert!(parts.parts[0].is_some() && parts.parts[1..] == [None; 2]);
    }
}

#[test]
fn a_stream_without_descriptors_is_the_first_encoding_as_it_is() {
    let mut layered = Layered::new(3);
    let packet = Packet {
        number: 7,
        timestamp: 1,
        marker: true,
        codec: Codec::Av1,
        insight: Insight::default(),
    };
    let parts = layered.take(&packet, None).unwrap();
    let whole = Part {
        packet,
        is_empty: false,
    };
    assert_eq!(parts.parts, [Some(whole), None, None]);
}
