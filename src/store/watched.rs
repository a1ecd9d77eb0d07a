//! Attendances that somebody is to look at: the server's eyes now, people later.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Connection, Error};
use crate::domain::id::{AccountId, AttendanceId, LessonId, UnitId};

/// Attendances of lessons below these units that wait for a person's decision, oldest first, and
/// how many.
pub async fn awaiting(
    db: &mut Connection,
    scopes: &[UnitId],
    limit: u32,
    offset: u64,
) -> Result<(Vec<AttendanceId>, u64), Error> {
    let scopes: Vec<Uuid> = scopes.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select a.id, count(*) over () as "total!"
           from attendance a join lesson l on l.id = a.lesson_id
               join unit u on u.id = l.unit_id
           where a.awaits_ruling and u.path && $1
           order by a.opened_at, a.id limit $2 offset $3"#,
        &scopes,
        i64::from(limit),
        i64::try_from(offset).unwrap_or(i64::MAX),
    )
    .fetch_all(db)
    .await?;
    let total = rows
        .first()
        .map_or(0, |row| u64::try_from(row.total).unwrap_or(0));
    let ids = rows.into_iter().map(|row| AttendanceId(row.id)).collect();
    Ok((ids, total))
}

/// Somebody whose camera the server's eyes follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The attendance.
    pub attendance: AttendanceId,
    /// Of which lesson.
    pub lesson: LessonId,
    /// Whose.
    pub account: AccountId,
    /// The lesson runs, so that the camera must show something.
    pub is_live: bool,
    /// A look is wanted now.
    pub look: bool,
}

/// Attendances whose cameras the eyes follow, at most so many.
pub async fn watched(
    db: &mut Connection,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<Watched>, Error> {
    let rows = sqlx::query!(
        r#"select a.id, a.lesson_id, a.account_id, l.phase = 'live' as "is_live!",
               coalesce(a.look_until > $1, false) as "look!"
           from attendance a join lesson l on l.id = a.lesson_id
           where a.watched order by a.id limit $2"#,
        now,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    let watched = rows.into_iter().map(|row| Watched {
        attendance: AttendanceId(row.id),
        lesson: LessonId(row.lesson_id),
        account: AccountId(row.account_id),
        is_live: row.is_live,
        look: row.look,
    });
    Ok(watched.collect())
}
