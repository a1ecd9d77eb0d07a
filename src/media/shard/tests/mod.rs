//! What clients get out of a shard, with real handshakes and real encryption.

pub(crate) mod allocation;
mod hostile;
mod narrow;
mod relay;
mod simulation;
mod world;

use std::net::SocketAddr;

use rtc::rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;

use super::*;
use crate::domain::id::ShardId;
use crate::media::command::CloseReason;
use crate::media::rtcp::{self, Item, ReportBlock};
use crate::media::sample::{Chance, vp8};
use world::{
    LEVEL, MID, OPUS, RID, Seen, TRANSPORT_CC, VP8, VP8_REPAIR, World, credentials, packet,
};

fn payloads(seen: &[Seen]) -> Vec<u8> {
    seen.iter().map(|seen| seen.payload[0]).collect()
}

#[test]
fn one_publisher_reaches_two_subscribers_and_not_itself() {
    let mut world = World::with_clients(3);
    world.audio_source(1, 0);
    world.leg(1, 1, 1);
    world.leg(2, 1, 2);
    for n in 0..100_u16 {
        let sequence = 65_480_u16.wrapping_add(n);
        world.rtp(0, &packet(OPUS, 7, sequence, &[(MID, b"0")], &[n as u8, 1]));
        world.advance(20);
    }
    let expected: Vec<u8> = (0..100).collect();
    for node in [1, 2] {
        let seen = world.seen(node);
        assert_eq!(payloads(&seen), expected);
        assert!(
            seen.iter()
                .all(|seen| seen.header.ssrc == 2_000 + node as u32)
        );
        assert!(seen.iter().all(|seen| seen.header.payload_type == 109));
    }
    assert!(world.seen(0).is_empty());
    let started = |event: &&Event| matches!(event, Event::EncodingStarted { encoding: 0, .. });
    assert_eq!(world.events.iter().filter(started).count(), 1);
}

#[test]
fn a_loss_on_the_way_down_is_mended_from_the_cache() {
    let mut world = World::with_clients(2);
    world.video_source(1, 0, &[]);
    world.leg(1, 1, 1);
    for n in 0..20_u16 {
        world.rtp(
            0,
            &packet(VP8, 7, n, &[(MID, b"1")], &vp8(n == 0, n, n as u8)),
        );
    }
    let seen = world.seen(1);
    let missing: Vec<u64> = [3, 4, 9]
        .map(|n: usize| u64::from(seen[n].header.sequence))
        .into();
    let mut nack = Vec::new();
    rtcp::write_nack(&mut nack, 2_001, &missing);
    world.rtcp(1, &nack);
    let again = world.seen(1);
    assert_eq!(again.len(), 3);
    for (packet, n) in again.iter().zip([3_usize, 4, 9]) {
        assert_eq!(
            (packet.header.ssrc, packet.header.payload_type),
            (3_001, 101)
        );
        assert_eq!(packet.payload[..2], seen[n].header.sequence.to_be_bytes());
        assert_eq!(packet.payload[2..], seen[n].payload);
    }
}

#[test]
fn a_loss_on_the_way_up_is_asked_for_and_reaches_everybody() {
    let mut world = World::with_clients(2);
    world.video_source(1, 0, &[]);
    world.leg(1, 1, 1);
    for n in (0..10_u16).filter(|n| *n != 4) {
        world.rtp(
            0,
            &packet(VP8, 7, n, &[(MID, b"1")], &vp8(n == 0, n, n as u8)),
        );
    }
    world.feedback(0);
    world.advance(20);
    let feedback = world.feedback(0);
    let asked: Vec<u16> = feedback
        .iter()
        .flat_map(|compound| rtcp::items(compound))
        .filter_map(|item| match item {
            Item::Nack { ssrc: 7, entries } => Some(rtcp::nacked(entries).collect::<Vec<_>>()),
            Item::Nack { .. }
            | Item::TransportFeedback(_)
            | Item::SenderInfo(_)
            | Item::Block(_)
            | Item::KeyFrameRequest { .. } => None,
        })
        .flatten()
        .collect();
    assert_eq!(asked, [4]);
    let lost = [&[0, 4][..], &vp8(false, 4, 4)].concat();
    world.rtp(0, &packet(VP8_REPAIR, 8, 1, &[(MID, b"1")], &lost));
    let seen = world.seen(1);
    assert_eq!(seen.len(), 10);
    assert_eq!(seen[9].payload[3], 4);
    assert_eq!(seen[9].header.sequence, seen[3].header.sequence + 1);
}

