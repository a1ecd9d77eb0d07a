//! What happens in a simulated room: by chance, at any moment between a datagram and its fan-out.

use super::super::world::*;
use super::super::*;
use super::publisher::Publication;
use super::receiver::{
    H264_DOWN, H264_REPAIR_DOWN, OPUS_DOWN, RED_DOWN, REPAIR_DOWN, Stream, Streams, VP8_DOWN,
    VP9_DOWN, VP9_REPAIR_DOWN,
};
use super::{Member, Simulation};
use crate::media::command::{Codec, MediaKind};
use crate::media::twcc::ArrivalLog;

/// Clients that ever join, at most.
const MEMBERS_MAX: usize = 6;

/// Sources at once, at most.
const PUBLICATIONS_MAX: usize = 4;

/// Ended streams of a client that are taken up again; the shard remembers more.
const ENDED_MAX: usize = 4;

impl Simulation {
    pub(super) fn act(&mut self) {
        match self.chance.below(29) {
            0 if self.members.len() < MEMBERS_MAX => self.join(),
            1 => self.leave(),
            2..=4 => self.publish_one(),
            5 => self.unpublish(),
            6..=9 => self.subscribe(),
            10 => self.unsubscribe(),
            11..=13 => self.select(),
            14 | 15 => self.pause(),
            16 => self.prioritize(),
            17..=19 => self.switch_layer(),
            20 => self.begin_anew(),
            21 => self.move_away(),
            22..=24 => self.limit_frame_rate(),
            25 | 26 => self.go_on_by_tcp(),
            _ if self.trouble.narrow => self.narrow(),
            _ => self.ask_for_key_frame(),
        }
    }

    pub(super) fn join(&mut self) {
        self.sites.join(&mut self.chance);
        let now = self.sites.now();
        self.members.push(Member {
            is_gone: false,
            feeds_back: self.chance.below(4) > 0 || self.trouble.narrow,
            capacity_bps: None,
            queue_bytes: 0.0,
            streams: Streams::default(),
            ended: Vec::new(),
            on_the_way: Vec::new(),
            log: ArrivalLog::new(now),
        });
    }

    fn living(&self) -> Vec<usize> {
        let living = |n: &usize| !self.members[*n].is_gone;
        (0..self.members.len()).filter(living).collect()
    }

    fn leave(&mut self) {
        let living = self.living();
        if living.len() < 4 {
            return;
        }
        let node = living[self.chance.below(living.len())];
        let theirs = self.publications.values().filter(|p| p.node == node);
        let theirs: Vec<u64> = theirs.map(|p| p.source).collect();
        theirs.into_iter().for_each(|source| self.forget(source));
        self.members[node].is_gone = true;
        self.members[node].streams = Streams::default();
        self.sites.command(Command::CloseTransport {
            transport: TransportId(node as u64),
        });
    }

    fn publish_one(&mut self) {
        if self.publications.len() >= PUBLICATIONS_MAX {
            return;
        }
        let living = self.living();
        let node = living[self.chance.below(living.len())];
        let codecs = [
            Codec::Vp8,
            Codec::Vp8,
            Codec::Vp8,
            Codec::H264,
            Codec::Vp9,
            Codec::Vp9,
            Codec::Opus,
            Codec::Red,
        ];
        let codec = codecs[self.chance.below(codecs.len())];
        let layers = match codec.kind() {
            MediaKind::Audio => 1,
            MediaKind::Video => 1 + self.chance.below(3),
        };
        let source = self.next_source;
        self.next_source += 1;
        let publication = Publication::new(source, node, codec, layers, &mut self.chance);
        self.sites.command(Command::AddSource(publication.config()));
        self.publications.insert(source, publication);
        self.subscribe();
    }

    fn any_source(&mut self) -> Option<u64> {
        let count = self.publications.len();
        let place = self.chance.below(count);
        self.publications.keys().nth(place).copied()
    }

    fn unpublish(&mut self) {
        if let Some(source) = self.any_source() {
            self.forget(source);
            self.sites.command(Command::RemoveSource {
                source: SourceId(source),
            });
        }
    }

