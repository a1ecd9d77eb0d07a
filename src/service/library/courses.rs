//! Courses as staff make them and learners see them.

use std::collections::{BTreeMap, BTreeSet};

use super::COURSE_STREAM_KIND;
use super::course_view::{CourseView, LearnerStanding, MyCourse};
use crate::domain::actor::Actor;
use crate::domain::announcement::{Announcement, Audience};
use crate::domain::id::{AccountId, CourseId, CourseLessonId, FilmId, PersonId, UnitId};
use crate::domain::library::course::{
    self, Course, CourseDraft, CourseFact, Progress, RecordedCourseFact, standing,
};
use crate::domain::person::Person;
use crate::domain::policy::{self, Action, Resource, STAFF};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::domain::unit::{self, UnitPath};
use crate::service::{Context, Error, ledger, outbox};
use crate::store::course::Listed;
use crate::store::{self, Connection};

/// Most courses of one answer.
const LIST_MAX: u32 = 200;
/// Most learners of a course.
pub const COURSE_LEARNERS_MAX: usize = 3_000;
/// Most courses that one stands on, directly or not.
const FOUNDATIONS_MAX: usize = 200;

/// Courses that the actor may use: of their units, above and below, newest first, at most 200.
pub async fn courses(context: &Context, actor: &Actor) -> Result<Vec<CourseView>, Error> {
    let mut db = context.store.reader().await?;
    let listed = store::course::list(&mut db, &actor.scopes(STAFF), LIST_MAX).await?;
    Ok(listed.iter().map(CourseView::of).collect())
}

/// A course that the actor may use. Refuses with `course.not_found`.
pub async fn course(context: &Context, actor: &Actor, id: CourseId) -> Result<CourseView, Error> {
    let mut db = context.store.reader().await?;
    Ok(CourseView::of(&used_by(&mut db, actor, id).await?))
}

/// Makes a course. Refuses with `auth.forbidden`, `unit.not_found` and what [`Course::change`]
/// refuses.
pub async fn create_course(
    context: &Context,
    actor: &Actor,
    unit: UnitId,
    draft: CourseDraft,
) -> Result<CourseView, Error> {
    let now = context.now();
    let mut transaction = context.store.begin().await?;
    let unit = store::unit::find(&mut transaction, unit).await?;
    let unit = unit.ok_or_else(unit::not_found)?;
    policy::allow(actor, Action::PlanLessons, Resource::Unit(&unit.path))?;
    let id = CourseId::new(now, &*context.entropy);
    let first = Course::make(id, unit.id, draft, now, &*context.entropy)?;
    let course = Course::from_first(&first).ok_or_else(not_found)?;
    must_stand(&mut transaction, &course, &unit.path).await?;
    store::course::insert(&mut transaction, &course, now).await?;
    record(context, &mut transaction, id, actor.account, vec![first]).await?;
    outbox::commit(context, transaction).await?;
    self::course(context, actor, id).await
}

/// Makes a course consist of something else. Refuses with `course.not_found`, `auth.forbidden` and
/// what [`Course::change`] refuses.
pub async fn change_course(
    context: &Context,
    actor: &Actor,
    id: CourseId,
    draft: CourseDraft,
) -> Result<CourseView, Error> {
    let now = context.now();
    let mut transaction = context.store.begin().await?;
    let unit_path = kept_by(&mut transaction, actor, id).await?;
    let course = store::course::lock(&mut transaction, id).await?;
    let mut course = course.ok_or_else(not_found)?;
    let facts = course.change(draft, now, &*context.entropy)?;
    facts.iter().for_each(|fact| course.apply(fact));
    must_stand(&mut transaction, &course, &unit_path).await?;
    store::course::update(&mut transaction, &course).await?;
    let learners = store::course::learners(&mut transaction, id).await?;
    tell(context, &mut transaction, &learners).await?;
    record(context, &mut transaction, id, actor.account, facts).await?;
    outbox::commit(context, transaction).await?;
    self::course(context, actor, id).await
}

