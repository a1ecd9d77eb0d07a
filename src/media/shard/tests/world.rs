//! A shard with whole clients around it: virtual time, no network.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc::shared::error::Error;

use super::super::*;
use crate::domain::id::ShardId;
use crate::media::command::{
    Codec, CodecMapping, EncodingConfig, ExtensionIds, IceCredentials, MediaKind,
};
use crate::media::rtcp;
use crate::media::rtp::{Header, read_u16, read_u32};
use crate::media::transport::testing::origin;
use crate::media::transport::tests::client::{Client, Habits};

pub(super) const VP8: u8 = 96;
pub(super) const VP8_REPAIR: u8 = 97;
pub(super) const OPUS: u8 = 111;
pub(super) const MID: u8 = 4;
pub(super) const RID: u8 = 10;
pub(super) const LEVEL: u8 = 1;
pub(super) const TRANSPORT_CC: u8 = 3;
pub(super) const PLAYOUT_DELAY: u8 = 5;
pub(super) const DEPENDENCY: u8 = 12;

/// A packet as a client decrypted it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) header: Header,
    pub(super) plain: Vec<u8>,
    pub(super) payload: Vec<u8>,
}

pub(super) struct Node {
    pub(super) address: Remote,
    pub(super) client: Client,
    pub(super) packets: Vec<Seen>,
    pub(super) feedback: Vec<Vec<u8>>,
    /// Packets that came again, the same to the bit, which nobody opens: SSRC and number.
    pub(super) repeated: Vec<(u32, u16)>,
    /// What came sealed, by SSRC and number.
    sealed: HashMap<(u32, u16), Vec<u8>>,
}

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) shard: Shard,
    pub(super) nodes: Vec<Node>,
    pub(super) events: Vec<Event>,
    /// What is handed over to other shards.
    pub(super) relayed: Vec<(ShardId, Relayed, Vec<u8>)>,
    /// What is handed over finds no room.
    pub(super) has_full_box: bool,
    batch: SendBatch,
}

impl World {
    pub(super) fn new() -> Self {
        let now = origin();
        let config = ShardConfig {
            identity: Arc::new(Identity::generate().unwrap()),
            epoch: (now, Duration::from_secs(1_700_000_000)),
            limits: ShardLimits::default(),
        };
        Self {
            now,
            shard: Shard::new(config),
            nodes: Vec::new(),
            events: Vec::new(),
            relayed: Vec::new(),
            has_full_box: false,
            batch: SendBatch::default(),
        }
    }

    /// With this many clients connected, under transports 0, 1, ...
    pub(super) fn with_clients(count: usize) -> Self {
        let mut world = Self::new();
        (0..count).for_each(|_| world.join());
        for _ in 0..100 {
            world.advance(20);
        }
        let connected = |event: &&Event| matches!(event, Event::TransportConnected { .. });
        assert_eq!(world.events.iter().filter(connected).count(), count);
        world
    }

    pub(super) fn join(&mut self) {
        let (node, config) = Node::new(self.nodes.len(), self.now);
        self.command(Command::OpenTransport(config));
        self.nodes.push(node);
    }

    pub(super) fn command(&mut self, command: Command) {
        self.shard.handle_command(self.now, command);
    }

    pub(super) fn advance(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
        let now = self.now;
        for node in &mut self.nodes {
            if node.client.next_timeout() <= now {
                node.client.handle_timeout(now);
            }
        }
        self.settle();
    }

    /// Carries datagrams to and fro until nobody has anything to say.
    pub(super) fn settle(&mut self) {
        let now = self.now;
        let mut quiet = false;
        while !quiet {
            quiet = true;
            self.shard.handle_timeout(now);
            for node in &mut self.nodes {
                while let Some(datagram) = node.client.outgoing.pop_front() {
                    self.shard
                        .handle_datagram(now, node.address, &mut datagram.to_vec());
                }
            }
            let (relayed, has_room) = (&mut self.relayed, !self.has_full_box);
            self.shard.relay(now, |to, what, payload| {
                relayed.extend(has_room.then(|| (to, *what, payload.to_vec())));
                has_room
            });
            let mut more = true;
            while more {
                more = self.shard.fill(now, &mut self.batch);
                for (to, datagram) in self.batch.datagrams() {
                    quiet = false;
                    if let Some(node) = self.nodes.iter_mut().find(|n| n.address == to) {
                        node.take(now, datagram);
                    }
                }
                self.batch.clear();
            }
            while let Some(event) = self.shard.poll_event() {
                self.events.push(event);
            }
        }
    }

