//! The server's half of DTLS 1.2 for one client, around `rtc::dtls`.
//!
//! The library keeps whatever a datagram makes it keep and stops at the first thing it does not
//! like, so records pass a gate first: malformed, misplaced and repeated ones never reach it, and
//! what does is counted.

pub mod hello;
mod record;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rtc::dtls::cipher_suite::CipherSuiteId;
use rtc::dtls::config::{
    ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig,
    VerifyPeerCertificateFn,
};
use rtc::dtls::endpoint::{Endpoint, EndpointEvent};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::shared::TransportProtocol;
use rtc::shared::error::Error;
use rtc::srtp::config::LABEL_EXTRACTOR_DTLS_SRTP;

use self::hello::Hello;
use self::record::{
    ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, Record, SERVER_HELLO, fragments,
    records,
};
use super::PEER;
use super::identity::{Identity, fingerprint_of};
use super::srtp::{MasterKeys, Profile};
use crate::media::command::Fingerprint;

/// First repetition of an unanswered flight; it doubles from there.
const FLIGHT_INTERVAL: Duration = Duration::from_millis(100);
/// Doublings of [`FLIGHT_INTERVAL`], so that a flight is given up after 25 s.
const DOUBLINGS_MAX: u32 = 6;
/// What one handshake may bring: datagrams, bytes and plaintext fragments. A clean one takes about
/// 6, 4,000 and 7.
const HANDSHAKE_DATAGRAMS_MAX: u32 = 256;
const HANDSHAKE_BYTES_MAX: usize = 128 * 1024;
const HANDSHAKE_FRAGMENTS_MAX: usize = 512;
/// Handshake records taken after the end of the handshake: the client's last flight, repeated.
const LATE_RECORDS_MAX: u32 = 64;
/// Certificate fingerprints remembered of one client.
const FINGERPRINTS_MAX: usize = 8;
/// Number of the client's message after its second hello.
const AFTER_HELLOS: u16 = 2;

/// What came out of the client's records.
pub(super) enum DtlsEvent {
    /// The handshake is complete and the client showed an announced certificate.
    Established(MasterKeys),
    /// One authenticated application record.
    Data(Bytes),
    /// The client said good-bye, or broke an established connection off.
    ClosedByPeer,
    /// The handshake cannot succeed any more.
    Failed,
}

/// DTLS with one client.
pub(super) struct Dtls {
    identity: Arc<Identity>,
    fingerprints: Vec<Fingerprint>,
    phase: Phase,
    outgoing: VecDeque<Bytes>,
}

enum Phase {
    /// No handshake before the hello is whole and a fingerprint known.
    Waiting(Hello),
    Running(Box<Session>),
    Ended,
}

impl Dtls {
    pub(super) fn new(identity: Arc<Identity>) -> Self {
        Self {
            identity,
            fingerprints: Vec::new(),
            phase: Phase::Waiting(Hello::default()),
            outgoing: VecDeque::new(),
        }
    }

    /// Names the certificates that the client may show; too late once the handshake runs.
    pub(super) fn set_remote(
        &mut self,
        now: Instant,
        mut fingerprints: Vec<Fingerprint>,
        events: &mut Vec<DtlsEvent>,
    ) {
        fingerprints.truncate(FINGERPRINTS_MAX);
        self.fingerprints = fingerprints;
        self.start_if_ready(now, events);
    }

    /// Takes a datagram from a verified address.
    pub(super) fn handle(&mut self, now: Instant, datagram: &[u8], events: &mut Vec<DtlsEvent>) {
        match &mut self.phase {
            Phase::Waiting(hello) => {
                hello.feed(datagram);
                self.start_if_ready(now, events);
            }
            Phase::Running(_) => self.feed(now, datagram, events),
            Phase::Ended => {}
        }
    }

    /// Sends one application record; nothing before the handshake is complete.
    pub(super) fn write(&mut self, now: Instant, data: &[u8]) {
        if let Phase::Running(session) = &mut self.phase
            && session.established
            && session.endpoint.write(now, PEER, data).is_ok()
        {
            session.drain(&mut self.outgoing);
        }
    }

    /// Queues `close_notify` and ends.
    pub(super) fn close(&mut self, now: Instant) {
        if let Phase::Running(session) = &mut self.phase {
            session.endpoint.stop(now, PEER);
            session.drain(&mut self.outgoing);
        }
        self.phase = Phase::Ended;
    }

