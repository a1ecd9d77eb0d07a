//! Sequence numbers made 48 bits long (RFC 3711 section 3.3.1), so that nothing needs a roll-over
//! counter, and renumbered where packets are left out.

/// Where the first number of a stream is put, so that numbers before it do not fall below zero.
const FIRST_CYCLE: u64 = 1 << 16;

/// Number of left-out packets that are remembered for latecomers.
const OMISSIONS_MAX: usize = 16;

/// The extended number nearest to a reference that ends in `sequence`.
pub fn nearest(reference: u64, sequence: u16) -> u64 {
    let step = sequence.wrapping_sub(reference as u16) as i16;
    reference.wrapping_add_signed(i64::from(step))
}

/// Extends the 16-bit numbers of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extender {
    highest: Option<u64>,
    cycle: u64,
}

impl Extender {
    /// The extended number, in the cycle that brings it nearest to the highest one seen.
    pub fn extend(&mut self, sequence: u16) -> u64 {
        let extended = match self.highest {
            Some(highest) => nearest(highest, sequence),
            None => self.cycle + FIRST_CYCLE + u64::from(sequence),
        };
        self.highest = Some(
            self.highest
                .map_or(extended, |highest| highest.max(extended)),
        );
        extended
    }

    /// The highest number so far.
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Another stream follows in the place of this one; its numbers lie above all earlier ones.
    pub fn restart(&mut self) {
        let highest = self.highest.take().unwrap_or(self.cycle);
        self.cycle = (highest >> 16 << 16) + FIRST_CYCLE;
    }
}

/// Closes the gaps that left-out packets (pure padding) would make in a stream's numbers.
///
/// A leg may not have a hole that no retransmission can fill, or its receiver asks for ever.
#[derive(Clone, Debug, Default)]
pub struct Renumbering {
    /// Left-out numbers in rising order, with how many were left out up to and with each.
    omitted: [(u64, u64); OMISSIONS_MAX],
    next: usize,
    total: u64,
}

impl Renumbering {
    /// The forwarded number of a packet.
    pub fn forwarded(&self, extended: u64) -> u64 {
        if self.total == 0 {
            return extended;
        }
        let last = self.omitted[(self.next + OMISSIONS_MAX - 1) % OMISSIONS_MAX];
        if extended > last.0 {
            return extended - self.total;
        }
        let before = self.omitted.iter().filter(|(at, _)| *at < extended);
        let count = before.map(|(_, total)| *total).max();
        let oldest = self
            .omitted
            .iter()
            .map(|(_, total)| *total)
            .filter(|t| *t > 0)
            .min();
        extended - count.or(oldest.map(|t| t - 1)).unwrap_or(0)
    }

    /// Whether a packet was left out, if that is still remembered.
    pub fn is_omitted(&self, extended: u64) -> bool {
        self.total > 0 && self.omitted.iter().any(|(at, _)| *at == extended)
    }

    /// Leaves out the packet with the highest number so far.
    pub fn omit(&mut self, extended: u64) {
        self.total += 1;
        self.omitted[self.next] = (extended, self.total);
        self.next = (self.next + 1) % OMISSIONS_MAX;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_over_the_roll_over_in_any_order() {
        let mut extender = Extender::default();
        let start = extender.extend(65_534);
        assert_eq!(extender.extend(0), start + 2);
        assert_eq!(extender.extend(65_535), start + 1);
        assert_eq!(extender.extend(1), start + 3);
        assert_eq!(extender.highest(), Some(start + 3));
        for step in 4..300_000 {
            assert_eq!(extender.extend((65_534 + step) as u16), start + step);
        }
    }

    #[test]
    fn a_packet_before_the_first_one_has_a_smaller_number() {
        let mut extender = Extender::default();
        assert!(extender.extend(0) > extender.extend(65_535));
    }

    #[test]
    fn a_restarted_stream_never_repeats_a_number() {
        let mut extender = Extender::default();
        let before = extender.extend(60_000);
        extender.restart();
        assert!(extender.extend(0) > before);
        extender.restart();
        extender.restart();
        assert!(extender.extend(5) > before);
    }

    #[test]
    fn left_out_packets_leave_no_gap_and_latecomers_keep_their_place() {
        let mut numbers = Renumbering::default();
        assert_eq!(numbers.forwarded(100), 100);
        numbers.omit(101);
        assert_eq!(numbers.forwarded(102), 101);
        numbers.omit(103);
        numbers.omit(104);
        assert_eq!(numbers.forwarded(105), 102);
        assert_eq!(numbers.forwarded(102), 101);
        assert_eq!(numbers.forwarded(100), 100);
    }

    #[test]
    fn forwarded_numbers_stay_distinct_behind_more_omissions_than_remembered() {
        let mut numbers = Renumbering::default();
        let mut seen = std::collections::BTreeSet::new();
        for extended in 70_000..70_400_u64 {
            match extended % 3 {
                0 => numbers.omit(extended),
                _ => assert!(seen.insert(numbers.forwarded(extended))),
            }
        }
        assert_eq!(
            seen.len() as u64,
            seen.last().unwrap() - seen.first().unwrap() + 1
        );
    }
}
