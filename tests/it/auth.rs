//! Signing in: sessions begin, go on, and end when they should.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{Answer, PASSWORD, Server, answer};

fn cookie(answer: &Answer) -> String {
    answer.headers["set-cookie"].to_str().unwrap().to_owned()
}

fn cookie_value(answer: &Answer) -> String {
    let cookie = cookie(answer);
    let (value, _) = cookie
        .strip_prefix("mt_refresh=")
        .unwrap()
        .split_once(';')
        .unwrap();
    value.to_owned()
}

async fn refresh_with(server: &Server, token: &str) -> Answer {
    let request = server.stranger().request(Method::POST, "/api/auth/refresh");
    answer(request.header("cookie", format!("mt_refresh={token}"))).await
}

#[tokio::test]
async fn signing_in_tells_who_one_is_and_hides_the_refresh_token_from_scripts() {
    let server = Server::start().await;
    let mut client = server.stranger();
    let signed_in = client.log_in("Officer", PASSWORD).await;
    let cookie = cookie(&signed_in);
    for part in [
        "HttpOnly",
        "SameSite=Strict",
        "Path=/api/auth",
        "Max-Age=1209600",
    ] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    assert_eq!(signed_in.json()["expires_in"], 900);
    assert!(!signed_in.text.contains(&cookie_value(&signed_in)));
    let me = client.get("/api/me").await.json();
    assert_eq!(me, client.me);
    assert_eq!(
        (&me["username"], &me["name"]),
        (&json!("officer"), &json!("沈若兰"))
    );
    assert_eq!(me["roles"][0]["role"], "unit_officer");
    assert_eq!(me["roles"][0]["unit"]["name"], "吴中区司法局");
    let may = json!([
        "lessons.manage",
        "people.read",
        "people.manage",
        "units.manage"
    ]);
    assert_eq!(me["may"], may);
    assert_eq!(
        (&me["locale"], &me["unit"]["level"]),
        (&json!("zh-CN"), &json!(4))
    );
}

