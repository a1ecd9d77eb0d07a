//! The hours of a month, for the learner and for the desk, and what units require.
//!
//! Everything that one answer says was read at one moment.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::attendances::stated;
use crate::domain::actor::Actor;
use crate::domain::audit::AuditFact;
use crate::domain::classroom::attendance::{Attendance, Phase};
use crate::domain::classroom::check::{Check, Outcome};
use crate::domain::classroom::credit::Statement;
use crate::domain::classroom::hours::{
    Forecast, Month, REQUIRED_S_STANDARD, Requirement, contested_s, in_force, standing,
};
use crate::domain::classroom::redress::{Adjustment, Redress};
use crate::domain::classroom::span::Span;
use crate::domain::id::{AccountId, AttendanceId, LessonId, UnitId};
use crate::domain::policy::{self, Action, OFFICERS, Resource};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::service::{Context, Error, audit, units, webhooks};
use crate::store::attendance::Stored;
use crate::store::hours::{Attended, Learner};
use crate::store::{self, Connection};

/// Learners of one answer at most; beyond, a unit below has to be chosen.
pub const LEARNERS_MAX: usize = 5_000;
/// Lessons of one ledger at most; beyond, a unit below has to be chosen.
pub const ROWS_MAX: usize = 20_000;

/// The hours of one person in one month.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HoursView {
    /// Which month, such as `2026-11`, at Beijing time.
    pub month: String,
    /// To be done.
    pub required_seconds: u64,
    /// Version of the requirement at the unit that issued it; 0 where none did.
    pub requirement_version: u32,
    /// Done, with what people added.
    pub credited_seconds: u64,
    /// Withheld, and still to be decided by people; not among the credited ones.
    pub contested_seconds: u64,
    /// In lessons still to come.
    pub planned_seconds: u64,
    /// Required beyond what is done.
    pub missing_seconds: u64,
    /// Required beyond what is done and planned.
    pub short_seconds: u64,
    /// `reached`, `on_track`, `behind` or `short`.
    #[schema(value_type = String)]
    pub forecast: Forecast,
}

/// A learner with the hours of a month.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LearnerHours {
    /// Who.
    #[schema(value_type = Uuid)]
    pub account_id: AccountId,
    /// Name.
    pub name: String,
    /// Name of the unit.
    pub unit_name: String,
    /// The figures.
    #[serde(flatten)]
    pub hours: HoursView,
}

/// Seconds that people added to a lesson, or took.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AdjustmentLine {
    /// Negative takes.
    pub seconds: i64,
    /// Name of who proposed it.
    pub proposed_by: String,
    /// Name of who agreed.
    pub approved_by: String,
}

/// One lesson of one learner in the ledger of hours.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LedgerLine {
    /// The attendance.
    #[schema(value_type = Uuid)]
    pub attendance_id: AttendanceId,
    /// Name of the learner.
    pub name: String,
    /// Name of the learner's unit.
    pub unit_name: String,
    /// Title of the lesson.
    pub lesson: String,
    /// When the learner entered.
    pub entered_at: DateTime<Utc>,
    /// Nothing more can happen by itself.
    pub closed: bool,
    /// Counted, with what people added.
    pub credited_seconds: u64,
    /// Not counted.
    pub withheld_seconds: u64,
    /// Of that, still to be decided by people.
    pub contested_seconds: u64,
    /// Version of the rule.
    pub rule_version: u32,
    /// What two people agreed on.
    pub adjustments: Vec<AdjustmentLine>,
}

/// What a unit requires, and everything it has issued.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RequirementView {
    /// The unit that issued it.
    #[schema(value_type = Uuid)]
    pub unit_id: UnitId,
    /// Counts up with everything that this unit issues.
    pub version: u32,
    /// The first month it is for.
    pub month: String,
    /// Seconds a month.
    pub required_seconds: u32,
}

