//! The way of a packet through a shard asks the allocator for nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

use super::super::Shard;
use super::world::{LEVEL, MID, Node, OPUS, TRANSPORT_CC, VP8, World, packet};
use crate::domain::id::{LegId, ShardId, SourceId};
use crate::media::batch::SendBatch;
use crate::media::command::{Command, MediaKind, MirrorConfig};
use crate::media::rtcp;
use crate::media::sample::vp8_layer;
use crate::media::twcc::ArrivalLog;

/// The system's allocator, counting for each thread what it hands out and takes back.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

/// Times that this thread asked for memory.
pub(crate) fn allocations() -> u64 {
    COUNT.get()
}

/// Bytes that this thread was handed out and has not given back.
pub(super) fn live_bytes() -> i64 {
    LIVE.get()
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        LIVE.set(LIVE.get() + layout.size() as i64);
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size() as i64);
        // SAFETY: as the caller's.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        LIVE.set(LIVE.get() + size as i64 - layout.size() as i64);
        // SAFETY: as the caller's.
        unsafe { System.realloc(place, layout, size) }
    }
}

/// Time between two datagrams.
const STEP: Duration = Duration::from_millis(1);

/// Packets of each kind in one turn; the first turn lets everything grow to its size.
const TURN: u16 = 2_000;

/// Who sends a datagram of the traffic.
#[derive(Clone, Copy)]
enum Sender {
    Publisher,
    Subscriber,
}

/// Sealed datagrams of both kinds of media, requests for retransmissions and key frames,
/// and what the subscriber tells of numbered packets.
fn traffic(
    now: Instant,
    publisher: &mut Node,
    subscriber: &mut Node,
    log: &mut ArrivalLog,
    from: u16,
) -> Vec<(Sender, Vec<u8>)> {
    let mut datagrams = Vec::new();
    for n in from..from + TURN {
        let number = n.to_be_bytes();
        let audio: [(u8, &[u8]); 3] = [(MID, b"0"), (LEVEL, &[20]), (TRANSPORT_CC, &number)];
        let layer = [0, 2, 1, 2][usize::from(n % 4)];
        let mut picture = vp8_layer(n % 100 == 0, n, n as u8, layer, true);
        picture.resize(1_000, 1);
        let media = publisher.client.media.as_mut().unwrap();
        for plain in [
            packet(OPUS, 7, n, &audio, &[9; 80]),
            packet(VP8, 8, n, &[(MID, b"1")], &picture),
        ] {
            let sealed = media.outgoing.encrypt_rtp(&plain).unwrap();
            datagrams.push((Sender::Publisher, sealed.to_vec()));
        }
        let mut compound = Vec::new();
        rtcp::write_nack(&mut compound, 2_003, &[u64::from(n), u64::from(n) + 3]);
        rtcp::write_picture_loss(&mut compound, 2_003);
        let told_at = now + STEP * 3 * u32::from(n - from);
        log.arrived(told_at, 1 + 2 * n);
        log.arrived(told_at, 2 + 2 * n);
        if n % 30 == 29 {
            while log.write_feedback(&mut compound, 2_003) {}
        }
        let media = subscriber.client.media.as_mut().unwrap();
        let sealed = media.outgoing.encrypt_rtcp(&compound).unwrap();
        datagrams.push((Sender::Subscriber, sealed.to_vec()));
    }
    datagrams
}

