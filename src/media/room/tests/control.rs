//! Data, rights, profiles and speakers.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::super::*;
use super::bench::*;
use super::subscribing::Staff;
use crate::domain::id::TransportId;
use crate::media::command::AudioLevel;
use crate::media::signal::{FixedProfile, Layout, ParticipantState, RequestRefusal, Speaker};

fn sent_to(bench: &Bench) -> Vec<TransportId> {
    let sent = bench.commands.iter().filter_map(|command| match command {
        Command::SendData { transport, .. } => Some(*transport),
        _ => None,
    });
    sent.collect()
}

fn message(to: &[&str]) -> Request {
    Request::SendData {
        own: None,
        sequence: 0,
        channel: DataChannel::Reliable,
        to: to.iter().map(|identity| (*identity).to_owned()).collect(),
        payload: Bytes::from_static(b"hello"),
    }
}

#[test]
fn data_goes_to_the_addressed_on_their_receiving_transport_and_never_back() {
    let mut bench = Bench::new();
    let one = bench.join("one", Layout::Single);
    let two = bench.join("two", Layout::Dual);
    let three = bench.join("three", Layout::Single);
    bench.forget();
    bench.request(one, message(&[]));
    let receiving =
        |bench: &Bench, who: ParticipantId| bench.room.members[&who].receiving().unwrap().transport;
    assert_eq!(
        sent_to(&bench),
        [receiving(&bench, two), receiving(&bench, three)]
    );
    bench.forget();
    bench.request(one, message(&["three", "one", "nobody", "three"]));
    assert_eq!(sent_to(&bench), [receiving(&bench, three)]);
    let transport = bench.transports_of(two)[0];
    let payload = Bytes::from_static(b"raw");
    bench.media(Event::Data {
        transport,
        channel: DataChannel::Lossy,
        payload,
    });
    assert!(matches!(
        bench.heard(two).last(),
        Some(Notice::OwnData { .. })
    ));
}

#[test]
fn data_without_the_right_or_beyond_the_bound_is_refused() {
    let mut bench = Bench::new();
    let mut mute = admission("mute", Layout::Single);
    mute.permissions.publish_data = false;
    let mute = bench.join_as(mute);
    let two = bench.join("two", Layout::Single);
    bench.forget();
    bench.request(mute, message(&[]));
    let last = bench.heard(mute).last();
    assert!(matches!(
        last,
        Some(Notice::RequestRefused {
            reason: RequestRefusal::NotAllowed,
            ..
        })
    ));
    let long = Request::SendData {
        own: None,
        sequence: 0,
        channel: DataChannel::Lossy,
        to: Vec::new(),
        payload: Bytes::from(vec![0; 256 * 1024 + 1]),
    };
    bench.request(two, long);
    assert!(matches!(
        bench.heard(two).last(),
        Some(Notice::RequestRefused {
            reason: RequestRefusal::LimitExceeded,
            ..
        })
    ));
    assert!(sent_to(&bench).is_empty());
}

#[test]
fn a_pair_that_may_not_exchange_messages_does_not() {
    let mut bench = Bench::new();
    bench.give(Input::SetPolicy(Arc::new(Staff)));
    bench.join("staff", Layout::Single);
    let one = bench.join("learner-1", Layout::Single);
    bench.join("learner-2", Layout::Single);
    bench.forget();
    bench.request(one, message(&[]));
    assert_eq!(sent_to(&bench).len(), 1);
    bench.give(Input::SendData {
        channel: DataChannel::Reliable,
        to: Vec::new(),
        payload: Bytes::from_static(b"from the server"),
    });
    assert_eq!(sent_to(&bench).len(), 4);
}

#[test]
fn rights_taken_away_end_tracks_and_legs_and_are_told_to_their_owner() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Single);
    let own = bench.publish(learner, camera("cam"));
    let lesson = bench.publish(teacher, camera("lesson"));
    bench.forget();
    let mut fewer = rights();
    fewer.publish = false;
    fewer.subscribe = false;
    let identity = "learner".to_owned();
    bench.give(Input::SetPermissions {
        identity: identity.clone(),
        permissions: fewer.clone(),
    });
    assert!(bench.legs(teacher, own).is_empty() && bench.legs(learner, lesson).is_empty());
    let unpublished = |notice: &Notice| matches!(notice, Notice::TrackUnpublished { .. });
    assert!(bench.heard(learner).iter().any(unpublished));
    assert_eq!(bench.latest(learner, "learner").unwrap().permissions, fewer);
    assert!(bench.latest(teacher, "learner").unwrap().tracks.is_empty());
    bench.give(Input::SetPermissions {
        identity,
        permissions: rights(),
    });
    assert_eq!(bench.legs(learner, lesson).len(), 1);
}

