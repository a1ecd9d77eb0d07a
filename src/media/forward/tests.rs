//! One publisher, some subscribers with real encryption, no network.

mod temporal;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::*;
use crate::domain::id::TransportId;
use crate::media::command::{
    Codec, CodecMapping, EncodingConfig, ExtensionIds, MediaKind, SourceConfig,
};
use crate::media::leg::RESENDS_PER_SECOND;
use crate::media::rtp::Header;
use crate::media::sample::{Chance, connection, rtp, vp8};
use crate::media::source::Received;
use crate::media::transport::srtp::Srtp;
use crate::media::transport::testing::origin;

const SOURCE: SourceId = SourceId(1);
const VP8: u8 = 96;
const VP8_REPAIR: u8 = 97;
const OPUS: u8 = 111;

/// A packet as a subscriber decrypted it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    ssrc: u32,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    payload: Vec<u8>,
}

struct Stage {
    start: Instant,
    now: Instant,
    forwarding: Forwarding,
    ends: BTreeMap<u64, (Srtp, Srtp)>,
    raw: Vec<(u16, Vec<u8>)>,
}

impl Stage {
    fn new(kind: MediaKind, encodings: usize) -> Self {
        let start = origin();
        let (codec, payload_type, rtx_payload_type) = match kind {
            MediaKind::Audio => (Codec::Opus, OPUS, None),
            MediaKind::Video => (Codec::Vp8, VP8, Some(VP8_REPAIR)),
        };
        let config = SourceConfig {
            source: SOURCE,
            transport: TransportId(1),
            kind,
            mid: "0".to_owned(),
            encodings: vec![EncodingConfig::default(); encodings],
            layered: false,
            codecs: vec![CodecMapping {
                codec,
                payload_type,
                rtx_payload_type,
            }],
            extensions: ExtensionIds::default(),
        };
        let mut forwarding = Forwarding::default();
        forwarding.add_source(Source::new(&config, 0));
        Self {
            start,
            now: start,
            forwarding,
            ends: BTreeMap::new(),
            raw: Vec::new(),
        }
    }

    fn leg_config(leg: u64, repair: bool) -> LegConfig {
        LegConfig {
            leg: LegId(leg),
            source: SOURCE,
            transport: TransportId(100 + leg),
            ssrc: 1_000 + leg as u32,
            rtx_ssrc: repair.then_some(500_000 + leg as u32),
            codecs: vec![
                CodecMapping {
                    codec: Codec::Vp8,
                    payload_type: 120,
                    rtx_payload_type: repair.then_some(121),
                },
                CodecMapping {
                    codec: Codec::Opus,
                    payload_type: 109,
                    rtx_payload_type: None,
                },
            ],
            extensions: ExtensionIds::default(),
            encoding: 0,
            priority: 1,
            paused: false,
        }
    }

    fn subscribe(&mut self, leg: u64, repair: bool) {
        let (ours, theirs) = connection(leg as u8);
        self.forwarding
            .add_leg(self.now, &Self::leg_config(leg, repair), leg as usize)
            .unwrap();
        let to = Remote::Udp(SocketAddr::from(([127, 0, 0, 1], 10_000 + leg as u16)));
        self.forwarding
            .open_leg(LegId(leg), to, |ssrc| ours.sealer(ssrc));
        self.ends.insert(leg, (ours, theirs));
    }

    fn source(&mut self) -> &mut Source {
        let place = self.forwarding.place(SOURCE).unwrap();
        self.forwarding.source_mut(place).unwrap()
    }

    fn receive(&mut self, encoding: u8, repair: bool, packet: &[u8]) -> Received {
        let header = Header::parse(packet).unwrap();
        let (now, start) = (self.now, self.start);
        let received = self
            .source()
            .receive(now, start, encoding, repair, &header, packet);
        if received != Received::Nothing {
            let place = self.forwarding.place(SOURCE).unwrap();
            self.forwarding.mark(place);
        }
        received
    }

