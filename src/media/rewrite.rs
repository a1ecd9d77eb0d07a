//! How a source's packet becomes a leg's: numbers, media time, payload type, VP8 descriptor.
//!
//! A leg's stream is a row of spans. Within a span everything is an offset to the source's
//! encoding, thinned to the span's temporal layer, so a packet rewritten again, for a
//! retransmission, is bit-identical.

use super::codec::red_rename;
use super::command::{Codec, CodecMapping};
use super::playout::PlayoutDelay;
use super::ring::Packet;
use super::rtp::{
    HEADER_BYTES, NUMBER_AND_DELAY_BYTES, TRANSPORT_NUMBER_BYTES, write_header,
    write_number_and_delay, write_transport_number,
};
use super::thinning::Place;

/// A stretch of a leg's stream that comes from one encoding without a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Index of the source's encoding.
    pub encoding: u8,
    /// Which of the streams that followed each other in that encoding.
    pub epoch: u32,
    /// Highest temporal layer.
    pub temporal: u8,
    /// Number of the first packet, as the source forwards it.
    pub begins: u64,
    /// Its number in the encoding as thinned to the temporal layer.
    pub first_in: u64,
    /// Its number on the leg.
    pub first_out: u64,
    /// Added to media time.
    pub timestamp_offset: u32,
    /// Added to the VP8 picture id, less the pictures that were left out before.
    pub picture_offset: u16,
    /// Added to the VP8 `TL0PICIDX`.
    pub base_layer_offset: u8,
}

impl Span {
    /// The number on the leg of a number in the thinned encoding; `None` before the span.
    pub fn outgoing(&self, thinned: u64) -> Option<u64> {
        Some(thinned.checked_sub(self.first_in)? + self.first_out)
    }

    /// The span as it is for a packet behind pictures that were left out.
    pub fn behind(&self, place: &Place) -> Self {
        Self {
            picture_offset: self.picture_offset.wrapping_sub(place.pictures),
            ..*self
        }
    }

    /// The number in the thinned encoding of a leg's packet; `None` before the span.
    pub fn incoming(&self, outgoing: u64) -> Option<u64> {
        Some(outgoing.checked_sub(self.first_out)? + self.first_in)
    }
}

/// How packets of one codec look on a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Payload type.
    pub payload_type: u8,
    /// Payload type of retransmissions.
    pub rtx_payload_type: Option<u8>,
    /// What happens to the payload.
    pub treatment: Treatment,
}

/// What happens to a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Nothing.
    Copy,
    /// VP8 picture ids are moved on.
    MovePictures,
    /// The blocks of redundant audio get the subscriber's payload type of Opus.
    RenameBlocks(u8),
    /// The primary block alone is kept.
    PrimaryBlock,
}

/// The formats of a subscriber, by codec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Formats {
    opus: Option<Format>,
    red: Option<Format>,
    vp8: Option<Format>,
    h264: Option<Format>,
    vp9: Option<Format>,
    av1: Option<Format>,
}

impl Formats {
    /// Reads what a subscriber takes; the first mapping of a codec counts.
    pub fn new(mappings: &[CodecMapping]) -> Self {
        let find = |codec, treatment| {
            let mapping = mappings.iter().find(|mapping| mapping.codec == codec)?;
            Some(Format {
                payload_type: mapping.payload_type,
                rtx_payload_type: mapping.rtx_payload_type,
                treatment,
            })
        };
        let opus = find(Codec::Opus, Treatment::Copy);
        let rename = opus.map_or(Treatment::Copy, |o| Treatment::RenameBlocks(o.payload_type));
        Self {
            opus,
            red: find(Codec::Red, rename).or(find(Codec::Opus, Treatment::PrimaryBlock)),
            vp8: find(Codec::Vp8, Treatment::MovePictures),
            h264: find(Codec::H264, Treatment::Copy),
            vp9: find(Codec::Vp9, Treatment::Copy),
            av1: find(Codec::Av1, Treatment::Copy),
        }
    }

