//! What people see of recordings, in the shapes of docs/api.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::id::{LessonId, RecordedTrackId, RecordingId};
use crate::domain::recording::chain::{Content, Coverage, Entry, GapCause};
use crate::domain::recording::{
    self, Account, EndCause, Incident, IncidentKind, Recording, RecordingState,
};
use crate::store::recording::Track;

/// A recording.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RecordingView {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: RecordingId,
    /// Of which lesson.
    #[schema(value_type = Uuid)]
    pub lesson_id: LessonId,
    /// `running`, `paused`, `ending` (what was heard is still being written), `ended`.
    pub state: &'static str,
    /// When it began; times in its files count from here.
    pub started_at: DateTime<Utc>,
    /// When it was ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    /// Why: `stopped` or `session_over`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub end_cause: Option<EndCause>,
    /// What staff left out.
    pub pauses: Vec<PauseView>,
    /// What went wrong.
    pub incidents: Vec<IncidentView>,
}

/// A stretch that staff left out.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PauseView {
    /// From when.
    pub from: DateTime<Utc>,
    /// Until when, once it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<DateTime<Utc>>,
    /// What staff said.
    pub reason: String,
}

/// Something that went wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IncidentView {
    /// `storage_full`, `storage_failed`, `overload`, `too_many_tracks`, `recorder_restarted`.
    #[schema(value_type = String)]
    pub incident: IncidentKind,
    /// From when.
    pub from: DateTime<Utc>,
    /// Until when, once it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<DateTime<Utc>>,
}

/// A recording in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ListedRecording {
    /// The recording.
    #[serde(flatten)]
    pub recording: RecordingView,
    /// Title of the lesson.
    pub title: String,
}

/// A recording with its tracks.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RecordingDetail {
    /// The recording.
    #[serde(flatten)]
    pub recording: RecordingView,
    /// Title of the lesson.
    pub title: String,
    /// Its tracks, in the order of their opening.
    pub tracks: Vec<RecordedTrackView>,
}

/// A track of a recording.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RecordedTrackView {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: RecordedTrackId,
    /// Whose: the identity in the room.
    pub identity: String,
    /// The person's name, where the identity is an account's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `camera`, `microphone`, `screen_share`, `screen_share_audio`.
    pub source: String,
    /// When it was first on.
    pub opened_at: DateTime<Utc>,
    /// Until when it is told what became of it.
    pub covered_to: DateTime<Utc>,
    /// Entries of its chain.
    pub entries: u64,
    /// Milliseconds of which neither a segment nor a gap with a cause tells: zero unless something
    /// is wrong.
    pub uncovered_ms: u64,
    /// How much of it is there.
    #[serde(flatten)]
    pub coverage: CoverageView,
}

/// How much of a track is there.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct CoverageView {
    /// Milliseconds in segments.
    pub recorded_ms: u64,
    /// Milliseconds in which it was off or the recording was paused.
    pub off_ms: u64,
    /// Milliseconds that are missing, each with its cause.
    pub lost_ms: u64,
}

/// An entry of a track's chain: a segment or a gap.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EntryView {
    /// Place in the chain.
    pub sequence: u64,
    /// From when.
    pub from: DateTime<Utc>,
    /// Until when.
    pub to: DateTime<Utc>,
    /// The entry's hash, hexadecimal.
    pub hash: String,
    /// The segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<SegmentView>,
    /// Why nothing is there: `off`, `paused`, `unseen`, `transport`, `tap_lost`,
    /// `recorder_restarted`, `storage_full`, `storage_failed`, `overload`, `unrecordable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub gap: Option<GapCause>,
}

/// A segment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SegmentView {
    /// Its media type, for players.
    pub media_type: &'static str,
    /// It plays by itself.
    pub independent: bool,
    /// Bytes on the disk, sealed.
    pub bytes: u64,
    /// SHA-256 of them, hexadecimal.
    pub sha256: String,
}

impl RecordingView {
    /// A recording as staff see it.
    pub fn of(recording: &Recording) -> Self {
        let end_cause = match recording.state() {
            RecordingState::Ending { cause, .. } | RecordingState::Ended { cause, .. } => {
                Some(cause)
            }
            RecordingState::Running | RecordingState::Paused { .. } => None,
        };
        let pauses = recording.pauses().iter().map(|pause| PauseView {
            from: pause.from,
            to: pause.to,
            reason: pause.reason.clone(),
        });
        Self {
            id: recording.id(),
            lesson_id: recording.lesson(),
            state: state_name(recording.state()),
            started_at: recording.started_at(),
            ended_at: recording.ended_at(),
            end_cause,
            pauses: pauses.collect(),
            incidents: recording.incidents().iter().map(IncidentView::of).collect(),
        }
    }
}

impl IncidentView {
    fn of(known: &Incident) -> Self {
        Self {
            incident: known.incident,
            from: known.from,
            to: known.to,
        }
    }
}

impl RecordedTrackView {
    pub(super) fn of(
        recording: &Recording,
        track: &Track,
        coverage: Coverage,
        names: &BTreeMap<Uuid, String>,
        now: DateTime<Utc>,
    ) -> Self {
        let account = Account {
            head: &track.head,
            is_live: track.is_live,
        };
        let identity = track.identity.parse::<Uuid>().ok();
        Self {
            id: track.id,
            identity: track.identity.clone(),
            name: identity.and_then(|id| names.get(&id).cloned()),
            source: track.source.clone(),
            opened_at: track.opened_at,
            covered_to: track.head.covered_to,
            entries: track.head.next_sequence,
            uncovered_ms: milliseconds(recording::uncovered(recording, &account, now)),
            coverage: CoverageView {
                recorded_ms: coverage.recorded_ms,
                off_ms: coverage.off_ms,
                lost_ms: coverage.lost_ms,
            },
        }
    }
}

impl EntryView {
    pub(super) fn of(entry: &Entry) -> Self {
        let (segment, gap) = match &entry.content {
            Content::Segment(segment) => {
                let segment = SegmentView {
                    media_type: segment.codec.media_type(),
                    independent: segment.independent,
                    bytes: segment.bytes,
                    sha256: segment.sha256.clone(),
                };
                (Some(segment), None)
            }
            Content::Gap { cause } => (None, Some(*cause)),
        };
        Self {
            sequence: entry.sequence,
            from: entry.from,
            to: entry.to,
            hash: super::hex(&entry.hash),
            segment,
            gap,
        }
    }
}

fn state_name(state: RecordingState) -> &'static str {
    match state {
        RecordingState::Running => "running",
        RecordingState::Paused { .. } => "paused",
        RecordingState::Ending { .. } => "ending",
        RecordingState::Ended { .. } => "ended",
    }
}

fn milliseconds(time: TimeDelta) -> u64 {
    u64::try_from(time.num_milliseconds()).unwrap_or(0)
}
