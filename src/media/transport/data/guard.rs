//! A look at SCTP packets on their way in and out (RFC 9260 section 3): what the library does not
//! bound itself.

/// Streams that a client may use, from 0; it needs three.
pub const STREAMS_MAX: u16 = 256;

const COMMON_HEADER_BYTES: usize = 12;
const CHUNK_HEADER_BYTES: usize = 4;
const DATA: u8 = 0;
const INIT: u8 = 1;
const SACK: u8 = 3;
const HEARTBEAT: u8 = 4;
const ABORT: u8 = 6;
const SHUTDOWN: u8 = 7;
const SHUTDOWN_ACK: u8 = 8;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;
const SHUTDOWN_COMPLETE: u8 = 14;
const RE_CONFIG: u8 = 130;
const FORWARD_TSN: u8 = 192;
/// How far ahead of what we have all of a sequence number may be. The library counts distances in
/// 16 bits, and walks them one by one.
const AHEAD_MAX: i32 = 16_384;
/// Header, sequence number, stream, message number and protocol of a DATA chunk.
const DATA_HEADER_BYTES: usize = 16;
/// Parameters whose value the library knows to have one form, whatever their length says
/// (RFC 6525 section 4.4, RFC 4895 section 3.3, RFC 3758 section 3.1).
const RECONFIG_RESPONSE: u16 = 16;
const REQUESTED_HMAC: u16 = 0x8004;
const FORWARD_TSN_SUPPORTED: u16 = 0xc000;
/// Type and length of a parameter.
const PARAMETER_HEADER_BYTES: usize = 4;
/// Least length of an INIT chunk.
const INIT_BYTES_MIN: usize = 20;

/// What is in a well-formed packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inspected {
    /// When the packet is an INIT.
    pub init: Option<Init>,
    /// The client ends the association.
    pub aborts: bool,
    /// Payload bytes.
    pub data_bytes: usize,
    /// RE-CONFIG chunks.
    pub resets: usize,
}

/// What an INIT announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Init {
    /// The sender's tag.
    pub tag: u32,
    /// Sequence number of its first DATA chunk.
    pub first: u32,
}

/// What a SACK of ours says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sack {
    /// We have everything up to this sequence number.
    pub reached: u32,
    /// Bytes that the client may still send.
    pub window: u32,
}

/// Walks an incoming packet, given what we have all of if an association stands.
///
/// `None` when a chunk runs over the end or is not as long as what is in it, data is on a stream
/// from [`STREAMS_MAX`] on or far ahead, an INIT is short or in company, or there is a chunk that
/// the library does not know or that does not matter, such as an ERROR.
pub fn inspect(packet: &[u8], reached: Option<u32>) -> Option<Inspected> {
    let mut found = Inspected::default();
    let mut count = 0;
    for chunk in chunks(packet) {
        let (kind, chunk) = chunk?;
        count += 1;
        if !is_understood_whole(kind, chunk)? {
            return None;
        }
        match kind {
            DATA => {
                let stream = u16::from_be_bytes([*chunk.get(8)?, *chunk.get(9)?]);
                let fits = stream < STREAMS_MAX && chunk.len() > DATA_HEADER_BYTES;
                if !fits || is_far(u32_at(chunk, 4)?, reached) {
                    return None;
                }
                found.data_bytes += chunk.len() - DATA_HEADER_BYTES;
            }
            INIT if chunk.len() >= INIT_BYTES_MIN => {
                found.init = Some(Init {
                    tag: u32_at(chunk, 4)?,
                    first: u32_at(chunk, 16)?,
                });
            }
            INIT => return None,
            FORWARD_TSN if is_far(u32_at(chunk, 4)?, reached) => return None,
            RE_CONFIG => found.resets += 1,
            // The library would read its causes past their end.
            ABORT => found.aborts = true,
            _ => {}
        }
    }
    let alone = found.init.is_none() || count == 1;
    (count > 0 && alone).then_some(found)
}

