//! Signs of life: what thousands of learners give every few seconds.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::classroom::policy::PolicyFigures;
use crate::domain::classroom::span::Span;
use crate::domain::id::{AccountId, AttendanceId, LessonId};
use crate::store::{Connection, Error};

/// What the SFU saw of one learner.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Who.
    pub account: AccountId,
    /// Round trip, milliseconds; 0 when unknown.
    pub round_trip_ms: u32,
}

/// The moment of a presence.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// When the room saw it.
    pub at: DateTime<Utc>,
    /// Until when browsers could say that their page plays in front; what they said by then
    /// stands for later.
    pub heard_until: DateTime<Utc>,
}

/// Prolongs the present run of life of everybody seen whose page plays in front, in one
/// statement. Returns those who need more than that: a first sign of life, a run that was
/// interrupted, one that is long enough to become a fact.
pub async fn prolong_life(
    db: &mut Connection,
    lesson: LessonId,
    window: Window,
    seen: &[Seen],
    figures: &PolicyFigures,
) -> Result<Vec<AttendanceId>, Error> {
    let Window { at, heard_until } = window;
    let heard_until = heard_until.min(at);
    let accounts: Vec<Uuid> = seen.iter().map(|seen| seen.account.0).collect();
    let round_trips: Vec<i32> = seen.iter().map(round_trip).collect();
    let seconds = |count: u32| chrono::TimeDelta::seconds(i64::from(count));
    let rows = sqlx::query_scalar!(
        r#"with seen as (
               select a.id, s.round_trip_ms,
                   a.link = 'up' and a.signed_in and a.life_to >= $4 and a.life_from > $6
                       as simple
               from unnest($2::uuid[], $3::integer[]) as s (account_id, round_trip_ms)
                   join attendance a on a.lesson_id = $1 and a.account_id = s.account_id
               where a.phase = 'open' and a.good_at >= $8
                   and (a.heard_at <= a.good_at or a.good_at >= $5)
               order by a.id for update of a
           ), prolonged as (
               update attendance a
               set life_to = greatest(a.life_to, $7), round_trip_ms = seen.round_trip_ms
               from seen where a.id = seen.id and seen.simple
           )
           select id from seen where simple is not true"#,
        lesson.0,
        &accounts,
        &round_trips,
        at - seconds(figures.alive_window_s),
        heard_until - seconds(figures.background_grace_s),
        at - seconds(RUN_SECONDS_MAX),
        at,
        heard_until - seconds(figures.alive_window_s),
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(AttendanceId).collect())
}

/// Prolongs the present run of life of one attendance by what follows it without a gap. False when
/// it takes more than that, as of [`prolong_life`].
pub async fn extend_life(db: &mut Connection, id: AttendanceId, life: Span) -> Result<bool, Error> {
    let done = sqlx::query!(
        "update attendance set life_to = greatest(life_to, $3) \
         where id = $1 and phase = 'open' and link = 'up' and signed_in and life_to >= $2 \
             and life_from > $4",
        id.0,
        life.from,
        life.to,
        life.to - chrono::TimeDelta::seconds(i64::from(RUN_SECONDS_MAX)),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Notes the round trips of learners' connections.
pub async fn measured(db: &mut Connection, lesson: LessonId, seen: &[Seen]) -> Result<(), Error> {
    let accounts: Vec<Uuid> = seen.iter().map(|seen| seen.account.0).collect();
    let round_trips: Vec<i32> = seen.iter().map(round_trip).collect();
    sqlx::query!(
        "update attendance a set round_trip_ms = s.round_trip_ms \
         from unnest($2::uuid[], $3::integer[]) as s (account_id, round_trip_ms) \
         where a.lesson_id = $1 and a.account_id = s.account_id \
             and a.round_trip_ms <> s.round_trip_ms",
        lesson.0,
        &accounts,
        &round_trips,
    )
    .execute(db)
    .await?;
    Ok(())
}

fn round_trip(seen: &Seen) -> i32 {
    i32::try_from(seen.round_trip_ms).unwrap_or(i32::MAX)
}

/// A run of life this long goes through the aggregate, which makes it a fact.
const RUN_SECONDS_MAX: u32 = 55;
