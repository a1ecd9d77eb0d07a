//! What learners do with their attendance, and who may read it.

use chrono::{DateTime, Utc};

use super::act::act;
use super::case::{not_found, unknown_check};
use super::present;
use super::view::{AttendanceSummary, AttendanceView, PromptView};
use crate::domain::actor::Actor;
use crate::domain::classroom::attendance::{Attendance, AttendanceFact, Command};
use crate::domain::classroom::check::{Answer, Outcome};
use crate::domain::classroom::credit::Statement;
use crate::domain::classroom::lesson::Lesson;
use crate::domain::id::{AttendanceId, CheckId};
use crate::domain::policy::{self, Action, Resource};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::service::{Context, Error};
use crate::store::{self, Connection};

/// What a browser says of itself every five seconds; it can only reduce credit.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// The page is in the foreground.
    pub visible: bool,
    /// The lesson plays.
    pub playing: bool,
    /// The device that says so.
    pub device: String,
}

/// The answer to a heartbeat.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The server's clock.
    pub server_time: DateTime<Utc>,
    /// Result so far.
    pub credited_seconds: u64,
    /// The open prompt, for a page that missed its announcement.
    pub prompt: Option<PromptView>,
    /// The learner is known by the face here; false on the route without a camera.
    pub faces: bool,
    /// The camera that must show a face shows nothing: time does not count.
    pub dark: bool,
}

/// What came of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// How the check ended; a wrong answer with tries left is [`Outcome::PassedWrong`] so far.
    pub outcome: Outcome,
    /// Tries left.
    pub attempts_left: u32,
    /// Result so far.
    pub credited_seconds: u64,
}

/// Takes in a heartbeat of the learner's own. Refuses with `attendance.not_found`,
/// `attendance.closed`, `attendance.device_replaced` or `lesson.catching_up`.
pub async fn heartbeat(
    context: &Context,
    actor: &Actor,
    id: AttendanceId,
    heartbeat: &Heartbeat,
) -> Result<Heard, Error> {
    let now = present(context)?;
    let mut db = context.store.reader().await?;
    let stored = store::attendance::find(&mut db, id).await?;
    let stored = stored.filter(|stored| stored.attendance.account() == actor.account);
    let stored = stored.ok_or_else(not_found)?;
    let good = heartbeat.visible && heartbeat.playing;
    if !store::attendance::heard(&mut db, id, &heartbeat.device, good, now).await? {
        return Err(unheard(&stored.attendance).into());
    }
    Ok(Heard {
        server_time: now,
        credited_seconds: stored.credited_s,
        prompt: PromptView::of(&mut db, &stored.attendance, now).await?,
        faces: stored.attendance.faces_apply(),
        dark: stored.attendance.is_dark(),
    })
}

fn unheard(attendance: &Attendance) -> Refusal {
    match attendance.revealed_seed() {
        Some(_) => Refusal::new(
            RefusalKind::Conflict,
            "attendance.closed",
            "这次学习记录已经结束。",
            "This attendance is closed.",
        ),
        None => Refusal::new(
            RefusalKind::Conflict,
            "attendance.device_replaced",
            "您已在另一台设备上进入课堂，本设备不再计时。",
            "You entered on another device; this one no longer counts.",
        ),
    }
}

