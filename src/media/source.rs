//! A published stream at this server: its encodings, their last packets, and the legs that copy it.

mod apart;
mod choice;
mod meter;

use std::time::Instant;

use super::codec::Insight;
use super::command::{
    Codec, CodecMapping, EncodingConfig, ExtensionIds, MediaKind, MirrorConfig, SourceConfig,
};
use super::forward::Served;
use super::keyframe::KeyFramePacer;
use super::layered::Layered;
use super::leg::{Arrival, Leg};
use super::nack::GapTracker;
use super::report::{ClockOffset, Reception};
use super::ring::{Packet, PacketRing, RING_PACKETS};
use super::rtp::{Header, read_u16};
use super::sequence::{Extender, Renumbering, nearest};
use super::speaker::LevelWindow;
use super::thinning::{Place, Thinnings, WHOLE, layer_of};
use crate::domain::id::{ShardId, SourceId};
use meter::Meter;

/// Packets that wait for fan-out; more are dropped, as in a full socket.
const PENDING_MAX: usize = 512;

/// See the module.
pub struct Source {
    /// Its id.
    pub id: SourceId,
    /// Where its packets come from.
    pub origin: Origin,
    /// Audio or video.
    pub kind: MediaKind,
    /// Media section it belongs to.
    pub mid: String,
    /// Header extensions of the publisher.
    pub extensions: ExtensionIds,
    /// Lowest quality first.
    pub encodings: Vec<Encoding>,
    /// Who gets a copy, in no order.
    pub legs: Vec<Leg>,
    /// What fan-out has yet to send.
    pub pending: Vec<Arrival>,
    /// Who speaks.
    pub levels: LevelWindow,
    /// See [`super::command::LegConfig::priority`].
    pub priority: u8,
    /// The other shards that have a mirror of it.
    pub mirrors: Vec<ShardId>,
    /// How many of those that wait for fan-out were handed over to them.
    pub handed: usize,
    codecs: Vec<CodecMapping>,
    live: u8,
    /// Of a source whose encodings come in one stream.
    layered: Option<Box<Layered>>,
}

/// Where a source's packets come from.
#[derive(Clone, Copy, Debug)]
pub enum Origin {
    /// The client at this place in the shard's table.
    Client(usize),
    /// Another shard, which has the source itself.
    Shard {
        /// Which.
        home: ShardId,
        /// The publisher's clock, as it was told.
        clock: ClockOffset,
    },
}

impl Origin {
    /// Place of the publisher in the shard's table, if it is here.
    pub fn client(&self) -> Option<usize> {
        match self {
            Self::Client(place) => Some(*place),
            Self::Shard { .. } => None,
        }
    }
}

/// One layer of a source.
#[derive(Default)]
pub struct Encoding {
    /// RFC 8851 restriction id.
    pub rid: Option<String>,
    /// The stream's SSRC, once announced or heard.
    pub ssrc: Option<u32>,
    /// Key frame requests to it.
    pub key_frames: KeyFramePacer,
    /// Its gaps.
    pub gaps: GapTracker,
    /// Its statistics.
    pub reception: Reception,
    epoch: u32,
    extender: Extender,
    renumbering: Renumbering,
    ring: Option<PacketRing>,
    /// Of an encoding that tells its temporal layers.
    thinnings: Option<Box<Thinnings>>,
    /// The highest temporal layer that came.
    top: u8,
    newest: u64,
    meter: Meter,
    heard_at: Option<Instant>,
    clock_rate_hz: u32,
}

/// A packet of an encoding, with what a leg may want to know of it.
#[derive(Clone, Copy)]
pub struct Remembered<'a> {
    /// The packet.
    pub packet: &'a Packet,
    /// Its payload.
    pub payload: &'a [u8],
    thinnings: Option<&'a Thinnings>,
}

impl<'a> Remembered<'a> {
    /// Where it is in its encoding up to a temporal layer.
    pub fn place(&self, temporal: u8) -> Option<Place> {
        let number = self.packet.number;
        match self.thinnings {
            Some(thinnings) => thinnings.place(temporal, number),
            None => Some(Place::whole(number)),
        }
    }

