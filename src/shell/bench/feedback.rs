//! What a subscriber reports of what it got: transport-wide arrivals, and losses that it makes up.

use std::time::{Duration, Instant};

use rtc::rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, RecvDelta, StatusChunkTypeTcc, StatusVectorChunk, SymbolSizeTypeTcc,
    SymbolTypeTcc, TransportLayerCc,
};
use rtc::rtcp::transport_feedbacks::transport_layer_nack::{
    TransportLayerNack, nack_pairs_from_sequence_numbers,
};
use rtc::shared::marshal::Marshal as _;

/// Between two reports.
const INTERVAL: Duration = Duration::from_millis(100);
/// One packet in so many is asked for again: 2 %.
const ASKED_AGAIN_OF: u64 = 50;
/// Packets that one report tells of at most; the rest waits for the next.
const STATUSES_MAX: usize = 1_000;
/// Unit of the reference time (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).
const REFERENCE_UNIT_US: i64 = 64_000;
/// Unit of a delta.
const DELTA_UNIT_US: i64 = 250;
/// Two-bit symbols of one chunk.
const SYMBOLS_OF_CHUNK: usize = 7;
/// Who reports: no stream of any client has this number.
const REPORTER_SSRC: u32 = 1;

/// A subscriber's feedback.
#[derive(Debug)]
pub struct Feedback {
    origin: Instant,
    next: Instant,
    /// Unwrapped transport-wide numbers and when they came, since the last report.
    arrivals: Vec<(u64, Instant)>,
    highest: u64,
    reported: Option<u64>,
    reports: u8,
    media_ssrc: u32,
    asked: Vec<u16>,
    seen: u64,
    /// Packets asked for again.
    pub asked_again: u64,
    /// Transport-wide reports sent.
    pub reported_times: u64,
}

impl Feedback {
    /// Nothing to report yet.
    pub fn new(now: Instant) -> Self {
        Self {
            origin: now,
            next: now + INTERVAL,
            arrivals: Vec::new(),
            // So that the first numbers may come out of order.
            highest: 1 << 16,
            reported: None,
            reports: 0,
            media_ssrc: 0,
            asked: Vec::new(),
            seen: 0,
            asked_again: 0,
            reported_times: 0,
        }
    }

    /// Takes note of a packet's transport-wide number.
    pub fn arrived(&mut self, now: Instant, number: u16) {
        let step = number.wrapping_sub(self.highest as u16).cast_signed();
        let unwrapped = self.highest.saturating_add_signed(i64::from(step));
        self.highest = self.highest.max(unwrapped);
        self.arrivals.push((unwrapped, now));
    }

    /// Takes note of a packet of video; one in some counts as lost.
    pub fn video(&mut self, ssrc: u32, sequence: u16) {
        self.media_ssrc = ssrc;
        self.seen += 1;
        if self.seen.is_multiple_of(ASKED_AGAIN_OF) {
            self.asked.push(sequence);
        }
    }

    /// The packets to send now, if it is time.
    pub fn due(&mut self, now: Instant) -> Vec<Vec<u8>> {
        if now < self.next {
            return Vec::new();
        }
        self.next = now + INTERVAL;
        let nack = self.nack();
        self.report().into_iter().chain(nack).collect()
    }

    fn nack(&mut self) -> Option<Vec<u8>> {
        if self.asked.is_empty() {
            return None;
        }
        self.asked_again += self.asked.len() as u64;
        self.asked.sort_unstable();
        let nack = TransportLayerNack {
            sender_ssrc: REPORTER_SSRC,
            media_ssrc: self.media_ssrc,
            nacks: nack_pairs_from_sequence_numbers(&self.asked),
        };
        self.asked.clear();
        nack.marshal().ok().map(|bytes| bytes.to_vec())
    }

