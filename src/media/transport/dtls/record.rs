//! The framing of DTLS 1.2: records and handshake fragments (RFC 6347 section 4).

use super::super::DTLS_RECORD_HEADER_BYTES;

pub(in super::super) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(in super::super) const ALERT: u8 = 21;
pub(in super::super) const HANDSHAKE: u8 = 22;
pub(in super::super) const APPLICATION_DATA: u8 = 23;

pub(in super::super) const CLIENT_HELLO: u8 = 1;
pub(in super::super) const SERVER_HELLO: u8 = 2;

/// Type, length, message number, fragment offset and fragment length.
const FRAGMENT_HEADER_BYTES: usize = 12;
/// Longest handshake message taken, bytes; certificates of browsers have 300.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// One record of a datagram.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Record<'a> {
    pub(in super::super) kind: u8,
    pub(in super::super) epoch: u16,
    pub(in super::super) content: &'a [u8],
    /// With its header.
    pub(in super::super) whole: &'a [u8],
}

/// The records of a datagram, up to the first that is empty or runs over the end.
pub(in super::super) fn records(datagram: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let header = rest.get(..DTLS_RECORD_HEADER_BYTES)?;
        let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let whole = rest.get(..DTLS_RECORD_HEADER_BYTES + length)?;
        rest = &rest[whole.len()..];
        (length > 0).then_some(Record {
            kind: header[0],
            epoch: u16::from_be_bytes([header[3], header[4]]),
            content: &whole[DTLS_RECORD_HEADER_BYTES..],
            whole,
        })
    })
}

/// A piece of a handshake message.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Fragment<'a> {
    pub(in super::super) kind: u8,
    /// Number of the message in its direction, from 0.
    pub(in super::super) number: u16,
    /// Length of the whole message.
    pub(in super::super) total: usize,
    pub(in super::super) offset: usize,
    pub(in super::super) body: &'a [u8],
}

/// The fragments of a plaintext handshake record; `None` when any is malformed.
pub(in super::super) fn fragments(content: &[u8]) -> Option<Vec<Fragment<'_>>> {
    let mut rest = content;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let header = rest.get(..FRAGMENT_HEADER_BYTES)?;
        let fragment = Fragment {
            kind: header[0],
            number: u16::from_be_bytes([header[4], header[5]]),
            total: u24(&header[1..4]),
            offset: u24(&header[6..9]),
            body: rest.get(FRAGMENT_HEADER_BYTES..FRAGMENT_HEADER_BYTES + u24(&header[9..12]))?,
        };
        let within = fragment.offset + fragment.body.len() <= fragment.total;
        let empty = fragment.body.is_empty() && fragment.total > 0;
        if !within || empty || fragment.total > MESSAGE_BYTES_MAX {
            return None;
        }
        rest = &rest[FRAGMENT_HEADER_BYTES + fragment.body.len()..];
        found.push(fragment);
    }
    Some(found)
}

fn u24(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |value, byte| value << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_end_at_the_first_broken_one() {
        let mut datagram = vec![HANDSHAKE, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 2, 7, 7];
        datagram.extend([
            APPLICATION_DATA,
            0xfe,
            0xfd,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            1,
            5,
        ]);
        datagram.extend([ALERT, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 1]);
        let found: Vec<_> = records(&datagram)
            .map(|r| (r.kind, r.epoch, r.content.len()))
            .collect();
        assert_eq!(found, [(HANDSHAKE, 1, 2), (APPLICATION_DATA, 0, 1)]);
        assert_eq!(records(&[HANDSHAKE; 5]).count(), 0);
    }

    #[test]
    fn a_fragment_must_lie_within_its_message() {
        let fragment = |total: u8, offset: u8, length: u8| {
            let mut content = vec![1, 0, 0, total, 0, 0, 0, 0, offset, 0, 0, length];
            content.extend(vec![0; usize::from(length)]);
            fragments(&content).map(|found| found.len())
        };
        assert_eq!(fragment(10, 0, 10), Some(1));
        assert_eq!(fragment(10, 6, 4), Some(1));
        assert_eq!(fragment(0, 0, 0), Some(1));
        assert_eq!(fragment(10, 6, 5), None);
        assert_eq!(fragment(10, 6, 0), None);
        assert!(fragments(&[1, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 4, 1]).is_none());
    }
}