/// The actor's own hours of a month; of the present one when none is named. Refuses with
/// `hours.month`.
pub async fn mine(
    context: &Context,
    actor: &Actor,
    month: Option<&str>,
) -> Result<HoursView, Error> {
    let now = context.now();
    let month = month_of(month, now)?;
    let mut db = context.store.begin_snapshot().await?;
    let found = store::hours::learners(&mut db, &[], Some(actor.account), 1).await?;
    let views = stand(context, &mut db, found, month, now).await?;
    let own = views.into_iter().next();
    Ok(own.ok_or_else(policy::forbidden)?.hours)
}

/// The hours of the learners below a unit (or below all of the actor's), who lacks most first.
/// Refuses with `unit.not_found`, `auth.forbidden`, `hours.month` or `hours.too_many`.
pub async fn list(
    context: &Context,
    actor: &Actor,
    (unit, month): (Option<UnitId>, Option<&str>),
) -> Result<Vec<LearnerHours>, Error> {
    let now = context.now();
    let month = month_of(month, now)?;
    let mut db = context.store.begin_snapshot().await?;
    let found = learners(&mut db, actor, unit).await?;
    let mut views = stand(context, &mut db, found, month, now).await?;
    let lacks = |view: &LearnerHours| (view.hours.short_seconds, view.hours.missing_seconds);
    // Sorting is stable, so those alike stay in the order of their names.
    views.sort_by_key(|view| std::cmp::Reverse(lacks(view)));
    Ok(views)
}

/// Every lesson of a month of the learners below a unit, by learner and time. Refuses as
/// [`list`] does.
pub async fn ledger(
    context: &Context,
    actor: &Actor,
    (unit, month): (Option<UnitId>, Option<&str>),
) -> Result<Vec<LedgerLine>, Error> {
    let month = month_of(month, context.now())?;
    let mut db = context.store.begin_snapshot().await?;
    let found = learners(&mut db, actor, unit).await?;
    let accounts: Vec<AccountId> = found.iter().map(|one| one.account).collect();
    let attended = store::hours::attended(&mut db, &accounts, month.span()).await?;
    if attended.len() > ROWS_MAX {
        return Err(too_many().into());
    }
    let names = deciders(&mut db, &attended).await?;
    let mut by_account: BTreeMap<AccountId, Vec<Attended>> = BTreeMap::new();
    for one in attended {
        by_account.entry(one.account).or_default().push(one);
    }
    let mut lines = Vec::new();
    for learner in found {
        for one in by_account.remove(&learner.account).unwrap_or_default() {
            let contested = contested(context, &mut db, &one).await?;
            lines.push(line(&learner, one, contested, &names));
        }
    }
    Ok(lines)
}

/// Notes that the hours were taken out as a file.
pub async fn exported(
    context: &Context,
    actor: &Actor,
    unit: UnitId,
    (month, rows): (&str, usize),
) -> Result<(), Error> {
    let fact = AuditFact::HoursExported {
        by: actor.account,
        unit,
        month: month.to_owned(),
        rows: u32::try_from(rows).unwrap_or(u32::MAX),
    };
    let mut transaction = context.store.begin().await?;
    audit::record(context, &mut transaction, fact).await?;
    transaction.commit().await
}

/// Everything that a unit and those above it have issued. Refuses with `unit.not_found`.
pub async fn requirements(
    context: &Context,
    actor: &Actor,
    unit: UnitId,
) -> Result<Vec<RequirementView>, Error> {
    let mut db = context.store.reader().await?;
    let unit = units::visible(&mut db, actor, unit).await?;
    let issued = store::hours::issued(&mut db, unit.path.ids()).await?;
    Ok(issued.iter().map(RequirementView::of).collect())
}

/// Requires other hours of a unit's learners from a month on. Refuses with `unit.not_found`,
/// `auth.forbidden`, `hours.month`, `hours.required` or `hours.past`.
pub async fn require(
    context: &Context,
    actor: &Actor,
    unit: UnitId,
    (month, required_s): (&str, u32),
) -> Result<RequirementView, Error> {
    let now = context.now();
    let month = Month::parse(month)?;
    let mut transaction = context.store.begin().await?;
    let unit = units::visible(&mut transaction, actor, unit).await?;
    policy::allow(actor, Action::ManageUnit, Resource::Unit(&unit.path))?;
    let versions = store::hours::lock(&mut transaction, unit.id).await?;
    let next = Requirement::next(unit.id, versions, (month, required_s), now)?;
    store::hours::issue(&mut transaction, &next, actor.account, now).await?;
    let fact = AuditFact::HoursRequired {
        by: actor.account,
        unit: unit.id,
        version: next.version,
        month: month.to_string(),
        seconds: required_s,
    };
    audit::record(context, &mut transaction, fact).await?;
    transaction.commit().await?;
    Ok(RequirementView::of(&next))
}

