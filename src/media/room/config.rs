//! What a room is made with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};

use crate::domain::entropy::Entropy;
use crate::domain::id::{LegId, RoomId, SourceId, TransportId};
use crate::media::command::Fingerprint;
use crate::media::placement::Shards;

/// Counters of live ids, one set for the whole process, so that rooms may share media threads.
#[derive(Debug, Default)]
pub struct LiveIds {
    transports: AtomicU64,
    sources: AtomicU64,
    legs: AtomicU64,
}

impl LiveIds {
    /// A transport id never given before, from 1.
    pub fn transport(&self) -> TransportId {
        TransportId(next(&self.transports))
    }

    /// A source id never given before, from 1.
    pub fn source(&self) -> SourceId {
        SourceId(next(&self.sources))
    }

    /// A leg id never given before, from 1.
    pub fn leg(&self) -> LegId {
        LegId(next(&self.legs))
    }
}

fn next(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::Relaxed) + 1
}

/// Bounds of one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomLimits {
    /// Participants at once; a further one is turned away.
    pub participants_max: usize,
    /// Tracks of one participant at once, announced ones included.
    pub tracks_per_participant_max: usize,
    /// Metadata of a participant or of the room, bytes.
    pub metadata_bytes_max: usize,
    /// Keys and values of a participant's attributes together, bytes.
    pub attributes_bytes_max: usize,
    /// A participant's or a track's name, bytes.
    pub name_bytes_max: usize,
}

impl Default for RoomLimits {
    fn default() -> Self {
        Self {
            participants_max: 4_000,
            tracks_per_participant_max: 16,
            metadata_bytes_max: 64 * 1024,
            attributes_bytes_max: 64 * 1024,
            name_bytes_max: 1_024,
        }
    }
}

/// What a room is made with.
#[derive(Clone)]
pub struct RoomConfig {
    /// Its id.
    pub id: RoomId,
    /// Its name.
    pub name: String,
    /// When it opened.
    pub created_at: DateTime<Utc>,
    /// The media threads, and where clients reach them.
    pub shards: Shards,
    /// Our DTLS certificate's.
    pub fingerprint: Fingerprint,
    /// The process's counters.
    pub live_ids: Arc<LiveIds>,
    /// Chance.
    pub entropy: Arc<dyn Entropy>,
    /// Bounds.
    pub limits: RoomLimits,
}

impl std::fmt::Debug for RoomConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoomConfig")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
