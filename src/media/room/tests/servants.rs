//! Those who serve others: recorders and programs; and those who are hidden.

use super::super::*;
use super::bench::*;
use crate::media::signal::{Layout, ParticipantKind};

fn join_with(
    bench: &mut Bench,
    identity: &str,
    change: impl FnOnce(&mut Admission),
) -> ParticipantId {
    let mut admission = admission(identity, Layout::Single);
    change(&mut admission);
    let participant = bench.join_as(admission);
    bench.connect(participant);
    participant
}

fn recorder(admission: &mut Admission) {
    admission.permissions.recorder = true;
    admission.permissions.hidden = true;
    admission.kind = ParticipantKind::Egress;
}

/// What somebody was told of the room being recorded.
fn recorded(bench: &Bench, who: ParticipantId) -> Vec<bool> {
    let told = bench.heard(who).iter().filter_map(|notice| match notice {
        Notice::RoomChanged(room) => Some(room.is_recorded),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_hidden_recorder_is_known_by_the_recording_alone_and_is_not_counted() {
    let mut bench = Bench::new();
    let one = bench.join("one", Layout::Single);
    let track = bench.publish(one, camera("cam"));
    bench.forget();
    let tape = join_with(&mut bench, "tape", recorder);
    assert_eq!(bench.legs(tape, track).len(), 1, "it receives");
    assert!(bench.clients[&tape].welcome().room.is_recorded);
    assert_eq!(recorded(&bench, one), [true]);
    assert!(bench.latest(one, "tape").is_none());
    let told = |notice: &Notice| matches!(notice, Notice::TrackSubscribed { .. });
    assert!(!bench.heard(one).iter().any(told));
    assert_eq!(bench.room.view().participants, 1);
    let second = join_with(&mut bench, "second tape", recorder);
    bench.request(tape, Request::Leave);
    assert_eq!(recorded(&bench, one), [true], "it is recorded still");
    bench.request(second, Request::Leave);
    assert_eq!(recorded(&bench, one), [true, false]);
}

#[test]
fn a_recorder_by_right_given_later_begins_a_recording() {
    let mut bench = Bench::new();
    let one = bench.join("one", Layout::Single);
    bench.join("two", Layout::Single);
    for records in [true, false] {
        let mut permissions = rights();
        permissions.recorder = records;
        bench.give(Input::SetPermissions {
            identity: "two".to_owned(),
            permissions,
        });
    }
    assert_eq!(recorded(&bench, one), [true, false]);
}

#[test]
fn everybody_is_told_when_the_server_records_and_when_nobody_does_any_more() {
    let mut bench = Bench::new();
    let one = bench.join("one", Layout::Single);
    bench.give(Input::SetRecorded(true));
    bench.give(Input::SetRecorded(true));
    assert_eq!(recorded(&bench, one), [true]);
    let late = bench.join("late", Layout::Single);
    assert!(bench.clients[&late].welcome().room.is_recorded);
    let tape = join_with(&mut bench, "tape", recorder);
    bench.give(Input::SetRecorded(false));
    assert_eq!(recorded(&bench, one), [true], "somebody else records still");
    bench.request(tape, Request::Leave);
    assert_eq!(recorded(&bench, one), [true, false]);
}

#[test]
fn an_agent_is_shown_as_one_and_finds_a_place_in_a_full_room() {
    let mut bench = Bench::new();
    bench.give(Input::SetParticipantsMax(2));
    let one = bench.join("one", Layout::Single);
    let agent = |admission: &mut Admission| admission.kind = ParticipantKind::Agent;
    join_with(&mut bench, "helper", agent);
    let shown = bench.latest(one, "helper").unwrap();
    assert_eq!(shown.kind, ParticipantKind::Agent);
    bench.join("two", Layout::Single);
    join_with(&mut bench, "tape", recorder);
    assert_eq!(bench.room.participants().len(), 4);
    assert_eq!(bench.room.view().participants, 2);
    bench.join_as(admission("three", Layout::Single));
    assert_eq!(bench.room.participants().len(), 4);
}

#[test]
fn those_who_serve_keep_to_the_bound_of_all_rooms() {
    let mut bench = Bench::new();
    bench.room.config.limits.participants_max = 1;
    bench.give(Input::SetParticipantsMax(1));
    bench.join("one", Layout::Single);
    bench.join_as({
        let mut tape = admission("tape", Layout::Single);
        recorder(&mut tape);
        tape
    });
    assert_eq!(bench.room.participants().len(), 1);
}

#[test]
fn data_of_somebody_hidden_go_out_without_a_name() {
    let mut bench = Bench::new();
    let hidden = |admission: &mut Admission| admission.permissions.hidden = true;
    let ghost = join_with(&mut bench, "ghost", hidden);
    let one = bench.join("one", Layout::Single);
    for (who, expected) in [(ghost, true), (one, false)] {
        for channel in [DataChannel::Reliable, DataChannel::Lossy] {
            let transport = bench.transports_of(who)[0];
            bench.media(Event::Data {
                transport,
                channel,
                payload: Bytes::from_static(b"boo"),
            });
            let Some(Notice::OwnData { is_anonymous, .. }) = bench.heard(who).last() else {
                panic!("data were due");
            };
            assert_eq!(*is_anonymous, expected);
        }
    }
}
