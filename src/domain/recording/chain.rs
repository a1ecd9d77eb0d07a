//! What is kept of one recorded track: a chain of entries without a hole in time.
//!
//! An entry is a segment, named by the SHA-256 of its *sealed* bytes, or a gap with its cause. The
//! sealed bytes are hashed and not what is in them, so that whoever keeps or audits the files can
//! check them without a key, and a certificate of deletion tells nothing of what was said; the seal
//! ties content and place to them, and the recording's first fact commits to the key.
//!
//! An entry's hash is SHA-256 over these bytes, integers big-endian: `"mingtang recording entry
//! 1\n"`, track id (16), sequence (u64), from and to in microseconds since 1970 (i64), length of
//! the content (u32) and the content as canonical JSON, previous hash (32). The previous hash of
//! the first entry is SHA-256 over `"mingtang recording track 1\n"`, recording id (16), track id
//! (16). Entries are rows; the ledger has the chains' heads
//! ([`super::RecordingFact::HeadsMarked`]), because a fact for each segment of a large class would
//! be thousands a minute.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::fact::{Hash, canonical_json, stored_time};
use crate::domain::id::{RecordedTrackId, RecordingId};

/// Why nothing is there for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapCause {
    /// Its owner had switched it off, was muted or was not there: nothing is missing.
    Off,
    /// Staff had paused the recording.
    Paused,
    /// It is a learner's who had not the floor in a large class, whom other learners do not see
    /// either: recording all of them would ask for every layer of every camera.
    Unseen,
    /// It was on, but nothing of it reached the server.
    Transport,
    /// The server's own tap of it broke.
    TapLost,
    /// The server was not running.
    RecorderRestarted,
    /// There was no room on the disk.
    StorageFull,
    /// The disk did not work.
    StorageFailed,
    /// The recorder did not keep up.
    Overload,
    /// It is encrypted for its receivers alone, or of a codec that cannot be recorded.
    Unrecordable,
}

impl GapCause {
    /// All causes.
    pub const ALL: [Self; 10] = [
        Self::Off,
        Self::Paused,
        Self::Unseen,
        Self::Transport,
        Self::TapLost,
        Self::RecorderRestarted,
        Self::StorageFull,
        Self::StorageFailed,
        Self::Overload,
        Self::Unrecordable,
    ];

    /// Whether something is missing that should be there.
    pub fn is_loss(self) -> bool {
        match self {
            Self::Off | Self::Paused | Self::Unseen => false,
            Self::Transport
            | Self::TapLost
            | Self::RecorderRestarted
            | Self::StorageFull
            | Self::StorageFailed
            | Self::Overload
            | Self::Unrecordable => true,
        }
    }
}

/// What a segment holds, as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordedCodec {
    /// Sound, in WebM.
    Opus,
    /// Pictures, in WebM.
    Vp8,
    /// Pictures, in Matroska: WebM has no H.264.
    H264,
}

impl RecordedCodec {
    /// The media type of a segment.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Opus => "audio/webm; codecs=\"opus\"",
            Self::Vp8 => "video/webm; codecs=\"vp8\"",
            Self::H264 => "video/x-matroska; codecs=\"avc1\"",
        }
    }
}

/// A segment that is on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRef {
    /// What it holds.
    pub codec: RecordedCodec,
    /// It plays by itself; else it goes on from the one before.
    pub independent: bool,
    /// Bytes on the disk, sealed.
    pub bytes: u64,
    /// SHA-256 of them, hexadecimal.
    pub sha256: String,
    /// Its name among the blobs.
    pub blob: String,
}

/// What an entry says of its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Content {
    /// It is there.
    Segment(SegmentRef),
    /// It is not.
    Gap {
        /// Why.
        cause: GapCause,
    },
}

/// One link of a track's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Place in the chain, from 0.
    pub sequence: u64,
    /// From when, by the server's clock.
    pub from: DateTime<Utc>,
    /// Until when; not before `from`.
    pub to: DateTime<Utc>,
    /// What of it.
    pub content: Content,
    /// Hash of the entry before, or the genesis hash.
    pub previous: Vec<u8>,
    /// Its own hash.
    pub hash: Vec<u8>,
}

/// Where a chain stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Place of the next entry.
    pub next_sequence: u64,
    /// Hash of the last one, or the genesis hash.
    pub hash: Vec<u8>,
    /// Until when the track is accounted for.
    pub covered_to: DateTime<Utc>,
}

