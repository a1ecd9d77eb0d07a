//! The shards that a simulated room is spread over, and what they hand each other.

use std::collections::VecDeque;
use std::time::Instant;

use super::super::world::*;
use super::super::*;
use super::MS;
use crate::domain::id::ShardId;
use crate::media::command::HostCandidates;
use crate::media::placement::{Placement, Shards};

/// Steps that a handed over thing is on its way, at most.
const STEPS_MAX: usize = 3;

/// See the module.
pub(super) struct Sites {
    worlds: Vec<World>,
    placement: Placement,
    /// World, and node there, of each client.
    places: Vec<(usize, usize)>,
    /// What is on its way to each world, in order.
    boxes: Vec<VecDeque<(Instant, Relayed, Vec<u8>)>>,
}

impl Sites {
    pub(super) fn new(shards: usize) -> Self {
        let candidates = (0..shards).map(|_| HostCandidates::default());
        Self {
            worlds: (0..shards).map(|_| World::new()).collect(),
            placement: Placement::new(Shards::new(candidates)),
            places: Vec::new(),
            boxes: vec![VecDeque::new(); shards],
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.worlds[0].now
    }

    /// Another client, on one of the shards.
    pub(super) fn join(&mut self, chance: &mut Chance) {
        let (node, mut config) = Node::new(self.places.len(), self.now());
        let place = chance.below(self.worlds.len());
        config.shard = ShardId(place as u8);
        self.command(Command::OpenTransport(config));
        self.places.push((place, self.worlds[place].nodes.len()));
        self.worlds[place].nodes.push(node);
    }

    pub(super) fn command(&mut self, command: Command) {
        let worlds = &mut self.worlds;
        let mut send = |to: ShardId, command| worlds[usize::from(to.0)].command(command);
        self.placement.route(command, &mut send);
    }

    pub(super) fn node(&mut self, client: usize) -> &mut Node {
        let (world, node) = self.places[client];
        &mut self.worlds[world].nodes[node]
    }

    /// A client's datagram, from where it is.
    pub(super) fn datagram(&mut self, client: usize, datagram: &mut [u8]) {
        let from = self.node(client).address;
        let now = self.now();
        let shard = &mut self.worlds[self.places[client].0].shard;
        shard.handle_datagram(now, from, datagram);
    }

    /// A client's connection ends.
    pub(super) fn disconnect(&mut self, client: usize, connection: Connection) {
        let now = self.now();
        let shard = &mut self.worlds[self.places[client].0].shard;
        shard.handle_disconnect(now, connection);
    }

    pub(super) fn rtcp(&mut self, client: usize, plain: &[u8]) {
        let (world, node) = self.places[client];
        self.worlds[world].rtcp(node, plain);
    }

    /// Some boxes have no room from now on, one in so many; with 0 all have.
    pub(super) fn fill_boxes(&mut self, rarity: usize, chance: &mut Chance) {
        for world in &mut self.worlds {
            world.has_full_box = rarity > 0 && chance.below(rarity) == 0;
        }
    }

    /// Lets shards take what arrives at them, without fan-out; whether there was anything.
    pub(super) fn hand_over(&mut self) -> bool {
        let now = self.now();
        let mut any = false;
        for (world, waiting) in self.worlds.iter_mut().zip(&mut self.boxes) {
            while waiting.front().is_some_and(|(at, ..)| *at <= now)
                && let Some((_, relayed, payload)) = waiting.pop_front()
            {
                world.shard.handle_relayed(now, &relayed, &payload);
                any = true;
            }
        }
        any
    }

    /// Time passes, and everybody says what there is to say.
    pub(super) fn advance(&mut self, milliseconds: u64, chance: &mut Chance) {
        for world in &mut self.worlds {
            world.advance(milliseconds);
        }
        self.collect(chance);
        while self.hand_over() {
            self.worlds.iter_mut().for_each(World::settle);
            self.collect(chance);
        }
    }

    /// What shards hand each other goes on its way; nothing overtakes what went before it.
    fn collect(&mut self, chance: &mut Chance) {
        for from in 0..self.worlds.len() {
            for (to, relayed, payload) in self.worlds[from].take_relayed() {
                assert_ne!(usize::from(to.0), from);
                let waiting = &mut self.boxes[usize::from(to.0)];
                let last = waiting.back().map(|(at, ..)| *at);
                let at = self.worlds[from].now + chance.below(STEPS_MAX + 1) as u32 * 5 * MS;
                waiting.push_back((last.map_or(at, |last| last.max(at)), relayed, payload));
            }
        }
    }

    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        self.worlds.iter().flat_map(|world| &world.events)
    }
}
