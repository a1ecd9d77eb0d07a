//! Playing lessons on demand: media comes no faster than it can be watched.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use super::error::Problem;
use super::extract::{Body, Id, SignedIn};
use super::router::{Access, App, Route};
use crate::domain::id::{CourseLessonId, FilmId, PlaybackId};
use crate::domain::library::cut::{CutFile, Rendition};
use crate::domain::library::viewing::Beat;
use crate::domain::policy::Capability;
use crate::service::library::{self, Earned, Handed, Play, PlayState};

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    let manage = Access::Capable(Capability::LessonsManage);
    vec![
        Route::new(Access::SignedIn, routes!(play)),
        Route::new(Access::SignedIn, routes!(media)),
        Route::new(Access::SignedIn, routes!(beat)),
        Route::new(Access::SignedIn, routes!(stop)),
        Route::new(Access::SignedIn, routes!(earned)),
        Route::new(Access::SignedIn, routes!(sign_out)),
        Route::new(manage, routes!(preview)),
    ]
}

/// Who plays, with what.
#[derive(Deserialize, ToSchema)]
struct Player {
    /// Random name of the device, kept by the browser; 1 to 64 bytes.
    device_id: String,
    /// Ends what plays on another device.
    #[serde(default)]
    take_over: bool,
}

/// What a player says. It can only hold back what counts as watched.
#[derive(Deserialize, ToSchema)]
struct PlayerBeat {
    /// Where it is, milliseconds.
    position_ms: u64,
    /// It plays.
    playing: bool,
    /// It is in the foreground.
    visible: bool,
}

/// Plays a lesson, or goes on with it ten seconds before what was watched last.
#[utoipa::path(post, path = "/api/course-lessons/{id}/play", tag = "playing",
    params(("id" = Uuid, Path)), request_body = Player, responses((status = 200, body = Play)))]
async fn play(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<CourseLessonId>,
    Body(player): Body<Player>,
) -> Result<Json<Play>, Problem> {
    let with = (player.device_id, player.take_over);
    let play = library::play(&app.context, &actor, id, with).await?;
    Ok(Json(play))
}

/// A file of what plays: `master.m3u8`, `sound.m3u8`, and what they name. A segment that lies ahead
/// is 429 `playback.ahead` with `Retry-After`.
#[utoipa::path(get, path = "/api/playbacks/{id}/media/{file}", tag = "playing",
    params(("id" = Uuid, Path), ("file" = String, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "video/mp4")))]
async fn media(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Path((id, file)): Path<(Uuid, String)>,
) -> Result<Response, Problem> {
    let file = file.parse().map_err(|_| Problem::not_found())?;
    match library::hand(&app.context, &actor, PlaybackId(id), file).await? {
        Handed::Media(file, bytes) => Ok(of_film(file, bytes)),
        Handed::Wait {
            refusal,
            retry_after_s,
        } => Err(Problem::from(refusal).retry_after(retry_after_s)),
    }
}

/// Says where a player is, every five seconds and when it stops; tells how far one is.
#[utoipa::path(post, path = "/api/playbacks/{id}/beat", tag = "playing",
    params(("id" = Uuid, Path)), request_body = PlayerBeat,
    responses((status = 200, body = PlayState)))]
async fn beat(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<PlaybackId>,
    Body(said): Body<PlayerBeat>,
) -> Result<Json<PlayState>, Problem> {
    let beat = Beat {
        position_ms: said.position_ms,
        watching: said.playing && said.visible,
    };
    Ok(Json(library::beat(&app.context, &actor, id, beat).await?))
}

/// Ends a playback.
#[utoipa::path(post, path = "/api/playbacks/{id}/end", tag = "playing",
    params(("id" = Uuid, Path)), responses((status = 204)))]
async fn stop(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<PlaybackId>,
) -> Result<StatusCode, Problem> {
    library::stop(&app.context, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What one earned of a lesson on demand, and what can be made up by watching it again.
#[utoipa::path(get, path = "/api/course-lessons/{id}/earned", tag = "playing",
    params(("id" = Uuid, Path)), responses((status = 200, body = Earned)))]
async fn earned(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<CourseLessonId>,
) -> Result<Json<Earned>, Problem> {
    Ok(Json(library::earned_of(&app.context, &actor, id).await?))
}

/// Ends the lesson in which watching counts: a last check closes what was watched, and what was
/// withheld can be made up from then on.
#[utoipa::path(post, path = "/api/course-lessons/{id}/sign-out", tag = "playing",
    params(("id" = Uuid, Path)), responses((status = 204)))]
async fn sign_out(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<CourseLessonId>,
) -> Result<StatusCode, Problem> {
    library::sign_out(&app.context, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A file of a film, for staff, who may look at it as they like.
#[utoipa::path(get, path = "/api/library/films/{id}/media/{file}", tag = "library",
    params(("id" = Uuid, Path), ("file" = String, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "video/mp4")))]
async fn preview(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Path((id, file)): Path<(Uuid, String)>,
) -> Result<Response, Problem> {
    let file = file.parse().map_err(|_| Problem::not_found())?;
    let bytes = library::preview(&app.context, &actor, FilmId(id), file).await?;
    Ok(of_film(file, bytes))
}

/// Segments never change, and their address is known to one person alone.
fn of_film(file: CutFile, bytes: Bytes) -> Response {
    let (kind, kept) = match file {
        CutFile::Master | CutFile::Playlist(_) => ("application/vnd.apple.mpegurl", "no-store"),
        CutFile::Opening(Rendition::Sound) | CutFile::Segment(Rendition::Sound, _) => {
            ("audio/mp4", "private, max-age=3600, immutable")
        }
        CutFile::Opening(_) | CutFile::Segment(..) => {
            ("video/mp4", "private, max-age=3600, immutable")
        }
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static(kept)),
    ];
    (headers, bytes).into_response()
}
