//! The checksum of a piece of an upload (tus 1.0, *Checksum*).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What pieces may be checked with, as `Tus-Checksum-Algorithm` tells.
pub const ALGORITHMS: &str = "sha1,sha256";

/// What a client says that a piece's digest is, with the digest of what came so far.
#[derive(Clone, Debug)]
pub struct Checksum {
    expected: Vec<u8>,
    hasher: Hasher,
}

#[derive(Clone, Debug)]
enum Hasher {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Checksum {
    /// Reads `Upload-Checksum`: an algorithm, a blank, and the digest in Base64. `None` when the
    /// algorithm is not one of [`ALGORITHMS`] or the digest is none.
    pub fn read(header: &str) -> Option<Self> {
        let (algorithm, digest) = header.split_once(' ')?;
        let hasher = match algorithm {
            "sha1" => Hasher::Sha1(Sha1::new()),
            "sha256" => Hasher::Sha256(Sha256::new()),
            _ => return None,
        };
        let expected = STANDARD.decode(digest.trim()).ok()?;
        Some(Self { expected, hasher })
    }

    /// Takes bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.hasher {
            Hasher::Sha1(hasher) => hasher.update(bytes),
            Hasher::Sha256(hasher) => hasher.update(bytes),
        }
    }

    /// Whether what came is what was meant.
    pub fn holds(self) -> bool {
        match self.hasher {
            Hasher::Sha1(hasher) => hasher.finalize().as_slice() == self.expected,
            Hasher::Sha256(hasher) => hasher.finalize().as_slice() == self.expected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_what_its_checksum_says_or_it_is_not() {
        // The digest of "hello world" in the protocol's own example.
        for (bytes, holds) in [("hello world", true), ("hello World", false)] {
            let mut checksum = Checksum::read("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=").unwrap();
            let (one, other) = bytes.as_bytes().split_at(4);
            checksum.update(one);
            checksum.update(other);
            assert_eq!(checksum.holds(), holds);
        }
        assert!(Checksum::read("md5 Kq5sNclPz7QV2+lfQIuc6R7oRu0=").is_none());
        assert!(Checksum::read("sha1 !").is_none());
        assert!(Checksum::read("sha1").is_none());
    }
}
