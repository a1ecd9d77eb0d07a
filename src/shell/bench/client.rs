//! One load client: a UDP socket, ICE controlling, DTLS client and SRTP from webrtc-rs's parts.
//!
//! It is as light as a client can be, so that a hundred of them fit on the machine that also runs
//! the server, and it shares no code with the server's media plane: what it decrypts was right.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc::crypto::{HashAlgorithm, RTCCryptoProvider};
use rtc::dtls::config::{ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc::dtls::crypto::Certificate;
use rtc::dtls::endpoint::{Endpoint, EndpointEvent};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::shared::TransportProtocol;
use rtc::shared::error::Error;
use rtc::srtp::config::{Config, LABEL_EXTRACTOR_DTLS_SRTP};
use rtc::srtp::context::Context;
use rtc::srtp::option::srtp_replay_protection;
use rtc::srtp::protection_profile::ProtectionProfile;
use rtc::stun::attributes::{
    ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType,
};
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message, Setter, TransactionId};
use rtc::stun::textattrs::TextAttribute;
use rtc::stun::xoraddr::XorMappedAddress;

use super::signalling::LOAD_PASSWORD;
use crate::shell::udp::bind;

/// Between connectivity checks until one is answered.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// Between consent checks afterwards (RFC 7675 asks for about 5 s).
const CONSENT_INTERVAL: Duration = Duration::from_secs(4);
/// Between repetitions of a DTLS flight, as browsers have it: a server that is not yet ready for
/// the first one costs no more than this.
const FLIGHT_INTERVAL: Duration = Duration::from_millis(50);
/// What is read of a datagram that is only counted, bytes: an RTP header and the first extensions.
const COUNTED_BYTES: usize = 32;
/// First bytes of RTP and RTCP (RFC 7983 section 7).
const MEDIA_FIRST: std::ops::RangeInclusive<u8> = 128..=191;

/// What all load clients share: one certificate and one DTLS configuration.
pub struct LoadIdentity {
    provider: Arc<dyn RTCCryptoProvider>,
    handshake: Arc<HandshakeConfig>,
    /// `a=fingerprint` value: colon separated upper-case hexadecimal.
    pub fingerprint: String,
}

impl LoadIdentity {
    /// Makes a certificate.
    pub fn generate() -> Result<Self, Error> {
        let provider =
            rtc::crypto::default_provider().map_err(|error| Error::Crypto(error.to_string()))?;
        let crypto = provider.crypto();
        let certificate = Certificate::generate_self_signed(vec!["load".to_owned()], crypto)?;
        let digest = crypto
            .hash(HashAlgorithm::Sha256, certificate.certificate[0].as_ref())
            .map_err(|error| Error::Crypto(error.to_string()))?;
        let octets: Vec<String> = digest.iter().map(|octet| format!("{octet:02X}")).collect();
        let handshake = ConfigBuilder::default()
            .with_crypto_provider(provider.clone())
            .with_certificates(vec![certificate])
            .with_srtp_protection_profiles(vec![
                SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
                SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
            ])
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_server_name("load".to_owned())
            .with_flight_interval(FLIGHT_INTERVAL)
            .build(true, None)?;
        Ok(Self {
            provider,
            handshake: Arc::new(handshake),
            fingerprint: octets.join(":"),
        })
    }
}

/// Where and how a client reaches the server, and what of the media was agreed on.
#[derive(Clone, Debug)]
pub struct Remote {
    /// First host candidate.
    pub address: SocketAddr,
    /// The server's ICE user fragment.
    pub ufrag: String,
    /// The server's ICE password.
    pub pwd: String,
    /// Id of the header extension with transport-wide numbers, if the server takes it.
    pub transport_cc: Option<u8>,
    /// Payload type of retransmissions of video, if the server takes them.
    pub repair_type: Option<u8>,
}

/// How closely a client looks at the media that it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// Authenticates and decrypts every packet.
    Whole,
    /// Reads the headers, which are not encrypted: for more packets than one thread can decrypt.
    Headers,
    /// Its socket drops media in the kernel, where a real client would take it.
    Deaf,
}

