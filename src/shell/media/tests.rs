//! Whole clients over loopback sockets.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::domain::id::{LegId, ShardId, SourceId, TransportId};
use crate::hub::taps::TapLine;
use crate::media::command::{
    CloseReason, Codec, CodecMapping, Command, EncodingConfig, ExtensionIds, HostCandidates,
    IceCredentials, LegConfig, MediaKind, MirrorConfig, SourceConfig, TapConfig, TapWant,
    TransportConfig,
};
use crate::media::framing::Unframer;
use crate::media::placement::{Placement, Shards, TAPS, letter};
use crate::media::shard::mishap::{TRIP, TRIP_ALL, TRIP_FAN_OUT};
use crate::media::tap::Tapped;
use crate::media::transport::tests::client::{Client, Habits};
use crate::shell::connections::Connections;

struct Remote {
    socket: UdpSocket,
    stream: Option<Stream>,
    client: Client,
    payloads: Vec<u8>,
}

/// A connection of a client, which prefers it to UDP.
struct Stream {
    socket: TcpStream,
    incoming: Unframer,
}

impl Remote {
    /// Clients take turns on the threads.
    fn join(media: &MediaHandle, n: u64) -> Self {
        let shard = shard_of(media, n);
        let local = IceCredentials {
            ufrag: format!("{}user{n}", letter(shard)),
            pwd: format!("password-of-twenty-two-or-more-{n}"),
        };
        let client = Client::new(local.clone(), Habits::default(), Instant::now());
        let config = TransportConfig {
            transport: TransportId(n),
            shard,
            local,
            fingerprints: vec![client.fingerprint()],
            open_channels: Vec::new(),
        };
        order(media, shard, Command::OpenTransport(config));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = media.local_addrs()[usize::from(shard.0)];
        socket.connect(address.unwrap()).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(2)))
            .unwrap();
        Self {
            socket,
            stream: None,
            client,
            payloads: Vec::new(),
        }
    }

    fn step(&mut self) {
        let now = Instant::now();
        if self.client.next_timeout() <= now {
            self.client.handle_timeout(now);
        }
        while let Some(datagram) = self.client.outgoing.pop_front() {
            self.send(&datagram);
        }
        let mut buffer = [0; 65_536];
        while let Ok(len) = self.socket.recv(&mut buffer) {
            self.take(&buffer[..len]);
        }
        if let Some(stream) = &mut self.stream
            && let Ok(len) = stream.socket.read(&mut buffer)
        {
            let mut came = Vec::new();
            let each = |datagram: &mut [u8]| came.push(datagram.to_vec());
            stream.incoming.take(&mut buffer[..len], each).unwrap();
            came.iter().for_each(|datagram| self.take(datagram));
        }
    }

    /// Goes on by TCP, through a door of its own.
    fn connect(&mut self, door: SocketAddr) {
        let socket = TcpStream::connect(door).unwrap();
        socket.set_nonblocking(true).unwrap();
        let incoming = Unframer::default();
        self.stream = Some(Stream { socket, incoming });
        let check = self.client.check(true);
        self.send(&check);
    }

    fn send(&mut self, datagram: &[u8]) {
        match &mut self.stream {
            None => {
                self.socket.send(datagram).unwrap();
            }
            Some(stream) => {
                let mut frame = (datagram.len() as u16).to_be_bytes().to_vec();
                frame.extend_from_slice(datagram);
                stream.socket.write_all(&frame).unwrap();
            }
        }
    }

    fn take(&mut self, datagram: &[u8]) {
        match datagram[0] {
            128.. if !(192..=223).contains(&datagram[1]) => {
                let media = self.client.media.as_mut().unwrap();
                let plain = media.incoming.decrypt_rtp(datagram).unwrap();
                self.payloads.push(plain[12]);
            }
            128.. => {}
            _ => self.client.handle(Instant::now(), datagram),
        }
    }

    fn publish(&mut self, sequence: u16) {
        self.publish_bytes(sequence, &[sequence as u8]);
    }

    fn publish_bytes(&mut self, sequence: u16, payload: &[u8]) {
        let mut plain = vec![0; 12];
        crate::media::rtp::write_header(&mut plain, false, 111, sequence, 0, 7);
        plain.extend_from_slice(payload);
        let media = self.client.media.as_mut().unwrap();
        let sealed = media.outgoing.encrypt_rtp(&plain).unwrap();
        self.send(&sealed);
    }
}

