//! What handlers take from a request; whatever cannot be read becomes a [`Problem`].

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::error::Problem;
use crate::domain::actor::Actor;
use crate::service::auth::Authenticated;

/// How long a body may take to arrive; 64 KiB take a poor phone three seconds.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(20);

/// Who is signed in. Only routes whose access demands it have one.
#[derive(Clone, Debug)]
pub struct SignedIn(pub Actor);

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let authenticated = parts.extensions.get::<Authenticated>();
        // A handler that asks on a public route is a bug, and stays shut.
        authenticated
            .map(|known| Self(known.actor.clone()))
            .ok_or_else(Problem::internal)
    }
}

/// A JSON body of at most [`crate::domain::limits::BODY_BYTES_MAX`] that comes within 20 s.
#[derive(Clone, Copy, Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(unsupported());
        }
        let bytes = bytes(request, state, BODY_TIME_MAX).await?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|_| Problem::malformed())
    }
}

pub(super) async fn bytes<S: Send + Sync>(
    request: Request,
    state: &S,
    time_max: Duration,
) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(time_max, Bytes::from_request(request, state));
    let bytes = read.await.map_err(|_| too_slow())?;
    bytes.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(),
        _ => Problem::malformed(),
    })
}

/// A file as a whole; its route has a [`axum::extract::DefaultBodyLimit`] of `bytes_max`.
pub(super) async fn upload<S: Send + Sync>(
    request: Request,
    state: &S,
    bytes_max: usize,
    time_max: Duration,
) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(time_max, Bytes::from_request(request, state));
    let bytes = read.await.map_err(|_| too_slow())?;
    bytes.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => file_too_large(bytes_max),
        _ => Problem::malformed(),
    })
}

/// The id in a path with one parameter; a malformed one names nothing.
#[derive(Clone, Copy, Debug)]
pub struct Id<T>(pub T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|_| Problem::not_found())?;
        text.parse().map(Self).map_err(|_| Problem::not_found())
    }
}

/// The query of an address.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query
            .map(|Query(value)| Self(value))
            .map_err(|_| Problem::malformed())
    }
}

/// The client's address, where the server knows it.
#[derive(Clone, Copy, Debug)]
pub struct Address(pub Option<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for Address {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(peer.map(|ConnectInfo(address)| address.ip())))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = media_type
        .and_then(|text| text.split(';').next())
        .map(str::trim);
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
}

fn unsupported() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "request.media_type",
        "请求内容应为 JSON（application/json）。",
        "The body must be JSON (application/json).",
    )
}

fn file_too_large(bytes_max: usize) -> Problem {
    let mebibytes = bytes_max >> 20;
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "request.file_too_large",
        &format!("文件不能超过 {mebibytes} MiB。"),
        &format!("The file may not be larger than {mebibytes} MiB."),
    )
}

fn too_slow() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "request.too_slow",
        "请求内容未能及时送达，请重试。",
        "The body did not arrive in time; try again.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let endless = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        let request = Request::new(axum::body::Body::from_stream(endless));
        let read = bytes(request, &(), Duration::from_millis(1)).await;
        let answer = read.unwrap_err().finish("1");
        assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
    }
}
