//! The outbox: announcements written with the state they speak of, announced after the commit.
//!
//! Ids are given before the commit and may become visible out of order. So an announcement gets
//! its position only when it is announced, by whoever holds the one row of `outbox_state`.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Connection, Error, unreadable};
use crate::domain::announcement::{Announced, Announcement, Audience, Topic};
use crate::domain::id::AccountId;

/// How long an announcement can be resumed from.
pub const KEPT: TimeDelta = TimeDelta::hours(24);

struct Row {
    position: i64,
    audience_account: Option<Uuid>,
    audience_topic: Option<String>,
    kind: String,
    payload: String,
}

impl Row {
    fn into_announced(self) -> Result<Announced, Error> {
        let account = self
            .audience_account
            .map(|id| Audience::Account(AccountId(id)));
        let topic = self
            .audience_topic
            .map(|name| Audience::Topic(Topic::stored(name)));
        Ok(Announced {
            position: self.position,
            audience: account
                .or(topic)
                .ok_or_else(|| unreadable("an announcement to nobody".to_owned()))?,
            kind: self.kind,
            payload: self.payload,
        })
    }
}

/// Writes announcements, in order, to be made after the commit.
pub async fn insert(
    db: &mut Connection,
    announcements: &[Announcement],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    for announcement in announcements {
        let (account, topic) = match &announcement.audience {
            Audience::Account(id) => (Some(id.0), None),
            Audience::Topic(topic) => (None, Some(topic.name())),
        };
        sqlx::query!(
            "insert into outbox (audience_account, audience_topic, kind, payload, created_at) \
             values ($1, $2, $3, $4, $5)",
            account,
            topic,
            announcement.kind,
            announcement.payload,
            now,
        )
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// Whether announcements wait; it locks nothing.
pub async fn is_waiting(db: &mut Connection) -> Result<bool, Error> {
    let waiting = sqlx::query_scalar!(
        r#"select exists (select from outbox where position is null) as "waiting!""#
    );
    Ok(waiting.fetch_one(db).await?)
}

/// Gives the next positions to at most `limit` waiting announcements and returns them in order.
pub async fn take_waiting(db: &mut Connection, limit: u32) -> Result<Vec<Announced>, Error> {
    let next = sqlx::query_scalar!("select next_position from outbox_state for update")
        .fetch_one(&mut *db)
        .await?;
    let rows = sqlx::query_as!(
        Row,
        r#"with waiting as (
               select id, $1::bigint - 1 + row_number() over (order by id) as position
               from (select id from outbox where position is null order by id limit $2) o
           ), placed as (
               update outbox o set position = w.position from waiting w where o.id = w.id
               returning o.position, o.audience_account, o.audience_topic, o.kind, o.payload
           )
           select position as "position!", audience_account, audience_topic, kind, payload
           from placed order by position"#,
        next,
        i64::from(limit),
    )
    .fetch_all(&mut *db)
    .await?;
    if let Some(last) = rows.last() {
        sqlx::query!(
            "update outbox_state set next_position = $1",
            last.position + 1
        )
        .execute(db)
        .await?;
    }
    rows.into_iter().map(Row::into_announced).collect()
}

/// The window of positions that can be resumed from: what was pruned, and what was announced last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Announcements up to this position are gone.
    pub pruned_through: i64,
    /// The last position given.
    pub last: i64,
}

/// The present window.
pub async fn window(db: &mut Connection) -> Result<Window, Error> {
    let row = sqlx::query!("select next_position, pruned_through from outbox_state")
        .fetch_one(db)
        .await?;
    Ok(Window {
        pruned_through: row.pruned_through,
        last: row.next_position - 1,
    })
}

/// Announcements to an account or to topics after a position, in order, at most `limit`.
pub async fn after(
    db: &mut Connection,
    position: i64,
    account: AccountId,
    topics: &[Topic],
    limit: u32,
) -> Result<Vec<Announced>, Error> {
    let topics: Vec<String> = topics.iter().map(|topic| topic.name().to_owned()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"select position as "position!", audience_account, audience_topic, kind, payload
           from outbox
           where position > $1 and (audience_account = $2 or audience_topic = any($3))
           order by position limit $4"#,
        position,
        account.0,
        &topics,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Row::into_announced).collect()
}

/// Forgets announcements made more than [`KEPT`] ago; returns how many.
pub async fn prune(db: &mut Connection, now: DateTime<Utc>) -> Result<u64, Error> {
    let through = sqlx::query_scalar!(
        "select max(position) from outbox where created_at < $1 and position is not null",
        now - KEPT,
    )
    .fetch_one(&mut *db)
    .await?;
    let Some(through) = through else { return Ok(0) };
    sqlx::query!("update outbox_state set pruned_through = $1", through)
        .execute(&mut *db)
        .await?;
    let done = sqlx::query!("delete from outbox where position <= $1", through)
        .execute(db)
        .await?;
    Ok(done.rows_affected())
}