impl RequirementView {
    fn of(requirement: &Requirement) -> Self {
        Self {
            unit_id: requirement.unit,
            version: requirement.version,
            month: requirement.from.to_string(),
            required_seconds: requirement.required_s,
        }
    }
}

/// What other programs are told of an attendance: ids and figures, no names.
#[derive(Serialize)]
struct Earned {
    attendance: EarnedFigures,
}

#[derive(Serialize)]
struct EarnedFigures {
    id: AttendanceId,
    lesson_id: LessonId,
    account_id: AccountId,
    credited_seconds: u64,
    withheld_seconds: u64,
    adjusted_seconds: i64,
    rule_version: u32,
}

/// Tells other programs when an attendance closes, and when what a closed one earns becomes
/// another; in the transaction that makes it so.
pub(super) async fn tell_others(
    context: &Context,
    db: &mut Connection,
    before: &Stored,
    (attendance, statement): (&Attendance, &Statement),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let is_closed = |one: &Attendance| matches!(one.phase(), Phase::Closed { .. });
    let known = (before.credited_s, before.withheld_s);
    let event = match (is_closed(&before.attendance), is_closed(attendance)) {
        (false, true) => "attendance_closed",
        (true, true) if known != (statement.credited_s, statement.withheld_s) => "credit_changed",
        (_, true | false) => return Ok(()),
    };
    let earned = Earned {
        attendance: EarnedFigures {
            id: attendance.id(),
            lesson_id: attendance.lesson(),
            account_id: attendance.account(),
            credited_seconds: statement.credited_s,
            withheld_seconds: statement.withheld_s,
            adjusted_seconds: statement.adjusted_s,
            rule_version: statement.rule_version,
        },
    };
    webhooks::tell(context, db, (event, &earned), now).await
}

fn month_of(named: Option<&str>, now: DateTime<Utc>) -> Result<Month, Refusal> {
    named.map_or_else(|| Ok(Month::of(now)), Month::parse)
}

async fn learners(
    db: &mut Connection,
    actor: &Actor,
    unit: Option<UnitId>,
) -> Result<Vec<Learner>, Error> {
    let below = match unit {
        None => actor.scopes(OFFICERS),
        Some(id) => {
            let unit = units::visible(db, actor, id).await?;
            policy::allow(actor, Action::ManagePeople, Resource::Unit(&unit.path))?;
            vec![unit.id]
        }
    };
    let limit = u32::try_from(LEARNERS_MAX + 1).unwrap_or(u32::MAX);
    let found = store::hours::learners(db, &below, None, limit).await?;
    match found.len() > LEARNERS_MAX {
        true => Err(too_many().into()),
        false => Ok(found),
    }
}

async fn stand(
    context: &Context,
    db: &mut Connection,
    learners: Vec<Learner>,
    month: Month,
    now: DateTime<Utc>,
) -> Result<Vec<LearnerHours>, Error> {
    let accounts: Vec<AccountId> = learners.iter().map(|one| one.account).collect();
    let mut units: Vec<UnitId> = learners
        .iter()
        .flat_map(|one| one.unit_path.ids().iter().copied())
        .collect();
    units.sort_unstable();
    units.dedup();
    let issued = store::hours::issued(db, &units).await?;
    let planned = store::hours::planned(db, &accounts, month.span()).await?;
    let mut done: BTreeMap<AccountId, (u64, u64)> = BTreeMap::new();
    for one in store::hours::attended(db, &accounts, month.span()).await? {
        let contested_s = contested(context, db, &one).await?;
        let sums = done.entry(one.account).or_default();
        *sums = (sums.0 + one.credited_s, sums.1 + contested_s);
    }
    let views = learners.into_iter().map(|learner| {
        let required = in_force(&issued, &learner.unit_path, month);
        let done = done.get(&learner.account).copied().unwrap_or_default();
        let planned = planned.get(&learner.account).map_or(&[][..], Vec::as_slice);
        let hours = view(required, done, planned, (month, now));
        LearnerHours {
            account_id: learner.account,
            name: learner.name,
            unit_name: learner.unit_name,
            hours,
        }
    });
    Ok(views.collect())
}

