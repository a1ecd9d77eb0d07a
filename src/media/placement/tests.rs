//! Orders of rooms over several shards, and a model of what each shard has.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::media::command::{
    EncodingConfig, ExtensionIds, IceCredentials, MediaKind, TapWant, TransportConfig,
};
use crate::media::sample::Chance;

fn shards(count: usize) -> Shards {
    Shards::new((0..count).map(|_| HostCandidates::default()))
}

fn open(transport: u64, shard: u8) -> Command {
    Command::OpenTransport(TransportConfig {
        transport: TransportId(transport),
        shard: ShardId(shard),
        local: IceCredentials {
            ufrag: String::new(),
            pwd: String::new(),
        },
        fingerprints: Vec::new(),
        open_channels: Vec::new(),
    })
}

fn source(source: u64, transport: u64) -> Command {
    Command::AddSource(SourceConfig {
        source: SourceId(source),
        transport: TransportId(transport),
        kind: MediaKind::Video,
        mid: String::new(),
        encodings: vec![EncodingConfig::default(); 3],
        layered: false,
        codecs: Vec::new(),
        extensions: ExtensionIds::default(),
    })
}

fn leg(leg: u64, source: u64, transport: u64) -> Command {
    Command::AddLeg(LegConfig {
        leg: LegId(leg),
        source: SourceId(source),
        transport: TransportId(transport),
        ssrc: leg as u32,
        rtx_ssrc: None,
        codecs: Vec::new(),
        extensions: ExtensionIds::default(),
        encoding: 0,
        priority: 0,
        paused: false,
    })
}

fn tap(tap: u64, source: u64) -> Command {
    Command::AddTap(TapConfig {
        tap: TapId(tap),
        source: SourceId(source),
        want: TapWant::Stills,
    })
}

/// What the shards have, by the orders that they got.
#[derive(Default)]
struct Model {
    transports: BTreeMap<TransportId, ShardId>,
    /// The publisher's transport.
    sources: BTreeMap<(ShardId, SourceId), TransportId>,
    mirrors: BTreeSet<(ShardId, SourceId)>,
    relays: BTreeSet<(ShardId, SourceId, ShardId)>,
    legs: BTreeMap<(ShardId, LegId), (SourceId, TransportId)>,
    taps: BTreeMap<TapId, SourceId>,
}

impl Model {
    fn take(&mut self, shard: ShardId, command: &Command) {
        match command {
            Command::OpenTransport(config) => {
                assert_eq!(config.shard, shard);
                self.transports.insert(config.transport, shard);
            }
            Command::CloseTransport { transport } => {
                assert_eq!(self.transports.get(transport), Some(&shard));
                self.gone(*transport);
            }
            Command::AddSource(config) => {
                assert_eq!(self.transports.get(&config.transport), Some(&shard));
                self.remove_source(shard, config.source);
                self.sources
                    .insert((shard, config.source), config.transport);
            }
            Command::AddMirror(config) => {
                assert!(self.sources.contains_key(&(config.home, config.source)));
                assert!(
                    self.mirrors.insert((shard, config.source)),
                    "a mirror twice"
                );
            }
            Command::Relay { source, to, on } => {
                let relay = (shard, *source, *to);
                match on {
                    true => assert!(self.relays.insert(relay), "a relay twice"),
                    false => assert!(self.relays.remove(&relay), "no such relay"),
                }
            }
            Command::RemoveSource { source } => self.remove_source(shard, *source),
            Command::AddLeg(config) => {
                let place = (shard, config.source);
                let there = self.sources.contains_key(&place) || self.mirrors.contains(&place);
                assert!(there, "a leg without its source");
                assert_eq!(self.transports.get(&config.transport), Some(&shard));
                let leg = (config.source, config.transport);
                self.legs.insert((shard, config.leg), leg);
            }
            Command::RemoveLeg { leg } => drop(self.legs.remove(&(shard, *leg))),
            Command::AddTap(config) => {
                assert!(self.mirrors.contains(&(shard, config.source)));
                self.taps.insert(config.tap, config.source);
            }
            Command::RemoveTap { tap } => drop(self.taps.remove(tap)),
            Command::SetRemote { .. }
            | Command::RestartIce { .. }
            | Command::PauseLeg { .. }
            | Command::SelectEncoding { .. }
            | Command::LimitFrameRate { .. }
            | Command::PrioritizeLeg { .. }
            | Command::PrioritizeSource { .. }
            | Command::WantStill { .. }
            | Command::SendData { .. } => panic!("not given here"),
        }
    }

    /// What a shard forgets with a transport by itself.
    fn gone(&mut self, transport: TransportId) {
        let Some(shard) = self.transports.remove(&transport) else {
            return;
        };
        self.legs.retain(|_, (_, of)| *of != transport);
        let own = self.sources.iter().filter(|(_, of)| **of == transport);
        let own: Vec<SourceId> = own.map(|((_, source), _)| *source).collect();
        for source in own {
            self.remove_source(shard, source);
        }
    }

