//! A room over two shards: what the legs of one get of a source of the other.

use super::*;
use crate::domain::id::{ShardId, SourceId};
use crate::media::command::{MediaKind, MirrorConfig};
use crate::media::rtcp::SenderInfo;

const HOME: ShardId = ShardId(0);
const AWAY: ShardId = ShardId(1);

/// A shard with the publisher, and one with its subscribers.
struct Pair {
    home: World,
    away: World,
    /// How many packets were handed over.
    handed: usize,
}

impl Pair {
    /// Transport 0 of the home shard publishes source 1, which legs 1 to `legs` of the other shard
    /// carry to its transports 0 and on.
    fn of(kind: MediaKind, legs: usize) -> Self {
        let mut home = World::with_clients(1);
        let away = World::with_clients(legs);
        match kind {
            MediaKind::Audio => home.audio_source(1, 0),
            MediaKind::Video => home.video_source(1, 0, &[]),
        }
        let mut pair = Self {
            home,
            away,
            handed: 0,
        };
        pair.away.command(Command::AddMirror(MirrorConfig {
            source: SourceId(1),
            home: HOME,
            kind,
            encodings: 1,
            priority: 0,
        }));
        pair.relay(true);
        for leg in 0..legs {
            pair.away.leg(1 + leg as u64, 1, leg);
        }
        pair.carry();
        pair
    }

    fn relay(&mut self, on: bool) {
        let (source, to) = (SourceId(1), AWAY);
        self.home.command(Command::Relay { source, to, on });
    }

    /// Carries what the shards hand each other until neither has anything to say.
    fn carry(&mut self) {
        loop {
            self.home.settle();
            self.away.settle();
            let (there, back) = (self.home.take_relayed(), self.away.take_relayed());
            if there.is_empty() && back.is_empty() {
                return;
            }
            for (to, relayed, payload) in there {
                assert_eq!(to, AWAY);
                self.handed += usize::from(matches!(relayed.matter, Matter::Packet { .. }));
                let now = self.away.now;
                self.away.shard.handle_relayed(now, &relayed, &payload);
            }
            for (to, relayed, payload) in back {
                assert_eq!((to, payload.len()), (HOME, 0));
                let now = self.home.now;
                self.home.shard.handle_relayed(now, &relayed, &[]);
            }
        }
    }

    fn publish(&mut self, plain: &[u8]) {
        self.home.rtp(0, plain);
        self.carry();
    }

    fn advance(&mut self, milliseconds: u64) {
        self.home.advance(milliseconds);
        self.away.advance(milliseconds);
        self.carry();
    }
}

fn picture(number: u16) -> Vec<u8> {
    let payload = vp8(number == 0, number, number as u8);
    packet(VP8, 7, number, &[(MID, b"1")], &payload)
}

#[test]
fn a_packet_is_handed_over_once_for_all_legs_of_a_shard() {
    let mut pair = Pair::of(MediaKind::Audio, 3);
    for n in 0..100_u16 {
        let sequence = 65_480_u16.wrapping_add(n);
        pair.publish(&packet(OPUS, 7, sequence, &[(MID, b"0")], &[n as u8, 1]));
        pair.advance(20);
    }
    let expected: Vec<u8> = (0..100).collect();
    for node in 0..3 {
        assert_eq!(payloads(&pair.away.seen(node)), expected);
    }
    assert_eq!(pair.handed, 100);
    pair.relay(false);
    pair.publish(&packet(OPUS, 7, 44, &[(MID, b"0")], &[1, 1]));
    assert_eq!(pair.handed, 100);
}

#[test]
fn a_leg_elsewhere_that_waits_for_a_key_frame_lets_the_publisher_be_asked() {
    let mut pair = Pair::of(MediaKind::Video, 2);
    pair.publish(&packet(VP8, 7, 10, &[(MID, b"1")], &vp8(false, 1, 1)));
    pair.home.key_frame_requests(0);
    for _ in 0..12 {
        pair.advance(50);
    }
    assert_eq!(pair.home.key_frame_requests(0), 1);
    assert!(pair.away.seen(0).is_empty());
    pair.publish(&packet(VP8, 7, 11, &[(MID, b"1")], &vp8(true, 2, 2)));
    for node in [0, 1] {
        assert_eq!(pair.away.seen(node).len(), 1);
    }
}

#[test]
fn a_loss_behind_the_other_shard_is_mended_from_its_own_cache() {
    let mut pair = Pair::of(MediaKind::Video, 1);
    for n in 0..20 {
        pair.publish(&picture(n));
    }
    let seen = pair.away.seen(0);
    assert_eq!(seen.len(), 20);
    let handed = pair.handed;
    let mut nack = Vec::new();
    rtcp::write_nack(&mut nack, 2_001, &[u64::from(seen[9].header.sequence)]);
    pair.away.rtcp(0, &nack);
    let again = pair.away.seen(0);
    assert_eq!((again.len(), pair.handed), (1, handed));
    assert_eq!(again[0].payload[2..], seen[9].payload);
}