#[test]
fn somebody_hidden_is_not_seen_but_sees() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let lesson = bench.publish(teacher, camera("lesson"));
    let mut monitor = admission("monitor", Layout::Dual);
    monitor.permissions.hidden = true;
    let monitor = bench.join_as(monitor);
    bench.connect(monitor);
    assert_eq!(bench.latest(teacher, "monitor"), None);
    assert_eq!(bench.room.view().participants, 1);
    assert_eq!(bench.legs(monitor, lesson).len(), 1);
    bench.request(monitor, Request::AddTrack(camera("cam")));
    assert!(bench.published(monitor, "cam").is_none());
    let identity = || "monitor".to_owned();
    bench.give(Input::SetPermissions {
        identity: identity(),
        permissions: rights(),
    });
    assert_eq!(
        bench.latest(teacher, "monitor").unwrap().state,
        ParticipantState::Active
    );
    let mut hidden = rights();
    hidden.hidden = true;
    bench.give(Input::SetPermissions {
        identity: identity(),
        permissions: hidden,
    });
    let last = bench.latest(teacher, "monitor").unwrap();
    assert_eq!(last.state, ParticipantState::Disconnected);
    assert_eq!(
        bench.latest(monitor, "monitor").unwrap().state,
        ParticipantState::Active
    );
}

#[test]
fn an_own_update_needs_the_right_and_keeps_the_bounds() {
    let mut bench = Bench::new();
    let one = bench.join("one", Layout::Single);
    let two = bench.join("two", Layout::Single);
    let update = |metadata: String| Request::UpdateMetadata {
        request_id: 5,
        metadata,
        name: "One".to_owned(),
        attributes: BTreeMap::from([("hand".to_owned(), "up".to_owned())]),
    };
    bench.request(one, update("m".to_owned()));
    let done = |notice: &Notice| matches!(notice, Notice::RequestDone { request_id: 5 });
    assert!(bench.heard(one).iter().any(done));
    let view = bench.latest(two, "one").unwrap();
    assert_eq!((view.name.as_str(), view.metadata.as_str()), ("One", "m"));
    assert_eq!(view.attributes["hand"], "up");
    bench.forget();
    bench.request(one, update("m".repeat(64 * 1024 + 1)));
    assert!(matches!(
        bench.heard(one).last(),
        Some(Notice::RequestRefused {
            request_id: 5,
            reason: RequestRefusal::LimitExceeded,
            ..
        })
    ));
    let mut fewer = rights();
    fewer.update_own_metadata = false;
    let identity = "one".to_owned();
    bench.give(Input::SetPermissions {
        identity: identity.clone(),
        permissions: fewer,
    });
    bench.request(one, update("n".to_owned()));
    assert!(matches!(
        bench.heard(one).last(),
        Some(Notice::RequestRefused {
            reason: RequestRefusal::NotAllowed,
            ..
        })
    ));
    let attributes = BTreeMap::from([("hand".to_owned(), String::new())]);
    bench.give(Input::SetAttributes {
        identity,
        attributes,
    });
    assert!(bench.latest(two, "one").unwrap().attributes.is_empty());
}

