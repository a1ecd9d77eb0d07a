//! What strangers and ill-meaning clients send.

use super::*;

/// Associations that the test of mutated SCTP spends.
const SEEDS: u64 = 60;

/// A seeded source of whatever.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    fn mutate_one_of(&mut self, tape: &[Vec<u8>]) -> Vec<u8> {
        let chosen = self.roll(tape.len());
        self.mutate(&tape[chosen])
    }

    /// Some bytes changed, the end perhaps cut off or doubled; the first byte mostly spared.
    fn mutate(&mut self, datagram: &[u8]) -> Vec<u8> {
        let mut mutated = datagram.to_vec();
        for _ in 0..=self.roll(4) {
            let at = self.roll(mutated.len()).max(usize::from(self.roll(8) > 0));
            let at = at.min(mutated.len() - 1);
            mutated[at] = self.roll(256) as u8;
        }
        match self.roll(6) {
            0 => mutated.truncate(1 + self.roll(datagram.len())),
            1 => mutated.extend_from_slice(datagram),
            _ => {}
        }
        mutated
    }
}

/// CRC-32c as SCTP carries it (RFC 9260 appendix A).
fn sign_sctp(packet: &mut [u8]) {
    packet[8..12].fill(0);
    let mut sum = u32::MAX;
    for byte in &*packet {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0x82f6_3b78 * (sum & 1));
        }
    }
    packet[8..12].copy_from_slice(&(!sum).to_le_bytes());
}

/// Everything a client sent while it connected, opened a channel and sent media.
fn tape() -> Vec<Vec<u8>> {
    let mut world = World::associated(vec![]);
    let now = world.now;
    world
        .client
        .open_channel(now, 0, "_reliable", ChannelType::Reliable);
    world.client.send(now, 0, b"hello");
    world.run_for(SECOND);
    let media = world.client.media.as_mut().unwrap();
    let mut tape: Vec<Vec<u8>> = world
        .taped
        .iter()
        .map(|datagram| datagram.to_vec())
        .collect();
    for sequence in 0..20 {
        tape.push(
            media
                .outgoing
                .encrypt_rtp(&rtp(9, sequence))
                .unwrap()
                .to_vec(),
        );
        tape.push(media.outgoing.encrypt_rtcp(&rtcp(9)).unwrap().to_vec());
    }
    tape
}

#[test]
fn dtls_and_media_from_an_unverified_address_do_nothing() {
    let mut world = World::new(Habits::default());
    for datagram in tape().iter().filter(|datagram| datagram[0] > 3) {
        world.deliver(elsewhere(), datagram);
    }
    assert!(world.server.poll_datagram().is_none());
    assert!(world.server.poll_event().is_none());
    assert_eq!(world.server.send_address(), None);
    assert_eq!(world.server.remembered_streams(), 0);
}

#[test]
fn forged_datagrams_neither_hurt_a_connection_nor_leave_anything() {
    let tape = tape();
    let mut world = World::connected();
    let mut dice = Dice(0xbad);
    let replies = |world: &mut World| std::iter::from_fn(|| world.server.poll_datagram()).count();
    let mut answered = 0;
    for _ in 0..100_000 {
        let mutated = dice.mutate_one_of(&tape);
        world.deliver(client::home(), &mutated);
        answered += replies(&mut world);
    }
    assert!(
        answered <= 100,
        "forged datagrams were answered {answered} times"
    );
    assert_eq!(world.server.remembered_streams(), 0);
    assert_eq!(
        world.server.addresses().collect::<Vec<_>>(),
        [client::home()]
    );
    world.run_for(SECOND);
    assert_eq!(closed(&world), None);
    media_flows_both_ways(&mut world);
}

#[test]
fn forged_plain_alerts_and_records_do_not_end_a_connection() {
    let mut world = World::connected();
    let record = |kind: u8, epoch: u8, content: &[u8]| {
        let mut record = vec![
            kind,
            254,
            253,
            0,
            epoch,
            0,
            0,
            0,
            0,
            9,
            9,
            0,
            content.len() as u8,
        ];
        record.extend(content);
        record
    };
    for forged in [
        record(21, 0, &[2, 40]),
        record(21, 0, &[1, 0]),
        record(21, 1, &[2, 40]),
        record(23, 0, b"data"),
        record(23, 1, b"data"),
        record(20, 0, &[1]),
        record(22, 0, &[0; 12]),
        record(22, 1, &[0; 12]),
        record(99, 0, &[0]),
    ] {
        world.deliver(client::home(), &forged);
    }
    world.run_for(SECOND);
    assert_eq!(closed(&world), None);
    media_flows_both_ways(&mut world);
}

#[test]
fn a_handshake_under_forged_datagrams_connects_or_fails_but_never_panics() {
    let tape = tape();
    let mut outcomes = [0; 2];
    for seed in 0..60 {
        let mut world = World::new(Habits::default());
        let mut dice = Dice(seed);
        for _ in 0..30 {
            for _ in 0..2 {
                let mutated = dice.mutate_one_of(&tape);
                world.deliver(client::home(), &mutated);
            }
            world.run_for(Duration::from_millis(4));
        }
        world.run_for(3 * SECOND);
        match closed(&world) {
            None => outcomes[0] += usize::from(world.server.is_connected()),
            Some(reason) => {
                assert_eq!(reason, CloseReason::HandshakeFailed, "seed {seed}");
                outcomes[1] += 1;
            }
        }
    }
    println!("connected, failed: {outcomes:?}");
    assert!(outcomes[0] > 0);
}

