//! Taps fed by hand, with packets that are lost, late and of several encodings.

use super::*;
use crate::media::codec::Insight;
use crate::media::command::Codec;
use crate::media::report::ClockOffset;
use crate::media::rtcp::SenderInfo;
use crate::media::sample::Chance;
use crate::media::transport::testing::origin;

const MS: Duration = Duration::from_millis(1);
const SOURCE: SourceId = SourceId(1);
const HOME: ShardId = ShardId(0);

/// A packet as it is handed over.
type Handed = (Arrival, Packet, Vec<u8>);

/// A camera that hands its packets to taps, and what the taps told.
struct World {
    taps: Taps,
    now: Instant,
    numbers: [u64; ENCODINGS_MAX],
    pictures: u32,
    wishes: Vec<u8>,
    frames: Vec<(TapId, Frame, bool)>,
    captured: Option<u64>,
    ended: Vec<TapId>,
}

impl World {
    fn new(encodings: usize) -> Self {
        let mut world = Self {
            taps: Taps::default(),
            now: origin(),
            numbers: [10, 1_000, 60_000],
            pictures: 0,
            wishes: Vec::new(),
            frames: Vec::new(),
            captured: None,
            ended: Vec::new(),
        };
        world.order(Command::AddMirror(MirrorConfig {
            source: SOURCE,
            home: HOME,
            kind: MediaKind::Video,
            encodings,
            priority: 0,
        }));
        world
    }

    fn order(&mut self, command: Command) {
        self.taps.handle_command(self.now, command);
        self.drain();
    }

    fn tap(&mut self, tap: u64, want: TapWant) -> TapId {
        let tap = TapId(tap);
        self.order(Command::AddTap(TapConfig {
            tap,
            source: SOURCE,
            want,
        }));
        tap
    }

    fn still(&mut self, tap: TapId) {
        self.order(Command::WantStill { tap });
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.taps.handle_timeout(self.now);
        self.drain();
    }

    /// The packets of a picture of an encoding, whose bytes say which picture it is.
    fn picture(&mut self, encoding: u8, is_key: bool) -> Vec<Handed> {
        self.pictures += 1;
        let name = self.pictures.to_be_bytes();
        let mut first = vec![0x10, if is_key { 0x10 } else { 0x11 }, encoding];
        first.extend(name);
        let rest = [&[0x00][..], &name].concat();
        let packets = [first, rest.clone(), rest];
        let packets = packets.into_iter().enumerate().map(|(place, payload)| {
            let number = &mut self.numbers[usize::from(encoding)];
            *number += 1;
            let packet = Packet {
                number: *number,
                timestamp: self.pictures * 3_000,
                marker: place == 2,
                codec: Codec::Vp8,
                insight: Insight::of(Codec::Vp8, &payload),
            };
            let arrival = Arrival {
                encoding,
                epoch: 0,
                number: *number,
                at: self.now,
            };
            (arrival, packet, payload)
        });
        packets.collect()
    }

    fn hand_over(&mut self, (arrival, packet, payload): &Handed) {
        let relayed = Relayed {
            source: SOURCE,
            matter: Matter::Packet {
                arrival: *arrival,
                packet: *packet,
            },
        };
        self.taps.handle_relayed(self.now, &relayed, payload);
        self.drain();
    }

    fn send(&mut self, encoding: u8, is_key: bool) {
        let packets = self.picture(encoding, is_key);
        packets.iter().for_each(|packet| self.hand_over(packet));
    }

    fn drain(&mut self) {
        while let Some((shard, note)) = self.taps.poll_note() {
            assert_eq!(shard, HOME);
            match note.matter {
                Matter::WantKeyFrame { encoding } => self.wishes.push(encoding),
                Matter::Packet { .. } | Matter::Clock { .. } | Matter::Broke => panic!("{note:?}"),
            }
        }
        while let Some(event) = self.taps.poll_event() {
            match event.tapped {
                Tapped::Frame {
                    frame,
                    after_gap,
                    captured_ntp,
                } => {
                    self.captured = captured_ntp;
                    self.frames.push((event.tap, frame, after_gap));
                }
                Tapped::Ended => self.ended.push(event.tap),
            }
        }
    }

