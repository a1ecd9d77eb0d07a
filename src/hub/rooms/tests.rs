//! What the registry of rooms holds, played with the rooms' ends in the test's hand.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::domain::id::{RoomId, ShardId, SourceId, TransportId};
use crate::media::command::{
    AudioLevel, CloseReason, Command, DataChannel, ExtensionIds, IceCredentials, MediaKind,
    SourceConfig, TransportConfig,
};
use crate::media::signal::{
    ClientDescription, FixedProfile, Layout, Notice, ParticipantKind, Permissions,
};

/// Hands every seat to the test.
struct Seats(mpsc::Sender<Seat>);

impl Spawn for Seats {
    fn start(&self, seat: Seat) {
        self.0.try_send(seat).unwrap();
    }
}

fn rooms() -> (Rooms, mpsc::Receiver<Seat>) {
    let (rooms, seats, _) = rooms_with_facts();
    (rooms, seats)
}

fn rooms_with_facts() -> (Rooms, mpsc::Receiver<Seat>, mpsc::Receiver<NamedFact>) {
    let (sender, seats) = mpsc::channel(16);
    let (facts, told) = mpsc::channel(16);
    let rooms = Rooms::new(
        Box::new(Seats(sender)),
        Routes::default(),
        TapLines::default(),
        facts,
    );
    (rooms, seats, told)
}

fn admission(room: &str) -> Admission {
    Admission {
        room: room.to_owned(),
        identity: "ann".to_owned(),
        name: String::new(),
        metadata: String::new(),
        attributes: BTreeMap::new(),
        fixed: FixedProfile::default(),
        policy: None,
        permissions: Permissions {
            publish: true,
            sources: Vec::new(),
            subscribe: true,
            publish_data: true,
            update_own_metadata: false,
            hidden: false,
            recorder: false,
        },
        layout: Layout::Single,
        kind: ParticipantKind::Standard,
        watches: None,
        auto_subscribe: true,
        client: ClientDescription::default(),
    }
}

fn person(number: u128) -> ParticipantId {
    ParticipantId(uuid::Uuid::from_u128(number))
}

/// Answers the next letter, a join, and keeps its line.
async fn accept(seat: &mut Seat, participant: ParticipantId) -> Line {
    match seat.mail.recv().await {
        Some(Letter::Join { line, reply, .. }) => {
            reply.send(Ok(participant)).unwrap();
            line
        }
        other => panic!("a join was due, not {other:?}"),
    }
}

async fn one_stay(rooms: &Rooms, seats: &mut mpsc::Receiver<Seat>) -> (Stay, Seat, Line) {
    let room_side = async {
        let mut seat = seats.recv().await.unwrap();
        let line = accept(&mut seat, person(1)).await;
        (seat, line)
    };
    let (stay, (seat, line)) = tokio::join!(rooms.join(admission("r")), room_side);
    (stay.unwrap(), seat, line)
}

#[tokio::test]
async fn a_join_makes_the_room_once_and_a_second_join_finds_it() {
    let (rooms, mut seats) = rooms();
    let (first, mut seat, _line) = one_stay(&rooms, &mut seats).await;
    let (second, _line) = tokio::join!(rooms.join(admission("r")), accept(&mut seat, person(2)));
    assert_eq!(first.participant(), person(1));
    assert_eq!(second.unwrap().participant(), person(2));
    assert!(seats.try_recv().is_err(), "no second room was made");
}

#[tokio::test]
async fn a_join_that_meets_an_ending_room_opens_a_new_one() {
    let (rooms, mut seats) = rooms();
    let (_stay, seat, _line) = one_stay(&rooms, &mut seats).await;
    let ending = async {
        let mut seat = seat;
        // The join is in the mailbox already, and the room ends without an answer.
        assert!(matches!(seat.mail.recv().await, Some(Letter::Join { .. })));
        drop(seat);
        let mut next = seats.recv().await.unwrap();
        let line = accept(&mut next, person(2)).await;
        (next, line)
    };
    let (stay, (next, _line)) = tokio::join!(rooms.join(admission("r")), ending);
    assert_eq!(stay.unwrap().participant(), person(2));
    assert_eq!(next.number, 2);
    assert_eq!(rooms.mailbox("r").unwrap().number, 2);
}

#[tokio::test]
async fn a_dropped_stay_tells_the_room_that_the_line_ended_even_when_the_mailbox_is_full() {
    let (rooms, mut seats) = rooms();
    let (stay, mut seat, line) = one_stay(&rooms, &mut seats).await;
    for _ in 0..MAIL_MAX {
        stay.request(Request::Leave).await.unwrap();
    }
    drop(stay);
    let ended = seat.ended.recv().await.unwrap();
    assert_eq!((ended.participant, ended.number), (person(1), line.number));
}

