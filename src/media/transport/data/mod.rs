//! Data channels of one client: SCTP (RFC 8831) with the opening handshake of RFC 8832.
//!
//! The client starts the association, as every WebRTC client does. Packets come from an
//! authenticated client but are still held to bounds: see [`guard`].

pub mod guard;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rtc::datachannel::data_channel::DataChannel as Wire;
use rtc::datachannel::message::Message;
use rtc::datachannel::message::message_channel_ack::DataChannelAck;
use rtc::datachannel::message::message_channel_open::{ChannelType, DataChannelOpen};
use rtc::sctp::{
    Association, AssociationHandle, Chunks, DatagramEvent, Endpoint, EndpointConfig, Event,
    Payload, PayloadProtocolIdentifier as Ppi, ServerConfig, StreamEvent, TimerConfig,
    TransportConfig,
};
use rtc::shared::TransportProtocol;
use rtc::shared::marshal::{Marshal, Unmarshal};

use super::PEER;
use crate::media::command::{DATA_MESSAGE_BYTES_MAX, DataChannel};
use guard::{Init, Inspected, STREAMS_MAX};

/// Bytes that may wait on one channel for the client to acknowledge.
const BUFFERED_BYTES_MAX: usize = 1024 * 1024;
/// Channels of one client at once: ours, and a few generations of its own.
const CHANNELS_MAX: usize = 16;
/// Bytes taken while our receive window is closed; an honest client sends probes only.
const OVERRUN_BYTES_MAX: usize = 1024 * 1024;
/// Stream resets of one association.
const RESETS_MAX: usize = 1024;
/// First stream of ours: the DTLS server has the odd ones (RFC 8832 section 6).
const FIRST_OWN_STREAM: u16 = 1;

/// Message types of RFC 8832 section 5: DATA_CHANNEL_ACK and DATA_CHANNEL_OPEN.
const CONTROL_TYPES: [u8; 2] = [2, 3];

/// What happened on the channels.
#[derive(Debug, PartialEq, Eq)]
pub enum ChannelEvent {
    /// A channel is open.
    Opened(DataChannel),
    /// One message of at most [`DATA_MESSAGE_BYTES_MAX`] bytes.
    Message(DataChannel, Bytes),
    /// A reliable channel has more than [`BUFFERED_BYTES_MAX`] waiting.
    Overflow,
}

/// All channels of a client; idle until its association begins.
pub struct DataChannels {
    ours: Vec<DataChannel>,
    link: Option<Box<Link>>,
    outgoing: VecDeque<Bytes>,
}

impl DataChannels {
    /// Channels in `ours` are opened by us once the association stands.
    pub fn new(mut ours: Vec<DataChannel>) -> Self {
        ours.truncate(CHANNELS_MAX);
        Self {
            ours,
            link: None,
            outgoing: VecDeque::new(),
        }
    }

    /// Takes one SCTP packet.
    pub fn handle(&mut self, now: Instant, packet: Bytes, events: &mut Vec<ChannelEvent>) {
        let reached = self.link.as_ref().map(|link| link.reached);
        let Some(inspected) = guard::inspect(&packet, reached) else {
            return;
        };
        match (inspected.init, &mut self.link) {
            (Some(init), Some(link)) if link.established || link.init == init => {
                link.answer_again(&mut self.outgoing);
                return;
            }
            (Some(init), link) => *link = Link::accept(now, packet, init),
            (None, _) if inspected.aborts => self.link = None,
            (None, Some(link)) => link.handle(now, packet, &inspected),
            (None, None) => return,
        }
        self.run(now, events);
    }

    /// Queues one message; dropped when the channel is not open, the message is over
    /// [`DATA_MESSAGE_BYTES_MAX`], or too much waits on a channel that may lose.
    pub fn send(
        &mut self,
        now: Instant,
        channel: DataChannel,
        payload: &Bytes,
        events: &mut Vec<ChannelEvent>,
    ) {
        if payload.len() > DATA_MESSAGE_BYTES_MAX {
            return;
        }
        if let Some(link) = &mut self.link
            && link.send(now, channel, payload).is_none()
        {
            events.push(ChannelEvent::Overflow);
        }
        self.run(now, events);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, events: &mut Vec<ChannelEvent>) {
        if let Some(link) = &mut self.link
            && link
                .association
                .poll_timeout()
                .is_some_and(|due| due <= now)
        {
            link.association.handle_timeout(now);
            self.run(now, events);
        }
    }

    /// When [`Self::handle_timeout`] has something to do; `None` without an association.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.link.as_ref()?.association.poll_timeout()
    }

    /// The next SCTP packet to send over DTLS.
    pub fn poll_packet(&mut self) -> Option<Bytes> {
        self.outgoing.pop_front()
    }

    #[cfg(test)]
    pub(super) fn is_associated(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.established)
    }

    fn run(&mut self, now: Instant, events: &mut Vec<ChannelEvent>) {
        let Some(link) = &mut self.link else { return };
        for stream in link.poll(now, &self.ours) {
            while let Some(message) = link.read(stream) {
                link.take(now, stream, &message, events);
            }
        }
        if !link.transmit(now, &mut self.outgoing) {
            self.link = None;
        }
    }
}

