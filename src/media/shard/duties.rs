//! What a shard does by the clock: timers of transports, requests and reports.

use std::time::{Duration, Instant};

use super::mishap::AtHand;
use super::relay::{Matter, Relayed};
use super::{Shard, add_counts};
use crate::media::command::{AudioLevel, Event, MediaKind, TransportReport};
use crate::media::outbox::Outbox;
use crate::media::peer::{Duties, Peer};
use crate::media::report::ClockOffset;
use crate::media::rtcp::{
    REPORT_BLOCKS_MAX, write_nack, write_picture_loss, write_receiver_report, write_sender_report,
};
use crate::media::source::{Origin, Source};
use crate::media::speaker::WINDOW;
use crate::media::twcc::FEEDBACK_PAUSE;

/// Longest time between two looks at what is due.
pub(super) const TICK: Duration = Duration::from_millis(50);

/// Shortest time between two looks at what is due.
pub(super) const TICK_MIN: Duration = Duration::from_millis(1);

/// Time between two reports to a client.
const REPORTS_PAUSE: Duration = Duration::from_secs(1);

/// Time between two reports to the room half.
const SUMMARY_PAUSE: Duration = Duration::from_secs(5);

/// Time between two divisions of the way to a client that does not feed back.
const DIVISION_PAUSE: Duration = Duration::from_millis(500);

/// A compound RTCP packet is sent when it is longer than this.
const COMPOUND_BYTES: usize = 1_100;

/// The first duties of a client; clients take turns so that their reports do not come at once.
pub(super) fn first(now: Instant, place: usize) -> Duties {
    let turns = REPORTS_PAUSE.as_millis() / TICK.as_millis();
    let turn = (place as u128 % turns) as u32;
    Duties {
        feedback_at: now + FEEDBACK_PAUSE,
        reports_at: now + TICK * (turn + 1),
        division_at: now + DIVISION_PAUSE,
        summary_at: now + SUMMARY_PAUSE,
    }
}

impl Shard {
    pub(super) fn tick(&mut self, now: Instant) {
        for place in 0..self.peers.places() {
            let Some(peer) = self.peers.get_mut(place) else {
                continue;
            };
            self.at_hand = AtHand::Client(place);
            if peer.deadline.is_some_and(|at| at <= now) {
                peer.transport.handle_timeout(now);
                self.after_transport(now, place);
            } else if let Some(deadline) = peer.deadline {
                self.hasten(deadline);
            }
            self.feed_back(now, place);
            self.report(now, place);
            self.divide_by_time(now, place);
            self.summarize(now, place);
        }
        self.ask_publishers(now);
        self.at_hand = AtHand::Everybody;
        self.close_levels(now);
    }

    /// Congestion feedback to a publisher.
    fn feed_back(&mut self, now: Instant, place: usize) {
        let Self {
            peers,
            outbox,
            scratch,
            forwarding,
            ..
        } = self;
        let Some(peer) = peers.get_mut(place) else {
            return;
        };
        let Some(duties) = peer
            .duties
            .as_mut()
            .filter(|duties| duties.feedback_at <= now)
        else {
            return;
        };
        duties.feedback_at = now + FEEDBACK_PAUSE;
        let Some((_, arrivals)) = &mut peer.arrivals else {
            return;
        };
        let about = peer
            .sources
            .iter()
            .filter_map(|place| forwarding.source(*place));
        let about = about
            .flat_map(|source| &source.encodings)
            .find_map(|encoding| encoding.ssrc);
        let mut more = true;
        while more {
            scratch.clear();
            more = arrivals.write_feedback(scratch, about.unwrap_or(0));
            if more && let Some(to) = peer.transport.send_address() {
                outbox.write(to, |bytes| peer.transport.seal_rtcp(scratch, bytes));
            }
        }
    }

