//! What keeps the classroom going: what the rooms saw, and what time brings.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

use crate::hub::rooms::{NamedFact, Rooms};
use crate::media::room::RoomFact;
use crate::service::classroom::{self, Sighting};
use crate::service::{Context, Error};
use crate::shell::foundation::whole;
use crate::shell::spool::{self, Spool, SpoolBounds};
use crate::shell::webhooks::News;

/// Longest sleep between two looks at what is due: a change may have brought a deadline forward.
const LOOK_MAX: Duration = Duration::from_secs(1);
/// Before the next look after a failure (Postgres away).
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// How long the database may take over one sighting, or over a word that it is there, before it
/// counts as away.
const PATIENCE: Duration = Duration::from_secs(5);
/// So often a database that answers may fail with one sighting before that one is given up.
const ATTEMPTS_MAX: usize = 3;

/// Takes in what the rooms see: at once, or from the spool once the database is back.
///
/// While anything waits in the spool, [`Context::behind`] is set: nothing is decided in class
/// before everything that was seen earlier is taken in. Clones share one spool.
#[derive(Clone)]
pub struct Attendant {
    context: Context,
    spool: Arc<Mutex<Spool>>,
    kept: Arc<Notify>,
    tracks_changed: Arc<Notify>,
}

/// What became of a sighting that was offered to the database.
enum Offered {
    /// Stored, or given up and logged.
    Done,
    /// The database is away.
    Away,
}

impl Attendant {
    /// Opens the spool of a data directory.
    ///
    /// # Errors
    /// When its file cannot be used.
    pub fn open(
        context: Context,
        data_dir: &Path,
        bounds: SpoolBounds,
    ) -> Result<Self, spool::Error> {
        let (spool, torn) = Spool::open(data_dir, bounds)?;
        if torn > 0 {
            tracing::warn!(
                bytes = torn,
                "the spool ended in a torn record, which is given up"
            );
        }
        context.behind.set(!spool.is_empty());
        Ok(Self {
            context,
            spool: Arc::new(Mutex::new(spool)),
            kept: Arc::default(),
            tracks_changed: Arc::default(),
        })
    }

    /// Rung when somebody in a room begins or ends to publish.
    pub fn tracks_changed(&self) -> Arc<Notify> {
        Arc::clone(&self.tracks_changed)
    }

    /// Takes in the facts of the rooms, in order, until `stop` is dropped or sent and no fact
    /// waits; `news` hears of all of them too.
    pub async fn attend(
        self,
        mut facts: mpsc::Receiver<NamedFact>,
        mut news: Option<News>,
        mut stop: oneshot::Receiver<()>,
    ) {
        let mut giving_up = false;
        loop {
            let next = tokio::select! {
                biased;
                next = facts.recv() => next,
                _ = &mut stop => return,
            };
            let Some((room, fact)) = next else { return };
            if let Some(news) = &mut news {
                news.note(&room, &fact);
            }
            if changes_tracks(&fact) {
                self.tracks_changed.notify_waiters();
            }
            if let Some(sighting) = Sighting::of(&room, &fact) {
                self.take(sighting, &mut giving_up).await;
            }
        }
    }

    /// Stores a sighting, or keeps it; one that finds no place is given up, and `giving_up` tells
    /// that the log has it.
    async fn take(&self, sighting: Sighting, giving_up: &mut bool) {
        let behind = self.context.behind.is_set();
        if !behind && let Offered::Done = self.offer(&sighting, sighting.at).await {
            return;
        }
        match self.keep(sighting).await {
            Ok(()) => {
                if !behind {
                    tracing::warn!("the database is away: what rooms see is spooled");
                }
                *giving_up = false;
                self.kept.notify_one();
            }
            Err(error) => {
                metrics::counter!("sightings_given_up_total").increment(1);
                if !std::mem::replace(giving_up, true) {
                    let error = whole(&error);
                    tracing::error!(error, "what rooms see is given up until it fits again");
                }
            }
        }
    }

    /// Takes in what waits whenever the database is there, for ever.
    pub async fn catch_up(self) {
        loop {
            match self.drain().await {
                Ok(0) => self.kept.notified().await,
                Ok(taken) => tracing::info!(taken, "what rooms saw meanwhile is stored"),
                Err(error) => {
                    tracing::warn!(error = whole(&error), "what rooms saw waits in the spool");
                    tokio::time::sleep(FAILURE_PAUSE).await;
                }
            }
        }
    }

    /// Takes in all that waits, oldest first; returns how many there were.
    ///
    /// # Errors
    /// When the database is away or the spool cannot be used: the rest waits.
    pub async fn drain(&self) -> Result<u64, DrainError> {
        let mut taken = 0;
        loop {
            let (since, oldest) = self
                .with_spool(|spool| (spool.since(), spool.oldest()))
                .await;
            let Some(since) = since else {
                return Ok(taken);
            };
            match oldest {
                Ok(Some(sighting)) => {
                    if let Offered::Away = self.offer(&sighting, since).await {
                        return Err(DrainError::Away);
                    }
                }
                Ok(None) => {
                    self.finish(since).await?;
                    continue;
                }
                Err(error @ spool::Error::Unreadable(_)) => {
                    tracing::error!(error = whole(&error), "a sighting is given up");
                }
                Err(error) => return Err(error.into()),
            }
            self.with_spool(Spool::taken).await?;
            taken += 1;
        }
    }

