//! Playing lessons on demand: who plays what where, and media handed over in real time.

use std::path::PathBuf;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::VIEWING_STREAM_KIND;
use super::courses::{self, open_foundations};
use super::films;
use super::study::{self, Earned};
use crate::domain::actor::Actor;
use crate::domain::id::{AccountId, CourseLessonId, FilmId, PlaybackId, ViewingId};
use crate::domain::library::course::{Course, CourseLesson};
use crate::domain::library::cut::{Cut, CutFile, Rendition};
use crate::domain::library::viewing::{self, Beat, Viewing, ViewingCommand, ViewingFact};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::service::{Context, Error, Failure, classroom, ledger, outbox};
use crate::store::{self, Connection};

/// Playbacks ended at one look.
const SILENT_MAX: u32 = 200;

/// What begins to play.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Play {
    /// Names the playback in further calls.
    #[schema(value_type = uuid::Uuid)]
    pub playback_id: PlaybackId,
    /// Title of the lesson.
    pub title: String,
    /// How long it is, milliseconds.
    pub duration_ms: u64,
    /// Where to go on, milliseconds.
    pub resume_ms: u64,
    /// How fast one may watch, percent.
    pub speed_percent: u32,
    /// Whether there is a picture.
    pub picture: bool,
    /// Whether there is sound, which can be had alone.
    pub sound: bool,
    /// How far it is.
    pub state: PlayState,
    /// What it counts for, where hours count.
    pub earned: Option<Earned>,
}

/// A lesson that somebody takes, with its course and whose film it is.
pub(super) struct Assigned {
    pub(super) course: Course,
    pub(super) lesson: CourseLesson,
    pub(super) film_owner: AccountId,
    cut: Cut,
}

/// How far a playback is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlayState {
    /// What was watched, from the beginning, milliseconds; one may move within it.
    pub watched_ms: u64,
    /// It was watched to its end.
    pub finished: bool,
    /// The server's clock.
    pub server_time: DateTime<Utc>,
}

/// Media, or when to come again.
#[derive(Clone, Debug)]
pub enum Handed {
    /// A file.
    Media(CutFile, Bytes),
    /// It lies ahead of what can be watched by now.
    Wait {
        /// What to tell.
        refusal: Refusal,
        /// When to come again, seconds.
        retry_after_s: u64,
    },
}

impl PlayState {
    fn of(viewing: &Viewing, now: DateTime<Utc>) -> Self {
        Self {
            watched_ms: viewing.watched_ms(),
            finished: viewing.is_finished(),
            server_time: now,
        }
    }
}

/// Plays a lesson, or goes on with it; whatever else of the same person plays ends. Refuses with
/// `course.not_found`, `course.locked`, `film.not_ready`, `playback.device`, or
/// `playback.elsewhere` while another device plays and is not to be taken over from, or
/// `study.sittings`.
pub async fn play(
    context: &Context,
    actor: &Actor,
    lesson: CourseLessonId,
    (device, take_over): (String, bool),
) -> Result<Play, Error> {
    let now = context.now();
    let mut transaction = context.store.begin().await?;
    let assigned = taken_by(&mut transaction, actor, lesson).await?;
    let (lesson, cut) = (&assigned.lesson, &assigned.cut);
    let speed_percent = assigned.course.plan().speed_percent;
    store::viewing::lock_person(&mut transaction, actor.account).await?;
    let playing = store::viewing::lock_playing(&mut transaction, actor.account).await?;
    let known = store::viewing::lock(&mut transaction, actor.account, lesson.id).await?;
    let mut viewing = match known {
        Some(viewing) => viewing,
        None => open(context, &mut transaction, actor, lesson, cut.duration_ms).await?,
    };
    let playback = PlaybackId::new(now, &*context.entropy);
    let command = ViewingCommand::Start {
        playback,
        device,
        elsewhere: playing.as_ref().and_then(Viewing::elsewhere),
        take_over,
        speed_percent,
    };
    let facts = viewing.decide(&command, now)?;
    if let Some(mut other) = playing.filter(|other| other.id() != viewing.id()) {
        let ended = other.decide(&ViewingCommand::GiveWay, now)?;
        save(context, &mut transaction, &mut other, ended, now).await?;
    }
    save(context, &mut transaction, &mut viewing, facts, now).await?;
    let earned = study::sit(context, &mut transaction, &assigned, &mut viewing, now).await?;
    outbox::commit(context, transaction).await?;
    Ok(Play {
        playback_id: playback,
        title: assigned.lesson.title,
        duration_ms: cut.duration_ms,
        resume_ms: viewing.playback().map_or(0, |playback| playback.resumed_ms),
        speed_percent,
        picture: cut.renditions.contains(&Rendition::Low),
        sound: cut.renditions.contains(&Rendition::Sound),
        state: PlayState::of(&viewing, now),
        earned,
    })
}

