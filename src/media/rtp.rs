//! RTP headers (RFC 3550 section 5.1) and their extensions (RFC 8285): read in place, written bare.

use super::playout::PlayoutDelay;

/// Bytes of a header without contributing sources and extension.
pub const HEADER_BYTES: usize = 12;

/// What forwarding needs of a packet's header; offsets are into the datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Marker bit.
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Media time, in units of the codec's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// First byte of the payload: behind contributing sources and extension.
    pub payload_start: usize,
    /// One past the last byte of the payload: padding is left out.
    pub payload_end: usize,
    extension_start: usize,
    extension_profile: u16,
}

impl Header {
    /// Reads the header of a decrypted packet; `None` when a length in it leaves the packet.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let first = *packet.first()?;
        if first >> 6 != 2 || packet.len() < HEADER_BYTES {
            return None;
        }
        let mut at = HEADER_BYTES + 4 * usize::from(first & 0x0f);
        let (mut extension_start, mut extension_profile) = (at, 0);
        if first & 0x10 != 0 {
            extension_profile = read_u16(packet, at)?;
            let words = usize::from(read_u16(packet, at + 2)?);
            extension_start = at + 4;
            at = extension_start + 4 * words;
        }
        let payload_end = match first & 0x20 != 0 {
            true => {
                let padding = usize::from(*packet.last()?);
                packet.len().checked_sub(padding).filter(|_| padding > 0)?
            }
            false => packet.len(),
        };
        (at <= payload_end).then_some(())?;
        Some(Self {
            marker: packet[1] & 0x80 != 0,
            payload_type: packet[1] & 0x7f,
            sequence: read_u16(packet, 2)?,
            timestamp: read_u32(packet, 4)?,
            ssrc: read_u32(packet, 8)?,
            payload_start: at,
            payload_end,
            extension_start,
            extension_profile,
        })
    }

    /// The value of extension `id` (1 to 14), in the one-byte or the two-byte form.
    pub fn extension<'a>(&self, packet: &'a [u8], id: u8) -> Option<&'a [u8]> {
        let two_bytes = match self.extension_profile {
            0xbede => false,
            profile if profile & 0xfff0 == 0x1000 => true,
            _ => return None,
        };
        let mut rest = packet.get(self.extension_start..self.payload_start)?;
        while let Some((&tag, behind)) = rest.split_first() {
            if tag == 0 {
                rest = behind;
                continue;
            }
            let (found, len, behind) = match two_bytes {
                true => (tag, usize::from(*behind.first()?), behind.get(1..)?),
                false => (tag >> 4, usize::from(tag & 0x0f) + 1, behind),
            };
            if !two_bytes && found == 15 {
                return None;
            }
            if found == id {
                return behind.get(..len);
            }
            rest = behind.get(len..)?;
        }
        None
    }
}

/// Writes a 12-byte header: version 2, no padding, no contributing source, no extension.
///
/// `buffer` has at least [`HEADER_BYTES`] bytes.
pub fn write_header(
    buffer: &mut [u8],
    marker: bool,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
) {
    buffer[0] = 0x80;
    buffer[1] = u8::from(marker) << 7 | payload_type & 0x7f;
    buffer[2..4].copy_from_slice(&sequence.to_be_bytes());
    buffer[4..8].copy_from_slice(&timestamp.to_be_bytes());
    buffer[8..12].copy_from_slice(&ssrc.to_be_bytes());
}

/// Bytes that [`write_transport_number`] puts behind a bare header.
pub const TRANSPORT_NUMBER_BYTES: usize = 8;

/// Bytes that [`write_number_and_delay`] puts behind a bare header.
pub const NUMBER_AND_DELAY_BYTES: usize = 12;

/// Adds an extension with one element in the one-byte form (RFC 8285 section 4.2) to a bare header:
/// the transport-wide number, under its negotiated id.
///
/// `buffer` has at least [`HEADER_BYTES`] and [`TRANSPORT_NUMBER_BYTES`] bytes.
pub fn write_transport_number(buffer: &mut [u8], id: u8, number: u16) {
    let [high, low] = number.to_be_bytes();
    buffer[0] |= 0x10;
    let extension = [0xbe, 0xde, 0, 1, id << 4 | 1, high, low, 0];
    buffer[HEADER_BYTES..HEADER_BYTES + TRANSPORT_NUMBER_BYTES].copy_from_slice(&extension);
}