    /// Sender reports for a client's legs, receiver reports for its sources.
    fn report(&mut self, now: Instant, place: usize) {
        let Some(peer) = self.peers.get_mut(place) else {
            return;
        };
        let Some(duties) = peer
            .duties
            .as_mut()
            .filter(|duties| duties.reports_at <= now)
        else {
            return;
        };
        duties.reports_at = now + REPORTS_PAUSE;
        self.report_received(now, place);
        self.report_sent(now, place);
    }

    fn divide_by_time(&mut self, now: Instant, place: usize) {
        let duties = self
            .peers
            .get_mut(place)
            .and_then(|peer| peer.duties.as_mut());
        let Some(duties) = duties.filter(|duties| duties.division_at <= now) else {
            return;
        };
        duties.division_at = now + DIVISION_PAUSE;
        self.divide(now, place);
    }

    /// Divides the way to a client among its legs.
    pub(super) fn divide(&mut self, now: Instant, place: usize) {
        let Self {
            peers,
            forwarding,
            events,
            ..
        } = self;
        let Some(peer) = peers.get(place) else {
            return;
        };
        let transport = peer.transport.id();
        let legs = peer.legs.values().copied();
        forwarding.divide(now, place, legs, |leg, held| {
            events.push_back(Event::LegHeld {
                transport,
                leg,
                held,
            });
        });
    }

    fn report_received(&mut self, now: Instant, place: usize) {
        let Self {
            peers,
            forwarding,
            outbox,
            scratch,
            ..
        } = self;
        let Some(peer) = peers.get_mut(place) else {
            return;
        };
        let mut blocks = Vec::new();
        for source in &peer.sources {
            let Some(source) = forwarding.source_mut(*source) else {
                continue;
            };
            blocks.extend(source.encodings.iter_mut().filter_map(|encoding| {
                let ssrc = encoding.ssrc?;
                encoding.reception.block(now, ssrc)
            }));
        }
        for blocks in blocks.chunks(REPORT_BLOCKS_MAX) {
            scratch.clear();
            write_receiver_report(scratch, blocks);
            send(peer, outbox, scratch);
        }
    }

    fn report_sent(&mut self, now: Instant, place: usize) {
        let ntp = self.clock.at(now);
        let legs = self.peers.get(place).map_or(0, |peer| peer.legs.len());
        self.scratch.clear();
        for turn in 0..legs {
            let leg = self
                .peers
                .get(place)
                .and_then(|peer| peer.legs.values().nth(turn).copied());
            let Some((source, at)) = leg.and_then(|leg| self.forwarding.leg_mut(leg)) else {
                continue;
            };
            let offset = match source.origin {
                Origin::Shard { clock, .. } => clock,
                Origin::Client(place) => {
                    let publisher = self.peers.get(place);
                    publisher.map_or_else(ClockOffset::default, |peer| peer.clock_offset)
                }
            };
            let info = source.legs[at].sender_report(ntp, |span| {
                let carrier = source.carrier(usize::from(span.encoding));
                let encoding = source.encodings.get(carrier)?;
                encoding
                    .reception
                    .media_now(now, ntp, &offset, encoding.clock_rate_hz())
            });
            if let Some(info) = info {
                write_sender_report(&mut self.scratch, &info);
            }
            if self.scratch.len() > COMPOUND_BYTES {
                self.send_scratch(place);
            }
        }
        self.send_scratch(place);
    }

    fn send_scratch(&mut self, place: usize) {
        if let Some(peer) = self.peers.get_mut(place) {
            send(peer, &mut self.outbox, &self.scratch);
        }
        self.scratch.clear();
    }

