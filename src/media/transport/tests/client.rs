//! A client made of rtc's own parts: controlling ICE, DTLS client, SRTP contexts, SCTP.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rtc::crypto::{HashAlgorithm, RTCCryptoProvider};
use rtc::datachannel::message::Message as Control;
use rtc::datachannel::message::message_channel_ack::DataChannelAck;
use rtc::datachannel::message::message_channel_open::{ChannelType, DataChannelOpen};
use rtc::dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType};
use rtc::dtls::crypto::Certificate;
use rtc::dtls::endpoint::{Endpoint as DtlsEndpoint, EndpointEvent};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile as WireProfile;
use rtc::sctp::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint as SctpEndpoint,
    EndpointConfig, Event, Payload, PayloadProtocolIdentifier as Ppi, StreamEvent,
};
use rtc::shared::TransportProtocol;
use rtc::shared::error::Error;
use rtc::shared::marshal::{Marshal, Unmarshal};
use rtc::srtp::config::{Config as SrtpConfig, LABEL_EXTRACTOR_DTLS_SRTP};
use rtc::srtp::context::Context;
use rtc::srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc::srtp::protection_profile::ProtectionProfile;
use rtc::stun::attributes::{ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType};
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message, Setter, TransactionId};
use rtc::stun::textattrs::TextAttribute;

use super::super::PEER;
use crate::media::command::{Fingerprint, IceCredentials};
use crate::media::remote::Remote;

/// How a client is to behave.
#[derive(Clone)]
pub(crate) struct Habits {
    pub(crate) profiles: Vec<WireProfile>,
    /// Size at which its handshake messages are cut.
    pub(crate) mtu: usize,
    pub(crate) shows_certificate: bool,
    pub(crate) extended_master_secret: bool,
    pub(crate) nominates: bool,
}

impl Default for Habits {
    /// Chromium's order of profiles.
    fn default() -> Self {
        Self {
            profiles: vec![
                WireProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
                WireProfile::Srtp_Aead_Aes_128_Gcm,
            ],
            mtu: 1_200,
            shows_certificate: true,
            extended_master_secret: true,
            nominates: true,
        }
    }
}

pub(crate) struct Media {
    pub(crate) profile: WireProfile,
    pub(crate) outgoing: Context,
    pub(crate) incoming: Context,
}

pub(crate) struct Client {
    pub(crate) provider: Arc<dyn RTCCryptoProvider>,
    pub(crate) server: IceCredentials,
    pub(crate) outgoing: VecDeque<Bytes>,
    pub(crate) media: Option<Media>,
    pub(crate) messages: Vec<(u16, Ppi, Vec<u8>)>,
    pub(crate) labels: Vec<(u16, String)>,
    pub(crate) closed: bool,
    /// Plain SCTP packets sent.
    pub(crate) taped_sctp: Vec<Vec<u8>>,
    pub(crate) mangle_out: Option<fn(&mut [u8])>,
    pub(crate) mangle_in: Option<fn(&mut [u8])>,
    habits: Habits,
    certificate: Certificate,
    dtls: DtlsEndpoint,
    dialled: bool,
    last_flight_sent: bool,
    next_check: Instant,
    answers: u32,
    sctp: SctpEndpoint,
    association: Option<(AssociationHandle, Association)>,
}

impl Client {
    pub(crate) fn new(server: IceCredentials, habits: Habits, now: Instant) -> Self {
        let provider = rtc::crypto::default_provider().unwrap();
        let certificate =
            Certificate::generate_self_signed(vec!["client".into()], provider.crypto()).unwrap();
        let sctp_config = Arc::new(EndpointConfig::default());
        Self {
            provider,
            server,
            outgoing: VecDeque::new(),
            media: None,
            messages: vec![],
            labels: vec![],
            closed: false,
            taped_sctp: vec![],
            mangle_out: None,
            mangle_in: None,
            habits,
            certificate,
            dtls: DtlsEndpoint::new(PEER, TransportProtocol::UDP, None),
            dialled: false,
            last_flight_sent: false,
            next_check: now,
            answers: 0,
            sctp: SctpEndpoint::new(PEER, TransportProtocol::UDP, sctp_config, None),
            association: None,
        }
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let der = self.certificate.certificate[0].as_ref();
        let hash = self.provider.crypto().hash(HashAlgorithm::Sha256, der);
        Fingerprint(hash.unwrap().try_into().unwrap())
    }

    pub(crate) fn check(&self, nominating: bool) -> Vec<u8> {
        let mut message = Message::new();
        let username = TextAttribute::new(ATTR_USERNAME, format!("{}:peer", self.server.ufrag));
        let start: [Box<dyn Setter>; 3] = [
            Box::new(BINDING_REQUEST),
            Box::new(TransactionId::new()),
            Box::new(username),
        ];
        message.build(&start).unwrap();
        message.add(AttrType(0x802a), &[7; 8]);
        message.add(AttrType(0x0024), &[0, 0, 1, 0]);
        if nominating {
            message.add(ATTR_USE_CANDIDATE, &[]);
        }
        let pwd = self.server.pwd.clone();
        MessageIntegrity::new_short_term_integrity_with_provider(pwd, self.provider.crypto())
            .add_to(&mut message)
            .unwrap();
        FINGERPRINT.add_to(&mut message).unwrap();
        message.raw
    }

