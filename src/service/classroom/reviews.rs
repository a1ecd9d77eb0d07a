//! The reviewer's desk: outcomes that a person is to decide about, the pictures they rest on, and
//! the decisions.
//!
//! A reviewer is an officer in charge, never the teacher of the lesson, the learner, or whoever
//! asked for the check.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::act::act;
use super::case::{Case, not_found, unknown_check};
use super::present;
use super::view::{CheckView, LessonShort};
use crate::domain::actor::Actor;
use crate::domain::classroom::attendance::Command;
use crate::domain::classroom::check::{Check, Ruling};
use crate::domain::fact::hex;
use crate::domain::id::{AttendanceId, CheckId, FacePictureId};
use crate::domain::policy::{self, Action, OFFICERS, Resource};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::service::face::enrolment;
use crate::service::{Context, Error};
use crate::store::{self, Connection};

/// An attendance with outcomes that wait for a person.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReviewView {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub attendance_id: AttendanceId,
    /// Whose: name of the learner.
    pub name: String,
    /// The learner, for the picture to compare with.
    pub person_id: Uuid,
    /// Name of the learner's unit.
    pub unit_name: String,
    /// Of which lesson.
    pub lesson: LessonShort,
    /// Somebody else must decide: the actor teaches the lesson or is the learner.
    pub not_yours: bool,
    /// The checks that wait, in the order asked.
    pub checks: Vec<ReviewedCheck>,
}

/// A check with the pictures that its outcome rests on.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReviewedCheck {
    /// The check.
    #[serde(flatten)]
    pub check: CheckView,
    /// In the order taken.
    pub pictures: Vec<PictureView>,
}

/// A picture that a finding rests on.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PictureView {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub taken_at: DateTime<Utc>,
    /// What was found.
    pub finding: String,
    /// How alike the faces were, in the measure of the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f64>,
    /// SHA-256 of the picture, as the ledger has it.
    pub sha256: String,
}

impl PictureView {
    pub(in crate::service) fn of(info: &store::face::PictureInfo) -> Self {
        Self {
            id: info.id.0,
            taken_at: info.taken_at,
            finding: info.finding.clone(),
            similarity: info.similarity_e4.map(|e4| f64::from(e4) / 10_000.0),
            sha256: hex(&info.sha256),
        }
    }
}

/// One page of attendances below the actor's units that wait for a decision, oldest first.
pub async fn list(
    context: &Context,
    actor: &Actor,
    limit: u32,
    offset: u64,
) -> Result<(Vec<ReviewView>, u64), Error> {
    let mut db = context.store.reader().await?;
    let scopes = actor.scopes(OFFICERS);
    let (ids, total) = store::watched::awaiting(&mut db, &scopes, limit, offset).await?;
    let mut views = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(case) = Case::find(&mut db, id).await? {
            views.push(view(&case, &mut db, actor).await?);
        }
    }
    Ok((views, total))
}

async fn view(case: &Case, db: &mut Connection, actor: &Actor) -> Result<ReviewView, Error> {
    let waiting: Vec<&Check> = case.attendance.waiting_checks().collect();
    let ids: Vec<CheckId> = waiting.iter().map(|check| check.id).collect();
    let pictures = store::face::pictures_of(db, &ids).await?;
    let of = |check: &&Check| ReviewedCheck {
        check: CheckView::of(check),
        pictures: pictures
            .iter()
            .filter(|info| info.check == check.id)
            .map(PictureView::of)
            .collect(),
    };
    Ok(ReviewView {
        attendance_id: case.attendance.id(),
        name: case.person.name.clone(),
        person_id: case.person.id.0,
        unit_name: case.person.unit.name.clone(),
        lesson: case.lesson_short(),
        not_yours: case.is_of(actor),
        checks: waiting.iter().map(of).collect(),
    })
}

/// Decides about the outcome of a check. Refuses with `check.unknown`, `check.no_verdict`,
/// `check.ruled`, `review.own` or `lesson.catching_up`.
pub async fn rule(
    context: &Context,
    actor: &Actor,
    check: CheckId,
    ruling: Ruling,
) -> Result<(), Error> {
    let now = present(context)?;
    let mut db = context.store.reader().await?;
    let case = in_charge(&mut db, actor, check).await?;
    drop(db);
    if case.is_of(actor) || case.asked_by(actor, check) {
        return Err(own().into());
    }
    let command = Command::Rule {
        by: actor.account,
        check,
        ruling,
    };
    act(context, case.attendance.id(), now, &command).await?;
    Ok(())
}