    /// What is sent of it up to a temporal layer: nothing of a picture above, whose place is kept
    /// free.
    pub fn payload_within(&self, temporal: u8) -> &'a [u8] {
        match layer_of(&self.packet.insight) > temporal {
            true => &[],
            false => self.payload,
        }
    }
}

/// What a packet was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// Nothing for the legs: padding, a repetition, too old, or of a codec that was not agreed on.
    Nothing,
    /// A packet for the legs.
    Packet {
        /// The first of its encoding.
        first: bool,
    },
}

impl Source {
    /// A source without packets and legs.
    pub fn new(config: &SourceConfig, publisher: usize) -> Self {
        let encoding = |known: &EncodingConfig| Encoding {
            rid: known.rid.clone(),
            ssrc: known.ssrc,
            ..Encoding::new(config.kind)
        };
        Self {
            mid: config.mid.clone(),
            extensions: config.extensions,
            encodings: config.encodings.iter().map(encoding).collect(),
            codecs: config.codecs.clone(),
            layered: config
                .layered
                .then(|| Box::new(Layered::new(config.encodings.len()))),
            ..Self::empty(config.source, config.kind, Origin::Client(publisher))
        }
    }

    /// A mirror of another shard's source.
    pub fn mirror(config: &MirrorConfig) -> Self {
        let origin = Origin::Shard {
            home: config.home,
            clock: ClockOffset::default(),
        };
        let encodings = (0..config.encodings).map(|_| Encoding::new(config.kind));
        Self {
            encodings: encodings.collect(),
            priority: config.priority,
            ..Self::empty(config.source, config.kind, origin)
        }
    }

    fn empty(id: SourceId, kind: MediaKind, origin: Origin) -> Self {
        Self {
            id,
            origin,
            kind,
            mid: String::new(),
            extensions: ExtensionIds::default(),
            encodings: Vec::new(),
            legs: Vec::new(),
            pending: Vec::new(),
            levels: LevelWindow::default(),
            priority: 0,
            mirrors: Vec::new(),
            handed: 0,
            codecs: Vec::new(),
            live: 0,
            layered: None,
        }
    }

    /// Whom it costs when serving it goes wrong.
    pub fn served(&self) -> Served {
        match self.origin {
            Origin::Client(place) => Served::Client(place),
            Origin::Shard { .. } => Served::Mirror(self.id),
        }
    }

    /// Whether a payload type is of this source, and whether it marks a retransmission.
    pub fn carries(&self, payload_type: u8) -> Option<bool> {
        self.codecs.iter().find_map(|mapping| match payload_type {
            found if found == mapping.payload_type => Some(false),
            found if Some(found) == mapping.rtx_payload_type => Some(true),
            _ => None,
        })
    }

    /// Takes another stream for an encoding; its legs go on from the next key frame.
    pub fn rebind(&mut self, encoding: u8, ssrc: u32) {
        let Some(known) = self.encodings.get_mut(usize::from(encoding)) else {
            return;
        };
        let before = known.ssrc.replace(ssrc);
        if known.heard_at.is_none() || before == Some(ssrc) {
            return;
        }
        known.epoch += 1;
        known.extender.restart();
        known.renumbering = Renumbering::default();
        (known.thinnings, known.top) = (None, 0);
        known.gaps.restart();
        known.reception = Reception::default();
        known.follow_anew(self.kind, &mut self.legs, encoding);
        self.restart_layers();
    }

    /// Takes a decrypted packet of an encoding, or with `repair` a retransmission of one.
    pub fn receive(
        &mut self,
        now: Instant,
        origin: Instant,
        encoding: u8,
        repair: bool,
        header: &Header,
        packet: &[u8],
    ) -> Received {
        if self.layered.is_some() {
            return self.receive_layered(now, origin, repair, header, packet);
        }
        let Some((packet, payload)) = self.read(now, origin, encoding, repair, header, packet)
        else {
            return Received::Nothing;
        };
        let Some(known) = self.encodings.get_mut(usize::from(encoding)) else {
            return Received::Nothing;
        };
        if !known.keep(packet, payload, self.kind) {
            return Received::Nothing;
        }
        let arrival = Arrival {
            encoding,
            epoch: known.epoch,
            number: packet.number,
            at: now,
        };
        let first = self.arrived(now, arrival, &packet);
        Received::Packet { first }
    }

