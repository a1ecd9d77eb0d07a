//! Every status that WHIP and WHEP have for a request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use hmac::{Hmac, Mac as _};
use mingtang::media::signal::LeaveReason;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use sha1::Sha1;

use super::client::{Answer, FRAGMENT, SDP, Session, answer, offer_of, post, request, value};
use super::{Server, TURN_URLS};
use crate::media::client::{Client, token, token_with};

async fn offer(publishes: bool) -> String {
    offer_of(&Client::new(publishes).await).await
}

fn outcome(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_is_answered_with_a_session_and_everything_to_reach_it() {
    let server = Server::start().await;
    let token = token("hall", "terminal");
    let posted = post(&server, "/whip/hall", &token, offer(true).await).await;
    assert_eq!(posted.status, 201);
    assert_eq!(posted.header("content-type"), SDP);
    assert!(posted.header("location").starts_with("/media-sessions/"));
    assert!(posted.header("location").len() > 40, "nobody guesses it");
    let tag = posted.header("etag");
    assert_eq!(tag, format!("\"{}\"", value(&posted.text, "a=ice-ufrag:")));
    for line in ["a=candidate:", "a=end-of-candidates", "a=ice-lite"] {
        assert!(posted.text.contains(line), "{line}");
    }
    assert!(posted.text.contains("a=recvonly") && !posted.text.contains("a=sendonly"));
    assert_eq!(posted.header("access-control-allow-origin"), "*");
    let exposed = posted.header("access-control-expose-headers");
    assert!(exposed.contains("location") && exposed.contains("etag"));
    let watched = post(&server, "/whep/hall", &token, offer(false).await).await;
    assert_eq!(watched.status, 201);
    for opened in [&posted, &watched] {
        relays_are_linked(opened);
    }
    assert_ne!(posted.header("link"), watched.header("link"));
    assert!(exposed.contains("link"));
    assert!(watched.text.contains("a=sendonly") && !watched.text.contains("a=recvonly"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offers_that_cannot_be_taken_are_told_apart() {
    let server = Server::start().await;
    let good = token("hall", "terminal");
    let grant = |more: serde_json::Value| {
        let mut grant = json!({"room": "hall", "roomJoin": true});
        let more = more.as_object().unwrap().clone();
        grant.as_object_mut().unwrap().extend(more);
        token_with("terminal", grant)
    };
    let (sends, receives) = (offer(true).await, offer(false).await);
    let large = format!("{sends}{}", "a=x\r\n".repeat(20_000));
    let forged = format!("{}x", good);
    let mute = grant(json!({"canPublish": false}));
    let deaf = grant(json!({"canSubscribe": false}));
    for (path, token, offer, status, code) in [
        ("/whip/hall", "", sends.as_str(), 401, "auth.required"),
        ("/whip/hall", &forged, &sends, 401, "call.bad_token"),
        ("/whip/yard", &good, &sends, 403, "session.other_room"),
        ("/whep/yard", &good, &receives, 403, "session.other_room"),
        ("/whip/hall", &mute, &sends, 403, "session.not_allowed"),
        ("/whep/hall", &deaf, &receives, 403, "session.not_allowed"),
        ("/whip/hall", &good, "hello", 400, "session.bad_offer"),
        ("/whip/hall", &good, "", 400, "session.bad_offer"),
        ("/whip/hall", &good, &receives, 406, "session.unacceptable"),
        ("/whep/hall", &good, &sends, 406, "session.unacceptable"),
        ("/whip/hall", &good, &large, 413, "request.too_large"),
    ] {
        let posted = post(&server, path, token, offer.to_owned()).await;
        assert_eq!(posted.outcome(), outcome(status, code), "{path}");
        assert_eq!(posted.header("access-control-allow-origin"), "*");
    }
    let typed = request(&server, Method::POST, "/whip/hall", &good)
        .header(CONTENT_TYPE, "text/plain")
        .body(sends.clone());
    let typed = answer(typed).await;
    assert_eq!(typed.outcome(), outcome(415, "session.media_type"));
    assert_eq!(typed.header("accept-post"), SDP);
    assert!(server.people("hall").await.is_empty(), "none came in");
}

/// Every address of the relay comes with a name that ends soon and the password for it.
fn relays_are_linked(opened: &Answer) {
    let links = opened.headers.get_all("link").iter();
    let links: Vec<&str> = links.map(|link| link.to_str().unwrap()).collect();
    assert_eq!(links.len(), TURN_URLS.len());
    for (link, url) in links.iter().zip(TURN_URLS) {
        let parameters = link.strip_prefix(&format!("<{url}>; ")).unwrap();
        let parameter = |name: &str| {
            let (_, rest) = parameters.split_once(&format!("{name}=\"")).unwrap();
            rest.split_once('"').unwrap().0.to_owned()
        };
        assert_eq!(parameter("rel"), "ice-server");
        assert_eq!(parameter("credential-type"), "password");
        let username = parameter("username");
        let (until, _) = username.split_once(':').unwrap();
        let left = until.parse::<i64>().unwrap() - Utc::now().timestamp();
        assert!((1..=600).contains(&left), "{left}");
        let mac = Hmac::<Sha1>::new_from_slice(b"shared").unwrap();
        let password = mac.chain_update(&username).finalize().into_bytes();
        assert_eq!(parameter("credential"), STANDARD.encode(password));
        assert!(!username.contains("terminal"), "no person in a header");
    }
}

async fn patch(server: &Server, path: &str, token: &str, headers: &[(&str, &str)]) -> Answer {
    let same = "a=end-of-candidates\r\n";
    let mut patch = request(server, Method::PATCH, path, token).body(same);
    for (name, value) in headers {
        patch = patch.header(*name, *value);
    }
    answer(patch).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fragments_need_the_tag_in_force_and_sections_that_exist() {
    let server = Server::start().await;
    let own = token("hall", "terminal");
    let session = Session::open(&server, "/whip/hall", &own, true).await;
    let (path, tag) = (session.path.as_str(), session.tag.as_str());
    let typed = ("content-type", FRAGMENT);
    for (token, headers, expected) in [
        (
            own.as_str(),
            vec![typed, ("if-match", tag)],
            outcome(204, ""),
        ),
        (&own, vec![typed, ("if-match", "*")], outcome(204, "")),
        (&own, vec![typed, ("etag", tag)], outcome(204, "")),
        (&own, vec![typed], outcome(428, "session.no_tag")),
        (
            &own,
            vec![typed, ("if-match", "\"old\"")],
            outcome(412, "session.stale_tag"),
        ),
        (
            &own,
            vec![("content-type", SDP), ("if-match", tag)],
            outcome(409, "session.no_offer"),
        ),
        (
            &own,
            vec![("content-type", "text/plain"), ("if-match", tag)],
            outcome(415, "session.media_type"),
        ),
        (
            "",
            vec![typed, ("if-match", tag)],
            outcome(401, "auth.required"),
        ),
        (
            "nonsense",
            vec![typed, ("if-match", tag)],
            outcome(401, "call.bad_token"),
        ),
        (
            &token("hall", "somebody"),
            vec![typed, ("if-match", tag)],
            outcome(403, "session.not_yours"),
        ),
    ] {
        let patched = patch(&server, path, token, &headers).await;
        assert_eq!(patched.outcome(), expected, "{headers:?}");
        assert_eq!(patched.header("accept-patch"), format!("{FRAGMENT}, {SDP}"));
    }
    let foreign = session.patch(&server, tag, "a=mid:not-there\r\n").await;
    assert_eq!(foreign.outcome(), outcome(422, "session.other_sections"));
    let broken = session.patch(&server, tag, "a=ice-ufrag:x\r\n").await;
    assert_eq!(broken.outcome(), outcome(400, "request.malformed"));
    let unknown = patch(
        &server,
        "/media-sessions/none",
        &own,
        &[typed, ("if-match", tag)],
    )
    .await;
    assert_eq!(unknown.outcome(), outcome(404, "room.gone"));
    let fresh = token_with(
        "terminal",
        json!({"room": "hall", "roomJoin": true, "hidden": false}),
    );
    assert_ne!(fresh, own);
    let later = patch(&server, path, &fresh, &[typed, ("if-match", tag)]).await;
    assert_eq!(later.status, 204, "a fresh token of the same identity");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_finds_out_what_is_here_before_it_has_a_token() {
    let server = Server::start().await;
    for path in ["/whip/hall", "/whep/hall", "/whep/hall/terminal"] {
        let preflight = request(&server, Method::OPTIONS, path, "")
            .header("origin", "https://example.org")
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization, content-type",
            );
        let preflight = answer(preflight).await;
        assert_eq!(preflight.status, 200);
        assert_eq!(preflight.header("accept-post"), SDP);
        let allowed = preflight.header("access-control-allow-headers");
        assert!(allowed.contains("authorization"), "{allowed}");
        assert!(
            preflight
                .header("access-control-allow-methods")
                .contains("PATCH")
        );
        for method in [Method::GET, Method::HEAD] {
            let probe = answer(request(&server, method, path, "")).await;
            let expected = if path == "/whip/hall" { 204 } else { 200 };
            assert_eq!((probe.status, probe.text.as_str()), (expected, ""));
            if expected == 200 {
                assert_eq!(probe.header("content-type"), SDP);
            }
        }
        let put = answer(request(&server, Method::PUT, path, "")).await;
        assert_eq!(put.outcome(), outcome(405, "request.method"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_session_is_over_at_once_and_its_address_names_nothing() {
    let server = Server::start().await;
    let own = token("hall", "terminal");
    let session = Session::open(&server, "/whip/hall", &own, true).await;
    let probe = || request(&server, Method::GET, &session.path, "");
    assert_eq!(answer(probe()).await.status, 204);
    let stranger = token("hall", "somebody");
    let delete = |token: &str| answer(request(&server, Method::DELETE, &session.path, token));
    assert_eq!(delete("").await.status, 401);
    assert_eq!(delete(&stranger).await.status, 403);
    assert_eq!(session.delete(&server).await.status, 200);
    assert!(server.people("hall").await.is_empty());
    assert_eq!(answer(probe()).await.status, 404);
    assert_eq!(session.delete(&server).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_says_when_to_come_again() {
    let server = Server::start().await;
    let own = token("hall", "terminal");
    let session = Session::open(&server, "/whip/hall", &own, true).await;
    server
        .plane
        .rooms
        .close_all(LeaveReason::ServerShutdown)
        .await;
    let posted = post(
        &server,
        "/whip/yard",
        &token("yard", "terminal"),
        offer(true).await,
    )
    .await;
    assert_eq!(posted.outcome(), outcome(503, "room.stopping"));
    assert!(!posted.header("retry-after").is_empty());
    assert_eq!(session.delete(&server).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_that_accepts_it_is_offered_what_it_should_have_offered() {
    let server = Server::start().await;
    let own = token("hall", "wall");
    let sends = offer(true).await;
    let accepting = |path: &str, accept: &'static str| {
        let request = request(&server, Method::POST, path, &own);
        let typed = request.header(CONTENT_TYPE, SDP).header("accept", accept);
        answer(typed.body(sends.clone()))
    };
    for accept in ["*/*", "application/json"] {
        let refused = accepting("/whep/hall", accept).await;
        assert_eq!(refused.outcome(), outcome(406, "session.unacceptable"));
    }
    let countered = accepting("/whep/hall/terminal", "text/html, application/sdp;q=0.5").await;
    assert_eq!(
        (countered.status, countered.header("content-type")),
        (406, SDP)
    );
    assert!(countered.text.contains("a=sendonly") && countered.text.contains("a=setup:actpass"));
    relays_are_linked(&countered);
    let path = countered.header("location");
    let reply = |sdp: String| {
        let patch = request(&server, Method::PATCH, path, &own);
        answer(patch.header(CONTENT_TYPE, SDP).body(sdp))
    };
    let broken = reply("hello".to_owned()).await;
    assert_eq!(broken.outcome(), outcome(400, "session.bad_offer"));
    let turned = countered.text.replace("a=sendonly", "a=recvonly");
    let turned = turned.replace("a=setup:actpass", "a=setup:active");
    let idle = reply(turned.replace("a=recvonly", "a=inactive")).await;
    assert_eq!(idle.outcome(), outcome(406, "session.unacceptable"));
    assert_eq!(reply(turned.clone()).await.outcome(), outcome(204, ""));
    assert_eq!(
        reply(turned).await.outcome(),
        outcome(409, "session.no_offer")
    );
    let deleted = answer(request(&server, Method::DELETE, path, &own)).await;
    assert_eq!(deleted.status, 200);
    assert!(server.people("hall").await.is_empty());
}
