//! Who watched what of lessons on demand, and what plays.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Connection, Error, Failure, unreadable};
use crate::domain::id::{AccountId, CourseId, CourseLessonId, PlaybackId, ViewingId};
use crate::domain::library::course::Progress;
use crate::domain::library::viewing::Viewing;

fn written(viewing: &Viewing) -> Result<Value, Error> {
    serde_json::to_value(viewing)
        .map_err(|source| Error::Failed(Failure::new("write a viewing", source)))
}

fn read(state: Value) -> Result<Viewing, Error> {
    serde_json::from_value(state).map_err(|error| unreadable(error.to_string()))
}

/// Everything of one person's playing is decided one after the other: others wait until the
/// transaction ends.
pub async fn lock_person(db: &mut Connection, account: AccountId) -> Result<(), Error> {
    sqlx::query_scalar!(
        "select 1 from account where id = $1 for no key update",
        account.0
    )
    .fetch_optional(db)
    .await?;
    Ok(())
}

/// Adds a viewing.
pub async fn insert(
    db: &mut Connection,
    viewing: &Viewing,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into viewing (id, account_id, lesson_id, playback_id, watched_ms, finished, state, \
             next_deadline, opened_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        viewing.id().0,
        viewing.account().0,
        viewing.lesson().0,
        viewing.playback().map(|playback| playback.id.0),
        millis(viewing.watched_ms()),
        viewing.is_finished(),
        written(viewing)?,
        viewing.next_deadline(),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes a viewing's present state.
pub async fn update(db: &mut Connection, viewing: &Viewing) -> Result<(), Error> {
    sqlx::query!(
        "update viewing set playback_id = $2, watched_ms = $3, finished = $4, state = $5, \
             next_deadline = $6 where id = $1",
        viewing.id().0,
        viewing.playback().map(|playback| playback.id.0),
        millis(viewing.watched_ms()),
        viewing.is_finished(),
        written(viewing)?,
        viewing.next_deadline(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The viewing of a person and a lesson, locked until the transaction ends.
pub async fn lock(
    db: &mut Connection,
    account: AccountId,
    lesson: CourseLessonId,
) -> Result<Option<Viewing>, Error> {
    let state = sqlx::query_scalar!(
        "select state from viewing where account_id = $1 and lesson_id = $2 for update",
        account.0,
        lesson.0,
    )
    .fetch_optional(db)
    .await?;
    state.map(read).transpose()
}

/// The viewing of a person and a lesson.
pub async fn of_lesson(
    db: &mut Connection,
    account: AccountId,
    lesson: CourseLessonId,
) -> Result<Option<Viewing>, Error> {
    let state = sqlx::query_scalar!(
        "select state from viewing where account_id = $1 and lesson_id = $2",
        account.0,
        lesson.0,
    )
    .fetch_optional(db)
    .await?;
    state.map(read).transpose()
}

/// The viewing that a playback of this person plays, locked until the transaction ends.
pub async fn lock_playback(
    db: &mut Connection,
    account: AccountId,
    playback: PlaybackId,
) -> Result<Option<Viewing>, Error> {
    let state = sqlx::query_scalar!(
        "select state from viewing where account_id = $1 and playback_id = $2 for update",
        account.0,
        playback.0,
    )
    .fetch_optional(db)
    .await?;
    state.map(read).transpose()
}

/// The same without a lock.
pub async fn of_playback(
    db: &mut Connection,
    account: AccountId,
    playback: PlaybackId,
) -> Result<Option<Viewing>, Error> {
    let state = sqlx::query_scalar!(
        "select state from viewing where account_id = $1 and playback_id = $2",
        account.0,
        playback.0,
    )
    .fetch_optional(db)
    .await?;
    state.map(read).transpose()
}

/// Whatever plays for a person, locked until the transaction ends; there is at most one.
pub async fn lock_playing(
    db: &mut Connection,
    account: AccountId,
) -> Result<Option<Viewing>, Error> {
    let state = sqlx::query_scalar!(
        "select state from viewing where account_id = $1 and playback_id is not null for update",
        account.0,
    )
    .fetch_optional(db)
    .await?;
    state.map(read).transpose()
}

/// A viewing, locked until the transaction ends.
pub async fn lock_one(db: &mut Connection, id: ViewingId) -> Result<Option<Viewing>, Error> {
    let state = sqlx::query_scalar!("select state from viewing where id = $1 for update", id.0)
        .fetch_optional(db)
        .await?;
    state.map(read).transpose()
}

/// How far a person is in the lessons of these courses.
pub async fn progress_of(
    db: &mut Connection,
    account: AccountId,
    courses: &[CourseId],
) -> Result<BTreeMap<CourseLessonId, Progress>, Error> {
    let courses: Vec<Uuid> = courses.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select v.lesson_id, v.watched_ms, v.finished,
               coalesce((select sum(a.credited_s) from lesson s
                   join attendance a on a.lesson_id = s.id
                   where s.viewing_id = v.id), 0)::bigint as "credited_s!"
           from viewing v join course_lesson l on l.id = v.lesson_id
           where v.account_id = $1 and l.course_id = any($2) and l.present"#,
        account.0,
        &courses,
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let progress = Progress {
                watched_ms: u64::try_from(row.watched_ms).unwrap_or(0),
                credited_s: u64::try_from(row.credited_s).unwrap_or(0),
                finished: row.finished,
            };
            (CourseLessonId(row.lesson_id), progress)
        })
        .collect())
}

/// A learner's name with how far they are in each lesson.
pub type LearnerProgress = (AccountId, String, BTreeMap<CourseLessonId, Progress>);

/// How far everybody is in a course, by name.
pub async fn progress_in(
    db: &mut Connection,
    course: CourseId,
) -> Result<Vec<LearnerProgress>, Error> {
    let rows = sqlx::query!(
        r#"select e.account_id, p.name, v.lesson_id as "lesson_id?",
               v.watched_ms as "watched_ms?", v.finished as "finished?",
               coalesce((select sum(s.credited_s) from lesson f
                   join attendance s on s.lesson_id = f.id
                   where f.viewing_id = v.id), 0)::bigint as "credited_s!"
           from course_learner e
               join account a on a.id = e.account_id join person p on p.id = a.person_id
               left join (viewing v join course_lesson l
                       on l.id = v.lesson_id and l.course_id = $1 and l.present)
                   on v.account_id = e.account_id
           where e.course_id = $1 order by p.name, e.account_id"#,
        course.0,
    )
    .fetch_all(db)
    .await?;
    let mut learners: Vec<LearnerProgress> = Vec::new();
    for row in rows {
        let account = AccountId(row.account_id);
        if learners.last().is_none_or(|(last, ..)| *last != account) {
            learners.push((account, row.name, BTreeMap::new()));
        }
        if let (Some((.., progress)), Some(lesson)) = (learners.last_mut(), row.lesson_id) {
            let known = Progress {
                watched_ms: u64::try_from(row.watched_ms.unwrap_or(0)).unwrap_or(0),
                credited_s: u64::try_from(row.credited_s).unwrap_or(0),
                finished: row.finished.unwrap_or(false),
            };
            progress.insert(CourseLessonId(lesson), known);
        }
    }
    Ok(learners)
}

/// Viewings whose deadline is reached, at most `limit`.
pub async fn due(
    db: &mut Connection,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<ViewingId>, Error> {
    let ids = sqlx::query_scalar!(
        "select id from viewing where next_deadline <= $1 order by next_deadline limit $2",
        now,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(ViewingId).collect())
}

fn millis(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}