/// A file of the film that a playback plays. What is handed over is written down first. Refuses
/// with `playback.ended` or `film.no_file`.
pub async fn hand(
    context: &Context,
    actor: &Actor,
    playback: PlaybackId,
    file: CutFile,
) -> Result<Handed, Error> {
    let CutFile::Segment(_, number) = file else {
        let mut db = context.store.reader().await?;
        let viewing = store::viewing::of_playback(&mut db, actor.account, playback).await?;
        let viewing = viewing.ok_or_else(viewing::ended)?;
        let cut = cut_of(&mut db, viewing.film()).await?;
        drop(db);
        let media = media(context, viewing.film(), &cut, file).await?;
        return Ok(Handed::Media(file, media));
    };
    let now = context.now();
    let mut transaction = context.store.begin().await?;
    let viewing = store::viewing::lock_playback(&mut transaction, actor.account, playback).await?;
    let mut viewing = viewing.ok_or_else(viewing::ended)?;
    let cut = cut_of(&mut transaction, viewing.film()).await?;
    let span = cut.span(number).ok_or_else(no_file)?;
    if let Err(ahead) = viewing.admit(playback, span, now)? {
        return Ok(Handed::Wait {
            refusal: too_early(),
            retry_after_s: ahead.retry_after_s,
        });
    }
    viewing.hand_over(span, now);
    store::viewing::update(&mut transaction, &viewing).await?;
    transaction.commit().await?;
    let media = media(context, viewing.film(), &cut, file).await?;
    Ok(Handed::Media(file, media))
}

/// Takes in what a player says, which can only hold back. Refuses with `playback.ended` or
/// `lesson.catching_up`.
pub async fn beat(
    context: &Context,
    actor: &Actor,
    playback: PlaybackId,
    beat: Beat,
) -> Result<PlayState, Error> {
    let now = classroom::present(context)?;
    let mut transaction = context.store.begin().await?;
    let viewing = store::viewing::lock_playback(&mut transaction, actor.account, playback).await?;
    let mut viewing = viewing.ok_or_else(viewing::ended)?;
    let taken = match viewing.shows_again(playback, beat, now)? {
        true => study::taken(context, &mut transaction, &viewing).await?,
        false => Vec::new(),
    };
    let life = viewing.hear(playback, beat, &taken, now)?;
    let counts_in = study::hear(&mut transaction, &viewing, beat, now).await?;
    let facts = viewing.decide(&ViewingCommand::Due, now)?;
    let finished = facts
        .iter()
        .any(|fact| matches!(fact, ViewingFact::LessonFinished { .. }));
    save(context, &mut transaction, &mut viewing, facts, now).await?;
    transaction.commit().await?;
    if let (Some(attendance), Some(life)) = (counts_in, life) {
        classroom::live_on(context, attendance, life, now).await?;
    }
    if finished {
        study::end(context, &viewing, now).await?;
    }
    Ok(PlayState::of(&viewing, now))
}

/// Ends a playback; one that has ended stays so.
pub async fn stop(context: &Context, actor: &Actor, playback: PlaybackId) -> Result<(), Error> {
    let now = context.now();
    let mut transaction = context.store.begin().await?;
    let found = store::viewing::lock_playback(&mut transaction, actor.account, playback).await?;
    let Some(mut viewing) = found else {
        return Ok(());
    };
    let facts = viewing.decide(&ViewingCommand::Stop(playback), now)?;
    save(context, &mut transaction, &mut viewing, facts, now).await?;
    transaction.commit().await
}

/// Ends the playbacks of which nothing was heard for long; returns how many.
pub async fn end_silent(context: &Context) -> Result<usize, Error> {
    let now = context.now();
    let mut db = context.store.reader().await?;
    let due = store::viewing::due(&mut db, now, SILENT_MAX).await?;
    drop(db);
    for id in &due {
        end_one(context, *id, now).await?;
    }
    Ok(due.len())
}

async fn end_one(context: &Context, id: ViewingId, now: DateTime<Utc>) -> Result<(), Error> {
    let mut transaction = context.store.begin().await?;
    if let Some(mut viewing) = store::viewing::lock_one(&mut transaction, id).await? {
        let facts = viewing.decide(&ViewingCommand::Due, now)?;
        save(context, &mut transaction, &mut viewing, facts, now).await?;
    }
    transaction.commit().await
}

/// A file of a film for staff, who may look at it as they like. Refuses with `film.not_found`,
/// `film.not_ready` or `film.no_file`.
pub async fn preview(
    context: &Context,
    actor: &Actor,
    film: FilmId,
    file: CutFile,
) -> Result<Bytes, Error> {
    let mut db = context.store.reader().await?;
    let listed = films::used_by(&mut db, actor, film).await?;
    drop(db);
    let cut = listed.film.cut().ok_or_else(not_ready)?;
    media(context, film, cut, file).await
}

