//! Datagrams on a byte stream: each behind two bytes of length (RFC 4571 section 2), in both
//! directions, and what may wait for a client that reads slowly.

use super::demux::is_media;

/// Bytes of a length.
pub const LENGTH_BYTES: usize = 2;
/// Longest datagram taken from a stream, bytes; clients send what an unfragmented UDP datagram
/// would hold.
pub const FRAME_BYTES_MAX: usize = 2_048;
/// Media is dropped while more than this waits, bytes: a third of a second at 3 Mbit/s. The client
/// then sees loss, as on a congested network, and not a picture of long ago.
pub const MEDIA_WAITING_BYTES_MAX: usize = 128 * 1024;
/// Most that may wait at all, bytes, as for data channels; a client that leaves more is too slow.
pub const WAITING_BYTES_MAX: usize = 1024 * 1024;
/// Memory that an empty queue keeps, bytes.
const KEPT_BYTES: usize = 16 * 1024;

const _: () = assert!(MEDIA_WAITING_BYTES_MAX < WAITING_BYTES_MAX);
const _: () = assert!(FRAME_BYTES_MAX <= u16::MAX as usize);

/// A length beyond [`FRAME_BYTES_MAX`]: the sender speaks something else, or means harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Cuts a stream into datagrams. It keeps at most the beginning of one.
#[derive(Debug, Default)]
pub struct Unframer {
    begun: Vec<u8>,
}

impl Unframer {
    /// Hands out every datagram that ends within `bytes`, which follow what came before.
    ///
    /// # Errors
    ///
    /// At the first length that is too long; the stream is of no more use then.
    pub fn take(
        &mut self,
        bytes: &mut [u8],
        mut each: impl FnMut(&mut [u8]),
    ) -> Result<(), TooLong> {
        let mut bytes = self.complete(bytes, &mut each)?;
        while let Some(end) = frame_end(bytes)?
            && end <= bytes.len()
        {
            let (frame, rest) = bytes.split_at_mut(end);
            each(&mut frame[LENGTH_BYTES..]);
            bytes = rest;
        }
        self.begun.extend_from_slice(bytes);
        Ok(())
    }

    /// Finishes the datagram of which a part came before; what follows it.
    fn complete<'a>(
        &mut self,
        mut bytes: &'a mut [u8],
        each: &mut impl FnMut(&mut [u8]),
    ) -> Result<&'a mut [u8], TooLong> {
        while !self.begun.is_empty() && !bytes.is_empty() {
            let end = frame_end(&self.begun)?.unwrap_or(LENGTH_BYTES);
            let missing = end.saturating_sub(self.begun.len()).min(bytes.len());
            let (more, rest) = bytes.split_at_mut(missing);
            self.begun.extend_from_slice(more);
            bytes = rest;
            if frame_end(&self.begun)? == Some(self.begun.len()) {
                each(&mut self.begun[LENGTH_BYTES..]);
                self.begun.clear();
            }
        }
        Ok(bytes)
    }
}

/// Where the frame ends that begins here; `None` before its length is whole.
fn frame_end(bytes: &[u8]) -> Result<Option<usize>, TooLong> {
    let [high, low, ..] = bytes else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length > FRAME_BYTES_MAX {
        return Err(TooLong);
    }
    Ok(Some(LENGTH_BYTES + length))
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// It waits.
    Waits,
    /// It is media, and too much waits already.
    Dropped,
    /// The client reads too slowly for what it must get: its connection should end.
    Overflow,
}

/// Frames that wait until the client's connection takes them.
#[derive(Debug, Default)]
pub struct Backlog {
    bytes: Vec<u8>,
    taken: usize,
}

impl Backlog {
    /// Queues a datagram: media up to [`MEDIA_WAITING_BYTES_MAX`], everything else up to
    /// [`WAITING_BYTES_MAX`].
    pub fn push(&mut self, datagram: &[u8]) -> Queued {
        let waiting = self.waiting().len();
        if waiting > MEDIA_WAITING_BYTES_MAX && is_media(datagram) {
            return Queued::Dropped;
        }
        let length = u16::try_from(datagram.len());
        let Ok(length) = length.map(u16::to_be_bytes) else {
            return Queued::Dropped;
        };
        if waiting + LENGTH_BYTES + datagram.len() > WAITING_BYTES_MAX {
            return Queued::Overflow;
        }
        self.bytes.extend_from_slice(&length);
        self.bytes.extend_from_slice(datagram);
        Queued::Waits
    }

