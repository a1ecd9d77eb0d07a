//! The server's eyes in class: whom they follow, what they are to look for, and what they found.
//!
//! The shell moves time and media through [`Sitting`]s; here they meet the database. A finding, the
//! pictures it rests on and the facts that follow are committed together.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::act::{Exhibits, act, act_shown, announcement};
use crate::domain::announcement::Audience;
use crate::domain::classroom::attendance::{Attendance, CameraSight, Command, Look};
use crate::domain::classroom::check::Gesture;
use crate::domain::face::action::Action;
use crate::domain::face::check::{EARLIER_MAX, Eyesight, FaceCheck, Plan};
use crate::domain::face::finding::{Finding, Grounds};
use crate::domain::face::message::Message;
use crate::domain::face::template::Template;
use crate::domain::face::watch::Sign;
use crate::domain::fact::hex;
use crate::domain::id::{AccountId, AttendanceId, CheckId, FacePictureId, PersonId};
use crate::service::face::enrolment;
use crate::service::{Context, Error, Failure, outbox};
use crate::store;
use crate::store::watched::Watched;

/// Most learners whom the eyes follow at once.
pub const WATCHED_MAX: u32 = 5_000;
/// Pictures of findings are kept for so long, and longer while somebody is to look at them.
pub const PICTURES_KEPT: TimeDelta = TimeDelta::days(30);
/// Pictures that one round of pruning deletes at most.
const PRUNED_AT_ONCE: u32 = 1_000;

/// One look, from its preparation to its finding.
#[derive(Debug)]
pub struct Sitting {
    /// The machine that leads it.
    pub check: FaceCheck,
    /// What the rules want to know.
    pub look: Look,
    /// The face to compare with; none where the person is not known by the face.
    pub template: Option<Template>,
    attendance: AttendanceId,
    account: AccountId,
    person: PersonId,
}

/// A sentence for a person, in both languages.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Said {
    /// Its name.
    #[schema(value_type = String)]
    pub code: Message,
    /// Chinese.
    pub zh: &'static str,
    /// English.
    pub en: &'static str,
}

impl From<Message> for Said {
    fn from(message: Message) -> Self {
        Self {
            code: message,
            zh: message.zh(),
            en: message.en(),
        }
    }
}

/// What `look_message` carries.
#[derive(Serialize)]
struct LookMessage {
    check_id: Uuid,
    message: Option<Said>,
}

/// The learners whom the eyes follow now.
pub async fn watched(context: &Context) -> Result<Vec<Watched>, Error> {
    let mut db = context.store.reader().await?;
    store::watched::watched(&mut db, context.now(), WATCHED_MAX).await
}

/// Prepares the look that is wanted of an attendance; `None` when none is.
pub async fn sit(context: &Context, id: AttendanceId) -> Result<Option<Sitting>, Error> {
    let now = context.now();
    let mut db = context.store.reader().await?;
    let Some(stored) = store::attendance::find(&mut db, id).await? else {
        return Ok(None);
    };
    let Some(look) = stored.attendance.look_wanted(now) else {
        return Ok(None);
    };
    let account = stored.attendance.account();
    let Some(person) = store::person::id_of_account(&mut db, account).await? else {
        return Ok(None);
    };
    let template = enrolment::template_of(context, &mut db, person).await?;
    let asked_at = asked_at(&stored.attendance, look.check).unwrap_or(now);
    let most = u32::try_from(EARLIER_MAX).unwrap_or(u32::MAX);
    let mut earlier = store::face::hashes_before(&mut db, person, asked_at, most).await?;
    earlier.reverse();
    let eyes = match (&template, context.eyes.eyesight(), look.gesture) {
        // Without a face to compare with, staff compare; and without eyes for the act they see it.
        (None, _, _) | (Some(_), Eyesight::Faces, Some(_)) => Eyesight::Blind,
        (Some(_), eyesight, _) => eyesight,
    };
    let plan = Plan {
        action: look.gesture.map(action),
        eyes,
        prompted: !look.silent,
        earlier,
    };
    let check = FaceCheck::new(plan).map_err(|source| Failure::new("ask for an act", source))?;
    Ok(Some(Sitting {
        check,
        look,
        template,
        attendance: id,
        account,
        person,
    }))
}

