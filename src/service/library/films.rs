//! Films as staff see and keep them.

use super::act::{act, not_found};
use super::files;
use super::view::FilmView;
use crate::domain::actor::Actor;
use crate::domain::id::FilmId;
use crate::domain::library::film::FilmCommand;
use crate::domain::policy::{self, Action, Resource, STAFF};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::service::{Context, Error};
use crate::store::film::{Filter, Listed};
use crate::store::{self, Connection};

/// One page of the library.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// Only titles that contain this.
    pub text: Option<String>,
    /// Only films that can be played.
    pub ready: bool,
    /// Rows on a page.
    pub limit: u32,
    /// Rows before the page.
    pub offset: u64,
}

/// Films that the actor may use: of their units, above and below, newest first.
pub async fn films(
    context: &Context,
    actor: &Actor,
    catalogue: Catalogue,
) -> Result<(Vec<FilmView>, u64), Error> {
    let filter = Filter {
        scopes: actor.scopes(STAFF),
        text: catalogue.text,
        ready: catalogue.ready,
        limit: catalogue.limit,
        offset: catalogue.offset,
    };
    let mut db = context.store.reader().await?;
    let (listed, total) = store::film::list(&mut db, &filter).await?;
    let views = listed.iter().map(|film| FilmView::of(film, context));
    Ok((views.collect(), total))
}

/// A film that the actor may use. Refuses with `film.not_found`.
pub async fn film(context: &Context, actor: &Actor, id: FilmId) -> Result<FilmView, Error> {
    let mut db = context.store.reader().await?;
    let listed = used_by(&mut db, actor, id).await?;
    Ok(FilmView::of(&listed, context))
}

/// Gives a film another title. Refuses with `film.not_found`, `auth.forbidden` or `film.title`.
pub async fn rename(
    context: &Context,
    actor: &Actor,
    id: FilmId,
    title: String,
) -> Result<FilmView, Error> {
    kept_by(context, actor, id).await?;
    let command = FilmCommand::Rename(title);
    act(context, id, Some(actor.account), &[command]).await?;
    film(context, actor, id).await
}

/// Takes a film away, with an import that goes on. Refuses with `film.not_found`, `auth.forbidden`
/// or `film.in_use` while a lesson shows it.
pub async fn remove(context: &Context, actor: &Actor, id: FilmId) -> Result<(), Error> {
    kept_by(context, actor, id).await?;
    let _turn = context.library.slots().take(id).await?;
    let mut db = context.store.reader().await?;
    if store::film::lessons(&mut db, id).await? > 0 {
        return Err(in_use().into());
    }
    drop(db);
    act(context, id, Some(actor.account), &[FilmCommand::Remove]).await?;
    context.library.wake();
    for path in [
        context.library.upload_path(id)?,
        context.library.film_path(id)?,
    ] {
        files::remove(&path).await?;
    }
    Ok(())
}

/// A film of the actor's units, of those above or below; otherwise it is as if there were none.
pub(super) async fn used_by(
    db: &mut Connection,
    actor: &Actor,
    id: FilmId,
) -> Result<Listed, Error> {
    let listed = store::film::find_listed(db, &[id]).await?.pop();
    let listed = listed.filter(|listed| listed.film.state().name() != "removed");
    let listed = listed.ok_or_else(not_found)?;
    match actor.holds_beside(STAFF, &listed.unit_path) {
        true => Ok(listed),
        false => Err(not_found().into()),
    }
}

async fn kept_by(context: &Context, actor: &Actor, id: FilmId) -> Result<(), Error> {
    let mut db = context.store.reader().await?;
    let listed = used_by(&mut db, actor, id).await?;
    let unit = Resource::Unit(&listed.unit_path);
    Ok(policy::allow(actor, Action::PlanLessons, unit)?)
}

fn in_use() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "film.in_use",
        "有课程正在使用该视频，请先从课程中移除。",
        "A course shows this film. Take it out of the course first.",
    )
}
