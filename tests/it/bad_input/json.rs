//! Bodies and queries that mean harm.

use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{Answer, Client, Server, answer};

/// Text that a database, a log or a page may stumble over.
fn strange_texts() -> Vec<String> {
    vec![
        "a\0b".to_owned(),
        "\u{1}\u{7f}\u{202e}\u{feff}".to_owned(),
        "'; drop table person; --".to_owned(),
        "%".repeat(40),
        "\u{10ffff}".repeat(50),
        "x".repeat(20_000),
        "\\".repeat(33),
        String::new(),
    ]
}

async fn raw(client: &Client, method: Method, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    let request = client.request(method, path);
    let request = request.header("content-type", "application/json");
    answer(request.body(body.into())).await
}

fn is_clear(answer: &Answer) -> bool {
    answer.status.is_client_error()
        && answer.headers["content-type"] == "application/problem+json"
        && !answer.code().is_empty()
}

#[tokio::test]
async fn bodies_that_are_no_json_of_ours_are_malformed_to_everybody() {
    let server = Server::start().await;
    let client = server.sign_in("admin").await;
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(9_000), close.repeat(9_000));
    for body in [
        deep("[", "]").into_bytes(),
        format!(r#"{{"name":{}}}"#, deep("[", "]")).into_bytes(),
        r#"{"a":"#.repeat(9_000).into_bytes(),
        b"\xff\xfe{\x00}\x00".to_vec(),
        b"{\"username\":\"\xc3\x28\",\"password\":\"x\"}".to_vec(),
        br#"{"username":"\ud800","password":"x"}"#.to_vec(),
        br#"{"username":1e999999,"password":[]}"#.to_vec(),
        br#"{"username":"a","username":"b","password":"x"}"#.to_vec(),
        b"null".to_vec(),
        Vec::new(),
    ] {
        for path in ["/api/auth/login", "/api/units", "/api/people"] {
            let answer = raw(&client, Method::POST, path, body.clone()).await;
            assert_eq!(
                answer.outcome(),
                (400, "request.malformed".into()),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn a_body_without_a_stated_length_is_bounded_all_the_same() {
    let server = Server::start().await;
    let client = server.sign_in("admin").await;
    let chunk = |_| Ok::<_, std::io::Error>(vec![b' '; 16 * 1024]);
    let chunks = futures_util::stream::iter((0..8).map(chunk));
    let request = client
        .request(Method::POST, "/api/units")
        .header("content-type", "application/json");
    let answer = answer(request.body(reqwest::Body::wrap_stream(chunks))).await;
    assert_eq!(answer.outcome(), (413, "request.too_large".into()));
}

#[tokio::test]
async fn strange_texts_in_bodies_are_kept_or_refused_but_never_a_fault() {
    let server = Server::start().await;
    let client = server.sign_in("admin").await;
    let township = server.demo.township.id;
    for (number, text) in strange_texts().into_iter().enumerate() {
        let code = format!("strange-{number}");
        let bodies: [(Method, String, Value); 7] = [
            (
                Method::POST,
                "/api/auth/login".into(),
                json!({"username": text, "password": text}),
            ),
            (
                Method::POST,
                "/api/units".into(),
                json!({"parent_id": server.demo.county.id, "name": text, "code": code}),
            ),
            (
                Method::POST,
                "/api/units".into(),
                json!({"parent_id": server.demo.county.id, "name": code, "code": text}),
            ),
            (
                Method::PATCH,
                format!("/api/units/{township}"),
                json!({"name": text}),
            ),
            (
                Method::POST,
                "/api/people".into(),
                json!({"name": text, "unit_id": township, "kind": "subject"}),
            ),
            (
                Method::POST,
                "/api/people".into(),
                json!({"name": "何秋实", "unit_id": township, "kind": "subject",
                    "username": text, "password": text, "role": "learner"}),
            ),
            (
                Method::POST,
                "/api/me/password".into(),
                json!({"old_password": text, "new_password": text}),
            ),
        ];
        for (method, path, body) in bodies {
            let answer = client.call(method, &path, body).await;
            let kept = answer.status.is_success();
            assert!(
                kept || is_clear(&answer),
                "text {number} at {path}: {answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn strange_queries_are_answered_or_refused_but_never_a_fault() {
    let server = Server::start().await;
    let client = server.sign_in("admin").await;
    for value in [
        "%00",
        "%FF",
        "%F0%9F",
        "-1",
        "0",
        "99999999999999999999",
        "%27--",
        "%25",
        "NaN",
    ] {
        for path in [
            "/api/people?q=",
            "/api/people?role=",
            "/api/people?unit_id=",
            "/api/people?page=",
            "/api/people?page=4294967295&page_size=",
            "/api/audit?page_size=",
            "/api/audit?before=",
            "/api/units/",
            "/api/people/",
        ] {
            let answer = client.get(&format!("{path}{value}")).await;
            let answered = answer.status.is_success();
            assert!(answered || is_clear(&answer), "{path}{value}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn forged_cookies_and_tokens_are_nobody() {
    let server = Server::start().await;
    let token = server.sign_in("admin").await.token.unwrap();
    let (head, rest) = token.split_once('.').unwrap();
    let (claims, _) = rest.split_once('.').unwrap();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    for forged in [
        String::new(),
        "x".repeat(7_000),
        format!("{none}.{claims}."),
        format!("{none}.{claims}.AAAA"),
        format!("{head}.{claims}."),
        format!("{head}.{claims}.{}", "A".repeat(43)),
        format!("{}é", &token[..token.len() - 1]),
    ] {
        let mut client = server.stranger();
        client.token = Some(forged);
        let answer = client.get("/api/me").await;
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(is_clear(&answer));
    }
    let request = server.stranger().request(Method::POST, "/api/auth/refresh");
    let forged = request.header(
        "cookie",
        format!("mingtang_refresh={}", "é\u{1}".escape_debug()),
    );
    assert_eq!(answer(forged).await.status, 401);
}

#[tokio::test]
async fn a_file_of_questions_is_taken_as_a_whole_or_not_at_all() {
    let server = Server::start().await;
    let teacher = server.sign_in("teacher").await;
    let unit = teacher.me["unit"]["id"].as_str().unwrap().to_owned();
    let send = |name: &'static str, query: &'static str, body: Vec<u8>| {
        let path = format!("/api/questions/import?unit_id={unit}&name={name}{query}");
        let request = teacher.request(Method::POST, &path);
        answer(request.body(body))
    };
    let count = async || {
        let list = teacher.request(Method::GET, "/api/questions");
        answer(list).await.json()["items"].as_array().unwrap().len()
    };
    let before = count().await;
    let (gb, _, _) =
        encoding_rs::GB18030.encode("题干,题型,答案\n外出要批准,判断,对\n坏行,判断,也许\n");
    let looked = send("a.csv", "&dry_run=true", gb.to_vec()).await.json();
    assert_eq!(looked["imported"], 0);
    assert_eq!(looked["questions"][0]["text"], "外出要批准");
    assert_eq!(looked["complaints"][0]["line"], 3);
    let refused = send("a.csv", "", gb.to_vec()).await;
    assert_eq!(refused.outcome(), (400, "questions.complaints".into()));
    for (name, body, code) in [
        ("a.csv", b"\xff\xff\xff\0".to_vec(), "questions.encoding"),
        ("a.pdf", b"%PDF".to_vec(), "questions.format"),
        ("a.xlsx", b"PK\x03\x04".repeat(99), "questions.damaged"),
        ("a.gift", Vec::new(), "questions.none"),
    ] {
        assert_eq!(send(name, "", body).await.outcome(), (400, code.into()));
    }
    let large = send("a.gift", "", vec![b' '; 2 * 1024 * 1024 + 1]).await;
    assert_eq!(large.outcome(), (413, "request.file_too_large".into()));
    assert_eq!(count().await, before, "nothing of all this was stored");
    let good = send("a.gift", "", b"Right? {T}\n\nWhich? {=a ~b}".to_vec()).await;
    assert_eq!(good.json()["imported"], 2);
    assert_eq!(count().await, before + 2);
}
