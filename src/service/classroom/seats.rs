//! Who may enter a lesson's room, and with what rights.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::TimeDelta;

use super::act::{act, lesson_not_found, open};
use super::lessons::seen_by;
use super::{lesson_of_room, present, room_name};
use crate::domain::actor::Actor;
use crate::domain::classroom::attendance::Command;
use crate::domain::classroom::lesson::{Lesson, LessonState};
use crate::domain::classroom::policy::PolicyFigures;
use crate::domain::id::{AccountId, AttendanceId, LessonId};
use crate::domain::policy::OFFICERS;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::media::room::{Audience, Policy, UntilCrowded};
use crate::media::signal::{Permissions, TrackSource};
use crate::service::call::{Call, Decision, Invitation, RoomRules, SessionAdmission};
use crate::service::{Context, Error};
use crate::store::{self, Connection};

/// A token is for entering at once; a client that stays needs none.
const TOKEN_VALID_FOR: TimeDelta = TimeDelta::hours(6);

/// Key of the attribute that tells as what somebody sits in a room.
pub(super) const ROLE: &str = "role";
/// Key of the attribute of whoever was called on to speak.
pub(super) const FLOOR: &str = "floor";

/// As what somebody sits in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeatRole {
    /// Gives the lesson.
    Teacher,
    /// Watches over it for the unit.
    Officer,
    /// Takes it.
    Learner,
}

impl SeatRole {
    /// The value of the participant's attribute `role`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Teacher => "teacher",
            Self::Officer => "officer",
            Self::Learner => "learner",
        }
    }
}

/// A place in a lesson's room.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Name of the room.
    pub room: String,
    /// The account id.
    pub identity: String,
    /// Name of the person.
    pub name: String,
    /// As what.
    pub role: SeatRole,
    /// Rights in the media plane.
    pub permissions: Permissions,
    /// Attributes that others' clients see.
    pub attributes: BTreeMap<String, String>,
    /// Who receives, sees and messages whom in the room.
    pub policy: Arc<dyn Policy>,
    /// The server looks at the camera itself.
    pub camera_is_read: bool,
    /// The learner's attendance, when one was entered.
    pub attendance: Option<AttendanceId>,
}

/// Lets an actor in with a device: a learner's attendance opens, and a later device takes the
/// place of an earlier one. Refuses with `lesson.not_found`, `lesson.not_live` (learners enter a
/// running lesson, staff also one that is still to start), `lesson.catching_up` or
/// `attendance.device`.
pub async fn join(
    context: &Context,
    actor: &Actor,
    lesson: LessonId,
    device: &str,
) -> Result<Seat, Error> {
    let now = present(context)?;
    let mut transaction = context.store.begin().await?;
    let listed = seen_by(&mut transaction, actor, lesson).await?;
    let lesson = store::lesson::lock(&mut transaction, lesson).await?;
    let lesson = lesson.ok_or_else(lesson_not_found)?;
    let officer = actor.holds(OFFICERS, &listed.unit_path);
    let role = role_of(&lesson, actor.account, officer);
    // Staff may know of it, and yet nobody else comes in.
    let enrolled = store::lesson::is_learner(&mut transaction, lesson.id(), actor.account).await?;
    if lesson.is_study() && !enrolled {
        return Err(lesson_not_found());
    }
    admit(&lesson, role)?;
    let mut seat = seat(&mut transaction, &lesson, actor.account, role).await?;
    if role == SeatRole::Learner {
        let known =
            store::attendance::of_learner(&mut transaction, lesson.id(), actor.account).await?;
        let id = match known {
            Some(id) => id,
            None => open(context, &mut transaction, &lesson, actor.account).await?,
        };
        transaction.commit().await?;
        act(context, id, now, &Command::Enter { device }).await?;
        seat.attendance = Some(id);
    }
    Ok(seat)
}

/// The place of an identity in a room, whatever its token says. `None` when no lesson owns the
/// room. Refuses with `lesson.not_found` (also to those who are not enrolled) or
/// `lesson.not_live`.
pub async fn seat_of(context: &Context, room: &str, identity: &str) -> Result<Option<Seat>, Error> {
    let Some(id) = lesson_of_room(room) else {
        return Ok(None);
    };
    let account: AccountId = identity.parse().map_err(|_| lesson_not_found())?;
    let mut db = context.store.reader().await?;
    let listed = store::lesson::find_listed(&mut db, &[id]).await?.pop();
    let listed = listed.ok_or_else(lesson_not_found)?;
    let grants = store::role::of_accounts(&mut db, &[account]).await?;
    let officer = grants.get(&account).is_some_and(|grants| {
        let runs = |grant: &&crate::domain::actor::RoleGrant| OFFICERS.contains(&grant.role);
        grants
            .iter()
            .filter(runs)
            .any(|grant| grant.path.covers(&listed.unit_path))
    });
    let role = role_of(&listed.lesson, account, officer);
    if role == SeatRole::Learner && !store::lesson::is_learner(&mut db, id, account).await? {
        return Err(lesson_not_found());
    }
    admit(&listed.lesson, role)?;
    seat(&mut db, &listed.lesson, account, role).await.map(Some)
}

