//! Events for other programs reach real endpoints: signed, in order, until accepted, over restarts.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use mingtang::domain::delivery;
use mingtang::domain::id::RoomId;
use mingtang::media::room::RoomFact;
use mingtang::media::signal::RoomView;
use mingtang::service::call::Call;
use mingtang::service::webhooks::{self, Endpoint, Event};
use mingtang::service::{Context, call};
use mingtang::shell::clock::SystemClock;
use mingtang::shell::webhooks::{News, start};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::Executor as _;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::program;
use crate::binary;
use crate::signalling::server::NoSessions;
use crate::support::World;
use crate::waiting::{coming, until};

/// What an endpoint was sent, in order.
type Posts = mpsc::Receiver<(HeaderMap, String)>;

/// An endpoint of somebody's that first gives these answers and then accepts.
struct Receiver {
    url: String,
    posts: Posts,
}

#[derive(Clone)]
struct Desk {
    refusals: Arc<Mutex<Vec<u16>>>,
    posts: mpsc::Sender<(HeaderMap, String)>,
}

impl Receiver {
    async fn start(refusals: &[u16]) -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").await.unwrap(), refusals)
    }

    fn at(listener: TcpListener, refusals: &[u16]) -> Self {
        let address = listener.local_addr().unwrap();
        let (sender, posts) = mpsc::channel(64);
        let desk = Desk {
            refusals: Arc::new(Mutex::new(refusals.iter().rev().copied().collect())),
            posts: sender,
        };
        let app = axum::Router::new()
            .route("/hook", axum::routing::post(take))
            .with_state(desk);
        tokio::spawn(async move { axum::serve(listener, app).await });
        let url = format!("http://{address}/hook");
        Self { url, posts }
    }

    /// The kind of the next event that was sent here.
    async fn next(&mut self) -> String {
        let (_, body) = self.post().await;
        kind(&body)
    }

    /// The next event that was sent here, as it came.
    async fn post(&mut self) -> (HeaderMap, String) {
        coming("a post", self.posts.recv()).await.unwrap()
    }
}

async fn take(State(desk): State<Desk>, headers: HeaderMap, body: String) -> Response {
    let refusal = desk.refusals.lock().unwrap().pop();
    desk.posts.send((headers, body)).await.unwrap();
    let status = refusal.map_or(StatusCode::OK, |code| StatusCode::from_u16(code).unwrap());
    if status.is_redirection() {
        return (status, [("location", "/hook")]).into_response();
    }
    status.into_response()
}

fn kind(body: &str) -> String {
    let event: Value = serde_json::from_str(body).unwrap();
    event["event"].as_str().unwrap().to_owned()
}

fn endpoints(urls: &[&str]) -> Vec<Endpoint> {
    let urls = urls.iter().zip(1..);
    let endpoints = urls.map(|(url, number)| Endpoint {
        number,
        url: (*url).to_owned(),
        key: "devkey".to_owned(),
    });
    endpoints.collect()
}

fn keys() -> Arc<Call> {
    let others = [("devkey".to_owned(), b"secret".to_vec())].into();
    let keys = call::Keys::new(("own".to_owned(), vec![1; 32]), others);
    Arc::new(Call::new(keys, Arc::new(NoSessions), Arc::new(SystemClock)))
}

/// A server's own part: what rooms tell goes in by `News`.
struct Outgoing {
    news: News,
    _tasks: JoinSet<()>,
    written: tokio::task::JoinHandle<()>,
}

impl Outgoing {
    async fn start(context: &Context, urls: &[&str]) -> Self {
        let mut tasks = JoinSet::new();
        let started = start(context, &keys(), endpoints(urls), &mut tasks)
            .await
            .unwrap();
        Self {
            news: started.0,
            _tasks: tasks,
            written: started.1,
        }
    }

    fn open(&mut self, name: &str) {
        self.news.note(name, &RoomFact::Opened(room(name)));
    }

    fn close(&mut self, name: &str) {
        let (room, reason) = (room(name), None);
        self.news.note(name, &RoomFact::Closed { room, reason });
    }