    pub(crate) fn handle(&mut self, now: Instant, datagram: &[u8]) {
        match datagram[0] {
            0..=3 => self.take_answer(now, datagram),
            20..=63 => self.take_dtls(now, datagram),
            _ => panic!("only control datagrams are polled"),
        }
        self.flush(now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if now >= self.next_check {
            let nominating = self.habits.nominates && self.answers > 0;
            let check = self.check(nominating);
            self.outgoing.push_back(check.into());
            let pause = if self.answers < 2 { 50 } else { 2_500 };
            self.next_check = now + Duration::from_millis(pause);
        }
        if self.dtls.poll_timeout(&PEER).is_some_and(|due| due <= now) {
            let _ = self.dtls.handle_timeout(PEER, now);
        }
        if let Some((_, association)) = &mut self.association
            && association.poll_timeout().is_some_and(|due| due <= now)
        {
            association.handle_timeout(now);
        }
        self.flush(now);
    }

    pub(crate) fn next_timeout(&self) -> Instant {
        let association = self.association.as_ref();
        [
            self.dtls.poll_timeout(&PEER),
            association.and_then(|(_, association)| association.poll_timeout()),
        ]
        .into_iter()
        .flatten()
        .fold(self.next_check, Instant::min)
    }

    pub(crate) fn stop(&mut self, now: Instant) {
        self.dtls.stop(now, PEER);
        self.flush(now);
    }

    pub(crate) fn is_associated(&self) -> bool {
        let association = self.association.as_ref();
        association.is_some_and(|(_, association)| !association.is_handshaking())
    }

    pub(crate) fn open_channel(
        &mut self,
        now: Instant,
        stream: u16,
        label: &str,
        kind: ChannelType,
    ) {
        let open = Control::DataChannelOpen(DataChannelOpen {
            channel_type: kind,
            priority: 0,
            reliability_parameter: 0,
            label: label.into(),
            protocol: vec![],
        });
        let (_, association) = self.association.as_mut().unwrap();
        association.open_stream(stream, Ppi::Binary).unwrap();
        self.write(now, stream, &open.marshal().unwrap().freeze(), Ppi::Dcep);
    }

    pub(crate) fn send(&mut self, now: Instant, stream: u16, payload: &[u8]) {
        self.write(now, stream, &Bytes::copy_from_slice(payload), Ppi::Binary);
    }

    pub(crate) fn has_stream(&mut self, stream: u16) -> bool {
        let (_, association) = self.association.as_mut().unwrap();
        association.stream_ids().contains(&stream)
    }

    /// Sends a raw SCTP packet inside DTLS.
    pub(crate) fn inject(&mut self, now: Instant, packet: &[u8]) {
        let _ = self.dtls.write(now, PEER, packet);
        self.flush(now);
    }

    fn write(&mut self, now: Instant, stream: u16, payload: &Bytes, ppi: Ppi) {
        let (_, association) = self.association.as_mut().unwrap();
        let mut stream = association.stream(stream).unwrap();
        stream.write_chunk_with_ppi(now, payload, ppi).unwrap();
        self.flush(now);
    }

    fn take_answer(&mut self, now: Instant, datagram: &[u8]) {
        let mut message = Message::new();
        message.unmarshal_binary(datagram).unwrap();
        assert_eq!(message.typ, BINDING_SUCCESS);
        self.answers += 1;
        if !self.dialled {
            self.dialled = true;
            self.dial(now);
        }
    }

    fn dial(&mut self, now: Instant) {
        let certificates = if self.habits.shows_certificate {
            vec![self.certificate.clone()]
        } else {
            vec![]
        };
        let master_secret = if self.habits.extended_master_secret {
            ExtendedMasterSecretType::Require
        } else {
            ExtendedMasterSecretType::Disable
        };
        let config = ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(&self.provider))
            .with_certificates(certificates)
            .with_srtp_protection_profiles(self.habits.profiles.clone())
            .with_client_auth(ClientAuthType::NoClientCert)
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(master_secret)
            .with_flight_interval(Duration::from_millis(400))
            .with_mtu(self.habits.mtu)
            .build(true, None)
            .unwrap();
        self.dtls
            .connect(now, PEER, Arc::new(config), None)
            .unwrap();
    }

