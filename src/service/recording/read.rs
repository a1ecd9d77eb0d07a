//! Looking at recordings: only staff of the lesson may.

use std::collections::VecDeque;

use uuid::Uuid;

use super::key_of;
use super::view::{EntryView, ListedRecording, RecordedTrackView, RecordingDetail, RecordingView};
use crate::domain::actor::Actor;
use crate::domain::id::{LessonId, RecordedTrackId, RecordingId};
use crate::domain::policy::{self, Action, OFFICERS, Resource};
use crate::domain::recording;
use crate::domain::recording::chain::{Content, SegmentRef};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::media::command::Codec;
use crate::media::matroska::{self, Block, TrackHead};
use crate::service::blobs::BlobError;
use crate::service::sealing::SealingKey;
use crate::service::{Context, Error, Failure};
use crate::store::recording::{Filter, Stored, Track};
use crate::store::{self, Connection};

/// Entries read at once.
const ENTRIES_PAGE: u32 = 1_000;
/// Tracks of one file; a further one would make it unusable.
const EXPORT_TRACKS_MAX: usize = 64;
/// Milliseconds of all tracks that an export writes at once.
const EXPORT_STEP_MS: u64 = 5_000;

/// One page of recordings.
pub type ListedRecordings = (Vec<ListedRecording>, u64);

/// A stretch of a track's chain.
#[derive(Clone, Debug)]
pub struct EntriesPage {
    /// The entries, in order.
    pub entries: Vec<EntryView>,
    /// Where to go on, if there are more.
    pub next: Option<u64>,
}

/// A segment, opened.
#[derive(Clone, Debug)]
pub struct SegmentBytes {
    /// Its media type.
    pub media_type: &'static str,
    /// The file.
    pub file: Vec<u8>,
}

/// One page of the recordings that the actor may see, the newest first.
///
/// # Errors
/// When the database is away.
pub async fn list(
    context: &Context,
    actor: &Actor,
    lesson: Option<LessonId>,
    (limit, offset): (u32, u64),
) -> Result<ListedRecordings, Error> {
    let filter = Filter {
        account: actor.account,
        officer_of: actor.scopes(OFFICERS),
        lesson,
        limit,
        offset,
    };
    let mut db = context.store.reader().await?;
    let (stored, total) = store::recording::list(&mut db, &filter).await?;
    let views = stored.into_iter().map(|(stored, title)| ListedRecording {
        recording: RecordingView::of(&stored.recording),
        title,
    });
    Ok((views.collect(), total))
}

/// A recording with its tracks. Refuses with `recording.not_found`.
///
/// # Errors
/// The refusal, or why the database did not answer.
pub async fn get(
    context: &Context,
    actor: &Actor,
    id: RecordingId,
) -> Result<RecordingDetail, Error> {
    let mut db = context.store.reader().await?;
    let (stored, title) = seen_by(&mut db, actor, id).await?;
    let tracks = store::recording::tracks(&mut db, id).await?;
    let coverage = store::recording::coverage(&mut db, id).await?;
    let identities = tracks
        .iter()
        .filter_map(|track| track.identity.parse().ok());
    let identities: Vec<Uuid> = identities.collect();
    let names = store::names::of(&mut db, &identities).await?;
    let now = context.now();
    let tracks = tracks.iter().map(|track| {
        let coverage = coverage.get(&track.id).copied().unwrap_or_default();
        RecordedTrackView::of(&stored.recording, track, coverage, &names, now)
    });
    Ok(RecordingDetail {
        recording: RecordingView::of(&stored.recording),
        title,
        tracks: tracks.collect(),
    })
}

/// Entries of a track's chain from one on. Refuses with `recording.not_found`.
///
/// # Errors
/// The refusal, or why the database did not answer.
pub async fn entries(
    context: &Context,
    actor: &Actor,
    id: RecordingId,
    track: RecordedTrackId,
    from: u64,
) -> Result<EntriesPage, Error> {
    let mut db = context.store.reader().await?;
    seen_by(&mut db, actor, id).await?;
    let known = store::recording::tracks(&mut db, id).await?;
    let known = known.into_iter().find(|known| known.id == track);
    let known = known.ok_or_else(recording::not_found)?;
    let entries = store::recording::entries(&mut db, track, from, ENTRIES_PAGE).await?;
    let after = entries.last().map(|entry| entry.sequence + 1);
    Ok(EntriesPage {
        entries: entries.iter().map(EntryView::of).collect(),
        next: after.filter(|next| *next < known.head.next_sequence),
    })
}

