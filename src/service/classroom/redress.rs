//! Appeals and adjustments in use. Whoever decides is an officer in charge without a hand in the
//! matter; what follows is computed anew, and the earlier results stay in the ledger.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::act::{act_within, announcement, restate};
use super::case::{Case, not_found};
use super::present;
use super::view::{LessonShort, StretchView};
use crate::domain::actor::Actor;
use crate::domain::announcement::Audience;
use crate::domain::classroom::attendance::{Command, Phase};
use crate::domain::classroom::check::{Check, Ruling};
use crate::domain::classroom::credit::{Stretch, Verdict};
use crate::domain::classroom::redress::{
    Adjustment, Appeal, AppealEnd, Decider, Redress, RedressCommand, RedressFact,
};
use crate::domain::classroom::span::Span;
use crate::domain::id::{AccountId, AdjustmentId, AppealId, AttendanceId, CheckId};
use crate::domain::policy::OFFICERS;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::service::{Context, Error, ledger, outbox};
use crate::store::{self, Connection};

/// Overdue appeals that one look escalates.
const BATCH: u32 = 100;

/// A fact with the attendance it is about.
#[derive(Serialize)]
struct Recorded {
    attendance: AttendanceId,
    #[serde(flatten)]
    fact: RedressFact,
}

/// An appeal as people see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AppealView {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: AppealId,
    /// Against what.
    pub stretch: StretchView,
    /// In the learner's words.
    pub text: String,
    /// When.
    pub filed_at: DateTime<Utc>,
    /// To be decided by then.
    pub due_at: DateTime<Utc>,
    /// Nobody had by then.
    pub overdue: bool,
    /// `open`, `withdrawn`, `upheld` or `dismissed`.
    pub state: &'static str,
    /// Why it was decided so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
}

/// An adjustment as people see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AdjustmentView {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: AdjustmentId,
    /// Of which appeal it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub appeal_id: Option<AppealId>,
    /// Negative takes.
    pub seconds: i64,
    /// Why.
    pub reason: String,
    /// Who proposed it.
    #[schema(value_type = Uuid)]
    pub proposed_by: AccountId,
    /// When.
    pub proposed_at: DateTime<Utc>,
    /// `waiting`, `approved` or `refused`.
    pub state: &'static str,
}

/// What waits for a decision about one attendance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RedressView {
    /// Which.
    #[schema(value_type = Uuid)]
    pub attendance_id: AttendanceId,
    /// Name of the learner.
    pub name: String,
    /// Name of the learner's unit.
    pub unit_name: String,
    /// Of which lesson.
    pub lesson: LessonShort,
    /// Somebody else must decide.
    pub not_yours: bool,
    /// All appeals.
    pub appeals: Vec<AppealView>,
    /// All adjustments.
    pub adjustments: Vec<AdjustmentView>,
}

/// One page of what waits, and how decisions went so far.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Longest waiting first.
    pub items: Vec<RedressView>,
    /// On all pages.
    pub total: u64,
    /// Appeals decided.
    pub decided: u64,
    /// Those of them that found the learner right.
    pub upheld: u64,
}

impl AppealView {
    fn of(appeal: &Appeal) -> Self {
        let (state, reason, ended_at) = match &appeal.end {
            None => ("open", None, None),
            Some(AppealEnd::Withdrawn { at }) => ("withdrawn", None, Some(*at)),
            Some(AppealEnd::Decided {
                upheld, reason, at, ..
            }) => {
                let state = if *upheld { "upheld" } else { "dismissed" };
                (state, Some(reason.clone()), Some(*at))
            }
        };
        Self {
            id: appeal.id,
            stretch: StretchView::of(&appeal.stretch),
            text: appeal.text.clone(),
            filed_at: appeal.filed_at,
            due_at: appeal.due_at,
            overdue: appeal.escalated_at.is_some(),
            state,
            reason,
            ended_at,
        }
    }
}

impl AdjustmentView {
    fn of(adjustment: &Adjustment) -> Self {
        Self {
            id: adjustment.id,
            appeal_id: adjustment.appeal,
            seconds: adjustment.seconds,
            reason: adjustment.reason.clone(),
            proposed_by: adjustment.by,
            proposed_at: adjustment.at,
            state: match adjustment.decision {
                None => "waiting",
                Some(word) if word.approved => "approved",
                Some(_) => "refused",
            },
        }
    }
}

/// What was said about an attendance, as people see it.
pub(super) fn views(redress: Option<&Redress>) -> (Vec<AppealView>, Vec<AdjustmentView>) {
    let appeals = redress.map_or(&[][..], Redress::appeals).iter();
    let adjustments = redress.map_or(&[][..], Redress::adjustments).iter();
    (
        appeals.map(AppealView::of).collect(),
        adjustments.map(AdjustmentView::of).collect(),
    )
}

