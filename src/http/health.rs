//! Whether the server lives and can serve, what it is, and its metrics.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::router::{Access, App, Route};

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Access::Public, routes!(healthz)),
        Route::new(Access::Public, routes!(readyz)),
        Route::new(Access::Public, routes!(metrics)),
        Route::new(Access::Public, routes!(server)),
    ]
}

/// What the server is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Server {
    name: &'static str,
    version: &'static str,
    /// Whether it shows demo data.
    demo: bool,
}

/// The process lives.
#[utoipa::path(get, path = "/healthz", tag = "server", responses((status = 200, body = String)))]
async fn healthz() -> &'static str {
    "ok"
}

/// The server can serve: Postgres answers and the media threads run.
#[utoipa::path(get, path = "/readyz", tag = "server",
    responses((status = 200, body = String), (status = 503, body = String)))]
async fn readyz(State(app): State<App>) -> (StatusCode, &'static str) {
    if !(app.ready)() {
        return (StatusCode::SERVICE_UNAVAILABLE, "media");
    }
    match app.context.store.ping().await {
        Ok(()) => (StatusCode::OK, "ok"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "postgres"),
    }
}

/// Metrics in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "server", responses((status = 200, body = String)))]
async fn metrics(State(app): State<App>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        (app.metrics)(),
    )
}

/// What the server is.
#[utoipa::path(get, path = "/api/server", tag = "server",
    responses((status = 200, body = Server)))]
async fn server(State(app): State<App>) -> Json<Server> {
    Json(Server {
        name: "mingtang",
        version: env!("CARGO_PKG_VERSION"),
        demo: app.demo,
    })
}
