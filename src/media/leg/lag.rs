//! Where a leg is that may not send as fast as packets come.

use super::Arrival;
use crate::media::rewrite::Span;

/// The next packet of such a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// Index of the source's encoding.
    pub encoding: u8,
    /// Which of the streams that followed each other in that encoding.
    pub epoch: u32,
    /// Its number as forwarded.
    pub number: u64,
}

impl Lag {
    /// At a packet that came in.
    pub fn of(arrival: &Arrival) -> Self {
        Self {
            encoding: arrival.encoding,
            epoch: arrival.epoch,
            number: arrival.number,
        }
    }

    /// Behind the newest packet of a span that was sent or left out.
    pub fn behind(span: &Span, newest: u64) -> Self {
        Self {
            encoding: span.encoding,
            epoch: span.epoch,
            number: newest + 1,
        }
    }

    /// Whether it is of a span's stream.
    pub fn is_of(&self, span: &Span) -> bool {
        (self.encoding, self.epoch) == (span.encoding, span.epoch)
    }
}
