//! A lesson that one person takes alone from a film.

use chrono::{DateTime, TimeDelta, Utc};

use super::plan::LESSON_HOURS_MAX;
use super::{Lesson, LessonFact, Plan};
use crate::domain::classroom::policy::ClassroomPolicy;
use crate::domain::id::{AccountId, LessonId, UnitId, ViewingId};
use crate::domain::refusal::Refusal;

/// What a lesson on demand is made of.
#[derive(Clone, Debug)]
pub struct Study {
    /// Its id.
    pub lesson: LessonId,
    /// Whose course.
    pub unit: UnitId,
    /// Whose film: asked where a live lesson asks its teacher.
    pub teacher: AccountId,
    /// Title, as of [`Plan::title`].
    pub title: String,
    /// The figures of its checks and credit.
    pub policy: ClassroomPolicy,
    /// What is watched in it.
    pub viewing: ViewingId,
}

impl Lesson {
    /// The first facts of a lesson in which a film counts for one person. It is live at once, no
    /// teacher is missed in it, and it is over after 12 hours at the latest. Refuses with
    /// `lesson.title`.
    pub fn study(study: Study, now: DateTime<Utc>) -> Result<[LessonFact; 2], Refusal> {
        let plan = Plan {
            title: study.title,
            starts_at: now,
            ends_at: now + TimeDelta::hours(LESSON_HOURS_MAX),
        };
        let first = LessonFact::LessonScheduled {
            lesson: study.lesson,
            unit: study.unit,
            teacher: study.teacher,
            plan: plan.checked()?,
            policy: Box::new(study.policy),
            viewing: Some(study.viewing),
        };
        Ok([first, LessonFact::LessonStarted { at: now }])
    }

    /// The film that one person watches alone in it; `None` of a class.
    pub fn viewing(&self) -> Option<ViewingId> {
        self.viewing
    }

    /// One person watches a film alone in it.
    pub fn is_study(&self) -> bool {
        self.viewing.is_some()
    }
}
