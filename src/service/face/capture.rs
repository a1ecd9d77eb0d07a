//! Enrolments whose pictures are to be taken: asked for by a request, done by the shell's eyes in
//! a room that only the person can enter.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use serde::Serialize;
use tokio::sync::Notify;

use super::enrolment;
use crate::domain::actor::Actor;
use crate::domain::announcement::{Announcement, Audience};
use crate::domain::face::enrolment::PICTURES_MAX;
use crate::domain::face::message::Message;
use crate::domain::id::AccountId;
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::media::signal::{Permissions, TrackSource};
use crate::service::call::{Call, Custody, Decision, Invitation, RoomRules, SessionAdmission};
use crate::service::classroom::Said;
use crate::service::{Context, Error, Failure, outbox};
use crate::store;

/// Rooms in which pictures of one person are taken are named by this and the account.
pub const ROOM_PREFIX: &str = "face-";
/// Enrolments at once.
pub const CAPTURES_MAX: usize = 32;
/// Long enough for an enrolment, and for a second try.
const TOKEN_VALID_FOR: TimeDelta = TimeDelta::minutes(10);

/// Who waits for the eyes, and who is before them; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Captures(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    queue: Mutex<Queue>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<AccountId>,
    /// Waiting or under way.
    known: BTreeSet<AccountId>,
}

/// An enrolment under way; dropping it makes place for the next.
#[derive(Debug)]
pub struct Turn {
    account: AccountId,
    captures: Captures,
}

impl Captures {
    /// Lets an account wait for its turn; one that does already waits no second time.
    /// Refuses with `face.busy`.
    pub fn ask(&self, account: AccountId) -> Result<(), Refusal> {
        let mut queue = self.queue();
        if queue.known.contains(&account) {
            return Ok(());
        }
        if queue.known.len() >= CAPTURES_MAX {
            return Err(busy());
        }
        queue.known.insert(account);
        queue.waiting.push_back(account);
        drop(queue);
        self.0.more.notify_one();
        Ok(())
    }

    /// The next turn.
    pub async fn next(&self) -> Turn {
        loop {
            let next = self.queue().waiting.pop_front();
            if let Some(account) = next {
                let captures = self.clone();
                return Turn { account, captures };
            }
            self.0.more.notified().await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Whose.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The room in which the camera is.
    pub fn room(&self) -> String {
        room_of(self.account)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.captures.queue().known.remove(&self.account);
    }
}

/// How an enrolment's pictures go, as the person is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// The eyes look.
    Looking,
    /// The pictures wait for staff now.
    Taken,
    /// Too few clear pictures in the time.
    TooFew,
    /// They do not seem to show one person.
    NotOnePerson,
    /// No camera came.
    NoCamera,
    /// Something broke; trying again helps.
    Failed,
}

/// What `face_capture` carries.
#[derive(Serialize)]
struct Told {
    progress: Progress,
    good: usize,
    wanted: usize,
    message: Option<Said>,
}

/// Tells a person how it goes.
pub async fn tell(
    context: &Context,
    account: AccountId,
    progress: Progress,
    good: usize,
    message: Option<Message>,
) -> Result<(), Error> {
    let told = Told {
        progress,
        good,
        wanted: PICTURES_MAX,
        message: message.map(Said::from),
    };
    let payload = serde_json::to_string(&told)
        .map_err(|source| Failure::new("write an announcement", source))?;
    let told = Announcement {
        audience: Audience::Account(account),
        kind: "face_capture",
        payload,
    };
    let mut transaction = context.store.begin().await?;
    outbox::announce(context, &mut transaction, &[told]).await?;
    outbox::commit(context, transaction).await
}

/// Lets the actor's pictures be taken: answers the room and a token for it. Refuses with
/// `face.consent_needed`, `face.no_model`, `face.busy` or `call.not_minted`.
pub async fn begin(
    context: &Context,
    call: &Call,
    actor: &Actor,
) -> Result<(String, String), Error> {
    enrolment::may_capture(context, actor.person).await?;
    let invitation = Invitation {
        room: room_of(actor.account),
        identity: actor.account.to_string(),
        name: String::new(),
        permissions: permissions(),
        attributes: std::collections::BTreeMap::new(),
        valid_for: TOKEN_VALID_FOR,
    };
    let token = call.mint(&invitation)?;
    context.captures.ask(actor.account)?;
    Ok((invitation.room, token))
}

/// The say over rooms in which pictures are taken, for [`Call`].
#[derive(Clone, Debug)]
pub struct FaceRooms(pub Context);

impl RoomRules for FaceRooms {
    fn permissions<'a>(&'a self, room: &'a str, identity: &'a str) -> Decision<'a> {
        Box::pin(async move {
            let Some(owner) = room.strip_prefix(ROOM_PREFIX) else {
                return Ok(None);
            };
            let account: Option<AccountId> = identity.parse().ok();
            let account = account
                .filter(|_| owner == identity)
                .ok_or_else(not_yours)?;
            let agreed = async {
                let mut db = self.0.store.reader().await?;
                let person = store::person::id_of_account(&mut db, account).await?;
                drop(db);
                enrolment::may_capture(&self.0, person.ok_or_else(not_yours)?).await
            };
            match agreed.await {
                Ok(()) => Ok(Some(admission())),
                Err(Error::Refused(refusal)) => Err(refusal),
                Err(Error::Failed(failure)) => {
                    tracing::error!(error = %failure, "no decision over an enrolment's room");
                    Err(busy())
                }
            }
        })
    }

    fn custody(&self, room: &str) -> Custody {
        match room.starts_with(ROOM_PREFIX) {
            // Nobody looks at whoever sits before the camera.
            true => Custody::Sealed,
            false => Custody::Plain,
        }
    }
}

fn admission() -> SessionAdmission {
    SessionAdmission {
        permissions: permissions(),
        name: String::new(),
        attributes: std::collections::BTreeMap::new(),
        reserved: BTreeSet::new(),
        policy: None,
        camera_is_read: true,
        players_shown: false,
    }
}

fn permissions() -> Permissions {
    Permissions {
        publish: true,
        sources: vec![TrackSource::Camera],
        subscribe: false,
        publish_data: false,
        update_own_metadata: false,
        hidden: false,
        recorder: false,
    }
}

fn room_of(account: AccountId) -> String {
    format!("{ROOM_PREFIX}{account}")
}

fn busy() -> Refusal {
    Refusal::new(
        RefusalKind::Unavailable,
        "face.busy",
        "现在采集的人较多，请稍后再试。",
        "Many people are being enrolled right now. Try again soon.",
    )
}

fn not_yours() -> Refusal {
    Refusal::new(
        RefusalKind::Forbidden,
        "face.not_yours",
        "这个房间只供本人采集使用。",
        "This room is for the person whose pictures are taken.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: u128) -> AccountId {
        AccountId(uuid::Uuid::from_u128(number))
    }

    #[tokio::test]
    async fn everybody_has_one_turn_at_a_time_and_places_are_bounded() {
        let captures = Captures::default();
        for number in 0..CAPTURES_MAX as u128 {
            captures.ask(account(number)).expect("a place");
        }
        captures.ask(account(0)).expect("waits already");
        let refused = captures.ask(account(99)).expect_err("full");
        assert_eq!(refused.code, "face.busy");
        let first = captures.next().await;
        assert_eq!(first.account(), account(0));
        assert!(captures.ask(account(99)).is_err(), "its turn is not over");
        drop(first);
        captures.ask(account(99)).expect("a place again");
        assert_eq!(captures.next().await.account(), account(1));
    }
}
