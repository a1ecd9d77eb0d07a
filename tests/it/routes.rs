//! Every route with every role: the answer is pinned in `snapshots/`, and a route without a sample
//! request here fails the test.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mingtang::domain::actor::Role;
use mingtang::domain::person::PersonKind;
use mingtang::http::{self, RouteSpec};
use mingtang::service::setup::{self, NewUser};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::server::{Client, PASSWORD, Server};
use crate::server_api::program;
use crate::signalling;

/// Whoever asks, by the name in the table.
const PERSONAS: [(&str, Option<&str>); 6] = [
    ("anonymous", None),
    ("learner", Some("learner1")),
    ("teacher", Some("teacher")),
    ("officer", Some("officer")),
    ("sibling officer", Some("sibling")),
    ("administrator", Some("admin")),
];

/// What sample requests are about: people and units of the township `learner3` belongs to.
struct Subject {
    server: Server,
    person: String,
    county: String,
    township: String,
    /// One lesson for every order, so that orders do not meet.
    lessons: BTreeMap<&'static str, String>,
    attendance: String,
    course: String,
}

/// What may be asked of a lesson, and the lesson it is asked of in the samples.
const ORDERS: [&str; 13] = [
    "break",
    "resume",
    "cancel",
    "check",
    "question",
    "end",
    "floor",
    "join",
    "mute-all",
    "recording",
    "remove",
    "start",
    "planned",
];

/// A request about a lesson or an attendance.
fn classroom_sample(route: &RouteSpec, subject: &Subject) -> Option<(String, Value)> {
    let order = route
        .path
        .strip_prefix("/api/lessons/{id}")
        .unwrap_or_default();
    let order = order.trim_start_matches('/');
    let id = subject
        .lessons
        .get(order)
        .unwrap_or(&subject.lessons["planned"]);
    let path = route.path.replace("{id}", id);
    let nobody = Uuid::nil();
    Some(match (route.method.as_str(), route.path.as_str()) {
        ("POST", "/api/questions") => {
            let options =
                json!([{"text": "对", "correct": true}, {"text": "错", "correct": false}]);
            let unit = &subject.county;
            let body = json!({"text": "？", "kind": "true_false", "options": options});
            (path, merged(body, json!({"unit_id": unit})))
        }
        ("POST", "/api/questions/import") => {
            let query = format!("?name=a.gift&unit_id={}", subject.county);
            (path + &query, json!("Right? {T}"))
        }
        ("POST", "/api/lessons") => {
            let times =
                json!({"starts_at": "2027-02-01T01:00:00Z", "ends_at": "2027-02-01T02:00:00Z"});
            let body = json!({"title": "法治课", "unit_id": subject.county, "learner_ids": []});
            (path, merged(body, times))
        }
        ("PATCH", "/api/lessons/{id}") => (path, json!({"title": "法治课"})),
        ("PUT", "/api/lessons/{id}/learners") => (
            path,
            json!({"learner_ids": [subject.server.demo.learners[0]]}),
        ),
        ("POST", "/api/lessons/{id}/join") => (path, json!({"device_id": "sample"})),
        ("POST", "/api/lessons/{id}/check") => (path, json!({})),
        ("POST", "/api/lessons/{id}/recording") => (path, json!({"action": "start"})),
        ("GET", _) if route.path.starts_with("/api/recordings") => {
            let path = route.path.replace("{id}", &nobody.to_string());
            let path = path.replace("{track}", &nobody.to_string());
            (path.replace("{sequence}", "0"), Value::Null)
        }
        ("POST", "/api/lessons/{id}/question") => (path, json!({"question_id": nobody})),
        ("POST", "/api/lessons/{id}/floor") => (path, json!({"account_id": nobody, "given": true})),
        ("POST", "/api/lessons/{id}/poll") => (
            path,
            json!({"text": "懂了吗？", "options": ["懂了", "没懂"]}),
        ),
        ("POST", "/api/rounds/{id}/close") => (format!("/api/rounds/{nobody}/close"), Value::Null),
        ("POST", "/api/rounds/{id}/vote") => (
            format!("/api/rounds/{nobody}/vote"),
            json!({"options": [0]}),
        ),
        ("POST", "/api/lessons/{id}/chat") => (path, json!({"text": "老师好"})),
        ("POST", "/api/lessons/{id}/interaction") => (path, json!({"allowed": true})),
        ("POST", "/api/lessons/{id}/remove") => (path, json!({"account_id": nobody})),
        ("POST" | "GET", _) if route.path.starts_with("/api/lessons/{id}") => (path, Value::Null),
        _ => return attendance_sample(route, subject),
    })
}

