//! Enrolments in use: consent, pictures, approval by staff, and taking it all back.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::domain::actor::Actor;
use crate::domain::announcement::{Announcement, Audience};
use crate::domain::face::check::Eyesight;
use crate::domain::face::enrolment::{
    Apart, CONSENT_VERSION, Enrolment, EnrolmentCommand, EnrolmentFact, PICTURES_MIN, Stage,
    averaged, consent_needed,
};
use crate::domain::face::template::{ModelId, Template};
use crate::domain::id::{AccountId, PersonId};
use crate::domain::person::{Person, not_found};
use crate::domain::policy::{self, Action, OFFICERS, Resource};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::service::{Context, Error, Failure, ledger, outbox, sealing};
use crate::store::face::Biometrics;
use crate::store::{self, Connection, Transaction};

/// Kind of the ledger streams that tell about enrolments; the subject is the person.
pub const FACE_STREAM_KIND: &str = "face";

/// What is sealed here is opened with no other key.
const PURPOSE: &str = "face";

/// What a server can do with faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaceMode {
    /// No networks: pictures are kept for staff.
    EvidenceOnly,
    /// Faces are compared; acts cannot be asked for.
    Faces,
    /// Faces are compared, acts are asked for.
    FacesAndActions,
}

impl From<Eyesight> for FaceMode {
    fn from(eyesight: Eyesight) -> Self {
        match eyesight {
            Eyesight::Blind => Self::EvidenceOnly,
            Eyesight::Faces => Self::Faces,
            Eyesight::Contours => Self::FacesAndActions,
        }
    }
}

/// One's own enrolment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OwnFace {
    /// `evidence_only`, `faces` or `faces_and_actions`.
    #[schema(value_type = String)]
    pub mode: FaceMode,
    /// The text of consent in force.
    pub consent_version: u32,
    /// When it was agreed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consented_at: Option<DateTime<Utc>>,
    /// `empty`, `proposed` or `approved`.
    pub stage: &'static str,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// Why the last pictures were refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The networks changed since: new pictures are needed.
    pub outdated: bool,
}

/// Somebody whose pictures wait.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// Who.
    pub person: Person,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// Pictures that wait for staff, one page.
#[derive(Clone, Debug)]
pub struct Proposals {
    /// Longest waiting first.
    pub items: Vec<Proposal>,
    /// On all pages.
    pub total: u64,
    /// People whom the server knows by the face.
    pub known: u64,
    /// What the server can do.
    pub mode: FaceMode,
}

/// Pictures of a person as the eyes took them.
#[derive(Clone)]
pub struct Taken {
    /// One of each picture.
    pub templates: Vec<Template>,
    /// The best picture as WebP, for people to compare.
    pub portrait: Vec<u8>,
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Taken({} pictures)", self.templates.len())
    }
}

/// How one's own enrolment stands.
pub async fn mine(context: &Context, actor: &Actor) -> Result<OwnFace, Error> {
    let mut db = context.store.reader().await?;
    let enrolled = store::face::find(&mut db, actor.person).await?;
    let enrolment = enrolled.map_or_else(|| Enrolment::none(actor.person), |known| known.enrolment);
    Ok(own(context, &enrolment))
}

fn own(context: &Context, enrolment: &Enrolment) -> OwnFace {
    let (stage, since, refused, model) = match enrolment.stage() {
        Stage::Empty { refused } => ("empty", None, refused.clone(), None),
        Stage::Proposed { model, at } => ("proposed", Some(*at), None, Some(model)),
        Stage::Approved { model, at, .. } => ("approved", Some(*at), None, Some(model)),
    };
    OwnFace {
        mode: context.eyes.eyesight().into(),
        consent_version: CONSENT_VERSION,
        consented_at: enrolment.consent().map(|consent| consent.at),
        stage,
        since,
        refused,
        outdated: model.is_some_and(|model| !is_ours(context, model)),
    }
}

fn is_ours(context: &Context, model: &ModelId) -> bool {
    let ours = context.eyes.recogniser();
    ours.is_some_and(|recogniser| recogniser.model() == model)
}

/// Agrees to a text of consent. Refuses with `face.consent_version`.
pub async fn consent(context: &Context, actor: &Actor, version: u32) -> Result<OwnFace, Error> {
    let command = EnrolmentCommand::Consent { version };
    let enrolment = act(context, actor.person, &command, |held| held).await?;
    Ok(own(context, &enrolment))
}

/// Takes one's own consent back: what was made of the face is deleted.
pub async fn withdraw(context: &Context, actor: &Actor) -> Result<OwnFace, Error> {
    let command = EnrolmentCommand::Withdraw { by: actor.account };
    let enrolment = act(context, actor.person, &command, |_| None).await?;
    Ok(own(context, &enrolment))
}

/// Whether pictures of this person may be taken now. Refuses with `face.consent_needed` or
/// `face.no_model`.
pub async fn may_capture(context: &Context, person: PersonId) -> Result<(), Error> {
    if context.eyes.recogniser().is_none() {
        return Err(no_model().into());
    }
    let mut db = context.store.reader().await?;
    let enrolled = store::face::find(&mut db, person).await?;
    match enrolled.and_then(|known| known.enrolment.consent()) {
        Some(_) => Ok(()),
        None => Err(consent_needed().into()),
    }
}