    fn remove_source(&mut self, shard: ShardId, source: SourceId) {
        self.sources.remove(&(shard, source));
        self.mirrors.remove(&(shard, source));
        self.taps.retain(|_, of| (TAPS, *of) != (shard, source));
        self.relays
            .retain(|(home, of, _)| (*home, *of) != (shard, source));
        self.legs
            .retain(|(at, _), (of, _)| (*at, *of) != (shard, source));
    }

    /// Each mirror has a leg or a tap and a relay that feeds it, and each relay a mirror.
    fn check(&self) {
        for (shard, source) in &self.mirrors {
            let fed = self
                .relays
                .iter()
                .filter(|r| (r.1, r.2) == (*source, *shard));
            assert_eq!(fed.count(), 1, "{source} is not fed on {shard:?}");
            let mut legs = self.legs.iter();
            let has_leg = legs.any(|((at, _), (of, _))| (at, of) == (shard, source));
            let is_tapped = *shard == TAPS && self.taps.values().any(|of| of == source);
            assert!(has_leg || is_tapped, "a mirror of {source} for nobody");
        }
        for (_, source, to) in &self.relays {
            assert!(self.mirrors.contains(&(*to, *source)), "a relay to nobody");
        }
    }
}

#[test]
fn a_source_is_handed_over_once_to_each_shard_that_has_legs_of_it() {
    let mut placement = Placement::new(shards(2));
    let mut told = Vec::new();
    let orders = [
        open(1, 0),
        open(2, 1),
        open(3, 1),
        source(1, 1),
        leg(1, 1, 2),
        leg(2, 1, 3),
        Command::RemoveLeg { leg: LegId(1) },
        Command::RemoveLeg { leg: LegId(2) },
    ];
    for order in orders {
        placement.route(order, &mut |shard, command| told.push((shard.0, command)));
    }
    let relays: Vec<_> = told
        .iter()
        .filter_map(|(shard, command)| {
            let Command::Relay { on, to, .. } = command else {
                return None;
            };
            Some((*shard, to.0, *on))
        })
        .collect();
    assert_eq!(relays, [(0, 1, true), (0, 1, false)]);
    let removed = |(shard, command): &(u8, Command)| {
        *shard == 1 && matches!(command, Command::RemoveSource { .. })
    };
    assert!(told.last().is_some_and(removed), "{told:?}");
}

#[test]
fn a_room_stays_on_one_shard_until_that_is_busier_than_others() {
    let shards = shards(2);
    let home = shards.quietest();
    let few: Vec<Place> = (0..3).map(|_| shards.place(home)).collect();
    assert!(few.iter().all(|place| place.shard() == home));
    let many: Vec<Place> = (0..100).map(|_| shards.place(home)).collect();
    let at_home = few.iter().chain(&many).filter(|p| p.shard() == home);
    assert!((50..=54).contains(&at_home.count()));
    drop((few, many));
    assert_eq!(shards.load(home), 0);
}

#[test]
fn a_fragment_tells_its_shard() {
    for shard in (0..SHARDS_MAX as u8).map(ShardId) {
        let fragment = format!("{}anything", letter(shard));
        assert_eq!(shard_of(&fragment), Some(shard));
    }
    assert_eq!((shard_of(""), shard_of("é")), (None, None));
}

#[test]
fn whatever_a_room_orders_mirrors_are_fed_and_end_with_their_last_leg() {
    for seed in 0..60 {
        let mut chance = Chance::new(seed);
        let shards = shards(3);
        let mut placement = Placement::new(shards.clone());
        let mut model = Model::default();
        for step in 0..300_u64 {
            let any = |chance: &mut Chance| 1 + chance.below(12) as u64;
            let old = |chance: &mut Chance| chance.below(step as usize + 1) as u64;
            let order = match chance.below(15) {
                0..=2 => open(100 + step, chance.below(3) as u8),
                3 => source(any(&mut chance), 100 + old(&mut chance)),
                4..=7 => leg(step, any(&mut chance), 100 + old(&mut chance)),
                8 | 9 => Command::RemoveLeg {
                    leg: LegId(old(&mut chance)),
                },
                12 | 13 => tap(any(&mut chance), any(&mut chance)),
                14 => Command::RemoveTap {
                    tap: TapId(any(&mut chance)),
                },
                10 => Command::RemoveSource {
                    source: SourceId(any(&mut chance)),
                },
                _ => Command::CloseTransport {
                    transport: TransportId(100 + old(&mut chance)),
                },
            };
            let by_itself = chance.below(2) == 0;
            let mut take = |shard: ShardId, command: Command| model.take(shard, &command);
            if let Command::CloseTransport { transport } = order
                && by_itself
            {
                placement.closed(transport, &mut take);
                model.gone(transport);
            } else {
                placement.route(order, &mut take);
            }
            model.check();
            let loads: usize = (0..3).map(|n| shards.load(ShardId(n))).sum();
            assert_eq!(loads, model.legs.len(), "seed {seed} step {step}");
        }
        drop(placement);
        assert_eq!((0..3).map(|n| shards.load(ShardId(n))).sum::<usize>(), 0);
    }
}
