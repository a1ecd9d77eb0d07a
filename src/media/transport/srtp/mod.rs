//! SRTP and SRTCP of one connection (RFC 3711, RFC 7714), sealed and opened in place.
//!
//! Nothing is remembered about a packet before it has proved itself: a stream's roll-over counter
//! and replay window are made by its first authenticated packet, and their number is bounded.

mod cipher;
mod keys;
mod replay;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use rtc::crypto::RTCCryptoProvider;

use cipher::Cipher;
pub use keys::{MasterKeys, Profile};
use keys::{Purpose, SessionKeys};
use replay::{ReplayTable, Slot};

/// Most that [`Sealer::seal`] adds to a packet, bytes (RFC 7714 section 12).
pub const SEAL_OVERHEAD_BYTES_MAX: usize = 16;
/// Highest packet index of a key: 32 bits of roll-over counter and 16 of sequence number.
const RTP_INDEX_MAX: u64 = (1 << 48) - 1;
/// First packets longer than this get one attempt only; nothing on a usual network is.
const FIRST_PACKET_BYTES_MAX: usize = 2_048;
/// A stream's first packet below this may stand behind a roll-over.
const EARLY_INDEX_MAX: u64 = 1 << 15;
/// Highest SRTCP index of a key (RFC 3711 section 9.2).
const RTCP_INDEX_MAX: u32 = (1 << 31) - 1;

/// Both directions of one connection's media encryption.
pub struct Srtp {
    provider: Arc<dyn RTCCryptoProvider>,
    profile: Profile,
    local_rtp: SessionKeys,
    rtp_in: Cipher,
    rtp_seen: ReplayTable,
    rtcp_in: Cipher,
    rtcp_seen: ReplayTable,
    rtcp_out: Cipher,
    rtcp_index: u32,
}

impl Srtp {
    /// Derives all session keys; `None` when the provider lacks an algorithm.
    pub fn new(provider: Arc<dyn RTCCryptoProvider>, master: &MasterKeys) -> Option<Self> {
        let crypto = provider.crypto();
        let profile = master.profile;
        let derive = |keys, purpose| SessionKeys::derive(crypto, keys, purpose);
        let local_rtp = derive(&master.local, Purpose::Rtp)?;
        let rtp_in = Cipher::new(crypto, profile, &derive(&master.remote, Purpose::Rtp)?)?;
        let rtcp_in = Cipher::new(crypto, profile, &derive(&master.remote, Purpose::Rtcp)?)?;
        let rtcp_out = Cipher::new(crypto, profile, &derive(&master.local, Purpose::Rtcp)?)?;
        Some(Self {
            profile,
            local_rtp,
            rtp_in,
            rtp_seen: ReplayTable::new(),
            rtcp_in,
            rtcp_seen: ReplayTable::new(),
            rtcp_out,
            rtcp_index: 0,
            provider,
        })
    }