/// Whether the library finds the next chunk where the length of this one says. It goes on behind
/// what it has understood instead, and would take the rest for chunks that nobody has inspected.
fn is_understood_whole(kind: u8, chunk: &[u8]) -> Option<bool> {
    Some(match kind {
        DATA | COOKIE_ECHO | FORWARD_TSN | ABORT => true,
        COOKIE_ACK | SHUTDOWN_ACK | SHUTDOWN_COMPLETE => chunk.len() == CHUNK_HEADER_BYTES,
        SHUTDOWN => chunk.len() == 8,
        SACK => {
            let blocks = usize::from(u16_at(chunk, 12)?) + usize::from(u16_at(chunk, 14)?);
            chunk.len() == 16 + 4 * blocks
        }
        HEARTBEAT => has_whole_parameters(chunk, CHUNK_HEADER_BYTES, 1),
        RE_CONFIG => has_whole_parameters(chunk, CHUNK_HEADER_BYTES, 2),
        INIT => has_whole_parameters(chunk, INIT_BYTES_MIN, usize::MAX),
        _ => false,
    })
}

/// Whether parameters, at most so many, fill a chunk from an offset on, and no one is longer than
/// its value.
fn has_whole_parameters(chunk: &[u8], from: usize, count_max: usize) -> bool {
    let mut rest = chunk.get(from..).unwrap_or_default();
    let mut count = 0;
    while !rest.is_empty() {
        count += 1;
        let (Some(kind), Some(length)) = (u16_at(rest, 0), u16_at(rest, 2)) else {
            return false;
        };
        let length = usize::from(length);
        let as_long_as_its_value = match kind {
            RECONFIG_RESPONSE => length == 12,
            REQUESTED_HMAC => length.is_multiple_of(2),
            FORWARD_TSN_SUPPORTED => length == PARAMETER_HEADER_BYTES,
            _ => length >= PARAMETER_HEADER_BYTES,
        };
        // In an INIT a last parameter without a value is passed over, and taken for a chunk.
        let is_passed_over = from == INIT_BYTES_MIN && rest.len() <= PARAMETER_HEADER_BYTES;
        let is_within = length <= rest.len() && count <= count_max;
        if !as_long_as_its_value || is_passed_over || !is_within {
            return false;
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    true
}

fn is_far(number: u32, reached: Option<u32>) -> bool {
    reached.is_some_and(|reached| number.wrapping_sub(reached) as i32 > AHEAD_MAX)
}

/// What a packet of ours acknowledges, if it has a SACK.
pub fn acknowledged(packet: &[u8]) -> Option<Sack> {
    let (_, chunk) = chunks(packet).flatten().find(|(kind, _)| *kind == SACK)?;
    Some(Sack {
        reached: u32_at(chunk, 4)?,
        window: u32_at(chunk, 8)?,
    })
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

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([pair[0], pair[1]]))
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

    /// A re-configuration response.
    const RESPONSE: [u8; 12] = [0, 16, 0, 12, 0, 0, 0, 1, 0, 0, 0, 1];

    #[test]
    fn a_chunk_is_as_long_as_what_the_library_understands_of_it() {
        let sack = |gaps: u8, bytes: usize| {
            let mut value = vec![0; bytes];
            value[9] = gaps;
            value
        };
        let init = |parameters: &[u8]| [&[1; 16][..], parameters].concat();
        let heartbeat = [0, 1, 0, 8, 1, 2, 3, 4];
        let supported = [0xc0, 0, 0, 4, 0x80, 8, 0, 6, 130, 192];
        for (kind, value, whole) in [
            (COOKIE_ACK, vec![], true),
            (COOKIE_ACK, vec![9, 0, 0, 4], false),
            (SHUTDOWN_COMPLETE, vec![9, 0, 0, 8, 0, 9, 14, 0], false),
            (SHUTDOWN, vec![0; 8], false),
            (SACK, sack(0, 12), true),
            (SACK, sack(1, 16), true),
            (SACK, sack(1, 20), false),
            (SACK, sack(2, 16), false),
            (HEARTBEAT, heartbeat.to_vec(), true),
            (HEARTBEAT, [heartbeat, heartbeat].concat(), false),
            (RE_CONFIG, RESPONSE.to_vec(), true),
            (RE_CONFIG, [&[0, 16, 0, 20], &[0; 16][..]].concat(), false),
            (RE_CONFIG, RESPONSE.repeat(3), false),
            (INIT, init(&supported), true),
            (INIT, init(&supported[..4]), false),
            (
                INIT,
                init(&[0xc0, 0, 0, 12, 9, 0, 0, 8, 0, 9, 14, 0]),
                false,
            ),
            (9, vec![0; 4], false),
            (2, vec![0; 16], false),
        ] {
            let inspected = inspect(&packet(&[(kind, &value)]), None);
            assert_eq!(inspected.is_some(), whole, "{kind} {value:?}");
        }
    }

    #[test]
    fn payload_and_resets_are_counted() {
        let bundle = packet(&[
            (DATA, &data(2, b"hello")),
            (RE_CONFIG, &RESPONSE),
            (DATA, &data(255, b"!")),
        ]);
        let found = inspect(&bundle, None).unwrap();
        assert_eq!((found.data_bytes, found.resets, found.init), (6, 1, None));
    }

    #[test]
    fn packets_that_could_hurt_are_dropped() {
        assert_eq!(inspect(&packet(&[(DATA, &data(256, b"x"))]), None), None);
        assert_eq!(inspect(&packet(&[(DATA, &data(1, b""))]), None), None);
        assert_eq!(inspect(&packet(&[(DATA, &[0; 3])]), None), None);
        assert_eq!(inspect(&packet(&[(INIT, &[1; 15])]), None), None);
        assert_eq!(
            inspect(&packet(&[(INIT, &[1; 16]), (SACK, &[0; 12])]), None),
            None
        );
        assert_eq!(inspect(&packet(&[]), None), None);
        assert_eq!(inspect(&[0; 5], None), None);
        let mut over = packet(&[(COOKIE_ECHO, &[0; 8])]);
        over[15] = 200;
        assert_eq!(inspect(&over, None), None);
        over[15] = 3;
        assert_eq!(inspect(&over, None), None);
    }

    #[test]
    fn an_init_shows_its_tag_and_a_sack_its_window() {
        let init = packet(&[(INIT, &[1; 16])]);
        let found = inspect(&init, Some(9)).unwrap().init.unwrap();
        assert_eq!((found.tag, found.first), (0x0101_0101, 0x0101_0101));
        let sack = packet(&[(SACK, &[0, 0, 0, 9, 0, 0, 1, 0, 0, 0, 0, 0])]);
        let said = acknowledged(&sack).unwrap();
        assert_eq!((said.reached, said.window), (9, 256));
        assert_eq!(acknowledged(&init), None);
    }

    #[test]
    fn sequence_numbers_far_ahead_are_dropped_across_the_end_of_their_range() {
        let ahead = |reached: u32, number: u32| {
            let mut value = data(1, b"x");
            value[..4].copy_from_slice(&number.to_be_bytes());
            let forward = packet(&[(FORWARD_TSN, &number.to_be_bytes())]);
            let taken = inspect(&packet(&[(DATA, &value)]), Some(reached)).is_some();
            assert_eq!(inspect(&forward, Some(reached)).is_some(), taken);
            taken
        };
        assert!(ahead(100, 101) && ahead(100, 100 + 16_384) && ahead(100, 50));
        assert!(!ahead(100, 101 + 16_384));
        assert!(ahead(u32::MAX - 5, 1_000) && !ahead(u32::MAX - 5, 20_000));
    }
}