    /// Ends as a server does that stops: everything is written, not everything sent.
    async fn stop(self) {
        drop(self.news);
        self.written.await.unwrap();
    }
}

fn room(name: &str) -> RoomView {
    RoomView {
        room: RoomId(Uuid::from_u128(1)),
        name: name.to_owned(),
        metadata: String::new(),
        created_at: chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        participants: 0,
        publishers: 0,
        is_recorded: false,
    }
}

async fn waiting(world: &World) -> i64 {
    let mut hand = world.hand().await;
    let count = sqlx::query_scalar("select count(*) from webhook");
    count.fetch_one(&mut hand).await.unwrap()
}

async fn until_so_many_wait(world: &World, wanted: i64) {
    let mut hand = world.hand().await;
    until(&format!("{wanted} events wait"), async || {
        let count = sqlx::query_scalar("select count(*) from webhook");
        let count: i64 = count.fetch_one(&mut hand).await.unwrap();
        count == wanted
    })
    .await;
}

#[tokio::test]
async fn an_event_says_who_wrote_it_and_that_nobody_changed_it() {
    let world = World::new().await;
    let mut receiver = Receiver::start(&[]).await;
    let mut outgoing = Outgoing::start(&world.context, &[&receiver.url]).await;
    outgoing.open("r");
    let (headers, body) = receiver.post().await;
    assert_eq!(headers["content-type"], "application/webhook+json");
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&["devkey"]);
    let key = DecodingKey::from_secret(b"secret");
    let token = headers["authorization"].to_str().unwrap();
    let claims: Value = jsonwebtoken::decode(token, &key, &validation)
        .unwrap()
        .claims;
    assert_eq!(claims["sha256"], STANDARD.encode(Sha256::digest(&body)));
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&event["event"], &event["room"]["name"]),
        (&"room_started".into(), &"r".into())
    );
    assert!(event["id"].as_str().unwrap().starts_with("EV_"));
    until_so_many_wait(&world, 0).await;
}

#[tokio::test]
async fn an_endpoint_that_refuses_gets_the_same_event_again_before_any_other() {
    let world = World::new().await;
    let mut receiver = Receiver::start(&[500, 302]).await;
    let mut outgoing = Outgoing::start(&world.context, &[&receiver.url]).await;
    outgoing.open("r");
    outgoing.close("r");
    let mut bodies = Vec::new();
    for _ in 0..4 {
        bodies.push(receiver.post().await.1);
    }
    let kinds: Vec<String> = bodies.iter().map(|body| kind(body)).collect();
    let wanted = [
        "room_started",
        "room_started",
        "room_started",
        "room_finished",
    ];
    assert_eq!(
        kinds, wanted,
        "a redirect is not followed, and is no acceptance"
    );
    assert_eq!(
        bodies[0], bodies[2],
        "the same to the byte, so under the same id"
    );
    until_so_many_wait(&world, 0).await;
    assert!(receiver.posts.try_recv().is_err(), "and nothing twice");
}

