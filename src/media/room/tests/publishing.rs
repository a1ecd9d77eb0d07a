//! Announcing, binding, muting and ending tracks.

use super::super::*;
use super::bench::*;
use crate::media::command::MediaKind;
use crate::media::sdp::Direction;
use crate::media::signal::{Layer, Layout, RequestRefusal, Setting};

#[test]
fn a_track_is_published_whatever_comes_first_of_announcement_and_offer() {
    for announced_first in [true, false] {
        let mut bench = Bench::new();
        let teacher = bench.join("teacher", Layout::Single);
        let learner = bench.join("learner", Layout::Single);
        bench
            .clients
            .get_mut(&teacher)
            .unwrap()
            .add_sending(MediaKind::Video, "cam");
        if announced_first {
            bench.request(teacher, Request::AddTrack(camera("cam")));
            bench.offer(teacher);
        } else {
            bench.offer(teacher);
            bench.request(teacher, Request::AddTrack(camera("cam")));
        }
        let published = bench.published(teacher, "cam").unwrap();
        let view = bench.latest(learner, "teacher").unwrap();
        assert_eq!(view.tracks.len(), 1);
        assert_eq!(view.tracks[0].track, published.track);
        assert_eq!(view.tracks[0].mime_type, "video/VP8");
        assert_eq!(view.tracks[0].mid, "7");
        assert_eq!(bench.legs(learner, published.track).len(), 1);
    }
}

#[test]
fn a_section_of_another_id_is_matched_by_kind_in_the_order_of_announcement() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Dual);
    bench.request(teacher, Request::AddTrack(camera("first")));
    bench.request(teacher, Request::AddTrack(camera("second")));
    let client = bench.clients.get_mut(&teacher).unwrap();
    client.add_sending(MediaKind::Video, "strange");
    client.add_sending(MediaKind::Video, "second");
    bench.offer(teacher);
    let mids: Vec<(String, String)> = bench.room.participants()[0]
        .tracks
        .iter()
        .map(|track| (track.name.clone(), track.mid.clone()))
        .collect();
    assert!(
        mids.contains(&("first".to_owned(), "1".to_owned())),
        "{mids:?}"
    );
    assert!(
        mids.contains(&("second".to_owned(), "2".to_owned())),
        "{mids:?}"
    );
}

#[test]
fn rights_and_limits_refuse_an_announcement() {
    let mut bench = Bench::new();
    let mut one = admission("one", Layout::Single);
    one.permissions.sources = vec![TrackSource::Microphone];
    let one = bench.join_as(one);
    bench.request(one, Request::AddTrack(camera("cam")));
    let refused = |bench: &Bench, wanted: RequestRefusal| {
        bench.heard(one).iter().any(|notice| match notice {
            Notice::RequestRefused { reason, cid, .. } => *reason == wanted && cid.is_some(),
            _ => false,
        })
    };
    assert!(refused(&bench, RequestRefusal::NotAllowed));
    for number in 0..16 {
        bench.request(one, Request::AddTrack(microphone(&number.to_string())));
    }
    assert!(!refused(&bench, RequestRefusal::LimitExceeded));
    bench.request(one, Request::AddTrack(microphone("17th")));
    assert!(refused(&bench, RequestRefusal::LimitExceeded));
    bench.pass(chrono::TimeDelta::seconds(31));
    bench.forget();
    bench.request(one, Request::AddTrack(microphone("later")));
    assert!(
        bench.published(one, "later").is_some(),
        "what was never offered gives way"
    );
}

#[test]
fn a_simulcast_track_lists_its_layers_from_the_lowest() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Single);
    let mut request = camera("cam");
    let layer = |quality, width| Layer {
        quality,
        width,
        height: width / 2,
        ..Layer::default()
    };
    request.layers = vec![layer(0, 320), layer(1, 640)];
    let client = bench.clients.get_mut(&teacher).unwrap();
    client.add_sending(MediaKind::Video, "cam");
    let rid = |id: &str| crate::media::sdp::Rid {
        id: id.to_owned(),
        sends: true,
    };
    client.sections.last_mut().unwrap().rids = vec![rid("h"), rid("q")];
    bench.request(teacher, Request::AddTrack(request));
    bench.offer(teacher);
    let track = &bench.latest(learner, "teacher").unwrap().tracks[0];
    assert!(track.simulcast);
    let layers: Vec<(&str, u32)> = track
        .layers
        .iter()
        .map(|layer| (layer.rid.as_str(), layer.width))
        .collect();
    assert_eq!(layers, [("q", 320), ("h", 640)]);
    assert_eq!(bench.legs(learner, track.track)[0].encoding, 1);
    let tracks = vec![track.track];
    bench.forget();
    bench.request(
        learner,
        Request::TrackSetting {
            tracks,
            setting: Setting {
                shown: Some((200, 100, 2)),
                ..Setting::default()
            },
        },
    );
    assert!(matches!(
        bench.commands[..],
        [Command::SelectEncoding { encoding: 0, .. }]
    ));
}

