//! WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): devices publish and players watch by one offer
//! over plain HTTP.

use std::convert::Infallible;

use axum::extract::{FromRequest, FromRequestParts, Path, Request, State};
use axum::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, LINK, LOCATION, RETRY_AFTER,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{AppendHeaders, IntoResponse as _, Response};
use axum::routing::MethodRouter;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_axum::router::UtoipaMethodRouterExt as _;
use utoipa_axum::routes;

use super::error::Problem;
use super::extract::{BODY_TIME_MAX, Id, bytes};
use super::router::{Access, App, Route, bearer};
use crate::media::room::{SessionOffer, Trickled};
use crate::service::auth;
use crate::service::call::{IceServer, Opened, Outcome, Purpose, Sessions};

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// What a session takes.
const PATCHES: &str = "application/trickle-ice-sdpfrag, application/sdp";
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    let endpoint = |methods: MethodRouter<App>| open_to_pages(methods, ACCEPT_POST, SDP);
    let session = |methods: MethodRouter<App>| open_to_pages(methods, ACCEPT_PATCH, PATCHES);
    vec![
        Route::new(
            Access::Call,
            routes!(publish, whip_probe, whip_options).map(endpoint),
        ),
        Route::new(
            Access::Call,
            routes!(watch_all, whep_probe, whep_options).map(endpoint),
        ),
        Route::new(
            Access::Call,
            routes!(watch_one, whep_one_probe, whep_one_options).map(endpoint),
        ),
        Route::new(
            Access::Call,
            routes!(trickle, end, session_probe, session_options).map(session),
        ),
    ]
}

/// Lets pages of any origin speak to a route, and says on every answer what it takes. What a page
/// may do is in its token, which no browser adds by itself.
fn open_to_pages(
    methods: MethodRouter<App>,
    takes: HeaderName,
    media_type: &'static str,
) -> MethodRouter<App> {
    let anybody = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        // A star would not stand for `Authorization`.
        .allow_headers(AllowHeaders::list([
            AUTHORIZATION,
            CONTENT_TYPE,
            IF_MATCH,
            ETAG,
            ACCEPT,
        ]))
        .expose_headers([LOCATION, ETAG, LINK, RETRY_AFTER, ACCEPT_POST, ACCEPT_PATCH]);
    let media_type = HeaderValue::from_static(media_type);
    methods
        .layer::<_, Infallible>(anybody)
        .layer(SetResponseHeaderLayer::overriding(takes, media_type))
}

/// Begins to publish.
#[utoipa::path(
    post, path = "/whip/{room}", tag = "whip",
    params(("room" = String, Path, description = "Name of the room.")),
    request_body(content = String, content_type = "application/sdp"),
    responses(
        (status = 201, content_type = "application/sdp", body = String,
            description = "`Location` names the session, `ETag` its ICE session, each `Link` a \
                TURN server with a password of the session's own."),
        (status = 401), (status = 403), (status = 406), (status = 413), (status = 415),
        (status = 503, description = "`Retry-After` says when to try again."),
    ),
)]
async fn publish(
    State(app): State<App>,
    Bearer(token): Bearer,
    Id(room): Id<String>,
    Offer(offer): Offer,
) -> Result<Response, Problem> {
    let offer = SessionOffer {
        sdp: offer,
        takes_counter: false,
    };
    open(&app, &token, &room, Purpose::Publish, &offer).await
}

/// Begins to watch everybody in a room.
#[utoipa::path(
    post, path = "/whep/{room}", tag = "whep",
    params(("room" = String, Path, description = "Name of the room.")),
    request_body(content = String, content_type = "application/sdp"),
    responses(
        (status = 201, content_type = "application/sdp", body = String),
        (status = 406, content_type = "application/sdp", body = String,
            description = "Where `Accept` names `application/sdp`: an offer of ours, for 30 s; its \
                answer goes to `Location` by `PATCH`."),
    ),
)]
async fn watch_all(
    State(app): State<App>,
    Bearer(token): Bearer,
    Id(room): Id<String>,
    headers: HeaderMap,
    Offer(offer): Offer,
) -> Result<Response, Problem> {
    let offer = players(offer, &headers);
    open(&app, &token, &room, Purpose::Watch(None), &offer).await
}

