//! Films are cut by the real ffmpeg.

use std::process::Command;

use mingtang::service::library;
use mingtang::shell::importer::{self, Importer};
use serde_json::json;

use super::tus::{clip, film, imported, made, uploaded};
use crate::server::Server;
use crate::waiting::until;

async fn importer(server: &Server) -> Importer {
    let programs = importer::find(None).expect("ffmpeg, which scripts/ensure-test installs");
    let context = &server.world.context;
    Importer::start(context, Some(programs)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_becomes_segments_of_four_seconds_that_any_phone_plays() {
    let server = Server::start().await;
    let importer = importer(&server).await;
    let teacher = server.sign_in("teacher").await;
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(clip(folder.path(), 20)).unwrap();
    let id = uploaded(&teacher, &server, &bytes).await;
    let view = imported(&teacher, &id).await;
    assert_eq!(view["state"], "ready", "{view}");
    assert!(
        (19_900..=20_200).contains(&view["duration_ms"].as_u64().unwrap()),
        "{view}"
    );
    importer.stop().await;

    let library = &server.world.context.library;
    let id = id.parse().unwrap();
    let place = library.film_path(id).unwrap();
    assert!(!library.upload_path(id).unwrap().exists(), "the file goes");
    assert!(!library.work_path(id).unwrap().exists());
    for (rendition, streams) in [
        ("middle", "h264,Constrained Baseline|aac,LC"),
        ("low", "h264,Constrained Baseline|aac,LC"),
        ("sound", "aac,LC"),
    ] {
        let output = Command::new("ffprobe")
            .args([
                "-loglevel",
                "error",
                "-show_entries",
                "stream=codec_name,profile",
            ])
            .args(["-of", "csv=p=0"])
            .arg(place.join(format!("{rendition}.m3u8")))
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{rendition}: {output:?}");
        let found = String::from_utf8(output.stdout).unwrap();
        let mut found: Vec<&str> = found.lines().filter(|line| !line.is_empty()).collect();
        found.sort();
        found.dedup();
        let mut wanted: Vec<&str> = streams.split('|').collect();
        wanted.sort();
        assert_eq!(found, wanted, "{rendition}");
    }
    let text = std::fs::read_to_string(place.join("low.m3u8")).unwrap();
    assert_eq!(text.matches("#EXTINF:4.000000,").count(), 5, "{text}");
    let size: u64 = (0..5)
        .map(|n| {
            std::fs::metadata(place.join(format!("low-{n:05}.m4s")))
                .unwrap()
                .len()
        })
        .sum();
    assert!(size * 8 / 20 < 150_000, "{} bit/s", size * 8 / 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_film_is_refused_and_nothing_is_left_of_it() {
    let server = Server::start().await;
    let importer = importer(&server).await;
    let teacher = server.sign_in("teacher").await;
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(clip(folder.path(), 20)).unwrap();
    let short = std::fs::read(clip(folder.path(), 4)).unwrap();
    let wide = [
        "-f",
        "lavfi",
        "-i",
        "color=size=8200x32:rate=1:duration=2",
        "-c:v",
        "mjpeg",
    ];
    let wide = std::fs::read(made(folder.path(), "wide.avi", &wide)).unwrap();
    // A playlist would have the server read its own files.
    let secret = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n".to_vec();
    for (bytes, reason) in [
        (b"this is no film, but plain text".to_vec(), "not_media"),
        (secret, "not_media"),
        (wide, "dimensions"),
        // The index of the whole is at its end.
        (whole[..whole.len() / 2].to_vec(), "not_media"),
        (vec![0; 4_096], "not_media"),
    ] {
        let id = uploaded(&teacher, &server, &bytes).await;
        let view = imported(&teacher, &id).await;
        assert_eq!(
            (&view["state"], &view["reason"]),
            (&json!("refused"), &json!(reason))
        );
        let library = &server.world.context.library;
        let id = id.parse().unwrap();
        let paths = [
            library.upload_path(id).unwrap(),
            library.work_path(id).unwrap(),
            library.film_path(id).unwrap(),
        ];
        // The database says so first.
        until("nothing that is left", async || {
            paths.iter().all(|path| !path.exists())
        })
        .await;
    }
    // One after the other, and the next one is not held up by what came before.
    let id = uploaded(&teacher, &server, &short).await;
    assert_eq!(imported(&teacher, &id).await["state"], "ready");
    importer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_the_servers_end_broke_off_is_done_again() {
    let server = Server::start().await;
    let context = &server.world.context;
    context.library.set_importer(true);
    let teacher = server.sign_in("teacher").await;
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(clip(folder.path(), 4)).unwrap();
    let id = uploaded(&teacher, &server, &bytes).await;
    // The server dies in the midst of it.
    let job = library::begin(context).await.unwrap().unwrap();
    std::fs::write(job.work.join("low-00000.m4s"), b"half").unwrap();
    assert!(library::progress(context, &job, 40).await.unwrap());
    let view = film(&teacher, &id).await;
    assert_eq!(
        (&view["state"], &view["percent"]),
        (&json!("importing"), &json!(40))
    );
    let stray = job.work.with_file_name("stray");
    std::fs::write(&stray, b"").unwrap();

    let importer = importer(&server).await;
    let view = imported(&teacher, &id).await;
    assert_eq!(
        (&view["state"], &view["percent"]),
        (&json!("ready"), &json!(100)),
        "{view}"
    );
    assert!(!stray.exists(), "what nobody needs is swept away");
    importer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_is_taken_away_is_not_imported_on() {
    let server = Server::start().await;
    let importer = importer(&server).await;
    let teacher = server.sign_in("teacher").await;
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(clip(folder.path(), 120)).unwrap();
    let id = uploaded(&teacher, &server, &bytes).await;
    until("the import", async || {
        film(&teacher, &id).await["state"] != "queued"
    })
    .await;
    let path = format!("/api/library/films/{id}");
    let removed = teacher
        .call(reqwest::Method::DELETE, &path, json!(null))
        .await;
    assert_eq!(removed.status, 204);
    assert_eq!(
        teacher.get(&path).await.outcome(),
        (404, "film.not_found".into())
    );
    let library = &server.world.context.library;
    let work = library.work_path(id.parse().unwrap()).unwrap();
    until("the end of the import", async || !work.exists()).await;
    importer.stop().await;
}
