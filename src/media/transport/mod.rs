//! One client connection: ICE, DTLS, SRTP and data channels behind one typed surface.
//!
//! A [`Transport`] does no I/O and reads no clock. Give it datagrams by protocol (see
//! [`super::demux`]) and time, then drain [`Transport::poll_datagram`] and
//! [`Transport::poll_event`], then ask for [`Transport::next_timeout`].
//!
//! Nothing that an outsider sends makes it keep anything: a binding request must prove the
//! password before its address counts, DTLS is heard only from such addresses, and media state is
//! made only by packets that authenticate.

pub mod data;
pub mod dtls;
pub mod ice;
mod identity;
pub mod srtp;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::command::{CloseReason, DataChannel, Fingerprint, IceCredentials, TransportConfig};
use super::remote::Remote;
use crate::domain::id::TransportId;
use data::{ChannelEvent, DataChannels};
use dtls::{Dtls, DtlsEvent};
use ice::Agent;
pub use ice::{Binding, ParsedBinding, STUN_HEADER_BYTES};
pub use identity::{Identity, IdentityError};
use srtp::Srtp;
pub use srtp::{SEAL_OVERHEAD_BYTES_MAX, Sealer};

/// Bytes before a DTLS record's content (RFC 6347 section 4.1).
pub const DTLS_RECORD_HEADER_BYTES: usize = 13;
/// Without anything authentic for this long, a transport counts as silent.
pub const SILENT_AFTER: Duration = Duration::from_secs(5);
/// Without anything authentic for this long, a connected transport ends (RFC 7675 section 5.1).
pub const CONSENT_EXPIRES_AFTER: Duration = Duration::from_secs(30);
/// A transport that is not connected by this age ends.
pub const NEVER_CONNECTED_AFTER: Duration = Duration::from_secs(60);

/// The client's address towards DTLS and SCTP, which identify connections by address: always the
/// same, so that a connection survives when the client moves.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

/// What a transport reports. After `Closed` there is nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportEvent {
    /// DTLS is complete and media may flow.
    Connected {
        /// From the first verified binding request to the end of the DTLS handshake.
        setup: Duration,
    },
    /// A data channel is open.
    ChannelOpened(DataChannel),
    /// One message from a data channel.
    Data {
        /// Which channel.
        channel: DataChannel,
        /// At most [`super::command::DATA_MESSAGE_BYTES_MAX`] bytes.
        payload: Bytes,
    },
    /// Nothing authentic was heard for [`SILENT_AFTER`].
    Silent,
    /// A silent transport is heard again.
    Heard,
    /// [`Transport::send_address`] is another one now.
    AddressMoved(Remote),
    /// An address is no longer verified: the demultiplexer should forget it.
    AddressForgotten(Remote),
    /// The transport is over; its addresses and user fragments should be forgotten.
    Closed(CloseReason),
}

/// One client connection.
pub struct Transport {
    id: TransportId,
    identity: Arc<Identity>,
    agent: Agent,
    dtls: Dtls,
    channels: DataChannels,
    phase: Phase,
    opened: Instant,
    first_verified: Option<Instant>,
    last_heard: Instant,
    silent: bool,
    datagrams: VecDeque<(Remote, Bytes)>,
    events: VecDeque<TransportEvent>,
}

enum Phase {
    Opening,
    Connected(Box<Srtp>),
    Closed,
}

impl Transport {
    /// A transport that waits for the client's first binding request.
    pub fn new(config: TransportConfig, identity: Arc<Identity>, now: Instant) -> Self {
        let mut transport = Self {
            id: config.transport,
            agent: Agent::new(config.local),
            dtls: Dtls::new(Arc::clone(&identity)),
            identity,
            channels: DataChannels::new(config.open_channels),
            phase: Phase::Opening,
            opened: now,
            first_verified: None,
            last_heard: now,
            silent: false,
            datagrams: VecDeque::new(),
            events: VecDeque::new(),
        };
        transport.set_remote(now, config.fingerprints);
        transport
    }

    /// Its id.
    pub fn id(&self) -> TransportId {
        self.id
    }

    /// Names the certificates that the client's DTLS may show, at most 8; DTLS that came earlier is
    /// answered now. Too late once the handshake runs.
    pub fn set_remote(&mut self, now: Instant, fingerprints: Vec<Fingerprint>) {
        let mut found = Vec::new();
        self.dtls.set_remote(now, fingerprints, &mut found);
        self.take_dtls(now, found);
    }

    /// New local credentials; the old ones are answered too until the new ones are first used.
    pub fn restart_ice(&mut self, local: IceCredentials) {
        self.agent.restart(local);
    }

    /// Whether binding requests for this user fragment are ours.
    pub fn accepts_ufrag(&self, ufrag: &str) -> bool {
        self.local_ufrags().any(|local| local == ufrag)
    }

