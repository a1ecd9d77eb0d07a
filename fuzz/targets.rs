//! What each fuzz target does with a string of bytes. The fuzzers and the replay of the corpus in
//! `tests/it/corpus.rs` share this file, so that both run the same.
//!
//! A target answers whether its input made sense, and panics where a promise is broken.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use livekit_protocol as proto;
use mingtang::domain::entropy::Entropy;
use mingtang::domain::id::{ParticipantId, ShardId, TrackId, TransportId};
use mingtang::http::livekit::data::readdress;
use mingtang::http::livekit::entry::{Entry, EntryQuery};
use mingtang::http::livekit::inbound::{self, Inbound};
use mingtang::media::batch::SendBatch;
use mingtang::media::codec::{Insight, red_rename};
use mingtang::media::command::{
    CODECS, Codec, Command, DATA_MESSAGE_BYTES_MAX, DataChannel, Fingerprint, HostCandidates,
    IceCredentials, MediaKind, TransportConfig,
};
use mingtang::media::dependency::{Descriptor, TARGETS_MAX, TEMPLATES_MAX};
use mingtang::media::layered::Layered;
use mingtang::media::negotiation::{Answering, Encodings, Local, Offering, Outgoing};
use mingtang::media::placement::Shards;
use mingtang::media::remote::Remote;
use mingtang::media::ring::Packet;
use mingtang::media::rtp::Header;
use mingtang::media::shard::{Shard, ShardConfig, ShardLimits};
use mingtang::media::signal::Request;
use mingtang::media::transport::data::{ChannelEvent, DataChannels, guard};
use mingtang::media::transport::dtls::hello::Hello;
use mingtang::media::transport::ice::{ADDRESSES_MAX, Agent};
use mingtang::media::transport::srtp::rtp_header_length;
use mingtang::media::transport::{Binding, Identity, ParsedBinding};
use mingtang::media::{rtcp, sdp};
use mingtang::service::call::Keys;
use prost::Message as _;

/// A target: whether the input made sense.
pub type Target = fn(&[u8]) -> bool;

/// Every target by its name, which is also the name of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("client_hello", client_hello),
    ("data_packet", data_packet),
    ("dependency", dependency),
    ("join_request", join_request),
    ("rtcp", rtcp),
    ("rtp", rtp),
    ("sctp", sctp),
    ("sdp", sdp),
    ("shard_datagram", shard_datagram),
    ("signal_request", signal_request),
    ("stun", stun),
    ("token", token),
];

/// Runs the target of a name.
pub fn run(name: &str, input: &[u8]) -> bool {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = target.expect("a target of this name");
    target(input)
}

/// Who the server is in every target, and what seeds are signed with.
pub const UFRAG: &str = "server";
/// The server's ICE password in every target.
pub const PASSWORD: &str = "the-password-of-the-server";
/// API key and secret of the target `token`.
pub const API_KEY: (&str, &str) = ("devkey", "secret");
/// The moment at which the target `token` reads, seconds since 1970.
pub const TOKEN_SECONDS: i64 = 1_800_000_000;

/// Parts of an input for targets that take several packets: one byte that says how, two of length,
/// the packet.
pub fn parts(mut input: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&[how, high, low], rest) = input.split_first_chunk::<3>()?;
        let length = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
        let (packet, rest) = rest.split_at(length);
        input = rest;
        Some((how, packet))
    })
    .take(64)
}

fn credentials() -> IceCredentials {
    IceCredentials {
        ufrag: UFRAG.to_owned(),
        pwd: PASSWORD.to_owned(),
    }
}

fn address(number: u8) -> Remote {
    Remote::Udp(SocketAddr::from(([192, 0, 2, number], 40_000)))
}

fn stun(input: &[u8]) -> bool {
    let Some(request) = ParsedBinding::parse(input) else {
        return false;
    };
    let provider = rtc::crypto::default_provider().expect("a provider");
    let mut agent = Agent::new(credentials());
    let now = Instant::now();
    let mut verified = false;
    for number in 0..20 {
        let checked = agent.handle(now, address(number), &request, provider.crypto());
        let answer = checked.response.as_ref().map_or(0, Bytes::len);
        assert!(answer <= input.len() + 100, "an answer that amplifies");
        verified = matches!(checked.binding, Binding::Verified { .. });
    }
    assert!(agent.addresses().count() <= ADDRESSES_MAX);
    assert_eq!(agent.send_address().is_some(), verified);
    verified
}

