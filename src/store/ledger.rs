//! The ledger: append-only streams of hash-chained facts.

pub mod checkpoint;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Connection, Error, unreadable};
use crate::domain::fact::{self, Hash, SealedFact, StoredFact};
use crate::domain::id::StreamId;

/// A stream as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Its id.
    pub id: StreamId,
    /// What kind of thing it tells about.
    pub kind: String,
    /// Which thing.
    pub subject: Uuid,
    /// Place of the next fact.
    pub next_seq: u64,
    /// Hash of the last fact, or the genesis hash.
    pub head_hash: Vec<u8>,
}

struct StreamRow {
    id: Uuid,
    kind: String,
    subject: Uuid,
    next_seq: i64,
    head_hash: Vec<u8>,
}

impl StreamRow {
    fn into_stream(self) -> Result<Stream, Error> {
        Ok(Stream {
            id: StreamId(self.id),
            kind: self.kind,
            subject: self.subject,
            next_seq: stored_seq(self.next_seq)?,
            head_hash: self.head_hash,
        })
    }
}

struct FactRow {
    seq: i64,
    at: DateTime<Utc>,
    kind: String,
    body: String,
    previous_hash: Vec<u8>,
    hash: Vec<u8>,
}

impl FactRow {
    fn into_fact(self) -> Result<StoredFact, Error> {
        Ok(StoredFact {
            seq: stored_seq(self.seq)?,
            at: self.at,
            kind: self.kind,
            body: self.body,
            previous_hash: self.previous_hash,
            hash: self.hash,
        })
    }
}

/// Opens a stream for a subject, or finds the one that is open: one per kind and subject.
pub async fn open_stream(
    db: &mut Connection,
    id: StreamId,
    kind: &str,
    subject: Uuid,
    now: DateTime<Utc>,
) -> Result<StreamId, Error> {
    let genesis = fact::genesis_hash(id, kind, subject);
    let inserted = sqlx::query_scalar!(
        "insert into ledger_stream (id, kind, subject, opened_at, next_seq, head_hash) \
         values ($1, $2, $3, $4, 0, $5) \
         on conflict on constraint ledger_stream_kind_subject_key do nothing returning id",
        id.0,
        kind,
        subject,
        now,
        &genesis,
    )
    .fetch_optional(&mut *db)
    .await?;
    if let Some(id) = inserted {
        return Ok(StreamId(id));
    }
    let found = sqlx::query_scalar!(
        "select id from ledger_stream where kind = $1 and subject = $2",
        kind,
        subject,
    )
    .fetch_one(db)
    .await?;
    Ok(StreamId(found))
}

/// The stream of a kind and subject.
pub async fn find_stream(
    db: &mut Connection,
    kind: &str,
    subject: Uuid,
) -> Result<Option<StreamId>, Error> {
    let id = sqlx::query_scalar!(
        "select id from ledger_stream where kind = $1 and subject = $2",
        kind,
        subject,
    )
    .fetch_optional(db)
    .await?;
    Ok(id.map(StreamId))
}

/// Appends facts to a stream, which stays locked until the transaction ends.
pub async fn append(
    db: &mut Connection,
    stream: StreamId,
    at: DateTime<Utc>,
    facts: &[SealedFact],
) -> Result<(), Error> {
    let head = sqlx::query!(
        "select next_seq, head_hash from ledger_stream where id = $1 for update",
        stream.0,
    )
    .fetch_one(&mut *db)
    .await?;
    let mut next_seq = stored_seq(head.next_seq)?;
    let mut head_hash = stored_hash(head.head_hash)?;
    for fact in facts {
        let row = StoredFact::next(stream, next_seq, at, fact, head_hash);
        head_hash = row.digest(stream);
        insert(db, stream, &row).await?;
        next_seq += 1;
    }
    sqlx::query!(
        "update ledger_stream set next_seq = $2, head_hash = $3 where id = $1",
        stream.0,
        bigint(next_seq)?,
        &head_hash,
    )
    .execute(db)
    .await?;
    Ok(())
}

async fn insert(db: &mut Connection, stream: StreamId, row: &StoredFact) -> Result<(), Error> {
    sqlx::query!(
        "insert into ledger_fact (stream_id, seq, at, kind, body, previous_hash, hash) \
         values ($1, $2, $3, $4, $5, $6, $7)",
        stream.0,
        bigint(row.seq)?,
        row.at,
        row.kind,
        row.body,
        row.previous_hash,
        row.hash,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The stream of this id.
pub async fn find(db: &mut Connection, stream: StreamId) -> Result<Option<Stream>, Error> {
    let row = sqlx::query_as!(
        StreamRow,
        "select id, kind, subject, next_seq, head_hash from ledger_stream where id = $1",
        stream.0,
    )
    .fetch_optional(db)
    .await?;
    row.map(StreamRow::into_stream).transpose()
}

/// Streams after `after` by id, at most `limit`.
pub async fn streams(
    db: &mut Connection,
    after: Option<StreamId>,
    limit: u32,
) -> Result<Vec<Stream>, Error> {
    let rows = sqlx::query_as!(
        StreamRow,
        "select id, kind, subject, next_seq, head_hash from ledger_stream \
         where $1::uuid is null or id > $1 order by id limit $2",
        after.map(|id| id.0),
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(StreamRow::into_stream).collect()
}

/// Facts of a stream from `from_seq` on in order, at most `limit`.
pub async fn facts(
    db: &mut Connection,
    stream: StreamId,
    from_seq: u64,
    limit: u32,
) -> Result<Vec<StoredFact>, Error> {
    let rows = sqlx::query_as!(
        FactRow,
        "select seq, at, kind, body, previous_hash, hash from ledger_fact \
         where stream_id = $1 and seq >= $2 order by seq limit $3",
        stream.0,
        bigint(from_seq)?,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(FactRow::into_fact).collect()
}

/// Facts of a stream before `before_seq` (or from the end), newest first, at most `limit`.
pub async fn latest(
    db: &mut Connection,
    stream: StreamId,
    before_seq: Option<u64>,
    limit: u32,
) -> Result<Vec<StoredFact>, Error> {
    let rows = sqlx::query_as!(
        FactRow,
        "select seq, at, kind, body, previous_hash, hash from ledger_fact \
         where stream_id = $1 and seq < $2 order by seq desc limit $3",
        stream.0,
        before_seq.map_or(Ok(i64::MAX), bigint)?,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(FactRow::into_fact).collect()
}

fn stored_seq(seq: i64) -> Result<u64, Error> {
    u64::try_from(seq).map_err(|_| unreadable(format!("seq {seq} in the ledger")))
}

fn stored_hash(hash: Vec<u8>) -> Result<Hash, Error> {
    hash.try_into()
        .map_err(|_| unreadable("a hash in the ledger is not one".to_owned()))
}

fn bigint(seq: u64) -> Result<i64, Error> {
    i64::try_from(seq).map_err(|_| unreadable(format!("seq {seq} in the ledger")))
}