fn view(
    required: Option<&Requirement>,
    done: (u64, u64),
    planned: &[Span],
    (month, now): (Month, DateTime<Utc>),
) -> HoursView {
    let required_s = required.map_or(REQUIRED_S_STANDARD, |one| one.required_s);
    let stands = standing(required_s, done, planned, month, now);
    HoursView {
        month: month.to_string(),
        required_seconds: stands.required_s,
        requirement_version: required.map_or(0, |one| one.version),
        credited_seconds: stands.credited_s,
        contested_seconds: stands.contested_s,
        planned_seconds: stands.planned_s,
        missing_seconds: stands.missing_s,
        short_seconds: stands.short_s,
        forecast: stands.forecast,
    }
}

/// What people have still to decide about an attendance; its timeline is computed only where a
/// reviewer is awaited.
async fn contested(
    context: &Context,
    db: &mut Connection,
    attended: &Attended,
) -> Result<u64, Error> {
    let redress = attended.redress.as_ref();
    if !attended.awaits_ruling {
        return Ok(contested_s(redress, &[], &[]));
    }
    let (attendance, _, statement) = stated(context, db, attended.attendance).await?;
    let failed = |check: &&Check| check.outcome().is_some_and(Outcome::is_failure);
    let waiting = attendance.waiting_checks().filter(failed);
    let waiting: Vec<_> = waiting
        .filter_map(|check| check.ended.map(|ended| ended.at))
        .collect();
    Ok(contested_s(redress, &statement.stretches, &waiting))
}

type Names = BTreeMap<uuid::Uuid, String>;

/// Names of those who adjusted anything.
async fn deciders(db: &mut Connection, attended: &[Attended]) -> Result<Names, Error> {
    let redresses = attended.iter().filter_map(|one| one.redress.as_ref());
    let both = redresses.flat_map(agreed).flat_map(|(one, second)| {
        let ids = [one.by, second];
        ids.map(|account| account.0)
    });
    let mut ids: Vec<_> = both.collect();
    ids.sort_unstable();
    ids.dedup();
    store::names::of(db, &ids).await
}

/// Adjustments that two people agreed on, with the second of them.
fn agreed(redress: &Redress) -> impl Iterator<Item = (&Adjustment, AccountId)> {
    redress.adjustments().iter().filter_map(|one| {
        let word = one.decision.filter(|word| word.approved)?;
        Some((one, word.by))
    })
}

fn line(learner: &Learner, attended: Attended, contested_s: u64, names: &Names) -> LedgerLine {
    let name = |account: AccountId| names.get(&account.0).cloned().unwrap_or_default();
    let adjustments = attended.redress.iter().flat_map(agreed);
    let adjustments = adjustments.map(|(one, second)| AdjustmentLine {
        seconds: one.seconds,
        proposed_by: name(one.by),
        approved_by: name(second),
    });
    LedgerLine {
        attendance_id: attended.attendance,
        name: learner.name.clone(),
        unit_name: learner.unit_name.clone(),
        lesson: attended.title,
        entered_at: attended.entered_at,
        closed: attended.closed,
        credited_seconds: attended.credited_s,
        withheld_seconds: attended.withheld_s,
        contested_seconds: contested_s,
        rule_version: attended.rule_version,
        adjustments: adjustments.collect(),
    }
}

fn too_many() -> Refusal {
    Refusal::new(
        RefusalKind::Invalid,
        "hours.too_many",
        "人数或课次太多，请选择下级单位。",
        "These are too many learners or lessons; choose a unit below.",
    )
}
