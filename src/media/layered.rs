//! One stream that carries several layers, taken apart into encodings: each is what a spatial
//! layer's decode target needs, and is numbered as if nothing else had come.
//!
//! From there on it is an encoding like any other, with a cache, temporal layers, rates, and
//! switches on key frames. Which packet is of which encoding, and under which number, is worked out
//! once, however many legs there are, by its dependency descriptor.

use super::codec::{Insight, TemporalLayer};
use super::command::ENCODINGS_MAX;
use super::dependency::{Descriptor, Indication, Structure};
use super::ring::Packet;
use super::thinning::{Piece, TEMPORALS, Thinning};

/// See the module.
pub struct Layered {
    count: usize,
    structure: Option<Box<Structure>>,
    /// Number of the packet that told of it.
    structure_at: u64,
    /// Decode targets that come.
    active: u32,
    /// Media time of the newest picture that needs none before it.
    key: Option<u32>,
    newest: u64,
    targets: [Option<Target>; ENCODINGS_MAX],
    /// Media time of each encoding's newest picture.
    pictures: [Option<u32>; ENCODINGS_MAX],
    /// By encoding; none before a structure is known.
    thinnings: Vec<Thinning>,
}

/// What an encoding is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Target {
    spatial: u8,
    /// Decode targets by temporal layer as it counts here; the last has them all.
    decode: [usize; TEMPORALS],
}

impl Target {
    fn whole(&self) -> usize {
        self.decode[TEMPORALS - 1]
    }
}

/// A packet as it is in one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its header.
    pub packet: Packet,
    /// It is of another encoding, and came too late to be left out: it goes without its payload, so
    /// that nobody waits for it.
    pub is_empty: bool,
}

/// What a packet is, by encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The packet in each encoding that it is of.
    pub parts: [Option<Part>; ENCODINGS_MAX],
    /// The encodings that come from here on, where that changed: bit 0 is the first.
    pub live: Option<u8>,
}

/// Why a packet is of no encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// What tells what it is was lost, or makes no sense: a key frame brings it anew.
    Untold,
    /// It came too late.
    Late,
}

impl Layered {
    /// Of a stream that is taken apart into so many encodings.
    pub fn new(count: usize) -> Self {
        Self {
            count: count.min(ENCODINGS_MAX),
            structure: None,
            structure_at: 0,
            active: 0,
            key: None,
            newest: 0,
            targets: [None; ENCODINGS_MAX],
            pictures: [None; ENCODINGS_MAX],
            thinnings: Vec::new(),
        }
    }

    /// Another stream follows.
    pub fn restart(&mut self) {
        *self = Self::new(self.count);
    }

    /// Takes a packet, whose number counts all of the stream, and its descriptor. A stream without
    /// descriptors is the first encoding as it is.
    pub fn take(&mut self, packet: &Packet, descriptor: Option<&[u8]>) -> Result<Parts, Lost> {
        let Some(descriptor) = descriptor else {
            return Ok(self.take_plain(packet));
        };
        let is_late = packet.number < self.newest;
        let read = Descriptor::read(descriptor, self.structure.as_deref());
        let Some(mut read) = read else {
            return Err(match packet.number < self.structure_at {
                true => Lost::Late,
                false => Lost::Untold,
            });
        };
        let mut live = None;
        if let Some(structure) = read.structure.take()
            && packet.number >= self.structure_at
        {
            self.key = Some(packet.timestamp);
            self.structure_at = packet.number;
            self.follow(structure, packet.number);
        }
        if let Some(active) = read.active.filter(|_| !is_late) {
            let before = std::mem::replace(&mut self.active, active);
            live = (before != active).then(|| self.live());
        }
        let mut parts = Parts {
            live,
            ..Parts::default()
        };
        for (encoding, part) in parts.parts[..self.count].iter_mut().enumerate() {
            *part = self.part(encoding, packet, &read, is_late);
        }
        self.newest = self.newest.max(packet.number);
        Ok(parts)
    }

    /// A packet that tells nothing is of all encodings, or there is but one.
    fn take_plain(&mut self, packet: &Packet) -> Parts {
        let mut parts = Parts::default();
        let plain = |number, encoding| Part {
            packet: Packet {
                number,
                insight: Insight {
                    lends: encoding > 0,
                    ..packet.insight
                },
                ..*packet
            },
            is_empty: false,
        };
        if self.thinnings.is_empty() {
            parts.parts[0] = Some(plain(packet.number, 0));
        }
        let all = self.thinnings.iter_mut().zip(&mut parts.parts);
        for (encoding, (thinning, part)) in all.enumerate() {
            thinning.take(Piece {
                number: packet.number,
                whole: 0,
                count: 0,
                counted: 0,
                starts: false,
                ends: false,
                is_left_out: false,
            });
            let place = thinning.place(packet.number);
            let place = place.filter(|place| !place.is_left_out);
            *part = place.map(|place| plain(place.number, encoding));
        }
        self.newest = self.newest.max(packet.number);
        parts
    }

