//! Uploads of films by the tus resumable upload protocol 1.0.0 (tus.io): the core protocol with the
//! extensions *creation*, *expiration*, *checksum* and *termination*.

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use utoipa_axum::router::UtoipaMethodRouterExt as _;
use utoipa_axum::routes;

use super::error::Problem;
use super::extract::{Id, SignedIn};
use super::router::{Access, App, Route};
use crate::domain::id::{FilmId, UnitId};
use crate::domain::policy::Capability;
use crate::service::Error;
use crate::service::library::{self, ALGORITHMS, Checksum, NewUpload, Upload};

/// The version that is spoken.
const VERSION: &str = "1.0.0";
const EXTENSIONS: &str = "creation,expiration,checksum,termination";
const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const TUS_EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const TUS_MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const TUS_ALGORITHM: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
/// Longest `Upload-Metadata`, bytes.
const METADATA_BYTES_MAX: usize = 2_048;
/// What tus answers when a piece is not what its checksum says (*Checksum*).
const CHECKSUM_MISMATCH: u16 = 460;

/// The routes of this file.
pub fn routes() -> Vec<Route> {
    let manage = Access::Capable(Capability::LessonsManage);
    let route = |access, handler: utoipa_axum::router::UtoipaMethodRouter<App>| {
        Route::new(access, handler.layer(map_response(marked)))
    };
    vec![
        route(Access::Public, routes!(options)),
        route(manage, routes!(create)),
        route(manage, routes!(offset)),
        // The use case counts what comes.
        route(manage, routes!(append).layer(DefaultBodyLimit::disable())),
        route(manage, routes!(terminate)),
    ]
}

/// Every answer names the version (*Tus-Resumable*).
async fn marked(mut response: Response) -> Response {
    let version = HeaderValue::from_static(VERSION);
    response.headers_mut().insert(RESUMABLE, version);
    response
}

/// What this server understands of tus.
#[utoipa::path(options, path = "/api/library/uploads", tag = "library",
    responses((status = 204)))]
async fn options(State(app): State<App>) -> Response {
    let max = app.context.library.bounds().upload_bytes_max;
    let headers = [
        (TUS_VERSION, HeaderValue::from_static(VERSION)),
        (TUS_EXTENSION, HeaderValue::from_static(EXTENSIONS)),
        (TUS_ALGORITHM, HeaderValue::from_static(ALGORITHMS)),
        (TUS_MAX_SIZE, HeaderValue::from(max)),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Begins an upload of a film (tus *creation*): `Upload-Length`, and `Upload-Metadata` with `title`
/// and `unit_id`. The answer's `Location` is where its pieces go.
#[utoipa::path(post, path = "/api/library/uploads", tag = "library",
    params(("Upload-Length" = u64, Header), ("Upload-Metadata" = String, Header)),
    responses((status = 201)))]
async fn create(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    speaks(&headers)?;
    let metadata = metadata(&headers).ok_or_else(Problem::malformed)?;
    let value = |wanted: &str| {
        let found = metadata.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.clone())
    };
    let unit = value("unit_id").and_then(|text| text.parse().ok());
    let new = NewUpload {
        unit: UnitId(unit.ok_or_else(Problem::malformed)?),
        title: value("title").unwrap_or_default(),
        length: number(&headers, &LENGTH).ok_or_else(Problem::malformed)?,
    };
    let upload = library::create(&app.context, &actor, new).await;
    let upload = upload.map_err(problem)?;
    let location = format!("/api/library/uploads/{}", upload.id);
    let location = HeaderValue::from_str(&location).map_err(|_| Problem::internal())?;
    let mut answer = (StatusCode::CREATED, [(header::LOCATION, location)]).into_response();
    expires(&upload, answer.headers_mut());
    Ok(answer)
}

/// How much of an upload has come.
#[utoipa::path(head, path = "/api/library/uploads/{id}", tag = "library",
    params(("id" = Uuid, Path)), responses((status = 200)))]