#[tokio::test]
async fn what_was_not_accepted_is_sent_by_the_next_server_in_order() {
    let world = World::new().await;
    // Nobody listens yet at an address that is ours.
    let silent = TcpSocket::new_v4().unwrap();
    silent.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = silent.local_addr().unwrap();
    let url = format!("http://{address}/hook");
    let mut outgoing = Outgoing::start(&world.context, &[&url]).await;
    outgoing.open("first");
    outgoing.close("first");
    outgoing.open("second");
    outgoing.stop().await;
    assert_eq!(waiting(&world).await, 3);
    let mut receiver = Receiver::at(silent.listen(64).unwrap(), &[]);
    let next = world.restarted().await;
    let mut outgoing = Outgoing::start(&next, &[&url]).await;
    outgoing.close("second");
    for wanted in [
        "room_started",
        "room_finished",
        "room_started",
        "room_finished",
    ] {
        assert_eq!(receiver.next().await, wanted);
    }
    until_so_many_wait(&world, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_tells_of_the_end_of_its_rooms_at_its_next_start_at_the_latest() {
    let data = tempfile::tempdir().unwrap();
    let mut receiver = Receiver::start(&[]).await;
    let file = format!("webhook_urls = [\"{}\"]", receiver.url);
    std::fs::write(data.path().join("mingtang.toml"), file).unwrap();
    let server = binary::Server::start(data.path());
    let url = format!("{}/twirp/livekit.RoomService/CreateRoom", server.url);
    let token = program::token(&json!({"roomCreate": true}));
    let request = reqwest::Client::new().post(url).bearer_auth(token);
    let made = request.json(&json!({"name": "r"})).send().await.unwrap();
    assert_eq!(made.status().as_u16(), 200);
    assert_eq!(receiver.next().await, "room_started");
    assert!(server.stop());
    let _server = binary::Server::start(data.path());
    let (_, body) = receiver.post().await;
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(event["event"], "room_finished");
    assert_eq!(event["roomEndReason"], "ROOM_END_SERVER_SHUTDOWN");
}

#[tokio::test]
async fn an_endpoint_that_is_away_holds_up_no_other() {
    let world = World::new().await;
    let mut receiver = Receiver::start(&[]).await;
    let away = "http://127.0.0.1:1/hook";
    let mut outgoing = Outgoing::start(&world.context, &[away, &receiver.url]).await;
    for name in ["a", "b", "c"] {
        outgoing.open(name);
        assert_eq!(receiver.next().await, "room_started");
    }
    until_so_many_wait(&world, 3).await;
}

#[tokio::test]
async fn what_waits_for_an_endpoint_that_is_configured_no_more_is_forgotten() {
    let world = World::new().await;
    let old = endpoints(&["http://127.0.0.1:1/old", "http://127.0.0.1:1/kept"]);
    let event = Event {
        id: Uuid::from_u128(1),
        body: "{}".to_owned(),
    };
    webhooks::keep(&world.context, &old, &[event])
        .await
        .unwrap();
    assert_eq!(waiting(&world).await, 2);
    webhooks::begin(&world.context, &old[1..]).await.unwrap();
    assert_eq!(waiting(&world).await, 1);
}

#[tokio::test]
async fn an_event_that_was_written_already_is_not_written_twice() {
    let world = World::new().await;
    let one = endpoints(&["http://127.0.0.1:1/hook"]);
    let event = Event {
        id: Uuid::from_u128(1),
        body: "{}".to_owned(),
    };
    for _ in 0..2 {
        let events = std::slice::from_ref(&event);
        webhooks::keep(&world.context, &one, events).await.unwrap();
    }
    assert_eq!(waiting(&world).await, 1);
}

#[tokio::test]
async fn events_too_old_or_too_many_are_given_up_the_oldest_first() {
    let world = World::new().await;
    let one = endpoints(&["http://127.0.0.1:1/hook"]);
    let event = |number: u128| Event {
        id: Uuid::from_u128(number),
        body: number.to_string(),
    };
    let context = &world.context;
    webhooks::keep(context, &one, &[event(1)]).await.unwrap();
    world.clock.advance(delivery::KEPT - TimeDelta::seconds(1));
    webhooks::keep(context, &one, &[event(2)]).await.unwrap();
    assert_eq!(webhooks::prune(context, &one).await.unwrap(), 0);
    world.clock.advance(TimeDelta::seconds(2));
    assert_eq!(webhooks::prune(context, &one).await.unwrap(), 1);
    let mut hand = world.hand().await;
    let many = format!(
        "insert into webhook (endpoint, event_id, body, created_at) \
         select endpoint, gen_random_uuid(), 'later', created_at \
         from webhook, generate_series(1, {})",
        delivery::WAITING_MAX + 4
    );
    hand.execute(sqlx::AssertSqlSafe(many)).await.unwrap();
    assert_eq!(webhooks::prune(context, &one).await.unwrap(), 5);
    let oldest = sqlx::query_scalar("select body from webhook order by id limit 1");
    let oldest: String = oldest.fetch_one(&mut hand).await.unwrap();
    assert_eq!(oldest, "later");
    assert_eq!(waiting(&world).await, i64::from(delivery::WAITING_MAX));
}