/// Lets pictures of an account's person wait for staff. Refuses with `face.consent_needed`,
/// `face.not_one_person` or `face.no_model`.
pub async fn propose(context: &Context, account: AccountId, taken: &Taken) -> Result<(), Error> {
    let recogniser = context.eyes.recogniser().ok_or_else(no_model)?;
    let template = averaged(recogniser, &taken.templates).map_err(apart)?;
    let mut db = context.store.reader().await?;
    let person = store::person::id_of_account(&mut db, account).await?;
    let person = person.ok_or_else(not_found)?;
    drop(db);
    let model = recogniser.model().clone();
    let biometrics = Biometrics {
        template: seal(context, person, &model, &bytes_of(&template)),
        portrait: seal(context, person, &portrait_id(), &taken.portrait),
    };
    let command = EnrolmentCommand::Propose {
        model,
        pictures: u32::try_from(taken.templates.len()).unwrap_or(u32::MAX),
    };
    act(context, person, &command, |_| Some(biometrics)).await?;
    Ok(())
}

/// One page of people below the actor's units whose pictures wait.
pub async fn proposals(
    context: &Context,
    actor: &Actor,
    limit: u32,
    offset: u64,
) -> Result<Proposals, Error> {
    let mut db = context.store.reader().await?;
    let scopes = actor.scopes(OFFICERS);
    let (waiting, total) = store::face::proposed(&mut db, &scopes, limit, offset).await?;
    let ids: Vec<PersonId> = waiting.iter().map(|(person, _)| *person).collect();
    let mut people = store::person::find_many(&mut db, &ids).await?;
    let items = waiting.into_iter().filter_map(|(id, since)| {
        let place = people.iter().position(|person| person.id == id)?;
        let person = people.swap_remove(place);
        Some(Proposal { person, since })
    });
    Ok(Proposals {
        items: items.collect(),
        total,
        known: store::face::count(&mut db).await?,
        mode: context.eyes.eyesight().into(),
    })
}

/// The picture of a person that people compare, as WebP, to officers in charge.
/// Refuses with `person.not_found` or `face.no_picture`.
pub async fn portrait(
    context: &Context,
    actor: &Actor,
    person: PersonId,
) -> Result<Vec<u8>, Error> {
    let mut db = context.store.reader().await?;
    in_charge(&mut db, actor, person).await?;
    let held = store::face::find(&mut db, person).await?;
    let held = held.and_then(|known| known.biometrics);
    let held = held.ok_or_else(no_picture)?;
    open(context, person, &portrait_id(), held.portrait)
}

/// Approves pictures. Refuses with `person.not_found`, `face.nothing_to_decide` or
/// `face.own_face`.
pub async fn approve(context: &Context, actor: &Actor, person: PersonId) -> Result<(), Error> {
    let mut db = context.store.reader().await?;
    in_charge(&mut db, actor, person).await?;
    drop(db);
    let command = EnrolmentCommand::Approve {
        by: actor.account,
        as_person: actor.person,
    };
    act(context, person, &command, |held| held).await?;
    Ok(())
}

/// Refuses pictures with a reason that the person reads. Refuses with `person.not_found`,
/// `face.nothing_to_decide` or `face.reason`.
pub async fn refuse(
    context: &Context,
    actor: &Actor,
    person: PersonId,
    reason: &str,
) -> Result<(), Error> {
    let mut db = context.store.reader().await?;
    in_charge(&mut db, actor, person).await?;
    drop(db);
    let command = EnrolmentCommand::Refuse {
        by: actor.account,
        reason: reason.to_owned(),
    };
    act(context, person, &command, |_| None).await?;
    Ok(())
}

/// The template by which a person is known now; `None` without one of the present networks.
pub(crate) async fn template_of(
    context: &Context,
    db: &mut Connection,
    person: PersonId,
) -> Result<Option<Template>, Error> {
    let Some(enrolled) = store::face::find(db, person).await? else {
        return Ok(None);
    };
    let (Stage::Approved { model, .. }, Some(held), Some(recogniser)) = (
        enrolled.enrolment.stage(),
        enrolled.biometrics,
        context.eyes.recogniser(),
    ) else {
        return Ok(None);
    };
    if recogniser.model() != model || enrolled.enrolment.consent().is_none() {
        return Ok(None);
    }
    let bytes = open(context, person, model, held.template)?;
    let values = bytes.chunks_exact(4).filter_map(|chunk| {
        let chunk: Option<[u8; 4]> = chunk.try_into().ok();
        chunk.map(f32::from_le_bytes)
    });
    let template = recogniser.template(values.collect());
    Ok(Some(template.map_err(|source| {
        Failure::new("read a template", source)
    })?))
}

/// Seals a picture that a finding rests on.
pub(crate) fn seal_evidence(
    context: &Context,
    person: PersonId,
    webp: &[u8],
) -> ([u8; 32], Vec<u8>) {
    let sealed = seal(context, person, &evidence_id(), webp);
    (Sha256::digest(webp).into(), sealed)
}

