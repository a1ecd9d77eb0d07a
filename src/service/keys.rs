//! Signing keys. The shell reads and writes them as files; nothing here stores them.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use super::sealing::SealingKey;
use crate::domain::entropy::Entropy;

/// Length of every secret here, bytes.
pub const SECRET_BYTES: usize = 32;

/// The keys of a server.
pub struct Keys {
    access_token: [u8; SECRET_BYTES],
    ledger: SigningKey,
    ledger_known: Vec<VerifyingKey>,
    sealing: SealingKey,
}

impl Keys {
    /// Keys from their secrets: HMAC key of access tokens, Ed25519 seed of ledger checkpoints, and
    /// the key that everything sealed depends on.
    pub fn new(
        access_token: [u8; SECRET_BYTES],
        ledger: [u8; SECRET_BYTES],
        sealing: [u8; SECRET_BYTES],
    ) -> Self {
        let ledger = SigningKey::from_bytes(&ledger);
        let ledger_known = vec![ledger.verifying_key()];
        Self {
            access_token,
            ledger,
            ledger_known,
            sealing: SealingKey::new(sealing),
        }
    }

    /// The key that seals for one purpose what lies outside the database.
    pub fn sealing(&self, purpose: &str) -> SealingKey {
        self.sealing.derived(purpose)
    }

    /// Takes a public key that signed checkpoints before a rotation; they stay valid.
    /// False when the bytes are no key.
    pub fn know_ledger_key(&mut self, public: &[u8; SECRET_BYTES]) -> bool {
        match VerifyingKey::from_bytes(public) {
            Ok(key) => {
                self.ledger_known.push(key);
                true
            }
            Err(_) => false,
        }
    }

    /// A fresh secret.
    pub fn secret(entropy: &dyn Entropy) -> [u8; SECRET_BYTES] {
        let mut secret = [0; SECRET_BYTES];
        entropy.fill(&mut secret);
        secret
    }

    /// The HMAC key of access tokens.
    pub fn access_token(&self) -> &[u8] {
        &self.access_token
    }

    /// The public key that signs checkpoints, for those who verify elsewhere.
    pub fn ledger_public(&self) -> [u8; SECRET_BYTES] {
        self.ledger.verifying_key().to_bytes()
    }

    /// Names the key that signs now: the first 8 bytes of the SHA-256 of its public half.
    pub fn ledger_key_id(&self) -> [u8; 8] {
        key_id(&self.ledger.verifying_key())
    }

    /// Signs the bytes of a checkpoint.
    pub fn sign_checkpoint(&self, bytes: &[u8]) -> [u8; 64] {
        self.ledger.sign(bytes).to_bytes()
    }

    /// Whether a known key of this id signed these bytes.
    pub fn verifies_checkpoint(&self, id: &[u8], bytes: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = Signature::from_slice(signature) else {
            return false;
        };
        self.ledger_known
            .iter()
            .filter(|key| key_id(key) == id)
            .any(|key| key.verify_strict(bytes, &signature).is_ok())
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(..)")
    }
}

fn key_id(key: &VerifyingKey) -> [u8; 8] {
    let digest = Sha256::digest(key.as_bytes());
    let mut id = [0; 8];
    id.copy_from_slice(&digest[..8]);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_of_a_rotated_key_stay_valid_and_others_do_not() {
        let old = Keys::new([1; 32], [2; 32], [4; 32]);
        let mut new = Keys::new([1; 32], [3; 32], [4; 32]);
        let signature = old.sign_checkpoint(b"stood here");
        assert!(!new.verifies_checkpoint(&old.ledger_key_id(), b"stood here", &signature));
        assert!(new.know_ledger_key(&old.ledger_public()));
        assert!(new.verifies_checkpoint(&old.ledger_key_id(), b"stood here", &signature));
        assert!(!new.verifies_checkpoint(&old.ledger_key_id(), b"stood there", &signature));
        assert!(!new.verifies_checkpoint(&new.ledger_key_id(), b"stood here", &signature));
    }
}
