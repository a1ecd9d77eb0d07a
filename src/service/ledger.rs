//! The ledger in use: opening streams, appending facts, signing checkpoints, verifying everything.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{Context, Error, Failure};
use crate::domain::fact::{self, ChainWalk, Difference, SealedFact};
use crate::domain::id::StreamId;
use crate::store::ledger::{Checkpoint, Stream};
use crate::store::{self, Connection};

/// Rows read at once while verifying.
const VERIFY_PAGE: u32 = 1_000;

/// Streams signed in one go.
const SIGN_BATCH: u32 = 1_000;

/// Opens the stream of a subject, or finds it: one per kind and subject.
pub async fn open(
    context: &Context,
    db: &mut Connection,
    kind: &str,
    subject: Uuid,
) -> Result<StreamId, Error> {
    let now = context.now();
    let id = StreamId::new(now, &*context.entropy);
    store::ledger::open_stream(db, id, kind, subject, now).await
}

/// Appends facts in the caller's transaction, and signs a checkpoint when one is due. The stream
/// stays locked until the transaction ends, so append last.
/// A fact serialises to an object whose field `kind` names it.
pub async fn append<F: Serialize>(
    context: &Context,
    db: &mut Connection,
    stream: StreamId,
    facts: &[F],
) -> Result<(), Error> {
    append_at(context, db, stream, context.now(), facts).await
}

/// [`append`] with the moment at which the facts happened.
pub async fn append_at<F: Serialize>(
    context: &Context,
    db: &mut Connection,
    stream: StreamId,
    at: DateTime<Utc>,
    facts: &[F],
) -> Result<(), Error> {
    if facts.is_empty() {
        return Ok(());
    }
    let sealed: Result<Vec<_>, _> = facts.iter().map(SealedFact::of).collect();
    let sealed = sealed.map_err(|source| Failure::new("seal a fact", source))?;
    let appended = store::ledger::append(db, stream, at, &sealed).await?;
    if appended.checkpoint_due() {
        sign(
            context,
            db,
            stream,
            appended.next_seq - 1,
            &appended.head_hash,
        )
        .await?;
    }
    Ok(())
}

/// Signs where a stream stands, in the caller's transaction; an empty stream is left alone.
pub async fn checkpoint(
    context: &Context,
    db: &mut Connection,
    stream: StreamId,
) -> Result<(), Error> {
    match store::ledger::lock(db, stream).await? {
        Some(Stream {
            next_seq,
            head_hash,
            ..
        }) if next_seq > 0 => sign(context, db, stream, next_seq - 1, &head_hash).await,
        Some(_) | None => Ok(()),
    }
}

/// Signs every stream that has facts beyond its last checkpoint; returns how many. The shell calls
/// it now and then and before it stops, so that no tail stays unsigned for long.
pub async fn checkpoint_all(context: &Context) -> Result<usize, Error> {
    let mut signed = 0;
    loop {
        let mut db = context.store.reader().await?;
        let streams = store::ledger::unsigned_streams(&mut db, SIGN_BATCH).await?;
        drop(db);
        for stream in &streams {
            let mut transaction = context.store.begin().await?;
            checkpoint(context, &mut transaction, *stream).await?;
            transaction.commit().await?;
        }
        signed += streams.len();
        if streams.len() < SIGN_BATCH as usize {
            return Ok(signed);
        }
    }
}

async fn sign(
    context: &Context,
    db: &mut Connection,
    stream: StreamId,
    seq: u64,
    hash: &[u8],
) -> Result<(), Error> {
    let at = context.now();
    let bytes = fact::checkpoint_bytes(stream, seq, at, hash);
    let checkpoint = Checkpoint {
        seq,
        at,
        key_id: context.keys.ledger_key_id().to_vec(),
        hash: hash.to_vec(),
        signature: context.keys.sign_checkpoint(&bytes).to_vec(),
    };
    store::ledger::insert_checkpoint(db, stream, &checkpoint).await
}

