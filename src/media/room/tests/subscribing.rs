//! Who gets whose tracks, and on which sections.

use std::collections::BTreeSet;

use super::super::*;
use super::bench::*;
use crate::media::command::MediaKind;
use crate::media::signal::{ClientDescription, Layout, Setting};

#[test]
fn everybody_gets_everything_in_both_layouts() {
    let mut bench = Bench::new();
    let people = [Layout::Single, Layout::Dual, Layout::Single, Layout::Dual];
    let people: Vec<ParticipantId> = people
        .into_iter()
        .enumerate()
        .map(|(number, layout)| bench.join(&number.to_string(), layout))
        .collect();
    let mut tracks = Vec::new();
    for (number, publisher) in people.iter().enumerate() {
        tracks.push((
            *publisher,
            bench.publish(*publisher, camera(&format!("c{number}"))),
        ));
        tracks.push((
            *publisher,
            bench.publish(*publisher, microphone(&format!("m{number}"))),
        ));
    }
    let late = bench.join("late", Layout::Dual);
    let later = bench.join("later", Layout::Single);
    for receiver in people.iter().chain([&late, &later]) {
        for (publisher, track) in &tracks {
            let expected = usize::from(publisher != receiver);
            assert_eq!(bench.legs(*receiver, *track).len(), expected);
        }
        let map: BTreeSet<TrackId> = bench.clients[receiver].map.values().copied().collect();
        let others = tracks.iter().filter(|(publisher, _)| publisher != receiver);
        assert_eq!(
            map,
            others.map(|(_, track)| *track).collect(),
            "the whole map"
        );
    }
}

#[test]
fn others_hear_of_a_participant_before_they_are_told_of_its_media() {
    for layout in [Layout::Single, Layout::Dual] {
        let mut bench = Bench::new();
        let teacher = bench.join("teacher", Layout::Single);
        let learner = bench.join("learner", layout);
        bench.forget();
        bench.publish(teacher, camera("cam"));
        let heard = bench.heard(learner);
        let view = heard
            .iter()
            .position(|n| matches!(n, Notice::Participants(_)))
            .unwrap();
        let media = heard.iter().position(|notice| {
            matches!(notice, Notice::MediaSections { .. } | Notice::Offer { .. })
        });
        assert!(view < media.unwrap(), "{heard:?}");
    }
}

#[test]
fn a_client_with_enough_sections_is_asked_for_none_and_one_without_for_those_missing() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Single);
    let asked = |bench: &Bench| -> Vec<(u32, u32)> {
        let heard = bench.heard(learner).iter();
        let asked = heard.filter_map(|notice| match notice {
            Notice::MediaSections { audios, videos } => Some((*audios, *videos)),
            _ => None,
        });
        asked.collect()
    };
    for cid in ["1", "2", "3", "4"] {
        bench.publish(teacher, camera(cid));
    }
    assert_eq!(asked(&bench), [(0, 0), (0, 0), (0, 0), (0, 1)]);
    assert_eq!(bench.watcher.legs.len(), 4);
}

#[test]
fn a_client_that_never_brings_sections_is_not_asked_for_ever() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Single);
    bench.clients.get_mut(&learner).unwrap().is_deaf = true;
    for cid in ["1", "2", "3", "4", "5"] {
        bench.publish(teacher, camera(cid));
    }
    for _ in 0..10 {
        bench.offer(learner);
    }
    let asked = |notice: &&Notice| matches!(notice, Notice::MediaSections { .. });
    let count = bench.heard(learner).iter().filter(asked).count();
    assert!(count <= 8, "{count}");
    assert_eq!(bench.watcher.legs.len(), 3);
}

#[test]
fn sections_of_ended_tracks_are_used_again() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Single);
    for round in 0..12 {
        let track = bench.publish(teacher, camera(&round.to_string()));
        assert_eq!(bench.legs(learner, track).len(), 1);
        let client = bench.clients.get_mut(&teacher).unwrap();
        let last = client.sections.last_mut().unwrap();
        last.direction = crate::media::sdp::Direction::Inactive;
        bench.offer(teacher);
        assert!(bench.watcher.legs.is_empty());
    }
    assert_eq!(bench.clients[&learner].sections.len(), 7);
}

#[test]
fn never_a_second_offer_while_one_is_out() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Dual);
    bench.clients.get_mut(&learner).unwrap().holds_answers = true;
    bench.forget();
    for cid in ["1", "2", "3"] {
        bench.publish(teacher, camera(cid));
    }
    let offers = |bench: &Bench| {
        let offer = |notice: &&Notice| matches!(notice, Notice::Offer { .. });
        bench.heard(learner).iter().filter(offer).count()
    };
    assert_eq!(offers(&bench), 1);
    let (id, sdp) = bench.clients.get_mut(&learner).unwrap().held.remove(0);
    bench.clients.get_mut(&learner).unwrap().holds_answers = false;
    bench.request(learner, Request::Answer { id, sdp });
    assert_eq!(offers(&bench), 2);
    assert_eq!(bench.watcher.legs.len(), 3);
}

