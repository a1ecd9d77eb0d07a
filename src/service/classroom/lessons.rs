//! Planning and running lessons.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::act::{act, act_on_lesson, announce_lesson, lesson_not_found, record};
use super::present;
use super::view::{BoardRow, BoardView, LessonView};
use crate::domain::actor::Actor;
use crate::domain::announcement::{Announcement, Topic};
use crate::domain::beijing;
use crate::domain::classroom::attendance::Command;
use crate::domain::classroom::lesson::{Lesson, LessonCommand, LessonFact, Plan};
use crate::domain::classroom::policy::ClassroomPolicy;
use crate::domain::classroom::quiz::Question;
use crate::domain::face::check::Eyesight;
use crate::domain::id::{AccountId, LessonId, PersonId, QuestionId, UnitId};
use crate::domain::person::Person;
use crate::domain::policy::{self, Action, OFFICERS, Resource, STAFF};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::domain::unit::{self, Unit, UnitPath};
use crate::service::events::{Following, Topics};
use crate::service::{Context, Error, outbox};
use crate::store::lesson::{Filter, Listed, Scope};
use crate::store::{self, Connection};

/// Most learners of a lesson.
pub const LEARNERS_MAX: usize = 3_000;
/// Most lessons whose topics one event stream follows.
const TOPICS_MAX: u32 = 200;
/// A lesson is followed until this long after its planned end.
const FOLLOWED_AFTER: TimeDelta = TimeDelta::hours(6);

/// One page of a calendar.
#[derive(Clone, Copy, Debug)]
pub struct Calendar {
    /// Which part of it.
    pub scope: Scope,
    /// Rows on a page.
    pub limit: u32,
    /// Rows before the page.
    pub offset: u64,
}

/// A lesson to plan.
#[derive(Clone, Debug)]
pub struct NewLesson {
    /// Whose.
    pub unit: UnitId,
    /// Title and times.
    pub plan: Plan,
    /// Who teaches; the planner when not said.
    pub teacher: Option<AccountId>,
    /// Who takes part.
    pub learners: Vec<AccountId>,
    /// Whether learners are known by their faces; as the policy in force says when not said.
    pub face_checks: Option<bool>,
}

/// A change of a plan; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct PlanChange {
    /// New title.
    pub title: Option<String>,
    /// New start.
    pub starts_at: Option<DateTime<Utc>>,
    /// New end.
    pub ends_at: Option<DateTime<Utc>>,
}

/// One page of the lessons that the actor teaches, takes or runs. A day is a day at Beijing time.
pub async fn list(
    context: &Context,
    actor: &Actor,
    calendar: Calendar,
) -> Result<(Vec<LessonView>, u64), Error> {
    let (day_from, day_to) = day_of(context.now());
    let filter = Filter {
        account: actor.account,
        officer_of: actor.scopes(OFFICERS),
        scope: calendar.scope,
        day_from,
        day_to,
        limit: calendar.limit,
        offset: calendar.offset,
    };
    let mut db = context.store.reader().await?;
    let (listed, total) = store::lesson::list(&mut db, &filter).await?;
    let mut views = Vec::with_capacity(listed.len());
    for one in &listed {
        views.push(LessonView::for_actor(&mut db, one, actor).await?);
    }
    Ok((views, total))
}

pub(super) fn day_of(now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
    let midnight = beijing::midnight(beijing::wall(now).date());
    (midnight, midnight + TimeDelta::days(1))
}

/// A lesson that the actor may know of. Refuses with `lesson.not_found`.
pub async fn get(context: &Context, actor: &Actor, id: LessonId) -> Result<LessonView, Error> {
    let mut db = context.store.reader().await?;
    let listed = seen_by(&mut db, actor, id).await?;
    LessonView::for_actor(&mut db, &listed, actor).await
}

/// Plans a lesson. Refuses with `auth.forbidden`, `unit.not_found`, `lesson.title`,
/// `lesson.times`, `lesson.teacher` or `lesson.learners`.
pub async fn create(context: &Context, actor: &Actor, new: NewLesson) -> Result<LessonView, Error> {
    let mut transaction = context.store.begin().await?;
    let unit = store::unit::find(&mut transaction, new.unit).await?;
    let unit = unit.ok_or_else(unit::not_found)?;
    policy::allow(actor, Action::PlanLessons, Resource::Unit(&unit.path))?;
    let teacher = new.teacher.unwrap_or(actor.account);
    let by = Some(actor.account);
    let id = plan(context, &mut transaction, by, &unit, teacher, new).await?;
    outbox::commit(context, transaction).await?;
    get(context, actor, id).await
}