/// Begins to watch one participant, who need not be there yet.
#[utoipa::path(
    post, path = "/whep/{room}/{identity}", tag = "whep",
    params(
        ("room" = String, Path, description = "Name of the room."),
        ("identity" = String, Path, description = "Whom to watch."),
    ),
    request_body(content = String, content_type = "application/sdp"),
    responses(
        (status = 201, content_type = "application/sdp", body = String),
        (status = 406, content_type = "application/sdp", body = String,
            description = "Where `Accept` names `application/sdp`: an offer of ours, for 30 s; its \
                answer goes to `Location` by `PATCH`."),
    ),
)]
async fn watch_one(
    State(app): State<App>,
    Bearer(token): Bearer,
    path: Result<Path<(String, String)>, axum::extract::rejection::PathRejection>,
    headers: HeaderMap,
    Offer(offer): Offer,
) -> Result<Response, Problem> {
    let Path((room, identity)) = path.map_err(|_| Problem::not_found())?;
    let offer = players(offer, &headers);
    open(&app, &token, &room, Purpose::Watch(Some(identity)), &offer).await
}

/// Adds candidates, restarts ICE, or answers an offer of ours.
#[utoipa::path(
    patch, path = "/media-sessions/{id}", tag = "whip",
    params(("id" = String, Path, description = "From `Location`.")),
    request_body(content = String, content_type = "application/trickle-ice-sdpfrag"),
    responses(
        (status = 204, description = "Candidates were taken note of."),
        (status = 200, content_type = "application/trickle-ice-sdpfrag", body = String,
            description = "ICE restarts; a new `ETag`."),
        (status = 406), (status = 409), (status = 412), (status = 422), (status = 428),
    ),
)]
async fn trickle(
    State(app): State<App>,
    Bearer(token): Bearer,
    Id(id): Id<String>,
    headers: HeaderMap,
    patch: Patch,
) -> Result<Response, Problem> {
    let fragment = match patch {
        Patch::Fragment(fragment) => fragment,
        Patch::Answer(sdp) => return answered(&app, &token, &id, sdp).await,
    };
    let tag = believed(&headers).ok_or_else(no_tag)?;
    let sessions = sessions(&app)?;
    match sessions.trickle(&token, &id, tag, fragment).await? {
        Trickled::Kept => Ok(StatusCode::NO_CONTENT.into_response()),
        Trickled::Restarted { fragment, tag } => {
            let headers = [(CONTENT_TYPE, FRAGMENT.to_owned()), (ETAG, quoted(&tag))];
            Ok((headers, fragment).into_response())
        }
        Trickled::Stale => Err(stale()),
        Trickled::Foreign => Err(foreign()),
        Trickled::Malformed => Err(Problem::malformed()),
    }
}

/// Ends a session.
#[utoipa::path(
    delete, path = "/media-sessions/{id}", tag = "whip",
    params(("id" = String, Path, description = "From `Location`.")),
    responses((status = 200, description = "It is over."), (status = 404)),
)]
async fn end(
    State(app): State<App>,
    Bearer(token): Bearer,
    Id(id): Id<String>,
) -> Result<StatusCode, Problem> {
    sessions(&app)?.end(&token, &id).await?;
    Ok(StatusCode::OK)
}

/// Whether a session goes on.
#[utoipa::path(
    get, path = "/media-sessions/{id}", tag = "whip",
    params(("id" = String, Path, description = "From `Location`.")),
    responses((status = 204, description = "It goes on."), (status = 404)),
)]
async fn session_probe(State(app): State<App>, Id(id): Id<String>) -> Result<StatusCode, Problem> {
    match sessions(&app)?.is_open(&id) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found()),
    }
}

