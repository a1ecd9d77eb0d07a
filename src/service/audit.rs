//! The audit stream: writing its facts, and reading them with names.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Context, Error, ledger};
use crate::domain::actor::Actor;
use crate::domain::audit::{AUDIT_STREAM_KIND, AUDIT_STREAM_SUBJECT, AuditFact};
use crate::domain::fact::StoredFact;
use crate::domain::id::StreamId;
use crate::domain::policy::{self, Action, Resource};
use crate::store::{self, Connection};

/// One line of the audit stream.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Place in the stream.
    pub seq: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// Name of who acted; none when nobody was signed in.
    pub actor: Option<String>,
    /// Kind of fact.
    pub action: String,
    /// Name of what was acted on.
    pub subject: Option<String>,
    /// The fact itself, with its ids.
    pub detail: Value,
}

/// Appends a fact in the caller's transaction; do it last, the stream stays locked.
pub async fn record(context: &Context, db: &mut Connection, fact: AuditFact) -> Result<(), Error> {
    let stream = stream(context, db).await?;
    ledger::append(context, db, stream, &[fact]).await
}

/// Facts before a place in the stream (or from its end), newest first.
pub async fn list(
    context: &Context,
    actor: &Actor,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<Entry>, Error> {
    policy::allow(actor, Action::ReadAudit, Resource::Server)?;
    let mut db = context.store.reader().await?;
    let stream = stream(context, &mut db).await?;
    let rows = store::ledger::latest(&mut db, stream, before, limit).await?;
    let facts: Vec<_> = rows.iter().map(read).collect();
    let ids = facts.iter().flatten().flat_map(|fact| {
        [fact.actor().map(|account| account.0), fact.subject()]
            .into_iter()
            .flatten()
    });
    let names = store::names::of(&mut db, &ids.collect::<Vec<_>>()).await?;
    let name = |id| names.get(&id).cloned();
    let entries = rows.iter().zip(facts).map(|(row, fact)| Entry {
        seq: row.seq,
        at: row.at,
        actor: fact
            .as_ref()
            .and_then(AuditFact::actor)
            .and_then(|account| name(account.0)),
        action: row.kind.clone(),
        subject: fact.as_ref().and_then(AuditFact::subject).and_then(name),
        detail: serde_json::from_str(&row.body).unwrap_or_default(),
    });
    Ok(entries.collect())
}

/// The fact of a row; none when another version wrote it.
fn read(row: &StoredFact) -> Option<AuditFact> {
    serde_json::from_str(&row.body).ok()
}

async fn stream(context: &Context, db: &mut Connection) -> Result<StreamId, Error> {
    let (kind, subject) = (AUDIT_STREAM_KIND, AUDIT_STREAM_SUBJECT);
    match store::ledger::find_stream(db, kind, subject).await? {
        Some(stream) => Ok(stream),
        None => ledger::open(context, db, kind, subject).await,
    }
}
