//! Deadlines by name, the earliest at hand.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

/// At most one deadline per key.
#[derive(Debug)]
pub struct Timers<K> {
    by_key: BTreeMap<K, DateTime<Utc>>,
    by_time: BTreeSet<(DateTime<Utc>, K)>,
}

impl<K: Ord + Copy> Timers<K> {
    /// No deadlines.
    pub fn new() -> Self {
        Self {
            by_key: BTreeMap::new(),
            by_time: BTreeSet::new(),
        }
    }

    /// Sets the key's deadline, in place of an earlier setting.
    pub fn arm(&mut self, key: K, at: DateTime<Utc>) {
        self.disarm(key);
        self.by_key.insert(key, at);
        self.by_time.insert((at, key));
    }

    /// Sets the key's deadline unless it has one.
    pub fn arm_once(&mut self, key: K, at: DateTime<Utc>) {
        if !self.by_key.contains_key(&key) {
            self.arm(key, at);
        }
    }

    /// Drops the key's deadline.
    pub fn disarm(&mut self, key: K) {
        if let Some(at) = self.by_key.remove(&key) {
            self.by_time.remove(&(at, key));
        }
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<DateTime<Utc>> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out one key whose deadline is reached.
    pub fn pop_due(&mut self, now: DateTime<Utc>) -> Option<K> {
        let (at, key) = self.by_time.first().copied()?;
        (at <= now).then(|| {
            self.disarm(key);
            key
        })
    }
}
