//! Faces: one's own enrolment, its approval, and the reviewer's desk.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use uuid::Uuid;

use super::error::Problem;
use super::extract::{Body, Id, Parameters, SignedIn};
use super::lessons::{media, signal_url};
use super::router::{Access, App, Route};
use super::units::UnitRef;
use super::{Page, page};
use crate::domain::classroom::check::Ruling;
use crate::domain::id::{AttendanceId, CheckId, FacePictureId, PersonId};
use crate::domain::policy::Capability;
use crate::service::classroom::reviews::{self, PictureView, ReviewView};
use crate::service::face::capture;
use crate::service::face::enrolment::{self, FaceMode, OwnFace};

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    let manage = Access::Capable(Capability::PeopleManage);
    vec![
        Route::new(Access::SignedIn, routes!(mine)),
        Route::new(Access::SignedIn, routes!(consent)),
        Route::new(Access::SignedIn, routes!(withdraw)),
        Route::new(Access::SignedIn, routes!(begin)),
        Route::new(manage, routes!(proposals)),
        Route::new(manage, routes!(portrait)),
        Route::new(manage, routes!(approve)),
        Route::new(manage, routes!(refuse)),
        Route::new(manage, routes!(waiting)),
        Route::new(manage, routes!(rule)),
        Route::new(Access::SignedIn, routes!(pictures)),
        Route::new(Access::SignedIn, routes!(picture)),
        Route::new(Access::SignedIn, routes!(decline)),
        Route::new(Access::Capable(Capability::LessonsManage), routes!(exempt)),
    ]
}

/// A text of consent that was read.
#[derive(Deserialize, ToSchema)]
struct Agreed {
    version: u32,
}

/// A place before the server's eyes.
#[derive(Serialize, ToSchema)]
struct CaptureRoom {
    /// For a LiveKit client.
    url: String,
    /// For a LiveKit client.
    token: String,
    /// Name of the room.
    room: String,
}

/// A page.
#[derive(Deserialize, IntoParams)]
struct PageQuery {
    /// From 1.
    page: Option<u32>,
    /// At most 200.
    page_size: Option<u32>,
}

/// Pictures that wait for approval.
#[derive(Serialize, ToSchema)]
struct Proposals {
    /// Longest waiting first.
    items: Vec<Proposal>,
    /// On all pages.
    total: u64,
    /// People whom the server knows by the face.
    known: u64,
    /// `evidence_only`, `faces` or `faces_and_actions`.
    #[schema(value_type = String)]
    mode: FaceMode,
}

/// Somebody whose pictures wait.
#[derive(Serialize, ToSchema)]
struct Proposal {
    person_id: Uuid,
    name: String,
    unit: UnitRef,
    since: DateTime<Utc>,
}

/// Why pictures are refused.
#[derive(Deserialize, ToSchema)]
struct Refusing {
    reason: String,
}

/// A decision about an outcome.
#[derive(Deserialize, ToSchema)]
struct Decision {
    /// `upheld` or `overturned`.
    #[schema(value_type = String)]
    ruling: Ruling,
}

/// One's own enrolment.
#[utoipa::path(get, path = "/api/me/face", tag = "faces",
    responses((status = 200, body = OwnFace)))]
async fn mine(State(app): State<App>, SignedIn(actor): SignedIn) -> Result<Json<OwnFace>, Problem> {
    Ok(Json(enrolment::mine(&app.context, &actor).await?))
}

/// Agrees to the use of one's face.
#[utoipa::path(post, path = "/api/me/face/consent", tag = "faces", request_body = Agreed,
    responses((status = 200, body = OwnFace)))]
async fn consent(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Body(agreed): Body<Agreed>,
) -> Result<Json<OwnFace>, Problem> {
    let face = enrolment::consent(&app.context, &actor, agreed.version).await?;
    Ok(Json(face))
}

/// Takes one's consent back; what was made of the face is deleted.
#[utoipa::path(delete, path = "/api/me/face", tag = "faces",
    responses((status = 200, body = OwnFace)))]
async fn withdraw(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
) -> Result<Json<OwnFace>, Problem> {
    Ok(Json(enrolment::withdraw(&app.context, &actor).await?))
}

/// Lets one's pictures be taken: publish a camera in this room.
#[utoipa::path(post, path = "/api/me/face/capture", tag = "faces",
    responses((status = 200, body = CaptureRoom)))]
