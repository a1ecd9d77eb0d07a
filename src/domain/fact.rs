//! Facts and how they chain: canonical text, hashes, checkpoints, and the fold that verifies them.
//!
//! A fact's hash is SHA-256 over these bytes, integers big-endian:
//! `"mingtang fact 1\n"`, stream id (16), seq (u64), time in microseconds since 1970 (i64), length
//! of the kind (u32) and the kind, length of the body (u32) and the body, previous hash (32).
//! The previous hash of the first fact is the stream's genesis hash: SHA-256 over
//! `"mingtang stream 1\n"`, stream id (16), subject (16), the kind of the stream.
//!
//! Checkpoints ([`checkpoint`]) say from time to time where the streams stood.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub mod checkpoint;

use super::id::StreamId;

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// A fact ready for the ledger: its kind and its body as canonical JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedFact {
    kind: String,
    body: String,
}

impl SealedFact {
    /// Seals a fact that serialises to an object with its kind in the field `kind` (serde's
    /// internally tagged enums do). Fails when it does not.
    pub fn of<F: Serialize>(fact: &F) -> Result<Self, serde_json::Error> {
        let value = serde_json::to_value(fact)?;
        let kind = value.get("kind").and_then(Value::as_str).map(str::to_owned);
        let kind = kind.ok_or_else(|| serde::ser::Error::custom("a fact names its kind"))?;
        Ok(Self {
            kind,
            body: canonical_json(&value),
        })
    }

    /// The kind.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The canonical body.
    pub fn body(&self) -> &str {
        &self.body
    }
}

