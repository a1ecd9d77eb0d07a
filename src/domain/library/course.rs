//! A course: films in chapters, what has to be done before, and how many hours it asks for.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::film::checked_title;
use super::pacing::{SPEED_PERCENT_MAX, SPEED_PERCENT_MIN};
use crate::domain::entropy::Entropy;
use crate::domain::id::{AccountId, CourseId, CourseLessonId, FilmId, UnitId};
use crate::domain::refusal::{Refusal, RefusalKind};

/// Most chapters of a course.
pub const CHAPTERS_MAX: usize = 50;
/// Most lessons of a course.
pub const LESSONS_MAX: usize = 300;
/// Most courses that one asks for directly.
pub const PREREQUISITES_MAX: usize = 10;
/// Longest description, characters.
pub const ABOUT_CHARS_MAX: usize = 2_000;
/// Most hours that a course may ask for.
pub const REQUIRED_HOURS_MAX: u32 = 1_000;

/// A course as its facts left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Course {
    id: CourseId,
    unit: UnitId,
    plan: CoursePlan,
}

/// What watching a course counts for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counts {
    /// Progress alone: nobody is asked anything.
    #[default]
    Progress,
    /// Hours, proven by random prompts.
    Hours,
    /// Hours, proven by random looks at the face too.
    HoursByFace,
}

impl Counts {
    /// Hours are credited.
    pub fn hours(self) -> bool {
        self != Self::Progress
    }
}

/// What a course consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoursePlan {
    /// 1 to 100 characters.
    pub title: String,
    /// What it is about, at most [`ABOUT_CHARS_MAX`] characters.
    pub about: String,
    /// Seconds of film that have to be watched, or credited where hours count; 0: every lesson to
    /// its end.
    pub required_s: u32,
    /// How fast a learner may watch, percent, 100 to 200.
    pub speed_percent: u32,
    /// What watching counts for.
    #[serde(default)]
    pub counts: Counts,
    /// Courses to complete before.
    pub prerequisites: Vec<CourseId>,
    /// In order.
    pub chapters: Vec<Chapter>,
}

/// A part of a course.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chapter {
    /// 1 to 100 characters.
    pub title: String,
    /// In order.
    pub lessons: Vec<CourseLesson>,
}

/// A film at its place in a course. Another film is another lesson.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CourseLesson {
    /// Its id.
    pub id: CourseLessonId,
    /// 1 to 100 characters.
    pub title: String,
    /// What is watched.
    pub film: FilmId,
}

/// A lesson as staff write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LessonDraft {
    /// Which one it was; none of a new one.
    pub id: Option<CourseLessonId>,
    /// Its title.
    pub title: String,
    /// What is watched.
    pub film: FilmId,
}

/// A course as staff write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CourseDraft {
    /// Its title.
    pub title: String,
    /// What it is about.
    pub about: String,
    /// Seconds of film that have to be watched.
    pub required_s: u32,
    /// How fast a learner may watch.
    pub speed_percent: u32,
    /// What watching counts for.
    pub counts: Counts,
    /// Courses to complete before.
    pub prerequisites: Vec<CourseId>,
    /// Titles of chapters and their lessons.
    pub chapters: Vec<(String, Vec<LessonDraft>)>,
}

/// A fact with whoever brought it about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedCourseFact {
    /// Who.
    pub by: AccountId,
    /// What.
    #[serde(flatten)]
    pub fact: CourseFact,
}

/// What happened to a course.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum CourseFact {
    /// It was made.
    CourseMade {
        /// Its id.
        course: CourseId,
        /// Whose.
        unit: UnitId,
        /// What it consists of.
        plan: CoursePlan,
    },
    /// It consists of something else.
    CourseChanged {
        /// Of what.
        plan: CoursePlan,
    },
    /// Others take it.
    CourseLearnersSet {
        /// Who takes it now.
        added: Vec<AccountId>,
        /// Who takes it no longer.
        removed: Vec<AccountId>,
    },
}

impl Course {
    /// The first fact of a course. Refuses as [`CoursePlan`] does.
    pub fn make(
        id: CourseId,
        unit: UnitId,
        draft: CourseDraft,
        now: DateTime<Utc>,
        entropy: &dyn Entropy,
    ) -> Result<CourseFact, Refusal> {
        let known = BTreeMap::new();
        let plan = checked(id, draft, &known, now, entropy)?;
        Ok(CourseFact::CourseMade {
            course: id,
            unit,
            plan,
        })
    }

    /// The course that a first fact makes; `None` of any other fact.
    pub fn from_first(first: &CourseFact) -> Option<Self> {
        let CourseFact::CourseMade { course, unit, plan } = first else {
            return None;
        };
        Some(Self {
            id: *course,
            unit: *unit,
            plan: plan.clone(),
        })
    }

