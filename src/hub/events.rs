//! Fan-out of announcements to event streams, each behind a bounded queue.
//!
//! A stream that does not keep up is cut: its client comes back with the last position it saw, and
//! the outbox has the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::domain::announcement::{ACCESS_CHANGED, Announced, Audience, Topic};
use crate::domain::id::AccountId;
use crate::domain::refusal::{Refusal, RefusalKind};

/// Announcements waiting for one stream; at the bound the stream is cut.
pub const QUEUE_MAX: usize = 64;

/// Streams of one account; at the bound the oldest is cut.
pub const STREAMS_PER_ACCOUNT_MAX: usize = 8;

/// Streams of the server; at the bound new ones are refused.
pub const STREAMS_MAX: usize = 20_000;

/// The registry of open event streams; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Events {
    registry: Arc<Mutex<Registry>>,
}

#[derive(Debug, Default)]
struct Registry {
    next_id: u64,
    streams: BTreeMap<u64, Stream>,
    followers: BTreeMap<Audience, BTreeSet<u64>>,
}

#[derive(Debug)]
struct Stream {
    account: AccountId,
    topics: BTreeSet<Topic>,
    sender: mpsc::Sender<Arc<Announced>>,
}

/// One open event stream; dropping it ends it.
#[derive(Debug)]
pub struct Subscription {
    id: u64,
    events: Events,
    receiver: mpsc::Receiver<Arc<Announced>>,
}

impl Events {
    /// Opens a stream for an account that follows these topics.
    /// Refuses with `server.busy` beyond [`STREAMS_MAX`].
    pub fn subscribe(
        &self,
        account: AccountId,
        topics: BTreeSet<Topic>,
    ) -> Result<Subscription, Refusal> {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let mut registry = self.lock();
        if registry.streams.len() >= STREAMS_MAX {
            return Err(busy());
        }
        registry.make_place(account);
        let id = registry.next_id;
        registry.next_id += 1;
        registry.follow(id, Audience::Account(account));
        for topic in &topics {
            registry.follow(id, Audience::Topic(topic.clone()));
        }
        registry.streams.insert(
            id,
            Stream {
                account,
                topics,
                sender,
            },
        );
        drop(registry);
        Ok(Subscription {
            id,
            events: self.clone(),
            receiver,
        })
    }

    /// Hands an announcement to every stream of its audience; [`ACCESS_CHANGED`] ends them instead.
    pub fn publish(&self, announced: &Arc<Announced>) {
        let mut registry = self.lock();
        let Some(followers) = registry.followers.get(&announced.audience) else {
            return;
        };
        let ends = announced.kind == ACCESS_CHANGED;
        let keeps_up = |id: &u64| match registry.streams.get(id) {
            Some(stream) => !ends && stream.sender.try_send(announced.clone()).is_ok(),
            None => false,
        };
        let cut: Vec<u64> = followers
            .iter()
            .copied()
            .filter(|id| !keeps_up(id))
            .collect();
        for id in cut {
            registry.remove(id);
        }
    }

    /// Ends all streams: the server stops.
    pub fn close(&self) {
        let mut registry = self.lock();
        registry.streams.clear();
        registry.followers.clear();
    }

    /// Streams open now.
    pub fn open(&self) -> usize {
        self.lock().streams.len()
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// The next announcement; none when the stream was cut.
    pub async fn next(&mut self) -> Option<Arc<Announced>> {
        self.receiver.recv().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.events.lock().remove(self.id);
    }
}

impl Registry {
    fn make_place(&mut self, account: AccountId) {
        let own = self.followers.get(&Audience::Account(account));
        let crowded = own.filter(|ids| ids.len() >= STREAMS_PER_ACCOUNT_MAX);
        if let Some(oldest) = crowded.and_then(|ids| ids.first().copied()) {
            self.remove(oldest);
        }
    }

    fn follow(&mut self, id: u64, audience: Audience) {
        self.followers.entry(audience).or_default().insert(id);
    }

    fn unfollow(&mut self, id: u64, audience: &Audience) {
        if let Some(ids) = self.followers.get_mut(audience) {
            ids.remove(&id);
            if ids.is_empty() {
                self.followers.remove(audience);
            }
        }
    }

    fn remove(&mut self, id: u64) {
        let Some(stream) = self.streams.remove(&id) else {
            return;
        };
        self.unfollow(id, &Audience::Account(stream.account));
        for topic in stream.topics {
            self.unfollow(id, &Audience::Topic(topic));
        }
    }
}

fn busy() -> Refusal {
    Refusal::new(
        RefusalKind::Unavailable,
        "server.busy",
        "服务器繁忙，请稍后再试。",
        "The server is busy. Try again in a moment.",
    )
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn account(n: u128) -> AccountId {
        AccountId(Uuid::from_u128(n))
    }

    fn topic(name: &str) -> Topic {
        Topic::stored(name.to_owned())
    }

    fn announced(position: i64, audience: Audience) -> Arc<Announced> {
        Arc::new(Announced {
            position,
            audience,
            kind: "test".into(),
            payload: "{}".into(),
        })
    }

    fn waiting(subscription: &mut Subscription) -> Vec<i64> {
        let receiver = &mut subscription.receiver;
        std::iter::from_fn(|| receiver.try_recv().ok().map(|a| a.position)).collect()
    }

    #[test]
    fn an_announcement_reaches_its_audience_and_nobody_else() {
        let events = Events::default();
        let mut one = events
            .subscribe(account(1), BTreeSet::from([topic("a")]))
            .unwrap();
        let mut two = events.subscribe(account(2), BTreeSet::new()).unwrap();
        events.publish(&announced(1, Audience::Topic(topic("a"))));
        events.publish(&announced(2, Audience::Account(account(2))));
        events.publish(&announced(3, Audience::Topic(topic("b"))));
        assert_eq!((waiting(&mut one), waiting(&mut two)), (vec![1], vec![2]));
    }

    #[test]
    fn a_stream_that_does_not_keep_up_is_cut_and_others_go_on() {
        let events = Events::default();
        let audience = Audience::Topic(topic("a"));
        let mut slow = events
            .subscribe(account(1), BTreeSet::from([topic("a")]))
            .unwrap();
        let mut quick = events
            .subscribe(account(2), BTreeSet::from([topic("a")]))
            .unwrap();
        for position in 0..=QUEUE_MAX as i64 {
            events.publish(&announced(position, audience.clone()));
            assert_eq!(waiting(&mut quick), [position]);
        }
        assert_eq!(waiting(&mut slow).len(), QUEUE_MAX);
        assert!(slow.receiver.is_closed());
        assert_eq!(events.open(), 1);
    }

    #[test]
    fn lost_access_ends_the_streams_of_the_account() {
        let events = Events::default();
        let mut stream = events.subscribe(account(1), BTreeSet::new()).unwrap();
        let mut last = Announced::clone(&announced(1, Audience::Account(account(1))));
        last.kind = ACCESS_CHANGED.to_owned();
        events.publish(&Arc::new(last));
        assert!(waiting(&mut stream).is_empty());
        assert!(stream.receiver.is_closed());
        drop(stream);
        assert!(events.lock().followers.is_empty());
    }

    #[test]
    fn the_oldest_stream_of_an_account_gives_way() {
        let events = Events::default();
        let streams: Vec<_> = (0..=STREAMS_PER_ACCOUNT_MAX)
            .map(|_| events.subscribe(account(1), BTreeSet::new()).unwrap())
            .collect();
        assert!(streams[0].receiver.is_closed());
        assert_eq!(events.open(), STREAMS_PER_ACCOUNT_MAX);
    }
}