/// Appeals against a withheld stretch of one's own. Refuses with `attendance.not_found`,
/// `appeal.not_withheld`, `appeal.late`, `appeal.already`, `appeal.text` or `appeal.too_many`.
pub async fn appeal(
    context: &Context,
    actor: &Actor,
    id: AttendanceId,
    span: Span,
    text: &str,
) -> Result<(), Error> {
    let now = present(context)?;
    let mut db = context.store.reader().await?;
    let (attendance, _, statement) = super::attendances::stated(context, &mut db, id).await?;
    drop(db);
    if attendance.account() != actor.account {
        return Err(not_found().into());
    }
    let known = statement.stretches.iter();
    let stretch = known.filter(|stretch| stretch.verdict == Verdict::Withheld);
    let mut stretch = stretch.filter(|stretch| stretch.span == span);
    let stretch = *stretch.next().ok_or_else(|| no_stretch(span))?;
    let closed_at = match attendance.phase() {
        Phase::Closed { at } => Some(at),
        Phase::Open | Phase::Closing { .. } => None,
    };
    let command = RedressCommand::Appeal {
        by: actor.account,
        stretch,
        text,
        closed_at,
    };
    decide(context, id, now, &command).await?;
    Ok(())
}

/// Takes an appeal of one's own back. Refuses with `appeal.unknown` or `appeal.ended`.
pub async fn withdraw(
    context: &Context,
    actor: &Actor,
    id: AttendanceId,
    appeal: AppealId,
) -> Result<(), Error> {
    let by = actor.account;
    let command = RedressCommand::Withdraw { by, appeal };
    decide(context, id, present(context)?, &command).await?;
    Ok(())
}

/// Decides about an appeal. Where checks explain the withheld stretch, their outcomes are
/// overturned; elsewhere an adjustment is proposed, which a second person must approve.
/// Refuses with `attendance.not_found`, `appeal.unknown`, `appeal.ended`, `appeal.own` or
/// `appeal.reason`.
pub async fn decide_appeal(
    context: &Context,
    actor: &Actor,
    id: AttendanceId,
    appeal: AppealId,
    (upheld, reason): (bool, &str),
) -> Result<(), Error> {
    let now = present(context)?;
    let mut db = context.store.reader().await?;
    let case = Case::in_charge(&mut db, actor, id).await?;
    let redress = store::redress::find(&mut db, id).await?;
    drop(db);
    let known = redress.iter().flat_map(Redress::appeals);
    let stretch = known.clone().find(|known| known.id == appeal);
    let stretch = stretch.map(|known| known.stretch);
    let failed = stretch.map_or_else(Vec::new, |stretch| failed_in(&case, &stretch));
    let command = RedressCommand::Decide {
        by: decider(&case, actor, &failed),
        appeal,
        upheld,
        reason,
        by_checks: !failed.is_empty(),
    };
    let mut transaction = context.store.begin().await?;
    decide_within(context, &mut transaction, id, now, &command).await?;
    for check in failed.into_iter().filter(|_| upheld) {
        let (by, ruling) = (actor.account, Ruling::Overturned);
        let command = Command::Rule { by, check, ruling };
        act_within(context, &mut transaction, id, now, &command, None).await?;
    }
    outbox::commit(context, transaction).await
}

/// Proposes to add seconds to an attendance, or to take some. Refuses with
/// `attendance.not_found`, `appeal.own`, `adjustment.seconds`, `adjustment.reason` or
/// `adjustment.too_many`.
pub async fn propose(
    context: &Context,
    actor: &Actor,
    id: AttendanceId,
    (seconds, reason): (i64, &str),
) -> Result<(), Error> {
    let now = present(context)?;
    let mut db = context.store.reader().await?;
    let case = Case::in_charge(&mut db, actor, id).await?;
    drop(db);
    let command = RedressCommand::Propose {
        by: decider(&case, actor, &[]),
        seconds,
        reason,
    };
    decide(context, id, now, &command).await?;
    Ok(())
}

/// Says yes or no to an adjustment as the second person. Refuses with `attendance.not_found`,
/// `adjustment.unknown`, `adjustment.ended`, `adjustment.same_person` or `appeal.own`.
pub async fn second(
    context: &Context,
    actor: &Actor,
    id: AttendanceId,
    (adjustment, approved): (AdjustmentId, bool),
) -> Result<(), Error> {
    let now = present(context)?;
    let mut db = context.store.reader().await?;
    let case = Case::in_charge(&mut db, actor, id).await?;
    drop(db);
    let command = RedressCommand::Second {
        by: decider(&case, actor, &[]),
        adjustment,
        approved,
    };
    decide(context, id, now, &command).await
}

