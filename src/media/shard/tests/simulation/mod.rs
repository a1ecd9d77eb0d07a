//! Random rooms over one shard or two in virtual time, held against a reference receiver and a
//! small model of who is to get what. `PROPTEST_CASES` sets how many seeds the long form takes.

mod acts;
mod publisher;
mod receiver;
mod sites;

use std::collections::BTreeMap;

use super::world::*;
use super::*;
use crate::media::command::{Codec, MediaKind};
use crate::media::rtp::read_u16;
use crate::media::twcc::ArrivalLog;
use publisher::Publication;
use receiver::Streams;
use sites::Sites;

const MS: Duration = Duration::from_millis(1);

/// Time between two looks of the simulation.
const STEP_MS: u64 = 5;

/// What the way adds to a packet: seal, UDP and IP.
const WAY_BYTES: usize = 16 + 8 + 20;

/// What a narrow way keeps in its queue, bytes.
const QUEUE_BYTES_MAX: f64 = 60_000.0;

/// What goes wrong in a simulation.
#[derive(Clone, Copy, Debug, Default)]
struct Trouble {
    /// Packets in a hundred that get lost on the way up, or come late.
    up: usize,
    /// The same on the way down.
    down: usize,
    /// Ways to clients become narrow.
    narrow: bool,
    /// In one of so many steps, what shards hand each other finds no room; 0 for never.
    full: usize,
}

/// What the simulation knows of one client beside the world's node.
struct Member {
    is_gone: bool,
    /// It tells of numbered packets, as browsers do.
    feeds_back: bool,
    capacity_bps: Option<f64>,
    queue_bytes: f64,
    streams: Streams,
    /// SSRC pairs of legs that ended, and whether of sound.
    ended: Vec<(u32, u32, bool)>,
    on_the_way: Vec<(Instant, Carried)>,
    log: ArrivalLog,
}

/// A packet on the way down.
struct Carried {
    transport_number: Option<u16>,
    place: Option<(u64, u64)>,
}

struct Simulation {
    sites: Sites,
    chance: Chance,
    trouble: Trouble,
    members: Vec<Member>,
    publications: BTreeMap<u64, Publication>,
    on_the_way_up: Vec<(Instant, usize, Vec<u8>)>,
    next_source: u64,
    next_leg: u64,
    step: u64,
}

impl Simulation {
    fn new(seed: u64, shards: usize, trouble: Trouble) -> Self {
        let mut simulation = Self {
            sites: Sites::new(shards),
            chance: Chance::new(seed),
            trouble,
            members: Vec::new(),
            publications: BTreeMap::new(),
            on_the_way_up: Vec::new(),
            next_source: 1,
            next_leg: 1,
            step: 0,
        };
        (0..3).for_each(|_| simulation.join());
        simulation
    }

    fn run(&mut self, time: Duration, acts: bool) {
        let end = self.sites.now() + time;
        while self.sites.now() < end {
            self.publish();
            self.carry_up();
            self.sites.fill_boxes(self.trouble.full, &mut self.chance);
            self.sites.hand_over();
            if acts && self.chance.below(16) == 0 {
                self.act();
            }
            self.sites.advance(STEP_MS, &mut self.chance);
            self.judge();
            self.carry_down();
            self.listen();
            if self.step.is_multiple_of(10) {
                self.feed_back();
            }
            self.step += 1;
        }
    }

    /// Frames and sounds that are due.
    fn publish(&mut self) {
        let mut packets = Vec::new();
        for publication in self.publications.values_mut() {
            let audio = publication.codec.kind() == MediaKind::Audio;
            let (pause, ticks) = if audio { (20, 960) } else { (40, 3_600) };
            let due = (STEP_MS * self.step + 5 * publication.source).is_multiple_of(pause);
            if due && self.sites.node(publication.node).client.media.is_some() {
                let film = publication.film(ticks, &mut self.chance);
                packets.extend(film.into_iter().map(|plain| (publication.node, plain)));
            }
        }
        for (node, plain) in packets {
            self.send_up(node, &plain);
        }
    }

    fn send_up(&mut self, node: usize, plain: &[u8]) {
        let media = self.sites.node(node).client.media.as_mut().unwrap();
        let sealed = media.outgoing.encrypt_rtp(plain).unwrap().to_vec();
        if self.chance.below(100) < self.trouble.up {
            return;
        }
        let late = self.chance.below(100) < self.trouble.up;
        let delay = MS
            * if late {
                self.chance.below(60) as u32
            } else {
                0
            };
        self.on_the_way_up
            .push((self.sites.now() + delay, node, sealed));
    }

    fn carry_up(&mut self) {
        let now = self.sites.now();
        self.on_the_way_up.sort_by_key(|(at, _, _)| *at);
        let due = self.on_the_way_up.partition_point(|(at, _, _)| *at <= now);
        for (_, node, mut sealed) in self.on_the_way_up.drain(..due) {
            self.sites.datagram(node, &mut sealed);
        }
    }