/// The learners of a course, to those who may use it.
pub async fn course_learners(
    context: &Context,
    actor: &Actor,
    id: CourseId,
) -> Result<Vec<Person>, Error> {
    let mut db = context.store.reader().await?;
    used_by(&mut db, actor, id).await?;
    let learners = store::course::learners(&mut db, id).await?;
    let learners: Vec<AccountId> = learners.into_iter().collect();
    let people = store::lesson::people_of(&mut db, &learners).await?;
    store::person::find_many(&mut db, &people).await
}

/// Says who takes a course; what somebody watched stays theirs. Refuses with `course.not_found`,
/// `auth.forbidden` or `course.learners`.
pub async fn set_course_learners(
    context: &Context,
    actor: &Actor,
    id: CourseId,
    wanted: Vec<AccountId>,
) -> Result<(), Error> {
    let mut transaction = context.store.begin().await?;
    let unit_path = kept_by(&mut transaction, actor, id).await?;
    store::course::lock(&mut transaction, id).await?;
    let present = store::course::learners(&mut transaction, id).await?;
    let wanted: BTreeSet<AccountId> = wanted.into_iter().collect();
    let added: Vec<AccountId> = wanted.difference(&present).copied().collect();
    let removed: Vec<AccountId> = present.difference(&wanted).copied().collect();
    must_learn(&mut transaction, &added, wanted.len(), &unit_path).await?;
    if added.is_empty() && removed.is_empty() {
        return Ok(());
    }
    store::course::change_learners(&mut transaction, id, &added, &removed).await?;
    let told = added.iter().chain(&removed).copied().collect();
    tell(context, &mut transaction, &told).await?;
    let facts = vec![CourseFact::CourseLearnersSet { added, removed }];
    record(context, &mut transaction, id, actor.account, facts).await?;
    outbox::commit(context, transaction).await
}

/// How far everybody is in a course, to those who may use it.
pub async fn course_progress(
    context: &Context,
    actor: &Actor,
    id: CourseId,
) -> Result<Vec<LearnerStanding>, Error> {
    let mut db = context.store.reader().await?;
    let listed = used_by(&mut db, actor, id).await?;
    let learners = store::viewing::progress_in(&mut db, id).await?;
    let rows = learners.into_iter().map(|(account_id, name, progress)| {
        let standing = standing(&listed.course, &progress);
        LearnerStanding::of(account_id, name, standing)
    });
    Ok(rows.collect())
}

/// The courses that one takes, with how far one is.
pub async fn my_courses(context: &Context, actor: &Actor) -> Result<Vec<MyCourse>, Error> {
    let mut db = context.store.reader().await?;
    let mine = store::course::of_learner(&mut db, actor.account, LIST_MAX).await?;
    let wanted = mine.iter().flat_map(|one| &one.course.plan().prerequisites);
    let wanted: BTreeSet<CourseId> = wanted.copied().collect();
    let wanted: Vec<CourseId> = wanted.into_iter().collect();
    let before = store::course::find_listed(&mut db, &wanted).await?;
    let all: Vec<CourseId> = mine
        .iter()
        .chain(&before)
        .map(|one| one.course.id())
        .collect();
    let progress = store::viewing::progress_of(&mut db, actor.account, &all).await?;
    let films: BTreeSet<FilmId> = mine
        .iter()
        .flat_map(|one| one.course.lessons().map(|lesson| lesson.film))
        .collect();
    let films: Vec<FilmId> = films.into_iter().collect();
    let films = store::film::find_listed(&mut db, &films).await?;
    let films = films
        .into_iter()
        .map(|listed| (listed.film.id(), listed.film));
    let films = films.collect();
    let views = mine.iter().map(|listed| {
        let open = open_foundations(&listed.course, &before, &progress);
        MyCourse::of(listed, open, &progress, &films)
    });
    Ok(views.collect())
}

/// Titles of the courses that are to be completed before, and are not.
pub(super) fn open_foundations(
    course: &Course,
    before: &[Listed],
    progress: &BTreeMap<CourseLessonId, Progress>,
) -> Vec<String> {
    let asked = |listed: &&Listed| course.plan().prerequisites.contains(&listed.course.id());
    before
        .iter()
        .filter(asked)
        .filter(|listed| !standing(&listed.course, progress).complete)
        .map(|listed| listed.course.plan().title.clone())
        .collect()
}

