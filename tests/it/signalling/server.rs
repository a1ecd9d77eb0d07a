//! A server of signalling alone, on a port of its own, with the rooms of the product.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use crate::waiting::coming;
use chrono::TimeDelta;
use mingtang::http::livekit::{LivekitState, router, twirp};
use mingtang::hub::rooms::{NamedFact, Rooms};
use mingtang::hub::taps::TapLines;
use mingtang::media::command::{Command, Event, Fingerprint, HostCandidates};
use mingtang::media::placement::Shards;
use mingtang::media::signal::Permissions;
use mingtang::service::call::{Call, Decision, Invitation, Keys, Relays, RoomAdmin, RoomRules};
use mingtang::shell::clock::SystemClock;
use mingtang::shell::entropy::OsEntropy;
use mingtang::shell::rooms::{CommandSink, Order, RoomGround, open};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Keeps the commands that rooms give, for the test to look at.
#[derive(Default)]
pub struct Commands(pub Mutex<Vec<Command>>);

impl CommandSink for Commands {
    fn send(&self, orders: Vec<Order>) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.0
            .lock()
            .unwrap()
            .extend(orders.into_iter().map(|(_, command)| command));
        Box::pin(std::future::ready(()))
    }
}

/// Knows no sessions: every room is a plain one.
pub struct NoSessions;

impl RoomRules for NoSessions {
    fn permissions<'a>(&'a self, _room: &'a str, _identity: &'a str) -> Decision<'a> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// A running server; it ends with the test's runtime.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Mints tokens.
    pub call: Arc<Call>,
    /// Its rooms.
    pub rooms: Rooms,
    /// What the rooms told the media threads.
    pub commands: Arc<Commands>,
    /// What media threads would say.
    pub events: mpsc::Sender<Event>,
    /// What rooms told the use cases.
    pub facts: mpsc::Receiver<NamedFact>,
}

/// Starts one.
pub async fn start() -> Server {
    start_with(Arc::new(NoSessions)).await
}

/// Starts one with rules of its own.
pub async fn start_with(rules: Arc<dyn RoomRules>) -> Server {
    launch(rules, false).await
}

/// Starts one that plays mishaps to its clients.
pub async fn start_playing() -> Server {
    launch(Arc::new(NoSessions), true).await
}

async fn launch(rules: Arc<dyn RoomRules>, simulates: bool) -> Server {
    let clock = Arc::new(SystemClock);
    let others = BTreeMap::from([("devkey".to_owned(), b"secret".to_vec())]);
    let keys = Keys::new(("own".to_owned(), vec![1; 32]), others);
    let relays = Relays {
        urls: vec!["turn:turn.example.org:3478".to_owned()],
        secret: b"shared".to_vec(),
        valid_for: TimeDelta::hours(1),
    };
    let call = Call::new(keys, rules, clock.clone()).with_relays(relays);
    let call = Arc::new(call);
    let commands = Arc::new(Commands::default());
    let (events, events_receiver) = mpsc::channel(64);
    let ground = RoomGround {
        clock: clock.clone(),
        entropy: Arc::new(OsEntropy),
        shards: Shards::new([HostCandidates {
            udp: vec!["127.0.0.1:9".parse().unwrap()],
            tcp: Vec::new(),
        }]),
        fingerprint: Fingerprint([7; 32]),
        media: commands.clone(),
        taps: TapLines::default(),
    };
    let (rooms, facts) = open(ground, events_receiver);
    let admin = RoomAdmin::new(
        call.clone(),
        rooms.clone(),
        clock.clone(),
        Arc::new(OsEntropy),
    );
    let state = LivekitState {
        call: call.clone(),
        rooms: rooms.clone(),
        clock,
        simulates,
    };
    let app = router(state).merge(twirp::router(admin));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    Server {
        address,
        call,
        rooms,
        commands,
        events,
        facts,
    }
}

impl Server {
    /// A token for a room with all rights.
    pub fn token(&self, room: &str, identity: &str) -> String {
        self.token_with(room, identity, |_| {})
    }

    /// A token with changed rights.
    pub fn token_with(
        &self,
        room: &str,
        identity: &str,
        change: impl FnOnce(&mut Permissions),
    ) -> String {
        let mut permissions = Permissions {
            publish: true,
            sources: Vec::new(),
            subscribe: true,
            publish_data: true,
            update_own_metadata: true,
            hidden: false,
            recorder: false,
        };
        change(&mut permissions);
        let invitation = Invitation {
            room: room.to_owned(),
            identity: identity.to_owned(),
            name: format!("name of {identity}"),
            permissions,
            attributes: BTreeMap::new(),
            valid_for: TimeDelta::minutes(5),
        };
        self.call.mint(&invitation).unwrap()
    }

    /// The next thing that a room tells, and the room's name.
    pub async fn fact(&mut self) -> NamedFact {
        coming("a fact of a room", self.facts.recv()).await.unwrap()
    }

    /// An address below the server's.
    pub fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}{path}", self.address)
    }
}
