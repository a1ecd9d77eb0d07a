//! The retransmission stream of a leg (RFC 4588).

use super::{PADDING_BYTES, first_number};
use crate::media::rtp::{
    HEADER_BYTES, TRANSPORT_NUMBER_BYTES, write_header, write_transport_number,
};
use crate::media::transport::srtp::Sealer;

/// See the module.
pub struct Repair {
    /// Its SSRC.
    pub ssrc: u32,
    /// Seals its packets, once the client is connected.
    pub sealer: Option<Sealer>,
    /// Number of its next packet.
    pub next_out: u64,
}

impl Repair {
    /// A stream that sends nothing before it has a sealer.
    pub fn new(ssrc: u32) -> Self {
        Self {
            ssrc,
            sealer: None,
            next_out: first_number(ssrc),
        }
    }

    /// Seals a packet that was written under the next number, and returns its length.
    pub fn seal(&mut self, room: &mut [u8], header: usize, len: usize) -> Option<usize> {
        let sealed = self
            .sealer
            .as_mut()?
            .seal(self.next_out, room, header, len)?;
        self.next_out += 1;
        Some(sealed)
    }

    /// A packet without payload (RFC 3550 section 5.1: the last byte counts the padding).
    pub fn pad(
        &mut self,
        payload_type: u8,
        timestamp: u32,
        (id, number): (u8, u16),
        room: &mut [u8],
    ) -> Option<usize> {
        const HEADER: usize = HEADER_BYTES + TRANSPORT_NUMBER_BYTES;
        let packet = room.get_mut(..HEADER + PADDING_BYTES)?;
        write_header(
            packet,
            false,
            payload_type,
            self.next_out as u16,
            timestamp,
            self.ssrc,
        );
        write_transport_number(packet, id, number);
        packet[0] |= 0x20;
        packet[HEADER..].fill(0);
        packet[HEADER + PADDING_BYTES - 1] = PADDING_BYTES as u8;
        self.seal(room, HEADER, HEADER + PADDING_BYTES)
    }
}