    fn publish(&mut self, sequence: u16, timestamp: u32, payload: &[u8]) {
        let kind = self.source().kind;
        let payload_type = if kind == MediaKind::Audio { OPUS } else { VP8 };
        self.receive(0, false, &rtp(payload_type, sequence, timestamp, payload));
    }

    /// Sends all, and tells what one subscriber decrypted.
    fn seen(&mut self, leg: u64) -> Vec<Seen> {
        let mut all = self.all_seen();
        all.remove(&leg).unwrap_or_default()
    }

    fn all_seen(&mut self) -> BTreeMap<u64, Vec<Seen>> {
        let mut seen: BTreeMap<u64, Vec<Seen>> = BTreeMap::new();
        let mut batch = SendBatch::default();
        loop {
            let more = self.forwarding.fill(self.now, &mut batch);
            for (to, datagram) in batch.datagrams() {
                let port = to.address().port();
                let leg = u64::from(port - 10_000);
                self.raw.push((port, datagram.to_vec()));
                let mut packet = datagram.to_vec();
                let client = &mut self.ends.get_mut(&leg).unwrap().1;
                let len = client.open_rtp(&mut packet).expect("authentic and new");
                let header = Header::parse(&packet[..len]).unwrap();
                seen.entry(leg).or_default().push(Seen {
                    ssrc: header.ssrc,
                    payload_type: header.payload_type,
                    sequence: header.sequence,
                    timestamp: header.timestamp,
                    payload: packet[header.payload_start..len].to_vec(),
                });
            }
            batch.clear();
            if !more {
                return seen;
            }
        }
    }

    fn ask_again(&mut self, leg: u64, sequence: u16) -> bool {
        let now = self.now;
        let (source, place) = self.forwarding.leg_mut(LegId(leg)).unwrap();
        let number = source.legs[place].asked_again(now, sequence);
        if let Some(number) = number {
            self.forwarding.queue_resend(LegId(leg), number);
        }
        number.is_some()
    }
}

fn pictures(seen: &[Seen]) -> Vec<u16> {
    let picture = |p: &Seen| u16::from_be_bytes([p.payload[2], p.payload[3]]) & 0x7fff;
    seen.iter().map(picture).collect()
}

fn steps(seen: &[Seen]) -> Vec<u16> {
    let first = seen[0].sequence;
    seen.iter()
        .map(|p| p.sequence.wrapping_sub(first))
        .collect()
}

#[test]
fn two_subscribers_get_every_packet_under_their_own_numbers() {
    let mut stage = Stage::new(MediaKind::Audio, 1);
    stage.subscribe(1, false);
    stage.subscribe(2, false);
    for n in 0..50_u16 {
        stage.publish(65_500_u16.wrapping_add(n), u32::from(n) * 960, &[n as u8]);
    }
    let seen = stage.all_seen();
    for leg in [1, 2] {
        let packets = &seen[&leg];
        assert_eq!(steps(packets), (0..50).collect::<Vec<_>>());
        assert!(packets.iter().all(|p| p.payload_type == 109));
        assert!(packets.iter().all(|p| p.ssrc == 1_000 + leg as u32));
        assert_eq!(packets[49].payload, [49]);
    }
}

#[test]
fn trap_4_numbers_start_below_2_15_and_survive_roll_over_reordering_and_loss() {
    let mut stage = Stage::new(MediaKind::Audio, 1);
    stage.subscribe(1, false);
    stage.publish(40_000, 0, &[0]);
    let first = stage.seen(1)[0].sequence;
    assert!(first < 1 << 15);
    for n in 1..60_u32 {
        let sequence = 40_000_u32.wrapping_add(n * 12_000) as u16;
        stage.publish(sequence, n, &[n as u8]);
        stage.publish(sequence.wrapping_sub(3), n, &[n as u8]);
        let expected = u32::from(first).wrapping_add(n * 12_000) as u16;
        assert_eq!(stage.seen(1)[0].sequence, expected);
    }
}

