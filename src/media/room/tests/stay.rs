//! Coming in, connecting, losing and resuming the signalling, leaving.

use chrono::TimeDelta;

use super::super::*;
use super::bench::*;
use crate::domain::id::TransportId;
use crate::media::command::{CloseReason, TransportReport};
use crate::media::signal::{Layout, ParticipantState, QualityGrade};

fn left(bench: &Bench, participant: ParticipantId) -> Option<LeaveReason> {
    bench
        .heard(participant)
        .iter()
        .find_map(|notice| match notice {
            Notice::Left(reason) => Some(*reason),
            _ => None,
        })
}

#[test]
fn the_welcome_comes_first_and_names_those_who_are_there() {
    let mut bench = Bench::new();
    bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Dual);
    let welcome = bench.clients[&learner].welcome();
    assert_eq!(welcome.own.identity, "learner");
    assert_eq!(welcome.room.participants, 2);
    assert_eq!(welcome.others.len(), 1);
    assert!(matches!(
        bench.heard(learner)[1],
        Notice::Offer { id: 1, .. }
    ));
    let arrived = |fact: &&RoomFact| {
        matches!(
            fact,
            RoomFact::Joined { .. } | RoomFact::Connected { .. } | RoomFact::Entered(_)
        )
    };
    assert_eq!(
        bench.facts.iter().filter(arrived).count(),
        6,
        "two joined, connected and entered: {:?}",
        bench.facts
    );
}

#[test]
fn others_see_somebody_joined_then_active_with_growing_versions() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join_as(admission("learner", Layout::Single));
    let joined = bench.latest(teacher, "learner").unwrap();
    assert_eq!(joined.state, ParticipantState::Joined);
    bench.connect(learner);
    let active = bench.latest(teacher, "learner").unwrap();
    assert_eq!(active.state, ParticipantState::Active);
    assert!(active.version > joined.version);
    bench.request(learner, Request::Leave);
    let gone = bench.latest(teacher, "learner").unwrap();
    assert_eq!(gone.state, ParticipantState::Disconnected);
    assert!(gone.version > active.version);
    assert_eq!(left(&bench, learner), Some(LeaveReason::ClientInitiated));
}

#[test]
fn a_client_without_data_channels_is_active_all_the_same() {
    let mut bench = Bench::new();
    let learner = bench.join_as(admission("learner", Layout::Single));
    let transport = bench.transports_of(learner)[0];
    bench.media(Event::TransportConnected {
        transport,
        setup: Duration::from_millis(5),
    });
    assert_eq!(bench.room.participants()[0].state, ParticipantState::Joined);
    bench.pass(TimeDelta::seconds(1));
    assert_eq!(bench.room.participants()[0].state, ParticipantState::Active);
}

#[test]
fn the_same_identity_again_replaces_the_first() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let old = bench.join("learner", Layout::Single);
    bench.publish(old, camera("cam"));
    let new = bench.join("learner", Layout::Dual);
    assert_eq!(left(&bench, old), Some(LeaveReason::DuplicateIdentity));
    assert_eq!(bench.clients[&new].welcome().others.len(), 1);
    let views = bench.heard(teacher).iter().flat_map(|notice| match notice {
        Notice::Participants(views) => views.clone(),
        _ => Vec::new(),
    });
    let of_old: Vec<ParticipantState> = views
        .filter(|view| view.participant == old)
        .map(|view| view.state)
        .collect();
    let gone = |state: &&ParticipantState| **state == ParticipantState::Disconnected;
    assert_eq!(of_old.iter().filter(gone).count(), 1, "told once");
    let own = bench.latest(new, "learner").unwrap();
    assert_eq!(own.participant, new, "not that itself is gone");
    assert!(
        !bench
            .facts
            .iter()
            .any(|fact| matches!(fact, RoomFact::Emptied { .. }))
    );
}

#[test]
fn a_join_that_never_connects_ends_after_a_minute() {
    let mut bench = Bench::new();
    let learner = bench.join_as(admission("learner", Layout::Single));
    bench.pass(TimeDelta::seconds(59));
    assert_eq!(left(&bench, learner), None);
    bench.pass(TimeDelta::seconds(1));
    assert_eq!(left(&bench, learner), Some(LeaveReason::ConnectionLost));
    assert!(bench.room.is_empty());
    assert!(matches!(bench.facts.last(), Some(RoomFact::Emptied { .. })));
    assert_eq!(bench.room.next_deadline(), None);
}

