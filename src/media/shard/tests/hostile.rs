//! Clients that misuse what they may send: it costs them, and others go on.

use super::world::*;
use super::*;
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
