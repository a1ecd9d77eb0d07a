//! Appeals and adjustments: one aggregate for each attendance about which somebody said something.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Connection, Error, Failure, unreadable};
use crate::domain::classroom::redress::{AppealEnd, Redress};
use crate::domain::id::{AttendanceId, UnitId};

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn read(state: Value) -> Result<Redress, Error> {
    serde_json::from_value(state).map_err(|error| unreadable(error.to_string()))
}

/// The redress of an attendance, if there ever was any.
pub async fn find(db: &mut Connection, id: AttendanceId) -> Result<Option<Redress>, Error> {
    let state = sqlx::query_scalar!("select state from redress where attendance_id = $1", id.0)
        .fetch_optional(db)
        .await?;
    state.map(read).transpose()
}

/// Seconds that two people added to an attendance, or took from it.
pub async fn adjusted_s(db: &mut Connection, id: AttendanceId) -> Result<i64, Error> {
    let seconds = sqlx::query_scalar!(
        "select adjusted_s from redress where attendance_id = $1",
        id.0
    )
    .fetch_optional(db)
    .await?;
    Ok(seconds.unwrap_or(0))
}

/// Writes a redress; lock its attendance before.
pub async fn save(db: &mut Connection, redress: &Redress) -> Result<(), Error> {
    let state = serde_json::to_value(redress)
        .map_err(|source| Error::Failed(Failure::new("write a redress", source)))?;
    let ends = redress
        .appeals()
        .iter()
        .filter_map(|appeal| match appeal.end {
            Some(AppealEnd::Decided { upheld, .. }) => Some(upheld),
            Some(AppealEnd::Withdrawn { .. }) | None => None,
        });
    let decided: Vec<bool> = ends.collect();
    sqlx::query!(
        "insert into redress (attendance_id, state, adjusted_s, open_appeals, \
             waiting_adjustments, decided_appeals, upheld_appeals, next_deadline) \
         values ($1, $2, $3, $4, $5, $6, $7, $8) \
         on conflict (attendance_id) do update set state = $2, adjusted_s = $3, \
             open_appeals = $4, waiting_adjustments = $5, decided_appeals = $6, \
             upheld_appeals = $7, next_deadline = $8",
        redress.attendance().0,
        state,
        redress.adjusted_s(),
        count(redress.open_appeals().count()),
        count(redress.waiting_adjustments().count()),
        count(decided.len()),
        count(decided.iter().filter(|upheld| **upheld).count()),
        redress.next_deadline(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Attendances of lessons below these units with something to decide, longest waiting first, and
/// how many.
pub async fn waiting(
    db: &mut Connection,
    scopes: &[UnitId],
    limit: u32,
    offset: u64,
) -> Result<(Vec<Redress>, u64), Error> {
    let scopes: Vec<Uuid> = scopes.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select r.state, count(*) over () as "total!"
           from redress r join attendance a on a.id = r.attendance_id
               join lesson l on l.id = a.lesson_id join unit u on u.id = l.unit_id
           where (r.open_appeals > 0 or r.waiting_adjustments > 0) and u.path && $1
           order by r.next_deadline nulls last, r.attendance_id limit $2 offset $3"#,
        &scopes,
        i64::from(limit),
        i64::try_from(offset).unwrap_or(i64::MAX),
    )
    .fetch_all(db)
    .await?;
    let total = rows.first().map_or(0, |row| row.total);
    let found: Result<Vec<_>, Error> = rows.into_iter().map(|row| read(row.state)).collect();
    Ok((found?, u64::try_from(total).unwrap_or(0)))
}

/// Appeals that were decided below these units, and those of them that were upheld.
pub async fn reversals(db: &mut Connection, scopes: &[UnitId]) -> Result<(u64, u64), Error> {
    let scopes: Vec<Uuid> = scopes.iter().map(|id| id.0).collect();
    let row = sqlx::query!(
        r#"select coalesce(sum(r.decided_appeals), 0)::bigint as "decided!",
               coalesce(sum(r.upheld_appeals), 0)::bigint as "upheld!"
           from redress r join attendance a on a.id = r.attendance_id
               join lesson l on l.id = a.lesson_id join unit u on u.id = l.unit_id
           where u.path && $1"#,
        &scopes,
    )
    .fetch_one(db)
    .await?;
    let number = |stored: i64| u64::try_from(stored).unwrap_or(0);
    Ok((number(row.decided), number(row.upheld)))
}

/// Attendances whose appeals are overdue.
pub async fn due(
    db: &mut Connection,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<AttendanceId>, Error> {
    let ids = sqlx::query_scalar!(
        "select attendance_id from redress where next_deadline <= $1 \
         order by next_deadline limit $2",
        now,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(AttendanceId).collect())
}
