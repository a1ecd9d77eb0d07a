//! What clients send: connectivity checks, DTLS, media and its feedback.

use std::time::Instant;

use super::Shard;
use super::mishap::AtHand;
use crate::media::bandwidth::feedback::Feedback;
use crate::media::command::{Event, MediaKind};
use crate::media::peer::Peer;
use crate::media::remote::Remote;
use crate::media::report::round_trip;
use crate::media::rtcp::{Item, ReportBlock, SenderInfo, items, nacked};
use crate::media::rtp::{Header, read_u16};
use crate::media::source::{Received, Source};
use crate::media::transport::{Binding, ParsedBinding};

impl Shard {
    pub(super) fn handle_stun(&mut self, now: Instant, from: Remote, packet: &[u8]) {
        let Some(request) = ParsedBinding::parse(packet) else {
            return;
        };
        let Some(&place) = self.by_ufrag.get(request.local_ufrag()) else {
            return;
        };
        self.at_hand = AtHand::Client(place);
        let Some(peer) = self.peers.get_mut(place) else {
            return;
        };
        match peer.transport.handle_binding(now, from, &request) {
            Binding::Verified { .. } => {
                if self.by_address.get(&from) != Some(&place) {
                    self.by_address.insert(from, place);
                }
            }
            Binding::Refused => {}
        }
        self.after_transport(now, place);
    }

    pub(super) fn handle_dtls(&mut self, now: Instant, from: Remote, packet: &[u8]) {
        let place = self.by_address.get(&from).copied();
        if let Some(place) = place
            && let Some(peer) = self.peers.get_mut(place)
        {
            self.at_hand = AtHand::Client(place);
            peer.transport.handle_dtls(now, from, packet);
            self.after_transport(now, place);
        }
    }

    pub(super) fn handle_rtp(&mut self, now: Instant, from: Remote, packet: &mut [u8]) {
        let Some(&place) = self.by_address.get(&from) else {
            return;
        };
        self.at_hand = AtHand::Client(place);
        let Some(peer) = self.peers.get_mut(place) else {
            return;
        };
        let Some(len) = peer.transport.open_rtp(packet) else {
            return;
        };
        peer.transport.heard(now);
        let packet = &packet[..len];
        #[cfg(test)]
        self.trip(packet);
        if let Some(header) = Header::parse(packet) {
            self.take_rtp(now, place, &header, packet);
        }
        self.drain_events(now, place);
    }

    fn take_rtp(&mut self, now: Instant, place: usize, header: &Header, packet: &[u8]) {
        let Self {
            peers,
            forwarding,
            events,
            ..
        } = self;
        let Some(peer) = peers.get_mut(place) else {
            return;
        };
        if let Some((id, arrivals)) = &mut peer.arrivals
            && let Some(number) = header.extension(packet, *id).and_then(|v| read_u16(v, 0))
        {
            arrivals.arrived(now, number);
        }
        let known = peer.route(header.ssrc);
        let Some(route) = known.or_else(|| peer.learn(now, forwarding, header, packet)) else {
            return;
        };
        let Some(source) = forwarding.source_mut(route.source) else {
            return;
        };
        if !route.repair {
            source.rebind(route.encoding, header.ssrc);
        }
        let received = source.receive(
            now,
            self.origin,
            route.encoding,
            route.repair,
            header,
            packet,
        );
        take_level(source, header, packet);
        if let Received::Packet { first } = received {
            if first {
                events.push_back(Event::EncodingStarted {
                    source: source.id,
                    encoding: route.encoding,
                });
            }
            let encoding = source.encodings.get(usize::from(route.encoding));
            let urgent = encoding.is_some_and(|encoding| encoding.key_frames.is_due(now));
            let gap = encoding.and_then(|encoding| encoding.gaps.next_timeout());
            forwarding.mark(route.source);
            if let Some(at) = urgent.then_some(now).or(gap) {
                self.hasten(at);
            }
        }
    }

