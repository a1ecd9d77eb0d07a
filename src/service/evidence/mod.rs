//! The evidence pack of one attendance: everything that decided about its hours, in one ZIP that
//! can be checked without this server.
//!
//! `manifest.json` has the SHA-256 of every other file; the server remembers the manifest's.
//! `facts.json` has the facts of this attendance and of the lesson with their hashes, `chain.json`
//! the hashes alone of what lies between them, which is about others. `report.pdf` is for people.

mod report;

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use zip::write::SimpleFileOptions;

use crate::domain::actor::Actor;
use crate::domain::classroom::attendance::Phase;
use crate::domain::fact::{StoredFact, hex};
use crate::domain::id::{AccountId, AttendanceId, EvidencePackId};
use crate::domain::refusal::{Refusal, RefusalKind};
use crate::service::classroom::case::{Case, not_found};
use crate::service::classroom::reviews::PictureView;
use crate::service::classroom::view::AttendanceView;
use crate::service::face::enrolment;
use crate::service::paper::{self, Typeface};
use crate::service::{Context, Error, Failure, classroom, ledger, outbox};
use crate::store::{self, Connection};

/// Facts read at once.
const PAGE: u32 = 1_000;
/// Pictures of one pack at most.
const PICTURES_MAX: usize = 500;
/// What a pack looks like; another form has another number.
const FORM: u32 = 1;

/// A pack, ready to be sent.
#[derive(Debug)]
pub struct Pack {
    /// Name of the file.
    pub name: String,
    /// The ZIP.
    pub zip: Vec<u8>,
}

/// Whether a pack is one that this server handed out.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct IssuedView {
    /// When.
    pub issued_at: DateTime<Utc>,
    /// SHA-256 of its `manifest.json`.
    pub manifest_sha256: String,
}

/// What a pack is made of.
#[derive(Debug)]
pub(crate) struct Contents {
    id: EvidencePackId,
    issued_at: DateTime<Utc>,
    learner: String,
    unit: String,
    lesson: String,
    starts_at: DateTime<Utc>,
    view: AttendanceView,
    pictures: Vec<(PictureView, Vec<u8>)>,
    verify_url: String,
}

/// A fact with its place in the chain.
#[derive(Serialize)]
struct Linked<'a> {
    seq: u64,
    at: DateTime<Utc>,
    at_us: i64,
    kind: &'a str,
    /// Canonical JSON, as hashed.
    body: &'a str,
    previous_hash: String,
    hash: String,
}

/// A link about others.
#[derive(Serialize)]
struct Link {
    seq: u64,
    previous_hash: String,
    hash: String,
}

/// The fact of a handing out.
#[derive(Serialize)]
struct Recorded {
    kind: &'static str,
    attendance: AttendanceId,
    pack: EvidencePackId,
    by: AccountId,
    manifest_sha256: String,
    at: DateTime<Utc>,
}

/// Makes the pack of a closed attendance, for its learner or an officer in charge; `address` is
/// where people reach this server. Refuses with `attendance.not_found`, `evidence.open` or
/// `evidence.no_typeface`.
pub async fn issue(
    context: &Context,
    actor: &Actor,
    attendance: AttendanceId,
    address: &str,
) -> Result<Pack, Error> {
    let now = context.now();
    let mut db = context.store.reader().await?;
    let case = seen_by(&mut db, actor, attendance).await?;
    if !matches!(case.attendance.phase(), Phase::Closed { .. }) {
        return Err(still_open().into());
    }
    let typeface = context.typefaces.chinese().ok_or_else(paper::no_typeface)?;
    let id = EvidencePackId::new(now, &*context.entropy);
    let view = classroom::attendance_view(context, &mut db, attendance).await?;
    let contents = Contents {
        id,
        issued_at: now,
        learner: case.person.name.clone(),
        unit: case.person.unit.name.clone(),
        lesson: case.lesson.plan().title.clone(),
        starts_at: case.lesson.plan().starts_at,
        pictures: pictures(context, &mut db, &case).await?,
        view,
        verify_url: format!("{address}/verify/{id}"),
    };
    let (facts, chain) = facts(context, &mut db, &case).await?;
    drop(db);
    let (files, manifest) = files(context, contents, typeface, facts, chain).await?;
    let sha256: [u8; 32] = Sha256::digest(&manifest).into();
    remember(context, actor, &case, (id, sha256, now)).await?;
    let name = format!("evidence-{id}.zip");
    let zip = zipped(files, manifest).map_err(|source| Failure::new("pack evidence", source))?;
    Ok(Pack { name, zip })
}

/// Whether this server handed a pack out. Refuses with `evidence.unknown`.
pub async fn issued(context: &Context, id: EvidencePackId) -> Result<IssuedView, Error> {
    let mut db = context.store.reader().await?;
    let found = store::evidence::find(&mut db, id).await?;
    let (issued_at, sha256) = found.ok_or_else(unknown)?;
    Ok(IssuedView {
        issued_at,
        manifest_sha256: hex(&sha256),
    })
}

async fn seen_by(db: &mut Connection, actor: &Actor, id: AttendanceId) -> Result<Case, Error> {
    let case = Case::find(db, id).await?.ok_or_else(not_found)?;
    match case.attendance.account() == actor.account {
        true => Ok(case),
        false => Case::in_charge(db, actor, id).await,
    }
}