    /// Repeats an unanswered flight.
    pub(super) fn handle_timeout(&mut self, now: Instant, events: &mut Vec<DtlsEvent>) {
        if let Phase::Running(session) = &mut self.phase
            && session.next_timeout().is_some_and(|due| due <= now)
        {
            session.repeats += 1;
            let failed = session.endpoint.handle_timeout(PEER, now).is_err();
            session.drain(&mut self.outgoing);
            if failed {
                self.phase = Phase::Ended;
                events.push(DtlsEvent::Failed);
            }
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Running(session) => session.next_timeout(),
            Phase::Waiting(_) | Phase::Ended => None,
        }
    }

    /// The next datagram to send.
    pub(super) fn poll_datagram(&mut self) -> Option<Bytes> {
        self.outgoing.pop_front()
    }

    fn start_if_ready(&mut self, now: Instant, events: &mut Vec<DtlsEvent>) {
        let Phase::Waiting(hello) = &mut self.phase else {
            return;
        };
        if !hello.is_whole() || self.fingerprints.is_empty() {
            return;
        }
        let hello = std::mem::take(hello);
        let profile = if hello.offers_gcm() {
            Profile::Gcm
        } else {
            Profile::Cm
        };
        let Ok(config) = handshake_config(&self.identity, self.fingerprints.clone(), profile)
        else {
            self.phase = Phase::Ended;
            events.push(DtlsEvent::Failed);
            return;
        };
        self.phase = Phase::Running(Box::new(Session::new(config)));
        for datagram in hello.into_datagrams() {
            self.feed(now, &datagram, events);
        }
    }

    fn feed(&mut self, now: Instant, datagram: &[u8], events: &mut Vec<DtlsEvent>) {
        let Phase::Running(session) = &mut self.phase else {
            return;
        };
        let outcome = session.read(now, datagram, events);
        session.drain(&mut self.outgoing);
        match outcome {
            Outcome::GoOn => {}
            Outcome::Closed => {
                self.phase = Phase::Ended;
                events.push(DtlsEvent::ClosedByPeer);
            }
            Outcome::Failed => {
                self.phase = Phase::Ended;
                events.push(DtlsEvent::Failed);
            }
        }
    }
}

/// A handshake, and the connection that it becomes.
struct Session {
    endpoint: Endpoint,
    established: bool,
    /// Our ServerHello is out: the client's hellos are repetitions from now on.
    past_hello: bool,
    repeats: u32,
    datagrams: u32,
    bytes: usize,
    fragments: usize,
    late: u32,
}

enum Outcome {
    GoOn,
    Closed,
    Failed,
}

impl Session {
    fn new(config: HandshakeConfig) -> Self {
        Self {
            endpoint: Endpoint::new(PEER, TransportProtocol::UDP, Some(Arc::new(config))),
            established: false,
            past_hello: false,
            repeats: 0,
            datagrams: 0,
            bytes: 0,
            fragments: 0,
            late: 0,
        }
    }

    fn read(&mut self, now: Instant, datagram: &[u8], events: &mut Vec<DtlsEvent>) -> Outcome {
        let mut admitted = BytesMut::with_capacity(datagram.len());
        for record in records(datagram).filter(|record| self.admits(record)) {
            admitted.extend_from_slice(record.whole);
        }
        if admitted.is_empty() {
            return Outcome::GoOn;
        }
        if !self.established && !self.afford(admitted.len()) {
            return Outcome::Failed;
        }
        match self.endpoint.read(now, PEER, None, admitted) {
            Ok(found) => self.take(found, events),
            Err(_) if !self.established => Outcome::Failed,
            Err(Error::ErrAlertFatalOrClose) => Outcome::Closed,
            // After the handshake only authenticated records get this far; what the library
            // dislikes in one of them (a warning alert) ends nothing.
            Err(_) => Outcome::GoOn,
        }
    }

    fn take(&mut self, found: Vec<EndpointEvent>, events: &mut Vec<DtlsEvent>) -> Outcome {
        for event in found {
            match event {
                EndpointEvent::HandshakeComplete => {
                    let Some(keys) = self.export() else {
                        return Outcome::Failed;
                    };
                    self.established = true;
                    events.push(DtlsEvent::Established(keys));
                }
                EndpointEvent::ApplicationData(data) => {
                    events.push(DtlsEvent::Data(data.freeze()));
                }
                EndpointEvent::PeerClosed if self.established => return Outcome::Closed,
                EndpointEvent::PeerClosed => return Outcome::Failed,
                _ => {}
            }
        }
        Outcome::GoOn
    }

