//! What the recorder holds of one recording while it writes: the key, and where each chain stands.
//!
//! A piece is first kept, which puts its file on the disk, and then appended, which makes it
//! count. What cannot be kept becomes a gap with its cause; what cannot be appended may be tried
//! again, and is never appended twice.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{hex, key_of, record};
use crate::domain::id::{RecordedTrackId, RecordingId};
use crate::domain::recording::chain::{Content, GapCause, Head, SegmentRef};
use crate::domain::recording::{
    self, IncidentKind, MARK_EVERY, Mark, RecordingCommand, RecordingFact, TRACKS_MAX,
};
use crate::media::cutter::{Matter, Piece};
use crate::service::blobs::BlobError;
use crate::service::sealing::SealingKey;
use crate::service::{Context, Error};
use crate::store::recording::Track;
use crate::store::{self, Connection};

/// See the module.
#[derive(Debug)]
pub struct Tape {
    recording: RecordingId,
    key: SealingKey,
    together_max: usize,
    chains: Chains,
    /// The chains are to be read anew: nobody knows whether the last append came through.
    stale: bool,
}

#[derive(Clone, Debug)]
struct Chains {
    tracks: BTreeMap<Name, Track>,
    marked_at: DateTime<Utc>,
}

/// Whose track, and of what.
type Name = (String, String);

/// A track that has a chain already.
#[derive(Clone, Debug)]
pub struct Known {
    /// Whose: the identity in the room.
    pub identity: String,
    /// What it shows.
    pub source: String,
    /// Until when it is told.
    pub covered_to: DateTime<Utc>,
    /// It was on when it was told last.
    pub is_live: bool,
}

/// A piece of a track to be written.
#[derive(Clone, Debug)]
pub struct Item {
    /// Whose: the identity in the room.
    pub identity: String,
    /// What it shows.
    pub source: String,
    /// When the track was first on; matters for its first piece alone.
    pub opened_at: DateTime<Utc>,
    /// The piece.
    pub piece: Piece,
    /// The track is on after it.
    pub is_live: bool,
}

/// A piece whose file is on the disk.
#[derive(Clone, Debug)]
pub struct Kept {
    identity: String,
    source: String,
    opened_at: DateTime<Utc>,
    to: DateTime<Utc>,
    content: Content,
    is_live: bool,
    /// Why its file is not there.
    pub trouble: Option<IncidentKind>,
}

impl Kept {
    /// Whether it has a file.
    pub fn is_segment(&self) -> bool {
        matches!(self.content, Content::Segment(_))
    }
}

impl Tape {
    /// The tape of a recording.
    ///
    /// # Errors
    /// When there is none, its key does not open, or the database is away.
    pub async fn open(context: &Context, recording: RecordingId) -> Result<Self, Error> {
        let mut db = context.store.reader().await?;
        let stored = store::recording::find(&mut db, recording).await?;
        let stored = stored.ok_or_else(recording::not_found)?;
        let lesson = store::lesson::find(&mut db, stored.recording.lesson()).await?;
        let figures = lesson.map(|lesson| lesson.policy().figures().together_max);
        let together_max = figures.and_then(|max| usize::try_from(max).ok());
        Ok(Self {
            recording,
            key: key_of(context, &stored)?,
            together_max: together_max.unwrap_or(usize::MAX),
            chains: Chains::read(&mut db, recording, stored.marked_at).await?,
            stale: false,
        })
    }

    /// With more participants, learners without the floor are not recorded.
    pub fn together_max(&self) -> usize {
        self.together_max
    }

    /// The tracks that were recorded so far.
    pub fn known(&self) -> Vec<Known> {
        let tracks = self.chains.tracks.values();
        let known = tracks.map(|track| Known {
            identity: track.identity.clone(),
            source: track.source.clone(),
            covered_to: track.head.covered_to,
            is_live: track.is_live,
        });
        known.collect()
    }

    /// Puts a piece's file on the disk. One that finds no place becomes a gap.
    pub async fn keep(&self, context: &Context, item: Item) -> Kept {
        let to = item.piece.to;
        let (content, trouble) = match item.piece.matter {
            Matter::Gap(cause) => (Content::Gap { cause }, None),
            Matter::Segment {
                codec,
                independent,
                file,
            } => {
                let blob = self.blob_name(context, to);
                let entropy = &*context.entropy;
                let put = context.blobs.put_sealed(&blob, &self.key, &file, entropy);
                match put.await {
                    Ok(stored) => {
                        let segment = SegmentRef {
                            codec,
                            independent,
                            bytes: stored.bytes,
                            sha256: hex(&stored.sha256),
                            blob,
                        };
                        (Content::Segment(segment), None)
                    }
                    Err(error) => {
                        let (cause, incident) = trouble_of(&error);
                        tracing::error!(%error, recording = %self.recording,
                            "a segment is given up");
                        (Content::Gap { cause }, Some(incident))
                    }
                }
            }
        };
        Kept {
            identity: item.identity,
            source: item.source,
            opened_at: item.opened_at,
            to,
            content,
            is_live: item.is_live,
            trouble,
        }
    }