#[test]
fn a_publisher_hears_of_the_first_subscription_only() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    bench.publish(teacher, camera("cam"));
    bench.forget();
    bench.join("one", Layout::Single);
    bench.join("two", Layout::Dual);
    assert_eq!(bench.watcher.legs.len(), 2);
    let told = |notice: &&Notice| matches!(notice, Notice::TrackSubscribed { .. });
    assert_eq!(bench.heard(teacher).iter().filter(told).count(), 1);
}

#[test]
fn a_client_chooses_its_subscriptions() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let track = bench.publish(teacher, camera("cam"));
    let mut quiet = admission("learner", Layout::Single);
    quiet.auto_subscribe = false;
    let learner = bench.join_as(quiet);
    assert!(bench.watcher.legs.is_empty());
    bench.request(
        learner,
        Request::Subscribe {
            tracks: vec![track],
            subscribe: true,
        },
    );
    assert_eq!(bench.legs(learner, track).len(), 1);
    bench.request(
        learner,
        Request::Subscribe {
            tracks: vec![track],
            subscribe: false,
        },
    );
    assert!(bench.watcher.legs.is_empty());
    let unknown = TrackId(uuid::Uuid::from_u128(1));
    bench.request(
        learner,
        Request::Subscribe {
            tracks: vec![unknown],
            subscribe: true,
        },
    );
    let failed = |notice: &&Notice| matches!(notice, Notice::SubscriptionFailed { .. });
    assert_eq!(bench.heard(learner).iter().filter(failed).count(), 1);
}

#[test]
fn a_track_that_is_not_shown_is_held_back() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Dual);
    let track = bench.publish(teacher, camera("cam"));
    bench.forget();
    let setting = |disabled| Request::TrackSetting {
        tracks: vec![track],
        setting: Setting {
            disabled,
            ..Setting::default()
        },
    };
    bench.request(learner, setting(true));
    assert!(matches!(
        bench.commands[..],
        [Command::PauseLeg { paused: true, .. }]
    ));
    bench.forget();
    bench.request(learner, setting(false));
    assert!(matches!(
        bench.commands[..],
        [Command::PauseLeg { paused: false, .. }]
    ));
}

#[test]
fn fewer_pictures_than_come_are_passed_on_as_a_wish_also_to_a_leg_that_begins_later() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Dual);
    let track = bench.publish(teacher, camera("cam"));
    bench.forget();
    let setting = |frames_per_second| Request::TrackSetting {
        tracks: vec![track],
        setting: Setting {
            frames_per_second,
            ..Setting::default()
        },
    };
    for (said, wanted) in [(7, Some(7)), (0, None), (15, Some(15))] {
        bench.request(learner, setting(said));
        let [
            Command::LimitFrameRate {
                frames_per_second, ..
            },
        ] = bench.commands[..]
        else {
            panic!("{:?}", bench.commands);
        };
        assert_eq!(frames_per_second, wanted);
        bench.forget();
    }
    for subscribe in [false, true] {
        let tracks = vec![track];
        bench.request(learner, Request::Subscribe { tracks, subscribe });
    }
    let limited = |command: &Command| match command {
        Command::LimitFrameRate {
            frames_per_second, ..
        } => *frames_per_second,
        _ => None,
    };
    assert_eq!(bench.commands.iter().find_map(limited), Some(15));
}

#[test]
fn a_forbidden_pair_has_no_leg_whatever_the_client_asks() {
    let mut bench = Bench::new();
    bench.give(Input::SetPolicy(Arc::new(Staff)));
    let teacher = bench.join("staff-1", Layout::Single);
    let one = bench.join("learner-1", Layout::Single);
    let two = bench.join("learner-2", Layout::Dual);
    let track = bench.publish(one, camera("cam"));
    let lesson = bench.publish(teacher, camera("lesson"));
    assert_eq!(bench.legs(teacher, track).len(), 1);
    assert_eq!(bench.legs(two, lesson).len(), 1);
    bench.request(
        two,
        Request::Subscribe {
            tracks: vec![track],
            subscribe: true,
        },
    );
    assert!(bench.legs(two, track).is_empty());
    assert_eq!(bench.latest(two, "learner-1"), None, "not even seen");
    bench.give(Input::SetPolicy(Arc::new(Everybody)));
    assert_eq!(bench.legs(two, track).len(), 1);
    assert!(bench.latest(two, "learner-1").is_some());
    bench.give(Input::SetPolicy(Arc::new(Staff)));
    assert!(bench.legs(two, track).is_empty());
}

