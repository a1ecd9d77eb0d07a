//! The outermost layer: names each request, catches panics, finishes problems, sets the headers
//! that every answer has, and writes one line and the metrics.
//!
//! Neither addresses of requests nor their queries are written: they may hold tokens and names.
//! The route's pattern and the request's id are enough to find one.

use std::panic::AssertUnwindSafe;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tracing::Instrument;

use super::error::Problem;
use super::router::App;
use crate::domain::id::uuid_v7;

/// What a page of ours may load and do. Styles are inline because the web app's component library
/// writes them at run time; media comes as blobs; LiveKit's signalling is a web socket.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self'; \
    style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; \
    media-src 'self' blob: mediastream:; connect-src 'self' ws: wss:; worker-src 'self' blob:; \
    object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
    ),
];

/// Runs a request.
pub async fn boundary(State(app): State<App>, request: Request, next: Next) -> Response {
    let context = &app.context;
    let began = context.now();
    let request_id = uuid_v7(began, &*context.entropy).to_string();
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or("assets", |path| path.as_str()).to_owned();
    let span = tracing::info_span!("request", request_id, %method, route);
    let run = AssertUnwindSafe(next.run(request))
        .catch_unwind()
        .instrument(span.clone());
    let mut response = match run.await {
        Ok(response) => response,
        // The panic hook has written what happened; the client learns the request's id.
        Err(_) => Problem::internal().into_response(),
    };
    let _entered = span.enter();
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        // What layers have added (who may read it, what the route takes) stays.
        let added = std::mem::take(response.headers_mut());
        response = problem.finish(&request_id);
        response.headers_mut().extend(added);
    }
    finish_headers(response.headers_mut(), &request_id);
    let status = response.status().as_u16();
    tracing::debug!(status, "answered");
    let elapsed = (context.now() - began).as_seconds_f64();
    let labels = [("method", method.to_string()), ("route", route)];
    metrics::histogram!("mingtang_http_request_seconds", &labels).record(elapsed.max(0.0));
    let [method, route] = labels;
    let labels = [method, route, ("status", status.to_string())];
    metrics::counter!("mingtang_http_requests_total", &labels).increment(1);
    response
}

fn finish_headers(headers: &mut HeaderMap, request_id: &str) {
    for (name, value) in HEADERS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert("x-request-id", value);
    }
}