/// A request about an attendance or a check.
fn attendance_sample(route: &RouteSpec, subject: &Subject) -> Option<(String, Value)> {
    let id = match route.path.starts_with("/api/checks") {
        true => Uuid::nil().to_string(),
        false => subject.attendance.clone(),
    };
    let body = match (route.method.as_str(), route.path.as_str()) {
        ("GET", "/api/attendances/{id}") => Value::Null,
        ("POST", "/api/attendances/{id}/heartbeat") => {
            json!({"visible": true, "playing": true, "device_id": "phone"})
        }
        ("POST", "/api/checks/{id}/answer") => {
            json!({"nonce": "0", "answer": {"present": true}})
        }
        _ => return None,
    };
    Some((route.path.replace("{id}", &id), body))
}

/// A request about films, courses and playing.
fn library_sample(route: &RouteSpec, subject: &Subject) -> Option<(String, Value)> {
    let path = route.path.clone();
    let nobody = Uuid::nil();
    Some(match (route.method.as_str(), route.path.as_str()) {
        ("GET", "/api/library/films/{id}/media/{file}") => (
            format!("/api/library/films/{nobody}/media/low.m3u8"),
            Value::Null,
        ),
        ("POST", "/api/courses") => {
            let unit = &subject.county;
            (path, json!({"title": "法治教育", "unit_id": unit}))
        }
        (
            "GET",
            "/api/courses/{id}" | "/api/courses/{id}/progress" | "/api/courses/{id}/learners",
        ) => {
            let course = route.path.replace("{id}", &subject.course);
            (course, Value::Null)
        }
        ("PUT", "/api/courses/{id}") => (
            format!("/api/courses/{}", subject.course),
            json!({"title": "法治教育"}),
        ),
        ("PUT", "/api/courses/{id}/learners") => (
            format!("/api/courses/{}/learners", subject.course),
            json!({"learner_ids": []}),
        ),
        ("POST", "/api/course-lessons/{id}/play") => (
            format!("/api/course-lessons/{nobody}/play"),
            json!({"device_id": "phone"}),
        ),
        ("GET", "/api/playbacks/{id}/media/{file}") => (
            format!("/api/playbacks/{nobody}/media/low-00000.m4s"),
            Value::Null,
        ),
        ("POST", "/api/playbacks/{id}/beat") => (
            format!("/api/playbacks/{nobody}/beat"),
            json!({"position_ms": 0, "playing": true, "visible": true}),
        ),
        ("GET", "/api/course-lessons/{id}/earned") => {
            (format!("/api/course-lessons/{nobody}/earned"), Value::Null)
        }
        ("POST", "/api/course-lessons/{id}/sign-out") => (
            format!("/api/course-lessons/{nobody}/sign-out"),
            Value::Null,
        ),
        ("POST", "/api/playbacks/{id}/end") => {
            (format!("/api/playbacks/{nobody}/end"), Value::Null)
        }
        // Without the version of its protocol.
        (_, "/api/library/uploads") => (path, Value::Null),
        (_, "/api/library/uploads/{id}") => (format!("/api/library/uploads/{nobody}"), Value::Null),
        ("GET" | "DELETE", "/api/library/films/{id}") => {
            (format!("/api/library/films/{nobody}"), Value::Null)
        }
        ("PATCH", "/api/library/films/{id}") => (
            format!("/api/library/films/{nobody}"),
            json!({"title": "社区矫正法"}),
        ),
        _ => return None,
    })
}

