//! Which media thread carries what: transports are spread by load, and a source is mirrored where
//! its legs are.
//!
//! A transport lives on one shard. So do its legs, because they are sealed with its keys. A source
//! comes in on its publisher's shard; on every other shard that has legs of it, a mirror gets each
//! packet handed over once ([`super::shard::Relayed`]). Rooms know nothing of this: they give one
//! order, and [`Placement`] makes of it what each shard has to do. The [taps](super::tap) of a
//! server are at [`TAPS`], to which a tapped source is handed over as to a shard with legs of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::command::{Command, HostCandidates, LegConfig, MirrorConfig, SourceConfig, TapConfig};
use crate::domain::id::{LegId, ShardId, SourceId, TapId, TransportId};

/// Most media threads of a server: as many as one `ice-char` can name.
pub const SHARDS_MAX: usize = 64;

/// `ice-char` of RFC 8839 section 5.4, six bits each.
pub const ICE_CHARACTERS: &[u8; SHARDS_MAX] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Where the taps are.
pub const TAPS: ShardId = ShardId(SHARDS_MAX as u8);

/// A room stays on its first shard until that is busier than another by more than this many
/// transports and legs: what two people say to each other need not be handed over.
const SLACK: usize = 2;

/// The shard that an ICE user fragment of ours belongs to, by its first character; a TCP connection
/// finds its way by that.
pub fn shard_of(fragment: &str) -> Option<ShardId> {
    let first = fragment.bytes().next()?;
    let place = ICE_CHARACTERS.iter().position(|known| *known == first)?;
    Some(ShardId(place as u8))
}

/// The character that [`shard_of`] reads.
pub fn letter(shard: ShardId) -> char {
    let letter = ICE_CHARACTERS.get(usize::from(shard.0));
    char::from(letter.copied().unwrap_or(ICE_CHARACTERS[0]))
}

/// The shards of a server, where each is reached, and how busy it is; clones share the count.
#[derive(Clone, Debug)]
pub struct Shards(Arc<[Site]>);

/// One shard as rooms see it.
#[derive(Clone, Debug)]
struct Site {
    candidates: Arc<HostCandidates>,
    /// Transports and legs.
    load: Arc<AtomicUsize>,
}

