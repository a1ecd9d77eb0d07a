//! The one way through for films: lock, decide, save with facts, announce.

use chrono::{DateTime, Utc};

use super::FILM_STREAM_KIND;
use super::view::FilmView;
use crate::domain::announcement::Audience;
use crate::domain::id::{AccountId, FilmId};
use crate::domain::library::film::{Film, FilmCommand, FilmFact, RecordedFilmFact};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::service::{Context, Error, Failure, ledger, outbox};
use crate::store::{self, Connection};

/// Lets commands act on a film one after the other, in one transaction. Refuses with
/// `film.not_found` and what the film refuses.
pub(super) async fn act(
    context: &Context,
    id: FilmId,
    by: Option<AccountId>,
    commands: &[FilmCommand],
) -> Result<Film, Error> {
    let now = context.now();
    let mut transaction = context.store.begin().await?;
    let film = store::film::lock(&mut transaction, id).await?;
    let mut film = film.ok_or_else(not_found)?;
    let mut facts = Vec::new();
    for command in commands {
        let step = film.decide(command, context.library.bounds(), now)?;
        step.iter().for_each(|fact| film.apply(fact));
        facts.extend(step);
    }
    if facts.is_empty() {
        return Ok(film);
    }
    save(context, &mut transaction, &film, by, facts, now).await?;
    outbox::commit(context, transaction).await?;
    Ok(film)
}

/// Lets something that is no fact act on a film, and announces it when asked to.
pub(super) async fn observe(
    context: &Context,
    id: FilmId,
    announced: bool,
    change: impl FnOnce(&mut Film, DateTime<Utc>),
) -> Result<Film, Error> {
    let now = context.now();
    let mut transaction = context.store.begin().await?;
    let film = store::film::lock(&mut transaction, id).await?;
    let mut film = film.ok_or_else(not_found)?;
    change(&mut film, now);
    store::film::update(&mut transaction, &film, now).await?;
    if announced {
        announce(context, &mut transaction, &film).await?;
    }
    outbox::commit(context, transaction).await?;
    Ok(film)
}

/// Writes a film with its facts; the ledger stays locked until the transaction ends.
pub(super) async fn save(
    context: &Context,
    db: &mut Connection,
    film: &Film,
    by: Option<AccountId>,
    facts: Vec<FilmFact>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    store::film::update(db, film, now).await?;
    announce(context, db, film).await?;
    record(context, db, film.id(), by, facts, now).await
}

/// Writes facts of a film to its stream; call it last.
pub(super) async fn record(
    context: &Context,
    db: &mut Connection,
    film: FilmId,
    by: Option<AccountId>,
    facts: Vec<FilmFact>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let recorded: Vec<RecordedFilmFact> = facts
        .into_iter()
        .map(|fact| RecordedFilmFact { by, fact })
        .collect();
    let stream = ledger::open(context, db, FILM_STREAM_KIND, film.0).await?;
    ledger::append_at(db, stream, now, &recorded).await
}

/// Tells whoever brought a film how it stands.
async fn announce(context: &Context, db: &mut Connection, film: &Film) -> Result<(), Error> {
    let listed = store::film::find_listed(db, &[film.id()]).await?;
    let Some(listed) = listed.first() else {
        return Ok(());
    };
    let payload = serde_json::to_string(&FilmView::of(listed, context))
        .map_err(|source| Failure::new("write an announcement", source))?;
    let told = crate::domain::announcement::Announcement {
        audience: Audience::Account(film.owner()),
        kind: "film_changed",
        payload,
    };
    outbox::announce(context, db, &[told]).await
}

/// No such film, or none that the actor may know of.
pub(super) fn not_found() -> Refusal {
    Refusal::new(
        RefusalKind::NotFound,
        "film.not_found",
        "没有找到该视频，可能已被删除。",
        "There is no such film. It may have been removed.",
    )
}
