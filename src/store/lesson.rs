//! Lessons and who takes part in them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Connection, Error, Failure, unit, unreadable};
use crate::domain::classroom::lesson::{Lesson, LessonState};
use crate::domain::id::{AccountId, LessonId, PersonId, UnitId};
use crate::domain::unit::{UnitPath, UnitRef};

/// A lesson with the names that a list shows.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The lesson.
    pub lesson: Lesson,
    /// Whose.
    pub unit: UnitRef,
    /// That unit and its ancestors.
    pub unit_path: UnitPath,
    /// Name of the teacher.
    pub teacher_name: String,
    /// Learners enrolled.
    pub learners: u32,
}

/// Which part of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Starting within the day, or still running.
    Today,
    /// Announced for later days.
    Upcoming,
    /// From earlier days and not running.
    Past,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Self::Today => "today",
            Self::Upcoming => "upcoming",
            Self::Past => "past",
        }
    }
}

/// Which lessons to list, one page.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Who asks: teaches it or is enrolled ...
    pub account: AccountId,
    /// ... or runs one of these units or one above.
    pub officer_of: Vec<UnitId>,
    /// Which part of the calendar.
    pub scope: Scope,
    /// The day's beginning.
    pub day_from: DateTime<Utc>,
    /// The next day's beginning.
    pub day_to: DateTime<Utc>,
    /// Rows on a page.
    pub limit: u32,
    /// Rows before the page.
    pub offset: u64,
}

fn phase(lesson: &Lesson) -> &'static str {
    match lesson.state() {
        LessonState::Scheduled => "scheduled",
        LessonState::Live { .. } => "live",
        LessonState::Break { .. } => "break",
        LessonState::Ended { .. } => "ended",
        LessonState::Cancelled { .. } => "cancelled",
    }
}

fn written(lesson: &Lesson) -> Result<Value, Error> {
    serde_json::to_value(lesson)
        .map_err(|source| Error::Failed(Failure::new("write a lesson", source)))
}

fn read(state: Value) -> Result<Lesson, Error> {
    serde_json::from_value(state).map_err(|error| unreadable(error.to_string()))
}

/// Adds a lesson.
pub async fn insert(db: &mut Connection, lesson: &Lesson, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "insert into lesson (id, unit_id, teacher_id, title, starts_at, ends_at, phase, state, \
             next_deadline, created_at, viewing_id) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        lesson.id().0,
        lesson.unit().0,
        lesson.teacher().0,
        lesson.plan().title,
        lesson.plan().starts_at,
        lesson.plan().ends_at,
        phase(lesson),
        written(lesson)?,
        lesson.next_deadline(),
        now,
        lesson.viewing().map(|viewing| viewing.0),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes a lesson's present state.
pub async fn update(db: &mut Connection, lesson: &Lesson) -> Result<(), Error> {
    sqlx::query!(
        "update lesson set title = $2, starts_at = $3, ends_at = $4, phase = $5, state = $6, \
             next_deadline = $7 where id = $1",
        lesson.id().0,
        lesson.plan().title,
        lesson.plan().starts_at,
        lesson.plan().ends_at,
        phase(lesson),
        written(lesson)?,
        lesson.next_deadline(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The lesson of this id.
pub async fn find(db: &mut Connection, id: LessonId) -> Result<Option<Lesson>, Error> {
    let state = sqlx::query_scalar!("select state from lesson where id = $1", id.0)
        .fetch_optional(db)
        .await?;
    state.map(read).transpose()
}

/// The lesson of this id, locked until the transaction ends. Lock it before attendances and the
/// ledger.
pub async fn lock(db: &mut Connection, id: LessonId) -> Result<Option<Lesson>, Error> {
    let state = sqlx::query_scalar!("select state from lesson where id = $1 for update", id.0)
        .fetch_optional(db)
        .await?;
    state.map(read).transpose()
}

/// The lessons of these ids with names, in the order asked.
pub async fn find_listed(db: &mut Connection, ids: &[LessonId]) -> Result<Vec<Listed>, Error> {
    let wanted: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select l.state, u.id as unit_id, u.name as unit_name, u.level as unit_level,
               u.path as unit_path, p.name as teacher_name,
               (select count(*) from lesson_learner e where e.lesson_id = l.id) as "learners!"
           from lesson l join unit u on u.id = l.unit_id
               join account a on a.id = l.teacher_id join person p on p.id = a.person_id
           where l.id = any($1) order by array_position($1, l.id)"#,
        &wanted,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Listed {
                lesson: read(row.state)?,
                unit: unit::reference(row.unit_id, row.unit_name, row.unit_level)?,
                unit_path: unit::path(row.unit_path)?,
                teacher_name: row.teacher_name,
                learners: u32::try_from(row.learners).unwrap_or(u32::MAX),
            })
        })
        .collect()
}

/// One page of classes, and how many there are on all pages.
pub async fn list(db: &mut Connection, filter: &Filter) -> Result<(Vec<Listed>, u64), Error> {
    let officer_of: Vec<Uuid> = filter.officer_of.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select l.id, count(*) over () as "total!"
           from lesson l join unit u on u.id = l.unit_id
           where l.viewing_id is null and (l.teacher_id = $1 or u.path && $2 or exists (
                   select from lesson_learner e where e.lesson_id = l.id and e.account_id = $1))
               and case $3::text
                   when 'today' then l.phase in ('live', 'break')
                       or (l.starts_at >= $4 and l.starts_at < $5)
                   when 'upcoming' then l.starts_at >= $5 and l.phase not in ('live', 'break')
                   else l.starts_at < $4 and l.phase not in ('live', 'break') end
           order by case when $3 = 'past' then null else l.starts_at end,
               l.starts_at desc, l.id
           limit $6 offset $7"#,
        filter.account.0,
        &officer_of,
        filter.scope.name(),
        filter.day_from,
        filter.day_to,
        i64::from(filter.limit),
        i64::try_from(filter.offset).unwrap_or(i64::MAX),
    )
    .fetch_all(&mut *db)
    .await?;
    let total = rows
        .first()
        .map_or(0, |row| u64::try_from(row.total).unwrap_or(0));
    let ids: Vec<LessonId> = rows.into_iter().map(|row| LessonId(row.id)).collect();
    Ok((find_listed(db, &ids).await?, total))
}

