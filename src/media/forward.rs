//! Sources and legs of one shard: what comes in is remembered once, and copied to every leg when
//! the thread has room to send.

mod budget;
mod pacing;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use super::allocation::Wish;
use super::batch::SendBatch;
use super::command::{LegConfig, MediaKind};
use super::downlink::Downlink;
use super::leg::{LEG_OVERHEAD_BYTES, Leg};
use super::remote::Remote;
use super::shard::{Matter, Relayed};
use super::slab::Slab;
use super::source::Source;
use super::transport::srtp::Sealer;
use crate::domain::id::{LegId, ShardId, SourceId};
use pacing::Pacing;

/// Retransmissions that wait; further requests are ignored, and subscribers ask again.
const RESENDS_MAX: usize = 4096;

/// Legs of one source.
pub const LEGS_MAX: usize = 10_000;

/// See the module.
#[derive(Default)]
pub struct Forwarding {
    sources: Slab<Source>,
    by_source: HashMap<SourceId, usize>,
    by_leg: HashMap<LegId, LegPlace>,
    /// What the way to each client carries, by the client's place in the shard's table; of those
    /// that feed back.
    downlinks: Vec<Option<Box<Downlink>>>,
    dirty: Vec<usize>,
    cursor: Cursor,
    resends: VecDeque<(LegId, u64)>,
    pacing: Pacing,
    wishes: Vec<Wish>,
}

/// Where a leg is: its source's place, and its own among the source's legs.
#[derive(Clone, Copy)]
struct LegPlace {
    source: usize,
    leg: usize,
}

/// Whom fan-out serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// The client at this place in the shard's table.
    Client(usize),
    /// A source of another shard.
    Mirror(SourceId),
}

/// How far fan-out came in the first source that has something.
#[derive(Clone, Copy, Default)]
struct Cursor {
    leg: usize,
    packet: usize,
}

impl Forwarding {
    /// Adds a source; its place. A source of the same id is replaced.
    pub fn add_source(&mut self, source: Source) -> usize {
        self.remove_source(source.id);
        let id = source.id;
        let place = self.sources.insert(source);
        self.by_source.insert(id, place);
        place
    }

    /// Removes a source with all its legs and returns it.
    pub fn remove_source(&mut self, id: SourceId) -> Option<Source> {
        let place = self.by_source.remove(&id)?;
        if self.dirty.first() == Some(&place) {
            self.cursor = Cursor::default();
        }
        self.dirty.retain(|dirty| *dirty != place);
        let source = self.sources.remove(place)?;
        for leg in &source.legs {
            self.by_leg.remove(&leg.id());
        }
        Some(source)
    }

    /// Adds a leg of a transport to a source; `None` when there is no such source, or it has
    /// [`LEGS_MAX`] legs. A leg of the same id is replaced.
    pub fn add_leg(
        &mut self,
        now: Instant,
        config: &LegConfig,
        transport: usize,
    ) -> Option<&mut Source> {
        self.remove_leg(config.leg);
        let place = *self.by_source.get(&config.source)?;
        let source = self.sources.get_mut(place)?;
        if source.legs.len() >= LEGS_MAX {
            return None;
        }
        let leg = Leg::new(config, transport, source.kind);
        if leg.is_numbered() {
            if self.downlinks.len() <= transport {
                self.downlinks.resize_with(transport + 1, || None);
            }
            self.downlinks[transport].get_or_insert_with(|| Box::new(Downlink::new(now)));
        }
        let at = LegPlace {
            source: place,
            leg: source.legs.len(),
        };
        source.legs.push(leg);
        self.by_leg.insert(config.leg, at);
        Some(source)
    }

    /// Removes a leg and returns it.
    pub fn remove_leg(&mut self, id: LegId) -> Option<Leg> {
        let place = self.by_leg.remove(&id)?;
        let source = self.sources.get_mut(place.source)?;
        if place.leg >= source.legs.len() {
            return None;
        }
        let removed = source.legs.swap_remove(place.leg);
        if let Some(moved) = source.legs.get(place.leg) {
            self.by_leg.insert(moved.id(), place);
        }
        Some(removed)
    }

    /// A client is gone from a place in the shard's table.
    pub fn forget_transport(&mut self, transport: usize) {
        if let Some(downlink) = self.downlinks.get_mut(transport) {
            *downlink = None;
        }
    }