    fn report(&mut self) -> Option<Vec<u8>> {
        self.arrivals.sort_unstable();
        self.arrivals.dedup_by_key(|(number, _)| *number);
        let reported = self.reported;
        self.arrivals
            .retain(|(number, _)| reported.is_none_or(|last| *number > last));
        let (first, came) = *self.arrivals.first()?;
        let base = reported.map_or(first, |last| (last + 1).max(first.saturating_sub(100)));
        let microseconds = |at: Instant| (at - self.origin).as_micros() as i64;
        let reference = microseconds(came) / REFERENCE_UNIT_US;
        let mut statuses = Vec::new();
        let mut deltas = Vec::new();
        let mut before = reference * REFERENCE_UNIT_US / DELTA_UNIT_US;
        let mut taken = 0;
        for (number, at) in &self.arrivals {
            let place = (number - base) as usize;
            if place >= STATUSES_MAX {
                break;
            }
            let at = microseconds(*at) / DELTA_UNIT_US;
            let symbol = symbol(at - before);
            statuses.resize(place, SymbolTypeTcc::PacketNotReceived);
            statuses.push(symbol);
            deltas.push(RecvDelta {
                type_tcc_packet: symbol,
                delta: (at - before) * DELTA_UNIT_US,
            });
            (before, taken) = (at, taken + 1);
        }
        self.reported = Some(base + statuses.len() as u64 - 1);
        self.arrivals.drain(..taken);
        self.reported_times += 1;
        self.reports = self.reports.wrapping_add(1);
        let report = TransportLayerCc {
            sender_ssrc: REPORTER_SSRC,
            media_ssrc: self.media_ssrc,
            base_sequence_number: base as u16,
            packet_status_count: statuses.len() as u16,
            reference_time: (reference & 0xff_ffff) as u32,
            fb_pkt_count: self.reports.wrapping_sub(1),
            packet_chunks: statuses.chunks(SYMBOLS_OF_CHUNK).map(chunk).collect(),
            recv_deltas: deltas,
        };
        report.marshal().ok().map(|bytes| bytes.to_vec())
    }
}

fn symbol(delta: i64) -> SymbolTypeTcc {
    if u8::try_from(delta).is_ok() {
        SymbolTypeTcc::PacketReceivedSmallDelta
    } else {
        SymbolTypeTcc::PacketReceivedLargeDelta
    }
}

fn chunk(statuses: &[SymbolTypeTcc]) -> PacketStatusChunk {
    let mut symbol_list = statuses.to_vec();
    symbol_list.resize(SYMBOLS_OF_CHUNK, SymbolTypeTcc::PacketNotReceived);
    PacketStatusChunk::StatusVectorChunk(StatusVectorChunk {
        type_tcc: StatusChunkTypeTcc::StatusVectorChunk,
        symbol_size: SymbolSizeTypeTcc::TwoBit,
        symbol_list,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtc::shared::marshal::Unmarshal as _;

    #[test]
    fn a_report_tells_of_every_number_once_with_its_time_across_the_wrap() {
        let start = Instant::now();
        let mut feedback = Feedback::new(start);
        let at = |ms: u64| start + Duration::from_millis(ms);
        for (number, ms) in [(65_534, 70), (65_535, 71), (1, 73)] {
            feedback.arrived(at(ms), number);
        }
        let packets = feedback.due(at(100));
        let first = TransportLayerCc::unmarshal(&mut packets[0].as_slice()).unwrap();
        assert_eq!(first.base_sequence_number, 65_534);
        assert_eq!(first.packet_status_count, 4);
        assert_eq!(first.reference_time, 1);
        let deltas: Vec<i64> = first.recv_deltas.iter().map(|delta| delta.delta).collect();
        assert_eq!(deltas, [6_000, 1_000, 2_000]);
        feedback.arrived(at(110), 0);
        feedback.arrived(at(120), 2);
        let packets = feedback.due(at(200));
        let second = TransportLayerCc::unmarshal(&mut packets[0].as_slice()).unwrap();
        assert_eq!(second.base_sequence_number, 2);
        assert_eq!(second.packet_status_count, 1);
        assert_eq!(second.fb_pkt_count, 1);
    }

    #[test]
    fn one_packet_in_fifty_is_asked_for_again() {
        let start = Instant::now();
        let mut feedback = Feedback::new(start);
        (0..500).for_each(|sequence| feedback.video(7, sequence));
        let packets = feedback.due(start + INTERVAL);
        let nack = TransportLayerNack::unmarshal(&mut packets[0].as_slice()).unwrap();
        assert_eq!(nack.media_ssrc, 7);
        assert_eq!(feedback.asked_again, 10);
        assert!(feedback.due(start + INTERVAL).is_empty());
    }
}
