//! Recordings in use: staff start, pause and end them; the recorder writes what it hears.
//!
//! What is said here is truth and order; the recorder in the shell follows what is stored. So a
//! recording goes on after a crash, and one that is ended is ended for whoever looks.

mod read;
mod tape;
mod verify;
pub mod view;

pub use read::{
    EntriesPage, Export, ListedRecordings, SegmentBytes, entries, export, get, list, segment,
};
pub use tape::{Item, Kept, Known, Tape};
pub use verify::{Report, verify};

use chrono::{DateTime, Utc};

use crate::domain::actor::Actor;
use crate::domain::announcement::{Announcement, Audience, Topic};
use crate::domain::fact::hex;
use crate::domain::id::{AccountId, LessonId, RecordingId};
use crate::domain::recording::{
    self, RecordedRecordingFact, Recording, RecordingCommand, RecordingFact, RecordingState,
};
use crate::service::sealing::SealingKey;
use crate::service::{Context, Error, Failure, classroom, ledger, outbox};
use crate::store::{self, Connection};
use view::RecordingView;

/// Kind of the ledger streams that tell about recordings; the subject is the recording.
pub const RECORDING_STREAM_KIND: &str = "recording";

/// What the key is for that seals recordings' keys.
const KEY_PURPOSE: &str = "recording";

/// What staff ask of the recording of a lesson.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Begin one.
    Start,
    /// Leave something out, and why.
    Pause {
        /// The reason.
        reason: String,
    },
    /// Go on.
    Resume,
    /// End it.
    Stop,
}

/// Does what staff of a lesson ask. Refuses with `lesson.not_found`, `auth.forbidden`,
/// `lesson.not_live`, `recording.running`, `recording.not_running` and what the recording refuses.
///
/// # Errors
/// The refusal, or why the database did not do it.
pub async fn order(
    context: &Context,
    actor: &Actor,
    lesson: LessonId,
    order: Order,
) -> Result<RecordingView, Error> {
    let held = classroom::run_by(context, actor, lesson).await?;
    let command = match order {
        Order::Start if !held.is_running() => return Err(held.not_live().into()),
        Order::Start => {
            let id = start(context, Some(actor.account), &held).await?;
            return viewed(context, id).await;
        }
        Order::Pause { reason } => RecordingCommand::Pause { reason },
        Order::Resume => RecordingCommand::Resume,
        Order::Stop => RecordingCommand::Stop,
    };
    let mut db = context.store.reader().await?;
    let id = store::recording::open_of(&mut db, lesson).await?;
    drop(db);
    let id = id.ok_or_else(recording::none_running)?;
    act(context, id, Some(actor.account), context.now(), &command).await?;
    viewed(context, id).await
}

/// The recording of a lesson that is not ended, if there is one.
///
/// # Errors
/// When the database is away.
pub async fn present_of(context: &Context, lesson: LessonId) -> Result<Option<Recording>, Error> {
    let mut db = context.store.reader().await?;
    let Some(id) = store::recording::open_of(&mut db, lesson).await? else {
        return Ok(None);
    };
    let stored = store::recording::find(&mut db, id).await?;
    Ok(stored.map(|stored| stored.recording))
}

/// All recordings that are not ended; those whose lesson is over are ended with that.
///
/// # Errors
/// When the database is away.
pub async fn open(context: &Context) -> Result<Vec<Recording>, Error> {
    let mut db = context.store.reader().await?;
    let mut open = Vec::new();
    for stored in store::recording::open(&mut db).await? {
        let recording = stored.recording;
        let lesson = store::lesson::find(&mut db, recording.lesson()).await?;
        let runs = lesson.is_some_and(|lesson| lesson.is_running());
        if runs || recording.is_over() {
            open.push(recording);
            continue;
        }
        let over = RecordingCommand::SessionOver;
        open.push(act(context, recording.id(), None, context.now(), &over).await?);
    }
    Ok(open)
}

/// Notes that a server is back that was gone: from when anything was written last until now is an
/// incident of every recording that is open. Call it once, at the start.
///
/// # Errors
/// When the database is away.
pub async fn recover(context: &Context) -> Result<usize, Error> {
    let mut db = context.store.reader().await?;
    let stored = store::recording::open(&mut db).await?;
    for stored in &stored {
        let recording = &stored.recording;
        let tracks = store::recording::tracks(&mut db, recording.id()).await?;
        let live = tracks.iter().filter(|track| track.is_live);
        let since = live.map(|track| track.head.covered_to).max();
        let since = since.unwrap_or(stored.marked_at);
        let returned = RecordingCommand::RecorderReturned { since };
        act(context, recording.id(), None, context.now(), &returned).await?;
    }
    Ok(stored.len())
}