/// The classroom's say over media rooms, for [`Call`].
#[derive(Clone, Debug)]
pub struct LessonRules(pub Context);

impl RoomRules for LessonRules {
    fn permissions<'a>(&'a self, room: &'a str, identity: &'a str) -> Decision<'a> {
        Box::pin(async move {
            match seat_of(&self.0, room, identity).await {
                Ok(seat) => Ok(seat.map(|seat| SessionAdmission {
                    permissions: seat.permissions,
                    name: seat.name,
                    attributes: seat.attributes,
                    reserved: BTreeSet::from([FLOOR.to_owned()]),
                    policy: Some(seat.policy),
                    camera_is_read: seat.camera_is_read,
                    players_shown: false,
                })),
                Err(Error::Refused(refusal)) => Err(refusal),
                Err(Error::Failed(failure)) => {
                    tracing::error!(error = %failure, "no decision over a lesson's room");
                    Err(undecided())
                }
            }
        })
    }
}

/// A token for a seat. Refuses with `call.not_minted`.
pub fn ticket(call: &Call, seat: &Seat) -> Result<String, Refusal> {
    call.mint(&Invitation {
        room: seat.room.clone(),
        identity: seat.identity.clone(),
        name: seat.name.clone(),
        permissions: seat.permissions.clone(),
        attributes: seat.attributes.clone(),
        valid_for: TOKEN_VALID_FOR,
    })
}

/// Whether somebody is a learner who was not called on, by the attributes of their seat.
pub fn is_in_the_audience(attributes: &BTreeMap<String, String>) -> bool {
    let is = |name: &str, value: &str| attributes.get(name).is_some_and(|known| known == value);
    is(ROLE, SeatRole::Learner.name()) && !is(FLOOR, "1")
}

fn undecided() -> Refusal {
    Refusal::new(
        RefusalKind::Unavailable,
        "lesson.undecided",
        "暂时无法进入课堂，请稍后再试。",
        "The classroom cannot be entered for the moment. Try again soon.",
    )
}

fn role_of(lesson: &Lesson, account: AccountId, officer: bool) -> SeatRole {
    if lesson.is_study() {
        SeatRole::Learner
    } else if lesson.teacher() == account {
        SeatRole::Teacher
    } else if officer {
        SeatRole::Officer
    } else {
        SeatRole::Learner
    }
}

fn admit(lesson: &Lesson, role: SeatRole) -> Result<(), Refusal> {
    match (lesson.state(), role) {
        (LessonState::Live { .. } | LessonState::Break { .. }, _) => Ok(()),
        (LessonState::Scheduled, SeatRole::Teacher | SeatRole::Officer) => Ok(()),
        (LessonState::Scheduled, SeatRole::Learner)
        | (LessonState::Ended { .. } | LessonState::Cancelled { .. }, _) => Err(lesson.not_live()),
    }
}

async fn seat(
    db: &mut Connection,
    lesson: &Lesson,
    account: AccountId,
    role: SeatRole,
) -> Result<Seat, Error> {
    let person = store::person::of_account(db, account).await?;
    let person = person.filter(|p| p.account.as_ref().is_some_and(|a| !a.disabled));
    let person = person.ok_or_else(|| {
        Refusal::new(
            RefusalKind::Forbidden,
            "lesson.no_seat",
            "该账号不能进入课堂。",
            "This account may not enter the classroom.",
        )
    })?;
    Ok(Seat {
        room: room_name(lesson.id()),
        identity: account.to_string(),
        name: person.name,
        role,
        permissions: permissions(role, !lesson.is_hushed() && !lesson.is_study()),
        attributes: BTreeMap::from([(ROLE.to_owned(), role.name().to_owned())]),
        policy: policy(lesson.policy().figures()),
        camera_is_read: lesson.policy().figures().face_checks && role == SeatRole::Learner,
        attendance: None,
    })
}

/// In a large class learners see staff and whoever was called on, not each other: what a join or a
/// camera costs must not grow with the square of the class.
fn policy(figures: &PolicyFigures) -> Arc<dyn Policy> {
    let audience = Audience {
        mark: (ROLE.to_owned(), SeatRole::Learner.name().to_owned()),
        called_on: FLOOR.to_owned(),
    };
    Arc::new(UntilCrowded {
        participants_max: usize::try_from(figures.together_max).unwrap_or(usize::MAX),
        then: Arc::new(audience),
    })
}

/// Learners show themselves, and speak where they may; only staff share a screen.
pub(super) fn permissions(role: SeatRole, speaks: bool) -> Permissions {
    let sources = match role {
        SeatRole::Teacher | SeatRole::Officer => Vec::new(),
        SeatRole::Learner if speaks => vec![TrackSource::Camera, TrackSource::Microphone],
        SeatRole::Learner => vec![TrackSource::Camera],
    };
    Permissions {
        publish: true,
        sources,
        subscribe: true,
        // The chat goes by the server, which keeps it and holds it; learners have nothing else to
        // say by data.
        publish_data: role != SeatRole::Learner,
        // For the attribute `hand`.
        update_own_metadata: true,
        hidden: false,
        recorder: false,
    }
}
