//! The stretches that a leg's stream is made of.

use super::Arrival;
use crate::media::rewrite::Span;

/// Spans that are remembered for retransmissions and latecomers; of older ones, neither is sent.
const SPANS_MAX: usize = 8;

/// See the module.
#[derive(Clone, Copy, Default)]
pub struct Spans {
    /// Newest first.
    known: [Option<Span>; SPANS_MAX],
    is_open: bool,
}

impl Spans {
    /// The one that packets come in.
    pub fn open(&self) -> Option<Span> {
        self.newest().filter(|_| self.is_open)
    }

    /// The newest, over or not.
    pub fn newest(&self) -> Option<Span> {
        self.known[0]
    }

    /// Another one begins.
    pub fn begin(&mut self, span: Span) {
        self.known.rotate_right(1);
        self.known[0] = Some(span);
        self.is_open = true;
    }

    /// Nothing comes until another one begins.
    pub fn end(&mut self) {
        self.is_open = false;
    }

    /// The span of a number that was sent.
    pub fn of_sent(&self, number: u64) -> Option<Span> {
        let mut known = self.known.into_iter().flatten();
        known.find(|span| number >= span.first_out)
    }

    /// The span of a packet of the open one's stream, and the number where that span ends: a
    /// latecomer may be of a span before.
    pub fn of_arrival(&self, arrival: &Arrival) -> Option<(Span, u64)> {
        let mut end = u64::MAX;
        let known = self.known.into_iter().flatten();
        for span in known.filter(|_| self.is_open) {
            if !arrival.is_of(&span) {
                return None;
            }
            if arrival.number >= span.begins {
                return Some((span, end));
            }
            end = span.first_out;
        }
        None
    }
}