impl Head {
    /// Of a track that begins.
    pub fn genesis(recording: RecordingId, track: RecordedTrackId, from: DateTime<Utc>) -> Self {
        Self {
            next_sequence: 0,
            hash: genesis_hash(recording, track).to_vec(),
            covered_to: stored_time(from),
        }
    }

    /// The next entry, up to `to`, and the head after it. An entry begins where the one before
    /// ended, so that no time is left out; one that would end before that is empty.
    pub fn chain(
        &self,
        track: RecordedTrackId,
        to: DateTime<Utc>,
        content: Content,
    ) -> (Entry, Self) {
        let mut entry = Entry {
            sequence: self.next_sequence,
            from: self.covered_to,
            to: stored_time(to).max(self.covered_to),
            content,
            previous: self.hash.clone(),
            hash: Vec::new(),
        };
        entry.hash = entry.digest(track).to_vec();
        let head = Self {
            next_sequence: self.next_sequence + 1,
            hash: entry.hash.clone(),
            covered_to: entry.to,
        };
        (entry, head)
    }
}

impl Entry {
    /// The hash that it should have.
    pub fn digest(&self, track: RecordedTrackId) -> Hash {
        let content = serde_json::to_value(&self.content).unwrap_or_default();
        let content = canonical_json(&content);
        let mut hasher = Sha256::new_with_prefix(b"mingtang recording entry 1\n");
        hasher.update(track.0.as_bytes());
        hasher.update(self.sequence.to_be_bytes());
        hasher.update(self.from.timestamp_micros().to_be_bytes());
        hasher.update(self.to.timestamp_micros().to_be_bytes());
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
        hasher.update(length.to_be_bytes());
        hasher.update(content.as_bytes());
        hasher.update(&self.previous);
        hasher.finalize().into()
    }
}

fn genesis_hash(recording: RecordingId, track: RecordedTrackId) -> Hash {
    let mut hasher = Sha256::new_with_prefix(b"mingtang recording track 1\n");
    hasher.update(recording.0.as_bytes());
    hasher.update(track.0.as_bytes());
    hasher.finalize().into()
}

/// How a chain differs from what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// The entry's content does not give its hash.
    ContentEdited,
    /// The entry is not there, though later ones or the head are.
    EntryMissing,
    /// The entry does not chain to the one before it.
    ChainBroken,
    /// Between this entry and the one before is a time that nothing is said of.
    Uncovered,
    /// The last entry is not the one that the head names.
    HeadDiffers,
    /// The ledger says that the chain stood otherwise here.
    MarkDiffers,
    /// The segment's file is not there.
    FileMissing,
    /// The segment's file is not what was written.
    FileChanged,
}

/// Walks one chain in order.
#[derive(Clone, Debug)]
pub struct Walk {
    track: RecordedTrackId,
    head: Head,
}

impl Walk {
    /// From the beginning of a track that was opened at `from`.
    pub fn new(recording: RecordingId, track: RecordedTrackId, from: DateTime<Utc>) -> Self {
        let head = Head::genesis(recording, track, from);
        Self { track, head }
    }

    /// Takes the next entry; an error names the sequence at fault.
    ///
    /// # Errors
    /// How it differs.
    pub fn take(&mut self, entry: &Entry) -> Result<(), (u64, Flaw)> {
        if entry.sequence != self.head.next_sequence {
            return Err((self.head.next_sequence, Flaw::EntryMissing));
        }
        let digest = entry.digest(self.track);
        if entry.hash != digest {
            return Err((entry.sequence, Flaw::ContentEdited));
        }
        if entry.previous != self.head.hash {
            return Err((entry.sequence, Flaw::ChainBroken));
        }
        if entry.from != self.head.covered_to || entry.to < entry.from {
            return Err((entry.sequence, Flaw::Uncovered));
        }
        self.head = Head {
            next_sequence: entry.sequence + 1,
            hash: entry.hash.clone(),
            covered_to: entry.to,
        };
        Ok(())
    }

    /// Where the walk stands.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Compares the walk with the head as stored.
    ///
    /// # Errors
    /// How it differs, and from which sequence on.
    pub fn finish(&self, head: &Head) -> Result<(), (u64, Flaw)> {
        if self.head.next_sequence < head.next_sequence {
            return Err((self.head.next_sequence, Flaw::EntryMissing));
        }
        if self.head == *head {
            return Ok(());
        }
        Err((self.head.next_sequence.saturating_sub(1), Flaw::HeadDiffers))
    }
}

/// Of how much of a track what is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Milliseconds in segments.
    pub recorded_ms: u64,
    /// Milliseconds in which it was off or the recording was paused.
    pub off_ms: u64,
    /// Milliseconds that are missing, each with its cause.
    pub lost_ms: u64,
}

