//! Films arrive by tus 1.0, over cut connections and the server's end.

use chrono::TimeDelta;
use mingtang::domain::library::bounds::LibraryBounds;
use mingtang::http::App;
use mingtang::service::ledger;
use mingtang::service::library::{self, Library};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::tus::{self, Tus, announce};
use crate::server::{Server, answer, serve};
use crate::waiting::until;

/// A server that says it can import, and does not: what comes stays where it is.
async fn server() -> Server {
    let server = Server::start().await;
    server.world.context.library.set_importer(true);
    server
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 31 % 251) as u8).collect()
}

fn unit(server: &Server) -> String {
    server.demo.county.id.to_string()
}

#[tokio::test]
async fn a_film_comes_in_pieces_and_is_hashed_when_it_is_whole() {
    let server = server().await;
    let teacher = server.sign_in("teacher").await;
    let film = bytes(300_000);
    let tus = Tus::create(&teacher, &unit(&server), film.len()).await;
    assert_eq!(tus.offset().await, 0);
    let first = tus.send(0, &film[..100_000]).await;
    assert_eq!(first.status, 204, "{first:?}");
    assert_eq!(first.headers["tus-resumable"], "1.0.0");
    assert!(
        first.headers["upload-expires"]
            .to_str()
            .unwrap()
            .ends_with(" GMT")
    );
    let repeated = tus.send(0, &film[..100_000]).await;
    assert_eq!(repeated.outcome(), (409, "upload.offset".into()));
    assert_eq!(tus::film(&teacher, tus.id()).await["received"], 100_000);
    let last = tus.send(100_000, &film[100_000..]).await;
    assert_eq!(last.headers["upload-offset"], "300000");
    let view = tus::film(&teacher, tus.id()).await;
    assert_eq!(
        (&view["state"], &view["title"]),
        (&json!("queued"), &json!("社区矫正法"))
    );
    let path = server
        .world
        .context
        .library
        .upload_path(tus.id().parse().unwrap());
    assert_eq!(std::fs::read(path.unwrap()).unwrap(), film);
    assert!(
        ledger::verify(&server.world.context, None)
            .await
            .unwrap()
            .is_sound()
    );
}

#[tokio::test]
async fn an_upload_goes_on_after_a_cut_connection_and_after_the_servers_end() {
    let mut server = server().await;
    let mut teacher = server.sign_in("teacher").await;
    let film = bytes(9 << 20);
    let unit = unit(&server);
    let path = Tus::create(&teacher, &unit, film.len()).await.path;

    // 6 MiB of 9, then the network is gone.
    let address = teacher.base.strip_prefix("http://").unwrap().to_owned();
    let mut cut = tokio::net::TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "PATCH {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
         tus-resumable: 1.0.0\r\nupload-offset: 0\r\ncontent-length: {}\r\n\
         content-type: application/offset+octet-stream\r\n\r\n",
        teacher.token.as_deref().unwrap(),
        film.len()
    );
    cut.write_all(head.as_bytes()).await.unwrap();
    cut.write_all(&film[..6 << 20]).await.unwrap();
    let tus = Tus {
        client: &teacher,
        path: path.clone(),
    };
    until("a piece that is told of", async || {
        tus::film(&teacher, tus.id()).await["received"].as_u64() >= Some(4 << 20)
    })
    .await;
    drop(cut);
    let offset = tus.offset().await;
    assert!((4 << 20..=6 << 20).contains(&offset), "{offset}");
    let next = offset + (1 << 20);
    assert_eq!(tus.send(offset, &film[offset..next]).await.status, 204);

    // Another process, and a torn end that nobody was told of.
    let library = server.world.context.library.clone();
    let file = library.upload_path(tus.id().parse().unwrap()).unwrap();
    let mut torn = tokio::fs::OpenOptions::new()
        .append(true)
        .open(&file)
        .await
        .unwrap();
    torn.write_all(b"torn").await.unwrap();
    torn.flush().await.unwrap();
    let context = server.world.restarted().await;
    context.library.set_importer(true);
    server.base = serve(App::new(context)).await;
    teacher.base.clone_from(&server.base);
    let tus = Tus {
        client: &teacher,
        path,
    };
    assert_eq!(tus.offset().await, next);
    assert_eq!(tus.send(next, &film[next..]).await.status, 204);
    assert_eq!(std::fs::read(file).unwrap(), film);
}

#[tokio::test]
async fn a_newer_request_sends_a_dead_one_away() {
    let server = server().await;
    let teacher = server.sign_in("teacher").await;
    let film = bytes(1_000);
    let tus = Tus::create(&teacher, &unit(&server), film.len()).await;
    let (sender, body) = tokio::sync::mpsc::channel::<Result<Vec<u8>, std::io::Error>>(1);
    let body = futures_util::stream::unfold(body, |mut body| async {
        body.recv().await.map(|next| (next, body))
    });
    let silent = tus.piece(0, &[]).body(reqwest::Body::wrap_stream(body));
    let silent = tokio::spawn(answer(silent));
    sender.send(Ok(film[..600].to_vec())).await.unwrap();
    // Only whoever holds the turn is sent away; before that there is nobody to send.
    let mut offset = 0;
    until("what came of the silent one", async || {
        offset = tus.offset().await;
        silent.is_finished()
    })
    .await;
    assert_eq!(silent.await.unwrap().status, 423);
    assert!(offset == 0 || offset == 600, "{offset}");
    assert_eq!(tus.send(offset, &film[offset..]).await.status, 204);
}