/// One SCTP association with its channels.
struct Link {
    endpoint: Endpoint,
    handle: AssociationHandle,
    association: Association,
    established: bool,
    /// The client's INIT and our answer, for when it asks again.
    init: Init,
    init_answer: Vec<Bytes>,
    channels: Vec<Channel>,
    /// The client's data is here up to this sequence number.
    reached: u32,
    window_closed: bool,
    overrun_bytes: usize,
    resets: usize,
}

struct Channel {
    stream: u16,
    kind: DataChannel,
    open: bool,
}

impl Link {
    /// The library would start another association for each repetition of an INIT and keep them
    /// all, so it gets an endpoint per association and never sees a repetition.
    fn accept(now: Instant, packet: Bytes, init: Init) -> Option<Box<Self>> {
        let transport = TransportConfig::default()
            .with_max_message_size(DATA_MESSAGE_BYTES_MAX as u32)
            .with_max_num_inbound_streams(STREAMS_MAX)
            .with_max_num_outbound_streams(STREAMS_MAX)
            // Consent tells when the client is gone, not the number of repetitions.
            .with_timer_config(TimerConfig {
                max_t3_rtx_retrans: usize::MAX,
                ..TimerConfig::default()
            });
        let mut endpoint = Endpoint::new(
            PEER,
            TransportProtocol::UDP,
            Arc::new(EndpointConfig::default()),
            Some(Arc::new(ServerConfig::new(transport))),
        );
        let (handle, event) = endpoint.handle(now, PEER, None, packet)?;
        let DatagramEvent::NewAssociation(association) = event else {
            return None;
        };
        Some(Box::new(Self {
            endpoint,
            handle,
            association,
            established: false,
            init,
            init_answer: Vec::new(),
            channels: Vec::new(),
            reached: init.first.wrapping_sub(1),
            window_closed: false,
            overrun_bytes: 0,
            resets: 0,
        }))
    }

    fn answer_again(&self, outgoing: &mut VecDeque<Bytes>) {
        if !self.established {
            outgoing.extend(self.init_answer.iter().cloned());
        }
    }

    fn handle(&mut self, now: Instant, packet: Bytes, inspected: &Inspected) {
        if self.window_closed {
            self.overrun_bytes += inspected.data_bytes;
        }
        self.resets += inspected.resets;
        if let Some((handle, DatagramEvent::AssociationEvent(event))) =
            self.endpoint.handle(now, PEER, None, packet)
            && handle == self.handle
        {
            self.association.handle_event(event);
        }
    }

    /// Streams with something to read.
    fn poll(&mut self, now: Instant, ours: &[DataChannel]) -> Vec<u16> {
        let mut readable = Vec::new();
        while let Some(event) = self.association.poll() {
            if let Event::Stream(StreamEvent::Readable { id }) = event {
                if !readable.contains(&id) {
                    readable.push(id);
                }
            } else if let Event::AssociationLost { id, .. } = event {
                self.channels.retain(|channel| channel.stream != id);
            } else if matches!(event, Event::Connected) {
                self.established = true;
                self.init_answer = Vec::new();
                for (number, kind) in (0..).zip(ours) {
                    self.open(now, FIRST_OWN_STREAM + 2 * number, *kind);
                }
            }
        }
        while self.association.accept_stream().is_some() {}
        readable
    }

    fn open(&mut self, now: Instant, stream: u16, kind: DataChannel) {
        let channel_type = match kind {
            DataChannel::Reliable => ChannelType::Reliable,
            DataChannel::Lossy | DataChannel::DataTrack => {
                ChannelType::PartialReliableRexmitUnordered
            }
        };
        let open = Message::DataChannelOpen(DataChannelOpen {
            channel_type,
            priority: 0,
            reliability_parameter: 0,
            label: kind.label().into(),
            protocol: Vec::new(),
        });
        let opened = self.association.open_stream(stream, Ppi::Binary).is_ok();
        if opened && self.set_reliability(stream, channel_type, 0) {
            self.write_control(now, stream, &open);
            self.channels.push(Channel {
                stream,
                kind,
                open: false,
            });
        }
    }

    fn read(&mut self, stream: u16) -> Option<Chunks> {
        self.association.stream(stream).ok()?.read_sctp().ok()?
    }

    fn take(
        &mut self,
        now: Instant,
        stream: u16,
        message: &Chunks,
        events: &mut Vec<ChannelEvent>,
    ) {
        let Ok(payload) = message.to_payload(DATA_MESSAGE_BYTES_MAX) else {
            return;
        };
        if message.ppi == Ppi::Dcep {
            self.take_control(now, stream, &payload, events);
            return;
        }
        let empty = matches!(message.ppi, Ppi::BinaryEmpty | Ppi::StringEmpty);
        let payload = if empty {
            Bytes::new()
        } else {
            payload.freeze()
        };
        if let Some(channel) = self.channels.iter().find(|c| c.stream == stream) {
            events.push(ChannelEvent::Message(channel.kind, payload));
        }
    }