    pub(super) fn handle_rtcp(&mut self, now: Instant, from: Remote, packet: &mut [u8]) {
        let Some(&place) = self.by_address.get(&from) else {
            return;
        };
        self.at_hand = AtHand::Client(place);
        let Some(peer) = self.peers.get_mut(place) else {
            return;
        };
        let Some(len) = peer.transport.open_rtcp(packet) else {
            return;
        };
        peer.transport.heard(now);
        for item in items(&packet[..len]) {
            match item {
                Item::SenderInfo(info) => self.take_sender_info(now, place, info),
                Item::Block(block) => self.take_block(now, place, &block),
                Item::Nack { ssrc, entries } => self.take_nack(now, place, ssrc, entries),
                Item::TransportFeedback(body) => self.take_feedback(now, place, body),
                Item::KeyFrameRequest { ssrc } => self.take_key_frame_request(now, place, ssrc),
            }
        }
        self.drain_events(now, place);
    }

    fn take_sender_info(&mut self, now: Instant, place: usize, info: SenderInfo) {
        let ours = self.clock.at(now);
        let Some(peer) = self.peers.get_mut(place) else {
            return;
        };
        let Some(route) = peer.route(info.ssrc).filter(|route| !route.repair) else {
            return;
        };
        peer.clock_offset.measure(info.ntp, ours);
        if let Some(source) = self.forwarding.source_mut(route.source)
            && let Some(encoding) = source.encodings.get_mut(usize::from(route.encoding))
        {
            encoding.reception.sender_report(now, info);
            self.relay_clocks(route.source, route.encoding);
        }
    }

    fn take_block(&mut self, now: Instant, place: usize, block: &ReportBlock) {
        let ntp = self.clock.at(now);
        let Some(peer) = self.peers.get_mut(place) else {
            return;
        };
        let Some(leg) = peer.legs.get(&block.ssrc) else {
            return;
        };
        if let Some(trip) = round_trip(ntp, block) {
            peer.round_trip = Some(trip);
        }
        if let Some((source, at)) = self.forwarding.leg_mut(*leg) {
            source.legs[at].report(block);
        }
    }

    fn take_feedback(&mut self, now: Instant, place: usize, body: &[u8]) {
        let trip = self.peers.get(place).and_then(|peer| peer.round_trip);
        if let Some(feedback) = Feedback::parse(body) {
            self.forwarding.feedback(now, place, &feedback, trip);
            self.divide(now, place);
        }
    }

    fn take_nack(&mut self, now: Instant, place: usize, ssrc: u32, entries: &[u8]) {
        let leg = self
            .peers
            .get(place)
            .and_then(|peer: &Peer| peer.legs.get(&ssrc).copied());
        let Some(leg) = leg else {
            return;
        };
        for sequence in nacked(entries) {
            let Some((source, at)) = self.forwarding.leg_mut(leg) else {
                return;
            };
            if let Some(number) = source.legs[at].asked_again(now, sequence) {
                for _ in 0..self.forwarding.copies(place) {
                    self.forwarding.queue_resend(leg, number);
                }
            }
        }
    }

    fn take_key_frame_request(&mut self, now: Instant, place: usize, ssrc: u32) {
        let leg = self
            .peers
            .get(place)
            .and_then(|peer: &Peer| peer.legs.get(&ssrc).copied());
        let Some((source, at)) = leg.and_then(|leg| self.forwarding.leg_mut(leg)) else {
            return;
        };
        let leg = &source.legs[at];
        if source.kind != MediaKind::Video || leg.is_stopped() {
            return;
        }
        let shown = usize::from(leg.shown());
        if let Some(encoding) = source.encodings.get_mut(shown) {
            encoding.key_frames.want();
            if encoding.key_frames.is_due(now) {
                self.hasten(now);
            }
        }
    }
}

fn take_level(source: &mut Source, header: &Header, packet: &[u8]) {
    if source.kind == MediaKind::Audio
        && let Some(id) = source.extensions.audio_level
        && let Some(&level) = header.extension(packet, id).and_then(<[u8]>::first)
    {
        source.levels.packet(level);
    }
}