#[test]
fn trap_5_a_retransmission_on_the_same_stream_is_bit_identical() {
    let mut stage = Stage::new(MediaKind::Video, 1);
    stage.subscribe(1, false);
    for n in 0..10_u16 {
        stage.publish(n, 3_000 * u32::from(n), &vp8(n == 0, n, n as u8));
    }
    let seen = stage.seen(1);
    let sent = stage.raw.clone();
    assert!(stage.ask_again(1, seen[4].sequence));
    let mut batch = SendBatch::default();
    assert!(!stage.forwarding.fill(stage.now, &mut batch));
    let again: Vec<_> = batch.datagrams().map(|(_, d)| d.to_vec()).collect();
    assert_eq!(again, [sent[4].1.clone()]);
}

#[test]
fn a_retransmission_has_its_own_stream_where_the_subscriber_negotiated_it() {
    let mut stage = Stage::new(MediaKind::Video, 1);
    stage.subscribe(1, true);
    for n in 0..10_u16 {
        stage.publish(n, 3_000 * u32::from(n), &vp8(n == 0, n, n as u8));
    }
    let seen = stage.seen(1);
    for wanted in [3, 3, 7] {
        assert!(stage.ask_again(1, seen[wanted].sequence));
    }
    let again = stage.seen(1);
    assert_eq!(steps(&again), [0, 1, 2]);
    for (packet, wanted) in again.iter().zip([3, 3, 7]) {
        assert_eq!((packet.payload_type, packet.ssrc), (121, 500_001));
        assert_eq!(packet.timestamp, seen[wanted].timestamp);
        assert_eq!(packet.payload[..2], seen[wanted].sequence.to_be_bytes());
        assert_eq!(packet.payload[2..], seen[wanted].payload);
    }
}

#[test]
fn retransmissions_are_bounded_and_never_of_packets_that_were_not_sent() {
    let mut stage = Stage::new(MediaKind::Video, 1);
    stage.subscribe(1, true);
    stage.publish(5, 0, &vp8(true, 1, 1));
    let sent = stage.seen(1)[0].sequence;
    assert!(!stage.ask_again(1, sent.wrapping_add(1)));
    assert!(!stage.ask_again(1, sent.wrapping_sub(1)));
    let asked = (0..1_000).filter(|_| stage.ask_again(1, sent)).count();
    assert_eq!(asked, RESENDS_PER_SECOND as usize);
    stage.now += Duration::from_secs(1);
    assert!(stage.ask_again(1, sent));
}

#[test]
fn trap_6_only_the_payload_is_copied() {
    let mut stage = Stage::new(MediaKind::Audio, 1);
    stage.subscribe(1, false);
    let mut packet = rtp(OPUS, 9, 0, &[]);
    packet[0] = 0x80 | 0x20 | 0x10 | 1;
    packet.extend_from_slice(&[1, 2, 3, 4, 0xbe, 0xde, 0, 1, 0x10, 0x55, 0, 0]);
    packet.extend_from_slice(&[42, 43, 0, 0, 3]);
    stage.receive(0, false, &packet);
    assert_eq!(stage.seen(1)[0].payload, [42, 43]);
}

#[test]
fn pure_padding_is_left_out_and_leaves_no_gap() {
    let mut stage = Stage::new(MediaKind::Video, 1);
    stage.subscribe(1, false);
    let mut padding = rtp(VP8, 0, 0, &[0, 0, 0, 4]);
    padding[0] |= 0x20;
    for n in 0..30_u16 {
        match n % 3 {
            2 => {
                padding[2..4].copy_from_slice(&n.to_be_bytes());
                assert_eq!(stage.receive(0, false, &padding), Received::Nothing);
            }
            _ => stage.publish(n, 0, &vp8(n == 0, n, 0)),
        }
    }
    assert_eq!(steps(&stage.seen(1)), (0..20).collect::<Vec<_>>());
}