fn asked_at(attendance: &Attendance, check: CheckId) -> Option<DateTime<Utc>> {
    let known = attendance.checks().iter().find(|known| known.id == check);
    known.map(|known| known.asked_at)
}

fn action(gesture: Gesture) -> Action {
    match gesture {
        Gesture::TurnLeft => Action::TurnLeft,
        Gesture::TurnRight => Action::TurnRight,
        Gesture::OpenMouth => Action::OpenMouth,
    }
}

/// Takes in what a look found, with the pictures that it rests on (key frames as WebP).
pub async fn found(
    context: &Context,
    sitting: &Sitting,
    finding: Finding,
    pictures: &[Vec<u8>],
) -> Result<(), Error> {
    let now = context.now();
    let recogniser = context.eyes.recogniser();
    let compared = sitting.check.similarity();
    let similarity_e4 = compared.map(|known| (known.value() * 10_000.0).round() as i32);
    let mut kept = Vec::with_capacity(pictures.len());
    for webp in pictures {
        let (sha256, sealed) = enrolment::seal_evidence(context, sitting.person, webp);
        let id = FacePictureId::new(now, &*context.entropy);
        kept.push(store::face::NewPicture { id, sha256, sealed });
    }
    let grounds = Grounds {
        model: compared.and(recogniser.map(|ours| ours.model().clone())),
        similarity_e4,
        pictures: kept.iter().map(|one| hex(&one.sha256)).collect(),
    };
    let command = Command::Found {
        check: sitting.look.check,
        nonce: &sitting.look.nonce,
        finding,
        grounds: &grounds,
    };
    let exhibits = Exhibits {
        taken: store::face::Taken {
            check: sitting.look.check,
            person: sitting.person,
            at: now,
            finding,
            similarity_e4,
        },
        pictures: kept,
        hashes: sitting.check.hashes().to_vec(),
    };
    act_shown(context, sitting.attendance, now, &command, Some(exhibits)).await?;
    Ok(())
}

/// Nobody had time for a look: its check is drawn later.
pub async fn not_looked(context: &Context, sitting: &Sitting) -> Result<(), Error> {
    let check = sitting.look.check;
    let command = Command::EyesBusy { check };
    act(context, sitting.attendance, context.now(), &command).await?;
    Ok(())
}

/// Tells the learner what is wrong with the picture; nothing takes the sentence away.
pub async fn guide(
    context: &Context,
    sitting: &Sitting,
    message: Option<Message>,
) -> Result<(), Error> {
    let told = LookMessage {
        check_id: sitting.look.check.0,
        message: message.map(Said::from),
    };
    let audience = Audience::Account(sitting.account);
    let told = announcement(audience, "look_message", &told)?;
    let mut transaction = context.store.begin().await?;
    outbox::announce(context, &mut transaction, &[told]).await?;
    outbox::commit(context, transaction).await
}

/// Takes in what a learner's camera shows from now on.
pub async fn camera(context: &Context, id: AttendanceId, sign: Sign) -> Result<(), Error> {
    let sight = match sign {
        Sign::Picture => CameraSight::Clear,
        Sign::Nothing => CameraSight::Covered,
        Sign::Off => CameraSight::Off,
        Sign::Silent => CameraSight::Lost,
    };
    act(context, id, context.now(), &Command::Camera(sight)).await?;
    Ok(())
}

/// Deletes pictures that were kept long enough; returns how many.
pub async fn prune_pictures(context: &Context) -> Result<u64, Error> {
    let before = context.now() - PICTURES_KEPT;
    let mut transaction = context.store.begin().await?;
    let gone = store::face::prune_pictures(&mut transaction, before, PRUNED_AT_ONCE).await?;
    transaction.commit().await?;
    Ok(gone)
}