    /// Appends pieces in order, and what follows for the ledger, in one transaction.
    ///
    /// # Errors
    /// When the database is away: the same pieces may be offered again.
    pub async fn append(&mut self, context: &Context, kept: &[Kept]) -> Result<(), Error> {
        let stale = std::mem::replace(&mut self.stale, true);
        let now = context.now();
        let mut transaction = context.store.begin().await?;
        let stored = store::recording::lock(&mut transaction, self.recording).await?;
        let stored = stored.ok_or_else(recording::not_found)?;
        let mut chains = if stale {
            Chains::read(&mut transaction, self.recording, stored.marked_at).await?
        } else {
            self.chains.clone()
        };
        let mut facts = Vec::new();
        for kept in kept {
            let opened = self.append_one(context, &mut transaction, &mut chains, kept);
            facts.extend(opened.await?);
        }
        if now - chains.marked_at >= MARK_EVERY {
            facts.extend(chains.mark(&mut transaction, self.recording, now).await?);
        }
        if !facts.is_empty() {
            record(context, &mut transaction, self.recording, None, now, facts).await?;
        }
        transaction.commit().await?;
        (self.chains, self.stale) = (chains, false);
        Ok(())
    }

    /// Everything is written: marks all chains, and the recording is ended.
    ///
    /// # Errors
    /// When the database is away: it may be tried again.
    pub async fn finish(&mut self, context: &Context) -> Result<(), Error> {
        let now = context.now();
        let mut transaction = context.store.begin().await?;
        let stored = store::recording::lock(&mut transaction, self.recording).await?;
        let stored = stored.ok_or_else(recording::not_found)?;
        let mut recording = stored.recording;
        let ended = recording.decide(&RecordingCommand::Written, now)?;
        ended.iter().for_each(|fact| recording.apply(fact));
        let chains = Chains::read(&mut transaction, self.recording, stored.marked_at);
        let mut chains = chains.await?;
        let mut facts = chains.mark(&mut transaction, self.recording, now).await?;
        facts.extend(ended);
        store::recording::update(&mut transaction, &recording).await?;
        super::announce(context, &mut transaction, &recording).await?;
        record(context, &mut transaction, self.recording, None, now, facts).await?;
        crate::service::outbox::commit(context, transaction).await
    }

    async fn append_one(
        &self,
        context: &Context,
        db: &mut Connection,
        chains: &mut Chains,
        kept: &Kept,
    ) -> Result<Option<RecordingFact>, Error> {
        let name = (kept.identity.clone(), kept.source.clone());
        let mut opened = None;
        if !chains.tracks.contains_key(&name) {
            if chains.tracks.len() >= TRACKS_MAX {
                return Ok(None);
            }
            let track = self.new_track(context, kept);
            store::recording::insert_track(db, &track).await?;
            opened = Some(RecordingFact::TrackOpened {
                track: track.id,
                identity: track.identity.clone(),
                source: track.source.clone(),
                at: track.opened_at,
            });
            chains.tracks.insert(name.clone(), track);
        }
        let Some(track) = chains.tracks.get_mut(&name) else {
            return Ok(opened);
        };
        if kept.to <= track.head.covered_to {
            // It was appended before, though nobody was told.
            return Ok(opened);
        }
        let (entry, head) = track.head.chain(track.id, kept.to, kept.content.clone());
        (track.head, track.is_live) = (head, kept.is_live);
        store::recording::append(db, track.id, &[entry], &track.head, track.is_live).await?;
        Ok(opened)
    }

    fn new_track(&self, context: &Context, kept: &Kept) -> Track {
        let id = RecordedTrackId::new(context.now(), &*context.entropy);
        let head = Head::genesis(self.recording, id, kept.opened_at);
        Track {
            id,
            recording: self.recording,
            identity: kept.identity.clone(),
            source: kept.source.clone(),
            opened_at: head.covered_to,
            is_live: kept.is_live,
            head,
            marked_sequence: 0,
        }
    }

    /// A name that no other segment has: a crash may leave a file that nothing names.
    fn blob_name(&self, context: &Context, to: DateTime<Utc>) -> String {
        let mut chance = [0; 8];
        context.entropy.fill(&mut chance);
        let (at, chance) = (to.timestamp_millis(), hex(&chance));
        format!("recordings/{}/{at}-{chance}", self.recording)
    }
}

impl Chains {
    async fn read(
        db: &mut Connection,
        recording: RecordingId,
        marked_at: DateTime<Utc>,
    ) -> Result<Self, Error> {
        let tracks = store::recording::tracks(db, recording).await?;
        let named = tracks.into_iter().map(|track| {
            let name = (track.identity.clone(), track.source.clone());
            (name, track)
        });
        Ok(Self {
            tracks: named.collect(),
            marked_at,
        })
    }

    /// Tells the ledger where the chains stand that grew.
    async fn mark(
        &mut self,
        db: &mut Connection,
        recording: RecordingId,
        now: DateTime<Utc>,
    ) -> Result<Vec<RecordingFact>, Error> {
        self.marked_at = now;
        let tracks = self.tracks.values_mut();
        let grown = tracks.filter(|track| track.head.next_sequence > track.marked_sequence);
        let heads: Vec<Mark> = grown
            .map(|track| {
                track.marked_sequence = track.head.next_sequence;
                Mark {
                    track: track.id,
                    entries: track.head.next_sequence,
                    head: hex(&track.head.hash),
                }
            })
            .collect();
        store::recording::note_marked(db, recording, now).await?;
        if heads.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![RecordingFact::HeadsMarked { at: now, heads }])
    }
}

fn trouble_of(error: &BlobError) -> (GapCause, IncidentKind) {
    match error {
        BlobError::Full(_) => (GapCause::StorageFull, IncidentKind::StorageFull),
        BlobError::Absent
        | BlobError::Taken
        | BlobError::Unopened(_)
        | BlobError::Name(_)
        | BlobError::Io(_) => (GapCause::StorageFailed, IncidentKind::StorageFailed),
    }
}