    /// Makes it consist of something else; the same says nothing. Refuses with `film.title`,
    /// `course.about`, `course.hours`, `course.speed`, `course.prerequisites`, `course.lessons`.
    pub fn change(
        &self,
        draft: CourseDraft,
        now: DateTime<Utc>,
        entropy: &dyn Entropy,
    ) -> Result<Vec<CourseFact>, Refusal> {
        let known = self.lessons().map(|lesson| (lesson.id, lesson.film));
        let plan = checked(self.id, draft, &known.collect(), now, entropy)?;
        let changed = plan != self.plan;
        Ok(Vec::from_iter(
            changed.then_some(CourseFact::CourseChanged { plan }),
        ))
    }

    /// Takes a fact in. A first fact changes nothing here: see [`Course::from_first`].
    pub fn apply(&mut self, fact: &CourseFact) {
        match fact {
            CourseFact::CourseMade { .. } | CourseFact::CourseLearnersSet { .. } => {}
            CourseFact::CourseChanged { plan } => self.plan = plan.clone(),
        }
    }

    /// Its id.
    pub fn id(&self) -> CourseId {
        self.id
    }

    /// Whose.
    pub fn unit(&self) -> UnitId {
        self.unit
    }

    /// What it consists of.
    pub fn plan(&self) -> &CoursePlan {
        &self.plan
    }

    /// Its lessons in order.
    pub fn lessons(&self) -> impl Iterator<Item = &CourseLesson> {
        self.plan
            .chapters
            .iter()
            .flat_map(|chapter| &chapter.lessons)
    }

    /// One of its lessons.
    pub fn lesson(&self, id: CourseLessonId) -> Option<&CourseLesson> {
        self.lessons().find(|lesson| lesson.id == id)
    }
}

/// How far a learner is in one lesson.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Milliseconds from the beginning that were watched.
    pub watched_ms: u64,
    /// Seconds of it that are credited.
    pub credited_s: u64,
    /// It was watched to its end.
    pub finished: bool,
}

/// How far a learner is in a course.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Seconds watched, each second of film once.
    pub watched_s: u64,
    /// Seconds credited.
    pub credited_s: u64,
    /// Lessons watched to their end.
    pub lessons_finished: usize,
    /// Lessons in all.
    pub lessons: usize,
    /// What the course asks for is done.
    pub complete: bool,
}

/// Sums up; lessons that nobody began are not in `progress`.
pub fn standing(course: &Course, progress: &BTreeMap<CourseLessonId, Progress>) -> Standing {
    let of = |lesson: &CourseLesson| progress.get(&lesson.id).copied().unwrap_or_default();
    let watched_ms: u64 = course.lessons().map(|lesson| of(lesson).watched_ms).sum();
    let lessons = course.lessons().count();
    let lessons_finished = course
        .lessons()
        .filter(|lesson| of(lesson).finished)
        .count();
    let watched_s = watched_ms / 1_000;
    let credited_s = course.lessons().map(|lesson| of(lesson).credited_s).sum();
    let counted_s = match course.plan.counts.hours() {
        true => credited_s,
        false => watched_s,
    };
    let complete = match course.plan.required_s {
        0 => lessons > 0 && lessons_finished == lessons,
        required_s => counted_s >= u64::from(required_s),
    };
    Standing {
        watched_s,
        credited_s,
        lessons_finished,
        lessons,
        complete,
    }
}

fn checked(
    id: CourseId,
    draft: CourseDraft,
    known: &BTreeMap<CourseLessonId, FilmId>,
    now: DateTime<Utc>,
    entropy: &dyn Entropy,
) -> Result<CoursePlan, Refusal> {
    let about = draft.about.trim().to_owned();
    if about.chars().count() > ABOUT_CHARS_MAX {
        return Err(invalid(
            "course.about",
            "课程说明不能超过 2000 个字。",
            "A description has at most 2000 characters.",
        ));
    }
    if draft.required_s > REQUIRED_HOURS_MAX * 3_600 {
        return Err(invalid(
            "course.hours",
            "要求学时不能超过 1000 小时。",
            "A course asks for at most 1000 hours.",
        ));
    }
    let speeds = SPEED_PERCENT_MIN..=SPEED_PERCENT_MAX;
    if !speeds.contains(&draft.speed_percent) {
        return Err(too_fast());
    }
    let mut prerequisites = draft.prerequisites;
    prerequisites.sort();
    prerequisites.dedup();
    if prerequisites.len() > PREREQUISITES_MAX || prerequisites.contains(&id) {
        return Err(circular());
    }
    let lessons: usize = draft
        .chapters
        .iter()
        .map(|(_, lessons)| lessons.len())
        .sum();
    if draft.chapters.len() > CHAPTERS_MAX || lessons > LESSONS_MAX {
        return Err(too_many_lessons());
    }
    let mut taken = Vec::new();
    let mut chapters = Vec::with_capacity(draft.chapters.len());
    for (title, drafts) in draft.chapters {
        let mut lessons = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let same = |id: &CourseLessonId| known.get(id) == Some(&draft.film);
            let kept = draft.id.filter(same).filter(|id| !taken.contains(id));
            let id = kept.unwrap_or_else(|| CourseLessonId::new(now, entropy));
            taken.push(id);
            lessons.push(CourseLesson {
                id,
                title: checked_title(&draft.title)?,
                film: draft.film,
            });
        }
        let title = checked_title(&title)?;
        chapters.push(Chapter { title, lessons });
    }
    Ok(CoursePlan {
        title: checked_title(&draft.title)?,
        about,
        required_s: draft.required_s,
        speed_percent: draft.speed_percent,
        counts: draft.counts,
        prerequisites,
        chapters,
    })
}

