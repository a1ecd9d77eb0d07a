//! LiveKit's server API: RoomService over Twirp (version 7), in protobuf and in JSON.
//!
//! `POST /twirp/livekit.RoomService/<Method>`; what the caller may do is decided in
//! [`RoomAdmin`]. LiveKit's other services are answered `unimplemented`.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Path, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::rooms;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::http::extract::BODY_TIME_MAX;
use crate::service::call::{Claims, RoomAdmin};

/// Largest body of a call, bytes: 64,000 bytes of data, or 4,096 tracks, in JSON.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// The service that is spoken.
const SERVICE: &str = "livekit.RoomService";
/// Its methods that this server does not have.
const OTHER_METHODS: [&str; 3] = ["ForwardParticipant", "MoveParticipant", "PerformRpc"];

/// The routes of the server API.
pub fn router(admin: RoomAdmin) -> Router {
    Router::new()
        .route("/twirp/{service}/{method}", any(call))
        .route("/twirp/{service}", any(async || bad_route()))
        .route(
            "/twirp/{service}/{method}/{*rest}",
            any(async || bad_route()),
        )
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(admin)
}

async fn call(
    State(admin): State<RoomAdmin>,
    Path((service, method)): Path<(String, String)>,
    request: Request,
) -> Response {
    match answer(&admin, &service, &method, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn answer(
    admin: &RoomAdmin,
    service: &str,
    method: &str,
    request: Request,
) -> Result<Response, Error> {
    let format = Format::of(request.headers());
    let (Some(format), &Method::POST) = (format, request.method()) else {
        return Err(bad_route());
    };
    if service != SERVICE || OTHER_METHODS.contains(&method) {
        let known = service.starts_with("livekit.");
        return Err(if known { unimplemented() } else { bad_route() });
    }
    let caller = admin.caller(bearer(request.headers()))?;
    let body = timeout(BODY_TIME_MAX, Bytes::from_request(request, &()));
    let Ok(Ok(body)) = body.await else {
        return Err(malformed("the body is too large, or did not arrive"));
    };
    dispatch(admin, &caller, method, &Call { format, body }).await
}

async fn dispatch(
    admin: &RoomAdmin,
    caller: &Claims,
    method: &str,
    call: &Call,
) -> Result<Response, Error> {
    Ok(match method {
        "CreateRoom" => call.write(&rooms::create(admin, caller, call.read()?).await?),
        "ListRooms" => call.write(&rooms::list(admin, caller, call.read()?).await?),
        "DeleteRoom" => call.write(&rooms::delete(admin, caller, call.read()?).await?),
        "ListParticipants" => {
            call.write(&rooms::list_participants(admin, caller, call.read()?).await?)
        }
        "GetParticipant" => call.write(&rooms::get_participant(admin, caller, call.read()?).await?),
        "RemoveParticipant" => {
            call.write(&rooms::remove_participant(admin, caller, call.read()?).await?)
        }
        "MutePublishedTrack" => {
            call.write(&rooms::mute_published_track(admin, caller, call.read()?).await?)
        }
        "UpdateParticipant" => {
            call.write(&rooms::update_participant(admin, caller, call.read()?).await?)
        }
        "UpdateSubscriptions" => {
            call.write(&rooms::update_subscriptions(admin, caller, call.read()?).await?)
        }
        "SendData" => call.write(&rooms::send_data(admin, caller, call.read()?).await?),
        "UpdateRoomMetadata" => {
            call.write(&rooms::update_room_metadata(admin, caller, call.read()?).await?)
        }
        _ => return Err(bad_route()),
    })
}

/// A call's body, and the format that its answer has too.
struct Call {
    format: Format,
    body: Bytes,
}

impl Call {
    fn read<M: Message + Default + DeserializeOwned>(&self) -> Result<M, Error> {
        let read = match self.format {
            Format::Protobuf => M::decode(self.body.clone()).ok(),
            Format::Json => serde_json::from_slice(&self.body).ok(),
        };
        read.ok_or_else(|| malformed("the body is not the method's message"))
    }

    fn write<M: Message + Serialize>(&self, message: &M) -> Response {
        match self.format {
            Format::Protobuf => {
                let media_type = [(CONTENT_TYPE, "application/protobuf")];
                (media_type, message.encode_to_vec()).into_response()
            }
            Format::Json => Json(message).into_response(),
        }
    }
}

/// How messages are written.
#[derive(Clone, Copy)]
enum Format {
    Protobuf,
    Json,
}

impl Format {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let media_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let essence = media_type.split(';').next()?.trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/protobuf" => Some(Self::Protobuf),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::trim)
}

/// An answer that is not the method's message.
#[derive(Debug)]
pub struct Error {
    status: StatusCode,
    code: &'static str,
    message: String,
    reason: Option<&'static str>,
}

/// The body of an error, in JSON whatever the format of the call.
#[derive(Serialize)]
struct ErrorBody {
    code: &'static str,
    msg: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Meta>,
}

#[derive(Serialize)]
struct Meta {
    /// The refusal's own code, as elsewhere in the API.
    reason: &'static str,
}

impl Error {
    fn new(status: StatusCode, code: &'static str, message: &str) -> Self {
        Self {
            status,
            code,
            message: message.to_owned(),
            reason: None,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            code: self.code,
            msg: self.message,
            meta: self.reason.map(|reason| Meta { reason }),
        };
        (self.status, Json(body)).into_response()
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal.kind {
            RefusalKind::Invalid => (StatusCode::BAD_REQUEST, "invalid_argument"),
            RefusalKind::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            RefusalKind::Forbidden => (StatusCode::FORBIDDEN, "permission_denied"),
            RefusalKind::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            RefusalKind::Conflict => (StatusCode::PRECONDITION_FAILED, "failed_precondition"),
            RefusalKind::Limited => (StatusCode::TOO_MANY_REQUESTS, "resource_exhausted"),
            RefusalKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        Self {
            status,
            code,
            message: refusal.en,
            reason: Some(refusal.code),
        }
    }
}

fn malformed(message: &str) -> Error {
    Error::new(StatusCode::BAD_REQUEST, "malformed", message)
}

fn bad_route() -> Error {
    let message = "no such method, or not a POST of application/json or application/protobuf";
    Error::new(StatusCode::NOT_FOUND, "bad_route", message)
}

fn unimplemented() -> Error {
    let message = "this server does not have this method";
    Error::new(StatusCode::NOT_IMPLEMENTED, "unimplemented", message)
}
