//! Strangers at the media port of a running media thread.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use mingtang::domain::id::{ShardId, TransportId};
use mingtang::media::command::{Command, Fingerprint, IceCredentials, TransportConfig};
use mingtang::media::shard::ShardLimits;
use mingtang::media::transport::Identity;
use mingtang::shell::media::{MediaConfig, MediaHandle, MediaThread};

use crate::corpus::targets::{PASSWORD, UFRAG, parts};

/// Flows that strangers begin.
const FLOWS: u32 = 10_000;

const CHECK: &[u8] = include_bytes!("../../corpus/stun/valid-nomination");
const FORGED_CHECK: &[u8] = include_bytes!("../../corpus/stun/broken-wrong-password");
const HELLO: &[u8] = include_bytes!("../../corpus/client_hello/valid-one-datagram");

fn start() -> (MediaHandle, impl Sized) {
    let config = MediaConfig {
        address: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        threads: 1,
        identity: Arc::new(Identity::generate().unwrap()),
        limits: ShardLimits::default(),
    };
    let (handle, events) = MediaThread::start(config).unwrap();
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
    handle.senders().of(ShardId(0)).unwrap().send(open).unwrap();
    (handle, events)
}

fn socket(number: u32) -> UdpSocket {
    let [_, _, high, low] = number.to_be_bytes();
    let socket = UdpSocket::bind((Ipv4Addr::new(127, 1, high, low), 0)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    socket
}

/// A check with the right password, and the length of what comes back.
fn check(socket: &UdpSocket, server: SocketAddr) -> usize {
    let mut answer = [0; 2_000];
    socket.send_to(CHECK, server).unwrap();
    let (length, from) = socket.recv_from(&mut answer).unwrap();
    assert_eq!((from, &answer[..2]), (server, &[1, 1][..]));
    length
}

#[test]
fn ten_thousand_flows_without_the_password_hear_nothing_and_hinder_nobody() {
    let (handle, _events) = start();
    let server = handle.local_addrs()[0].unwrap();
    let honest = socket(0);
    check(&honest, server);
    let hello = parts(HELLO).next().unwrap().1;
    let mut last = None;
    for number in 1..=FLOWS {
        let stranger = socket(number);
        for datagram in [
            FORGED_CHECK,
            hello,
            &[0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
            &[0; 20],
        ] {
            stranger.send_to(datagram, server).unwrap();
        }
        // Whatever the thread would have answered comes before the answer to this.
        if number % 50 == 0 {
            check(&honest, server);
            stranger.set_nonblocking(true).unwrap();
            assert!(
                stranger.recv(&mut [0; 2_000]).is_err(),
                "flow {number} was answered"
            );
            last = Some(stranger);
        }
    }
    // From a verified address the same hello is answered, so it was the password that was missing.
    let stranger = last.unwrap();
    stranger.set_nonblocking(false).unwrap();
    check(&stranger, server);
    stranger.send_to(hello, server).unwrap();
    let mut answer = [0; 2_000];
    let length = stranger.recv(&mut answer).unwrap();
    assert!(length > 0 && answer[0] == 22, "a handshake record");
}

#[test]
fn a_client_that_checks_from_ten_thousand_addresses_is_answered_and_stays_one_client() {
    let (handle, _events) = start();
    let server = handle.local_addrs()[0].unwrap();
    for number in 0..FLOWS {
        assert!(check(&socket(number), server) <= CHECK.len() + 100);
    }
}