    /// Payload type of the first retransmission stream.
    pub fn repair(&self) -> Option<u8> {
        let formats = [self.vp8, self.h264, self.vp9, self.av1];
        formats
            .into_iter()
            .flatten()
            .find_map(|format| format.rtx_payload_type)
    }

    /// How a codec looks; `None` when the subscriber does not take it.
    pub fn of(&self, codec: Codec) -> Option<Format> {
        match codec {
            Codec::Opus => self.opus,
            Codec::Red => self.red,
            Codec::Vp8 => self.vp8,
            Codec::H264 => self.h264,
            Codec::Vp9 => self.vp9,
            Codec::Av1 => self.av1,
        }
    }
}

/// The VP8 numbers of a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pictures {
    /// Picture id, 7 or 15 bits.
    pub picture: u16,
    /// `TL0PICIDX`.
    pub base_layer: u8,
}

impl Pictures {
    /// Reads them; absent fields are zero.
    pub fn read(packet: &Packet, payload: &[u8]) -> Self {
        let byte = |at: u8| payload.get(usize::from(at)).copied().unwrap_or(0);
        let insight = &packet.insight;
        let picture = match (insight.picture_at, insight.picture_wide) {
            (0, _) => 0,
            (at, false) => u16::from(byte(at) & 0x7f),
            (at, true) => u16::from(byte(at) & 0x7f) << 8 | u16::from(byte(at + 1)),
        };
        let base_layer = match insight.base_layer_at {
            0 => 0,
            at => byte(at),
        };
        Self {
            picture,
            base_layer,
        }
    }
}

/// Writes a plain packet: header, `prefix` (the original number of a retransmission, or nothing)
/// and payload. Returns its length, or `None` when the buffer is too small or there is no payload
/// for this format.
pub fn write(
    buffer: &mut [u8],
    span: &Span,
    packet: &Packet,
    payload: &[u8],
    format: &Format,
    head: &Head<'_>,
) -> Option<usize> {
    let payload = match format.treatment {
        Treatment::PrimaryBlock => match packet.insight.primary_at {
            0 => return None,
            at => payload.get(usize::from(at)..)?,
        },
        Treatment::Copy | Treatment::MovePictures | Treatment::RenameBlocks(_) => payload,
    };
    let header = head.bytes();
    let start = header + head.prefix.len();
    let len = start + payload.len();
    let buffer = buffer.get_mut(..len)?;
    write_header(
        buffer,
        packet.marker,
        head.payload_type,
        head.number as u16,
        packet.timestamp.wrapping_add(span.timestamp_offset),
        head.ssrc,
    );
    match (head.transport_number, head.playout_delay) {
        (Some(number), Some(delay)) => write_number_and_delay(buffer, number, delay),
        (Some((id, number)), None) => write_transport_number(buffer, id, number),
        (None, _) => {}
    }
    buffer[header..start].copy_from_slice(head.prefix);
    let body = &mut buffer[start..];
    body.copy_from_slice(payload);
    match format.treatment {
        Treatment::Copy | Treatment::PrimaryBlock => {}
        Treatment::MovePictures => move_pictures(body, span, packet),
        Treatment::RenameBlocks(opus) => red_rename(body, opus),
    }
    Some(len)
}

/// What differs between a packet and its retransmission.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Payload type on the wire.
    pub payload_type: u8,
    /// Stream on the wire.
    pub ssrc: u32,
    /// Extended number on the wire.
    pub number: u64,
    /// Id of the extension with the transport-wide number, and that number.
    pub transport_number: Option<(u8, u16)>,
    /// Id of the extension with the playout delay, and that; only beside a transport-wide number.
    pub playout_delay: Option<(u8, PlayoutDelay)>,
    /// Bytes between header and payload.
    pub prefix: &'a [u8],
}

impl Head<'_> {
    /// Length of the header with its extensions.
    pub fn bytes(&self) -> usize {
        match (self.transport_number, self.playout_delay) {
            (Some(_), Some(_)) => HEADER_BYTES + NUMBER_AND_DELAY_BYTES,
            (Some(_), None) => HEADER_BYTES + TRANSPORT_NUMBER_BYTES,
            (None, _) => HEADER_BYTES,
        }
    }
}