impl Coverage {
    /// Adds an entry.
    pub fn add(&mut self, from: DateTime<Utc>, to: DateTime<Utc>, gap: Option<GapCause>) {
        let length = u64::try_from((to - from).num_milliseconds()).unwrap_or(0);
        self.add_ms(length, gap);
    }

    /// Adds what all entries of one kind make.
    pub fn add_ms(&mut self, length_ms: u64, gap: Option<GapCause>) {
        match gap {
            None => self.recorded_ms += length_ms,
            Some(cause) if cause.is_loss() => self.lost_ms += length_ms,
            Some(_) => self.off_ms += length_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const TRACK: RecordedTrackId = RecordedTrackId(Uuid::from_u128(2));
    const RECORDING: RecordingId = RecordingId(Uuid::from_u128(1));

    fn began() -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap()
    }

    fn content(kind: u8) -> Content {
        let cause = GapCause::ALL.get(usize::from(kind)).copied();
        match cause {
            Some(cause) => Content::Gap { cause },
            None => Content::Segment(SegmentRef {
                codec: RecordedCodec::Vp8,
                independent: true,
                bytes: 5,
                sha256: format!("{kind:064x}"),
                blob: format!("recordings/1/2/{kind}"),
            }),
        }
    }

    fn chain(parts: &[(u8, i64)]) -> (Vec<Entry>, Head) {
        let mut head = Head::genesis(RECORDING, TRACK, began());
        let mut entries = Vec::new();
        for (kind, length_ms) in parts {
            let to = head.covered_to + TimeDelta::milliseconds(*length_ms);
            let (entry, next) = head.chain(TRACK, to, content(*kind));
            entries.push(entry);
            head = next;
        }
        (entries, head)
    }

    fn walked(entries: &[Entry], head: &Head) -> Result<(), (u64, Flaw)> {
        let mut walk = Walk::new(RECORDING, TRACK, began());
        for entry in entries {
            walk.take(entry)?;
        }
        walk.finish(head)
    }

    proptest! {
        #[test]
        fn a_chain_covers_every_moment_and_any_edit_of_it_is_found(
            parts in proptest::collection::vec((0_u8..14, -50_i64..12_000), 1..20),
            place in any::<prop::sample::Index>(),
            edit in 0..5,
        ) {
            let (mut entries, head) = chain(&parts);
            prop_assert_eq!(walked(&entries, &head), Ok(()));
            let mut coverage = Coverage::default();
            for entry in &entries {
                let gap = match &entry.content {
                    Content::Gap { cause } => Some(*cause),
                    Content::Segment(_) => None,
                };
                coverage.add(entry.from, entry.to, gap);
            }
            let said = coverage.recorded_ms + coverage.off_ms + coverage.lost_ms;
            let whole = (head.covered_to - began()).num_milliseconds();
            prop_assert_eq!(i64::try_from(said).unwrap(), whole);

            let place = place.index(entries.len());
            match edit {
                0 => entries[place].to += TimeDelta::milliseconds(1),
                1 => entries[place].content = content(99),
                2 => { entries.remove(place); }
                3 => entries[place].from -= TimeDelta::milliseconds(1),
                _ => {
                    // Somebody who hashes anew what was edited breaks the next link, or the head.
                    entries[place].content = content(99);
                    entries[place].hash = entries[place].digest(TRACK).to_vec();
                }
            }
            prop_assert!(walked(&entries, &head).is_err());
        }
    }

    #[test]
    fn a_hole_in_time_is_found_though_all_hashes_are_right() {
        let (mut entries, _) = chain(&[(99, 10_000), (99, 10_000)]);
        entries[1].from += TimeDelta::seconds(1);
        entries[1].hash = entries[1].digest(TRACK).to_vec();
        let head = Head {
            next_sequence: 2,
            hash: entries[1].hash.clone(),
            covered_to: entries[1].to,
        };
        assert_eq!(walked(&entries, &head), Err((1, Flaw::Uncovered)));
    }

    #[test]
    fn the_chain_of_one_track_is_not_that_of_another() {
        let (entries, head) = chain(&[(99, 10_000)]);
        let other = RecordedTrackId(Uuid::from_u128(3));
        let mut walk = Walk::new(RECORDING, other, began());
        assert_eq!(walk.take(&entries[0]), Err((0, Flaw::ContentEdited)));
        assert_eq!(walk.finish(&head), Err((0, Flaw::EntryMissing)));
    }
}
