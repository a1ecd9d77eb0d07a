//! Faces: enrolments, hashes of earlier pictures, and pictures that findings rest on. What is
//! sealed comes and goes as bytes; nothing here can open it.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Connection, Error, Failure, unreadable};
use crate::domain::face::enrolment::{Enrolment, Stage};
use crate::domain::face::finding::Finding;
use crate::domain::face::hash::PictureHash;
use crate::domain::id::{CheckId, FacePictureId, PersonId, UnitId};

/// A template and the picture that people compare, both sealed.
#[derive(Clone)]
pub struct Biometrics {
    /// Sealed template.
    pub template: Vec<u8>,
    /// Sealed WebP.
    pub portrait: Vec<u8>,
}

impl std::fmt::Debug for Biometrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Biometrics(..)")
    }
}

/// An enrolment with what it holds.
#[derive(Clone, Debug)]
pub struct Enrolled {
    /// The aggregate.
    pub enrolment: Enrolment,
    /// None while there are no pictures.
    pub biometrics: Option<Biometrics>,
}

/// A picture that a finding rests on, without the picture.
#[derive(Clone, Debug)]
pub struct PictureInfo {
    /// Its id.
    pub id: FacePictureId,
    /// For which check.
    pub check: CheckId,
    /// Whose attendance.
    pub person: PersonId,
    /// When.
    pub taken_at: DateTime<Utc>,
    /// What was found.
    pub finding: String,
    /// How alike, ten-thousandths in the measure of the network.
    pub similarity_e4: Option<i32>,
    /// SHA-256 of the WebP.
    pub sha256: Vec<u8>,
}

/// A picture to keep.
#[derive(Clone)]
pub struct NewPicture {
    /// Its id.
    pub id: FacePictureId,
    /// SHA-256 of the WebP.
    pub sha256: [u8; 32],
    /// Sealed WebP.
    pub sealed: Vec<u8>,
}

impl std::fmt::Debug for NewPicture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewPicture(..)")
    }
}

/// What the pictures of one finding have in common.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// For which check.
    pub check: CheckId,
    /// Whose.
    pub person: PersonId,
    /// When.
    pub at: DateTime<Utc>,
    /// What was found.
    pub finding: Finding,
    /// See [`PictureInfo::similarity_e4`].
    pub similarity_e4: Option<i32>,
}

struct Row {
    state: Value,
    template: Option<Vec<u8>>,
    portrait: Option<Vec<u8>>,
}

impl Row {
    fn into_enrolled(self) -> Result<Enrolled, Error> {
        let both = self.template.zip(self.portrait);
        Ok(Enrolled {
            enrolment: serde_json::from_value(self.state)
                .map_err(|error| unreadable(error.to_string()))?,
            biometrics: both.map(|(template, portrait)| Biometrics { template, portrait }),
        })
    }
}

fn stage(enrolment: &Enrolment) -> &'static str {
    match enrolment.stage() {
        Stage::Empty { .. } => "empty",
        Stage::Proposed { .. } => "proposed",
        Stage::Approved { .. } => "approved",
    }
}

/// The enrolment of a person, if there ever was one.
pub async fn find(db: &mut Connection, person: PersonId) -> Result<Option<Enrolled>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select state, template, portrait from face_enrolment where person_id = $1",
        person.0,
    )
    .fetch_optional(db)
    .await?;
    row.map(Row::into_enrolled).transpose()
}

/// [`find`], locked until the transaction ends; a person without one gets an empty one first, so
/// that there is something to lock.
pub async fn lock(
    db: &mut Connection,
    person: PersonId,
    now: DateTime<Utc>,
) -> Result<Enrolled, Error> {
    let none = Enrolment::none(person);
    sqlx::query!(
        "insert into face_enrolment (person_id, stage, state, changed_at) \
         values ($1, $2, $3, $4) on conflict (person_id) do nothing",
        person.0,
        stage(&none),
        written(&none)?,
        now,
    )
    .execute(&mut *db)
    .await?;
    let row = sqlx::query_as!(
        Row,
        "select state, template, portrait from face_enrolment where person_id = $1 for update",
        person.0,
    )
    .fetch_one(db)
    .await?;
    row.into_enrolled()
}

