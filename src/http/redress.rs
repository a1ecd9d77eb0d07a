//! Appeals against withheld time, and adjustments of credit.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use uuid::Uuid;

use super::error::Problem;
use super::extract::{Body, Id, Parameters, SignedIn};
use super::page;
use super::router::{Access, App, Route};
use crate::domain::classroom::span::Span;
use crate::domain::id::{AdjustmentId, AppealId, AttendanceId};
use crate::domain::policy::Capability;
use crate::service::classroom::redress::{self, RedressView};

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    let manage = Access::Capable(Capability::PeopleManage);
    vec![
        Route::new(Access::SignedIn, routes!(appeal)),
        Route::new(Access::SignedIn, routes!(withdraw)),
        Route::new(manage, routes!(waiting)),
        Route::new(manage, routes!(decide)),
        Route::new(manage, routes!(propose)),
        Route::new(manage, routes!(second)),
    ]
}

/// An appeal against one withheld stretch, exactly as the attendance shows it.
#[derive(Deserialize, ToSchema)]
struct NewAppeal {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    /// At most 1,000 characters.
    text: String,
}

/// Which appeal.
#[derive(Deserialize, ToSchema)]
struct AppealRef {
    appeal_id: Uuid,
}

/// A decision about an appeal.
#[derive(Deserialize, ToSchema)]
struct AppealDecision {
    appeal_id: Uuid,
    /// The learner is right.
    upheld: bool,
    /// At most 500 characters; the learner reads it.
    reason: String,
}

/// Seconds to add or take.
#[derive(Deserialize, ToSchema)]
struct NewAdjustment {
    /// Negative takes; at most 8 hours.
    seconds: i64,
    /// At most 500 characters.
    reason: String,
}

/// A second person's word.
#[derive(Deserialize, ToSchema)]
struct AdjustmentDecision {
    adjustment_id: Uuid,
    approved: bool,
}

/// A page.
#[derive(Deserialize, IntoParams)]
struct PageQuery {
    /// From 1.
    page: Option<u32>,
    /// At most 200.
    page_size: Option<u32>,
}

/// What waits, and how decisions went so far.
#[derive(Serialize, ToSchema)]
struct Waiting {
    /// Longest waiting first.
    items: Vec<RedressView>,
    /// On all pages.
    total: u64,
    /// Appeals decided.
    decided: u64,
    /// Those of them that found the learner right.
    upheld: u64,
}

/// Appeals against a withheld stretch of one's own.
#[utoipa::path(post, path = "/api/attendances/{id}/appeals", tag = "appeals",
    params(("id" = Uuid, Path)), request_body = NewAppeal, responses((status = 204)))]
async fn appeal(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<AttendanceId>,
    Body(new): Body<NewAppeal>,
) -> Result<StatusCode, Problem> {
    let span = Span::new(new.from, new.to);
    redress::appeal(&app.context, &actor, id, span, &new.text).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes an appeal of one's own back.
#[utoipa::path(post, path = "/api/attendances/{id}/appeals/withdraw", tag = "appeals",
    params(("id" = Uuid, Path)), request_body = AppealRef, responses((status = 204)))]
async fn withdraw(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<AttendanceId>,
    Body(which): Body<AppealRef>,
) -> Result<StatusCode, Problem> {
    redress::withdraw(&app.context, &actor, id, AppealId(which.appeal_id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Attendances with appeals or adjustments that wait.
#[utoipa::path(get, path = "/api/appeals", tag = "appeals", params(PageQuery),
    responses((status = 200, body = Waiting)))]
async fn waiting(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<Waiting>, Problem> {
    let (limit, offset) = page(query.page, query.page_size)?;
    let found = redress::waiting(&app.context, &actor, limit, offset).await?;
    Ok(Json(Waiting {
        items: found.items,
        total: found.total,
        decided: found.decided,
        upheld: found.upheld,
    }))
}

/// Decides about an appeal.
#[utoipa::path(post, path = "/api/attendances/{id}/appeals/decide", tag = "appeals",
    params(("id" = Uuid, Path)), request_body = AppealDecision, responses((status = 204)))]
async fn decide(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<AttendanceId>,
    Body(decision): Body<AppealDecision>,
) -> Result<StatusCode, Problem> {
    let appeal = AppealId(decision.appeal_id);
    let said = (decision.upheld, decision.reason.as_str());
    redress::decide_appeal(&app.context, &actor, id, appeal, said).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Proposes to add seconds to an attendance, or to take some.
#[utoipa::path(post, path = "/api/attendances/{id}/adjustments", tag = "appeals",
    params(("id" = Uuid, Path)), request_body = NewAdjustment, responses((status = 204)))]
async fn propose(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<AttendanceId>,
    Body(new): Body<NewAdjustment>,
) -> Result<StatusCode, Problem> {
    let proposed = (new.seconds, new.reason.as_str());
    redress::propose(&app.context, &actor, id, proposed).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says yes or no to an adjustment as the second person.
#[utoipa::path(post, path = "/api/attendances/{id}/adjustments/decide", tag = "appeals",
    params(("id" = Uuid, Path)), request_body = AdjustmentDecision, responses((status = 204)))]
async fn second(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<AttendanceId>,
    Body(decision): Body<AdjustmentDecision>,
) -> Result<StatusCode, Problem> {
    let word = (AdjustmentId(decision.adjustment_id), decision.approved);
    redress::second(&app.context, &actor, id, word).await?;
    Ok(StatusCode::NO_CONTENT)
}
