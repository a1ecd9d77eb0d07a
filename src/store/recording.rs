//! Recordings, their tracks, and what is kept of each.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Connection, Error, Failure, unreadable};
use crate::domain::id::{AccountId, LessonId, RecordedTrackId, RecordingId, UnitId};
use crate::domain::recording::chain::{Content, Coverage, Entry, Head};
use crate::domain::recording::{Recording, RecordingState};

/// A recording with its sealed key.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The recording.
    pub recording: Recording,
    /// The key of its files, sealed.
    pub wrapped_key: Vec<u8>,
    /// When the heads of its chains went into the ledger last.
    pub marked_at: DateTime<Utc>,
}

/// A recorded track as stored.
#[derive(Clone, Debug)]
pub struct Track {
    /// Its id.
    pub id: RecordedTrackId,
    /// Of which recording.
    pub recording: RecordingId,
    /// Whose: the identity in the room.
    pub identity: String,
    /// What it shows.
    pub source: String,
    /// When it was first on.
    pub opened_at: DateTime<Utc>,
    /// It is on.
    pub is_live: bool,
    /// Where its chain stands.
    pub head: Head,
    /// How many entries the ledger knows of.
    pub marked_sequence: u64,
}

/// Which recordings to list, one page, the newest first.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Who asks: teaches the lesson ...
    pub account: AccountId,
    /// ... or runs one of these units or one above.
    pub officer_of: Vec<UnitId>,
    /// Of this lesson alone.
    pub lesson: Option<LessonId>,
    /// Rows on a page.
    pub limit: u32,
    /// Rows before the page.
    pub offset: u64,
}

struct Row {
    state: Value,
    wrapped_key: Vec<u8>,
    marked_at: DateTime<Utc>,
}

impl Row {
    fn into_stored(self) -> Result<Stored, Error> {
        Ok(Stored {
            recording: serde_json::from_value(self.state)
                .map_err(|error| unreadable(error.to_string()))?,
            wrapped_key: self.wrapped_key,
            marked_at: self.marked_at,
        })
    }
}

struct TrackRow {
    id: Uuid,
    recording_id: Uuid,
    identity: String,
    source: String,
    opened_at: DateTime<Utc>,
    is_live: bool,
    next_sequence: i64,
    head_hash: Vec<u8>,
    covered_to: DateTime<Utc>,
    marked_sequence: i64,
}

impl TrackRow {
    fn into_track(self) -> Result<Track, Error> {
        Ok(Track {
            id: RecordedTrackId(self.id),
            recording: RecordingId(self.recording_id),
            identity: self.identity,
            source: self.source,
            opened_at: self.opened_at,
            is_live: self.is_live,
            head: Head {
                next_sequence: count(self.next_sequence)?,
                hash: self.head_hash,
                covered_to: self.covered_to,
            },
            marked_sequence: count(self.marked_sequence)?,
        })
    }
}

struct EntryRow {
    sequence: i64,
    from_at: DateTime<Utc>,
    to_at: DateTime<Utc>,
    content: Value,
    previous_hash: Vec<u8>,
    hash: Vec<u8>,
}

impl EntryRow {
    fn into_entry(self) -> Result<Entry, Error> {
        Ok(Entry {
            sequence: count(self.sequence)?,
            from: self.from_at,
            to: self.to_at,
            content: serde_json::from_value(self.content)
                .map_err(|error| unreadable(error.to_string()))?,
            previous: self.previous_hash,
            hash: self.hash,
        })
    }
}

fn count(stored: i64) -> Result<u64, Error> {
    u64::try_from(stored).map_err(|error| unreadable(error.to_string()))
}

fn place(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}

fn phase(recording: &Recording) -> &'static str {
    match recording.state() {
        RecordingState::Running => "running",
        RecordingState::Paused { .. } => "paused",
        RecordingState::Ending { .. } => "ending",
        RecordingState::Ended { .. } => "ended",
    }
}

fn written<T: serde::Serialize>(value: &T) -> Result<Value, Error> {
    serde_json::to_value(value)
        .map_err(|source| Error::Failed(Failure::new("write a recording", source)))
}