/// Media that came to a client.
pub enum Media<'a> {
    /// The RTP packet in plain.
    Decrypted(&'a [u8]),
    /// The beginning of a sealed RTP packet.
    Head(&'a [u8]),
}

/// One client's connection.
pub struct LoadClient {
    socket: UdpSocket,
    remote: Remote,
    local_ufrag: String,
    dtls: Endpoint,
    keys: Option<Keys>,
    /// When it sent its first connectivity check.
    pub started: Instant,
    checked: Instant,
    pair_valid: bool,
    attention: Attention,
    /// From the first connectivity check to the end of the DTLS handshake.
    pub setup: Option<Duration>,
}

struct Keys {
    receive: Context,
    send: Context,
}

impl LoadClient {
    /// Binds a socket and sends the first connectivity check.
    pub fn start(
        remote: Remote,
        local_ufrag: String,
        identity: &LoadIdentity,
        now: Instant,
    ) -> std::io::Result<Self> {
        let any = if remote.address.ip().is_loopback() {
            Ipv4Addr::LOCALHOST
        } else {
            Ipv4Addr::UNSPECIFIED
        };
        let socket = bind(SocketAddr::from((any, 0)))?;
        socket.set_nonblocking(true)?;
        let client = Self {
            socket,
            remote,
            local_ufrag,
            dtls: Endpoint::new(constant_address(), TransportProtocol::UDP, None),
            keys: None,
            started: now,
            checked: now,
            pair_valid: false,
            attention: Attention::Whole,
            setup: None,
        };
        client.check(identity);
        Ok(client)
    }

    /// The socket, for polling.
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// What it was started with.
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Sets how closely it looks from now on. A deaf client never hears again.
    pub fn attend(&mut self, attention: Attention) -> std::io::Result<()> {
        if attention == Attention::Deaf {
            drop_media(self.socket.as_raw_fd())?;
        }
        self.attention = attention;
        Ok(())
    }

    /// Reads what has come; every RTP packet goes to `take`.
    pub fn receive(
        &mut self,
        now: Instant,
        identity: &LoadIdentity,
        take: &mut dyn FnMut(Media<'_>),
    ) {
        if self.attention == Attention::Headers && self.setup.is_some() {
            let mut head = [0; COUNTED_BYTES];
            while let Ok(length) = self.socket.recv(&mut head) {
                if is_rtp(&head[..length]) {
                    take(Media::Head(&head[..length]));
                }
            }
            return;
        }
        let mut buffer = [0; 2048];
        while let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
            let datagram = &buffer[..length];
            match datagram.first() {
                Some(0..=3) => self.stun(now, identity, datagram),
                Some(20..=63) => self.dtls_record(now, identity, datagram),
                Some(_) if is_rtp(datagram) => {
                    if let Some(keys) = &mut self.keys
                        && let Ok(packet) = keys.receive.decrypt_rtp(datagram)
                    {
                        take(Media::Decrypted(&packet));
                    }
                }
                Some(_) | None => {}
            }
        }
        self.flush();
    }

    /// Retransmits what is due: connectivity checks and DTLS flights.
    pub fn tick(&mut self, now: Instant, identity: &LoadIdentity) {
        let interval = if self.pair_valid {
            CONSENT_INTERVAL
        } else {
            CHECK_INTERVAL
        };
        if now - self.checked >= interval {
            self.checked = now;
            self.check(identity);
        }
        if self.pair_valid
            && self.setup.is_none()
            && self
                .dtls
                .poll_timeout(&constant_address())
                .is_some_and(|at| at <= now)
        {
            let _ = self.dtls.handle_timeout(constant_address(), now);
        }
        self.flush();
    }

    /// Protects and sends one RTP packet.
    pub fn send_rtp(&mut self, packet: &[u8]) {
        if let Some(keys) = &mut self.keys
            && let Ok(sealed) = keys.send.encrypt_rtp(packet)
        {
            let _ = self.socket.send_to(&sealed, self.remote.address);
        }
    }

    /// Protects and sends one compound RTCP packet.
    pub fn send_rtcp(&mut self, packet: &[u8]) {
        if let Some(keys) = &mut self.keys
            && let Ok(sealed) = keys.send.encrypt_rtcp(packet)
        {
            let _ = self.socket.send_to(&sealed, self.remote.address);
        }
    }

    fn check(&self, identity: &LoadIdentity) {
        let mut request = Message::new();
        let attributes: Vec<Box<dyn Setter + '_>> = vec![
            Box::new(BINDING_REQUEST),
            Box::new(TransactionId::new()),
            Box::new(TextAttribute::new(
                ATTR_USERNAME,
                format!("{}:{}", self.remote.ufrag, self.local_ufrag),
            )),
            Box::new(RawAttribute(ATTR_PRIORITY, vec![110, 0, 30, 255])),
            Box::new(RawAttribute(ATTR_ICE_CONTROLLING, vec![1; 8])),
            Box::new(RawAttribute(ATTR_USE_CANDIDATE, Vec::new())),
            Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
                self.remote.pwd.clone(),
                identity.provider.crypto(),
            )),
            Box::new(FINGERPRINT),
        ];
        if request.build(&attributes).is_ok() {
            let _ = self.socket.send_to(&request.raw, self.remote.address);
        }
    }

    /// A response makes the pair valid; a request, which servers that are not ICE-lite send, is
    /// answered.
    fn stun(&mut self, now: Instant, identity: &LoadIdentity, datagram: &[u8]) {
        let mut message = Message::new();
        message.raw = datagram.to_vec();
        if message.decode().is_err() {
            return;
        }
        if message.typ == BINDING_REQUEST {
            self.answer(identity, message.transaction_id);
        } else if message.typ == BINDING_SUCCESS && !self.pair_valid {
            self.pair_valid = true;
            let _ = self
                .dtls
                .connect(now, constant_address(), identity.handshake.clone(), None);
        }
    }

    fn answer(&self, identity: &LoadIdentity, transaction: TransactionId) {
        let (ip, port) = (self.remote.address.ip(), self.remote.address.port());
        let attributes: Vec<Box<dyn Setter + '_>> = vec![
            Box::new(BINDING_SUCCESS),
            Box::new(transaction),
            Box::new(XorMappedAddress { ip, port }),
            Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
                LOAD_PASSWORD.to_owned(),
                identity.provider.crypto(),
            )),
            Box::new(FINGERPRINT),
        ];
        let mut response = Message::new();
        if response.build(&attributes).is_ok() {
            let _ = self.socket.send_to(&response.raw, self.remote.address);
        }
    }

    fn dtls_record(&mut self, now: Instant, identity: &LoadIdentity, datagram: &[u8]) {
        let events = self
            .dtls
            .read(now, constant_address(), None, BytesMut::from(datagram));
        for event in events.unwrap_or_default() {
            if matches!(event, EndpointEvent::HandshakeComplete) {
                self.keys = Keys::export(&self.dtls, identity).ok();
                self.setup = self.keys.is_some().then(|| now - self.started);
            }
        }
    }

    fn flush(&mut self) {
        while let Some(transmit) = self.dtls.poll_transmit() {
            let _ = self.socket.send_to(&transmit.message, self.remote.address);
        }
    }
}