/// Writes a lesson that somebody, or nobody signed in, plans for a unit.
pub(super) async fn plan(
    context: &Context,
    db: &mut Connection,
    by: Option<AccountId>,
    unit: &Unit,
    teacher: AccountId,
    new: NewLesson,
) -> Result<LessonId, Error> {
    let now = context.now();
    must_teach(db, teacher, &unit.path).await?;
    let id = LessonId::new(now, &*context.entropy);
    let policy = policy_of(context, new.face_checks);
    let first = Lesson::schedule(id, unit.id, teacher, new.plan, policy)?;
    let lesson = Lesson::from_first(&first).ok_or_else(lesson_not_found)?;
    store::lesson::insert(db, &lesson, now).await?;
    let added = checked_learners(db, new.learners, &unit.path, teacher).await?;
    store::lesson::change_learners(db, id, &added, &[]).await?;
    tell_topics_changed(context, db, added.iter().chain([&teacher])).await?;
    announce_lesson(context, db, id).await?;
    let removed = Vec::new();
    let facts = vec![first, LessonFact::LearnersSet { added, removed }];
    record(context, db, id, by, now, facts).await?;
    Ok(id)
}

/// The figures of a lesson that begins now, with looks at faces or not.
pub(super) fn policy_of(context: &Context, face_checks: Option<bool>) -> ClassroomPolicy {
    let policy = context.classroom_policy.as_ref().clone();
    let policy = match face_checks {
        Some(wanted) => policy.with_faces(wanted),
        None => policy,
    };
    // Acts are asked where something can see them.
    match context.eyes.eyesight() {
        Eyesight::Contours => policy,
        Eyesight::Blind | Eyesight::Faces => policy.without_acts(),
    }
}

/// Changes the plan of a lesson that has not started.
pub async fn change(
    context: &Context,
    actor: &Actor,
    id: LessonId,
    change: PlanChange,
) -> Result<LessonView, Error> {
    let lesson = run_by(context, actor, id).await?;
    let plan = lesson.plan();
    let plan = Plan {
        title: change.title.unwrap_or_else(|| plan.title.clone()),
        starts_at: change.starts_at.unwrap_or(plan.starts_at),
        ends_at: change.ends_at.unwrap_or(plan.ends_at),
    };
    command(context, actor, id, LessonCommand::Change(plan)).await
}

/// Starts a lesson.
pub async fn start(context: &Context, actor: &Actor, id: LessonId) -> Result<LessonView, Error> {
    command(context, actor, id, LessonCommand::Start).await
}

/// Pauses it.
pub async fn pause(context: &Context, actor: &Actor, id: LessonId) -> Result<LessonView, Error> {
    command(context, actor, id, LessonCommand::Pause).await
}

/// Goes on.
pub async fn resume(context: &Context, actor: &Actor, id: LessonId) -> Result<LessonView, Error> {
    command(context, actor, id, LessonCommand::Resume).await
}

/// Ends it; learners then sign out, and attendances close.
pub async fn end(context: &Context, actor: &Actor, id: LessonId) -> Result<LessonView, Error> {
    command(context, actor, id, LessonCommand::End).await
}

/// Calls it off.
pub async fn cancel(context: &Context, actor: &Actor, id: LessonId) -> Result<LessonView, Error> {
    command(context, actor, id, LessonCommand::Cancel).await
}

async fn command(
    context: &Context,
    actor: &Actor,
    id: LessonId,
    command: LessonCommand,
) -> Result<LessonView, Error> {
    run_by(context, actor, id).await?;
    act_on_lesson(
        context,
        id,
        Some(actor.account),
        present(context)?,
        &command,
    )
    .await?;
    get(context, actor, id).await
}

/// The learners of a lesson, to those who run it.
pub async fn learners(
    context: &Context,
    actor: &Actor,
    id: LessonId,
) -> Result<Vec<Person>, Error> {
    run_by(context, actor, id).await?;
    let mut db = context.store.reader().await?;
    let accounts: Vec<AccountId> = store::lesson::learners(&mut db, id)
        .await?
        .into_iter()
        .collect();
    let people = store::lesson::people_of(&mut db, &accounts).await?;
    store::person::find_many(&mut db, &people).await
}