/// Adds a recording. Refuses a second one that is open for a lesson.
pub async fn insert(
    db: &mut Connection,
    recording: &Recording,
    wrapped_key: &[u8],
) -> Result<(), Error> {
    sqlx::query!(
        "insert into recording (id, lesson_id, unit_id, phase, state, wrapped_key, started_at, \
             marked_at) values ($1, $2, $3, $4, $5, $6, $7, $7)",
        recording.id().0,
        recording.lesson().0,
        recording.unit().0,
        phase(recording),
        written(recording)?,
        wrapped_key,
        recording.started_at(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes a recording's present state.
pub async fn update(db: &mut Connection, recording: &Recording) -> Result<(), Error> {
    sqlx::query!(
        "update recording set phase = $2, state = $3, ended_at = $4 where id = $1",
        recording.id().0,
        phase(recording),
        written(recording)?,
        recording.ended_at(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The recording of this id.
pub async fn find(db: &mut Connection, id: RecordingId) -> Result<Option<Stored>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select state, wrapped_key, marked_at from recording where id = $1",
        id.0,
    )
    .fetch_optional(db)
    .await?;
    row.map(Row::into_stored).transpose()
}

/// The recording of this id, locked until the transaction ends. Lock it before tracks and the
/// ledger.
pub async fn lock(db: &mut Connection, id: RecordingId) -> Result<Option<Stored>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select state, wrapped_key, marked_at from recording where id = $1 for update",
        id.0,
    )
    .fetch_optional(db)
    .await?;
    row.map(Row::into_stored).transpose()
}

/// The recording of a lesson that is not ended, if there is one.
pub async fn open_of(db: &mut Connection, lesson: LessonId) -> Result<Option<RecordingId>, Error> {
    let id = sqlx::query_scalar!(
        "select id from recording where lesson_id = $1 and phase <> 'ended'",
        lesson.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(id.map(RecordingId))
}

/// All recordings that are not ended, the oldest first.
pub async fn open(db: &mut Connection) -> Result<Vec<Stored>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "select state, wrapped_key, marked_at from recording where phase <> 'ended' \
         order by started_at, id",
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Row::into_stored).collect()
}

/// All recordings, the oldest first.
pub async fn ids(db: &mut Connection) -> Result<Vec<RecordingId>, Error> {
    let ids = sqlx::query_scalar!("select id from recording order by started_at, id")
        .fetch_all(db)
        .await?;
    Ok(ids.into_iter().map(RecordingId).collect())
}

/// A recording and the title of its lesson.
pub type Titled = (Stored, String);

/// One page of recordings, and how many there are on all pages.
pub async fn list(db: &mut Connection, filter: &Filter) -> Result<(Vec<Titled>, u64), Error> {
    let officer_of: Vec<Uuid> = filter.officer_of.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select r.state, r.wrapped_key, r.marked_at, l.title, count(*) over () as "total!"
           from recording r join unit u on u.id = r.unit_id join lesson l on l.id = r.lesson_id
           where (l.teacher_id = $1 or u.path && $2)
               and ($3::uuid is null or r.lesson_id = $3)
           order by r.started_at desc, r.id limit $4 offset $5"#,
        filter.account.0,
        &officer_of,
        filter.lesson.map(|id| id.0),
        i64::from(filter.limit),
        i64::try_from(filter.offset).unwrap_or(i64::MAX),
    )
    .fetch_all(db)
    .await?;
    let total = rows.first().map_or(Ok(0), |row| count(row.total))?;
    let stored = rows.into_iter().map(|row| {
        let stored = Row {
            state: row.state,
            wrapped_key: row.wrapped_key,
            marked_at: row.marked_at,
        };
        Ok((stored.into_stored()?, row.title))
    });
    Ok((stored.collect::<Result<_, Error>>()?, total))
}

