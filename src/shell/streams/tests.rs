//! Connections over loopback, with time by hand.

use std::net::TcpListener;
use std::sync::Arc;

use super::*;
use crate::domain::id::{ShardId, TransportId};
use crate::media::command::{Command, IceCredentials, TransportConfig};
use crate::media::framing::{FRAME_BYTES_MAX, MEDIA_WAITING_BYTES_MAX};
use crate::media::shard::{ShardConfig, ShardLimits};
use crate::media::transport::Identity;
use crate::media::transport::tests::client::{Client, Habits};
use crate::shell::connections::Connections;
use crate::shell::door::{Door, door};

const TRANSPORT: TransportId = TransportId(1);

struct Stage {
    now: Instant,
    shard: Shard,
    streams: Streams,
    door: Door,
    connections: Connections,
    /// A check with the right password.
    check: Vec<u8>,
}

impl Stage {
    fn new() -> Self {
        let now = Instant::now();
        let local = IceCredentials {
            ufrag: "user".to_owned(),
            pwd: "a-password-of-twenty-two-characters".to_owned(),
        };
        let mut client = Client::new(local.clone(), Habits::default(), now);
        client.handle_timeout(now);
        let check = client.outgoing.pop_front().expect("a check").to_vec();
        let mut shard = Shard::new(ShardConfig {
            identity: Arc::new(Identity::generate().unwrap()),
            epoch: (now, Duration::ZERO),
            limits: ShardLimits::default(),
        });
        let config = TransportConfig {
            transport: TRANSPORT,
            shard: ShardId(0),
            local,
            fingerprints: vec![client.fingerprint()],
            open_channels: Vec::new(),
        };
        shard.handle_command(now, Command::OpenTransport(config));
        let knock: Arc<dyn Fn() + Send + Sync> = Arc::new(|| ());
        let (door, mut arrivals) = door([knock]);
        Self {
            now,
            shard,
            streams: Streams::new(arrivals.remove(0)).unwrap(),
            door,
            connections: Connections::new(16, Duration::from_secs(1)),
            check,
        }
    }

    /// A connection that begins with a frame: the client's end.
    fn connect(&mut self, first: &[u8]) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        ours.set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let (socket, client) = listener.accept().unwrap();
        self.door.hand_over(Arrival {
            socket,
            client,
            shard: ShardId(0),
            first: first.to_vec(),
            place: self.connections.place().unwrap(),
        });
        self.turn();
        ours
    }

    fn turn(&mut self) {
        self.streams.receive(self.now, &mut self.shard);
        let mut batch = SendBatch::default();
        while self.shard.fill(self.now, &mut batch) {
            self.streams.send(self.now, &batch);
            batch.clear();
        }
        self.streams.send(self.now, &batch);
    }

    fn after(&mut self, passed: Duration) {
        self.now += passed;
        self.turn();
    }

    /// Runs until the one connection is gone.
    fn until_closed(&mut self) {
        while !self.streams.open.is_empty() {
            self.turn();
        }
        assert_eq!(self.connections.open(), 0);
    }
}

fn frame(datagram: &[u8]) -> Vec<u8> {
    let mut bytes = (datagram.len() as u16).to_be_bytes().to_vec();
    bytes.extend_from_slice(datagram);
    bytes
}

/// The next datagram that came; `None` at the end of the connection.
fn heard(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut datagram = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut datagram).ok()?;
    Some(datagram)
}

#[test]
fn a_check_with_the_password_opens_the_connection_and_is_answered_on_it() {
    let mut stage = Stage::new();
    let check = stage.check.clone();
    let mut client = stage.connect(&check);
    assert_eq!(heard(&mut client).unwrap()[..2], [1, 1]);
    for piece in frame(&check).chunks(7) {
        client.write_all(piece).unwrap();
        stage.turn();
    }
    client.set_nonblocking(true).unwrap();
    while client.peek(&mut [0; 2]).is_err() {
        stage.turn();
    }
    client.set_nonblocking(false).unwrap();
    assert_eq!(heard(&mut client).unwrap()[..2], [1, 1]);
    assert_eq!(stage.connections.open(), 1);
}

#[test]
fn a_connection_without_the_password_ends_at_once() {
    let mut stage = Stage::new();
    let mut forged = stage.check.clone();
    let last = forged.len() - 9;
    forged[last] ^= 1;
    for first in [&forged[..], &[0; 20], &[22; 100], &[]] {
        let mut stranger = stage.connect(first);
        assert_eq!(heard(&mut stranger), None);
        assert_eq!((stage.streams.open.len(), stage.connections.open()), (0, 0));
    }
}

#[test]
fn a_frame_that_is_too_long_ends_the_connection_and_the_way_to_the_client() {
    let mut stage = Stage::new();
    let mut client = stage.connect(&stage.check.clone());
    let long = (FRAME_BYTES_MAX as u16 + 1).to_be_bytes();
    client.write_all(&long).unwrap();
    stage.until_closed();
    assert!(heard(&mut client).is_some(), "the check was answered");
    assert_eq!(heard(&mut client), None);
}

#[test]
fn a_connection_ends_when_its_client_or_its_transport_does() {
    let mut stage = Stage::new();
    let check = stage.check.clone();
    drop(stage.connect(&check));
    stage.until_closed();
    let mut client = stage.connect(&check);
    let transport = TRANSPORT;
    let close = Command::CloseTransport { transport };
    stage.shard.handle_command(stage.now, close);
    stage.after(SWEEP_PAUSE);
    stage.until_closed();
    assert!(heard(&mut client).is_some());
    assert_eq!(heard(&mut client), None);
}

#[test]
fn a_client_that_reads_nothing_loses_media_first_and_then_its_connection() {
    let mut stage = Stage::new();
    let client = stage.connect(&stage.check.clone());
    let connection = stage.streams.open.values().next().unwrap().connection;
    let mut media = vec![0; 1_200];
    media[..2].copy_from_slice(&[0x80, 96]);
    let mut batch = SendBatch::default();
    for _ in 0..20_000 {
        if !batch.push(Remote::Tcp(connection), &media) {
            stage.streams.send(stage.now, &batch);
            batch.clear();
        }
        let waiting = stage.streams.open[&connection.number].outgoing.waiting();
        assert!(waiting.len() <= MEDIA_WAITING_BYTES_MAX + 2 * 1_202);
    }
    stage.after(STUCK_MAX - Duration::from_millis(1));
    assert_eq!(stage.streams.open.len(), 1);
    stage.after(SWEEP_PAUSE);
    stage.until_closed();
    assert!(!stage.shard.is_reached_by(connection));
    drop(client);
}
