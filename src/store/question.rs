//! The question bank.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Connection, Error, Failure, unreadable};
use crate::domain::classroom::quiz::{Question, QuestionKind};
use crate::domain::classroom::solution::Solution;
use crate::domain::id::{AccountId, QuestionId, UnitId};

struct Row {
    id: Uuid,
    unit_id: Uuid,
    text: String,
    kind: String,
    options: Value,
    accepted: Vec<String>,
}

impl Row {
    fn into_question(self) -> Result<Question, Error> {
        let kind: QuestionKind = self.kind.parse().map_err(unreadable)?;
        let options =
            serde_json::from_value(self.options).map_err(|e| unreadable(e.to_string()))?;
        let (id, unit) = (QuestionId(self.id), UnitId(self.unit_id));
        Solution::written(kind, options, &self.accepted)
            .and_then(|solution| Question::new(id, unit, &self.text, kind, solution))
            .map_err(|e| unreadable(e.to_string()))
    }
}

/// Adds an item.
pub async fn insert(
    db: &mut Connection,
    question: &Question,
    by: Option<AccountId>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let options = serde_json::to_value(question.options())
        .map_err(|source| Failure::new("write a question", source))?;
    sqlx::query!(
        "insert into question \
             (id, unit_id, text, kind, options, accepted, created_by, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        question.id().0,
        question.unit().0,
        question.text(),
        question.kind().name(),
        options,
        &question.solution().accepted(),
        by.map(|by| by.0),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The item of this id.
pub async fn find(db: &mut Connection, id: QuestionId) -> Result<Option<Question>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, unit_id, text, kind, options, accepted from question where id = $1",
        id.0,
    )
    .fetch_optional(db)
    .await?;
    row.map(Row::into_question).transpose()
}

/// What lessons of a unit draw from: items of the unit and of those above it, at most `limit`.
pub async fn bank_of(
    db: &mut Connection,
    unit: UnitId,
    limit: u32,
) -> Result<Vec<Question>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "select q.id, q.unit_id, q.text, q.kind, q.options, q.accepted \
         from question q join unit u on q.unit_id = any(u.path) \
         where u.id = $1 order by q.id limit $2",
        unit.0,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Row::into_question).collect()
}

/// Items that somebody responsible for these units may use: theirs, those above and below them.
/// Only texts that contain `text`, newest first, at most `limit`.
pub async fn list(
    db: &mut Connection,
    scopes: &[UnitId],
    text: Option<&str>,
    limit: u32,
) -> Result<Vec<Question>, Error> {
    let scopes: Vec<Uuid> = scopes.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        Row,
        "select q.id, q.unit_id, q.text, q.kind, q.options, q.accepted \
         from question q join unit u on u.id = q.unit_id \
         where (u.path && $1 or exists ( \
                 select from unit s where s.id = any($1) and q.unit_id = any(s.path))) \
             and ($2::text is null or position(lower($2) in lower(q.text)) > 0) \
         order by q.created_at desc, q.id limit $3",
        &scopes,
        text,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Row::into_question).collect()
}