async fn pictures(
    context: &Context,
    db: &mut Connection,
    case: &Case,
) -> Result<Vec<(PictureView, Vec<u8>)>, Error> {
    let checks: Vec<_> = case.attendance.checks().iter().map(|one| one.id).collect();
    let infos = store::face::pictures_of(db, &checks).await?;
    let mut pictures = Vec::new();
    for info in infos.iter().take(PICTURES_MAX) {
        if let Some((info, sealed)) = store::face::picture(db, info.id).await? {
            let webp = enrolment::open_evidence(context, info.person, sealed)?;
            pictures.push((PictureView::of(&info), webp));
        }
    }
    Ok(pictures)
}

/// Facts of the attendance and of its lesson, and the links of all others.
async fn facts(
    context: &Context,
    db: &mut Connection,
    case: &Case,
) -> Result<(Value, Value), Error> {
    let (lesson, id) = (case.lesson.id(), case.attendance.id());
    let stream = ledger::open(context, db, classroom::LESSON_STREAM_KIND, lesson.0).await?;
    let (mut own, mut others, mut next) = (Vec::new(), Vec::new(), 0);
    loop {
        let page = store::ledger::facts(db, stream, next, PAGE).await?;
        for row in &page {
            next = row.seq + 1;
            let body: Value = serde_json::from_str(&row.body).unwrap_or_default();
            let about = body.get("attendance").and_then(Value::as_str);
            if about.is_none_or(|about| about == id.to_string()) {
                own.push(value(&linked(row))?);
            } else {
                others.push(value(&link(row))?);
            }
        }
        if page.len() < PAGE as usize {
            break;
        }
    }
    let facts = serde_json::json!({
        "form": FORM,
        "stream": stream,
        "subject": lesson,
        "stream_kind": classroom::LESSON_STREAM_KIND,
        "facts": own,
    });
    Ok((facts, Value::Array(others)))
}

fn linked(row: &StoredFact) -> Linked<'_> {
    Linked {
        seq: row.seq,
        at: row.at,
        at_us: row.at.timestamp_micros(),
        kind: &row.kind,
        body: &row.body,
        previous_hash: hex(&row.previous_hash),
        hash: hex(&row.hash),
    }
}

fn link(row: &StoredFact) -> Link {
    Link {
        seq: row.seq,
        previous_hash: hex(&row.previous_hash),
        hash: hex(&row.hash),
    }
}

type Files = BTreeMap<String, Vec<u8>>;

async fn files(
    context: &Context,
    contents: Contents,
    typeface: Typeface,
    facts: Value,
    chain: Value,
) -> Result<(Files, Vec<u8>), Error> {
    let mut files = Files::new();
    files.insert("attendance.json".to_owned(), pretty(&contents.view)?);
    files.insert("facts.json".to_owned(), pretty(&facts)?);
    files.insert("chain.json".to_owned(), pretty(&chain)?);
    files.insert("README.txt".to_owned(), report::README.as_bytes().to_vec());
    for (picture, webp) in &contents.pictures {
        files.insert(format!("frames/{}.webp", picture.id), webp.clone());
    }
    let (id, issued_at) = (contents.id, contents.issued_at);
    let drawn = super::off_tasks(context, move || report::draw(&contents, typeface)).await?;
    let pdf = drawn.map_err(|source| Failure::new("draw a report", source))?;
    files.insert("report.pdf".to_owned(), pdf);
    let digests: BTreeMap<&str, String> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), hex(&Sha256::digest(bytes))))
        .collect();
    let manifest = pretty(&serde_json::json!({
        "form": FORM,
        "pack": id,
        "issued_at": issued_at,
        "sha256": digests,
    }))?;
    Ok((files, manifest))
}

async fn remember(
    context: &Context,
    actor: &Actor,
    case: &Case,
    (id, sha256, at): (EvidencePackId, [u8; 32], DateTime<Utc>),
) -> Result<(), Error> {
    let attendance = case.attendance.id();
    let issued = store::evidence::Issued {
        id,
        attendance,
        by: actor.account,
        at,
        sha256,
    };
    let fact = Recorded {
        kind: "evidence_issued",
        attendance,
        pack: id,
        by: actor.account,
        manifest_sha256: hex(&sha256),
        at,
    };
    let mut transaction = context.store.begin().await?;
    store::evidence::insert(&mut transaction, &issued).await?;
    let (kind, lesson) = (classroom::LESSON_STREAM_KIND, case.lesson.id());
    let stream = ledger::open(context, &mut transaction, kind, lesson.0).await?;
    ledger::append_at(&mut transaction, stream, at, &[fact]).await?;
    outbox::commit(context, transaction).await
}

fn zipped(files: Files, manifest: Vec<u8>) -> zip::result::ZipResult<Vec<u8>> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let all = files
        .into_iter()
        .chain([("manifest.json".to_owned(), manifest)]);
    for (name, bytes) in all {
        zip.start_file(name, SimpleFileOptions::default())?;
        zip.write_all(&bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

fn value(of: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(of).map_err(|source| Failure::new("write evidence", source).into())
}

fn pretty(of: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec_pretty(of).map_err(|source| Failure::new("write evidence", source).into())
}

fn still_open() -> Refusal {
    Refusal::new(
        RefusalKind::Conflict,
        "evidence.open",
        "这次学习还没有结束，结束后才能导出证据包。",
        "This attendance is not over yet; its evidence can be had afterwards.",
    )
}

fn unknown() -> Refusal {
    Refusal::new(
        RefusalKind::NotFound,
        "evidence.unknown",
        "这不是本服务器签发的证据包。",
        "This server handed out no such evidence pack.",
    )
}