#[test]
fn key_frame_requests_of_many_become_one_and_survive_the_wait_for_the_first_packet() {
    let mut world = World::with_clients(4);
    world.video_source(1, 0, &[]);
    for node in 1..4 {
        world.leg(node as u64, 1, node);
    }
    world.advance(1_000);
    assert_eq!(world.key_frame_requests(0), 0);
    world.rtp(0, &packet(VP8, 7, 0, &[(MID, b"1")], &vp8(false, 0, 0)));
    assert_eq!(world.key_frame_requests(0), 1);
    world.rtp(0, &packet(VP8, 7, 1, &[(MID, b"1")], &vp8(true, 1, 0)));
    let mut requests = 0;
    for step in 0..60_u16 {
        for node in 1..4 {
            let mut plain = Vec::new();
            rtcp::write_picture_loss(&mut plain, 2_000 + node as u32);
            world.rtcp(node, &plain);
        }
        world.rtp(
            0,
            &packet(VP8, 7, 2 + step, &[(MID, b"1")], &vp8(false, 2, 0)),
        );
        world.advance(20);
        requests += world.key_frame_requests(0);
    }
    assert!((2..=3).contains(&requests), "{requests}");
}

/// Six seconds of audio of which every tenth packet is lost.
fn lossy_audio() -> World {
    let mut world = World::with_clients(2);
    world.audio_source(1, 0);
    world.leg(1, 1, 1);
    for n in 0..300_u16 {
        let number = n.to_be_bytes();
        if n % 10 != 9 {
            let extensions = [(MID, &b"0"[..]), (TRANSPORT_CC, &number)];
            world.rtp(0, &packet(OPUS, 7, n, &extensions, &[1, 2, 3]));
        }
        world.advance(20);
    }
    world
}

#[test]
fn a_publisher_gets_congestion_feedback_and_receiver_reports() {
    let mut world = lossy_audio();
    let up = world.feedback(0);
    let congestion = up.iter().filter(|compound| {
        let packets = rtc::rtcp::packet::unmarshal(&mut &compound[..]).unwrap();
        packets
            .iter()
            .any(|packet| packet.as_any().is::<TransportLayerCc>())
    });
    assert!((50..=65).contains(&congestion.count()));
    let items = up.iter().flat_map(|compound| rtcp::items(compound));
    let blocks = items.filter_map(|item| {
        if let Item::Block(b) = item {
            Some(b)
        } else {
            None
        }
    });
    let block = blocks.last().unwrap();
    assert!((20..=30).contains(&block.fraction_lost), "{block:?}");
}

#[test]
fn a_subscriber_gets_sender_reports_and_its_answer_tells_what_was_delivered() {
    let mut world = lossy_audio();
    let down = world.feedback(1);
    let items = down.iter().flat_map(|compound| rtcp::items(compound));
    let infos = items.filter_map(|item| {
        if let Item::SenderInfo(i) = item {
            Some(i)
        } else {
            None
        }
    });
    let info = infos.last().unwrap();
    assert_eq!(info.ssrc, 2_001);
    let last = world.seen(1).pop().unwrap().header;
    let ahead = info.timestamp.wrapping_sub(last.timestamp).cast_signed();
    assert!(ahead.abs() < 48_000, "{ahead}");
    let mut plain = Vec::new();
    let block = ReportBlock {
        ssrc: 2_001,
        highest: u32::from(last.sequence),
        lost: 5,
        last_sender_report: (info.ntp >> 16) as u32,
        ..ReportBlock::default()
    };
    rtcp::write_receiver_report(&mut plain, &[block]);
    world.rtcp(1, &plain);
    world.advance(5_000);
    let report = world.events.iter().rev().find_map(|event| match event {
        Event::Report(report) if report.transport == TransportId(1) => Some(*report),
        Event::Report(_)
        | Event::TransportConnected { .. }
        | Event::TransportSilent { .. }
        | Event::TransportHeard { .. }
        | Event::TransportClosed { .. }
        | Event::EncodingStarted { .. }
        | Event::LegHeld { .. }
        | Event::ChannelOpened { .. }
        | Event::Data { .. }
        | Event::AudioLevels(_) => None,
    });
    let report = report.unwrap();
    assert_eq!(
        (report.packets_out, report.packets_out_delivered),
        (270, 265)
    );
    assert!(report.round_trip.is_some());
    assert_eq!(report.bytes_out, 810);
}

