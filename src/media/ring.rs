//! The last packets of one encoding, decrypted: fan-out and every retransmission read from here.
//!
//! One circular byte store and one index, both made once: a packet that comes in overwrites the
//! oldest ones and nothing is allocated per packet.

use super::codec::Insight;
use super::command::{Codec, MediaKind};

/// Packets that are remembered, at most.
pub const RING_PACKETS: usize = 1024;

/// Bytes that are remembered of a video encoding: more than a second at 6 Mbit/s.
const VIDEO_BYTES: usize = 768 * 1024;

/// Bytes that are remembered of an audio source.
const AUDIO_BYTES: usize = 128 * 1024;

/// Largest payload that is taken, bytes.
pub const PAYLOAD_BYTES_MAX: usize = 1500;

const _: () = assert!(AUDIO_BYTES > 16 * PAYLOAD_BYTES_MAX);
const _: () = assert!(RING_PACKETS.is_power_of_two());

/// A remembered packet without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Extended sequence number as forwarded.
    pub number: u64,
    /// Media time.
    pub timestamp: u32,
    /// Marker bit.
    pub marker: bool,
    /// What the payload is.
    pub codec: Codec,
    /// What the payload tells.
    pub insight: Insight,
}

#[derive(Clone, Copy)]
struct Slot {
    packet: Packet,
    /// Bytes ever stored before this payload, gaps at the wrap counted.
    position: u64,
    len: u16,
}

/// The store; see the module.
pub struct PacketRing {
    slots: Box<[Option<Slot>]>,
    bytes: Box<[u8]>,
    position: u64,
}

impl PacketRing {
    /// An empty store for a stream of this kind.
    pub fn new(kind: MediaKind) -> Self {
        let bytes = match kind {
            MediaKind::Audio => AUDIO_BYTES,
            MediaKind::Video => VIDEO_BYTES,
        };
        Self {
            slots: vec![None; RING_PACKETS].into_boxed_slice(),
            bytes: vec![0; bytes].into_boxed_slice(),
            position: 0,
        }
    }

    /// Remembers a packet; false when its payload is larger than [`PAYLOAD_BYTES_MAX`].
    pub fn insert(&mut self, packet: Packet, payload: &[u8]) -> bool {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return false;
        }
        let capacity = self.bytes.len() as u64;
        if self.position % capacity + payload.len() as u64 > capacity {
            self.position += capacity - self.position % capacity;
        }
        let start = (self.position % capacity) as usize;
        self.bytes[start..start + payload.len()].copy_from_slice(payload);
        self.slots[index(packet.number)] = Some(Slot {
            packet,
            position: self.position,
            len: payload.len() as u16,
        });
        self.position += payload.len() as u64;
        true
    }

    /// The packet of a number, if it is still remembered.
    pub fn get(&self, number: u64) -> Option<(&Packet, &[u8])> {
        let slot = self.slots[index(number)].as_ref()?;
        let capacity = self.bytes.len() as u64;
        if slot.packet.number != number || self.position > slot.position + capacity {
            return None;
        }
        let start = (slot.position % capacity) as usize;
        Some((
            &slot.packet,
            &self.bytes[start..start + usize::from(slot.len)],
        ))
    }

    /// A packet of this number is remembered.
    pub fn contains(&self, number: u64) -> bool {
        self.get(number).is_some()
    }
}

fn index(number: u64) -> usize {
    number as usize % RING_PACKETS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sample::Chance;

    fn packet(number: u64) -> Packet {
        Packet {
            number,
            timestamp: number as u32,
            marker: false,
            codec: Codec::Vp8,
            insight: Insight::default(),
        }
    }

    #[test]
    fn the_last_1024_small_packets_are_remembered() {
        let mut ring = PacketRing::new(MediaKind::Video);
        for number in 0..5_000_u64 {
            assert!(ring.insert(packet(number), &number.to_be_bytes()));
        }
        assert!(ring.get(3_975).is_none());
        for number in 3_976..5_000 {
            assert_eq!(ring.get(number).unwrap().1, number.to_be_bytes());
        }
        assert!(!ring.contains(5_000));
    }

    #[test]
    fn a_payload_is_whole_or_forgotten_never_mixed() {
        let mut chance = Chance::new(3);
        let mut ring = PacketRing::new(MediaKind::Audio);
        for number in 0..20_000_u64 {
            let len = chance.below(PAYLOAD_BYTES_MAX + 1);
            assert!(ring.insert(packet(number), &vec![number as u8; len]));
            for back in (0..100).filter(|back| *back <= number) {
                if let Some((found, payload)) = ring.get(number - back) {
                    assert_eq!(found.number, number - back);
                    assert!(payload.iter().all(|byte| *byte == (number - back) as u8));
                }
            }
            assert!(ring.contains(number));
        }
    }

    #[test]
    fn an_oversize_payload_is_refused() {
        let mut ring = PacketRing::new(MediaKind::Audio);
        assert!(!ring.insert(packet(1), &[0; PAYLOAD_BYTES_MAX + 1]));
        assert!(!ring.contains(1));
    }
}
