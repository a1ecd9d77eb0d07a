//! A subscriber behind a bottleneck: what it is sent, and that what it is sent can be decoded.

use std::collections::{BTreeMap, VecDeque};

use super::world::*;
use super::*;
use crate::media::allocation::Step;
use crate::media::bandwidth::feedback::Feedback;
use crate::media::rtp::read_u16;
use crate::media::sample::{Chance, vp8, vp8_layer};
use crate::media::twcc::ArrivalLog;

const MS: Duration = Duration::from_millis(1);

/// Payload bytes of a frame of each encoding: 120, 480 and 1,400 kbit/s at 25 frames a second.
const FRAME_BYTES: [usize; 3] = [600, 2_400, 7_000];

/// What the way adds to a packet: seal, UDP and IP.
const WAY_BYTES: usize = 16 + 8 + 20;

/// One publisher with three layers and a voice, one subscriber behind a bottleneck.
struct Narrow {
    world: World,
    capacity_bps: f64,
    queue_bytes: f64,
    queue_bytes_max: f64,
    loss_percent: usize,
    chance: Chance,
    on_the_way: VecDeque<(Instant, Seen)>,
    log: ArrivalLog,
    feedback_at: Instant,
    /// The one layer that is published, with temporal layers; or all three without.
    only: Option<usize>,
    frame: u16,
    sequences: [u16; 3],
    audio_sequence: u16,
    /// Key frames that the publisher owes, by encoding.
    key_due: [bool; 3],
    receiver: Receiver,
    queue_longest: Duration,
}

/// What the subscriber makes of what comes: a decoder's rules without a decoder.
#[derive(Default)]
struct Receiver {
    highest: Option<u64>,
    /// Numbers that did not come, and how often they were asked for.
    missing: BTreeMap<u64, u32>,
    seen: std::collections::BTreeSet<u64>,
    begins_with_key: bool,
    audio: u64,
    video: u64,
    timestamp: Option<u32>,
    /// The least playout delay that was asked for last.
    delay: Option<Duration>,
    /// Longest time without a packet of a picture.
    last_video: Option<Instant>,
    longest_gap: Duration,
}

impl Receiver {
    fn take(&mut self, now: Instant, seen: &Seen) {
        match seen.header.payload_type {
            109 => self.audio += 1,
            100 => self.video(now, seen),
            101 if seen.payload.len() > 2 => {
                let original = u16::from_be_bytes([seen.payload[0], seen.payload[1]]);
                let highest = self.highest.expect("a repetition comes behind something");
                let number = crate::media::sequence::nearest(highest, original);
                self.missing.remove(&number);
            }
            _ => {}
        }
    }

    fn video(&mut self, now: Instant, seen: &Seen) {
        self.video += 1;
        if let Some(&[high, low, _]) = seen.header.extension(&seen.plain, PLAYOUT_DELAY) {
            let min = u64::from(high) << 4 | u64::from(low) >> 4;
            self.delay = Some(Duration::from_millis(10 * min));
        }
        if let Some(last) = self.last_video.replace(now) {
            self.longest_gap = self.longest_gap.max(now - last);
        }
        let reference = self
            .highest
            .unwrap_or(1 << 20 | u64::from(seen.header.sequence));
        let number = crate::media::sequence::nearest(reference, seen.header.sequence);
        assert!(self.seen.insert(number), "a number twice");
        if self.highest.is_none() {
            self.begins_with_key = seen.payload[6] & 1 == 0;
        }
        if let Some(highest) = self.highest.filter(|highest| number > *highest) {
            for lost in highest + 1..number {
                self.missing.insert(lost, 0);
            }
        }
        self.missing.remove(&number);
        if self.highest.is_none_or(|highest| number > highest) {
            self.highest = Some(number);
            let step = self
                .timestamp
                .map(|before| seen.header.timestamp.wrapping_sub(before));
            assert!(step.is_none_or(|step| step < 1 << 31), "media time goes on");
            self.timestamp = Some(seen.header.timestamp);
        }
    }
}