    /// One client's plain packet, encrypted and handed to the shard.
    pub(super) fn rtp(&mut self, from: usize, plain: &[u8]) {
        let media = self.nodes[from].client.media.as_mut().unwrap();
        let mut sealed = media.outgoing.encrypt_rtp(plain).unwrap().to_vec();
        self.shard
            .handle_datagram(self.now, self.nodes[from].address, &mut sealed);
    }

    pub(super) fn rtcp(&mut self, from: usize, plain: &[u8]) {
        let media = self.nodes[from].client.media.as_mut().unwrap();
        let mut sealed = media.outgoing.encrypt_rtcp(plain).unwrap().to_vec();
        self.shard
            .handle_datagram(self.now, self.nodes[from].address, &mut sealed);
    }

    pub(super) fn audio_source(&mut self, source: u64, from: usize) {
        self.command(Command::AddSource(SourceConfig {
            source: SourceId(source),
            transport: TransportId(from as u64),
            kind: MediaKind::Audio,
            mid: "0".to_owned(),
            encodings: vec![EncodingConfig::default()],
            layered: false,
            codecs: vec![mapping(Codec::Opus, OPUS, None)],
            extensions: extensions(),
        }));
    }

    pub(super) fn video_source(&mut self, source: u64, from: usize, rids: &[&str]) {
        let encoding = |rid: &&str| EncodingConfig {
            rid: Some((*rid).to_owned()),
            ..EncodingConfig::default()
        };
        let encodings = match rids {
            [] => vec![EncodingConfig::default()],
            rids => rids.iter().map(encoding).collect(),
        };
        self.command(Command::AddSource(SourceConfig {
            source: SourceId(source),
            transport: TransportId(from as u64),
            kind: MediaKind::Video,
            mid: "1".to_owned(),
            encodings,
            layered: false,
            codecs: vec![mapping(Codec::Vp8, VP8, Some(VP8_REPAIR))],
            extensions: extensions(),
        }));
    }

    pub(super) fn leg(&mut self, leg: u64, source: u64, to: usize) {
        self.command(Command::AddLeg(LegConfig {
            leg: LegId(leg),
            source: SourceId(source),
            transport: TransportId(to as u64),
            ssrc: 2_000 + leg as u32,
            rtx_ssrc: Some(3_000 + leg as u32),
            codecs: vec![
                mapping(Codec::Vp8, 100, Some(101)),
                mapping(Codec::Opus, 109, None),
            ],
            extensions: extensions(),
            encoding: 2,
            priority: 1,
            paused: false,
        }));
    }

    /// What a client saw since the last call.
    pub(super) fn seen(&mut self, node: usize) -> Vec<Seen> {
        self.settle();
        std::mem::take(&mut self.nodes[node].packets)
    }

    /// What was handed over to other shards since the last call.
    pub(super) fn take_relayed(&mut self) -> Vec<(ShardId, Relayed, Vec<u8>)> {
        std::mem::take(&mut self.relayed)
    }

    pub(super) fn feedback(&mut self, node: usize) -> Vec<Vec<u8>> {
        self.settle();
        std::mem::take(&mut self.nodes[node].feedback)
    }

    /// Key frame requests that a client got since the last call.
    pub(super) fn key_frame_requests(&mut self, node: usize) -> usize {
        let feedback = self.feedback(node);
        let items = feedback.iter().flat_map(|compound| rtcp::items(compound));
        items
            .filter(|item| matches!(item, rtcp::Item::KeyFrameRequest { .. }))
            .count()
    }
}