#[test]
fn what_the_domain_fixed_of_a_profile_only_the_domain_changes() {
    let mut bench = Bench::new();
    let mut learner = admission("learner", Layout::Single);
    learner.name = "李".to_owned();
    learner.attributes = BTreeMap::from([("role".to_owned(), "learner".to_owned())]);
    learner.fixed = FixedProfile {
        name_and_metadata: true,
        attributes: ["role", "floor"].map(str::to_owned).into(),
        camera_is_read: false,
    };
    let learner = bench.join_as(learner);
    let teacher = bench.join("teacher", Layout::Single);
    let update = |metadata: &str, name: &str, attributes: &[(&str, &str)]| {
        let attributes = attributes.iter();
        Request::UpdateMetadata {
            request_id: 5,
            metadata: metadata.to_owned(),
            name: name.to_owned(),
            attributes: attributes
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        }
    };
    for forbidden in [
        update("", "", &[("role", "teacher")]),
        update("", "", &[("role", "")]),
        update("", "", &[("floor", "1"), ("hand", "1")]),
        update("", "王", &[("hand", "1")]),
        update("m", "", &[]),
    ] {
        bench.forget();
        bench.request(learner, forbidden.clone());
        let last = bench.heard(learner).last();
        let refused = matches!(
            last,
            Some(Notice::RequestRefused {
                request_id: 5,
                reason: RequestRefusal::NotAllowed,
                ..
            })
        );
        assert!(refused, "{forbidden:?}: {last:?}");
        assert!(bench.latest(teacher, "learner").is_none(), "{forbidden:?}");
    }
    let unchanged = [("role", "learner"), ("hand", "1")];
    bench.request(learner, update("", "李", &unchanged));
    let view = bench.latest(teacher, "learner").unwrap();
    assert_eq!(view.attributes["hand"], "1");
    bench.give(Input::SetAttributes {
        identity: "learner".to_owned(),
        attributes: ["role", "floor"]
            .map(|key| (key.to_owned(), "1".to_owned()))
            .into(),
    });
    let view = bench.latest(teacher, "learner").unwrap();
    assert_eq!(
        (&*view.attributes["role"], &*view.attributes["floor"]),
        ("1", "1")
    );
}

#[test]
fn a_removed_participant_is_told_why() {
    let mut bench = Bench::new();
    let one = bench.join("one", Layout::Single);
    let reason = LeaveReason::Removed;
    bench.give(Input::Remove {
        identity: "one".to_owned(),
        reason,
    });
    assert!(matches!(
        bench.heard(one).last(),
        Some(Notice::Left(LeaveReason::Removed))
    ));
    assert!(bench.watcher.transports.is_empty());
}

#[test]
fn speakers_are_told_as_changes_with_hysteresis_to_those_who_hear_them() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Single);
    let mut apart = admission("apart", Layout::Single);
    apart.auto_subscribe = false;
    let apart = bench.join_as(apart);
    let track = bench.publish(teacher, microphone("mic"));
    let source = bench.source_of(track);
    bench.forget();
    let ratios = [1.0, 1.0, 0.3, 1.0, 0.9, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    for active_ratio in ratios {
        let level = AudioLevel {
            source,
            level_dbov: 26,
            active_ratio,
        };
        bench.media(Event::AudioLevels(vec![level]));
        // What another thread hears says nothing of this one's.
        bench.media(Event::AudioLevels(Vec::new()));
        bench.pass(TimeDelta::milliseconds(400));
    }
    let heard: Vec<Speaker> = bench
        .heard(learner)
        .iter()
        .flat_map(|notice| match notice {
            Notice::Speakers(speakers) => speakers.clone(),
            _ => Vec::new(),
        })
        .collect();
    assert!(heard.iter().all(|speaker| speaker.participant == teacher));
    assert!(heard.first().unwrap().active && heard.first().unwrap().level > 0.2);
    let ends = heard.iter().filter(|speaker| !speaker.active).count();
    assert_eq!(ends, 1, "a breath does not flicker: {heard:?}");
    assert_eq!(heard.last().unwrap().level, 0.0);
    assert!(heard.len() <= 6, "{heard:?}");
    assert!(
        !bench
            .heard(apart)
            .iter()
            .any(|n| matches!(n, Notice::Speakers(_)))
    );
    assert!(bench.room.speaking.is_empty());
}

#[test]
fn a_muted_source_does_not_speak() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Single);
    let track = bench.publish(teacher, microphone("mic"));
    let level = AudioLevel {
        source: bench.source_of(track),
        level_dbov: 20,
        active_ratio: 1.0,
    };
    bench.media(Event::AudioLevels(vec![level]));
    bench.forget();
    bench.give(Input::MuteTrack { track, muted: true });
    let over = |notice: &Notice| match notice {
        Notice::Speakers(speakers) => !speakers[0].active,
        _ => false,
    };
    assert!(bench.heard(learner).iter().any(over));
    bench.forget();
    bench.media(Event::AudioLevels(vec![level]));
    assert!(bench.heard(learner).is_empty());
}
