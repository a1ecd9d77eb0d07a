//! What the media rooms see, as attendance.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::act::{act, act_on_lesson};
use super::sighting::{Leaving, Present, Seen, Sighting};
use crate::domain::classroom::attendance::Command;
use crate::domain::classroom::lesson::{Lesson, LessonCommand};
use crate::domain::classroom::span::Span;
use crate::domain::id::{AccountId, LessonId, ParticipantId};
use crate::service::{Context, Error};
use crate::store;
use crate::store::attendance::Window;

/// Time between two presences of a room, seconds: what one of them vouches for.
const PRESENCE_SECONDS: i64 = 5;

/// Takes in what a room saw, at the time at which it saw it. Sightings of one room come in order;
/// the same one taken in twice running changes nothing the second time.
///
/// `heard_until` is until when browsers could say how they are: the time of the sighting, or, for
/// one that had to wait, the time at which the database went away. What they said last before it
/// stands for the time after it.
pub async fn take_in(
    context: &Context,
    sighting: &Sighting,
    heard_until: DateTime<Utc>,
) -> Result<(), Error> {
    let (id, at) = (sighting.lesson, sighting.at);
    let Some(lesson) = find(context, id).await? else {
        return Ok(());
    };
    match &sighting.seen {
        Seen::Connected { account, stay } => {
            if is_teacher(&lesson, *account) {
                return teacher(context, &lesson, true, at).await;
            }
            link(context, id, *account, &Command::LinkUp { stay: *stay }, at).await
        }
        Seen::Left { account, stay, how } => {
            left(context, &lesson, *account, (*stay, *how), at).await
        }
        Seen::Present { present } => {
            let window = Window { at, heard_until };
            presence(context, &lesson, window, present).await
        }
    }
}

async fn left(
    context: &Context,
    lesson: &Lesson,
    account: AccountId,
    (stay, how): (ParticipantId, Leaving),
    at: DateTime<Utc>,
) -> Result<(), Error> {
    if is_teacher(lesson, account) {
        // Whoever joined again is already there.
        return match how {
            Leaving::Replaced => Ok(()),
            Leaving::Left | Leaving::Lost => teacher(context, lesson, false, at).await,
        };
    }
    let command = Command::LinkDown {
        stay: Some(stay),
        left: how == Leaving::Left,
    };
    link(context, lesson.id(), account, &command, at).await
}

/// Whoever gives the class; in a lesson that one person takes alone there is nobody to miss.
fn is_teacher(lesson: &Lesson, account: AccountId) -> bool {
    !lesson.is_study() && account == lesson.teacher()
}

async fn presence(
    context: &Context,
    lesson: &Lesson,
    window: Window,
    present: &[Present],
) -> Result<(), Error> {
    let (id, at) = (lesson.id(), window.at);
    let connected: BTreeMap<AccountId, &Present> =
        present.iter().map(|one| (one.account, one)).collect();
    let teaches = connected.contains_key(&lesson.teacher());
    teacher(context, lesson, teaches, at).await?;
    if !lesson.is_running() {
        return Ok(());
    }
    let mut db = context.store.reader().await?;
    let linked: BTreeSet<AccountId> = store::attendance::linked(&mut db, id).await?;
    drop(db);
    for gone in linked
        .iter()
        .filter(|account| !connected.contains_key(account))
    {
        let command = Command::LinkDown {
            stay: None,
            left: false,
        };
        link(context, id, *gone, &command, at).await?;
    }
    for (account, one) in connected
        .iter()
        .filter(|(account, _)| !linked.contains(account))
    {
        let command = Command::LinkUp { stay: one.stay };
        link(context, id, *account, &command, at).await?;
    }
    let seen_one = |one: &Present| store::attendance::Seen {
        account: one.account,
        round_trip_ms: one.round_trip_ms,
    };
    if lesson.is_study() {
        // The film is what shows life there: the player is heard by itself.
        let seen: Vec<_> = connected.into_values().map(seen_one).collect();
        let mut db = context.store.reader().await?;
        return store::attendance::measured(&mut db, id, &seen).await;
    }
    let served = connected.into_values().filter(|one| one.served);
    let seen: Vec<_> = served.map(seen_one).collect();
    alive(context, lesson, window, &seen).await
}

async fn alive(
    context: &Context,
    lesson: &Lesson,
    window: Window,
    seen: &[store::attendance::Seen],
) -> Result<(), Error> {
    let (figures, at) = (lesson.policy().figures(), window.at);
    let mut transaction = context.store.begin().await?;
    let rest =
        store::attendance::prolong_life(&mut transaction, lesson.id(), window, seen, figures)
            .await?;
    transaction.commit().await?;
    let window = Span::new(at - TimeDelta::seconds(PRESENCE_SECONDS), at);
    for id in rest {
        act(context, id, at, &Command::Alive(window)).await?;
    }
    Ok(())
}

async fn teacher(
    context: &Context,
    lesson: &Lesson,
    seen: bool,
    at: DateTime<Utc>,
) -> Result<(), Error> {
    let command = if seen {
        LessonCommand::TeacherSeen
    } else {
        LessonCommand::TeacherLost
    };
    // Decided here first: the usual answer is that nothing changed, and needs no lock.
    let facts = lesson.decide(&command, at)?;
    if !facts.is_empty() {
        act_on_lesson(context, lesson.id(), None, at, &command).await?;
    }
    Ok(())
}

async fn link(
    context: &Context,
    lesson: LessonId,
    account: AccountId,
    command: &Command<'_>,
    at: DateTime<Utc>,
) -> Result<(), Error> {
    let mut db = context.store.reader().await?;
    let attendance = store::attendance::of_learner(&mut db, lesson, account).await?;
    drop(db);
    if let Some(id) = attendance {
        act(context, id, at, command).await?;
    }
    Ok(())
}

async fn find(context: &Context, id: LessonId) -> Result<Option<Lesson>, Error> {
    let mut db = context.store.reader().await?;
    store::lesson::find(&mut db, id).await
}