fn merged(mut one: Value, other: Value) -> Value {
    let more = other.as_object().unwrap().clone();
    one.as_object_mut().unwrap().extend(more);
    one
}

/// Lessons of the county, taught by `teacher`, with `learner1`; all but three are live.
async fn lessons(server: &Server) -> BTreeMap<&'static str, String> {
    let teacher = server.sign_in("teacher").await;
    let mut lessons = BTreeMap::new();
    for order in ORDERS {
        let body = json!({
            "title": order, "unit_id": server.demo.county.id,
            "starts_at": "2027-01-15T08:00:00Z", "ends_at": "2027-01-15T10:00:00Z",
            "learner_ids": [server.demo.learners[0]],
        });
        let lesson = teacher.post("/api/lessons", body).await.json();
        let id = lesson["id"].as_str().unwrap().to_owned();
        if !["cancel", "start", "planned"].contains(&order) {
            let started = teacher
                .post(&format!("/api/lessons/{id}/start"), json!({}))
                .await;
            assert_eq!(started.status, 200, "{started:?}");
        }
        lessons.insert(order, id);
    }
    let resume = &lessons["resume"];
    teacher
        .post(&format!("/api/lessons/{resume}/break"), json!({}))
        .await;
    lessons
}

/// A request that would do no harm to other samples: its path and its body (null for none).
fn sample(route: &RouteSpec, subject: &Subject, persona: &str) -> Option<(String, Value)> {
    let Subject {
        person,
        county,
        township,
        ..
    } = subject;
    let person = |rest: &str| format!("/api/people/{person}{rest}");
    let plain = |body| (route.path.clone(), body);
    Some(match (route.method.as_str(), route.path.as_str()) {
        // An access token of the API is none for media rooms.
        ("GET" | "POST" | "PATCH" | "DELETE" | "OPTIONS", path) if is_media(path) => {
            plain(Value::Null)
        }
        ("POST", "/api/auth/login") => plain(json!({"username": "learner2", "password": PASSWORD})),
        ("POST", "/api/auth/refresh" | "/api/auth/logout") => plain(Value::Null),
        ("POST", "/api/me/password") => {
            plain(json!({"old_password": "a guess at it", "new_password": "long enough"}))
        }
        ("POST", "/api/units") => {
            let code = persona.replace(' ', "-");
            plain(json!({"parent_id": county, "name": persona, "code": code}))
        }
        ("PATCH", "/api/units/{id}") => (
            format!("/api/units/{township}"),
            json!({"name": "木渎司法所"}),
        ),
        ("POST", "/api/people") => {
            plain(json!({"name": "何秋实", "unit_id": township, "kind": "subject"}))
        }
        ("PATCH", "/api/people/{id}") => (person(""), json!({"name": "吴向阳"})),
        ("POST", "/api/people/{id}/roles") => (
            person("/roles"),
            json!({"role": "learner", "unit_id": township}),
        ),
        ("DELETE", "/api/people/{id}/roles") => (
            person("/roles"),
            json!({"role": "teacher", "unit_id": township}),
        ),
        ("POST", "/api/people/{id}/password") => (
            person("/password"),
            json!({"new_password": "another phrase"}),
        ),
        ("GET", "/api/hours/requirements") => {
            (format!("{}?unit_id={township}", route.path), Value::Null)
        }
        ("GET", "/api/hours/export") => {
            let query = "month=2027-01&report=month&format=csv";
            (
                format!("{}?unit_id={township}&{query}", route.path),
                Value::Null,
            )
        }
        ("POST", "/api/hours/requirements") => {
            plain(json!({"unit_id": township, "month": "2027-02", "required_seconds": 36_000}))
        }
        ("GET", path) if !path.contains('{') => plain(Value::Null),
        _ => {
            return face_sample(route, subject)
                .or_else(|| classroom_sample(route, subject))
                .or_else(|| library_sample(route, subject));
        }
    })
}