/// One page of attendances below the actor's units with something to decide.
pub async fn waiting(
    context: &Context,
    actor: &Actor,
    limit: u32,
    offset: u64,
) -> Result<Waiting, Error> {
    let mut db = context.store.reader().await?;
    let scopes = actor.scopes(OFFICERS);
    let (found, total) = store::redress::waiting(&mut db, &scopes, limit, offset).await?;
    let (decided, upheld) = store::redress::reversals(&mut db, &scopes).await?;
    let mut items = Vec::with_capacity(found.len());
    for redress in found {
        if let Some(case) = Case::find(&mut db, redress.attendance()).await? {
            items.push(view(&case, actor, &redress));
        }
    }
    Ok(Waiting {
        items,
        total,
        decided,
        upheld,
    })
}

/// Escalates what is overdue; returns how many attendances.
pub async fn escalate(context: &Context) -> Result<usize, Error> {
    let now = context.now();
    let mut db = context.store.reader().await?;
    let due = store::redress::due(&mut db, now, BATCH).await?;
    drop(db);
    for id in &due {
        decide(context, *id, now, &RedressCommand::Due).await?;
    }
    Ok(due.len())
}

async fn decide(
    context: &Context,
    id: AttendanceId,
    now: DateTime<Utc>,
    command: &RedressCommand<'_>,
) -> Result<(), Error> {
    let mut transaction = context.store.begin().await?;
    decide_within(context, &mut transaction, id, now, command).await?;
    outbox::commit(context, transaction).await
}

/// Decides, and writes state, facts and the credit that follows.
async fn decide_within(
    context: &Context,
    db: &mut Connection,
    id: AttendanceId,
    now: DateTime<Utc>,
    command: &RedressCommand<'_>,
) -> Result<(), Error> {
    let stored = store::attendance::lock(db, id).await?;
    let stored = stored.ok_or_else(not_found)?;
    let (lesson, learner) = (stored.attendance.lesson(), stored.attendance.account());
    let redress = store::redress::find(db, id).await?;
    let mut redress = redress.unwrap_or_else(|| Redress::none(id, learner));
    let before = redress.adjusted_s();
    let figures = stored.attendance.policy().figures();
    let happened = redress.decide(command, figures, now, &*context.entropy)?;
    if happened.is_empty() {
        return Ok(());
    }
    happened.iter().for_each(|one| redress.apply(one));
    store::redress::save(db, &redress).await?;
    if redress.adjusted_s() != before {
        restate(context, db, &stored, now).await?;
    }
    let told = announcement(
        Audience::Account(learner),
        "redress_changed",
        &Changed { attendance_id: id },
    )?;
    outbox::announce(context, db, &[told]).await?;
    let recorded: Vec<Recorded> = happened
        .into_iter()
        .map(|one| Recorded {
            attendance: id,
            fact: one.fact,
        })
        .collect();
    let kind = super::LESSON_STREAM_KIND;
    let stream = ledger::open(context, db, kind, lesson.0).await?;
    ledger::append_at(db, stream, now, &recorded).await
}

/// What `redress_changed` carries.
#[derive(Serialize)]
struct Changed {
    attendance_id: AttendanceId,
}

fn decider(case: &Case, actor: &Actor, checks: &[CheckId]) -> Decider {
    let asked = checks.iter().any(|check| case.asked_by(actor, *check));
    Decider {
        account: actor.account,
        has_a_hand: case.lesson.teacher() == actor.account || asked,
    }
}

/// Failed checks that nobody decided about, in whose stretch this one lies.
fn failed_in(case: &Case, stretch: &Stretch) -> Vec<CheckId> {
    let failed = |check: &&Check| {
        let at = check.ended.map(|ended| ended.at);
        let inside = at.is_some_and(|at| stretch.span.from < at && at <= stretch.span.to);
        let failed = check.outcome().is_some_and(|outcome| outcome.is_failure());
        inside && failed && check.ruling.is_none()
    };
    let checks = case.attendance.checks().iter().filter(failed);
    checks.map(|check| check.id).collect()
}

fn view(case: &Case, actor: &Actor, redress: &Redress) -> RedressView {
    let (appeals, adjustments) = views(Some(redress));
    RedressView {
        attendance_id: case.attendance.id(),
        name: case.person.name.clone(),
        unit_name: case.person.unit.name.clone(),
        lesson: case.lesson_short(),
        not_yours: case.is_of(actor),
        appeals,
        adjustments,
    }
}

fn no_stretch(span: Span) -> Refusal {
    let (from, to) = (span.from, span.to);
    Refusal {
        kind: RefusalKind::Conflict,
        code: "appeal.not_withheld",
        zh: "这段时间没有被扣，或者刚刚发生了变化，请刷新后再看。".to_owned(),
        en: format!("The time from {from} to {to} is not withheld, or has just changed."),
    }
}
