//! The event stream: server-sent events that a client resumes with `Last-Event-ID`.

use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{self, KeepAlive, Sse};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::error::Problem;
use super::extract::Parameters;
use super::router::{Access, App, Route};
use crate::service::auth::Authenticated;
use crate::service::events::{self, Event};

/// Between two comments on a quiet stream: proxies close what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// After which a client comes back to a stream that ended.
const RETRY: Duration = Duration::from_secs(1);

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    vec![Route::new(Access::Stream, routes!(listen))]
}

/// What a client that cannot send headers puts into the address.
#[derive(Deserialize, IntoParams)]
pub struct ListenQuery {
    /// Instead of the header `Authorization`.
    #[serde(rename = "access_token")]
    _access_token: Option<String>,
    /// Instead of the header `Last-Event-ID`, for a new stream that goes on from an old one.
    last_event_id: Option<String>,
}

/// Announcements to oneself and one's lessons. The stream ends when the access token does, or when
/// what one may hear changes; come back with the last id.
#[utoipa::path(get, path = "/api/events", tag = "events", params(ListenQuery),
    responses((status = 200, body = String, content_type = "text/event-stream")))]
async fn listen(
    State(app): State<App>,
    Extension(authenticated): Extension<Authenticated>,
    Parameters(query): Parameters<ListenQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Problem> {
    let header = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok());
    let last_event_id = header.or(query.last_event_id.as_deref());
    let Authenticated { actor, expires_at } = authenticated;
    let opened = events::open(&app.context, &actor, last_event_id).await?;
    let left = (expires_at - app.context.now())
        .to_std()
        .unwrap_or_default();
    let events = stream::unfold(opened, |mut opened| async move {
        opened
            .next()
            .await
            .map(|event| (Ok(written(event)), opened))
    });
    let events = events.take_until(tokio::time::sleep(left));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn written(event: Event) -> sse::Event {
    match event {
        // An event without data moves the client's last id and is not delivered.
        Event::Started { position } => sse::Event::default().id(position.to_string()).retry(RETRY),
        Event::Reset { position } => {
            let event = sse::Event::default().id(position.to_string()).retry(RETRY);
            event.event("reset").data("{}")
        }
        Event::Announced(announced) => sse::Event::default()
            .id(announced.position.to_string())
            .event(&announced.kind)
            .data(&announced.payload),
    }
}