/// What is known of the pictures of a check, to officers in charge and to the learner.
/// Refuses with `check.unknown`.
pub async fn pictures(
    context: &Context,
    actor: &Actor,
    check: CheckId,
) -> Result<Vec<PictureView>, Error> {
    let mut db = context.store.reader().await?;
    may_see(&mut db, actor, check).await?;
    let infos = store::face::pictures_of(&mut db, &[check]).await?;
    Ok(infos.iter().map(PictureView::of).collect())
}

/// A picture as WebP, to officers in charge and to the learner. Refuses with `face.no_picture`.
pub async fn picture(
    context: &Context,
    actor: &Actor,
    id: FacePictureId,
) -> Result<Vec<u8>, Error> {
    let mut db = context.store.reader().await?;
    let found = store::face::picture(&mut db, id).await?;
    let (info, sealed) = found.ok_or_else(enrolment::no_picture)?;
    may_see(&mut db, actor, info.check)
        .await
        .map_err(|error| match error {
            Error::Refused(_) => enrolment::no_picture().into(),
            Error::Failed(failure) => Error::Failed(failure),
        })?;
    enrolment::open_evidence(context, info.person, sealed)
}

/// Lets the learner say no to an open check. Refuses with `check.unknown`, `check.answered` or
/// `lesson.catching_up`.
pub async fn refuse(context: &Context, actor: &Actor, check: CheckId) -> Result<(), Error> {
    let now = present(context)?;
    let mut db = context.store.reader().await?;
    let found = store::attendance::of_check(&mut db, check).await?;
    let (id, _) = found.ok_or_else(unknown_check)?;
    drop(db);
    let by = actor.account;
    act(context, id, now, &Command::Refuse { by, check }).await?;
    Ok(())
}

/// Puts a learner on the route without a camera for this lesson. Refuses with
/// `attendance.not_found`, `attendance.closed` or `lesson.catching_up`.
pub async fn exempt(context: &Context, actor: &Actor, id: AttendanceId) -> Result<(), Error> {
    let now = present(context)?;
    let mut db = context.store.reader().await?;
    let case = Case::find(&mut db, id).await?;
    let case = case.ok_or_else(not_found)?;
    let unit = store::unit::find(&mut db, case.lesson.unit()).await?;
    let unit = unit.ok_or_else(not_found)?;
    drop(db);
    let resource = Resource::Lesson {
        unit: &unit.path,
        teacher: case.lesson.teacher(),
        enrolled: false,
    };
    policy::allow(actor, Action::RunLesson, resource).map_err(|_| not_found())?;
    let by = actor.account;
    act(context, id, now, &Command::Exempt { by }).await?;
    Ok(())
}

async fn in_charge(db: &mut Connection, actor: &Actor, check: CheckId) -> Result<Case, Error> {
    let found = store::attendance::of_check(db, check).await?;
    let (id, _) = found.ok_or_else(unknown_check)?;
    let case = Case::find(db, id).await?.ok_or_else(unknown_check)?;
    let unit = store::unit::find(db, case.lesson.unit()).await?;
    let unit = unit.ok_or_else(unknown_check)?;
    let resource = Resource::Unit(&unit.path);
    policy::allow(actor, Action::ManagePeople, resource).map_err(|_| unknown_check())?;
    Ok(case)
}

async fn may_see(db: &mut Connection, actor: &Actor, check: CheckId) -> Result<(), Error> {
    let found = store::attendance::of_check(db, check).await?;
    let (id, _) = found.ok_or_else(unknown_check)?;
    let stored = store::attendance::find(db, id).await?;
    let own = stored.is_some_and(|stored| stored.attendance.account() == actor.account);
    if !own {
        in_charge(db, actor, check).await?;
    }
    Ok(())
}

fn own() -> Refusal {
    Refusal::new(
        RefusalKind::Forbidden,
        "review.own",
        "授课人、学员本人和发起核验的人不能复核，请由其他工作人员处理。",
        "The teacher, the learner and whoever asked for the check do not review it. \
         Ask a colleague to decide.",
    )
}