/// A request about faces and reviews.
fn face_sample(route: &RouteSpec, subject: &Subject) -> Option<(String, Value)> {
    let nobody = Uuid::nil();
    let about = |id: &str| route.path.replace("{id}", id);
    Some(match (route.method.as_str(), route.path.as_str()) {
        ("POST", "/api/me/face/consent") => (route.path.clone(), json!({"version": 1})),
        ("DELETE", "/api/me/face") | ("POST", "/api/me/face/capture") => {
            (route.path.clone(), Value::Null)
        }
        ("GET", "/api/faces/{id}/portrait") | ("POST", "/api/faces/{id}/approve") => {
            (about(&subject.person), Value::Null)
        }
        ("POST", "/api/faces/{id}/refuse") => (about(&subject.person), json!({"reason": "不清楚"})),
        ("POST", "/api/checks/{id}/ruling") => {
            (about(&nobody.to_string()), json!({"ruling": "upheld"}))
        }
        ("GET", "/api/checks/{id}/pictures" | "/api/pictures/{id}" | "/api/evidence/{id}")
        | ("POST", "/api/checks/{id}/refuse") => (about(&nobody.to_string()), Value::Null),
        ("POST", "/api/attendances/{id}/exempt") => (about(&subject.attendance), Value::Null),
        _ => return redress_sample(route, subject),
    })
}

/// A request about appeals and adjustments.
fn redress_sample(route: &RouteSpec, subject: &Subject) -> Option<(String, Value)> {
    let order = route.path.strip_prefix("/api/attendances/{id}/")?;
    let nobody = Uuid::nil();
    let times = ("2027-01-15T08:00:00Z", "2027-01-15T08:09:00Z");
    let body = match order {
        "appeals" => json!({"from": times.0, "to": times.1, "text": "断线"}),
        "appeals/withdraw" => json!({"appeal_id": nobody}),
        "appeals/decide" => json!({"appeal_id": nobody, "upheld": true, "reason": "断线"}),
        "adjustments" => json!({"seconds": 60, "reason": "签到表"}),
        "evidence" => Value::Null,
        "adjustments/decide" => json!({"adjustment_id": nobody, "approved": true}),
        _ => return None,
    };
    Some((route.path.replace("{id}", &subject.attendance), body))
}

fn is_media(path: &str) -> bool {
    ["/whip/", "/whep/", "/media-sessions/"]
        .iter()
        .any(|start| path.starts_with(start))
}

async fn subject() -> Subject {
    let server = Server::start().await;
    let sibling = NewUser {
        username: "sibling",
        password: PASSWORD,
        name: "邻所长",
        kind: PersonKind::Staff,
        role: Role::UnitOfficer,
        unit: server.demo.sibling.id,
    };
    setup::add_user(&server.world.context, sibling)
        .await
        .unwrap();
    let learner = server.sign_in("learner3").await;
    let lessons = lessons(&server).await;
    let entry = format!("/api/lessons/{}/join", lessons["check"]);
    let learner1 = server.sign_in("learner1").await;
    let joined = learner1
        .post(&entry, json!({"device_id": "phone"}))
        .await
        .json();
    let teacher = server.sign_in("teacher").await;
    let course = json!({"title": "法治教育", "unit_id": server.demo.county.id});
    let course = teacher.post("/api/courses", course).await.json();
    Subject {
        course: course["id"].as_str().unwrap().to_owned(),
        attendance: joined["attendance_id"].as_str().unwrap().to_owned(),
        lessons,
        person: learner.me["person_id"].as_str().unwrap().to_owned(),
        county: server.demo.county.id.to_string(),
        township: server.demo.township.id.to_string(),
        server,
    }
}