    /// Takes a packet that another shard hands over; `epoch` is the stream's there.
    pub fn receive_relayed(
        &mut self,
        now: Instant,
        origin: Instant,
        relayed: &Arrival,
        packet: Packet,
        payload: &[u8],
    ) -> Received {
        let place = usize::from(relayed.encoding);
        let Some(known) = self.encodings.get_mut(place) else {
            return Received::Nothing;
        };
        if known.epoch != relayed.epoch {
            known.epoch = relayed.epoch;
            (known.thinnings, known.top) = (None, 0);
            known.reception = Reception::default();
            known.follow_anew(self.kind, &mut self.legs, relayed.encoding);
        }
        let rate = known.clock_rate_hz;
        known
            .reception
            .packet(now, origin, rate, packet.number, packet.timestamp);
        if !known.keep(packet, payload, self.kind) {
            return Received::Nothing;
        }
        let first = self.arrived(now, *relayed, &packet);
        Received::Packet { first }
    }

    /// A packet is kept and waits for fan-out; whether it is the first that shows its encoding.
    fn arrived(&mut self, now: Instant, arrival: Arrival, packet: &Packet) -> bool {
        if self.pending.len() < PENDING_MAX {
            self.pending.push(arrival);
        }
        !packet.insight.lends && self.heard(now, arrival.encoding)
    }

    /// An encoding comes; whether for the first time.
    fn heard(&mut self, now: Instant, encoding: u8) -> bool {
        let bit = 1 << encoding;
        if self.live & bit == 0 {
            self.live |= bit;
            self.choose_encodings();
        }
        let known = self.encodings.get_mut(usize::from(encoding));
        known.is_some_and(|known| known.heard_at.replace(now).is_none())
    }

    /// Reads a packet of an encoding's stream, and its payload; nothing of padding, of what is too
    /// old, and of a codec that was not agreed on.
    fn read<'a>(
        &mut self,
        now: Instant,
        origin: Instant,
        encoding: u8,
        repair: bool,
        header: &Header,
        packet: &'a [u8],
    ) -> Option<(Packet, &'a [u8])> {
        let mapping = self.codecs.iter().find(|mapping| match repair {
            true => mapping.rtx_payload_type == Some(header.payload_type),
            false => mapping.payload_type == header.payload_type,
        })?;
        let codec = mapping.codec;
        let body = packet.get(header.payload_start..header.payload_end)?;
        let (sequence, payload) = match repair {
            true => (read_u16(body, 0)?, &body[2..]),
            false => (header.sequence, body),
        };
        let video = self.kind == MediaKind::Video;
        let known = self.encodings.get_mut(usize::from(encoding))?;
        let number = known.number(now, origin, repair, sequence, header.timestamp, video)?;
        if payload.is_empty() && known.close_padding(number, repair) {
            return None;
        }
        let read = Packet {
            number: known.renumbering.forwarded(number),
            timestamp: header.timestamp,
            marker: header.marker,
            codec,
            insight: Insight::of(codec, payload),
        };
        Some((read, payload))
    }
}

impl Encoding {
    fn new(kind: MediaKind) -> Self {
        Self {
            clock_rate_hz: match kind {
                MediaKind::Audio => Codec::Opus.clock_rate_hz(),
                MediaKind::Video => Codec::Vp8.clock_rate_hz(),
            },
            ..Self::default()
        }
    }

    /// Remembers a packet; false when it is known already or too large.
    fn keep(&mut self, packet: Packet, payload: &[u8], kind: MediaKind) -> bool {
        let ring = self.ring.get_or_insert_with(|| PacketRing::new(kind));
        if ring.contains(packet.number) || !ring.insert(packet, payload) {
            return false;
        }
        self.thin(&packet, payload);
        self.newest = self.newest.max(packet.number);
        self.meter.take(&packet.insight, payload.len());
        if packet.insight.entry {
            self.key_frames.arrived();
        }
        true
    }

