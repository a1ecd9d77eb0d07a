//! Imports: which film is next, how far it is, what came of it. The shell runs the programs.

use std::path::PathBuf;

use super::act::{act, observe};
use super::files;
use crate::domain::id::FilmId;
use crate::domain::library::cut::Cut;
use crate::domain::library::film::{FilmCommand, FilmState, Unfit};
use crate::service::{Context, Error, Failure};
use crate::store;

/// Films looked at in one round.
const ROUND: u32 = 1_000;

/// A film to import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Which.
    pub film: FilmId,
    /// Its file.
    pub source: PathBuf,
    /// An empty folder to work in.
    pub work: PathBuf,
}

/// Brings in order what the last run left: imports that its end broke off wait again. Returns how
/// many those are.
pub async fn interrupt_all(context: &Context) -> Result<usize, Error> {
    let mut db = context.store.reader().await?;
    let broken = store::film::in_phase(&mut db, "importing", ROUND).await?;
    drop(db);
    for film in &broken {
        act(
            context,
            *film,
            None,
            &[FilmCommand::Interrupt { died: true }],
        )
        .await?;
    }
    Ok(broken.len())
}

/// Lets films that came while there was no importer wait for their turn.
pub async fn queue_waiting(context: &Context) -> Result<(), Error> {
    let mut db = context.store.reader().await?;
    let waiting = store::film::in_phase(&mut db, "uploaded", ROUND).await?;
    drop(db);
    for film in waiting {
        act(context, film, None, &[FilmCommand::Queue]).await?;
    }
    Ok(())
}

/// Removes the files that no film needs. Only for the start: an import works on such files.
pub async fn sweep(context: &Context) -> Result<(), Error> {
    let Ok(root) = context.library.root() else {
        return Ok(());
    };
    let coming = ["uploading", "uploaded", "queued", "importing"];
    let kept: [(&str, &[&str]); 3] = [("uploads", &coming), ("films", &["ready"]), ("work", &[])];
    for (folder, phases) in kept {
        let folder = root.join(folder);
        let names = files::names(&folder).await?;
        let ids: Vec<FilmId> = names.iter().filter_map(|name| name.parse().ok()).collect();
        let mut db = context.store.reader().await?;
        let needed = store::film::among(&mut db, &ids, phases).await?;
        drop(db);
        for name in names {
            let needs = name.parse().is_ok_and(|id| needed.contains(&id));
            if !needs {
                files::remove(&folder.join(name)).await?;
            }
        }
    }
    Ok(())
}

/// The film that waits longest, whose import now begins.
pub async fn begin(context: &Context) -> Result<Option<Job>, Error> {
    let mut db = context.store.reader().await?;
    let next = store::film::in_phase(&mut db, "queued", 1).await?.pop();
    drop(db);
    let Some(film) = next else { return Ok(None) };
    act(context, film, None, &[FilmCommand::Begin]).await?;
    let work = context.library.work_path(film)?;
    files::remove(&work).await?;
    files::make_folder(&work).await?;
    Ok(Some(Job {
        film,
        source: context.library.upload_path(film)?,
        work,
    }))
}

/// Says how far an import is; whether it is still wanted.
pub async fn progress(context: &Context, job: &Job, percent: u8) -> Result<bool, Error> {
    let film = observe(context, job.film, true, |film, _| film.advance(percent)).await?;
    Ok(matches!(film.state(), FilmState::Importing { .. }))
}

/// Puts a finished import, whose files are on the disk, into its place.
pub async fn finish(context: &Context, job: &Job, cut: Cut) -> Result<(), Error> {
    let place = context.library.film_path(job.film)?;
    files::remove(&place).await?;
    let moved = |source| Failure::new("put a film into its place", source);
    if let Some(folder) = place.parent() {
        files::make_folder(folder).await?;
        tokio::fs::rename(&job.work, &place).await.map_err(moved)?;
        let folder = tokio::fs::File::open(folder).await.map_err(moved)?;
        folder.sync_all().await.map_err(moved)?;
    }
    match act(context, job.film, None, &[FilmCommand::Finish(cut)]).await {
        Ok(_) => Ok(files::remove(&job.source).await?),
        // Somebody took it away meanwhile.
        Err(Error::Refused(_)) => Ok(files::remove(&place).await?),
        Err(failed) => Err(failed),
    }
}

/// Ends an import without a film: it cannot be imported, or (without a reason) waits again.
pub async fn fail(context: &Context, job: &Job, reason: Option<Unfit>) -> Result<(), Error> {
    let command = reason.map_or(FilmCommand::Interrupt { died: false }, FilmCommand::Refuse);
    let acted = act(context, job.film, None, &[command]).await;
    files::remove(&job.work).await?;
    match acted {
        Ok(_) if reason.is_some() => Ok(files::remove(&job.source).await?),
        Ok(_) | Err(Error::Refused(_)) => Ok(()),
        Err(failed) => Err(failed),
    }
}
