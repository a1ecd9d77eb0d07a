//! The event stream of somebody signed in: what was missed, then what comes.

use std::collections::{BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use super::{Context, Error};
use crate::domain::actor::Actor;
use crate::domain::announcement::{ACCESS_CHANGED, Announced, Topic};
use crate::hub::events::Subscription;
use crate::store;

/// Announcements replayed at most; a client that missed more loads everything anew.
pub const REPLAY_MAX: u32 = 1_000;

/// The topics that somebody follows, to be looked up.
pub type Following<'a> = Pin<Box<dyn Future<Output = Result<BTreeSet<Topic>, Error>> + Send + 'a>>;

/// Says which topics an actor follows.
pub trait Topics: Send + Sync {
    /// The topics as of now; asked when a stream opens. Whatever changes them announces
    /// [`ACCESS_CHANGED`] to the account in the same transaction.
    fn of<'a>(&'a self, context: &'a Context, actor: &'a Actor) -> Following<'a>;
}

/// Nobody follows anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTopics;

impl Topics for NoTopics {
    fn of<'a>(&'a self, _: &'a Context, _: &'a Actor) -> Following<'a> {
        Box::pin(async { Ok(BTreeSet::new()) })
    }
}

/// One thing to tell a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// From here on nothing is missed; a client that returns names this position.
    Started {
        /// The last position given so far.
        position: i64,
    },
    /// What was missed cannot be told: load everything anew.
    Reset {
        /// The last position given so far.
        position: i64,
    },
    /// An announcement.
    Announced(Arc<Announced>),
}

/// An open event stream.
#[derive(Debug)]
pub struct EventStream {
    waiting: VecDeque<Event>,
    caught_up: i64,
    subscription: Subscription,
}

/// Opens a stream that goes on after `last_event_id`, as the client gave it back.
pub async fn open(
    context: &Context,
    actor: &Actor,
    last_event_id: Option<&str>,
) -> Result<EventStream, Error> {
    let topics = context.topics.of(context, actor).await?;
    // What is announced from here on waits in the subscription while the past is read.
    let subscription = context.events.subscribe(actor.account, topics.clone())?;
    let topics: Vec<Topic> = topics.into_iter().collect();
    let mut db = context.store.begin_snapshot().await?;
    let window = store::outbox::window(&mut db).await?;
    let position = window.last;
    let waiting = match last_event_id.map(str::parse::<i64>) {
        None => VecDeque::from([Event::Started { position }]),
        Some(Ok(after)) if (window.pruned_through..=window.last).contains(&after) => {
            let limit = REPLAY_MAX + 1;
            let missed = store::outbox::after(&mut db, after, actor.account, &topics, limit);
            replay(missed.await?, position)
        }
        Some(Ok(_) | Err(_)) => VecDeque::from([Event::Reset { position }]),
    };
    Ok(EventStream {
        waiting,
        caught_up: position,
        subscription,
    })
}

fn replay(missed: Vec<Announced>, position: i64) -> VecDeque<Event> {
    if missed.len() > REPLAY_MAX as usize {
        return VecDeque::from([Event::Reset { position }]);
    }
    let told = missed
        .into_iter()
        .filter(|announced| announced.kind != ACCESS_CHANGED);
    told.map(|announced| Event::Announced(Arc::new(announced)))
        .chain([Event::Started { position }])
        .collect()
}

impl EventStream {
    /// The next event; none when the stream is over and the client may come back.
    pub async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.waiting.pop_front() {
            return Some(event);
        }
        loop {
            let announced = self.subscription.next().await?;
            if announced.position > self.caught_up {
                return Some(Event::Announced(announced));
            }
        }
    }
}