impl Narrow {
    fn new(capacity_bps: f64, seed: u64) -> Self {
        Self::publishing(None, capacity_bps, seed)
    }

    fn publishing(only: Option<usize>, capacity_bps: f64, seed: u64) -> Self {
        let mut world = World::with_clients(2);
        world.audio_source(1, 0);
        match only {
            Some(layer) => world.video_source(2, 0, &[["q", "h", "f"][layer]]),
            None => world.video_source(2, 0, &["q", "h", "f"]),
        }
        world.leg(1, 1, 1);
        world.leg(2, 2, 1);
        let now = world.now;
        Self {
            world,
            capacity_bps,
            queue_bytes: 0.0,
            queue_bytes_max: 90_000.0,
            loss_percent: 0,
            chance: Chance::new(seed),
            on_the_way: VecDeque::new(),
            log: ArrivalLog::new(now),
            feedback_at: now,
            only,
            frame: 0,
            sequences: [0; 3],
            audio_sequence: 0,
            key_due: [true; 3],
            receiver: Receiver::default(),
            queue_longest: Duration::ZERO,
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.world.now + time;
        let mut step = 0_u64;
        while self.world.now < end {
            if step.is_multiple_of(20) {
                self.speak();
            }
            if step.is_multiple_of(40) {
                self.film();
            }
            step += 5;
            self.world.advance(5);
            self.carry();
            self.listen();
        }
    }

    fn speak(&mut self) {
        let number = self.audio_sequence;
        self.audio_sequence = number.wrapping_add(1);
        let extensions: [(u8, &[u8]); 2] = [(MID, b"0"), (LEVEL, &[20])];
        self.world
            .rtp(0, &packet(OPUS, 7, number, &extensions, &[9; 80]));
    }

    fn film(&mut self) {
        let layers = [b"q", b"h", b"f"].into_iter().enumerate();
        for (encoding, rid) in layers.filter(|(at, _)| self.only.is_none_or(|only| only == *at)) {
            let base = self.only.is_none() || self.frame.is_multiple_of(4);
            let key = base && std::mem::take(&mut self.key_due[encoding]);
            let size = FRAME_BYTES[encoding] * if key { 4 } else { 1 };
            let parts = size.div_ceil(1_000);
            for part in 0..parts {
                let temporal = self
                    .only
                    .map_or(0, |_| [0, 2, 1, 2][usize::from(self.frame % 4)]);
                let base_layer = self.only.map_or(self.frame, |_| self.frame / 4) as u8;
                let mut payload =
                    vp8_layer(key && part == 0, self.frame, base_layer, temporal, true);
                if part > 0 {
                    payload[0] &= !0x10;
                }
                payload.resize(size / parts, encoding as u8);
                let number = self.sequences[encoding];
                self.sequences[encoding] = number.wrapping_add(1);
                let extensions: [(u8, &[u8]); 2] = [(MID, b"1"), (RID, rid)];
                let ssrc = 100 + encoding as u32;
                let mut plain = packet(VP8, ssrc, number, &extensions, &payload);
                plain[4..8].copy_from_slice(&(u32::from(self.frame) * 3_600).to_be_bytes());
                plain[1] |= u8::from(part + 1 == parts) << 7;
                self.world.rtp(0, &plain);
            }
        }
        self.frame = self.frame.wrapping_add(1) & 0x7fff;
    }

    /// What the shard sent goes through the bottleneck.
    fn carry(&mut self) {
        let now = self.world.now;
        self.queue_bytes = (self.queue_bytes - self.capacity_bps / 8.0 * 0.005).max(0.0);
        for seen in self.world.seen(1) {
            let bytes = (seen.plain.len() + WAY_BYTES) as f64;
            let unlucky = self.chance.below(100) < self.loss_percent;
            if unlucky || self.queue_bytes + bytes > self.queue_bytes_max {
                continue;
            }
            self.queue_bytes += bytes;
            let queued = Duration::from_secs_f64(self.queue_bytes * 8.0 / self.capacity_bps);
            self.queue_longest = self.queue_longest.max(queued);
            self.on_the_way.push_back((now + queued + 20 * MS, seen));
        }
        while let Some((at, seen)) = self.on_the_way.pop_front_if(|(at, _)| *at <= now) {
            if let Some(number) = seen.transport_number() {
                self.log.arrived(at, number);
            }
            self.receiver.take(now, &seen);
        }
    }

    /// The subscriber feeds back and asks again; the publisher hears of key frames.
    fn listen(&mut self) {
        let now = self.world.now;
        if now >= self.feedback_at {
            self.feedback_at = now + 100 * MS;
            let mut out = Vec::new();
            while self.log.write_feedback(&mut out, 2_002) {
                self.world.rtcp(1, &std::mem::take(&mut out));
            }
            let asked = self
                .receiver
                .missing
                .iter_mut()
                .filter(|(_, asks)| **asks < 10);
            let numbers: Vec<u64> = asked
                .map(|(number, asks)| {
                    *asks += 1;
                    *number
                })
                .collect();
            rtcp::write_nack(&mut out, 2_002, &numbers);
            if !out.is_empty() {
                self.world.rtcp(1, &out);
            }
        }
        for compound in self.world.feedback(0) {
            for item in rtcp::items(&compound) {
                if let rtcp::Item::KeyFrameRequest { ssrc } = item {
                    self.key_due[(ssrc - 100) as usize] = true;
                }
            }
        }
    }

    /// The encoding that is sent; nothing while the leg is held.
    fn shown(&self) -> Option<u8> {
        let place = self.world.shard.forwarding.leg(LegId(2))?;
        (!place.is_stopped()).then(|| place.shown())
    }

    fn held(&self) -> Vec<bool> {
        let held = |event: &Event| {
            let Event::LegHeld { leg, held, .. } = event else {
                return None;
            };
            (*leg == LegId(2)).then_some(*held)
        };
        self.world.events.iter().filter_map(held).collect()
    }
}

impl Seen {
    fn transport_number(&self) -> Option<u16> {
        let value = self.header.extension(&self.plain, TRANSPORT_CC)?;
        read_u16(value, 0)
    }
}

#[test]
fn on_a_wide_way_the_best_layer_comes_within_two_seconds() {
    let mut narrow = Narrow::new(20e6, 1);
    narrow.run(2_000 * MS);
    assert_eq!(narrow.shown(), Some(2));
    narrow.run(5_000 * MS);
    assert_eq!(narrow.shown(), Some(2));
    assert!(narrow.receiver.missing.is_empty() && narrow.receiver.begins_with_key);
    assert!(
        narrow.receiver.longest_gap < 500 * MS,
        "{:?}",
        narrow.receiver.longest_gap
    );
    assert!(narrow.held().is_empty());
}

#[test]
fn behind_a_bottleneck_the_layer_that_fits_comes_and_the_voice_always() {
    for (capacity, layer) in [(300e3, 0), (900e3, 1)] {
        let mut narrow = Narrow::new(capacity, 2);
        narrow.run(8_000 * MS);
        let (audio, video) = (narrow.receiver.audio, narrow.receiver.video);
        narrow.queue_longest = Duration::ZERO;
        narrow.receiver.longest_gap = Duration::ZERO;
        narrow.run(20_000 * MS);
        assert_eq!(narrow.shown(), Some(layer), "at {capacity}");
        let (audio, video) = (narrow.receiver.audio - audio, narrow.receiver.video - video);
        assert!(audio >= 990, "{audio} of 1000 voice packets at {capacity}");
        assert!(video > 400, "{video} picture packets at {capacity}");
        assert!(
            narrow.queue_longest < 700 * MS,
            "{:?}",
            narrow.queue_longest
        );
        let gap = narrow.receiver.longest_gap;
        assert!(gap < 1_000 * MS, "{gap:?} at {capacity}");
    }
}

#[test]
fn a_picture_that_fits_only_with_fewer_frames_comes_with_fewer_frames() {
    let mut narrow = Narrow::publishing(Some(1), 350e3, 12);
    narrow.run(10_000 * MS);
    let (video, held) = (narrow.receiver.video, narrow.held().len());
    narrow.receiver.longest_gap = Duration::ZERO;
    narrow.run(10_000 * MS);
    assert!(narrow.shown().is_some() && narrow.held().len() == held);
    // Three packets of a picture: all would be 750, half 375, a quarter 187.
    let video = narrow.receiver.video - video;
    assert!((180..500).contains(&video), "{video}");
    let gap = narrow.receiver.longest_gap;
    assert!(gap < 500 * MS, "{gap:?}");
    narrow.capacity_bps = 3e6;
    narrow.run(10_000 * MS);
    let video = narrow.receiver.video;
    narrow.run(4_000 * MS);
    let video = narrow.receiver.video - video;
    assert!((290..=330).contains(&video), "{video}");
}

#[test]
fn what_does_not_fit_at_all_is_held_and_told_and_comes_back() {
    let mut narrow = Narrow::new(100e3, 3);
    narrow.run(10_000 * MS);
    assert_eq!(narrow.shown(), None);
    let audio = narrow.receiver.audio;
    narrow.run(10_000 * MS);
    let audio = narrow.receiver.audio - audio;
    assert!(audio >= 485, "{audio} of 500 voice packets");
    narrow.capacity_bps = 3e6;
    narrow.run(20_000 * MS);
    assert!(narrow.shown().is_some());
    let held = narrow.held();
    assert_eq!((held.first(), held.last()), (Some(&true), Some(&false)));
}

#[test]
fn a_way_that_narrows_and_widens_is_followed_with_a_picture_that_goes_on() {
    let mut narrow = Narrow::new(3e6, 4);
    narrow.run(6_000 * MS);
    assert_eq!(narrow.shown(), Some(2));
    narrow.capacity_bps = 300e3;
    narrow.run(6_000 * MS);
    assert_eq!(narrow.shown(), Some(0));
    narrow.receiver.longest_gap = Duration::ZERO;
    narrow.run(10_000 * MS);
    assert!(
        narrow.receiver.longest_gap < 1_000 * MS,
        "{:?}",
        narrow.receiver.longest_gap
    );
    narrow.capacity_bps = 3e6;
    narrow.run(5_000 * MS);
    assert!(narrow.shown() >= Some(1), "{:?}", narrow.shown());
    narrow.run(7_000 * MS);
    assert_eq!(narrow.shown(), Some(2));
}

#[test]
fn ten_percent_loss_is_mended_by_retransmission_without_losing_the_picture() {
    for seed in 5..8 {
        let mut narrow = Narrow::new(5e6, seed);
        narrow.loss_percent = 10;
        narrow.run(20_000 * MS);
        assert!(
            narrow.shown() >= Some(1),
            "seed {seed}: {:?}",
            narrow.shown()
        );
        let gap = narrow.receiver.longest_gap;
        assert!(gap < 500 * MS, "seed {seed}: {gap:?}");
        let missing = narrow.receiver.missing.len() as f64 / narrow.receiver.video as f64;
        assert!(missing < 0.02, "seed {seed}: {missing}");
        assert!(narrow.receiver.delay >= Some(100 * MS), "seed {seed}");
        narrow.loss_percent = 0;
        narrow.run(25_000 * MS);
        assert_eq!(narrow.receiver.delay, Some(Duration::ZERO), "seed {seed}");
    }
}

#[test]
fn where_nothing_is_lost_no_delay_is_asked_for() {
    let mut narrow = Narrow::new(5e6, 9);
    narrow.run(10_000 * MS);
    assert_eq!(narrow.receiver.delay, None);
}

#[test]
fn feedback_from_one_who_has_no_numbered_leg_is_passed_over() {
    let mut world = World::with_clients(1);
    let mut log = ArrivalLog::new(world.now);
    log.arrived(world.now, 9);
    let mut out = Vec::new();
    assert!(log.write_feedback(&mut out, 7));
    assert!(Feedback::parse(&out[12..]).is_some());
    world.rtcp(0, &out);
    assert_eq!(world.shard.counts(), (1, 0, 0));
}

/// A picture without feedback, of which twelve packets leave at once.
fn burst(numbers: impl Iterator<Item = u16>) -> World {
    let mut world = World::with_clients(2);
    world.video_source(1, 0, &[]);
    world.leg(1, 1, 1);
    for number in numbers {
        film_one(&mut world, number);
        world.settle();
    }
    world
}

fn film_one(world: &mut World, number: u16) {
    let mut payload = vp8(number == 0, number, number as u8);
    payload.resize(1_000, 1);
    world.rtp(0, &packet(VP8, 7, number, &[(MID, b"1")], &payload));
}

#[test]
fn a_latecomer_on_a_full_way_goes_alone_and_nothing_behind_it_twice() {
    let mut world = burst((0..=12).filter(|number| *number != 9));
    assert_eq!(world.seen(1).len(), 12);
    film_one(&mut world, 9);
    world.advance(100);
    assert_eq!(world.seen(1).len(), 1);
}

#[test]
fn what_comes_while_a_leg_catches_up_is_sent_once() {
    let mut world = burst(0..20);
    assert_eq!(world.seen(1).len(), 12);
    world.now += 100 * MS;
    film_one(&mut world, 20);
    world.settle();
    world.advance(100);
    assert_eq!(world.seen(1).len(), 9);
}

#[test]
fn a_switch_that_is_taken_back_while_it_waits_leaves_nothing_out() {
    let mut world = World::with_clients(2);
    world.video_source(1, 0, &["q", "h"]);
    world.leg(1, 1, 1);
    let film = |world: &mut World, encoding: u8, number: u16, key: bool| {
        let mut payload = vp8(key, number, number as u8);
        payload.resize(1_000, 1);
        let extensions: [(u8, &[u8]); 2] =
            [(MID, b"1"), (RID, [b"q", b"h"][usize::from(encoding)])];
        let ssrc = 7 + u32::from(encoding);
        world.rtp(0, &packet(VP8, ssrc, number, &extensions, &payload));
        world.settle();
    };
    let take = |world: &mut World, encoding: u8| {
        let (source, at) = world.shard.forwarding.leg_mut(LegId(1)).unwrap();
        source.legs[at].grant(Some(Step::whole(1)));
        source.legs[at].select(encoding);
        source.choose_encoding(at);
    };
    take(&mut world, 0);
    (0..12).for_each(|number| film(&mut world, 0, number, number == 0));
    take(&mut world, 1);
    film(&mut world, 1, 900, true);
    (12..15).for_each(|number| film(&mut world, 0, number, false));
    let sent = world.seen(1);
    take(&mut world, 0);
    world.advance(100);
    let after = world.seen(1);
    let pictures = |seen: &[Seen]| -> Vec<u8> { seen.iter().map(|seen| seen.payload[3]).collect() };
    assert_eq!(pictures(&sent), (0..12).collect::<Vec<u8>>());
    assert_eq!(pictures(&after), [12, 13, 14]);
    assert_eq!(after[0].header.sequence, sent[11].header.sequence + 1);
}

#[test]
fn nothing_is_sent_again_while_a_leg_is_paused() {
    let mut world = World::with_clients(2);
    world.audio_source(1, 0);
    world.leg(1, 1, 1);
    for number in 0..5 {
        world.rtp(0, &packet(OPUS, 7, number, &[(MID, b"0")], &[1]));
    }
    let sent = u64::from(world.seen(1)[2].header.sequence);
    world.command(Command::PauseLeg {
        leg: LegId(1),
        paused: true,
    });
    let mut nack = Vec::new();
    rtcp::write_nack(&mut nack, 2_001, &[sent]);
    world.rtcp(1, &nack);
    world.settle();
    assert!(world.nodes[1].repeated.is_empty());
    world.command(Command::PauseLeg {
        leg: LegId(1),
        paused: false,
    });
    world.rtcp(1, &nack);
    world.settle();
    assert_eq!(world.nodes[1].repeated, [(2_001, sent as u16)]);
}
