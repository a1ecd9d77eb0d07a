//! RTCP (RFC 3550 section 6, RFC 4585, RFC 5104): read as an iterator, written into a buffer.

use super::rtp::{read_u16, read_u32};

/// The name we give ourselves as the sender of feedback; we publish nothing under it.
pub const OUR_SSRC: u32 = 1;

/// Blocks that one report can carry (five-bit count).
pub const REPORT_BLOCKS_MAX: usize = 31;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;

/// One thing that a compound packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// The sender's clock.
    SenderInfo(SenderInfo),
    /// How one of our streams, or of another's, arrives.
    Block(ReportBlock),
    /// Generic NACK for a stream; the entries are read by [`nacked`].
    Nack {
        /// Whose packets.
        ssrc: u32,
        /// Pairs of packet id and bit mask.
        entries: &'a [u8],
    },
    /// Transport-wide feedback, from its base number on; read by
    /// [`super::bandwidth::feedback::Feedback`].
    TransportFeedback(&'a [u8]),
    /// Picture loss, or a full intra request.
    KeyFrameRequest {
        /// Of which stream.
        ssrc: u32,
    },
}

/// Sender's part of a sender report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// Whose.
    pub ssrc: u32,
    /// NTP time, 32.32 fixed point.
    pub ntp: u64,
    /// The same moment in media time.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub octets: u32,
}

/// Report block about one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// About whom.
    pub ssrc: u32,
    /// Share lost since the last report, of 256.
    pub fraction_lost: u8,
    /// Lost since the beginning; 24 bits with sign on the wire.
    pub lost: i32,
    /// Highest extended sequence number.
    pub highest: u32,
    /// In units of media time.
    pub jitter: u32,
    /// Middle 32 bits of the last sender report's NTP time; 0 without one.
    pub last_sender_report: u32,
    /// Time since it came, 1/65536 s.
    pub delay: u32,
}

/// Walks a decrypted compound packet and stops at the first thing that makes no sense.
pub fn items(packet: &[u8]) -> impl Iterator<Item = Item<'_>> {
    Packets { rest: packet }.flat_map(|(count, kind, body)| {
        let blocks_at = match kind {
            SENDER_REPORT => 24,
            RECEIVER_REPORT => 4,
            _ => usize::MAX,
        };
        let blocks = (0..usize::from(count))
            .map_while(move |n| block(body.get(blocks_at.checked_add(24 * n)?..)?));
        let requests = body.get(8..).unwrap_or(&[]).chunks_exact(8);
        let full_intra = kind == PAYLOAD_FEEDBACK && count == 4;
        let requests = requests.take_while(move |_| full_intra);
        single(count, kind, body)
            .into_iter()
            .chain(blocks.map(Item::Block))
            .chain(requests.filter_map(|entry| {
                Some(Item::KeyFrameRequest {
                    ssrc: read_u32(entry, 0)?,
                })
            }))
    })
}

/// The sequence numbers of a NACK's entries.
pub fn nacked(entries: &[u8]) -> impl Iterator<Item = u16> + '_ {
    entries.chunks_exact(4).flat_map(|entry| {
        let first = u16::from_be_bytes([entry[0], entry[1]]);
        let mask = u16::from_be_bytes([entry[2], entry[3]]);
        let more = (0..16).filter(move |bit| mask >> bit & 1 == 1);
        std::iter::once(first).chain(more.map(move |bit| first.wrapping_add(bit + 1)))
    })
}

struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = (u8, u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let first = *self.rest.first()?;
        let len = 4 + 4 * usize::from(read_u16(self.rest, 2)?);
        let packet = self.rest.get(..len).filter(|_| first >> 6 == 2)?;
        self.rest = &self.rest[len..];
        Some((first & 0x1f, packet[1], &packet[4..]))
    }
}

fn single(count: u8, kind: u8, body: &[u8]) -> Option<Item<'_>> {
    match (kind, count) {
        (SENDER_REPORT, _) => Some(Item::SenderInfo(SenderInfo {
            ssrc: read_u32(body, 0)?,
            ntp: u64::from(read_u32(body, 4)?) << 32 | u64::from(read_u32(body, 8)?),
            timestamp: read_u32(body, 12)?,
            packets: read_u32(body, 16)?,
            octets: read_u32(body, 20)?,
        })),
        (TRANSPORT_FEEDBACK, 1) => Some(Item::Nack {
            ssrc: read_u32(body, 4)?,
            entries: &body[8..],
        }),
        (TRANSPORT_FEEDBACK, 15) => Some(Item::TransportFeedback(body.get(8..)?)),
        (PAYLOAD_FEEDBACK, 1) => Some(Item::KeyFrameRequest {
            ssrc: read_u32(body, 4)?,
        }),
        _ => None,
    }
}