fn client_hello(input: &[u8]) -> bool {
    let mut hello = Hello::default();
    for (_, datagram) in parts(input) {
        hello.feed(datagram);
    }
    let whole = hello.is_whole();
    assert!(whole || !hello.offers_gcm());
    let gcm = hello.offers_gcm();
    let kept = hello.into_datagrams();
    assert!(kept.len() <= 8 && kept.iter().map(Vec::len).sum::<usize>() <= 8 * 2_048);
    whole && gcm
}

fn rtp(input: &[u8]) -> bool {
    let header = Header::parse(input);
    let Some(header) = header else { return false };
    assert!(header.payload_start <= header.payload_end && header.payload_end <= input.len());
    assert_eq!(rtp_header_length(input), Some(header.payload_start));
    for id in 0..=255 {
        let _ = header.extension(input, id);
    }
    let mut payload = input[header.payload_start..header.payload_end].to_vec();
    for codec in CODECS {
        let insight = Insight::of(codec, &payload);
        let places = [
            usize::from(insight.picture_at) + usize::from(insight.picture_wide),
            usize::from(insight.base_layer_at),
        ];
        assert!(places.iter().all(|at| *at == 0 || *at < payload.len()));
        assert!(usize::from(insight.primary_at) <= payload.len());
    }
    red_rename(&mut payload, 111);
    true
}

/// Descriptors of a stream's packets in their order; the first byte of a part lets so many numbers
/// be missing before it. Whether the first makes sense.
fn dependency(input: &[u8]) -> bool {
    let mut known = None;
    let mut layered = Layered::new(3);
    let mut number = 1;
    let mut sense = None;
    for (missing, bytes) in parts(input) {
        number += 1 + u64::from(missing);
        let read = Descriptor::read(bytes, known.as_deref());
        sense.get_or_insert(read.is_some());
        if let Some(structure) = read.and_then(|read| read.structure) {
            assert!((1..=TARGETS_MAX).contains(&structure.targets));
            assert!((1..=TEMPLATES_MAX).contains(&structure.templates.len()));
            assert!(structure.chains <= structure.targets);
            known = Some(structure);
        }
        let packet = Packet {
            number,
            timestamp: number as u32 / 3,
            marker: false,
            codec: Codec::Vp9,
            insight: Insight::default(),
        };
        if let Ok(parts) = layered.take(&packet, Some(bytes)) {
            let numbers = parts.parts.iter().flatten();
            assert!(numbers.into_iter().all(|part| part.packet.number <= number));
        }
    }
    sense.unwrap_or(false)
}

fn rtcp(input: &[u8]) -> bool {
    let mut count = 0;
    for item in rtcp::items(input) {
        count += 1;
        match item {
            rtcp::Item::Nack { entries, .. } => {
                assert!(rtcp::nacked(entries).count() <= entries.len() / 4 * 17);
            }
            rtcp::Item::TransportFeedback(feedback) => assert!(feedback.len() <= input.len()),
            rtcp::Item::SenderInfo(_)
            | rtcp::Item::Block(_)
            | rtcp::Item::KeyFrameRequest { .. } => {}
        }
    }
    assert!(count <= input.len() / 4, "more items than there are words");
    count > 0
}

/// An association that stands already takes the packets; tag and checksum are set right, because
/// a fuzzer would not find them. The first byte of a part lets that many half seconds pass.
fn sctp(input: &[u8]) -> bool {
    let mut now = Instant::now();
    let mut channels = DataChannels::new(vec![DataChannel::Lossy]);
    let mut events = Vec::new();
    let init = [
        1, 0, 0, 20, 0, 0, 0, 7, 0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 1,
    ];
    channels.handle(now, sctp_packet(0, &init), &mut events);
    let answer = channels.poll_packet().expect("an INIT ACK");
    let tag = u32::from_be_bytes([answer[16], answer[17], answer[18], answer[19]]);
    let cookie = state_cookie(&answer).expect("a cookie");
    let mut echo = vec![10, 0];
    echo.extend((cookie.len() as u16 + 4).to_be_bytes());
    echo.extend(cookie);
    channels.handle(now, sctp_packet(tag, &echo), &mut events);
    let mut sent = 0;
    let mut accepted = false;
    for (halves, packet) in parts(input) {
        now += Duration::from_millis(500) * u32::from(halves);
        channels.handle_timeout(now, &mut events);
        let packet = sctp_packet(tag, packet);
        accepted |= guard::inspect(&packet, None).is_some();
        let _ = guard::acknowledged(&packet);
        channels.handle(now, packet, &mut events);
        channels.send(
            now,
            DataChannel::Lossy,
            &Bytes::from_static(b"x"),
            &mut events,
        );
        while let Some(packet) = channels.poll_packet() {
            sent += packet.len();
        }
    }
    // Every packet may be answered by a few of ours, and every timeout repeats what waits.
    assert!(
        sent <= 64 * 1024 + 64 * input.len(),
        "{sent} bytes went out"
    );
    for event in &events {
        match event {
            ChannelEvent::Message(_, payload) => assert!(payload.len() <= DATA_MESSAGE_BYTES_MAX),
            ChannelEvent::Opened(_) | ChannelEvent::Overflow => {}
        }
    }
    accepted
}