fn resumed() -> Notice {
    Notice::Resumed { last_sequence: 0 }
}

#[tokio::test]
async fn a_client_that_does_not_read_hears_why_it_lost_its_stay() {
    let (rooms, mut seats) = rooms();
    let (mut stay, _seat, line) = one_stay(&rooms, &mut seats).await;
    for _ in 0..NOTICES_MAX {
        line.tell(resumed()).unwrap();
    }
    assert_eq!(line.tell(resumed()), Err(LineError::Full));
    line.end(LeaveReason::Misbehaved);
    let mut last = None;
    while let Some(notice) = stay.notice().await {
        last = Some(notice);
    }
    assert!(matches!(last, Some(Notice::Left(LeaveReason::Misbehaved))));
}

#[tokio::test]
async fn a_room_that_breaks_tells_its_clients_to_come_again() {
    let (rooms, mut seats) = rooms();
    let (mut stay, seat, line) = one_stay(&rooms, &mut seats).await;
    drop((seat, line));
    let last = stay.notice().await;
    assert!(matches!(
        last,
        Some(Notice::Left(LeaveReason::StateMismatch))
    ));
    assert!(stay.notice().await.is_none());
    assert!(rooms.input("r", Input::Timeout).await.is_err());
}

#[tokio::test]
async fn requests_carry_the_number_of_their_line_so_that_a_replaced_one_can_be_ignored() {
    let (rooms, mut seats) = rooms();
    let (old, mut seat, old_line) = one_stay(&rooms, &mut seats).await;
    let room_side = async {
        match seat.mail.recv().await {
            Some(Letter::Resume {
                identity,
                line,
                reply,
                ..
            }) => {
                assert_eq!(identity, "ann");
                reply.send(Ok(person(1))).unwrap();
                line
            }
            other => panic!("a resume was due, not {other:?}"),
        }
    };
    let (new, new_line) = tokio::join!(rooms.resume("r", person(1), "ann"), room_side);
    let new = new.unwrap();
    old.request(Request::Leave).await.unwrap();
    new.request(Request::Leave).await.unwrap();
    for expected in [old_line.number, new_line.number] {
        let letter = seat.mail.recv().await;
        assert!(matches!(letter, Some(Letter::Request { line, .. }) if line == expected));
    }
}

#[tokio::test]
async fn a_full_mailbox_makes_the_sender_wait() {
    let (rooms, mut seats) = rooms();
    let (stay, mut seat, _line) = one_stay(&rooms, &mut seats).await;
    for _ in 0..MAIL_MAX {
        stay.request(Request::Leave).await.unwrap();
    }
    let mut waiting = std::pin::pin!(stay.request(Request::Leave));
    let first = poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await;
    assert!(first.is_pending());
    seat.mail.recv().await.unwrap();
    waiting.await.unwrap();
}

#[tokio::test]
async fn no_room_begins_once_the_server_stops() {
    let (rooms, mut seats) = rooms();
    let (_stay, mut seat, _line) = one_stay(&rooms, &mut seats).await;
    rooms.close_all(LeaveReason::ServerShutdown).await;
    let letter = seat.mail.recv().await;
    assert!(matches!(letter, Some(Letter::Input(Input::Close { .. }))));
    assert_eq!(
        rooms.join(admission("other")).await.unwrap_err().code,
        "room.stopping"
    );
}

#[tokio::test]
async fn a_room_with_all_its_lines_open_is_full() {
    let (rooms, mut seats) = rooms();
    let (_stay, _seat, _line) = one_stay(&rooms, &mut seats).await;
    let mailbox = rooms.mailbox("r").unwrap();
    let mut held = Vec::new();
    for _ in 1..LINES_MAX {
        held.push(mailbox.ended.clone().try_reserve_owned().unwrap());
    }
    assert_eq!(
        rooms.join(admission("r")).await.unwrap_err().code,
        "room.full"
    );
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn id(number: u128) -> RoomId {
    RoomId(uuid::Uuid::from_u128(number))
}

fn wish(empty_seconds: i64) -> RoomWish {
    RoomWish {
        empty_timeout: Some(TimeDelta::seconds(empty_seconds)),
        metadata: Some("m".to_owned()),
        ..RoomWish::default()
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the others are the task's to tell"
)]
fn told(facts: &mut mpsc::Receiver<NamedFact>) -> Vec<&'static str> {
    let mut told = Vec::new();
    while let Ok((_, fact)) = facts.try_recv() {
        told.push(match fact {
            RoomFact::Opened(_) => "opened",
            RoomFact::Closed { reason: None, .. } => "idle",
            RoomFact::Closed { .. } => "closed",
            other => panic!("{other:?} was not to be told"),
        });
    }
    told
}