fn order(media: &MediaHandle, shard: ShardId, command: Command) {
    media.senders().of(shard).unwrap().send(command).unwrap();
}

fn shard_of(media: &MediaHandle, n: u64) -> ShardId {
    ShardId((n % media.local_addrs().len() as u64) as u8)
}

fn start() -> (MediaHandle, mpsc::Receiver<Event>) {
    start_threads(1)
}

fn start_threads(threads: usize) -> (MediaHandle, mpsc::Receiver<Event>) {
    let config = MediaConfig {
        address: Some("127.0.0.1:0".parse().unwrap()),
        threads,
        identity: Arc::new(Identity::generate().unwrap()),
        limits: ShardLimits::default(),
    };
    MediaThread::start(config).unwrap()
}

/// Taps the sound of transport 0.
fn tap(media: &MediaHandle) -> TapLine {
    let line = media.taps().open();
    let home = shard_of(media, 0);
    let source = SourceId(1);
    let mirror = MirrorConfig {
        source,
        home,
        kind: MediaKind::Audio,
        encodings: 1,
        priority: 0,
    };
    order(media, TAPS, Command::AddMirror(mirror));
    let (to, on) = (TAPS, true);
    order(media, home, Command::Relay { source, to, on });
    let config = TapConfig {
        tap: line.tap(),
        source,
        want: TapWant::Everything,
    };
    order(media, TAPS, Command::AddTap(config));
    line
}

/// Forwards sound of transport 0 to transport 1.
fn forward(media: &MediaHandle) {
    let sites = media
        .local_addrs()
        .iter()
        .map(|_| HostCandidates::default());
    let mut placement = Placement::new(Shards::new(sites));
    for n in [0, 1] {
        let open = Command::OpenTransport(TransportConfig {
            transport: TransportId(n),
            shard: shard_of(media, n),
            local: IceCredentials {
                ufrag: String::new(),
                pwd: String::new(),
            },
            fingerprints: Vec::new(),
            open_channels: Vec::new(),
        });
        // It is open.
        placement.route(open, &mut |_, _| ());
    }
    let codecs = vec![CodecMapping {
        codec: Codec::Opus,
        payload_type: 111,
        rtx_payload_type: None,
    }];
    let source = SourceConfig {
        source: SourceId(1),
        transport: TransportId(0),
        kind: MediaKind::Audio,
        mid: "0".to_owned(),
        encodings: vec![EncodingConfig::default()],
        layered: false,
        codecs: codecs.clone(),
        extensions: ExtensionIds::default(),
    };
    let leg = LegConfig {
        leg: LegId(1),
        source: SourceId(1),
        transport: TransportId(1),
        ssrc: 99,
        rtx_ssrc: None,
        codecs,
        extensions: ExtensionIds::default(),
        encoding: 0,
        priority: 1,
        paused: false,
    };
    let mut send = |shard, command| order(media, shard, command);
    placement.route(Command::AddSource(source), &mut send);
    placement.route(Command::AddLeg(leg), &mut send);
}

/// Clients whose media may flow, under transports of these numbers.
fn connected<const N: usize>(
    media: &MediaHandle,
    events: &mut mpsc::Receiver<Event>,
    numbers: [u64; N],
) -> [Remote; N] {
    let mut remotes = numbers.map(|number| Remote::join(media, number));
    let mut connected = 0;
    while connected < N || remotes.iter().any(|remote| remote.client.media.is_none()) {
        remotes.iter_mut().for_each(Remote::step);
        while let Ok(event) = events.try_recv() {
            connected += usize::from(matches!(event, Event::TransportConnected { .. }));
        }
    }
    remotes
}

/// Which transports the thread told to have broken.
fn broken(events: &mut mpsc::Receiver<Event>) -> Vec<u64> {
    let mut broken = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let Event::TransportClosed { transport, reason } = event {
            assert_eq!(reason, CloseReason::Broken);
            broken.push(transport.0);
        }
    }
    broken
}