/// Says who takes part. Refuses with `lesson.learners`, and with `lesson.attended` when somebody
/// who entered already would be taken off. Returns who was taken off, to be put out of the room.
pub async fn set_learners(
    context: &Context,
    actor: &Actor,
    id: LessonId,
    wanted: Vec<AccountId>,
) -> Result<Vec<AccountId>, Error> {
    run_by(context, actor, id).await?;
    let mut transaction = context.store.begin().await?;
    let lesson = store::lesson::lock(&mut transaction, id)
        .await?
        .ok_or_else(lesson_not_found)?;
    let unit = store::unit::find(&mut transaction, lesson.unit()).await?;
    let unit = unit.ok_or_else(unit::not_found)?;
    let present = store::lesson::learners(&mut transaction, id).await?;
    let wanted: BTreeSet<AccountId> = wanted.into_iter().collect();
    let added: Vec<AccountId> = wanted.difference(&present).copied().collect();
    let removed: Vec<AccountId> = present.difference(&wanted).copied().collect();
    let added = checked_learners(&mut transaction, added, &unit.path, lesson.teacher()).await?;
    let attended = store::attendance::of_learners(&mut transaction, id, &removed).await?;
    if !attended.is_empty() || wanted.len() > LEARNERS_MAX {
        return Err(attended_already(wanted.len()).into());
    }
    store::lesson::change_learners(&mut transaction, id, &added, &removed).await?;
    tell_topics_changed(context, &mut transaction, added.iter().chain(&removed)).await?;
    announce_lesson(context, &mut transaction, id).await?;
    let set = LessonFact::LearnersSet {
        added,
        removed: removed.clone(),
    };
    record(
        context,
        &mut transaction,
        id,
        Some(actor.account),
        context.now(),
        vec![set],
    )
    .await?;
    outbox::commit(context, transaction).await?;
    Ok(removed)
}

/// The board, to those who run the lesson.
pub async fn board(context: &Context, actor: &Actor, id: LessonId) -> Result<BoardView, Error> {
    run_by(context, actor, id).await?;
    let now = context.now();
    let lesson = get(context, actor, id).await?;
    let mut db = context.store.reader().await?;
    let rows = store::attendance::board(&mut db, id, None).await?;
    let rows = rows.into_iter().map(|row| BoardRow::of(row, now)).collect();
    Ok(BoardView {
        lesson,
        server_time: now,
        rows,
    })
}

/// Asks learners now whether they are there; all who are present when none is named. Returns how
/// many were asked: whoever is away or has an open prompt is left out.
pub async fn check_now(
    context: &Context,
    actor: &Actor,
    id: LessonId,
    only: Option<Vec<AccountId>>,
) -> Result<usize, Error> {
    let only: Option<BTreeSet<AccountId>> = only.map(|accounts| accounts.into_iter().collect());
    let lesson = run_by(context, actor, id).await?;
    if !lesson.is_live() {
        return Err(lesson.not_live().into());
    }
    let mut db = context.store.reader().await?;
    let learners: Vec<AccountId> = store::lesson::learners(&mut db, id)
        .await?
        .into_iter()
        .filter(|account| only.as_ref().is_none_or(|only| only.contains(account)))
        .collect();
    let attendances = store::attendance::of_learners(&mut db, id, &learners).await?;
    drop(db);
    let command = Command::AskNow {
        by: actor.account,
        question: None,
        round: None,
    };
    let mut asked = 0;
    for (attendance, _) in attendances {
        match act(context, attendance, present(context)?, &command).await {
            Ok(acted) => asked += usize::from(acted.is_some()),
            Err(Error::Refused(_)) => {}
            Err(failed) => return Err(failed),
        }
    }
    Ok(asked)
}

/// An item of the lesson's unit or of one above it.
pub(super) async fn usable_question(
    db: &mut Connection,
    lesson: &Lesson,
    id: QuestionId,
) -> Result<Question, Error> {
    let unit = store::unit::find(db, lesson.unit()).await?;
    let unit = unit.ok_or_else(unit::not_found)?;
    let question = store::question::find(db, id).await?;
    let question = question.filter(|question| unit.path.ids().contains(&question.unit()));
    Ok(question.ok_or_else(question_not_found)?)
}

/// People follow the lessons that they teach, take or run; staff also the boards.
#[derive(Clone, Copy, Debug, Default)]
pub struct LessonTopics;

impl Topics for LessonTopics {
    fn of<'a>(&'a self, context: &'a Context, actor: &'a Actor) -> Following<'a> {
        Box::pin(topics(context, actor))
    }
}