/// A course would ask for itself, for too many, or for one that is not there.
pub fn circular() -> Refusal {
    invalid(
        "course.prerequisites",
        "先修课程最多 10 门，必须存在，且不能互相循环。",
        "At most 10 courses can be asked for; they exist and do not ask for each other.",
    )
}

fn too_fast() -> Refusal {
    invalid(
        "course.speed",
        "最高倍速应在 1.0 至 2.0 之间。",
        "The speed is 1.0 to 2.0.",
    )
}

fn too_many_lessons() -> Refusal {
    invalid(
        "course.lessons",
        "一门课程最多 50 章、300 节，且视频必须存在。",
        "A course has at most 50 chapters and 300 lessons, of films that exist.",
    )
}

/// A lesson names a film that is not there.
pub fn unknown_film() -> Refusal {
    too_many_lessons()
}

fn invalid(code: &'static str, zh: &str, en: &str) -> Refusal {
    Refusal::new(RefusalKind::Invalid, code, zh, en)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use uuid::Uuid;

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicU8);

    impl Entropy for Counted {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
        }
    }

    fn draft(lessons: Vec<LessonDraft>) -> CourseDraft {
        CourseDraft {
            title: "法治教育".to_owned(),
            about: String::new(),
            required_s: 0,
            speed_percent: 100,
            counts: Counts::Progress,
            prerequisites: Vec::new(),
            chapters: vec![("第一章".to_owned(), lessons)],
        }
    }

    fn lesson(id: Option<CourseLessonId>, film: u128) -> LessonDraft {
        LessonDraft {
            id,
            title: "第一节".to_owned(),
            film: FilmId(Uuid::from_u128(film)),
        }
    }

    fn course(draft: CourseDraft) -> Course {
        let (id, unit) = (CourseId(Uuid::from_u128(1)), UnitId(Uuid::from_u128(2)));
        let now = DateTime::UNIX_EPOCH;
        let first = Course::make(id, unit, draft, now, &Counted::default()).unwrap();
        Course::from_first(&first).unwrap()
    }

    #[test]
    fn another_film_is_another_lesson() {
        let entropy = Counted(AtomicU8::new(100));
        let mut course = course(draft(vec![lesson(None, 7), lesson(None, 8)]));
        let ids: Vec<_> = course.lessons().map(|lesson| lesson.id).collect();
        let moved = draft(vec![lesson(Some(ids[1]), 8), lesson(Some(ids[0]), 9)]);
        let facts = course
            .change(moved, DateTime::UNIX_EPOCH, &entropy)
            .unwrap();
        facts.iter().for_each(|fact| course.apply(fact));
        let after: Vec<_> = course.lessons().map(|lesson| lesson.id).collect();
        assert_eq!(after[0], ids[1]);
        assert!(!ids.contains(&after[1]), "its progress does not follow");
    }

    #[test]
    fn a_plan_beyond_its_bounds_is_refused() {
        let (id, unit) = (CourseId(Uuid::from_u128(1)), UnitId(Uuid::from_u128(2)));
        let code = |change: &dyn Fn(&mut CourseDraft)| {
            let mut draft = draft(Vec::new());
            change(&mut draft);
            let made = Course::make(id, unit, draft, DateTime::UNIX_EPOCH, &Counted::default());
            made.err().map(|refusal| refusal.code)
        };
        assert_eq!(code(&|_| {}), None);
        assert_eq!(code(&|d| d.title = " ".into()), Some("film.title"));
        assert_eq!(code(&|d| d.speed_percent = 201), Some("course.speed"));
        assert_eq!(code(&|d| d.required_s = 3_600_001), Some("course.hours"));
        let circular = Some("course.prerequisites");
        assert_eq!(code(&|d| d.prerequisites = vec![id]), circular);
        let many = Some("course.lessons");
        assert_eq!(
            code(&|d| d.chapters[0].1 = vec![lesson(None, 7); 301]),
            many
        );
    }

    #[test]
    fn a_course_is_complete_by_its_hours_or_by_all_of_its_lessons() {
        let whole = draft(vec![lesson(None, 7), lesson(None, 8)]);
        let by_hours = CourseDraft {
            required_s: 90,
            ..whole.clone()
        };
        let credited = CourseDraft {
            counts: Counts::Hours,
            ..by_hours.clone()
        };
        for (draft, expected) in [(whole, false), (by_hours, true), (credited, false)] {
            let course = course(draft);
            let first = course.lessons().next().unwrap().id;
            let done = Progress {
                watched_ms: 90_999,
                credited_s: 89,
                finished: true,
            };
            let standing = standing(&course, &BTreeMap::from([(first, done)]));
            assert_eq!((standing.watched_s, standing.lessons_finished), (90, 1));
            assert_eq!(standing.complete, expected);
        }
    }
}