impl Node {
    /// A client under a number, and the transport that it is to have.
    pub(super) fn new(n: usize, now: Instant) -> (Self, TransportConfig) {
        let local = credentials(n);
        let client = Client::new(local.clone(), Habits::default(), now);
        let config = TransportConfig {
            transport: TransportId(n as u64),
            shard: ShardId(0),
            local,
            fingerprints: vec![client.fingerprint()],
            open_channels: Vec::new(),
        };
        let node = Self {
            address: Remote::Udp(SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], 5_000))),
            client,
            packets: Vec::new(),
            feedback: Vec::new(),
            repeated: Vec::new(),
            sealed: HashMap::new(),
        };
        (node, config)
    }

    /// Forgets what came, as a client does that keeps nothing.
    pub(super) fn forget(&mut self) {
        self.sealed.clear();
        self.packets.clear();
        self.feedback.clear();
        self.repeated.clear();
    }

    fn take(&mut self, now: Instant, datagram: &[u8]) {
        if datagram[0] < 128 {
            self.client.handle(now, datagram);
            return;
        }
        let media = self.client.media.as_mut().unwrap();
        if (192..=223).contains(&datagram[1]) {
            self.feedback
                .push(media.incoming.decrypt_rtcp(datagram).unwrap().to_vec());
            return;
        }
        let sequence = read_u16(datagram, 2).unwrap();
        let place = (read_u32(datagram, 8).unwrap(), sequence);
        let plain = match media.incoming.decrypt_rtp(datagram) {
            Ok(plain) => plain,
            Err(Error::SrtpSsrcDuplicated(..)) => {
                let same = self.sealed.get(&place).is_some_and(|seen| seen == datagram);
                assert!(same, "two packets under one number: {place:?}");
                self.repeated.push(place);
                return;
            }
            Err(error) => panic!("{error}"),
        };
        self.sealed.insert(place, datagram.to_vec());
        let header = Header::parse(&plain).unwrap();
        self.packets.push(Seen {
            header,
            payload: plain[header.payload_start..header.payload_end].to_vec(),
            plain: plain.to_vec(),
        });
    }
}

pub(super) fn credentials(n: usize) -> IceCredentials {
    IceCredentials {
        ufrag: format!("user{n}"),
        pwd: format!("password-of-twenty-two-or-more-{n}"),
    }
}

pub(super) fn mapping(
    codec: Codec,
    payload_type: u8,
    rtx_payload_type: Option<u8>,
) -> CodecMapping {
    CodecMapping {
        codec,
        payload_type,
        rtx_payload_type,
    }
}

pub(super) fn extensions() -> ExtensionIds {
    ExtensionIds {
        mid: Some(MID),
        rid: Some(RID),
        repaired_rid: Some(11),
        audio_level: Some(LEVEL),
        transport_cc: Some(TRANSPORT_CC),
        playout_delay: Some(PLAYOUT_DELAY),
        dependency: Some(DEPENDENCY),
    }
}

/// A packet with extensions: in the one-byte form, or in the other where a value needs it.
pub(super) fn packet(
    payload_type: u8,
    ssrc: u32,
    sequence: u16,
    extensions: &[(u8, &[u8])],
    payload: &[u8],
) -> Vec<u8> {
    let timestamp = u32::from(sequence) * 960;
    let mut bytes = vec![0; 12];
    crate::media::rtp::write_header(&mut bytes, false, payload_type, sequence, timestamp, ssrc);
    let mut block = Vec::new();
    let is_wide = extensions.iter().any(|(_, value)| value.len() > 16);
    for (id, value) in extensions {
        match is_wide {
            true => block.extend_from_slice(&[*id, value.len() as u8]),
            false => block.push(id << 4 | (value.len() as u8 - 1)),
        }
        block.extend_from_slice(value);
    }
    block.resize(block.len().next_multiple_of(4), 0);
    if !block.is_empty() {
        bytes[0] |= 0x10;
        let profile = if is_wide { [0x10, 0] } else { [0xbe, 0xde] };
        bytes.extend_from_slice(&profile);
        bytes.extend_from_slice(&[0, (block.len() / 4) as u8]);
        bytes.extend_from_slice(&block);
    }
    bytes.extend_from_slice(payload);
    bytes
}