    fn take_control(
        &mut self,
        now: Instant,
        stream: u16,
        payload: &[u8],
        events: &mut Vec<ChannelEvent>,
    ) {
        // The library has types of its own beside these and panics when one is cut short.
        if !payload
            .first()
            .is_some_and(|kind| CONTROL_TYPES.contains(kind))
        {
            return;
        }
        let known = self.channels.iter_mut().find(|c| c.stream == stream);
        match (Message::unmarshal(&mut &payload[..]), known) {
            (Ok(Message::DataChannelAck(_)), Some(channel)) if !channel.open => {
                channel.open = true;
                events.push(ChannelEvent::Opened(channel.kind));
            }
            (Ok(Message::DataChannelOpen(open)), None) => {
                let kind = std::str::from_utf8(&open.label)
                    .ok()
                    .and_then(DataChannel::from_label)
                    .filter(|_| self.channels.len() < CHANNELS_MAX);
                match kind {
                    Some(kind) => self.accept_channel(now, stream, kind, &open, events),
                    None => self.refuse(now, stream),
                }
            }
            (Ok(_) | Err(_), _) => {}
        }
    }

    fn accept_channel(
        &mut self,
        now: Instant,
        stream: u16,
        kind: DataChannel,
        open: &DataChannelOpen,
        events: &mut Vec<ChannelEvent>,
    ) {
        if !self.set_reliability(stream, open.channel_type, open.reliability_parameter) {
            return;
        }
        self.write_control(now, stream, &Message::DataChannelAck(DataChannelAck {}));
        self.channels.push(Channel {
            stream,
            kind,
            open: true,
        });
        events.push(ChannelEvent::Opened(kind));
    }

    fn refuse(&mut self, now: Instant, stream: u16) {
        if let Ok(mut stream) = self.association.stream(stream) {
            // A stream that cannot be closed is gone already.
            let _ = stream.close(now);
        }
    }

    fn set_reliability(&mut self, stream: u16, kind: ChannelType, parameter: u32) -> bool {
        let (unordered, reliability) = Wire::get_reliability_params(kind);
        self.association.stream(stream).is_ok_and(|mut stream| {
            stream
                .set_reliability_params(unordered, reliability, parameter)
                .is_ok()
        })
    }

    fn write_control(&mut self, now: Instant, stream: u16, message: &Message) {
        if let (Ok(bytes), Ok(mut stream)) = (message.marshal(), self.association.stream(stream)) {
            // The association ends with the stream if it does not take this.
            let _ = stream.write_chunk_with_ppi(now, &bytes.freeze(), Ppi::Dcep);
        }
    }

    /// Sends on the youngest open channel of a kind; `None` when a reliable one overflows.
    fn send(&mut self, now: Instant, kind: DataChannel, payload: &Bytes) -> Option<()> {
        let youngest = self
            .channels
            .iter()
            .rev()
            .find(|c| c.kind == kind && c.open);
        let Some(Ok(mut stream)) = youngest.map(|c| self.association.stream(c.stream)) else {
            return Some(());
        };
        if stream.buffered_amount().unwrap_or(0) + payload.len() > BUFFERED_BYTES_MAX {
            return match kind {
                DataChannel::Reliable => None,
                DataChannel::Lossy | DataChannel::DataTrack => Some(()),
            };
        }
        // A write fails only on a stream that is closing; its message is lost with it.
        let _ = if payload.is_empty() {
            // SCTP has no empty messages (RFC 8831 section 6.6).
            stream.write_chunk_with_ppi(now, &Bytes::from_static(&[0]), Ppi::BinaryEmpty)
        } else {
            stream.write_chunk_with_ppi(now, payload, Ppi::Binary)
        };
        Some(())
    }

    /// Collects what is to be sent; false when the association is over.
    fn transmit(&mut self, now: Instant, outgoing: &mut VecDeque<Bytes>) -> bool {
        let first = outgoing.len();
        while let Some(transmit) = self.association.poll_transmit(now) {
            if let Payload::RawEncode(packets) = transmit.message {
                outgoing.extend(packets);
            }
        }
        for packet in outgoing.iter().skip(first) {
            if let Some(said) = guard::acknowledged(packet) {
                self.reached = said.reached;
                self.window_closed = said.window == 0;
                self.overrun_bytes *= usize::from(self.window_closed);
            }
        }
        if !self.established && self.init_answer.is_empty() {
            self.init_answer = outgoing.iter().skip(first).cloned().collect();
        }
        let mut drained = false;
        while let Some(event) = self.association.poll_endpoint_event() {
            self.endpoint.handle_event(self.handle, event);
            drained = true;
        }
        let within = self.overrun_bytes <= OVERRUN_BYTES_MAX && self.resets <= RESETS_MAX;
        // An association that waits for the client's cookie counts as closed, too.
        within && !drained && !(self.established && self.association.is_closed())
    }
}