/// A packet with this tag and these chunks, under the checksum of RFC 9260 appendix A.
fn sctp_packet(tag: u32, chunks: &[u8]) -> Bytes {
    let mut packet = vec![0x13, 0x88, 0x13, 0x88];
    packet.extend(tag.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(chunks);
    let mut sum = u32::MAX;
    for byte in &packet {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0x82f6_3b78 * (sum & 1));
        }
    }
    packet[8..12].copy_from_slice(&(!sum).to_le_bytes());
    packet.into()
}

/// The parameter of that name in an INIT ACK (RFC 9260 section 3.3.3).
fn state_cookie(init_ack: &[u8]) -> Option<&[u8]> {
    let mut rest = init_ack.get(32..)?;
    loop {
        let length = usize::from(u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]));
        if rest[..2] == [0, 7] {
            return rest.get(4..length);
        }
        rest = rest.get(length.next_multiple_of(4).max(4)..)?;
    }
}

struct Ones;

impl Entropy for Ones {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(1);
    }
}

fn local() -> Local {
    let shards = Shards::new([HostCandidates {
        udp: vec![address(1).address()],
        tcp: vec![address(2).address()],
    }]);
    let place = shards.place(shards.quietest());
    Local::new(TransportId(1), Fingerprint([7; 32]), place, &Ones)
}

fn outgoing(number: u32) -> Outgoing {
    Outgoing {
        track: TrackId(uuid::Uuid::from_u128(u128::from(number))),
        stream: "PA_x|camera".to_owned(),
        cname: "PA_x".to_owned(),
        ssrc: number,
        rtx_ssrc: Some(number + 100),
        stereo: true,
    }
}

/// As an offer twice over, and as an answer to an offer of ours.
fn sdp(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else {
        return false;
    };
    let mut offering = Offering::new(local());
    for (number, kind) in [(1, MediaKind::Audio), (2, MediaKind::Video)] {
        assert!(offering.attach(kind, outgoing(number)));
    }
    assert!(offering.offer().is_some());
    let _ = offering.answer(0, text);

    let mut answering = Answering::new(local());
    if answering.offer(text).is_err() {
        return false;
    }
    let sections = sdp::parse(text)
        .expect("an offer that was taken")
        .sections
        .len();
    for round in 1..3 {
        for incoming in answering.incoming() {
            assert!(Encodings::of(&incoming, &incoming.codecs, &[]).known.len() <= 3);
        }
        answering.attach(MediaKind::Audio, outgoing(round));
        answering.attach(MediaKind::Video, outgoing(round + 10));
        let (answer, map) = answering.answer();
        let answer = sdp::parse(&answer).expect("an answer of ours can be read");
        assert_eq!(answer.sections.len(), sections);
        assert!(map.len() <= sections);
        answering
            .offer(text)
            .expect("the same offer is taken again");
    }
    true
}

fn identity() -> Arc<Identity> {
    static IDENTITY: OnceLock<Arc<Identity>> = OnceLock::new();
    let generate = || Arc::new(Identity::generate().expect("a certificate"));
    Arc::clone(IDENTITY.get_or_init(generate))
}

/// A media thread's machine with one client to come. The first byte of a part: in its low three
/// bits whose address it comes from, above them how many 100 ms pass before it.
fn shard_datagram(input: &[u8]) -> bool {
    let mut now = Instant::now();
    let mut shard = Shard::new(ShardConfig {
        identity: identity(),
        epoch: (now, Duration::from_secs(1_800_000_000)),
        limits: ShardLimits::default(),
    });
    let config = TransportConfig {
        transport: TransportId(1),
        shard: ShardId(0),
        local: credentials(),
        fingerprints: vec![Fingerprint([7; 32])],
        open_channels: Vec::new(),
    };
    shard.handle_command(now, Command::OpenTransport(config));
    let mut batch = SendBatch::default();
    let mut sent = 0;
    for (how, datagram) in parts(input) {
        now += Duration::from_millis(100) * u32::from(how >> 3);
        shard.handle_timeout(now);
        shard.handle_datagram(now, address(how & 7), &mut datagram.to_vec());
        let mut more = true;
        while more {
            more = shard.fill(now, &mut batch);
            sent += batch
                .datagrams()
                .map(|(_, bytes)| bytes.len())
                .sum::<usize>();
            batch.clear();
        }
        assert!(shard.counts().0 <= 1);
        assert!(std::iter::from_fn(|| shard.poll_event()).count() <= 16);
    }
    // One flight of a handshake is 1 to 2 KiB, and it is repeated a few times at most.
    assert!(sent <= 32 * 1024 + 2 * input.len(), "{sent} bytes went out");
    sent > 0
}