    /// The pictures that a tap got: encoding and number, checked to be whole.
    fn seen(&self, tap: TapId) -> Vec<(u8, u32)> {
        let own = self.frames.iter().filter(|(of, ..)| *of == tap);
        own.map(|(_, frame, _)| {
            let name = &frame.data[2..6];
            assert_eq!(frame.data.len(), 14);
            assert!(frame.data[6..].chunks(4).all(|chunk| chunk == name));
            let number = u32::from_be_bytes([name[0], name[1], name[2], name[3]]);
            assert_eq!(frame.timestamp, number * 3_000);
            (frame.data[1], number)
        })
        .collect()
    }
}

#[test]
fn a_still_is_the_next_key_frame_and_comes_once() {
    let mut world = World::new(1);
    let tap = world.tap(1, TapWant::Stills);
    world.send(0, true);
    world.send(0, false);
    assert_eq!(world.seen(tap), []);
    world.pass(20 * MS);
    world.still(tap);
    assert_eq!(world.wishes, [0]);
    world.send(0, false);
    world.send(0, true);
    world.send(0, true);
    assert_eq!(world.seen(tap), [(0, 4)]);
}

#[test]
fn a_still_is_of_the_best_encoding_that_comes() {
    let mut world = World::new(3);
    let tap = world.tap(1, TapWant::Stills);
    world.still(tap);
    for _ in 0..20 {
        world.pass(20 * MS);
        world.send(0, world.wishes.contains(&0));
        world.send(1, world.wishes.contains(&1));
    }
    assert_eq!(world.wishes, [1]);
    assert_eq!(world.seen(tap).len(), 1);
    assert_eq!(world.seen(tap)[0].0, 1);
}

#[test]
fn a_key_frame_that_lost_a_packet_is_asked_for_again() {
    let mut world = World::new(1);
    let tap = world.tap(1, TapWant::Stills);
    world.send(0, false);
    world.still(tap);
    let key = world.picture(0, true);
    world.hand_over(&key[0]);
    world.hand_over(&key[2]);
    for _ in 0..100 {
        world.pass(20 * MS);
        world.send(0, world.wishes.len() > 1 && world.seen(tap).is_empty());
    }
    assert_eq!(world.wishes.len(), 2);
    assert_eq!(world.seen(tap).len(), 1);
}

#[test]
fn a_recording_begins_at_a_key_frame_and_goes_on_at_one_after_a_gap() {
    let mut world = World::new(1);
    let tap = world.tap(1, TapWant::Everything);
    world.send(0, false);
    assert_eq!(world.wishes, [0]);
    world.send(0, true);
    world.send(0, false);
    let lost = world.picture(0, false);
    world.hand_over(&lost[0]);
    world.hand_over(&lost[2]);
    world.send(0, false);
    world.pass(700 * MS);
    assert_eq!(world.seen(tap), [(0, 2), (0, 3)]);
    assert_eq!(world.wishes, [0, 0]);
    world.send(0, true);
    world.send(0, false);
    assert_eq!(world.seen(tap), [(0, 2), (0, 3), (0, 6), (0, 7)]);
    let gaps: Vec<bool> = world.frames.iter().map(|(_, _, gap)| *gap).collect();
    assert_eq!(gaps, [false, false, true, false]);
}

#[test]
fn a_recording_is_brought_a_key_frame_in_the_midst_when_it_wants_one() {
    let mut world = World::new(1);
    let tap = world.tap(1, TapWant::Everything);
    world.send(0, true);
    world.send(0, false);
    world.wishes.clear();
    world.still(tap);
    assert_eq!(world.wishes, [0]);
    world.send(0, false);
    world.pass(500 * MS);
    assert_eq!(world.wishes, [0], "it is asked for at a pace");
    world.pass(600 * MS);
    assert_eq!(world.wishes, [0, 0]);
    world.send(0, true);
    world.send(0, false);
    world.pass(2_000 * MS);
    assert_eq!(world.wishes, [0, 0], "one that came is not asked for again");
    assert!(world.frames.iter().all(|(_, _, after_gap)| !after_gap));
    assert_eq!(world.frames.len(), 5);
}

#[test]
fn a_packet_that_comes_late_is_waited_for() {
    let mut world = World::new(1);
    let tap = world.tap(1, TapWant::Everything);
    let key = world.picture(0, true);
    world.hand_over(&key[0]);
    world.hand_over(&key[2]);
    world.send(0, false);
    assert_eq!(world.seen(tap), []);
    world.pass(300 * MS);
    world.hand_over(&key[1]);
    assert_eq!(world.seen(tap), [(0, 1), (0, 2)]);
    assert!(world.frames.iter().all(|(_, _, gap)| !gap));
}

