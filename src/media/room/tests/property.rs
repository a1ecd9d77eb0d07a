//! Random rooms: whatever happens, the commands' law holds (see `Watcher`) and nothing is left.

use chrono::TimeDelta;

use super::super::*;
use super::bench::*;
use super::subscribing::Staff;
use crate::media::command::CloseReason;
use crate::media::sdp::Direction;
use crate::media::signal::Layout;

struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }
}

#[test]
fn random_rooms_keep_the_law_and_leave_nothing() {
    for seed in 1..=60 {
        let mut chance = Chance(seed * 0x9E37_79B9);
        let mut bench = Bench::new();
        if chance.below(2) == 0 {
            bench.give(Input::SetPolicy(Arc::new(Staff)));
        }
        for step in 0..120 {
            act(&mut bench, &mut chance, step);
            pairs_are_allowed(&bench, seed);
        }
        settled_pairs_have_legs(&mut bench, seed);
        bench.give(Input::Close {
            reason: LeaveReason::ServerShutdown,
        });
        assert!(bench.room.is_empty(), "seed {seed}");
        assert!(bench.watcher.legs.is_empty(), "seed {seed}");
        assert!(bench.watcher.sources.is_empty(), "seed {seed}");
        let closed = bench.room.transports.is_empty() && bench.room.tracks.is_empty();
        assert!(closed && bench.room.sources.is_empty(), "seed {seed}");
        assert_eq!(bench.room.next_deadline(), None, "seed {seed}");
    }
}

fn act(bench: &mut Bench, chance: &mut Chance, step: usize) {
    let members: Vec<ParticipantId> = bench.room.members.keys().copied().collect();
    if members.len() < 3 || chance.below(8) == 0 {
        let layout = [Layout::Single, Layout::Dual][chance.below(2)];
        let group = ["staff", "learner"][chance.below(2)];
        let mut admission = admission(&format!("{group}-{}", chance.below(6)), layout);
        admission.auto_subscribe = chance.below(4) > 0;
        admission.permissions.hidden = chance.below(10) == 0;
        let participant = bench.join_as(admission);
        if chance.below(8) > 0 {
            bench.connect(participant);
        }
        return;
    }
    let who = members[chance.below(members.len())];
    let tracks: Vec<TrackId> = bench.room.tracks.keys().copied().collect();
    let some_track = (!tracks.is_empty()).then(|| tracks[chance.below(tracks.len().max(1))]);
    match chance.below(14) {
        0..=3 => publish(bench, chance, who, step),
        4 => stop_a_section(bench, chance, who),
        5 => bench.request(who, Request::Leave),
        6 => bench.give(Input::SignalLost { participant: who }),
        7 => bench.give(Input::Resume { participant: who }),
        8 => {
            let subscribe = chance.below(2) == 0;
            let tracks = some_track.into_iter().collect();
            bench.request(who, Request::Subscribe { tracks, subscribe });
        }
        9 => {
            let mut permissions = rights();
            permissions.publish = chance.below(2) == 0;
            permissions.subscribe = chance.below(3) > 0;
            permissions.hidden = chance.below(6) == 0;
            let identity = bench.room.members[&who].admission.identity.clone();
            bench.give(Input::SetPermissions {
                identity,
                permissions,
            });
        }
        10 => {
            if let Some(track) = some_track {
                bench.give(Input::MuteTrack {
                    track,
                    muted: chance.below(2) == 0,
                });
            }
        }
        11 => {
            let all = chance.below(2) == 0;
            bench.request(
                who,
                Request::SubscriptionPermission {
                    all,
                    allowed: Vec::new(),
                },
            );
        }
        12 => {
            if let Some(transport) = bench.transports_of(who).pop() {
                bench.media(Event::TransportClosed {
                    transport,
                    reason: CloseReason::ClosedByPeer,
                });
            }
        }
        _ => bench.pass(TimeDelta::seconds(2)),
    }
}

fn publish(bench: &mut Bench, chance: &mut Chance, who: ParticipantId, step: usize) {
    let cid = format!("track-{step}");
    let request = if chance.below(2) == 0 {
        camera(&cid)
    } else {
        microphone(&cid)
    };
    let kind = request.kind;
    let announce_first = chance.below(2) == 0;
    if announce_first {
        bench.request(who, Request::AddTrack(request.clone()));
    }
    if bench.room.members.contains_key(&who) {
        bench.clients.get_mut(&who).unwrap().add_sending(kind, &cid);
        bench.offer(who);
    }
    if !announce_first {
        bench.request(who, Request::AddTrack(request));
    }
}

fn stop_a_section(bench: &mut Bench, chance: &mut Chance, who: ParticipantId) {
    let client = bench.clients.get_mut(&who).unwrap();
    let place = chance.below(client.sections.len());
    if place > 0 {
        client.sections[place].direction = Direction::Inactive;
        bench.offer(who);
    }
}

/// No leg for a pair that may not.
fn pairs_are_allowed(bench: &Bench, seed: u64) {
    for leg in bench.watcher.legs.values() {
        let receiver = bench.room.transports[&leg.transport];
        let (publisher, track) = bench.room.sources[&leg.source];
        let (receiver, publisher) = (
            &bench.room.members[&receiver],
            &bench.room.members[&publisher],
        );
        let policy = &bench.room.policy;
        assert!(
            policy.may_receive(&receiver.admission, &publisher.admission)
                && receiver.id != publisher.id
                && receiver.admission.permissions.subscribe
                && !publisher.admission.permissions.hidden
                && publisher.shares(track, receiver),
            "seed {seed}"
        );
    }
}

/// Once all are back, whoever should have a track has one copy of it.
fn settled_pairs_have_legs(bench: &mut Bench, seed: u64) {
    let members: Vec<ParticipantId> = bench.room.members.keys().copied().collect();
    for participant in members {
        bench.give(Input::Resume { participant });
    }
    let members: Vec<ParticipantId> = bench.room.members.keys().copied().collect();
    for receiver in members {
        let subscriptions = bench.room.members[&receiver].subscriptions.clone();
        for (track, subscription) in subscriptions {
            let legs = bench.legs(receiver, track).len();
            assert_eq!(legs, 1, "seed {seed}: {subscription:?}");
        }
    }
}