#[test]
fn a_packet_mended_by_the_publisher_takes_its_place() {
    let mut stage = Stage::new(MediaKind::Video, 1);
    stage.subscribe(1, false);
    for n in [0_u16, 1, 3] {
        stage.publish(n, 0, &vp8(n == 0, n, 0));
    }
    assert_eq!(steps(&stage.seen(1)), [0, 1, 3]);
    let lost = vp8(false, 2, 0);
    let repair = rtp(VP8_REPAIR, 900, 0, &[&[0, 2][..], &lost].concat());
    assert_ne!(stage.receive(0, true, &repair), Received::Nothing);
    assert_eq!(stage.receive(0, true, &repair), Received::Nothing);
    let mended = stage.seen(1);
    assert_eq!((mended.len(), mended[0].payload[3]), (1, 2));
    let probe = rtp(VP8_REPAIR, 901, 0, &[]);
    assert_eq!(stage.receive(0, true, &probe), Received::Nothing);
}

#[test]
fn a_subscriber_starts_and_goes_on_after_a_pause_with_a_key_frame_only() {
    let mut stage = Stage::new(MediaKind::Video, 1);
    stage.publish(10, 0, &vp8(true, 10, 1));
    stage.all_seen();
    stage.subscribe(1, false);
    assert!(stage.source().encodings[0].key_frames.is_wanted());
    stage.publish(11, 3_000, &vp8(false, 11, 2));
    assert!(stage.seen(1).is_empty());
    stage.publish(12, 6_000, &vp8(true, 12, 3));
    stage.publish(13, 9_000, &vp8(false, 13, 4));
    let before = stage.seen(1);
    assert_eq!(before.len(), 2);
    let pause = |stage: &mut Stage, paused| {
        let (source, place) = stage.forwarding.leg_mut(LegId(1)).unwrap();
        source.legs[place].pause(paused);
        source.choose_encoding(place);
    };
    pause(&mut stage, true);
    stage.publish(14, 12_000, &vp8(true, 14, 5));
    assert!(stage.seen(1).is_empty());
    pause(&mut stage, false);
    assert!(stage.source().encodings[0].key_frames.is_wanted());
    stage.publish(15, 15_000, &vp8(false, 15, 6));
    stage.publish(16, 18_000, &vp8(true, 16, 7));
    let after = stage.seen(1);
    assert_eq!(after.len(), 1);
    assert_eq!(after[0].sequence, before[1].sequence + 1);
    assert_eq!(after[0].timestamp - before[1].timestamp, 9_000);
    assert_eq!(pictures(&after)[0], pictures(&before)[1] + 1);
}

#[test]
fn a_key_frame_from_before_a_pause_that_comes_late_begins_nothing() {
    let mut stage = Stage::new(MediaKind::Video, 1);
    stage.subscribe(1, true);
    for n in [0_u16, 1, 3, 4] {
        stage.publish(n, 3_000 * u32::from(n), &vp8(n == 0, n, 0));
    }
    assert_eq!(stage.seen(1).len(), 4);
    for paused in [true, false] {
        let (source, place) = stage.forwarding.leg_mut(LegId(1)).unwrap();
        source.legs[place].pause(paused);
        source.choose_encoding(place);
    }
    stage.publish(2, 6_000, &vp8(true, 2, 0));
    assert!(stage.seen(1).is_empty());
    stage.publish(5, 15_000, &vp8(true, 5, 0));
    assert_eq!(stage.seen(1)[0].timestamp, 15_000);
}

#[test]
fn padding_that_is_lost_and_repeated_leaves_no_hole() {
    let mut stage = Stage::new(MediaKind::Video, 1);
    stage.subscribe(1, true);
    stage.publish(0, 0, &vp8(true, 0, 0));
    stage.publish(2, 3_000, &vp8(false, 1, 0));
    let mut seen = stage.seen(1);
    let again = rtp(VP8_REPAIR, 1, 0, &[0, 1]);
    assert_ne!(stage.receive(0, true, &again), Received::Nothing);
    assert_eq!(stage.receive(0, true, &again), Received::Nothing);
    seen.extend(stage.seen(1));
    assert_eq!(steps(&seen), [0, 2, 1]);
    assert!(seen[2].payload.is_empty());
    // Padding that came and was left out is not brought back.
    let mut padding = rtp(VP8, 3, 3_000, &[0, 0, 0, 4]);
    padding[0] |= 0x20;
    assert_eq!(stage.receive(0, false, &padding), Received::Nothing);
    let again = rtp(VP8_REPAIR, 2, 0, &[0, 3]);
    assert_eq!(stage.receive(0, true, &again), Received::Nothing);
    stage.publish(4, 6_000, &vp8(false, 2, 0));
    seen.extend(stage.seen(1));
    assert_eq!(steps(&seen), [0, 2, 1, 3]);
}

