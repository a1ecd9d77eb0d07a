//! Rounds: what is put to a whole class, counted live, and polls.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::Items;
use super::error::Problem;
use super::extract::{Body, Id, SignedIn};
use super::router::{Access, App, Route};
use crate::domain::classroom::round::Poll;
use crate::domain::id::{LessonId, RoundId};
use crate::domain::policy::Capability;
use crate::service::classroom::{self, LearnerRound, StaffRound};

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    let manage = Access::Capable(Capability::LessonsManage);
    vec![
        Route::new(manage, routes!(list)),
        Route::new(manage, routes!(poll)),
        Route::new(manage, routes!(close)),
        Route::new(Access::SignedIn, routes!(shown)),
        Route::new(Access::SignedIn, routes!(vote)),
    ]
}

/// A poll to put to a class.
#[derive(Deserialize, ToSchema)]
struct PollDraft {
    /// What is asked.
    text: String,
    /// Two to eight.
    options: Vec<String>,
    /// Several may be chosen.
    #[serde(default)]
    multiple: bool,
    /// How long it is open: 10 to 600.
    #[serde(default = "poll_seconds")]
    seconds: u32,
}

fn poll_seconds() -> u32 {
    60
}

/// A vote.
#[derive(Deserialize, ToSchema)]
struct Vote {
    /// Places of options, from 0.
    options: Vec<u8>,
}

/// The last 20 rounds of a lesson, newest first, with their counts.
#[utoipa::path(get, path = "/api/lessons/{id}/rounds", tag = "rounds",
    params(("id" = Uuid, Path)), responses((status = 200, body = Items<StaffRound>)))]
async fn list(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
) -> Result<Json<Items<StaffRound>>, Problem> {
    let items = classroom::rounds(&app.context, &actor, id).await?;
    Ok(Json(Items { items }))
}

/// Of the last 20 rounds of a lesson what learners may see: polls, and questions that are over.
#[utoipa::path(get, path = "/api/lessons/{id}/rounds/shown", tag = "rounds",
    params(("id" = Uuid, Path)), responses((status = 200, body = Items<LearnerRound>)))]
async fn shown(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
) -> Result<Json<Items<LearnerRound>>, Problem> {
    let items = classroom::shown_rounds(&app.context, &actor, id).await?;
    Ok(Json(Items { items }))
}

/// Puts a poll to everybody: nobody is checked by it, and nobody's vote is known.
#[utoipa::path(post, path = "/api/lessons/{id}/poll", tag = "rounds",
    params(("id" = Uuid, Path)), request_body = PollDraft,
    responses((status = 201, body = StaffRound)))]
async fn poll(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
    Body(draft): Body<PollDraft>,
) -> Result<(StatusCode, Json<StaffRound>), Problem> {
    let PollDraft {
        text,
        options,
        multiple,
        seconds,
    } = draft;
    let poll = Poll {
        text,
        options,
        multiple,
    };
    let round = classroom::poll_now(&app.context, &actor, id, poll, seconds).await?;
    Ok((StatusCode::CREATED, Json(round)))
}

/// Ends a poll before its time.
#[utoipa::path(post, path = "/api/rounds/{id}/close", tag = "rounds",
    params(("id" = Uuid, Path)), responses((status = 200, body = StaffRound)))]
async fn close(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<RoundId>,
) -> Result<Json<StaffRound>, Problem> {
    Ok(Json(classroom::close_poll(&app.context, &actor, id).await?))
}

/// Votes in a poll, once.
#[utoipa::path(post, path = "/api/rounds/{id}/vote", tag = "rounds",
    params(("id" = Uuid, Path)), request_body = Vote, responses((status = 204)))]
async fn vote(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<RoundId>,
    Body(vote): Body<Vote>,
) -> Result<StatusCode, Problem> {
    classroom::vote(&app.context, &actor, id, &vote.options).await?;
    Ok(StatusCode::NO_CONTENT)
}