    /// The report to the room half.
    fn summarize(&mut self, now: Instant, place: usize) {
        let Self {
            peers,
            forwarding,
            events,
            ..
        } = self;
        let Some(peer) = peers.get_mut(place) else {
            return;
        };
        let Some(duties) = peer
            .duties
            .as_mut()
            .filter(|duties| duties.summary_at <= now)
        else {
            return;
        };
        duties.summary_at = now + SUMMARY_PAUSE;
        let mut out = peer.retired;
        for leg in peer.legs.values() {
            if let Some((source, at)) = forwarding.leg_mut(*leg) {
                add_counts(&mut out, source.legs[at].counts());
            }
        }
        let (mut packets_in, mut packets_in_lost) = peer.retired_in;
        for source in peer
            .sources
            .iter()
            .filter_map(|place| forwarding.source(*place))
        {
            for encoding in &source.encodings {
                packets_in += encoding.reception.received();
                packets_in_lost += encoding.reception.missing();
            }
        }
        events.push_back(Event::Report(TransportReport {
            transport: peer.transport.id(),
            packets_in,
            packets_in_lost,
            packets_out: out.packets,
            packets_out_delivered: out.delivered,
            bytes_out: out.octets,
            round_trip: peer.round_trip,
            heard_ago: now.saturating_duration_since(peer.transport.last_heard()),
        }));
    }

    /// Asks publishers for missing packets and key frames.
    fn ask_publishers(&mut self, now: Instant) {
        let Self {
            peers,
            forwarding,
            outbox,
            scratch,
            numbers,
            at_hand,
            notes,
            ..
        } = self;
        let mut next: Option<Instant> = None;
        for source in forwarding.sources_mut() {
            *at_hand = source.served().into();
            source.refresh(now);
            let place = match source.origin {
                Origin::Client(place) => place,
                Origin::Shard { home, .. } => {
                    ask_home(now, source, |note| notes.push((home, note)));
                    continue;
                }
            };
            let Some(peer) = peers.get_mut(place) else {
                continue;
            };
            scratch.clear();
            for encoding in &mut source.encodings {
                numbers.clear();
                if encoding.gaps.due(now, numbers).given_up {
                    encoding.key_frames.want();
                }
                let Some(ssrc) = encoding.ssrc.filter(|_| encoding.is_heard()) else {
                    continue;
                };
                write_nack(scratch, ssrc, numbers);
                if peer.transport.is_connected() && encoding.key_frames.take_due(now) {
                    write_picture_loss(scratch, ssrc);
                }
                next = [next, encoding.gaps.next_timeout()]
                    .into_iter()
                    .flatten()
                    .min();
            }
            send(peer, outbox, scratch);
        }
        if let Some(next) = next {
            self.hasten(next);
        }
    }

    fn close_levels(&mut self, now: Instant) {
        if now < self.levels_at {
            return;
        }
        self.levels_at = now + WINDOW;
        let audio = self
            .forwarding
            .sources_mut()
            .filter(|s| s.kind == MediaKind::Audio);
        let mut levels: Vec<AudioLevel> = audio
            .filter_map(|source| {
                let level = source.levels.close()?;
                Some(AudioLevel {
                    source: source.id,
                    level_dbov: level.level_dbov,
                    active_ratio: level.active_ratio,
                })
            })
            .collect();
        if !levels.is_empty() {
            levels.sort_by_key(|level| (level.level_dbov, level.source));
            self.events.push_back(Event::AudioLevels(levels));
        }
    }
}

/// Asks the shard where a mirror's source comes in for the key frames that its legs wait for.
fn ask_home(now: Instant, mirror: &mut Source, mut note: impl FnMut(Relayed)) {
    let source = mirror.id;
    for (at, encoding) in mirror.encodings.iter_mut().enumerate() {
        if encoding.key_frames.take_due(now) {
            let encoding = at as u8;
            let matter = Matter::WantKeyFrame { encoding };
            note(Relayed { source, matter });
        }
    }
}

/// Seals and queues a compound packet; nothing when it is empty.
fn send(peer: &mut Peer, outbox: &mut Outbox, compound: &[u8]) {
    if let Some(to) = peer.transport.send_address()
        && !compound.is_empty()
    {
        outbox.write(to, |bytes| peer.transport.seal_rtcp(compound, bytes));
    }
}
