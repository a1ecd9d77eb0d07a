//! What a room remembers of one transport of a participant.

use crate::domain::id::TransportId;
use crate::media::command::{DataChannel, TransportReport};

/// One transport of a participant.
#[derive(Debug)]
pub struct Link {
    /// Its id.
    pub transport: TransportId,
    /// DTLS is complete.
    pub connected: bool,
    /// The media thread says that it is gone.
    pub closed: bool,
    /// Nothing was heard for 5 s.
    pub silent: bool,
    /// The client negotiated data channels.
    pub has_data: bool,
    /// `_reliable` is open.
    pub reliable_open: bool,
    /// `_lossy` is open.
    pub lossy_open: bool,
    /// The latest report.
    pub report: TransportReport,
    /// The report that the last presence window ended with.
    pub reported: TransportReport,
    /// Packets sent in that window.
    pub sent_before: u64,
    /// Packets acknowledged in that window.
    pub delivered_before: u64,
    /// Least number of sent packets that must have been lost until then (see `presence`).
    pub lost_out: u64,
}

impl Link {
    /// A link before its transport is connected.
    pub fn new(transport: TransportId) -> Self {
        Self {
            transport,
            connected: false,
            closed: false,
            silent: false,
            has_data: false,
            reliable_open: false,
            lossy_open: false,
            report: TransportReport::default(),
            reported: TransportReport::default(),
            sent_before: 0,
            delivered_before: 0,
            lost_out: 0,
        }
    }

    /// Connected and not gone.
    pub fn is_live(&self) -> bool {
        self.connected && !self.closed
    }

    /// Data can be sent, or never will be.
    pub fn data_is_settled(&self) -> bool {
        !self.has_data || (self.reliable_open && self.lossy_open)
    }

    /// Notes an open channel.
    pub fn opened(&mut self, channel: DataChannel) {
        match channel {
            DataChannel::Reliable => self.reliable_open = true,
            DataChannel::Lossy => self.lossy_open = true,
            DataChannel::DataTrack => {}
        }
    }
}
