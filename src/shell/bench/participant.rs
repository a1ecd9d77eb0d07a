//! One participant of the load: its connection, what it sends, and what it got.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::client::{LoadClient, LoadIdentity, Media, Remote};
use super::feedback::Feedback;
use super::signalling::{Kind, OPUS_PAYLOAD_TYPE, Published, VP8_PAYLOAD_TYPE, Wish};

/// Between a participant's receiver reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Reports of streams in one packet (RFC 3550 section 6.4.2: a count of five bits).
const REPORT_BLOCKS_MAX: usize = 31;
/// VP8 payload descriptor (start of partition 0) and a key frame's first bytes (RFC 7741).
const VP8_KEY_FRAME: [u8; 11] = [0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0];
const RTP_HEADER_BYTES: usize = 12;
/// A one-byte header extension (RFC 8285 section 4.2) with one transport-wide number, padded.
const NUMBERED_BYTES: usize = 8;
const STAMP_BYTES: usize = 8;

/// How fast a stream is sent.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Packets per second.
    pub packets_per_second: u32,
    /// Packets sent at once: 1 spreads them evenly, 8 is a video frame.
    pub burst: u32,
    /// RTP payload of a packet, bytes.
    pub payload: u16,
}

impl Pace {
    /// Speech: 50 packets a second of 80 bytes, 32 kbit/s.
    pub const SPEECH: Self = Self {
        packets_per_second: 50,
        burst: 1,
        payload: 80,
    };
    /// A small picture: 15 frames a second of one packet, 150 kbit/s.
    pub const SMALL_VIDEO: Self = Self {
        packets_per_second: 15,
        burst: 1,
        payload: 1_250,
    };

    /// Between two bursts.
    pub fn interval(self) -> Duration {
        Duration::from_secs_f64(f64::from(self.burst) / f64::from(self.packets_per_second))
    }
}

/// A stream that a participant sends.
#[derive(Clone, Debug)]
pub struct Stream {
    /// What it is.
    pub published: Published,
    /// How fast it goes.
    pub pace: Pace,
    /// When the next burst is due.
    pub next: Instant,
    sequence: u16,
    /// Packets sent.
    pub sent: u64,
}

impl Stream {
    /// A stream that begins now.
    pub fn new(published: Published, pace: Pace, now: Instant) -> Self {
        Self {
            published,
            pace,
            next: now,
            sequence: 0,
            sent: 0,
        }
    }

    /// The next packet, stamped with the time since `origin`.
    fn packet(&mut self, origin: Instant, last_of_burst: bool, number: Option<[u8; 4]>) -> Vec<u8> {
        let now = origin.elapsed();
        let header = RTP_HEADER_BYTES + number.map_or(0, |_| NUMBERED_BYTES);
        let mut packet = vec![0x5a; header + usize::from(self.pace.payload)];
        let (payload_type, clock_khz, prefix): (u8, u32, &[u8]) = match self.published.kind {
            Kind::Audio => (OPUS_PAYLOAD_TYPE, 48, &[]),
            Kind::Video => (VP8_PAYLOAD_TYPE, 90, &VP8_KEY_FRAME),
        };
        let marked = last_of_burst && self.published.kind == Kind::Video;
        packet[0] = if number.is_some() { 0x90 } else { 0x80 };
        packet[1] = payload_type | if marked { 0x80 } else { 0 };
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        let timestamp = (now.as_millis() as u32).wrapping_mul(clock_khz);
        packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
        packet[8..12].copy_from_slice(&self.published.ssrc.to_be_bytes());
        if let Some(number) = number {
            packet[12..16].copy_from_slice(&[0xbe, 0xde, 0, 1]);
            packet[16..20].copy_from_slice(&number);
        }
        let payload = &mut packet[header..];
        payload[..prefix.len()].copy_from_slice(prefix);
        payload[prefix.len()..][..STAMP_BYTES]
            .copy_from_slice(&(now.as_nanos() as u64).to_be_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        self.sent += 1;
        packet
    }
}

/// A participant that is signalled.
pub struct Participant {
    /// Its connection.
    pub connection: LoadClient,
    /// What it asks of its signalling; dropping it leaves.
    pub wishes: mpsc::Sender<Wish>,
    /// When its join began.
    pub invited: Instant,
    /// What it sends.
    pub streams: Vec<Stream>,
    /// What it got.
    pub tally: Tally,
    /// It hears no more media once it got all its streams.
    pub deafens: bool,
    sent_numbers: u16,
    next_report: Instant,
}

/// What a participant got.
pub struct Tally {
    /// Packets, retransmissions apart.
    pub packets: u64,
    /// Retransmissions.
    pub repairs: u64,
    /// When the last stream that it waited for began.
    pub whole: Option<Instant>,
    /// Its reports, if it sends more than receiver reports.
    pub feedback: Option<Feedback>,
    expected: usize,
    highest: BTreeMap<u32, u16>,
    transport_cc: Option<u8>,
    repair_type: Option<u8>,
}

impl Participant {
    /// A participant that awaits so many streams.
    pub fn new(
        connection: LoadClient,
        wishes: mpsc::Sender<Wish>,
        streams: Vec<Stream>,
        expected: usize,
        (invited, now): (Instant, Instant),
    ) -> Self {
        let remote: &Remote = connection.remote();
        let tally = Tally {
            packets: 0,
            repairs: 0,
            whole: None,
            feedback: None,
            expected,
            highest: BTreeMap::new(),
            transport_cc: remote.transport_cc,
            repair_type: remote.repair_type,
        };
        Self {
            connection,
            wishes,
            invited,
            streams,
            tally,
            deafens: false,
            sent_numbers: 0,
            next_report: now + REPORT_INTERVAL,
        }
    }