async fn offset(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<FilmId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    speaks(&headers)?;
    let upload = library::upload(&app.context, &actor, id).await;
    let upload = upload.map_err(problem)?;
    let mut answer = StatusCode::OK.into_response();
    let headers = answer.headers_mut();
    headers.insert(OFFSET, HeaderValue::from(upload.offset));
    headers.insert(LENGTH, HeaderValue::from(upload.length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    expires(&upload, headers);
    Ok(answer)
}

/// A piece of an upload, at the offset that `Upload-Offset` says; with `Upload-Checksum` it comes
/// whole or not at all.
#[utoipa::path(patch, path = "/api/library/uploads/{id}", tag = "library",
    params(("id" = Uuid, Path), ("Upload-Offset" = u64, Header)),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses((status = 204)))]
async fn append(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<FilmId>,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers();
    speaks(headers)?;
    let media_type = headers.get(header::CONTENT_TYPE);
    if media_type.is_none_or(|found| found != "application/offset+octet-stream") {
        return Err(not_a_piece());
    }
    let offset = number(headers, &OFFSET).ok_or_else(Problem::malformed)?;
    let checksum = match headers.get(CHECKSUM) {
        None => None,
        Some(value) => {
            let read = value.to_str().ok().and_then(Checksum::read);
            Some(read.ok_or_else(Problem::malformed)?)
        }
    };
    let body = request.into_body().into_data_stream();
    let place = (offset, checksum);
    let upload = library::append(&app.context, &actor, id, place, body).await;
    let upload = upload.map_err(problem)?;
    let mut answer = StatusCode::NO_CONTENT.into_response();
    let headers = answer.headers_mut();
    headers.insert(OFFSET, HeaderValue::from(upload.offset));
    expires(&upload, headers);
    Ok(answer)
}

/// Gives an unfinished upload up (tus *termination*).
#[utoipa::path(delete, path = "/api/library/uploads/{id}", tag = "library",
    params(("id" = Uuid, Path)), responses((status = 204)))]
async fn terminate(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Id(id): Id<FilmId>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    speaks(&headers)?;
    let given_up = library::abandon(&app.context, &actor, id).await;
    given_up.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses another version with 412, as the protocol says.
fn speaks(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get(RESUMABLE).is_some_and(|value| value == VERSION) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "upload.version",
        "上传协议版本不符，应为 tus 1.0.0。",
        "Uploads speak tus 1.0.0.",
    ))
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

/// Pairs of a key and a value in Base64, separated by commas (*Upload-Metadata*).
fn metadata(headers: &HeaderMap) -> Option<Vec<(String, String)>> {
    let text = headers.get(METADATA)?.to_str().ok()?;
    if text.len() > METADATA_BYTES_MAX {
        return None;
    }
    let pairs = text.split(',').map(|pair| {
        let (name, value) = pair.trim().split_once(' ').unwrap_or((pair.trim(), ""));
        let value = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
        Some((name.to_owned(), value))
    });
    pairs.collect()
}

/// `Upload-Expires` is an HTTP date (RFC 9110 section 5.6.7).
fn expires(upload: &Upload, headers: &mut HeaderMap) {
    let date = |at: DateTime<Utc>| at.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let date = upload.expires_at.map(date);
    if let Some(value) = date.and_then(|date| HeaderValue::from_str(&date).ok()) {
        headers.insert(EXPIRES, value);
    }
}

/// The protocol has statuses of its own for some refusals.
fn problem(error: Error) -> Problem {
    let status = match &error {
        Error::Refused(refusal) => match refusal.code {
            "upload.busy" => Some(StatusCode::LOCKED),
            "upload.length" | "upload.overflow" => Some(StatusCode::PAYLOAD_TOO_LARGE),
            "upload.checksum" => StatusCode::from_u16(CHECKSUM_MISMATCH).ok(),
            _ => None,
        },
        Error::Failed(_) => None,
    };
    let problem = Problem::from(error);
    match status {
        Some(status) => problem.with_status(status),
        None => problem,
    }
}

fn not_a_piece() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "request.media_type",
        "上传内容的类型应为 application/offset+octet-stream。",
        "A piece of an upload is application/offset+octet-stream.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read_as_tus_writes_it() {
        let read = |text: &str| {
            let value = HeaderValue::from_str(text).unwrap();
            metadata(&HeaderMap::from_iter([(METADATA, value)]))
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = vec![pair("title", "社区矫正"), pair("private", "")];
        assert_eq!(read("title 56S+5Yy655+r5q2j,private"), Some(expected));
        assert_eq!(read("title %%%"), None);
        assert_eq!(read("title /w=="), None, "no UTF-8");
    }
}