fn move_pictures(body: &mut [u8], span: &Span, packet: &Packet) {
    let insight = &packet.insight;
    let moved = Pictures::read(packet, body);
    let at = usize::from(insight.picture_at);
    let picture = moved.picture.wrapping_add(span.picture_offset);
    if at != 0 && insight.picture_wide && at + 1 < body.len() {
        body[at] = 0x80 | (picture >> 8) as u8 & 0x7f;
        body[at + 1] = picture as u8;
    } else if at != 0 && at < body.len() {
        body[at] = picture as u8 & 0x7f;
    }
    let at = usize::from(insight.base_layer_at);
    if at != 0 && at < body.len() {
        body[at] = moved.base_layer.wrapping_add(span.base_layer_offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::Insight;
    use crate::media::thinning::WHOLE;

    fn mapping(codec: Codec, payload_type: u8) -> CodecMapping {
        CodecMapping {
            codec,
            payload_type,
            rtx_payload_type: None,
        }
    }

    fn packet(codec: Codec, payload: &[u8]) -> Packet {
        Packet {
            number: 70_000,
            timestamp: 1_000,
            marker: true,
            codec,
            insight: Insight::of(codec, payload),
        }
    }

    const SPAN: Span = Span {
        encoding: 0,
        epoch: 0,
        temporal: WHOLE,
        begins: 70_000,
        first_in: 70_000,
        first_out: 500,
        timestamp_offset: 11,
        picture_offset: 3,
        base_layer_offset: 2,
    };

    fn written(codec: Codec, payload: &[u8], takes: &[CodecMapping]) -> Option<Vec<u8>> {
        let format = Formats::new(takes).of(codec)?;
        let mut buffer = [0; 200];
        let head = Head {
            payload_type: format.payload_type,
            ssrc: 9,
            number: 500,
            transport_number: None,
            playout_delay: None,
            prefix: &[],
        };
        let len = write(
            &mut buffer,
            &SPAN,
            &packet(codec, payload),
            payload,
            &format,
            &head,
        )?;
        Some(buffer[..len].to_vec())
    }

    #[test]
    fn picture_ids_move_on_within_their_width() {
        let takes = [mapping(Codec::Vp8, 96)];
        let wide = [0x90, 0xe0, 0xff, 0xfe, 0xff, 0x20, 0x10];
        let out = written(Codec::Vp8, &wide, &takes).unwrap();
        assert_eq!(out[12..], [0x90, 0xe0, 0x80, 0x01, 0x01, 0x20, 0x10]);
        let narrow = [0x90, 0x80, 0x7f, 0x10];
        let out = written(Codec::Vp8, &narrow, &takes).unwrap();
        assert_eq!(out[12..], [0x90, 0x80, 0x02, 0x10]);
        assert_eq!(out[..8], [0x80, 0x80 | 96, 1, 0xf4, 0, 0, 3, 0xf3]);
    }

    #[test]
    fn redundant_audio_is_renamed_or_unpacked_or_dropped_as_the_subscriber_takes_it() {
        let payload = [0x80 | 111, 0, 0, 3, 111, 1, 2, 3, 9, 9];
        let both = [mapping(Codec::Red, 63), mapping(Codec::Opus, 96)];
        let out = written(Codec::Red, &payload, &both).unwrap();
        assert_eq!((out[1] & 0x7f, out[12], out[16]), (63, 0x80 | 96, 96));
        let out = written(Codec::Red, &payload, &both[1..]).unwrap();
        assert_eq!((out[1] & 0x7f, &out[12..]), (96, &[9, 9][..]));
        assert_eq!(written(Codec::Red, &payload, &[]), None);
        let malformed = [0x80, 0, 3, 0xff, 1];
        assert_eq!(written(Codec::Red, &malformed, &both[1..]), None);
    }

    #[test]
    fn numbers_map_forth_and_back_within_a_span() {
        assert_eq!(SPAN.outgoing(70_003), Some(503));
        assert_eq!(SPAN.incoming(503), Some(70_003));
        assert_eq!((SPAN.outgoing(69_999), SPAN.incoming(499)), (None, None));
    }
}