/// Tells a client that it came to the right place.
#[utoipa::path(
    get, path = "/whip/{room}", tag = "whip",
    params(("room" = String, Path)), responses((status = 204)),
)]
async fn whip_probe() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Tells a client that it came to the right place.
#[utoipa::path(
    get, path = "/whep/{room}", tag = "whep",
    params(("room" = String, Path)), responses((status = 200)),
)]
async fn whep_probe() -> Response {
    [(CONTENT_TYPE, SDP)].into_response()
}

/// Tells a client that it came to the right place.
#[utoipa::path(
    get, path = "/whep/{room}/{identity}", tag = "whep",
    params(("room" = String, Path), ("identity" = String, Path)), responses((status = 200)),
)]
async fn whep_one_probe() -> Response {
    whep_probe().await
}

// The layers answer these; without a handler, requests would not come to them.

/// Says what may be sent here.
#[utoipa::path(
    options, path = "/whip/{room}", tag = "whip",
    params(("room" = String, Path)), responses((status = 200)),
)]
async fn whip_options() {}

/// Says what may be sent here.
#[utoipa::path(
    options, path = "/whep/{room}", tag = "whep",
    params(("room" = String, Path)), responses((status = 200)),
)]
async fn whep_options() {}

/// Says what may be sent here.
#[utoipa::path(
    options, path = "/whep/{room}/{identity}", tag = "whep",
    params(("room" = String, Path), ("identity" = String, Path)), responses((status = 200)),
)]
async fn whep_one_options() {}

/// Says what may be sent here.
#[utoipa::path(
    options, path = "/media-sessions/{id}", tag = "whip",
    params(("id" = String, Path)), responses((status = 200)),
)]
async fn session_options() {}

/// The offer of a player, which may take one of ours instead where it says so.
fn players(sdp: String, headers: &HeaderMap) -> SessionOffer {
    let accepted = headers.get_all(ACCEPT).iter();
    let mut accepted = accepted.flat_map(|value| value.to_str().unwrap_or("").split(','));
    let takes_counter = accepted.any(|one| {
        let essence = one.split(';').next().unwrap_or("").trim();
        essence.eq_ignore_ascii_case(SDP)
    });
    SessionOffer { sdp, takes_counter }
}

async fn answered(app: &App, token: &str, id: &str, sdp: String) -> Result<Response, Problem> {
    match sessions(app)?.answer(token, id, sdp).await? {
        true => Ok(StatusCode::NO_CONTENT.into_response()),
        false => Err(unacceptable()),
    }
}

async fn open(
    app: &App,
    token: &str,
    room: &str,
    purpose: Purpose,
    offer: &SessionOffer,
) -> Result<Response, Problem> {
    match sessions(app)?.open(token, room, purpose, offer).await? {
        Outcome::Opened(session) => Ok(described(StatusCode::CREATED, session)),
        Outcome::Countered(session) => Ok(described(StatusCode::NOT_ACCEPTABLE, session)),
        Outcome::Unacceptable => Err(unacceptable()),
        Outcome::TooMuch => Err(Problem::too_large()),
    }
}

/// A `Link` for every address of an ICE server (RFC 9725 section 4.6).
fn links(servers: &[IceServer]) -> AppendHeaders<Vec<(HeaderName, String)>> {
    let links = servers.iter().flat_map(|server| {
        let IceServer {
            urls,
            username,
            credential,
        } = server;
        urls.iter().map(move |url| {
            let link = format!(
                "<{url}>; rel=\"ice-server\"; username=\"{username}\"; \
                 credential=\"{credential}\"; credential-type=\"password\""
            );
            (LINK, link)
        })
    });
    AppendHeaders(links.collect())
}

/// A description of ours, and where the session is that it began.
fn described(status: StatusCode, session: Opened) -> Response {
    let headers = [
        (LOCATION, format!("/media-sessions/{}", session.id)),
        (ETAG, quoted(&session.tag)),
        (CONTENT_TYPE, SDP.to_owned()),
    ];
    let links = links(&session.ice_servers);
    (status, headers, links, session.description).into_response()
}

