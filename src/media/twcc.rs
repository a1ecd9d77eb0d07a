//! Transport-wide congestion control, our side as receiver
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01): which packets came, and when.

use std::time::{Duration, Instant};

use super::rtcp::{begin_feedback, finish};
use super::sequence::Extender;

/// Time between two feedback packets.
pub const FEEDBACK_PAUSE: Duration = Duration::from_millis(100);

/// Packets that are remembered between two feedback packets; older ones are not told of.
const ARRIVALS: usize = 1024;

/// Packets that one feedback packet tells of: it stays below 1,200 bytes at two bytes each.
const TOLD_MAX: usize = 400;

/// Unit of arrival times.
const TICK: Duration = Duration::from_micros(250);

/// Ticks in the unit of the reference time (64 ms).
const REFERENCE_TICKS: i64 = 256;

/// Symbols in a two-bit status vector.
const VECTOR_SYMBOLS: usize = 7;

/// Longest run that a run-length chunk can tell of.
const RUN_MAX: usize = 0x1fff;

/// Arrivals on one transport.
#[derive(Debug)]
pub struct ArrivalLog {
    origin: Instant,
    extender: Extender,
    /// Number and arrival in ticks since the origin, by number modulo the length.
    arrivals: Box<[(u64, i64)]>,
    next: u64,
    feedback_count: u8,
}

impl ArrivalLog {
    /// An empty log; reference times count from `origin`.
    pub fn new(origin: Instant) -> Self {
        Self {
            origin,
            extender: Extender::default(),
            arrivals: vec![(0, 0); ARRIVALS].into_boxed_slice(),
            next: 0,
            feedback_count: 0,
        }
    }

    /// Takes note of a packet's transport-wide number.
    pub fn arrived(&mut self, now: Instant, sequence: u16) {
        let first = self.extender.highest().is_none();
        let number = self.extender.extend(sequence);
        if first {
            self.next = number;
        }
        let since = now.saturating_duration_since(self.origin);
        let ticks = (since.as_micros() / TICK.as_micros()) as i64;
        self.arrivals[number as usize % ARRIVALS] = (number, ticks);
    }

    /// Appends feedback about everything since the last call; false when there is nothing new.
    ///
    /// Call again until it is false: one packet tells of at most 400.
    pub fn write_feedback(&mut self, out: &mut Vec<u8>, ssrc: u32) -> bool {
        let Some(highest) = self
            .extender
            .highest()
            .filter(|highest| *highest >= self.next)
        else {
            return false;
        };
        let base = self.next.max(highest.saturating_sub(ARRIVALS as u64 - 1));
        let Some(base) = (base..=highest).find(|number| self.at(*number).is_some()) else {
            return false;
        };
        let reference = self.at(base).unwrap_or(0).div_euclid(REFERENCE_TICKS);
        let mut symbols = [0_u8; TOLD_MAX];
        let mut deltas = [0_i16; TOLD_MAX];
        let mut before = reference * REFERENCE_TICKS;
        let mut count = 0;
        for number in (base..=highest).take(TOLD_MAX) {
            if let Some(at) = self.at(number) {
                let Ok(delta) = i16::try_from(at - before) else {
                    break;
                };
                before = at;
                symbols[count] = if (0..=255).contains(&delta) { 1 } else { 2 };
                deltas[count] = delta;
            }
            count += 1;
        }
        self.next = base + count as u64;
        let start = out.len();
        begin_feedback(out, 15, ssrc);
        out.extend_from_slice(&(base as u16).to_be_bytes());
        out.extend_from_slice(&(count as u16).to_be_bytes());
        out.extend_from_slice(&(reference as u32).to_be_bytes()[1..]);
        out.push(self.feedback_count);
        self.feedback_count = self.feedback_count.wrapping_add(1);
        write_chunks(out, &symbols[..count]);
        for (symbol, delta) in symbols.iter().zip(deltas).take(count) {
            match symbol {
                0 => {}
                1 => out.push(delta as u8),
                _ => out.extend_from_slice(&delta.to_be_bytes()),
            }
        }
        finish(out, start);
        true
    }

    fn at(&self, number: u64) -> Option<i64> {
        let (found, at) = self.arrivals[number as usize % ARRIVALS];
        (found == number).then_some(at)
    }
}

