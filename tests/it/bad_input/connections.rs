//! Connections that are opened and then left half open.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use axum::response::Response;
use axum_server::Handle;
use futures_util::{SinkExt as _, StreamExt as _};
use mingtang::http::livekit::socket::{Socket as WebSocket, Upgrade};
use mingtang::shell::connections::{Connections, raise_file_limit};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::binary;
use crate::waiting::until;

/// Connections that strangers hold open at once.
const HALF_OPEN: usize = 10_000;
/// How much larger than before a server may be when the flood is over, KiB. Without the memory
/// being given back it would be 136 MiB, and a leak would show in the second flood.
const KEPT_KIB_MAX: u64 = 24 * 1024;

/// How long it may take until they are.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(30);

/// Heads that never end: nothing, a part of a request, a part of an upgrade.
const BEGINNINGS: [&[u8]; 3] = [
    b"",
    b"GET /api/me HTTP/1.1\r\nHost: x\r\nCookie: ",
    b"GET /rtc/v1?access_token=x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgr",
];

/// First frames of media that never end.
const FRAMES: [&[u8]; 2] = [b"\x00", b"\x00\x6c\x00\x01\x00\x58\x21\x12\xa4\x42"];

async fn start(max: usize, head_max: Duration) -> (SocketAddr, Connections) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Connections::new(max, head_max);
    let hello = axum::routing::get(async || "hello");
    let router = axum::Router::new()
        .route("/", hello)
        .route("/echo", axum::routing::get(echo));
    let serving = connections
        .clone()
        .serve(listener, None, router, Handle::new());
    tokio::spawn(serving);
    (address, connections)
}

async fn echo(upgrade: Upgrade) -> Response {
    upgrade.answer(|mut socket: WebSocket| async move {
        while let Some(Ok(message)) = socket.receive().await {
            if socket.send(vec![message]).await.is_err() {
                return;
            }
        }
    })
}

async fn hello(address: SocketAddr) -> bool {
    let answer = reqwest::get(format!("http://{address}/")).await;
    answer.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test]
async fn a_connection_may_become_a_websocket_and_outlive_the_deadline_of_a_head() {
    let head_max = Duration::from_millis(300);
    let (address, connections) = start(64, head_max).await;
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{address}/echo"))
        .await
        .unwrap();
    tokio::time::sleep(2 * head_max).await;
    socket.send("still here".into()).await.unwrap();
    let answer = socket.next().await.unwrap().unwrap();
    assert_eq!(answer.into_text().unwrap(), "still here");
    assert_eq!(connections.open(), 1);
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_its_connection() {
    let (address, connections) = start(64, Duration::from_millis(300)).await;
    let mut open = Vec::new();
    for beginning in BEGINNINGS {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        open.push(stream);
    }
    for mut stream in open {
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.unwrap();
        assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 408"));
    }
    assert!(hello(address).await);
    until("all connections are closed", async || {
        connections.open() == 0
    })
    .await;
}

#[tokio::test]
async fn beyond_the_bound_a_connection_is_closed_at_once_and_the_others_go_on() {
    let (address, connections) = start(3, Duration::from_secs(60)).await;
    let mut inside = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        inside.push(stream);
    }
    let mut outside = TcpStream::connect(address).await.unwrap();
    let mut said = Vec::new();
    let end = outside.read_to_end(&mut said).await;
    assert!(matches!(end, Ok(0) | Err(_)), "{said:?}");
    assert_eq!((connections.open(), connections.max()), (3, 3));
    let mut first = inside.remove(0);
    first
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(first.read(&mut [0; 64]).await.unwrap() > 0, "it goes on");
    drop((first, inside));
    until("all connections are closed", async || {
        connections.open() == 0
    })
    .await;
    assert!(hello(address).await, "there is room again");
}

/// Opens half-open connections from a loopback address of their own, so that floods do not meet
/// each other's closed ports.
fn flood(server: SocketAddr, count: usize, from: Ipv4Addr) -> Vec<std::net::TcpStream> {
    (0..count)
        .map(|number| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
            socket.connect(&server.into()).unwrap();
            let mut stream = std::net::TcpStream::from(socket);
            let beginnings = BEGINNINGS.iter().chain(&FRAMES);
            let beginning = beginnings.cycle().nth(number % 5).unwrap();
            stream.write_all(beginning).unwrap();
            stream
        })
        .collect()
}

/// Resident memory of a process, KiB.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_ascii_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

fn answers(url: &str) -> Duration {
    let began = Instant::now();
    let mut stream = std::net::TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).unwrap();
    assert!(
        said.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&said)
    );
    began.elapsed()
}

#[test]
fn ten_thousand_half_open_connections_leave_a_server_answering_and_no_larger() {
    let files = raise_file_limit().unwrap();
    let count = HALF_OPEN.min(files.saturating_sub(1_000));
    assert!(
        count >= 1_000,
        "this test needs more than {files} open files"
    );
    let data = tempfile::tempdir().unwrap();
    let server = binary::Server::start(data.path());
    let address = server.url.trim_start_matches("http://").parse().unwrap();
    let pid = server.child.id();
    let slowest = || (0..20).map(|_| answers(&server.url)).max().unwrap();
    let quiet = (resident_kib(pid), slowest());
    for from in [2, 3] {
        let mut half_open = flood(address, count, Ipv4Addr::new(127, 0, 0, from));
        let flooded = (resident_kib(pid), slowest());
        println!("{count} half open, KiB and slowest answer: {quiet:?}, then {flooded:?}");
        // The server ends them, each by its own clock.
        for stream in &mut half_open {
            let end = stream.read_to_end(&mut Vec::new());
            let reset = |error: std::io::Error| error.kind() == ErrorKind::ConnectionReset;
            assert!(end.is_ok() || end.is_err_and(reset));
        }
        let given_back = || resident_kib(pid) <= quiet.0 + KEPT_KIB_MAX;
        let began = Instant::now();
        while !given_back() && began.elapsed() < GIVEN_BACK_WITHIN {
            slowest();
        }
        println!("after them {} KiB", resident_kib(pid));
        assert!(given_back(), "{} KiB after {}", resident_kib(pid), quiet.0);
    }
}
