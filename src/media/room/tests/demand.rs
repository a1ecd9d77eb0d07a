//! Which layers publishers are told to send, and what subscribers hear of tracks that do not fit.

use chrono::TimeDelta;

use super::super::*;
use super::bench::*;
use crate::media::command::{AudioLevel, MediaKind};
use crate::media::sdp::Rid;
use crate::media::signal::{Layer, Layout, Setting};

/// A camera with three layers in this room.
fn three_layers(bench: &mut Bench, publisher: ParticipantId) -> TrackId {
    let mut request = camera("cam");
    let layer = |quality, width| Layer {
        quality,
        width,
        height: width / 2,
        ..Layer::default()
    };
    request.layers = vec![layer(0, 320), layer(1, 640), layer(2, 1280)];
    let client = bench.clients.get_mut(&publisher).unwrap();
    client.add_sending(MediaKind::Video, "cam");
    let rid = |id: &str| Rid {
        id: id.to_owned(),
        sends: true,
    };
    client.sections.last_mut().unwrap().rids = vec![rid("q"), rid("h"), rid("f")];
    bench.request(publisher, Request::AddTrack(request));
    bench.offer(publisher);
    bench.published(publisher, "cam").unwrap().track
}

fn show(bench: &mut Bench, receiver: ParticipantId, track: TrackId, setting: Setting) {
    let tracks = vec![track];
    bench.request(receiver, Request::TrackSetting { tracks, setting });
}

fn shown(width: u32) -> Setting {
    Setting {
        shown: Some((width, width / 2, 2)),
        ..Setting::default()
    }
}

/// The layers wanted in the last notice to a publisher.
fn wanted(bench: &Bench, publisher: ParticipantId) -> Option<Vec<(u8, bool)>> {
    bench
        .heard(publisher)
        .iter()
        .rev()
        .find_map(|notice| match notice {
            Notice::LayersWanted { layers, .. } => Some(layers.clone()),
            _ => None,
        })
}

const ALL: [(u8, bool); 3] = [(0, true), (1, true), (2, true)];
const LOWEST: [(u8, bool); 3] = [(0, true), (1, false), (2, false)];
const NONE: [(u8, bool); 3] = [(0, false), (1, false), (2, false)];

#[test]
fn layers_that_nobody_receives_are_given_up_after_five_seconds_and_taken_back_at_once() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let one = bench.join("one", Layout::Single);
    let two = bench.join("two", Layout::Dual);
    let track = three_layers(&mut bench, teacher);
    bench.forget();
    show(&mut bench, one, track, shown(300));
    show(&mut bench, two, track, shown(200));
    bench.pass(TimeDelta::milliseconds(4_900));
    assert_eq!(wanted(&bench, teacher), None);
    bench.pass(TimeDelta::milliseconds(200));
    assert_eq!(wanted(&bench, teacher), Some(LOWEST.to_vec()));
    show(&mut bench, two, track, shown(1280));
    assert_eq!(wanted(&bench, teacher), Some(ALL.to_vec()));
}

#[test]
fn a_track_that_the_server_taps_is_wanted_whole_until_the_tap_ends() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let other = bench.join("other", Layout::Single);
    let track = three_layers(&mut bench, teacher);
    let disabled = Setting {
        disabled: true,
        ..Setting::default()
    };
    show(&mut bench, other, track, disabled);
    bench.pass(TimeDelta::seconds(6));
    assert_eq!(wanted(&bench, teacher), Some(NONE.to_vec()));
    let wish = |tap: u64, identity: &str, source| TapWish {
        tap: TapId(tap),
        identity: identity.to_owned(),
        source,
        want: TapWant::Stills,
    };
    bench.give(Input::Tap(wish(1, "teacher", TrackSource::Camera)));
    assert_eq!(wanted(&bench, teacher), Some(ALL.to_vec()));
    bench.give(Input::Tap(wish(2, "teacher", TrackSource::ScreenShare)));
    bench.give(Input::Tap(wish(3, "nobody", TrackSource::Camera)));
    let taken: Vec<bool> = (1..4).map(|n| bench.room.is_tapped(TapId(n))).collect();
    assert_eq!(taken, [true, false, false]);
    bench.give(Input::Untap { tap: TapId(1) });
    bench.pass(TimeDelta::seconds(6));
    assert_eq!(wanted(&bench, teacher), Some(NONE.to_vec()));
    bench.give(Input::Tap(wish(4, "teacher", TrackSource::Camera)));
    bench.give(Input::MuteTrack { track, muted: true });
    assert!(bench.room.is_tapped(TapId(4)));
    let reason = LeaveReason::Removed;
    bench.give(Input::Remove {
        identity: "teacher".to_owned(),
        reason,
    });
    assert!(!bench.room.is_tapped(TapId(4)));
}

#[test]
fn a_picture_that_nobody_looks_at_is_not_sent() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Single);
    let track = three_layers(&mut bench, teacher);
    let hidden = Setting {
        disabled: true,
        ..Setting::default()
    };
    show(&mut bench, learner, track, hidden);
    bench.pass(TimeDelta::seconds(6));
    assert_eq!(wanted(&bench, teacher), Some(NONE.to_vec()));
    show(&mut bench, learner, track, Setting::default());
    assert_eq!(wanted(&bench, teacher), Some(ALL.to_vec()));
    let leave = Request::Leave;
    bench.request(learner, leave);
    bench.pass(TimeDelta::seconds(6));
    assert_eq!(wanted(&bench, teacher), Some(NONE.to_vec()));
}

#[test]
fn a_subscriber_hears_that_a_track_is_held_back_for_want_of_room_and_that_it_goes_on() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Dual);
    let track = bench.publish(teacher, camera("cam"));
    let leg = bench.legs(learner, track)[0].clone();
    bench.forget();
    for held in [true, false] {
        bench.media(Event::LegHeld {
            transport: leg.transport,
            leg: leg.leg,
            held,
        });
    }
    let told: Vec<(TrackId, bool)> = bench
        .heard(learner)
        .iter()
        .filter_map(|notice| match notice {
            Notice::StreamHeld { track, held, .. } => Some((*track, *held)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(track, true), (track, false)]);
    assert!(bench.heard(teacher).is_empty());
}

#[test]
fn the_picture_of_who_speaks_comes_before_others_and_a_screen_before_all() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Single);
    let camera = bench.publish(teacher, camera("cam"));
    let sound = bench.publish(teacher, microphone("mic"));
    let screen = bench.publish(
        teacher,
        super::bench::track("scr", TrackSource::ScreenShare),
    );
    let priority = |bench: &Bench, track| bench.legs(learner, track)[0].priority;
    assert!(priority(&bench, screen) > priority(&bench, camera));
    let (source, picture) = (bench.source_of(sound), bench.source_of(camera));
    bench.forget();
    for active_ratio in [1.0, 1.0, 0.0, 0.0, 0.0] {
        bench.media(Event::AudioLevels(vec![AudioLevel {
            source,
            level_dbov: 20,
            active_ratio,
        }]));
    }
    let told: Vec<bool> = bench
        .commands
        .iter()
        .filter_map(|command| match command {
            Command::PrioritizeSource { source, priority } if *source == picture => {
                Some(*priority > 0)
            }
            _ => None,
        })
        .collect();
    assert_eq!(told, [true, false]);
    let setting = Setting {
        priority: 200,
        ..Setting::default()
    };
    bench.forget();
    show(&mut bench, learner, camera, setting);
    assert!(matches!(
        bench.commands[..],
        [Command::PrioritizeLeg { priority: 200, .. }]
    ));
}
