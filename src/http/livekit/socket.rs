//! A client's WebSocket, which keeps little memory for as long as it lasts.
//!
//! The library keeps what its largest frame took until the socket ends. So nothing goes out in
//! frames longer than [`PIECE_BYTES`]: a longer message, such as a welcome to a full room, is
//! several frames (RFC 6455 section 5.4).

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt as _};
use hyper::rt::Executor as _;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
pub use tokio_tungstenite::tungstenite::{Error, Message};

use super::MESSAGE_BYTES_MAX;

/// Read at once from one client, bytes. Messages are small and rare, and a socket keeps this buffer
/// for its whole life: the library's 128 KiB would be most of what a learner costs.
const READ_BUFFER_BYTES: usize = 2 * 1024;
/// Longest frame that is written, bytes without its header.
const PIECE_BYTES: usize = 1024;
/// Collected before it is written to one client, bytes; one frame more may be.
const WRITE_BUFFER_BYTES: usize = 2 * 1024;
/// Most that waits to be written to one client, bytes. Who writes waits before that, because no
/// frame is taken while an earlier one is stuck.
const WRITE_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// A request for a WebSocket over HTTP/1.1 (RFC 6455 section 4.2.1).
pub struct Upgrade {
    accept: HeaderValue,
    connection: OnUpgrade,
}

impl<S: Sync> FromRequestParts<S> for Upgrade {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        requested(parts).ok_or((StatusCode::NOT_FOUND, "not a WebSocket request"))
    }
}

fn requested(parts: &mut Parts) -> Option<Upgrade> {
    let headers = &parts.headers;
    let complete = names(headers, header::CONNECTION, "upgrade")
        && names(headers, header::UPGRADE, "websocket")
        && names(headers, header::SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(header::SEC_WEBSOCKET_KEY);
    let accept = derive_accept_key(key.filter(|_| complete)?.as_bytes());
    Some(Upgrade {
        accept: HeaderValue::try_from(accept).ok()?,
        connection: parts.extensions.remove()?,
    })
}

/// Whether a header's list has an element, in whatever case.
fn names(headers: &HeaderMap, name: HeaderName, element: &str) -> bool {
    let values = headers.get_all(name).into_iter();
    let mut elements = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    elements.any(|one| one.trim_ascii().eq_ignore_ascii_case(element.as_bytes()))
}

impl Upgrade {
    /// The answer; once the client has it, its socket is handed to `serve`.
    pub fn answer<F: Future<Output = ()> + Send + 'static>(
        self,
        serve: impl FnOnce(Socket) -> F + Send + 'static,
    ) -> Response {
        let connection = self.connection;
        // Like the connection before it, by the executor of the HTTP library.
        TokioExecutor::new().execute(async move {
            // A connection that broke before is nobody's.
            if let Ok(upgraded) = connection.await {
                serve(Box::pin(Socket::new(upgraded)).await).await;
            }
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept);
        response
    }
}

/// See the module.
pub struct Socket(WebSocketStream<TokioIo<Upgraded>>);

impl Socket {
    async fn new(upgraded: Upgraded) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let upgraded = TokioIo::new(upgraded);
        Self(WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(config)).await)
    }

    /// The next message; `None` once the socket is closed.
    pub async fn receive(&mut self) -> Option<Result<Message, Error>> {
        self.0.next().await
    }

    /// Sends messages, and waits until the system has taken them.
    pub async fn send(&mut self, messages: Vec<Message>) -> Result<(), Error> {
        for message in messages {
            for frame in pieces(message) {
                self.0.feed(frame).await?;
            }
        }
        self.0.flush().await
    }

    /// Closes in good order.
    pub async fn close(&mut self) -> Result<(), Error> {
        SinkExt::close(&mut self.0).await
    }
}

/// A message as frames of at most [`PIECE_BYTES`].
fn pieces(message: Message) -> impl Iterator<Item = Message> {
    let kind = match &message {
        Message::Text(_) => Some(Data::Text),
        Message::Binary(_) => Some(Data::Binary),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => None,
    };
    let kind = kind.filter(|_| message.len() > PIECE_BYTES);
    let (whole, rest) = match kind {
        None => (Some(message), Bytes::new()),
        Some(_) => (None, message.into_data()),
    };
    let starts = (0..rest.len()).step_by(PIECE_BYTES);
    let frames = starts.map(move |start| {
        let end = rest.len().min(start + PIECE_BYTES);
        let kind = kind.filter(|_| start == 0).unwrap_or(Data::Continue);
        let piece = rest.slice(start..end);
        Message::Frame(Frame::message(piece, OpCode::Data(kind), end == rest.len()))
    });
    whole.into_iter().chain(frames)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::get;
    use tokio_tungstenite::connect_async;

    /// Of a frame that a server sends, shorter than 64 KiB.
    const HEADER_BYTES_MAX: usize = 4;

    fn messages() -> Vec<Message> {
        let lengths = [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES, 50_000];
        let binary = lengths.map(|length| Message::binary(vec![7; length]));
        // Three bytes each, so that pieces end within characters.
        let text = lengths.map(|length| Message::text("堂".repeat(length)));
        binary.into_iter().chain(text).collect()
    }

    #[test]
    fn no_frame_is_longer_than_a_piece_and_only_the_last_one_ends_a_message() {
        for message in messages() {
            let whole = message.clone().into_data();
            let frames: Vec<Message> = pieces(message).collect();
            assert!(
                frames
                    .iter()
                    .all(|frame| frame.len() <= PIECE_BYTES + HEADER_BYTES_MAX)
            );
            let goes_on = |frame: &Message| match frame {
                Message::Frame(frame) => !frame.header().is_final,
                Message::Text(_) | Message::Binary(_) => false,
                Message::Ping(_) | Message::Pong(_) | Message::Close(_) => true,
            };
            let ends = frames.iter().map(|frame| !goes_on(frame));
            let expected = (1..=frames.len()).map(|number| number == frames.len());
            assert!(ends.eq(expected));
            let sent: Vec<u8> = frames.into_iter().flat_map(Message::into_data).collect();
            assert_eq!(sent, whole);
        }
    }

    #[tokio::test]
    async fn a_client_gets_long_messages_whole_and_a_close_in_good_order() {
        let serve = |mut socket: Socket| async move {
            socket.send(messages()).await.unwrap();
            assert_eq!(
                socket.receive().await.unwrap().unwrap(),
                Message::text("bye")
            );
            socket.close().await.unwrap();
        };
        let upgrade = move |upgrade: Upgrade| async move { upgrade.answer(serve) };
        let router = Router::new().route("/", get(upgrade));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let visit = async {
            let (mut client, _) = connect_async(format!("ws://{address}/")).await.unwrap();
            for expected in messages() {
                assert_eq!(client.next().await.unwrap().unwrap(), expected);
            }
            client.send(Message::text("bye")).await.unwrap();
            assert!(client.next().await.unwrap().unwrap().is_close());
        };
        tokio::select! {
            ended = axum::serve(listener, router) => panic!("{ended:?}"),
            () = visit => {}
        }
    }

    #[test]
    fn a_header_names_what_stands_anywhere_in_its_list_in_any_case() {
        let value = HeaderValue::from_static("keep-alive, Upgrade");
        let headers = HeaderMap::from_iter([(header::CONNECTION, value)]);
        assert!(names(&headers, header::CONNECTION, "upgrade"));
        assert!(!names(&headers, header::CONNECTION, "grade"));
        assert!(!names(&headers, header::UPGRADE, "upgrade"));
    }
}