/// Status chunks: a run where at least a vector's worth of symbols is equal, else a vector.
fn write_chunks(out: &mut Vec<u8>, symbols: &[u8]) {
    let mut rest = symbols;
    while let Some(&first) = rest.first() {
        let run = rest
            .iter()
            .take(RUN_MAX)
            .take_while(|symbol| **symbol == first)
            .count();
        let (chunk, used) = match run >= VECTOR_SYMBOLS || run == rest.len() {
            true => (u16::from(first) << 13 | run as u16, run),
            false => {
                let used = rest.len().min(VECTOR_SYMBOLS);
                let bits = rest[..used].iter().zip((0..VECTOR_SYMBOLS).rev());
                let vector = bits.fold(0, |all, (symbol, n)| all | u16::from(*symbol) << (2 * n));
                (0xc000 | vector, used)
            }
        };
        out.extend_from_slice(&chunk.to_be_bytes());
        rest = &rest[used..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sample::Chance;
    use rtc::rtcp::transport_feedbacks::transport_layer_cc::{
        PacketStatusChunk, SymbolTypeTcc, TransportLayerCc,
    };
    use std::collections::BTreeMap;

    /// What another reader makes of the feedback: arrival in microseconds since the origin.
    fn told(bytes: &[u8]) -> BTreeMap<u16, Option<i64>> {
        let packets = rtc::rtcp::packet::unmarshal(&mut &bytes[..]).unwrap();
        let mut all = BTreeMap::new();
        for packet in packets {
            let feedback = packet.as_any().downcast_ref::<TransportLayerCc>().unwrap();
            let mut symbols = Vec::new();
            for chunk in &feedback.packet_chunks {
                match chunk {
                    PacketStatusChunk::RunLengthChunk(run) => {
                        symbols.extend(vec![run.packet_status_symbol; run.run_length.into()]);
                    }
                    PacketStatusChunk::StatusVectorChunk(vector) => {
                        symbols.extend(vector.symbol_list.iter().copied());
                    }
                }
            }
            symbols.truncate(feedback.packet_status_count.into());
            let mut at = i64::from(feedback.reference_time) * 64_000;
            let mut deltas = feedback.recv_deltas.iter();
            for (step, symbol) in symbols.into_iter().enumerate() {
                let came = symbol != SymbolTypeTcc::PacketNotReceived;
                let number = feedback.base_sequence_number.wrapping_add(step as u16);
                if came {
                    at += deltas.next().unwrap().delta;
                }
                all.insert(number, came.then_some(at));
            }
        }
        all
    }

    #[test]
    fn feedback_tells_exactly_what_came_and_when() {
        let mut chance = Chance::new(5);
        let origin = crate::media::transport::testing::origin();
        let mut log = ArrivalLog::new(origin);
        let mut at = 5_000_000_u64;
        let mut number = 65_000_u16;
        for _ in 0..300 {
            let mut expected = BTreeMap::new();
            for _ in 0..chance.below(700) {
                at += chance.below(20_000) as u64 / 250 * 250;
                number = number.wrapping_add(1);
                if chance.below(10) > 2 {
                    log.arrived(origin + Duration::from_micros(at), number);
                    expected.insert(number, Some(at as i64));
                }
            }
            let mut out = Vec::new();
            while log.write_feedback(&mut out, 7) {}
            let mut found = if out.is_empty() {
                BTreeMap::new()
            } else {
                told(&out)
            };
            found.retain(|_, arrival| arrival.is_some());
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn nothing_new_makes_no_feedback_and_no_packet_is_told_twice() {
        let origin = crate::media::transport::testing::origin();
        let mut log = ArrivalLog::new(origin);
        let mut out = Vec::new();
        assert!(!log.write_feedback(&mut out, 7));
        log.arrived(origin, 3);
        assert!(log.write_feedback(&mut out, 7));
        assert!(!log.write_feedback(&mut out, 7));
    }

    #[test]
    fn a_pause_of_minutes_starts_a_new_feedback_packet() {
        let origin = crate::media::transport::testing::origin();
        let mut log = ArrivalLog::new(origin);
        log.arrived(origin, 1);
        log.arrived(origin + Duration::from_secs(300), 2);
        let mut out = Vec::new();
        assert!(log.write_feedback(&mut out, 7) && log.write_feedback(&mut out, 7));
        assert_eq!(
            told(&out),
            BTreeMap::from([(1, Some(0)), (2, Some(300_000_000))])
        );
    }
}
