//! Messages of lessons' chats.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Connection, Error, unreadable};
use crate::domain::classroom::chat::{Reach, Said};
use crate::domain::id::{AccountId, LessonId, MessageId};

/// A message as stored, with the name of who sent it.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// In which lesson.
    pub lesson: LessonId,
    /// Who.
    pub account: AccountId,
    /// Name of the person.
    pub name: String,
    /// The sender is enrolled as a learner.
    pub by_learner: bool,
    /// When.
    pub sent_at: DateTime<Utc>,
    /// What.
    pub said: Said,
}

struct Row {
    id: Uuid,
    lesson_id: Uuid,
    account_id: Uuid,
    name: String,
    by_learner: bool,
    sent_at: DateTime<Utc>,
    text: String,
    reach: String,
    held: bool,
}

impl Row {
    fn into_message(self) -> Result<Message, Error> {
        let reach: Reach = self.reach.parse().map_err(unreadable)?;
        Ok(Message {
            id: MessageId(self.id),
            lesson: LessonId(self.lesson_id),
            account: AccountId(self.account_id),
            name: self.name,
            by_learner: self.by_learner,
            sent_at: self.sent_at,
            said: Said {
                text: self.text,
                reach,
                held: self.held,
            },
        })
    }
}

/// A message to keep.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Its id.
    pub id: MessageId,
    /// In which lesson.
    pub lesson: LessonId,
    /// Who.
    pub account: AccountId,
    /// When.
    pub sent_at: DateTime<Utc>,
    /// What.
    pub said: Said,
    /// When it is deleted.
    pub kept_until: DateTime<Utc>,
}

/// Keeps a message.
pub async fn insert(db: &mut Connection, message: &NewMessage) -> Result<(), Error> {
    sqlx::query!(
        "insert into chat_message \
             (id, lesson_id, account_id, sent_at, text, reach, held, kept_until) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        message.id.0,
        message.lesson.0,
        message.account.0,
        message.sent_at,
        message.said.text,
        message.said.reach.name(),
        message.said.held,
        message.kept_until,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What has been said so far: by this person since a moment, and in the whole lesson.
pub async fn counts(
    db: &mut Connection,
    lesson: LessonId,
    account: AccountId,
    since: DateTime<Utc>,
) -> Result<(u32, u32), Error> {
    let row = sqlx::query!(
        r#"select
               (select count(*) from chat_message
                   where account_id = $2 and sent_at > $3) as "recent!",
               (select count(*) from chat_message where lesson_id = $1) as "total!""#,
        lesson.0,
        account.0,
        since,
    )
    .fetch_one(db)
    .await?;
    let count = |stored: i64| u32::try_from(stored).unwrap_or(u32::MAX);
    Ok((count(row.recent), count(row.total)))
}

/// Whether a question is open for anybody in a lesson.
pub async fn question_open(db: &mut Connection, lesson: LessonId) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select from attendance
               where lesson_id = $1 and question_since is not null) as "open!""#,
        lesson.0,
    )
    .fetch_one(db)
    .await?)
}

/// The last `limit` messages of a lesson, oldest first. `by` sees what reached everybody and its
/// own; none sees all.
pub async fn list(
    db: &mut Connection,
    lesson: LessonId,
    by: Option<AccountId>,
    limit: u32,
) -> Result<Vec<Message>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"select * from (
               select m.id, m.lesson_id, m.account_id, p.name, m.sent_at, m.text, m.reach,
                   m.held, exists (select from lesson_learner e where e.lesson_id = m.lesson_id
                       and e.account_id = m.account_id) as "by_learner!"
               from chat_message m join account a on a.id = m.account_id
                   join person p on p.id = a.person_id
               where m.lesson_id = $1 and ($2::uuid is null or m.account_id = $2
                   or (m.reach = 'everybody' and not m.held))
               order by m.sent_at desc, m.id desc limit $3) last
           order by sent_at, id"#,
        lesson.0,
        by.map(|by| by.0),
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Row::into_message).collect()
}

/// Lets messages go whose windows are over, oldest first, at most `limit`: a message waits for the
/// questions that were open when it was sent, and for none that came later.
pub async fn release(db: &mut Connection, limit: u32) -> Result<Vec<Message>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"with free as (
               select m.id from chat_message m
               where m.held and not exists (select from attendance a
                   where a.lesson_id = m.lesson_id and a.question_since <= m.sent_at)
               order by m.sent_at, m.id limit $1 for update of m skip locked
           ), released as (
               update chat_message m set held = false from free where m.id = free.id
               returning m.*
           )
           select r.id, r.lesson_id, r.account_id, p.name, r.sent_at, r.text, r.reach, r.held,
               true as "by_learner!"
           from released r join account a on a.id = r.account_id
               join person p on p.id = a.person_id
           order by r.sent_at, r.id"#,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Row::into_message).collect()
}

/// Deletes messages whose time is over, at most `limit`; returns how many of which lesson.
pub async fn forget(
    db: &mut Connection,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<(LessonId, u32)>, Error> {
    let rows = sqlx::query!(
        r#"with gone as (
               delete from chat_message where id in (
                   select id from chat_message where kept_until <= $1
                   order by kept_until limit $2)
               returning lesson_id
           )
           select lesson_id, count(*) as "count!" from gone group by lesson_id order by lesson_id"#,
        now,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    let count = |stored: i64| u32::try_from(stored).unwrap_or(u32::MAX);
    let rows = rows.into_iter();
    Ok(rows
        .map(|row| (LessonId(row.lesson_id), count(row.count)))
        .collect())
}
