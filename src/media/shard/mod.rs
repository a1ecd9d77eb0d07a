//! One media thread's state: clients, sources and legs, as a machine that does no I/O.
//!
//! Call one `handle_*`, then [`Shard::relay`], [`Shard::fill`] until it is false and
//! [`Shard::poll_event`] until it is `None`, then wait for [`Shard::next_timeout`].

mod duties;
mod inbound;
pub(crate) mod mishap;
mod relay;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::SendBatch;
use super::command::{Command, ENCODINGS_MAX, Event, LegConfig, SourceConfig, TransportConfig};
use super::demux::{Packet, classify};
use super::forward::Forwarding;
use super::leg::{Leg, LegCounts};
use super::outbox::Outbox;
use super::peer::{Peer, Route};
use super::remote::{Connection, Remote};
use super::report::NtpClock;
use super::slab::Slab;
use super::source::Source;
use super::transport::{Identity, Transport, TransportEvent};
use super::twcc::ArrivalLog;
use crate::domain::id::{LegId, SourceId, TransportId};
use duties::{TICK, TICK_MIN};
use mishap::AtHand;
pub use mishap::Lost;
use relay::Notes;
pub use relay::{Matter, Relayed};

/// What a shard is made with.
#[derive(Clone)]
pub struct ShardConfig {
    /// Our certificate.
    pub identity: Arc<Identity>,
    /// A moment, and the time since 1970 at that moment: what sender reports are made with.
    pub epoch: (Instant, Duration),
    /// Bounds.
    pub limits: ShardLimits,
}

/// How much a shard takes; commands beyond are ignored.
#[derive(Clone, Copy, Debug)]
pub struct ShardLimits {
    /// Transports at once.
    pub transports: usize,
    /// Sources of one transport.
    pub sources_per_transport: usize,
    /// Legs of one transport.
    pub legs_per_transport: usize,
}

impl Default for ShardLimits {
    fn default() -> Self {
        Self {
            transports: 8_000,
            sources_per_transport: 64,
            legs_per_transport: 512,
        }
    }
}

/// See the module.
pub struct Shard {
    identity: Arc<Identity>,
    origin: Instant,
    clock: NtpClock,
    limits: ShardLimits,
    peers: Slab<Peer>,
    by_transport: HashMap<TransportId, usize>,
    by_ufrag: HashMap<String, usize>,
    by_address: HashMap<Remote, usize>,
    forwarding: Forwarding,
    outbox: Outbox,
    events: VecDeque<Event>,
    notes: Notes,
    tick_at: Option<Instant>,
    levels_at: Instant,
    scratch: Vec<u8>,
    numbers: Vec<u64>,
    at_hand: AtHand,
    #[cfg(test)]
    trips_when_filling: bool,
}

impl Shard {
    /// A shard without clients.
    pub fn new(config: ShardConfig) -> Self {
        let (origin, unix) = config.epoch;
        Self {
            identity: config.identity,
            origin,
            clock: NtpClock::new(origin, unix),
            limits: config.limits,
            peers: Slab::default(),
            by_transport: HashMap::new(),
            by_ufrag: HashMap::new(),
            by_address: HashMap::new(),
            forwarding: Forwarding::default(),
            outbox: Outbox::default(),
            events: VecDeque::new(),
            notes: Notes::default(),
            tick_at: None,
            levels_at: origin,
            scratch: Vec::new(),
            numbers: Vec::new(),
            at_hand: AtHand::Nobody,
            #[cfg(test)]
            trips_when_filling: false,
        }
    }

