//! What clients see of courses.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::id::{AccountId, CourseId, CourseLessonId, FilmId, UnitId};
use crate::domain::library::course::{Counts, Course, Progress, Standing, standing};
use crate::domain::library::cut::Rendition;
use crate::domain::library::film::Film;
use crate::store::course::Listed;

/// A course, as staff see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CourseView {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: CourseId,
    /// Its title.
    pub title: String,
    /// What it is about.
    pub about: String,
    /// Whose.
    #[schema(value_type = uuid::Uuid)]
    pub unit_id: UnitId,
    /// Name of that unit.
    pub unit_name: String,
    /// Seconds of film that have to be watched; 0: every lesson to its end.
    pub required_s: u32,
    /// How fast a learner may watch, percent.
    pub speed_percent: u32,
    /// What watching counts for: `progress`, `hours` or `hours_by_face`.
    #[schema(value_type = String)]
    pub counts: Counts,
    /// Courses to complete before.
    #[schema(value_type = Vec<uuid::Uuid>)]
    pub prerequisite_ids: Vec<CourseId>,
    /// Its parts.
    pub chapters: Vec<ChapterView>,
    /// Learners enrolled.
    pub learners: u32,
}

/// A part of a course.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChapterView {
    /// Its title.
    pub title: String,
    /// Its lessons.
    pub lessons: Vec<CourseLessonView>,
}

/// A film at its place.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CourseLessonView {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: CourseLessonId,
    /// Its title.
    pub title: String,
    /// What is watched.
    #[schema(value_type = uuid::Uuid)]
    pub film_id: FilmId,
}

impl CourseView {
    /// The view of a course.
    pub fn of(listed: &Listed) -> Self {
        let plan = listed.course.plan();
        let chapters = plan.chapters.iter().map(|chapter| ChapterView {
            title: chapter.title.clone(),
            lessons: chapter
                .lessons
                .iter()
                .map(|lesson| CourseLessonView {
                    id: lesson.id,
                    title: lesson.title.clone(),
                    film_id: lesson.film,
                })
                .collect(),
        });
        Self {
            id: listed.course.id(),
            title: plan.title.clone(),
            about: plan.about.clone(),
            unit_id: listed.unit.id,
            unit_name: listed.unit.name.clone(),
            required_s: plan.required_s,
            speed_percent: plan.speed_percent,
            counts: plan.counts,
            prerequisite_ids: plan.prerequisites.clone(),
            chapters: chapters.collect(),
            learners: listed.learners,
        }
    }
}

/// How far a learner is in a course.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LearnerStanding {
    /// Whose.
    #[schema(value_type = uuid::Uuid)]
    pub account_id: AccountId,
    /// Their name.
    pub name: String,
    /// Seconds watched, each second of film once.
    pub watched_s: u64,
    /// Seconds credited, where hours count.
    pub credited_s: u64,
    /// Lessons watched to their end.
    pub lessons_finished: usize,
    /// Lessons in all.
    pub lessons: usize,
    /// What the course asks for is done.
    pub complete: bool,
}

impl LearnerStanding {
    /// The view of a standing.
    pub fn of(account_id: AccountId, name: String, standing: Standing) -> Self {
        Self {
            account_id,
            name,
            watched_s: standing.watched_s,
            credited_s: standing.credited_s,
            lessons_finished: standing.lessons_finished,
            lessons: standing.lessons,
            complete: standing.complete,
        }
    }
}

/// A course, as its learner sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MyCourse {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: CourseId,
    /// Its title.
    pub title: String,
    /// What it is about.
    pub about: String,
    /// Name of the unit that gives it.
    pub unit_name: String,
    /// Seconds of film that have to be watched; 0: every lesson to its end.
    pub required_s: u32,
    /// What watching counts for: `progress`, `hours` or `hours_by_face`.
    #[schema(value_type = String)]
    pub counts: Counts,
    /// Seconds watched, each second of film once.
    pub watched_s: u64,
    /// Seconds credited, where hours count.
    pub credited_s: u64,
    /// Lessons watched to their end.
    pub lessons_finished: usize,
    /// Lessons in all.
    pub lessons: usize,
    /// What the course asks for is done.
    pub complete: bool,
    /// Titles of courses to complete first.
    pub waits_for: Vec<String>,
    /// Its parts.
    pub chapters: Vec<MyChapter>,
}

/// A part of a course.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MyChapter {
    /// Its title.
    pub title: String,
    /// Its lessons.
    pub lessons: Vec<MyLesson>,
}

/// A lesson, as its learner sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MyLesson {
    /// Its id.
    #[schema(value_type = uuid::Uuid)]
    pub id: CourseLessonId,
    /// Its title.
    pub title: String,
    /// Whether it can be played.
    pub ready: bool,
    /// How long it is, milliseconds; 0 while it cannot be played.
    pub duration_ms: u64,
    /// Whether there is a picture.
    pub picture: bool,
    /// What was watched, from the beginning, milliseconds.
    pub watched_ms: u64,
    /// Seconds of it that are credited, where hours count.
    pub credited_s: u64,
    /// It was watched to its end.
    pub finished: bool,
}

impl MyCourse {
    pub(super) fn of(
        listed: &Listed,
        waits_for: Vec<String>,
        progress: &BTreeMap<CourseLessonId, Progress>,
        films: &BTreeMap<FilmId, Film>,
    ) -> Self {
        let course: &Course = &listed.course;
        let plan = course.plan();
        let standing = standing(course, progress);
        let chapters = plan.chapters.iter().map(|chapter| {
            let lessons = chapter.lessons.iter().map(|lesson| {
                let cut = films.get(&lesson.film).and_then(Film::cut);
                let known = progress.get(&lesson.id).copied().unwrap_or_default();
                MyLesson {
                    id: lesson.id,
                    title: lesson.title.clone(),
                    ready: cut.is_some(),
                    duration_ms: cut.map_or(0, |cut| cut.duration_ms),
                    picture: cut.is_some_and(|cut| cut.renditions.contains(&Rendition::Low)),
                    watched_ms: known.watched_ms,
                    credited_s: known.credited_s,
                    finished: known.finished,
                }
            });
            MyChapter {
                title: chapter.title.clone(),
                lessons: lessons.collect(),
            }
        });
        Self {
            id: course.id(),
            title: plan.title.clone(),
            about: plan.about.clone(),
            unit_name: listed.unit.name.clone(),
            required_s: plan.required_s,
            counts: plan.counts,
            watched_s: standing.watched_s,
            credited_s: standing.credited_s,
            lessons_finished: standing.lessons_finished,
            lessons: standing.lessons,
            complete: standing.complete,
            waits_for,
            chapters: chapters.collect(),
        }
    }
}