    /// It takes media and will go on to.
    pub fn listens(&self) -> bool {
        self.tally.is_whole() && !self.deafens && self.streams.is_empty()
    }

    /// Sends what is due of its streams; when the next is due.
    pub fn send_due(&mut self, now: Instant, origin: Instant) -> Option<Instant> {
        let Self {
            connection,
            streams,
            sent_numbers,
            tally,
            ..
        } = self;
        for stream in streams.iter_mut().filter(|stream| stream.next <= now) {
            stream.next += stream.pace.interval();
            for index in 1..=stream.pace.burst {
                let video = stream.published.kind == Kind::Video;
                let number = tally.transport_cc.filter(|_| video).map(|id| {
                    *sent_numbers = sent_numbers.wrapping_add(1);
                    let [high, low] = sent_numbers.to_be_bytes();
                    [id << 4 | 1, high, low, 0]
                });
                let packet = stream.packet(origin, index == stream.pace.burst, number);
                connection.send_rtp(&packet);
            }
        }
        streams.iter().map(|stream| stream.next).min()
    }

    /// Reads what has come; latencies since `origin` go to `samples`.
    pub fn receive(
        &mut self,
        now: Instant,
        identity: &LoadIdentity,
        origin: Instant,
        samples: &mut dyn FnMut(Duration),
    ) {
        let tally = &mut self.tally;
        self.connection
            .receive(now, identity, &mut |media| match media {
                Media::Head(packet) => tally.take(now, packet),
                Media::Decrypted(packet) => {
                    tally.take(now, packet);
                    if let Some(sent) = stamp(packet, tally.repair_type) {
                        samples(origin.elapsed().saturating_sub(sent));
                    }
                }
            });
    }

    /// Does what is due of checks, handshake and reports.
    pub fn tick(&mut self, now: Instant, identity: &LoadIdentity) {
        self.connection.tick(now, identity);
        let feedback = self.tally.feedback.as_mut();
        for packet in feedback
            .map(|feedback| feedback.due(now))
            .unwrap_or_default()
        {
            self.connection.send_rtcp(&packet);
        }
        if now >= self.next_report {
            self.next_report = now + REPORT_INTERVAL;
            self.report();
        }
    }

