//! A server's context with time and chance played by hand.

use std::path::Path;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use mingtang::domain::entropy::{Clock, Entropy};
use mingtang::domain::library::bounds::LibraryBounds;
use mingtang::service::library::Library;
use mingtang::service::{Context, Keys};
use mingtang::shell::workers::BlockingThreads;
use mingtang::store::Store;
use sha2::{Digest, Sha256};

use crate::postgres::Database;

/// A context on a database of its own.
pub struct World {
    pub context: Context,
    pub clock: Arc<ManualClock>,
    entropy: Arc<CountedEntropy>,
    url: String,
    folder: tempfile::TempDir,
    _database: Option<Database>,
}

impl World {
    pub async fn new() -> Self {
        let database = tokio::task::spawn_blocking(Database::create)
            .await
            .expect("a database");
        let mut world = Self::at(&database.url).await;
        world._database = Some(database);
        world
    }

    /// A context on a database that somebody else keeps.
    pub async fn at(url: &str) -> Self {
        let clock = Arc::new(ManualClock::new());
        let entropy = Arc::new(CountedEntropy::default());
        let folder = tempfile::tempdir().expect("a folder");
        let mut context = context(url, clock.clone(), entropy.clone()).await;
        context.library = Library::at(folder.path(), LibraryBounds::default());
        Self {
            context,
            clock,
            entropy,
            url: url.to_owned(),
            folder,
            _database: None,
        }
    }

    /// What a second server process on the same database would have; chance goes on, since no
    /// process draws again what another drew.
    pub async fn restarted(&self) -> Context {
        let mut context = context(&self.url, self.clock.clone(), self.entropy.clone()).await;
        context.library = Library::at(self.folder.path(), LibraryBounds::default());
        context
    }

    /// Where its films are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A connection that no rule of ours stands before: a hand in the database.
    pub async fn hand(&self) -> sqlx::PgConnection {
        use sqlx::Connection;
        sqlx::PgConnection::connect(&self.url)
            .await
            .expect("connect")
    }
}

async fn context(url: &str, clock: Arc<ManualClock>, entropy: Arc<CountedEntropy>) -> Context {
    let store = Store::connect(url, 8).await.expect("connect");
    Context::new(
        clock,
        entropy,
        store,
        Arc::new(Keys::new([7; 32], [8; 32], [9; 32])),
        Arc::new(BlockingThreads),
    )
}

/// A clock that moves only when told.
pub struct ManualClock(Mutex<DateTime<Utc>>);

impl ManualClock {
    fn new() -> Self {
        let start = DateTime::from_timestamp(1_800_000_000, 0).expect("a moment");
        Self(Mutex::new(start))
    }

    pub fn advance(&self, by: TimeDelta) {
        *self.0.lock().expect("the clock") += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().expect("the clock")
    }
}

/// Bytes that differ at every call and are the same in every run of a test.
#[derive(Default)]
pub struct CountedEntropy(Mutex<u64>);

impl Entropy for CountedEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut count = self.0.lock().expect("the counter");
        for chunk in bytes.chunks_mut(32) {
            *count += 1;
            chunk.copy_from_slice(&Sha256::digest(count.to_be_bytes())[..chunk.len()]);
        }
    }
}
