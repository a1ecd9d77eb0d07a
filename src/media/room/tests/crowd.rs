//! Large classes: an audience before a stage.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::super::*;
use super::bench::*;
use crate::domain::id::TransportId;
use crate::media::signal::{FixedProfile, Layout, ParticipantState, ParticipantView};

/// Participants up to whom everybody sees everybody.
const TOGETHER_MAX: usize = 100;

fn class() -> Input {
    let audience = Audience {
        mark: ("role".to_owned(), "learner".to_owned()),
        called_on: "floor".to_owned(),
    };
    Input::SetPolicy(Arc::new(UntilCrowded {
        participants_max: TOGETHER_MAX,
        then: Arc::new(audience),
    }))
}

fn join(bench: &mut Bench, role: &str, number: usize) -> ParticipantId {
    let layout = if number.is_multiple_of(2) {
        Layout::Single
    } else {
        Layout::Dual
    };
    let mut admission = admission(&format!("{role}-{number}"), layout);
    admission.attributes = BTreeMap::from([("role".to_owned(), role.to_owned())]);
    admission.fixed = FixedProfile {
        name_and_metadata: true,
        attributes: BTreeSet::from(["role", "floor"].map(str::to_owned)),
        camera_is_read: false,
    };
    let participant = bench.join_as(admission);
    bench.connect(participant);
    participant
}

fn floor(bench: &mut Bench, identity: &str, value: &str) {
    bench.give(Input::SetAttributes {
        identity: identity.to_owned(),
        attributes: BTreeMap::from([("floor".to_owned(), value.to_owned())]),
    });
}

/// Whose media reach whom: identities of publisher and receiver.
fn deliveries(bench: &Bench) -> BTreeSet<(String, String)> {
    let identity = |participant: &ParticipantId| {
        let member = &bench.room.members[participant];
        member.admission.identity.clone()
    };
    let owner = |transport: &TransportId| identity(&bench.room.transports[transport]);
    let legs = bench.watcher.legs.values();
    legs.map(|leg| {
        (
            identity(&bench.room.sources[&leg.source].0),
            owner(&leg.transport),
        )
    })
    .collect()
}

fn told(bench: &Bench, observer: ParticipantId) -> Vec<ParticipantView> {
    let heard = bench.heard(observer).iter();
    heard
        .flat_map(|notice| match notice {
            Notice::Participants(views) => owned(views),
            Notice::Joined(welcome) => welcome.others.clone(),
            _ => Vec::new(),
        })
        .collect()
}

fn is_learner(identity: &str) -> bool {
    identity.starts_with("learner")
}

#[test]
fn in_a_large_class_learners_see_staff_and_whoever_was_called_on_and_staff_see_all() {
    let mut bench = Bench::new();
    bench.give(class());
    let teacher = join(&mut bench, "teacher", 0);
    let lesson = bench.publish(teacher, camera("lesson"));
    let mut learners: Vec<ParticipantId> = (0..99)
        .map(|number| join(&mut bench, "learner", number))
        .collect();
    let early = bench.publish(learners[0], camera("early"));
    assert_eq!(
        bench.legs(learners[1], early).len(),
        1,
        "a small class sees itself"
    );
    bench.forget();
    for number in 99..150 {
        let learner = join(&mut bench, "learner", number);
        if number.is_multiple_of(10) {
            bench.publish(learner, microphone("late"));
        }
        learners.push(learner);
    }
    bench.pass(TimeDelta::seconds(2));
    let others = |pair: &&(String, String)| is_learner(&pair.0) && is_learner(&pair.1);
    assert_eq!(deliveries(&bench).iter().find(others), None);
    assert_eq!(
        bench.latest(learners[1], "learner-0").unwrap().state,
        ParticipantState::Disconnected
    );
    for (number, learner) in learners.iter().enumerate() {
        assert_eq!(bench.legs(*learner, lesson).len(), 1, "learner {number}");
        let own = format!("learner-{number}");
        let seen = |view: &ParticipantView| {
            view.state != ParticipantState::Disconnected
                && is_learner(&view.identity)
                && view.identity != own
        };
        assert_eq!(
            told(&bench, *learner).into_iter().find(seen),
            None,
            "learner {number}"
        );
    }
    assert_eq!(bench.room.others(teacher).count(), 150);
    assert!((99..150).all(|n| bench.latest(teacher, &format!("learner-{n}")).is_some()));
    let to_teacher = deliveries(&bench)
        .into_iter()
        .filter(|(_, to)| to == "teacher-0")
        .count();
    assert_eq!(to_teacher, 6);

    floor(&mut bench, "learner-0", "1");
    assert!(
        learners[1..]
            .iter()
            .all(|learner| bench.legs(*learner, early).len() == 1)
    );
    assert_eq!(
        bench.latest(learners[149], "learner-0").unwrap().state,
        ParticipantState::Active
    );
    assert!(
        bench.legs(learners[0], early).is_empty(),
        "nobody hears oneself"
    );
    floor(&mut bench, "learner-0", "");
    assert_eq!(deliveries(&bench).iter().find(others), None);
    let last = bench.latest(learners[149], "learner-0").unwrap();
    assert_eq!(last.state, ParticipantState::Disconnected);
}

#[test]
fn a_class_that_was_large_stays_apart_and_its_learners_reach_the_staff_alone() {
    let mut bench = Bench::new();
    bench.give(class());
    let teacher = join(&mut bench, "teacher", 0);
    let learners: Vec<ParticipantId> = (0..100)
        .map(|number| join(&mut bench, "learner", number))
        .collect();
    for learner in &learners[50..] {
        bench.request(*learner, Request::Leave);
    }
    bench.pass(TimeDelta::seconds(2));
    let track = bench.publish(learners[0], camera("cam"));
    assert_eq!(bench.legs(teacher, track).len(), 1);
    assert!(bench.legs(learners[1], track).is_empty());
    bench.forget();
    bench.request(
        learners[0],
        Request::SendData {
            own: None,
            sequence: 0,
            channel: DataChannel::Reliable,
            to: Vec::new(),
            payload: Bytes::from_static(b"may I?"),
        },
    );
    let sent = bench.commands.iter().filter_map(|command| match command {
        Command::SendData { transport, .. } => Some(*transport),
        _ => None,
    });
    let staff = bench.room.members[&teacher].receiving().unwrap().transport;
    assert_eq!(sent.collect::<Vec<_>>(), [staff]);
}
