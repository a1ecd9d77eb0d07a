//! Bounds how often a password may be guessed, per username and address.
//!
//! Buckets hold digests: neither usernames nor addresses stay in memory.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use crate::domain::fact::Hash;
use crate::domain::refusal::{Refusal, RefusalKind};

/// Failed attempts in a window before further ones are refused.
pub const FAILURES_MAX: u32 = 10;

/// Length of a window, from its first failure.
pub const WINDOW: TimeDelta = TimeDelta::minutes(15);

/// Buckets kept; at the bound the oldest window is forgotten.
const BUCKETS_MAX: usize = 10_000;

/// Attempts by username and address.
#[derive(Debug, Default)]
pub struct Throttle {
    buckets: Mutex<BTreeMap<Hash, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    opened_at: DateTime<Utc>,
    failures: u32,
}

/// Names a bucket.
#[derive(Clone, Copy, Debug)]
pub struct Guess(Hash);

impl Guess {
    /// The bucket of a username (without regard to case) and an address.
    pub fn of(username: &str, address: Option<IpAddr>) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(username.trim().to_lowercase().as_bytes());
        hasher.update([0]);
        hasher.update(
            address
                .map(|address| address.to_string())
                .unwrap_or_default(),
        );
        Self(hasher.finalize().into())
    }
}

impl Throttle {
    /// Counts an attempt as failed until [`Throttle::succeeded`] says otherwise, so that attempts
    /// at once cannot pass together. Refuses with `auth.too_many_attempts`.
    pub fn attempt(&self, guess: Guess, now: DateTime<Utc>) -> Result<(), Refusal> {
        let mut buckets = self.lock();
        if !buckets.contains_key(&guess.0) {
            make_place(&mut buckets, now);
        }
        let bucket = buckets.entry(guess.0).or_insert(Bucket {
            opened_at: now,
            failures: 0,
        });
        if now - bucket.opened_at >= WINDOW {
            *bucket = Bucket {
                opened_at: now,
                failures: 0,
            };
        }
        if bucket.failures >= FAILURES_MAX {
            return Err(too_many_attempts());
        }
        bucket.failures += 1;
        Ok(())
    }

    /// The right password was given: the bucket starts anew.
    pub fn succeeded(&self, guess: Guess) {
        self.lock().remove(&guess.0);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Hash, Bucket>> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_place(buckets: &mut BTreeMap<Hash, Bucket>, now: DateTime<Utc>) {
    if buckets.len() < BUCKETS_MAX {
        return;
    }
    buckets.retain(|_, bucket| now - bucket.opened_at < WINDOW);
    if buckets.len() >= BUCKETS_MAX {
        let oldest = buckets
            .iter()
            .min_by_key(|(_, bucket)| bucket.opened_at)
            .map(|(key, _)| *key);
        oldest.and_then(|key| buckets.remove(&key));
    }
}

fn too_many_attempts() -> Refusal {
    Refusal::new(
        RefusalKind::Limited,
        "auth.too_many_attempts",
        "密码错误次数过多，请 15 分钟后再试。",
        "Too many wrong passwords. Try again in 15 minutes.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    #[test]
    fn the_eleventh_attempt_in_fifteen_minutes_is_refused() {
        let throttle = Throttle::default();
        let guess = Guess::of("Admin", None);
        for _ in 0..FAILURES_MAX {
            throttle.attempt(guess, at(0)).unwrap();
        }
        let refused = throttle
            .attempt(Guess::of("admin ", None), at(14))
            .unwrap_err();
        assert_eq!(refused.code, "auth.too_many_attempts");
        let elsewhere = Guess::of("admin", Some([127, 0, 0, 1].into()));
        assert!(throttle.attempt(elsewhere, at(14)).is_ok());
        assert!(throttle.attempt(guess, at(15)).is_ok());
    }

    #[test]
    fn a_right_password_clears_the_count() {
        let throttle = Throttle::default();
        let guess = Guess::of("admin", None);
        for _ in 0..3 * FAILURES_MAX {
            throttle.attempt(guess, at(0)).unwrap();
            throttle.succeeded(guess);
        }
    }

    #[test]
    fn the_number_of_buckets_is_bounded() {
        let throttle = Throttle::default();
        for n in 0..BUCKETS_MAX + 10 {
            throttle
                .attempt(Guess::of(&n.to_string(), None), at(0))
                .unwrap();
        }
        assert_eq!(throttle.lock().len(), BUCKETS_MAX);
    }
}
