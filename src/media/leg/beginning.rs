//! Which packets a leg takes: where its spans begin, and how high they reach.

use std::cmp::Ordering;

use super::{Arrival, Leg};
use crate::media::codec::Insight;
use crate::media::report::media_time;
use crate::media::rewrite::{Pictures, Span};
use crate::media::ring::Packet;
use crate::media::source::Remembered;
use crate::media::thinning::Place;

impl Leg {
    /// The span a packet belongs to, and the number where that ends; a packet that a decoder can
    /// start with may begin one.
    pub(super) fn span_of(
        &mut self,
        arrival: &Arrival,
        found: &Remembered<'_>,
    ) -> Option<(Span, u64)> {
        let open = self.spans.open();
        if let Some(span) = open.filter(|span| arrival.is_of(span)) {
            if let Some(shifted) = self.shifted(&span, found) {
                self.spans.begin(shifted);
            }
            self.newest_in = self.newest_in.max(arrival.number);
            return self.spans.of_arrival(arrival);
        }
        if !self.may_begin(arrival, found.packet) {
            return None;
        }
        let place = found.place(self.wanted.temporal)?;
        let span = self.begin(arrival, found, &place);
        self.spans.begin(span);
        self.newest_in = arrival.number;
        Some((span, u64::MAX))
    }

    /// A latecomer of the stream that was sent last is no beginning: what followed it is sent.
    pub(super) fn may_begin(&self, arrival: &Arrival, packet: &Packet) -> bool {
        let newest = self.spans.newest();
        let is_late =
            newest.is_some_and(|span| arrival.is_of(&span)) && arrival.number <= self.newest_in;
        let is_wanted = arrival.encoding == self.wanted.encoding;
        !self.is_stopped() && is_wanted && packet.insight.entry && !is_late
    }

    /// The span that goes on with other temporal layers from a packet on, where it may: down
    /// before any picture; up at a key frame, by one layer at a picture that needs none of that
    /// layer before it, or to where a picture that it takes anyway opens the way. Everything else
    /// keeps its number and picture.
    fn shifted(&self, span: &Span, found: &Remembered<'_>) -> Option<Span> {
        let wanted = self.temporal_within(span);
        let packet = found.packet;
        if wanted == span.temporal || packet.number <= self.newest_in {
            return None;
        }
        let insight = &packet.insight;
        let temporal = match wanted < span.temporal || insight.entry {
            true => Some(wanted).filter(|_| insight.starts),
            false => higher(span.temporal, insight, wanted),
        }?;
        let (before, after) = (found.place(span.temporal)?, found.place(temporal)?);
        let picture_offset = span.picture_offset.wrapping_sub(before.pictures);
        Some(Span {
            temporal,
            begins: packet.number,
            first_in: after.number,
            first_out: span.outgoing(before.number)?,
            picture_offset: picture_offset.wrapping_add(after.pictures),
            ..*span
        })
    }

    /// The temporal layer to go to while in a span: one that is too much already, and is left at
    /// the next key frame of a lower encoding, takes as little as it can until then.
    fn temporal_within(&self, span: &Span) -> u8 {
        match span.encoding.cmp(&self.wanted.encoding) {
            Ordering::Less => span.temporal,
            Ordering::Equal => self.wanted.temporal,
            Ordering::Greater => 0,
        }
    }

    /// The first packet of a span gets the next number, picture and moment of the leg.
    fn begin(&self, arrival: &Arrival, found: &Remembered<'_>, place: &Place) -> Span {
        let packet = found.packet;
        let mut span = Span {
            encoding: arrival.encoding,
            epoch: arrival.epoch,
            temporal: self.wanted.temporal,
            begins: packet.number,
            first_in: place.number,
            first_out: self.next_out,
            timestamp_offset: 0,
            picture_offset: place.pictures,
            base_layer_offset: 0,
        };
        let Some(last) = self.last else {
            return span;
        };
        let before = self.spans.newest();
        let same = before.filter(|before| arrival.is_of(before));
        span.timestamp_offset = same.map_or_else(
            || {
                let passed = arrival.at.saturating_duration_since(last.at);
                let ticks = media_time(passed, packet.codec.clock_rate_hz()).max(1);
                last.timestamp
                    .wrapping_add(ticks)
                    .wrapping_sub(packet.timestamp)
            },
            |span| span.timestamp_offset,
        );
        let pictures = Pictures::read(packet, found.payload);
        let next = last.pictures.picture.wrapping_add(1);
        let offset = next.wrapping_sub(pictures.picture);
        span.picture_offset = offset.wrapping_add(place.pictures);
        let next = last.pictures.base_layer.wrapping_add(1);
        span.base_layer_offset = next.wrapping_sub(pictures.base_layer);
        span
    }
}

/// The layer above `temporal` that may be begun at a packet, up to what is wanted.
fn higher(temporal: u8, insight: &Insight, wanted: u8) -> Option<u8> {
    let layer = insight.layer?;
    let next = insight.starts && layer.sync && layer.id == temporal + 1;
    let open = layer.opens.min(wanted);
    match layer.id <= temporal && open > temporal {
        true => Some(open),
        false => next.then_some(layer.id),
    }
}