/// A lesson of a course that the actor takes and may play.
async fn taken_by(
    db: &mut Connection,
    actor: &Actor,
    id: CourseLessonId,
) -> Result<Assigned, Error> {
    let course = store::course::of_lesson(db, id).await?;
    let course = course.ok_or_else(courses::not_found)?;
    if !store::course::is_learner(db, course, actor.account).await? {
        return Err(courses::not_found().into());
    }
    let listed = store::course::find_listed(db, &[course]).await?.pop();
    let listed = listed.ok_or_else(courses::not_found)?;
    let plan = listed.course.plan();
    let before = store::course::find_listed(db, &plan.prerequisites).await?;
    let progress = store::viewing::progress_of(db, actor.account, &plan.prerequisites).await?;
    let open = open_foundations(&listed.course, &before, &progress);
    if !open.is_empty() {
        return Err(locked(&open).into());
    }
    let lesson = listed.course.lesson(id).ok_or_else(courses::not_found)?;
    let lesson = lesson.clone();
    let film = store::film::find(db, lesson.film).await?;
    let film = film.ok_or_else(not_ready)?;
    let cut = film.cut().cloned().ok_or_else(not_ready)?;
    Ok(Assigned {
        lesson,
        film_owner: film.owner(),
        cut,
        course: listed.course,
    })
}

async fn open(
    context: &Context,
    db: &mut Connection,
    actor: &Actor,
    lesson: &CourseLesson,
    duration_ms: u64,
) -> Result<Viewing, Error> {
    let now = context.now();
    let id = ViewingId::new(now, &*context.entropy);
    let film = (lesson.film, duration_ms);
    let first = Viewing::open(id, actor.account, lesson.id, film, now);
    let viewing = Viewing::from_first(&first).ok_or_else(courses::not_found)?;
    store::viewing::insert(db, &viewing, now).await?;
    record(context, db, id, vec![first], now).await?;
    Ok(viewing)
}

/// Applies and writes facts, and what was observed with them.
pub(super) async fn save(
    context: &Context,
    db: &mut Connection,
    viewing: &mut Viewing,
    facts: Vec<ViewingFact>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    facts.iter().for_each(|fact| viewing.apply(fact));
    store::viewing::update(db, viewing).await?;
    record(context, db, viewing.id(), facts, now).await
}

async fn record(
    context: &Context,
    db: &mut Connection,
    id: ViewingId,
    facts: Vec<ViewingFact>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    if facts.is_empty() {
        return Ok(());
    }
    let stream = ledger::open(context, db, VIEWING_STREAM_KIND, id.0).await?;
    ledger::append_at(db, stream, now, &facts).await
}

async fn cut_of(db: &mut Connection, film: FilmId) -> Result<Cut, Error> {
    let film = store::film::find(db, film).await?;
    Ok(film
        .and_then(|film| film.cut().cloned())
        .ok_or_else(not_ready)?)
}

async fn media(context: &Context, film: FilmId, cut: &Cut, file: CutFile) -> Result<Bytes, Error> {
    let rendition = match file {
        CutFile::Master => return Ok(cut.master().into()),
        CutFile::Playlist(rendition)
        | CutFile::Opening(rendition)
        | CutFile::Segment(rendition, _) => rendition,
    };
    if !cut.renditions.contains(&rendition) {
        return Err(no_file().into());
    }
    let path: PathBuf = context.library.film_path(film)?.join(file.to_string());
    match tokio::fs::read(path).await {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(no_file().into()),
        Err(error) => Err(Failure::new("read a film", error).into()),
    }
}

fn not_ready() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "film.not_ready",
        "该视频还在准备中，请稍后再来。",
        "This film is still being prepared. Come again later.",
    )
}

fn no_file() -> Refusal {
    Refusal::new(
        RefusalKind::NotFound,
        "film.no_file",
        "视频中没有这一段。",
        "The film has no such part.",
    )
}

fn too_early() -> Refusal {
    Refusal::new(
        RefusalKind::Limited,
        "playback.ahead",
        "请按正常速度观看：后面的内容会随播放逐步提供，不能快进到未看过的部分。",
        "Watch at the usual pace: what follows comes as you watch, and nothing can be skipped.",
    )
}

fn locked(open: &[String]) -> Refusal {
    Refusal {
        kind: RefusalKind::Conflict,
        code: "course.locked",
        zh: format!("请先完成先修课程：{}。", open.join("、")),
        en: format!("Complete these courses first: {}.", open.join(", ")),
    }
}