/// Adds an extension with two elements: the transport-wide number, and the playout delay in 12 bits
/// for the least and 12 for the most.
///
/// `buffer` has at least [`HEADER_BYTES`] and [`NUMBER_AND_DELAY_BYTES`] bytes.
pub fn write_number_and_delay(
    buffer: &mut [u8],
    (id, number): (u8, u16),
    (delay_id, delay): (u8, PlayoutDelay),
) {
    let [high, low] = number.to_be_bytes();
    let [_, a, b, c] = (u32::from(delay.min) << 12 | u32::from(delay.max) & 0xfff).to_be_bytes();
    buffer[0] |= 0x10;
    let number = [0xbe, 0xde, 0, 2, id << 4 | 1, high, low];
    buffer[HEADER_BYTES..HEADER_BYTES + 7].copy_from_slice(&number);
    let delay = [delay_id << 4 | 2, a, b, c, 0];
    buffer[HEADER_BYTES + 7..HEADER_BYTES + NUMBER_AND_DELAY_BYTES].copy_from_slice(&delay);
}

/// Big-endian 16 bits at an offset.
pub(crate) fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    let found = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes([found[0], found[1]]))
}

/// Big-endian 32 bits at an offset.
pub(crate) fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let found = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes([found[0], found[1], found[2], found[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sample::Chance;

    #[test]
    fn number_and_delay_are_read_as_they_are_written() {
        let mut bytes = [0; HEADER_BYTES + NUMBER_AND_DELAY_BYTES + 1];
        write_header(&mut bytes, false, 96, 1, 2, 3);
        let delay = PlayoutDelay {
            min: 25,
            max: 1_000,
        };
        write_number_and_delay(&mut bytes, (3, 0x1234), (5, delay));
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(header.payload_start, bytes.len() - 1);
        assert_eq!(header.extension(&bytes, 3), Some(&[0x12, 0x34][..]));
        assert_eq!(header.extension(&bytes, 5), Some(&[0x01, 0x93, 0xe8][..]));
        assert_eq!(header.extension(&bytes, 4), None);
    }

    fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first, 0x80 | 96, 0x12, 0x34, 0, 0, 1, 0, 0, 0, 0, 7];
        bytes.extend_from_slice(rest);
        bytes
    }

    #[test]
    fn the_payload_lies_behind_contributing_sources_and_extension() {
        let bytes = packet(
            0x92,
            &[
                1, 1, 1, 1, 2, 2, 2, 2, 0xbe, 0xde, 0, 1, 0x10, 0x7f, 0, 0, 9, 9,
            ],
        );
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(&bytes[header.payload_start..header.payload_end], &[9, 9]);
        assert!(header.marker);
        assert_eq!(
            (header.payload_type, header.sequence, header.ssrc),
            (96, 0x1234, 7)
        );
        assert_eq!(header.extension(&bytes, 1), Some(&[0x7f][..]));
        assert_eq!(header.extension(&bytes, 2), None);
    }

    #[test]
    fn extensions_are_found_in_the_two_byte_form() {
        let extension = [0x10, 0x00, 0, 2, 0, 3, 2, b'h', b'i', 5, 0, 0];
        let bytes = packet(0x90, &[&extension[..], &[1]].concat());
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(header.extension(&bytes, 3), Some(&b"hi"[..]));
        assert_eq!(header.extension(&bytes, 5), Some(&b""[..]));
    }

    #[test]
    fn padding_and_its_bit_go_together() {
        let bytes = packet(0xa0, &[5, 5, 0, 0, 3]);
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(&bytes[header.payload_start..header.payload_end], &[5, 5]);
        for bad in [&[5, 0][..], &[5, 3], &[0, 0, 0, 99]] {
            assert_eq!(Header::parse(&packet(0xa0, bad)), None, "{bad:?}");
        }
    }

    #[test]
    fn malformed_packets_are_refused_without_a_panic() {
        let mut chance = Chance::new(1);
        for _ in 0..200_000 {
            let mut bytes = chance.bytes(64);
            if let Some(first) = bytes.first_mut() {
                *first = *first & 0x3f | 0x80;
            }
            if let Some(header) = Header::parse(&bytes) {
                assert!(header.payload_start <= header.payload_end);
                assert!(header.payload_end <= bytes.len());
                for id in 0..16 {
                    let _ = header.extension(&bytes, id);
                }
            }
        }
    }

    #[test]
    fn a_written_header_reads_back() {
        let mut bytes = [0; HEADER_BYTES];
        write_header(&mut bytes, true, 111, 65_535, 0xdead_beef, 42);
        let header = Header::parse(&bytes).unwrap();
        assert_eq!((header.payload_type, header.sequence), (111, 65_535));
        assert_eq!((header.timestamp, header.ssrc), (0xdead_beef, 42));
        assert!(header.marker);
    }
}
