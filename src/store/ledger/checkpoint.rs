//! The signed chain of checkpoints over all streams.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{bigint, stored_hash, stored_seq};
use crate::domain::fact::checkpoint::{Anchor, Checkpoint, Head};
use crate::domain::id::StreamId;
use crate::store::{Connection, Error};

/// Where streams stand that have facts which no checkpoint covers, at most `limit`.
pub async fn unsigned_heads(db: &mut Connection, limit: u32) -> Result<Vec<Head>, Error> {
    let rows = sqlx::query!(
        "select id, next_seq, head_hash from ledger_stream where next_seq > signed_seq \
         order by id limit $1",
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Head {
                stream: StreamId(row.id),
                seq: stored_seq(row.next_seq - 1)?,
                hash: stored_hash(row.head_hash)?,
            })
        })
        .collect()
}

/// Notes that a checkpoint covers a stream as far as this head. Call it outside of transactions,
/// which would hold up appends to many streams.
pub async fn mark_signed(db: &mut Connection, head: &Head) -> Result<(), Error> {
    sqlx::query!(
        "update ledger_stream set signed_seq = $2 where id = $1 and signed_seq < $2",
        head.stream.0,
        bigint(head.seq + 1)?,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The newest checkpoint.
pub async fn newest(db: &mut Connection) -> Result<Option<Anchor>, Error> {
    let row =
        sqlx::query!("select number, hash from ledger_checkpoint order by number desc limit 1",)
            .fetch_optional(db)
            .await?;
    row.map(|row| {
        Ok(Anchor {
            number: stored_seq(row.number)?,
            hash: stored_hash(row.hash)?,
        })
    })
    .transpose()
}

/// Whether this checkpoint is there.
pub async fn holds(db: &mut Connection, anchor: &Anchor) -> Result<bool, Error> {
    let found = sqlx::query_scalar!(
        "select number from ledger_checkpoint where number = $1 and hash = $2",
        bigint(anchor.number)?,
        &anchor.hash,
    )
    .fetch_optional(db)
    .await?;
    Ok(found.is_some())
}

/// Adds the next checkpoint; fails when another process added one of this number.
pub async fn insert(db: &mut Connection, checkpoint: &Checkpoint) -> Result<(), Error> {
    sqlx::query!(
        "insert into ledger_checkpoint \
             (number, at, key_id, previous_hash, heads, hash, signature) \
         values ($1, $2, $3, $4, $5, $6, $7)",
        bigint(checkpoint.number)?,
        checkpoint.at,
        checkpoint.key_id,
        checkpoint.previous_hash,
        checkpoint.heads,
        checkpoint.hash,
        checkpoint.signature,
    )
    .execute(db)
    .await?;
    Ok(())
}

struct Row {
    number: i64,
    at: DateTime<Utc>,
    key_id: Vec<u8>,
    previous_hash: Vec<u8>,
    heads: Vec<u8>,
    hash: Vec<u8>,
    signature: Vec<u8>,
}

/// Checkpoints after this number in order, at most `limit`.
pub async fn after(db: &mut Connection, number: u64, limit: u32) -> Result<Vec<Checkpoint>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "select number, at, key_id, previous_hash, heads, hash, signature \
         from ledger_checkpoint where number > $1 order by number limit $2",
        bigint(number)?,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Checkpoint {
                number: stored_seq(row.number)?,
                at: row.at,
                key_id: row.key_id,
                previous_hash: row.previous_hash,
                heads: row.heads,
                hash: row.hash,
                signature: row.signature,
            })
        })
        .collect()
}

/// Those of the heads whose fact is not stored with this hash, and the hash that it has, if it is
/// there at all.
pub async fn differing(
    db: &mut Connection,
    heads: &[Head],
) -> Result<Vec<(Head, Option<Vec<u8>>)>, Error> {
    let streams: Vec<Uuid> = heads.iter().map(|head| head.stream.0).collect();
    let seqs: Result<Vec<i64>, Error> = heads.iter().map(|head| bigint(head.seq)).collect();
    let rows = sqlx::query!(
        r#"select f.stream_id, f.seq, f.hash
           from unnest($1::uuid[], $2::bigint[]) as h (stream_id, seq)
               join ledger_fact f on f.stream_id = h.stream_id and f.seq = h.seq"#,
        &streams,
        &seqs?,
    )
    .fetch_all(db)
    .await?;
    let mut stored = BTreeMap::new();
    for row in rows {
        stored.insert((StreamId(row.stream_id), stored_seq(row.seq)?), row.hash);
    }
    let of_head = |head: &Head| (*head, stored.get(&(head.stream, head.seq)).cloned());
    let differs = |(head, hash): &(Head, Option<Vec<u8>>)| hash.as_deref() != Some(&head.hash[..]);
    Ok(heads.iter().map(of_head).filter(differs).collect())
}

/// Those of the streams that are there.
pub async fn existing(
    db: &mut Connection,
    streams: &[StreamId],
) -> Result<BTreeSet<StreamId>, Error> {
    let streams: Vec<Uuid> = streams.iter().map(|stream| stream.0).collect();
    let ids = sqlx::query_scalar!("select id from ledger_stream where id = any($1)", &streams,)
        .fetch_all(db)
        .await?;
    Ok(ids.into_iter().map(StreamId).collect())
}