#[tokio::test]
async fn a_damaged_piece_is_not_kept() {
    let server = server().await;
    let teacher = server.sign_in("teacher").await;
    let tus = Tus::create(&teacher, &unit(&server), 11).await;
    let digest = "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=";
    let send = |bytes: &'static [u8]| tus.piece(0, bytes).header("upload-checksum", digest);
    let damaged = answer(send(b"hello World")).await;
    assert_eq!(damaged.outcome(), (460, "upload.checksum".into()));
    assert_eq!(tus.offset().await, 0);
    assert_eq!(answer(send(b"hello world")).await.status, 204);
}

#[tokio::test]
async fn what_tus_forbids_is_refused_as_it_says() {
    let server = server().await;
    let teacher = server.sign_in("teacher").await;
    let unit = unit(&server);
    let options = answer(teacher.request(reqwest::Method::OPTIONS, "/api/library/uploads")).await;
    assert_eq!(options.status, 204);
    assert_eq!(options.headers["tus-version"], "1.0.0");
    assert_eq!(
        options.headers["tus-extension"],
        "creation,expiration,checksum,termination"
    );
    let unversioned = teacher.post("/api/library/uploads", json!({})).await;
    assert_eq!(unversioned.outcome(), (412, "upload.version".into()));
    let large = announce(&teacher, &unit, "x", 1 << 40).await;
    assert_eq!(large.outcome(), (413, "upload.length".into()));
    let tus = Tus::create(&teacher, &unit, 10).await;
    let json = tus
        .request("PATCH")
        .header("upload-offset", 0)
        .json(&json!({}));
    assert_eq!(
        answer(json).await.outcome(),
        (415, "request.media_type".into())
    );
    let more = tus.send(0, &bytes(11)).await;
    assert_eq!(more.outcome(), (413, "upload.overflow".into()));
    let ahead = tus.send(5, &bytes(5)).await;
    assert_eq!(ahead.outcome(), (409, "upload.offset".into()));
}

#[tokio::test]
async fn uploads_are_for_staff_and_each_sees_their_own() {
    let server = server().await;
    let (teacher, officer) = (
        server.sign_in("teacher").await,
        server.sign_in("officer").await,
    );
    let learner = server.sign_in("learner1").await;
    let unit = unit(&server);
    let refused = announce(&learner, &unit, "x", 10).await;
    assert_eq!(refused.outcome(), (403, "auth.forbidden".into()));
    let above = server.demo.county.parent_id.unwrap().to_string();
    let elsewhere = announce(&teacher, &above, "x", 10).await;
    assert_eq!(elsewhere.outcome(), (403, "auth.forbidden".into()));
    let tus = Tus::create(&teacher, &unit, 10).await;
    let other = Tus {
        client: &officer,
        path: tus.path.clone(),
    };
    assert_eq!(
        other.send(0, &bytes(10)).await.outcome(),
        (404, "film.not_found".into())
    );
    let deleted = answer(tus.request("DELETE")).await;
    assert_eq!(deleted.status, 204);
    assert_eq!(answer(tus.request("HEAD")).await.status, 404);
    let path = server
        .world
        .context
        .library
        .upload_path(tus.id().parse().unwrap());
    assert!(!path.unwrap().exists());
}

#[tokio::test]
async fn bounds_hold_and_an_unfinished_upload_ends_by_itself() {
    let server = server().await;
    let teacher = server.sign_in("teacher").await;
    let unit = unit(&server);
    let mut last = String::new();
    for _ in 0..3 {
        last = Tus::create(&teacher, &unit, 10).await.path;
    }
    let fourth = announce(&teacher, &unit, "x", 10).await;
    assert_eq!(fourth.outcome(), (429, "upload.too_many".into()));
    server.world.clock.advance(TimeDelta::hours(23));
    let teacher = server.sign_in("teacher").await;
    let kept = Tus {
        client: &teacher,
        path: last,
    };
    assert_eq!(kept.send(0, &bytes(4)).await.status, 204);
    server.world.clock.advance(TimeDelta::hours(2));
    assert_eq!(library::expire(&server.world.context).await.unwrap(), 2);
    let teacher = server.sign_in("teacher").await;
    let kept = Tus {
        client: &teacher,
        ..kept
    };
    assert_eq!(kept.offset().await, 4);
}

#[tokio::test]
async fn a_server_that_cannot_import_or_has_no_space_says_so_at_once() {
    let mut server = Server::start().await;
    let mut teacher = server.sign_in("teacher").await;
    let unit = unit(&server);
    let none = announce(&teacher, &unit, "x", 10).await;
    assert_eq!(none.outcome(), (503, "library.no_importer".into()));
    assert!(none.json()["zh"].as_str().unwrap().contains("ffmpeg"));
    let bounds = LibraryBounds {
        library_bytes_max: 15,
        ..LibraryBounds::default()
    };
    let mut context = server.world.context.clone();
    context.library = Library::at(server.world.folder(), bounds);
    context.library.set_importer(true);
    server.base = serve(App::new(context)).await;
    teacher.base.clone_from(&server.base);
    Tus::create(&teacher, &unit, 10).await;
    let full = announce(&teacher, &unit, "x", 10).await;
    assert_eq!(full.outcome(), (429, "upload.library_full".into()));
}
