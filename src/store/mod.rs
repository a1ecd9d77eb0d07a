//! All SQL: state and its facts are written in one transaction, constraints refuse by name.
//!
//! Functions take a [`Connection`]; a [`Transaction`] and a [`Reader`] both lend one (`&mut tx`).

pub mod account;
pub mod attendance;
pub mod chat;
pub mod constraint;
pub mod course;
pub mod evidence;
pub mod face;
pub mod film;
pub mod hours;
pub mod ledger;
pub mod lesson;
pub mod names;
pub mod outbox;
pub mod person;
pub mod question;
pub mod recording;
pub mod redress;
pub mod role;
pub mod round;
pub mod token;
pub mod unit;
pub mod viewing;
pub mod watched;
pub mod webhook;

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgPool, PgPoolOptions, Postgres};

use crate::domain::refusal::Refusal;

/// A connection as functions of this layer take it.
pub type Connection = sqlx::PgConnection;

/// How long a request waits for a free connection before it fails.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The database: a bounded pool of connections.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
}

impl Store {
    /// Connects to a Postgres of version 13 or later with at most `max_connections` at once.
    pub async fn connect(url: &str, max_connections: u32) -> Result<Self, Failure> {
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect(url)
            .await
            .map_err(|source| Failure::new("connect to Postgres", source))?;
        Ok(Self { pool })
    }

    /// Brings the schema to this version; several servers may do so at once.
    pub async fn migrate(&self) -> Result<(), Failure> {
        MIGRATIONS
            .run(&self.pool)
            .await
            .map_err(|source| Failure::new("migrate", source))
    }

    /// Begins a transaction; dropped without [`Transaction::commit`] it rolls back.
    pub async fn begin(&self) -> Result<Transaction, Error> {
        Ok(Transaction(self.pool.begin().await?))
    }

    /// Begins a transaction that reads one moment and writes nothing.
    pub async fn begin_snapshot(&self) -> Result<Transaction, Error> {
        let begin = "begin isolation level repeatable read, read only";
        Ok(Transaction(self.pool.begin_with(begin).await?))
    }

    /// A connection for reads that need not see one moment.
    pub async fn reader(&self) -> Result<Reader, Error> {
        Ok(Reader(self.pool.acquire().await?))
    }

    /// Answers when Postgres does.
    pub async fn ping(&self) -> Result<(), Error> {
        sqlx::query_scalar!("select 1")
            .fetch_one(&self.pool)
            .await?;
        Ok(())
    }

    /// Ends all connections; later calls fail.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// A transaction in progress.
#[derive(Debug)]
pub struct Transaction(sqlx::Transaction<'static, Postgres>);

impl Transaction {
    /// Makes everything done in it lasting.
    pub async fn commit(self) -> Result<(), Error> {
        Ok(self.0.commit().await?)
    }
}

impl Deref for Transaction {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}

/// A connection lent by the pool.
#[derive(Debug)]
pub struct Reader(PoolConnection<Postgres>);

impl Deref for Reader {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}

/// I/O that went wrong, with what was being done.
#[derive(Debug, thiserror::Error)]
#[error("could not {doing}")]
pub struct Failure {
    doing: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Failure {
    /// A failure while `doing` (a verb in the infinitive and its object).
    pub fn new(
        doing: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            doing,
            source: source.into(),
        }
    }
}

/// Why a call did not do what it was asked: a considered "no", or a failure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The rules say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Something around us failed.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        let refusal = source.as_database_error().and_then(|error| {
            let by_constraint = error.constraint().and_then(constraint::refusal);
            by_constraint.or_else(|| constraint::not_storable(&error.code()?))
        });
        match refusal {
            Some(refusal) => Self::Refused(refusal),
            None => Self::Failed(Failure::new("use the database", source)),
        }
    }
}

/// A stored value that this version cannot read: somebody else wrote it.
fn unreadable(message: String) -> Error {
    Error::Failed(Failure::new("read a stored value", message))
}