/// What [`verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Streams walked.
    pub streams: u64,
    /// Facts checked.
    pub facts: u64,
    /// Checkpoints checked.
    pub checkpoints: u64,
    /// The first difference of each stream that has one.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether everything is as it was written.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Where a stream first differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The stream.
    pub stream: StreamId,
    /// Its kind.
    pub kind: String,
    /// What it tells about.
    pub subject: Uuid,
    /// The fact at fault.
    pub seq: u64,
    /// What differs.
    pub difference: Difference,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.difference {
            Difference::ContentEdited => "the content was edited: it does not give its hash",
            Difference::RowMissing => "the row is missing",
            Difference::ChainBroken => "the row does not chain to the one before it",
            Difference::BeyondHead => "there are rows beyond the head of the stream",
            Difference::HeadDiffers => "the head of the stream is not this row's hash",
            Difference::CheckpointForged => "the checkpoint's signature is not ours",
            Difference::CheckpointDiffers => "the checkpoint signs another hash than the row has",
        };
        write!(
            f,
            "{} stream {} ({}), fact {}: {what}",
            self.kind, self.stream, self.subject, self.seq
        )
    }
}

/// Re-checks all streams: every hash, every link, every head, every signature. Each stream is read
/// as of one moment, so it may run beside a serving server.
pub async fn verify(context: &Context) -> Result<Report, Error> {
    let mut report = Report::default();
    let mut after = None;
    loop {
        let mut db = context.store.reader().await?;
        let streams = store::ledger::streams(&mut db, after, VERIFY_PAGE).await?;
        drop(db);
        let Some(last) = streams.last() else {
            return Ok(report);
        };
        after = Some(last.id);
        for stream in &streams {
            verify_stream(context, stream.id, &mut report).await?;
        }
    }
}

async fn verify_stream(context: &Context, id: StreamId, report: &mut Report) -> Result<(), Error> {
    let mut db = context.store.begin_snapshot().await?;
    let Some(stream) = store::ledger::find(&mut db, id).await? else {
        return Ok(());
    };
    report.streams += 1;
    let found = match walk(context, &mut db, &stream, report).await? {
        Ok(()) => None,
        Err((seq, difference)) => Some(Finding {
            stream: stream.id,
            kind: stream.kind,
            subject: stream.subject,
            seq,
            difference,
        }),
    };
    report.findings.extend(found);
    Ok(())
}

type Walked = Result<(), (u64, Difference)>;

async fn walk(
    context: &Context,
    db: &mut Connection,
    stream: &Stream,
    report: &mut Report,
) -> Result<Walked, Error> {
    let mut walk = ChainWalk::new(stream.id, &stream.kind, stream.subject);
    loop {
        let from = walk.next_seq();
        let rows = store::ledger::facts(db, stream.id, from, VERIFY_PAGE).await?;
        let to = rows.last().map_or(from, |row| row.seq + 1);
        let checkpoints = store::ledger::checkpoints(db, stream.id, from, to).await?;
        let mut checkpoints = checkpoints.iter().peekable();
        for row in &rows {
            if let Err(difference) = walk.take(row) {
                return Ok(Err(difference));
            }
            report.facts += 1;
            while let Some(checkpoint) = checkpoints.next_if(|c| c.seq == row.seq) {
                report.checkpoints += 1;
                if let Err(difference) = check(context, stream.id, checkpoint, &row.hash) {
                    return Ok(Err((row.seq, difference)));
                }
            }
        }
        if rows.is_empty() {
            break;
        }
    }
    if let Err(difference) = walk.finish(stream.next_seq, &stream.head_hash) {
        return Ok(Err(difference));
    }
    let beyond =
        store::ledger::checkpoints(db, stream.id, walk.next_seq(), i64::MAX as u64).await?;
    Ok(match beyond.first() {
        Some(_) => Err((walk.next_seq(), Difference::RowMissing)),
        None => Ok(()),
    })
}

fn check(
    context: &Context,
    stream: StreamId,
    checkpoint: &Checkpoint,
    row_hash: &[u8],
) -> Result<(), Difference> {
    let Checkpoint {
        seq,
        at,
        key_id,
        hash,
        signature,
    } = checkpoint;
    let bytes = fact::checkpoint_bytes(stream, *seq, *at, hash);
    if !context.keys.verifies_checkpoint(key_id, &bytes, signature) {
        return Err(Difference::CheckpointForged);
    }
    if hash != row_hash {
        return Err(Difference::CheckpointDiffers);
    }
    Ok(())
}