impl Shards {
    /// Shards by number, each with the addresses at which clients reach it; those beyond
    /// [`SHARDS_MAX`] are left out.
    pub fn new(sites: impl IntoIterator<Item = HostCandidates>) -> Self {
        let sites = sites.into_iter().take(SHARDS_MAX).map(|candidates| Site {
            candidates: Arc::new(candidates),
            load: Arc::default(),
        });
        Self(sites.collect())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The least busy one.
    pub fn quietest(&self) -> ShardId {
        let loads = self.0.iter().enumerate();
        let least = loads.min_by_key(|(_, site)| site.load.load(Ordering::Relaxed));
        ShardId(least.map_or(0, |(place, _)| place as u8))
    }

    /// Gives a transport a place: on its room's first shard as long as that is not much busier
    /// than the others.
    pub fn place(&self, home: ShardId) -> Place {
        let quietest = self.quietest();
        let shard = match self.load(home) > self.load(quietest) + SLACK {
            true => quietest,
            false => home,
        };
        let site = self.0.get(usize::from(shard.0)).cloned();
        let site = site.unwrap_or_else(|| Site {
            candidates: Arc::default(),
            load: Arc::default(),
        });
        site.load.fetch_add(1, Ordering::Relaxed);
        Place { shard, site }
    }

    fn load(&self, shard: ShardId) -> usize {
        let site = self.0.get(usize::from(shard.0));
        site.map_or(usize::MAX, |site| site.load.load(Ordering::Relaxed))
    }

    fn add(&self, shard: ShardId, legs: usize) {
        if let Some(site) = self.0.get(usize::from(shard.0)) {
            site.load.fetch_add(legs, Ordering::Relaxed);
        }
    }

    fn subtract(&self, shard: ShardId, legs: usize) {
        if let Some(site) = self.0.get(usize::from(shard.0)) {
            site.load.fetch_sub(legs, Ordering::Relaxed);
        }
    }
}

/// A transport's place on a shard, counted as long as it is kept.
#[derive(Debug)]
pub struct Place {
    shard: ShardId,
    site: Site,
}

impl Place {
    /// The shard.
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// Where it is reached.
    pub fn candidates(&self) -> &HostCandidates {
        &self.site.candidates
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.site.load.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What one room has on which shard.
#[derive(Debug)]
pub struct Placement {
    shards: Shards,
    transports: HashMap<TransportId, Placed>,
    sources: HashMap<SourceId, Spread>,
    legs: HashMap<LegId, (SourceId, TransportId)>,
    taps: HashMap<TapId, SourceId>,
}

/// A transport on its shard.
#[derive(Debug)]
struct Placed {
    shard: ShardId,
    sources: Vec<SourceId>,
    legs: Vec<LegId>,
}

/// A source on its shards.
#[derive(Debug)]
struct Spread {
    transport: TransportId,
    home: ShardId,
    mirror: MirrorConfig,
    /// Legs on shards that are not its home, and its taps; none has 0.
    away: Vec<(ShardId, usize)>,
}

impl Placement {
    /// Nothing anywhere.
    pub fn new(shards: Shards) -> Self {
        Self {
            shards,
            transports: HashMap::new(),
            sources: HashMap::new(),
            legs: HashMap::new(),
            taps: HashMap::new(),
        }
    }

    /// Sends an order of the room to the shards concerned, with what follows from it; one about an
    /// unknown id goes nowhere.
    pub fn route(&mut self, command: Command, send: &mut impl FnMut(ShardId, Command)) {
        match command {
            Command::OpenTransport(config) => {
                let placed = Placed {
                    shard: config.shard,
                    sources: Vec::new(),
                    legs: Vec::new(),
                };
                let shard = placed.shard;
                self.transports.insert(config.transport, placed);
                send(shard, Command::OpenTransport(config));
            }
            Command::SetRemote { transport, .. }
            | Command::RestartIce { transport, .. }
            | Command::SendData { transport, .. } => {
                if let Some(placed) = self.transports.get(&transport) {
                    send(placed.shard, command);
                }
            }
            Command::CloseTransport { transport } => {
                let shard = self.transports.get(&transport).map(|placed| placed.shard);
                self.closed(transport, send);
                if let Some(shard) = shard {
                    send(shard, command);
                }
            }
            Command::AddSource(config) => self.add_source(config, send),
            Command::RemoveSource { source } => self.remove_source(source, send),
            Command::AddLeg(config) => self.add_leg(config, send),
            Command::RemoveLeg { leg } => self.remove_leg(leg, send),
            Command::PauseLeg { leg, .. }
            | Command::SelectEncoding { leg, .. }
            | Command::LimitFrameRate { leg, .. }
            | Command::PrioritizeLeg { leg, .. } => {
                if let Some(shard) = self.shard_of_leg(leg) {
                    send(shard, command);
                }
            }
            Command::PrioritizeSource { source, priority } => {
                if let Some(spread) = self.sources.get_mut(&source) {
                    spread.mirror.priority = priority;
                    send(spread.home, command.clone());
                    for (shard, _) in &spread.away {
                        send(*shard, command.clone());
                    }
                }
            }
            Command::AddTap(config) => self.add_tap(config, send),
            Command::RemoveTap { tap } => self.remove_tap(tap, send),
            Command::WantStill { tap } => {
                if self.taps.contains_key(&tap) {
                    send(TAPS, command);
                }
            }
            // These are ours to give.
            Command::AddMirror(_) | Command::Relay { .. } => {}
        }
    }

    /// A transport is gone with everything on it.
    pub fn closed(&mut self, transport: TransportId, send: &mut impl FnMut(ShardId, Command)) {
        let Some(placed) = self.transports.get_mut(&transport) else {
            return;
        };
        let sources = std::mem::take(&mut placed.sources);
        let legs = std::mem::take(&mut placed.legs);
        for source in sources {
            self.forget_source(source, send);
        }
        for leg in legs {
            self.forget_leg(leg, send);
        }
        self.transports.remove(&transport);
    }

    fn add_source(&mut self, config: SourceConfig, send: &mut impl FnMut(ShardId, Command)) {
        self.remove_source(config.source, send);
        let Some(placed) = self.transports.get_mut(&config.transport) else {
            return;
        };
        placed.sources.push(config.source);
        let spread = Spread {
            transport: config.transport,
            home: placed.shard,
            mirror: MirrorConfig {
                source: config.source,
                home: placed.shard,
                kind: config.kind,
                encodings: config.encodings.len(),
                priority: 0,
            },
            away: Vec::new(),
        };
        let home = spread.home;
        self.sources.insert(config.source, spread);
        send(home, Command::AddSource(config));
    }

    fn remove_source(&mut self, source: SourceId, send: &mut impl FnMut(ShardId, Command)) {
        let home = self.sources.get(&source).map(|spread| spread.home);
        self.forget_source(source, send);
        if let Some(home) = home {
            send(home, Command::RemoveSource { source });
        }
    }

    fn add_leg(&mut self, config: LegConfig, send: &mut impl FnMut(ShardId, Command)) {
        self.remove_leg(config.leg, send);
        let Some(placed) = self.transports.get_mut(&config.transport) else {
            return;
        };
        let Some(spread) = self.sources.get_mut(&config.source) else {
            return;
        };
        let shard = placed.shard;
        placed.legs.push(config.leg);
        self.legs
            .insert(config.leg, (config.source, config.transport));
        self.shards.add(shard, 1);
        if shard != spread.home {
            spread.take(shard, send);
        }
        send(shard, Command::AddLeg(config));
    }

    fn add_tap(&mut self, config: TapConfig, send: &mut impl FnMut(ShardId, Command)) {
        self.remove_tap(config.tap, send);
        if let Some(spread) = self.sources.get_mut(&config.source) {
            self.taps.insert(config.tap, config.source);
            spread.take(TAPS, send);
            send(TAPS, Command::AddTap(config));
        }
    }

    fn remove_tap(&mut self, tap: TapId, send: &mut impl FnMut(ShardId, Command)) {
        if let Some(source) = self.taps.remove(&tap) {
            send(TAPS, Command::RemoveTap { tap });
            if let Some(spread) = self.sources.get_mut(&source) {
                spread.give_up(TAPS, send);
            }
        }
    }

    fn remove_leg(&mut self, leg: LegId, send: &mut impl FnMut(ShardId, Command)) {
        if let Some(shard) = self.shard_of_leg(leg) {
            send(shard, Command::RemoveLeg { leg });
        }
        self.forget_leg(leg, send);
    }

    /// Forgets a source with its legs, and ends its mirrors.
    fn forget_source(&mut self, source: SourceId, send: &mut impl FnMut(ShardId, Command)) {
        let Some(spread) = self.sources.remove(&source) else {
            return;
        };
        if let Some(placed) = self.transports.get_mut(&spread.transport) {
            placed.sources.retain(|other| *other != source);
        }
        for (shard, _) in &spread.away {
            send(*shard, Command::RemoveSource { source });
        }
        self.taps.retain(|_, of| *of != source);
        let Self {
            shards,
            transports,
            legs,
            ..
        } = self;
        legs.retain(|leg, (of, transport)| {
            let goes = *of == source;
            if goes && let Some(placed) = transports.get_mut(transport) {
                placed.legs.retain(|other| other != leg);
                shards.subtract(placed.shard, 1);
            }
            !goes
        });
    }

    /// Forgets a leg, and ends a mirror that has no other.
    fn forget_leg(&mut self, leg: LegId, send: &mut impl FnMut(ShardId, Command)) {
        let Some((source, transport)) = self.legs.remove(&leg) else {
            return;
        };
        let Some(placed) = self.transports.get_mut(&transport) else {
            return;
        };
        placed.legs.retain(|other| *other != leg);
        let shard = placed.shard;
        self.shards.subtract(shard, 1);
        if let Some(spread) = self.sources.get_mut(&source) {
            spread.give_up(shard, send);
        }
    }

    fn shard_of_leg(&self, leg: LegId) -> Option<ShardId> {
        let (_, transport) = self.legs.get(&leg)?;
        Some(self.transports.get(transport)?.shard)
    }
}

impl Spread {
    /// One leg or tap more elsewhere; the first needs a mirror there.
    fn take(&mut self, shard: ShardId, send: &mut impl FnMut(ShardId, Command)) {
        match self.away.iter_mut().find(|(known, _)| *known == shard) {
            Some((_, uses)) => *uses += 1,
            None => {
                self.away.push((shard, 1));
                send(shard, Command::AddMirror(self.mirror));
                send(self.home, relay(self.mirror.source, shard, true));
            }
        }
    }

    /// One less; the last takes the mirror along.
    fn give_up(&mut self, shard: ShardId, send: &mut impl FnMut(ShardId, Command)) {
        let Some(place) = self.away.iter().position(|(known, _)| *known == shard) else {
            return;
        };
        self.away[place].1 -= 1;
        if self.away[place].1 == 0 {
            self.away.swap_remove(place);
            let source = self.mirror.source;
            send(self.home, relay(source, shard, false));
            send(shard, Command::RemoveSource { source });
        }
    }
}

impl Drop for Placement {
    /// A room that broke takes its part of the load along.
    fn drop(&mut self) {
        for placed in self.transports.values() {
            self.shards.subtract(placed.shard, placed.legs.len());
        }
    }
}

fn relay(source: SourceId, to: ShardId, on: bool) -> Command {
    Command::Relay { source, to, on }
}

#[cfg(test)]
mod tests;
