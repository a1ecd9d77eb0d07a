//! Reliable data on its way: packets that a receiver may need once more ([`Recent`]), what one
//! receiver was handed of them ([`Inbox`]), and packets that wait for their sender's session
//! ([`OwnData`]).

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::id::ParticipantId;

/// Recent packets of a room, with their addresses, bytes; beyond, the oldest are forgotten, and a
/// receiver that would need one misses it.
pub const RECENT_BYTES_MAX: usize = 1024 * 1024;
/// Recent packets of a room; bounded like [`RECENT_BYTES_MAX`].
pub const RECENT_PACKETS_MAX: usize = 1_024;
/// Who is away for longer than this comes in anew and needs nothing of before.
pub const RECENT_FOR: TimeDelta = TimeDelta::seconds(30);

/// Packets of one sender that wait while its signalling is up; a session that is so far behind
/// ends.
pub const OWN_PACKETS_MAX: usize = 1_024;
/// Packets of one sender that wait while its signalling is lost. Beyond, they are given up until
/// it is back: its client sends again what comes after the last sequence number that it is told.
pub const AWAY_PACKETS_MAX: usize = 512;
/// Bytes of them; bounded like [`AWAY_PACKETS_MAX`].
pub const AWAY_BYTES_MAX: usize = 1024 * 1024;
/// Packets that a session is given before it is done with the first; less than a line takes.
const TOLD_MAX: usize = 256;

/// One packet that was sent.
#[derive(Debug)]
pub struct Packet {
    /// Its place among all packets of the room.
    pub number: u64,
    /// Who sent it; the server without.
    pub sender: Option<ParticipantId>,
    /// The sender's own count; 0 is none.
    pub sequence: u32,
    /// Identities that get it; empty means everybody else.
    pub to: Vec<String>,
    /// The packet.
    pub payload: Bytes,
    at: DateTime<Utc>,
}

impl Packet {
    fn cost_bytes(&self) -> usize {
        let addresses: usize = self.to.iter().map(String::len).sum();
        self.payload.len() + addresses
    }
}

/// The latest packets of a room.
#[derive(Debug, Default)]
pub struct Recent {
    packets: VecDeque<Packet>,
    bytes: usize,
    next: u64,
}

impl Recent {
    /// The number of the next packet.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Keeps a packet; its number.
    pub fn keep(
        &mut self,
        now: DateTime<Utc>,
        (sender, sequence): (Option<ParticipantId>, u32),
        to: &[String],
        payload: &Bytes,
    ) -> u64 {
        let number = self.next;
        self.next += 1;
        let packet = Packet {
            number,
            sender,
            sequence,
            to: to.to_vec(),
            payload: payload.clone(),
            at: now,
        };
        self.bytes += packet.cost_bytes();
        self.packets.push_back(packet);
        self.forget(now);
        number
    }

    /// Forgets what is too old or too much.
    pub fn forget(&mut self, now: DateTime<Utc>) {
        while let Some(oldest) = self.packets.front() {
            let fits = self.bytes <= RECENT_BYTES_MAX && self.packets.len() <= RECENT_PACKETS_MAX;
            if fits && now - oldest.at <= RECENT_FOR {
                return;
            }
            self.bytes -= oldest.cost_bytes();
            self.packets.pop_front();
        }
    }

    /// Forgets everything; numbers go on.
    pub fn clear(&mut self) {
        self.packets = VecDeque::new();
        self.bytes = 0;
    }

    /// Packets with numbers from `from` to before `until`, in order.
    pub fn between(&self, from: u64, until: u64) -> impl Iterator<Item = &Packet> {
        let wanted = move |packet: &&Packet| (from..until).contains(&packet.number);
        self.packets.iter().filter(wanted)
    }
}

/// What one participant was handed.
#[derive(Debug)]
pub struct Inbox {
    /// Packets from this number on are for it; it was not here before.
    pub since: u64,
    /// Packets from this number on were handed to its open channel, which loses none; `None` before
    /// a channel is open.
    pub handed_from: Option<u64>,
    /// When its client last said what it had received, and that: the last sequence number by
    /// sender.
    pub received: Option<(DateTime<Utc>, BTreeMap<ParticipantId, u32>)>,
}

impl Inbox {
    /// Of somebody who comes in now.
    pub fn new(since: u64) -> Self {
        Self {
            since,
            handed_from: None,
            received: None,
        }
    }

    /// Whether it misses a packet that an earlier channel was handed. Only who says what it
    /// received is known to miss something.
    pub fn misses(&self, packet: &Packet) -> bool {
        let Some((_, received)) = &self.received else {
            return false;
        };
        let last = packet.sender.and_then(|sender| received.get(&sender));
        packet.sequence > last.copied().unwrap_or(0)
    }
}

