//! Courses of lessons on demand: made by staff, taken by learners.

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::UtoipaMethodRouterExt as _;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Items;
use super::error::Problem;
use super::extract::{Body, Id, SignedIn};
use super::people::Person;
use super::router::{Access, App, Route};
use crate::domain::id::{AccountId, CourseId, CourseLessonId, FilmId, UnitId};
use crate::domain::library::course::{Counts, CourseDraft, LessonDraft};
use crate::domain::policy::Capability;
use crate::service::library::{self, CourseView, LearnerStanding, MyCourse};

/// Largest plan of a course, bytes: 300 lessons with long titles.
const PLAN_BYTES_MAX: usize = 256 * 1024;

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    let manage = Access::Capable(Capability::LessonsManage);
    let large = DefaultBodyLimit::max(PLAN_BYTES_MAX);
    vec![
        Route::new(manage, routes!(list)),
        Route::new(manage, routes!(create).layer(large)),
        Route::new(manage, routes!(get)),
        Route::new(
            manage,
            routes!(change).layer(DefaultBodyLimit::max(PLAN_BYTES_MAX)),
        ),
        Route::new(manage, routes!(learners)),
        Route::new(manage, routes!(set_learners)),
        Route::new(manage, routes!(progress)),
        Route::new(Access::SignedIn, routes!(mine)),
    ]
}

/// A course to make.
#[derive(Deserialize, ToSchema)]
struct NewCourse {
    unit_id: Uuid,
    #[serde(flatten)]
    plan: CoursePlan,
}

/// What a course consists of.
#[derive(Deserialize, ToSchema)]
struct CoursePlan {
    /// 1 to 100 characters.
    title: String,
    /// At most 2,000 characters.
    #[serde(default)]
    about: String,
    /// Seconds of film that have to be watched, or credited where hours count; 0: every lesson to
    /// its end.
    #[serde(default)]
    required_s: u32,
    /// How fast a learner may watch, percent, 100 to 200.
    #[serde(default = "ordinary_speed")]
    speed_percent: u32,
    /// What watching counts for: `progress`, `hours` or `hours_by_face`.
    #[serde(default)]
    #[schema(value_type = String)]
    counts: Counts,
    /// Courses to complete before, at most 10.
    #[serde(default)]
    prerequisite_ids: Vec<Uuid>,
    /// At most 50, with at most 300 lessons.
    #[serde(default)]
    chapters: Vec<ChapterPlan>,
}

/// A part of a course.
#[derive(Deserialize, ToSchema)]
struct ChapterPlan {
    /// 1 to 100 characters.
    title: String,
    lessons: Vec<CourseLessonPlan>,
}

/// A film at its place. With another film than before it is another lesson.
#[derive(Deserialize, ToSchema)]
struct CourseLessonPlan {
    /// Which one it was; none of a new one.
    id: Option<Uuid>,
    /// 1 to 100 characters.
    title: String,
    film_id: Uuid,
}

/// Accounts of learners.
#[derive(Deserialize, ToSchema)]
struct CourseLearnerIds {
    learner_ids: Vec<Uuid>,
}

fn ordinary_speed() -> u32 {
    100
}

impl From<CoursePlan> for CourseDraft {
    fn from(plan: CoursePlan) -> Self {
        let chapters = plan.chapters.into_iter().map(|chapter| {
            let lessons = chapter.lessons.into_iter().map(|lesson| LessonDraft {
                id: lesson.id.map(CourseLessonId),
                title: lesson.title,
                film: FilmId(lesson.film_id),
            });
            (chapter.title, lessons.collect())
        });
        Self {
            title: plan.title,
            about: plan.about,
            required_s: plan.required_s,
            speed_percent: plan.speed_percent,
            counts: plan.counts,
            prerequisites: plan.prerequisite_ids.into_iter().map(CourseId).collect(),
            chapters: chapters.collect(),
        }
    }
}

/// Courses that one may use, newest first, at most 200.
#[utoipa::path(get, path = "/api/courses", tag = "courses",
    responses((status = 200, body = Items<CourseView>)))]
async fn list(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
) -> Result<Json<Items<CourseView>>, Problem> {
    let items = library::courses(&app.context, &actor).await?;
    Ok(Json(Items { items }))
}

/// Makes a course.
#[utoipa::path(post, path = "/api/courses", tag = "courses", request_body = NewCourse,
    responses((status = 201, body = CourseView)))]
async fn create(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Body(new): Body<NewCourse>,
) -> Result<(StatusCode, Json<CourseView>), Problem> {
    let unit = UnitId(new.unit_id);
    let course = library::create_course(&app.context, &actor, unit, new.plan.into()).await?;
    Ok((StatusCode::CREATED, Json(course)))
}

/// A course.
#[utoipa::path(get, path = "/api/courses/{id}", tag = "courses", params(("id" = Uuid, Path)),
    responses((status = 200, body = CourseView)))]
async fn get(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<CourseId>,
) -> Result<Json<CourseView>, Problem> {
    Ok(Json(library::course(&app.context, &actor, id).await?))
}

/// Makes a course consist of something else. What was watched of lessons that stay, stays.
#[utoipa::path(put, path = "/api/courses/{id}", tag = "courses", params(("id" = Uuid, Path)),
    request_body = CoursePlan, responses((status = 200, body = CourseView)))]
async fn change(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<CourseId>,
    Body(plan): Body<CoursePlan>,
) -> Result<Json<CourseView>, Problem> {
    let course = library::change_course(&app.context, &actor, id, plan.into()).await?;
    Ok(Json(course))
}

/// Who takes a course.
#[utoipa::path(get, path = "/api/courses/{id}/learners", tag = "courses",
    params(("id" = Uuid, Path)), responses((status = 200, body = Items<Person>)))]
async fn learners(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<CourseId>,
) -> Result<Json<Items<Person>>, Problem> {
    let people = library::course_learners(&app.context, &actor, id).await?;
    Ok(Json(Items {
        items: people.into_iter().map(Person::from).collect(),
    }))
}

/// Says who takes a course.
#[utoipa::path(put, path = "/api/courses/{id}/learners", tag = "courses",
    params(("id" = Uuid, Path)), request_body = CourseLearnerIds, responses((status = 204)))]
async fn set_learners(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<CourseId>,
    Body(wanted): Body<CourseLearnerIds>,
) -> Result<StatusCode, Problem> {
    let wanted = wanted.learner_ids.into_iter().map(AccountId).collect();
    library::set_course_learners(&app.context, &actor, id, wanted).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How far everybody is in a course.
#[utoipa::path(get, path = "/api/courses/{id}/progress", tag = "courses",
    params(("id" = Uuid, Path)), responses((status = 200, body = Items<LearnerStanding>)))]
async fn progress(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<CourseId>,
) -> Result<Json<Items<LearnerStanding>>, Problem> {
    let items = library::course_progress(&app.context, &actor, id).await?;
    Ok(Json(Items { items }))
}

/// The courses that one takes, with how far one is; newest first, at most 200.
#[utoipa::path(get, path = "/api/me/courses", tag = "courses",
    responses((status = 200, body = Items<MyCourse>)))]
async fn mine(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
) -> Result<Json<Items<MyCourse>>, Problem> {
    let items = library::my_courses(&app.context, &actor).await?;
    Ok(Json(Items { items }))
}
