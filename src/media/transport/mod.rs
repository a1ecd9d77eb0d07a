//! One client connection: ICE, DTLS, SRTP and data channels behind one typed surface.

pub mod ice;
pub mod srtp;

pub use ice::STUN_HEADER_BYTES;

/// Bytes before a DTLS record's content (RFC 6347 section 4.1).
pub const DTLS_RECORD_HEADER_BYTES: usize = 13;

#[cfg(test)]
pub(crate) mod testing {
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
