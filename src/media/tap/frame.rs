//! Whole frames out of payloads: VP8 (RFC 7741), H.264 (RFC 6184) and Opus, also out of redundant
//! audio.

use std::time::Instant;

use bytes::Bytes;

use crate::media::codec::vp8_body;
use crate::media::command::Codec;
use crate::media::ring::Packet;
use crate::media::rtp::read_u16;

/// Largest frame that is put together, bytes; a larger one counts as lost.
pub const FRAME_BYTES_MAX: usize = 2 * 1024 * 1024;

/// RFC 6184 section 5.2.
const H264_REFRESH: u8 = 5;
const H264_AGGREGATE: u8 = 24;
const H264_FRAGMENT: u8 = 28;
const H264_KIND: u8 = 0x1f;

/// One picture or one packet of sound as its codec made it, never transcoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// [`Codec::Vp8`], [`Codec::H264`] or [`Codec::Opus`].
    pub codec: Codec,
    /// A decoder can start here; always true for sound.
    pub is_key: bool,
    /// RTP time of its stream.
    pub timestamp: u32,
    /// When its last packet came.
    pub at: Instant,
    /// H.264 as units with their lengths in four bytes before each (ISO/IEC 14496-15), parameter
    /// sets included; everything else as in RTP.
    pub data: Bytes,
}

/// Puts a stream's packets together, which must come in order; [`Assembler::lose`] says where some
/// are missing.
#[derive(Debug, Default)]
pub struct Assembler {
    begun: Option<Begun>,
}

#[derive(Debug)]
struct Begun {
    timestamp: u32,
    is_key: bool,
    data: Vec<u8>,
    /// Where the length of the H.264 unit lies that is not complete.
    open_unit: Option<usize>,
}

impl Assembler {
    /// Takes the next packet; `at` is when it came. A frame that makes no sense counts as lost:
    /// nothing comes of it.
    pub fn take(&mut self, at: Instant, packet: &Packet, payload: &[u8]) -> Option<Frame> {
        match packet.codec {
            Codec::Opus | Codec::Red => sound(at, packet, payload),
            Codec::Vp8 | Codec::H264 => self.picture(at, packet, payload),
            // Nothing comes of these: nobody who taps reads them.
            Codec::Vp9 | Codec::Av1 => None,
        }
    }

    /// A packet is missing here, and what was begun with it.
    pub fn lose(&mut self) {
        self.begun = None;
    }

    fn picture(&mut self, at: Instant, packet: &Packet, payload: &[u8]) -> Option<Frame> {
        let taken = match packet.codec {
            Codec::H264 => self.take_h264(packet, payload),
            Codec::Vp8 | Codec::Opus | Codec::Red | Codec::Vp9 | Codec::Av1 => {
                self.take_vp8(packet, payload)
            }
        };
        if taken.is_none() {
            self.begun = None;
            return None;
        }
        if !packet.marker {
            return None;
        }
        let done = self.begun.take()?;
        (done.open_unit.is_none() && !done.data.is_empty()).then(|| Frame {
            codec: packet.codec,
            is_key: done.is_key,
            timestamp: done.timestamp,
            at,
            data: done.data.into(),
        })
    }

    fn take_vp8(&mut self, packet: &Packet, payload: &[u8]) -> Option<()> {
        let body = vp8_body(payload)?;
        if packet.insight.starts {
            self.begun = Some(Begun::new(packet.timestamp, packet.insight.entry));
        }
        self.of(packet.timestamp)?.push(body)
    }

    fn take_h264(&mut self, packet: &Packet, payload: &[u8]) -> Option<()> {
        if self.of(packet.timestamp).is_none() {
            self.begun = Some(Begun::new(packet.timestamp, false));
        }
        let frame = self.of(packet.timestamp)?;
        let first = *payload.first()?;
        match first & H264_KIND {
            H264_AGGREGATE => {
                let mut rest = &payload[1..];
                while !rest.is_empty() {
                    let end = 2 + usize::from(read_u16(rest, 0)?);
                    frame.push_unit(rest.get(2..end)?)?;
                    rest = &rest[end..];
                }
                Some(())
            }
            H264_FRAGMENT => frame.push_fragment(first, *payload.get(1)?, &payload[2..]),
            1..H264_AGGREGATE => frame.push_unit(payload),
            _ => None,
        }
    }

    /// The frame that is begun, if it is the one of this time.
    fn of(&mut self, timestamp: u32) -> Option<&mut Begun> {
        self.begun
            .as_mut()
            .filter(|begun| begun.timestamp == timestamp)
    }
}

impl Begun {
    fn new(timestamp: u32, is_key: bool) -> Self {
        Self {
            timestamp,
            is_key,
            data: Vec::new(),
            open_unit: None,
        }
    }

    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        if self.data.len() + bytes.len() > FRAME_BYTES_MAX {
            return None;
        }
        self.data.extend_from_slice(bytes);
        Some(())
    }

    fn push_unit(&mut self, unit: &[u8]) -> Option<()> {
        if self.open_unit.is_some() {
            return None;
        }
        self.is_key |= *unit.first()? & H264_KIND == H264_REFRESH;
        self.push(&u32::try_from(unit.len()).ok()?.to_be_bytes())?;
        self.push(unit)
    }

    /// RFC 6184 section 5.8.
    fn push_fragment(&mut self, indicator: u8, header: u8, body: &[u8]) -> Option<()> {
        const START: u8 = 0x80;
        const END: u8 = 0x40;
        if header & START != 0 {
            if self.open_unit.is_some() {
                return None;
            }
            self.is_key |= header & H264_KIND == H264_REFRESH;
            self.open_unit = Some(self.data.len());
            self.push(&[0; 4])?;
            self.push(&[indicator & !H264_KIND | header & H264_KIND])?;
        }
        let length_at = self.open_unit?;
        self.push(body)?;
        if header & END != 0 {
            let len = u32::try_from(self.data.len() - length_at - 4).ok()?;
            self.data[length_at..length_at + 4].copy_from_slice(&len.to_be_bytes());
            self.open_unit = None;
        }
        Some(())
    }
}

