//! Whole clients over loopback sockets.

use std::net::UdpSocket;

use super::*;
use crate::domain::id::{LegId, SourceId, TransportId};
use crate::media::command::{
    Codec, CodecMapping, Command, EncodingConfig, ExtensionIds, IceCredentials, LegConfig,
    MediaKind, SourceConfig, TransportConfig,
};
use crate::media::transport::tests::client::{Client, Habits};

struct Remote {
    socket: UdpSocket,
    client: Client,
    payloads: Vec<u8>,
}

impl Remote {
    fn join(media: &MediaHandle, n: u64) -> Self {
        let local = IceCredentials {
            ufrag: format!("user{n}"),
            pwd: format!("password-of-twenty-two-or-more-{n}"),
        };
        let client = Client::new(local.clone(), Habits::default(), Instant::now());
        let config = TransportConfig {
            transport: TransportId(n),
            local,
            fingerprints: vec![client.fingerprint()],
            open_channels: Vec::new(),
        };
        media.sender().send(Command::OpenTransport(config)).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(media.local_addr()).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(2)))
            .unwrap();
        Self {
            socket,
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
            self.socket.send(&datagram).unwrap();
        }
        let mut buffer = [0; 2_048];
        while let Ok(len) = self.socket.recv(&mut buffer) {
            match buffer[0] {
                128.. if !(192..=223).contains(&buffer[1]) => {
                    let media = self.client.media.as_mut().unwrap();
                    let plain = media.incoming.decrypt_rtp(&buffer[..len]).unwrap();
                    self.payloads.push(plain[12]);
                }
                128.. => {}
                _ => self.client.handle(Instant::now(), &buffer[..len]),
            }
        }
    }

    fn publish(&mut self, sequence: u16) {
        let mut plain = vec![0; 13];
        crate::media::rtp::write_header(&mut plain, false, 111, sequence, 0, 7);
        plain[12] = sequence as u8;
        let media = self.client.media.as_mut().unwrap();
        let sealed = media.outgoing.encrypt_rtp(&plain).unwrap();
        self.socket.send(&sealed).unwrap();
    }
}

fn start() -> (MediaHandle, mpsc::Receiver<Event>) {
    let config = MediaConfig {
        address: "127.0.0.1:0".parse().unwrap(),
        identity: Arc::new(Identity::generate().unwrap()),
        limits: ShardLimits::default(),
    };
    MediaThread::start(config).unwrap()
}

fn forward(media: &MediaHandle) {
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
    media.sender().send(Command::AddSource(source)).unwrap();
    media.sender().send(Command::AddLeg(leg)).unwrap();
}

#[test]
fn a_packet_crosses_the_thread_and_stopping_says_good_bye() {
    let (media, mut events) = start();
    let mut publisher = Remote::join(&media, 0);
    let mut subscriber = Remote::join(&media, 1);
    forward(&media);
    let mut connected = 0;
    while connected < 2 {
        publisher.step();
        subscriber.step();
        while let Ok(event) = events.try_recv() {
            connected += usize::from(matches!(event, Event::TransportConnected { .. }));
        }
    }
    while publisher.client.media.is_none() || subscriber.client.media.is_none() {
        publisher.step();
        subscriber.step();
    }
    let mut sequence = 0;
    while subscriber.payloads.len() < 20 {
        publisher.publish(sequence);
        sequence += 1;
        publisher.step();
        subscriber.step();
    }
    assert!(subscriber.payloads.is_sorted());
    let sender = media.sender().clone();
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

#[test]
fn a_thread_that_ended_is_known_to_run_no_more() {
    let (media, _events) = start();
    let watch = media.watch();
    assert!(media.is_running() && watch());
    media.stop.store(true, Ordering::Release);
    media.bell.ring();
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
            local: local(n),
            fingerprints: Vec::new(),
            open_channels: Vec::new(),
        };
        media.sender().send(Command::OpenTransport(config)).unwrap();
        media
            .sender()
            .send(Command::CloseTransport { transport })
            .unwrap();
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