/// A segment, opened. Refuses with `recording.not_found` or `recording.damaged`.
///
/// # Errors
/// The refusal, or why it cannot be read.
pub async fn segment(
    context: &Context,
    actor: &Actor,
    id: RecordingId,
    track: RecordedTrackId,
    sequence: u64,
) -> Result<SegmentBytes, Error> {
    let mut db = context.store.reader().await?;
    let (stored, _) = seen_by(&mut db, actor, id).await?;
    let key = key_of(context, &stored)?;
    let entry = store::recording::segment(&mut db, id, track, sequence).await?;
    drop(db);
    let Some(Content::Segment(segment)) = entry.map(|entry| entry.content) else {
        return Err(recording::not_found().into());
    };
    Ok(SegmentBytes {
        media_type: segment.codec.media_type(),
        file: opened(context, &key, &segment).await?,
    })
}

/// Prepares the export of tracks as one file. Refuses with `recording.not_found`,
/// `recording.tracks`, `recording.empty` or `recording.mixed`.
///
/// # Errors
/// The refusal, or why it cannot be read.
pub async fn export(
    context: &Context,
    actor: &Actor,
    id: RecordingId,
    wanted: &[RecordedTrackId],
) -> Result<Export, Error> {
    let mut db = context.store.reader().await?;
    let (stored, _) = seen_by(&mut db, actor, id).await?;
    let key = key_of(context, &stored)?;
    let known = store::recording::tracks(&mut db, id).await?;
    drop(db);
    if wanted.len() > EXPORT_TRACKS_MAX {
        return Err(too_many_tracks().into());
    }
    let chosen = |track: &Track| wanted.is_empty() || wanted.contains(&track.id);
    let chosen: Vec<Track> = known.into_iter().filter(chosen).collect();
    if chosen.len() < wanted.len() {
        return Err(recording::not_found().into());
    }
    let mut export = Export {
        context: context.clone(),
        key,
        heads: Vec::new(),
        readers: Vec::new(),
        written_to_ms: 0,
        begun: false,
    };
    for track in chosen.into_iter().take(EXPORT_TRACKS_MAX) {
        export.add(track.id).await?;
    }
    if export.readers.is_empty() {
        return Err(empty().into());
    }
    Ok(export)
}

/// A file that is being made of several tracks, piece by piece.
#[derive(Debug)]
pub struct Export {
    context: Context,
    key: SealingKey,
    heads: Vec<TrackHead>,
    readers: Vec<TrackReader>,
    written_to_ms: u64,
    begun: bool,
}

/// The frames of a track, in order.
#[derive(Debug)]
struct TrackReader {
    track: RecordedTrackId,
    number: u64,
    next_sequence: u64,
    segments: VecDeque<SegmentRef>,
    blocks: VecDeque<Block>,
    done: bool,
}

impl Export {
    /// The media type of the file.
    pub fn media_type(&self) -> &'static str {
        let is_h264 = |head: &TrackHead| head.codec == Codec::H264;
        if self.heads.iter().any(is_h264) {
            "video/x-matroska"
        } else {
            "video/webm"
        }
    }

    /// The next part of the file; `None` at its end.
    ///
    /// # Errors
    /// `recording.damaged`, `recording.mixed`, or why it cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Error> {
        if !std::mem::replace(&mut self.begun, true) {
            let beginning = matroska::beginning(&self.heads);
            return Ok(Some(beginning.map_err(unwritten)?));
        }
        loop {
            let mut first = None;
            for reader in &mut self.readers {
                reader.fill(&self.context, &self.key, &self.heads).await?;
                let at = reader.blocks.front().map(|block| block.at_ms);
                first = first.into_iter().chain(at).min();
            }
            let Some(first) = first else { return Ok(None) };
            let until = self.written_to_ms.max(first) + EXPORT_STEP_MS;
            let mut blocks = Vec::new();
            for reader in &mut self.readers {
                while reader
                    .blocks
                    .front()
                    .is_some_and(|block| block.at_ms < until)
                {
                    blocks.extend(reader.blocks.pop_front());
                    reader.fill(&self.context, &self.key, &self.heads).await?;
                }
            }
            self.written_to_ms = until;
            if blocks.is_empty() {
                continue;
            }
            blocks.sort_by_key(|block| block.at_ms);
            return Ok(Some(matroska::clusters(&blocks).map_err(unwritten)?));
        }
    }

    async fn add(&mut self, track: RecordedTrackId) -> Result<(), Error> {
        let mut reader = TrackReader {
            track,
            number: self.readers.len() as u64 + 1,
            next_sequence: 0,
            segments: VecDeque::new(),
            blocks: VecDeque::new(),
            done: false,
        };
        let Some(head) = reader.load(&self.context, &self.key).await? else {
            return Ok(());
        };
        self.heads.push(head);
        self.readers.push(reader);
        Ok(())
    }
}