/// Packets from a sender's channel, in order, until its session is done with them.
#[derive(Debug, Default)]
pub struct OwnData {
    waiting: VecDeque<(u64, Bytes)>,
    bytes: usize,
    told: usize,
    next: u64,
    /// Something was given up, so nothing more is taken until the signalling is back: what comes
    /// after a gap would make what is sent again look like a repetition.
    gave_up: bool,
}

impl OwnData {
    /// Takes a packet from the channel; false when there are too many.
    pub fn take(&mut self, payload: Bytes, is_away: bool) -> bool {
        let (count, bytes) = (self.waiting.len(), self.bytes + payload.len());
        let fits = match is_away {
            true => count < AWAY_PACKETS_MAX && bytes <= AWAY_BYTES_MAX && !self.gave_up,
            false => count < OWN_PACKETS_MAX,
        };
        self.gave_up = is_away && !fits;
        if fits {
            self.bytes = bytes;
            self.waiting.push_back((self.next, payload));
            self.next += 1;
        }
        fits
    }

    /// The next packet for the session and its number, unless it is busy.
    pub fn tell_next(&mut self) -> Option<(u64, Bytes)> {
        if self.told >= TOLD_MAX {
            return None;
        }
        let next = self.waiting.get(self.told).cloned()?;
        self.told += 1;
        Some(next)
    }

    /// The session is done with a packet; false when it was so before.
    pub fn done(&mut self, number: u64) -> bool {
        let is_first = self.waiting.front().is_some_and(|(own, _)| *own == number);
        if let Some((_, payload)) = self.waiting.pop_front_if(|_| is_first) {
            self.bytes -= payload.len();
            self.told = self.told.saturating_sub(1);
        }
        is_first
    }

    /// Another session takes over, and hears of everything that the old one was not done with.
    pub fn begin_again(&mut self) {
        self.told = 0;
        self.gave_up = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).unwrap()
    }

    fn keep(recent: &mut Recent, now: DateTime<Utc>, bytes: usize) {
        recent.keep(now, (None, 0), &[], &Bytes::from(vec![0; bytes]));
    }

    fn kept(recent: &Recent) -> Vec<u64> {
        recent.between(0, u64::MAX).map(|p| p.number).collect()
    }

    #[test]
    fn the_oldest_packets_are_forgotten_at_each_bound() {
        let mut recent = Recent::default();
        (0..RECENT_PACKETS_MAX + 2).for_each(|_| keep(&mut recent, start(), 1));
        assert_eq!(kept(&recent).len(), RECENT_PACKETS_MAX);
        assert_eq!(kept(&recent)[0], 2);
        keep(&mut recent, start(), RECENT_BYTES_MAX);
        assert_eq!(kept(&recent), [recent.next() - 1]);
        recent.forget(start() + RECENT_FOR);
        assert_eq!(kept(&recent).len(), 1);
        recent.forget(start() + RECENT_FOR + TimeDelta::milliseconds(1));
        assert!(kept(&recent).is_empty());
        assert_eq!(recent.bytes, 0);
    }

    #[test]
    fn addresses_count_as_much_as_the_packet() {
        let mut recent = Recent::default();
        keep(&mut recent, start(), 1);
        let to = vec!["x".repeat(RECENT_BYTES_MAX)];
        recent.keep(start(), (None, 0), &to, &Bytes::from_static(b"y"));
        assert!(kept(&recent).is_empty(), "none fits");
    }

    #[test]
    fn a_session_is_done_with_each_packet_once_and_in_order() {
        let mut own = OwnData::default();
        for text in ["a", "b"] {
            assert!(own.take(Bytes::from_static(text.as_bytes()), false));
        }
        let told: Vec<u64> = std::iter::from_fn(|| own.tell_next())
            .map(|(n, _)| n)
            .collect();
        assert_eq!(told, [0, 1]);
        assert!(own.done(0) && !own.done(0));
        own.begin_again();
        assert_eq!(own.tell_next().map(|(number, _)| number), Some(1));
        assert!(own.done(1) && own.waiting.is_empty() && own.bytes == 0);
    }

    #[test]
    fn what_comes_after_a_packet_that_was_given_up_is_given_up_until_the_signalling_is_back() {
        let mut own = OwnData::default();
        assert!(own.take(Bytes::from(vec![0; AWAY_BYTES_MAX]), true));
        assert!(!own.take(Bytes::from_static(b"x"), true));
        own.done(0);
        assert!(!own.take(Bytes::from_static(b"y"), true));
        own.begin_again();
        assert!(own.take(Bytes::from_static(b"x"), true));
    }
}