#[test]
fn a_packet_is_opened_remembered_and_sealed_for_its_legs_without_allocating() {
    let mut world = World::with_clients(3);
    world.audio_source(1, 0);
    world.video_source(2, 0, &[]);
    for leg in 1..=4 {
        world.leg(leg, 1 + (leg - 1) / 2, 1 + (leg as usize - 1) % 2);
    }
    // One leg leaves the upper temporal layers out.
    world.command(Command::LimitFrameRate {
        leg: LegId(3),
        frames_per_second: Some(50),
    });
    let mut log = ArrivalLog::new(world.now);
    let mut batch = SendBatch::default();
    let mut sent = 0;
    let mut counts = [0; 2];
    for (turn, count) in counts.iter_mut().enumerate() {
        let [publisher, subscriber, ..] = &mut world.nodes[..] else {
            panic!("two clients were due");
        };
        let from = TURN * turn as u16;
        let mut datagrams = traffic(world.now, publisher, subscriber, &mut log, from);
        let addresses = [publisher.address, subscriber.address];
        let (mut now, shard) = (world.now, &mut world.shard);
        world.now += STEP * 3 * u32::from(TURN);
        let before = allocations();
        for (at, (sender, datagram)) in datagrams.iter_mut().enumerate() {
            now += STEP;
            if at % 100 == 0 {
                let (source, _) = shard.forwarding.leg_mut(LegId(3)).unwrap();
                source.refresh(now);
            }
            shard.handle_datagram(now, addresses[*sender as usize], datagram);
            sent += drain(now, shard, &mut batch);
        }
        *count = allocations() - before;
    }
    assert!(sent >= 3 * 4_000, "{sent}");
    let leg = |leg| world.shard.forwarding.leg(LegId(leg)).unwrap();
    let packets = |id| leg(id).counts().packets;
    assert!(2 * packets(3) < packets(4), "{} {}", packets(3), packets(4));
    assert_eq!(counts[1], 0, "after {} at the beginning", counts[0]);
}

#[test]
fn a_packet_is_handed_to_another_shard_and_sealed_there_without_allocating() {
    let mut home = World::with_clients(1);
    let mut away = World::with_clients(2);
    home.audio_source(1, 0);
    home.video_source(2, 0, &[]);
    for (source, kind) in [(1, MediaKind::Audio), (2, MediaKind::Video)] {
        away.command(Command::AddMirror(MirrorConfig {
            source: SourceId(source),
            home: ShardId(0),
            kind,
            encodings: 1,
            priority: 0,
        }));
        home.command(Command::Relay {
            source: SourceId(source),
            to: ShardId(1),
            on: true,
        });
    }
    for leg in 1..=4 {
        away.leg(leg, 1 + (leg - 1) / 2, (leg as usize - 1) % 2);
    }
    let mut now = home.now.max(away.now);
    let mut log = ArrivalLog::new(now);
    let mut batch = SendBatch::default();
    let mut sent = 0;
    let mut counts = [0; 2];
    for (turn, count) in counts.iter_mut().enumerate() {
        let (publisher, subscriber) = (&mut home.nodes[0], &mut away.nodes[0]);
        let from = TURN * turn as u16;
        let mut datagrams = traffic(now, publisher, subscriber, &mut log, from);
        let addresses = [publisher.address, subscriber.address];
        let (home, away) = (&mut home.shard, &mut away.shard);
        let before = allocations();
        for (sender, datagram) in &mut datagrams {
            now += STEP;
            let shard = match sender {
                Sender::Publisher => &mut *home,
                Sender::Subscriber => &mut *away,
            };
            shard.handle_datagram(now, addresses[*sender as usize], datagram);
            home.relay(now, |_, relayed, payload| {
                away.handle_relayed(now, relayed, payload);
                true
            });
            away.relay(now, |_, relayed, payload| {
                home.handle_relayed(now, relayed, payload);
                true
            });
            sent += drain(now, home, &mut batch) + drain(now, away, &mut batch);
        }
        *count = allocations() - before;
    }
    assert!(sent >= 4 * 4_000, "{sent}");
    assert_eq!(counts[1], 0, "after {} at the beginning", counts[0]);
}

/// Takes out what a shard has to send and to tell; how many datagrams that were.
fn drain(now: Instant, shard: &mut Shard, batch: &mut SendBatch) -> usize {
    let mut sent = 0;
    let mut more = true;
    while more {
        more = shard.fill(now, batch);
        sent += batch.datagrams().count();
        batch.clear();
    }
    while shard.poll_event().is_some() {}
    sent
}