/// Only the status, and the code of a problem: the body of a stream never ends.
async fn outcome(client: &Client, route: &RouteSpec, path: &str, body: Value) -> String {
    let mut request = client.request(route.method.as_str().parse().unwrap(), path);
    if !body.is_null() {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    if status < 400 {
        return status.to_string();
    }
    let problem: Value = response.json().await.unwrap_or_default();
    format!(
        "{status} {}",
        problem["code"].as_str().unwrap_or("without a code")
    )
}

#[tokio::test]
async fn every_route_answers_every_role_as_pinned() {
    let subject = subject().await;
    let mut clients = Vec::new();
    for (persona, username) in PERSONAS {
        // The token alone: a cookie would let one sample end the session of the next.
        let mut client = subject.server.stranger();
        if let Some(username) = username {
            client.token = subject.server.sign_in(username).await.token;
        }
        clients.push((persona, client));
    }
    let mut table = String::new();
    let mut without_sample = Vec::new();
    for route in http::table() {
        writeln!(
            table,
            "{} {} ({:?})",
            route.method, route.path, route.access
        )
        .unwrap();
        for (persona, client) in &clients {
            let Some((path, body)) = sample(&route, &subject, persona) else {
                without_sample.push(format!("{} {}", route.method, route.path));
                break;
            };
            let outcome = outcome(client, &route, &path, body).await;
            writeln!(table, "    {persona:<16} {outcome}").unwrap();
        }
    }
    assert!(
        without_sample.is_empty(),
        "no sample request for {without_sample:#?}"
    );
    insta::assert_snapshot!("routes", table);
}

/// Every method of LiveKit's server API with a message that it takes.
const ROOM_SERVICE: [&str; 13] = [
    "CreateRoom",
    "ListRooms",
    "ListParticipants",
    "GetParticipant",
    "MutePublishedTrack",
    "UpdateParticipant",
    "UpdateSubscriptions",
    "SendData",
    "UpdateRoomMetadata",
    "RemoveParticipant",
    "DeleteRoom",
    "MoveParticipant",
    "Unheard",
];

/// Whoever calls the server API, by the name in the table.
fn keyholders(server: &signalling::server::Server) -> Vec<(&'static str, String)> {
    let all = json!({"roomCreate": true, "roomList": true, "roomAdmin": true, "room": "r"});
    vec![
        ("nobody", String::new()),
        ("forger", program::signed("devkey", b"guess", &all)),
        ("stranger's key", program::signed("other", b"secret", &all)),
        ("participant", server.token("r", "ann")),
        ("no grant", program::token(&json!({}))),
        ("roomCreate", program::token(&json!({"roomCreate": true}))),
        ("roomList", program::token(&json!({"roomList": true}))),
        ("roomAdmin", program::admin("r")),
        ("roomAdmin elsewhere", program::admin("other")),
        ("roomAdmin nowhere", program::admin("")),
    ]
}

#[tokio::test]
async fn every_method_of_the_server_api_answers_every_grant_as_pinned() {
    let server = signalling::server::start().await;
    let maker = program::token(&json!({"roomCreate": true}));
    let track = format!("TR_{}", "0".repeat(32));
    let mut table = String::new();
    for method in ROOM_SERVICE {
        writeln!(table, "{method}").unwrap();
        for (keyholder, token) in keyholders(&server) {
            program::done(&server, "CreateRoom", &maker, json!({"name": "r"})).await;
            let (_ann, _) = signalling::client::Client::join(&server, "r", "ann").await;
            let request = json!({"name": "r", "room": "r", "identity": "ann", "trackSid": track});
            let answer = program::call(&server, method, &token, request).await;
            let (status, code) = answer.outcome();
            let outcome = format!("{status} {code}");
            writeln!(table, "    {keyholder:<20} {}", outcome.trim_end()).unwrap();
        }
    }
    insta::assert_snapshot!("room_service", table);
}

#[tokio::test]
async fn every_route_is_in_the_openapi_description() {
    let server = Server::start().await;
    let description = server.stranger().get("/api/openapi.json").await.json();
    for route in http::table() {
        let method = route.method.as_str().to_lowercase();
        let operation = &description["paths"][&route.path][&method];
        assert!(operation["description"].is_string() || operation["summary"].is_string());
    }
    let schemas = description["components"]["schemas"].as_object().unwrap();
    for name in ["Session", "Me", "Person", "Unit", "ProblemBody"] {
        assert!(schemas.contains_key(name), "{name}");
    }
    let docs = server.stranger().get("/api/docs/").await;
    assert_eq!(docs.status, 200);
}

#[tokio::test]
async fn what_cannot_be_read_is_a_problem_with_a_code_and_an_id() {
    let server = Server::start().await;
    let client = server.sign_in("admin").await;
    let large = json!({"name": "x".repeat(70_000)}).to_string();
    let post = |body: String, media_type: &'static str| {
        let request = client.request(Method::POST, "/api/units");
        crate::server::answer(request.header("content-type", media_type).body(body))
    };
    let json = "application/json";
    for (answer, expected) in [
        (post("{".into(), json).await, (400, "request.malformed")),
        (
            post("{}".into(), "Application/JSON; charset=utf-8").await,
            (400, "request.malformed"),
        ),
        (post(large, json).await, (413, "request.too_large")),
        (
            post("{}".into(), "text/plain").await,
            (415, "request.media_type"),
        ),
        (client.get("/api/nothing").await, (404, "request.not_found")),
        (client.get("/api/auth/login").await, (405, "request.method")),
        (
            client.patch("/api/units/x", json!({})).await,
            (404, "request.not_found"),
        ),
        (client.post("/", json!({})).await, (405, "request.method")),
    ] {
        assert_eq!(answer.outcome(), (expected.0, expected.1.to_owned()));
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        let body = answer.json();
        assert_eq!(
            body["request_id"],
            answer.headers["x-request-id"].to_str().unwrap()
        );
        assert_eq!(
            (&body["type"], &body["status"]),
            (&json!("about:blank"), &json!(expected.0))
        );
        assert!(!body["zh"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_fault_of_ours_tells_nothing_of_the_inside() {
    let server = Server::start().await;
    let client = server.sign_in("admin").await;
    server.world.context.store.close().await;
    let answer = client.get("/api/units").await;
    assert_eq!(answer.outcome(), (500, "server.failed".into()));
    assert!(
        !answer.text.to_lowercase().contains("pool"),
        "{}",
        answer.text
    );
    assert_eq!(server.stranger().get("/readyz").await.status, 503);
    assert_eq!(server.stranger().get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_panic_costs_its_own_request_and_no_other() {
    let mut server = Server::start().await;
    let mut app = http::App::new(server.world.context.clone());
    let broken = axum::routing::get(async || -> &'static str { panic!("a bug") });
    app.mounted = axum::Router::new().route("/broken", broken);
    server.base = crate::server::serve(app).await;
    let client = server.stranger();
    assert_eq!(
        client.get("/broken").await.outcome(),
        (500, "server.failed".into())
    );
    assert_eq!(client.get("/api/server").await.status, 200);
}

#[tokio::test]
async fn a_page_of_ours_loads_nothing_from_elsewhere_and_stands_in_no_frame() {
    let server = Server::start().await;
    for path in ["/", "/lessons/1", "/api/server", "/api/nothing"] {
        let answer = server.stranger().get(path).await;
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'self'"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
    let head = server.stranger().call(Method::HEAD, "/", Value::Null).await;
    assert_eq!(head.status, 200);
    assert_eq!(server.stranger().get("/assets/gone.js").await.status, 404);
}