/// Learners see and receive staff alone.
#[derive(Debug)]
pub struct Staff;

impl Policy for Staff {
    fn may_receive(&self, receiver: &Admission, publisher: &Admission) -> bool {
        receiver.identity.starts_with("staff") || publisher.identity.starts_with("staff")
    }

    fn may_see(&self, observer: &Admission, subject: &Admission) -> bool {
        self.may_receive(observer, subject)
    }

    fn may_message(&self, receiver: &Admission, sender: &Admission) -> bool {
        self.may_receive(receiver, sender)
    }
}

fn share(bench: &mut Bench, publisher: ParticipantId, allowed: Option<&[(&str, TrackId)]>) {
    let allowed_pairs = allowed.unwrap_or_default().iter();
    let allowed_pairs = allowed_pairs.map(|(who, track)| ((*who).to_owned(), vec![*track]));
    let request = Request::SubscriptionPermission {
        all: allowed.is_none(),
        allowed: allowed_pairs.collect(),
    };
    bench.request(publisher, request);
}

/// What somebody was told of others sharing a track.
fn told_of_sharing(bench: &Bench, who: ParticipantId, wanted: TrackId) -> Vec<bool> {
    let told = bench.heard(who).iter().filter_map(|notice| match notice {
        Notice::SubscriptionAllowed { track, allowed, .. } if *track == wanted => Some(*allowed),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_publisher_says_who_may_subscribe_and_both_the_allowed_and_the_others_follow_at_once() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let one = bench.join("one", Layout::Single);
    let two = bench.join("two", Layout::Dual);
    let camera = bench.publish(teacher, camera("cam"));
    let microphone = bench.publish(teacher, microphone("mic"));
    let before = bench.now;
    let has = |bench: &Bench, who, track| bench.legs(who, track).len() == 1;
    share(
        &mut bench,
        teacher,
        Some(&[("one", camera), (&two.sid(), microphone)]),
    );
    assert!(has(&bench, one, camera) && !has(&bench, one, microphone));
    assert!(!has(&bench, two, camera) && has(&bench, two, microphone));
    assert_eq!(told_of_sharing(&bench, one, microphone), [false]);
    assert_eq!(told_of_sharing(&bench, two, camera), [false]);
    assert!(told_of_sharing(&bench, one, camera).is_empty());
    share(&mut bench, teacher, None);
    assert!(has(&bench, one, microphone) && has(&bench, two, camera));
    assert_eq!(told_of_sharing(&bench, one, microphone), [false, true]);
    assert_eq!(told_of_sharing(&bench, two, camera), [false, true]);
    assert_eq!(bench.now, before, "nothing of this waited");
}

#[test]
fn a_newcomer_and_who_was_away_hear_what_is_not_shared_with_them() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let away = bench.join("away", Layout::Single);
    let track = bench.publish(teacher, camera("cam"));
    bench.give(Input::SignalLost { participant: away });
    share(&mut bench, teacher, Some(&[]));
    assert!(bench.legs(away, track).is_empty());
    let late = bench.join("late", Layout::Dual);
    assert_eq!(told_of_sharing(&bench, late, track), [false]);
    assert!(told_of_sharing(&bench, away, track).is_empty());
    bench.give(Input::Resume { participant: away });
    assert_eq!(told_of_sharing(&bench, away, track), [false]);
    let second = bench.publish(teacher, microphone("mic"));
    assert_eq!(told_of_sharing(&bench, late, second), [false]);
    bench.give(Input::SignalLost { participant: away });
    share(&mut bench, teacher, None);
    bench.give(Input::Resume { participant: away });
    assert_eq!(told_of_sharing(&bench, away, track), [false, true]);
    assert_eq!(bench.legs(away, track).len(), 1);
}

#[test]
fn a_track_that_is_asked_for_and_not_shared_comes_when_it_is() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let track = bench.publish(teacher, camera("cam"));
    share(&mut bench, teacher, Some(&[]));
    let mut picky = admission("picky", Layout::Single);
    picky.auto_subscribe = false;
    let picky = bench.join_as(picky);
    bench.connect(picky);
    assert!(
        told_of_sharing(&bench, picky, track).is_empty(),
        "it does not wish for it"
    );
    let tracks = vec![track];
    let subscribe = true;
    bench.request(picky, Request::Subscribe { tracks, subscribe });
    assert_eq!(told_of_sharing(&bench, picky, track), [false]);
    let failed = |notice: &Notice| matches!(notice, Notice::SubscriptionFailed { .. });
    assert!(!bench.heard(picky).iter().any(failed), "it may come yet");
    share(&mut bench, teacher, Some(&[("picky", track)]));
    assert_eq!(bench.legs(picky, track).len(), 1);
}