    /// A leg with its source, and its place there.
    pub fn leg_mut(&mut self, id: LegId) -> Option<(&mut Source, usize)> {
        let place = *self.by_leg.get(&id)?;
        Some((self.sources.get_mut(place.source)?, place.leg))
    }

    /// A leg.
    #[cfg(test)]
    pub fn leg(&self, id: LegId) -> Option<&Leg> {
        let place = self.by_leg.get(&id)?;
        self.sources.get(place.source)?.legs.get(place.leg)
    }

    /// The place of a source.
    pub fn place(&self, id: SourceId) -> Option<usize> {
        self.by_source.get(&id).copied()
    }

    /// The source at a place.
    pub fn source_mut(&mut self, place: usize) -> Option<&mut Source> {
        self.sources.get_mut(place)
    }

    /// The source at a place.
    pub fn source(&self, place: usize) -> Option<&Source> {
        self.sources.get(place)
    }

    /// All sources.
    pub fn sources_mut(&mut self) -> impl Iterator<Item = &mut Source> {
        self.sources.iter_mut()
    }

    /// Sources and legs that exist.
    pub fn counts(&self) -> (usize, usize) {
        (self.by_source.len(), self.by_leg.len())
    }

    /// Notes that a source has pending packets.
    pub fn mark(&mut self, place: usize) {
        if !self.dirty.contains(&place) {
            self.dirty.push(place);
        }
    }

    /// Lets a leg's packets flow.
    pub fn open_leg(&mut self, id: LegId, to: Remote, sealer: impl Fn(u32) -> Option<Sealer>) {
        if let Some((source, place)) = self.leg_mut(id) {
            source.legs[place].open(to, sealer);
            source.choose_encoding(place);
        }
    }

    /// A leg's client is reached elsewhere.
    pub fn move_leg(&mut self, id: LegId, to: Remote) {
        if let Some((source, place)) = self.leg_mut(id) {
            source.legs[place].move_to(to);
        }
    }

    /// How often a client is sent a packet that it asks for again: where much is lost, twice, since
    /// one more round trip would come too late for its frame.
    pub fn copies(&self, transport: usize) -> usize {
        let downlink = self.downlinks.get(transport).and_then(Option::as_ref);
        match downlink.is_some_and(|way| way.loses_much()) {
            true => 2,
            false => 1,
        }
    }

    /// Queues a retransmission of the packet that was sent under a number.
    pub fn queue_resend(&mut self, leg: LegId, number: u64) {
        if self.resends.len() < RESENDS_MAX {
            self.resends.push_back((leg, number));
        }
    }

    /// The transport of a leg.
    pub fn subscriber(&self, leg: LegId) -> Option<usize> {
        let place = self.by_leg.get(&leg)?;
        let source = self.sources.get(place.source)?;
        source.legs.get(place.leg).map(Leg::transport)
    }

    /// Whose retransmission, or whose source, [`Self::fill`] is about; `None` while it is about the
    /// pace of many, or about nothing.
    pub fn at_hand(&self) -> Option<Served> {
        if let Some((leg, _)) = self.resends.front() {
            return self.subscriber(*leg).map(Served::Client);
        }
        if self.pacing.is_due() {
            return None;
        }
        Some(self.sources.get(*self.dirty.first()?)?.served())
    }

    /// Hands what waits for fan-out to the mirrors, each packet once to each; true when one found
    /// no room, and a key frame is wanted for that.
    pub fn relay(&mut self, send: &mut impl FnMut(ShardId, &Relayed, &[u8]) -> bool) -> bool {
        let mut missed = false;
        for place in &self.dirty {
            if let Some(source) = self.sources.get_mut(*place)
                && !source.mirrors.is_empty()
            {
                missed |= relay(source, send);
            }
        }
        missed
    }

    /// Writes and seals what waits, until the batch is full: true when more waits.
    pub fn fill(&mut self, now: Instant, batch: &mut SendBatch) -> bool {
        while let Some(&(leg, number)) = self.resends.front() {
            if !self.resend(now, leg, number, batch) {
                return true;
            }
            self.resends.pop_front();
        }
        if self.pace(now, batch) {
            return true;
        }
        while let Some(&place) = self.dirty.first() {
            if let Some(source) = self.sources.get_mut(place) {
                let mut ways = Ways {
                    downlinks: &mut self.downlinks,
                    pacing: &mut self.pacing,
                };
                if !fan_out(now, source, &mut ways, &mut self.cursor, batch) {
                    return true;
                }
                source.pending.clear();
                source.handed = 0;
            }
            self.cursor = Cursor::default();
            self.dirty.swap_remove(0);
        }
        false
    }