/// Lets a command act on a recording, in a transaction of its own. Refuses with
/// `recording.not_found` and what the recording refuses.
///
/// # Errors
/// The refusal, or why the database did not do it.
pub async fn act(
    context: &Context,
    id: RecordingId,
    by: Option<AccountId>,
    now: DateTime<Utc>,
    command: &RecordingCommand,
) -> Result<Recording, Error> {
    let mut transaction = context.store.begin().await?;
    let stored = store::recording::lock(&mut transaction, id).await?;
    let mut recording = stored.ok_or_else(recording::not_found)?.recording;
    let facts = recording.decide(command, now)?;
    if facts.is_empty() {
        return Ok(recording);
    }
    facts.iter().for_each(|fact| recording.apply(fact));
    store::recording::update(&mut transaction, &recording).await?;
    announce(context, &mut transaction, &recording).await?;
    record(context, &mut transaction, id, by, now, facts).await?;
    outbox::commit(context, transaction).await?;
    context.recorder.notify_one();
    Ok(recording)
}

async fn start(
    context: &Context,
    by: Option<AccountId>,
    lesson: &crate::domain::classroom::lesson::Lesson,
) -> Result<RecordingId, Error> {
    let now = context.now();
    let id = RecordingId::new(now, &*context.entropy);
    let key = SealingKey::fresh(&*context.entropy);
    let commitment = hex(&key.commitment());
    let first = Recording::start(id, lesson.id(), lesson.unit(), commitment, now);
    let recording = Recording::from_first(&first).ok_or_else(recording::not_found)?;
    let under = context.keys.sealing(KEY_PURPOSE);
    let wrapped = key.wrapped(&under, id.0.as_bytes(), &*context.entropy);
    let mut transaction = context.store.begin().await?;
    store::recording::insert(&mut transaction, &recording, &wrapped).await?;
    announce(context, &mut transaction, &recording).await?;
    record(context, &mut transaction, id, by, now, vec![first]).await?;
    outbox::commit(context, transaction).await?;
    context.recorder.notify_one();
    Ok(id)
}

/// The key of a recording's files.
fn key_of(context: &Context, stored: &store::recording::Stored) -> Result<SealingKey, Error> {
    let under = context.keys.sealing(KEY_PURPOSE);
    let place = stored.recording.id();
    SealingKey::unwrapped(&under, place.0.as_bytes(), &stored.wrapped_key)
        .map_err(|source| Error::Failed(Failure::new("open a recording's key", source)))
}

/// Writes facts of a recording to its stream; call it last.
async fn record(
    context: &Context,
    db: &mut Connection,
    id: RecordingId,
    by: Option<AccountId>,
    at: DateTime<Utc>,
    facts: Vec<RecordingFact>,
) -> Result<(), Error> {
    let recorded: Vec<RecordedRecordingFact> = facts
        .into_iter()
        .map(|fact| RecordedRecordingFact { by, fact })
        .collect();
    let stream = ledger::open(context, db, RECORDING_STREAM_KIND, id.0).await?;
    ledger::append_at(db, stream, at, &recorded).await
}

/// Tells the staff of a lesson how its recording stands.
async fn announce(
    context: &Context,
    db: &mut Connection,
    recording: &Recording,
) -> Result<(), Error> {
    let view = RecordingView::of(recording);
    let payload = serde_json::to_string(&view)
        .map_err(|source| Failure::new("write an announcement", source))?;
    let told = Announcement {
        audience: Audience::Topic(Topic::lesson_staff(recording.lesson())),
        kind: "recording_changed",
        payload,
    };
    outbox::announce(context, db, &[told]).await
}

async fn viewed(context: &Context, id: RecordingId) -> Result<RecordingView, Error> {
    let mut db = context.store.reader().await?;
    let stored = store::recording::find(&mut db, id).await?;
    let stored = stored.ok_or_else(recording::not_found)?;
    Ok(RecordingView::of(&stored.recording))
}

/// What participants are told: it records now, and not only later.
pub fn is_audible(recording: &Recording) -> bool {
    matches!(recording.state(), RecordingState::Running)
}