    /// Another stream has begun: its legs go on from a key frame, which may not be the first.
    fn follow_anew(&mut self, kind: MediaKind, legs: &mut [Leg], encoding: u8) {
        if kind == MediaKind::Video && !legs.is_empty() {
            self.key_frames.want();
        }
        legs.iter_mut().for_each(|leg| leg.restart(encoding));
    }

    /// Which of the streams that followed each other this is.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The extended number of a packet that is not too old, counted.
    fn number(
        &mut self,
        now: Instant,
        origin: Instant,
        repair: bool,
        sequence: u16,
        timestamp: u32,
        video: bool,
    ) -> Option<u64> {
        let number = match (repair, self.extender.highest()) {
            (true, None) => return None,
            (true, Some(highest)) => nearest(highest, sequence),
            (false, _) => self.extender.extend(sequence),
        };
        let highest = self.extender.highest()?;
        if number > highest || number + RING_PACKETS as u64 <= highest {
            return None;
        }
        match repair {
            true => self.reception.repaired(),
            false => {
                self.reception
                    .packet(now, origin, self.clock_rate_hz, number, timestamp);
            }
        }
        if video && self.gaps.arrived(now, number).given_up {
            self.key_frames.want();
        }
        Some(number)
    }

    /// Leaves a packet without payload out, if no later number is spoken for; a late one has to be
    /// forwarded, because subscribers would miss its number.
    fn close_padding(&mut self, number: u64, repair: bool) -> bool {
        let newest = !repair && self.extender.highest() == Some(number);
        if newest {
            self.renumbering.omit(number);
        }
        newest || self.renumbering.is_omitted(number)
    }

    /// Gives a packet its place up to each temporal layer.
    fn thin(&mut self, packet: &Packet, payload: &[u8]) {
        if packet.insight.layer.is_some() && self.thinnings.is_none() {
            self.thinnings = Some(Box::new(Thinnings::new(packet.number)));
        }
        if let Some(thinnings) = &mut self.thinnings {
            thinnings.take(packet, payload);
            self.top = self.top.max(layer_of(&packet.insight));
        }
    }

    /// Whether its pictures up to a temporal layer are fewer than up to the next, or all.
    fn has_step(&self, temporal: u8) -> bool {
        temporal < self.top || temporal == WHOLE
    }

    /// The lowest temporal layer up to which so many pictures come in a second.
    fn temporal_for(&self, frames_per_second: Option<u8>) -> u8 {
        let Some(wanted) = frames_per_second else {
            return WHOLE;
        };
        let enough = |temporal: &u8| self.has_step(*temporal) && self.meter.has(*temporal, wanted);
        (0..WHOLE).find(enough).unwrap_or(WHOLE)
    }

    /// A remembered packet of the present stream.
    pub fn remembered(&self, epoch: u32, number: u64) -> Option<Remembered<'_>> {
        let ring = self.ring.as_ref().filter(|_| epoch == self.epoch)?;
        let (packet, payload) = ring.get(number)?;
        Some(Remembered {
            packet,
            payload,
            thinnings: self.thinnings.as_deref(),
        })
    }

    /// The remembered packet that has a number in the encoding up to a temporal layer.
    pub fn remembered_within(
        &self,
        epoch: u32,
        temporal: u8,
        thinned: u64,
    ) -> Option<Remembered<'_>> {
        let number = match &self.thinnings {
            Some(thinnings) => thinnings.number(temporal, thinned)?,
            None => thinned,
        };
        self.remembered(epoch, number)
    }

    /// The highest number that came of the present stream.
    pub fn newest(&self, epoch: u32) -> Option<u64> {
        (epoch == self.epoch && self.ring.is_some()).then_some(self.newest)
    }

    /// Its clock, Hz.
    pub fn clock_rate_hz(&self) -> u32 {
        self.clock_rate_hz
    }

    /// Whether anything was ever heard.
    pub fn is_heard(&self) -> bool {
        self.heard_at.is_some()
    }
}
