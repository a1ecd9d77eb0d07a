//! Checkpoints in use: signing where the streams stand, and missing what they cover.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Report;
use crate::domain::fact::checkpoint::{Anchor, Checkpoint, CheckpointWalk, Gap, Head};
use crate::domain::id::StreamId;
use crate::service::{Context, Error};
use crate::store::{self, Connection};

/// Heads in one checkpoint; further ones go into the next.
const HEADS_MAX: u32 = 1_000;
/// Checkpoints read at once while verifying.
const VERIFY_PAGE: u32 = 100;
/// Most gaps in one report.
const GAPS_MAX: usize = 100;

/// Signs where all streams stand that have grown; returns the newest checkpoint. The shell calls
/// it every few seconds and before the server stops, so that no end stays unsigned for long.
pub async fn checkpoint(context: &Context) -> Result<Anchor, Error> {
    loop {
        let mut transaction = context.store.begin().await?;
        let newest = store::ledger::checkpoint::newest(&mut transaction).await?;
        let newest = newest.unwrap_or_default();
        let heads = store::ledger::checkpoint::unsigned_heads(&mut transaction, HEADS_MAX).await?;
        if heads.is_empty() {
            return Ok(newest);
        }
        let next = signed(context, &newest, &heads);
        store::ledger::checkpoint::insert(&mut transaction, &next).await?;
        transaction.commit().await?;
        let mut db = context.store.reader().await?;
        for head in &heads {
            store::ledger::checkpoint::mark_signed(&mut db, head).await?;
        }
    }
}

/// Whether the ledger has the checkpoint that an anchor names.
pub async fn holds(context: &Context, anchor: &Anchor) -> Result<bool, Error> {
    if *anchor == Anchor::default() {
        return Ok(true);
    }
    let mut db = context.store.reader().await?;
    store::ledger::checkpoint::holds(&mut db, anchor).await
}

fn signed(context: &Context, last: &Anchor, heads: &[Head]) -> Checkpoint {
    let key_id = context.keys.ledger_key_id();
    let mut next = Checkpoint::next(last, context.now(), &key_id, heads);
    next.signature = context.keys.sign_checkpoint(&next.bytes()).to_vec();
    next
}

/// Something that the chain of checkpoints misses, and at which number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GapFound {
    /// Number of the checkpoint.
    pub number: u64,
    /// What.
    #[serde(flatten)]
    pub gap: Gap,
}

impl std::fmt::Display for GapFound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "checkpoint {}: {}", self.number, self.gap)
    }
}

/// Walks the chain and looks whether what it covers is there; returns how many facts of each
/// stream it covers.
pub(super) async fn verify(
    context: &Context,
    anchor: Option<Anchor>,
    report: &mut Report,
) -> Result<BTreeMap<StreamId, u64>, Error> {
    let mut walk = CheckpointWalk::default();
    let mut missing = Missing::default();
    let mut covered = BTreeMap::new();
    let mut db = context.store.reader().await?;
    loop {
        let after = walk.last().number;
        let page = store::ledger::checkpoint::after(&mut db, after, VERIFY_PAGE).await?;
        if page.is_empty() {
            break;
        }
        for checkpoint in &page {
            report.checkpoints += 1;
            let number = checkpoint.number;
            let broken = walk.take(checkpoint).err();
            note(report, broken);
            note(report, is_ours(context, anchor.as_ref(), checkpoint).err());
            missing.look(&mut db, number, checkpoint).await?;
            covered.extend(checkpoint.heads().map(|head| (head.stream, head.seq + 1)));
        }
    }
    let last = walk.last().number;
    let cut = anchor.filter(|anchor| anchor.number > last);
    note(
        report,
        cut.map(|anchor| {
            let anchor = anchor.number;
            (last, Gap::EndMissing { anchor })
        }),
    );
    missing
        .by_stream
        .into_values()
        .for_each(|found| note(report, Some(found)));
    Ok(covered)
}

fn note(report: &mut Report, found: Option<(u64, Gap)>) {
    if report.gaps.len() < GAPS_MAX {
        let found = found.map(|(number, gap)| GapFound { number, gap });
        report.gaps.extend(found);
    }
}

fn is_ours(
    context: &Context,
    anchor: Option<&Anchor>,
    checkpoint: &Checkpoint,
) -> Result<(), (u64, Gap)> {
    let Checkpoint {
        number,
        key_id,
        signature,
        ..
    } = checkpoint;
    let bytes = checkpoint.bytes();
    if !context.keys.verifies_checkpoint(key_id, &bytes, signature) {
        return Err((*number, Gap::Forged));
    }
    match anchor.filter(|anchor| anchor.number == *number) {
        Some(anchor) if anchor.hash != checkpoint.digest() => Err((*number, Gap::NotTheAnchored)),
        Some(_) | None => Ok(()),
    }
}

/// What checkpoints cover and the ledger has not: the first gap of each stream.
#[derive(Default)]
struct Missing {
    by_stream: BTreeMap<StreamId, (u64, Gap)>,
}

impl Missing {
    async fn look(
        &mut self,
        db: &mut Connection,
        number: u64,
        checkpoint: &Checkpoint,
    ) -> Result<(), Error> {
        let heads: Vec<Head> = checkpoint.heads().collect();
        let differing = store::ledger::checkpoint::differing(db, &heads).await?;
        if differing.is_empty() {
            return Ok(());
        }
        let streams: Vec<StreamId> = differing.iter().map(|(head, _)| head.stream).collect();
        let existing = store::ledger::checkpoint::existing(db, &streams).await?;
        for (Head { stream, seq, .. }, stored) in differing {
            let gap = match stored {
                _ if !existing.contains(&stream) => Gap::StreamMissing {
                    stream,
                    facts: seq + 1,
                },
                Some(_) => Gap::FactRewritten { stream, seq },
                None => Gap::FactMissing { stream, seq },
            };
            self.by_stream.entry(stream).or_insert((number, gap));
        }
        Ok(())
    }
}
