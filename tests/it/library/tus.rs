//! A tus client, and films made for tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::server::{Answer, Client, Server, answer};
use crate::waiting::until;

/// An upload of a client.
pub struct Tus<'a> {
    pub client: &'a Client,
    pub path: String,
}

pub fn request(client: &Client, method: &str, path: &str) -> RequestBuilder {
    let method: Method = method.parse().unwrap();
    client
        .request(method, path)
        .header("tus-resumable", "1.0.0")
}

/// Asks for a new upload.
pub async fn announce(client: &Client, unit: &str, title: &str, length: u64) -> Answer {
    let metadata = format!(
        "title {},unit_id {},filename {}",
        STANDARD.encode(title),
        STANDARD.encode(unit),
        STANDARD.encode("../../etc/passwd; rm -rf.mp4")
    );
    let request = request(client, "POST", "/api/library/uploads")
        .header("upload-length", length)
        .header("upload-metadata", metadata);
    answer(request).await
}

impl<'a> Tus<'a> {
    pub async fn create(client: &'a Client, unit: &str, length: usize) -> Self {
        let announced = announce(client, unit, "社区矫正法", length as u64).await;
        assert_eq!(announced.status, 201, "{announced:?}");
        let path = announced.headers["location"].to_str().unwrap().to_owned();
        Self { client, path }
    }

    pub fn id(&self) -> &str {
        self.path.rsplit('/').next().unwrap()
    }

    pub fn request(&self, method: &str) -> RequestBuilder {
        request(self.client, method, &self.path)
    }

    /// Sends a piece.
    pub async fn send(&self, offset: usize, bytes: &[u8]) -> Answer {
        answer(self.piece(offset, bytes)).await
    }

    pub fn piece(&self, offset: usize, bytes: &[u8]) -> RequestBuilder {
        self.request("PATCH")
            .header("upload-offset", offset)
            .header("content-type", "application/offset+octet-stream")
            .body(bytes.to_vec())
    }

    /// Where the server is.
    pub async fn offset(&self) -> usize {
        let answer = answer(self.request("HEAD")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.headers["cache-control"], "no-store");
        let offset = answer.headers["upload-offset"].to_str().unwrap();
        offset.parse().unwrap()
    }
}

/// Sends all of a file as a teacher; the id of its film.
pub async fn uploaded(client: &Client, server: &Server, bytes: &[u8]) -> String {
    let unit = server.demo.county.id.to_string();
    let tus = Tus::create(client, &unit, bytes.len()).await;
    let answer = tus.send(0, bytes).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    tus.id().to_owned()
}

pub async fn film(client: &Client, id: &str) -> Value {
    let answer = client.get(&format!("/api/library/films/{id}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Waits until a film's import came to an end. Imports give way to everything else, so what has a
/// limit is each step of theirs.
pub async fn imported(client: &Client, id: &str) -> Value {
    let mut found = film(client, id).await;
    while found["state"] != "ready" && found["state"] != "refused" {
        let before = found.clone();
        until("the next step of the import", async || {
            found = film(client, id).await;
            found != before
        })
        .await;
    }
    found
}

/// A film by ffmpeg's own generators: `seconds` of a test picture with a tone.
pub fn clip(folder: &Path, seconds: u32) -> PathBuf {
    let picture = format!("testsrc=size=640x360:rate=25:duration={seconds}");
    let tone = format!("sine=frequency=440:duration={seconds}");
    let arguments = ["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &tone];
    made(folder, "clip.mp4", &arguments)
}

/// A film by these inputs of ffmpeg.
pub fn made(folder: &Path, name: &str, arguments: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let status = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-nostdin", "-y"])
        .args(arguments)
        .arg(&path)
        .status()
        .expect("ffmpeg, which scripts/ensure-test installs");
    assert!(status.success());
    path
}