impl Keys {
    fn export(dtls: &Endpoint, identity: &LoadIdentity) -> Result<Self, Error> {
        let state = dtls
            .get_connection_state(constant_address())
            .ok_or(Error::ErrNoSuchSrtpProfile)?;
        let negotiated = state.srtp_protection_profile();
        let profile = if negotiated == SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm {
            ProtectionProfile::AeadAes128Gcm
        } else {
            ProtectionProfile::Aes128CmHmacSha1_80
        };
        let mut config = Config {
            profile,
            ..Config::default()
        };
        let material = state.export_keying_material(
            LABEL_EXTRACTOR_DTLS_SRTP,
            &[],
            config.keying_material_len(),
        )?;
        config.set_session_keys_from_keying_material(material.as_ref(), state.is_client())?;
        let crypto = identity.provider.crypto();
        let keys = &config.keys;
        Ok(Self {
            receive: Context::new(
                &keys.remote_master_key,
                &keys.remote_master_salt,
                profile,
                Some(srtp_replay_protection(1024)),
                None,
                crypto,
            )?,
            send: Context::new(
                &keys.local_master_key,
                &keys.local_master_salt,
                profile,
                None,
                None,
                crypto,
            )?,
        })
    }
}

fn is_rtp(datagram: &[u8]) -> bool {
    // RFC 5761 section 4: what lies here in RTCP is no payload type of RTP.
    let is_rtcp = |second: &u8| (192..=223).contains(second);
    datagram
        .first()
        .is_some_and(|first| MEDIA_FIRST.contains(first))
        && datagram.get(1).is_some_and(|second| !is_rtcp(second))
}

/// Lets the kernel drop RTP and RTCP before it queues them, by a classic BPF program.
fn drop_media(socket: RawFd) -> std::io::Result<()> {
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    /// The program sees the UDP header, 8 bytes, before the payload.
    const PAYLOAD: u32 = 8;
    let mut program = [
        step(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, PAYLOAD),
        step(
            libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K,
            0,
            1,
            u32::from(*MEDIA_FIRST.start()),
        ),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
    ];
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the option takes one `sock_fprog`, which outlives the call with its program.
    let attached = unsafe {
        libc::setsockopt(
            socket,
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const filter).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    if attached == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

struct RawAttribute(AttrType, Vec<u8>);

impl Setter for RawAttribute {
    fn add_to(&self, message: &mut Message) -> rtc::shared::error::Result<()> {
        message.add(self.0, &self.1);
        Ok(())
    }
}

/// The endpoint keys connections by address; ours has only one.
fn constant_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9))
}