    /// False when the batch is full.
    fn resend(&mut self, now: Instant, leg: LegId, number: u64, batch: &mut SendBatch) -> bool {
        let Some(place) = self.by_leg.get(&leg).copied() else {
            return true;
        };
        let Some(source) = self.sources.get_mut(place.source) else {
            return true;
        };
        let Source {
            encodings, legs, ..
        } = source;
        let leg = &mut legs[place.leg];
        let flows = leg.is_open() && !leg.is_paused();
        let Some(span) = leg.find_span(number).filter(|_| flows) else {
            return true;
        };
        let found = span.incoming(number).and_then(|thinned| {
            encodings
                .get(usize::from(span.encoding))?
                .remembered_within(span.epoch, span.temporal, thinned)
        });
        let Some(found) = found else {
            return true;
        };
        let mut downlink = downlink_of(&mut self.downlinks, leg);
        if downlink.as_mut().is_some_and(|way| !way.may_resend(now)) {
            return true;
        }
        let Some(room) = batch.room(found.payload.len() + LEG_OVERHEAD_BYTES) else {
            return false;
        };
        if let Some(len) = leg.resend(now, number, &span, &found, room, downlink) {
            batch.commit(leg.destination(), len);
        }
        true
    }
}

fn relay(source: &mut Source, send: &mut impl FnMut(ShardId, &Relayed, &[u8]) -> bool) -> bool {
    let mut missed = 0_u8;
    for arrival in &source.pending[source.handed..] {
        let encoding = source.encodings.get(usize::from(arrival.encoding));
        let found = encoding.and_then(|e| e.remembered(arrival.epoch, arrival.number));
        let Some(found) = found else {
            continue;
        };
        let relayed = Relayed {
            source: source.id,
            matter: Matter::Packet {
                arrival: *arrival,
                packet: *found.packet,
            },
        };
        for mirror in &source.mirrors {
            if !send(*mirror, &relayed, found.payload) && source.kind == MediaKind::Video {
                missed |= 1 << arrival.encoding;
            }
        }
    }
    source.handed = source.pending.len();
    for (at, encoding) in source.encodings.iter_mut().enumerate() {
        if missed >> at & 1 == 1 {
            encoding.key_frames.want();
        }
    }
    missed != 0
}

/// The way that a leg's packets are numbered for.
fn downlink_of<'a>(
    downlinks: &'a mut [Option<Box<Downlink>>],
    leg: &Leg,
) -> Option<&'a mut Downlink> {
    if !leg.is_numbered() {
        return None;
    }
    downlinks.get_mut(leg.transport())?.as_deref_mut()
}

/// What fan-out needs of the ways to clients.
struct Ways<'a> {
    downlinks: &'a mut Vec<Option<Box<Downlink>>>,
    pacing: &'a mut Pacing,
}

/// Copies a source's pending packets to its legs, leg by leg, so that packets of one destination
/// lie together; false when the batch is full and `cursor` tells where to go on.
fn fan_out(
    now: Instant,
    source: &mut Source,
    ways: &mut Ways<'_>,
    cursor: &mut Cursor,
    batch: &mut SendBatch,
) -> bool {
    let Source {
        encodings,
        legs,
        pending,
        ..
    } = source;
    while let Some(leg) = legs.get_mut(cursor.leg) {
        let mut downlink = downlink_of(ways.downlinks, leg);
        while leg.is_open()
            && let Some(arrival) = pending.get(cursor.packet)
        {
            let encoding = encodings.get(usize::from(arrival.encoding));
            let found = encoding.and_then(|e| e.remembered(arrival.epoch, arrival.number));
            cursor.packet += 1;
            let Some(found) = found else {
                continue;
            };
            if let Some(way) = downlink.as_deref_mut()
                && (leg.lag().is_some() || !way.may_send(now))
                && leg.fall_behind(arrival, found.packet)
            {
                if leg.lag().is_some() {
                    way.lags(now, leg.id());
                    ways.pacing.add(now, leg.transport(), way);
                }
                continue;
            }
            let Some(room) = batch.room(found.payload.len() + LEG_OVERHEAD_BYTES) else {
                cursor.packet -= 1;
                return false;
            };
            let way = downlink.as_deref_mut();
            if let Some(len) = leg.forward(now, arrival, &found, room, way) {
                batch.commit(leg.destination(), len);
            }
        }
        cursor.packet = 0;
        cursor.leg += 1;
    }
    true
}