#[test]
fn a_closed_transport_ends_the_stay_after_five_seconds() {
    let mut bench = Bench::new();
    let learner = bench.join("learner", Layout::Single);
    let transport = bench.transports_of(learner)[0];
    bench.media(Event::TransportClosed {
        transport,
        reason: CloseReason::ConsentExpired,
    });
    bench.pass(TimeDelta::milliseconds(4_999));
    assert_eq!(left(&bench, learner), None);
    bench.pass(TimeDelta::milliseconds(1));
    assert_eq!(left(&bench, learner), Some(LeaveReason::ConnectionLost));
}

#[test]
fn lost_signalling_keeps_a_participant_while_its_transport_lives() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Single);
    bench.give(Input::SignalLost {
        participant: learner,
    });
    bench.pass(TimeDelta::seconds(600));
    assert_eq!(bench.room.participants().len(), 2);
    let transport = bench.transports_of(learner)[0];
    bench.media(Event::TransportClosed {
        transport,
        reason: CloseReason::ConsentExpired,
    });
    assert_eq!(bench.room.participants().len(), 1);
    let gone = bench.latest(teacher, "learner").unwrap();
    assert_eq!(gone.state, ParticipantState::Disconnected);
}

#[test]
fn lost_signalling_before_the_transport_is_up_ends_after_five_seconds() {
    let mut bench = Bench::new();
    let learner = bench.join_as(admission("learner", Layout::Single));
    bench.give(Input::SignalLost {
        participant: learner,
    });
    bench.pass(TimeDelta::seconds(5));
    assert!(bench.room.is_empty());
}

#[test]
fn a_resume_says_so_first_then_everybody_then_the_room_then_offers_anew() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let short = bench.join("short", Layout::Single);
    let learner = bench.join("learner", Layout::Dual);
    bench.give(Input::SignalLost {
        participant: learner,
    });
    let track = bench.publish(teacher, camera("cam"));
    bench.request(short, Request::Leave);
    bench.forget();
    bench.give(Input::Resume {
        participant: learner,
    });
    let heard = bench.heard(learner);
    assert!(matches!(heard[0], Notice::Resumed { last_sequence: 0 }));
    let Notice::Participants(views) = &heard[1] else {
        panic!("{heard:?}")
    };
    let states: Vec<(&str, ParticipantState)> = views
        .iter()
        .map(|view| (view.identity.as_str(), view.state))
        .collect();
    assert!(states.contains(&("short", ParticipantState::Disconnected)));
    assert!(states.contains(&("learner", ParticipantState::Active)));
    assert!(states.contains(&("teacher", ParticipantState::Active)));
    assert!(matches!(heard[2], Notice::RoomChanged(_)));
    assert!(matches!(heard[3], Notice::Offer { .. }));
    assert!(
        bench
            .commands
            .iter()
            .any(|c| matches!(c, Command::RestartIce { .. }))
    );
    assert_eq!(bench.legs(learner, track).len(), 1);
}

#[test]
fn a_resumed_client_of_one_connection_restarts_ice_by_its_offer() {
    let mut bench = Bench::new();
    let learner = bench.join("learner", Layout::Single);
    bench.give(Input::SignalLost {
        participant: learner,
    });
    bench.give(Input::Resume {
        participant: learner,
    });
    bench.request(
        learner,
        Request::Sync {
            published: Vec::new(),
            received: Vec::new(),
        },
    );
    bench.forget();
    bench.clients.get_mut(&learner).unwrap().restart_ice();
    bench.offer(learner);
    let Some(Command::RestartIce { local, .. }) = bench.commands.first() else {
        panic!("{:?}", bench.commands);
    };
    let answer = bench.heard(learner).iter().find_map(|notice| match notice {
        Notice::Answer { sdp, .. } => Some(sdp),
        _ => None,
    });
    assert!(
        answer
            .unwrap()
            .contains(&format!("a=ice-ufrag:{}\r\n", local.ufrag))
    );
}

#[test]
fn a_resume_that_does_not_fit_is_told_to_join_anew() {
    let mut bench = Bench::new();
    let learner = bench.join("learner", Layout::Single);
    let track = TrackId(uuid::Uuid::from_u128(77));
    bench.request(
        learner,
        Request::Sync {
            published: vec![track],
            received: Vec::new(),
        },
    );
    assert_eq!(left(&bench, learner), Some(LeaveReason::StateMismatch));
    let stranger = ParticipantId(uuid::Uuid::from_u128(999));
    bench.room.handle(
        bench.now,
        Input::Resume {
            participant: stranger,
        },
    );
    let Some(Output::Notice {
        participant,
        notice,
    }) = bench.room.poll_output()
    else {
        panic!()
    };
    assert_eq!(participant, stranger);
    assert!(matches!(notice, Notice::Left(LeaveReason::StateMismatch)));
}