    /// Another structure holds.
    fn follow(&mut self, structure: Box<Structure>, number: u64) {
        if self.structure.as_ref() != Some(&structure) {
            for (encoding, target) in self.targets[..self.count].iter_mut().enumerate() {
                *target = target_of(&structure, encoding, self.count);
            }
            self.structure = Some(structure);
        }
        if self.thinnings.is_empty() {
            let thinnings = (0..self.count).map(|_| Thinning::new(number));
            self.thinnings = thinnings.collect();
        }
    }

    /// The encodings of whose spatial layer a decode target comes.
    fn live(&self) -> u8 {
        let Some(structure) = &self.structure else {
            return 0;
        };
        let comes = |target: &Target| {
            let active = |decode: &usize| self.active >> decode & 1 == 1;
            let of = |decode: &usize| structure.layer_of(*decode).0 == target.spatial;
            (0..structure.targets).filter(of).any(|at| active(&at))
        };
        let targets = self.targets.iter().enumerate();
        targets.fold(0, |live, (encoding, target)| {
            live | u8::from(target.as_ref().is_some_and(comes)) << encoding
        })
    }

    fn part(
        &mut self,
        encoding: usize,
        packet: &Packet,
        read: &Descriptor,
        is_late: bool,
    ) -> Option<Part> {
        let target = self.targets[encoding]?;
        let frame = &read.frame;
        let is_of_it = frame.indications.has(target.whole());
        let thinning = self.thinnings.get_mut(encoding)?;
        thinning.take(Piece {
            number: packet.number,
            whole: u32::from(read.number),
            count: read.number,
            counted: u16::MAX,
            starts: read.starts,
            ends: read.ends,
            is_left_out: !is_of_it,
        });
        let place = thinning.place(packet.number)?;
        if place.is_left_out {
            return None;
        }
        let number = place.number;
        if !is_of_it {
            let packet = Packet {
                number,
                marker: false,
                insight: Insight {
                    lends: true,
                    ..Insight::default()
                },
                ..*packet
            };
            return Some(Part {
                packet,
                is_empty: true,
            });
        }
        let picture = &mut self.pictures[encoding];
        let begins = read.starts && *picture != Some(packet.timestamp);
        if !is_late {
            *picture = Some(packet.timestamp);
        }
        let is_own = frame.spatial == target.spatial;
        let refers = !frame.references.differences().is_empty();
        let is_key = self.key == Some(packet.timestamp) && !refers;
        let packet = Packet {
            number,
            // The last packet of a picture is the last of the highest layer that is kept.
            marker: packet.marker || read.ends && is_own,
            insight: Insight {
                entry: read.starts && is_key,
                starts: begins,
                lends: !is_own,
                layer: Some(layer(&target, read)),
                ..Insight::default()
            },
            ..*packet
        };
        Some(Part {
            packet,
            is_empty: false,
        })
    }
}

/// A frame's temporal layer in an encoding: the lowest one that has it.
fn layer(target: &Target, read: &Descriptor) -> TemporalLayer {
    let indications = read.frame.indications;
    let layers = || (0..).zip(target.decode);
    let lowest = layers().find(|(_, decode)| indications.has(*decode));
    let switches = |decode| read.starts && indications.of(decode) == Indication::Switch;
    let opened = layers().filter(|(_, decode)| switches(*decode)).last();
    TemporalLayer {
        id: lowest.map_or(0, |(id, _)| id),
        sync: false,
        opens: opened.map_or(0, |(id, _)| id),
    }
}

/// What one of `count` encodings is made of: each of its own spatial layer, the last of the
/// highest; `None` where a structure has fewer.
fn target_of(structure: &Structure, encoding: usize, count: usize) -> Option<Target> {
    let layers = (0..structure.targets).map(|target| (structure.layer_of(target), target));
    let highest = layers.clone().map(|((spatial, _), _)| spatial).max()?;
    let spatial = match encoding + 1 == count {
        true => highest.max(encoding as u8),
        false => encoding as u8,
    };
    let mut temporals: Vec<(u8, usize)> = layers
        .filter(|((of, _), _)| *of == spatial)
        .map(|((_, temporal), target)| (temporal, target))
        .collect();
    temporals.sort_unstable();
    temporals.dedup_by_key(|(temporal, _)| *temporal);
    let (_, whole) = *temporals.last()?;
    let mut decode = [whole; TEMPORALS];
    let lower = temporals.iter().take(TEMPORALS - 1);
    for (place, (_, target)) in decode.iter_mut().zip(lower) {
        *place = *target;
    }
    Some(Target { spatial, decode })
}

#[cfg(test)]
mod tests;