/// Adds a track.
pub async fn insert_track(db: &mut Connection, track: &Track) -> Result<(), Error> {
    sqlx::query!(
        "insert into recording_track (id, recording_id, identity, source, opened_at, is_live, \
             next_sequence, head_hash, covered_to) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        track.id.0,
        track.recording.0,
        track.identity,
        track.source,
        track.opened_at,
        track.is_live,
        place(track.head.next_sequence),
        track.head.hash,
        track.head.covered_to,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The tracks of a recording, in the order of their opening.
pub async fn tracks(db: &mut Connection, recording: RecordingId) -> Result<Vec<Track>, Error> {
    let rows = sqlx::query_as!(
        TrackRow,
        "select id, recording_id, identity, source, opened_at, is_live, next_sequence, \
             head_hash, covered_to, marked_sequence from recording_track \
         where recording_id = $1 order by opened_at, id",
        recording.0,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(TrackRow::into_track).collect()
}

/// Adds entries to a track's chain, which is at `head` with them.
pub async fn append(
    db: &mut Connection,
    track: RecordedTrackId,
    entries: &[Entry],
    head: &Head,
    is_live: bool,
) -> Result<(), Error> {
    for entry in entries {
        sqlx::query!(
            "insert into recording_entry (track_id, sequence, from_at, to_at, content, \
                 previous_hash, hash) values ($1, $2, $3, $4, $5, $6, $7)",
            track.0,
            place(entry.sequence),
            entry.from,
            entry.to,
            written(&entry.content)?,
            entry.previous,
            entry.hash,
        )
        .execute(&mut *db)
        .await?;
    }
    sqlx::query!(
        "update recording_track set next_sequence = $2, head_hash = $3, covered_to = $4, \
             is_live = $5 where id = $1",
        track.0,
        place(head.next_sequence),
        head.hash,
        head.covered_to,
        is_live,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Notes that the ledger knows the heads of a recording's chains.
pub async fn note_marked(
    db: &mut Connection,
    recording: RecordingId,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "update recording_track set marked_sequence = next_sequence where recording_id = $1",
        recording.0,
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "update recording set marked_at = $2 where id = $1",
        recording.0,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// How much of each track of a recording is there.
pub async fn coverage(
    db: &mut Connection,
    recording: RecordingId,
) -> Result<BTreeMap<RecordedTrackId, Coverage>, Error> {
    let rows = sqlx::query!(
        r#"select e.track_id, e.content->>'cause' as cause,
               (extract(epoch from sum(e.to_at - e.from_at)) * 1000)::bigint as "ms!"
           from recording_entry e join recording_track t on t.id = e.track_id
           where t.recording_id = $1 group by e.track_id, e.content->>'cause'"#,
        recording.0,
    )
    .fetch_all(db)
    .await?;
    let mut covered: BTreeMap<RecordedTrackId, Coverage> = BTreeMap::new();
    for row in rows {
        let cause = row.cause.map(Value::from).map(serde_json::from_value);
        let cause = cause
            .transpose()
            .map_err(|error| unreadable(error.to_string()))?;
        let coverage = covered.entry(RecordedTrackId(row.track_id)).or_default();
        coverage.add_ms(count(row.ms)?, cause);
    }
    Ok(covered)
}

/// Entries of a track from one on, in order.
pub async fn entries(
    db: &mut Connection,
    track: RecordedTrackId,
    from: u64,
    limit: u32,
) -> Result<Vec<Entry>, Error> {
    let rows = sqlx::query_as!(
        EntryRow,
        "select sequence, from_at, to_at, content, previous_hash, hash from recording_entry \
         where track_id = $1 and sequence >= $2 order by sequence limit $3",
        track.0,
        place(from),
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(EntryRow::into_entry).collect()
}

/// The segment of a track at a place in its chain.
pub async fn segment(
    db: &mut Connection,
    recording: RecordingId,
    track: RecordedTrackId,
    sequence: u64,
) -> Result<Option<Entry>, Error> {
    let row = sqlx::query_as!(
        EntryRow,
        "select e.sequence, e.from_at, e.to_at, e.content, e.previous_hash, e.hash \
         from recording_entry e join recording_track t on t.id = e.track_id \
         where t.recording_id = $1 and e.track_id = $2 and e.sequence = $3",
        recording.0,
        track.0,
        place(sequence),
    )
    .fetch_optional(db)
    .await?;
    let entry = row.map(EntryRow::into_entry).transpose()?;
    Ok(entry.filter(|entry| matches!(entry.content, Content::Segment(_))))
}
