//! Sealing of what is stored outside the database: AES-256-GCM (NIST SP 800-38D) under keys that
//! the database never holds.
//!
//! A sealed text is `1` (one byte), nonce (12), ciphertext, tag (16). The associated bytes say what
//! the text is, so that one cannot be put in the place of another.

use hmac::{Hmac, Mac};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};

use crate::domain::entropy::Entropy;

/// Length of a sealing key, bytes.
pub const KEY_BYTES: usize = 32;

/// Bytes that sealing adds.
pub const SEALED_EXTRA_BYTES: usize = 1 + NONCE_LEN + 16;

const VERSION: u8 = 1;

/// A key that seals. Nonces are random, so one key may seal 2^32 texts (SP 800-38D section 8.3).
#[derive(Clone)]
pub struct SealingKey {
    secret: [u8; KEY_BYTES],
    sealing: LessSafeKey,
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

/// The text was changed, is of another place, or was sealed with another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is sealed here does not open: it was changed, or another key sealed it")]
pub struct Unopened;

impl SealingKey {
    /// A key from its secret.
    #[allow(clippy::expect_used, reason = "the length is right by its type")]
    pub fn new(secret: [u8; KEY_BYTES]) -> Self {
        let sealing = UnboundKey::new(&AES_256_GCM, &secret).expect("a key has 32 bytes");
        let sealing = LessSafeKey::new(sealing);
        Self { secret, sealing }
    }

    /// A fresh key.
    pub fn fresh(entropy: &dyn Entropy) -> Self {
        let mut secret = [0; KEY_BYTES];
        entropy.fill(&mut secret);
        Self::new(secret)
    }

    /// The key for one purpose, so that what is sealed for one cannot be opened for another:
    /// HMAC-SHA256 of `"mingtang sealing 1\n"` and the purpose.
    #[allow(clippy::expect_used, reason = "HMAC takes keys of any length")]
    pub fn derived(&self, purpose: &str) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("any length is a key");
        mac.update(b"mingtang sealing 1\n");
        mac.update(purpose.as_bytes());
        Self::new(mac.finalize().into_bytes().into())
    }

    /// What names this key without telling it: SHA-256 over `"mingtang sealing key 1\n"` and the
    /// key. A commitment too: GCM alone does not tie a ciphertext to one key.
    pub fn commitment(&self) -> [u8; 32] {
        let mut hasher = Sha256::new_with_prefix(b"mingtang sealing key 1\n");
        hasher.update(self.secret);
        hasher.finalize().into()
    }

    /// Seals this key under another one; `associated` says what it is the key of.
    pub fn wrapped(&self, under: &Self, associated: &[u8], entropy: &dyn Entropy) -> Vec<u8> {
        seal(under, associated, &self.secret, entropy)
    }

    /// Opens a key that [`Self::wrapped`] sealed.
    ///
    /// # Errors
    /// See [`Unopened`].
    pub fn unwrapped(under: &Self, associated: &[u8], wrapped: &[u8]) -> Result<Self, Unopened> {
        let secret = open(under, associated, wrapped.to_vec())?;
        Ok(Self::new(secret.try_into().map_err(|_| Unopened)?))
    }
}

/// Seals a text under a fresh nonce.
#[allow(clippy::expect_used, reason = "GCM fails beyond 64 GiB alone")]
pub fn seal(
    key: &SealingKey,
    associated: &[u8],
    plaintext: &[u8],
    entropy: &dyn Entropy,
) -> Vec<u8> {
    let mut nonce = [0; NONCE_LEN];
    entropy.fill(&mut nonce);
    let mut sealed = Vec::with_capacity(plaintext.len() + SEALED_EXTRA_BYTES);
    sealed.push(VERSION);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plaintext);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let text = &mut sealed[1 + NONCE_LEN..];
    let tag = key
        .sealing
        .seal_in_place_separate_tag(nonce, Aad::from(associated), text)
        .expect("the text is shorter than GCM allows");
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

/// Opens a text that [`seal`] made, in its own memory.
///
/// # Errors
/// See [`Unopened`].
pub fn open(key: &SealingKey, associated: &[u8], mut sealed: Vec<u8>) -> Result<Vec<u8>, Unopened> {
    if sealed.len() < SEALED_EXTRA_BYTES || sealed[0] != VERSION {
        return Err(Unopened);
    }
    let (head, text) = sealed.split_at_mut(1 + NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(&head[1..]).map_err(|_| Unopened)?;
    let opened = key
        .sealing
        .open_in_place(nonce, Aad::from(associated), text);
    let length = opened.map_err(|_| Unopened)?.len();
    sealed.drain(..1 + NONCE_LEN);
    sealed.truncate(length);
    Ok(sealed)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;

    /// Counts, so that no two nonces of a test are the same.
    #[derive(Default)]
    struct Counting(Mutex<u8>);

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            let mut count = self.0.lock().unwrap();
            *count = count.wrapping_add(1);
            bytes.fill(*count);
        }
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_and_what_was_changed_does_not(
            text in proptest::collection::vec(any::<u8>(), 0..200),
            place in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let (key, chance) = (SealingKey::new([7; KEY_BYTES]), Counting::default());
            let sealed = seal(&key, b"place 1", &text, &chance);
            prop_assert_eq!(sealed.len(), text.len() + SEALED_EXTRA_BYTES);
            prop_assert_eq!(open(&key, b"place 1", sealed.clone()), Ok(text));
            let mut changed = sealed;
            let place = place.index(changed.len());
            changed[place] ^= 1 << bit;
            prop_assert_eq!(open(&key, b"place 1", changed), Err(Unopened));
        }
    }

    #[test]
    fn a_text_opens_with_its_own_key_at_its_own_place_alone() {
        let (key, chance) = (SealingKey::new([7; KEY_BYTES]), Counting::default());
        let sealed = seal(&key, b"place 1", b"picture", &chance);
        assert_eq!(open(&key, b"place 2", sealed.clone()), Err(Unopened));
        let other = key.derived("faces");
        assert_eq!(open(&other, b"place 1", sealed.clone()), Err(Unopened));
        assert_eq!(open(&key, b"place 1", sealed[..20].to_vec()), Err(Unopened));
        assert_ne!(seal(&key, b"place 1", b"picture", &chance), sealed);
    }

    #[test]
    fn a_wrapped_key_is_the_same_key_again_and_its_commitment_says_so() {
        let chance = Counting::default();
        let (master, data) = (SealingKey::fresh(&chance), SealingKey::fresh(&chance));
        let wrapped = data.wrapped(&master.derived("recording"), b"recording 1", &chance);
        let under = master.derived("recording");
        let again = SealingKey::unwrapped(&under, b"recording 1", &wrapped).unwrap();
        assert_eq!(again.commitment(), data.commitment());
        assert_ne!(master.commitment(), data.commitment());
        let elsewhere = SealingKey::unwrapped(&under, b"recording 2", &wrapped);
        assert_eq!(elsewhere.err(), Some(Unopened));
        let purpose = SealingKey::unwrapped(&master.derived("face"), b"recording 1", &wrapped);
        assert_eq!(purpose.err(), Some(Unopened));
    }
}