impl TrackReader {
    /// Makes sure that there is a block, unless the track is over.
    async fn fill(
        &mut self,
        context: &Context,
        key: &SealingKey,
        heads: &[TrackHead],
    ) -> Result<(), Error> {
        while self.blocks.is_empty() && !self.done {
            let head = self.load(context, key).await?;
            let expected = heads.get(self.number as usize - 1);
            let differs = |head: &TrackHead| expected.is_none_or(|known| known.codec != head.codec);
            if head.as_ref().is_some_and(differs) {
                return Err(mixed().into());
            }
        }
        Ok(())
    }

    /// Reads the next segment; `None` at the end.
    async fn load(
        &mut self,
        context: &Context,
        key: &SealingKey,
    ) -> Result<Option<TrackHead>, Error> {
        while self.segments.is_empty() && !self.done {
            let mut db = context.store.reader().await?;
            let from = self.next_sequence;
            let page = store::recording::entries(&mut db, self.track, from, ENTRIES_PAGE).await?;
            self.done = page.is_empty();
            for entry in page {
                self.next_sequence = entry.sequence + 1;
                if let Content::Segment(segment) = entry.content {
                    self.segments.push_back(segment);
                }
            }
        }
        let Some(segment) = self.segments.pop_front() else {
            return Ok(None);
        };
        let file = opened(context, key, &segment).await?;
        let (heads, blocks) = matroska::read(&file).map_err(|_| damaged())?;
        let number = self.number;
        self.blocks.extend(blocks.into_iter().map(|block| Block {
            track: number,
            ..block
        }));
        Ok(heads.into_iter().next())
    }
}

/// A recording that the actor may see, and the title of its lesson; otherwise it is as if there
/// were none.
async fn seen_by(
    db: &mut Connection,
    actor: &Actor,
    id: RecordingId,
) -> Result<(Stored, String), Error> {
    let stored = store::recording::find(db, id).await?;
    let stored = stored.ok_or_else(recording::not_found)?;
    let lesson = store::lesson::find_listed(db, &[stored.recording.lesson()]).await?;
    let listed = lesson.into_iter().next().ok_or_else(recording::not_found)?;
    let resource = Resource::Lesson {
        unit: &listed.unit_path,
        teacher: listed.lesson.teacher(),
        enrolled: false,
    };
    if !policy::may(actor, Action::RunLesson, resource) {
        return Err(recording::not_found().into());
    }
    let title = listed.lesson.plan().title.clone();
    Ok((stored, title))
}

/// The file of a segment.
async fn opened(
    context: &Context,
    key: &SealingKey,
    segment: &SegmentRef,
) -> Result<Vec<u8>, Error> {
    match context.blobs.get_opened(&segment.blob, key).await {
        Ok(file) => Ok(file),
        Err(BlobError::Absent | BlobError::Unopened(_)) => Err(damaged().into()),
        Err(error) => Err(Failure::new("read a segment", error).into()),
    }
}

fn unwritten(error: matroska::Unwritable) -> Error {
    Failure::new("write a file", error).into()
}

fn damaged() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "recording.damaged",
        "录制文件缺失或已损坏，请运行录制校验并联系管理员",
        "the file of the recording is missing or damaged; verify the recording",
    )
}

fn mixed() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "recording.mixed",
        "该轨道中途更换了编码，不能合成一个文件，请逐段播放",
        "the track changed its codec; it cannot be one file, but plays segment by segment",
    )
}

fn empty() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "recording.empty",
        "没有可导出的内容",
        "there is nothing to export",
    )
}

fn too_many_tracks() -> Refusal {
    Refusal::new(
        RefusalKind::Invalid,
        "recording.tracks",
        "一次最多导出 64 条轨道",
        "at most 64 tracks can be exported at once",
    )
}
