//! Virtual time and a network with latency and seeded loss between one transport and one client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::testing::origin;
use super::super::{Identity, ParsedBinding, Transport, TransportEvent};
use super::client::{Client, Habits, home};
use crate::domain::id::{ShardId, TransportId};
use crate::media::command::{DataChannel, IceCredentials, TransportConfig};
use crate::media::demux::{Packet, classify};
use crate::media::remote::Remote;

/// One way.
pub(super) const LATENCY: Duration = Duration::from_millis(10);

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) server: Transport,
    pub(super) client: Client,
    pub(super) client_address: Remote,
    /// Nothing arrives any more, either way.
    pub(super) cut: bool,
    pub(super) events: Vec<TransportEvent>,
    /// When each event was polled.
    pub(super) times: Vec<Instant>,
    /// Everything that the client sent.
    pub(super) taped: Vec<Bytes>,
    wire: Vec<Flying>,
    seed: u64,
    loss_percent: u64,
}

struct Flying {
    arrives: Instant,
    to_server: bool,
    client: Remote,
    datagram: Bytes,
}

pub(super) fn credentials(ufrag: &str) -> IceCredentials {
    IceCredentials {
        ufrag: ufrag.to_owned(),
        pwd: format!("the-password-of-{ufrag}-123"),
    }
}

/// Another address of the client.
pub(super) fn elsewhere() -> Remote {
    Remote::Udp(SocketAddr::from(([198, 51, 100, 2], 50_000)))
}

pub(super) fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 9]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend([sequence as u8; 200]);
    packet
}

pub(super) fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet
}

impl World {
    pub(super) fn new(habits: Habits) -> Self {
        Self::with(habits, true, vec![])
    }

    pub(super) fn without_fingerprint(habits: Habits) -> Self {
        Self::with(habits, false, vec![])
    }

    pub(super) fn connected() -> Self {
        let mut world = Self::new(Habits::default());
        assert!(world.run_until(Duration::from_secs(1), |w| w.client.media.is_some()));
        world.run_for(Duration::from_secs(1));
        world
    }

    pub(super) fn associated(open_channels: Vec<DataChannel>) -> Self {
        let mut world = Self::with(Habits::default(), true, open_channels);
        assert!(world.run_until(Duration::from_secs(2), |w| w.client.is_associated()));
        world
    }

    fn with(habits: Habits, announced: bool, open_channels: Vec<DataChannel>) -> Self {
        let now = origin();
        let local = credentials("server");
        let client = Client::new(local.clone(), habits, now);
        let config = TransportConfig {
            transport: TransportId(1),
            shard: ShardId(0),
            local,
            fingerprints: if announced {
                vec![client.fingerprint()]
            } else {
                vec![]
            },
            open_channels,
        };
        let identity = Arc::new(Identity::generate().unwrap());
        Self {
            now,
            server: Transport::new(config, identity, now),
            client,
            client_address: home(),
            cut: false,
            events: vec![],
            times: vec![],
            taped: vec![],
            wire: vec![],
            seed: 1,
            loss_percent: 0,
        }
    }

    pub(super) fn lossy(&mut self, seed: u64, percent: u64) {
        self.seed = seed;
        self.loss_percent = percent;
    }

    pub(super) fn run_for(&mut self, span: Duration) {
        self.run_until(span, |_| false);
    }

    /// Runs until the condition holds, or for `limit`; true when it holds.
    pub(super) fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            self.collect();
            if done(self) {
                return true;
            }
            let next = self
                .wire
                .iter()
                .map(|flying| flying.arrives)
                .chain(self.server.next_timeout())
                .chain([self.client.next_timeout()])
                .fold(end, Instant::min);
            self.now = self.now.max(next);
            if self.now >= end {
                return false;
            }
            self.step();
        }
    }

    /// Hands a datagram to the server as a shard would.
    pub(super) fn deliver(&mut self, from: Remote, datagram: &[u8]) {
        let mut datagram = datagram.to_vec();
        match classify(&mut datagram) {
            Some(Packet::Stun(stun)) => {
                if let Some(request) = ParsedBinding::parse(stun)
                    && self.server.accepts_ufrag(request.local_ufrag())
                {
                    self.server.handle_binding(self.now, from, &request);
                }
            }
            Some(Packet::Dtls(records)) => self.server.handle_dtls(self.now, from, records),
            Some(Packet::Rtp(packet)) => {
                self.server.open_rtp(packet);
            }
            Some(Packet::Rtcp(packet)) => {
                self.server.open_rtcp(packet);
            }
            None => {}
        }
    }

    fn step(&mut self) {
        let now = self.now;
        let (arrived, flying) = std::mem::take(&mut self.wire)
            .into_iter()
            .partition(|flying: &Flying| flying.arrives <= now);
        self.wire = flying;
        for flying in arrived {
            if flying.to_server {
                self.deliver(flying.client, &flying.datagram);
            } else if flying.client == self.client_address {
                self.client.handle(now, &flying.datagram);
            }
        }
        self.client.handle_timeout(now);
        if self.server.next_timeout().is_some_and(|due| due <= now) {
            self.server.handle_timeout(now);
            let next = self.server.next_timeout();
            assert!(
                next.is_none_or(|next| next > now),
                "a timeout that never passes"
            );
        }
    }

    pub(super) fn collect(&mut self) {
        while let Some(event) = self.server.poll_event() {
            self.events.push(event);
            self.times.push(self.now);
        }
        while let Some((to, datagram)) = self.server.poll_datagram() {
            self.fly(false, to, datagram);
        }
        while let Some(datagram) = self.client.outgoing.pop_front() {
            self.taped.push(datagram.clone());
            self.fly(true, self.client_address, datagram);
        }
    }

    fn fly(&mut self, to_server: bool, client: Remote, datagram: Bytes) {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        if self.cut || (self.seed >> 33) % 100 < self.loss_percent {
            return;
        }
        self.wire.push(Flying {
            arrives: self.now + LATENCY,
            to_server,
            client,
            datagram,
        });
    }
}
