//! What was sent to one client under transport-wide numbers, until its feedback tells how it came.

use crate::media::sequence::nearest;

/// Packets that are remembered at first.
const SLOTS_MIN: usize = 256;

/// Packets that are remembered at most: half a second at 40 Mbit/s. Beyond, the oldest are
/// forgotten and what feedback tells of them is ignored.
const SLOTS_MAX: usize = 2_048;

/// A packet that is forgotten earlier than this makes the log grow, microseconds.
const REMEMBERED_MICROS: u64 = 1_000_000;

const _: () = assert!(SLOTS_MIN.is_power_of_two() && SLOTS_MAX.is_power_of_two());

/// A packet that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When, microseconds since the estimator's origin.
    pub at: u64,
    /// Its size on the wire, bytes.
    pub bytes: u16,
    /// The probe that it belongs to; 0 is none.
    pub probe: u8,
    /// It was told to be lost before.
    pub was_lost: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// Never used, or told of as received.
    #[default]
    Done,
    Out,
    Lost,
}

/// One remembered packet in eight bytes; the time is cut to 32 bits (71 minutes).
#[derive(Clone, Copy, Default)]
struct Slot {
    at: u32,
    bytes: u16,
    probe: u8,
    state: State,
}

/// See the module.
pub struct SentLog {
    slots: Box<[Slot]>,
    next: u64,
}

impl Default for SentLog {
    fn default() -> Self {
        Self {
            slots: vec![Slot::default(); SLOTS_MIN].into_boxed_slice(),
            next: 1,
        }
    }
}

impl SentLog {
    /// Notes a packet; its number on the wire. A log that forgets too early doubles, a few times in
    /// a connection's life at most; nothing else here allocates.
    pub fn push(&mut self, at: u64, bytes: u16, probe: u8) -> u16 {
        let number = self.next;
        let oldest = self.slots[self.index(number)];
        let young = elapsed(at, oldest.at) < REMEMBERED_MICROS;
        if oldest.state != State::Done && young && self.slots.len() < SLOTS_MAX {
            self.grow();
        }
        self.next += 1;
        let index = self.index(number);
        self.slots[index] = Slot {
            at: at as u32,
            bytes,
            probe,
            state: State::Out,
        };
        number as u16
    }

    /// Takes the news that a packet came; the first time only.
    pub fn came(&mut self, now: u64, number: u16) -> Option<Sent> {
        let slot = self.find(number)?;
        let was_lost = slot.state == State::Lost;
        slot.state = State::Done;
        Some(Sent {
            at: now - elapsed(now, slot.at).min(now),
            bytes: slot.bytes,
            probe: slot.probe,
            was_lost,
        })
    }

    /// Takes the news that a packet did not come; true the first time. A probe may lose without
    /// anything being wrong, so its packets do not count.
    pub fn missed(&mut self, number: u16) -> bool {
        let out = self.find(number).filter(|slot| slot.state == State::Out);
        out.is_some_and(|slot| {
            slot.state = State::Lost;
            slot.probe == 0
        })
    }

    fn find(&mut self, number: u16) -> Option<&mut Slot> {
        let number = nearest(self.next - 1, number);
        let oldest = self.next.saturating_sub(self.slots.len() as u64);
        if number >= self.next || number < oldest {
            return None;
        }
        let index = self.index(number);
        let slot = self.slots.get_mut(index)?;
        (slot.state != State::Done).then_some(slot)
    }

    fn grow(&mut self) {
        let mut larger = vec![Slot::default(); self.slots.len() * 2].into_boxed_slice();
        let oldest = self.next.saturating_sub(self.slots.len() as u64);
        for number in oldest..self.next {
            larger[number as usize % larger.len()] = self.slots[self.index(number)];
        }
        self.slots = larger;
    }

    fn index(&self, number: u64) -> usize {
        number as usize & (self.slots.len() - 1)
    }
}

/// Microseconds from a cut moment to a later whole one.
fn elapsed(now: u64, at: u32) -> u64 {
    u64::from((now as u32).wrapping_sub(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_told_once_with_the_time_it_was_sent() {
        let mut log = SentLog::default();
        let start = 5_000_000_000_u64;
        let number = log.push(start, 1_200, 3);
        let sent = log.came(start + 70_000, number).unwrap();
        assert_eq!((sent.at, sent.bytes, sent.probe), (start, 1_200, 3));
        assert_eq!(log.came(start + 80_000, number), None);
        assert_eq!(log.came(start, number.wrapping_add(1)), None);
    }

    #[test]
    fn a_loss_counts_once_and_a_latecomer_says_that_it_was_one() {
        let mut log = SentLog::default();
        let number = log.push(1, 100, 0);
        assert!(log.missed(number));
        assert!(!log.missed(number));
        assert!(log.came(2, number).unwrap().was_lost);
        assert!(!log.missed(number));
    }

    #[test]
    fn the_log_grows_with_the_rate_and_stays_bounded() {
        let mut log = SentLog::default();
        for step in 0..100_000_u64 {
            let number = log.push(step * 10, 1_200, 0);
            assert_eq!(number, (step + 1) as u16);
        }
        assert_eq!(log.slots.len(), SLOTS_MAX);
        let newest = 100_000_u64;
        assert!(log.came(1_000_000, newest as u16).is_some());
        assert!(
            log.came(1_000_000, (newest - SLOTS_MAX as u64) as u16)
                .is_none()
        );
        let mut slow = SentLog::default();
        for step in 0..1_000_u64 {
            slow.push(step * 20_000, 1_200, 0);
        }
        assert_eq!(slow.slots.len(), SLOTS_MIN);
    }
}
