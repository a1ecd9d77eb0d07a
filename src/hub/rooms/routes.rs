//! Which room an event of a media thread belongs to.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::domain::id::{ShardId, SourceId, TransportId};
use crate::media::command::{AudioLevel, Command, Event};

/// The map from transports and sources to the rooms that own them; clones share it.
#[derive(Clone, Default)]
pub struct Routes {
    table: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    rooms: HashMap<u64, mpsc::Sender<Event>>,
    transports: HashMap<TransportId, Owned>,
    sources: HashMap<SourceId, TransportId>,
}

struct Owned {
    room: u64,
    shard: ShardId,
    sources: Vec<SourceId>,
}

/// A transport that outlived its room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Which.
    pub transport: TransportId,
    /// Where it is.
    pub shard: ShardId,
    /// What it published.
    pub sources: Vec<SourceId>,
}

impl std::fmt::Debug for Routes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Routes(..)")
    }
}

impl Routes {
    /// Notes what a room's command makes or ends. Call it before the command goes to the media
    /// threads, so that no event is homeless.
    pub fn observe(&self, room: u64, command: &Command) {
        self.with(|table| match command {
            Command::OpenTransport(config) => {
                let owned = Owned {
                    room,
                    shard: config.shard,
                    sources: Vec::new(),
                };
                table.transports.insert(config.transport, owned);
            }
            Command::CloseTransport { transport } => table.forget_transport(*transport),
            Command::AddSource(config) => table.add_source(config.source, config.transport),
            Command::RemoveSource { source } => table.forget_source(*source),
            Command::SetRemote { .. }
            | Command::RestartIce { .. }
            | Command::AddMirror(_)
            | Command::Relay { .. }
            | Command::AddLeg(_)
            | Command::RemoveLeg { .. }
            | Command::PauseLeg { .. }
            | Command::SelectEncoding { .. }
            | Command::LimitFrameRate { .. }
            | Command::PrioritizeLeg { .. }
            | Command::PrioritizeSource { .. }
            | Command::AddTap(_)
            | Command::RemoveTap { .. }
            | Command::WantStill { .. }
            | Command::SendData { .. } => {}
        });
    }

    /// Hands an event to its room without waiting; an event of nobody's is dropped.
    ///
    /// A room that is half its queue ([`super::EVENTS_MAX`]) behind gets no data messages, levels
    /// and reports, which pass or repeat. One so far behind that news of a transport's state finds
    /// no place is cut off: its `events` close, and it ends.
    pub fn route(&self, event: Event) {
        self.with(|table| match event {
            Event::AudioLevels(levels) => table.route_levels(levels),
            Event::TransportClosed { transport, .. } => {
                table.deliver(transport, event);
                table.forget_transport(transport);
            }
            Event::TransportConnected { transport, .. }
            | Event::TransportSilent { transport }
            | Event::TransportHeard { transport }
            | Event::ChannelOpened { transport, .. }
            | Event::LegHeld { transport, .. }
            | Event::Data { transport, .. } => table.deliver(transport, event),
            Event::Report(report) => table.deliver(report.transport, event),
            Event::EncodingStarted { source, .. } => {
                if let Some(transport) = table.sources.get(&source).copied() {
                    table.deliver(transport, event);
                }
            }
        });
    }

    /// Forgets a room that ended; what is left of its transports is returned to be closed.
    pub fn forget_room(&self, room: u64) -> Vec<Leftover> {
        self.with(|table| {
            table.rooms.remove(&room);
            let owned = table.transports.iter().filter(|(_, of)| of.room == room);
            let left = owned.map(|(transport, of)| Leftover {
                transport: *transport,
                shard: of.shard,
                sources: of.sources.clone(),
            });
            let left: Vec<Leftover> = left.collect();
            for gone in &left {
                table.forget_transport(gone.transport);
            }
            left
        })
    }

    pub(super) fn add_room(&self, room: u64, events: mpsc::Sender<Event>) {
        self.with(|table| table.rooms.insert(room, events));
    }

    fn with<R>(&self, work: impl FnOnce(&mut Table) -> R) -> R {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut table)
    }
}

impl Table {
    fn deliver(&mut self, transport: TransportId, event: Event) {
        if let Some(owned) = self.transports.get(&transport) {
            self.deliver_to_room(owned.room, event);
        }
    }

    fn deliver_to_room(&mut self, room: u64, event: Event) {
        let Some(events) = self.rooms.get(&room) else {
            return;
        };
        let behind = events.capacity() < events.max_capacity() / 2;
        if behind && passes_or_repeats(&event) {
            metrics::counter!("room_events_dropped").increment(1);
            return;
        }
        if events.try_send(event).is_err() {
            self.rooms.remove(&room);
        }
    }

    fn route_levels(&mut self, levels: Vec<AudioLevel>) {
        let mut by_room: BTreeMap<u64, Vec<AudioLevel>> = BTreeMap::new();
        for level in levels {
            let transport = self.sources.get(&level.source);
            if let Some(owned) = transport.and_then(|transport| self.transports.get(transport)) {
                by_room.entry(owned.room).or_default().push(level);
            }
        }
        for (room, levels) in by_room {
            self.deliver_to_room(room, Event::AudioLevels(levels));
        }
    }

    fn add_source(&mut self, source: SourceId, transport: TransportId) {
        if let Some(owned) = self.transports.get_mut(&transport) {
            owned.sources.push(source);
            self.sources.insert(source, transport);
        }
    }

    fn forget_source(&mut self, source: SourceId) {
        let transport = self.sources.remove(&source);
        if let Some(owned) = transport.and_then(|t| self.transports.get_mut(&t)) {
            owned.sources.retain(|other| *other != source);
        }
    }

    fn forget_transport(&mut self, transport: TransportId) {
        for source in self
            .transports
            .remove(&transport)
            .into_iter()
            .flat_map(|o| o.sources)
        {
            self.sources.remove(&source);
        }
    }
}

fn passes_or_repeats(event: &Event) -> bool {
    match event {
        Event::Data { .. } | Event::AudioLevels(_) | Event::Report(_) => true,
        Event::TransportConnected { .. }
        | Event::TransportSilent { .. }
        | Event::TransportHeard { .. }
        | Event::TransportClosed { .. }
        | Event::EncodingStarted { .. }
        | Event::LegHeld { .. }
        | Event::ChannelOpened { .. } => false,
    }
}
