//! The library of films, for staff.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use super::error::Problem;
use super::extract::{Body, Id, Parameters, SignedIn};
use super::router::{Access, App, Route};
use super::{Page, page};
use crate::domain::id::FilmId;
use crate::domain::policy::Capability;
use crate::service::library::{self, Catalogue, FilmView};

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    let manage = Access::Capable(Capability::LessonsManage);
    vec![
        Route::new(manage, routes!(list)),
        Route::new(manage, routes!(get)),
        Route::new(manage, routes!(change)),
        Route::new(manage, routes!(remove)),
    ]
}

/// Which films to list.
#[derive(Deserialize, IntoParams)]
struct FilmsQuery {
    /// Only titles that contain this.
    q: Option<String>,
    /// Only films that can be played.
    #[serde(default)]
    ready: bool,
    /// From 1.
    page: Option<u32>,
    /// At most 200.
    page_size: Option<u32>,
}

/// A change of a film.
#[derive(Deserialize, ToSchema)]
struct FilmChange {
    title: String,
}

/// Films that one may use, newest first.
#[utoipa::path(get, path = "/api/library/films", tag = "library", params(FilmsQuery),
    responses((status = 200, body = Page<FilmView>)))]
async fn list(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Parameters(query): Parameters<FilmsQuery>,
) -> Result<Json<Page<FilmView>>, Problem> {
    let (limit, offset) = page(query.page, query.page_size)?;
    let catalogue = Catalogue {
        text: query.q.filter(|text| !text.is_empty()),
        ready: query.ready,
        limit,
        offset,
    };
    let (items, total) = library::films(&app.context, &actor, catalogue).await?;
    Ok(Json(Page { items, total }))
}

/// A film.
#[utoipa::path(get, path = "/api/library/films/{id}", tag = "library",
    params(("id" = Uuid, Path)), responses((status = 200, body = FilmView)))]
async fn get(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<FilmId>,
) -> Result<Json<FilmView>, Problem> {
    Ok(Json(library::film(&app.context, &actor, id).await?))
}

/// Gives a film another title.
#[utoipa::path(patch, path = "/api/library/films/{id}", tag = "library",
    params(("id" = Uuid, Path)), request_body = FilmChange,
    responses((status = 200, body = FilmView)))]
async fn change(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<FilmId>,
    Body(change): Body<FilmChange>,
) -> Result<Json<FilmView>, Problem> {
    let film = library::rename(&app.context, &actor, id, change.title).await?;
    Ok(Json(film))
}

/// Takes a film away that no lesson shows.
#[utoipa::path(delete, path = "/api/library/films/{id}", tag = "library",
    params(("id" = Uuid, Path)), responses((status = 204)))]
async fn remove(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<FilmId>,
) -> Result<StatusCode, Problem> {
    library::remove(&app.context, &actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