#[tokio::test]
async fn an_unknown_username_and_a_wrong_password_get_the_same_answer() {
    let server = Server::start().await;
    let mut answers = Vec::new();
    for (username, password) in [
        ("officer", "wrong password"),
        ("nobody", PASSWORD),
        ("../etc", ""),
        ("", ""),
    ] {
        let mut answer = server.stranger().log_in(username, password).await.json();
        answer["request_id"] = Value::Null;
        answers.push(answer);
    }
    assert_eq!(answers[0]["code"], "auth.bad_credentials");
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn a_session_goes_on_with_a_new_cookie_each_time() {
    let server = Server::start().await;
    let mut client = server.sign_in("teacher").await;
    let first = client.token.clone();
    for _ in 0..3 {
        server.world.clock.advance(TimeDelta::minutes(16));
        assert_eq!(
            client.get("/api/me").await.outcome(),
            (401, "auth.required".into())
        );
        assert_eq!(client.refresh().await.status, 200);
        assert_eq!(client.get("/api/me").await.status, 200);
    }
    assert_ne!(client.token, first);
    server.world.clock.advance(TimeDelta::days(15));
    assert_eq!(
        client.refresh().await.outcome(),
        (401, "auth.session_ended".into())
    );
}

#[tokio::test]
async fn a_refresh_token_used_twice_ends_its_family_and_no_other() {
    let server = Server::start().await;
    let mut elsewhere = server.sign_in("teacher").await;
    let mut client = server.stranger();
    let stolen = cookie_value(&client.log_in("teacher", PASSWORD).await);
    assert_eq!(client.refresh().await.status, 200);
    assert_eq!(client.get("/api/me").await.status, 200);
    let reused = refresh_with(&server, &stolen).await;
    assert_eq!(reused.outcome(), (401, "auth.session_ended".into()));
    assert_eq!(
        client.get("/api/me").await.status,
        401,
        "the access token ends at once"
    );
    assert_eq!(
        client.refresh().await.status,
        401,
        "the newest refresh token ends too"
    );
    assert_eq!(elsewhere.refresh().await.status, 200);
    let audit = server.sign_in("admin").await.get("/api/audit").await;
    assert_eq!(
        audit.item("action", "refresh_token_reused")["subject"],
        "陆文清"
    );
}

#[tokio::test]
async fn signing_out_ends_the_session_at_once() {
    let server = Server::start().await;
    let mut client = server.sign_in("learner1").await;
    let signed_out = client.post("/api/auth/logout", Value::Null).await;
    assert_eq!(signed_out.status, 204);
    assert!(cookie(&signed_out).contains("Max-Age=0"));
    assert_eq!(client.get("/api/me").await.status, 401);
    assert_eq!(client.refresh().await.status, 401);
    assert_eq!(
        client.post("/api/auth/logout", Value::Null).await.status,
        204
    );
}

#[tokio::test]
async fn a_disabled_account_loses_access_at_its_next_request() {
    let server = Server::start().await;
    let officer = server.sign_in("officer").await;
    let mut learner = server.sign_in("learner1").await;
    let path = format!("/api/people/{}", learner.me["person_id"].as_str().unwrap());
    let person = officer.patch(&path, json!({"disabled": true})).await;
    assert_eq!(
        (person.status.as_u16(), &person.json()["disabled"]),
        (200, &json!(true))
    );
    assert_eq!(learner.get("/api/me").await.status, 401);
    assert_eq!(learner.refresh().await.status, 401);
    let refused = learner.log_in("learner1", PASSWORD).await;
    assert_eq!(refused.outcome(), (403, "auth.account_disabled".into()));
    let refused = learner.log_in("learner1", "a guess at it").await;
    assert_eq!(refused.outcome(), (401, "auth.bad_credentials".into()));
    officer.patch(&path, json!({"disabled": false})).await;
    assert_eq!(learner.log_in("learner1", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn ten_wrong_passwords_close_the_door_for_fifteen_minutes() {
    let server = Server::start().await;
    let mut client = server.stranger();
    for _ in 0..10 {
        assert_eq!(client.log_in("officer", "a guess at it").await.status, 401);
    }
    let refused = client.log_in("officer", PASSWORD).await;
    assert_eq!(refused.outcome(), (429, "auth.too_many_attempts".into()));
    assert_eq!(
        client.log_in("teacher", PASSWORD).await.status,
        200,
        "others may"
    );
    server.world.clock.advance(TimeDelta::minutes(15));
    assert_eq!(client.log_in("officer", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn forged_and_foreign_tokens_are_nobody() {
    let server = Server::start().await;
    let mut client = server.sign_in("admin").await;
    let token = client.token.clone().unwrap();
    let parts: Vec<_> = token.split('.').collect();
    let none = base64_of(r#"{"alg":"none","typ":"JWT"}"#);
    let claims = json!({"iss": "mingtang", "sub": client.me["account_id"], "exp": 9_999_999_999_i64,
        "iat": 0, "fam": client.me["account_id"]});
    let forged = base64_of(&claims.to_string());
    let mut tampered = token.clone();
    tampered.pop();
    for bad in [
        String::new(),
        "x".repeat(10_000),
        format!("{}.{forged}.{}", parts[0], parts[2]),
        format!("{none}.{}.", parts[1]),
        format!("{none}.{forged}."),
        tampered,
    ] {
        client.token = Some(bad);
        assert_eq!(
            client.get("/api/me").await.outcome(),
            (401, "auth.required".into())
        );
    }
    client.token = Some(token);
    assert_eq!(client.get("/api/me").await.status, 200);
}

fn base64_of(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

#[tokio::test]
async fn changing_the_password_ends_all_other_sessions() {
    let server = Server::start().await;
    let mut here = server.sign_in("teacher").await;
    let mut elsewhere = server.sign_in("teacher").await;
    let change = |old: &str, new: &str| json!({"old_password": old, "new_password": new});
    let refused = here
        .post("/api/me/password", change("a guess at it", "long enough"))
        .await;
    assert_eq!(refused.outcome(), (403, "auth.wrong_password".into()));
    let refused = here
        .post("/api/me/password", change(PASSWORD, "short"))
        .await;
    assert_eq!(refused.outcome(), (400, "person.password".into()));
    let changed = here
        .post("/api/me/password", change(PASSWORD, "another phrase"))
        .await;
    assert_eq!(changed.status, 204);
    assert_eq!(here.refresh().await.status, 200);
    assert_eq!(elsewhere.get("/api/me").await.status, 401);
    assert_eq!(elsewhere.log_in("teacher", PASSWORD).await.status, 401);
    assert_eq!(
        elsewhere.log_in("teacher", "another phrase").await.status,
        200
    );
}

#[tokio::test]
async fn on_the_twenty_first_device_the_first_gives_way() {
    let server = Server::start().await;
    let first = server.sign_in("learner2").await;
    server.world.clock.advance(TimeDelta::seconds(1));
    let second = server.sign_in("learner2").await;
    for _ in 0..19 {
        server.world.clock.advance(TimeDelta::seconds(1));
        server.sign_in("learner2").await;
    }
    assert_eq!(first.get("/api/me").await.status, 401);
    assert_eq!(second.get("/api/me").await.status, 200);
}
