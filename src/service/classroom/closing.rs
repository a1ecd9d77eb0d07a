//! Nobody's camera stays on after class: rooms of lessons that are over end.

use chrono::{DateTime, TimeDelta, Utc};

use super::{lesson_of_room, room_name};
use crate::domain::classroom::lesson::{Lesson, LessonState};
use crate::domain::id::{AccountId, LessonId};
use crate::hub::rooms::Rooms;
use crate::media::room::Input;
use crate::media::signal::LeaveReason;
use crate::service::{Context, Error};
use crate::store::{self, Connection};

/// Closes the rooms of lessons that were called off, and of those that ended once nobody has a
/// last prompt open, or at the latest when the policy says so. The shell calls it about every
/// second; what it closes is decided by what is stored and open alone, so a restart changes
/// nothing, and a client that slips in after the end is put out the next time.
pub async fn close_rooms(context: &Context, rooms: &Rooms) -> Result<(), Error> {
    let open: Vec<LessonId> = rooms
        .names()
        .iter()
        .filter_map(|room| lesson_of_room(room))
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    let now = context.now();
    let mut db = context.store.reader().await?;
    for listed in store::lesson::find_listed(&mut db, &open).await? {
        if is_done(&mut db, &listed.lesson, now).await? {
            let reason = LeaveReason::RoomClosed;
            // A room that is gone by now is as good as closed.
            let _ = rooms
                .input(&room_name(listed.lesson.id()), Input::Close { reason })
                .await;
        }
    }
    Ok(())
}

/// Puts people out of a lesson's room, who may not come in again.
pub async fn put_out(rooms: &Rooms, lesson: LessonId, accounts: &[AccountId]) {
    for account in accounts {
        let order = Input::Remove {
            identity: account.to_string(),
            reason: LeaveReason::Removed,
        };
        if rooms.input(&room_name(lesson), order).await.is_err() {
            // Nobody is in a room that is not there.
            return;
        }
    }
}

async fn is_done(db: &mut Connection, lesson: &Lesson, now: DateTime<Utc>) -> Result<bool, Error> {
    match lesson.state() {
        LessonState::Scheduled | LessonState::Live { .. } | LessonState::Break { .. } => Ok(false),
        LessonState::Cancelled { .. } => Ok(true),
        LessonState::Ended { ended_at, .. } => {
            let figures = lesson.policy().figures();
            let stays = TimeDelta::seconds(figures.room_after_end_max_s.into());
            if now - ended_at >= stays {
                return Ok(true);
            }
            let unfinished = store::attendance::unfinished(db, lesson.id()).await?;
            Ok(unfinished.is_empty())
        }
    }
}
