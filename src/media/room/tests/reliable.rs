//! Reliable data: each message reaches each receiver once and in order, whoever was away meanwhile.

use chrono::TimeDelta;

use super::super::reliable::{AWAY_PACKETS_MAX, OWN_PACKETS_MAX, RECENT_FOR};
use super::super::*;
use super::bench::*;
use crate::domain::id::TransportId;
use crate::media::signal::Layout;

/// A message that a client counts.
fn numbered(sequence: u32) -> Bytes {
    Bytes::from(sequence.to_string())
}

fn sequence_of(payload: &Bytes) -> u32 {
    std::str::from_utf8(payload).unwrap().parse().unwrap()
}

fn counted(own: Option<u64>, to: &[&str], sequence: u32) -> Request {
    Request::SendData {
        own,
        channel: DataChannel::Reliable,
        to: to.iter().map(|identity| (*identity).to_owned()).collect(),
        sequence,
        payload: numbered(sequence),
    }
}

fn receiving(bench: &Bench, who: ParticipantId) -> TransportId {
    bench.room.members[&who].receiving().unwrap().transport
}

/// What the transport of somebody was handed, in order.
fn handed(bench: &Bench, who: ParticipantId) -> Vec<u32> {
    let receiving = receiving(bench, who);
    let handed = bench.commands.iter().filter_map(|command| match command {
        Command::SendData {
            transport, payload, ..
        } if *transport == receiving => Some(sequence_of(payload)),
        _ => None,
    });
    handed.collect()
}

/// A message arrives on somebody's channel.
fn arrives(bench: &mut Bench, from: ParticipantId, sequence: u32) {
    let transport = bench.transports_of(from)[0];
    bench.media(Event::Data {
        transport,
        channel: DataChannel::Reliable,
        payload: numbered(sequence),
    });
}

/// What somebody's session was told of its own messages, by number.
fn told(bench: &Bench, who: ParticipantId) -> Vec<(u64, u32)> {
    let told = bench.heard(who).iter().filter_map(|notice| match notice {
        Notice::OwnData {
            own: Some(own),
            payload,
            ..
        } => Some((*own, sequence_of(payload))),
        _ => None,
    });
    told.collect()
}

fn open_channel(bench: &mut Bench, who: ParticipantId) {
    let transport = receiving(bench, who);
    let channel = DataChannel::Reliable;
    bench.media(Event::ChannelOpened { transport, channel });
}

fn resume(bench: &mut Bench, who: ParticipantId, received: &[(ParticipantId, u32)]) {
    bench.give(Input::Resume { participant: who });
    let received = received.to_vec();
    let published = Vec::new();
    bench.request(
        who,
        Request::Sync {
            published,
            received,
        },
    );
}

#[test]
fn a_message_that_comes_again_is_dropped_and_a_resume_tells_how_far_they_came() {
    let mut bench = Bench::new();
    let one = bench.join("one", Layout::Single);
    let two = bench.join("two", Layout::Dual);
    for sequence in [1, 2, 2, 1, 3] {
        bench.request(one, counted(None, &[], sequence));
    }
    assert_eq!(handed(&bench, two), [1, 2, 3]);
    bench.give(Input::SignalLost { participant: one });
    bench.give(Input::Resume { participant: one });
    let resumed = bench.heard(one).iter().find_map(|notice| match notice {
        Notice::Resumed { last_sequence } => Some(*last_sequence),
        _ => None,
    });
    assert_eq!(resumed, Some(3));
    for sequence in [3, 4] {
        bench.request(one, counted(None, &[], sequence));
    }
    assert_eq!(handed(&bench, two), [1, 2, 3, 4]);
}

#[test]
fn messages_of_clients_that_do_not_count_are_never_taken_for_repetitions() {
    let mut bench = Bench::new();
    let one = bench.join("one", Layout::Single);
    let two = bench.join("two", Layout::Single);
    for sequence in [0, 5, 0] {
        bench.request(one, counted(None, &[], sequence));
    }
    assert_eq!(handed(&bench, two), [0, 5, 0]);
}

#[test]
fn what_a_client_sends_while_its_signalling_is_lost_goes_on_once_it_is_back() {
    let mut bench = Bench::new();
    let one = bench.join("one", Layout::Single);
    let two = bench.join("two", Layout::Single);
    arrives(&mut bench, one, 1);
    bench.give(Input::SignalLost { participant: one });
    arrives(&mut bench, one, 2);
    assert_eq!(
        told(&bench, one),
        [(0, 1)],
        "the lost session did not do it"
    );
    bench.forget();
    resume(&mut bench, one, &[]);
    arrives(&mut bench, one, 3);
    let own = told(&bench, one);
    assert_eq!(own, [(0, 1), (1, 2), (2, 3)]);
    for (own, sequence) in own {
        bench.request(one, counted(Some(own), &[], sequence));
        bench.request(one, counted(Some(own), &[], sequence));
    }
    assert_eq!(handed(&bench, two), [1, 2, 3]);
}

