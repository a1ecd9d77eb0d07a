//! The server's certificate and cryptography, shared by all transports.

use std::sync::Arc;

use rtc::crypto::{HashAlgorithm, RTCCrypto, RTCCryptoProvider};
use rtc::dtls::crypto::Certificate;

use crate::media::command::Fingerprint;

/// A self-signed ECDSA P-256 certificate with its key; clients know it by its fingerprint from the
/// session description alone (RFC 8827 section 6.5).
pub struct Identity {
    provider: Arc<dyn RTCCryptoProvider>,
    certificate: Certificate,
    fingerprint: Fingerprint,
}

/// No certificate could be made: the cryptography library refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a DTLS certificate: {0}")]
pub struct IdentityError(String);

impl Identity {
    /// A fresh certificate; it lives as long as the process.
    ///
    /// # Errors
    ///
    /// When the system has no randomness or the library no P-256.
    pub fn generate() -> Result<Self, IdentityError> {
        let failed = |error: &dyn std::fmt::Display| IdentityError(error.to_string());
        let provider = rtc::crypto::default_provider().map_err(|error| failed(&error))?;
        let names = vec!["mingtang".to_owned()];
        let certificate = Certificate::generate_self_signed(names, provider.crypto())
            .map_err(|error| failed(&error))?;
        let fingerprint = certificate
            .certificate
            .first()
            .and_then(|der| fingerprint_of(provider.crypto(), der))
            .ok_or_else(|| failed(&"no certificate"))?;
        Ok(Self {
            provider,
            certificate,
            fingerprint,
        })
    }

    /// What session descriptions announce.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub(super) fn provider(&self) -> &Arc<dyn RTCCryptoProvider> {
        &self.provider
    }

    pub(super) fn certificate(&self) -> Certificate {
        self.certificate.clone()
    }
}

/// SHA-256 of a DER certificate.
pub(super) fn fingerprint_of(crypto: &dyn RTCCrypto, der: &[u8]) -> Option<Fingerprint> {
    let hash = crypto.hash(HashAlgorithm::Sha256, der).ok()?;
    hash.try_into().ok().map(Fingerprint)
}
