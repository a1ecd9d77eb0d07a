//! The two ciphers on whole packets: where nonce, additional data, tag and index stand.

use rtc::crypto::{
    AeadAlgorithm, AeadCipher, HmacAlgorithm, Mac, RTCCrypto, StreamCipher, StreamCipherAlgorithm,
    constant_time_eq,
};

use super::keys::{Profile, SessionKeys};

/// GCM's tag, bytes (RFC 7714 section 14.2).
const GCM_TAG_BYTES: usize = 16;
/// HMAC-SHA1-80's tag, bytes (RFC 3711 section 8.2).
const CM_TAG_BYTES: usize = 10;
/// The word with the encryption flag and the index of an SRTCP packet (RFC 3711 section 3.4).
const INDEX_WORD_BYTES: usize = 4;
/// Part of an RTCP packet that stays readable.
const RTCP_CLEAR_BYTES: usize = 8;
const ENCRYPTED_FLAG: u32 = 1 << 31;

/// A keyed cipher of one direction and protocol.
pub(super) enum Cipher {
    Gcm {
        aead: Box<dyn AeadCipher>,
        salt: [u8; 12],
    },
    Cm {
        stream: Box<dyn StreamCipher>,
        mac: Box<dyn Mac>,
        salt: [u8; 14],
    },
}

impl Cipher {
    pub(super) fn new(
        crypto: &dyn RTCCrypto,
        profile: Profile,
        keys: &SessionKeys,
    ) -> Option<Self> {
        match profile {
            Profile::Gcm => {
                let mut salt = [0; 12];
                salt.copy_from_slice(&keys.salt[..12]);
                let aead = crypto
                    .new_aead(AeadAlgorithm::Aes128Gcm, &keys.cipher)
                    .ok()?;
                Some(Self::Gcm { aead, salt })
            }
            Profile::Cm => Some(Self::Cm {
                stream: crypto
                    .new_stream_cipher(StreamCipherAlgorithm::Aes128Ctr, &keys.cipher)
                    .ok()?,
                mac: crypto
                    .new_hmac(HmacAlgorithm::Sha1, &keys.authentication)
                    .ok()?,
                salt: keys.salt,
            }),
        }
    }

    /// Seals `buffer[..len]`, of which `header` bytes stay readable; `header <= len`.
    pub(super) fn seal_rtp(
        &mut self,
        ssrc: u32,
        index: u64,
        buffer: &mut [u8],
        header: usize,
        len: usize,
    ) -> Option<usize> {
        let sealed = len + self.tag_bytes();
        let (packet, tag_out) = buffer.get_mut(..sealed)?.split_at_mut(len);
        match self {
            Self::Gcm { aead, salt } => {
                let nonce = gcm_nonce(salt, ssrc, index);
                let (clear, secret) = packet.split_at_mut(header);
                aead.seal_in_place(&nonce, clear, secret, tag_out).ok()?;
            }
            Self::Cm { stream, mac, salt } => {
                let counter = cm_counter(salt, ssrc, index);
                stream
                    .apply_keystream(&counter, &mut packet[header..])
                    .ok()?;
                let tag = cm_tag(mac.as_mut(), &[packet, &roll_over(index)])?;
                tag_out.copy_from_slice(&tag);
            }
        }
        Some(sealed)
    }

    /// Opens a packet whose header has `header` bytes; returns its plain length.
    pub(super) fn open_rtp(
        &mut self,
        ssrc: u32,
        index: u64,
        packet: &mut [u8],
        header: usize,
    ) -> Option<usize> {
        let length = packet.len().checked_sub(self.tag_bytes())?;
        if length < header {
            return None;
        }
        let (packet, tag) = packet.split_at_mut(length);
        match self {
            Self::Gcm { aead, salt } => {
                let nonce = gcm_nonce(salt, ssrc, index);
                let (clear, secret) = packet.split_at_mut(header);
                aead.open_in_place(&nonce, clear, secret, tag).ok()?;
            }
            Self::Cm { stream, mac, salt } => {
                let expected = cm_tag(mac.as_mut(), &[packet, &roll_over(index)])?;
                if !constant_time_eq(tag, &expected) {
                    return None;
                }
                let counter = cm_counter(salt, ssrc, index);
                stream
                    .apply_keystream(&counter, &mut packet[header..])
                    .ok()?;
            }
        }
        Some(length)
    }

    /// The index that an SRTCP packet claims; `None` for packets too short or not encrypted, which
    /// the profiles of DTLS-SRTP do not have.
    pub(super) fn rtcp_index(&self, packet: &[u8]) -> Option<u32> {
        if packet.len() < RTCP_CLEAR_BYTES + INDEX_WORD_BYTES + self.tag_bytes() {
            return None;
        }
        let from_end = match self {
            Self::Gcm { .. } => INDEX_WORD_BYTES,
            Self::Cm { .. } => INDEX_WORD_BYTES + CM_TAG_BYTES,
        };
        let at = packet.len() - from_end;
        let word = packet.get(at..at + INDEX_WORD_BYTES)?;
        let word = u32::from_be_bytes([word[0], word[1], word[2], word[3]]);
        (word & ENCRYPTED_FLAG != 0).then_some(word & !ENCRYPTED_FLAG)
    }