#[test]
fn speakers_are_told_by_their_levels() {
    let mut world = World::with_clients(2);
    world.audio_source(1, 0);
    world.audio_source(2, 1);
    for n in 0..50_u16 {
        world.rtp(
            0,
            &packet(OPUS, 7, n, &[(MID, b"0"), (LEVEL, &[0x80 | 20])], &[1]),
        );
        world.rtp(
            1,
            &packet(OPUS, 7, n, &[(MID, b"0"), (LEVEL, &[127])], &[1]),
        );
        world.advance(20);
    }
    let levels: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| {
            if let Event::AudioLevels(l) = event {
                Some(l)
            } else {
                None
            }
        })
        .collect();
    assert!((2..=3).contains(&levels.len()), "{}", levels.len());
    assert!(
        levels
            .iter()
            .all(|l| l.len() == 1 && l[0].source == SourceId(1))
    );
}

#[test]
fn layers_are_learnt_from_media_section_and_restriction_id() {
    let mut world = World::with_clients(2);
    world.video_source(1, 0, &["q", "h", "f"]);
    world.leg(1, 1, 1);
    for n in 0..60_u16 {
        for (layer, rid) in [b"q", b"h", b"f"].into_iter().enumerate() {
            let requested = world.key_frame_requests(0) > 0;
            let key = requested || n % 20 == 0;
            let payload = vp8(key, 100 * layer as u16 + n, 0);
            let ssrc = 70 + layer as u32;
            let named: [(u8, &[u8]); 2] = [(MID, b"1"), (RID, rid)];
            let extensions = if n < 3 { &named[..] } else { &[] };
            world.rtp(0, &packet(VP8, ssrc, n, extensions, &payload));
            world.settle();
        }
        world.advance(33);
    }
    let seen = world.seen(1);
    let steps: Vec<u16> = seen
        .windows(2)
        .map(|p| p[1].header.sequence - p[0].header.sequence)
        .collect();
    assert!(steps.iter().all(|step| *step == 1), "{steps:?}");
    let shown = world
        .shard
        .forwarding
        .leg_mut(LegId(1))
        .map(|(source, at)| source.legs[at].shown());
    assert_eq!(shown, Some(2));
    let started = |event: &&Event| matches!(event, Event::EncodingStarted { .. });
    assert_eq!(world.events.iter().filter(started).count(), 3);
}

#[test]
fn a_latecomer_of_a_stream_that_another_followed_does_not_take_its_place_back() {
    let mut world = World::with_clients(2);
    world.video_source(1, 0, &[]);
    world.leg(1, 1, 1);
    let film = |world: &mut World, ssrc, sequence, key| {
        let payload = vp8(key, sequence, 0);
        world.rtp(0, &packet(VP8, ssrc, sequence, &[(MID, b"1")], &payload));
    };
    (0..10).for_each(|n| film(&mut world, 7, n, n == 0));
    world.seen(1);
    world.key_frame_requests(0);
    for n in 0..20 {
        film(&mut world, 8, 500 + n, n == 0);
        film(&mut world, 7, 30 + n, false);
        world.advance(40);
        assert_eq!(world.seen(1).len(), 1, "packet {n}");
    }
    assert_eq!(world.key_frame_requests(0), 0);
    // What still comes when nothing can be late any more is a stream again.
    world.advance(2_000);
    film(&mut world, 7, 100, true);
    assert_eq!(world.seen(1).len(), 1);
}

