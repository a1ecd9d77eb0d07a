//! Evidence packs that were handed out.

use chrono::{DateTime, Utc};

use super::{Connection, Error};
use crate::domain::id::{AccountId, AttendanceId, EvidencePackId};

/// A pack as it was handed out.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Its id.
    pub id: EvidencePackId,
    /// About which attendance.
    pub attendance: AttendanceId,
    /// To whom.
    pub by: AccountId,
    /// When.
    pub at: DateTime<Utc>,
    /// SHA-256 of its manifest.
    pub sha256: [u8; 32],
}

/// Remembers a pack.
pub async fn insert(db: &mut Connection, issued: &Issued) -> Result<(), Error> {
    sqlx::query!(
        "insert into evidence_pack (id, attendance_id, issued_by, issued_at, sha256) \
         values ($1, $2, $3, $4, $5)",
        issued.id.0,
        issued.attendance.0,
        issued.by.0,
        issued.at,
        issued.sha256.as_slice(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// When a pack was handed out, and the SHA-256 of its manifest.
pub async fn find(
    db: &mut Connection,
    id: EvidencePackId,
) -> Result<Option<(DateTime<Utc>, Vec<u8>)>, Error> {
    let row = sqlx::query!(
        "select issued_at, sha256 from evidence_pack where id = $1",
        id.0
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| (row.issued_at, row.sha256)))
}