#[test]
fn a_packet_that_found_no_room_is_followed_by_a_request_for_a_key_frame() {
    let mut pair = Pair::of(MediaKind::Video, 1);
    pair.publish(&picture(0));
    pair.advance(1_000);
    pair.home.key_frame_requests(0);
    pair.home.rtp(0, &picture(1));
    let now = pair.home.now;
    pair.home.shard.relay(now, |_, _, _| false);
    pair.advance(600);
    assert_eq!(pair.home.key_frame_requests(0), 1);
}

#[test]
fn a_publisher_that_starts_anew_is_followed_from_its_key_frame_elsewhere_too() {
    let mut pair = Pair::of(MediaKind::Video, 1);
    (0..5).for_each(|n| pair.publish(&picture(n)));
    assert_eq!(pair.away.seen(0).len(), 5);
    pair.publish(&packet(VP8, 8, 900, &[(MID, b"1")], &vp8(false, 50, 50)));
    assert!(pair.away.seen(0).is_empty());
    pair.publish(&packet(VP8, 8, 901, &[(MID, b"1")], &vp8(true, 51, 51)));
    pair.publish(&packet(VP8, 8, 902, &[(MID, b"1")], &vp8(false, 52, 52)));
    assert_eq!(pair.away.seen(0).len(), 2);
}

#[test]
fn a_publisher_that_starts_anew_without_a_key_frame_is_asked_for_one_by_legs_elsewhere() {
    let mut pair = Pair::of(MediaKind::Video, 1);
    (0..5).for_each(|n| pair.publish(&picture(n)));
    pair.advance(1_000);
    pair.home.key_frame_requests(0);
    pair.publish(&packet(VP8, 8, 900, &[(MID, b"1")], &vp8(false, 50, 50)));
    pair.advance(600);
    assert_eq!(pair.home.key_frame_requests(0), 1);
}

#[test]
fn sound_and_picture_keep_their_common_time_on_every_shard() {
    let mut pair = Pair::of(MediaKind::Audio, 1);
    let sound = |n: u16| packet(OPUS, 7, n, &[(MID, b"0")], &[1, 1]);
    pair.publish(&sound(0));
    let mut report = Vec::new();
    let info = SenderInfo {
        ssrc: 7,
        ntp: 5_u64 << 32,
        timestamp: 48_000,
        ..SenderInfo::default()
    };
    rtcp::write_sender_report(&mut report, &info);
    pair.home.rtcp(0, &report);
    pair.carry();
    pair.away.feedback(0);
    for n in 1..60 {
        pair.publish(&sound(n));
        pair.advance(20);
    }
    let reports: Vec<SenderInfo> = pair
        .away
        .feedback(0)
        .iter()
        .flat_map(|compound| rtcp::items(compound))
        .filter_map(|item| match item {
            Item::SenderInfo(info) => Some(info),
            Item::Nack { .. }
            | Item::TransportFeedback(_)
            | Item::Block(_)
            | Item::KeyFrameRequest { .. } => None,
        })
        .collect();
    let last = reports.last().expect("a report each second");
    // By the publisher's report and not by the arrival of packets that count from 0.
    assert!((90_000..120_000).contains(&last.timestamp), "{last:?}");
}

#[test]
fn a_packet_that_breaks_the_fan_out_elsewhere_costs_its_publisher_the_connection() {
    let mut pair = Pair::of(MediaKind::Audio, 1);
    pair.publish(&packet(OPUS, 7, 1, &[(MID, b"0")], &[1, 1]));
    let now = pair.away.now;
    pair.home
        .rtp(0, &packet(OPUS, 7, 2, &[(MID, b"0")], &[2, 1]));
    pair.home.settle();
    pair.away.shard.trips_when_filling = true;
    for (_, relayed, payload) in pair.home.take_relayed() {
        pair.away.shard.handle_relayed(now, &relayed, &payload);
    }
    let filled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pair.away.settle()));
    assert!(filled.is_err());
    assert_eq!(pair.away.shard.recover(now), Lost::Nobody);
    pair.carry();
    let closed = |event: &&Event| {
        let reason = CloseReason::Broken;
        matches!(event, Event::TransportClosed { reason: found, .. } if *found == reason)
    };
    assert_eq!(pair.home.events.iter().filter(closed).count(), 1);
    assert!(!pair.away.events.iter().any(|event| closed(&event)));
    assert_eq!(pair.away.shard.counts(), (1, 0, 0));
}