#[test]
fn a_client_that_moves_is_followed_in_mid_stream() {
    let mut world = World::with_clients(2);
    world.audio_source(1, 0);
    world.leg(1, 1, 1);
    world.rtp(0, &packet(OPUS, 7, 1, &[(MID, b"0")], &[1]));
    assert_eq!(world.seen(1).len(), 1);
    world.nodes[1].address = Remote::Udp(SocketAddr::from(([10, 9, 9, 9], 99)));
    let mut check = world.nodes[1].client.check(true);
    let (now, from) = (world.now, world.nodes[1].address);
    world.shard.handle_datagram(now, from, &mut check);
    world.rtp(0, &packet(OPUS, 7, 2, &[], &[2]));
    assert_eq!(payloads(&world.seen(1)), [2]);
}

#[test]
fn a_client_goes_on_by_tcp_and_by_udp_again_when_the_connection_ends() {
    let mut world = World::with_clients(2);
    world.audio_source(1, 0);
    world.leg(1, 1, 1);
    let by_udp = world.nodes[1].address;
    let connection = Connection {
        number: 1,
        client: by_udp.address(),
    };
    let mut sequence = 0;
    let mut carried = |world: &mut World| {
        sequence += 1;
        let packet = packet(OPUS, 7, sequence, &[(MID, b"0")], &[sequence as u8]);
        world.rtp(0, &packet);
        payloads(&world.seen(1)) == [sequence as u8]
    };
    assert!(carried(&mut world));
    assert!(!world.shard.is_reached_by(connection));
    world.nodes[1].address = Remote::Tcp(connection);
    let mut check = world.nodes[1].client.check(true);
    let now = world.now;
    let by_tcp = Remote::Tcp(connection);
    world.shard.handle_datagram(now, by_tcp, &mut check);
    assert!(world.shard.is_reached_by(connection) && carried(&mut world));
    world.shard.handle_disconnect(now, connection);
    assert!(!world.shard.is_reached_by(connection));
    world.nodes[1].address = by_udp;
    assert!(carried(&mut world));
}

#[test]
fn a_client_whose_only_connection_ended_is_found_again_by_its_next_check() {
    let mut world = World::with_clients(2);
    world.audio_source(1, 0);
    world.leg(1, 1, 1);
    let client = world.nodes[1].address.address();
    let now = world.now;
    for number in 1..4 {
        let connection = Connection { number, client };
        let mut check = world.nodes[1].client.check(true);
        world.nodes[1].address = Remote::Tcp(connection);
        let from = world.nodes[1].address;
        world.shard.handle_datagram(now, from, &mut check);
        let sequence = number as u16;
        let plain = packet(OPUS, 7, sequence, &[(MID, b"0")], &[sequence as u8]);
        world.rtp(0, &plain);
        assert_eq!(payloads(&world.seen(1)), [sequence as u8]);
        world.shard.handle_disconnect(now, connection);
        world.shard.handle_disconnect(now, connection);
    }
}

#[test]
fn a_publisher_that_leaves_takes_its_sources_and_their_legs_along() {
    let mut world = World::with_clients(3);
    world.audio_source(1, 0);
    world.audio_source(2, 1);
    world.leg(1, 1, 1);
    world.leg(2, 1, 2);
    world.leg(3, 2, 0);
    assert_eq!(world.shard.counts(), (3, 2, 3));
    world.command(Command::CloseTransport {
        transport: TransportId(0),
    });
    assert_eq!(world.shard.counts(), (2, 1, 0));
    world.settle();
    assert!(world.nodes[0].client.closed);
    let now = world.now;
    world.nodes[1].client.stop(now);
    world.settle();
    assert_eq!(world.shard.counts(), (1, 0, 0));
    let closed = Event::TransportClosed {
        transport: TransportId(1),
        reason: CloseReason::ClosedByPeer,
    };
    let closed = format!("{closed:?}");
    assert!(
        world
            .events
            .iter()
            .any(|event| format!("{event:?}") == closed)
    );
}