    /// What waits, in order.
    pub fn waiting(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    /// The connection took so many bytes.
    pub fn take(&mut self, bytes: usize) {
        self.taken = self.bytes.len().min(self.taken + bytes);
        if self.taken == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_BYTES);
            self.taken = 0;
        } else if self.taken > self.bytes.len() / 2 {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sample::Chance;

    fn framed(datagrams: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for datagram in datagrams {
            bytes.extend_from_slice(&(datagram.len() as u16).to_be_bytes());
            bytes.extend_from_slice(datagram);
        }
        bytes
    }

    fn media(len: usize) -> Vec<u8> {
        let mut packet = vec![0; len];
        packet[..2].copy_from_slice(&[0x80, 96]);
        packet
    }

    #[test]
    fn a_stream_is_cut_alike_however_it_arrives() {
        let seed = 11;
        let mut chance = Chance::new(seed);
        for round in 0..200 {
            let count = 1 + chance.below(20);
            let datagrams: Vec<Vec<u8>> = (0..count)
                .map(|_| vec![chance.next() as u8; chance.below(FRAME_BYTES_MAX + 1)])
                .collect();
            let mut bytes = framed(&datagrams);
            let (mut unframer, mut came) = (Unframer::default(), Vec::new());
            let mut rest = &mut bytes[..];
            while !rest.is_empty() {
                let piece = 1 + chance.below(rest.len().min(3_000));
                let (now, later) = rest.split_at_mut(piece);
                unframer
                    .take(now, |datagram| came.push(datagram.to_vec()))
                    .unwrap();
                assert!(unframer.begun.len() < LENGTH_BYTES + FRAME_BYTES_MAX);
                rest = later;
            }
            assert_eq!(came, datagrams, "seed {seed}, round {round}");
            assert!(unframer.begun.is_empty());
        }
    }

    #[test]
    fn a_length_beyond_the_bound_ends_the_stream_before_anything_is_kept() {
        let mut whole = [0x08, 0x01, 1, 2, 3];
        assert_eq!(Unframer::default().take(&mut whole, |_| ()), Err(TooLong));
        let mut unframer = Unframer::default();
        unframer.take(&mut [0xff], |_| ()).unwrap();
        assert_eq!(unframer.take(&mut [0xff, 0, 0], |_| ()), Err(TooLong));
        assert!(unframer.begun.len() <= LENGTH_BYTES);
    }

    #[test]
    fn media_is_dropped_and_control_waits_until_the_bound() {
        let mut backlog = Backlog::default();
        let media = media(1_200);
        let taken = (0..10_000)
            .take_while(|_| backlog.push(&media) == Queued::Waits)
            .count();
        assert!(taken * 1_202 < MEDIA_WAITING_BYTES_MAX + 2 * 1_202);
        assert_eq!(backlog.push(&media), Queued::Dropped);
        let control = [22; 1_200];
        let waits = (0..10_000)
            .take_while(|_| backlog.push(&control) == Queued::Waits)
            .count();
        assert!(waits > 500, "{waits} control datagrams waited");
        assert_eq!(backlog.push(&control), Queued::Overflow);
        assert!(backlog.waiting().len() <= WAITING_BYTES_MAX);
    }

    #[test]
    fn what_waits_leaves_in_order_however_little_is_taken_at_once() {
        let mut chance = Chance::new(12);
        let (mut backlog, mut sent, mut came) = (Backlog::default(), Vec::new(), Vec::new());
        for n in 0..3_000_u32 {
            let datagram = vec![20 + (n % 40) as u8; 1 + chance.below(1_400)];
            if backlog.push(&datagram) == Queued::Waits {
                sent.extend(framed(&[datagram]));
            }
            let some = chance.below(backlog.waiting().len() + 1).min(1_400);
            came.extend_from_slice(&backlog.waiting()[..some]);
            backlog.take(some);
            assert!(backlog.bytes.len() <= 2 * WAITING_BYTES_MAX);
        }
        came.extend_from_slice(backlog.waiting());
        backlog.take(usize::MAX);
        assert_eq!(came, sent);
        assert!(backlog.bytes.is_empty() && backlog.bytes.capacity() <= KEPT_BYTES);
    }
}