#[test]
fn beyond_the_bound_a_client_without_signalling_sends_again_what_it_still_has() {
    let mut bench = Bench::new();
    let one = bench.join("one", Layout::Single);
    let two = bench.join("two", Layout::Single);
    bench.give(Input::SignalLost { participant: one });
    let last = u32::try_from(AWAY_PACKETS_MAX).unwrap() + 3;
    (1..=last).for_each(|sequence| arrives(&mut bench, one, sequence));
    resume(&mut bench, one, &[]);
    let mut next = 0;
    while let Some((own, sequence)) = told(&bench, one).get(next).copied() {
        bench.request(one, counted(Some(own), &[], sequence));
        next += 1;
    }
    assert_eq!(next, AWAY_PACKETS_MAX);
    (1..=last).for_each(|sequence| bench.request(one, counted(None, &[], sequence)));
    assert_eq!(handed(&bench, two), (1..=last).collect::<Vec<_>>());
}

#[test]
fn a_client_whose_session_does_nothing_with_its_messages_is_sent_away() {
    let mut bench = Bench::new();
    let one = bench.join("one", Layout::Single);
    for _ in 0..=OWN_PACKETS_MAX {
        assert!(bench.room.members.contains_key(&one));
        arrives(&mut bench, one, 0);
    }
    assert!(!bench.room.members.contains_key(&one));
}

#[test]
fn what_was_sent_before_a_channel_was_open_is_handed_to_it_in_order() {
    let mut bench = Bench::new();
    let one = bench.join("one", Layout::Single);
    bench.request(one, counted(None, &[], 1));
    let late = bench.join_as(admission("late", Layout::Single));
    let setup = Duration::from_millis(5);
    let transport = bench.transports_of(late)[0];
    bench.media(Event::TransportConnected { transport, setup });
    bench.request(one, counted(None, &["late"], 2));
    bench.request(one, counted(None, &["somebody"], 3));
    bench.request(one, counted(None, &[], 4));
    assert!(handed(&bench, late).is_empty());
    open_channel(&mut bench, late);
    bench.request(one, counted(None, &[], 5));
    assert_eq!(handed(&bench, late), [2, 4, 5]);
}

#[test]
fn a_resume_on_the_same_channel_hands_nothing_out_twice() {
    let mut bench = Bench::new();
    let one = bench.join("one", Layout::Single);
    let two = bench.join("two", Layout::Single);
    bench.give(Input::SignalLost { participant: two });
    (1..=5).for_each(|sequence| bench.request(one, counted(None, &[], sequence)));
    resume(&mut bench, two, &[(one, 2)]);
    assert_eq!(handed(&bench, two), [1, 2, 3, 4, 5]);
}

#[test]
fn what_a_lost_channel_did_not_deliver_is_handed_to_the_next_one() {
    for says_first in [true, false] {
        let mut bench = Bench::new();
        let one = bench.join("one", Layout::Single);
        let two = bench.join("two", Layout::Single);
        bench.give(Input::SignalLost { participant: two });
        (1..=5).for_each(|sequence| bench.request(one, counted(None, &[], sequence)));
        bench.forget();
        if says_first {
            resume(&mut bench, two, &[(one, 2)]);
            open_channel(&mut bench, two);
        } else {
            open_channel(&mut bench, two);
            resume(&mut bench, two, &[(one, 2)]);
        }
        bench.request(one, counted(None, &[], 6));
        assert_eq!(handed(&bench, two), [3, 4, 5, 6], "{says_first}");
        resume(&mut bench, two, &[(one, 2)]);
        assert_eq!(handed(&bench, two), [3, 4, 5, 6], "not again");
    }
}

#[test]
fn nobody_is_handed_what_was_not_for_it_or_was_sent_before_it_came() {
    let mut bench = Bench::new();
    let one = bench.join("one", Layout::Single);
    bench.request(one, counted(None, &[], 1));
    let two = bench.join("two", Layout::Single);
    bench.request(one, counted(None, &["three"], 2));
    bench.request(two, counted(None, &[], 1));
    bench.forget();
    open_channel(&mut bench, two);
    resume(&mut bench, two, &[(one, 0)]);
    assert!(handed(&bench, two).is_empty());
}

#[test]
fn what_is_too_old_to_be_missed_is_not_handed_out_again() {
    let mut bench = Bench::new();
    let one = bench.join("one", Layout::Single);
    let two = bench.join("two", Layout::Single);
    bench.request(one, counted(None, &[], 1));
    bench.pass(RECENT_FOR + TimeDelta::seconds(6));
    bench.request(one, counted(None, &[], 2));
    bench.forget();
    open_channel(&mut bench, two);
    resume(&mut bench, two, &[(one, 0)]);
    assert_eq!(handed(&bench, two), [2]);
}
