//! Events for other programs: written before anybody hears of them, sent in order, each until its
//! endpoint accepts it.
//!
//! An endpoint may get an event twice (the server died between its answer and our note of it); the
//! event's id tells. What waits is bounded by age and number; see [`crate::domain::delivery`].

use std::future::Future;
use std::pin::Pin;

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::call::Call;
use super::{Context, Error, Failure};
use crate::domain::delivery::{KEPT, WAITING_MAX};
use crate::domain::id::uuid_v7;
use crate::store::{self, Connection};

/// Events read in one go.
const BATCH: u32 = 32;

/// An event as it is sent.
#[derive(Clone, Debug)]
pub struct Event {
    /// Tells a repeated event.
    pub id: Uuid,
    /// Its JSON.
    pub body: String,
}

/// Where events go.
#[derive(Clone)]
pub struct Endpoint {
    /// What logs call it, from 1: its address may hold a secret.
    pub number: usize,
    /// Its address.
    pub url: String,
    /// Name of the API key that signs.
    pub key: String,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({})", self.number)
    }
}

/// Why an endpoint did not accept an event; no address stands in it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotAccepted(pub String);

/// What [`Courier::post`] answers.
pub type Posting<'a> = Pin<Box<dyn Future<Output = Result<(), NotAccepted>> + Send + 'a>>;

/// Brings a body to an address; `shell` implements it, because sockets are the shell's.
pub trait Courier: Send + Sync {
    /// Posts `application/webhook+json`; done when the endpoint says that it accepted.
    fn post<'a>(&'a self, url: &'a str, authorization: String, body: String) -> Posting<'a>;
}

/// How a round of deliveries ended.
#[derive(Debug)]
pub enum Round {
    /// Nothing waited.
    Idle,
    /// Some were accepted; more may wait.
    Accepted,
    /// The first in order was not accepted, and what follows it waits too.
    Held(NotAccepted),
}

/// Forgets what waits for endpoints that are no longer configured.
pub async fn begin(context: &Context, endpoints: &[Endpoint]) -> Result<(), Error> {
    let mut transaction = context.store.begin().await?;
    store::webhook::remove_of_others(&mut transaction, &urls(endpoints)).await?;
    transaction.commit().await
}

/// Writes events, in order, for every endpoint; all or none of them.
pub async fn keep(
    context: &Context,
    endpoints: &[Endpoint],
    events: &[Event],
) -> Result<(), Error> {
    let urls = urls(endpoints);
    let now = context.now();
    let mut transaction = context.store.begin().await?;
    for event in events {
        store::webhook::insert(&mut transaction, &urls, event.id, &event.body, now).await?;
    }
    transaction.commit().await
}

/// An event of ours as it is sent: it looks like one of a room, with another member in the place
/// of the room.
#[derive(Serialize)]
struct Told<'a, V> {
    id: String,
    event: &'a str,
    #[serde(rename = "createdAt")]
    created_at: String,
    #[serde(flatten)]
    about: &'a V,
}

/// Writes an event of ours for every endpoint in the caller's transaction: it is sent if and only
/// if that is committed. `about` serialises to an object.
pub async fn tell<V: Serialize>(
    context: &Context,
    db: &mut Connection,
    (event, about): (&str, &V),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    if context.endpoints.is_empty() {
        return Ok(());
    }
    let id = uuid_v7(now, &*context.entropy);
    let told = Told {
        id: format!("EV_{}", id.simple()),
        event,
        created_at: now.timestamp().to_string(),
        about,
    };
    let body = serde_json::to_string(&told);
    let body = body.map_err(|source| Failure::new("write a webhook event", source))?;
    store::webhook::insert(db, &urls(&context.endpoints), id, &body, now).await
}

/// Sends what waits at an endpoint, one after the other, and stops at the first that is not
/// accepted.
pub async fn deliver(
    context: &Context,
    call: &Call,
    courier: &dyn Courier,
    endpoint: &Endpoint,
) -> Result<Round, Error> {
    let mut db = context.store.reader().await?;
    let waiting = store::webhook::waiting(&mut db, &endpoint.url, BATCH).await?;
    // An endpoint may take its time, and connections are few.
    drop(db);
    let mut round = Round::Idle;
    for event in waiting {
        let token = call.vouch(&endpoint.key, event.body.as_bytes())?;
        if let Err(why) = courier.post(&endpoint.url, token, event.body).await {
            return Ok(Round::Held(why));
        }
        let mut db = context.store.reader().await?;
        store::webhook::remove(&mut db, event.id).await?;
        round = Round::Accepted;
    }
    Ok(round)
}

/// Gives up events that are too old or too many; returns how many.
pub async fn prune(context: &Context, endpoints: &[Endpoint]) -> Result<u64, Error> {
    let mut transaction = context.store.begin().await?;
    let mut given_up =
        store::webhook::remove_before(&mut transaction, context.now() - KEPT).await?;
    for endpoint in endpoints {
        let db = &mut transaction;
        given_up += store::webhook::remove_beyond(db, &endpoint.url, WAITING_MAX).await?;
    }
    transaction.commit().await?;
    Ok(given_up)
}

fn urls(endpoints: &[Endpoint]) -> Vec<String> {
    let urls = endpoints.iter().map(|endpoint| endpoint.url.clone());
    urls.collect()
}
