//! Films that count: in which lesson, what was earned of them, and what can be made up.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::playing::{self, Assigned};
use crate::domain::actor::Actor;
use crate::domain::classroom::lesson::Lesson;
use crate::domain::id::{AccountId, AttendanceId, CourseLessonId, LessonId};
use crate::domain::interval::union;
use crate::domain::library::course::Counts;
use crate::domain::library::pacing::MediaSpan;
use crate::domain::library::sitting::{left_to_earn, total_ms};
use crate::domain::library::viewing::{self, Beat, Viewing, ViewingCommand};
use crate::service::{Context, Error, classroom};
use crate::store::{self, Connection};

/// What a film counts for, by now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Earned {
    /// The lesson in which watching counts now: to be joined like a class. None where nothing
    /// counts any more, or nothing counts yet.
    #[schema(value_type = Option<uuid::Uuid>)]
    pub lesson_id: Option<LessonId>,
    /// The server looks at faces there.
    pub faces: bool,
    /// Moments of the film that are credited or wait for a check, milliseconds.
    pub earned_ms: u64,
    /// What was watched and earned nothing: watched again it may.
    pub make_up: Vec<FilmSpan>,
}

/// A stretch of a film.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FilmSpan {
    /// Beginning, milliseconds.
    pub from_ms: u64,
    /// End, milliseconds.
    pub to_ms: u64,
}

/// Opens the lesson in which a viewing counts, or finds the one that goes on.
pub(super) async fn sit(
    context: &Context,
    db: &mut Connection,
    assigned: &Assigned,
    viewing: &mut Viewing,
    now: DateTime<Utc>,
) -> Result<Option<Earned>, Error> {
    let plan = assigned.course.plan();
    if !plan.counts.hours() {
        return Ok(None);
    }
    let taken = taken(context, db, viewing).await?;
    let mut lesson = going_on(db, viewing).await?;
    let left = left_to_earn(viewing.watched_ms(), &taken);
    if lesson.is_none() && (!viewing.is_finished() || !left.is_empty()) {
        let left_ms = viewing.duration_ms().saturating_sub(total_ms(&taken));
        let new = classroom::NewStudy {
            unit: assigned.course.unit(),
            teacher: assigned.film_owner,
            title: format!("{} · {}", plan.title, assigned.lesson.title),
            learner: viewing.account(),
            viewing: viewing.id(),
            faces: plan.counts == Counts::HoursByFace,
            left_s: left_ms / 1_000,
        };
        let opened = classroom::open_study(context, db, new, now).await?;
        let facts = viewing.decide(&ViewingCommand::Sit(opened), now)?;
        playing::save(context, db, viewing, facts, now).await?;
        lesson = going_on(db, viewing).await?;
    }
    Ok(Some(Earned::of(viewing, lesson.as_ref(), &taken)))
}

/// What of a film earns nothing any more: it is credited, or a check may still make it so.
pub(super) async fn taken(
    context: &Context,
    db: &mut Connection,
    viewing: &Viewing,
) -> Result<Vec<MediaSpan>, Error> {
    let mut taken = Vec::new();
    for sitting in viewing.sittings() {
        let held = classroom::own_spans(context, db, sitting.lesson(), viewing.account()).await?;
        taken.extend(sitting.shown_in(&held));
    }
    Ok(union(&taken))
}

/// The lesson in which a viewing counts now.
async fn going_on(db: &mut Connection, viewing: &Viewing) -> Result<Option<Lesson>, Error> {
    let Some(sitting) = viewing.sittings().last() else {
        return Ok(None);
    };
    let lesson = store::lesson::find(db, sitting.lesson()).await?;
    Ok(lesson.filter(Lesson::is_running))
}

impl Earned {
    fn of(viewing: &Viewing, lesson: Option<&Lesson>, taken: &[MediaSpan]) -> Self {
        let left = left_to_earn(viewing.watched_ms(), taken);
        let left = left.into_iter().map(|span| FilmSpan {
            from_ms: span.from_ms,
            to_ms: span.to_ms,
        });
        Self {
            lesson_id: lesson.map(Lesson::id),
            faces: lesson.is_some_and(|lesson| lesson.policy().figures().face_checks),
            earned_ms: total_ms(taken),
            make_up: left.collect(),
        }
    }
}

/// Hears a player where its film counts.
pub(super) async fn hear(
    db: &mut Connection,
    viewing: &Viewing,
    beat: Beat,
    now: DateTime<Utc>,
) -> Result<Option<AttendanceId>, Error> {
    let (Some(sitting), Some(playback)) = (viewing.sittings().last(), viewing.playback()) else {
        return Ok(None);
    };
    let shown = classroom::Shown {
        lesson: sitting.lesson(),
        account: viewing.account(),
        device: &playback.device,
        watching: beat.watching,
    };
    classroom::hear_player(db, shown, now).await
}

/// What the actor earned of a lesson on demand. Refuses with `playback.ended` when nothing of it
/// was watched.
pub async fn earned_of(
    context: &Context,
    actor: &Actor,
    lesson: CourseLessonId,
) -> Result<Earned, Error> {
    let mut db = context.store.reader().await?;
    let viewing = of(&mut db, actor.account, lesson).await?;
    let taken = taken(context, &mut db, &viewing).await?;
    let lesson = going_on(&mut db, &viewing).await?;
    Ok(Earned::of(&viewing, lesson.as_ref(), &taken))
}

/// Ends the lesson in which the actor's watching counts: a last check closes what was watched.
/// Refuses with `playback.ended` when nothing was watched, or `lesson.catching_up`.
pub async fn sign_out(
    context: &Context,
    actor: &Actor,
    lesson: CourseLessonId,
) -> Result<(), Error> {
    let now = classroom::present(context)?;
    let mut db = context.store.reader().await?;
    let viewing = of(&mut db, actor.account, lesson).await?;
    drop(db);
    end(context, &viewing, now).await
}

/// Ends the lesson in which a viewing counts, if one goes on.
pub(super) async fn end(
    context: &Context,
    viewing: &Viewing,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    match viewing.sittings().last() {
        Some(sitting) => {
            classroom::sign_out(context, sitting.lesson(), viewing.account(), now).await
        }
        None => Ok(()),
    }
}

async fn of(
    db: &mut Connection,
    account: AccountId,
    lesson: CourseLessonId,
) -> Result<Viewing, Error> {
    let viewing = store::viewing::of_lesson(db, account, lesson).await?;
    Ok(viewing.ok_or_else(viewing::ended)?)
}
