//! What the media rooms see, as attendance.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::act::{act, act_on_lesson};
use super::lesson_of_room;
use crate::domain::classroom::attendance::Command;
use crate::domain::classroom::lesson::{Lesson, LessonCommand};
use crate::domain::classroom::span::Span;
use crate::domain::fact::stored_time;
use crate::domain::id::{AccountId, LessonId, ParticipantId};
use crate::media::room::{Presence, RoomFact};
use crate::media::signal::LeaveReason;
use crate::service::{Context, Error};
use crate::store::attendance::Seen;
use crate::store::{self};

/// Time between two [`RoomFact::Presence`] of a room, seconds: what one of them vouches for.
const PRESENCE_SECONDS: i64 = 5;

/// Takes in a fact of a media room; rooms without a lesson and identities that are no accounts
/// are none of ours. Facts of one room come in order.
pub async fn on_room_fact(context: &Context, room: &str, fact: &RoomFact) -> Result<(), Error> {
    let Some(lesson) = lesson_of_room(room) else {
        return Ok(());
    };
    match fact {
        RoomFact::Connected {
            participant,
            identity,
            at,
            ..
        } => connected(context, lesson, identity, *participant, stored_time(*at)).await,
        RoomFact::Left {
            participant,
            identity,
            at,
            reason,
        } => {
            left(
                context,
                lesson,
                identity,
                (*participant, *reason),
                stored_time(*at),
            )
            .await
        }
        RoomFact::Presence { at, present } => {
            presence(context, lesson, stored_time(*at), present).await
        }
        RoomFact::Opened(_)
        | RoomFact::Closed { .. }
        | RoomFact::Joined { .. }
        | RoomFact::Entered(_)
        | RoomFact::Departed(_)
        | RoomFact::TrackPublished { .. }
        | RoomFact::TrackUnpublished { .. }
        | RoomFact::TrackStarted { .. }
        | RoomFact::TrackStopped { .. }
        | RoomFact::Emptied { .. } => Ok(()),
    }
}

async fn connected(
    context: &Context,
    lesson: LessonId,
    identity: &str,
    stay: ParticipantId,
    at: DateTime<Utc>,
) -> Result<(), Error> {
    let (Some(lesson), Ok(account)) = (find(context, lesson).await?, identity.parse()) else {
        return Ok(());
    };
    if account == lesson.teacher() {
        return teacher(context, &lesson, true, at).await;
    }
    link(context, lesson.id(), account, &Command::LinkUp { stay }, at).await
}

async fn left(
    context: &Context,
    lesson: LessonId,
    identity: &str,
    (stay, reason): (ParticipantId, LeaveReason),
    at: DateTime<Utc>,
) -> Result<(), Error> {
    let (Some(lesson), Ok(account)) = (find(context, lesson).await?, identity.parse()) else {
        return Ok(());
    };
    if account == lesson.teacher() {
        // Whoever joined again is already there.
        let gone = reason != LeaveReason::DuplicateIdentity;
        return if gone {
            teacher(context, &lesson, false, at).await
        } else {
            Ok(())
        };
    }
    let left = match reason {
        LeaveReason::ClientInitiated | LeaveReason::Removed => true,
        LeaveReason::DuplicateIdentity
        | LeaveReason::RoomClosed
        | LeaveReason::ServerShutdown
        | LeaveReason::StateMismatch
        | LeaveReason::ConnectionLost
        | LeaveReason::Misbehaved => false,
    };
    let command = Command::LinkDown {
        stay: Some(stay),
        left,
    };
    link(context, lesson.id(), account, &command, at).await
}

async fn presence(
    context: &Context,
    id: LessonId,
    at: DateTime<Utc>,
    present: &[Presence],
) -> Result<(), Error> {
    let Some(lesson) = find(context, id).await? else {
        return Ok(());
    };
    let connected: BTreeMap<AccountId, &Presence> = present
        .iter()
        .filter(|one| one.connected)
        .filter_map(|one| Some((one.identity.parse().ok()?, one)))
        .collect();
    teacher(
        context,
        &lesson,
        connected.contains_key(&lesson.teacher()),
        at,
    )
    .await?;
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
        let command = Command::LinkUp {
            stay: one.participant,
        };
        link(context, id, *account, &command, at).await?;
    }
    let seen: Vec<Seen> = connected
        .iter()
        .filter(|(_, one)| is_served(one))
        .map(|(account, one)| Seen {
            account: *account,
            round_trip_ms: one.round_trip.map_or(0, |time| {
                u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
            }),
        })
        .collect();
    alive(context, &lesson, at, &seen).await
}

/// Media reaches the learner, or there is none to be sent.
fn is_served(one: &Presence) -> bool {
    one.delivered_packets > 0 || one.sent_packets == 0
}

async fn alive(
    context: &Context,
    lesson: &Lesson,
    at: DateTime<Utc>,
    seen: &[Seen],
) -> Result<(), Error> {
    let figures = lesson.policy().figures();
    let mut transaction = context.store.begin().await?;
    let rest =
        store::attendance::prolong_life(&mut transaction, lesson.id(), at, seen, figures).await?;
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
