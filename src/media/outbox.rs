//! Control datagrams (STUN, DTLS, RTCP) that wait for a batch; the memory is used again.

use super::batch::SendBatch;
use super::remote::Remote;

/// Bytes that may wait; more are dropped, and the protocols ask again.
const OUTBOX_BYTES_MAX: usize = 4 * 1024 * 1024;

/// See the module.
#[derive(Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    waiting: Vec<(Remote, usize)>,
    sent: usize,
    sent_bytes: usize,
}

impl Outbox {
    /// Queues a datagram.
    pub fn push(&mut self, to: Remote, datagram: &[u8]) {
        self.write(to, |bytes| {
            bytes.extend_from_slice(datagram);
            Some(datagram.len())
        });
    }

    /// Queues the datagram that `write` appends to the given bytes, unless it tells `None`.
    pub fn write(&mut self, to: Remote, write: impl FnOnce(&mut Vec<u8>) -> Option<usize>) {
        let start = self.bytes.len();
        if start >= OUTBOX_BYTES_MAX {
            return;
        }
        match write(&mut self.bytes) {
            Some(_) => self.waiting.push((to, self.bytes.len() - start)),
            None => self.bytes.truncate(start),
        }
    }

    /// Drops what a write that never ended left behind.
    pub fn mend(&mut self) {
        let waiting = self.waiting.iter().skip(self.sent);
        let whole = self.sent_bytes + waiting.map(|(_, len)| len).sum::<usize>();
        self.bytes.truncate(whole);
    }

    /// Something waits.
    pub fn is_waiting(&self) -> bool {
        self.sent < self.waiting.len()
    }

    /// Moves what waits into a batch, in order: true when the batch is full and more waits.
    pub fn fill(&mut self, batch: &mut SendBatch) -> bool {
        while let Some(&(to, len)) = self.waiting.get(self.sent) {
            let datagram = &self.bytes[self.sent_bytes..self.sent_bytes + len];
            if !batch.push(to, datagram) {
                return true;
            }
            self.sent += 1;
            self.sent_bytes += len;
        }
        self.waiting.clear();
        self.bytes.clear();
        (self.sent, self.sent_bytes) = (0, 0);
        false
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn to(port: u16) -> Remote {
        Remote::Udp(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    #[test]
    fn everything_leaves_in_order_over_several_batches() {
        let mut outbox = Outbox::default();
        for n in 0..500_u16 {
            outbox.push(to(n), &n.to_be_bytes());
            outbox.write(to(n), |_| None);
        }
        let (mut batch, mut came) = (SendBatch::default(), Vec::new());
        let mut more = true;
        while more {
            more = outbox.fill(&mut batch);
            came.extend(batch.datagrams().map(|(to, _)| to.address().port()));
            batch.clear();
        }
        assert_eq!(came, (0..500).collect::<Vec<_>>());
        assert!(!outbox.is_waiting() && outbox.bytes.is_empty());
    }

    #[test]
    fn a_client_that_floods_us_cannot_make_the_outbox_grow() {
        let mut outbox = Outbox::default();
        for _ in 0..10_000 {
            outbox.push(to(1), &[0; 1_200]);
        }
        assert!(outbox.bytes.len() < OUTBOX_BYTES_MAX + 1_200);
    }
}
