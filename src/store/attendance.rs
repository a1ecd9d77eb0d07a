//! Attendances: the aggregate as one value, and beside it what thousands of signs of life touch.

mod life;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

pub use life::{Seen, Window, extend_life, measured, prolong_life};

use super::{Connection, Error, Failure, unreadable};
use crate::domain::classroom::attendance::{Attendance, Link, Phase};
use crate::domain::classroom::check::{Check, CheckKind};
use crate::domain::classroom::span::Span;
use crate::domain::id::{AccountId, AttendanceId, CheckId, LessonId, QuestionId};

/// An attendance as stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The aggregate, with its present run of life.
    pub attendance: Attendance,
    /// Measured round trip of the connection, milliseconds; 0 when unknown.
    pub round_trip_ms: u32,
    /// The last moment at which the page played in front, as the browser says.
    pub good_at: Option<DateTime<Utc>>,
    /// The last heartbeat of any kind.
    pub heard_at: Option<DateTime<Utc>>,
    /// When its row of the board was last announced.
    pub board_sent_at: Option<DateTime<Utc>>,
    /// Result as of the last save, seconds.
    pub credited_s: u64,
    /// Result as of the last save, seconds.
    pub withheld_s: u64,
}

/// What is written beside the aggregate.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Result, seconds.
    pub credited_s: u64,
    /// Result, seconds.
    pub withheld_s: u64,
    /// Credited moments.
    pub credited: Vec<Span>,
    /// When to look again.
    pub next_deadline: Option<DateTime<Utc>>,
    /// When the board's row was announced, this time included.
    pub board_sent_at: Option<DateTime<Utc>>,
    /// When the board's row has to be announced.
    pub board_due: Option<DateTime<Utc>>,
    /// Until when a look at the learner's camera is wanted.
    pub look_until: Option<DateTime<Utc>>,
}

struct Row {
    state: Value,
    life_from: Option<DateTime<Utc>>,
    life_to: Option<DateTime<Utc>>,
    round_trip_ms: i32,
    good_at: Option<DateTime<Utc>>,
    heard_at: Option<DateTime<Utc>>,
    board_sent_at: Option<DateTime<Utc>>,
    credited_s: i64,
    withheld_s: i64,
}

impl Row {
    fn into_stored(self) -> Result<Stored, Error> {
        let mut attendance: Attendance =
            serde_json::from_value(self.state).map_err(|error| unreadable(error.to_string()))?;
        let life = self.life_from.zip(self.life_to);
        attendance.restore_life(life.map(|(from, to)| Span::new(from, to)));
        Ok(Stored {
            attendance,
            round_trip_ms: u32::try_from(self.round_trip_ms).unwrap_or(0),
            good_at: self.good_at,
            heard_at: self.heard_at,
            board_sent_at: self.board_sent_at,
            credited_s: seconds(self.credited_s),
            withheld_s: seconds(self.withheld_s),
        })
    }
}

fn seconds(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

fn bigint(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn phase(attendance: &Attendance) -> &'static str {
    match attendance.phase() {
        Phase::Open => "open",
        Phase::Closing { .. } => "closing",
        Phase::Closed { .. } => "closed",
    }
}

fn link(attendance: &Attendance) -> &'static str {
    match attendance.link() {
        Link::Absent => "absent",
        Link::Up { .. } => "up",
        Link::Down { .. } => "down",
    }
}

fn is_watched(attendance: &Attendance) -> bool {
    let goes_on = match attendance.phase() {
        Phase::Open | Phase::Closing { .. } => true,
        Phase::Closed { .. } => false,
    };
    let connected = matches!(attendance.link(), Link::Up { .. });
    goes_on && connected && attendance.faces_apply()
}

fn question_since(attendance: &Attendance) -> Option<DateTime<Utc>> {
    let open = attendance.open_check();
    let question = open.filter(|check| check.kind == CheckKind::Question);
    question.map(|check| check.asked_at)
}

fn written(attendance: &Attendance) -> Result<Value, Error> {
    serde_json::to_value(attendance)
        .map_err(|source| Error::Failed(Failure::new("write an attendance", source)))
}

