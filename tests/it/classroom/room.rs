//! What becomes of a lesson's media room: when it closes, who is put out, who meets whom.

use std::pin::Pin;
use std::sync::Arc;

use chrono::TimeDelta;
use mingtang::domain::id::AccountId;
use mingtang::hub::rooms::{NamedFact, Rooms, Stay};
use mingtang::hub::taps::TapLines;
use mingtang::media::command::{Event, Fingerprint, HostCandidates};
use mingtang::media::placement::Shards;
use mingtang::media::signal::{
    Admission, ClientDescription, FixedProfile, Layout, LeaveReason, Notice, ParticipantKind,
    ParticipantView, TrackSource,
};
use mingtang::service::classroom;
use mingtang::shell::rooms::{CommandSink, Order, RoomGround, open};
use tokio::sync::mpsc;

use super::class::{Class, take_in};
use super::rules::code;
use crate::waiting::coming;

/// Media threads that are nobody's concern here.
struct NoMedia;

impl CommandSink for NoMedia {
    fn send(&self, _: Vec<Order>) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}

/// Real rooms without media, by the class's clock.
struct Hall {
    rooms: Rooms,
    facts: mpsc::Receiver<NamedFact>,
    _events: mpsc::Sender<Event>,
}

impl Hall {
    fn of(class: &Class) -> Self {
        let (events, receiver) = mpsc::channel(1);
        let ground = RoomGround {
            clock: Arc::clone(&class.context.clock),
            entropy: Arc::clone(&class.context.entropy),
            shards: Shards::new([HostCandidates {
                udp: vec!["127.0.0.1:9".parse().unwrap()],
                tcp: Vec::new(),
            }]),
            fingerprint: Fingerprint([7; 32]),
            media: Arc::new(NoMedia),
            taps: TapLines::default(),
        };
        let (rooms, facts) = open(ground, receiver);
        Self {
            rooms,
            facts,
            _events: events,
        }
    }

    /// Sits down as somebody whom the rules let in now.
    async fn sit(&self, class: &Class, account: AccountId) -> Stay {
        let admission = admission(class, account).await;
        self.rooms.join(admission).await.unwrap()
    }

    /// Lets the class take in what the room told, and looks for rooms to close.
    async fn look(&mut self, class: &Class) {
        while let Ok((room, fact)) = self.facts.try_recv() {
            take_in(&class.context, &room, &fact).await;
        }
        classroom::run_due(&class.context).await.unwrap();
        classroom::close_rooms(&class.context, &self.rooms)
            .await
            .unwrap();
    }

    /// Who is there, after every order given so far.
    async fn present(&self, class: &Class) -> usize {
        let name = classroom::room_name(class.lesson);
        self.rooms
            .participants(&name)
            .await
            .map_or(0, |present| present.len())
    }
}

/// What the rules let somebody in with now.
async fn admission(class: &Class, account: AccountId) -> Admission {
    let name = classroom::room_name(class.lesson);
    let identity = account.to_string();
    let seat = classroom::seat_of(&class.context, &name, &identity).await;
    let seat = seat.unwrap().unwrap();
    Admission {
        room: seat.room,
        identity: seat.identity,
        name: seat.name,
        metadata: String::new(),
        attributes: seat.attributes,
        fixed: FixedProfile::default(),
        policy: Some(seat.policy),
        permissions: seat.permissions,
        layout: Layout::Single,
        kind: ParticipantKind::Standard,
        watches: None,
        auto_subscribe: true,
        client: ClientDescription::default(),
    }
}

/// Why a stay ended, once it has.
async fn ended(stay: &mut Stay) -> LeaveReason {
    loop {
        let notice = coming("a notice", stay.notice()).await.expect("an end");
        if let Notice::Left(reason) = notice {
            return reason;
        }
    }
}

#[tokio::test]
async fn the_room_of_an_ended_lesson_closes_once_the_last_prompt_is_answered() {
    let mut class = Class::live().await;
    let mut hall = Hall::of(&class);
    let learner = class.demo.learners[0];
    class.pass(900).await;
    let mut stays = Vec::new();
    for account in [class.demo.teacher, learner] {
        stays.push(hall.sit(&class, account).await);
    }
    hall.look(&class).await;
    assert_eq!(hall.present(&class).await, 2, "a lesson goes on");
    class.attentive.clear();
    classroom::end(&class.context, &class.teacher, class.lesson)
        .await
        .unwrap();
    hall.look(&class).await;
    let mut asked = 0;
    for account in &class.demo.learners {
        asked += usize::from(class.prompt(*account).await.is_some());
    }
    assert!(asked > 0, "nobody is asked to sign out");
    assert_eq!(hall.present(&class).await, 2, "a last prompt is open");
    for account in class.demo.learners.clone() {
        if class.prompt(account).await.is_some() {
            class.answer_right(account).await.unwrap();
        }
    }
    hall.look(&class).await;
    for stay in &mut stays {
        assert_eq!(ended(stay).await, LeaveReason::RoomClosed);
    }
    let row = class.row(learner).await;
    assert_eq!(row.withheld_seconds, 0, "{row:?}");
}