    /// Carries an order out; one about an unknown id does nothing.
    pub fn handle_command(&mut self, now: Instant, command: Command) {
        self.at_hand = self.concerned(&command);
        match command {
            Command::OpenTransport(config) => self.open_transport(now, config),
            Command::SetRemote {
                transport,
                fingerprints,
            } => self.with_transport(now, transport, |t| t.set_remote(now, fingerprints)),
            Command::RestartIce { transport, local } => {
                self.with_transport(now, transport, |t| t.restart_ice(local));
            }
            Command::CloseTransport { transport } => {
                self.with_transport(now, transport, |t| t.close(now));
                if let Some(place) = self.by_transport.get(&transport) {
                    self.remove_peer(*place);
                }
            }
            Command::AddSource(config) => self.add_source(&config),
            Command::RemoveSource { source } => self.remove_source(source),
            Command::AddMirror(config) => self.add_mirror(&config),
            Command::Relay { source, to, on } => self.set_relay(source, to, on),
            Command::AddLeg(config) => self.add_leg(now, &config),
            Command::RemoveLeg { leg } => self.remove_leg(leg),
            Command::PauseLeg { leg, paused } => {
                self.with_leg(leg, |leg| leg.pause(paused));
            }
            Command::SelectEncoding { leg, encoding } => {
                self.with_leg(leg, |leg| leg.select(encoding));
            }
            Command::LimitFrameRate {
                leg,
                frames_per_second,
            } => self.with_leg(leg, |leg| leg.limit_frame_rate(frames_per_second)),
            Command::PrioritizeLeg { leg, priority } => {
                self.with_leg(leg, |leg| leg.prioritize(priority));
            }
            Command::PrioritizeSource { source, priority } => {
                let place = self.forwarding.place(source);
                if let Some(source) = place.and_then(|place| self.forwarding.source_mut(place)) {
                    source.priority = priority;
                }
            }
            // These are for the taps.
            Command::AddTap(_) | Command::RemoveTap { .. } | Command::WantStill { .. } => {}
            Command::SendData {
                transport,
                channel,
                payload,
            } => self.with_transport(now, transport, |t| t.send_data(now, channel, &payload)),
        }
        self.hasten(now);
    }

    /// Takes a datagram; its bytes are undefined afterwards.
    pub fn handle_datagram(&mut self, now: Instant, from: Remote, datagram: &mut [u8]) {
        self.at_hand = AtHand::Nobody;
        match classify(datagram) {
            Some(Packet::Rtp(packet)) => self.handle_rtp(now, from, packet),
            Some(Packet::Rtcp(packet)) => self.handle_rtcp(now, from, packet),
            Some(Packet::Stun(packet)) => self.handle_stun(now, from, packet),
            Some(Packet::Dtls(packet)) => self.handle_dtls(now, from, packet),
            None => {}
        }
    }

    /// A TCP connection is no more.
    pub fn handle_disconnect(&mut self, now: Instant, connection: Connection) {
        let gone = Remote::Tcp(connection);
        if let Some(place) = self.by_address.get(&gone).copied()
            && let Some(peer) = self.peers.get_mut(place)
        {
            peer.transport.forget(gone);
            self.after_transport(now, place);
        }
    }

    /// Whether a client has proved that this connection is its own, and still uses it.
    pub fn is_reached_by(&self, connection: Connection) -> bool {
        self.by_address.contains_key(&Remote::Tcp(connection))
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.at_hand = AtHand::Everybody;
        self.forwarding.handle_timeout(now);
        if self.tick_at.is_some_and(|at| at <= now) {
            self.tick_at = Some(now + TICK);
            self.tick(now);
            // A timer that stays due may not keep the thread awake.
            let next = self.tick_at.map(|at| at.max(now + TICK_MIN));
            self.tick_at = next.filter(|_| !self.peers.is_empty());
        }
    }

    /// When [`Self::handle_timeout`] has something to do; `None` without clients.
    pub fn next_timeout(&self) -> Option<Instant> {
        let pace_at = self.forwarding.next_timeout();
        self.tick_at.into_iter().chain(pace_at).min()
    }

    /// Seals what waits into a batch until it is full: true when more waits for the next batch.
    pub fn fill(&mut self, now: Instant, batch: &mut SendBatch) -> bool {
        self.at_hand = AtHand::FanOut;
        #[cfg(test)]
        self.trip_when_filling();
        self.outbox.fill(batch) || self.forwarding.fill(now, batch)
    }

    /// Says good-bye to every client; no event follows.
    pub fn close(&mut self, now: Instant) {
        for place in 0..self.peers.places() {
            if let Some(peer) = self.peers.get_mut(place) {
                peer.transport.close(now);
                self.remove_peer(place);
            }
        }
    }

    /// The next thing to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Clients, sources and legs at present.
    pub fn counts(&self) -> (usize, usize, usize) {
        let (sources, legs) = self.forwarding.counts();
        (self.peers.len(), sources, legs)
    }

