//! Checkpoints: one signed chain over all streams; each says where streams stood that had grown.
//!
//! A stream that is taken out, with facts and all, is still named by the checkpoints that cover it;
//! a checkpoint that is taken out leaves a gap in the numbers; an end that is cut off is missed by
//! whoever knows a later number ([`Anchor`]), which is kept outside of the database.
//!
//! A checkpoint's bytes, integers big-endian: `"mingtang checkpoint 2\n"`, number (u64), time in
//! microseconds since 1970 (i64), previous hash (32), then of each head in order of streams: stream
//! id (16), place of the last fact (u64), hash of it (32). Its hash is SHA-256 over these bytes,
//! its signature Ed25519 (RFC 8032) over them. The first one's previous hash is SHA-256 over
//! `"mingtang checkpoints\n"`.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Hash, stored_time};
use crate::domain::id::StreamId;

/// Bytes of one head.
const HEAD_BYTES: usize = 16 + 8 + 32;

/// Where a stream stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which.
    pub stream: StreamId,
    /// Place of its last fact.
    pub seq: u64,
    /// Hash of that fact.
    pub hash: Hash,
}

/// The newest checkpoint, as somebody outside of the database knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Its number; 0 before the first.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
}

impl Default for Anchor {
    /// Before the first checkpoint.
    fn default() -> Self {
        Self {
            number: 0,
            hash: Sha256::digest(b"mingtang checkpoints\n").into(),
        }
    }
}

