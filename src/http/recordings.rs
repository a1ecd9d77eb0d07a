//! Recordings: beginning and ending them in a lesson, and looking at them.

use std::io;
use std::pin::Pin;

use async_stream::try_stream;
use axum::Json;
use axum::body::Body as Answer;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use uuid::Uuid;

use super::error::Problem;
use super::extract::{Body, Id, Parameters, SignedIn};
use super::router::{Access, App, Route};
use super::{Page, page};
use crate::domain::id::{LessonId, RecordedTrackId, RecordingId};
use crate::domain::policy::Capability;
use crate::service::recording::view::{EntryView, ListedRecording, RecordingDetail, RecordingView};
use crate::service::recording::{self, Order};

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    let manage = Access::Capable(Capability::LessonsManage);
    vec![
        Route::new(manage, routes!(order)),
        Route::new(manage, routes!(list)),
        Route::new(manage, routes!(get)),
        Route::new(manage, routes!(entries)),
        Route::new(manage, routes!(segment)),
        // A download is a plain link.
        Route::new(Access::Stream, routes!(export)),
    ]
}

/// What is asked of the recording of a lesson.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RecordingAction {
    /// Begin one.
    Start,
    /// Leave something out; needs a reason.
    Pause,
    /// Go on.
    Resume,
    /// End it.
    Stop,
}

/// What is asked of the recording of a lesson.
#[derive(Deserialize, ToSchema)]
struct RecordingOrder {
    action: RecordingAction,
    /// Why it is paused; at most 200 characters.
    reason: Option<String>,
}

/// Which recordings to list.
#[derive(Deserialize, IntoParams)]
struct RecordingsQuery {
    /// Of this lesson alone.
    lesson_id: Option<Uuid>,
    /// From 1.
    page: Option<u32>,
    /// At most 200.
    page_size: Option<u32>,
}

/// From where on.
#[derive(Deserialize, IntoParams)]
struct EntriesQuery {
    /// From which entry on; from the first when absent.
    from: Option<u64>,
}

/// Which tracks to export.
#[derive(Deserialize, IntoParams)]
struct ExportQuery {
    /// Ids of tracks, separated by commas; all when absent, at most 64.
    tracks: Option<String>,
}

/// A stretch of a track's chain.
#[derive(Serialize, ToSchema)]
struct Entries {
    /// Segments and gaps in order; no time is left out.
    items: Vec<EntryView>,
    /// Where to go on, if there are more.
    next: Option<u64>,
}

/// A file as it is made.
type Parts = Pin<Box<dyn Stream<Item = io::Result<Vec<u8>>> + Send>>;

/// Begins, pauses, resumes or ends the recording of a lesson that is being held.
#[utoipa::path(post, path = "/api/lessons/{id}/recording", tag = "recordings",
    params(("id" = Uuid, Path)), request_body = RecordingOrder,
    responses((status = 200, body = RecordingView)))]
async fn order(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<LessonId>,
    Body(asked): Body<RecordingOrder>,
) -> Result<Json<RecordingView>, Problem> {
    let order = match asked.action {
        RecordingAction::Start => Order::Start,
        RecordingAction::Pause => Order::Pause {
            reason: asked.reason.unwrap_or_default(),
        },
        RecordingAction::Resume => Order::Resume,
        RecordingAction::Stop => Order::Stop,
    };
    let view = recording::order(&app.context, &actor, id, order).await?;
    Ok(Json(view))
}

/// Recordings of lessons that one teaches or runs, the newest first.
#[utoipa::path(get, path = "/api/recordings", tag = "recordings", params(RecordingsQuery),
    responses((status = 200, body = Page<ListedRecording>)))]
async fn list(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Parameters(query): Parameters<RecordingsQuery>,
) -> Result<Json<Page<ListedRecording>>, Problem> {
    let rows = page(query.page, query.page_size)?;
    let lesson = query.lesson_id.map(LessonId);
    let (items, total) = recording::list(&app.context, &actor, lesson, rows).await?;
    Ok(Json(Page { items, total }))
}

/// A recording with its tracks.
#[utoipa::path(get, path = "/api/recordings/{id}", tag = "recordings",
    params(("id" = Uuid, Path)), responses((status = 200, body = RecordingDetail)))]
async fn get(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<RecordingId>,
) -> Result<Json<RecordingDetail>, Problem> {
    Ok(Json(recording::get(&app.context, &actor, id).await?))
}

/// Segments and gaps of a track, at most 1,000 at once.
#[utoipa::path(get, path = "/api/recordings/{id}/tracks/{track}/entries", tag = "recordings",
    params(("id" = Uuid, Path), ("track" = Uuid, Path), EntriesQuery),
    responses((status = 200, body = Entries)))]
async fn entries(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    path: Result<Path<(Uuid, Uuid)>, PathRejection>,
    Parameters(query): Parameters<EntriesQuery>,
) -> Result<Json<Entries>, Problem> {
    let Path((id, track)) = path.map_err(|_| Problem::not_found())?;
    let (id, track) = (RecordingId(id), RecordedTrackId(track));
    let from = query.from.unwrap_or(0);
    let page = recording::entries(&app.context, &actor, id, track, from).await?;
    Ok(Json(Entries {
        items: page.entries,
        next: page.next,
    }))
}

/// A segment, which plays by itself when it says so; its times count from the recording's
/// beginning.
#[utoipa::path(get, path = "/api/recordings/{id}/tracks/{track}/segments/{sequence}",
    tag = "recordings",
    params(("id" = Uuid, Path), ("track" = Uuid, Path), ("sequence" = u64, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "video/webm")))]
async fn segment(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    path: Result<Path<(Uuid, Uuid, u64)>, PathRejection>,
) -> Result<Response, Problem> {
    let Path((id, track, sequence)) = path.map_err(|_| Problem::not_found())?;
    let (id, track) = (RecordingId(id), RecordedTrackId(track));
    let segment = recording::segment(&app.context, &actor, id, track, sequence).await?;
    let headers = [
        (header::CONTENT_TYPE, segment.media_type),
        (header::CACHE_CONTROL, "private, no-store"),
    ];
    Ok((headers, segment.file).into_response())
}

/// Tracks of a recording as one file, muxed and not transcoded. The access token may stand in the
/// query, because a download is a plain link.
#[utoipa::path(get, path = "/api/recordings/{id}/export", tag = "recordings",
    params(("id" = Uuid, Path), ExportQuery),
    responses((status = 200, body = Vec<u8>, content_type = "video/webm")))]
async fn export(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<RecordingId>,
    Parameters(query): Parameters<ExportQuery>,
) -> Result<Response, Problem> {
    let names = query.tracks.as_deref().unwrap_or_default().split(',');
    let tracks = names.filter(|name| !name.is_empty()).map(str::parse);
    let tracks: Result<Vec<RecordedTrackId>, _> = tracks.collect();
    let tracks = tracks.map_err(|_| Problem::malformed())?;
    let mut export = recording::export(&app.context, &actor, id, &tracks).await?;
    let media_type = export.media_type();
    let ending = media_type.rsplit('/').next().unwrap_or_default();
    let ending = if ending == "webm" { "webm" } else { "mkv" };
    let disposition = format!("attachment; filename=\"recording-{id}.{ending}\"");
    let parts: Parts = Box::pin(try_stream! {
        while let Some(part) = export.next().await.map_err(io::Error::other)? {
            yield part;
        }
    });
    let body = Answer::from_stream(parts);
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-store"),
    );
    if let Ok(disposition) = HeaderValue::try_from(disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}