    /// The user fragments that the demultiplexer should send here: one, or two during a restart.
    pub fn local_ufrags(&self) -> impl Iterator<Item = &str> {
        self.agent.local_ufrags()
    }

    /// The addresses that the demultiplexer should send here, at most [`ice::ADDRESSES_MAX`].
    pub fn addresses(&self) -> impl Iterator<Item = Remote> {
        self.agent.addresses()
    }

    /// Verifies a binding request and queues the response.
    pub fn handle_binding(
        &mut self,
        now: Instant,
        from: Remote,
        request: &ParsedBinding<'_>,
    ) -> Binding {
        if self.is_closed() {
            return Binding::Refused;
        }
        let crypto = self.identity.provider().crypto();
        let checked = self.agent.handle(now, from, request, crypto);
        if let Some(response) = checked.response {
            self.datagrams.push_back((from, response));
        }
        if let Some(forgotten) = checked.forgotten {
            self.events
                .push_back(TransportEvent::AddressForgotten(forgotten));
        }
        if checked.moved {
            self.events.push_back(TransportEvent::AddressMoved(from));
        }
        match checked.binding {
            Binding::Verified { .. } => {
                self.first_verified.get_or_insert(now);
                self.heard(now);
            }
            Binding::Refused => {}
        }
        checked.binding
    }

    /// Forgets a way to the client that is gone; the address checked last takes its place.
    pub fn forget(&mut self, gone: Remote) {
        let moved = self.agent.forget(gone);
        self.events
            .push_back(TransportEvent::AddressForgotten(gone));
        if let Some(to) = moved {
            self.events.push_back(TransportEvent::AddressMoved(to));
        }
    }

    /// Takes a datagram of DTLS records; nothing from an address that is not verified.
    pub fn handle_dtls(&mut self, now: Instant, from: Remote, datagram: &[u8]) {
        if self.is_closed() || !self.agent.is_verified(from) {
            return;
        }
        if !self.is_connected() && self.agent.follow_dtls(from) {
            self.events.push_back(TransportEvent::AddressMoved(from));
        }
        let mut found = Vec::new();
        self.dtls.handle(now, datagram, &mut found);
        self.take_dtls(now, found);
    }