/// Opens what [`seal_evidence`] sealed.
pub(crate) fn open_evidence(
    context: &Context,
    person: PersonId,
    sealed: Vec<u8>,
) -> Result<Vec<u8>, Error> {
    open(context, person, &evidence_id(), sealed)
}

async fn act(
    context: &Context,
    person: PersonId,
    command: &EnrolmentCommand,
    held_after: impl FnOnce(Option<Biometrics>) -> Option<Biometrics>,
) -> Result<Enrolment, Error> {
    let now = context.now();
    let mut transaction = context.store.begin().await?;
    let known = store::face::lock(&mut transaction, person, now).await?;
    let mut enrolment = known.enrolment;
    let facts = enrolment.decide(command, now)?;
    if facts.is_empty() {
        return Ok(enrolment);
    }
    facts.iter().for_each(|fact| enrolment.apply(fact));
    let held = held_after(known.biometrics);
    store::face::save(&mut transaction, &enrolment, held.as_ref(), now).await?;
    if !enrolment.holds_biometrics() {
        store::face::forget(&mut transaction, person).await?;
    }
    tell(context, &mut transaction, &enrolment).await?;
    record(context, transaction, person, now, &facts).await?;
    Ok(enrolment)
}

async fn tell(context: &Context, db: &mut Connection, enrolment: &Enrolment) -> Result<(), Error> {
    let person = store::person::find(db, enrolment.person()).await?;
    let Some(account) = person.and_then(|person| person.account) else {
        return Ok(());
    };
    let payload = serde_json::to_string(&own(context, enrolment))
        .map_err(|source| Failure::new("write an announcement", source))?;
    let told = Announcement {
        audience: Audience::Account(account.id),
        kind: "face_changed",
        payload,
    };
    outbox::announce(context, db, &[told]).await
}

async fn record(
    context: &Context,
    mut transaction: Transaction,
    person: PersonId,
    now: DateTime<Utc>,
    facts: &[EnrolmentFact],
) -> Result<(), Error> {
    let stream = ledger::open(context, &mut transaction, FACE_STREAM_KIND, person.0).await?;
    ledger::append_at(&mut transaction, stream, now, facts).await?;
    outbox::commit(context, transaction).await
}

async fn in_charge(db: &mut Connection, actor: &Actor, person: PersonId) -> Result<Person, Error> {
    let person = store::person::find(db, person).await?;
    let person = person.ok_or_else(not_found)?;
    let unit = Resource::Unit(&person.unit_path);
    policy::allow(actor, Action::ManagePeople, unit).map_err(|_| not_found())?;
    Ok(person)
}

fn bytes_of(template: &Template) -> Vec<u8> {
    let values = template.values().iter();
    values.flat_map(|value| value.to_le_bytes()).collect()
}

// Not a network: what is sealed under these names is a picture.
fn portrait_id() -> ModelId {
    picture_id("portrait")
}

fn evidence_id() -> ModelId {
    picture_id("evidence")
}

fn picture_id(name: &str) -> ModelId {
    ModelId {
        name: name.to_owned(),
        sha256: String::new(),
    }
}

fn associated(person: PersonId, model: &ModelId) -> String {
    format!("{person}|{}|{}", model.name, model.sha256)
}

fn seal(context: &Context, person: PersonId, model: &ModelId, plain: &[u8]) -> Vec<u8> {
    let (key, associated) = (context.keys.sealing(PURPOSE), associated(person, model));
    sealing::seal(&key, associated.as_bytes(), plain, &*context.entropy)
}

fn open(
    context: &Context,
    person: PersonId,
    model: &ModelId,
    sealed: Vec<u8>,
) -> Result<Vec<u8>, Error> {
    let (key, associated) = (context.keys.sealing(PURPOSE), associated(person, model));
    let opened = sealing::open(&key, associated.as_bytes(), sealed);
    Ok(opened.map_err(|source| Failure::new("open biometrics", source))?)
}

fn apart(apart: Apart) -> Refusal {
    match apart {
        Apart::Count => Refusal {
            kind: RefusalKind::Invalid,
            code: "face.pictures",
            zh: format!("清晰的画面不足 {PICTURES_MIN} 张，请重新采集。"),
            en: format!("There are fewer than {PICTURES_MIN} clear pictures. Please try again."),
        },
        Apart::Different => Refusal::new(
            RefusalKind::Invalid,
            "face.not_one_person",
            "这些画面不像是同一个人，请独自坐在摄像头前重新采集。",
            "The pictures do not seem to show one person. Please sit alone and try again.",
        ),
    }
}

fn no_model() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "face.no_model",
        "服务器尚未安装人脸模型，目前只留存画面供工作人员查看。",
        "No face networks are installed: pictures are only kept for staff to look at.",
    )
}

pub(crate) fn no_picture() -> Refusal {
    Refusal::new(
        RefusalKind::NotFound,
        "face.no_picture",
        "没有可查看的画面。",
        "There is no picture to look at.",
    )
}
