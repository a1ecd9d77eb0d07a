//! Units.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Connection, Error, unreadable};
use crate::domain::id::UnitId;
use crate::domain::unit::{Level, Unit, UnitPath, UnitRef};

struct Row {
    id: Uuid,
    parent_id: Option<Uuid>,
    level: i16,
    code: String,
    name: String,
    path: Vec<Uuid>,
}

impl Row {
    fn into_unit(self) -> Result<Unit, Error> {
        Ok(Unit {
            id: UnitId(self.id),
            parent_id: self.parent_id.map(UnitId),
            level: level(self.level)?,
            code: self.code,
            name: self.name,
            path: path(self.path)?,
        })
    }
}

/// Adds a unit.
pub async fn insert(db: &mut Connection, unit: &Unit, now: DateTime<Utc>) -> Result<(), Error> {
    let path: Vec<Uuid> = unit.path.ids().iter().map(|id| id.0).collect();
    sqlx::query!(
        "insert into unit (id, parent_id, level, code, name, path, created_at) \
         values ($1, $2, $3, $4, $5, $6, $7)",
        unit.id.0,
        unit.parent_id.map(|id| id.0),
        unit.level.number(),
        unit.code,
        unit.name,
        &path,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes a unit's name and code.
pub async fn update(db: &mut Connection, unit: &Unit) -> Result<(), Error> {
    sqlx::query!(
        "update unit set name = $2, code = $3 where id = $1",
        unit.id.0,
        unit.name,
        unit.code,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The unit of this id.
pub async fn find(db: &mut Connection, id: UnitId) -> Result<Option<Unit>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, parent_id, level, code, name, path from unit where id = $1",
        id.0,
    )
    .fetch_optional(db)
    .await?;
    row.map(Row::into_unit).transpose()
}

/// The unit of this code.
pub async fn find_by_code(db: &mut Connection, code: &str) -> Result<Option<Unit>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, parent_id, level, code, name, path from unit where code = $1",
        code,
    )
    .fetch_optional(db)
    .await?;
    row.map(Row::into_unit).transpose()
}

/// The topmost unit: of the highest level, then the oldest.
pub async fn topmost(db: &mut Connection) -> Result<Option<Unit>, Error> {
    let row = sqlx::query_as!(
        Row,
        "select id, parent_id, level, code, name, path from unit \
         order by level, created_at, id limit 1",
    )
    .fetch_optional(db)
    .await?;
    row.map(Row::into_unit).transpose()
}

/// The units with these tops and everything below them, parents first, at most 50,000.
pub async fn subtrees(db: &mut Connection, tops: &[UnitId]) -> Result<Vec<Unit>, Error> {
    let tops: Vec<Uuid> = tops.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        Row,
        "select id, parent_id, level, code, name, path from unit \
         where path && $1 order by level, code limit 50000",
        &tops,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Row::into_unit).collect()
}

/// A stored level.
pub(super) fn level(number: i16) -> Result<Level, Error> {
    Level::try_from(number).map_err(unreadable)
}

/// A stored path.
pub(super) fn path(ids: Vec<Uuid>) -> Result<UnitPath, Error> {
    UnitPath::from_ids(ids.into_iter().map(UnitId).collect())
        .ok_or_else(|| unreadable("an empty path".to_owned()))
}

/// What a list shows of a stored unit.
pub(super) fn reference(id: Uuid, name: String, number: i16) -> Result<UnitRef, Error> {
    Ok(UnitRef {
        id: UnitId(id),
        name,
        level: level(number)?,
    })
}
