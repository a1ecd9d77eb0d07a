//! One subscriber's copy of a source: which packets it takes, and under which numbers.

mod beginning;
mod lag;
mod repair;
mod spans;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::allocation::Step;
use super::command::{LegConfig, MediaKind};
use super::downlink::Downlink;
use super::playout::PlayoutDelay;
use super::remote::Remote;
use super::rewrite::{Formats, Head, Pictures, Span, write};
use super::ring::Packet;
use super::rtcp::{ReportBlock, SenderInfo};
use super::rtp::NUMBER_AND_DELAY_BYTES;
use super::sequence::nearest;
use super::source::Remembered;
use super::thinning::WHOLE;
use super::transport::srtp::{SEAL_OVERHEAD_BYTES_MAX, Sealer};
use crate::domain::id::LegId;
pub use lag::Lag;
use repair::Repair;
use spans::Spans;

/// Most that a leg adds to a payload, bytes: header with extensions, original number, seal.
pub const LEG_OVERHEAD_BYTES: usize =
    super::rtp::HEADER_BYTES + NUMBER_AND_DELAY_BYTES + 2 + SEAL_OVERHEAD_BYTES_MAX;

/// Padding in one packet of a probe, bytes: what one byte can count.
pub const PADDING_BYTES: usize = 255;

/// Retransmissions of one leg in a second; further requests of that second are ignored.
pub const RESENDS_PER_SECOND: u32 = 400;

const SECOND: Duration = Duration::from_secs(1);

/// A packet that came in, as fan-out sees it.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Index of the source's encoding.
    pub encoding: u8,
    /// Which of the streams that followed each other in that encoding.
    pub epoch: u32,
    /// Its number as forwarded.
    pub number: u64,
    /// When it came.
    pub at: Instant,
}

impl Arrival {
    /// Whether it is of a span's stream.
    pub fn is_of(&self, span: &Span) -> bool {
        (self.encoding, self.epoch) == (span.encoding, span.epoch)
    }
}

/// Counters of a leg; all grow only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegCounts {
    /// Packets sent, retransmissions left out.
    pub packets: u64,
    /// Their payload bytes.
    pub octets: u64,
    /// Packets that the subscriber's reports acknowledge.
    pub delivered: u64,
}

/// See the module.
pub struct Leg {
    id: LegId,
    transport: usize,
    kind: MediaKind,
    destination: Remote,
    sealer: Option<Sealer>,
    formats: Formats,
    spans: Spans,
    /// The newest packet of the newest span's stream that was sent or left out.
    newest_in: u64,
    next_out: u64,
    first_out: u64,
    last: Option<LastSent>,
    paused: bool,
    held: bool,
    highest: u8,
    granted: Step,
    wanted: Step,
    frames_per_second: Option<u8>,
    priority: u8,
    lag: Option<Lag>,
    ssrc: u32,
    transport_number_id: Option<u8>,
    playout_delay_id: Option<u8>,
    counts: LegCounts,
    repair: Option<Repair>,
    resends: u32,
    resends_since: Option<Instant>,
}

/// How far the streams of a leg came. Whoever takes up their SSRCs again goes on from there: a
/// number that is used twice would break the seal.
#[derive(Clone, Copy)]
pub struct Numbers {
    next_out: u64,
    next_repair: Option<u64>,
    last: Option<LastSent>,
}

/// The newest packet of a leg.
#[derive(Clone, Copy)]
struct LastSent {
    at: Instant,
    timestamp: u32,
    pictures: Pictures,
}

impl Leg {
    /// A leg to the client at a place in the shard's table; it sends nothing before [`Self::open`].
    pub fn new(config: &LegConfig, transport: usize, kind: MediaKind) -> Self {
        let first_out = first_number(config.ssrc);
        // A packet that is numbered anew when it is sent again needs a stream of its own for that
        // (its bytes differ under the same nonce); sound is not held back anyway.
        let transport_number_id = config
            .extensions
            .transport_cc
            .filter(|_| kind == MediaKind::Video && config.rtx_ssrc.is_some());
        Self {
            id: config.leg,
            transport,
            kind,
            destination: Remote::Udp(SocketAddr::from(([0, 0, 0, 0], 0))),
            sealer: None,
            formats: Formats::new(&config.codecs),
            spans: Spans::default(),
            newest_in: 0,
            next_out: first_out,
            first_out,
            last: None,
            paused: config.paused,
            held: false,
            highest: config.encoding,
            // Of a way that is to be divided, the lowest until it is.
            granted: Step::whole(match transport_number_id {
                Some(_) => 0,
                None => u8::MAX,
            }),
            wanted: Step::whole(config.encoding),
            frames_per_second: None,
            priority: config.priority,
            lag: None,
            ssrc: config.ssrc,
            transport_number_id,
            playout_delay_id: config.extensions.playout_delay,
            counts: LegCounts::default(),
            repair: config.rtx_ssrc.map(Repair::new),
            resends: 0,
            resends_since: None,
        }
    }

