//! The event stream over HTTP: to the right people, resumed without loss, ended when it should.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use mingtang::domain::actor::Actor;
use mingtang::domain::announcement::{Announcement, Audience, Topic};
use mingtang::service::events::{Following, Topics};
use mingtang::service::{Context, outbox};
use reqwest::Method;
use serde_json::json;

use crate::server::{Client, Server};
use crate::waiting::coming;

struct Listener {
    chunks: BoxStream<'static, String>,
    read: String,
}

/// One event as a browser would see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    id: String,
    event: String,
    data: String,
}

async fn listen(client: &Client, last_event_id: Option<&str>) -> Listener {
    let mut request = client.request(Method::GET, "/api/events");
    if let Some(id) = last_event_id {
        request = request.header("last-event-id", id);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let chunks = response.bytes_stream();
    let chunks = chunks.filter_map(async |chunk| String::from_utf8(chunk.ok()?.to_vec()).ok());
    Listener {
        chunks: chunks.boxed(),
        read: String::new(),
    }
}

impl Listener {
    async fn next(&mut self) -> Option<Seen> {
        loop {
            if let Some((block, rest)) = self.read.split_once("\n\n") {
                let mut seen = Seen::default();
                for line in block.lines() {
                    match line.split_once(": ") {
                        Some(("id", value)) => seen.id = value.to_owned(),
                        Some(("event", value)) => seen.event = value.to_owned(),
                        Some(("data", value)) => seen.data = value.to_owned(),
                        Some(_) | None => {}
                    }
                }
                self.read = rest.to_owned();
                return Some(seen);
            }
            let chunk = coming("a part of the stream", self.chunks.next()).await?;
            self.read.push_str(&chunk);
        }
    }
}

async fn announce(context: &Context, audience: Audience, data: &str) {
    let mut transaction = context.store.begin().await.unwrap();
    let announcement = Announcement {
        audience,
        kind: "test",
        payload: data.to_owned(),
    };
    outbox::announce(context, &mut transaction, &[announcement])
        .await
        .unwrap();
    outbox::commit(context, transaction).await.unwrap();
}

#[tokio::test]
async fn an_announcement_reaches_the_account_it_is_for() {
    let server = Server::start().await;
    let context = &server.world.context;
    let mut one = listen(&server.sign_in("learner1").await, None).await;
    let mut two = listen(&server.sign_in("learner2").await, None).await;
    assert_eq!(one.next().await.unwrap().event, "");
    two.next().await.unwrap();
    announce(
        context,
        Audience::Account(server.demo.learners[0]),
        "{\"n\":1}",
    )
    .await;
    announce(
        context,
        Audience::Account(server.demo.learners[1]),
        "{\"n\":2}",
    )
    .await;
    let seen = one.next().await.unwrap();
    assert_eq!(
        (seen.event.as_str(), seen.data.as_str()),
        ("test", "{\"n\":1}")
    );
    assert_eq!(two.next().await.unwrap().data, "{\"n\":2}");
}

#[tokio::test]
async fn a_returning_client_gets_what_it_missed_once_and_in_order() {
    let server = Server::start().await;
    let context = &server.world.context;
    let client = server.sign_in("learner1").await;
    let audience = Audience::Account(server.demo.learners[0]);
    let mut stream = listen(&client, None).await;
    stream.next().await.unwrap();
    announce(context, audience.clone(), "1").await;
    let last = stream.next().await.unwrap();
    drop(stream);
    announce(context, audience.clone(), "2").await;
    announce(
        context,
        Audience::Account(server.demo.learners[1]),
        "not mine",
    )
    .await;
    announce(context, audience.clone(), "3").await;
    outbox::dispatch(context).await.unwrap();
    let mut stream = listen(&client, Some(&last.id)).await;
    assert_eq!(stream.next().await.unwrap().data, "2");
    assert_eq!(stream.next().await.unwrap().data, "3");
    assert_eq!(
        stream.next().await.unwrap().data,
        "",
        "the mark from which on nothing is missed"
    );
    announce(context, audience, "4").await;
    assert_eq!(stream.next().await.unwrap().data, "4");
}

#[tokio::test]
async fn a_client_that_missed_too_much_is_told_to_load_anew() {
    let server = Server::start().await;
    let context = &server.world.context;
    let client = server.sign_in("learner1").await;
    announce(context, Audience::Account(server.demo.learners[0]), "1").await;
    outbox::dispatch(context).await.unwrap();
    server.world.clock.advance(TimeDelta::hours(25));
    outbox::prune(context).await.unwrap();
    let mut client = client;
    client.refresh().await;
    for id in ["0", "99999", "not an id"] {
        let reset = listen(&client, Some(id)).await.next().await.unwrap();
        assert_eq!(
            (reset.event.as_str(), reset.data.as_str()),
            ("reset", "{}"),
            "{id}"
        );
        let mut resumed = listen(&client, Some(&reset.id)).await;
        assert_eq!(
            resumed.next().await.unwrap().event,
            "",
            "the id of a reset is good"
        );
    }
}

#[tokio::test]
async fn a_stream_ends_when_its_account_is_disabled() {
    let server = Server::start().await;
    let officer = server.sign_in("officer").await;
    let learner = server.sign_in("learner1").await;
    let mut stream = listen(&learner, None).await;
    stream.next().await.unwrap();
    let path = format!("/api/people/{}", learner.me["person_id"].as_str().unwrap());
    officer.patch(&path, json!({"disabled": true})).await;
    assert_eq!(stream.next().await, None);
}

#[tokio::test]
async fn the_token_may_stand_in_the_address_of_the_stream_and_nowhere_else() {
    let server = Server::start().await;
    let mut client = server.sign_in("learner1").await;
    let token = client.token.take().unwrap();
    let address = format!("/api/events?access_token={token}&last_event_id=0");
    let response = client.request(Method::GET, &address).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let elsewhere = client.get(&format!("/api/me?access_token={token}")).await;
    assert_eq!(elsewhere.status, 401);
}

struct EverybodyFollowsOne;

impl Topics for EverybodyFollowsOne {
    fn of<'a>(&'a self, _: &'a Context, _: &'a Actor) -> Following<'a> {
        Box::pin(async { Ok(BTreeSet::from([Topic::stored("lesson:1".to_owned())])) })
    }
}

#[tokio::test]
async fn a_topic_reaches_its_followers_live_and_resumed() {
    let mut server = Server::start().await;
    server.world.context.topics = Arc::new(EverybodyFollowsOne);
    let context = &server.world.context;
    server.base = crate::server::serve(mingtang::http::App::new(context.clone())).await;
    let client = server.sign_in("learner1").await;
    let mut stream = listen(&client, None).await;
    let start = stream.next().await.unwrap();
    announce(
        context,
        Audience::Topic(Topic::stored("lesson:1".to_owned())),
        "1",
    )
    .await;
    announce(
        context,
        Audience::Topic(Topic::stored("lesson:2".to_owned())),
        "2",
    )
    .await;
    announce(
        context,
        Audience::Topic(Topic::stored("lesson:1".to_owned())),
        "3",
    )
    .await;
    assert_eq!(stream.next().await.unwrap().data, "1");
    assert_eq!(stream.next().await.unwrap().data, "3");
    let mut resumed = listen(&client, Some(&start.id)).await;
    assert_eq!(resumed.next().await.unwrap().data, "1");
    assert_eq!(resumed.next().await.unwrap().data, "3");
}