/// Adds an attendance; [`save`] writes the rest.
pub async fn insert(db: &mut Connection, attendance: &Attendance) -> Result<(), Error> {
    sqlx::query!(
        "insert into attendance (id, lesson_id, account_id, phase, link, signed_in, state, \
             opened_at) \
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        attendance.id().0,
        attendance.lesson().0,
        attendance.account().0,
        phase(attendance),
        link(attendance),
        attendance.is_signed_in(),
        written(attendance)?,
        attendance.opened_at(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes the aggregate and what stands beside it.
pub async fn save(
    db: &mut Connection,
    attendance: &Attendance,
    summary: &Summary,
) -> Result<(), Error> {
    let credited = serde_json::to_value(&summary.credited)
        .map_err(|source| Failure::new("write credited spans", source))?;
    sqlx::query!(
        "update attendance set phase = $2, link = $3, signed_in = $4, device = $5, state = $6, \
             life_from = $7, life_to = $8, credited_s = $9, withheld_s = $10, credited = $11, \
             next_deadline = $12, board_sent_at = $13, board_due = $14, watched = $15, \
             look_until = $16, awaits_ruling = $17, question_since = $18 \
         where id = $1",
        attendance.id().0,
        phase(attendance),
        link(attendance),
        attendance.is_signed_in(),
        attendance.device(),
        written(attendance)?,
        attendance.life().map(|run| run.from),
        attendance.life().map(|run| run.to),
        bigint(summary.credited_s),
        bigint(summary.withheld_s),
        credited,
        summary.next_deadline,
        summary.board_sent_at,
        summary.board_due,
        is_watched(attendance),
        summary.look_until,
        attendance.waiting_checks().next().is_some(),
        question_since(attendance),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Remembers which attendance a check belongs to.
pub async fn insert_check(
    db: &mut Connection,
    attendance: AttendanceId,
    check: &Check,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into attendance_check (id, attendance_id, question_id) values ($1, $2, $3)",
        check.id.0,
        attendance.0,
        check.question.as_ref().map(|draw| draw.question.0),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The attendance and the question of a check.
pub async fn of_check(
    db: &mut Connection,
    check: CheckId,
) -> Result<Option<(AttendanceId, Option<QuestionId>)>, Error> {
    let row = sqlx::query!(
        "select attendance_id, question_id from attendance_check where id = $1",
        check.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| {
        (
            AttendanceId(row.attendance_id),
            row.question_id.map(QuestionId),
        )
    }))
}

/// The attendance of this id.
pub async fn find(db: &mut Connection, id: AttendanceId) -> Result<Option<Stored>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select state, life_from, life_to, round_trip_ms, good_at, heard_at, board_sent_at, \
             credited_s, withheld_s \
         from attendance where id = $1",
        id.0,
    )
    .fetch_optional(db)
    .await?;
    row.map(Row::into_stored).transpose()
}

/// The attendance of this id, locked until the transaction ends.
pub async fn lock(db: &mut Connection, id: AttendanceId) -> Result<Option<Stored>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select state, life_from, life_to, round_trip_ms, good_at, heard_at, board_sent_at, \
             credited_s, withheld_s \
         from attendance where id = $1 for update",
        id.0,
    )
    .fetch_optional(db)
    .await?;
    row.map(Row::into_stored).transpose()
}

/// The attendances of a lesson's learners, by account.
pub async fn of_learners(
    db: &mut Connection,
    lesson: LessonId,
    accounts: &[AccountId],
) -> Result<Vec<(AttendanceId, AccountId)>, Error> {
    let accounts: Vec<Uuid> = accounts.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "select id, account_id from attendance \
         where lesson_id = $1 and account_id = any($2) order by id",
        lesson.0,
        &accounts,
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (AttendanceId(row.id), AccountId(row.account_id)))
        .collect())
}

/// The attendance of one learner.
pub async fn of_learner(
    db: &mut Connection,
    lesson: LessonId,
    account: AccountId,
) -> Result<Option<AttendanceId>, Error> {
    Ok(of_learners(db, lesson, &[account])
        .await?
        .first()
        .map(|(id, _)| *id))
}

/// Attendances of a lesson that are not closed.
pub async fn unfinished(db: &mut Connection, lesson: LessonId) -> Result<Vec<AttendanceId>, Error> {
    let ids = sqlx::query_scalar!(
        "select id from attendance where lesson_id = $1 and phase <> 'closed' order by id",
        lesson.0,
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(AttendanceId).collect())
}

/// Learners whose media is marked up, for comparison with what the room says.
pub async fn linked(db: &mut Connection, lesson: LessonId) -> Result<BTreeSet<AccountId>, Error> {
    let ids = sqlx::query_scalar!(
        "select account_id from attendance \
         where lesson_id = $1 and link = 'up' and phase <> 'closed'",
        lesson.0,
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(AccountId).collect())
}

