//! Clients that misuse what they may send: it costs them, and others go on.

use bytes::Bytes;
use rtc::datachannel::message::message_channel_open::ChannelType;

use super::allocation::live_bytes;
use super::world::*;
use super::*;
use crate::media::command::DataChannel;
use crate::media::framing::{Backlog, MEDIA_WAITING_BYTES_MAX, Queued, WAITING_BYTES_MAX};
use crate::media::leg::RESENDS_PER_SECOND;

/// A publisher of one picture, a hostile subscriber and an honest one.
fn world() -> World {
    let mut world = World::with_clients(3);
    world.video_source(1, 0, &[]);
    world.leg(1, 1, 1);
    world.leg(2, 1, 2);
    world
}

fn film(world: &mut World, number: u16) {
    let payload = vp8(number == 0, number, number as u8);
    world.rtp(0, &packet(VP8, 7, number, &[(MID, b"1")], &payload));
    world.settle();
}

#[test]
fn a_flood_of_requests_for_packets_is_answered_at_a_bounded_rate_and_harms_nobody() {
    let mut world = world();
    (0..100).for_each(|number| film(&mut world, number));
    let sent: Vec<u64> = world
        .seen(1)
        .iter()
        .map(|p| u64::from(p.header.sequence))
        .collect();
    world.seen(2);
    let mut again = 0;
    for round in 0..200_u16 {
        let mut nack = Vec::new();
        rtcp::write_nack(&mut nack, 2_001, &sent);
        (0..5).for_each(|_| world.rtcp(1, &nack));
        film(&mut world, 100 + round);
        world.advance(10);
        again += world
            .seen(1)
            .iter()
            .filter(|p| p.header.ssrc == 3_001)
            .count();
        assert_eq!(world.seen(2).len(), 1, "round {round}");
    }
    assert!(again <= 3 * RESENDS_PER_SECOND as usize, "{again}");
    assert_eq!(world.shard.counts(), (3, 1, 2));
}

#[test]
fn feedback_about_the_streams_of_others_and_floods_of_nonsense_harm_nobody() {
    let mut world = world();
    film(&mut world, 0);
    world.seen(1);
    world.seen(2);
    world.feedback(0);
    let mut chance = Chance::new(5);
    let mut requests = 0;
    for number in 1..100 {
        for _ in 0..20 {
            // Transport-wide feedback, and an estimate of the receiver (REMB), of made-up bodies.
            let (kind, format) = [(205, 15), (206, 15)][chance.below(2)];
            let mut forged = vec![0x80 | format, kind, 0, 11, 0, 0, 0, 1, 0, 0, 7, 0xd2];
            forged.extend((0..36).map(|_| chance.next() as u8));
            world.rtcp(1, &forged);
        }
        let mut others = Vec::new();
        rtcp::write_nack(&mut others, 2_002, &[u64::from(number)]);
        rtcp::write_picture_loss(&mut others, 2_002);
        rtcp::write_picture_loss(&mut others, 7);
        world.rtcp(1, &others);
        film(&mut world, number);
        world.advance(10);
        let honest = world.seen(2);
        assert!(honest.len() == 1 && honest[0].header.ssrc == 2_002);
        requests += world.key_frame_requests(0);
    }
    // Its own picture stops and goes on with what it says, which takes a key frame.
    assert!(requests <= 3, "{requests}");
    assert_eq!(world.shard.counts(), (3, 1, 2));
}

#[test]
fn replays_from_any_address_reach_nobody() {
    let mut world = world();
    film(&mut world, 0);
    world.seen(1);
    world.seen(2);
    let plain = packet(VP8, 7, 1, &[(MID, b"1")], &vp8(false, 1, 1));
    let media = world.nodes[0].client.media.as_mut().unwrap();
    let sealed = media.outgoing.encrypt_rtp(&plain).unwrap().to_vec();
    let publisher = world.nodes[0].address;
    let others = world.nodes[1].address;
    let stranger = Remote::Udp(SocketAddr::from(([172, 16, 0, 1], 9)));
    let now = world.now;
    for from in [stranger, others] {
        world.shard.handle_datagram(now, from, &mut sealed.clone());
    }
    assert!(world.seen(2).is_empty());
    for _ in 0..1_000 {
        let mut again = sealed.clone();
        world.shard.handle_datagram(now, publisher, &mut again);
    }
    assert_eq!(world.seen(2).len(), 1);
    assert_eq!(world.shard.by_address.len(), 3);
}