fn sound(at: Instant, packet: &Packet, payload: &[u8]) -> Option<Frame> {
    let primary = payload.get(usize::from(packet.insight.primary_at)..)?;
    (!primary.is_empty()).then(|| Frame {
        codec: Codec::Opus,
        is_key: true,
        timestamp: packet.timestamp,
        at,
        data: Bytes::copy_from_slice(primary),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::Insight;
    use crate::media::sample::{Chance, vp8};
    use crate::media::transport::testing::origin;

    fn packet(codec: Codec, payload: &[u8], timestamp: u32, marker: bool) -> Packet {
        Packet {
            number: 0,
            timestamp,
            marker,
            codec,
            insight: Insight::of(codec, payload),
        }
    }

    fn whole(codec: Codec, payloads: &[&[u8]]) -> Option<Frame> {
        let mut assembler = Assembler::default();
        let mut frame = None;
        for (place, payload) in payloads.iter().enumerate() {
            let last = place + 1 == payloads.len();
            let packet = packet(codec, payload, 9, last);
            frame = assembler.take(origin(), &packet, payload);
        }
        frame
    }

    #[test]
    fn a_vp8_frame_is_its_packets_without_their_descriptors() {
        let first = vp8(true, 5, 6);
        let frame = whole(Codec::Vp8, &[&first, &[0x80, 0x80, 0x05, 1, 2], &[0, 3]]).unwrap();
        assert!(frame.is_key);
        assert_eq!(frame.data[..], [0x10, 7, 7, 1, 2, 3]);
        assert!(!whole(Codec::Vp8, &[&vp8(false, 5, 6)]).unwrap().is_key);
    }

    #[test]
    fn a_frame_without_its_beginning_is_none() {
        assert_eq!(whole(Codec::Vp8, &[&[0x00, 3]]), None);
        assert_eq!(whole(Codec::H264, &[&[0x7c, 0x45, 9]]), None);
        assert_eq!(whole(Codec::H264, &[&[0x7c, 0x85, 9]]), None);
    }

    #[test]
    fn a_loss_costs_the_frame_that_it_is_in_and_no_other() {
        let mut assembler = Assembler::default();
        let mut take = |payload: &[u8], timestamp, last| {
            let packet = packet(Codec::Vp8, payload, timestamp, last);
            assembler.take(origin(), &packet, payload)
        };
        assert_eq!(take(&vp8(true, 1, 1), 1, false), None);
        assert_eq!(take(&[0x00, 3], 2, true), None);
        assert!(take(&vp8(false, 3, 1), 3, true).is_some());
    }

    #[test]
    fn h264_units_come_with_their_lengths_however_they_were_sent() {
        let frame = whole(
            Codec::H264,
            &[
                &[0x78, 0, 2, 0x67, 1, 0, 1, 0x68],
                &[0x7c, 0x85, 10, 11],
                &[0x7c, 0x05, 12],
                &[0x7c, 0x45, 13],
            ],
        );
        let frame = frame.unwrap();
        assert!(frame.is_key);
        let units = [
            &[0, 0, 0, 2, 0x67, 1][..],
            &[0, 0, 0, 1, 0x68],
            &[0, 0, 0, 5, 0x65, 10, 11, 12, 13],
        ];
        assert_eq!(frame.data[..], units.concat());
        assert!(!whole(Codec::H264, &[&[0x61, 4]]).unwrap().is_key);
    }

    #[test]
    fn sound_is_a_frame_for_each_packet_without_what_it_repeats() {
        assert_eq!(whole(Codec::Opus, &[&[1, 2]]).unwrap().data[..], [1, 2]);
        let red = [0x80 | 111, 0, 0, 1, 111, 9, 4, 5];
        let frame = whole(Codec::Red, &[&red]).unwrap();
        assert_eq!(frame.codec, Codec::Opus);
        assert_eq!(frame.data[..], [4, 5]);
    }

    #[test]
    fn no_payload_panics_and_no_frame_grows_beyond_its_bound() {
        let mut chance = Chance::new(11);
        let mut assembler = Assembler::default();
        for _ in 0..200_000 {
            let payload = chance.bytes(60);
            let codecs = [Codec::Vp8, Codec::H264, Codec::Opus, Codec::Red];
            let codec = codecs[chance.below(4)];
            let (timestamp, marker) = (chance.below(3) as u32, chance.below(9) == 0);
            let packet = packet(codec, &payload, timestamp, marker);
            if let Some(frame) = assembler.take(origin(), &packet, &payload) {
                assert!(!frame.data.is_empty() && frame.data.len() <= FRAME_BYTES_MAX);
            }
        }
        let mut begun = Begun::new(0, true);
        while begun.push(&[0; 60_000]).is_some() {}
        assert!(begun.data.len() <= FRAME_BYTES_MAX);
    }
}