/// Answers a check. Late answers are kept as late and tell how the check ended.
/// Refuses with `check.unknown`, `check.answered`, `check.nonce`, `answer.kind`, `answer.keys`,
/// `answer.number`, `answer.text` or `lesson.catching_up`.
pub async fn answer(
    context: &Context,
    actor: &Actor,
    check: CheckId,
    nonce: &str,
    answer: &Answer,
) -> Result<Answered, Error> {
    let now = present(context)?;
    let mut db = context.store.reader().await?;
    let (id, question) = store::attendance::of_check(&mut db, check)
        .await?
        .ok_or_else(unknown_check)?;
    let question = match question {
        Some(question) => store::question::find(&mut db, question).await?,
        None => None,
    };
    drop(db);
    let command = Command::Answer {
        by: actor.account,
        check,
        nonce,
        answer,
        question: question.as_ref(),
    };
    let mut acted = act(context, id, now, &command)
        .await?
        .ok_or_else(unknown_check)?;
    let late = |fact: &AttendanceFact| matches!(fact, AttendanceFact::AnsweredLate { .. });
    if acted.facts.iter().any(late) {
        acted = act(context, id, now, &Command::Due)
            .await?
            .ok_or_else(unknown_check)?;
    }
    let known = acted
        .attendance
        .checks()
        .iter()
        .find(|known| known.id == check);
    let known = known.ok_or_else(unknown_check)?;
    Ok(Answered {
        outcome: known.outcome().unwrap_or(Outcome::PassedWrong),
        attempts_left: if known.is_open() {
            known.attempts_left()
        } else {
            0
        },
        credited_seconds: acted.credited_s,
    })
}

/// One page of the actor's own attendances, newest first; how many, and what they earned.
pub async fn mine(
    context: &Context,
    actor: &Actor,
    limit: u32,
    offset: u64,
) -> Result<(Vec<AttendanceSummary>, u64, u64), Error> {
    let mut db = context.store.reader().await?;
    let (ids, total, credited_s) =
        store::attendance::of_account(&mut db, actor.account, limit, offset).await?;
    let mut page = Vec::with_capacity(ids.len());
    for id in ids {
        let (attendance, lesson, statement) = stated(context, &mut db, id).await?;
        page.push(AttendanceSummary::of(&attendance, &lesson, &statement));
    }
    Ok((page, total, credited_s))
}

/// An attendance, to its learner and to those who run the lesson.
/// Refuses with `attendance.not_found`.
pub async fn attendance(
    context: &Context,
    actor: &Actor,
    id: AttendanceId,
) -> Result<AttendanceView, Error> {
    let mut db = context.store.reader().await?;
    let (attendance, lesson, statement) = stated(context, &mut db, id).await?;
    if attendance.account() != actor.account {
        let unit = store::unit::find(&mut db, lesson.unit())
            .await?
            .ok_or_else(not_found)?;
        let (teacher, enrolled) = (lesson.teacher(), false);
        let resource = Resource::Lesson {
            unit: &unit.path,
            teacher,
            enrolled,
        };
        policy::allow(actor, Action::RunLesson, resource).map_err(|_| not_found())?;
    }
    shown(&mut db, (attendance, lesson, statement)).await
}

/// An attendance as people see it, to whoever was let through.
pub(in crate::service) async fn view(
    context: &Context,
    db: &mut Connection,
    id: AttendanceId,
) -> Result<AttendanceView, Error> {
    let stated = stated(context, db, id).await?;
    shown(db, stated).await
}

async fn shown(
    db: &mut Connection,
    (attendance, lesson, statement): (Attendance, Lesson, Statement),
) -> Result<AttendanceView, Error> {
    let redress = store::redress::find(db, attendance.id()).await?;
    let redress = redress.as_ref();
    Ok(AttendanceView::of(&attendance, &lesson, statement, redress))
}

pub(super) async fn stated(
    context: &Context,
    db: &mut Connection,
    id: AttendanceId,
) -> Result<(Attendance, Lesson, Statement), Error> {
    let stored = store::attendance::find(db, id)
        .await?
        .ok_or_else(not_found)?;
    let attendance = stored.attendance;
    let lesson = store::lesson::find(db, attendance.lesson())
        .await?
        .ok_or_else(not_found)?;
    let (elsewhere, today_s) = store::attendance::earned_before(db, &attendance).await?;
    let statement = attendance.statement(&lesson, &elsewhere, today_s, context.now());
    let adjusted_s = store::redress::adjusted_s(db, id).await?;
    Ok((attendance, lesson, statement.adjusted(adjusted_s)))
}
