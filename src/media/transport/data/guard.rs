//! A look at SCTP packets on their way in and out (RFC 9260 section 3): what the library does not
//! bound itself.

/// Streams that a client may use, from 0; it needs three.
pub(super) const STREAMS_MAX: u16 = 256;

const COMMON_HEADER_BYTES: usize = 12;
const CHUNK_HEADER_BYTES: usize = 4;
const DATA: u8 = 0;
const INIT: u8 = 1;
const SACK: u8 = 3;
const RE_CONFIG: u8 = 130;
/// Header, sequence number, stream, message number and protocol of a DATA chunk.
const DATA_HEADER_BYTES: usize = 16;
/// Least length of an INIT chunk.
const INIT_BYTES_MIN: usize = 20;

/// What is in a well-formed packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Inspected {
    /// The sender's tag, when the packet is an INIT.
    pub(super) init_tag: Option<u32>,
    /// Payload bytes.
    pub(super) data_bytes: usize,
    /// RE-CONFIG chunks.
    pub(super) resets: usize,
}

/// Walks an incoming packet; `None` when a chunk runs over the end, data is on a stream from
/// [`STREAMS_MAX`] on, or an INIT is short or in company.
pub(super) fn inspect(packet: &[u8]) -> Option<Inspected> {
    let mut found = Inspected::default();
    let mut count = 0;
    for chunk in chunks(packet) {
        let (kind, chunk) = chunk?;
        count += 1;
        match kind {
            DATA => {
                let stream = u16::from_be_bytes([*chunk.get(8)?, *chunk.get(9)?]);
                if stream >= STREAMS_MAX || chunk.len() <= DATA_HEADER_BYTES {
                    return None;
                }
                found.data_bytes += chunk.len() - DATA_HEADER_BYTES;
            }
            INIT if chunk.len() >= INIT_BYTES_MIN => found.init_tag = Some(u32_at(chunk, 4)?),
            INIT => return None,
            RE_CONFIG => found.resets += 1,
            _ => {}
        }
    }
    let alone = found.init_tag.is_none() || count == 1;
    (count > 0 && alone).then_some(found)
}

/// The receive window that a packet of ours announces, if it has a SACK.
pub(super) fn announced_window(packet: &[u8]) -> Option<u32> {
    chunks(packet)
        .flatten()
        .find(|(kind, _)| *kind == SACK)
        .and_then(|(_, chunk)| u32_at(chunk, 8))
}

/// Type and bytes of each chunk, without padding; `None` for one that runs over the end.
fn chunks(packet: &[u8]) -> impl Iterator<Item = Option<(u8, &[u8])>> {
    let mut rest = packet.get(COMMON_HEADER_BYTES..).unwrap_or_default();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let chunk = first_chunk(rest);
        let length = chunk.map_or(rest.len(), <[u8]>::len);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(chunk.map(|chunk| (chunk[0], chunk)))
    })
}

fn first_chunk(rest: &[u8]) -> Option<&[u8]> {
    let header = rest.get(..CHUNK_HEADER_BYTES)?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    (length >= CHUNK_HEADER_BYTES).then(|| rest.get(..length))?
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(chunks: &[(u8, &[u8])]) -> Vec<u8> {
        let mut packet = vec![0; COMMON_HEADER_BYTES];
        for (kind, value) in chunks {
            packet.extend([*kind, 0]);
            packet.extend((value.len() as u16 + 4).to_be_bytes());
            packet.extend(*value);
            packet.resize(packet.len().next_multiple_of(4), 0);
        }
        packet
    }

    fn data(stream: u16, payload: &[u8]) -> Vec<u8> {
        let mut value = vec![0; 4];
        value.extend(stream.to_be_bytes());
        value.extend([0; 6]);
        value.extend(payload);
        value
    }

    #[test]
    fn payload_and_resets_are_counted() {
        let bundle = packet(&[
            (DATA, &data(2, b"hello")),
            (RE_CONFIG, &[0; 12]),
            (DATA, &data(255, b"!")),
        ]);
        let found = inspect(&bundle).unwrap();
        assert_eq!(
            (found.data_bytes, found.resets, found.init_tag),
            (6, 1, None)
        );
    }

    #[test]
    fn packets_that_could_hurt_are_dropped() {
        assert_eq!(inspect(&packet(&[(DATA, &data(256, b"x"))])), None);
        assert_eq!(inspect(&packet(&[(DATA, &data(1, b""))])), None);
        assert_eq!(inspect(&packet(&[(DATA, &[0; 3])])), None);
        assert_eq!(inspect(&packet(&[(INIT, &[1; 15])])), None);
        assert_eq!(
            inspect(&packet(&[(INIT, &[1; 16]), (SACK, &[0; 12])])),
            None
        );
        assert_eq!(inspect(&packet(&[])), None);
        assert_eq!(inspect(&[0; 5]), None);
        let mut over = packet(&[(10, &[0; 8])]);
        over[15] = 200;
        assert_eq!(inspect(&over), None);
        over[15] = 3;
        assert_eq!(inspect(&over), None);
    }

    #[test]
    fn an_init_shows_its_tag_and_a_sack_its_window() {
        let init = packet(&[(INIT, &[1; 16])]);
        assert_eq!(inspect(&init).unwrap().init_tag, Some(0x0101_0101));
        let sack = packet(&[(SACK, &[0, 0, 0, 9, 0, 0, 1, 0, 0, 0, 0, 0])]);
        assert_eq!(announced_window(&sack), Some(256));
        assert_eq!(announced_window(&init), None);
    }
}