#[tokio::test]
async fn the_room_of_an_ended_lesson_closes_two_minutes_later_whatever_is_open() {
    let mut class = Class::live().await;
    let hall = Hall::of(&class);
    class.pass(60).await;
    let admission = admission(&class, class.demo.teacher).await;
    class.attentive.clear();
    classroom::end(&class.context, &class.teacher, class.lesson)
        .await
        .unwrap();
    class.world.clock.advance(TimeDelta::seconds(119));
    let mut stay = hall.rooms.join(admission).await.unwrap();
    classroom::close_rooms(&class.context, &hall.rooms)
        .await
        .unwrap();
    assert_eq!(hall.present(&class).await, 1);
    class.world.clock.advance(TimeDelta::seconds(1));
    classroom::close_rooms(&class.context, &hall.rooms)
        .await
        .unwrap();
    assert_eq!(ended(&mut stay).await, LeaveReason::RoomClosed);
}

#[tokio::test]
async fn the_room_of_a_cancelled_lesson_closes_and_a_restarted_server_knows_it_too() {
    let class = Class::planned().await;
    let hall = Hall::of(&class);
    let mut stay = hall.sit(&class, class.demo.teacher).await;
    classroom::close_rooms(&class.context, &hall.rooms)
        .await
        .unwrap();
    assert_eq!(hall.present(&class).await, 1, "staff wait for the start");
    classroom::cancel(&class.context, &class.teacher, class.lesson)
        .await
        .unwrap();
    let restarted = class.world.restarted().await;
    classroom::close_rooms(&restarted, &hall.rooms)
        .await
        .unwrap();
    assert_eq!(ended(&mut stay).await, LeaveReason::RoomClosed);
}

#[tokio::test]
async fn whoever_is_taken_off_the_list_is_put_out_and_comes_in_no_more() {
    let class = Class::planned().await;
    let hall = Hall::of(&class);
    classroom::start(&class.context, &class.teacher, class.lesson)
        .await
        .unwrap();
    let (gone, kept) = (class.demo.learners[0], class.demo.learners[1]);
    let mut stay = hall.sit(&class, gone).await;
    let _kept = hall.sit(&class, kept).await;
    let wanted = class.demo.learners[1..].to_vec();
    let removed = classroom::set_learners(&class.context, &class.teacher, class.lesson, wanted);
    let removed = removed.await.unwrap();
    assert_eq!(removed, [gone]);
    classroom::put_out(&hall.rooms, class.lesson, &removed).await;
    assert_eq!(ended(&mut stay).await, LeaveReason::Removed);
    assert_eq!(hall.present(&class).await, 1);
    let name = classroom::room_name(class.lesson);
    let again = classroom::seat_of(&class.context, &name, &gone.to_string()).await;
    assert!(again.is_err());
}

#[tokio::test]
async fn a_lessons_room_sets_learners_apart_above_the_figure_of_its_policy() {
    let class = Class::live().await;
    let name = classroom::room_name(class.lesson);
    let identity = class.demo.learners[0].to_string();
    let seat = classroom::seat_of(&class.context, &name, &identity).await;
    let policy = seat.unwrap().unwrap().policy;
    assert!(policy.beyond(100).is_none());
    assert!(policy.beyond(101).is_some());
}

/// Whose microphone may be open, of those in the room.
async fn speakers(hall: &Hall, class: &Class) -> Vec<String> {
    let name = classroom::room_name(class.lesson);
    let present = hall.rooms.participants(&name).await.unwrap();
    let speaks = |one: &&ParticipantView| one.permissions.may_publish(TrackSource::Microphone);
    let mut speakers: Vec<String> = present
        .iter()
        .filter(speaks)
        .map(|one| one.identity.clone())
        .collect();
    speakers.sort();
    speakers
}

#[tokio::test]
async fn one_key_stops_interaction_for_learners_there_and_to_come_but_not_for_whom_staff_call_on() {
    let class = Class::live().await;
    let hall = Hall::of(&class);
    let [first, second, third] = class.demo.learners[..] else {
        panic!("three learners");
    };
    let mut stays = Vec::new();
    for account in [class.demo.teacher, first, second] {
        stays.push(hall.sit(&class, account).await);
    }
    let named = |accounts: &[AccountId]| {
        let mut named: Vec<String> = accounts.iter().map(ToString::to_string).collect();
        named.sort();
        named
    };
    let teacher = class.demo.teacher;
    assert_eq!(
        speakers(&hall, &class).await,
        named(&[teacher, first, second])
    );
    let set = |allowed| {
        let (rooms, lesson) = (&hall.rooms, class.lesson);
        classroom::set_interaction(&class.context, rooms, &class.teacher, lesson, allowed)
    };
    assert!(set(false).await.unwrap().hushed);
    stays.push(hall.sit(&class, third).await);
    assert_eq!(speakers(&hall, &class).await, named(&[teacher]));
    let learner = &class.learners[0];
    let said = classroom::say(&class.context, learner, class.lesson, "but").await;
    assert_eq!(code(said), "chat.stopped");
    let name = classroom::room_name(class.lesson);
    for (given, speak) in [(true, &[teacher, second][..]), (false, &[teacher])] {
        let context = &class.context;
        let orders = classroom::floor(context, &class.teacher, class.lesson, second, given).await;
        for order in orders.unwrap() {
            hall.rooms.input(&name, order).await.unwrap();
        }
        assert_eq!(speakers(&hall, &class).await, named(speak));
    }
    assert!(!set(true).await.unwrap().hushed);
    let all = named(&[teacher, first, second, third]);
    assert_eq!(speakers(&hall, &class).await, all);
    let theirs =
        classroom::set_interaction(&class.context, &hall.rooms, learner, class.lesson, false);
    assert_eq!(code(theirs.await), "auth.forbidden");
}
