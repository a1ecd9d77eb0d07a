//! Packet indices already seen, per stream, and the guess of the roll-over counter.

use std::collections::BTreeMap;

/// Streams with a window of their own; more than any client publishes at once.
pub(super) const LIVE_STREAMS_MAX: usize = 64;
/// Streams whose highest index alone is kept, for clients that publish anew for hours.
pub(super) const RETIRED_STREAMS_MAX: usize = 1024;
/// Indices behind the highest one that may still come, once each.
const WINDOW: u64 = 1024;
const WORDS: usize = WINDOW as usize / 64;

/// Where a stream stands in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// It has a window.
    Live(usize),
    /// It gave its window up; nothing at or below this index is taken any more.
    Retired(u64),
    /// Never authenticated.
    New,
}

/// Replay protection of all streams of one direction and protocol (RFC 3711 section 3.3.2).
///
/// At the limit, the stream heard least recently gives up its window and only newer packets of it
/// are taken; when that list is full too, new streams are refused.
pub(super) struct ReplayTable {
    // Apart from the windows, so that a search stays within a few cache lines.
    ssrcs: Vec<u32>,
    windows: Vec<Window>,
    retired: BTreeMap<u32, u64>,
    accepted: u64,
}

impl ReplayTable {
    pub(super) fn new() -> Self {
        Self {
            ssrcs: Vec::new(),
            windows: Vec::new(),
            retired: BTreeMap::new(),
            accepted: 0,
        }
    }

    pub(super) fn find(&self, ssrc: u32) -> Slot {
        if let Some(at) = self.ssrcs.iter().position(|known| *known == ssrc) {
            return Slot::Live(at);
        }
        match self.retired.get(&ssrc) {
            Some(highest) => Slot::Retired(*highest),
            None => Slot::New,
        }
    }

    /// The 48-bit index nearest to what the stream has reached (RFC 3711 appendix A); a new stream
    /// begins with a roll-over counter of zero. `None` before the beginning.
    pub(super) fn extend(&self, slot: Slot, sequence: u16) -> Option<u64> {
        let highest = match slot {
            Slot::Live(at) => self.windows.get(at)?.highest,
            Slot::Retired(highest) => highest,
            Slot::New => return Some(u64::from(sequence)),
        };
        let distance = sequence.wrapping_sub(highest as u16) as i16;
        highest
            .checked_add_signed(i64::from(distance))
            .filter(|index| index >> 48 == 0)
    }

    /// Whether a packet of this index may be taken if it proves authentic.
    pub(super) fn is_fresh(&self, slot: Slot, index: u64) -> bool {
        match slot {
            Slot::Live(at) => self.windows.get(at).is_some_and(|w| w.is_fresh(index)),
            Slot::Retired(highest) => index > highest,
            Slot::New => {
                self.ssrcs.len() < LIVE_STREAMS_MAX || self.retired.len() < RETIRED_STREAMS_MAX
            }
        }
    }

    /// Remembers an authenticated packet.
    pub(super) fn accept(&mut self, slot: Slot, ssrc: u32, index: u64) {
        self.accepted += 1;
        match slot {
            Slot::Live(at) => {
                if let Some(window) = self.windows.get_mut(at) {
                    window.accept(index, self.accepted);
                }
            }
            Slot::Retired(highest) => {
                self.retired.remove(&ssrc);
                self.insert(ssrc, Window::all_seen(highest), index);
            }
            Slot::New => self.insert(ssrc, Window::starting_at(index), index),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ssrcs.len() + self.retired.len()
    }

    fn insert(&mut self, ssrc: u32, mut window: Window, index: u64) {
        window.accept(index, self.accepted);
        if self.ssrcs.len() < LIVE_STREAMS_MAX {
            self.ssrcs.push(ssrc);
            self.windows.push(window);
            return;
        }
        let oldest = (0..self.windows.len()).min_by_key(|at| self.windows[*at].used);
        let Some(at) = oldest else { return };
        self.retired
            .insert(self.ssrcs[at], self.windows[at].highest);
        self.ssrcs[at] = ssrc;
        self.windows[at] = window;
    }
}

/// The last [`WINDOW`] indices of one stream, as a ring of bits.
struct Window {
    highest: u64,
    used: u64,
    seen: [u64; WORDS],
}

impl Window {
    fn starting_at(index: u64) -> Self {
        Self {
            highest: index,
            used: 0,
            seen: [0; WORDS],
        }
    }