    fn take_dtls(&mut self, now: Instant, datagram: &[u8]) {
        // The library's client stops repeating its last flight when it hears ours again, as the
        // server's half would without its gate.
        if self.last_flight_sent && self.media.is_none() && datagram[0] == 22 && datagram[4] == 0 {
            return;
        }
        let found = match self.dtls.read(now, PEER, None, BytesMut::from(datagram)) {
            Ok(found) => found,
            Err(error) => {
                self.closed |= matches!(error, Error::ErrAlertFatalOrClose);
                return;
            }
        };
        for event in found {
            match event {
                EndpointEvent::HandshakeComplete => self.connected(now),
                EndpointEvent::ApplicationData(data) => self.take_sctp(now, data.freeze()),
                EndpointEvent::PeerClosed => self.closed = true,
                _ => panic!("a new kind of event"),
            }
        }
    }

    fn connected(&mut self, now: Instant) {
        let state = self.dtls.get_connection_state(PEER).unwrap();
        let profile = state.srtp_protection_profile();
        let mut config = SrtpConfig {
            profile: if profile == WireProfile::Srtp_Aead_Aes_128_Gcm {
                ProtectionProfile::AeadAes128Gcm
            } else {
                assert_eq!(profile, WireProfile::Srtp_Aes128_Cm_Hmac_Sha1_80);
                ProtectionProfile::Aes128CmHmacSha1_80
            },
            ..SrtpConfig::default()
        };
        let length = config.keying_material_len();
        let material = state
            .export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], length)
            .unwrap();
        config
            .set_session_keys_from_keying_material(material.as_ref(), true)
            .unwrap();
        let context = |key: &[u8], salt: &[u8]| {
            let (rtp, rtcp) = (srtp_replay_protection(1024), srtcp_replay_protection(1024));
            let crypto = self.provider.crypto();
            Context::new(key, salt, config.profile, Some(rtp), Some(rtcp), crypto).unwrap()
        };
        let keys = &config.keys;
        self.media = Some(Media {
            profile,
            outgoing: context(&keys.local_master_key, &keys.local_master_salt),
            incoming: context(&keys.remote_master_key, &keys.remote_master_salt),
        });
        let dialled = self.sctp.connect(now, ClientConfig::default(), PEER);
        self.association = Some(dialled.unwrap());
    }

    fn take_sctp(&mut self, now: Instant, packet: Bytes) {
        let mut packet = packet.to_vec();
        if let Some(mangle) = self.mangle_in {
            mangle(&mut packet);
        }
        let packet = Bytes::from(packet);
        if let Some((handle, DatagramEvent::AssociationEvent(event))) =
            self.sctp.handle(now, PEER, None, packet)
            && let Some((known, association)) = &mut self.association
            && *known == handle
        {
            association.handle_event(event);
        }
    }

    fn read_streams(&mut self, now: Instant) {
        let Some((_, association)) = &mut self.association else {
            return;
        };
        let mut readable = vec![];
        while let Some(event) = association.poll() {
            if let Event::Stream(StreamEvent::Readable { id }) = event {
                readable.push(id);
            }
        }
        for id in readable {
            while let Some((_, association)) = &mut self.association
                && let Ok(mut stream) = association.stream(id)
                && let Ok(Some(message)) = stream.read_sctp()
            {
                let payload = message.to_payload(1 << 20).unwrap().to_vec();
                let open = (message.ppi == Ppi::Dcep)
                    .then(|| Control::unmarshal(&mut &payload[..]).unwrap());
                if let Some(Control::DataChannelOpen(open)) = open {
                    let ack = Control::DataChannelAck(DataChannelAck {})
                        .marshal()
                        .unwrap();
                    stream
                        .write_chunk_with_ppi(now, &ack.freeze(), Ppi::Dcep)
                        .unwrap();
                    self.labels
                        .push((id, String::from_utf8(open.label).unwrap()));
                } else {
                    self.messages.push((id, message.ppi, payload));
                }
            }
        }
    }

    fn flush(&mut self, now: Instant) {
        self.read_streams(now);
        if let Some((_, association)) = &mut self.association {
            while let Some(transmit) = association.poll_transmit(now) {
                if let Payload::RawEncode(packets) = transmit.message {
                    for packet in packets {
                        let mut packet = packet.to_vec();
                        if let Some(mangle) = self.mangle_out {
                            mangle(&mut packet);
                        }
                        let _ = self.dtls.write(now, PEER, &packet);
                        self.taped_sctp.push(packet);
                    }
                }
            }
        }
        while let Some(transmit) = self.dtls.poll_transmit() {
            // A Certificate (11) opens the client's last flight; without one, its key exchange.
            self.last_flight_sent |= transmit.message[0] == 22
                && transmit
                    .message
                    .get(13)
                    .is_some_and(|kind| [11, 16].contains(kind));
            self.outgoing.push_back(transmit.message.freeze());
        }
    }
}

/// The address that a client of these tests starts from.
pub(crate) fn home() -> Remote {
    Remote::Udp(SocketAddr::from(([192, 0, 2, 1], 40_000)))
}
