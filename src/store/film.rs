//! Films of the library.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Connection, Error, Failure, unit, unreadable};
use crate::domain::id::{AccountId, FilmId, UnitId};
use crate::domain::library::film::{Film, Held};
use crate::domain::unit::{UnitPath, UnitRef};

/// Key of the lock under which the library's bounds are checked; no other has this number.
const LIBRARY_LOCK: i64 = 60;

/// A film with the names that a list shows.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The film.
    pub film: Film,
    /// Whose.
    pub unit: UnitRef,
    /// That unit and its ancestors.
    pub unit_path: UnitPath,
    /// Name of who brought it.
    pub owner_name: String,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// Lessons that show it.
    pub lessons: u32,
}

/// Which films to list, one page, newest first.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Units of which one uses the films: theirs, and those above and below.
    pub scopes: Vec<UnitId>,
    /// Only titles that contain this.
    pub text: Option<String>,
    /// Only films that can be played.
    pub ready: bool,
    /// Rows on a page.
    pub limit: u32,
    /// Rows before the page.
    pub offset: u64,
}

fn written(film: &Film) -> Result<Value, Error> {
    serde_json::to_value(film).map_err(|source| Error::Failed(Failure::new("write a film", source)))
}

fn read(state: Value) -> Result<Film, Error> {
    serde_json::from_value(state).map_err(|error| unreadable(error.to_string()))
}

/// What the library holds, for a decision about one person's upload. Others who want to decide
/// wait until the transaction ends.
pub async fn held(db: &mut Connection, owner: AccountId) -> Result<Held, Error> {
    sqlx::query_scalar!(
        r#"select pg_advisory_xact_lock($1)::text as "locked""#,
        LIBRARY_LOCK
    )
    .fetch_one(&mut *db)
    .await?;
    let row = sqlx::query!(
        r#"select coalesce(sum(bytes), 0)::bigint as "bytes!",
               count(*) filter (where phase = 'uploading' and owner_id = $1) as "open_uploads!"
           from film where phase <> 'removed'"#,
        owner.0,
    )
    .fetch_one(db)
    .await?;
    Ok(Held {
        open_uploads: u32::try_from(row.open_uploads).unwrap_or(u32::MAX),
        bytes: u64::try_from(row.bytes).unwrap_or(0),
    })
}

/// Adds a film.
pub async fn insert(db: &mut Connection, film: &Film, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "insert into film (id, unit_id, owner_id, title, phase, state, bytes, next_deadline, \
             created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        film.id().0,
        film.unit().0,
        film.owner().0,
        film.title(),
        film.state().name(),
        written(film)?,
        i64::try_from(film.bytes()).unwrap_or(i64::MAX),
        film.next_deadline(),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes a film's present state.
pub async fn update(db: &mut Connection, film: &Film, now: DateTime<Utc>) -> Result<(), Error> {
    sqlx::query!(
        "update film set title = $2, phase = $3, state = $4, bytes = $5, next_deadline = $6, \
             queued_at = case when $3 = 'queued' then coalesce(queued_at, $7) end \
         where id = $1",
        film.id().0,
        film.title(),
        film.state().name(),
        written(film)?,
        i64::try_from(film.bytes()).unwrap_or(i64::MAX),
        film.next_deadline(),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The film of this id.
pub async fn find(db: &mut Connection, id: FilmId) -> Result<Option<Film>, Error> {
    let state = sqlx::query_scalar!("select state from film where id = $1", id.0)
        .fetch_optional(db)
        .await?;
    state.map(read).transpose()
}

/// The film of this id, locked until the transaction ends. Lock it before the ledger.
pub async fn lock(db: &mut Connection, id: FilmId) -> Result<Option<Film>, Error> {
    let state = sqlx::query_scalar!("select state from film where id = $1 for update", id.0)
        .fetch_optional(db)
        .await?;
    state.map(read).transpose()
}

/// The films of these ids with names, in the order asked.
pub async fn find_listed(db: &mut Connection, ids: &[FilmId]) -> Result<Vec<Listed>, Error> {
    let wanted: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select f.state, f.created_at, u.id as unit_id, u.name as unit_name,
               u.level as unit_level, u.path as unit_path, p.name as owner_name,
               (select count(*) from course_lesson l where l.film_id = f.id and l.present)
                   as "lessons!"
           from film f join unit u on u.id = f.unit_id
               join account a on a.id = f.owner_id join person p on p.id = a.person_id
           where f.id = any($1) order by array_position($1, f.id)"#,
        &wanted,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Listed {
                film: read(row.state)?,
                unit: unit::reference(row.unit_id, row.unit_name, row.unit_level)?,
                unit_path: unit::path(row.unit_path)?,
                owner_name: row.owner_name,
                created_at: row.created_at,
                lessons: u32::try_from(row.lessons).unwrap_or(u32::MAX),
            })
        })
        .collect()
}

/// One page of films, and how many there are on all pages.
pub async fn list(db: &mut Connection, filter: &Filter) -> Result<(Vec<Listed>, u64), Error> {
    let scopes: Vec<Uuid> = filter.scopes.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select f.id, count(*) over () as "total!"
           from film f join unit u on u.id = f.unit_id
           where f.phase <> 'removed' and (u.path && $1 or exists (
                   select from unit s where s.id = any($1) and f.unit_id = any(s.path)))
               and ($2::text is null or position(lower($2) in lower(f.title)) > 0)
               and (not $3 or f.phase = 'ready')
           order by f.created_at desc, f.id limit $4 offset $5"#,
        &scopes,
        filter.text.as_deref(),
        filter.ready,
        i64::from(filter.limit),
        i64::try_from(filter.offset).unwrap_or(i64::MAX),
    )
    .fetch_all(&mut *db)
    .await?;
    let total = rows
        .first()
        .map_or(0, |row| u64::try_from(row.total).unwrap_or(0));
    let ids: Vec<FilmId> = rows.into_iter().map(|row| FilmId(row.id)).collect();
    Ok((find_listed(db, &ids).await?, total))
}

/// The films in this phase, those first that wait longest, at most `limit`.
pub async fn in_phase(db: &mut Connection, phase: &str, limit: u32) -> Result<Vec<FilmId>, Error> {
    let ids = sqlx::query_scalar!(
        "select id from film where phase = $1 order by queued_at, created_at, id limit $2",
        phase,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(FilmId).collect())
}

/// Which of these ids are of films whose phase is one of `phases`.
pub async fn among(
    db: &mut Connection,
    ids: &[FilmId],
    phases: &[&str],
) -> Result<Vec<FilmId>, Error> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let phases: Vec<String> = phases.iter().map(|phase| (*phase).to_owned()).collect();
    let found = sqlx::query_scalar!(
        "select id from film where id = any($1) and phase = any($2)",
        &ids,
        &phases,
    )
    .fetch_all(db)
    .await?;
    Ok(found.into_iter().map(FilmId).collect())
}

/// Films whose deadline is reached, at most `limit`.
pub async fn due(
    db: &mut Connection,
    now: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<FilmId>, Error> {
    let ids = sqlx::query_scalar!(
        "select id from film where next_deadline <= $1 order by next_deadline limit $2",
        now,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(FilmId).collect())
}

/// Lessons that show a film.
pub async fn lessons(db: &mut Connection, id: FilmId) -> Result<u32, Error> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from course_lesson where film_id = $1 and present"#,
        id.0,
    )
    .fetch_one(db)
    .await?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}
