//! Who gets a socket, and what the others are told.

use livekit_protocol as proto;
use proto::signal_response::Message as Answer;

use super::client::{Client, single};
use super::server::start;

#[tokio::test]
async fn the_welcome_of_both_entries_names_everything_that_clients_rely_on() {
    let server = start().await;
    let (_ann, join) = Client::join(&server, "r", "ann").await;
    assert!(!join.server_info.as_ref().unwrap().version.is_empty());
    assert_eq!((join.ping_interval, join.ping_timeout), (5, 15));
    assert!(!join.subscriber_primary && join.fast_publish);
    assert_relay(&join.ice_servers, "ann");
    assert!(join.room.unwrap().sid.starts_with("RM_"));
    let own = join.participant.unwrap();
    assert!(own.sid.starts_with("PA_"));
    assert_eq!(
        (own.identity.as_str(), own.name.as_str()),
        ("ann", "name of ann")
    );
    assert_eq!(
        (own.client_protocol, own.capabilities.as_slice()),
        (2, &[2][..])
    );
    assert!(own.permission.unwrap().can_publish && own.joined_at_ms > 0);

    let token = server.token("r", "bob");
    let path = format!("/rtc?access_token={token}&auto_subscribe=1&protocol=13&sdk=android");
    let mut bob = Client::open(&server, &path).await.unwrap();
    let Some(Answer::Join(join)) = bob.hear().await else {
        panic!("the welcome was due");
    };
    assert!(join.subscriber_primary);
    let others: Vec<&str> = join
        .other_participants
        .iter()
        .map(|p| p.identity.as_str())
        .collect();
    assert_eq!(others, ["ann"]);
    let offered = bob
        .hear_until(|answer| match answer {
            Answer::Offer(offer) => Some(offer.clone()),
            _ => None,
        })
        .await;
    assert_eq!((offered.id, offered.r#type.as_str()), (1, "offer"));
}

/// One TURN server, with a password for this identity that ends within the hour.
pub fn assert_relay(servers: &[proto::IceServer], identity: &str) {
    let [server] = servers else {
        panic!("one relay was due, not {}", servers.len());
    };
    assert_eq!(server.urls, ["turn:turn.example.org:3478"]);
    let (until, whom) = server.username.split_once(':').unwrap();
    let left = until.parse::<i64>().unwrap() - chrono::Utc::now().timestamp();
    assert!((3_500..=3_600).contains(&left), "{left} s");
    assert_eq!((whom, server.credential.len()), (identity, 28));
}

#[tokio::test]
async fn bad_tokens_get_a_plain_answer_and_no_socket() {
    let server = start().await;
    let (good, request) = (server.token("r", "ann"), proto::JoinRequest::default());
    let forged = format!("{}AAAA", &good[..good.len() - 4]);
    let lesson = server.token("lesson-unknown", "ann");
    for (token, status) in [("", 401), ("a.b.c", 401), (&forged, 401), (&lesson, 404)] {
        let path = single(token, &request);
        assert_eq!(
            Client::open(&server, &path).await.err(),
            Some(status),
            "{token}"
        );
        let path = format!("/rtc?access_token={token}");
        assert_eq!(
            Client::open(&server, &path).await.err(),
            Some(status),
            "{token}"
        );
    }
    let oversized = format!(
        "/rtc/v1?access_token={good}&join_request={}",
        "A".repeat(60_000)
    );
    assert_eq!(Client::open(&server, &oversized).await.err(), Some(400));
    let unreadable = format!("/rtc/v1?access_token={good}&join_request=xx");
    assert_eq!(Client::open(&server, &unreadable).await.err(), Some(400));
}

#[tokio::test]
async fn a_join_request_of_a_megabyte_is_refused_clearly() {
    let server = start().await;
    let token = server.token("r", "ann");
    let query = format!(
        "access_token={token}&join_request={}",
        "A".repeat(1_000_000)
    );
    let url = server.url("http", &format!("/rtc/v1/validate?{query}"));
    // The HTTP client itself refuses such an address, so the request is written by hand.
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: x\r\n\r\n",
        &url["http://".len()..]
    );
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    // The server may close before it has read all of it.
    let _ = stream
        .write_all(
            request
                .replacen(&server.address.to_string(), "", 1)
                .as_bytes(),
        )
        .await;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert!(
        [&b"HTTP/1.1 414"[..], b"HTTP/1.1 431"].contains(&&answer[..]),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    let (_client, join) = Client::join(&server, "r", "ann").await;
    assert!(join.room.is_some(), "others are unharmed");
}

#[tokio::test]
async fn validate_says_in_words_why_a_socket_failed_and_any_page_may_read_it() {
    let server = start().await;
    let (good, lesson) = (server.token("r", "ann"), server.token("lesson-x", "ann"));
    let join = single(&good, &proto::JoinRequest::default());
    let join_request = join.split_once('&').unwrap().1;
    for (path, status, words) in [
        (format!("/rtc/validate?access_token={good}"), 200, "success"),
        (
            format!("/rtc/v1/validate?access_token={good}&{join_request}"),
            200,
            "success",
        ),
        (
            "/rtc/validate?access_token=x".to_owned(),
            401,
            "token is not valid",
        ),
        (
            format!("/rtc/validate?access_token={lesson}"),
            404,
            "requested room does not exist",
        ),
        (format!("/rtc?access_token={good}"), 404, "not a WebSocket"),
    ] {
        let request = reqwest::Client::new().get(server.url("http", &path));
        let response = request
            .header("Origin", "http://page")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        assert!(response.text().await.unwrap().contains(words), "{path}");
    }
}

#[tokio::test]
async fn a_token_in_the_header_counts_as_well() {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
    let server = start().await;
    let mut request = server.url("ws", "/rtc").into_client_request().unwrap();
    let bearer = format!("Bearer {}", server.token("r", "ann"));
    request
        .headers_mut()
        .insert("Authorization", bearer.parse().unwrap());
    let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let mut client = Client { socket };
    assert!(matches!(client.hear().await, Some(Answer::Join(_))));
}