/// As the parameter itself, as a wrapped join request, and as a join request in a plain wrapper.
fn join_request(input: &[u8]) -> bool {
    let wrapped = proto::WrappedJoinRequest {
        compression: 0,
        join_request: input.to_vec(),
    };
    let mut accepted = false;
    for parameter in [
        String::from_utf8_lossy(input),
        Cow::Owned(URL_SAFE_NO_PAD.encode(input)),
        Cow::Owned(URL_SAFE_NO_PAD.encode(wrapped.encode_to_vec())),
    ] {
        let query = EntryQuery {
            join_request: Some(parameter.clone().into_owned()),
            protocol: Some(parameter.clone().into_owned()),
            capabilities: Some(parameter.clone().into_owned()),
            reconnect: Some("1".to_owned()),
            sid: Some(parameter.into_owned()),
            ..EntryQuery::default()
        };
        assert!(Entry::dual(&query).arrival.client.capabilities.len() <= 16);
        if let Ok(entry) = Entry::single(&query) {
            assert!(entry.first.len() <= 18);
            entry.first.iter().for_each(is_bounded);
            accepted = true;
        }
    }
    accepted
}

fn signal_request(input: &[u8]) -> bool {
    let text = inbound::from_text(&String::from_utf8_lossy(input));
    let binary = inbound::from_binary(input);
    is_bounded(&text);
    is_bounded(&binary);
    !matches!((text, binary), (Inbound::Malformed, Inbound::Malformed))
}

/// Bounds that a room counts on.
fn is_bounded(message: &Inbound) {
    match message {
        Inbound::Request(Request::Offer { sdp, .. } | Request::Answer { sdp, .. }) => {
            assert!(sdp.len() <= inbound::SDP_BYTES_MAX);
        }
        Inbound::Request(Request::AddTrack(add)) => {
            assert!(add.layers.len() <= 3 && add.cid.len() <= 256 && !add.cid.is_empty());
            assert!(add.name.len() <= 256 && add.stream.len() <= 256);
        }
        Inbound::Request(Request::Subscribe { tracks, .. }) => assert!(tracks.len() <= 4_096),
        Inbound::Request(Request::Sync {
            published,
            received,
        }) => assert!(published.len() <= 4_096 && received.len() <= 4_096),
        Inbound::Request(_)
        | Inbound::Simulate(_)
        | Inbound::Ping
        | Inbound::PingRequest { .. }
        | Inbound::Unsupported(_)
        | Inbound::Ignored
        | Inbound::Malformed => {}
    }
}

/// The first byte chooses the channel.
fn data_packet(input: &[u8]) -> bool {
    let Some((how, payload)) = input.split_first() else {
        return false;
    };
    let channel = match how % 3 {
        0 => DataChannel::Reliable,
        1 => DataChannel::Lossy,
        _ => DataChannel::DataTrack,
    };
    let sender = ParticipantId(uuid::Uuid::from_u128(1));
    let Some(request) = readdress(None, channel, payload, sender, Some("ann")) else {
        return false;
    };
    let Request::SendData { to, payload, .. } = request else {
        panic!("a packet became {request:?}");
    };
    assert!(to.len() <= 4_096);
    let packet = proto::DataPacket::decode(payload).expect("what goes on can be read");
    assert_eq!(packet.participant_identity, "ann");
    assert_eq!(packet.participant_sid, sender.sid());
    assert!(packet.destination_identities.is_empty());
    true
}

fn token(input: &[u8]) -> bool {
    let (key, secret) = API_KEY;
    let own = (key.to_owned(), secret.as_bytes().to_vec());
    let keys = Keys::new(own, std::collections::BTreeMap::new());
    let now = chrono::DateTime::from_timestamp(TOKEN_SECONDS, 0).expect("a moment");
    keys.verify(&String::from_utf8_lossy(input), now).is_ok()
}