    /// The source and all its legs are no more.
    fn forget(&mut self, source: u64) {
        self.publications.remove(&source);
        for node in 0..self.members.len() {
            let streams = self.members[node].streams.live.values();
            let legs = streams.filter(|stream| stream.source == source);
            let legs: Vec<u64> = legs.map(|stream| stream.leg).collect();
            legs.into_iter().for_each(|leg| self.end(node, leg));
        }
    }

    fn end(&mut self, node: usize, leg: u64) {
        let member = &mut self.members[node];
        if let Some(stream) = member.streams.live.get(&leg) {
            let ended = (stream.ssrc, stream.ssrc + 10_000, stream.is_audio());
            member.ended.push(ended);
            let many = member.ended.len().saturating_sub(ENDED_MAX);
            member.ended.drain(..many);
        }
        member.streams.end(leg);
    }

    fn subscribe(&mut self) {
        let Some(source) = self.any_source() else {
            return;
        };
        let publication = &self.publications[&source];
        let kind = publication.codec.kind();
        let publisher = publication.node;
        let living: Vec<usize> = self.living();
        let node = living[self.chance.below(living.len())];
        let streams = &self.members[node].streams;
        if node == publisher || streams.live.values().any(|stream| stream.source == source) {
            return;
        }
        let leg = self.next_leg;
        self.next_leg += 1;
        let ended = &mut self.members[node].ended;
        let again = ended
            .iter()
            .position(|(_, _, audio)| *audio == (kind == MediaKind::Audio));
        let again = again.filter(|_| self.chance.below(2) == 0);
        let fresh = (20_000 + leg as u32, 30_000 + leg as u32);
        let (ssrc, repair) = again.map_or(fresh, |at| {
            let (ssrc, repair, _) = ended.remove(at);
            (ssrc, repair)
        });
        let mut codecs = vec![
            mapping(Codec::Vp8, VP8_DOWN, Some(REPAIR_DOWN)),
            mapping(Codec::H264, H264_DOWN, Some(H264_REPAIR_DOWN)),
            mapping(Codec::Vp9, VP9_DOWN, Some(VP9_REPAIR_DOWN)),
            mapping(Codec::Opus, OPUS_DOWN, None),
        ];
        if self.chance.below(2) == 0 {
            codecs.insert(0, mapping(Codec::Red, RED_DOWN, None));
        }
        let config = LegConfig {
            leg: LegId(leg),
            source: SourceId(source),
            transport: TransportId(node as u64),
            ssrc,
            rtx_ssrc: Some(repair),
            codecs,
            extensions: extensions(),
            encoding: self.chance.below(3) as u8,
            priority: self.chance.below(3) as u8,
            paused: self.chance.below(8) == 0,
        };
        let stream = Stream::new(&config, kind, self.trouble.up + self.trouble.full == 0);
        self.members[node].streams.add(stream, repair);
        self.sites.command(Command::AddLeg(config));
    }

    /// A client and one of its legs.
    fn any_leg(&mut self) -> Option<(usize, u64)> {
        let all = self.members.iter().enumerate();
        let all = all.flat_map(|(node, m)| m.streams.live.keys().map(move |leg| (node, *leg)));
        let all: Vec<_> = all.collect();
        all.get(self.chance.below(all.len())).copied()
    }

    fn unsubscribe(&mut self) {
        if let Some((node, leg)) = self.any_leg() {
            self.end(node, leg);
            self.sites.command(Command::RemoveLeg { leg: LegId(leg) });
        }
    }

    fn select(&mut self) {
        if let Some((node, leg)) = self.any_leg() {
            let encoding = self.chance.below(3) as u8;
            let stream = self.members[node].streams.live.get_mut(&leg);
            stream.unwrap().encoding = encoding;
            self.sites.command(Command::SelectEncoding {
                leg: LegId(leg),
                encoding,
            });
        }
    }

