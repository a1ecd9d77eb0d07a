//! What shards hand each other: packets of sources that have legs elsewhere, each once per shard,
//! and what goes back.

use std::collections::VecDeque;
use std::time::Instant;

use super::Shard;
use super::mishap::AtHand;
use crate::domain::id::{ShardId, SourceId};
use crate::media::command::{ENCODINGS_MAX, MediaKind, MirrorConfig};
use crate::media::leg::Arrival;
use crate::media::report::ClockOffset;
use crate::media::ring::Packet;
use crate::media::rtcp::SenderInfo;
use crate::media::source::{Origin, Received, Source};

/// Notes that wait to be handed over; further ones are dropped, and what they are for comes again.
const NOTES_MAX: usize = 4_096;

/// What is handed over about a source.
#[derive(Clone, Copy, Debug)]
pub struct Relayed {
    /// The source.
    pub source: SourceId,
    /// What about it.
    pub matter: Matter,
}

/// See [`Relayed`].
#[derive(Clone, Copy, Debug)]
pub enum Matter {
    /// To a mirror: a packet, whose payload goes along.
    Packet {
        /// How it came.
        arrival: Arrival,
        /// What it is.
        packet: Packet,
    },
    /// To a mirror: what sender reports are made of.
    Clock {
        /// Index of the encoding.
        encoding: u8,
        /// When the publisher reported.
        at: Instant,
        /// What it reported.
        report: SenderInfo,
        /// Its clock and ours.
        clock: ClockOffset,
    },
    /// To the source: a leg elsewhere waits for a key frame.
    WantKeyFrame {
        /// Index of the encoding.
        encoding: u8,
    },
    /// To the source: serving a mirror of it went wrong, which costs the publisher its connection.
    Broke,
}

/// Notes without payload that wait to be handed over, at most [`NOTES_MAX`].
#[derive(Default)]
pub(super) struct Notes(VecDeque<(ShardId, Relayed)>);

impl Notes {
    pub(super) fn push(&mut self, note: (ShardId, Relayed)) {
        if self.0.len() < NOTES_MAX {
            self.0.push_back(note);
        }
    }
}

impl Shard {
    /// Hands over what other shards are to know. `send` says whether it found room; a packet that
    /// found none is lost to that shard, and a picture goes on there from the next key frame.
    pub fn relay(&mut self, now: Instant, mut send: impl FnMut(ShardId, &Relayed, &[u8]) -> bool) {
        self.at_hand = AtHand::Everybody;
        while let Some((to, note)) = self.notes.0.pop_front() {
            send(to, &note, &[]);
        }
        if self.forwarding.relay(&mut send) {
            self.hasten(now);
        }
    }

    /// Takes what another shard hands over; `payload` is empty unless it is a packet.
    pub fn handle_relayed(&mut self, now: Instant, relayed: &Relayed, payload: &[u8]) {
        self.at_hand = AtHand::Mirror(relayed.source);
        let Some(place) = self.forwarding.place(relayed.source) else {
            return;
        };
        match relayed.matter {
            Matter::Packet { arrival, packet } => {
                self.take_relayed(now, place, &arrival, packet, payload);
            }
            Matter::Clock {
                encoding,
                at,
                report,
                clock,
            } => self.set_clock(place, encoding, (at, report), clock),
            Matter::WantKeyFrame { encoding } => self.want_key_frame(now, place, encoding),
            Matter::Broke => self.end_publisher(now, place),
        }
    }

    fn take_relayed(
        &mut self,
        now: Instant,
        place: usize,
        arrival: &Arrival,
        packet: Packet,
        payload: &[u8],
    ) {
        let Some(source) = self.forwarding.source_mut(place) else {
            return;
        };
        if source.origin.client().is_some() {
            return;
        }
        let received = source.receive_relayed(now, self.origin, arrival, packet, payload);
        if received == Received::Nothing {
            return;
        }
        let encoding = source.encodings.get(usize::from(arrival.encoding));
        let urgent = encoding.is_some_and(|encoding| encoding.key_frames.is_due(now));
        self.forwarding.mark(place);
        if urgent {
            self.hasten(now);
        }
    }

    fn set_clock(
        &mut self,
        place: usize,
        encoding: u8,
        (at, report): (Instant, SenderInfo),
        told: ClockOffset,
    ) {
        let Some(source) = self.forwarding.source_mut(place) else {
            return;
        };
        if let Origin::Shard { clock, .. } = &mut source.origin {
            *clock = told;
            if let Some(encoding) = source.encodings.get_mut(usize::from(encoding)) {
                encoding.reception.sender_report(at, report);
            }
        }
    }

    fn want_key_frame(&mut self, now: Instant, place: usize, encoding: u8) {
        let source = self.forwarding.source_mut(place);
        if let Some(source) = source.filter(|source| source.kind == MediaKind::Video)
            && let Some(encoding) = source.encodings.get_mut(usize::from(encoding))
        {
            encoding.key_frames.want();
            self.hasten(now);
        }
    }

    fn end_publisher(&mut self, now: Instant, place: usize) {
        let source = self.forwarding.source(place);
        if let Some(place) = source.and_then(|source| source.origin.client()) {
            self.break_off(now, place);
        }
    }

    /// Expects a source of another shard.
    pub(super) fn add_mirror(&mut self, config: &MirrorConfig) {
        self.remove_source(config.source);
        if (1..=ENCODINGS_MAX).contains(&config.encodings) {
            self.forwarding.add_source(Source::mirror(config));
        }
    }

    /// Hands a source over to another shard from now on, or no longer.
    pub(super) fn set_relay(&mut self, source: SourceId, to: ShardId, on: bool) {
        let Some(place) = self.forwarding.place(source) else {
            return;
        };
        if let Some(source) = self.forwarding.source_mut(place) {
            source.mirrors.retain(|known| *known != to);
            if on {
                source.mirrors.push(to);
            }
        }
        if on {
            self.tell_clocks(place, to);
        }
    }

    /// Tells a new mirror what the publisher reported last.
    fn tell_clocks(&mut self, place: usize, to: ShardId) {
        for encoding in 0..ENCODINGS_MAX {
            if let Some(note) = self.clock_note(place, encoding as u8) {
                self.notes.push((to, note));
            }
        }
    }

    /// Tells all mirrors what the publisher just reported of a stream.
    pub(super) fn relay_clocks(&mut self, place: usize, carrier: u8) {
        for encoding in 0..ENCODINGS_MAX {
            let source = self.forwarding.source(place);
            let carries =
                source.is_some_and(|source| source.carrier(encoding) == usize::from(carrier));
            if carries && let Some(note) = self.clock_note(place, encoding as u8) {
                self.relay_note(place, note);
            }
        }
    }

    fn relay_note(&mut self, place: usize, note: Relayed) {
        if let Some(source) = self.forwarding.source(place) {
            for to in &source.mirrors {
                self.notes.push((*to, note));
            }
        }
    }

    fn clock_note(&self, place: usize, encoding: u8) -> Option<Relayed> {
        let source = self.forwarding.source(place)?;
        let publisher = self.peers.get(source.origin.client()?)?;
        let carrier = source.carrier(usize::from(encoding));
        let (report, at) = source.encodings.get(carrier)?.reception.reported()?;
        Some(Relayed {
            source: source.id,
            matter: Matter::Clock {
                encoding,
                at,
                report,
                clock: publisher.clock_offset,
            },
        })
    }
}
