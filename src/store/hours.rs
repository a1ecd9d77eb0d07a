//! What a month's hours are computed from: requirements, learners, attendances, plans.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Connection, Error, unit, unreadable};
use crate::domain::classroom::hours::{Month, Requirement};
use crate::domain::classroom::redress::Redress;
use crate::domain::classroom::span::Span;
use crate::domain::id::{AccountId, AttendanceId, LessonId, UnitId};
use crate::domain::unit::UnitPath;

/// Somebody under supervision who can take lessons.
#[derive(Clone, Debug)]
pub struct Learner {
    /// The account.
    pub account: AccountId,
    /// Name of the person.
    pub name: String,
    /// Name of the person's unit.
    pub unit_name: String,
    /// That unit and its ancestors.
    pub unit_path: UnitPath,
}

/// What one attendance earned.
#[derive(Clone, Debug)]
pub struct Attended {
    /// Which.
    pub attendance: AttendanceId,
    /// Whose.
    pub account: AccountId,
    /// Of which lesson.
    pub lesson: LessonId,
    /// Its title.
    pub title: String,
    /// When the learner entered.
    pub entered_at: DateTime<Utc>,
    /// Nothing more can happen.
    pub closed: bool,
    /// Seconds, with what people added.
    pub credited_s: u64,
    /// Seconds.
    pub withheld_s: u64,
    /// Some check waits for a reviewer.
    pub awaits_ruling: bool,
    /// Of the rule of its credit.
    pub rule_version: u32,
    /// What people said about it.
    pub redress: Option<Redress>,
}

/// Issues a requirement. The unit's row is locked, so that versions of one unit come one by one.
pub async fn issue(
    db: &mut Connection,
    requirement: &Requirement,
    by: AccountId,
    at: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into hours_requirement (unit_id, version, month_from, required_s, issued_by, \
             issued_at) \
         values ($1, $2, $3, $4, $5, $6)",
        requirement.unit.0,
        number(requirement.version),
        requirement.from.first_day(),
        number(requirement.required_s),
        by.0,
        at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Lets nobody else issue anything for the unit until the transaction ends; answers the versions
/// so far.
pub async fn lock(db: &mut Connection, unit: UnitId) -> Result<u32, Error> {
    sqlx::query!("select id from unit where id = $1 for update", unit.0)
        .fetch_optional(&mut *db)
        .await?;
    let versions = sqlx::query_scalar!(
        r#"select coalesce(max(version), 0) as "versions!" from hours_requirement
           where unit_id = $1"#,
        unit.0,
    )
    .fetch_one(db)
    .await?;
    Ok(count(versions))
}

/// Everything that these units have issued.
pub async fn issued(db: &mut Connection, units: &[UnitId]) -> Result<Vec<Requirement>, Error> {
    let units: Vec<Uuid> = units.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "select unit_id, version, month_from, required_s from hours_requirement \
         where unit_id = any($1) order by unit_id, version",
        &units,
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Requirement {
            unit: UnitId(row.unit_id),
            version: count(row.version),
            from: Month::of_day(row.month_from),
            required_s: count(row.required_s),
        })
        .collect())
}

/// People under supervision below these units, by name, at most `limit`; or only one of them.
pub async fn learners(
    db: &mut Connection,
    below: &[UnitId],
    only: Option<AccountId>,
    limit: u32,
) -> Result<Vec<Learner>, Error> {
    let below: Vec<Uuid> = below.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select a.id, p.name, u.name as unit_name, u.path as unit_path
           from account a join person p on p.id = a.person_id join unit u on u.id = p.unit_id
           where case when $2::uuid is null then p.kind = 'subject' and u.path && $1
               else a.id = $2 end
           order by p.name, a.id limit $3"#,
        &below,
        only.map(|id| id.0),
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Learner {
                account: AccountId(row.id),
                name: row.name,
                unit_name: row.unit_name,
                unit_path: unit::path(row.unit_path)?,
            })
        })
        .collect()
}

/// What these accounts attended, entered within the span, in order of time.
pub async fn attended(
    db: &mut Connection,
    accounts: &[AccountId],
    within: Span,
) -> Result<Vec<Attended>, Error> {
    let accounts: Vec<Uuid> = accounts.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select a.id, a.account_id, a.lesson_id, l.title, a.opened_at,
               a.phase = 'closed' as "closed!", a.credited_s, a.withheld_s, a.awaits_ruling,
               coalesce((a.state->>'rule_version')::integer, 1) as "rule_version!",
               r.state as "redress?"
           from attendance a join lesson l on l.id = a.lesson_id
               left join redress r on r.attendance_id = a.id
           where a.account_id = any($1) and a.opened_at >= $2 and a.opened_at < $3
           order by a.opened_at, a.id"#,
        &accounts,
        within.from,
        within.to,
    )
    .fetch_all(db)
    .await?;
    let seconds = |stored: i64| u64::try_from(stored).unwrap_or(0);
    rows.into_iter()
        .map(|row| {
            Ok(Attended {
                attendance: AttendanceId(row.id),
                account: AccountId(row.account_id),
                lesson: LessonId(row.lesson_id),
                title: row.title,
                entered_at: row.opened_at,
                closed: row.closed,
                credited_s: seconds(row.credited_s),
                withheld_s: seconds(row.withheld_s),
                awaits_ruling: row.awaits_ruling,
                rule_version: count(row.rule_version),
                redress: row.redress.map(redress).transpose()?,
            })
        })
        .collect()
}

/// Classes that these accounts have still before them: planned to begin within the span and not
/// entered, or entered within it and going on.
pub async fn planned(
    db: &mut Connection,
    accounts: &[AccountId],
    within: Span,
) -> Result<BTreeMap<AccountId, Vec<Span>>, Error> {
    let accounts: Vec<Uuid> = accounts.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select e.account_id, l.starts_at, l.ends_at
           from lesson_learner e join lesson l on l.id = e.lesson_id
               left join attendance a on a.lesson_id = l.id and a.account_id = e.account_id
           where e.account_id = any($1) and l.viewing_id is null
               and l.phase in ('scheduled', 'live', 'break')
               and case when a.id is null then l.starts_at >= $2 and l.starts_at < $3
                   else a.phase = 'open' and a.opened_at >= $2 and a.opened_at < $3 end"#,
        &accounts,
        within.from,
        within.to,
    )
    .fetch_all(db)
    .await?;
    let mut planned: BTreeMap<AccountId, Vec<Span>> = BTreeMap::new();
    for row in rows {
        let spans = planned.entry(AccountId(row.account_id)).or_default();
        spans.push(Span::new(row.starts_at, row.ends_at));
    }
    Ok(planned)
}

fn redress(state: Value) -> Result<Redress, Error> {
    serde_json::from_value(state).map_err(|error| unreadable(error.to_string()))
}

fn count(stored: i32) -> u32 {
    u32::try_from(stored).unwrap_or(0)
}

fn number(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