#[test]
fn ten_thousand_clients_that_come_and_go_leave_nothing() {
    let mut world = World::new();
    for n in 0..10_000_u64 {
        let transport = TransportId(n);
        let local = credentials(n as usize);
        world.command(Command::OpenTransport(TransportConfig {
            transport,
            shard: ShardId(0),
            local: local.clone(),
            fingerprints: Vec::new(),
            open_channels: Vec::new(),
        }));
        world.audio_source(n, n as usize);
        world.leg(n, n, n as usize);
        if n % 3 == 0 {
            let restarted = credentials(1_000_000 + n as usize);
            world.command(Command::RestartIce {
                transport,
                local: restarted,
            });
        }
        match n % 2 {
            0 => world.command(Command::CloseTransport { transport }),
            _ => world.command(Command::RemoveSource {
                source: SourceId(n),
            }),
        }
    }
    assert_eq!(world.shard.counts(), (5_000, 0, 0));
    world.now += Duration::from_secs(61);
    world.settle();
    let shard = &world.shard;
    assert_eq!(shard.counts(), (0, 0, 0));
    assert!(shard.by_transport.is_empty() && shard.by_ufrag.is_empty());
    assert!(shard.by_address.is_empty());
    assert_eq!(shard.next_timeout(), None);
    let never = |event: &&Event| matches!(event, Event::TransportClosed { .. });
    assert_eq!(world.events.iter().filter(never).count(), 5_000);
}

#[test]
fn trap_3_strangers_and_rubbish_leave_nothing_and_break_nothing() {
    let mut world = World::with_clients(2);
    world.audio_source(1, 0);
    world.leg(1, 1, 1);
    let mut chance = Chance::new(9);
    for n in 0..60_000_u32 {
        let mut datagram = chance.bytes(120);
        if let [first, second, ..] = &mut datagram[..] {
            *first = [0, 22, 0x80, 0x90, 0xb0][chance.below(5)];
            *second = [*second, 200, 205, 206][chance.below(4)];
        }
        let known = world.nodes[chance.below(2)].address;
        let stranger = Remote::Udp(SocketAddr::from((
            [172, 16, (n >> 8) as u8, n as u8],
            1_000,
        )));
        let from = if n % 2 == 0 { known } else { stranger };
        let now = world.now;
        world.shard.handle_datagram(now, from, &mut datagram);
    }
    // What authenticates may be rubbish too.
    for _ in 0..5_000 {
        let mut plain = chance.bytes(90);
        plain.resize(plain.len().max(12), 0);
        let kind = 200 + chance.below(8) as u8;
        plain[..2].copy_from_slice(&[0x80 | chance.below(32) as u8, kind]);
        plain[2..4].copy_from_slice(&[0, chance.below(24) as u8]);
        world.rtcp(chance.below(2), &plain);
    }
    for n in 0..5_000_u16 {
        let payload = chance.bytes(60);
        let value = [chance.next() as u8];
        let id = 1 + chance.below(14) as u8;
        let payload_type = [OPUS, VP8, VP8_REPAIR, 5][chance.below(4)];
        world.rtp(
            0,
            &packet(payload_type, 7, n, &[(id, &value[..])], &payload),
        );
    }
    world.seen(1);
    assert_eq!(world.shard.counts(), (2, 1, 1));
    assert_eq!(world.shard.by_address.len(), 2);
    world.rtp(0, &packet(OPUS, 7, 5_000, &[(MID, b"0")], &[9]));
    assert_eq!(payloads(&world.seen(1)), [9]);
}

#[test]
fn orders_about_unknown_things_do_nothing() {
    let mut world = World::new();
    world.audio_source(1, 5);
    world.leg(1, 1, 5);
    for command in [
        Command::RemoveSource {
            source: SourceId(1),
        },
        Command::RemoveLeg { leg: LegId(1) },
        Command::PauseLeg {
            leg: LegId(1),
            paused: true,
        },
        Command::SelectEncoding {
            leg: LegId(1),
            encoding: 9,
        },
        Command::PrioritizeLeg {
            leg: LegId(1),
            priority: 3,
        },
        Command::PrioritizeSource {
            source: SourceId(1),
            priority: 3,
        },
        Command::CloseTransport {
            transport: TransportId(1),
        },
    ] {
        world.command(command);
    }
    assert_eq!(world.shard.counts(), (0, 0, 0));
}
