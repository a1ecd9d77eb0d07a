//! The ledger in use: opening streams, appending facts, signing checkpoints, verifying everything.

mod checkpoint;

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{Context, Error, Failure};
use crate::domain::fact::checkpoint::Anchor;
use crate::domain::fact::{ChainWalk, Difference, SealedFact};
use crate::domain::id::StreamId;
use crate::store::ledger::Stream;
use crate::store::{self, Connection};

pub use checkpoint::{GapFound, checkpoint, holds};

/// Rows read at once while verifying.
const VERIFY_PAGE: u32 = 1_000;

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

/// Appends facts in the caller's transaction. The stream stays locked until the transaction ends,
/// so append last.
/// A fact serialises to an object whose field `kind` names it.
pub async fn append<F: Serialize>(
    context: &Context,
    db: &mut Connection,
    stream: StreamId,
    facts: &[F],
) -> Result<(), Error> {
    append_at(db, stream, context.now(), facts).await
}

/// [`append`] with the moment at which the facts happened.
pub async fn append_at<F: Serialize>(
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
    store::ledger::append(db, stream, at, &sealed).await
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
    /// Facts that no checkpoint covers yet; whoever has the database could still write them anew.
    pub unsigned: u64,
    /// The first difference of each stream that has one.
    pub findings: Vec<Finding>,
    /// What the chain of checkpoints misses; the first of each stream, and not too many.
    pub gaps: Vec<GapFound>,
}

impl Report {
    /// Whether everything is as it was written.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty() && self.gaps.is_empty()
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
        };
        write!(
            f,
            "{} stream {} ({}), fact {}: {what}",
            self.kind, self.stream, self.subject, self.seq
        )
    }
}

/// Re-checks everything: every hash, every link, every head, every signature, and that whatever a
/// checkpoint covers is there. `anchor` is the newest checkpoint known outside of the database;
/// without one the chain's end is taken as it is. Each stream is read as of one moment, so it may
/// run beside a serving server.
pub async fn verify(context: &Context, anchor: Option<Anchor>) -> Result<Report, Error> {
    let mut report = Report::default();
    let covered = checkpoint::verify(context, anchor, &mut report).await?;
    let mut after = None;
    loop {
        let mut db = context.store.reader().await?;
        let streams = store::ledger::streams(&mut db, after, VERIFY_PAGE).await?;
        drop(db);
        let Some(last) = streams.last() else {
            return Ok(report);
        };
        after = Some(last.id);
        for Stream { id, .. } in streams {
            let covered = covered.get(&id).copied().unwrap_or(0);
            verify_stream(context, id, covered, &mut report).await?;
        }
    }
}

async fn verify_stream(
    context: &Context,
    id: StreamId,
    covered: u64,
    report: &mut Report,
) -> Result<(), Error> {
    let mut db = context.store.begin_snapshot().await?;
    let Some(stream) = store::ledger::find(&mut db, id).await? else {
        return Ok(());
    };
    report.streams += 1;
    report.unsigned += stream.next_seq.saturating_sub(covered);
    let found = match walk(&mut db, &stream, report).await? {
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

async fn walk(db: &mut Connection, stream: &Stream, report: &mut Report) -> Result<Walked, Error> {
    let mut walk = ChainWalk::new(stream.id, &stream.kind, stream.subject);
    loop {
        let from = walk.next_seq();
        let rows = store::ledger::facts(db, stream.id, from, VERIFY_PAGE).await?;
        for row in &rows {
            if let Err(difference) = walk.take(row) {
                return Ok(Err(difference));
            }
            report.facts += 1;
        }
        if rows.is_empty() {
            return Ok(walk.finish(stream.next_seq, &stream.head_hash));
        }
    }
}
