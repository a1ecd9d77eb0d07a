//! Puts packets in order and says where one is missing for good.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::media::ring::Packet;

/// How long a missing packet is waited for: the shard asks the publisher again meanwhile.
pub const PATIENCE: Duration = Duration::from_millis(600);

/// Packets that wait behind a missing one; beyond that it is given up.
pub const WAITING_MAX: usize = 512;

/// A packet that waits for its turn.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// When it came.
    pub at: Instant,
    /// What it is.
    pub packet: Packet,
    /// Its payload.
    pub payload: Bytes,
}

/// What comes next of a stream.
#[derive(Debug)]
pub enum Next {
    /// The next packet.
    Packet(Waiting),
    /// One or more packets are missing here.
    Lost,
}

/// See the module. Packets are named by their extended numbers.
#[derive(Debug, Default)]
pub struct Sorter {
    next: Option<u64>,
    waiting: BTreeMap<u64, Waiting>,
}

impl Sorter {
    /// Takes a packet; one that is known or was given up is left out.
    pub fn take(&mut self, waiting: Waiting) {
        let number = waiting.packet.number;
        if self.next.is_none_or(|next| number >= next) {
            self.waiting.entry(number).or_insert(waiting);
        }
    }

    /// What comes next, if it is there or will not come any more.
    pub fn next(&mut self, now: Instant) -> Option<Next> {
        let first = self.waiting.first_entry()?;
        let number = *first.key();
        let is_next = self.next.is_none_or(|next| next == number);
        if is_next {
            self.next = Some(number + 1);
            return Some(Next::Packet(first.remove()));
        }
        if now >= first.get().at + PATIENCE || self.waiting.len() > WAITING_MAX {
            self.next = Some(number);
            return Some(Next::Lost);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::codec::Insight;
    use crate::media::command::Codec;
    use crate::media::sample::Chance;
    use crate::media::transport::testing::origin;

    fn waiting(number: u64, at: Instant) -> Waiting {
        Waiting {
            at,
            packet: Packet {
                number,
                timestamp: 0,
                marker: false,
                codec: Codec::Opus,
                insight: Insight::default(),
            },
            payload: Bytes::new(),
        }
    }

    fn drain(sorter: &mut Sorter, now: Instant) -> Vec<Option<u64>> {
        let next = std::iter::from_fn(|| sorter.next(now));
        let number = |next| match next {
            Next::Packet(waiting) => Some(waiting.packet.number),
            Next::Lost => None,
        };
        next.map(number).collect()
    }

    #[test]
    fn a_late_packet_is_waited_for_and_a_lost_one_is_not_waited_for_longer() {
        let start = origin();
        let mut sorter = Sorter::default();
        for number in [7, 8, 10, 11] {
            sorter.take(waiting(number, start));
        }
        assert_eq!(drain(&mut sorter, start), [Some(7), Some(8)]);
        sorter.take(waiting(9, start));
        let told = drain(&mut sorter, start);
        assert_eq!(told, [Some(9), Some(10), Some(11)]);
        sorter.take(waiting(13, start));
        assert_eq!(drain(&mut sorter, start + PATIENCE / 2), []);
        let told = drain(&mut sorter, start + PATIENCE);
        assert_eq!(told, [None, Some(13)]);
        sorter.take(waiting(12, start + PATIENCE));
        assert_eq!(drain(&mut sorter, start + 2 * PATIENCE), []);
    }

    #[test]
    fn any_order_comes_out_in_order_and_little_waits() {
        let mut chance = Chance::new(5);
        let mut sorter = Sorter::default();
        let (mut now, mut last) = (origin(), None);
        for step in 0..50_000_u64 {
            now += Duration::from_millis(2);
            if chance.below(10) > 0 {
                sorter.take(waiting(step.saturating_sub(chance.below(20) as u64), now));
            }
            for number in drain(&mut sorter, now).into_iter().flatten() {
                assert!(last.is_none_or(|last| number > last));
                last = Some(number);
            }
            assert!(sorter.waiting.len() <= WAITING_MAX + 1);
        }
        assert!(last.is_some_and(|last| last > 49_000));
    }
}