impl std::fmt::Display for Anchor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ", self.number)?;
        self.hash
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What is no [`Anchor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number and 64 hexadecimal digits are expected")]
pub struct NoAnchor;

impl std::str::FromStr for Anchor {
    type Err = NoAnchor;

    fn from_str(text: &str) -> Result<Self, NoAnchor> {
        let (number, digits) = text.trim().split_once(' ').ok_or(NoAnchor)?;
        let number = number.parse().map_err(|_| NoAnchor)?;
        let mut hash = Hash::default();
        if digits.len() != 2 * hash.len() || !digits.is_ascii() {
            return Err(NoAnchor);
        }
        for (byte, at) in hash.iter_mut().zip((0..digits.len()).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| NoAnchor)?;
        }
        Ok(Self { number, hash })
    }
}

/// A checkpoint as stored, whether or not it is sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// From 1, without gaps.
    pub number: u64,
    /// When it was signed.
    pub at: DateTime<Utc>,
    /// Which key signed.
    pub key_id: Vec<u8>,
    /// Hash of the checkpoint before.
    pub previous_hash: Vec<u8>,
    /// Heads, one after the other.
    pub heads: Vec<u8>,
    /// The checkpoint's own hash.
    pub hash: Vec<u8>,
    /// Ed25519 over [`Checkpoint::bytes`].
    pub signature: Vec<u8>,
}

impl Checkpoint {
    /// The next one after `last`, still without its signature.
    pub fn next(last: &Anchor, at: DateTime<Utc>, key_id: &[u8], heads: &[Head]) -> Self {
        let mut heads: Vec<&Head> = heads.iter().collect();
        heads.sort_by_key(|head| head.stream);
        let mut bytes = Vec::with_capacity(heads.len() * HEAD_BYTES);
        for head in heads {
            bytes.extend_from_slice(head.stream.0.as_bytes());
            bytes.extend_from_slice(&head.seq.to_be_bytes());
            bytes.extend_from_slice(&head.hash);
        }
        let mut next = Self {
            number: last.number + 1,
            at: stored_time(at),
            key_id: key_id.to_vec(),
            previous_hash: last.hash.to_vec(),
            heads: bytes,
            hash: Vec::new(),
            signature: Vec::new(),
        };
        next.hash = next.digest().to_vec();
        next
    }

    /// What is hashed and signed.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"mingtang checkpoint 2\n".to_vec();
        bytes.extend_from_slice(&self.number.to_be_bytes());
        bytes.extend_from_slice(&self.at.timestamp_micros().to_be_bytes());
        bytes.extend_from_slice(&self.previous_hash);
        bytes.extend_from_slice(&self.heads);
        bytes
    }

    /// The hash that it should have.
    pub fn digest(&self) -> Hash {
        Sha256::digest(self.bytes()).into()
    }

    /// Where the streams stood; what is no whole head at the end is left out.
    pub fn heads(&self) -> impl Iterator<Item = Head> {
        self.heads.chunks_exact(HEAD_BYTES).map(|head| {
            let (stream, rest) = head.split_at(16);
            let (seq, hash) = rest.split_at(8);
            let number = seq.iter().fold(0, |all, byte| all << 8 | u64::from(*byte));
            Head {
                stream: StreamId(Uuid::from_slice(stream).unwrap_or_default()),
                seq: number,
                hash: hash.try_into().unwrap_or_default(),
            }
        })
    }
}

/// How the chain of checkpoints, or what it covers, differs from what was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "difference")]
pub enum Gap {
    /// Checkpoints from this number on are not there, though a later one is.
    CheckpointsMissing {
        /// The first number that is there again.
        until: u64,
    },
    /// The checkpoint's content does not give its hash.
    CheckpointEdited,
    /// The checkpoint does not chain to the one before it.
    ChainBroken,
    /// The checkpoint's signature is not one of our keys'.
    Forged,
    /// The chain ends before the anchor that is kept outside of the database.
    EndMissing {
        /// Number of the anchor.
        anchor: u64,
    },
    /// The checkpoint is not the one that the anchor names.
    NotTheAnchored,
    /// A stream that the checkpoint covers is not there.
    StreamMissing {
        /// Which.
        stream: StreamId,
        /// How many facts it had at least.
        facts: u64,
    },
    /// A fact that the checkpoint covers is not there.
    FactMissing {
        /// Of which stream.
        stream: StreamId,
        /// Which.
        seq: u64,
    },
    /// A fact that the checkpoint covers was written anew since.
    FactRewritten {
        /// Of which stream.
        stream: StreamId,
        /// Which.
        seq: u64,
    },
}

impl std::fmt::Display for Gap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CheckpointsMissing { until } => {
                write!(f, "this and all before checkpoint {until} are missing")
            }
            Self::CheckpointEdited => f.write_str("it was edited: it does not give its hash"),
            Self::ChainBroken => f.write_str("it does not chain to the one before it"),
            Self::Forged => f.write_str("its signature is not ours"),
            Self::EndMissing { anchor } => write!(
                f,
                "it is the last, but checkpoint {anchor} was signed: the end is cut off"
            ),
            Self::NotTheAnchored => {
                f.write_str("it is not the one that was signed and anchored under this number")
            }
            Self::StreamMissing { stream, facts } => write!(
                f,
                "stream {stream}, which had {facts} facts or more, is missing as a whole"
            ),
            Self::FactMissing { stream, seq } => {
                write!(f, "fact {seq} of stream {stream} is missing")
            }
            Self::FactRewritten { stream, seq } => {
                write!(f, "fact {seq} of stream {stream} was written anew since")
            }
        }
    }
}

/// Walks the chain of checkpoints in order. After a gap it goes on from what is there.
#[derive(Clone, Debug, Default)]
pub struct CheckpointWalk {
    last: Anchor,
}

impl CheckpointWalk {
    /// The last checkpoint taken.
    pub fn last(&self) -> &Anchor {
        &self.last
    }

    /// Takes the next checkpoint; an error names the number at fault.
    pub fn take(&mut self, checkpoint: &Checkpoint) -> Result<(), (u64, Gap)> {
        let (expected, number) = (self.last.number + 1, checkpoint.number);
        let chained = checkpoint.previous_hash == self.last.hash;
        let hash = checkpoint.digest();
        self.last = Anchor { number, hash };
        if number != expected {
            return Err((expected, Gap::CheckpointsMissing { until: number }));
        }
        if checkpoint.hash != hash {
            return Err((number, Gap::CheckpointEdited));
        }
        if !chained {
            return Err((number, Gap::ChainBroken));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    fn head(n: u128, seq: u64) -> Head {
        Head {
            stream: StreamId(Uuid::from_u128(n)),
            seq,
            hash: [n as u8; 32],
        }
    }

    fn chain(count: u64) -> Vec<Checkpoint> {
        let mut last = Anchor::default();
        let mut all = Vec::new();
        for n in 1..=count {
            let heads = [head(9, n), head(n.into(), 3)];
            let next = Checkpoint::next(&last, DateTime::UNIX_EPOCH, b"key", &heads);
            let (number, hash) = (next.number, next.digest());
            last = Anchor { number, hash };
            all.push(next);
        }
        all
    }

    fn first_gap(checkpoints: &[Checkpoint]) -> Option<(u64, Gap)> {
        let mut walk = CheckpointWalk::default();
        checkpoints
            .iter()
            .find_map(|checkpoint| walk.take(checkpoint).err())
    }

    #[test]
    fn the_bytes_signed_are_those_documented() {
        let checkpoint = &chain(1)[0];
        let mut bytes = b"mingtang checkpoint 2\n".to_vec();
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 1]);
        bytes.extend([0; 8]);
        bytes.extend(Sha256::digest("mingtang checkpoints\n"));
        for (n, seq) in [(1, 3), (9, 1)] {
            bytes.extend([0; 15].into_iter().chain([n]));
            bytes.extend([0, 0, 0, 0, 0, 0, 0, seq]);
            bytes.extend([n; 32]);
        }
        assert_eq!(checkpoint.bytes(), bytes);
        assert_eq!(checkpoint.hash, Sha256::digest(bytes).to_vec());
        let heads: Vec<Head> = checkpoint.heads().collect();
        assert_eq!(heads, [head(1, 3), head(9, 1)]);
    }

    #[test]
    fn an_anchor_is_read_back_as_it_was_written_and_anything_else_is_none() {
        let anchor = Anchor {
            number: 70,
            hash: [0xa5; 32],
        };
        assert_eq!(format!("{anchor}\n").parse(), Ok(anchor));
        for text in ["", "70", "70 a5", "x a5a5", &"明".repeat(40)] {
            assert_eq!(text.parse::<Anchor>(), Err(NoAnchor), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_checkpoint_taken_out_leaves_a_gap_and_an_edited_one_is_found(
            count in 2_u64..12, at in any::<Index>(),
        ) {
            let whole = chain(count);
            prop_assert_eq!(first_gap(&whole), None);
            let at = at.index(whole.len() - 1);
            let number = at as u64 + 1;
            let mut short = whole.clone();
            short.remove(at);
            let missing = Gap::CheckpointsMissing { until: number + 1 };
            prop_assert_eq!(first_gap(&short), Some((number, missing)));
            let mut edited = whole.clone();
            edited[at].heads[20] ^= 1;
            prop_assert_eq!(first_gap(&edited), Some((number, Gap::CheckpointEdited)));
            edited[at].hash = edited[at].digest().to_vec();
            prop_assert_eq!(first_gap(&edited), Some((number + 1, Gap::ChainBroken)));
        }
    }
}
