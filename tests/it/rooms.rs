//! What a fault of ours in one room costs the others: nothing.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use crate::waiting::coming;
use mingtang::domain::id::TransportId;
use mingtang::hub::rooms::{Rooms, Stay};
use mingtang::hub::taps::TapLines;
use mingtang::media::command::{Command, Event, Fingerprint, HostCandidates};
use mingtang::media::placement::Shards;
use mingtang::media::room::Policy;
use mingtang::media::signal::{
    Admission, ClientDescription, FixedProfile, Layout, LeaveReason, Notice, ParticipantKind,
    Permissions,
};
use mingtang::shell::clock::SystemClock;
use mingtang::shell::entropy::OsEntropy;
use mingtang::shell::rooms::{CommandSink, Order, RoomGround, open};
use tokio::sync::{Notify, mpsc};

/// Breaks the room as soon as it decides about somebody of this name.
#[derive(Debug)]
struct BreaksOver(&'static str);

impl Policy for BreaksOver {
    fn may_receive(&self, _: &Admission, _: &Admission) -> bool {
        true
    }

    fn may_see(&self, _: &Admission, subject: &Admission) -> bool {
        assert_ne!(subject.identity, self.0, "a fault in the domain");
        true
    }

    fn may_message(&self, _: &Admission, _: &Admission) -> bool {
        true
    }
}

/// What media threads were told.
#[derive(Default)]
struct Told {
    commands: Mutex<Vec<Command>>,
    more: Notify,
}

/// Media threads that only remember.
struct Threads(Arc<Told>);

impl CommandSink for Threads {
    fn send(&self, orders: Vec<Order>) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.0
            .commands
            .lock()
            .expect("the list")
            .extend(orders.into_iter().map(|(_, command)| command));
        self.0.more.notify_one();
        Box::pin(std::future::ready(()))
    }
}

impl Told {
    fn opened(&self) -> Vec<TransportId> {
        self.select(|command| {
            if let Command::OpenTransport(config) = command {
                Some(config.transport)
            } else {
                None
            }
        })
    }

    fn closed(&self) -> Vec<TransportId> {
        self.select(|command| {
            if let Command::CloseTransport { transport } = command {
                Some(*transport)
            } else {
                None
            }
        })
    }

    fn select(&self, of: impl Fn(&Command) -> Option<TransportId>) -> Vec<TransportId> {
        let commands = self.commands.lock().expect("the list");
        commands.iter().filter_map(of).collect()
    }
}

struct House {
    rooms: Rooms,
    told: Arc<Told>,
    _events: mpsc::Sender<Event>,
}

impl House {
    fn new() -> Self {
        let told = Arc::new(Told::default());
        let (events, receiver) = mpsc::channel(1);
        let ground = RoomGround {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(OsEntropy),
            shards: Shards::new([HostCandidates {
                udp: vec!["127.0.0.1:9".parse().unwrap()],
                tcp: Vec::new(),
            }]),
            fingerprint: Fingerprint([7; 32]),
            media: Arc::new(Threads(Arc::clone(&told))),
            taps: TapLines::default(),
        };
        let (rooms, mut facts) = open(ground, receiver);
        tokio::spawn(async move { while facts.recv().await.is_some() {} });
        Self {
            rooms,
            told,
            _events: events,
        }
    }

    async fn join(&self, room: &str, identity: &str) -> Stay {
        let admission = Admission {
            room: room.to_owned(),
            identity: identity.to_owned(),
            name: String::new(),
            metadata: String::new(),
            attributes: std::collections::BTreeMap::new(),
            fixed: FixedProfile::default(),
            policy: Some(Arc::new(BreaksOver("breaker"))),
            permissions: Permissions {
                publish: true,
                sources: Vec::new(),
                subscribe: true,
                publish_data: true,
                update_own_metadata: true,
                hidden: false,
                recorder: false,
            },
            layout: Layout::Dual,
            kind: ParticipantKind::Standard,
            auto_subscribe: true,
            watches: None,
            client: ClientDescription::default(),
        };
        self.rooms.join(admission).await.expect("a stay")
    }

    async fn present(&self, room: &str) -> usize {
        let present = self.rooms.participants(room).await;
        present.map_or(0, |present| present.len())
    }
}

async fn end_of(stay: &mut Stay) -> LeaveReason {
    loop {
        let notice = coming("a notice", stay.notice()).await;
        if let Notice::Left(reason) = notice.expect("an end") {
            return reason;
        }
    }
}

#[tokio::test]
async fn a_room_that_breaks_costs_that_room_only_and_its_people_may_come_again() {
    let house = House::new();
    let _kept = house.join("other", "teacher").await;
    assert_eq!(house.present("other").await, 1);
    let mut learner = house.join("breaking", "learner").await;
    assert_eq!(house.present("breaking").await, 1);
    let opened = house.told.opened();
    assert_eq!(opened.len(), 2, "one of each");

    let mut breaker = house.join("breaking", "breaker").await;
    for stay in [&mut learner, &mut breaker] {
        assert_eq!(end_of(stay).await, LeaveReason::StateMismatch);
    }
    // Nothing of the broken room stays behind in the media threads.
    while !house.told.closed().contains(&opened[1]) {
        coming("more commands", house.told.more.notified()).await;
    }
    assert!(!house.told.closed().contains(&opened[0]));
    assert_eq!(house.present("other").await, 1);
    let _again = house.join("breaking", "learner").await;
    assert_eq!(house.present("breaking").await, 1);
}
