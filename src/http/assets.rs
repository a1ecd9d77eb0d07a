//! The web app, carried in the binary. Unknown paths are the app's own and get its first page.

use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::error::Problem;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/web/dist"]
#[allow_missing = true]
struct Assets;

const INDEX: &str = "index.html";

/// Files whose name holds a digest of their content never change.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

const ABSENT: &str = "<!doctype html><html lang=\"zh-CN\"><meta charset=\"utf-8\">\
    <title>明堂 Mingtang</title><main><h1>明堂 Mingtang</h1>\
    <p>此程序未包含网页界面。请执行 <code>make build</code> 后重新启动。</p>\
    <p lang=\"en\">This binary was built without the web app. Run <code>make build</code> and \
    start it again. The API is described at <a href=\"/api/docs\">/api/docs</a>.</p></main>";

/// Serves a file of the web app.
pub async fn serve(method: Method, headers: HeaderMap, uri: Uri) -> Response {
    if !matches!(method, Method::GET | Method::HEAD) {
        return Problem::method_not_allowed().into_response();
    }
    let path = uri.path().trim_start_matches('/');
    if let Some(file) = Assets::get(path) {
        return answer(path, &file, &headers);
    }
    // A missing file is missing; a missing page is a place inside the app.
    if path.starts_with("assets/") {
        return Problem::not_found().into_response();
    }
    match Assets::get(INDEX) {
        Some(file) => answer(INDEX, &file, &headers),
        None => Html(ABSENT).into_response(),
    }
}

fn answer(path: &str, file: &EmbeddedFile, request: &HeaderMap) -> Response {
    let digest: String = file.metadata.sha256_hash()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let tag = format!("\"{digest}\"");
    let cached = if path.starts_with("assets/") {
        FOR_EVER
    } else {
        "no-cache"
    };
    let known = request
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let caching = [
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, cached.to_owned()),
    ];
    if known == Some(tag.as_str()) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let media_type = [(header::CONTENT_TYPE, media_type(path))];
    (caching, media_type, file.data.clone()).into_response()
}

/// Media types of what a web build makes; anything else is bytes.
fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "woff" => "font/woff",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "wav" => "audio/wav",
        "mp4" => "video/mp4",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
