//! Master keys from the DTLS handshake and the session keys derived from them.

use rtc::crypto::{BlockCipherAlgorithm, RTCCrypto};

/// Protection profile of a connection (RFC 5764 section 4.1.2, RFC 7714 section 14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// AEAD_AES_128_GCM, preferred: it is 2 µs a packet cheaper.
    Gcm,
    /// AES_CM_128_HMAC_SHA1_80, which everybody has.
    Cm,
}

/// AES-128 in both profiles.
const KEY_BYTES: usize = 16;
/// The longer of the two salts; GCM uses 12 of them.
const SALT_BYTES_MAX: usize = 14;
/// HMAC-SHA1 key (RFC 3711 section 8.2).
const AUTHENTICATION_BYTES: usize = 20;

impl Profile {
    const fn salt_bytes(self) -> usize {
        match self {
            Self::Gcm => 12,
            Self::Cm => SALT_BYTES_MAX,
        }
    }

    /// How much to export from DTLS, bytes.
    pub const fn keying_material_bytes(self) -> usize {
        2 * (KEY_BYTES + self.salt_bytes())
    }
}

/// Key and salt of one direction.
#[derive(Clone)]
pub(super) struct DirectionKeys {
    key: [u8; KEY_BYTES],
    salt: [u8; SALT_BYTES_MAX],
}

/// Keys of both directions.
#[derive(Clone)]
pub struct MasterKeys {
    pub(super) profile: Profile,
    pub(super) local: DirectionKeys,
    pub(super) remote: DirectionKeys,
}

impl MasterKeys {
    /// Splits exported keying material (RFC 5764 section 4.2: client key, server key, client salt,
    /// server salt). `None` unless it has exactly [`Profile::keying_material_bytes`].
    pub fn split(profile: Profile, material: &[u8], we_are_client: bool) -> Option<Self> {
        if material.len() != profile.keying_material_bytes() {
            return None;
        }
        let (keys, salts) = material.split_at(2 * KEY_BYTES);
        let direction = |server: usize| {
            let salt_bytes = profile.salt_bytes();
            let mut split = DirectionKeys {
                key: [0; KEY_BYTES],
                salt: [0; SALT_BYTES_MAX],
            };
            split
                .key
                .copy_from_slice(&keys[server * KEY_BYTES..][..KEY_BYTES]);
            split.salt[..salt_bytes].copy_from_slice(&salts[server * salt_bytes..][..salt_bytes]);
            split
        };
        let (client, server) = (direction(0), direction(1));
        let (local, remote) = if we_are_client {
            (client, server)
        } else {
            (server, client)
        };
        Some(Self {
            profile,
            local,
            remote,
        })
    }
}

/// What session keys are for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Rtp,
    Rtcp,
}

/// Keys of one direction and protocol.
#[derive(Clone)]
pub(super) struct SessionKeys {
    pub(super) cipher: [u8; KEY_BYTES],
    pub(super) authentication: [u8; AUTHENTICATION_BYTES],
    pub(super) salt: [u8; SALT_BYTES_MAX],
}

impl SessionKeys {
    /// The key derivation of RFC 3711 section 4.3 with a derivation rate of zero.
    pub(super) fn derive(
        crypto: &dyn RTCCrypto,
        master: &DirectionKeys,
        purpose: Purpose,
    ) -> Option<Self> {
        let first_label = match purpose {
            Purpose::Rtp => 0,
            Purpose::Rtcp => 3,
        };
        let mut keys = Self {
            cipher: [0; KEY_BYTES],
            authentication: [0; AUTHENTICATION_BYTES],
            salt: [0; SALT_BYTES_MAX],
        };
        expand(crypto, master, first_label, &mut keys.cipher)?;
        expand(crypto, master, first_label + 1, &mut keys.authentication)?;
        expand(crypto, master, first_label + 2, &mut keys.salt)?;
        Some(keys)
    }
}

fn expand(crypto: &dyn RTCCrypto, master: &DirectionKeys, label: u8, out: &mut [u8]) -> Option<()> {
    let mut counter = [0; 16];
    counter[..SALT_BYTES_MAX].copy_from_slice(&master.salt);
    counter[7] ^= label;
    for (number, part) in (0_u8..).zip(out.chunks_mut(16)) {
        let mut block = counter;
        block[15] = number;
        crypto
            .block_encrypt(BlockCipherAlgorithm::Aes128, &master.key, &mut block)
            .ok()?;
        part.copy_from_slice(&block[..part.len()]);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_keys_match_the_vectors_of_rfc_3711_appendix_b_3() {
        let provider = rtc::crypto::default_provider().unwrap();
        let master = DirectionKeys {
            key: 0xE1F9_7A0D_3E01_8BE0_D64F_A32C_06DE_4139_u128.to_be_bytes(),
            salt: [
                0x0E, 0xC6, 0x75, 0xAD, 0x49, 0x8A, 0xFE, 0xEB, 0xB6, 0x96, 0x0B, 0x3A, 0xAB, 0xE6,
            ],
        };
        let keys = SessionKeys::derive(provider.crypto(), &master, Purpose::Rtp).unwrap();
        assert_eq!(
            keys.cipher,
            0xC61E_7A93_744F_39EE_1073_4AFE_3FF7_A087_u128.to_be_bytes()
        );
        assert_eq!(
            keys.salt,
            [
                0x30, 0xCB, 0xBC, 0x08, 0x86, 0x3D, 0x8C, 0x85, 0xD4, 0x9D, 0xB3, 0x4A, 0x9A, 0xE1
            ]
        );
        assert_eq!(
            keys.authentication,
            [
                0xCE, 0xBE, 0x32, 0x1F, 0x6F, 0xF7, 0x71, 0x6B, 0x6F, 0xD4, 0xAB, 0x49, 0xAF, 0x25,
                0x6A, 0x15, 0x6D, 0x38, 0xBA, 0xA4
            ]
        );
    }

    #[test]
    fn material_of_a_wrong_length_makes_no_keys() {
        for profile in [Profile::Gcm, Profile::Cm] {
            let right = profile.keying_material_bytes();
            assert!(MasterKeys::split(profile, &vec![0; right], false).is_some());
            assert!(MasterKeys::split(profile, &vec![0; right - 1], false).is_none());
            assert!(MasterKeys::split(profile, &vec![0; right + 1], false).is_none());
        }
    }
}
