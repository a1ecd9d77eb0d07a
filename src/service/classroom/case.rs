//! An attendance as the people who decide about it see it.

use super::view::LessonShort;
use crate::domain::actor::Actor;
use crate::domain::classroom::attendance::Attendance;
use crate::domain::classroom::check::Cause;
use crate::domain::classroom::lesson::Lesson;
use crate::domain::id::{AttendanceId, CheckId};
use crate::domain::person::Person;
use crate::domain::policy::{self, Action, Resource};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::service::Error;
use crate::store::{self, Connection};

/// An attendance with whom it is about.
pub(in crate::service) struct Case {
    pub(in crate::service) attendance: Attendance,
    pub(in crate::service) lesson: Lesson,
    pub(in crate::service) person: Person,
}

impl Case {
    pub(in crate::service) async fn find(
        db: &mut Connection,
        id: AttendanceId,
    ) -> Result<Option<Self>, Error> {
        let Some(stored) = store::attendance::find(db, id).await? else {
            return Ok(None);
        };
        let attendance = stored.attendance;
        let lesson = store::lesson::find(db, attendance.lesson()).await?;
        let person = store::person::of_account(db, attendance.account()).await?;
        Ok(lesson.zip(person).map(|(lesson, person)| Self {
            attendance,
            lesson,
            person,
        }))
    }

    /// Of a lesson of the actor's units. Refuses with `attendance.not_found`.
    pub(in crate::service) async fn in_charge(
        db: &mut Connection,
        actor: &Actor,
        id: AttendanceId,
    ) -> Result<Self, Error> {
        let case = Self::find(db, id).await?.ok_or_else(not_found)?;
        let unit = store::unit::find(db, case.lesson.unit()).await?;
        let unit = unit.ok_or_else(not_found)?;
        let resource = Resource::Unit(&unit.path);
        policy::allow(actor, Action::ManagePeople, resource).map_err(|_| not_found())?;
        Ok(case)
    }

    /// Whether the actor teaches the lesson or is the learner.
    pub(in crate::service) fn is_of(&self, actor: &Actor) -> bool {
        self.lesson.teacher() == actor.account || self.attendance.account() == actor.account
    }

    /// Whether the actor asked for this check.
    pub(in crate::service) fn asked_by(&self, actor: &Actor, check: CheckId) -> bool {
        let by = actor.account;
        let mut checks = self.attendance.checks().iter();
        checks.any(|known| known.id == check && known.cause == Cause::Staff { by })
    }

    pub(in crate::service) fn lesson_short(&self) -> LessonShort {
        LessonShort {
            id: self.lesson.id(),
            title: self.lesson.plan().title.clone(),
            starts_at: self.lesson.plan().starts_at,
        }
    }
}

/// No such attendance, or none that the actor may know of.
pub(in crate::service) fn not_found() -> Refusal {
    Refusal::new(
        RefusalKind::NotFound,
        "attendance.not_found",
        "没有找到该学习记录。",
        "There is no such attendance.",
    )
}

/// No such check, or none that the actor may know of.
pub(super) fn unknown_check() -> Refusal {
    Refusal::new(
        RefusalKind::NotFound,
        "check.unknown",
        "没有找到这次核验。",
        "There is no such check.",
    )
}