    /// Sends receiver reports (RFC 3550 section 6.4.2).
    fn report(&mut self) {
        let streams: Vec<(u32, u16)> = self
            .tally
            .highest
            .iter()
            .map(|(ssrc, highest)| (*ssrc, *highest))
            .collect();
        for streams in streams.chunks(REPORT_BLOCKS_MAX) {
            let words = 1 + 6 * streams.len() as u16;
            let mut report = vec![0x80 | streams.len() as u8, 201];
            report.extend(words.to_be_bytes());
            report.extend(1_u32.to_be_bytes());
            for (ssrc, highest) in streams {
                report.extend(ssrc.to_be_bytes());
                report.extend(0_u32.to_be_bytes());
                report.extend(u32::from(*highest).to_be_bytes());
                report.extend([0; 12]);
            }
            self.connection.send_rtcp(&report);
        }
    }
}

impl Tally {
    fn take(&mut self, now: Instant, packet: &[u8]) {
        if packet.len() < RTP_HEADER_BYTES {
            return;
        }
        if let Some(feedback) = &mut self.feedback
            && let Some(number) = self.transport_cc.and_then(|id| extension(packet, id))
        {
            feedback.arrived(now, number);
        }
        if Some(packet[1] & 0x7f) == self.repair_type {
            self.repairs += 1;
            return;
        }
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let ssrc = u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]);
        self.packets += 1;
        self.highest.insert(ssrc, sequence);
        if self.whole.is_none() && self.highest.len() >= self.expected {
            self.whole = Some(now);
        }
        if let Some(feedback) = &mut self.feedback
            && packet[1] & 0x7f == VP8_PAYLOAD_TYPE
        {
            feedback.video(ssrc, sequence);
        }
    }

    /// Every stream that it waited for has begun.
    pub fn is_whole(&self) -> bool {
        self.whole.is_some() || self.expected == 0
    }
}

/// Bytes before the payload (RFC 3550 section 5.1).
fn header_bytes(packet: &[u8]) -> usize {
    let sources = 4 * usize::from(packet[0] & 0x0f);
    let fixed = RTP_HEADER_BYTES + sources;
    if packet[0] & 0x10 == 0 {
        return fixed;
    }
    let words = packet.get(fixed + 2..fixed + 4);
    fixed + 4 + words.map_or(0, |w| 4 * usize::from(u16::from_be_bytes([w[0], w[1]])))
}

/// The two bytes of a one-byte header extension (RFC 8285 section 4.2).
fn extension(packet: &[u8], id: u8) -> Option<u16> {
    let fixed = RTP_HEADER_BYTES + 4 * usize::from(packet[0] & 0x0f);
    if packet[0] & 0x10 == 0 || packet.get(fixed..fixed + 2)? != [0xbe, 0xde] {
        return None;
    }
    let mut rest = packet.get(fixed + 4..header_bytes(packet).min(packet.len()))?;
    while let [head, after @ ..] = rest {
        let length = if *head == 0 {
            0
        } else {
            usize::from(head & 0x0f) + 1
        };
        if head >> 4 == id && length == 2 {
            return Some(u16::from_be_bytes([*after.first()?, *after.get(1)?]));
        }
        rest = after.get(length..)?;
    }
    None
}

/// When a packet was sent, since the load's origin.
fn stamp(packet: &[u8], repair_type: Option<u8>) -> Option<Duration> {
    let prefix = match packet[1] & 0x7f {
        OPUS_PAYLOAD_TYPE => 0,
        other if Some(other) == repair_type => return None,
        _ => VP8_KEY_FRAME.len(),
    };
    let at = header_bytes(packet) + prefix;
    let bytes = packet.get(at..at + STAMP_BYTES)?;
    let nanoseconds = bytes
        .iter()
        .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    Some(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(kind: Kind) -> Stream {
        let published = Published { kind, ssrc: 7 };
        Stream::new(published, Pace::SMALL_VIDEO, Instant::now())
    }

    #[test]
    fn a_packet_tells_when_it_was_sent_with_and_without_a_number() {
        let origin = Instant::now() - Duration::from_secs(5);
        for kind in [Kind::Audio, Kind::Video] {
            for number in [None, Some([0x31, 1, 2, 0])] {
                let packet = stream(kind).packet(origin, true, number);
                let sent = stamp(&packet, Some(97)).unwrap();
                assert!(sent >= Duration::from_secs(5), "{kind:?} {number:?}");
                assert!(sent < Duration::from_secs(65), "{kind:?} {number:?}");
                let found = extension(&packet, 3);
                assert_eq!(found, number.map(|_| 0x0102), "{kind:?}");
            }
        }
    }
}