async fn begin(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<CaptureRoom>, Problem> {
    let (room, token) = capture::begin(&app.context, &media(&app)?.call, &actor).await?;
    Ok(Json(CaptureRoom {
        url: signal_url(&uri, &headers, app.secure)?,
        token,
        room,
    }))
}

/// People whose pictures wait for approval.
#[utoipa::path(get, path = "/api/faces", tag = "faces", params(PageQuery),
    responses((status = 200, body = Proposals)))]
async fn proposals(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<Proposals>, Problem> {
    let (limit, offset) = page(query.page, query.page_size)?;
    let found = enrolment::proposals(&app.context, &actor, limit, offset).await?;
    let items = found.items.into_iter().map(|proposal| Proposal {
        person_id: proposal.person.id.0,
        name: proposal.person.name,
        unit: proposal.person.unit.into(),
        since: proposal.since,
    });
    Ok(Json(Proposals {
        items: items.collect(),
        total: found.total,
        known: found.known,
        mode: found.mode,
    }))
}

/// The picture of a person that people compare.
#[utoipa::path(get, path = "/api/faces/{id}/portrait", tag = "faces", params(("id" = Uuid, Path)),
    responses((status = 200, content_type = "image/webp")))]
async fn portrait(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<PersonId>,
) -> Result<Response, Problem> {
    let webp = enrolment::portrait(&app.context, &actor, id).await?;
    Ok(webp_response(webp))
}

/// Approves pictures.
#[utoipa::path(post, path = "/api/faces/{id}/approve", tag = "faces", params(("id" = Uuid, Path)),
    responses((status = 204)))]
async fn approve(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<PersonId>,
) -> Result<StatusCode, Problem> {
    enrolment::approve(&app.context, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses pictures.
#[utoipa::path(post, path = "/api/faces/{id}/refuse", tag = "faces", params(("id" = Uuid, Path)),
    request_body = Refusing, responses((status = 204)))]
async fn refuse(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<PersonId>,
    Body(refusing): Body<Refusing>,
) -> Result<StatusCode, Problem> {
    enrolment::refuse(&app.context, &actor, id, &refusing.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Attendances with outcomes that wait for a person.
#[utoipa::path(get, path = "/api/reviews", tag = "faces", params(PageQuery),
    responses((status = 200, body = Page<ReviewView>)))]
async fn waiting(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<Page<ReviewView>>, Problem> {
    let (limit, offset) = page(query.page, query.page_size)?;
    let (items, total) = reviews::list(&app.context, &actor, limit, offset).await?;
    Ok(Json(Page { items, total }))
}

/// Decides about the outcome of a check.
#[utoipa::path(post, path = "/api/checks/{id}/ruling", tag = "faces", params(("id" = Uuid, Path)),
    request_body = Decision, responses((status = 204)))]
async fn rule(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<CheckId>,
    Body(decision): Body<Decision>,
) -> Result<StatusCode, Problem> {
    reviews::rule(&app.context, &actor, id, decision.ruling).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is known of the pictures of a check.
#[utoipa::path(get, path = "/api/checks/{id}/pictures", tag = "faces",
    params(("id" = Uuid, Path)), responses((status = 200, body = Vec<PictureView>)))]
async fn pictures(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<CheckId>,
) -> Result<Json<Vec<PictureView>>, Problem> {
    let found = reviews::pictures(&app.context, &actor, id).await?;
    Ok(Json(found))
}

/// A picture that a finding rests on.
#[utoipa::path(get, path = "/api/pictures/{id}", tag = "faces", params(("id" = Uuid, Path)),
    responses((status = 200, content_type = "image/webp")))]
async fn picture(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<FacePictureId>,
) -> Result<Response, Problem> {
    let webp = reviews::picture(&app.context, &actor, id).await?;
    Ok(webp_response(webp))
}

/// Says no to an open check.
#[utoipa::path(post, path = "/api/checks/{id}/refuse", tag = "attendances",
    params(("id" = Uuid, Path)), responses((status = 204)))]
async fn decline(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<CheckId>,
) -> Result<StatusCode, Problem> {
    reviews::refuse(&app.context, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts a learner on the route without a camera for this lesson.
#[utoipa::path(post, path = "/api/attendances/{id}/exempt", tag = "attendances",
    params(("id" = Uuid, Path)), responses((status = 204)))]
async fn exempt(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<AttendanceId>,
) -> Result<StatusCode, Problem> {
    reviews::exempt(&app.context, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A face is nothing for caches.
fn webp_response(webp: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "image/webp"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, webp).into_response()
}
