//! A server that dies takes its import along, and does it again.

use std::path::Path;

use serde_json::json;

use super::tus::{Tus, clip, imported};
use crate::binary::Server;
use crate::server::Client;
use crate::waiting::until;

const DEMO_PASSWORD: &str = "mingtang-demo";

/// Whether a process works in this folder or below it.
fn is_worked_in(folder: &Path) -> bool {
    let processes = std::fs::read_dir("/proc").expect("the processes");
    processes.flatten().any(|process| {
        std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
    })
}

async fn teacher(server: &Server) -> Client {
    let mut teacher = Client::stranger(server.url.clone());
    let answer = teacher.log_in("teacher", DEMO_PASSWORD).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    teacher
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_takes_its_import_along_and_the_next_one_does_it_again() {
    let data = tempfile::tempdir().expect("a directory");
    let folder = tempfile::tempdir().expect("a directory");
    let bytes = std::fs::read(clip(folder.path(), 20)).expect("a film");
    let mut server = Server::start(data.path());
    let client = teacher(&server).await;
    let unit = client.me["unit"]["id"].as_str().expect("a unit").to_owned();
    let tus = Tus::create(&client, &unit, bytes.len()).await;
    assert_eq!(tus.send(0, &bytes).await.status, 204);
    let id = tus.id().to_owned();
    let work = data
        .path()
        .canonicalize()
        .expect("its path")
        .join("library/work");
    until("a program at work", async || is_worked_in(&work)).await;
    server.child.kill().expect("it can be killed");
    server.child.wait().expect("it ends");
    until("the end of the program", async || !is_worked_in(&work)).await;
    drop(server);

    let server = Server::start(data.path());
    let client = teacher(&server).await;
    let view = imported(&client, &id).await;
    assert_eq!(view["state"], json!("ready"), "{view}");
    assert!(server.stop(), "it ends well");
}