/// Publishes until something new arrives.
fn still_forwards(publisher: &mut Remote, subscriber: &mut Remote, from: u16) {
    subscriber.payloads.clear();
    let mut sequence = from;
    while subscriber.payloads.is_empty() {
        publisher.publish(sequence);
        sequence += 1;
        publisher.step();
        subscriber.step();
    }
}

#[test]
fn a_panic_over_a_clients_packet_costs_that_client_and_nobody_else() {
    let (media, mut events) = start();
    let [mut publisher, mut subscriber, mut other] = connected(&media, &mut events, [0, 1, 2]);
    forward(&media);
    still_forwards(&mut publisher, &mut subscriber, 0);
    other.publish_bytes(1, TRIP);
    while !other.client.closed {
        other.step();
    }
    assert_eq!(broken(&mut events), [2]);
    still_forwards(&mut publisher, &mut subscriber, 1_000);
    assert!(media.is_running());
}

#[test]
fn sound_reaches_a_client_of_another_thread_and_both_are_told_of_the_end() {
    let (media, mut events) = start_threads(2);
    let [mut publisher, mut subscriber] = connected(&media, &mut events, [0, 1]);
    forward(&media);
    let mut sequence = 0;
    carry(&mut publisher, &mut subscriber, &mut sequence);
    assert!(subscriber.payloads.is_sorted());
    drop(media);
    while !subscriber.client.closed || !publisher.client.closed {
        subscriber.step();
        publisher.step();
    }
}

#[test]
fn what_is_tapped_reaches_its_reader_beside_the_legs_until_the_reader_goes() {
    let (media, mut events) = start();
    let [mut publisher, mut subscriber] = connected(&media, &mut events, [0, 1]);
    forward(&media);
    let mut line = tap(&media);
    let mut context = Context::from_waker(Waker::noop());
    let (mut frames, mut sequence) = (Vec::new(), 0);
    while frames.len() < 20 {
        carry(&mut publisher, &mut subscriber, &mut sequence);
        while let Poll::Ready(tapped) = pin!(line.next()).poll(&mut context) {
            let Some(Tapped::Frame { frame, .. }) = tapped else {
                panic!("it goes on");
            };
            frames.push(frame.timestamp);
        }
    }
    drop(line);
    carry(&mut publisher, &mut subscriber, &mut sequence);
    assert!(media.is_running());
}

#[test]
fn a_panic_while_a_source_is_forwarded_costs_its_publisher() {
    let (media, mut events) = start();
    let [mut publisher, mut subscriber] = connected(&media, &mut events, [0, 1]);
    forward(&media);
    still_forwards(&mut publisher, &mut subscriber, 0);
    publisher.publish_bytes(1_000, TRIP_FAN_OUT);
    while !publisher.client.closed {
        publisher.step();
    }
    assert_eq!(broken(&mut events), [0]);
    assert!(!subscriber.client.closed && media.is_running());
}

#[test]
fn after_a_panic_for_everybody_all_are_told_and_may_come_again_at_the_same_port() {
    let (media, mut events) = start();
    let [mut publisher, mut subscriber] = connected(&media, &mut events, [0, 1]);
    forward(&media);
    still_forwards(&mut publisher, &mut subscriber, 0);
    publisher.publish_bytes(1_000, TRIP_ALL);
    while !(publisher.client.closed && subscriber.client.closed) {
        publisher.step();
        subscriber.step();
    }
    assert_eq!(broken(&mut events), [0, 1]);
    let [mut publisher, mut subscriber] = connected(&media, &mut events, [0, 1]);
    forward(&media);
    still_forwards(&mut publisher, &mut subscriber, 0);
}

