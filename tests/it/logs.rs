//! What the server writes to its log at level info names no person, token or address.

use std::io::Write;
use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::server::{PASSWORD, Server};

#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Vec<u8>>>);

impl Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Capture {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_person_token_or_address_is_in_the_log() {
    let capture = Capture::default();
    // While only one subscriber lives, a call site first met by a test without one stays silent
    // for all; a second subscriber makes each of them count.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::NEW)
        .with_ansi(false)
        .with_writer(capture.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = Server::start().await;
    let mut officer = server.sign_in("officer").await;
    server.stranger().log_in("officer", "a guess at it").await;
    let new = json!({"name": "何秋实", "unit_id": server.demo.township.id, "kind": "subject",
        "username": "heqiushi", "password": PASSWORD, "role": "learner"});
    officer.post("/api/people", new.clone()).await;
    officer.post("/api/people", new).await;
    officer.get("/api/people?q=heqiushi").await;
    let token = officer.token.clone().unwrap();
    let stream = format!("/api/events?access_token={token}");
    server
        .stranger()
        .request(Method::GET, &stream)
        .send()
        .await
        .unwrap();
    officer.refresh().await;
    officer.post("/api/auth/logout", Value::Null).await;
    server.world.context.store.close().await;
    assert_eq!(officer.log_in("officer", PASSWORD).await.status, 500);
    let log = String::from_utf8(capture.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains("/api/people") && log.contains("request failed"),
        "{log}"
    );
    let newer = officer.token.clone().unwrap();
    for secret in [
        "何秋实",
        "heqiushi",
        "沈若兰",
        "officer",
        PASSWORD,
        "127.0.0.1",
        &token,
        &newer,
    ] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}