fn block(bytes: &[u8]) -> Option<ReportBlock> {
    let lost = read_u32(bytes, 4)?;
    Some(ReportBlock {
        ssrc: read_u32(bytes, 0)?,
        fraction_lost: (lost >> 24) as u8,
        lost: (lost << 8).cast_signed() >> 8,
        highest: read_u32(bytes, 8)?,
        jitter: read_u32(bytes, 12)?,
        last_sender_report: read_u32(bytes, 16)?,
        delay: read_u32(bytes, 20)?,
    })
}

/// Appends a sender report without blocks, and our name as RFC 3550 section 6.1 asks.
pub fn write_sender_report(out: &mut Vec<u8>, info: &SenderInfo) {
    write_header(out, 0, SENDER_REPORT, 6);
    out.extend_from_slice(&info.ssrc.to_be_bytes());
    out.extend_from_slice(&info.ntp.to_be_bytes());
    for word in [info.timestamp, info.packets, info.octets] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    write_name(out, info.ssrc);
}

/// Appends a receiver report of at most [`REPORT_BLOCKS_MAX`] blocks, and our name.
pub fn write_receiver_report(out: &mut Vec<u8>, blocks: &[ReportBlock]) {
    let blocks = &blocks[..blocks.len().min(REPORT_BLOCKS_MAX)];
    write_header(
        out,
        blocks.len() as u8,
        RECEIVER_REPORT,
        1 + 6 * blocks.len(),
    );
    out.extend_from_slice(&OUR_SSRC.to_be_bytes());
    for block in blocks {
        let lost = block.lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned() & 0xff_ffff;
        for word in [
            block.ssrc,
            u32::from(block.fraction_lost) << 24 | lost,
            block.highest,
            block.jitter,
            block.last_sender_report,
            block.delay,
        ] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
    write_name(out, OUR_SSRC);
}

/// Appends a picture loss indication (RFC 4585 section 6.3.1).
pub fn write_picture_loss(out: &mut Vec<u8>, ssrc: u32) {
    write_header(out, 1, PAYLOAD_FEEDBACK, 2);
    out.extend_from_slice(&OUR_SSRC.to_be_bytes());
    out.extend_from_slice(&ssrc.to_be_bytes());
}

/// Appends a generic NACK for numbers in rising order; nothing when there are none.
pub fn write_nack(out: &mut Vec<u8>, ssrc: u32, numbers: &[u64]) {
    let start = out.len();
    write_header(out, 1, TRANSPORT_FEEDBACK, 0);
    out.extend_from_slice(&OUR_SSRC.to_be_bytes());
    out.extend_from_slice(&ssrc.to_be_bytes());
    let mut rest = numbers;
    while let Some((&first, behind)) = rest.split_first() {
        let near = behind.iter().take_while(|n| **n - first <= 16).count();
        let mask = behind[..near]
            .iter()
            .fold(0_u16, |mask, n| mask | 1 << (n - first - 1));
        out.extend_from_slice(&(first as u16).to_be_bytes());
        out.extend_from_slice(&mask.to_be_bytes());
        rest = &behind[near..];
    }
    match numbers.is_empty() {
        true => out.truncate(start),
        false => finish(out, start),
    }
}

/// Begins a transport feedback packet of a format (RFC 4585 section 6.1) about a stream.
pub(crate) fn begin_feedback(out: &mut Vec<u8>, format: u8, ssrc: u32) {
    write_header(out, format, TRANSPORT_FEEDBACK, 0);
    out.extend_from_slice(&OUR_SSRC.to_be_bytes());
    out.extend_from_slice(&ssrc.to_be_bytes());
}

/// Pads the packet that begins at `start` to whole words and writes its length.
pub(crate) fn finish(out: &mut Vec<u8>, start: usize) {
    let padding = (4 - (out.len() - start) % 4) % 4;
    if padding > 0 {
        out[start] |= 0x20;
        out.resize(out.len() + padding - 1, 0);
        out.push(padding as u8);
    }
    let words = ((out.len() - start) / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

fn write_header(out: &mut Vec<u8>, count: u8, kind: u8, words: usize) {
    out.extend_from_slice(&[0x80 | count, kind]);
    out.extend_from_slice(&(words as u16).to_be_bytes());
}

/// One chunk with a one-letter CNAME (RFC 3550 section 6.5.1).
fn write_name(out: &mut Vec<u8>, ssrc: u32) {
    write_header(out, 1, SOURCE_DESCRIPTION, 2);
    out.extend_from_slice(&ssrc.to_be_bytes());
    out.extend_from_slice(&[1, 1, b'm', 0]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sample::Chance;
    use rtc::rtcp::payload_feedbacks::full_intra_request::{FirEntry, FullIntraRequest};
    use rtc::rtcp::receiver_report::ReceiverReport;
    use rtc::rtcp::sender_report::SenderReport;
    use rtc::rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
    use rtc::shared::marshal::Marshal;

    fn read(bytes: &[u8]) -> Vec<Box<dyn rtc::rtcp::Packet>> {
        rtc::rtcp::packet::unmarshal(&mut &bytes[..]).unwrap()
    }

    #[test]
    fn reports_are_understood_by_another_reader() {
        let info = SenderInfo {
            ssrc: 5,
            ntp: 1 << 40 | 7,
            timestamp: 9,
            packets: 3,
            octets: 400,
        };
        let block = ReportBlock {
            ssrc: 6,
            fraction_lost: 12,
            lost: -3,
            highest: 0x1_0002,
            jitter: 8,
            last_sender_report: 77,
            delay: 99,
        };
        let mut out = Vec::new();
        write_sender_report(&mut out, &info);
        write_receiver_report(&mut out, &[block]);
        let packets = read(&out);
        let sender = packets[0].as_any().downcast_ref::<SenderReport>().unwrap();
        assert_eq!((sender.ntp_time, sender.octet_count), (1 << 40 | 7, 400));
        let receiver = packets[2]
            .as_any()
            .downcast_ref::<ReceiverReport>()
            .unwrap();
        assert_eq!(receiver.reports[0].last_sequence_number, 0x1_0002);
        let found: Vec<_> = items(&out).collect();
        assert_eq!(found, [Item::SenderInfo(info), Item::Block(block)]);
    }

    #[test]
    fn a_nack_names_exactly_the_missing_numbers_over_the_roll_over() {
        let missing = [65_530, 65_531, 65_546, 65_547, 65_600, 70_000];
        let mut out = Vec::new();
        write_nack(&mut out, 9, &missing);
        write_nack(&mut out, 9, &[]);
        let packets = read(&out);
        assert_eq!(packets.len(), 1);
        let nack = packets[0]
            .as_any()
            .downcast_ref::<TransportLayerNack>()
            .unwrap();
        assert_eq!((nack.media_ssrc, nack.nacks.len()), (9, 4));
        let Some(Item::Nack { ssrc: 9, entries }) = items(&out).next() else {
            panic!("no NACK");
        };
        let read_back: Vec<_> = nacked(entries).collect();
        assert_eq!(read_back, missing.map(|n| n as u16));
    }

    #[test]
    fn picture_loss_and_full_intra_requests_are_both_key_frame_requests() {
        let mut out = Vec::new();
        write_picture_loss(&mut out, 3);
        let fir = FullIntraRequest {
            sender_ssrc: 1,
            media_ssrc: 0,
            fir: [4, 5]
                .map(|ssrc| FirEntry {
                    ssrc,
                    sequence_number: 1,
                })
                .to_vec(),
        };
        out.extend_from_slice(&fir.marshal().unwrap());
        let asked: Vec<_> = items(&out).collect();
        assert_eq!(asked, [3, 4, 5].map(|ssrc| Item::KeyFrameRequest { ssrc }));
    }

    #[test]
    fn malformed_compounds_end_without_a_panic() {
        let mut chance = Chance::new(4);
        for _ in 0..200_000 {
            let mut bytes = chance.bytes(80);
            if bytes.len() > 4 {
                bytes[0] = bytes[0] & 0x3f | 0x80;
                bytes[1] = 200 + (bytes[1] & 7);
                bytes[2] = 0;
                bytes[3] &= 0x0f;
            }
            for item in items(&bytes) {
                if let Item::Nack { entries, .. } = item {
                    assert!(nacked(entries).count() <= 17 * 20);
                }
            }
        }
    }
}