    /// Keeps a sighting. The word that something waits changes under the spool's lock alone, here
    /// and where the spool is emptied.
    async fn keep(&self, sighting: Sighting) -> Result<(), spool::Error> {
        let behind = self.context.behind.clone();
        let keep = move |spool: &mut Spool| {
            spool.keep(&sighting)?;
            behind.set(true);
            Ok(())
        };
        self.with_spool(keep).await
    }

    /// Nothing waits any more: decisions may go on, unless something came just now.
    async fn finish(&self, since: DateTime<Utc>) -> Result<(), DrainError> {
        let interrupted = classroom::caught_up(&self.context, since).await?;
        let behind = self.context.behind.clone();
        let emptied = move |spool: &mut Spool| {
            let emptied = spool.clear()?;
            behind.set(!emptied);
            Ok::<_, spool::Error>(())
        };
        self.with_spool(emptied).await?;
        if interrupted > 0 {
            tracing::info!(interrupted, "prompts open during the outage are ended");
        }
        Ok(())
    }

    /// Lets the classroom take a sighting in. One that a present database does not take is given
    /// up: the next sign of life tells what is so by then, and nothing that was not stored counts
    /// for or against anybody.
    async fn offer(&self, sighting: &Sighting, heard_until: DateTime<Utc>) -> Offered {
        let mut reason = String::new();
        for _ in 0..ATTEMPTS_MAX {
            let taking = classroom::take_in(&self.context, sighting, heard_until);
            reason = match timeout(PATIENCE, taking).await {
                Ok(Ok(())) => return Offered::Done,
                Ok(Err(Error::Refused(refusal))) => {
                    tracing::warn!(error = whole(&refusal), "a sighting was refused");
                    return Offered::Done;
                }
                Ok(Err(Error::Failed(failure))) => whole(&failure),
                Err(elapsed) => whole(&elapsed),
            };
            let there = timeout(PATIENCE, self.context.store.ping()).await;
            if !matches!(there, Ok(Ok(()))) {
                return Offered::Away;
            }
        }
        metrics::counter!("sightings_given_up_total").increment(1);
        tracing::error!(error = reason, "a sighting is given up");
        Offered::Done
    }

    /// Works on the spool's file off the tasks' threads: a disk may take its time.
    async fn with_spool<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Spool) -> T + Send + 'static,
    ) -> T {
        let spool = Arc::clone(&self.spool);
        let done = tokio::task::spawn_blocking(move || {
            work(&mut spool.lock().unwrap_or_else(PoisonError::into_inner))
        });
        // It ends early only by a bug of its own.
        done.await
            .unwrap_or_else(|error| std::panic::resume_unwind(Box::new(error)))
    }
}

fn changes_tracks(fact: &RoomFact) -> bool {
    match fact {
        RoomFact::TrackPublished { .. }
        | RoomFact::TrackUnpublished { .. }
        | RoomFact::TrackStarted { .. }
        | RoomFact::TrackStopped { .. } => true,
        RoomFact::Opened(_)
        | RoomFact::Closed { .. }
        | RoomFact::Joined { .. }
        | RoomFact::Connected { .. }
        | RoomFact::Left { .. }
        | RoomFact::Entered(_)
        | RoomFact::Departed(_)
        | RoomFact::Presence { .. }
        | RoomFact::Emptied { .. } => false,
    }
}

/// Why sightings still wait.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// No database.
    #[error("the database is away")]
    Away,
    /// The spool's file.
    #[error(transparent)]
    Spool(#[from] spool::Error),
    /// What follows an outage was not stored.
    #[error(transparent)]
    Service(#[from] Error),
}

/// Does what is due and closes rooms whose lessons are over, for ever.
pub async fn deadlines(context: Context, rooms: Rooms) {
    loop {
        if context.behind.is_set() {
            tokio::time::sleep(LOOK_MAX).await;
            continue;
        }
        if let Err(error) = classroom::close_rooms(&context, &rooms).await {
            tracing::warn!(
                error = whole(&error),
                "rooms of ended lessons stay open for now"
            );
        }
        let pause = match classroom::run_due(&context).await {
            Ok(next) => next.map_or(LOOK_MAX, |at| {
                let wait = at.signed_duration_since(context.now());
                wait.to_std().unwrap_or_default().min(LOOK_MAX)
            }),
            Err(error) => {
                tracing::warn!(error = whole(&error), "what is due in classrooms waits");
                FAILURE_PAUSE
            }
        };
        tokio::time::sleep(pause.max(Duration::from_millis(20))).await;
    }
}