    fn pause(&mut self) {
        if let Some((node, leg)) = self.any_leg() {
            let stream = self.members[node].streams.live.get_mut(&leg).unwrap();
            stream.is_paused = !stream.is_paused;
            let paused = stream.is_paused;
            self.sites.command(Command::PauseLeg {
                leg: LegId(leg),
                paused,
            });
        }
    }

    fn prioritize(&mut self) {
        let priority = self.chance.below(4) as u8;
        if let Some((_, leg)) = self.any_leg() {
            self.sites.command(Command::PrioritizeLeg {
                leg: LegId(leg),
                priority,
            });
        }
        if let Some(source) = self.any_source() {
            self.sites.command(Command::PrioritizeSource {
                source: SourceId(source),
                priority: 3 - priority,
            });
        }
    }

    /// A layer stops, or comes back without a key frame of its own accord.
    fn switch_layer(&mut self) {
        if let Some(source) = self.any_source() {
            let layers = &mut self.publications.get_mut(&source).unwrap().layers;
            let layer = self.chance.below(layers.len());
            layers[layer].is_on = !layers[layer].is_on;
        }
    }

    /// The same source goes on under other SSRCs; what is on the way under the old ones is lost.
    fn begin_anew(&mut self) {
        if let Some(source) = self.any_source() {
            let publication = self.publications.get_mut(&source).unwrap();
            publication.begin_anew(&mut self.chance);
            let node = publication.node;
            self.on_the_way_up.retain(|(_, from, _)| *from != node);
        }
    }

    fn move_away(&mut self) {
        let living = self.living();
        let node = living[self.chance.below(living.len())];
        if self.sites.node(node).client.media.is_none() {
            return;
        }
        let port = 6_000 + self.chance.below(20_000) as u16;
        let from = Remote::Udp(SocketAddr::from(([10, 1, 0, node as u8], port)));
        let mut check = self.sites.node(node).client.check(true);
        self.sites.node(node).address = from;
        self.sites.datagram(node, &mut check);
    }

    fn limit_frame_rate(&mut self) {
        if let Some((node, leg)) = self.any_leg() {
            let frames_per_second = [None, None, Some(10), Some(3)][self.chance.below(4)];
            let stream = self.members[node].streams.live.get_mut(&leg);
            stream.unwrap().frames_per_second = frames_per_second;
            self.sites.command(Command::LimitFrameRate {
                leg: LegId(leg),
                frames_per_second,
            });
        }
    }

    /// A client connects by TCP, or loses its connection and comes by UDP again, or by another.
    fn go_on_by_tcp(&mut self) {
        let living = self.living();
        let node = living[self.chance.below(living.len())];
        if self.sites.node(node).client.media.is_none() {
            return;
        }
        let before = self.sites.node(node).address;
        let client = SocketAddr::from(([10, 2, 0, node as u8], 7_000));
        let number = 1 + self.step;
        let by_udp = matches!(before, Remote::Tcp(_)) && self.chance.below(2) == 0;
        let from = match by_udp {
            true => Remote::Udp(client),
            false => Remote::Tcp(Connection { number, client }),
        };
        let ends_first = self.chance.below(2) == 0;
        if let Remote::Tcp(connection) = before
            && ends_first
        {
            self.sites.disconnect(node, connection);
        }
        let mut check = self.sites.node(node).client.check(true);
        self.sites.node(node).address = from;
        self.sites.datagram(node, &mut check);
        if let Remote::Tcp(connection) = before
            && !ends_first
        {
            self.sites.disconnect(node, connection);
        }
    }

    fn narrow(&mut self) {
        let living = self.living();
        let node = living[self.chance.below(living.len())];
        let capacity = [None, Some(150e3), Some(300e3), Some(900e3)][self.chance.below(4)];
        self.members[node].capacity_bps = capacity;
        self.members[node].queue_bytes = 0.0;
    }

    fn ask_for_key_frame(&mut self) {
        if let Some((node, leg)) = self.any_leg() {
            let stream = self.members[node].streams.live.get_mut(&leg);
            stream.unwrap().needs_key = true;
        }
    }
}