/// Writes an enrolment. What it held is gone when `biometrics` is none.
pub async fn save(
    db: &mut Connection,
    enrolment: &Enrolment,
    biometrics: Option<&Biometrics>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "update face_enrolment \
         set stage = $2, state = $3, template = $4, portrait = $5, changed_at = $6 \
         where person_id = $1",
        enrolment.person().0,
        stage(enrolment),
        written(enrolment)?,
        biometrics.map(|held| held.template.as_slice()),
        biometrics.map(|held| held.portrait.as_slice()),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

fn written(enrolment: &Enrolment) -> Result<Value, Error> {
    serde_json::to_value(enrolment)
        .map_err(|source| Error::Failed(Failure::new("write an enrolment", source)))
}

/// People below these units whose pictures wait for approval, longest first, and how many.
pub async fn proposed(
    db: &mut Connection,
    scopes: &[UnitId],
    limit: u32,
    offset: u64,
) -> Result<(Vec<(PersonId, DateTime<Utc>)>, u64), Error> {
    let scopes: Vec<Uuid> = scopes.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select e.person_id, e.changed_at, count(*) over () as "total!"
           from face_enrolment e join person p on p.id = e.person_id
               join unit u on u.id = p.unit_id
           where e.stage = 'proposed' and u.path && $1
           order by e.changed_at, e.person_id limit $2 offset $3"#,
        &scopes,
        i64::from(limit),
        i64::try_from(offset).unwrap_or(i64::MAX),
    )
    .fetch_all(db)
    .await?;
    let total = rows.first().map_or(0, |row| row.total);
    let people = rows
        .into_iter()
        .map(|row| (PersonId(row.person_id), row.changed_at));
    Ok((people.collect(), u64::try_from(total).unwrap_or(0)))
}

/// How many people the server knows by the face. The 2025 rules on face recognition want a filing
/// at 100,000.
pub async fn count(db: &mut Connection) -> Result<u64, Error> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from face_enrolment where template is not null"#,
    )
    .fetch_one(db)
    .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Hashes of a person's pictures from before a moment, the latest first.