    /// Holds what the shard sent against the rules, and sends it on its way.
    fn judge(&mut self) {
        let now = self.sites.now();
        let (chance, trouble) = (&mut self.chance, self.trouble);
        for (at, member) in self.members.iter_mut().enumerate() {
            let node = self.sites.node(at);
            if let Some(capacity) = member.capacity_bps {
                let drained = capacity / 8.0 * STEP_MS as f64 / 1e3;
                member.queue_bytes = (member.queue_bytes - drained).max(0.0);
            }
            for (ssrc, sequence) in std::mem::take(&mut node.repeated) {
                if let Some(leg) = member.streams.by_ssrc.get(&ssrc) {
                    let place = member.streams.live[leg].repeated(sequence);
                    let again = Carried {
                        transport_number: None,
                        place,
                    };
                    member.on_the_way.push((now + 10 * MS, again));
                }
            }
            for seen in std::mem::take(&mut node.packets) {
                assert!(!member.is_gone, "sent to one who left");
                let leg = member.streams.by_ssrc.get(&seen.header.ssrc);
                let leg = *leg.unwrap_or_else(|| panic!("{:?} ended", seen.header));
                let stream = member.streams.live.get_mut(&leg).unwrap();
                let number = stream.sent(&seen, &self.publications[&stream.source]);
                let lost = chance.below(100) < trouble.down;
                let late = chance.below(100) < trouble.down;
                let mut at = now
                    + MS * if late {
                        10 + chance.below(60) as u32
                    } else {
                        10
                    };
                if let Some(capacity) = member.capacity_bps {
                    let bytes = (seen.plain.len() + WAY_BYTES) as f64;
                    if member.queue_bytes + bytes > QUEUE_BYTES_MAX {
                        continue;
                    }
                    member.queue_bytes += bytes;
                    at += Duration::from_secs_f64(member.queue_bytes * 8.0 / capacity);
                }
                let value = seen.header.extension(&seen.plain, TRANSPORT_CC);
                let carried = Carried {
                    transport_number: value.and_then(|value| read_u16(value, 0)),
                    place: number.map(|number| (leg, number)),
                };
                if !lost {
                    member.on_the_way.push((at, carried));
                }
            }
        }
    }

    fn carry_down(&mut self) {
        let now = self.sites.now();
        for member in &mut self.members {
            member.on_the_way.sort_by_key(|(at, _)| *at);
            let due = member.on_the_way.partition_point(|(at, _)| *at <= now);
            for (at, carried) in member.on_the_way.drain(..due) {
                if let Some(number) = carried.transport_number {
                    member.log.arrived(at, number);
                }
                if let Some((leg, number)) = carried.place
                    && let Some(stream) = member.streams.live.get_mut(&leg)
                {
                    stream.arrived(number);
                }
            }
        }
    }

    /// Publishers hear of packets and key frames that are wanted.
    fn listen(&mut self) {
        let mut repeats = Vec::new();
        for node in 0..self.members.len() {
            let feedback = std::mem::take(&mut self.sites.node(node).feedback);
            for item in feedback.iter().flat_map(|compound| rtcp::items(compound)) {
                let mine = self.publications.values_mut().filter(|p| p.node == node);
                match item {
                    Item::Nack { ssrc, entries } => {
                        let entries: Vec<u16> = rtcp::nacked(entries).collect();
                        for publication in mine {
                            let again = entries.iter().filter_map(|n| publication.repeat(ssrc, *n));
                            repeats.extend(again.map(|plain| (node, plain)));
                        }
                    }
                    Item::KeyFrameRequest { ssrc } => mine
                        .flat_map(|publication| &mut publication.layers)
                        .filter(|layer| layer.ssrc == ssrc)
                        .for_each(|layer| layer.key_due = true),
                    Item::SenderInfo(_) | Item::Block(_) | Item::TransportFeedback(_) => {}
                }
            }
        }
        for (node, plain) in repeats {
            self.send_up(node, &plain);
        }
    }

    /// Subscribers tell what came and ask for what did not.
    fn feed_back(&mut self) {
        for node in 0..self.members.len() {
            let member = &mut self.members[node];
            if member.is_gone || self.sites.node(node).client.media.is_none() {
                continue;
            }
            let mut compounds = Vec::new();
            let mut out = Vec::new();
            while member.feeds_back && member.log.write_feedback(&mut out, 1) {
                compounds.push(std::mem::take(&mut out));
            }
            for stream in member.streams.live.values_mut() {
                rtcp::write_nack(&mut out, stream.ssrc, &stream.ask());
                let stuck = self.step.is_multiple_of(100) && !stream.is_continuous();
                if (std::mem::take(&mut stream.needs_key) || stuck) && !stream.is_audio() {
                    rtcp::write_picture_loss(&mut out, stream.ssrc);
                }
            }
            compounds.extend((!out.is_empty()).then_some(out));
            for compound in compounds {
                self.sites.rtcp(node, &compound);
            }
        }
    }