    /// Whether the library may see a record.
    fn admits(&mut self, record: &Record<'_>) -> bool {
        if record.epoch > 1 {
            return false;
        }
        let plain = record.epoch == 0;
        match record.kind {
            HANDSHAKE if self.established => {
                self.late += 1;
                self.late <= LATE_RECORDS_MAX && (!plain || fragments(record.content).is_some())
            }
            HANDSHAKE => !plain || self.admits_fragments(record.content),
            CHANGE_CIPHER_SPEC => plain && !self.established && record.content.len() == 1,
            ALERT if plain => !self.established && record.content.len() == 2,
            ALERT => true,
            APPLICATION_DATA => !plain,
            _ => false,
        }
    }

    /// A repeated hello, let in while we wait for the client's certificate, would stop the library
    /// from repeating our flight for ever.
    fn admits_fragments(&mut self, content: &[u8]) -> bool {
        let Some(found) = fragments(content) else {
            return false;
        };
        self.fragments += found.len();
        let expected = if self.past_hello { AFTER_HELLOS } else { 0 };
        found.iter().all(|fragment| fragment.number >= expected)
    }

    fn afford(&mut self, bytes: usize) -> bool {
        self.datagrams += 1;
        self.bytes += bytes;
        self.datagrams <= HANDSHAKE_DATAGRAMS_MAX
            && self.bytes <= HANDSHAKE_BYTES_MAX
            && self.fragments <= HANDSHAKE_FRAGMENTS_MAX
    }

    fn drain(&mut self, outgoing: &mut VecDeque<Bytes>) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            if !self.past_hello && holds_server_hello(&transmit.message) {
                self.past_hello = true;
                self.repeats = 0;
            }
            outgoing.push_back(transmit.message.freeze());
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        if self.established {
            return None;
        }
        // The library repeats at a fixed interval and gives up after seven; calling it later and
        // later makes that last.
        let factor = (1 << self.repeats.min(DOUBLINGS_MAX)) - 1;
        let due = self.endpoint.poll_timeout(&PEER)?;
        Some(due + FLIGHT_INTERVAL * factor)
    }

    fn export(&self) -> Option<MasterKeys> {
        let state = self.endpoint.get_connection_state(PEER)?;
        let chosen = state.srtp_protection_profile();
        let profile = [Profile::Gcm, Profile::Cm]
            .into_iter()
            .find(|profile| on_the_wire(*profile) == chosen)?;
        let length = profile.keying_material_bytes();
        let material = state
            .export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], length)
            .ok()?;
        MasterKeys::split(profile, material.as_ref(), state.is_client())
    }
}

fn holds_server_hello(datagram: &[u8]) -> bool {
    records(datagram)
        .filter(|record| record.kind == HANDSHAKE && record.epoch == 0)
        .any(|record| record.content.first() == Some(&SERVER_HELLO))
}

fn on_the_wire(profile: Profile) -> SrtpProtectionProfile {
    match profile {
        Profile::Gcm => SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
        Profile::Cm => SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
    }
}

fn handshake_config(
    identity: &Arc<Identity>,
    fingerprints: Vec<Fingerprint>,
    profile: Profile,
) -> Result<HandshakeConfig, Error> {
    ConfigBuilder::default()
        .with_crypto_provider(Arc::clone(identity.provider()))
        .with_certificates(vec![identity.certificate()])
        .with_cipher_suites(vec![
            CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
            CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
        ])
        .with_srtp_protection_profiles(vec![on_the_wire(profile)])
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        // There is no authority to ask; the fingerprint is what counts.
        .with_insecure_skip_verify(true)
        .with_verify_peer_certificate(Some(fingerprint_check(identity, fingerprints)))
        .with_extended_master_secret(ExtendedMasterSecretType::Require)
        .with_flight_interval(FLIGHT_INTERVAL)
        .build(false, None)
}

fn fingerprint_check(
    identity: &Arc<Identity>,
    fingerprints: Vec<Fingerprint>,
) -> VerifyPeerCertificateFn {
    let provider = Arc::clone(identity.provider());
    Arc::new(move |certificates, _| {
        certificates
            .first()
            .and_then(|der| fingerprint_of(provider.crypto(), der))
            .filter(|shown| fingerprints.contains(shown))
            .map(|_| ())
            .ok_or(Error::ErrNoMatchingCertificateFingerprint)
    })
}