/// How a task ends its room with nobody in it.
fn rest(seat: &mut Seat, was_visited: bool) -> bool {
    let woken = seat.rested.take();
    let room = woken.as_ref().unwrap().room.clone();
    seat.rest(Some(Rest {
        now: now(),
        room,
        woken,
        was_visited,
    }))
}

#[tokio::test]
async fn a_made_room_rests_as_an_entry_without_a_task_until_its_time_is_over() {
    let (rooms, mut seats, mut facts) = rooms_with_facts();
    let made = rooms.make_room("r", &wish(5), id(1), now()).await.unwrap();
    assert_eq!((made.room.room, made.room.metadata.as_str()), (id(1), "m"));
    assert!(seats.try_recv().is_err(), "no task runs");
    assert_eq!(rooms.list().await, [made]);
    assert!(rooms.participants("r").await.unwrap().is_empty());
    rooms.end_rested(now() + TimeDelta::seconds(4)).await;
    assert!(rooms.listing("r").await.is_some());
    rooms.end_rested(now() + TimeDelta::seconds(5)).await;
    assert!(rooms.listing("r").await.is_none());
    assert_eq!(told(&mut facts), ["opened", "idle"]);
}

#[tokio::test]
async fn making_a_room_again_changes_what_is_named_and_nothing_else() {
    let (rooms, _seats, mut facts) = rooms_with_facts();
    rooms.make_room("r", &wish(5), id(1), now()).await.unwrap();
    let change = RoomWish {
        participants_max: Some(2),
        ..RoomWish::default()
    };
    let made = rooms.make_room("r", &change, id(2), now()).await.unwrap();
    assert_eq!((made.room.room, made.room.metadata.as_str()), (id(1), "m"));
    let plan = made.plan.unwrap();
    assert_eq!(plan.empty_timeout, TimeDelta::seconds(5));
    assert_eq!(plan.participants_max, Some(2));
    assert_eq!(told(&mut facts), ["opened"]);
}

#[tokio::test]
async fn a_made_room_goes_on_under_its_id_and_rests_again_after_its_last_participant() {
    let (rooms, mut seats, mut facts) = rooms_with_facts();
    rooms.make_room("r", &wish(5), id(1), now()).await.unwrap();
    let (stay, mut seat, _line) = one_stay(&rooms, &mut seats).await;
    assert_eq!(seat.rested.as_ref().unwrap().room.room, id(1));
    rooms.end_rested(now() + TimeDelta::days(1)).await;
    assert!(rest(&mut seat, true));
    drop((stay, seat));
    assert_eq!(rooms.listing("r").await.unwrap().room.room, id(1));
    let departure = RoomPlan::default().departure_timeout;
    rooms.end_rested(now() + departure).await;
    assert!(rooms.listing("r").await.is_none());
    assert_eq!(told(&mut facts), ["opened", "idle"]);
}

#[tokio::test]
async fn a_join_that_came_to_nothing_does_not_shorten_the_wait() {
    let (rooms, mut seats, _facts) = rooms_with_facts();
    rooms
        .make_room("r", &wish(3_600), id(1), now())
        .await
        .unwrap();
    let (_stay, mut seat, _line) = one_stay(&rooms, &mut seats).await;
    assert!(rest(&mut seat, false));
    rooms.end_rested(now() + TimeDelta::seconds(3_599)).await;
    assert!(rooms.listing("r").await.is_some());
}

#[tokio::test]
async fn a_room_that_is_ordered_to_end_does_not_rest() {
    let (rooms, mut seats, mut facts) = rooms_with_facts();
    rooms.make_room("r", &wish(5), id(1), now()).await.unwrap();
    rooms.close("r", LeaveReason::RoomClosed).await.unwrap();
    assert_eq!(told(&mut facts), ["opened", "closed"]);
    assert_eq!(
        rooms
            .close("r", LeaveReason::RoomClosed)
            .await
            .unwrap_err()
            .code,
        "room.gone"
    );
    rooms.make_room("r", &wish(5), id(2), now()).await.unwrap();
    let (_stay, mut seat, _line) = one_stay(&rooms, &mut seats).await;
    let ending = async {
        let letter = seat.mail.recv().await;
        assert!(matches!(letter, Some(Letter::Input(Input::Close { .. }))));
        assert!(!seat.rest(None));
        drop(seat);
    };
    let (closed, ()) = tokio::join!(rooms.close("r", LeaveReason::RoomClosed), ending);
    closed.unwrap();
    assert!(rooms.listing("r").await.is_none());
}