fn sessions(app: &App) -> Result<Sessions, Problem> {
    let classrooms = app.classrooms.as_ref().ok_or_else(no_media)?;
    Ok(Sessions {
        call: classrooms.call.clone(),
        rooms: classrooms.rooms.clone(),
        entropy: app.context.entropy.clone(),
    })
}

/// The tag that a client believes in force: `None` without one, `Some(None)` for whichever is.
/// Some clients send it as `ETag`, and proxies that compress make it weak.
fn believed(headers: &HeaderMap) -> Option<Option<String>> {
    let value = headers.get(IF_MATCH).or_else(|| headers.get(ETAG))?;
    let text = value.to_str().unwrap_or_default().trim();
    let tag = text.strip_prefix("W/").unwrap_or(text).trim_matches('"');
    Some((tag != "*").then(|| tag.to_owned()))
}

fn quoted(tag: &str) -> String {
    format!("\"{tag}\"")
}

/// The token of a call, as it came.
struct Bearer(String);

impl<S: Send + Sync> FromRequestParts<S> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let token = bearer(&parts.headers).ok_or_else(auth::required)?;
        Ok(Self(token))
    }
}

/// A session description.
struct Offer(String);

impl<S: Send + Sync> FromRequest<S> for Offer {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match media_type(&request) {
            Some(SDP) => text(request, state).await.map(Self),
            _ => Err(wrong_type()),
        }
    }
}

/// What comes after the offer.
enum Patch {
    /// A part of a description, about ICE.
    Fragment(String),
    /// An answer.
    Answer(String),
}

impl<S: Send + Sync> FromRequest<S> for Patch {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match media_type(&request) {
            Some(FRAGMENT) => text(request, state).await.map(Self::Fragment),
            Some(SDP) => text(request, state).await.map(Self::Answer),
            _ => Err(wrong_type()),
        }
    }
}

/// Which of ours a request's body is.
fn media_type(request: &Request) -> Option<&'static str> {
    let given = request.headers().get(CONTENT_TYPE);
    let given = given.and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = given.split(';').next().unwrap_or("").trim();
    let ours = [SDP, FRAGMENT].into_iter();
    let mut same = ours.filter(|known| essence.eq_ignore_ascii_case(known));
    same.next()
}

async fn text<S: Send + Sync>(request: Request, state: &S) -> Result<String, Problem> {
    let bytes = bytes(request, state, BODY_TIME_MAX).await?;
    String::from_utf8(bytes.into()).map_err(|_| Problem::malformed())
}

fn wrong_type() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "session.media_type",
        "推流与播放请求应为 application/sdp，其后的补充应为 application/trickle-ice-sdpfrag。",
        "An offer is application/sdp, what follows it application/trickle-ice-sdpfrag.",
    )
}

fn unacceptable() -> Problem {
    Problem::new(
        StatusCode::NOT_ACCEPTABLE,
        "session.unacceptable",
        "会话描述中没有可以传送的内容：需要 VP8 或 H.264（packetization-mode=1）视频，或 Opus 音频。",
        "Nothing is offered that can be carried: VP8 or H.264 (packetization-mode=1), or Opus.",
    )
}

fn no_tag() -> Problem {
    Problem::new(
        StatusCode::PRECONDITION_REQUIRED,
        "session.no_tag",
        "缺少 If-Match。",
        "If-Match is missing.",
    )
}

fn stale() -> Problem {
    Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "session.stale_tag",
        "If-Match 所指的连接已被新的连接取代。",
        "The connection that If-Match names was replaced by a newer one.",
    )
}

fn foreign() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "session.other_sections",
        "补充内容所指的媒体段不在会话之中。",
        "The fragment is about sections that the session does not have.",
    )
}

fn no_media() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "session.no_media",
        "媒体服务未启动。",
        "This server carries no media.",
    )
}
