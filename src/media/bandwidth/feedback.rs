//! Reads transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1):
//! which of the packets that we numbered came, and when by the client's clock.

use crate::media::rtp::read_u16;

/// Packets that one feedback packet may tell of. A client that tells each 100 ms gets some hundred;
/// one that tells of more than this is not believed, because each costs us a step.
pub const TOLD_MAX: u16 = 4_096;

/// Unit of arrival times, microseconds.
pub const TICK_MICROS: i64 = 250;

/// Ticks in the unit of the reference time (64 ms).
const REFERENCE_TICKS: i64 = 256;

/// Values of the 24-bit reference time.
const REFERENCE_CYCLE: i64 = 1 << 24;

/// One feedback packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback<'a> {
    base: u16,
    count: u16,
    reference: i64,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl<'a> Feedback<'a> {
    /// Reads what stands behind the media source's SSRC; `None` when it makes no sense or tells of
    /// more than [`TOLD_MAX`] packets.
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        let base = read_u16(body, 0)?;
        let count = read_u16(body, 2).filter(|count| *count <= TOLD_MAX)?;
        let [high, middle, low] = *body.get(4..7)?.first_chunk()?;
        let rest = body.get(8..)?;
        let mut left = usize::from(count);
        let mut end = 0;
        while left > 0 {
            left = left.saturating_sub(symbols_of(read_u16(rest, end)?));
            end += 2;
        }
        let (chunks, deltas) = rest.split_at(end);
        Some(Self {
            base,
            count,
            reference: i64::from(u32::from_be_bytes([0, high, middle, low])),
            chunks,
            deltas,
        })
    }

    /// Its reference time in ticks, brought nearest to that of the feedback before.
    pub fn reference_ticks(&self, before: Option<i64>) -> i64 {
        let Some(before) = before else {
            return self.reference * REFERENCE_TICKS;
        };
        let before = before.div_euclid(REFERENCE_TICKS);
        let step = (self.reference - before).rem_euclid(REFERENCE_CYCLE);
        let step = match step >= REFERENCE_CYCLE / 2 {
            true => step - REFERENCE_CYCLE,
            false => step,
        };
        (before + step) * REFERENCE_TICKS
    }

    /// Number and arrival of each packet in the order of numbers; arrivals count in ticks from the
    /// reference time, `None` is a packet that did not come. Ends where arrivals are missing.
    pub fn packets(&self) -> impl Iterator<Item = (u16, Option<i64>)> + 'a {
        let (base, mut deltas, mut at) = (self.base, self.deltas, 0_i64);
        let words = self.chunks.chunks_exact(2);
        let words = words.map(|word| u16::from_be_bytes([word[0], word[1]]));
        let symbols = words.flat_map(|word| (0..symbols_of(word)).map(move |n| symbol(word, n)));
        let told = symbols.take(usize::from(self.count)).enumerate();
        told.map_while(move |(step, symbol)| {
            let arrival = match symbol {
                Symbol::Missing => None,
                Symbol::Near => {
                    let (delta, rest) = deltas.split_first()?;
                    deltas = rest;
                    at += i64::from(*delta);
                    Some(at)
                }
                Symbol::Far => {
                    let (delta, rest) = deltas.split_first_chunk::<2>()?;
                    deltas = rest;
                    at += i64::from(i16::from_be_bytes(*delta));
                    Some(at)
                }
            };
            Some((base.wrapping_add(step as u16), arrival))
        })
    }
}

/// What is told of one packet.
#[derive(Clone, Copy)]
enum Symbol {
    /// It did not come.
    Missing,
    /// It came; the time since the one before fits a byte.
    Near,
    /// It came; the time since the one before needs two bytes.
    Far,
}

/// How many packets a chunk tells of.
fn symbols_of(chunk: u16) -> usize {
    match chunk >> 14 {
        0 | 1 => usize::from(chunk & 0x1fff),
        2 => 14,
        _ => 7,
    }
}

fn symbol(chunk: u16, place: usize) -> Symbol {
    let code = match chunk >> 14 {
        0 | 1 => chunk >> 13 & 3,
        2 => chunk >> (13 - place) & 1,
        _ => chunk >> (12 - 2 * place) & 3,
    };
    match code {
        1 => Symbol::Near,
        2 => Symbol::Far,
        _ => Symbol::Missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sample::Chance;
    use crate::media::transport::testing::origin;
    use crate::media::twcc::ArrivalLog;
    use std::collections::BTreeMap;
    use std::time::Duration;

    /// Behind the header and both SSRCs.
    const BODY_AT: usize = 12;

    #[test]
    fn what_a_receiver_writes_is_read_back() {
        let mut chance = Chance::new(11);
        let start = origin();
        let mut log = ArrivalLog::new(start);
        let (mut at, mut number, mut before) = (9_000_000_u64, 65_100_u16, None);
        for _ in 0..300 {
            let mut expected = BTreeMap::new();
            for _ in 0..1 + chance.below(300) {
                at += chance.below(20_000) as u64 / 250 * 250;
                number = number.wrapping_add(1);
                if chance.below(10) > 2 {
                    log.arrived(start + Duration::from_micros(at), number);
                    expected.insert(number, at as i64 / TICK_MICROS);
                }
            }
            let mut found = BTreeMap::new();
            let mut out = Vec::new();
            while log.write_feedback(&mut out, 7) {
                let padding = match out[0] & 0x20 {
                    0 => 0,
                    _ => usize::from(*out.last().unwrap()),
                };
                let body = &out[BODY_AT..out.len() - padding];
                let feedback = Feedback::parse(body).unwrap();
                let reference = feedback.reference_ticks(before);
                before = Some(reference);
                let came = feedback.packets().filter_map(|(n, at)| Some((n, at?)));
                found.extend(came.map(|(n, at)| (n, reference + at)));
                out.clear();
            }
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_reference_time_goes_on_over_its_24_bits() {
        let feedback = |reference: i64| Feedback {
            base: 0,
            count: 0,
            reference,
            chunks: &[],
            deltas: &[],
        };
        let late = feedback(REFERENCE_CYCLE - 1).reference_ticks(None);
        assert_eq!(feedback(1).reference_ticks(Some(late)), late + 512);
        let next = feedback(1).reference_ticks(Some(late));
        assert_eq!(
            feedback(REFERENCE_CYCLE - 1).reference_ticks(Some(next)),
            late
        );
    }

    #[test]
    fn nonsense_is_refused_or_ends_early_and_never_costs_more_than_the_bound() {
        let mut chance = Chance::new(12);
        assert_eq!(Feedback::parse(&[0, 1, 0xff, 0xff, 0, 0, 0, 0]), None);
        for _ in 0..100_000 {
            let bytes = chance.bytes(60);
            if let Some(feedback) = Feedback::parse(&bytes) {
                assert!(feedback.packets().count() <= usize::from(TOLD_MAX));
            }
        }
    }
}
