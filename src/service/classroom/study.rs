//! Lessons in which one person watches a film alone, and it counts.

use chrono::{DateTime, Utc};

use super::act::{act, act_on_lesson, announce_lesson, lesson_not_found, record};
use super::lessons::{policy_of, tell_topics_changed};
use crate::domain::classroom::attendance::Command;
use crate::domain::classroom::credit::Verdict;
use crate::domain::classroom::lesson::{Lesson, LessonCommand, LessonFact, Study};
use crate::domain::classroom::span::{Span, union};
use crate::domain::id::{AccountId, AttendanceId, LessonId, UnitId, ViewingId};
use crate::service::{Context, Error};
use crate::store::{self, Connection};

/// What begins to count.
#[derive(Clone, Debug)]
pub struct NewStudy {
    /// Whose course.
    pub unit: UnitId,
    /// Whose film.
    pub teacher: AccountId,
    /// Title of the course and the lesson.
    pub title: String,
    /// Who watches.
    pub learner: AccountId,
    /// What.
    pub viewing: ViewingId,
    /// With looks at the face.
    pub faces: bool,
    /// How much of the film still earns, seconds.
    pub left_s: u64,
}

/// What a player showed by now.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// In which lesson it counts.
    pub lesson: LessonId,
    /// To whom.
    pub account: AccountId,
    /// On which device.
    pub device: &'a str,
    /// It plays in front.
    pub watching: bool,
}

/// Longest title, characters.
const TITLE_CHARS_MAX: usize = 100;

/// Writes a lesson that is live at once, for one learner.
pub async fn open_study(
    context: &Context,
    db: &mut Connection,
    new: NewStudy,
    now: DateTime<Utc>,
) -> Result<LessonId, Error> {
    let id = LessonId::new(now, &*context.entropy);
    let policy = policy_of(context, Some(new.faces)).for_the_rest(new.left_s);
    let facts = Lesson::study(
        Study {
            lesson: id,
            unit: new.unit,
            teacher: new.teacher,
            title: new.title.chars().take(TITLE_CHARS_MAX).collect(),
            policy,
            viewing: new.viewing,
        },
        now,
    )?;
    let mut lesson = Lesson::from_first(&facts[0]).ok_or_else(lesson_not_found)?;
    facts.iter().for_each(|fact| lesson.apply(fact));
    store::lesson::insert(db, &lesson, now).await?;
    store::lesson::change_learners(db, id, &[new.learner], &[]).await?;
    tell_topics_changed(context, db, [&new.learner].into_iter()).await?;
    announce_lesson(context, db, id).await?;
    let set = LessonFact::LearnersSet {
        added: vec![new.learner],
        removed: Vec::new(),
    };
    let facts = facts.into_iter().chain([set]).collect();
    record(context, db, id, Some(new.learner), now, facts).await?;
    Ok(id)
}

/// Hears a player, in the caller's transaction. The attendance in which that counts; `None` while
/// the learner is not in the room, or when another device has the place.
pub async fn hear(
    db: &mut Connection,
    shown: Shown<'_>,
    now: DateTime<Utc>,
) -> Result<Option<AttendanceId>, Error> {
    let known = store::attendance::of_learner(db, shown.lesson, shown.account).await?;
    let Some(id) = known else {
        return Ok(None);
    };
    let (device, watching) = (shown.device, shown.watching);
    let here = store::attendance::heard(db, id, device, watching, now).await?;
    Ok(here.then_some(id))
}

/// Life that the server measured, in a transaction of its own.
pub async fn live_on(
    context: &Context,
    id: AttendanceId,
    life: Span,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let mut db = context.store.reader().await?;
    let simple = store::attendance::extend_life(&mut db, id, life).await?;
    drop(db);
    if !simple {
        act(context, id, now, &Command::Alive(life)).await?;
    }
    Ok(())
}

/// The moments that a learner earned in a lesson, and those that a check may still make count.
pub async fn own_spans(
    context: &Context,
    db: &mut Connection,
    lesson: LessonId,
    account: AccountId,
) -> Result<Vec<Span>, Error> {
    let Some(id) = store::attendance::of_learner(db, lesson, account).await? else {
        return Ok(Vec::new());
    };
    let (_, _, statement) = super::attendances::stated(context, db, id).await?;
    let held = statement
        .stretches
        .iter()
        .filter(|stretch| match stretch.verdict {
            Verdict::Credited | Verdict::Pending => true,
            Verdict::Withheld => false,
        });
    Ok(union(&held.map(|stretch| stretch.span).collect::<Vec<_>>()))
}

/// The learner is done, or the film is: the lesson is over once a last check was made. One that is
/// over already stays so.
pub async fn sign_out(
    context: &Context,
    lesson: LessonId,
    by: AccountId,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let mut db = context.store.reader().await?;
    let known = store::lesson::find(&mut db, lesson).await?;
    drop(db);
    if known.is_some_and(|lesson| lesson.is_running()) {
        act_on_lesson(context, lesson, Some(by), now, &LessonCommand::End).await?;
    }
    Ok(())
}