    /// Opens an SRTP packet in place and returns its plain length; `None` drops it: not connected,
    /// forged, repeated, malformed or too old. Call [`Self::heard`] after a success.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Option<usize> {
        self.srtp_mut()?.open_rtp(packet)
    }

    /// Opens an SRTCP packet in place and returns its plain length; `None` as for RTP.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Option<usize> {
        self.srtp_mut()?.open_rtcp(packet)
    }

    /// Appends the sealed form of a compound RTCP packet to `out` and returns its length. This is
    /// the transport's only sender of SRTCP: all share one index.
    pub fn seal_rtcp(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        self.srtp_mut()?.seal_rtcp(plain, out)
    }

    /// A sealer of one outbound stream; `None` before the transport is connected. The SSRC must be
    /// new to this transport.
    pub fn sealer(&self, ssrc: u32) -> Option<Sealer> {
        match &self.phase {
            Phase::Connected(srtp) => srtp.sealer(ssrc),
            Phase::Opening | Phase::Closed => None,
        }
    }

    /// Sends one message; dropped when the channel is not open or the message is over 256 KiB.
    /// With 1 MiB waiting, a lossy channel drops it and a reliable one ends the transport.
    pub fn send_data(&mut self, now: Instant, channel: DataChannel, payload: &Bytes) {
        let mut found = Vec::new();
        self.channels.send(now, channel, payload, &mut found);
        self.take_channels(now, found);
        self.flush(now);
    }

    /// Where media goes: nominated, or else first verified; `None` when there is no way left.
    pub fn send_address(&self) -> Option<Remote> {
        self.agent.send_address()
    }

    /// Whether media may flow.
    pub fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected(_))
    }

    /// Whether the transport is over.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// When something authentic was last heard; the opening, if nothing was.
    pub fn last_heard(&self) -> Instant {
        self.last_heard
    }

    /// Notes that something authentic came.
    pub fn heard(&mut self, now: Instant) {
        self.last_heard = self.last_heard.max(now);
        if std::mem::take(&mut self.silent) {
            self.events.push_back(TransportEvent::Heard);
        }
    }

    /// Streams that SRTP and SRTCP remember, for tests and figures.
    pub fn remembered_streams(&self) -> usize {
        match &self.phase {
            Phase::Connected(srtp) => srtp.remembered(),
            Phase::Opening | Phase::Closed => 0,
        }
    }

    /// Says good-bye (DTLS `close_notify`) and ends; no event follows.
    pub fn close(&mut self, now: Instant) {
        self.dtls.close(now);
        self.flush(now);
        self.phase = Phase::Closed;
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_closed() {
            return;
        }
        for address in self.agent.expire(now) {
            self.events
                .push_back(TransportEvent::AddressForgotten(address));
        }
        let mut found = Vec::new();
        self.dtls.handle_timeout(now, &mut found);
        self.take_dtls(now, found);
        let mut found = Vec::new();
        self.channels.handle_timeout(now, &mut found);
        self.take_channels(now, found);
        self.flush(now);
        self.check_liveness(now);
    }

    /// When [`Self::handle_timeout`] has something to do; `None` once closed. It moves whenever
    /// anything is heard, so a caller may well keep an older one.
    pub fn next_timeout(&self) -> Option<Instant> {
        let liveness = match &self.phase {
            Phase::Opening => self.opened + NEVER_CONNECTED_AFTER,
            Phase::Connected(_) if self.silent => self.last_heard + CONSENT_EXPIRES_AFTER,
            Phase::Connected(_) => self.last_heard + SILENT_AFTER,
            Phase::Closed => return None,
        };
        [
            self.dtls.next_timeout(),
            self.channels.next_timeout(),
            self.agent.next_expiry(),
        ]
        .into_iter()
        .flatten()
        .chain([liveness])
        .min()
    }

    /// The next control datagram to send: a STUN response or DTLS records.
    pub fn poll_datagram(&mut self) -> Option<(Remote, Bytes)> {
        self.datagrams.pop_front()
    }

    /// The next thing to know.
    pub fn poll_event(&mut self) -> Option<TransportEvent> {
        self.events.pop_front()
    }

    fn srtp_mut(&mut self) -> Option<&mut Srtp> {
        match &mut self.phase {
            Phase::Connected(srtp) => Some(srtp),
            Phase::Opening | Phase::Closed => None,
        }
    }

    fn take_dtls(&mut self, now: Instant, found: Vec<DtlsEvent>) {
        for event in found {
            match event {
                DtlsEvent::Established(keys) => self.connect(now, &keys),
                DtlsEvent::Data(packet) => {
                    self.heard(now);
                    let mut found = Vec::new();
                    self.channels.handle(now, packet, &mut found);
                    self.take_channels(now, found);
                }
                DtlsEvent::ClosedByPeer => self.end(now, CloseReason::ClosedByPeer),
                DtlsEvent::Failed => self.end(now, CloseReason::HandshakeFailed),
            }
        }
        self.flush(now);
    }

    fn connect(&mut self, now: Instant, keys: &srtp::MasterKeys) {
        let Some(srtp) = Srtp::new(Arc::clone(self.identity.provider()), keys) else {
            self.end(now, CloseReason::HandshakeFailed);
            return;
        };
        self.phase = Phase::Connected(Box::new(srtp));
        self.heard(now);
        let begun = self.first_verified.unwrap_or(self.opened);
        self.events.push_back(TransportEvent::Connected {
            setup: now.saturating_duration_since(begun),
        });
    }

    fn take_channels(&mut self, now: Instant, found: Vec<ChannelEvent>) {
        for event in found {
            match event {
                ChannelEvent::Opened(channel) => {
                    self.events
                        .push_back(TransportEvent::ChannelOpened(channel));
                }
                ChannelEvent::Message(channel, payload) => {
                    self.events
                        .push_back(TransportEvent::Data { channel, payload });
                }
                ChannelEvent::Overflow => self.end(now, CloseReason::DataOverflow),
            }
        }
    }

    /// Moves SCTP packets into DTLS records, and records out.
    fn flush(&mut self, now: Instant) {
        while let Some(packet) = self.channels.poll_packet() {
            self.dtls.write(now, &packet);
        }
        while let Some(records) = self.dtls.poll_datagram() {
            // There is none only while the one connection that a client had is gone.
            if let Some(to) = self.agent.send_address() {
                self.datagrams.push_back((to, records));
            }
        }
    }

    fn check_liveness(&mut self, now: Instant) {
        let unheard = now.saturating_duration_since(self.last_heard);
        let age = now.saturating_duration_since(self.opened);
        match &self.phase {
            Phase::Opening if age >= NEVER_CONNECTED_AFTER => {
                self.end(now, CloseReason::NeverConnected);
            }
            Phase::Connected(_) if unheard >= CONSENT_EXPIRES_AFTER => {
                self.end(now, CloseReason::ConsentExpired);
            }
            Phase::Connected(_) if unheard >= SILENT_AFTER && !self.silent => {
                self.silent = true;
                self.events.push_back(TransportEvent::Silent);
            }
            Phase::Opening | Phase::Connected(_) | Phase::Closed => {}
        }
    }

    fn end(&mut self, now: Instant, reason: CloseReason) {
        if !self.is_closed() {
            self.close(now);
            self.events.push_back(TransportEvent::Closed(reason));
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! What tests of this module and of its neighbours share.

    use std::time::Instant;

    /// A moment for virtual time to start from; tests only add to it.
    #[expect(
        clippy::disallowed_methods,
        reason = "an Instant has no other beginning"
    )]
    pub(crate) fn origin() -> Instant {
        Instant::now()
    }
}
