//! What is to be sent, as pure memory: one arena, up to 64 messages, each a run of datagrams of
//! one destination that the kernel cuts (generic segmentation offload), and frames for TCP
//! connections.

use std::net::SocketAddr;

use super::remote::{Connection, Remote};

/// Messages in one batch.
pub const MESSAGES_MAX: usize = 64;

/// Frames for TCP connections in one batch.
pub const FRAMES_MAX: usize = 256;

/// Bytes in one batch.
pub const ARENA_BYTES: usize = 256 * 1024;

/// Datagrams in one run; the kernel takes 64.
const RUN_SEGMENTS_MAX: usize = 48;

/// Bytes in one run; a message with its headers must stay below 65,535.
const RUN_BYTES_MAX: usize = 60_000;

/// One `sendmmsg` entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where to.
    pub destination: SocketAddr,
    /// First byte in the arena.
    pub start: usize,
    /// Bytes of all datagrams.
    pub len: usize,
    /// Bytes of each datagram but the last, which may be shorter.
    pub segment: usize,
    /// Number of datagrams.
    pub segments: usize,
}

/// One datagram for a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where to.
    pub connection: Connection,
    start: usize,
    len: usize,
}

/// A batch under construction; see the module.
pub struct SendBatch {
    arena: Box<[u8]>,
    used: usize,
    messages: Vec<Message>,
    frames: Vec<Frame>,
    run_max: usize,
}

impl Default for SendBatch {
    fn default() -> Self {
        Self {
            arena: vec![0; ARENA_BYTES].into_boxed_slice(),
            used: 0,
            messages: Vec::with_capacity(MESSAGES_MAX),
            frames: Vec::with_capacity(FRAMES_MAX),
            run_max: RUN_SEGMENTS_MAX,
        }
    }
}

impl SendBatch {
    /// Every datagram is a message of its own from now on: the kernel does not cut runs.
    pub fn forbid_runs(&mut self) {
        self.run_max = 1;
    }

    /// Room for one datagram of at most `bytes`; `None` when the batch must be sent first.
    pub fn room(&mut self, bytes: usize) -> Option<&mut [u8]> {
        if self.messages.len() == MESSAGES_MAX || self.frames.len() == FRAMES_MAX {
            return None;
        }
        self.arena.get_mut(self.used..self.used + bytes)
    }

    /// Takes the first `len` bytes of the room given last as a datagram.
    pub fn commit(&mut self, destination: Remote, len: usize) {
        let start = self.used;
        self.used += len;
        let destination = match destination {
            Remote::Udp(address) => address,
            Remote::Tcp(connection) => {
                self.frames.push(Frame {
                    connection,
                    start,
                    len,
                });
                return;
            }
        };
        if let Some(run) = self.messages.last_mut()
            && run.destination == destination
            && run.segments < self.run_max
            && run.start + run.len == start
            && run.len == run.segment * run.segments
            && len <= run.segment
            && run.len + len <= RUN_BYTES_MAX
        {
            run.len += len;
            run.segments += 1;
            return;
        }
        self.messages.push(Message {
            destination,
            start,
            len,
            segment: len,
            segments: 1,
        });
    }

    /// Adds a whole datagram; false when the batch must be sent first.
    pub fn push(&mut self, destination: Remote, datagram: &[u8]) -> bool {
        let Some(room) = self.room(datagram.len()) else {
            return false;
        };
        room.copy_from_slice(datagram);
        self.commit(destination, datagram.len());
        true
    }

    /// What is to be sent by UDP, in order.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The bytes of a message.
    pub fn bytes(&self, message: &Message) -> &[u8] {
        &self.arena[message.start..message.start + message.len]
    }

    /// What is to be sent by TCP, in order.
    pub fn frames(&self) -> impl Iterator<Item = (Connection, &[u8])> {
        self.frames.iter().map(|frame| {
            let bytes = &self.arena[frame.start..frame.start + frame.len];
            (frame.connection, bytes)
        })
    }