    fn open_transport(&mut self, now: Instant, config: TransportConfig) {
        let known = self.by_transport.contains_key(&config.transport)
            || self.by_ufrag.contains_key(&config.local.ufrag);
        if known || self.peers.len() >= self.limits.transports {
            return;
        }
        let id = config.transport;
        let transport = Transport::new(config, Arc::clone(&self.identity), now);
        let place = self.peers.insert(Peer::new(transport));
        self.by_transport.insert(id, place);
        self.at_hand = AtHand::Client(place);
        self.after_transport(now, place);
    }

    fn with_transport(&mut self, now: Instant, id: TransportId, act: impl FnOnce(&mut Transport)) {
        let place = self.by_transport.get(&id).copied();
        if let Some(place) = place
            && let Some(peer) = self.peers.get_mut(place)
        {
            act(&mut peer.transport);
            self.after_transport(now, place);
        }
    }

    fn with_leg(&mut self, id: LegId, act: impl FnOnce(&mut Leg)) {
        if let Some((source, place)) = self.forwarding.leg_mut(id) {
            act(&mut source.legs[place]);
            source.choose_encoding(place);
        }
    }

    fn add_source(&mut self, config: &SourceConfig) {
        let Some(&place) = self.by_transport.get(&config.transport) else {
            return;
        };
        self.remove_source(config.source);
        let Some(peer) = self.peers.get_mut(place) else {
            return;
        };
        let count = config.encodings.len();
        let full = peer.sources.len() >= self.limits.sources_per_transport;
        if full || count == 0 || count > ENCODINGS_MAX {
            return;
        }
        let source = self.forwarding.add_source(Source::new(config, place));
        peer.sources.push(source);
        if let Some(id) = config.extensions.transport_cc
            && peer.arrivals.as_ref().is_none_or(|(known, _)| *known != id)
        {
            peer.arrivals = Some((id, ArrivalLog::new(self.origin)));
        }
        for (encoding, announced) in config.encodings.iter().enumerate() {
            for (ssrc, repair) in [(announced.ssrc, false), (announced.rtx_ssrc, true)] {
                if let Some(ssrc) = ssrc {
                    peer.set_route(Route {
                        ssrc,
                        source,
                        encoding: encoding as u8,
                        repair,
                    });
                }
            }
        }
    }

    fn remove_source(&mut self, id: SourceId) {
        let Some(place) = self.forwarding.place(id) else {
            return;
        };
        let Some(source) = self.forwarding.remove_source(id) else {
            return;
        };
        for leg in &source.legs {
            self.retire_leg(leg);
        }
        if let Some(at) = source.origin.client()
            && let Some(publisher) = self.peers.get_mut(at)
        {
            for encoding in &source.encodings {
                publisher.retired_in.0 += encoding.reception.received();
                publisher.retired_in.1 += encoding.reception.missing();
            }
            publisher.forget_source(place);
        }
    }

    fn add_leg(&mut self, now: Instant, config: &LegConfig) {
        let Some(&place) = self.by_transport.get(&config.transport) else {
            return;
        };
        self.remove_leg(config.leg);
        let Some(peer) = self.peers.get_mut(place) else {
            return;
        };
        let full = peer.legs.len() >= self.limits.legs_per_transport;
        if full || peer.legs.contains_key(&config.ssrc) {
            return;
        }
        let Some(source) = self.forwarding.add_leg(now, config, place) else {
            return;
        };
        if let (Some(leg), Some(numbers)) =
            (source.legs.last_mut(), peer.take_up_stream(config.ssrc))
        {
            leg.resume(numbers);
        }
        peer.legs.insert(config.ssrc, config.leg);
        if let Some(to) = peer.transport.send_address()
            && peer.transport.is_connected()
        {
            let transport = &peer.transport;
            self.forwarding
                .open_leg(config.leg, to, |ssrc| transport.sealer(ssrc));
            self.divide(now, place);
        }
    }

    fn remove_leg(&mut self, id: LegId) {
        if let Some(leg) = self.forwarding.remove_leg(id) {
            self.retire_leg(&leg);
        }
    }

    fn retire_leg(&mut self, leg: &Leg) {
        if let Some(peer) = self.peers.get_mut(leg.transport()) {
            peer.legs.remove(&leg.ssrc());
            peer.end_stream(leg.ssrc(), leg.numbers());
            add_counts(&mut peer.retired, leg.counts());
        }
    }