#[test]
fn a_switch_of_encodings_happens_at_a_key_frame_and_leaves_no_seam() {
    let mut stage = Stage::new(MediaKind::Video, 2);
    stage.subscribe(1, false);
    let video = |stage: &mut Stage, encoding: u8, n: u16, key: bool| {
        let base = 500_000 * u32::from(encoding) + 3_000 * u32::from(n);
        let picture = 5_000 * u16::from(encoding) + n;
        let payload = vp8(key, picture, (picture % 251) as u8);
        stage.receive(
            encoding,
            false,
            &rtp(VP8, 7_000 * u16::from(encoding) + n, base, &payload),
        );
    };
    for n in 0..10 {
        video(&mut stage, 0, n, n == 0);
        video(&mut stage, 1, n, n == 0);
        stage.now += Duration::from_millis(33);
    }
    let mut seen = stage.seen(1);
    let (source, place) = stage.forwarding.leg_mut(LegId(1)).unwrap();
    source.legs[place].select(1);
    source.choose_encoding(place);
    assert!(source.encodings[1].key_frames.is_wanted());
    for n in 10..30 {
        video(&mut stage, 0, n, false);
        video(&mut stage, 1, n, n == 20);
        stage.now += Duration::from_millis(33);
    }
    seen.extend(stage.seen(1));
    assert_eq!(steps(&seen), (0..seen.len() as u16).collect::<Vec<_>>());
    assert_eq!(pictures(&seen), (0..seen.len() as u16).collect::<Vec<_>>());
    for pair in seen.windows(2) {
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!((1..=6_100).contains(&step), "{step}");
    }
    let old = seen[8].clone();
    assert!(stage.ask_again(1, old.sequence));
    let mut batch = SendBatch::default();
    stage.forwarding.fill(stage.now, &mut batch);
    let again = batch.datagrams().next().unwrap().1.to_vec();
    assert!(stage.raw.iter().any(|(_, sent)| *sent == again));
}

#[test]
fn an_encoding_that_stops_is_left_for_the_best_live_one() {
    let mut stage = Stage::new(MediaKind::Video, 2);
    stage.receive(0, false, &rtp(VP8, 0, 0, &vp8(true, 0, 0)));
    stage.receive(1, false, &rtp(VP8, 0, 0, &vp8(true, 0, 0)));
    stage.all_seen();
    stage.subscribe(1, false);
    let (source, place) = stage.forwarding.leg_mut(LegId(1)).unwrap();
    source.legs[place].select(1);
    source.choose_encoding(place);
    assert_eq!(source.legs[place].waits_for(), Some(1));
    stage.now += Duration::from_secs(2);
    stage.receive(0, false, &rtp(VP8, 1, 0, &vp8(false, 0, 0)));
    let now = stage.now;
    stage.source().refresh(now);
    assert_eq!(stage.source().legs[0].waits_for(), Some(0));
    assert!(stage.source().encodings[0].key_frames.is_wanted());
}

#[test]
fn a_publisher_that_starts_anew_is_followed_from_its_key_frame() {
    let mut stage = Stage::new(MediaKind::Video, 1);
    stage.source().rebind(0, 77);
    stage.subscribe(1, false);
    stage.publish(60_000, 1_000, &vp8(true, 5, 0));
    let before = stage.seen(1);
    stage.now += Duration::from_millis(40);
    stage.source().rebind(0, 78);
    stage.publish(3, 900_000, &vp8(false, 8, 0));
    assert!(stage.seen(1).is_empty());
    stage.publish(4, 903_000, &vp8(true, 9, 0));
    let after = stage.seen(1);
    assert_eq!(after[0].sequence, before[0].sequence + 1);
    assert_eq!(after[0].timestamp - before[0].timestamp, 3_600);
    assert_eq!(pictures(&after), [6]);
}

