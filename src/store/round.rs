//! Rounds: questions and polls put to a whole class, and the answers to them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Connection, Error, Failure, unreadable};
use crate::domain::classroom::check::Given;
use crate::domain::classroom::round::{AnswerState, Ask, Poll, Round};
use crate::domain::id::{AccountId, AttendanceId, CheckId, LessonId, QuestionId, RoundId};

struct Row {
    id: Uuid,
    lesson_id: Uuid,
    asked_by: Uuid,
    question_id: Option<Uuid>,
    poll: Option<Value>,
    opened_at: DateTime<Utc>,
    closes_at: Option<DateTime<Utc>>,
    asked_all: bool,
    closed_at: Option<DateTime<Utc>>,
    tally: Value,
}

impl Row {
    fn into_round(self) -> Result<Round, Error> {
        let ask = match (self.question_id, self.poll, self.closes_at) {
            (Some(question), _, _) => Ask::Question(QuestionId(question)),
            (None, Some(poll), Some(closes_at)) => {
                let poll: Poll = read(poll)?;
                Ask::Poll { poll, closes_at }
            }
            (None, _, _) => return Err(unreadable("a round that asks nothing".to_owned())),
        };
        Ok(Round {
            id: RoundId(self.id),
            lesson: LessonId(self.lesson_id),
            by: AccountId(self.asked_by),
            ask,
            opened_at: self.opened_at,
            asked_all: self.asked_all,
            closed_at: self.closed_at,
            tally: read(self.tally)?,
        })
    }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| unreadable(error.to_string()))
}

fn written<T: serde::Serialize>(value: &T) -> Result<Value, Error> {
    serde_json::to_value(value)
        .map_err(|source| Error::Failed(Failure::new("write a round", source)))
}

fn count(stored: i64) -> u32 {
    u32::try_from(stored).unwrap_or(u32::MAX)
}

/// Adds a round.
pub async fn insert(db: &mut Connection, round: &Round) -> Result<(), Error> {
    let (question, poll, closes_at) = match &round.ask {
        Ask::Question(question) => (Some(question.0), None, None),
        Ask::Poll { poll, closes_at } => (None, Some(poll), Some(*closes_at)),
    };
    sqlx::query!(
        "insert into lesson_round (id, lesson_id, asked_by, question_id, poll, opened_at, \
             closes_at, asked_all, tally) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        round.id.0,
        round.lesson.0,
        round.by.0,
        question,
        poll.map(written).transpose()?,
        round.opened_at,
        closes_at,
        round.asked_all,
        written(&round.tally)?,
    )
    .execute(&mut *db)
    .await?;
    if let Some(poll) = poll {
        let places: Vec<i16> = (0..).take(poll.options.len()).collect();
        sqlx::query!(
            "insert into poll_count (round_id, place, votes) \
             select $1, place, 0 from unnest($2::smallint[]) place",
            round.id.0,
            &places,
        )
        .execute(db)
        .await?;
    }
    Ok(())
}

/// Everybody who could be asked is.
pub async fn asked_all(db: &mut Connection, id: RoundId) -> Result<(), Error> {
    sqlx::query!(
        "update lesson_round set asked_all = true where id = $1",
        id.0
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes what was counted, and the end.
pub async fn update(db: &mut Connection, round: &Round) -> Result<(), Error> {
    sqlx::query!(
        "update lesson_round set tally = $2, closed_at = $3 where id = $1",
        round.id.0,
        written(&round.tally)?,
        round.closed_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// How many rounds of a lesson are open, and how many there were.
pub async fn counts(db: &mut Connection, lesson: LessonId) -> Result<(u32, u32), Error> {
    let row = sqlx::query!(
        r#"select count(*) filter (where closed_at is null) as "open!", count(*) as "all!"
           from lesson_round where lesson_id = $1"#,
        lesson.0,
    )
    .fetch_one(db)
    .await?;
    Ok((count(row.open), count(row.all)))
}

/// The round of this id, locked until the transaction ends.
pub async fn lock(db: &mut Connection, id: RoundId) -> Result<Option<Round>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, lesson_id, asked_by, question_id, poll, opened_at, closes_at, asked_all, \
             closed_at, tally \
         from lesson_round where id = $1 for update",
        id.0,
    )
    .fetch_optional(db)
    .await?;
    row.map(Row::into_round).transpose()
}

/// The round of this id.
pub async fn find(db: &mut Connection, id: RoundId) -> Result<Option<Round>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, lesson_id, asked_by, question_id, poll, opened_at, closes_at, asked_all, \
             closed_at, tally \
         from lesson_round where id = $1",
        id.0,
    )
    .fetch_optional(db)
    .await?;
    row.map(Row::into_round).transpose()
}

