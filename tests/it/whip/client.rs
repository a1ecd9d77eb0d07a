//! A device or a player made of the `webrtc` crate's peer connection and plain requests.

use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap, LOCATION};
use reqwest::{Method, RequestBuilder};
use rtc::peer_connection::configuration::RTCOfferOptions;
use webrtc::peer_connection::RTCSessionDescription;

use super::Server;
use crate::media::client::Client;

/// Media type of session descriptions.
pub const SDP: &str = "application/sdp";
/// Media type of what follows them.
pub const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// An answer to a request.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// A header's value, or nothing.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The status and, for a problem, its code.
    pub fn outcome(&self) -> (u16, String) {
        let problem: serde_json::Value = serde_json::from_str(&self.text).unwrap_or_default();
        let code = problem["code"].as_str().unwrap_or_default();
        (self.status, code.to_owned())
    }
}

/// Begins a request.
pub fn request(server: &Server, method: Method, path: &str, token: &str) -> RequestBuilder {
    let request = reqwest::Client::new().request(method, format!("{}{path}", server.base));
    if token.is_empty() {
        request
    } else {
        request.bearer_auth(token)
    }
}

/// Sends one and reads the whole answer.
pub async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.text().await.unwrap(),
    }
}

/// Posts an offer.
pub async fn post(server: &Server, path: &str, token: &str, offer: String) -> Answer {
    let request = request(server, Method::POST, path, token);
    answer(request.header(CONTENT_TYPE, SDP).body(offer)).await
}

/// What a client of either kind offers.
pub async fn offer_of(client: &Client) -> String {
    let offer = client.connection.create_offer(None).await.unwrap();
    let sdp = offer.sdp.clone();
    client
        .connection
        .set_local_description(offer)
        .await
        .unwrap();
    sdp
}

/// A client with a session.
pub struct Session {
    pub client: Client,
    /// Path of the session.
    pub path: String,
    /// Its tag as it came, quotes and all.
    pub tag: String,
    token: String,
    answer: String,
}

impl Session {
    /// Begins a session at a path that must take it.
    pub async fn open(server: &Server, path: &str, token: &str, publishes: bool) -> Self {
        let client = Client::new(publishes).await;
        let posted = post(server, path, token, offer_of(&client).await).await;
        assert_eq!(posted.status, 201, "{posted:?}");
        let session = Self {
            client,
            path: posted.header(LOCATION.as_str()).to_owned(),
            tag: posted.header(ETAG.as_str()).to_owned(),
            token: token.to_owned(),
            answer: posted.text,
        };
        session.take(session.answer.clone()).await;
        session
    }

    async fn take(&self, answer: String) {
        let answer = RTCSessionDescription::answer(answer).unwrap();
        let taken = self.client.connection.set_remote_description(answer);
        taken.await.unwrap();
    }

    /// Sends a fragment under a tag.
    pub async fn patch(&self, server: &Server, tag: &str, fragment: &str) -> Answer {
        let request = request(server, Method::PATCH, &self.path, &self.token)
            .header("if-match", tag)
            .header(CONTENT_TYPE, FRAGMENT)
            .body(fragment.to_owned());
        answer(request).await
    }

    /// Restarts ICE as RFC 9725 has it.
    pub async fn restart(&mut self, server: &Server) {
        let options = RTCOfferOptions { ice_restart: true };
        let offer = self.client.connection.create_offer(Some(options));
        let offer = offer.await.unwrap();
        let fragment = format!(
            "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
            value(&offer.sdp, "a=ice-ufrag:"),
            value(&offer.sdp, "a=ice-pwd:")
        );
        let set = self.client.connection.set_local_description(offer);
        set.await.unwrap();
        let answered = self.patch(server, "\"*\"", &fragment).await;
        assert_eq!(answered.status, 200, "{answered:?}");
        assert_eq!(answered.header("content-type"), FRAGMENT);
        let tag = answered.header(ETAG.as_str()).to_owned();
        assert_ne!(std::mem::replace(&mut self.tag, tag), self.tag);
        for name in ["a=ice-ufrag:", "a=ice-pwd:"] {
            let (old, new) = (value(&self.answer, name), value(&answered.text, name));
            assert_ne!(old, new);
            let (old, new) = (format!("{name}{old}"), format!("{name}{new}"));
            self.answer = self.answer.replace(&old, &new);
        }
        self.take(self.answer.clone()).await;
    }

    /// Ends the session.
    pub async fn delete(&self, server: &Server) -> Answer {
        answer(request(server, Method::DELETE, &self.path, &self.token)).await
    }
}

/// The value of the first line that begins so.
pub fn value(sdp: &str, name: &str) -> String {
    let mut values = sdp.lines().filter_map(|line| line.strip_prefix(name));
    values.next().unwrap().to_owned()
}
