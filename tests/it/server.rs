//! A real server on a port of its own with demo data, and clients that speak to it as browsers do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use mingtang::http::lessons::Classrooms;
use mingtang::http::{self, App};
use mingtang::hub::rooms::{Rooms, Routes, Seat, Spawn};
use mingtang::hub::taps::TapLines;
use mingtang::service::call::{Call, Keys};
use mingtang::service::classroom::LessonRules;
use mingtang::service::demo::{self, Demo};
use mingtang::shell::announcer;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::World;

/// The one password of all demo accounts.
pub const PASSWORD: &str = "pass phrase of demo";

/// A serving server; it ends with the test's runtime.
pub struct Server {
    pub world: World,
    pub demo: Demo,
    pub base: String,
}

impl Server {
    pub async fn start() -> Self {
        let world = World::new().await;
        let demo = demo::seed(&world.context, PASSWORD)
            .await
            .expect("demo data");
        let mut app = App::new(world.context.clone());
        app.classrooms = Some(classrooms(&world));
        let base = serve(app).await;
        tokio::spawn(announcer::run(world.context.clone()));
        Self { world, demo, base }
    }

    /// Somebody who has not signed in.
    pub fn stranger(&self) -> Client {
        Client::stranger(self.base.clone())
    }

    /// Somebody who has signed in.
    pub async fn sign_in(&self, username: &str) -> Client {
        let mut client = self.stranger();
        let answer = client.log_in(username, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        client
    }
}

/// Tokens for rooms that nobody runs: whoever enters one waits.
fn classrooms(world: &World) -> Classrooms {
    let keys = Keys::new(("own".to_owned(), b"secret".to_vec()), BTreeMap::new());
    let rules = Arc::new(LessonRules(world.context.clone()));
    Classrooms {
        call: Arc::new(Call::new(keys, rules, world.clock.clone())),
        rooms: Rooms::new(
            Box::new(NoRooms),
            Routes::default(),
            TapLines::default(),
            mpsc::channel(1).0,
        ),
    }
}

struct NoRooms;

impl Spawn for NoRooms {
    fn start(&self, _: Seat) {}
}

pub async fn serve(app: App) -> String {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a port");
    let address = listener.local_addr().expect("its number");
    let service = http::router(app).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    format!("http://{address}")
}

/// A browser: it keeps cookies, and an access token beside them.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    pub base: String,
    pub token: Option<String>,
    pub me: Value,
}

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: Arc<reqwest::header::HeaderMap>,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The code of a problem; empty for anything else.
    pub fn code(&self) -> String {
        let body: Value = serde_json::from_str(&self.text).unwrap_or_default();
        body["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn outcome(&self) -> (u16, String) {
        (self.status.as_u16(), self.code())
    }

    /// One of the items of a list.
    pub fn item(&self, field: &str, value: &str) -> Value {
        let items = self.json()["items"].as_array().cloned().unwrap_or_default();
        let found = items.into_iter().find(|item| item[field] == value);
        found.unwrap_or_else(|| panic!("no item with {field} {value}: {}", self.text))
    }
}

impl Client {
    /// Somebody who has not signed in at a server.
    pub fn stranger(base: String) -> Self {
        let http = reqwest::Client::builder()
            .cookie_store(true)
            .build()
            .expect("a client");
        Self {
            http,
            base,
            token: None,
            me: Value::Null,
        }
    }

    pub async fn log_in(&mut self, username: &str, password: &str) -> Answer {
        let body = json!({"username": username, "password": password});
        let answer = self.post("/api/auth/login", body).await;
        self.remember(&answer);
        answer
    }

    pub async fn refresh(&mut self) -> Answer {
        let answer = self.post("/api/auth/refresh", Value::Null).await;
        self.remember(&answer);
        answer
    }

    fn remember(&mut self, answer: &Answer) {
        if answer.status == StatusCode::OK {
            let session = answer.json();
            self.token = session["access_token"].as_str().map(str::to_owned);
            self.me = session["me"].clone();
        }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, Value::Null).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, body).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, body).await
    }

    /// Calls without a body when it is null.
    pub async fn call(&self, method: Method, path: &str, body: Value) -> Answer {
        let mut request = self.request(method, path);
        if !body.is_null() {
            request = request.json(&body);
        }
        answer(request).await
    }
}

/// Sends a request and reads the whole answer.
pub async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let status = response.status();
    let headers = Arc::new(response.headers().clone());
    Answer {
        status,
        headers,
        text: response.text().await.expect("its body"),
    }
}
