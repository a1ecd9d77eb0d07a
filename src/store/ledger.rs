//! The ledger: append-only streams of hash-chained facts with signed checkpoints.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Connection, Error, unreadable};
use crate::domain::fact::{self, CHECKPOINT_INTERVAL_FACTS, Hash, SealedFact, StoredFact};
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

/// Where a stream stands after an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Place of the first fact appended.
    pub first_seq: u64,
    /// Place of the next fact to come.
    pub next_seq: u64,
    /// Hash of the last fact.
    pub head_hash: Hash,
}

impl Appended {
    /// Whether the append passed a multiple of [`CHECKPOINT_INTERVAL_FACTS`].
    pub fn checkpoint_due(&self) -> bool {
        self.first_seq / CHECKPOINT_INTERVAL_FACTS != self.next_seq / CHECKPOINT_INTERVAL_FACTS
    }
}

/// A signed statement of where a stream stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Place of the last fact covered.
    pub seq: u64,
    /// When it was signed.
    pub at: DateTime<Utc>,
    /// Which key signed.
    pub key_id: Vec<u8>,
    /// Hash of the fact at `seq`.
    pub hash: Vec<u8>,
    /// Ed25519 over [`fact::checkpoint_bytes`].
    pub signature: Vec<u8>,
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
) -> Result<Appended, Error> {
    let head = sqlx::query!(
        "select next_seq, head_hash from ledger_stream where id = $1 for update",
        stream.0,
    )
    .fetch_one(&mut *db)
    .await?;
    let first_seq = stored_seq(head.next_seq)?;
    let mut head_hash: Hash = head
        .head_hash
        .try_into()
        .map_err(|_| unreadable("the head of a stream is not a hash".to_owned()))?;
    let mut next_seq = first_seq;
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
    Ok(Appended {
        first_seq,
        next_seq,
        head_hash,
    })
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

/// Stores a checkpoint; a second one at the same place is ignored.
pub async fn insert_checkpoint(
    db: &mut Connection,
    stream: StreamId,
    checkpoint: &Checkpoint,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into ledger_checkpoint (stream_id, seq, at, key_id, hash, signature) \
         values ($1, $2, $3, $4, $5, $6) \
         on conflict on constraint ledger_checkpoint_pkey do nothing",
        stream.0,
        bigint(checkpoint.seq)?,
        checkpoint.at,
        checkpoint.key_id,
        checkpoint.hash,
        checkpoint.signature,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The stream of this id, locked until the transaction ends.
pub async fn lock(db: &mut Connection, stream: StreamId) -> Result<Option<Stream>, Error> {
    let row = sqlx::query!(
        "select kind, subject, next_seq, head_hash from ledger_stream where id = $1 for update",
        stream.0,
    )
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        Ok(Stream {
            id: stream,
            kind: row.kind,
            subject: row.subject,
            next_seq: stored_seq(row.next_seq)?,
            head_hash: row.head_hash,
        })
    })
    .transpose()
}

/// The stream of this id.
pub async fn find(db: &mut Connection, stream: StreamId) -> Result<Option<Stream>, Error> {
    let row = sqlx::query!(
        "select kind, subject, next_seq, head_hash from ledger_stream where id = $1",
        stream.0,
    )
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        Ok(Stream {
            id: stream,
            kind: row.kind,
            subject: row.subject,
            next_seq: stored_seq(row.next_seq)?,
            head_hash: row.head_hash,
        })
    })
    .transpose()
}

/// Streams after `after` by id, at most `limit`.
pub async fn streams(
    db: &mut Connection,
    after: Option<StreamId>,
    limit: u32,
) -> Result<Vec<Stream>, Error> {
    let rows = sqlx::query!(
        "select id, kind, subject, next_seq, head_hash from ledger_stream \
         where $1::uuid is null or id > $1 order by id limit $2",
        after.map(|id| id.0),
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Stream {
                id: StreamId(row.id),
                kind: row.kind,
                subject: row.subject,
                next_seq: stored_seq(row.next_seq)?,
                head_hash: row.head_hash,
            })
        })
        .collect()
}

/// Streams with facts that no checkpoint covers, at most `limit`.
pub async fn unsigned_streams(db: &mut Connection, limit: u32) -> Result<Vec<StreamId>, Error> {
    let ids = sqlx::query_scalar!(
        "select s.id from ledger_stream s where s.next_seq > 0 and not exists ( \
             select from ledger_checkpoint c \
             where c.stream_id = s.id and c.seq = s.next_seq - 1) \
         order by s.id limit $1",
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(StreamId).collect())
}

/// Facts of a stream from `from_seq` on in order, at most `limit`.
pub async fn facts(
    db: &mut Connection,
    stream: StreamId,
    from_seq: u64,
    limit: u32,
) -> Result<Vec<StoredFact>, Error> {
    let rows = sqlx::query!(
        "select seq, at, kind, body, previous_hash, hash from ledger_fact \
         where stream_id = $1 and seq >= $2 order by seq limit $3",
        stream.0,
        bigint(from_seq)?,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(StoredFact {
                seq: stored_seq(row.seq)?,
                at: row.at,
                kind: row.kind,
                body: row.body,
                previous_hash: row.previous_hash,
                hash: row.hash,
            })
        })
        .collect()
}

/// Facts of a stream before `before_seq` (or from the end), newest first, at most `limit`.
pub async fn latest(
    db: &mut Connection,
    stream: StreamId,
    before_seq: Option<u64>,
    limit: u32,
) -> Result<Vec<StoredFact>, Error> {
    let rows = sqlx::query!(
        "select seq, at, kind, body, previous_hash, hash from ledger_fact \
         where stream_id = $1 and seq < $2 order by seq desc limit $3",
        stream.0,
        before_seq.map_or(Ok(i64::MAX), bigint)?,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(StoredFact {
                seq: stored_seq(row.seq)?,
                at: row.at,
                kind: row.kind,
                body: row.body,
                previous_hash: row.previous_hash,
                hash: row.hash,
            })
        })
        .collect()
}

/// Checkpoints of a stream with `from_seq <= seq < to_seq`, in order.
pub async fn checkpoints(
    db: &mut Connection,
    stream: StreamId,
    from_seq: u64,
    to_seq: u64,
) -> Result<Vec<Checkpoint>, Error> {
    let rows = sqlx::query!(
        "select seq, at, key_id, hash, signature from ledger_checkpoint \
         where stream_id = $1 and seq >= $2 and seq < $3 order by seq",
        stream.0,
        bigint(from_seq)?,
        bigint(to_seq)?,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Checkpoint {
                seq: stored_seq(row.seq)?,
                at: row.at,
                key_id: row.key_id,
                hash: row.hash,
                signature: row.signature,
            })
        })
        .collect()
}

fn stored_seq(seq: i64) -> Result<u64, Error> {
    u64::try_from(seq).map_err(|_| unreadable(format!("seq {seq} in the ledger")))
}

fn bigint(seq: u64) -> Result<i64, Error> {
    i64::try_from(seq).map_err(|_| unreadable(format!("seq {seq} in the ledger")))
}
