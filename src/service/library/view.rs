//! What clients see of films.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::id::{FilmId, UnitId};
use crate::domain::library::film::{FilmState, Unfit};
use crate::service::Context;
use crate::store::film::Listed;

/// A film of the library.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FilmView {
    /// Its id; also that of its upload.
    #[schema(value_type = uuid::Uuid)]
    pub id: FilmId,
    /// Its title.
    pub title: String,
    /// Whose.
    #[schema(value_type = uuid::Uuid)]
    pub unit_id: UnitId,
    /// Name of that unit.
    pub unit_name: String,
    /// Name of who brought it.
    pub owner_name: String,
    /// `uploading`, `uploaded`, `queued`, `importing`, `ready` or `refused`.
    pub state: &'static str,
    /// Bytes of the file.
    pub length: u64,
    /// Bytes that have come.
    pub received: u64,
    /// How far the import is, 0 to 100.
    pub percent: u8,
    /// Whether it waits for a server that can import it.
    pub waits_for_importer: bool,
    /// Why it is refused.
    #[schema(value_type = Option<String>)]
    pub reason: Option<Unfit>,
    /// How long it plays, milliseconds.
    pub duration_ms: Option<u64>,
    /// Whether there is a picture.
    pub picture: bool,
    /// Lessons that show it.
    pub lessons: u32,
    /// An unfinished upload is given up at this moment.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
}

impl FilmView {
    /// The view of a film.
    pub fn of(listed: &Listed, context: &Context) -> Self {
        let film = &listed.film;
        let state = film.state();
        let percent = match state {
            FilmState::Importing { percent, .. } => *percent,
            FilmState::Ready { .. } => 100,
            FilmState::Uploading { .. }
            | FilmState::Uploaded { .. }
            | FilmState::Queued { .. }
            | FilmState::Refused { .. }
            | FilmState::Removed => 0,
        };
        let reason = match state {
            FilmState::Refused { reason } => Some(*reason),
            FilmState::Uploading { .. }
            | FilmState::Uploaded { .. }
            | FilmState::Queued { .. }
            | FilmState::Importing { .. }
            | FilmState::Ready { .. }
            | FilmState::Removed => None,
        };
        let waits = matches!(state, FilmState::Uploaded { .. } | FilmState::Queued { .. });
        let sound_alone = |cut: &crate::domain::library::cut::Cut| {
            cut.renditions == [crate::domain::library::cut::Rendition::Sound]
        };
        Self {
            id: film.id(),
            title: film.title().to_owned(),
            unit_id: film.unit(),
            unit_name: listed.unit.name.clone(),
            owner_name: listed.owner_name.clone(),
            state: state.name(),
            length: film.length(),
            received: film
                .upload()
                .map_or(film.length(), |(received, _)| received),
            percent,
            waits_for_importer: waits && !context.library.has_importer(),
            reason,
            duration_ms: film.cut().map(|cut| cut.duration_ms),
            picture: film.cut().is_some_and(|cut| !sound_alone(cut)),
            lessons: listed.lessons,
            expires_at: film.upload().map(|(_, expires_at)| expires_at),
            created_at: listed.created_at,
        }
    }
}