    fn all_seen(highest: u64) -> Self {
        Self {
            highest,
            used: 0,
            seen: [u64::MAX; WORDS],
        }
    }

    fn is_fresh(&self, index: u64) -> bool {
        if index > self.highest {
            return true;
        }
        let (word, bit) = place(index);
        self.highest - index < WINDOW && self.seen[word] & bit == 0
    }

    fn accept(&mut self, index: u64, used: u64) {
        self.used = used;
        if index > self.highest {
            if index - self.highest >= WINDOW {
                self.seen = [0; WORDS];
            } else {
                for passed in self.highest + 1..index {
                    let (word, bit) = place(passed);
                    self.seen[word] &= !bit;
                }
            }
            self.highest = index;
        }
        let (word, bit) = place(index);
        self.seen[word] |= bit;
    }
}

fn place(index: u64) -> (usize, u64) {
    let within = index % WINDOW;
    ((within / 64) as usize, 1 << (within % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(table: &mut ReplayTable, ssrc: u32, index: u64) -> bool {
        let slot = table.find(ssrc);
        let fresh = table.is_fresh(slot, index);
        if fresh {
            table.accept(slot, ssrc, index);
        }
        fresh
    }

    #[test]
    fn each_index_within_the_window_is_taken_once_in_any_order() {
        let mut table = ReplayTable::new();
        assert!(take(&mut table, 1, 5_000));
        for index in (3_977..5_000).rev() {
            assert!(
                take(&mut table, 1, index),
                "{index} came late for the first time"
            );
            assert!(!take(&mut table, 1, index), "{index} came twice");
        }
        assert!(!take(&mut table, 1, 3_976), "older than the window");
        assert!(take(&mut table, 1, 9_000), "a jump clears the window");
        assert!(take(&mut table, 1, 8_000), "not seen before the jump");
        assert!(!take(&mut table, 1, 7_976));
    }

    #[test]
    fn the_roll_over_counter_follows_the_nearest_index() {
        let mut table = ReplayTable::new();
        assert_eq!(table.extend(Slot::New, 65_000), Some(65_000));
        assert!(take(&mut table, 1, 65_535));
        let slot = table.find(1);
        assert_eq!(table.extend(slot, 2), Some(65_538));
        assert_eq!(table.extend(slot, 65_000), Some(65_000));
        assert!(take(&mut table, 1, 65_538));
        assert_eq!(table.extend(slot, 65_534), Some(65_534));
        assert!(take(&mut table, 2, 3));
        let early = table.find(2);
        assert_eq!(table.extend(early, 65_534), None, "before the beginning");
    }

    #[test]
    fn the_table_stays_within_its_limits_and_no_retired_packet_comes_back() {
        let mut table = ReplayTable::new();
        let all = (LIVE_STREAMS_MAX + RETIRED_STREAMS_MAX) as u32;
        for ssrc in 0..all {
            assert!(take(&mut table, ssrc, 100), "stream {ssrc}");
        }
        assert_eq!(table.len(), all as usize);
        assert!(!take(&mut table, all, 100), "no room for another");
        assert!(matches!(table.find(0), Slot::Retired(100)));
        assert!(!take(&mut table, 0, 100), "a replay of a retired stream");
        assert!(!take(&mut table, 0, 99));
        assert!(take(&mut table, 0, 101), "the stream itself may go on");
        assert!(!take(&mut table, 0, 100), "what it had seen stays seen");
        assert_eq!(table.len(), all as usize);
    }
}