#[test]
fn a_client_that_offers_learns_of_tracks_that_were_taken_from_it_by_one_more_description() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Single);
    let picture = bench.publish(teacher, camera("cam"));
    let sound = bench.publish(teacher, microphone("mic"));
    let asked = |bench: &Bench| {
        let heard = bench.heard(learner).iter();
        heard
            .filter(|notice| matches!(notice, Notice::MediaSections { .. }))
            .count()
    };
    let subscribe = |tracks: &[TrackId], subscribe| Request::Subscribe {
        tracks: tracks.to_vec(),
        subscribe,
    };
    bench.forget();
    bench.clients.get_mut(&learner).unwrap().is_deaf = true;
    bench.request(learner, subscribe(&[picture], false));
    bench.request(learner, subscribe(&[sound], false));
    assert_eq!(asked(&bench), 1, "one offer tells of both");
    bench.offer(learner);
    assert!(bench.clients[&learner].map.is_empty());
    assert_eq!(asked(&bench), 1);
    bench.clients.get_mut(&learner).unwrap().is_deaf = false;
    bench.request(learner, subscribe(&[picture, sound], true));
    assert_eq!(bench.clients[&learner].map.len(), 2);
    bench.forget();
    bench.request(teacher, Request::Leave);
    assert_eq!(asked(&bench), 0, "of what ended for all it hears otherwise");
}

#[test]
fn streams_that_belong_together_share_an_id_unless_the_client_cannot() {
    for apart in [false, true] {
        let mut bench = Bench::new();
        let teacher = bench.join("teacher", Layout::Single);
        let track = bench.publish(teacher, camera("cam"));
        let mut learner = admission("learner", Layout::Dual);
        learner.client = ClientDescription {
            streams_apart: apart,
            ..learner.client
        };
        let learner = bench.join_as(learner);
        let offer = bench.heard(learner).iter().find_map(|notice| match notice {
            Notice::Offer { id: 1, sdp, .. } => Some(sdp.clone()),
            _ => None,
        });
        let group = if apart {
            track.sid()
        } else {
            "camera".to_owned()
        };
        let msid = format!("a=msid:{}|{group} {}\r\n", teacher.sid(), track.sid());
        assert!(offer.unwrap().contains(&msid));
    }
}

#[test]
fn a_stream_name_that_no_description_can_carry_sets_its_tracks_apart() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let mut request = camera("cam");
    request.stream = "我的 摄像头\r\na=x".to_owned();
    let track = bench.publish(teacher, request);
    let learner = bench.join("learner", Layout::Dual);
    let offer = bench.heard(learner).iter().find_map(|notice| match notice {
        Notice::Offer { sdp, .. } => Some(sdp.clone()),
        _ => None,
    });
    let offer = offer.unwrap();
    let msid = format!("a=msid:{0}|{1} {1}\r\n", teacher.sid(), track.sid());
    assert!(offer.contains(&msid) && !offer.contains("a=x"));
}

#[test]
fn what_waits_for_a_full_description_gets_its_turn_when_something_ends() {
    let mut bench = Bench::new();
    let learner = bench.join("learner", Layout::Single);
    let client = bench.clients.get_mut(&learner).unwrap();
    (0..249).for_each(|_| client.add_receiving(MediaKind::Audio));
    bench.offer(learner);
    let teacher = bench.join("teacher", Layout::Single);
    let cids = ["1", "2", "3", "4"];
    let tracks: Vec<TrackId> = cids
        .iter()
        .map(|cid| bench.publish(teacher, camera(cid)))
        .collect();
    assert!(bench.legs(learner, tracks[3]).is_empty());
    let client = bench.clients.get_mut(&teacher).unwrap();
    let first = client
        .sections
        .iter_mut()
        .find(|s| s.msid.as_ref().is_some_and(|(_, cid)| cid == "1"));
    first.unwrap().direction = crate::media::sdp::Direction::Inactive;
    bench.offer(teacher);
    assert_eq!(bench.legs(learner, tracks[3]).len(), 1);
}

#[test]
fn a_section_that_the_client_takes_away_is_replaced() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Single);
    let track = bench.publish(teacher, camera("cam"));
    let client = bench.clients.get_mut(&learner).unwrap();
    let mid = client.map.keys().next().unwrap().clone();
    let section = client
        .sections
        .iter_mut()
        .find(|section| section.mid == mid)
        .unwrap();
    section.direction = crate::media::sdp::Direction::Inactive;
    bench.offer(learner);
    assert_eq!(bench.legs(learner, track).len(), 1);
    assert!(!bench.clients[&learner].map.contains_key(&mid));
    assert_eq!(bench.room.members[&learner].waiting().videos, 0);
}