    /// Goes on where an earlier leg of the same SSRCs ended.
    pub fn resume(&mut self, numbers: Numbers) {
        self.next_out = numbers.next_out;
        self.first_out = numbers.next_out;
        self.last = numbers.last;
        if let (Some(repair), Some(next)) = (&mut self.repair, numbers.next_repair) {
            repair.next_out = next;
        }
    }

    /// How far it came.
    pub fn numbers(&self) -> Numbers {
        Numbers {
            next_out: self.next_out,
            next_repair: self.repair.as_ref().map(|repair| repair.next_out),
            last: self.last,
        }
    }

    /// Lets packets flow: the client is connected. `sealer` makes one for an SSRC.
    pub fn open(&mut self, to: Remote, sealer: impl Fn(u32) -> Option<Sealer>) {
        self.destination = to;
        self.sealer = sealer(self.ssrc);
        if let Some(repair) = &mut self.repair {
            repair.sealer = sealer(repair.ssrc);
        }
    }

    /// The client is reached elsewhere now.
    pub fn move_to(&mut self, to: Remote) {
        self.destination = to;
    }

    /// Its id.
    pub fn id(&self) -> LegId {
        self.id
    }

    /// Place of the client in the shard's table.
    pub fn transport(&self) -> usize {
        self.transport
    }

    /// Where packets go.
    pub fn destination(&self) -> Remote {
        self.destination
    }

    /// The client is connected.
    pub fn is_open(&self) -> bool {
        self.sealer.is_some()
    }

    /// Whether its packets are numbered for the subscriber's feedback.
    pub fn is_numbered(&self) -> bool {
        self.transport_number_id.is_some()
    }

