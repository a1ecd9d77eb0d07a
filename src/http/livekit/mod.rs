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
pub mod socket;
pub mod twirp;
mod view;
pub mod webhook;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use tower_http::cors::{Any, CorsLayer};

use self::entry::{Entry, EntryQuery};
use self::renewal::Renewal;
use self::session::Guest;
use self::socket::Upgrade;
use crate::domain::entropy::Clock;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::hub::rooms::Rooms;
use crate::media::sdp::DESCRIPTION_BYTES_MAX;
use crate::media::signal::{Admission, Layout};
use crate::service::call::Call;

/// Largest message of a client, bytes; a longer one ends its stay.
const MESSAGE_BYTES_MAX: usize = DESCRIPTION_BYTES_MAX + 64 * 1024;

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
    let (admission, entry, renewal) = match admit(&state, layout, &query, headers).await {
        Ok(admitted) => admitted,
        Err(refusal) => return answer(&refusal),
    };
    let guest = Box::new(Guest {
        state,
        admission,
        entry,
        renewal,
    });
    upgrade.answer(move |socket| session::run(socket, guest))
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
