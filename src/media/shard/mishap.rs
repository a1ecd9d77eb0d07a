//! What is left of a shard after a panic: it costs the client that was being served, and everybody
//! only when it is not known who that was.

use std::time::Instant;

use super::relay::{Matter, Relayed};
use super::{Command, Event, Forwarding, HashMap, Shard, Slab};
use crate::domain::id::{LegId, SourceId, TransportId};
use crate::media::command::CloseReason;
use crate::media::forward::Served;
use crate::media::source::Origin;

/// Whom the shard is serving: whose part of the state is half done if it panics now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtHand {
    /// Nobody yet: the bytes of a stranger are read, or a client is made.
    Nobody,
    /// The client at this place.
    Client(usize),
    /// A source of another shard, which is told.
    Mirror(SourceId),
    /// Whoever is next in [`Forwarding::fill`].
    FanOut,
    /// All at once.
    Everybody,
}

impl From<Served> for AtHand {
    fn from(served: Served) -> Self {
        match served {
            Served::Client(place) => Self::Client(place),
            Served::Mirror(source) => Self::Mirror(source),
        }
    }
}

/// Whom a panic costs the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Nobody: nothing of anybody's was touched.
    Nobody,
    /// This client, which is gone.
    Client(TransportId),
    /// All: [`Shard::start_over`].
    Everybody,
}

impl Shard {
    /// After a panic: ends the client that was being served, with everything of it.
    pub fn recover(&mut self, now: Instant) -> Lost {
        self.outbox.mend();
        let served = match std::mem::replace(&mut self.at_hand, AtHand::Everybody) {
            AtHand::Nobody => return Lost::Nobody,
            AtHand::Client(place) => Some(Served::Client(place)),
            AtHand::Mirror(source) => Some(Served::Mirror(source)),
            AtHand::FanOut => self.forwarding.at_hand(),
            AtHand::Everybody => None,
        };
        let lost = match served {
            Some(Served::Client(place)) => self.break_off(now, place).map(Lost::Client),
            Some(Served::Mirror(source)) => self.break_mirror(source).map(|()| Lost::Nobody),
            None => None,
        };
        lost.unwrap_or(Lost::Everybody)
    }

    /// Ends the client at a place for a fault of ours.
    pub(super) fn break_off(&mut self, now: Instant, place: usize) -> Option<TransportId> {
        let peer = self.peers.get_mut(place)?;
        let transport = peer.transport.id();
        peer.transport.close(now);
        self.remove_peer(place);
        self.lost(transport);
        Some(transport)
    }

    /// Ends a mirror, and lets its source's shard end the publisher.
    fn break_mirror(&mut self, source: SourceId) -> Option<()> {
        let place = self.forwarding.place(source)?;
        let Origin::Shard { home, .. } = self.forwarding.source(place)?.origin else {
            return None;
        };
        self.remove_source(source);
        let matter = Matter::Broke;
        self.notes.push((home, Relayed { source, matter }));
        Some(())
    }

    /// Everybody who is connected or connects, in order.
    pub fn transports(&self) -> Vec<TransportId> {
        let mut all: Vec<TransportId> = self.by_transport.keys().copied().collect();
        all.sort_unstable();
        all
    }

    /// Forgets everybody without touching anything of theirs, and tells of the transports given
    /// that they are gone. What waits to be sent still is.
    pub fn start_over(&mut self, transports: &[TransportId]) {
        self.peers = Slab::default();
        self.forwarding = Forwarding::default();
        self.by_transport = HashMap::new();
        self.by_ufrag = HashMap::new();
        self.by_address = HashMap::new();
        self.at_hand = AtHand::Nobody;
        self.tick_at = None;
        self.outbox.mend();
        for transport in transports {
            self.lost(*transport);
        }
    }

    fn lost(&mut self, transport: TransportId) {
        let reason = CloseReason::Broken;
        self.events
            .push_back(Event::TransportClosed { transport, reason });
    }

    /// Whose command it is.
    pub(super) fn concerned(&self, command: &Command) -> AtHand {
        let place = match command {
            Command::OpenTransport(_)
            | Command::AddTap(_)
            | Command::RemoveTap { .. }
            | Command::WantStill { .. } => None,
            Command::SetRemote { transport, .. }
            | Command::RestartIce { transport, .. }
            | Command::CloseTransport { transport }
            | Command::SendData { transport, .. } => self.by_transport.get(transport).copied(),
            Command::AddSource(config) => self.by_transport.get(&config.transport).copied(),
            Command::AddLeg(config) => self.by_transport.get(&config.transport).copied(),
            Command::RemoveSource { source }
            | Command::PrioritizeSource { source, .. }
            | Command::Relay { source, .. } => return self.concerned_by_source(*source),
            Command::AddMirror(config) => return AtHand::Mirror(config.source),
            Command::RemoveLeg { leg }
            | Command::PauseLeg { leg, .. }
            | Command::PrioritizeLeg { leg, .. }
            | Command::LimitFrameRate { leg, .. }
            | Command::SelectEncoding { leg, .. } => self.subscriber_of(*leg),
        };
        place.map_or(AtHand::Nobody, AtHand::Client)
    }

    fn concerned_by_source(&self, source: SourceId) -> AtHand {
        let place = self.forwarding.place(source);
        let source = place.and_then(|place| self.forwarding.source(place));
        source.map_or(AtHand::Nobody, |source| source.served().into())
    }

    fn subscriber_of(&self, leg: LegId) -> Option<usize> {
        self.forwarding.subscriber(leg)
    }
}

/// A packet of these bytes makes the shard panic while it serves the sender.
#[cfg(test)]
pub(crate) const TRIP: &[u8] = b"trip while serving";

/// A packet of these bytes makes the shard panic while it forwards.
#[cfg(test)]
pub(crate) const TRIP_FAN_OUT: &[u8] = b"trip while forwarding";

/// A packet of these bytes makes the shard panic while it serves everybody.
#[cfg(test)]
pub(crate) const TRIP_ALL: &[u8] = b"trip for everybody";

#[cfg(test)]
impl Shard {
    /// Panics when a packet asks for it.
    pub(super) fn trip(&mut self, packet: &[u8]) {
        self.trips_when_filling = packet.ends_with(TRIP_FAN_OUT);
        assert!(!packet.ends_with(TRIP), "a client's packet trips the shard");
        if packet.ends_with(TRIP_ALL) {
            self.at_hand = AtHand::Everybody;
            unreachable!("a packet trips the shard");
        }
    }

    /// Panics when something is to be forwarded after a packet that asked for it.
    pub(super) fn trip_when_filling(&mut self) {
        if self.forwarding.at_hand().is_some() {
            let trips = std::mem::take(&mut self.trips_when_filling);
            assert!(!trips, "a client's packet trips the fan-out");
        }
    }
}