/// Films and courses that a course names are there, near its unit, and do not go round in a circle.
async fn must_stand(db: &mut Connection, course: &Course, unit: &UnitPath) -> Result<(), Error> {
    let films: BTreeSet<FilmId> = course.lessons().map(|lesson| lesson.film).collect();
    let wanted: Vec<FilmId> = films.iter().copied().collect();
    let found = store::course::showable(db, &wanted).await?;
    let near = |path: &UnitPath| path.covers(unit) || unit.covers(path);
    if found.len() != films.len() || !found.iter().all(|film| near(&film.unit_path)) {
        return Err(course::unknown_film().into());
    }
    let mut seen = BTreeSet::new();
    let mut next: Vec<CourseId> = course.plan().prerequisites.clone();
    while !next.is_empty() {
        let found = store::course::find_listed(db, &next).await?;
        let circle = next.contains(&course.id());
        if circle || found.len() != next.len() || seen.len() + next.len() > FOUNDATIONS_MAX {
            return Err(course::circular().into());
        }
        seen.extend(next);
        let further = found
            .iter()
            .flat_map(|one| &one.course.plan().prerequisites);
        let further: BTreeSet<CourseId> = further.copied().collect();
        next = further.difference(&seen).copied().collect();
    }
    Ok(())
}

/// Learners are people of the course's unit or below, with accounts.
async fn must_learn(
    db: &mut Connection,
    added: &[AccountId],
    count: usize,
    unit: &UnitPath,
) -> Result<(), Error> {
    let people: Vec<PersonId> = store::lesson::people_of(db, added).await?;
    let people = store::person::find_many(db, &people).await?;
    let fits = people.iter().all(|person| unit.covers(&person.unit_path));
    if count <= COURSE_LEARNERS_MAX && people.len() == added.len() && fits {
        return Ok(());
    }
    Err(Refusal::new(
        RefusalKind::Invalid,
        "course.learners",
        "学员名单中有不属于该单位或不存在的账号，或人数超过 3000。",
        "The list names an account that is not of this unit or does not exist, or more than 3000.",
    )
    .into())
}

/// A course of the actor's units, of those above or below; otherwise it is as if there were none.
async fn used_by(db: &mut Connection, actor: &Actor, id: CourseId) -> Result<Listed, Error> {
    let listed = store::course::find_listed(db, &[id]).await?.pop();
    let listed = listed.ok_or_else(not_found)?;
    match actor.holds_beside(STAFF, &listed.unit_path) {
        true => Ok(listed),
        false => Err(not_found().into()),
    }
}

async fn kept_by(db: &mut Connection, actor: &Actor, id: CourseId) -> Result<UnitPath, Error> {
    let listed = used_by(db, actor, id).await?;
    let unit = Resource::Unit(&listed.unit_path);
    policy::allow(actor, Action::PlanLessons, unit)?;
    Ok(listed.unit_path)
}

async fn tell(
    context: &Context,
    db: &mut Connection,
    accounts: &BTreeSet<AccountId>,
) -> Result<(), Error> {
    let told: Vec<Announcement> = accounts
        .iter()
        .map(|account| Announcement {
            audience: Audience::Account(*account),
            kind: "courses_changed",
            payload: "{}".to_owned(),
        })
        .collect();
    outbox::announce(context, db, &told).await
}

async fn record(
    context: &Context,
    db: &mut Connection,
    id: CourseId,
    by: AccountId,
    facts: Vec<CourseFact>,
) -> Result<(), Error> {
    let recorded: Vec<RecordedCourseFact> = facts
        .into_iter()
        .map(|fact| RecordedCourseFact { by, fact })
        .collect();
    let stream = ledger::open(context, db, COURSE_STREAM_KIND, id.0).await?;
    ledger::append(context, db, stream, &recorded).await
}

/// No such course, or none that the actor may know of.
pub(super) fn not_found() -> Refusal {
    Refusal::new(
        RefusalKind::NotFound,
        "course.not_found",
        "没有找到该课程。",
        "There is no such course.",
    )
}