/// Notes a heartbeat of the device that has the place; one of another device is nothing.
pub async fn heard(
    db: &mut Connection,
    id: AttendanceId,
    device: &str,
    good: bool,
    at: DateTime<Utc>,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update attendance set heard_at = $3, good_at = case when $4 then $3 else good_at end \
         where id = $1 and device = $2 and phase <> 'closed'",
        id.0,
        device,
        at,
        good,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Lets the deadline loop look at all attendances of a lesson.
pub async fn wake_all(
    db: &mut Connection,
    lesson: LessonId,
    at: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "with woken as ( \
             select id from attendance where lesson_id = $1 and phase <> 'closed' \
             order by id for update) \
         update attendance a set next_deadline = $2 from woken where a.id = woken.id",
        lesson.0,
        at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Attendances whose deadline is reached, at most `limit`.
pub async fn due(
    db: &mut Connection,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<AttendanceId>, Error> {
    let ids = sqlx::query_scalar!(
        "select id from attendance where next_deadline <= $1 order by next_deadline limit $2",
        now,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(AttendanceId).collect())
}

/// Takes the attendances whose row of the board has waited long enough, at most `limit`.
pub async fn take_board_due(
    db: &mut Connection,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<AttendanceId>, Error> {
    let ids = sqlx::query_scalar!(
        "with due as ( \
             select id from attendance where board_due <= $1 order by board_due limit $2 \
             for update skip locked) \
         update attendance a set board_due = null, board_sent_at = $1 from due \
         where a.id = due.id returning a.id",
        now,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(AttendanceId).collect())
}

/// The next moment at which anything of the classroom is due.
pub async fn next_wake(db: &mut Connection) -> Result<Option<DateTime<Utc>>, Error> {
    Ok(sqlx::query_scalar!(
        "select least( \
             (select min(next_deadline) from attendance where next_deadline is not null), \
             (select min(board_due) from attendance where board_due is not null), \
             (select min(next_deadline) from lesson where next_deadline is not null))",
    )
    .fetch_one(db)
    .await?)
}

/// What the same account earned in lessons it entered before this one: spans of the day around
/// it, and the seconds of the same day at Beijing time.
pub async fn earned_before(
    db: &mut Connection,
    attendance: &Attendance,
) -> Result<(Vec<Span>, u32), Error> {
    let rows = sqlx::query!(
        r#"select credited, credited_s,
               (opened_at at time zone 'Asia/Shanghai')::date
                   = ($3::timestamptz at time zone 'Asia/Shanghai')::date as "same_day!"
           from attendance
           where account_id = $1 and id <> $2 and (opened_at, id) < ($3, $2)
               and opened_at > $3 - interval '24 hours'"#,
        attendance.account().0,
        attendance.id().0,
        attendance.opened_at(),
    )
    .fetch_all(db)
    .await?;
    let mut spans = Vec::new();
    let mut today_s = 0;
    for row in rows {
        let credited: Vec<Span> =
            serde_json::from_value(row.credited).map_err(|error| unreadable(error.to_string()))?;
        spans.extend(credited);
        today_s += if row.same_day {
            seconds(row.credited_s)
        } else {
            0
        };
    }
    Ok((spans, u32::try_from(today_s).unwrap_or(u32::MAX)))
}

/// An attendance with the names that a board shows.
#[derive(Clone, Debug)]
pub struct OnBoard {
    /// Who.
    pub account: AccountId,
    /// Name of the person.
    pub name: String,
    /// Name of the person's unit.
    pub unit_name: String,
    /// None while the learner has not entered.
    pub stored: Option<Stored>,
}

/// The learners of a lesson by name, with their attendances; or only the one of this account.
pub async fn board(
    db: &mut Connection,
    lesson: LessonId,
    only: Option<AccountId>,
) -> Result<Vec<OnBoard>, Error> {
    let rows = sqlx::query!(
        r#"select e.account_id, p.name, u.name as unit_name, a.state as "state?",
               a.life_from, a.life_to, a.round_trip_ms as "round_trip_ms?", a.good_at,
               a.heard_at, a.board_sent_at, a.credited_s as "credited_s?",
               a.withheld_s as "withheld_s?"
           from lesson_learner e join account c on c.id = e.account_id
               join person p on p.id = c.person_id join unit u on u.id = p.unit_id
               left join attendance a
                   on a.lesson_id = e.lesson_id and a.account_id = e.account_id
           where e.lesson_id = $1 and ($2::uuid is null or e.account_id = $2)
           order by p.name, e.account_id"#,
        lesson.0,
        only.map(|id| id.0),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let stored = row.state.map(|state| Row {
                state,
                life_from: row.life_from,
                life_to: row.life_to,
                round_trip_ms: row.round_trip_ms.unwrap_or(0),
                good_at: row.good_at,
                heard_at: row.heard_at,
                board_sent_at: row.board_sent_at,
                credited_s: row.credited_s.unwrap_or(0),
                withheld_s: row.withheld_s.unwrap_or(0),
            });
            Ok(OnBoard {
                account: AccountId(row.account_id),
                name: row.name,
                unit_name: row.unit_name,
                stored: stored.map(Row::into_stored).transpose()?,
            })
        })
        .collect()
}

/// One page of an account's attendances, newest first; how many there are, and what they earned.
pub async fn of_account(
    db: &mut Connection,
    account: AccountId,
    limit: u32,
    offset: u64,
) -> Result<(Vec<AttendanceId>, u64, u64), Error> {
    let totals = sqlx::query!(
        r#"select count(*) as "count!", coalesce(sum(credited_s), 0)::bigint as "credited_s!"
           from attendance where account_id = $1"#,
        account.0,
    )
    .fetch_one(&mut *db)
    .await?;
    let ids = sqlx::query_scalar!(
        "select id from attendance where account_id = $1 \
         order by opened_at desc, id limit $2 offset $3",
        account.0,
        i64::from(limit),
        bigint(offset),
    )
    .fetch_all(db)
    .await?;
    let ids = ids.into_iter().map(AttendanceId).collect();
    Ok((ids, seconds(totals.count), seconds(totals.credited_s)))
}