#[test]
fn a_recording_takes_a_better_encoding_at_its_key_frame_and_stays_until_then() {
    let mut world = World::new(2);
    let tap = world.tap(1, TapWant::Everything);
    for step in 0..60 {
        world.pass(20 * MS);
        let wished = world.wishes.iter().filter(|wish| **wish == 0).count() > 0;
        world.send(0, wished && step < 20);
        if step >= 30 {
            let wished = world.wishes.contains(&1);
            world.send(1, wished && step >= 40);
        }
    }
    let seen = world.seen(tap);
    let switch = seen
        .iter()
        .position(|(encoding, _)| *encoding == 1)
        .unwrap();
    assert!(
        switch > 25 && seen.len() - switch >= 19,
        "{switch}: {seen:?}"
    );
    assert!(seen[switch..].iter().all(|(encoding, _)| *encoding == 1));
    let first = world.frames.iter().find(|(_, frame, _)| frame.data[1] == 1);
    assert!(first.unwrap().1.is_key);
}

#[test]
fn several_taps_of_a_source_do_not_disturb_each_other() {
    let mut world = World::new(1);
    let recording = world.tap(1, TapWant::Everything);
    let stills = world.tap(2, TapWant::Stills);
    world.send(0, true);
    world.still(stills);
    world.send(0, false);
    world.send(0, true);
    world.order(Command::RemoveTap { tap: stills });
    world.send(0, false);
    assert_eq!(world.seen(stills), [(0, 3)]);
    assert_eq!(world.seen(recording).len(), 4);
    assert_eq!(world.ended, []);
}

#[test]
fn a_source_that_ends_ends_its_taps_and_so_does_one_that_is_not_there() {
    let mut world = World::new(1);
    let tap = world.tap(1, TapWant::Stills);
    world.order(Command::RemoveSource { source: SOURCE });
    assert_eq!(world.ended, [tap]);
    let late = world.tap(2, TapWant::Everything);
    assert_eq!(world.ended, [tap, late]);
}

#[test]
fn a_frame_tells_when_it_was_captured_once_the_publisher_has_told_its_clock() {
    let mut world = World::new(1);
    world.tap(1, TapWant::Everything);
    world.send(0, true);
    assert_eq!(world.captured, None);
    let mut clock = ClockOffset::default();
    clock.measure(5 << 32, 1_005 << 32);
    let report = SenderInfo {
        ntp: 5 << 32,
        timestamp: 3_000,
        ..SenderInfo::default()
    };
    let matter = Matter::Clock {
        encoding: 0,
        at: world.now,
        report,
        clock,
    };
    let source = SOURCE;
    world
        .taps
        .handle_relayed(world.now, &Relayed { source, matter }, &[]);
    for _ in 0..30 {
        world.send(0, false);
    }
    assert_eq!(world.captured, Some(1_006 << 32));
}

#[test]
fn whatever_is_lost_or_late_a_recording_is_whole_frames_that_can_be_decoded() {
    for seed in 0..40 {
        let mut chance = Chance::new(seed);
        let mut world = World::new(1);
        let tap = world.tap(1, TapWant::Everything);
        let mut on_the_way: Vec<(u32, Handed)> = Vec::new();
        let mut keys = Vec::new();
        let mut due = 0;
        for step in 0..2_000_u32 {
            let is_key = world.wishes.len() > due;
            if is_key {
                due = world.wishes.len();
                keys.push(world.pictures + 1);
            }
            for packet in world.picture(0, is_key) {
                match chance.below(50) {
                    0 => {}
                    1 => on_the_way.push((step + 1 + chance.below(20) as u32, packet)),
                    _ => on_the_way.push((step, packet)),
                }
            }
            let come = on_the_way.extract_if(.., |(at, _)| *at <= step);
            let come: Vec<_> = come.map(|(_, packet)| packet).collect();
            come.iter().for_each(|packet| world.hand_over(packet));
            world.pass(20 * MS);
        }
        let seen = world.seen(tap);
        assert!(seen.len() > 400, "seed {seed}: {}", seen.len());
        let mut before = None;
        for ((_, number), (_, frame, after_gap)) in seen.iter().zip(&world.frames) {
            let follows = before.is_some_and(|before| before + 1 == *number);
            assert!(follows || keys.contains(number), "seed {seed}: {number}");
            assert!(follows || before.is_none() || *after_gap, "seed {seed}");
            assert_eq!(frame.is_key, keys.contains(number));
            before = Some(*number);
        }
    }
}