#[test]
fn a_packet_crosses_the_thread_and_stopping_says_good_bye() {
    let (media, mut events) = start();
    let [mut publisher, mut subscriber] = connected(&media, &mut events, [0, 1]);
    forward(&media);
    let mut sequence = 0;
    while subscriber.payloads.len() < 20 {
        publisher.publish(sequence);
        sequence += 1;
        publisher.step();
        subscriber.step();
    }
    assert!(subscriber.payloads.is_sorted());
    let sender = media.senders().of(ShardId(0)).unwrap().clone();
    drop(media);
    while !subscriber.client.closed {
        subscriber.step();
    }
    let leg = LegId(1);
    assert!(sender.send(Command::RemoveLeg { leg }).is_err());
    while let Ok(event) = events.try_recv() {
        assert!(!matches!(event, Event::TransportClosed { .. }));
    }
    assert!(events.is_closed());
}

/// Publishes until a subscriber has twenty payloads more.
fn carry(publisher: &mut Remote, subscriber: &mut Remote, sequence: &mut u16) {
    let before = subscriber.payloads.len();
    while subscriber.payloads.len() < before + 20 {
        publisher.publish(*sequence);
        *sequence += 1;
        publisher.step();
        subscriber.step();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_moves_between_udp_and_tcp_in_mid_stream() {
    let (media, mut events) = start_threads(2);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Connections::new(16, Duration::from_secs(60));
    let counted = connections.clone();
    tokio::spawn(media.door().clone().serve(listener, connections));
    let mut publisher = Remote::join(&media, 0);
    let mut subscriber = Remote::join(&media, 1);
    publisher.connect(address);
    forward(&media);
    while publisher.client.media.is_none() || subscriber.client.media.is_none() {
        publisher.step();
        subscriber.step();
    }
    let mut sequence = 0;
    carry(&mut publisher, &mut subscriber, &mut sequence);
    assert_eq!(counted.open(), 1);
    subscriber.connect(address);
    while counted.open() < 2 {
        carry(&mut publisher, &mut subscriber, &mut sequence);
    }
    // It named the connection, so the other way is silent now.
    let mut datagram = [0; 2_048];
    while subscriber.socket.recv(&mut datagram).is_ok() {}
    let before = subscriber.payloads.len();
    while subscriber.payloads.len() < before + 20 {
        publisher.publish(sequence);
        sequence += 1;
        publisher.step();
        assert!(subscriber.socket.recv(&mut datagram).is_err());
        subscriber.step();
    }
    carry(&mut publisher, &mut subscriber, &mut sequence);
    // A connection that breaks leaves the older way, which was never forgotten.
    subscriber.stream = None;
    publisher.stream = None;
    carry(&mut publisher, &mut subscriber, &mut sequence);
    while counted.open() > 0 {
        carry(&mut publisher, &mut subscriber, &mut sequence);
    }
    while let Ok(event) = events.try_recv() {
        assert!(!matches!(event, Event::TransportClosed { .. }));
    }
    drop(media);
}

#[test]
fn a_thread_that_ended_is_known_to_run_no_more() {
    let (media, _events) = start();
    let watch = media.watch();
    assert!(media.is_running() && watch());
    media.stop.store(true, Ordering::Release);
    media.bells[0].ring();
    while watch() {
        std::thread::yield_now();
    }
    assert!(!media.is_running());
}

#[test]
fn an_idle_thread_hears_orders() {
    let (media, mut events) = start();
    let local = |n: u64| IceCredentials {
        ufrag: format!("user{n}"),
        pwd: "a-password-of-twenty-two-characters".to_owned(),
    };
    for n in 0..3_000 {
        let transport = TransportId(n);
        let config = TransportConfig {
            transport,
            shard: ShardId(0),
            local: local(n),
            fingerprints: Vec::new(),
            open_channels: Vec::new(),
        };
        order(&media, ShardId(0), Command::OpenTransport(config));
        order(&media, ShardId(0), Command::CloseTransport { transport });
    }
    drop(media);
    assert!(events.try_recv().is_err());
}

#[test]
fn news_of_transports_is_kept_when_nobody_reads_and_levels_are_not() {
    let transport = TransportId(1);
    assert!(must_keep(&Event::TransportSilent { transport }, usize::MAX));
    assert!(!must_keep(&Event::AudioLevels(Vec::new()), 0));
    let data = Event::Data {
        transport,
        channel: crate::media::command::DataChannel::Lossy,
        payload: bytes::Bytes::new(),
    };
    assert!(must_keep(&data, 0) && !must_keep(&data, BACKLOG_MAX));
}