/// Rounds that are open, in all lessons, at most `limit`.
pub async fn open(db: &mut Connection, limit: u32) -> Result<Vec<RoundId>, Error> {
    let ids = sqlx::query_scalar!(
        "select id from lesson_round where closed_at is null order by opened_at limit $1",
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(RoundId).collect())
}

/// The last rounds of a lesson, newest first.
pub async fn list(db: &mut Connection, lesson: LessonId, limit: u32) -> Result<Vec<Round>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "select id, lesson_id, asked_by, question_id, poll, opened_at, closes_at, asked_all, \
             closed_at, tally \
         from lesson_round where lesson_id = $1 order by opened_at desc, id desc limit $2",
        lesson.0,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Row::into_round).collect()
}

/// A learner is asked.
pub async fn asked(
    db: &mut Connection,
    round: RoundId,
    attendance: AttendanceId,
    check: CheckId,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into round_answer (round_id, attendance_id, check_id, state) \
         values ($1, $2, $3, 'waiting') on conflict do nothing",
        round.0,
        attendance.0,
        check.0,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What a learner answered, and where that left them; what is none stays.
pub async fn answered(
    db: &mut Connection,
    round: RoundId,
    attendance: AttendanceId,
    given: Option<&Given>,
    state: Option<AnswerState>,
) -> Result<(), Error> {
    sqlx::query!(
        "update round_answer set given = coalesce($3, given), state = coalesce($4, state) \
         where round_id = $1 and attendance_id = $2",
        round.0,
        attendance.0,
        given.map(written).transpose()?,
        state.map(AnswerState::name),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// How everybody stands who was asked.
pub async fn answers(
    db: &mut Connection,
    round: RoundId,
) -> Result<Vec<(AnswerState, Option<Given>)>, Error> {
    let rows = sqlx::query!(
        "select state, given from round_answer where round_id = $1 order by attendance_id",
        round.0,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let state = row.state.parse().map_err(unreadable)?;
            Ok((state, row.given.map(read).transpose()?))
        })
        .collect()
}

/// What one learner answered in these rounds.
pub async fn answers_of(
    db: &mut Connection,
    account: AccountId,
    rounds: &[RoundId],
) -> Result<Vec<(RoundId, AnswerState, Option<Given>)>, Error> {
    let rounds: Vec<Uuid> = rounds.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "select r.round_id, r.state, r.given \
         from round_answer r join attendance a on a.id = r.attendance_id \
         where a.account_id = $1 and r.round_id = any($2) order by r.round_id",
        account.0,
        &rounds,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let state = row.state.parse().map_err(unreadable)?;
            Ok((
                RoundId(row.round_id),
                state,
                row.given.map(read).transpose()?,
            ))
        })
        .collect()
}

/// Notes that somebody votes; false when they did before.
pub async fn voter(db: &mut Connection, round: RoundId, account: AccountId) -> Result<bool, Error> {
    let done = sqlx::query!(
        "insert into poll_voter (round_id, account_id) values ($1, $2) on conflict do nothing",
        round.0,
        account.0,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Counts a vote, without whose it is.
pub async fn vote(db: &mut Connection, round: RoundId, places: &BTreeSet<u8>) -> Result<(), Error> {
    let places: Vec<i16> = places.iter().map(|place| i16::from(*place)).collect();
    sqlx::query!(
        "with chosen as ( \
             select round_id, place from poll_count \
             where round_id = $1 and place = any($2) order by place for update) \
         update poll_count c set votes = votes + 1 from chosen \
         where c.round_id = chosen.round_id and c.place = chosen.place",
        round.0,
        &places,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// How many voted, and how often each option was chosen.
pub async fn votes(db: &mut Connection, round: RoundId) -> Result<(u32, Vec<u32>), Error> {
    let voters = sqlx::query_scalar!(
        r#"select count(*) as "count!" from poll_voter where round_id = $1"#,
        round.0,
    )
    .fetch_one(&mut *db)
    .await?;
    let votes = sqlx::query_scalar!(
        "select votes from poll_count where round_id = $1 order by place",
        round.0,
    )
    .fetch_all(db)
    .await?;
    Ok((
        count(voters),
        votes.into_iter().map(|n| count(n.into())).collect(),
    ))
}

/// Of these polls, in which this person voted.
pub async fn voted(
    db: &mut Connection,
    account: AccountId,
    rounds: &[RoundId],
) -> Result<BTreeSet<RoundId>, Error> {
    let rounds: Vec<Uuid> = rounds.iter().map(|id| id.0).collect();
    let ids = sqlx::query_scalar!(
        "select round_id from poll_voter where account_id = $1 and round_id = any($2)",
        account.0,
        &rounds,
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(RoundId).collect())
}
