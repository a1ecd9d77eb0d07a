//! Checks recordings from their rows, the ledger and the files: every link of every chain, that no
//! time is left out, that the ledger's marks are met, and the hash of every file.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{RECORDING_STREAM_KIND, hex};
use crate::domain::id::{RecordedTrackId, RecordingId};
use crate::domain::recording::chain::{Content, Entry, Flaw, SegmentRef, Walk};
use crate::domain::recording::{RecordedRecordingFact, RecordingFact};
use crate::service::blobs::BlobError;
use crate::service::{Context, Error, Failure};
use crate::store::recording::Track;
use crate::store::{self, Connection};

/// Rows read at once.
const PAGE: u32 = 1_000;

/// What [`verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Recordings looked at.
    pub recordings: u64,
    /// Tracks walked.
    pub tracks: u64,
    /// Entries checked.
    pub entries: u64,
    /// Files whose hash was checked.
    pub files: u64,
    /// Entries that the ledger does not mark yet.
    pub unmarked: u64,
    /// The first flaw of each track that has one, and each file that has one.
    pub findings: Vec<Finding>,
}

/// Where a track differs from what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The recording.
    pub recording: RecordingId,
    /// The track.
    pub track: RecordedTrackId,
    /// The entry at fault.
    pub sequence: u64,
    /// What differs.
    pub flaw: Flaw,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.flaw {
            Flaw::ContentEdited => "the entry was edited: it does not give its hash",
            Flaw::EntryMissing => "the entry is missing",
            Flaw::ChainBroken => "the entry does not chain to the one before it",
            Flaw::Uncovered => "a time before the entry is told by none",
            Flaw::HeadDiffers => "the track's head is not this entry's hash",
            Flaw::MarkDiffers => "the ledger has another hash here",
            Flaw::FileMissing => "the file is missing",
            Flaw::FileChanged => "the file was changed",
        };
        let Self {
            recording,
            track,
            sequence,
            ..
        } = self;
        write!(
            f,
            "recording {recording}, track {track}, entry {sequence}: {what}"
        )
    }
}

impl Report {
    /// Whether everything is as it was written.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Hashes that the ledger has, by the number of entries.
type Marks = BTreeMap<u64, String>;

/// Re-checks all recordings; it may run beside a serving server.
///
/// # Errors
/// When the database or the place of the files is away.
pub async fn verify(context: &Context) -> Result<Report, Error> {
    let mut report = Report::default();
    let mut db = context.store.reader().await?;
    for recording in store::recording::ids(&mut db).await? {
        report.recordings += 1;
        let marks = marks_of(&mut db, recording).await?;
        for track in store::recording::tracks(&mut db, recording).await? {
            report.tracks += 1;
            let marks = marks.get(&track.id);
            verify_track(context, &mut db, &track, marks, &mut report).await?;
        }
    }
    Ok(report)
}

async fn verify_track(
    context: &Context,
    db: &mut Connection,
    track: &Track,
    marks: Option<&Marks>,
    report: &mut Report,
) -> Result<(), Error> {
    let mut walk = Walk::new(track.recording, track.id, track.opened_at);
    let mut found = None;
    let last = track.head.next_sequence;
    'walk: while walk.head().next_sequence < last {
        let from = walk.head().next_sequence;
        let page = store::recording::entries(db, track.id, from, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for entry in page.iter().filter(|entry| entry.sequence < last) {
            report.entries += 1;
            if let Err(flaw) = walk.take(entry).and_then(|()| meets(marks, entry)) {
                found = Some(flaw);
                break 'walk;
            }
            if let Some(flaw) = file_flaw(context, entry, report).await? {
                report.add(track, entry.sequence, flaw);
            }
        }
    }
    let found = found.or_else(|| walk.finish(&track.head).err());
    if let Some((sequence, flaw)) = found {
        report.add(track, sequence, flaw);
    }
    let marked = marks.and_then(|marks| marks.last_key_value());
    let marked = marked.map_or(0, |(entries, _)| *entries);
    if marked > last {
        report.add(track, last, Flaw::EntryMissing);
    }
    report.unmarked += last.saturating_sub(marked);
    Ok(())
}

/// Whether an entry is the one that the ledger has at its place, if it has one.
fn meets(marks: Option<&Marks>, entry: &Entry) -> Result<(), (u64, Flaw)> {
    let marked = marks.and_then(|marks| marks.get(&(entry.sequence + 1)));
    match marked {
        Some(hash) if *hash != hex(&entry.hash) => Err((entry.sequence, Flaw::MarkDiffers)),
        Some(_) | None => Ok(()),
    }
}

async fn file_flaw(
    context: &Context,
    entry: &Entry,
    report: &mut Report,
) -> Result<Option<Flaw>, Error> {
    let Content::Segment(SegmentRef { blob, sha256, .. }) = &entry.content else {
        return Ok(None);
    };
    report.files += 1;
    match context.blobs.get(blob).await {
        Ok(file) if hex(&Sha256::digest(&file)) == *sha256 => Ok(None),
        Ok(_) => Ok(Some(Flaw::FileChanged)),
        Err(BlobError::Absent) => Ok(Some(Flaw::FileMissing)),
        Err(error) => Err(Failure::new("read a segment", error).into()),
    }
}

/// What the ledger has of a recording's chains.
async fn marks_of(
    db: &mut Connection,
    recording: RecordingId,
) -> Result<BTreeMap<RecordedTrackId, Marks>, Error> {
    let mut marks: BTreeMap<RecordedTrackId, Marks> = BTreeMap::new();
    let stream = store::ledger::find_stream(db, RECORDING_STREAM_KIND, recording.0).await?;
    let Some(stream) = stream else {
        return Ok(marks);
    };
    let mut from = 0;
    loop {
        let page = store::ledger::facts(db, stream, from, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(marks);
        };
        from = last.seq + 1;
        for stored in page {
            // A fact that was edited is the ledger's finding, not this one's.
            let fact = serde_json::from_str::<RecordedRecordingFact>(&stored.body);
            let Ok(RecordingFact::HeadsMarked { heads, .. }) = fact.map(|known| known.fact) else {
                continue;
            };
            for mark in heads {
                marks
                    .entry(mark.track)
                    .or_default()
                    .insert(mark.entries, mark.head);
            }
        }
    }
}

impl Report {
    fn add(&mut self, track: &Track, sequence: u64, flaw: Flaw) {
        self.findings.push(Finding {
            recording: track.recording,
            track: track.id,
            sequence,
            flaw,
        });
    }
}
