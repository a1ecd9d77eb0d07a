//! Strangers at the port that serves HTTP, HTTPS and media.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use mingtang::domain::id::{ShardId, TransportId};
use mingtang::media::command::{Command, Fingerprint, IceCredentials, TransportConfig};
use mingtang::media::shard::ShardLimits;
use mingtang::media::transport::Identity;
use mingtang::shell::connections::Connections;
use mingtang::shell::media::{MediaConfig, MediaHandle, MediaThread};

use crate::corpus::targets::{PASSWORD, UFRAG};
use crate::waiting::until;

const CHECK: &[u8] = include_bytes!("../../corpus/stun/valid-nomination");
const FORGED_CHECK: &[u8] = include_bytes!("../../corpus/stun/broken-wrong-password");

/// Connections that strangers open, a few at a time.
const STRANGERS: usize = 2_000;

struct Port {
    address: SocketAddr,
    connections: Connections,
    _media: MediaHandle,
}

impl Port {
    /// A media thread with one client, behind a port that serves HTTP.
    fn open() -> Self {
        let config = MediaConfig {
            address: None,
            threads: 1,
            identity: Arc::new(Identity::generate().unwrap()),
            limits: ShardLimits::default(),
        };
        let (media, _events) = MediaThread::start(config).unwrap();
        let open = Command::OpenTransport(TransportConfig {
            transport: TransportId(1),
            shard: ShardId(0),
            local: IceCredentials {
                ufrag: UFRAG.to_owned(),
                pwd: PASSWORD.to_owned(),
            },
            fingerprints: vec![Fingerprint([7; 32])],
            open_channels: Vec::new(),
        });
        media.senders().of(ShardId(0)).unwrap().send(open).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections =
            Connections::new(64, Duration::from_secs(60)).with_door(media.door().clone());
        let hello = axum::Router::new().route("/", axum::routing::get(async || "hello"));
        let serving = connections.clone();
        tokio::spawn(serving.serve(listener, None, hello, Handle::new()));
        Self {
            address,
            connections,
            _media: media,
        }
    }

    async fn has_at_most(&self, connections: usize) {
        let what = format!("at most {connections} connections");
        until(&what, async || self.connections.open() <= connections).await;
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
    }

    fn hello(&self) -> String {
        let mut stream = self.connect();
        let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    }
}

fn frame(datagram: &[u8]) -> Vec<u8> {
    let mut bytes = (datagram.len() as u16).to_be_bytes().to_vec();
    bytes.extend_from_slice(datagram);
    bytes
}

/// Whether a check on this connection is answered with a success.
fn is_answered(stream: &mut TcpStream) -> bool {
    stream.write_all(&frame(CHECK)).unwrap();
    let mut head = [0; 4];
    stream.read_exact(&mut head).unwrap();
    let length = usize::from(u16::from_be_bytes([head[0], head[1]]));
    stream.read_exact(&mut vec![0; length - 2]).unwrap();
    head[2..] == [1, 1]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_port_serves_http_and_media() {
    let port = Port::open();
    let mut client = port.connect();
    assert!(is_answered(&mut client));
    assert!(port.hello().ends_with("hello"));
    assert!(is_answered(&mut client), "it goes on");
    // The other's end is noticed a moment after its answer.
    port.has_at_most(1).await;
    assert_eq!(port.connections.open(), 1, "and is counted");
    drop(client);
    port.has_at_most(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_closed_and_hinder_nobody() {
    let port = Port::open();
    let mut honest = port.connect();
    assert!(is_answered(&mut honest));
    let mut media_first = frame(&[0x80; 200]);
    media_first.extend(frame(CHECK));
    let mut oversize = frame(CHECK);
    oversize.extend([0xff; 4]);
    let garbage: [&[u8]; 5] = [
        &frame(FORGED_CHECK),
        &media_first,
        &[0, 0],
        &[7, 0xff, 1],
        &oversize,
    ];
    for number in 0..STRANGERS {
        let mut stranger = port.connect();
        let bytes = garbage[number % garbage.len()];
        stranger.write_all(bytes).unwrap();
        if bytes[0] == 7 {
            // It waits for the rest, and then is judged.
            stranger.write_all(&[0; 2_047]).unwrap();
        }
        // Only a client hears anything before the end.
        let mut said = Vec::new();
        let _ = stranger.read_to_end(&mut said);
        assert!(said.is_empty() || bytes.len() == oversize.len(), "{said:?}");
        if number % 100 == 0 {
            assert!(is_answered(&mut honest));
            assert!(port.hello().ends_with("hello"));
        }
    }
    port.has_at_most(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_has_few_connections_at_once_and_the_oldest_give_way() {
    let port = Port::open();
    let mut open: Vec<TcpStream> = (0..32).map(|_| port.connect()).collect();
    for stream in &mut open {
        assert!(is_answered(stream));
    }
    port.has_at_most(mingtang::media::transport::ice::ADDRESSES_MAX)
        .await;
    assert!(is_answered(open.last_mut().unwrap()));
}