#[test]
fn a_thousand_sources_and_legs_of_one_client_stop_at_its_limits() {
    let mut world = world();
    for source in 10..1_010 {
        world.video_source(source, 1, &["q", "h", "f"]);
        world.leg(source, 1, 1);
    }
    let limits = ShardLimits::default();
    let most = (
        3,
        1 + limits.sources_per_transport,
        1 + limits.legs_per_transport,
    );
    assert_eq!(world.shard.counts(), most);
    film(&mut world, 0);
    assert_eq!(world.seen(2).len(), 1);
}

/// Lets time go by in which honest media goes on; the next number.
fn go_on(world: &mut World, from: u16, pictures: u16) -> u16 {
    for number in from..from + pictures {
        film(world, number);
        world.advance(20);
        assert_eq!(world.seen(2).len(), 1, "picture {number}");
        world.events.clear();
    }
    from + pictures
}

fn is_closed(world: &World, node: u64, because: CloseReason) -> bool {
    world.events.iter().any(|event| {
        matches!(event, Event::TransportClosed { transport, reason }
            if *transport == TransportId(node) && *reason == because)
    })
}

#[test]
fn a_flood_of_channels_is_refused_beyond_a_few_and_keeps_no_memory() {
    let mut world = world();
    let mut number = go_on(&mut world, 0, 20);
    assert!(world.nodes[1].client.is_associated());
    let mut opened = 0;
    let mut before = 0;
    let long = "long".repeat(200);
    for round in 0..30 {
        let label = ["_reliable", "what", &long][round % 3];
        for stream in (0..250).step_by(2) {
            let now = world.now;
            let client = &mut world.nodes[1].client;
            if !client.has_stream(stream) {
                client.open_channel(now, stream, label, ChannelType::Reliable);
                opened += 1;
            }
        }
        for _ in 0..20 {
            film(&mut world, number);
            world.advance(20);
            number += 1;
            assert_eq!(world.seen(2).len(), 1);
        }
        let accepted = |event: &&Event| matches!(event, Event::ChannelOpened { .. });
        assert!(world.events.iter().filter(accepted).count() <= 16);
        world.events.clear();
        world.nodes[1].client.taped_sctp.clear();
        world.nodes.iter_mut().for_each(|node| node.forget());
        if round == 5 {
            before = live_bytes();
        }
    }
    assert!(opened > 125, "{opened}");
    let more = live_bytes() - before;
    assert!(
        more < 1 << 20,
        "{more} bytes more, both ends taken together"
    );
    assert_eq!(world.shard.counts(), (3, 1, 2));
}

#[test]
fn garbage_behind_the_handshake_costs_its_sender_its_channels_at_most() {
    let mut world = world();
    let mut number = go_on(&mut world, 0, 20);
    let mut chance = Chance::new(77);
    for _ in 0..100 {
        for _ in 0..40 {
            let mut garbage = chance.bytes(1_200);
            let now = world.now;
            match chance.below(2) {
                0 => world.nodes[1].client.inject(now, &garbage),
                _ => {
                    garbage.resize(garbage.len().max(20), 0);
                    garbage[..3].copy_from_slice(&[23, 254, 253]);
                    let from = world.nodes[1].address;
                    world.shard.handle_datagram(now, from, &mut garbage);
                }
            }
        }
        number = go_on(&mut world, number, 2);
    }
    assert_eq!(world.shard.counts(), (3, 1, 2));
    world.seen(1);
    film(&mut world, number);
    assert_eq!(world.seen(1).len(), 1);
}