/// Accounts enrolled.
pub async fn learners(db: &mut Connection, id: LessonId) -> Result<BTreeSet<AccountId>, Error> {
    let ids = sqlx::query_scalar!(
        "select account_id from lesson_learner where lesson_id = $1",
        id.0,
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(AccountId).collect())
}

/// Whether the account is enrolled.
pub async fn is_learner(
    db: &mut Connection,
    id: LessonId,
    account: AccountId,
) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select from lesson_learner where lesson_id = $1 and account_id = $2)
           as "enrolled!""#,
        id.0,
        account.0,
    )
    .fetch_one(db)
    .await?)
}

/// Enrols and takes off.
pub async fn change_learners(
    db: &mut Connection,
    id: LessonId,
    added: &[AccountId],
    removed: &[AccountId],
) -> Result<(), Error> {
    let added: Vec<Uuid> = added.iter().map(|id| id.0).collect();
    let removed: Vec<Uuid> = removed.iter().map(|id| id.0).collect();
    sqlx::query!(
        "delete from lesson_learner where lesson_id = $1 and account_id = any($2)",
        id.0,
        &removed,
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "insert into lesson_learner (lesson_id, account_id) select $1, unnest($2::uuid[]) \
         on conflict do nothing",
        id.0,
        &added,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Lessons that an account has to do with and that are not over: their topics are followed. What
/// others watch alone is followed by nobody else.
pub async fn followed(
    db: &mut Connection,
    account: AccountId,
    officer_of: &[UnitId],
    since: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<(LessonId, bool)>, Error> {
    let officer_of: Vec<Uuid> = officer_of.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select l.id,
               l.viewing_id is null and (l.teacher_id = $1 or u.path && $2) as "staff!"
           from lesson l join unit u on u.id = l.unit_id
           where l.ends_at >= $3 and ((l.viewing_id is null and (l.teacher_id = $1
               or u.path && $2)) or exists (select from lesson_learner e
                   where e.lesson_id = l.id and e.account_id = $1))
           order by l.starts_at, l.id limit $4"#,
        account.0,
        &officer_of,
        since,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (LessonId(row.id), row.staff))
        .collect())
}

/// Lessons whose deadline is reached, at most `limit`.
pub async fn due(
    db: &mut Connection,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<LessonId>, Error> {
    let ids = sqlx::query_scalar!(
        "select id from lesson where next_deadline <= $1 order by next_deadline limit $2",
        now,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(LessonId).collect())
}

/// Lessons being held, breaks included.
pub async fn running(db: &mut Connection) -> Result<Vec<LessonId>, Error> {
    let ids = sqlx::query_scalar!("select id from lesson where phase in ('live', 'break')")
        .fetch_all(db)
        .await?;
    Ok(ids.into_iter().map(LessonId).collect())
}

/// Lessons that are over while attendances of theirs are not closed.
pub async fn ended_unfinished(db: &mut Connection) -> Result<Vec<LessonId>, Error> {
    let ids = sqlx::query_scalar!(
        "select id from lesson l where phase = 'ended' and exists ( \
             select from attendance a where a.lesson_id = l.id and a.phase <> 'closed')",
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(LessonId).collect())
}

/// The people behind accounts.
pub async fn people_of(
    db: &mut Connection,
    accounts: &[AccountId],
) -> Result<Vec<PersonId>, Error> {
    let accounts: Vec<Uuid> = accounts.iter().map(|id| id.0).collect();
    let ids = sqlx::query_scalar!(
        "select person_id from account where id = any($1)",
        &accounts
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(PersonId).collect())
}
