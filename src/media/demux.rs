//! Tells the protocols apart that share one UDP port, by their first bytes.

use super::transport::{DTLS_RECORD_HEADER_BYTES, STUN_HEADER_BYTES};

/// A datagram by protocol (RFC 7983 section 7). Nothing beyond the first two bytes and the least
/// length is checked.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// At least 20 bytes; [`super::transport::ice::ParsedBinding::parse`] reads it.
    Stun(&'a mut [u8]),
    /// At least 13 bytes.
    Dtls(&'a mut [u8]),
    /// SRTP, at least 12 bytes.
    Rtp(&'a mut [u8]),
    /// SRTCP, at least 8 bytes.
    Rtcp(&'a mut [u8]),
}

/// Fixed part of an RTP header, bytes (RFC 3550 section 5.1).
const RTP_HEADER_BYTES: usize = 12;
/// Header and sender of an RTCP packet, bytes (RFC 3550 section 6.4).
const RTCP_HEADER_BYTES: usize = 8;

/// The protocol of a datagram; `None` for anything we do not speak (TURN channels, ZRTP, rubbish).
///
/// RTP and RTCP share a range: payload types 64 to 95 with the marker bit are RTCP's packet types
/// 192 to 223 (RFC 5761 section 4).
pub fn classify(datagram: &mut [u8]) -> Option<Packet<'_>> {
    let (first, second) = match datagram {
        [first, second, ..] => (*first, *second),
        _ => return None,
    };
    let length = datagram.len();
    match first {
        0..=3 if length >= STUN_HEADER_BYTES => Some(Packet::Stun(datagram)),
        20..=63 if length >= DTLS_RECORD_HEADER_BYTES => Some(Packet::Dtls(datagram)),
        128..=191 if (192..=223).contains(&second) => {
            (length >= RTCP_HEADER_BYTES).then_some(Packet::Rtcp(datagram))
        }
        128..=191 if length >= RTP_HEADER_BYTES => Some(Packet::Rtp(datagram)),
        _ => None,
    }
}

/// Whether a datagram that we send is RTP, and may be lost; everything else is control.
pub fn is_media(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, second, ..] if !(192..=223).contains(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(first: u8, second: u8, length: usize) -> char {
        let mut datagram = vec![0; length];
        datagram[0] = first;
        datagram[1] = second;
        match classify(&mut datagram) {
            Some(Packet::Stun(_)) => 's',
            Some(Packet::Dtls(_)) => 'd',
            Some(Packet::Rtp(_)) => 'r',
            Some(Packet::Rtcp(_)) => 'c',
            None => '-',
        }
    }

    #[test]
    fn the_first_byte_names_the_protocol_as_in_rfc_7983() {
        for first in 0..=255 {
            let expected = match first {
                0..=3 => 's',
                20..=63 => 'd',
                128..=191 => 'r',
                _ => '-',
            };
            assert_eq!(kind(first, 96, 100), expected, "first byte {first}");
        }
    }

    #[test]
    fn packet_types_192_to_223_are_rtcp() {
        for second in 0..=255 {
            let expected = if (192..=223).contains(&second) {
                'c'
            } else {
                'r'
            };
            assert_eq!(kind(0x80, second, 100), expected, "second byte {second}");
            assert_eq!(is_media(&[0x80, second]), expected == 'r');
        }
    }

    #[test]
    fn a_datagram_shorter_than_its_header_is_nothing() {
        assert_eq!([kind(0, 1, 19), kind(0, 1, 20)], ['-', 's']);
        assert_eq!([kind(22, 254, 12), kind(22, 254, 13)], ['-', 'd']);
        assert_eq!([kind(0x80, 96, 11), kind(0x80, 96, 12)], ['-', 'r']);
        assert_eq!([kind(0x80, 200, 7), kind(0x80, 200, 8)], ['-', 'c']);
        assert_eq!(classify(&mut []), None);
        assert_eq!(classify(&mut [0x80]), None);
    }
}
