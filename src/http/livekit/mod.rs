//! LiveKit's signalling: `/rtc` (two connections) and `/rtc/v1` (one connection); beside it its
//! server API ([`twirp`]).
//!
//! A client's token is checked before its socket opens, so that wrong ones get a plain HTTP answer;
//! after that every ending is a `leave` message, because clients take a bare close for a lost
//! network.

mod allowance;
pub mod data;
pub mod entry;
pub mod inbound;
mod outbound;
mod renewal;
mod rooms;
mod session;
pub mod twirp;
mod view;
pub mod webhook;

use std::sync::Arc;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Query, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tower_http::cors::{Any, CorsLayer};

use self::entry::{Entry, EntryQuery};
use self::renewal::Renewal;
use crate::domain::entropy::Clock;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::hub::rooms::Rooms;
use crate::media::sdp::DESCRIPTION_BYTES_MAX;
use crate::media::signal::{Admission, Layout};
use crate::service::call::Call;

/// Largest message of a client, bytes; a longer one ends its stay.
const MESSAGE_BYTES_MAX: usize = DESCRIPTION_BYTES_MAX + 64 * 1024;
/// Read at once from one client, bytes. Messages are small and rare, and a socket keeps this buffer
/// for its whole life: the library's 128 KiB would be most of what a learner costs.
const READ_BUFFER_BYTES: usize = 2 * 1024;
/// Collected before it is written to one client, bytes. The buffer keeps the size of the largest
/// write for the socket's whole life.
const WRITE_BUFFER_BYTES: usize = 4 * 1024;
/// Most that waits to be written to one client, bytes; beyond, the socket is lost.
const WRITE_BUFFER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What signalling needs.
#[derive(Clone)]
pub struct LivekitState {
    /// Who may enter.
    pub call: Arc<Call>,
    /// Where to.
    pub rooms: Rooms,
    /// The server's time.
    pub clock: Arc<dyn Clock>,
    /// Clients may have mishaps played to them.
    pub simulates: bool,
}

/// The routes of signalling.
pub fn router(state: LivekitState) -> Router {
    let anybody = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET])
        .allow_headers(Any);
    Router::new()
        .route("/rtc", get(enter_dual))
        .route("/rtc/v1", get(enter_single))
        .route("/rtc/validate", get(validate_dual))
        .route("/rtc/v1/validate", get(validate_single))
        .layer(anybody)
        .with_state(state)
}

/// An upgrade, or why the request is none.
type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

async fn enter_dual(
    State(state): State<LivekitState>,
    Query(query): Query<EntryQuery>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response {
    enter(state, Layout::Dual, query, &headers, upgrade).await
}

async fn enter_single(
    State(state): State<LivekitState>,
    Query(query): Query<EntryQuery>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response {
    enter(state, Layout::Single, query, &headers, upgrade).await
}

async fn validate_dual(
    State(state): State<LivekitState>,
    Query(query): Query<EntryQuery>,
    headers: HeaderMap,
) -> Response {
    validate(&state, Layout::Dual, query, &headers).await
}

async fn validate_single(
    State(state): State<LivekitState>,
    Query(query): Query<EntryQuery>,
    headers: HeaderMap,
) -> Response {
    validate(&state, Layout::Single, query, &headers).await
}

async fn enter(
    state: LivekitState,
    layout: Layout,
    query: EntryQuery,
    headers: &HeaderMap,
    upgrade: Upgrade,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return (StatusCode::NOT_FOUND, "not a WebSocket request").into_response();
    };
    let (admission, entry, renewal) = match admit(&state, layout, &query, headers).await {
        Ok(admitted) => admitted,
        Err(refusal) => return answer(&refusal),
    };
    upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .on_upgrade(move |socket| session::run(socket, state, admission, entry, renewal))
}

/// Tells a client whose socket failed why: its browser hides the answer to the socket's request.
async fn validate(
    state: &LivekitState,
    layout: Layout,
    query: EntryQuery,
    headers: &HeaderMap,
) -> Response {
    match admit(state, layout, &query, headers).await {
        Ok(_) => "success".into_response(),
        Err(refusal) => answer(&refusal),
    }
}

async fn admit(
    state: &LivekitState,
    layout: Layout,
    query: &EntryQuery,
    headers: &HeaderMap,
) -> Result<(Admission, Entry, Renewal), Refusal> {
    let token = token(query, headers).ok_or_else(no_token)?;
    let entry = match layout {
        // No socket comes with the layout of clients that have none.
        Layout::Dual | Layout::OneShot => Entry::dual(query),
        Layout::Single => Entry::single(query)?,
    };
    let admission = state.call.admit(token, entry.arrival.clone()).await?;
    let renewal = Renewal::new(state.call.credential(token)?);
    Ok((admission, entry, renewal))
}

fn token<'a>(query: &'a EntryQuery, headers: &'a HeaderMap) -> Option<&'a str> {
    let header = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let bearer = header.and_then(|value| value.strip_prefix("Bearer "));
    bearer.or(query.access_token.as_deref()).map(str::trim)
}

fn no_token() -> Refusal {
    Refusal::new(
        RefusalKind::Unauthenticated,
        "signal.no_token",
        "缺少入会凭证。",
        "A token is missing.",
    )
}

/// LiveKit's clients show the text, and read a 404 without the words `requested room does not
/// exist` as an older server.
fn answer(refusal: &Refusal) -> Response {
    let status = match refusal.kind {
        RefusalKind::Invalid => StatusCode::BAD_REQUEST,
        RefusalKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        RefusalKind::Forbidden => StatusCode::FORBIDDEN,
        RefusalKind::NotFound => {
            let text = "requested room does not exist";
            return (StatusCode::NOT_FOUND, text).into_response();
        }
        RefusalKind::Conflict => StatusCode::CONFLICT,
        RefusalKind::Limited => StatusCode::TOO_MANY_REQUESTS,
        RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, refusal.en.clone()).into_response()
}