#[test]
fn presence_says_each_five_seconds_what_was_received_and_delivered() {
    let mut bench = Bench::new();
    let learner = bench.join("learner", Layout::Single);
    let transport = bench.transports_of(learner)[0];
    let report = |out: u64, delivered: u64| TransportReport {
        transport,
        packets_in: out / 2,
        packets_out: out,
        packets_out_delivered: delivered,
        ..TransportReport::default()
    };
    bench.media(Event::Report(report(1_000, 900)));
    bench.pass(TimeDelta::seconds(5));
    bench.media(Event::Report(report(3_000, 2_900)));
    bench.pass(TimeDelta::seconds(5));
    let windows = bench.facts.iter().flat_map(|fact| match fact {
        RoomFact::Presence { present, .. } => present.clone(),
        _ => Vec::new(),
    });
    let windows: Vec<Presence> = windows.collect();
    let counts: Vec<(u64, u64, u64)> = windows
        .iter()
        .map(|w| (w.sent_packets, w.delivered_packets, w.received_packets))
        .collect();
    assert_eq!(counts, [(1_000, 900, 500), (2_000, 2_000, 1_000)]);
    assert!(windows.iter().all(|window| window.connected));
    bench.forget();
    bench.media(Event::TransportSilent { transport });
    bench.pass(TimeDelta::seconds(5));
    let Some(RoomFact::Presence { present, .. }) = bench.facts.first() else {
        panic!()
    };
    assert!(!present[0].connected);
}

#[test]
fn silence_is_not_loss_and_a_silent_transport_is_lost() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let learner = bench.join("learner", Layout::Single);
    bench.publish(teacher, microphone("mic"));
    let transport = bench.transports_of(teacher)[0];
    for _ in 0..4 {
        bench.media(Event::Report(TransportReport {
            transport,
            ..TransportReport::default()
        }));
        bench.pass(TimeDelta::seconds(5));
    }
    assert_eq!(grades(&bench, learner, teacher), [QualityGrade::Excellent]);
    let lossy = lossy(transport);
    bench.media(Event::Report(lossy));
    bench.pass(TimeDelta::seconds(5));
    bench.media(Event::TransportSilent { transport });
    bench.pass(TimeDelta::seconds(5));
    let wanted = [
        QualityGrade::Excellent,
        QualityGrade::Poor,
        QualityGrade::Lost,
    ];
    assert_eq!(grades(&bench, learner, teacher), wanted);
}

/// A fifth of what a client sent is missing.
fn lossy(transport: TransportId) -> TransportReport {
    TransportReport {
        transport,
        packets_in: 80,
        packets_in_lost: 20,
        ..TransportReport::default()
    }
}

/// What somebody was told of another's connection.
fn grades(bench: &Bench, who: ParticipantId, of: ParticipantId) -> Vec<QualityGrade> {
    let heard = bench.heard(who).iter().flat_map(|notice| match notice {
        Notice::Quality(qualities) => qualities.clone(),
        _ => Vec::new(),
    });
    let concerned = heard.filter(|quality| quality.participant == of);
    concerned.map(|quality| quality.grade).collect()
}

#[test]
fn who_comes_later_or_was_away_hears_how_the_connections_of_the_others_are() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Single);
    let away = bench.join("away", Layout::Single);
    bench.publish(teacher, microphone("mic"));
    bench.publish(teacher, camera("cam"));
    let transport = bench.transports_of(teacher)[0];
    let lossy = lossy(transport);
    bench.media(Event::Report(lossy));
    bench.pass(TimeDelta::seconds(5));
    let late = bench.join("late", Layout::Dual);
    assert_eq!(grades(&bench, late, teacher), [QualityGrade::Poor], "once");
    bench.give(Input::SignalLost { participant: away });
    bench.forget();
    bench.media(Event::Report(lossy));
    bench.pass(TimeDelta::seconds(5));
    assert!(grades(&bench, away, teacher).is_empty());
    bench.give(Input::Resume { participant: away });
    assert_eq!(grades(&bench, away, teacher), [QualityGrade::Excellent]);
    assert_eq!(grades(&bench, away, away), [QualityGrade::Excellent]);
    assert!(
        grades(&bench, away, late).is_empty(),
        "it receives nothing of it"
    );
}