async fn topics(context: &Context, actor: &Actor) -> Result<BTreeSet<Topic>, Error> {
    let mut db = context.store.reader().await?;
    let since = context.now() - FOLLOWED_AFTER;
    let officer_of = actor.scopes(OFFICERS);
    let followed =
        store::lesson::followed(&mut db, actor.account, &officer_of, since, TOPICS_MAX).await?;
    Ok(followed
        .into_iter()
        .flat_map(|(lesson, staff)| {
            let staff = staff.then(|| Topic::lesson_staff(lesson));
            std::iter::once(Topic::lesson(lesson)).chain(staff)
        })
        .collect())
}

/// A lesson that the actor may know of; otherwise it is as if there were none.
pub(super) async fn seen_by(
    db: &mut Connection,
    actor: &Actor,
    id: LessonId,
) -> Result<Listed, Error> {
    let listed = store::lesson::find_listed(db, &[id]).await?.pop();
    let listed = listed.ok_or_else(lesson_not_found)?;
    let enrolled = store::lesson::is_learner(db, id, actor.account).await?;
    let (unit, teacher) = (&listed.unit_path, listed.lesson.teacher());
    let resource = Resource::Lesson {
        unit,
        teacher,
        enrolled,
    };
    if policy::may(actor, Action::SeeLesson, resource) {
        Ok(listed)
    } else {
        Err(lesson_not_found())
    }
}

/// A lesson that the actor runs. Refuses with `lesson.not_found`, or with `auth.forbidden` when
/// the actor may know of it but not run it.
pub async fn run_by(context: &Context, actor: &Actor, id: LessonId) -> Result<Lesson, Error> {
    let mut db = context.store.reader().await?;
    let listed = seen_by(&mut db, actor, id).await?;
    let (unit, teacher) = (&listed.unit_path, listed.lesson.teacher());
    let resource = Resource::Lesson {
        unit,
        teacher,
        enrolled: false,
    };
    policy::allow(actor, Action::RunLesson, resource)?;
    Ok(listed.lesson)
}

async fn must_teach(db: &mut Connection, teacher: AccountId, unit: &UnitPath) -> Result<(), Error> {
    let grants = store::role::of_accounts(db, &[teacher]).await?;
    let teaches = grants.get(&teacher).is_some_and(|grants| {
        grants
            .iter()
            .any(|grant| STAFF.contains(&grant.role) && grant.path.covers(unit))
    });
    if teaches {
        Ok(())
    } else {
        Err(invalid(
            "lesson.teacher",
            "授课人不在该单位任职。",
            "The teacher has no role there.",
        )
        .into())
    }
}

/// Learners are people of the lesson's unit or below, with accounts, and do not teach it.
async fn checked_learners(
    db: &mut Connection,
    mut accounts: Vec<AccountId>,
    unit: &UnitPath,
    teacher: AccountId,
) -> Result<Vec<AccountId>, Error> {
    accounts.sort();
    accounts.dedup();
    let people: Vec<PersonId> = store::lesson::people_of(db, &accounts).await?;
    let people = store::person::find_many(db, &people).await?;
    let fits = people.iter().all(|person| unit.covers(&person.unit_path));
    if accounts.len() <= LEARNERS_MAX
        && people.len() == accounts.len()
        && fits
        && !accounts.contains(&teacher)
    {
        return Ok(accounts);
    }
    Err(invalid(
        "lesson.learners",
        "学员名单中有不属于该单位或不存在的账号。",
        "The list of learners names an account that is not of this unit or does not exist.",
    )
    .into())
}

pub(super) async fn tell_topics_changed(
    context: &Context,
    db: &mut Connection,
    accounts: impl Iterator<Item = &AccountId>,
) -> Result<(), Error> {
    let told: Vec<Announcement> = accounts
        .map(|account| Announcement::access_changed(*account))
        .collect();
    outbox::announce(context, db, &told).await
}

fn attended_already(wanted: usize) -> Refusal {
    if wanted > LEARNERS_MAX {
        return invalid(
            "lesson.learners",
            "学员人数过多。",
            "There are too many learners.",
        );
    }
    Refusal::new(
        RefusalKind::Conflict,
        "lesson.attended",
        "已进入课堂的学员不能移出名单。",
        "A learner who has entered already cannot be taken off the list.",
    )
}

fn question_not_found() -> Refusal {
    Refusal::new(
        RefusalKind::NotFound,
        "question.not_found",
        "没有找到该题目。",
        "There is no such question.",
    )
}

fn invalid(code: &'static str, zh: &str, en: &str) -> Refusal {
    Refusal::new(RefusalKind::Invalid, code, zh, en)
}
