//! Who may speak in class: calling on somebody, and stopping interaction with one key.

use std::collections::BTreeMap;

use super::act::act_on_lesson;
use super::lessons::{get, run_by};
use super::seats::{FLOOR, ROLE, SeatRole, permissions};
use super::view::LessonView;
use super::{present, room_name};
use crate::domain::actor::Actor;
use crate::domain::classroom::lesson::LessonCommand;
use crate::domain::id::{AccountId, LessonId};
use crate::hub::rooms::Rooms;
use crate::media::room::Input;
use crate::service::{Context, Error};
use crate::store;

/// The orders by which somebody in a lesson's room is called on, or no longer. Where interaction
/// is stopped, a learner who is called on may speak meanwhile. Refuses with `lesson.not_found` or
/// `auth.forbidden`.
pub async fn floor(
    context: &Context,
    actor: &Actor,
    id: LessonId,
    account: AccountId,
    given: bool,
) -> Result<Vec<Input>, Error> {
    let lesson = run_by(context, actor, id).await?;
    let value = if given { "1" } else { "" };
    let identity = account.to_string();
    let mut orders = Vec::new();
    if lesson.is_hushed() {
        let mut db = context.store.reader().await?;
        if store::lesson::is_learner(&mut db, id, account).await? {
            orders.push(may_speak(identity.clone(), given));
        }
    }
    orders.push(Input::SetAttributes {
        identity,
        attributes: BTreeMap::from([(FLOOR.to_owned(), value.to_owned())]),
    });
    Ok(orders)
}

/// Stops interaction, or allows it again: learners' microphones end and stay closed, and what they
/// write is refused, until then. Whoever has the floor keeps it. Refuses with `lesson.not_found`,
/// `auth.forbidden`, `lesson.not_live` or `lesson.catching_up`.
pub async fn set_interaction(
    context: &Context,
    rooms: &Rooms,
    actor: &Actor,
    id: LessonId,
    allowed: bool,
) -> Result<LessonView, Error> {
    run_by(context, actor, id).await?;
    let command = LessonCommand::Interaction(allowed);
    let by = Some(actor.account);
    act_on_lesson(context, id, by, present(context)?, &command).await?;
    let name = room_name(id);
    // A room that is not there has nobody to tell; whoever comes in is told by the seat.
    for present in rooms.participants(&name).await.unwrap_or_default() {
        let is_learner =
            present.attributes.get(ROLE).map(String::as_str) == Some(SeatRole::Learner.name());
        let called_on = present.attributes.contains_key(FLOOR);
        if is_learner {
            let order = may_speak(present.identity, allowed || called_on);
            if rooms.input(&name, order).await.is_err() {
                break;
            }
        }
    }
    get(context, actor, id).await
}

fn may_speak(identity: String, speaks: bool) -> Input {
    Input::SetPermissions {
        identity,
        permissions: permissions(SeatRole::Learner, speaks),
    }
}