    /// Opens an SRTCP packet with the index that [`Self::rtcp_index`] read from it.
    pub(super) fn open_rtcp(&mut self, ssrc: u32, index: u32, packet: &mut [u8]) -> Option<usize> {
        let length = packet
            .len()
            .checked_sub(self.tag_bytes() + INDEX_WORD_BYTES)?;
        if length < RTCP_CLEAR_BYTES {
            return None;
        }
        match self {
            Self::Gcm { aead, salt } => {
                let nonce = gcm_nonce(salt, ssrc, u64::from(index));
                let (body, trailer) = packet.split_at_mut(length);
                let (clear, secret) = body.split_at_mut(RTCP_CLEAR_BYTES);
                let (tag, word) = trailer.split_at(GCM_TAG_BYTES);
                let additional = rtcp_additional(clear, word)?;
                aead.open_in_place(&nonce, &additional, secret, tag).ok()?;
            }
            Self::Cm { stream, mac, salt } => {
                let (signed, tag) = packet.split_at_mut(length + INDEX_WORD_BYTES);
                let expected = cm_tag(mac.as_mut(), &[signed])?;
                if !constant_time_eq(tag, &expected) {
                    return None;
                }
                let counter = cm_counter(salt, ssrc, u64::from(index));
                let secret = &mut signed[RTCP_CLEAR_BYTES..length];
                stream.apply_keystream(&counter, secret).ok()?;
            }
        }
        Some(length)
    }

    /// Appends a sealed SRTCP packet to `out`; `plain` has at least 8 bytes.
    pub(super) fn seal_rtcp(
        &mut self,
        ssrc: u32,
        index: u32,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let start = out.len();
        let word = (index | ENCRYPTED_FLAG).to_be_bytes();
        out.extend_from_slice(plain);
        let sealed = match self {
            Self::Gcm { aead, salt } => {
                let nonce = gcm_nonce(salt, ssrc, u64::from(index));
                let (clear, secret) = out[start..].split_at_mut_checked(RTCP_CLEAR_BYTES)?;
                let additional = rtcp_additional(clear, &word)?;
                let mut tag = [0; GCM_TAG_BYTES];
                let sealed = aead.seal_in_place(&nonce, &additional, secret, &mut tag);
                out.extend_from_slice(&tag);
                out.extend_from_slice(&word);
                sealed.ok()
            }
            Self::Cm { stream, mac, salt } => {
                let counter = cm_counter(salt, ssrc, u64::from(index));
                let secret = out[start..].get_mut(RTCP_CLEAR_BYTES..)?;
                let sealed = stream.apply_keystream(&counter, secret);
                out.extend_from_slice(&word);
                let tag = cm_tag(mac.as_mut(), &[&out[start..]]);
                out.extend_from_slice(&tag.unwrap_or_default());
                sealed.ok().filter(|()| tag.is_some())
            }
        };
        if sealed.is_none() {
            out.truncate(start);
        }
        sealed.map(|()| out.len() - start)
    }

    const fn tag_bytes(&self) -> usize {
        match self {
            Self::Gcm { .. } => GCM_TAG_BYTES,
            Self::Cm { .. } => CM_TAG_BYTES,
        }
    }
}

/// RFC 7714 section 8.1: two zero bytes, SSRC, roll-over counter and sequence number (together the
/// 48-bit index), all xor the salt. SRTCP's (section 9.1) is the same with its 31-bit index.
fn gcm_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> [u8; 12] {
    let mut nonce = *salt;
    for (byte, add) in nonce[2..6].iter_mut().zip(ssrc.to_be_bytes()) {
        *byte ^= add;
    }
    for (byte, add) in nonce[6..].iter_mut().zip(&index.to_be_bytes()[2..]) {
        *byte ^= add;
    }
    nonce
}

/// RFC 3711 section 4.1.1: salt, SSRC and 48-bit index above a 16-bit block counter.
fn cm_counter(salt: &[u8; 14], ssrc: u32, index: u64) -> [u8; 16] {
    let mut counter = [0; 16];
    counter[..14].copy_from_slice(salt);
    for (byte, add) in counter[4..8].iter_mut().zip(ssrc.to_be_bytes()) {
        *byte ^= add;
    }
    for (byte, add) in counter[8..14].iter_mut().zip(&index.to_be_bytes()[2..]) {
        *byte ^= add;
    }
    counter
}

fn roll_over(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

fn cm_tag(mac: &mut dyn Mac, input: &[&[u8]]) -> Option<[u8; CM_TAG_BYTES]> {
    let mut whole = [0; 20];
    mac.sign(input, &mut whole).ok()?;
    let mut tag = [0; CM_TAG_BYTES];
    tag.copy_from_slice(&whole[..CM_TAG_BYTES]);
    Some(tag)
}

/// RFC 7714 section 9.2: the first eight bytes and the index word.
fn rtcp_additional(clear: &[u8], word: &[u8]) -> Option<[u8; 12]> {
    let mut additional = [0; 12];
    additional[..8].copy_from_slice(clear.get(..8)?);
    additional[8..].copy_from_slice(word.get(..4)?);
    Some(additional)
}
