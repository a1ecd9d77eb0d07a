//! Attendances: one's own record, heartbeats, and answers to checks.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::error::Problem;
use super::extract::{Body, Id, Parameters, SignedIn};
use super::page;
use super::router::{Access, App, Route};
use crate::domain::classroom::check::{Answer, Outcome};
use crate::domain::id::{AttendanceId, CheckId};
use crate::service::classroom;
use crate::service::classroom::Heartbeat;
use crate::service::classroom::view::{AttendanceSummary, AttendanceView, PromptView};

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Access::SignedIn, routes!(mine)),
        Route::new(Access::SignedIn, routes!(get)),
        Route::new(Access::SignedIn, routes!(heartbeat)),
        Route::new(Access::SignedIn, routes!(answer)),
    ]
}

/// A page of one's own record.
#[derive(Deserialize, IntoParams)]
struct RecordQuery {
    /// From 1.
    page: Option<u32>,
    /// At most 200.
    page_size: Option<u32>,
}

/// One's own record.
#[derive(Serialize, ToSchema)]
struct Record {
    /// Newest first.
    items: Vec<AttendanceSummary>,
    /// Attendances on all pages.
    total: u64,
    /// What all of them earned.
    credited_seconds_total: u64,
}

/// What the browser says of itself.
#[derive(Deserialize, ToSchema)]
struct Beat {
    /// The page is in the foreground.
    visible: bool,
    /// The lesson plays.
    playing: bool,
    /// The device that says so.
    device_id: String,
}

/// The answer to a heartbeat.
#[derive(Serialize, ToSchema)]
struct Heard {
    /// The server's clock.
    server_time: DateTime<Utc>,
    /// Result so far.
    credited_seconds: u64,
    /// The open prompt.
    prompt: Option<PromptView>,
    /// The learner is known by the face here; false on the route without a camera.
    faces: bool,
    /// The camera that must show a face shows nothing: time does not count.
    dark: bool,
}

/// An answer to a check.
#[derive(Deserialize, ToSchema)]
struct CheckAnswer {
    /// Of the prompt's present try.
    nonce: String,
    #[schema(value_type = Object)]
    answer: Given,
}

/// `{"present": true}`, `{"keys": ["b"]}` or `{"text": "3.14"}`.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Given {
    Present { present: bool },
    Keys { keys: Vec<String> },
    Text { text: String },
}

/// What came of an answer.
#[derive(Serialize, ToSchema)]
struct Answered {
    /// How the check ended, or `wrong` with tries left.
    #[schema(value_type = String)]
    outcome: Outcome,
    /// Tries left.
    attempts_left: u32,
    /// Result so far.
    credited_seconds: u64,
}

/// One's own attendances.
#[utoipa::path(get, path = "/api/me/attendances", tag = "attendances", params(RecordQuery),
    responses((status = 200, body = Record)))]
async fn mine(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Parameters(query): Parameters<RecordQuery>,
) -> Result<Json<Record>, Problem> {
    let (limit, offset) = page(query.page, query.page_size)?;
    let (items, total, credited_seconds_total) =
        classroom::mine(&app.context, &actor, limit, offset).await?;
    Ok(Json(Record {
        items,
        total,
        credited_seconds_total,
    }))
}

/// An attendance with its timeline, to its learner and to those who run the lesson.
#[utoipa::path(get, path = "/api/attendances/{id}", tag = "attendances",
    params(("id" = Uuid, Path)), responses((status = 200, body = AttendanceView)))]
async fn get(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<AttendanceId>,
) -> Result<Json<AttendanceView>, Problem> {
    Ok(Json(classroom::attendance(&app.context, &actor, id).await?))
}

/// Says every five seconds that the page plays in front; it can only reduce credit.
#[utoipa::path(post, path = "/api/attendances/{id}/heartbeat", tag = "attendances",
    params(("id" = Uuid, Path)), request_body = Beat, responses((status = 200, body = Heard)))]
async fn heartbeat(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<AttendanceId>,
    Body(beat): Body<Beat>,
) -> Result<Json<Heard>, Problem> {
    let Beat {
        visible,
        playing,
        device_id: device,
    } = beat;
    let beat = Heartbeat {
        visible,
        playing,
        device,
    };
    let heard = classroom::heartbeat(&app.context, &actor, id, &beat).await?;
    Ok(Json(Heard {
        server_time: heard.server_time,
        credited_seconds: heard.credited_seconds,
        prompt: heard.prompt,
        faces: heard.faces,
        dark: heard.dark,
    }))
}

/// Answers a check.
#[utoipa::path(post, path = "/api/checks/{id}/answer", tag = "attendances",
    params(("id" = Uuid, Path)), request_body = CheckAnswer,
    responses((status = 200, body = Answered)))]
async fn answer(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<CheckId>,
    Body(given): Body<CheckAnswer>,
) -> Result<Json<Answered>, Problem> {
    let answer = match given.answer {
        Given::Present { present: true } => Answer::Present,
        Given::Present { present: false } => return Err(Problem::malformed()),
        Given::Keys { keys } => Answer::Keys(keys),
        Given::Text { text } => Answer::Text(text),
    };
    let answered = classroom::answer(&app.context, &actor, id, &given.nonce, &answer).await?;
    Ok(Json(Answered {
        outcome: answered.outcome,
        attempts_left: answered.attempts_left,
        credited_seconds: answered.credited_seconds,
    }))
}
