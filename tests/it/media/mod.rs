//! Media from end to end: a client of other make joins by LiveKit's signalling, over real sockets.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a client minds few messages out of many"
)]

pub mod client;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use mingtang::hub::rooms::NamedFact;
use mingtang::media::command::TapWant;
use mingtang::media::room::RoomFact;
use mingtang::media::signal::TrackSource;
use mingtang::media::tap::Tapped;
use mingtang::shell::clock::SystemClock;
use mingtang::shell::config::{Config, LogFormat, MediaTcp, Tls};
use mingtang::shell::connections::Connections;
use mingtang::shell::keys::ApiKey;
use mingtang::shell::plane::Plane;
use tokio::sync::mpsc;

use self::client::{Client, Kind, Way};
use crate::support::World;

/// The pace of packets: one frame of Opus.
pub const FRAME: Duration = Duration::from_millis(20);
/// Payloads of each kind that must arrive.
pub const WANTED: usize = 20;

/// The media plane and signalling of a demo server.
struct Server {
    plane: Plane,
    facts: mpsc::Receiver<NamedFact>,
    address: SocketAddr,
    _world: World,
}

impl Server {
    /// With media at every way in that the listening address has, or by TCP alone.
    async fn start(listen: &str, media_udp: bool) -> Self {
        let world = World::new().await;
        let mut context = world.context.clone();
        context.clock = Arc::new(SystemClock);
        let listener = TcpListener::bind(listen).unwrap();
        let address = listener.local_addr().unwrap();
        let key = ApiKey {
            name: "own".to_owned(),
            secret: "a secret of thirty-two characters".to_owned(),
        };
        let config = config(address, media_udp);
        let (plane, facts) = Plane::start(&config, &context, &key).unwrap();
        let connections = Connections::new(64, FRAME * 500).with_door(plane.door());
        let app = plane.signalling(&context);
        tokio::spawn(connections.serve(listener, None, app, Handle::new()));
        Self {
            plane,
            facts,
            address,
            _world: world,
        }
    }

    /// How long each participant took to connect, as far as told.
    fn setups(&mut self) -> BTreeMap<String, Duration> {
        let mut setups = BTreeMap::new();
        while let Ok((_, fact)) = self.facts.try_recv() {
            if let RoomFact::Connected {
                identity, setup, ..
            } = fact
            {
                setups.insert(identity, setup);
            }
        }
        setups
    }
}

pub fn config(listen: SocketAddr, media_udp: bool) -> Config {
    Config {
        listen,
        media_listen: listen.ip(),
        media_port: 0,
        media_threads: 2,
        media_udp,
        media_tcp: MediaTcp::Shared,
        media_addresses: vec![listen.ip()],
        turn: None,
        data_dir: std::path::PathBuf::new(),
        database_url: None,
        database_connections_max: 1,
        tls: Tls::Off,
        tls_names: Vec::new(),
        api_keys: BTreeMap::new(),
        webhook_urls: Vec::new(),
        webhook_key: None,
        ffmpeg: None,
        upload_mib_max: 1,
        library_gib_max: 1,
        log_format: LogFormat::Text,
        log_level: "info".to_owned(),
        demo: true,
    }
}

/// One Opus frame or one whole VP8 key frame of 16 by 16 that carries its number.
pub fn payload(kind: Kind, number: u16) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    match kind {
        // Fullband, 20 ms, mono, one frame (RFC 6716, section 3.1).
        Kind::Audio => vec![0xf8, high, low, 0x55],
        // Start of partition 0 (RFC 7741, section 4.2), then the frame's tag, start code and size
        // (RFC 6386, section 9.1).
        Kind::Video => {
            let mut frame = vec![0x10, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a];
            frame.extend([16, 0, 16, 0, high, low, 0xaa]);
            frame
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_and_picture_of_one_webrtc_client_reach_another_byte_for_byte() {
    let server = Server::start("127.0.0.1:0", true).await;
    carries(server, Way::Udp, Way::Udp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_udp_connects_to_the_port_that_serves_http() {
    let server = Server::start("127.0.0.1:0", true).await;
    carries(server, Way::Tcp, Way::Udp).await;
    let server = Server::start("127.0.0.1:0", false).await;
    carries(server, Way::Tcp, Way::Tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_goes_by_ipv6_too() {
    let server = Server::start("[::1]:0", true).await;
    carries(server, Way::Udp, Way::Tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_sees_the_pictures_that_it_taps_and_nothing_once_they_are_over() {
    let server = Server::start("127.0.0.1:0", true).await;
    let publisher = Client::join(Way::Udp, server.address, "plain", "publisher", true).await;
    let rooms = &server.plane.rooms;
    let tap = |identity| rooms.tap("plain", identity, TrackSource::Camera, TapWant::Stills);
    assert!(tap("nobody").await.is_none());
    let mut pace = tokio::time::interval(FRAME);
    let mut stills = loop {
        // The track is there once it is negotiated.
        pace.tick().await;
        if let Some(stills) = tap("publisher").await {
            break stills;
        }
    };
    stills.want_still().await;
    let (mut number, mut sent) = (0, BTreeSet::new());
    let seen = loop {
        tokio::select! {
            tapped = stills.next() => break tapped.unwrap(),
            _ = pace.tick() => {
                let payload = payload(Kind::Video, number);
                publisher.send(Kind::Video, number, &payload).await;
                sent.insert(payload[1..].to_vec());
                number += 1;
            }
        }
    };
    let Tapped::Frame { frame, .. } = seen else {
        panic!("a frame was due");
    };
    assert!(frame.is_key && sent.contains(&frame.data[..]));
    publisher.leave().await;
    assert_eq!(stills.next().await, None);
    server.plane.stop();
}

/// Sound and picture reach the subscriber byte for byte.
async fn carries(mut server: Server, publishing: Way, subscribing: Way) {
    let address = server.address;
    let publisher = Client::join(publishing, address, "plain", "publisher", true).await;
    let mut subscriber = Client::join(subscribing, address, "plain", "subscriber", false).await;
    let mut sent: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut arrived: BTreeMap<Kind, BTreeSet<Vec<u8>>> = BTreeMap::new();
    let mut pace = tokio::time::interval(FRAME);
    let mut number = 0;
    while arrived.len() < 2 || arrived.values().any(|payloads| payloads.len() < WANTED) {
        pace.tick().await;
        for kind in [Kind::Audio, Kind::Video] {
            let payload = payload(kind, number);
            publisher.send(kind, number, &payload).await;
            sent.insert(payload);
        }
        number += 1;
        while let Ok((kind, packet)) = subscriber.packets.try_recv() {
            let payload = packet.payload.to_vec();
            assert!(
                sent.contains(&payload),
                "{kind:?}: {payload:?} was never sent"
            );
            arrived.entry(kind).or_default().insert(payload);
        }
    }
    let audio = &arrived[&Kind::Audio];
    assert!(
        audio.iter().all(|payload| payload[0] == 0xf8),
        "each kind on its own track"
    );
    let setups = server.setups();
    println!("ICE and DTLS took {setups:?}");
    assert_eq!(setups.len(), 2);
    publisher.leave().await;
    subscriber.leave().await;
    server.plane.stop();
}