#[test]
fn a_flood_of_fragments_ends_the_handshake_within_its_budget() {
    let mut world = World::new(Habits::default());
    assert!(
        world.run_until(SECOND, |w| w.taped.iter().filter(|d| d[0] == 22).count()
            >= 2)
    );
    world.run_for(Duration::from_millis(25));
    let mut sent = 0;
    while closed(&world).is_none() && sent < 10_000_u32 {
        let number = sent.to_be_bytes();
        let mut record = vec![
            22, 254, 253, 0, 0, 0, 1, number[0], number[1], number[2], number[3],
        ];
        record.extend([
            0, 13, 11, 0, 0x30, 0, 0, 2, 0, number[2], number[3], 0, 0, 1, 7,
        ]);
        world.deliver(client::home(), &record);
        world.collect();
        sent += 1;
    }
    assert_eq!(closed(&world), Some(CloseReason::HandshakeFailed));
    assert!(sent <= 600, "{sent}");
}

#[test]
fn a_repeated_init_is_answered_with_the_same_association() {
    let mut channels = DataChannels::new(vec![]);
    let mut events = vec![];
    let mut packet = vec![0x13, 0x88, 0x13, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 20];
    packet.extend([0, 0, 0, 7, 0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 1]);
    sign_sctp(&mut packet);
    let now = testing::origin();
    channels.handle(now, Bytes::from(packet.clone()), &mut events);
    let first = channels.poll_packet().expect("an INIT ACK");
    for _ in 0..100 {
        channels.handle(now, Bytes::from(packet.clone()), &mut events);
        assert_eq!(channels.poll_packet(), Some(first.clone()));
        assert_eq!(channels.poll_packet(), None);
    }
    packet[19] = 8;
    sign_sctp(&mut packet);
    channels.handle(now, Bytes::from(packet), &mut events);
    let other = channels.poll_packet().expect("an INIT ACK");
    assert_ne!(other, first, "another tag is another association");
}

#[test]
fn mutated_sctp_of_an_authenticated_client_never_panics() {
    let mut injected = 0;
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let mut world = World::associated(vec![DataChannel::Lossy]);
        let now = world.now;
        world
            .client
            .open_channel(now, 0, "_reliable", ChannelType::Reliable);
        let mut dice = Dice(seed);
        for round in 0..200 {
            if !world.client.has_stream(0) {
                break;
            }
            world
                .client
                .send(world.now, 0, &vec![round; 1 + dice.roll(3_000)]);
            world.run_for(Duration::from_millis(15));
            for plain in std::mem::take(&mut world.client.taped_sctp) {
                let mut mutated = plain.clone();
                for _ in 0..=dice.roll(3) {
                    let at = 12 + dice.roll(mutated.len().min(60) - 12);
                    mutated[at] = dice.roll(256) as u8;
                }
                if dice.roll(2) == 0 {
                    // Keep the framing right more often than chance would.
                    mutated[14..16].copy_from_slice(&plain[14..16]);
                }
                sign_sctp(&mut mutated);
                world.client.inject(world.now, &mutated);
                injected += 1;
            }
        }
        world.run_for(SECOND);
        assert_eq!(closed(&world), None);
        media_flows_both_ways(&mut world);
    }
    println!("{injected} packets injected");
    assert!(injected > 10 * SEEDS);
}

#[test]
fn messages_without_an_end_cost_the_client_its_association() {
    let mut world = World::associated(vec![]);
    let now = world.now;
    world
        .client
        .open_channel(now, 0, "_reliable", ChannelType::Reliable);
    world.run_for(SECOND);
    world.client.send(world.now, 0, b"before");
    world.run_for(SECOND);
    assert!(world.server.channels.is_associated());
    // Its fragments never say that they are the last, and it takes our window for open.
    world.client.mangle_out = Some(|packet| {
        if packet[12] == 0 {
            packet[13] &= !1;
            sign_sctp(packet);
        }
    });
    world.client.mangle_in = Some(|packet| {
        if packet[12] == 3 {
            packet[20..24].copy_from_slice(&[0, 16, 0, 0]);
            sign_sctp(packet);
        }
    });
    for _ in 0..40 {
        world.client.send(world.now, 0, &vec![1; 200_000]);
        world.run_for(SECOND);
    }
    assert!(!world.server.channels.is_associated());
    assert_eq!(closed(&world), None, "media does not suffer for it");
    media_flows_both_ways(&mut world);
}

#[test]
fn a_transport_may_move_between_threads() {
    fn is_send<T: Send>() {}
    fn is_shared<T: Send + Sync>() {}
    is_send::<Transport>();
    is_send::<Sealer>();
    is_shared::<Identity>();
}