#[tokio::test]
async fn a_room_that_breaks_takes_its_entry_along() {
    let (rooms, mut seats, _facts) = rooms_with_facts();
    rooms.make_room("r", &wish(5), id(1), now()).await.unwrap();
    let (_stay, seat, _line) = one_stay(&rooms, &mut seats).await;
    drop(seat);
    assert!(rooms.listing("r").await.is_none());
}

#[tokio::test]
async fn made_rooms_are_bounded_and_do_not_keep_others_from_joining() {
    let (sender, mut seats) = mpsc::channel(16);
    let (facts, _told) = mpsc::channel(MADE_MAX);
    let rooms = Rooms::new(
        Box::new(Seats(sender)),
        Routes::default(),
        TapLines::default(),
        facts,
    );
    for number in 0..MADE_MAX {
        let name = number.to_string();
        rooms
            .make_room(&name, &wish(5), id(1), now())
            .await
            .unwrap();
    }
    let refused = rooms.make_room("one more", &wish(5), id(1), now()).await;
    assert_eq!(refused.unwrap_err().code, "room.too_many");
    rooms.make_room("7", &wish(6), id(1), now()).await.unwrap();
    let (_stay, _seat, _line) = one_stay(&rooms, &mut seats).await;
    assert!(rooms.mailbox("r").is_some());
}

fn open(routes: &Routes, room: u64, transport: u64, source: u64) -> mpsc::Receiver<Event> {
    let (sender, events) = mpsc::channel(8);
    routes.add_room(room, sender);
    let transport = TransportId(transport);
    routes.observe(
        room,
        &Command::OpenTransport(TransportConfig {
            transport,
            shard: ShardId(0),
            local: IceCredentials {
                ufrag: "u".to_owned(),
                pwd: "p".to_owned(),
            },
            fingerprints: Vec::new(),
            open_channels: Vec::new(),
        }),
    );
    routes.observe(
        room,
        &Command::AddSource(SourceConfig {
            source: SourceId(source),
            transport,
            kind: MediaKind::Audio,
            mid: "0".to_owned(),
            encodings: Vec::new(),
            layered: false,
            codecs: Vec::new(),
            extensions: ExtensionIds::default(),
        }),
    );
    events
}

fn level(source: u64) -> AudioLevel {
    AudioLevel {
        source: SourceId(source),
        level_dbov: 20,
        active_ratio: 1.0,
    }
}

#[tokio::test]
async fn audio_levels_are_split_by_room_and_nobody_hears_of_another_room() {
    let routes = Routes::default();
    let (mut one, mut two) = (open(&routes, 1, 10, 100), open(&routes, 2, 20, 200));
    routes.route(Event::AudioLevels(vec![level(100), level(200), level(999)]));
    for (events, source) in [(&mut one, 100), (&mut two, 200)] {
        match events.try_recv() {
            Ok(Event::AudioLevels(levels)) => assert_eq!(levels, vec![level(source)]),
            other => panic!("levels were due, not {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_closed_transport_is_forgotten_with_its_sources() {
    let routes = Routes::default();
    let mut events = open(&routes, 1, 10, 100);
    let transport = TransportId(10);
    let reason = CloseReason::ClosedByPeer;
    routes.route(Event::TransportClosed { transport, reason });
    assert!(matches!(
        events.try_recv(),
        Ok(Event::TransportClosed { .. })
    ));
    routes.route(Event::TransportHeard { transport });
    routes.route(Event::EncodingStarted {
        source: SourceId(100),
        encoding: 0,
    });
    assert!(events.try_recv().is_err());
    assert!(routes.forget_room(1).is_empty());
}

#[tokio::test]
async fn a_room_far_behind_loses_data_first_and_then_itself_but_no_other_room() {
    let routes = Routes::default();
    let (mut slow, mut other) = (open(&routes, 1, 10, 100), open(&routes, 2, 20, 200));
    let data = |transport| Event::Data {
        transport: TransportId(transport),
        channel: DataChannel::Reliable,
        payload: bytes::Bytes::new(),
    };
    let setup = Duration::ZERO;
    for _ in 0..20 {
        routes.route(data(10));
    }
    assert_eq!(slow.len(), 5, "data stops at half of the queue");
    for _ in 0..4 {
        routes.route(Event::TransportConnected {
            transport: TransportId(10),
            setup,
        });
    }
    while slow.recv().await.is_some() {}
    let left = routes.forget_room(1);
    let transports: Vec<_> = left.iter().map(|left| left.transport).collect();
    assert_eq!(transports, [TransportId(10)]);
    routes.route(data(20));
    assert!(matches!(other.try_recv(), Ok(Event::Data { .. })));
}