    /// Holds the leg back by order, or lets it begin a new span.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
        if paused {
            self.end_span();
        }
    }

    /// Sets what fits: the highest step, or nothing at all. Tells whether the leg is held back or
    /// goes on by that.
    pub fn grant(&mut self, highest: Option<Step>) -> bool {
        self.granted = highest.unwrap_or(Step::whole(0));
        let held = highest.is_none();
        if held {
            self.end_span();
        }
        std::mem::replace(&mut self.held, held) != held
    }

    /// Goes on with a key frame: what waits would come too late.
    pub fn end_span(&mut self) {
        self.lag = None;
        self.spans.end();
    }

    /// Another stream follows in an encoding: the leg goes on with it from a key frame.
    pub fn restart(&mut self, encoding: u8) {
        let open = self.spans.open();
        if open.is_some_and(|span| span.encoding == encoding) {
            self.end_span();
        }
        self.lag.take_if(|lag| lag.encoding == encoding);
    }

    /// Sets the highest encoding that is wanted.
    pub fn select(&mut self, highest: u8) {
        self.highest = highest;
    }

    /// The highest encoding that is wanted.
    pub fn highest(&self) -> u8 {
        self.highest
    }

    /// Sets how many pictures a second are of use, if not all.
    pub fn limit_frame_rate(&mut self, frames_per_second: Option<u8>) {
        self.frames_per_second = frames_per_second;
    }

    /// How many pictures a second are of use, if not all.
    pub fn frames_per_second(&self) -> Option<u8> {
        self.frames_per_second
    }

    /// The highest encoding that is wanted and fits.
    pub fn highest_granted(&self) -> u8 {
        self.highest.min(self.granted.encoding)
    }

    /// The highest temporal layer of an encoding that fits.
    pub fn temporal_granted(&self, encoding: u8) -> u8 {
        match encoding < self.granted.encoding {
            true => WHOLE,
            false => self.granted.temporal,
        }
    }

    /// What fits, as last granted.
    pub fn granted(&self) -> Option<Step> {
        (!self.held).then_some(self.granted)
    }

    /// Sets the priority.
    pub fn prioritize(&mut self, priority: u8) {
        self.priority = priority;
    }

    /// Its priority among the subscriber's legs.
    pub fn priority(&self) -> u8 {
        self.priority
    }

    /// Names the encoding to go to at its next key frame, and the temporal layer to go to there or
    /// at the next picture that allows it; true when the leg waits for a key frame.
    pub fn want(&mut self, step: Step) -> bool {
        self.wanted = step;
        if let (Some(span), Some(lag)) = (self.spans.open(), self.lag)
            && !lag.is_of(&span)
            && lag.encoding != step.encoding
        {
            // It was to go on with another encoding; what it has not sent of its own waits still.
            self.lag = Some(Lag::behind(&span, self.newest_in));
        }
        self.waits_for() == Some(step.encoding)
    }

    /// The encoding whose key frame the leg waits for.
    pub fn waits_for(&self) -> Option<u8> {
        let wanted = self.wanted.encoding;
        let there = self
            .spans
            .open()
            .is_some_and(|span| span.encoding == wanted);
        let waits = self.kind == MediaKind::Video && self.is_open() && !self.is_stopped() && !there;
        waits.then_some(wanted)
    }

    /// The encoding that a subscriber's key frame request is about.
    pub fn shown(&self) -> u8 {
        let open = self.spans.open();
        open.map_or(self.wanted.encoding, |span| span.encoding)
    }

    /// Held back by order.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Held back by order or for want of room: a wish to see a key frame is pointless then.
    pub fn is_stopped(&self) -> bool {
        self.paused || self.held
    }

    /// The next packet, when the leg is behind.
    pub fn lag(&self) -> Option<Lag> {
        self.lag
    }

    /// Sets the next packet.
    pub fn set_lag(&mut self, lag: Option<Lag>) {
        self.lag = lag;
    }

    /// Lets a packet wait, and all behind it. Tells whether the leg is behind; a packet before
    /// those that wait is for sending now.
    pub fn fall_behind(&mut self, arrival: &Arrival, packet: &Packet) -> bool {
        let next = Lag::of(arrival);
        let open = self.spans.open();
        let continues = open.is_some_and(|span| arrival.is_of(&span));
        let known = self.lag;
        if continues && known.is_none() && next.number <= self.newest_in {
            // To go on from a latecomer would send again what went before it.
            return false;
        }
        let same = known.filter(|lag| (lag.encoding, lag.epoch) == (next.encoding, next.epoch));
        match same {
            Some(lag) if next.number < lag.number => return false,
            Some(_) => {}
            None if continues && known.is_none() => self.lag = Some(next),
            None if !continues && self.may_begin(arrival, packet) => self.lag = Some(next),
            None => {}
        }
        true
    }

    /// Writes and seals a packet, if the leg takes it, and returns the datagram's length.
    ///
    /// `room` has at least the payload's length and [`LEG_OVERHEAD_BYTES`]; `downlink` is the
    /// subscriber's, where the leg is numbered.
    pub fn forward(
        &mut self,
        now: Instant,
        arrival: &Arrival,
        found: &Remembered<'_>,
        room: &mut [u8],
        downlink: Option<&mut Downlink>,
    ) -> Option<usize> {
        let packet = found.packet;
        let format = self.formats.of(packet.codec)?;
        let (span, end) = self.span_of(arrival, found)?;
        let place = found.place(span.temporal)?;
        let number = span.outgoing(place.number)?;
        if place.is_left_out || number >= end {
            return None;
        }
        let payload = found.payload_within(span.temporal);
        let playout_delay = self.playout_delay(now, downlink.as_deref());
        let head = Head {
            payload_type: format.payload_type,
            ssrc: self.ssrc,
            number,
            transport_number: self.transport_number(now, payload.len(), downlink),
            playout_delay,
            prefix: &[],
        };
        let span = span.behind(&place);
        let len = write(room, &span, packet, payload, &format, &head)?;
        if number >= self.next_out {
            self.next_out = number + 1;
            let before = self.last.map_or(Pictures::default(), |last| last.pictures);
            self.last = Some(LastSent {
                at: arrival.at,
                timestamp: packet.timestamp.wrapping_add(span.timestamp_offset),
                pictures: match payload {
                    [] => before,
                    _ => Pictures::read(packet, &room[head.bytes()..len]),
                },
            });
        }
        self.counts.packets += 1;
        self.counts.octets += (len - head.bytes()) as u64;
        self.sealer.as_mut()?.seal(number, room, head.bytes(), len)
    }

    fn transport_number(
        &self,
        now: Instant,
        payload: usize,
        downlink: Option<&mut Downlink>,
    ) -> Option<(u8, u16)> {
        let id = self.transport_number_id?;
        Some((id, downlink?.sent(now, payload + LEG_OVERHEAD_BYTES)))
    }

    fn playout_delay(&self, now: Instant, way: Option<&Downlink>) -> Option<(u8, PlayoutDelay)> {
        Some((self.playout_delay_id?, way?.playout.said(now)?))
    }

    /// Writes and seals padding for a probe on the retransmission stream; `None` where there is
    /// none. `room` has at least [`PADDING_BYTES`] and [`LEG_OVERHEAD_BYTES`].
    pub fn pad(&mut self, now: Instant, room: &mut [u8], downlink: &mut Downlink) -> Option<usize> {
        let transport_number = self.transport_number(now, PADDING_BYTES, Some(downlink))?;
        let timestamp = self.last.map_or(0, |last| last.timestamp);
        let payload_type = self.formats.repair()?;
        self.repair
            .as_mut()?
            .pad(payload_type, timestamp, transport_number, room)
    }

    /// Finds the packet that a subscriber asks for; `None` when it was never sent, is of a span
    /// that is forgotten, or [`RESENDS_PER_SECOND`] is reached.
    pub fn asked_again(&mut self, now: Instant, sequence: u16) -> Option<u64> {
        let number = nearest(self.next_out.saturating_sub(1), sequence);
        if number >= self.next_out || self.find_span(number).is_none() {
            return None;
        }
        if self.resends_since.is_none_or(|since| now >= since + SECOND) {
            self.resends_since = Some(now);
            self.resends = 0;
        }
        self.resends += 1;
        (self.resends <= RESENDS_PER_SECOND).then_some(number)
    }

    /// The span of a number that was sent.
    pub fn find_span(&self, number: u64) -> Option<Span> {
        self.spans.of_sent(number)
    }

    /// Writes and seals a retransmission of a packet that was sent under `number`: on the
    /// retransmission stream where there is one, else the very same bytes again.
    pub fn resend(
        &mut self,
        now: Instant,
        number: u64,
        span: &Span,
        found: &Remembered<'_>,
        room: &mut [u8],
        downlink: Option<&mut Downlink>,
    ) -> Option<usize> {
        let (packet, payload) = (found.packet, found.payload_within(span.temporal));
        let span = &span.behind(&found.place(span.temporal)?);
        let format = self.formats.of(packet.codec)?;
        let (Some(repair), Some(payload_type)) = (&self.repair, format.rtx_payload_type) else {
            let head = Head {
                payload_type: format.payload_type,
                ssrc: self.ssrc,
                number,
                transport_number: None,
                playout_delay: None,
                prefix: &[],
            };
            let len = write(room, span, packet, payload, &format, &head)?;
            return self.sealer.as_mut()?.seal(number, room, head.bytes(), len);
        };
        let head = Head {
            payload_type,
            ssrc: repair.ssrc,
            number: repair.next_out,
            transport_number: self.transport_number(now, payload.len(), downlink),
            playout_delay: None,
            prefix: &(number as u16).to_be_bytes(),
        };
        let len = write(room, span, packet, payload, &format, &head)?;
        self.repair.as_mut()?.seal(room, head.bytes(), len)
    }

    /// A sender report, given the media time of an encoding; `None` before the first packet.
    pub fn sender_report(
        &self,
        ntp: u64,
        media_now: impl Fn(&Span) -> Option<u32>,
    ) -> Option<SenderInfo> {
        let span = self.spans.open()?;
        Some(SenderInfo {
            ssrc: self.ssrc,
            ntp,
            timestamp: media_now(&span)?.wrapping_add(span.timestamp_offset),
            packets: self.counts.packets as u32,
            octets: self.counts.octets as u32,
        })
    }

    /// Takes the subscriber's report on this leg.
    pub fn report(&mut self, block: &ReportBlock) {
        let highest = nearest_32(self.next_out.saturating_sub(1), block.highest);
        let expected = (highest + 1).saturating_sub(self.first_out);
        let lost = u64::try_from(block.lost).unwrap_or(0);
        let delivered = expected.min(self.counts.packets).saturating_sub(lost);
        self.counts.delivered = self.counts.delivered.max(delivered);
    }

    /// Its SSRC.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Its counters.
    pub fn counts(&self) -> LegCounts {
        self.counts
    }
}

/// Where a stream's numbers begin: below 2^15, so that receivers assume a roll-over counter of
/// zero, even when the first packets are lost (RFC 3711 section 3.3.1).
fn first_number(ssrc: u32) -> u64 {
    1 + u64::from(ssrc.wrapping_mul(0x9e37_79b9) >> 18)
}

fn nearest_32(reference: u64, low: u32) -> u64 {
    let step = low.wrapping_sub(reference as u32).cast_signed();
    reference.saturating_add_signed(i64::from(step))
}