pub async fn hashes_before(
    db: &mut Connection,
    person: PersonId,
    before: DateTime<Utc>,
    limit: u32,
) -> Result<Vec<PictureHash>, Error> {
    let rows = sqlx::query_scalar!(
        "select hash from face_hash where person_id = $1 and taken_at < $2 \
         order by taken_at desc, number desc limit $3",
        person.0,
        before,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    let hash = |bytes: Vec<u8>| bytes.try_into().ok().map(PictureHash);
    Ok(rows.into_iter().filter_map(hash).collect())
}

/// Adds hashes of one moment, and forgets those beyond the latest `keep`.
pub async fn add_hashes(
    db: &mut Connection,
    person: PersonId,
    at: DateTime<Utc>,
    hashes: &[PictureHash],
    keep: u32,
) -> Result<(), Error> {
    let bytes: Vec<Vec<u8>> = hashes.iter().map(|hash| hash.0.to_vec()).collect();
    sqlx::query!(
        "insert into face_hash (person_id, taken_at, number, hash) \
         select $1, $2, (new.number - 1)::integer, new.hash \
         from unnest($3::bytea[]) with ordinality as new (hash, number) \
         on conflict do nothing",
        person.0,
        at,
        &bytes,
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "delete from face_hash where person_id = $1 and (taken_at, number) < ( \
             select taken_at, number from face_hash where person_id = $1 \
             order by taken_at desc, number desc offset $2 limit 1)",
        person.0,
        i64::from(keep.saturating_sub(1)),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Keeps the pictures of one finding.
pub async fn insert_pictures(
    db: &mut Connection,
    taken: Taken,
    pictures: &[NewPicture],
) -> Result<(), Error> {
    let finding = serde_json::to_value(taken.finding)
        .map_err(|source| Failure::new("write a finding", source))?;
    for (number, picture) in pictures.iter().enumerate() {
        sqlx::query!(
            "insert into face_picture (id, check_id, person_id, taken_at, number, finding, \
                 similarity_e4, sha256, picture) \
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            picture.id.0,
            taken.check.0,
            taken.person.0,
            taken.at,
            i32::try_from(number).unwrap_or(i32::MAX),
            finding.as_str().unwrap_or_default(),
            taken.similarity_e4,
            picture.sha256.as_slice(),
            picture.sealed,
        )
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

struct InfoRow {
    id: Uuid,
    check_id: Uuid,
    person_id: Uuid,
    taken_at: DateTime<Utc>,
    finding: String,
    similarity_e4: Option<i32>,
    sha256: Vec<u8>,
}

impl From<InfoRow> for PictureInfo {
    fn from(row: InfoRow) -> Self {
        Self {
            id: FacePictureId(row.id),
            check: CheckId(row.check_id),
            person: PersonId(row.person_id),
            taken_at: row.taken_at,
            finding: row.finding,
            similarity_e4: row.similarity_e4,
            sha256: row.sha256,
        }
    }
}

/// What is known of the pictures of these checks, in the order taken.
pub async fn pictures_of(
    db: &mut Connection,
    checks: &[CheckId],
) -> Result<Vec<PictureInfo>, Error> {
    let checks: Vec<Uuid> = checks.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        InfoRow,
        "select id, check_id, person_id, taken_at, finding, similarity_e4, sha256 \
         from face_picture where check_id = any($1) order by taken_at, number",
        &checks,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(PictureInfo::from).collect())
}

/// One picture, sealed.
pub async fn picture(
    db: &mut Connection,
    id: FacePictureId,
) -> Result<Option<(PictureInfo, Vec<u8>)>, Error> {
    let row = sqlx::query!(
        "select id, check_id, person_id, taken_at, finding, similarity_e4, sha256, picture \
         from face_picture where id = $1",
        id.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| {
        let info = PictureInfo {
            id: FacePictureId(row.id),
            check: CheckId(row.check_id),
            person: PersonId(row.person_id),
            taken_at: row.taken_at,
            finding: row.finding,
            similarity_e4: row.similarity_e4,
            sha256: row.sha256,
        };
        (info, row.picture)
    }))
}

/// Deletes what checks made of a person's face, except pictures that somebody is still to look
/// at; returns how many pictures.
pub async fn forget(db: &mut Connection, person: PersonId) -> Result<u64, Error> {
    sqlx::query!("delete from face_hash where person_id = $1", person.0)
        .execute(&mut *db)
        .await?;
    let gone = sqlx::query!(
        "delete from face_picture where person_id = $1 and check_id not in ( \
             select c.id from attendance_check c \
                 join attendance a on a.id = c.attendance_id \
                 left join redress r on r.attendance_id = a.id \
             where a.awaits_ruling or r.open_appeals > 0)",
        person.0,
    )
    .execute(db)
    .await?;
    Ok(gone.rows_affected())
}

/// Deletes pictures taken before a moment whose attendance waits for nobody, at most so many.
pub async fn prune_pictures(
    db: &mut Connection,
    before: DateTime<Utc>,
    limit: u32,
) -> Result<u64, Error> {
    let gone = sqlx::query!(
        "delete from face_picture where id in ( \
             select p.id from face_picture p \
                 join attendance_check c on c.id = p.check_id \
                 join attendance a on a.id = c.attendance_id \
                 left join redress r on r.attendance_id = a.id \
             where p.taken_at < $1 and not a.awaits_ruling and a.phase = 'closed' \
                 and coalesce(r.open_appeals, 0) = 0 \
             order by p.taken_at limit $2)",
        before,
        i64::from(limit),
    )
    .execute(db)
    .await?;
    Ok(gone.rows_affected())
}