/// JSON with object keys in byte order and no blanks; equal values give equal text.
pub fn canonical_json(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut keys: Vec<&String> = members.keys().collect();
            keys.sort();
            let members = keys.into_iter().filter_map(|key| {
                let name = Value::from(key.as_str());
                members
                    .get(key)
                    .map(|value| format!("{name}:{}", canonical_json(value)))
            });
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(canonical_json).collect();
            format!("[{}]", items.join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

/// Bytes as lower-case hexadecimal, as digests stand in facts and for people.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A moment as the database keeps it, in whole microseconds.
pub fn stored_time(at: DateTime<Utc>) -> DateTime<Utc> {
    at.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(at)
}

/// What the first fact of a stream chains to.
pub fn genesis_hash(stream: StreamId, kind: &str, subject: Uuid) -> Hash {
    let mut hasher = Sha256::new_with_prefix(b"mingtang stream 1\n");
    hasher.update(stream.0.as_bytes());
    hasher.update(subject.as_bytes());
    hasher.update(kind.as_bytes());
    hasher.finalize().into()
}

/// A row of the ledger as stored, whether or not it is sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFact {
    /// Place in the stream, from 0.
    pub seq: u64,
    /// Server's time.
    pub at: DateTime<Utc>,
    /// Kind of fact.
    pub kind: String,
    /// Canonical JSON.
    pub body: String,
    /// Hash of the fact before; anything else breaks the chain.
    pub previous_hash: Vec<u8>,
    /// The row's own hash.
    pub hash: Vec<u8>,
}

impl StoredFact {
    /// The next fact of a stream whose head is `previous_hash`.
    pub fn next(
        stream: StreamId,
        seq: u64,
        at: DateTime<Utc>,
        fact: &SealedFact,
        previous_hash: Hash,
    ) -> Self {
        let mut stored = Self {
            seq,
            at: stored_time(at),
            kind: fact.kind.clone(),
            body: fact.body.clone(),
            previous_hash: previous_hash.to_vec(),
            hash: Vec::new(),
        };
        stored.hash = stored.digest(stream).to_vec();
        stored
    }

    /// The hash that the row should have.
    pub fn digest(&self, stream: StreamId) -> Hash {
        let mut hasher = Sha256::new_with_prefix(b"mingtang fact 1\n");
        hasher.update(stream.0.as_bytes());
        hasher.update(self.seq.to_be_bytes());
        hasher.update(self.at.timestamp_micros().to_be_bytes());
        for text in [&self.kind, &self.body] {
            hasher.update(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.update(&self.previous_hash);
        hasher.finalize().into()
    }
}

/// How a stream differs from what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// The row's content does not give its hash: body, kind, time or place was edited.
    ContentEdited,
    /// The row is not there, though later rows or the stream's head are.
    RowMissing,
    /// The row does not chain to the one before it (or to the stream's genesis).
    ChainBroken,
    /// There are rows beyond the stream's head.
    BeyondHead,
    /// The last row is not the one that the stream's head names.
    HeadDiffers,
}

/// Walks one stream in order and stops at the first row that differs.
#[derive(Clone, Debug)]
pub struct ChainWalk {
    stream: StreamId,
    next_seq: u64,
    head: Hash,
}

impl ChainWalk {
    /// A walk from the stream's beginning.
    pub fn new(stream: StreamId, kind: &str, subject: Uuid) -> Self {
        Self {
            stream,
            next_seq: 0,
            head: genesis_hash(stream, kind, subject),
        }
    }

    /// The seq expected next.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Takes the next row; an error names the seq at fault.
    pub fn take(&mut self, row: &StoredFact) -> Result<(), (u64, Difference)> {
        if row.seq != self.next_seq {
            return Err((self.next_seq, Difference::RowMissing));
        }
        let digest = row.digest(self.stream);
        if row.hash != digest {
            return Err((row.seq, Difference::ContentEdited));
        }
        if row.previous_hash != self.head {
            return Err((row.seq, Difference::ChainBroken));
        }
        self.head = digest;
        self.next_seq += 1;
        Ok(())
    }

    /// Compares the end of the walk with the stream's head as stored.
    pub fn finish(&self, next_seq: u64, head_hash: &[u8]) -> Result<(), (u64, Difference)> {
        match self.next_seq.cmp(&next_seq) {
            std::cmp::Ordering::Less => Err((self.next_seq, Difference::RowMissing)),
            std::cmp::Ordering::Greater => Err((next_seq, Difference::BeyondHead)),
            std::cmp::Ordering::Equal if self.head != head_hash => {
                Err((self.next_seq.saturating_sub(1), Difference::HeadDiffers))
            }
            std::cmp::Ordering::Equal => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use serde_json::json;

    use super::*;

    fn stream() -> StreamId {
        StreamId(Uuid::from_u128(7))
    }

    fn chain(bodies: &[i64]) -> (Vec<StoredFact>, Hash) {
        let mut head = genesis_hash(stream(), "test", Uuid::nil());
        let mut rows = Vec::new();
        for (seq, body) in (0_u64..).zip(bodies) {
            let fact = SealedFact::of(&json!({"kind": "counted", "n": body})).unwrap();
            let row = StoredFact::next(stream(), seq, DateTime::UNIX_EPOCH, &fact, head);
            head = row.digest(stream());
            rows.push(row);
        }
        (rows, head)
    }

    fn walk(rows: &[StoredFact]) -> Result<ChainWalk, (u64, Difference)> {
        let mut walk = ChainWalk::new(stream(), "test", Uuid::nil());
        for row in rows {
            walk.take(row)?;
        }
        Ok(walk)
    }

    #[test]
    fn canonical_text_does_not_depend_on_the_order_of_members() {
        let read = |text| serde_json::from_str::<Value>(text).unwrap();
        let one = read(r#"{"b": [1, {"y": null, "x": "\n"}], "a": true}"#);
        let two = read(r#"{"a":true,"b":[1,{"x":"\u000a","y":null}]}"#);
        assert_eq!(canonical_json(&one), canonical_json(&two));
        assert_eq!(
            canonical_json(&one),
            r#"{"a":true,"b":[1,{"x":"\n","y":null}]}"#
        );
    }

    #[test]
    fn the_bytes_hashed_are_those_documented() {
        let (rows, _) = chain(&[1]);
        let body = br#"{"kind":"counted","n":1}"#;
        let mut bytes = b"mingtang fact 1\n".to_vec();
        bytes.extend([0; 15].into_iter().chain([7]));
        bytes.extend([0; 8 + 8]);
        bytes.extend([0, 0, 0, 7]);
        bytes.extend(b"counted");
        bytes.extend([0, 0, 0, 24]);
        bytes.extend(body);
        bytes.extend(&rows[0].previous_hash);
        assert_eq!(rows[0].hash, Sha256::digest(bytes).to_vec());
    }

    #[test]
    fn a_cut_tail_is_a_missing_row() {
        let (rows, head) = chain(&[1, 2, 3]);
        let walk = walk(&rows[..2]).unwrap();
        assert_eq!(walk.finish(3, &head), Err((2, Difference::RowMissing)));
    }

    proptest! {
        #[test]
        fn an_edited_row_is_found_where_it_is(
            bodies in vec(any::<i64>(), 1..20), at in any::<Index>(),
        ) {
            let (mut rows, head) = chain(&bodies);
            prop_assert_eq!(walk(&rows).unwrap().finish(rows.len() as u64, &head), Ok(()));
            let at = at.index(rows.len());
            rows[at].body.push(' ');
            prop_assert_eq!(walk(&rows).unwrap_err(), (at as u64, Difference::ContentEdited));
        }

        #[test]
        fn a_removed_row_is_found_where_it_was(
            bodies in vec(any::<i64>(), 2..20), at in any::<Index>(),
        ) {
            let (mut rows, _) = chain(&bodies);
            let at = at.index(rows.len() - 1);
            rows.remove(at);
            prop_assert_eq!(walk(&rows).unwrap_err(), (at as u64, Difference::RowMissing));
        }

        #[test]
        fn a_row_rewritten_with_its_hash_breaks_the_chain_behind_it(
            bodies in vec(any::<i64>(), 2..20), at in any::<Index>(),
        ) {
            let (mut rows, _) = chain(&bodies);
            let at = at.index(rows.len() - 1);
            rows[at].body.push(' ');
            rows[at].hash = rows[at].digest(stream()).to_vec();
            prop_assert_eq!(walk(&rows).unwrap_err(), (at as u64 + 1, Difference::ChainBroken));
        }
    }
}
