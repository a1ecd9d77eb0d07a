//! Time: what is due now, and what a restart finds half done.

use chrono::{DateTime, TimeDelta, Utc};

use super::act::{act, act_on_lesson, board_row};
use super::redress::escalate;
use super::{chat, rounds};
use crate::domain::classroom::attendance::Command;
use crate::domain::classroom::lesson::LessonCommand;
use crate::domain::id::{AttendanceId, LessonId};
use crate::service::{Context, Error, outbox};
use crate::store;

/// Attendances looked at in one go.
const BATCH: u32 = 200;
/// Goes of one call; what is left is due at once.
const BATCHES_MAX: usize = 20;

/// Answers of an open round are counted this often.
const COUNT_EVERY: TimeDelta = TimeDelta::milliseconds(500);

/// Does everything that is due: asks checks, closes prompts, notes absences, ends overrun lessons,
/// counts rounds, sends rows of the board and messages that waited. Returns when to call again at
/// the latest; a change in between may be due earlier, so the shell's loop sleeps at most one
/// second.
///
/// One attendance that fails does not hold up others: the first failure is returned at the end.
pub async fn run_due(context: &Context) -> Result<Option<DateTime<Utc>>, Error> {
    let now = context.now();
    let mut failed = None;
    end_overrun_lessons(context, now, &mut failed).await?;
    for _ in 0..BATCHES_MAX {
        let mut db = context.store.reader().await?;
        let due = store::attendance::due(&mut db, now, BATCH).await?;
        drop(db);
        for id in &due {
            if let Err(error) = act(context, *id, now, &Command::Due).await {
                failed.get_or_insert(error);
            }
        }
        if due.len() < BATCH as usize || failed.is_some() {
            break;
        }
    }
    send_board(context, now).await?;
    escalate(context).await?;
    let counting = rounds::look_after(context, now, &mut failed).await?;
    chat::look_after(context, now).await?;
    match failed {
        Some(error) => Err(error),
        None => {
            let mut db = context.store.reader().await?;
            let next = store::attendance::next_wake(&mut db).await?;
            let count = counting.then_some(now + COUNT_EVERY);
            Ok(next.into_iter().chain(count).min())
        }
    }
}

async fn end_overrun_lessons(
    context: &Context,
    now: DateTime<Utc>,
    failed: &mut Option<Error>,
) -> Result<(), Error> {
    let mut db = context.store.reader().await?;
    let due = store::lesson::due(&mut db, now, BATCH).await?;
    drop(db);
    for id in due {
        if let Err(error) = act_on_lesson(context, id, None, now, &LessonCommand::Due).await {
            failed.get_or_insert(error);
        }
    }
    Ok(())
}

async fn send_board(context: &Context, now: DateTime<Utc>) -> Result<(), Error> {
    let mut transaction = context.store.begin().await?;
    let due = store::attendance::take_board_due(&mut transaction, now, BATCH).await?;
    if due.is_empty() {
        return Ok(());
    }
    for id in due {
        if let Some(stored) = store::attendance::find(&mut transaction, id).await? {
            let (lesson, account) = (stored.attendance.lesson(), stored.attendance.account());
            let told = board_row(&mut transaction, lesson, account, now).await?;
            outbox::announce(context, &mut transaction, &told).await?;
        }
    }
    outbox::commit(context, transaction).await
}

/// Once after the database was away since `since`, when everything seen meanwhile is taken in:
/// answers could not be, so open prompts end as interrupted, and running lessons keep the outage
/// as a fact. Returns how many prompts.
pub async fn caught_up(context: &Context, since: DateTime<Utc>) -> Result<usize, Error> {
    let now = context.now();
    let mut interrupted = 0;
    for lesson in unfinished_lessons(context).await? {
        act_on_lesson(
            context,
            lesson,
            None,
            now,
            &LessonCommand::DatabaseReturned { since },
        )
        .await?;
        for id in unfinished(context, lesson).await? {
            let acted = act(context, id, now, &Command::DatabaseReturned { since }).await?;
            interrupted += usize::from(acted.is_some_and(|acted| !acted.facts.is_empty()));
        }
    }
    Ok(interrupted)
}

/// Once at start, before rooms open: closes runs of life at their last sign, ends open checks as
/// interrupted, and makes running lessons wait for their teachers. Returns how many attendances.
pub async fn recover(context: &Context) -> Result<usize, Error> {
    let now = context.now();
    let mut count = 0;
    for lesson in unfinished_lessons(context).await? {
        for id in unfinished(context, lesson).await? {
            act(context, id, now, &Command::Recover).await?;
            count += 1;
        }
        act_on_lesson(context, lesson, None, now, &LessonCommand::TeacherLost).await?;
    }
    Ok(count)
}

/// Lessons that run, and those that ended with attendances still open.
async fn unfinished_lessons(context: &Context) -> Result<Vec<LessonId>, Error> {
    let mut db = context.store.reader().await?;
    let mut lessons = store::lesson::running(&mut db).await?;
    lessons.extend(store::lesson::ended_unfinished(&mut db).await?);
    Ok(lessons)
}

async fn unfinished(context: &Context, lesson: LessonId) -> Result<Vec<AttendanceId>, Error> {
    let mut db = context.store.reader().await?;
    store::attendance::unfinished(&mut db, lesson).await
}