    /// Every datagram with its destination, as the network will see them; UDP first.
    pub fn datagrams(&self) -> impl Iterator<Item = (Remote, &[u8])> {
        let datagrams = self.messages.iter().flat_map(|message| {
            let bytes = self.bytes(message).chunks(message.segment.max(1));
            bytes.map(|datagram| (Remote::Udp(message.destination), datagram))
        });
        let frames = self.frames();
        datagrams.chain(frames.map(|(connection, bytes)| (Remote::Tcp(connection), bytes)))
    }

    /// Empties the batch.
    pub fn clear(&mut self) {
        self.used = 0;
        self.messages.clear();
        self.frames.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sample::Chance;

    fn to(port: u16) -> Remote {
        Remote::Udp(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    fn by_tcp(number: u64) -> Remote {
        Remote::Tcp(Connection {
            number,
            client: to(number as u16).address(),
        })
    }

    fn runs(sizes: &[usize]) -> Vec<(usize, usize)> {
        let mut batch = SendBatch::default();
        for size in sizes {
            assert!(batch.push(to(1), &vec![1; *size]));
        }
        batch
            .messages()
            .iter()
            .map(|m| (m.segment, m.segments))
            .collect()
    }

    #[test]
    fn a_run_has_equal_sizes_and_only_its_last_datagram_is_shorter() {
        assert_eq!(runs(&[100, 100, 100]), [(100, 3)]);
        assert_eq!(runs(&[100, 100, 60]), [(100, 3)]);
        assert_eq!(runs(&[100, 60, 60]), [(100, 2), (60, 1)]);
        assert_eq!(runs(&[60, 100, 100]), [(60, 1), (100, 2)]);
        assert_eq!(runs(&[100, 60, 100]), [(100, 2), (100, 1)]);
    }

    #[test]
    fn a_run_is_bounded_in_datagrams_and_bytes() {
        assert_eq!(runs(&[10; 50]), [(10, 48), (10, 2)]);
        assert_eq!(runs(&[1500; 41]), [(1500, 40), (1500, 1)]);
    }

    #[test]
    fn a_run_has_one_destination() {
        let mut batch = SendBatch::default();
        for port in [1, 1, 2, 1] {
            assert!(batch.push(to(port), &[0; 10]));
        }
        assert_eq!(batch.messages().len(), 3);
    }

    #[test]
    fn frames_stand_beside_messages_and_end_a_run_whose_bytes_they_part() {
        let mut batch = SendBatch::default();
        for n in 0..6_u8 {
            let to = if n % 2 == 0 { to(1) } else { by_tcp(1) };
            assert!(batch.push(to, &[n; 10]));
        }
        assert_eq!(batch.messages().len(), 3);
        let sent: Vec<u8> = batch.datagrams().map(|(_, bytes)| bytes[9]).collect();
        assert_eq!(sent, [0, 2, 4, 1, 3, 5]);
        let frames: Vec<_> = batch
            .frames()
            .map(|(to, bytes)| (to.number, bytes[0]))
            .collect();
        assert_eq!(frames, [(1, 1), (1, 3), (1, 5)]);
        let more = (0..1_000).take_while(|_| batch.push(by_tcp(2), &[0; 10]));
        assert_eq!(more.count() + 3, FRAMES_MAX);
        batch.clear();
        assert_eq!(batch.datagrams().count(), 0);
    }

    #[test]
    fn without_segmentation_every_datagram_is_a_message() {
        let mut batch = SendBatch::default();
        batch.forbid_runs();
        let pushed = (0..100).take_while(|_| batch.push(to(1), &[0; 10])).count();
        assert_eq!(
            (pushed, batch.messages().len()),
            (MESSAGES_MAX, MESSAGES_MAX)
        );
    }

    #[test]
    fn what_goes_in_comes_out_in_order() {
        let mut chance = Chance::new(6);
        let mut batch = SendBatch::default();
        for _ in 0..200 {
            let mut sent = Vec::new();
            loop {
                let datagram = vec![chance.next() as u8; 1 + chance.below(1400)];
                let port = chance.below(3) as u16;
                if !batch.push(to(port), &datagram) {
                    break;
                }
                sent.push((to(port), datagram));
            }
            let came: Vec<_> = batch.datagrams().map(|(to, d)| (to, d.to_vec())).collect();
            assert_eq!(came, sent);
            batch.clear();
        }
    }
}