#[test]
fn what_a_receiver_has_not_reported_on_yet_is_not_lost_and_what_it_never_does_is() {
    let mut bench = Bench::new();
    let learner = bench.join("learner", Layout::Single);
    let transport = bench.transports_of(learner)[0];
    let grades = |bench: &Bench| -> Vec<QualityGrade> {
        let heard = bench.heard(learner).iter().flat_map(|notice| match notice {
            Notice::Quality(qualities) => qualities.clone(),
            _ => Vec::new(),
        });
        heard.map(|quality| quality.grade).collect()
    };
    // Fifty packets a second, and a report on them every 7.5 s.
    let window = |bench: &mut Bench, number: u64, packets_out_delivered: u64| {
        bench.media(Event::Report(TransportReport {
            transport,
            packets_out: 250 * number,
            packets_out_delivered,
            ..TransportReport::default()
        }));
        bench.pass(TimeDelta::seconds(5));
    };
    for (number, delivered) in [(1, 0), (2, 375), (3, 750), (4, 750), (5, 1_125), (6, 1_500)] {
        window(&mut bench, number, delivered);
    }
    assert_eq!(grades(&bench), [QualityGrade::Excellent]);
    for number in 7..=9 {
        window(&mut bench, number, 1_500);
    }
    let wanted = [QualityGrade::Excellent, QualityGrade::Poor];
    assert_eq!(grades(&bench), wanted);
    let windows = bench.facts.iter().filter_map(|fact| match fact {
        RoomFact::Presence { present, .. } => present.first().map(|one| one.acknowledges),
        _ => None,
    });
    let wanted = [false, true, true, true, true, true, true, false, false];
    assert_eq!(windows.collect::<Vec<bool>>(), wanted);
}

#[test]
fn a_full_room_turns_away_and_a_closed_one_ends_for_all() {
    let mut bench = Bench::new();
    bench.give(Input::SetParticipantsMax(2));
    let one = bench.join("one", Layout::Single);
    bench.join("two", Layout::Dual);
    let turned_away = bench.join_as(admission("three", Layout::Dual));
    assert_eq!(left(&bench, turned_away), Some(LeaveReason::Removed));
    bench.give(Input::Close {
        reason: LeaveReason::RoomClosed,
    });
    assert_eq!(left(&bench, one), Some(LeaveReason::RoomClosed));
    assert!(bench.room.is_empty() && bench.watcher.transports.is_empty());
}

#[test]
fn a_room_may_be_made_smaller_but_not_larger_than_the_server_carries() {
    let mut bench = Bench::new();
    bench.room.config.limits.participants_max = 2;
    bench.give(Input::SetParticipantsMax(3));
    bench.join("one", Layout::Single);
    bench.join("two", Layout::Single);
    let third = bench.join_as(admission("three", Layout::Single));
    assert_eq!(left(&bench, third), Some(LeaveReason::Removed));
    bench.give(Input::SetParticipantsMax(1));
    assert_eq!(bench.room.participants().len(), 2, "whoever is here stays");
}

#[test]
fn outsiders_learn_of_those_only_who_others_could_hear_and_see() {
    let mut bench = Bench::new();
    let never = bench.join_as(admission("never", Layout::Single));
    let teacher = bench.join("teacher", Layout::Single);
    for participant in [never, teacher] {
        bench.request(participant, Request::Leave);
    }
    let told: Vec<(&str, ParticipantState)> = bench
        .facts
        .iter()
        .filter_map(|fact| match fact {
            RoomFact::Entered(view) | RoomFact::Departed(view) => {
                Some((view.identity.as_str(), view.state))
            }
            _ => None,
        })
        .collect();
    let wanted = [
        ("teacher", ParticipantState::Active),
        ("teacher", ParticipantState::Disconnected),
    ];
    assert_eq!(told, wanted);
}

#[test]
fn in_a_large_room_quiet_joins_are_told_together() {
    let mut bench = Bench::new();
    let teacher = bench.join("teacher", Layout::Dual);
    bench.publish(teacher, microphone("mic"));
    for number in 0..150 {
        bench.join(&number.to_string(), Layout::Dual);
    }
    bench.pass(TimeDelta::seconds(2));
    bench.forget();
    for number in 150..200 {
        bench.join(&number.to_string(), Layout::Dual);
    }
    bench.pass(TimeDelta::seconds(2));
    let updates = |notice: &&Notice| matches!(notice, Notice::Participants(_));
    assert_eq!(bench.heard(teacher).iter().filter(updates).count(), 1);
    assert!(bench.latest(teacher, "199").is_some());
    assert_eq!(bench.watcher.legs.len(), 200);
}
