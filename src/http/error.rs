//! The one place where refusals and failures become answers: `application/problem+json` (RFC 9457).
//!
//! A handler's error carries a [`Problem`] to the boundary, which adds the request's id and writes
//! the log. What failed inside never leaves the server.

use std::error::Error as _;
use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::refusal::{Refusal, RefusalKind};
use crate::service::{Error, Failure};

/// When to come back to a server that is busy or starting (RFC 9110 section 10.2.3).
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// An answer that is not what was asked for.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    zh: String,
    en: String,
    retry_after_s: Option<u64>,
    failure: Option<Arc<Failure>>,
}

/// The body of a problem.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemBody {
    /// Always `about:blank`: the code says what it is.
    r#type: &'static str,
    /// The status again.
    status: u16,
    /// Stable code, `area.reason`.
    code: &'static str,
    /// Chinese sentence for a person.
    zh: String,
    /// English sentence for a person.
    en: String,
    /// Names the request in the server's log.
    request_id: String,
}

impl Problem {
    /// A problem of this layer, with fixed sentences.
    pub fn new(status: StatusCode, code: &'static str, zh: &str, en: &str) -> Self {
        Self {
            status,
            code,
            zh: zh.to_owned(),
            en: en.to_owned(),
            retry_after_s: None,
            failure: None,
        }
    }

    /// The same with the status that another protocol wants.
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same with when to come again (RFC 9110 section 10.2.3).
    pub fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after_s: Some(seconds),
            ..self
        }
    }

    /// Nothing is at this address.
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "request.not_found",
            "地址不存在。",
            "Nothing is here.",
        )
    }

    /// The address exists, the method does not.
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "request.method",
            "该地址不支持此操作。",
            "This address does not take this method.",
        )
    }

    /// The body, path or query cannot be read.
    pub fn malformed() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "request.malformed",
            "请求格式不正确。",
            "The request is malformed.",
        )
    }

    /// The body is larger than [`crate::domain::limits::BODY_BYTES_MAX`].
    pub fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "request.too_large",
            "请求内容超过 64 KiB。",
            "The request is larger than 64 KiB.",
        )
    }

    /// A fault of ours.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "server.failed",
            "服务器出现故障，请稍后再试；如持续出现，请把编号告诉管理员。",
            "Something failed in the server. If it goes on, tell an administrator the request id.",
        )
    }

    /// Writes the failure's chain to the log, once, and finishes the answer.
    pub fn finish(self, request_id: &str) -> Response {
        if let Some(failure) = &self.failure {
            tracing::error!(
                request_id,
                code = self.code,
                error = chain(failure),
                "request failed"
            );
        }
        let body = ProblemBody {
            r#type: "about:blank",
            status: self.status.as_u16(),
            code: self.code,
            zh: self.zh,
            en: self.en,
            request_id: request_id.to_owned(),
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.kind {
            RefusalKind::Invalid => StatusCode::BAD_REQUEST,
            RefusalKind::Unauthenticated => StatusCode::UNAUTHORIZED,
            RefusalKind::Forbidden => StatusCode::FORBIDDEN,
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Conflict => StatusCode::CONFLICT,
            RefusalKind::Limited => StatusCode::TOO_MANY_REQUESTS,
            RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self {
            status,
            code: refusal.code,
            zh: refusal.zh,
            en: refusal.en,
            retry_after_s: None,
            failure: None,
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self {
            failure: Some(Arc::new(failure)),
            ..Self::internal()
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => refusal.into(),
            Error::Failed(failure) => failure.into(),
        }
    }
}

impl IntoResponse for Problem {
    /// Hands itself to the boundary, which finishes it.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

fn chain(failure: &Failure) -> String {
    let mut text = failure.to_string();
    let mut source = failure.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