#[test]
fn who_never_acknowledges_reliable_data_is_closed_and_nobody_else() {
    let mut world = world();
    let mut number = go_on(&mut world, 0, 20);
    for node in [1, 2] {
        let now = world.now;
        let client = &mut world.nodes[node].client;
        client.open_channel(now, 0, "_reliable", ChannelType::Reliable);
    }
    number = go_on(&mut world, number, 20);
    world.nodes[1].client.mangle_in = Some(|packet| packet.fill(0));
    let payload = Bytes::from(vec![7; 100_000]);
    for round in 0..40 {
        for node in [1, 2] {
            world.command(Command::SendData {
                transport: TransportId(node),
                channel: DataChannel::Reliable,
                payload: payload.clone(),
            });
        }
        for _ in 0..10 {
            film(&mut world, number);
            world.advance(20);
            number += 1;
            assert_eq!(world.seen(2).len(), 1, "round {round}");
        }
    }
    assert!(is_closed(&world, 1, CloseReason::DataOverflow));
    assert_eq!(world.shard.counts(), (2, 1, 1));
    let messages = world.nodes[2].client.messages.iter();
    let came = messages.filter(|(_, _, bytes)| *bytes == payload).count();
    assert_eq!(came, 40);
}

#[test]
fn who_never_reads_its_tcp_connection_gets_less_and_then_nothing_and_nobody_else() {
    let mut world = world();
    let connection = Connection {
        number: 1,
        client: world.nodes[1].address.address(),
    };
    world.nodes[1].address = Remote::Tcp(connection);
    let mut check = world.nodes[1].client.check(true);
    let (now, from) = (world.now, Remote::Tcp(connection));
    world.shard.handle_datagram(now, from, &mut check);
    let mut backlog = Backlog::default();
    let mut dropped = 0;
    for number in 0..3_000_u16 {
        let mut payload = vp8(number % 100 == 0, number, number as u8);
        payload.resize(1_100, 3);
        world.rtp(0, &packet(VP8, 7, number, &[(MID, b"1")], &payload));
        world.advance(10);
        assert_eq!(world.seen(2).len(), 1);
        for seen in world.seen(1) {
            dropped += usize::from(backlog.push(&seen.plain) == Queued::Dropped);
        }
        let waiting = backlog.waiting().len();
        assert!(waiting <= MEDIA_WAITING_BYTES_MAX + 2_000, "{waiting}");
    }
    assert!(dropped > 500, "{dropped}");
    let control = [22; 1_200];
    let pushed = (0..10_000).take_while(|_| backlog.push(&control) == Queued::Waits);
    assert!(pushed.count() < WAITING_BYTES_MAX / control.len());
    let now = world.now;
    world.shard.handle_disconnect(now, connection);
    assert!(!world.shard.is_reached_by(connection));
    // It is not heard any more, and in the end it is gone.
    world.nodes[1].address = Remote::Udp(SocketAddr::from(([10, 77, 0, 1], 7)));
    for number in 3_000..3_700_u16 {
        film(&mut world, number);
        world.advance(50);
        assert_eq!(world.seen(2).len(), 1);
    }
    assert_eq!(world.shard.counts().0, 3, "a check finds it again");
}

#[test]
fn a_flood_of_key_frame_requests_reaches_the_publisher_twice_a_second() {
    let mut world = world();
    let mut number = go_on(&mut world, 0, 10);
    world.key_frame_requests(0);
    let mut requests = 0;
    for _ in 0..250 {
        let mut flood = Vec::new();
        (0..60).for_each(|_| rtcp::write_picture_loss(&mut flood, 2_001));
        (0..10).for_each(|_| world.rtcp(1, &flood));
        number = go_on(&mut world, number, 1);
        requests += world.key_frame_requests(0);
    }
    assert!((1..=11).contains(&requests), "{requests} in five seconds");
    assert_eq!(world.shard.counts(), (3, 1, 2));
}