#[test]
fn trap_9_a_key_frame_wished_for_before_the_first_packet_is_remembered() {
    let mut stage = Stage::new(MediaKind::Video, 1);
    stage.subscribe(1, false);
    assert!(stage.source().encodings[0].key_frames.is_wanted());
    stage.publish(1, 0, &vp8(false, 1, 1));
    let now = stage.now;
    assert!(stage.source().encodings[0].key_frames.take_due(now));
    stage.publish(2, 0, &vp8(true, 2, 1));
    assert!(!stage.source().encodings[0].key_frames.is_wanted());
}

#[test]
fn trap_8_a_burst_to_one_subscriber_is_one_run_and_fan_out_goes_on_where_a_batch_was_full() {
    let mut stage = Stage::new(MediaKind::Video, 1);
    for leg in 0..200 {
        stage.subscribe(leg, false);
    }
    for n in 0..8_u16 {
        let mut payload = vp8(n == 0, n, 0);
        payload.resize(1_100, 9);
        stage.publish(n, 0, &payload);
    }
    let mut batch = SendBatch::default();
    let mut more = true;
    let mut by_port: BTreeMap<u16, usize> = BTreeMap::new();
    while more {
        more = stage.forwarding.fill(stage.now, &mut batch);
        assert!(batch.messages().iter().filter(|m| m.segments == 8).count() > 20);
        for (to, _) in batch.datagrams() {
            *by_port.entry(to.address().port()).or_default() += 1;
        }
        batch.clear();
    }
    assert_eq!(by_port.len(), 200);
    assert!(by_port.values().all(|count| *count == 8));
}

#[test]
fn an_address_change_reaches_the_leg() {
    let mut stage = Stage::new(MediaKind::Audio, 1);
    stage.subscribe(1, false);
    let to = Remote::Udp(SocketAddr::from(([127, 0, 0, 2], 10_001)));
    stage.forwarding.move_leg(LegId(1), to);
    stage.publish(1, 0, &[1]);
    let mut batch = SendBatch::default();
    stage.forwarding.fill(stage.now, &mut batch);
    assert_eq!(batch.datagrams().next().unwrap().0, to);
}

#[test]
fn ten_thousand_comings_and_goings_leave_nothing() {
    let mut chance = Chance::new(8);
    let mut stage = Stage::new(MediaKind::Audio, 1);
    let mut legs = Vec::new();
    for leg in 0..10_000_u64 {
        stage
            .forwarding
            .add_leg(stage.now, &Stage::leg_config(leg, true), 0)
            .unwrap();
        legs.push(leg);
        if legs.len() > 50 {
            let leg = legs.swap_remove(chance.below(legs.len()));
            assert_eq!(
                stage.forwarding.remove_leg(LegId(leg)).unwrap().id(),
                LegId(leg)
            );
        }
        assert!(stage.forwarding.remove_leg(LegId(leg + 1)).is_none());
    }
    for leg in &legs {
        assert!(stage.forwarding.leg_mut(LegId(*leg)).is_some());
    }
    assert_eq!(stage.forwarding.counts(), (1, legs.len()));
    let config = SourceConfig {
        source: SourceId(2),
        transport: TransportId(1),
        kind: MediaKind::Audio,
        mid: String::new(),
        encodings: vec![EncodingConfig::default()],
        layered: false,
        codecs: Vec::new(),
        extensions: ExtensionIds::default(),
    };
    stage.forwarding.remove_source(SOURCE);
    for _ in 0..10_000 {
        stage.forwarding.add_source(Source::new(&config, 0));
        stage.forwarding.add_leg(
            stage.now,
            &LegConfig {
                source: SourceId(2),
                ..Stage::leg_config(5, true)
            },
            0,
        );
        stage.forwarding.remove_source(SourceId(2));
    }
    assert_eq!(stage.forwarding.counts(), (0, 0));
    assert_eq!(stage.forwarding.sources.places(), 1);
    assert!(stage.forwarding.dirty.is_empty() && stage.forwarding.resends.is_empty());
}
