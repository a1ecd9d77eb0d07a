//! Evidence packs: handing them out, and saying whether one is ours.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::routes;

use super::error::Problem;
use super::extract::{Id, SignedIn};
use super::lessons::signal_url;
use super::router::{Access, App, Route};
use crate::domain::id::{AttendanceId, EvidencePackId};
use crate::service::evidence::{self, IssuedView};

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Access::SignedIn, routes!(issue)),
        Route::new(Access::Public, routes!(issued)),
    ]
}

/// Hands out the evidence of a closed attendance, to its learner or an officer in charge: a ZIP.
#[utoipa::path(post, path = "/api/attendances/{id}/evidence", tag = "evidence",
    params(("id" = Uuid, Path)), responses((status = 200, content_type = "application/zip")))]
async fn issue(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<AttendanceId>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // The address by which people come, as a page of the web.
    let address = signal_url(&uri, &headers, app.secure)?.replacen("ws", "http", 1);
    let pack = evidence::issue(&app.context, &actor, id, &address).await?;
    let named = format!("attachment; filename=\"{}\"", pack.name);
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_DISPOSITION, named),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, pack.zip).into_response())
}

/// Whether this server handed out a pack, and the digest that its manifest must have.
#[utoipa::path(get, path = "/api/evidence/{id}", tag = "evidence", params(("id" = Uuid, Path)),
    responses((status = 200, body = IssuedView)))]
async fn issued(
    State(app): State<App>,
    Id(id): Id<EvidencePackId>,
) -> Result<Json<IssuedView>, Problem> {
    Ok(Json(evidence::issued(&app.context, id).await?))
}