    /// Nothing goes wrong any more: everybody gets what the model says, and can decode it.
    fn settle(&mut self, seed: u64) {
        let narrowed = self.trouble.narrow;
        self.trouble = Trouble::default();
        for member in &mut self.members {
            member.capacity_bps = None;
        }
        self.run(MS * if narrowed { 20_000 } else { 8_000 }, false);
        for member in &mut self.members {
            let streams = member.streams.live.values_mut();
            streams.for_each(|stream| stream.recent.clear());
        }
        self.run(1_000 * MS, false);
        let expected = self.expected();
        self.publications.values_mut().for_each(|publication| {
            publication
                .layers
                .iter_mut()
                .for_each(|layer| layer.is_on = false);
        });
        self.run(300 * MS, false);
        for (member, expected) in self.members.iter().zip(&expected) {
            for (stream, (_, expected)) in member.streams.live.values().zip(expected) {
                let told = format!("seed {seed}: {}", stream.state());
                assert_eq!(stream.recent.is_empty(), expected.is_none(), "{told}");
                let publication = &self.publications[&stream.source];
                // Key pictures have the layers below as well.
                let right = |(encoding, _): &(u8, u8)| match publication.is_layered() {
                    true => Some(*encoding) <= *expected,
                    false => Some(*encoding) == *expected,
                };
                let recent = &stream.recent;
                assert!(recent.iter().all(right), "{told}: {recent:?}");
                let best = recent.iter().map(|(encoding, _)| *encoding).max();
                assert_eq!(best, *expected, "{told}");
                let layered = matches!(publication.codec, Codec::Vp8 | Codec::Vp9);
                let highest = recent.iter().map(|(_, temporal)| *temporal).max();
                let enough = match stream.frames_per_second {
                    Some(3) => 0,
                    Some(_) => 1,
                    None => 2,
                };
                let enough = if layered { enough } else { 0 };
                assert!(highest.is_none_or(|h| h == enough), "{told}: {recent:?}");
                assert!(expected.is_none() || stream.is_decodable(), "{told}");
            }
        }
    }

    /// The model: which layer of each leg, by client and leg.
    fn expected(&self) -> Vec<BTreeMap<u64, Option<u8>>> {
        let of = |member: &Member| {
            let streams = member.streams.live.values();
            let one = streams.map(|stream| {
                let best = self.publications[&stream.source].best(stream.encoding);
                (stream.leg, best.filter(|_| !stream.is_paused))
            });
            one.collect()
        };
        self.members.iter().map(of).collect()
    }
}

fn simulate(seed: u64, shards: usize, trouble: Trouble) {
    let mut simulation = Simulation::new(seed, shards, trouble);
    simulation.run(500 * MS, false);
    simulation.run(8_000 * MS, true);
    simulation.settle(seed);
    let closed = |event: &&Event| matches!(event, Event::TransportClosed { .. });
    let closed = simulation.sites.events().filter(closed);
    assert_eq!(closed.count(), 0, "seed {seed}");
}

/// The seeds of a property: one for ten cases of a smaller one.
fn seeds(first: u64) -> std::ops::Range<u64> {
    let cases = proptest::test_runner::Config::default().cases;
    first..first + u64::from(cases).div_ceil(10)
}

const LOSSY: Trouble = Trouble {
    up: 5,
    down: 5,
    narrow: false,
    full: 0,
};

const NARROW: Trouble = Trouble {
    up: 0,
    down: 0,
    narrow: true,
    full: 0,
};

const NARROW_AND_LOSSY: Trouble = Trouble {
    narrow: true,
    ..LOSSY
};

#[test]
fn without_trouble_every_stream_is_without_a_hole_and_settles_to_its_layer() {
    seeds(1_000).for_each(|seed| simulate(seed, 1, Trouble::default()));
}

#[test]
fn under_loss_and_reordering_every_stream_stays_decodable() {
    seeds(2_000).for_each(|seed| simulate(seed, 1, LOSSY));
}

#[test]
fn behind_narrow_ways_no_number_comes_twice_and_no_hole_is_made() {
    seeds(3_000).for_each(|seed| simulate(seed, 1, NARROW));
}

#[test]
fn behind_narrow_lossy_ways_every_stream_recovers() {
    seeds(4_000).for_each(|seed| simulate(seed, 1, NARROW_AND_LOSSY));
}

#[test]
fn over_two_shards_every_stream_is_without_a_hole_and_settles_to_its_layer() {
    seeds(5_000).for_each(|seed| simulate(seed, 2, Trouble::default()));
}

#[test]
fn over_two_shards_under_loss_and_reordering_every_stream_stays_decodable() {
    seeds(6_000).for_each(|seed| simulate(seed, 2, LOSSY));
}

#[test]
fn over_two_shards_behind_narrow_ways_no_number_comes_twice_and_no_hole_is_made() {
    seeds(7_000).for_each(|seed| simulate(seed, 2, NARROW));
}

#[test]
fn over_two_shards_that_lose_what_they_hand_over_every_stream_recovers() {
    let trouble = Trouble {
        full: 40,
        ..NARROW_AND_LOSSY
    };
    seeds(8_000).for_each(|seed| simulate(seed, 2, trouble));
}