    /// Takes what a transport has to say after anything was done to it.
    fn after_transport(&mut self, now: Instant, place: usize) {
        let Some(peer) = self.peers.get_mut(place) else {
            return;
        };
        while let Some((to, datagram)) = peer.transport.poll_datagram() {
            self.outbox.push(to, &datagram);
        }
        peer.deadline = peer.transport.next_timeout();
        let deadline = peer.deadline;
        Self::learn_ufrags(&mut self.by_ufrag, peer, place);
        if let Some(deadline) = deadline {
            self.hasten(deadline);
        }
        self.drain_events(now, place);
    }

    fn learn_ufrags(by_ufrag: &mut HashMap<String, usize>, peer: &mut Peer, place: usize) {
        let Peer {
            transport, ufrags, ..
        } = peer;
        if transport
            .local_ufrags()
            .eq(ufrags.iter().map(String::as_str))
        {
            return;
        }
        for old in ufrags.drain(..) {
            by_ufrag.remove(&old);
        }
        ufrags.extend(transport.local_ufrags().map(str::to_owned));
        for ufrag in ufrags.iter() {
            by_ufrag.insert(ufrag.clone(), place);
        }
    }

    fn drain_events(&mut self, now: Instant, place: usize) {
        while let Some(peer) = self.peers.get_mut(place)
            && let Some(event) = peer.transport.poll_event()
        {
            let transport = peer.transport.id();
            match event {
                TransportEvent::Connected { setup } => {
                    self.connected(now, place);
                    self.events
                        .push_back(Event::TransportConnected { transport, setup });
                }
                TransportEvent::ChannelOpened(channel) => {
                    self.events
                        .push_back(Event::ChannelOpened { transport, channel });
                }
                TransportEvent::Data { channel, payload } => self.events.push_back(Event::Data {
                    transport,
                    channel,
                    payload,
                }),
                TransportEvent::Silent => {
                    self.events.push_back(Event::TransportSilent { transport });
                }
                TransportEvent::Heard => self.events.push_back(Event::TransportHeard { transport }),
                TransportEvent::AddressMoved(to) => {
                    for leg in peer.legs.values() {
                        self.forwarding.move_leg(*leg, to);
                    }
                }
                TransportEvent::AddressForgotten(address) => self.forget_address(address, place),
                TransportEvent::Closed(reason) => {
                    self.remove_peer(place);
                    self.events
                        .push_back(Event::TransportClosed { transport, reason });
                }
            }
        }
    }

    fn connected(&mut self, now: Instant, place: usize) {
        let Some(peer) = self.peers.get_mut(place) else {
            return;
        };
        peer.duties = Some(duties::first(now, place));
        let Some(to) = peer.transport.send_address() else {
            return;
        };
        let transport = &peer.transport;
        for leg in peer.legs.values() {
            self.forwarding
                .open_leg(*leg, to, |ssrc| transport.sealer(ssrc));
        }
        self.divide(now, place);
        self.hasten(now);
    }

    fn remove_peer(&mut self, place: usize) {
        let Some(peer) = self.peers.get_mut(place) else {
            return;
        };
        while let Some((to, datagram)) = peer.transport.poll_datagram() {
            self.outbox.push(to, &datagram);
        }
        let legs = std::mem::take(&mut peer.legs);
        let sources = std::mem::take(&mut peer.sources);
        self.by_transport.remove(&peer.transport.id());
        for ufrag in peer.ufrags.drain(..) {
            self.by_ufrag.remove(&ufrag);
        }
        for address in peer.transport.addresses() {
            if self.by_address.get(&address) == Some(&place) {
                self.by_address.remove(&address);
            }
        }
        for leg in legs.into_values() {
            self.remove_leg(leg);
        }
        for source in sources {
            if let Some(id) = self.forwarding.source(source).map(|source| source.id) {
                self.remove_source(id);
            }
        }
        self.forwarding.forget_transport(place);
        self.peers.remove(place);
    }

    fn forget_address(&mut self, address: Remote, place: usize) {
        if self.by_address.get(&address) == Some(&place) {
            self.by_address.remove(&address);
        }
    }

    /// Makes the next tick no later than a moment.
    fn hasten(&mut self, at: Instant) {
        self.tick_at = Some(self.tick_at.map_or(at, |known| known.min(at)));
    }
}

fn add_counts(total: &mut LegCounts, more: LegCounts) {
    total.packets += more.packets;
    total.octets += more.octets;
    total.delivered += more.delivered;
}