#[test]
fn a_section_that_stops_ends_its_track_for_everybody() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Single);
    let track = bench.publish(teacher, camera("cam"));
    let source = bench.source_of(track);
    bench.media(Event::EncodingStarted {
        source,
        encoding: 0,
    });
    bench.media(Event::EncodingStarted {
        source,
        encoding: 0,
    });
    let client = bench.clients.get_mut(&teacher).unwrap();
    client.sections.last_mut().unwrap().direction = Direction::Inactive;
    bench.offer(teacher);
    assert!(bench.latest(learner, "teacher").unwrap().tracks.is_empty());
    assert!(bench.watcher.sources.is_empty() && bench.watcher.legs.is_empty());
    let started = |fact: &&RoomFact| matches!(fact, RoomFact::TrackStarted { .. });
    let stopped = |fact: &&RoomFact| matches!(fact, RoomFact::TrackStopped { .. });
    assert_eq!(bench.facts.iter().filter(started).count(), 1);
    assert_eq!(bench.facts.iter().filter(stopped).count(), 1);
}

#[test]
fn outsiders_learn_of_a_track_when_others_see_it_and_when_they_do_no_more() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    bench.request(teacher, Request::AddTrack(camera("announced only")));
    let track = bench.publish(teacher, camera("cam"));
    bench.request(teacher, Request::Mute { track, muted: true });
    bench.request(teacher, Request::Leave);
    let told: Vec<(TrackId, &str)> = bench
        .facts
        .iter()
        .filter_map(|fact| match fact {
            RoomFact::TrackPublished { track, .. } => Some((track.track, "published")),
            RoomFact::TrackUnpublished { track, .. } => Some((track.track, "unpublished")),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(track, "published"), (track, "unpublished")]);
}

#[test]
fn a_muted_track_is_held_back_until_it_goes_on() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Single);
    let track = bench.publish(teacher, camera("cam"));
    bench.forget();
    bench.request(teacher, Request::Mute { track, muted: true });
    assert!(matches!(
        bench.commands[..],
        [Command::PauseLeg { paused: true, .. }]
    ));
    assert!(bench.latest(learner, "teacher").unwrap().tracks[0].muted);
    bench.forget();
    bench.request(
        teacher,
        Request::Mute {
            track,
            muted: false,
        },
    );
    let resumed = [Command::PauseLeg {
        leg: bench.legs(learner, track)[0].leg,
        paused: false,
    }];
    assert_eq!(format!("{:?}", &bench.commands[..]), format!("{resumed:?}"));
}

#[test]
fn the_server_mutes_a_kind_of_track_of_all_but_some() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Dual);
    let spared = bench.publish(teacher, microphone("a"));
    let muted = bench.publish(learner, microphone("b"));
    let seen = bench.publish(learner, camera("c"));
    bench.give(Input::MuteTracks {
        identity: None,
        except: vec!["teacher".to_owned()],
        source: TrackSource::Microphone,
    });
    let told = |notice: &&Notice| matches!(notice, Notice::Muted { muted: true, .. });
    assert_eq!(bench.heard(learner).iter().filter(told).count(), 1);
    assert_eq!(bench.heard(teacher).iter().filter(told).count(), 0);
    let views = bench.room.participants();
    for track in views.iter().flat_map(|view| &view.tracks) {
        assert_eq!(
            track.muted,
            track.track == muted,
            "{track:?} {spared} {seen}"
        );
    }
}

#[test]
fn a_malformed_offer_is_refused_and_changes_nothing() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let track = bench.publish(teacher, camera("cam"));
    bench.forget();
    bench.request(
        teacher,
        Request::Offer {
            id: 9,
            sdp: "v=0\r\nnonsense".to_owned(),
        },
    );
    assert!(matches!(
        bench.heard(teacher),
        [Notice::RequestRefused {
            reason: RequestRefusal::Malformed,
            ..
        }]
    ));
    assert!(bench.commands.is_empty());
    assert_eq!(bench.room.participants()[0].tracks[0].track, track);
}

#[test]
fn wishes_for_redundancy_and_silence_reach_the_answer() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let mut request = microphone("mic");
    request.red_disabled = true;
    request.dtx_disabled = true;
    bench.publish(teacher, request);
    let answer = bench
        .heard(teacher)
        .iter()
        .rev()
        .find_map(|notice| match notice {
            Notice::Answer { sdp, .. } => Some(sdp.clone()),
            _ => None,
        });
    let read = crate::media::sdp::parse(&answer.unwrap()).unwrap();
    let section = read.sections.last().unwrap();
    let names: Vec<&str> = section
        .formats
        .iter()
        .map(|format| format.name.as_str())
        .collect();
    assert_eq!(names, ["opus"]);
    assert!(!section.formats[0].parameters.contains("usedtx"));
    assert_eq!(
        bench.room.participants()[0].tracks[0].mime_type,
        "audio/opus"
    );
}