    /// What was negotiated.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Opens an RTP packet in place and returns its plain length; `None` for forged, repeated,
    /// malformed or too old packets (more than 1,023 behind), whose bytes are then undefined.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Option<usize> {
        let header = rtp_header_length(packet)?;
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let ssrc = ssrc_at(packet, 8)?;
        let slot = self.rtp_seen.find(ssrc);
        let index = self.rtp_seen.extend(slot, sequence)?;
        if !self.rtp_seen.is_fresh(slot, index) {
            return None;
        }
        let (length, index) = match slot {
            Slot::New => self.open_first(ssrc, index, packet, header)?,
            Slot::Live(_) | Slot::Retired(_) => {
                (self.rtp_in.open_rtp(ssrc, index, packet, header)?, index)
            }
        };
        self.rtp_seen.accept(slot, ssrc, index);
        Some(length)
    }

    /// Opens the first packet that comes of a stream. Its roll-over counter is zero, or one where
    /// the stream began just below the roll-over and what came before it was lost.
    fn open_first(
        &mut self,
        ssrc: u32,
        index: u64,
        packet: &mut [u8],
        header: usize,
    ) -> Option<(usize, u64)> {
        // A failure leaves the bytes undefined, so the second attempt needs its own.
        let mut copy = [0; FIRST_PACKET_BYTES_MAX];
        let mut copy = copy.get_mut(..packet.len());
        if let Some(copy) = &mut copy {
            copy.copy_from_slice(packet);
        }
        if let Some(length) = self.rtp_in.open_rtp(ssrc, index, packet, header) {
            return Some((length, index));
        }
        let copy = copy.filter(|_| index < EARLY_INDEX_MAX)?;
        let index = index + (1 << 16);
        let length = self.rtp_in.open_rtp(ssrc, index, copy, header)?;
        packet.copy_from_slice(copy);
        Some((length, index))
    }

    /// Opens an RTCP packet in place and returns its plain length; `None` as in [`Self::open_rtp`].
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Option<usize> {
        let ssrc = ssrc_at(packet, 4)?;
        let index = self.rtcp_in.rtcp_index(packet)?;
        let slot = self.rtcp_seen.find(ssrc);
        if !self.rtcp_seen.is_fresh(slot, u64::from(index)) {
            return None;
        }
        let length = self.rtcp_in.open_rtcp(ssrc, index, packet)?;
        self.rtcp_seen.accept(slot, ssrc, u64::from(index));
        Some(length)
    }

    /// Appends the sealed form of a compound RTCP packet to `out` and returns its length.
    ///
    /// One index counts for all senders of the connection, so that no two packets of a key ever
    /// share a nonce. `None` when the packet is shorter than 8 bytes or the key is used up.
    pub fn seal_rtcp(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        let ssrc = ssrc_at(plain, 4)?;
        if self.rtcp_index >= RTCP_INDEX_MAX {
            return None;
        }
        self.rtcp_index += 1;
        self.rtcp_out.seal_rtcp(ssrc, self.rtcp_index, plain, out)
    }

    /// A sealer of one outbound stream. An SSRC must not come back with other packets on the same
    /// connection: sequence numbers and SSRC make the nonce.
    pub fn sealer(&self, ssrc: u32) -> Option<Sealer> {
        let cipher = Cipher::new(self.provider.crypto(), self.profile, &self.local_rtp)?;
        Some(Sealer { cipher, ssrc })
    }

    /// Streams that the connection remembers, RTP and RTCP: what its limit is about.
    pub fn remembered(&self) -> usize {
        self.rtp_seen.len() + self.rtcp_seen.len()
    }
}

/// Seals the packets of one outbound stream.
///
/// The roll-over counter is the upper part of the 48-bit sequence number, so packets may be sealed
/// in any order; sealing the same plain packet again gives the same bytes. Start a stream below
/// 2^15, where receivers assume a counter of zero.
pub struct Sealer {
    cipher: Cipher,
    ssrc: u32,
}

impl Sealer {
    /// Seals `buffer[..len]` in place and returns the sealed length, at most
    /// [`SEAL_OVERHEAD_BYTES_MAX`] more.
    ///
    /// `header_len` counts the whole header with contributing sources and extensions, and the
    /// header must carry this stream's SSRC and the low 16 bits of `extended_sequence`. `None` when
    /// that is not so, the buffer has no room, or the number passes 48 bits.
    pub fn seal(
        &mut self,
        extended_sequence: u64,
        buffer: &mut [u8],
        header_len: usize,
        len: usize,
    ) -> Option<usize> {
        let sequence = (extended_sequence as u16).to_be_bytes();
        let fits = extended_sequence <= RTP_INDEX_MAX && header_len >= 12 && header_len <= len;
        if !fits || buffer.get(2..4)? != sequence || ssrc_at(buffer, 8)? != self.ssrc {
            return None;
        }
        self.cipher
            .seal_rtp(self.ssrc, extended_sequence, buffer, header_len, len)
    }

    /// The stream.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }
}

/// Length of an RTP header with contributing sources and extension (RFC 3550 section 5.1); `None`
/// when the packet is shorter or of another version.
pub fn rtp_header_length(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    if packet.len() < 12 || first >> 6 != 2 {
        return None;
    }
    let mut length = 12 + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let words = packet.get(length + 2..length + 4)?;
        length += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    (length <= packet.len()).then_some(length)
}

fn ssrc_at(packet: &[u8], offset: usize) -> Option<u32> {
    let bytes = packet.get(offset..offset + 4)?;
    Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}
